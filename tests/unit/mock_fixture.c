/* Fixtures over the wire: what they match, in which order, how often; templates; strict misses; reloading; sessions. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mock_rig.h"

#define SAY(text) "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"" text "\"}]}]}"

/* ---- a directory of fixtures ---- */

struct folder {
    char path[160];
};

static struct folder folder_new(void)
{
    struct folder f;
    unit_folder("fixtures", f.path, sizeof f.path);
    return f;
}

static void folder_remove(struct folder *f)
{
    char command[192];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->path);
    if (system(command) != 0)
        abort();
}

/* Write beside and rename, as editors do. */
static void put(const struct folder *f, const char *name, const char *text)
{
    char path[256], beside[272];
    (void)snprintf(path, sizeof path, "%s/%s", f->path, name);
    (void)snprintf(beside, sizeof beside, "%s.new", path);
    FILE *out = fopen(beside, "wb");
    if (out == NULL || fputs(text, out) < 0 || fclose(out) != 0 || rename(beside, path) != 0)
        abort();
}

static struct mock *start(const struct folder *f, struct mock_config config)
{
    const char *paths[] = {f->path};
    config.fixtures = paths;
    config.fixture_count = 1;
    return rig_start(&config);
}

static struct mock *start_with(const struct folder *f, const char *fixtures, struct mock_config config)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "{\"fixtures\":[%s]}", fixtures);
    put(f, "a.json", buf_text(&text));
    return start(f, config);
}

/* ---- asking ---- */

static struct reply ask_as(struct mock *m, const char *path, const char *body, const char *name, const char *value)
{
    struct http_headers more;
    http_headers_init(&more);
    if (name != NULL)
        http_headers_add(&more, name, value);
    struct reply r = fetch(mock_port(m), "POST", path, body, &more, &usual_key);
    http_headers_release(&more);
    return r;
}

/* The text that the answer says, or its error's type. */
static void said(struct mock *m, const char *body, const char *session, const char *want)
{
    CLEANUP(reply_release) struct reply r = ask_as(m, CONVERSE, body, session == NULL ? NULL : "X-Mohs-Session", session);
    const char *text = r.status == 200 ? text_at(r.json, "/output/message/content/0/text") : header(&r, "x-amzn-ErrorType");
    CLAIM(strstr(text, want) == text && (want[0] != '\0'), "%s %s: %d %s, expected %s", session == NULL ? "" : session, body,
          r.status, text[0] == '\0' ? buf_text(&r.body) : text, want);
}

/* ---- matching ---- */

static void a_fixture_answers_what_its_match_says(void)
{
    static const struct {
        const char *match, *body;
        bool holds;
    } rows[] = {
        {"{}", HELLO, true},
        {"{\"operation\":\"Converse\"}", HELLO, true},
        {"{\"operation\":\"ConverseStream\"}", HELLO, false},
        {"{\"model\":\"anthropic.claude-3-haiku-20240307-v1:0\"}", HELLO, true},
        {"{\"model\":\"anthropic.*\"}", HELLO, true},
        {"{\"model\":\"*haiku*\"}", HELLO, true},
        {"{\"model\":\"amazon.*\"}", HELLO, false},
        {"{\"model\":{\"$prefix\":\"anthropic.\"}}", HELLO, true},
        {"{\"user\":\"hello\"}", HELLO, true},
        {"{\"user\":{\"$contains\":\"ell\"}}", HELLO, true},
        {"{\"user\":\"hell\"}", HELLO, false},
        {"{\"at\":{\"/messages/0/content/0/text\":\"hello\"}}", HELLO, true},
        {"{\"at\":{\"/messages/0/content/1\":{\"$absent\":true}}}", HELLO, true},
        {"{\"at\":{\"/messages/0/content/1\":{\"$any\":true}}}", HELLO, false},
        {"{\"body\":{\"messages\":[{\"role\":\"user\"}]}}", HELLO, true},
        {"{\"headers\":{\"content-type\":\"application/json\"}}", HELLO, true},
        {"{\"headers\":{\"x-user\":\"me\"}}", HELLO, false},
        {"{\"principal\":\"AKIAIOSFODNN7EXAMPLE\"}", HELLO, true},
        {"{\"principal\":{\"$suffix\":\":user/AKIAIOSFODNN7EXAMPLE\"}}", HELLO, true},
        {"{\"principal\":\"AKIAOTHER\"}", HELLO, false},
        {"{\"turn\":1,\"round\":0,\"replies\":0,\"stream\":false}", HELLO, true},
        {"{\"turn\":2}", HELLO, false},
        {"{\"system\":\"be\\nbrief\"}",
         "{\"system\":[{\"text\":\"be\"},{\"text\":\"brief\"}],\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]}", true},
        {"{\"$or\":[{\"operation\":\"X\"},{\"user\":\"hello\"}]}", HELLO, true},
        {"{\"$not\":{\"user\":\"hello\"}}", HELLO, false},
        {"{\"tools\":{\"$contains\":\"get_weather\"},\"tool_results\":{\"$contains\":{\"id\":\"t1\",\"text\":{\"$contains\":\"rain\"}}},"
         "\"turn\":1,\"round\":1,\"replies\":1,\"user\":\"weather?\"}",
         "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"weather?\"}]},{\"role\":\"assistant\",\"content\":[{\"toolUse\":{"
         "\"toolUseId\":\"t1\",\"name\":\"get_weather\",\"input\":{}}}]},{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":"
         "\"t1\",\"content\":[{\"json\":{\"sky\":\"rain\"}}]}}]}],\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"get_weather\","
         "\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]}}",
         true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(folder_remove) struct folder f = folder_new();
        CLEANUP(buf_release) struct buf one = BUF_INIT(BUF_ANY);
        buf_addf(&one, "{\"match\":%s,\"reply\":{\"text\":\"yes\"}},{\"reply\":{\"text\":\"no\"}}", rows[i].match);
        CLEANUP(rig_stop) struct mock *m = start_with(&f, buf_text(&one), (struct mock_config){0});
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, rows[i].body);
        const char *text = text_at(r.json, "/output/message/content/0/text");
        CLAIM(strcmp(text, rows[i].holds ? "yes" : "no") == 0, "%s: %d %s", rows[i].match, r.status, buf_text(&r.body));
    }
}

static void a_native_body_is_matched_as_the_conversation_it_is(void)
{
    CLEANUP(folder_remove) struct folder f = folder_new();
    CLEANUP(rig_stop) struct mock *m =
        start_with(&f,
                   "{\"match\":{\"user\":\"hello\",\"system\":\"be kind\",\"turn\":1,\"at\":{\"/anthropic_version\":{\"$any\":true}}},"
                   "\"reply\":{\"text\":\"native\"}}",
                   (struct mock_config){.strict = true});
    CLEANUP(reply_release) struct reply r =
        ask(m, "/model/" HAIKU "/invoke",
            "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":9,\"system\":\"be kind\",\"messages\":[{\"role\":\"user\","
            "\"content\":\"hello\"}]}");
    CLAIM(strcmp(text_at(r.json, "/content/0/text"), "native") == 0, "%d %s", r.status, buf_text(&r.body));
}

static void scripts_come_first_then_priority_then_the_order_of_files(void)
{
    CLEANUP(folder_remove) struct folder f = folder_new();
    put(&f, "b.json", "{\"fixtures\":[{\"reply\":{\"text\":\"b\"}}]}");
    put(&f, "a.json", "{\"fixtures\":[{\"match\":{\"user\":\"only\"},\"reply\":{\"text\":\"a\"}}]}");
    put(&f, "c.json", "{\"fixtures\":[{\"priority\":5,\"match\":{\"user\":\"c\"},\"reply\":{\"text\":\"c\"}},"
                      "{\"priority\":-1,\"reply\":{\"text\":\"never\"}}]}");
    put(&f, ".hidden.json", "broken");
    put(&f, "notes.txt", "broken");
    CLEANUP(rig_stop) struct mock *m = start(&f, (struct mock_config){0});
    said(m, SAY("only"), NULL, "a");
    said(m, SAY("else"), NULL, "b");
    said(m, SAY("c"), NULL, "c");
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"script\"}}]}");
    said(m, SAY("c"), NULL, "script");
    said(m, SAY("c"), NULL, "c");
    CLEANUP(reply_release) struct reply g = admin(m, "GET", "/fixtures", "");
    CLAIM(number_at(g.json, "/fixtures/0/hits") == 2 && number_at(g.json, "/fixtures/3/hits") == 0 &&
              cJSON_GetArraySize(json_at(g.json, "/files")) == 3 && cJSON_IsNull(json_at(g.json, "/last_error")),
          "%s", buf_text(&g.body));
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    CLAIM(strcmp(text_at(j.json, "/entries/0/reply/source"), "fixture") == 0 &&
              strstr(text_at(j.json, "/entries/0/reply/fixture"), "a.json#/fixtures/0") != NULL,
          "%s", buf_text(&j.body));
}

/* And so do requests that a session's fixtures were not asked about. */
static void a_scripted_reply_counts_as_a_call(void)
{
    CLEANUP(folder_remove) struct folder f = folder_new();
    CLEANUP(rig_stop) struct mock *m = start_with(
        &f,
        "{\"name\":\"seq\",\"match\":{\"call\":1},\"reply\":{\"text\":\"first\"}},{\"name\":\"seq\",\"match\":{\"call\":2},\"reply\":{\"text\":\"second\"}}",
        (struct mock_config){0});
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"script\"}}]}");
    said(m, HELLO, NULL, "script");
    said(m, HELLO, NULL, "second");
    static const char *const queries[] = {"seq", "s?q", "seq%20(*fixtures/1)", "*"};
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        CLEANUP(buf_release) struct buf path = BUF_INIT(256);
        buf_addf(&path, "/journal?fixture=%s", queries[i]);
        CLEANUP(reply_release) struct reply j = admin(m, "GET", buf_text(&path), "");
        CLAIM(cJSON_GetArraySize(json_at(j.json, "/entries")) == (i == 3 ? 2 : 1), "%s: %s", queries[i], buf_text(&j.body));
    }
}

/* ---- how often ---- */

static void sequences_and_counts(void)
{
    static const struct {
        const char *fixtures, *words; /* one a request */
    } rows[] = {
        {"{\"sequence\":[{\"error\":{\"type\":\"ThrottlingException\"}},{\"error\":{\"type\":\"ThrottlingException\"}},{\"text\":\"ok\"}]}",
         "ThrottlingException ThrottlingException ok ok"},
        {"{\"sequence\":[{\"text\":\"1\"},{\"text\":\"2\"}],\"then\":\"cycle\"}", "1 2 1 2 1"},
        {"{\"sequence\":[{\"text\":\"1\"},{\"text\":\"2\"}],\"then\":\"stop\"},{\"reply\":{\"text\":\"next\"}}", "1 2 next next"},
        {"{\"times\":2,\"reply\":{\"text\":\"1\"}},{\"reply\":{\"text\":\"next\"}}", "1 1 next"},
        {"{\"times\":\"always\",\"reply\":{\"text\":\"1\"}},{\"reply\":{\"text\":\"next\"}}", "1 1 1"},
        {"{\"match\":{\"nth\":2},\"reply\":{\"text\":\"b\"}},{\"match\":{\"nth\":1},\"reply\":{\"text\":\"a\"}},"
         "{\"match\":{\"nth\":{\"$num\":{\"min\":4}}},\"reply\":{\"text\":\"d\"}},{\"reply\":{\"text\":\"c\"}}",
         "a b c d d"},
        {"{\"match\":{\"call\":2},\"reply\":{\"text\":\"second\"}},{\"reply\":{\"text\":\"other\"}}", "other second other"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(folder_remove) struct folder f = folder_new();
        CLEANUP(rig_stop) struct mock *m = start_with(&f, rows[i].fixtures, (struct mock_config){0});
        for (int again = 0; again < 2; again++) { /* after a reset it begins anew */
            struct span rest = span_of(rows[i].words), word;
            for (bool more = true; more;) {
                more = span_split(rest, ' ', &word, &rest);
                CLEANUP(free_ptr) char *want = span_dup(word);
                said(m, HELLO, NULL, want);
            }
            CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{}");
            CU_ASSERT_EQUAL(reset.status, 200);
        }
    }
}

/* ---- sessions ---- */

static void sessions_do_not_see_one_another(void)
{
    CLEANUP(folder_remove) struct folder f = folder_new();
    CLEANUP(rig_stop) struct mock *m =
        start_with(&f, "{\"sequence\":[{\"text\":\"one\"},{\"text\":\"two\"}]}", (struct mock_config){0});
    said(m, HELLO, "a", "one");
    said(m, HELLO, "b", "one");
    said(m, HELLO, NULL, "one");
    said(m, HELLO, "a", "two");
    script(m, "{\"session\":\"b\",\"replies\":[{\"reply\":{\"text\":\"for b\"}}]}");
    CLEANUP(reply_release) struct reply faults =
        admin(m, "POST", "/faults", "{\"session\":\"c\",\"faults\":[{\"id\":\"ThrottlingException\"}]}");
    CU_ASSERT_EQUAL(faults.status, 200);
    said(m, HELLO, NULL, "two");
    said(m, HELLO, "b", "for b");
    said(m, HELLO, "b", "two");
    said(m, HELLO, "c", "ThrottlingException");
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal?session=b", "");
    CLAIM(cJSON_GetArraySize(json_at(j.json, "/entries")) == 3 && strcmp(text_at(j.json, "/entries/1/session"), "b") == 0, "%s",
          buf_text(&j.body));
    CLEANUP(reply_release) struct reply wait = admin(m, "GET", "/journal?session=b&count=3&timeout_ms=60000", "");
    CLAIM(cJSON_GetArraySize(json_at(wait.json, "/entries")) == 3, "%s", buf_text(&wait.body));
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{\"session\":\"b\"}");
    CU_ASSERT_EQUAL(reset.status, 200);
    said(m, HELLO, "b", "one"); /* its counters are gone */
    said(m, HELLO, "a", "two"); /* those of others are not */
    said(m, HELLO, "c", "ThrottlingException");
    CLEANUP(reply_release) struct reply mine = admin(m, "GET", "/journal?session=b", "");
    CLEANUP(reply_release) struct reply main_ones = admin(m, "GET", "/journal?session=", "");
    CLAIM(cJSON_GetArraySize(json_at(mine.json, "/entries")) == 1 && cJSON_GetArraySize(json_at(main_ones.json, "/entries")) == 2,
          "%s\n%s", buf_text(&mine.body), buf_text(&main_ones.body));
    CLEANUP(reply_release) struct reply all = admin(m, "POST", "/reset", "{}");
    CU_ASSERT_EQUAL(all.status, 200);
    said(m, HELLO, "c", "one");
    CLEANUP(reply_release) struct reply list = admin(m, "GET", "/sessions", "");
    CLAIM(strstr(buf_text(&list.body), "{\"name\":\"c\",\"queued\":0,\"faults\":0,\"calls\":1}") != NULL, "%s", buf_text(&list.body));
}

static void a_bad_session_is_told_and_an_access_key_can_be_one(void)
{
    CLEANUP(folder_remove) struct folder f = folder_new();
    CLEANUP(rig_stop) struct mock *m = start_with(&f, "{\"sequence\":[{\"text\":\"one\"},{\"text\":\"two\"}]}",
                                                  (struct mock_config){.session_by = MOCK_SESSION_ACCESS_KEY});
    said(m, HELLO, "no spaces please", "MohsSessionError");
    said(m, HELLO, NULL, "one");
    said(m, HELLO, "header", "one");
    said(m, HELLO, NULL, "two");
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal?session=" MOCK_DEFAULT_ACCESS_KEY, "");
    CLAIM(cJSON_GetArraySize(json_at(j.json, "/entries")) == 2, "%s", buf_text(&j.body));
    static const char *const bad[] = {"{\"session\":3,\"replies\":[]}", "{\"session\":\"a b\",\"replies\":[]}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/script", bad[i]);
        CLAIM(r.status == 400 && strstr(buf_text(&r.body), "session") != NULL, "%s: %d", bad[i], r.status);
    }
    CLEANUP(reply_release) struct reply r = admin(m, "GET", "/faults?session=nobody", "");
    CLAIM(r.status == 400 && strstr(buf_text(&r.body), "there is no session nobody") != NULL, "%s", buf_text(&r.body));
}

/* ---- strict ---- */

static void a_miss_names_the_nearest_fixture_and_why(void)
{
    static const struct {
        const char *fixtures, *words;
    } rows[] = {
        {"", "no fixtures are loaded"},
        {"{\"name\":\"far\",\"match\":{\"operation\":\"InvokeModel\",\"user\":\"x\"},\"reply\":{}},"
         "{\"name\":\"near\",\"match\":{\"operation\":\"Converse\",\"user\":\"hullo\"},\"reply\":{}}",
         "the nearest is near (FOLDER/a.json#/fixtures/1), whose user does not hold: at /user expected \"hullo\", got \"hello\""},
        {"{\"match\":{\"model\":\"amazon.*\"},\"reply\":{}}",
         "whose model does not hold: at /model expected an id like amazon.*, got \"anthropic.claude-3-haiku-20240307-v1:0\""},
        {"{\"match\":{\"body\":{\"messages\":[{\"role\":\"assistant\"}]}},\"reply\":{}}", "at /body/messages/0/role expected \"assistant\""},
        {"{\"match\":{\"at\":{\"/messages/0\":{\"role\":\"assistant\"}}},\"reply\":{}}", "at /body/messages/0/role expected \"assistant\""},
        {"{\"match\":{\"headers\":{\"x-user\":\"me\"}},\"reply\":{}}", "at /headers/x-user expected \"me\", got nothing"},
        {"{\"match\":{\"nth\":7},\"reply\":{}}", "whose nth does not hold: at /nth expected 7, got 1"},
        {"{\"times\":1,\"match\":{\"operation\":\"CountTokens\"},\"reply\":{}},{\"match\":{\"call\":7},\"reply\":{}}", "at /call expected 7, got 1"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(folder_remove) struct folder f = folder_new();
        CLEANUP(rig_stop) struct mock *m = start_with(&f, rows[i].fixtures, (struct mock_config){.strict = true});
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
        CLEANUP(buf_release) struct buf want = BUF_INIT(BUF_ANY);
        const char *hole = strstr(rows[i].words, "FOLDER");
        buf_add(&want, hole == NULL ? span_of(rows[i].words) : span_cut(span_of(rows[i].words), 0, (size_t)(hole - rows[i].words)));
        if (hole != NULL)
            buf_addf(&want, "%s%s", f.path, hole + 6);
        CLAIM(r.status == 400 && strstr(header(&r, "x-amzn-ErrorType"), "MohsFixtureMiss") != NULL &&
                  strstr(text_at(r.json, "/message"), buf_text(&want)) != NULL,
              "%d %s\n    expected %s", r.status, buf_text(&r.body), buf_text(&want));
        CLAIM(strcmp(text_at(j.json, "/entries/0/reply/source"), "miss") == 0 && cJSON_IsArray(json_at(j.json, "/entries/0/reply/miss")) &&
                  cJSON_IsTrue(json_at(j.json, "/entries/0/valid")),
              "%s", buf_text(&j.body));
    }
}

static void a_miss_never_tells_a_secret(void)
{
    static const char *const matches[] = {
        "{\"headers\":{\"x-api-key\":\"sk-expected-1\"}}",
        "{\"headers\":{\"authorization\":{\"$contains\":\"sk-expected-1\"}}}",
        "{\"headers\":{\"$exact\":true,\"x-api-key\":\"sk-expected-1\"}}",
        "{\"headers\":{\"$len\":99}}",
        "{\"$or\":[{\"headers\":{\"x-api-key\":\"sk-expected-1\"}},{\"user\":\"x\"}]}",
        "{\"$all\":[{\"headers\":{\"x-api-key\":\"sk-expected-1\"}},{\"user\":\"x\"}]}",
        "{\"$not\":{\"headers\":{\"x-api-key\":\"sk-observed-2\"}}}",
        "{\"headers\":{\"x-api-key\":{\"$not\":\"sk-observed-2\"}}}",
    };
    for (size_t i = 0; i < COUNT_OF(matches); i++) {
        CLEANUP(folder_remove) struct folder f = folder_new();
        CLEANUP(buf_release) struct buf one = BUF_INIT(BUF_ANY);
        buf_addf(&one, "{\"match\":%s,\"reply\":{}}", matches[i]);
        CLEANUP(rig_stop) struct mock *m = start_with(&f, buf_text(&one), (struct mock_config){.strict = true});
        CLEANUP(reply_release) struct reply r = ask_as(m, CONVERSE, HELLO, "x-api-key", "sk-observed-2");
        CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
        CLAIM(r.status == 400 && strstr(header(&r, "x-amzn-ErrorType"), "MohsFixtureMiss") != NULL, "%s: %d %s", matches[i], r.status, buf_text(&r.body));
        const char *const texts[] = {buf_text(&r.body), buf_text(&j.body)};
        for (size_t k = 0; k < COUNT_OF(texts); k++)
            CLAIM(strstr(texts[k], "sk-expected") == NULL && strstr(texts[k], "sk-observed") == NULL && strstr(texts[k], "Signature=0") == NULL,
                  "%s: %s", matches[i], texts[k]);
    }
}

static void strict_asks_only_what_a_model_says(void)
{
    struct mock_config config = {.strict = true};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    said(m, HELLO, NULL, "MohsFixtureMiss");
    CLEANUP(reply_release) struct reply count =
        ask(m, "/model/" HAIKU "/count-tokens", "{\"input\":{\"converse\":" HELLO "}}");
    CLAIM(count.status == 200, "%d %s", count.status, buf_text(&count.body));
    CLEANUP(reply_release) struct reply bad = ask(m, CONVERSE, "{\"messages\":3}");
    CLAIM(strstr(header(&bad, "x-amzn-ErrorType"), "MohsFixtureMiss") == NULL, "%s", header(&bad, "x-amzn-ErrorType"));
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"said\"}}]}");
    said(m, HELLO, NULL, "said");
}

/* ---- templates ---- */

static void templates_insert_what_the_request_says(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"{{user}}!", "he said \"hi\"\n{{user}}!"},
        {"{{body:/messages/0/role}} {{ body:/inferenceConfig/maxTokens }}", "user 7"},
        {"{{header:X-Id}} {{header:x-none|nobody}} {{header:x-none}}.", "id-1 nobody ."},
        {"{{model}} {{operation}} {{method}}", "anthropic.claude-3-haiku-20240307-v1:0 Converse POST"},
        {"{{turn}} {{round}} {{replies}} {{call}} {{nth}} {{region}}", "1 0 0 1 1 us-east-1"},
        {"{{principal}} {{session|main}}", MOCK_DEFAULT_ACCESS_KEY " main"},
        {"{{json:/messages/0/content/0}}", "{\"text\":\"he said \\\"hi\\\"\\n{{user}}\"}"},
        {"{{open}}user}}", "{{user}}"},
        {"{{random:4:4}}", "4"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(folder_remove) struct folder f = folder_new();
        CLEANUP(buf_release) struct buf one = BUF_INIT(BUF_ANY);
        buf_adds(&one, "{\"reply\":{\"template\":true,\"text\":");
        json_quote(span_of(rows[i].text), &one);
        buf_adds(&one, "}}");
        CLEANUP(rig_stop) struct mock *m = start_with(&f, buf_text(&one), (struct mock_config){0});
        CLEANUP(reply_release) struct reply r = ask_as(
            m, CONVERSE,
            "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"he said \\\"hi\\\"\\n{{user}}\"}]}],\"inferenceConfig\":{\"maxTokens\":7}}",
            "x-id", "id-1");
        const char *text = text_at(r.json, "/output/message/content/0/text");
        CLAIM(strcmp(text, rows[i].want) == 0, "%s: %s, expected %s", rows[i].text, buf_text(&r.body), rows[i].want);
    }
}

static void a_value_keeps_its_type_and_a_bad_one_is_told(void)
{
    CLEANUP(folder_remove) struct folder f = folder_new();
    CLEANUP(rig_stop) struct mock *m = start_with(
        &f,
        "{\"match\":{\"user\":\"tool\"},\"reply\":{\"template\":true,\"content\":[{\"toolUse\":{\"toolUseId\":\"{{uuid}}\",\"name\":\"t\","
        "\"input\":{\"n\":\"{{value:/inferenceConfig/maxTokens}}\",\"all\":\"{{value:/messages/0/content}}\"}}}],"
        "\"usage\":{\"inputTokens\":\"{{value:/inferenceConfig/maxTokens}}\"}}},"
        "{\"match\":{\"user\":{\"$contains\":\"line\"}},\"reply\":{\"template\":true,\"error\":{\"type\":\"{{user}}\"}}},"
        "{\"reply\":{\"text\":\"{{user}} stays\"}}",
        (struct mock_config){0});
    static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"tool\"}]}],\"inferenceConfig\":{\"maxTokens\":7}}";
    CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, body);
    CLAIM(number_at(r.json, "/output/message/content/0/toolUse/input/n") == 7 &&
              strcmp(text_at(r.json, "/output/message/content/0/toolUse/input/all/0/text"), "tool") == 0 &&
              number_at(r.json, "/usage/inputTokens") == 7,
          "%s", buf_text(&r.body));
    CLEANUP(reply_release) struct reply bad = ask(m, CONVERSE, SAY("a line\\r\\nx-evil: 1"));
    CLAIM(bad.status == 400 && strstr(header(&bad, "x-amzn-ErrorType"), "MohsTemplateError") != NULL &&
              strstr(buf_text(&bad.body), "/error/type") != NULL,
          "%d %s", bad.status, buf_text(&bad.body));
    said(m, HELLO, NULL, "{{user}} stays");
}

static void what_is_random_replays(void)
{
    char first[512] = "";
    for (int run = 0; run < 2; run++) {
        CLEANUP(folder_remove) struct folder f = folder_new();
        CLEANUP(rig_stop) struct mock *m = start_with(
            &f, "{\"times\":99,\"reply\":{\"template\":true,\"text\":\"{{uuid}} {{random:1:1000000}}\"}}", (struct mock_config){.seed = 5});
        char all[512] = "";
        for (int i = 0; i < 2; i++) {
            CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
            size_t n = strlen(all);
            (void)snprintf(all + n, sizeof all - n, "%s\n", text_at(r.json, "/output/message/content/0/text"));
        }
        char *second = strchr(all, '\n') + 1;
        CLAIM(strncmp(all, second, 36) != 0, "the same twice: %s", all);
        CLAIM(run == 0 || strcmp(first, all) == 0, "%s and %s", first, all);
        memcpy(first, all, sizeof first);
    }
}

/* ---- loading ---- */

static void a_mistake_is_told_with_file_line_pointer_and_hint(void)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"{\n \"fixtures\": [\n  { \"reply\": {},\n    \"match\": { \"modle\": \"x\" } }\n ]\n}", "a.json:4: /fixtures/0/match/modle: nobody knows"},
        {"{\"fixtures\":[{\"reply\":{}},\n{\"reply\":{\"txt\":\"x\"}}]}", "a.json:2: /fixtures/1/reply/txt: nobody knows this key; did you mean \"text\"?"},
        {"{\"fixtures\":\n[{}]}", "a.json:2: /fixtures/0: expected a reply, or a sequence of them"},
        {"{\"fixtures\":[{\"reply\":{},\"sequence\":[{}]}]}", "not both"},
        {"{\"fixtures\":[{\"sequence\":[]}]}", "/fixtures/0/sequence: expected a list of replies"},
        {"{\"fixtures\":[{\"sequence\":[{}],\"times\":2}]}", "/fixtures/0/times: belongs to a reply"},
        {"{\"fixtures\":[{\"reply\":{},\"then\":\"cycle\"}]}", "/fixtures/0/then: belongs to a sequence"},
        {"{\"fixtures\":[{\"sequence\":[{}],\"then\":\"cycel\"}]}", "did you mean cycle"},
        {"{\"fixtures\":[{\"reply\":{},\"times\":0}]}", "/fixtures/0/times: expected a whole number from 1"},
        {"{\"fixtures\":[{\"reply\":{},\"priority\":\"high\"}]}", "/fixtures/0/priority: expected a whole number"},
        {"{\"fixtures\":[{\"reply\":{},\"match\":{\"user\":{\"$contain\":\"x\"}}}]}", "$contain"},
        {"{\"fixtures\":[{\"reply\":{},\"match\":{\"at\":{\"messages/0\":1}}}]}", "did you mean /messages/0"},
        {"{\"fixtures\":[{\"reply\":{\"template\":true,\"text\":\"{{usr}}\"}}]}", "/fixtures/0/reply/text: no placeholder is called {{usr}}; did you mean user"},
        {"{\"fixtures\":[{\"reply\":{\"template\":true,\"text\":\"{{env:HOME}}\"}}]}", "no placeholder is called {{env}}"},
        {"{\"fixtures\":[{\"reply\":{\"template\":true,\"text\":\"{{header:Authorization}}\"}}]}", "carries a credential"},
        {"{\"fixtures\":[{\"reply\":{\"template\":true,\"text\":\"{{body}}\"}}]}", "{{body}} needs an argument"},
        {"{\"fixtures\":[{\"reply\":{\"template\":true,\"text\":\"{{user:x}}\"}}]}", "{{user}} takes no argument"},
        {"{\"fixtures\":[{\"reply\":{\"template\":true,\"text\":\"{{user\"}}]}", "{{ without }}"},
        {"{\"fixtures\":[{\"reply\":{\"template\":true,\"text\":\"a{{value:/x}}\"}}]}", "must be alone in its string"},
        {"{\"fixtures\":[{\"reply\":{\"template\":true,\"text\":\"{{random:6:1}}\"}}]}", "the smaller first"},
        {"{\"fixtures\":[{\"reply\":{\"template\":1}}]}", "/fixtures/0/reply/template: expected true or false"},
        {"{\"fixtures\":[{\"reply\":{}},]}", "a.json:1: column 27: expected"},
        {"{\"fixture\":[]}", "fixture"},
        {"[]", "expected an object with a list of fixtures"},
        {"", "a.json:1: column 1: expected"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(folder_remove) struct folder f = folder_new();
        put(&f, "a.json", rows[i].text);
        const char *paths[] = {f.path};
        struct mock_config config = {.fixtures = paths, .fixture_count = 1};
        struct mock *m = NULL;
        struct note note = {""};
        enum err e = mock_start(&config, &m, &note);
        CLAIM(e != OK && strstr(note.text, rows[i].words) != NULL && strstr(note.text, f.path) == note.text, "%s: %s, expected %s",
              rows[i].text, note.text, rows[i].words);
        mock_stop(m);
    }
    const char *paths[] = {"no-such-folder"};
    struct mock_config config = {.fixtures = paths, .fixture_count = 1};
    struct mock *m = NULL;
    struct note note = {""};
    CLAIM(mock_start(&config, &m, &note) == ERR_IO && strstr(note.text, "no-such-folder") != NULL, "%s", note.text);
}

static void a_reload_is_all_or_nothing(void)
{
    CLEANUP(folder_remove) struct folder f = folder_new();
    CLEANUP(rig_stop) struct mock *m = start_with(&f, "{\"reply\":{\"text\":\"old\"}}", (struct mock_config){0});
    said(m, HELLO, NULL, "old");
    put(&f, "b.json", "{\"fixtures\":[{\"priority\":1,\"reply\":{\"text\":\"new\"}}]}");
    put(&f, "c.json", "{\"fixtures\":[{\"rply\":{}}]}");
    CLEANUP(reply_release) struct reply broken = admin(m, "POST", "/fixtures/reload", "{}");
    CLAIM(broken.status == 400 && strstr(buf_text(&broken.body), "c.json:1: /fixtures/0/rply") != NULL, "%d %s", broken.status,
          buf_text(&broken.body));
    CLEANUP(reply_release) struct reply g = admin(m, "GET", "/fixtures", "");
    CLAIM(strstr(text_at(g.json, "/last_error"), "c.json") != NULL, "%s", buf_text(&g.body));
    said(m, HELLO, NULL, "old");
    put(&f, "c.json", "{\"fixtures\":[]}");
    CLEANUP(reply_release) struct reply good = admin(m, "POST", "/fixtures/reload", "");
    CLAIM(good.status == 200 && number_at(good.json, "/fixtures") == 2 && number_at(good.json, "/files") == 3, "%s", buf_text(&good.body));
    said(m, HELLO, NULL, "new");
}

enum { STEP_MS = 25, TRIES = PATIENCE_MS / STEP_MS };

static void wait_until_said(struct mock *m, const char *want)
{
    for (int tries = 0; tries < TRIES; tries++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        if (strcmp(text_at(r.json, "/output/message/content/0/text"), want) == 0)
            return;
        (void)nanosleep(&(struct timespec){0, STEP_MS * 1000000}, NULL);
    }
    CLAIM(false, "%s never came", want);
}

static void a_watched_folder_is_loaded_again(void)
{
    for (int poll = 0; poll < 2; poll++) {
        (void)(poll != 0 ? setenv("MOHS_NO_INOTIFY", "1", 1) : unsetenv("MOHS_NO_INOTIFY"));
        CLEANUP(folder_remove) struct folder f = folder_new();
        CLEANUP(rig_stop) struct mock *m = start_with(&f, "{\"reply\":{\"text\":\"old\"}}", (struct mock_config){.watch = true});
        wait_until_said(m, "old");
        put(&f, "a.json", "{\"fixtures\":[{\"reply\":{\"text\":\"changed\"}}]}");
        wait_until_said(m, "changed");
        put(&f, "a.json", "{\"fixtures\":[{\"reply\":");
        for (int tries = 0; tries < TRIES; tries++) {
            CLEANUP(reply_release) struct reply g = admin(m, "GET", "/fixtures", "");
            if (strstr(text_at(g.json, "/last_error"), "a.json:1: column") != NULL)
                break;
            CLAIM(tries < TRIES - 1, "the mistake is not told: %s", buf_text(&g.body));
            (void)nanosleep(&(struct timespec){0, STEP_MS * 1000000}, NULL);
        }
        wait_until_said(m, "changed");
        char inner[192];
        (void)snprintf(inner, sizeof inner, "%s/deep", f.path);
        if (mkdir(inner, 0700) != 0)
            abort();
        put(&f, "a.json", "{\"fixtures\":[]}");
        put(&f, "deep/b.json", "{\"fixtures\":[{\"reply\":{\"text\":\"deep\"}}]}");
        wait_until_said(m, "deep");
    }
    (void)unsetenv("MOHS_NO_INOTIFY");
}

#define NOISY 3 /* threads, so that a busy machine makes no pause that looks like quiet */
struct noise {
    const char *file;
    atomic_bool over;
};

static void *make_noise(void *ctx)
{
    struct noise *n = ctx;
    while (!atomic_load(&n->over)) {
        FILE *out = fopen(n->file, "wb");
        if (out == NULL || fputs("x", out) < 0 || fclose(out) != 0)
            abort();
    }
    return NULL;
}

/* Something beside the fixtures is written all the time: a log, an editor's swap file. */
static void a_folder_that_never_rests_is_read_all_the_same(void)
{
    CLEANUP(folder_remove) struct folder f = folder_new();
    CLEANUP(rig_stop) struct mock *m = start_with(&f, "{\"reply\":{\"text\":\"old\"}}", (struct mock_config){.watch = true});
    char file[192];
    (void)snprintf(file, sizeof file, "%s/run.log", f.path);
    struct noise noise = {.file = file};
    pthread_t threads[NOISY];
    for (size_t i = 0; i < NOISY; i++)
        if (pthread_create(&threads[i], NULL, make_noise, &noise) != 0)
            abort();
    wait_until_said(m, "old");
    put(&f, "a.json", "{\"fixtures\":[{\"reply\":{\"text\":\"changed\"}}]}");
    wait_until_said(m, "changed"); /* while there is noise */
    atomic_store(&noise.over, true);
    for (size_t i = 0; i < NOISY; i++)
        (void)pthread_join(threads[i], NULL);
}

/* A gateway lists models and counts tokens before its first call: what anything matches must still be there for that. */
static void what_a_model_says_is_for_models(void)
{
    CLEANUP(folder_remove) struct folder f = folder_new();
    CLEANUP(rig_stop)
    struct mock *m = start_with(&f,
                                "{\"match\":{},\"times\":1,\"reply\":{\"text\":\"once\"}},"
                                "{\"match\":{\"operation\":\"GetFoundationModel\"},\"reply\":{\"faults\":[{\"id\":\"html-502\"}]}},"
                                "{\"priority\":-1,\"sequence\":[{\"error\":{\"type\":\"ThrottlingException\"}},{\"text\":\"then\"}]},"
                                "{\"priority\":-2,\"times\":1,\"reply\":{\"usage\":{\"inputTokens\":77}}},"
                                "{\"priority\":-3,\"times\":1,\"reply\":{\"error\":{\"type\":\"ServiceUnavailableException\"}}}",
                                (struct mock_config){.auth = MOCK_AUTH_NONE});
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *says;
    } rows[] = {
        {"GET", "/foundation-models/" HAIKU, "", 502, "html"},
        {"POST", "/model/" HAIKU "/count-tokens", "{\"input\":{\"converse\":" HELLO "}}", 200, "{\"inputTokens\":77}"},
        {"GET", "/foundation-models", "", 503, ""}, /* errors are for everybody */
        {"GET", "/foundation-models", "", 200, "modelSummaries"},
        {"GET", "/async-invoke", "", 200, "asyncInvokeSummaries"},
        {"GET", "/v1/models", "", 200, "\"object\":\"list\""},
        {"POST", "/openai/v1/chat/completions",
         "{\"model\":\"openai.gpt-oss-20b-1:0\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", 200, "once"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release)
        struct reply r = fetch(mock_port(m), rows[i].method, rows[i].path, rows[i].body, NULL, &usual_key);
        CLAIM(r.status == rows[i].status && strstr(buf_text(&r.body), rows[i].says) != NULL, "row %zu: %d %.300s", i,
              r.status, buf_text(&r.body));
    }
    said(m, HELLO, NULL, "ThrottlingException");
    said(m, HELLO, NULL, "then");
}

/* A fixture that answers for ever has no counter of a session: {{nth}} goes by its hits. */
static void a_reset_forgets_what_was_counted(void)
{
    CLEANUP(folder_remove) struct folder f = folder_new();
    CLEANUP(rig_stop)
    struct mock *m = start_with(&f, "{\"reply\":{\"template\":true,\"text\":\"{{nth}} of {{call}}\"}}", (struct mock_config){0});
    said(m, HELLO, NULL, "1 of 1");
    said(m, HELLO, NULL, "2 of 2");
    CLEANUP(reply_release) struct reply x = admin(m, "POST", "/reset", "{\"keep\":[\"fixtures\"]}");
    said(m, HELLO, NULL, "3 of 3");
    CLEANUP(reply_release) struct reply y = admin(m, "POST", "/reset", "{}");
    CLEANUP(reply_release) struct reply none = admin(m, "GET", "/fixtures", "");
    CU_ASSERT_EQUAL(number_at(none.json, "/fixtures/0/hits"), 0);
    said(m, HELLO, NULL, "1 of 1");
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a fixture answers what its match says", a_fixture_answers_what_its_match_says},
        {"a native body is matched as the conversation it is", a_native_body_is_matched_as_the_conversation_it_is},
        {"scripts come first, then priority, then the order of files", scripts_come_first_then_priority_then_the_order_of_files},
        {"a scripted reply counts as a call", a_scripted_reply_counts_as_a_call},
        {"sequences and counts", sequences_and_counts},
        {"sessions do not see one another", sessions_do_not_see_one_another},
        {"a bad session is told, and an access key can be one", a_bad_session_is_told_and_an_access_key_can_be_one},
        {"a miss names the nearest fixture and why", a_miss_names_the_nearest_fixture_and_why},
        {"a miss never tells a secret", a_miss_never_tells_a_secret},
        {"strict asks only what a model says", strict_asks_only_what_a_model_says},
        {"templates insert what the request says", templates_insert_what_the_request_says},
        {"a value keeps its type, and a bad one is told", a_value_keeps_its_type_and_a_bad_one_is_told},
        {"what is random replays", what_is_random_replays},
        {"a mistake is told with file, line, pointer and hint", a_mistake_is_told_with_file_line_pointer_and_hint},
        {"a reload is all or nothing", a_reload_is_all_or_nothing},
        {"a watched folder is loaded again", a_watched_folder_is_loaded_again},
        {"a reset forgets what was counted", a_reset_forgets_what_was_counted},
        {"a folder that never rests is read all the same", a_folder_that_never_rests_is_read_all_the_same},
        {"what a model says is for models", what_a_model_says_is_for_models},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_fixture", tests);
}
