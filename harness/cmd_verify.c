/* cmd_verify.c: mohs verify: is the signature of a captured request right, and if not, which mistake explains it?
 *
 * The request is a file as a proxy or a packet capture shows it: request line, header fields, an empty line, the body.
 * Nothing secret is printed: the canonical request is shown with the session token blanked.
 */
#include <stdio.h>

#include "harness/credentials.h"
#include "protocol/file.h"
#include "harness/option.h"
#include "harness/verbs.h"
#include "protocol/sigv4.h"
#include "reports/exit.h"

enum { LARGEST_REQUEST = 64 << 20 };

struct verify_options {
    const char *key, *region, *service, *now;
    bool explain;
};

static const struct option_row rows[] = {
    {"key", 0, "AK:SECRET[:TOKEN]", OPTION_STRING, offsetof(struct verify_options, key),
     .help = "The credentials the request should be signed with; without it AWS_ACCESS_KEY_ID and its kin."},
    {"region", 0, "REGION", OPTION_STRING, offsetof(struct verify_options, region),
     .help = "The region that serves; any when not given."},
    {"service", 0, "NAME", OPTION_STRING, offsetof(struct verify_options, service), .fallback = "bedrock",
     .help = "The service that serves."},
    {"now", 0, "YYYYMMDDTHHMMSSZ", OPTION_STRING, offsetof(struct verify_options, now),
     .help = "The server's clock; the request's own date when not given, so that an old capture can be judged."},
    {"explain", 0, NULL, OPTION_FLAG, offsetof(struct verify_options, explain),
     .help = "Also print the canonical request and string to sign of the server."},
};

struct captured {
    struct buf bytes;
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    struct sigv4_request request;
};

/* A line without its end; false at the end of the bytes. */
static bool take_line(struct span *rest, struct span *line)
{
    if (rest->n == 0)
        return false;
    (void)span_split(*rest, '\n', line, rest);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static enum err read_request(const char *file, struct captured *c, struct note *note)
{
    struct span rest, line, target, version;
    enum err e = file_read(file, &c->bytes, note);
    if (e != OK)
        return e;
    rest = buf_span(&c->bytes);
    struct sigv4_request *r = &c->request;
    if (!take_line(&rest, &line) || !span_split(line, ' ', &r->method, &target) ||
        !span_split(target, ' ', &target, &version) || !span_has_prefix(version, "HTTP/"))
        return note_set(note, ERR_SYNTAX, "%s: the first line is not METHOD TARGET HTTP/1.1", file);
    (void)span_split(target, '?', &r->path, &r->query);
    r->headers = c->headers;
    for (unsigned number = 2; take_line(&rest, &line) && line.n > 0; number++) {
        struct span name, value;
        if (r->header_count == SIGV4_HEADERS_MAX || !span_split(line, ':', &name, &value))
            return note_set(note, ERR_SYNTAX, "%s: line %u is not a header field", file, number);
        c->headers[r->header_count++] = (struct sigv4_header){name, value};
    }
    r->body = rest;
    return OK;
}

static bool lookup(void *ctx, struct span access_key, struct sigv4_known *known)
{
    const struct credentials *c = ctx;
    *known = (struct sigv4_known){.secret = c->secret, .session_token = c->session_token};
    return span_equal(access_key, c->access_key);
}

/* The date the request itself states, for captures of yesterday. */
static int64_t own_date(const struct sigv4_request *r)
{
    int64_t at_s = wall_ns() / 1000000000;
    for (size_t i = 0; i < r->header_count; i++)
        if (span_is_nocase(r->headers[i].name, "x-amz-date") &&
            sigv4_date_parse(span_trim(r->headers[i].value), &at_s) == OK)
            return at_s;
    const char *at = span_find(r->query, "X-Amz-Date=");
    if (at != NULL)
        (void)!sigv4_date_parse(span_cut(span_of(at + 11), 0, SIGV4_DATE - 1), &at_s);
    return at_s;
}

static void print_blanked(const char *title, struct span text, struct span token)
{
    (void)printf("%s:\n", title);
    for (size_t i = 0; i < text.n;) {
        if (token.n > 0 && text.n - i >= token.n && memcmp(text.p + i, token.p, token.n) == 0) {
            (void)fputs("<session token>", stdout);
            i += token.n;
        } else
            (void)putchar(text.p[i++]);
    }
    (void)putchar('\n');
}

static int judge(const struct verify_options *o, struct captured *c, struct credentials *known, int64_t now_s,
                 struct note *note)
{
    const char *const services[] = {o->service, NULL};
    const struct sigv4_policy policy = {
        .now_s = now_s, .region = o->region, .services = services, .lookup = lookup, .ctx = known};
    struct sigv4_verdict verdict;
    struct sigv4_diagnosis why;
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    CLEANUP(sigv4_refusal_release) struct sigv4_refusal refusal = SIGV4_REFUSAL_INIT;
    enum err e = s == NULL ? ERR_NOMEM : sigv4_verify(s, &c->request, &policy, &verdict, note);
    if (e != OK && e != ERR_LIMIT)
        return EXIT_INTERNAL;
    if (verdict.reason == SIGV4_OK)
        (void)printf("valid: signed by %.*s for %.*s/%.*s\n", (int)verdict.access_key.n, verdict.access_key.p,
                     (int)verdict.region.n, verdict.region.p, (int)verdict.service.n, verdict.service.p);
    else if (sigv4_refuse(&verdict, false, &refusal) == OK)
        (void)printf("%s: %d %s: %s\n", sigv4_reason_name(verdict.reason), refusal.status, refusal.type,
                     buf_text(&refusal.text));
    bool explainable =
        verdict.reason == SIGV4_SIGNATURE || verdict.reason == SIGV4_BODY_HASH || verdict.reason == SIGV4_TOKEN;
    if (o->explain && verdict.canonical.n > 0) {
        print_blanked("Canonical request of the server", verdict.canonical, verdict.token);
        print_blanked("String to sign of the server", verdict.string_to_sign, verdict.token);
    }
    if (explainable && sigv4_diagnose(s, &c->request, &policy, &verdict, &why) == OK)
        (void)printf("diagnosis (%s%s%s): %s\n", why.id, why.second != NULL ? " and " : "",
                     why.second != NULL ? why.second : "", why.sentence);
    return verdict.reason == SIGV4_OK ? EXIT_HELD : EXIT_FAILED;
}

static int run(const void *settings, const struct option_list *operands)
{
    const struct verify_options *o = settings;
    struct note note = {""};
    struct credentials known;
    struct captured c = {.bytes = BUF_INIT(LARGEST_REQUEST)};
    int64_t now_s = 0;
    enum err e = operands->count > 1 ? note_set(&note, ERR_INVALID, "give one file at a time")
                                     : credentials_read(o->key, &known, &note);
    if (e == OK)
        e = read_request(operands->count == 0 ? "-" : operands->items[0], &c, &note);
    if (e == OK)
        now_s = own_date(&c.request);
    if (e == OK && o->now != NULL && sigv4_date_parse(span_of(o->now), &now_s) != OK)
        e = note_set(&note, ERR_SYNTAX, "--now %s is not of the form YYYYMMDDTHHMMSSZ", o->now);
    int code = e == OK ? judge(o, &c, &known, now_s, &note) : EXIT_USAGE;
    if (note.text[0] != '\0')
        (void)fprintf(stderr, "mohs verify: %s\n", note.text);
    buf_release(&c.bytes);
    return code;
}

const struct verb verb_verify = {
    .name = "verify",
    .operands = "[FILE]",
    .summary = "say whether a captured request is signed right, and why not",
    .about = "Reads one HTTP/1.1 request as it was on the wire and judges its signature as Bedrock would. On a "
             "mismatch the known\n"
             "mistakes are tried, alone and in pairs, and the one that gives exactly the client's signature is named. "
             "Exit code 1\n"
             "for a wrong signature.",
    .examples = "mohs verify request.txt --key AKIAIOSFODNN7EXAMPLE:secret\tJudge a capture as of its own date.\n"
                "mohs verify request.txt --explain --key AKIAIOSFODNN7EXAMPLE:secret\tWith every stage as the server "
                "computes it.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct verify_options),
    .run = run,
};
