/* admin.c: the admin API (docs/mock-admin.md): a table of requests on a port of its own.
 *
 * It has one worker, so what it keeps needs no lock. A reader that waits for the journal is an exchange put aside: a
 * timer or a post from the journal answers it later, and the worker serves others meanwhile. Whoever speaks last, the
 * exchange's end or the posted call, frees the waiter.
 */
#include "mock/visit.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/json.h"

#define WAIT_MS_MAX 600000

struct call {
    struct mock *mock;
    struct exchange *exchange;
    const struct http_request *request;
    cJSON *body;    /* of a POST */
    struct buf out; /* the answer */
    bool later;     /* it comes by itself */
};

static struct plan *json_plan(int status, const struct buf *body)
{
    struct plan *plan = plan_new(status);
    if (plan == NULL)
        return NULL;
    plan_body(plan, "application/json", buf_span(body));
    plan->failed = plan->failed || buf_error(body) != OK;
    return plan;
}

/* ---- the requests ---- */

static enum err get_health(struct call *c, struct note *note)
{
    (void)note;
    buf_addf(&c->out, "{\"ok\":true,\"version\":\"%s\",\"port\":%u,\"uptime_s\":%llu}", MOHS_VERSION,
             mock_port(c->mock), (unsigned long long)((now_ns() - c->mock->started_at_ns) / 1000000000u));
    return OK;
}

static enum err post_script(struct call *c, struct note *note)
{
    size_t queued = 0;
    enum err e = script_append(c->mock->script, c->body, &queued, note);
    buf_addf(&c->out, "{\"queued\":%zu}", queued);
    return e;
}

static void forget_gates(struct mock *m)
{
    gates_reset(m->gates);
}
static void forget_journal(struct mock *m)
{
    journal_reset(m->journal);
}
static void forget_replies(struct mock *m)
{
    script_forget_replies(m->script);
}
static void forget_faults(struct mock *m)
{
    script_forget_faults(m->script);
}
static void forget_canaries(struct mock *m)
{
    script_forget_canaries(m->script);
}

static const struct {
    const char *name;
    void (*forget)(struct mock *m);
} memories[] = {{"script", forget_replies},
                {"canaries", forget_canaries},
                {"faults", forget_faults},
                {"gates", forget_gates},
                {"journal", forget_journal}};

static enum err read_keep(const cJSON *body, bool *keep, struct note *note)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(body, "keep"), *item;
    if (body != NULL && (!cJSON_IsObject(body) || (list != NULL && !cJSON_IsArray(list))))
        return note_set(note, ERR_INVALID, "/keep: expected a list");
    cJSON_ArrayForEach(item, list)
    {
        size_t i = 0;
        while (i < COUNT_OF(memories) && !(cJSON_IsString(item) && strcmp(memories[i].name, item->valuestring) == 0))
            i++;
        if (i == COUNT_OF(memories))
            return note_set(note, ERR_INVALID, "/keep: expected script, canaries, faults, gates or journal");
        keep[i] = true;
    }
    return OK;
}

static enum err post_reset(struct call *c, struct note *note)
{
    bool keep[COUNT_OF(memories)] = {false};
    enum err e = read_keep(c->body, keep, note);
    for (size_t i = 0; e == OK && i < COUNT_OF(memories); i++)
        if (!keep[i])
            memories[i].forget(c->mock);
    buf_adds(&c->out, "{\"ok\":true}");
    return e;
}

struct gate_list {
    struct buf *out;
    size_t n;
};

static void print_gate(void *ctx, const char *name, bool open, size_t waiting)
{
    struct gate_list *list = ctx;
    buf_adds(list->out, list->n++ > 0 ? ",{\"name\":" : "{\"name\":");
    json_quote(span_of(name), list->out);
    buf_addf(list->out, ",\"open\":%s,\"waiting\":%zu}", open ? "true" : "false", waiting);
}

static enum err get_gates(struct call *c, struct note *note)
{
    (void)note;
    struct gate_list list = {&c->out, 0};
    buf_adds(&c->out, "{\"gates\":[");
    gates_each(c->mock->gates, print_gate, &list);
    buf_adds(&c->out, "]}");
    return OK;
}

static enum err post_gate(struct call *c, struct note *note)
{
    const char *name = NULL;
    enum err e = json_get_string(c->body, "open", "", &name, note);
    if (e == OK && name[0] == '\0')
        e = note_set(note, ERR_INVALID, "/open: expected the name of a gate");
    if (e == OK)
        gate_open(c->mock->gates, name);
    buf_adds(&c->out, "{\"ok\":true}");
    return e;
}

static enum err get_faults(struct call *c, struct note *note)
{
    (void)note;
    const struct mock_fault_row *rows;
    size_t n = mock_faults_list(&rows);
    CLEANUP(shared_drop) struct shared *active = script_faults(c->mock->script);
    buf_adds(&c->out, "{\"faults\":[");
    for (size_t i = 0; i < n; i++) {
        buf_addf(&c->out, "%s{\"id\":\"%s\",\"does\":", i > 0 ? "," : "", rows[i].id);
        json_quote(span_of(rows[i].does), &c->out);
        buf_addf(&c->out, ",\"parameters\":\"%s\"}", rows[i].parameters);
    }
    buf_adds(&c->out, "],\"active\":");
    if (active != NULL)
        json_print(shared_tree(active), JSON_COMPACT, &c->out);
    else
        buf_adds(&c->out, "[]");
    buf_addc(&c->out, '}');
    return OK;
}

static enum err post_faults(struct call *c, struct note *note)
{
    enum err e = script_set_faults(c->mock->script, c->body, note);
    buf_adds(&c->out, "{\"ok\":true}");
    return e;
}

/* ---- the journal, now or later ---- */

struct waiter {
    struct journal_wait wait;
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
    journal_print(w->mock->journal, w->wait.since, &out);
    exchange_reply(w->exchange, json_plan(200, &out));
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

static enum err wait_for_journal(struct call *c, uint64_t since, uint64_t count, uint64_t timeout_ms, struct note *note)
{
    struct waiter *w = calloc(1, sizeof *w);
    if (w == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    w->mock = c->mock;
    w->exchange = c->exchange;
    w->wait = (struct journal_wait){
        .since = since, .count = (size_t)count, .loop = exchange_loop(c->exchange), .ready = waiter_ready, .ctx = w};
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

static enum err get_journal(struct call *c, struct note *note)
{
    uint64_t since = 0, count = 0, timeout_ms = 10000;
    enum err e = query_number(c->request->query, "since", &since, note);
    if (e == OK)
        e = query_number(c->request->query, "count", &count, note);
    if (e == OK)
        e = query_number(c->request->query, "timeout_ms", &timeout_ms, note);
    if (e == OK && timeout_ms > WAIT_MS_MAX)
        e = note_set(note, ERR_INVALID, "?timeout_ms: expected at most %d", WAIT_MS_MAX);
    if (e != OK)
        return e;
    if (count > 0 && timeout_ms > 0)
        return wait_for_journal(c, since, count, timeout_ms, note);
    journal_print(c->mock->journal, since, &c->out);
    return OK;
}

/* ---- the table ---- */

static const struct {
    const char *method, *path;
    enum err (*serve)(struct call *c, struct note *note);
} table[] = {
    {"GET", "/health", get_health},   {"POST", "/script", post_script}, {"POST", "/reset", post_reset},
    {"GET", "/journal", get_journal}, {"GET", "/gate", get_gates},      {"POST", "/gate", post_gate},
    {"GET", "/faults", get_faults},   {"POST", "/faults", post_faults},
};

static int find_request(const struct http_request *r, size_t *row)
{
    bool path_known = false;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (!span_is(r->path, table[i].path))
            continue;
        path_known = true;
        *row = i;
        if (span_is(r->method, table[i].method))
            return 200;
    }
    return path_known ? 405 : 404;
}

static enum err parse_body(struct call *c, struct note *note)
{
    if (!span_is(c->request->method, "POST") || c->request->body.n == 0)
        return OK;
    return json_parse(c->request->body, JSON_UNIQUE, &c->body, note);
}

static int status_of(enum err e)
{
    return e == OK ? 200 : e == ERR_NOMEM ? 500 : 400;
}

void admin_handle(void *ctx, struct exchange *x)
{
    struct call c = {.mock = ctx, .exchange = x, .request = exchange_request(x), .out = BUF_INIT(BUF_ANY)};
    struct note note = {""};
    size_t row = 0;
    int status = find_request(c.request, &row);
    if (status == 200) {
        enum err e = parse_body(&c, &note);
        status = status_of(e == OK ? table[row].serve(&c, &note) : e);
    } else {
        (void)note_set(&note, ERR_UNKNOWN,
                       status == 405
                           ? "%s takes another method"
                           : "no such request; there are /health, /script, /reset, /journal, /gate, /faults%s",
                       status == 405 ? table[row].path : "");
    }
    if (status != 200) {
        buf_reset(&c.out);
        buf_adds(&c.out, "{\"message\":");
        json_quote(span_of(note.text), &c.out);
        buf_addc(&c.out, '}');
    }
    if (!c.later)
        exchange_reply(x, json_plan(status, &c.out));
    json_free(&c.body);
    buf_release(&c.out);
}
