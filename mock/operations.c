/* operations.c: the handler of the Bedrock port: a request comes in, a plan goes out, the journal gets both.
 *
 * The order of the layers is routing, authentication, validation, script, answer, faults. Routing works on the
 * undecoded path, because the ARN of an inference profile holds a slash that travels as %2F. Nothing here waits: every
 * delay is in the plan. What is kept after the plan has been handed over is the journal's entry and nothing else.
 */
#include "mock/surface.h"

#include <stdlib.h>

#include "mock/admin/metrics.h"
#include "mock/agent/agent.h"
#include "mock/bidi/bidi.h"
#include "mock/fixture/fixture.h"
#include "mock/guardrail/guardrail_apply.h"
#include "mock/guardrail/guardrail_use.h"
#include "mock/identity/policy.h"
#include "mock/record/record.h"
#include "mock/runtime/async.h"
#include "mock/runtime/converse.h"
#include "mock/runtime/invoke.h"
#include "mock/script/choose.h"
#include "mock/script/scripted.h"
#include "mock/time/pace.h"
#include "protocol/token.h"

#define SCRATCH_MAX BUF_ANY
#define NAMES_MAX   256
#define LOGGED_MAX  300 /* bytes of a path */
#define UNKNOWN_MAX 32 /* members that the journal names; a body of nothing else would fill it */

/* ---- the operations ---- */

uint64_t operations_input_tokens(const struct visit *v)
{
    if (v->row->read != NULL)
        return invoke_input_tokens(&v->native);
    return v->body == NULL ? 0 : token_count_request(v->body);
}

void operations_begin_answer(const struct visit *v, struct answer *a)
{
    answer_init(a, rng_hash(v->mock->config.seed, v->request->body));
    a->has_cache = v->model.row != NULL && v->model.row->caching;
    a->input_tokens = operations_input_tokens(v);
    visit_times(v, a);
}

struct plan *operations_json(const struct visit *v, const cJSON *tree)
{
    const struct api_operation *o = v->route.operation;
    struct plan *plan = plan_new(o != NULL ? o->status : 200);
    if (plan == NULL)
        return NULL;
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    json_print(tree, JSON_COMPACT, &body);
    plan_body_take(plan, "application/json", &body);
    plan_header(plan, "x-amzn-RequestId", v->request_id);
    plan->head_after_ns = visit_latency_ns(v);
    plan->failed = plan->failed || tree == NULL;
    return plan;
}

static struct plan *answer_converse(struct visit *v, const cJSON *reply)
{
    struct answer a;
    operations_begin_answer(v, &a);
    const cJSON *paths = converse_wishes(v, &a);
    if (v->guardrail == NULL || !guardrail_stops(v, &a)) {
        visit_use_cache(v, &a);
        if (reply != NULL && scripted_answer(reply, &a))
            answer_count(&a);
        else
            default_answer(v, &a);
        scripted_stop(reply, &a);
        converse_fields(v, paths, &a);
        if (v->guardrail != NULL)
            guardrail_judges(v, &a);
    }
    bool streamed = v->route.operation->streaming != API_NOT_STREAMING;
    if (streamed && converse_stream_drops(&a))
        v->dropped = "a content block for which ConverseStream has no delta: only its contentBlockStop went out";
    struct plan *plan = streamed ? converse_stream_plan(&a, v->request_id) : converse_plan(&a, v->request_id);
    visit_answered(v, &a, plan);
    answer_release(&a);
    return plan;
}

static const struct operation_row table[] = {
    {"Converse", answer_converse, NULL},
    {"ConverseStream", answer_converse, NULL},
    {"InvokeModel", invoke_answer, invoke_read},
    {"InvokeModelWithResponseStream", invoke_answer, invoke_read},
    {"InvokeModelWithBidirectionalStream", bidi_answer, NULL},
    {"CountTokens", count_tokens_answer, count_tokens_read},
    {"ApplyGuardrail", apply_guardrail_answer, NULL},
    {"InvokeGuardrailChecks", guardrail_checks_answer, NULL},
};

static const size_t table_count = COUNT_OF(table);

/* All that a path can lead to; STS and the compatible endpoints find theirs themselves. */
static const struct {
    const struct operation_row *rows;
    const size_t *count;
} tables[] = {{table, &table_count},
              {mock_control_rows, &mock_control_count},
              {mock_async_rows, &mock_async_count},
              {mock_agent_rows, &mock_agent_count}};

const struct operation_row *operation_find(const char *name)
{
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (size_t i = 0; i < *tables[t].count; i++)
            if (strcmp(tables[t].rows[i].name, name) == 0)
                return &tables[t].rows[i];
    return NULL;
}

static size_t name_operations(const char *names[NAMES_MAX])
{
    const char *(*const lists[])(size_t) = {sts_operation_name, compat_operation_name};
    size_t n = 0;
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (size_t i = 0; i < *tables[t].count && n < NAMES_MAX; i++)
            names[n++] = tables[t].rows[i].name;
    for (size_t t = 0; t < COUNT_OF(lists); t++)
        for (size_t i = 0; lists[t](i) != NULL && n < NAMES_MAX; i++)
            names[n++] = lists[t](i);
    return n;
}

bool operation_is_known(const char *name, const char **near)
{
    const char *names[NAMES_MAX];
    size_t n = name_operations(names);
    *near = NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    *near = nearest_word(name, names, n);
    return false;
}

/* ---- routing ---- */

/* An ARN that was not escaped has one slash too many: /model/arn:...:inference-profile/id/converse. Coral answers that
 * with 200. */
static bool is_split_arn(struct span path)
{
    return span_has_prefix(path, "/model/arn:") || span_has_prefix(path, "/model/arn%3A") ||
           span_has_prefix(path, "/model/arn%3a");
}

static struct plan *rest_route(struct visit *v)
{
    const struct http_request *r = v->request;
    enum err e = api_route(v->mock->api, r->method, r->path, &v->route);
    if (e != OK || strcmp(v->route.operation->service, "sts") == 0) /* STS has a surface of its own: this is another's POST / */
        v->route.operation = NULL;
    if (v->route.operation != NULL) {
        v->operation = v->route.operation->name;
        v->row = operation_find(v->operation);
        buf_reset(&v->worker->model);
        enum err label = api_route_label(&v->route, "modelId", &v->worker->model);
        /* the control plane's operations speak of models, and judge the name themselves */
        v->names_model = label != ERR_UNKNOWN && strcmp(v->route.operation->service, "bedrock-runtime") == 0;
        if (label == OK)
            v->model_id = buf_text(&v->worker->model);
    }
    if (v->row != NULL)
        return NULL;
    return e != OK && is_split_arn(r->path) ? coral_unknown_operation_plan(v->request_id)
                                            : unknown_path_plan(v->request_id);
}

static struct plan *rest_refusal(const struct visit *v)
{
    const struct refusal *r = &v->refusal;
    struct error_reply e = {.type = r->type, .message = buf_text(&r->text), .capital_message = r->capital_message};
    return error_plan(&e, v->request_id);
}

static bool anything(const struct visit *v)
{
    (void)v;
    return true;
}

static const char *const rest_services[] = {"bedrock", NULL};
static const struct surface rest = {.name = "restJson1",
                                    .services = rest_services,
                                    .mine = anything,
                                    .route = rest_route,
                                    .validate = visit_validate,
                                    .refusal = rest_refusal};

/* The first that calls the request its own. */
static const struct surface *const surfaces[] = {&sts_surface, &compat_mantle_surface, &compat_surface, &rest};

static const struct surface *find_surface(const struct visit *v)
{
    size_t i = 0;
    while (i + 1 < COUNT_OF(surfaces) && !surfaces[i]->mine(v))
        i++;
    return surfaces[i];
}

struct plan *surface_error(const struct fault_scene *scene, const struct error_reply *e)
{
    const struct visit *v = scene->visit;
    return v != NULL && v->surface->error != NULL ? v->surface->error(v, e) : error_plan(e, scene->request_id);
}

struct plan *surface_refuse(const struct visit *v, const char *type, const char *text)
{
    struct visit said = *v;
    refusal_init(&said.refusal);
    refusal_set(&said.refusal, REFUSAL_ROUTING, type, "%s", text);
    struct plan *plan = v->surface->refusal(&said);
    refusal_release(&said.refusal);
    return plan;
}

static struct plan *route(struct visit *v)
{
    v->surface = find_surface(v);
    struct plan *lost = v->surface->route(v);
    if (lost == NULL)
        return NULL;
    refusal_set(&v->refusal, REFUSAL_ROUTING, "UnknownOperationException", "%s",
                v->operation == NULL ? "no operation that this mock serves has this method and path"
                                     : "this operation is not served by the mock");
    v->refuse = true;
    struct span auth = http_field_get(v->request->fields, v->request->field_count, "Authorization");
    bool signed_one = span_has_prefix(auth, "AWS4-"); /* an SDK's, such as CreateGuardrail: it means Bedrock */
    bool lost_way = v->operation == NULL && !signed_one && admin_has_path(v->request->path);
    unsigned admin = lost_way ? atomic_load(&v->mock->admin_at) : 0;
    if (admin != 0)
        mock_log(v->mock, "%.*s: wrong port: this is Bedrock, and the admin API is on :%u", (int)v->request->path.n,
                 (const char *)v->request->path.p, admin);
    struct span what = v->operation != NULL ? span_of(v->operation) : span_cut(v->request->path, 0, LOGGED_MAX);
    mock_log(v->mock, "%.*s %.*s refused: %s", (int)v->request->method.n, (const char *)v->request->method.p,
             (int)what.n, (const char *)what.p, buf_text(&v->refusal.text));
    return lost;
}

/* ---- the answer ---- */

struct outcome {
    struct plan *plan;
    struct choice choice;
    enum source source;
    struct buf faults;
    struct relay *relay; /* it answers; there is no plan */
};

static struct plan *answer(struct visit *v, const cJSON *reply, const struct fault_scene *scene)
{
    if (reply == NULL || scripted_is_answer(reply))
        return v->row->answer(v, reply);
    struct plan *plan = scripted_plan(reply, scene);
    replay_pace(reply, v->mock->replay_speed, plan);
    return plan;
}

/* Nothing that was prepared answers it: the endpoint does. */
static bool goes_on(struct visit *v, struct outcome *out)
{
    if (out->choice.reply != NULL || out->choice.plan != NULL || !record_takes(v))
        return false;
    record_choose(v, &out->choice);
    if (out->choice.reply != NULL)
        return false;
    out->source = SOURCE_RECORD;
    out->relay = record_start(v, &out->plan);
    return true;
}

static void serve(struct visit *v, struct outcome *out)
{
    struct fault_scene scene = {
        .request_id = v->request_id, .visit = v, .rng = &v->worker->rng, .happened = &out->faults};
    if (!v->refuse && !v->surface->unscripted)
        choose_reply(v, &out->choice);
    if (goes_on(v, out))
        return;
    const cJSON *reply = out->choice.reply;
    if (reply != NULL)
        scene.seed = visit_seed(v);
    if (v->refuse) {
        out->source = v->refusal.layer == REFUSAL_THROTTLE ? SOURCE_QUOTA : SOURCE_REFUSAL;
        if (out->plan == NULL)
            out->plan = v->surface->refusal(v);
    } else if (out->choice.plan != NULL) {
        out->source = out->choice.source;
        out->plan = out->choice.plan;
    } else {
        out->source = reply != NULL ? out->choice.source : SOURCE_DEFAULT;
        out->plan = answer(v, reply, &scene);
        scene.later = v->bidi != NULL ? bidi_faults(v->bidi) : NULL;
    }
    if (reply != NULL)
        out->plan = scripted_finish(reply, out->plan, &scene);
    out->plan = visit_faults(v, out->plan, &scene, &out->source);
    visit_settle_cache(v, out->plan);
    if (out->faults.len > 0)
        buf_addc(&out->faults, ']');
}

/* ---- the journal ---- */

static void print_refusal(const struct visit *v, struct buf *out)
{
    const struct refusal *r = v->refusal.layer == REFUSAL_THROTTLE ? &v->found : &v->refusal;
    if (r->layer == REFUSAL_NONE || r->layer == REFUSAL_AUTH)
        return;
    buf_adds(out, r->layer == REFUSAL_POLICY ? "{\"layer\":\"policy\",\"type\":"
                  : r->layer == REFUSAL_HTTP ? "{\"layer\":\"http\",\"type\":"
                                             : "{\"type\":");
    json_quote(span_of(r->type), out);
    buf_adds(out, ",\"message\":");
    json_quote(buf_span(&r->text), out);
    if (r->rule[0] != '\0') {
        buf_adds(out, ",\"rule\":");
        json_quote(span_of(r->rule), out);
    }
    buf_addc(out, '}');
}

/* What is left to do when the reply is over, if there is more than the journal. */
struct farewell {
    struct entry *entry;
    bool open; /* it is counted among the open requests */
    struct quota_bill bill;
    struct bidi *bidi; /* NULL: no stream both ways */
};

static void on_done(void *ctx, struct exchange *x, const struct delivery *d)
{
    struct worker *w = exchange_worker(x);
    metrics_end(w->metrics, d);
    journal_end(w->mock->journal, ctx, d);
}

static void on_paid(void *ctx, struct exchange *x, const struct delivery *d)
{
    struct worker *w = exchange_worker(x);
    CLEANUP(free_ptr) struct farewell *f = ctx;
    metrics_end(w->metrics, d);
    if (f->bill.hold.generation != 0)
        quota_pay(w->mock, &f->bill, d);
    if (f->open)
        visit_leaves(w->mock);
    if (f->bidi != NULL && f->entry != NULL) {
        CLEANUP(buf_release) struct buf account = BUF_INIT(BUF_ANY);
        bidi_account(f->bidi, &account);
        journal_add(w->mock->journal, f->entry, &account);
    }
    bidi_free(f->bidi);
    if (f->entry != NULL)
        journal_end(w->mock->journal, f->entry, d);
}

static void when_done(struct visit *v, const struct outcome *o, struct entry *entry,
                      void (*done)(void *ctx, struct exchange *x, const struct delivery *d), void *ctx)
{
    if (o->relay != NULL)
        record_watch(o->relay, entry, done, ctx);
    else
        exchange_on_done(v->exchange, done, ctx);
}

/* Without memory for it, the bill stays as it was reserved. */
static void on_end(struct visit *v, const struct outcome *o, struct entry *entry)
{
    struct plan *plan = o->plan;
    bool streams = v->bidi != NULL && bidi_begin(v->bidi, plan);
    struct farewell *f = v->hold.generation == 0 && !v->open && !streams ? NULL : calloc(1, sizeof *f);
    if (!streams || f == NULL) {
        bidi_free(v->bidi);
        if (streams)
            plan->failed = true;
        v->bidi = NULL;
    }
    if (f == NULL && v->open)
        visit_leaves(v->mock);
    if (f != NULL) {
        *f = (struct farewell){.entry = entry, .open = v->open, .bidi = v->bidi};
        if (v->hold.generation != 0)
            f->bill = visit_bill(v, plan != NULL ? plan->status : o->relay != NULL ? 200 : 500);
        when_done(v, o, entry, on_paid, f);
    } else {
        when_done(v, o, entry, on_done, entry);
    }
}

static const char *verdict_word(const struct visit *v)
{
    return v->verdict.reason == SIGV4_OK ? "valid" : sigv4_reason_name(v->verdict.reason);
}

static void count(const struct visit *v, const struct outcome *o)
{
    struct metrics_block *b = v->worker->metrics;
    const struct refusal *r = v->refusal.layer == REFUSAL_THROTTLE && v->found.layer != REFUSAL_NONE ? &v->found : &v->refusal;
    if (o->relay == NULL)
        metrics_answer(b, v->operation, o->plan != NULL ? o->plan->status : 500, source_name(o->source));
    if (v->refusal.layer != REFUSAL_NONE)
        metrics_refusal(b, v->refuse ? v->refusal.layer : r->layer);
    if (o->faults.len > 0)
        metrics_faults(b, buf_span(&o->faults));
}

static struct entry *keep(struct visit *v, const struct outcome *o)
{
    struct mock *m = v->mock;
    struct buf *text = &v->worker->text;
    if (!journal_is_on(m->journal))
        return NULL;
    bool unread = v->refusal.layer == REFUSAL_HTTP;
    buf_reset(text);
    if (!unread)
        visit_print_signature(v, text);
    size_t signature = text->len;
    print_refusal(v, text);
    size_t refusal = text->len - signature;
    if (v->body != NULL && v->route.operation != NULL)
        (void)api_unknown_members(v->route.operation, v->body, UNKNOWN_MAX, text);
    size_t unknown = text->len - signature - refusal;
    const struct refusal *said = v->refusal.layer == REFUSAL_THROTTLE ? &v->found : &v->refusal;
    bool forbidden = said->layer == REFUSAL_POLICY, told_only = m->config.auth == MOCK_AUTH_NONE;
    CLEANUP(buf_release) struct buf canaries = BUF_INIT(BUF_ANY);
    script_find_canaries(session_script(v->session), v->request, &canaries);
    struct span all = buf_span(text);
    struct journal_record record = {.request = v->request,
                                    .operation = v->operation,
                                    .model = v->model_id,
                                    .signature = span_cut(all, 0, signature),
                                    .refusal = span_cut(all, signature, refusal),
                                    .unknown = span_cut(all, signature + refusal, unknown),
                                    .unjudged = unread || said->layer == REFUSAL_AUTH || (forbidden && !told_only),
                                    .good = forbidden && told_only, /* judge() asks the policy last then */
                                    .canaries = buf_span(&canaries),
                                    .source = o->source,
                                    .session = session_name(v->session),
                                    .fixture = buf_span(&o->choice.fixture),
                                    .miss = buf_span(&o->choice.miss),
                                    .faults = o->faults.len > 0 ? buf_text(&o->faults) : NULL,
                                    .ignored = visit_ignores(v),
                                    .verdict = unread ? NULL : verdict_word(v),
                                    .status = o->plan != NULL ? o->plan->status : o->relay != NULL ? 0 : 500};
    return journal_begin(m->journal, &record, &v->worker->scratch);
}

/* ---- the handler ---- */

static void parse_body(struct visit *v)
{
    struct span body = v->request->body;
    v->body_is_json = body.n == 0 || json_parse(body, JSON_COMPACT, &v->body, NULL) == OK;
}

/* The policy speaks before the validation, as IAM does; where nobody is refused it is only told, of requests that are
 * good: a request it denies must be a valid one all the same, as it gets an answer. */
static void judge(struct visit *v)
{
    bool policy = v->mock->policy != NULL, told_only = v->mock->config.auth == MOCK_AUTH_NONE;
    parse_body(v);
    if (v->row->read != NULL)
        v->row->read(v);
    if (policy && !told_only)
        visit_authorize(v);
    v->surface->validate(v);
    if (policy && told_only)
        visit_authorize(v);
    visit_charge(v);
}

/* A client that corrects its own clock does it by the Date of an answer. Replies that say a Date keep theirs. */
static void date_by_clock(const struct mock *m, struct plan *plan)
{
    char date[HTTP_DATE_SIZE];
    if (plan == NULL || clock_offset_ms(&m->clock) == 0 || http_headers_get(&plan->headers, "Date") != NULL)
        return;
    http_print_date(clock_s(&m->clock), date, sizeof date);
    plan_header(plan, "Date", date);
}

void operations_handle(void *ctx, struct exchange *x)
{
    struct mock *m = ctx;
    struct visit v = {.mock = m,
                      .worker = exchange_worker(x),
                      .exchange = x,
                      .request = exchange_request(x),
                      .model = {MODEL_ID_INVALID, NULL, NULL}};
    struct outcome o = {.faults = BUF_INIT(BUF_ANY)};
    if (v.worker == NULL) {
        exchange_reply(x, NULL);
        return;
    }
    metrics_begin(v.worker->metrics, v.request->body.n);
    v.worker->is_numbered = false;
    v.open = visit_comes(m);
    refusal_init(&v.refusal);
    rng_uuid(&v.worker->rng, v.request_id);
    o.plan = route(&v);
    visit_authenticate(&v);
    choose_session(&v);
    if (v.row != NULL && !v.refuse)
        judge(&v);
    serve(&v, &o);
    count(&v, &o);
    on_end(&v, &o, keep(&v, &o));
    if (o.relay == NULL) {
        date_by_clock(m, o.plan);
        exchange_reply(x, o.plan);
    }
    choice_release(&o.choice);
    session_drop(&v.held_session);
    native_request_release(&v.native);
    guardrail_use_free(&v.guardrail);
    openings_free(v.openings);
    json_free(&v.body);
    refusal_release(&v.refusal);
    refusal_release(&v.found);
    buf_release(&o.faults);
}

/* ---- refused below ---- */

/* What is known of the request. The path may be all there is of it, or not even that. */
static void recognise(struct visit *v)
{
    v->surface = find_surface(v);
    if (v->request->path.n > 0)
        plan_free(v->surface->route(v)); /* an unknown path is the lesser trouble */
    choose_session(v);
}

/* Amazon's list of common errors (CommonErrors in its API references) has these two names for trouble with HTTP; which words
 * Bedrock has for them nobody has told. */
static struct plan *http_refusal(const struct visit *v, int status)
{
    struct error_reply e = {.type = v->refusal.type, .message = buf_text(&v->refusal.text), .status = status};
    return v->surface->error != NULL ? v->surface->error(v, &e) : error_plan(&e, v->request_id);
}

void operations_refuse(void *ctx, void *worker, struct exchange *x, int status, const char *why)
{
    struct mock *m = ctx;
    const struct http_request nothing = {.received_at_ns = now_ns(), .http_version = 11};
    struct visit v = {.mock = m,
                      .worker = worker,
                      .exchange = x,
                      .request = x != NULL ? exchange_request(x) : &nothing,
                      .model = {MODEL_ID_INVALID, NULL, NULL},
                      .refuse = true};
    struct outcome o = {.source = SOURCE_REFUSAL, .faults = BUF_INIT(BUF_ANY)};
    if (v.worker == NULL) {
        if (x != NULL)
            exchange_reply(x, NULL);
        return;
    }
    metrics_begin(v.worker->metrics, 0);
    refusal_init(&v.refusal);
    refusal_set(&v.refusal, REFUSAL_HTTP,
                status == 413   ? "RequestEntityTooLargeException"
                : status == 500 ? "InternalServerException"
                                : "MalformedHttpRequestException",
                "%s", why);
    rng_uuid(&v.worker->rng, v.request_id);
    recognise(&v);
    o.plan = http_refusal(&v, status);
    count(&v, &o);
    struct entry *entry = keep(&v, &o);
    if (x != NULL) {
        on_end(&v, &o, entry);
        date_by_clock(m, o.plan);
        exchange_reply(x, o.plan);
    } else {
        struct delivery d = {.end = DELIVERY_COMPLETE, .status = status, .ended_at_ns = now_ns()};
        metrics_end(v.worker->metrics, &d);
        journal_end(m->journal, entry, &d);
        plan_free(o.plan);
    }
    session_drop(&v.held_session);
    refusal_release(&v.refusal);
}

void *operations_worker_start(void *ctx, struct loop *loop)
{
    (void)loop;
    struct mock *m = ctx;
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->mock = m;
    w->sigv4 = sigv4_new();
    w->metrics = metrics_block_new(m->metrics);
    w->rng.state = m->config.seed + atomic_fetch_add(&m->workers, 1) * 0x2545f4914f6cdd1du;
    buf_init(&w->scratch, SCRATCH_MAX);
    buf_init(&w->text, SCRATCH_MAX);
    buf_init(&w->model, (size_t)MODEL_ID_MAX * 4);
    buf_init(&w->cut.text, SCRATCH_MAX);
    buf_init(&w->api_key, SCRATCH_MAX);
    if (w->sigv4 == NULL || w->metrics == NULL) {
        operations_worker_stop(ctx, w);
        return NULL;
    }
    return w;
}

void operations_worker_stop(void *ctx, void *worker)
{
    (void)ctx;
    struct worker *w = worker;
    if (w == NULL)
        return;
    record_worker_stop(w);
    metrics_block_leave(w->mock->metrics, w->metrics);
    sigv4_free(w->sigv4);
    key_found_wipe(&w->caller.found);
    buf_release(&w->scratch);
    buf_release(&w->text);
    buf_release(&w->model);
    buf_release(&w->cut.text);
    buf_release(&w->api_key);
    free(w);
}
