/* The policy file: what it denies, in whose words, and what it does not take. */
#include "mock/identity/policy.h"

#include <unistd.h>

#include "mock_rig.h"

static void drop_policy(struct policy **p)
{
    policy_free(*p);
}

static void mistakes_are_named_with_their_place(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"[]", "p.json: expected an object, found array"},
        {"{\"statments\":[]}", "/statments: nobody knows this key; did you mean \"statements\""},
        {"{\"statements\":{}}", "/statements: expected a list, found object"},
        {"{\"statements\":[1]}", "/statements/0: expected an object, found number"},
        {"{\"statements\":[{\"effect\":\"allow\",\"actions\":[\"*\"]}]}",
         "/statements/0/effect: expected Allow or Deny, found 'allow'"},
        {"{\"statements\":[{\"effect\":\"Allow\"}]}",
         "/statements/0/actions: expected a list of strings, found nothing"},
        {"{\"statements\":[{\"effect\":\"Allow\",\"actions\":\"*\"}]}",
         "/statements/0/actions: expected a list of strings"},
        {"{\"statements\":[{\"effect\":\"Allow\",\"actions\":[]}]}", "/statements/0/actions: expected a list"},
        {"{\"statements\":[{\"effect\":\"Allow\",\"actions\":[\"InvokeModel\"]}]}",
         "did you mean 'bedrock:InvokeModel'"},
        {"{\"statements\":[{\"effect\":\"Allow\",\"actions\":[\"*\"],\"resources\":[\"*\",7]}]}",
         "/statements/0/resources/1: expected a string, found number"},
        {"{\"statements\":[{\"effect\":\"Allow\",\"actions\":[\"*\"],\"resource\":[\"*\"]}]}",
         "did you mean \"resources\""},
        {"{\"statements\":[{\"effect\":\"Allow\",\"actions\":[\"*\"],\"policy\":\"arn:x\"}]}",
         "/statements/0/policy: "},
        {"{\"ungranted\":[{\"models\":[\"a\"],\"because\":\"usecase-form\"}]}", "did you mean use-case-form"},
        {"{\"ungranted\":[\"a\",\"\"]}", "/ungranted/1: expected a model id"},
        {"{\"ungranted\":[{\"because\":\"model-eol\"}]}", "/ungranted/0/models: expected a list"},
        {"{\"ungranted\":[],}", "line 1, column 17"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(drop_policy) struct policy *p = NULL;
        struct note note = {""};
        CU_ASSERT_NOT_EQUAL(policy_parse(span_of(rows[i].text), "p.json", &p, &note), OK);
        CLAIM(strstr(note.text, rows[i].says) != NULL, "%s: %s", rows[i].text, note.text);
    }
    struct policy *p = NULL;
    struct note note = {""};
    CU_ASSERT_EQUAL(policy_new("/nonexistent/p.json", &p, &note), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "/nonexistent/p.json: "));
}

static const char file[] =
    "{\"statements\":["
    "{\"effect\":\"Allow\",\"principals\":[\"arn:aws:iam::123456789012:user/AKIAONE\"],"
    "\"actions\":[\"bedrock:invokemodel*\"],\"resources\":[\"arn:aws:bedrock:*::foundation-model/anthropic.*\"]},"
    "{\"sid\":\"profiles\",\"effect\":\"Allow\",\"principals\":[\"*user/"
    "AKIAONE\"],\"actions\":[\"bedrock:InvokeModel\"],"
    "\"resources\":[\"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.*\"]},"
    "{\"effect\":\"Allow\",\"principals\":[\"arn:aws:iam::123456789012:role/Gateway\"],\"actions\":[\"bedrock:*\"]},"
    "{\"effect\":\"Allow\",\"principals\":[\"*user/AKIATWO\"],\"actions\":[\"*\"]},"
    "{\"effect\":\"Allow\",\"principals\":[\"*BedrockAPIKey*\"],\"actions\":[\"bedrock:InvokeModel\"]},"
    "{\"effect\":\"Deny\",\"actions\":[\"bedrock:*\"],\"resources\":[\"*claude-3-opus*\"]},"
    "{\"effect\":\"Deny\",\"principals\":[\"*AKIATWO\"],\"actions\":[\"bedrock:CountTokens\"],"
    "\"policy\":\"arn:aws:organizations::1:policy/o-1/service_control_policy/p-1\"},"
    "{\"effect\":\"Deny\",\"principals\":[\"*user/AKIATWO\"],\"actions\":[\"sts:AssumeRole\"],\"resources\":[\"*:role/"
    "Secret\"]}],"
    "\"ungranted\":[\"amazon.nova-pro*\",{\"models\":[\"anthropic.claude-3-sonnet*\"],\"because\":\"use-case-form\"},"
    "{\"models\":[\"cohere.*\"],\"because\":\"marketplace-denied\"},{\"models\":[\"ai21.*\"],\"because\":\"model-"
    "legacy\"},"
    "{\"models\":[\"mistral.*\"],\"because\":\"account-not-authorized\"},{\"models\":[\"meta.*\"],\"because\":\"model-"
    "eol\"}]}";

static const struct mock_key keys[] = {
    {"AKIAONE", "secret-1", NULL, NULL},
    {"AKIATWO", "secret-2", NULL, NULL},
    {"AKIAROLE", "secret-3", NULL, "arn:aws:sts::123456789012:assumed-role/Gateway/s"}};

static struct mock *start_with(const char *text, enum mock_auth auth, char name[static 32])
{
    static const char *const bearers[] = {"ABSKexample0001"};
    (void)snprintf(name, 32, "/tmp/mohs-policy-XXXXXX");
    int fd = mkstemp(name);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0)
        abort();
    struct mock_config config = {.auth = auth,
                                 .keys = keys,
                                 .key_count = COUNT_OF(keys),
                                 .bearer_keys = bearers,
                                 .bearer_key_count = 1,
                                 .policy_file = name};
    struct mock *m = rig_start(&config);
    (void)unlink(name);
    return m;
}

static const struct key one = {"AKIAONE", "secret-1", NULL, "bedrock", "us-east-1", false, 0};
static const struct key two = {"AKIATWO", "secret-2", NULL, "bedrock", "us-east-1", false, 0};
static const struct key role = {"AKIAROLE", "secret-3", NULL, "bedrock", "us-east-1", false, 0};
static const struct key api_key = {.access = "ABSKexample0001", .bearer = true};

#define USER_ONE "User: arn:aws:iam::123456789012:user/AKIAONE is not authorized to perform: "
#define MODEL    "on resource: arn:aws:bedrock:us-east-1::foundation-model/"
#define START(model)                                                                                                   \
    "{\"modelId\":\"" model "\",\"modelInput\":{\"taskType\":\"TEXT_VIDEO\",\"textToVideoParams\":{\"text\":\"a\"}},"        \
    "\"outputDataConfig\":{\"s3OutputDataConfig\":{\"s3Uri\":\"s3://bucket/out\"}}}"
#define COUNT    "{\"input\":{\"converse\":" HELLO "}}"

static const struct denial {
    const struct key *key;
    const char *path, *body;
    int status;
    const char *member, *says; /* NULL: not refused by the policy */
} denials[] = {
    {&one, CONVERSE, HELLO, 200, NULL, NULL},
    {&one, STREAM, HELLO, 200, NULL, NULL},
    {&one, "/model/us.anthropic.claude-3-5-haiku-20241022-v1%3A0/converse", HELLO, 200, NULL, NULL},
    {&one, "/model/us.anthropic.claude-3-5-haiku-20241022-v1%3A0/converse-stream", HELLO, 403, "/Message",
     USER_ONE "bedrock:InvokeModelWithResponseStream on resource: "
              "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-5-haiku-20241022-v1:0 "
              "because no identity-based policy allows the bedrock:InvokeModelWithResponseStream action"},
    {&one, "/model/amazon.nova-lite-v1%3A0/converse", HELLO, 403, "/Message",
     USER_ONE "bedrock:InvokeModel " MODEL "amazon.nova-lite-v1:0 because no identity-based policy allows the "
              "bedrock:InvokeModel action"},
    {&one, "/model/" HAIKU "/count-tokens", COUNT, 403, "/Message",
     USER_ONE "bedrock:CountTokens " MODEL
              "anthropic.claude-3-haiku-20240307-v1:0 because no identity-based policy allows "
              "the bedrock:CountTokens action"},
    {&one, "/model/anthropic.claude-3-opus-20240229-v1%3A0/invoke", "{}", 403, "/Message",
     USER_ONE "bedrock:InvokeModel " MODEL "anthropic.claude-3-opus-20240229-v1:0 with an explicit deny in an "
              "identity-based policy"},
    {&two, "/model/" HAIKU "/count-tokens", COUNT, 403, "/Message",
     "User: arn:aws:iam::123456789012:user/AKIATWO is not authorized to perform: bedrock:CountTokens " MODEL
     "anthropic.claude-3-haiku-20240307-v1:0 with an explicit deny in a service control policy: "
     "arn:aws:organizations::1:policy/o-1/service_control_policy/p-1"},
    {&role, CONVERSE, HELLO, 200, NULL, NULL},
    {&two, "/model/amazon.nova-pro-v1%3A0/converse", HELLO, 403, "/message",
     "You don't have access to the model with the specified model ID."},
    {&two, "/model/us.amazon.nova-pro-v1%3A0/converse", HELLO, 403, "/message",
     "You don't have access to the model with the specified model ID."},
    {&two, "/model/anthropic.claude-3-sonnet-20240229-v1%3A0/converse", HELLO, 404, "/message",
     "Model use case details have not been submitted for this account."},
    {&two, "/model/cohere.command-r-v1%3A0/converse", HELLO, 403, "/message",
     "If you recently fixed this issue, try again after 2 minutes."},
    {&two, "/model/ai21.jamba-1-5-mini-v1%3A0/converse", HELLO, 404, "/message",
     "you have not been actively using the model in the last 30 days. Please upgrade"},
    {&two, "/model/mistral.mistral-small-2402-v1%3A0/converse", HELLO, 403, "/message",
     "Your account is not authorized to invoke this API operation."},
    {&two, "/model/meta.llama3-8b-instruct-v1%3A0/converse", HELLO, 404, "/message",
     "This model version has reached the end of its life."},
    /* the model of an asynchronous call is in its body */
    {&one, "/async-invoke", START("amazon.nova-reel-v1:0"), 403, "/Message",
     USER_ONE "bedrock:InvokeModel " MODEL "amazon.nova-reel-v1:0 because no identity-based policy allows the "
              "bedrock:InvokeModel action"},
    {&two, "/async-invoke", START("amazon.nova-reel-v1:0"), 200, NULL, NULL},
    {&two, "/async-invoke", START("amazon.nova-pro-v1:0"), 403, "/message",
     "You don't have access to the model with the specified model ID."},
    {&api_key, CONVERSE, HELLO, 403, "/Message",
     "bedrock:CallWithBearerToken on resource: * because no identity-based policy allows the "
     "bedrock:CallWithBearerToken action"},
};

static void denials_are_worded_as_iam_words_them(void)
{
    char name[32];
    CLEANUP(rig_stop) struct mock *m = start_with(file, MOCK_AUTH_STRICT, name);
    for (size_t i = 0; i < COUNT_OF(denials); i++) {
        const struct denial *d = &denials[i];
        CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", d->path, d->body, NULL, d->key);
        CLAIM(r.status == d->status, "row %zu: %d %s", i, r.status, buf_text(&r.body));
        CLAIM(d->says == NULL || strstr(text_at(r.json, d->member), d->says) != NULL, "row %zu: %s", i,
              buf_text(&r.body));
        CLAIM(d->status != 403 || strncmp(header(&r, "x-amzn-ErrorType"), "AccessDeniedException:", 22) == 0,
              "row %zu: %s", i, header(&r, "x-amzn-ErrorType"));
    }
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    CU_ASSERT_STRING_EQUAL(text_at(j.json, "/entries/4/refusal/layer"), "policy");
    CU_ASSERT_STRING_EQUAL(text_at(j.json, "/entries/4/refusal/type"), "AccessDeniedException");
    CU_ASSERT_STRING_EQUAL(text_at(j.json, "/entries/4/reply/source"), "refusal");
    CU_ASSERT(cJSON_IsNull(json_at(j.json, "/entries/4/valid")));
    CU_ASSERT_STRING_EQUAL(text_at(j.json, "/entries/4/signature/verdict"), "valid");
}

static void nobody_is_refused_without_authentication(void)
{
    char name[32];
    CLEANUP(rig_stop) struct mock *m = start_with(file, MOCK_AUTH_NONE, name);
    CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, NULL);
    CU_ASSERT_EQUAL(r.status, 200);
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    CLAIM(strstr(text_at(j.json, "/entries/0/refusal/message"), "user/anonymous is not authorized") != NULL, "%s",
          buf_text(&j.body));
}

/* What the policy denies is told, and the control plane's own no is what is said. */
static void what_is_only_told_is_not_said_by_the_control_plane(void)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *says;
    } rows[] = {
        {"GET", "/foundation-models", "", 200, "modelSummaries"},
        {"GET", "/inference-profiles/us.nobody", "", 404, "us.nobody"},
        {"POST", "/tagResource",
         "{\"resourceARN\":\"arn:aws:bedrock:us-east-1:123456789012:inference-profile/nobody\","
         "\"tags\":[{\"key\":\"a\",\"value\":\"b\"}]}",
         404, "nobody"},
        {"POST", "/rerank",
         "{\"queries\":[{\"type\":\"TEXT\",\"textQuery\":{\"text\":\"a\"}}],\"sources\":[{\"type\":\"INLINE\","
         "\"inlineDocumentSource\":{\"type\":\"TEXT\",\"textDocument\":{\"text\":\"a\"}}}],\"rerankingConfiguration\":{"
         "\"type\":\"BEDROCK_RERANKING_MODEL\",\"bedrockRerankingConfiguration\":{\"modelConfiguration\":{"
         "\"modelArn\":\"arn:aws:bedrock:us-east-1::foundation-model/amazon.rerank-v1:0\"}}},\"nextToken\":\"nonsense\"}",
         400, "nextToken is invalid"},
    };
    char name[32];
    CLEANUP(rig_stop)
    struct mock *m = start_with("{\"statements\":[{\"effect\":\"Deny\",\"actions\":[\"*\"]}]}", MOCK_AUTH_NONE, name);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release)
        struct reply r = fetch(mock_port(m), rows[i].method, rows[i].path, rows[i].body, NULL, NULL);
        CLAIM(r.status == rows[i].status && (strstr(buf_text(&r.body), rows[i].says) != NULL ||
                                             strstr(header(&r, "x-amzn-ErrorType"), rows[i].says) != NULL),
              "row %zu: %d %.300s", i, r.status, buf_text(&r.body));
        CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
        char at[64];
        (void)snprintf(at, sizeof at, "/entries/%zu/refusal/layer", i);
        CLAIM(strcmp(text_at(j.json, at), "policy") == 0, "row %zu: %.600s", i, buf_text(&j.body));
    }
}

static void without_statements_only_grants_are_asked(void)
{
    char name[32];
    CLEANUP(rig_stop) struct mock *m = start_with("{\"ungranted\":[\"*haiku*\"]}", MOCK_AUTH_STRICT, name);
    CLEANUP(reply_release) struct reply no = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &one);
    CLEANUP(reply_release)
    struct reply yes = fetch(mock_port(m), "POST", "/model/amazon.nova-lite-v1%3A0/converse", HELLO, NULL, &one);
    CU_ASSERT_EQUAL(no.status, 403);
    CU_ASSERT_EQUAL(yes.status, 200);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"mistakes are named with their place", mistakes_are_named_with_their_place},
        {"denials are worded as IAM words them", denials_are_worded_as_iam_words_them},
        {"nobody is refused without authentication", nobody_is_refused_without_authentication},
        {"what is only told is not said by the control plane", what_is_only_told_is_not_said_by_the_control_plane},
        {"without statements only grants are asked", without_statements_only_grants_are_asked},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_policy", tests);
}
