/* Two lines of bytes: a body of POST /guardrails, and a text (none: the body itself). The body is refused with a
 * sentence or laid over; then every guardrail that there is judges the text, and what it tells is inside the text and
 * has the shape of the API model.
 */
#include <stdlib.h>

#include "mock/guardrail/guardrail_assess.h"
#include "protocol/shape.h"

#define TEXT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void judge(const struct guardrail_set *set, const struct guardrail *rail, struct span text, bool output)
{
    static struct api *api;
    struct guardrail_part part = {.text = text, .guarded = true};
    struct guardrail_ask ask = {.set = set,
                                .rail = rail,
                                .output = output,
                                .full = true,
                                .parts = &part,
                                .count = 1,
                                .source = text,
                                .query = text};
    struct guardrail_verdict v;
    struct api_fault fault = API_FAULT_INIT;
    if (api == NULL)
        api = api_load(NULL);
    guardrail_assess(&ask, &v);
    must(!v.failed && (!v.blocked || v.block_end <= text.n) && (!v.masked || v.texts[0] != NULL));
    must(api_check_shape(api, api_shape(api, "GuardrailAssessment"), v.assessment, &fault) == OK);
    api_fault_release(&fault);
    guardrail_verdict_release(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guardrails *rails;
    CLEANUP(json_free) cJSON *body = NULL;
    struct note note = {""};
    struct span first, text = SPAN_EMPTY;
    bool two = span_split((struct span){data, size}, '\n', &first, &text);
    CLEANUP(free_ptr) char *string = span_dup(span_cut(two ? text : first, 0, TEXT_MAX));
    must(string != NULL);
    text = span_of(string);
    if (rails == NULL)
        must(guardrails_new(NULL, &rails, &note) == OK);
    note.text[0] = '\0';
    if (json_parse(first, JSON_UNIQUE, &body, NULL) == OK)
        must(guardrails_overlay(rails, body, &note) == OK || note.text[0] != '\0');
    CLEANUP(guardrail_set_drop) struct guardrail_set *set = guardrails_hold(rails);
    const struct guardrail *rail;
    for (size_t i = 0; (rail = guardrail_set_at(set, i)) != NULL; i++)
        judge(set, rail, text, i % 2 == 0);
    guardrails_forget(rails);
    return 0;
}
