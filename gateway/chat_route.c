/* chat_route.c: POST /v1/chat/completions between the client and Converse.
 *
 * A whole answer is gathered, translated and sent. A stream goes frame by frame: what the decoder has whole is
 * translated and written before the next bytes are looked at. The head of the stream is sent with the first chunk and
 * not before, so everything that goes wrong earlier, an exception as the first frame included, is still an HTTP error.
 */
#include "gateway/ledger.h"
#include "gateway/model.h"
#include "gateway/talk.h"

#include <stdio.h>

#include "protocol/token.h"

static const char event_stream[] = "text/event-stream; charset=utf-8";

/* ---- unary ---- */

static void unary_answer(struct talk *t)
{
    struct fail f = {0};
    struct note note = {""};
    CLEANUP(json_free) cJSON *converse = NULL;
    cJSON *answer = NULL;
    if (buf_error(&t->got) != OK)
        (void)fail_set(&f, 502, NULL, "the answer of upstream is too long");
    else if (json_parse(buf_span(&t->got), JSON_COMPACT, &converse, &note) != OK)
        (void)fail_set(&f, 502, NULL, "upstream answered 200 with a body that is not JSON: %s", note.text);
    else
        answer = chat_answer(&t->chat, &t->who, converse, &f);
    if (answer != NULL) {
        talk_tell_cost(t, t->chat.model_id, converse);
        talk_reply_json(t, 200, answer);
    } else
        talk_fail(t, &f);
}

static void unary_done(void *ctx, const struct upstream_result *r)
{
    struct talk *t = ctx;
    struct fail f = {0};
    talk_call_over(t);
    if (r->error == OK && r->status == 200) {
        unary_answer(t);
    } else {
        talk_upstream_fail(t, r, &f);
        talk_fail(t, &f);
    }
    talk_maybe_free(t);
}

static const struct upstream_events unary_events = {talk_on_head, talk_gather, unary_done};

/* ---- streams ---- */

static void emit(void *ctx, enum chat_item kind, cJSON *take)
{
    struct talk *t = ctx;
    static const enum sink_kind kinds[] = {
        [CHAT_CHUNK] = SINK_CHUNK, [CHAT_TAIL] = SINK_TAIL, [CHAT_ERROR] = SINK_ERROR, [CHAT_DONE] = SINK_DONE};
    if (t->ended || t->x == NULL || (kind == CHAT_ERROR && !t->begun)) {
        cJSON_Delete(take); /* before the head an error is an HTTP error: see stream_failed() */
        return;
    }
    talk_begin(t, event_stream);
    sink_put_json(&t->sink, kinds[kind], take);
    if (kind == CHAT_ERROR || kind == CHAT_DONE)
        talk_end(t, PLAN_END_CLEAN);
}

static void price_stream(void *ctx, const cJSON *metadata, cJSON *usage)
{
    struct talk *t = ctx;
    struct cost cost;
    talk_account(t, t->chat.model_id, metadata, &cost);
    bool known = cost.usd[0] != '\0';
    (void)json_set_string(usage, known ? "cost_usd" : "cost_unknown", known ? cost.usd : cost.unknown.text);
}

/* Bedrock bills what the model read and said until the call is cancelled, and tells nobody: so we count. */
void chat_left(struct talk *t)
{
    if (t->chat.body == NULL || t->accounted || t->who.id[0] == '\0')
        return;
    struct cost cost;
    CLEANUP(json_free) cJSON *said = cJSON_CreateObject();
    cJSON *usage = json_set(said, "usage", cJSON_CreateObject());
    uint64_t read = token_count_request(t->chat.body);
    (void)json_set_int(usage, "inputTokens", (int64_t)read);
    (void)json_set_int(usage, "outputTokens", (int64_t)t->stream.said);
    (void)json_set_int(usage, "totalTokens", (int64_t)(read + t->stream.said));
    cost_of(t->config, t->chat.model_id, t->region, said, &cost);
    ledger_add(t->worker->ledger, t->who.id, &cost, true);
}

/* An error that came before the first chunk. */
static void stream_failed(struct talk *t)
{
    if (t->stream.fail.status != 0 && !t->begun)
        talk_fail(t, &t->stream.fail);
}

static bool stream_data(void *ctx, struct span bytes)
{
    struct talk *t = ctx;
    struct es_message m;
    enum es_error e;
    if (!talk_ready(t))
        return false;
    es_decoder_feed(&t->es, bytes);
    while ((e = es_decoder_next(&t->es, &m)) == ES_OK)
        chat_stream_message(&t->stream, &m);
    if (e != ES_MORE) {
        CLEANUP(buf_release) struct buf why = BUF_INIT(BUF_ANY);
        es_decoder_explain(&t->es, &why);
        chat_stream_end(&t->stream, true, buf_text(&why));
        t->broken = true; /* Smithy: after a bad checksum the connection must be ended */
    }
    stream_failed(t);
    talk_settle(t);
    return true;
}

static void stream_done(void *ctx, const struct upstream_result *r)
{
    struct talk *t = ctx;
    struct fail f = {0};
    talk_call_over(t);
    bool never_began = !t->begun && t->stream.fail.status == 0;
    if (r->status != 200 || (never_began && r->error == ERR_TIMEOUT)) {
        talk_upstream_fail(t, r, &f);
        talk_fail(t, &f);
    } else {
        enum es_error e = es_decoder_finish(&t->es);
        chat_stream_end(&t->stream, false, r->error != OK ? r->words : e != ES_OK ? "inside a frame" : "");
        stream_failed(t);
    }
    talk_maybe_free(t);
}

static const struct upstream_events stream_events = {talk_on_head, stream_data, stream_done};

/* ---- the request ---- */

/* Called once a request, with the name it has for its model. */
static const char *alias(void *ctx, const char *name)
{
    struct talk *t = ctx;
    const struct gateway_config *config = t->config;
    for (size_t i = 0; i < config->model_count; i++)
        if (strcmp(config->models[i].name, name) == 0) {
            t->region = config->models[i].region;
            return config->models[i].id;
        }
    return NULL;
}

static void identify(struct chat_identity *who)
{
    static unsigned counter;
    unsigned n = __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
    int64_t now = wall_ns();
    who->created = now / 1000000000;
    (void)snprintf(who->id, sizeof who->id, "chatcmpl-%016llx%08x", (unsigned long long)now, n);
}

static enum err read_request(struct talk *t, struct fail *f)
{
    const struct http_request *r = exchange_request(t->x);
    CLEANUP(json_free) cJSON *in = NULL;
    struct note note = {""};
    if (json_parse(r->body, JSON_COMPACT, &in, &note) != OK)
        return fail_bad(f, "", "the body is not JSON: %s", note.text);
    CLEANUP(free_ptr) char *beta = span_dup(http_field_get(r->fields, r->field_count, "anthropic-beta"));
    struct chat_options options = {alias, t, beta};
    enum err e = chat_request_read(in, &options, &t->chat, f);
    if (e != OK)
        return e;
    buf_adds(&t->path, "/model/");
    model_encode(span_of(t->chat.model_id), &t->path);
    buf_adds(&t->path, t->chat.stream ? "/converse-stream" : "/converse");
    json_print(t->chat.body, JSON_COMPACT, &t->sent);
    if (buf_error(&t->sent) == OK && buf_error(&t->path) == OK)
        return OK;
    return fail_set(f, 500, NULL, "out of memory");
}

void chat_completions(struct talk *t)
{
    struct fail f = {0};
    identify(&t->who);
    if (read_request(t, &f) != OK) {
        talk_fail(t, &f);
        return;
    }
    chat_stream_init(&t->stream, &t->chat, &t->who, emit, t);
    t->stream.price = price_stream;
    talk_call(t, buf_span(&t->sent), t->chat.stream ? &stream_events : &unary_events);
}
