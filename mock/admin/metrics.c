/* metrics.c: counters, and their text.
 *
 * Requests are counted by operation, status and source in a small hash table of the worker's. A slot is published by
 * storing its operation last (release), so a reader sees all of a slot or none of it; the names are static, so pointers
 * are compared. What finds no room is counted under "other": sums stay right.
 */
#include "mock/admin/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "mock/visit.h"

#define SLOTS      1024 /* a power of two; operations times statuses times sources are about a hundred */
#define PROBES_MAX 64
#define FAULT_MAX  256 /* rows of the fault table */
#define NO_NAME    "none"
#define OTHER      "other"

typedef atomic_uint_fast64_t counter;

struct slot {
    _Atomic(const char *) operation; /* NULL: free */
    const char *source;
    int status;
    counter count;
};

static const char *const layers[] = {"none",       "routing", "auth",     "policy",
                                     "constraint", "model",   "semantic", "throttle", "http"};
static const char *const ends[] = {"complete", "peer-closed", "timed-out", "stopped"};

struct metrics_block {
    struct metrics_block *next;
    counter begun, ended, bytes_in, bytes_out, events, other;
    counter refused[COUNT_OF(layers)], end[COUNT_OF(ends)], fault[FAULT_MAX];
    struct slot slots[SLOTS];
};

struct metrics {
    pthread_mutex_t lock; /* of the list */
    struct metrics_block *blocks;
    int64_t started_at_s;
};

struct metrics *metrics_new(void)
{
    struct metrics *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    (void)pthread_mutex_init(&m->lock, NULL);
    m->started_at_s = wall_ns() / 1000000000;
    return m;
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    for (struct metrics_block *b = m->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

struct metrics_block *metrics_block_new(struct metrics *m)
{
    struct metrics_block *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    (void)pthread_mutex_lock(&m->lock);
    b->next = m->blocks;
    m->blocks = b;
    (void)pthread_mutex_unlock(&m->lock);
    return b;
}

void metrics_block_leave(struct metrics *m, struct metrics_block *b)
{
    if (b == NULL || atomic_load_explicit(&b->begun, memory_order_relaxed) > 0)
        return;
    (void)pthread_mutex_lock(&m->lock);
    struct metrics_block **at = &m->blocks;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    (void)pthread_mutex_unlock(&m->lock);
    free(b);
}

size_t metrics_blocks(struct metrics *m)
{
    size_t n = 0;
    (void)pthread_mutex_lock(&m->lock);
    for (const struct metrics_block *b = m->blocks; b != NULL; b = b->next)
        n++;
    (void)pthread_mutex_unlock(&m->lock);
    return n;
}

/* ---- counting ---- */

/* One writer: no read-modify-write of the bus is needed. */
static void add(counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static uint64_t value(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

void metrics_begin(struct metrics_block *b, size_t body_bytes)
{
    add(&b->begun, 1);
    add(&b->bytes_in, body_bytes);
}

void metrics_answer(struct metrics_block *b, const char *operation, int status, const char *source)
{
    operation = operation != NULL ? operation : NO_NAME;
    uintptr_t at = ((uintptr_t)operation >> 3) * 31 + ((uintptr_t)source >> 3) * 7 + (uintptr_t)status;
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct slot *s = &b->slots[(at + i) & (SLOTS - 1)];
        const char *there = atomic_load_explicit(&s->operation, memory_order_relaxed);
        if (there == NULL) {
            s->source = source;
            s->status = status;
            atomic_store_explicit(&s->operation, operation, memory_order_release);
        } else if (there != operation || s->source != source || s->status != status) {
            continue;
        }
        add(&s->count, 1);
        return;
    }
    add(&b->other, 1);
}

void metrics_refusal(struct metrics_block *b, unsigned layer)
{
    if (layer < COUNT_OF(layers))
        add(&b->refused[layer], 1);
}

void metrics_faults(struct metrics_block *b, struct span happened)
{
    const struct mock_fault_row *table;
    size_t n = mock_faults_list(&table);
    struct span pair, rest = happened, name;
    for (bool more = happened.n > 0; more;) {
        more = span_split(rest, ',', &pair, &rest);
        if (!span_split(pair, '"', &name, &pair) || !span_split(pair, '"', &name, &pair))
            continue;
        size_t i = 0;
        while (i < n && !span_is(name, table[i].id) && !span_is(name, table[i].code))
            i++;
        if (i < n && i < FAULT_MAX)
            add(&b->fault[i], 1);
    }
}

void metrics_end(struct metrics_block *b, const struct delivery *d)
{
    add(&b->ended, 1);
    add(&b->bytes_out, d->bytes);
    add(&b->events, d->events);
    if ((size_t)d->end < COUNT_OF(ends))
        add(&b->end[d->end], 1);
}

/* ---- printing ---- */

struct line {
    const char *operation, *source;
    int status;
    uint64_t count;
};

struct sums {
    uint64_t begun, ended, bytes_in, bytes_out, events, other;
    uint64_t refused[COUNT_OF(layers)], end[COUNT_OF(ends)], fault[FAULT_MAX];
    struct line lines[SLOTS];
    size_t count;
};

/* Two workers' slots of one meaning are one line; names are compared as text, as literals may have two addresses. */
static void sum_slot(struct sums *s, const struct slot *slot)
{
    const char *operation = atomic_load_explicit(&slot->operation, memory_order_acquire);
    if (operation == NULL)
        return;
    size_t i = 0;
    while (i < s->count && (s->lines[i].status != slot->status || strcmp(s->lines[i].operation, operation) != 0 ||
                            strcmp(s->lines[i].source, slot->source) != 0))
        i++;
    if (i == SLOTS) {
        s->other += value(&slot->count);
        return;
    }
    if (i == s->count)
        s->lines[s->count++] = (struct line){operation, slot->source, slot->status, 0};
    s->lines[i].count += value(&slot->count);
}

static void sum_block(struct sums *s, const struct metrics_block *b)
{
    s->ended += value(&b->ended); /* before those that began: never more ends than beginnings */
    s->begun += value(&b->begun);
    s->bytes_in += value(&b->bytes_in);
    s->bytes_out += value(&b->bytes_out);
    s->events += value(&b->events);
    s->other += value(&b->other);
    for (size_t i = 0; i < COUNT_OF(layers); i++)
        s->refused[i] += value(&b->refused[i]);
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        s->end[i] += value(&b->end[i]);
    for (size_t i = 0; i < FAULT_MAX; i++)
        s->fault[i] += value(&b->fault[i]);
    for (size_t i = 0; i < SLOTS; i++)
        sum_slot(s, &b->slots[i]);
}

static int by_name(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = strcmp(x->operation, y->operation);
    if (order == 0)
        order = x->status < y->status ? -1 : x->status > y->status;
    return order != 0 ? order : strcmp(x->source, y->source);
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(struct buf *out, const char *name, const char *type, const char *help, uint64_t n)
{
    head(out, name, type, help);
    buf_addf(out, "%s %llu\n", name, (unsigned long long)n);
}

static void print_requests(struct sums *s, struct buf *out)
{
    head(out, "mohs_requests_total", "counter",
         "Requests answered, by operation, status of the reply and where it came from.");
    qsort(s->lines, s->count, sizeof *s->lines, by_name);
    for (size_t i = 0; i < s->count; i++)
        buf_addf(out, "mohs_requests_total{operation=\"%s\",status=\"%d\",source=\"%s\"} %llu\n", s->lines[i].operation,
                 s->lines[i].status, s->lines[i].source, (unsigned long long)s->lines[i].count);
    if (s->other > 0)
        buf_addf(out, "mohs_requests_total{operation=\"" OTHER "\",status=\"0\",source=\"" OTHER "\"} %llu\n",
                 (unsigned long long)s->other);
    head(out, "mohs_refusals_total", "counter", "Requests that a strict Bedrock refuses, by the layer that does.");
    for (size_t i = 1; i < COUNT_OF(layers); i++)
        buf_addf(out, "mohs_refusals_total{layer=\"%s\"} %llu\n", layers[i], (unsigned long long)s->refused[i]);
    head(out, "mohs_replies_total", "counter", "Replies that are over, by how they ended.");
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        buf_addf(out, "mohs_replies_total{end=\"%s\"} %llu\n", ends[i], (unsigned long long)s->end[i]);
}

static void print_faults(const struct sums *s, struct buf *out)
{
    const struct mock_fault_row *table;
    size_t n = mock_faults_list(&table);
    head(out, "mohs_faults_total", "counter", "Faults that happened, those of the table that ever did.");
    for (size_t i = 0; i < n && i < FAULT_MAX; i++)
        if (s->fault[i] > 0)
            buf_addf(out, "mohs_faults_total{code=\"%s\",fault=\"%s\"} %llu\n", table[i].code, table[i].id,
                     (unsigned long long)s->fault[i]);
}

static void print_traffic(const struct sums *s, const struct mock *mock, struct buf *out)
{
    struct journal_stats j;
    uint64_t accepted, open;
    journal_stats(mock->journal, &j);
    server_connections(mock->server, &accepted, &open);
    single(out, "mohs_requests_in_flight", "gauge", "Requests whose reply is not over.", s->begun - s->ended);
    single(out, "mohs_request_bytes_total", "counter", "Bytes of the bodies of requests.", s->bytes_in);
    single(out, "mohs_reply_bytes_total", "counter", "Bytes of the bodies of replies, as the socket took them.",
           s->bytes_out);
    single(out, "mohs_stream_frames_total", "counter", "Whole frames of streams that the socket took.", s->events);
    single(out, "mohs_connections_total", "counter", "Connections accepted on the Bedrock port.", accepted);
    single(out, "mohs_connections", "gauge", "Connections open on the Bedrock port.", open);
    single(out, "mohs_journal_entries", "gauge", "Entries in the journal.", j.entries);
    single(out, "mohs_journal_bytes", "gauge", "Bytes the journal holds.", j.bytes);
    single(out, "mohs_journal_limit_bytes", "gauge", "Bytes the journal may hold; 0: it is off.", j.limit);
    single(out, "mohs_journal_dropped_total", "counter", "Entries lost to that limit, since the last reset.",
           j.dropped);
}

void metrics_print(const struct mock *mock, struct buf *out)
{
    struct metrics *m = mock->metrics;
    CLEANUP(free_ptr) struct sums *s = calloc(1, sizeof *s);
    if (s == NULL) {
        out->error = ERR_NOMEM;
        return;
    }
    (void)pthread_mutex_lock(&m->lock);
    for (const struct metrics_block *b = m->blocks; b != NULL; b = b->next)
        sum_block(s, b);
    (void)pthread_mutex_unlock(&m->lock);
    head(out, "mohs_build_info", "gauge", "Always 1; the labels say which program this is.");
    buf_addf(out, "mohs_build_info{version=\"%s\"} 1\n", MOHS_VERSION);
    single(out, "mohs_start_time_seconds", "gauge", "When the mock started, in seconds since 1970.",
           (uint64_t)m->started_at_s);
    print_requests(s, out);
    print_faults(s, out);
    print_traffic(s, mock, out);
}
