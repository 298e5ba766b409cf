/* sigv4_diagnose.c: which mistake makes exactly this wrong signature?
 *
 * A mismatch says nothing: a SHA-256 is as far off for one wrong byte as for a wrong secret. But we hold the secret, so
 * we can sign the request again in each way that clients and proxies are known to get it wrong, and compare. What gives
 * the client's very signature is the mistake, beyond doubt. Rows of the table below say how to alter what is signed;
 * single rows are tried first, then pairs of rows that touch different things. A row may have variants (other hosts,
 * regions, serialisations of the body); it answers END after its last.
 *
 * The search is bounded by the bytes it hashes, so that no request can make it long. Sentences name hosts, regions and
 * methods, never a secret, a token or a signature.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/json.h"
#include "protocol/sigv4_internal.h"

enum {
    TEXTS = 6,
    TEXT_MAX = 512,
    FOUND_MAX = 200,
    PAIR_VARIANTS = 8, /* of each row, when in a pair */
    BODIES = 10,
    PATH_MAX = 8192 /* longer paths are not rewritten */
};

enum touch {
    PATH = 1,
    QUERY = 2,
    METHOD = 4,
    HOST = 8,
    HEADERS = 16,
    NAMES = 32,
    LENGTH = 64,
    TYPE = 128,
    RETRY = 256,
    BODY = 512,
    LINES = 1024,
    SECRET = 2048,
    REGION = 4096,
    SERVICE = 8192,
    DATE = 16384,
    KEY = 32768
};

/* What is signed, with which key. The texts are room for altered values. */
struct trial {
    struct sigv4_inputs in;
    struct sigv4_header headers[SIGV4_HEADERS_MAX + 1];
    struct span names[SIGV4_SIGNED_MAX + 1];
    struct sigv4_scope scope, key_scope;
    struct span date, secret, terminator;
    const char *prefix;
    char text[TEXTS][TEXT_MAX];
    unsigned texts;
    char found[FOUND_MAX]; /* what the variant is, for the sentence */
};

struct search {
    struct sigv4 *s;
    const struct sigv4_request *request;
    const struct sigv4_verdict *verdict;
    struct sigv4_known known;
    struct trial base, trial;
    struct buf canonical, string_to_sign;
    struct buf bodies[BODIES]; /* serialised anew; made when first asked for */
    char hashes[BODIES][SIGV4_HEX];
    bool bodies_made;
    size_t hashed;
};

enum step { END, SKIP, TRY };

struct row {
    const char *id;
    unsigned touches;
    enum step (*alter)(struct search *q, struct trial *t, unsigned variant, unsigned arg);
    unsigned arg;
    const char *sentence;
};

/* ---- small tools ---- */

static struct span write_text(struct trial *t, const char *format, ...) PRINTF_LIKE(2, 3);
static struct span write_text(struct trial *t, const char *format, ...)
{
    if (t->texts == TEXTS)
        return SPAN_EMPTY;
    char *at = t->text[t->texts++];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(at, TEXT_MAX, format, args);
    va_end(args);
    return n < 0 || n >= TEXT_MAX ? SPAN_EMPTY : (struct span){(const unsigned char *)at, (size_t)n};
}

static void say(struct trial *t, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(struct trial *t, const char *format, ...)
{
    size_t used = strlen(t->found);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(t->found + used, sizeof t->found - used, format, args);
    va_end(args);
}

#define SHOW(text) (int)((text).n < 100 ? (text).n : 100), (text).n == 0 ? "" : (const char *)(text).p

static struct sigv4_header *own_header(struct trial *t, const char *name)
{
    const struct sigv4_header *h = sigv4_find_header(t->headers, t->in.header_count, name);
    return h == NULL ? NULL : &t->headers[h - t->headers];
}

static enum step set_header(struct trial *t, const char *name, struct span value)
{
    struct sigv4_header *h = own_header(t, name);
    if (h == NULL || value.n == 0)
        return SKIP;
    h->value = value;
    return TRY;
}

static void copy_trial(struct trial *to, const struct trial *from)
{
    to->in = from->in;
    memcpy(to->headers, from->headers, from->in.header_count * sizeof *to->headers);
    memcpy(to->names, from->names, from->in.name_count * sizeof *to->names);
    to->in.headers = to->headers;
    to->in.names = to->names;
    to->scope = from->scope;
    to->key_scope = from->key_scope;
    to->date = from->date;
    to->secret = from->secret;
    to->terminator = from->terminator;
    to->prefix = from->prefix;
    to->texts = 0;
    to->found[0] = '\0';
}

/* ---- path, query, lines ---- */

static enum step set_path_form(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q;
    t->in.path_form = (enum sigv4_path_form)arg;
    return variant == 0 ? TRY : END;
}

static enum step keep_dots(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    t->in.keep_dots = !t->in.keep_dots;
    return variant == 0 ? TRY : END;
}

/* A hop decoded the path: encode what an SDK would have. The second variant takes all between /model/ and the operation
 * for one model id, because an ARN's %2F became "/". */
static enum step reencode_path(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)arg;
    if (variant > 1 || t->in.path.n > PATH_MAX)
        return END;
    CLEANUP(buf_release) struct buf plain = BUF_INIT(PATH_MAX), path = BUF_INIT(TEXT_MAX - 1);
    sigv4_decode(q->request->path, &plain);
    struct span text = buf_span(&plain);
    size_t last = text.n;
    while (last > 0 && text.p[last - 1] != '/')
        last--;
    if (variant == 1 && span_has_prefix(text, "/model/") && last > 8) {
        buf_adds(&path, "/model/");
        sigv4_encode(span_cut(text, 7, last - 8), false, &path);
        buf_add(&path, span_from(text, last - 1));
    } else {
        sigv4_encode(text, true, &path);
    }
    if (buf_error(&plain) != OK || buf_error(&path) != OK)
        return SKIP;
    t->in.path = write_text(t, "%s", buf_text(&path));
    return t->in.path.n == 0 ? SKIP : TRY;
}

/* 0: %3a becomes %3A, 1: the other way. */
static enum step recase_path(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    if (variant > 1)
        return END;
    if (t->in.path.n >= TEXT_MAX)
        return SKIP;
    struct span copy = write_text(t, "%.*s", (int)t->in.path.n, (const char *)t->in.path.p);
    char *text = t->text[t->texts == 0 ? 0 : t->texts - 1];
    for (size_t i = 0; copy.n > 2 && i < copy.n - 2; i++) {
        for (size_t k = 1; text[i] == '%' && k < 3; k++) {
            char c = text[i + k];
            if (variant == 0 && c >= 'a' && c <= 'f')
                text[i + k] = (char)(c - 32);
            else if (variant == 1 && c >= 'A' && c <= 'F')
                text[i + k] = (char)(c + 32);
        }
    }
    t->in.path = copy;
    return copy.n == 0 ? SKIP : TRY;
}

static enum step move_slash(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    struct span path = t->in.path;
    if (variant > 0)
        return END;
    if (path.n > 1 && path.p[path.n - 1] == '/')
        t->in.path = span_cut(path, 0, path.n - 1);
    else if (path.n > 0 && path.n < TEXT_MAX)
        t->in.path = write_text(t, "%.*s/", (int)path.n, (const char *)path.p);
    return t->in.path.n == 0 ? SKIP : TRY;
}

/* "/bedrock/model/..." : the client signed what begins at /model/, or at a later segment. */
static enum step drop_prefix(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    if (variant > 3)
        return END;
    for (unsigned i = 0; i <= variant; i++) {
        size_t at = 1;
        while (at < t->in.path.n && t->in.path.p[at] != '/')
            at++;
        t->in.path = span_from(t->in.path, at);
    }
    say(t, "signed path '%.*s'", SHOW(t->in.path));
    return t->in.path.n == 0 ? END : TRY;
}

static enum step swap_operation(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    static const char *const operations[] = {"converse", "converse-stream", "invoke", "invoke-with-response-stream",
                                             "count-tokens"};
    (void)q, (void)arg;
    size_t last = t->in.path.n;
    while (last > 0 && t->in.path.p[last - 1] != '/')
        last--;
    if (variant >= COUNT_OF(operations))
        return END;
    if (last == 0 || last > TEXT_MAX - 40)
        return SKIP;
    t->in.path = write_text(t, "%.*s%s", (int)last, (const char *)t->in.path.p, operations[variant]);
    say(t, "signed for %s", operations[variant]);
    return TRY;
}

static enum step set_quirk(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q;
    t->in.quirks |= arg;
    return variant == 0 ? TRY : END;
}

/* In the order of the wire, or, where a hop has sorted it, from last to first. */
static enum step unsort_query(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    t->in.quirks |= SIGV4_QUERY_UNSORTED;
    if (variant > 1)
        return END;
    if (variant == 0)
        return TRY;
    struct span rest = t->in.query, name, value;
    CLEANUP(buf_release) struct buf turned = BUF_INIT(TEXT_MAX - 1);
    while (sigv4_next_param(&rest, &name, &value)) {
        CLEANUP(buf_release) struct buf tail = turned;
        turned = BUF_INIT(TEXT_MAX - 1);
        buf_addf(&turned, "%.*s=%.*s", (int)name.n, (const char *)name.p, (int)value.n,
                 value.n == 0 ? "" : (const char *)value.p);
        buf_adds(&turned, tail.len > 0 ? "&" : "");
        buf_add(&turned, buf_span(&tail));
        if (buf_error(&turned) != OK)
            return END;
    }
    t->in.query = write_text(t, "%s", buf_text(&turned));
    return TRY;
}

/* Without its first, second, ... parameter; those of the authentication itself stay. */
static enum step drop_parameter(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    struct span rest = t->in.query, name, value;
    for (unsigned i = 0; i <= variant; i++)
        if (i == SIGV4_QUERY_MAX || !sigv4_next_param(&rest, &name, &value))
            return END;
    if (span_has_prefix(name, "X-Amz-"))
        return SKIP;
    t->in.skip[1] = name;
    say(t, "signed without '%.*s'", SHOW(name));
    return TRY;
}

static enum step drop_query(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)arg;
    if (variant > 0 || q->verdict->form != SIGV4_FORM_HEADER)
        return END;
    t->in.query = SPAN_EMPTY;
    return TRY;
}

static enum step set_method(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    static const char *const methods[] = {"POST", "GET", "PUT", "DELETE", "post", "get", "HEAD", "PATCH"};
    (void)q, (void)arg;
    if (variant >= COUNT_OF(methods))
        return END;
    t->in.method = span_of(methods[variant]);
    say(t, "signed as %s", methods[variant]);
    return TRY;
}

/* ---- host ---- */

static const char *const regions[] = {
    "us-east-1",      "us-west-2",  "eu-west-1",      "eu-central-1",   "ap-northeast-1", "us-east-2",
    "eu-west-2",      "eu-west-3",  "ap-southeast-1", "ap-southeast-2", "ap-south-1",     "us-west-1",
    "ca-central-1",   "eu-north-1", "eu-south-1",     "eu-south-2",     "eu-central-2",   "ap-northeast-2",
    "ap-northeast-3", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-7",
    "ap-east-1",      "ap-east-2",  "sa-east-1",      "me-south-1",     "me-central-1",   "il-central-1",
    "af-south-1",     "ca-west-1",  "mx-central-1",   "us-gov-west-1",  "us-gov-east-1",  "cn-north-1",
};

static const char *const endpoints[] = {
    "bedrock-runtime.%.*s.amazonaws.com",
    "bedrock.%.*s.amazonaws.com",
    "bedrock-runtime-fips.%.*s.amazonaws.com",
    "bedrock-agent-runtime.%.*s.amazonaws.com",
    "bedrock-mantle.%.*s.api.aws",
};

static enum step set_endpoint(struct trial *t, const char *format, struct span region)
{
    char host[TEXT_MAX];
    struct span end;
    const char *hole = strstr(format, "%.*s");
    if (hole == NULL || region.n > 64)
        return SKIP;
    end = span_of(hole + 4);
    (void)snprintf(host, sizeof host, "%.*s%.*s%.*s", (int)(hole - format), format, SHOW(region), SHOW(end));
    say(t, "signed for host '%s'", host);
    return set_header(t, "host", write_text(t, "%s", host));
}

static enum step set_host_aws(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)arg;
    return variant >= COUNT_OF(endpoints) ? END : set_endpoint(t, endpoints[variant], q->verdict->region);
}

static enum step set_host_region(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    size_t which = variant / COUNT_OF(regions); /* the runtime in all regions first */
    return which >= 2 ? END : set_endpoint(t, endpoints[which], span_of(regions[variant % COUNT_OF(regions)]));
}

static struct span host_without_port(struct span host)
{
    size_t at = host.n;
    while (at > 0 && host.p[at - 1] >= '0' && host.p[at - 1] <= '9')
        at--;
    return at > 1 && at < host.n && host.p[at - 1] == ':' ? span_cut(host, 0, at - 1) : host;
}

static enum step set_host_port(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    static const char *const ports[] = {"", ":443", ":80"};
    (void)q;
    struct sigv4_header *h = own_header(t, "host");
    if (h == NULL || variant >= COUNT_OF(ports) || (arg == 0 && variant > 0))
        return END;
    if (arg == 1 && variant == 0)
        return SKIP;
    struct span bare = host_without_port(span_trim(h->value));
    if (bare.n > 255)
        return SKIP;
    h->value = write_text(t, "%.*s%s", (int)bare.n, bare.n == 0 ? "" : (const char *)bare.p, ports[variant]);
    say(t, "signed for host '%.*s'", SHOW(h->value));
    return TRY;
}

static enum step set_host_loopback(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]", "0.0.0.0", "host.docker.internal"};
    (void)q, (void)arg;
    struct sigv4_header *h = own_header(t, "host");
    if (h == NULL || variant >= COUNT_OF(names))
        return END;
    struct span host = span_trim(h->value), bare = host_without_port(host), port = span_from(host, bare.n);
    h->value = write_text(t, "%s%.*s", names[variant], SHOW(port));
    say(t, "signed for host '%.*s'", SHOW(h->value));
    return TRY;
}

static enum step lower_host(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    struct sigv4_header *h = own_header(t, "host");
    if (h == NULL || variant > 0)
        return END;
    struct span host = span_trim(h->value);
    if (host.n == 0 || host.n >= TEXT_MAX || t->texts == TEXTS)
        return SKIP;
    char *text = t->text[t->texts];
    h->value = write_text(t, "%.*s", (int)host.n, (const char *)host.p);
    for (size_t i = 0; i < h->value.n; i++)
        text[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    return TRY;
}

/* ---- headers ---- */

static int compare_names(const void *left, const void *right)
{
    const struct span *a = left, *b = right;
    size_t n = a->n < b->n ? a->n : b->n;
    int order = n == 0 ? 0 : memcmp(a->p, b->p, n);
    return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

static enum step sort_names(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)arg;
    if (variant > 0 || q->verdict->names_sorted)
        return END;
    qsort(t->names, t->in.name_count, sizeof *t->names, compare_names);
    return TRY;
}

/* Lines in the order of the wire; the list sorted, or in that order too. */
static enum step unsort_headers(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    if (variant > 1)
        return END;
    t->in.quirks |= SIGV4_HEADERS_UNSORTED;
    size_t n = 0;
    for (size_t i = 0; variant == 1 && i < t->in.header_count && n < t->in.name_count; i++)
        for (size_t k = n; k < t->in.name_count; k++) {
            if (!sigv4_same_name(t->names[k], t->headers[i].name))
                continue;
            struct span swap = t->names[n];
            t->names[n++] = t->names[k];
            t->names[k] = swap;
            break;
        }
    return TRY;
}

/* A header more, or a name fewer, than the list says: first each header that is not listed, then each name that is. */
static enum step change_names(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    if (variant >= t->in.header_count + t->in.name_count)
        return END;
    if (variant >= t->in.header_count) {
        size_t i = variant - t->in.header_count;
        say(t, "signed without '%.*s'", SHOW(t->names[i]));
        t->in.name_count--;
        memmove(&t->names[i], &t->names[i + 1], (t->in.name_count - i) * sizeof *t->names);
        return TRY;
    }
    struct span name = t->headers[variant].name;
    for (size_t i = 0; i < t->in.name_count; i++)
        if (sigv4_same_name(t->names[i], name))
            return SKIP;
    if (name.n >= TEXT_MAX || t->in.name_count >= SIGV4_SIGNED_MAX || t->texts == TEXTS || name.n == 0 ||
        span_is_nocase(name, "authorization"))
        return SKIP;
    char *text = t->text[t->texts];
    t->names[t->in.name_count++] = write_text(t, "%.*s", (int)name.n, (const char *)name.p);
    for (size_t i = 0; i < name.n; i++)
        text[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    qsort(t->names, t->in.name_count, sizeof *t->names, compare_names);
    say(t, "signed with '%.*s'", SHOW(name));
    return TRY;
}

static bool drop_name(struct trial *t, const char *name)
{
    for (size_t i = 0; i < t->in.name_count; i++) {
        if (!span_is_nocase(t->names[i], name))
            continue;
        t->in.name_count--;
        memmove(&t->names[i], &t->names[i + 1], (t->in.name_count - i) * sizeof *t->names);
        return true;
    }
    return false;
}

static enum step unsign_token(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)arg;
    if (variant > 0)
        return END;
    if (q->verdict->form == SIGV4_FORM_QUERY) {
        t->in.skip[1] = SPAN_LIT("X-Amz-Security-Token");
        return TRY;
    }
    return drop_name(t, "x-amz-security-token") ? TRY : END;
}

/* The list says nothing of the token that was signed along. */
static enum step sign_token(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)arg;
    if (variant > 0 || q->verdict->form != SIGV4_FORM_HEADER || q->known.session_token.n == 0 ||
        t->in.name_count > SIGV4_SIGNED_MAX)
        return END;
    if (own_header(t, "x-amz-security-token") == NULL) {
        if (t->in.header_count > SIGV4_HEADERS_MAX)
            return END;
        t->headers[t->in.header_count++] =
            (struct sigv4_header){SPAN_LIT("x-amz-security-token"), q->known.session_token};
    }
    if (!q->verdict->token_signed) {
        t->names[t->in.name_count++] = SPAN_LIT("x-amz-security-token");
        qsort(t->names, t->in.name_count, sizeof *t->names, compare_names);
    }
    return TRY;
}

static enum step set_type(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    static const char *const types[] = {"application/json",
                                        "application/json; charset=utf-8",
                                        "application/json;charset=UTF-8",
                                        "application/octet-stream",
                                        "application/x-amz-json-1.0",
                                        "application/x-amz-json-1.1",
                                        "text/plain"};
    (void)q, (void)arg;
    if (variant >= COUNT_OF(types))
        return END;
    say(t, "signed with '%s'", types[variant]);
    return set_header(t, "content-type", span_of(types[variant]));
}

static enum step set_retry(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    if (variant >= 5 * 6 || own_header(t, "amz-sdk-request") == NULL)
        return END;
    unsigned attempt = variant % 5 + 1, max = variant / 5;
    struct span value =
        max == 0 ? write_text(t, "attempt=%u", attempt) : write_text(t, "attempt=%u; max=%u", attempt, max);
    say(t, "signed with '%.*s'", SHOW(value));
    return set_header(t, "amz-sdk-request", value);
}

/* ---- body ---- */

static const struct {
    int flags;
    bool spaced; /* ", " and ": ", as Python's json.dumps writes */
    const char *name;
} bodies[BODIES] = {
    {JSON_COMPACT, false, "compact JSON"},
    {JSON_COMPACT, true, "JSON with \", \" and \": \""},
    {JSON_ASCII, true, "JSON with \", \" and \": \" and \\u escapes (Python's json.dumps)"},
    {JSON_SORTED, false, "compact JSON with sorted keys"},
    {JSON_SORTED, true, "JSON with \", \" and \": \" and sorted keys"},
    {JSON_ASCII, false, "compact JSON with \\u escapes"},
    {JSON_PRETTY, false, "indented JSON"},
    {JSON_ASCII | JSON_SORTED, true, "JSON with \", \" and \": \", sorted keys and \\u escapes"},
    {-1, false, "the body and a line end"},
    {-2, false, "the body without its line end"},
};

static void add_spaced(struct span compact, struct buf *out)
{
    bool text = false;
    for (size_t i = 0; i < compact.n; i++) {
        char c = (char)compact.p[i];
        buf_addc(out, c);
        if (text && c == '\\' && i + 1 < compact.n)
            buf_addc(out, (char)compact.p[++i]);
        else if (c == '"')
            text = !text;
        else if (!text && (c == ',' || c == ':'))
            buf_addc(out, ' ');
    }
}

static void make_bodies(struct search *q)
{
    struct span body = q->request->body;
    CLEANUP(json_free) cJSON *tree = NULL;
    q->bodies_made = true;
    if (body.n > SIGV4_DIAGNOSE_BODY_MAX)
        return;
    bool json = json_parse(body, 0, &tree, NULL) == OK;
    for (size_t i = 0; i < BODIES; i++) {
        struct buf *out = &q->bodies[i];
        *out = BUF_INIT(8 * SIGV4_DIAGNOSE_BODY_MAX);
        bool ends = body.n > 0 && body.p[body.n - 1] == '\n';
        if (bodies[i].flags == -2 && ends) {
            buf_add(out, span_cut(body, 0, body.n - 1));
        } else if (bodies[i].flags == -1) {
            buf_add(out, body);
            buf_addc(out, '\n');
        } else if (bodies[i].flags >= 0 && json) {
            CLEANUP(buf_release) struct buf compact = BUF_INIT(8 * SIGV4_DIAGNOSE_BODY_MAX);
            json_print(tree, bodies[i].flags, bodies[i].spaced ? &compact : out);
            if (bodies[i].spaced)
                add_spaced(buf_span(&compact), out);
        } else {
            continue;
        }
        if (buf_error(out) == OK && out->len > 0)
            sigv4_sha256_hex(q->s, buf_span(out), q->hashes[i]);
        q->hashed += out->len;
    }
}

/* The client hashed another body. Where it states the hash in a header, a hop may have put the new one there. */
static enum step set_hash(struct trial *t, struct span hash, bool header_too)
{
    t->in.payload_hash = hash;
    return header_too ? set_header(t, "x-amz-content-sha256", hash) : TRY;
}

static enum step set_body(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)arg;
    if (variant >= 2 * BODIES)
        return END;
    if (!q->bodies_made)
        make_bodies(q);
    size_t i = variant / 2;
    if (q->hashes[i][0] == '\0')
        return SKIP;
    say(t, "the hash is that of %s", bodies[i].name);
    return set_hash(t, span_of(q->hashes[i]), variant % 2 == 1);
}

static enum step set_literal_hash(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    static const char *const literals[] = {SIGV4_EMPTY_HASH, SIGV4_UNSIGNED, SIGV4_STREAMING_EVENTS};
    (void)q;
    return variant > 1 ? END : set_hash(t, span_of(literals[arg]), variant == 1);
}

/* The true hash, where the header states another thing. */
static enum step set_true_hash(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)arg;
    if (variant > 0 || t->texts == TEXTS)
        return END;
    char hash[SIGV4_HEX];
    sigv4_sha256_hex(q->s, q->request->body, hash);
    q->hashed += q->request->body.n;
    return set_hash(t, write_text(t, "%s", hash), false);
}

static enum step upper_hash(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    struct span hash = t->in.payload_hash;
    if (variant > 0 || hash.n != SIGV4_HEX - 1 || t->texts == TEXTS)
        return END;
    char *text = t->text[t->texts];
    t->in.payload_hash = write_text(t, "%.*s", (int)hash.n, (const char *)hash.p);
    for (size_t i = 0; i < t->in.payload_hash.n; i++)
        text[i] = (char)(text[i] >= 'a' && text[i] <= 'f' ? text[i] - 32 : text[i]);
    return TRY;
}

static enum step set_length(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)arg;
    if (variant > BODIES + 1 || own_header(t, "content-length") == NULL)
        return END;
    if (!q->bodies_made)
        make_bodies(q);
    size_t n = variant == 0 ? q->request->body.n : variant == 1 ? 0 : q->bodies[variant - 2].len;
    if (variant > 1 && n == 0)
        return SKIP;
    say(t, "signed with content-length %zu", n);
    return set_header(t, "content-length", write_text(t, "%zu", n));
}

/* ---- key and scope ---- */

static enum step set_secret(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    static const struct {
        const char *before, *after, *name;
    } forms[] = {
        {"", "\n", "with a line end behind it"},
        {"", "\r\n", "with CR LF behind it"},
        {"", " ", "with a space behind it"},
        {" ", "", "with a space before it"},
        {"\"", "\"", "in double quotes"},
        {"'", "'", "in single quotes"},
        {"", "\t", "with a tab behind it"},
        {"", "\r", "with a CR behind it"},
        {"\xef\xbb\xbf", "", "with a byte order mark"},
    };
    (void)arg;
    struct span secret = q->known.secret;
    if (variant > COUNT_OF(forms) + 1)
        return END;
    if (secret.n == 0 || secret.n > 256)
        return SKIP;
    if (variant == COUNT_OF(forms) + 1) {
        t->secret = SPAN_EMPTY;
        say(t, "empty");
        return TRY;
    }
    if (variant == COUNT_OF(forms)) {
        CLEANUP(buf_release) struct buf encoded = BUF_INIT(1024);
        sigv4_encode(secret, false, &encoded);
        t->secret = write_text(t, "%s", buf_text(&encoded));
        sigv4_wipe(encoded.data, encoded.len);
        say(t, "percent-encoded");
    } else {
        t->secret = write_text(t, "%s%.*s%s", forms[variant].before, (int)secret.n, (const char *)secret.p,
                               forms[variant].after);
        say(t, "%s", forms[variant].name);
    }
    return t->secret.n == 0 ? SKIP : TRY;
}

static enum step set_prefix(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    t->prefix = "";
    return variant == 0 ? TRY : END;
}

static enum step drop_terminator(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    t->terminator = SPAN_EMPTY;
    return variant == 0 ? TRY : END;
}

/* Even variants: the key only. Odd: the scope in the string to sign too. */
static enum step set_region(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    (void)q, (void)arg;
    if (variant >= 2 * COUNT_OF(regions))
        return END;
    t->key_scope.region = span_of(regions[variant / 2]);
    if (variant % 2 == 1)
        t->scope.region = t->key_scope.region;
    say(t, "signed for region '%s'", regions[variant / 2]);
    return TRY;
}

static enum step set_service(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    static const char *const services[] = {"bedrock",
                                           "bedrock-runtime",
                                           "bedrock-mantle",
                                           "execute-api",
                                           "bedrock-agent-runtime",
                                           "bedrock-agentcore",
                                           "sagemaker",
                                           "s3",
                                           "sts"};
    (void)q, (void)arg;
    if (variant >= 2 * COUNT_OF(services))
        return END;
    t->key_scope.service = span_of(services[variant / 2]);
    if (variant % 2 == 1)
        t->scope.service = t->key_scope.service;
    say(t, "signed for service '%s'", services[variant / 2]);
    return TRY;
}

static enum step set_day(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    static const int days[] = {-1, 1, -2, 2};
    char date[SIGV4_DATE];
    (void)arg;
    if (variant >= 2 * COUNT_OF(days))
        return END;
    sigv4_date_format(q->verdict->signed_at_s + 86400 * (int64_t)days[variant / 2], date);
    t->key_scope.date = write_text(t, "%.8s", date);
    if (variant % 2 == 1)
        t->scope.date = t->key_scope.date;
    say(t, "signed for the day %.8s", date);
    return TRY;
}

static enum step set_second(struct search *q, struct trial *t, unsigned variant, unsigned arg)
{
    char date[SIGV4_DATE];
    (void)arg;
    if (variant >= 10)
        return END;
    int64_t off = variant % 2 == 0 ? -(int64_t)(variant / 2 + 1) : (int64_t)(variant / 2 + 1);
    sigv4_date_format(q->verdict->signed_at_s + off, date);
    t->date = write_text(t, "%s", date);
    say(t, "%lld s apart", (long long)off);
    return TRY;
}

static const struct row rows[] = {
    {"path-encoded-once", PATH, set_path_form, SIGV4_PATH_ONCE,
     "Your signature is right for a single-encoded path: encode the path twice (%3A becomes %253A)."},
    {"path-decoded", PATH, set_path_form, SIGV4_PATH_DECODED,
     "Your signature is right for the decoded path: sign the path as it is on the wire, encoded once more."},
    {"path-case-changed", PATH, recase_path, 0,
     "Your signature is right for the path with its escapes in the other case: a hop rewrote %3A as %3a, or the "
     "reverse."},
    {"path-decoded-on-the-way", PATH, reencode_path, 0,
     "Your signature is right for the encoded path: something between you and the server decoded %3A or %2F."},
    {"path-encoded-thrice", PATH, set_path_form, SIGV4_PATH_THRICE,
     "Your signature is right for a path encoded three times: encode the wire path once more, not twice more."},
    {"path-encoded-twice", PATH, set_path_form, SIGV4_PATH_TWICE,
     "Your signature is right for a path encoded once more than on the wire: this service wants it as it is there."},
    {"path-not-normalized", PATH, keep_dots, 0,
     "Your signature is right if empty and dot segments of the path are treated the other way: remove them for every "
     "service but S3."},
    {"path-slash-changed", PATH, move_slash, 0,
     "Your signature is right for the path with or without a slash at its end: a hop added or removed it."},
    {"path-prefix-added", PATH, drop_prefix, 0,
     "Your signature is right for the path without its first segments: a hop added a prefix after signing."},
    {"path-operation-changed", PATH, swap_operation, 0,
     "Your signature is right for another operation: the end of the path was changed after signing."},
    {"query-unsorted", QUERY, unsort_query, 0,
     "Your signature is right for an unsorted query: sort the parameters by name, then by value."},
    {"query-not-encoded", QUERY, set_quirk, SIGV4_QUERY_RAW,
     "Your signature is right for the query as sent: encode each name and value, all but A-Z a-z 0-9 - _ . ~"},
    {"query-plus-is-space", QUERY, set_quirk, SIGV4_QUERY_PLUS,
     "Your signature is right if + in the query is a space: write %20, a + is a plus."},
    {"query-left-out", QUERY, drop_query, 0,
     "Your signature is right for an empty query: it must be signed, and nothing may be added to it afterwards."},
    {"query-parameter-added", QUERY, drop_parameter, 0,
     "Your signature is right for the query without one of its parameters: it was added after signing."},
    {"method-wrong", METHOD, set_method, 0, "Your signature is right for another method."},
    {"host-without-port", HOST, set_host_port, 0,
     "Your signature is right for the host without its port: sign host as you send it, with a port that is not the "
     "scheme's own."},
    {"host-default-port", HOST, set_host_port, 1,
     "Your signature is right for the host with a default port: sign host as you send it."},
    {"host-endpoint", HOST, set_host_aws, 0,
     "Your signature is right for the AWS endpoint: sign the host that you send to."},
    {"host-other-region", HOST, set_host_region, 0,
     "Your signature is right for the endpoint of another region: sign the host that you send to."},
    {"host-loopback-name", HOST, set_host_loopback, 0,
     "Your signature is right for another name of this machine: sign the host that you send."},
    {"host-case-changed", HOST, lower_host, 0,
     "Your signature is right for the host in lower case: sign and send it in the same case."},
    {"body-empty-hash", BODY, set_literal_hash, 0,
     "Your signature is right for an empty body: sign the SHA-256 of the body that you send."},
    {"body-unsigned", BODY, set_literal_hash, 1,
     "Your signature is right for UNSIGNED-PAYLOAD: send x-amz-content-sha256 with that value, or sign the body's "
     "hash."},
    {"body-streaming-hash", BODY, set_literal_hash, 2,
     "Your signature is right for STREAMING-AWS4-HMAC-SHA256-EVENTS: only the bidirectional operation takes signed "
     "events."},
    {"body-hash-not-stated", BODY, set_true_hash, 0,
     "Your signature is right for the body's hash, but x-amz-content-sha256 says something else: sign what it says."},
    {"body-reserialized", BODY, set_body, 0,
     "Your signature is right for the same body in another form: send the very bytes that you hashed."},
    {"body-hash-upper-case", BODY, upper_hash, 0,
     "Your signature is right for a hash in upper case: write it in lower case."},
    {"content-length-changed", LENGTH, set_length, 0,
     "Your signature is right for another content-length: it was signed, then changed. Do not sign it, or do not "
     "change it."},
    {"content-type-changed", TYPE, set_type, 0,
     "Your signature is right for another content-type: it was signed, then changed."},
    {"retry-not-signed-anew", RETRY, set_retry, 0,
     "Your signature is right for another amz-sdk-request: it was signed, then changed. Sign each attempt anew."},
    {"headers-untrimmed", HEADERS, set_quirk, SIGV4_HEADERS_INNER,
     "Your signature is right with runs of spaces kept: one space stands for each run in a canonical header value."},
    {"headers-untrimmed-ends", HEADERS, set_quirk, SIGV4_HEADERS_RAW,
     "Your signature is right with untrimmed header values: take the white space off both ends."},
    {"headers-unsorted", HEADERS | NAMES, unsort_headers, 0,
     "Your signature is right for headers in the order you send them: sort them by lower-case name."},
    {"signed-headers-unsorted", NAMES, sort_names, 0,
     "Your signature is right for a sorted SignedHeaders: list the names in the order in which they are signed."},
    {"token-unsigned", NAMES, unsign_token, 0,
     "Your signature is right without the session token: sign x-amz-security-token, which is listed as signed."},
    {"token-signed-not-sent", NAMES, sign_token, 0,
     "Your signature is right with the session token, which was not sent or is not in SignedHeaders: send and list "
     "it."},
    {"signed-headers-changed", NAMES, change_names, 0,
     "Your signature is right for other SignedHeaders: list exactly the headers that you sign."},
    {"lines-crlf", LINES, set_quirk, SIGV4_LINES_CRLF,
     "Your signature is right for a canonical request with CR LF: its lines end in LF alone."},
    {"canonical-line-end", LINES, set_quirk, SIGV4_LINE_END,
     "Your signature is right for a canonical request that ends in LF: nothing follows the payload hash."},
    {"canonical-space-end", LINES, set_quirk, SIGV4_SPACE_END,
     "Your signature is right for a canonical request that ends in a space: nothing follows the payload hash."},
    {"secret-altered", SECRET, set_secret, 0,
     "Your signature is right for the secret key in another form: read it from its file or variable without white "
     "space, "
     "quotes or escapes."},
    {"key-without-prefix", KEY, set_prefix, 0,
     "Your signature is right for a key derived without \"AWS4\" before the secret."},
    {"key-without-terminator", KEY, drop_terminator, 0,
     "Your signature is right for a key derived without its last step, \"aws4_request\"."},
    {"scope-region", REGION, set_region, 0,
     "Your signature is right for another region than your Credential names: sign with one region throughout."},
    {"scope-service", SERVICE, set_service, 0,
     "Your signature is right for another service than your Credential names: sign with one service throughout."},
    {"scope-date", DATE, set_day, 0,
     "Your signature is right for another day than your Credential names: derive the key anew at midnight UTC."},
    {"clock-read-twice", DATE, set_second, 0,
     "Your signature is right for another second than X-Amz-Date: read the clock once per request."},
};

const char *sigv4_diagnosis_row(size_t i, const char **sentence)
{
    if (i >= COUNT_OF(rows))
        return NULL;
    if (sentence != NULL)
        *sentence = rows[i].sentence;
    return rows[i].id;
}

/* ---- the search ---- */

static bool matches(struct search *q, const struct trial *t, struct span signature)
{
    unsigned char key[SIGV4_DIGEST], mac[SIGV4_DIGEST];
    char hex[SIGV4_HEX];
    buf_reset(&q->canonical);
    buf_reset(&q->string_to_sign);
    if (sigv4_canonical_request(&t->in, &q->canonical, NULL) != OK)
        return false;
    q->hashed += q->canonical.len + 1024;
    sigv4_string_to_sign(q->s, t->date, &t->scope, buf_span(&q->canonical), &q->string_to_sign);
    sigv4_derive(q->s, t->prefix, t->secret, &t->key_scope, t->terminator, key);
    sigv4_hmac(q->s, (struct span){key, sizeof key}, buf_span(&q->string_to_sign), mac);
    sigv4_wipe(key, sizeof key);
    sigv4_hex(mac, hex);
    return sigv4_equal(span_of(hex), signature);
}

static bool spent(const struct search *q)
{
    return q->hashed > SIGV4_DIAGNOSE_BYTES_MAX;
}

static const struct row *try_singles(struct search *q)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (unsigned v = 0; !spent(q); v++) {
            copy_trial(&q->trial, &q->base);
            enum step step = rows[i].alter(q, &q->trial, v, rows[i].arg);
            if (step == END)
                break;
            if (step == TRY && matches(q, &q->trial, q->verdict->signature))
                return &rows[i];
        }
    return NULL;
}

static bool try_pair(struct search *q, const struct row *a, const struct row *b)
{
    for (unsigned v = 0; v < PAIR_VARIANTS && !spent(q); v++)
        for (unsigned w = 0; w < PAIR_VARIANTS && !spent(q); w++) {
            copy_trial(&q->trial, &q->base);
            enum step first = a->alter(q, &q->trial, v, a->arg);
            if (first == END)
                return false;
            if (first == TRY && q->trial.found[0] != '\0')
                say(&q->trial, "; ");
            enum step second = first == SKIP ? END : b->alter(q, &q->trial, w, b->arg);
            if (second == END)
                break;
            if (second == TRY && matches(q, &q->trial, q->verdict->signature))
                return true;
        }
    return false;
}

static bool try_pairs(struct search *q, const struct row **a, const struct row **b)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t k = i + 1; k < COUNT_OF(rows) && !spent(q); k++) {
            if (rows[i].touches & rows[k].touches)
                continue;
            *a = &rows[i];
            *b = &rows[k];
            if (try_pair(q, *a, *b))
                return true;
        }
    return false;
}

static void answer(struct sigv4_diagnosis *out, const char *id, bool proven, const char *format, ...) PRINTF_LIKE(4, 5);
static void answer(struct sigv4_diagnosis *out, const char *id, bool proven, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out->sentence, sizeof out->sentence, format, args);
    va_end(args);
    out->id = id;
    out->second = NULL;
    out->proven = proven;
}

static bool base_of(struct search *q, const struct sigv4_policy *policy, char room[SIGV4_HEX])
{
    const struct sigv4_verdict *v = q->verdict;
    struct trial *t = &q->base;
    bool usable = (v->form == SIGV4_FORM_HEADER || v->form == SIGV4_FORM_QUERY) && v->date[0] != '\0' &&
                  q->request->header_count <= SIGV4_HEADERS_MAX && v->name_count <= SIGV4_SIGNED_MAX;
    if (!usable || policy->lookup == NULL || !policy->lookup(policy->ctx, v->access_key, &q->known))
        return false;
    if (q->request->header_count > 0)
        memcpy(t->headers, q->request->headers, q->request->header_count * sizeof *t->headers);
    memcpy(t->names, v->names, v->name_count * sizeof *t->names);
    t->in = (struct sigv4_inputs){
        .method = q->request->method,
        .path = q->request->path,
        .query = q->request->query,
        .skip = {v->form == SIGV4_FORM_QUERY ? SPAN_LIT("X-Amz-Signature") : SPAN_EMPTY, SPAN_EMPTY},
        .headers = t->headers,
        .header_count = q->request->header_count,
        .names = t->names,
        .name_count = v->name_count,
        .payload_hash = sigv4_payload_hash(q->s, q->request, v, room),
        .keep_dots = policy->keep_dots,
        .path_form = policy->path_form,
    };
    t->scope = t->key_scope = (struct sigv4_scope){v->scope_date, v->region, v->service};
    t->date = span_of(v->date);
    t->secret = q->known.secret;
    t->terminator = SPAN_LIT(SIGV4_SCOPE_END);
    t->prefix = "AWS4";
    return true;
}

/* The signature is right, and something else is wrong: token or body. */
static void explain_right(struct search *q, struct sigv4_diagnosis *out)
{
    struct span stated = q->base.in.payload_hash;
    if (q->verdict->reason == SIGV4_TOKEN && q->verdict->token.n == 0) {
        answer(out, "token-missing", true,
               "Your signature is right, but these are temporary credentials: send and sign x-amz-security-token.");
        return;
    }
    if (q->verdict->reason == SIGV4_TOKEN) {
        answer(out, "token-other", true,
               "Your signature is right, but the session token is not the one that belongs to this access key.");
        return;
    }
    if (span_is(stated, SIGV4_UNSIGNED)) {
        answer(out, "payload-unsigned", true,
               "Your signature is right, but UNSIGNED-PAYLOAD is not taken here: sign the body's hash.");
        return;
    }
    if (!q->bodies_made)
        make_bodies(q);
    for (size_t i = 0; i < BODIES; i++)
        if (span_is(stated, q->hashes[i]) && stated.n > 0) {
            answer(
                out, "body-reserialized", true,
                "Your signature is right, but the body was written anew after it was hashed: the hash is that of %s.",
                bodies[i].name);
            return;
        }
    if (span_is(stated, SIGV4_EMPTY_HASH))
        answer(out, "body-empty-hash", true,
               "Your signature is right, but x-amz-content-sha256 is the hash of no bytes.");
    else
        answer(
            out, "body-changed", true,
            "Your signature is right, but the body is not the one that was hashed: it was changed or cut on its way.");
}

static bool is_lower_match(struct search *q)
{
    struct span sent = q->verdict->signature;
    char lowered[SIGV4_HEX];
    if (sent.n != SIGV4_HEX - 1)
        return false;
    for (size_t i = 0; i < sent.n; i++)
        lowered[i] = (char)(sent.p[i] >= 'A' && sent.p[i] <= 'F' ? sent.p[i] + 32 : sent.p[i]);
    lowered[sent.n] = '\0';
    return matches(q, &q->base, span_of(lowered));
}

/* Nothing reproduces the signature: name what is odd. */
static void hint(const struct search *q, struct sigv4_diagnosis *out)
{
    struct span sent = q->verdict->signature;
    bool hex = sent.n == SIGV4_HEX - 1;
    for (size_t i = 0; hex && i < sent.n; i++)
        hex = (sent.p[i] >= '0' && sent.p[i] <= '9') || (sent.p[i] >= 'a' && sent.p[i] <= 'f');
    if (!hex) {
        answer(out, "signature-malformed", false, "A signature is 64 lower-case hex digits; yours is not.");
        return;
    }
    for (size_t i = 0; i < q->base.in.name_count; i++) {
        char name[64];
        struct span n = span_cut(q->base.names[i], 0, sizeof name - 1);
        (void)snprintf(name, sizeof name, "%.*s", SHOW(n));
        if (sigv4_find_header(q->base.headers, q->base.in.header_count, name) == NULL) {
            answer(out, "signed-header-missing", false,
                   "SignedHeaders names '%s', which did not arrive: a hop may have removed it.", name);
            return;
        }
    }
    answer(
        out, "unexplained", false,
        "No known mistake, nor a pair of them, gives your signature: check the secret key, and compare the canonical "
        "request with yours line by line.");
}

static void explain_wrong(struct search *q, struct sigv4_diagnosis *out)
{
    const struct row *a = NULL, *b = NULL;
    if (is_lower_match(q)) {
        answer(out, "signature-upper-case", true,
               "Your signature is right, but in upper case: write it in lower case.");
        return;
    }
    a = try_singles(q);
    const char *found = q->trial.found;
    if (a != NULL) {
        answer(out, a->id, true, "%s%s%s%s", a->sentence, found[0] ? " (" : "", found, found[0] ? ")" : "");
    } else if (try_pairs(q, &a, &b)) {
        answer(out, a->id, true, "Two mistakes together. %s %s%s%s%s", a->sentence, b->sentence, found[0] ? " (" : "",
               found, found[0] ? ")" : "");
        out->second = b->id;
    } else {
        hint(q, out);
    }
}

static void search_release(struct search **search)
{
    struct search *q = *search;
    if (q == NULL)
        return;
    for (size_t i = 0; i < BODIES; i++)
        buf_release(&q->bodies[i]);
    buf_release(&q->canonical);
    buf_release(&q->string_to_sign);
    sigv4_wipe(q, sizeof *q); /* altered secrets */
    free(q);
}

enum err sigv4_diagnose(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_policy *policy,
                        const struct sigv4_verdict *verdict, struct sigv4_diagnosis *out)
{
    char room[SIGV4_HEX];
    CLEANUP(search_release) struct search *q = calloc(1, sizeof *q);
    if (q == NULL)
        return ERR_NOMEM;
    q->s = s;
    q->request = r;
    q->verdict = verdict;
    buf_init(&q->canonical, SIGV4_CANONICAL_MAX);
    buf_init(&q->string_to_sign, SIGV4_CANONICAL_MAX);
    if (!base_of(q, policy, room))
        answer(out, "unexplained", false,
               "Without the secret of the access key, or a complete claim, nothing can be tried.");
    else if (matches(q, &q->base, verdict->signature))
        explain_right(q, out);
    else
        explain_wrong(q, out);
    return sigv4_failed(s) ? ERR_NOMEM : OK;
}
