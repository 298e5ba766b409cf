/* InvokeModel, its stream and CountTokens: every family's shapes against fixtures/native/families.json, one token count
 * everywhere, what is said of bad bodies, embeddings, and every fault on chunks. */
#include <ctype.h>
#include <math.h>

#include "mock/native/image.h"
#include "mock/native/native.h"
#include "protocol/data.h"
#include "protocol/probe.h"

#include "mock_rig.h"

#define CLAUDE       "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/"
#define CLAUDE_BASE  "/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/"
#define INVOKE       "/model/" HAIKU "/invoke"
#define INVOKE_CHUNK "/model/" HAIKU "/invoke-with-response-stream"
#define NATIVE       "\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64"
#define NATIVE_HELLO "{" NATIVE ",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"

/* ---- the fixture ---- */

static cJSON *families(void)
{
    struct span text;
    struct note note = {""};
    cJSON *tree = NULL;
    CLAIM(data_load("fixtures/native/families.json", &text, &note) == OK &&
              json_parse(text, JSON_UNIQUE, &tree, &note) == OK,
          "%s", note.text);
    return tree;
}

static void path_of(const char *model, const char *operation, struct buf *out)
{
    buf_adds(out, "/model/");
    for (const char *p = model; *p != '\0'; p++)
        if (isalnum((unsigned char)*p) || *p == '.' || *p == '-' || *p == '_')
            buf_addc(out, *p);
        else
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
    buf_addf(out, "/%s", operation);
}

static bool is_uuid(const char *text)
{
    static const char form[] = "hhhhhhhh-hhhh-4hhh-hhhh-hhhhhhhhhhhh";
    for (size_t i = 0; i < sizeof form; i++)
        if (form[i] == 'h' ? !isxdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    return true;
}

static bool are_numbers(const cJSON *list, size_t n)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item))
            return false;
    }
    return cJSON_IsArray(list) && (size_t)cJSON_GetArraySize(list) == n;
}

static bool is_picture(const cJSON *got, const char *starts, unsigned width, unsigned height)
{
    CLEANUP(buf_release) struct buf file = BUF_INIT(BUF_ANY);
    uint32_t w, h;
    return cJSON_IsString(got) && buf_add_unbase64(&file, span_of(got->valuestring)) == OK &&
           span_has_prefix(buf_span(&file), starts) && image_size(buf_span(&file), &w, &h) == OK && w == width &&
           h == height;
}

/* <uuid>, <number>, <uuid/uuid>, <prefix+uuid>, <prefix+22>, <1024 numbers>, <png 512x512>, <jpeg 512x512>: a made-up value of that
 * form. */
static bool has_form(const char *form, const cJSON *got)
{
    unsigned w, h;
    if (strstr(form, " numbers>") != NULL)
        return are_numbers(got, (size_t)strtoul(form + 1, NULL, 10));
    if (sscanf(form, "<png %ux%u>", &w, &h) == 2)
        return is_picture(got, "\x89PNG\r\n", w, h);
    if (sscanf(form, "<jpeg %ux%u>", &w, &h) == 2)
        return is_picture(got, "\xff\xd8\xff", w, h);
    const char *plus = strrchr(form, '+'), *rest = plus != NULL ? plus + 1 : form + 1;
    size_t prefix = plus != NULL ? (size_t)(plus - form) - 1 : 0;
    if (strcmp(rest, "number>") == 0)
        return cJSON_IsNumber(got);
    if (!cJSON_IsString(got) || strncmp(got->valuestring, form + 1, prefix) != 0)
        return false;
    const char *tail = got->valuestring + prefix;
    if (strcmp(form, "<uuid/uuid>") == 0) {
        char first[37];
        (void)snprintf(first, sizeof first, "%s", got->valuestring);
        return is_uuid(first) && strlen(got->valuestring) == 73 && got->valuestring[36] == '/' &&
               is_uuid(got->valuestring + 37);
    }
    if (strcmp(rest, "uuid>") == 0)
        return is_uuid(tail);
    size_t n = (size_t)strtoul(rest, NULL, 10), i = 0;
    while (isalnum((unsigned char)tail[i]))
        i++;
    return i == n && tail[n] == '\0';
}

/* Members in the same order, values alike; *where says how far it went. */
static bool same(const cJSON *want, const cJSON *got, struct buf *where)
{
    if (cJSON_IsString(want) && want->valuestring[0] == '<' && strchr(want->valuestring, '>') != NULL &&
        strncmp(want->valuestring, "<reason", 7) != 0 && strncmp(want->valuestring, "</", 2) != 0)
        return has_form(want->valuestring, got);
    if (!cJSON_IsObject(want) && !cJSON_IsArray(want))
        return got != NULL && json_equal(want, got);
    if (got == NULL || (want->type & 0xff) != (got->type & 0xff))
        return false;
    const cJSON *w = want->child, *g = got->child;
    for (; w != NULL; w = w->next, g = g->next) {
        buf_addf(where, "/%s", w->string != NULL ? w->string : "*");
        if (g == NULL || (w->string != NULL && strcmp(w->string, g->string) != 0) || !same(w, g, where))
            return false;
    }
    if (g != NULL)
        buf_addf(where, "/%s is too much", g->string != NULL ? g->string : "*");
    return g == NULL;
}

/* The native objects of a stream. */
static cJSON *chunks_of(const struct buf *body, enum es_error *end)
{
    CLEANUP(json_free) cJSON *events = events_of(body, end);
    cJSON *list = cJSON_CreateArray(), *e;
    cJSON_ArrayForEach(e, events)
    {
        CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
        cJSON *tree = NULL;
        if (strcmp(text_at(e, "/name"), "chunk") == 0 &&
            buf_add_unbase64(&json, span_of(text_at(e, "/payload/bytes"))) == OK &&
            json_parse(buf_span(&json), JSON_UNIQUE, &tree, NULL) == OK)
            (void)cJSON_AddItemToArray(list, tree);
        else
            (void)cJSON_AddItemToArray(list, cJSON_CreateString(text_at(e, "/name")));
    }
    return list;
}

static void queue(struct mock *m, const cJSON *reply)
{
    CLEANUP(free_ptr) char *text = json_text(reply, JSON_COMPACT);
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_addf(&body, "{\"replies\":[{\"reply\":%s}]}", text);
    script(m, buf_text(&body));
}

static struct reply invoke(struct mock *m, const char *model, const char *operation, const char *body)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(4096);
    path_of(model, operation, &path);
    return ask(m, buf_text(&path), body);
}

/* What is no text: nobody scripts it, nobody streams it, and only the input is counted. */
static void check_made(struct mock *m, const cJSON *row)
{
    const char *model = text_at(row, "/model");
    CLEANUP(free_ptr) char *request = json_text(json_at(row, "/request"), JSON_COMPACT);
    CLEANUP(buf_release) struct buf where = BUF_INIT(BUF_ANY);
    CLEANUP(reply_release) struct reply r = invoke(m, model, "invoke", request);
    CLAIM(r.status == 200 && same(json_at(row, "/response"), r.json, &where), "%s: %s differs in %.300s", model,
          buf_text(&where), buf_text(&r.body));
    const char *count = header(&r, "X-Amzn-Bedrock-Input-Token-Count");
    bool draws = native_find(model, json_at(row, "/request"))->draws; /* nobody saw their headers */
    CLAIM((draws ? count[0] == '\0' : strtod(count, NULL) == number_at(row, "/tokens")) &&
              header(&r, "X-Amzn-Bedrock-Output-Token-Count")[0] == '\0' &&
              strcmp(header(&r, "X-Amzn-Bedrock-Invocation-Latency"), "1") == 0,
          "%s: the headers count otherwise", model);
    CLEANUP(reply_release) struct reply s = invoke(m, model, "invoke-with-response-stream", request);
    CLAIM(s.status == 400 && strcmp(text_at(s.json, "/message"), "The model is unsupported for streaming.") == 0,
          "%s streams: %.200s", model, buf_text(&s.body));
}

static void check_shape(struct mock *m, const cJSON *row)
{
    if (json_at(row, "/reply") == NULL) {
        check_made(m, row);
        return;
    }
    const char *model = text_at(row, "/model");
    CLEANUP(free_ptr) char *request = json_text(json_at(row, "/request"), JSON_COMPACT);
    CLEANUP(buf_release) struct buf where = BUF_INIT(BUF_ANY);
    queue(m, json_at(row, "/reply"));
    CLEANUP(reply_release) struct reply r = invoke(m, model, "invoke", request);
    CLAIM(r.status == 200 && same(json_at(row, "/response"), r.json, &where), "%s: %s differs in %s", model,
          buf_text(&where), buf_text(&r.body));
    CLAIM(strcmp(header(&r, "X-Amzn-Bedrock-Input-Token-Count"), "12") == 0 &&
              strcmp(header(&r, "X-Amzn-Bedrock-Output-Token-Count"), "3") == 0 &&
              strcmp(header(&r, "X-Amzn-Bedrock-Invocation-Latency"), "1") == 0,
          "%s: the headers do not agree with the usage", model);
    const cJSON *want = json_at(row, "/chunks");
    if (want == NULL)
        return;
    queue(m, json_at(row, "/reply"));
    CLEANUP(reply_release) struct reply s = invoke(m, model, "invoke-with-response-stream", request);
    enum es_error end;
    CLEANUP(json_free) cJSON *chunks = chunks_of(&s.body, &end);
    CLEANUP(free_ptr) char *got = json_text(chunks, JSON_COMPACT);
    buf_reset(&where);
    CLAIM(end == ES_OK && same(want, chunks, &where), "%s: %s differs in %s", model, buf_text(&where), got);
    CLAIM(strcmp(header(&s, "Content-Type"), "application/vnd.amazon.eventstream") == 0 &&
              strcmp(header(&s, "X-Amzn-Bedrock-Content-Type"), "application/json") == 0,
          "%s: the headers of a stream", model);
}

static void every_family_answers_in_its_own_shape(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(json_free) cJSON *tree = families();
    const cJSON *row;
    cJSON_ArrayForEach(row, json_at(tree, "/rows")) check_shape(m, row);
}

/* A family nobody asks here is a family nobody tests. */
static void no_family_is_without_a_row(void)
{
    CLEANUP(json_free) cJSON *tree = families();
    const struct native_family *f;
    const cJSON *row;
    size_t n = 0;
    for (; (f = native_family_at(n)) != NULL; n++) {
        bool found = false, streamed = false;
        cJSON_ArrayForEach(row, json_at(tree, "/rows"))
        {
            bool its = strcmp(text_at(row, "/id"), f->id) == 0;
            found = found || its;
            streamed = streamed || (its && json_at(row, "/chunks") != NULL);
        }
        CLAIM(found, "no row asks %s", f->id);
        CLAIM(streamed == (f->stream != NULL), "%s: its stream is %s", f->id, streamed ? "none" : "not asked for");
    }
    cJSON_ArrayForEach(row, json_at(tree, "/rows"))
    {
        f = native_find(text_at(row, "/model"), json_at(row, "/request"));
        CLAIM(strcmp(f->id, text_at(row, "/id")) == 0, "%s is taken for %s", text_at(row, "/model"), f->id);
    }
    CU_ASSERT_EQUAL(n, 24);
}

/* ---- streams and counts ---- */

static const char *const unary_texts[] = {"/content/0/text",
                                          "/output/message/content/0/text",
                                          "/results/0/outputText",
                                          "/generation",
                                          "/outputs/0/text",
                                          "/choices/0/message/content",
                                          "/choices/0/text",
                                          "/completion",
                                          "/text",
                                          "/generations/0/text",
                                          "/completions/0/data/text"};
static const char *const chunk_texts[] = {"/delta/text",
                                          "/contentBlockDelta/delta/text",
                                          "/outputText",
                                          "/generation",
                                          "/outputs/0/text",
                                          "/choices/0/delta/content",
                                          "/choices/0/text",
                                          "/completion",
                                          "/text",
                                          "/generations/0/text",
                                          "/choices/0/message/content"};

static void join_texts(const cJSON *chunks, struct buf *out)
{
    const cJSON *chunk;
    cJSON_ArrayForEach(chunk, chunks)
    {
        for (size_t i = 0; i < COUNT_OF(chunk_texts); i++)
            buf_adds(out, text_at(chunk, chunk_texts[i]));
    }
}

/* The text of a default answer, streamed and not; and what CountTokens says. */
static void check_agreement(struct mock *m, const cJSON *row)
{
    const char *model = text_at(row, "/model"), *text = "";
    CLEANUP(free_ptr) char *request = json_text(json_at(row, "/request"), JSON_COMPACT);
    CLEANUP(reply_release) struct reply r = invoke(m, model, "invoke", request);
    CLEANUP(reply_release) struct reply s = invoke(m, model, "invoke-with-response-stream", request);
    for (size_t i = 0; i < COUNT_OF(unary_texts) && text[0] == '\0'; i++)
        text = text_at(r.json, unary_texts[i]);
    double in = strtod(header(&r, "X-Amzn-Bedrock-Input-Token-Count"), NULL);
    double out = strtod(header(&r, "X-Amzn-Bedrock-Output-Token-Count"), NULL);
    CLAIM(r.status == 200 && in > 0 && out > 0, "%s: %d %s", model, r.status, buf_text(&r.body));
    if (s.status == 200) {
        enum es_error end;
        CLEANUP(json_free) cJSON *chunks = chunks_of(&s.body, &end);
        CLEANUP(buf_release) struct buf joined = BUF_INIT(BUF_ANY);
        join_texts(chunks, &joined);
        const cJSON *last = cJSON_GetArrayItem(chunks, cJSON_GetArraySize(chunks) - 1);
        CLAIM(strstr(model, "anthropic.claude-haiku") != NULL || text[0] != '\0', "%s: no text in %s", model,
              buf_text(&r.body));
        CLAIM(strcmp(buf_text(&joined), text) == 0, "%s: %s, streamed %s", model, text, buf_text(&joined));
        CLAIM(number_at(last, "/amazon-bedrock-invocationMetrics/inputTokenCount") == in &&
                  number_at(last, "/amazon-bedrock-invocationMetrics/outputTokenCount") == out,
              "%s: the stream counts otherwise", model);
    } else {
        CLAIM(strcmp(text_at(s.json, "/message"), "The model is unsupported for streaming.") == 0, "%s: %s", model,
              buf_text(&s.body));
    }
    const char *base = strncmp(model, "us.", 3) == 0 ? model + 3 : model;
    CLEANUP(buf_release) struct buf count = BUF_INIT(BUF_ANY);
    buf_adds(&count, "{\"input\":{\"invokeModel\":{\"body\":\"");
    buf_add_base64(&count, span_of(request));
    buf_adds(&count, "\"}}}");
    CLEANUP(reply_release) struct reply c = invoke(m, base, "count-tokens", buf_text(&count));
    CLAIM(number_at(c.json, "/inputTokens") == in, "%s: %s counted, %.0f billed", model, buf_text(&c.body), in);
}

static void streams_say_what_unary_says_and_every_count_agrees(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(json_free) cJSON *tree = families();
    const cJSON *row;
    cJSON_ArrayForEach(row, json_at(tree, "/rows"))
    {
        bool thinks = strstr(text_at(row, "/confidence"), "thinking") != NULL; /* its text is the second block */
        if (json_at(row, "/reply") != NULL && !thinks)
            check_agreement(m, row);
    }
}

/* One conversation, told in Converse and in Claude's own words. */
static void converse_invoke_and_count_tokens_count_alike(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *converse, *native;
    } twins[] = {
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hello\"}]}]",
         "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]"},
        {"\"system\":[{\"text\":\"be "
         "brief\"},{\"cachePoint\":{\"type\":\"default\"}}],\"messages\":[{\"role\":\"user\","
         "\"content\":[{\"text\":\"what time is it?\"}]}],\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"clock\","
         "\"description\":\"tells the time\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]}",
         "\"system\":[{\"type\":\"text\",\"text\":\"be "
         "brief\",\"cache_control\":{\"type\":\"ephemeral\"}}],\"messages\":"
         "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"what time is it?\"}]}],\"tools\":[{\"name\":"
         "\"clock\",\"description\":\"tells the time\",\"input_schema\":{\"type\":\"object\"}}]"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\"}]},{\"role\":\"assistant\",\"content\":[{"
         "\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"clock\",\"input\":{\"z\":1}}}]},{\"role\":\"user\",\"content\":["
         "{"
         "\"toolResult\":{\"toolUseId\":\"t1\",\"content\":[{\"text\":\"noon\"}]}}]}],\"toolConfig\":{\"tools\":[{"
         "\"toolSpec\":{\"name\":\"clock\",\"inputSchema\":{\"json\":{}}}}]}",
         "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":[{\"type\":"
         "\"tool_use\",\"id\":\"t1\",\"name\":\"clock\",\"input\":{\"z\":1}}]},{\"role\":\"user\",\"content\":[{"
         "\"type\":"
         "\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"noon\"}]}],\"tools\":[{\"name\":\"clock\","
         "\"input_schema\":{}}]"},
    };
    for (size_t i = 0; i < COUNT_OF(twins); i++) {
        CLEANUP(buf_release) struct buf converse = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf native = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf count = BUF_INIT(BUF_ANY);
        buf_addf(&converse, "{%s}", twins[i].converse);
        buf_addf(&native, "{" NATIVE ",%s}", twins[i].native);
        buf_addf(&count, "{\"input\":{\"converse\":%s}}", buf_text(&converse));
        CLEANUP(reply_release) struct reply a = ask(m, CLAUDE "converse", buf_text(&converse));
        CLEANUP(reply_release) struct reply b = ask(m, CLAUDE "invoke", buf_text(&native));
        CLEANUP(reply_release) struct reply c = ask(m, CLAUDE_BASE "count-tokens", buf_text(&count));
        double n = number_at(a.json, "/usage/inputTokens");
        CLAIM(n > 0 && n == number_at(b.json, "/usage/input_tokens") && n == number_at(c.json, "/inputTokens") &&
                  n == strtod(header(&b, "X-Amzn-Bedrock-Input-Token-Count"), NULL),
              "%zu: %s | %s | %s", i, buf_text(&a.body), buf_text(&b.body), buf_text(&c.body));
        CLAIM(number_at(a.json, "/usage/outputTokens") > 0, "%zu: nothing was said", i);
    }
}

/* ---- default answers ---- */

static void claude_thinks_calls_tools_and_names_the_stop_sequence(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply a = ask(m, CLAUDE "invoke",
                         "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":2000,\"thinking\":{\"type\":"
                         "\"enabled\",\"budget_tokens\":1024},\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
    CLAIM(strcmp(text_at(a.json, "/content/0/type"), "thinking") == 0 &&
              text_at(a.json, "/content/0/signature")[0] != 0 &&
              strcmp(text_at(a.json, "/content/1/type"), "text") == 0,
          "%s", buf_text(&a.body));
    CLEANUP(reply_release)
    struct reply b =
        ask(m, CLAUDE "invoke",
            "{" NATIVE ",\"tools\":[{\"name\":\"clock\",\"input_schema\":{\"type\":\"object\",\"properties\""
            ":{\"n\":{\"type\":\"integer\",\"minimum\":3}},\"required\":[\"n\"]}}],\"tool_choice\":{\"type\":"
            "\"tool\",\"name\":\"clock\"},\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
    CLAIM(strcmp(text_at(b.json, "/stop_reason"), "tool_use") == 0 && number_at(b.json, "/content/0/input/n") >= 3,
          "%s", buf_text(&b.body));
    CLEANUP(reply_release)
    struct reply c =
        ask(m, CLAUDE "invoke",
            "{" NATIVE ",\"stop_sequences\":[\"zzz\",\"said\"],\"messages\":[{\"role\":\"user\",\"content\":"
            "\"hi\"}]}");
    CLAIM(strcmp(text_at(c.json, "/stop_reason"), "stop_sequence") == 0 &&
              strcmp(text_at(c.json, "/stop_sequence"), "said") == 0 &&
              strcmp(text_at(c.json, "/content/0/text"), "You ") == 0,
          "%s", buf_text(&c.body));
}

/* ---- refusals ---- */

static void says_what_is_wrong_in_the_words_of_who_says_it(void)
{
#define MALFORMED(x) "Malformed input request" x ", please reformat your input and try again."
    static const struct {
        const char *path, *body, *message;
    } rows[] = {
        {CLAUDE "invoke", "{\"anthropic_version\":\"bedrock-2023-05-31\",\"messages\":[]}",
         "max_tokens: Field required"},
        {CLAUDE "invoke", "{" NATIVE ",\"messages\":[],\"model\":\"x\"}", "model: Extra inputs are not permitted"},
        {CLAUDE "invoke-with-response-stream", "{" NATIVE ",\"messages\":[],\"stream\":true}",
         "stream: Extra inputs are not permitted"},
        {CLAUDE "invoke", "not json", MALFORMED("")},
        {CLAUDE "invoke", "", MALFORMED("")},
        {CLAUDE "invoke", "[]", MALFORMED("")},
        {CLAUDE "invoke",
         "{" NATIVE ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\"}]}]}",
         "messages: text content blocks must be non-empty"},
        {CLAUDE "invoke",
         "{" NATIVE
         ",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":[{\"type\":"
         "\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{}}]},{\"role\":\"user\",\"content\":\"b\"}]}",
         "messages.2: Did not find 1 `tool_result` block(s) at the beginning of this message. Messages following "
         "`tool_use` blocks must begin with a matching number of `tool_result` blocks."},
        {CLAUDE_BASE "invoke", NATIVE_HELLO,
         "Invocation of model ID anthropic.claude-haiku-4-5-20251001-v1:0 with on-demand throughput isn\xe2\x80\x99t "
         "supported. Retry your request with the ID or ARN of an inference profile that contains this model."},
        {"/model/amazon.titan-text-lite-v1/invoke", "{}", MALFORMED(": #: required key [inputText] not found")},
        {"/model/amazon.titan-text-lite-v1/invoke", "{\"inputText\":\"a\",\"b\":1}",
         MALFORMED(": #: extraneous key [b] is not permitted")},
        {"/model/amazon.titan-text-lite-v1/invoke", "{\"b\":1}", MALFORMED(": 2 schema violations found")},
        {"/model/ai21.j2-mid-v1/invoke-with-response-stream", "{\"prompt\":\"a\"}",
         "The model is unsupported for streaming."},
        {"/model/amazon.titan-embed-text-v2%3A0/invoke-with-response-stream", "{\"inputText\":\"a\"}",
         "The model is unsupported for streaming."},
        {"/model/nobody/invoke", NATIVE_HELLO, "The provided model identifier is invalid."},
        {CLAUDE "count-tokens", "{\"input\":{\"converse\":{\"messages\":[]}}}",
         "The provided model doesn't support counting tokens."},
        {CLAUDE_BASE "count-tokens", "{\"input\":{\"invokeModel\":{\"body\":\"e30=\"}}}",
         "anthropic_version: Field required"},
        {CLAUDE_BASE "count-tokens", "{}",
         "1 validation error detected: Value null at 'input' failed to satisfy constraint: Member must not be null"},
    };
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, rows[i].path, rows[i].body);
        CLAIM(r.status == 400 && strcmp(text_at(r.json, "/message"), rows[i].message) == 0, "%s %s: %d %s",
              rows[i].path, rows[i].body, r.status, buf_text(&r.body));
        CLAIM(strncmp(header(&r, "x-amzn-ErrorType"), "ValidationException:", 20) == 0, "%s",
              header(&r, "x-amzn-ErrorType"));
    }
}

static void a_long_text_to_embed_is_named_by_its_place(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_adds(&body, "{\"input_type\":\"search_query\",\"texts\":[\"a\",\"");
    for (int i = 0; i < 2049; i++)
        buf_adds(&body, "\xc3\xbc");
    buf_adds(&body, "\"]}");
    CLEANUP(reply_release) struct reply r = ask(m, "/model/cohere.embed-english-v3/invoke", buf_text(&body));
    CLAIM(strcmp(text_at(r.json, "/message"),
                 "Malformed input request: #/texts/1: expected maxLength: 2048, actual: 2049, "
                 "please reformat your input and try again.") == 0,
          "%s", buf_text(&r.body));
}

static void headers_are_checked_and_echoed(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(http_headers_release) struct http_headers h;
    http_headers_init(&h);
    http_headers_add(&h, "X-Amzn-Bedrock-PerformanceConfig-Latency", "optimized");
    http_headers_add(&h, "X-Amzn-Bedrock-Service-Tier", "flex");
    CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", INVOKE, NATIVE_HELLO, &h, NULL);
    CLAIM(r.status == 200 && strcmp(header(&r, "X-Amzn-Bedrock-PerformanceConfig-Latency"), "optimized") == 0 &&
              strcmp(header(&r, "X-Amzn-Bedrock-Service-Tier"), "flex") == 0,
          "%d %s", r.status, buf_text(&r.body));
    http_headers_add(&h, "X-Amzn-Bedrock-Trace", "yes");
    CLEANUP(reply_release) struct reply bad = fetch(mock_port(m), "POST", INVOKE, NATIVE_HELLO, &h, NULL);
    CLAIM(bad.status == 400 && strstr(text_at(bad.json, "/message"), "at 'trace' failed") != NULL, "%s",
          buf_text(&bad.body));
}

static void a_rule_of_native_bodies_can_be_switched_off(void)
{
    static const char *const off[] = {"native-extra", NULL};
    struct mock_config config = {.rules_off = off};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply r =
        ask(m, CLAUDE "invoke", "{" NATIVE ",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"model\":\"x\"}");
    CLAIM(r.status == 200, "%s", buf_text(&r.body));
}

/* ---- embeddings ---- */

static double dot(const cJSON *a, const cJSON *b)
{
    double sum = 0;
    for (a = a->child, b = b->child; a != NULL && b != NULL; a = a->next, b = b->next)
        sum += a->valuedouble * b->valuedouble;
    return sum;
}

static double length_of(const cJSON *v)
{
    return sqrt(dot(v, v));
}

static void embeddings_have_the_asked_dimension_and_length(void)
{
    static const struct {
        const char *model, *body, *pointer;
        int dimension;
        bool unit;
        int tokens;
    } rows[] = {
        {"amazon.titan-embed-text-v1", "{\"inputText\":\"hello\"}", "/embedding", 1536, false, 1},
        {"amazon.titan-embed-text-v2:0", "{\"inputText\":\"hello there\"}", "/embedding", 1024, true, 2},
        {"amazon.titan-embed-text-v2:0", "{\"inputText\":\"hello\",\"dimensions\":256}", "/embeddingsByType/float", 256,
         true, 1},
        {"amazon.titan-embed-text-v2:0", "{\"inputText\":\"hello\",\"normalize\":false}", "/embedding", 1024, false, 1},
        {"amazon.titan-embed-text-v2:0", "{\"inputText\":\"hello\",\"dimensions\":512,\"embeddingTypes\":[\"binary\"]}",
         "/embeddingsByType/binary", 512, false, 1},
        {"amazon.titan-embed-image-v1",
         "{\"inputText\":\"a cat\",\"inputImage\":\"aGVsbG8=\",\"embeddingConfig\":{\"outputEmbeddingLength\":384}}",
         "/embedding", 384, true, 2},
        {"amazon.titan-embed-image-v1", "{\"inputImage\":\"aGVsbG8=\"}", "/embedding", 1024, true, 0},
        {"cohere.embed-english-v3", "{\"texts\":[\"Hello\",\"You\"],\"input_type\":\"search_document\"}",
         "/embeddings/1", 1024, true, 2},
        {"cohere.embed-multilingual-v3",
         "{\"texts\":[\"Hello\"],\"input_type\":\"search_query\",\"embedding_types\":[\"float\",\"ubinary\"]}",
         "/embeddings/float/0", 1024, true, 1},
        {"cohere.embed-multilingual-v3",
         "{\"texts\":[\"Hello\"],\"input_type\":\"search_query\",\"embedding_types\":[\"ubinary\"]}",
         "/embeddings/ubinary/0", 128, false, 1},
        {"us.cohere.embed-v4:0", "{\"texts\":[\"Hello\"],\"input_type\":\"clustering\",\"output_dimension\":512}",
         "/embeddings/float/0", 512, true, 1},
        {"amazon.nova-2-multimodal-embeddings-v1:0",
         "{\"taskType\":\"SINGLE_EMBEDDING\",\"singleEmbeddingParams\":{\"embeddingPurpose\":\"GENERIC_RETRIEVAL\","
         "\"embeddingDimension\":1024,\"text\":{\"value\":\"hello\",\"truncationMode\":\"NONE\"}}}",
         "/embeddings/0/embedding", 1024, true, 1},
    };
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release) struct reply r = invoke(m, rows[i].model, "invoke", rows[i].body);
        const cJSON *v = json_at(r.json, rows[i].pointer);
        CLAIM(cJSON_GetArraySize(v) == rows[i].dimension, "%s %s: %d numbers, status %d %.200s", rows[i].model,
              rows[i].body, cJSON_GetArraySize(v), r.status, buf_text(&r.body));
        CLAIM(v == NULL || (fabs(length_of(v) - 1) < 1e-4) == rows[i].unit, "%s: of length %g", rows[i].body,
              length_of(v));
        CLAIM(strtol(header(&r, "X-Amzn-Bedrock-Input-Token-Count"), NULL, 10) == rows[i].tokens &&
                  header(&r, "X-Amzn-Bedrock-Output-Token-Count")[0] == '\0',
              "%s: %s tokens", rows[i].body, header(&r, "X-Amzn-Bedrock-Input-Token-Count"));
    }
}

static void the_forms_around_vectors_are_those_recorded(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply a =
        ask(m, "/model/cohere.embed-english-v3/invoke", "{\"texts\":[\"HeLLo\"],\"input_type\":\"search_document\"}");
    CLAIM(strcmp(text_at(a.json, "/response_type"), "embeddings_floats") == 0 &&
              strcmp(text_at(a.json, "/texts/0"), "hello") == 0 && is_uuid(text_at(a.json, "/id")),
          "%.99s", buf_text(&a.body));
    CLEANUP(reply_release)
    struct reply b =
        ask(m, "/model/cohere.embed-v4%3A0/invoke", "{\"texts\":[\"HeLLo\"],\"input_type\":\"search_document\"}");
    CLAIM(strcmp(text_at(b.json, "/response_type"), "embeddings_by_type") == 0 &&
              strcmp(text_at(b.json, "/texts/0"), "HeLLo") == 0,
          "%.99s", buf_text(&b.body));
    CLEANUP(reply_release)
    struct reply c = ask(m, "/model/amazon.titan-embed-image-v1/invoke", "{\"inputText\":\"a\"}");
    CLAIM(cJSON_IsNull(json_item(c.json, "message")) && number_at(c.json, "/inputTextTokenCount") == 1, "%.99s",
          buf_text(&c.body));
}

static void close_texts_are_closer_than_far_ones(void)
{
    static const char *const texts[] = {
        "How do I reset my password?", "I forgot my password, how can I reset it?", "How do I get a new password?",
        "The whale dives below the ice of the northern sea.", "Whales dive deep below northern sea ice."};
    struct mock_config config = {0}, other = {.seed = 99};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(rig_stop) struct mock *n = rig_start(&other);
    static const char path[] = "/model/cohere.embed-v4%3A0/invoke";
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_adds(&body, "{\"input_type\":\"clustering\",\"texts\":[");
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        buf_addf(&body, "%s\"%s\"", i > 0 ? "," : "", texts[i]);
    buf_adds(&body, "]}");
    CLEANUP(reply_release) struct reply r = ask(m, path, buf_text(&body));
    CLEANUP(reply_release) struct reply again = ask(n, path, buf_text(&body));
    const cJSON *v = json_at(r.json, "/embeddings/float"), *w = json_at(again.json, "/embeddings/float");
    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(v), 5);
    CLAIM(json_equal(v, w), "another seed, other vectors");
    for (int i = 0; i < 5; i++)
        for (int k = i + 1; k < 5; k++) {
            double cosine = dot(cJSON_GetArrayItem(v, i), cJSON_GetArrayItem(v, k));
            bool close = (i < 3) == (k < 3);
            CLAIM(close ? cosine > 0.25 : cosine < 0.2, "%s | %s: %.3f", texts[i], texts[k], cosine);
        }
}

/* ---- scripts ---- */

static void scripts_answer_here_too(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m,
           "{\"replies\":[{\"reply\":{\"error\":{\"type\":\"ModelErrorException\",\"message\":\"m\"}}},"
           "{\"reply\":{\"raw\":{\"headers\":[[\"X-Empty\",\"\"]],\"body_json\":{\"completion\":\"x\"}}}},"
           "{\"reply\":{\"text\":\"x\",\"extra\":{\"b\":1,\"role\":null}}},"
           "{\"match\":{\"body\":{\"max_tokens\":64}},\"reply\":{\"frames\":[{\"chunk\":{\"b\":1,\"a\":[2]}},"
           "{\"chunk\":{},\"after_ms\":1},{\"exception\":\"throttlingException\",\"payload\":{\"message\":\"m\"}}]}},"
           "{\"reply\":{\"usage\":{\"inputTokens\":42}}},{\"reply\":{\"error\":{\"type\":\"ThrottlingException\"}}}]}");
    CLEANUP(reply_release) struct reply a = ask(m, INVOKE, NATIVE_HELLO);
    CLAIM(a.status == 424 && strcmp(text_at(a.json, "/message"), "m") == 0, "%d %s", a.status, buf_text(&a.body));
    CLEANUP(reply_release) struct reply b = ask(m, INVOKE, NATIVE_HELLO);
    CLAIM(strcmp(buf_text(&b.body), "{\"completion\":\"x\"}") == 0, "%s", buf_text(&b.body));
    const char *empty = http_headers_get(&b.headers, "X-Empty");
    CLAIM(empty != NULL && empty[0] == '\0', "an empty header does not arrive");
    CLEANUP(reply_release) struct reply c = ask(m, INVOKE, NATIVE_HELLO);
    CLAIM(number_at(c.json, "/b") == 1 && json_item(c.json, "role") == NULL, "%s", buf_text(&c.body));
    CLEANUP(reply_release) struct reply d = ask(m, INVOKE_CHUNK, NATIVE_HELLO);
    enum es_error end;
    CLEANUP(json_free) cJSON *chunks = chunks_of(&d.body, &end);
    CLEANUP(free_ptr) char *got = json_text(chunks, JSON_COMPACT);
    CLAIM(end == ES_OK && strcmp(got, "[{\"b\":1,\"a\":[2]},{},\"throttlingException\"]") == 0, "%s", got);
    CLAIM(strcmp(header(&d, "X-Amzn-Bedrock-Content-Type"), "application/json") == 0, "no content type of chunks");
    static const char count[] = "{\"input\":{\"converse\":{\"messages\":[]}}}";
    CLEANUP(reply_release) struct reply e = ask(m, CLAUDE_BASE "count-tokens", count);
    CLAIM(strcmp(buf_text(&e.body), "{\"inputTokens\":42}") == 0, "%s", buf_text(&e.body));
    CLEANUP(reply_release) struct reply f = ask(m, CLAUDE_BASE "count-tokens", count);
    CU_ASSERT_EQUAL(f.status, 429);
}

static void a_stream_keeps_its_pace_and_says_so(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(
        m,
        "{\"replies\":[{\"reply\":{\"content\":[{\"text\":\"abc\",\"$deltas\":[\"a\",\"b\",\"c\"]}],\"latency_ms\":20,"
        "\"ttft_ms\":30,\"itl_ms\":10}}]}");
    uint64_t before = now_ns();
    CLEANUP(reply_release) struct reply r = ask(m, INVOKE_CHUNK, NATIVE_HELLO);
    uint64_t took = (now_ns() - before) / 1000000;
    enum es_error end;
    CLEANUP(json_free) cJSON *chunks = chunks_of(&r.body, &end);
    const cJSON *last = cJSON_GetArrayItem(chunks, cJSON_GetArraySize(chunks) - 1);
    CLAIM(took >= 69, "%llu ms", (unsigned long long)took);
    CLAIM(number_at(last, "/amazon-bedrock-invocationMetrics/invocationLatency") == 70 &&
              number_at(last, "/amazon-bedrock-invocationMetrics/firstByteLatency") == 50,
          "the metrics say otherwise");
}

/* ---- stamps ---- */

static void check_stamp(const cJSON *text, uint32_t seq, uint32_t total, enum probe_kind kind)
{
    struct probe_stamp s = {0};
    bool good = cJSON_IsString(text) && strlen(text->valuestring) == PROBE_STAMP_SIZE &&
                probe_stamp_read((const unsigned char *)text->valuestring, &s);
    CLAIM(good && s.seq == seq && s.total == total && s.kind == kind && s.id == 0xabc && s.sent_ns >= s.received_ns &&
              s.received_ns > 0,
          "stamp %u of %u: %s", seq, total, cJSON_IsString(text) ? text->valuestring : "none");
}

static void stamps_lie_below_the_base64(void)
{
    struct mock_config config = {.probe_deltas = 4};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    char tag[PROBE_TAG_SIZE + 1] = "";
    probe_tag_write(0xabc, tag);
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_addf(&body, "{" NATIVE ",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}", tag);
    CLEANUP(reply_release) struct reply r = ask(m, INVOKE, buf_text(&body));
    check_stamp(json_at(r.json, "/content/0/text"), 0, 1, PROBE_UNARY);
    CLEANUP(reply_release) struct reply s = ask(m, INVOKE_CHUNK, buf_text(&body));
    enum es_error end;
    CLEANUP(json_free) cJSON *chunks = chunks_of(&s.body, &end);
    CU_ASSERT_EQUAL(end, ES_OK);
    const cJSON *chunk;
    uint32_t seq = 0;
    cJSON_ArrayForEach(chunk, chunks)
    {
        if (json_at(chunk, "/delta/text") != NULL)
            check_stamp(json_at(chunk, "/delta/text"), seq++, 4, PROBE_TEXT);
    }
    CU_ASSERT_EQUAL(seq, 4);
}

/* ---- faults ---- */

/* 0 message_start, 1 content_block_start, 2-4 deltas, 5 content_block_stop, 6 message_delta, 7 message_stop */
#define ANSWER "\"content\":[{\"text\":\"one two three\",\"$deltas\":[\"one \",\"two \",\"three\"]}]"
#define WHOLE  "message_start content_block_start content_block_delta*3 content_block_stop message_delta message_stop"
#define UNCUT  "message_start content_block_start content_block_delta*3 content_block_stop message_delta"

static const struct fault_row {
    const char *fault;
    bool unary;
    int status;
    enum err error;
    const char *outline; /* by the types of the native objects; NULL: not looked at */
    enum es_error end;
    const char *holds;
} faults[] = {
    {"\"error\",\"type\":\"ModelTimeoutException\"", true, 408, OK, NULL, ES_OK, "Model has timed out"},
    {"\"exception\",\"at_event\":2,\"type\":\"throttlingException\",\"message\":\"m\"", false, 200, OK,
     "message_start content_block_start throttlingException", ES_OK, "{\"message\":\"m\"}"},
    {"\"error-frame\",\"at_event\":1,\"code\":\"Oops\",\"message\":\"m\"", false, 200, OK, "message_start Oops", ES_OK,
     NULL},
    {"\"cut-fin\",\"at_event\":3", false, 200, ERR_CLOSED, "message_start content_block_start content_block_delta",
     ES_OK, NULL},
    {"\"cut-fin\",\"at_byte\":10", true, 200, ERR_CLOSED, NULL, ES_OK, NULL},
    {"\"cut-rst\",\"at_byte\":10", true, 200, ERR_CLOSED, NULL, ES_OK, NULL},
    {"\"cut-clean\",\"at_event\":-1", false, 200, OK, UNCUT, ES_OK, NULL},
    {"\"cut-clean\",\"at_byte\":-7", false, 200, OK, UNCUT, ES_TRUNCATED, NULL},
    {"\"split\",\"at_event\":1,\"at_byte\":2", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"shred\",\"bytes\":7", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"merge\"", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"bad-prelude-crc\",\"at_event\":2", false, 200, OK, "message_start content_block_start", ES_PRELUDE_CRC, NULL},
    {"\"bad-message-crc\",\"at_event\":2", false, 200, OK, "message_start content_block_start", ES_MESSAGE_CRC, NULL},
    {"\"corrupt\",\"at_event\":3", false, 200, OK,
     "message_start content_block_start content_block_delta chunk content_block_delta content_block_stop message_delta "
     "message_stop",
     ES_OK, NULL},
    {"\"unknown-event\",\"at_event\":1,\"name\":\"newThing\"", false, 200, OK,
     "message_start newThing content_block_start content_block_delta*3 content_block_stop message_delta message_stop",
     ES_OK, NULL},
    {"\"no-message-stop\"", false, 200, OK, UNCUT, ES_OK, NULL},
    {"\"no-metadata\"", false, 200, OK, UNCUT, ES_OK, NULL},
    {"\"drop-event\",\"at_event\":5", false, 200, OK,
     "message_start content_block_start content_block_delta*3 message_delta message_stop", ES_OK, NULL},
    {"\"duplicate-event\",\"at_event\":7", false, 200, OK, WHOLE "*2", ES_OK, NULL},
    {"\"swap-events\",\"at_event\":5", false, 200, OK,
     "message_start content_block_start content_block_delta*3 message_delta content_block_stop message_stop", ES_OK,
     NULL},
    {"\"no-message-start\"", false, 200, OK,
     "content_block_start content_block_delta*3 content_block_stop message_delta message_stop", ES_OK, NULL},
    {"\"duplicate-message-start\"", false, 200, OK,
     "message_start*2 content_block_start content_block_delta*3 content_block_stop message_delta message_stop", ES_OK,
     NULL},
    {"\"delta-before-start\"", false, 200, OK,
     "content_block_delta message_start content_block_start content_block_delta*2 content_block_stop message_delta "
     "message_stop",
     ES_OK, NULL},
    {"\"no-block-start\"", false, 200, OK,
     "message_start content_block_delta*3 content_block_stop message_delta message_stop", ES_OK, NULL},
    {"\"no-block-stop\"", false, 200, OK,
     "message_start content_block_start content_block_delta*3 message_delta message_stop", ES_OK, NULL},
    {"\"duplicate-block-stop\"", false, 200, OK,
     "message_start content_block_start content_block_delta*3 content_block_stop*2 message_delta message_stop", ES_OK,
     NULL},
    {"\"delta-after-block-stop\"", false, 200, OK,
     "message_start content_block_start content_block_delta*3 content_block_stop content_block_delta message_delta "
     "message_stop",
     ES_OK, NULL},
    {"\"index-gap\",\"by\":3", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"stray-index\"", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"interleaved-blocks\"", false, 200, OK,
     "message_start content_block_start*2 content_block_delta*6 content_block_stop*2 message_delta message_stop", ES_OK,
     NULL},
    {"\"duplicate-metadata\"", false, 200, OK, WHOLE "*2", ES_OK, NULL},
    {"\"metadata-before-stop\"", false, 200, OK, WHOLE, ES_OK, NULL}, /* one chunk is both */
    {"\"duplicate-message-stop\"", false, 200, OK, WHOLE "*2", ES_OK, NULL},
    {"\"event-after-stop\"", false, 200, OK, WHOLE " content_block_delta", ES_OK, NULL},
    {"\"event-after-metadata\"", false, 200, OK, WHOLE " content_block_delta", ES_OK, NULL},
    {"\"early-end\"", false, 200, OK, UNCUT, ES_OK, NULL},
    {"\"html-503\"", false, 503, OK, NULL, ES_OK, "<html>"},
    {"\"coral-200\"", true, 200, OK, NULL, ES_OK, "com.amazon.coral.service#UnknownOperationException"},
    {"\"empty-200\"", true, 200, OK, NULL, ES_OK, ""},
    {"\"latency\",\"ms\":30", true, 200, OK, NULL, ES_OK, "one two three"},
    {"\"ttft\",\"ms\":30", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"itl\",\"ms\":5", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"content-type\",\"value\":\"text/html\"", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"truncated-json\",\"at_byte\":12", true, 200, OK, NULL, ES_OK, "{\"model\":\"cl"},
};

static void outline_chunks(const cJSON *chunks, struct buf *out)
{
    CLEANUP(json_free) cJSON *named = cJSON_CreateArray();
    const cJSON *chunk;
    cJSON_ArrayForEach(chunk, chunks)
    {
        cJSON *item = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(item, "name",
                                      cJSON_IsString(chunk) ? chunk->valuestring : text_at(chunk, "/type"));
        (void)cJSON_AddItemToArray(named, item);
    }
    outline(named, out);
}

static void check_fault(struct mock *m, const struct fault_row *row)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "{\"replies\":[{\"reply\":{" ANSWER ",\"faults\":[{\"id\":%s}]}}]}", row->fault);
    script(m, buf_text(&text));
    uint64_t before = now_ns();
    CLEANUP(reply_release) struct reply r = ask(m, row->unary ? INVOKE : INVOKE_CHUNK, NATIVE_HELLO);
    uint64_t took = (now_ns() - before) / 1000000;
    CLAIM(r.error == row->error && r.status == row->status, "%s: %d, the client says %s", row->fault, r.status,
          err_name(r.error));
    CLAIM(took >= 29 || (strstr(row->fault, "\"ms\":30") == NULL && strstr(row->fault, "\"itl\"") == NULL),
          "%s: took %llu ms", row->fault, (unsigned long long)took);
    if (row->holds != NULL)
        CLAIM(row->holds[0] == '\0' ? r.body.len == 0
                                    : memmem(r.body.data, r.body.len, row->holds, strlen(row->holds)) != NULL,
              "%s: no %s in %s", row->fault, row->holds, buf_text(&r.body));
    if (row->outline == NULL)
        return;
    enum es_error end;
    CLEANUP(json_free) cJSON *chunks = chunks_of(&r.body, &end);
    CLEANUP(buf_release) struct buf o = BUF_INIT(BUF_ANY);
    outline_chunks(chunks, &o);
    CLAIM(strcmp(buf_text(&o), row->outline) == 0 && end == row->end, "%s: %s, %s", row->fault, buf_text(&o),
          es_error_name(end));
}

static void every_fault_works_on_native_answers(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(faults); i++)
        check_fault(m, &faults[i]);
    const struct mock_fault_row *table;
    size_t n = mock_faults_list(&table);
    for (size_t i = 0; i < n; i++) {
        char quoted[64];
        bool found = strncmp(table[i].code, "ORD-", 4) != 0; /* the others do not look at what an event says */
        (void)snprintf(quoted, sizeof quoted, "\"%s\"", table[i].id);
        for (size_t k = 0; k < COUNT_OF(faults); k++)
            found = found || strncmp(faults[k].fault, quoted, strlen(quoted)) == 0;
        CLAIM(found, "nothing tests %s on a native answer", table[i].id);
    }
}

/* ---- gpt-oss reasons when an effort is asked for, in the native body as on the compatible endpoint ---- */

#define OSS_HELLO(x) "{\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]" x "}"

static void gpt_oss_reasons_when_an_effort_is_given(void)
{
    static const struct {
        const char *path, *body, *at;
        bool reasons;
    } asked[] = {
        {"invoke", OSS_HELLO(",\"reasoning_effort\":\"low\""), "/choices/0/message/content", true},
        {"invoke", OSS_HELLO(",\"reasoning_effort\":\"none\""), "/choices/0/message/content", false},
        {"invoke", OSS_HELLO(""), "/choices/0/message/content", false},
        {"converse", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],"
                     "\"additionalModelRequestFields\":{\"reasoning_effort\":\"high\"}}",
         "/output/message/content/0/reasoningContent/reasoningText/text", true},
    };
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "/model/openai.gpt-oss-20b-1%%3A0/%s", asked[i].path);
        CLEANUP(reply_release) struct reply r = ask(m, path, asked[i].body);
        const char *text = text_at(r.json, asked[i].at);
        bool tagged = strncmp(text, "<reasoning>", 11) == 0 && strstr(text, "</reasoning>") != NULL;
        bool found = strcmp(asked[i].path, "invoke") == 0 ? tagged : *text != '\0';
        CLAIM(r.status == 200 && found == asked[i].reasons, "row %zu: %s", i, buf_text(&r.body));
    }
    CLEANUP(reply_release)
    struct reply chat = ask(m, "/openai/v1/chat/completions",
                            OSS_HELLO(",\"model\":\"openai.gpt-oss-20b-1:0\",\"reasoning_effort\":\"low\""));
    CLAIM(*text_at(chat.json, "/choices/0/message/reasoning") != '\0', "%s", buf_text(&chat.body));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every family answers in its own shape", every_family_answers_in_its_own_shape},
        {"no family is without a row", no_family_is_without_a_row},
        {"streams say what unary says, and every count agrees", streams_say_what_unary_says_and_every_count_agrees},
        {"Converse, InvokeModel and CountTokens count alike", converse_invoke_and_count_tokens_count_alike},
        {"Claude thinks, calls tools and names the stop sequence",
         claude_thinks_calls_tools_and_names_the_stop_sequence},
        {"says what is wrong in the words of who says it", says_what_is_wrong_in_the_words_of_who_says_it},
        {"a long text to embed is named by its place", a_long_text_to_embed_is_named_by_its_place},
        {"headers are checked and echoed", headers_are_checked_and_echoed},
        {"a rule of native bodies can be switched off", a_rule_of_native_bodies_can_be_switched_off},
        {"embeddings have the asked dimension and length", embeddings_have_the_asked_dimension_and_length},
        {"the forms around vectors are those recorded", the_forms_around_vectors_are_those_recorded},
        {"close texts are closer than far ones", close_texts_are_closer_than_far_ones},
        {"scripts answer here too", scripts_answer_here_too},
        {"a stream keeps its pace and says so", a_stream_keeps_its_pace_and_says_so},
        {"stamps lie below the base64", stamps_lie_below_the_base64},
        {"every fault works on native answers", every_fault_works_on_native_answers},
        {"gpt-oss reasons when an effort is given", gpt_oss_reasons_when_an_effort_is_given},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_invoke", tests);
}
