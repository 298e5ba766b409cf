/* bidi.c: frames in, plans out, for a stream both ways.
 *
 * A frame that is whole (bidi_input.c) is unwrapped (bidi_chain.c), its event is read and answered (bidi_script.c,
 * bidi_sonic.c), and the answer, a plan of its own, gets its faults and is hung behind the answer that is under way. While too much of that
 * is not sent, no event is read, and then the peer's window closes.
 *
 * What ends a stream early is said in the stream: a 200 and its head are long gone.
 */
#include "mock/bidi/bidi_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mock/fixture/fixture.h"
#include "mock/record/record.h"
#include "mock/runtime/converse.h"
#include "protocol/eventstream.h"

#define PATH_END     "/invoke-with-bidirectional-stream"
#define MS           1000000u
#define CHUNK_BYTES  ((size_t)1000000) /* of one event, as the API model says */
#define SHOWN_STRING 256               /* longer strings of events are not kept in the journal */

bool bidi_wants(void *ctx, const struct http_request *head)
{
    (void)ctx;
    size_t n = sizeof PATH_END - 1;
    return head->path.n > n && memcmp(head->path.p + head->path.n - n, PATH_END, n) == 0 &&
           span_is(head->method, "POST");
}

/* ---- life ---- */

void bidi_free(struct bidi *b)
{
    if (b == NULL)
        return;
    timer_cancel(&b->silence);
    chain_release(&b->chain);
    sonic_release(&b->sonic);
    pace_talk_release(&b->pace);
    bidi_input_release(&b->input);
    es_decoder_release(&b->inner);
    buf_release(&b->account);
    plan_free(b->batch);
    openings_free(b->openings);
    buf_release(&b->chosen);
    cJSON_Delete(b->script);
    cJSON_Delete(b->faults);
    free(b->text);
    free(b);
}

static struct bidi *bidi_new(struct visit *v, const cJSON *reply)
{
    struct bidi *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    const struct mock_config *c = &v->mock->config;
    const cJSON *script = json_item(reply, "bidirectional"), *text = json_item(reply, "text");
    b->mock = v->mock;
    b->worker = v->worker;
    b->exchange = v->exchange;
    b->rng = (struct rng){rng_hash(c->seed, v->request->path)};
    bidi_input_init(&b->input, v->exchange);
    es_decoder_init(&b->inner);
    buf_init(&b->account, BIDI_ACCOUNT_MAX + 4096);
    chain_init(&b->chain, v);
    sonic_init(&b->sonic, v, &b->rng);
    pace_talk_init(&b->pace, v, reply);
    b->speed = replay_speed(reply, v->mock->replay_speed);
    b->faults = cJSON_CreateArray();
    b->script = script != NULL ? cJSON_Duplicate(script, true) : NULL;
    b->openings = v->openings;
    v->openings = NULL;
    buf_init(&b->chosen, BUF_ANY);
    b->text = cJSON_IsString(text) ? strdup(text->valuestring) : NULL;
    if (b->faults == NULL || (script != NULL) != (b->script != NULL) || cJSON_IsString(text) != (b->text != NULL)) {
        bidi_free(b);
        return NULL;
    }
    return b;
}

static struct plan *say_no(const struct visit *v, const char *type, const char *text)
{
    struct error_reply e = {.type = type, .message = text};
    return error_plan(&e, v->request_id);
}

struct plan *bidi_answer(struct visit *v, const cJSON *reply)
{
    if (v->model.row != NULL && v->model.row->id[0] != '\0' && strstr(v->model.row->id, "sonic") == NULL)
        return say_no(v, "ValidationException", "The model does not support bidirectional streaming.");
    struct plan *plan = plan_new(200);
    v->bidi = plan == NULL ? NULL : bidi_new(v, reply);
    if (v->bidi == NULL) {
        plan_free(plan);
        return NULL;
    }
    plan_header(plan, "Content-Type", EVENTSTREAM_TYPE);
    plan_header(plan, "x-amzn-RequestId", v->request_id);
    plan->content_length = PLAN_CHUNKED;
    plan->open = true;
    plan->head_after_ns = json_item(reply, "latency_ms") != NULL ? pace_reply_latency(reply, visit_seed(v))
                                                                : visit_latency_ns(v);
    plan->head_after_ns = replay_ns(plan->head_after_ns, v->bidi->speed);
    return plan;
}

cJSON *bidi_faults(struct bidi *b)
{
    return b->faults;
}

/* ---- saying ---- */

void bidi_say_frame(struct bidi *b, struct span frame, uint64_t after_ns, const char *gate)
{
    if (b->over)
        return;
    if (b->batch == NULL)
        b->batch = plan_new(200);
    if (b->batch == NULL)
        return;
    (void)plan_add(b->batch, frame, after_ns, b->batch_events);
    if (gate != NULL)
        plan_gate_event(b->batch, b->batch_events, gate);
    b->batch_events++;
}

void bidi_say(struct bidi *b, struct span json, uint64_t after_ns)
{
    CLEANUP(buf_release) struct buf event = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    buf_adds(&event, "{\"event\":");
    buf_add(&event, json);
    buf_addc(&event, '}');
    native_chunk_payload(buf_span(&event), &b->rng, &payload);
    if (buf_error(&event) == OK && buf_error(&payload) == OK &&
        es_encode_event(&frame, "chunk", buf_span(&payload)) == ES_OK)
        bidi_say_frame(b, buf_span(&frame), after_ns, NULL);
}

void bidi_finish(struct bidi *b)
{
    b->over = true;
}

void bidi_refuse(struct bidi *b, const char *exception, const char *format, ...)
{
    CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    char text[512];
    va_list args;
    if (b->over)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_adds(&payload, "{\"message\":");
    json_quote(span_of(text), &payload);
    buf_addc(&payload, '}');
    if (es_encode_exception(&frame, exception, buf_span(&payload)) == ES_OK)
        bidi_say_frame(b, buf_span(&frame), 0, NULL);
    mock_log(b->mock, "InvokeModelWithBidirectionalStream ends with %s: %s", exception, text);
    bidi_finish(b);
}

static void refuse_signature(struct bidi *b)
{
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    mock_log(b->mock, "InvokeModelWithBidirectionalStream: %s", b->chain.diagnosis);
    chain_refusal(&frame);
    if (frame.len > 0)
        bidi_say_frame(b, buf_span(&frame), 0, NULL);
    bidi_finish(b);
}

/* ---- faults ---- */

static bool ends_a_stream(const struct mock_fault_row *row)
{
    static const char *const heads[] = {"EXC-", "HTTP-"};
    if (strcmp(row->id, "half-frame") == 0 || strcmp(row->id, "early-end") == 0)
        return true;
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        if (strncmp(row->code, heads[i], strlen(heads[i])) == 0)
            return true;
    return false;
}

/* Its place as a number within this batch; false: it falls on another. Unless told it is the second event, as the
 * faults of the other streams have it; places from the end are never reached, as nobody knows the end. */
static bool place_in(const struct bidi *b, const cJSON *fault, const char *key, int64_t *place)
{
    const cJSON *at = json_item(fault, key);
    bool bytes = strcmp(key, "at_byte") == 0;
    double from = bytes ? (double)b->bytes : (double)b->events;
    double n = bytes ? (double)b->batch->bytes.len : (double)b->batch_events;
    double asked = cJSON_IsNumber(at) ? at->valuedouble : 1;
    *place = (int64_t)(asked - from);
    return asked >= from && asked < from + n;
}

static void befall_one(struct bidi *b, const cJSON *fault)
{
    const struct mock_fault_row *row = fault_row(json_str(fault, "id"));
    const char *key = row == NULL                                                          ? NULL
                      : fault_takes(row, "at_byte") && json_item(fault, "at_byte") != NULL ? "at_byte"
                      : fault_takes(row, "at_event")                                       ? "at_event"
                                                                                           : NULL;
    int64_t place = 0;
    bool last_only = row != NULL && strcmp(row->id, "trailing-bytes") == 0;
    if (row == NULL || (key != NULL && !place_in(b, fault, key, &place)) || (last_only && !b->over))
        return;
    CLEANUP(json_free) cJSON *list = cJSON_CreateArray();
    cJSON *own = cJSON_Duplicate(fault, true);
    if (list == NULL || own == NULL || !cJSON_AddItemToArray(list, own)) {
        cJSON_Delete(own);
        return;
    }
    if (key != NULL)
        (void)json_set_int(own, key, place);
    struct fault_scene scene = {.request_id = "", .rng = &b->rng};
    b->batch = faults_apply(b->batch, list, &scene);
    b->over = b->over || (key != NULL && ends_a_stream(row));
}

/* What the event was answered with goes on its way. */
static void send_batch(struct bidi *b)
{
    if (b->batch == NULL && !b->over)
        return;
    if (b->batch == NULL)
        b->batch = plan_new(200);
    size_t events = b->batch_events;
    size_t bytes = b->batch != NULL ? b->batch->bytes.len : 0;
    const cJSON *fault;
    cJSON_ArrayForEach(fault, b->faults)
    {
        if (b->batch != NULL)
            befall_one(b, fault);
    }
    struct plan *batch = b->batch;
    b->batch = NULL;
    b->batch_events = 0;
    b->events += events;
    b->bytes += bytes;
    if (b->over)
        timer_cancel(&b->silence);
    exchange_extend(b->exchange, batch, b->over);
}

/* ---- the journal ---- */

static void flush_account(struct bidi *b)
{
    if (b->last_n == 0)
        return;
    if (b->account.len > BIDI_ACCOUNT_MAX)
        b->unlisted += b->last_n;
    else
        buf_addf(&b->account, "%s{\"event\":\"audioInput\",\"count\":%zu,\"bytes\":%zu}", b->account.len > 0 ? "," : "",
                 b->last_n, b->last_bytes);
    b->last_n = b->last_bytes = 0;
}

static void shorten(cJSON *item)
{
    cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        if (cJSON_IsString(child) && strlen(child->valuestring) > SHOWN_STRING) {
            char text[48];
            (void)snprintf(text, sizeof text, "(%zu characters)", strlen(child->valuestring));
            (void)cJSON_SetValuestring(child, text);
        }
        shorten(child);
    }
}

static void keep_event(struct bidi *b, const char *name, const cJSON *event, size_t bytes)
{
    if (strcmp(name, "audioInput") == 0) {
        b->last_n++;
        b->last_bytes += bytes;
        return;
    }
    flush_account(b);
    if (b->account.len > BIDI_ACCOUNT_MAX) {
        b->unlisted++;
        return;
    }
    CLEANUP(json_free) cJSON *own = cJSON_Duplicate(event, true);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    shorten(own);
    json_print(own, JSON_COMPACT, &text);
    if (own == NULL || text.len > BIDI_ACCOUNT_MAX || b->account.len + text.len > BIDI_ACCOUNT_MAX) {
        b->unlisted++;
        return;
    }
    buf_adds(&b->account, b->account.len > 0 ? ",{\"event\":" : "{\"event\":");
    json_quote(span_of(name), &b->account);
    buf_adds(&b->account, ",\"body\":");
    buf_add(&b->account, buf_span(&text));
    buf_addc(&b->account, '}');
}

void bidi_account(const struct bidi *b, struct buf *out)
{
    static const char *const states[] = {"unsigned", "unknown-key", "valid"};
    const struct chain *c = &b->chain;
    flush_account((struct bidi *)(uintptr_t)b);
    buf_addf(out, "{\"signatures\":{\"verdict\":\"%s\",\"frames\":%zu,\"valid\":%zu,\"ended\":%s",
             c->broken ? "broken" : states[c->state], c->frames, c->valid, c->ended ? "true" : "false");
    if (c->broken) {
        buf_addf(out, ",\"diagnosis\":{\"id\":\"%s\",\"sentence\":", c->diagnosis_id);
        json_quote(span_of(c->diagnosis), out);
        buf_addc(out, '}');
    }
    buf_adds(out, "},\"input\":[");
    buf_add(out, buf_span(&b->account));
    buf_addf(out, "],\"unlisted\":%zu,\"answered\":%zu", b->unlisted, b->events);
    if (b->chosen.len > 0) {
        buf_adds(out, ",\"fixture\":");
        json_quote(buf_span(&b->chosen), out);
    }
    buf_addc(out, '}');
}

/* ---- events of the client ---- */

static struct bidi_count *count_of(struct bidi *b, const char *name)
{
    for (size_t i = 0; i < b->count_n; i++)
        if (strcmp(b->counts[i].name, name) == 0)
            return &b->counts[i];
    if (b->count_n == COUNT_OF(b->counts) || strlen(name) >= sizeof b->counts[0].name)
        return NULL;
    struct bidi_count *c = &b->counts[b->count_n++];
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    return c;
}

size_t bidi_seen(const struct bidi *b, const char *name)
{
    for (size_t i = 0; i < b->count_n; i++)
        if (strcmp(b->counts[i].name, name) == 0)
            return b->counts[i].n;
    return 0;
}

/* The first event that a script has an answer to decides which one it is. True: it is not decided yet, and nobody answers. */
static bool choose_script(struct bidi *b, const char *name, const cJSON *event)
{
    struct fixture_hit hit;
    CLEANUP(json_free) cJSON *said = b->openings == NULL || event == NULL ? NULL : bidi_opening_event(event, b->worker->sigv4);
    if (b->openings == NULL)
        return false;
    if (said != NULL)
        openings_hear(b->openings, said);
    const cJSON *script = json_item(openings_best(b->openings), "bidirectional");
    if (!bidi_script_answers(script, name, bidi_seen(b, name)))
        return true;
    openings_take(b->openings, &hit);
    cJSON_Delete(b->script);
    b->script = cJSON_Duplicate(json_item(hit.reply, "bidirectional"), true);
    b->speed = replay_speed(hit.reply, b->mock->replay_speed);
    fixture_label(hit.fixture, &b->chosen);
    openings_free(b->openings);
    b->openings = NULL;
    if (b->script == NULL)
        bidi_refuse(b, "internalServerException", "out of memory");
    return false;
}

static void happen(struct bidi *b, const char *name, const cJSON *event)
{
    struct bidi_count *count = count_of(b, name);
    if (count != NULL)
        count->n++;
    bool scripted = choose_script(b, name, event) || bidi_script_event(b, name);
    if (scripted && strcmp(name, "promptStart") == 0 && cJSON_IsString(json_item(event, "promptName")))
        (void)snprintf(b->sonic.prompt, sizeof b->sonic.prompt, "%s", json_str(event, "promptName"));
    if (scripted || strcmp(name, "start") == 0)
        return;
    if (strcmp(name, "end") == 0)
        sonic_end(b);
    else
        sonic_event(b, name, event);
}

/* The JSON below the base64 of a chunk: {"event": {"textInput": {...}}}. */
static void read_chunk(struct bidi *b, struct span payload)
{
    CLEANUP(json_free) cJSON *chunk = NULL;
    CLEANUP(json_free) cJSON *tree = NULL;
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(CHUNK_BYTES);
    if (json_parse(payload, JSON_COMPACT, &chunk, NULL) != OK || !cJSON_IsString(json_item(chunk, "bytes"))) {
        bidi_refuse(b, "validationException", "An event of type chunk holds an object with the member bytes.");
        return;
    }
    if (buf_add_unbase64(&bytes, span_of(json_str(chunk, "bytes"))) != OK) {
        bidi_refuse(b, "validationException", "The bytes of a chunk are base64 of at most %zu bytes.", CHUNK_BYTES);
        return;
    }
    const cJSON *event = NULL;
    if (json_parse(buf_span(&bytes), JSON_COMPACT, &tree, NULL) == OK)
        event = json_item(tree, "event");
    if (!cJSON_IsObject(event) || event->child == NULL || event->child->next != NULL || !cJSON_IsObject(event->child)) {
        bidi_refuse(b, "validationException", "Each chunk is JSON of the form {\"event\":{\"sessionStart\":{...}}}.");
        return;
    }
    keep_event(b, event->child->string, event->child, bytes.len);
    happen(b, event->child->string, event->child);
}

static void read_inner(struct bidi *b, struct span frame)
{
    struct es_message m;
    struct span name;
    es_decoder_reset(&b->inner);
    es_decoder_feed(&b->inner, frame);
    if (es_decoder_next(&b->inner, &m) != ES_OK || m.frame.n != frame.n)
        bidi_refuse(b, "validationException", "A signed frame holds one whole frame.");
    else if (es_message_kind(&m, &name) != ES_EVENT || !span_is(name, "chunk"))
        bidi_refuse(b, "validationException", "The events of this stream are of type chunk.");
    else
        read_chunk(b, m.payload);
}

static void read_frame(struct bidi *b, const struct es_message *m, struct span behind)
{
    struct span inner;
    if (!chain_open(&b->chain, b->worker->sigv4, &b->mock->clock, m, behind, &inner)) {
        refuse_signature(b);
        return;
    }
    if (b->chain.broken && b->chain.diagnosis[0] != '\0' && b->chain.frames == b->chain.valid + 1)
        mock_log(b->mock, "InvokeModelWithBidirectionalStream, not refused: %s", b->chain.diagnosis);
    if (inner.n > 0)
        read_inner(b, inner);
}

/* ---- the stream ---- */

static void end_of_input(struct bidi *b)
{
    if (es_decoder_finish(&b->input.decoder) == ES_TRUNCATED) {
        bidi_refuse(b, "validationException", "The stream ends inside a frame.");
    } else {
        happen(b, "end", NULL);
        bidi_finish(b);
    }
}

static void work(struct bidi *b)
{
    struct es_message m;
    struct span behind;
    if (b->working)
        return;
    b->working = true;
    while (!b->over && !b->paused) {
        enum es_error e = bidi_input_next(&b->input, &m, &behind);
        if (e == ES_MORE)
            break;
        if (e == ES_OK) {
            read_frame(b, &m, behind);
        } else {
            CLEANUP(buf_release) struct buf why = BUF_INIT(BUF_ANY);
            es_decoder_explain(&b->input.decoder, &why);
            bidi_refuse(b, "validationException", "The event stream is broken: %.200s", buf_text(&why));
        }
        send_batch(b);
        b->paused = exchange_unsent(b->exchange) > BIDI_UNSENT_MAX;
    }
    if (!b->over && !b->paused && bidi_input_ended(&b->input)) {
        end_of_input(b);
        send_batch(b);
    }
    b->working = false;
}

static void too_silent(void *ctx)
{
    struct bidi *b = ctx;
    bidi_refuse(b, "validationException", "Timed out waiting for input events");
    send_batch(b);
}

/* The answer can go on only when it has been replied, so this is not done in the handler. */
static void start(struct bidi *b)
{
    if (b->started)
        return;
    b->started = true;
    happen(b, "start", NULL);
    send_batch(b);
}

static void on_data(void *ctx, struct span bytes)
{
    struct bidi *b = ctx;
    start(b);
    if (b->over) {
        exchange_consumed(b->exchange, bytes.n);
        return;
    }
    timer_set(exchange_loop(b->exchange), &b->silence, now_ns() + (uint64_t)BIDI_SILENCE_MS * MS, too_silent, b);
    if (!bidi_input_add(&b->input, bytes)) {
        bidi_refuse(b, "internalServerException", "out of memory");
        send_batch(b);
        return;
    }
    work(b);
}

static void on_data_end(void *ctx)
{
    struct bidi *b = ctx;
    start(b);
    b->input.over = true;
    timer_cancel(&b->silence);
    if (!b->over)
        work(b);
}

static void on_all_sent(void *ctx)
{
    struct bidi *b = ctx;
    if (!b->paused)
        return;
    b->paused = false;
    work(b);
}

static void begin_late(void *ctx)
{
    struct bidi *b = ctx;
    timer_set(exchange_loop(b->exchange), &b->silence, now_ns() + (uint64_t)BIDI_SILENCE_MS * MS, too_silent, b);
    start(b);
}

bool bidi_begin(struct bidi *b, struct plan *plan)
{
    if (plan == NULL || plan->failed || !plan->open)
        return false;
    plan->open = plan->content_length == PLAN_CHUNKED && plan->end == PLAN_END_CLEAN && plan->count == 0;
    if (!plan->open) /* a fault has made something else of it */
        return false;
    exchange_read(b->exchange, on_data, on_data_end, b);
    exchange_on_drain(b->exchange, 0, on_all_sent, b);
    timer_set(exchange_loop(b->exchange), &b->silence, now_ns(), begin_late, b);
    return true;
}
