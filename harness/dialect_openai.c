/* dialect_openai.c: OpenAI's chat completions, as clients in the wild rely on them.
 *
 * Sources of the invariants: OpenAI's API reference ("The chat completion chunk object") and the bugs listed with the
 * requirements stream.*. A chunk is an SSE event whose data is JSON; "[DONE]" ends the stream; an error in mid-stream
 * is an event whose object has a member "error" (or an SSE event named error). Errors are judged apart from ends: a
 * stream that ended by an error needs no finish_reason and no [DONE], but may not go on behind it.
 */
#include "harness/dialect.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_TOOLS = 128, MOST_CHOICES = 128 };

/* ---- asking ---- */

static enum err prepare(const cJSON *send, const char *model, struct dialect_request *out, struct note *note)
{
    out->method = span_dup(span_of("POST"));
    buf_adds(&out->path, "/chat/completions");
    http_headers_add(&out->headers, "Content-Type", "application/json");
    const cJSON *given = json_member(send, "body");
    CLEANUP(json_free) cJSON *body = given != NULL ? cJSON_Duplicate(given, true) : cJSON_CreateObject();
    if (body == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    if (model != NULL && cJSON_GetObjectItemCaseSensitive(body, "model") == NULL)
        (void)json_set_string(body, "model", model);
    if (cJSON_IsTrue(json_member(send, "stream")) && cJSON_GetObjectItemCaseSensitive(body, "stream") == NULL)
        (void)json_set(body, "stream", cJSON_CreateTrue());
    out->stream = cJSON_IsTrue(json_member(body, "stream"));
    out->want_usage = cJSON_IsTrue(json_member(json_member(body, "stream_options"), "include_usage"));
    json_print(body, JSON_COMPACT, &out->body);
    return buf_error(&out->body);
}

static enum err prepare_models(const cJSON *send, const char *model, struct dialect_request *out, struct note *note)
{
    (void)send, (void)model, (void)note;
    out->method = span_dup(span_of("GET"));
    buf_adds(&out->path, "/models");
    return OK;
}

static bool error_shape(int status, const struct http_headers *headers, const cJSON *body, struct note *why)
{
    (void)headers;
    const cJSON *error = json_member(body, "error");
    const char *message = json_str(error, "message");
    enum err e = OK;
    if (status < 400)
        e = note_set(why, ERR_INVALID, "status %d is not an error", status);
    else if (!cJSON_IsObject(error))
        e = note_set(why, ERR_INVALID, "no object \"error\" in the body");
    else if (message == NULL || message[0] == '\0')
        e = note_set(why, ERR_INVALID, "error.message is not a text");
    else if (json_str(error, "type") == NULL)
        e = note_set(why, ERR_INVALID, "error.type is not a text");
    return e == OK;
}

/* ---- reading ---- */

static void append_member(cJSON *message, const char *key, const cJSON *from, const char *member)
{
    const char *text = json_str(from, member);
    if (text != NULL)
        assembled_append(message, key, text);
}

/* Texts and reasoning of a delta or message: gateways agree on reasoning_content, some say reasoning. */
static void take_texts(cJSON *out, const cJSON *from)
{
    if (json_str(out, "role") == NULL)
        append_member(out, "role", from, "role");
    append_member(out, "content", from, "content");
    append_member(out, "refusal", from, "refusal");
    append_member(out, "reasoning", from,
                  json_str(from, "reasoning_content") != NULL ? "reasoning_content" : "reasoning");
    append_member(out, "reasoning_signature", from, "reasoning_signature");
    if (json_str(from, "signature") != NULL)
        append_member(out, "reasoning_signature", from, "signature");
}

static cJSON *tool_list(cJSON *out)
{
    cJSON *list = json_member(out, "tool_calls");
    return list != NULL ? list : json_set(out, "tool_calls", cJSON_CreateArray());
}

static cJSON *unary(const cJSON *body)
{
    const cJSON *choice = cJSON_GetArrayItem(json_member(body, "choices"), 0);
    const cJSON *message = json_member(choice, "message");
    if (message == NULL)
        return NULL;
    cJSON *out = cJSON_CreateObject();
    take_texts(out, message);
    const cJSON *call;
    cJSON_ArrayForEach(call, json_member(message, "tool_calls"))
    {
        cJSON *one = cJSON_CreateObject();
        append_member(one, "id", call, "id");
        append_member(one, "name", json_member(call, "function"), "name");
        append_member(one, "arguments", json_member(call, "function"), "arguments");
        cJSON_AddItemToArray(tool_list(out), one);
    }
    append_member(out, "finish_reason", choice, "finish_reason");
    if (json_member(body, "usage") != NULL)
        (void)json_set(out, "usage", cJSON_Duplicate(json_member(body, "usage"), true));
    return out;
}

static bool carries_content(const cJSON *chunk)
{
    const cJSON *choice;
    cJSON_ArrayForEach(choice, json_member(chunk, "choices"))
    {
        const cJSON *delta = json_member(choice, "delta");
        static const char *const texts[] = {"content", "refusal", "reasoning_content", "reasoning"};
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
            const char *text = json_str(delta, texts[i]);
            if (text != NULL && text[0] != '\0')
                return true;
        }
        if (json_member(delta, "tool_calls") != NULL)
            return true;
    }
    return false;
}

static void feed(struct stream *s, struct span bytes)
{
    struct sse_event event;
    enum sse_step step;
    sse_decoder_feed(&s->sse, bytes);
    while ((step = sse_decoder_next(&s->sse, &event)) == SSE_EVENT) {
        cJSON *json = NULL;
        bool terminal = span_is(event.data, "[DONE]");
        enum err parsed = terminal ? OK : json_parse(event.data, JSON_COMPACT, &json, NULL);
        s->failed = s->failed || parsed == ERR_NOMEM;
        bool content = carries_content(json);
        bool error = json_member(json, "error") != NULL || span_is(event.type, "error");
        struct stream_event *e = stream_add(s, json, event.data, event.type);
        if (e == NULL)
            return;
        e->terminal = terminal;
        e->error = error;
        s->content_events += content;
    }
    s->failed = s->failed || step == SSE_NOMEM;
    if (step != SSE_MORE && s->broken.len == 0)
        buf_adds(&s->broken, sse_step_name(step));
}

static void finish(struct stream *s)
{
    if (!sse_decoder_finish(&s->sse) && s->broken.len == 0)
        buf_adds(&s->broken, "the stream ended inside an event");
}

static void merge_tool_delta(cJSON *list, const cJSON *delta)
{
    int64_t index = 0;
    const cJSON *at = json_member(delta, "index");
    if (at == NULL || !json_int64(at, &index) || index < 0 || index >= MOST_TOOLS)
        return;
    while (cJSON_GetArraySize(list) <= (int)index)
        if (!cJSON_AddItemToArray(list, cJSON_CreateObject()))
            return; /* out of memory */
    cJSON *call = cJSON_GetArrayItem(list, (int)index);
    const cJSON *function = json_member(delta, "function");
    if (json_str(call, "id") == NULL)
        append_member(call, "id", delta, "id");
    if (json_str(call, "name") == NULL)
        append_member(call, "name", function, "name");
    append_member(call, "arguments", function, "arguments");
}

static cJSON *assemble(const struct stream *s)
{
    cJSON *out = cJSON_CreateObject();
    for (size_t i = 0; i < s->count; i++) {
        const cJSON *chunk = s->events[i].json;
        const cJSON *choice = cJSON_GetArrayItem(json_member(chunk, "choices"), 0);
        const cJSON *delta = json_member(choice, "delta");
        take_texts(out, delta);
        const cJSON *call;
        cJSON_ArrayForEach(call, json_member(delta, "tool_calls"))
        {
            merge_tool_delta(tool_list(out), call);
        }
        if (json_str(choice, "finish_reason") != NULL)
            (void)json_set_string(out, "finish_reason", json_str(choice, "finish_reason"));
        if (json_member(chunk, "usage") != NULL)
            (void)json_set(out, "usage", cJSON_Duplicate(json_member(chunk, "usage"), true));
    }
    return out;
}

/* ---- invariants ---- */

#define BROKEN(...) (note_set(observed, ERR_INVALID, __VA_ARGS__), false)

/* The n-th choice over all chunks, with the number of its chunk; NULL behind the last. */
struct choices {
    const struct stream *s;
    size_t chunk;
    const cJSON *next;
};

static const cJSON *next_choice(struct choices *c)
{
    while (c->next == NULL && c->chunk < c->s->count) {
        const cJSON *list = json_member(c->s->events[c->chunk++].json, "choices");
        c->next = list == NULL ? NULL : list->child;
    }
    const cJSON *choice = c->next;
    if (choice != NULL)
        c->next = choice->next;
    return choice;
}

static size_t choice_number(const cJSON *choice)
{
    int64_t index = 0;
    const cJSON *at = json_member(choice, "index");
    return at != NULL && json_int64(at, &index) && index >= 0 && index < MOST_CHOICES ? (size_t)index : 0;
}

static bool is_chunk(const struct stream_event *e)
{
    return !e->terminal && !e->error;
}

static bool holds_content_type(const struct stream *s, struct note *observed)
{
    if (s->content_type != NULL && strncmp(s->content_type, "text/event-stream", 17) == 0)
        return true;
    return BROKEN("%s", s->content_type != NULL ? s->content_type : "no Content-Type");
}

static bool holds_well_formed(const struct stream *s, struct note *observed)
{
    for (size_t i = 0; i < s->count; i++)
        if (!s->events[i].terminal && !cJSON_IsObject(s->events[i].json))
            return BROKEN("event %zu is not a JSON object: %.80s", i, s->events[i].text);
    bool cut = s->end == STREAM_ABORTED || s->end == STREAM_LEFT || s->end == STREAM_TIMEOUT;
    if (s->broken.len > 0 && !cut)
        return BROKEN("%s", buf_text(&s->broken));
    return true;
}

static bool holds_role_first(const struct stream *s, struct note *observed)
{
    bool seen[MOST_CHOICES] = {false};
    struct choices c = {s, 0, NULL};
    for (const cJSON *choice; (choice = next_choice(&c)) != NULL;) {
        size_t n = choice_number(choice);
        const char *role = json_str(json_member(choice, "delta"), "role");
        if (!seen[n] && (role == NULL || strcmp(role, "assistant") != 0))
            return BROKEN("chunk %zu is the first of choice %zu and has %s%s", c.chunk - 1, n,
                          role != NULL ? "the role " : "no role", role != NULL ? role : "");
        seen[n] = true;
    }
    return true;
}

static bool holds_role_once(const struct stream *s, struct note *observed)
{
    bool seen[MOST_CHOICES] = {false};
    struct choices c = {s, 0, NULL};
    for (const cJSON *choice; (choice = next_choice(&c)) != NULL;) {
        if (json_str(json_member(choice, "delta"), "role") == NULL)
            continue;
        size_t n = choice_number(choice);
        if (seen[n])
            return BROKEN("chunk %zu has the role again", c.chunk - 1);
        seen[n] = true;
    }
    return true;
}

static bool holds_choice_index(const struct stream *s, struct note *observed)
{
    struct choices c = {s, 0, NULL};
    for (const cJSON *choice; (choice = next_choice(&c)) != NULL;) {
        const cJSON *index = json_member(choice, "index");
        if (!cJSON_IsNumber(index) || index->valueint != 0)
            return BROKEN("chunk %zu has a choice of index %s, and one answer was asked for", c.chunk - 1,
                          index == NULL ? "absent" : index->valuestring);
    }
    return true;
}

static bool holds_one_finish(const struct stream *s, struct note *observed)
{
    unsigned finishes[MOST_CHOICES] = {0};
    bool seen[MOST_CHOICES] = {false};
    struct choices c = {s, 0, NULL};
    seen[0] = true;
    for (const cJSON *choice; (choice = next_choice(&c)) != NULL;) {
        size_t n = choice_number(choice);
        seen[n] = true;
        finishes[n] += json_str(choice, "finish_reason") != NULL;
    }
    for (size_t i = 0; i < MOST_CHOICES; i++)
        if (seen[i] && finishes[i] != 1)
            return BROKEN("choice %zu has %u finish_reason values", i, finishes[i]);
    return true;
}

static bool delta_says_something(const cJSON *delta)
{
    for (const cJSON *m = delta == NULL ? NULL : delta->child; m != NULL; m = m->next)
        if (!cJSON_IsNull(m) && !(cJSON_IsString(m) && m->valuestring[0] == '\0') && strcmp(m->string, "role") != 0)
            return true;
    return false;
}

static bool holds_nothing_after_finish(const struct stream *s, struct note *observed)
{
    bool finished[MOST_CHOICES] = {false};
    struct choices c = {s, 0, NULL};
    for (const cJSON *choice; (choice = next_choice(&c)) != NULL;) {
        size_t n = choice_number(choice);
        if (finished[n] && delta_says_something(json_member(choice, "delta")))
            return BROKEN("chunk %zu has a delta behind the finish_reason", c.chunk - 1);
        finished[n] = finished[n] || json_str(choice, "finish_reason") != NULL;
    }
    return true;
}

/* Clients stop reading at the first [DONE], so whatever stands behind that one is lost. */
static bool holds_done_last(const struct stream *s, struct note *observed)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->events[i].terminal)
            return i + 1 == s->count ? true : BROKEN("[DONE] is event %zu of %zu", i + 1, s->count);
    return BROKEN("no [DONE] in %zu events", s->count);
}

static bool holds_one_done(const struct stream *s, struct note *observed)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->events[i].terminal;
    return n <= 1 ? true : BROKEN("%zu times [DONE]", n);
}

/* fn for each tool call delta, with the number of its chunk; false ends the walk. */
static bool each_tool_delta(const struct stream *s, bool (*fn)(void *ctx, size_t chunk, const cJSON *delta), void *ctx)
{
    struct choices c = {s, 0, NULL};
    for (const cJSON *choice; (choice = next_choice(&c)) != NULL;) {
        const cJSON *call;
        cJSON_ArrayForEach(call, json_member(json_member(choice, "delta"), "tool_calls"))
        {
            if (!fn(ctx, c.chunk - 1, call))
                return false;
        }
    }
    return true;
}

struct tool_walk {
    struct note *observed;
    int64_t begun; /* tools that have begun: the next new index */
};

static bool tool_index_ok(void *ctx, size_t chunk, const cJSON *delta)
{
    struct tool_walk *w = ctx;
    struct note *observed = w->observed;
    int64_t index = -1;
    const cJSON *at = json_member(delta, "index");
    if (at == NULL || !json_int64(at, &index))
        return BROKEN("chunk %zu has a tool call without an index", chunk);
    if (index < 0 || index > w->begun)
        return BROKEN("chunk %zu has the tool index %lld, where %lld would be the next", chunk, (long long)index,
                      (long long)w->begun);
    w->begun += index == w->begun;
    return true;
}

static bool holds_tool_index(const struct stream *s, struct note *observed)
{
    struct tool_walk w = {observed, 0};
    return each_tool_delta(s, tool_index_ok, &w);
}

static bool tool_start_ok(void *ctx, size_t chunk, const cJSON *delta)
{
    struct tool_walk *w = ctx;
    struct note *observed = w->observed;
    int64_t index = 0;
    const cJSON *at = json_member(delta, "index");
    if (at == NULL || !json_int64(at, &index) || index < w->begun)
        return true;
    w->begun = index + 1;
    const char *id = json_str(delta, "id"), *type = json_str(delta, "type");
    const char *name = json_str(json_member(delta, "function"), "name");
    if (id == NULL || id[0] == '\0' || type == NULL || strcmp(type, "function") != 0 || name == NULL || name[0] == '\0')
        return BROKEN("chunk %zu begins tool call %lld with id %s, type %s, name %s", chunk, (long long)index,
                      id != NULL ? id : "absent", type != NULL ? type : "absent", name != NULL ? name : "absent");
    return true;
}

static bool holds_tool_start_complete(const struct stream *s, struct note *observed)
{
    struct tool_walk w = {observed, 0};
    return each_tool_delta(s, tool_start_ok, &w);
}

static bool tool_args_ok(void *ctx, size_t chunk, const cJSON *delta)
{
    struct tool_walk *w = ctx;
    struct note *observed = w->observed;
    int64_t index = 0;
    const cJSON *at = json_member(delta, "index");
    if (at == NULL || !json_int64(at, &index))
        return true;
    if (index >= w->begun) {
        w->begun = index + 1;
        return true;
    }
    if (json_str(delta, "id") != NULL || json_str(json_member(delta, "function"), "name") != NULL)
        return BROKEN("chunk %zu repeats id or name of tool call %lld", chunk, (long long)index);
    return true;
}

static bool holds_tool_args_no_id(const struct stream *s, struct note *observed)
{
    struct tool_walk w = {observed, 0};
    return each_tool_delta(s, tool_args_ok, &w);
}

static bool holds_args_json(const struct stream *s, struct note *observed)
{
    CLEANUP(json_free) cJSON *message = assemble(s);
    const char *why = json_str(message, "finish_reason");
    if (why != NULL && strcmp(why, "length") == 0)
        return true;
    const cJSON *call;
    size_t n = 0;
    cJSON_ArrayForEach(call, json_member(message, "tool_calls"))
    {
        const char *text = json_str(call, "arguments");
        CLEANUP(json_free) cJSON *arguments = NULL;
        if (text != NULL && text[0] != '\0' && json_parse(span_of(text), JSON_COMPACT, &arguments, NULL) != OK)
            return BROKEN("the arguments of tool call %zu are not JSON: %.100s", n, text);
        n++;
    }
    return true;
}

static bool has_usage(const struct stream_event *e)
{
    return json_member(e->json, "usage") != NULL;
}

static bool holds_usage_chunk(const struct stream *s, struct note *observed)
{
    if (!s->want_usage)
        return true;
    bool finished = false, seen = false;
    for (size_t i = 0; i < s->count; i++) {
        const cJSON *choices = json_member(s->events[i].json, "choices");
        if (has_usage(&s->events[i])) {
            if (seen)
                return BROKEN("event %zu has usage again", i);
            if (!cJSON_IsArray(choices) || choices->child != NULL)
                return BROKEN("event %zu has usage, and choices that are not []", i);
            if (!finished)
                return BROKEN("event %zu has usage, before the finish_reason", i);
            seen = true;
        }
        finished = finished || json_str(cJSON_GetArrayItem(choices, 0), "finish_reason") != NULL;
    }
    return seen ? true : BROKEN("no chunk with usage, though include_usage was asked for");
}

static bool holds_no_usage_unasked(const struct stream *s, struct note *observed)
{
    for (size_t i = 0; i < s->count && !s->want_usage; i++)
        if (has_usage(&s->events[i]))
            return BROKEN("event %zu has usage, which was not asked for", i);
    return true;
}

static bool holds_id_stable(const struct stream *s, struct note *observed)
{
    const char *first = NULL;
    for (size_t i = 0; i < s->count; i++) {
        if (!is_chunk(&s->events[i]))
            continue;
        const char *id = json_str(s->events[i].json, "id");
        if (id == NULL || id[0] == '\0')
            return BROKEN("chunk %zu has no id", i);
        if (first != NULL && strcmp(first, id) != 0)
            return BROKEN("chunk %zu has the id %s, the first one had %s", i, id, first);
        first = first != NULL ? first : id;
    }
    return true;
}

static bool holds_object_name(const struct stream *s, struct note *observed)
{
    for (size_t i = 0; i < s->count; i++) {
        const char *object = json_str(s->events[i].json, "object");
        if (is_chunk(&s->events[i]) && (object == NULL || strcmp(object, "chat.completion.chunk") != 0))
            return BROKEN("chunk %zu is of object %s", i, object != NULL ? object : "absent");
    }
    return true;
}

static bool holds_created_int(const struct stream *s, struct note *observed)
{
    int64_t at;
    for (size_t i = 0; i < s->count; i++) {
        const cJSON *created = json_member(s->events[i].json, "created");
        if (is_chunk(&s->events[i]) && (created == NULL || !json_int64(created, &at) || at <= 0))
            return BROKEN("chunk %zu has created %s", i,
                          created != NULL && cJSON_IsNumber(created) ? created->valuestring : json_type_name(created));
    }
    return true;
}

static bool holds_model_named(const struct stream *s, struct note *observed)
{
    for (size_t i = 0; i < s->count; i++)
        if (is_chunk(&s->events[i]) && json_str(s->events[i].json, "model") == NULL)
            return BROKEN("chunk %zu names no model", i);
    return true;
}

static bool holds_nothing_after_error(const struct stream *s, struct note *observed)
{
    bool error = false;
    for (size_t i = 0; i < s->count; i++) {
        if (error && is_chunk(&s->events[i]))
            return BROKEN("event %zu goes on behind the error", i);
        error = error || s->events[i].error;
    }
    return true;
}

static bool holds_no_done_after_error(const struct stream *s, struct note *observed)
{
    bool error = false;
    for (size_t i = 0; i < s->count; i++) {
        if (error && s->events[i].terminal)
            return BROKEN("[DONE] behind the error, as if all had gone well");
        error = error || s->events[i].error;
    }
    return true;
}

static bool holds_finish_known(const struct stream *s, struct note *observed)
{
    static const char *const known[] = {"stop", "length", "tool_calls", "content_filter", "function_call"};
    struct choices c = {s, 0, NULL};
    for (const cJSON *choice; (choice = next_choice(&c)) != NULL;) {
        const char *reason = json_str(choice, "finish_reason");
        bool ok = reason == NULL;
        for (size_t i = 0; i < COUNT_OF(known) && !ok; i++)
            ok = strcmp(reason, known[i]) == 0;
        if (!ok)
            return BROKEN("finish_reason is %s", reason);
    }
    return true;
}

static const struct invariant invariants[] = {
    {"content-type", true, false, "the Content-Type is text/event-stream", holds_content_type},
    {"well-formed", true, false, "each event is one JSON object in good UTF-8, and the last one is whole",
     holds_well_formed},
    {"object-name", true, false, "each chunk says object: chat.completion.chunk", holds_object_name},
    {"role-first", true, false, "the first chunk of a choice has the role assistant", holds_role_first},
    {"choice-index", true, false, "the one answer is choice 0 in every chunk", holds_choice_index},
    {"tool-index", true, false, "tool calls are numbered from 0 without gaps", holds_tool_index},
    {"tool-start-complete", true, false, "the first chunk of a tool call has its id, type and name",
     holds_tool_start_complete},
    {"args-json", true, true, "the arguments of each tool call put together are JSON", holds_args_json},
    {"one-finish", true, true, "there is exactly one finish_reason", holds_one_finish},
    {"nothing-after-finish", false, false, "no delta comes behind the finish_reason", holds_nothing_after_finish},
    {"done-last", true, true, "the first [DONE] is the last event", holds_done_last},
    {"one-done", true, false, "there is at most one [DONE]", holds_one_done},
    {"nothing-after-error", true, false, "no chunk comes behind an error", holds_nothing_after_error},
    {"role-once", false, false, "the role is not repeated", holds_role_once},
    {"tool-args-no-id", false, false, "later chunks of a tool call repeat neither id nor name", holds_tool_args_no_id},
    {"usage-chunk", false, true, "asked-for usage comes once, with choices [], between finish and [DONE]",
     holds_usage_chunk},
    {"no-usage-unasked", false, false, "no chunk has usage unless it was asked for", holds_no_usage_unasked},
    {"id-stable", false, false, "all chunks have one id", holds_id_stable},
    {"created-int", false, false, "created is a whole number", holds_created_int},
    {"model-named", false, false, "each chunk names the model", holds_model_named},
    {"finish-known", false, false, "finish_reason is one that OpenAI documents", holds_finish_known},
    {"no-done-after-error", false, false, "no [DONE] comes behind an error", holds_no_done_after_error},
};

const struct dialect dialect_openai_chat = {
    .name = "openai.chat",
    .prepare = prepare,
    .error_shape = error_shape,
    .unary = unary,
    .feed = feed,
    .finish = finish,
    .assemble = assemble,
    .invariants = invariants,
    .invariant_count = COUNT_OF(invariants),
};

const struct dialect dialect_openai_models = {
    .name = "openai.models", .prepare = prepare_models, .error_shape = error_shape};
