/* native_route.c: POST /model/{id}/converse[-stream] for clients that speak Bedrock themselves.
 *
 * Nothing is translated: the path goes on as it came, encoded the way the client chose, the body byte for byte; only
 * the signature is ours. The answer comes back the same way. A stream is decoded all the same, so that a damaged frame
 * or a stream without its end is told to the client as an exception frame; the good frames are relayed as they were.
 */
#include "gateway/model.h"
#include "gateway/talk.h"

static const char frames[] = "application/vnd.amazon.eventstream";

/* ---- unary ---- */

/* An error of upstream as it came; one of ours in the same form. */
static void native_refused(struct talk *t, const struct upstream_result *r)
{
    struct fail f = {0};
    if (r->error != OK || r->status == 200) {
        fail_from_transport(&f, r->error, r->words);
        talk_fail(t, &f);
        return;
    }
    const char *type = http_headers_get(r->headers, "Content-Type");
    talk_relay(t, r->headers);
    talk_reply(t, r->status, type != NULL ? type : "application/json", r->body);
}

/* The body goes on untouched; it is only looked into, for what it cost. */
static void native_cost(struct talk *t)
{
    static const char prefix[] = "/model/", suffix[] = "/converse";
    CLEANUP(json_free) cJSON *answer = NULL;
    CLEANUP(buf_release) struct buf id = BUF_INIT(MODEL_ID_MAX + 1);
    struct span path = span_from(buf_span(&t->path), sizeof prefix - 1);
    if (path.n < sizeof suffix || json_parse(buf_span(&t->got), JSON_COMPACT, &answer, NULL) != OK)
        return;
    if (model_clean(span_cut(path, 0, path.n - (sizeof suffix - 1)), &id) == OK)
        talk_tell_cost(t, buf_text(&id), answer);
}

static void native_done(void *ctx, const struct upstream_result *r)
{
    struct talk *t = ctx;
    talk_call_over(t);
    if (r->error != OK || r->status != 200 || buf_error(&t->got) != OK)
        native_refused(t, r);
    else {
        native_cost(t);
        talk_reply(t, 200, "application/json", buf_span(&t->got));
    }
    talk_maybe_free(t);
}

static const struct upstream_events unary_events = {talk_on_head, talk_gather, native_done};

/* ---- streams ---- */

static void relay_frame(struct talk *t, const struct es_message *m)
{
    struct span name = SPAN_EMPTY;
    enum es_kind kind = es_message_kind(m, &name);
    bool tail = span_is(name, "messageStop") || span_is(name, "metadata");
    t->stopped = t->stopped || kind != ES_EVENT || span_is(name, "messageStop");
    talk_begin(t, frames);
    sink_put_bytes(&t->sink, kind != ES_EVENT ? SINK_ERROR_FRAME : tail ? SINK_TAIL_FRAME : SINK_FRAME, m->frame);
}

/* The stream is not what it should be: say so in a frame, or with a status when no frame went out yet. */
static void native_broke(struct talk *t, const char *why)
{
    struct fail f = {0};
    if (t->ended)
        return;
    (void)fail_set(&f, 502, NULL, "the stream from upstream broke off: %s", why);
    if (!t->begun) {
        talk_fail(t, &f);
        return;
    }
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY), frame = BUF_INIT(BUF_ANY);
    buf_adds(&text, "{\"message\":");
    json_quote(span_of(f.note.text), &text);
    buf_addc(&text, '}');
    if (es_encode_exception(&frame, "internalServerException", buf_span(&text)) == ES_OK)
        sink_put_bytes(&t->sink, SINK_ERROR_FRAME, buf_span(&frame));
    talk_end(t, PLAN_END_CLEAN);
}

static bool frames_data(void *ctx, struct span bytes)
{
    struct talk *t = ctx;
    struct es_message m;
    enum es_error e;
    if (!talk_ready(t))
        return false;
    es_decoder_feed(&t->es, bytes);
    while ((e = es_decoder_next(&t->es, &m)) == ES_OK)
        relay_frame(t, &m);
    if (e != ES_MORE) {
        CLEANUP(buf_release) struct buf why = BUF_INIT(BUF_ANY);
        es_decoder_explain(&t->es, &why);
        native_broke(t, buf_text(&why));
        t->broken = true;
    }
    talk_settle(t);
    return true;
}

static void frames_done(void *ctx, const struct upstream_result *r)
{
    struct talk *t = ctx;
    talk_call_over(t);
    if (r->status != 200 || (!t->begun && r->error != OK))
        native_refused(t, r);
    else if (!t->stopped || (r->error == OK && es_decoder_finish(&t->es) != ES_OK))
        native_broke(t, r->error != OK ? r->words : "it has no messageStop, or half a frame at its end");
    else
        talk_end(t, PLAN_END_CLEAN);
    talk_maybe_free(t);
}

static const struct upstream_events frame_events = {talk_on_head, frames_data, frames_done};

/* ---- the request ---- */

static void pass_through(struct talk *t, const struct upstream_events *events)
{
    const struct http_request *r = exchange_request(t->x);
    buf_add(&t->path, r->target);
    buf_add(&t->sent, r->body); /* a copy: the call may outlive the exchange */
    talk_call(t, buf_span(&t->sent), events);
}

void native_converse(struct talk *t)
{
    pass_through(t, &unary_events);
}

void native_converse_stream(struct talk *t)
{
    pass_through(t, &frame_events);
}
