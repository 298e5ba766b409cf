/* sigv4_verify.c: judge a claim against the server's clock, its policy, and its own idea of the signature.
 *
 * The order is from cheap to dear, and from what needs no secret to what does: form, date, scope, clock, key, token,
 * signature, body. AWS does not publish its order; requests with several faults may be refused for another of them. An
 * unknown key comes after everything that can be said without its secret, so that a mock which takes any key can treat
 * SIGV4_UNKNOWN_KEY as a yes and still refuse a wrong region. Comparisons with secrets take constant time.
 *
 * The signature is checked before the body's hash: a body that does not fit a rightly signed x-amz-content-sha256 was
 * changed on its way, which is another finding than a wrong signature.
 */
#include "protocol/sigv4_internal.h"

const char *sigv4_reason_name(enum sigv4_reason reason)
{
    static const char *const names[SIGV4_REASONS] = {
        [SIGV4_OK] = "ok",
        [SIGV4_MISSING_AUTH] = "missing-auth",
        [SIGV4_INCOMPLETE] = "incomplete",
        [SIGV4_ALGORITHM] = "algorithm",
        [SIGV4_BEARER] = "bearer",
        [SIGV4_NO_DATE] = "no-date",
        [SIGV4_BAD_DATE] = "bad-date",
        [SIGV4_DATE_SCOPE] = "date-scope",
        [SIGV4_EXPIRES_PARAM] = "expires-param",
        [SIGV4_HOST_NOT_SIGNED] = "host-not-signed",
        [SIGV4_TERMINATOR] = "terminator",
        [SIGV4_REGION] = "region",
        [SIGV4_SERVICE] = "service",
        [SIGV4_EXPIRED] = "expired",
        [SIGV4_NOT_YET] = "not-yet",
        [SIGV4_UNKNOWN_KEY] = "unknown-key",
        [SIGV4_TOKEN] = "token",
        [SIGV4_SIGNATURE] = "signature",
        [SIGV4_BODY_HASH] = "body-hash",
        [SIGV4_TOKEN_EXPIRED] = "token-expired",
    };
    return (unsigned)reason < SIGV4_REASONS ? names[reason] : "?";
}

static bool signs_host(const struct sigv4_verdict *v)
{
    for (size_t i = 0; i < v->name_count; i++)
        if (span_is_nocase(v->names[i], "host") || span_is_nocase(v->names[i], ":authority"))
            return true;
    return false;
}

static bool serves(const struct sigv4_policy *policy, struct span service)
{
    if (policy->services == NULL || policy->services[0] == NULL)
        return service.n > 0;
    for (size_t i = 0; policy->services[i] != NULL; i++)
        if (span_is(service, policy->services[i]))
            return true;
    return false;
}

static enum sigv4_reason check_scope(const struct sigv4_policy *policy, const struct sigv4_verdict *v)
{
    if (!span_equal(v->scope_date, span_cut(span_of(v->date), 0, 8)))
        return SIGV4_DATE_SCOPE;
    if (!signs_host(v))
        return SIGV4_HOST_NOT_SIGNED;
    if (!span_is(v->terminator, SIGV4_SCOPE_END))
        return SIGV4_TERMINATOR;
    if (policy->region == NULL ? v->region.n == 0 : !span_is(v->region, policy->region))
        return SIGV4_REGION;
    return serves(policy, v->service) ? SIGV4_OK : SIGV4_SERVICE;
}

static enum sigv4_reason check_clock(const struct sigv4_verdict *v)
{
    int64_t good_for = v->form == SIGV4_FORM_HEADER ? (int64_t)v->window_s : v->expires_s;
    if (v->now_s > v->signed_at_s + good_for)
        return SIGV4_EXPIRED;
    return v->signed_at_s > v->now_s + (int64_t)v->window_s ? SIGV4_NOT_YET : SIGV4_OK;
}

static enum sigv4_reason check_token(const struct sigv4_known *known, const struct sigv4_verdict *v)
{
    bool right = known->any_token || sigv4_equal(known->session_token, v->token);
    return right ? SIGV4_OK : SIGV4_TOKEN;
}

struct span sigv4_payload_hash(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_verdict *v,
                               char room[SIGV4_HEX])
{
    const struct sigv4_header *stated = sigv4_find_header(r->headers, r->header_count, "x-amz-content-sha256");
    if (stated != NULL && v->form != SIGV4_FORM_BEARER)
        return span_trim(stated->value);
    struct span query = r->query, name, value;
    while (v->form == SIGV4_FORM_QUERY && sigv4_next_param(&query, &name, &value))
        if (span_is_nocase(name, "x-amz-content-sha256"))
            return value;
    if (v->form == SIGV4_FORM_QUERY && span_is(v->service, "s3"))
        return SPAN_LIT(SIGV4_UNSIGNED); /* S3 presigned requests never cover the body */
    sigv4_sha256_hex(s, r->body, room);
    return span_of(room);
}

static enum sigv4_reason check_body(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_policy *policy,
                                    struct span stated)
{
    char hash[SIGV4_HEX];
    if (span_is(stated, SIGV4_UNSIGNED))
        return policy->signed_payload ? SIGV4_BODY_HASH : SIGV4_OK;
    if (span_is(stated, SIGV4_STREAMING_EVENTS))
        return SIGV4_OK;
    sigv4_sha256_hex(s, r->body, hash);
    return sigv4_equal(stated, span_of(hash)) ? SIGV4_OK : SIGV4_BODY_HASH;
}

static enum err check_signature(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_policy *policy,
                                struct span skip, const struct sigv4_known *known, struct sigv4_verdict *v,
                                struct note *note)
{
    struct sigv4_scratch *scratch = sigv4_scratch(s);
    char room[SIGV4_HEX] = "", expected[SIGV4_HEX];
    struct sigv4_scope scope = {v->scope_date, v->region, v->service};
    struct sigv4_inputs in = {
        .method = r->method,
        .path = r->path,
        .query = r->query,
        .skip = {v->form == SIGV4_FORM_HEADER ? SPAN_EMPTY : SPAN_LIT("X-Amz-Signature"), skip},
        .headers = r->headers,
        .header_count = r->header_count,
        .names = v->names,
        .name_count = v->name_count,
        .payload_hash = sigv4_payload_hash(s, r, v, room),
        .keep_dots = policy->keep_dots,
        .path_form = policy->path_form,
    };
    buf_reset(&scratch->canonical);
    buf_reset(&scratch->string_to_sign);
    v->reason = SIGV4_INCOMPLETE;
    enum err e = sigv4_canonical_request(&in, &scratch->canonical, note);
    if (e != OK)
        return e;
    v->reason = SIGV4_SIGNATURE;
    v->canonical = buf_span(&scratch->canonical);
    sigv4_string_to_sign(s, span_of(v->date), &scope, v->canonical, &scratch->string_to_sign);
    v->string_to_sign = buf_span(&scratch->string_to_sign);
    if (buf_error(&scratch->string_to_sign) != OK)
        return buf_error(&scratch->string_to_sign);
    e = sigv4_signature(s, known->secret, &scope, v->string_to_sign, expected);
    if (e != OK)
        return note_set(note, e, "OpenSSL refused to hash");
    if (!sigv4_equal(span_of(expected), v->signature))
        return OK;
    v->reason = in.payload_hash.p == (const unsigned char *)room ? SIGV4_OK : check_body(s, r, policy, in.payload_hash);
    if (v->reason == SIGV4_OK && known->token_expired)
        v->reason = SIGV4_TOKEN_EXPIRED;
    if (sigv4_failed(s)) {
        v->reason = SIGV4_SIGNATURE;
        return note_set(note, ERR_NOMEM, "OpenSSL refused to hash");
    }
    return OK;
}

enum err sigv4_judge(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_policy *policy,
                     struct span skip, struct sigv4_verdict *v, struct note *note)
{
    v->reason = check_scope(policy, v);
    if (v->reason == SIGV4_OK)
        v->reason = check_clock(v);
    if (v->reason != SIGV4_OK)
        return OK;
    struct sigv4_known known = {.any_token = false};
    if (policy->lookup == NULL || !policy->lookup(policy->ctx, v->access_key, &known)) {
        v->reason = SIGV4_UNKNOWN_KEY;
        return OK;
    }
    v->reason = check_token(&known, v);
    if (v->reason != SIGV4_OK)
        return OK;
    return check_signature(s, r, policy, skip, &known, v, note);
}

void sigv4_verdict_begin(struct sigv4_verdict *v, const struct sigv4_policy *policy)
{
    /* The names are left as they are: only the first name_count of them mean anything, and there are two kilobytes. */
    size_t names_at = offsetof(struct sigv4_verdict, names);
    size_t names_end = names_at + sizeof v->names;
    memset(v, 0, names_at);
    memset((char *)v + names_end, 0, sizeof *v - names_end);
    v->now_s = policy->now_s;
    v->window_s = policy->window_s == 0 ? SIGV4_WINDOW_S : policy->window_s;
    v->want_service = policy->services == NULL ? NULL : policy->services[0];
}

static enum err judge_bearer(struct sigv4 *s, const struct sigv4_policy *policy, struct sigv4_verdict *v,
                             struct note *note)
{
    struct span token = v->bearer;
    if (token.n > 0 && policy->bearer != NULL && policy->bearer(policy->ctx, token)) {
        v->reason = SIGV4_OK;
        return OK;
    }
    if (span_has_prefix(token, SIGV4_API_KEY_PREFIX))
        return sigv4_api_key_verify(s, token, policy, v, note);
    v->reason = SIGV4_BEARER;
    return OK;
}

enum err sigv4_verify(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_policy *policy,
                      struct sigv4_verdict *verdict, struct note *note)
{
    sigv4_verdict_begin(verdict, policy);
    enum err e = sigv4_read_claim(s, r, verdict, note);
    if (e != OK && verdict->reason == SIGV4_OK)
        verdict->reason = SIGV4_INCOMPLETE;
    if (verdict->reason != SIGV4_OK)
        return e;
    return verdict->form == SIGV4_FORM_BEARER ? judge_bearer(s, policy, verdict, note)
                                              : sigv4_judge(s, r, policy, SPAN_EMPTY, verdict, note);
}
