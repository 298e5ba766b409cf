/* vectors_eventstream.c: every entry of fixtures/vectors/eventstream.json against our codec.
 *
 * A positive entry must decode to its messages, and its messages must encode to its bytes. A negative one must fail
 * with its error, or one of those other decoders may rightly see first (`also`), after so many whole messages. All of
 * it however the bytes are fed: whole, byte by byte, by sevens, and cut in two at each position (long entries: near
 * both ends and at some hundred places between). The form of the file is told in fixtures/vectors/README.md.
 *
 * Memory: names, values and payloads of an entry are, together, shorter than its bytes, so one arena of that size
 * holds them and never moves; an entry that lies about that runs into the arena's ceiling and fails.
 */
#include "protocol/vectors.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/buf.h"
#include "protocol/data.h"
#include "protocol/eventstream.h"
#include "protocol/json.h"

#define FIXTURE "fixtures/vectors/eventstream.json"

enum {
    ENTRY_MAX = ES_FRAME_MAX + 4096, /* two entries are one byte too long, and whole */
    EVERY_CUT_BELOW = 4096,          /* above, cuts are sampled */
    SAMPLED_CUTS = 256,
    EDGE = 64 /* bytes at both ends where each cut is tried whatever the length */
};

/* One entry, ready to be run. */
struct entry {
    struct buf bytes;
    struct buf arena;
    struct es_header *headers; /* of all messages, one after the other */
    struct es_message *messages;
    size_t count;
    bool negative;
    enum es_error errors[8]; /* negative: what it may end with */
    size_t error_count;
    const char *outcome; /* NULL: not stated */
};

static void entry_release(struct entry *v)
{
    buf_release(&v->bytes);
    buf_release(&v->arena);
    free(v->headers);
    free(v->messages);
}

/* ---- reading an entry ---- */

/* A decimal number, ENTRY_MAX + 1 at most; 0 when it is not one. */
static size_t read_count(struct span digits)
{
    size_t n = 0;
    for (size_t i = 0; i < digits.n && n <= ENTRY_MAX; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return 0;
        n = 10 * n + (size_t)(digits.p[i] - '0');
    }
    return n <= ENTRY_MAX ? n : ENTRY_MAX + 1;
}

/* "ff*3" or "00ff": hex bytes, as often as it says. */
static enum err add_run(struct buf *out, struct span run)
{
    struct span hex, times;
    CLEANUP(buf_release) struct buf unit = BUF_INIT(ENTRY_MAX);
    size_t n = span_split(run, '*', &hex, &times) ? read_count(times) : 1;
    enum err e = buf_add_unhex(&unit, hex);
    if (e != OK)
        return e;
    if (n == 0 || n > ENTRY_MAX || unit.len == 0)
        return ERR_SYNTAX;
    if (unit.len == 1) { /* the long runs: by blocks, as 25 million appends take a second */
        unsigned char block[4096];
        memset(block, unit.data[0], sizeof block);
        for (; n > sizeof block; n -= sizeof block)
            buf_add(out, (struct span){block, sizeof block});
        buf_add(out, (struct span){block, n});
        return buf_error(out);
    }
    for (; n > 0; n--)
        buf_add(out, buf_span(&unit));
    return buf_error(out);
}

static enum err add_runs(struct buf *out, struct span text)
{
    while (text.n > 0) {
        struct span run;
        (void)span_split(text, ' ', &run, &text);
        enum err e = add_run(out, run);
        if (e != OK)
            return e;
    }
    return OK;
}

/* A text, or {"hex": runs}; NULL is nothing. The bytes go to the arena, *out shows where. */
static enum err read_bytes(struct entry *v, const cJSON *item, struct span *out)
{
    size_t start = v->arena.len;
    if (cJSON_IsString(item))
        buf_adds(&v->arena, item->valuestring);
    else if (item != NULL) {
        const char *runs = json_str(item, "hex");
        enum err e = runs == NULL ? ERR_INVALID : add_runs(&v->arena, span_of(runs));
        if (e != OK)
            return e;
    }
    *out = span_from(buf_span(&v->arena), start);
    return buf_error(&v->arena);
}

/* Longs and timestamps are texts in the file, because most JSON readers lose digits of them. */
static bool read_number(const cJSON *item, int64_t *out)
{
    char *end = NULL;
    if (!cJSON_IsString(item))
        return json_int64(item, out);
    *out = strtoll(item->valuestring, &end, 10);
    return *item->valuestring != '\0' && *end == '\0';
}

/* "00112233-4455-6677-8899-aabbccddeeff" */
static enum err read_uuid(struct entry *v, const cJSON *item, struct span *out)
{
    if (!cJSON_IsString(item))
        return ERR_INVALID;
    size_t start = v->arena.len;
    struct span part, text = span_of(item->valuestring);
    while (text.n > 0) {
        (void)span_split(text, '-', &part, &text);
        enum err e = buf_add_unhex(&v->arena, part);
        if (e != OK)
            return e;
    }
    *out = span_from(buf_span(&v->arena), start);
    return OK;
}

/* [name, type, value] */
static enum err read_header(struct entry *v, const cJSON *item, struct es_header *h)
{
    const cJSON *type = cJSON_GetArrayItem(item, 1), *value = cJSON_GetArrayItem(item, 2);
    *h = (struct es_header){0};
    if (!cJSON_IsString(type) || !es_type_from_name(type->valuestring, &h->type))
        return ERR_INVALID;
    enum err e = read_bytes(v, cJSON_GetArrayItem(item, 0), &h->name);
    if (e != OK)
        return e;
    switch (h->type) {
    case ES_TRUE:
    case ES_FALSE:
        h->number = h->type == ES_TRUE;
        return value == NULL ? OK : ERR_INVALID;
    case ES_BYTES:
    case ES_STRING:
        return value == NULL ? ERR_INVALID : read_bytes(v, value, &h->bytes);
    case ES_UUID:
        return read_uuid(v, value, &h->bytes);
    default:
        return read_number(value, &h->number) ? OK : ERR_INVALID;
    }
}

static enum err read_message(struct entry *v, const cJSON *item, struct es_header *headers, struct es_message *m)
{
    const cJSON *header;
    *m = (struct es_message){.headers = headers};
    cJSON_ArrayForEach(header, json_member(item, "headers"))
    {
        enum err e = read_header(v, header, &headers[m->count++]);
        if (e != OK)
            return e;
    }
    return read_bytes(v, json_member(item, "payload"), &m->payload);
}

/* How many copies of a message the file means. */
static size_t times_of(const cJSON *message)
{
    const cJSON *times = json_member(message, "times");
    int64_t n = 1;
    return times == NULL ? 1 : json_int64(times, &n) && n > 0 && n <= 1000 ? (size_t)n : 0;
}

static enum err read_messages(struct entry *v, const cJSON *list)
{
    const cJSON *message;
    size_t headers = 0, count = 0;
    cJSON_ArrayForEach(message, list)
    {
        headers += times_of(message) * (size_t)cJSON_GetArraySize(json_member(message, "headers"));
        count += times_of(message);
    }
    v->headers = calloc(headers + 1, sizeof *v->headers);
    v->messages = calloc(count + 1, sizeof *v->messages);
    v->arena.max = v->bytes.len; /* see the top of this file */
    if (v->headers == NULL || v->messages == NULL || buf_reserve(&v->arena, v->bytes.len) == NULL)
        return ERR_NOMEM;
    struct es_header *at = v->headers;
    cJSON_ArrayForEach(message, list)
    {
        for (size_t i = times_of(message); i > 0; i--) {
            enum err e = read_message(v, message, at, &v->messages[v->count]);
            if (e != OK)
                return e;
            at += v->messages[v->count++].count;
        }
    }
    return OK;
}

/* What a negative entry may end with: its error first, then the others. */
static enum err read_errors(struct entry *v, const cJSON *item)
{
    const cJSON *also;
    if (!es_error_from_name(json_str(item, "error"), &v->errors[v->error_count++]))
        return ERR_UNKNOWN;
    cJSON_ArrayForEach(also, json_member(item, "also"))
    {
        if (v->error_count == COUNT_OF(v->errors) || !cJSON_IsString(also) ||
            !es_error_from_name(also->valuestring, &v->errors[v->error_count++]))
            return ERR_UNKNOWN;
    }
    return OK;
}

static enum err read_entry(struct entry *v, const cJSON *item)
{
    *v = (struct entry){.bytes = BUF_INIT(ENTRY_MAX), .arena = BUF_INIT(0), .outcome = json_str(item, "outcome")};
    const char *bytes = json_str(item, "bytes");
    enum err e = bytes == NULL ? ERR_INVALID : add_runs(&v->bytes, span_of(bytes));
    if (e != OK)
        return e;
    v->negative = json_str(item, "error") != NULL;
    if (!v->negative)
        return cJSON_IsArray(json_member(item, "messages")) ? read_messages(v, json_member(item, "messages"))
                                                            : ERR_INVALID;
    int64_t after = 0;
    if (json_member(item, "after") != NULL && !json_int64(json_member(item, "after"), &after))
        return ERR_INVALID;
    v->count = (size_t)after;
    return read_errors(v, item);
}

/* ---- running an entry ---- */

static bool same_header(const struct es_header *a, const struct es_header *b)
{
    return span_equal(a->name, b->name) && a->type == b->type && a->number == b->number &&
           span_equal(a->bytes, b->bytes);
}

static bool same_message(const struct es_message *a, const struct es_message *b)
{
    if (a->count != b->count || !span_equal(a->payload, b->payload))
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_header(&a->headers[i], &b->headers[i]))
            return false;
    return true;
}

/* What one way of feeding gave. */
struct outcome {
    size_t messages;
    enum es_error error; /* ES_OK: the stream ended at a frame boundary */
    size_t wrong;        /* number, from 1, of the first message that differs; 0: none */
};

static void feed(struct es_decoder *d, const struct entry *v, struct span part, struct outcome *o)
{
    struct es_message m;
    es_decoder_feed(d, part);
    while (es_decoder_next(d, &m) == ES_OK) {
        o->messages++;
        bool right = v->negative || (o->messages <= v->count && same_message(&m, &v->messages[o->messages - 1]));
        if (!right && o->wrong == 0)
            o->wrong = o->messages;
    }
}

/* The first `head` bytes in one feed, the rest in feeds of `piece` bytes. */
static struct outcome decode(struct es_decoder *d, const struct entry *v, size_t head, size_t piece)
{
    struct outcome o = {0};
    struct span all = buf_span(&v->bytes);
    es_decoder_reset(d);
    feed(d, v, span_cut(all, 0, head), &o);
    for (size_t at = head; at < all.n; at += piece)
        feed(d, v, span_cut(all, at, piece), &o);
    o.error = es_decoder_finish(d);
    return o;
}

static enum err judge(const struct entry *v, struct outcome o, struct note *note)
{
    if (o.wrong > 0)
        return note_set(note, ERR_MISMATCH, "message %zu decodes to other values", o.wrong);
    if (o.messages != v->count)
        return note_set(note, ERR_MISMATCH, "%zu messages decoded, %zu expected; %s", o.messages, v->count,
                        es_error_name(o.error));
    if (!v->negative)
        return o.error == ES_OK ? OK : note_set(note, ERR_MISMATCH, "ends with %s", es_error_name(o.error));
    for (size_t i = 0; i < v->error_count; i++)
        if (v->errors[i] == o.error)
            return OK;
    return note_set(note, ERR_MISMATCH, "ends with %s, expected %s", es_error_name(o.error),
                    es_error_name(v->errors[0]));
}

static bool cut_is_tried(size_t cut, size_t n)
{
    return n <= EVERY_CUT_BELOW || cut < EDGE || cut > n - EDGE || cut % (n / SAMPLED_CUTS) == 0;
}

static enum err check_feeding(struct es_decoder *d, const struct entry *v, struct note *note)
{
    size_t n = v->bytes.len;
    struct outcome whole = decode(d, v, n, 1);
    enum err e = judge(v, whole, note);
    for (size_t piece = 1; piece <= 7 && e == OK; piece += 6) {
        struct outcome o = decode(d, v, 0, piece);
        if (o.messages != whole.messages || o.error != whole.error || o.wrong != 0)
            e = note_set(note, ERR_MISMATCH, "fed by %zu: %zu messages, %s; fed whole: %zu, %s", piece, o.messages,
                         es_error_name(o.error), whole.messages, es_error_name(whole.error));
    }
    for (size_t cut = 1; cut < n && e == OK; cut++) {
        if (!cut_is_tried(cut, n))
            continue;
        struct outcome o = decode(d, v, cut, n - cut);
        if (o.messages != whole.messages || o.error != whole.error || o.wrong != 0)
            e = note_set(note, ERR_MISMATCH, "cut at %zu: %zu messages, %s; fed whole: %zu, %s", cut, o.messages,
                         es_error_name(o.error), whole.messages, es_error_name(whole.error));
    }
    return e;
}

static enum err check_encoding(const struct entry *v, struct note *note)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(ENTRY_MAX);
    for (size_t i = 0; i < v->count; i++) {
        const struct es_message *m = &v->messages[i];
        enum es_error e = es_encode(m->headers, m->count, m->payload, &out);
        if (e != ES_OK)
            return note_set(note, ERR_MISMATCH, "message %zu does not encode: %s", i + 1, es_error_name(e));
    }
    struct span want = buf_span(&v->bytes), got = buf_span(&out);
    size_t at = 0;
    while (at < want.n && at < got.n && want.p[at] == got.p[at])
        at++;
    return span_equal(want, got) ? OK : note_set(note, ERR_MISMATCH, "encodes to other bytes from byte %zu on", at);
}

/* How a Bedrock client sees the stream end: "end", "end:STOPREASON", "exception:NAME", "error:CODE". */
static void tell_outcome(const struct entry *v, struct buf *out)
{
    buf_adds(out, "end");
    for (size_t i = 0; i < v->count; i++) {
        struct span name;
        enum es_kind kind = es_message_kind(&v->messages[i], &name);
        if (kind == ES_EXCEPTION || kind == ES_ERROR) {
            buf_reset(out);
            buf_adds(out, kind == ES_EXCEPTION ? "exception:" : "error:");
            buf_add(out, name);
            return;
        }
        CLEANUP(json_free) cJSON *payload = NULL;
        if (kind == ES_EVENT && span_is(name, "messageStop") &&
            json_parse(v->messages[i].payload, JSON_COMPACT, &payload, NULL) == OK &&
            json_str(payload, "stopReason") != NULL)
            buf_addf(out, ":%s", json_str(payload, "stopReason"));
    }
}

static enum err check_outcome(const struct entry *v, struct note *note)
{
    CLEANUP(buf_release) struct buf told = BUF_INIT(BUF_ANY);
    if (v->outcome == NULL)
        return OK;
    tell_outcome(v, &told);
    return span_is(buf_span(&told), v->outcome)
               ? OK
               : note_set(note, ERR_MISMATCH, "the stream ends as %s, expected %s", buf_text(&told), v->outcome);
}

static enum err run_entry(struct es_decoder *d, const cJSON *item, struct note *note)
{
    CLEANUP(entry_release) struct entry v = {0};
    enum err e = read_entry(&v, item);
    if (e != OK)
        return note_set(note, e, "the entry cannot be read: %s", err_name(e));
    e = check_feeding(d, &v, note);
    if (e == OK && !v.negative)
        e = check_encoding(&v, note);
    return e == OK ? check_outcome(&v, note) : e;
}

/* The numbers at the head of the file against those found. */
static enum err check_counts(const cJSON *root, int64_t positives, int64_t negatives, struct note *note)
{
    int64_t want_positives = -1, want_negatives = -1;
    (void)json_int64(json_member(root, "positives"), &want_positives);
    (void)json_int64(json_member(root, "negatives"), &want_negatives);
    if (positives == want_positives && negatives == want_negatives)
        return OK;
    return note_set(note, ERR_MISMATCH, "%lld positive and %lld negative entries found, %lld and %lld announced",
                    (long long)positives, (long long)negatives, (long long)want_positives, (long long)want_negatives);
}

enum err vectors_run_eventstream(struct vector_tally *tally,
                                 void (*failed)(void *ctx, const char *name, const char *why), void *ctx)
{
    struct span text;
    struct note note = {""};
    CLEANUP(json_free) cJSON *root = NULL;
    CLEANUP(es_decoder_release) struct es_decoder d;
    es_decoder_init(&d);
    int64_t kinds[2] = {0, 0};
    enum err e = data_load(FIXTURE, &text, &note);
    if (e == OK)
        e = json_parse(text, JSON_UNIQUE, &root, &note);
    const cJSON *item;
    cJSON_ArrayForEach(item, json_member(root, "vectors"))
    {
        const char *name = json_str(item, "name");
        enum err verdict = run_entry(&d, item, &note);
        tally->run++;
        tally->passed += verdict == OK;
        if (verdict != OK && failed != NULL)
            failed(ctx, name != NULL ? name : "an entry without a name", note.text);
        kinds[json_str(item, "error") != NULL]++;
    }
    if (e == OK)
        e = check_counts(root, kinds[0], kinds[1], &note);
    if (e != OK && failed != NULL)
        failed(ctx, FIXTURE, note.text);
    return e;
}
