/* mock_rig.h: a mock in this process and a client that talks to it over the wire, for tests/unit/mock*.c. */
#ifndef MOHS_TESTS_UNIT_MOCK_RIG_H
#define MOHS_TESTS_UNIT_MOCK_RIG_H

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "mock/mock.h"
#include "net/client.h"
#include "protocol/eventstream.h"
#include "protocol/json.h"
#include "protocol/sigv4.h"

#include "unit.h"

#define HAIKU    "anthropic.claude-3-haiku-20240307-v1%3A0"
#define CONVERSE "/model/" HAIKU "/converse"
#define STREAM   "/model/" HAIKU "/converse-stream"
#define HELLO    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hello\"}]}]}"

struct reply {
    int status;
    struct http_headers headers;
    struct buf body;
    cJSON *json; /* NULL when the body is not JSON */
    enum err error;
};

static inline void reply_release(struct reply *r)
{
    http_headers_release(&r->headers);
    buf_release(&r->body);
    json_free(&r->json);
}

static inline struct mock *rig_start(const struct mock_config *config)
{
    struct mock *mock = NULL;
    struct note note = {""};
    if (mock_start(config, &mock, &note) != OK) {
        (void)fprintf(stderr, "the mock does not start: %s\n", note.text);
        abort();
    }
    return mock;
}

static inline void rig_stop(struct mock **mock)
{
    mock_stop(*mock);
}

struct key {
    const char *access, *secret, *token;
    const char *service, *region;
    bool bearer; /* access is the token */
    int64_t skew_s;
};
static const struct key usual_key = {
    MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, "bedrock", "us-east-1", false, 0};

static inline void sign(struct http_headers *h, uint16_t port, const char *method, const char *path, struct span body,
                        const struct key *key)
{
    char host[32];
    if (key->bearer) {
        CLEANUP(buf_release) struct buf value = BUF_INIT(BUF_ANY);
        buf_addf(&value, "Bearer %s", key->access);
        http_headers_add(h, "Authorization", buf_text(&value));
        return;
    }
    (void)snprintf(host, sizeof host, "127.0.0.1:%u", port);
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    struct sigv4_header headers[] = {{span_of("host"), span_of(host)},
                                     {span_of("content-type"), span_of("application/json")}};
    struct sigv4_request r = {
        .method = span_of(method), .headers = headers, .header_count = 2, .body = body};
    (void)span_split(span_of(path), '?', &r.path, &r.query);
    struct sigv4_signing how = {.access_key = span_of(key->access),
                                .secret = span_of(key->secret),
                                .session_token = span_of(key->token),
                                .region = span_of(key->region),
                                .service = span_of(key->service),
                                .at_s = (int64_t)time(NULL) + key->skew_s};
    struct sigv4_signed signed_;
    struct note note = {""};
    sigv4_signed_init(&signed_);
    if (sigv4_sign(s, &r, &how, &signed_, &note) != OK)
        abort();
    for (size_t i = 0; i < signed_.added_count; i++) {
        CLEANUP(free_ptr) char *name = span_dup(signed_.added[i].name);
        CLEANUP(free_ptr) char *value = span_dup(signed_.added[i].value);
        http_headers_add(h, name, value);
    }
    if (http_headers_get(h, "Authorization") == NULL)
        http_headers_add(h, "Authorization", buf_text(&signed_.authorization));
    sigv4_signed_release(&signed_);
}

/* With these headers and no others. */
static inline struct reply fetch_as(uint16_t port, const char *method, const char *path, const char *body,
                                    const struct http_headers *headers)
{
    struct reply out = {.body = BUF_INIT(BUF_ANY)};
    char url[4096];
    http_headers_init(&out.headers);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    struct client_request request = {
        .method = method, .url = url, .headers = headers, .body = span_of(body), .timeout_ms = PATIENCE_MS};
    struct client_response response = {0};
    struct note note = {""};
    out.error = client_fetch(&request, &response, &note);
    out.status = response.status;
    http_headers_copy(&out.headers, &response.headers);
    buf_add(&out.body, buf_span(&response.body));
    if (json_parse(buf_span(&out.body), JSON_COMPACT, &out.json, NULL) != OK)
        out.json = NULL;
    client_response_release(&response);
    return out;
}

static inline struct reply fetch(uint16_t port, const char *method, const char *path, const char *body,
                                 const struct http_headers *more, const struct key *key)
{
    CLEANUP(http_headers_release) struct http_headers h;
    http_headers_init(&h);
    http_headers_add(&h, "Content-Type", "application/json");
    if (key != NULL)
        sign(&h, port, method, path, span_of(body), key);
    for (size_t i = 0; more != NULL && i < more->count; i++)
        http_headers_add(&h, more->items[i].name, more->items[i].value);
    return fetch_as(port, method, path, body, &h);
}

/* A signed request to Bedrock, and a request to the admin API. */
static inline struct reply ask(struct mock *m, const char *path, const char *body)
{
    return fetch(mock_port(m), "POST", path, body, NULL, &usual_key);
}

static inline struct reply admin(struct mock *m, const char *method, const char *path, const char *body)
{
    return fetch(mock_admin_port(m), method, path, body, NULL, NULL);
}

static inline void script(struct mock *m, const char *body)
{
    CLEANUP(reply_release) struct reply r = admin(m, "POST", "/script", body);
    CLAIM(r.status == 200, "script refused: %s", buf_text(&r.body));
}

static inline const char *text_at(const cJSON *root, const char *pointer)
{
    const cJSON *item = json_at(root, pointer);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static inline double number_at(const cJSON *root, const char *pointer)
{
    const cJSON *item = json_at(root, pointer);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

static inline const char *header(const struct reply *r, const char *name)
{
    const char *value = http_headers_get(&r->headers, name);
    return value == NULL ? "" : value;
}

/* The events of a stream: a JSON array of {"kind","name","payload"}; *end is how the decoder ended. */
static inline cJSON *events_of(const struct buf *body, enum es_error *end)
{
    cJSON *list = cJSON_CreateArray();
    struct es_decoder d;
    struct es_message m;
    enum es_error e;
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(body));
    while ((e = es_decoder_next(&d, &m)) == ES_OK) {
        static const char *const kinds[] = {"event", "exception", "error", "other"};
        struct span name;
        cJSON *item = cJSON_CreateObject(), *payload = NULL;
        (void)cJSON_AddStringToObject(item, "kind", kinds[es_message_kind(&m, &name)]);
        CLEANUP(free_ptr) char *text = span_dup(name);
        (void)cJSON_AddStringToObject(item, "name", text);
        if (json_parse(m.payload, JSON_COMPACT, &payload, NULL) == OK)
            (void)cJSON_AddItemToObject(item, "payload", payload);
        (void)cJSON_AddItemToArray(list, item);
    }
    *end = e == ES_MORE ? es_decoder_finish(&d) : e;
    es_decoder_release(&d);
    return list;
}

/* "messageStart contentBlockDelta*3 contentBlockStop": equal neighbours are counted. */
static inline void outline(const cJSON *events, struct buf *out)
{
    const cJSON *e;
    const char *last = "";
    size_t n = 0;
    cJSON_ArrayForEach(e, events)
    {
        const char *name = text_at(e, "/name");
        if (strcmp(name, last) == 0) {
            n++;
            continue;
        }
        if (n > 1)
            buf_addf(out, "*%zu", n);
        buf_addf(out, "%s%s", out->len > 0 ? " " : "", name);
        last = name;
        n = 1;
    }
    if (n > 1)
        buf_addf(out, "*%zu", n);
}

/* All text, tool input or reasoning fragments put together. */
static inline void join(const cJSON *events, const char *pointer, struct buf *out)
{
    const cJSON *e;
    cJSON_ArrayForEach(e, events) buf_adds(out, text_at(e, pointer));
}

#endif
