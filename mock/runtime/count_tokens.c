/* count_tokens.c: CountTokens, for a Converse request or for the native body that InvokeModel would get.
 *
 * It reads what Converse and InvokeModel read and counts with their counter, so the number is the one that their usage
 * and headers will say.
 */
#include "mock/operations.h"
#include "mock/runtime/invoke.h"
#include "mock/script/scripted.h"

void count_tokens_read(struct visit *v)
{
    const cJSON *input = json_member(v->body, "input"), *converse = json_member(input, "converse");
    const char *base64 = json_str(json_member(input, "invokeModel"), "body");
    struct native_request *r = &v->native;
    if (converse != NULL || base64 == NULL) {
        r->asked = converse;
        return;
    }
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    r->not_json = buf_add_unbase64(&bytes, span_of(base64)) != OK ||
                  json_parse(buf_span(&bytes), JSON_COMPACT, &r->decoded, NULL) != OK;
    r->body = r->decoded;
    native_read(r, v->model_id);
}

struct plan *count_tokens_answer(struct visit *v, const cJSON *reply)
{
    struct answer a;
    operations_begin_answer(v, &a);
    if (reply != NULL)
        (void)scripted_answer(reply, &a);
    const cJSON *scripted = json_member(a.usage, "inputTokens");
    uint64_t n =
        cJSON_IsNumber(scripted) && scripted->valuedouble >= 0 ? (uint64_t)scripted->valuedouble : a.input_tokens;
    struct plan *plan = plan_new(200);
    if (plan != NULL) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(64);
        native_print(&body, "{'inputTokens':%n}", n);
        plan_body(plan, "application/json", buf_span(&body));
        plan_header(plan, "x-amzn-RequestId", v->request_id);
        plan->head_after_ns = a.latency_ns;
        plan->failed = plan->failed || a.failed || buf_error(&body) != OK;
    }
    answer_release(&a);
    return plan;
}
