/* control_models.c: foundation models and inference profiles.
 *
 * System profiles are the product of the catalogue's models and geographies: nobody writes them down. An application
 * profile is a copy of a foundation model or of a system profile with a name and tags of its own; what it was copied
 * from is what a request to it is answered by (control_model_of).
 */
#include "mock/control/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define DESTINATIONS_MAX 5                      /* models of a profile, as the API model says */
#define PROFILES_SINCE   "2024-08-26T00:00:00Z" /* of those whose model has no date */

static void region_of(const struct visit *v, struct buf *out)
{
    buf_reset(out);
    visit_region(v, out);
}

static bool has_word(const cJSON *list, const char *word)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(item->valuestring, word) == 0)
            return true;
    }
    return false;
}

/* ---- foundation models ---- */

static bool is_listed(const struct visit *v, const struct model *m, const char *region)
{
    const cJSON *regions = json_member(m->row, "regions");
    return models_alive(v->mock->models, m, clock_ms(&v->mock->clock)) &&
           (regions == NULL || has_word(regions, region));
}

static void add_arn(cJSON *object, const char *key, const char *region, const char *id)
{
    CLEANUP(buf_release) struct buf arn = BUF_INIT(BUF_ANY);
    buf_addf(&arn, "arn:aws:bedrock:%s::foundation-model/%s", region, id);
    (void)json_set_string(object, key, buf_text(&arn));
}

/* Words the API model does not have (VIDEO, SPEECH) are left out: SDKs in languages with enums would choke on them. */
static cJSON *modality_list(const struct visit *v, const cJSON *words, const char *otherwise, bool images)
{
    const struct shape *known = api_shape(v->mock->api, "ModelModality");
    cJSON *out = cJSON_CreateArray();
    for (size_t i = 0; known != NULL && i < known->value_count; i++)
        if (words != NULL
                ? has_word(words, known->values[i])
                : strcmp(known->values[i], otherwise) == 0 || (images && strcmp(known->values[i], "IMAGE") == 0))
            (void)cJSON_AddItemToArray(out, cJSON_CreateString(known->values[i]));
    return out;
}

static cJSON *inference_types(const struct model *m)
{
    cJSON *out = cJSON_CreateArray();
    if (m->on_demand)
        (void)cJSON_AddItemToArray(out, cJSON_CreateString("ON_DEMAND"));
    else
        (void)cJSON_AddItemToArray(out, cJSON_CreateString("INFERENCE_PROFILE"));
    if (m->provisioned)
        (void)cJSON_AddItemToArray(out, cJSON_CreateString("PROVISIONED"));
    return out;
}

static cJSON *lifecycle(const struct visit *v, const struct model *m)
{
    cJSON *out = cJSON_CreateObject();
    bool legacy = clock_ms(&v->mock->clock) >= m->legacy_ms;
    (void)json_set_string(out, "status", legacy ? "LEGACY" : "ACTIVE");
    if (m->start_ms > 0)
        control_set_time(out, "startOfLifeTime", m->start_ms);
    if (m->legacy_ms != MODEL_FOREVER)
        control_set_time(out, "legacyTime", m->legacy_ms);
    if (m->end_ms != MODEL_FOREVER)
        control_set_time(out, "endOfLifeTime", m->end_ms);
    return out;
}

static cJSON *model_details(const struct visit *v, const struct model *m, const char *region)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *customizations = json_member(m->row, "customizations");
    add_arn(out, "modelArn", region, m->id);
    (void)json_set_string(out, "modelId", m->id);
    (void)json_set_string(out, "modelName", m->name);
    (void)json_set_string(out, "providerName", models_provider(v->mock->models, m->provider));
    (void)json_set(out, "inputModalities", modality_list(v, json_member(m->row, "input"), "TEXT", m->images));
    (void)json_set(out, "outputModalities", modality_list(v, json_member(m->row, "output"), "TEXT", false));
    (void)json_set(out, "responseStreamingSupported", cJSON_CreateBool(m->streaming));
    (void)json_set(out, "customizationsSupported",
                   customizations != NULL ? cJSON_Duplicate(customizations, true) : cJSON_CreateArray());
    (void)json_set(out, "inferenceTypesSupported", inference_types(m));
    (void)json_set(out, "modelLifecycle", lifecycle(v, m));
    return out;
}

/* The four filters, of which the first takes any spelling of the provider's name. */
static bool is_asked_for(const struct visit *v, const struct model *m, const cJSON *details)
{
    static const struct {
        const char *query, *member;
    } lists[] = {{"byCustomizationType", "customizationsSupported"},
                 {"byOutputModality", "outputModalities"},
                 {"byInferenceType", "inferenceTypesSupported"}};
    CLEANUP(buf_release) struct buf asked = BUF_INIT(BUF_ANY);
    if (*control_query(v, "byProvider", &asked) != '\0' && strcasecmp(buf_text(&asked), m->provider) != 0 &&
        strcasecmp(buf_text(&asked), json_str(details, "providerName")) != 0)
        return false;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        if (*control_query(v, lists[i].query, &asked) != '\0' &&
            !has_word(json_member(details, lists[i].member), buf_text(&asked)))
            return false;
    return true;
}

struct plan *control_list_models(struct visit *v, const cJSON *reply)
{
    (void)reply;
    const struct models *all = v->mock->models;
    CLEANUP(buf_release) struct buf region = BUF_INIT(BUF_ANY);
    region_of(v, &region);
    cJSON *out = cJSON_CreateObject(), *list = json_set(out, "modelSummaries", cJSON_CreateArray());
    for (size_t i = 0; i < models_count(all); i++) {
        const struct model *m = models_at(all, i);
        if (!is_listed(v, m, buf_text(&region)))
            continue;
        cJSON *details = model_details(v, m, buf_text(&region));
        if (is_asked_for(v, m, details))
            (void)cJSON_AddItemToArray(list, details);
        else
            json_free(&details);
    }
    return control_reply(v, out);
}

static const struct model *model_of_label(const struct visit *v, const char *label, const char *region)
{
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    struct model_ref ref = models_resolve(v->mock->models, control_label(v, label, &id), true);
    return ref.kind == MODEL_ID_PLAIN && is_listed(v, ref.row, region) ? ref.row : NULL;
}

static struct plan *no_model(struct visit *v)
{
    const struct api_text *t = api_text(v->mock->api, "model-unresolved");
    return control_refuse(v, t->type, "%s", t->text);
}

struct plan *control_get_model(struct visit *v, const cJSON *reply)
{
    (void)reply;
    CLEANUP(buf_release) struct buf region = BUF_INIT(BUF_ANY);
    region_of(v, &region);
    const struct model *m = model_of_label(v, "modelIdentifier", buf_text(&region));
    if (m == NULL)
        return no_model(v);
    cJSON *out = cJSON_CreateObject();
    (void)json_set(out, "modelDetails", model_details(v, m, buf_text(&region)));
    return control_reply(v, out);
}

struct plan *control_model_availability(struct visit *v, const cJSON *reply)
{
    (void)reply;
    CLEANUP(buf_release) struct buf region = BUF_INIT(BUF_ANY), id = BUF_INIT(BUF_ANY);
    region_of(v, &region);
    const struct model *m = models_find(v->mock->models, span_of(control_label(v, "modelId", &id)));
    if (m == NULL)
        return no_model(v);
    bool granted = m->refuse == NULL, here = is_listed(v, m, buf_text(&region));
    cJSON *out = cJSON_CreateObject(), *agreement = cJSON_CreateObject();
    (void)json_set_string(agreement, "status", granted ? "AVAILABLE" : "NOT_AVAILABLE");
    (void)json_set_string(out, "modelId", m->id);
    (void)json_set(out, "agreementAvailability", agreement);
    (void)json_set_string(out, "authorizationStatus", granted ? "AUTHORIZED" : "NOT_AUTHORIZED");
    (void)json_set_string(out, "entitlementAvailability", granted ? "AVAILABLE" : "NOT_AVAILABLE");
    (void)json_set_string(out, "regionAvailability", here ? "AVAILABLE" : "NOT_AVAILABLE");
    return control_reply(v, out);
}

/* ---- system inference profiles ---- */

/* "in a, b and c" */
static void say_regions(const cJSON *regions, struct buf *out)
{
    const cJSON *r;
    cJSON_ArrayForEach(r, regions)
    {
        buf_adds(out, r == regions->child ? " in " : r->next == NULL ? " and " : ", ");
        buf_adds(out, r->valuestring);
    }
    if (regions == NULL || regions->child == NULL)
        buf_adds(out, " globally across all supported AWS Regions");
    buf_addc(out, '.');
}

static cJSON *destinations(const struct geography *g, const struct model *m, const char *region)
{
    cJSON *out = cJSON_CreateArray();
    const cJSON *r;
    int n = 0;
    cJSON_ArrayForEach(r, g->regions)
    {
        cJSON *one = n++ < DESTINATIONS_MAX ? cJSON_CreateObject() : NULL;
        if (one != NULL)
            add_arn(one, "modelArn", r->valuestring, m->id);
        if (one != NULL)
            (void)cJSON_AddItemToArray(out, one);
    }
    if (n == 0) {
        cJSON *one = cJSON_CreateObject();
        add_arn(one, "modelArn", region, m->id);
        (void)cJSON_AddItemToArray(out, one);
    }
    return out;
}

static cJSON *system_profile(const struct visit *v, const struct geography *g, const struct model *m,
                             const char *region)
{
    const char *provider = models_provider(v->mock->models, m->provider);
    cJSON *out = cJSON_CreateObject();
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "%s %s %s", g->name, provider, m->name);
    (void)json_set_string(out, "inferenceProfileName", buf_text(&text));
    buf_reset(&text);
    buf_addf(&text, "Routes requests to %s %s", provider, m->name);
    say_regions(g->regions, &text);
    (void)json_set_string(out, "description", buf_text(&text));
    if (m->start_ms > 0)
        control_set_time(out, "createdAt", m->start_ms);
    else
        (void)json_set_string(out, "createdAt", PROFILES_SINCE);
    (void)json_set_string(out, "updatedAt", json_str(out, "createdAt"));
    buf_reset(&text);
    control_arn_start(v, &text);
    buf_addf(&text, "inference-profile/%s.%s", g->prefix, m->id);
    (void)json_set_string(out, "inferenceProfileArn", buf_text(&text));
    (void)json_set(out, "models", destinations(g, m, region));
    buf_reset(&text);
    buf_addf(&text, "%s.%s", g->prefix, m->id);
    (void)json_set_string(out, "inferenceProfileId", buf_text(&text));
    (void)json_set_string(out, "status", "ACTIVE");
    (void)json_set_string(out, "type", "SYSTEM_DEFINED");
    return out;
}

static void gather_system(struct visit *v, const char *region, cJSON *list)
{
    const struct models *all = v->mock->models;
    for (size_t i = 0; i < models_count(all); i++) {
        const struct model *m = models_at(all, i);
        for (size_t g = 0; g < models_geographies(all); g++)
            if ((m->geographies & (1u << g)) != 0 && geography_has(models_geography(all, g), region) &&
                models_alive(all, m, clock_ms(&v->mock->clock)))
                (void)cJSON_AddItemToArray(list, system_profile(v, models_geography(all, g), m, region));
    }
}

/* ---- application inference profiles ---- */

bool control_gather_profiles(struct visit *v, cJSON *list)
{
    struct control *c = v->mock->control;
    CLEANUP(buf_release) struct buf region = BUF_INIT(BUF_ANY);
    region_of(v, &region);
    gather_system(v, buf_text(&region), list);
    (void)pthread_mutex_lock(&c->lock);
    const cJSON *p;
    cJSON_ArrayForEach(p, c->profiles)
    {
        cJSON *copy = control_is_mine(v, json_str(p, "inferenceProfileArn")) ? cJSON_Duplicate(p, true) : NULL;
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "source");
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "token");
        if (copy != NULL)
            (void)cJSON_AddItemToArray(list, copy);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return true;
}

/* The models of what is copied, or NULL. */
static cJSON *models_of_source(struct visit *v, const char *from, const struct model *row, const char *region)
{
    struct model_ref ref = models_resolve(v->mock->models, from, true);
    if (ref.kind == MODEL_ID_PROFILE && ref.geography != NULL)
        return geography_has(ref.geography, region) ? destinations(ref.geography, row, region) : NULL;
    static const struct geography alone = {"", "", NULL};
    return destinations(&alone, row, region);
}

static cJSON *new_profile(const struct visit *v, const char *id, cJSON *take_models)
{
    CLEANUP(buf_release) struct buf arn = BUF_INIT(BUF_ANY);
    cJSON *out = cJSON_CreateObject();
    const char *about = json_str(v->body, "description"), *token = json_str(v->body, "clientRequestToken");
    int64_t now = clock_ms(&v->mock->clock);
    control_arn_start(v, &arn);
    buf_addf(&arn, "application-inference-profile/%s", id);
    (void)json_set_string(out, "inferenceProfileName", json_str(v->body, "inferenceProfileName"));
    if (about != NULL)
        (void)json_set_string(out, "description", about);
    control_set_time(out, "createdAt", now);
    control_set_time(out, "updatedAt", now);
    (void)json_set_string(out, "inferenceProfileArn", buf_text(&arn));
    (void)json_set(out, "models", take_models);
    (void)json_set_string(out, "inferenceProfileId", id);
    (void)json_set_string(out, "status", "ACTIVE");
    (void)json_set_string(out, "type", "APPLICATION");
    (void)json_set_string(out, "source", json_str(json_member(v->body, "modelSource"), "copyFrom"));
    if (token != NULL)
        (void)json_set_string(out, "token", token);
    return out;
}

/* The profile of that name in the region; `same` when it was made by this very request. Under the lock. */
static const cJSON *namesake(const struct visit *v, bool *same)
{
    const char *name = json_str(v->body, "inferenceProfileName"), *token = json_str(v->body, "clientRequestToken");
    const cJSON *p;
    cJSON_ArrayForEach(p, v->mock->control->profiles)
    {
        if (!control_is_mine(v, json_str(p, "inferenceProfileArn")) ||
            strcmp(json_str(p, "inferenceProfileName"), name) != 0)
            continue;
        const char *its = json_str(p, "token");
        *same = token != NULL && its != NULL && strcmp(its, token) == 0;
        return p;
    }
    return NULL;
}

static struct plan *created(struct visit *v, const char *arn)
{
    cJSON *out = cJSON_CreateObject();
    (void)json_set_string(out, "inferenceProfileArn", arn);
    (void)json_set_string(out, "status", "ACTIVE");
    return control_reply(v, out);
}

enum outcome { MADE, THERE_ALREADY, NAME_TAKEN, FULL, NO_ROOM };

/* Adds the profile to the state; takes `models`. */
static enum outcome add_profile(const struct visit *v, cJSON *models, struct buf *arn)
{
    struct control *c = v->mock->control;
    bool same = false;
    enum outcome how = MADE;
    (void)pthread_mutex_lock(&c->lock);
    const cJSON *there = namesake(v, &same);
    if (there != NULL)
        how = same ? THERE_ALREADY : NAME_TAKEN;
    else if (cJSON_GetArraySize(c->profiles) >= CONTROL_PROFILES_MAX)
        how = FULL;
    if (how == MADE) {
        char id[CONTROL_ID];
        control_make_id(c, v->mock->config.seed, id);
        cJSON *made = new_profile(v, id, models);
        models = NULL;
        (void)cJSON_AddItemToArray(c->profiles, made);
        there = made;
    }
    if (there != NULL)
        buf_adds(arn, json_str(there, "inferenceProfileArn"));
    (void)pthread_mutex_unlock(&c->lock);
    json_free(&models);
    return how;
}

struct plan *control_create_profile(struct visit *v, const cJSON *reply)
{
    (void)reply;
    const char *from = json_str(json_member(v->body, "modelSource"), "copyFrom");
    struct model_ref ref = models_resolve(v->mock->models, from, true);
    CLEANUP(buf_release) struct buf region = BUF_INIT(BUF_ANY), arn = BUF_INIT(BUF_ANY);
    region_of(v, &region);
    cJSON *models =
        ref.row != NULL && ref.row->id[0] != '\0' ? models_of_source(v, from, ref.row, buf_text(&region)) : NULL;
    if (models == NULL)
        return control_refuse(v, "ValidationException", "The provided model identifier is invalid.");
    if (cJSON_GetArraySize(json_member(v->body, "tags")) > CONTROL_TAGS_MAX) {
        json_free(&models);
        return control_refuse(v, "TooManyTagsException", "A resource can have at most %d tags.", CONTROL_TAGS_MAX);
    }
    switch (add_profile(v, models, &arn)) {
    case NAME_TAKEN:
        return control_refuse(v, "ConflictException", "An inference profile with the name %s exists already.",
                              json_str(v->body, "inferenceProfileName"));
    case FULL:
        return control_refuse(v, "ServiceQuotaExceededException", "An account can have at most %d inference profiles.",
                              CONTROL_PROFILES_MAX);
    case MADE:
        if (control_tag(v, buf_text(&arn), json_member(v->body, "tags")) != OK)
            return NULL;
        break;
    default:
        break;
    }
    return created(v, buf_text(&arn));
}

struct plan *control_delete_profile(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct control *c = v->mock->control;
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY), arn = BUF_INIT(BUF_ANY);
    (void)control_label(v, "inferenceProfileIdentifier", &id);
    (void)pthread_mutex_lock(&c->lock);
    for (cJSON *p = c->profiles->child, *next; p != NULL; p = next) {
        next = p->next;
        const char *its = json_str(p, "inferenceProfileArn");
        if (!control_is_mine(v, its) ||
            (strcmp(its, buf_text(&id)) != 0 && strcmp(json_str(p, "inferenceProfileId"), buf_text(&id)) != 0))
            continue;
        buf_adds(&arn, its);
        cJSON_Delete(cJSON_DetachItemViaPointer(c->profiles, p));
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (arn.len == 0 && models_resolve(v->mock->models, buf_text(&id), true).kind == MODEL_ID_PROFILE)
        return control_refuse(v, "ValidationException", "System-defined inference profiles cannot be deleted.");
    if (arn.len == 0)
        return control_unknown(v, "the inference profile", buf_text(&id));
    control_untag(v, buf_text(&arn));
    return control_done(v);
}
