/* loop.h: one epoll, its timers, and a mailbox from other threads. A loop belongs to the thread that runs it.
 *
 * Only loop_post() and loop_stop() may be called from other threads; everything else from the loop's own thread (or
 * before loop_run starts). Callbacks run on the loop's thread and must not block.
 */
#ifndef MOHS_LOOP_H
#define MOHS_LOOP_H

#include <sys/epoll.h>

#include "protocol/base.h"

struct loop;

struct loop *loop_new(struct note *note); /* NULL: the note says why */
void loop_free(struct loop *loop);        /* pending posts are dropped, watches and timers forgotten; fds stay open */
void loop_run(struct loop *loop);         /* until loop_stop() */
void loop_stop(struct loop *loop);        /* any thread, also before loop_run */
/* Run until done(ctx) is true (asked before every turn) or deadline_ns (of now_ns(); 0 = none) has passed: ERR_TIMEOUT.
 * ERR_CLOSED when loop_stop() came first. */
enum err loop_run_until(struct loop *loop, bool (*done)(void *ctx), void *ctx, uint64_t deadline_ns) MUST_USE;
/* Run fn(ctx) on the loop's thread, in order. Any thread. ERR_NOMEM when it could not be queued. */
enum err loop_post(struct loop *loop, void (*fn)(void *ctx), void *ctx) MUST_USE;

/* An fd to watch. The caller owns the struct and keeps it in place while it is added. Level-triggered unless EPOLLET.
 */
struct watch {
    int fd;
    void (*ready)(void *ctx, uint32_t events);
    void *ctx;
    struct loop *loop; /* NULL while not added */
};
enum err watch_add(struct loop *loop, struct watch *w, uint32_t events, struct note *note) MUST_USE;
enum err watch_change(struct watch *w, uint32_t events) MUST_USE;
void watch_remove(struct watch *w); /* fine when not added; never called again afterwards, even within this turn */

/* A one-shot timer. The caller owns the struct (zeroed before first use) and keeps it in place while it is set. */
struct timer {
    void (*fire)(void *ctx);
    void *ctx;
    uint64_t due_ns;
    struct loop *loop; /* NULL while not set */
    struct timer *next, *prev;
    size_t slot;
};
/* Set or move. A due instant in the past fires on the next turn. Never fires early; late by the turn of the loop only
 * (epoll_pwait2 with nanoseconds, not the milliseconds of epoll_wait). 100,000 timers set at once are fine. Timers of
 * one due instant fire in the order they were set; those due within the same 16 us may fire in any order. */
void timer_set(struct loop *loop, struct timer *t, uint64_t due_ns, void (*fire)(void *ctx), void *ctx);
void timer_cancel(struct timer *t); /* fine when not set */

/* Called once every turn before the loop sleeps; returns the latest instant to wake at (UINT64_MAX: no wish). One a
 * loop. */
void loop_on_turn(struct loop *loop, uint64_t (*turn)(void *ctx), void *ctx);

#endif
