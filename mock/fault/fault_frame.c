/* fault_frame.c: the EVS faults: frames that an event-stream encoder does not make, and writes that cut them anywhere.
 *
 * Each breaks one thing and keeps the rest right: where a length is wrong the CRC over it is right, where a header is
 * wrong both CRCs are, so that a decoder finds just what the row says. An event that is not there is left alone.
 */
#include "mock/fault/fault_parts.h"

/* ---- checksums and lengths ---- */

FAULT(bad_prelude_crc)
{
    (void)scene;
    size_t n;
    unsigned char *bytes = fault_event_bytes(p, fault_at_event(p, f, 0), &n);
    if (n >= ES_PRELUDE)
        bytes[ES_PRELUDE - 1] ^= 1;
    return p;
}

FAULT(bad_message_crc)
{
    (void)scene;
    size_t n;
    unsigned char *bytes = fault_event_bytes(p, fault_at_event(p, f, 0), &n);
    if (n >= ES_OVERHEAD)
        bytes[n - 1] ^= 1;
    return p;
}

static uint32_t u32_at(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The prelude states other lengths, and its CRC is theirs; all behind it stays. */
static struct plan *state_lengths(struct plan *p, const cJSON *f, int64_t total, bool relative)
{
    size_t n;
    unsigned char *bytes = fault_event_bytes(p, fault_at_event(p, f, 0), &n);
    if (n < ES_OVERHEAD)
        return p;
    int64_t stated = relative ? (int64_t)u32_at(bytes) + total : total;
    fault_put_u32(bytes, stated < 0 ? 0 : (uint32_t)stated);
    fault_put_u32(bytes + 8, es_crc32(0, (struct span){bytes, 8}));
    return p;
}

FAULT(total_length_short)
{
    (void)scene;
    return state_lengths(p, f, -fault_int(f, "by", 1), true);
}

FAULT(total_length_long)
{
    (void)scene;
    return state_lengths(p, f, fault_int(f, "by", 1), true);
}

FAULT(total_length_tiny)
{
    (void)scene;
    return state_lengths(p, f, ES_OVERHEAD - 1, false);
}

FAULT(total_length_huge)
{
    (void)scene;
    return state_lengths(p, f, INT32_MAX, false);
}

/* Both CRCs are right, so only who compares the two lengths finds it. */
static struct plan *state_headers(struct plan *p, const cJSON *f, bool beyond)
{
    size_t n;
    unsigned char *bytes = fault_event_bytes(p, fault_at_event(p, f, 0), &n);
    if (n < ES_OVERHEAD)
        return p;
    int64_t by = fault_int(f, "by", 1);
    int64_t stated = beyond ? (int64_t)n - ES_OVERHEAD + by : (int64_t)u32_at(bytes + 4) - by;
    fault_put_u32(bytes + 4, stated < 0 ? 0 : (uint32_t)stated);
    es_reseal(bytes, n);
    return p;
}

FAULT(headers_length_long)
{
    (void)scene;
    return state_headers(p, f, true);
}

FAULT(headers_length_short)
{
    (void)scene;
    return state_headers(p, f, false);
}

/* ---- payloads ---- */

static void set_payload(struct plan *p, size_t n, struct span payload)
{
    struct span headers, old;
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    if (!fault_frame_parts(plan_event_bytes(p, n), &headers, &old))
        return;
    fault_frame(headers, payload, &frame);
    if (buf_error(&frame) != OK)
        p->failed = true;
    else
        fault_replace(p, n, buf_span(&frame));
}

FAULT(empty_payload)
{
    (void)scene;
    set_payload(p, fault_at_event(p, f, 1), SPAN_EMPTY);
    return p;
}

/* Spaces before the last brace: the JSON means what it meant. The rows differ in their size only. */
FAULT(sized_payload)
{
    size_t n = fault_at_event(p, f, 1), size = scene->row->number > 0 ? (size_t)scene->row->number : 0;
    struct span headers, old;
    CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
    size = (size_t)fault_int(f, "bytes", (int64_t)size);
    if (!fault_frame_parts(plan_event_bytes(p, n), &headers, &old) || old.n == 0 || size < old.n)
        return p;
    buf_add(&payload, span_cut(old, 0, old.n - 1));
    fault_fill(&payload, ' ', size - old.n);
    buf_add(&payload, span_from(old, old.n - 1));
    p->failed = p->failed || buf_error(&payload) != OK;
    if (!p->failed)
        set_payload(p, n, buf_span(&payload));
    return p;
}

FAULT(payload_not_json)
{
    (void)scene;
    set_payload(p, fault_at_event(p, f, 1), span_of(fault_text(f, "value", "this is not JSON")));
    return p;
}

/* One bit of the payload, and the CRC made anew: damage that only the content tells. The byte is the last of the delta
 * when there is one, so that the JSON stays JSON. */
FAULT(corrupt)
{
    (void)scene;
    size_t n;
    unsigned char *bytes = fault_event_bytes(p, fault_at_event(p, f, 0), &n);
    if (n <= ES_OVERHEAD)
        return p;
    const char *end = span_find((struct span){bytes, n}, "\"},\"p\":");
    size_t at = end != NULL ? (size_t)((const unsigned char *)end - bytes) - 1 : n - 8;
    if (end == NULL && (end = span_find((struct span){bytes, n}, "\",\"p\":")) != NULL)
        at = (size_t)((const unsigned char *)end - bytes) - 4; /* a chunk: below the base64, before its padding */
    bytes[at] ^= 1;
    es_reseal(bytes, n);
    return p;
}

/* ---- text that is no UTF-8 ---- */

/* The first delta of text from event `from` on, and the bytes of its text as they stand in the JSON. */
static size_t find_text(const struct plan *p, size_t from, struct buf *json, size_t *begin, size_t *end)
{
    for (size_t n = fault_find(p, EVENT_DELTA, from); n != PLAN_NO_EVENT; n = fault_find(p, EVENT_DELTA, n + 1)) {
        buf_reset(json);
        if (!fault_json(p, n, json))
            continue;
        const char *all = buf_text(json), *at = strstr(all, "\"text\":\"");
        if (at == NULL)
            continue;
        *begin = *end = (size_t)(at - all) + 8;
        while (*end < json->len && all[*end] != '"')
            *end += all[*end] == '\\' && *end + 1 < json->len ? 2 : 1;
        if (*end < json->len)
            return n;
    }
    return PLAN_NO_EVENT;
}

FAULT(invalid_utf8)
{
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf bad = BUF_INIT(BUF_ANY);
    size_t begin, end, n = find_text(p, fault_at_event(p, f, 0), &json, &begin, &end);
    if (n == PLAN_NO_EVENT)
        return p;
    buf_add(&bad, span_cut(buf_span(&json), 0, end));
    buf_addc(&bad, (char)0xff);
    buf_add(&bad, span_from(buf_span(&json), end));
    fault_set_json(p, n, buf_span(&bad), scene);
    return p;
}

/* Where in the text to cut: behind the first byte of its first character beyond ASCII. An escape is ASCII, so it is
 * never cut. */
static size_t inside_code_point(const struct buf *json, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        if ((unsigned char)json->data[i] >= 0xc2)
            return i + 1;
    return end;
}

/* One delta becomes two, with a character in halves: the first half ends one string, the second begins the other. A
 * text of ASCII gets a euro sign behind it to be cut. */
FAULT(split_code_point)
{
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf one = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf two = BUF_INIT(BUF_ANY);
    size_t begin, end, n = find_text(p, fault_at_event(p, f, 0), &json, &begin, &end);
    if (n == PLAN_NO_EVENT)
        return p;
    struct span all = buf_span(&json);
    size_t cut = inside_code_point(&json, begin, end);
    bool sign = cut == end;
    buf_add(&one, span_cut(all, 0, cut));
    buf_adds(&one, sign ? "\xe2" : "");
    buf_add(&one, span_from(all, end));
    buf_add(&two, span_cut(all, 0, begin));
    buf_adds(&two, sign ? "\x82\xac" : "");
    buf_add(&two, span_from(all, cut));
    p->failed = p->failed || buf_error(&one) != OK || buf_error(&two) != OK;
    fault_copy(p, n, n + 1);
    fault_set_json(p, n, buf_span(&one), scene);
    fault_set_json(p, n + 1, buf_span(&two), scene);
    return p;
}

/* ---- headers ---- */

/* The event's frame with `headers` in place of its own. */
static void set_headers(struct plan *p, size_t n, const struct buf *headers)
{
    struct span old, payload;
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    if (!fault_frame_parts(plan_event_bytes(p, n), &old, &payload))
        return;
    fault_frame(buf_span(headers), payload, &frame);
    if (buf_error(headers) != OK || buf_error(&frame) != OK)
        p->failed = true;
    else
        fault_replace(p, n, buf_span(&frame));
}

static bool headers_of(const struct plan *p, size_t n, struct buf *out)
{
    struct span headers, payload;
    if (!fault_frame_parts(plan_event_bytes(p, n), &headers, &payload))
        return false;
    buf_add(out, headers);
    return buf_error(out) == OK;
}

static void add_string_header(struct buf *out, const char *name, const char *value)
{
    size_t n = strlen(value);
    buf_addc(out, (char)strlen(name));
    buf_adds(out, name);
    buf_addc(out, ES_STRING);
    buf_addc(out, (char)(n >> 8));
    buf_addc(out, (char)(n & 0xff));
    buf_adds(out, value);
}

FAULT(unknown_header_type)
{
    (void)scene;
    CLEANUP(buf_release) struct buf headers = BUF_INIT(BUF_ANY);
    size_t n = fault_at_event(p, f, 1);
    if (!headers_of(p, n, &headers))
        return p;
    static const unsigned char strange[] = {8, ':', 's', 't', 'r', 'a', 'n', 'g', 'e', ES_TYPES, 0, 1, 'x'};
    buf_add(&headers, (struct span){strange, sizeof strange});
    set_headers(p, n, &headers);
    return p;
}

FAULT(empty_header_name)
{
    (void)scene;
    CLEANUP(buf_release) struct buf headers = BUF_INIT(BUF_ANY);
    size_t n = fault_at_event(p, f, 1);
    if (!headers_of(p, n, &headers))
        return p;
    add_string_header(&headers, "", "nameless");
    set_headers(p, n, &headers);
    return p;
}

/* The header of the row, without its bytes or with other ones in its place (value NULL: without). */
static struct plan *change_header(struct plan *p, size_t n, const char *name, const char *value)
{
    CLEANUP(buf_release) struct buf old = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf new = BUF_INIT(BUF_ANY);
    if (!headers_of(p, n, &old))
        return p;
    struct span there = fault_header(buf_span(&old), name);
    if (there.n == 0)
        return p;
    size_t at = (size_t)(there.p - (const unsigned char *)old.data);
    buf_add(&new, span_cut(buf_span(&old), 0, at));
    if (value != NULL)
        add_string_header(&new, name, value);
    buf_add(&new, span_from(buf_span(&old), at + there.n));
    set_headers(p, n, &new);
    return p;
}

FAULT(unknown_message_type)
{
    (void)scene;
    return change_header(p, fault_at_event(p, f, 1), ":message-type", fault_text(f, "value", "gossip"));
}

FAULT(drop_header)
{
    return change_header(p, fault_at_event(p, f, 1), scene->row->word, NULL);
}

FAULT(duplicate_header)
{
    (void)scene;
    CLEANUP(buf_release) struct buf headers = BUF_INIT(BUF_ANY);
    size_t n = fault_at_event(p, f, 1);
    const char *name = fault_text(f, "name", ":event-type");
    if (!headers_of(p, n, &headers) || strlen(name) > ES_NAME_MAX)
        return p;
    add_string_header(&headers, name, fault_text(f, "value", "metadata"));
    set_headers(p, n, &headers);
    return p;
}

/* Legal, and rare: a decoder that knows strings only stumbles. */
FAULT(all_header_types)
{
    (void)scene;
    static const unsigned char uuid[16] = {0x55, 0x0e, 0x84};
    struct es_header more[32];
    struct es_decoder d;
    struct es_message m;
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    size_t n = fault_at_event(p, f, 1), count = 0;
    es_decoder_init(&d);
    es_decoder_feed(&d, plan_event_bytes(p, n));
    if (es_decoder_next(&d, &m) == ES_OK && m.count + ES_TYPES <= COUNT_OF(more)) {
        for (; count < m.count; count++)
            more[count] = m.headers[count];
        for (size_t type = 0; type < ES_TYPES; type++, count++)
            more[count] =
                (struct es_header){.name = span_of(es_type_name((enum es_type)type)),
                                   .type = (enum es_type)type,
                                   .number = type == ES_TRUE || type > ES_FALSE ? 1 : 0,
                                   .bytes = type == ES_UUID ? (struct span){uuid, sizeof uuid} : SPAN_LIT("ten types")};
        if (es_encode(more, count, m.payload, &frame) != ES_OK)
            p->failed = true;
        else
            fault_replace(p, n, buf_span(&frame));
    }
    es_decoder_release(&d);
    return p;
}

FAULT(unknown_event)
{
    (void)scene;
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    if (es_encode_event(&frame, fault_text(f, "name", "somethingNew"), SPAN_LIT("{\"p\":\"ab\"}")) != ES_OK)
        p->failed = true;
    size_t at = fault_at_event(p, f, 1);
    if (at <= fault_events(p) && fault_events(p) > 0)
        fault_insert(p, at, buf_span(&frame));
    return p;
}

/* ---- writes ---- */

FAULT(split)
{
    (void)scene;
    size_t base = 0;
    if (fault_has(f, "at_event"))
        for (size_t i = 0, end = fault_event_piece(p, fault_at_event(p, f, 0)); i < end; i++)
            base += p->pieces[i].n;
    int64_t at = fault_int(f, "at_byte", fault_has(f, "at_event") ? 2 : (int64_t)(fault_body_size(p) / 2));
    plan_split_at_byte(p,
                       fault_has(f, "at_event") ? base + fault_position(at, 0) : fault_position(at, fault_body_size(p)),
                       fault_ns(f, "pause_ms", 20));
    return p;
}

FAULT(shred)
{
    (void)scene;
    plan_shred(p, (size_t)fault_int(f, "bytes", 1));
    return p;
}

FAULT(merge)
{
    (void)f, (void)scene;
    plan_merge(p);
    return p;
}

FAULT(trailing_bytes)
{
    (void)scene;
    CLEANUP(buf_release) struct buf noise = BUF_INIT(BUF_ANY);
    size_t n = (size_t)fault_int(f, "bytes", 3);
    fault_fill(&noise, (char)0xa5, n);
    int64_t promised = p->content_length;
    p->failed = p->failed || buf_error(&noise) != OK;
    if (!p->failed)
        (void)plan_add(p, buf_span(&noise), 0, PLAN_NO_EVENT);
    p->content_length = promised == PLAN_CHUNKED ? promised : promised + (int64_t)n;
    return p;
}

/* The body ends as if it were whole, in the middle of a frame. */
FAULT(half_frame)
{
    (void)scene;
    size_t at = fault_at_event(p, f, -1), base = 0, n = plan_event_bytes(p, at).n;
    for (size_t i = 0, end = fault_event_piece(p, at); i < end; i++)
        base += p->pieces[i].n;
    if (n > 0)
        plan_cut_at_byte(p, base + n / 2, PLAN_END_CLEAN);
    return p;
}
