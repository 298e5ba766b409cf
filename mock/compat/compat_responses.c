/* compat_responses.c: Responses, as OpenAI's API reference has them and as recordings of Bedrock differ.
 *
 * What differs: ids have 52 characters of base32 behind resp_; created_at has a fraction with gpt-oss and none with the
 * newer GPTs; reasoning is told as reasoning_text, not as a summary; events of a stream write their data before their
 * name, and no [DONE] follows the last. Each block of an answer is an output item.
 */
#include "mock/compat/compat.h"

#include <stdio.h>

#include "protocol/token.h"

#define RESPONSE_ID_CHARS 52
#define ITEM_ID_CHARS     16

static void write_id(const struct native *n, struct buf *out)
{
    static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
    struct rng rng = {rng_hash(3, span_of(n->id[0]))};
    buf_adds(out, "\"resp_");
    for (size_t i = 0; i < RESPONSE_ID_CHARS; i++)
        buf_addc(out, base32[rng_below(&rng, sizeof base32 - 1)]);
    buf_addc(out, '"');
}

/* An answer of a block that the protocol has a word for. */
static const char *item_prefix(const struct block *b)
{
    switch (b->kind) {
    case BLOCK_TEXT:
    case BLOCK_CITATIONS:
    case BLOCK_STAMPS:
        return "msg_";
    case BLOCK_REASONING:
        return "rs_";
    case BLOCK_TOOL_USE:
        return "fc_";
    case BLOCK_REDACTED:
    case BLOCK_OTHER:
        break;
    }
    return NULL;
}

static const char *item_id(const struct native *n, size_t block, char out[NATIVE_ID_SIZE])
{
    struct rng rng = {rng_hash(16 + block, span_of(n->id[1]))};
    (void)snprintf(out, NATIVE_ID_SIZE, "%s%0*llx", item_prefix(&n->a->blocks[block]), ITEM_ID_CHARS,
                   (unsigned long long)rng_next(&rng));
    return out;
}

/* ---- items ---- */

static const char *why_incomplete(const struct native *n)
{
    const char *stop = n->a->stop_reason, *action = n->a->guardrail_action;
    if (strcmp(stop, "max_tokens") == 0 || strcmp(stop, "model_context_window_exceeded") == 0)
        return "max_output_tokens";
    bool filtered = strcmp(stop, "content_filtered") == 0 || strcmp(stop, "guardrail_intervened") == 0 ||
                    (action != NULL && strcmp(action, "INTERVENED") == 0);
    return filtered ? "content_filter" : NULL;
}

static void write_part(const struct native *n, const struct block *b, bool empty, struct buf *out)
{
    CLEANUP(buf_release) struct buf stamp = BUF_INIT(BUF_ANY);
    if (b->kind == BLOCK_STAMPS)
        native_text(n, &stamp); /* they come alone */
    const char *text = empty ? "" : b->kind == BLOCK_STAMPS ? buf_text(&stamp) : b->text;
    if (b->kind == BLOCK_REASONING)
        native_print(out, "{'type':'reasoning_text','text':%q}", text);
    else
        native_print(out, "{'type':'output_text','annotations':[],'logprobs':null,'text':%q}", text);
}

static void write_item(const struct native *n, size_t block, bool empty, struct buf *out)
{
    const struct block *b = &n->a->blocks[block];
    bool cut = block + 1 == n->a->count && why_incomplete(n) != NULL;
    const char *status = empty ? "in_progress" : cut ? "incomplete" : "completed";
    char id[NATIVE_ID_SIZE], call[NATIVE_ID_SIZE];
    (void)item_id(n, block, id);
    if (b->kind == BLOCK_TOOL_USE) {
        native_print(out, "{'id':%q,'type':'function_call','status':%q,'call_id':%q,'name':%q,'arguments':%q}", id,
                     status, native_tool_id(n, b, "call_", 24, call), b->name, empty ? "" : b->input);
        return;
    }
    if (b->kind == BLOCK_REASONING)
        native_print(out, "{'id':%q,'type':'reasoning','summary':[],'encrypted_content':null,'status':%q,'content':[",
                     id, status);
    else
        native_print(out, "{'id':%q,'type':'message','role':'assistant','status':%q,'content':[", id, status);
    if (!empty)
        write_part(n, b, false, out);
    buf_adds(out, "]}");
}

/* ---- the response ---- */

static void write_usage(const struct native *n, struct buf *out)
{
    uint64_t in = n->in + n->cache_read + n->cache_write, reasoned = 0;
    for (size_t i = 0; i < n->a->count; i++)
        if (n->a->blocks[i].kind == BLOCK_REASONING)
            reasoned += token_count(span_of(n->a->blocks[i].text));
    native_print(out,
                 "{'input_tokens':%n,'input_tokens_details':{'cached_tokens':%n},'output_tokens':%n,"
                 "'output_tokens_details':{'reasoning_tokens':%n},'total_tokens':%n}",
                 in, n->cache_read, n->out, reasoned < n->out ? reasoned : n->out, in + n->out);
}

/* What was asked for, as it was; or what it is when nobody asked. */
static void echo(const struct native *n, const char *key, const char *otherwise, struct buf *out)
{
    const cJSON *value = json_member(n->body, key);
    native_print(out, ",%q:", key);
    if (value != NULL)
        json_print(value, JSON_COMPACT, out);
    else
        buf_adds(out, otherwise);
}

static void write_settings(const struct native *n, struct buf *out)
{
    static const char *const settings[][2] = {{"instructions", "null"},
                                              {"metadata", "{}"},
                                              {"parallel_tool_calls", "true"},
                                              {"temperature", "1.0"},
                                              {"tool_choice", "\"auto\""},
                                              {"tools", "[]"},
                                              {"top_p", "1.0"},
                                              {"background", "false"},
                                              {"max_output_tokens", "null"},
                                              {"max_tool_calls", "null"},
                                              {"previous_response_id", "null"},
                                              {"prompt", "null"},
                                              {"reasoning", "null"},
                                              {"store", "true"},
                                              {"text", "{\"format\":{\"type\":\"text\"}}"},
                                              {"top_logprobs", "null"},
                                              {"truncation", "\"disabled\""},
                                              {"user", "null"}};
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        echo(n, settings[i][0], settings[i][1], out);
    buf_adds(out, ",\"service_tier\":\"default\"");
}

static void write_items(const struct native *n, struct buf *out)
{
    const char *comma = "";
    for (size_t i = 0; i < n->a->count; i++) {
        if (item_prefix(&n->a->blocks[i]) == NULL)
            continue;
        buf_adds(out, comma);
        write_item(n, i, false, out);
        comma = ",";
    }
}

static void write_object(const struct native *n, bool whole, struct buf *out)
{
    const char *why = whole ? why_incomplete(n) : NULL;
    bool fraction = strstr(n->model_id, "gpt-oss") != NULL;
    CLEANUP(buf_release) struct buf object = BUF_INIT(BUF_ANY);
    buf_adds(&object, "{\"id\":");
    write_id(n, &object);
    native_print(&object,
                 ",'object':'response','created_at':%n%s,'status':%q,'error':null,'incomplete_details':", n->created_s,
                 fraction ? ".0" : "",
                 !whole        ? "in_progress"
                 : why != NULL ? "incomplete"
                               : "completed");
    if (why != NULL)
        native_print(&object, "{'reason':%q}", why);
    else
        buf_adds(&object, "null");
    native_print(&object, ",'model':%q,'output':[", n->model_id);
    if (whole)
        write_items(n, &object);
    buf_addc(&object, ']');
    write_settings(n, &object);
    buf_adds(&object, ",\"usage\":");
    if (whole)
        write_usage(n, &object);
    else
        buf_adds(&object, "null");
    buf_addc(&object, '}');
    if (whole)
        native_merge(n->a->extra, &object);
    if (whole && n->whole != NULL)
        buf_add(n->whole, buf_span(&object));
    buf_add(out, buf_span(&object));
}

void write_response(struct native *n, struct buf *out)
{
    write_object(n, true, out);
}

/* ---- streamed ---- */

static void begin(struct native *n, const char *type)
{
    native_print(&n->json, "{'type':'response.%s','sequence_number':%n", type, n->sequence++);
}

static void end(struct native *n)
{
    buf_addc(&n->json, '}');
    native_emit(n);
}

static void say_response(struct native *n, const char *type, bool whole)
{
    begin(n, type);
    buf_adds(&n->json, ",\"response\":");
    write_object(n, whole, &n->json);
    end(n);
}

static void say_item(struct native *n, const char *type, size_t block, bool empty)
{
    begin(n, type);
    native_print(&n->json, ",'output_index':%z,'item':", n->block);
    write_item(n, block, empty, &n->json);
    end(n);
}

static void begin_part(struct native *n, const char *type, const struct block *b)
{
    char id[NATIVE_ID_SIZE];
    begin(n, type);
    native_print(&n->json, ",'item_id':%q,'output_index':%z", item_id(n, (size_t)(b - n->a->blocks), id), n->block);
    if (b->kind != BLOCK_TOOL_USE)
        buf_adds(&n->json, ",\"content_index\":0");
}

static void say_part(struct native *n, const char *type, const struct block *b, bool empty)
{
    begin_part(n, type, b);
    buf_adds(&n->json, ",\"part\":");
    write_part(n, b, empty, &n->json);
    end(n);
}

static const char *kind_of(const struct block *b)
{
    return b->kind == BLOCK_TOOL_USE    ? "function_call_arguments"
           : b->kind == BLOCK_REASONING ? "reasoning_text"
                                        : "output_text";
}

static void begin_kind(struct native *n, const struct block *b, const char *what)
{
    char type[64];
    (void)snprintf(type, sizeof type, "%s.%s", kind_of(b), what);
    begin_part(n, type, b);
}

static void piece_delta(struct native *n, const struct block *b, struct span piece)
{
    begin_kind(n, b, "delta");
    native_print(&n->json, ",'delta':%t", piece);
    if (item_prefix(b)[0] == 'm')
        buf_adds(&n->json, ",\"logprobs\":[]");
    buf_addc(&n->json, '}');
    native_emit_delta(n);
}

static void say_done(struct native *n, const struct block *b)
{
    CLEANUP(buf_release) struct buf stamp = BUF_INIT(BUF_ANY);
    if (b->kind == BLOCK_STAMPS)
        native_text(n, &stamp);
    begin_kind(n, b, "done");
    if (b->kind == BLOCK_TOOL_USE)
        native_print(&n->json, ",'name':%q,'arguments':%q", b->name, b->input);
    else
        native_print(&n->json, ",'text':%q", b->kind == BLOCK_STAMPS ? buf_text(&stamp) : b->text);
    if (item_prefix(b)[0] == 'm')
        buf_adds(&n->json, ",\"logprobs\":[]");
    end(n);
}

static void stream_item(struct native *n, size_t block)
{
    const struct block *b = &n->a->blocks[block];
    bool parts = b->kind != BLOCK_TOOL_USE;
    say_item(n, "output_item.added", block, true);
    if (parts)
        say_part(n, "content_part.added", b, true);
    native_pieces(n, b, parts ? b->text : b->input, piece_delta);
    say_done(n, b);
    if (parts)
        say_part(n, "content_part.done", b, false);
    say_item(n, "output_item.done", block, false);
    n->block++;
}

void stream_response(struct native *n)
{
    say_response(n, "created", false);
    say_response(n, "in_progress", false);
    for (size_t i = 0; i < n->a->count && !n->plan->failed; i++)
        if (item_prefix(&n->a->blocks[i]) != NULL)
            stream_item(n, i);
    say_response(n, why_incomplete(n) != NULL ? "incomplete" : "completed", true);
}
