/* Quotas: who is refused when, in which words, and what a request costs when it is over. */
#include <pthread.h>

#include "mock/visit.h"
#include "mock_rig.h"

#define SONNET        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
#define MINUTE        60000
#define DAY           86400000
#define REQUESTS_TEXT "Too many requests, please wait before trying again."
#define TOKENS_TEXT   "Too many tokens, please wait before trying again."
#define DAY_TEXT      "Too many tokens per day, please wait before trying again."
#define MOST(n)                                                                                                        \
    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hello\"}]}],\"inferenceConfig\":{\"maxTokens\":" n "}" \
    "}"
#define INPUT 8 /* of HELLO */

static struct mock *start(const char *quotas)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE, .quotas = quotas, .workers = 2};
    return rig_start(&config);
}

static bool is_throttled(const struct reply *r, const char *text)
{
    return r->status == 429 && strcmp(text_at(r->json, "/message"), text) == 0 &&
           strncmp(header(r, "x-amzn-ErrorType"), "ThrottlingException", 19) == 0 &&
           header(r, "Retry-After")[0] == '\0';
}

static void passes(struct mock *m, const char *path, const char *body)
{
    CLEANUP(reply_release) struct reply r = ask(m, path, body);
    CLAIM(r.status == 200, "%s: %d %s", path, r.status, buf_text(&r.body));
}

static void refuses(struct mock *m, const char *path, const char *body, const char *text)
{
    CLEANUP(reply_release) struct reply r = ask(m, path, body);
    CLAIM(is_throttled(&r, text), "%s: %d %s, expected %s", path, r.status, buf_text(&r.body), text);
}

/* The counts, when no request is running any more. */
static struct reply settled(struct mock *m)
{
    for (int tries = 0;; tries++) {
        struct reply r = admin(m, "GET", "/quotas", "");
        bool busy = false;
        const cJSON *c;
        cJSON_ArrayForEach(c, json_at(r.json, "/counts")) busy = busy || number_at(c, "/running") != 0;
        if (!busy || tries > PATIENCE_MS)
            return r;
        reply_release(&r);
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

static void used_is(struct mock *m, const char *pointer, double expected)
{
    CLEANUP(reply_release) struct reply r = settled(m);
    CLAIM(number_at(r.json, pointer) == expected, "%s is not %.0f: %s", pointer, expected, buf_text(&r.body));
}

static void say(struct mock *m, const char *usage)
{
    char body[256];
    (void)snprintf(body, sizeof body, "{\"replies\":[{\"reply\":{\"text\":\"x\",\"usage\":%s}}]}", usage);
    script(m, body);
}

static void ten_pass_and_the_eleventh_waits_a_minute(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"rpm\":10}]}");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10; i++)
            passes(m, i % 2 == 0 ? CONVERSE : STREAM, HELLO); /* one model, whatever the operation */
        refuses(m, CONVERSE, HELLO, REQUESTS_TEXT);
        refuses(m, STREAM, HELLO, REQUESTS_TEXT);
        clock_advance_ms(&m->clock, MINUTE);
    }
    for (int i = 0; i < 10; i++)
        passes(m, CONVERSE, HELLO);
    refuses(m, CONVERSE, HELLO, REQUESTS_TEXT);
    clock_advance_ms(&m->clock, MINUTE / 10); /* a tenth of the time, a tenth of the requests */
    passes(m, CONVERSE, HELLO);
    refuses(m, CONVERSE, HELLO, REQUESTS_TEXT);
    CLEANUP(reply_release)
    struct reply counted = ask(m, "/model/" HAIKU "/count-tokens", "{\"input\":{\"converse\":" HELLO "}}");
    CLAIM(counted.status == 200, "counting is free: %d", counted.status);
}

static void a_window_is_full_again_all_at_once(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"rpm\":3,\"refill\":\"window\"}]}");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++)
            passes(m, CONVERSE, HELLO);
        refuses(m, CONVERSE, HELLO, REQUESTS_TEXT);
        clock_advance_ms(&m->clock, MINUTE / 2);
        refuses(m, CONVERSE, HELLO, REQUESTS_TEXT);
        clock_advance_ms(&m->clock, MINUTE / 2);
    }
}

static void what_was_reserved_too_much_is_given_back(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"tpm\":1000,\"refill\":\"window\"}]}");
    say(m, "{\"outputTokens\":2}");
    passes(m, CONVERSE, MOST("900"));
    used_is(m, "/counts/0/tpm/used", INPUT + 2);
    say(m, "{\"outputTokens\":3}");
    passes(m, STREAM, MOST("900"));
    used_is(m, "/counts/0/tpm/used", 2 * INPUT + 2 + 3);
    refuses(m, CONVERSE, MOST("980"), TOKENS_TEXT);      /* 1000 - 21 are left */
    used_is(m, "/counts/0/tpm/used", 2 * INPUT + 2 + 3); /* and a refusal takes none */
    refuses(m, CONVERSE, HELLO, TOKENS_TEXT);            /* without maxTokens it is 4096 for Claude 3 Haiku */
    clock_advance_ms(&m->clock, MINUTE);
    used_is(m, "/counts/0/tpm/used", 0);
}

struct background {
    pthread_t thread;
    struct mock *mock;
    const char *path;
    struct reply reply;
};

static void *run_background(void *ctx)
{
    struct background *b = ctx;
    b->reply = ask(b->mock, b->path, MOST("600"));
    return NULL;
}

static void what_runs_holds_what_it_reserved(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"tpm\":1000,\"refill\":\"window\"}]}");
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"x\",\"head_gate\":\"g\",\"usage\":{\"outputTokens\":5}}}]}");
    struct background b = {.mock = m, .path = CONVERSE};
    if (pthread_create(&b.thread, NULL, run_background, &b) != 0)
        abort();
    for (int tries = 0; tries < PATIENCE_MS; tries++) {
        CLEANUP(reply_release) struct reply r = admin(m, "GET", "/quotas", "");
        if (number_at(r.json, "/counts/0/running") == 1)
            break;
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    refuses(m, CONVERSE, MOST("600"), TOKENS_TEXT);
    CLEANUP(reply_release) struct reply open = admin(m, "POST", "/gate", "{\"open\":\"g\"}");
    (void)pthread_join(b.thread, NULL);
    CLAIM(b.reply.status == 200, "%d", b.reply.status);
    reply_release(&b.reply);
    used_is(m, "/counts/0/tpm/used", INPUT + 5);
    passes(m, CONVERSE, MOST("600"));
}

static void output_burns_down_by_the_models_rate(void)
{
    CLEANUP(rig_stop)
    struct mock *m = start("{\"quotas\":[{\"model\":\"*nova*\",\"tpm\":100000,\"burndown\":3,\"refill\":\"window\"},{"
                           "\"tpm\":100000,\"refill\":\"window\"}]}");
    static const struct {
        const char *path;
        double used;
    } rows[] = {{SONNET "/converse", INPUT + 5 * 10},
                {CONVERSE, INPUT + 10},
                {"/model/amazon.nova-lite-v1%3A0/converse", INPUT + 3 * 10}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char pointer[64];
        say(m, "{\"outputTokens\":10}");
        passes(m, rows[i].path, MOST("100"));
        (void)snprintf(pointer, sizeof pointer, "/counts/%zu/tpm/used", i);
        used_is(m, pointer, rows[i].used);
    }
    say(m, "{\"outputTokens\":50000}"); /* far beyond what was reserved: it is owed, up to the limit itself */
    passes(m, SONNET "/converse", MOST("100"));
    used_is(m, "/counts/0/tpm/left", -100000);
    clock_advance_ms(&m->clock, MINUTE);
    refuses(m, SONNET "/converse", MOST("1"), TOKENS_TEXT);
    clock_advance_ms(&m->clock, MINUTE);
    passes(m, SONNET "/converse", MOST("1"));
}

static void what_the_cache_gives_is_reserved_and_then_free(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"tpm\":5000,\"refill\":\"window\"}]}");
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_adds(&body, "{\"system\":[{\"text\":\"s");
    for (int i = 1; i < 1100; i++)
        buf_adds(&body, " word");
    buf_adds(&body, "\"},{\"cachePoint\":{\"type\":\"default\"}}],\"messages\":[{\"role\":\"user\",\"content\":[{"
                    "\"text\":\"hello\"}]}],"
                    "\"inferenceConfig\":{\"maxTokens\":1}}");
    passes(m, SONNET "/converse", buf_text(&body));
    used_is(m, "/counts/0/tpm/used", 1103 + INPUT + 5); /* written: as input */
    for (double i = 2; i < 5; i++) {
        passes(m, SONNET "/converse", buf_text(&body));
        used_is(m, "/counts/0/tpm/used", 1103 + i * (INPUT + 5)); /* read: nothing */
    }
    passes(m, SONNET "/converse", MOST("3000"));
    used_is(m, "/counts/0/running", 0);
    refuses(m, SONNET "/converse", MOST("3900"), TOKENS_TEXT);
}

static void an_embedding_reserves_no_output(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"tpm\":10,\"refill\":\"window\"}]}");
    passes(m, "/model/amazon.titan-embed-text-v2%3A0/invoke", "{\"inputText\":\"one two three\"}");
    used_is(m, "/counts/0/tpm/used", 3);
}

static void a_day_has_its_own_words(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"tpd\":40,\"rpd\":4,\"refill\":\"window\"}]}");
    passes(m, CONVERSE, MOST("1"));
    passes(m, CONVERSE, MOST("1"));
    used_is(m, "/counts/0/tpd/used", 2 * (INPUT + 1));
    refuses(m, CONVERSE, MOST("30"), DAY_TEXT);
    clock_advance_ms(&m->clock, MINUTE);
    refuses(m, CONVERSE, MOST("30"), DAY_TEXT);
    passes(m, CONVERSE, MOST("1"));
    passes(m, CONVERSE, MOST("1"));
    refuses(m, CONVERSE, MOST("1"), REQUESTS_TEXT); /* the fifth of a day */
    clock_advance_ms(&m->clock, DAY);
    passes(m, CONVERSE, MOST("30"));
}

static void each_model_profile_region_and_principal_counts_apart(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"rpm\":1}]}");
    static const char *const paths[] = {"/model/us.amazon.nova-pro-v1%3A0/converse",
                                        "/model/amazon.nova-pro-v1%3A0/converse",
                                        "/model/eu.amazon.nova-pro-v1%3A0/converse", CONVERSE};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        passes(m, paths[i], HELLO);
        refuses(m, paths[i], HELLO, REQUESTS_TEXT);
    }
    /* an ARN is what it names */
    refuses(m, "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Famazon.nova-pro-v1%3A0/converse", HELLO,
            REQUESTS_TEXT);
    struct key far = usual_key, other = usual_key;
    far.region = "eu-west-1";
    other.access = "AKIAOTHEREXAMPLEKEY1";
    CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &far);
    CLEANUP(reply_release) struct reply s = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &other);
    CLAIM(r.status == 200 && s.status == 200, "region %d, principal %d", r.status, s.status);
    CLEANUP(reply_release)
    struct reply set = admin(m, "POST", "/quotas", "{\"quotas\":[{\"rpm\":1,\"per\":\"account\"}]}");
    passes(m, CONVERSE, HELLO);
    CLEANUP(reply_release) struct reply t = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &other);
    CLAIM(is_throttled(&t, REQUESTS_TEXT), "two principals, one account: %d", t.status);
}

static void the_first_row_that_matches_has_the_request(void)
{
    CLEANUP(rig_stop)
    struct mock *m = start("{\"quotas\":[{\"model\":\"us.*\"},{\"region\":\"eu-*\",\"rpm\":0},{\"principal\":\"*:user/"
                           "*EXAMPLE\",\"rpm\":1},{\"rpm\":0}]}");
    for (int i = 0; i < 3; i++)
        passes(m, SONNET "/converse", HELLO); /* a row without limits lets pass */
    struct key far = usual_key, other = usual_key;
    far.region = "eu-west-1";
    other.access = "AKIAOTHEREXAMPLEKEY1";
    CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &far);
    CLEANUP(reply_release) struct reply s = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &other);
    CLAIM(is_throttled(&r, REQUESTS_TEXT) && is_throttled(&s, REQUESTS_TEXT), "%d, %d", r.status, s.status);
    passes(m, CONVERSE, HELLO);
    refuses(m, CONVERSE, HELLO, REQUESTS_TEXT);
}

static void a_refusal_takes_no_reply_and_an_error_gives_its_tokens_back(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"tpm\":1000,\"refill\":\"window\"}]}");
    script(m, "{\"replies\":[{\"reply\":{\"error\":{\"type\":\"InternalServerException\"}}},{\"reply\":{\"text\":"
              "\"second\"}}]}");
    refuses(m, CONVERSE, MOST("2000"), TOKENS_TEXT);
    CLEANUP(reply_release) struct reply failed = ask(m, CONVERSE, MOST("500"));
    CU_ASSERT_EQUAL(failed.status, 500);
    used_is(m, "/counts/0/tpm/used", 0);
    CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, MOST("500"));
    CLAIM(strstr(buf_text(&r.body), "second") != NULL, "%s", buf_text(&r.body));
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    CLAIM(cJSON_IsTrue(json_at(j.json, "/entries/0/valid")) &&
              strcmp(text_at(j.json, "/entries/0/reply/source"), "quota") == 0,
          "%s", buf_text(&j.body));
}

/* libcurl closes the connection when its time is up. */
static void leave(struct mock *m, const char *path, const char *body, unsigned ms)
{
    char url[512];
    struct http_headers h;
    struct client_response response = {0};
    http_headers_init(&h);
    http_headers_add(&h, "Content-Type", "application/json");
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", mock_port(m), path);
    struct client_request request = {
        .method = "POST", .url = url, .headers = &h, .body = span_of(body), .timeout_ms = ms};
    CU_ASSERT_EQUAL(client_fetch(&request, &response, NULL), ERR_TIMEOUT);
    client_response_release(&response);
    http_headers_release(&h);
}

static void a_client_that_leaves_pays_for_what_it_got(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"tpm\":10000,\"refill\":\"window\"}]}");
    /* 20 deltas of a token; start, block stop, message stop and metadata around them: 24 events, of which 12 come */
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"a b c d e f g h i j k l m n o p q r s "
              "t\",\"faults\":[{\"id\":\"stall\",\"at_event\":12}]}},"
              "{\"reply\":{\"text\":\"x\",\"usage\":{\"outputTokens\":500},\"latency_ms\":60000}}]}");
    leave(m, STREAM, MOST("900"), 200);
    used_is(m, "/counts/0/tpm/used", INPUT + 10);
    leave(m, CONVERSE, MOST("900"), 100); /* nothing came: input alone */
    used_is(m, "/counts/0/tpm/used", 2 * INPUT + 10);
}

static void rows_are_checked_replaced_and_come_back(void)
{
    static const struct {
        const char *body, *message;
    } bad[] = {
        {"[]", "expected an object {\"quotas\":[...]}"},
        {"{\"quota\":[]}", "/quota: "},
        {"{\"quotas\":[{\"rpmm\":1}]}", "rpm"},
        {"{\"quotas\":[{},{\"rpm\":-1}]}", "/quotas/1/rpm: expected a whole number from 0 to 1000000000"},
        {"{\"quotas\":[{\"tpm\":1.5}]}", "/quotas/0"},
        {"{\"quotas\":[{\"burndown\":0}]}", "/quotas/0/burndown: expected a whole number from 1 to 1000"},
        {"{\"quotas\":[{\"per\":\"user\"}]}", "/quotas/0/per: expected principal or account"},
        {"{\"quotas\":[{\"refill\":\"slow\"}]}", "/quotas/0/refill: expected steady or window"},
        {"{\"quotas\":[7]}", "/quotas/0: expected an object"},
    };
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"rpm\":1,\"model\":\"anthropic.*\"}]}");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/quotas", bad[i].body);
        CLAIM(r.status == 400 && strstr(text_at(r.json, "/message"), bad[i].message) != NULL, "%s: %d %s", bad[i].body,
              r.status, buf_text(&r.body));
    }
    passes(m, CONVERSE, HELLO);
    refuses(m, CONVERSE, HELLO, REQUESTS_TEXT); /* what was wrong changed nothing */
    CLEANUP(reply_release) struct reply off = admin(m, "POST", "/quotas", "{\"quotas\":[]}");
    passes(m, CONVERSE, HELLO);
    CLEANUP(reply_release) struct reply kept = admin(m, "POST", "/reset", "{\"keep\":[\"quotas\"]}");
    passes(m, CONVERSE, HELLO);
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "");
    passes(m, CONVERSE, HELLO);
    refuses(m, CONVERSE, HELLO, REQUESTS_TEXT);
    struct mock *none = NULL;
    struct note note = {""};
    struct mock_config wrong = {.quotas = "{\"quotas\":[{\"rpmm\":1}]}"};
    CLAIM(mock_start(&wrong, &none, &note) != OK && strncmp(note.text, "quotas: /quotas/0/rpmm", 22) == 0, "%s",
          note.text);
}

enum { HANDS = 8, ROUNDS = 25, LIMIT = 60 };
struct hand {
    pthread_t thread;
    struct mock *mock;
    unsigned passed, throttled;
};

static void *hammer(void *ctx)
{
    struct hand *h = ctx;
    for (int i = 0; i < ROUNDS; i++) {
        CLEANUP(reply_release) struct reply r = ask(h->mock, CONVERSE, MOST("2"));
        h->passed += r.status == 200;
        h->throttled += is_throttled(&r, REQUESTS_TEXT);
    }
    return NULL;
}

static void of_many_at_once_exactly_so_many_pass(void)
{
    CLEANUP(rig_stop) struct mock *m = start("{\"quotas\":[{\"rpm\":60,\"tpm\":1000000,\"refill\":\"window\"}]}");
    struct hand hands[HANDS];
    unsigned passed = 0, throttled = 0;
    for (size_t i = 0; i < HANDS; i++) {
        hands[i] = (struct hand){.mock = m};
        if (pthread_create(&hands[i].thread, NULL, hammer, &hands[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < HANDS; i++) {
        (void)pthread_join(hands[i].thread, NULL);
        passed += hands[i].passed;
        throttled += hands[i].throttled;
    }
    CLAIM(passed == LIMIT && throttled == HANDS * ROUNDS - LIMIT, "%u passed, %u throttled", passed, throttled);
    used_is(m, "/counts/0/tpm/used", LIMIT * (INPUT + 2));
}

static void principals_without_end_have_a_ceiling(void)
{
    struct quotas *q = quotas_new();
    CLEANUP(json_free) cJSON *body = NULL;
    if (json_parse(SPAN_LIT("{\"quotas\":[{\"rpm\":1}]}"), JSON_COMPACT, &body, NULL) != OK ||
        quotas_set(q, body, false, NULL) != OK)
        abort();
    for (int i = 0; i < 2 * QUOTA_COUNTS_MAX; i++) {
        char who[32];
        (void)snprintf(who, sizeof who, "p%d", i);
        struct quota_ask one = {.principal = who, .account = "a", .region = "r", .model = "m", .input = 1};
        struct quota_hold hold, again;
        CU_ASSERT_EQUAL(quota_admit(q, &one, 1000 + i, &hold), QUOTA_PASS);
        CU_ASSERT_EQUAL(quota_admit(q, &one, 1000 + i, &again), QUOTA_REQUESTS);
        quota_settle(q, &hold, 1, 0, 1000 + i);
    }
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    CLEANUP(json_free) cJSON *tree = NULL;
    quotas_print(q, 5000, &out);
    CLAIM(json_parse(buf_span(&out), JSON_COMPACT, &tree, NULL) == OK &&
              cJSON_GetArraySize(json_at(tree, "/counts")) == QUOTA_COUNTS_MAX,
          "%d counts", cJSON_GetArraySize(json_at(tree, "/counts")));
    quotas_free(q);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"ten pass and the eleventh waits a minute", ten_pass_and_the_eleventh_waits_a_minute},
        {"a window is full again all at once", a_window_is_full_again_all_at_once},
        {"what was reserved too much is given back", what_was_reserved_too_much_is_given_back},
        {"what runs holds what it reserved", what_runs_holds_what_it_reserved},
        {"output burns down by the model's rate", output_burns_down_by_the_models_rate},
        {"what the cache gives is reserved and then free", what_the_cache_gives_is_reserved_and_then_free},
        {"an embedding reserves no output", an_embedding_reserves_no_output},
        {"a day has its own words", a_day_has_its_own_words},
        {"each model, profile, region and principal counts apart",
         each_model_profile_region_and_principal_counts_apart},
        {"the first row that matches has the request", the_first_row_that_matches_has_the_request},
        {"a refusal takes no reply and an error gives its tokens back",
         a_refusal_takes_no_reply_and_an_error_gives_its_tokens_back},
        {"a client that leaves pays for what it got", a_client_that_leaves_pays_for_what_it_got},
        {"rows are checked, replaced and come back", rows_are_checked_replaced_and_come_back},
        {"of many at once exactly so many pass", of_many_at_once_exactly_so_many_pass},
        {"principals without end have a ceiling", principals_without_end_have_a_ceiling},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_quota", tests);
}
