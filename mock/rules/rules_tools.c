/* rules_tools.c: what a request says and hardly means: a choice of a tool that is not offered, two of one name, members nobody knows.
 *
 * What Bedrock does with them is not published, so these rules are off until somebody asks. The words on tools
 * follow those that Anthropic's own API is known for.
 */
#include "mock/rules/rules.h"

static const cJSON *tools_of(const struct visit *v)
{
    return json_item(json_item(v->body, "toolConfig"), "tools");
}

static const char *name_of(const cJSON *tool)
{
    return json_str(json_item(tool, "toolSpec"), "name");
}

bool rule_chooses_no_tool(const struct visit *v, struct finding *f)
{
    const char *wanted = json_str(json_at(v->body, "/toolConfig/toolChoice/tool"), "name");
    const cJSON *tool;
    if (wanted == NULL)
        return false;
    cJSON_ArrayForEach(tool, tools_of(v))
    {
        const char *name = name_of(tool);
        if (name != NULL && strcmp(name, wanted) == 0)
            return false;
    }
    buf_addf(&f->whole, RULE_RETURNED "tool_choice: Tool '%.64s' not found in provided tools", wanted);
    return true;
}

/* The names so far, as members of an object, so that a thousand of them are no million comparisons. */
static bool is_new(cJSON *seen, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(seen, name) == NULL && cJSON_AddNullToObject(seen, name) != NULL;
}

bool rule_has_tool_twice(const struct visit *v, struct finding *f)
{
    CLEANUP(json_free) cJSON *seen = cJSON_CreateObject();
    const cJSON *tool;
    cJSON_ArrayForEach(tool, tools_of(v))
    {
        if (name_of(tool) == NULL || is_new(seen, name_of(tool)))
            continue;
        buf_adds(&f->whole, RULE_RETURNED "tools: Tool names must be unique.");
        return true;
    }
    return false;
}

bool rule_has_use_twice(const struct visit *v, struct finding *f)
{
    CLEANUP(json_free) cJSON *seen = cJSON_CreateObject();
    const cJSON *message, *block;
    cJSON_ArrayForEach(message, json_item(v->body, "messages"))
    {
        f->j = 0;
        cJSON_ArrayForEach(block, json_item(message, "content"))
        {
            const char *id = json_str(json_item(block, "toolUse"), "toolUseId");
            if (id != NULL && !is_new(seen, id)) {
                buf_addf(&f->whole, RULE_RETURNED "messages.%zu.content.%zu: `tool_use` ids must be unique", f->i, f->j);
                return true;
            }
            f->j++;
        }
        f->i++;
    }
    return false;
}

bool rule_has_unknown_members(const struct visit *v, struct finding *f)
{
    CLEANUP(buf_release) struct buf first = BUF_INIT(BUF_ANY);
    if (v->route.operation == NULL || api_unknown_members(v->route.operation, v->body, 1, &first) == 0)
        return false;
    CLEANUP(json_free) cJSON *pointer = NULL;
    if (json_parse(buf_span(&first), JSON_COMPACT, &pointer, NULL) != OK || !cJSON_IsString(pointer))
        return false;
    char *key = strrchr(pointer->valuestring, '/');
    *key = '\0';
    buf_addf(&f->whole, "Malformed input request: #%s: extraneous key [%s] is not permitted, please reformat your input and try again.",
             pointer->valuestring, key + 1);
    return true;
}
