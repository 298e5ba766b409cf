/* journal.c: the mock's memory of what happened.
 *
 * Two lists under one lock: all entries in the order of their numbers, and the ended ones in the order of their end,
 * which is the order in which they are thrown away. Copying in costs one allocation and one memcpy; hashing and
 * printing wait for a reader. A reader takes references under the lock and prints without it.
 *
 * Redaction happens on the way in: the Signature of an Authorization, session tokens, bearer keys and the presigned
 * forms of both never reach the memory of the journal, whatever later prints it.
 */
#include "mock/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/json.h"
#include "protocol/secret.h"
#include "protocol/sigv4.h"
#include "protocol/utf8.h"

#define REDACTED     "<redacted>"
#define WEB_IDENTITY "WebIdentityToken=" /* of STS: who has it is somebody */

struct piece {
    size_t at, n;
};

enum {
    PIECE_METHOD,
    PIECE_TARGET,
    PIECE_OPERATION,
    PIECE_MODEL,
    PIECE_BODY,
    PIECE_SIGNATURE,
    PIECE_CANARIES,
    PIECE_REFUSAL,
    PIECE_FAULTS,
    PIECE_SESSION,
    PIECE_FIXTURE,
    PIECE_MISS,
    PIECE_COUNT
};

struct entry {
    struct entry *prev, *next; /* by number */
    struct entry *later;       /* by end */
    unsigned refs;             /* under the lock: the lists, the running exchange, readers */
    bool listed, ended, unjudged;
    uint64_t seq, received_at_ns, connection, on_connection;
    unsigned http_version;
    int status;
    const char *source, *ignored; /* static */
    struct delivery delivery;
    size_t size;
    struct piece pieces[PIECE_COUNT];
    size_t header_count;
    struct piece *headers; /* name, value, name, value */
    char *bytes;
};

struct journal {
    pthread_mutex_t lock;
    struct entry *first, *last;
    struct entry *oldest, *newest; /* ended */
    size_t limit, size;
    uint64_t seq, dropped;
    struct journal_wait *waits;
};

struct journal *journal_new(size_t limit)
{
    struct journal *j = calloc(1, sizeof *j);
    if (j == NULL)
        return NULL;
    (void)pthread_mutex_init(&j->lock, NULL);
    j->limit = limit;
    return j;
}

bool journal_is_on(const struct journal *j)
{
    return j->limit != SIZE_MAX;
}

static struct span text(const struct entry *e, struct piece p)
{
    return (struct span){(const unsigned char *)e->bytes + p.at, p.n};
}

/* ---- lists; the lock is held ---- */

static void unref(struct entry *e)
{
    if (--e->refs == 0)
        free(e);
}

static void unlist(struct journal *j, struct entry *e)
{
    *(e->prev != NULL ? &e->prev->next : &j->first) = e->next;
    *(e->next != NULL ? &e->next->prev : &j->last) = e->prev;
    e->listed = false;
    j->size -= e->size;
    unref(e);
}

static void drop_oldest(struct journal *j)
{
    struct entry *e = j->oldest;
    j->oldest = e->later;
    if (j->oldest == NULL)
        j->newest = NULL;
    unlist(j, e);
}

static void make_room(struct journal *j)
{
    while (j->size > j->limit && j->oldest != NULL) {
        drop_oldest(j);
        j->dropped++;
    }
}

void journal_free(struct journal *j)
{
    if (j == NULL)
        return;
    while (j->first != NULL)
        unlist(j, j->first);
    (void)pthread_mutex_destroy(&j->lock);
    free(j);
}

static bool is_of(const struct entry *e, const char *session)
{
    return session == NULL || span_is(text(e, e->pieces[PIECE_SESSION]), session);
}

/* The list of the ended, without those of a session. */
static void forget_ended(struct journal *j, const char *session)
{
    struct entry *e = j->oldest, **at = &j->oldest;
    j->newest = NULL;
    for (struct entry *later; e != NULL; e = later) {
        later = e->later;
        if (is_of(e, session))
            continue;
        *at = j->newest = e;
        at = &e->later;
    }
    *at = NULL;
}

void journal_reset(struct journal *j, const char *session)
{
    (void)pthread_mutex_lock(&j->lock);
    forget_ended(j, session);
    for (struct entry *e = j->first, *next; e != NULL; e = next) {
        next = e->next;
        if (is_of(e, session))
            unlist(j, e);
    }
    if (session == NULL)
        j->dropped = 0;
    (void)pthread_mutex_unlock(&j->lock);
}

/* ---- redaction ---- */

/* Credential and SignedHeaders are no secrets and say much; the signature goes. Any other scheme goes whole. */
static void add_authorization(struct buf *out, struct span value)
{
    struct span scheme, rest;
    const char *at = span_find(value, "Signature=");
    if (span_has_prefix(value, "AWS4-") && at != NULL) {
        size_t before = (size_t)((const unsigned char *)at - value.p) + 10;
        buf_add(out, span_cut(value, 0, before));
        buf_adds(out, REDACTED);
        struct span tail = span_from(value, before);
        size_t n = 0;
        while (n < tail.n && tail.p[n] != ',' && tail.p[n] != ' ')
            n++;
        buf_add(out, span_from(tail, n));
        return;
    }
    if (span_split(value, ' ', &scheme, &rest) && scheme.n <= 32) {
        buf_add(out, scheme);
        buf_addc(out, ' ');
    }
    buf_adds(out, REDACTED);
}

static void add_value(struct buf *out, struct span name, struct span value)
{
    if (span_is_nocase(name, "authorization") || span_is_nocase(name, "proxy-authorization"))
        add_authorization(out, value);
    else if (secret_header(name))
        buf_adds(out, REDACTED);
    else
        buf_add(out, value);
}

/* The query of a presigned request carries both the signature and the token. */
static void add_target(struct buf *out, struct span target)
{
    static const char *const secret[] = {"X-Amz-Signature=", "X-Amz-Security-Token=", WEB_IDENTITY};
    struct span path, query, pair;
    if (!span_split(target, '?', &path, &query)) {
        buf_add(out, target);
        return;
    }
    buf_add(out, path);
    char before = '?';
    for (bool more = true; more; before = '&') {
        more = span_split(query, '&', &pair, &query);
        buf_addc(out, before);
        size_t i = 0;
        while (i < COUNT_OF(secret) &&
               !(pair.n >= strlen(secret[i]) && strncasecmp((const char *)pair.p, secret[i], strlen(secret[i])) == 0))
            i++;
        buf_add(out, i < COUNT_OF(secret) ? span_of(secret[i]) : pair);
        buf_adds(out, i < COUNT_OF(secret) ? REDACTED : "");
    }
}

/* A form of STS holds a token; every other body is kept byte for byte. */
static void add_body(struct buf *out, const struct http_request *q)
{
    const char *at = span_is(q->path, "/") ? span_find(q->body, WEB_IDENTITY) : NULL;
    if (at == NULL) {
        buf_add(out, q->body);
        return;
    }
    size_t before = (size_t)((const unsigned char *)at - q->body.p) + strlen(WEB_IDENTITY);
    struct span token, rest;
    bool more = span_split(span_from(q->body, before), '&', &token, &rest);
    buf_add(out, span_cut(q->body, 0, before));
    buf_adds(out, more ? REDACTED "&" : REDACTED);
    buf_add(out, rest);
}

/* ---- taking in ---- */

static struct piece mark(const struct buf *out, size_t from)
{
    return (struct piece){from, out->len - from};
}

static struct piece add_text(struct buf *out, struct span text)
{
    size_t from = out->len;
    buf_add(out, text);
    return mark(out, from);
}

static void collect(const struct journal_record *r, struct piece *pieces, struct piece *headers, struct buf *out)
{
    const struct http_request *q = r->request;
    pieces[PIECE_METHOD] = add_text(out, q->method);
    size_t from = out->len;
    add_target(out, q->target);
    pieces[PIECE_TARGET] = mark(out, from);
    pieces[PIECE_OPERATION] = add_text(out, span_of(r->operation));
    pieces[PIECE_MODEL] = add_text(out, span_of(r->model));
    from = out->len;
    add_body(out, q);
    pieces[PIECE_BODY] = mark(out, from);
    pieces[PIECE_SIGNATURE] = add_text(out, r->signature);
    pieces[PIECE_CANARIES] = add_text(out, r->canaries);
    pieces[PIECE_REFUSAL] = add_text(out, r->refusal);
    pieces[PIECE_FAULTS] = add_text(out, span_of(r->faults));
    pieces[PIECE_SESSION] = add_text(out, span_of(r->session));
    pieces[PIECE_FIXTURE] = add_text(out, r->fixture);
    pieces[PIECE_MISS] = add_text(out, r->miss);
    for (size_t i = 0; i < q->field_count; i++) {
        headers[2 * i] = add_text(out, q->fields[i].name);
        from = out->len;
        add_value(out, q->fields[i].name, q->fields[i].value);
        headers[2 * i + 1] = mark(out, from);
    }
}

/* The entry, its header table and its bytes are one allocation. */
static struct entry *make_entry(const struct journal_record *r, struct buf *scratch)
{
    const struct http_request *q = r->request;
    size_t table = q->field_count * 2 * sizeof(struct piece);
    buf_reset(scratch);
    struct piece pieces[PIECE_COUNT], few[128], *headers = few;
    if (q->field_count * 2 > COUNT_OF(few))
        headers = malloc(table);
    if (headers == NULL)
        return NULL;
    collect(r, pieces, headers, scratch);
    size_t size = sizeof(struct entry) + table + scratch->len;
    struct entry *e = buf_error(scratch) == OK ? malloc(size) : NULL;
    if (e != NULL) {
        *e = (struct entry){.refs = 2,
                            .received_at_ns = q->received_at_ns,
                            .connection = q->connection,
                            .http_version = q->http_version,
                            .on_connection = q->on_connection,
                            .unjudged = r->unjudged,
                            .status = r->status,
                            .source = r->source,
                            .ignored = r->ignored,
                            .size = size,
                            .header_count = q->field_count};
        memcpy(e->pieces, pieces, sizeof pieces);
        e->headers = (struct piece *)(e + 1);
        if (table > 0)
            memcpy(e->headers, headers, table);
        e->bytes = (char *)e->headers + table;
        if (scratch->len > 0)
            memcpy(e->bytes, scratch->data, scratch->len);
    }
    if (headers != few)
        free(headers);
    return e;
}

struct entry *journal_begin(struct journal *j, const struct journal_record *record, struct buf *scratch)
{
    if (!journal_is_on(j))
        return NULL;
    struct entry *e = make_entry(record, scratch);
    if (e == NULL)
        return NULL;
    (void)pthread_mutex_lock(&j->lock);
    e->seq = ++j->seq;
    e->listed = true;
    e->prev = j->last;
    *(j->last != NULL ? &j->last->next : &j->first) = e;
    j->last = e;
    j->size += e->size;
    make_room(j);
    (void)pthread_mutex_unlock(&j->lock);
    return e;
}

static void tell(struct journal *j, const struct entry *e)
{
    for (struct journal_wait **at = &j->waits; *at != NULL;) {
        struct journal_wait *w = *at;
        if (e->seq > w->since && is_of(e, w->session) && ++w->have >= w->count) {
            w->waiting = false;
            w->posted = loop_post(w->loop, w->ready, w->ctx) == OK;
            if (w->posted) {
                *at = w->next;
                continue;
            }
            w->waiting = true; /* its own timer will answer */
        }
        at = &w->next;
    }
}

void journal_end(struct journal *j, struct entry *e, const struct delivery *d)
{
    if (e == NULL)
        return;
    (void)pthread_mutex_lock(&j->lock);
    e->delivery = *d;
    e->ended = true;
    if (e->listed) {
        *(j->newest != NULL ? &j->newest->later : &j->oldest) = e;
        j->newest = e;
        tell(j, e);
        make_room(j);
    }
    unref(e);
    (void)pthread_mutex_unlock(&j->lock);
}

/* ---- waiting ---- */

bool journal_pass(struct journal *j, struct journal_wait *w)
{
    (void)pthread_mutex_lock(&j->lock);
    w->have = 0;
    w->posted = false;
    for (const struct entry *e = j->last; e != NULL && e->seq > w->since; e = e->prev)
        w->have += e->ended && is_of(e, w->session);
    bool enough = w->have >= w->count;
    w->waiting = !enough;
    if (!enough) {
        w->next = j->waits;
        j->waits = w;
    }
    (void)pthread_mutex_unlock(&j->lock);
    return enough;
}

bool journal_forget(struct journal *j, struct journal_wait *w)
{
    (void)pthread_mutex_lock(&j->lock);
    for (struct journal_wait **at = &j->waits; *at != NULL; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            break;
        }
    }
    w->waiting = false;
    bool posted = w->posted;
    (void)pthread_mutex_unlock(&j->lock);
    return posted;
}

/* ---- printing ---- */

static bool is_utf8(struct span bytes)
{
    while (bytes.n > 0) {
        size_t n = utf8_length(bytes);
        if (n == 0)
            return false;
        bytes = span_from(bytes, n);
    }
    return true;
}

/* A string for a person: bytes that are no UTF-8 become question marks. */
static void quote(struct buf *out, const char *key, struct span value)
{
    if (key != NULL)
        buf_addf(out, ",\"%s\":", key);
    if (is_utf8(value)) {
        json_quote(value, out);
        return;
    }
    CLEANUP(buf_release) struct buf ascii = BUF_INIT(BUF_ANY);
    for (size_t i = 0; i < value.n; i++)
        buf_addc(&ascii, value.p[i] < 0x80 ? (char)value.p[i] : '?');
    json_quote(buf_span(&ascii), out);
}

static void quote_or_null(struct buf *out, const char *key, struct span value)
{
    if (value.n > 0)
        quote(out, key, value);
    else
        buf_addf(out, ",\"%s\":null", key);
}

static void print_body(const struct entry *e, struct sigv4 *hasher, struct buf *out)
{
    struct span body = text(e, e->pieces[PIECE_BODY]);
    if (is_utf8(body) && memchr(body.p, 0, body.n) == NULL) {
        quote(out, "body", body);
    } else {
        buf_adds(out, ",\"body_base64\":\"");
        buf_add_base64(out, body);
        buf_addc(out, '"');
    }
    char hex[SIGV4_HEX];
    sigv4_sha256_hex(hasher, body, hex);
    buf_addf(out, ",\"body_sha256\":\"%s\"", hex);
}

static void print_headers(const struct entry *e, struct buf *out)
{
    buf_adds(out, ",\"headers\":[");
    for (size_t i = 0; i < e->header_count; i++) {
        buf_adds(out, i > 0 ? ",[" : "[");
        quote(out, NULL, text(e, e->headers[2 * i]));
        buf_addc(out, ',');
        quote(out, NULL, text(e, e->headers[2 * i + 1]));
        buf_addc(out, ']');
    }
    buf_addc(out, ']');
}

static void print_raw(struct buf *out, const char *key, struct span json, const char *otherwise)
{
    buf_addf(out, ",\"%s\":", key);
    buf_add(out, json.n > 0 ? json : span_of(otherwise));
}

static void print_delivery(const struct delivery *d, bool ended, struct buf *out)
{
    static const char *const ends[] = {"complete", "peer-closed", "timed-out", "stopped"};
    static const char *const planned[] = {"clean", "fin", "rst", "hang"};
    if (!ended) {
        buf_adds(out, ",\"delivered\":null");
        return;
    }
    buf_addf(out,
             ",\"delivered\":{\"end\":\"%s\",\"planned_end\":\"%s\",\"status\":%d,\"bytes\":%llu,\"events\":%zu,"
             "\"head_at_ns\":%llu,\"last_at_ns\":%llu,\"ended_at_ns\":%llu}",
             ends[d->end], planned[d->planned], d->status, (unsigned long long)d->bytes, d->events,
             (unsigned long long)d->head_at_ns, (unsigned long long)d->last_at_ns, (unsigned long long)d->ended_at_ns);
}

static void print_entry(const struct entry *e, const struct delivery *d, bool ended, struct sigv4 *hasher,
                        struct buf *out)
{
    struct span refusal = text(e, e->pieces[PIECE_REFUSAL]);
    buf_addf(out, "{\"seq\":%llu,\"received_at_ns\":%llu", (unsigned long long)e->seq,
             (unsigned long long)e->received_at_ns);
    quote(out, "method", text(e, e->pieces[PIECE_METHOD]));
    quote(out, "target", text(e, e->pieces[PIECE_TARGET]));
    quote_or_null(out, "operation", text(e, e->pieces[PIECE_OPERATION]));
    quote_or_null(out, "model", text(e, e->pieces[PIECE_MODEL]));
    quote_or_null(out, "session", text(e, e->pieces[PIECE_SESSION]));
    print_headers(e, out);
    print_body(e, hasher, out);
    print_raw(out, "signature", text(e, e->pieces[PIECE_SIGNATURE]), "null");
    buf_addf(out, ",\"valid\":%s", e->unjudged ? "null" : refusal.n == 0 ? "true" : "false");
    print_raw(out, "refusal", refusal, "null");
    buf_adds(out, ",\"canaries\":[");
    buf_add(out, text(e, e->pieces[PIECE_CANARIES]));
    buf_addf(out, "],\"reply\":{\"status\":%d,\"source\":\"%s\"", e->status, e->source);
    print_raw(out, "faults", text(e, e->pieces[PIECE_FAULTS]), "[]");
    if (e->ignored != NULL)
        quote(out, "ignored", span_of(e->ignored));
    quote_or_null(out, "fixture", text(e, e->pieces[PIECE_FIXTURE]));
    print_raw(out, "miss", text(e, e->pieces[PIECE_MISS]), "null");
    buf_addf(out, "},\"http\":\"%s\",\"connection\":%llu,\"on_connection\":%llu", e->http_version == 20 ? "2" : "1.1",
             (unsigned long long)e->connection, (unsigned long long)e->on_connection);
    print_delivery(d, ended, out);
    buf_addc(out, '}');
}

struct snapshot {
    struct entry *entry;
    struct delivery delivery;
    bool ended;
};

/* References to all entries behind `since`; *n of them. NULL and *n > 0: out of memory. */
static struct snapshot *take_snapshot(struct journal *j, uint64_t since, const char *session, size_t *n, uint64_t *next, uint64_t *dropped)
{
    struct snapshot *s = NULL;
    (void)pthread_mutex_lock(&j->lock);
    struct entry *from = NULL;
    *n = 0;
    for (struct entry *e = j->last; e != NULL && e->seq > since; e = e->prev) {
        from = e;
        *n += is_of(e, session);
    }
    *next = j->seq;
    *dropped = j->dropped;
    if (*n > 0)
        s = calloc(*n, sizeof *s);
    size_t i = 0;
    for (struct entry *e = from; s != NULL && e != NULL; e = e->next) {
        if (!is_of(e, session))
            continue;
        e->refs++;
        s[i++] = (struct snapshot){e, e->delivery, e->ended};
    }
    (void)pthread_mutex_unlock(&j->lock);
    return s;
}

void journal_print(struct journal *j, uint64_t since, const char *session, struct buf *out)
{
    size_t n;
    uint64_t next, dropped;
    struct snapshot *s = take_snapshot(j, since, session, &n, &next, &dropped);
    CLEANUP(sigv4_free_ptr) struct sigv4 *hasher = sigv4_new();
    buf_adds(out, "{\"entries\":[");
    for (size_t i = 0; s != NULL && hasher != NULL && i < n; i++) {
        buf_adds(out, i > 0 ? ",\n" : "");
        print_entry(s[i].entry, &s[i].delivery, s[i].ended, hasher, out);
    }
    buf_addf(out, "],\"next\":%llu,\"dropped\":%llu}", (unsigned long long)next, (unsigned long long)dropped);
    (void)pthread_mutex_lock(&j->lock);
    for (size_t i = 0; s != NULL && i < n; i++)
        unref(s[i].entry);
    (void)pthread_mutex_unlock(&j->lock);
    free(s);
}
