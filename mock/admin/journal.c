/* journal.c: the mock's memory of what happened.
 *
 * Two lists under one lock: all entries in the order of their numbers, and the ended ones in the order of their end,
 * which is the order in which they are thrown away. Copying in costs one allocation and one memcpy; hashing and
 * printing wait for a reader. A reader takes references under the lock and prints without it.
 *
 * Redaction happens on the way in: the Signature of an Authorization, session tokens, bearer keys and the presigned
 * forms of both never reach the memory of the journal, whatever later prints it.
 */
#include "mock/admin/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/glob.h"
#include "protocol/json.h"
#include "protocol/secret.h"
#include "protocol/shape.h"
#include "protocol/sigv4.h"
#include "protocol/utf8.h"

#define REDACTED     "<redacted>"
#define FOLLOWED_MAX ((size_t)64 * 1024 * 1024) /* bytes of entries that wait for the follower */
#define FOLLOW_BATCH ((size_t)1024 * 1024)      /* of them in one go */

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
    PIECE_UNKNOWN,
    PIECE_COUNT
};

struct entry {
    struct entry *prev, *next; /* by number */
    struct entry *later;       /* by end */
    struct entry *follows;     /* by end, too: what the follower has not seen yet */
    unsigned refs;             /* under the lock: the lists, the running exchange, readers */
    bool listed, ended, unjudged, good;
    uint64_t seq, received_at_ns, connection, on_connection;
    unsigned http_version;
    int status;
    const char *source, *ignored, *verdict; /* static */
    char *upstream;                         /* JSON; NULL: none */
    struct delivery delivery;
    size_t size;
    struct piece pieces[PIECE_COUNT];
    size_t header_count;
    struct piece *headers; /* name, value, name, value */
    struct buf late;       /* journal_add; until journal_end the exchange's alone */
    char *bytes;
};

struct journal {
    pthread_mutex_t lock;
    struct entry *first, *last;
    struct entry *oldest, *newest; /* ended */
    size_t limit, size, count;
    uint64_t seq, dropped;
    struct journal_wait *waits;
    struct {
        bool on, stopping;
        struct entry *first, *last;
        size_t size;
        uint64_t lost;
        pthread_cond_t more;
    } follower;
};

const char *source_name(enum source s)
{
    static const char *const names[SOURCES] = {
        [SOURCE_SCRIPT] = "script",   [SOURCE_FIXTURE] = "fixture", [SOURCE_DEFAULT] = "default",
        [SOURCE_REFUSAL] = "refusal", [SOURCE_MISS] = "miss",       [SOURCE_ERROR] = "error",
        [SOURCE_QUOTA] = "quota",     [SOURCE_RECORD] = "record",   [SOURCE_FAULT_HEADER] = "fault-header"};
    return names[s];
}

struct journal *journal_new(size_t limit)
{
    struct journal *j = calloc(1, sizeof *j);
    if (j == NULL)
        return NULL;
    (void)pthread_mutex_init(&j->lock, NULL);
    (void)pthread_cond_init(&j->follower.more, NULL);
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
    if (--e->refs == 0) {
        free(e->upstream);
        buf_release(&e->late);
        free(e);
    }
}

static void unlist(struct journal *j, struct entry *e)
{
    *(e->prev != NULL ? &e->prev->next : &j->first) = e->next;
    *(e->next != NULL ? &e->next->prev : &j->last) = e->prev;
    e->listed = false;
    j->size -= e->size;
    j->count--;
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
    (void)pthread_cond_destroy(&j->follower.more);
    (void)pthread_mutex_destroy(&j->lock);
    free(j);
}

static bool is_of(const struct entry *e, const char *session)
{
    return session == NULL || span_is(text(e, e->pieces[PIECE_SESSION]), session);
}

/* `value` like `pattern`, which may hold * and ?; no pattern asks nothing. */
static bool is_like(const struct entry *e, struct piece value, const char *pattern)
{
    struct span v = text(e, value);
    return pattern == NULL || glob_fits(span_of(pattern), v);
}

static bool is_word(const char *value, const char *pattern)
{
    return pattern == NULL || (value != NULL && glob_fits(span_of(pattern), span_of(value)));
}

/* A fixture is asked for by its name, or by all that the journal says of it: name and place. */
static bool is_fixture(const struct entry *e, const char *pattern)
{
    struct span label = text(e, e->pieces[PIECE_FIXTURE]);
    const char *place = span_find(label, " (");
    struct span name = place == NULL ? label : span_cut(label, 0, (size_t)(place - (const char *)label.p));
    return pattern == NULL || glob_fits(span_of(pattern), name) || glob_fits(span_of(pattern), label);
}

static bool passes(const struct entry *e, const struct journal_filter *f)
{
    return e->seq > f->since && (f->only == 0 || e->seq == f->only) && is_of(e, f->session) &&
           (f->status_to == 0 || (e->status >= f->status_from && e->status <= f->status_to)) &&
           is_word(e->verdict, f->verdict) && is_word(e->source, f->source) &&
           is_like(e, e->pieces[PIECE_OPERATION], f->operation) && is_like(e, e->pieces[PIECE_MODEL], f->model) &&
           is_fixture(e, f->fixture);
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

/* The query of a presigned request carries both the signature and the token; who has a web identity token of STS is
 * somebody. Names may come escaped, and as often as the sender likes. */
static bool is_secret_pair(struct span pair, struct span *name)
{
    static const char *const secret[] = {"X-Amz-Signature", "X-Amz-Security-Token", "WebIdentityToken"};
    CLEANUP(buf_release) struct buf plain = BUF_INIT(BUF_ANY);
    struct span value;
    if (!span_split(pair, '=', name, &value) || uri_decode(*name, &plain) != OK)
        return false;
    for (size_t i = 0; i < COUNT_OF(secret); i++)
        if (span_is_nocase(buf_span(&plain), secret[i]))
            return true;
    return false;
}

static void add_form(struct buf *out, struct span form)
{
    struct span pair, name;
    for (bool more = form.n > 0; more;) {
        more = span_split(form, '&', &pair, &form);
        if (is_secret_pair(pair, &name)) {
            buf_add(out, name);
            buf_adds(out, "=" REDACTED);
        } else {
            buf_add(out, pair);
        }
        if (more)
            buf_addc(out, '&');
    }
}

static void add_target(struct buf *out, struct span target)
{
    struct span path, query;
    bool asks = span_split(target, '?', &path, &query);
    buf_add(out, path);
    if (!asks)
        return;
    buf_addc(out, '?');
    add_form(out, query);
}

/* A form of STS holds a token; every other body is kept byte for byte. */
static void add_body(struct buf *out, const struct http_request *q)
{
    if (span_is(q->path, "/"))
        add_form(out, q->body);
    else
        buf_add(out, q->body);
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
    pieces[PIECE_UNKNOWN] = add_text(out, r->unknown);
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
                            .good = r->good,
                            .status = r->status,
                            .source = source_name(r->source),
                            .ignored = r->ignored,
                            .verdict = r->verdict,
                            .size = size,
                            .late = BUF_INIT(BUF_ANY),
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

/* An entry has begun, or ended. */
static void tell(struct journal *j, const struct entry *e, bool begun)
{
    for (struct journal_wait **at = &j->waits; *at != NULL;) {
        struct journal_wait *w = *at;
        if (w->begun == begun && passes(e, &w->filter) && ++w->have >= w->count) {
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
    j->count++;
    tell(j, e, true);
    make_room(j);
    (void)pthread_mutex_unlock(&j->lock);
    return e;
}

void journal_answered(struct journal *j, struct entry *e, int status, const char *upstream)
{
    if (e == NULL)
        return;
    char *told = upstream == NULL ? NULL : strdup(upstream);
    (void)pthread_mutex_lock(&j->lock);
    e->status = status;
    if (e->upstream == NULL) {
        e->upstream = told;
        told = NULL;
    }
    (void)pthread_mutex_unlock(&j->lock);
    free(told);
}

void journal_add(struct journal *j, struct entry *e, struct buf *take)
{
    if (e == NULL)
        return;
    (void)pthread_mutex_lock(&j->lock);
    e->late = *take;
    e->size += take->len;
    if (e->listed)
        j->size += take->len;
    (void)pthread_mutex_unlock(&j->lock);
    buf_init(take, take->max);
}

/* It has ended. The lock is held. */
static void show_follower(struct journal *j, struct entry *e)
{
    if (!j->follower.on)
        return;
    if (j->follower.size + e->size > FOLLOWED_MAX) {
        j->follower.lost++;
        return;
    }
    e->refs++;
    *(j->follower.last != NULL ? &j->follower.last->follows : &j->follower.first) = e;
    j->follower.last = e;
    j->follower.size += e->size;
    (void)pthread_cond_signal(&j->follower.more);
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
        tell(j, e, false);
        make_room(j);
    }
    show_follower(j, e);
    unref(e);
    (void)pthread_mutex_unlock(&j->lock);
}

/* ---- waiting ---- */

bool journal_pass(struct journal *j, struct journal_wait *w)
{
    (void)pthread_mutex_lock(&j->lock);
    w->have = 0;
    w->posted = false;
    for (const struct entry *e = j->last; e != NULL && e->seq > w->filter.since; e = e->prev)
        w->have += (e->ended || w->begun) && passes(e, &w->filter);
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

/* A string for a person: bytes that are no UTF-8 become question marks. */
static void quote(struct buf *out, const char *key, struct span value)
{
    if (key != NULL)
        buf_addf(out, ",\"%s\":", key);
    if (utf8_is_valid(value)) {
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
    if (utf8_is_valid(body) && memchr(body.p, 0, body.n) == NULL) {
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

/* What changes in an entry while it runs. */
struct state {
    struct delivery delivery;
    bool ended;
    int status;
    const char *upstream; /* lives as long as the entry */
};

static void print_entry(const struct entry *e, const struct state *d, struct sigv4 *hasher, struct buf *out)
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
    buf_addf(out, ",\"valid\":%s", e->unjudged ? "null" : refusal.n == 0 || e->good ? "true" : "false");
    print_raw(out, "refusal", refusal, "null");
    buf_adds(out, ",\"unknown\":[");
    buf_add(out, text(e, e->pieces[PIECE_UNKNOWN]));
    buf_adds(out, "],\"canaries\":[");
    buf_add(out, text(e, e->pieces[PIECE_CANARIES]));
    buf_addf(out, "],\"reply\":{\"status\":%d,\"source\":\"%s\"", d->status, e->source);
    print_raw(out, "faults", text(e, e->pieces[PIECE_FAULTS]), "[]");
    if (e->ignored != NULL)
        quote(out, "ignored", span_of(e->ignored));
    if (d->upstream != NULL)
        print_raw(out, "upstream", span_of(d->upstream), "null");
    quote_or_null(out, "fixture", text(e, e->pieces[PIECE_FIXTURE]));
    print_raw(out, "miss", text(e, e->pieces[PIECE_MISS]), "null");
    buf_addf(out, "},\"http\":\"%s\",\"connection\":%llu,\"on_connection\":%llu", e->http_version == 20 ? "2" : "1.1",
             (unsigned long long)e->connection, (unsigned long long)e->on_connection);
    if (d->ended && e->late.len > 0)
        print_raw(out, "bidirectional", buf_span(&e->late), "null");
    print_delivery(&d->delivery, d->ended, out);
    buf_addc(out, '}');
}

/* Entries held, with what may still change in them as it was under the lock. */
struct snapshot {
    struct entry *entry;
    struct state state;
};

struct snapshots {
    struct snapshot *list;
    size_t count;
    uint64_t next, dropped;
    bool more, failed;
};

/* References to the entries that pass, at most `limit` of them (0: all). */
static struct snapshots take_snapshots(struct journal *j, const struct journal_filter *f, size_t limit)
{
    struct snapshots s = {.list = NULL};
    size_t n = 0;
    (void)pthread_mutex_lock(&j->lock);
    struct entry *from = NULL;
    for (struct entry *e = j->last; e != NULL && e->seq > f->since; e = e->prev) {
        from = e;
        n += passes(e, f);
    }
    s.next = j->seq;
    s.dropped = j->dropped;
    s.more = limit > 0 && n > limit;
    n = s.more ? limit : n;
    s.list = n > 0 ? calloc(n, sizeof *s.list) : NULL;
    s.failed = n > 0 && s.list == NULL;
    for (struct entry *e = from; s.list != NULL && s.count < n && e != NULL; e = e->next) {
        if (!passes(e, f))
            continue;
        e->refs++;
        s.list[s.count++] = (struct snapshot){e, {e->delivery, e->ended, e->status, e->upstream}};
    }
    if (s.more && s.count > 0)
        s.next = s.list[s.count - 1].entry->seq;
    (void)pthread_mutex_unlock(&j->lock);
    return s;
}

static void drop_snapshots(struct journal *j, struct snapshots *s)
{
    (void)pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < s->count; i++)
        unref(s->list[i].entry);
    (void)pthread_mutex_unlock(&j->lock);
    free(s->list);
}

void journal_print(struct journal *j, const struct journal_filter *filter, size_t limit, struct buf *out)
{
    struct snapshots s = take_snapshots(j, filter, limit);
    CLEANUP(sigv4_free_ptr) struct sigv4 *hasher = sigv4_new();
    buf_adds(out, "{\"entries\":[");
    for (size_t i = 0; hasher != NULL && i < s.count; i++) {
        buf_adds(out, i > 0 ? ",\n" : "");
        print_entry(s.list[i].entry, &s.list[i].state, hasher, out);
    }
    buf_addf(out, "],\"next\":%llu,%s\"dropped\":%llu}", (unsigned long long)s.next, s.more ? "\"more\":true," : "",
             (unsigned long long)s.dropped);
    drop_snapshots(j, &s);
}

bool journal_print_one(struct journal *j, uint64_t seq, struct buf *out)
{
    struct snapshots s = take_snapshots(j, &(struct journal_filter){.since = seq - 1, .only = seq}, 1);
    CLEANUP(sigv4_free_ptr) struct sigv4 *hasher = sigv4_new();
    bool there = seq > 0 && s.count == 1 && hasher != NULL;
    if (there)
        print_entry(s.list[0].entry, &s.list[0].state, hasher, out);
    drop_snapshots(j, &s);
    return there;
}

/* ---- for the follower ---- */

void journal_follow_start(struct journal *j)
{
    (void)pthread_mutex_lock(&j->lock);
    j->follower.on = true;
    (void)pthread_mutex_unlock(&j->lock);
}

void journal_follow_stop(struct journal *j)
{
    (void)pthread_mutex_lock(&j->lock);
    j->follower.stopping = true;
    (void)pthread_cond_signal(&j->follower.more);
    (void)pthread_mutex_unlock(&j->lock);
}

/* The list of them that has waited longest, NULL when there will be no more. */
static struct entry *take_followed(struct journal *j)
{
    size_t size = 0;
    (void)pthread_mutex_lock(&j->lock);
    while (j->follower.first == NULL && !j->follower.stopping)
        (void)pthread_cond_wait(&j->follower.more, &j->lock);
    struct entry *first = j->follower.first, **end = &j->follower.first;
    while (*end != NULL && size < FOLLOW_BATCH) {
        size += (*end)->size;
        end = &(*end)->follows;
    }
    struct entry *rest = *end;
    *end = NULL;
    j->follower.first = rest;
    if (rest == NULL)
        j->follower.last = NULL;
    j->follower.size -= size;
    (void)pthread_mutex_unlock(&j->lock);
    return first;
}

bool journal_follow(struct journal *j, struct buf *out, uint64_t *count)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *hasher = sigv4_new();
    struct entry *first = take_followed(j);
    *count = 0;
    for (struct entry *e = first; e != NULL; e = e->follows) {
        struct state state = {e->delivery, true, e->status, e->upstream}; /* changes no more */
        if (hasher != NULL) {
            print_entry(e, &state, hasher, out);
            buf_addc(out, '\n');
        }
        ++*count;
    }
    (void)pthread_mutex_lock(&j->lock);
    for (struct entry *e = first, *next; e != NULL; e = next) {
        next = e->follows;
        e->follows = NULL;
        unref(e);
    }
    (void)pthread_mutex_unlock(&j->lock);
    return first != NULL;
}

/* ---- for matchers ---- */

static bool show(const struct entry *e, int status, void (*fn)(void *ctx, const struct journal_seen *e), void *ctx)
{
    CLEANUP(free_ptr) struct http_field *fields = calloc(e->header_count + 1, sizeof *fields);
    if (fields == NULL)
        return false;
    for (size_t i = 0; i < e->header_count; i++)
        fields[i] = (struct http_field){text(e, e->headers[2 * i]), text(e, e->headers[2 * i + 1])};
    struct journal_seen seen = {.seq = e->seq,
                                .method = text(e, e->pieces[PIECE_METHOD]),
                                .target = text(e, e->pieces[PIECE_TARGET]),
                                .operation = text(e, e->pieces[PIECE_OPERATION]),
                                .model = text(e, e->pieces[PIECE_MODEL]),
                                .session = text(e, e->pieces[PIECE_SESSION]),
                                .body = text(e, e->pieces[PIECE_BODY]),
                                .signature = text(e, e->pieces[PIECE_SIGNATURE]),
                                .fields = fields,
                                .field_count = e->header_count,
                                .source = e->source,
                                .verdict = e->verdict,
                                .status = status};
    fn(ctx, &seen);
    return true;
}

bool journal_each(struct journal *j, const struct journal_filter *filter,
                  void (*fn)(void *ctx, const struct journal_seen *e), void *ctx, uint64_t *last)
{
    struct snapshots s = take_snapshots(j, filter, 0);
    bool good = !s.failed;
    for (size_t i = 0; good && i < s.count; i++)
        good = show(s.list[i].entry, s.list[i].state.status, fn, ctx);
    *last = s.next;
    drop_snapshots(j, &s);
    return good;
}

void journal_stats(struct journal *j, struct journal_stats *out)
{
    (void)pthread_mutex_lock(&j->lock);
    *out = (struct journal_stats){.entries = j->count,
                                  .bytes = j->size,
                                  .limit = j->limit == SIZE_MAX ? 0 : j->limit,
                                  .dropped = j->dropped,
                                  .last = j->seq,
                                  .unfollowed = j->follower.lost};
    (void)pthread_mutex_unlock(&j->lock);
}
