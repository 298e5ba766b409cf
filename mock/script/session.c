/* session.c: see session.h. A table of names with open chaining under one lock, which a request without a name never
 * takes.
 */
#include "mock/script/session.h"

#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 1024

struct session {
    atomic_uint refs;
    char *name; /* NULL: main */
    struct script *script;
    atomic_uint_fast64_t calls;
    pthread_mutex_t lock; /* of the counters' pointer */
    struct session_counters *counters;
    uint64_t used;        /* when it was last asked for, by the table's count; under the table's lock */
    struct session *next; /* in its bucket */
};

struct sessions {
    pthread_mutex_t lock;
    struct session *main;
    struct session *buckets[BUCKETS];
    size_t count;
    uint64_t asked;
};

static struct session *session_new(struct span name)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    atomic_init(&s->refs, 1);
    (void)pthread_mutex_init(&s->lock, NULL);
    s->name = name.n > 0 ? span_dup(name) : NULL;
    s->script = script_new();
    if (s->script == NULL || (name.n > 0 && s->name == NULL))
        session_drop(&s);
    return s;
}

void session_drop(struct session **pointer)
{
    struct session *s = *pointer;
    *pointer = NULL;
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    script_free(s->script);
    session_counters_drop(&s->counters);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->name);
    free(s);
}

struct sessions *sessions_new(void)
{
    struct sessions *all = calloc(1, sizeof *all);
    if (all == NULL)
        return NULL;
    (void)pthread_mutex_init(&all->lock, NULL);
    all->main = session_new(SPAN_EMPTY);
    if (all->main != NULL)
        return all;
    sessions_free(all);
    return NULL;
}

void sessions_free(struct sessions *all)
{
    if (all == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct session *s = all->buckets[i], *next; s != NULL; s = next) {
            next = s->next;
            session_drop(&s);
        }
    session_drop(&all->main);
    (void)pthread_mutex_destroy(&all->lock);
    free(all);
}

struct session *sessions_main(const struct sessions *all)
{
    return all->main;
}

const char *session_name(const struct session *s)
{
    return s == NULL ? NULL : s->name;
}

struct script *session_script(struct session *s)
{
    return s->script;
}

uint64_t session_count_call(struct session *s)
{
    return atomic_fetch_add_explicit(&s->calls, 1, memory_order_relaxed) + 1;
}

uint64_t session_calls(const struct session *s)
{
    return atomic_load_explicit(&s->calls, memory_order_relaxed);
}

/* ---- the table ---- */

static enum err check_name(struct span name, struct note *note)
{
    bool good = name.n <= SESSION_NAME_MAX;
    for (size_t i = 0; good && i < name.n; i++)
        good = name.p[i] > 0x20 && name.p[i] < 0x7f && name.p[i] != '"' && name.p[i] != '\\';
    return good ? OK
                : note_set(note, ERR_INVALID,
                           "the name of a session is at most %d visible ASCII characters without \" and \\",
                           SESSION_NAME_MAX);
}

/* FNV-1a; nobody attacks his own mock. */
static struct session **bucket_of(struct sessions *all, struct span name)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.n; i++)
        h = (h ^ name.p[i]) * 16777619u;
    return &all->buckets[h % BUCKETS];
}

static struct session **place_of(struct sessions *all, struct span name)
{
    struct session **at = bucket_of(all, name);
    while (*at != NULL && !span_is(name, (*at)->name))
        at = &(*at)->next;
    return at;
}

static bool is_idle(const struct session *s)
{
    return atomic_load(&s->refs) == 1 && script_is_empty(s->script);
}

/* The lock is held. */
static bool make_room(struct sessions *all)
{
    if (all->count < SESSIONS_MAX)
        return true;
    struct session **oldest = NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct session **at = &all->buckets[i]; *at != NULL; at = &(*at)->next)
            if (is_idle(*at) && (oldest == NULL || (*at)->used < (*oldest)->used))
                oldest = at;
    if (oldest == NULL)
        return false;
    struct session *s = *oldest;
    *oldest = s->next;
    all->count--;
    session_drop(&s);
    return true;
}

static enum err look_up(struct sessions *all, struct span name, bool make, struct session **out, struct note *note)
{
    enum err e = check_name(name, note);
    *out = NULL;
    if (e != OK)
        return e;
    (void)pthread_mutex_lock(&all->lock);
    struct session *s = name.n == 0 ? all->main : *place_of(all, name);
    if (s == NULL && !make)
        e = note_set(note, ERR_UNKNOWN, "there is no session %.*s", (int)name.n, (const char *)name.p);
    else if (s == NULL && !make_room(all))
        e = note_set(note, ERR_LIMIT, "there are %d sessions, and each has a script or faults; reset some", SESSIONS_MAX);
    else if (s == NULL) {
        s = session_new(name);
        if (s == NULL) {
            e = note_set(note, ERR_NOMEM, "out of memory");
        } else {
            *place_of(all, name) = s;
            all->count++;
        }
    }
    if (e == OK) {
        s->used = ++all->asked;
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
        *out = s;
    }
    (void)pthread_mutex_unlock(&all->lock);
    return e;
}

enum err sessions_get(struct sessions *all, struct span name, struct session **out, struct note *note)
{
    return look_up(all, name, true, out, note);
}

enum err sessions_find(struct sessions *all, struct span name, struct session **out, struct note *note)
{
    return look_up(all, name, false, out, note);
}

void sessions_each(struct sessions *all, void (*fn)(void *ctx, struct session *s), void *ctx)
{
    (void)pthread_mutex_lock(&all->lock);
    fn(ctx, all->main);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct session *s = all->buckets[i]; s != NULL; s = s->next)
            fn(ctx, s);
    (void)pthread_mutex_unlock(&all->lock);
}

void sessions_end(struct sessions *all, struct session *s)
{
    if (s->name == NULL)
        return;
    struct session *gone = NULL;
    (void)pthread_mutex_lock(&all->lock);
    struct session **at = place_of(all, span_of(s->name));
    if (*at == s) {
        gone = s;
        *at = s->next;
        all->count--;
    }
    (void)pthread_mutex_unlock(&all->lock);
    session_drop(&gone);
}

/* ---- counters ---- */

static struct session_counters *counters_new(uint64_t generation, size_t n)
{
    struct session_counters *c = calloc(1, sizeof *c + n * sizeof c->counts[0]);
    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    c->generation = generation;
    return c;
}

/* A request that still holds the fixtures of before a reload counts for itself: it must not undo the newer counters. */
struct session_counters *session_counters(struct session *s, uint64_t generation, size_t n)
{
    struct session_counters *old = NULL;
    (void)pthread_mutex_lock(&s->lock);
    struct session_counters *c = s->counters;
    bool late = c != NULL && c->generation > generation;
    if (c == NULL || c->generation != generation) {
        c = counters_new(generation, n);
        if (c != NULL && !late) {
            old = s->counters;
            s->counters = c;
        }
    }
    if (c != NULL && c == s->counters)
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&s->lock);
    session_counters_drop(&old);
    return c;
}

void session_counters_drop(struct session_counters **pointer)
{
    struct session_counters *c = *pointer;
    *pointer = NULL;
    if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        free(c);
}

void session_forget_counters(struct session *s)
{
    (void)pthread_mutex_lock(&s->lock);
    struct session_counters *old = s->counters;
    s->counters = NULL;
    (void)pthread_mutex_unlock(&s->lock);
    atomic_store(&s->calls, 0);
    session_counters_drop(&old);
}
