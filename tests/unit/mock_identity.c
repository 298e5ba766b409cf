/* Who asks: the clock, the key store, long- and short-term API keys. */
#include "mock/clock.h"
#include "mock/keys.h"
#include "mock_rig.h"

/* ---- the clock ---- */

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
    CU_ASSERT_EQUAL(keys_issue(a, &session, 0, 1000, &one), OK);
    CU_ASSERT_EQUAL(keys_issue(a, &session, 0, 1000, &two), OK);
    CU_ASSERT_EQUAL(keys_issue(b, &session, 500, 9000, &again), OK);
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

static void the_store_is_bounded_and_the_expired_go_first(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(drop_keys) struct keys *k = NULL;
    struct key_issue first, second, third, last;
    struct key_found f = {0};
    CU_ASSERT_EQUAL_FATAL(keys_new(&config, &k, NULL), OK);
    CU_ASSERT_EQUAL(keys_issue(k, &session, 0, 10000, &first), OK);
    CU_ASSERT_EQUAL(keys_issue(k, &session, 0, 50, &second), OK);
    CU_ASSERT_EQUAL(keys_issue(k, &session, 0, 10000, &third), OK);
    for (size_t i = 3; i < KEYS_ISSUED_MAX; i++)
        CU_ASSERT_EQUAL(keys_issue(k, &session, 0, 10000, &last), OK);
    CU_ASSERT_EQUAL(keys_issued(k), KEYS_ISSUED_MAX);
    CU_ASSERT_EQUAL(keys_issue(k, &session, 100, 10000, &last), OK); /* the second has expired: it goes */
    CU_ASSERT_EQUAL(keys_issued(k), KEYS_ISSUED_MAX);
    CU_ASSERT_FALSE(keys_find(k, span_of(second.access_key), &f));
    CU_ASSERT(keys_find(k, span_of(first.access_key), &f));
    CU_ASSERT_EQUAL(keys_issue(k, &session, 100, 10000, &last), OK); /* nobody has: the first goes */
    CU_ASSERT_FALSE(keys_find(k, span_of(first.access_key), &f));
    CU_ASSERT(keys_find(k, span_of(third.access_key), &f));
    CU_ASSERT(keys_find(k, span_of(last.access_key), &f));
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
        {"ABSKexample0002", "2026-01-02T03:04:00Z", NULL},
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

int main(void)
{
    CU_TestInfo tests[] = {
        {"the clock is moved over the admin API", the_clock_is_moved_over_the_admin_api},
        {"signatures are judged by the clock", signatures_are_judged_by_the_clock},
        {"offsets are read as people write them", offsets_are_read_as_people_write_them},
        {"keys are issued, found and repeatable", keys_are_issued_found_and_repeatable},
        {"the store is bounded, and the expired go first", the_store_is_bounded_and_the_expired_go_first},
        {"wrong keys do not start a mock", wrong_keys_do_not_start_a_mock},
        {"long-term API keys expire", long_term_api_keys_expire},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_identity", tests);
}
