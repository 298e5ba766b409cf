/* validate.c: would Bedrock take this request, and if not, what would it say?
 *
 * Layers in order: the API model (protocol/shape.h) says all its constraints in one answer; then the model id must mean
 * something; then the rules beside the model (rules.h). Whether the mock says it too is the mode's business: the
 * journal is told in any case.
 */
#include "mock/operations.h"
#include "mock/rules.h"

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

static bool mode_refuses(const struct visit *v)
{
    switch (v->mock->config.validation) {
    case MOCK_VALIDATION_RECORD:
        return false;
    case MOCK_VALIDATION_LENIENT:
        return v->refusal.layer == REFUSAL_CONSTRAINT || v->refusal.layer == REFUSAL_MODEL;
    case MOCK_VALIDATION_STRICT:
        return true;
    }
    return true;
}

static void resolve_model(struct visit *v)
{
    struct worker *w = v->worker;
    if (v->model_id == NULL)
        return;
    if (w->last_model[0] == '\0' || strcmp(w->last_model, v->model_id) != 0) {
        w->last_ref = models_resolve(v->mock->models, v->model_id, v->mock->config.models == MOCK_MODELS_KNOWN);
        size_t n = strlen(v->model_id);
        memcpy(w->last_model, n < sizeof w->last_model ? v->model_id : "", n < sizeof w->last_model ? n + 1 : 1);
    }
    v->model = w->last_ref;
}

void visit_validate(struct visit *v)
{
    if (v->refusal.layer != REFUSAL_NONE)
        return;
    resolve_model(v);
    check_constraints(v);
    if (v->names_model && v->model.row == NULL)
        refusal_set(&v->refusal, REFUSAL_MODEL, "ValidationException", "%s",
                    "The provided model identifier is invalid.");
    if (v->refusal.layer == REFUSAL_NONE)
        rules_check(v);
    if (v->refusal.layer == REFUSAL_NONE || !mode_refuses(v))
        return;
    v->refuse = true;
    mock_log(v->mock, "%s %s refused: %s: %.300s", v->operation, v->model_id != NULL ? v->model_id : "-",
             v->refusal.type, buf_text(&v->refusal.text));
}
