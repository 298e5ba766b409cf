/* upstream.c: attempts, signatures, retries.
 *
 * The order inside an attempt is fixed, because the mutations name points in it: body, path, headers; then the
 * signature over what is there; then headers once more. The answer of an attempt that will be repeated is read to its
 * end and thrown away, so that the connection can be used again. Pauses double from 50 ms; a test should not wait
 * longer, and a reference has no crowd to spread.
 */
#include "gateway/upstream.h"

#include <stdio.h>
#include <stdlib.h>

#define PAUSE_FIRST_MS 50
#define FOREVER        25 /* attempts, of the mutation retry-forever */

struct upstream_call {
    struct upstream_worker *worker;
    struct upstream_call *next, *prev;
    struct call *call; /* NULL between attempts */
    struct upstream_events events;
    void *ctx;
    const struct mutations *mutations;
    const char *region;
    struct span path, given;
    struct buf body; /* the mutated body, when there is one */
    struct buf url, scratch;
    struct http_headers sent, got;
    struct buf error_body;
    struct timer timer;
    unsigned attempt; /* from 0 */
    int status;
    bool shadow; /* the second call of the mutation twice: nobody sees it */
};

/* ---- workers ---- */

enum err upstream_worker_init(struct upstream_worker *w, const struct upstream *to, struct loop *loop,
                              struct note *note)
{
    *w = (struct upstream_worker){.to = to, .loop = loop};
    w->client = client_new(loop, note);
    w->sigv4 = sigv4_new();
    return w->client != NULL && w->sigv4 != NULL ? OK : ERR_NOMEM;
}

static void call_free(struct upstream_call *c)
{
    timer_cancel(&c->timer);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        c->worker->calls = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    buf_release(&c->body);
    buf_release(&c->url);
    buf_release(&c->scratch);
    buf_release(&c->error_body);
    http_headers_release(&c->sent);
    http_headers_release(&c->got);
    free(c);
}

void upstream_cancel(struct upstream_call *c)
{
    if (c == NULL)
        return;
    if (c->call != NULL)
        call_cancel(c->call);
    call_free(c);
}

void upstream_worker_release(struct upstream_worker *w)
{
    while (w->calls != NULL)
        upstream_cancel(w->calls);
    client_free(w->client);
    sigv4_free(w->sigv4);
    *w = (struct upstream_worker){0};
}

/* ---- signing ---- */

/* What the words of upstream.sign change, as far as it can be said as data. */
struct signature {
    struct sigv4_signing how;
    struct span host;
    const char *authorization; /* stands for a signature; "" for none at all; NULL: sign */
};

static void sign_single(struct signature *s)
{
    s->how.path_form = SIGV4_PATH_ONCE;
}

static void sign_region(struct signature *s)
{
    s->how.region = span_is(s->how.region, "eu-west-3") ? SPAN_LIT("us-east-1") : SPAN_LIT("eu-west-3");
}

static void sign_service(struct signature *s)
{
    s->how.service = SPAN_LIT("bedrock-runtime");
}

static void sign_host(struct signature *s)
{
    struct span rest;
    (void)span_split(s->host, ':', &s->host, &rest);
}

static void sign_empty(struct signature *s)
{
    s->how.payload_empty = true;
}

static void sign_tokenless(struct signature *s)
{
    s->how.session_token = SPAN_EMPTY;
}

static void sign_loose_token(struct signature *s)
{
    s->how.token_unsigned = true;
}

static void sign_bearer(struct signature *s)
{
    s->authorization = "Bearer a-key-nobody-gave-out";
}

static void sign_none(struct signature *s)
{
    s->authorization = "";
}

static void sign_stale(struct signature *s)
{
    s->how.at_s -= 3600;
}

static const struct {
    enum mutate_do what;
    void (*apply)(struct signature *s);
} signs[] = {
    {SIGN_SINGLE_ENCODE_PATH, sign_single},  {SIGN_WRONG_REGION, sign_region},   {SIGN_WRONG_SERVICE, sign_service},
    {SIGN_HOST_WITHOUT_PORT, sign_host},     {SIGN_EMPTY_BODY_HASH, sign_empty}, {SIGN_DROP_TOKEN, sign_tokenless},
    {SIGN_UNSIGNED_TOKEN, sign_loose_token}, {SIGN_BEARER, sign_bearer},         {SIGN_NONE, sign_none},
    {SIGN_STALE_DATE, sign_stale},           {SIGN_STALE_RETRY, sign_stale},
};

static struct signature signature_of(const struct upstream_call *c)
{
    const struct upstream *to = c->worker->to;
    struct signature s = {
        .how = {.access_key = span_of(to->access_key),
                .secret = span_of(to->secret),
                .session_token = span_of(to->session_token),
                .region = span_of(c->region),
                .service = SPAN_LIT("bedrock"),
                .at_s = wall_ns() / 1000000000},
        .host = span_of(to->host),
    };
    for (size_t i = 0; i < COUNT_OF(signs); i++)
        if (mutations_do(c->mutations, signs[i].what) && (signs[i].what != SIGN_STALE_RETRY || c->attempt > 0))
            signs[i].apply(&s);
    return s;
}

static void add_span(struct http_headers *h, struct span name, struct span value)
{
    CLEANUP(free_ptr) char *n = span_dup(name);
    CLEANUP(free_ptr) char *v = span_dup(value);
    if (n != NULL && v != NULL)
        http_headers_set(h, n, v);
    else
        h->failed = true;
}

/* Sign what is in c->sent, and add what a signature adds. */
static enum err sign(struct upstream_call *c, struct span target, struct span body, struct note *note)
{
    struct signature s = signature_of(c);
    struct sigv4_header list[SIGV4_HEADERS_MAX];
    size_t n = 0;
    list[n++] = (struct sigv4_header){SPAN_LIT("host"), s.host};
    for (size_t i = 0; i < c->sent.count && n < COUNT_OF(list); i++)
        list[n++] = (struct sigv4_header){span_of(c->sent.items[i].name), span_of(c->sent.items[i].value)};
    struct sigv4_request r = {.method = SPAN_LIT("POST"), .headers = list, .header_count = n, .body = body};
    (void)span_split(target, '?', &r.path, &r.query);
    struct sigv4_signed made;
    sigv4_signed_init(&made);
    enum err e = sigv4_sign(c->worker->sigv4, &r, &s.how, &made, note);
    for (size_t i = 0; e == OK && i < made.added_count; i++)
        add_span(&c->sent, made.added[i].name, made.added[i].value);
    sigv4_signed_release(&made);
    return e;
}

static enum err authorize(struct upstream_call *c, struct span target, struct span body, struct note *note)
{
    const struct signature s = signature_of(c);
    const char *bearer = c->worker->to->bearer;
    if (bearer != NULL && s.authorization == NULL) {
        CLEANUP(buf_release) struct buf value = BUF_INIT((size_t)SIGV4_API_KEY_MAX * 2);
        buf_addf(&value, "Bearer %s", bearer);
        http_headers_set(&c->sent, "Authorization", buf_text(&value));
        return buf_error(&value);
    }
    if (s.authorization == NULL)
        return sign(c, target, body, note);
    if (s.authorization[0] != '\0')
        http_headers_set(&c->sent, "Authorization", s.authorization);
    return OK;
}

/* ---- attempts ---- */

static void attempt_head(void *ctx, int status, const struct http_headers *headers);
static bool attempt_data(void *ctx, struct span bytes, uint64_t at_ns);
static void attempt_done(void *ctx, const struct client_result *result);

static const struct client_events attempt_events = {attempt_head, attempt_data, attempt_done};

/* What retry-changed-body sends: a good request, yet not the one that was asked for. */
static const char changed_body[] =
    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"changed by a retry\"}]}]}";

static struct span body_of(struct upstream_call *c)
{
    buf_reset(&c->body);
    if (c->attempt > 0 && mutations_do(c->mutations, CALL_RETRY_CHANGED_BODY))
        return SPAN_LIT(changed_body);
    return mutate_body(c->mutations, ON_UPSTREAM_BODY, c->given, &c->body) ? buf_span(&c->body) : c->given;
}

static enum err attempt(struct upstream_call *c, struct note *note)
{
    const struct upstream *to = c->worker->to;
    CLEANUP(buf_release) struct buf target = BUF_INIT(BUF_ANY);
    buf_adds(&target, to->prefix);
    buf_add(&target, c->path);
    mutate_path(c->mutations, &target);
    struct span body = body_of(c);
    http_headers_release(&c->sent);
    http_headers_init(&c->sent);
    http_headers_release(&c->got);
    http_headers_init(&c->got);
    buf_reset(&c->error_body);
    c->status = 0;
    http_headers_add(&c->sent, "Content-Type", "application/json");
    mutate_headers(c->mutations, ON_UPSTREAM_HEADER, false, &c->sent);
    enum err e = authorize(c, buf_span(&target), body, note);
    mutate_headers(c->mutations, ON_UPSTREAM_HEADER, true, &c->sent);
    buf_reset(&c->url);
    buf_adds(&c->url, to->origin);
    buf_add(&c->url, buf_span(&target));
    if (e != OK || buf_error(&c->url) != OK || c->sent.failed)
        return e != OK ? e : ERR_NOMEM;
    struct client_request request = {.method = "POST",
                                     .url = buf_text(&c->url),
                                     .headers = &c->sent,
                                     .body = body,
                                     .idle_timeout_ms = to->idle_timeout_ms};
    c->call = client_start(c->worker->client, &request, &attempt_events, c, note);
    return c->call != NULL ? OK : ERR_IO;
}

static void finish(struct upstream_call *c, enum err error, const char *words)
{
    struct upstream_result result = {error, words, c->status, &c->got, buf_span(&c->error_body)};
    c->events.done(c->ctx, &result);
    call_free(c);
}

static void attempt_head(void *ctx, int status, const struct http_headers *headers)
{
    struct upstream_call *c = ctx;
    c->status = status;
    http_headers_copy(&c->got, headers);
    if (status == 200 && !c->shadow)
        c->events.head(c->ctx, headers);
}

static bool attempt_data(void *ctx, struct span bytes, uint64_t at_ns)
{
    struct upstream_call *c = ctx;
    (void)at_ns;
    if (c->shadow)
        return true;
    if (c->status == 200)
        return c->events.data(c->ctx, bytes);
    buf_add(&c->error_body, span_cut(bytes, 0, UPSTREAM_ERROR_MAX - c->error_body.len));
    return true;
}

bool upstream_should_retry(enum err error, int status, const struct mutations *m)
{
    static const int statuses[] = {429, 500, 502, 503, 504};
    if (error != OK)
        return error == ERR_IO && status == 0;
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        if (statuses[i] == status)
            return true;
    return status >= 400 && status < 500 && mutations_do(m, CALL_RETRY_4XX);
}

static unsigned retries_of(const struct upstream_call *c)
{
    if (mutations_do(c->mutations, CALL_RETRY_FOREVER))
        return FOREVER;
    return mutations_do(c->mutations, CALL_NO_RETRY) ? 0 : c->worker->to->retries;
}

static void attempt_again(void *ctx)
{
    struct upstream_call *c = ctx;
    struct note note = {""};
    if (attempt(c, &note) != OK)
        finish(c, ERR_IO, note.text);
}

static void attempt_later(struct upstream_call *c)
{
    bool forever = mutations_do(c->mutations, CALL_RETRY_FOREVER);
    uint64_t pause_ms = forever ? 5 : (uint64_t)PAUSE_FIRST_MS << (c->attempt < 6 ? c->attempt : 6);
    c->attempt++;
    timer_set(c->worker->loop, &c->timer, now_ns() + pause_ms * 1000000, attempt_again, c);
}

static void attempt_done(void *ctx, const struct client_result *result)
{
    struct upstream_call *c = ctx;
    c->call = NULL;
    if (c->shadow) { /* the first of the two is what counts, and it went well */
        c->status = 200;
        finish(c, OK, "");
        return;
    }
    if (c->attempt < retries_of(c) && upstream_should_retry(result->error, c->status, c->mutations)) {
        attempt_later(c);
        return;
    }
    if (result->error == OK && c->status == 200 && mutations_do(c->mutations, CALL_TWICE)) {
        struct note note;
        c->shadow = true;
        if (attempt(c, &note) == OK)
            return;
    }
    finish(c, result->error, result->text);
}

/* ---- the mutation skip: an answer without a call ---- */

static const char canned[] =
    "{\"metrics\":{\"latencyMs\":1},\"output\":{\"message\":{\"content\":[{\"text\":\"made "
    "up\"}],\"role\":\"assistant\"}},"
    "\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":1,\"outputTokens\":1,\"totalTokens\":2}}";

static const struct {
    const char *event, *payload;
} canned_events[] = {
    {"messageStart", "{\"role\":\"assistant\"}"},
    {"contentBlockDelta", "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"made up\"}}"},
    {"contentBlockStop", "{\"contentBlockIndex\":0}"},
    {"messageStop", "{\"stopReason\":\"end_turn\"}"},
    {"metadata", "{\"metrics\":{\"latencyMs\":1},\"usage\":{\"inputTokens\":1,\"outputTokens\":1,\"totalTokens\":2}}"},
};

static void answer_without_call(void *ctx)
{
    struct upstream_call *c = ctx;
    bool stream = span_find(c->path, "/converse-stream") != NULL;
    http_headers_add(&c->got, "Content-Type", stream ? "application/vnd.amazon.eventstream" : "application/json");
    c->status = 200;
    if (stream)
        for (size_t i = 0; i < COUNT_OF(canned_events); i++)
            (void)!es_encode_event(&c->scratch, canned_events[i].event, span_of(canned_events[i].payload));
    else
        buf_adds(&c->scratch, canned);
    c->events.head(c->ctx, &c->got);
    (void)c->events.data(c->ctx, buf_span(&c->scratch));
    finish(c, OK, "");
}

/* ---- the door ---- */

struct upstream_call *upstream_start(struct upstream_worker *w, struct span path, struct span body, const char *region,
                                     const struct mutations *mutations, const struct upstream_events *events, void *ctx,
                                     struct note *note)
{
    struct upstream_call *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)note_set(note, ERR_NOMEM, "out of memory");
        return NULL;
    }
    c->worker = w;
    c->events = *events;
    c->ctx = ctx;
    c->mutations = mutations;
    c->region = region != NULL ? region : w->to->region;
    c->path = path;
    c->given = body;
    buf_init(&c->body, BUF_ANY);
    buf_init(&c->url, BUF_ANY);
    buf_init(&c->scratch, BUF_ANY);
    buf_init(&c->error_body, UPSTREAM_ERROR_MAX);
    c->next = w->calls;
    if (w->calls != NULL)
        w->calls->prev = c;
    w->calls = c;
    if (mutations_do(mutations, CALL_SKIP)) {
        timer_set(w->loop, &c->timer, 0, answer_without_call, c);
    } else if (attempt(c, note) != OK) {
        call_free(c);
        return NULL;
    }
    return c;
}

void upstream_resume(struct upstream_call *c)
{
    if (c->call != NULL)
        call_resume(c->call);
}
