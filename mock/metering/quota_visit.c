/* quota_visit.c: quotas in the mock: what a visit reserves, what it costs in the end, and the admin API.
 *
 * A request is charged when it is known to be good and before anybody is asked for an answer, so that a refused one
 * takes no scripted reply. It is settled when its answer has been delivered, or was not.
 */
#include "mock/admin/admin.h"
#include "mock/compat/compat.h"
#include "mock/operations.h"
#include "mock/runtime/invoke.h"
#include "protocol/token.h"

static bool is_charged(const char *operation)
{
    static const char *const names[] = {"Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream"};
    for (size_t i = 0; operation != NULL && i < COUNT_OF(names); i++)
        if (strcmp(names[i], operation) == 0)
            return true;
    return false;
}

/* The id that a count goes by: an ARN of a model or of a profile is what it names, a geography stays. */
static const char *counted_id(const char *model_id)
{
    static const char *const kinds[] = {":foundation-model/", ":inference-profile/"};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const char *at = strncmp(model_id, "arn:", 4) == 0 ? strstr(model_id, kinds[i]) : NULL;
        if (at != NULL)
            return at + strlen(kinds[i]);
    }
    return model_id;
}

static uint64_t most_output(const struct visit *v)
{
    const cJSON *most = json_at(visit_asked(v), "/inferenceConfig/maxTokens");
    if (v->native.family != NULL && v->native.family->embeds)
        return 0;
    if (cJSON_IsNumber(most) && most->valuedouble >= 0)
        return most->valuedouble < (double)QUOTA_SPENT_MAX ? (uint64_t)most->valuedouble : QUOTA_SPENT_MAX;
    return v->model.row != NULL && v->model.row->max_output > 0 ? v->model.row->max_output : QUOTA_OUTPUT;
}

static void refuse(struct visit *v, enum quota_verdict verdict)
{
    static const char *const texts[] = {[QUOTA_PASS] = "",
                                        [QUOTA_REQUESTS] = "throttle-requests",
                                        [QUOTA_REQUESTS_DAY] = "throttle-requests",
                                        [QUOTA_TOKENS] = "throttle-tokens",
                                        [QUOTA_TOKENS_DAY] = "throttle-tokens-day"};
    const struct api_text *text = api_text(v->mock->api, texts[verdict]);
    v->found = v->refusal;
    refusal_init(&v->refusal);
    refusal_set(&v->refusal, REFUSAL_THROTTLE, text->type, "%s", text->text);
    v->refuse = true;
}

void visit_charge(struct visit *v)
{
    struct quotas *q = v->mock->quotas;
    if (!quotas_on(q) || v->refuse || v->row == NULL || v->model_id == NULL ||
        !(is_charged(v->operation) || compat_speaks(v)))
        return;
    v->counted_input = operations_input_tokens(v);
    struct quota_ask ask = {.principal = v->caller.arn,
                            .account = visit_account(v),
                            .region = v->caller.region,
                            .model = counted_id(v->model_id),
                            .input = v->counted_input,
                            .most_output = most_output(v),
                            .burndown = v->model.row != NULL ? v->model.row->burndown : 1};
    enum quota_verdict verdict = quota_admit(q, &ask, clock_ms(&v->mock->clock), &v->hold);
    if (verdict != QUOTA_PASS)
        refuse(v, verdict);
}

void visit_answered(struct visit *v, const struct answer *a, const struct plan *plan)
{
    if (v->hold.generation == 0)
        return;
    v->used = answer_usage(a);
    v->answered = true;
    for (size_t i = 0; plan != NULL && i < plan->count; i++)
        v->events += plan->pieces[i].event != PLAN_NO_EVENT;
}

/* ---- the end ---- */

struct quota_bill visit_bill(const struct visit *v, int status)
{
    struct quota_bill bill = {.hold = v->hold};
    if (status >= 400) /* nothing was said: the tokens go back */
        return bill;
    bill.input = v->answered ? v->used.input + v->used.cache_write : v->counted_input;
    bill.output = v->used.output;
    bill.events = v->events;
    return bill;
}

void quota_pay(struct mock *m, const struct quota_bill *bill, const struct delivery *d)
{
    uint64_t output = bill->output;
    bool whole = d->end == DELIVERY_COMPLETE && d->planned == PLAN_END_CLEAN;
    if (!whole && d->events < bill->events) /* in proportion: the deltas are nearly all of a stream's events */
        output = (output * d->events + bill->events - 1) / bill->events;
    else if (!whole && bill->events == 0 && d->bytes == 0)
        output = 0;
    quota_settle(m->quotas, &bill->hold, bill->input, output, clock_ms(&m->clock));
}

/* ---- the admin API ---- */

static enum err get_quotas(struct admin_call *c, struct note *note)
{
    (void)note;
    quotas_print(c->mock->quotas, clock_ms(&c->mock->clock), &c->out);
    return OK;
}

static enum err post_quotas(struct admin_call *c, struct note *note)
{
    enum err e = quotas_set(c->mock->quotas, c->body, false, note);
    buf_adds(&c->out, "{\"ok\":true}");
    return e;
}

static void forget(struct mock *m)
{
    quotas_forget(m->quotas);
}

static const struct admin_row rows[] = {{"GET", "/quotas", get_quotas}, {"POST", "/quotas", post_quotas}};
const struct admin_table mock_admin_quotas = {rows, COUNT_OF(rows), "quotas", forget};
