/* gate.h: named gates that hold a reply until somebody opens them; causality instead of sleeping.
 *
 * A gate is made by the first wait or open of its name. Once open it stays open until gates_reset(). Thread-safe; a
 * waiter is called on its own loop.
 */
#ifndef MOHS_GATE_H
#define MOHS_GATE_H

#include "net/loop.h"

struct gates;
struct gate;
struct gates *gates_new(void);
void gates_free(struct gates *gates); /* nobody may be waiting, and the loops of those who did must have ended */

struct gate_wait { /* owned by the waiter, in place while waiting */
    struct loop *loop;
    void (*open)(void *ctx);
    void *ctx;
    struct gate_wait *next, *prev; /* the rest is the gates' own */
    struct gate *gate;
    bool waiting;
};
/* True: the gate is open already, go on. False: open(ctx) will be called once on `loop` when it opens. Out of memory,
 * or past 65,536 names, a gate counts as open: a reply must not hang on a mishap of ours. */
bool gate_pass(struct gates *gates, const char *name, struct gate_wait *w);
void gate_forget(struct gates *gates, struct gate_wait *w); /* no call will come; fine when not waiting */
void gate_open(struct gates *gates, const char *name);
/* Opens nothing: forgets which gates are open; those who wait keep waiting for a fresh open of the name. */
void gates_reset(struct gates *gates);
/* For the admin API: fn per gate, under the lock (it must not call the gates); waiting = how many replies stand before
 * it. */
void gates_each(struct gates *gates, void (*fn)(void *ctx, const char *name, bool open, size_t waiting), void *ctx);

#endif
