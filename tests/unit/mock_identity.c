/* Who asks: the clock, the key store, long- and short-term API keys. */
#include <pthread.h>
#include <stdatomic.h>

#include "mock/identity/keys.h"
#include "mock/time/clock.h"
#include <strings.h>

#include "mock_rig.h"

/* ---- the clock ---- */

/* SDKs correct their clocks by it; the header is the only thing that says it. */
static void answers_are_dated_by_the_clock(void)
{
    static const char *const bodies[] = {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}", "{"};
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply moved = admin(m, "POST", "/clock", "{\"set\":\"2019-05-06T07:08:09Z\"}");
    CU_ASSERT_EQUAL(moved.status, 200);
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, "/model/amazon.nova-lite-v1%3A0/converse", bodies[i]);
        const char *date = http_headers_get(&r.headers, "Date");
        CLAIM(date != NULL && strncmp(date, "Mon, 06 May 2019 07:0", 21) == 0, "%d %s", r.status, date);
    }
}

static void the_clock_is_moved_over_the_admin_api(void)
{
    struct mock_config config = {.clock_offset_ms = -60000};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *body;
        int status;
        const char *says;
    } rows[] = {
        {"{\"advance_ms\":60000}", 200, "\"offset_ms\":0}"},
        {"{\"advance_ms\":-1500}", 200, "\"offset_ms\":-1500}"},
        {"{\"offset_ms\":86400000}", 200, "\"offset_ms\":86400000}"},
        {"{\"set\":\"2031-02-28T23:59:50Z\"}", 200, "{\"now\":\"2031-02-28T23:59:5"},
        {"{\"set\":\"2031-02-29T23:59:50Z\"}", 400, "/set: '2031-02-29T23:59:50Z' is no time"},
        {"{\"set\":\"2031-02-28 23:59:50\"}", 400, "/set: "},
        {"{\"set\":\"20310228T235950Z\"}", 400, "/set: "},
        {"{\"set\":7}", 400, "/set"},
        {"{\"advance_ms\":9000000000000}", 400, "/advance_ms: farther than a hundred years"},
        {"{\"offset_ms\":-9000000000000}", 400, "/offset_ms: farther"},
        {"{\"advance_ms\":9223372036854775807}", 400, "/advance_ms: farther"},
        {"{\"ofset_ms\":1}", 400, "offset_ms"},
        {"{\"set\":\"2031-02-28T23:59:50Z\",\"offset_ms\":1}", 400, "expected one of"},
        {"{}", 400, "expected one of"},
        {"", 400, "expected an object"},
        {"[]", 400, "expected an object"},
    };
    CLEANUP(reply_release) struct reply first = admin(m, "GET", "/clock", "");
    CLAIM(number_at(first.json, "/offset_ms") == -60000, "%s", buf_text(&first.body));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/clock", rows[i].body);
        CLAIM(r.status == rows[i].status && strstr(buf_text(&r.body), rows[i].says) != NULL, "%s: %d %s", rows[i].body,
              r.status, buf_text(&r.body));
    }
    CLEANUP(reply_release) struct reply kept = admin(m, "POST", "/reset", "{\"keep\":[\"clock\"]}");
    CLEANUP(reply_release) struct reply still = admin(m, "GET", "/clock", "");
    CLAIM(strstr(buf_text(&still.body), "\"2031-") != NULL, "%s", buf_text(&still.body));
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "");
    CLEANUP(reply_release) struct reply back = admin(m, "GET", "/clock", "");
    CLAIM(number_at(back.json, "/offset_ms") == -60000, "%s", buf_text(&back.body));
}

static void signatures_are_judged_by_the_clock(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *clock;
        const char *says; /* NULL: served */
    } rows[] = {
        {"{\"offset_ms\":0}", NULL},
        {"{\"offset_ms\":290000}", NULL},
        {"{\"offset_ms\":330000}", "Signature expired: "},
        {"{\"offset_ms\":-290000}", NULL},
        {"{\"offset_ms\":-330000}", "Signature not yet current: "},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release) struct reply c = admin(m, "POST", "/clock", rows[i].clock);
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CLAIM(r.status == (rows[i].says == NULL ? 200 : 403), "%s: %d %s", rows[i].clock, r.status, buf_text(&r.body));
        CLAIM(rows[i].says == NULL || strstr(text_at(r.json, "/message"), rows[i].says) != NULL, "%s: %s",
              rows[i].clock, buf_text(&r.body));
    }
}

static void offsets_are_read_as_people_write_them(void)
{
    static const struct {
        const char *text;
        int64_t ms;
        bool good;
    } rows[] = {
        {"-10m", -600000, true},  {"3600s", 3600000, true}, {"1.5h", 5400000, true}, {"250ms", 250, true},
        {"+2d", 172800000, true}, {"0s", 0, true},          {"10", 0, false},        {"m", 0, false},
        {"10 m", 0, false},       {"", 0, false},           {"1w", 0, false},        {"nans", 0, false},
        {"infd", 0, false},       {"40000d", 0, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t ms = 0;
        struct note note = {""};
        enum err e = clock_offset_read(rows[i].text, &ms, &note);
        CLAIM((e == OK) == rows[i].good && ms == rows[i].ms, "'%s': %lld, %s", rows[i].text, (long long)ms, note.text);
    }
}

/* ---- the key store ---- */

static void drop_keys(struct keys **k)
{
    keys_free(*k);
}

static const struct principal session = {"123456789012", "arn:aws:sts::123456789012:assumed-role/r/s", "AROAEXAMPLE:s"};

static void keys_are_issued_found_and_repeatable(void)
{
    struct mock_config config = {.seed = 7};
    CLEANUP(drop_keys) struct keys *a = NULL;
    CLEANUP(drop_keys) struct keys *b = NULL;
    struct key_issue one, two, again;
    struct key_found f = {0};
    CU_ASSERT_EQUAL_FATAL(keys_new(&config, &a, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(keys_new(&config, &b, NULL), OK);
    CU_ASSERT_EQUAL(keys_issue(a, &session, 0, 1000, 0, &one), OK);
    CU_ASSERT_EQUAL(keys_issue(a, &session, 0, 1000, 0, &two), OK);
    CU_ASSERT_EQUAL(keys_issue(b, &session, 500, 9000, 0, &again), OK);
    CU_ASSERT_STRING_EQUAL(one.access_key, again.access_key);
    CU_ASSERT_STRING_EQUAL(one.session_token, again.session_token);
    CU_ASSERT_STRING_NOT_EQUAL(one.access_key, two.access_key);
    CLAIM(strlen(one.access_key) == 20 && strncmp(one.access_key, "ASIA", 4) == 0, "%s", one.access_key);
    CU_ASSERT_EQUAL(strlen(one.secret), 40);
    CU_ASSERT(keys_find(a, span_of(two.access_key), &f));
    CU_ASSERT_STRING_EQUAL(f.secret, two.secret);
    CU_ASSERT_STRING_EQUAL(f.session_token, two.session_token);
    CU_ASSERT_STRING_EQUAL(f.principal.arn, session.arn);
    CU_ASSERT_EQUAL(f.expires_ms, 1000);
    CU_ASSERT_FALSE(keys_find(b, span_of(two.access_key), &f));
    key_found_wipe(&f);
    for (size_t i = 0; i < sizeof f.secret_room; i++)
        CU_ASSERT_EQUAL(f.secret_room[i], 0);
}

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

static void tokens_are_as_long_as_asked_and_change_nothing_else(void)
{
    struct mock_config config = {.seed = 7};
    CLEANUP(drop_keys) struct keys *a = NULL;
    CLEANUP(drop_keys) struct keys *b = NULL;
    struct key_issue plain, next, longer, after;
    memset(&longer, '!', sizeof longer); /* a byte that is not written is seen */
    struct key_found f = {0};
    static const size_t sizes[] = {0, 1, 352, 353, 354, 400, 4095, 4096};
    CU_ASSERT_EQUAL_FATAL(keys_new(&config, &a, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(keys_new(&config, &b, NULL), OK);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t n = sizes[i] > 352 ? sizes[i] : 352;
        CU_ASSERT_EQUAL(keys_issue(a, &session, 0, 1000, 0, &plain), OK);
        CU_ASSERT_EQUAL(keys_issue(b, &session, 0, 1000, sizes[i], &longer), OK);
        CU_ASSERT_STRING_EQUAL(plain.access_key, longer.access_key);
        CU_ASSERT_STRING_EQUAL(plain.secret, longer.secret);
        CLAIM(strlen(longer.session_token) == n, "%zu: %zu", sizes[i], strlen(longer.session_token));
        CLAIM(strncmp(plain.session_token, longer.session_token, 340) == 0, "%zu", sizes[i]);
        CU_ASSERT_STRING_EQUAL(longer.session_token + n - 4, "+/==");
        CU_ASSERT_EQUAL(strspn(longer.session_token, BASE64), n);
        CU_ASSERT(keys_find(b, span_of(longer.access_key), &f));
        CU_ASSERT_STRING_EQUAL(f.session_token, longer.session_token);
    }
    CU_ASSERT_EQUAL(keys_issue(b, &session, 0, 1000, 4097, &after), ERR_LIMIT);
    CU_ASSERT_EQUAL(keys_issue(a, &session, 0, 1000, 0, &next), OK);
    CU_ASSERT_EQUAL(keys_issue(b, &session, 0, 1000, 0, &after), OK);
    CU_ASSERT_STRING_EQUAL(next.session_token, after.session_token);
    key_found_wipe(&f);
    for (size_t i = 0; i < sizeof f.token_room; i++)
        CU_ASSERT_EQUAL(f.token_room[i], 0);
}

static void the_store_is_bounded_and_the_expired_go_first(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(drop_keys) struct keys *k = NULL;
    struct key_issue first, second, third, last;
    struct key_found f = {0};
    CU_ASSERT_EQUAL_FATAL(keys_new(&config, &k, NULL), OK);
    CU_ASSERT_EQUAL(keys_issue(k, &session, 0, 10000, 0, &first), OK);
    CU_ASSERT_EQUAL(keys_issue(k, &session, 0, 50, 0, &second), OK);
    CU_ASSERT_EQUAL(keys_issue(k, &session, 0, 10000, 0, &third), OK);
    for (size_t i = 3; i < KEYS_ISSUED_MAX; i++)
        CU_ASSERT_EQUAL(keys_issue(k, &session, 0, 10000, 0, &last), OK);
    CU_ASSERT_EQUAL(keys_issued(k), KEYS_ISSUED_MAX);
    CU_ASSERT_EQUAL(keys_issue(k, &session, 100, 10000, 0, &last), OK); /* the second has expired: it goes */
    CU_ASSERT_EQUAL(keys_issued(k), KEYS_ISSUED_MAX);
    CU_ASSERT_FALSE(keys_find(k, span_of(second.access_key), &f));
    CU_ASSERT(keys_find(k, span_of(first.access_key), &f));
    CU_ASSERT_EQUAL(keys_issue(k, &session, 100, 10000, 0, &last), OK); /* nobody has: the first goes */
    CU_ASSERT_FALSE(keys_find(k, span_of(first.access_key), &f));
    CU_ASSERT(keys_find(k, span_of(third.access_key), &f));
    CU_ASSERT(keys_find(k, span_of(last.access_key), &f));
    CU_ASSERT_EQUAL(keys_issued(k), KEYS_ISSUED_MAX);
}

enum { ISSUERS = 4 };
static atomic_size_t issued; /* by all of them */

struct issuer {
    pthread_t thread;
    struct keys *keys;
    int wrong;
};

static void *issue_many(void *ctx)
{
    struct issuer *i = ctx;
    struct key_found f = {0};
    struct key_issue key;
    for (int n = 0; n < 2000; n++) {
        size_t before = atomic_load(&issued);
        i->wrong += keys_issue(i->keys, &session, 0, 1000, 0, &key) != OK;
        atomic_fetch_add(&issued, 1);
        bool found = keys_find(i->keys, span_of(key.access_key), &f);
        /* Between the two this thread may have slept while the others issued so many that the key had to go. */
        bool may_be_gone = atomic_load(&issued) + ISSUERS - before >= KEYS_ISSUED_MAX;
        i->wrong += found ? strcmp(f.secret, key.secret) != 0 || strcmp(f.principal.arn, session.arn) != 0 : !may_be_gone;
        i->wrong += !keys_find(i->keys, SPAN_LIT(MOCK_DEFAULT_ACCESS_KEY), &f);
    }
    return NULL;
}

static void many_threads_issue_and_find(void)
{
    struct mock_config config = {.seed = 3};
    CLEANUP(drop_keys) struct keys *k = NULL;
    struct issuer issuers[ISSUERS];
    CU_ASSERT_EQUAL_FATAL(keys_new(&config, &k, NULL), OK);
    for (size_t i = 0; i < COUNT_OF(issuers); i++) {
        issuers[i] = (struct issuer){.keys = k};
        if (pthread_create(&issuers[i].thread, NULL, issue_many, &issuers[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < COUNT_OF(issuers); i++) {
        (void)pthread_join(issuers[i].thread, NULL);
        CLAIM(issuers[i].wrong == 0, "thread %zu: %d wrong", i, issuers[i].wrong);
    }
    CU_ASSERT_EQUAL(keys_issued(k), KEYS_ISSUED_MAX);
}

static void wrong_keys_do_not_start_a_mock(void)
{
    static const struct {
        const char *arn, *bearer, *says;
    } rows[] = {
        {"arn:aws:iam::12345:user/x", NULL, "is no principal"},
        {"user/x", NULL, "is no principal"},
        {"arn:aws:s3::123456789012:bucket", NULL, "is no principal"},
        {NULL, "ABSKkey@tomorrow", "what follows \"@\""},
        {NULL, "@2026-01-02T03:04:05Z", "expected KEY"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mock_key key = {"AKIAEXAMPLE", "secret-4711", NULL, rows[i].arn};
        struct mock_config config = {
            .keys = &key, .key_count = 1, .bearer_keys = &rows[i].bearer, .bearer_key_count = rows[i].bearer != NULL};
        struct keys *k = NULL;
        struct note note = {""};
        CU_ASSERT_NOT_EQUAL(keys_new(&config, &k, &note), OK);
        CU_ASSERT_PTR_NULL(k);
        CLAIM(strstr(note.text, rows[i].says) != NULL && strstr(note.text, "4711") == NULL &&
                  strstr(note.text, "ABSK") == NULL,
              "row %zu: %s", i, note.text);
    }
}

/* ---- API keys ---- */

static void long_term_api_keys_expire(void)
{
    static const char *const keys[] = {"ABSKexample0001", "ABSKexample0002@2026-01-02T03:04:05Z"};
    struct mock_config config = {.auth = MOCK_AUTH_LENIENT, .bearer_keys = keys, .bearer_key_count = 2};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *key, *clock, *says; /* NULL: served */
    } rows[] = {
        {"ABSKexample0001", "2040-01-01T00:00:00Z", NULL},
        {"ABSKexample0002", "2026-01-02T03:00:00Z", NULL},
        {"ABSKexample0002", "2026-01-02T03:04:05Z", "Bearer Token has expired"},
        {"ABSKexample0002", "2026-02-02T03:04:05Z", "Bearer Token has expired"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char body[64];
        struct key key = {.access = rows[i].key, .bearer = true};
        (void)snprintf(body, sizeof body, "{\"set\":\"%s\"}", rows[i].clock);
        CLEANUP(reply_release) struct reply c = admin(m, "POST", "/clock", body);
        CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
        CLAIM(r.status == (rows[i].says == NULL ? 200 : 403), "row %zu: %d %s", i, r.status, buf_text(&r.body));
        CLAIM(rows[i].says == NULL || strcmp(text_at(r.json, "/Message"), rows[i].says) == 0, "row %zu: %s", i,
              buf_text(&r.body));
    }
}

/* ---- what is not known of the service is a switch ---- */

static void refused(struct mock *m, const char *what, const char *body, const struct http_headers *more,
                    const struct key *key, const char *type, const char *member, const char *says)
{
    CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, body, more, key);
    CLAIM(r.status == 403 && strncmp(header(&r, "x-amzn-ErrorType"), type, strlen(type)) == 0 &&
              header(&r, "x-amzn-ErrorType")[strlen(type)] == ':' && strstr(text_at(r.json, member), says) != NULL,
          "%s: %d %s %s", what, r.status, header(&r, "x-amzn-ErrorType"), buf_text(&r.body));
}

static void each_way_of_not_being_anybody_has_its_words(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT, .region = "us-east-1"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct key foreign = {.access = "not-a-key", .bearer = true};
    static const struct key unknown = {.access = "ABSKunknown", .bearer = true};
    static const struct key broken = {.access = SIGV4_API_KEY_PREFIX "x!", .bearer = true};
    static const char invalid[] = "Authentication failed: Please make sure your API Key is valid.";
    refused(m, "neither", HELLO, NULL, NULL, "AccessDeniedException", "/Message", "Authorization header is missing");
    refused(m, "foreign", HELLO, NULL, &foreign, "AccessDeniedException", "/Message", "Invalid API Key format");
    refused(m, "unknown", HELLO, NULL, &unknown, "AccessDeniedException", "/Message", invalid);
    refused(m, "broken", HELLO, NULL, &broken, "AccessDeniedException", "/Message", invalid);
    struct http_headers both;
    http_headers_init(&both);
    http_headers_add(&both, "Authorization", "Bearer ABSKunknown");
    refused(m, "both", HELLO, &both, &usual_key, "IncompleteSignatureException", "/message", "once");
    http_headers_release(&both);
    struct mock_config other = {.auth = MOCK_AUTH_STRICT, .no_auth_is_token = true};
    CLEANUP(rig_stop) struct mock *n = rig_start(&other);
    refused(n, "no token", HELLO, NULL, NULL, "MissingAuthenticationTokenException", "/message",
            "Missing Authentication Token");
}

static void short_term_api_keys_are_presigned_requests(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT, .region = "us-east-1"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    static const struct {
        const char *region, *access;
        int64_t age_s;
        const char *says; /* NULL: served */
    } rows[] = {
        {"us-east-1", MOCK_DEFAULT_ACCESS_KEY, 0, NULL},
        {"us-east-1", MOCK_DEFAULT_ACCESS_KEY, 43100, NULL},
        {"us-east-1", MOCK_DEFAULT_ACCESS_KEY, 43300, "Bearer Token has expired"},
        {"eu-west-1", MOCK_DEFAULT_ACCESS_KEY, 0, "Authentication failed: Please make sure your API Key is valid."},
        {"us-east-1", "AKIANOBODY", 0, "Authentication failed: Please make sure your API Key is valid."},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(SIGV4_API_KEY_MAX);
        struct sigv4_signing how = {.access_key = span_of(rows[i].access),
                                    .secret = SPAN_LIT(MOCK_DEFAULT_SECRET),
                                    .region = span_of(rows[i].region),
                                    .service = SPAN_LIT("bedrock"),
                                    .at_s = (int64_t)time(NULL) - rows[i].age_s,
                                    .expires_s = 43200};
        CU_ASSERT_EQUAL(sigv4_api_key_make(s, &how, &text, NULL), OK);
        struct key key = {.access = buf_text(&text), .bearer = true};
        if (rows[i].says != NULL) {
            refused(m, rows[i].says, HELLO, NULL, &key, "AccessDeniedException", "/Message", rows[i].says);
            continue;
        }
        CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
        CLAIM(r.status == 200, "row %zu: %s", i, buf_text(&r.body));
    }
}

static void the_skew_is_a_switch(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT, .skew_s = 900};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct key old = usual_key;
    old.skew_s = -850;
    CLEANUP(reply_release) struct reply good = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &old);
    CU_ASSERT_EQUAL(good.status, 200);
    old.skew_s = -950;
    refused(m, "older", HELLO, NULL, &old, "InvalidSignatureException", "/message", " - 15 min.)");
}

static void unsigned_payloads_are_taken_unless_told_otherwise(void)
{
    for (int i = 0; i < 2; i++) {
        struct mock_config config = {.auth = MOCK_AUTH_STRICT, .signed_payload = i == 1};
        CLEANUP(rig_stop) struct mock *m = rig_start(&config);
        CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
        char host[32];
        (void)snprintf(host, sizeof host, "127.0.0.1:%u", mock_port(m));
        struct sigv4_header h[] = {{SPAN_LIT("host"), span_of(host)}};
        struct sigv4_request q = {.method = SPAN_LIT("POST"),
                                  .path = SPAN_LIT(CONVERSE),
                                  .headers = h,
                                  .header_count = 1,
                                  .body = SPAN_LIT(HELLO)};
        struct sigv4_signing how = {.access_key = SPAN_LIT(MOCK_DEFAULT_ACCESS_KEY),
                                    .secret = SPAN_LIT(MOCK_DEFAULT_SECRET),
                                    .region = SPAN_LIT("us-east-1"),
                                    .service = SPAN_LIT("bedrock"),
                                    .at_s = (int64_t)time(NULL),
                                    .add_content_sha256 = true,
                                    .payload_unsigned = true};
        CLEANUP(sigv4_signed_release) struct sigv4_signed made;
        sigv4_signed_init(&made);
        CU_ASSERT_EQUAL(sigv4_sign(s, &q, &how, &made, NULL), OK);
        struct http_headers more;
        http_headers_init(&more);
        for (size_t k = 0; k < made.added_count; k++) {
            CLEANUP(free_ptr) char *name = span_dup(made.added[k].name);
            CLEANUP(free_ptr) char *value = span_dup(made.added[k].value);
            http_headers_set(&more, name, value);
        }
        http_headers_set(&more, "Authorization", buf_text(&made.authorization));
        CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, &more, NULL);
        CLAIM(r.status == (i == 0 ? 200 : 403), "%d: %d %s", i, r.status, buf_text(&r.body));
        CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
        CU_ASSERT_STRING_EQUAL(text_at(j.json, "/entries/0/signature/diagnosis/id"), i == 0 ? "" : "payload-unsigned");
        http_headers_release(&more);
    }
}

struct heard {
    char text[4096];
};

static void hear(void *ctx, const char *line)
{
    struct heard *h = ctx;
    (void)snprintf(h->text, sizeof h->text, "%s", line);
}

static void a_mismatch_can_be_told_at_length_and_is_not_logged(void)
{
    static const struct mock_key key = {"ASIAEXAMPLE", "secret-1", "the-session-token", NULL};
    struct heard heard = {""};
    struct mock_config config = {
        .auth = MOCK_AUTH_STRICT, .long_mismatch = true, .keys = &key, .key_count = 1, .log = hear, .log_ctx = &heard};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct key liar = {"ASIAEXAMPLE", "other", "the-session-token", "bedrock", "us-east-1", false, 0};
    refused(m, "long", HELLO, NULL, &liar, "InvalidSignatureException", "/message",
            "The Canonical String for this request should have been\n'POST\n/model/anthropic.claude-3-haiku-20240307-"
            "v1%253A0/converse\n");
    refused(m, "long", HELLO, NULL, &liar, "InvalidSignatureException", "/message",
            "The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n");
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    CLAIM(strstr(buf_text(&j.body), "the-session-token") == NULL, "%s", buf_text(&j.body));
    CLAIM(strstr(heard.text, "refused: signature: ") != NULL && strstr(heard.text, "the-session-token") == NULL, "%s",
          heard.text);
}

/* The API model of bedrock-agent-runtime names signatures alone (mock_bidi.c has the stream both ways). */
static void some_operations_take_no_api_keys(void)
{
    static const char *const paths[] = {"/rerank", "/retrieveAndGenerate", "/retrieveAndGenerateStream",
                                        "/knowledgebases/ABCDEFGHIJ/retrieve"};
    static const char *const bearers[] = {"ABSK-of-a-test"};
    static const struct key bearer = {"ABSK-of-a-test", NULL, NULL, "bedrock", "us-east-1", true, 0};
    static const enum mock_auth modes[] = {MOCK_AUTH_STRICT, MOCK_AUTH_LENIENT, MOCK_AUTH_BEARER};
    for (size_t k = 0; k < COUNT_OF(modes); k++) {
        struct mock_config config = {.auth = modes[k], .bearer_keys = bearers, .bearer_key_count = 1};
        CLEANUP(rig_stop) struct mock *m = rig_start(&config);
        for (size_t i = 0; i < COUNT_OF(paths); i++) {
            CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", paths[i], "{}", NULL, &bearer);
            CLAIM(r.status == 403 && strncmp(text_at(r.json, "/Message"), "API keys cannot be used with ", 29) == 0 &&
                      strncmp(header(&r, "x-amzn-ErrorType"), "AccessDeniedException", 21) == 0,
                  "%s: %d %s", paths[i], r.status, buf_text(&r.body));
        }
        CLEANUP(reply_release) struct reply good = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &bearer);
        CLEANUP(reply_release) struct reply signed_ = ask(m, "/rerank", "{}");
        CLAIM(good.status == 200 && signed_.status == 400, "%d %d %s", good.status, signed_.status,
              buf_text(&signed_.body));
    }
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_NONE});
    CLEANUP(reply_release) struct reply open = fetch(mock_port(m), "POST", "/rerank", "{}", NULL, &bearer);
    CLAIM(open.status == 400, "%d %s", open.status, buf_text(&open.body));
}

static void headers_left_out_of_the_signature_are_told_or_refused(void)
{
    for (int strict = 0; strict < 2; strict++) {
        struct mock_config config = {.auth = MOCK_AUTH_STRICT, .signed_headers = strict};
        CLEANUP(rig_stop) struct mock *m = rig_start(&config);
        CLEANUP(http_headers_release) struct http_headers h;
        http_headers_init(&h);
        http_headers_add(&h, "X-Amz-Meta-Loose", "x");
        CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, &h, &usual_key);
        CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
        CLAIM(r.status == (strict ? 403 : 200) &&
                  strcasecmp(text_at(j.json, "/entries/0/signature/unsigned_header"), "x-amz-meta-loose") == 0,
              "%d %s %s", r.status, buf_text(&r.body), buf_text(&j.body));
        CLEANUP(reply_release) struct reply good = ask(m, CONVERSE, HELLO);
        CLAIM(good.status == 200, "%d %s", good.status, buf_text(&good.body));
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"answers are dated by the clock", answers_are_dated_by_the_clock},
        {"the clock is moved over the admin API", the_clock_is_moved_over_the_admin_api},
        {"signatures are judged by the clock", signatures_are_judged_by_the_clock},
        {"offsets are read as people write them", offsets_are_read_as_people_write_them},
        {"keys are issued, found and repeatable", keys_are_issued_found_and_repeatable},
        {"tokens are as long as asked, and change nothing else", tokens_are_as_long_as_asked_and_change_nothing_else},
        {"the store is bounded, and the expired go first", the_store_is_bounded_and_the_expired_go_first},
        {"many threads issue and find", many_threads_issue_and_find},
        {"wrong keys do not start a mock", wrong_keys_do_not_start_a_mock},
        {"long-term API keys expire", long_term_api_keys_expire},
        {"each way of not being anybody has its words", each_way_of_not_being_anybody_has_its_words},
        {"short-term API keys are presigned requests", short_term_api_keys_are_presigned_requests},
        {"the skew is a switch", the_skew_is_a_switch},
        {"unsigned payloads are taken unless told otherwise", unsigned_payloads_are_taken_unless_told_otherwise},
        {"a mismatch can be told at length, and is not logged", a_mismatch_can_be_told_at_length_and_is_not_logged},
        {"some operations take no API keys", some_operations_take_no_api_keys},
        {"headers left out of the signature are told or refused", headers_left_out_of_the_signature_are_told_or_refused},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_identity", tests);
}
