/* invoke.c: the operations whose bodies are the providers' own.
 *
 * The native request is read into a Converse request, that is answered as Converse would be, and the answer is written
 * in the provider's shape. Everything between, the default answer and scripts among it, does not know the difference.
 */
#include "mock/runtime/invoke.h"

#include "mock/guardrail/guardrail_use.h"
#include "mock/native/native_embed.h"
#include "mock/operations.h"
#include "mock/script/scripted.h"
#include "protocol/token.h"

void invoke_read(struct visit *v)
{
    v->native.body = v->body;
    v->native.not_json = !v->body_is_json;
    native_read(&v->native, v->model_id);
}

uint64_t invoke_input_tokens(const struct native_request *r)
{
    if (r->family != NULL && r->family->embeds)
        return native_embed_tokens(r->body);
    return r->asked == NULL ? 0 : token_count_request(r->asked);
}

/* The default answer is made from the Converse form. */
static void answer_by_default(struct visit *v, struct answer *a)
{
    cJSON *body = v->body;
    v->body = v->native.made;
    default_answer(v, a);
    v->body = body;
}

struct plan *invoke_answer(struct visit *v, const cJSON *reply)
{
    struct answer a;
    operations_begin_answer(v, &a);
    bool guarded = v->guardrail != NULL && !v->native.family->embeds; /* embeddings are not */
    if (!guarded || !guardrail_stops(v, &a)) {
        visit_use_cache(v, &a);
        bool said = reply != NULL && scripted_answer(reply, &a);
        if (said)
            answer_count(&a);
        else if (!v->native.family->embeds)
            answer_by_default(v, &a);
        scripted_stop(reply, &a);
        if (guarded)
            guardrail_judges(v, &a);
    }
    struct plan *plan = native_plan(&v->native, &a, v->model_id != NULL ? v->model_id : "", visit_streams(v),
                                    v->request, v->request_id);
    visit_answered(v, &a, plan);
    answer_release(&a);
    return plan;
}
