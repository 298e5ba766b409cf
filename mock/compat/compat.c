/* compat.c: which request is whose, and how these endpoints say no.
 *
 * Statuses and texts of the layers are Bedrock's own; only their shape is the protocol's. What is not known of the
 * service (types and codes of errors, which status a bad key gets) follows the protocol's public reference, because
 * that is what client libraries make their exceptions of; docs/compatible-endpoints.md says which is which.
 */
#include "mock/compat/compat.h"

#include "mock/compat/compat_store.h"
#include "mock/guardrail/guardrail_use.h"
#include "mock/runtime/invoke.h"
#include "mock/surface.h"

#define QUOTE_MAX 300
#define CREATED   1735689600 /* 2025-01-01: of models without a date of their own */

static struct plan *answer_model(struct visit *v, const cJSON *reply);
static struct plan *count_tokens(struct visit *v, const cJSON *reply);
static struct plan *list_models(struct visit *v, const cJSON *reply);
static struct plan *get_model(struct visit *v, const cJSON *reply);

// clang-format off
static const struct compat_row rows[] = {
    {"POST", "/openai/v1/chat/completions", false, COMPAT_CHAT, {"ChatCompletions", answer_model, compat_read}},
    {"POST", "/openai/v1/responses", false, COMPAT_RESPONSES, {"Responses", answer_model, compat_read}},
    {"POST", "/anthropic/v1/messages", false, COMPAT_MESSAGES, {"Messages", answer_model, compat_read}},
    {"POST", "/v1/chat/completions", true, COMPAT_CHAT, {"MantleChatCompletions", answer_model, compat_read}},
    {"POST", "/v1/responses", true, COMPAT_RESPONSES, {"MantleResponses", answer_model, compat_read}},
    {"GET", "/v1/responses/*", true, COMPAT_RESPONSES, {"MantleGetResponse", responses_get, NULL}},
    {"DELETE", "/v1/responses/*", true, COMPAT_RESPONSES, {"MantleDeleteResponse", responses_delete, NULL}},
    {"POST", "/v1/responses/*/cancel", true, COMPAT_RESPONSES, {"MantleCancelResponse", responses_cancel, NULL}},
    {"POST", "/anthropic/v1/messages", true, COMPAT_MESSAGES, {"MantleMessages", answer_model, compat_read}},
    {"POST", "/anthropic/v1/messages/count_tokens", true, COMPAT_MESSAGES, {"MantleCountTokens", count_tokens, compat_read}},
    {"GET", "/v1/models", true, COMPAT_MODELS, {"MantleListModels", list_models, NULL}},
    {"GET", "/v1/models/*", true, COMPAT_MODELS, {"MantleGetModel", get_model, NULL}},
};
// clang-format on

const char *compat_operation_name(size_t i)
{
    return i < COUNT_OF(rows) ? rows[i].row.name : NULL;
}

bool compat_speaks(const struct visit *v)
{
    return v->compat != NULL && v->row != NULL && v->row->answer == answer_model;
}

/* ---- whose it is ---- */

static struct span host_of(const struct visit *v)
{
    const struct http_request *r = v->request;
    struct span host = http_field_get(r->fields, r->field_count, "host");
    return host.p != NULL ? host : http_field_get(r->fields, r->field_count, ":authority");
}

/* OpenAI's own client for Bedrock asks mantle for everything behind /openai. */
static struct span bare(const struct compat_row *row, struct span path)
{
    return row->mantle && span_has_prefix(path, "/openai/v1/") ? span_from(path, strlen("/openai")) : path;
}

/* *segment: what stands for '*'. */
static bool matches(const struct compat_row *row, struct span path, struct span *segment)
{
    const char *star = strchr(row->path, '*');
    path = bare(row, path);
    if (star == NULL)
        return span_is(path, row->path);
    size_t head = (size_t)(star - row->path), tail = strlen(star + 1);
    if (path.n <= head + tail || memcmp(path.p, row->path, head) != 0 || !span_is(span_from(path, path.n - tail), star + 1))
        return false;
    *segment = span_cut(path, head, path.n - head - tail);
    return memchr(segment->p, '/', segment->n) == NULL;
}

static bool has_path(const struct compat_row *row, struct span path)
{
    struct span segment;
    return matches(row, path, &segment);
}

struct span compat_wildcard(const struct visit *v)
{
    struct span segment = {NULL, 0};
    (void)matches(v->compat, v->request->path, &segment);
    return segment;
}

static bool serves(struct span path, bool mantle)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].mantle == mantle && has_path(&rows[i], path))
            return true;
    return false;
}

static bool is_compatible(struct span path)
{
    return span_has_prefix(path, "/openai/v1/") || span_has_prefix(path, "/anthropic/v1/") ||
           span_has_prefix(path, "/v1/");
}

/* By Host; then by signature; then by who has the path, the runtime first. */
static bool is_mantle(const struct visit *v)
{
    const struct http_request *r = v->request;
    struct span host = host_of(v), path = r->path;
    if (!is_compatible(path) || span_has_prefix(host, "bedrock-runtime"))
        return false;
    struct span authorization = http_field_get(r->fields, r->field_count, "authorization");
    return span_has_prefix(host, "bedrock-mantle.") ||
           span_find(authorization, "/bedrock-mantle/aws4_request") != NULL || span_has_prefix(path, "/v1/") ||
           (!serves(path, false) && serves(path, true));
}

static bool is_runtime(const struct visit *v)
{
    return is_compatible(v->request->path) && !span_has_prefix(v->request->path, "/v1/");
}

static enum compat_dialect dialect_of(const struct visit *v)
{
    return v->compat != NULL                                     ? v->compat->dialect
           : span_has_prefix(v->request->path, "/anthropic/v1/") ? COMPAT_MESSAGES
                                                                 : COMPAT_CHAT;
}

/* ---- errors ---- */

/* Bedrock's words in the protocols' words. */
static const struct word_row {
    const char *type, *openai, *code, *anthropic;
} words[] = {
    {"ValidationException", "invalid_request_error", NULL, "invalid_request_error"},
    {"SerializationException", "invalid_request_error", NULL, "invalid_request_error"},
    {"ConflictException", "invalid_request_error", NULL, "invalid_request_error"},
    {"AccessDeniedException", "permission_denied_error", "access_denied", "permission_error"},
    {"ResourceNotFoundException", "invalid_request_error", "model_not_found", "not_found_error"},
    {"UnknownOperationException", "invalid_request_error", "unknown_url", "not_found_error"},
    {"ServiceQuotaExceededException", "rate_limit_error", "quota_exceeded", "rate_limit_error"},
    {"ThrottlingException", "rate_limit_error", "rate_limit_exceeded", "rate_limit_error"},
    {"ModelNotReadyException", "rate_limit_error", "model_not_ready", "rate_limit_error"},
    {"ModelTimeoutException", "server_error", "timeout", "timeout_error"},
    {"ServiceUnavailableException", "server_error", "service_unavailable", "overloaded_error"},
    {"UnrecognizedClientException", "authentication_error", "invalid_api_key", "authentication_error"},
    {"InvalidSignatureException", "authentication_error", "invalid_api_key", "authentication_error"},
    {"ExpiredTokenException", "authentication_error", "invalid_api_key", "authentication_error"},
    {"IncompleteSignatureException", "authentication_error", "invalid_api_key", "authentication_error"},
    {"MissingAuthenticationTokenException", "authentication_error", "invalid_api_key", "authentication_error"},
};
static const struct word_row any_client = {"", "invalid_request_error", NULL, "invalid_request_error"};
static const struct word_row any_server = {"", "server_error", NULL, "api_error"};

static const struct word_row *word_of(const char *type, int status)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(words[i].type, type) == 0)
            return &words[i];
    return status >= 500 || status == 424 ? &any_server : &any_client;
}

/* What a client is told, before it is written. */
struct saying {
    int status;
    const char *type, *message; /* type: Bedrock's */
    const char *code, *param;   /* NULL: as the type says; none */
    bool unproven;              /* the caller is not who it says */
};

static void write_error(enum compat_dialect dialect, const struct visit *v, const struct saying *s, struct buf *out)
{
    const struct word_row *w = word_of(s->unproven ? "UnrecognizedClientException" : s->type, s->status);
    if (dialect == COMPAT_MESSAGES)
        native_print(out, "{'type':'error','error':{'type':%q,'message':%q},'request_id':'req_%s'}", w->anthropic,
                     s->message, v->request_id);
    else
        native_print(out, "{'error':{'message':%q,'type':%q,'param':%q,'code':%q}}", s->message, w->openai, s->param,
                     s->code != NULL ? s->code : w->code);
}

static void add_headers(const struct visit *v, struct plan *plan)
{
    CLEANUP(buf_release) struct buf id = BUF_INIT(64);
    if (plan == NULL)
        return;
    plan_header(plan, "x-amzn-RequestId", v->request_id);
    buf_addf(&id, "req_%s", v->request_id);
    if (dialect_of(v) == COMPAT_MESSAGES)
        plan_header(plan, "request-id", buf_text(&id));
    else
        plan_header(plan, "x-request-id", buf_text(&id));
    if (v->surface != &compat_mantle_surface)
        return;
    plan_header(plan, "access-control-allow-origin", "*");
    plan_header(plan, "access-control-expose-headers",
                "x-amzn-requestid,x-request-id,date,x-amzn-usage-reservation-quota,"
                "x-amzn-usage-reservation-remaining-quota,x-amzn-usage-reservation-spillover");
    plan_header(plan, "vary", "origin, access-control-request-method, access-control-request-headers");
}

static struct plan *whole_plan(const struct visit *v, int status, struct buf *take)
{
    struct plan *plan = plan_new(status);
    if (plan == NULL)
        return NULL;
    plan_body_take(plan, "application/json", take);
    add_headers(v, plan);
    return plan;
}

static struct plan *say(const struct visit *v, const struct saying *s)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    write_error(dialect_of(v), v, s, &body);
    return whole_plan(v, s->status, &body);
}

static struct plan *error(const struct visit *v, const struct error_reply *e)
{
    const struct error_type *known = error_type_find(e->type);
    struct saying s = {.status = e->status != 0  ? e->status
                                 : known != NULL ? known->status
                                                 : 400,
                       .type = e->type,
                       .message = e->message != NULL ? e->message
                                  : known != NULL    ? known->text
                                                     : ""};
    if (e->status == 0 && strcmp(word_of(e->type, 0)->openai, "authentication_error") == 0)
        s.status = 401;
    struct plan *plan = say(v, &s);
    for (size_t i = 0; plan != NULL && e->headers != NULL && i < e->headers->count; i++)
        http_headers_add(&plan->headers, e->headers->items[i].name, e->headers->items[i].value);
    return plan;
}

static void exception(const struct visit *v, const char *type, const char *message, struct buf *frame)
{
    const struct error_type *known = error_type_find(type);
    struct saying s = {.status = known != NULL ? known->status : 500, .type = type, .message = message};
    const struct word_row *w = word_of(type, s.status);
    buf_adds(frame, dialect_of(v) == COMPAT_MESSAGES ? "event: error\ndata: " : "data: ");
    if (dialect_of(v) == COMPAT_RESPONSES)
        native_print(frame, "{'type':'error','code':%q,'message':%q,'param':null,'sequence_number':0}\nevent: error",
                     w->code != NULL ? w->code : w->openai, message);
    else
        write_error(dialect_of(v), v, &s, frame);
    buf_adds(frame, "\n\n");
}

/* The faults of bodies are looked for again: they are rare, and a visit has no room for a second name. */
static struct plan *refusal(const struct visit *v)
{
    const struct refusal *r = &v->refusal;
    const struct error_type *known = error_type_find(r->type);
    struct saying s = {.status = known != NULL ? known->status : 400, .type = r->type, .message = buf_text(&r->text)};
    struct compat_fault f = COMPAT_FAULT_INIT;
    if (r->layer == REFUSAL_AUTH) {
        s.status = 401;
        s.unproven = true;
    } else if (r->layer == REFUSAL_MODEL && strcmp(r->type, "ResourceNotFoundException") == 0) {
        s.param = "model";
    } else if (r->layer == REFUSAL_CONSTRAINT && compat_check(v, &f)) {
        s.code = f.code;
        s.param = f.param[0] != '\0' ? f.param : NULL;
    }
    struct plan *plan = say(v, &s);
    buf_release(&f.text);
    return plan;
}

/* ---- routing ---- */

void compat_add_plain(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n && i < QUOTE_MAX; i++)
        buf_addc(out, text.p[i] >= 0x20 && text.p[i] < 0x7f ? (char)text.p[i] : '?');
}

static struct plan *lost(struct visit *v, int status, const char *what)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_adds(&text, what);
    buf_adds(&text, " (");
    compat_add_plain(&text, v->request->method);
    buf_addc(&text, ' ');
    compat_add_plain(&text, v->request->path);
    buf_addc(&text, ')');
    struct saying s = {.status = status, .type = "UnknownOperationException", .message = buf_text(&text)};
    return say(v, &s);
}

static struct plan *route(struct visit *v)
{
    bool mantle = v->surface == &compat_mantle_surface, other_method = false;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].mantle != mantle || !has_path(&rows[i], v->request->path))
            continue;
        if (span_is(v->request->method, rows[i].method)) {
            v->compat = &rows[i];
            v->row = &rows[i].row;
            v->operation = rows[i].row.name;
            v->names_model = rows[i].row.read != NULL;
            return NULL;
        }
        other_method = true;
    }
    return other_method ? lost(v, 405, "Method not allowed") : lost(v, 404, "Invalid URL");
}

/* ---- validation ---- */

static bool is_claude(const struct visit *v)
{
    return v->model.row->claude || strstr(v->model_id, "anthropic.") != NULL;
}

static bool is_gpt(const struct visit *v)
{
    return strstr(v->model_id, "openai.gpt-") != NULL && strstr(v->model_id, "openai.gpt-oss") == NULL;
}

/* Claude speaks Messages and nobody else does; the newer GPTs have Responses only, and on mantle below /openai only. */
static void check_dialect(struct visit *v)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY);
    bool messages = v->compat->dialect == COMPAT_MESSAGES, chat = v->compat->dialect == COMPAT_CHAT;
    bool wrong_api = messages != is_claude(v) || (chat && is_gpt(v));
    bool wrong_route = is_gpt(v) && span_is(v->request->path, "/v1/responses");
    buf_add(&path, v->request->path);
    const char *at = strstr(buf_text(&path), "/v1/");
    if (v->model.kind == MODEL_ID_ARN || v->model.kind == MODEL_ID_PROMPT) /* what is behind it, nobody knows */
        return;
    if (wrong_api)
        refusal_set(&v->refusal, REFUSAL_SEMANTIC, "ValidationException",
                    "The model '%.300s' does not support the '%s' API", v->model_id, at);
    else if (wrong_route)
        refusal_set(&v->refusal, REFUSAL_SEMANTIC, "ValidationException",
                    "model `%.300s` isn't supported on this route", v->model_id);
}

static void check_context(struct visit *v)
{
    uint64_t most = v->model.row->context, n = most > 0 ? operations_input_tokens(v) : 0;
    if (n > most)
        refusal_set(&v->refusal, REFUSAL_SEMANTIC, "ValidationException",
                    "The prompt tokens (%llu) exceed model maximum (%llu).", (unsigned long long)n,
                    (unsigned long long)most);
}

static void validate(struct visit *v)
{
    struct compat_fault f = COMPAT_FAULT_INIT;
    if (v->refusal.layer != REFUSAL_NONE || v->row->read == NULL)
        return;
    if (v->model_id != NULL)
        v->model = compat_model(v, v->model_id);
    if (compat_check(v, &f)) {
        refusal_set(&v->refusal, REFUSAL_CONSTRAINT, "ValidationException", "%s", "");
        buf_reset(&v->refusal.text);
        buf_add(&v->refusal.text, buf_span(&f.text));
    } else if (v->model.row == NULL) {
        refusal_set(&v->refusal, REFUSAL_MODEL, "ResourceNotFoundException",
                    v->compat->dialect == COMPAT_MESSAGES ? "model: %.300s" : "The model '%.300s' does not exist",
                    v->model_id);
    } else {
        visit_check_model(v);
        check_dialect(v);
        check_context(v);
    }
    buf_release(&f.text);
    guardrail_read(v);
    visit_settle(v);
}

/* ---- answers ---- */

static struct plan *answer_model(struct visit *v, const cJSON *reply)
{
    CLEANUP(buf_release) struct buf whole = BUF_INIT(BUF_ANY);
    bool kept = v->compat->mantle && v->compat->dialect == COMPAT_RESPONSES;
    v->native.whole = kept ? &whole : NULL;
    struct plan *plan = invoke_answer(v, reply);
    if (!kept) {
        add_headers(v, plan);
        return plan;
    }
    struct plan *out = responses_keep(v, &whole, plan);
    if (out == plan)
        add_headers(v, plan);
    return out;
}

struct plan *compat_json(struct visit *v, int status, const cJSON *tree)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    if (tree == NULL)
        return NULL;
    json_print(tree, JSON_COMPACT, &body);
    return whole_plan(v, status, &body);
}

struct plan *compat_refuse(struct visit *v, int status, const char *param, const char *message)
{
    struct saying s = {.status = status, .type = "ValidationException", .message = message, .param = param};
    return say(v, &s);
}

static struct plan *count_tokens(struct visit *v, const cJSON *reply)
{
    (void)reply;
    CLEANUP(buf_release) struct buf body = BUF_INIT(64);
    native_print(&body, "{'input_tokens':%n}", operations_input_tokens(v));
    return whole_plan(v, 200, &body);
}

/* The name that mantle has for a model: without the version of its Bedrock id. */
static void write_model(const struct model *m, size_t n, struct buf *out)
{
    const char *version = strrchr(m->id, '-');
    bool cut = version != NULL && (strcmp(version, "-1:0") == 0 || strcmp(version, "-v1:0") == 0);
    struct span id = {(const unsigned char *)m->id, cut ? (size_t)(version - m->id) : strlen(m->id)};
    native_print(out, "%s{'id':%t,'object':'model','created':%n,'owned_by':%q}", n > 0 ? "," : "", id,
                 (uint64_t)(m->start_ms > 0 ? m->start_ms / 1000 : CREATED), m->provider);
}

static bool is_listed(const struct visit *v, const struct model *m)
{
    return m->streaming && m->refuse == NULL && models_alive(v->mock->models, m, clock_ms(&v->mock->clock));
}

static struct plan *list_models(struct visit *v, const cJSON *reply)
{
    (void)reply;
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    size_t listed = 0;
    buf_adds(&body, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < models_count(v->mock->models); i++)
        if (is_listed(v, models_at(v->mock->models, i)))
            write_model(models_at(v->mock->models, i), listed++, &body);
    buf_adds(&body, "]}");
    return whole_plan(v, 200, &body);
}

static struct plan *get_model(struct visit *v, const cJSON *reply)
{
    (void)reply;
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    struct span name = compat_wildcard(v);
    CLEANUP(free_ptr) char *id = span_dup(name);
    struct model_ref ref = {MODEL_ID_INVALID, NULL, NULL};
    if (id != NULL)
        ref = compat_model(v, id);
    if (ref.row != NULL && ref.row->id[0] != '\0' && is_listed(v, ref.row)) {
        write_model(ref.row, 0, &body);
        return whole_plan(v, 200, &body);
    }
    buf_adds(&text, "The model '");
    compat_add_plain(&text, name);
    buf_adds(&text, "' does not exist");
    struct saying s = {
        .status = 404, .type = "ResourceNotFoundException", .message = buf_text(&text), .param = "model"};
    return say(v, &s);
}

static const char *const runtime_services[] = {"bedrock", NULL}, *const mantle_services[] = {"bedrock-mantle", NULL};

const struct surface compat_surface = {.name = "compatible endpoints of bedrock-runtime",
                                       .services = runtime_services,
                                       .mine = is_runtime,
                                       .route = route,
                                       .validate = validate,
                                       .refusal = refusal,
                                       .error = error,
                                       .exception = exception};
const struct surface compat_mantle_surface = {.name = "bedrock-mantle",
                                              .services = mantle_services,
                                              .mine = is_mantle,
                                              .route = route,
                                              .validate = validate,
                                              .refusal = refusal,
                                              .error = error,
                                              .exception = exception};
