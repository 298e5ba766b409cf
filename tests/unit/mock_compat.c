/* The OpenAI- and Anthropic-compatible endpoints: their answers, streams, errors, and which host's they are. */
#include <unistd.h>

#include "mock_rig.h"
#include "protocol/sse.h"

#define CHAT     "/openai/v1/chat/completions"
#define MANTLE   "/v1/chat/completions"
#define RESPOND  "/openai/v1/responses"
#define MESSAGES "/anthropic/v1/messages"
#define OSS      "\"model\":\"openai.gpt-oss-20b-1:0\""
#define CLAUDE   "\"model\":\"anthropic.claude-3-haiku-20240307-v1:0\",\"max_tokens\":200"
#define SAY      "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]"
#define WEATHER  "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"]}"
#define SCRIPTED                                                                                                       \
    "{\"replies\":[{\"reply\":{\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"Hm, Rome.\","         \
    "\"signature\":\"sig\"}}},{\"text\":\"Let me look.\"},{\"toolUse\":{\"toolUseId\":\"tooluse_1\",\"name\":"         \
    "\"weather\",\"input\":{\"city\":\"Rome\"}}}],\"usage\":{\"inputTokens\":11,\"outputTokens\":7}}}]}"

static const struct key mantle_key = {
    MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, "bedrock-mantle", "us-east-1", false, 0};
static const struct key bearer = {"ABSK-of-the-tests", NULL, NULL, NULL, NULL, true, 0};

static struct reply post(struct mock *m, const char *path, const char *body)
{
    return fetch(mock_port(m), "POST", path, body, NULL, &bearer);
}

/* The events of a stream: [{"type","data"}]; data that is no JSON is a string. */
static cJSON *sse_events(const struct buf *body)
{
    cJSON *list = cJSON_CreateArray();
    struct sse_decoder d;
    struct sse_event e;
    sse_decoder_init(&d);
    sse_decoder_feed(&d, buf_span(body));
    while (sse_decoder_next(&d, &e) == SSE_EVENT) {
        cJSON *item = cJSON_CreateObject(), *data = NULL;
        CLEANUP(free_ptr) char *type = span_dup(e.type), *text = span_dup(e.data);
        (void)cJSON_AddStringToObject(item, "name", type);
        if (json_parse(e.data, JSON_COMPACT, &data, NULL) == OK)
            (void)cJSON_AddItemToObject(item, "payload", data);
        else
            (void)cJSON_AddStringToObject(item, "payload", text);
        (void)cJSON_AddItemToArray(list, item);
    }
    CU_ASSERT_TRUE(sse_decoder_finish(&d));
    sse_decoder_release(&d);
    return list;
}

static void is_error(const struct reply *r, int status, const char *type, const char *code, const char *param,
                     const char *text)
{
    CLAIM(r->status == status, "%d %s", r->status, buf_text(&r->body));
    CLAIM(strcmp(text_at(r->json, "/error/type"), type) == 0, "%s", buf_text(&r->body));
    CLAIM(strcmp(text_at(r->json, "/error/code"), code) == 0, "%s", buf_text(&r->body));
    CLAIM(strcmp(text_at(r->json, "/error/param"), param) == 0, "%s", buf_text(&r->body));
    CLAIM(strcmp(text_at(r->json, "/error/message"), text) == 0, "%s", buf_text(&r->body));
}

/* ---- chat completions ---- */

static void chat_has_reasoning_calls_and_usage(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, SCRIPTED);
    CLEANUP(reply_release) struct reply r = post(m, CHAT, "{" OSS "," SAY "}");
    CLAIM(r.status == 200, "%s", buf_text(&r.body));
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/object"), "chat.completion");
    CU_ASSERT_EQUAL(strlen(text_at(r.json, "/id")), strlen("chatcmpl-") + 36);
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/choices/0/message/reasoning"), "Hm, Rome.");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/choices/0/message/content"), "Let me look.");
    CU_ASSERT_TRUE(cJSON_IsNull(json_at(r.json, "/choices/0/message/refusal")));
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/choices/0/message/tool_calls/0/id"), "tooluse_1");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/choices/0/message/tool_calls/0/function/arguments"),
                           "{\"city\":\"Rome\"}");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/choices/0/finish_reason"), "tool_calls");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/service_tier"), "default");
    CU_ASSERT_EQUAL(number_at(r.json, "/usage/total_tokens"), 18);
    CU_ASSERT_PTR_NULL(json_at(r.json, "/usage/prompt_tokens_details"));
    CU_ASSERT_STRING_EQUAL(header(&r, "access-control-allow-origin"), "");
    CU_ASSERT_TRUE(strncmp(header(&r, "x-request-id"), "req_", 4) == 0);
}

static void chat_streams_what_it_says_at_once(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, SCRIPTED);
    CLEANUP(reply_release)
    struct reply r = post(m, CHAT, "{" OSS "," SAY ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    CLEANUP(json_free) cJSON *events = sse_events(&r.body);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf reasoning = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf arguments = BUF_INIT(BUF_ANY);
    int n = cJSON_GetArraySize(events);
    CU_ASSERT_STRING_EQUAL(header(&r, "Content-Type"), "text/event-stream");
    join(events, "/payload/choices/0/delta/content", &text);
    join(events, "/payload/choices/0/delta/reasoning", &reasoning);
    join(events, "/payload/choices/0/delta/tool_calls/0/function/arguments", &arguments);
    CU_ASSERT_STRING_EQUAL(buf_text(&text), "Let me look.");
    CU_ASSERT_STRING_EQUAL(buf_text(&reasoning), "Hm, Rome.");
    CU_ASSERT_STRING_EQUAL(buf_text(&arguments), "{\"city\":\"Rome\"}");
    CU_ASSERT_STRING_EQUAL(text_at(cJSON_GetArrayItem(events, 0), "/payload/choices/0/delta/role"), "assistant");
    CU_ASSERT_STRING_EQUAL(text_at(cJSON_GetArrayItem(events, n - 3), "/payload/choices/0/finish_reason"),
                           "tool_calls");
    CU_ASSERT_TRUE(cJSON_IsNull(json_at(cJSON_GetArrayItem(events, n - 3), "/payload/usage")));
    CU_ASSERT_EQUAL(number_at(cJSON_GetArrayItem(events, n - 2), "/payload/usage/total_tokens"), 18);
    CU_ASSERT_STRING_EQUAL(text_at(cJSON_GetArrayItem(events, n - 1), "/payload"), "[DONE]");
}

static void done_can_be_left_out(void)
{
    struct mock_config config = {.no_done = true};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply r = post(m, CHAT, "{" OSS "," SAY ",\"stream\":true}");
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_PTR_NULL(strstr(buf_text(&r.body), "[DONE]"));
    CU_ASSERT_PTR_NULL(strstr(buf_text(&r.body), "usage"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&r.body), "\"finish_reason\":\"stop\""));
}

static void chat_honours_what_is_asked(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply cut = post(m, CHAT, "{" OSS "," SAY ",\"max_completion_tokens\":3}");
    CLEANUP(reply_release) struct reply stop = post(m, CHAT, "{" OSS "," SAY ",\"stop\":\"hello\"}");
    CLEANUP(reply_release) struct reply thinks = post(m, CHAT, "{" OSS "," SAY ",\"reasoning_effort\":\"low\"}");
    CLEANUP(reply_release)
    struct reply call = post(m, CHAT,
                             "{" OSS "," SAY ",\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\","
                             "\"function\":{\"name\":\"weather\",\"parameters\":" WEATHER "}}]}");
    CLEANUP(reply_release)
    struct reply none = post(m, CHAT,
                             "{" OSS ",\"messages\":[{\"role\":\"user\",\"content\":\"call weather\"}],\"tool_choice\":"
                             "\"none\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\","
                             "\"parameters\":" WEATHER "}}]}");
    CLEANUP(reply_release)
    struct reply shaped = post(m, CHAT,
                               "{" OSS "," SAY ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
                               "\"name\":\"w\",\"schema\":" WEATHER "}}}");
    CLEANUP(json_free) cJSON *value = NULL;
    CU_ASSERT_STRING_EQUAL(text_at(cut.json, "/choices/0/finish_reason"), "length");
    CU_ASSERT_EQUAL(number_at(cut.json, "/usage/completion_tokens"), 3);
    CU_ASSERT_STRING_EQUAL(text_at(stop.json, "/choices/0/finish_reason"), "stop");
    CU_ASSERT_PTR_NULL(strstr(text_at(stop.json, "/choices/0/message/content"), "hello"));
    CU_ASSERT_TRUE(strlen(text_at(thinks.json, "/choices/0/message/reasoning")) > 10);
    CU_ASSERT_STRING_EQUAL(text_at(call.json, "/choices/0/message/tool_calls/0/function/name"), "weather");
    CU_ASSERT_TRUE(cJSON_IsNull(json_at(call.json, "/choices/0/message/content")));
    CU_ASSERT_STRING_EQUAL(text_at(none.json, "/choices/0/finish_reason"), "stop");
    struct span text = span_of(text_at(shaped.json, "/choices/0/message/content"));
    CU_ASSERT_EQUAL(json_parse(text, JSON_COMPACT, &value, NULL), OK);
    CU_ASSERT_PTR_NOT_NULL(json_str(value, "city"));
}

/* ---- responses ---- */

static void responses_have_items(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, SCRIPTED);
    CLEANUP(reply_release) struct reply r = post(m, RESPOND, "{" OSS ",\"input\":\"hello\",\"temperature\":0.50}");
    CLAIM(r.status == 200, "%s", buf_text(&r.body));
    CU_ASSERT_EQUAL(strlen(text_at(r.json, "/id")), 5 + 52);
    CU_ASSERT_EQUAL(strspn(text_at(r.json, "/id") + 5, "abcdefghijklmnopqrstuvwxyz234567"), 52);
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/status"), "completed");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/output/0/content/0/type"), "reasoning_text");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/output/1/content/0/text"), "Let me look.");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/output/2/type"), "function_call");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/output/2/call_id"), "tooluse_1");
    CU_ASSERT_EQUAL(number_at(r.json, "/usage/input_tokens"), 11);
    CU_ASSERT_TRUE(number_at(r.json, "/usage/output_tokens_details/reasoning_tokens") > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&r.body), "\"temperature\":0.50,"));
    const cJSON *created = json_at(r.json, "/created_at");
    CLAIM(created != NULL && strstr(created->valuestring, ".0") != NULL, "a fraction with gpt-oss");
    CLEANUP(reply_release)
    struct reply gpt = post(m, RESPOND, "{\"model\":\"openai.gpt-5.4\",\"input\":\"hello\",\"max_output_tokens\":2}");
    CLAIM(gpt.status == 200, "%s", buf_text(&gpt.body));
    created = json_at(gpt.json, "/created_at");
    CLAIM(created != NULL && strchr(created->valuestring, '.') == NULL, "none with the newer ones");
    CU_ASSERT_STRING_EQUAL(text_at(gpt.json, "/status"), "incomplete");
    CU_ASSERT_STRING_EQUAL(text_at(gpt.json, "/output/0/status"), "incomplete");
    CU_ASSERT_STRING_EQUAL(text_at(gpt.json, "/incomplete_details/reason"), "max_output_tokens");
}

static void responses_stream_data_before_names(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, SCRIPTED);
    CLEANUP(reply_release) struct reply r = post(m, RESPOND, "{" OSS ",\"input\":\"hello\",\"stream\":true}");
    CLEANUP(json_free) cJSON *events = sse_events(&r.body);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf shape = BUF_INIT(BUF_ANY);
    const cJSON *e;
    double sequence = 0;
    join(events, "/payload/delta", &text);
    CU_ASSERT_STRING_EQUAL(buf_text(&text), "Hm, Rome.Let me look.{\"city\":\"Rome\"}");
    CU_ASSERT_TRUE(strncmp(buf_text(&r.body), "data: {\"type\":\"response.created\"", 32) == 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&r.body), "}\nevent: response.completed\n\n"));
    CU_ASSERT_PTR_NULL(strstr(buf_text(&r.body), "[DONE]"));
    cJSON_ArrayForEach(e, events)
    {
        CU_ASSERT_STRING_EQUAL(text_at(e, "/name"), text_at(e, "/payload/type"));
        CU_ASSERT_EQUAL(number_at(e, "/payload/sequence_number"), sequence);
        sequence++;
    }
    outline(events, &shape);
    CLAIM(strncmp(buf_text(&shape),
                  "response.created response.in_progress response.output_item.added response.content_part.added "
                  "response.reasoning_text.delta",
                  100) == 0,
          "%s", buf_text(&shape));
    const cJSON *last = cJSON_GetArrayItem(events, cJSON_GetArraySize(events) - 1);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(last, "/payload/response/output")), 3);
    CU_ASSERT_EQUAL(number_at(last, "/payload/response/usage/total_tokens"), 18);
}

static void responses_take_a_conversation(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply r = post(
        m, RESPOND,
        "{" OSS ",\"instructions\":\"be brief\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\","
        "\"text\":\"how is Rome?\"}]},{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]},{\"type\":"
        "\"function_call\",\"call_id\":\"c1\",\"name\":\"weather\",\"arguments\":\"{}\"},{\"type\":"
        "\"function_call_output\",\"call_id\":\"c1\",\"output\":\"sunny\"}]}");
    CLAIM(r.status == 200, "%s", buf_text(&r.body));
    CU_ASSERT_PTR_NOT_NULL(strstr(text_at(r.json, "/output/0/content/0/text"), "The tool answered: sunny"));
}

/* ---- messages ---- */

static void messages_speak_as_claude(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, SCRIPTED);
    script(m, SCRIPTED);
    CLEANUP(reply_release) struct reply r = post(m, MESSAGES, "{" CLAUDE "," SAY "}");
    CLAIM(r.status == 200, "%s", buf_text(&r.body));
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/content/0/thinking"), "Hm, Rome.");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/content/2/input/city"), "Rome");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/stop_reason"), "tool_use");
    CU_ASSERT_TRUE(strncmp(header(&r, "request-id"), "req_", 4) == 0);
    CLEANUP(reply_release) struct reply s = post(m, MESSAGES, "{" CLAUDE "," SAY ",\"stream\":true}");
    CLEANUP(json_free) cJSON *events = sse_events(&s.body);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const cJSON *e, *last = cJSON_GetArrayItem(events, cJSON_GetArraySize(events) - 1);
    join(events, "/payload/delta/partial_json", &text);
    CU_ASSERT_STRING_EQUAL(buf_text(&text), "{\"city\":\"Rome\"}");
    CU_ASSERT_TRUE(strncmp(buf_text(&s.body), "event: message_start\ndata: {", 28) == 0);
    CU_ASSERT_STRING_EQUAL(text_at(last, "/name"), "message_stop");
    CU_ASSERT_PTR_NULL(json_at(last, "/payload/amazon-bedrock-invocationMetrics"));
    cJSON_ArrayForEach(e, events) CU_ASSERT_STRING_EQUAL(text_at(e, "/name"), text_at(e, "/payload/type"));
}

static void tokens_are_counted_as_they_are_used(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply counted = post(m, MESSAGES "/count_tokens",
                                "{\"model\":\"anthropic.claude-3-haiku-20240307-v1:0\",\"system\":\"s\"," SAY "}");
    CLEANUP(reply_release) struct reply used = post(m, MESSAGES, "{" CLAUDE ",\"system\":\"s\"," SAY "}");
    CU_ASSERT_TRUE(number_at(counted.json, "/input_tokens") > 0);
    CU_ASSERT_EQUAL(number_at(counted.json, "/input_tokens"), number_at(used.json, "/usage/input_tokens"));
}

/* ---- errors ---- */

static void bad_bodies_are_told_in_each_dialect(void)
{
    static const struct {
        const char *path, *body, *type, *code, *param, *text;
    } rows[] = {
        {CHAT, "{", "invalid_request_error", "", "", "We could not parse the JSON body of your request."},
        {CHAT, "{" SAY "}", "invalid_request_error", "missing_required_parameter", "model",
         "Missing required parameter: 'model'."},
        {CHAT, "{" OSS ",\"messages\":[{\"role\":\"bot\",\"content\":\"x\"}]}", "invalid_request_error",
         "invalid_value", "messages[0].role",
         "Invalid value: 'bot'. Supported values are: 'system', 'developer', 'user', 'assistant', 'tool', and "
         "'function'."},
        {CHAT, "{" OSS "," SAY ",\"temperature\":2.5}", "invalid_request_error", "decimal_above_max_value",
         "temperature",
         "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead."},
        {CHAT, "{" OSS "," SAY ",\"stream\":1}", "invalid_request_error", "invalid_type", "stream",
         "Invalid type for 'stream': expected a boolean, but got number instead."},
        {CHAT, "{" OSS ",\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}", "invalid_request_error",
         "missing_required_parameter", "messages[0].tool_call_id",
         "Missing required parameter: 'messages[0].tool_call_id'."},
        {CHAT, "{" OSS "," SAY ",\"tools\":[{\"type\":\"function\",\"function\":{}}]}", "invalid_request_error",
         "missing_required_parameter", "tools[0].function.name",
         "Missing required parameter: 'tools[0].function.name'."},
        {CHAT, "{\"model\":\"gpt-4\"," SAY "}", "invalid_request_error", "model_not_found", "model",
         "The model 'gpt-4' does not exist"},
        {MANTLE, "{" CLAUDE "," SAY "}", "invalid_request_error", "", "",
         "The model 'anthropic.claude-3-haiku-20240307-v1:0' does not support the '/v1/chat/completions' API"},
        {"/v1/responses", "{\"model\":\"openai.gpt-5.4\",\"input\":\"x\"}", "invalid_request_error", "", "",
         "model `openai.gpt-5.4` isn't supported on this route"},
        {RESPOND, "{" OSS ",\"input\":\"x\",\"previous_response_id\":\"resp_x\"}", "invalid_request_error",
         "previous_response_not_found", "previous_response_id", "Previous response with id 'resp_x' not found."},
        {MESSAGES, "{" SAY "}", "invalid_request_error", "", "", "model: Field required"},
        {MESSAGES, "{\"model\":\"anthropic.claude-3-haiku-20240307-v1:0\"," SAY "}", "invalid_request_error", "", "",
         "max_tokens: Field required"},
        {MESSAGES, "{" CLAUDE ",\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]}", "invalid_request_error", "",
         "", "messages.0.role: Input should be 'user' or 'assistant'"},
        {MESSAGES, "{" CLAUDE "," SAY ",\"temperature\":1.5}", "invalid_request_error", "", "",
         "temperature: Input should be less than or equal to 1"},
        {MESSAGES, "{" CLAUDE "," SAY ",\"n\":1}", "invalid_request_error", "", "",
         "n: Extra inputs are not permitted"},
    };
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release) struct reply r = post(m, rows[i].path, rows[i].body);
        int status = strcmp(rows[i].code, "model_not_found") == 0 ? 404 : 400;
        is_error(&r, status, rows[i].type, rows[i].code, rows[i].param, rows[i].text);
        CU_ASSERT_STRING_EQUAL(text_at(r.json, "/type"), strcmp(rows[i].path, MESSAGES) == 0 ? "error" : "");
    }
}

static void lenient_mocks_let_any_model_speak(void)
{
    struct mock_config config = {.validation = MOCK_VALIDATION_LENIENT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply r = post(m, MANTLE, "{" CLAUDE "," SAY "}");
    CLAIM(r.status == 200, "%s", buf_text(&r.body));
    CLEANUP(reply_release) struct reply bad = post(m, MANTLE, "{" OSS "}");
    CU_ASSERT_EQUAL(bad.status, 400);
}

static void a_recording_mock_refuses_nothing(void)
{
    static const char *const bodies[] = {"{", "[]", "{}", "{\"model\":7,\"messages\":7,\"input\":{},\"tools\":3}",
                                         "{\"model\":\"x\",\"messages\":[1,{\"content\":[2]}],\"input\":[1,{}]}"};
    static const char *const paths[] = {CHAT, MANTLE, RESPOND, MESSAGES, MESSAGES "/count_tokens"};
    struct mock_config config = {.validation = MOCK_VALIDATION_RECORD};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        for (size_t k = 0; k < COUNT_OF(bodies); k++) {
            CLEANUP(reply_release) struct reply r = post(m, paths[i], bodies[k]);
            CLAIM(r.status == 200, "%s %s: %d %s", paths[i], bodies[k], r.status, buf_text(&r.body));
        }
}

static void scripted_errors_and_faults_speak_the_dialect(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"error\":{\"type\":\"ThrottlingException\",\"message\":\"slow\",\"headers\":"
              "[[\"Retry-After\",\"3\"]]}}},{\"reply\":{\"error\":{\"type\":\"ServiceUnavailableException\"}}},"
              "{\"reply\":{\"text\":\"a b c d\",\"faults\":[{\"id\":\"exception\",\"type\":\"throttlingException\","
              "\"message\":\"enough\",\"at_event\":3}]}},{\"reply\":{\"text\":\"a b c d\",\"faults\":[{\"id\":"
              "\"exception\",\"type\":\"throttlingException\",\"message\":\"enough\",\"at_event\":3}]}}]}");
    CLEANUP(reply_release) struct reply slow = post(m, CHAT, "{" OSS "," SAY "}");
    CLEANUP(reply_release) struct reply busy = post(m, MESSAGES, "{" CLAUDE "," SAY "}");
    is_error(&slow, 429, "rate_limit_error", "rate_limit_exceeded", "", "slow");
    CU_ASSERT_STRING_EQUAL(header(&slow, "Retry-After"), "3");
    is_error(&busy, 503, "overloaded_error", "", "", "Bedrock is unable to process your request.");
    CLEANUP(reply_release) struct reply chat = post(m, CHAT, "{" OSS "," SAY ",\"stream\":true}");
    CLEANUP(reply_release) struct reply claude = post(m, MESSAGES, "{" CLAUDE "," SAY ",\"stream\":true}");
    CLEANUP(json_free) cJSON *of_chat = sse_events(&chat.body), *of_claude = sse_events(&claude.body);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(of_chat), 4);
    CU_ASSERT_STRING_EQUAL(text_at(of_chat, "/3/payload/error/message"), "enough");
    CU_ASSERT_STRING_EQUAL(text_at(of_claude, "/3/name"), "error");
    CU_ASSERT_STRING_EQUAL(text_at(of_claude, "/3/payload/error/type"), "rate_limit_error");
}

static void quotas_and_policies_speak_it_too(void)
{
    struct mock_config config = {.seed = 1, .quotas = "{\"quotas\":[{\"model\":\"openai.*\",\"rpm\":1}]}"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply one = post(m, CHAT, "{" OSS "," SAY "}");
    CLEANUP(reply_release) struct reply two = post(m, CHAT, "{" OSS "," SAY "}");
    CU_ASSERT_EQUAL(one.status, 200);
    CLAIM(two.status == 429, "%d %s", two.status, buf_text(&two.body));
    CU_ASSERT_STRING_EQUAL(text_at(two.json, "/error/code"), "rate_limit_exceeded");
}

static void a_policy_is_asked_for_each_hosts_actions(void)
{
    static const char policy[] = "{\"statements\":[{\"effect\":\"Allow\",\"actions\":[\"bedrock:InvokeModel\","
                                 "\"bedrock:CallWithBearerToken\"],\"resources\":[\"*\"]}]}";
    char path[] = "/tmp/mohs-compat-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_EQUAL_FATAL(write(fd, policy, sizeof policy - 1), (ssize_t)sizeof policy - 1);
    (void)close(fd);
    struct mock_config config = {.policy_file = path};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    (void)unlink(path);
    CLEANUP(reply_release) struct reply yes = post(m, CHAT, "{" OSS "," SAY "}");
    CLEANUP(reply_release) struct reply stream = post(m, CHAT, "{" OSS "," SAY ",\"stream\":true}");
    CLEANUP(reply_release)
    struct reply mantle = fetch(mock_port(m), "POST", MANTLE, "{" OSS "," SAY "}", NULL, &mantle_key);
    CLAIM(yes.status == 200, "%s", buf_text(&yes.body));
    CLAIM(stream.status == 403 && strstr(buf_text(&stream.body), "bedrock:InvokeModelWithResponseStream on") != NULL,
          "%s", buf_text(&stream.body));
    CLAIM(mantle.status == 403 && strstr(buf_text(&mantle.body), "bedrock-mantle:CreateInference on resource: arn:aws:"
                                                                 "bedrock-mantle:us-east-1:123456789012:project/"
                                                                 "default") != NULL,
          "%s", buf_text(&mantle.body));
    CU_ASSERT_STRING_EQUAL(text_at(mantle.json, "/error/code"), "access_denied");
}

static void guardrails_are_named_in_headers(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct http_headers more;
    http_headers_init(&more);
    http_headers_add(&more, "X-Amzn-Bedrock-GuardrailIdentifier", "words0000001");
    http_headers_add(&more, "X-Amzn-Bedrock-GuardrailVersion", "DRAFT");
    CLEANUP(reply_release)
    struct reply r =
        fetch(mock_port(m), "POST", CHAT,
              "{" OSS ",\"messages\":[{\"role\":\"user\",\"content\":\"Project Bluebird\"}]}", &more, &bearer);
    http_headers_release(&more);
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/choices/0/message/content"),
                           "Sorry, the request was blocked by the guardrail.");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/choices/0/finish_reason"), "content_filter");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/amazon-bedrock-guardrailAction"), "INTERVENED");
}

/* ---- who asks, and whom ---- */

static void each_host_has_its_signing_name(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *path, *body;
        const struct key *key;
        int status;
        bool mantle;
    } rows[] = {
        {RESPOND, "{" OSS ",\"input\":\"x\"}", &usual_key, 200, false},
        {RESPOND, "{" OSS ",\"input\":\"x\"}", &mantle_key, 200, true},
        {MESSAGES, "{" CLAUDE "," SAY "}", &usual_key, 200, false},
        {MESSAGES, "{" CLAUDE "," SAY "}", &mantle_key, 200, true},
        {MANTLE, "{" OSS "," SAY "}", &mantle_key, 200, true},
        {MANTLE, "{" OSS "," SAY "}", &usual_key, 401, true},
        {CHAT, "{" OSS "," SAY "}", &usual_key, 200, false},
        {CHAT, "{" OSS "," SAY "}", NULL, 401, false},
        {CHAT, "{" OSS "," SAY "}", &bearer, 401, false},
        {CONVERSE, HELLO, &mantle_key, 403, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release)
        struct reply r = fetch(mock_port(m), "POST", rows[i].path, rows[i].body, NULL, rows[i].key);
        CLAIM(r.status == rows[i].status, "row %zu: %d %s", i, r.status, buf_text(&r.body));
        CLAIM((header(&r, "access-control-allow-origin")[0] != '\0') == rows[i].mantle, "row %zu", i);
        if (r.status == 401)
            CU_ASSERT_STRING_EQUAL(text_at(r.json, "/error/type"), "authentication_error");
    }
}

static void the_host_tells_them_apart(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *host, *path;
        int status;
        bool mantle;
    } rows[] = {
        {"bedrock-mantle.us-east-1.api.aws", RESPOND, 200, true},
        {"bedrock-runtime.us-east-1.amazonaws.com", RESPOND, 200, false},
        {"bedrock-mantle.us-east-1.api.aws", "/v1/responses", 200, true},
        {"bedrock-mantle.us-east-1.api.aws", "/openai/v1/nonsense", 404, true},
        {"bedrock-runtime.us-east-1.amazonaws.com", "/openai/v1/nonsense", 404, false},
        {"bedrock-runtime.us-east-1.amazonaws.com", "/v1/responses", 404, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_headers more;
        http_headers_init(&more);
        http_headers_add(&more, "Host", rows[i].host);
        CLEANUP(reply_release)
        struct reply r = fetch(mock_port(m), "POST", rows[i].path, "{" OSS ",\"input\":\"x\"}", &more, &bearer);
        CLAIM(r.status == rows[i].status, "row %zu: %d %s", i, r.status, buf_text(&r.body));
        CLAIM((header(&r, "access-control-allow-origin")[0] != '\0') == rows[i].mantle, "row %zu", i);
        http_headers_release(&more);
    }
}

static void a_key_may_come_in_x_api_key(void)
{
    static const char *const known[] = {"ABSK-known"};
    struct mock_config config = {.auth = MOCK_AUTH_BEARER, .bearer_keys = known, .bearer_key_count = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct http_headers good, bad;
    http_headers_init(&good);
    http_headers_init(&bad);
    http_headers_add(&good, "x-api-key", "ABSK-known");
    http_headers_add(&bad, "x-api-key", "ABSK-unknown");
    CLEANUP(reply_release)
    struct reply yes = fetch(mock_port(m), "POST", MESSAGES, "{" CLAUDE "," SAY "}", &good, NULL);
    CLEANUP(reply_release) struct reply no = fetch(mock_port(m), "POST", MESSAGES, "{" CLAUDE "," SAY "}", &bad, NULL);
    CLEANUP(reply_release) struct reply rest = fetch(mock_port(m), "POST", CONVERSE, HELLO, &good, NULL);
    CLEANUP(reply_release) struct reply journal = admin(m, "GET", "/journal", "");
    CLAIM(yes.status == 200, "%s", buf_text(&yes.body));
    CU_ASSERT_EQUAL(no.status, 401);
    CU_ASSERT_EQUAL(rest.status, 403);
    CU_ASSERT_PTR_NULL(strstr(buf_text(&journal.body), "ABSK-known"));
    http_headers_release(&good);
    http_headers_release(&bad);
}

static void models_are_listed_and_found(void)
{
    struct mock_config config = {.models = MOCK_MODELS_KNOWN};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply list = fetch(mock_port(m), "GET", "/v1/models", "", NULL, &mantle_key);
    const cJSON *item;
    size_t n = 0, found = 0;
    cJSON_ArrayForEach(item, json_at(list.json, "/data"))
    {
        char path[256];
        (void)snprintf(path, sizeof path, "/v1/models/%s", json_str(item, "id"));
        CLEANUP(reply_release) struct reply one = fetch(mock_port(m), "GET", path, "", NULL, &mantle_key);
        CLAIM(one.status == 200 && strcmp(text_at(one.json, "/object"), "model") == 0, "%s: %s", path,
              buf_text(&one.body));
        found += strcmp(json_str(item, "id"), "openai.gpt-oss-20b") == 0;
        n++;
    }
    CU_ASSERT_TRUE(n > 20 && found > 0);
    CLEANUP(reply_release) struct reply none = fetch(mock_port(m), "GET", "/v1/models/nobody", "", NULL, &mantle_key);
    is_error(&none, 404, "invalid_request_error", "model_not_found", "model", "The model 'nobody' does not exist");
    CLEANUP(reply_release) struct reply wrong = fetch(mock_port(m), "GET", MANTLE, "", NULL, &mantle_key);
    CU_ASSERT_EQUAL(wrong.status, 405);
}

/* ---- the rest of the mock ---- */

static void strict_mocks_miss_them_and_journals_name_them(void)
{
    struct mock_config config = {.strict = true};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply r = post(m, CHAT, "{" OSS "," SAY "}");
    CLEANUP(reply_release) struct reply journal = admin(m, "GET", "/journal", "");
    CLAIM(r.status == 400 && strncmp(text_at(r.json, "/error/message"), "No script and no fixture", 24) == 0, "%s",
          buf_text(&r.body));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&journal.body), "\"operation\":\"ChatCompletions\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&journal.body), "\"model\":\"openai.gpt-oss-20b-1:0\""));
}

static void cached_prompts_are_told(void)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    buf_adds(&body, "{\"model\":\"anthropic.claude-haiku-4-5-20251001-v1:0\",\"max_tokens\":9,\"system\":[{\"type\":"
                    "\"text\",\"cache_control\":{\"type\":\"ephemeral\"},\"text\":\"");
    for (int i = 0; i < 6000; i++)
        buf_adds(&body, "word ");
    buf_adds(&body, "\"}]," SAY "}");
    CLEANUP(reply_release) struct reply first = post(m, MESSAGES, buf_text(&body));
    CLEANUP(reply_release) struct reply second = post(m, MESSAGES, buf_text(&body));
    CU_ASSERT_TRUE(number_at(first.json, "/usage/cache_creation_input_tokens") > 4000);
    CU_ASSERT_EQUAL(number_at(second.json, "/usage/cache_read_input_tokens"),
                    number_at(first.json, "/usage/cache_creation_input_tokens"));
}

static void faults_count_the_events_of_a_stream(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"a b c d\",\"faults\":[{\"id\":\"cut-fin\",\"at_event\":3}]}}]}");
    CLEANUP(reply_release) struct reply cut = post(m, CHAT, "{" OSS "," SAY ",\"stream\":true}");
    size_t n = 0;
    for (const char *p = buf_text(&cut.body); (p = strstr(p, "data: ")) != NULL; p++)
        n++;
    CU_ASSERT_EQUAL(n, 3);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"chat has reasoning calls and usage", chat_has_reasoning_calls_and_usage},
        {"chat streams what it says at once", chat_streams_what_it_says_at_once},
        {"done can be left out", done_can_be_left_out},
        {"chat honours what is asked", chat_honours_what_is_asked},
        {"responses have items", responses_have_items},
        {"responses stream data before names", responses_stream_data_before_names},
        {"responses take a conversation", responses_take_a_conversation},
        {"messages speak as claude", messages_speak_as_claude},
        {"tokens are counted as they are used", tokens_are_counted_as_they_are_used},
        {"bad bodies are told in each dialect", bad_bodies_are_told_in_each_dialect},
        {"lenient mocks let any model speak", lenient_mocks_let_any_model_speak},
        {"a recording mock refuses nothing", a_recording_mock_refuses_nothing},
        {"scripted errors and faults speak the dialect", scripted_errors_and_faults_speak_the_dialect},
        {"quotas and policies speak it too", quotas_and_policies_speak_it_too},
        {"a policy is asked for each host's actions", a_policy_is_asked_for_each_hosts_actions},
        {"guardrails are named in headers", guardrails_are_named_in_headers},
        {"each host has its signing name", each_host_has_its_signing_name},
        {"the host tells them apart", the_host_tells_them_apart},
        {"a key may come in x api key", a_key_may_come_in_x_api_key},
        {"models are listed and found", models_are_listed_and_found},
        {"strict mocks miss them and journals name them", strict_mocks_miss_them_and_journals_name_them},
        {"cached prompts are told", cached_prompts_are_told},
        {"faults count the events of a stream", faults_count_the_events_of_a_stream},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_compat", tests);
}
