/* dialect_bedrock.c: Converse and ConverseStream as a client of Bedrock speaks them, to a gateway that serves them or
 * to the mock itself.
 *
 * Source: the Amazon Bedrock API reference (Converse, ConverseStream, ContentBlockStartEvent and the other events of
 * ConverseStreamOutput). Text blocks have no contentBlockStart there; tool uses have; each block ends with a
 * contentBlockStop. The model id is one path segment with everything but unreserved characters escaped, as AWS SDKs
 * send it.
 */
#include "harness/dialect.h"

#include <ctype.h>
#include <stdlib.h>

enum { MOST_BLOCKS = 256 };

/* ---- asking ---- */

static void add_segment(struct buf *path, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (isalnum((unsigned char)*p) || strchr("-_.~", *p) != NULL)
            buf_addc(path, *p);
        else
            buf_addf(path, "%%%02X", (unsigned char)*p);
    }
}

static enum err prepare(const cJSON *send, const char *model, struct dialect_request *out, struct note *note)
{
    (void)note;
    out->method = span_dup(span_of("POST"));
    out->stream = cJSON_IsTrue(json_member(send, "stream"));
    buf_adds(&out->path, "/model/");
    add_segment(&out->path, model != NULL ? model : "none");
    buf_adds(&out->path, out->stream ? "/converse-stream" : "/converse");
    http_headers_add(&out->headers, "Content-Type", "application/json");
    const cJSON *body = json_member(send, "body");
    if (body != NULL)
        json_print(body, JSON_COMPACT, &out->body);
    return buf_error(&out->body);
}

static bool error_shape(int status, const struct http_headers *headers, const cJSON *body, struct note *why)
{
    enum err e = OK;
    const char *type = http_headers_get(headers, "x-amzn-ErrorType");
    if (status < 400)
        e = note_set(why, ERR_INVALID, "status %d is not an error", status);
    else if (json_str(body, "message") == NULL && json_str(body, "Message") == NULL)
        e = note_set(why, ERR_INVALID, "no text \"message\" in the body");
    else if (type == NULL && json_str(body, "__type") == NULL && json_str(body, "code") == NULL)
        e = note_set(why, ERR_INVALID, "no error name: neither x-amzn-ErrorType nor __type nor code");
    return e == OK;
}

/* ---- reading ---- */

static void append_member(cJSON *message, const char *key, const cJSON *from, const char *member)
{
    if (json_str(from, member) != NULL)
        assembled_append(message, key, json_str(from, member));
}

static cJSON *new_call(cJSON *out)
{
    cJSON *list = json_member(out, "tool_calls");
    if (list == NULL)
        list = json_set(out, "tool_calls", cJSON_CreateArray());
    cJSON *call = cJSON_CreateObject();
    cJSON_AddItemToArray(list, call);
    return call;
}

static cJSON *unary(const cJSON *body)
{
    const cJSON *message = json_member(json_member(body, "output"), "message");
    if (message == NULL)
        return NULL;
    cJSON *out = cJSON_CreateObject();
    append_member(out, "role", message, "role");
    const cJSON *block;
    cJSON_ArrayForEach(block, json_member(message, "content"))
    {
        append_member(out, "content", block, "text");
        const cJSON *tool = json_member(block, "toolUse");
        if (tool != NULL) {
            cJSON *call = new_call(out);
            CLEANUP(free_ptr) char *input = json_text(json_member(tool, "input"), JSON_COMPACT);
            append_member(call, "id", tool, "toolUseId");
            append_member(call, "name", tool, "name");
            (void)json_set_string(call, "arguments", input != NULL ? input : "");
        }
        const cJSON *reasoning = json_member(json_member(block, "reasoningContent"), "reasoningText");
        append_member(out, "reasoning", reasoning, "text");
        append_member(out, "reasoning_signature", reasoning, "signature");
    }
    append_member(out, "finish_reason", body, "stopReason");
    if (json_member(body, "usage") != NULL)
        (void)json_set(out, "usage", cJSON_Duplicate(json_member(body, "usage"), true));
    return out;
}

static void feed(struct stream *s, struct span bytes)
{
    struct es_message m;
    enum es_error step;
    es_decoder_feed(&s->es, bytes);
    while ((step = es_decoder_next(&s->es, &m)) == ES_OK) {
        struct span name = SPAN_EMPTY;
        enum es_kind kind = es_message_kind(&m, &name);
        cJSON *json = NULL;
        enum err parsed = m.payload.n == 0 ? OK : json_parse(m.payload, JSON_COMPACT, &json, NULL);
        s->failed = s->failed || parsed == ERR_NOMEM;
        struct stream_event *e = stream_add(s, json, m.payload, name);
        if (e == NULL)
            return;
        e->kind = kind;
        e->error = kind == ES_EXCEPTION || kind == ES_ERROR;
        e->terminal = kind == ES_EVENT && span_is(name, "messageStop");
        s->content_events += kind == ES_EVENT && span_is(name, "contentBlockDelta");
    }
    s->failed = s->failed || step == ES_NOMEM;
    if (step != ES_MORE && s->broken.len == 0)
        es_decoder_explain(&s->es, &s->broken);
}

static void finish(struct stream *s)
{
    if (s->broken.len == 0 && es_decoder_finish(&s->es) != ES_OK)
        es_decoder_explain(&s->es, &s->broken);
}

static bool is_event(const struct stream_event *e, const char *type)
{
    return e->kind == ES_EVENT && e->type != NULL && strcmp(e->type, type) == 0;
}

static int64_t block_of(const struct stream_event *e)
{
    int64_t index = -1;
    const cJSON *at = json_member(e->json, "contentBlockIndex");
    return at != NULL && json_int64(at, &index) && index >= 0 && index < MOST_BLOCKS ? index : -1;
}

static void take_delta(cJSON *out, cJSON **calls, const struct stream_event *e)
{
    const cJSON *delta = json_member(e->json, "delta");
    const cJSON *reasoning = json_member(delta, "reasoningContent");
    int64_t block = block_of(e);
    append_member(out, "content", delta, "text");
    append_member(out, "reasoning", reasoning, "text");
    append_member(out, "reasoning_signature", reasoning, "signature");
    if (block >= 0 && calls[block] != NULL)
        append_member(calls[block], "arguments", json_member(delta, "toolUse"), "input");
}

static cJSON *assemble(const struct stream *s)
{
    cJSON *out = cJSON_CreateObject();
    cJSON *calls[MOST_BLOCKS] = {NULL};
    for (size_t i = 0; i < s->count; i++) {
        const struct stream_event *e = &s->events[i];
        const cJSON *tool = json_member(json_member(e->json, "start"), "toolUse");
        if (is_event(e, "messageStart") && json_str(out, "role") == NULL)
            append_member(out, "role", e->json, "role");
        else if (is_event(e, "contentBlockStart") && tool != NULL && block_of(e) >= 0) {
            cJSON *call = calls[block_of(e)] = new_call(out);
            append_member(call, "id", tool, "toolUseId");
            append_member(call, "name", tool, "name");
        } else if (is_event(e, "contentBlockDelta"))
            take_delta(out, calls, e);
        else if (is_event(e, "messageStop") && json_str(e->json, "stopReason") != NULL)
            (void)json_set_string(out, "finish_reason", json_str(e->json, "stopReason"));
        else if (is_event(e, "metadata") && json_member(e->json, "usage") != NULL)
            (void)json_set(out, "usage", cJSON_Duplicate(json_member(e->json, "usage"), true));
    }
    return out;
}

/* ---- invariants ---- */

#define BROKEN(...) (note_set(observed, ERR_INVALID, __VA_ARGS__), false)

static bool holds_content_type(const struct stream *s, struct note *observed)
{
    if (s->content_type != NULL && strncmp(s->content_type, "application/vnd.amazon.eventstream", 34) == 0)
        return true;
    return BROKEN("%s", s->content_type != NULL ? s->content_type : "no Content-Type");
}

static bool holds_frames(const struct stream *s, struct note *observed)
{
    bool cut = s->end == STREAM_ABORTED || s->end == STREAM_LEFT || s->end == STREAM_TIMEOUT;
    bool damaged = s->es.error != ES_OK && s->es.error != ES_MORE && s->es.error != ES_TRUNCATED;
    if (damaged || (s->broken.len > 0 && !cut))
        return BROKEN("%s", buf_text(&s->broken));
    return true;
}

static bool holds_kinds(const struct stream *s, struct note *observed)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct stream_event *e = &s->events[i];
        if (e->kind == ES_OTHER || e->type == NULL || e->type[0] == '\0')
            return BROKEN("frame %zu has no :message-type, or no name", i);
        if (e->kind == ES_EVENT && !cJSON_IsObject(e->json))
            return BROKEN("the payload of frame %zu (%s) is not a JSON object", i, e->type);
    }
    return true;
}

static bool holds_start_first(const struct stream *s, struct note *observed)
{
    for (size_t i = 0; i < s->count; i++) {
        bool start = is_event(&s->events[i], "messageStart");
        if (i == 0 && !start && !s->events[i].error)
            return BROKEN("the first frame is %s", s->events[i].type);
        if (i > 0 && start)
            return BROKEN("frame %zu is messageStart again", i);
    }
    return true;
}

/* Blocks open and close one after the other: the number of the open one, or -1; `next` is the one that may open. */
struct block_walk {
    int64_t open, next;
    bool stopped;
};

static bool step_block(struct block_walk *w, size_t i, const struct stream_event *e, struct note *observed)
{
    int64_t block = block_of(e);
    if (w->stopped)
        return BROKEN("frame %zu (%s) comes behind messageStop", i, e->type);
    if (block < 0)
        return BROKEN("frame %zu (%s) has no contentBlockIndex", i, e->type);
    if (is_event(e, "contentBlockStop")) {
        if (w->open != block && !(w->open < 0 && block == w->next))
            return BROKEN("frame %zu stops block %lld, which is not open", i, (long long)block);
        w->open = -1;
        w->next = block + 1;
        return true;
    }
    bool start = is_event(e, "contentBlockStart");
    if (w->open < 0 && block == w->next)
        w->open = block;
    else if (w->open != block || start)
        return BROKEN("frame %zu (%s) is of block %lld while block %lld is open", i, e->type, (long long)block,
                      (long long)w->open);
    return true;
}

static bool holds_block_order(const struct stream *s, struct note *observed)
{
    struct block_walk w = {-1, 0, false};
    for (size_t i = 0; i < s->count; i++) {
        const struct stream_event *e = &s->events[i];
        if (is_event(e, "messageStop")) {
            if (w.open >= 0)
                return BROKEN("messageStop comes while block %lld is open", (long long)w.open);
            w.stopped = true;
        } else if (e->kind == ES_EVENT && e->type != NULL && strncmp(e->type, "contentBlock", 12) == 0 &&
                   !step_block(&w, i, e, observed))
            return false;
    }
    return true;
}

static size_t count_of(const struct stream *s, const char *type)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += is_event(&s->events[i], type);
    return n;
}

static bool holds_one_stop(const struct stream *s, struct note *observed)
{
    size_t n = count_of(s, "messageStop");
    return n == 1 ? true : BROKEN("%zu times messageStop", n);
}

static bool holds_metadata_last(const struct stream *s, struct note *observed)
{
    size_t n = count_of(s, "metadata");
    if (n != 1)
        return BROKEN("%zu times metadata", n);
    if (!is_event(&s->events[s->count - 1], "metadata"))
        return BROKEN("the last frame is %s", s->events[s->count - 1].type);
    if (json_member(s->events[s->count - 1].json, "usage") == NULL)
        return BROKEN("metadata without usage");
    return true;
}

static bool holds_tool_start(const struct stream *s, struct note *observed)
{
    bool begun[MOST_BLOCKS] = {false};
    for (size_t i = 0; i < s->count; i++) {
        const struct stream_event *e = &s->events[i];
        int64_t block = block_of(e);
        const cJSON *tool = json_member(json_member(e->json, "start"), "toolUse");
        if (block >= 0 && json_str(tool, "toolUseId") != NULL && json_str(tool, "name") != NULL)
            begun[block] = true;
        if (block >= 0 && !begun[block] && json_member(json_member(e->json, "delta"), "toolUse") != NULL)
            return BROKEN("frame %zu has input of a tool use that never began", i);
    }
    return true;
}

static bool holds_args_json(const struct stream *s, struct note *observed)
{
    CLEANUP(json_free) cJSON *message = assemble(s);
    const char *why = json_str(message, "finish_reason");
    const cJSON *call;
    cJSON_ArrayForEach(call, json_member(message, "tool_calls"))
    {
        const char *text = json_str(call, "arguments");
        CLEANUP(json_free) cJSON *arguments = NULL;
        if (text != NULL && text[0] != '\0' && json_parse(span_of(text), JSON_COMPACT, &arguments, NULL) != OK &&
            (why == NULL || strcmp(why, "max_tokens") != 0))
            return BROKEN("the input of a tool use is not JSON: %.100s", text);
    }
    return true;
}

static bool holds_nothing_after_error(const struct stream *s, struct note *observed)
{
    for (size_t i = 0; i + 1 < s->count; i++)
        if (s->events[i].error)
            return BROKEN("frame %zu (%s) comes behind the exception", i + 1, s->events[i + 1].type);
    return true;
}

static const struct invariant invariants[] = {
    {"content-type", true, false, "the Content-Type is application/vnd.amazon.eventstream", holds_content_type},
    {"frames", true, false, "every frame has good lengths and CRCs, and the last one is whole", holds_frames},
    {"kinds", true, false, "every frame says what it is, and events hold a JSON object", holds_kinds},
    {"start-first", true, false, "messageStart is the first frame, and comes once", holds_start_first},
    {"block-order", true, false, "blocks are numbered from 0, and one ends before the next begins", holds_block_order},
    {"tool-start", true, false, "a tool use begins with its id and name", holds_tool_start},
    {"args-json", true, true, "the input of each tool use put together is JSON", holds_args_json},
    {"one-stop", true, true, "there is exactly one messageStop", holds_one_stop},
    {"metadata-last", true, true, "metadata with usage is the last frame, and comes once", holds_metadata_last},
    {"nothing-after-error", true, false, "no frame comes behind an exception", holds_nothing_after_error},
};

const struct dialect dialect_bedrock_converse = {
    .name = "bedrock.converse",
    .prepare = prepare,
    .error_shape = error_shape,
    .unary = unary,
    .feed = feed,
    .finish = finish,
    .assemble = assemble,
    .invariants = invariants,
    .invariant_count = COUNT_OF(invariants),
};
