/* sigv4_api_key.c: short-term Bedrock API keys, "bedrock-api-key-" + base64 of a presigned request.
 *
 * The presigned request is POST https://bedrock.amazonaws.com/?Action=CallWithBearerToken with an empty body, signed
 * over the host alone and good for twelve hours at most; "Version=1" is appended after signing, so it is left out of
 * the canonical query (the public AWS token generators, and keys made by them: fixtures/vectors/sigv4-keys.json).
 * Whoever knows the secret of the access key can judge such a key offline, which a mock does.
 */
#include "protocol/sigv4_internal.h"

#define KEY_HOST   "bedrock.amazonaws.com"
#define KEY_ACTION "CallWithBearerToken"

static const struct sigv4_header key_headers[] = {
    {{(const unsigned char *)"host", 4}, {(const unsigned char *)KEY_HOST, sizeof KEY_HOST - 1}},
};

static struct sigv4_request key_request(struct span query)
{
    return (struct sigv4_request){
        .method = SPAN_LIT("POST"),
        .path = SPAN_LIT("/"),
        .query = query,
        .headers = key_headers,
        .header_count = COUNT_OF(key_headers),
    };
}

enum err sigv4_api_key_make(struct sigv4 *s, const struct sigv4_signing *how, struct buf *out, struct note *note)
{
    struct sigv4_request r = key_request(SPAN_LIT("Action=" KEY_ACTION));
    struct sigv4_signing mine = *how;
    if (mine.expires_s < 1 || mine.expires_s > SIGV4_API_KEY_EXPIRES_MAX_S)
        return note_set(note, ERR_INVALID, "a short-term key lives for 1 to %d seconds, not %lld",
                        SIGV4_API_KEY_EXPIRES_MAX_S, (long long)how->expires_s);
    CLEANUP(sigv4_signed_release) struct sigv4_signed made;
    sigv4_signed_init(&made);
    enum err e = sigv4_sign(s, &r, &mine, &made, note);
    if (e != OK)
        return e;
    CLEANUP(buf_release) struct buf plain = BUF_INIT(SIGV4_CANONICAL_MAX);
    buf_adds(&plain, KEY_HOST "/?");
    struct sigv4_inputs in = {.query = buf_span(&made.query)};
    e = sigv4_canonical_query(&in, &plain);
    buf_adds(&plain, "&Version=1");
    if (e == OK)
        e = buf_error(&plain);
    if (e != OK)
        return note_set(note, e, "the key is too long");
    buf_adds(out, SIGV4_API_KEY_PREFIX);
    buf_add_base64(out, buf_span(&plain));
    return buf_error(out);
}

static bool is_call(struct span query)
{
    struct span name, value;
    while (sigv4_next_param(&query, &name, &value))
        if (span_is(name, "Action"))
            return span_is(value, KEY_ACTION);
    return false;
}

/* The reason inside the key. */
static enum err judge_query(struct sigv4 *s, struct span query, const struct sigv4_policy *policy,
                            struct sigv4_verdict *v, struct note *note)
{
    static const char *const bedrock[] = {"bedrock", NULL}; /* whichever endpoint takes the key */
    struct sigv4_request r = key_request(query);
    struct sigv4_policy mine = *policy;
    mine.services = bedrock;
    enum err e = sigv4_read_claim(s, &r, v, note);
    if (e != OK || v->reason != SIGV4_OK)
        return e;
    if (v->expires_s > SIGV4_API_KEY_EXPIRES_MAX_S) {
        v->reason = SIGV4_EXPIRES_PARAM;
        return OK;
    }
    return sigv4_judge(s, &r, &mine, SPAN_LIT("Version"), v, note);
}

enum err sigv4_api_key_verify(struct sigv4 *s, struct span token, const struct sigv4_policy *policy,
                              struct sigv4_verdict *v, struct note *note)
{
    sigv4_verdict_begin(v, policy);
    v->bearer = token;
    v->form = SIGV4_FORM_BEARER;
    v->reason = SIGV4_BEARER;
    if (!span_has_prefix(token, SIGV4_API_KEY_PREFIX) || token.n > SIGV4_API_KEY_MAX)
        return OK;
    CLEANUP(buf_release) struct buf plain = BUF_INIT(SIGV4_API_KEY_MAX);
    enum err e = buf_add_unbase64(&plain, span_from(token, strlen(SIGV4_API_KEY_PREFIX)));
    if (e != OK)
        return e == ERR_NOMEM ? e : OK;
    struct span text = buf_span(&plain);
    if (!span_has_prefix(text, KEY_HOST "/?"))
        return OK;
    struct span query = span_from(text, strlen(KEY_HOST "/?"));
    if (!is_call(query))
        return OK;
    e = judge_query(s, query, policy, v, note);
    v->form = SIGV4_FORM_BEARER;
    v->inner = v->reason;
    v->reason = v->inner == SIGV4_OK && e == OK ? SIGV4_OK : SIGV4_BEARER;
    v->detail = SPAN_EMPTY; /* may point into the decoded key, which goes now */
    return e;
}
