/* Hostile requests: an Authorization value, a query, a path and header fields, cut out of one input by line ends.
 * Whatever comes, the verifier must judge, an error must never look like a yes, and each refusal must find words. The
 * diagnosis runs now and then, being slow by design. Seeds that are signed right may well be believed. */
#include "protocol/sigv4.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool know(void *ctx, struct span access_key, struct sigv4_known *known)
{
    (void)ctx;
    known->secret = SPAN_LIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    return span_is(access_key, "AKIDEXAMPLE");
}

static struct span next_line(struct span *rest)
{
    struct span line;
    (void)span_split(*rest, '\n', &line, rest);
    return line;
}

static void judge(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_policy *policy, bool diagnose)
{
    struct sigv4_verdict v;
    struct sigv4_diagnosis d;
    struct note note;
    enum err e = sigv4_verify(s, r, policy, &v, &note);
    assert(v.reason < SIGV4_REASONS);
    if (e != OK)
        assert(v.reason != SIGV4_OK);
    CLEANUP(sigv4_refusal_release) struct sigv4_refusal refusal = SIGV4_REFUSAL_INIT;
    if (e == OK && sigv4_refuse(&v, true, &refusal) == OK)
        assert(v.reason == SIGV4_OK || refusal.text.len > 0);
    bool wrong = v.reason == SIGV4_SIGNATURE || v.reason == SIGV4_BODY_HASH || v.reason == SIGV4_TOKEN;
    if (e == OK && wrong && diagnose) {
        e = sigv4_diagnose(s, r, policy, &v, &d);
        assert(e == OK && d.id != NULL && d.sentence[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sigv4 *s;
    static unsigned runs;
    struct sigv4_header headers[SIGV4_HEADERS_MAX + 2];
    struct span rest = {data, size};
    if (s == NULL)
        s = sigv4_new();
    size_t n = 0;
    struct sigv4_request r = {.method = next_line(&rest), .path = next_line(&rest), .query = next_line(&rest)};
    headers[n++] = (struct sigv4_header){SPAN_LIT("authorization"), next_line(&rest)};
    if (headers[0].value.n == 0)
        n = 0;
    headers[n++] = (struct sigv4_header){SPAN_LIT("host"), next_line(&rest)};
    headers[n++] = (struct sigv4_header){SPAN_LIT("x-amz-date"), SPAN_LIT("20250615T123045Z")};
    while (rest.n > 0 && n < COUNT_OF(headers)) {
        struct span line = next_line(&rest), name, value;
        if (line.n == 0)
            break;
        (void)span_split(line, ':', &name, &value);
        headers[n++] = (struct sigv4_header){name, value};
    }
    r.headers = headers;
    r.header_count = n;
    r.body = rest;
    struct sigv4_policy policy = {.now_s = 1749990645, .lookup = know};
    judge(s, &r, &policy, size < 1024 && runs++ % 1024 == 0);
    return 0;
}
