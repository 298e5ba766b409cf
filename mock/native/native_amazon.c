/* native_amazon.c: the answers of Nova, which are Converse's with fewer members and another order, and of Titan Text.
 */
#include "mock/native/native.h"

/* Like a Converse block, with the tool's id as a UUID. */
static void nova_block(const struct native *n, const struct block *b, struct buf *out)
{
    char id[NATIVE_ID_SIZE];
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    switch (b->kind) {
    case BLOCK_TOOL_USE:
        native_print(out, "{'toolUse':{'name':%q,'toolUseId':%q,'input':%s}}", b->name,
                     native_tool_id(n, b, NULL, 0, id), b->input);
        return;
    case BLOCK_REASONING:
        native_print(out, "{'reasoningContent':{'reasoningText':{'text':%q}}}", b->text);
        return;
    case BLOCK_REDACTED:
        native_print(out, "{'reasoningContent':{'redactedContent':%q}}", b->text);
        return;
    case BLOCK_STAMPS:
        native_text(n, &text);
        native_print(out, "{'text':%t}", buf_span(&text));
        return;
    case BLOCK_TEXT:
        native_print(out, "{'text':%q}", b->text);
        return;
    case BLOCK_CITATIONS:
    case BLOCK_OTHER:
        native_print(out, "{%q:", b->raw->string);
        json_print(b->raw, JSON_COMPACT, out);
        buf_addc(out, '}');
        return;
    }
}

void write_nova(struct native *n, struct buf *out)
{
    native_print(out, "{'output':{'message':{'content':[");
    for (size_t i = 0; i < n->a->count; i++) {
        if (i > 0)
            buf_addc(out, ',');
        nova_block(n, &n->a->blocks[i], out);
    }
    native_print(out,
                 "],'role':'assistant'}},'stopReason':%q,'usage':{'inputTokens':%n,'outputTokens':%n,"
                 "'totalTokens':%n,'cacheReadInputTokenCount':%n,'cacheWriteInputTokenCount':%n}}",
                 native_stop(n), n->in, n->out, n->in + n->out + n->cache_read + n->cache_write, n->cache_read,
                 n->cache_write);
}

static void nova_delta(struct native *n, const char *before, struct span piece, const char *after)
{
    native_print(&n->json, "{'contentBlockDelta':{'delta':{%s", before);
    json_quote(piece, &n->json);
    native_print(&n->json, "%s},'contentBlockIndex':%z}}", after, n->block);
    native_emit_delta(n);
}

static void nova_text(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    nova_delta(n, "\"text\":", piece, "");
}

static void nova_input(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    nova_delta(n, "\"toolUse\":{\"input\":", piece, "}");
}

static void nova_reasoning(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    nova_delta(n, "\"reasoningContent\":{\"reasoningText\":{\"text\":", piece, "}}");
}

static void nova_stream_block(struct native *n, const struct block *b)
{
    char id[NATIVE_ID_SIZE];
    if (b->kind == BLOCK_TOOL_USE) {
        native_print(&n->json,
                     "{'contentBlockStart':{'start':{'toolUse':{'toolUseId':%q,'name':%q}},'contentBlockIndex':%z}}",
                     native_tool_id(n, b, NULL, 0, id), b->name, n->block);
        native_emit(n);
        native_pieces(n, b, b->input, nova_input);
    } else if (b->kind == BLOCK_REASONING) {
        native_pieces(n, b, b->text, nova_reasoning);
    } else if (b->kind == BLOCK_TEXT || b->kind == BLOCK_CITATIONS || b->kind == BLOCK_STAMPS) {
        native_pieces(n, b, b->text, nova_text);
    }
    native_print(&n->json, "{'contentBlockStop':{'contentBlockIndex':%z}}", n->block);
    native_emit(n);
}

void stream_nova(struct native *n)
{
    native_print(&n->json, "{'messageStart':{'role':'assistant'}}");
    native_emit(n);
    for (size_t i = 0; i < n->a->count && !n->plan->failed; i++, n->block++)
        nova_stream_block(n, &n->a->blocks[i]);
    native_print(&n->json, "{'messageStop':{'stopReason':%q}}", native_stop(n));
    native_emit(n);
    native_print(&n->json,
                 "{'metadata':{'usage':{'inputTokens':%n,'outputTokens':%n,'cacheReadInputTokenCount':%n,"
                 "'cacheWriteInputTokenCount':%n},'metrics':{},'trace':{}}}",
                 n->in, n->out, n->cache_read, n->cache_write);
    native_emit(n);
}

/* ---- Titan Text ---- */

void write_titan(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    native_text(n, &text);
    native_print(out, "{'inputTextTokenCount':%n,'results':[{'tokenCount':%n,'outputText':%t,'completionReason':%q}]}",
                 n->in, n->out, buf_span(&text), native_stop(n));
}

/* The input's count comes with the first chunk, the output's and the reason with the last. */
static void titan_piece(struct native *n, struct span piece, bool last)
{
    native_print(&n->json, "{'outputText':%t,'index':0,", piece);
    if (last)
        native_print(&n->json, "'totalOutputTextTokenCount':%n,'completionReason':%q", n->out, native_stop(n));
    else
        native_print(&n->json, "'totalOutputTextTokenCount':null,'completionReason':null");
    if (n->deltas == 0)
        native_print(&n->json, ",'inputTextTokenCount':%n}", n->in);
    else
        native_print(&n->json, ",'inputTextTokenCount':null}");
    native_emit_delta(n);
}

void stream_titan(struct native *n)
{
    native_text_pieces(n, titan_piece);
}
