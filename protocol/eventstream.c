/* eventstream.c: frames of application/vnd.amazon.eventstream from bytes and back.
 *
 * The problem: a stream arrives in pieces cut anywhere, its lengths come from a peer, and the load engine decodes
 * hundreds of thousands of frames a second. The idea: look at the fed bytes in place, and copy only a frame that a feed
 * cuts in two. Twelve bytes are enough to know whether the lengths may be believed (they carry a CRC of their own), so
 * nothing is reserved before. Headers are parsed in one pass into an array that the decoder keeps.
 *
 * CRC-32 goes eight bytes at a time through eight tables ("slicing-by-8", Kounavis and Berry, 2005). CRC is linear: the
 * entry of i is the exclusive-or of the entries of its bits, so eight numbers span a table and the preprocessor
 * writes the other 248. No set-up at run time, hence nothing to lock.
 *
 * What events mean (messageStart, metadata...) is for others; here a payload is bytes.
 */
#include "protocol/eventstream.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "protocol/utf8.h"

/* ---- CRC-32 ---- */

#define BIT(i, n, v) (((i) >> (n)&1u) != 0 ? (v) : 0u)
#define ENTRY(i, a, b, c, d, e, f, g, h)                                                                               \
    (BIT(i, 0, a) ^ BIT(i, 1, b) ^ BIT(i, 2, c) ^ BIT(i, 3, d) ^ BIT(i, 4, e) ^ BIT(i, 5, f) ^ BIT(i, 6, g) ^          \
     BIT(i, 7, h))
#define ROW4(i, ...)                                                                                                   \
    ENTRY(i, __VA_ARGS__), ENTRY((i) + 1u, __VA_ARGS__), ENTRY((i) + 2u, __VA_ARGS__), ENTRY((i) + 3u, __VA_ARGS__)
#define ROW16(i, ...)                                                                                                  \
    ROW4(i, __VA_ARGS__), ROW4((i) + 4u, __VA_ARGS__), ROW4((i) + 8u, __VA_ARGS__), ROW4((i) + 12u, __VA_ARGS__)
#define ROW64(i, ...)                                                                                                  \
    ROW16(i, __VA_ARGS__), ROW16((i) + 16u, __VA_ARGS__), ROW16((i) + 32u, __VA_ARGS__), ROW16((i) + 48u, __VA_ARGS__)
#define ROW256(...) ROW64(0u, __VA_ARGS__), ROW64(64u, __VA_ARGS__), ROW64(128u, __VA_ARGS__), ROW64(192u, __VA_ARGS__)

/* crc_table[k][i]: what the byte i does to the CRC when k zero bytes follow it. Columns: i = 1, 2, 4 ... 128. */
static const uint32_t crc_table[8][256] = {
    {ROW256(0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832, 0x1db71064, 0x3b6e20c8, 0x76dc4190, 0xedb88320)},
    {ROW256(0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08, 0x4ac21251, 0x958424a2, 0xf0794f05, 0x3b83984b)},
    {ROW256(0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8, 0x1c26a370, 0x384d46e0, 0x709a8dc0, 0xe1351b80)},
    {ROW256(0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef, 0x5019579f, 0xa032af3e, 0x9b14583d, 0xed59b63b)},
    {ROW256(0x3d6029b0, 0x7ac05360, 0xf580a6c0, 0x30704bc1, 0x60e09782, 0xc1c12f04, 0x58f35849, 0xb1e6b092)},
    {ROW256(0xcb5cd3a5, 0x4dc8a10b, 0x9b914216, 0xec53826d, 0x03d6029b, 0x07ac0536, 0x0f580a6c, 0x1eb014d8)},
    {ROW256(0xa6770bb4, 0x979f1129, 0xf44f2413, 0x33ef4e67, 0x67de9cce, 0xcfbd399c, 0x440b7579, 0x8816eaf2)},
    {ROW256(0xccaa009e, 0x4225077d, 0x844a0efa, 0xd3e51bb5, 0x7cbb312b, 0xf9766256, 0x299dc2ed, 0x533b85da)},
};

static uint32_t little_endian_32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t es_crc32(uint32_t crc, struct span bytes)
{
    const unsigned char *p = bytes.p;
    size_t n = bytes.n;
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t a = crc ^ little_endian_32(p), b = little_endian_32(p + 4);
        crc = crc_table[7][a & 255] ^ crc_table[6][a >> 8 & 255] ^ crc_table[5][a >> 16 & 255] ^ crc_table[4][a >> 24] ^
              crc_table[3][b & 255] ^ crc_table[2][b >> 8 & 255] ^ crc_table[1][b >> 16 & 255] ^ crc_table[0][b >> 24];
    }
    for (; n > 0; n--, p++)
        crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 255];
    return ~crc;
}

static uint32_t big_endian_32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

/* What is put returns the place behind it. */
static unsigned char *put_number(unsigned char *to, uint64_t v, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)(v >> (8 * (size - 1 - i)));
    return to + size;
}

static unsigned char *put_bytes(unsigned char *to, struct span bytes)
{
    if (bytes.n > 0)
        memcpy(to, bytes.p, bytes.n);
    return to + bytes.n;
}

void es_reseal(unsigned char *frame, size_t n)
{
    assert(n >= ES_OVERHEAD);
    uint32_t prelude = es_crc32(0, (struct span){frame, 8});
    (void)put_number(frame + 8, prelude, 4);
    (void)put_number(frame + n - 4, es_crc32(prelude, (struct span){frame + 8, n - 12}), 4);
}

/* ---- names ---- */

static const char *const error_names[] = {
    "ok",
    "more",
    "truncated",
    "prelude_crc",
    "message_crc",
    "length_too_small",
    "length_too_large",
    "headers_too_long",
    "header_truncated",
    "header_type",
    "header_name_empty",
    "header_utf8",
    "header_value_limit",
    "duplicate_header",
    "payload_limit",
    "nomem",
};
_Static_assert(COUNT_OF(error_names) == ES_NOMEM + 1, "every error has its name");

const char *es_error_name(enum es_error e)
{
    return (size_t)e < COUNT_OF(error_names) ? error_names[e] : "unknown";
}

bool es_error_from_name(const char *name, enum es_error *out)
{
    for (size_t i = 0; i < COUNT_OF(error_names); i++)
        if (strcmp(error_names[i], name) == 0) {
            *out = (enum es_error)i;
            return true;
        }
    return false;
}

enum { SIZED = 255 }; /* the value brings its own u16 length */

static const struct {
    const char *name;
    uint8_t size; /* of the value, in bytes */
} types[ES_TYPES] = {
    [ES_TRUE] = {"true", 0},       [ES_FALSE] = {"false", 0},       [ES_BYTE] = {"byte", 1},
    [ES_SHORT] = {"short", 2},     [ES_INTEGER] = {"integer", 4},   [ES_LONG] = {"long", 8},
    [ES_BYTES] = {"bytes", SIZED}, [ES_STRING] = {"string", SIZED}, [ES_TIMESTAMP] = {"timestamp", 8},
    [ES_UUID] = {"uuid", 16},
};

const char *es_type_name(enum es_type type)
{
    return (size_t)type < COUNT_OF(types) ? types[type].name : "unknown";
}

bool es_type_from_name(const char *name, enum es_type *out)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(types[i].name, name) == 0) {
            *out = (enum es_type)i;
            return true;
        }
    return false;
}

static bool holds_bytes(enum es_type type)
{
    return type == ES_BYTES || type == ES_STRING || type == ES_UUID;
}

/* ---- no name twice ---- */

static int compare_names(const void *a, const void *b)
{
    struct span x = ((const struct es_header *)a)->name, y = ((const struct es_header *)b)->name;
    int order = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return order != 0 ? order : (x.n > y.n) - (x.n < y.n);
}

/* A block of 128 KiB can hold 43,690 headers; comparing each with each would take a peer's bytes a second. */
static enum es_error check_unique_sorted(const struct es_header *headers, size_t count)
{
    struct es_header *sorted = malloc(count * sizeof *sorted);
    if (sorted == NULL)
        return ES_NOMEM;
    memcpy(sorted, headers, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_names);
    enum es_error e = ES_OK;
    for (size_t i = 1; i < count && e == ES_OK; i++)
        if (compare_names(&sorted[i - 1], &sorted[i]) == 0)
            e = ES_DUPLICATE_HEADER;
    free(sorted);
    return e;
}

static enum es_error check_unique(const struct es_header *headers, size_t count)
{
    enum { FEW = 32 };
    if (count > FEW)
        return check_unique_sorted(headers, count);
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (span_equal(headers[i].name, headers[j].name))
                return ES_DUPLICATE_HEADER;
    return ES_OK;
}

/* ---- decoding a frame ---- */

/* The twelve bytes at p: may the lengths be believed, and are they allowed? On ES_OK *total is the frame's length. */
static enum es_error check_prelude(struct es_decoder *d, const unsigned char *p, size_t *total)
{
    d->stated = big_endian_32(p + 8);
    d->computed = es_crc32(0, (struct span){p, 8});
    if (d->stated != d->computed)
        return ES_PRELUDE_CRC;
    uint32_t length = big_endian_32(p), headers = big_endian_32(p + 4);
    d->stated = length;
    *total = length;
    if (length < ES_OVERHEAD)
        return ES_LENGTH_TOO_SMALL;
    if (length > ES_FRAME_MAX)
        return ES_LENGTH_TOO_LARGE;
    d->stated = headers;
    if (headers > length - ES_OVERHEAD || headers > ES_HEADERS_MAX)
        return ES_HEADERS_TOO_LONG;
    d->stated = length - ES_OVERHEAD - headers;
    return d->stated > ES_PAYLOAD_MAX ? ES_PAYLOAD_LIMIT : ES_OK;
}

/* Two's complement, big-endian, of 0 to 8 bytes. */
static int64_t read_number(struct span s)
{
    uint64_t v = s.n > 0 && (s.p[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | s.p[i];
    return (int64_t)v;
}

static void take(struct span *rest, size_t n, struct span *out)
{
    *out = (struct span){rest->p, n};
    *rest = (struct span){rest->p + n, rest->n - n};
}

static enum es_error parse_value(struct span *rest, struct es_header *h)
{
    size_t size = types[h->type].size;
    if (size == SIZED) {
        struct span length;
        if (rest->n < 2)
            return ES_HEADER_TRUNCATED;
        take(rest, 2, &length);
        size = (size_t)length.p[0] << 8 | length.p[1];
    }
    if (rest->n < size)
        return ES_HEADER_TRUNCATED;
    if (size > ES_VALUE_MAX)
        return ES_HEADER_VALUE_LIMIT;
    struct span value;
    take(rest, size, &value);
    h->bytes = holds_bytes(h->type) ? value : SPAN_EMPTY;
    h->number = h->type == ES_TRUE ? 1 : holds_bytes(h->type) ? 0 : read_number(value);
    return h->type == ES_STRING && !utf8_is_valid(value) ? ES_HEADER_UTF8 : ES_OK;
}

/* The header at the head of *rest, which is not empty. */
static enum es_error parse_header(struct span *rest, struct es_header *h)
{
    struct span one;
    take(rest, 1, &one);
    size_t length = one.p[0];
    if (length == 0)
        return ES_HEADER_NAME_EMPTY;
    if (rest->n < length + 1) /* the name and the type */
        return ES_HEADER_TRUNCATED;
    take(rest, length, &h->name);
    take(rest, 1, &one);
    if (!utf8_is_valid(h->name))
        return ES_HEADER_UTF8;
    if (one.p[0] >= ES_TYPES)
        return ES_HEADER_TYPE;
    h->type = (enum es_type)one.p[0];
    return parse_value(rest, h);
}

/* Room for one more header; the natural ceiling is ES_HEADERS_MAX over the three bytes of the shortest header. */
static bool grow_headers(struct es_decoder *d, size_t count)
{
    if (count < d->capacity)
        return true;
    size_t capacity = d->capacity == 0 ? 8 : 2 * d->capacity;
    struct es_header *grown = realloc(d->headers, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    d->headers = grown;
    d->capacity = capacity;
    return true;
}

static enum es_error parse_headers(struct es_decoder *d, struct span block, size_t *count)
{
    *count = 0;
    while (block.n > 0) {
        if (!grow_headers(d, *count))
            return ES_NOMEM;
        enum es_error e = parse_header(&block, &d->headers[*count]);
        if (e != ES_OK)
            return e;
        ++*count;
    }
    return check_unique(d->headers, *count);
}

/* A whole frame whose prelude was checked. */
static enum es_error decode_frame(struct es_decoder *d, struct span frame, struct es_message *m)
{
    d->stated = big_endian_32(frame.p + frame.n - 4);
    d->computed = es_crc32(0, (struct span){frame.p, frame.n - 4});
    if (d->stated != d->computed)
        return ES_MESSAGE_CRC;
    size_t headers = big_endian_32(frame.p + 4);
    enum es_error e = parse_headers(d, (struct span){frame.p + ES_PRELUDE, headers}, &m->count);
    if (e != ES_OK)
        return e;
    m->headers = d->headers;
    m->payload = es_frame_payload(frame);
    m->frame = frame;
    d->messages++;
    return ES_OK;
}

/* ---- the decoder ---- */

void es_decoder_init(struct es_decoder *d)
{
    *d = (struct es_decoder){.kept = BUF_INIT(ES_FRAME_MAX)};
}

void es_decoder_release(struct es_decoder *d)
{
    if (d == NULL)
        return;
    buf_release(&d->kept);
    free(d->headers);
    es_decoder_init(d);
}

void es_decoder_reset(struct es_decoder *d)
{
    struct es_decoder fresh = {.kept = d->kept, .headers = d->headers, .capacity = d->capacity};
    buf_reset(&fresh.kept);
    *d = fresh;
}

void es_decoder_feed(struct es_decoder *d, struct span bytes)
{
    if (d->error != ES_OK)
        return;
    assert(d->in.n == 0);
    d->in = bytes;
}

static enum es_error fail(struct es_decoder *d, enum es_error e)
{
    d->error = e;
    d->in = SPAN_EMPTY;
    return e;
}

/* Move fed bytes to the kept ones until there are `want` of them; ES_MORE when the feed does not reach. */
static enum es_error keep(struct es_decoder *d, size_t want)
{
    struct span part;
    size_t missing = want - d->kept.len;
    take(&d->in, missing < d->in.n ? missing : d->in.n, &part);
    buf_add(&d->kept, part);
    if (buf_error(&d->kept) != OK)
        return ES_NOMEM;
    return d->kept.len < want ? ES_MORE : ES_OK;
}

/* The next frame, from the fed bytes when it lies there whole, else from the kept ones. */
static enum es_error next_frame(struct es_decoder *d, struct span *frame)
{
    size_t total = 0;
    enum es_error e = ES_OK;
    if (d->kept.len == 0 && d->in.n >= ES_PRELUDE) {
        e = check_prelude(d, d->in.p, &total);
        if (e == ES_OK && d->in.n >= total) {
            take(&d->in, total, frame);
            return ES_OK;
        }
    } else {
        if (d->kept.len < ES_PRELUDE)
            e = keep(d, ES_PRELUDE);
        if (e == ES_OK)
            e = check_prelude(d, (const unsigned char *)d->kept.data, &total);
    }
    if (e == ES_OK)
        e = keep(d, total);
    *frame = buf_span(&d->kept);
    d->spent = e == ES_OK;
    return e;
}

enum es_error es_decoder_next(struct es_decoder *d, struct es_message *m)
{
    if (d->error != ES_OK)
        return d->error;
    if (d->spent) {
        buf_reset(&d->kept);
        d->spent = false;
    }
    if (d->in.n == 0)
        return ES_MORE;
    struct span frame;
    enum es_error e = next_frame(d, &frame);
    if (e == ES_OK)
        e = decode_frame(d, frame, m);
    if (e == ES_OK)
        d->offset += frame.n;
    return e == ES_OK || e == ES_MORE ? e : fail(d, e);
}

enum es_error es_decoder_finish(struct es_decoder *d)
{
    assert(d->error != ES_OK || d->in.n == 0);
    if (d->error == ES_OK && d->kept.len > 0 && !d->spent) {
        d->stated = d->kept.len;
        return fail(d, ES_TRUNCATED);
    }
    return d->error;
}

void es_decoder_explain(const struct es_decoder *d, struct buf *out)
{
    if (d->error == ES_OK)
        return;
    buf_addf(out, "%s in the frame at byte %" PRIu64, es_error_name(d->error), d->offset);
    switch (d->error) {
    case ES_TRUNCATED:
        buf_addf(out, ": the stream ends after %" PRIu64 " bytes of it", d->stated);
        break;
    case ES_PRELUDE_CRC:
    case ES_MESSAGE_CRC:
        buf_addf(out, ": it says %08" PRIx64 ", its bytes give %08" PRIx64, d->stated, d->computed);
        break;
    case ES_LENGTH_TOO_SMALL:
    case ES_LENGTH_TOO_LARGE:
    case ES_HEADERS_TOO_LONG:
    case ES_PAYLOAD_LIMIT:
        buf_addf(out, ": %" PRIu64 " bytes stated", d->stated);
        break;
    default:
        break;
    }
}

/* ---- encoding ---- */

static size_t header_size(const struct es_header *h)
{
    size_t size = types[h->type].size;
    return 1 + h->name.n + 1 + (size == SIZED ? 2 + h->bytes.n : size);
}

static bool fits(int64_t v, size_t size)
{
    int64_t top = size == 0 || size >= 8 ? INT64_MAX : ((int64_t)1 << (8 * size - 1)) - 1;
    return v <= top && v >= -top - 1;
}

static enum es_error check_header(const struct es_header *h)
{
    if (h->name.n == 0)
        return ES_HEADER_NAME_EMPTY;
    if (h->name.n > ES_NAME_MAX || h->bytes.n > ES_VALUE_MAX)
        return ES_HEADER_VALUE_LIMIT;
    if ((size_t)h->type >= ES_TYPES)
        return ES_HEADER_TYPE;
    if (h->type == ES_UUID ? h->bytes.n != 16 : !holds_bytes(h->type) && !fits(h->number, types[h->type].size))
        return ES_HEADER_VALUE_LIMIT;
    return utf8_is_valid(h->name) && (h->type != ES_STRING || utf8_is_valid(h->bytes)) ? ES_OK : ES_HEADER_UTF8;
}

static enum es_error check_message(const struct es_header *headers, size_t count, size_t payload)
{
    size_t block = 0;
    for (size_t i = 0; i < count; i++) {
        enum es_error e = check_header(&headers[i]);
        if (e != ES_OK)
            return e;
        block += header_size(&headers[i]);
        if (block > ES_HEADERS_MAX)
            return ES_HEADERS_TOO_LONG;
    }
    return payload > ES_PAYLOAD_MAX ? ES_PAYLOAD_LIMIT : check_unique(headers, count);
}

static unsigned char *put_header(unsigned char *to, const struct es_header *h)
{
    size_t size = types[h->type].size;
    to = put_number(to, h->name.n, 1);
    to = put_bytes(to, h->name);
    to = put_number(to, h->type, 1);
    if (size == SIZED)
        to = put_number(to, h->bytes.n, 2);
    return holds_bytes(h->type) ? put_bytes(to, h->bytes) : put_number(to, (uint64_t)h->number, size);
}

size_t es_frame_size(const struct es_header *headers, size_t count, size_t payload_size)
{
    size_t size = ES_OVERHEAD + payload_size;
    for (size_t i = 0; i < count; i++)
        size += header_size(&headers[i]);
    return size;
}

enum es_error es_encode(const struct es_header *headers, size_t count, struct span payload, struct buf *out)
{
    enum es_error e = check_message(headers, count, payload.n);
    if (e != ES_OK)
        return e;
    size_t total = es_frame_size(headers, count, payload.n);
    unsigned char *frame = (unsigned char *)buf_reserve(out, total);
    if (frame == NULL)
        return ES_NOMEM;
    unsigned char *to = put_number(frame, total, 4);
    to = put_number(to, total - ES_OVERHEAD - payload.n, 4) + 4; /* the checksums come last */
    for (size_t i = 0; i < count; i++)
        to = put_header(to, &headers[i]);
    (void)put_bytes(to, payload);
    es_reseal(frame, total);
    buf_commit(out, total);
    return ES_OK;
}

struct es_header es_header_string(const char *name, const char *value)
{
    return (struct es_header){.name = span_of(name), .type = ES_STRING, .bytes = span_of(value)};
}

static enum es_error encode_json(struct buf *out, const char *name, const char *value, const char *kind,
                                 struct span payload)
{
    const struct es_header headers[] = {
        es_header_string(name, value),
        es_header_string(":content-type", "application/json"),
        es_header_string(":message-type", kind),
    };
    return es_encode(headers, COUNT_OF(headers), payload, out);
}

enum es_error es_encode_event(struct buf *out, const char *event_type, struct span payload)
{
    return encode_json(out, ":event-type", event_type, "event", payload);
}

enum es_error es_encode_exception(struct buf *out, const char *exception_type, struct span payload)
{
    return encode_json(out, ":exception-type", exception_type, "exception", payload);
}

enum es_error es_encode_error(struct buf *out, const char *code, const char *message)
{
    const struct es_header headers[] = {
        es_header_string(":error-code", code),
        es_header_string(":error-message", message),
        es_header_string(":message-type", "error"),
    };
    return es_encode(headers, COUNT_OF(headers), SPAN_EMPTY, out);
}

size_t es_frame_length(struct span bytes)
{
    if (bytes.n < ES_PRELUDE || big_endian_32(bytes.p + 8) != es_crc32(0, (struct span){bytes.p, 8}))
        return 0;
    return big_endian_32(bytes.p);
}

struct span es_frame_payload(struct span frame)
{
    size_t headers = big_endian_32(frame.p + 4);
    return (struct span){frame.p + ES_PRELUDE + headers, frame.n - ES_OVERHEAD - headers};
}

/* ---- reading a message ---- */

const struct es_header *es_header(const struct es_message *m, const char *name)
{
    struct span wanted = span_of(name);
    for (size_t i = 0; i < m->count; i++)
        if (span_equal(m->headers[i].name, wanted))
            return &m->headers[i];
    return NULL;
}

struct span es_header_text(const struct es_message *m, const char *name)
{
    const struct es_header *h = es_header(m, name);
    return h != NULL && h->type == ES_STRING ? h->bytes : SPAN_EMPTY;
}

static const struct {
    const char *message_type;
    const char *name_header;
} kinds[] = {
    [ES_EVENT] = {"event", ":event-type"},
    [ES_EXCEPTION] = {"exception", ":exception-type"},
    [ES_ERROR] = {"error", ":error-code"},
};

enum es_kind es_message_kind(const struct es_message *m, struct span *name)
{
    struct span word = es_header_text(m, ":message-type");
    size_t kind = 0;
    while (kind < COUNT_OF(kinds) && !span_is(word, kinds[kind].message_type))
        kind++;
    if (name != NULL)
        *name = kind < COUNT_OF(kinds) ? es_header_text(m, kinds[kind].name_header) : SPAN_EMPTY;
    return kind < COUNT_OF(kinds) ? (enum es_kind)kind : ES_OTHER;
}

/* Text of a peer on its way to a terminal: no control character (C0, DEL, C1) gets through. */
static void add_printable(struct buf *out, struct span s, size_t most)
{
    struct span all = s;
    while (s.n > 0 && all.n - s.n < most) {
        size_t n = utf8_length(s);
        bool control = s.p[0] < 0x20 || s.p[0] == 0x7F || (n == 2 && s.p[0] == 0xC2 && s.p[1] < 0xA0);
        if (n == 0 || control) {
            buf_addf(out, "\\x%02x", s.p[0]);
            n = 1;
        } else {
            buf_add(out, (struct span){s.p, n});
        }
        s = (struct span){s.p + n, s.n - n};
    }
    if (s.n > 0)
        buf_adds(out, "...");
}

static void describe_header(const struct es_header *h, struct buf *out)
{
    buf_addc(out, ' ');
    add_printable(out, h->name, ES_NAME_MAX);
    buf_addc(out, '=');
    if (h->type == ES_STRING)
        add_printable(out, h->bytes, ES_DESCRIBE_MAX);
    else if (holds_bytes(h->type))
        buf_add_hex(out, span_cut(h->bytes, 0, ES_DESCRIBE_MAX / 2));
    else if (h->type <= ES_FALSE)
        buf_adds(out, es_type_name(h->type));
    else
        buf_addf(out, "%" PRId64, h->number);
}

void es_describe(const struct es_message *m, struct buf *out)
{
    struct span name;
    enum es_kind kind = es_message_kind(m, &name);
    buf_adds(out, kind == ES_OTHER ? "frame" : kinds[kind].message_type);
    buf_addc(out, ' ');
    add_printable(out, name.n > 0 ? name : SPAN_LIT("(no name)"), ES_DESCRIBE_MAX);
    buf_addf(out, ", %zu bytes", m->frame.n);
    for (size_t i = 0; i < m->count; i++) {
        const struct es_header *h = &m->headers[i];
        bool told =
            kind != ES_OTHER && (span_is(h->name, ":message-type") || span_is(h->name, kinds[kind].name_header));
        bool usual = span_is(h->name, ":content-type") && span_is(h->bytes, "application/json");
        if (!told && !usual)
            describe_header(h, out);
    }
    if (m->payload.n > 0)
        buf_adds(out, ": ");
    add_printable(out, m->payload, ES_DESCRIBE_MAX);
}
