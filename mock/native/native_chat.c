/* native_chat.c: answers in OpenAI's forms: chat completions, as Mistral, Jamba, gpt-oss and the compatible endpoint
 * (mock/compat/compat_chat.c) have them, and the completions of imported models.
 *
 * A tool call and a delta are the same everywhere; what stands around them is a struct native_chat. Streams of Jamba
 * and gpt-oss were never seen in a recording: they follow the documentation of the provider, or the unary shape.
 */
#include "mock/native/native.h"

/* ---- what all have ---- */

static void write_call(const struct native *n, const struct block *b, struct span arguments, struct buf *out)
{
    char id[NATIVE_ID_SIZE];
    native_print(out, "'id':%q,'type':'function','function':{'name':%q,'arguments':%t}",
                 native_tool_id(n, b, "call_", 24, id), b->name, arguments);
}

size_t native_chat_calls(const struct native *n, struct buf *out)
{
    size_t calls = 0;
    for (size_t i = 0; i < n->a->count; i++) {
        const struct block *b = &n->a->blocks[i];
        if (b->kind != BLOCK_TOOL_USE)
            continue;
        buf_adds(out, calls++ == 0 ? ",\"tool_calls\":[{" : ",{");
        write_call(n, b, span_of(b->input), out);
        buf_addc(out, '}');
    }
    buf_adds(out, calls > 0 ? "]" : "");
    return calls;
}

void native_chat_delta(struct native *n, const char *key, struct span piece)
{
    n->chat->begin(n);
    native_print(&n->json, "%q:%t", key, piece);
    n->chat->end(n, NULL);
    native_emit_delta(n);
}

static void arguments_piece(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    n->chat->begin(n);
    native_print(&n->json, "'tool_calls':[{'index':%z,'function':{'arguments':%t}}]", n->block, piece);
    n->chat->end(n, NULL);
    native_emit_delta(n);
}

void native_chat_call(struct native *n, const struct block *b)
{
    n->chat->begin(n);
    native_print(&n->json, "'tool_calls':[{'index':%z,", n->block);
    write_call(n, b, SPAN_LIT(""), &n->json);
    buf_adds(&n->json, "}]");
    n->chat->end(n, NULL);
    native_emit(n);
    native_pieces(n, b, b->input, arguments_piece);
    n->block++;
}

/* ---- at once ---- */

/* The message: a text, or null beside tool calls. */
static void write_message(const struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf calls = BUF_INIT(BUF_ANY);
    native_text(n, &text);
    bool alone = native_chat_calls(n, &calls) == 0;
    native_print(out, "{'role':'assistant','content':%q%s}", text.len > 0 || alone ? buf_text(&text) : NULL,
                 buf_text(&calls));
}

static void write_totals(const struct native *n, struct buf *out)
{
    native_print(out, "'usage':{'prompt_tokens':%n,'completion_tokens':%n,'total_tokens':%n}", n->in, n->out,
                 n->in + n->out);
}

void write_mistral_chat(struct native *n, struct buf *out)
{
    native_print(out, "{'choices':[{'index':0,'message':");
    write_message(n, out);
    native_print(out, ",'stop_reason':%q}]}", native_stop(n));
}

void write_jamba(struct native *n, struct buf *out)
{
    native_print(out, "{'id':'chat-%s','choices':[{'index':0,'message':", n->digits);
    write_message(n, out);
    native_print(out, ",'finish_reason':%q}],", native_stop(n));
    write_totals(n, out);
    native_print(out, ",'meta':{'requestDurationMillis':%n}}", n->whole_ms);
}

void write_gpt(struct native *n, struct buf *out)
{
    native_print(out,
                 "{'id':'chatcmpl-%s','object':'chat.completion','created':%n,'model':%q,'choices':[{'index':0,"
                 "'message':",
                 n->id[0], n->created_s, n->model_id);
    write_message(n, out);
    native_print(out, ",'finish_reason':%q}],", native_stop(n));
    write_totals(n, out);
    buf_addc(out, '}');
}

/* ---- streamed ---- */

static void mistral_begin(struct native *n)
{
    native_print(&n->json, "{'choices':[{'index':0,'message':{");
}

static void mistral_end(struct native *n, const char *stop)
{
    native_print(&n->json, "},'stop_reason':%q}]}", stop);
}

static void jamba_begin(struct native *n)
{
    native_print(&n->json, "{'id':'chat-%s','choices':[{'index':0,'delta':{", n->digits);
}

static void gpt_begin(struct native *n)
{
    native_print(&n->json,
                 "{'id':'chatcmpl-%s','object':'chat.completion.chunk','created':%n,'model':%q,'choices':[{'index':0,"
                 "'delta':{",
                 n->id[0], n->created_s, n->model_id);
}

static void openai_end(struct native *n, const char *stop)
{
    native_print(&n->json, "},'finish_reason':%q}]", stop);
    if (stop != NULL) {
        buf_addc(&n->json, ',');
        write_totals(n, &n->json);
    }
    buf_addc(&n->json, '}');
}

static void content_piece(struct native *n, struct span piece, bool last)
{
    if (!last || piece.n > 0)
        native_chat_delta(n, "content", piece);
}

/* `rest`: what the chunk with the stop reason says beside it. */
static void stream_chat(struct native *n, const struct native_chat *chat, const char *rest)
{
    n->chat = chat;
    chat->begin(n);
    native_print(&n->json, "'role':'assistant'");
    chat->end(n, NULL);
    native_emit(n);
    native_text_pieces(n, content_piece);
    for (size_t i = 0; i < n->a->count && !n->plan->failed; i++)
        if (n->a->blocks[i].kind == BLOCK_TOOL_USE)
            native_chat_call(n, &n->a->blocks[i]);
    chat->begin(n);
    native_print(&n->json, rest);
    chat->end(n, native_stop(n));
    native_emit(n);
}

void stream_mistral_chat(struct native *n)
{
    static const struct native_chat chat = {mistral_begin, mistral_end};
    stream_chat(n, &chat, "'content':''");
}

void stream_jamba(struct native *n)
{
    static const struct native_chat chat = {jamba_begin, openai_end};
    stream_chat(n, &chat, "'content':''");
}

void stream_gpt(struct native *n)
{
    static const struct native_chat chat = {gpt_begin, openai_end};
    stream_chat(n, &chat, "");
}

/* ---- imported models, SageMaker endpoints ---- */

static void completion(const struct native *n, struct span text, const char *stop, struct buf *out)
{
    native_print(out,
                 "{'object':'text_completion','id':'','created':%n,'model':'/opt/ml/model','system_fingerprint':"
                 "'3.0.1-native','choices':[{'index':0,'text':%t,'logprobs':null,'finish_reason':%q}]",
                 n->created_s, text, stop);
    if (stop != NULL) {
        buf_addc(out, ',');
        write_totals(n, out);
    }
    buf_addc(out, '}');
}

void write_imported(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    native_text(n, &text);
    completion(n, buf_span(&text), native_stop(n), out);
}

static void imported_piece(struct native *n, struct span piece, bool last)
{
    completion(n, piece, last ? native_stop(n) : NULL, &n->json);
    native_emit_delta(n);
}

void stream_imported(struct native *n)
{
    native_text_pieces(n, imported_piece);
}
