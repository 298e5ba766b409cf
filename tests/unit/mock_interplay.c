/* What no feature's own test sees, because it takes two of them: modes that refuse nothing and operations that need
 * their input, a policy that is only told, masks and the prompt cache, scripts and the control plane, typing mistakes
 * in what the admin API is told, secrets in unusual places. */
#include "mock_rig.h"

#include <stdlib.h>
#include <unistd.h>

#define PROFILES "/inference-profiles"
#define FROM     "\"modelSource\":{\"copyFrom\":\"anthropic.claude-3-haiku-20240307-v1:0\"}"
#define SONNET   "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"

/* In an order in which the later ones meet what the earlier ones could have made. */
static const struct {
    const char *method, *path, *body;
} senseless[] = {
    {"POST", PROFILES, "{" FROM "}"},
    {"POST", PROFILES, "{" FROM ",\"inferenceProfileName\":7,\"tags\":[3]}"},
    {"POST", PROFILES, "{" FROM ",\"inferenceProfileName\":\"A\",\"tags\":[{\"key\":\"a\"}]}"},
    {"POST", "/listTagsForResource", "{}"},
    {"POST", "/listTagsForResource", "{"},
    {"POST", "/tagResource", "{\"resourceARN\":3}"},
    {"POST", "/untagResource", "[]"},
    {"POST", "/model-invocation-job", "{\"modelId\":\"amazon.nova-lite-v1:0\"}"},
    {"PUT", "/logging/modelinvocations", "{}"},
    {"POST", "/retrieveAndGenerate",
     "{\"retrieveAndGenerateConfiguration\":{\"type\":\"KNOWLEDGE_BASE\",\"knowledgeBaseConfiguration\":{\"modelArn\":"
     "\"anthropic.claude-3-haiku-20240307-v1:0\"}}}"},
};

static void all_are_refused(struct mock *m)
{
    for (size_t i = 0; i < COUNT_OF(senseless); i++) {
        CLEANUP(reply_release) struct reply r =
            fetch(mock_port(m), senseless[i].method, senseless[i].path, senseless[i].body, NULL, NULL);
        CLAIM(r.status == 400, "%s %s: %d %s", senseless[i].path, senseless[i].body, r.status, buf_text(&r.body));
    }
}

static void a_recording_mock_makes_nothing_of_nonsense(void)
{
    CLEANUP(rig_stop) struct mock *m =
        rig_start(&(struct mock_config){.auth = MOCK_AUTH_NONE, .validation = MOCK_VALIDATION_RECORD, .workers = 4});
    all_are_refused(m);
    static const char *const models[] = {CONVERSE, "/v1/chat/completions", "/v1/responses", "/anthropic/v1/messages",
                                         "/async-invoke"};
    for (size_t i = 0; i < COUNT_OF(models); i++) {
        CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", models[i], "{\"messages\":[],\"tags\":[1,null,{}]}", NULL, NULL);
        CLAIM(r.error == OK && r.status > 0, "%s is not answered", models[i]);
        CLAIM(i > 0 || r.status == 200, "what is said to a model is not refused: %d", r.status);
    }
}

/* ---- a policy that nobody has to obey ---- */

static const char deny_all[] = "{\"statements\":[{\"effect\":\"Deny\",\"actions\":[\"*\"]}]}";

static struct mock *start_denied(void)
{
    char path[] = "/tmp/mohs-policy-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, deny_all, sizeof deny_all - 1) != (ssize_t)(sizeof deny_all - 1))
        abort();
    struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_NONE, .policy_file = path, .workers = 4});
    (void)close(fd);
    (void)unlink(path);
    return m;
}

static void a_policy_that_is_only_told_hides_no_other_mistake(void)
{
    CLEANUP(rig_stop) struct mock *m = start_denied();
    all_are_refused(m);
    CLEANUP(reply_release) struct reply bad = fetch(mock_port(m), "POST", CONVERSE, "{\"messages\":[]}", NULL, NULL);
    CLAIM(bad.status == 400, "invalid, and answered: %d", bad.status);
    CLEANUP(reply_release) struct reply good = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, NULL);
    CU_ASSERT_EQUAL(good.status, 200);
    CLEANUP(reply_release) struct reply seen = admin(m, "GET", "/journal?status=200", "");
    CU_ASSERT_STRING_EQUAL(text_at(seen.json, "/entries/0/refusal/layer"), "policy");
    CU_ASSERT(cJSON_IsTrue(json_at(seen.json, "/entries/0/valid"))); /* it was judged, and is good */
    CLEANUP(reply_release) struct reply first = admin(m, "GET", "/journal?status=400", "");
    int n = cJSON_GetArraySize(json_at(first.json, "/entries"));
    CLAIM(n > 0 && cJSON_IsFalse(cJSON_GetObjectItem(cJSON_GetArrayItem(json_at(first.json, "/entries"), n - 1), "valid")),
          "of %d the last is not invalid", n);
}

static void a_policy_that_is_only_told_does_not_stop_sts(void)
{
    CLEANUP(rig_stop) struct mock *m = start_denied();
    struct http_headers form;
    http_headers_init(&form);
    CLEANUP(reply_release) struct reply r =
        fetch(mock_port(m), "POST", "/?Action=x",
              "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/x&RoleSessionName=abc", &form,
              NULL);
    CLAIM(r.status == 200, "%d %s", r.status, buf_text(&r.body));
}

/* ---- masks, prompt cache, quotas ---- */

static void masked_input_is_counted_as_the_model_sees_it(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.workers = 1});
    CLEANUP(reply_release) struct reply g =
        admin(m, "POST", "/guardrails",
              "{\"guardrails\":[{\"guardrailId\":\"g1\",\"name\":\"g\",\"blockedInputMessaging\":\"n\","
              "\"blockedOutputsMessaging\":\"n\",\"sensitiveInformationPolicy\":{\"regexes\":[{\"name\":"
              "\"a name that is very much longer than what it hides\",\"pattern\":\"qq\",\"action\":\"ANONYMIZE\"}]}}]}");
    CLAIM(g.status == 200, "%s", buf_text(&g.body));
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_adds(&body, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"");
    for (int i = 0; i < 1500; i++)
        buf_adds(&body, "qq ");
    buf_adds(&body, "\"},{\"cachePoint\":{\"type\":\"default\"}}]}],\"guardrailConfig\":{\"guardrailIdentifier\":\"g1\","
                    "\"guardrailVersion\":\"1\"}}");
    CLEANUP(reply_release) struct reply r = ask(m, SONNET, buf_text(&body));
    double input = number_at(r.json, "/usage/inputTokens"), written = number_at(r.json, "/usage/cacheWriteInputTokens");
    CLAIM(r.status == 200 && written > 1500, "%d, %.0f written", r.status, written);
    CLAIM(input >= 0 && input < 100, "%.0f tokens beside the %.0f of the cache", input, written);
    CU_ASSERT_EQUAL(number_at(r.json, "/usage/totalTokens"),
                    input + written + number_at(r.json, "/usage/outputTokens"));
}

/* ---- scripts ---- */

static void a_scripted_answer_waits_for_a_model(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.workers = 2});
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"for the model\"}}]}");
    CLEANUP(reply_release) struct reply list = fetch(mock_port(m), "GET", "/foundation-models", "", NULL, &usual_key);
    CU_ASSERT_EQUAL(list.status, 200);
    CLEANUP(reply_release) struct reply said = ask(m, CONVERSE, HELLO);
    CU_ASSERT_STRING_EQUAL(text_at(said.json, "/output/message/content/0/text"), "for the model");
    script(m, "{\"replies\":[{\"reply\":{\"error\":{\"type\":\"ThrottlingException\"}}},"
              "{\"match\":{\"operation\":\"ListFoundationModels\"},\"reply\":{\"faults\":[{\"id\":\"html-502\"}]}}]}");
    CLEANUP(reply_release) struct reply no = fetch(mock_port(m), "GET", "/foundation-models", "", NULL, &usual_key);
    CLAIM(no.status == 429, "errors are for everybody: %d", no.status);
    CLEANUP(reply_release) struct reply odd = fetch(mock_port(m), "GET", "/foundation-models", "", NULL, &usual_key);
    CLAIM(odd.status == 502, "what names the operation is meant for it: %d", odd.status);
}

/* ---- what the admin API is told ---- */

static void a_typing_mistake_changes_nothing(void)
{
    static const struct {
        const char *path, *body;
    } rows[] = {{"/reset", "{\"kep\":[\"journal\"]}"},
                {"/reset", "{\"sesion\":\"a\"}"},
                {"/faults", "{\"faults\":[{\"id\":\"html-502\"}],\"sesion\":\"a\"}"},
                {"/gate", "{\"open\":\"g\",\"session\":\"a\"}"}};
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.workers = 1});
    CLEANUP(reply_release) struct reply before = ask(m, CONVERSE, HELLO);
    CU_ASSERT_EQUAL(before.status, 200);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release) struct reply r = admin(m, "POST", rows[i].path, rows[i].body);
        CLAIM(r.status == 400, "%s %s: %d", rows[i].path, rows[i].body, r.status);
    }
    CLEANUP(reply_release) struct reply after = ask(m, CONVERSE, HELLO);
    CU_ASSERT_EQUAL(after.status, 200);
    CLEANUP(reply_release) struct reply seen = admin(m, "GET", "/journal", "");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(seen.json, "/entries")), 2);
}

static void credentials_are_hidden_however_they_are_spelled(void)
{
    static const struct {
        const char *path, *body, *type;
    } rows[] = {
        {"/?Web%49dentityToken=LEAK", "Action=AssumeRoleWithWebIdentity&WebIdentityToken=LEAK&WebIdentityToken=LEAK", NULL},
        {"/foundation-models?x-amz-security%2Dtoken=LEAK&X-Amz-Signature=LEAK&a=kept", "a&b=kept", NULL},
        {"/", "Web%49dentityToken=LEAK&x=kept&", NULL},
        {"/", "Action=AssumeRoleWithSAML&SAMLAssertion=LEAK", NULL},
        {"/sts/", "x=kept&WebIdentityToken=LEAK", "Application/x-www-form-urlencoded; charset=utf-8"},
    };
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_NONE, .workers = 1});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(http_headers_release) struct http_headers h;
        http_headers_init(&h);
        http_headers_add(&h, "Content-Type", rows[i].type != NULL ? rows[i].type : "application/json");
        CLEANUP(reply_release) struct reply r = fetch_as(mock_port(m), "POST", rows[i].path, rows[i].body, &h);
        CU_ASSERT(r.status > 0);
    }
    CLEANUP(reply_release) struct reply seen = admin(m, "GET", "/journal", "");
    CLAIM(strstr(buf_text(&seen.body), "LEAK") == NULL, "%s", buf_text(&seen.body));
    CU_ASSERT_STRING_EQUAL(text_at(seen.json, "/entries/1/target"),
                           "/foundation-models?x-amz-security%2Dtoken=<redacted>&X-Amz-Signature=<redacted>&a=kept");
    CU_ASSERT_STRING_EQUAL(text_at(seen.json, "/entries/2/body"), "Web%49dentityToken=<redacted>&x=kept&");
}

/* 200,000 messages without a user's text: the last user message was looked for by walking the list for each of them. */
static void matching_takes_time_in_proportion_to_the_messages(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(
        &(struct mock_config){.auth = MOCK_AUTH_NONE, .validation = MOCK_VALIDATION_RECORD, .workers = 1});
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_adds(&body, "{\"messages\":[{}");
    for (int i = 1; i < 200000; i++)
        buf_adds(&body, ",{}");
    buf_adds(&body, "]}");
    script(m, "{\"replies\":[{\"match\":{\"user\":\"nobody says this\"},\"reply\":{\"text\":\"never\"}}]}");
    CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, buf_text(&body), NULL, NULL);
    CLAIM(r.error == OK && r.status == 200, "%d after the 20 s that the client waits", r.status);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a recording mock makes nothing of nonsense", a_recording_mock_makes_nothing_of_nonsense},
        {"a policy that is only told hides no other mistake", a_policy_that_is_only_told_hides_no_other_mistake},
        {"a policy that is only told does not stop STS", a_policy_that_is_only_told_does_not_stop_sts},
        {"masked input is counted as the model sees it", masked_input_is_counted_as_the_model_sees_it},
        {"a scripted answer waits for a model", a_scripted_answer_waits_for_a_model},
        {"a typing mistake changes nothing", a_typing_mistake_changes_nothing},
        {"credentials are hidden however they are spelled", credentials_are_hidden_however_they_are_spelled},
        {"matching takes time in proportion to the messages", matching_takes_time_in_proportion_to_the_messages},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_interplay", tests);
}
