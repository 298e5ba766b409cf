/* fault_parts.c: finding events in a plan and putting others in their place.
 *
 * Events are found by what they say, not by their number, because an answer has as many deltas as it likes. Frames that
 * an encoder refuses to make are put together here from a block of headers and a payload.
 */
#include "mock/fault/fault_parts.h"

#include "mock/native/native.h"

/* ---- parameters ---- */

int64_t fault_int(const cJSON *f, const char *key, int64_t otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(f, key);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : otherwise;
}

uint64_t fault_ns(const cJSON *f, const char *key, uint64_t otherwise_ms)
{
    return (uint64_t)fault_int(f, key, (int64_t)otherwise_ms) * FAULT_MS;
}

const char *fault_text(const cJSON *f, const char *key, const char *otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(f, key);
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

bool fault_has(const cJSON *f, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(f, key) != NULL;
}

/* ---- places ---- */

size_t fault_body_size(const struct plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->pieces[i].n;
    return n;
}

size_t fault_events(const struct plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->pieces[i].event != PLAN_NO_EVENT;
    return n;
}

size_t fault_position(int64_t at, size_t count)
{
    if (at >= 0)
        return (size_t)at;
    uint64_t back = (uint64_t)-at;
    return back > count ? 0 : count - (size_t)back;
}

size_t fault_at_event(const struct plan *p, const cJSON *f, int64_t otherwise)
{
    return fault_position(fault_int(f, "at_event", otherwise), fault_events(p));
}

size_t fault_event_piece(const struct plan *p, size_t n)
{
    if (n == 0)
        return 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->pieces[i].event == n - 1)
            return i + 1;
    return p->count;
}

unsigned char *fault_event_bytes(struct plan *p, size_t n, size_t *size)
{
    struct span bytes = plan_event_bytes(p, n);
    *size = bytes.n;
    return bytes.n == 0 ? NULL : (unsigned char *)p->bytes.data + (bytes.p - (const unsigned char *)p->bytes.data);
}

/* ---- events ---- */

static void renumber(struct plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->pieces[i].event != PLAN_NO_EVENT)
            p->pieces[i].event = n++;
}

void fault_insert(struct plan *p, size_t at, struct span frame)
{
    CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
    buf_add(&copy, frame); /* it may lie in p->bytes, which grows */
    int64_t promised = p->content_length;
    size_t i = fault_event_piece(p, at), last = plan_add(p, buf_span(&copy), 0, fault_events(p));
    p->content_length = promised;
    if (p->failed || buf_error(&copy) != OK) {
        p->failed = true;
        return;
    }
    struct plan_piece piece = p->pieces[last];
    memmove(&p->pieces[i + 1], &p->pieces[i], (last - i) * sizeof piece);
    p->pieces[i] = piece;
    renumber(p);
}

void fault_drop(struct plan *p, size_t n)
{
    if (n == PLAN_NO_EVENT)
        return;
    plan_drop_event(p, n);
    renumber(p);
}

void fault_copy(struct plan *p, size_t n, size_t to)
{
    struct span bytes = plan_event_bytes(p, n);
    if (n != PLAN_NO_EVENT && bytes.n > 0)
        fault_insert(p, to, bytes);
}

void fault_move(struct plan *p, size_t n, size_t to)
{
    CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
    if (n == PLAN_NO_EVENT || to == PLAN_NO_EVENT || plan_event_bytes(p, n).n == 0 || plan_event_bytes(p, to).n == 0)
        return;
    buf_add(&copy, plan_event_bytes(p, n));
    fault_drop(p, n);
    fault_insert(p, to, buf_span(&copy));
}

/* An event that was split has empty pieces left, which keep its time. */
void fault_replace(struct plan *p, size_t n, struct span frame)
{
    CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
    buf_add(&copy, frame);
    size_t i = 0;
    while (i < p->count && p->pieces[i].event != n)
        i++;
    if (i == p->count)
        return;
    for (size_t k = i; k > 0 && p->pieces[k - 1].event == PLAN_NO_EVENT &&
                       p->pieces[k - 1].from + p->pieces[k - 1].n == p->pieces[k].from;
         k--)
        p->pieces[k - 1].n = 0;
    p->pieces[i].from = p->bytes.len;
    p->pieces[i].n = copy.len;
    buf_add(&p->bytes, buf_span(&copy));
    if (buf_error(&copy) != OK || buf_error(&p->bytes) != OK) {
        p->failed = true;
        p->pieces[i].from = p->pieces[i].n = 0;
    }
}

/* ---- what an event says ---- */

/* Puts the first message of the event's bytes into m; the decoder owns it. */
static bool decode(const struct plan *p, size_t n, struct es_decoder *d, struct es_message *m)
{
    es_decoder_reset(d);
    es_decoder_feed(d, plan_event_bytes(p, n));
    return es_decoder_next(d, m) == ES_OK;
}

static bool is_chunk(const struct es_message *m)
{
    return span_is(es_header_text(m, ":event-type"), "chunk");
}

static bool chunk_json(const struct es_message *m, struct buf *out)
{
    CLEANUP(json_free) cJSON *payload = NULL;
    return json_parse(m->payload, JSON_COMPACT, &payload, NULL) == OK && json_str(payload, "bytes") != NULL &&
           buf_add_unbase64(out, span_of(json_str(payload, "bytes"))) == OK;
}

static bool native_is(struct span json, enum event_kind kind)
{
    static const struct {
        const char *mark;
        enum event_kind kind;
    } marks[] = {
        {"\"message_start\"", EVENT_MESSAGE_START},     {"{\"messageStart\"", EVENT_MESSAGE_START},
        {"\"content_block_start\"", EVENT_BLOCK_START}, {"{\"contentBlockStart\"", EVENT_BLOCK_START},
        {"\"content_block_delta\"", EVENT_DELTA},       {"{\"contentBlockDelta\"", EVENT_DELTA},
        {"\"content_block_stop\"", EVENT_BLOCK_STOP},   {"{\"contentBlockStop\"", EVENT_BLOCK_STOP},
        {"\"message_stop\"", EVENT_MESSAGE_STOP}, /* the counts are in it, too: it stands for both */
        {"{\"messageStop\"", EVENT_MESSAGE_STOP},       {"\"amazon-bedrock-invocationMetrics\"", EVENT_METADATA}};
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        if (marks[i].kind == kind && span_find(json, marks[i].mark) != NULL)
            return true;
    return false;
}

static bool is_kind(const struct es_message *m, enum event_kind kind)
{
    static const char *const names[] = {
        [EVENT_MESSAGE_START] = "messageStart", [EVENT_BLOCK_START] = "contentBlockStart",
        [EVENT_DELTA] = "contentBlockDelta",    [EVENT_BLOCK_STOP] = "contentBlockStop",
        [EVENT_MESSAGE_STOP] = "messageStop",   [EVENT_METADATA] = "metadata"};
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    if (is_chunk(m))
        return chunk_json(m, &json) && native_is(buf_span(&json), kind);
    return span_is(es_header_text(m, ":event-type"), names[kind]);
}

bool fault_is(const struct plan *p, size_t n, enum event_kind kind)
{
    struct es_decoder d;
    struct es_message m;
    es_decoder_init(&d);
    bool is = decode(p, n, &d, &m) && is_kind(&m, kind);
    es_decoder_release(&d);
    return is;
}

size_t fault_find(const struct plan *p, enum event_kind kind, size_t from)
{
    size_t found = PLAN_NO_EVENT;
    struct es_decoder d;
    struct es_message m;
    es_decoder_init(&d);
    for (size_t n = from, end = fault_events(p); n < end && found == PLAN_NO_EVENT; n++)
        if (decode(p, n, &d, &m) && is_kind(&m, kind))
            found = n;
    es_decoder_release(&d);
    return found;
}

bool fault_json(const struct plan *p, size_t n, struct buf *out)
{
    struct es_decoder d;
    struct es_message m;
    es_decoder_init(&d);
    bool there = decode(p, n, &d, &m);
    if (there && is_chunk(&m))
        there = chunk_json(&m, out);
    else if (there)
        buf_add(out, m.payload);
    es_decoder_release(&d);
    return there && buf_error(out) == OK;
}

void fault_set_json(struct plan *p, size_t n, struct span json, const struct fault_scene *scene)
{
    struct es_decoder d;
    struct es_message m;
    es_decoder_init(&d);
    if (decode(p, n, &d, &m)) {
        CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
        if (is_chunk(&m))
            native_chunk_payload(json, scene->rng, &payload);
        else
            buf_add(&payload, json);
        if (buf_error(&payload) != OK || es_encode(m.headers, m.count, buf_span(&payload), &frame) != ES_OK)
            p->failed = true;
        else
            fault_replace(p, n, buf_span(&frame));
    }
    es_decoder_release(&d);
}

/* ---- frames ---- */

static uint32_t get_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void fault_fill(struct buf *out, char c, size_t n)
{
    char *at = buf_reserve(out, n);
    if (at == NULL || n == 0)
        return;
    memset(at, c, n);
    out->len += n;
    out->data[out->len] = '\0';
}

void fault_put_u32(unsigned char *at, uint32_t n)
{
    at[0] = (unsigned char)(n >> 24);
    at[1] = (unsigned char)(n >> 16);
    at[2] = (unsigned char)(n >> 8);
    at[3] = (unsigned char)n;
}

bool fault_frame_parts(struct span frame, struct span *headers, struct span *payload)
{
    if (es_frame_length(frame) != frame.n || frame.n < ES_OVERHEAD)
        return false;
    size_t n = get_u32(frame.p + 4);
    if (n > frame.n - ES_OVERHEAD)
        return false;
    *headers = span_cut(frame, ES_PRELUDE, n);
    *payload = span_cut(frame, ES_PRELUDE + n, frame.n - ES_OVERHEAD - n);
    return true;
}

void fault_frame(struct span headers, struct span payload, struct buf *out)
{
    unsigned char prelude[ES_PRELUDE] = {0};
    size_t n = ES_OVERHEAD + headers.n + payload.n, at = out->len;
    fault_put_u32(prelude, (uint32_t)n);
    fault_put_u32(prelude + 4, (uint32_t)headers.n);
    buf_add(out, (struct span){prelude, sizeof prelude});
    buf_add(out, headers);
    buf_add(out, payload);
    buf_add(out, (struct span){prelude, 4}); /* room for the CRC */
    if (buf_error(out) == OK)
        es_reseal((unsigned char *)out->data + at, n);
}

/* All headers of Bedrock are strings (type 7), so others end the search. */
struct span fault_header(struct span headers, const char *name)
{
    while (headers.n > 0) {
        size_t name_n = headers.p[0];
        if (headers.n < name_n + 4 || headers.p[name_n + 1] != ES_STRING)
            return SPAN_EMPTY;
        size_t all = name_n + 4 + ((size_t)headers.p[name_n + 2] << 8 | headers.p[name_n + 3]);
        if (all > headers.n)
            return SPAN_EMPTY;
        if (span_is(span_cut(headers, 1, name_n), name))
            return span_cut(headers, 0, all);
        headers = span_from(headers, all);
    }
    return SPAN_EMPTY;
}
