/* gate.h: named gates that hold a reply until somebody opens them; causality instead of sleeping.
 *
 * A gate is made by the first wait or open of its name. Once open it stays open until gates_reset(). Thread-safe; a
 * waiter is called on its own loop.
 */
#ifndef MOHS_GATE_H
#define MOHS_GATE_H

#include "net/loop.h"

struct gates;
struct gates *gates_new(void);
void gates_free(struct gates *gates); /* nobody may be waiting */

struct gate_wait { /* owned by the waiter, in place while waiting */
    struct loop *loop;
    void (*open)(void *ctx);
    void *ctx;
    struct gate_wait *next;
    bool waiting;
    uint64_t ticket;
};
/* True: the gate is open already, go on. False: open(ctx) will be called once on `loop` when it opens. */
bool gate_pass(struct gates *gates, const char *name, struct gate_wait *w);
void gate_forget(struct gates *gates, struct gate_wait *w); /* no call will come; fine when not waiting */
void gate_open(struct gates *gates, const char *name);
/* Opens nothing: forgets which gates are open; those who wait keep waiting for a fresh open of the name. */
void gates_reset(struct gates *gates);
/* For the admin API: fn per gate; waiting = how many replies stand before it. */
void gates_each(struct gates *gates, void (*fn)(void *ctx, const char *name, bool open, size_t waiting), void *ctx);

#endif
