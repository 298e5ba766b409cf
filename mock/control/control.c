/* control.c: what the control plane keeps, and the small operations on it: tags, the logging configuration.
 *
 * State is cJSON trees behind one lock: these requests come once in a while, and a tree is what they answer with. What
 * is handed out is always a copy, so nothing is read outside the lock.
 */
#include "mock/control/control_kept.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mock/admin/admin.h"
#include "mock/runtime/async.h"
#include "mock/surface.h"

struct control *control_new(const struct models *models)
{
    struct control *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    (void)pthread_mutex_init(&c->lock, NULL);
    c->not_ready = *models_unknown(models);
    c->not_ready.refuse = "model-not-ready"; /* of errors.json */
    c->kept = cJSON_CreateObject();
    c->profiles = cJSON_CreateArray();
    c->jobs = cJSON_CreateArray();
    c->tags = cJSON_CreateObject();
    c->logging = cJSON_CreateObject();
    if (c->kept != NULL && c->profiles != NULL && c->jobs != NULL && c->tags != NULL && c->logging != NULL)
        return c;
    control_free(c);
    return NULL;
}

void control_free(struct control *c)
{
    if (c == NULL)
        return;
    json_free(&c->kept);
    json_free(&c->profiles);
    json_free(&c->jobs);
    json_free(&c->tags);
    json_free(&c->logging);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static void empty(cJSON *tree)
{
    while (tree->child != NULL)
        cJSON_Delete(cJSON_DetachItemViaPointer(tree, tree->child));
}

static void forget(struct mock *mock)
{
    struct control *c = mock->control;
    (void)pthread_mutex_lock(&c->lock);
    empty(c->kept);
    empty(c->profiles);
    empty(c->jobs);
    empty(c->tags);
    empty(c->logging);
    c->made = 0;
    (void)pthread_mutex_unlock(&c->lock);
}

void control_make_id(struct control *c, uint64_t seed, char out[static CONTROL_ID])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct rng rng = {seed ^ (++c->made * 0x9e3779b97f4a7c15u)};
    for (size_t i = 0; i + 1 < CONTROL_ID; i++)
        out[i] = letters[rng_below(&rng, sizeof letters - 1)];
    out[CONTROL_ID - 1] = '\0';
}

/* ---- answers ---- */

struct plan *control_reply(struct visit *v, cJSON *take)
{
    struct plan *plan = operations_json(v, take);
    json_free(&take);
    return plan;
}

struct plan *control_done(struct visit *v)
{
    return control_reply(v, cJSON_CreateObject());
}

struct plan *control_refuse(struct visit *v, const char *type, const char *format, ...)
{
    char text[MODEL_ID_MAX + 512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    refusal_set(&v->refusal, REFUSAL_SEMANTIC, type, "%s", text);
    return surface_refuse(v, type, text);
}

struct plan *control_unknown(struct visit *v, const char *what, const char *id)
{
    return control_refuse(v, "ResourceNotFoundException", "Could not find %s %s in this account and Region.", what, id);
}

const char *control_query(const struct visit *v, const char *name, struct buf *out)
{
    buf_reset(out);
    return visit_query(v, name, out) == OK ? buf_text(out) : "";
}

const char *control_label(const struct visit *v, const char *name, struct buf *out)
{
    buf_reset(out);
    return visit_label(v, name, out) == OK ? buf_text(out) : "";
}

/* RFC 3339. A '+' of an offset may have come as a space. */
bool control_time(const char *text, int64_t *ms)
{
    struct tm t = {0};
    const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &t);
    if (at == NULL)
        return false;
    int hours = 0, minutes = 0;
    char sign = '+';
    double fraction = 0;
    if (*at == '.') {
        char *end;
        fraction = strtod(at, &end);
        at = end;
    }
    if (strcmp(at, "Z") != 0 && sscanf(at, "%c%2d:%2d", &sign, &hours, &minutes) != 3)
        return false;
    int64_t away = ((int64_t)hours * 60 + minutes) * 60;
    *ms = ((int64_t)timegm(&t) - (sign == '-' ? -away : away)) * 1000 + (int64_t)(fraction * 1000);
    return true;
}

void control_set_time(cJSON *object, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT];
    clock_iso(ms, text);
    (void)json_set_string(object, key, text);
}

/* ---- resources of the catalogue ---- */

static void fill_text(const struct visit *v, const char *text, struct buf *out)
{
    static const char region[] = "{region}", account[] = "{account}";
    while (*text != '\0') {
        if (strncmp(text, region, sizeof region - 1) == 0) {
            visit_region(v, out);
            text += sizeof region - 1;
        } else if (strncmp(text, account, sizeof account - 1) == 0) {
            buf_adds(out, visit_account(v));
            text += sizeof account - 1;
        } else {
            buf_addc(out, *text++);
        }
    }
}

/* Of the catalogue, as nobody has touched them yet. */
static bool gather_catalogue(struct visit *v, const char *name, cJSON *list)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, models_resources(v->mock->models, name))
    {
        CLEANUP(free_ptr) char *text = json_text(item, JSON_COMPACT);
        CLEANUP(buf_release) struct buf filled = BUF_INIT(BUF_ANY);
        cJSON *tree = NULL;
        if (text != NULL)
            fill_text(v, text, &filled);
        if (text == NULL || json_parse(buf_span(&filled), JSON_COMPACT, &tree, NULL) != OK)
            return false;
        (void)cJSON_AddItemToArray(list, tree);
    }
    return true;
}

bool control_gather_resources(struct visit *v, const char *name, cJSON *list)
{
    CLEANUP(json_free) cJSON *given = cJSON_CreateArray(); /* apart: an imported model names the ARN of its job */
    if (given == NULL || !gather_catalogue(v, name, given) || !control_gather_kept(v, name, given))
        return false;
    while (given->child != NULL)
        (void)cJSON_AddItemToArray(list, cJSON_DetachItemViaPointer(given, given->child));
    return true;
}

/* ---- whose it is ---- */

void control_arn_start(const struct visit *v, struct buf *out)
{
    buf_adds(out, "arn:aws:bedrock:");
    visit_region(v, out);
    buf_addf(out, ":%s:", visit_account(v));
}

bool control_is_mine(const struct visit *v, const char *arn)
{
    CLEANUP(buf_release) struct buf start = BUF_INIT(BUF_ANY);
    control_arn_start(v, &start);
    return strncmp(arn, buf_text(&start), start.len) == 0;
}

/* The key of what there is once per account and Region. */
static void add_place(const struct visit *v, struct buf *out)
{
    buf_addf(out, "%s ", visit_account(v));
    visit_region(v, out);
}

/* ---- what an ARN stands for ---- */

static const struct model *model_behind(const struct visit *v, const char *id)
{
    struct model_ref ref = models_resolve(v->mock->models, id, true);
    return ref.kind == MODEL_ID_PLAIN || ref.kind == MODEL_ID_PROFILE ? ref.row : NULL;
}

/* Resources of the catalogue: the member that holds the ARN, and the one that says what is behind it. */
static const struct {
    const char *list, *arn, *behind;
} behind[] = {
    {"provisionedModels", "provisionedModelArn", "foundationModelArn"},
    {"customModels", "modelArn", "baseModelArn"},
    {"customModelDeployments", "customModelDeploymentArn", "modelArn"},
    {"importedModels", "modelArn", NULL},
    {"promptRouters", "promptRouterArn", NULL},
    {"marketplaceModelEndpoints", "endpointArn", NULL},
    {"modelImportJobs", "jobArn", NULL},
};

const char *control_arn_member(const char *list)
{
    for (size_t i = 0; i < COUNT_OF(behind); i++)
        if (strcmp(behind[i].list, list) == 0)
            return behind[i].arn;
    return "";
}

static bool in_catalogue(struct visit *v, size_t row, const char *arn, struct buf *next)
{
    CLEANUP(json_free) cJSON *list = cJSON_CreateArray();
    const cJSON *item;
    if (list == NULL || !gather_catalogue(v, behind[row].list, list))
        return false;
    cJSON_ArrayForEach(item, list)
    {
        const char *its = json_str(item, behind[row].arn);
        const char *model = behind[row].behind != NULL ? json_str(item, behind[row].behind) : "";
        if (its == NULL || strcmp(its, arn) != 0)
            continue;
        buf_adds(next, model != NULL ? model : "");
        return true;
    }
    return false;
}

bool control_in_catalogue(struct visit *v, const char *list, const char *arn)
{
    CLEANUP(buf_release) struct buf next = BUF_INIT(BUF_ANY);
    for (size_t i = 0; i < COUNT_OF(behind); i++)
        if (strcmp(behind[i].list, list) == 0)
            return in_catalogue(v, i, arn, &next);
    return false;
}

/* One step: from the ARN of a resource to what it names, copied to `next`. What requests said goes before the
 * catalogue, which takes longer to look through. */
static enum kept_how step_behind(struct visit *v, const char *arn, struct buf *next)
{
    buf_reset(next);
    for (size_t i = 0; i < COUNT_OF(behind); i++) {
        enum kept_how how = control_kept_names(v, behind[i].list, arn, behind[i].behind, next);
        if (how != KEPT_NOT)
            return how;
    }
    for (size_t i = 0; i < COUNT_OF(behind); i++)
        if (in_catalogue(v, i, arn, next))
            return KEPT_THERE;
    return KEPT_GONE;
}

static bool profile_source(struct control *c, const char *arn, struct buf *out)
{
    bool found = false;
    (void)pthread_mutex_lock(&c->lock);
    const cJSON *p;
    cJSON_ArrayForEach(p, c->profiles)
    {
        if (strcmp(json_str(p, "inferenceProfileArn"), arn) != 0)
            continue;
        buf_adds(out, json_str(p, "source"));
        found = true;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return found;
}

const struct model *control_model_of(const struct visit *v, const char *arn)
{
    CLEANUP(buf_release) struct buf next = BUF_INIT(MODEL_ID_MAX * 4);
    if (profile_source(v->mock->control, arn, &next))
        return model_behind(v, buf_text(&next));
    struct visit copy = *v; /* only the region is read of it */
    CLEANUP(buf_release) struct buf at = BUF_INIT(MODEL_ID_MAX * 4);
    buf_adds(&at, arn);
    for (int steps = 0; steps < 3; steps++) {
        enum kept_how how = step_behind(&copy, buf_text(&at), &next);
        if (how != KEPT_THERE)
            return how == KEPT_MAKING ? &v->mock->control->not_ready : NULL;
        if (next.len == 0) /* it is there, and hides its model */
            return models_unknown(v->mock->models);
        const struct model *row = model_behind(v, buf_text(&next));
        if (row != NULL)
            return row;
        buf_reset(&at);
        buf_add(&at, buf_span(&next));
    }
    return NULL;
}

/* ---- tags ---- */

static cJSON *tag_of(cJSON *tags, const char *key)
{
    cJSON *t;
    cJSON_ArrayForEach(t, tags)
    {
        if (strcmp(json_str(t, "key"), key) == 0)
            return t;
    }
    return NULL;
}

enum err control_tag(struct visit *v, const char *arn, const cJSON *tags)
{
    struct control *c = v->mock->control;
    (void)pthread_mutex_lock(&c->lock);
    const cJSON *old = json_member(c->tags, arn), *t;
    enum err e = old == NULL && cJSON_GetArraySize(c->tags) >= CONTROL_TAGGED_MAX ? ERR_LIMIT : OK;
    CLEANUP(json_free) cJSON *all = old == NULL ? cJSON_CreateArray() : cJSON_Duplicate(old, true);
    cJSON_ArrayForEach(t, tags)
    {
        const char *key = json_str(t, "key"), *value = json_str(t, "value");
        if (key == NULL || value == NULL) /* --validation record lets StartAsyncInvoke pass with anything */
            continue;
        cJSON *there = tag_of(all, key);
        if (there == NULL && (there = cJSON_CreateObject()) != NULL)
            (void)cJSON_AddItemToArray(all, there);
        if (json_set_string(there, "key", key) == NULL || json_set_string(there, "value", value) == NULL)
            e = ERR_NOMEM;
    }
    if (cJSON_GetArraySize(all) > CONTROL_TAGS_MAX)
        e = ERR_LIMIT;
    if (e == OK && cJSON_GetArraySize(all) > 0) {
        e = json_set(c->tags, arn, all) == NULL ? ERR_NOMEM : OK;
        all = NULL;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return e;
}

void control_untag(struct visit *v, const char *arn)
{
    struct control *c = v->mock->control;
    (void)pthread_mutex_lock(&c->lock);
    cJSON_DeleteItemFromObjectCaseSensitive(c->tags, arn);
    (void)pthread_mutex_unlock(&c->lock);
}

/* The members that hold ARNs a tag can be put on. */
static bool list_has(const cJSON *list, const char *arn)
{
    static const char *const names[] = {"inferenceProfileArn", "jobArn",          "modelArn",
                                        "provisionedModelArn", "promptRouterArn", "customModelDeploymentArn"};
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            const char *its = json_str(item, names[i]);
            if (its != NULL && strcmp(its, arn) == 0)
                return true;
        }
    }
    return false;
}

static bool is_ours(struct visit *v, const char *arn)
{
    CLEANUP(json_free) cJSON *list = cJSON_CreateArray();
    bool ok = list != NULL && control_gather_profiles(v, list) && control_gather_jobs(v, list);
    for (size_t i = 0; i < COUNT_OF(behind); i++)
        ok = ok && control_gather_resources(v, behind[i].list, list);
    return ok && (list_has(list, arn) || asyncs_have(v, arn));
}

static struct plan *answer_list_tags(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct control *c = v->mock->control;
    const char *arn = json_str(v->body, "resourceARN");
    if (!is_ours(v, arn))
        return control_unknown(v, "the resource", arn);
    cJSON *out = cJSON_CreateObject();
    (void)pthread_mutex_lock(&c->lock);
    const cJSON *tags = json_member(c->tags, arn);
    (void)json_set(out, "tags", tags != NULL ? cJSON_Duplicate(tags, true) : cJSON_CreateArray());
    (void)pthread_mutex_unlock(&c->lock);
    return control_reply(v, out);
}

static struct plan *answer_tag(struct visit *v, const cJSON *reply)
{
    (void)reply;
    const char *arn = json_str(v->body, "resourceARN");
    if (!is_ours(v, arn))
        return control_unknown(v, "the resource", arn);
    enum err e = control_tag(v, arn, json_member(v->body, "tags"));
    if (e == ERR_LIMIT)
        return control_refuse(v, "TooManyTagsException", "A resource can have at most %d tags.", CONTROL_TAGS_MAX);
    return e == OK ? control_done(v) : NULL;
}

static struct plan *answer_untag(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct control *c = v->mock->control;
    const char *arn = json_str(v->body, "resourceARN");
    if (!is_ours(v, arn))
        return control_unknown(v, "the resource", arn);
    (void)pthread_mutex_lock(&c->lock);
    cJSON *tags = json_member(c->tags, arn);
    const cJSON *key;
    cJSON_ArrayForEach(key, json_member(v->body, "tagKeys"))
    {
        cJSON *there = tag_of(tags, key->valuestring);
        if (there != NULL)
            cJSON_Delete(cJSON_DetachItemViaPointer(tags, there));
    }
    (void)pthread_mutex_unlock(&c->lock);
    return control_done(v);
}

/* ---- the logging configuration ---- */

static struct plan *answer_get_logging(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct control *c = v->mock->control;
    CLEANUP(buf_release) struct buf place = BUF_INIT(BUF_ANY);
    add_place(v, &place);
    cJSON *out = cJSON_CreateObject();
    (void)pthread_mutex_lock(&c->lock);
    const cJSON *kept = json_member(c->logging, buf_text(&place));
    if (kept != NULL)
        (void)json_set(out, "loggingConfig", cJSON_Duplicate(kept, true));
    (void)pthread_mutex_unlock(&c->lock);
    return control_reply(v, out);
}

static struct plan *answer_put_logging(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct control *c = v->mock->control;
    CLEANUP(buf_release) struct buf place = BUF_INIT(BUF_ANY);
    add_place(v, &place);
    cJSON *config = cJSON_Duplicate(json_member(v->body, "loggingConfig"), true);
    (void)pthread_mutex_lock(&c->lock);
    bool room =
        json_member(c->logging, buf_text(&place)) != NULL || cJSON_GetArraySize(c->logging) < CONTROL_REGIONS_MAX;
    bool ok = room && json_set(c->logging, buf_text(&place), config) != NULL;
    (void)pthread_mutex_unlock(&c->lock);
    if (!room) {
        json_free(&config);
        return control_refuse(v, "ValidationException", "The mock keeps the configuration of %d accounts and Regions.",
                              CONTROL_REGIONS_MAX);
    }
    return ok ? control_done(v) : NULL;
}

static struct plan *answer_delete_logging(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct control *c = v->mock->control;
    CLEANUP(buf_release) struct buf place = BUF_INIT(BUF_ANY);
    add_place(v, &place);
    (void)pthread_mutex_lock(&c->lock);
    cJSON_DeleteItemFromObjectCaseSensitive(c->logging, buf_text(&place));
    (void)pthread_mutex_unlock(&c->lock);
    return control_done(v);
}

/* ---- the table ---- */

const struct operation_row mock_control_rows[] = {
    {"ListFoundationModels", control_list_models, NULL},
    {"GetFoundationModel", control_get_model, NULL},
    {"GetFoundationModelAvailability", control_model_availability, NULL},
    {"ListInferenceProfiles", control_list, NULL},
    {"GetInferenceProfile", control_get, NULL},
    {"CreateInferenceProfile", control_create_profile, NULL},
    {"DeleteInferenceProfile", control_delete_profile, NULL},
    {"ListImportedModels", control_list, NULL},
    {"GetImportedModel", control_get, NULL},
    {"DeleteImportedModel", control_unmake, NULL},
    {"CreateModelImportJob", control_make, NULL},
    {"GetModelImportJob", control_get, NULL},
    {"ListModelImportJobs", control_list, NULL},
    {"ListProvisionedModelThroughputs", control_list, NULL},
    {"GetProvisionedModelThroughput", control_get, NULL},
    {"CreateProvisionedModelThroughput", control_make, NULL},
    {"UpdateProvisionedModelThroughput", control_change, NULL},
    {"DeleteProvisionedModelThroughput", control_unmake, NULL},
    {"ListCustomModels", control_list, NULL},
    {"GetCustomModel", control_get, NULL},
    {"CreateCustomModel", control_make, NULL},
    {"DeleteCustomModel", control_unmake, NULL},
    {"ListCustomModelDeployments", control_list, NULL},
    {"GetCustomModelDeployment", control_get, NULL},
    {"CreateCustomModelDeployment", control_make, NULL},
    {"UpdateCustomModelDeployment", control_change, NULL},
    {"DeleteCustomModelDeployment", control_unmake, NULL},
    {"ListGuardrails", control_list, NULL},
    {"GetGuardrail", control_get, NULL},
    {"ListPromptRouters", control_list, NULL},
    {"GetPromptRouter", control_get, NULL},
    {"ListMarketplaceModelEndpoints", control_list, NULL},
    {"GetMarketplaceModelEndpoint", control_get, NULL},
    {"CreateModelInvocationJob", control_create_job, NULL},
    {"GetModelInvocationJob", control_get, NULL},
    {"ListModelInvocationJobs", control_list, NULL},
    {"StopModelInvocationJob", control_stop_job, NULL},
    {"GetModelInvocationLoggingConfiguration", answer_get_logging, NULL},
    {"PutModelInvocationLoggingConfiguration", answer_put_logging, NULL},
    {"DeleteModelInvocationLoggingConfiguration", answer_delete_logging, NULL},
    {"ListTagsForResource", answer_list_tags, NULL},
    {"TagResource", answer_tag, NULL},
    {"UntagResource", answer_untag, NULL},
};
const size_t mock_control_count = COUNT_OF(mock_control_rows);

const struct admin_table mock_admin_control = {NULL, 0, "control", forget};
