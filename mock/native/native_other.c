/* native_other.c: the answers of Llama, Mistral, Cohere, AI21 and DeepSeek that are little more than a text.
 *
 * Those that look like OpenAI's are in native_chat.c. Streams of Command R and DeepSeek were never seen in a recording:
 * they follow the documentation of the provider, or the unary shape.
 */
#include "mock/native/native.h"

/* ---- Llama ---- */

void write_llama(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    native_text(n, &text);
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

static void listed(const char *list, struct span text, const char *stop, struct buf *out)
{
    native_print(out, "{%q:[{'text':%t,'stop_reason':%q}]}", list, text, stop);
}

void write_mistral(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    native_text(n, &text);
    listed("outputs", buf_span(&text), native_stop(n), out);
}

static void mistral_piece(struct native *n, struct span piece, bool last)
{
    listed("outputs", piece, last ? native_stop(n) : NULL, &n->json);
    native_emit_delta(n);
}

void stream_mistral(struct native *n)
{
    native_text_pieces(n, mistral_piece);
}

void write_deepseek(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    native_text(n, &text);
    listed("choices", buf_span(&text), native_stop(n), out);
}

static void deepseek_piece(struct native *n, struct span piece, bool last)
{
    listed("choices", piece, last ? native_stop(n) : NULL, &n->json);
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
    native_text(n, &text);
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
        native_text(n, &text);
    native_text_pieces(n, command_r_piece);
    native_print(&n->json, "{'is_finished':true,'event_type':'stream-end','response':");
    command_r(n, buf_span(&text), false, &n->json);
    native_print(&n->json, ",'finish_reason':%q}", native_stop(n));
    native_emit(n);
}

void write_command(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    native_text(n, &text);
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
    native_text(n, &text);
    command_piece(n, buf_span(&text), true);
}

/* ---- AI21 ---- */

void write_j2(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const char *stop = native_stop(n);
    native_text(n, &text);
    native_print(out,
                 "{'id':1234,'prompt':{'text':%q,'tokens':[]},'completions':[{'data':{'text':%t,'tokens':[]},"
                 "'finishReason':{'reason':%q",
                 or_empty(json_str(n->body, "prompt")), buf_span(&text), stop);
    if (strcmp(stop, "length") == 0)
        native_print(out, ",'length':%n", n->out);
    native_print(out, "}}]}");
}
