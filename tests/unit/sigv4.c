/* Signature Version 4: every vector, the diagnosis (one mis-signed request per row of its table), the key cache, the
 * ceilings. Requests are signed by our signer, bent in one way, and handed to our verifier. */
#include "protocol/sigv4.h"

#include <sys/stat.h>
#include <unistd.h>

#include "protocol/data.h"
#include "protocol/json.h"
#include "protocol/sigv4_internal.h"
#include "protocol/vectors.h"
#include "sigv4_scenes.h"
#include "unit.h"

#include <time.h>

/* ---- vectors ---- */

static void print_failure(void *ctx, const char *name, const char *why)
{
    (void)ctx;
    (void)printf("    %s: %s\n", name, why);
}

static void every_vector_agrees(void)
{
    struct vector_tally tally = {0, 0};
    CU_ASSERT_EQUAL(vectors_run_sigv4(&tally, print_failure, NULL), OK);
    (void)printf("    %u vectors, %u passed\n", tally.run, tally.passed);
    CU_ASSERT_EQUAL(tally.run, tally.passed);
    CU_ASSERT_EQUAL(tally.run, 392);
}

struct failures {
    unsigned count;
    char name[128];
};

static void count_failure(void *ctx, const char *name, const char *why)
{
    struct failures *f = ctx;
    (void)why;
    f->count++;
    (void)snprintf(f->name, sizeof f->name, "%s", name);
}

static void write_file(const char *dir, const char *path, struct span text)
{
    char full[512];
    for (int depth = 0; depth < 3; depth++) {
        static const char *const parts[] = {"", "/fixtures", "/fixtures/vectors"};
        (void)snprintf(full, sizeof full, "%s%s", dir, parts[depth]);
        (void)mkdir(full, 0700);
    }
    (void)snprintf(full, sizeof full, "%s/%s", dir, path);
    FILE *f = fopen(full, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(text.p, 1, text.n, f), text.n);
    CU_ASSERT_EQUAL(fclose(f), 0);
}

static void remove_file(const char *dir, const char *path)
{
    static const char *const parts[] = {"/fixtures/vectors", "/fixtures", ""};
    char full[512];
    (void)snprintf(full, sizeof full, "%s/%s", dir, path);
    (void)unlink(full);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        (void)snprintf(full, sizeof full, "%s%s", dir, parts[i]);
        (void)rmdir(full);
    }
}

/* One character of one entry is another: exactly the entry it stands in must fail. */
static void one_changed_character_fails_a_vector(void)
{
    static const struct {
        const char *file, *find;
        size_t at; /* of the character, within what was found */
    } rows[] = {
        {"fixtures/vectors/sigv4-sign.json", "5d672d79c15b13162d9279b0855cfba6", 3},
        {"fixtures/vectors/sigv4-sign.json", "\"canonical\":\"GET\\n/\\nAction=ListUsers", 15},
        {"fixtures/vectors/sigv4-sign.json", "\"string_to_sign\":\"AWS4-HMAC-SHA256\\n2011", 37},
        {"fixtures/vectors/sigv4-verify.json", "\"reason\":\"region\"", 12},
        {"fixtures/vectors/sigv4-verify.json", "\"reason\":\"expired\"", 12},
        {"fixtures/vectors/sigv4-keys.json", "f4780e2d9f65fa895f9c67b32ce1baf0", 0},
        {"fixtures/vectors/sigv4-keys.json", "7aabf85b765e6a4d0d500b6e96865", 5},
        {"fixtures/vectors/sigv4-keys.json", "bedrock-api-key-YmVkcm9jay5hbWF6", 30},
        {"fixtures/vectors/sigv4-keys.json", "\"count\":14", 9},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char dir[] = "/tmp/mohs-sigv4-XXXXXX";
        struct span text;
        struct failures failures = {0, ""};
        struct vector_tally tally = {0, 0};
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        CU_ASSERT_EQUAL_FATAL(data_load(rows[i].file, &text, NULL), OK);
        CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
        buf_add(&copy, text);
        char *at = strstr(copy.data, rows[i].find);
        CLAIM(at != NULL, "row %zu: '%s' is not in %s", i, rows[i].find, rows[i].file);
        if (at != NULL) {
            at[rows[i].at] = at[rows[i].at] == '0' ? '1' : '0';
            write_file(dir, rows[i].file, buf_span(&copy));
            data_set_dir(dir);
            enum err e = vectors_run_sigv4(&tally, count_failure, &failures);
            data_set_dir(NULL);
            CLAIM(failures.count == 1 && (e != OK || tally.passed + 1 == tally.run), "row %zu: %u failures, last %s", i,
                  failures.count, failures.name);
        }
        remove_file(dir, rows[i].file);
    }
}

static bool know(void *ctx, struct span access_key, struct sigv4_known *known)
{
    const struct scene *c = ctx;
    known->secret = SPAN_LIT(SECRET);
    known->session_token = span_of(c == NULL ? NULL : c->token);
    return span_is(access_key, ACCESS_KEY);
}

static struct sigv4_policy policy_for(const struct scene *c)
{
    static const char *const services[] = {"bedrock", NULL};
    static struct scene copy;
    copy = c == NULL ? (struct scene){.id = ""} : *c;
    return (struct sigv4_policy){.now_s = NOW_S,
                                 .region = "us-east-1",
                                 .services = services,
                                 .path_form = copy.server_form,
                                 .lookup = know,
                                 .ctx = &copy};
}

static void names_each_mistake_and_pairs_of_them(void)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    for (size_t i = 0; i < COUNT_OF(scenes); i++) {
        const struct scene *c = &scenes[i];
        CLEANUP(play_release) struct play p;
        struct sigv4_verdict v;
        struct sigv4_diagnosis d;
        struct sigv4_policy policy = policy_for(c);
        play(s, c, &p);
        CU_ASSERT_EQUAL(sigv4_verify(s, &p.request, &policy, &v, NULL), OK);
        CLAIM(v.reason == SIGV4_SIGNATURE, "scene %zu, %s: the verdict is %s", i, c->id, sigv4_reason_name(v.reason));
        CU_ASSERT_EQUAL(sigv4_diagnose(s, &p.request, &policy, &v, &d), OK);
        CLAIM(strcmp(d.id, c->id) == 0, "scene %zu: diagnosed %s, not %s", i, d.id, c->id);
        CLAIM(strcmp(or_else(d.second, ""), or_else(c->second, "")) == 0, "scene %zu, %s: the second is %s", i, c->id,
              or_else(d.second, "none"));
        CLAIM(strstr(d.sentence, "wJalr") == NULL && strstr(d.sentence, "TOKEN") == NULL, "%s: a secret is told",
              c->id);
    }
}

static void every_row_of_the_diagnosis_has_its_scene(void)
{
    const char *id, *sentence;
    for (size_t i = 0; (id = sigv4_diagnosis_row(i, &sentence)) != NULL; i++) {
        size_t k = 0;
        while (k < COUNT_OF(scenes) && strcmp(scenes[k].id, id) != 0)
            k++;
        CLAIM(k < COUNT_OF(scenes), "no scene for %s", id);
        CLAIM(strlen(sentence) > 20, "%s says nothing", id);
    }
}

static void a_right_signature_over_a_changed_body_is_told_apart(void)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    static const struct {
        const char *body, *id;
    } rows[] = {{"{\"b\": 1, \"a\": \"x, y: \\\"z\\\"\"}", "body-reserialized"}, {"{}", "body-changed"}};
    char hash[SIGV4_HEX];
    sigv4_sha256_hex(s, SPAN_LIT(BODY), hash);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene c = {
            .id = rows[i].id, .extra_name = "x-amz-content-sha256", .signs.extra = hash, .arrives.body = rows[i].body};
        CLEANUP(play_release) struct play p;
        struct sigv4_verdict v;
        struct sigv4_diagnosis d;
        struct sigv4_policy policy = policy_for(&c);
        play(s, &c, &p);
        CU_ASSERT_EQUAL(sigv4_verify(s, &p.request, &policy, &v, NULL), OK);
        CU_ASSERT_EQUAL(v.reason, SIGV4_BODY_HASH);
        CU_ASSERT_EQUAL(sigv4_diagnose(s, &p.request, &policy, &v, &d), OK);
        CLAIM(d.proven && strcmp(d.id, rows[i].id) == 0, "%s: diagnosed %s", rows[i].id, d.id);
    }
}

static void tokens_that_miss_or_differ_are_told_apart(void)
{
    static const struct {
        const char *known, *sent, *id;
    } rows[] = {{"TOKEN", NULL, "token-missing"}, {"TOKEN", "OTHER", "token-other"}, {NULL, "OTHER", "token-other"}};
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene client = {.id = rows[i].id, .token = rows[i].sent}, server = {.token = rows[i].known};
        CLEANUP(play_release) struct play p;
        struct sigv4_verdict v;
        struct sigv4_diagnosis d;
        play(s, &client, &p);
        struct sigv4_policy policy = policy_for(&server);
        CU_ASSERT_EQUAL(sigv4_verify(s, &p.request, &policy, &v, NULL), OK);
        CU_ASSERT_EQUAL(v.reason, SIGV4_TOKEN);
        CU_ASSERT_EQUAL(sigv4_diagnose(s, &p.request, &policy, &v, &d), OK);
        CLAIM(strcmp(d.id, rows[i].id) == 0, "row %zu: diagnosed %s, not %s", i, d.id, rows[i].id);
    }
}

/* ---- verdicts the vectors do not have ---- */

static enum sigv4_reason verdict_on(const char *authorization, const char *query)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    struct sigv4_header headers[] = {{SPAN_LIT("host"), SPAN_LIT("h")},
                                     {SPAN_LIT("x-amz-date"), SPAN_LIT("20250615T123045Z")},
                                     {SPAN_LIT("authorization"), span_of(authorization)}};
    struct sigv4_request r = {.method = SPAN_LIT("GET"),
                              .path = SPAN_LIT("/"),
                              .query = span_of(query),
                              .headers = headers,
                              .header_count = authorization == NULL ? 2U : 3U};
    struct sigv4_policy policy = policy_for(NULL);
    struct sigv4_verdict v;
    CU_ASSERT_EQUAL(sigv4_verify(s, &r, &policy, &v, NULL), OK);
    CLEANUP(sigv4_refusal_release) struct sigv4_refusal refusal = SIGV4_REFUSAL_INIT;
    CU_ASSERT_EQUAL(sigv4_refuse(&v, true, &refusal), OK);
    CLAIM(v.reason == SIGV4_OK || (refusal.status == 403 && refusal.text.len > 10), "no words for %s",
          sigv4_reason_name(v.reason));
    return v.reason;
}

#define SIG "Signature=b4e93d13b13cb7c9eea3e1d7c1ea5f417a77c0bef1ab2c4c66f0562615437149"

static void odd_claims_get_their_reason(void)
{
    static const struct {
        enum sigv4_reason want;
        const char *authorization, *query;
    } rows[] = {
        {SIGV4_TERMINATOR,
         "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250615/us-east-1/bedrock/aws3_request, SignedHeaders=host, " SIG,
         ""},
        {SIGV4_INCOMPLETE,
         "AWS4-HMAC-SHA256 Credential=A/20250615/us-east-1/bedrock/aws4_request, Credential=B, "
         "SignedHeaders=host, " SIG,
         ""},
        {SIGV4_INCOMPLETE,
         "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250615/us-east-1/bedrock/aws4_request, SignedHeaders=host, " SIG
         ", " SIG,
         ""},
        {SIGV4_SIGNATURE,
         "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250615/us-east-1/bedrock/aws4_request,SignedHeaders=host," SIG, ""},
        {SIGV4_SIGNATURE,
         "AWS4-HMAC-SHA256\tCredential=AKIDEXAMPLE/20250615/us-east-1/bedrock/aws4_request,\tSignedHeaders=host , "
         "X=y, " SIG,
         ""},
        {SIGV4_INCOMPLETE,
         "AWS4-HMAC-SHA256 Credential=/20250615/us-east-1/bedrock/aws4_request, SignedHeaders=host, " SIG, ""},
        {SIGV4_INCOMPLETE, NULL, "X-Amz-Signature=1"},
        {SIGV4_INCOMPLETE, NULL, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Algorithm=AWS4-HMAC-SHA256"},
        {SIGV4_MISSING_AUTH, NULL, "x-amz-signature=1"},
        {SIGV4_MISSING_AUTH, "  \t", ""},
        {SIGV4_BEARER, "bearer x", ""},
        {SIGV4_BEARER, "Bearer bedrock-api-key-", ""},
        {SIGV4_BEARER, "Bearer bedrock-api-key-%%%%", ""},
        {SIGV4_NO_DATE, NULL,
         "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb%2Fc%2Fd%2Fe&X-Amz-SignedHeaders=host&X-Amz-Signature="
         "1&X-Amz-Expires=1"},
        {SIGV4_EXPIRES_PARAM, NULL,
         "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb%2Fc%2Fd%2Fe&X-Amz-SignedHeaders=host&X-Amz-Signature="
         "1&X-Amz-Date=20250615T123045Z&X-Amz-Expires=99999999999999999999"},
        {SIGV4_EXPIRES_PARAM, NULL,
         "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb%2Fc%2Fd%2Fe&X-Amz-SignedHeaders=host&X-Amz-Signature="
         "1&X-Amz-Date=20250615T123045Z&X-Amz-Expires=0"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum sigv4_reason got = verdict_on(rows[i].authorization, rows[i].query);
        CLAIM(got == rows[i].want, "row %zu: %s, not %s", i, sigv4_reason_name(got), sigv4_reason_name(rows[i].want));
    }
}

static void words_say_both_times(void)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    struct scene c = {.id = "times"};
    static const struct {
        int64_t off;
        const char *text;
    } rows[] = {
        {301, "Signature expired: 20250615T123045Z is now earlier than 20250615T123046Z (20250615T123546Z - 5 min.)"},
        {-301, "Signature not yet current: 20250615T123045Z is still later than 20250615T123044Z (20250615T122544Z + 5 "
               "min.)"},
        {300, ""},
        {-300, ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(play_release) struct play p;
        CLEANUP(sigv4_refusal_release) struct sigv4_refusal refusal = SIGV4_REFUSAL_INIT;
        struct sigv4_verdict v;
        struct sigv4_policy policy = policy_for(&c);
        policy.now_s = NOW_S + rows[i].off;
        play(s, &c, &p);
        CU_ASSERT_EQUAL(sigv4_verify(s, &p.request, &policy, &v, NULL), OK);
        CU_ASSERT_EQUAL(sigv4_refuse(&v, false, &refusal), OK);
        CLAIM(strcmp(buf_text(&refusal.text), rows[i].text) == 0, "row %zu: '%s'", i, buf_text(&refusal.text));
    }
}

static void a_mismatch_can_be_spelt_out(void)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    CLEANUP(play_release) struct play p;
    CLEANUP(sigv4_refusal_release) struct sigv4_refusal refusal = SIGV4_REFUSAL_INIT;
    struct sigv4_verdict v;
    struct sigv4_policy policy = policy_for(&scenes[0]);
    play(s, &scenes[0], &p);
    CU_ASSERT_EQUAL(sigv4_verify(s, &p.request, &policy, &v, NULL), OK);
    CU_ASSERT_EQUAL(sigv4_refuse(&v, true, &refusal), OK);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(buf_text(&refusal.text), "have been\n'POST\n/model/anthropic.claude-3-haiku-20240307-v1%253A0"));
    CU_ASSERT_STRING_EQUAL(refusal.id, "signature-mismatch-long");
}

static void http2_authority_and_host_are_one(void)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    struct scene c = {.id = "authority"};
    CLEANUP(play_release) struct play p;
    struct sigv4_verdict v;
    struct sigv4_policy policy = policy_for(&c);
    play(s, &c, &p);
    p.headers[0].name = SPAN_LIT(":authority"); /* signed as host, sent over HTTP/2 */
    CU_ASSERT_EQUAL(sigv4_verify(s, &p.request, &policy, &v, NULL), OK);
    CU_ASSERT_EQUAL(v.reason, SIGV4_OK);
}

static bool nobody(void *ctx, struct span access_key, struct sigv4_known *known)
{
    (void)ctx, (void)access_key, (void)known;
    return false;
}

static bool any_bearer(void *ctx, struct span token)
{
    (void)ctx;
    return span_is(token, "ABSKexample");
}

static void an_unknown_key_and_a_listed_bearer_token_are_the_callers_choice(void)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    struct scene c = {.id = "nobody"};
    CLEANUP(play_release) struct play p;
    struct sigv4_verdict v;
    struct sigv4_policy policy = policy_for(&c);
    policy.lookup = nobody;
    play(s, &c, &p);
    CU_ASSERT_EQUAL(sigv4_verify(s, &p.request, &policy, &v, NULL), OK);
    CU_ASSERT_EQUAL(v.reason, SIGV4_UNKNOWN_KEY);
    CU_ASSERT(span_is(v.access_key, ACCESS_KEY) && span_is(v.region, "us-east-1"));
    policy.bearer = any_bearer;
    struct sigv4_header *authorization = &p.headers[p.request.header_count - 1];
    authorization->value = SPAN_LIT("Bearer ABSKexample");
    CU_ASSERT_EQUAL(sigv4_verify(s, &p.request, &policy, &v, NULL), OK);
    CU_ASSERT_EQUAL(v.reason, SIGV4_OK);
    authorization->value = SPAN_LIT("Bearer ABSKother");
    CU_ASSERT_EQUAL(sigv4_verify(s, &p.request, &policy, &v, NULL), OK);
    CU_ASSERT_EQUAL(v.reason, SIGV4_BEARER);
}

/* A key as the generators make it, but with a life of our choosing. */
static void make_key(struct sigv4 *s, int64_t expires_s, const char *access_key, struct buf *out)
{
    struct sigv4_header host = {SPAN_LIT("host"), SPAN_LIT("bedrock.amazonaws.com")};
    struct sigv4_request r = {.method = SPAN_LIT("POST"),
                              .path = SPAN_LIT("/"),
                              .query = SPAN_LIT("Action=CallWithBearerToken"),
                              .headers = &host,
                              .header_count = 1};
    struct sigv4_signing how = {.access_key = span_of(access_key),
                                .secret = SPAN_LIT(SECRET),
                                .region = SPAN_LIT("us-east-1"),
                                .service = SPAN_LIT("bedrock"),
                                .at_s = NOW_S,
                                .expires_s = expires_s};
    CLEANUP(sigv4_signed_release) struct sigv4_signed made;
    CLEANUP(buf_release) struct buf text = BUF_INIT(4096);
    sigv4_signed_init(&made);
    CU_ASSERT_EQUAL(sigv4_sign(s, &r, &how, &made, NULL), OK);
    buf_addf(&text, "bedrock.amazonaws.com/?%s&Version=1", buf_text(&made.query));
    buf_reset(out);
    buf_adds(out, SIGV4_API_KEY_PREFIX);
    buf_add_base64(out, buf_span(&text));
    struct note note = {""};
    how.expires_s = SIGV4_API_KEY_EXPIRES_MAX_S + 1;
    CU_ASSERT_EQUAL(sigv4_api_key_make(s, &how, out, &note), ERR_INVALID);
}

static void short_term_keys_say_what_is_wrong_inside(void)
{
    static const struct {
        int64_t expires_s, off;
        const char *access_key;
        enum sigv4_reason inner;
        const char *text;
    } rows[] = {
        {43200, 0, ACCESS_KEY, SIGV4_OK, ""},
        {43201, 0, ACCESS_KEY, SIGV4_EXPIRES_PARAM, "Authentication failed: Please make sure your API Key is valid."},
        {60, 61, ACCESS_KEY, SIGV4_EXPIRED, "Bearer Token has expired"},
        {60, -301, ACCESS_KEY, SIGV4_NOT_YET, "Authentication failed: Please make sure your API Key is valid."},
        {60, 0, "AKIDOTHER", SIGV4_UNKNOWN_KEY, "Authentication failed: Please make sure your API Key is valid."},
    };
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf key = BUF_INIT(SIGV4_API_KEY_MAX);
        CLEANUP(sigv4_refusal_release) struct sigv4_refusal refusal = SIGV4_REFUSAL_INIT;
        struct sigv4_verdict v;
        struct sigv4_policy policy = policy_for(NULL);
        policy.now_s = NOW_S + rows[i].off;
        make_key(s, rows[i].expires_s, rows[i].access_key, &key);
        CU_ASSERT_EQUAL(sigv4_api_key_verify(s, buf_span(&key), &policy, &v, NULL), OK);
        CLAIM(v.inner == rows[i].inner && (v.reason == SIGV4_OK) == (v.inner == SIGV4_OK), "row %zu: %s, inside %s", i,
              sigv4_reason_name(v.reason), sigv4_reason_name(v.inner));
        CU_ASSERT_EQUAL(sigv4_refuse(&v, false, &refusal), OK);
        CLAIM(strcmp(buf_text(&refusal.text), rows[i].text) == 0, "row %zu says '%s'", i, buf_text(&refusal.text));
        CLAIM(refusal.status == 0 || strcmp(refusal.body_key, "Message") == 0, "row %zu: the body key", i);
    }
}

/* ---- cache, ceilings, dates ---- */

static void keys_are_derived_once_and_never_mixed_up(void)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    char secret[32], first[SIGV4_HEX], again[SIGV4_HEX];
    uint64_t found, derived;
    struct sigv4_scope scope = {SPAN_LIT("20250615"), SPAN_LIT("us-east-1"), SPAN_LIT("bedrock")};
    for (int round = 0; round < 2; round++)
        CU_ASSERT_EQUAL(sigv4_signature(s, SPAN_LIT(SECRET), &scope, SPAN_LIT("x"), round == 0 ? first : again), OK);
    sigv4_cache_counts(s, &found, &derived);
    CU_ASSERT_EQUAL(found, 1);
    CU_ASSERT_EQUAL(derived, 1);
    CU_ASSERT_STRING_EQUAL(first, again);
    for (int i = 0; i < 500; i++) { /* many more than fit: each must be its own, before and after eviction */
        CLEANUP(sigv4_free_ptr) struct sigv4 *fresh = i % 50 == 0 ? sigv4_new() : NULL;
        (void)snprintf(secret, sizeof secret, "secret-%d", i % 250);
        CU_ASSERT_EQUAL(sigv4_signature(s, span_of(secret), &scope, SPAN_LIT("x"), again), OK);
        if (fresh != NULL) {
            CU_ASSERT_EQUAL(sigv4_signature(fresh, span_of(secret), &scope, SPAN_LIT("x"), first), OK);
            CU_ASSERT_STRING_EQUAL(first, again);
        }
    }
    /* The parts run together alike: "ab"+"c" and "a"+"bc". */
    struct sigv4_scope one = {SPAN_LIT("d"), SPAN_LIT("ab"), SPAN_LIT("c")},
                       two = {SPAN_LIT("d"), SPAN_LIT("a"), SPAN_LIT("bc")};
    CU_ASSERT_EQUAL(sigv4_signature(s, SPAN_LIT(SECRET), &one, SPAN_LIT("x"), first), OK);
    CU_ASSERT_EQUAL(sigv4_signature(s, SPAN_LIT(SECRET), &two, SPAN_LIT("x"), again), OK);
    CU_ASSERT_STRING_NOT_EQUAL(first, again);
}

static enum err verify_with(struct span path, struct span query, struct span names, size_t extra_headers,
                            enum sigv4_reason *reason)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    static struct sigv4_header headers[SIGV4_HEADERS_MAX + 8];
    CLEANUP(buf_release) struct buf authorization = BUF_INIT(BUF_ANY);
    struct sigv4_verdict v;
    struct sigv4_policy policy = policy_for(NULL);
    buf_addf(&authorization,
             "AWS4-HMAC-SHA256 Credential=" ACCESS_KEY
             "/20250615/us-east-1/bedrock/aws4_request, SignedHeaders=host%.*s, " SIG,
             (int)names.n, names.n == 0 ? "" : (const char *)names.p);
    headers[0] = (struct sigv4_header){SPAN_LIT("authorization"), buf_span(&authorization)};
    headers[1] = (struct sigv4_header){SPAN_LIT("x-amz-date"), SPAN_LIT("20250615T123045Z")};
    for (size_t i = 0; i < extra_headers; i++)
        headers[i + 2] = (struct sigv4_header){SPAN_LIT("host"), SPAN_LIT("h")};
    struct sigv4_request r = {
        .method = SPAN_LIT("GET"), .path = path, .query = query, .headers = headers, .header_count = extra_headers + 2};
    enum err e = sigv4_verify(s, &r, &policy, &v, NULL);
    *reason = v.reason;
    return e;
}

static void ceilings_refuse_and_never_cut(void)
{
    CLEANUP(buf_release) struct buf dots = BUF_INIT(BUF_ANY), query = BUF_INIT(BUF_ANY), names = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf longer = BUF_INIT(BUF_ANY);
    enum sigv4_reason reason;
    for (int i = 0; i < SIGV4_DEPTH_MAX + 1; i++)
        buf_adds(&dots, "/a");
    buf_adds(&dots, "/./");
    for (int i = 0; i < SIGV4_QUERY_MAX + 1; i++)
        buf_adds(&query, "a&");
    for (int i = 0; i < SIGV4_SIGNED_MAX; i++)
        buf_adds(&names, ";a");
    for (size_t i = 0; i < SIGV4_CANONICAL_MAX; i++)
        buf_addc(&longer, i == 0 ? '/' : 'a');
    CU_ASSERT_EQUAL(verify_with(SPAN_LIT("/"), SPAN_EMPTY, SPAN_EMPTY, 1, &reason), OK);
    CU_ASSERT_EQUAL(reason, SIGV4_SIGNATURE);
    CU_ASSERT_EQUAL(verify_with(buf_span(&dots), SPAN_EMPTY, SPAN_EMPTY, 1, &reason), ERR_LIMIT);
    CU_ASSERT_EQUAL(reason, SIGV4_INCOMPLETE);
    CU_ASSERT_EQUAL(verify_with(SPAN_LIT("/"), buf_span(&query), SPAN_EMPTY, 1, &reason), ERR_LIMIT);
    CU_ASSERT_EQUAL(verify_with(buf_span(&longer), SPAN_EMPTY, SPAN_EMPTY, 1, &reason), ERR_LIMIT);
    CU_ASSERT_EQUAL(verify_with(SPAN_LIT("/"), buf_span(&longer), SPAN_EMPTY, 1, &reason), ERR_LIMIT);
    CU_ASSERT_EQUAL(verify_with(SPAN_LIT("/"), SPAN_EMPTY, SPAN_EMPTY, SIGV4_HEADERS_MAX, &reason), ERR_LIMIT);
    CU_ASSERT_NOT_EQUAL(reason, SIGV4_OK);
    CU_ASSERT_EQUAL(verify_with(SPAN_LIT("/"), SPAN_EMPTY, buf_span(&names), 1, &reason), OK);
    CU_ASSERT_EQUAL(reason, SIGV4_INCOMPLETE);
}

static void dates_go_both_ways(void)
{
    static const struct {
        const char *text;
        int64_t at_s; /* -1: refused */
    } rows[] = {{"19700101T000000Z", 0},         {"20250615T123045Z", NOW_S},     {"20240229T235959Z", 1709251199},
                {"19991231T235959Z", 946684799}, {"20000301T000000Z", 951868800}, {"99991231T235959Z", 253402300799},
                {"20230229T000000Z", -1},        {"21000229T000000Z", -1},        {"20251301T000000Z", -1},
                {"20250100T000000Z", -1},        {"20250101T240000Z", -1},        {"20250101T006000Z", -1},
                {"20250101T000060Z", -1},        {"20250101t000000Z", -1},        {"20250101T000000z", -1},
                {"20250101T000000", -1},         {"2025O101T000000Z", -1},        {"", -1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t at_s = -1;
        char back[SIGV4_DATE];
        enum err e = sigv4_date_parse(span_of(rows[i].text), &at_s);
        CLAIM((e == OK) == (rows[i].at_s >= 0) && at_s == rows[i].at_s, "'%s' is %lld", rows[i].text, (long long)at_s);
        sigv4_date_format(rows[i].at_s, back);
        CLAIM(e != OK || strcmp(back, rows[i].text) == 0, "%s comes back as %s", rows[i].text, back);
    }
    for (int64_t day = -719528; day < 2932897; day += 13) { /* the years 0000 to 9999 */
        int64_t at_s;
        char text[SIGV4_DATE];
        sigv4_date_format(day * 86400 + 86399, text);
        CU_ASSERT(sigv4_date_parse(span_of(text), &at_s) == OK && at_s == day * 86400 + 86399);
    }
    int64_t at_s = 0;
    CU_ASSERT_EQUAL(sigv4_http_date_parse(SPAN_LIT("Fri, 24 May 2013 00:00:00 GMT"), &at_s), OK);
    CU_ASSERT_EQUAL(at_s, 1369353600);
    CU_ASSERT_NOT_EQUAL(sigv4_http_date_parse(SPAN_LIT("Fri, 24 Mai 2013 00:00:00 GMT"), &at_s), OK);
}

/* RFC 4231, HMAC-SHA-256: short key, long key. */
static void hmac_agrees_with_rfc_4231(void)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    unsigned char key[131], out[32];
    char hex[SIGV4_HEX];
    memset(key, 0xaa, sizeof key);
    sigv4_hmac(s, SPAN_LIT("Jefe"), SPAN_LIT("what do ya want for nothing?"), out);
    sigv4_hex(out, hex);
    CU_ASSERT_STRING_EQUAL(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    sigv4_hmac(s, (struct span){key, sizeof key}, SPAN_LIT("Test Using Larger Than Block-Size Key - Hash Key First"),
               out);
    sigv4_hex(out, hex);
    CU_ASSERT_STRING_EQUAL(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* Of this process: neighbours take none of it. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void verifies_fast_enough_for_a_load_test(void)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    struct scene c = {.id = "speed"};
    CLEANUP(play_release) struct play p;
    struct sigv4_policy policy = policy_for(&c);
    struct sigv4_verdict v;
    unsigned right = 0;
    play(s, &c, &p);
    uint64_t begin = cpu_ns();
    for (int i = 0; i < 2000; i++)
        right += sigv4_verify(s, &p.request, &policy, &v, NULL) == OK && v.reason == SIGV4_OK;
    uint64_t each = (cpu_ns() - begin) / 2000;
    (void)printf("    %llu ns per verification\n", (unsigned long long)each);
    CU_ASSERT_EQUAL(right, 2000);
    CU_ASSERT(each <
              1000000); /* far above what any machine needs: a fetch per digest, or a lost cache, is seen by eye */
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every vector agrees", every_vector_agrees},
        {"one changed character fails a vector", one_changed_character_fails_a_vector},
        {"names each mistake and pairs of them", names_each_mistake_and_pairs_of_them},
        {"every row of the diagnosis has its scene", every_row_of_the_diagnosis_has_its_scene},
        {"a right signature over a changed body is told apart", a_right_signature_over_a_changed_body_is_told_apart},
        {"tokens that miss or differ are told apart", tokens_that_miss_or_differ_are_told_apart},
        {"odd claims get their reason", odd_claims_get_their_reason},
        {"words say both times", words_say_both_times},
        {"a mismatch can be spelt out", a_mismatch_can_be_spelt_out},
        {"HTTP/2 authority and host are one", http2_authority_and_host_are_one},
        {"an unknown key and a listed bearer token are the caller's choice",
         an_unknown_key_and_a_listed_bearer_token_are_the_callers_choice},
        {"short-term keys say what is wrong inside", short_term_keys_say_what_is_wrong_inside},
        {"keys are derived once and never mixed up", keys_are_derived_once_and_never_mixed_up},
        {"ceilings refuse and never cut", ceilings_refuse_and_never_cut},
        {"dates go both ways", dates_go_both_ways},
        {"HMAC agrees with RFC 4231", hmac_agrees_with_rfc_4231},
        {"verifies fast enough for a load test", verifies_fast_enough_for_a_load_test},
        CU_TEST_INFO_NULL,
    };
    return unit_main("sigv4", tests);
}
