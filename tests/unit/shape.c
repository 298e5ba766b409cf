/* The API model: what it finds, what it accepts, and the exact texts with which it refuses. */
#include "protocol/shape.h"

#include "protocol/data.h"
#include "protocol/regex.h"
#include "unit.h"

static struct api *api;

static void broken_constraints_give_their_exact_texts(void)
{
    struct span bytes;
    struct note note = {""};
    CLEANUP(json_free) cJSON *file = NULL;
    CU_ASSERT_EQUAL_FATAL(data_load("fixtures/vectors/constraints.json", &bytes, &note), OK);
    CU_ASSERT_EQUAL_FATAL(json_parse(bytes, 0, &file, &note), OK);
    int rows = 0;
    for (const cJSON *row = json_at(file, "/rows/0"); row != NULL; row = row->next, rows++) {
        CLEANUP(api_fault_release) struct api_fault fault = API_FAULT_INIT;
        const char *type = json_str(row, "type"), *text = json_str(row, "text"), *claim = json_str(row, "claim");
        struct api_input in = {.body = json_member(row, "body")};
        enum err e = api_check_request(api, api_operation(api, json_str(row, "operation")), &in, &fault);
        CLAIM(e == (type == NULL ? OK : ERR_INVALID), "%s: %s %s", claim, err_name(e), buf_text(&fault.text));
        if (type == NULL || e != ERR_INVALID)
            continue;
        CLAIM(strcmp(fault.type, type) == 0 && fault.status == 400, "%s: a %s", claim, fault.type);
        CLAIM(strcmp(buf_text(&fault.text), text) == 0, "%s: %s", claim, buf_text(&fault.text));
    }
    CLAIM(rows >= 60, "only %d rows", rows);
}

static void finds_operations_on_the_undecoded_path(void)
{
    static const struct {
        const char *method, *path, *operation, *label, *value;
        enum err e;
    } paths[] = {
        {"POST", "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse", "Converse", "modelId",
         "anthropic.claude-3-haiku-20240307-v1:0", OK},
        {"POST", "/model/anthropic.claude-3-haiku-20240307-v1:0/converse", "Converse", "modelId",
         "anthropic.claude-3-haiku-20240307-v1:0", OK},
        {"POST", "/model/arn%3aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.x/converse-stream",
         "ConverseStream", "modelId", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x", OK},
        {"POST", "/model/m/invoke", "InvokeModel", "modelId", "m", OK},
        {"POST", "/model/m/invoke-with-response-stream", "InvokeModelWithResponseStream", "modelId", "m", OK},
        {"POST", "/model/m/count-tokens", "CountTokens", "modelId", "m", OK},
        {"POST", "/guardrail/g1/version/DRAFT/apply", "ApplyGuardrail", "guardrailVersion", "DRAFT", OK},
        {"GET", "/foundation-models", "ListFoundationModels", NULL, NULL, OK},
        {"GET", "/foundation-models/x", "GetFoundationModel", "modelIdentifier", "x", OK},
        {"GET", "/async-invoke", "ListAsyncInvokes", NULL, NULL, OK},
        {"POST", "/async-invoke", "StartAsyncInvoke", NULL, NULL, OK},
        {"GET", "/model/m/converse", NULL, NULL, NULL, ERR_UNSUPPORTED},
        {"POST", "/model/arn:aws:x/y/converse", NULL, NULL, NULL, ERR_UNKNOWN},
        {"POST", "/model//converse", NULL, NULL, NULL, ERR_UNKNOWN},
        {"POST", "/model/m/converse/", NULL, NULL, NULL, ERR_UNKNOWN},
        {"POST", "/Model/m/converse", NULL, NULL, NULL, ERR_UNKNOWN},
        {"POST", "model/m/converse", NULL, NULL, NULL, ERR_UNKNOWN},
        {"POST", "", NULL, NULL, NULL, ERR_UNKNOWN},
        {"POST", "/a/b/c/d/e/f/g/h/i/j/k", NULL, NULL, NULL, ERR_UNKNOWN},
    };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct api_route route;
        CLEANUP(buf_release) struct buf value = BUF_INIT(256);
        enum err e = api_route(api, span_of(paths[i].method), span_of(paths[i].path), &route);
        CLAIM(e == paths[i].e && (e != OK || strcmp(route.operation->name, paths[i].operation) == 0), "%s %s: %s",
              paths[i].method, paths[i].path, err_name(e));
        if (paths[i].label != NULL && e == OK)
            CLAIM(api_route_label(&route, paths[i].label, &value) == OK &&
                      strcmp(buf_text(&value), paths[i].value) == 0,
                  "%s gives %s", paths[i].path, buf_text(&value));
    }
}

static void bad_percent_encoding_is_refused(void)
{
    static const char *const bad[] = {"%", "a%4", "%zz", "%00", "%%41"};
    CLEANUP(buf_release) struct buf out = BUF_INIT(64);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CLAIM(uri_decode(span_of(bad[i]), &out) == ERR_SYNTAX, "%s is decoded", bad[i]);
    buf_reset(&out);
    CU_ASSERT(uri_decode(span_of("a+b%2Fc%c3%A9"), &out) == OK && strcmp(buf_text(&out), "a+b/c\xC3\xA9") == 0);
}

struct texts {
    const char *wire, *value;
};

static const char *get_text(void *ctx, enum api_place place, const char *wire)
{
    const struct texts *t = ctx;
    (void)place;
    return strcmp(t->wire, wire) == 0 ? t->value : strcmp(wire, "modelId") == 0 ? "m" : NULL;
}

static void checks_path_query_and_headers(void)
{
    static const struct {
        const char *operation, *wire, *value, *text; /* text NULL: right */
    } rows[] = {
        {"Converse", "modelId", "anthropic.claude-3-haiku-20240307-v1:0", NULL},
        {"Converse", "modelId", "bad id",
         "1 validation error detected: Value 'bad id' at 'modelId' failed to satisfy constraint: Member must "
         "satisfy regular expression pattern: (arn:aws"},
        {"Converse", "modelId", "",
         "2 validation errors detected: Value '' at 'modelId' failed to satisfy constraint: Member must have length"},
        {"InvokeModel", "X-Amzn-Bedrock-Trace", "ENABLED", NULL},
        {"InvokeModel", "X-Amzn-Bedrock-Trace", "yes",
         "1 validation error detected: Value 'yes' at 'trace' failed to satisfy constraint: "
         "Member must satisfy enum value set: [ENABLED, DISABLED, ENABLED_FULL]"},
        {"ListAsyncInvokes", "maxResults", "10", NULL},
        {"ListAsyncInvokes", "maxResults", "0",
         "1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: Member "
         "must have value greater than or equal to 1"},
        {"ListAsyncInvokes", "maxResults", "ten", "STRING_VALUE cannot be converted to Integer"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(api_fault_release) struct api_fault fault = API_FAULT_INIT;
        struct texts texts = {rows[i].wire, rows[i].value};
        struct api_input in = {.get = get_text, .ctx = &texts};
        enum err e = api_check_request(api, api_operation(api, rows[i].operation), &in, &fault);
        const char *text = rows[i].text == NULL ? "" : rows[i].text;
        CLAIM((e == OK) == (rows[i].text == NULL), "%s %s=%s: %s", rows[i].operation, rows[i].wire, rows[i].value,
              buf_text(&fault.text));
        CLAIM(strncmp(buf_text(&fault.text), text, strlen(text)) == 0, "%s=%s: %s", rows[i].wire, rows[i].value,
              buf_text(&fault.text));
    }
    struct api_input large = {.payload_len = 25000001};
    CLEANUP(api_fault_release) struct api_fault fault = API_FAULT_INIT;
    CU_ASSERT_EQUAL(api_check_request(api, api_operation(api, "InvokeModel"), &large, &fault), ERR_INVALID);
    CU_ASSERT_STRING_EQUAL(buf_text(&fault.text),
                           "1 validation error detected: Value at 'body' failed to satisfy constraint: "
                           "Member must have length less than or equal to 25000000");
}

static void answers_are_checked_too(void)
{
    CLEANUP(json_free) cJSON *good = NULL;
    CLEANUP(json_free) cJSON *bad = NULL;
    CLEANUP(api_fault_release) struct api_fault fault = API_FAULT_INIT;
    const struct api_operation *converse = api_operation(api, "Converse");
    CU_ASSERT_EQUAL(
        json_parse(
            span_of("{\"metrics\":{\"latencyMs\":5},\"output\":{\"message\":{\"content\":[{\"text\":\"x\"}],\"role\":"
                    "\"assistant\"}},\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":1,\"outputTokens\":1,"
                    "\"totalTokens\":2}}"),
            0, &good, NULL),
        OK);
    CU_ASSERT_EQUAL(api_check_response(api, converse, good, &fault), OK);
    CU_ASSERT_EQUAL(json_parse(span_of("{\"output\":{}}"), 0, &bad, NULL), OK);
    CU_ASSERT_EQUAL(api_check_response(api, converse, bad, &fault), ERR_INVALID);
    CU_ASSERT_EQUAL(api_check_shape(api, api_shape(api, "ConverseOutput"), json_member(good, "output"), &fault), OK);
    CU_ASSERT_PTR_NULL(api_shape(api, "Nothing"));
}

static void knows_errors_and_their_texts(void)
{
    const struct api_error *throttling = api_error(api, "ThrottlingException");
    CU_ASSERT(throttling != NULL && throttling->status == 429 && throttling->client);
    const struct api_error *internal = api_error(api, "InternalServerException");
    CU_ASSERT(internal != NULL && internal->status == 500 && !internal->client);
    CU_ASSERT_PTR_NULL(api_error(api, "NoSuchException"));
    const struct api_error *stream = api_error(api, "ModelStreamErrorException");
    CU_ASSERT(stream != NULL && shape_member(&stream->shape, "originalStatusCode") != NULL);
    CLEANUP(buf_release) struct buf out = BUF_INIT(1024);
    const struct api_text *row = NULL;
    CU_ASSERT_EQUAL(api_error_text(api, "max-tokens-over-limit", &row, &out, "n", "4096", NULL), OK);
    CU_ASSERT_STRING_EQUAL(buf_text(&out),
                           "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum "
                           "tokens value that is lower than 4096.");
    CU_ASSERT(row != NULL && row->status == 400 && strcmp(row->type, "ValidationException") == 0 &&
              strcmp(row->body_key, "message") == 0);
    buf_reset(&out);
    CU_ASSERT_EQUAL(api_error_text(api, "converse-missing-results", NULL, &out, "i", "2", NULL), OK);
    CU_ASSERT_STRING_EQUAL(buf_text(&out),
                           "Expected toolResult blocks at messages.2.content for the following Ids: {id}[, {id}]");
    CU_ASSERT_EQUAL(api_error_text(api, "no-such-id", &row, &out, NULL), ERR_UNKNOWN);
    row = api_text(api, "bearer-invalid");
    CU_ASSERT(row != NULL && strcmp(row->body_key, "Message") == 0);
    row = api_text(api, "unknown-path");
    CU_ASSERT(row != NULL && row->body_key == NULL && row->status == 404);
}

static void every_pattern_of_the_model_compiles(void)
{
    static const char *const files[] = {"fixtures/api/bedrock-runtime.json", "fixtures/api/bedrock.json",
                                        "fixtures/api/bedrock-agent-runtime.json", "fixtures/api/sts.json"};
    int patterns = 0;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct span bytes = SPAN_EMPTY, rest, quoted;
        struct note note = {""};
        CU_ASSERT_EQUAL(data_load(files[i], &bytes, &note), OK);
        for (const char *at = span_find(bytes, "\"pattern\": "); at != NULL; at = span_find(rest, "\"pattern\": ")) {
            rest = span_from(bytes, (size_t)((const unsigned char *)at - bytes.p) + strlen("\"pattern\": "));
            size_t n = 1;
            if (rest.n == 0 || rest.p[0] != '"') /* a member of this name */
                continue;
            while (rest.p[n] != '"')
                n += rest.p[n] == '\\' ? 2 : 1;
            quoted = span_cut(rest, 0, n + 1);
            CLEANUP(json_free) cJSON *pattern = NULL;
            CU_ASSERT_EQUAL(json_parse(quoted, 0, &pattern, &note), OK);
            CLAIM(regex_get(pattern->valuestring, REGEX_WHOLE, &note) != NULL, "%s", note.text);
            patterns++;
        }
    }
    CLAIM(patterns > 300, "only %d patterns", patterns);
}

static const struct shape_member *find(const struct shape_member *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

static void patterns_accept_and_refuse_as_the_service_does(void)
{
    const struct api_side *converse = &api_operation(api, "Converse")->request;
    const struct api_side *count = &api_operation(api, "CountTokens")->request;
    const struct api_side *guard = &api_operation(api, "ApplyGuardrail")->request;
    const struct {
        const struct shape_member *member;
        const char *text;
        bool holds;
    } rows[] = {
        {find(converse->path, converse->path_count, "modelId"), "anthropic.claude-3-haiku-20240307-v1:0", true},
        {find(converse->path, converse->path_count, "modelId"), "us.anthropic.claude-sonnet-4-5-20250929-v1:0", true},
        {find(converse->path, converse->path_count, "modelId"), "gpt-4o", true},
        {find(converse->path, converse->path_count, "modelId"),
         "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-express-v1", true},
        {find(converse->path, converse->path_count, "modelId"),
         "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", true},
        {find(converse->path, converse->path_count, "modelId"),
         "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:prompt/ABCDEFGHIJ:3", true},
        {find(converse->path, converse->path_count, "modelId"),
         "arn:aws:sagemaker:us-east-1:123456789012:endpoint/my-endpoint", true},
        {find(converse->path, converse->path_count, "modelId"), "arn:aws:s3:::bucket/key", false},
        {find(converse->path, converse->path_count, "modelId"), "a b", false},
        {find(converse->path, converse->path_count, "modelId"), "bedrock/anthropic.claude", false},
        {find(converse->path, converse->path_count, "modelId"), "m\n", false},
        {find(count->path, count->path_count, "modelId"), "anthropic.claude-3:0/x", true},
        {find(count->path, count->path_count, "modelId"), "a$", false},
        {find(guard->path, guard->path_count, "guardrailIdentifier"), "abc123", true},
        {find(guard->path, guard->path_count, "guardrailIdentifier"), "", true},
        {find(guard->path, guard->path_count, "guardrailIdentifier"),
         "arn:aws:bedrock:us-east-1:123456789012:guardrail/abc1", true},
        {find(guard->path, guard->path_count, "guardrailIdentifier"), "Abc", false},
        {find(guard->path, guard->path_count, "guardrailVersion"), "DRAFT", true},
        {find(guard->path, guard->path_count, "guardrailVersion"), "12345678", true},
        {find(guard->path, guard->path_count, "guardrailVersion"), "0", false},
        {find(guard->path, guard->path_count, "guardrailVersion"), "123456789", false},
        {shape_member(api_shape(api, "ToolSpecification"), "name"), "get_weather-2", true},
        {shape_member(api_shape(api, "ToolSpecification"), "name"), "get.weather", false},
        {shape_member(api_shape(api, "ToolUseBlock"), "toolUseId"), "tooluse_a.b:c-1", true},
        {shape_member(api_shape(api, "ToolUseBlock"), "toolUseId"), "call 1", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct shape_member *m = rows[i].member;
        bool there = m != NULL && m->regex != NULL;
        CLAIM(there && regex_matches(m->regex, rows[i].text) == rows[i].holds, "%s: %s", there ? m->name : "missing",
              rows[i].text);
        CLAIM(there && regex_matches(m->regex, rows[i].text) == rows[i].holds, "asked again, %s answers otherwise",
              rows[i].text);
    }
}

int main(void)
{
    struct note note = {""};
    CU_TestInfo tests[] = {
        {"broken constraints give their exact texts", broken_constraints_give_their_exact_texts},
        {"finds operations on the undecoded path", finds_operations_on_the_undecoded_path},
        {"bad percent encoding is refused", bad_percent_encoding_is_refused},
        {"checks path, query and headers", checks_path_query_and_headers},
        {"answers are checked too", answers_are_checked_too},
        {"knows errors and their texts", knows_errors_and_their_texts},
        {"every pattern of the model compiles", every_pattern_of_the_model_compiles},
        {"patterns accept and refuse as the service does", patterns_accept_and_refuse_as_the_service_does},
        CU_TEST_INFO_NULL,
    };
    api = api_load(&note);
    if (api == NULL) {
        (void)fprintf(stderr, "%s\n", note.text);
        return EXIT_FAILURE;
    }
    int status = unit_main("shape", tests);
    api_free(api);
    return status;
}
