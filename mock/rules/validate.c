/* validate.c: would Bedrock take this request, and if not, what would it say?
 *
 * Layers in order: the API model (protocol/shape.h) says all its constraints in one answer; then the model id must mean
 * something; then the rules beside the model (rules.h). Whether the mock says it too is the mode's business: the
 * journal is told in any case.
 */
#include "mock/control/control.h"
#include "mock/guardrail/guardrail_use.h"
#include "mock/rules/rules.h"

/* The text stays until the next call. */
static const char *get_input(void *ctx, enum api_place place, const char *wire)
{
    const struct visit *v = ctx;
    struct buf *text = &v->worker->text;
    buf_reset(text);
    switch (place) {
    case API_PATH:
        if (strcmp(wire, "modelId") == 0)
            return v->model_id;
        return visit_label(v, wire, text) == OK ? buf_text(text) : NULL;
    case API_QUERY:
        return visit_query(v, wire, text) == OK ? buf_text(text) : NULL;
    case API_HEADER:
        break;
    }
    struct span value = http_field_get(v->request->fields, v->request->field_count, wire);
    buf_add(text, value);
    return value.p == NULL ? NULL : buf_text(text);
}

static void check_constraints(struct visit *v)
{
    struct api_fault fault = API_FAULT_INIT;
    struct api_input in = {.body = v->body, .payload_len = v->request->body.n, .get = get_input, .ctx = v};
    bool payload = v->route.operation->request.payload != NULL; /* what is wrong with that, the model says */
    bool bad = !v->body_is_json && !payload;
    if (bad)
        api_fault_not_json(v->mock->api, &fault);
    else
        bad = api_check_request(v->mock->api, v->route.operation, &in, &fault) == ERR_INVALID;
    if (bad) {
        refusal_set(&v->refusal, REFUSAL_CONSTRAINT, fault.type, "%s", "");
        buf_reset(&v->refusal.text);
        buf_add(&v->refusal.text, buf_span(&fault.text));
    }
    api_fault_release(&fault);
}

/* Models answer anything; the other services look up, make or change what the request names, and it names nothing. */
static bool makes_no_sense(const struct visit *v)
{
    const struct api_operation *o = v->route.operation; /* NULL: of the compatible endpoints, where models answer */
    return v->refusal.layer == REFUSAL_CONSTRAINT && o != NULL && strcmp(o->service, "bedrock-runtime") != 0;
}

static bool mode_refuses(const struct visit *v)
{
    switch (v->mock->config.validation) {
    case MOCK_VALIDATION_RECORD:
        return makes_no_sense(v);
    case MOCK_VALIDATION_LENIENT:
        return v->refusal.layer == REFUSAL_CONSTRAINT || v->refusal.layer == REFUSAL_MODEL;
    case MOCK_VALIDATION_STRICT:
        return true;
    }
    return true;
}

static bool known_only(const struct visit *v)
{
    return v->mock->config.models == MOCK_MODELS_KNOWN || models_refuse_unknown(v->mock->models);
}

struct model_ref visit_model(const struct visit *v, const char *id)
{
    struct worker *w = v->worker;
    if (w->last_model[0] == '\0' || strcmp(w->last_model, id) != 0) {
        w->last_ref = models_resolve(v->mock->models, id, known_only(v));
        size_t n = strlen(id);
        memcpy(w->last_model, n < sizeof w->last_model ? id : "", n < sizeof w->last_model ? n + 1 : 1);
    }
    struct model_ref ref = w->last_ref;
    if (ref.kind == MODEL_ID_ARN) { /* not kept: profiles come and go */
        const struct model *behind = control_model_of(v, id);
        if (behind != NULL || known_only(v))
            ref.row = behind;
    }
    return ref;
}

void visit_refuse_model(struct visit *v, enum refusal_layer layer, const char *id)
{
    const struct api_text *row;
    CLEANUP(buf_release) struct buf text = BUF_INIT(REFUSAL_TEXT_MAX);
    if (api_error_text(v->mock->api, id, &row, &text, "model_id", v->model_id, "2|5", "2", "15|30", "30", NULL) != OK)
        return;
    bool first = v->refusal.layer == REFUSAL_NONE;
    refusal_set(&v->refusal, layer, row->type, "%s", buf_text(&text));
    if (first)
        v->refusal.capital_message = row->body_key != NULL && strcmp(row->body_key, "Message") == 0;
}

/* The catalogue says that nobody gets an answer from this model. */
static void refuse_model(struct visit *v)
{
    const struct model *m = v->model.row;
    bool alive = models_alive(v->mock->models, m, clock_ms(&v->mock->clock));
    const char *id = m->refuse != NULL ? m->refuse : alive ? NULL : "model-eol";
    if (id != NULL)
        visit_refuse_model(v, REFUSAL_MODEL, id);
}

/* A profile is called from the Regions it sends requests to. */
static bool is_far_away(const struct visit *v)
{
    CLEANUP(buf_release) struct buf region = BUF_INIT(BUF_ANY);
    if (!known_only(v) || v->model.kind != MODEL_ID_PROFILE || v->model.geography == NULL)
        return false;
    visit_region(v, &region);
    return !geography_has(v->model.geography, buf_text(&region));
}

void visit_check_model(struct visit *v)
{
    if (!v->names_model)
        return;
    if (v->model.row == NULL || is_far_away(v))
        refusal_set(&v->refusal, REFUSAL_MODEL, "ValidationException", "%s",
                    "The provided model identifier is invalid.");
    else if (v->refusal.layer == REFUSAL_NONE)
        refuse_model(v);
}

void visit_settle(struct visit *v)
{
    if (v->refusal.layer == REFUSAL_NONE || !mode_refuses(v))
        return;
    v->refuse = true;
    mock_log(v->mock, "%s %.300s refused: %s: %.300s", v->operation, v->model_id != NULL ? v->model_id : "-",
             v->refusal.type, buf_text(&v->refusal.text));
}

void visit_validate(struct visit *v)
{
    if (v->refusal.layer != REFUSAL_NONE)
        return;
    if (v->model_id != NULL)
        v->model = visit_model(v, v->model_id);
    check_constraints(v);
    visit_check_model(v);
    bool said = v->names_model && !v->request->body_follows; /* the rules are about what is said to models */
    if (v->refusal.layer == REFUSAL_NONE && said)
        rules_check(v);
    guardrail_read(v);
    visit_settle(v);
}
