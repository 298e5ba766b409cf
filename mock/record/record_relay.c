/* record_relay.c: one request on its way to the endpoint, and the answer on its way back.
 *
 * A relay is born in the handler and dies with the exchange. A stream is given on frame by frame: bytes wait until
 * their frame is whole, so what is measured, kept and written is the same unit; bytes that are no frame (server-sent
 * events, or a stream that has gone wrong) are given on as they come. A client that reads slowly slows the endpoint
 * down: past a ceiling the call is paused.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mock/admin/metrics.h"
#include "mock/bidi/bidi_chain.h"
#include "mock/record/record_parts.h"
#include "mock/runtime/converse.h"
#include "mock/surface.h"
#include "net/client.h"
#include "protocol/eventstream.h"

#define WAIT_FULL  ((size_t)1 << 20)   /* bytes for a slow client before the endpoint is paused ... */
#define WAIT_LOW   ((size_t)256 << 10) /* ... and when it goes on */
#define IDLE_MS    600000              /* silence of the endpoint: models may think for minutes */
#define PIECES_MAX 1000000
#define ERROR_TYPE "MohsUpstreamError"

struct relay {
    struct recorder *recorder;
    struct mock *mock;
    struct worker *worker;
    struct exchange *exchange;
    struct entry *entry;
    struct call *call; /* NULL: over */
    const char *operation;
    char request_id[UUID_SIZE];
    void (*done)(void *ctx, struct exchange *x, const struct delivery *d);
    void *done_ctx;
    struct buf url;
    struct kept kept;
    struct needles needles; /* spans into the request */
    struct upload *upload;  /* of a stream both ways; otherwise NULL */
    /* the answer */
    int status;
    struct http_headers headers;
    struct buf body;
    struct recorded_piece *pieces;
    size_t count, room, sent;                    /* sent: bytes of the body */
    bool streamed, framed, full, answered, lost; /* lost: it cannot be kept any more */
    uint64_t asked_at_ns, head_at_ns;
};

static void relay_free(struct relay *r)
{
    if (r == NULL)
        return;
    upload_free(r->upload);
    buf_release(&r->url);
    buf_release(&r->body);
    kept_release(&r->kept);
    http_headers_release(&r->headers);
    free(r->pieces);
    free(r);
}

/* ---- telling ---- */

static void tell(struct relay *r, int status, const char *key, const char *value)
{
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    buf_adds(&json, "{\"url\":");
    json_quote(buf_span(&r->url), &json);
    buf_addf(&json, ",\"status\":%d,", r->status);
    if (r->upload != NULL)
        buf_addf(&json, "\"frames_sent\":%zu,", upload_frames(r->upload));
    buf_addf(&json, "\"%s\":", key);
    json_quote(span_of(value), &json);
    buf_addc(&json, '}');
    journal_answered(r->mock->journal, r->entry, status, buf_text(&json));
}

static void keep(struct relay *r)
{
    struct note why = {""};
    const struct recorded answer = {.status = r->status,
                                    .headers = &r->headers,
                                    .body = buf_span(&r->body),
                                    .pieces = r->pieces,
                                    .count = r->count,
                                    .streamed = r->streamed,
                                    .asked_at_ns = r->asked_at_ns,
                                    .head_at_ns = r->head_at_ns,
                                    .from = buf_text(&r->url),
                                    .upload = r->streamed ? r->upload : NULL};
    if (r->upload != NULL && upload_why_not(r->upload) != NULL)
        r->kept.why_not = upload_why_not(r->upload);
    if (r->upload != NULL && r->streamed && !r->framed)
        r->kept.why_not = "it is no stream of events";
    if (r->lost)
        r->kept.why_not = "it is too large";
    if (answer.upload != NULL)
        kept_open(&r->kept, upload_opening(r->upload), r->worker->sigv4);
    if (keep_answer(r->recorder, &r->kept, &answer, &r->needles, &why)) {
        tell(r, r->status, "kept", r->kept.name);
        mock_log(r->mock, "recorded %s: %d, %s", r->operation, r->status, r->kept.name);
    } else {
        tell(r, r->status, "not_kept", why.text);
        mock_log(r->mock, "relayed %s: %d, not kept: %s", r->operation, r->status, why.text);
    }
}

/* In the form of Bedrock's own errors, so that an SDK shows the sentence; 502 is what a proxy says (RFC 9110
 * section 15.6.3). */
static struct plan *failure_plan(const char *words, bool late, const char *request_id)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(4096);
    buf_addf(&text, "The endpoint that this mock records from did not answer: %s", words);
    struct error_reply e = {.type = ERROR_TYPE, .message = buf_text(&text), .status = late ? 504 : 502};
    return error_plan(&e, request_id);
}

static void fail(struct relay *r, const struct client_result *result)
{
    CLEANUP(buf_release) struct buf words = BUF_INIT(4096);
    buf_addf(&words, "%s: %s", buf_text(&r->url), result->text[0] != '\0' ? result->text : err_name(result->error));
    struct plan *plan =
        r->answered ? NULL : failure_plan(buf_text(&words), result->error == ERR_TIMEOUT, r->request_id);
    int status = r->answered ? r->status : plan != NULL ? plan->status : 500;
    tell(r, status, "error", result->text[0] != '\0' ? result->text : err_name(result->error));
    mock_log(r->mock, "%s: the endpoint did not answer: %s", r->operation, buf_text(&words));
    if (!r->answered)
        metrics_answer(r->worker->metrics, r->operation, status, source_name(SOURCE_RECORD));
    if (r->answered)
        exchange_end(r->exchange, PLAN_END_FIN); /* cut where it was cut */
    else
        exchange_reply(r->exchange, plan);
    r->answered = true;
}

/* ---- the answer comes ---- */

static bool is_type(const struct http_headers *h, const char *type)
{
    const char *value = http_headers_get(h, "content-type");
    return value != NULL && strncasecmp(value, type, strlen(type)) == 0;
}

static void on_drain(void *ctx)
{
    struct relay *r = ctx;
    r->full = false;
    if (r->upload != NULL)
        upload_go_on(r->upload);
    else if (r->call != NULL)
        call_resume(r->call);
}

static void begin_stream(struct relay *r)
{
    CLEANUP(http_headers_release) struct http_headers out;
    http_headers_init(&out);
    for (size_t i = 0; i < r->headers.count; i++)
        if (record_passes_header(r->headers.items[i].name))
            http_headers_add(&out, r->headers.items[i].name, r->headers.items[i].value);
    r->answered = true;
    metrics_answer(r->worker->metrics, r->operation, r->status, source_name(SOURCE_RECORD));
    exchange_begin(r->exchange, r->status, &out);
    exchange_on_drain(r->exchange, WAIT_LOW, on_drain, r);
}

static void on_head(void *ctx, int status, const struct http_headers *headers)
{
    struct relay *r = ctx;
    r->status = status;
    r->head_at_ns = now_ns();
    http_headers_copy(&r->headers, headers);
    r->framed = is_type(headers, EVENTSTREAM_TYPE);
    r->streamed = status == 200 && (r->framed || is_type(headers, "text/event-stream"));
    if (r->streamed)
        begin_stream(r);
}

static void note_piece(struct relay *r, uint64_t at_ns)
{
    if (r->count == r->room) {
        size_t room = r->room == 0 ? 64 : r->room * 2;
        struct recorded_piece *more = r->count < PIECES_MAX ? realloc(r->pieces, room * sizeof *more) : NULL;
        if (more == NULL) {
            r->lost = true;
            return;
        }
        r->pieces = more;
        r->room = room;
    }
    r->pieces[r->count++] = (struct recorded_piece){r->sent, at_ns};
}

/* n bytes of the body go to the client, as one piece. */
static void send_piece(struct relay *r, size_t n, uint64_t at_ns)
{
    r->full = exchange_write(r->exchange, span_cut(buf_span(&r->body), r->sent, n)) > WAIT_FULL;
    r->sent += n;
    if (!r->lost)
        note_piece(r, at_ns);
}

static void send_frames(struct relay *r, uint64_t at_ns)
{
    while (r->sent < r->body.len) {
        struct span rest = span_from(buf_span(&r->body), r->sent);
        size_t n = r->framed && rest.n >= ES_PRELUDE ? es_frame_length(rest) : 0;
        if (r->framed && rest.n >= ES_PRELUDE && (n < ES_OVERHEAD || n > ES_FRAME_MAX))
            r->framed = false; /* whatever this is, it is the client's to judge */
        if (r->framed && (rest.n < ES_PRELUDE || rest.n < n))
            return;
        send_piece(r, r->framed ? n : rest.n, at_ns);
    }
}

static struct plan *whole_plan(struct relay *r)
{
    struct plan *plan = plan_new(r->status);
    if (plan == NULL)
        return NULL;
    plan_body(plan, "application/octet-stream", buf_span(&r->body));
    http_headers_remove(&plan->headers, "Content-Type");
    for (size_t i = 0; i < r->headers.count; i++)
        if (record_passes_header(r->headers.items[i].name))
            http_headers_add(&plan->headers, r->headers.items[i].name, r->headers.items[i].value);
    plan->failed = plan->failed || buf_error(&r->body) != OK || plan->headers.failed;
    return plan;
}

static void complete(struct relay *r)
{
    keep(r);
    if (r->streamed) {
        exchange_end(r->exchange, PLAN_END_CLEAN);
        return;
    }
    r->answered = true;
    metrics_answer(r->worker->metrics, r->operation, r->status, source_name(SOURCE_RECORD));
    exchange_reply(r->exchange, whole_plan(r));
}

static bool on_data(void *ctx, struct span bytes, uint64_t at_ns)
{
    struct relay *r = ctx;
    if (r->full && r->upload == NULL)
        return false;
    if (r->streamed && r->lost && r->sent == r->body.len) { /* only given on */
        buf_reset(&r->body);
        r->sent = 0;
    }
    if (r->body.len + bytes.n > RECORD_BODY_MAX)
        r->lost = true;
    buf_add(&r->body, bytes);
    if (r->streamed)
        send_frames(r, at_ns);
    return true;
}

static void on_done(void *ctx, const struct client_result *result)
{
    struct relay *r = ctx;
    r->call = NULL;
    if (r->upload != NULL)
        upload_stop(r->upload);
    if (result->error != OK) {
        fail(r, result);
        return;
    }
    if (r->streamed && r->sent < r->body.len) /* half a frame */
        send_piece(r, r->body.len - r->sent, result->ended_at_ns);
    complete(r);
}

/* ---- the client's half of a stream both ways ---- */

static size_t count_pieces(void *ctx)
{
    const struct relay *r = ctx;
    return r->count;
}

static bool is_full(void *ctx)
{
    const struct relay *r = ctx;
    return r->full;
}

/* The call is dropped, and the client told in the stream, or instead of it. */
static void refuse_upload(void *ctx, const char *why, bool signature)
{
    struct relay *r = ctx;
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    if (r->call != NULL)
        call_cancel(r->call);
    r->call = NULL;
    tell(r, r->answered ? r->status : 200, "error", why);
    mock_log(r->mock, "%s: %s", r->operation, why);
    if (!r->answered) {
        http_headers_set(&r->headers, "Content-Type", EVENTSTREAM_TYPE);
        r->status = 200;
        begin_stream(r);
    }
    if (signature)
        chain_refusal(&frame);
    else if (es_encode_error(&frame, ERROR_TYPE, why) != ES_OK)
        buf_reset(&frame);
    (void)exchange_write(r->exchange, buf_span(&frame));
    exchange_end(r->exchange, PLAN_END_CLEAN);
}

static void on_sent(void *ctx)
{
    struct relay *r = ctx;
    upload_go_on(r->upload);
}

/* ---- birth and death ---- */

static void relay_over(void *ctx, struct exchange *x, const struct delivery *d)
{
    struct relay *r = ctx;
    if (r->call != NULL) {
        call_cancel(r->call);
        tell(r, r->status, "error", "the client left before the answer was whole");
        if (!r->answered)
            metrics_answer(r->worker->metrics, r->operation, r->status, source_name(SOURCE_RECORD));
    }
    r->done(r->done_ctx, x, d);
    relay_free(r);
}

bool record_takes(const struct visit *v)
{
    return v->mock->recorder != NULL && !v->refuse && v->row != NULL && v->operation != NULL && !v->surface->unscripted;
}

void record_choose(struct visit *v, struct choice *c)
{
    struct kept k;
    kept_begin(v, &k);
    c->script = k.why_not == NULL ? recorder_known(v->mock->recorder, k.name) : NULL;
    c->reply = shared_tree(c->script);
    if (c->reply != NULL) {
        c->source = SOURCE_FIXTURE;
        buf_addf(&c->fixture, "%s (recorded in this run)", k.name);
    }
    kept_release(&k);
}

static enum err send_on(struct relay *r, struct visit *v, struct note *note)
{
    static const struct client_events events = {on_head, on_data, on_done};
    static const struct upload_owner owner = {count_pieces, is_full, refuse_upload};
    bool both_ways = v->request->body_follows;
    struct sigv4_chain chain;
    struct worker *w = v->worker;
    CLEANUP(http_headers_release) struct http_headers headers;
    CLEANUP(free_ptr) char *method = span_dup(v->request->method);
    http_headers_init(&headers);
    if (w->upstream == NULL) {
        w->upstream = client_new(exchange_loop(v->exchange), note);
        if (w->upstream == NULL)
            return ERR_NOMEM;
        client_trust(w->upstream, recorder_ca(r->recorder));
    }
    enum err e = method == NULL ? ERR_NOMEM : recorder_sign(r->recorder, v, &r->url, &headers, both_ways ? &chain : NULL, note);
    if (e != OK)
        return e;
    if (both_ways) {
        r->upload = upload_new(v, &chain, &owner, r);
        sigv4_chain_release(&chain);
        if (r->upload == NULL)
            return note_set(note, ERR_NOMEM, "out of memory");
    }
    struct client_request request = {.method = method,
                                     .url = buf_text(&r->url),
                                     .headers = &headers,
                                     .body = v->request->body,
                                     .idle_timeout_ms = IDLE_MS,
                                     .streams_up = both_ways,
                                     .sent = on_sent};
    r->asked_at_ns = now_ns();
    r->call = client_start(w->upstream, &request, &events, r, note);
    if (r->call != NULL && both_ways)
        upload_begin(r->upload, r->call);
    return r->call != NULL ? OK : ERR_IO;
}

struct relay *record_start(struct visit *v, struct plan **plan)
{
    struct note note = {""};
    struct relay *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    *r = (struct relay){.recorder = v->mock->recorder,
                        .mock = v->mock,
                        .worker = v->worker,
                        .exchange = v->exchange,
                        .operation = v->operation,
                        .url = BUF_INIT(65536),
                        .body = BUF_INIT(BUF_ANY)};
    memcpy(r->request_id, v->request_id, sizeof r->request_id);
    http_headers_init(&r->headers);
    kept_begin(v, &r->kept);
    needles_of(v->request, &r->needles);
    if (send_on(r, v, &note) == OK)
        return r;
    *plan = failure_plan(note.text[0] != '\0' ? note.text : "the request could not be made", false, v->request_id);
    relay_free(r);
    return NULL;
}

void record_watch(struct relay *r, struct entry *entry,
                  void (*done)(void *ctx, struct exchange *x, const struct delivery *d), void *ctx)
{
    r->entry = entry;
    r->done = done;
    r->done_ctx = ctx;
    exchange_on_done(r->exchange, relay_over, r);
}

void record_worker_stop(struct worker *w)
{
    client_free(w->upstream);
    w->upstream = NULL;
}
