/* authorize.c: which action on which resource a request is, and what IAM says to that.
 *
 * Names of actions are those of the Service Authorization Reference: several operations share bedrock:InvokeModel. An
 * inference profile is its own resource; permission on the model behind it is not asked for. The texts are rows of
 * errors.json.
 */
#include "mock/compat/compat.h"
#include "mock/control/control.h"
#include "mock/identity/policy.h"
#include "mock/surface.h"

/* Operations whose action or resource is not told by their name and modelId. */
static const struct action_row {
    const char *operation, *action; /* NULL: needs no permission */
    const char *label, *kind;       /* label or member that names the resource, and its kind in an ARN */
} rows[] = {
    {"Converse", "bedrock:InvokeModel", NULL, NULL},
    {"ConverseStream", "bedrock:InvokeModelWithResponseStream", NULL, NULL},
    {"InvokeModelWithBidirectionalStream", "bedrock:InvokeModel", NULL, NULL},
    {"StartAsyncInvoke", "bedrock:InvokeModel", NULL, NULL},
    {"ChatCompletions", "bedrock:InvokeModel", NULL, NULL},
    {"Responses", "bedrock:InvokeModel", NULL, NULL},
    {"Messages", "bedrock:InvokeModel", NULL, NULL},
    {"MantleChatCompletions", "bedrock-mantle:CreateInference", NULL, NULL},
    {"MantleResponses", "bedrock-mantle:CreateInference", NULL, NULL},
    {"MantleGetResponse", "bedrock-mantle:GetInference", NULL, NULL},
    {"MantleDeleteResponse", "bedrock-mantle:DeleteInference", NULL, NULL},
    {"MantleCancelResponse", "bedrock-mantle:CancelInference", NULL, NULL},
    {"MantleMessages", "bedrock-mantle:CreateInference", NULL, NULL},
    {"MantleCountTokens", "bedrock-mantle:CountTokens", NULL, NULL},
    {"MantleListModels", "bedrock-mantle:ListModels", NULL, NULL},
    {"MantleGetModel", "bedrock-mantle:GetModel", NULL, NULL},
    {"ApplyGuardrail", "bedrock:ApplyGuardrail", "guardrailIdentifier", "guardrail"},
    {"GetGuardrail", "bedrock:GetGuardrail", "guardrailIdentifier", "guardrail"},
    {"GetAsyncInvoke", "bedrock:GetAsyncInvoke", "invocationArn", "async-invoke"},
    {"GetFoundationModel", "bedrock:GetFoundationModel", "modelIdentifier", ":foundation-model"},
    {"GetInferenceProfile", "bedrock:GetInferenceProfile", "inferenceProfileIdentifier", "inference-profile"},
    {"GetProvisionedModelThroughput", "bedrock:GetProvisionedModelThroughput", "provisionedModelId",
     "provisioned-model"},
    {"CreateProvisionedModelThroughput", "bedrock:CreateProvisionedModelThroughput", "modelId", ":foundation-model"},
    {"UpdateProvisionedModelThroughput", "bedrock:UpdateProvisionedModelThroughput", "provisionedModelId",
     "provisioned-model"},
    {"DeleteProvisionedModelThroughput", "bedrock:DeleteProvisionedModelThroughput", "provisionedModelId",
     "provisioned-model"},
    {"GetCustomModel", "bedrock:GetCustomModel", "modelIdentifier", "custom-model"},
    {"DeleteCustomModel", "bedrock:DeleteCustomModel", "modelIdentifier", "custom-model"},
    {"CreateCustomModelDeployment", "bedrock:CreateCustomModelDeployment", "modelArn", "custom-model"},
    {"GetCustomModelDeployment", "bedrock:GetCustomModelDeployment", "customModelDeploymentIdentifier",
     "custom-model-deployment"},
    {"UpdateCustomModelDeployment", "bedrock:UpdateCustomModelDeployment", "customModelDeploymentIdentifier",
     "custom-model-deployment"},
    {"DeleteCustomModelDeployment", "bedrock:DeleteCustomModelDeployment", "customModelDeploymentIdentifier",
     "custom-model-deployment"},
    {"GetImportedModel", "bedrock:GetImportedModel", "modelIdentifier", "imported-model"},
    {"DeleteImportedModel", "bedrock:DeleteImportedModel", "modelIdentifier", "imported-model"},
    {"GetModelImportJob", "bedrock:GetModelImportJob", "jobIdentifier", "model-import-job"},
    {"DeleteInferenceProfile", "bedrock:DeleteInferenceProfile", "inferenceProfileIdentifier", "inference-profile"},
    {"AssumeRole", "sts:AssumeRole", "RoleArn", ""},
    {"AssumeRoleWithWebIdentity", NULL, NULL, NULL}, /* the caller is nobody: the role's trust decides */
    {"GetCallerIdentity", NULL, NULL, NULL},         /* can be denied to nobody */
    {"GetSessionToken", NULL, NULL, NULL},
};

static const struct action_row *find_row(const char *operation)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].operation, operation) == 0)
            return &rows[i];
    return NULL;
}

static const char *partition(const char *region)
{
    struct span r = span_of(region);
    return span_has_prefix(r, "us-gov-") ? "aws-us-gov" : span_has_prefix(r, "cn-") ? "aws-cn" : "aws";
}

/* An ARN stays; an id becomes one of its kind. A kind that begins with ":" has no account: it is AWS's. */
static void print_resource(const struct visit *v, const char *id, const char *kind, struct buf *out)
{
    if (span_has_prefix(span_of(id), "arn:") || kind[0] == '\0')
        buf_adds(out, id);
    else
        buf_addf(out, "arn:%s:bedrock:%s:%s:%s/%s", partition(v->caller.region), v->caller.region,
                 kind[0] == ':' ? "" : v->caller.account, kind[0] == ':' ? kind + 1 : kind, id);
}

static const char *model_of(const struct visit *v)
{
    return v->model_id != NULL ? v->model_id : json_str(v->body, "modelId");
}

static void find_resource(struct visit *v, const struct action_row *row, struct buf *out)
{
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    const char *model = model_of(v);
    if (v->compat != NULL && v->compat->mantle) { /* what is allowed there, is allowed to a project */
        buf_addf(out, "arn:%s:bedrock-mantle:%s:%s:project/default", partition(v->caller.region), v->caller.region,
                 v->caller.account);
        return;
    }
    if (row != NULL && row->label != NULL) {
        const char *member = json_str(v->body, row->label);
        if (visit_label(v, row->label, &id) != OK)
            buf_adds(&id, member != NULL ? member : "");
        control_named_arn(v, out); /* a policy is about ARNs, and a request may say a name */
        if (out->len == 0)
            print_resource(v, id.len > 0 ? buf_text(&id) : "*", row->kind, out);
    } else if (model != NULL) {
        struct model_ref ref = models_resolve(v->mock->models, model, false);
        print_resource(v, model, ref.kind == MODEL_ID_PROFILE ? "inference-profile" : ":foundation-model", out);
    } else {
        buf_adds(out, "*");
    }
}

/* ---- saying no ---- */

/* The texts speak of bedrock:ACTION; an action of another service goes by its own name. */
static void name_action(const char *action, const char *name, struct buf *text)
{
    CLEANUP(buf_release) struct buf theirs = BUF_INIT(REFUSAL_TEXT_MAX);
    CLEANUP(buf_release) struct buf out = BUF_INIT(REFUSAL_TEXT_MAX);
    buf_addf(&theirs, "bedrock:%s", name);
    const char *at = buf_text(text);
    for (const char *hit; (hit = strstr(at, buf_text(&theirs))) != NULL; at = hit + theirs.len) {
        buf_add(&out, (struct span){(const unsigned char *)at, (size_t)(hit - at)});
        buf_adds(&out, action);
    }
    buf_adds(&out, at);
    buf_reset(text);
    buf_add(text, buf_span(&out));
}

static void deny(struct visit *v, const char *action, const char *resource, enum policy_says says, const char *scp)
{
    const char *id = says == POLICY_IS_SILENT ? "iam-implicit-deny" : scp != NULL ? "scp-deny" : "iam-explicit-deny";
    struct span service, name;
    bool sts = span_has_prefix(span_of(action), "sts:");
    const struct api_text *row = api_text(v->mock->api, sts ? "sts-assume-denied" : id);
    CLEANUP(buf_release) struct buf text = BUF_INIT(REFUSAL_TEXT_MAX);
    (void)span_split(span_of(action), ':', &service, &name);
    if (row == NULL)
        return;
    api_text_format(row, &text, "principal_arn", v->caller.arn, "arn", v->caller.arn, "Action", (const char *)name.p,
                    "resource_arn", resource, "role_arn", resource, "scp_arn", scp != NULL ? scp : "", NULL);
    if (span_has_prefix(span_of(action), "bedrock-mantle:"))
        name_action(action, (const char *)name.p, &text);
    refusal_set(&v->refusal, REFUSAL_POLICY, row->type, "%s", "");
    if (v->refusal.layer != REFUSAL_POLICY)
        return;
    buf_reset(&v->refusal.text);
    buf_add(&v->refusal.text, buf_span(&text));
    v->refusal.capital_message = row->body_key != NULL && strcmp(row->body_key, "Message") == 0;
}

static void check_action(struct visit *v, const char *action, const char *resource)
{
    const char *scp;
    enum policy_says says = policy_ask(v->mock->policy, v->caller.arn, action, resource, &scp);
    if (says != POLICY_ALLOWS && v->refusal.layer == REFUSAL_NONE)
        deny(v, action, resource, says, scp);
}

/* A profile is of its model: us.anthropic.claude-x is anthropic.claude-x. */
static void check_grant(struct visit *v)
{
    const char *model = model_of(v);
    if (model == NULL || v->refusal.layer != REFUSAL_NONE)
        return;
    const char *because = policy_ungranted(v->mock->policy, model), *dot = strchr(model, '.');
    if (because == NULL && dot != NULL && models_resolve(v->mock->models, model, false).kind == MODEL_ID_PROFILE)
        because = policy_ungranted(v->mock->policy, dot + 1);
    if (because != NULL)
        visit_refuse_model(v, REFUSAL_POLICY, because);
}

void visit_authorize(struct visit *v)
{
    const struct action_row *row = find_row(v->operation);
    CLEANUP(buf_release) struct buf resource = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf action = BUF_INIT(BUF_ANY);
    if (v->refusal.layer != REFUSAL_NONE || (row != NULL && row->action == NULL))
        return;
    if (row != NULL)
        buf_addf(&action, "%s%s", row->action, v->streams && !v->compat->mantle ? "WithResponseStream" : "");
    else
        buf_addf(&action, "bedrock:%s", v->operation);
    find_resource(v, row, &resource);
    if (v->verdict.form == SIGV4_FORM_BEARER)
        check_action(v,
                     v->compat != NULL && v->compat->mantle ? "bedrock-mantle:CallWithBearerToken"
                                                            : "bedrock:CallWithBearerToken",
                     "*");
    check_action(v, buf_text(&action), buf_text(&resource));
    check_grant(v);
    if (v->refusal.layer != REFUSAL_POLICY || v->mock->config.auth == MOCK_AUTH_NONE)
        return;
    v->refuse = true;
    mock_log(v->mock, "%s %.300s refused: %s: %.600s", v->operation, v->model_id != NULL ? v->model_id : "-",
             v->refusal.type, buf_text(&v->refusal.text));
}
