/* quota.c: the rows, the counts, and the arithmetic between them.
 *
 * A gauge holds tokens times milliseconds of its window, so that refilling is a multiplication and nothing is lost to
 * rounding: with limit <= 1e9 and a window of a day it stays below 1e17. Counts are found by walking a list that is
 * short in practice and bounded anyway.
 */
#include "mock/metering/quota.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/glob.h"

enum limit { RPM, RPD, TPM, TPD, LIMITS };
static const struct {
    const char *name;
    int64_t window_ms;
    bool tokens;
    enum quota_verdict verdict;
} limits[LIMITS] = {{"rpm", 60000, false, QUOTA_REQUESTS},
                    {"rpd", 86400000, false, QUOTA_REQUESTS_DAY},
                    {"tpm", 60000, true, QUOTA_TOKENS},
                    {"tpd", 86400000, true, QUOTA_TOKENS_DAY}};

#define NO_LIMIT ((int64_t)-1)

struct row {
    const char *principal, *region, *model; /* globs; the tree's */
    int64_t limit[LIMITS];                  /* NO_LIMIT: none */
    uint64_t burndown;                      /* 0: the model's */
    bool by_account, by_window;
};

struct rows {
    cJSON *tree;
    struct row *list;
    size_t count;
};

struct gauge {
    int64_t level; /* tokens * window_ms */
    int64_t at_ms; /* up to when it is refilled; by_window: when its window began */
};

struct count {
    char *who, *region, *model;
    size_t row;
    uint64_t serial;
    size_t holds; /* not settled yet */
    int64_t used_ms;
    struct gauge gauges[LIMITS];
};

struct quotas {
    pthread_mutex_t lock;
    atomic_bool on;
    struct rows rows;
    cJSON *kept; /* a body of quotas_set; NULL: none */
    uint64_t generation, serials;
    struct count *counts;
    size_t count;
};

/* ---- birth, death ---- */

struct quotas *quotas_new(void)
{
    struct quotas *q = calloc(1, sizeof *q);
    if (q == NULL || pthread_mutex_init(&q->lock, NULL) != 0) {
        free(q);
        return NULL;
    }
    q->generation = 1;
    return q;
}

static void count_release(struct count *c)
{
    free(c->who);
    free(c->region);
    free(c->model);
    *c = (struct count){.who = NULL};
}

static void drop_counts(struct quotas *q)
{
    for (size_t i = 0; i < q->count; i++)
        count_release(&q->counts[i]);
    q->count = 0;
    q->generation++;
}

static void rows_release(struct rows *r)
{
    json_free(&r->tree);
    free(r->list);
    *r = (struct rows){NULL, NULL, 0};
}

void quotas_free(struct quotas *q)
{
    if (q == NULL)
        return;
    drop_counts(q);
    free(q->counts);
    rows_release(&q->rows);
    json_free(&q->kept);
    (void)pthread_mutex_destroy(&q->lock);
    free(q);
}

bool quotas_on(const struct quotas *q)
{
    return atomic_load_explicit(&q->on, memory_order_acquire);
}

/* ---- rows ---- */

static enum err read_number(const cJSON *row, const char *key, int64_t least, int64_t most, const char *where,
                            int64_t *out, struct note *note)
{
    enum err e = json_opt_int(row, key, where, out, note);
    if (e == OK && json_member(row, key) != NULL && (*out < least || *out > most))
        return note_set(note, ERR_INVALID, "%s/%s: expected a whole number from %lld to %lld", where, key,
                        (long long)least, (long long)most);
    return e;
}

static enum err read_word(const cJSON *row, const char *key, const char *usual, const char *other, const char *where,
                          bool *out, struct note *note)
{
    const char *word = usual;
    enum err e = json_opt_string(row, key, where, &word, note);
    if (e != OK)
        return e;
    *out = strcmp(word, other) == 0;
    if (!*out && strcmp(word, usual) != 0)
        return note_set(note, ERR_INVALID, "%s/%s: expected %s or %s", where, key, usual, other);
    return OK;
}

static enum err read_row(const cJSON *item, const char *where, struct row *out, struct note *note)
{
    static const char *const known[] = {"principal", "region", "model", "per",      "rpm",
                                        "tpm",       "rpd",    "tpd",   "burndown", "refill"};
    int64_t burndown = 0;
    *out = (struct row){.principal = "*", .region = "*", .model = "*"};
    enum err e = cJSON_IsObject(item) ? json_only_keys(item, known, COUNT_OF(known), where, note)
                                      : note_set(note, ERR_INVALID, "%s: expected an object", where);
    if (e == OK)
        e = json_opt_string(item, "principal", where, &out->principal, note);
    if (e == OK)
        e = json_opt_string(item, "region", where, &out->region, note);
    if (e == OK)
        e = json_opt_string(item, "model", where, &out->model, note);
    for (size_t i = 0; e == OK && i < LIMITS; i++) {
        out->limit[i] = NO_LIMIT;
        e = read_number(item, limits[i].name, 0, QUOTA_LIMIT_MAX, where, &out->limit[i], note);
    }
    if (e == OK)
        e = read_number(item, "burndown", 1, QUOTA_BURNDOWN_MAX, where, &burndown, note);
    if (e == OK)
        e = read_word(item, "per", "principal", "account", where, &out->by_account, note);
    if (e == OK)
        e = read_word(item, "refill", "steady", "window", where, &out->by_window, note);
    out->burndown = (uint64_t)burndown;
    return e;
}

static enum err read_rows(const cJSON *body, struct rows *out, struct note *note)
{
    static const char *const known[] = {"quotas"};
    cJSON *list = NULL;
    enum err e = cJSON_IsObject(body) ? json_only_keys(body, known, 1, "", note)
                                      : note_set(note, ERR_INVALID, "expected an object {\"quotas\":[...]}");
    if (e == OK)
        e = json_get_array(body, "quotas", "", &list, note);
    if (e != OK)
        return e;
    size_t n = (size_t)cJSON_GetArraySize(list);
    if (n > QUOTA_ROWS_MAX)
        return note_set(note, ERR_INVALID, "/quotas: at most %d rows", QUOTA_ROWS_MAX);
    out->tree = cJSON_Duplicate(list, true);
    out->list = calloc(n + 1, sizeof *out->list);
    if (out->tree == NULL || out->list == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    for (const cJSON *item = out->tree->child; e == OK && item != NULL; item = item->next) {
        char where[32];
        (void)snprintf(where, sizeof where, "/quotas/%zu", out->count);
        e = read_row(item, where, &out->list[out->count++], note);
    }
    return e;
}

/* Under the lock; takes the rows. */
static void put_rows(struct quotas *q, struct rows *take)
{
    rows_release(&q->rows);
    q->rows = *take;
    *take = (struct rows){NULL, NULL, 0};
    drop_counts(q);
    atomic_store_explicit(&q->on, q->rows.count > 0, memory_order_release);
}

enum err quotas_set(struct quotas *q, const cJSON *body, bool keep, struct note *note)
{
    CLEANUP(rows_release) struct rows rows = {NULL, NULL, 0};
    CLEANUP(json_free) cJSON *twin = NULL;
    enum err e = read_rows(body, &rows, note);
    if (e == OK && keep && (twin = cJSON_Duplicate(body, true)) == NULL)
        e = note_set(note, ERR_NOMEM, "out of memory");
    if (e != OK)
        return e;
    (void)pthread_mutex_lock(&q->lock);
    put_rows(q, &rows);
    if (keep) {
        cJSON *before = q->kept;
        q->kept = twin;
        twin = before;
    }
    (void)pthread_mutex_unlock(&q->lock);
    return OK;
}

void quotas_forget(struct quotas *q)
{
    CLEANUP(rows_release) struct rows rows = {NULL, NULL, 0};
    if (q->kept != NULL && read_rows(q->kept, &rows, NULL) != OK) /* it was read before: only memory can be short */
        rows_release(&rows);
    (void)pthread_mutex_lock(&q->lock);
    put_rows(q, &rows);
    (void)pthread_mutex_unlock(&q->lock);
}

/* ---- gauges ---- */

static int64_t capacity(const struct row *r, size_t i)
{
    return r->limit[i] * limits[i].window_ms;
}

static void refill(const struct row *r, size_t i, struct gauge *g, int64_t now_ms)
{
    int64_t window = limits[i].window_ms, elapsed = now_ms - g->at_ms, full = capacity(r, i);
    if (r->limit[i] == NO_LIMIT)
        return;
    if (r->by_window) {
        if (elapsed >= window || elapsed < 0) {
            g->level = g->level < 0 ? full + g->level : full;
            g->at_ms = now_ms;
        }
        return;
    }
    if (elapsed > 0)
        g->level += r->limit[i] * (elapsed < 2 * window ? elapsed : 2 * window);
    g->level = g->level > full ? full : g->level;
    g->at_ms = now_ms;
}

static void take(const struct row *r, size_t i, struct gauge *g, int64_t tokens)
{
    int64_t full = capacity(r, i);
    if (r->limit[i] == NO_LIMIT)
        return;
    g->level -= tokens * limits[i].window_ms;
    g->level = g->level > full ? full : g->level < -full ? -full : g->level;
}

/* ---- counts ---- */

static const struct row *find_row(const struct quotas *q, const struct quota_ask *ask, size_t *at)
{
    for (size_t i = 0; i < q->rows.count; i++) {
        const struct row *r = &q->rows.list[i];
        *at = i;
        if (glob_fits(span_of(r->principal), span_of(ask->principal)) && glob_fits(span_of(r->region), span_of(ask->region)) &&
            glob_fits(span_of(r->model), span_of(ask->model)))
            return r;
    }
    return NULL;
}

/* Where a new one may stand: behind the others, or in place of the one that rested longest and owes nothing back. */
static struct count *find_room(struct quotas *q)
{
    struct count *oldest = NULL;
    if (q->counts == NULL)
        q->counts = calloc(QUOTA_COUNTS_MAX, sizeof *q->counts);
    if (q->counts == NULL || q->count < QUOTA_COUNTS_MAX)
        return q->counts == NULL ? NULL : &q->counts[q->count++];
    for (size_t i = 0; i < q->count; i++)
        if (q->counts[i].holds == 0 && (oldest == NULL || q->counts[i].used_ms < oldest->used_ms))
            oldest = &q->counts[i];
    if (oldest != NULL)
        count_release(oldest);
    return oldest;
}

static struct count *find_count(struct quotas *q, size_t row, const struct quota_ask *ask, int64_t now_ms)
{
    const struct row *r = &q->rows.list[row];
    const char *who = r->by_account ? ask->account : ask->principal;
    for (size_t i = 0; i < q->count; i++) {
        struct count *c = &q->counts[i];
        if (c->row == row && strcmp(c->who, who) == 0 && strcmp(c->model, ask->model) == 0 &&
            strcmp(c->region, ask->region) == 0)
            return c;
    }
    CLEANUP(free_ptr) char *who_copy = strdup(who);
    CLEANUP(free_ptr) char *region = strdup(ask->region);
    CLEANUP(free_ptr) char *model = strdup(ask->model);
    struct count *c = who_copy != NULL && region != NULL && model != NULL ? find_room(q) : NULL;
    if (c == NULL)
        return NULL;
    *c = (struct count){.who = who_copy, .region = region, .model = model, .row = row, .serial = ++q->serials};
    who_copy = region = model = NULL;
    for (size_t i = 0; i < LIMITS; i++)
        c->gauges[i] = (struct gauge){r->limit[i] == NO_LIMIT ? 0 : capacity(r, i), now_ms};
    return c;
}

/* ---- asking ---- */

static uint64_t at_most(uint64_t n, uint64_t most)
{
    return n < most ? n : most;
}

static enum quota_verdict judge(const struct row *r, struct count *c, int64_t tokens, int64_t now_ms)
{
    for (size_t i = 0; i < LIMITS; i++)
        refill(r, i, &c->gauges[i], now_ms);
    for (size_t i = 0; i < LIMITS; i++)
        if (r->limit[i] != NO_LIMIT && c->gauges[i].level < (limits[i].tokens ? tokens : 1) * limits[i].window_ms)
            return limits[i].verdict;
    return QUOTA_PASS;
}

/* With no memory for a count, or all of them held, the request passes: a quota is a test's, not a guard of ours. */
static enum quota_verdict admit(struct quotas *q, const struct quota_ask *ask, int64_t now_ms, struct quota_hold *hold)
{
    size_t at;
    const struct row *r = find_row(q, ask, &at);
    struct count *c = r == NULL ? NULL : find_count(q, at, ask, now_ms);
    if (c == NULL)
        return QUOTA_PASS;
    uint64_t reserved =
        at_most(at_most(ask->input, QUOTA_SPENT_MAX) + at_most(ask->most_output, QUOTA_SPENT_MAX), QUOTA_SPENT_MAX);
    enum quota_verdict verdict = judge(r, c, (int64_t)reserved, now_ms);
    c->used_ms = now_ms;
    if (verdict != QUOTA_PASS)
        return verdict;
    for (size_t i = 0; i < LIMITS; i++)
        take(r, i, &c->gauges[i], limits[i].tokens ? (int64_t)reserved : 1);
    c->holds++;
    *hold = (struct quota_hold){.generation = q->generation,
                                .count = (size_t)(c - q->counts),
                                .serial = c->serial,
                                .reserved = reserved,
                                .burndown = r->burndown > 0 ? r->burndown : ask->burndown};
    return QUOTA_PASS;
}

enum quota_verdict quota_admit(struct quotas *q, const struct quota_ask *ask, int64_t now_ms, struct quota_hold *hold)
{
    *hold = (struct quota_hold){.generation = 0};
    (void)pthread_mutex_lock(&q->lock);
    enum quota_verdict verdict = admit(q, ask, now_ms, hold);
    (void)pthread_mutex_unlock(&q->lock);
    return verdict;
}

void quota_settle(struct quotas *q, const struct quota_hold *hold, uint64_t input, uint64_t output, int64_t now_ms)
{
    if (hold->generation == 0)
        return;
    uint64_t burned = at_most(output, QUOTA_SPENT_MAX / QUOTA_BURNDOWN_MAX) * hold->burndown;
    int64_t spent = (int64_t)at_most(at_most(input, QUOTA_SPENT_MAX) + burned, QUOTA_SPENT_MAX);
    (void)pthread_mutex_lock(&q->lock);
    struct count *c = hold->generation == q->generation ? &q->counts[hold->count] : NULL;
    if (c != NULL && c->serial == hold->serial) {
        const struct row *r = &q->rows.list[c->row];
        c->holds--;
        for (size_t i = 0; i < LIMITS; i++) {
            refill(r, i, &c->gauges[i], now_ms);
            if (limits[i].tokens)
                take(r, i, &c->gauges[i], spent - (int64_t)hold->reserved);
        }
    }
    (void)pthread_mutex_unlock(&q->lock);
}

/* ---- looking ---- */

static void print_count(const struct quotas *q, struct count *c, int64_t now_ms, struct buf *out)
{
    const struct row *r = &q->rows.list[c->row];
    buf_adds(out, r->by_account ? "{\"account\":" : "{\"principal\":");
    json_quote(span_of(c->who), out);
    buf_adds(out, ",\"region\":");
    json_quote(span_of(c->region), out);
    buf_adds(out, ",\"model\":");
    json_quote(span_of(c->model), out);
    buf_addf(out, ",\"row\":%zu,\"running\":%zu", c->row, c->holds);
    for (size_t i = 0; i < LIMITS; i++) {
        if (r->limit[i] == NO_LIMIT)
            continue;
        refill(r, i, &c->gauges[i], now_ms);
        int64_t level = c->gauges[i].level, window = limits[i].window_ms;
        int64_t left = level >= 0 ? level / window : -((-level + window - 1) / window);
        buf_addf(out, ",\"%s\":{\"limit\":%lld,\"used\":%lld,\"left\":%lld}", limits[i].name, (long long)r->limit[i],
                 (long long)(r->limit[i] - left), (long long)left);
    }
    buf_addc(out, '}');
}

void quotas_print(struct quotas *q, int64_t now_ms, struct buf *out)
{
    (void)pthread_mutex_lock(&q->lock);
    buf_adds(out, "{\"quotas\":");
    if (q->rows.tree != NULL)
        json_print(q->rows.tree, JSON_COMPACT, out);
    else
        buf_adds(out, "[]");
    buf_adds(out, ",\"counts\":[");
    for (size_t i = 0; i < q->count; i++) {
        if (i > 0)
            buf_addc(out, ',');
        print_count(q, &q->counts[i], now_ms, out);
    }
    buf_adds(out, "]}");
    (void)pthread_mutex_unlock(&q->lock);
}
