/* converse.c: from blocks to bytes.
 *
 * The hot path of a load test runs through here, so bodies are written straight into a buffer in the order of sorted
 * keys. The rare answer with scripted extras is written the same way, then parsed, merged and printed again: one
 * description of the shape, not two.
 */
#include "mock/runtime/converse.h"

#include "mock/guardrail/guardrail_use.h"
#include "protocol/eventstream.h"
#include "protocol/probe.h"
#include "protocol/token.h"

#define DELTA_STEPS_MAX ((size_t)1 << 20)
#define DOUBLE_DIGITS   15 /* any whole number of so many is a double */
#define BODY_GUESS      1000 /* most unary answers are smaller; allocations above 1032 bytes are slow ones in glibc */
#define FRAMES_GUESS    8000 /* 40 deltas; plan_fit() gives back what a shorter stream does not need */

/* ---- pieces both shapes share ---- */

static void quote(struct buf *out, const char *key, const char *value)
{
    buf_addc(out, '"');
    buf_adds(out, key);
    buf_adds(out, "\":");
    json_quote(span_of(value), out);
}

static void number(struct buf *out, const char *before, uint64_t n)
{
    char digits[DECIMAL_SIZE];
    buf_adds(out, before);
    buf_add(out, decimal_digits(n, digits));
}

static uint64_t override(const cJSON *object, const char *key, uint64_t otherwise)
{
    const cJSON *item = json_item(object, key);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 ? (uint64_t)item->valuedouble : otherwise;
}

/* The writes apart by how long they stay, an hour first; a scripted count is left as it was scripted. */
static void write_details(const struct answer *a, const struct answer_usage *u, struct buf *out)
{
    uint64_t minutes = u->cache_write - u->cache_write_hour;
    if (u->cache_write == 0 || json_item(a->usage, "cacheWriteInputTokens") != NULL)
        return;
    buf_adds(out, "\"cacheDetails\":[");
    if (u->cache_write_hour > 0) {
        number(out, "{\"inputTokens\":", u->cache_write_hour);
        buf_adds(out, minutes > 0 ? ",\"ttl\":\"1h\"}," : ",\"ttl\":\"1h\"}");
    }
    if (minutes > 0) {
        number(out, "{\"inputTokens\":", minutes);
        buf_adds(out, ",\"ttl\":\"5m\"}");
    }
    buf_adds(out, "],");
}

/* total = input + output + cache read + cache write: held in 304 of 304 recordings. */
static void write_usage(const struct answer *a, struct buf *out)
{
    const struct answer_usage u = answer_usage(a);
    buf_addc(out, '{');
    write_details(a, &u, out);
    if (u.has_cache) {
        number(out, "\"cacheReadInputTokenCount\":", u.cache_read);
        number(out, ",\"cacheReadInputTokens\":", u.cache_read);
        number(out, ",\"cacheWriteInputTokenCount\":", u.cache_write);
        number(out, ",\"cacheWriteInputTokens\":", u.cache_write);
        buf_addc(out, ',');
    }
    number(out, "\"inputTokens\":", u.input);
    number(out, ",\"outputTokens\":", u.output);
    if (a->has_cache)
        buf_adds(out, ",\"serverToolUsage\":{}");
    number(out,
           ",\"totalTokens\":", override(a->usage, "totalTokens", u.input + u.output + u.cache_read + u.cache_write));
    buf_addc(out, '}');
}

/* What the model took: the planned pauses, at least one millisecond. */
static void write_metrics(const struct answer *a, size_t deltas, struct buf *out)
{
    uint64_t ns = a->latency_ns + (deltas > 0 ? a->ttft_ns + a->itl_spent_ns : 0);
    uint64_t planned = (ns + 500000) / 1000000;
    number(out, "{\"latencyMs\":", override(a->metrics, "latencyMs", planned > 0 ? planned : 1));
    buf_addc(out, '}');
}

static void write_trace(const struct answer *a, struct buf *out)
{
    if (a->guardrail_trace == NULL)
        return;
    buf_adds(out, ",\"trace\":{\"guardrail\":");
    json_print(a->guardrail_trace, JSON_SORTED, out);
    buf_addc(out, '}');
}

/* performanceConfig and serviceTier are told as they were asked for. */
static void write_echoes(const struct answer *a, struct buf *out)
{
    const struct {
        const char *member, *key, *value;
    } rows[] = {{"performanceConfig", "latency", a->latency}, {"serviceTier", "type", a->tier}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].value == NULL)
            continue;
        buf_addf(out, ",\"%s\":{", rows[i].member);
        quote(out, rows[i].key, rows[i].value);
        buf_addc(out, '}');
    }
}

static void write_fields(const cJSON *fields, struct buf *out)
{
    if (fields == NULL)
        return;
    buf_adds(out, "\"additionalModelResponseFields\":");
    json_print(fields, JSON_SORTED, out);
    buf_addc(out, ',');
}

/* Members of `from` replace those of `into`; null removes. `usage` and `metrics` keep what is not overridden. */
static void merge(cJSON *into, const cJSON *from, const char *skip)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, from)
    {
        if (skip != NULL && strcmp(item->string, skip) == 0)
            continue;
        cJSON_DeleteItemFromObjectCaseSensitive(into, item->string);
        cJSON *twin = cJSON_IsNull(item) ? NULL : cJSON_Duplicate(item, true);
        if (twin != NULL)
            cJSON_AddItemToObject(into, item->string, twin);
    }
}

/* Plain counts (as a rule a scripted usage is nothing else) stand in what was written, digit for digit. */
static bool is_written(const cJSON *usage)
{
    static const char *const counts[] = {"inputTokens", "outputTokens", "totalTokens"};
    const cJSON *item;
    cJSON_ArrayForEach(item, usage)
    {
        size_t i = 0;
        while (i < COUNT_OF(counts) && strcmp(counts[i], item->string) != 0)
            i++;
        const char *literal = cJSON_IsNumber(item) && item->valuestring != NULL ? item->valuestring : "?";
        size_t digits = strspn(literal, "0123456789");
        if (i == COUNT_OF(counts) || literal[digits] != '\0' || digits > DOUBLE_DIGITS)
            return false;
    }
    return true;
}

/* The written body once more, with the overrides in it. */
static void merge_extras(const struct answer *a, const char *skip, struct buf *body)
{
    if (is_written(a->usage) && a->metrics == NULL && a->extra == NULL)
        return;
    CLEANUP(json_free) cJSON *tree = NULL;
    if (buf_error(body) != OK || json_parse(buf_span(body), JSON_COMPACT, &tree, NULL) != OK)
        return;
    merge(json_at(tree, "/usage"), a->usage, NULL);
    merge(json_at(tree, "/metrics"), a->metrics, NULL);
    merge(tree, a->extra, skip);
    buf_reset(body);
    json_print(tree, JSON_SORTED, body);
}

/* ---- unary ---- */

static void write_raw(const cJSON *member, struct buf *out)
{
    buf_addc(out, '{');
    json_quote(span_of(member->string), out);
    buf_addc(out, ':');
    json_print(member, JSON_SORTED, out);
    buf_addc(out, '}');
}

static void write_stamp(const struct answer *a, enum probe_kind kind, uint32_t seq, uint32_t total, struct buf *out)
{
    char stamp[PROBE_STAMP_SIZE];
    struct probe_stamp s = {a->probe_id, kind, seq, total, a->received_ns, 0};
    probe_stamp_write(&s, stamp);
    buf_adds(out, "{\"text\":\"");
    buf_add(out, (struct span){(const unsigned char *)stamp, sizeof stamp});
    buf_adds(out, "\"}");
}

static void write_block(const struct answer *a, const struct block *b, struct buf *out)
{
    switch (b->kind) {
    case BLOCK_TEXT:
        buf_addc(out, '{');
        quote(out, "text", b->text);
        buf_addc(out, '}');
        return;
    case BLOCK_TOOL_USE:
        buf_addf(out, "{\"toolUse\":{\"input\":%s,", b->input);
        quote(out, "name", b->name);
        buf_addc(out, ',');
        quote(out, "toolUseId", b->id);
        const cJSON *type = cJSON_GetObjectItemCaseSensitive(b->raw, "type");
        if (cJSON_IsString(type)) {
            buf_addc(out, ',');
            quote(out, "type", type->valuestring);
        }
        buf_adds(out, "}}");
        return;
    case BLOCK_REASONING:
        buf_adds(out, "{\"reasoningContent\":{\"reasoningText\":{");
        if (b->signature != NULL) {
            quote(out, "signature", b->signature);
            buf_addc(out, ',');
        }
        quote(out, "text", b->text);
        buf_adds(out, "}}}");
        return;
    case BLOCK_REDACTED:
        buf_adds(out, "{\"reasoningContent\":{");
        quote(out, "redactedContent", b->text);
        buf_adds(out, "}}");
        return;
    case BLOCK_STAMPS:
        write_stamp(a, PROBE_UNARY, 0, 1, out);
        return;
    case BLOCK_CITATIONS:
    case BLOCK_OTHER:
        write_raw(b->raw, out);
        return;
    }
}

static void write_body(const struct answer *a, struct buf *out)
{
    buf_addc(out, '{');
    write_fields(a->fields, out);
    buf_adds(out, "\"metrics\":");
    write_metrics(a, 0, out);
    buf_adds(out, ",\"output\":{\"message\":{\"content\":[");
    for (size_t i = 0; i < a->count; i++) {
        if (i > 0)
            buf_addc(out, ',');
        write_block(a, &a->blocks[i], out);
    }
    buf_adds(out, "],\"role\":\"assistant\"}}");
    write_echoes(a, out);
    buf_addc(out, ',');
    quote(out, "stopReason", a->stop_reason);
    write_trace(a, out);
    buf_adds(out, ",\"usage\":");
    write_usage(a, out);
    buf_addc(out, '}');
    merge_extras(a, NULL, out);
}

static bool has_stamps(const struct answer *a)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->blocks[i].kind == BLOCK_STAMPS)
            return true;
    return false;
}

struct plan *converse_plan(struct answer *a, const char *request_id)
{
    struct plan *plan = plan_new(200);
    if (plan == NULL)
        return NULL;
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    (void)buf_reserve(&body, BODY_GUESS);
    write_body(a, &body);
    plan_body_take(plan, "application/json", &body);
    plan_header(plan, "x-amzn-RequestId", request_id);
    plan->head_after_ns = a->latency_ns;
    if (has_stamps(a))
        plan->before_send = converse_stamp_before_send;
    if (a->failed)
        plan->failed = true;
    return plan;
}

/* ---- streamed ---- */

struct writer {
    struct answer *a;
    struct plan *plan;
    struct buf payload;
    size_t events, deltas, block;
};

static void write_padding(struct writer *w)
{
    buf_adds(&w->payload, "\"p\":\"");
    buf_add(&w->payload, (struct span){(const unsigned char *)padding_alphabet, rng_padding(&w->a->rng)});
    buf_addc(&w->payload, '"');
}

static void emit(struct writer *w, const char *type, uint64_t after_ns)
{
    struct buf *frames = &w->plan->bytes;
    size_t from = frames->len;
    if (buf_error(&w->payload) != OK || es_encode_event(frames, type, buf_span(&w->payload)) != ES_OK)
        w->plan->failed = true;
    else
        (void)plan_add_from(w->plan, from, after_ns, w->events++);
    buf_reset(&w->payload);
}

/* Begin a delta; the caller writes its one member, then delta_end(). */
static void delta_begin(struct writer *w)
{
    number(&w->payload, "{\"contentBlockIndex\":", w->block);
    buf_adds(&w->payload, ",\"delta\":{");
}

static void delta_end(struct writer *w)
{
    buf_adds(&w->payload, "},");
    write_padding(w);
    buf_addc(&w->payload, '}');
    emit(w, "contentBlockDelta", w->deltas++ == 0 ? w->a->ttft_ns : answer_itl(w->a));
}

typedef void write_piece(struct writer *w, struct span piece);

static void text_delta(struct writer *w, struct span piece)
{
    delta_begin(w);
    buf_adds(&w->payload, "\"text\":");
    json_quote(piece, &w->payload);
    delta_end(w);
}

static void tool_delta(struct writer *w, struct span piece)
{
    delta_begin(w);
    buf_adds(&w->payload, "\"toolUse\":{\"input\":");
    json_quote(piece, &w->payload);
    buf_addc(&w->payload, '}');
    delta_end(w);
}

static void reasoning_member(struct writer *w, const char *key, struct span piece)
{
    delta_begin(w);
    buf_addf(&w->payload, "\"reasoningContent\":{\"%s\":", key);
    json_quote(piece, &w->payload);
    buf_addc(&w->payload, '}');
    delta_end(w);
}

static void reasoning_delta(struct writer *w, struct span piece)
{
    reasoning_member(w, "text", piece);
}

static void redacted_delta(struct writer *w, struct span piece)
{
    reasoning_member(w, "redactedContent", piece);
}

/* The scripted cuts, or one token a delta; a block always has one delta at least. */
static void write_pieces(struct writer *w, const struct block *b, const char *text, write_piece *piece)
{
    if (b->deltas != NULL) {
        const cJSON *item;
        cJSON_ArrayForEach(item, b->deltas) piece(w, span_of(item->valuestring));
        return;
    }
    struct span all = span_of(text);
    size_t at = 0, steps = 0;
    do {
        size_t n = ++steps < DELTA_STEPS_MAX ? token_next(all, at) : all.n - at;
        piece(w, span_cut(all, at, n));
        at += n;
    } while (at < all.n && !w->plan->failed);
}

static void emit_start(struct writer *w, struct span start)
{
    buf_addf(&w->payload, "{\"contentBlockIndex\":%zu,", w->block);
    write_padding(w);
    buf_adds(&w->payload, ",\"start\":");
    buf_add(&w->payload, start);
    buf_addc(&w->payload, '}');
    emit(w, "contentBlockStart", 0);
}

static void stream_tool(struct writer *w, const struct block *b)
{
    CLEANUP(buf_release) struct buf start = BUF_INIT(BUF_ANY);
    buf_adds(&start, "{\"toolUse\":{");
    quote(&start, "name", b->name);
    buf_addc(&start, ',');
    quote(&start, "toolUseId", b->id);
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(b->raw, "type");
    if (cJSON_IsString(type)) {
        buf_addc(&start, ',');
        quote(&start, "type", type->valuestring);
    }
    buf_adds(&start, "}}");
    emit_start(w, buf_span(&start));
    write_pieces(w, b, b->input, tool_delta);
}

static void stream_citations(struct writer *w, const struct block *b)
{
    write_pieces(w, b, b->text, text_delta);
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(b->raw, "citations"))
    {
        delta_begin(w);
        buf_adds(&w->payload, "\"citation\":");
        json_print(item, JSON_SORTED, &w->payload);
        delta_end(w);
    }
}

static void stream_stamps(struct writer *w)
{
    for (uint32_t i = 0; i < w->a->stamps; i++) {
        CLEANUP(buf_release) struct buf delta = BUF_INIT(256);
        write_stamp(w->a, PROBE_TEXT, i, w->a->stamps, &delta);
        number(&w->payload, "{\"contentBlockIndex\":", w->block);
        buf_adds(&w->payload, ",\"delta\":");
        buf_add(&w->payload, buf_span(&delta));
        buf_addc(&w->payload, ',');
        write_padding(w);
        buf_addc(&w->payload, '}');
        emit(w, "contentBlockDelta", w->deltas++ == 0 ? w->a->ttft_ns : answer_itl(w->a));
    }
}

/* image: start {format}, delta {source}; toolResult: start {status,toolUseId,type}, delta with the content. */
static const struct other_row {
    const char *member, *start[4], *delta;
    bool inner; /* the delta is {"image":{"source":...}}, not {"toolResult":[...]} */
} other_rows[] = {{"image", {"format", NULL}, "source", true},
                  {"toolResult", {"status", "toolUseId", "type", NULL}, "content", false}};

bool converse_stream_drops(const struct answer *a)
{
    for (size_t i = 0; i < a->count; i++) {
        size_t k = 0;
        if (a->blocks[i].kind != BLOCK_OTHER)
            continue;
        while (k < COUNT_OF(other_rows) && strcmp(other_rows[k].member, a->blocks[i].raw->string) != 0)
            k++;
        if (k == COUNT_OF(other_rows))
            return true;
    }
    return false;
}

static void stream_other(struct writer *w, const struct block *b)
{
    const struct other_row *rows = other_rows;
    for (size_t i = 0; i < COUNT_OF(other_rows); i++) {
        if (strcmp(rows[i].member, b->raw->string) != 0)
            continue;
        CLEANUP(buf_release) struct buf start = BUF_INIT(BUF_ANY);
        buf_addf(&start, "{\"%s\":{", rows[i].member);
        const char *comma = "";
        for (size_t k = 0; rows[i].start[k] != NULL; k++) {
            const cJSON *value = cJSON_GetObjectItemCaseSensitive(b->raw, rows[i].start[k]);
            if (value == NULL)
                continue;
            buf_addf(&start, "%s\"%s\":", comma, rows[i].start[k]);
            json_print(value, JSON_SORTED, &start);
            comma = ",";
        }
        buf_adds(&start, "}}");
        emit_start(w, buf_span(&start));
        delta_begin(w);
        buf_addf(&w->payload, rows[i].inner ? "\"%s\":{\"source\":" : "\"%s\":", rows[i].member);
        json_print(cJSON_GetObjectItemCaseSensitive(b->raw, rows[i].delta), JSON_SORTED, &w->payload);
        buf_adds(&w->payload, rows[i].inner ? "}" : "");
        delta_end(w);
    }
}

static void stream_block(struct writer *w, const struct block *b)
{
    switch (b->kind) {
    case BLOCK_TEXT:
        write_pieces(w, b, b->text, text_delta);
        break;
    case BLOCK_TOOL_USE:
        stream_tool(w, b);
        break;
    case BLOCK_REASONING:
        write_pieces(w, b, b->text, reasoning_delta);
        if (b->signature != NULL)
            reasoning_member(w, "signature", span_of(b->signature));
        break;
    case BLOCK_REDACTED:
        redacted_delta(w, span_of(b->text));
        break;
    case BLOCK_CITATIONS:
        stream_citations(w, b);
        break;
    case BLOCK_STAMPS:
        stream_stamps(w);
        break;
    case BLOCK_OTHER:
        stream_other(w, b);
        break;
    }
    buf_addf(&w->payload, "{\"contentBlockIndex\":%zu,", w->block++);
    write_padding(w);
    buf_addc(&w->payload, '}');
    emit(w, "contentBlockStop", 0);
}

static void stream_end(struct writer *w)
{
    buf_addc(&w->payload, '{');
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(w->a->extra, "additionalModelResponseFields");
    write_fields(fields != NULL ? fields : w->a->fields, &w->payload);
    write_padding(w);
    buf_addc(&w->payload, ',');
    quote(&w->payload, "stopReason", w->a->stop_reason);
    buf_addc(&w->payload, '}');
    emit(w, "messageStop", 0);

    buf_adds(&w->payload, "{\"metrics\":");
    write_metrics(w->a, w->deltas, &w->payload);
    buf_addc(&w->payload, ',');
    write_padding(w);
    write_echoes(w->a, &w->payload);
    write_trace(w->a, &w->payload);
    buf_adds(&w->payload, ",\"usage\":");
    write_usage(w->a, &w->payload);
    buf_addc(&w->payload, '}');
    merge_extras(w->a, "additionalModelResponseFields", &w->payload); /* that one is messageStop's */
    emit(w, "metadata", 0);
}

struct plan *converse_stream_plan(struct answer *a, const char *request_id)
{
    struct plan *plan = plan_new(200);
    if (plan == NULL)
        return NULL;
    plan_header(plan, "Content-Type", EVENTSTREAM_TYPE);
    plan_header(plan, "x-amzn-RequestId", request_id);
    plan->head_after_ns = a->latency_ns;
    struct writer w = {.a = a, .plan = plan, .payload = BUF_INIT(BUF_ANY)};
    (void)buf_reserve(&plan->bytes, FRAMES_GUESS);
    buf_addc(&w.payload, '{');
    write_padding(&w);
    buf_adds(&w.payload, ",\"role\":\"assistant\"}");
    emit(&w, "messageStart", 0);
    for (size_t i = 0; i < a->count && !plan->failed; i++)
        stream_block(&w, &a->blocks[i]);
    stream_end(&w);
    if (has_stamps(a))
        plan->before_send = converse_stamp_before_send;
    buf_release(&w.payload);
    if (a->held)
        guardrail_holds(plan);
    plan_fit(plan);
    if (a->failed)
        plan->failed = true;
    return plan;
}

/* ---- stamps ---- */

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void stamp_frame(unsigned char *frame, size_t n, uint64_t now_ns)
{
    size_t at = probe_stamp_offset((struct span){frame, n});
    if (at == SIZE_MAX)
        return;
    if (es_crc32(0, (struct span){frame, n - 4}) != read_u32(frame + n - 4))
        return;
    probe_stamp_send(frame + at, now_ns);
    es_reseal(frame, n);
}

void converse_stamp_before_send(void *ctx, struct plan *plan, size_t i, uint64_t now_ns)
{
    (void)ctx;
    const struct plan_piece *piece = &plan->pieces[i];
    unsigned char *p = (unsigned char *)plan->bytes.data + piece->from;
    if (piece->event == PLAN_NO_EVENT) {
        size_t at = probe_stamp_offset((struct span){p, piece->n});
        if (at != SIZE_MAX && plan->content_length != PLAN_CHUNKED)
            probe_stamp_send(p + at, now_ns);
        return;
    }
    for (size_t done = 0; done < piece->n;) {
        size_t n = es_frame_length((struct span){p + done, piece->n - done});
        if (n < ES_OVERHEAD || n > piece->n - done)
            return;
        stamp_frame(p + done, n, now_ns);
        done += n;
    }
}
