/* chat_tools.c: tools, the choice among them, and names that Converse would refuse.
 *
 * The chat API takes any name; Converse takes 64 characters of [a-zA-Z0-9_-]. An illegal name gets its bad characters
 * replaced and eight hex digits of its own hash put behind: legal, unlike the name of any other tool, and the same
 * wherever the name stands. Converse cannot be told "none": the tools are left out. But when the history holds tool
 * blocks it wants a toolConfig all the same, so one tool that cannot be used stands in.
 */
#include "gateway/translation.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static bool legal_char(unsigned char c)
{
    return c < 0x80 && (isalnum(c) || c == '_' || c == '-');
}

static bool legal_name(const char *name)
{
    size_t n = 0;
    while (legal_char((unsigned char)name[n]) && n <= TOOL_NAME_MAX)
        n++;
    return name[n] == '\0' && n > 0 && n <= TOOL_NAME_MAX;
}

void tool_names_release(struct tool_names *names)
{
    for (size_t i = 0; names != NULL && i < names->count; i++)
        free(names->items[i].client);
    if (names != NULL) {
        free(names->items);
        *names = (struct tool_names){NULL, 0, 0};
    }
}

static void rewrite(const char *client, char out[TOOL_NAME_MAX + 1])
{
    size_t n = 0;
    for (; client[n] != '\0' && n < TOOL_NAME_MAX - 9; n++)
        out[n] = legal_char((unsigned char)client[n]) ? client[n] : '_';
    (void)snprintf(out + n, 10, "_%08x", es_crc32(0, span_of(client)));
}

const char *tool_names_upstream(struct tool_names *names, const char *client)
{
    if (legal_name(client))
        return client;
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i].client, client) == 0)
            return names->items[i].upstream;
    if (names->cap == 0) { /* in place for good: what was handed out points into it */
        names->items = calloc(CHAT_TOOLS_MAX, sizeof *names->items);
        names->cap = names->items != NULL ? CHAT_TOOLS_MAX : 0;
    }
    if (names->items == NULL || names->count == names->cap)
        return NULL;
    struct tool_name *added = &names->items[names->count];
    added->client = span_dup(span_of(client));
    if (added->client == NULL)
        return NULL;
    rewrite(client, added->upstream);
    names->count++;
    return added->upstream;
}

const char *tool_names_client(const struct tool_names *names, const char *upstream)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i].upstream, upstream) == 0)
            return names->items[i].client;
    return upstream;
}

/* ---- toolConfig ---- */

static cJSON *empty_schema(struct translation *t)
{
    cJSON *schema = tree_wrap_text("type", "object");
    (void)tree_object(&t->starved, schema, "properties");
    return schema;
}

static enum err read_tool(struct translation *t, const cJSON *tool, cJSON *tools)
{
    const char *type = json_str(tool, "type");
    const cJSON *function = json_member(tool, "function");
    const char *name = json_str(function, "name"), *description = json_str(function, "description");
    if (type == NULL || strcmp(type, "function") != 0)
        return fail_bad(t->fail, t->where, "a tool of type '%.40s' is not offered: only functions are",
                        type != NULL ? type : "");
    if (name == NULL || name[0] == '\0')
        return fail_bad(t->fail, t->where, "a tool needs function.name");
    const cJSON *parameters = json_member(function, "parameters");
    if (parameters != NULL && !cJSON_IsObject(parameters))
        return fail_bad(t->fail, t->where, "function.parameters is %s: expected a JSON schema",
                        json_type_name(parameters));
    const char *upstream = tool_names_upstream(&t->request->tools, name);
    if (upstream == NULL)
        return ERR_NOMEM;
    cJSON *spec = tree_wrap_text("name", upstream);
    if (description != NULL && description[0] != '\0')
        (void)tree_text(&t->starved, spec, "description", description);
    bool bare = parameters == NULL || parameters->child == NULL;
    cJSON *schema = bare ? empty_schema(t) : cJSON_Duplicate(parameters, true);
    (void)tree_put(&t->starved, spec, "inputSchema", tree_wrap("json", schema));
    if (t->traits.strict_tools && cJSON_IsTrue(json_member(function, "strict")))
        (void)tree_put(&t->starved, spec, "strict", cJSON_CreateTrue());
    (void)tree_push(&t->starved, tools, tree_wrap("toolSpec", spec));
    translate_cache_control(t, tool, t->traits.cache_tools, tools);
    translate_cache_control(t, function, t->traits.cache_tools, tools);
    return OK;
}

static enum err read_tools(struct translation *t, const cJSON *list, cJSON *tools)
{
    size_t i = 0;
    enum err e = OK;
    for (const cJSON *tool = list->child; e == OK && tool != NULL; tool = tool->next, i++) {
        (void)snprintf(t->where, sizeof t->where, "tools[%zu]", i);
        e = i < CHAT_TOOLS_MAX ? read_tool(t, tool, tools)
                               : fail_bad(t->fail, "tools", "more than %d tools", CHAT_TOOLS_MAX);
    }
    return e;
}

/* One tool for a history with tool blocks in a call without tools. */
static void stand_in(struct translation *t)
{
    cJSON *spec = tree_wrap_text("name", "no_tool");
    (void)tree_text(&t->starved, spec, "description", "There is no tool to call now. Answer in words.");
    (void)tree_put(&t->starved, spec, "inputSchema", tree_wrap("json", empty_schema(t)));
    cJSON *config = tree_object(&t->starved, t->out, "toolConfig");
    (void)tree_push(&t->starved, tree_array(&t->starved, config, "tools"), tree_wrap("toolSpec", spec));
}

static bool offered(const cJSON *tools, const char *name)
{
    for (const cJSON *tool = tools->child; tool != NULL; tool = tool->next) {
        const char *known = json_str(json_member(tool, "toolSpec"), "name");
        if (known != NULL && strcmp(known, name) == 0)
            return true;
    }
    return false;
}

/* The choice as Converse has it; NULL with OK: say nothing. */
static enum err read_choice(struct translation *t, const cJSON *choice, const cJSON *tools, cJSON **out)
{
    static const struct {
        const char *word, *key;
    } words[] = {{"auto", "auto"}, {"required", "any"}};
    const char *name = json_str(json_member(choice, "function"), "name");
    bool forced = true;
    for (size_t i = 0; cJSON_IsString(choice) && i < COUNT_OF(words); i++)
        if (strcmp(choice->valuestring, words[i].word) == 0) {
            *out = tree_wrap(words[i].key, cJSON_CreateObject());
            forced = i > 0;
        }
    if (cJSON_IsObject(choice) && name != NULL) {
        const char *upstream = tool_names_upstream(&t->request->tools, name);
        if (upstream == NULL || !offered(tools, upstream))
            return fail_bad(t->fail, "tool_choice", "there is no tool '%.64s' in tools", name);
        *out = tree_wrap("tool", tree_wrap_text("name", upstream));
    }
    if (*out == NULL)
        return fail_bad(t->fail, "tool_choice", "expected auto, none, required, or one function by its name");
    if (!t->traits.tool_choice || (forced && t->thinking))
        json_free(out); /* the model would refuse it; left to choose, it may still call */
    return OK;
}

static bool chose_none(const cJSON *choice)
{
    return cJSON_IsString(choice) && strcmp(choice->valuestring, "none") == 0;
}

enum err translate_tools(struct translation *t)
{
    const cJSON *list = json_member(t->in, "tools"), *choice = json_member(t->in, "tool_choice");
    if (list != NULL && !cJSON_IsArray(list))
        return fail_bad(t->fail, "tools", "tools is %s: expected a list", json_type_name(list));
    if (list == NULL || list->child == NULL || chose_none(choice)) {
        if (t->tool_blocks)
            stand_in(t);
        return OK;
    }
    cJSON *config = tree_object(&t->starved, t->out, "toolConfig");
    cJSON *tools = tree_array(&t->starved, config, "tools");
    if (tools == NULL)
        return ERR_NOMEM;
    enum err e = read_tools(t, list, tools);
    if (e != OK || choice == NULL)
        return e;
    CLEANUP(json_free) cJSON *chosen = NULL;
    e = read_choice(t, choice, tools, &chosen);
    if (e == OK && chosen != NULL) {
        (void)tree_put(&t->starved, config, "toolChoice", chosen);
        chosen = NULL;
    }
    return e;
}
