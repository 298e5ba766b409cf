/* journal.c: the mock's memory of what happened.
 *
 * Two lists under one lock: all entries in the order of their numbers, and the ended ones in the order of their end,
 * which is the order in which they are thrown away. Copying in costs one allocation and one memcpy; hashing and
 * printing wait for a reader. A reader takes references under the lock and prints without it.
 */
#include "mock/admin/journal_entry.h"

#include <pthread.h>
#include <stdlib.h>

#include "protocol/glob.h"

#define FOLLOWED_MAX ((size_t)64 * 1024 * 1024) /* bytes of entries that wait for the follower */
#define FOLLOW_BATCH ((size_t)1024 * 1024)      /* of them in one go */

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
    return session == NULL || span_is(entry_text(e, e->pieces[PIECE_SESSION]), session);
}

/* `value` like `pattern`, which may hold * and ?; no pattern asks nothing. */
static bool is_like(const struct entry *e, struct piece value, const char *pattern)
{
    struct span v = entry_text(e, value);
    return pattern == NULL || glob_fits(span_of(pattern), v);
}

static bool is_word(const char *value, const char *pattern)
{
    return pattern == NULL || (value != NULL && glob_fits(span_of(pattern), span_of(value)));
}

/* A fixture is asked for by its name, or by all that the journal says of it: name and place. */
static bool is_fixture(const struct entry *e, const char *pattern)
{
    struct span label = entry_text(e, e->pieces[PIECE_FIXTURE]);
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

/* ---- taking in ---- */

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
    struct entry *e = entry_new(record, scratch);
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

/* ---- reading ---- */

/* Entries held, with what may still change in them as it was under the lock. */
struct snapshot {
    struct entry *entry;
    struct entry_state state;
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
        entry_print(s.list[i].entry, &s.list[i].state, hasher, out);
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
        entry_print(s.list[0].entry, &s.list[0].state, hasher, out);
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
    if (hasher == NULL && out->error == OK)
        out->error = ERR_NOMEM; /* they were taken, and nobody will see them */
    for (struct entry *e = first; e != NULL; e = e->follows) {
        struct entry_state state = {e->delivery, true, e->status, e->upstream}; /* changes no more */
        if (hasher != NULL) {
            entry_print(e, &state, hasher, out);
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
        fields[i] = (struct http_field){entry_text(e, e->headers[2 * i]), entry_text(e, e->headers[2 * i + 1])};
    struct journal_seen seen = {.seq = e->seq,
                                .method = entry_text(e, e->pieces[PIECE_METHOD]),
                                .target = entry_text(e, e->pieces[PIECE_TARGET]),
                                .operation = entry_text(e, e->pieces[PIECE_OPERATION]),
                                .model = entry_text(e, e->pieces[PIECE_MODEL]),
                                .session = entry_text(e, e->pieces[PIECE_SESSION]),
                                .body = entry_text(e, e->pieces[PIECE_BODY]),
                                .signature = entry_text(e, e->pieces[PIECE_SIGNATURE]),
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
