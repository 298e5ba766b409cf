/* native_read.c: a provider's request becomes the tree of a Converse request.
 *
 * Only what the mock's answer, its token counter and its rules look at is carried over: messages, system, limits,
 * tools, thinking, structured output. Anything of a wrong type is left out; what is said about it is native_rules.c's.
 */
#include "mock/native/native.h"

static cJSON *add_new(cJSON *object, const char *key, cJSON *value)
{
    if (value == NULL || cJSON_AddItemToObject(object, key, value))
        return value;
    cJSON_Delete(value);
    return NULL;
}

static void copy(cJSON *into, const char *key, const cJSON *value)
{
    if (value != NULL && !cJSON_IsNull(value))
        (void)add_new(into, key, cJSON_Duplicate(value, true));
}

static void copy_string(cJSON *into, const char *key, const cJSON *value)
{
    if (cJSON_IsString(value))
        copy(into, key, value);
}

/* A member of `list` with one member of its own: {"toolUse": {}}; the inner object. */
static cJSON *add_block(cJSON *list, const char *kind)
{
    cJSON *block = cJSON_CreateObject();
    if (block == NULL || !cJSON_AddItemToArray(list, block)) {
        cJSON_Delete(block);
        return NULL;
    }
    return cJSON_AddObjectToObject(block, kind);
}

static void add_text(cJSON *list, const char *text)
{
    cJSON *block = cJSON_CreateObject();
    if (block != NULL && (cJSON_AddStringToObject(block, "text", text) == NULL || !cJSON_AddItemToArray(list, block)))
        cJSON_Delete(block);
}

static cJSON *add_message(cJSON *messages, const char *role)
{
    cJSON *message = cJSON_CreateObject();
    if (message == NULL || !cJSON_AddItemToArray(messages, message)) {
        cJSON_Delete(message);
        return NULL;
    }
    (void)cJSON_AddStringToObject(message, "role", role);
    return cJSON_AddArrayToObject(message, "content");
}

static cJSON *member_object(cJSON *object, const char *key)
{
    cJSON *found = json_member(object, key);
    return found != NULL ? found : cJSON_AddObjectToObject(object, key);
}

static cJSON *member_array(cJSON *object, const char *key)
{
    cJSON *found = json_member(object, key);
    return found != NULL ? found : cJSON_AddArrayToObject(object, key);
}

/* Limits, by their Converse names. A single stop sequence may be a plain string. */
static void add_limits(cJSON *asked, const cJSON *most, const cJSON *sequences)
{
    cJSON *config = member_object(asked, "inferenceConfig");
    if (cJSON_IsNumber(most))
        copy(config, "maxTokens", most);
    if (cJSON_IsArray(sequences))
        copy(config, "stopSequences", sequences);
    else if (cJSON_IsString(sequences))
        (void)cJSON_AddItemToArray(cJSON_AddArrayToObject(config, "stopSequences"), cJSON_Duplicate(sequences, true));
}

static void add_samplers(cJSON *asked, const cJSON *body)
{
    cJSON *config = member_object(asked, "inferenceConfig");
    copy(config, "temperature", json_member(body, "temperature"));
    copy(config, "topP", json_member(body, "top_p"));
}

static void add_tool(cJSON *asked, const cJSON *name, const cJSON *description, const cJSON *schema)
{
    cJSON *tools = member_array(member_object(asked, "toolConfig"), "tools");
    cJSON *spec = cJSON_IsString(name) ? add_block(tools, "toolSpec") : NULL;
    if (spec == NULL)
        return;
    copy(spec, "name", name);
    copy_string(spec, "description", description);
    copy(cJSON_AddObjectToObject(spec, "inputSchema"), "json", schema);
}

/* choice: auto, any, tool */
static void add_choice(cJSON *asked, const char *choice, const cJSON *name)
{
    if (json_member(asked, "toolConfig") == NULL)
        return;
    cJSON *inner =
        cJSON_AddObjectToObject(cJSON_AddObjectToObject(json_member(asked, "toolConfig"), "toolChoice"), choice);
    copy_string(inner, "name", name);
}

static void add_schema(cJSON *asked, const cJSON *schema)
{
    CLEANUP(free_ptr) char *text = cJSON_IsObject(schema) ? json_text(schema, JSON_COMPACT) : NULL;
    if (text == NULL)
        return;
    cJSON *format = cJSON_AddObjectToObject(cJSON_AddObjectToObject(asked, "outputConfig"), "textFormat");
    cJSON *inner = cJSON_AddObjectToObject(cJSON_AddObjectToObject(format, "structure"), "jsonSchema");
    (void)cJSON_AddStringToObject(inner, "schema", text);
}

/* ---- Anthropic Messages ---- */

static void add_point(cJSON *list, const cJSON *block)
{
    const cJSON *control = json_member(block, "cache_control");
    cJSON *point = control == NULL ? NULL : add_block(list, "cachePoint");
    if (point == NULL)
        return;
    (void)cJSON_AddStringToObject(point, "type", "default");
    copy_string(point, "ttl", json_member(control, "ttl"));
}

static void anthropic_text(cJSON *list, const cJSON *b)
{
    const char *text = json_str(b, "text");
    if (text != NULL)
        add_text(list, text);
}

static void anthropic_content(cJSON *list, const cJSON *content, size_t depth);

/* Images and documents. What Claude calls the title of a document is its name to Converse. */
static void anthropic_media(cJSON *list, const cJSON *b)
{
    const char *kind = json_str(b, "type");
    const cJSON *source = json_member(b, "source"), *data = json_member(source, "data");
    const char *media = json_str(source, "media_type");
    const char *slash = media == NULL ? NULL : strchr(media, '/');
    const char *form = json_str(source, "type");
    bool text = form != NULL && strcmp(form, "text") == 0;
    cJSON *inner = add_block(list, kind);
    (void)cJSON_AddStringToObject(inner, "format", text ? "txt" : slash != NULL ? slash + 1 : "png");
    copy_string(inner, "name", json_member(b, "title"));
    copy_string(inner, "context", json_member(b, "context"));
    cJSON *into = cJSON_AddObjectToObject(inner, "source");
    if (form != NULL && strcmp(form, "content") == 0)
        anthropic_content(cJSON_AddArrayToObject(into, "content"), json_member(source, "content"), 1);
    else
        copy_string(into, text ? "text" : "bytes", data);
}

static void anthropic_search_result(cJSON *list, const cJSON *b)
{
    cJSON *inner = add_block(list, "searchResult");
    copy_string(inner, "source", json_member(b, "source"));
    copy_string(inner, "title", json_member(b, "title"));
    anthropic_content(cJSON_AddArrayToObject(inner, "content"), json_member(b, "content"), 1);
}

/* A block of a kind that Converse has no word for (a server tool's, what comes next year) is counted as its JSON. */
static void anthropic_other(cJSON *list, const cJSON *b)
{
    cJSON *block = cJSON_CreateObject();
    copy(block, "json", b);
    cJSON_DeleteItemFromObjectCaseSensitive(json_member(block, "json"), "cache_control");
    if (block == NULL || !cJSON_AddItemToArray(list, block))
        cJSON_Delete(block);
}

static void anthropic_thinking(cJSON *list, const cJSON *b)
{
    cJSON *inner = cJSON_AddObjectToObject(add_block(list, "reasoningContent"), "reasoningText");
    copy_string(inner, "text", json_member(b, "thinking"));
    copy_string(inner, "signature", json_member(b, "signature"));
}

static void anthropic_redacted(cJSON *list, const cJSON *b)
{
    copy_string(add_block(list, "reasoningContent"), "redactedContent", json_member(b, "data"));
}

static void anthropic_tool_use(cJSON *list, const cJSON *b)
{
    cJSON *use = add_block(list, "toolUse");
    copy_string(use, "toolUseId", json_member(b, "id"));
    copy_string(use, "name", json_member(b, "name"));
    copy(use, "input", json_member(b, "input"));
}

static void anthropic_tool_result(cJSON *list, const cJSON *b)
{
    cJSON *result = add_block(list, "toolResult");
    copy_string(result, "toolUseId", json_member(b, "tool_use_id"));
    anthropic_content(cJSON_AddArrayToObject(result, "content"), json_member(b, "content"), 1);
    if (cJSON_IsTrue(json_member(b, "is_error")))
        (void)cJSON_AddStringToObject(result, "status", "error");
}

static const struct {
    const char *type;
    void (*add)(cJSON *list, const cJSON *b);
    bool inside; /* a tool result, too */
} anthropic_blocks[] = {
    {"text", anthropic_text, true},
    {"image", anthropic_media, true},
    {"document", anthropic_media, true},
    {"search_result", anthropic_search_result, true},
    {"thinking", anthropic_thinking, false},
    {"tool_use", anthropic_tool_use, false},
    {"tool_result", anthropic_tool_result, false},
    {"redacted_thinking", anthropic_redacted, false},
};

static void anthropic_block(cJSON *list, const cJSON *b, size_t depth)
{
    const char *type = json_str(b, "type");
    size_t i = 0;
    while (type != NULL && i < COUNT_OF(anthropic_blocks) &&
           (strcmp(type, anthropic_blocks[i].type) != 0 || (depth > 0 && !anthropic_blocks[i].inside)))
        i++;
    if (type == NULL)
        return;
    if (i < COUNT_OF(anthropic_blocks))
        anthropic_blocks[i].add(list, b);
    else
        anthropic_other(list, b);
}

static void anthropic_content(cJSON *list, const cJSON *content, size_t depth)
{
    const cJSON *b;
    if (cJSON_IsString(content)) {
        add_text(list, content->valuestring);
        return;
    }
    const cJSON *blocks = cJSON_IsArray(content) ? content : NULL;
    cJSON_ArrayForEach(b, blocks)
    {
        anthropic_block(list, b, depth);
        add_point(list, b);
    }
}

static void anthropic_tools(cJSON *asked, const cJSON *body)
{
    const cJSON *tool, *choice = json_member(body, "tool_choice");
    const cJSON *tools = json_member(body, "tools");
    cJSON_ArrayForEach(tool, tools)
    {
        add_tool(asked, json_member(tool, "name"), json_member(tool, "description"), json_member(tool, "input_schema"));
        if (json_member(asked, "toolConfig") != NULL)
            add_point(member_array(json_member(asked, "toolConfig"), "tools"), tool);
    }
    const char *type = json_str(choice, "type");
    if (type != NULL && (strcmp(type, "auto") == 0 || strcmp(type, "any") == 0 || strcmp(type, "tool") == 0))
        add_choice(asked, type, json_member(choice, "name"));
}

void read_anthropic(const struct native_family *f, const cJSON *body, cJSON *asked)
{
    (void)f;
    const cJSON *m, *thinking = json_member(body, "thinking"), *list = json_member(body, "messages");
    cJSON *messages = cJSON_AddArrayToObject(asked, "messages");
    cJSON_ArrayForEach(m, list)
    {
        const char *role = json_str(m, "role");
        anthropic_content(add_message(messages, role == NULL ? "user" : role), json_member(m, "content"), 0);
    }
    if (json_member(body, "system") != NULL)
        anthropic_content(cJSON_AddArrayToObject(asked, "system"), json_member(body, "system"), 0);
    anthropic_tools(asked, body);
    add_limits(asked, json_member(body, "max_tokens"), json_member(body, "stop_sequences"));
    add_samplers(asked, body);
    if (thinking != NULL)
        copy(cJSON_AddObjectToObject(asked, "additionalModelRequestFields"), "thinking", thinking);
    const cJSON *format = json_at(body, "/output_config/format");
    add_schema(asked, json_member(format != NULL ? format : json_member(body, "output_format"), "schema"));
}

/* ---- Nova ---- */

/* Its bodies are Converse's but for the name of one limit. */
void read_nova(const struct native_family *f, const cJSON *body, cJSON *asked)
{
    (void)f;
    static const char *const same[] = {"messages", "system", "inferenceConfig", "toolConfig"};
    for (size_t i = 0; i < COUNT_OF(same); i++)
        copy(asked, same[i], json_member(body, same[i]));
    cJSON *config = json_member(asked, "inferenceConfig");
    const cJSON *old = json_member(config, "max_new_tokens");
    if (old != NULL && json_member(config, "maxTokens") == NULL)
        copy(config, "maxTokens", old);
    const cJSON *reasoning = json_member(body, "reasoningConfig");
    if (reasoning != NULL)
        copy(cJSON_AddObjectToObject(asked, "additionalModelRequestFields"), "reasoningConfig", reasoning);
}

/* ---- a prompt, a limit, stop sequences ---- */

void read_prompt(const struct native_family *f, const cJSON *body, cJSON *asked)
{
    const cJSON *prompt = json_at(body, f->prompt);
    cJSON *messages = cJSON_AddArrayToObject(asked, "messages");
    if (cJSON_IsString(prompt))
        add_text(add_message(messages, "user"), prompt->valuestring);
    add_limits(asked, f->most == NULL ? NULL : json_at(body, f->most),
               f->sequences == NULL ? NULL : json_at(body, f->sequences));
}

/* ---- OpenAI's chat ---- */

static void chat_part(cJSON *list, const cJSON *part)
{
    const char *text = json_str(part, "text"), *url = json_str(json_member(part, "image_url"), "url");
    if (text != NULL)
        add_text(list, text);
    const char *comma = url != NULL && strncmp(url, "data:image/", 11) == 0 ? strchr(url, ',') : NULL;
    const char *semicolon = comma == NULL ? NULL : strchr(url, ';');
    if (semicolon == NULL || semicolon > comma)
        return;
    cJSON *image = add_block(list, "image");
    CLEANUP(free_ptr)
    char *format = span_dup((struct span){(const unsigned char *)url + 11, (size_t)(semicolon - url) - 11});
    (void)cJSON_AddStringToObject(image, "format", format == NULL ? "png" : format);
    (void)cJSON_AddStringToObject(cJSON_AddObjectToObject(image, "source"), "bytes", comma + 1);
}

static void chat_content(cJSON *list, const cJSON *content)
{
    const cJSON *part, *parts = cJSON_IsArray(content) ? content : NULL;
    if (cJSON_IsString(content))
        add_text(list, content->valuestring);
    cJSON_ArrayForEach(part, parts) chat_part(list, part);
}

static void chat_calls(cJSON *list, const cJSON *message)
{
    const cJSON *call, *calls = json_member(message, "tool_calls");
    cJSON_ArrayForEach(call, calls)
    {
        cJSON *use = add_block(list, "toolUse"), *input = NULL;
        const char *arguments = json_str(json_member(call, "function"), "arguments");
        copy_string(use, "toolUseId", json_member(call, "id"));
        copy_string(use, "name", json_at(call, "/function/name"));
        if (arguments != NULL && json_parse(span_of(arguments), JSON_COMPACT, &input, NULL) == OK)
            (void)add_new(use, "input", input);
    }
}

static void chat_message(cJSON *asked, const cJSON *m)
{
    const char *role = json_str(m, "role");
    role = role == NULL ? "user" : role;
    if (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0) {
        chat_content(member_array(asked, "system"), json_member(m, "content"));
        return;
    }
    bool tool = strcmp(role, "tool") == 0;
    cJSON *content = add_message(member_array(asked, "messages"), tool ? "user" : role);
    if (!tool) {
        chat_content(content, json_member(m, "content"));
        chat_calls(content, m);
        return;
    }
    cJSON *result = add_block(content, "toolResult");
    copy_string(result, "toolUseId", json_member(m, "tool_call_id"));
    chat_content(cJSON_AddArrayToObject(result, "content"), json_member(m, "content"));
}

void read_chat(const struct native_family *f, const cJSON *body, cJSON *asked)
{
    (void)f;
    const cJSON *m, *tool, *list = json_member(body, "messages"), *tools = json_member(body, "tools");
    (void)cJSON_AddArrayToObject(asked, "messages");
    cJSON_ArrayForEach(m, list) chat_message(asked, m);
    cJSON_ArrayForEach(tool, tools)
        add_tool(asked, json_at(tool, "/function/name"), json_at(tool, "/function/description"),
                 json_at(tool, "/function/parameters"));
    const cJSON *choice = json_member(body, "tool_choice"), *most = json_member(body, "max_completion_tokens");
    if (cJSON_IsString(choice) &&
        (strcmp(choice->valuestring, "any") == 0 || strcmp(choice->valuestring, "required") == 0))
        add_choice(asked, "any", NULL);
    else if (json_at(choice, "/function/name") != NULL)
        add_choice(asked, "tool", json_at(choice, "/function/name"));
    add_limits(asked, most != NULL ? most : json_member(body, "max_tokens"), json_member(body, "stop"));
    add_samplers(asked, body);
    add_schema(asked, json_at(body, "/response_format/json_schema/schema"));
    const char *effort = json_str(body, "reasoning_effort");
    if (effort != NULL && strcmp(effort, "none") != 0) {
        cJSON *fields = cJSON_AddObjectToObject(asked, "additionalModelRequestFields");
        (void)cJSON_AddStringToObject(cJSON_AddObjectToObject(fields, "reasoning_config"), "type", "enabled");
    }
}

/* ---- Cohere Command R ---- */

void read_command_r(const struct native_family *f, const cJSON *body, cJSON *asked)
{
    (void)f;
    const cJSON *m, *history = json_member(body, "chat_history");
    const char *preamble = json_str(body, "preamble"), *message = json_str(body, "message");
    cJSON *messages = cJSON_AddArrayToObject(asked, "messages");
    cJSON_ArrayForEach(m, history)
    {
        const char *role = json_str(m, "role"), *text = json_str(m, "message");
        if (text != NULL)
            add_text(add_message(messages, role != NULL && strcmp(role, "CHATBOT") == 0 ? "assistant" : "user"), text);
    }
    if (message != NULL)
        add_text(add_message(messages, "user"), message);
    if (preamble != NULL)
        add_text(cJSON_AddArrayToObject(asked, "system"), preamble);
    add_limits(asked, json_member(body, "max_tokens"), json_member(body, "stop_sequences"));
}

/* ---- embeddings ---- */

/* Their tokens are those of their texts, counted in native_embed.c; nothing is asked of a model that talks. */
void read_embedding(const struct native_family *f, const cJSON *body, cJSON *asked)
{
    (void)f, (void)body, (void)asked;
}
