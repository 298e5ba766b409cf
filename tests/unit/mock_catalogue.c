/* The catalogue of models, and files laid over it: what it holds, what it refuses, and how a model that cannot be had
 * answers on every operation that takes one. */
#include "mock_rig.h"

#include "mock/model/models.h"
#include "protocol/data.h"

#define EOL                                                                                                            \
    "This model version has reached the end of its life. Please refer to the AWS documentation for more details."
#define NO_ACCESS "You don't have access to the model with the specified model ID."
#define INVALID   "The provided model identifier is invalid."
#define NO_COUNT  "The provided model doesn't support counting tokens."
#define PROFILE_ONLY(id)                                                                                                \
    "Invocation of model ID " id                                                                                        \
    " with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that " \
    "contains this model."
#define COUNT_HELLO "{\"input\":{\"converse\":" HELLO "}}"
#define CLAUDE_HELLO                                                                                                   \
    "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":"     \
    "\"hi\"}]}"

static struct models *load(const char *overlay, struct note *note)
{
    struct models *m = NULL;
    struct api *api = api_load(note);
    enum err e = models_load(&m, api, span_of(overlay), "my.json", note);
    CU_ASSERT((e == OK) == (m != NULL));
    api_free(api);
    return m;
}

static void every_priced_model_is_there(void)
{
    struct note note = {""};
    struct span text;
    CLEANUP(json_free) cJSON *prices = NULL;
    struct models *m = load(NULL, &note);
    CU_ASSERT_FATAL(m != NULL && data_load("fixtures/prices/models.json", &text, &note) == OK &&
                    json_parse(text, JSON_UNIQUE, &prices, &note) == OK);
    const cJSON *row, *also;
    size_t n = 0;
    cJSON_ArrayForEach(row, json_member(prices, "models"))
    {
        const char *id = json_str(row, "id");
        if (strncmp(id, "bedrock.", 8) == 0) /* guardrails have a price and are no model */
            continue;
        CLAIM(models_find(m, span_of(id)) != NULL, "%s has a price and is not in the catalogue", id);
        cJSON_ArrayForEach(also, json_member(row, "also"))
            CLAIM(models_find(m, span_of(also->valuestring)) != NULL, "%s is not in the catalogue", also->valuestring);
        n++;
    }
    CU_ASSERT(n >= 149);
    for (size_t i = 0; i < models_count(m); i++) {
        const struct model *one = models_at(m, i);
        CLAIM(models_find(m, span_of(one->id)) == one, "%s is there twice", one->id);
        CLAIM(one->on_demand || one->geographies != 0, "%s cannot be reached at all", one->id);
    }
    models_free(m);
}

static void bad_files_are_refused_with_a_sentence(void)
{
    static const struct {
        const char *file, *says;
    } rows[] = {
        {"{\"modles\":[]}", "models"},
        {"{\"models\":[{\"id\":\"a.b\",\"contxt\":1}]}", "context"},
        {"{\"models\":[{\"id\":\"a.b\",\"context\":-1}]}", "/models/0/context: expected a number that is not negative"},
        {"{\"models\":[{\"id\":\"a.b\"},{\"streaming\":true}]}", "/models/1/id: expected a string"},
        {"{\"models\":[{\"id\":\"a.b\",\"streaming\":\"yes\"}]}",
         "/models/0/streaming: expected true or false, found string"},
        {"{\"models\":[{\"id\":\"a.b\",\"output\":[\"EMBEDING\"]}]}", "the nearest is EMBEDDING"},
        {"{\"models\":[{\"id\":\"a.b\",\"profiles\":[\"uss\"]}]}", "the nearest is us"},
        {"{\"models\":[{\"id\":\"a.b\",\"refuse\":\"no-model-acess\"}]}", "the nearest is no-model-access"},
        {"{\"models\":[{\"id\":\"a.b\",\"refuse\":\"throttle-requests\"}]}", "unknown answer throttle-requests"},
        {"{\"models\":[{\"id\":\"a.b\",\"lifecycle\":{\"end\":\"soon\"}}]}",
         "/models/0/lifecycle/end: expected a date"},
        {"{\"models\":[{\"id\":\"a.b\",\"lifecycle\":{\"ends\":\"2026-01-01\"}}]}", "end"},
        {"{\"remove\":[\"nobody.*\"]}", "no model of the catalogue is called nobody.*"},
        {"{\"remove\":[\"*\"]}", "/models: expected 1 to"},
        {"{\"unknown\":\"maybe\"}", "/unknown: expected accept or refuse"},
        {"{\"geographies\":{\"mars\":{\"region\":[]}}}", "regions"},
        {"{\"resources\":{\"customModel\":[]}}", "customModels"},
        {"{\"models\":{}}", "models"},
        {"nonsense", "line 1"},
        {"[]", "expected an object, found array"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct note note = {""};
        struct models *m = load(rows[i].file, &note);
        CLAIM(m == NULL && strstr(note.text, rows[i].says) != NULL && strncmp(note.text, "my.json", 7) == 0, "%s: %s",
              rows[i].file, note.text);
        models_free(m);
    }
}

static void a_file_adds_changes_and_removes(void)
{
    struct note note = {""};
    struct models *m =
        load("{\"models\":[{\"id\":\"acme.giant-v1\",\"context\":7,\"profiles\":[\"mars\"],\"on_demand\":false},"
             "{\"id\":\"amazon.nova-lite-v1:0\",\"max_output\":5,\"streaming\":false}],"
             "\"remove\":[\"ai21.*\"],\"geographies\":{\"mars\":{\"regions\":[\"mars-east-1\"]}},"
             "\"providers\":{\"acme\":\"Acme\"}}",
             &note);
    CU_ASSERT_FATAL(m != NULL);
    const struct model *giant = models_find(m, SPAN_LIT("acme.giant-v1")),
                       *lite = models_find(m, SPAN_LIT("amazon.nova-lite-v1:0"));
    CU_ASSERT(giant != NULL && giant->context == 7 && giant->tools && strcmp(giant->name, "acme.giant-v1") == 0);
    CU_ASSERT(lite != NULL && lite->max_output == 5 && !lite->streaming && lite->context == 300000);
    CU_ASSERT(models_find(m, SPAN_LIT("ai21.j2-mid-v1")) == NULL);
    CU_ASSERT_STRING_EQUAL(models_provider(m, "acme"), "Acme");
    CU_ASSERT(models_resolve(m, "mars.acme.giant-v1", true).row == giant);
    CU_ASSERT(models_resolve(m, "us.acme.giant-v1", true).kind == MODEL_ID_INVALID);
    CU_ASSERT(models_resolve(m, "us.acme.giant-v1", false).row == giant);
    CU_ASSERT(models_resolve(m, "mars.acme.giant-v1", true).geography != NULL &&
              !geography_has(models_resolve(m, "mars.acme.giant-v1", true).geography, "us-east-1"));
    models_free(m);
}

static struct reply call(struct mock *m, const char *model, const char *operation, const char *region)
{
    char path[512];
    struct key key = usual_key;
    key.region = region;
    const char *body = strcmp(operation, "count-tokens") == 0 ? COUNT_HELLO
                       : strncmp(operation, "invoke", 6) == 0 ? CLAUDE_HELLO
                                                              : HELLO;
    (void)snprintf(path, sizeof path, "/model/%s/%s", model, operation);
    return fetch(mock_port(m), "POST", path, body, NULL, &key);
}

struct refused {
    const char *model, *region;
    int status;
    const char *type, *converse, *count; /* the texts; NULL count: the same */
};

static void claim_refused(struct mock *m, const struct refused *row)
{
    static const char *const operations[] = {"converse", "converse-stream", "invoke", "invoke-with-response-stream",
                                             "count-tokens"};
    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        bool count = i == COUNT_OF(operations) - 1;
        const char *text = count && row->count != NULL ? row->count : row->converse;
        CLEANUP(reply_release) struct reply r = call(m, row->model, operations[i], row->region);
        CLAIM(r.status == row->status && strncmp(header(&r, "x-amzn-ErrorType"), row->type, strlen(row->type)) == 0 &&
                  strcmp(text_at(r.json, "/message"), text) == 0,
              "%s %s: %d %s", operations[i], row->model, r.status, buf_text(&r.body));
    }
}

static void models_that_cannot_be_had_say_so(void)
{
    static const char overlay[] = "{\"unknown\":\"refuse\",\"models\":["
                                  "{\"id\":\"anthropic.claude-v2:1\",\"refuse\":\"model-eol\"},"
                                  "{\"id\":\"anthropic.claude-3-haiku-20240307-v1:0\",\"refuse\":\"no-model-access\"},"
                                  "{\"id\":\"anthropic.claude-3-opus-20240229-v1:0\",\"refuse\":\"use-case-form\"},"
                                  "{\"id\":\"anthropic.claude-3-sonnet-20240229-v1:0\",\"refuse\":\"model-legacy\"}]}";
    static const struct refused rows[] = {
        {"anthropic.claude-v2%3A1", "us-east-1", 404, "ResourceNotFoundException", EOL, NULL},
        {"anthropic.claude-3-haiku-20240307-v1%3A0", "us-east-1", 403, "AccessDeniedException", NO_ACCESS, NULL},
        {"us.anthropic.claude-3-haiku-20240307-v1%3A0", "us-east-1", 403, "AccessDeniedException", NO_ACCESS, NULL},
        {"anthropic.claude-3-sonnet-20240229-v1%3A0", "us-east-1", 404, "ResourceNotFoundException",
         "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in "
         "the "
         "last 30 days. Please upgrade to an active model on Amazon Bedrock",
         NULL},
        {"anthropic.claude-3-opus-20240229-v1%3A0", "us-east-1", 404, "ResourceNotFoundException",
         "Model use case details have not been submitted for this account. Fill out the Anthropic use case details "
         "form "
         "before using the model. If you have already filled out the form, try again in 15 minutes.",
         NULL},
        {"anthropic.claude-9", "us-east-1", 400, "ValidationException", INVALID, NULL},
        {"eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0", "us-east-1", 400, "ValidationException", INVALID, NULL},
        {"us.anthropic.claude-sonnet-4-5-20250929-v1%3A0", "eu-west-1", 400, "ValidationException", INVALID, NULL},
        {"apac.anthropic.claude-sonnet-4-5-20250929-v1%3A0", "ap-south-1", 400, "ValidationException", INVALID, NULL},
    };
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.models_overlay = overlay});
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        claim_refused(m, &rows[i]);
    CLEANUP(reply_release)
    struct reply fine = call(m, "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0", "converse", "us-west-2");
    CLEANUP(reply_release)
    struct reply world = call(m, "global.anthropic.claude-sonnet-4-5-20250929-v1%3A0", "converse", "eu-west-1");
    CU_ASSERT(fine.status == 200 && world.status == 200);
    CLEANUP(reply_release)
    struct reply profile = call(m, "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0", "count-tokens", "us-west-2");
    CU_ASSERT_STRING_EQUAL(text_at(profile.json, "/message"), NO_COUNT);
    CLEANUP(reply_release)
    struct reply plain = call(m, "anthropic.claude-sonnet-4-5-20250929-v1%3A0", "converse", "us-west-2");
    CU_ASSERT(plain.status == 400);
    CU_ASSERT_STRING_EQUAL(text_at(plain.json, "/message"), PROFILE_ONLY("anthropic.claude-sonnet-4-5-20250929-v1:0"));
    CLEANUP(reply_release)
    struct reply seen = fetch(mock_port(m), "GET", "/foundation-model-availability/" HAIKU, "", NULL, &usual_key);
    CU_ASSERT_STRING_EQUAL(text_at(seen.json, "/authorizationStatus"), "NOT_AUTHORIZED");
}

static void without_a_file_nothing_of_this_is_refused(void)
{
    static const char *const models[] = {"anthropic.claude-v2%3A1", "eu.anthropic.claude-3-haiku-20240307-v1%3A0",
                                         "anthropic.claude-9", "zz.anthropic.claude-sonnet-4-5-20250929-v1%3A0"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    for (size_t i = 0; i < COUNT_OF(models); i++) {
        CLEANUP(reply_release) struct reply r = call(m, models[i], "converse", "us-east-1");
        CLAIM(r.status == 200, "%s: %s", models[i], buf_text(&r.body));
    }
}

static void a_life_ends_by_the_clock_when_the_file_says_so(void)
{
    static const char overlay[] =
        "{\"retire_by_date\":true,\"models\":[{\"id\":\"amazon.nova-pro-v1:0\",\"count_tokens\":false,"
        "\"lifecycle\":{\"start\":\"2024-12-03\",\"legacy\":\"2090-01-01\",\"end\":\"2090-07-01\"}}]}";
    static const struct {
        const char *at;
        int status;
        const char *stage; /* "": not listed */
    } rows[] = {{"2089-12-31T00:00:00Z", 200, "ACTIVE"},
                {"2090-02-01T00:00:00Z", 200, "LEGACY"},
                {"2090-07-01T00:00:00Z", 404, ""}};
    CLEANUP(rig_stop)
    struct mock *m = rig_start(&(struct mock_config){.models_overlay = overlay, .auth = MOCK_AUTH_NONE});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char set[96];
        (void)snprintf(set, sizeof set, "{\"set\":\"%s\"}", rows[i].at);
        CLEANUP(reply_release) struct reply clock = admin(m, "POST", "/clock", set);
        CLAIM(clock.status == 200, "%s", buf_text(&clock.body));
        CLEANUP(reply_release) struct reply r = call(m, "amazon.nova-pro-v1%3A0", "converse", "us-east-1");
        CLAIM(r.status == rows[i].status, "%s: %s", rows[i].at, buf_text(&r.body));
        CLEANUP(reply_release)
        struct reply g = fetch(mock_port(m), "GET", "/foundation-models/amazon.nova-pro-v1%3A0", "", NULL, NULL);
        CU_ASSERT_STRING_EQUAL(text_at(g.json, "/modelDetails/modelLifecycle/status"), rows[i].stage);
    }
    CLEANUP(reply_release) struct reply gone = call(m, "amazon.nova-pro-v1%3A0", "converse", "us-east-1");
    CU_ASSERT_STRING_EQUAL(text_at(gone.json, "/message"), EOL);
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/clock", "{\"set\":\"2026-06-01T00:00:00Z\"}");
    CLEANUP(reply_release) struct reply count = call(m, "amazon.nova-pro-v1%3A0", "count-tokens", "us-east-1");
    CLAIM(reset.status == 200 && strcmp(text_at(count.json, "/message"), NO_COUNT) == 0, "%s", buf_text(&count.body));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every priced model is there", every_priced_model_is_there},
        {"bad files are refused with a sentence", bad_files_are_refused_with_a_sentence},
        {"a file adds, changes and removes", a_file_adds_changes_and_removes},
        {"models that cannot be had say so", models_that_cannot_be_had_say_so},
        {"without a file nothing of this is refused", without_a_file_nothing_of_this_is_refused},
        {"a life ends by the clock when the file says so", a_life_ends_by_the_clock_when_the_file_says_so},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_catalogue", tests);
}
