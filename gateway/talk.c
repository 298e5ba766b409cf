/* talk.c: answering a client, whatever route it came by, and keeping its pace and its leaving in step with upstream.
 *
 * Every answer leaves through here, so the mutations of status, headers and body have one place each. Failures take the
 * form of the route: the error object of the OpenAI API, or Bedrock's message with x-amzn-ErrorType.
 */
#include "gateway/talk.h"

#include "gateway/ledger.h"

#include <stdlib.h>

struct talk *talk_new(struct gateway_worker *w, const struct gateway_config *config, struct exchange *x,
                      struct mutations *take)
{
    struct talk *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->config = config;
    t->worker = w;
    t->x = x;
    t->mutations = take;
    buf_init(&t->path, BUF_ANY);
    buf_init(&t->sent, BUF_ANY);
    buf_init(&t->got, TALK_ANSWER_MAX);
    http_headers_init(&t->relayed);
    es_decoder_init(&t->es);
    return t;
}

void talk_free(struct talk *t)
{
    if (t == NULL)
        return;
    for (struct talk **at = &t->worker->talks; *at != NULL; at = &(*at)->next)
        if (*at == t) {
            *at = t->next;
            break;
        }
    buf_release(&t->path);
    buf_release(&t->sent);
    buf_release(&t->got);
    http_headers_release(&t->relayed);
    sink_release(&t->sink);
    es_decoder_release(&t->es);
    chat_stream_release(&t->stream);
    chat_request_release(&t->chat);
    mutations_unref(t->mutations);
    free(t);
}

/* ---- answers ---- */

static void add_headers(struct talk *t, struct http_headers *h, const char *content_type)
{
    http_headers_copy(h, &t->relayed);
    http_headers_set(h, "Content-Type", content_type);
    mutate_headers(t->mutations, ON_CLIENT_HEADER, false, h);
    mutate_headers(t->mutations, ON_CLIENT_HEADER, true, h);
}

static struct span raw_or(const struct mutations *m, struct span body)
{
    for (size_t i = 0; m != NULL && i < m->count; i++)
        if (m->items[i].on == ON_CLIENT_RAW)
            body = span_of(m->items[i].value->valuestring);
    return body;
}

void talk_reply(struct talk *t, int status, const char *content_type, struct span body)
{
    if (t->x == NULL || t->ended)
        return;
    t->ended = true;
    struct plan *plan = plan_new(mutate_status(t->mutations, status));
    if (plan != NULL) {
        struct http_headers h;
        http_headers_init(&h);
        add_headers(t, &h, content_type);
        CLEANUP(buf_release) struct buf patched = BUF_INIT(BUF_ANY);
        if (mutate_body(t->mutations, ON_CLIENT_BODY, body, &patched))
            body = buf_span(&patched);
        plan_body(plan, content_type, raw_or(t->mutations, body));
        http_headers_release(&plan->headers);
        plan->headers = h; /* all of them ours, so that one can also be removed */
    }
    exchange_reply(t->x, plan);
}

void talk_reply_json(struct talk *t, int status, cJSON *take)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    json_print(take, JSON_COMPACT, &text);
    if (take != NULL && buf_error(&text) == OK)
        talk_reply(t, status, "application/json", buf_span(&text));
    else
        talk_reply(t, 500, "application/json",
                   SPAN_LIT("{\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\","
                            "\"param\":null,\"code\":null}}"));
    cJSON_Delete(take);
}

void talk_fail(struct talk *t, const struct fail *f)
{
    if (!t->native) {
        talk_reply_json(t, f->status, fail_object(f));
        return;
    }
    http_headers_set(&t->relayed, "x-amzn-ErrorType", fail_exception_name(f));
    cJSON *body = cJSON_CreateObject();
    (void)json_set_string(body, "message", f->note.text);
    talk_reply_json(t, f->status, body);
}

void talk_begin(struct talk *t, const char *content_type)
{
    if (t->x == NULL || t->begun || t->ended)
        return;
    t->begun = true;
    struct http_headers h;
    http_headers_init(&h);
    add_headers(t, &h, content_type);
    if (!t->native)
        http_headers_set(&h, "Cache-Control", "no-cache");
    exchange_begin(t->x, mutate_status(t->mutations, 200), &h);
    http_headers_release(&h);
}

void talk_end(struct talk *t, enum plan_end how)
{
    if (t->ended)
        return;
    t->ended = true;
    sink_end(&t->sink, how);
}

void talk_relay(struct talk *t, const struct http_headers *headers)
{
    static const struct {
        const char *name;
        bool native_only;
    } rows[] = {{"x-amzn-RequestId", false}, {"Retry-After", false}, {"x-amzn-ErrorType", true}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *value = http_headers_get(headers, rows[i].name);
        if (value != NULL && (t->native || !rows[i].native_only))
            http_headers_set(&t->relayed, rows[i].name, value);
    }
}

void talk_on_head(void *talk, const struct http_headers *headers)
{
    talk_relay(talk, headers);
}

bool talk_gather(void *talk, struct span bytes)
{
    struct talk *t = talk;
    buf_add(&t->got, bytes);
    return true;
}

void talk_account(struct talk *t, const char *model_id, const cJSON *said, struct cost *out)
{
    cost_of(t->config, model_id, t->region, said, out);
    if (t->who.id[0] == '\0')
        return;
    ledger_add(t->worker->ledger, t->who.id, out, false);
    t->accounted = true;
}

void talk_tell_cost(struct talk *t, const char *model_id, const cJSON *converse)
{
    struct cost cost;
    talk_account(t, model_id, converse, &cost);
    if (cost.usd[0] != '\0')
        http_headers_set(&t->relayed, "x-mohs-cost-usd", cost.usd);
    else
        http_headers_set(&t->relayed, "x-mohs-cost-unknown", cost.unknown.text);
}

/* ---- the call ---- */

void talk_call(struct talk *t, struct span body, const struct upstream_events *events)
{
    struct note note = {""};
    struct fail f = {0};
    t->call = upstream_start(&t->worker->upstream, buf_span(&t->path), body, t->region, t->mutations, events, t, &note);
    if (t->call != NULL)
        return;
    fail_from_transport(&f, ERR_IO, note.text);
    talk_fail(t, &f);
}

bool talk_ready(struct talk *t)
{
    t->paused = t->blocked;
    return !t->paused;
}

static void drained(void *ctx)
{
    struct talk *t = ctx;
    t->blocked = false;
    t->sink.waiting = 0; /* what the last write said is past; half a frame writes nothing and must not read it again */
    if (t->paused && t->call != NULL) {
        t->paused = false;
        upstream_resume(t->call);
    }
}

void talk_settle(struct talk *t)
{
    if (t->broken && t->call != NULL) {
        struct upstream_call *call = t->call;
        t->call = NULL;
        upstream_cancel(call);
        talk_maybe_free(t);
        return;
    }
    if (t->x != NULL && t->begun && !t->ended && t->sink.waiting > TALK_HIGH_WATER && !t->blocked) {
        t->blocked = true;
        exchange_on_drain(t->x, TALK_LOW_WATER, drained, t);
    }
}

void talk_call_over(struct talk *t)
{
    t->call = NULL;
}

void talk_maybe_free(struct talk *t)
{
    if (t->x == NULL && t->call == NULL)
        talk_free(t);
}

void talk_upstream_fail(struct talk *t, const struct upstream_result *r, struct fail *f)
{
    if (r->error != OK || r->status == 200) {
        fail_from_transport(f, r->error, r->words);
        return;
    }
    talk_relay(t, r->headers);
    fail_from_upstream(f, r->status, http_headers_get(r->headers, "x-amzn-errortype"), r->body);
}
