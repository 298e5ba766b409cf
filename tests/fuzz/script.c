/* Any bytes as bodies of POST /script and POST /faults: refused with a sentence and without a trace, or queued; and what
 * is queued can be taken, and becomes a plan that the server could send, whatever the faults make of it.
 */
#include <stdlib.h>

#include "mock/script/script.h"
#include "mock/script/scripted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* All that the server relies on. */
static void check_plan(struct plan *plan)
{
    if (plan == NULL)
        return;
    must(plan->failed || (plan->status >= 100 && plan->status <= 999));
    for (size_t i = 0; i < plan->count && !plan->failed; i++)
        must(plan->pieces[i].from <= plan->bytes.len && plan->pieces[i].n <= plan->bytes.len - plan->pieces[i].from);
    plan_free(plan);
}

static void say(const cJSON *reply)
{
    struct answer a;
    answer_init(&a, 1);
    (void)scripted_answer(reply, &a);
    scripted_stop(reply, &a);
    answer_count(&a);
    must(!a.failed || a.count >= ANSWER_BLOCKS_MAX);
    answer_release(&a);
}

static void play(struct script *s, const cJSON *subject)
{
    struct rng rng = {1};
    const struct fault_scene scene = {.request_id = "00000000-0000-0000-0000-000000000000", .rng = &rng};
    struct shared *faults = script_faults(s);
    for (int i = 0; i < 4; i++) {
        struct shared *taken = script_take(s, subject, (enum scripted_use)(i % 3));
        const cJSON *reply = json_member(shared_tree(taken), "reply");
        if (reply != NULL && scripted_is_answer(reply))
            say(reply);
        else if (reply != NULL)
            check_plan(faults_apply(scripted_finish(reply, scripted_plan(reply, &scene), &scene), shared_tree(faults),
                                    &scene));
        shared_drop(&taken);
    }
    struct plan *body = plan_new(200);
    plan_body(body, "text/plain", SPAN_LIT("a body of some bytes"));
    check_plan(faults_apply(body, shared_tree(faults), &scene));
    shared_drop(&faults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(json_free) cJSON *body = NULL;
    CLEANUP(json_free) cJSON *subject = cJSON_Parse("{\"operation\":\"Converse\",\"model\":\"m\",\"body\":{\"a\":1}}");
    struct note note = {""};
    size_t queued = 0;
    if (json_parse((struct span){data, size}, JSON_UNIQUE, &body, NULL) != OK)
        return 0;
    struct script *s = script_new();
    must(s != NULL && subject != NULL);
    enum err e = script_append(s, body, &queued, &note);
    must(e == OK ? true : note.text[0] != '\0' && !script_waits(s) && queued == 0);
    note.text[0] = '\0';
    if (json_member(body, "faults") != NULL)
        must(script_set_faults(s, body, &note) == OK || note.text[0] != '\0');
    play(s, subject);
    script_free(s);
    return 0;
}
