/* sigv4_scenes.h: one mis-signed request for each mistake that the diagnosis knows, for
 * tests/unit/{sigv4,mock_mis_signed}.c. */
#ifndef MOHS_TESTS_UNIT_SIGV4_SCENES_H
#define MOHS_TESTS_UNIT_SIGV4_SCENES_H

#include "protocol/sigv4_internal.h"
#include "unit.h"

#define ACCESS_KEY "AKIDEXAMPLE"
#define SECRET     "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define NOW_S      1749990645 /* 20250615T123045Z */
#define BODY       "{\"b\":1,\"a\":\"x, y: \\\"z\\\"\"}"
#define PATH       "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"

/* ---- a request, signed and bent ---- */

struct seen {
    const char *method, *path, *query, *host, *type, *extra, *body; /* NULL: the default, or as signed */
};

enum key_fault { KEY_RIGHT, KEY_NO_PREFIX, KEY_NO_END, KEY_YESTERDAY };

struct scene {
    const char *id, *second; /* the diagnosis wanted */
    struct seen signs, arrives;
    const char *extra_name;
    enum sigv4_path_form form, server_form;
    unsigned quirks;
    const char *secret, *region, *service, *token;
    bool keep_dots, payload_empty, payload_unsigned, token_unsigned, upper, lost;
    const char *find, *replace; /* in the Authorization value */
    void (*edit)(struct buf *canonical);
    void (*edit_text)(struct buf *string_to_sign);
    enum key_fault key;
};

static void upper_hash(struct buf *canonical)
{
    for (size_t i = canonical->len - 64; i < canonical->len; i++)
        if (canonical->data[i] >= 'a')
            canonical->data[i] = (char)(canonical->data[i] - 32);
}

/* The last line becomes the body's hash, whatever the header says. */
static void true_hash(struct buf *canonical)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    char hash[SIGV4_HEX];
    sigv4_sha256_hex(s, SPAN_LIT(BODY), hash);
    canonical->len -= strlen(SIGV4_UNSIGNED);
    buf_adds(canonical, hash);
}

static void later_second(struct buf *text)
{
    text->data[strlen("AWS4-HMAC-SHA256\n20250615T12304")]++;
}

#define ONE(name, ...)                                                                                                 \
    {                                                                                                                  \
        .id = name, __VA_ARGS__                                                                                        \
    }
#define HOST_SEEN .arrives.host

static const struct scene scenes[] = {
    ONE("path-encoded-once", .form = SIGV4_PATH_ONCE),
    ONE("path-decoded", .form = SIGV4_PATH_DECODED),
    ONE("path-encoded-thrice", .form = SIGV4_PATH_THRICE),
    ONE("path-encoded-twice", .server_form = SIGV4_PATH_ONCE),
    ONE("path-not-normalized", .signs.path = "/a/../model/x%3A0/converse", .keep_dots = true),
    ONE("path-decoded-on-the-way", .arrives.path = "/model/anthropic.claude-3-haiku-20240307-v1:0/converse"),
    ONE("path-decoded-on-the-way", .signs.path = "/model/arn%3Aaws%3Abedrock%3A%3A1%3Ap%2Fq/converse",
        .arrives.path = "/model/arn:aws:bedrock::1:p/q/converse"),
    ONE("path-case-changed", .arrives.path = "/model/anthropic.claude-3-haiku-20240307-v1%3a0/converse"),
    ONE("path-slash-changed", .arrives.path = PATH "/"),
    ONE("path-slash-changed", .signs.path = PATH "/", .arrives.path = PATH),
    ONE("path-prefix-added", .arrives.path = "/api/bedrock" PATH),
    ONE("path-operation-changed", .arrives.path = PATH "-stream"),
    ONE("query-unsorted", .signs.query = "b=2&a=1", .quirks = SIGV4_QUERY_UNSORTED),
    ONE("query-not-encoded", .signs.query = "a=b/c", .quirks = SIGV4_QUERY_RAW),
    ONE("query-plus-is-space", .signs.query = "a=b+c", .quirks = SIGV4_QUERY_PLUS),
    ONE("query-left-out", .arrives.query = "v=1"),
    ONE("method-wrong", .signs.method = "GET", .arrives.method = "POST"),
    ONE("host-without-port", .signs.host = "127.0.0.1", HOST_SEEN = "127.0.0.1:8080"),
    ONE("host-default-port", .signs.host = "gateway.example:443", HOST_SEEN = "gateway.example"),
    ONE("host-endpoint", .signs.host = "bedrock-runtime.us-east-1.amazonaws.com", HOST_SEEN = "127.0.0.1:8080"),
    ONE("host-other-region", .signs.host = "bedrock-runtime.eu-west-3.amazonaws.com",
        HOST_SEEN = "bedrock-runtime.us-east-1.amazonaws.com"),
    ONE("host-loopback-name", .signs.host = "localhost:8080", HOST_SEEN = "127.0.0.1:8080"),
    ONE("host-case-changed", .signs.host = "gateway.example", HOST_SEEN = "Gateway.Example"),
    ONE("body-empty-hash", .payload_empty = true),
    ONE("body-unsigned", .payload_unsigned = true),
    ONE("body-streaming-hash", .extra_name = "x-amz-content-sha256", .signs.extra = SIGV4_STREAMING_EVENTS,
        .arrives.extra = SIGV4_EMPTY_HASH),
    ONE("body-reserialized", .arrives.body = "{\"b\": 1, \"a\": \"x, y: \\\"z\\\"\"}"),
    ONE("body-reserialized", .signs.body = "{\"b\": 1, \"a\": \"x, y: \\\"z\\\"\"}", .arrives.body = BODY),
    ONE("body-reserialized", .signs.body = "{\"a\":\"x, y: \\\"z\\\"\",\"b\":1}", .arrives.body = BODY),
    ONE("body-reserialized", .signs.body = BODY "\n", .arrives.body = BODY),
    ONE("body-hash-not-stated", .extra_name = "x-amz-content-sha256", .signs.extra = SIGV4_UNSIGNED, .edit = true_hash),
    ONE("body-hash-upper-case", .edit = upper_hash),
    ONE("content-length-changed", .extra_name = "content-length", .signs.extra = "25", .arrives.extra = "999"),
    ONE("content-type-changed", .arrives.type = "text/html"),
    ONE("retry-not-signed-anew", .extra_name = "amz-sdk-request", .signs.extra = "attempt=1; max=3",
        .arrives.extra = "attempt=2; max=3"),
    ONE("headers-untrimmed", .extra_name = "x-extra", .signs.extra = "a  b", .quirks = SIGV4_HEADERS_INNER),
    ONE("headers-untrimmed-ends", .extra_name = "x-extra", .signs.extra = " a b ", .quirks = SIGV4_HEADERS_RAW),
    ONE("headers-unsorted", .quirks = SIGV4_HEADERS_UNSORTED),
    ONE("signed-headers-unsorted", .find = "content-type;host;", .replace = "host;content-type;"),
    ONE("token-unsigned", .token = "TOKEN", .token_unsigned = true, .find = "x-amz-date,",
        .replace = "x-amz-date;x-amz-security-token,"),
    ONE("token-signed-not-sent", .token = "TOKEN", .find = ";x-amz-security-token", .replace = ""),
    ONE("lines-crlf", .quirks = SIGV4_LINES_CRLF),
    ONE("canonical-line-end", .quirks = SIGV4_LINE_END),
    ONE("canonical-space-end", .quirks = SIGV4_SPACE_END),
    ONE("secret-altered", .secret = SECRET "\n"),
    ONE("secret-altered", .secret = " " SECRET),
    ONE("secret-altered", .secret = "wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCYEXAMPLEKEY"),
    ONE("secret-altered", .secret = ""),
    ONE("query-unsorted", .signs.query = "b=2&a=1", .arrives.query = "a=1&b=2", .quirks = SIGV4_QUERY_UNSORTED),
    ONE("query-parameter-added", .signs.query = "a=1", .arrives.query = "a=1&trace=on"),
    ONE("signed-headers-changed", .find = "content-type;host", .replace = "host"),
    ONE("key-without-prefix", .key = KEY_NO_PREFIX),
    ONE("key-without-terminator", .key = KEY_NO_END),
    ONE("scope-region", .region = "us-west-2", .find = "/us-west-2/", .replace = "/us-east-1/"),
    ONE("scope-service", .service = "bedrock-runtime", .find = "/bedrock-runtime/", .replace = "/bedrock/"),
    ONE("scope-date", .key = KEY_YESTERDAY),
    ONE("clock-read-twice", .edit_text = later_second),
    ONE("signature-upper-case", .upper = true),
    ONE("signed-header-missing", .extra_name = "x-extra", .signs.extra = "v", .lost = true),
    ONE("signed-headers-changed", .find = "content-type;", .replace = "content-type;gone;"),
    ONE("unexplained", .secret = "another secret altogether"),
    ONE("path-encoded-once", .second = "host-without-port", .form = SIGV4_PATH_ONCE, .signs.host = "127.0.0.1",
        HOST_SEEN = "127.0.0.1:8080"),
    ONE("path-decoded", .second = "secret-altered", .form = SIGV4_PATH_DECODED, .secret = SECRET " "),
    ONE("body-reserialized", .second = "content-length-changed",
        .arrives.body = "{\"b\": 1, \"a\": \"x, y: \\\"z\\\"\"}", .extra_name = "content-length", .signs.extra = "25",
        .arrives.extra = "27"),
};

/* A scene, played: what arrives. The struct must not be moved. */
struct play {
    struct sigv4_signed made;
    struct buf authorization;
    struct sigv4_header headers[8];
    struct sigv4_request request;
};

static void play_release(struct play *p)
{
    sigv4_signed_release(&p->made);
    buf_release(&p->authorization);
}

static const char *or_else(const char *a, const char *b)
{
    return a != NULL ? a : b;
}

static struct sigv4_request seen_request(const struct scene *c, const struct seen *own, const struct seen *other,
                                         struct sigv4_header *headers)
{
    struct sigv4_request r = {
        .method = span_of(or_else(own->method, or_else(other->method, "POST"))),
        .path = span_of(or_else(own->path, or_else(other->path, PATH))),
        .query = span_of(or_else(own->query, or_else(other->query, ""))),
        .body = span_of(or_else(own->body, or_else(other->body, BODY))),
        .headers = headers,
        .header_count = 2,
    };
    headers[0] =
        (struct sigv4_header){SPAN_LIT("Host"), span_of(or_else(own->host, or_else(other->host, "localhost:1")))};
    headers[1] = (struct sigv4_header){SPAN_LIT("Content-Type"),
                                       span_of(or_else(own->type, or_else(other->type, "application/json")))};
    if (c->extra_name != NULL)
        headers[r.header_count++] =
            (struct sigv4_header){span_of(c->extra_name), span_of(or_else(own->extra, other->extra))};
    return r;
}

/* Sign the canonical request again after a hand was laid on it. */
static void sign_again(struct sigv4 *s, const struct scene *c, struct sigv4_signed *made)
{
    struct sigv4_scope scope = {span_cut(span_of(made->date), 0, 8), span_of(or_else(c->region, "us-east-1")),
                                span_of(or_else(c->service, "bedrock"))};
    unsigned char key[32], mac[32];
    if (c->edit != NULL)
        c->edit(&made->canonical);
    buf_reset(&made->string_to_sign);
    sigv4_string_to_sign(s, span_of(made->date), &scope, buf_span(&made->canonical), &made->string_to_sign);
    if (c->edit_text != NULL)
        c->edit_text(&made->string_to_sign);
    scope.date = c->key == KEY_YESTERDAY ? SPAN_LIT("20250614") : scope.date;
    sigv4_derive(s, c->key == KEY_NO_PREFIX ? "" : "AWS4", span_of(or_else(c->secret, SECRET)), &scope,
                 c->key == KEY_NO_END ? SPAN_EMPTY : SPAN_LIT(SIGV4_SCOPE_END), key);
    sigv4_hmac(s, (struct span){key, 32}, buf_span(&made->string_to_sign), mac);
    sigv4_hex(mac, made->signature);
}

static void play(struct sigv4 *s, const struct scene *c, struct play *p)
{
    static const struct seen nothing = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    /* What the client does not say otherwise is the default, but where only the arrival says something. */
    struct sigv4_request signs = seen_request(c, &c->signs, &nothing, p->headers);
    struct sigv4_signing how = {
        .access_key = SPAN_LIT(ACCESS_KEY),
        .secret = span_of(or_else(c->secret, SECRET)),
        .session_token = span_of(c->token),
        .region = span_of(or_else(c->region, "us-east-1")),
        .service = span_of(or_else(c->service, "bedrock")),
        .at_s = NOW_S,
        .path_form = c->form,
        .quirks = c->quirks,
        .keep_dots = c->keep_dots,
        .payload_empty = c->payload_empty,
        .payload_unsigned = c->payload_unsigned,
        .token_unsigned = c->token_unsigned,
    };
    struct note note = {""};
    sigv4_signed_init(&p->made);
    p->authorization = BUF_INIT(8192);
    CLAIM(sigv4_sign(s, &signs, &how, &p->made, &note) == OK, "%s: %s", c->id, note.text);
    sign_again(s, c, &p->made);
    p->request = seen_request(c, &c->arrives, &c->signs, p->headers);
    p->request.header_count -= c->lost;
    for (size_t i = 0; i + 1 < p->made.added_count; i++)
        p->headers[p->request.header_count++] = p->made.added[i];
    buf_add(&p->authorization, buf_span(&p->made.authorization));
    char *digits = &p->authorization.data[p->authorization.len - 64];
    for (size_t i = 0; i < 64; i++)
        digits[i] = (char)(c->upper && p->made.signature[i] >= 'a' ? p->made.signature[i] - 32 : p->made.signature[i]);
    const char *at = c->find == NULL ? NULL : strstr(buf_text(&p->authorization), c->find);
    CLAIM((at != NULL) == (c->find != NULL), "%s: '%s' is not in the Authorization", c->id, c->find);
    if (at != NULL) {
        CLEANUP(buf_release) struct buf old = p->authorization;
        p->authorization = BUF_INIT(8192);
        buf_addf(&p->authorization, "%.*s%s%s", (int)(at - old.data), old.data, c->replace, at + strlen(c->find));
    }
    p->headers[p->request.header_count++] =
        (struct sigv4_header){SPAN_LIT("authorization"), buf_span(&p->authorization)};
}

#endif
