/* The admin API as an instrument: filters and pages of the journal, verdicts on what was called, metrics, the token. */
#include <pthread.h>

#include "mock_rig.h"

#define SAY(text) "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"" text "\"}]}]}"

/* Five entries: two Converse, a stream, a bad body, a bad signature in session "s". */
static struct mock *five(struct mock_config *config)
{
    struct mock *m = rig_start(config);
    static const struct key wrong = {MOCK_DEFAULT_ACCESS_KEY, "wrong", NULL, "bedrock", "us-east-1", false, 0};
    CLEANUP(reply_release) struct reply a = ask(m, CONVERSE, SAY("one"));
    CLEANUP(reply_release) struct reply b = ask(m, CONVERSE, SAY("two"));
    CLEANUP(reply_release) struct reply c = ask(m, STREAM, SAY("two"));
    CLEANUP(reply_release) struct reply d = ask(m, CONVERSE, "{\"messages\":7}");
    struct http_headers h;
    http_headers_init(&h);
    http_headers_add(&h, "x-mohs-session", "s");
    CLEANUP(reply_release) struct reply e = fetch(mock_port(m), "POST", CONVERSE, SAY("one"), &h, &wrong);
    http_headers_release(&h);
    CLAIM(a.status == 200 && b.status == 200 && c.status == 200 && d.status == 400 && e.status == 403, "%d %d %d %d %d",
          a.status, b.status, c.status, d.status, e.status);
    CLEANUP(reply_release) struct reply all = admin(m, "GET", "/journal?count=5&timeout_ms=60000", "");
    CLAIM(cJSON_GetArraySize(json_at(all.json, "/entries")) == 5, "%s", buf_text(&all.body));
    return m;
}

/* "1,3": the numbers of the entries. */
static void numbers_of(const cJSON *entries, struct buf *out)
{
    const cJSON *e;
    cJSON_ArrayForEach(e, entries) buf_addf(out, "%s%.0f", out->len > 0 ? "," : "", number_at(e, "/seq"));
}

static void the_journal_is_filtered(void)
{
    static const struct {
        const char *query, *expected;
    } vectors[] = {
        {"operation=Converse", "1,2,4,5"},
        {"operation=GetCallerIdentity", ""},
        {"operation=Converse*", "1,2,3,4,5"},
        {"operation=ConverseStream", "3"},
        {"model=anthropic.*", "1,2,3,4,5"},
        {"model=anthropic.claude-3-haiku-20240307-v1%3A0&since=3", "4,5"},
        {"model=meta.*", ""},
        {"status=200", "1,2,3"},
        {"status=4xx", "4,5"},
        {"status=403", "5"},
        {"verdict=valid", "1,2,3,4"},
        {"verdict=signature", "5"},
        {"source=default", "1,2,3"},
        {"source=scr*", ""},
        {"source=record", ""},
        {"verdict=val?d", "1,2,3,4"},
        {"source=refusal&status=400", "4"},
        {"session=s", "5"},
        {"session=", "1,2,3,4"},
        {"operation=Converse&count=4&timeout_ms=60000", "1,2,4,5"},
        {"fixture=*", "1,2,3,4,5"},
        {"fixture=none", ""},
    };
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = five(&config);
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        char path[256];
        CLEANUP(buf_release) struct buf got = BUF_INIT(BUF_ANY);
        (void)snprintf(path, sizeof path, "/journal?%s", vectors[i].query);
        CLEANUP(reply_release) struct reply r = admin(m, "GET", path, "");
        numbers_of(json_at(r.json, "/entries"), &got);
        CLAIM(strcmp(buf_text(&got), vectors[i].expected) == 0, "?%s: %s, expected %s", vectors[i].query,
              buf_text(&got), vectors[i].expected);
        CLAIM(number_at(r.json, "/next") == 5, "?%s: next is %.0f", vectors[i].query, number_at(r.json, "/next"));
    }
}

static void a_wrong_query_is_told(void)
{
    static const struct {
        const char *query, *words;
    } vectors[] = {
        {"opration=x", "did you mean \\\"operation\\\"?"}, {"status=4x", "?status: expected"},
        {"status=999", "?status: expected"},      {"limit=-1", "?limit: expected a number"},
        {"since=", "?since: expected"},           {"timeout_ms=600001", "at most"},
        {"limit=0", "?limit: expected a number from 1"},
        {"operation=Convers", "?operation: there is no operation \\\"Convers\\\"; did you mean \\\"Converse\\\"?"},
        {"source=scrpt", "?source: no entry has \\\"scrpt\\\"; did you mean \\\"script\\\"?"},
        {"verdict=vald", "did you mean \\\"valid\\\"?"},
        {"model=%zz", "?model: expected"},        {"operation=", "?operation: expected"},
    };
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "/journal?%s", vectors[i].query);
        CLEANUP(reply_release) struct reply r = admin(m, "GET", path, "");
        CLAIM(r.status == 400 && strstr(buf_text(&r.body), vectors[i].words) != NULL, "?%s: %d %s", vectors[i].query,
              r.status, buf_text(&r.body));
    }
}

static void pages_of_the_journal_hold_every_entry_once(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = five(&config);
    CLEANUP(buf_release) struct buf seen = BUF_INIT(BUF_ANY);
    double next = 0;
    for (int pages = 0; pages < 10; pages++) {
        char path[256];
        (void)snprintf(path, sizeof path, "/journal?operation=Converse&limit=2&since=%.0f", next);
        CLEANUP(reply_release) struct reply r = admin(m, "GET", path, "");
        CLAIM(cJSON_GetArraySize(json_at(r.json, "/entries")) <= 2, "%s", buf_text(&r.body));
        numbers_of(json_at(r.json, "/entries"), &seen);
        buf_addc(&seen, '|');
        next = number_at(r.json, "/next");
        if (!cJSON_IsTrue(json_at(r.json, "/more")))
            break;
    }
    CLAIM(strcmp(buf_text(&seen), "1,2|,4,5|") == 0, "%s", buf_text(&seen));
    CLEANUP(reply_release) struct reply one = admin(m, "GET", "/journal/3", "");
    CLAIM(one.status == 200 && number_at(one.json, "/seq") == 3 &&
              strcmp(text_at(one.json, "/operation"), "ConverseStream") == 0,
          "%s", buf_text(&one.body));
    static const struct {
        const char *path;
        int status;
    } bad[] = {{"/journal/6", 404}, {"/journal/0", 404}, {"/journal/x", 400}, {"/journal/", 404}, {"/journal/1x", 400}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(reply_release) struct reply r = admin(m, "GET", bad[i].path, "");
        CLAIM(r.status == bad[i].status, "%s: %d %s", bad[i].path, r.status, buf_text(&r.body));
    }
}

static void calls_are_verified(void)
{
    static const struct {
        const char *body, *expected; /* words of the answer */
    } vectors[] = {
        {"{}", "{\"ok\":true,\"count\":5,\"entries\":[1,2,3,4,5]"},
        {"{\"match\":{\"operation\":\"Converse\"},\"times\":4}", "{\"ok\":true,\"count\":4"},
        {"{\"match\":{\"operation\":\"Converse\"},\"times\":3}", "expected exactly 3 matching requests, found 4"},
        {"{\"match\":{\"user\":\"two\"},\"times\":{\"min\":1,\"max\":2}}",
         "{\"ok\":true,\"count\":2,\"entries\":[2,3]"},
        {"{\"match\":{\"user\":\"two\"},\"times\":{\"max\":1}}", "expected at most 1 matching request, found 2"},
        {"{\"match\":{\"user\":\"three\"},\"times\":0}", "{\"ok\":true,\"count\":0"},
        {"{\"match\":{\"user\":\"three\",\"operation\":\"ConverseStream\"}}",
         "nearest other is entry 3, whose user does not hold"},
        {"{\"match\":{\"user\":\"three\"},\"times\":{\"min\":2}}", "\"expected\":\"\\\"three\\\"\""},
        {"{\"match\":{\"model\":\"anthropic.*\",\"stream\":true}}", "\"entries\":[3]"},
        {"{\"match\":{\"status\":403}}", "\"entries\":[5]"},
        {"{\"match\":{\"status\":\"403\"}}", "\"entries\":[5]"},
        {"{\"match\":{\"status\":\"4xx\"},\"times\":2}", "{\"ok\":true,\"count\":2,\"entries\":[4,5]"},
        {"{\"match\":{\"status\":\"5XX\"}}", "expected at least 1 matching request, found 0"},
        {"{\"match\":{\"status\":\"4x\"}}", "/match/status: expected a status as 429, or \\\"4xx\\\""},
        {"{\"match\":{\"status\":{\"$in\":[\"4xx\"]}}}", "\"warnings\":[\"/match/status/$in/0: is a whole number"},
        {"{\"match\":{\"user\":\"two\"},\"times\":{\"min\":3}}", "expected at least 3 matching requests, found 2"},
        {"{\"match\":{\"verdict\":\"valid\",\"source\":\"default\"},\"times\":3}", "\"entries\":[1,2,3]"},
        {"{\"match\":{\"verdict\":\"expired\"}}", "whose verdict does not hold: at /verdict"},
        {"{\"match\":{\"at\":{\"/messages/0/role\":\"user\"}},\"times\":4}", "{\"ok\":true,\"count\":4"},
        {"{\"match\":{\"body\":{\"messages\":7}}}", "\"entries\":[4]"},
        {"{\"match\":{\"principal\":\"" MOCK_DEFAULT_ACCESS_KEY "\"},\"times\":5}", "{\"ok\":true"},
        {"{\"match\":{\"headers\":{\"authorization\":{\"$contains\":\"Signature=<redacted>\"}}},\"times\":5}",
         "{\"ok\":true"},
        {"{\"match\":{\"$or\":[{\"user\":\"one\"},{\"status\":400}]},\"times\":3}", "\"entries\":[1,4,5]"},
        {"{\"session\":\"s\",\"match\":{\"user\":\"one\"},\"times\":1}", "\"entries\":[5]"},
        {"{\"session\":\"\",\"match\":{\"user\":\"one\"},\"times\":1}", "\"entries\":[1]"},
        {"{\"since\":3,\"times\":2}", "\"entries\":[4,5]"},
        {"{\"match\":{\"usr\":\"x\"}}", "/match/usr: nobody knows this key; did you mean \\\"user\\\"?"},
        {"{\"match\":{\"user\":{\"$regx\":\"x\"}}}", "$regx"},
        {"{\"mach\":{}}", "did you mean \\\"match\\\"?"},
        {"{\"times\":-1}", "/times: expected a whole number from 0"},
        {"{\"times\":{\"min\":3,\"max\":2}}", "min is above max"},
        {"{\"times\":{\"mni\":3}}", "/times/mni"},
        {"{\"times\":{}}", "/times: expected"},
        {"{\"timeout_ms\":600001}", "/timeout_ms: expected"},
        {"[]", "/: expected an object"},
    };
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = five(&config);
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/verify", vectors[i].body);
        CLAIM(r.json != NULL && strstr(buf_text(&r.body), vectors[i].expected) != NULL, "%s: %s", vectors[i].body,
              buf_text(&r.body));
        CLAIM((r.status == 200) == (json_at(r.json, "/ok") != NULL), "%s: %d", vectors[i].body, r.status);
    }
}

struct question {
    struct mock *mock;
    const char *body;
    struct reply reply;
};

static void *ask_question(void *ctx)
{
    struct question *q = ctx;
    q->reply = admin(q->mock, "POST", "/verify", q->body);
    return NULL;
}

struct caller {
    pthread_t thread;
    struct mock *mock;
    int status;
};

static void *call_and_wait(void *ctx)
{
    struct caller *c = ctx;
    CLEANUP(reply_release) struct reply r = ask(c->mock, CONVERSE, SAY("two"));
    c->status = r.status;
    return NULL;
}

/* The third matching request comes while the question waits, and others that do not match come before it. The reply to
 * it is held at a gate until the verdict is there: a call counts when it came in. */
static void a_verdict_waits_for_what_is_missing(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = five(&config);
    struct question q = {m, "{\"match\":{\"user\":\"two\"},\"times\":3,\"timeout_ms\":60000}", {.status = 0}};
    pthread_t thread;
    uint64_t began = now_ns();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, ask_question, &q), 0);
    for (int i = 0; i < 3; i++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, SAY("other"));
        CU_ASSERT_EQUAL(r.status, 200);
    }
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"x\",\"head_gate\":\"g\"}}]}");
    struct caller caller = {.mock = m};
    CU_ASSERT_EQUAL_FATAL(pthread_create(&caller.thread, NULL, call_and_wait, &caller), 0);
    (void)pthread_join(thread, NULL);
    CLEANUP(reply_release) struct reply held = admin(m, "GET", "/journal/9", "");
    CLAIM(cJSON_IsNull(json_at(held.json, "/delivered")), "the verdict waited for the end of the reply: %s", buf_text(&held.body));
    CLEANUP(reply_release) struct reply opened = admin(m, "POST", "/gate", "{\"open\":\"g\"}");
    (void)pthread_join(caller.thread, NULL);
    CU_ASSERT_EQUAL(caller.status, 200);
    CLEANUP(reply_release) struct reply r = q.reply;
    CLAIM(cJSON_IsTrue(json_at(r.json, "/ok")) && number_at(r.json, "/count") == 3, "%s", buf_text(&r.body));
    CLAIM(now_ns() - began < 50000000000u, "answered by its timer");
    CLEANUP(reply_release)
    struct reply late = admin(m, "POST", "/verify", "{\"match\":{\"user\":\"two\"},\"times\":4,\"timeout_ms\":30}");
    CLAIM(strstr(buf_text(&late.body), "expected exactly 4 matching requests, found 3") != NULL, "%s",
          buf_text(&late.body));
    CLEANUP(reply_release)
    struct reply many = admin(m, "POST", "/verify", "{\"match\":{\"user\":\"two\"},\"times\":1,\"timeout_ms\":60000}");
    CLAIM(cJSON_IsFalse(json_at(many.json, "/ok")), "%s", buf_text(&many.body)); /* more cannot become less: no wait */
}

static void nothing_is_verified_without_a_journal(void)
{
    struct mock_config config = {.journal_bytes = MOCK_JOURNAL_OFF};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply r = admin(m, "POST", "/verify", "{\"times\":0}");
    CLAIM(r.status == 400 && strstr(buf_text(&r.body), "keeps no journal") != NULL, "%d %s", r.status,
          buf_text(&r.body));
}

static bool has_line(const struct reply *r, const char *line)
{
    const char *at = strstr(buf_text(&r->body), line);
    return at != NULL && at[strlen(line)] == '\n' && at > r->body.data && at[-1] == '\n';
}

static void metrics_count_what_happened(void)
{
    static const char *const lines[] = {
        "mohs_build_info{version=\"" MOHS_VERSION "\"} 1",
        "mohs_requests_total{operation=\"Converse\",status=\"200\",source=\"default\"} 2",
        "mohs_requests_total{operation=\"Converse\",status=\"400\",source=\"refusal\"} 1",
        "mohs_requests_total{operation=\"Converse\",status=\"403\",source=\"refusal\"} 1",
        "mohs_requests_total{operation=\"Converse\",status=\"429\",source=\"script\"} 1",
        "mohs_requests_total{operation=\"ConverseStream\",status=\"200\",source=\"default\"} 1",
        "mohs_requests_total{operation=\"none\",status=\"404\",source=\"refusal\"} 1",
        "mohs_refusals_total{layer=\"auth\"} 1",
        "mohs_refusals_total{layer=\"constraint\"} 1",
        "mohs_refusals_total{layer=\"routing\"} 1",
        "mohs_refusals_total{layer=\"throttle\"} 0",
        "mohs_faults_total{code=\"ERR-11\",fault=\"ThrottlingException\"} 1",
        "mohs_replies_total{end=\"complete\"} 7",
        "mohs_requests_in_flight 0",
        "mohs_journal_entries 7",
        "mohs_connections_total 7",
    };
    struct mock_config config = {.workers = 3};
    CLEANUP(rig_stop) struct mock *m = five(&config);
    CLEANUP(reply_release) struct reply lost = ask(m, "/nowhere", "");
    script(m, "{\"replies\":[{\"reply\":{\"faults\":[{\"id\":\"ThrottlingException\"}]}}]}");
    CLEANUP(reply_release) struct reply throttled = ask(m, CONVERSE, HELLO);
    CU_ASSERT_EQUAL(throttled.status, 429);
    CLEANUP(reply_release) struct reply all = admin(m, "GET", "/journal?count=7&timeout_ms=60000", "");
    CLEANUP(reply_release) struct reply r = admin(m, "GET", "/metrics", "");
    CU_ASSERT_EQUAL(r.status, 200);
    CLAIM(strcmp(header(&r, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8") == 0, "%s",
          header(&r, "Content-Type"));
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        CLAIM(has_line(&r, lines[i]), "no %s in %s", lines[i], buf_text(&r.body));
    uint64_t events = 0; /* as the journal has them */
    const cJSON *e;
    cJSON_ArrayForEach(e, json_at(all.json, "/entries")) events += (uint64_t)number_at(e, "/delivered/events");
    char frames[64];
    (void)snprintf(frames, sizeof frames, "mohs_stream_frames_total %llu", (unsigned long long)events);
    CLAIM(events > 2 && has_line(&r, frames), "no %s", frames);
    CLEANUP(reply_release) struct reply x = admin(m, "POST", "/reset", "{}");
    CLEANUP(reply_release) struct reply after = admin(m, "GET", "/metrics", "");
    CLAIM(has_line(&after, lines[1]) && has_line(&after, "mohs_journal_entries 0"), "%s", buf_text(&after.body));
}

/* Every line is a comment, or a name with labels and a number; each name has its HELP and TYPE before it, once. */
static void metrics_are_in_the_form_that_prometheus_reads(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = five(&config);
    CLEANUP(reply_release) struct reply r = admin(m, "GET", "/metrics", "");
    struct span rest = buf_span(&r.body), line;
    char name[128] = "";
    size_t samples = 0;
    CU_ASSERT(r.body.len > 0 && r.body.data[r.body.len - 1] == '\n');
    while (rest.n > 0) {
        (void)span_split(rest, '\n', &line, &rest);
        CLEANUP(free_ptr) char *text = span_dup(line);
        char type[16], own[128];
        if (sscanf(text, "# HELP %127s ", name) == 1)
            continue;
        if (sscanf(text, "# TYPE %127s %15s", own, type) == 2) {
            CLAIM(strcmp(own, name) == 0 && (strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0), "%s", text);
            continue;
        }
        size_t n = strcspn(text, "{ ");
        CLAIM(n == strlen(name) && strncmp(text, name, n) == 0, "%s is not below the TYPE of %s", text, name);
        const char *value = strrchr(text, ' ');
        CLAIM(value != NULL && value[1] != '\0' && strspn(value + 1, "0123456789") == strlen(value + 1), "%s", text);
        samples++;
    }
    CLAIM(samples > 20, "%zu samples", samples);
}

static void the_token_is_wanted_by_every_request(void)
{
    static const struct {
        const char *authorization;
        int status;
    } vectors[] = {
        {NULL, 401},           {"Bearer s3same", 200}, {"bearer  s3same", 200},
        {"Bearer s3sam", 401}, {"Bearer s3samf", 401}, {"Bearer s3samee", 401},
        {"Bearer", 401},       {"Basic s3same", 401},  {"s3same", 401},
    };
    static const char *const paths[] = {"/health", "/metrics", "/journal", "/nowhere"};
    struct mock_config config = {.admin_token = "s3same"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        for (size_t k = 0; k < COUNT_OF(paths); k++) {
            struct http_headers h;
            http_headers_init(&h);
            if (vectors[i].authorization != NULL)
                http_headers_add(&h, "Authorization", vectors[i].authorization);
            CLEANUP(reply_release) struct reply r = fetch(mock_admin_port(m), "GET", paths[k], "", &h, NULL);
            int want = vectors[i].status == 200 && k == 3 ? 404 : vectors[i].status;
            CLAIM(r.status == want, "%s with %s: %d, expected %d", paths[k],
                  vectors[i].authorization != NULL ? vectors[i].authorization : "nothing", r.status, want);
            CLAIM(r.status != 401 || (strstr(buf_text(&r.body), "Bearer TOKEN") != NULL &&
                                      strcmp(header(&r, "WWW-Authenticate"), "Bearer") == 0 &&
                                      strstr(buf_text(&r.body), "s3sam") == NULL),
                  "%s", buf_text(&r.body));
            http_headers_release(&h);
        }
    CLEANUP(reply_release)
    struct reply bedrock = ask(m, CONVERSE, HELLO); /* the other port has nothing to do with it */
    CU_ASSERT_EQUAL(bedrock.status, 200);
    struct mock *none = NULL;
    struct note note = {""};
    struct mock_config empty = {.admin_token = ""};
    CU_ASSERT_EQUAL(mock_start(&empty, &none, &note), ERR_INVALID);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"the journal is filtered", the_journal_is_filtered},
        {"a wrong query is told", a_wrong_query_is_told},
        {"pages of the journal hold every entry once", pages_of_the_journal_hold_every_entry_once},
        {"calls are verified", calls_are_verified},
        {"a verdict waits for what is missing", a_verdict_waits_for_what_is_missing},
        {"nothing is verified without a journal", nothing_is_verified_without_a_journal},
        {"metrics count what happened", metrics_count_what_happened},
        {"metrics are in the form that Prometheus reads", metrics_are_in_the_form_that_prometheus_reads},
        {"the token is wanted by every request", the_token_is_wanted_by_every_request},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_admin_verify", tests);
}
