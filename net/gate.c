/* gate.c: names, and who waits for them.
 *
 * A gate is opened by one thread and its waiters live on the loops of others, in memory that the waiter may give up at
 * any moment. So nothing ever points at a waiter but the lists in here, behind one lock: opening moves the waiters to
 * the list of their loop (their "seat") and posts that loop a note to look; the loop takes them from the list one by
 * one and calls them without the lock. gate_forget() unlinks from whichever list it is. A posted note that finds an
 * empty list does nothing, so a late one is harmless.
 */
#include "net/gate.h"

#include <pthread.h>
#include <stdlib.h>

#define BUCKETS   256
#define GATES_MAX 65536 /* names come from peers over the admin API */

struct gate {
    struct gate *next; /* in its bucket */
    char *name;
    bool open;
    struct gate_wait *first, *last;
};

/* One per loop that ever waited: the opened waiters it has still to call. */
struct seat {
    struct seat *next;
    struct gates *gates;
    struct loop *loop;
    struct gate opened; /* only its list is used */
};

struct gates {
    pthread_mutex_t lock;
    struct gate *buckets[BUCKETS];
    size_t count;
    struct seat *seats;
};

static void line_append(struct gate *gate, struct gate_wait *w)
{
    w->gate = gate;
    w->next = NULL;
    w->prev = gate->last;
    *(gate->last ? &gate->last->next : &gate->first) = w;
    gate->last = w;
}

static void line_unlink(struct gate_wait *w)
{
    struct gate *gate = w->gate;
    *(w->prev ? &w->prev->next : &gate->first) = w->next;
    *(w->next ? &w->next->prev : &gate->last) = w->prev;
    w->next = w->prev = NULL;
    w->gate = NULL;
}

struct gates *gates_new(void)
{
    struct gates *gates = calloc(1, sizeof *gates);
    if (gates)
        pthread_mutex_init(&gates->lock, NULL);
    return gates;
}

static void gate_free(struct gate *gate)
{
    free(gate->name);
    free(gate);
}

void gates_free(struct gates *gates)
{
    if (!gates)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (gates->buckets[i]) {
            struct gate *gate = gates->buckets[i];
            gates->buckets[i] = gate->next;
            gate_free(gate);
        }
    }
    while (gates->seats) {
        struct seat *seat = gates->seats;
        gates->seats = seat->next;
        free(seat);
    }
    pthread_mutex_destroy(&gates->lock);
    free(gates);
}

/* FNV-1a; names are short and few. */
static size_t bucket_of(const char *name)
{
    uint32_t h = 2166136261U;
    for (const char *c = name; *c; c++)
        h = (h ^ (unsigned char)*c) * 16777619U;
    return h % BUCKETS;
}

/* The gate of that name, made when it is new; NULL when there is no room. */
static struct gate *find(struct gates *gates, const char *name)
{
    struct gate **bucket = &gates->buckets[bucket_of(name)];
    for (struct gate *gate = *bucket; gate; gate = gate->next) {
        if (strcmp(gate->name, name) == 0)
            return gate;
    }
    if (gates->count >= GATES_MAX)
        return NULL;
    struct gate *gate = calloc(1, sizeof *gate);
    char *copy = strdup(name);
    if (!gate || !copy) {
        free(gate);
        free(copy);
        return NULL;
    }
    gate->name = copy;
    gate->next = *bucket;
    *bucket = gate;
    gates->count++;
    return gate;
}

static struct seat *seat_of(struct gates *gates, struct loop *loop)
{
    for (struct seat *seat = gates->seats; seat; seat = seat->next) {
        if (seat->loop == loop)
            return seat;
    }
    struct seat *seat = calloc(1, sizeof *seat);
    if (!seat)
        return NULL;
    seat->gates = gates;
    seat->loop = loop;
    seat->next = gates->seats;
    gates->seats = seat;
    return seat;
}

bool gate_pass(struct gates *gates, const char *name, struct gate_wait *w)
{
    pthread_mutex_lock(&gates->lock);
    struct gate *gate = find(gates, name);
    bool pass = !gate || gate->open || !seat_of(gates, w->loop);
    if (!pass) {
        line_append(gate, w);
        w->waiting = true;
    }
    pthread_mutex_unlock(&gates->lock);
    return pass;
}

void gate_forget(struct gates *gates, struct gate_wait *w)
{
    if (!gates || !w->waiting)
        return;
    pthread_mutex_lock(&gates->lock);
    line_unlink(w);
    w->waiting = false;
    pthread_mutex_unlock(&gates->lock);
}

static struct gate_wait *take_opened(struct seat *seat)
{
    pthread_mutex_lock(&seat->gates->lock);
    struct gate_wait *w = seat->opened.first;
    if (w) {
        line_unlink(w);
        w->waiting = false;
    }
    pthread_mutex_unlock(&seat->gates->lock);
    return w;
}

static void call_opened(void *ctx)
{
    struct gate_wait *w = take_opened(ctx);
    while (w) {
        w->open(w->ctx);
        w = take_opened(ctx);
    }
}

void gate_open(struct gates *gates, const char *name)
{
    pthread_mutex_lock(&gates->lock);
    struct gate *gate = find(gates, name);
    if (gate) {
        gate->open = true;
        struct seat *posted = NULL;
        while (gate->first) {
            struct gate_wait *w = gate->first;
            struct seat *seat = seat_of(gates, w->loop);
            line_unlink(w);
            line_append(&seat->opened, w);
            /* Under the lock: while the waiter is listed its loop is alive. A note that cannot be posted is made
             * good by the next one to that loop. */
            if (seat != posted && loop_post(seat->loop, call_opened, seat) == OK)
                posted = seat;
        }
    }
    pthread_mutex_unlock(&gates->lock);
}

void gates_reset(struct gates *gates)
{
    pthread_mutex_lock(&gates->lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        struct gate **link = &gates->buckets[i];
        while (*link) {
            struct gate *gate = *link;
            gate->open = false;
            if (gate->first) {
                link = &gate->next;
                continue;
            }
            *link = gate->next;
            gates->count--;
            gate_free(gate);
        }
    }
    pthread_mutex_unlock(&gates->lock);
}

void gates_each(struct gates *gates, void (*fn)(void *ctx, const char *name, bool open, size_t waiting), void *ctx)
{
    pthread_mutex_lock(&gates->lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct gate *gate = gates->buckets[i]; gate; gate = gate->next) {
            size_t waiting = 0;
            for (const struct gate_wait *w = gate->first; w; w = w->next)
                waiting++;
            fn(ctx, gate->name, gate->open, waiting);
        }
    }
    pthread_mutex_unlock(&gates->lock);
}
