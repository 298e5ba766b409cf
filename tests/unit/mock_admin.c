/* The admin API: the journal and what it leaves out, gates, waiting, cancellation, limits, several workers at once. */
#include <pthread.h>

#include "mock_rig.h"

#include "mock/admin/metrics.h"
#include "mock/visit.h"

#define ANSWER "\"content\":[{\"text\":\"one two three\",\"$deltas\":[\"one \",\"two \",\"three\"]}]"

/* A request in a thread of its own. */
struct background {
    pthread_t thread;
    struct mock *mock;
    const char *path, *body;
    bool to_admin;
    unsigned timeout_ms;
    struct reply reply;
};

static void *run_background(void *ctx)
{
    struct background *b = ctx;
    if (b->to_admin)
        b->reply = admin(b->mock, "GET", b->path, "");
    else
        b->reply = ask(b->mock, b->path, b->body);
    return NULL;
}

static void start(struct background *b)
{
    if (pthread_create(&b->thread, NULL, run_background, b) != 0)
        abort();
}

static struct reply *finish(struct background *b)
{
    (void)pthread_join(b->thread, NULL);
    return &b->reply;
}

static void a_gate_holds_an_event_until_it_opens(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{" ANSWER ",\"gates\":[{\"before_event\":2,\"name\":\"g\"}]}},"
              "{\"reply\":{\"text\":\"x\",\"head_gate\":\"h\"}},"
              "{\"reply\":{" ANSWER ",\"faults\":[{\"id\":\"gate\",\"at_event\":1,\"name\":\"f\"}]}}]}");
    static const char *const names[] = {"g", "h", "f"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char open[64];
        struct background b = {.mock = m, .path = STREAM, .body = HELLO};
        start(&b);
        for (int tries = 0; tries < PATIENCE_MS; tries++) {
            CLEANUP(reply_release) struct reply g = admin(m, "GET", "/gate", "");
            char want[64];
            (void)snprintf(want, sizeof want, "{\"name\":\"%s\",\"open\":false,\"waiting\":1}", names[i]);
            if (strstr(buf_text(&g.body), want) != NULL)
                break;
            CLAIM(tries < PATIENCE_MS - 1, "nobody waits at %s: %s", names[i], buf_text(&g.body));
            (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
        }
        CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
        char pointer[64];
        (void)snprintf(pointer, sizeof pointer, "/entries/%zu/delivered", i);
        CLAIM(cJSON_IsNull(json_at(j.json, pointer)), "%s: the reply did not wait", names[i]);
        (void)snprintf(open, sizeof open, "{\"open\":\"%s\"}", names[i]);
        CLEANUP(reply_release) struct reply o = admin(m, "POST", "/gate", open);
        CU_ASSERT_EQUAL(o.status, 200);
        CLEANUP(reply_release) struct reply r = *finish(&b);
        CLAIM(r.status == 200 && r.error == OK, "%s: %d", names[i], r.status);
        CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{\"keep\":[\"script\",\"journal\"]}");
        CU_ASSERT_EQUAL(reset.status, 200);
    }
}

/* A client that leaves: libcurl closes the connection when its time is up. */
static struct reply leave_after(struct mock *m, const char *path, const char *body, unsigned ms)
{
    struct reply out = {.body = BUF_INIT(BUF_ANY)};
    char url[512];
    struct http_headers h;
    struct client_response response = {0};
    http_headers_init(&h);
    http_headers_init(&out.headers);
    sign(&h, mock_port(m), "POST", path, span_of(body), &usual_key);
    http_headers_add(&h, "Content-Type", "application/json");
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", mock_port(m), path);
    struct client_request request = {
        .method = "POST", .url = url, .headers = &h, .body = span_of(body), .timeout_ms = ms};
    out.error = client_fetch(&request, &response, NULL);
    out.status = response.status;
    buf_add(&out.body, buf_span(&response.body));
    client_response_release(&response);
    http_headers_release(&h);
    return out;
}

static void a_client_that_leaves_is_seen_leaving(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{" ANSWER ",\"faults\":[{\"id\":\"stall\",\"at_event\":2}]}},"
              "{\"reply\":{\"text\":\"x\",\"latency_ms\":60000}}]}");
    CLEANUP(reply_release) struct reply r = leave_after(m, STREAM, HELLO, 1500);
    CLAIM(r.error == ERR_TIMEOUT && r.status == 200, "%s, %d", err_name(r.error), r.status);
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal?count=1&timeout_ms=60000", "");
    CLAIM(strcmp(text_at(j.json, "/entries/0/delivered/end"), "peer-closed") == 0, "%s", buf_text(&j.body));
    CLAIM(number_at(j.json, "/entries/0/delivered/events") == 2, "%s", buf_text(&j.body));
    CLEANUP(reply_release) struct reply s = leave_after(m, CONVERSE, HELLO, 1500);
    CLAIM(s.error == ERR_TIMEOUT, "%s", err_name(s.error));
    CLEANUP(reply_release) struct reply k = admin(m, "GET", "/journal?since=1&count=1&timeout_ms=60000", "");
    CLAIM(strcmp(text_at(k.json, "/entries/0/delivered/end"), "peer-closed") == 0, "%s", buf_text(&k.body));
    CLAIM(number_at(k.json, "/entries/0/delivered/head_at_ns") == 0, "%s", buf_text(&k.body));
}

static void a_reader_may_wait_for_entries(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct background b = {.mock = m, .path = "/journal?since=0&count=2&timeout_ms=50000", .to_admin = true};
    uint64_t began = now_ns();
    start(&b);
    for (int i = 0; i < 2; i++) {
        (void)nanosleep(&(struct timespec){0, 20000000}, NULL);
        CLEANUP(reply_release) struct reply health = admin(m, "GET", "/health", ""); /* the worker is not blocked */
        CU_ASSERT_EQUAL(health.status, 200);
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    CLEANUP(reply_release) struct reply j = *finish(&b);
    CLAIM(now_ns() - began < 45000000000u, "answered by its timer, not by the second entry");
    CLAIM(cJSON_GetArraySize(json_at(j.json, "/entries")) == 2 && number_at(j.json, "/next") == 2, "%s",
          buf_text(&j.body));
    uint64_t before = now_ns();
    CLEANUP(reply_release) struct reply late = admin(m, "GET", "/journal?since=2&count=1&timeout_ms=50", "");
    CLAIM(now_ns() - before >= 50000000u && cJSON_GetArraySize(json_at(late.json, "/entries")) == 0, "%s",
          buf_text(&late.body));
    CLEANUP(reply_release) struct reply now = admin(m, "GET", "/journal?since=1&count=1&timeout_ms=60000", "");
    CLAIM(cJSON_GetArraySize(json_at(now.json, "/entries")) == 1 && number_at(now.json, "/entries/0/seq") == 2, "%s",
          buf_text(&now.body));
}

static void readers_that_wait_do_not_outlive_the_mock(void)
{
    struct mock_config config = {0};
    struct mock *m = rig_start(&config);
    struct background b = {.mock = m, .path = "/journal?count=9&timeout_ms=20000", .to_admin = true};
    start(&b);
    (void)nanosleep(&(struct timespec){0, 50000000}, NULL);
    mock_stop(m);
    CLEANUP(reply_release) struct reply r = *finish(&b);
    CLAIM(r.error != OK || r.status != 200, "an answer from nobody: %d", r.status);
}

#define SECRET_TOKEN "FwoGZXIvYXdzEXAMPLETOKEN"

static void secrets_never_reach_the_journal(void)
{
    static const struct mock_key keys[] = {{"ASIASESSIONEXAMPLE01", "secret-2", SECRET_TOKEN, NULL}};
    struct mock_config config = {.auth = MOCK_AUTH_NONE, .keys = keys, .key_count = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct key session = {
        "ASIASESSIONEXAMPLE01", "secret-2", SECRET_TOKEN, "bedrock", "us-east-1", false, 0};
    static const struct key bearer = {"ABSKverysecretkey", NULL, NULL, NULL, NULL, true, 0};
    CLEANUP(reply_release) struct reply a = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &session);
    CLEANUP(reply_release) struct reply b = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &bearer);
    struct http_headers more;
    http_headers_init(&more);
    http_headers_add(&more, "x-api-key", "sk-ant-verysecret");
    http_headers_add(&more, "Proxy-Authorization", "Basic dmVyeXNlY3JldA==");
    http_headers_add(&more, "Cookie", "session=verysecret");
    CLEANUP(reply_release)
    struct reply c =
        fetch(mock_port(m), "POST", CONVERSE "?X-Amz-Signature=abcdef0123&X-Amz-Security-Token=" SECRET_TOKEN "&a=b",
              HELLO, &more, NULL);
    http_headers_release(&more);
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal?count=3&timeout_ms=60000", "");
    static const char *const secrets[] = {SECRET_TOKEN, "ABSKverysecretkey", "verysecret", "dmVyeXNlY3JldA",
                                          "abcdef0123"};
    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        CLAIM(strstr(buf_text(&j.body), secrets[i]) == NULL, "the journal holds %s:\n%s", secrets[i],
              buf_text(&j.body));
    static const char *const kept[] = {"ASIASESSIONEXAMPLE01", "SignedHeaders=", "Signature=<redacted>",
                                       "Bearer <redacted>",
                                       "X-Amz-Signature=<redacted>&X-Amz-Security-Token=<redacted>&a=b"};
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        CLAIM(strstr(buf_text(&j.body), kept[i]) != NULL, "the journal lacks %s:\n%s", kept[i], buf_text(&j.body));
    CLAIM(strcmp(text_at(j.json, "/entries/0/signature/verdict"), "valid") == 0, "%s", buf_text(&j.body));
}

static void canaries_are_found_and_never_told(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"canaries\":{\"client-key\":\"sk-client-123\",\"user\":\"alice@example\"}}");
    struct http_headers more;
    http_headers_init(&more);
    http_headers_add(&more, "x-api-key", "sk-client-123");
    CLEANUP(reply_release)
    struct reply a = fetch(mock_port(m), "POST", CONVERSE,
                           "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"I am alice@example\"}]}]}",
                           &more, &usual_key);
    http_headers_release(&more);
    CLEANUP(reply_release) struct reply b = ask(m, CONVERSE, HELLO);
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal?count=2&timeout_ms=60000", "");
    CLAIM(strcmp(text_at(j.json, "/entries/0/canaries/0/name"), "client-key") == 0, "%s", buf_text(&j.body));
    CLAIM(strcasecmp(text_at(j.json, "/entries/0/canaries/0/where"), "header x-api-key") == 0, "%s", buf_text(&j.body));
    CLAIM(strcmp(text_at(j.json, "/entries/0/canaries/1/where"), "body") == 0, "%s", buf_text(&j.body));
    CLAIM(strstr(buf_text(&j.body), "sk-client-123") == NULL, "the value is told");
    CLAIM(cJSON_GetArraySize(json_at(j.json, "/entries/1/canaries")) == 0, "%s", buf_text(&j.body));
}

static void the_journal_keeps_bytes_as_they_came(void)
{
    struct mock_config config = {.validation = MOCK_VALIDATION_RECORD};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply a = ask(m, CONVERSE, "{ \"messages\" : [],\t\"x\":1.50e3}");
    CLEANUP(reply_release) struct reply b = ask(m, CONVERSE, "\xff\xfe");
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal?count=2&timeout_ms=60000", "");
    CLAIM(strcmp(text_at(j.json, "/entries/0/body"), "{ \"messages\" : [],\t\"x\":1.50e3}") == 0, "%s",
          buf_text(&j.body));
    CLAIM(strcmp(text_at(j.json, "/entries/1/body_base64"), "//4=") == 0, "%s", buf_text(&j.body));
    CLAIM(strcmp(text_at(j.json, "/entries/1/body_sha256"),
                 "b3d510ef04275ca8e698e5b3cbb0ece3949ef9252f0cdc839e9ee347409a2209") == 0,
          "%s", buf_text(&j.body));
    CLAIM(strcmp(text_at(j.json, "/entries/0/target"), CONVERSE) == 0, "%s", text_at(j.json, "/entries/0/target"));
    CLAIM(strcmp(text_at(j.json, "/entries/0/model"), "anthropic.claude-3-haiku-20240307-v1:0") == 0, "the model");
    CLAIM(strcmp(text_at(j.json, "/entries/0/reply/source"), "default") == 0, "the source");
    CLAIM(number_at(j.json, "/entries/0/delivered/bytes") == (double)a.body.len, "the bytes");
}

static void the_journal_has_a_limit(void)
{
    struct mock_config config = {.journal_bytes = 8192};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (int i = 0; i < 40; i++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    int kept = cJSON_GetArraySize(json_at(j.json, "/entries"));
    CLAIM(kept > 2 && kept < 12, "%d kept", kept);
    CLAIM(number_at(j.json, "/dropped") == 40 - kept, "%.0f dropped", number_at(j.json, "/dropped"));
    CLAIM(number_at(j.json, "/entries/0/seq") == 41 - kept, "not the oldest went");
    struct mock_config off = {.journal_bytes = MOCK_JOURNAL_OFF};
    CLEANUP(rig_stop) struct mock *n = rig_start(&off);
    CLEANUP(reply_release) struct reply r = ask(n, CONVERSE, HELLO);
    CLEANUP(reply_release) struct reply e = admin(n, "GET", "/journal", "");
    CLAIM(r.status == 200 && cJSON_GetArraySize(json_at(e.json, "/entries")) == 0, "%s", buf_text(&e.body));
}

static void the_admin_api_says_what_is_wrong(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *method, *path, *body;
        int status;
    } tries[] = {
        {"GET", "/nonsense", "", 404},
        {"POST", "/health", "", 405},
        {"GET", "/journal?since=x", "", 400},
        {"GET", "/journal?count=", "", 400},
        {"POST", "/gate", "{}", 400},
        {"POST", "/gate", "{\"open\":5}", 400},
        {"POST", "/reset", "{\"keep\":[\"x\"]}", 400},
        {"POST", "/script", "", 400},
        {"POST", "/faults", "", 400},
        {"GET", "/health", "", 200},
        {"GET", "/journal?count=1&timeout_ms=999999999", "", 400},
    };
    for (size_t i = 0; i < COUNT_OF(tries); i++) {
        CLEANUP(reply_release) struct reply r = admin(m, tries[i].method, tries[i].path, tries[i].body);
        CLAIM(r.status == tries[i].status, "%s %s: %d %s", tries[i].method, tries[i].path, r.status, buf_text(&r.body));
        CLAIM(r.status == 200 || text_at(r.json, "/message")[0] != '\0', "%s %s says nothing", tries[i].method,
              tries[i].path);
    }
    CLEANUP(reply_release) struct reply h = admin(m, "GET", "/health", "");
    CLAIM(cJSON_IsTrue(json_at(h.json, "/ok")) && number_at(h.json, "/port") == mock_port(m), "%s", buf_text(&h.body));
}

static void the_admin_port_follows_the_other(void)
{
    struct mock_config config = {.admin_port = MOCK_ADMIN_NEXT};
    struct mock *m = NULL;
    struct note note = {""};
    CLAIM(mock_start(&config, &m, &note) == OK && mock_admin_port(m) == mock_port(m) + 1, "%s", note.text);
    mock_stop(m);
    struct mock_config off = {.admin_port = MOCK_ADMIN_OFF};
    CLEANUP(rig_stop) struct mock *n = rig_start(&off);
    CU_ASSERT_EQUAL(mock_admin_port(n), 0);
}

/* ---- several workers, everything at once ---- */

struct stress {
    pthread_t thread;
    struct mock *mock;
    int wrong;
};

static void *run_stress(void *ctx)
{
    struct stress *s = ctx;
    for (int i = 0; i < 30; i++) {
        CLEANUP(reply_release) struct reply r = ask(s->mock, i % 2 == 0 ? CONVERSE : STREAM, HELLO);
        s->wrong += r.status != 200;
    }
    return NULL;
}

static void workers_share_script_journal_and_gates(void)
{
    struct mock_config config = {.workers = 3, .journal_bytes = 30000};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct stress threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        threads[i] = (struct stress){.mock = m};
        if (pthread_create(&threads[i].thread, NULL, run_stress, &threads[i]) != 0)
            abort();
    }
    for (int i = 0; i < 20; i++) {
        script(m, "{\"replies\":[{\"times\":3,\"reply\":{" ANSWER ",\"gates\":[{\"before_event\":1,\"name\":\"g\"}]}}],"
                  "\"canaries\":{\"c\":\"never there\"}}");
        CLEANUP(reply_release)
        struct reply f = admin(m, "POST", "/faults", "{\"faults\":[{\"id\":\"shred\",\"bytes\":64}]}");
        CLEANUP(reply_release) struct reply w = admin(m, "GET", "/journal?count=1&timeout_ms=1", "");
        CLEANUP(reply_release) struct reply g = admin(m, "POST", "/gate", "{\"open\":\"g\"}");
        CLEANUP(reply_release) struct reply x = admin(m, "POST", "/reset", "{\"keep\":[\"gates\"]}");
        CU_ASSERT_EQUAL(x.status, 200);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        (void)pthread_join(threads[i].thread, NULL);
        CLAIM(threads[i].wrong == 0, "%d wrong answers", threads[i].wrong);
    }
}

/* mock_start() looks for two free ports next to each other, and starts its workers anew for each try. */
static void workers_that_counted_nothing_leave_nothing(void)
{
    struct mock m = {.metrics = metrics_new()};
    CU_ASSERT_FATAL(m.metrics != NULL);
    for (int i = 0; i < 64; i++)
        operations_worker_stop(&m, operations_worker_start(&m, NULL));
    CU_ASSERT_EQUAL(metrics_blocks(m.metrics), 0);
    struct worker *one = operations_worker_start(&m, NULL), *two = operations_worker_start(&m, NULL);
    CU_ASSERT_FATAL(one != NULL && two != NULL);
    metrics_begin(one->metrics, 7);
    operations_worker_stop(&m, one);
    operations_worker_stop(&m, two);
    CU_ASSERT_EQUAL(metrics_blocks(m.metrics), 1); /* what was counted stays */
    metrics_free(m.metrics);
}

static void sessions_count_always_and_an_unknown_one_is_told(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.admin_port = 0});
    for (int i = 0; i < 2; i++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    CLEANUP(reply_release) struct reply sessions = admin(m, "GET", "/sessions", "");
    CLAIM(number_at(sessions.json, "/sessions/0/calls") == 2, "%s", buf_text(&sessions.body));
    CLEANUP(reply_release) struct reply main_one = admin(m, "GET", "/journal?session=", "");
    CLAIM(cJSON_GetArraySize(json_at(main_one.json, "/entries")) == 2 && json_at(main_one.json, "/unknown_session") == NULL,
          "%s", buf_text(&main_one.body));
    static const char *const paths[] = {"/journal?session=zz", "/journal?session=zz&count=1&timeout_ms=10"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        CLEANUP(reply_release) struct reply none = admin(m, "GET", paths[i], "");
        CLAIM(none.status == 200 && cJSON_GetArraySize(json_at(none.json, "/entries")) == 0 &&
                  cJSON_IsTrue(json_at(none.json, "/unknown_session")),
              "%s: %s", paths[i], buf_text(&none.body));
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a gate holds an event until it opens", a_gate_holds_an_event_until_it_opens},
        {"a client that leaves is seen leaving", a_client_that_leaves_is_seen_leaving},
        {"a reader may wait for entries", a_reader_may_wait_for_entries},
        {"readers that wait do not outlive the mock", readers_that_wait_do_not_outlive_the_mock},
        {"secrets never reach the journal", secrets_never_reach_the_journal},
        {"canaries are found and never told", canaries_are_found_and_never_told},
        {"the journal keeps bytes as they came", the_journal_keeps_bytes_as_they_came},
        {"the journal has a limit", the_journal_has_a_limit},
        {"the admin API says what is wrong", the_admin_api_says_what_is_wrong},
        {"the admin port follows the other", the_admin_port_follows_the_other},
        {"workers share script, journal and gates", workers_share_script_journal_and_gates},
        {"workers that counted nothing leave nothing", workers_that_counted_nothing_leave_nothing},
        {"sessions count always, and an unknown one is told", sessions_count_always_and_an_unknown_one_is_told},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_admin", tests);
}
