/* compat_read.c: requests of the compatible endpoints as Converse requests.
 *
 * Chat Completions and Messages are native bodies too, so their readers are native_read.c's. A Responses request is
 * first put into the words of Chat Completions, which has all that it can say but the order of reasoning; that one is
 * told to nobody, as the models do not get it either.
 */
#include "mock/compat/compat.h"
#include "mock/compat/compat_store.h"

#include <stdio.h>

/* ---- Responses, in the words of Chat Completions ---- */

static void copy_as(cJSON *into, const char *key, const cJSON *value)
{
    cJSON *twin = value == NULL || cJSON_IsNull(value) ? NULL : cJSON_Duplicate(value, true);
    if (twin != NULL && !cJSON_AddItemToObject(into, key, twin))
        cJSON_Delete(twin);
}

static cJSON *push(cJSON *list)
{
    cJSON *item = cJSON_CreateObject();
    if (item != NULL && cJSON_AddItemToArray(list, item))
        return item;
    cJSON_Delete(item);
    return NULL;
}

static void parts_of(cJSON *message, const cJSON *content)
{
    const cJSON *part, *parts = cJSON_IsArray(content) ? content : NULL;
    if (!cJSON_IsArray(content)) {
        copy_as(message, "content", content);
        return;
    }
    cJSON *list = cJSON_AddArrayToObject(message, "content");
    cJSON_ArrayForEach(part, parts)
    {
        const char *url = json_str(part, "image_url");
        cJSON *item = push(list);
        copy_as(item, "text", json_member(part, "text"));
        if (url != NULL)
            (void)cJSON_AddStringToObject(cJSON_AddObjectToObject(item, "image_url"), "url", url);
    }
}

static void call_of(cJSON *messages, const cJSON *item)
{
    cJSON *message = push(messages), *call = push(cJSON_AddArrayToObject(message, "tool_calls"));
    (void)cJSON_AddStringToObject(message, "role", "assistant");
    copy_as(call, "id", json_member(item, "call_id"));
    cJSON *function = cJSON_AddObjectToObject(call, "function");
    copy_as(function, "name", json_member(item, "name"));
    copy_as(function, "arguments", json_member(item, "arguments"));
}

static void input_item(cJSON *messages, const cJSON *item)
{
    const char *type = json_str(item, "type"), *role = json_str(item, "role");
    if (type != NULL && strcmp(type, "function_call") == 0) {
        call_of(messages, item);
    } else if (type != NULL && strcmp(type, "function_call_output") == 0) {
        cJSON *message = push(messages);
        (void)cJSON_AddStringToObject(message, "role", "tool");
        copy_as(message, "tool_call_id", json_member(item, "call_id"));
        parts_of(message, json_member(item, "output"));
    } else if (type == NULL || strcmp(type, "message") == 0) {
        cJSON *message = push(messages);
        (void)cJSON_AddStringToObject(message, "role", role != NULL ? role : "user");
        parts_of(message, json_member(item, "content"));
    }
}

static void tools_of(cJSON *chat, const cJSON *body)
{
    const cJSON *tool, *choice = json_member(body, "tool_choice"), *tools = json_member(body, "tools");
    cJSON *list = cJSON_IsArray(tools) ? cJSON_AddArrayToObject(chat, "tools") : NULL;
    cJSON_ArrayForEach(tool, tools)
    {
        const char *type = json_str(tool, "type");
        if (type != NULL && strcmp(type, "function") == 0)
            copy_as(push(list), "function", tool);
    }
    if (cJSON_IsObject(choice))
        copy_as(cJSON_AddObjectToObject(cJSON_AddObjectToObject(chat, "tool_choice"), "function"), "name",
                json_member(choice, "name"));
    else
        copy_as(chat, "tool_choice", choice);
}

/* `items`: what takes the place of the input. The caller frees. */
static cJSON *chat_of(const cJSON *body, const cJSON *items)
{
    cJSON *chat = cJSON_CreateObject(), *messages = cJSON_AddArrayToObject(chat, "messages");
    const cJSON *item, *input = items != NULL ? items : json_member(body, "input");
    const cJSON *format = json_at(body, "/text/format");
    if (json_str(body, "instructions") != NULL) {
        cJSON *system = push(messages);
        (void)cJSON_AddStringToObject(system, "role", "system");
        copy_as(system, "content", json_member(body, "instructions"));
    }
    if (cJSON_IsString(input))
        copy_as(push(messages), "content", input);
    else if (cJSON_IsArray(input))
        cJSON_ArrayForEach(item, input) input_item(messages, item);
    tools_of(chat, body);
    copy_as(chat, "max_completion_tokens", json_member(body, "max_output_tokens"));
    copy_as(chat, "temperature", json_member(body, "temperature"));
    copy_as(chat, "top_p", json_member(body, "top_p"));
    copy_as(chat, "reasoning_effort", json_at(body, "/reasoning/effort"));
    if (format != NULL) {
        cJSON *into = cJSON_AddObjectToObject(chat, "response_format");
        copy_as(into, "type", json_member(format, "type"));
        copy_as(into, "json_schema", format);
    }
    return chat;
}

/* ---- both ---- */

/* What native bodies do not say, and these do. */
static void add_wishes(cJSON *asked, const cJSON *chat)
{
    const char *choice = json_str(chat, "tool_choice");
    const char *format = json_str(json_member(chat, "response_format"), "type");
    if (choice != NULL && strcmp(choice, "none") == 0)
        cJSON_DeleteItemFromObjectCaseSensitive(asked, "toolConfig");
    if (format != NULL && strcmp(format, "json_object") == 0) {
        cJSON *text = cJSON_AddObjectToObject(cJSON_AddObjectToObject(asked, "outputConfig"), "textFormat");
        cJSON *schema = cJSON_AddObjectToObject(cJSON_AddObjectToObject(text, "structure"), "jsonSchema");
        (void)cJSON_AddStringToObject(schema, "schema",
                                      "{\"type\":\"object\",\"properties\":{\"answer\":{\"type\":\"string\"}},"
                                      "\"required\":[\"answer\"]}");
    }
}

static const struct native_family families[] = {
    [COMPAT_CHAT] = {.id = "openai-chat-completions",
                     .read = read_chat,
                     .write = write_chat_completion,
                     .stream = stream_chat_completion},
    [COMPAT_RESPONSES] = {.id = "openai-responses",
                          .read = read_chat,
                          .write = write_response,
                          .stream = stream_response},
    [COMPAT_MESSAGES] = {.id = "anthropic-messages",
                         .read = read_anthropic,
                         .write = write_anthropic,
                         .stream = stream_anthropic,
                         .stops = {[4] = "refusal"},
                         .claude = true},
};

void compat_read(struct visit *v)
{
    static const enum native_wire wires[] = {NATIVE_SSE, NATIVE_SSE_NAME_LAST, NATIVE_SSE_NAMED};
    enum compat_dialect d = v->compat->dialect;
    struct native_request *r = &v->native;
    v->model_id = json_str(v->body, "model");
    v->streams = cJSON_IsTrue(json_member(v->body, "stream"));
    *r = (struct native_request){.wire = wires[d],
                                 .done = d == COMPAT_CHAT && v->streams && !v->mock->config.no_done,
                                 .family = &families[d],
                                 .body = v->body,
                                 .not_json = !v->body_is_json};
    if (!cJSON_IsObject(v->body))
        return;
    if (d == COMPAT_RESPONSES)
        r->thread = responses_thread(v, v->body);
    CLEANUP(json_free) cJSON *chat = d == COMPAT_RESPONSES ? chat_of(v->body, r->thread) : NULL;
    const cJSON *body = chat != NULL ? chat : v->body;
    r->made = cJSON_CreateObject();
    r->asked = r->made;
    r->family->read(r->family, body, r->made);
    if (d != COMPAT_MESSAGES)
        add_wishes(r->made, body);
}

/* ---- models ---- */

struct model_ref compat_model(const struct visit *v, const char *id)
{
    static const char *const versions[] = {"-1:0", "-v1:0"};
    struct model_ref ref = visit_model(v, id);
    for (size_t i = 0; i < COUNT_OF(versions) && (ref.row == NULL || ref.row->id[0] == '\0'); i++) {
        char whole[256];
        int n = snprintf(whole, sizeof whole, "%s%s", id, versions[i]);
        struct model_ref longer = {MODEL_ID_INVALID, NULL, NULL};
        if (n > 0 && (size_t)n < sizeof whole && ref.kind != MODEL_ID_ARN && ref.kind != MODEL_ID_PROMPT)
            longer = models_resolve(v->mock->models, whole, true);
        if (longer.row != NULL && longer.kind != MODEL_ID_INVALID)
            ref = longer;
    }
    return ref;
}
