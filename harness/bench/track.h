/* track.h: the stamps of one reply: which came, which did not, and whether they kept the spacing they were sent with.
 *
 * One per connection, begun with each request. Its set of seen frames grows to the longest reply and is kept, so that
 * nothing is allocated in the steady state.
 */
#ifndef MOHS_BENCH_TRACK_H
#define MOHS_BENCH_TRACK_H

#include "harness/bench/bench.h"
#include "protocol/probe.h"

struct track_kind {
    uint64_t frames, judged, collapsed;
    uint64_t first_received_ns, last_received_ns, first_sent_ns, last_sent_ns;
};

struct track { /* zeroed: ready for track_begin */
    uint64_t id;
    uint32_t total; /* 0: no stamp yet */
    uint32_t distinct, highest;
    uint64_t altered;
    uint64_t upstream_received_ns; /* of the first stamp */
    struct track_kind kinds[BENCH_KINDS];
    uint64_t *seen; /* a bit per frame */
    uint32_t seen_words, used_words;
};

void track_release(struct track *t);
void track_begin(struct track *t, uint64_t id);

enum track_verdict { TRACK_OURS, TRACK_DOUBLED, TRACK_LEAKED, TRACK_ALTERED };
/* A stamp with a right checksum came with the read that ended at received_ns. */
enum track_verdict track_stamp(struct track *t, const struct probe_stamp *stamp, uint64_t received_ns,
                               struct bench_stream *out);
/* A stamp with a wrong checksum came. */
void track_altered(struct track *t, struct bench_stream *out);
/* The reply has ended, whole or broken. Nothing is counted for a reply without stamps but `unstamped`, when whole. */
void track_end(struct track *t, bool whole, struct bench_stream *out);

#endif
