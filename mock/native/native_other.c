/* native_other.c: the answers of Llama, Mistral, Cohere, AI21, DeepSeek, gpt-oss, and of imported models.
 *
 * Completions first, then what looks like OpenAI's chat. Streams of Command R, Jamba, DeepSeek and gpt-oss were never
 * seen in a recording: they follow the documentation of the provider, or the unary shape.
 */
#include "mock/native/native.h"

static void said(const struct native *n, struct buf *text)
{
    native_text(n, text);
}

/* ---- Llama ---- */

void write_llama(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    said(n, &text);
    native_print(out, "{'generation':%t,'prompt_token_count':%n,'generation_token_count':%n,'stop_reason':%q}",
                 buf_span(&text), n->in, n->out, native_stop(n));
}

/* The prompt is counted in the first chunk only; the generation so far in each. */
static void llama_chunk(struct native *n, struct span piece, uint64_t so_far, const char *stop)
{
    native_print(&n->json, "{'generation':%t,", piece);
    if (n->deltas == 0)
        native_print(&n->json, "'prompt_token_count':%n", n->in);
    else
        native_print(&n->json, "'prompt_token_count':null");
    native_print(&n->json, ",'generation_token_count':%n,'stop_reason':%q}", so_far, stop);
}

static void llama_piece(struct native *n, struct span piece, bool last)
{
    uint64_t so_far = n->deltas + 1 < n->out ? n->deltas + 1 : n->out;
    (void)last;
    llama_chunk(n, piece, so_far, NULL);
    native_emit_delta(n);
}

void stream_llama(struct native *n)
{
    native_text_pieces(n, llama_piece);
    llama_chunk(n, SPAN_LIT(""), n->out, native_stop(n));
    native_emit(n);
}

/* ---- Mistral, DeepSeek: a list of one text ---- */

static void listed(const struct native *n, const char *list, struct span text, const char *stop, struct buf *out)
{
    (void)n;
    native_print(out, "{%q:[{'text':%t,'stop_reason':%q}]}", list, text, stop);
}

void write_mistral(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    said(n, &text);
    listed(n, "outputs", buf_span(&text), native_stop(n), out);
}

static void mistral_piece(struct native *n, struct span piece, bool last)
{
    listed(n, "outputs", piece, last ? native_stop(n) : NULL, &n->json);
    native_emit_delta(n);
}

void stream_mistral(struct native *n)
{
    native_text_pieces(n, mistral_piece);
}

void write_deepseek(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    said(n, &text);
    listed(n, "choices", buf_span(&text), native_stop(n), out);
}

static void deepseek_piece(struct native *n, struct span piece, bool last)
{
    listed(n, "choices", piece, last ? native_stop(n) : NULL, &n->json);
    native_emit_delta(n);
}

void stream_deepseek(struct native *n)
{
    native_text_pieces(n, deepseek_piece);
}

/* ---- Cohere ---- */

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static void command_r(const struct native *n, struct span text, bool history, struct buf *out)
{
    native_print(out, "{'response_id':'%s/%s','text':%t,'generation_id':%q,'chat_history':[", n->id[0], n->id[2], text,
                 n->id[1]);
    if (history)
        native_print(out, "{'role':'USER','message':%q}", or_empty(json_str(n->body, "message")));
    native_print(out, "],'finish_reason':%q}", native_stop(n));
}

void write_command_r(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    said(n, &text);
    command_r(n, buf_span(&text), true, out);
}

static void command_r_piece(struct native *n, struct span piece, bool last)
{
    (void)last;
    native_print(&n->json, "{'is_finished':false,'event_type':'text-generation','text':%t}", piece);
    native_emit_delta(n);
}

void stream_command_r(struct native *n)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    if (n->a->stamps == 0) /* the end repeats the text, but a stamp must not be seen twice */
        said(n, &text);
    native_text_pieces(n, command_r_piece);
    native_print(&n->json, "{'is_finished':true,'event_type':'stream-end','response':");
    command_r(n, buf_span(&text), false, &n->json);
    native_print(&n->json, ",'finish_reason':%q}", native_stop(n));
    native_emit(n);
}

void write_command(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    said(n, &text);
    native_print(out, "{'id':%q,'generations':[{'id':%q,'text':%t,'finish_reason':%q}],'prompt':%q}", n->id[0],
                 n->id[1], buf_span(&text), native_stop(n), or_empty(json_str(n->body, "prompt")));
}

/* Its stream was recorded as one single chunk, with the members in the order of their names. Stamps get one each. */
static void command_piece(struct native *n, struct span piece, bool last)
{
    native_print(&n->json, "{'generations':[{'finish_reason':%q,'id':%q,'text':%t}],'id':%q,'prompt':%q}",
                 last ? native_stop(n) : NULL, n->id[1], piece, n->id[0], or_empty(json_str(n->body, "prompt")));
    native_emit_delta(n);
}

void stream_command(struct native *n)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    if (n->a->stamps > 0) {
        native_text_pieces(n, command_piece);
        return;
    }
    said(n, &text);
    command_piece(n, buf_span(&text), true);
}

/* ---- AI21 ---- */

void write_j2(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const char *stop = native_stop(n);
    said(n, &text);
    native_print(out,
                 "{'id':1234,'prompt':{'text':%q,'tokens':[]},'completions':[{'data':{'text':%t,'tokens':[]},"
                 "'finishReason':{'reason':%q",
                 or_empty(json_str(n->body, "prompt")), buf_span(&text), stop);
    if (strcmp(stop, "length") == 0)
        native_print(out, ",'length':%n", n->out);
    native_print(out, "}}]}");
}

/* ---- OpenAI's chat, and what looks like it ---- */

static size_t calls(const struct native *n)
{
    size_t count = 0;
    for (size_t i = 0; i < n->a->count; i++)
        count += n->a->blocks[i].kind == BLOCK_TOOL_USE;
    return count;
}

static void write_call(const struct native *n, const struct block *b, struct span arguments, struct buf *out)
{
    char id[NATIVE_ID_SIZE];
    native_print(out, "'id':%q,'type':'function','function':{'name':%q,'arguments':%t}",
                 native_tool_id(n, b, "call_", 24, id), b->name, arguments);
}

/* The message: a text, or null beside tool calls. */
static void write_message(const struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    said(n, &text);
    size_t count = calls(n);
    native_print(out, "{'role':'assistant','content':");
    if (text.len == 0 && count > 0)
        buf_adds(out, "null");
    else
        json_quote(buf_span(&text), out);
    const char *before = ",\"tool_calls\":[{";
    for (size_t i = 0; count > 0 && i < n->a->count; i++) {
        if (n->a->blocks[i].kind != BLOCK_TOOL_USE)
            continue;
        buf_adds(out, before);
        write_call(n, &n->a->blocks[i], span_of(n->a->blocks[i].input), out);
        buf_addc(out, '}');
        before = ",{";
    }
    buf_adds(out, count > 0 ? "]}" : "}");
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

/* ---- the same, streamed ---- */

static void chunk_begin(struct native *n)
{
    if (n->family->write == write_gpt)
        native_print(&n->json, "{'id':'chatcmpl-%s','object':'chat.completion.chunk','created':%n,'model':%q,",
                     n->id[0], n->created_s, n->model_id);
    else if (n->family->write == write_jamba)
        native_print(&n->json, "{'id':'chat-%s',", n->digits);
    else
        buf_addc(&n->json, '{');
    native_print(&n->json, "'choices':[{'index':0,%s:{",
                 n->family->write == write_mistral_chat ? "\"message\"" : "\"delta\"");
}

static void chunk_end(struct native *n, const char *stop)
{
    native_print(&n->json, "},%s:%q}]",
                 n->family->write == write_mistral_chat ? "\"stop_reason\"" : "\"finish_reason\"", stop);
    if (stop != NULL && n->family->write != write_mistral_chat) {
        buf_addc(&n->json, ',');
        write_totals(n, &n->json);
    }
    buf_addc(&n->json, '}');
}

static void chat_piece(struct native *n, struct span piece, bool last)
{
    if (last && piece.n == 0)
        return;
    chunk_begin(n);
    native_print(&n->json, "'content':%t", piece);
    chunk_end(n, NULL);
    native_emit_delta(n);
}

static void arguments_piece(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    chunk_begin(n);
    native_print(&n->json, "'tool_calls':[{'index':%z,'function':{'arguments':%t}}]", n->block, piece);
    chunk_end(n, NULL);
    native_emit_delta(n);
}

static void stream_call(struct native *n, const struct block *b)
{
    chunk_begin(n);
    native_print(&n->json, "'tool_calls':[{'index':%z,", n->block);
    write_call(n, b, SPAN_LIT(""), &n->json);
    buf_adds(&n->json, "}]");
    chunk_end(n, NULL);
    native_emit(n);
    native_pieces(n, b, b->input, arguments_piece);
    n->block++;
}

static void stream_chat(struct native *n)
{
    chunk_begin(n);
    native_print(&n->json, "'role':'assistant'");
    chunk_end(n, NULL);
    native_emit(n);
    native_text_pieces(n, chat_piece);
    for (size_t i = 0; i < n->a->count && !n->plan->failed; i++)
        if (n->a->blocks[i].kind == BLOCK_TOOL_USE)
            stream_call(n, &n->a->blocks[i]);
    chunk_begin(n);
    if (n->family->write != write_gpt)
        native_print(&n->json, "'content':''");
    chunk_end(n, native_stop(n));
    native_emit(n);
}

void stream_mistral_chat(struct native *n)
{
    stream_chat(n);
}

void stream_jamba(struct native *n)
{
    stream_chat(n);
}

void stream_gpt(struct native *n)
{
    stream_chat(n);
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
    said(n, &text);
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
