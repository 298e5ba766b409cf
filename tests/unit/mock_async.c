/* Asynchronous invocations over the wire: their states by the mock's clock, idempotency, lists, failures on request,
 * what each model wants to be told; and that the mock serves every operation of bedrock-runtime. */
#include "mock/runtime/async.h"

#include "mock_rig.h"

#define REEL                      "{\"taskType\":\"TEXT_VIDEO\",\"textToVideoParams\":{\"text\":\"a cat\"}"
#define OUT                       "\"outputDataConfig\":{\"s3OutputDataConfig\":{\"s3Uri\":\"s3://bucket/out\"}}"
#define START(model, input, more) "{\"modelId\":\"" model "\",\"modelInput\":" input "," OUT more "}"
#define ONE(more)                 START("amazon.nova-reel-v1:0", REEL "}", more)

static struct api *api;

static struct reply call(struct mock *m, const char *operation, const char *method, const char *path, const char *body,
                         int status)
{
    struct reply r = fetch(mock_port(m), method, path, body, NULL, &usual_key);
    struct api_fault fault = API_FAULT_INIT;
    CLAIM(r.status == status, "%s %s: %d %.300s", operation, path, r.status, buf_text(&r.body));
    if (r.status == 200)
        CLAIM(api_check_response(api, api_operation(api, operation), r.json, &fault) == OK, "%s: %s", operation,
              buf_text(&fault.text));
    api_fault_release(&fault);
    return r;
}

static struct reply start(struct mock *m, const char *body)
{
    return call(m, "StartAsyncInvoke", "POST", "/async-invoke", body, 200);
}

static void path_of(const struct reply *started, struct buf *out)
{
    buf_adds(out, "/async-invoke/");
    for (const char *p = text_at(started->json, "/invocationArn"); *p != '\0'; p++)
        if (*p == ':' || *p == '/')
            buf_addf(out, "%%%02X", (unsigned)*p);
        else
            buf_addc(out, *p);
}

static struct reply get(struct mock *m, const struct reply *started)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(4096);
    path_of(started, &path);
    return call(m, "GetAsyncInvoke", "GET", buf_text(&path), "", 200);
}

static struct reply list(struct mock *m, const char *query)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(4096);
    buf_addf(&path, "/async-invoke%s", query);
    return call(m, "ListAsyncInvokes", "GET", buf_text(&path), "", 200);
}

static void admin_ok(struct mock *m, const char *path, const char *body)
{
    CLEANUP(reply_release) struct reply r = admin(m, "POST", path, body);
    CLAIM(r.status == 200, "%s: %s", path, buf_text(&r.body));
}

static void is_in_state(struct mock *m, const struct reply *started, const char *status)
{
    CLEANUP(reply_release) struct reply r = get(m, started);
    CLAIM(strcmp(text_at(r.json, "/status"), status) == 0, "expected %s: %s", status, buf_text(&r.body));
    CU_ASSERT((json_at(r.json, "/endTime") != NULL) == (strcmp(status, "InProgress") != 0));
    CU_ASSERT((json_at(r.json, "/failureMessage") != NULL) == (strcmp(status, "Failed") == 0));
}

static void goes_from_in_progress_to_completed_by_the_clock(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE}; /* signatures are of today */
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    admin_ok(m, "/clock", "{\"set\":\"2026-01-02T03:04:05Z\"}");
    CLEANUP(reply_release) struct reply s = start(m, ONE(",\"clientRequestToken\":\"t1\""));
    is_in_state(m, &s, "InProgress");
    admin_ok(m, "/clock", "{\"advance_ms\":5000}");
    is_in_state(m, &s, "InProgress");
    admin_ok(m, "/clock", "{\"advance_ms\":5000}");
    is_in_state(m, &s, "Completed");
    CLEANUP(reply_release) struct reply r = get(m, &s);
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/modelArn"),
                           "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-reel-v1:0");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/submitTime"), "2026-01-02T03:04:05Z");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/endTime"), "2026-01-02T03:04:15Z");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/lastModifiedTime"), "2026-01-02T03:04:15Z");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/clientRequestToken"), "t1");
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/outputDataConfig/s3OutputDataConfig/s3Uri"), "s3://bucket/out");
    CLEANUP(reply_release)
    struct reply no =
        call(m, "GetAsyncInvoke", "GET",
             "/async-invoke/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aasync-invoke%2Fabcdefghijkl", "", 400);
    CU_ASSERT(strstr(text_at(no.json, "/message"), "abcdefghijkl is invalid") != NULL);
}

static void a_duration_of_nothing_is_over_at_once(void)
{
    struct mock_config config = {.async_duration_ms = -1}, slow = {.async_duration_ms = 3600000, .auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(rig_stop) struct mock *m2 = rig_start(&slow);
    CLEANUP(reply_release) struct reply a = start(m, ONE(""));
    CLEANUP(reply_release) struct reply b = start(m2, ONE(""));
    is_in_state(m, &a, "Completed");
    admin_ok(m2, "/clock", "{\"advance_ms\":3500000}");
    is_in_state(m2, &b, "InProgress");
}

static void a_token_makes_it_idempotent(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply a = start(m, ONE(",\"clientRequestToken\":\"same\""));
    CLEANUP(reply_release) struct reply b = start(m, ONE(",\"clientRequestToken\":\"same\""));
    CLEANUP(reply_release) struct reply c = start(m, ONE(",\"clientRequestToken\":\"other\""));
    CLEANUP(reply_release) struct reply d = start(m, ONE(""));
    CLEANUP(reply_release) struct reply e = start(m, ONE(""));
    const char *arn = text_at(a.json, "/invocationArn");
    CU_ASSERT_STRING_EQUAL(arn, text_at(b.json, "/invocationArn"));
    CU_ASSERT_STRING_NOT_EQUAL(arn, text_at(c.json, "/invocationArn"));
    CU_ASSERT_STRING_NOT_EQUAL(text_at(d.json, "/invocationArn"), text_at(e.json, "/invocationArn"));
    CLEANUP(reply_release)
    struct reply x = call(m, "StartAsyncInvoke", "POST", "/async-invoke",
                          START("amazon.nova-reel-v1:0", REEL ",\"videoGenerationConfig\":{\"seed\":1}}",
                                ",\"clientRequestToken\":\"same\""),
                          400);
    CU_ASSERT(strstr(header(&x, "x-amzn-ErrorType"), "ConflictException") != NULL);
    struct key elsewhere = usual_key;
    elsewhere.region = "us-west-2"; /* tokens and ARNs are those of a Region */
    CLEANUP(reply_release)
    struct reply w =
        fetch(mock_port(m), "POST", "/async-invoke", ONE(",\"clientRequestToken\":\"same\""), NULL, &elsewhere);
    CLAIM(strstr(text_at(w.json, "/invocationArn"), ":us-west-2:") != NULL, "%s", buf_text(&w.body));
    CLEANUP(buf_release) struct buf path = BUF_INIT(4096);
    path_of(&w, &path);
    CLEANUP(reply_release) struct reply far = call(m, "GetAsyncInvoke", "GET", buf_text(&path), "", 400);
    CLEANUP(reply_release) struct reply mine = list(m, "");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(mine.json, "/asyncInvokeSummaries")), 4);
}

static void it_fails_when_told_to(void)
{
    struct mock_config config = {.async_duration_ms = -1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    admin_ok(m, "/async", "{\"failureMessage\":\"no video today\"}");
    CLEANUP(reply_release) struct reply a = start(m, ONE(""));
    CLEANUP(reply_release) struct reply b = start(m, ONE("")); /* only the next one */
    is_in_state(m, &a, "Failed");
    is_in_state(m, &b, "Completed");
    CLEANUP(reply_release) struct reply r = get(m, &a);
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/failureMessage"), "no video today");
    script(m, "{\"replies\":[{\"reply\":{\"extra\":{\"failureMessage\":\"scripted\"}}}]}");
    CLEANUP(reply_release) struct reply c = start(m, ONE(""));
    is_in_state(m, &c, "Failed");
    admin_ok(m, "/async", "{\"after_ms\":60000}");
    CLEANUP(reply_release) struct reply d = start(m, ONE(""));
    is_in_state(m, &d, "InProgress");
    CLEANUP(buf_release) struct buf settle = BUF_INIT(4096);
    buf_addf(&settle, "{\"invocationArn\":\"%s\",\"failureMessage\":\"settled\"}", text_at(d.json, "/invocationArn"));
    admin_ok(m, "/async", buf_text(&settle));
    is_in_state(m, &d, "Failed");
    CLEANUP(reply_release) struct reply all = admin(m, "GET", "/async", "");
    CLAIM(cJSON_GetArraySize(json_at(all.json, "/invocations")) == 4 &&
              strcmp(text_at(all.json, "/invocations/3/failureMessage"), "settled") == 0,
          "%s", buf_text(&all.body));
    static const char *const wrong[] = {"{\"invocationArn\":\"x\"}", "{\"after\":1}", "{\"after_ms\":-1}", "[]",
                                        "{\"failureMessage\":1}"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CLEANUP(reply_release) struct reply w = admin(m, "POST", "/async", wrong[i]);
        CLAIM(w.status == 400, "%s: %d", wrong[i], w.status);
    }
}

static void reset_forgets_them(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply a = start(m, ONE(""));
    admin_ok(m, "/async", "{\"failureMessage\":\"x\",\"after_ms\":0}");
    admin_ok(m, "/reset", "{\"keep\":[\"async\"]}");
    is_in_state(m, &a, "InProgress");
    admin_ok(m, "/reset", "{}");
    CLEANUP(reply_release) struct reply none = list(m, "");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(none.json, "/asyncInvokeSummaries")), 0);
    CLEANUP(reply_release) struct reply b = start(m, ONE(""));
    is_in_state(m, &b, "InProgress"); /* what was said of the next one is forgotten, too */
}

/* ---- lists ---- */

static void count_is(struct mock *m, const char *query, int n)
{
    CLEANUP(reply_release) struct reply r = list(m, query);
    CLAIM(cJSON_GetArraySize(json_at(r.json, "/asyncInvokeSummaries")) == n, "%s: %s", query, buf_text(&r.body));
}

static void lists_filter_and_sort(void)
{
    struct mock_config config = {.async_duration_ms = 90000, .auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    admin_ok(m, "/clock", "{\"set\":\"2026-01-02T03:00:00Z\"}");
    for (size_t i = 0; i < 4; i++) { /* 03:00, 03:01, 03:02, 03:03; the third fails */
        if (i == 2)
            admin_ok(m, "/async", "{\"failureMessage\":\"x\",\"after_ms\":1000}");
        CLEANUP(reply_release) struct reply r = start(m, ONE(""));
        admin_ok(m, "/clock", "{\"advance_ms\":60000}");
    }
    count_is(m, "", 4);
    count_is(m, "?statusEquals=Completed", 2);
    count_is(m, "?statusEquals=InProgress", 1);
    count_is(m, "?statusEquals=Failed", 1);
    count_is(m, "?submitTimeAfter=2026-01-02T03%3A01%3A30Z", 2);
    count_is(m, "?submitTimeBefore=2026-01-02T03%3A01%3A30Z", 2);
    count_is(m,
             "?submitTimeAfter=2026-01-02T03%3A00%3A30Z&submitTimeBefore=2026-01-02T03%3A02%3A30Z&statusEquals=Failed",
             1);
    CLEANUP(reply_release) struct reply down = list(m, "?sortBy=SubmissionTime");
    CLEANUP(reply_release) struct reply up = list(m, "?sortOrder=Ascending");
    CU_ASSERT(strstr(text_at(down.json, "/asyncInvokeSummaries/0/submitTime"), "T03:03:") != NULL);
    CU_ASSERT(strstr(text_at(up.json, "/asyncInvokeSummaries/0/submitTime"), "T03:00:") != NULL);
    static const char *const bad[] = {"?nextToken=nonsense", "?statusEquals=Done", "?maxResults=0", "?maxResults=1001",
                                      "?sortOrder=Up"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(buf_release) struct buf path = BUF_INIT(256);
        buf_addf(&path, "/async-invoke%s", bad[i]);
        CLEANUP(reply_release) struct reply r = call(m, "ListAsyncInvokes", "GET", buf_text(&path), "", 400);
        CU_ASSERT(strstr(header(&r, "x-amzn-ErrorType"), "ValidationException") != NULL);
    }
}

/* Every one once, although some are started between two pages. */
static void pages_neither_repeat_nor_hide(void)
{
    static const char *const orders[] = {"Descending", "Ascending"};
    for (size_t o = 0; o < COUNT_OF(orders); o++) {
        struct mock_config config = {0};
        CLEANUP(rig_stop) struct mock *m = rig_start(&config);
        CLEANUP(buf_release) struct buf token = BUF_INIT(256);
        CLEANUP(buf_release) struct buf seen = BUF_INIT(BUF_ANY);
        size_t started = 7, n = 0, pages = 0;
        for (size_t i = 0; i < started; i++) {
            CLEANUP(reply_release) struct reply r = start(m, ONE(""));
        }
        do {
            CLEANUP(buf_release) struct buf query = BUF_INIT(1024);
            buf_addf(&query, "?maxResults=3&sortOrder=%s%s%s", orders[o], token.len > 0 ? "&nextToken=" : "",
                     buf_text(&token));
            CLEANUP(reply_release) struct reply page = list(m, buf_text(&query));
            const cJSON *one;
            cJSON_ArrayForEach(one, json_at(page.json, "/asyncInvokeSummaries"))
            {
                CU_ASSERT(strstr(buf_text(&seen), text_at(one, "/invocationArn")) == NULL);
                buf_adds(&seen, text_at(one, "/invocationArn"));
                n++;
            }
            buf_reset(&token);
            buf_adds(&token, text_at(page.json, "/nextToken"));
            if (pages++ == 0) {
                CLEANUP(reply_release) struct reply r = start(m, ONE(""));
            }
        } while (token.len > 0 && pages < 10);
        CLAIM(n == (o == 0 ? 7 : 8) && pages == 3, "%s: %zu in %zu pages", orders[o], n, pages);
    }
}

static void the_oldest_that_is_over_makes_room(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply first = start(m, ONE(",\"tags\":[{\"key\":\"a\",\"value\":\"b\"}]"));
    for (size_t i = 1; i < ASYNC_MAX; i++) {
        CLEANUP(reply_release) struct reply r = ask(m, "/async-invoke", ONE(""));
        CU_ASSERT_FATAL(r.status == 200);
    }
    CLEANUP(reply_release) struct reply full = call(m, "StartAsyncInvoke", "POST", "/async-invoke", ONE(""), 400);
    CU_ASSERT(strstr(header(&full, "x-amzn-ErrorType"), "ServiceQuotaExceededException") != NULL);
    admin_ok(m, "/clock", "{\"advance_ms\":60000}");
    CLEANUP(reply_release) struct reply next = start(m, ONE(""));
    count_is(m, "", ASYNC_MAX);
    CLEANUP(buf_release) struct buf path = BUF_INIT(4096);
    path_of(&first, &path);
    CLEANUP(reply_release) struct reply gone = call(m, "GetAsyncInvoke", "GET", buf_text(&path), "", 400);
    CLEANUP(buf_release) struct buf ask_tags = BUF_INIT(4096);
    buf_addf(&ask_tags, "{\"resourceARN\":\"%s\"}", text_at(first.json, "/invocationArn"));
    CLEANUP(reply_release) struct reply tags = ask(m, "/listTagsForResource", buf_text(&ask_tags));
    CU_ASSERT(strstr(buf_text(&tags.body), "\"value\":\"b\"") == NULL);
}

/* ---- what is asked ---- */

#define BAD "Malformed input request: "
#define END ", please reformat your input and try again."
static const struct {
    const char *body;
    const char *text; /* NULL: it is taken; of the message */
} inputs[] = {
    {START("amazon.nova-reel-v1:1",
           "{\"taskType\":\"MULTI_SHOT_AUTOMATED\",\"multiShotAutomatedParams\":{\"text\":\"x\"},"
           "\"videoGenerationConfig\":{\"durationSeconds\":12,\"fps\":24,\"dimension\":\"1280x720\",\"seed\":5}}",
           ""),
     NULL},
    {START("amazon.nova-reel-v1:1",
           "{\"taskType\":\"MULTI_SHOT_MANUAL\",\"multiShotManualParams\":{\"shots\":[{\"text\":\"x\"}]}}", ""),
     NULL},
    {START("amazon.nova-2-multimodal-embeddings-v1:0",
           "{\"taskType\":\"SEGMENTED_EMBEDDING\",\"segmentedEmbeddingParams\":{\"embeddingPurpose\":\"GENERIC_INDEX\","
           "\"embeddingDimension\":1024,\"text\":{\"truncationMode\":\"END\",\"value\":\"x\"}}}",
           ""),
     NULL},
    {START("us.twelvelabs.marengo-embed-2-7-v1:0",
           "{\"inputType\":\"video\",\"mediaSource\":{\"s3Location\":{\"uri\":\"s3://b/v.mp4\"}}}", ""),
     NULL},
    {START("twelvelabs.marengo-embed-2-7-v1:0", "{\"inputType\":\"text\",\"inputText\":\"x\"}", ""), NULL},
    {START("luma.ray-v2:0",
           "{\"prompt\":\"x\",\"aspect_ratio\":\"16:9\",\"loop\":true,\"duration\":\"5s\",\"resolution\":\"720p\"}",
           ""),
     NULL},
    {START("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-reel-v1:0", REEL "}", ""), NULL},
    {START("anthropic.claude-3-haiku-20240307-v1:0", REEL "}", ""),
     "The model anthropic.claude-3-haiku-20240307-v1:0 does not support asynchronous invocation."},
    {START("nobody.nothing", REEL "}", ""), "The provided model identifier is invalid."},
    {START("amazon.nova-reel-v1:0", "{}", ""), BAD "#: required key [taskType] not found" END},
    {START("amazon.nova-reel-v1:0", "{\"taskType\":\"MULTI_SHOT_MANUAL\"}", ""),
     BAD "#/taskType: MULTI_SHOT_MANUAL is not a valid enum value" END},
    {START("amazon.nova-reel-v1:0", "{\"taskType\":\"TEXT_VIDEO\"}", ""),
     BAD "#: required key [textToVideoParams] not found" END},
    {START("amazon.nova-reel-v1:0", "{\"taskType\":\"TEXT_VIDEO\",\"textToVideoParams\":{}}", ""),
     BAD "#/textToVideoParams: required key [text] not found" END},
    {START("amazon.nova-reel-v1:0", REEL ",\"videoGenerationConfig\":{\"durationSeconds\":12}}", ""),
     BAD "#/videoGenerationConfig/durationSeconds: 12 is not less or equal to 6" END},
    {START("amazon.nova-reel-v1:0", REEL ",\"videoGenerationConfig\":{\"fps\":30}}", ""),
     BAD "#/videoGenerationConfig/fps: 30 is not less or equal to 24" END},
    {START("amazon.nova-reel-v1:0", REEL ",\"videoGenerationConfig\":7}", ""),
     BAD "#/videoGenerationConfig: expected type: JSONObject, found: Integer" END},
    {START("amazon.nova-reel-v1:0", "7", ""), BAD "#: expected type: JSONObject" END},
    {START(
         "amazon.nova-2-multimodal-embeddings-v1:0",
         "{\"taskType\":\"SEGMENTED_EMBEDDING\",\"segmentedEmbeddingParams\":{\"embeddingPurpose\":\"GENERIC_INDEX\"}}",
         ""),
     BAD "#/segmentedEmbeddingParams: exactly one of text, image, video and audio is wanted" END},
    {START("amazon.nova-2-multimodal-embeddings-v1:0", "{\"taskType\":\"SINGLE_EMBEDDING\"}", ""),
     BAD "#/taskType: SINGLE_EMBEDDING is not a valid enum value" END},
    {START("twelvelabs.marengo-embed-2-7-v1:0", "{\"inputType\":\"video\"}", ""),
     BAD "#: required key [mediaSource] not found" END},
    {START("luma.ray-v2:0", "{\"prompt\":\"x\",\"duration\":\"6s\"}", ""),
     BAD "#/duration: 6s is not a valid enum value" END},
    {"{\"modelId\":\"amazon.nova-reel-v1:0\",\"modelInput\":{},\"outputDataConfig\":{\"s3OutputDataConfig\":{\"s3Uri\":"
     "\"https://b\"}}}",
     "outputDataConfig.s3OutputDataConfig.s3Uri"},
    {"{}", "3 validation errors detected"},
};

static void what_each_model_wants_is_checked(void)
{
    struct mock_config config = {0}, record = {.validation = MOCK_VALIDATION_RECORD};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(rig_stop) struct mock *m2 = rig_start(&record);
    for (size_t i = 0; i < COUNT_OF(inputs); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, "/async-invoke", inputs[i].body);
        CLAIM(inputs[i].text == NULL ? r.status == 200
                                     : r.status == 400 && strstr(text_at(r.json, "/message"), inputs[i].text) != NULL,
              "%zu: %d %.300s", i, r.status, buf_text(&r.body));
        CLEANUP(reply_release) struct reply lax = ask(m2, "/async-invoke", inputs[i].body);
        CLAIM(lax.status == 200, "%zu: %d %.300s", i, lax.status, buf_text(&lax.body));
    }
    CLEANUP(reply_release) struct reply all = list(m, "?sortOrder=Ascending");
    CU_ASSERT_STRING_EQUAL(text_at(all.json, "/asyncInvokeSummaries/3/modelArn"),
                           "arn:aws:bedrock:us-east-1::foundation-model/twelvelabs.marengo-embed-2-7-v1:0");
}

/* Lenient refuses what breaks the API model, and models nobody has; the journal is told the rest. */
static void lenient_leaves_out_the_rules(void)
{
    struct mock_config config = {.validation = MOCK_VALIDATION_LENIENT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(inputs); i++) {
        const char *t = inputs[i].text == NULL ? "" : inputs[i].text;
        bool rule = strncmp(t, BAD, sizeof BAD - 1) == 0 || strstr(t, "asynchronous invocation") != NULL;
        CLEANUP(reply_release) struct reply r = ask(m, "/async-invoke", inputs[i].body);
        CLAIM(r.status == (rule || *t == '\0' ? 200 : 400), "%zu: %d %.300s", i, r.status, buf_text(&r.body));
        CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
        char at[64];
        (void)snprintf(at, sizeof at, "/entries/%zu/refusal/message", i);
        CLAIM(strstr(text_at(j.json, at), t) != NULL, "%zu: %.300s is not told", i, t);
        (void)snprintf(at, sizeof at, "/entries/%zu/refusal/rule", i);
        CLAIM((text_at(j.json, at)[0] != '\0') == rule, "%zu: rule %s", i, text_at(j.json, at));
    }
    const char *const off[] = {"async-input", NULL};
    CLEANUP(rig_stop) struct mock *m2 = rig_start(&(struct mock_config){.rules_off = off});
    CLEANUP(reply_release) struct reply free_input = ask(m2, "/async-invoke", START("amazon.nova-reel-v1:0", "{}", ""));
    CU_ASSERT_EQUAL(free_input.status, 200);
}

/* As of Converse and InvokeModel (mock_catalogue): the model is in the body here. */
static void models_that_cannot_be_had_say_so(void)
{
    static const char overlay[] =
        "{\"unknown\":\"refuse\",\"retire_by_date\":true,\"models\":["
        "{\"id\":\"amazon.nova-reel-v1:0\",\"refuse\":\"no-model-access\"},"
        "{\"id\":\"luma.ray-v2:0\",\"lifecycle\":{\"start\":\"2020-01-01\",\"legacy\":\"2021-01-01\",\"end\":\"2022-01-01\"}},"
        "{\"id\":\"amazon.nova-reel-v1:1\",\"on_demand\":false,\"profiles\":[\"us\"]}]}";
    static const struct {
        const char *body;
        int status;
        const char *type, *text;
    } rows[] = {
        {ONE(""), 403, "AccessDeniedException", "You don't have access to the model with the specified model ID."},
        {START("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-reel-v1:0", "{}", ""), 403,
         "AccessDeniedException", "You don't have access to the model with the specified model ID."},
        {START("luma.ray-v2:0", "{\"prompt\":\"x\"}", ""), 404, "ResourceNotFoundException",
         "This model version has reached the end of its life."},
        {START("amazon.nova-reel-v1:1", REEL "}", ""), 400, "ValidationException", "with on-demand throughput"},
        {START("us.amazon.nova-reel-v1:1", REEL "}", ""), 200, "", ""},
        {START("eu.amazon.nova-reel-v1:1", REEL "}", ""), 400, "ValidationException",
         "The provided model identifier is invalid."},
        {START("amazon.nobody", REEL "}", ""), 400, "ValidationException", "The provided model identifier is invalid."},
    };
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.models_overlay = overlay});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, "/async-invoke", rows[i].body);
        CLAIM(r.status == rows[i].status && strncmp(header(&r, "x-amzn-ErrorType"), rows[i].type, strlen(rows[i].type)) == 0 &&
                  strstr(text_at(r.json, "/message"), rows[i].text) != NULL,
              "%zu: %d %.300s", i, r.status, buf_text(&r.body));
    }
}

static void tags_are_kept(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply a = start(m, ONE(",\"tags\":[{\"key\":\"team\",\"value\":\"a\"}]"));
    CLEANUP(buf_release) struct buf body = BUF_INIT(4096);
    buf_addf(&body, "{\"resourceARN\":\"%s\"}", text_at(a.json, "/invocationArn"));
    CLEANUP(reply_release)
    struct reply r = call(m, "ListTagsForResource", "POST", "/listTagsForResource", buf_text(&body), 200);
    CLAIM(strcmp(text_at(r.json, "/tags/0/value"), "a") == 0, "%s", buf_text(&r.body));
}

/* The one exception has a test of its own where it is served. */
static void every_operation_of_the_runtime_is_served(void)
{
    const struct api_operation *o;
    size_t n = 0;
    for (size_t i = 0; (o = api_operation_at(api, i)) != NULL; i++) {
        if (strcmp(o->service, "bedrock-runtime") != 0 || strcmp(o->name, "InvokeModelWithBidirectionalStream") == 0)
            continue;
        CLAIM(operation_find(o->name) != NULL, "%s is not served", o->name);
        n++;
    }
    CU_ASSERT_EQUAL(n, 10);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"goes from InProgress to Completed by the clock", goes_from_in_progress_to_completed_by_the_clock},
        {"a duration of nothing is over at once", a_duration_of_nothing_is_over_at_once},
        {"a token makes it idempotent", a_token_makes_it_idempotent},
        {"it fails when told to", it_fails_when_told_to},
        {"reset forgets them", reset_forgets_them},
        {"lists filter and sort", lists_filter_and_sort},
        {"pages neither repeat nor hide", pages_neither_repeat_nor_hide},
        {"the oldest that is over makes room", the_oldest_that_is_over_makes_room},
        {"what each model wants is checked", what_each_model_wants_is_checked},
        {"lenient leaves out the rules", lenient_leaves_out_the_rules},
        {"models that cannot be had say so", models_that_cannot_be_had_say_so},
        {"tags are kept", tags_are_kept},
        {"every operation of the runtime is served", every_operation_of_the_runtime_is_served},
        CU_TEST_INFO_NULL,
    };
    struct note note = {""};
    api = api_load(&note);
    if (api == NULL)
        return EXIT_FAILURE;
    int code = unit_main("mock_async", tests);
    api_free(api);
    return code;
}
