/* cache.c: the store of the prompt cache, and what one request does to it.
 *
 * Entries stand in a hash table and in a list by last use. All of a request's look-ups and writes happen under the lock
 * at once, so that of two requests with a new prefix one writes it and the other reads it, whichever came first.
 * Expired entries are taken for absent, and swept out when they are met or when room is needed.
 */
#include "mock/metering/cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
    struct cache_entry entry;
    struct node *next;          /* in its bucket */
    struct node *newer, *older; /* by last use */
};

struct cache {
    pthread_mutex_t lock;
    struct node **buckets;
    size_t bucket_count; /* a power of two */
    size_t count, most;
    struct node *newest, *oldest;
};

struct cache *cache_new(size_t max_bytes)
{
    struct cache *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->most = max_bytes / sizeof(struct node) > 0 ? max_bytes / sizeof(struct node) : 1;
    for (c->bucket_count = 16; c->bucket_count < c->most; c->bucket_count *= 2)
        continue;
    c->buckets = calloc(c->bucket_count, sizeof *c->buckets);
    if (c->buckets == NULL || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c->buckets);
        free(c);
        return NULL;
    }
    return c;
}

static struct node **bucket_of(struct cache *c, const char *hash)
{
    size_t n = 0;
    for (size_t i = 0; i < 8; i++)
        n = n << 4 | (size_t)(hash[i] <= '9' ? hash[i] - '0' : hash[i] - 'a' + 10);
    return &c->buckets[n & (c->bucket_count - 1)];
}

/* ---- the list by last use ---- */

static void unlink_use(struct cache *c, struct node *n)
{
    *(n->newer != NULL ? &n->newer->older : &c->newest) = n->older;
    *(n->older != NULL ? &n->older->newer : &c->oldest) = n->newer;
    n->newer = n->older = NULL;
}

static void link_use(struct cache *c, struct node *n)
{
    n->older = c->newest;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = n;
    c->newest = n;
}

static void drop(struct cache *c, struct node *n)
{
    struct node **at = bucket_of(c, n->entry.hash);
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    unlink_use(c, n);
    c->count--;
    free(n);
}

static void drop_all(struct cache *c)
{
    while (c->newest != NULL)
        drop(c, c->newest);
}

void cache_free(struct cache *c)
{
    if (c == NULL)
        return;
    drop_all(c);
    (void)pthread_mutex_destroy(&c->lock);
    free(c->buckets);
    free(c);
}

void cache_forget(struct cache *c)
{
    (void)pthread_mutex_lock(&c->lock);
    drop_all(c);
    (void)pthread_mutex_unlock(&c->lock);
}

void cache_forget_session(struct cache *c, const char *session)
{
    uint64_t hash = rng_hash(0, span_of(session));
    (void)pthread_mutex_lock(&c->lock);
    for (struct node *n = c->newest, *older; n != NULL; n = older) {
        older = n->older;
        if (n->entry.session == hash)
            drop(c, n);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

/* ---- entries ---- */

static struct node *find(struct cache *c, const char *hash, int64_t now_ms)
{
    struct node *n = *bucket_of(c, hash);
    while (n != NULL && strcmp(n->entry.hash, hash) != 0)
        n = n->next;
    if (n == NULL || n->entry.expires_ms > now_ms)
        return n;
    drop(c, n);
    return NULL;
}

static void refresh(struct cache *c, struct node *n, int64_t now_ms)
{
    n->entry.expires_ms = now_ms + (n->entry.hour ? CACHE_HOUR_MS : CACHE_MINUTES_MS);
    unlink_use(c, n);
    link_use(c, n);
}

/* A write that finds no memory is a prefix that is not there the next time; nothing else goes wrong by it. */
static void add(struct cache *c, const struct cache_place *place, bool hour, const struct cache_owner *owner,
                int64_t now_ms)
{
    if (c->count >= c->most)
        drop(c, c->oldest);
    struct node *n = calloc(1, sizeof *n);
    if (n == NULL)
        return;
    struct cache_entry *e = &n->entry;
    (void)snprintf(e->hash, sizeof e->hash, "%s", place->hash);
    (void)snprintf(e->account, sizeof e->account, "%s", owner->account);
    (void)snprintf(e->region, sizeof e->region, "%s", owner->region);
    (void)snprintf(e->model, sizeof e->model, "%s", owner->model);
    e->session = rng_hash(0, span_of(owner->session));
    e->tokens = place->tokens;
    e->hour = hour;
    struct node **bucket = bucket_of(c, e->hash);
    n->next = *bucket;
    *bucket = n;
    link_use(c, n);
    c->count++;
    refresh(c, n, now_ms);
}

/* ---- one request ---- */

static bool counts(const struct cache_place *p, const struct cache_terms *t)
{
    return p->point != CACHE_NO_POINT && p->tokens >= t->least && (t->tools || !p->tool);
}

/* The longest prefix that lives: from the last point backwards; how far before each, is the model's. */
static size_t longest_hit(struct cache *c, const struct cache_prompt *p, const struct cache_terms *t, int64_t now_ms)
{
    size_t reach = 0;
    for (size_t i = p->count; i-- > 0;) {
        if (counts(&p->places[i], t))
            reach = t->look_back ? CACHE_LOOK_BACK : 1;
        if (reach == 0)
            continue;
        reach--;
        if (find(c, p->places[i].hash, now_ms) != NULL)
            return i;
    }
    return SIZE_MAX;
}

static void serve(struct cache *c, const struct cache_prompt *p, const struct cache_owner *owner,
                  const struct cache_terms *t, int64_t now_ms, struct cache_use *out, struct cache_trace *trace)
{
    size_t hit = longest_hit(c, p, t, now_ms);
    uint64_t known = hit == SIZE_MAX ? 0 : p->places[hit].tokens;
    out->read = known;
    for (size_t i = 0; i < p->count; i++) {
        bool beyond = hit == SIZE_MAX || i > hit, point = counts(&p->places[i], t);
        struct node *n = !beyond && (point || i == hit) ? find(c, p->places[i].hash, now_ms) : NULL;
        if (n != NULL) {
            n->entry.reads += i == hit;
            refresh(c, n, now_ms);
        }
        if (!beyond || !point)
            continue;
        bool hour = t->hour && p->places[i].point == CACHE_POINT_HOUR;
        uint64_t stretch = p->places[i].tokens - known;
        out->written += stretch;
        out->written_hour += hour ? stretch : 0;
        known = p->places[i].tokens;
        add(c, &p->places[i], hour, owner, now_ms);
        if (trace != NULL && trace->count < COUNT_OF(trace->hashes))
            memcpy(trace->hashes[trace->count++], p->places[i].hash, CACHE_HASH);
    }
}

enum err cache_serve(struct cache *c, struct sigv4 *s, const cJSON *converse, const struct cache_owner *owner,
                     const struct cache_terms *terms, int64_t now_ms, struct cache_use *out,
                     struct cache_trace *trace)
{
    *out = (struct cache_use){0, 0, 0};
    if (terms->least == 0)
        return OK;
    CLEANUP(cache_prompt_release) struct cache_prompt p = {NULL, 0, 0};
    enum err e = cache_prompt_read(&p, s, converse, owner);
    if (e != OK)
        return e;
    (void)pthread_mutex_lock(&c->lock);
    serve(c, &p, owner, terms, now_ms, out, trace);
    (void)pthread_mutex_unlock(&c->lock);
    return OK;
}

void cache_withdraw(struct cache *c, const struct cache_trace *trace)
{
    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < trace->count; i++) {
        struct node *n = find(c, trace->hashes[i], INT64_MIN);
        if (n != NULL)
            drop(c, n);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

/* ---- looking ---- */

void cache_each(struct cache *c, int64_t now_ms, size_t most, void (*each)(void *ctx, const struct cache_entry *e),
                void *ctx)
{
    (void)pthread_mutex_lock(&c->lock);
    for (struct node *n = c->newest, *older; n != NULL && most > 0; n = older) {
        older = n->older;
        if (n->entry.expires_ms <= now_ms) {
            drop(c, n);
            continue;
        }
        each(ctx, &n->entry);
        most--;
    }
    (void)pthread_mutex_unlock(&c->lock);
}

size_t cache_count(struct cache *c, size_t *bytes)
{
    (void)pthread_mutex_lock(&c->lock);
    size_t n = c->count;
    (void)pthread_mutex_unlock(&c->lock);
    *bytes = n * sizeof(struct node) + c->bucket_count * sizeof *c->buckets;
    return n;
}
