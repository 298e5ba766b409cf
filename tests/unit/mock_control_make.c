/* What the control plane makes, changes and deletes, over the wire: by the mock's clock it becomes ready, answers as
 * the model behind it, and goes; names, tokens, tags, commitments, ceilings and policies are kept to. */
#include <unistd.h>

#include "mock/control/control.h"

#include "mock_rig.h"

#define ACCOUNT       "123456789012"
#define ARN(kind, id) "arn:aws:bedrock:us-east-1:" ACCOUNT ":" kind "/" id
#define MODEL(id)     "arn:aws:bedrock:us-east-1::foundation-model/" id
#define HAIKU_ARN     MODEL("anthropic.claude-3-haiku-20240307-v1:0")
#define TUNED         ARN("custom-model", "amazon.nova-micro-v1/abcdef012345")
#define ROUTER        ARN("custom-model", "meta.llama3-1-8b-instruct-v1/abcdef678901")

#define BUY(name, model, more)                                                                                         \
    "{\"provisionedModelName\":\"" name "\",\"modelId\":\"" model "\",\"modelUnits\":2" more "}"
#define WEIGHTS(place)            "{\"s3DataSource\":{\"s3Uri\":\"s3://weights/" place "\"}}"
#define CUSTOM(name, place, more) "{\"modelName\":\"" name "\",\"modelSourceConfig\":" WEIGHTS(place) more "}"
#define DEPLOY(name, model, more) "{\"modelDeploymentName\":\"" name "\",\"modelArn\":\"" model "\"" more "}"
#define IMPORT(job, model, more)                                                                                       \
    "{\"jobName\":\"" job "\",\"importedModelName\":\"" model "\",\"roleArn\":\"arn:aws:iam::" ACCOUNT                 \
    ":role/import\",\"modelDataSource\":" WEIGHTS("mine/") more "}"

#define PROVISION   "/provisioned-model-throughput"
#define PROVISIONS  "/provisioned-model-throughputs"
#define CUSTOMS     "/custom-models"
#define NEW_CUSTOM  "/custom-models/create-custom-model"
#define DEPLOYMENTS "/model-customization/custom-model-deployments"
#define JOBS        "/model-import-jobs"
#define IMPORTED    "/imported-models"
#define TAGS        "/listTagsForResource"
#define TALK        "/converse"

#define MEMORIES 4

/* $0 ... $3 in a path or a body is the ARN that the step with `keep` 0 ... 3 got; in a path escaped. */
struct step {
    int64_t later_ms; /* the clock goes on before it */
    const char *operation, *method, *path, *body;
    int status;
    const char *at, *is; /* a JSON pointer of the answer and what the text there has in it; "" is absent */
    int keep;            /* -1: nothing */
};

struct run {
    struct mock *mock;
    struct api *api;
    char arns[MEMORIES][256];
};

static void fill(const struct run *run, const char *text, bool path, struct buf *out)
{
    for (; *text != '\0'; text++) {
        if (*text != '$') {
            buf_addc(out, *text);
            continue;
        }
        for (const char *arn = run->arns[*++text - '0']; *arn != '\0'; arn++) {
            if (path && (*arn == ':' || *arn == '/'))
                buf_adds(out, *arn == ':' ? "%3A" : "%2F");
            else
                buf_addc(out, *arn);
        }
    }
}

static void keep_arn(struct run *run, int where, const cJSON *json)
{
    static const char *const names[] = {"provisionedModelArn", "modelArn", "customModelDeploymentArn", "jobArn"};
    for (size_t i = 0; where >= 0 && i < COUNT_OF(names); i++)
        if (json_str(json, names[i]) != NULL)
            (void)snprintf(run->arns[where], sizeof run->arns[where], "%s", json_str(json, names[i]));
}

static void check_shape(struct run *run, const struct step *s, const struct reply *r)
{
    struct api_fault fault = API_FAULT_INIT;
    const struct api_operation *o = api_operation(run->api, s->operation);
    CLAIM(o != NULL && o->status == r->status && api_check_response(run->api, o, r->json, &fault) == OK, "%s: %s",
          s->operation, buf_text(&fault.text));
    api_fault_release(&fault);
}

static void take_step(struct run *run, const struct step *s)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY), body = BUF_INIT(BUF_ANY);
    fill(run, s->path, true, &path);
    fill(run, s->body, false, &body);
    clock_advance_ms(&run->mock->clock, s->later_ms);
    struct key now = usual_key; /* signed by the mock's clock */
    now.skew_s = clock_offset_ms(&run->mock->clock) / 1000;
    CLEANUP(reply_release)
    struct reply r = fetch(mock_port(run->mock), s->method, buf_text(&path), buf_text(&body), NULL, &now);
    CLAIM(r.status == s->status, "%s %s: %d %s", s->operation, s->path, r.status, buf_text(&r.body));
    const char *text = s->at != NULL ? text_at(r.json, s->at) : "";
    bool fits = s->at == NULL || (*s->is == '\0' ? *text == '\0' : strstr(text, s->is) != NULL);
    CLAIM(fits, "%s %s: %s is %s, not %s", s->operation, s->path, s->at, text, s->is);
    keep_arn(run, s->keep, r.json);
    if (r.status < 300 && strcmp(s->operation, "Converse") != 0)
        check_shape(run, s, &r);
}

static void take_steps(const struct step *steps, size_t n)
{
    struct note note = {""};
    struct run run = {.api = api_load(&note)};
    run.mock = rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT, .models = MOCK_MODELS_KNOWN});
    for (size_t i = 0; i < n; i++)
        take_step(&run, &steps[i]);
    rig_stop(&run.mock);
    api_free(run.api);
}

#define STEP(operation, method, path, body, status, at, is)                                                            \
    {                                                                                                                  \
        0, operation, method, path, body, status, at, is, -1                                                           \
    }
#define GET(operation, path, status, at, is) STEP(operation, "GET", path, "", status, at, is)
#define CONVERSE_WITH(arn, status, at, is)   STEP("Converse", "POST", "/model/" arn TALK, HELLO, status, at, is)
#define SAID                                 "/output/message/content/0/text"

static void provisioned_throughput_lives_by_the_clock(void)
{
    static const struct step steps[] = {
        {0, "CreateProvisionedModelThroughput", "POST", PROVISION,
         BUY("fast", HAIKU_ARN, ",\"clientRequestToken\":\"one\",\"tags\":[{\"key\":\"team\",\"value\":\"a\"}]"), 201,
         "/provisionedModelArn", ":provisioned-model/", 0},
        STEP("CreateProvisionedModelThroughput", "POST", PROVISION, BUY("fast", HAIKU_ARN, ""), 400, "/message",
             "The name fast is in use already."),
        GET("GetProvisionedModelThroughput", PROVISION "/fast", 200, "/status", "Creating"),
        CONVERSE_WITH("$0", 429, "/message", "not ready"),
        STEP("UpdateProvisionedModelThroughput", "PATCH", PROVISION "/fast", "{\"desiredModelId\":\"" TUNED "\"}", 400,
             "/message", "fast is Creating"),
        GET("ListProvisionedModelThroughputs", PROVISIONS "?statusEquals=Creating", 200,
            "/provisionedModelSummaries/0/provisionedModelName", "fast"),
        {CONTROL_PROVISION_MS - 1000, "GetProvisionedModelThroughput", "GET", PROVISION "/$0", "", 200, "/status",
         "Creating", -1},
        {1000, "GetProvisionedModelThroughput", "GET", PROVISION "/$0", "", 200, "/status", "InService", -1},
        CONVERSE_WITH("$0", 200, SAID, "Claude 3 Haiku"),
        STEP("InvokeModel", "POST", "/model/$0/invoke",
             "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\","
             "\"content\":"
             "\"hi\"}]}",
             200, "/type", "message"),
        GET("ListProvisionedModelThroughputs", PROVISIONS "?nameContains=fas&modelArnEquals=" HAIKU_ARN, 200,
            "/provisionedModelSummaries/0/foundationModelArn", HAIKU_ARN),
        STEP("ListTagsForResource", "POST", TAGS, "{\"resourceARN\":\"$0\"}", 200, "/tags/0/value", "a"),
        STEP("UpdateProvisionedModelThroughput", "PATCH", PROVISION "/fast", "{\"desiredModelId\":\"" TUNED "\"}", 400,
             "/message", "when it is a custom model"),
        STEP("UpdateProvisionedModelThroughput", "PATCH", PROVISION "/fast",
             "{\"desiredProvisionedModelName\":\"haiku-reserved\"}", 400, "/message", "in use already"),
        STEP("UpdateProvisionedModelThroughput", "PATCH", PROVISION "/fast",
             "{\"desiredProvisionedModelName\":\"faster\"}", 200, NULL, NULL),
        GET("GetProvisionedModelThroughput", PROVISION "/faster", 200, "/provisionedModelArn", "provisioned-model/"),
        GET("GetProvisionedModelThroughput", PROVISION "/fast", 404, NULL, NULL),
        STEP("CreateProvisionedModelThroughput", "POST", PROVISION,
             BUY("fast", HAIKU_ARN, ",\"clientRequestToken\":\"one\",\"tags\":[{\"key\":\"team\",\"value\":\"a\"}]"),
             201, "/provisionedModelArn", ":provisioned-model/"), /* the call from before, so nothing is made */
        GET("GetProvisionedModelThroughput", PROVISION "/fast", 404, NULL, NULL),
        STEP("CreateProvisionedModelThroughput", "POST", PROVISION,
             BUY("x", HAIKU_ARN, ",\"clientRequestToken\":\"one\""), 400, "/message",
             "Another request has had that clientRequestToken."),
        STEP("DeleteProvisionedModelThroughput", "DELETE", PROVISION "/$0", "", 200, NULL, NULL),
        STEP("DeleteProvisionedModelThroughput", "DELETE", PROVISION "/$0", "", 404, NULL, NULL),
        CONVERSE_WITH("$0", 400, "/message", "identifier is invalid"),
        STEP("ListTagsForResource", "POST", TAGS, "{\"resourceARN\":\"$0\"}", 404, NULL, NULL),
    };
    take_steps(steps, COUNT_OF(steps));
}

static void a_commitment_holds_until_its_end(void)
{
    static const struct step steps[] = {
        {0, "CreateProvisionedModelThroughput", "POST", PROVISION,
         BUY("month", HAIKU_ARN, ",\"commitmentDuration\":\"OneMonth\""), 201, NULL, NULL, 0},
        {0, "CreateProvisionedModelThroughput", "POST", PROVISION,
         BUY("year", "anthropic.claude-3-haiku-20240307-v1:0:48k", ",\"commitmentDuration\":\"SixMonths\""), 201, NULL,
         NULL, 1},
        {CONTROL_MONTH_MS - 5000, "DeleteProvisionedModelThroughput", "DELETE", PROVISION "/month", "", 400, "/message",
         "before its commitment ends", -1},
        GET("GetProvisionedModelThroughput", PROVISION "/year", 200, "/modelArn", ":0:48k"),
        CONVERSE_WITH("$1", 200, SAID, "Claude 3 Haiku"),
        {5000, "DeleteProvisionedModelThroughput", "DELETE", PROVISION "/month", "", 200, NULL, NULL, -1},
        STEP("DeleteProvisionedModelThroughput", "DELETE", PROVISION "/year", "", 400, "/message", "commitment"),
        {5 * CONTROL_MONTH_MS, "DeleteProvisionedModelThroughput", "DELETE", PROVISION "/$1", "", 200, NULL, NULL, -1},
    };
    take_steps(steps, COUNT_OF(steps));
}

static void throughput_is_bought_for_models_that_have_it(void)
{
    static const struct step steps[] = {
        STEP("CreateProvisionedModelThroughput", "POST", PROVISION, BUY("a", "anthropic.claude-9", ""), 404, "/message",
             "Could not find the model anthropic.claude-9"),
        STEP("CreateProvisionedModelThroughput", "POST", PROVISION, BUY("a", "openai.gpt-oss-120b", ""), 400,
             "/message", "not supported for the model openai.gpt-oss-120b"),
        STEP("CreateProvisionedModelThroughput", "POST", PROVISION,
             BUY("a", ARN("custom-model", "imported/abcdefghijkl"), ""), 404, "/message", "Could not find the model"),
        {0, "CreateProvisionedModelThroughput", "POST", PROVISION, BUY("a", "support-tone", ""), 201, NULL, NULL, 0},
        GET("GetProvisionedModelThroughput", PROVISION "/a", 200, "/modelArn", TUNED),
        {CONTROL_PROVISION_MS, "Converse", "POST", "/model/$0" TALK, HELLO, 200, SAID, "Nova Micro", -1},
        STEP("UpdateProvisionedModelThroughput", "PATCH", PROVISION "/a", "{\"desiredModelId\":\"" ROUTER "\"}", 400,
             "/message", "is not of the same base model"),
        STEP("UpdateProvisionedModelThroughput", "PATCH", PROVISION "/a",
             "{\"desiredModelId\":\"" MODEL("amazon.nova-micro-v1:0") "\"}", 200, NULL, NULL),
        GET("GetProvisionedModelThroughput", PROVISION "/a", 200, "/status", "Updating"),
        GET("GetProvisionedModelThroughput", PROVISION "/a", 200, "/modelArn", TUNED),
        GET("GetProvisionedModelThroughput", PROVISION "/a", 200, "/desiredModelArn", MODEL("amazon.nova-micro-v1:0")),
        CONVERSE_WITH("$0", 200, SAID, "Nova Micro"), /* the one it had serves on */
        STEP("DeleteCustomModel", "DELETE", CUSTOMS "/support-tone", "", 400, "/message", "in use by"),
        {CONTROL_PROVISION_MS, "GetProvisionedModelThroughput", "GET", PROVISION "/a", "", 200, "/modelArn",
         MODEL("amazon.nova-micro-v1:0"), -1},
        GET("GetProvisionedModelThroughput", PROVISION "/a", 200, "/status", "InService"),
    };
    take_steps(steps, COUNT_OF(steps));
}

static void a_custom_model_is_made_deployed_and_deleted(void)
{
    static const struct step steps[] = {
        STEP("CreateCustomModel", "POST", NEW_CUSTOM, "{\"modelName\":\"empty\"}", 400, "/message",
             "says where the model comes from"),
        STEP("CreateCustomModel", "POST", NEW_CUSTOM, CUSTOM("support-tone", "x/", ""), 400, "/message", "in use"),
        {0, "CreateCustomModel", "POST", NEW_CUSTOM,
         CUSTOM("ours", "amazon.nova-lite-v1/run-7/", ",\"modelTags\":[{\"key\":\"k\",\"value\":\"v\"}]"), 202,
         "/modelArn", ":custom-model/imported/", 0},
        GET("GetCustomModel", CUSTOMS "/ours", 200, "/modelStatus", "Creating"),
        GET("ListCustomModels", CUSTOMS "?modelStatus=Creating", 200, "/modelSummaries/0/baseModelName",
            "amazon.nova-lite-v1"),
        STEP("CreateCustomModelDeployment", "POST", DEPLOYMENTS, DEPLOY("live", "$0", ""), 400, "/message",
             "is not Active yet"),
        {CONTROL_CUSTOM_MS, "GetCustomModel", "GET", CUSTOMS "/$0", "", 200, "/modelStatus", "Active", -1},
        STEP("ListTagsForResource", "POST", TAGS, "{\"resourceARN\":\"$0\"}", 200, "/tags/0/value", "v"),
        {0, "CreateCustomModelDeployment", "POST", DEPLOYMENTS,
         DEPLOY("live", "$0", ",\"description\":\"the first\",\"tags\":[{\"key\":\"k\",\"value\":\"w\"}]"), 202,
         "/customModelDeploymentArn", ":custom-model-deployment/", 1},
        STEP("CreateCustomModelDeployment", "POST", DEPLOYMENTS, DEPLOY("live", "$0", ""), 400, "/message", "in use"),
        CONVERSE_WITH("$1", 429, "/message", "not ready"),
        {CONTROL_DEPLOY_MS, "GetCustomModelDeployment", "GET", DEPLOYMENTS "/live", "", 200, "/status", "Active", -1},
        CONVERSE_WITH("$1", 200, SAID, "Nova Lite"),
        STEP("ListTagsForResource", "POST", TAGS, "{\"resourceARN\":\"$1\"}", 200, "/tags/0/value", "w"),
        STEP("DeleteCustomModel", "DELETE", CUSTOMS "/ours", "", 400, "/message", "in use by"),
        STEP("UpdateCustomModelDeployment", "PATCH", DEPLOYMENTS "/live", "{\"modelArn\":\"" TUNED "\"}", 202,
             "/customModelDeploymentArn", ":custom-model-deployment/"),
        GET("GetCustomModelDeployment", DEPLOYMENTS "/live", 200, "/updateDetails/updateStatus", "Updating"),
        CONVERSE_WITH("$1", 200, SAID, "Nova Lite"),
        {CONTROL_DEPLOY_MS, "Converse", "POST", "/model/$1" TALK, HELLO, 200, SAID, "Nova Micro", -1},
        GET("GetCustomModelDeployment", DEPLOYMENTS "/$1", 200, "/updateDetails/updateStatus", "UpdateCompleted"),
        STEP("DeleteCustomModel", "DELETE", CUSTOMS "/ours", "", 200, NULL, NULL),
        STEP("DeleteCustomModelDeployment", "DELETE", DEPLOYMENTS "/live", "", 200, NULL, NULL),
        CONVERSE_WITH("$1", 400, "/message", "identifier is invalid"),
        GET("ListCustomModels", CUSTOMS "?nameContains=ours", 200, "/modelSummaries/0/modelName", ""),
    };
    take_steps(steps, COUNT_OF(steps));
}

static void an_import_brings_its_model_when_it_is_done(void)
{
    static const struct step steps[] = {
        STEP("CreateModelImportJob", "POST", JOBS, IMPORT("j0", "our-llama", ""), 400, "/message",
             "An imported model with the name our-llama exists already."),
        {0, "CreateModelImportJob", "POST", JOBS,
         IMPORT("j1", "fresh",
                ",\"clientRequestToken\":\"t1\",\"jobTags\":[{\"key\":\"k\",\"value\":\"job\"}],"
                "\"importedModelTags\":[{\"key\":\"k\",\"value\":\"model\"}]"),
         201, "/jobArn", ":model-import-job/", 0},
        STEP("CreateModelImportJob", "POST", JOBS, IMPORT("j2", "fresh", ""), 400, "/message",
             "what it is to make is in use"),
        STEP("CreateModelImportJob", "POST", JOBS, IMPORT("j1", "fresher", ""), 400, "/message", "The name j1"),
        GET("GetModelImportJob", JOBS "/j1", 200, "/status", "InProgress"),
        GET("GetModelImportJob", JOBS "/j1", 200, "/endTime", ""),
        GET("GetImportedModel", IMPORTED "/fresh", 404, NULL, NULL),
        STEP("DeleteImportedModel", "DELETE", IMPORTED "/fresh", "", 404, NULL, NULL),
        {CONTROL_IMPORT_MS, "GetModelImportJob", "GET", JOBS "/$0", "", 200, "/status", "Completed", -1},
        GET("ListModelImportJobs", JOBS "?nameContains=j1&statusEquals=Completed", 200,
            "/modelImportJobSummaries/0/importedModelArn", ":imported-model/"),
        {0, "GetImportedModel", "GET", IMPORTED "/fresh", "", 200, "/jobName", "j1", 1},
        {0, "GetImportedModel", "GET", IMPORTED "/fresh", "", 200, "/jobArn", ":model-import-job/", 0},
        STEP("ListTagsForResource", "POST", TAGS, "{\"resourceARN\":\"$0\"}", 200, "/tags/0/value", "job"),
        GET("ListImportedModels", IMPORTED "?nameContains=fresh", 200, "/modelSummaries/0/modelName", "fresh"),
        STEP("DeleteImportedModel", "DELETE", IMPORTED "/fresh", "", 200, NULL, NULL),
        GET("GetImportedModel", IMPORTED "/fresh", 404, NULL, NULL),
        GET("GetModelImportJob", JOBS "/j1", 200, "/status", "Completed"),
        STEP("CreateModelImportJob", "POST", JOBS, IMPORT("j3", "fresh", ""), 201, NULL, NULL),
    };
    take_steps(steps, COUNT_OF(steps));
}

/* The ARN of an imported model is in no answer to Create: by the job, when it is done. */
static void an_imported_model_answers(void)
{
    static const struct step steps[] = {
        STEP("CreateModelImportJob", "POST", JOBS,
             IMPORT("j1", "fresh", ",\"importedModelTags\":[{\"key\":\"k\",\"value\":\"model\"}]"), 201, NULL, NULL),
    };
    struct note note = {""};
    struct run run = {.api = api_load(&note)};
    run.mock = rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT, .models = MOCK_MODELS_KNOWN});
    take_step(&run, &steps[0]);
    clock_advance_ms(&run.mock->clock, CONTROL_IMPORT_MS);
    CLEANUP(reply_release)
    struct reply job = fetch(mock_port(run.mock), "GET", JOBS "/j1", "", NULL, &usual_key);
    (void)snprintf(run.arns[0], sizeof run.arns[0], "%s", text_at(job.json, "/importedModelArn"));
    static const struct step after[] = {
        CONVERSE_WITH("$0", 200, "/output/message/role", "assistant"),
        STEP("ListTagsForResource", "POST", TAGS, "{\"resourceARN\":\"$0\"}", 200, "/tags/0/value", "model"),
        STEP("DeleteImportedModel", "DELETE", IMPORTED "/$0", "", 200, NULL, NULL),
        CONVERSE_WITH("$0", 400, "/message", "identifier is invalid"),
    };
    for (size_t i = 0; i < COUNT_OF(after); i++)
        take_step(&run, &after[i]);
    rig_stop(&run.mock);
    api_free(run.api);
}

static void the_catalogue_comes_back_with_a_reset(void)
{
    static const struct step before[] = {
        {0, "CreateProvisionedModelThroughput", "POST", PROVISION, BUY("mine", HAIKU_ARN, ""), 201, NULL, NULL, 0},
        STEP("DeleteImportedModel", "DELETE", IMPORTED "/our-llama", "", 200, NULL, NULL),
        STEP("DeleteImportedModel", "DELETE", IMPORTED "/our-llama", "", 404, NULL, NULL),
        CONVERSE_WITH("arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aimported-model%2Fimp012345678", 400, "/message",
                      "identifier is invalid"),
        STEP("DeleteProvisionedModelThroughput", "DELETE", PROVISION "/haiku-reserved", "", 400, "/message",
             "before its commitment ends, which is 2027-01-15T09:00:00Z"),
        STEP("UpdateProvisionedModelThroughput", "PATCH", PROVISION "/support-tone-reserved",
             "{\"desiredProvisionedModelName\":\"other\"}", 200, NULL, NULL),
        GET("GetProvisionedModelThroughput", PROVISION "/support-tone-reserved", 404, NULL, NULL),
        STEP("DeleteProvisionedModelThroughput", "DELETE", PROVISION "/other", "", 200, NULL, NULL),
        GET("GetProvisionedModelThroughput", PROVISION "/pmt012345678", 404, NULL, NULL),
    };
    static const struct step after[] = {
        GET("GetImportedModel", IMPORTED "/our-llama", 200, "/modelName", "our-llama"),
        GET("GetProvisionedModelThroughput", PROVISION "/support-tone-reserved", 200, "/status", "InService"),
        GET("GetProvisionedModelThroughput", PROVISION "/mine", 404, NULL, NULL),
        CONVERSE_WITH("$0", 400, "/message", "identifier is invalid"),
    };
    struct note note = {""};
    struct run run = {.api = api_load(&note)};
    run.mock =
        rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT, .models = MOCK_MODELS_KNOWN, .clock_offset_ms = 0});
    for (size_t i = 0; i < COUNT_OF(before); i++)
        take_step(&run, &before[i]);
    CLEANUP(reply_release) struct reply kept = admin(run.mock, "POST", "/reset", "{\"keep\":[\"control\"]}");
    take_step(&run, &before[2]);
    CLEANUP(reply_release) struct reply reset = admin(run.mock, "POST", "/reset", "");
    CU_ASSERT(kept.status == 200 && reset.status == 200);
    for (size_t i = 0; i < COUNT_OF(after); i++)
        take_step(&run, &after[i]);
    rig_stop(&run.mock);
    api_free(run.api);
}

static void regions_and_accounts_keep_their_own(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.models = MOCK_MODELS_KNOWN});
    struct key paris = usual_key;
    paris.region = "eu-west-3";
    CLEANUP(reply_release) struct reply made = ask(m, PROVISION, BUY("mine", HAIKU_ARN, ""));
    CLEANUP(reply_release)
    struct reply gone = fetch(mock_port(m), "DELETE", IMPORTED "/our-llama", "", NULL, &usual_key);
    CLEANUP(reply_release) struct reply other = fetch(mock_port(m), "GET", PROVISION "/mine", "", NULL, &paris);
    CLEANUP(reply_release) struct reply there = fetch(mock_port(m), "GET", IMPORTED "/our-llama", "", NULL, &paris);
    CLEANUP(reply_release)
    struct reply same = fetch(mock_port(m), "POST", PROVISION, BUY("mine", HAIKU_ARN, ""), NULL, &paris);
    CU_ASSERT(made.status == 201 && gone.status == 200);
    CU_ASSERT(other.status == 404 && there.status == 200 && same.status == 201);
    CU_ASSERT(strstr(text_at(same.json, "/provisionedModelArn"), "arn:aws:bedrock:eu-west-3:") != NULL);
}

static void make_until_full(struct mock *m, const char *path, const char *form, int made)
{
    int status = made;
    for (int i = 0; i <= CONTROL_KEPT_MAX && status == made; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", i);
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        for (const char *at = form; *at != '\0'; at++)
            if (at[0] == '%' && at[1] == 'd') {
                buf_adds(&body, number);
                at++;
            } else {
                buf_addc(&body, *at);
            }
        CLEANUP(reply_release) struct reply r = ask(m, path, buf_text(&body));
        status = r.status;
        CLAIM(status == (i < CONTROL_KEPT_MAX ? made : 400), "%s, the %dth: %s", path, i, buf_text(&r.body));
        if (status != made)
            CU_ASSERT(strncmp(header(&r, "x-amzn-ErrorType"), "ServiceQuotaExceededException", 29) == 0);
    }
}

static void what_is_kept_has_a_ceiling(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.journal_bytes = MOCK_JOURNAL_OFF});
    CLEANUP(buf_release) struct buf tags = BUF_INIT(BUF_ANY);
    buf_adds(&tags, "{\"provisionedModelName\":\"t\",\"modelId\":\"" HAIKU_ARN "\",\"modelUnits\":1,\"tags\":[");
    for (int i = 0; i <= CONTROL_TAGS_MAX; i++)
        buf_addf(&tags, "%s{\"key\":\"k%d\",\"value\":\"v\"}", i > 0 ? "," : "", i);
    buf_adds(&tags, "]}");
    CLEANUP(reply_release) struct reply many = ask(m, PROVISION, buf_text(&tags));
    CU_ASSERT(many.status == 400 && strncmp(header(&many, "x-amzn-ErrorType"), "TooManyTagsException", 20) == 0);
    make_until_full(m, NEW_CUSTOM, CUSTOM("n%d", "m%d", ""), 202);
    make_until_full(m, JOBS, IMPORT("n%d", "m%d", ""), 201); /* here what they bring is full first */
    clock_advance_ms(&m->clock, CONTROL_IMPORT_MS);
    CLEANUP(reply_release)
    struct reply full = fetch(mock_port(m), "DELETE", IMPORTED "/our-llama", "", NULL, &usual_key);
    CLEANUP(reply_release) struct reply one = fetch(mock_port(m), "DELETE", IMPORTED "/m7", "", NULL, &usual_key);
    CLEANUP(reply_release)
    struct reply room = fetch(mock_port(m), "DELETE", IMPORTED "/our-llama", "", NULL, &usual_key);
    CLAIM(full.status == 400 && one.status == 200 && room.status == 200, "%d %d %d", full.status, one.status,
          room.status);
}

struct stress {
    struct mock *mock;
    pthread_t thread;
    int wins;
};

/* All want the same names; one gets each. */
static void *want_names(void *p)
{
    struct stress *s = p;
    for (int i = 0; i < 20; i++) {
        char body[512];
        (void)snprintf(body, sizeof body, BUY("n%d", HAIKU_ARN, ""), i);
        CLEANUP(reply_release) struct reply r = ask(s->mock, PROVISION, body);
        CLEANUP(reply_release)
        struct reply list = fetch(mock_port(s->mock), "GET", PROVISIONS, "", NULL, &usual_key);
        s->wins += r.status == 201;
        if (r.status != 201 && (r.status != 400 || list.status != 200))
            s->wins += 1000;
    }
    return NULL;
}

static void a_name_is_given_once(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.workers = 2});
    struct stress threads[4];
    int wins = 0;
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        threads[i] = (struct stress){.mock = m};
        if (pthread_create(&threads[i].thread, NULL, want_names, &threads[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        (void)pthread_join(threads[i].thread, NULL);
        wins += threads[i].wins;
    }
    CLAIM(wins == 20, "%d names were given", wins);
}

static void policies_are_about_arns(void)
{
    static const char policy[] =
        "{\"statements\":[{\"effect\":\"Allow\",\"actions\":[\"*\"],\"resources\":[\"*\"]},"
        "{\"effect\":\"Deny\",\"actions\":[\"bedrock:DeleteImportedModel\"],\"resources\":[\"*:imported-model/"
        "imp012345678\"]},"
        "{\"effect\":\"Deny\",\"actions\":[\"bedrock:CreateProvisionedModelThroughput\"],"
        "\"resources\":[\"arn:aws:bedrock:*::foundation-model/anthropic.*\",\"" ROUTER "\"]},"
        "{\"effect\":\"Deny\",\"actions\":[\"bedrock:CreateCustomModelDeployment\"],\"resources\":[\"" TUNED "\"]},"
        "{\"effect\":\"Deny\",\"actions\":[\"bedrock:DeleteProvisionedModelThroughput\"],"
        "\"resources\":[\"*:provisioned-model/pmt012345678\"]}]}";
    static const struct {
        const char *method, *path, *body;
        int status;
    } rows[] = {
        {"DELETE", IMPORTED "/our-llama", "", 403}, /* a name, and the policy says the ARN */
        {"DELETE", IMPORTED "/our-mistral", "", 200},
        {"POST", PROVISION, BUY("a", "anthropic.claude-3-haiku-20240307-v1:0", ""), 403},
        {"POST", PROVISION, BUY("a", "amazon.nova-lite-v1:0", ""), 201},
        {"POST", PROVISION, BUY("b", "router-small", ""), 403},
        {"POST", PROVISION, BUY("b", "support-tone", ""), 201},
        {"POST", DEPLOYMENTS, DEPLOY("a", TUNED, ""), 403},
        {"POST", DEPLOYMENTS, DEPLOY("a", ROUTER, ""), 202},
        {"DELETE", PROVISION "/support-tone-reserved", "", 403},
        {"POST", NEW_CUSTOM, CUSTOM("a", "x", ""), 202},
    };
    char name[] = "/tmp/mohs-policy-XXXXXX";
    int fd = mkstemp(name);
    CU_ASSERT(fd >= 0 && write(fd, policy, sizeof policy - 1) == (ssize_t)sizeof policy - 1);
    (void)close(fd);
    CLEANUP(rig_stop)
    struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT, .policy_file = name});
    (void)unlink(name);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release)
        struct reply r = fetch(mock_port(m), rows[i].method, rows[i].path, rows[i].body, NULL, &usual_key);
        CLAIM(r.status == rows[i].status, "%s %s: %d %s", rows[i].method, rows[i].path, r.status, buf_text(&r.body));
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"provisioned throughput lives by the clock", provisioned_throughput_lives_by_the_clock},
        {"a commitment holds until its end", a_commitment_holds_until_its_end},
        {"throughput is bought for models that have it", throughput_is_bought_for_models_that_have_it},
        {"a custom model is made, deployed and deleted", a_custom_model_is_made_deployed_and_deleted},
        {"an import brings its model when it is done", an_import_brings_its_model_when_it_is_done},
        {"an imported model answers", an_imported_model_answers},
        {"the catalogue comes back with a reset", the_catalogue_comes_back_with_a_reset},
        {"regions and accounts keep their own", regions_and_accounts_keep_their_own},
        {"what is kept has a ceiling", what_is_kept_has_a_ceiling},
        {"a name is given once", a_name_is_given_once},
        {"policies are about ARNs", policies_are_about_arns},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_control_make", tests);
}
