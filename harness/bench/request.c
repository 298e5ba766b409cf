/* A load request is the same bytes every time but for sixteen digits, so it is put together once: request line,
 * headers, body, and where the digits lie. Signed requests differ in their date and signature as well; those have fixed
 * lengths, so they are holes too, filled by signing anew (the payload hash covers the digits; there is no cheaper way).
 */
#include "harness/bench/request.h"

#include <netdb.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/probe.h"

#define TAG_EMPTY PROBE_TAG_PREFIX "0000000000000000"

struct url {
    char host[256], port[8], path[2048], authority[272];
};

/* ---- the url ---- */

static enum err parse_authority(struct span authority, struct url *url)
{
    struct span host = authority, port = SPAN_EMPTY;
    bool bracket = authority.n > 0 && authority.p[0] == '[';
    if (bracket) {
        const unsigned char *end = memchr(authority.p, ']', authority.n);
        if (end == NULL)
            return ERR_INVALID;
        host = (struct span){authority.p + 1, (size_t)(end - authority.p) - 1};
        port = span_from(authority, host.n + 2);
        if (port.n > 0 && port.p[0] != ':')
            return ERR_INVALID;
        port = span_from(port, 1);
    } else {
        (void)span_split(authority, ':', &host, &port);
    }
    if (host.n == 0 || host.n >= sizeof url->host || port.n >= sizeof url->port || authority.n >= sizeof url->authority)
        return ERR_INVALID;
    for (size_t i = 0; i < port.n; i++)
        if (port.p[i] < '0' || port.p[i] > '9')
            return ERR_INVALID;
    (void)snprintf(url->host, sizeof url->host, "%.*s", (int)host.n, (const char *)host.p);
    (void)snprintf(url->port, sizeof url->port, "%.*s", port.n > 0 ? (int)port.n : 2,
                   port.n > 0 ? (const char *)port.p : "80");
    (void)snprintf(url->authority, sizeof url->authority, "%.*s", (int)authority.n, (const char *)authority.p);
    return OK;
}

static enum err parse_url(const char *text, struct url *url, struct note *note)
{
    struct span rest = span_of(text);
    if (span_has_prefix(rest, "https://"))
        return note_set(note, ERR_UNSUPPORTED, "the load engine speaks plain HTTP only, not %s", text);
    if (!span_has_prefix(rest, "http://"))
        return note_set(note, ERR_INVALID, "expected a url like http://127.0.0.1:8080, got '%s'", text);
    rest = span_from(rest, 7);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    struct span path = span_from(rest, n);
    if (parse_authority(span_cut(rest, 0, n), url) != OK || path.n >= sizeof url->path)
        return note_set(note, ERR_INVALID, "no host and port can be read from '%s'", text);
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] <= ' ' || path.p[i] >= 0x7f)
            return note_set(note, ERR_INVALID, "the path of '%s' must be percent-encoded", text);
    (void)snprintf(url->path, sizeof url->path, "%.*s", (int)path.n, path.n > 0 ? (const char *)path.p : "");
    return OK;
}

static enum err resolve(const struct url *url, struct request *r, struct note *note)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int e = getaddrinfo(url->host, url->port, &hints, &found);
    if (e != 0)
        return note_set(note, ERR_CLOSED, "%s has no address: %s", url->host, gai_strerror(e));
    memcpy(&r->address, found->ai_addr, found->ai_addrlen);
    r->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return OK;
}

/* ---- path and body by dialect ---- */

static bool ends_with(struct span text, const char *end)
{
    size_t m = strlen(end);
    return text.n >= m && span_is(span_from(text, text.n - m), end);
}

static void add_percent_encoded(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9') || strchr("-._~", *text) != NULL;
        if (plain)
            buf_addc(out, *text);
        else
            buf_addf(out, "%%%02X", (unsigned char)*text);
    }
}

/* A url that goes down to an operation of a model is meant as it is: with a body of its own, InvokeModel is measured so. */
static bool names_operation(const char *prefix, struct span base)
{
    static const char *const ends[] = {"/converse", "/converse-stream", "/invoke", "/invoke-with-response-stream"};
    for (size_t i = 0; strstr(prefix, "/model/") != NULL && i < COUNT_OF(ends); i++)
        if (ends_with(base, ends[i]))
            return true;
    return false;
}

static void add_path(const struct bench_config *c, enum bench_dialect dialect, const char *prefix, struct buf *out)
{
    size_t n = strlen(prefix);
    while (dialect != BENCH_GET && n > 0 && prefix[n - 1] == '/')
        n--;
    if (dialect == BENCH_GET && prefix[0] != '/')
        buf_addc(out, '/');
    struct span base = {(const unsigned char *)prefix, n};
    buf_add(out, base);
    if (dialect == BENCH_OPENAI_CHAT) {
        bool whole = ends_with(base, "/chat/completions"), version = ends_with(base, "/v1");
        buf_adds(out, whole ? "" : version ? "/chat/completions" : "/v1/chat/completions");
    } else if (dialect == BENCH_BEDROCK_CONVERSE && !names_operation(prefix, base)) {
        buf_adds(out, "/model/");
        add_percent_encoded(out, c->model);
        buf_adds(out, c->stream ? "/converse-stream" : "/converse");
    }
}

static void add_prompt(const struct bench_config *c, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(REQUEST_MAX);
    buf_adds(&text, c->prompt);
    if (c->probe)
        buf_adds(&text, " " TAG_EMPTY);
    json_quote(buf_span(&text), out);
}

static void add_body(const struct bench_config *c, enum bench_dialect dialect, struct buf *out)
{
    if (dialect == BENCH_GET)
        return;
    if (c->body != NULL) {
        buf_adds(out, c->body);
        return;
    }
    if (dialect == BENCH_OPENAI_CHAT) {
        buf_adds(out, "{\"model\":");
        json_quote(span_of(c->model), out);
        buf_adds(out, ",\"messages\":[{\"role\":\"user\",\"content\":");
        add_prompt(c, out);
        buf_addf(out, "}],\"max_tokens\":%u%s}", c->max_tokens,
                 c->stream ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" : "");
        return;
    }
    buf_adds(out, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":");
    add_prompt(c, out);
    buf_addf(out, "}]}],\"inferenceConfig\":{\"maxTokens\":%u}}", c->max_tokens);
}

/* ---- headers ---- */

static bool caller_has(const struct bench_endpoint *e, const char *name)
{
    for (size_t i = 0; i < e->header_count; i++) {
        struct span head, rest;
        (void)span_split(span_of(e->headers[i]), ':', &head, &rest);
        if (span_is_nocase(head, name))
            return true;
    }
    return false;
}

static enum err add_line(struct request *r, const char *name, const char *value)
{
    if (r->parts.header_count == REQUEST_HEADERS_MAX)
        return ERR_LIMIT;
    /* Offsets for now: the buffer may still move. header_finish() makes pointers of them. */
    struct sigv4_header *h = &r->headers[r->parts.header_count++];
    h->name = (struct span){NULL, strlen(name)};
    h->value = (struct span){NULL, strlen(value)};
    buf_addf(&r->lines, "%s: %s\r\n", name, value);
    return OK;
}

static void header_finish(struct request *r)
{
    const unsigned char *p = (const unsigned char *)r->lines.data;
    for (size_t i = 0; i < r->parts.header_count; i++) {
        struct sigv4_header *h = &r->headers[i];
        h->name.p = p;
        h->value.p = p + h->name.n + 2;
        p = h->value.p + h->value.n + 2;
    }
    r->parts.headers = r->headers;
}

static enum err add_callers_lines(struct request *r, const struct bench_endpoint *e, struct note *note)
{
    for (size_t i = 0; i < e->header_count; i++) {
        struct span name, value;
        bool split = span_split(span_of(e->headers[i]), ':', &name, &value);
        if (!split || name.n == 0 || strpbrk(e->headers[i], "\r\n") != NULL)
            return note_set(note, ERR_INVALID, "header %zu is not of the form 'Name: value'", i + 1);
        CLEANUP(free_ptr) char *n = span_dup(span_trim(name));
        CLEANUP(free_ptr) char *v = span_dup(span_trim(value));
        if (n == NULL || v == NULL)
            return ERR_NOMEM;
        if (add_line(r, n, v) != OK)
            return note_set(note, ERR_LIMIT, "more than %d headers", REQUEST_HEADERS_MAX);
    }
    return OK;
}

static enum err add_lines(struct request *r, const struct bench_config *c, const struct bench_endpoint *e,
                          const struct url *url, size_t body_size, struct note *note)
{
    bool bedrock = e->dialect == BENCH_BEDROCK_CONVERSE;
    char length[24];
    (void)snprintf(length, sizeof length, "%zu", body_size);
    const char *accept = !c->stream ? "application/json"
                         : bedrock  ? "application/vnd.amazon.eventstream"
                                    : "text/event-stream";
    const struct {
        const char *name, *value;
    } rows[] = {{"Host", url->authority},
                {"User-Agent", "mohs/" MOHS_VERSION},
                {"Accept", e->dialect == BENCH_GET ? NULL : accept},
                {"Content-Type", e->dialect == BENCH_GET ? NULL : "application/json"},
                {"Content-Length", e->dialect == BENCH_GET ? NULL : length}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool ours_only = strcmp(rows[i].name, "Content-Length") == 0;
        if (ours_only && caller_has(e, rows[i].name))
            return note_set(note, ERR_INVALID, "Content-Length is not for the caller to give");
        if (rows[i].value != NULL && !caller_has(e, rows[i].name) && add_line(r, rows[i].name, rows[i].value) != OK)
            return ERR_LIMIT;
    }
    return add_callers_lines(r, e, note);
}

/* ---- signing ---- */

static enum err sign(struct request *r, struct note *note)
{
    r->how.at_s = time(NULL);
    return sigv4_sign(r->signer, &r->parts, &r->how, &r->made, note);
}

static enum err prepare_signing(struct request *r, const struct bench_config *c, struct note *note)
{
    if (c->access_key == NULL || c->secret_key == NULL || c->region == NULL)
        return note_set(note, ERR_INVALID, "signing needs a region, an access key and a secret key");
    r->signer = sigv4_new();
    if (r->signer == NULL)
        return ERR_NOMEM;
    r->how.access_key = span_of(c->access_key);
    r->how.secret = span_of(c->secret_key);
    r->how.session_token = span_of(c->session_token);
    r->how.region = span_of(c->region);
    r->how.service = SPAN_LIT("bedrock");
    return sign(r, note);
}

/* ---- the whole ---- */

static void find_tag(struct request *r)
{
    const char *tag = r->bytes.len > r->body_at
                          ? memmem(r->bytes.data + r->body_at, r->bytes.len - r->body_at, TAG_EMPTY, PROBE_TAG_SIZE)
                          : NULL;
    r->id_at = tag == NULL ? SIZE_MAX : (size_t)(tag - r->bytes.data) + sizeof PROBE_TAG_PREFIX - 1;
}

static void assemble(struct request *r, const char *method, struct span path, struct span body)
{
    struct buf *b = &r->bytes;
    buf_addf(b, "%s ", method);
    size_t path_at = b->len;
    buf_add(b, path);
    buf_adds(b, " HTTP/1.1\r\n");
    buf_add(b, buf_span(&r->lines));
    for (size_t i = 0; i < r->made.added_count; i++) {
        buf_add(b, r->made.added[i].name);
        buf_adds(b, ": ");
        r->added_at[i] = b->len;
        r->added_size[i] = r->made.added[i].value.n;
        buf_add(b, r->made.added[i].value);
        buf_adds(b, "\r\n");
    }
    buf_adds(b, "\r\n");
    r->body_at = b->len;
    buf_add(b, body);
    if (buf_error(b) != OK)
        return;
    struct span all = buf_span(b);
    r->parts.method = span_cut(all, 0, strlen(method));
    (void)span_split(span_cut(all, path_at, path.n), '?', &r->parts.path, &r->parts.query);
    r->parts.body = span_from(all, r->body_at);
}

enum err request_init(struct request *r, const struct bench_config *config, enum bench_side side, struct note *note)
{
    const struct bench_endpoint *e = side == BENCH_TARGET ? &config->target : &config->direct;
    struct url url;
    memset(r, 0, sizeof *r);
    buf_init(&r->bytes, REQUEST_MAX);
    buf_init(&r->lines, SIGV4_CANONICAL_MAX);
    sigv4_signed_init(&r->made);
    enum err err = parse_url(e->url, &url, note);
    if (err == OK)
        err = resolve(&url, r, note);
    if (err != OK)
        return err;
    CLEANUP(buf_release) struct buf path = BUF_INIT(1 << 16), body = BUF_INIT(REQUEST_MAX);
    add_path(config, e->dialect, url.path, &path);
    add_body(config, e->dialect, &body);
    err = add_lines(r, config, e, &url, body.len, note);
    if (err != OK)
        return err;
    const char *method = e->dialect == BENCH_GET ? "GET" : "POST";
    header_finish(r);
    if (e->sign) {
        r->parts.method = span_of(method);
        (void)span_split(buf_span(&path), '?', &r->parts.path, &r->parts.query);
        r->parts.body = buf_span(&body);
        err = prepare_signing(r, config, note);
    }
    if (err != OK)
        return err;
    assemble(r, method, buf_span(&path), buf_span(&body));
    find_tag(r);
    return buf_error(&path) != OK ? buf_error(&path) : buf_error(&body) != OK ? buf_error(&body) : buf_error(&r->bytes);
}

void request_release(struct request *r)
{
    if (r == NULL)
        return;
    buf_release(&r->bytes);
    buf_release(&r->lines);
    sigv4_signed_release(&r->made);
    sigv4_free(r->signer);
    r->signer = NULL;
}

enum err request_arm(struct request *r, uint64_t id)
{
    if (r->id_at != SIZE_MAX) {
        char tag[PROBE_TAG_SIZE];
        probe_tag_write(id, tag);
        memcpy(r->bytes.data + r->id_at, tag + sizeof PROBE_TAG_PREFIX - 1, 16);
    }
    if (r->signer == NULL)
        return OK;
    enum err e = sign(r, NULL);
    for (size_t i = 0; e == OK && i < r->made.added_count; i++) {
        if (r->made.added[i].value.n != r->added_size[i])
            return ERR_MISMATCH;
        memcpy(r->bytes.data + r->added_at[i], r->made.added[i].value.p, r->added_size[i]);
    }
    return e;
}
