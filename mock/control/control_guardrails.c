/* control_guardrails.c: ListGuardrails and GetGuardrail, of the guardrails that guardrail.h keeps.
 *
 * A guardrail is data in the words of GetGuardrail already, with members of our own in it; what the API model does not
 * have is left out. A list without an identifier names the DRAFT of each, one with an identifier all versions of it;
 * Get without a version is the DRAFT, or the first there is.
 */
#include "mock/control/control.h"
#include "mock/guardrail/guardrail.h"

/* The members that the API model knows, and of those the ones the spec has. */
static void copy_known(const cJSON *spec, const struct shape *shape, cJSON *out);

static cJSON *copy_value(const cJSON *value, const struct shape_member *m)
{
    if (m->kind == SHAPE_LIST && cJSON_IsArray(value) && m->element->type != NULL &&
        m->element->type->member_count > 0) {
        cJSON *list = cJSON_CreateArray();
        const cJSON *item;
        cJSON_ArrayForEach(item, value)
        {
            cJSON *one = cJSON_CreateObject();
            copy_known(item, m->element->type, one);
            (void)cJSON_AddItemToArray(list, one);
        }
        return list;
    }
    if (!cJSON_IsObject(value) || m->type == NULL)
        return cJSON_Duplicate(value, true);
    cJSON *object = cJSON_CreateObject();
    copy_known(value, m->type, object);
    return object;
}

static void copy_known(const cJSON *spec, const struct shape *shape, cJSON *out)
{
    for (size_t i = 0; i < shape->member_count; i++) {
        const cJSON *value = json_member(spec, shape->members[i].name);
        if (value != NULL && out != NULL)
            (void)json_set(out, shape->members[i].name, copy_value(value, &shape->members[i]));
    }
}

static cJSON *answer_of(const struct visit *v, const struct guardrail *g)
{
    const struct api_operation *get = api_operation(v->mock->api, "GetGuardrail");
    CLEANUP(buf_release) struct buf region = BUF_INIT(BUF_ANY), arn = BUF_INIT(BUF_ANY);
    cJSON *out = cJSON_CreateObject();
    visit_region(v, &region);
    guardrail_arn(g, buf_text(&region), visit_account(v), &arn);
    copy_known(g->spec, &get->response.body, out);
    const struct {
        const char *key, *value;
    } texts[] = {{"name", g->name},
                 {"description", g->description},
                 {"guardrailId", g->id},
                 {"guardrailArn", buf_text(&arn)},
                 {"version", g->version},
                 {"status", "READY"},
                 {"createdAt", g->created_at},
                 {"updatedAt", g->updated_at},
                 {"blockedInputMessaging", g->blocked_input},
                 {"blockedOutputsMessaging", g->blocked_output}};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (texts[i].value != NULL)
            (void)json_set_string(out, texts[i].key, texts[i].value);
    return out;
}

bool control_gather_guardrails(struct visit *v, cJSON *list)
{
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY), version = BUF_INIT(BUF_ANY);
    CLEANUP(guardrail_set_drop) struct guardrail_set *set = guardrails_hold(v->mock->guardrails);
    bool get = *control_label(v, "guardrailIdentifier", &id) != '\0';
    bool versions = !get && *control_query(v, "guardrailIdentifier", &id) != '\0';
    if (get) {
        bool said = *control_query(v, "guardrailVersion", &version) != '\0';
        const struct guardrail *g = guardrail_find(set, buf_text(&id), said ? buf_text(&version) : NULL);
        return g == NULL || cJSON_AddItemToArray(list, answer_of(v, g));
    }
    const struct guardrail *g, *named = versions ? guardrail_find(set, buf_text(&id), NULL) : NULL;
    const char *last = "";
    for (size_t i = 0; (g = guardrail_set_at(set, i)) != NULL; i++) {
        bool shown = versions ? named != NULL && strcmp(named->id, g->id) == 0 : strcmp(last, g->id) != 0;
        last = g->id;
        if (shown && !cJSON_AddItemToArray(list, answer_of(v, g)))
            return false;
    }
    return true;
}
