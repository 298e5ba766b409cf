/* admin_wait.c: exchanges put aside.
 *
 * A timer or a post from the journal answers them later. Whoever speaks last, the exchange's end or the posted call,
 * frees the waiter. A waiter that looked and was not satisfied waits again, for what comes behind the entries it saw.
 */
#include "mock/admin/admin_wait.h"

#include <stdlib.h>

struct waiter {
    struct admin_question q;
    struct timer timer;
    struct mock *mock;
    struct exchange *exchange;
    bool answered, gone, called;
    struct waiter *prev, *next;
};

static void waiter_free(struct waiter *w)
{
    *(w->prev != NULL ? &w->prev->next : &w->mock->waiters) = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    w->q.ctx_free(w->q.ctx);
    free(w);
}

static void answer(struct waiter *w, struct plan *take)
{
    w->answered = true;
    timer_cancel(&w->timer);
    exchange_reply(w->exchange, take);
}

/* Look as often as the journal has news. */
static void look(struct waiter *w)
{
    for (;;) {
        struct plan *plan = w->q.look(w->q.ctx, &w->q.wait, false);
        if (plan != NULL) {
            answer(w, plan);
            return;
        }
        w->called = false;
        if (!journal_pass(w->mock->journal, &w->q.wait))
            return;
    }
}

static void waiter_ready(void *ctx)
{
    struct waiter *w = ctx;
    w->called = true;
    if (w->gone)
        waiter_free(w);
    else if (!w->answered)
        look(w);
}

static void waiter_late(void *ctx)
{
    struct waiter *w = ctx;
    if (!w->answered && !w->gone)
        answer(w, w->q.look(w->q.ctx, &w->q.wait, true));
}

static void waiter_done(void *ctx, struct exchange *x, const struct delivery *d)
{
    (void)x, (void)d;
    struct waiter *w = ctx;
    w->gone = true;
    timer_cancel(&w->timer);
    bool posted = journal_forget(w->mock->journal, &w->q.wait);
    if (!posted || w->called)
        waiter_free(w);
}

void admin_release(struct mock *mock)
{
    while (mock->waiters != NULL)
        waiter_free(mock->waiters);
}

enum err admin_wait(struct admin_call *c, const struct admin_question *q, struct note *note)
{
    struct waiter *w = calloc(1, sizeof *w);
    if (w == NULL) {
        q->ctx_free(q->ctx);
        return note_set(note, ERR_NOMEM, "out of memory");
    }
    w->q = *q;
    w->mock = c->mock;
    w->exchange = c->exchange;
    w->q.wait.loop = exchange_loop(c->exchange);
    w->q.wait.ready = waiter_ready;
    w->q.wait.ctx = w;
    w->next = c->mock->waiters;
    if (w->next != NULL)
        w->next->prev = w;
    c->mock->waiters = w;
    exchange_on_done(c->exchange, waiter_done, w);
    c->later = true;
    timer_set(w->q.wait.loop, &w->timer, now_ns() + q->timeout_ms * 1000000u, waiter_late, w);
    if (journal_pass(c->mock->journal, &w->q.wait))
        look(w);
    return OK;
}
