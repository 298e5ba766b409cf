/* Record and replay, with a second mock as the endpoint: what is sent there, what comes back, what is kept, and what it
 * replays. */
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mock/fixture/fixtures.h"
#include "mock/record/record.h"
#include "mock_rig.h"
#include "protocol/file.h"

#define OUR_KEY    "AKIDOURSANDNOTHEIRS0"
#define OUR_SECRET "our+secret/that-stays-here-0123456789"
#define OUR_TOKEN  "our-session-token-0123456789"
#define THEIR_KEY  "bedrock-key-of-the-client-0123456789"
#define CLAUDE     "/model/" HAIKU "/invoke"
#define ASK_CLAUDE                                                                                                     \
    "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":"     \
    "\"hi\"}]}"
#define SAY(text) "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"" text "\"}]}]}"

static const struct mock_key our_key = {OUR_KEY, OUR_SECRET, OUR_TOKEN, NULL};

/* ---- three parties: a client, the mock that records, the endpoint ---- */

struct scene {
    struct mock *endpoint, *recorder;
    char url[64], directory[160];
};

static void remove_directory(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char inside[512];
        (void)snprintf(inside, sizeof inside, "%s/%.200s", path, e->d_name);
        (void)unlink(inside);
    }
    if (d != NULL)
        (void)closedir(d);
    (void)rmdir(path);
}

static void scene_end(struct scene *s)
{
    mock_stop(s->recorder);
    mock_stop(s->endpoint);
    remove_directory(s->directory);
}

static struct mock_config recording(const struct scene *s)
{
    return (struct mock_config){.record = {.url = s->url,
                                           .directory = s->directory,
                                           .access_key = OUR_KEY,
                                           .secret = OUR_SECRET,
                                           .session_token = OUR_TOKEN}};
}

static void scene_begin(struct scene *s, bool misses)
{
    struct mock_config endpoint = {.keys = &our_key, .key_count = 1, .auth = MOCK_AUTH_STRICT};
    *s = (struct scene){.endpoint = rig_start(&endpoint)};
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", mock_port(s->endpoint));
    unit_folder("record", s->directory, sizeof s->directory);
    struct mock_config config = recording(s);
    config.record.misses = misses;
    s->recorder = rig_start(&config);
}

static const struct key their_key = {.access = THEIR_KEY, .bearer = true};

static struct reply ask_with(struct mock *m, const char *method, const char *path, const char *body)
{
    struct http_headers h;
    http_headers_init(&h);
    http_headers_add(&h, "x-api-key", "their-other-key-987654321");
    http_headers_add(&h, "cookie", "session=their-cookie-555");
    http_headers_add(&h, "x-tenant-token-of-some-gateway", "their-unknown-header-777");
    struct reply r = fetch(mock_port(m), method, path, body, &h, &their_key);
    http_headers_release(&h);
    return r;
}

static size_t files_in(const char *path)
{
    size_t n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    if (d != NULL)
        (void)closedir(d);
    return n;
}

/* All that is in the directory, hidden files too. */
static void read_all(const char *path, struct buf *out)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char inside[512];
        struct note note = {""};
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        (void)snprintf(inside, sizeof inside, "%s/%.200s", path, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            file_read(inside, &text, &note) == OK)
            buf_add(out, buf_span(&text));
    }
    if (d != NULL)
        (void)closedir(d);
}

static struct mock *replaying(const struct scene *s, const char *speed)
{
    const char *const paths[] = {s->directory};
    struct mock_config config = {.fixtures = paths,
                                 .fixture_count = 1,
                                 .strict = true,
                                 .validation = MOCK_VALIDATION_RECORD, /* the endpoint has judged */
                                 .replay_speed = speed};
    return rig_start(&config);
}

/* ---- what is recorded replays ---- */

static const char *const what_the_endpoint_says[] = {
    "{\"text\":\"gr\\u00fc\\u00df Gott\",\"latency_ms\":3,\"itl_ms\":2}",
    "{\"frames\":[{\"event\":\"messageStart\",\"payload\":{\"role\":\"assistant\"}},"
    "{\"exception\":\"throttlingException\",\"payload\":{\"message\":\"slow\"},\"after_ms\":2}]}",
    "{\"text\":\"x\",\"faults\":[{\"id\":\"bad-message-crc\",\"at_event\":1}]}",
    "{\"raw\":{\"status\":200,\"headers\":[[\"Content-Type\",\"text/html\"],[\"X-Odd\",\"1\"],[\"X-Odd\",\"2\"],"
    "[\"Set-Cookie\",\"endpoint-cookie-31415926\"]],\"body\":\"<html>\\u00e4 { not json\"}}",
    "{\"raw\":{\"status\":200,\"headers\":[[\"Content-Type\",\"image/png\"]],\"body_base64\":\"iVBORw0KGgoAAAD/\"}}",
    "{\"raw\":{\"status\":200,\"headers\":[[\"Content-Type\",\"application/json\"]],\"body\":\"{ \\\"n\\\": "
    "9007199254740993, \\\"e\\\":1.0 }\"}}",
    "{\"error\":{\"type\":\"ValidationException\",\"message\":\"no\"}}",
    "{\"raw\":{\"status\":200,\"headers\":[[\"Content-Type\",\"text/event-stream\"]],\"body\":\"data: {}\\n\\ndata: "
    "[DONE]\\n\\n\"}}",
    "{\"frames\":[]}",
};

static const struct exchange_row {
    const char *method, *path, *body;
    int says; /* of the table above; -1: the endpoint's own answer */
} exchanges[] = {
    {"POST", CONVERSE, SAY("own"), -1},
    {"POST", STREAM, SAY("own"), -1},
    {"POST", CLAUDE, ASK_CLAUDE, -1},
    {"POST", CLAUDE "-with-response-stream", ASK_CLAUDE, -1},
    {"POST", "/model/amazon.titan-embed-text-v2%3A0/invoke", "{\"inputText\":\"x\"}", -1},
    {"POST", "/model/" HAIKU "/count-tokens", "{\"input\":{\"converse\":" SAY("x") "}}", -1},
    {"GET", "/foundation-models?byProvider=amazon", "", -1},
    {"GET", "/guardrails?maxResults=1", "", -1},
    {"POST", CONVERSE, "{\"messages\":[{\"role\":\"robot\",\"content\":[]}]}", -1}, /* 400: the endpoint judges */
    {"POST", CONVERSE, SAY("0"), 0},
    {"POST", STREAM, SAY("0"), 0},
    {"POST", STREAM, SAY("1"), 1},
    {"POST", STREAM, SAY("2"), 2},
    {"POST", CONVERSE, SAY("3"), 3},
    {"POST", CONVERSE, SAY("4"), 4},
    {"POST", CONVERSE, SAY("5"), 5},
    {"POST", STREAM, SAY("6"), 6},
    {"POST", CONVERSE, SAY("7"), 7},
    {"POST", STREAM, SAY("8"), 8},
};

static void same_reply(const struct exchange_row *x, const struct reply *first, const struct reply *again)
{
    CLAIM(first->error == again->error && first->status == again->status && first->status != 0,
          "%s %s: %d %s, then %d %s", x->path, x->body, first->status, err_name(first->error), again->status,
          err_name(again->error));
    CLAIM(span_equal(buf_span(&first->body), buf_span(&again->body)), "%s %s: %zu bytes, then %zu: %.300s", x->path,
          x->body, first->body.len, again->body.len, buf_text(&again->body));
    size_t compared = 0;
    for (size_t i = 0; i < first->headers.count; i++) {
        const char *name = first->headers.items[i].name;
        if (strcasecmp(name, "Date") == 0 || strcasecmp(name, "Connection") == 0 ||
            strcasecmp(name, "Transfer-Encoding") == 0 || strcasecmp(name, "Content-Length") == 0)
            continue;
        size_t before = 0, same = 0;
        for (size_t k = 0; k < first->headers.count; k++)
            before += strcasecmp(first->headers.items[k].name, name) == 0 &&
                      strcmp(first->headers.items[k].value, first->headers.items[i].value) == 0;
        for (size_t k = 0; k < again->headers.count; k++)
            same += strcasecmp(again->headers.items[k].name, name) == 0 &&
                    strcmp(again->headers.items[k].value, first->headers.items[i].value) == 0;
        CLAIM(before == same, "%s %s: header %s: %s, %zu times, then %zu", x->path, x->body, name,
              first->headers.items[i].value, before, same);
        compared++;
    }
    CLAIM(compared >= 1, "%s: %zu headers", x->path, compared);
}

static void what_is_recorded_replays_byte_for_byte(void)
{
    CLEANUP(scene_end) struct scene s;
    struct reply first[COUNT_OF(exchanges)];
    scene_begin(&s, false);
    for (size_t i = 0; i < COUNT_OF(exchanges); i++) {
        const struct exchange_row *x = &exchanges[i];
        CLEANUP(buf_release) struct buf say = BUF_INIT(BUF_ANY);
        buf_addf(&say, "{\"replies\":[{\"reply\":%s}]}", x->says >= 0 ? what_the_endpoint_says[x->says] : "{}");
        if (x->says >= 0)
            script(s.endpoint, buf_text(&say));
        first[i] = ask_with(s.recorder, x->method, x->path, x->body);
        CLAIM(files_in(s.directory) == i + 1, "%s %s: %zu files: %d %s", x->path, x->body, files_in(s.directory),
              first[i].status, buf_text(&first[i].body));
    }
    CLEANUP(reply_release) struct reply j = admin(s.endpoint, "GET", "/journal", "");
    CLAIM(cJSON_GetArraySize(json_at(j.json, "/entries")) == (int)COUNT_OF(exchanges), "%d came to the endpoint",
          cJSON_GetArraySize(json_at(j.json, "/entries")));
    mock_stop(s.recorder);
    mock_stop(s.endpoint);
    s.recorder = s.endpoint = NULL; /* nobody is there any more whom the replay could ask */
    CLEANUP(rig_stop) struct mock *m = replaying(&s, "0");
    for (size_t i = 0; i < COUNT_OF(exchanges); i++) {
        CLEANUP(reply_release) struct reply again = ask(m, exchanges[i].path, exchanges[i].body);
        if (strcmp(exchanges[i].method, "GET") == 0) {
            reply_release(&again);
            again = fetch(mock_port(m), "GET", exchanges[i].path, "", NULL, &usual_key);
        }
        same_reply(&exchanges[i], &first[i], &again);
        reply_release(&first[i]);
    }
    CLEANUP(reply_release) struct reply other = ask(m, CONVERSE, SAY("never asked"));
    CLAIM(other.status == 400 && strstr(header(&other, "x-amzn-ErrorType"), "MohsFixtureMiss") != NULL, "%d %s",
          other.status, buf_text(&other.body));
}

/* ---- whose name the request bears ---- */

static void the_request_is_signed_anew_and_nothing_of_the_client_leaves(void)
{
    static const char *const secrets[] = {THEIR_KEY, "their-other-key-987654321", "their-cookie-555",
                                          "their-unknown-header-777"};
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, false);
    script(s.endpoint,
           "{\"replies\":[],\"canaries\":{\"key\":\"" THEIR_KEY "\",\"other\":\"their-other-key-987654321\","
           "\"cookie\":\"their-cookie-555\",\"unknown\":\"their-unknown-header-777\"}}");
    for (size_t i = 0; i < COUNT_OF(exchanges); i++) {
        CLEANUP(reply_release)
        struct reply r = ask_with(s.recorder, exchanges[i].method, exchanges[i].path, exchanges[i].body);
        CLAIM(r.status == 200 || r.status == 400, "%s: %d %s", exchanges[i].path, r.status, buf_text(&r.body));
    }
    CLEANUP(reply_release) struct reply j = admin(s.endpoint, "GET", "/journal", "");
    const cJSON *e;
    cJSON_ArrayForEach(e, json_at(j.json, "/entries"))
    {
        CLAIM(strcmp(text_at(e, "/signature/verdict"), "valid") == 0 &&
                  strcmp(text_at(e, "/signature/access_key"), OUR_KEY) == 0,
              "%s: %s by %s", text_at(e, "/target"), text_at(e, "/signature/verdict"),
              text_at(e, "/signature/access_key"));
        CLAIM(cJSON_GetArraySize(json_at(e, "/canaries")) == 0, "%s: something of the client's came along",
              text_at(e, "/target"));
    }
    CLEANUP(buf_release) struct buf all = BUF_INIT(BUF_ANY);
    CLEANUP(reply_release) struct reply own = admin(s.recorder, "GET", "/journal", "");
    read_all(s.directory, &all);
    CU_ASSERT(all.len > 1000);
    buf_add(&all, buf_span(&own.body));
    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        CLAIM(i == 3 || span_find(buf_span(&all), secrets[i]) == NULL, "%s was kept", secrets[i]);
    CLAIM(span_find(buf_span(&all), OUR_SECRET) == NULL && span_find(buf_span(&all), OUR_TOKEN) == NULL &&
              span_find(buf_span(&all), OUR_KEY) == NULL,
          "our own credentials were kept");
}

static void a_cookie_of_the_endpoint_is_not_kept(void)
{
    CLEANUP(scene_end) struct scene s;
    CLEANUP(buf_release) struct buf all = BUF_INIT(BUF_ANY);
    scene_begin(&s, false);
    script(s.endpoint, "{\"replies\":[{\"reply\":{\"raw\":{\"headers\":[[\"Set-Cookie\",\"endpoint-cookie-31415926\"],["
                       "\"X-Plain\",\"kept\"]]"
                       ",\"body_json\":{}}}}]}");
    CLEANUP(reply_release) struct reply r = ask_with(s.recorder, "POST", CONVERSE, HELLO);
    CLAIM(header(&r, "Set-Cookie")[0] == '\0' && strcmp(header(&r, "X-Plain"), "kept") == 0, "%s",
          header(&r, "Set-Cookie"));
    read_all(s.directory, &all);
    CLAIM(span_find(buf_span(&all), "X-Plain") != NULL && span_find(buf_span(&all), "31415926") == NULL, "%s",
          buf_text(&all));
}

/* A prompt that holds the key which it is sent with: relayed, not kept. */
static void what_holds_a_credential_is_not_kept(void)
{
    static const char *const bodies[] = {SAY("my key is " THEIR_KEY), SAY("it is " OUR_SECRET),
                                         SAY("x-api-key: their-other-key-987654321")};
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, true);
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        CLEANUP(reply_release) struct reply r = ask_with(s.recorder, "POST", CONVERSE, bodies[i]);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    CU_ASSERT_EQUAL(files_in(s.directory), 0);
    CLEANUP(reply_release) struct reply j = admin(s.recorder, "GET", "/journal", "");
    CLAIM(strcmp(text_at(j.json, "/entries/0/reply/upstream/not_kept"), "it holds a credential") == 0, "%s",
          buf_text(&j.body));
}

static void a_bearer_key_of_ours_is_sent_as_one(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, false);
    mock_stop(s.endpoint);
    mock_stop(s.recorder);
    const char *const keys[] = {"our-bearer-key-271828"};
    struct mock_config endpoint = {.auth = MOCK_AUTH_BEARER, .bearer_keys = keys, .bearer_key_count = 1};
    s.endpoint = rig_start(&endpoint);
    (void)snprintf(s.url, sizeof s.url, "http://127.0.0.1:%u/", mock_port(s.endpoint));
    struct mock_config config = recording(&s);
    config.record.bearer = keys[0];
    s.recorder = rig_start(&config);
    CLEANUP(reply_release) struct reply r = ask(s.recorder, CONVERSE, HELLO);
    CU_ASSERT_EQUAL(r.status, 200);
    CLEANUP(reply_release) struct reply j = admin(s.endpoint, "GET", "/journal", "");
    CLAIM(strcmp(text_at(j.json, "/entries/0/signature/verdict"), "valid") == 0 &&
              strcmp(text_at(j.json, "/entries/0/signature/form"), "bearer") == 0,
          "%s", buf_text(&j.body));
}

/* ---- when a request goes on ---- */

static void only_misses_go_on_when_so_asked(void)
{
    static const struct {
        const char *body, *source;
    } steps[] = {{SAY("new"), "record"},   {SAY("new"), "fixture"}, {SAY("written"), "fixture"},
                 {SAY("other"), "record"}, {SAY("new"), "fixture"}, {SAY("scripted"), "script"}};
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, false);
    mock_stop(s.recorder);
    char path[192];
    (void)snprintf(path, sizeof path, "%s/hand.json", s.directory);
    FILE *f = fopen(path, "w");
    (void)fputs("{\"fixtures\":[{\"match\":{\"user\":\"written\"},\"reply\":{\"text\":\"by hand\"}}]}", f);
    (void)fclose(f);
    struct mock_config config = recording(&s);
    config.record.misses = true;
    config.strict = true; /* a miss is no error here: it goes on */
    s.recorder = rig_start(&config);
    struct reply first = {.body = BUF_INIT(BUF_ANY)};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        if (strcmp(steps[i].source, "script") == 0)
            script(s.recorder, "{\"replies\":[{\"reply\":{\"text\":\"scripted\"}}]}");
        struct reply r = ask(s.recorder, CONVERSE, steps[i].body);
        CLEANUP(reply_release) struct reply j = admin(s.recorder, "GET", "/journal?count=99&timeout_ms=0", "");
        char pointer[64];
        (void)snprintf(pointer, sizeof pointer, "/entries/%zu/reply/source", i);
        CLAIM(r.status == 200 && strcmp(text_at(j.json, pointer), steps[i].source) == 0, "%zu: %d by %s", i, r.status,
              text_at(j.json, pointer));
        if (i == 0)
            first = r;
        else if (i == 1)
            CU_ASSERT(span_equal(buf_span(&r.body), buf_span(&first.body)));
        if (i > 0)
            reply_release(&r);
    }
    CLEANUP(reply_release) struct reply j = admin(s.endpoint, "GET", "/journal", "");
    CLAIM(cJSON_GetArraySize(json_at(j.json, "/entries")) == 2, "%d went on",
          cJSON_GetArraySize(json_at(j.json, "/entries")));
    mock_stop(s.recorder); /* the next run finds what this one kept */
    s.recorder = rig_start(&config);
    CLEANUP(reply_release) struct reply again = ask(s.recorder, CONVERSE, SAY("new"));
    CU_ASSERT(span_equal(buf_span(&again.body), buf_span(&first.body)));
    CLEANUP(reply_release) struct reply k = admin(s.endpoint, "GET", "/journal", "");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(k.json, "/entries")), 2);
    reply_release(&first);
}

static void the_same_request_twice_is_a_sequence(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, false);
    script(s.endpoint, "{\"replies\":[{\"reply\":{\"text\":\"one\"}},{\"reply\":{\"text\":\"two\"}}]}");
    CLEANUP(reply_release) struct reply a = ask(s.recorder, CONVERSE, HELLO);
    CLEANUP(reply_release) struct reply b = ask(s.recorder, CONVERSE, HELLO);
    CU_ASSERT_EQUAL(files_in(s.directory), 1);
    CLEANUP(rig_stop) struct mock *m = replaying(&s, NULL);
    static const char *const expected[] = {"one", "two", "two"};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CLAIM(strcmp(text_at(r.json, "/output/message/content/0/text"), expected[i]) == 0, "%s", buf_text(&r.body));
    }
    mock_stop(s.recorder); /* another run writes the same file anew */
    struct mock_config config = recording(&s);
    s.recorder = rig_start(&config);
    script(s.endpoint, "{\"replies\":[{\"reply\":{\"text\":\"three\"}}]}");
    CLEANUP(reply_release)
    struct reply c =
        ask(s.recorder, CONVERSE, "{ \"messages\" : [{\"content\":[{\"text\":\"hello\"}],\"role\":\"user\"}]}");
    CU_ASSERT_EQUAL(files_in(s.directory), 1); /* whatever the order of members and the spaces */
    CLEANUP(rig_stop) struct mock *n = replaying(&s, NULL);
    CLEANUP(reply_release) struct reply r = ask(n, CONVERSE, HELLO);
    CLAIM(strcmp(text_at(r.json, "/output/message/content/0/text"), "three") == 0, "%s", buf_text(&r.body));
}

static void what_is_refused_here_does_not_leave(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, false);
    static const struct key wrong = {MOCK_DEFAULT_ACCESS_KEY, "wrong", NULL, "bedrock", "us-east-1", false, 0};
    CLEANUP(reply_release) struct reply a = fetch(mock_port(s.recorder), "POST", CONVERSE, HELLO, NULL, &wrong);
    CLEANUP(reply_release) struct reply b = ask(s.recorder, "/nowhere", HELLO);
    CLEANUP(reply_release)
    struct reply c =
        fetch(mock_port(s.recorder), "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", NULL, NULL);
    CLAIM(a.status == 403 && b.status == 404, "%d %d", a.status, b.status);
    CLEANUP(reply_release) struct reply j = admin(s.endpoint, "GET", "/journal", "");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(j.json, "/entries")), 0);
}

/* ---- streams, as they come ---- */

/* The endpoint holds its third event until the client has something of the stream: who buffers waits for ever. */
struct causal {
    struct client *client;
    struct loop *loop;
    uint16_t gate_port;
    char url[64];
    bool opened, done;
    struct client_result result;
    struct http_headers *headers;
};

static bool some_data(void *ctx, struct span bytes, uint64_t at_ns)
{
    struct causal *c = ctx;
    (void)bytes, (void)at_ns;
    if (!c->opened) {
        static const struct client_events none = {NULL, NULL, NULL};
        struct client_request open = {.url = c->url, .body = SPAN_LIT("{\"open\":\"g\"}"), .timeout_ms = PATIENCE_MS};
        c->opened = client_start(c->client, &open, &none, NULL, NULL) != NULL;
    }
    return true;
}

static void all_done(void *ctx, const struct client_result *result)
{
    struct causal *c = ctx;
    c->result = *result;
    c->done = true;
}

static bool is_done(void *ctx)
{
    return ((struct causal *)ctx)->done;
}

static void a_stream_is_relayed_as_it_comes(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, false);
    script(s.endpoint,
           "{\"replies\":[{\"reply\":{\"text\":\"one two three\",\"gates\":[{\"before_event\":2,\"name\":\"g\"}]}}]}");
    struct causal c = {.loop = loop_new(NULL)};
    c.client = client_new(c.loop, NULL);
    char url[128];
    struct http_headers h;
    http_headers_init(&h);
    http_headers_add(&h, "Content-Type", "application/json");
    sign(&h, mock_port(s.recorder), "POST", STREAM, SPAN_LIT(HELLO), &usual_key);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", mock_port(s.recorder), STREAM);
    (void)snprintf(c.url, sizeof c.url, "http://127.0.0.1:%u/gate", mock_admin_port(s.endpoint));
    struct client_request q = {
        .method = "POST", .url = url, .headers = &h, .body = SPAN_LIT(HELLO), .timeout_ms = PATIENCE_MS};
    static const struct client_events events = {NULL, some_data, all_done};
    CU_ASSERT_PTR_NOT_NULL_FATAL(client_start(c.client, &q, &events, &c, NULL));
    CU_ASSERT_EQUAL(loop_run_until(c.loop, is_done, &c, 0), OK);
    CLAIM(c.opened && c.result.error == OK && c.result.status == 200, "%d, %s", c.result.status,
          err_name(c.result.error));
    CU_ASSERT_EQUAL(files_in(s.directory), 1);
    client_free(c.client);
    loop_free(c.loop);
    http_headers_release(&h);
}

static void a_client_that_leaves_ends_the_call(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, false);
    static const char *const says[] = {"\"gates\":[{\"before_event\":2,\"name\":\"never\"}]",
                                       "\"head_gate\":\"never\""};
    for (size_t i = 0; i < COUNT_OF(says); i++) {
        char text[256], path[128];
        (void)snprintf(text, sizeof text, "{\"replies\":[{\"reply\":{\"text\":\"one two three\",%s}}]}", says[i]);
        script(s.endpoint, text);
        struct http_headers h;
        http_headers_init(&h);
        http_headers_add(&h, "Content-Type", "application/json");
        sign(&h, mock_port(s.recorder), "POST", STREAM, SPAN_LIT(HELLO), &usual_key);
        (void)snprintf(path, sizeof path, "http://127.0.0.1:%u%s", mock_port(s.recorder), STREAM);
        struct client_request q = {
            .method = "POST", .url = path, .headers = &h, .body = SPAN_LIT(HELLO), .timeout_ms = 1500}; /* the call is at the endpoint by then */
        CLEANUP(client_response_release) struct client_response r = {0};
        CU_ASSERT_EQUAL(client_fetch(&q, &r, NULL), ERR_TIMEOUT);
        http_headers_release(&h);
        (void)snprintf(path, sizeof path, "/journal?since=%zu&count=1&timeout_ms=60000", i);
        CLEANUP(reply_release) struct reply j = admin(s.endpoint, "GET", path, "");
        CLAIM(strcmp(text_at(j.json, "/entries/0/delivered/end"), "peer-closed") == 0, "%s", buf_text(&j.body));
        CLEANUP(reply_release) struct reply k = admin(s.recorder, "GET", path, "");
        CLAIM(strstr(text_at(k.json, "/entries/0/reply/upstream/error"), "the client left") != NULL, "%s",
              buf_text(&k.body));
    }
    CU_ASSERT_EQUAL(files_in(s.directory), 0);
}

/* ---- when the endpoint fails ---- */

static void what_the_endpoint_breaks_off_is_cut_and_not_kept(void)
{
    static const struct {
        const char *path, *says;
        int status;
        enum err error;
    } vectors[] = {
        {STREAM, "{\"text\":\"x y z\",\"faults\":[{\"id\":\"cut-fin\",\"at_event\":2}]}", 200, ERR_CLOSED},
        {STREAM, "{\"text\":\"x y z\",\"faults\":[{\"id\":\"cut-rst\",\"at_event\":2}]}", 200, ERR_CLOSED},
        {CONVERSE, "{\"text\":\"x y z\",\"faults\":[{\"id\":\"cut-fin\",\"at_byte\":9}]}", 502, OK},
        {CONVERSE, "{\"error\":{\"type\":\"ThrottlingException\"}}", 429, OK},
        {CONVERSE, "{\"error\":{\"type\":\"AccessDeniedException\"}}", 403, OK},
        {CONVERSE, "{\"error\":{\"type\":\"InternalServerException\"}}", 500, OK},
    };
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, true);
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        CLEANUP(buf_release) struct buf say = BUF_INIT(BUF_ANY);
        buf_addf(&say, "{\"replies\":[{\"reply\":%s}]}", vectors[i].says);
        script(s.endpoint, buf_text(&say));
        CLEANUP(reply_release) struct reply r = ask(s.recorder, vectors[i].path, HELLO);
        CLAIM(r.status == vectors[i].status && r.error == vectors[i].error, "%s: %d, %s", vectors[i].says, r.status,
              err_name(r.error));
        CLAIM(files_in(s.directory) == 0, "%s was kept", vectors[i].says);
    }
}

static void an_endpoint_that_is_not_there_is_told(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, false);
    mock_stop(s.endpoint);
    s.endpoint = NULL;
    CLEANUP(reply_release) struct reply r = ask(s.recorder, STREAM, HELLO);
    CLAIM(r.status == 502 && strstr(header(&r, "x-amzn-ErrorType"), "MohsUpstreamError") != NULL, "%d %s", r.status,
          header(&r, "x-amzn-ErrorType"));
    CLAIM(strstr(text_at(r.json, "/message"), s.url) != NULL, "%s", buf_text(&r.body));
    CLEANUP(reply_release) struct reply j = admin(s.recorder, "GET", "/journal?source=record&status=502", "");
    CLAIM(text_at(j.json, "/entries/0/reply/upstream/error")[0] != '\0', "%s", buf_text(&j.body));
    CLEANUP(reply_release) struct reply k = admin(s.recorder, "GET", "/metrics", "");
    CLAIM(strstr(buf_text(&k.body), "{operation=\"ConverseStream\",status=\"502\",source=\"record\"} 1\n") != NULL,
          "%s", buf_text(&k.body));
}

/* ---- the pace of a replay ---- */

static void recorded_waits_replay_at_any_speed(void)
{
    static const struct {
        const char *speed;
        uint64_t head, piece;
    } vectors[] = {{NULL, 100, 40}, {"1", 100, 40}, {"2", 50, 20}, {"0.5", 200, 80}, {"0", 0, 0}};
    CLEANUP(json_free) cJSON *recorded = NULL;
    CLEANUP(json_free) cJSON *plain = NULL;
    CU_ASSERT_EQUAL(json_parse(SPAN_LIT("{\"recorded\":{}}"), JSON_COMPACT, &recorded, NULL), OK);
    CU_ASSERT_EQUAL(json_parse(SPAN_LIT("{\"latency_ms\":1}"), JSON_COMPACT, &plain, NULL), OK);
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        for (int own = 0; own < 2; own++) {
            double speed = 0;
            struct plan *p = plan_new(200);
            p->head_after_ns = 100;
            (void)plan_add(p, SPAN_LIT("x"), 40, 0);
            (void)plan_add(p, SPAN_LIT("y"), PLAN_NEVER, 1);
            CU_ASSERT_EQUAL(replay_speed_read(vectors[i].speed, &speed, NULL), OK);
            replay_pace(own == 1 ? plain : recorded, speed, p);
            CLAIM(p->head_after_ns == (own == 1 ? 100 : vectors[i].head) &&
                      p->pieces[0].after_ns == (own == 1 ? 40 : vectors[i].piece) &&
                      p->pieces[1].after_ns == PLAN_NEVER,
                  "speed %s: %llu, %llu", vectors[i].speed, (unsigned long long)p->head_after_ns,
                  (unsigned long long)p->pieces[0].after_ns);
            plan_free(p);
        }
    static const char *const bad[] = {"", "fast", "-1", "1x", "nan", "inf", "1e9", "0.0001"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        double speed;
        CLAIM(replay_speed_read(bad[i], &speed, NULL) == ERR_INVALID, "%s is taken", bad[i]);
    }
}

/* Recorded at the endpoint's pace; then frames that took an hour come at once. */
static void the_pace_is_kept_and_can_be_let_go(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, false);
    script(s.endpoint, "{\"replies\":[{\"reply\":{\"frames\":[{\"event\":\"a\",\"payload\":{}},{\"event\":\"b\","
                       "\"payload\":{},\"after_ms\":60}],"
                       "\"latency_ms\":50}}]}");
    CLEANUP(reply_release) struct reply r = ask(s.recorder, STREAM, HELLO);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    CLEANUP(json_free) cJSON *document = NULL;
    read_all(s.directory, &text);
    CU_ASSERT_EQUAL_FATAL(json_parse(buf_span(&text), JSON_COMPACT, &document, NULL), OK);
    CLAIM(number_at(document, "/fixtures/0/reply/latency_ms") >= 50, "%f",
          number_at(document, "/fixtures/0/reply/latency_ms"));
    CLAIM(number_at(document, "/fixtures/0/reply/frames/1/after_ms") >= 40, "%s", buf_text(&text));
    char path[192];
    (void)snprintf(path, sizeof path, "%s/hour.json", s.directory);
    FILE *f = fopen(path, "w");
    (void)fputs("{\"fixtures\":[{\"priority\":1,\"reply\":{\"recorded\":{},\"latency_ms\":3600000,\"frames\":[{"
                "\"event\":\"a\",\"after_ms\":3600000}]}}]}",
                f);
    (void)fclose(f);
    CLEANUP(rig_stop) struct mock *m = replaying(&s, "0");
    CLEANUP(reply_release) struct reply at_once = ask(m, STREAM, HELLO);
    CLAIM(at_once.status == 200 && at_once.error == OK, "%d %s", at_once.status, err_name(at_once.error));
}

/* ---- mistakes ---- */

static void mistakes_are_told_before_anything_is_sent(void)
{
    static const struct {
        struct mock_record record;
        const char *words;
    } vectors[] = {
        {{.url = "http://127.0.0.1:1", .access_key = "a", .secret = "b"}, "--record wants --record-to"},
        {{.directory = "x"}, "--record-to belongs to --record"},
        {{.url = "ftp://x", .directory = "x", .bearer = "b"}, "expected a URL"},
        {{.url = "http://bedrock-runtime.us-east-1.amazonaws.com", .directory = "x", .bearer = "b"}, "in the clear"},
        {{.url = "http://127.0.0.1.evil.example@10.0.0.1", .directory = "x", .bearer = "b"}, "holds credentials"},
        {{.url = "https://", .directory = "x", .bearer = "b"}, "names no host"},
        {{.url = "https://h/?a=b", .directory = "x", .bearer = "b"}, "without a query"},
        {{.url = "https://h", .directory = "x"}, "found none"},
        {{.url = "https://h", .directory = "x", .access_key = "a"}, "found none"},
        {{.url = "https://h", .directory = "/dev/null", .bearer = "b"}, "expected a directory"},
        {{.url = "https://h", .directory = "no/such/place", .bearer = "b"}, "cannot be made"},
    };
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct mock_config config = {.record = vectors[i].record};
        struct mock *m = NULL;
        struct note note = {""};
        enum err e = mock_start(&config, &m, &note);
        CLAIM(e != OK && strstr(note.text, vectors[i].words) != NULL, "%zu: %s: %s", i, err_name(e), note.text);
        mock_stop(m);
    }
}

/* ---- many at once ---- */

struct crowd {
    pthread_t thread;
    struct mock *mock;
    int number, wrong;
};

static void *ask_many(void *ctx)
{
    struct crowd *c = ctx;
    for (int i = 0; i < 20; i++) {
        char body[128];
        (void)snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"%d\"}]}]}", i);
        CLEANUP(reply_release) struct reply r = ask(c->mock, (i + c->number) % 2 == 0 ? STREAM : CONVERSE, body);
        c->wrong += r.status != 200 || r.error != OK;
    }
    return NULL;
}

static void workers_record_side_by_side(void)
{
    for (int misses = 0; misses < 2; misses++) {
        CLEANUP(scene_end) struct scene s;
        scene_begin(&s, false);
        mock_stop(s.recorder);
        struct mock_config config = recording(&s);
        config.workers = 3;
        config.record.misses = misses == 1;
        s.recorder = rig_start(&config);
        struct crowd crowd[6];
        for (int i = 0; i < 6; i++) {
            crowd[i] = (struct crowd){.mock = s.recorder, .number = i};
            if (pthread_create(&crowd[i].thread, NULL, ask_many, &crowd[i]) != 0)
                abort();
        }
        for (int i = 0; i < 6; i++) {
            (void)pthread_join(crowd[i].thread, NULL);
            CLAIM(crowd[i].wrong == 0, "%d wrong answers", crowd[i].wrong);
        }
        CLAIM(files_in(s.directory) == 40, "%zu files", files_in(s.directory));
        CLEANUP(rig_stop) struct mock *m = replaying(&s, "0");
        struct crowd again = {.mock = m};
        (void)ask_many(&again);
        CLAIM(again.wrong == 0, "%d are not replayed", again.wrong);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"what is recorded replays byte for byte", what_is_recorded_replays_byte_for_byte},
        {"the request is signed anew and nothing of the client leaves",
         the_request_is_signed_anew_and_nothing_of_the_client_leaves},
        {"a cookie of the endpoint is not kept", a_cookie_of_the_endpoint_is_not_kept},
        {"what holds a credential is not kept", what_holds_a_credential_is_not_kept},
        {"a bearer key of ours is sent as one", a_bearer_key_of_ours_is_sent_as_one},
        {"only misses go on when so asked", only_misses_go_on_when_so_asked},
        {"the same request twice is a sequence", the_same_request_twice_is_a_sequence},
        {"what is refused here does not leave", what_is_refused_here_does_not_leave},
        {"a stream is relayed as it comes", a_stream_is_relayed_as_it_comes},
        {"a client that leaves ends the call", a_client_that_leaves_ends_the_call},
        {"what the endpoint breaks off is cut and not kept", what_the_endpoint_breaks_off_is_cut_and_not_kept},
        {"an endpoint that is not there is told", an_endpoint_that_is_not_there_is_told},
        {"recorded waits replay at any speed", recorded_waits_replay_at_any_speed},
        {"the pace is kept and can be let go", the_pace_is_kept_and_can_be_let_go},
        {"mistakes are told before anything is sent", mistakes_are_told_before_anything_is_sent},
        {"workers record side by side", workers_record_side_by_side},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_record", tests);
}
