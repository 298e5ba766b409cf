/* admin_journal.c: reading the journal over the admin API, now or when enough has happened.
 *
 * A reader that waits is an exchange put aside: a timer or a post from the journal answers it later, and the worker
 * serves others meanwhile. Whoever speaks last, the exchange's end or the posted call, frees the waiter.
 */
#include "mock/admin.h"

#include <stdlib.h>

#define WAIT_MS_MAX 600000

struct waiter {
    struct journal_wait wait;
    struct timer timer;
    struct mock *mock;
    struct exchange *exchange;
    bool answered, gone, called;
    char session[SESSION_NAME_MAX + 1];
    struct waiter *prev, *next;
};

static void waiter_free(struct waiter *w)
{
    *(w->prev != NULL ? &w->prev->next : &w->mock->waiters) = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    free(w);
}

static void waiter_answer(void *ctx)
{
    struct waiter *w = ctx;
    if (w->answered || w->gone)
        return;
    w->answered = true;
    timer_cancel(&w->timer);
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    journal_print(w->mock->journal, w->wait.since, w->wait.session, &out);
    exchange_reply(w->exchange, admin_plan(200, &out));
}

static void waiter_ready(void *ctx)
{
    struct waiter *w = ctx;
    w->called = true;
    waiter_answer(w);
    if (w->gone)
        waiter_free(w);
}

static void waiter_done(void *ctx, struct exchange *x, const struct delivery *d)
{
    (void)x, (void)d;
    struct waiter *w = ctx;
    w->gone = true;
    timer_cancel(&w->timer);
    bool posted = journal_forget(w->mock->journal, &w->wait);
    if (!posted || w->called)
        waiter_free(w);
}

void admin_release(struct mock *mock)
{
    while (mock->waiters != NULL)
        waiter_free(mock->waiters);
}

static enum err query_number(struct span query, const char *name, uint64_t *out, struct note *note)
{
    struct span pair, rest = query, key, value;
    for (bool more = query.n > 0; more;) {
        more = span_split(rest, '&', &pair, &rest);
        (void)span_split(pair, '=', &key, &value);
        if (!span_is(key, name))
            continue;
        uint64_t n = 0;
        for (size_t i = 0; i < value.n; i++) {
            if (value.p[i] < '0' || value.p[i] > '9' || n > UINT64_MAX / 16)
                return note_set(note, ERR_INVALID, "?%s: expected a number", name);
            n = n * 10 + (uint64_t)(value.p[i] - '0');
        }
        if (value.n == 0)
            return note_set(note, ERR_INVALID, "?%s: expected a number", name);
        *out = n;
    }
    return OK;
}

static enum err wait_for_journal(struct admin_call *c, uint64_t since, const char *session, uint64_t count,
                                 uint64_t timeout_ms, struct note *note)
{
    struct waiter *w = calloc(1, sizeof *w);
    if (w == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    w->mock = c->mock;
    w->exchange = c->exchange;
    w->wait = (struct journal_wait){
        .since = since, .count = (size_t)count, .loop = exchange_loop(c->exchange), .ready = waiter_ready, .ctx = w};
    if (session != NULL) {
        memcpy(w->session, session, strlen(session) + 1);
        w->wait.session = w->session;
    }
    w->next = c->mock->waiters;
    if (w->next != NULL)
        w->next->prev = w;
    c->mock->waiters = w;
    exchange_on_done(c->exchange, waiter_done, w);
    c->later = true;
    if (journal_pass(c->mock->journal, &w->wait))
        waiter_answer(w);
    else
        timer_set(w->wait.loop, &w->timer, now_ns() + timeout_ms * 1000000u, waiter_answer, w);
    return OK;
}

static enum err get_journal(struct admin_call *c, struct note *note)
{
    uint64_t since = 0, count = 0, timeout_ms = 10000;
    char session[SESSION_NAME_MAX + 1];
    bool said = false;
    enum err e = admin_session_name(c, &said, session, note);
    if (e == OK)
        e = query_number(c->request->query, "since", &since, note);
    if (e == OK)
        e = query_number(c->request->query, "count", &count, note);
    if (e == OK)
        e = query_number(c->request->query, "timeout_ms", &timeout_ms, note);
    if (e == OK && timeout_ms > WAIT_MS_MAX)
        e = note_set(note, ERR_INVALID, "?timeout_ms: expected at most %d", WAIT_MS_MAX);
    if (e != OK)
        return e;
    if (count > 0 && timeout_ms > 0)
        return wait_for_journal(c, since, said ? session : NULL, count, timeout_ms, note);
    journal_print(c->mock->journal, since, said ? session : NULL, &c->out);
    return OK;
}

static void forget(struct mock *m)
{
    journal_reset(m->journal, NULL);
}

static const struct admin_row rows[] = {{"GET", "/journal", get_journal}};

const struct admin_table mock_admin_journal = {rows, COUNT_OF(rows), "journal", forget};
