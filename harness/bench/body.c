/* What the bytes of an answer say: stamps are looked for in the raw bytes, whatever the format; the stream decoders
 * tell content from the rest, the proper end, and errors inside the stream. Both see each byte once, at the instant its
 * read returned.
 *
 * Content in SSE is told by its key and a non-empty string behind it ("content", "reasoning_content", "reasoning",
 * "arguments"), without parsing JSON: at hundreds of thousands of events a second the parser would be what is measured.
 */
#include "harness/bench/conn.h"

void body_wrong(struct conn *c, enum bench_class class, const char *code, struct span seen)
{
    if (c->wrong)
        return;
    c->wrong = true;
    c->class = class;
    (void)snprintf(c->code, sizeof c->code, "%s", code);
    c->seen_n = seen.n < sizeof c->seen ? seen.n : sizeof c->seen;
    if (c->seen_n > 0)
        memcpy(c->seen, seen.p, c->seen_n);
}

struct bench_stream *body_counts(struct worker *w, const struct conn *c)
{
    return c->measured ? &w->tally.stream : &w->not_measured;
}

void body_begin(struct conn *c)
{
    if (c->wire.status < 200 || c->wire.status > 299) {
        char code[8];
        (void)snprintf(code, sizeof code, "%d", c->wire.status);
        body_wrong(c, BENCH_ERR_STATUS, code, SPAN_EMPTY);
        return;
    }
    c->stream = c->wire.type == WIRE_SSE || c->wire.type == WIRE_EVENTSTREAM;
    if (c->wire.type == WIRE_SSE)
        sse_decoder_reset(&c->sse);
    else if (c->wire.type == WIRE_EVENTSTREAM)
        es_decoder_reset(&c->es);
}

/* ---- stamps ---- */

static void transit(struct worker *w, const struct conn *c, enum bench_metric m, uint64_t from, uint64_t to)
{
    if (c->measured && w->config->one_host && from != 0 && to >= from)
        tally_record(&w->tally, m, to - from);
}

static void take_stamp(struct worker *w, struct conn *c, const struct probe_stamp *stamp, uint64_t now)
{
    bool first = c->track.total == 0;
    if (track_stamp(&c->track, stamp, now, body_counts(w, c)) != TRACK_OURS)
        return;
    if (first)
        transit(w, c, BENCH_TRANSIT_UP, c->started_ns, stamp->received_ns);
    if (first && stamp->seq == 0 && c->measured && stamp->sent_ns >= stamp->received_ns)
        tally_record(&w->tally, BENCH_UPSTREAM, stamp->sent_ns - stamp->received_ns);
    transit(w, c, stamp->kind == PROBE_UNARY ? BENCH_TRANSIT_DOWN : BENCH_TRANSIT_FRAME, stamp->sent_ns, now);
}

static void scan(struct worker *w, struct conn *c, struct span bytes, uint64_t now)
{
    struct probe_stamp stamp;
    probe_scanner_feed(&c->scanner, bytes);
    for (;;) {
        switch (probe_scanner_next(&c->scanner, &stamp)) {
        case PROBE_MORE:
            return;
        case PROBE_STAMP:
            take_stamp(w, c, &stamp, now);
            break;
        case PROBE_ALTERED:
            track_altered(&c->track, body_counts(w, c));
            break;
        }
    }
}

/* ---- content ---- */

static void content(struct worker *w, struct conn *c, uint64_t now)
{
    w->read_contents++;
    if (++c->contents == 1) {
        c->first_content_ns = now;
    } else {
        uint64_t gap = now - c->last_content_ns;
        if (c->contents == 2)
            c->second_content_ns = now;
        if (c->measured)
            tally_record(&w->tally, BENCH_ITL, gap);
        body_counts(w, c)->stalls += gap >= w->config->stall_ms * 1000000;
    }
    c->last_content_ns = now;
    body_counts(w, c)->contents++;
}

static struct span skip_spaces(struct span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\n' || s.p[0] == '\r'))
        s = span_from(s, 1);
    return s;
}

/* Whether the key is there with a string that is not empty. */
static bool has_text(struct span data, const char *key, size_t key_n)
{
    while (data.n > key_n) {
        const unsigned char *p = memmem(data.p, data.n, key, key_n);
        if (p == NULL)
            return false;
        data = skip_spaces(span_from(data, (size_t)(p - data.p) + key_n));
        if (data.n == 0 || data.p[0] != ':')
            continue;
        data = skip_spaces(span_from(data, 1));
        if (data.n > 1 && data.p[0] == '"' && data.p[1] != '"')
            return true;
    }
    return false;
}

static bool is_content(struct span data)
{
    static const char *const keys[] = {"\"content\"", "\"arguments\"", "\"reasoning_content\"", "\"reasoning\"",
                                       "\"text\""};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (has_text(data, keys[i], strlen(keys[i])))
            return true;
    return false;
}

static bool is_error(const struct sse_event *event)
{
    struct span data = skip_spaces(event->data);
    if (span_is(event->type, "error"))
        return true;
    return data.n > 0 && data.p[0] == '{' && span_has_prefix(skip_spaces(span_from(data, 1)), "\"error\"");
}

static void read_sse(struct worker *w, struct conn *c, struct span bytes, uint64_t now)
{
    struct sse_event event;
    enum sse_step step;
    sse_decoder_feed(&c->sse, bytes);
    while ((step = sse_decoder_next(&c->sse, &event)) == SSE_EVENT) {
        if (span_is(event.data, "[DONE]"))
            c->ended = true;
        else if (is_error(&event))
            body_wrong(c, BENCH_ERR_IN_STREAM, "error_event", event.data);
        else if (is_content(event.data))
            content(w, c, now);
    }
    if (step != SSE_MORE)
        body_wrong(c, BENCH_ERR_PROTOCOL, sse_step_name(step), SPAN_EMPTY);
}

static void read_message(struct worker *w, struct conn *c, const struct es_message *m, uint64_t now)
{
    struct span name = SPAN_EMPTY;
    char code[40];
    switch (es_message_kind(m, &name)) {
    case ES_EVENT:
        if (span_is(name, "contentBlockDelta") || span_is(name, "chunk"))
            content(w, c, now);
        else if (span_is(name, "messageStop"))
            c->ended = true;
        return;
    case ES_EXCEPTION:
    case ES_ERROR:
        (void)snprintf(code, sizeof code, "%.*s", (int)(name.n < 39 ? name.n : 39),
                       name.n > 0 ? (const char *)name.p : "");
        body_wrong(c, BENCH_ERR_IN_STREAM, code, m->payload);
        return;
    case ES_OTHER:
        body_wrong(c, BENCH_ERR_PROTOCOL, "message_type", m->payload);
    }
}

static void read_es(struct worker *w, struct conn *c, struct span bytes, uint64_t now)
{
    struct es_message m;
    enum es_error e;
    if (c->wrong && c->class == BENCH_ERR_PROTOCOL)
        return;
    es_decoder_feed(&c->es, bytes);
    while ((e = es_decoder_next(&c->es, &m)) == ES_OK)
        read_message(w, c, &m, now);
    if (e == ES_MORE)
        return;
    body_counts(w, c)->crc_bad += e == ES_PRELUDE_CRC || e == ES_MESSAGE_CRC;
    body_wrong(c, BENCH_ERR_PROTOCOL, es_error_name(e), SPAN_EMPTY);
}

/* ---- the body ---- */

static void keep_seen(struct conn *c, struct span bytes)
{
    struct span take = span_cut(bytes, 0, sizeof c->seen - c->seen_n);
    if (take.n > 0)
        memcpy(c->seen + c->seen_n, take.p, take.n);
    c->seen_n += take.n;
}

void body_bytes(struct worker *w, struct conn *c, struct span bytes, uint64_t now)
{
    if (c->wrong && c->class == BENCH_ERR_STATUS) {
        keep_seen(c, bytes);
        return;
    }
    if (w->lanes[c->side].request.id_at != SIZE_MAX)
        scan(w, c, bytes, now);
    if (c->wire.type == WIRE_SSE)
        read_sse(w, c, bytes, now);
    else if (c->wire.type == WIRE_EVENTSTREAM)
        read_es(w, c, bytes, now);
}

void body_end(struct worker *w, struct conn *c)
{
    enum bench_dialect dialect = c->side == BENCH_TARGET ? w->config->target.dialect : w->config->direct.dialect;
    if (probe_scanner_cut(&c->scanner))
        track_altered(&c->track, body_counts(w, c));
    if (c->wrong || dialect == BENCH_GET || !w->config->stream)
        return;
    if (!c->stream)
        body_wrong(c, BENCH_ERR_PROTOCOL, "not_a_stream", SPAN_EMPTY);
    else if (c->wire.type == WIRE_EVENTSTREAM && es_decoder_finish(&c->es) != ES_OK)
        body_wrong(c, BENCH_ERR_TRUNCATED, "inside_frame", SPAN_EMPTY);
    else if (!c->ended)
        body_wrong(c, BENCH_ERR_TRUNCATED, c->wire.type == WIRE_SSE ? "no_done" : "no_message_stop", SPAN_EMPTY);
}
