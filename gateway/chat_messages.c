/* chat_messages.c: the messages of a chat as the system list and the turns of Converse.
 *
 * Converse is strict where the chat API is loose: no system role inside the conversation, user and assistant in strict
 * turns, all results of tools in one user turn and before its text, no blank text anywhere, no empty turn. So each
 * message is read into blocks, blank ones fall away, and what is left is put into a turn that grows while
 * the role stays the same. Dropping comes before merging: an assistant turn that falls away joins the user turns around
 * it. A user turn is kept as two lists, results and the rest, to bring the results to its front.
 */
#include "gateway/translation.h"

#include <stdio.h>
#include <stdlib.h>

struct turn {
    const char *role; /* NULL: none yet */
    cJSON *results;   /* toolResult blocks and the cache points behind them */
    cJSON *rest;
};

static void turn_release(struct turn *turn)
{
    cJSON_Delete(turn->results);
    cJSON_Delete(turn->rest);
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n\f\v")] == '\0';
}

static void at(struct translation *t, size_t message, int part)
{
    if (part < 0)
        (void)snprintf(t->where, sizeof t->where, "messages[%zu].content", message);
    else
        (void)snprintf(t->where, sizeof t->where, "messages[%zu].content[%d]", message, part);
}

void translate_cache_control(struct translation *t, const cJSON *of, bool allowed, cJSON *blocks)
{
    const cJSON *control = json_member(of, "cache_control");
    const cJSON *last = blocks != NULL && blocks->child != NULL ? blocks->child->prev : NULL;
    if (!allowed || !cJSON_IsObject(control) || last == NULL || json_member(last, "cachePoint") != NULL)
        return;
    cJSON *point = tree_wrap_text("type", "default");
    const char *ttl = json_str(control, "ttl");
    if (ttl != NULL && t->traits.cache_ttl)
        (void)tree_text(&t->starved, point, "ttl", ttl);
    (void)tree_push(&t->starved, blocks, tree_wrap("cachePoint", point));
}

/* ---- parts ---- */

static enum err put_text(struct translation *t, const char *text, cJSON *blocks)
{
    if (!is_blank(text))
        (void)tree_push(&t->starved, blocks, tree_wrap_text("text", text));
    return OK;
}

static enum err part_text(struct translation *t, const cJSON *part, cJSON *blocks)
{
    const char *text = json_str(part, "text");
    return text == NULL ? fail_bad(t->fail, t->where, "a text part needs text") : put_text(t, text, blocks);
}

static enum err part_refusal(struct translation *t, const cJSON *part, cJSON *blocks)
{
    const char *text = json_str(part, "refusal");
    return text == NULL ? fail_bad(t->fail, t->where, "a refusal part needs refusal") : put_text(t, text, blocks);
}

static enum err part_guarded(struct translation *t, const cJSON *part, cJSON *blocks)
{
    const char *text = json_str(part, "text");
    if (text == NULL)
        return fail_bad(t->fail, t->where, "a guarded_text part needs text");
    if (!is_blank(text))
        (void)tree_push(&t->starved, blocks,
                        tree_wrap("guardContent", tree_wrap("text", tree_wrap_text("text", text))));
    return OK;
}

static enum err part_json(struct translation *t, const cJSON *part, cJSON *blocks)
{
    const cJSON *value = json_member(part, "json");
    if (!cJSON_IsObject(value))
        return fail_bad(t->fail, t->where, "a json part needs an object in json");
    (void)tree_push(&t->starved, blocks, tree_wrap("json", cJSON_Duplicate(value, true)));
    return OK;
}

static const struct part_row {
    const char *type;
    unsigned speakers;
    enum err (*read)(struct translation *t, const cJSON *part, cJSON *blocks);
} parts[] = {
    {"text", SYSTEM | USER | ASSISTANT | TOOL, part_text},
    {"image_url", USER | TOOL, translate_image},
    {"video_url", USER | TOOL, translate_video},
    {"file", USER | TOOL, translate_file},
    {"refusal", ASSISTANT, part_refusal},
    {"guarded_text", SYSTEM | USER, part_guarded},
    {"json", TOOL, part_json},
};

static enum err read_part(struct translation *t, const cJSON *part, enum speaker who, cJSON *blocks)
{
    const char *type = json_str(part, "type");
    if (type == NULL)
        return fail_bad(t->fail, t->where, "a part is an object with a type, not %s", json_type_name(part));
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (strcmp(parts[i].type, type) == 0 && (parts[i].speakers & (unsigned)who) != 0)
            return parts[i].read(t, part, blocks);
    return fail_bad(t->fail, t->where, "a part of type %.40s cannot be sent to Converse here", type);
}

/* The content of a message: a string, a list of parts, or nothing. Where cache points go depends on who speaks: those
 * of a tool's result stand beside the toolResult block, so `blocks` gets none and the caller asks again. */
static enum err read_content(struct translation *t, const cJSON *message, size_t number, enum speaker who,
                             cJSON *blocks)
{
    const cJSON *content = json_member(message, "content");
    at(t, number, -1);
    if (content == NULL)
        return who == ASSISTANT ? OK : fail_bad(t->fail, t->where, "content is missing");
    bool points = t->traits.cache && who != TOOL;
    if (cJSON_IsString(content)) {
        (void)put_text(t, content->valuestring, blocks);
    } else if (cJSON_IsArray(content)) {
        int i = 0;
        for (const cJSON *part = content->child; part != NULL; part = part->next) {
            at(t, number, i++);
            enum err e = read_part(t, part, who, blocks);
            if (e != OK)
                return e;
            translate_cache_control(t, part, points, blocks);
        }
    } else if (who == TOOL && cJSON_IsObject(content)) {
        (void)tree_push(&t->starved, blocks, tree_wrap("json", cJSON_Duplicate(content, true)));
    } else {
        return fail_bad(t->fail, t->where, "content is %s: expected a string or a list of parts",
                        json_type_name(content));
    }
    if (who != ASSISTANT) /* whose calls are still to come */
        translate_cache_control(t, message, points, blocks);
    return OK;
}

/* ---- turns ---- */

static bool has_block(const cJSON *blocks, const char *kind)
{
    for (const cJSON *b = blocks != NULL ? blocks->child : NULL; b != NULL; b = b->next)
        if (json_member(b, kind) != NULL)
            return true;
    return false;
}

/* Bedrock wants words beside a document. */
static void add_words_to_document(struct translation *t, cJSON *blocks)
{
    if (!has_block(blocks, "document") || has_block(blocks, "text") || has_block(blocks, "guardContent"))
        return;
    (void)tree_push(&t->starved, blocks, tree_wrap_text("text", "See the document."));
}

static void move_all(struct translation *t, cJSON *from, cJSON *to)
{
    while (from != NULL && from->child != NULL)
        (void)tree_push(&t->starved, to, cJSON_DetachItemViaPointer(from, from->child));
}

static void close_turn(struct translation *t, struct turn *turn)
{
    if (turn->role != NULL && (turn->results->child != NULL || turn->rest->child != NULL)) {
        if (strcmp(turn->role, "user") == 0)
            add_words_to_document(t, turn->rest);
        cJSON *message = tree_push(&t->starved, tree_array(&t->starved, t->out, "messages"), cJSON_CreateObject());
        (void)tree_text(&t->starved, message, "role", turn->role);
        cJSON *content = tree_array(&t->starved, message, "content");
        move_all(t, turn->results, content);
        move_all(t, turn->rest, content);
    }
    turn_release(turn);
    *turn = (struct turn){NULL, NULL, NULL};
}

static void open_turn(struct translation *t, struct turn *turn, const char *role)
{
    if (turn->role != NULL && strcmp(turn->role, role) == 0)
        return;
    close_turn(t, turn);
    *turn = (struct turn){role, cJSON_CreateArray(), cJSON_CreateArray()};
    if (turn->results == NULL || turn->rest == NULL) {
        t->starved = true;
        turn_release(turn);
        *turn = (struct turn){NULL, NULL, NULL};
    }
}

/* ---- what an assistant said ---- */

static void put_reasoning(struct translation *t, const char *text, const char *signature, cJSON *blocks)
{
    if (signature == NULL || signature[0] == '\0')
        return; /* Claude refuses reasoning that it did not sign */
    cJSON *said = tree_wrap_text("text", text != NULL ? text : "");
    (void)tree_text(&t->starved, said, "signature", signature);
    (void)tree_push(&t->starved, blocks, tree_wrap("reasoningContent", tree_wrap("reasoningText", said)));
}

static enum err read_reasoning(struct translation *t, const cJSON *message, cJSON *blocks)
{
    const cJSON *list = json_member(message, "thinking_blocks");
    if (!cJSON_IsArray(list)) {
        put_reasoning(t, json_str(message, "reasoning_content"), json_str(message, "reasoning_signature"), blocks);
        return OK;
    }
    for (const cJSON *b = list->child; b != NULL; b = b->next) {
        const char *type = json_str(b, "type"), *data = json_str(b, "data");
        if (type != NULL && strcmp(type, "thinking") == 0)
            put_reasoning(t, json_str(b, "thinking"), json_str(b, "signature"), blocks);
        else if (type != NULL && strcmp(type, "redacted_thinking") == 0 && data != NULL)
            (void)tree_push(&t->starved, blocks,
                            tree_wrap("reasoningContent", tree_wrap_text("redactedContent", data)));
        else
            return fail_bad(t->fail, t->where, "thinking_blocks holds thinking and redacted_thinking only");
    }
    return OK;
}

/* "" stands for no arguments; anything else must be the text of an object, whose digits are kept. */
static enum err read_arguments(struct translation *t, const char *text, cJSON **out)
{
    struct note note = {""};
    if (text == NULL || is_blank(text)) {
        *out = cJSON_CreateObject();
        return OK;
    }
    enum err e = json_parse(span_of(text), JSON_COMPACT, out, &note);
    if (e == ERR_NOMEM)
        return e;
    if (e != OK || !cJSON_IsObject(*out))
        return fail_bad(t->fail, t->where, "function.arguments is not the text of a JSON object: %.200s",
                        e != OK ? note.text : json_type_name(*out));
    return OK;
}

static enum err read_call(struct translation *t, const cJSON *call, cJSON *blocks)
{
    const cJSON *function = json_member(call, "function");
    const char *id = json_str(call, "id"), *name = json_str(function, "name");
    if (id == NULL || id[0] == '\0')
        return fail_bad(t->fail, t->where, "a tool call needs an id");
    if (name == NULL || name[0] == '\0')
        return fail_bad(t->fail, t->where, "a tool call needs function.name");
    CLEANUP(json_free) cJSON *input = NULL;
    enum err e = read_arguments(t, json_str(function, "arguments"), &input);
    if (e != OK)
        return e;
    const char *upstream = tool_names_upstream(&t->request->tools, name);
    if (upstream == NULL)
        return ERR_NOMEM;
    cJSON *use = tree_wrap_text("toolUseId", id);
    (void)tree_text(&t->starved, use, "name", upstream);
    (void)tree_put(&t->starved, use, "input", input);
    input = NULL;
    (void)tree_push(&t->starved, blocks, tree_wrap("toolUse", use));
    translate_cache_control(t, call, t->traits.cache, blocks);
    t->tool_blocks = true;
    return OK;
}

static enum err say_assistant(struct translation *t, const cJSON *message, size_t number, struct turn *turn)
{
    CLEANUP(json_free) cJSON *blocks = cJSON_CreateArray();
    at(t, number, -1);
    enum err e = read_reasoning(t, message, blocks);
    if (e == OK)
        e = read_content(t, message, number, ASSISTANT, blocks);
    const char *refusal = json_str(message, "refusal");
    if (e == OK && refusal != NULL)
        e = put_text(t, refusal, blocks);
    const cJSON *calls = json_member(message, "tool_calls");
    size_t i = 0;
    for (const cJSON *call = calls != NULL ? calls->child : NULL; e == OK && call != NULL; call = call->next, i++) {
        (void)snprintf(t->where, sizeof t->where, "messages[%zu].tool_calls[%zu]", number, i);
        e = i < CHAT_TOOLS_MAX ? read_call(t, call, blocks) : fail_bad(t->fail, t->where, "too many tool calls");
    }
    if (e != OK || blocks == NULL)
        return e != OK ? e : ERR_NOMEM;
    translate_cache_control(t, message, t->traits.cache, blocks);
    if (blocks->child == NULL)
        return OK; /* an empty turn falls away, and its neighbours meet */
    open_turn(t, turn, "assistant");
    move_all(t, blocks, turn->rest);
    return OK;
}

/* ---- what a tool answered ---- */

/* A result belongs to a call of the assistant turn before it. */
static bool was_called(const struct translation *t, const char *id)
{
    const cJSON *messages = json_member(t->out, "messages");
    const cJSON *last = messages != NULL && messages->child != NULL ? messages->child->prev : NULL;
    const cJSON *content = json_member(last, "content");
    for (const cJSON *b = content != NULL ? content->child : NULL; b != NULL; b = b->next) {
        const char *known = json_str(json_member(b, "toolUse"), "toolUseId");
        if (known != NULL && strcmp(known, id) == 0)
            return true;
    }
    return false;
}

static enum err say_tool(struct translation *t, const cJSON *message, size_t number, struct turn *turn)
{
    const char *id = json_str(message, "tool_call_id");
    (void)snprintf(t->where, sizeof t->where, "messages[%zu].tool_call_id", number);
    if (id == NULL || id[0] == '\0')
        return fail_bad(t->fail, t->where, "a tool message needs tool_call_id");
    open_turn(t, turn, "user"); /* closes the assistant's, so that its calls can be seen */
    if (!was_called(t, id))
        return fail_bad(t->fail, t->where, "no tool call of the assistant message before has this id");
    cJSON *result = tree_wrap_text("toolUseId", id);
    cJSON *content = tree_array(&t->starved, result, "content");
    (void)tree_push(&t->starved, turn->results, tree_wrap("toolResult", result));
    if (t->starved)
        return ERR_NOMEM;
    enum err e = read_content(t, message, number, TOOL, content);
    if (e != OK)
        return e;
    if (cJSON_IsTrue(json_member(message, "is_error")))
        (void)tree_text(&t->starved, result, "status", "error");
    const cJSON *parts_in = json_member(message, "content");
    for (const cJSON *p = cJSON_IsArray(parts_in) ? parts_in->child : NULL; p != NULL; p = p->next)
        translate_cache_control(t, p, t->traits.cache, turn->results);
    translate_cache_control(t, message, t->traits.cache, turn->results);
    t->tool_blocks = true;
    return OK;
}

/* ---- the others ---- */

static enum err say_user(struct translation *t, const cJSON *message, size_t number, struct turn *turn)
{
    open_turn(t, turn, "user");
    return t->starved ? ERR_NOMEM : read_content(t, message, number, USER, turn->rest);
}

static enum err say_system(struct translation *t, const cJSON *message, size_t number, struct turn *turn)
{
    (void)turn; /* hoisted: the turns around it meet */
    cJSON *system = tree_array(&t->starved, t->out, "system");
    return t->starved ? ERR_NOMEM : read_content(t, message, number, SYSTEM, system);
}

static const struct {
    const char *role;
    enum err (*say)(struct translation *t, const cJSON *message, size_t number, struct turn *turn);
} roles[] = {
    {"system", say_system},       {"developer", say_system}, {"user", say_user},
    {"assistant", say_assistant}, {"tool", say_tool},
};

static enum err say(struct translation *t, const cJSON *message, size_t number, struct turn *turn)
{
    const char *role = json_str(message, "role");
    for (size_t i = 0; role != NULL && i < COUNT_OF(roles); i++)
        if (strcmp(roles[i].role, role) == 0)
            return roles[i].say(t, message, number, turn);
    char where[64];
    (void)snprintf(where, sizeof where, "messages[%zu].role", number);
    return fail_bad(t->fail, where, "'%.40s' is no role: expected system, developer, user, assistant or tool",
                    role != NULL ? role : "");
}

/* Claude refuses a last assistant turn that ends in white space. Earlier ones are sent byte for byte. */
static void trim_prefill(struct translation *t, cJSON *messages)
{
    cJSON *last = messages->child->prev;
    cJSON *content = json_member(last, "content");
    cJSON *block = content->child->prev;
    const char *text = json_str(block, "text");
    if (!t->traits.trim_prefill || strcmp(json_str(last, "role"), "assistant") != 0 || text == NULL)
        return;
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r\n\f\v", text[n - 1]) != NULL)
        n--;
    CLEANUP(free_ptr) char *cut = span_dup((struct span){(const unsigned char *)text, n});
    if (cut == NULL || tree_text(&t->starved, block, "text", cut) == NULL)
        t->starved = true;
}

/* What must hold once everything is read. */
static enum err finish(struct translation *t)
{
    const cJSON *system = json_member(t->out, "system");
    if (system != NULL && system->child == NULL)
        cJSON_DeleteItemFromObjectCaseSensitive(t->out, "system");
    cJSON *messages = json_member(t->out, "messages");
    if (t->starved)
        return ERR_NOMEM;
    if (messages == NULL || messages->child == NULL)
        return fail_bad(t->fail, "messages", "there is no message with content from a user");
    if (strcmp(json_str(messages->child, "role"), "user") != 0)
        return fail_bad(t->fail, "messages", "the conversation must open with a user message");
    trim_prefill(t, messages);
    return t->starved ? ERR_NOMEM : OK;
}

enum err translate_messages(struct translation *t)
{
    const cJSON *messages = json_member(t->in, "messages");
    if (!cJSON_IsArray(messages) || messages->child == NULL)
        return fail_bad(t->fail, "messages", "messages is %s: expected a list of at least one message",
                        cJSON_IsArray(messages) ? "empty" : json_type_name(messages));
    CLEANUP(turn_release) struct turn turn = {NULL, NULL, NULL};
    size_t number = 0;
    for (const cJSON *m = messages->child; m != NULL; m = m->next, number++) {
        enum err e = say(t, m, number, &turn);
        if (e != OK)
            return e;
    }
    close_turn(t, &turn);
    return finish(t);
}
