/* control_list.c: the List and Get operations, which are all alike: a collection is a row that says where its items
 * come from, what they are called in the answer, which of their members a summary shows, and what can be asked for.
 *
 * The summary is cut out of the Get answer by the API model, so the two can never disagree. A page's token is the
 * position after it; it means nothing to a caller.
 */
#include "mock/control/control_make.h"

#include <stdio.h>
#include <stdlib.h>

#define TOKEN_PREFIX "mohs-page-"

#define CREATED_FILTERS(member)                                                                                        \
    {"creationTimeBefore", member, FILTER_BEFORE},                                                                     \
    {                                                                                                                  \
        "creationTimeAfter", member, FILTER_AFTER                                                                      \
    }

static const struct collection collections[] = {
    {.list = "ListInferenceProfiles",
     .get = "GetInferenceProfile",
     .items = "inferenceProfileSummaries",
     .summary = "InferenceProfileSummary",
     .label = "inferenceProfileIdentifier",
     .what = "the inference profile",
     .ids = {"inferenceProfileArn", "inferenceProfileId"},
     .created = "createdAt",
     .gather = control_gather_profiles,
     .filters = {{"type", "type", FILTER_EQUAL}}},
    {.list = "ListImportedModels",
     .get = "GetImportedModel",
     .items = "modelSummaries",
     .summary = "ImportedModelSummary",
     .label = "modelIdentifier",
     .what = "the imported model",
     .ids = {"modelArn", "modelName"},
     .created = "creationTime",
     .resource = "importedModels",
     .making = &control_imports_made,
     .filters = {CREATED_FILTERS("creationTime"), {"nameContains", "modelName", FILTER_CONTAINS}}},
    {.list = "ListModelImportJobs",
     .get = "GetModelImportJob",
     .items = "modelImportJobSummaries",
     .summary = "ModelImportJobSummary",
     .label = "jobIdentifier",
     .what = "the model import job",
     .ids = {"jobArn", "jobName"},
     .created = "creationTime",
     .resource = "modelImportJobs",
     .making = &control_imports,
     .filters = {CREATED_FILTERS("creationTime"),
                 {"nameContains", "jobName", FILTER_CONTAINS},
                 {"statusEquals", "status", FILTER_EQUAL}}},
    {.list = "ListProvisionedModelThroughputs",
     .get = "GetProvisionedModelThroughput",
     .items = "provisionedModelSummaries",
     .summary = "ProvisionedModelSummary",
     .label = "provisionedModelId",
     .what = "the provisioned model",
     .ids = {"provisionedModelArn", "provisionedModelName"},
     .created = "creationTime",
     .resource = "provisionedModels",
     .making = &control_provisioned,
     .filters = {CREATED_FILTERS("creationTime"),
                 {"nameContains", "provisionedModelName", FILTER_CONTAINS},
                 {"statusEquals", "status", FILTER_EQUAL},
                 {"modelArnEquals", "modelArn", FILTER_EQUAL}}},
    {.list = "ListCustomModels",
     .get = "GetCustomModel",
     .items = "modelSummaries",
     .summary = "CustomModelSummary",
     .label = "modelIdentifier",
     .what = "the custom model",
     .ids = {"modelArn", "modelName"},
     .created = "creationTime",
     .resource = "customModels",
     .making = &control_customs,
     .filters = {CREATED_FILTERS("creationTime"),
                 {"nameContains", "modelName", FILTER_CONTAINS},
                 {"baseModelArnEquals", "baseModelArn", FILTER_EQUAL},
                 {"foundationModelArnEquals", "baseModelArn", FILTER_EQUAL},
                 {"modelStatus", "modelStatus", FILTER_EQUAL}}},
    {.list = "ListCustomModelDeployments",
     .get = "GetCustomModelDeployment",
     .items = "modelDeploymentSummaries",
     .summary = "CustomModelDeploymentSummary",
     .label = "customModelDeploymentIdentifier",
     .what = "the custom model deployment",
     .ids = {"customModelDeploymentArn", "modelDeploymentName"},
     .created = "createdAt",
     .resource = "customModelDeployments",
     .making = &control_deployments,
     .filters = {{"createdBefore", "createdAt", FILTER_BEFORE},
                 {"createdAfter", "createdAt", FILTER_AFTER},
                 {"nameContains", "modelDeploymentName", FILTER_CONTAINS},
                 {"statusEquals", "status", FILTER_EQUAL},
                 {"modelArnEquals", "modelArn", FILTER_EQUAL}}},
    {.list = "ListPromptRouters",
     .get = "GetPromptRouter",
     .items = "promptRouterSummaries",
     .summary = "PromptRouterSummary",
     .label = "promptRouterArn",
     .what = "the prompt router",
     .ids = {"promptRouterArn"},
     .created = "createdAt",
     .resource = "promptRouters",
     .filters = {{"type", "type", FILTER_EQUAL}}},
    {.list = "ListMarketplaceModelEndpoints",
     .get = "GetMarketplaceModelEndpoint",
     .items = "marketplaceModelEndpoints",
     .summary = "MarketplaceModelEndpointSummary",
     .wrapper = "marketplaceModelEndpoint",
     .label = "endpointArn",
     .what = "the endpoint",
     .ids = {"endpointArn"},
     .created = "createdAt",
     .resource = "marketplaceModelEndpoints",
     .filters = {{"modelSourceIdentifier", "modelSourceIdentifier", FILTER_EQUAL}}},
    {.list = "ListGuardrails",
     .get = "GetGuardrail",
     .items = "guardrails",
     .summary = "GuardrailSummary",
     .label = "guardrailIdentifier",
     .what = "the guardrail",
     .ids = {"guardrailArn", "guardrailId"},
     .created = "createdAt",
     .gather = control_gather_guardrails,
     .filters = {{NULL, NULL, FILTER_EQUAL}}},
    {.list = "ListModelInvocationJobs",
     .get = "GetModelInvocationJob",
     .items = "invocationJobSummaries",
     .summary = "ModelInvocationJobSummary",
     .label = "jobIdentifier",
     .what = "the model invocation job",
     .ids = {"jobArn"},
     .created = "submitTime",
     .gather = control_gather_jobs,
     .filters = {{"submitTimeBefore", "submitTime", FILTER_BEFORE},
                 {"submitTimeAfter", "submitTime", FILTER_AFTER},
                 {"nameContains", "jobName", FILTER_CONTAINS},
                 {"statusEquals", "status", FILTER_EQUAL}}},
};

static bool is_one_of(const char *operation, const struct collection *c)
{
    const struct making *m = c->making;
    const char *const names[] = {c->list, c->get, m != NULL ? m->create : NULL, m != NULL ? m->update : NULL,
                                 m != NULL ? m->remove : NULL};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i] != NULL && strcmp(names[i], operation) == 0)
            return true;
    return false;
}

const struct collection *control_collection(const char *operation)
{
    for (size_t i = 0; i < COUNT_OF(collections); i++)
        if (is_one_of(operation, &collections[i]))
            return &collections[i];
    return NULL;
}

static cJSON *gather(struct visit *v, const struct collection *c)
{
    cJSON *list = cJSON_CreateArray();
    bool ok = list != NULL && (c->gather != NULL ? c->gather(v, list) : control_gather_resources(v, c->resource, list));
    if (!ok)
        json_free(&list);
    return list;
}

/* ---- Get ---- */

/* By an ARN, by a name, or by what stands behind the last slash of the ARN. */
static bool is_called(const struct collection *c, const cJSON *item, const char *id)
{
    for (size_t i = 0; i < COUNT_OF(c->ids) && c->ids[i] != NULL; i++) {
        const char *its = json_str(item, c->ids[i]);
        const char *slash = its != NULL ? strrchr(its, '/') : NULL;
        if (its != NULL && (strcmp(its, id) == 0 || (i == 0 && slash != NULL && strcmp(slash + 1, id) == 0)))
            return true;
    }
    return false;
}

cJSON *control_find(struct visit *v, const struct collection *c, const char *id)
{
    CLEANUP(json_free) cJSON *list = gather(v, c);
    cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (is_called(c, item, id))
            return cJSON_DetachItemViaPointer(list, item);
    }
    return NULL;
}

void control_named_arn(struct visit *v, struct buf *out)
{
    const struct collection *c = control_collection(v->operation);
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    const char *model = json_str(v->body, "modelId");
    if (c == NULL)
        return;
    if (*control_label(v, c->label, &id) == '\0' && model != NULL) { /* throughput, which may be of a custom model */
        c = control_collection("GetCustomModel");
        buf_adds(&id, model);
    }
    if (id.len == 0)
        return;
    CLEANUP(json_free) cJSON *item = control_find(v, c, buf_text(&id));
    const char *arn = json_str(item, c->ids[0]);
    buf_adds(out, arn != NULL ? arn : "");
}

struct plan *control_get(struct visit *v, const cJSON *reply)
{
    (void)reply;
    const struct collection *c = control_collection(v->operation);
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    cJSON *item = control_find(v, c, control_label(v, c->label, &id));
    if (item == NULL)
        return control_unknown(v, c->what, buf_text(&id));
    if (c->wrapper == NULL)
        return control_reply(v, item);
    cJSON *out = cJSON_CreateObject();
    (void)json_set(out, c->wrapper, item);
    return control_reply(v, out);
}

/* ---- List ---- */

static bool passes(const struct filter *f, const cJSON *item, const char *asked)
{
    const char *its = json_str(item, f->member);
    int64_t when, limit;
    if (its == NULL)
        return false;
    switch (f->how) {
    case FILTER_EQUAL:
        return strcmp(its, asked) == 0;
    case FILTER_CONTAINS:
        return strstr(its, asked) != NULL;
    case FILTER_BEFORE:
        return control_time(its, &when) && control_time(asked, &limit) && when < limit;
    case FILTER_AFTER:
        return control_time(its, &when) && control_time(asked, &limit) && when > limit;
    }
    return false;
}

static void drop_others(const struct visit *v, const struct collection *c, cJSON *list)
{
    for (size_t i = 0; i < CONTROL_FILTERS_MAX && c->filters[i].query != NULL; i++) {
        CLEANUP(buf_release) struct buf asked = BUF_INIT(BUF_ANY);
        if (*control_query(v, c->filters[i].query, &asked) == '\0')
            continue;
        for (cJSON *item = list->child, *next; item != NULL; item = next) {
            next = item->next;
            if (!passes(&c->filters[i], item, buf_text(&asked)))
                cJSON_Delete(cJSON_DetachItemViaPointer(list, item));
        }
    }
}

struct sorted {
    cJSON *item;
    const char *created;
    size_t at; /* keeps equals in order */
};

static int by_creation(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    int order = strcmp(x->created, y->created); /* one format, so text order is time order */
    return order != 0 ? order : x->at < y->at ? -1 : 1;
}

/* Only when the request asks: else the order is that of the data. */
static bool sort_items(const struct visit *v, const struct collection *c, cJSON *list)
{
    CLEANUP(buf_release) struct buf by = BUF_INIT(BUF_ANY), order = BUF_INIT(BUF_ANY);
    size_t n = (size_t)cJSON_GetArraySize(list), i = 0;
    (void)control_query(v, "sortBy", &by);
    (void)control_query(v, "sortOrder", &order);
    if ((by.len == 0 && order.len == 0) || n < 2)
        return true;
    CLEANUP(free_ptr) struct sorted *all = calloc(n, sizeof *all);
    if (all == NULL)
        return false;
    for (; list->child != NULL; i++) {
        cJSON *item = cJSON_DetachItemViaPointer(list, list->child);
        const char *created = json_str(item, c->created);
        all[i] = (struct sorted){item, created != NULL ? created : "", i};
    }
    qsort(all, n, sizeof *all, by_creation);
    bool ascending = strcmp(buf_text(&order), "Ascending") == 0;
    for (i = 0; i < n; i++)
        (void)cJSON_AddItemToArray(list, all[ascending ? i : n - 1 - i].item);
    return true;
}

bool control_token_read(const char *token, size_t *at)
{
    CLEANUP(buf_release) struct buf plain = BUF_INIT(BUF_ANY);
    unsigned long n;
    char rest;
    *at = 0;
    if (token == NULL || *token == '\0')
        return true;
    if (buf_add_unbase64(&plain, span_of(token)) != OK ||
        sscanf(buf_text(&plain), TOKEN_PREFIX "%lu%c", &n, &rest) != 1)
        return false;
    *at = n;
    return true;
}

void control_token_add(cJSON *out, size_t next)
{
    CLEANUP(buf_release) struct buf plain = BUF_INIT(64), token = BUF_INIT(128);
    buf_addf(&plain, TOKEN_PREFIX "%08zu", next); /* 18 bytes: no '=' that somebody forgets to escape */
    buf_add_base64(&token, buf_span(&plain));
    (void)json_set_string(out, "nextToken", buf_text(&token));
}

/* Where the names of the two answers differ. */
static const char *detail_name(const char *summary_name)
{
    static const char *const names[][2] = {
        {"customModelDeploymentName", "modelDeploymentName"}, {"id", "guardrailId"}, {"arn", "guardrailArn"}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(summary_name, names[i][0]) == 0)
            return names[i][1];
    return summary_name;
}

/* "Micro" of "arn:...:foundation-model/amazon.nova-micro-v1:0". */
static void add_base_name(const struct visit *v, cJSON *item)
{
    const char *arn = json_str(item, "baseModelArn");
    struct model_ref ref =
        arn != NULL ? models_resolve(v->mock->models, arn, true) : (struct model_ref){MODEL_ID_INVALID, NULL, NULL};
    CLEANUP(free_ptr) char *name = strdup(ref.row != NULL ? ref.row->id : "custom.model");
    if (name != NULL)
        name[strcspn(name, ":")] = '\0';
    (void)json_set_string(item, "baseModelName", name);
    (void)json_set_string(item, "ownerAccountId", visit_account(v));
}

static cJSON *summary_of(const struct visit *v, const struct collection *c, cJSON *item)
{
    const struct shape *shape = api_shape(v->mock->api, c->summary);
    cJSON *out = cJSON_CreateObject();
    if (strcmp(c->summary, "CustomModelSummary") == 0)
        add_base_name(v, item);
    for (size_t i = 0; shape != NULL && i < shape->member_count; i++) {
        const cJSON *member = json_member(item, detail_name(shape->members[i].name));
        if (member != NULL)
            (void)json_set(out, shape->members[i].name, cJSON_Duplicate(member, true));
    }
    return out;
}

struct plan *control_list(struct visit *v, const cJSON *reply)
{
    (void)reply;
    const struct collection *c = control_collection(v->operation);
    size_t at, i = 0, shown = 0;
    CLEANUP(buf_release) struct buf token = BUF_INIT(BUF_ANY);
    if (!control_token_read(control_query(v, "nextToken", &token), &at))
        return control_refuse(v, "ValidationException", "The provided nextToken is invalid.");
    CLEANUP(buf_release) struct buf most = BUF_INIT(BUF_ANY);
    size_t page = (size_t)strtoul(control_query(v, "maxResults", &most), NULL, 10);
    page = page == 0 || page > CONTROL_PAGE ? CONTROL_PAGE : page;
    CLEANUP(json_free) cJSON *list = gather(v, c);
    if (list == NULL)
        return NULL;
    drop_others(v, c, list);
    if (!sort_items(v, c, list))
        return NULL;
    cJSON *out = cJSON_CreateObject(), *items = json_set(out, c->items, cJSON_CreateArray()), *item;
    size_t total = (size_t)cJSON_GetArraySize(list);
    cJSON_ArrayForEach(item, list)
    {
        if (i++ < at || shown == page)
            continue;
        (void)cJSON_AddItemToArray(items, summary_of(v, c, item));
        shown++;
    }
    if (at + shown < total)
        control_token_add(out, at + shown);
    return control_reply(v, out);
}
