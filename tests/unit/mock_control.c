/* The control plane over the wire: every operation asked at least once, every answer held against the API model, and
 * what requests change seen by the next one. */
#include "mock_rig.h"

#include "mock/control/control.h"

#define ACCOUNT       "123456789012"
#define ARN(kind, id) "arn:aws:bedrock:us-east-1:" ACCOUNT ":" kind "/" id
#define HAIKU_ARN     "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"
#define PROFILE(name, from, more)                                                                                      \
    "{\"inferenceProfileName\":\"" name "\",\"modelSource\":{\"copyFrom\":\"" from "\"}" more "}"
#define JOB(name)                                                                                                      \
    "{\"jobName\":\"" name "\",\"roleArn\":\"arn:aws:iam::" ACCOUNT                                                    \
    ":role/batch\",\"modelId\":\"amazon.nova-lite-v1:0\",\"clientRequestToken\":\"" name "1\","                        \
    "\"inputDataConfig\":{\"s3InputDataConfig\":{\"s3Uri\":\"s3://bucket/in.jsonl\"}},"                                \
    "\"outputDataConfig\":{\"s3OutputDataConfig\":{\"s3Uri\":\"s3://bucket/out/\"}},"                                  \
    "\"tags\":[{\"key\":\"team\",\"value\":\"b\"}]}"
#define NO_MODEL "Could not resolve the foundation model from the provided model identifier."

/* $P and $J in a path or body: the ARN of the profile and of the job that were made last; in a path escaped. */
struct step {
    const char *operation, *method, *path, *body;
    int status;
    const char *at, *is; /* a JSON pointer of the answer and the text there; NULL: not looked at. "" is absent */
};

static const struct step steps[] = {
    {"ListFoundationModels", "GET", "/foundation-models", "", 200, "/modelSummaries/0/modelLifecycle/status", "LEGACY"},
    {"ListFoundationModels", "GET",
     "/foundation-models?byProvider=meta&byCustomizationType=FINE_TUNING&byInferenceType=ON_DEMAND&byOutputModality="
     "TEXT",
     "", 200, "/modelSummaries/0/modelId", "meta.llama3-1-8b-instruct-v1:0"},
    {"ListFoundationModels", "GET", "/foundation-models?byProvider=Mistral%20AI", "", 200,
     "/modelSummaries/0/providerName", "Mistral AI"},
    {"ListFoundationModels", "GET", "/foundation-models?byOutputModality=EMBEDDING&byProvider=cohere", "", 200,
     "/modelSummaries/0/modelId", "cohere.embed-english-v3"},
    {"ListFoundationModels", "GET", "/foundation-models?byOutputModality=SMELL", "", 400, NULL, NULL},
    {"GetFoundationModel", "GET", "/foundation-models/" HAIKU, "", 200, "/modelDetails/modelArn", HAIKU_ARN},
    {"GetFoundationModel", "GET", "/foundation-models/anthropic.claude-sonnet-4-5-20250929-v1%3A0", "", 200,
     "/modelDetails/inferenceTypesSupported/0", "INFERENCE_PROFILE"},
    {"GetFoundationModel", "GET", "/foundation-models/anthropic.claude-9", "", 404, "/message", NO_MODEL},
    {"GetFoundationModelAvailability", "GET", "/foundation-model-availability/" HAIKU, "", 200, "/authorizationStatus",
     "AUTHORIZED"},
    {"GetFoundationModelAvailability", "GET", "/foundation-model-availability/meta.llama9-8b", "", 404, "/message",
     NO_MODEL},
    {"ListInferenceProfiles", "GET", "/inference-profiles?type=SYSTEM_DEFINED", "", 200,
     "/inferenceProfileSummaries/0/inferenceProfileName", "US Anthropic Claude 3 Haiku"},
    {"ListInferenceProfiles", "GET", "/inference-profiles?type=APPLICATION", "", 200,
     "/inferenceProfileSummaries/0/type", ""},
    {"ListInferenceProfiles", "GET", "/inference-profiles?nextToken=nonsense", "", 400, "/message",
     "The provided nextToken is invalid."},
    {"GetInferenceProfile", "GET", "/inference-profiles/us.anthropic.claude-haiku-4-5-20251001-v1%3A0", "", 200,
     "/description", "Routes requests to Anthropic Claude Haiku 4.5 in us-east-1, us-east-2 and us-west-2."},
    {"GetInferenceProfile", "GET", "/inference-profiles/eu.anthropic.claude-haiku-4-5-20251001-v1%3A0", "", 404, NULL,
     NULL},
    {"CreateInferenceProfile", "POST", "/inference-profiles",
     PROFILE("Team A", ARN("inference-profile", "us.anthropic.claude-3-haiku-20240307-v1:0"),
             ",\"tags\":[{\"key\":\"team\",\"value\":\"a\"}]"),
     201, "/status", "ACTIVE"},
    {"CreateInferenceProfile", "POST", "/inference-profiles", PROFILE("Team A", HAIKU_ARN, ""), 400, "/message",
     "An inference profile with the name Team A exists already."},
    {"CreateInferenceProfile", "POST", "/inference-profiles",
     PROFILE("Team B", "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-9", ""), 400, "/message",
     "The provided model identifier is invalid."},
    {"CreateInferenceProfile", "POST", "/inference-profiles",
     PROFILE("Team B", ARN("inference-profile", "eu.anthropic.claude-3-haiku-20240307-v1:0"), ""), 400, "/message",
     "The provided model identifier is invalid."},
    {"GetInferenceProfile", "GET", "/inference-profiles/$P", "", 200, "/type", "APPLICATION"},
    {"ListInferenceProfiles", "GET", "/inference-profiles?type=APPLICATION", "", 200,
     "/inferenceProfileSummaries/0/inferenceProfileName", "Team A"},
    {"ListTagsForResource", "POST", "/listTagsForResource", "{\"resourceARN\":\"$P\"}", 200, "/tags/0/value", "a"},
    {"TagResource", "POST", "/tagResource",
     "{\"resourceARN\":\"$P\",\"tags\":[{\"key\":\"team\",\"value\":\"z\"},{\"key\":\"x\",\"value\":\"y\"}]}", 200,
     NULL, NULL},
    {"ListTagsForResource", "POST", "/listTagsForResource", "{\"resourceARN\":\"$P\"}", 200, "/tags/0/value", "z"},
    {"UntagResource", "POST", "/untagResource", "{\"resourceARN\":\"$P\",\"tagKeys\":[\"team\"]}", 200, NULL, NULL},
    {"ListTagsForResource", "POST", "/listTagsForResource", "{\"resourceARN\":\"$P\"}", 200, "/tags/0/value", "y"},
    {"TagResource", "POST", "/tagResource",
     "{\"resourceARN\":\"" ARN("application-inference-profile", "abcdefghijkl") "\",\"tags\":[]}", 404, NULL, NULL},
    {"DeleteInferenceProfile", "DELETE", "/inference-profiles/$P", "", 200, NULL, NULL},
    {"DeleteInferenceProfile", "DELETE", "/inference-profiles/$P", "", 404, NULL, NULL},
    {"DeleteInferenceProfile", "DELETE", "/inference-profiles/us.amazon.nova-pro-v1%3A0", "", 400, "/message",
     "System-defined inference profiles cannot be deleted."},
    {"ListImportedModels", "GET", "/imported-models?nameContains=mistral", "", 200, "/modelSummaries/0/modelName",
     "our-mistral"},
    {"ListImportedModels", "GET", "/imported-models?creationTimeBefore=2026-02-01T00%3A00%3A00Z", "", 200,
     "/modelSummaries/1/modelName", ""},
    {"ListImportedModels", "GET", "/imported-models?creationTimeAfter=2026-02-01T00%3A00%3A00.5%2B01%3A00", "", 200,
     "/modelSummaries/0/modelName", "our-mistral"},
    {"ListImportedModels", "GET", "/imported-models?sortBy=CreationTime&sortOrder=Descending", "", 200,
     "/modelSummaries/0/modelName", "our-mistral"},
    {"GetImportedModel", "GET", "/imported-models/our-llama", "", 200, "/modelArchitecture", "llama3"},
    {"GetImportedModel", "GET", "/imported-models/nobody", "", 404, NULL, NULL},
    {"ListProvisionedModelThroughputs", "GET", "/provisioned-model-throughputs?statusEquals=InService&maxResults=1", "",
     200, "/provisionedModelSummaries/0/provisionedModelName", "support-tone-reserved"},
    {"ListProvisionedModelThroughputs", "GET", "/provisioned-model-throughputs?statusEquals=Failed", "", 200,
     "/provisionedModelSummaries/0/status", ""},
    {"GetProvisionedModelThroughput", "GET", "/provisioned-model-throughput/haiku-reserved", "", 200,
     "/commitmentDuration", "OneMonth"},
    {"ListCustomModels", "GET", "/custom-models?nameContains=support", "", 200, "/modelSummaries/0/baseModelName",
     "amazon.nova-micro-v1"},
    {"GetCustomModel", "GET", "/custom-models/support-tone", "", 200, "/customizationType", "FINE_TUNING"},
    {"ListCustomModelDeployments", "GET", "/model-customization/custom-model-deployments", "", 200,
     "/modelDeploymentSummaries/0/customModelDeploymentName", "support-tone-live"},
    {"GetCustomModelDeployment", "GET", "/model-customization/custom-model-deployments/support-tone-live", "", 200,
     "/status", "Active"},
    {"ListPromptRouters", "GET", "/prompt-routers?type=default", "", 200, "/promptRouterSummaries/0/status",
     "AVAILABLE"},
    {"ListPromptRouters", "GET", "/prompt-routers?type=custom", "", 200, "/promptRouterSummaries/0/status", ""},
    {"GetPromptRouter", "GET",
     "/prompt-routers/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Adefault-prompt-router%2Famazon.nova%3A1", "",
     200, "/type", "default"},
    {"ListGuardrails", "GET", "/guardrails", "", 200, "/guardrails/0/id", "gr1234567890"},
    {"ListGuardrails", "GET", "/guardrails?guardrailIdentifier=gr1234567890", "", 200, "/guardrails/0/status", "READY"},
    {"ListGuardrails", "GET", "/guardrails?guardrailIdentifier=nobody", "", 200, "/guardrails/0/id", ""},
    {"GetGuardrail", "GET", "/guardrails/gr1234567890", "", 200, "/guardrailId", "gr1234567890"},
    {"GetGuardrail", "GET", "/guardrails/gr1234567890?guardrailVersion=777", "", 404, NULL, NULL},
    {"GetGuardrail", "GET", "/guardrails/nobody", "", 404, NULL, NULL},
    {"ListMarketplaceModelEndpoints", "GET", "/marketplace-model/endpoints", "", 200,
     "/marketplaceModelEndpoints/0/status", "REGISTERED"},
    {"GetMarketplaceModelEndpoint", "GET",
     "/marketplace-model/endpoints/arn%3Aaws%3Asagemaker%3Aus-east-1%3A123456789012%3Aendpoint%2Fexample-marketplace",
     "", 200, "/marketplaceModelEndpoint/endpointStatus", "InService"},
    {"CreateModelInvocationJob", "POST", "/model-invocation-job", JOB("nightly"), 200, NULL, NULL},
    {"CreateModelInvocationJob", "POST", "/model-invocation-job", JOB("nightly"), 200, NULL, NULL},
    {"GetModelInvocationJob", "GET", "/model-invocation-job/$J", "", 200, "/status", "Submitted"},
    {"ListModelInvocationJobs", "GET", "/model-invocation-jobs?nameContains=night&statusEquals=Submitted", "", 200,
     "/invocationJobSummaries/0/jobName", "nightly"},
    {"ListTagsForResource", "POST", "/listTagsForResource", "{\"resourceARN\":\"$J\"}", 200, "/tags/0/value", "b"},
    {"StopModelInvocationJob", "POST", "/model-invocation-job/$J/stop", "", 200, NULL, NULL},
    {"StopModelInvocationJob", "POST", "/model-invocation-job/$J/stop", "", 400, "/message",
     "The model invocation job is Stopping and cannot be stopped."},
    {"GetModelInvocationJob", "GET", "/model-invocation-job/$J", "", 200, "/status", "Stopping"},
    {"GetModelInvocationJob", "GET", "/model-invocation-job/abcdefghijkl", "", 404, NULL, NULL},
    {"GetModelInvocationLoggingConfiguration", "GET", "/logging/modelinvocations", "", 200, "/loggingConfig/s3Config",
     ""},
    {"PutModelInvocationLoggingConfiguration", "PUT", "/logging/modelinvocations",
     "{\"loggingConfig\":{\"s3Config\":{\"bucketName\":\"logs\"},\"textDataDeliveryEnabled\":true}}", 200, NULL, NULL},
    {"GetModelInvocationLoggingConfiguration", "GET", "/logging/modelinvocations", "", 200,
     "/loggingConfig/s3Config/bucketName", "logs"},
    {"DeleteModelInvocationLoggingConfiguration", "DELETE", "/logging/modelinvocations", "", 200, NULL, NULL},
    {"GetModelInvocationLoggingConfiguration", "GET", "/logging/modelinvocations", "", 200,
     "/loggingConfig/s3Config/bucketName", ""},
    {"CreateProvisionedModelThroughput", "POST", "/provisioned-model-throughput",
     "{\"provisionedModelName\":\"mine\",\"modelId\":\"" HAIKU_ARN "\",\"modelUnits\":1}", 201, NULL, NULL},
    {"UpdateProvisionedModelThroughput", "PATCH", "/provisioned-model-throughput/support-tone-reserved",
     "{\"desiredProvisionedModelName\":\"renamed\"}", 200, NULL, NULL},
    {"GetProvisionedModelThroughput", "GET", "/provisioned-model-throughput/renamed", "", 200, "/status", "InService"},
    {"DeleteProvisionedModelThroughput", "DELETE", "/provisioned-model-throughput/renamed", "", 200, NULL, NULL},
    {"CreateCustomModel", "POST", "/custom-models/create-custom-model",
     "{\"modelName\":\"mine\",\"modelSourceConfig\":{\"s3DataSource\":{\"s3Uri\":\"s3://weights/mine/\"}}}", 202, NULL,
     NULL},
    {"DeleteCustomModel", "DELETE", "/custom-models/router-small", "", 200, NULL, NULL},
    {"GetCustomModel", "GET", "/custom-models/router-small", "", 404, NULL, NULL},
    {"CreateCustomModelDeployment", "POST", "/model-customization/custom-model-deployments",
     "{\"modelDeploymentName\":\"mine\",\"modelArn\":\"" ARN("custom-model", "amazon.nova-micro-v1/abcdef012345") "\"}",
     202, NULL, NULL},
    {"UpdateCustomModelDeployment", "PATCH", "/model-customization/custom-model-deployments/support-tone-live",
     "{\"modelArn\":\"" ARN("custom-model", "amazon.nova-micro-v1/abcdef012345") "\"}", 202, NULL, NULL},
    {"DeleteCustomModelDeployment", "DELETE", "/model-customization/custom-model-deployments/support-tone-live", "",
     200, NULL, NULL},
    {"CreateModelImportJob", "POST", "/model-import-jobs",
     "{\"jobName\":\"mine\",\"importedModelName\":\"mine\",\"roleArn\":\"arn:aws:iam::" ACCOUNT ":role/import\","
     "\"modelDataSource\":{\"s3DataSource\":{\"s3Uri\":\"s3://weights/mine/\"}}}",
     201, NULL, NULL},
    {"ListModelImportJobs", "GET", "/model-import-jobs?statusEquals=InProgress", "", 200,
     "/modelImportJobSummaries/0/jobName", "mine"},
    {"GetModelImportJob", "GET", "/model-import-jobs/import-our-llama", "", 200, "/status", "Completed"},
    {"DeleteImportedModel", "DELETE", "/imported-models/our-llama", "", 200, NULL, NULL},
    {"GetImportedModel", "GET", "/imported-models/our-llama", "", 404, NULL, NULL},
};

struct arns {
    char profile[256], job[256];
};

static void fill(const char *text, const struct arns *a, bool path, struct buf *out)
{
    for (; *text != '\0'; text++) {
        const char *arn = *text != '$' ? NULL : text[1] == 'P' ? a->profile : a->job;
        if (arn == NULL) {
            buf_addc(out, *text);
            continue;
        }
        text++;
        for (; *arn != '\0'; arn++) {
            if (path && (*arn == ':' || *arn == '/'))
                buf_adds(out, *arn == ':' ? "%3A" : "%2F");
            else
                buf_addc(out, *arn);
        }
    }
}

static void remember(const struct reply *r, struct arns *a)
{
    const char *profile = text_at(r->json, "/inferenceProfileArn"), *job = text_at(r->json, "/jobArn");
    if (r->status == 201 && *profile != '\0')
        (void)snprintf(a->profile, sizeof a->profile, "%s", profile);
    if (*job != '\0')
        (void)snprintf(a->job, sizeof a->job, "%s", job);
}

static void take_step(struct mock *m, const struct api *api, const struct step *s, struct arns *a)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY), body = BUF_INIT(BUF_ANY);
    fill(s->path, a, true, &path);
    fill(s->body, a, false, &body);
    CLEANUP(reply_release)
    struct reply r = fetch(mock_port(m), s->method, buf_text(&path), buf_text(&body), NULL, &usual_key);
    CLAIM(r.status == s->status, "%s %s: %d %s", s->operation, s->path, r.status, buf_text(&r.body));
    if (s->at != NULL)
        CLAIM(strcmp(text_at(r.json, s->at), s->is) == 0, "%s %s: %s is %s", s->operation, s->path, s->at,
              text_at(r.json, s->at));
    remember(&r, a);
    if (r.status >= 300)
        return;
    struct api_fault fault = API_FAULT_INIT;
    const struct api_operation *o = api_operation(api, s->operation);
    CLAIM(o != NULL && o->status == r.status && api_check_response(api, o, r.json, &fault) == OK, "%s: %s",
          s->operation, buf_text(&fault.text));
    api_fault_release(&fault);
}

static void every_answer_fits_the_api_model(void)
{
    struct note note = {""};
    struct api *api = api_load(&note);
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT});
    struct arns a = {"", ""};
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        take_step(m, api, &steps[i], &a);
    api_free(api);
}

static bool is_tested(const char *operation)
{
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (strcmp(steps[i].operation, operation) == 0 && steps[i].status < 300)
            return true;
    return false;
}

static void every_operation_is_served_and_tested(void)
{
    struct note note = {""};
    struct api *api = api_load(&note);
    const struct api_operation *o;
    size_t served = 0;
    for (size_t i = 0; (o = api_operation_at(api, i)) != NULL; i++) {
        if (strcmp(o->service, "bedrock") != 0)
            continue;
        served += operation_find(o->name) != NULL;
        CLAIM(operation_find(o->name) != NULL, "%s is not served", o->name);
        CLAIM(is_tested(o->name), "%s has no test", o->name);
    }
    CU_ASSERT(served >= 43);
    api_free(api);
}

static struct reply get(struct mock *m, const char *path)
{
    return fetch(mock_port(m), "GET", path, "", NULL, &usual_key);
}

static void pages_hold_every_profile_once(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    CLEANUP(reply_release) struct reply whole = get(m, "/inference-profiles");
    const cJSON *all = json_at(whole.json, "/inferenceProfileSummaries");
    char path[512] = "/inference-profiles?maxResults=7";
    int at = 0;
    for (bool more = true; more && at < 1000;) {
        CLEANUP(reply_release) struct reply page = get(m, path);
        const cJSON *item, *list = json_at(page.json, "/inferenceProfileSummaries");
        cJSON_ArrayForEach(item, list)
        {
            CU_ASSERT(json_equal(item, cJSON_GetArrayItem(all, at)));
            at++;
        }
        more = *text_at(page.json, "/nextToken") != '\0';
        CU_ASSERT(!more || cJSON_GetArraySize(list) == 7);
        (void)snprintf(path, sizeof path, "/inference-profiles?maxResults=7&nextToken=%s",
                       text_at(page.json, "/nextToken"));
    }
    CLAIM(at == cJSON_GetArraySize(all) && at > 50, "%d of %d", at, cJSON_GetArraySize(all));
}

static void make_profile(struct mock *m, const char *body, char arn[256])
{
    CLEANUP(reply_release) struct reply r = ask(m, "/inference-profiles", body);
    CU_ASSERT_EQUAL(r.status, 201);
    (void)snprintf(arn, 256, "%s", text_at(r.json, "/inferenceProfileArn"));
}

static struct reply converse(struct mock *m, const char *arn)
{
    struct arns a = {"", ""};
    (void)snprintf(a.profile, sizeof a.profile, "%s", arn);
    CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY);
    fill("/model/$P/converse", &a, true, &path);
    return ask(m, buf_text(&path), HELLO);
}

/* Llama 3 takes no tools, so what the profile stands for shows in what is refused; and its name is in the answer. */
static void an_application_profile_answers_as_its_model(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.models = MOCK_MODELS_KNOWN});
    char arn[256];
    make_profile(m, PROFILE("llamas", "arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-8b-instruct-v1:0", ""),
                 arn);
    CLEANUP(reply_release) struct reply said = converse(m, arn);
    CLAIM(said.status == 200 && strstr(buf_text(&said.body), "Llama 3 8B") != NULL, "%s", buf_text(&said.body));
    CLEANUP(reply_release) struct reply other = converse(m, ARN("application-inference-profile", "abcdefghijkl"));
    CLAIM(other.status == 400, "an unknown profile answers %d", other.status);
    CLEANUP(reply_release) struct reply bought = converse(m, ARN("provisioned-model", "pmt987654321"));
    CLAIM(bought.status == 200 && strstr(buf_text(&bought.body), "Claude 3 Haiku") != NULL, "%s",
          buf_text(&bought.body));
    CLEANUP(reply_release) struct reply tuned = converse(m, ARN("custom-model-deployment", "dep0123456ab"));
    CLAIM(tuned.status == 200 && strstr(buf_text(&tuned.body), "Nova Micro") != NULL, "%s", buf_text(&tuned.body));
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{\"keep\":[\"control\"]}");
    CLEANUP(reply_release) struct reply kept = converse(m, arn);
    CU_ASSERT(reset.status == 200 && kept.status == 200);
    CLEANUP(reply_release) struct reply forget = admin(m, "POST", "/reset", "");
    CLEANUP(reply_release) struct reply gone = converse(m, arn);
    CU_ASSERT(forget.status == 200 && gone.status == 400);
}

/* Every ARN that a List operation gives for something that answers, asked with Converse: what is listed is there. A
 * model that does not talk, or only through a profile, or streams alone, says so; none says that its id is wrong. */
static void ask_listed(struct mock *m, const char *list, const char *arn, size_t *answered)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY);
    struct arns a = {.profile = ""};
    (void)snprintf(a.profile, sizeof a.profile, "%s", arn);
    fill("/model/$P/converse", &a, true, &path);
    CLEANUP(reply_release)
    struct reply r = fetch(mock_port(m), "POST", buf_text(&path),
                           "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}", NULL, &usual_key);
    const char *said = text_at(r.json, "/message");
    bool fits = strstr(said, "throughput isn") != NULL || strstr(said, "supported text or chat model") != NULL;
    CLAIM(*arn != '\0' && (r.status == 200 || (r.status == 400 && fits)), "%s: %s: %d %s", list, arn, r.status, said);
    *answered += r.status == 200;
}

static void what_is_listed_can_be_asked(void)
{
    static const struct {
        const char *path, *items, *arn;
        bool all; /* of them answer */
    } lists[] = {
        {"/foundation-models", "modelSummaries", "modelArn", false},
        {"/inference-profiles?maxResults=1000", "inferenceProfileSummaries", "inferenceProfileArn", false},
        {"/imported-models", "modelSummaries", "modelArn", true},
        {"/custom-models", "modelSummaries", "modelArn", true},
        {"/model-customization/custom-model-deployments", "modelDeploymentSummaries", "customModelDeploymentArn", true},
        {"/provisioned-model-throughputs", "provisionedModelSummaries", "provisionedModelArn", true},
        {"/provisioned-model-throughputs", "provisionedModelSummaries", "modelArn", true},
        {"/prompt-routers", "promptRouterSummaries", "promptRouterArn", true},
        {"/marketplace-model/endpoints", "marketplaceModelEndpoints", "endpointArn", true},
    };
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "GET", lists[i].path, "", NULL, &usual_key);
        const cJSON *item, *items = json_member(r.json, lists[i].items);
        size_t n = 0, answered = 0;
        cJSON_ArrayForEach(item, items)
        {
            const char *arn = json_str(item, lists[i].arn);
            ask_listed(m, lists[i].path, arn != NULL ? arn : "", &answered);
            n++;
        }
        CLAIM(n > 0 && answered > 0 && (!lists[i].all || answered == n), "%s: %zu of %zu answered", lists[i].path,
              answered, n);
    }
}

static void a_job_goes_through_its_states_by_the_clock(void)
{
    static const struct {
        int64_t after_ms;
        const char *status;
        double processed;
    } states[] = {{0, "Submitted", 0},
                  {CONTROL_JOB_VALIDATING_MS, "Validating", 0},
                  {CONTROL_JOB_RUNNING_MS, "InProgress", 0},
                  {(CONTROL_JOB_RUNNING_MS + CONTROL_JOB_DONE_MS) / 2, "InProgress", CONTROL_JOB_RECORDS / 2},
                  {CONTROL_JOB_DONE_MS, "Completed", CONTROL_JOB_RECORDS}};
    struct mock *m = rig_start(&(struct mock_config){0});
    CLEANUP(reply_release) struct reply made = ask(m, "/model-invocation-job", JOB("slow"));
    const char *id = strrchr(text_at(made.json, "/jobArn"), '/');
    char path[128];
    (void)snprintf(path, sizeof path, "/model-invocation-job/%s", id != NULL ? id + 1 : "none");
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        clock_advance_ms(&m->clock, i > 0 ? states[i].after_ms - states[i - 1].after_ms : 0);
        CLEANUP(reply_release) struct reply r = get(m, path);
        double done = number_at(r.json, "/processedRecordCount");
        CLAIM(strcmp(text_at(r.json, "/status"), states[i].status) == 0, "%s", buf_text(&r.body));
        CLAIM(done >= states[i].processed && done <= states[i].processed + 20, "%g records", done);
        CU_ASSERT((json_at(r.json, "/endTime") != NULL) == (states[i].processed == CONTROL_JOB_RECORDS));
    }
    rig_stop(&m);
}

static void regions_do_not_see_each_other(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    struct key paris = usual_key;
    paris.region = "eu-west-3";
    char arn[256];
    make_profile(m, PROFILE("here", HAIKU_ARN, ""), arn);
    CLEANUP(reply_release)
    struct reply r = fetch(mock_port(m), "GET", "/inference-profiles", "", NULL, &paris);
    CU_ASSERT(strstr(buf_text(&r.body), "\"eu.anthropic.claude-3-haiku") != NULL);
    CU_ASSERT(strstr(buf_text(&r.body), "\"us.") == NULL && strstr(buf_text(&r.body), "APPLICATION") == NULL);
    CU_ASSERT(strstr(buf_text(&r.body), "arn:aws:bedrock:eu-west-3:") != NULL);
}

static void state_has_ceilings(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.journal_bytes = MOCK_JOURNAL_OFF});
    char body[512];
    int status = 201;
    for (int i = 0; i <= CONTROL_PROFILES_MAX && status == 201; i++) {
        (void)snprintf(body, sizeof body, PROFILE("n%d", HAIKU_ARN, ""), i);
        CLEANUP(reply_release) struct reply r = ask(m, "/inference-profiles", body);
        status = r.status;
        CLAIM(status == (i < CONTROL_PROFILES_MAX ? 201 : 400), "the %dth: %s", i, buf_text(&r.body));
        if (status != 201)
            CU_ASSERT(strncmp(header(&r, "x-amzn-ErrorType"), "ServiceQuotaExceededException", 29) == 0);
    }
    CLEANUP(reply_release) struct reply all = get(m, "/inference-profiles?type=APPLICATION");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(all.json, "/inferenceProfileSummaries")), CONTROL_PROFILES_MAX);
    CLEANUP(buf_release) struct buf tags = BUF_INIT(BUF_ANY);
    buf_addf(&tags, "{\"resourceARN\":\"%s\",\"tags\":[",
             text_at(all.json, "/inferenceProfileSummaries/0/inferenceProfileArn"));
    for (int i = 0; i <= CONTROL_TAGS_MAX; i++)
        buf_addf(&tags, "%s{\"key\":\"k%d\",\"value\":\"v\"}", i > 0 ? "," : "", i);
    buf_adds(&tags, "]}");
    CLEANUP(reply_release) struct reply many = ask(m, "/tagResource", buf_text(&tags));
    CU_ASSERT(many.status == 400 && strncmp(header(&many, "x-amzn-ErrorType"), "TooManyTagsException", 20) == 0);
}

struct stress {
    struct mock *mock;
    pthread_t thread;
    int number, wrong;
};

/* Makes, uses and deletes profiles while others do the same. */
static void *run_stress(void *p)
{
    struct stress *s = p;
    for (int i = 0; i < 25; i++) {
        char body[512], arn[256];
        struct arns a = {"", ""};
        (void)snprintf(body, sizeof body, PROFILE("t%d-%d", HAIKU_ARN, ",\"tags\":[{\"key\":\"a\",\"value\":\"b\"}]"),
                       s->number, i);
        CLEANUP(reply_release) struct reply made = ask(s->mock, "/inference-profiles", body);
        (void)snprintf(arn, sizeof arn, "%s", text_at(made.json, "/inferenceProfileArn"));
        (void)snprintf(a.profile, sizeof a.profile, "%s", arn);
        CLEANUP(reply_release) struct reply said = converse(s->mock, arn);
        CLEANUP(reply_release) struct reply list = get(s->mock, "/inference-profiles?type=APPLICATION");
        CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY);
        fill("/inference-profiles/$P", &a, true, &path);
        CLEANUP(reply_release)
        struct reply gone = fetch(mock_port(s->mock), "DELETE", buf_text(&path), "", NULL, &usual_key);
        CLEANUP(reply_release) struct reply after = converse(s->mock, arn);
        s->wrong +=
            made.status != 201 || said.status != 200 || list.status != 200 || gone.status != 200 || after.status != 400;
    }
    return NULL;
}

static void workers_share_the_state(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.workers = 2, .models = MOCK_MODELS_KNOWN});
    struct stress threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        threads[i] = (struct stress){.mock = m, .number = (int)i};
        if (pthread_create(&threads[i].thread, NULL, run_stress, &threads[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        (void)pthread_join(threads[i].thread, NULL);
        CLAIM(threads[i].wrong == 0, "%d wrong answers", threads[i].wrong);
    }
    CLEANUP(reply_release) struct reply r = get(m, "/inference-profiles?type=APPLICATION");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(r.json, "/inferenceProfileSummaries")), 0);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every operation is served and tested", every_operation_is_served_and_tested},
        {"every answer fits the API model", every_answer_fits_the_api_model},
        {"pages hold every profile once", pages_hold_every_profile_once},
        {"an application profile answers as its model", an_application_profile_answers_as_its_model},
        {"what is listed can be asked", what_is_listed_can_be_asked},
        {"a job goes through its states by the clock", a_job_goes_through_its_states_by_the_clock},
        {"regions do not see each other", regions_do_not_see_each_other},
        {"state has ceilings", state_has_ceilings},
        {"workers share the state", workers_share_the_state},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_control", tests);
}
