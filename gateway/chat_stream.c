/* chat_stream.c: the events of ConverseStream as the chunks of a chat completion, one by one.
 *
 * A machine with no memory of text: each event becomes no, one or two chunks at once. What it keeps is which chunk of
 * the role and the finish went out, and which tool call a content block is: the chat API counts tools from 0, Converse
 * counts blocks of every kind. The end has three forms: a finish and [DONE] when the model came to an end; an error
 * object and nothing more when it did not (an exception, a broken frame, a cut before messageStop), so that a client
 * never takes half an answer for a whole one.
 */
#include "gateway/chat.h"
#include "gateway/tree.h"
#include "protocol/token.h"

#include <stdio.h>
#include <stdlib.h>

void chat_stream_init(struct chat_stream *s, const struct chat_request *r, const struct chat_identity *who,
                      void (*emit)(void *ctx, enum chat_item kind, cJSON *take), void *ctx)
{
    *s = (struct chat_stream){.request = r, .who = who, .emit = emit, .ctx = ctx};
}

void chat_stream_release(struct chat_stream *s)
{
    if (s == NULL)
        return;
    free(s->blocks);
    s->blocks = NULL;
    s->block_count = s->block_cap = 0;
}

/* ---- chunks ---- */

static cJSON *chunk_new(struct chat_stream *s)
{
    cJSON *chunk = tree_wrap_text("id", s->who->id);
    (void)tree_text(&s->starved, chunk, "object", "chat.completion.chunk");
    (void)tree_int(&s->starved, chunk, "created", s->who->created);
    (void)tree_text(&s->starved, chunk, "model", s->request->model);
    (void)tree_array(&s->starved, chunk, "choices");
    return chunk;
}

static void fail_stream(struct chat_stream *s)
{
    s->over = true;
    s->emit(s->ctx, CHAT_ERROR, fail_object(&s->fail));
}

static void emit_chunk(struct chat_stream *s, enum chat_item kind, cJSON *chunk)
{
    if (!s->starved) {
        s->emit(s->ctx, kind, chunk);
        return;
    }
    cJSON_Delete(chunk);
    (void)fail_set(&s->fail, 500, NULL, "out of memory");
    fail_stream(s);
}

/* A chunk of one choice; takes the delta. */
static void emit_delta(struct chat_stream *s, enum chat_item kind, cJSON *delta, const char *finish)
{
    cJSON *chunk = chunk_new(s);
    cJSON *choice = tree_push(&s->starved, json_member(chunk, "choices"), cJSON_CreateObject());
    (void)tree_int(&s->starved, choice, "index", 0);
    (void)tree_put(&s->starved, choice, "delta", delta);
    (void)tree_put(&s->starved, choice, "finish_reason",
                   finish != NULL ? cJSON_CreateString(finish) : cJSON_CreateNull());
    emit_chunk(s, kind, chunk);
}

/* The role goes first, and once, whatever event came first. */
static void need_role(struct chat_stream *s)
{
    if (s->role_sent)
        return;
    s->role_sent = true;
    cJSON *delta = tree_wrap_text("role", "assistant");
    (void)tree_text(&s->starved, delta, "content", "");
    emit_delta(s, CHAT_CHUNK, delta, NULL);
}

static void emit_text(struct chat_stream *s, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        emit_delta(s, CHAT_CHUNK, tree_wrap_text(key, text), NULL);
}

/* ---- tools ---- */

static struct chat_block *block_find(struct chat_stream *s, int64_t block)
{
    for (size_t i = s->block_count; i > 0; i--)
        if (s->blocks[i - 1].block == block)
            return &s->blocks[i - 1];
    return NULL;
}

static struct chat_block *block_add(struct chat_stream *s, int64_t block)
{
    if (s->block_count == s->block_cap) {
        size_t cap = s->block_cap > 0 ? s->block_cap * 2 : 8;
        struct chat_block *more = s->block_count < CHAT_TOOLS_MAX ? realloc(s->blocks, cap * sizeof *more) : NULL;
        if (more == NULL) {
            s->starved = true;
            return NULL;
        }
        s->blocks = more;
        s->block_cap = cap;
    }
    s->blocks[s->block_count] = (struct chat_block){block, (int64_t)s->block_count, false};
    return &s->blocks[s->block_count++];
}

/* Takes `function`. The id is in the first chunk of a call only. */
static void emit_call(struct chat_stream *s, int64_t tool, const char *id, cJSON *function)
{
    cJSON *call = cJSON_CreateObject();
    (void)tree_int(&s->starved, call, "index", tool);
    if (id != NULL) {
        (void)tree_text(&s->starved, call, "id", id);
        (void)tree_text(&s->starved, call, "type", "function");
    }
    (void)tree_put(&s->starved, call, "function", function);
    cJSON *delta = cJSON_CreateObject();
    (void)tree_push(&s->starved, tree_array(&s->starved, delta, "tool_calls"), call);
    emit_delta(s, CHAT_CHUNK, delta, NULL);
}

static int64_t block_index(const cJSON *event)
{
    int64_t n = 0;
    return json_int64(json_member(event, "contentBlockIndex"), &n) ? n : 0;
}

static void on_block_start(struct chat_stream *s, const cJSON *event)
{
    const cJSON *use = json_member(json_member(event, "start"), "toolUse");
    const char *id = json_str(use, "toolUseId"), *name = json_str(use, "name");
    if (use == NULL)
        return; /* images and results of server-side tools have no place in a chat answer */
    const struct chat_block *b = block_add(s, block_index(event));
    cJSON *function = tree_wrap_text("name", tool_names_client(&s->request->tools, name != NULL ? name : ""));
    (void)tree_text(&s->starved, function, "arguments", "");
    emit_call(s, b != NULL ? b->tool : 0, id != NULL ? id : "", function);
}

static void on_tool_delta(struct chat_stream *s, const cJSON *event, const cJSON *use)
{
    struct chat_block *b = block_find(s, block_index(event));
    const char *input = json_str(use, "input");
    if (b == NULL || input == NULL || input[0] == '\0')
        return;
    b->arguments = true;
    emit_call(s, b->tool, NULL, tree_wrap_text("arguments", input));
}

/* A call without arguments has no delta; its text must still be that of an object. */
static void on_block_stop(struct chat_stream *s, const cJSON *event)
{
    struct chat_block *b = block_find(s, block_index(event));
    if (b == NULL || b->arguments)
        return;
    b->arguments = true;
    emit_call(s, b->tool, NULL, tree_wrap_text("arguments", "{}"));
}

/* ---- the other events ---- */

static void on_reasoning(struct chat_stream *s, const cJSON *reasoning)
{
    emit_text(s, "reasoning_content", json_str(reasoning, "text"));
    emit_text(s, "reasoning_signature", json_str(reasoning, "signature"));
    const char *redacted = json_str(reasoning, "redactedContent");
    if (redacted == NULL)
        return;
    cJSON *thought = tree_wrap_text("type", "redacted_thinking");
    (void)tree_text(&s->starved, thought, "data", redacted);
    cJSON *delta = cJSON_CreateObject();
    (void)tree_push(&s->starved, tree_array(&s->starved, delta, "thinking_blocks"), thought);
    emit_delta(s, CHAT_CHUNK, delta, NULL);
}

static void on_block_delta(struct chat_stream *s, const cJSON *event)
{
    const cJSON *delta = json_member(event, "delta");
    const cJSON *reasoning = json_member(delta, "reasoningContent"), *use = json_member(delta, "toolUse");
    s->said += token_count(span_of(json_str(delta, "text"))) + token_count(span_of(json_str(reasoning, "text"))) +
               token_count(span_of(json_str(use, "input")));
    emit_text(s, "content", json_str(delta, "text"));
    if (reasoning != NULL)
        on_reasoning(s, reasoning);
    if (use != NULL)
        on_tool_delta(s, event, use);
}

static void on_message_start(struct chat_stream *s, const cJSON *event)
{
    (void)s; /* the role is sent before any event is read */
    (void)event;
}

static void on_message_stop(struct chat_stream *s, const cJSON *event)
{
    if (s->finished)
        return;
    s->finished = true;
    emit_delta(s, CHAT_TAIL, cJSON_CreateObject(), chat_finish_reason(json_str(event, "stopReason")));
}

static void on_metadata(struct chat_stream *s, const cJSON *event)
{
    const cJSON *usage = json_member(event, "usage");
    if (!s->request->include_usage || usage == NULL)
        return;
    cJSON *chunk = chunk_new(s);
    cJSON *told = tree_put(&s->starved, chunk, "usage", chat_usage(usage));
    if (told != NULL && s->price != NULL)
        s->price(s->ctx, event, told);
    static const char *const extras[] = {"trace", "performanceConfig"};
    for (size_t i = 0; i < COUNT_OF(extras); i++)
        if (json_member(event, extras[i]) != NULL)
            (void)tree_copy(&s->starved, chunk, extras[i], json_member(event, extras[i]));
    emit_chunk(s, CHAT_TAIL, chunk);
}

/* Bedrock Runtime API Reference: ConverseStreamOutput. `content`: has no place behind messageStop. */
static const struct {
    const char *event;
    bool content;
    void (*on)(struct chat_stream *s, const cJSON *event);
} events[] = {
    {"messageStart", true, on_message_start},    {"contentBlockStart", true, on_block_start},
    {"contentBlockDelta", true, on_block_delta}, {"contentBlockStop", true, on_block_stop},
    {"messageStop", false, on_message_stop},     {"metadata", false, on_metadata},
};

static void on_event(struct chat_stream *s, struct span name, struct span payload)
{
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        if (!span_is(name, events[i].event))
            continue;
        CLEANUP(json_free) cJSON *event = NULL;
        if (json_parse(payload, JSON_COMPACT, &event, NULL) != OK || !cJSON_IsObject(event)) {
            (void)fail_set(&s->fail, 502, NULL, "the payload of a %s event is no JSON object", events[i].event);
            fail_stream(s);
            return;
        }
        if (events[i].content && s->finished)
            return;
        need_role(s);
        if (!s->over)
            events[i].on(s, event);
        return;
    }
    /* An event of a newer Bedrock: clients skip what they do not know. */
}

void chat_stream_message(struct chat_stream *s, const struct es_message *m)
{
    struct span name = SPAN_EMPTY;
    if (s->over)
        return;
    switch (es_message_kind(m, &name)) {
    case ES_EVENT:
        on_event(s, name, m->payload);
        return;
    case ES_EXCEPTION:
        fail_from_exception(&s->fail, name, m->payload);
        break;
    case ES_ERROR:
        fail_from_exception(&s->fail, name, SPAN_EMPTY);
        if (es_header_text(m, ":error-message").n > 0)
            (void)note_set(&s->fail.note, OK, "%.*s", (int)es_header_text(m, ":error-message").n,
                           (const char *)es_header_text(m, ":error-message").p);
        fail_scrub(s->fail.note.text);
        break;
    case ES_OTHER:
        (void)fail_set(&s->fail, 502, NULL, "upstream sent a frame without a message type");
        break;
    }
    fail_stream(s);
}

void chat_stream_end(struct chat_stream *s, bool broken, const char *fault)
{
    if (s->over)
        return;
    if (s->finished && !broken) {
        s->over = true;
        s->emit(s->ctx, CHAT_DONE, NULL);
        return;
    }
    (void)fail_set(&s->fail, 502, "stream_cut", "the stream from upstream broke off before its end%s%s",
                   fault[0] != '\0' ? ": " : "", fault);
    fail_stream(s);
}
