/* compat_chat.c: Chat Completions, as OpenAI's API reference has them, with what recordings of Bedrock add: the
 * reasoning as a text of the message, `refusal` and `service_tier` always there, and usage without details for models
 * that cache nothing.
 */
#include "mock/compat/compat.h"

static const char *finish_reason(const struct native *n)
{
    static const char *const reasons[][2] = {{"max_tokens", "length"},
                                             {"model_context_window_exceeded", "length"},
                                             {"tool_use", "tool_calls"},
                                             {"content_filtered", "content_filter"},
                                             {"guardrail_intervened", "content_filter"}};
    const char *action = n->a->guardrail_action;
    if (action != NULL && strcmp(action, "INTERVENED") == 0)
        return "content_filter";
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (strcmp(reasons[i][0], n->a->stop_reason) == 0)
            return reasons[i][1];
    return "stop";
}

static void write_usage(const struct native *n, struct buf *out)
{
    uint64_t in = n->in + n->cache_read + n->cache_write;
    native_print(out, "{'prompt_tokens':%n,'completion_tokens':%n,'total_tokens':%n", in, n->out, in + n->out);
    if (n->has_cache)
        native_print(out, ",'prompt_tokens_details':{'cached_tokens':%n}", n->cache_read);
    buf_addc(out, '}');
}

static void write_message(const struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf reasoning = BUF_INIT(BUF_ANY);
    native_text(n, &text);
    for (size_t i = 0; i < n->a->count; i++)
        if (n->a->blocks[i].kind == BLOCK_REASONING)
            buf_adds(&reasoning, n->a->blocks[i].text);
    native_print(out, "{'role':'assistant','content':%q,'refusal':null", text.len > 0 ? buf_text(&text) : NULL);
    if (reasoning.len > 0)
        native_print(out, ",'reasoning':%t", buf_span(&reasoning));
    (void)native_chat_calls(n, out);
    buf_addc(out, '}');
}

void write_chat_completion(struct native *n, struct buf *out)
{
    native_print(out,
                 "{'id':'chatcmpl-%s','object':'chat.completion','created':%n,'model':%q,'choices':[{'index':0,"
                 "'message':",
                 n->id[0], n->created_s, n->model_id);
    write_message(n, out);
    native_print(out, ",'logprobs':null,'finish_reason':%q}],'service_tier':'default','usage':", finish_reason(n));
    write_usage(n, out);
    buf_addc(out, '}');
}

/* ---- streamed ---- */

static bool wants_usage(const struct native *n)
{
    return cJSON_IsTrue(json_at(n->body, "/stream_options/include_usage"));
}

static void head(struct native *n)
{
    native_print(&n->json,
                 "{'id':'chatcmpl-%s','object':'chat.completion.chunk','created':%n,'model':%q,"
                 "'service_tier':'default',",
                 n->id[0], n->created_s, n->model_id);
}

static void chunk_begin(struct native *n)
{
    head(n);
    native_print(&n->json, "'choices':[{'index':0,'delta':{");
}

static void chunk_end(struct native *n, const char *finish)
{
    native_print(&n->json, "},'logprobs':null,'finish_reason':%q}]%s}", finish,
                 wants_usage(n) ? ",\"usage\":null" : "");
}

static void content_delta(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    native_chat_delta(n, "content", piece);
}

static void reasoning_delta(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    native_chat_delta(n, "reasoning", piece);
}

static void stream_block(struct native *n, const struct block *b)
{
    switch (b->kind) {
    case BLOCK_TEXT:
    case BLOCK_CITATIONS:
    case BLOCK_STAMPS:
        native_pieces(n, b, b->text, content_delta);
        break;
    case BLOCK_REASONING:
        native_pieces(n, b, b->text, reasoning_delta);
        break;
    case BLOCK_TOOL_USE:
        native_chat_call(n, b);
        break;
    case BLOCK_REDACTED:
    case BLOCK_OTHER: /* the protocol has no such thing */
        break;
    }
}

void stream_chat_completion(struct native *n)
{
    static const struct native_chat chat = {chunk_begin, chunk_end};
    n->chat = &chat;
    chunk_begin(n);
    native_print(&n->json, "'role':'assistant','content':'','refusal':null");
    chunk_end(n, NULL);
    native_emit(n);
    for (size_t i = 0; i < n->a->count && !n->plan->failed; i++)
        stream_block(n, &n->a->blocks[i]);
    chunk_begin(n);
    chunk_end(n, finish_reason(n));
    native_emit(n);
    if (!wants_usage(n))
        return;
    head(n);
    native_print(&n->json, "'choices':[],'usage':");
    write_usage(n, &n->json);
    buf_addc(&n->json, '}');
    native_emit(n);
}
