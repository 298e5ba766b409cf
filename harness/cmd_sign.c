/* cmd_sign.c: mohs sign: sign a request with Signature Version 4, and show every stage when asked. */
#include <stdio.h>
#include <stdlib.h>

#include "harness/credentials.h"
#include "protocol/file.h"
#include "harness/option.h"
#include "harness/verbs.h"
#include "protocol/sigv4.h"
#include "reports/exit.h"

enum { LARGEST_BODY = 64 << 20, HEADERS_MAX = 64 };

struct sign_options {
    const char *method, *data, *file, *key, *region, *service, *date;
    struct option_list headers;
    int64_t presign_s;
    bool content_sha256, explain;
};

static const struct option_row rows[] = {
    {"method", 'X', "METHOD", OPTION_STRING, offsetof(struct sign_options, method),
     .help = "POST when there is a body, else GET."},
    {"header", 'H', "'NAME: VALUE'", OPTION_LIST, offsetof(struct sign_options, headers),
     .help = "A header field that is sent and signed; may be repeated."},
    {"data", 'd', "TEXT", OPTION_STRING, offsetof(struct sign_options, data), .help = "The body."},
    {"body", 0, "FILE", OPTION_STRING, offsetof(struct sign_options, file),
     .help = "The body from a file; - is standard input."},
    {"key", 0, "AK:SECRET[:TOKEN]", OPTION_STRING, offsetof(struct sign_options, key),
     .help = "Credentials; without it AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN."},
    {"region", 0, "REGION", OPTION_STRING, offsetof(struct sign_options, region), .fallback = "us-east-1",
     .help = "Region of the scope."},
    {"service", 0, "NAME", OPTION_STRING, offsetof(struct sign_options, service), .fallback = "bedrock",
     .help = "Service of the scope."},
    {"date", 0, "YYYYMMDDTHHMMSSZ", OPTION_STRING, offsetof(struct sign_options, date),
     .help = "Sign as of then; now when not given."},
    {"presign", 0, "SECONDS", OPTION_INT, offsetof(struct sign_options, presign_s), .max = SIGV4_EXPIRES_MAX_S,
     .help = "Sign the query instead of a header, good for that long; prints the URL."},
    {"content-sha256", 0, NULL, OPTION_FLAG, offsetof(struct sign_options, content_sha256),
     .help = "Add and sign x-amz-content-sha256."},
    {"explain", 0, NULL, OPTION_FLAG, offsetof(struct sign_options, explain),
     .help = "Also print the canonical request and the string to sign, to standard error."},
};

struct url {
    struct span scheme, authority, path, query;
};

static enum err split_url(const char *text, struct url *u, struct note *note)
{
    const char *at = strstr(text, "://");
    if (at == NULL || at == text)
        return note_set(note, ERR_SYNTAX, "%s is not a URL: expected http://HOST[:PORT]/PATH", text);
    u->scheme = (struct span){(const unsigned char *)text, (size_t)(at - text)};
    struct span rest = span_of(at + 3);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    u->authority = span_cut(rest, 0, n);
    (void)span_split(span_from(rest, n), '?', &u->path, &u->query);
    if (u->path.n == 0)
        u->path = SPAN_LIT("/");
    return u->authority.n > 0 ? OK : note_set(note, ERR_SYNTAX, "%s names no host", text);
}

static enum err collect_headers(const struct sign_options *o, const struct url *u, struct sigv4_header *headers,
                                size_t *count, struct note *note)
{
    headers[0] = (struct sigv4_header){SPAN_LIT("Host"), u->authority};
    *count = 1;
    for (size_t i = 0; i < o->headers.count; i++) {
        struct span name, value;
        if (*count == HEADERS_MAX || !span_split(span_of(o->headers.items[i]), ':', &name, &value))
            return note_set(note, ERR_SYNTAX, "-H wants 'NAME: VALUE', at most %d times", HEADERS_MAX - 1);
        headers[(*count)++] = (struct sigv4_header){span_trim(name), span_trim(value)};
    }
    return OK;
}

static void print_result(const struct sign_options *o, const struct url *u, const struct sigv4_header *headers,
                         size_t count, const struct sigv4_signed *r)
{
    if (o->explain)
        (void)fprintf(stderr, "Canonical request:\n%s\n\nString to sign:\n%s\n\n", buf_text(&r->canonical),
                      buf_text(&r->string_to_sign));
    if (o->presign_s > 0) {
        (void)printf("%.*s://%.*s%.*s?%s\n", (int)u->scheme.n, u->scheme.p, (int)u->authority.n, u->authority.p,
                     (int)u->path.n, u->path.p, buf_text(&r->query));
        return;
    }
    for (size_t i = 0; i < count; i++)
        (void)printf("%.*s: %.*s\n", (int)headers[i].name.n, headers[i].name.p, (int)headers[i].value.n,
                     headers[i].value.p);
    for (size_t i = 0; i < r->added_count; i++)
        (void)printf("%.*s: %.*s\n", (int)r->added[i].name.n, r->added[i].name.p, (int)r->added[i].value.n,
                     r->added[i].value.p);
}

static enum err sign(const struct sign_options *o, const char *url_text, struct note *note)
{
    struct url u;
    struct credentials c;
    struct sigv4_header headers[HEADERS_MAX];
    size_t count;
    int64_t at_s = wall_ns() / 1000000000;
    CLEANUP(buf_release) struct buf body = BUF_INIT(LARGEST_BODY);
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    CLEANUP(sigv4_signed_release) struct sigv4_signed result;
    sigv4_signed_init(&result);
    enum err e = s == NULL ? note_set(note, ERR_NOMEM, "out of memory") : split_url(url_text, &u, note);
    if (e == OK)
        e = credentials_read(o->key, &c, note);
    if (e == OK)
        e = collect_headers(o, &u, headers, &count, note);
    if (e == OK && o->date != NULL && sigv4_date_parse(span_of(o->date), &at_s) != OK)
        e = note_set(note, ERR_SYNTAX, "--date %s is not of the form YYYYMMDDTHHMMSSZ", o->date);
    if (e == OK && o->file != NULL)
        e = file_read(o->file, &body, note);
    if (e != OK)
        return e;
    if (o->data != NULL)
        buf_adds(&body, o->data);
    const char *method = o->method != NULL ? o->method : body.len > 0 ? "POST" : "GET";
    const struct sigv4_request request = {span_of(method), u.path, u.query, headers, count, buf_span(&body)};
    const struct sigv4_signing how = {.access_key = c.access_key,
                                      .secret = c.secret,
                                      .session_token = c.session_token,
                                      .region = span_of(o->region),
                                      .service = span_of(o->service),
                                      .at_s = at_s,
                                      .expires_s = o->presign_s,
                                      .add_content_sha256 = o->content_sha256};
    e = sigv4_sign(s, &request, &how, &result, note);
    if (e == OK)
        print_result(o, &u, headers, count, &result);
    return e;
}

static int run(const void *settings, const struct option_list *operands)
{
    struct note note = {""};
    enum err e = operands->count == 1 ? sign(settings, operands->items[0], &note)
                                      : note_set(&note, ERR_INVALID, "give exactly one URL");
    if (e != OK)
        (void)fprintf(stderr, "mohs sign: %s\n", note.text);
    return e == OK ? EXIT_HELD : EXIT_USAGE;
}

const struct verb verb_sign = {
    .name = "sign",
    .operands = "URL",
    .summary = "sign a request with Signature Version 4",
    .about = "Prints the header fields to send, one a line, ready for curl -H @-; or a presigned URL. The path is "
             "taken as it is and\n"
             "encoded once more for the signature, as Bedrock wants it.",
    .examples = "mohs sign http://127.0.0.1:9555/model/amazon.nova-lite-v1%3A0/converse -d '{}' --key "
                "AKIAIOSFODNN7EXAMPLE:secret\tThe header fields of a signed request.\n"
                "mohs sign https://sts.amazonaws.com/?Action=GetCallerIdentity --service sts --presign 60 --key "
                "AKIAIOSFODNN7EXAMPLE:secret\tA URL that is good for a minute.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct sign_options),
    .run = run,
};
