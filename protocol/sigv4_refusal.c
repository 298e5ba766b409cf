/* sigv4_refusal.c: how Bedrock says no, word for word where its words are known.
 *
 * One row per reason: the id of the text, the error type and the spelling of the body's key. Texts come from answers of
 * bedrock-runtime quoted in public issues (vercel/ai#4163, aaif-goose/goose#699, anthropics/anthropic-sdk-go#122,
 * maximhq/bifrost#2533, earendil-works/pi#3487, karthink/gptel#1397, BerriAI/litellm#37905,
 * anthropics/claude-code#28032 and #45343); where sigv4.h says so, from other AWS services. A few end in a space: so
 * does the service's text. Pieces of an Authorization value are quoted only as far as they cannot hold a signature.
 */
#include "protocol/sigv4_internal.h"

#define QUOTED_MAX 120

static int quoted(struct span text)
{
    return (int)(text.n < QUOTED_MAX ? text.n : QUOTED_MAX);
}

#define QUOTE(text) quoted(text), (text).n == 0 ? "" : (const char *)(text).p

static const char mismatch[] =
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details.";

static void say_missing(const struct sigv4_verdict *v, struct buf *out)
{
    static const struct {
        unsigned bit;
        const char *name;
    } rows[] = {{SIGV4_NO_CREDENTIAL, "Credential"},
                {SIGV4_NO_SIGNATURE, "Signature"},
                {SIGV4_NO_SIGNED_HEADERS, "SignedHeaders"},
                {SIGV4_NO_EXPIRES, "X-Amz-Expires"},
                {SIGV4_NO_ALGORITHM, "X-Amz-Algorithm"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (v->missing & rows[i].bit)
            buf_addf(out, "%sAuthorization header requires '%s' parameter.", out->len > 0 ? " " : "", rows[i].name);
}

/* A piece without "=" is quoted up to four characters and from its last slash on. */
static void say_not_a_pair(struct span piece, struct buf *out)
{
    size_t slash = piece.n;
    while (slash > 0 && piece.p[slash - 1] != '/')
        slash--;
    bool whole = piece.n <= 20 && slash == 0;
    struct span tail = slash == 0 ? SPAN_EMPTY : span_from(piece, slash - 1);
    struct span head = span_cut(piece, 0, whole ? piece.n : 4);
    buf_addf(out, "'%.*s%s%.*s' not a valid key=value pair (missing equal-sign) in Authorization header: '...'.",
             QUOTE(head), whole ? "" : "...", QUOTE(tail));
}

static void say_incomplete(const struct sigv4_verdict *v, struct buf *out)
{
    say_missing(v, out);
    if (out->len > 0)
        return;
    switch (v->malformed) {
    case SIGV4_NOT_A_PAIR:
        say_not_a_pair(v->detail, out);
        break;
    case SIGV4_BAD_CREDENTIAL:
        buf_addf(out,
                 "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
                 "got '%.*s'",
                 QUOTE(v->detail));
        break;
    case SIGV4_DOUBLED:
        buf_addf(out, "Authorization requires each parameter once: %.*s", QUOTE(v->detail));
        break;
    default:
        buf_addf(out, "Authorization requires at most %d signed headers.", SIGV4_SIGNED_MAX);
    }
}

static void say_algorithm(const struct sigv4_verdict *v, struct buf *out)
{
    buf_addf(out, "Unsupported AWS 'algorithm': '%.*s'.", QUOTE(v->detail));
}

static void say_bearer(const struct sigv4_verdict *v, struct buf *out)
{
    bool prefix = span_has_prefix(v->bearer, SIGV4_API_KEY_PREFIX) || span_has_prefix(v->bearer, "ABSK");
    if (v->inner == SIGV4_EXPIRED || v->inner == SIGV4_TOKEN_EXPIRED)
        buf_adds(out, "Bearer Token has expired");
    else if (!prefix)
        buf_adds(out, "Invalid API Key format: Must start with pre-defined prefix");
    else
        buf_adds(out, "Authentication failed: Please make sure your API Key is valid.");
}

static void say_bad_date(const struct sigv4_verdict *v, struct buf *out)
{
    buf_addf(out, "Date must be in ISO-8601 'basic format'. Got '%.*s'. See http://en.wikipedia.org/wiki/ISO_8601",
             QUOTE(v->date_sent));
}

static void say_date_scope(const struct sigv4_verdict *v, struct buf *out)
{
    buf_addf(out,
             "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%.*s' != "
             "'%.8s', from '%s'.",
             QUOTE(v->scope_date), v->date, v->date);
}

static void say_expires(const struct sigv4_verdict *v, struct buf *out)
{
    (void)v;
    buf_addf(out, "X-Amz-Expires must be a number of seconds from 1 to %d.", SIGV4_EXPIRES_MAX_S);
}

static void say_terminator(const struct sigv4_verdict *v, struct buf *out)
{
    buf_addf(out, "Credential should be scoped with a valid terminator: '" SIGV4_SCOPE_END "', not '%.*s'.",
             QUOTE(v->terminator));
}

static void say_service(const struct sigv4_verdict *v, struct buf *out)
{
    buf_addf(out, "Credential should be scoped to correct service: '%s'. ",
             v->want_service == NULL ? "bedrock" : v->want_service);
}

static void say_expired(const struct sigv4_verdict *v, struct buf *out)
{
    char now[SIGV4_DATE], limit[SIGV4_DATE], until[SIGV4_DATE];
    sigv4_date_format(v->now_s, now);
    sigv4_date_format(v->now_s - (int64_t)v->window_s, limit);
    sigv4_date_format(v->signed_at_s + v->expires_s, until);
    if (v->form == SIGV4_FORM_QUERY)
        buf_addf(out, "Signature expired: %s is now earlier than %s", until, now);
    else
        buf_addf(out, "Signature expired: %s is now earlier than %s (%s - %u min.)", v->date, limit, now,
                 v->window_s / 60);
}

static void say_not_yet(const struct sigv4_verdict *v, struct buf *out)
{
    char now[SIGV4_DATE], limit[SIGV4_DATE];
    sigv4_date_format(v->now_s, now);
    sigv4_date_format(v->now_s + (int64_t)v->window_s, limit);
    buf_addf(out, "Signature not yet current: %s is still later than %s (%s + %u min.)", v->date, limit, now,
             v->window_s / 60);
}

#define COMMON_TYPE     "InvalidSignatureException"
#define INCOMPLETE_TYPE "IncompleteSignatureException"
#define CLIENT_TYPE     "UnrecognizedClientException"

static const struct refusal_row {
    const char *id;
    const char *type;
    const char *body_key;
    const char *text; /* or, where it has facts in it: */
    void (*say)(const struct sigv4_verdict *v, struct buf *out);
} rows[SIGV4_REASONS] = {
    [SIGV4_MISSING_AUTH] = {"no-auth", "AccessDeniedException", "Message", "Authorization header is missing", NULL},
    [SIGV4_INCOMPLETE] = {"authorization-incomplete", INCOMPLETE_TYPE, "message", NULL, say_incomplete},
    [SIGV4_ALGORITHM] = {"algorithm-unsupported", INCOMPLETE_TYPE, "message", NULL, say_algorithm},
    [SIGV4_BEARER] = {"bearer-invalid", "AccessDeniedException", "Message", NULL, say_bearer},
    [SIGV4_NO_DATE] = {"date-missing", INCOMPLETE_TYPE, "message",
                       "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.", NULL},
    [SIGV4_BAD_DATE] = {"date-malformed", INCOMPLETE_TYPE, "message", NULL, say_bad_date},
    [SIGV4_DATE_SCOPE] = {"date-scope", COMMON_TYPE, "message", NULL, say_date_scope},
    [SIGV4_EXPIRES_PARAM] = {"expires-malformed", INCOMPLETE_TYPE, "message", NULL, say_expires},
    [SIGV4_HOST_NOT_SIGNED] = {"host-not-signed", COMMON_TYPE, "message",
                               "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.", NULL},
    [SIGV4_TERMINATOR] = {"scope-terminator", COMMON_TYPE, "message", NULL, say_terminator},
    [SIGV4_REGION] = {"scope-region", COMMON_TYPE, "message", "Credential should be scoped to a valid region. ", NULL},
    [SIGV4_SERVICE] = {"scope-service", COMMON_TYPE, "message", NULL, say_service},
    [SIGV4_EXPIRED] = {"signature-expired", COMMON_TYPE, "message", NULL, say_expired},
    [SIGV4_NOT_YET] = {"signature-in-future", COMMON_TYPE, "message", NULL, say_not_yet},
    [SIGV4_UNKNOWN_KEY] = {"token-invalid", CLIENT_TYPE, "message",
                           "The security token included in the request is invalid.", NULL},
    [SIGV4_TOKEN] = {"token-invalid", CLIENT_TYPE, "message", "The security token included in the request is invalid.",
                     NULL},
    [SIGV4_SIGNATURE] = {"signature-mismatch-short", COMMON_TYPE, "message", mismatch, NULL},
    [SIGV4_BODY_HASH] = {"signature-mismatch-short", COMMON_TYPE, "message", mismatch, NULL},
    [SIGV4_TOKEN_EXPIRED] = {"token-expired", "ExpiredTokenException", "message",
                             "The security token included in the request is expired", NULL},
};

enum err sigv4_refuse(const struct sigv4_verdict *v, bool spell_out, struct sigv4_refusal *out)
{
    buf_reset(&out->text);
    out->status = 0;
    if (v->reason <= SIGV4_OK || v->reason >= SIGV4_REASONS)
        return OK;
    const struct refusal_row *row = &rows[v->reason];
    out->id = row->id;
    out->status = 403;
    out->type = row->type;
    out->body_key = row->body_key;
    if (row->say != NULL)
        row->say(v, &out->text);
    else
        buf_adds(&out->text, row->text);
    if (v->reason == SIGV4_BEARER && (v->inner == SIGV4_EXPIRED || v->inner == SIGV4_TOKEN_EXPIRED))
        out->id = "bearer-expired";
    if (spell_out && v->reason == SIGV4_SIGNATURE && v->canonical.n > 0) {
        out->id = "signature-mismatch-long";
        buf_adds(&out->text, "\n\nThe Canonical String for this request should have been\n'");
        buf_add(&out->text, v->canonical);
        buf_adds(&out->text, "'\n\nThe String-to-Sign should have been\n'");
        buf_add(&out->text, v->string_to_sign);
        buf_adds(&out->text, "'\n");
    }
    return buf_error(&out->text);
}

void sigv4_refusal_release(struct sigv4_refusal *r)
{
    if (r != NULL)
        buf_release(&r->text);
}
