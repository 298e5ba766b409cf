/* The reference gateway over the wire, in front of a mock: what goes upstream, what comes back, retries, cancellation, and
 * that each kind of mutation can be seen where suites/README.md says it acts. */
#include "gateway/gateway.h"

#include <unistd.h>

#include "mock_rig.h"
#include "protocol/data.h"

#define MODEL "anthropic.claude-3-haiku-20240307-v1:0"
#define TOKEN "a-session-token"
#define CHAT(more) "{\"model\":\"fast\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]" more "}"

struct rig {
    struct mock *mock;
    struct gateway *gateway;
};

static void rig_down(struct rig *r)
{
    gateway_stop(r->gateway);
    mock_stop(r->mock);
}

static struct rig rig_up_impatient(const char *token, const char *client_key, unsigned idle_timeout_ms)
{
    static const struct gateway_model models[] = {{.name = "fast", .id = MODEL}};
    struct mock_key key = {MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, token, NULL};
    struct mock_config config = {.auth = MOCK_AUTH_NONE, .keys = &key, .key_count = 1};
    struct rig r = {rig_start(&config), NULL};
    char upstream[64];
    struct note note = {""};
    (void)snprintf(upstream, sizeof upstream, "http://127.0.0.1:%u", mock_port(r.mock));
    struct gateway_config c = {.upstream = upstream, .access_key = MOCK_DEFAULT_ACCESS_KEY, .secret = MOCK_DEFAULT_SECRET,
                               .session_token = token, .client_key = client_key, .models = models, .model_count = COUNT_OF(models),
                               .retries = 2, .idle_timeout_ms = idle_timeout_ms, .control_port = 0};
    if (gateway_start(&c, &r.gateway, &note) != OK) {
        (void)fprintf(stderr, "the gateway does not start: %s\n", note.text);
        abort();
    }
    return r;
}

static struct rig rig_up(const char *token, const char *client_key)
{
    return rig_up_impatient(token, client_key, 0);
}

static struct reply send_to(const struct rig *r, const char *method, const char *path, const char *body, const struct http_headers *more)
{
    return fetch(gateway_port(r->gateway), method, path, body, more, NULL);
}

static void mutate(const struct rig *r, const char *mutation)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_addf(&body, "{\"mutations\":[%s]}", mutation);
    CLEANUP(reply_release) struct reply a =
        fetch(gateway_control_port(r->gateway), "POST", "/mutate", buf_text(&body), NULL, NULL);
    CLAIM(a.status == 200, "%s: %s", mutation, buf_text(&a.body));
}

static void fresh(const struct rig *r, const char *scripted)
{
    CLEANUP(reply_release) struct reply a = admin(r->mock, "POST", "/reset", "{}");
    CLEANUP(reply_release) struct reply b = fetch(gateway_control_port(r->gateway), "POST", "/reset", "{}", NULL, NULL);
    CU_ASSERT(a.status == 200 && b.status == 200);
    if (scripted != NULL)
        script(r->mock, scripted);
}

static cJSON *journal(const struct rig *r)
{
    CLEANUP(reply_release) struct reply a = admin(r->mock, "GET", "/journal", "");
    cJSON *taken = a.json;
    a.json = NULL;
    return taken;
}

/* ---- what goes up, what comes down ---- */

static void a_call_is_signed_and_says_nothing_of_the_client(void)
{
    CLEANUP(rig_down) struct rig r = rig_up(TOKEN, "sk-client-canary");
    struct http_headers more;
    http_headers_init(&more);
    static const char *const sent[][2] = {{"Authorization", "Bearer sk-client-canary"}, {"x-api-key", "sk-client-canary"},
                                          {"x-amz-security-token", "sk-client-canary"}, {"x-amz-date", "20000101T000000Z"},
                                          {"traceparent", "sk-client-canary"}, {"X-Forwarded-For", "10.0.0.1"}, {"TE", "trailers"}};
    for (size_t i = 0; i < COUNT_OF(sent); i++)
        http_headers_add(&more, sent[i][0], sent[i][1]);
    fresh(&r, "{\"replies\":[{\"reply\":{\"text\":\"hello\"}}],\"canaries\":{\"k\":\"sk-client-canary\"}}");
    CLEANUP(reply_release) struct reply a = send_to(&r, "POST", "/v1/chat/completions", CHAT(""), &more);
    http_headers_release(&more);
    CLEANUP(json_free) cJSON *j = journal(&r);
    CU_ASSERT_EQUAL(a.status, 200);
    CU_ASSERT_STRING_EQUAL(text_at(a.json, "/choices/0/message/content"), "hello");
    CU_ASSERT_STRING_EQUAL(text_at(a.json, "/model"), "fast");
    CU_ASSERT_STRING_EQUAL(text_at(j, "/entries/0/signature/verdict"), "valid");
    CU_ASSERT_STRING_EQUAL(text_at(j, "/entries/0/signature/signed_headers"), "content-type;host;x-amz-date;x-amz-security-token");
    CU_ASSERT_STRING_EQUAL(text_at(j, "/entries/0/target"), "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(j, "/entries/0/canaries")), 0);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(j, "/entries/0/headers")), 6);
}

/* The rows of the translator's table once more, judged by the mock: what we send is what a strict Bedrock takes. */
static void every_translated_request_is_valid(void)
{
    struct span bytes = SPAN_EMPTY;
    CLEANUP(json_free) cJSON *table = NULL;
    CU_ASSERT_EQUAL_FATAL(data_load("fixtures/gateway/requests.json", &bytes, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(json_parse(bytes, JSON_COMPACT, &table, NULL), OK);
    CLEANUP(rig_down) struct rig r = rig_up(NULL, NULL);
    const cJSON *row;
    cJSON_ArrayForEach(row, json_member(table, "rows"))
    {
        if (json_str(row, "fail") != NULL)
            continue;
        CLEANUP(json_free) cJSON *in = cJSON_Duplicate(json_member(row, "in"), true), *hi = NULL;
        (void)json_set_string(in, "model", json_str(row, "model") != NULL ? json_str(row, "model") : MODEL);
        if (json_member(in, "messages") == NULL && json_parse(SPAN_LIT("[{\"role\":\"user\",\"content\":\"hi\"}]"), 0, &hi, NULL) == OK)
            (void)json_set(in, "messages", hi);
        hi = NULL;
        CLEANUP(free_ptr) char *body = json_text(in, JSON_COMPACT);
        CLEANUP(reply_release) struct reply a = send_to(&r, "POST", "/v1/chat/completions", body, NULL);
        CLAIM(a.status == 200, "%s %s: %d %s", json_str(row, "id"), json_str(row, "claim"), a.status, buf_text(&a.body));
    }
}

static void the_door_is_kept(void)
{
    static const struct {
        const char *method, *path, *key, *body;
        int status;
        const char *code;
    } rows[] = {
        {"GET", "/health", NULL, "", 200, ""},
        {"GET", "/v1/models", NULL, "", 401, "invalid_api_key"},
        {"GET", "/v1/models", "Bearer no", "", 401, "invalid_api_key"},
        {"GET", "/v1/models", "Bearer key", "", 200, ""},
        {"GET", "/v1/models", "bearer key", "", 200, ""},
        {"GET", "/v1/models/fast", "Bearer key", "", 200, ""},
        {"GET", "/v1/models/slow", "Bearer key", "", 404, "model_not_found"},
        {"GET", "/v1/nothing", "Bearer key", "", 404, "unknown_route"},
        {"GET", "/v1/chat/completions", "Bearer key", "", 405, "method_not_allowed"},
        {"POST", "/v1/chat/completions", "Bearer key", "{oops", 400, ""},
        {"POST", "/v1/chat/completions", "Bearer key", "[]", 400, ""},
        {"POST", "/v1/chat/completions", "Bearer key", "{\"messages\":[]}", 400, ""},
        {"POST", "/v1/chat/completions", NULL, CHAT(""), 401, "invalid_api_key"},
        {"POST", "/model/a/b/converse", "Bearer key", "{}", 404, ""},
    };
    CLEANUP(rig_down) struct rig r = rig_up(NULL, "key");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_headers more;
        http_headers_init(&more);
        if (rows[i].key != NULL)
            http_headers_add(&more, "Authorization", rows[i].key);
        CLEANUP(reply_release) struct reply a = send_to(&r, rows[i].method, rows[i].path, rows[i].body, &more);
        http_headers_release(&more);
        CLAIM(a.status == rows[i].status && a.json != NULL && strcmp(text_at(a.json, "/error/code"), rows[i].code) == 0, "%s %s: %d %s",
              rows[i].method, rows[i].path, a.status, buf_text(&a.body));
        CLAIM(a.status == 200 || strncmp(rows[i].path, "/model", 6) == 0 || text_at(a.json, "/error/type")[0] != '\0', "%s", buf_text(&a.body));
    }
    CLEANUP(json_free) cJSON *j = journal(&r);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_member(j, "entries")), 0);
}

static void native_calls_go_through_as_they_are(void)
{
    CLEANUP(rig_down) struct rig r = rig_up(NULL, NULL);
    static const char body[] = "{ \"messages\": [ {\"role\":\"user\",\"content\":[{\"text\":\"h\\u00e9\"}]} ] }";
    static const char *const targets[] = {"/model/anthropic.claude-3-haiku-20240307-v1:0/converse",
                                          "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"};
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        fresh(&r, "{\"replies\":[{\"reply\":{\"text\":\"yes\",\"extra\":{\"unknown\":{\"kept\":[1]}}}}]}");
        CLEANUP(reply_release) struct reply a = send_to(&r, "POST", targets[i], body, NULL);
        CLEANUP(json_free) cJSON *j = journal(&r);
        CU_ASSERT_EQUAL(a.status, 200);
        CU_ASSERT_EQUAL(number_at(a.json, "/unknown/kept/0"), 1);
        CU_ASSERT_STRING_EQUAL(text_at(j, "/entries/0/target"), targets[i]);
        CU_ASSERT_STRING_EQUAL(text_at(j, "/entries/0/body"), body);
        CU_ASSERT_STRING_EQUAL(text_at(j, "/entries/0/signature/verdict"), "valid");
    }
    fresh(&r, "{\"replies\":[{\"reply\":{\"error\":{\"type\":\"ResourceNotFoundException\",\"message\":\"gone\"}}}]}");
    CLEANUP(reply_release) struct reply refused = send_to(&r, "POST", targets[1], body, NULL);
    CU_ASSERT_EQUAL(refused.status, 404);
    CU_ASSERT_STRING_EQUAL(text_at(refused.json, "/message"), "gone");
    CU_ASSERT_TRUE(strncmp(header(&refused, "x-amzn-errortype"), "ResourceNotFoundException", 25) == 0);
}

static void nobody_upstream_is_a_bad_gateway(void)
{
    struct gateway *g = NULL;
    struct note note = {""};
    struct gateway_config c = {.upstream = "http://127.0.0.1:1", .access_key = "a", .secret = "b", .retries = 1,
                               .control_port = GATEWAY_CONTROL_OFF};
    CU_ASSERT_EQUAL_FATAL(gateway_start(&c, &g, &note), OK);
    for (int stream = 0; stream < 2; stream++) {
        CLEANUP(reply_release) struct reply a = fetch(gateway_port(g), "POST", "/v1/chat/completions",
                                                      stream ? CHAT(",\"stream\":true") : CHAT(""), NULL, NULL);
        CLAIM(a.status == 502 && text_at(a.json, "/error/message")[0] != '\0', "%d %s", a.status, buf_text(&a.body));
    }
    gateway_stop(g);
    static const char *const wrong[] = {"", "127.0.0.1:80", "ftp://x", "http://"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        c.upstream = wrong[i];
        CLAIM(gateway_start(&c, &g, &note) == ERR_INVALID && g == NULL, "'%s'", wrong[i]);
    }
}

/* What an upstream can do to us, and what a client must see of it: status, a text that is there, one that is not. */
static const struct {
    const char *reply; /* members of the scripted reply */
    bool stream;
    int status;
    const char *there, *absent;
} faults[] = {
    {"\"text\":\"héllo 😀\",\"faults\":[{\"id\":\"shred\"}]", true, 200, "[DONE]", "error"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"merge\"}]", true, 200, "[DONE]", "error"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"unknown-event\",\"at_event\":1}]", true, 200, "[DONE]", "error"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"no-metadata\"}]", true, 200, "[DONE]", "error"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"no-message-stop\"}]", true, 200, "stream_cut", "[DONE]"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"cut-fin\",\"at_event\":2}]", true, 200, "stream_cut", "[DONE]"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"cut-rst\",\"at_event\":2}]", true, 200, "stream_cut", "[DONE]"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"cut-clean\",\"at_event\":2}]", true, 200, "stream_cut", "\"finish_reason\":\""},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"cut-fin\",\"at_byte\":200}]", true, 200, "stream_cut", "[DONE]"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"bad-prelude-crc\",\"at_event\":2}]", true, 200, "prelude_crc", "[DONE]"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"bad-message-crc\",\"at_event\":1}]", true, 200, "message_crc", "hello"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"bad-message-crc\",\"at_event\":0}]", true, 502, "message_crc", "data:"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"exception\",\"at_event\":0,\"type\":\"throttlingException\"}]", true, 429, "rate_limit_error", "data:"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"error-frame\",\"at_event\":2}]", true, 200, "\"error\"", "[DONE]"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"stall\",\"at_event\":2}]", true, 200, "stream_cut", "[DONE]"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"stall\",\"at_event\":0}]", true, 504, "timeout_error", "data:"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"empty-200\"}]", true, 502, "server_error", "data:"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"html-503\"}]", true, 503, "server_error", "html>"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"coral-200\"}]", true, 502, "server_error", "data:"},
    {"\"error\":{\"type\":\"ThrottlingException\",\"message\":\"slow\"}", true, 429, "slow", "data:"},
    {"\"text\":\"hello\",\"latency_ms\":5000", false, 504, "timeout_error", "hello"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"html-503\"}]", false, 503, "server_error", "html>"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"coral-200\"}]", false, 502, "server_error", "Coral"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"empty-200\"}]", false, 502, "server_error", "hello"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"truncated-json\",\"at_byte\":40}]", false, 502, "not JSON", "hello"},
    {"\"text\":\"hello\",\"faults\":[{\"id\":\"cut-fin\",\"at_byte\":40}]", false, 502, "server_error", "hello"},
    {"\"error\":{\"type\":\"ThrottlingException\",\"status\":400,\"style\":\"type\",\"message\":\"slow\"}", false, 429, "slow", "hello"},
    {"\"error\":{\"type\":\"ValidationException\",\"message\":\"bad\"}", false, 400, "bad", "hello"},
};

static void faults_of_upstream_reach_the_client_as_what_they_are(void)
{
    CLEANUP(rig_down) struct rig r = rig_up_impatient(NULL, NULL, 400);
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        CLEANUP(buf_release) struct buf scripted = BUF_INIT(BUF_ANY);
        buf_addf(&scripted, "{\"replies\":[{\"times\":\"always\",\"reply\":{%s}}]}", faults[i].reply);
        fresh(&r, buf_text(&scripted));
        CLEANUP(reply_release) struct reply a =
            send_to(&r, "POST", "/v1/chat/completions", faults[i].stream ? CHAT(",\"stream\":true") : CHAT(""), NULL);
        const char *body = buf_text(&a.body);
        CLAIM(a.error == OK && a.status == faults[i].status && strstr(body, faults[i].there) != NULL && strstr(body, faults[i].absent) == NULL,
              "%s%s: %d %s", faults[i].reply, faults[i].stream ? " streamed" : "", a.status, body);
        CLAIM(a.status == 200 || text_at(a.json, "/error/message")[0] != '\0', "%s: no error object: %s", faults[i].reply, body);
    }
}

/* ---- one observation of one request ---- */

struct scene {
    const char *name, *script, *path, *body;
};

enum { UNARY, STREAM_OK, STREAM_FAULT, BUSY, BUSY_ONCE, BAD, NATIVE, NATIVE_STREAM };

#define DELTAS "{\"replies\":[{\"reply\":{\"content\":[{\"text\":\"one é two\",\"$deltas\":[\"one \",\"é\",\" two\"]}]}}]}"
static const struct scene scenes[] = {
    [UNARY] = {"unary", "{\"replies\":[{\"reply\":{\"text\":\"hello\"}}]}", "/v1/chat/completions", CHAT("")},
    [STREAM_OK] = {"stream", DELTAS, "/v1/chat/completions", CHAT(",\"stream\":true,\"stream_options\":{\"include_usage\":true}")},
    [STREAM_FAULT] = {"exception",
                      "{\"replies\":[{\"reply\":{\"frames\":[{\"event\":\"messageStart\",\"payload\":{\"role\":\"assistant\"}},"
                      "{\"event\":\"contentBlockDelta\",\"payload\":{\"contentBlockIndex\":0,\"delta\":{\"text\":\"a\"}}},"
                      "{\"exception\":\"throttlingException\",\"payload\":{\"message\":\"slow\"}}]}}]}",
                      "/v1/chat/completions", CHAT(",\"stream\":true")},
    [BUSY] = {"busy", "{\"replies\":[{\"times\":\"always\",\"reply\":{\"error\":{\"type\":\"ThrottlingException\",\"message\":\"busy\"}}}]}",
              "/v1/chat/completions", CHAT("")},
    [BUSY_ONCE] = {"busy once",
                   "{\"replies\":[{\"reply\":{\"error\":{\"type\":\"ServiceUnavailableException\",\"message\":\"busy\"}}},{\"reply\":{\"text\":\"hello\"}}]}",
                   "/v1/chat/completions", CHAT("")},
    [BAD] = {"bad", "{\"replies\":[{\"times\":\"always\",\"reply\":{\"error\":{\"type\":\"ValidationException\",\"message\":\"bad\"}}}]}",
             "/v1/chat/completions", CHAT("")},
    [NATIVE] = {"native", "{\"replies\":[{\"reply\":{\"text\":\"hello\"}}]}", CONVERSE, HELLO},
    [NATIVE_STREAM] = {"native stream", DELTAS, STREAM, HELLO},
};

static void add_calls(const struct rig *r, struct buf *out)
{
    CLEANUP(json_free) cJSON *j = journal(r);
    const cJSON *e;
    buf_addf(out, "calls=%d;", cJSON_GetArraySize(json_member(j, "entries")));
    cJSON_ArrayForEach(e, json_member(j, "entries"))
    {
        const cJSON *pair;
        buf_addf(out, "[%s %s %s %s signed=%s body=%s", text_at(e, "/target"), text_at(e, "/signature/verdict"), text_at(e, "/signature/region"),
                 text_at(e, "/signature/service"), text_at(e, "/signature/signed_headers"), text_at(e, "/body"));
        cJSON_ArrayForEach(pair, json_member(e, "headers"))
            if (strncasecmp(text_at(pair, "/0"), "x-probe", 7) == 0)
                buf_addf(out, " %s=%s", text_at(pair, "/0"), text_at(pair, "/1"));
        buf_adds(out, "];");
    }
}

/* The answer without what differs from run to run: ids and dates. */
static void add_answer(const struct reply *a, struct buf *out)
{
    static const char *const marks[] = {"chatcmpl-", "\"created\":", "\"p\":\""};
    buf_addf(out, "status=%d;type=%s;probe=%s;", a->status, header(a, "content-type"), header(a, "x-probe"));
    if (strstr(header(a, "content-type"), "eventstream") != NULL) {
        enum es_error end;
        CLEANUP(json_free) cJSON *events = events_of(&a->body, &end);
        const cJSON *e;
        cJSON_ArrayForEach(e, events)
            buf_addf(out, "%s %s|", text_at(e, "/name"), text_at(e, "/payload/delta/text"));
        buf_adds(out, es_error_name(end));
        return;
    }
    for (const char *p = buf_text(&a->body); *p != '\0';) {
        size_t skip = 0;
        for (size_t i = 0; i < COUNT_OF(marks); i++)
            if (strncmp(p, marks[i], strlen(marks[i])) == 0)
                skip = strlen(marks[i]);
        if (skip > 0) {
            p += skip;
            p += strspn(p, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        } else {
            buf_addc(out, *p++);
        }
    }
}

static void observe(const struct rig *r, const struct scene *scene, const char *mutation, struct buf *out)
{
    fresh(r, scene->script);
    if (mutation != NULL)
        mutate(r, mutation);
    CLEANUP(reply_release) struct reply a = send_to(r, "POST", scene->path, scene->body, NULL);
    add_calls(r, out);
    add_answer(&a, out);
}

static int times(const struct buf *text, const char *needle)
{
    int n = 0;
    for (const char *p = strstr(buf_text(text), needle); p != NULL; p = strstr(p + 1, needle))
        n++;
    return n;
}

static void without_mutations_every_scene_is_in_order(void)
{
    static const struct {
        int scene;
        const char *needle;
        int times;
    } rows[] = {
        {UNARY, "calls=1;", 1}, {UNARY, " valid us-east-1 bedrock ", 1}, {UNARY, "\"content\":\"hello\"", 1},
        {STREAM_OK, "data: [DONE]", 1}, {STREAM_OK, "\"role\":\"assistant\"", 1}, {STREAM_OK, "\"finish_reason\":\"stop\"", 1}, {STREAM_OK, "\"choices\":[],\"usage\"", 1},
        {STREAM_OK, "\"content\":\"é\"", 1},
        {STREAM_FAULT, "rate_limit_error", 1}, {STREAM_FAULT, "[DONE]", 0}, {STREAM_FAULT, "\"finish_reason\":\"", 0}, {STREAM_FAULT, "status=200", 1},
        {BUSY, "calls=3;", 1}, {BUSY, "status=429", 1}, {BUSY, " valid ", 3},
        {BUSY_ONCE, "calls=2;", 1}, {BUSY_ONCE, "\"content\":\"hello\"", 1}, {BUSY_ONCE, "body={\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}", 2},
        {BAD, "calls=1;", 1}, {BAD, "status=400", 1},
        {NATIVE, "\"text\":\"hello\"", 2},
        {NATIVE_STREAM, "contentBlockDelta é|", 1}, {NATIVE_STREAM, "metadata |ok", 1},
    };
    CLEANUP(rig_down) struct rig r = rig_up(TOKEN, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf seen = BUF_INIT(BUF_ANY);
        observe(&r, &scenes[rows[i].scene], NULL, &seen);
        CLAIM(times(&seen, rows[i].needle) == rows[i].times, "%s: %s: %s", scenes[rows[i].scene].name, rows[i].needle, buf_text(&seen));
    }
}

/* Each row: with the mutation the needle is there so often; without it, another number of times. */
static const struct {
    const char *mutation;
    int scene;
    const char *needle;
    int times;
} mutants[] = {
    {"{\"on\":\"upstream.body\",\"op\":\"add\",\"path\":\"/n\",\"value\":12345678901234567890}", UNARY, "\"n\":12345678901234567890", 1},
    {"{\"on\":\"upstream.body\",\"op\":\"remove\",\"path\":\"/messages/0/content\"}", NATIVE, "\"hello\"}]", 0},
    {"{\"on\":\"upstream.header\",\"op\":\"set\",\"name\":\"x-probe\",\"value\":\"1\"}", UNARY, ";x-probe", 1},
    {"{\"on\":\"upstream.header\",\"op\":\"set\",\"name\":\"x-probe\",\"value\":\"1\",\"after_signing\":true}", UNARY, " x-probe=1", 1},
    {"{\"on\":\"upstream.header\",\"op\":\"remove\",\"name\":\"content-type\"}", UNARY, "signed=host;", 1},
    {"{\"on\":\"upstream.path\",\"value\":\"/v2${path}\"}", UNARY, "[/v2/model/", 1},
    {"{\"on\":\"upstream.sign\",\"do\":\"single-encode-path\"}", UNARY, "converse signature ", 1},
    {"{\"on\":\"upstream.sign\",\"do\":\"wrong-region\"}", UNARY, " eu-west-3 ", 1},
    {"{\"on\":\"upstream.sign\",\"do\":\"wrong-service\"}", UNARY, " bedrock-runtime ", 1},
    {"{\"on\":\"upstream.sign\",\"do\":\"host-without-port\"}", UNARY, "converse signature ", 1},
    {"{\"on\":\"upstream.sign\",\"do\":\"empty-body-hash\"}", UNARY, " valid ", 0},
    {"{\"on\":\"upstream.sign\",\"do\":\"drop-token\"}", UNARY, "x-amz-security-token", 0},
    {"{\"on\":\"upstream.sign\",\"do\":\"unsigned-token\"}", UNARY, "x-amz-security-token", 0},
    {"{\"on\":\"upstream.sign\",\"do\":\"bearer\"}", UNARY, "converse bearer ", 1},
    {"{\"on\":\"upstream.sign\",\"do\":\"none\"}", UNARY, "converse missing-auth ", 1},
    {"{\"on\":\"upstream.sign\",\"do\":\"stale-date\"}", UNARY, "converse expired ", 1},
    {"{\"on\":\"upstream.call\",\"do\":\"skip\"}", UNARY, "calls=0;", 1},
    {"{\"on\":\"upstream.call\",\"do\":\"skip\"}", STREAM_OK, "calls=0;", 1},
    {"{\"on\":\"upstream.call\",\"do\":\"twice\"}", UNARY, "calls=2;", 1},
    {"{\"on\":\"upstream.call\",\"do\":\"twice\"}", STREAM_OK, "calls=2;", 1},
    {"{\"on\":\"upstream.call\",\"do\":\"no-retry\"}", BUSY, "calls=1;", 1},
    {"{\"on\":\"upstream.call\",\"do\":\"retry-forever\"}", BUSY, "calls=26;", 1},
    {"{\"on\":\"upstream.call\",\"do\":\"retry-4xx\"}", BAD, "calls=3;", 1},
    {"{\"on\":\"upstream.call\",\"do\":\"retry-changed-body\"}", BUSY_ONCE, "changed by a retry", 1},
    {"{\"on\":\"client.status\",\"value\":418}", UNARY, "status=418", 1},
    {"{\"on\":\"client.status\",\"value\":203}", STREAM_OK, "status=203", 1},
    {"{\"on\":\"client.header\",\"op\":\"set\",\"name\":\"x-probe\",\"value\":\"1\"}", UNARY, "probe=1", 1},
    {"{\"on\":\"client.header\",\"op\":\"set\",\"name\":\"Content-Type\",\"value\":\"text/plain\"}", STREAM_OK, "type=text/plain", 1},
    {"{\"on\":\"client.header\",\"op\":\"remove\",\"name\":\"Content-Type\"}", UNARY, "type=;", 1},
    {"{\"on\":\"client.body\",\"op\":\"replace\",\"path\":\"/choices/0/index\",\"value\":7}", UNARY, "\"index\":7", 1},
    {"{\"on\":\"client.body\",\"op\":\"add\",\"path\":\"/x\",\"value\":7}", NATIVE, "\"x\":7", 1},
    {"{\"on\":\"client.raw\",\"value\":\"<html>\"}", UNARY, ";<html>", 1},
    {"{\"on\":\"client.chunk\",\"op\":\"replace\",\"path\":\"/choices/0/index\",\"value\":7}", STREAM_OK, "\"index\":7", 5},
    {"{\"on\":\"client.chunk\",\"op\":\"replace\",\"path\":\"/model\",\"value\":\"x\",\"at\":2}", STREAM_OK, "\"model\":\"x\"", 1},
    {"{\"on\":\"client.chunk\",\"op\":\"replace\",\"path\":\"/choices\",\"value\":7,\"at\":\"last\"}", STREAM_OK, "\"choices\":7,\"usage\"", 1},
    {"{\"on\":\"client.chunk\",\"op\":\"replace\",\"path\":\"/delta/text\",\"value\":\"X\",\"at\":1}", NATIVE_STREAM, "contentBlockDelta X|", 1},
    {"{\"on\":\"client.stream\",\"do\":\"drop-frame\",\"at\":2}", STREAM_OK, "\"content\":\"é\"", 0},
    {"{\"on\":\"client.stream\",\"do\":\"drop-frame\"}", NATIVE_STREAM, "contentBlockDelta one |", 0},
    {"{\"on\":\"client.stream\",\"do\":\"duplicate-frame\",\"at\":2}", STREAM_OK, "\"content\":\"é\"", 2},
    {"{\"on\":\"client.stream\",\"do\":\"swap-frames\"}", NATIVE_STREAM, "contentBlockDelta é|contentBlockDelta one |", 1},
    {"{\"on\":\"client.stream\",\"do\":\"strip-role\"}", STREAM_OK, "\"role\":\"assistant\"", 0},
    {"{\"on\":\"client.stream\",\"do\":\"repeat-role\"}", STREAM_OK, "\"role\":\"assistant\"", 5},
    {"{\"on\":\"client.stream\",\"do\":\"early-done\"}", STREAM_OK, "[DONE]\n\ndata: {", 1},
    {"{\"on\":\"client.stream\",\"do\":\"no-done\"}", STREAM_OK, "[DONE]", 0},
    {"{\"on\":\"client.stream\",\"do\":\"double-done\"}", STREAM_OK, "[DONE]\n\ndata: [DONE]", 1},
    {"{\"on\":\"client.stream\",\"do\":\"content-after-finish\"}", STREAM_OK, "afterthought", 1},
    {"{\"on\":\"client.stream\",\"do\":\"no-finish\"}", STREAM_OK, "\"finish_reason\":\"stop\"", 0},
    {"{\"on\":\"client.stream\",\"do\":\"double-finish\"}", STREAM_OK, "\"finish_reason\":\"stop\"", 2},
    {"{\"on\":\"client.stream\",\"do\":\"swallow-error\"}", STREAM_FAULT, "rate_limit_error", 0},
    {"{\"on\":\"client.stream\",\"do\":\"swallow-error\"}", STREAM_FAULT, "[DONE]", 1},
    {"{\"on\":\"client.stream\",\"do\":\"finish-after-error\"}", STREAM_FAULT, "\"finish_reason\":\"stop\"", 1},
    {"{\"on\":\"client.stream\",\"do\":\"corrupt-utf8\",\"at\":2}", STREAM_OK, "\xff", 1},
    {"{\"on\":\"client.stream\",\"do\":\"corrupt-utf8\"}", STREAM_OK, "\xff", 1},
    {"{\"on\":\"client.stream\",\"do\":\"bad-crc\"}", NATIVE_STREAM, "message_crc", 1},
};

static void every_mutation_shows_where_it_should(void)
{
    CLEANUP(rig_down) struct rig r = rig_up(TOKEN, NULL);
    for (size_t i = 0; i < COUNT_OF(mutants); i++) {
        CLEANUP(buf_release) struct buf plain = BUF_INIT(BUF_ANY), mutated = BUF_INIT(BUF_ANY);
        observe(&r, &scenes[mutants[i].scene], NULL, &plain);
        observe(&r, &scenes[mutants[i].scene], mutants[i].mutation, &mutated);
        CLAIM(times(&mutated, mutants[i].needle) == mutants[i].times, "%s: %s", mutants[i].mutation, buf_text(&mutated));
        CLAIM(times(&plain, mutants[i].needle) != mutants[i].times, "%s shows without it: %s", mutants[i].mutation, buf_text(&plain));
    }
}

/* ---- causality: gates in the mock, a client that counts ---- */

struct listener {
    struct loop *loop;
    const struct rig *rig;
    struct call *call;
    struct buf heard;
    size_t stop_at;    /* chunks with content after which we hang up; 0: never */
    bool wait_head;    /* hang up before anything came, by a timer: when upstream has been called for a while */
    size_t contents;
    bool over, cut;
    struct client_result result;
    struct timer timer;
    int looks; /* how often the call was seen to run upstream */
};

static bool listen_data(void *ctx, struct span bytes, uint64_t at_ns)
{
    struct listener *l = ctx;
    (void)at_ns;
    buf_add(&l->heard, bytes);
    l->contents = (size_t)times(&l->heard, "\"content\":\"x");
    if (l->stop_at > 0 && l->contents >= l->stop_at) {
        call_cancel(l->call);
        l->over = l->cut = true;
    }
    return true;
}

static void listen_done(void *ctx, const struct client_result *result)
{
    struct listener *l = ctx;
    l->result = *result;
    l->over = true;
}

static bool listen_over(void *ctx)
{
    const struct listener *l = ctx;
    return l->over;
}

static void hang_up(void *ctx)
{
    struct listener *l = ctx;
    CLEANUP(reply_release) struct reply a = admin(l->rig->mock, "GET", "/journal", "");
    l->looks += json_at(a.json, "/entries/0") != NULL;
    if (l->looks < 2) {
        timer_set(l->loop, &l->timer, now_ns() + 300000000, hang_up, l);
        return;
    }
    call_cancel(l->call);
    l->over = l->cut = true;
}

/* Ask for a stream and listen until it is over, or we have hung up. */
static void listen_to(const struct rig *r, struct listener *l)
{
    struct note note = {""};
    l->loop = loop_new(&note);
    l->rig = r;
    buf_init(&l->heard, BUF_ANY);
    struct client *client = client_new(l->loop, &note);
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/chat/completions", gateway_port(r->gateway));
    struct client_request request = {.url = url, .body = SPAN_LIT(CHAT(",\"stream\":true"))};
    struct client_events events = {NULL, listen_data, listen_done};
    l->call = client_start(client, &request, &events, l, &note);
    if (l->wait_head)
        timer_set(l->loop, &l->timer, now_ns() + 300000000, hang_up, l);
    CLAIM(loop_run_until(l->loop, listen_over, l, now_ns() + PATIENCE_MS * UINT64_C(1000000)) == OK, "the stream never came to an end: %s", buf_text(&l->heard));
    timer_cancel(&l->timer);
    client_free(client);
    loop_free(l->loop);
}

/* Wait until the mock says how its first call ended, or, where it should not, for a while. */
static const char *delivered(const struct rig *r, bool ends, cJSON **j)
{
    CLEANUP(reply_release)
    struct reply a = admin(r->mock, "GET", ends ? "/journal?count=1&timeout_ms=60000" : "/journal?count=1&timeout_ms=1500", "");
    *j = a.json;
    a.json = NULL;
    return text_at(*j, "/entries/0/delivered/end");
}

#define GATED "{\"replies\":[{\"reply\":{\"content\":[{\"text\":\"xxxx\",\"$deltas\":[\"x\",\"x\",\"x\",\"x\"]}],\"gates\":[{\"before_event\":3,\"name\":\"shut\"}]}}]}"

static void what_upstream_said_arrives_while_it_is_silent_and_leaving_cancels(void)
{
    CLEANUP(rig_down) struct rig r = rig_up(NULL, NULL);
    fresh(&r, GATED);
    struct listener l = {.stop_at = 2}; /* events 1 and 2; the gate is before 3 and never opens */
    listen_to(&r, &l);
    CLEANUP(json_free) cJSON *j = NULL;
    CU_ASSERT_TRUE(l.cut);
    CU_ASSERT_STRING_EQUAL(delivered(&r, true, &j), "peer-closed");
    buf_release(&l.heard);
}

static void leaving_before_the_first_byte_cancels(void)
{
    CLEANUP(rig_down) struct rig r = rig_up(NULL, NULL);
    fresh(&r, "{\"replies\":[{\"reply\":{\"text\":\"x\",\"head_gate\":\"shut\"}}]}");
    struct listener l = {.wait_head = true};
    listen_to(&r, &l);
    CLEANUP(json_free) cJSON *j = NULL;
    CU_ASSERT_TRUE(l.cut && l.heard.len == 0);
    CU_ASSERT_STRING_EQUAL(delivered(&r, true, &j), "peer-closed");
    buf_release(&l.heard);
}

static void a_mutated_gateway_keeps_the_call_of_a_client_that_left(void)
{
    CLEANUP(rig_down) struct rig r = rig_up(NULL, NULL);
    fresh(&r, GATED);
    mutate(&r, "{\"on\":\"upstream.call\",\"do\":\"keep-after-disconnect\"}");
    struct listener l = {.stop_at = 2};
    listen_to(&r, &l);
    CLEANUP(json_free) cJSON *j = NULL, *later = NULL;
    CU_ASSERT_STRING_EQUAL(delivered(&r, false, &j), "");
    CLEANUP(reply_release) struct reply a = admin(r.mock, "POST", "/gate", "{\"open\":\"shut\"}");
    CU_ASSERT_EQUAL(a.status, 200);
    CU_ASSERT_STRING_EQUAL(delivered(&r, true, &later), "complete");
    json_free(&later);
    buf_release(&l.heard);
}

static void stopping_with_a_call_running_leaks_nothing(void)
{
    CLEANUP(rig_down) struct rig r = rig_up(NULL, NULL);
    fresh(&r, GATED);
    mutate(&r, "{\"on\":\"upstream.call\",\"do\":\"keep-after-disconnect\"}");
    struct listener l = {.stop_at = 2};
    listen_to(&r, &l);
    CU_ASSERT_TRUE(l.cut); /* the address sanitizer has the last word */
    buf_release(&l.heard);
}

static void a_buffering_gateway_never_gets_to_the_gate(void)
{
    CLEANUP(rig_down) struct rig r = rig_up(NULL, NULL);
    fresh(&r, GATED);
    mutate(&r, "{\"on\":\"client.stream\",\"do\":\"buffer-all\"}");
    struct listener l = {.stop_at = 1, .wait_head = true};
    listen_to(&r, &l);
    CU_ASSERT_EQUAL(l.contents, 0);
    buf_release(&l.heard);
}

/* A client that does not read: what the gateway takes from upstream is bounded, and all of it arrives in the end. */
static bool slow_data(void *ctx, struct span bytes, uint64_t at_ns)
{
    struct listener *l = ctx;
    (void)at_ns;
    if (l->contents == 0)
        return false;
    buf_add(&l->heard, bytes);
    return true;
}

static void start_reading(void *ctx)
{
    struct listener *l = ctx;
    CLEANUP(reply_release) struct reply a = admin(l->rig->mock, "GET", "/journal", "");
    l->looks += json_at(a.json, "/entries/0") != NULL;
    if (l->looks < 3) { /* a second in which an unbounded gateway would have taken all of it */
        timer_set(l->loop, &l->timer, now_ns() + 500000000, start_reading, l);
        return;
    }
    CU_ASSERT_TRUE(cJSON_IsNull(json_at(a.json, "/entries/0/delivered")));
    l->contents = 1;
    call_resume(l->call);
}

static void a_slow_client_slows_upstream_and_loses_nothing(void)
{
    enum { FRAMES = 600, SIZE = 40000 }; /* 24 MB, above all that sockets hold */
    CLEANUP(rig_down) struct rig r = rig_up(NULL, NULL);
    CLEANUP(buf_release) struct buf scripted = BUF_INIT(BUF_ANY), piece = BUF_INIT(BUF_ANY);
    for (int i = 0; i < SIZE; i++)
        buf_addc(&piece, 'y');
    buf_adds(&scripted, "{\"replies\":[{\"reply\":{\"frames\":[{\"event\":\"messageStart\",\"payload\":{\"role\":\"assistant\"}}");
    for (int i = 0; i < FRAMES; i++)
        buf_addf(&scripted, ",{\"event\":\"contentBlockDelta\",\"payload\":{\"contentBlockIndex\":0,\"delta\":{\"text\":\"%s\"}}}", buf_text(&piece));
    buf_adds(&scripted, ",{\"event\":\"messageStop\",\"payload\":{\"stopReason\":\"end_turn\"}}]}}]}");
    fresh(&r, buf_text(&scripted));
    struct note note = {""};
    struct listener l = {.rig = &r, .heard = BUF_INIT(BUF_ANY)};
    l.loop = loop_new(&note);
    struct client *client = client_new(l.loop, &note);
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/chat/completions", gateway_port(r.gateway));
    struct client_request request = {.url = url, .body = SPAN_LIT(CHAT(",\"stream\":true"))};
    struct client_events events = {NULL, slow_data, listen_done};
    l.call = client_start(client, &request, &events, &l, &note);
    timer_set(l.loop, &l.timer, now_ns() + 500000000, start_reading, &l);
    enum err e = loop_run_until(l.loop, listen_over, &l, now_ns() + PATIENCE_MS * UINT64_C(1000000));
    CLAIM(e == OK && l.result.error == OK, "%s after %zu bytes: %s", err_name(e), l.heard.len, l.result.text);
    CU_ASSERT_EQUAL(times(&l.heard, "\"content\":\"yyyy"), FRAMES);
    CU_ASSERT_EQUAL(times(&l.heard, "data: [DONE]"), 1);
    client_free(client);
    loop_free(l.loop);
    buf_release(&l.heard);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a_call_is_signed_and_says_nothing_of_the_client", a_call_is_signed_and_says_nothing_of_the_client},
        {"every_translated_request_is_valid", every_translated_request_is_valid},
        {"the_door_is_kept", the_door_is_kept},
        {"native_calls_go_through_as_they_are", native_calls_go_through_as_they_are},
        {"nobody_upstream_is_a_bad_gateway", nobody_upstream_is_a_bad_gateway},
        {"faults_of_upstream_reach_the_client_as_what_they_are", faults_of_upstream_reach_the_client_as_what_they_are},
        {"without_mutations_every_scene_is_in_order", without_mutations_every_scene_is_in_order},
        {"every_mutation_shows_where_it_should", every_mutation_shows_where_it_should},
        {"what_upstream_said_arrives_while_it_is_silent_and_leaving_cancels", what_upstream_said_arrives_while_it_is_silent_and_leaving_cancels},
        {"leaving_before_the_first_byte_cancels", leaving_before_the_first_byte_cancels},
        {"a_mutated_gateway_keeps_the_call_of_a_client_that_left", a_mutated_gateway_keeps_the_call_of_a_client_that_left},
        {"stopping_with_a_call_running_leaks_nothing", stopping_with_a_call_running_leaks_nothing},
        {"a_buffering_gateway_never_gets_to_the_gate", a_buffering_gateway_never_gets_to_the_gate},
        {"a_slow_client_slows_upstream_and_loses_nothing", a_slow_client_slows_upstream_and_loses_nothing},
        CU_TEST_INFO_NULL,
    };
    return unit_main("gateway_wire", tests);
}
