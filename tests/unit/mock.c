/* The mock over the wire: the shapes of answers, the default answers, scripted replies, stamps. */
#include "protocol/probe.h"
#include "protocol/schema.h"
#include "protocol/token.h"

#include "mock_rig.h"

#define SONNET45        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
#define SONNET45_STREAM SONNET45 "-stream"
#define ASK(x)          "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"What is a mock?\"}]}]" x "}"

/* ---- shapes ---- */

static void answers_converse_in_the_shape_of_bedrock(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"content\":[{\"text\":\"gr\xc3\xbc\xc3\x9f "
              "\\\"x\\\"\"},{\"toolUse\":{\"toolUseId\":\"id1\","
              "\"name\":\"n\",\"input\":{\"b\":9007199254740993,\"a\":1.50}}},{\"reasoningContent\":{\"reasoningText\":"
              "{\"text\":"
              "\"hm\",\"signature\":\"c2ln\"}}},{\"reasoningContent\":{\"redactedContent\":\"cmVk\"}}],\"usage\":{"
              "\"inputTokens\":5,"
              "\"outputTokens\":7,\"cacheReadInputTokens\":100},\"latency_ms\":3}}]}");
    CLEANUP(reply_release) struct reply r = ask(m, SONNET45, HELLO);
    const char *want =
        "{\"metrics\":{\"latencyMs\":3},\"output\":{\"message\":{\"content\":[{\"text\":\"gr\xc3\xbc\xc3\x9f "
        "\\\"x\\\"\"},"
        "{\"toolUse\":{\"input\":{\"a\":1.50,\"b\":9007199254740993},\"name\":\"n\",\"toolUseId\":\"id1\"}},"
        "{\"reasoningContent\":{\"reasoningText\":{\"signature\":\"c2ln\",\"text\":\"hm\"}}},"
        "{\"reasoningContent\":{\"redactedContent\":\"cmVk\"}}],\"role\":\"assistant\"}},\"stopReason\":\"tool_use\","
        "\"usage\":{\"cacheReadInputTokenCount\":100,\"cacheReadInputTokens\":100,\"cacheWriteInputTokenCount\":0,"
        "\"cacheWriteInputTokens\":0,\"inputTokens\":5,\"outputTokens\":7,\"serverToolUsage\":{},\"totalTokens\":112}}";
    CLAIM(strcmp(buf_text(&r.body), want) == 0, "%s", buf_text(&r.body));
    CLAIM(strcmp(header(&r, "Content-Type"), "application/json") == 0, "%s", header(&r, "Content-Type"));
    CLAIM(strlen(header(&r, "x-amzn-RequestId")) == 36 && header(&r, "x-amzn-RequestId")[14] == '4', "%s",
          header(&r, "x-amzn-RequestId"));
    CLAIM(header(&r, "Date")[0] != '\0' && header(&r, "Content-Length")[0] != '\0', "no Date, or no length");
}

static bool is_padding(const char *p)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t n = strlen(p);
    return n >= 2 && n <= 61 && strncmp(p, alphabet, n) == 0;
}

static void streams_in_the_shape_of_bedrock(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(
        m,
        "{\"replies\":[{\"reply\":{\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"hm "
        "hm\",\"signature\":"
        "\"c2ln\"}},\"$deltas\":[\"hm\",\" "
        "hm\"]},{\"text\":\"ab\",\"$deltas\":[\"\",\"a\",\"b\"]},{\"toolUse\":{\"toolUseId\":"
        "\"id1\",\"name\":\"n\",\"input\":{\"x\":1}},\"$deltas\":[\"\",\"{\\\"x\\\"\",\":1}\"]},{\"reasoningContent\":{"
        "\"redactedContent\":\"cmVk\"}}],\"extra\":{\"trace\":{\"z\":1},\"additionalModelResponseFields\":{\"f\":2}}}}]"
        "}");
    CLEANUP(reply_release) struct reply r = ask(m, STREAM, HELLO);
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
    CLEANUP(buf_release) struct buf o = BUF_INIT(BUF_ANY);
    outline(events, &o);
    CLAIM(strcmp(buf_text(&o),
                 "messageStart contentBlockDelta*3 contentBlockStop contentBlockDelta*3 contentBlockStop "
                 "contentBlockStart contentBlockDelta*3 contentBlockStop contentBlockDelta contentBlockStop "
                 "messageStop metadata") == 0,
          "%s", buf_text(&o));
    CU_ASSERT_EQUAL(end, ES_OK);
    CLAIM(strcmp(header(&r, "Content-Type"), "application/vnd.amazon.eventstream") == 0, "%s",
          header(&r, "Content-Type"));
    CLAIM(header(&r, "Content-Length")[0] == '\0', "a stream has no length");
    static const struct {
        const char *pointer, *text;
    } texts[] = {
        {"/0/payload/role", "assistant"},
        {"/1/payload/delta/reasoningContent/text", "hm"},
        {"/3/payload/delta/reasoningContent/signature", "c2ln"},
        {"/6/payload/delta/text", "a"},
        {"/9/payload/start/toolUse/name", "n"},
        {"/9/payload/start/toolUse/toolUseId", "id1"},
        {"/11/payload/delta/toolUse/input", "{\"x\""},
        {"/14/payload/delta/reasoningContent/redactedContent", "cmVk"},
        {"/16/payload/stopReason", "tool_use"},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        CLAIM(strcmp(text_at(events, texts[i].pointer), texts[i].text) == 0, "%s is %s", texts[i].pointer,
              text_at(events, texts[i].pointer));
    CLAIM(number_at(events, "/14/payload/contentBlockIndex") == 3, "the blocks are not counted");
    CLAIM(number_at(events, "/16/payload/additionalModelResponseFields/f") == 2, "no additional fields in messageStop");
    CLAIM(json_at(events, "/17/payload/additionalModelResponseFields") == NULL, "additional fields in metadata");
    CLAIM(number_at(events, "/17/payload/trace/z") == 1 && number_at(events, "/17/payload/usage/totalTokens") > 0,
          "metadata");
    const cJSON *e;
    cJSON_ArrayForEach(e, events) CLAIM(is_padding(text_at(e, "/payload/p")), "p is %s", text_at(e, "/payload/p"));
}

static void payloads_are_compact_and_sorted(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"x\",\"extra\":{\"trace\":{\"b\":1,\"a\":2}}}}]}");
    CLEANUP(reply_release) struct reply r = ask(m, SONNET45_STREAM, HELLO);
    struct es_decoder d;
    struct es_message msg;
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(&r.body));
    size_t n = 0;
    while (es_decoder_next(&d, &msg) == ES_OK) {
        CLEANUP(json_free) cJSON *tree = NULL;
        CU_ASSERT_EQUAL(json_parse(msg.payload, JSON_UNIQUE, &tree, NULL), OK);
        CLEANUP(free_ptr) char *again = json_text(tree, JSON_SORTED);
        CLAIM(again != NULL && span_is(msg.payload, again), "not sorted or not compact: %s", again);
        CLAIM(msg.count == 3 && span_is(msg.headers[0].name, ":event-type") &&
                  span_is(msg.headers[1].name, ":content-type") && span_is(msg.headers[2].name, ":message-type"),
              "other headers than Bedrock's");
        n++;
    }
    es_decoder_release(&d);
    CU_ASSERT_EQUAL(n, 5);
}

/* ---- default answers ---- */

static void the_same_request_gets_the_same_answer(void)
{
    struct mock_config config = {.seed = 7}, other = {.seed = 8};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(rig_stop) struct mock *n = rig_start(&other);
    CLEANUP(reply_release) struct reply a = ask(m, STREAM, ASK(""));
    CLEANUP(reply_release) struct reply b = ask(m, STREAM, ASK(""));
    CLEANUP(reply_release) struct reply c = ask(n, STREAM, ASK(""));
    CLAIM(span_equal(buf_span(&a.body), buf_span(&b.body)), "two answers to one request");
    CLAIM(!span_equal(buf_span(&a.body), buf_span(&c.body)), "the seed changes nothing");
    CLAIM(strcmp(header(&a, "x-amzn-RequestId"), header(&b, "x-amzn-RequestId")) != 0,
          "one request id for two requests");
}

static void the_stream_says_what_the_whole_says_token_by_token(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply whole = ask(m, CONVERSE, ASK(""));
    CLEANUP(reply_release) struct reply stream = ask(m, STREAM, ASK(""));
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&stream.body, &end);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    join(events, "/payload/delta/text", &text);
    const char *said = text_at(whole.json, "/output/message/content/0/text");
    CLAIM(strcmp(buf_text(&text), said) == 0, "%s", buf_text(&text));
    CLAIM(strstr(said, "What is a mock?") != NULL, "nothing of the question: %s", said);
    double tokens = number_at(whole.json, "/usage/outputTokens");
    CLAIM(cJSON_GetArraySize(events) == (int)tokens + 4, "%d events, %.0f tokens", cJSON_GetArraySize(events), tokens);
    CLAIM((size_t)tokens == token_count(span_of(said)), "%.0f tokens", tokens);
    CLAIM(number_at(whole.json, "/usage/totalTokens") == tokens + number_at(whole.json, "/usage/inputTokens"),
          "the sum");
}

static void an_answer_ends_where_it_is_told_to(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *body, *reason;
        double tokens; /* at most; 0: not looked at */
    } ends[] = {
        {ASK(",\"inferenceConfig\":{\"maxTokens\":5}"), "max_tokens", 5},
        {ASK(",\"inferenceConfig\":{\"maxTokens\":1}"), "max_tokens", 1},
        {ASK(",\"inferenceConfig\":{\"maxTokens\":4000}"), "end_turn", 0},
        {ASK(",\"inferenceConfig\":{\"stopSequences\":[\"never said\",\"mock?\"]}"), "stop_sequence", 0},
        {ASK(",\"inferenceConfig\":{\"maxTokens\":3,\"stopSequences\":[\"mock?\"]}"), "max_tokens", 3},
    };
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, ends[i].body);
        CLAIM(strcmp(text_at(r.json, "/stopReason"), ends[i].reason) == 0, "%zu: %s", i,
              text_at(r.json, "/stopReason"));
        if (ends[i].tokens > 0)
            CLAIM(number_at(r.json, "/usage/outputTokens") == ends[i].tokens, "%zu: %.0f", i,
                  number_at(r.json, "/usage/outputTokens"));
        if (strcmp(ends[i].reason, "stop_sequence") == 0)
            CLAIM(strcmp(text_at(r.json, "/output/message/content/0/text"), "You said: \xe2\x80\x9cWhat is a ") == 0,
                  "%s", text_at(r.json, "/output/message/content/0/text"));
    }
}

#define SCHEMA                                                                                                         \
    "{\"type\":\"object\",\"required\":[\"city\",\"days\",\"unit\",\"tags\",\"at\",\"geo\",\"ok\",\"ratio\",\"code\"]" \
    ","                                                                                                                \
    "\"properties\":{\"city\":{\"type\":\"string\",\"minLength\":2},\"days\":{\"type\":\"integer\",\"minimum\":3,"     \
    "\"maximum\":5},\"unit\":{\"enum\":[\"c\",\"f\"]},\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"   \
    "\"minItems\":2},\"at\":{\"type\":\"string\",\"format\":\"date-time\"},\"geo\":{\"type\":\"object\",\"required\":" \
    "["                                                                                                                \
    "\"lat\"],\"properties\":{\"lat\":{\"type\":\"number\",\"minimum\":-90,\"maximum\":90}}},\"ok\":{\"type\":"        \
    "\"boolean\"},\"ratio\":{\"type\":\"number\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":1},\"code\":{\"anyOf\":[" \
    "{"                                                                                                                \
    "\"type\":\"null\"},{\"type\":\"string\",\"maxLength\":3}]}}}"
#define TOOLS(choice)                                                                                                  \
    ",\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"other\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}" \
    ",{"                                                                                                               \
    "\"toolSpec\":{\"name\":\"forecast\",\"inputSchema\":{\"json\":" SCHEMA "}}}]" choice "}"

static void a_demanded_tool_is_called_with_arguments_its_schema_takes(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply any = ask(m, CONVERSE, ASK(TOOLS(",\"toolChoice\":{\"any\":{}}")));
    CLAIM(strcmp(text_at(any.json, "/output/message/content/0/toolUse/name"), "other") == 0, "%s", buf_text(&any.body));
    CLEANUP(reply_release)
    struct reply r = ask(m, CONVERSE, ASK(TOOLS(",\"toolChoice\":{\"tool\":{\"name\":\"forecast\"}}")));
    CLAIM(strcmp(text_at(r.json, "/stopReason"), "tool_use") == 0, "%s", buf_text(&r.body));
    CLAIM(strncmp(text_at(r.json, "/output/message/content/0/toolUse/toolUseId"), "tooluse_", 8) == 0 &&
              strlen(text_at(r.json, "/output/message/content/0/toolUse/toolUseId")) == 30,
          "%s", buf_text(&r.body));
    const cJSON *input = json_at(r.json, "/output/message/content/0/toolUse/input");
    CLEANUP(json_free) cJSON *schema = NULL;
    struct note note = {""};
    CU_ASSERT_EQUAL(json_parse(SPAN_LIT(SCHEMA), JSON_COMPACT, &schema, NULL), OK);
    CLAIM(schema_validate(schema, input, &note) == OK, "%s", note.text);
    double ratio = number_at(input, "/ratio");
    CLAIM(ratio > 0 && ratio < 1, "ratio %f", ratio);
    CLAIM(cJSON_GetArraySize(json_at(input, "/tags")) == 2, "%s", buf_text(&r.body));
    CLAIM(strlen(text_at(input, "/code")) > 0 && strlen(text_at(input, "/code")) <= 3, "%s", buf_text(&r.body));
    CLAIM(strcmp(text_at(input, "/at"), "2026-01-02T03:04:05Z") == 0, "%s", buf_text(&r.body));
    CLEANUP(reply_release)
    struct reply s = ask(m, STREAM, ASK(TOOLS(",\"toolChoice\":{\"tool\":{\"name\":\"forecast\"}}")));
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&s.body, &end);
    CLEANUP(buf_release) struct buf joined = BUF_INIT(BUF_ANY);
    join(events, "/payload/delta/toolUse/input", &joined);
    CLEANUP(free_ptr) char *whole = json_text(input, JSON_SORTED);
    CLAIM(whole != NULL && strcmp(buf_text(&joined), whole) == 0, "%s", buf_text(&joined));
    CLEANUP(reply_release) struct reply none = ask(m, CONVERSE, ASK(TOOLS("")));
    CLAIM(strcmp(text_at(none.json, "/stopReason"), "end_turn") == 0, "a tool nobody asked for");
}

static void thinking_and_structured_output_are_served(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply t =
        ask(m, SONNET45,
            ASK(",\"additionalModelRequestFields\":{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}}"));
    CLAIM(text_at(t.json, "/output/message/content/0/reasoningContent/reasoningText/signature")[0] != '\0' &&
              text_at(t.json, "/output/message/content/0/reasoningContent/reasoningText/text")[0] != '\0' &&
              text_at(t.json, "/output/message/content/1/text")[0] != '\0',
          "%s", buf_text(&t.body));
    CLEANUP(reply_release)
    struct reply s = ask(
        m, SONNET45,
        ASK(",\"outputConfig\":{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{\"name\":\"n\","
            "\"schema\":\"{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"city\\\":{\\\"type\\\":\\\"string\\\"}}}"
            "\"}}}}"));
    CLAIM(strcmp(text_at(s.json, "/output/message/content/0/text"), "{\"city\":\"Paris\"}") == 0, "%s",
          buf_text(&s.body));
}

/* ---- scripts ---- */

static void scripts_are_a_queue_with_matchers(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"match\":{\"operation\":\"ConverseStream\"},\"reply\":{\"text\":\"for streams\"}},"
              "{\"match\":{\"body\":{\"messages\":{\"$contains\":{\"role\":\"assistant\"}}}},\"reply\":{\"text\":"
              "\"later turn\"}},"
              "{\"match\":{\"headers\":{\"x-test\":\"1\"},\"model\":\"anthropic.claude-3-haiku-20240307-v1:0\","
              "\"method\":\"POST\"},"
              "\"reply\":{\"text\":\"by header\"}},{\"times\":2,\"reply\":{\"text\":\"twice\"}},"
              "{\"times\":\"always\",\"match\":{\"target\":{\"$regex\":\"haiku\"}},\"reply\":{\"text\":\"always\"}}]}");
    static const char *const want[] = {"twice", "twice", "always", "always"};
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CLAIM(strcmp(text_at(r.json, "/output/message/content/0/text"), want[i]) == 0, "%zu: %s", i, buf_text(&r.body));
    }
    struct http_headers more;
    http_headers_init(&more);
    http_headers_add(&more, "X-Test", "1");
    CLEANUP(reply_release) struct reply h = fetch(mock_port(m), "POST", CONVERSE, HELLO, &more, &usual_key);
    http_headers_release(&more);
    CLAIM(strcmp(text_at(h.json, "/output/message/content/0/text"), "by header") == 0, "%s", buf_text(&h.body));
    CLEANUP(reply_release)
    struct reply t =
        ask(m, CONVERSE,
            "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\"}]},{\"role\":\"assistant\",\"content\":["
            "{\"text\":\"b\"}]},{\"role\":\"user\",\"content\":[{\"text\":\"c\"}]}]}");
    CLAIM(strcmp(text_at(t.json, "/output/message/content/0/text"), "later turn") == 0, "%s", buf_text(&t.body));
    CLEANUP(reply_release) struct reply s = ask(m, STREAM, HELLO);
    CLAIM(memmem(s.body.data, s.body.len, "streams", 7) != NULL, "the matcher for streams was not used");
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{}");
    CLEANUP(reply_release) struct reply d = ask(m, CONVERSE, HELLO);
    CLAIM(strncmp(text_at(d.json, "/output/message/content/0/text"), "You said", 8) == 0, "%s", buf_text(&d.body));
}

static void every_kind_of_reply_is_served(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *reply;
        int status;
        const char *header, *value, *body;
    } kinds[] = {
        {"{\"error\":{\"type\":\"ThrottlingException\"}}", 429, "x-amzn-ErrorType",
         "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/",
         "{\"message\":\"Too many requests, please wait before trying again.\"}"},
        {"{\"error\":{\"type\":\"AccessDeniedException\",\"Message\":\"no\",\"headers\":[[\"Retry-After\",\"7\"]]}}",
         403, "Retry-After", "7", "{\"Message\":\"no\"}"},
        {"{\"raw\":{\"status\":503,\"headers\":[[\"Content-Type\",\"text/"
         "html\"],[\"X-A\",\"b\"]],\"body\":\"<html>\"}}",
         503, "Content-Type", "text/html", "<html>"},
        {"{\"raw\":{\"body_json\":{\"b\":1,\"a\":2}}}", 200, "Content-Type", "application/json", "{\"b\":1,\"a\":2}"},
        {"{\"raw\":{\"status\":201,\"body_base64\":\"aGk=\"}}", 201, "Content-Type", "application/octet-stream", "hi"},
        {"{\"raw\":{\"status\":200,\"headers\":[[\"Content-Length\",\"99\"],[\"Set-Cookie\",\"a\"],[\"Set-Cookie\","
         "\"b\"]]}}",
         200, "Set-Cookie", "a", ""},
        {"{\"text\":\"x\",\"stop_reason\":\"content_filtered\",\"metrics\":{\"latencyMs\":9},\"usage\":{"
         "\"inputTokens\":1,"
         "\"outputTokens\":2,\"totalTokens\":99},\"extra\":{\"serviceTier\":{\"type\":\"flex\"}}}",
         200, "Content-Type", "application/json",
         "{\"metrics\":{\"latencyMs\":9},\"output\":{\"message\":{\"content\":[{\"text\":\"x\"}],\"role\":"
         "\"assistant\"}},"
         "\"serviceTier\":{\"type\":\"flex\"},\"stopReason\":\"content_filtered\",\"usage\":{\"inputTokens\":1,"
         "\"outputTokens\":2,"
         "\"totalTokens\":99}}"},
    };
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        buf_addf(&body, "{\"replies\":[{\"reply\":%s}]}", kinds[i].reply);
        script(m, buf_text(&body));
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CLAIM(r.status == kinds[i].status, "%zu: %d", i, r.status);
        CLAIM(strcmp(header(&r, kinds[i].header), kinds[i].value) == 0, "%zu: %s", i, header(&r, kinds[i].header));
        CLAIM(strcmp(buf_text(&r.body), kinds[i].body) == 0, "%zu: %s", i, buf_text(&r.body));
    }
}

static void frames_are_sent_as_scripted(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"frames\":[{\"event\":\"messageStart\",\"payload\":{\"role\":\"assistant\"}},"
              "{\"event\":\"contentBlockDelta\",\"payload\":{\"delta\":{\"text\":\"x\"},\"contentBlockIndex\":0},"
              "\"after_ms\":30},"
              "{\"exception\":\"modelStreamErrorException\",\"payload\":{\"message\":\"m\"}},{\"error_code\":\"C\","
              "\"error_message\":"
              "\"M\"},{\"raw_hex\":\"00000010\"}]}}]}");
    uint64_t before = now_ns();
    CLEANUP(reply_release) struct reply r = ask(m, STREAM, HELLO);
    CLAIM(now_ns() - before >= 30000000u, "after_ms was not kept");
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
    CLEANUP(buf_release) struct buf o = BUF_INIT(BUF_ANY);
    outline(events, &o);
    CLAIM(strcmp(buf_text(&o), "messageStart contentBlockDelta modelStreamErrorException C") == 0, "%s", buf_text(&o));
    CU_ASSERT_EQUAL(end, ES_TRUNCATED);
}

static void refuses_scripts_with_mistakes_and_changes_nothing(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *body, *message;
    } bad[] = {
        {"{", "line 1"},
        {"[]", "/: expected an object"},
        {"{\"replies\":[{\"reply\":{\"text\":\"good\"}},{\"reply\":{\"txt\":\"x\"}}]}",
         "/replies/1/reply/txt: nobody knows this key; did you mean \"text\"?"},
        {"{\"replies\":[{}]}", "/replies/0/reply: must be given"},
        {"{\"replies\":[{\"reply\":{\"text\":\"a\",\"raw\":{}}}]}", "/replies/0/reply: at most one of"},
        {"{\"replies\":[{\"times\":0,\"reply\":{}}]}", "/replies/0/times: expected"},
        {"{\"replies\":[{\"match\":{\"opration\":\"x\"},\"reply\":{}}]}",
         "/replies/0/match/opration: nobody knows this key; did you mean \"operation\""},
        {"{\"replies\":[{\"match\":{\"body\":{\"$contians\":1}},\"reply\":{}}]}", "/replies/0/match"},
        {"{\"replies\":[{\"reply\":{\"content\":[{\"text\":\"a\",\"toolUse\":{}}]}}]}",
         "/replies/0/reply/content/0: a content block has one member"},
        {"{\"replies\":[{\"reply\":{\"content\":[{\"text\":\"a\",\"$deltas\":[1]}]}}]}",
         "/replies/0/reply/content/0/$deltas: expected a list of strings"},
        {"{\"replies\":[{\"reply\":{\"error\":{\"status\":429}}}]}", "/replies/0/reply/error/type: must be given"},
        {"{\"replies\":[{\"reply\":{\"error\":{\"type\":\"X\",\"status\":99}}}]}",
         "/replies/0/reply/error/status: expected"},
        {"{\"replies\":[{\"reply\":{\"raw\":{\"headers\":[[\"a b\",\"c\"]]}}}]}",
         "/replies/0/reply/raw/headers: expected"},
        {"{\"replies\":[{\"reply\":{\"raw\":{\"headers\":[[\"a\",\"c\\r\\nd: e\"]]}}}]}",
         "/replies/0/reply/raw/headers: expected"},
        {"{\"replies\":[{\"reply\":{\"raw\":{\"body_base64\":\"a\"}}}]}", "/replies/0/reply/raw/body_base64: expected"},
        {"{\"replies\":[{\"reply\":{\"frames\":[{\"event\":\"a\",\"raw_hex\":\"00\"}]}}]}",
         "/replies/0/reply/frames/0: expected one of"},
        {"{\"replies\":[{\"reply\":{\"frames\":[{\"raw_hex\":\"0\"}]}}]}",
         "/replies/0/reply/frames/0/raw_hex: expected"},
        {"{\"replies\":[{\"reply\":{\"gates\":[{\"name\":\"g\"}]}}]}", "/replies/0/reply/gates/0: expected"},
        {"{\"replies\":[{\"reply\":{\"latency_ms\":-1}}]}", "/replies/0/reply/latency_ms: expected"},
        {"{\"replies\":[{\"reply\":{\"faults\":[{\"id\":\"x\"}]}}]}", "/replies/0/reply/faults/0/id: no fault"},
        {"{\"canaries\":{\"k\":\"abc\"}}", "/canaries/k: expected a string of at least 4"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/script", bad[i].body);
        CLAIM(r.status == 400, "%s: %d", bad[i].body, r.status);
        CLAIM(strncmp(text_at(r.json, "/message"), bad[i].message, strlen(bad[i].message)) == 0, "%s: %s", bad[i].body,
              text_at(r.json, "/message"));
    }
    CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
    CLAIM(strncmp(text_at(r.json, "/output/message/content/0/text"), "You said", 8) == 0,
          "a half of a bad script stayed");
}

/* ---- stamps ---- */

static void a_probe_is_answered_with_stamps(void)
{
    struct mock_config config = {.itl_ms = 2};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    const char *body =
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"go mohs-probe:00000000deadbeef\"}]}],"
        "\"inferenceConfig\":{\"maxTokens\":7}}";
    struct probe_stamp stamp;
    uint64_t before = now_ns();
    CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, body);
    size_t at = probe_stamp_offset(buf_span(&r.body));
    CLAIM(at != SIZE_MAX && probe_stamp_read((unsigned char *)r.body.data + at, &stamp), "%s", buf_text(&r.body));
    CLAIM(stamp.id == 0xdeadbeef && stamp.kind == PROBE_UNARY && stamp.total == 1, "another stamp");
    CLAIM(stamp.received_ns >= before && stamp.sent_ns >= stamp.received_ns && stamp.sent_ns <= now_ns(),
          "its instants");
    CLEANUP(reply_release) struct reply s = ask(m, STREAM, body);
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&s.body, &end);
    CLAIM(end == ES_OK, "the frames were not sealed anew: %s", es_error_name(end));
    uint64_t last = 0;
    uint32_t seq = 0;
    const cJSON *e;
    cJSON_ArrayForEach(e, events)
    {
        const char *text = text_at(e, "/payload/delta/text");
        if (text[0] == '\0')
            continue;
        CLAIM(probe_stamp_read((const unsigned char *)text, &stamp), "no stamp: %s", text);
        CLAIM(stamp.seq == seq++ && stamp.total == 7 && stamp.kind == PROBE_TEXT, "stamp %u of %u", stamp.seq,
              stamp.total);
        /* Never before it is due, whatever else the machine does; several may be late together. */
        CLAIM(stamp.sent_ns >= last && stamp.sent_ns - stamp.received_ns >= stamp.seq * 2000000u, "sent %llu after %llu",
              (unsigned long long)stamp.sent_ns, (unsigned long long)last);
        last = stamp.sent_ns;
    }
    CU_ASSERT_EQUAL(seq, 7);
}

static void a_broken_frame_with_a_stamp_stays_broken(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    const char *body =
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"go mohs-probe:00000000deadbeef\"}]}]}";
    CLEANUP(reply_release)
    struct reply set = admin(m, "POST", "/faults", "{\"faults\":[{\"id\":\"bad-message-crc\",\"at_event\":2}]}");
    CLEANUP(reply_release) struct reply s = ask(m, STREAM, body);
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&s.body, &end);
    CLAIM(end == ES_MESSAGE_CRC && cJSON_GetArraySize(events) == 2, "%s after %d", es_error_name(end),
          cJSON_GetArraySize(events));
}

static void timing_is_kept(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"a b c\",\"latency_ms\":20,\"ttft_ms\":20,\"itl_ms\":10}}]}");
    uint64_t before = now_ns();
    CLEANUP(reply_release) struct reply r = ask(m, STREAM, HELLO);
    uint64_t took = now_ns() - before;
    CLAIM(took >= 60000000u, "took %llu ns", (unsigned long long)took);
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
    CLAIM(number_at(events, "/6/payload/metrics/latencyMs") == 60, "%.0f",
          number_at(events, "/6/payload/metrics/latencyMs"));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"answers Converse in the shape of Bedrock", answers_converse_in_the_shape_of_bedrock},
        {"streams in the shape of Bedrock", streams_in_the_shape_of_bedrock},
        {"payloads are compact and sorted", payloads_are_compact_and_sorted},
        {"the same request gets the same answer", the_same_request_gets_the_same_answer},
        {"the stream says what the whole says, token by token", the_stream_says_what_the_whole_says_token_by_token},
        {"an answer ends where it is told to", an_answer_ends_where_it_is_told_to},
        {"a demanded tool is called with arguments its schema takes",
         a_demanded_tool_is_called_with_arguments_its_schema_takes},
        {"thinking and structured output are served", thinking_and_structured_output_are_served},
        {"scripts are a queue with matchers", scripts_are_a_queue_with_matchers},
        {"every kind of reply is served", every_kind_of_reply_is_served},
        {"frames are sent as scripted", frames_are_sent_as_scripted},
        {"refuses scripts with mistakes and changes nothing", refuses_scripts_with_mistakes_and_changes_nothing},
        {"a probe is answered with stamps", a_probe_is_answered_with_stamps},
        {"a broken frame with a stamp stays broken", a_broken_frame_with_a_stamp_stays_broken},
        {"timing is kept", timing_is_kept},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock", tests);
}
