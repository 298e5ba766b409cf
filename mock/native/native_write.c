/* native_write.c: from an answer to the reply of InvokeModel, at once or in chunks.
 *
 * The families' writers know the shape of one JSON object each; what is common stands here: the headers with the token
 * counts, the cutting into deltas, the base64 and padding of a chunk, the metrics in the last one, scripted extras, and
 * the stamps of load tests, which lie below the base64 and are patched there just before they are sent.
 */
#include "mock/native/native.h"

#include <stdarg.h>
#include <time.h>

#include "mock/guardrail/guardrail_use.h"
#include "mock/runtime/converse.h"
#include "net/http.h"
#include "protocol/eventstream.h"
#include "protocol/probe.h"
#include "protocol/token.h"

#define CHUNK_TEXT_MAX 150000

#define DELTA_STEPS_MAX ((size_t)1 << 20)
#define MS              1000000u

/* ---- printing ---- */

void native_print(struct buf *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    for (const char *p = format; *p != '\0'; p++) {
        if (*p != '%') {
            buf_addc(out, *p == '\'' ? '"' : *p);
            continue;
        }
        const char *text;
        switch (*++p) {
        case 'q':
            text = va_arg(args, const char *);
            if (text == NULL)
                buf_adds(out, "null");
            else
                json_quote(span_of(text), out);
            break;
        case 't':
            json_quote(va_arg(args, struct span), out);
            break;
        case 's':
            buf_adds(out, va_arg(args, const char *));
            break;
        case 'n':
            buf_addf(out, "%llu", (unsigned long long)va_arg(args, uint64_t));
            break;
        default:
            buf_addf(out, "%zu", va_arg(args, size_t));
            break;
        }
    }
    va_end(args);
}

/* ---- what the writers ask for ---- */

const char *native_stop(const struct native *n)
{
    static const char *const reasons[NATIVE_STOPS] = {"end_turn", "max_tokens", "stop_sequence", "tool_use",
                                                      "content_filtered"};
    for (size_t i = 0; i < NATIVE_STOPS; i++)
        if (strcmp(reasons[i], n->a->stop_reason) == 0 && n->family->stops[i] != NULL)
            return n->family->stops[i];
    return n->a->stop_reason;
}

void native_id(struct rng *rng, const char *prefix, size_t chars, char out[NATIVE_ID_SIZE])
{
    static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789";
    size_t n = strlen(prefix);
    memcpy(out, prefix, n);
    for (size_t i = 0; i < chars && n < NATIVE_ID_SIZE - 1; i++)
        out[n++] = alphabet[rng_below(rng, sizeof alphabet - 1)];
    out[n] = '\0';
}

const char *native_tool_id(const struct native *n, const struct block *b, const char *prefix, size_t chars,
                           char out[NATIVE_ID_SIZE])
{
    (void)n;
    if (json_str(b->raw, "toolUseId") != NULL)
        return b->id;
    struct rng rng = {rng_hash(1, span_of(b->id))};
    if (prefix != NULL)
        native_id(&rng, prefix, chars, out);
    else
        rng_uuid(&rng, out);
    return out;
}

static void uuid_digits(const char *uuid, char *out)
{
    for (; *uuid != '\0'; uuid++)
        if (*uuid != '-')
            *out++ = *uuid;
    *out = '\0';
}

/* ---- pieces ---- */

static void write_stamp(const struct answer *a, enum probe_kind kind, uint32_t seq, uint32_t total,
                        char out[PROBE_STAMP_SIZE])
{
    struct probe_stamp s = {a->probe_id, kind, seq, total, a->received_ns, 0};
    probe_stamp_write(&s, out);
}

static void stamp_pieces(struct native *n, const struct block *b, native_piece *piece)
{
    for (uint32_t i = 0; i < n->a->stamps; i++) {
        char stamp[PROBE_STAMP_SIZE];
        write_stamp(n->a, PROBE_TEXT, i, n->a->stamps, stamp);
        piece(n, b, (struct span){(const unsigned char *)stamp, sizeof stamp});
    }
}

/* A chunk's object is of at most 1,000,000 bytes by the API model, and a byte of text may take six there (\u0001). */
static struct span next_cut(const struct native *n, struct span *rest)
{
    size_t most = n->wire == NATIVE_CHUNKS && rest->n > CHUNK_TEXT_MAX ? CHUNK_TEXT_MAX : rest->n;
    while (most < rest->n && most > 0 && (rest->p[most] & 0xc0) == 0x80)
        most--;
    struct span head = span_cut(*rest, 0, most > 0 ? most : rest->n);
    *rest = span_from(*rest, head.n);
    return head;
}

static void cut_piece(struct native *n, const struct block *b, struct span text, native_piece *piece)
{
    do
        piece(n, b, next_cut(n, &text));
    while (text.n > 0 && !n->plan->failed);
}

void native_pieces(struct native *n, const struct block *b, const char *text, native_piece *piece)
{
    if (b->kind == BLOCK_STAMPS) {
        stamp_pieces(n, b, piece);
        return;
    }
    if (b->deltas != NULL) {
        const cJSON *item;
        cJSON_ArrayForEach(item, b->deltas) cut_piece(n, b, span_of(item->valuestring), piece);
        return;
    }
    struct span all = span_of(text);
    size_t at = 0, steps = 0;
    do {
        size_t size = ++steps < DELTA_STEPS_MAX ? token_next(all, at) : all.n - at;
        cut_piece(n, b, span_cut(all, at, size), piece);
        at += size;
    } while (at < all.n && !n->plan->failed);
}

/* A call as a family without tools says it: its JSON, in the text. */
static void call_text(const struct block *b, struct buf *out)
{
    native_print(out, "{'name':%q,'parameters':%s}", b->name, b->input);
}

void native_text(const struct native *n, struct buf *out)
{
    const struct native_family *f = n->family;
    for (size_t i = 0; i < n->a->count; i++) {
        const struct block *b = &n->a->blocks[i];
        char stamp[PROBE_STAMP_SIZE];
        switch (b->kind) {
        case BLOCK_TEXT:
        case BLOCK_CITATIONS:
            buf_adds(out, b->text);
            break;
        case BLOCK_STAMPS:
            write_stamp(n->a, PROBE_UNARY, 0, 1, stamp);
            buf_add(out, (struct span){(const unsigned char *)stamp, sizeof stamp});
            break;
        case BLOCK_REASONING:
            if (f->think_open != NULL)
                native_print(out, "%s%s%s", f->think_open, b->text, f->think_close);
            break;
        case BLOCK_TOOL_USE:
            if (f->read != read_chat)
                call_text(b, out);
            break;
        case BLOCK_REDACTED:
        case BLOCK_OTHER:
            break;
        }
    }
}

/* The piece before waits, until it is known whether it was the last. */
static void next_text_piece(struct native *n, struct span piece, native_text_piece *say)
{
    if (n->piece_waits)
        say(n, buf_span(&n->piece), false);
    buf_reset(&n->piece);
    buf_add(&n->piece, piece);
    n->piece_waits = true;
}

static void text_piece(struct native *n, const struct block *b, struct span piece)
{
    (void)b;
    next_text_piece(n, piece, n->say);
}

void native_text_pieces(struct native *n, native_text_piece *piece)
{
    const struct native_family *f = n->family;
    n->say = piece;
    n->piece_waits = false;
    for (size_t i = 0; i < n->a->count; i++) {
        const struct block *b = &n->a->blocks[i];
        CLEANUP(buf_release) struct buf call = BUF_INIT(BUF_ANY);
        bool thinks = b->kind == BLOCK_REASONING && f->think_open != NULL;
        if (thinks && f->think_open[0] != '\0')
            next_text_piece(n, span_of(f->think_open), piece);
        if (thinks || b->kind == BLOCK_TEXT || b->kind == BLOCK_CITATIONS || b->kind == BLOCK_STAMPS)
            native_pieces(n, b, b->text, text_piece);
        if (thinks)
            next_text_piece(n, span_of(f->think_close), piece);
        if (b->kind == BLOCK_TOOL_USE && f->read != read_chat) {
            call_text(b, &call);
            for (struct span rest = buf_span(&call); rest.n > 0;)
                next_text_piece(n, next_cut(n, &rest), piece);
        }
    }
    if (!n->piece_waits)
        buf_reset(&n->piece);
    piece(n, buf_span(&n->piece), true);
    n->piece_waits = false;
}

/* ---- chunks ---- */

void native_chunk_payload(struct span json, struct rng *rng, struct buf *out)
{
    buf_adds(out, "{\"bytes\":\"");
    buf_add_base64(out, json);
    buf_adds(out, "\",\"p\":\"");
    buf_add(out, (struct span){(const unsigned char *)padding_alphabet, rng_padding(rng)});
    buf_adds(out, "\"}");
}

static void write_event(enum native_wire wire, struct span json, struct buf *frame)
{
    struct span before, type, rest;
    bool named = wire != NATIVE_SSE && span_has_prefix(json, "{\"type\":\"") &&
                 span_split(span_from(json, 8), '"', &before, &rest) && span_split(rest, '"', &type, &rest);
    if (named && wire == NATIVE_SSE_NAMED)
        buf_addf(frame, "event: %.*s\n", (int)type.n, (const char *)type.p);
    buf_adds(frame, "data: ");
    buf_add(frame, json);
    if (named && wire == NATIVE_SSE_NAME_LAST)
        buf_addf(frame, "\nevent: %.*s", (int)type.n, (const char *)type.p);
    buf_adds(frame, "\n\n");
}

static void send_held(struct native *n)
{
    if (!n->holding)
        return;
    struct buf *frames = &n->plan->bytes;
    size_t from = frames->len;
    n->holding = false;
    if (n->wire != NATIVE_CHUNKS) {
        write_event(n->wire, buf_span(&n->held), frames);
        (void)plan_add_from(n->plan, from, n->held_after_ns, n->events++);
        n->plan->failed = n->plan->failed || buf_error(&n->held) != OK;
        return;
    }
    buf_reset(&n->scratch);
    native_chunk_payload(buf_span(&n->held), &n->a->rng, &n->scratch);
    if (buf_error(&n->held) != OK || buf_error(&n->scratch) != OK ||
        es_encode_event(frames, "chunk", buf_span(&n->scratch)) != ES_OK)
        n->plan->failed = true;
    else
        (void)plan_add_from(n->plan, from, n->held_after_ns, n->events++);
}

/* Members of an object more, before its closing brace. */
static void reopen(struct buf *json)
{
    if (json->len >= 2)
        json->data[--json->len] = '\0';
    if (json->len > 1)
        buf_addc(json, ',');
}

/* A guarded answer tells so in its body, a stream in each of its chunks; the trace comes last. */
static void add_action(const struct native *n, struct buf *json)
{
    if (n->a->guardrail_action == NULL || json->len < 2)
        return;
    reopen(json);
    native_print(json, "'amazon-bedrock-guardrailAction':%q}", n->a->guardrail_action);
}

static void add_trace(const struct native *n, struct buf *json)
{
    if (n->a->guardrail_trace == NULL || json->len < 2)
        return;
    reopen(json);
    native_print(json, "'amazon-bedrock-trace':{'guardrail':");
    json_print(n->a->guardrail_trace, JSON_SORTED, json);
    buf_adds(json, "}}");
}

static void hold(struct native *n, uint64_t after_ns)
{
    send_held(n);
    add_action(n, &n->json);
    struct buf written = n->json;
    n->json = n->held;
    n->held = written;
    buf_reset(&n->json);
    n->held_after_ns = after_ns;
    n->holding = true;
}

void native_emit(struct native *n)
{
    hold(n, 0);
}

void native_emit_delta(struct native *n)
{
    hold(n, n->deltas++ == 0 ? n->a->ttft_ns : answer_itl(n->a));
}

void native_merge(const cJSON *from, struct buf *json)
{
    CLEANUP(json_free) cJSON *tree = NULL;
    const cJSON *item;
    if (from == NULL || buf_error(json) != OK || json_parse(buf_span(json), JSON_COMPACT, &tree, NULL) != OK)
        return;
    cJSON_ArrayForEach(item, from)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(tree, item->string);
        cJSON *twin = cJSON_IsNull(item) ? NULL : cJSON_Duplicate(item, true);
        if (twin != NULL && !cJSON_AddItemToObject(tree, item->string, twin))
            cJSON_Delete(twin);
    }
    buf_reset(json);
    json_print(tree, JSON_COMPACT, json);
}

static uint64_t ms_of(uint64_t ns)
{
    return (ns + MS / 2) / MS;
}

static void end_stream(struct native *n)
{
    struct buf *b = &n->held;
    if (!n->holding || b->len < 2)
        return;
    if (n->wire != NATIVE_CHUNKS) {
        add_trace(n, b);
        if (n->wire != NATIVE_SSE_NAME_LAST) /* there they are inside of `response` */
            native_merge(n->a->extra, b);
        send_held(n);
        return;
    }
    b->data[--b->len] = '\0'; /* the closing brace; the object had a member at least */
    native_print(b,
                 ",'amazon-bedrock-invocationMetrics':{'inputTokenCount':%n,'outputTokenCount':%n,"
                 "'invocationLatency':%n,'firstByteLatency':%n",
                 n->in, n->out,
                 n->whole_ms + ms_of(n->a->latency_ns + n->a->ttft_ns + n->a->itl_spent_ns) -
                     ms_of(n->a->latency_ns + n->a->ttft_ns),
                 n->first_byte_ms);
    if (n->has_cache)
        native_print(b, ",'cacheReadInputTokenCount':%n,'cacheWriteInputTokenCount':%n", n->cache_read, n->cache_write);
    buf_adds(b, "}}");
    add_trace(n, b);
    native_merge(n->a->extra, b);
    send_held(n);
}

/* ---- stamps below base64 ---- */

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void stamp_chunk(unsigned char *frame, size_t n, uint64_t now_ns)
{
    static const char before[] = "{\"bytes\":\"";
    const char *at = span_find((struct span){frame, n}, before);
    if (at == NULL || es_crc32(0, (struct span){frame, n - 4}) != read_u32(frame + n - 4))
        return; /* no chunk, or damaged on purpose */
    unsigned char *text = frame + ((const unsigned char *)at - frame) + sizeof before - 1;
    const unsigned char *end = memchr(text, '"', n - (size_t)(text - frame));
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf again = BUF_INIT(BUF_ANY);
    if (end == NULL || buf_add_unbase64(&json, (struct span){text, (size_t)(end - text)}) != OK)
        return;
    size_t stamp = probe_stamp_offset(buf_span(&json));
    if (stamp == SIZE_MAX)
        return;
    probe_stamp_send((unsigned char *)json.data + stamp, now_ns);
    buf_add_base64(&again, buf_span(&json));
    if (buf_error(&again) != OK || again.len != (size_t)(end - text))
        return;
    memcpy(text, again.data, again.len);
    es_reseal(frame, n);
}

static void stamp_before_send(void *ctx, struct plan *plan, size_t i, uint64_t now_ns)
{
    const struct plan_piece *piece = &plan->pieces[i];
    unsigned char *p = (unsigned char *)plan->bytes.data + piece->from;
    if (piece->event == PLAN_NO_EVENT) {
        converse_stamp_before_send(ctx, plan, i, now_ns);
        return;
    }
    for (size_t done = 0; done < piece->n;) {
        size_t n = es_frame_length((struct span){p + done, piece->n - done});
        if (n < ES_OVERHEAD || n > piece->n - done)
            return;
        stamp_chunk(p + done, n, now_ns);
        done += n;
    }
}

/* Server-sent events hold them in the open. */
static void stamp_text(void *ctx, struct plan *plan, size_t i, uint64_t now_ns)
{
    const struct plan_piece *piece = &plan->pieces[i];
    unsigned char *p = (unsigned char *)plan->bytes.data + piece->from;
    (void)ctx;
    for (size_t done = 0; done < piece->n; done += PROBE_STAMP_SIZE) {
        size_t at = probe_stamp_offset((struct span){p + done, piece->n - done});
        if (at == SIZE_MAX)
            return;
        done += at;
        probe_stamp_send(p + done, now_ns);
    }
}

/* ---- the reply ---- */

static uint64_t override(const cJSON *object, const char *key, uint64_t otherwise)
{
    const cJSON *item = json_item(object, key);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 ? (uint64_t)item->valuedouble : otherwise;
}

static uint64_t at_least_one(uint64_t n)
{
    return n > 0 ? n : 1;
}

static void begin(struct native *n, bool streamed)
{
    const struct answer_usage u = answer_usage(n->a);
    n->in = u.input;
    n->out = u.output;
    n->cache_read = u.cache_read;
    n->cache_write = u.cache_write;
    n->cache_write_hour = u.cache_write_hour;
    n->has_cache = u.has_cache;
    n->created_s = (uint64_t)time(NULL);
    n->first_byte_ms = at_least_one(ms_of(n->a->latency_ns + (streamed ? n->a->ttft_ns : 0)));
    n->whole_ms = override(n->a->metrics, "latencyMs", n->first_byte_ms);
    struct rng ids = {n->a->rng.state ^ 0x5bd1e995u};
    for (size_t i = 0; i < COUNT_OF(n->id); i++)
        rng_uuid(&ids, n->id[i]);
    uuid_digits(n->id[0], n->digits);
    struct buf *all[] = {&n->json, &n->held, &n->scratch, &n->piece};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        buf_init(all[i], BUF_ANY);
}

static void release(struct native *n)
{
    struct buf *all[] = {&n->json, &n->held, &n->scratch, &n->piece};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        buf_release(all[i]);
}

static void number_header(struct plan *plan, const char *name, uint64_t value)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(32);
    native_print(&text, "%n", value);
    plan_header(plan, name, buf_text(&text));
}

static void echo_headers(struct plan *plan, const struct http_request *request)
{
    static const char *const names[] = {"X-Amzn-Bedrock-PerformanceConfig-Latency", "X-Amzn-Bedrock-Service-Tier"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct span value = http_field_get(request->fields, request->field_count, names[i]);
        CLEANUP(free_ptr) char *text = value.p == NULL ? NULL : span_dup(value);
        if (text != NULL)
            plan_header(plan, names[i], text);
    }
}

static void write_unary(struct native *n, struct plan *plan)
{
    n->family->write(n, &n->json);
    add_action(n, &n->json);
    add_trace(n, &n->json);
    native_merge(n->a->extra, &n->json);
    plan_body_take(plan, "application/json", &n->json);
    if (n->wire != NATIVE_CHUNKS)
        return;
    number_header(plan, "X-Amzn-Bedrock-Invocation-Latency", n->whole_ms);
    if (!n->family->draws) /* nobody saw what comes with images */
        number_header(plan, "X-Amzn-Bedrock-Input-Token-Count", n->in);
    if (n->family->embeds)
        return;
    number_header(plan, "X-Amzn-Bedrock-Output-Token-Count", n->out);
    if (n->has_cache) {
        number_header(plan, "X-Amzn-Bedrock-Cache-Read-Input-Token-Count", n->cache_read);
        number_header(plan, "X-Amzn-Bedrock-Cache-Write-Input-Token-Count", n->cache_write);
    }
}

static void write_stream(struct native *n, struct plan *plan, bool done)
{
    plan_header(plan, "Content-Type", n->wire != NATIVE_CHUNKS ? "text/event-stream" : EVENTSTREAM_TYPE);
    if (n->wire == NATIVE_CHUNKS)
        plan_header(plan, "X-Amzn-Bedrock-Content-Type", "application/json");
    plan->content_length = PLAN_CHUNKED;
    n->family->stream(n);
    end_stream(n);
    if (done)
        (void)plan_add(plan, SPAN_LIT("data: [DONE]\n\n"), 0, n->events++);
    if (n->a->held)
        guardrail_holds(plan);
}

struct plan *native_plan(const struct native_request *r, struct answer *a, const char *model_id, bool streamed,
                         const struct http_request *request, const char *request_id)
{
    struct plan *plan = plan_new(200);
    if (plan == NULL)
        return NULL;
    struct native n = {
        .family = r->family, .a = a, .body = r->body, .model_id = model_id, .plan = plan, .wire = r->wire, .whole = r->whole};
    begin(&n, streamed);
    plan->head_after_ns = a->latency_ns;
    if (streamed && n.family->stream != NULL)
        write_stream(&n, plan, r->done);
    else
        write_unary(&n, plan);
    echo_headers(plan, request);
    plan_header(plan, "x-amzn-RequestId", request_id);
    if (a->stamps > 0)
        plan->before_send = r->wire != NATIVE_CHUNKS ? stamp_text : stamp_before_send;
    plan->failed = plan->failed || a->failed;
    release(&n);
    return plan;
}

void native_answer_text(const char *model_id, const cJSON *converse_body, struct answer *a, struct buf *out)
{
    struct native n = {.family = native_find(model_id, converse_body), .a = a, .body = NULL, .model_id = model_id};
    if (n.family->embeds) {
        buf_adds(out, "{}");
        return;
    }
    begin(&n, false);
    n.family->write(&n, out);
    release(&n);
}
