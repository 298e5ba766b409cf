/* rig.c: the servers, exchanges and clients that the linker puts in the place of net/'s own (rig.h).
 *
 * The contract of net/server.h is kept to the letter where a handler could tell: answers exactly once, done() exactly
 * once and never from within the handler, nothing read after it, plans walked piece by piece. What is left out is time:
 * a piece is due when it is reached, and a gate is open, unless it is one that is never due.
 */
#include "rig.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "mock/runtime/converse.h"
#include "protocol/eventstream.h"
#include "protocol/sse.h"

#define PORT       4566
#define TURNS_MAX  1000
#define BODY_MAX   ((size_t)256 << 20)
#define UNSENT_MAX ((size_t)8 << 20) /* a stream both ways stops well below */

struct server {
    struct server_config config;
    uint16_t port;
    void *worker;
    uint64_t requests;
};

struct exchange {
    struct server *server;
    struct http_request request;
    struct plan *plan;
    bool replied, streaming, stream_ended, over, held, failed, cut, draining;
    int status;
    int64_t content_length;
    enum plan_end ending;
    struct http_headers headers;
    size_t next_piece, events;
    struct buf body;
    void (*done)(void *ctx, struct exchange *x, const struct delivery *d);
    void *done_ctx;
    void (*data)(void *ctx, struct span bytes);
    void (*data_end)(void *ctx);
    void *data_ctx;
    void (*drain)(void *ctx);
    void *drain_ctx;
};

static struct loop *loop;

_Noreturn void rig_fail(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* ---- servers ---- */

enum err __wrap_server_start(const struct server_config *config, struct server **out, struct note *note);
void __wrap_server_stop(struct server *s);
uint16_t __wrap_server_port(const struct server *s);
void __wrap_server_connections(const struct server *s, uint64_t *accepted, uint64_t *open);

enum err __wrap_server_start(const struct server_config *config, struct server **out, struct note *note)
{
    struct server *s = calloc(1, sizeof *s);
    if (loop == NULL)
        loop = loop_new(note);
    must(s != NULL && loop != NULL);
    s->config = *config;
    s->port = config->port != 0 ? config->port : PORT;
    s->worker = config->worker_start != NULL ? config->worker_start(config->ctx, loop) : NULL;
    *out = s;
    return OK;
}

void __wrap_server_stop(struct server *s)
{
    if (s != NULL && s->config.worker_stop != NULL)
        s->config.worker_stop(s->config.ctx, s->worker);
    free(s);
}

uint16_t __wrap_server_port(const struct server *s)
{
    return s->port;
}

void __wrap_server_connections(const struct server *s, uint64_t *accepted, uint64_t *open)
{
    *accepted = s->requests;
    *open = 0;
}

/* ---- exchanges ---- */

const struct http_request *__wrap_exchange_request(const struct exchange *x);
struct loop *__wrap_exchange_loop(const struct exchange *x);
void *__wrap_exchange_worker(const struct exchange *x);
void __wrap_exchange_on_done(struct exchange *x, void (*done)(void *ctx, struct exchange *x, const struct delivery *d),
                             void *ctx);
void __wrap_exchange_reply(struct exchange *x, struct plan *take);
void __wrap_exchange_extend(struct exchange *x, struct plan *take, bool last);
size_t __wrap_exchange_unsent(const struct exchange *x);
void __wrap_exchange_read(struct exchange *x, void (*data)(void *ctx, struct span bytes), void (*end)(void *ctx),
                          void *ctx);
void __wrap_exchange_consumed(struct exchange *x, size_t n);
void __wrap_exchange_begin(struct exchange *x, int status, const struct http_headers *headers);
size_t __wrap_exchange_write(struct exchange *x, struct span bytes);
void __wrap_exchange_end(struct exchange *x, enum plan_end how);
void __wrap_exchange_on_drain(struct exchange *x, size_t low_water, void (*fn)(void *ctx), void *ctx);

const struct http_request *__wrap_exchange_request(const struct exchange *x)
{
    return &x->request;
}

struct loop *__wrap_exchange_loop(const struct exchange *x)
{
    (void)x;
    return loop;
}

void *__wrap_exchange_worker(const struct exchange *x)
{
    return x->server->worker;
}

void __wrap_exchange_on_done(struct exchange *x, void (*done)(void *ctx, struct exchange *x, const struct delivery *d),
                             void *ctx)
{
    must(!x->over && x->done == NULL);
    x->done = done;
    x->done_ctx = ctx;
}

void __wrap_exchange_reply(struct exchange *x, struct plan *take)
{
    must(!x->replied && !x->over);
    x->replied = true;
    x->failed = take == NULL || take->failed;
    if (x->failed) {
        plan_free(take);
        x->status = 500;
        return;
    }
    x->plan = take;
    x->status = take->status;
    x->content_length = take->content_length;
    http_headers_copy(&x->headers, &take->headers);
    must(!x->headers.failed);
    x->cut = take->wire != NULL || take->end != PLAN_END_CLEAN || take->head_after_ns == PLAN_NEVER;
    if (take->wire != NULL) {
        plan_spell(take, true);
        must(!take->failed);
    }
}

void __wrap_exchange_extend(struct exchange *x, struct plan *take, bool last)
{
    must(x->replied);
    if (x->plan == NULL || !x->plan->open || x->over) {
        plan_free(take);
        return;
    }
    bool failed = take == NULL || take->failed;
    for (size_t i = 0; !failed && i < take->count; i++) {
        const struct plan_piece *p = &take->pieces[i];
        must(p->from <= take->bytes.len && p->n <= take->bytes.len - p->from);
        size_t at = plan_add(x->plan, span_cut(buf_span(&take->bytes), p->from, p->n), p->after_ns, PLAN_NO_EVENT);
        must(!x->plan->failed);
        x->plan->pieces[at].alone = p->alone;
    }
    x->plan->open = !last && !failed;
    x->failed = x->failed || failed;
    x->cut = x->cut || failed || take->end != PLAN_END_CLEAN;
    plan_free(take);
}

static size_t unsent(const struct exchange *x)
{
    size_t n = 0;
    for (size_t i = x->next_piece; x->plan != NULL && i < x->plan->count; i++)
        n += x->plan->pieces[i].n;
    return n;
}

size_t __wrap_exchange_unsent(const struct exchange *x)
{
    return unsent(x);
}

void __wrap_exchange_read(struct exchange *x, void (*data)(void *ctx, struct span bytes), void (*end)(void *ctx),
                          void *ctx)
{
    must(x->request.body_follows && !x->replied);
    x->data = data;
    x->data_end = end;
    x->data_ctx = ctx;
}

void __wrap_exchange_consumed(struct exchange *x, size_t n)
{
    (void)n;
    must(!x->over);
}

void __wrap_exchange_begin(struct exchange *x, int status, const struct http_headers *headers)
{
    must(!x->replied && !x->over);
    x->replied = x->streaming = true;
    x->status = status;
    x->content_length = PLAN_CHUNKED;
    http_headers_copy(&x->headers, headers);
}

size_t __wrap_exchange_write(struct exchange *x, struct span bytes)
{
    must(x->streaming && !x->stream_ended);
    if (!x->over)
        buf_add(&x->body, bytes);
    return 0;
}

void __wrap_exchange_end(struct exchange *x, enum plan_end how)
{
    must(x->streaming && !x->stream_ended);
    x->stream_ended = true;
    x->cut = x->cut || how != PLAN_END_CLEAN;
}

void __wrap_exchange_on_drain(struct exchange *x, size_t low_water, void (*fn)(void *ctx), void *ctx)
{
    (void)low_water;
    x->drain = fn;
    x->drain_ctx = ctx;
}

/* ---- the endpoint of --record ---- */

struct rig_call rig_call;

struct client *__wrap_client_new(struct loop *at, struct note *note);
void __wrap_client_free(struct client *client);
void __wrap_client_trust(struct client *client, const char *ca_file);
struct call *__wrap_client_start(struct client *client, const struct client_request *request,
                                 const struct client_events *events, void *ctx, struct note *note);
void __wrap_call_cancel(struct call *call);
void __wrap_call_resume(struct call *call);

struct client *__wrap_client_new(struct loop *at, struct note *note)
{
    (void)at, (void)note;
    return malloc(1);
}

void __wrap_client_free(struct client *client)
{
    free(client);
}

void __wrap_client_trust(struct client *client, const char *ca_file)
{
    (void)client, (void)ca_file;
}

struct call *__wrap_client_start(struct client *client, const struct client_request *request,
                                 const struct client_events *events, void *ctx, struct note *note)
{
    (void)client, (void)note;
    must(!rig_call.running && request->url != NULL);
    rig_call = (struct rig_call){.events = events, .ctx = ctx, .running = true};
    return (struct call *)&rig_call;
}

void __wrap_call_cancel(struct call *call)
{
    must(call == (struct call *)&rig_call && rig_call.running);
    rig_call.running = false;
}

void __wrap_call_resume(struct call *call)
{
    must(call == (struct call *)&rig_call && rig_call.running);
}

void __wrap_call_send(struct call *call, struct span bytes);
void __wrap_call_send_end(struct call *call);
size_t __wrap_call_unsent(const struct call *call);

void __wrap_call_send(struct call *call, struct span bytes)
{
    must(call == (struct call *)&rig_call && rig_call.running && !rig_call.sent_over);
    rig_call.sent += bytes.n;
}

void __wrap_call_send_end(struct call *call)
{
    must(call == (struct call *)&rig_call && rig_call.running && !rig_call.sent_over);
    rig_call.sent_over = true;
}

size_t __wrap_call_unsent(const struct call *call)
{
    must(call == (const struct call *)&rig_call && rig_call.running);
    return 0;
}

/* ---- the target's side ---- */

struct mock *rig_mock(const struct mock_config *config)
{
    struct mock *m = NULL;
    struct note note = {""};
    if (mock_start(config, &m, &note) != OK)
        rig_fail("rig_mock", 0, note.text);
    return m;
}

void rig_reset(struct mock *m)
{
    struct worker *w = m->server->worker;
    const struct rig_ask ask = {.method = "POST", .target = SPAN_LIT("/reset")};
    if (m->admin != NULL) {
        struct exchange *x = rig_send(m->admin, &ask);
        must(rig_status(x) == 200);
        rig_free(x, DELIVERY_COMPLETE);
    }
    w->rng.state = m->config.seed;
    w->diagnosed = UINT_MAX / 2; /* it is slow by design, and has a target of its own: now and then only */
    w->diagnosed_since_ns = now_ns();
    atomic_store(&m->numbers, 0);
}

static bool turned(void *ctx)
{
    int *turns = ctx;
    return (*turns)++ > 0;
}

static void wake(void *ctx)
{
    (void)ctx;
}

void rig_turn(void)
{
    int turns = 0;
    must(loop_post(loop, wake, NULL) == OK);
    enum err e = loop_run_until(loop, turned, &turns, now_ns() + 1000000000u);
    must(e == OK || e == ERR_TIMEOUT);
}

struct exchange *rig_send(struct server *server, const struct rig_ask *ask)
{
    struct exchange *x = calloc(1, sizeof *x);
    must(x != NULL && ask->field_count <= RIG_FIELDS_MAX);
    x->server = server;
    buf_init(&x->body, BODY_MAX);
    http_headers_init(&x->headers);
    x->request = (struct http_request){.method = span_of(ask->method),
                                       .target = ask->target,
                                       .fields = ask->fields,
                                       .field_count = ask->field_count,
                                       .body = ask->body_follows ? SPAN_EMPTY : ask->body,
                                       .body_follows = ask->body_follows,
                                       .http_version = ask->version != 0 ? ask->version : 11,
                                       .received_at_ns = now_ns(),
                                       .connection = 1,
                                       .on_connection = ++server->requests};
    (void)span_split(ask->target, '?', &x->request.path, &x->request.query);
    server->config.handle(server->config.ctx, x);
    return x;
}

bool rig_replied(const struct exchange *x)
{
    return x->replied;
}

int rig_status(const struct exchange *x)
{
    return x->status;
}

const struct http_headers *rig_headers(const struct exchange *x)
{
    return &x->headers;
}

bool rig_is_cut(const struct exchange *x)
{
    return x->cut;
}

bool rig_is_open(const struct exchange *x)
{
    return x->plan != NULL && x->plan->open && !x->cut;
}

struct span rig_drain(struct exchange *x)
{
    for (; x->plan != NULL && !x->held && x->next_piece < x->plan->count; x->next_piece++) {
        struct plan *plan = x->plan;
        const struct plan_piece *p = &plan->pieces[x->next_piece];
        if (p->after_ns == PLAN_NEVER) {
            x->cut = true;
            break;
        }
        if (plan->before_send != NULL)
            plan->before_send(plan->ctx, plan, x->next_piece, now_ns());
        p = &plan->pieces[x->next_piece];
        must(p->from <= plan->bytes.len && p->n <= plan->bytes.len - p->from);
        buf_add(&x->body, span_cut(buf_span(&plan->bytes), p->from, p->n));
        x->events += p->event != PLAN_NO_EVENT;
    }
    must(buf_error(&x->body) == OK);
    if (x->drain != NULL && x->plan != NULL && !x->held && !x->draining && unsent(x) == 0) {
        x->draining = true;
        x->drain(x->drain_ctx);
        x->draining = false;
    }
    return buf_span(&x->body);
}

void rig_push(struct exchange *x, struct span part)
{
    if (x->data != NULL && !x->over)
        x->data(x->data_ctx, part);
    must(unsent(x) < UNSENT_MAX);
}

void rig_push_end(struct exchange *x)
{
    if (x->data_end != NULL && !x->over)
        x->data_end(x->data_ctx);
}

void rig_hold(struct exchange *x, bool held)
{
    x->held = held;
}

void rig_free(struct exchange *x, enum delivery_end end)
{
    const struct delivery d = {.end = end,
                               .planned = x->plan != NULL ? x->plan->end : PLAN_END_CLEAN,
                               .status = x->status,
                               .bytes = end == DELIVERY_COMPLETE ? x->body.len : x->body.len / 2,
                               .events = end == DELIVERY_COMPLETE ? x->events : x->events / 2,
                               .head_at_ns = now_ns(),
                               .last_at_ns = now_ns(),
                               .ended_at_ns = now_ns()};
    x->over = true;
    if (x->done != NULL)
        x->done(x->done_ctx, x, &d);
    plan_free(x->plan);
    http_headers_release(&x->headers);
    buf_release(&x->body);
    free(x);
}

/* ---- what holds of every answer ---- */

static void check_frames(struct span bytes)
{
    CLEANUP(es_decoder_release) struct es_decoder d;
    struct es_message m;
    struct span name;
    enum es_error e;
    es_decoder_init(&d);
    es_decoder_feed(&d, bytes);
    while ((e = es_decoder_next(&d, &m)) == ES_OK) {
        CLEANUP(json_free) cJSON *payload = NULL;
        if (es_message_kind(&m, &name) == ES_EVENT || es_message_kind(&m, &name) == ES_EXCEPTION)
            must(json_parse(m.payload, JSON_UNIQUE, &payload, NULL) == OK);
    }
    must(e == ES_MORE && es_decoder_finish(&d) == ES_OK);
}

static void check_events(struct span bytes)
{
    CLEANUP(sse_decoder_release) struct sse_decoder d;
    struct sse_event event;
    sse_decoder_init(&d);
    sse_decoder_feed(&d, bytes);
    while (sse_decoder_next(&d, &event) == SSE_EVENT) {
        CLEANUP(json_free) cJSON *payload = NULL;
        must(span_is(event.data, "[DONE]") || json_parse(event.data, JSON_UNIQUE, &payload, NULL) == OK);
    }
    must(sse_decoder_finish(&d));
}

static void check_json(struct span bytes)
{
    CLEANUP(json_free) cJSON *tree = NULL;
    struct note note = {""};
    must(bytes.n == 0 || json_parse(bytes, JSON_UNIQUE, &tree, &note) == OK);
}

static void check_xml(struct span bytes)
{
    size_t depth = 0;
    must(bytes.n > 0 && bytes.p[0] == '<');
    for (size_t i = 0; i < bytes.n; i++) {
        must((bytes.p[i] == '<') ? depth++ == 0 : bytes.p[i] == '>' ? depth-- == 1 : true);
        must(bytes.p[i] >= 0x20 || bytes.p[i] == '\n' || bytes.p[i] == '\t');
    }
    must(depth == 0);
}

void rig_check(struct exchange *x)
{
    struct span body = rig_drain(x);
    const char *type = http_headers_get(&x->headers, "content-type");
    must(x->replied && !x->failed && !x->cut);
    must(x->status >= 100 && x->status <= 599 && x->status != 500);
    must(x->content_length == PLAN_CHUNKED || (uint64_t)x->content_length == body.n);
    if (type == NULL)
        must(body.n == 0);
    else if (strcmp(type, EVENTSTREAM_TYPE) == 0)
        check_frames(body);
    else if (strncmp(type, "text/event-stream", 17) == 0)
        check_events(body);
    else if (strncmp(type, "application/json", 16) == 0)
        check_json(body);
    else if (strcmp(type, "text/xml") == 0)
        check_xml(body);
}

void rig_check_api(const struct mock *m, const struct rig_ask *ask, struct exchange *x)
{
    struct api_route route;
    struct span path, query;
    (void)span_split(ask->target, '?', &path, &query);
    const char *type = http_headers_get(&x->headers, "content-type");
    if (x->status / 100 != 2 || type == NULL || strcmp(type, "application/json") != 0 ||
        api_route(m->api, span_of(ask->method), path, &route) != OK || route.operation->response.payload != NULL ||
        route.operation->streaming != API_NOT_STREAMING || x->status != route.operation->status)
        return;
    CLEANUP(json_free) cJSON *tree = NULL;
    CLEANUP(api_fault_release) struct api_fault fault = API_FAULT_INIT;
    if (json_parse(buf_span(&x->body), JSON_UNIQUE, &tree, NULL) != OK)
        return;
    if (api_check_response(m->api, route.operation, tree, &fault) == OK)
        return;
    (void)fprintf(stderr, "%s answers against its own model: %s\n%.*s\n", route.operation->name, buf_text(&fault.text),
                  (int)x->body.len, buf_text(&x->body));
    abort();
}
