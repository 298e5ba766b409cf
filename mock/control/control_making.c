/* control_making.c: what is particular about each thing that can be made: a row, and what its request does not say.
 *
 * Weights are never read. A custom model made of weights is of the foundation model whose id stands in the place they
 * come from, and of BASE_OTHERWISE when none does; an imported one hides its model (control_model_of), as those of the
 * catalogue do.
 */
#include "mock/control/control_make.h"

#define BASE_OTHERWISE  "amazon.nova-micro-v1:0"
#define ARCHITECTURE    "llama3"
#define IMPORTED_MODELS "importedModels"

/* The catalogue's resources may be a user's file, which need not say everything. */
static const char *text_of(const cJSON *item, const char *key)
{
    const char *text = json_str(item, key);
    return text != NULL ? text : "";
}

static void set_model_arn(const struct visit *v, cJSON *item, const char *key, const char *id)
{
    CLEANUP(buf_release) struct buf arn = BUF_INIT(BUF_ANY);
    buf_adds(&arn, "arn:aws:bedrock:");
    visit_region(v, &arn);
    buf_addf(&arn, "::foundation-model/%s", id);
    (void)json_set_string(item, key, buf_text(&arn));
}

static struct plan *no_model(struct visit *v, const char *id)
{
    return control_refuse(v, "ResourceNotFoundException", "Could not find the model %s in this account and Region.",
                          id);
}

static bool is_ready(const cJSON *custom)
{
    const char *status = json_str(custom, "modelStatus"); /* the catalogue need not say */
    return status == NULL || strcmp(status, "Active") == 0;
}

static struct plan *not_ready(struct visit *v, const char *id)
{
    return control_refuse(v, "ValidationException", "The custom model %s is not Active yet.", id);
}

/* ---- provisioned throughput ---- */

/* Throughput is bought for a context length too: "anthropic.claude-3-haiku-20240307-v1:0:48k". */
static const struct model *foundation_of(const struct visit *v, const char *id)
{
    CLEANUP(buf_release) struct buf plain = BUF_INIT(MODEL_ID_MAX);
    const char *colon = strrchr(id, ':');
    struct model_ref ref = models_resolve(v->mock->models, id, true);
    if (ref.kind == MODEL_ID_PLAIN || colon == NULL || id[strlen(id) - 1] != 'k')
        return ref.kind == MODEL_ID_PLAIN ? ref.row : NULL;
    buf_add(&plain, (struct span){(const unsigned char *)id, (size_t)(colon - id)});
    ref = models_resolve(v->mock->models, buf_text(&plain), true);
    return ref.kind == MODEL_ID_PLAIN ? ref.row : NULL;
}

/* modelArn, desiredModelArn and foundationModelArn of what the request names. */
static struct plan *name_models(struct visit *v, const char *id, cJSON *item)
{
    const struct model *m = id != NULL ? foundation_of(v, id) : NULL;
    const char *slash = id != NULL ? strrchr(id, '/') : NULL;
    if (m != NULL && !m->provisioned)
        return control_refuse(v, "ValidationException", "Provisioned Throughput is not supported for the model %s.",
                              m->id);
    if (m != NULL) {
        set_model_arn(v, item, "modelArn", slash != NULL ? slash + 1 : id);
        set_model_arn(v, item, "foundationModelArn", m->id);
    } else {
        CLEANUP(json_free)
        cJSON *custom = id != NULL ? control_find(v, control_collection("GetCustomModel"), id) : NULL;
        if (custom == NULL)
            return no_model(v, id != NULL ? id : "");
        if (!is_ready(custom))
            return not_ready(v, id);
        (void)json_set_string(item, "modelArn", json_str(custom, "modelArn"));
        if (json_str(custom, "baseModelArn") != NULL)
            (void)json_set_string(item, "foundationModelArn", json_str(custom, "baseModelArn"));
        else
            set_model_arn(v, item, "foundationModelArn", BASE_OTHERWISE);
    }
    (void)json_set_string(item, "desiredModelArn", json_str(item, "modelArn"));
    return NULL;
}

static struct plan *complete_provisioned(struct visit *v, cJSON *item, cJSON *during)
{
    (void)during;
    const char *term = json_str(v->body, "commitmentDuration");
    int64_t months = term == NULL ? 0 : strcmp(term, "SixMonths") == 0 ? 6 : 1;
    (void)json_set(item, "desiredModelUnits", cJSON_Duplicate(json_member(item, "modelUnits"), true));
    if (months > 0)
        control_set_time(item, "commitmentExpirationTime", clock_ms(&v->mock->clock) + months * CONTROL_MONTH_MS);
    return name_models(v, json_str(v->body, "modelId"), item);
}

/* Only throughput of a custom model can get another: one of the same base, or the base itself (the API reference of
 * UpdateProvisionedModelThroughput). */
static struct plan *exchange_models(struct visit *v, const char *id, cJSON *item, cJSON *during)
{
    CLEANUP(buf_release) struct buf old = BUF_INIT(BUF_ANY), base = BUF_INIT(BUF_ANY);
    buf_adds(&old, text_of(item, "modelArn"));
    buf_adds(&base, text_of(item, "foundationModelArn"));
    if (strstr(buf_text(&old), ":custom-model/") == NULL)
        return control_refuse(v, "ValidationException",
                              "The model can only be changed when it is a custom model, and this is %s.",
                              buf_text(&old));
    struct plan *refused = name_models(v, id, item);
    if (refused != NULL)
        return refused;
    if (strcmp(text_of(item, "foundationModelArn"), buf_text(&base)) != 0)
        return control_refuse(v, "ValidationException", "%s is not of the same base model as %s.", id, buf_text(&old));
    (void)json_set_string(during, "status", "Updating");
    (void)json_set_string(during, "modelArn", buf_text(&old));
    return NULL;
}

static struct plan *change_provisioned(struct visit *v, cJSON *item, cJSON *during)
{
    const char *name = json_str(v->body, "desiredProvisionedModelName"), *model = json_str(v->body, "desiredModelId");
    CLEANUP(json_free) cJSON *other = name != NULL ? control_find(v, control_collection(v->operation), name) : NULL;
    if (other != NULL && strcmp(text_of(other, "provisionedModelArn"), text_of(item, "provisionedModelArn")) != 0)
        return control_refuse(v, "ValidationException", "The name %s is in use already.", name);
    if (name != NULL)
        (void)json_set_string(item, "provisionedModelName", name);
    return model != NULL ? exchange_models(v, model, item, during) : NULL;
}

static struct plan *hold_commitment(struct visit *v, const cJSON *item)
{
    int64_t until = 0;
    const char *text = json_str(item, "commitmentExpirationTime");
    if (text == NULL || !control_time(text, &until) || until <= clock_ms(&v->mock->clock))
        return NULL;
    return control_refuse(v, "ConflictException", "It cannot be deleted before its commitment ends, which is %s.",
                          text);
}

const struct making control_provisioned = {
    .create = "CreateProvisionedModelThroughput",
    .update = "UpdateProvisionedModelThroughput",
    .remove = "DeleteProvisionedModelThroughput",
    .many = "provisioned models",
    .tags = "tags",
    .resource = "provisioned-model/",
    .making = "Creating",
    .made = "InService",
    .status = "status",
    .modified = "lastModifiedTime",
    .takes_ms = CONTROL_PROVISION_MS,
    .copied = {"provisionedModelName", "modelUnits", "commitmentDuration"},
    .complete = complete_provisioned,
    .change = change_provisioned,
    .holds = hold_commitment,
};

/* ---- custom models ---- */

/* The longest id of the catalogue in that text. */
static const char *base_in(const struct visit *v, const char *text)
{
    const char *best = "";
    for (size_t i = 0; i < models_count(v->mock->models); i++) {
        const char *id = models_at(v->mock->models, i)->id;
        size_t n = strcspn(id, ":"); /* a place in a bucket hardly says the version */
        CLEANUP(buf_release) struct buf stem = BUF_INIT(MODEL_ID_MAX);
        buf_add(&stem, (struct span){(const unsigned char *)id, n});
        if (n > strcspn(best, ":") && strstr(text, buf_text(&stem)) != NULL)
            best = id;
    }
    return *best != '\0' ? best : BASE_OTHERWISE;
}

static struct plan *complete_custom(struct visit *v, cJSON *item, cJSON *during)
{
    (void)during;
    const cJSON *s3 = json_at(v->body, "/modelSourceConfig/s3DataSource/s3Uri");
    const cJSON *package = json_at(v->body, "/customModelDataSource/modelPackageArnDataSource/modelPackageArn");
    const cJSON *from = s3 != NULL ? s3 : package;
    if (!cJSON_IsString(from))
        return control_refuse(v, "ValidationException",
                              "Either modelSourceConfig or customModelDataSource says where the model comes from.");
    set_model_arn(v, item, "baseModelArn", base_in(v, from->valuestring));
    (void)json_set_string(item, "customizationType", "IMPORTED");
    return NULL;
}

/* What a custom model is behind stays: provisioned throughput and deployments. */
static struct plan *hold_users(struct visit *v, const cJSON *item)
{
    static const char *const users[][2] = {{"GetProvisionedModelThroughput", "modelArn"},
                                           {"GetProvisionedModelThroughput", "desiredModelArn"},
                                           {"GetCustomModelDeployment", "modelArn"}};
    const char *arn = text_of(item, "modelArn");
    for (size_t i = 0; i < COUNT_OF(users); i++) {
        const struct collection *c = control_collection(users[i][0]);
        CLEANUP(json_free) cJSON *list = cJSON_CreateArray();
        const cJSON *user;
        if (list == NULL || !control_gather_resources(v, c->resource, list))
            return NULL;
        cJSON_ArrayForEach(user, list)
        {
            const char *its = json_str(user, users[i][1]);
            if (its != NULL && strcmp(its, arn) == 0)
                return control_refuse(v, "ConflictException", "The custom model is in use by %s.",
                                      text_of(user, c->ids[0]));
        }
    }
    return NULL;
}

const struct making control_customs = {
    .create = "CreateCustomModel",
    .remove = "DeleteCustomModel",
    .many = "custom models",
    .tags = "modelTags",
    .resource = "custom-model/imported/",
    .making = "Creating",
    .made = "Active",
    .status = "modelStatus",
    .takes_ms = CONTROL_CUSTOM_MS,
    .conflicts = true,
    .copied = {"modelName", "modelKmsKeyArn"},
    .complete = complete_custom,
    .holds = hold_users,
};

/* ---- deployments of custom models ---- */

static struct plan *check_deployed(struct visit *v, const char *arn)
{
    CLEANUP(json_free) cJSON *custom = arn != NULL ? control_find(v, control_collection("GetCustomModel"), arn) : NULL;
    if (custom == NULL)
        return no_model(v, arn != NULL ? arn : "");
    return is_ready(custom) ? NULL : not_ready(v, arn);
}

static struct plan *complete_deployment(struct visit *v, cJSON *item, cJSON *during)
{
    (void)item;
    (void)during;
    return check_deployed(v, json_str(v->body, "modelArn"));
}

static cJSON *update_details(const char *arn, const char *status)
{
    cJSON *out = cJSON_CreateObject();
    (void)json_set_string(out, "modelArn", arn);
    (void)json_set_string(out, "updateStatus", status);
    return out;
}

static struct plan *change_deployment(struct visit *v, cJSON *item, cJSON *during)
{
    const char *arn = json_str(v->body, "modelArn");
    struct plan *refused = check_deployed(v, arn);
    if (refused != NULL)
        return refused;
    (void)json_set_string(during, "modelArn", text_of(item, "modelArn"));
    (void)json_set(during, "updateDetails", update_details(arn, "Updating"));
    (void)json_set(item, "updateDetails", update_details(arn, "UpdateCompleted"));
    (void)json_set_string(item, "modelArn", arn);
    return NULL;
}

const struct making control_deployments = {
    .create = "CreateCustomModelDeployment",
    .update = "UpdateCustomModelDeployment",
    .remove = "DeleteCustomModelDeployment",
    .many = "custom model deployments",
    .tags = "tags",
    .resource = "custom-model-deployment/",
    .making = "Creating",
    .made = "Active",
    .status = "status",
    .modified = "lastUpdatedAt",
    .takes_ms = CONTROL_DEPLOY_MS,
    .copied = {"modelDeploymentName", "modelArn", "description"},
    .complete = complete_deployment,
    .change = change_deployment,
};

/* ---- import jobs, and the models they bring ---- */

static struct plan *complete_import(struct visit *v, cJSON *item, cJSON *during)
{
    const char *name = json_str(v->body, "importedModelName");
    CLEANUP(json_free)
    cJSON *there = name != NULL ? control_find(v, control_collection("GetImportedModel"), name) : NULL;
    if (there != NULL)
        return control_refuse(v, "ConflictException", "An imported model with the name %s exists already.", name);
    const char *key = json_str(v->body, "importedModelKmsKeyId");
    if (key != NULL && strncmp(key, "arn:", 4) == 0)
        (void)json_set_string(item, "importedModelKmsKeyArn", key);
    control_set_time(item, "endTime", clock_ms(&v->mock->clock) + CONTROL_IMPORT_MS);
    (void)json_set(during, "endTime", cJSON_CreateNull());
    (void)json_set(during, "importedModelArn", cJSON_CreateNull());
    return NULL;
}

static cJSON *imported_model(struct visit *v, const cJSON *job, const char *arn)
{
    cJSON *out = cJSON_CreateObject(), *units = cJSON_CreateObject();
    int64_t ready = clock_ms(&v->mock->clock) + CONTROL_IMPORT_MS;
    cJSON *own = control_own(ready, cJSON_CreateObject(), true);
    (void)json_set_int(own, "from_ms", ready);
    (void)json_set_string(out, "modelArn", arn);
    (void)json_set_string(out, "modelName", json_str(job, "importedModelName"));
    (void)json_set_string(out, "jobName", json_str(job, "jobName"));
    (void)json_set_string(out, "jobArn", json_str(job, "jobArn"));
    (void)json_set(out, "modelDataSource", cJSON_Duplicate(json_member(job, "modelDataSource"), true));
    control_set_time(out, "creationTime", ready);
    if (json_str(job, "importedModelKmsKeyArn") != NULL)
        (void)json_set_string(out, "modelKmsKeyArn", json_str(job, "importedModelKmsKeyArn"));
    (void)json_set_string(out, "modelArchitecture", ARCHITECTURE);
    (void)json_set(out, "instructSupported", cJSON_CreateTrue());
    (void)json_set_int(units, "customModelUnitsPerModelCopy", 1);
    (void)json_set_string(units, "customModelUnitsVersion", "v1.0");
    (void)json_set(out, "customModelUnits", units);
    (void)json_set(out, KEPT_OWN, own);
    return out;
}

static enum err beget_model(struct visit *v, cJSON *job, struct buf *arn)
{
    struct control *c = v->mock->control;
    const char *name = json_str(job, "importedModelName");
    cJSON *list = control_kept_list(c, IMPORTED_MODELS);
    char id[CONTROL_ID];
    if (list == NULL)
        return ERR_NOMEM;
    if (name == NULL || control_kept_find(v, IMPORTED_MODELS, "modelName", name) != NULL)
        return ERR_INVALID;
    if (cJSON_GetArraySize(list) >= CONTROL_KEPT_MAX)
        return ERR_LIMIT;
    control_make_id(c, v->mock->config.seed, id);
    control_arn_start(v, arn);
    buf_addf(arn, "imported-model/%s", id);
    (void)json_set_string(job, "importedModelArn", buf_text(arn));
    return cJSON_AddItemToArray(list, imported_model(v, job, buf_text(arn))) ? OK : ERR_NOMEM;
}

const struct making control_imports = {
    .create = "CreateModelImportJob",
    .many = "import jobs, and models that they bring",
    .tags = "jobTags",
    .resource = "model-import-job/",
    .making = "InProgress",
    .made = "Completed",
    .status = "status",
    .modified = "lastModifiedTime",
    .takes_ms = CONTROL_IMPORT_MS,
    .conflicts = true,
    .copied = {"jobName", "importedModelName", "roleArn", "modelDataSource", "vpcConfig"},
    .complete = complete_import,
    .begets = beget_model,
    .heir = IMPORTED_MODELS,
    .heir_tags = "importedModelTags",
};

const struct making control_imports_made = {
    .remove = "DeleteImportedModel",
    .many = "imported models",
};
