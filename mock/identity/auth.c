/* auth.c: who asks, and whether that is proven.
 *
 * Every request is judged, in every mode, because the verdict is what a test of a gateway reads in the journal. Whether
 * a verdict refuses is the mode's business. The client is told what Bedrock tells; the reason why a signature is wrong
 * goes to the journal and the log alone. Finding that reason costs milliseconds, so there is a ration of it.
 */
#include "mock/surface.h"

#include <stdio.h>
#include <strings.h>

#define DIAGNOSES_A_SECOND 50

/* Clients for the Messages API send their key in x-api-key: it is a bearer key all the same. */
static size_t add_api_key(struct visit *v, size_t n)
{
    const struct http_request *r = v->request;
    struct span key = http_field_get(r->fields, r->field_count, "x-api-key");
    struct buf *bearer = &v->worker->api_key;
    if (key.n == 0 || n == SIGV4_HEADERS_MAX || http_field_get(r->fields, r->field_count, "authorization").p != NULL)
        return n;
    buf_reset(bearer);
    buf_adds(bearer, "Bearer ");
    buf_add(bearer, key);
    v->worker->headers[n] = (struct sigv4_header){SPAN_LIT("authorization"), buf_span(bearer)};
    return n + 1;
}

static struct sigv4_request as_signed(struct visit *v)
{
    const struct http_request *r = v->request;
    size_t n = r->field_count < SIGV4_HEADERS_MAX ? r->field_count : SIGV4_HEADERS_MAX;
    for (size_t i = 0; i < n; i++)
        v->worker->headers[i] = (struct sigv4_header){r->fields[i].name, r->fields[i].value};
    if (v->compat != NULL)
        n = add_api_key(v, n);
    return (struct sigv4_request){.method = r->method,
                                  .path = r->path,
                                  .query = r->query,
                                  .headers = v->worker->headers,
                                  .header_count = n,
                                  .body = r->body};
}

static bool may_diagnose(struct worker *w, uint64_t now)
{
    if (now - w->diagnosed_since_ns > 1000000000u) {
        w->diagnosed_since_ns = now;
        w->diagnosed = 0;
    }
    return w->diagnosed++ < DIAGNOSES_A_SECOND;
}

static void diagnose(struct visit *v, const struct sigv4_request *r, const struct sigv4_policy *policy)
{
    enum sigv4_reason reason = v->verdict.reason;
    if (reason != SIGV4_SIGNATURE && reason != SIGV4_BODY_HASH && reason != SIGV4_TOKEN)
        return;
    if (!may_diagnose(v->worker, now_ns()))
        return;
    /* The diagnosis works in the same struct sigv4; what the verdict borrowed from it is not used afterwards. */
    v->has_diagnosis = sigv4_diagnose(v->worker->sigv4, r, policy, &v->verdict, &v->diagnosis) == OK;
    v->verdict.canonical = v->verdict.string_to_sign = SPAN_EMPTY;
}

/* Lenient: a stranger is let in, whatever key it came with; a known key must verify. */
static bool lenient_passes(const struct sigv4_verdict *d)
{
    return d->reason == SIGV4_UNKNOWN_KEY || (d->form == SIGV4_FORM_BEARER && d->reason == SIGV4_BEARER &&
                                              (d->inner == SIGV4_OK || d->inner == SIGV4_UNKNOWN_KEY));
}

static bool mode_refuses(enum mock_auth auth, const struct sigv4_verdict *d)
{
    switch (auth) {
    case MOCK_AUTH_NONE:
        return false;
    case MOCK_AUTH_LENIENT:
        return d->reason != SIGV4_OK && !lenient_passes(d);
    case MOCK_AUTH_STRICT:
        return d->reason != SIGV4_OK;
    case MOCK_AUTH_BEARER:
        return d->reason != SIGV4_OK || d->form != SIGV4_FORM_BEARER;
    }
    return true;
}

static void say(struct visit *v, const char *type, const char *body_key, struct span text)
{
    refusal_set(&v->refusal, REFUSAL_AUTH, type, "%s", "");
    if (v->refusal.layer != REFUSAL_AUTH) /* somebody spoke before */
        return;
    buf_reset(&v->refusal.text);
    buf_add(&v->refusal.text, text);
    v->refusal.capital_message = strcmp(body_key, "Message") == 0;
}

/* Operations that know signatures alone: the API model of bedrock-agent-runtime names no other scheme, and the user guide
 * says so of the stream both ways. */
static bool takes_no_keys(const struct visit *v)
{
    const struct api_operation *o = v->route.operation;
    return o != NULL && (strcmp(o->service, "bedrock-agent-runtime") == 0 ||
                         strcmp(o->name, "InvokeModelWithBidirectionalStream") == 0);
}

/* Our own words: that these operations refuse API keys is documented, what they say is not. */
static void barred(struct visit *v)
{
    char text[128];
    (void)snprintf(text, sizeof text, "API keys cannot be used with %s.", v->operation);
    say(v, "AccessDeniedException", "Message", span_of(text));
}

/* Before the diagnosis, which works in the memory where the canonical request stands. */
static void refuse(struct visit *v)
{
    const struct mock_config *c = &v->mock->config;
    CLEANUP(sigv4_refusal_release) struct sigv4_refusal r = SIGV4_REFUSAL_INIT;
    v->refuse = true;
    if (v->verdict.form == SIGV4_FORM_BEARER && takes_no_keys(v))
        barred(v);
    else if (v->loose_header.n > 0 && c->signed_headers)
        say(v, "InvalidSignatureException", "message",
            SPAN_LIT("There were headers present in the request which were not signed"));
    else if (v->verdict.reason == SIGV4_OK) /* a good signature where only bearer keys are taken */
        say(v, "AccessDeniedException", "Message",
            SPAN_LIT("Authentication failed: Please make sure your API Key is valid."));
    else if (v->verdict.reason == SIGV4_MISSING_AUTH && c->no_auth_is_token)
        say(v, "MissingAuthenticationTokenException", "message", SPAN_LIT("Missing Authentication Token"));
    else if (sigv4_refuse(&v->verdict, c->long_mismatch, &r) == OK && r.type != NULL)
        say(v, r.type, r.body_key, buf_span(&r.text));
    else
        say(v, "InvalidSignatureException", "message", SPAN_EMPTY);
}

#define QUOTED(s) (int)((s).n < 80 ? (s).n : 80), (const char *)(s).p

/* What the person behind the client wants to know: more than the client is told, and what to do about it. */
static void say_why(const struct visit *v, struct buf *out)
{
    const struct sigv4_verdict *d = &v->verdict;
    if (v->has_diagnosis)
        buf_adds(out, v->diagnosis.sentence);
    else if (v->loose_header.n > 0)
        buf_addf(out, "the header %.*s is not among the signed ones (--signed-headers)", QUOTED(v->loose_header));
    else if (d->form == SIGV4_FORM_BEARER && takes_no_keys(v))
        buf_adds(out, "this operation takes signed requests only, whatever the key");
    else if (d->reason == SIGV4_MISSING_AUTH)
        buf_adds(out, "the request is not signed and has no API key; --auth none answers it all the same");
    else if (d->reason == SIGV4_UNKNOWN_KEY)
        buf_addf(out, "nobody told the secret of access key %.*s; --key ID:SECRET does", QUOTED(d->access_key));
    else if (d->reason == SIGV4_REGION && v->mock->region != NULL)
        buf_addf(out, "signed for region '%.*s', where this mock is '%s' (--region)", QUOTED(d->region), v->mock->region);
    else if (d->reason == SIGV4_SERVICE)
        buf_addf(out, "signed for service '%.*s', which here is '%s'", QUOTED(d->service), v->surface->services[0]);
    else if (d->reason == SIGV4_BEARER && d->inner == SIGV4_OK)
        buf_adds(out, "nobody told this API key; --bearer-key KEY does");
    else if (d->reason == SIGV4_BEARER)
        buf_addf(out, "the request inside this short-term API key is not good: %s", sigv4_reason_name(d->inner));
    else
        buf_add(out, buf_span(&v->refusal.text));
}

static void log_refusal(const struct visit *v)
{
    CLEANUP(buf_release) struct buf why = BUF_INIT(BUF_ANY);
    say_why(v, &why);
    mock_log(v->mock, "%.*s %.*s refused: %s: %s", (int)v->request->method.n, (const char *)v->request->method.p,
             (int)(v->request->path.n < 300 ? v->request->path.n : 300), (const char *)v->request->path.p,
             v->loose_header.n > 0             ? "unsigned-header"
             : v->verdict.reason == SIGV4_OK ? (v->verdict.form == SIGV4_FORM_BEARER ? "api-key" : "no-api-key") : sigv4_reason_name(v->verdict.reason), buf_text(&why));
}

static bool is_signed(const struct visit *v, struct span name)
{
    struct span rest = v->verdict.signed_headers, one;
    for (bool more = rest.n > 0; more;) {
        more = span_split(rest, ';', &one, &rest);
        if (one.n == name.n && strncasecmp((const char *)one.p, (const char *)name.p, name.n) == 0)
            return true;
    }
    return false;
}

/* Every x-amz-* header that is sent should be among those signed, says the documentation of the signature. */
static void find_loose_header(struct visit *v)
{
    const struct http_request *r = v->request;
    if (v->verdict.reason != SIGV4_OK || v->verdict.form != SIGV4_FORM_HEADER)
        return;
    for (size_t i = 0; i < r->field_count; i++) {
        struct span name = r->fields[i].name;
        if (name.n > 6 && strncasecmp((const char *)name.p, "x-amz-", 6) == 0 && !is_signed(v, name)) {
            v->loose_header = name;
            return;
        }
    }
}

static bool mode_lets_in(const struct visit *v)
{
    enum mock_auth auth = v->mock->config.auth;
    const char *anonymous = v->surface->anonymous;
    if (auth == MOCK_AUTH_BEARER && (v->surface == &sts_surface || takes_no_keys(v))) /* API keys are not for all */
        auth = MOCK_AUTH_STRICT;
    if (auth != MOCK_AUTH_NONE && v->verdict.form == SIGV4_FORM_BEARER && takes_no_keys(v))
        return false;
    if (v->mock->config.signed_headers && v->loose_header.n > 0 && auth != MOCK_AUTH_NONE)
        return false;
    bool unsigned_too = anonymous != NULL && v->operation != NULL && strcmp(anonymous, v->operation) == 0;
    return unsigned_too || !mode_refuses(auth, &v->verdict);
}

void visit_authenticate(struct visit *v)
{
    struct sigv4_request r = as_signed(v);
    struct sigv4_policy policy = {.now_s = clock_s(&v->mock->clock),
                                  .window_s = v->mock->config.skew_s,
                                  .region = v->surface->regionless ? NULL : v->mock->region,
                                  .services = v->surface->services,
                                  .signed_payload = v->mock->config.signed_payload,
                                  .lookup = caller_lookup,
                                  .bearer = caller_bearer,
                                  .ctx = v};
    caller_begin(v);
    if (sigv4_verify(v->worker->sigv4, &r, &policy, &v->verdict, NULL) == ERR_NOMEM)
        v->verdict.reason = SIGV4_INCOMPLETE;
    caller_settle(v);
    find_loose_header(v);
    bool good = mode_lets_in(v), lost = v->refuse; /* lost: no operation has the path, and the log has said so */
    if (!good)
        refuse(v);
    if (v->verdict.reason != SIGV4_OK)
        diagnose(v, &r, &policy);
    /* What is wrong with a signature may be why the path is none: it is told. That there is none is not, where --auth none
     * would answer nothing either. */
    if (!good && !(lost && v->verdict.reason == SIGV4_MISSING_AUTH))
        log_refusal(v);
}

/* What the client wrote may be no UTF-8, and the journal is JSON. */
static void member(struct buf *out, const char *key, struct span value)
{
    if (value.n == 0)
        return;
    CLEANUP(buf_release) struct buf ascii = BUF_INIT(BUF_ANY);
    bool clean = true;
    for (size_t i = 0; i < value.n; i++)
        clean = clean && value.p[i] >= 0x20 && value.p[i] < 0x7f;
    for (size_t i = 0; !clean && i < value.n; i++)
        buf_addc(&ascii, value.p[i] >= 0x20 && value.p[i] < 0x7f ? (char)value.p[i] : '?');
    buf_adds(out, ",\"");
    buf_adds(out, key);
    buf_adds(out, "\":");
    json_quote(clean ? value : buf_span(&ascii), out);
}

void visit_print_signature(const struct visit *v, struct buf *out)
{
    const struct sigv4_verdict *d = &v->verdict;
    buf_adds(out, "{\"verdict\":\"");
    buf_adds(out, d->reason == SIGV4_OK ? "valid" : sigv4_reason_name(d->reason));
    buf_addc(out, '"');
    if (d->form == SIGV4_FORM_BEARER)
        buf_addf(out, ",\"form\":\"bearer\"");
    if (d->reason == SIGV4_BEARER && d->inner != SIGV4_OK)
        buf_addf(out, ",\"inner\":\"%s\"", sigv4_reason_name(d->inner));
    member(out, "access_key", d->access_key);
    member(out, "region", d->region);
    member(out, "service", d->service);
    member(out, "date", span_of(d->date));
    member(out, "signed_headers", d->signed_headers);
    member(out, "unsigned_header", v->loose_header);
    if (v->has_diagnosis) {
        buf_addf(out, ",\"diagnosis\":{\"id\":\"%s\",\"proven\":%s,\"sentence\":", v->diagnosis.id,
                 v->diagnosis.proven ? "true" : "false");
        json_quote(span_of(v->diagnosis.sentence), out);
        buf_addc(out, '}');
    }
    buf_addc(out, '}');
}
