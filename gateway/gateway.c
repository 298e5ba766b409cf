/* gateway.c: the two servers, the workers, the routes, the door-keeper.
 *
 * Each worker of the server has its own HTTP client, its own signing keys and its own calls, so a request never leaves
 * the thread it came in on. What all share is read only, but for one pointer: the list of mutations in force, which is
 * swapped under a lock and counted.
 */
#include "gateway/gateway.h"

#include <pthread.h>
#include <stdlib.h>

#include "gateway/ledger.h"
#include "gateway/talk.h"
#include "protocol/price_book.h"

struct gateway {
    struct ledger *ledger;
    struct gateway_config config;
    struct upstream upstream;
    struct buf origin, host, prefix;
    struct price_book *prices; /* ours, when the configuration brought none */
    struct server *server, *control;
    pthread_mutex_t lock; /* of `mutations` */
    struct mutations *mutations;
};

/* ---- mutations in force ---- */

static struct mutations *mutations_now(struct gateway *g)
{
    (void)pthread_mutex_lock(&g->lock);
    struct mutations *m = mutations_ref(g->mutations);
    (void)pthread_mutex_unlock(&g->lock);
    return m;
}

static void mutations_swap(struct gateway *g, struct mutations *take)
{
    (void)pthread_mutex_lock(&g->lock);
    struct mutations *old = g->mutations;
    g->mutations = take;
    (void)pthread_mutex_unlock(&g->lock);
    mutations_unref(old);
}

/* ---- workers ---- */

static void log_line(const struct gateway *g, const char *line)
{
    if (g->config.log != NULL)
        g->config.log(g->config.log_ctx, line);
}

static void server_line(void *ctx, const char *line)
{
    log_line(ctx, line);
}

static void *worker_start(void *ctx, struct loop *loop)
{
    struct gateway *g = ctx;
    struct note note = {""};
    struct gateway_worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->gateway = g;
    w->ledger = g->ledger;
    if (upstream_worker_init(&w->upstream, &g->upstream, loop, &note) == OK)
        return w;
    log_line(g, note.text);
    upstream_worker_release(&w->upstream);
    free(w);
    return NULL;
}

static void worker_stop(void *ctx, void *worker)
{
    struct gateway_worker *w = worker;
    (void)ctx;
    if (w == NULL)
        return;
    while (w->talks != NULL)
        talk_free(w->talks);
    upstream_worker_release(&w->upstream);
    free(w);
}

/* ---- routes ---- */

static void health(struct talk *t)
{
    talk_reply(t, 200, "application/json", SPAN_LIT("{\"status\":\"ok\",\"version\":\"" MOHS_VERSION "\"}"));
}

static cJSON *model_object(const char *name)
{
    cJSON *model = cJSON_CreateObject();
    (void)json_set_string(model, "id", name);
    (void)json_set_string(model, "object", "model");
    (void)json_set_int(model, "created", 0);
    (void)json_set_string(model, "owned_by", "amazon-bedrock");
    return model;
}

static void models(struct talk *t)
{
    cJSON *list = cJSON_CreateObject();
    (void)json_set_string(list, "object", "list");
    cJSON *data = json_set(list, "data", cJSON_CreateArray());
    for (size_t i = 0; i < t->config->model_count; i++)
        (void)cJSON_AddItemToArray(data, model_object(t->config->models[i].name));
    talk_reply_json(t, 200, list);
}

static void one_model(struct talk *t)
{
    struct span name = span_from(exchange_request(t->x)->path, sizeof "/v1/models/" - 1);
    for (size_t i = 0; i < t->config->model_count; i++)
        if (span_is(name, t->config->models[i].name)) {
            talk_reply_json(t, 200, model_object(t->config->models[i].name));
            return;
        }
    struct fail f;
    (void)fail_set(&f, 404, "model_not_found", "no model of that name is offered here");
    talk_fail(t, &f);
}

/* GET /v1/costs/{id of a chat completion} */
static void one_cost(struct talk *t)
{
    struct span id = span_from(exchange_request(t->x)->path, sizeof "/v1/costs/" - 1);
    cJSON *row = ledger_find(t->worker->ledger, id);
    struct fail f;
    if (row != NULL) {
        talk_reply_json(t, 200, row);
        return;
    }
    (void)fail_set(&f, 404, "not_found", "no call of that id is in the ledger, which keeps the latest %d",
                   LEDGER_CALLS);
    talk_fail(t, &f);
}

/* A route is a prefix and a suffix, with one path segment between them when there is a suffix or a slash at the end. */
static const struct route {
    const char *method, *prefix, *suffix;
    bool open;   /* nobody has to show a key */
    bool native; /* errors in Bedrock's form */
    void (*serve)(struct talk *t);
} routes[] = {
    {"GET", "/health", NULL, true, false, health},
    {"POST", "/v1/chat/completions", NULL, false, false, chat_completions},
    {"GET", "/v1/models", NULL, false, false, models},
    {"GET", "/v1/models/", "", false, false, one_model},
    {"GET", "/v1/costs/", "", false, false, one_cost},
    {"POST", "/model/", "/converse", false, true, native_converse},
    {"POST", "/model/", "/converse-stream", false, true, native_converse_stream},
};

static bool route_matches(const struct route *r, struct span path)
{
    if (r->suffix == NULL)
        return span_is(path, r->prefix);
    size_t ends = strlen(r->prefix) + strlen(r->suffix);
    if (!span_has_prefix(path, r->prefix) || path.n <= ends ||
        !span_is(span_from(path, path.n - strlen(r->suffix)), r->suffix))
        return false;
    struct span middle = span_cut(path, strlen(r->prefix), path.n - ends);
    return memchr(middle.p, '/', middle.n) == NULL;
}

/* The route of a request; *other is the method it has when only that is wrong. */
static const struct route *route_of(const struct http_request *r, const char **other)
{
    *other = NULL;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!route_matches(&routes[i], r->path))
            continue;
        if (span_is(r->method, routes[i].method))
            return &routes[i];
        *other = routes[i].method;
    }
    return NULL;
}

/* The key as a bearer token, or as x-api-key. Compared in a time that does not tell how much of it was right. */
static bool shows_key(const struct gateway_config *config, const struct http_request *r)
{
    static const char scheme[] = "bearer ";
    if (config->client_key == NULL)
        return true;
    struct span authorization = http_field_get(r->fields, r->field_count, "authorization");
    struct span shown = http_field_get(r->fields, r->field_count, "x-api-key");
    if (span_is_nocase(span_cut(authorization, 0, sizeof scheme - 1), scheme))
        shown = span_trim(span_from(authorization, sizeof scheme - 1));
    return sigv4_equal(shown, span_of(config->client_key));
}

static void serve(struct talk *t)
{
    const struct http_request *r = exchange_request(t->x);
    struct fail f = {0};
    const char *other;
    const struct route *route = route_of(r, &other);
    t->native = route != NULL ? route->native : span_has_prefix(r->path, "/model/");
    if ((route == NULL || !route->open) && !shows_key(t->config, r)) {
        http_headers_set(&t->relayed, "WWW-Authenticate", "Bearer");
        (void)fail_set(&f, 401, "invalid_api_key", "this gateway wants a key: Authorization: Bearer KEY");
    } else if (route == NULL && other != NULL) {
        http_headers_set(&t->relayed, "Allow", other);
        (void)fail_set(&f, 405, "method_not_allowed", "this route takes %s only", other);
    } else if (route == NULL) {
        (void)fail_set(&f, 404, "unknown_route", "there is no such route");
    } else {
        route->serve(t);
        return;
    }
    talk_fail(t, &f);
}

/* ---- exchanges ---- */

static void exchange_over(void *ctx, struct exchange *x, const struct delivery *d)
{
    struct talk *t = ctx;
    (void)x;
    (void)d;
    t->x = NULL;
    t->sink.x = NULL;
    if (t->call != NULL && mutations_do(t->mutations, CALL_KEEP_AFTER_DISCONNECT)) {
        t->next = t->worker->talks;
        t->worker->talks = t;
        if (t->paused)
            upstream_resume(t->call);
        t->blocked = t->paused = false;
        return;
    }
    if (t->call != NULL)
        chat_left(t);
    upstream_cancel(t->call);
    t->call = NULL;
    talk_free(t);
}

static void handle(void *ctx, struct exchange *x)
{
    struct gateway *g = ctx;
    struct gateway_worker *w = exchange_worker(x);
    struct talk *t = w != NULL ? talk_new(w, &g->config, x, mutations_now(g)) : NULL;
    if (t == NULL) {
        exchange_reply(x, NULL);
        return;
    }
    exchange_on_done(x, exchange_over, t);
    if (sink_init(&t->sink, x, t->mutations) == OK)
        serve(t);
    else
        exchange_reply(x, NULL);
}

/* ---- the control API ---- */

static void control_reply(struct exchange *x, int status, cJSON *take)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    json_print(take, JSON_COMPACT, &text);
    cJSON_Delete(take);
    struct plan *plan = plan_new(status);
    if (plan != NULL)
        plan_body(plan, "application/json", buf_span(&text));
    exchange_reply(x, plan);
}

static void control_message(struct exchange *x, int status, const char *message)
{
    cJSON *body = cJSON_CreateObject();
    (void)json_set_string(body, "message", message);
    control_reply(x, status, body);
}

static void control_set(struct gateway *g, struct exchange *x)
{
    CLEANUP(json_free) cJSON *source = NULL;
    struct note note = {""};
    struct mutations *m = NULL;
    if (json_parse(exchange_request(x)->body, JSON_UNIQUE, &source, &note) != OK ||
        mutations_parse(source, &m, &note) != OK) {
        control_message(x, 400, note.text);
        return;
    }
    cJSON *body = cJSON_CreateObject();
    (void)json_set_int(body, "mutations", (int64_t)m->count);
    mutations_swap(g, m);
    control_reply(x, 200, body);
}

static void control_get(struct gateway *g, struct exchange *x)
{
    struct mutations *m = mutations_now(g);
    cJSON *body = m != NULL ? cJSON_Duplicate(m->source, true) : cJSON_CreateObject();
    if (m == NULL)
        (void)json_set(body, "mutations", cJSON_CreateArray());
    mutations_unref(m);
    control_reply(x, 200, body);
}

static void control_reset(struct gateway *g, struct exchange *x)
{
    mutations_swap(g, NULL);
    cJSON *body = cJSON_CreateObject();
    (void)json_set(body, "ok", cJSON_CreateTrue());
    control_reply(x, 200, body);
}

static const struct {
    const char *method, *path;
    void (*serve)(struct gateway *g, struct exchange *x);
} controls[] = {{"POST", "/mutate", control_set}, {"GET", "/mutate", control_get}, {"POST", "/reset", control_reset}};

static void handle_control(void *ctx, struct exchange *x)
{
    const struct http_request *r = exchange_request(x);
    for (size_t i = 0; i < COUNT_OF(controls); i++)
        if (span_is(r->method, controls[i].method) && span_is(r->path, controls[i].path)) {
            controls[i].serve(ctx, x);
            return;
        }
    control_message(x, 404, "the control API has POST /mutate, GET /mutate and POST /reset");
}

/* ---- start and stop ---- */

/* "http://host:port/prefix/" to its parts. The Host field leaves a scheme's own port out, as clients do. */
static enum err read_upstream(struct gateway *g, struct note *note)
{
    static const struct {
        const char *scheme, *port;
    } schemes[] = {{"http://", ":80"}, {"https://", ":443"}};
    const char *url = g->config.upstream != NULL ? g->config.upstream : "";
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t at = strlen(schemes[i].scheme),
               n = strcspn(url + (strncmp(url, schemes[i].scheme, at) == 0 ? at : 0), "/?#");
        if (strncmp(url, schemes[i].scheme, at) != 0 || n == 0)
            continue;
        struct span host = {(const unsigned char *)url + at, n};
        size_t own = strlen(schemes[i].port);
        buf_adds(&g->origin, schemes[i].scheme);
        buf_add(&g->origin, host);
        bool spelled = n > own && span_is(span_from(host, n - own), schemes[i].port);
        buf_add(&g->host, spelled ? span_cut(host, 0, n - own) : host);
        buf_adds(&g->prefix, strcmp(url + at + n, "/") == 0 ? "" : url + at + n);
        bool starved = buf_error(&g->origin) != OK || buf_error(&g->host) != OK || buf_error(&g->prefix) != OK;
        return starved ? note_set(note, ERR_NOMEM, "out of memory") : OK;
    }
    return note_set(note, ERR_INVALID, "upstream '%.200s' is no http:// or https:// address", url);
}

static enum err set_up(struct gateway *g, struct note *note)
{
    const struct gateway_config *c = &g->config;
    enum err e = read_upstream(g, note);
    g->upstream.origin = buf_text(&g->origin);
    g->upstream.host = buf_text(&g->host);
    g->upstream.prefix = buf_text(&g->prefix);
    g->upstream.region = c->region != NULL ? c->region : "us-east-1";
    g->upstream.access_key = c->access_key;
    g->upstream.secret = c->secret;
    g->upstream.session_token = c->session_token;
    g->upstream.bearer = c->bearer;
    g->upstream.retries = c->retries;
    g->upstream.idle_timeout_ms = c->idle_timeout_ms > 0 ? c->idle_timeout_ms : 60000;
    if (e == OK && c->bearer == NULL && (c->access_key == NULL || c->secret == NULL))
        e = note_set(note, ERR_INVALID, "neither a key to sign with nor a bearer token is given");
    return e;
}

static enum err listen_all(struct gateway *g, struct note *note)
{
    const struct gateway_config *c = &g->config;
    struct server_config serving = {.host = c->host,
                                    .port = c->port,
                                    .workers = c->workers,
                                    .handle = handle,
                                    .worker_start = worker_start,
                                    .worker_stop = worker_stop,
                                    .log = server_line,
                                    .ctx = g};
    struct server_config control = {.host = c->host, .workers = 1, .handle = handle_control, .ctx = g};
    enum err e = server_start(&serving, &g->server, note);
    if (e != OK || c->control_port < 0)
        return e;
    control.port = (uint16_t)c->control_port;
    return server_start(&control, &g->control, note);
}

enum err gateway_start(const struct gateway_config *config, struct gateway **out, struct note *note)
{
    *out = NULL;
    struct gateway *g = calloc(1, sizeof *g);
    if (g == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    g->config = *config;
    buf_init(&g->origin, BUF_ANY);
    buf_init(&g->host, BUF_ANY);
    buf_init(&g->prefix, BUF_ANY);
    (void)pthread_mutex_init(&g->lock, NULL);
    enum err e = set_up(g, note);
    g->ledger = ledger_new();
    if (e == OK && g->ledger == NULL)
        e = note_set(note, ERR_NOMEM, "out of memory");
    if (e == OK && g->config.prices == NULL) {
        g->config.prices = g->prices = price_book_load(note);
        e = g->prices == NULL ? ERR_INVALID : OK;
    }
    if (e == OK)
        e = listen_all(g, note);
    if (e == OK)
        *out = g;
    else
        gateway_stop(g);
    return e;
}

uint16_t gateway_port(const struct gateway *g)
{
    return server_port(g->server);
}

uint16_t gateway_control_port(const struct gateway *g)
{
    return g->control != NULL ? server_port(g->control) : 0;
}

void gateway_stop(struct gateway *g)
{
    if (g == NULL)
        return;
    server_stop(g->control);
    server_stop(g->server);
    mutations_unref(g->mutations);
    price_book_free(g->prices);
    ledger_free(g->ledger);
    (void)pthread_mutex_destroy(&g->lock);
    buf_release(&g->origin);
    buf_release(&g->host);
    buf_release(&g->prefix);
    free(g);
}
