/* native_anthropic.c: Claude's own answers: the Messages form, and the completions of Claude 2 and Instant.
 *
 * Message ids are msg_bdrk_ and tool ids toolu_bdrk_ with 24 characters behind, which begin with 01; the model goes by
 * its name without provider and version. Models that cache prompts print the cache members even when they are 0.
 */
#include "mock/native/native.h"

#include <stdio.h>

#define MODEL_NAME_MAX 128

/* us.anthropic.claude-haiku-4-5-20251001-v1:0: claude-haiku-4-5-20251001 */
static void model_name(const char *model_id, char out[MODEL_NAME_MAX])
{
    const char *slash = strrchr(model_id, '/'), *id = slash != NULL ? slash + 1 : model_id;
    const char *provider = strstr(id, "anthropic.");
    (void)snprintf(out, MODEL_NAME_MAX, "%s", provider != NULL ? provider + strlen("anthropic.") : id);
    size_t n = strlen(out);
    char *version = n > 3 ? strrchr(out, '-') : NULL;
    if (version != NULL && version[1] == 'v' && version[2] >= '0' && version[2] <= '9' && version[3] == ':')
        *version = '\0';
}

static void message_id(const struct native *n, char out[NATIVE_ID_SIZE])
{
    struct rng rng = {rng_hash(2, span_of(n->id[0]))};
    native_id(&rng, "msg_bdrk_01", 22, out);
}

/* The split by time to live: in a stream only where it says something, since recordings of streams have none. */
static void usage(const struct native *n, uint64_t output, bool whole, struct buf *out)
{
    native_print(out, "{'input_tokens':%n,", n->in);
    if (n->has_cache)
        native_print(out, "'cache_creation_input_tokens':%n,'cache_read_input_tokens':%n,", n->cache_write,
                     n->cache_read);
    if (n->has_cache && (whole || n->cache_write_hour > 0))
        native_print(out, "'cache_creation':{'ephemeral_5m_input_tokens':%n,'ephemeral_1h_input_tokens':%n},",
                     n->cache_write - n->cache_write_hour, n->cache_write_hour);
    native_print(out, "'output_tokens':%n}", output);
}

static void write_content(const struct native *n, const struct block *b, struct buf *out)
{
    char id[NATIVE_ID_SIZE];
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    switch (b->kind) {
    case BLOCK_STAMPS: /* they come alone */
        native_text(n, &text);
        native_print(out, "{'type':'text','text':%t}", buf_span(&text));
        return;
    case BLOCK_TEXT:
        native_print(out, "{'type':'text','text':%q}", b->text);
        return;
    case BLOCK_CITATIONS:
        native_print(out, "{'type':'text','text':%q,'citations':", b->text);
        json_print(json_item(b->raw, "citations"), JSON_COMPACT, out);
        buf_addc(out, '}');
        return;
    case BLOCK_TOOL_USE:
        native_print(out, "{'type':'tool_use','id':%q,'name':%q,'input':%s}",
                     native_tool_id(n, b, "toolu_bdrk_01", 22, id), b->name, b->input);
        return;
    case BLOCK_REASONING:
        native_print(out, "{'type':'thinking','thinking':%q,'signature':%q}", b->text,
                     b->signature == NULL ? "" : b->signature);
        return;
    case BLOCK_REDACTED:
        native_print(out, "{'type':'redacted_thinking','data':%q}", b->text);
        return;
    case BLOCK_OTHER: /* Claude has no such block; what was scripted is handed on */
        native_print(out, "{'type':%q,%q:", b->raw->string, b->raw->string);
        json_print(b->raw, JSON_COMPACT, out);
        buf_addc(out, '}');
        return;
    }
}

static const char *stop_sequence(const struct native *n)
{
    return strcmp(n->a->stop_reason, "stop_sequence") == 0 ? n->a->stop_sequence : NULL;
}

void write_anthropic(struct native *n, struct buf *out)
{
    char id[NATIVE_ID_SIZE], model[MODEL_NAME_MAX];
    message_id(n, id);
    model_name(n->model_id, model);
    native_print(out, "{'model':%q,'id':%q,'type':'message','role':'assistant','content':[", model, id);
    for (size_t i = 0; i < n->a->count; i++) {
        if (i > 0)
            buf_addc(out, ',');
        write_content(n, &n->a->blocks[i], out);
    }
    native_print(out, "],'stop_reason':%q,'stop_sequence':%q,'usage':", native_stop(n), stop_sequence(n));
    usage(n, n->out, true, out);
    buf_addc(out, '}');
}

/* ---- streamed ---- */

static void delta_begin(struct native *n)
{
    native_print(&n->json, "{'type':'content_block_delta','index':%z,'delta':", n->block);
}

static void delta_end(struct native *n)
{
    buf_addc(&n->json, '}');
    native_emit_delta(n);
}

static void text_delta(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    delta_begin(n);
    native_print(&n->json, "{'type':'text_delta','text':%t}", piece);
    delta_end(n);
}

static void thinking_delta(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    delta_begin(n);
    native_print(&n->json, "{'type':'thinking_delta','thinking':%t}", piece);
    delta_end(n);
}

static void input_delta(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    delta_begin(n);
    native_print(&n->json, "{'type':'input_json_delta','partial_json':%t}", piece);
    delta_end(n);
}

static void citation_deltas(struct native *n, const struct block *b)
{
    const cJSON *item, *list = json_item(b->raw, "citations");
    cJSON_ArrayForEach(item, list)
    {
        delta_begin(n);
        native_print(&n->json, "{'type':'citations_delta','citation':");
        json_print(item, JSON_COMPACT, &n->json);
        buf_addc(&n->json, '}');
        delta_end(n);
    }
}

static void block_start(struct native *n, const struct block *b)
{
    char id[NATIVE_ID_SIZE];
    native_print(&n->json, "{'type':'content_block_start','index':%z,'content_block':", n->block);
    switch (b->kind) {
    case BLOCK_TOOL_USE:
        native_print(&n->json, "{'type':'tool_use','id':%q,'name':%q,'input':{}}",
                     native_tool_id(n, b, "toolu_bdrk_01", 22, id), b->name);
        break;
    case BLOCK_REASONING:
        native_print(&n->json, "{'type':'thinking','thinking':'','signature':''}");
        break;
    case BLOCK_REDACTED:
    case BLOCK_OTHER:
        write_content(n, b, &n->json);
        break;
    case BLOCK_TEXT:
    case BLOCK_CITATIONS:
    case BLOCK_STAMPS:
        native_print(&n->json, "{'type':'text','text':''}");
        break;
    }
    buf_addc(&n->json, '}');
    native_emit(n);
}

static void block_deltas(struct native *n, const struct block *b)
{
    switch (b->kind) {
    case BLOCK_TOOL_USE:
        native_pieces(n, b, b->input, input_delta);
        break;
    case BLOCK_REASONING:
        native_pieces(n, b, b->text, thinking_delta);
        if (b->signature != NULL) {
            delta_begin(n);
            native_print(&n->json, "{'type':'signature_delta','signature':%q}", b->signature);
            delta_end(n);
        }
        break;
    case BLOCK_TEXT:
    case BLOCK_STAMPS:
        native_pieces(n, b, b->text, text_delta);
        break;
    case BLOCK_CITATIONS:
        native_pieces(n, b, b->text, text_delta);
        citation_deltas(n, b);
        break;
    case BLOCK_REDACTED:
    case BLOCK_OTHER:
        break;
    }
}

void stream_anthropic(struct native *n)
{
    char id[NATIVE_ID_SIZE], model[MODEL_NAME_MAX];
    message_id(n, id);
    model_name(n->model_id, model);
    native_print(&n->json,
                 "{'type':'message_start','message':{'model':%q,'id':%q,'type':'message','role':'assistant',"
                 "'content':[],'stop_reason':null,'stop_sequence':null,'usage':",
                 model, id);
    usage(n, n->out > 0 ? 1 : 0, false, &n->json);
    buf_adds(&n->json, "}}");
    native_emit(n);
    for (size_t i = 0; i < n->a->count && !n->plan->failed; i++, n->block++) {
        block_start(n, &n->a->blocks[i]);
        block_deltas(n, &n->a->blocks[i]);
        native_print(&n->json, "{'type':'content_block_stop','index':%z}", n->block);
        native_emit(n);
    }
    native_print(&n->json,
                 "{'type':'message_delta','delta':{'stop_reason':%q,'stop_sequence':%q},'usage':{"
                 "'output_tokens':%n}}",
                 native_stop(n), stop_sequence(n), n->out);
    native_emit(n);
    native_print(&n->json, "{'type':'message_stop'}");
    native_emit(n);
}

/* ---- Claude 2, Instant ---- */

/* They end on the human's turn, which they were always asked to stop at. */
static const char *legacy_stop(const struct native *n)
{
    return strcmp(native_stop(n), "stop_sequence") != 0 ? NULL
           : n->a->stop_sequence != NULL                ? n->a->stop_sequence
                                                        : "\n\nHuman:";
}

static void completion(const struct native *n, struct span text, bool last, struct buf *out)
{
    native_print(out, "{'type':'completion','completion':%t,'stop_reason':%q,'stop':%q}", text,
                 last ? native_stop(n) : NULL, last ? legacy_stop(n) : NULL);
}

void write_anthropic_text(struct native *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    native_text(n, &text);
    completion(n, buf_span(&text), true, out);
}

static void completion_piece(struct native *n, struct span piece, bool last)
{
    completion(n, piece, last, &n->json);
    native_emit_delta(n);
}

void stream_anthropic_text(struct native *n)
{
    native_text_pieces(n, completion_piece);
}
