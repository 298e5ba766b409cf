/* Losing a frame and damaging it are two defects, and a broken stream is a third, so each missing number is counted
 * once: as altered when a damaged stamp came in its place, as cut when the stream broke, as lost otherwise. Reordering
 * is counted per frame that comes after one with a higher number.
 *
 * Cadence is judged per kind of delta and per stream, from gaps that the upstream left on purpose (a millisecond or
 * more): the sender's instants are in the stamps, ours are those of the reads, and a gap that arrives with less than a
 * tenth of its length has collapsed. A gateway that buffers delivers the first frame after the last was sent; that is
 * told apart from bursts, because clients suffer differently.
 */
#include "harness/bench/track.h"

#include <stdlib.h>

#define JUDGED_GAP_NS UINT64_C(1000000)
#define WORD          64u

void track_release(struct track *t)
{
    if (t == NULL)
        return;
    free(t->seen);
    memset(t, 0, sizeof *t);
}

void track_begin(struct track *t, uint64_t id)
{
    uint64_t *seen = t->seen;
    uint32_t words = t->seen_words;
    if (t->used_words > 0)
        memset(seen, 0, t->used_words * sizeof *seen);
    memset(t, 0, sizeof *t);
    t->id = id;
    t->seen = seen;
    t->seen_words = words;
}

/* Mark a frame; false when it was seen before. Out of memory, or beyond the ceiling, every frame counts as new. */
static bool mark(struct track *t, uint32_t seq)
{
    uint32_t word = seq / WORD;
    if (seq >= BENCH_FRAMES_MAX)
        return true;
    if (word >= t->seen_words) {
        uint32_t words = word + 1 > 2 * t->seen_words ? word + 1 : 2 * t->seen_words;
        uint64_t *seen = realloc(t->seen, words * sizeof *seen);
        if (seen == NULL)
            return true;
        memset(seen + t->seen_words, 0, (words - t->seen_words) * sizeof *seen);
        t->seen = seen;
        t->seen_words = words;
    }
    if (word >= t->used_words)
        t->used_words = word + 1;
    uint64_t bit = UINT64_C(1) << (seq % WORD);
    bool fresh = (t->seen[word] & bit) == 0;
    t->seen[word] |= bit;
    return fresh;
}

static int kind_of(enum probe_kind kind)
{
    return kind == PROBE_REASONING ? BENCH_REASONING : kind == PROBE_TOOL ? BENCH_TOOL : BENCH_TEXT;
}

static void pace(struct track_kind *k, const struct probe_stamp *stamp, uint64_t received_ns)
{
    if (k->frames++ == 0) {
        k->first_received_ns = received_ns;
        k->first_sent_ns = stamp->sent_ns;
    } else if (stamp->sent_ns >= k->last_sent_ns + JUDGED_GAP_NS) {
        uint64_t gap = stamp->sent_ns - k->last_sent_ns;
        bool collapsed = (received_ns - k->last_received_ns) * 10 < gap;
        k->judged++;
        k->collapsed += collapsed;
    }
    k->last_received_ns = received_ns;
    if (stamp->sent_ns > k->last_sent_ns)
        k->last_sent_ns = stamp->sent_ns;
}

enum track_verdict track_stamp(struct track *t, const struct probe_stamp *stamp, uint64_t received_ns,
                               struct bench_stream *out)
{
    if (stamp->id != t->id) {
        out->leaked++;
        return TRACK_LEAKED;
    }
    if (stamp->seq >= stamp->total || (t->total != 0 && stamp->total != t->total)) {
        track_altered(t, out); /* a checksum made over nonsense */
        return TRACK_ALTERED;
    }
    if (t->total == 0) {
        t->total = stamp->total;
        t->upstream_received_ns = stamp->received_ns;
    }
    out->frames_received++;
    if (!mark(t, stamp->seq)) {
        out->doubled++;
        return TRACK_DOUBLED;
    }
    out->reordered += t->distinct > 0 && stamp->seq < t->highest;
    if (stamp->seq > t->highest)
        t->highest = stamp->seq;
    t->distinct++;
    pace(&t->kinds[kind_of(stamp->kind)], stamp, received_ns);
    return TRACK_OURS;
}

void track_altered(struct track *t, struct bench_stream *out)
{
    t->altered++;
    out->altered++;
}

static enum bench_cadence cadence_of(const struct track_kind *k)
{
    if (k->frames < 3 || k->judged < 2)
        return BENCH_UNJUDGED;
    if (k->first_received_ns >= k->last_sent_ns)
        return BENCH_BUFFERED;
    double per_burst = (double)(k->judged + 1) / (double)(k->judged + 1 - k->collapsed);
    return per_burst < 1.25 ? BENCH_STREAMED : per_burst < 4 ? BENCH_COALESCED : BENCH_BURSTY;
}

void track_end(struct track *t, bool whole, struct bench_stream *out)
{
    if (t->total == 0) {
        out->unstamped += whole && t->altered == 0;
        return;
    }
    uint64_t missing = t->total - t->distinct;
    missing -= t->altered < missing ? t->altered : missing;
    *(whole ? &out->lost : &out->cut) += missing;
    out->frames_sent += t->total;
    for (int i = 0; i < BENCH_KINDS; i++) {
        const struct track_kind *k = &t->kinds[i];
        out->kinds[i].frames += k->frames;
        out->kinds[i].gaps_judged += k->judged;
        out->kinds[i].gaps_collapsed += k->collapsed;
        if (k->frames > 0 && whole)
            out->kinds[i].streams[cadence_of(k)]++;
    }
}

/* ---- verdicts over many streams ---- */

enum bench_cadence bench_verdict_of(const struct bench_kind *kind)
{
    uint64_t judged = 0, from_gravest = 0;
    for (int c = BENCH_STREAMED; c < BENCH_CADENCES; c++)
        judged += kind->streams[c];
    for (int c = BENCH_BUFFERED; c > BENCH_STREAMED; c--) {
        from_gravest += kind->streams[c];
        if (from_gravest > 0 && from_gravest * 20 >= judged)
            return (enum bench_cadence)c;
    }
    return judged > 0 ? BENCH_STREAMED : BENCH_UNJUDGED;
}

enum bench_cadence bench_stream_verdict(const struct bench_stream *s)
{
    enum bench_cadence worst = BENCH_UNJUDGED;
    for (int i = 0; i < BENCH_KINDS; i++)
        if (bench_verdict_of(&s->kinds[i]) > worst)
            worst = bench_verdict_of(&s->kinds[i]);
    return worst;
}
