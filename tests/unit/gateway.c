/* The translators of the reference gateway, without a socket: the rows of fixtures/gateway/requests.json, answers to chat
 * completions, and streams fed frame by frame, whole and damaged. */
#include "gateway/chat.h"
#include "gateway/model.h"
#include "gateway/mutate.h"
#include "gateway/upstream.h"
#include "protocol/data.h"

#include "unit.h"

#define CLAUDE "anthropic.claude-3-haiku-20240307-v1:0"

static cJSON *parse(const char *text)
{
    cJSON *tree = NULL;
    struct note note = {""};
    enum err e = json_parse(span_of(text), JSON_COMPACT, &tree, &note);
    CLAIM(e == OK, "the test's own JSON: %s: %s", note.text, text);
    return tree;
}

static cJSON *fixture(const char *path)
{
    struct span bytes = SPAN_EMPTY;
    struct note note = {""};
    cJSON *tree = NULL;
    CLAIM(data_load(path, &bytes, &note) == OK && json_parse(bytes, JSON_UNIQUE, &tree, &note) == OK, "%s: %s", path, note.text);
    return tree;
}

/* ---- requests ---- */

static void give_messages(cJSON *to, const char *text)
{
    if (json_member(to, "messages") == NULL)
        (void)json_set(to, "messages", parse(text));
}

static void check_row(const cJSON *row)
{
    static const struct chat_options nothing;
    const char *id = json_str(row, "id"), *claim = json_str(row, "claim"), *fails = json_str(row, "fail");
    CLEANUP(json_free) cJSON *in = cJSON_Duplicate(json_member(row, "in"), true);
    CLEANUP(json_free) cJSON *out = cJSON_Duplicate(json_member(row, "out"), true);
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(row, "model");
    if (!cJSON_IsNull(model))
        (void)json_set_string(in, "model", model != NULL ? model->valuestring : CLAUDE);
    give_messages(in, "[{\"role\":\"user\",\"content\":\"hi\"}]");
    CLEANUP(chat_request_release) struct chat_request r = {0};
    struct fail f = {0};
    enum err e = chat_request_read(in, &nothing, &r, &f);
    if (fails != NULL) {
        CLAIM(e != OK && f.status == 400 && strcmp(f.param, fails) == 0 && f.note.text[0] != '\0', "%s %s: %d '%s' %s", id, claim,
              f.status, f.param, f.note.text);
        return;
    }
    give_messages(out, "[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]");
    CLEANUP(free_ptr) char *text = json_text(r.body, JSON_COMPACT);
    CLAIM(e == OK && json_equal(r.body, out), "%s %s: %s %s", id, claim, f.note.text, text);
}

static void requests_become_the_converse_bodies_of_the_table(void)
{
    CLEANUP(json_free) cJSON *table = fixture("fixtures/gateway/requests.json");
    const cJSON *row;
    int rows = 0;
    cJSON_ArrayForEach(row, json_member(table, "rows"))
    {
        check_row(row);
        rows++;
    }
    CLAIM(rows >= 100, "only %d rows", rows);
}

static void the_same_request_gives_the_same_bytes(void)
{
    CLEANUP(json_free) cJSON *table = fixture("fixtures/gateway/requests.json");
    const cJSON *row;
    cJSON_ArrayForEach(row, json_member(table, "rows"))
    {
        CLEANUP(json_free) cJSON *in = cJSON_Duplicate(json_member(row, "in"), true);
        (void)json_set_string(in, "model", CLAUDE);
        give_messages(in, "[{\"role\":\"user\",\"content\":\"hi\"}]");
        char *texts[2];
        for (size_t i = 0; i < 2; i++) {
            static const struct chat_options nothing;
            CLEANUP(chat_request_release) struct chat_request r = {0};
            struct fail f = {0};
            (void)!chat_request_read(in, &nothing, &r, &f);
            texts[i] = json_text(r.body, JSON_COMPACT);
        }
        CLAIM(strcmp(texts[0], texts[1]) == 0, "%s", json_str(row, "claim"));
        free(texts[0]);
        free(texts[1]);
    }
}

static const char *fast(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "fast") == 0 ? "amazon.nova-lite-v1:0" : NULL;
}

static void the_model_is_found_behind_aliases_prefixes_and_escapes(void)
{
    static const struct {
        const char *name, *id, *path;
    } rows[] = {
        {CLAUDE, CLAUDE, "anthropic.claude-3-haiku-20240307-v1%3A0"},
        {"fast", "amazon.nova-lite-v1:0", "amazon.nova-lite-v1%3A0"},
        {"bedrock/us.amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1%3A0"},
        {"bedrock/converse/m", "m", "m"},
        {"arn:aws:bedrock:us-east-1:1:application-inference-profile/x", "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
         "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fx"},
        {"arn%3Aaws%2fx", "arn:aws/x", "arn%3Aaws%2Fx"},
        {"a%zz", NULL, NULL},
        {"a%0", NULL, NULL},
        {"a%00b", NULL, NULL},
        {"bedrock/", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_options options = {.alias = fast};
        CLEANUP(chat_request_release) struct chat_request r = {0};
        CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY);
        CLEANUP(json_free) cJSON *in = parse("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
        struct fail f = {0};
        (void)json_set_string(in, "model", rows[i].name);
        enum err e = chat_request_read(in, &options, &r, &f);
        if (rows[i].id == NULL) {
            CLAIM(e != OK && f.status == 400 && strcmp(f.param, "model") == 0, "%s", rows[i].name);
            continue;
        }
        CLAIM(e == OK && strcmp(r.model_id, rows[i].id) == 0 && strcmp(r.model, rows[i].name) == 0, "%s: %s", rows[i].name,
              e == OK ? r.model_id : f.note.text);
        model_encode(span_of(rows[i].id), &path);
        CLAIM(strcmp(buf_text(&path), rows[i].path) == 0, "%s", buf_text(&path));
    }
}

static void the_beta_header_reaches_claude_only(void)
{
    static const struct {
        const char *model, *pointer;
    } rows[] = {{CLAUDE, "/additionalModelRequestFields/anthropic_beta/1"}, {"amazon.nova-lite-v1:0", NULL}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_options options = {.anthropic_beta = "a-1, b-2,"};
        CLEANUP(chat_request_release) struct chat_request r = {0};
        CLEANUP(json_free) cJSON *in = parse("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
        struct fail f = {0};
        (void)json_set_string(in, "model", rows[i].model);
        CU_ASSERT_EQUAL(chat_request_read(in, &options, &r, &f), OK);
        if (rows[i].pointer == NULL) {
            CU_ASSERT_PTR_NULL(json_member(r.body, "additionalModelRequestFields"));
        } else {
            const cJSON *last = json_at(r.body, rows[i].pointer);
            CU_ASSERT_TRUE(cJSON_IsString(last) && strcmp(last->valuestring, "b-2") == 0 && last->next == NULL);
        }
    }
}

static void rewritten_tool_names_are_legal_distinct_and_mapped_back(void)
{
    CLEANUP(tool_names_release) struct tool_names names = {0};
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    const char *clients[] = {"a.b", "a_b", "a b", "日本", longer, "get-weather", "no-change_1"};
    const char *upstream[COUNT_OF(clients)];
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        upstream[i] = tool_names_upstream(&names, clients[i]);
        size_t n = strlen(upstream[i]);
        CLAIM(n >= 1 && n <= 64 && strspn(upstream[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n, "%s",
              upstream[i]);
        CLAIM(strcmp(tool_names_client(&names, upstream[i]), clients[i]) == 0, "%s is not mapped back", clients[i]);
        CLAIM(tool_names_upstream(&names, clients[i]) == upstream[i], "%s is not stable", clients[i]);
        for (size_t j = 0; j < i; j++)
            CLAIM(strcmp(upstream[i], upstream[j]) != 0, "%s and %s collapse", clients[i], clients[j]);
    }
    CU_ASSERT_STRING_EQUAL(upstream[5], "get-weather");
    CU_ASSERT_EQUAL(names.count, 4);
}

static void a_flood_is_refused_at_its_ceiling(void)
{
    CLEANUP(buf_release) struct buf files = BUF_INIT(BUF_ANY), calls = BUF_INIT(BUF_ANY);
    buf_adds(&files, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[");
    for (int i = 0; i <= CHAT_FILES_MAX; i++)
        buf_addf(&files, "%s{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":\"AAAA\"}}", i > 0 ? "," : "");
    buf_adds(&files, "]}]}");
    buf_adds(&calls, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"tool_calls\":[");
    for (int i = 0; i <= CHAT_TOOLS_MAX; i++)
        buf_addf(&calls, "%s{\"id\":\"%d\",\"function\":{\"name\":\"f\"}}", i > 0 ? "," : "", i);
    buf_adds(&calls, "]}]}");
    const char *texts[] = {buf_text(&files), buf_text(&calls)};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        static const struct chat_options nothing;
        CLEANUP(chat_request_release) struct chat_request r = {0};
        CLEANUP(json_free) cJSON *in = parse(texts[i]);
        struct fail f = {0};
        CLAIM(chat_request_read(in, &nothing, &r, &f) != OK && f.status == 400, "flood %zu", i);
    }
}

/* ---- answers ---- */

static struct chat_request plain = {.model = (char[]){"m"}};
static const struct chat_identity who = {"chatcmpl-1", 1700000000};

static void answers_lose_nothing(void)
{
    static const struct {
        const char *claim, *converse, *pointer, *expected;
    } rows[] = {
        {"texts are joined", "{\"output\":{\"message\":{\"content\":[{\"text\":\"a\"},{\"text\":\"b\"}]}}}", "/choices/0/message/content", "\"ab\""},
        {"citations are text", "{\"output\":{\"message\":{\"content\":[{\"citationsContent\":{\"content\":[{\"text\":\"c\"}]}}]}}}",
         "/choices/0/message/content", "\"c\""},
        {"an empty answer is an empty text", "{\"output\":{\"message\":{\"content\":[]}},\"stopReason\":\"end_turn\"}", "/choices/0",
         "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":\"stop\"}"},
        {"an unknown block is skipped", "{\"output\":{\"message\":{\"content\":[{\"holo\":{}},{\"text\":\"b\"}]}}}", "/choices/0/message/content", "\"b\""},
        {"text stands beside a call, and digits stay",
         "{\"output\":{\"message\":{\"content\":[{\"text\":\"ok\"},{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"f\",\"input\":{\"id\":9007199254740993}}}]}},"
         "\"stopReason\":\"tool_use\"}",
         "/choices/0/message",
         "{\"role\":\"assistant\",\"content\":\"ok\",\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
         "\"arguments\":\"{\\\"id\\\":9007199254740993}\"}}]}"},
        {"a call alone has null content", "{\"output\":{\"message\":{\"content\":[{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"f\",\"input\":{}}}]}}}",
         "/choices/0/message",
         "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"},
        {"reasoning keeps its signature",
         "{\"output\":{\"message\":{\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"why\",\"signature\":\"s\"}}},{\"text\":\"b\"}]}}}",
         "/choices/0/message", "{\"role\":\"assistant\",\"content\":\"b\",\"reasoning_content\":\"why\",\"reasoning_signature\":\"s\"}"},
        {"a signature without text is kept",
         "{\"output\":{\"message\":{\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"\",\"signature\":\"s\"}}},{\"text\":\"b\"}]}}}",
         "/choices/0/message", "{\"role\":\"assistant\",\"content\":\"b\",\"reasoning_content\":\"\",\"reasoning_signature\":\"s\"}"},
        {"redacted thoughts are kept", "{\"output\":{\"message\":{\"content\":[{\"reasoningContent\":{\"redactedContent\":\"AAEC\"}},{\"text\":\"b\"}]}}}",
         "/choices/0/message",
         "{\"role\":\"assistant\",\"content\":\"b\",\"thinking_blocks\":[{\"type\":\"redacted_thinking\",\"data\":\"AAEC\"}]}"},
        {"two thoughts keep both signatures",
         "{\"output\":{\"message\":{\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"a\",\"signature\":\"1\"}}},"
         "{\"reasoningContent\":{\"reasoningText\":{\"text\":\"b\",\"signature\":\"2\"}}}]}}}",
         "/choices/0/message",
         "{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"ab\",\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"a\","
         "\"signature\":\"1\"},{\"type\":\"thinking\",\"thinking\":\"b\",\"signature\":\"2\"}]}"},
        {"cached tokens are part of the prompt",
         "{\"output\":{\"message\":{\"content\":[]}},\"usage\":{\"inputTokens\":10,\"outputTokens\":5,\"cacheReadInputTokens\":12,\"cacheWriteInputTokens\":8,"
         "\"totalTokens\":35}}",
         "/usage",
         "{\"prompt_tokens\":30,\"completion_tokens\":5,\"total_tokens\":35,\"prompt_tokens_details\":{\"cached_tokens\":12,\"cache_creation_tokens\":8}}"},
        {"a tier is echoed", "{\"output\":{\"message\":{\"content\":[]}},\"serviceTier\":{\"type\":\"flex\"}}", "/service_tier", "\"flex\""},
        {"a trace is kept", "{\"output\":{\"message\":{\"content\":[]}},\"trace\":{\"guardrail\":{}}}", "/trace", "{\"guardrail\":{}}"},
        {"the model is the one that was named", "{\"output\":{\"message\":{\"content\":[]}}}", "/model", "\"m\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fail f = {0};
        CLEANUP(json_free) cJSON *converse = parse(rows[i].converse), *expected = NULL, *answer = NULL;
        expected = parse(rows[i].expected);
        answer = chat_answer(&plain, &who, converse, &f);
        CLEANUP(free_ptr) char *text = json_text(answer, JSON_COMPACT);
        CLAIM(answer != NULL && json_equal(json_at(answer, rows[i].pointer), expected), "%s: %s", rows[i].claim, text);
        json_free(&expected);
        json_free(&answer);
    }
}

static void missing_usage_is_absent_and_not_zero(void)
{
    struct fail f = {0};
    CLEANUP(json_free) cJSON *converse = parse("{\"output\":{\"message\":{\"content\":[]}}}"), *answer = NULL;
    answer = chat_answer(&plain, &who, converse, &f);
    CU_ASSERT_PTR_NOT_NULL(answer);
    CU_ASSERT_PTR_NULL(json_member(answer, "usage"));
    json_free(&answer);
}

static void an_answer_without_output_is_a_bad_gateway(void)
{
    static const char *const bodies[] = {"{\"Output\":{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"},\"Version\":\"1.0\"}",
                                         "{}", "[]", "{\"output\":{}}", "{\"output\":{\"message\":null}}"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct fail f = {0};
        CLEANUP(json_free) cJSON *converse = parse(bodies[i]);
        CLAIM(chat_answer(&plain, &who, converse, &f) == NULL && f.status == 502, "%s", bodies[i]);
    }
}

static void every_stop_reason_is_a_word_of_the_api(void)
{
    static const char *const rows[][2] = {
        {"end_turn", "stop"}, {"max_tokens", "length"}, {"stop_sequence", "stop"}, {"tool_use", "tool_calls"},
        {"content_filtered", "content_filter"}, {"guardrail_intervened", "content_filter"}, {"model_context_window_exceeded", "length"},
        {"malformed_model_output", "stop"}, {"malformed_tool_use", "stop"}, {"of_tomorrow", "stop"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CLAIM(strcmp(chat_finish_reason(rows[i][0]), rows[i][1]) == 0, "%s", rows[i][0]);
    CU_ASSERT_STRING_EQUAL(chat_finish_reason(NULL), "stop");
}

/* ---- errors ---- */

static void errors_of_bedrock_keep_their_class_and_text(void)
{
    static const struct {
        int sent;
        const char *header, *body;
        int status;
        const char *type, *code;
    } rows[] = {
        {400, "ValidationException:http://internal.amazon.com/coral/", "{\"message\":\"bad\"}", 400, "invalid_request_error", "ValidationException"},
        {429, "ThrottlingException", "{\"message\":\"bad\"}", 429, "rate_limit_error", "ThrottlingException"},
        {400, "ThrottlingException", "{\"message\":\"bad\"}", 429, "rate_limit_error", "ThrottlingException"},
        {403, "AccessDeniedException", "{\"Message\":\"bad\"}", 403, "permission_error", "AccessDeniedException"},
        {404, NULL, "{\"__type\":\"com.x#ResourceNotFoundException\",\"message\":\"bad\"}", 404, "not_found_error", "ResourceNotFoundException"},
        {429, "ModelNotReadyException", "{\"message\":\"bad\"}", 503, "server_error", "ModelNotReadyException"},
        {408, "ModelTimeoutException", "{\"message\":\"bad\"}", 504, "timeout_error", "ModelTimeoutException"},
        {424, "ModelErrorException", "{\"message\":\"bad\"}", 502, "server_error", "ModelErrorException"},
        {503, "ServiceUnavailableException", "{\"message\":\"bad\"}", 503, "server_error", "ServiceUnavailableException"},
        {500, "InternalServerException", "{\"message\":\"bad\"}", 500, "server_error", "InternalServerException"},
        {400, "ServiceQuotaExceededException", "{\"message\":\"bad\"}", 429, "rate_limit_error", "ServiceQuotaExceededException"},
        {403, "ExpiredTokenException", "{\"message\":\"bad\"}", 403, "permission_error", "ExpiredTokenException"},
        {503, NULL, "<html>bad</html>", 503, "server_error", ""},
        {418, "TeapotException", "{\"message\":\"bad\"}", 418, "invalid_request_error", "TeapotException"},
        {302, NULL, "", 502, "server_error", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fail f;
        fail_from_upstream(&f, rows[i].sent, rows[i].header, span_of(rows[i].body));
        CLAIM(f.status == rows[i].status && strcmp(f.type, rows[i].type) == 0 && strcmp(f.code, rows[i].code) == 0 && f.note.text[0] != '\0',
              "row %zu: %d %s %s %s", i, f.status, f.type, f.code, f.note.text);
        if (rows[i].body[0] == '{')
            CU_ASSERT_STRING_EQUAL(f.note.text, "bad");
    }
}

static void the_error_object_has_its_four_members(void)
{
    struct fail f = {0};
    (void)fail_bad(&f, "messages[0]", "no \"%s\"", "good");
    CLEANUP(json_free) cJSON *made = fail_object(&f), *expected = NULL;
    expected = parse("{\"error\":{\"message\":\"no \\\"good\\\"\",\"type\":\"invalid_request_error\",\"param\":\"messages[0]\",\"code\":null}}");
    CU_ASSERT_TRUE(json_equal(made, expected));
    json_free(&expected);
}

static void secrets_are_scrubbed_from_texts(void)
{
    static const char *const rows[][2] = {
        {"User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized on resource: arn:aws:bedrock:us-east-1::foundation-model/m",
         "User: *** is not authorized on resource: arn:aws:bedrock:us-east-1::foundation-model/m"},
        {"key AKIAIOSFODNN7EXAMPLE, \"ASIAIOSFODNN7EXAMPLE\"", "key ***, \"***\""},
        {"does not match.\n\nThe Canonical String for this request should have been\n'POST...x-amz-security-token:T'", "does not match."},
        {"plain", "plain"},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[512];
        (void)snprintf(text, sizeof text, "%s", rows[i][0]);
        fail_scrub(text);
        CLAIM(strcmp(text, rows[i][1]) == 0, "%s", text);
    }
}

static void only_what_may_pass_is_tried_again(void)
{
    static const struct {
        enum err error;
        int status;
        bool again;
    } rows[] = {{OK, 429, true}, {OK, 500, true}, {OK, 502, true}, {OK, 503, true}, {OK, 504, true}, {OK, 400, false}, {OK, 403, false},
                {OK, 404, false}, {OK, 408, false}, {OK, 424, false}, {OK, 501, false}, {ERR_IO, 0, true}, {ERR_CLOSED, 0, false},
                {ERR_CLOSED, 200, false}, {ERR_IO, 200, false}, {ERR_TIMEOUT, 0, false}, {OK, 200, false}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CLAIM(upstream_should_retry(rows[i].error, rows[i].status, NULL) == rows[i].again, "%d %d", rows[i].error, rows[i].status);
}

/* ---- streams ---- */

struct heard {
    struct buf text; /* "role|content a|tool 0 t1 f |args 0 {}|finish stop|usage 3|done" */
    bool bad_chunk;
};

static void hear_call(struct heard *h, const cJSON *call)
{
    int64_t index = -1;
    const cJSON *function = json_member(call, "function");
    (void)json_int64(json_member(call, "index"), &index);
    if (json_str(call, "id") != NULL)
        buf_addf(&h->text, "tool %d %s %s|", (int)index, json_str(call, "id"), json_str(function, "name"));
    else
        buf_addf(&h->text, "args %d %s|", (int)index, json_str(function, "arguments"));
}

static void hear_delta(struct heard *h, const cJSON *delta)
{
    static const char *const keys[] = {"role", "content", "reasoning_content", "reasoning_signature"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (json_str(delta, keys[i]) != NULL && json_str(delta, keys[i])[0] != '\0')
            buf_addf(&h->text, "%s %s|", keys[i], json_str(delta, keys[i]));
    const cJSON *calls = json_member(delta, "tool_calls"), *thoughts = json_member(delta, "thinking_blocks");
    if (calls != NULL)
        hear_call(h, calls->child);
    if (thoughts != NULL)
        buf_addf(&h->text, "redacted %s|", json_str(thoughts->child, "data"));
}

static void hear(void *ctx, enum chat_item kind, cJSON *take)
{
    struct heard *h = ctx;
    const cJSON *choices = json_member(take, "choices"), *choice = choices != NULL ? choices->child : NULL;
    if (kind == CHAT_DONE) {
        buf_adds(&h->text, "done|");
    } else if (kind == CHAT_ERROR) {
        buf_addf(&h->text, "error %s|", json_str(json_member(take, "error"), "type"));
    } else {
        const char *object = json_str(take, "object"), *id = json_str(take, "id");
        h->bad_chunk |= object == NULL || strcmp(object, "chat.completion.chunk") != 0 || id == NULL || strcmp(id, who.id) != 0;
        hear_delta(h, json_member(choice, "delta"));
        if (json_str(choice, "finish_reason") != NULL)
            buf_addf(&h->text, "finish %s|", json_str(choice, "finish_reason"));
        const cJSON *usage = json_member(take, "usage");
        int64_t total = 0;
        if (usage != NULL && json_int64(json_member(usage, "total_tokens"), &total))
            buf_addf(&h->text, "usage %d|", (int)total);
    }
    cJSON_Delete(take);
}

/* A script is words: an event is NAME{json} with a space behind it, an exception !NAME{json}, an error frame ?CODE, '#' a frame with a bad CRC, '/'
 * half a frame. */
static void frame_of(const char **at, struct buf *out)
{
    size_t mark = out->len, n = strcspn(*at, "{ ");
    char sign = **at;
    CLEANUP(free_ptr) char *name = span_dup(span_cut(span_of(*at), 0, n));
    const char *end = *at + n;
    if (*end == '{')
        end = strstr(end, "} ") + 1;
    struct span payload = {(const unsigned char *)*at + n, (size_t)(end - (*at + n))};
    const char *bare = strchr("!?#/", sign) != NULL ? name + 1 : name;
    enum es_error e = sign == '!'   ? es_encode_exception(out, bare, payload)
                      : sign == '?' ? es_encode_error(out, bare, "words")
                                    : es_encode_event(out, bare, payload);
    CU_ASSERT_EQUAL(e, ES_OK);
    if (sign == '#')
        out->data[out->len - 1] = (char)(out->data[out->len - 1] ^ 1);
    if (sign == '/')
        out->len = mark + (out->len - mark) / 2;
    *at = end + strspn(end, " ");
}

/* Feed in pieces of `step` bytes, as the route does. */
static void play(const char *script, size_t step, const char *fault, struct heard *h, int *status)
{
    struct chat_request r = {.model = (char[]){"m"}, .include_usage = true};
    struct chat_stream s;
    struct es_decoder d;
    struct es_message m;
    enum es_error e = ES_MORE;
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    while (*script != '\0')
        frame_of(&script, &bytes);
    chat_stream_init(&s, &r, &who, hear, h);
    es_decoder_init(&d);
    for (size_t at = 0; at < bytes.len && e == ES_MORE; at += step) {
        es_decoder_feed(&d, span_cut(buf_span(&bytes), at, step));
        while ((e = es_decoder_next(&d, &m)) == ES_OK)
            chat_stream_message(&s, &m);
    }
    chat_stream_end(&s, e != ES_MORE, fault);
    chat_stream_end(&s, false, "");
    *status = s.fail.status;
    es_decoder_release(&d);
    chat_stream_release(&s);
}

#define START "messageStart{\"role\":\"assistant\"} "
#define TEXT(i, t) "contentBlockDelta{\"contentBlockIndex\":" #i ",\"delta\":{\"text\":\"" t "\"}} "
#define STOP(i) "contentBlockStop{\"contentBlockIndex\":" #i "} "
#define TOOL(i, id) "contentBlockStart{\"contentBlockIndex\":" #i ",\"start\":{\"toolUse\":{\"toolUseId\":\"" id "\",\"name\":\"f\"}}} "
#define ARGS(i, t) "contentBlockDelta{\"contentBlockIndex\":" #i ",\"delta\":{\"toolUse\":{\"input\":\"" t "\"}}} "
#define THINK(k, t) "contentBlockDelta{\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"" k "\":\"" t "\"}}} "
#define END(why) "messageStop{\"stopReason\":\"" why "\"} "
#define META "metadata{\"metrics\":{\"latencyMs\":1},\"usage\":{\"inputTokens\":1,\"outputTokens\":2,\"totalTokens\":3}} "

static const struct {
    const char *claim, *script, *heard;
    int status; /* of the failure; 0: none */
} streams[] = {
    {"a plain answer", START TEXT(0, "") TEXT(0, "Hé") TEXT(0, "llo") STOP(0) END("end_turn") META,
     "role assistant|content Hé|content llo|finish stop|usage 3|done|", 0},
    {"the role comes first without messageStart", TEXT(0, "a") END("end_turn"), "role assistant|content a|finish stop|done|", 0},
    {"tools are counted from 0, whatever their blocks", START TEXT(0, "a") STOP(0) TOOL(1, "t1") ARGS(1, "{\\\"a\\\"") ARGS(1, ":1}") STOP(1)
     TOOL(2, "t2") STOP(2) END("tool_use"),
     "role assistant|content a|tool 0 t1 f|args 0 {\"a\"|args 0 :1}|tool 1 t2 f|args 1 {}|finish tool_calls|done|", 0},
    {"interleaved arguments are not mixed", START TOOL(0, "a") TOOL(1, "b") ARGS(1, "B") ARGS(0, "A") STOP(0) STOP(1) END("tool_use"),
     "role assistant|tool 0 a f|tool 1 b f|args 1 B|args 0 A|finish tool_calls|done|", 0},
    {"reasoning, its signature and redacted thoughts", START THINK("text", "why") THINK("signature", "sig") THINK("redactedContent", "AAEC") STOP(0)
     TEXT(1, "a") END("end_turn"),
     "role assistant|reasoning_content why|reasoning_signature sig|redacted AAEC|content a|finish stop|done|", 0},
    {"unknown events are skipped", START "holoDelta{\"x\":1} " TEXT(0, "a") END("end_turn"), "role assistant|content a|finish stop|done|", 0},
    {"missing metadata is no loss", START TEXT(0, "a") END("max_tokens"), "role assistant|content a|finish length|done|", 0},
    {"one finish, and nothing behind it", START END("end_turn") END("end_turn") TEXT(0, "late") META, "role assistant|finish stop|usage 3|done|", 0},
    {"an exception is an error and no finish", START TEXT(0, "a") "!throttlingException{\"message\":\"slow\"} ", "role assistant|content a|error rate_limit_error|", 429},
    {"an exception keeps its class", START "!internalServerException{\"message\":\"x\"} " END("end_turn"), "role assistant|error server_error|", 500},
    {"an exception as the first frame starts nothing", "!validationException{\"message\":\"x\"} ", "error invalid_request_error|", 400},
    {"an error frame is an error", START "?someError", "role assistant|error server_error|", 502},
    {"a cut before messageStop is an error", START TEXT(0, "a"), "role assistant|content a|error server_error|", 502},
    {"a cut inside a frame is an error", START TEXT(0, "a") "/messageStop{\"stopReason\":\"end_turn\"} ", "role assistant|content a|error server_error|", 502},
    {"a cut behind messageStop is no loss", START TEXT(0, "a") END("end_turn") "/" META, "role assistant|content a|finish stop|done|", 0},
    {"a bad CRC is an error, and its text is not delivered", START "#" TEXT(0, "bad") TEXT(0, "b") END("end_turn"), "role assistant|error server_error|", 502},
    {"nothing at all is an error", "", "error server_error|", 502},
    {"a payload that is no JSON is an error", START "contentBlockDelta{oops} ", "role assistant|error server_error|", 502},
};

static void streams_are_heard_as_the_table_says_however_they_are_cut(void)
{
    static const size_t steps[] = {1, 2, 7, 4096};
    for (size_t i = 0; i < COUNT_OF(streams); i++)
        for (size_t j = 0; j < COUNT_OF(steps); j++) {
            struct heard h = {.text = BUF_INIT(BUF_ANY)};
            int status = -1;
            play(streams[i].script, steps[j], "", &h, &status);
            CLAIM(strcmp(buf_text(&h.text), streams[i].heard) == 0 && status == streams[i].status && !h.bad_chunk, "%s, in steps of %zu: %d %s",
                  streams[i].claim, steps[j], status, buf_text(&h.text));
            buf_release(&h.text);
        }
}

static void usage_is_sent_only_when_asked_for(void)
{
    struct heard h = {.text = BUF_INIT(BUF_ANY)};
    struct chat_stream s;
    struct es_decoder d;
    struct es_message m;
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    for (const char *script = START END("end_turn") META; *script != '\0';)
        frame_of(&script, &bytes);
    chat_stream_init(&s, &plain, &who, hear, &h);
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(&bytes));
    while (es_decoder_next(&d, &m) == ES_OK)
        chat_stream_message(&s, &m);
    chat_stream_end(&s, false, "");
    CU_ASSERT_STRING_EQUAL(buf_text(&h.text), "role assistant|finish stop|done|");
    es_decoder_release(&d);
    chat_stream_release(&s);
    buf_release(&h.text);
}

/* ---- mutations ---- */

static void mutations_are_checked_before_they_are_taken(void)
{
    static const struct {
        const char *one;
        enum err e;
        const char *says;
    } rows[] = {
        {"{\"on\":\"upstream.body\",\"op\":\"replace\",\"path\":\"/a\",\"value\":null,\"caught\":\"steps[0].x\"}", OK, ""},
        {"{\"on\":\"upstream.sign\",\"do\":\"wrong-region\",\"with\":[{\"on\":\"client.status\",\"value\":500}]}", OK, ""},
        {"{\"on\":\"client.chunk\",\"op\":\"remove\",\"path\":\"/a\",\"at\":\"last\"}", OK, ""},
        {"{\"on\":\"upstream.boby\"}", ERR_UNKNOWN, "did you mean 'upstream.body'"},
        {"{\"on\":\"upstream.sign\",\"do\":\"wrong-regoin\"}", ERR_UNKNOWN, "did you mean 'wrong-region'"},
        {"{\"on\":\"client.stream\",\"do\":\"wrong-region\"}", ERR_UNKNOWN, "not known"},
        {"{\"on\":\"client.stream\"}", ERR_UNKNOWN, "/mutations/0/do"},
        {"{\"on\":\"upstream.header\",\"op\":\"replace\",\"name\":\"a\",\"value\":\"b\"}", ERR_UNKNOWN, "/op"},
        {"{\"on\":\"upstream.header\",\"op\":\"set\",\"name\":\"a\\r\\nb\",\"value\":\"b\"}", ERR_INVALID, "/name"},
        {"{\"on\":\"upstream.header\",\"op\":\"set\",\"name\":\"a\"}", ERR_INVALID, "/value"},
        {"{\"on\":\"client.status\",\"value\":99}", ERR_INVALID, "/value"},
        {"{\"on\":\"client.raw\",\"value\":1}", ERR_INVALID, "expected a string"},
        {"{\"on\":\"client.body\",\"op\":\"remove\"}", ERR_INVALID, "/path"},
        {"{\"on\":\"client.raw\",\"value\":\"x\",\"att\":1}", ERR_UNKNOWN, "att"},
        {"{\"on\":\"client.stream\",\"do\":\"no-done\",\"at\":-3}", ERR_INVALID, "/at"},
        {"7", ERR_INVALID, "expected an object"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        struct mutations *m = NULL;
        struct note note = {""};
        buf_addf(&text, "{\"mutations\":[%s]}", rows[i].one);
        CLEANUP(json_free) cJSON *source = parse(buf_text(&text));
        enum err e = mutations_parse(source, &m, &note);
        CLAIM((e == OK) == (rows[i].e == OK) && (e == OK) == (m != NULL) && strstr(note.text, rows[i].says) != NULL, "%s: %s %s", rows[i].one,
              err_name(e), note.text);
        mutations_unref(m);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"requests_become_the_converse_bodies_of_the_table", requests_become_the_converse_bodies_of_the_table},
        {"the_same_request_gives_the_same_bytes", the_same_request_gives_the_same_bytes},
        {"the_model_is_found_behind_aliases_prefixes_and_escapes", the_model_is_found_behind_aliases_prefixes_and_escapes},
        {"the_beta_header_reaches_claude_only", the_beta_header_reaches_claude_only},
        {"rewritten_tool_names_are_legal_distinct_and_mapped_back", rewritten_tool_names_are_legal_distinct_and_mapped_back},
        {"a_flood_is_refused_at_its_ceiling", a_flood_is_refused_at_its_ceiling},
        {"answers_lose_nothing", answers_lose_nothing},
        {"missing_usage_is_absent_and_not_zero", missing_usage_is_absent_and_not_zero},
        {"an_answer_without_output_is_a_bad_gateway", an_answer_without_output_is_a_bad_gateway},
        {"every_stop_reason_is_a_word_of_the_api", every_stop_reason_is_a_word_of_the_api},
        {"errors_of_bedrock_keep_their_class_and_text", errors_of_bedrock_keep_their_class_and_text},
        {"the_error_object_has_its_four_members", the_error_object_has_its_four_members},
        {"secrets_are_scrubbed_from_texts", secrets_are_scrubbed_from_texts},
        {"only_what_may_pass_is_tried_again", only_what_may_pass_is_tried_again},
        {"streams_are_heard_as_the_table_says_however_they_are_cut", streams_are_heard_as_the_table_says_however_they_are_cut},
        {"usage_is_sent_only_when_asked_for", usage_is_sent_only_when_asked_for},
        {"mutations_are_checked_before_they_are_taken", mutations_are_checked_before_they_are_taken},
        CU_TEST_INFO_NULL,
    };
    return unit_main("gateway", tests);
}
