/* control_kept.c: what requests made of the catalogue's resources, laid over it.
 *
 * Nothing happens by itself: an item holds what it will be, and until when it is something else, so that a clock moved
 * by a test (POST /clock) moves everything at once, and what is being made costs nothing while nobody looks. A deleted
 * resource of the catalogue leaves its ARN behind, because the catalogue itself never changes.
 */
#include "mock/control/control_kept.h"

static int64_t number_of(const cJSON *object, const char *key)
{
    int64_t n = 0;
    const cJSON *item = json_member(object, key);
    return item != NULL && json_int64(item, &n) ? n : 0;
}

static const cJSON *own_of(const cJSON *item)
{
    return json_member(item, KEPT_OWN);
}

static bool is_gone(const cJSON *item)
{
    return cJSON_IsTrue(json_member(own_of(item), "gone"));
}

static const cJSON *during(const cJSON *item, int64_t now)
{
    return now < number_of(own_of(item), "ready_ms") ? json_member(own_of(item), "during") : NULL;
}

/* NULL: it is not there, or out of memory. */
static cJSON *seen_at(const cJSON *item, int64_t now)
{
    if (is_gone(item) || now < number_of(own_of(item), "from_ms"))
        return NULL;
    cJSON *out = cJSON_Duplicate(item, true);
    const cJSON *other;
    cJSON_DeleteItemFromObjectCaseSensitive(out, KEPT_OWN);
    cJSON_ArrayForEach(other, during(item, now))
    {
        if (cJSON_IsNull(other))
            cJSON_DeleteItemFromObjectCaseSensitive(out, other->string);
        else
            (void)json_set(out, other->string, cJSON_Duplicate(other, true));
    }
    return out;
}

static cJSON *with_arn(const cJSON *list, const char *member, const char *arn)
{
    cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        const char *its = json_str(item, member);
        if (its != NULL && strcmp(its, arn) == 0)
            return item;
    }
    return NULL;
}

bool control_gather_kept(struct visit *v, const char *name, cJSON *list)
{
    struct control *c = v->mock->control;
    const char *arn = control_arn_member(name);
    int64_t now = clock_ms(&v->mock->clock);
    CLEANUP(json_free)
    cJSON *found = cJSON_CreateArray(); /* apart, so that what gives way is looked for in a short list */
    const cJSON *item, *kept;
    (void)pthread_mutex_lock(&c->lock);
    kept = json_member(c->kept, name);
    cJSON_ArrayForEach(item, kept)
    {
        const char *its = json_str(item, arn);
        if (its == NULL || !control_is_mine(v, its))
            continue;
        cJSON *old = with_arn(list, arn, its), *seen = seen_at(item, now);
        if (old != NULL)
            cJSON_Delete(cJSON_DetachItemViaPointer(list, old));
        if (seen != NULL)
            (void)cJSON_AddItemToArray(found, seen);
    }
    (void)pthread_mutex_unlock(&c->lock);
    while (found != NULL && found->child != NULL)
        (void)cJSON_AddItemToArray(list, cJSON_DetachItemViaPointer(found, found->child));
    return found != NULL;
}

enum kept_how control_kept_names(const struct visit *v, const char *name, const char *arn, const char *member,
                                 struct buf *next)
{
    struct control *c = v->mock->control;
    int64_t now = clock_ms(&v->mock->clock);
    enum kept_how how = KEPT_NOT;
    (void)pthread_mutex_lock(&c->lock);
    const cJSON *item = with_arn(json_member(c->kept, name), control_arn_member(name), arn);
    if (item != NULL && control_is_mine(v, arn)) {
        const cJSON *other = during(item, now);
        const char *old = member != NULL ? json_str(other, member) : NULL;
        const char *model = member == NULL ? NULL : old != NULL ? old : json_str(item, member);
        bool away = is_gone(item) || now < number_of(own_of(item), "from_ms");
        bool serves = other == NULL || cJSON_IsTrue(json_member(own_of(item), "serves"));
        how = away ? KEPT_GONE : serves ? KEPT_THERE : KEPT_MAKING;
        buf_adds(next, model != NULL ? model : "");
    }
    (void)pthread_mutex_unlock(&c->lock);
    return how;
}

cJSON *control_own(int64_t ready_ms, cJSON *take_during, bool serves)
{
    cJSON *own = cJSON_CreateObject();
    (void)json_set_int(own, "ready_ms", ready_ms);
    (void)json_set(own, "during", take_during);
    (void)json_set(own, "serves", cJSON_CreateBool(serves));
    return own;
}

/* ---- changes ---- */

cJSON *control_kept_list(struct control *c, const char *name)
{
    cJSON *list = json_member(c->kept, name);
    return list != NULL ? list : json_set(c->kept, name, cJSON_CreateArray());
}

cJSON *control_kept_find(const struct visit *v, const char *name, const char *member, const char *value)
{
    const char *arn = control_arn_member(name);
    cJSON *item, *list = json_member(v->mock->control->kept, name);
    cJSON_ArrayForEach(item, list)
    {
        const char *its = json_str(item, member);
        if (its != NULL && strcmp(its, value) == 0 && !is_gone(item) && control_is_mine(v, json_str(item, arn)))
            return item;
    }
    return NULL;
}

/* The call that made the old one made the new one too. */
static void inherit(const cJSON *old, cJSON *item)
{
    static const char *const words[] = {"token", "request"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        const cJSON *word = json_member(own_of(old), words[i]);
        if (word != NULL)
            (void)json_set(json_member(item, KEPT_OWN), words[i], cJSON_Duplicate(word, true));
    }
}

enum err control_kept_put(struct visit *v, const char *name, cJSON *take)
{
    struct control *c = v->mock->control;
    CLEANUP(json_free) cJSON *item = take;
    const char *member = control_arn_member(name), *arn = json_str(item, member);
    bool given = arn != NULL && control_in_catalogue(v, name, arn);
    enum err e = OK;
    (void)pthread_mutex_lock(&c->lock);
    cJSON *list = control_kept_list(c, name), *old = arn != NULL ? with_arn(list, member, arn) : NULL;
    if (list == NULL || arn == NULL) {
        e = ERR_NOMEM;
    } else if (old != NULL ? is_gone(old) : !given) {
        e = ERR_UNKNOWN;
    } else if (old == NULL && cJSON_GetArraySize(list) >= CONTROL_KEPT_MAX) {
        e = ERR_LIMIT;
    } else {
        inherit(old, item);
        (void)cJSON_AddItemToArray(list, item);
        item = NULL;
        cJSON_Delete(old != NULL ? cJSON_DetachItemViaPointer(list, old) : NULL);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return e;
}

static cJSON *tombstone(const char *member, const char *arn)
{
    cJSON *item = cJSON_CreateObject(), *own = cJSON_CreateObject();
    (void)json_set_string(item, member, arn);
    (void)json_set(own, "gone", cJSON_CreateTrue());
    (void)json_set(item, KEPT_OWN, own);
    return item;
}

enum err control_kept_drop(struct visit *v, const char *name, const char *arn)
{
    struct control *c = v->mock->control;
    const char *member = control_arn_member(name);
    bool given = control_in_catalogue(v, name, arn);
    enum err e = OK;
    (void)pthread_mutex_lock(&c->lock);
    cJSON *list = control_kept_list(c, name), *old = with_arn(list, member, arn);
    if (list == NULL)
        e = ERR_NOMEM;
    else if (old != NULL ? is_gone(old) : !given)
        e = ERR_UNKNOWN;
    else if (old == NULL && cJSON_GetArraySize(list) >= CONTROL_KEPT_MAX)
        e = ERR_LIMIT;
    if (e == OK && old != NULL)
        cJSON_Delete(cJSON_DetachItemViaPointer(list, old));
    if (e == OK && given)
        (void)cJSON_AddItemToArray(list, tombstone(member, arn));
    (void)pthread_mutex_unlock(&c->lock);
    return e;
}
