/* control_make.c: Create, Update and Delete of what control_making.c has a row for: three functions for all of them.
 *
 * Whether a name is free, whether the call came before, the number of things kept and the id of the new one are looked
 * at and settled in one hold of the lock, so that two requests at once never get the same name.
 */
#include "mock/control/control_make.h"

static bool has_too_many_tags(const struct visit *v, const char *member)
{
    return member != NULL && cJSON_GetArraySize(json_member(v->body, member)) > CONTROL_TAGS_MAX;
}

static struct plan *no_room(struct visit *v, const struct making *m)
{
    return control_refuse(v, "ServiceQuotaExceededException", "The mock keeps at most %d %s.", CONTROL_KEPT_MAX,
                          m->many);
}

/* ---- Create ---- */

static const char *name_member(const struct collection *c)
{
    return c->ids[1];
}

/* The Get answer, without its ARN; `during` is what is different until it is ready. */
static cJSON *begin(struct visit *v, const struct collection *c, cJSON *during)
{
    const struct making *m = c->making;
    cJSON *item = cJSON_CreateObject();
    int64_t now = clock_ms(&v->mock->clock);
    for (size_t i = 0; i < COUNT_OF(m->copied) && m->copied[i] != NULL; i++)
        if (json_member(v->body, m->copied[i]) != NULL)
            (void)json_set(item, m->copied[i], cJSON_Duplicate(json_member(v->body, m->copied[i]), true));
    control_set_time(item, c->created, now);
    (void)json_set_string(item, m->status, m->made);
    (void)json_set_string(during, m->status, m->making);
    if (m->modified == NULL)
        return item;
    control_set_time(item, m->modified, now + m->takes_ms);
    control_set_time(during, m->modified, now);
    return item;
}

/* With the lock: what that token made before. */
static const cJSON *made_before(const struct visit *v, const struct collection *c)
{
    const char *token = json_str(v->body, "clientRequestToken");
    const cJSON *item, *list = json_member(v->mock->control->kept, c->resource);
    cJSON_ArrayForEach(item, list)
    {
        const char *its = json_str(json_member(item, KEPT_OWN), "token"), *arn = json_str(item, c->ids[0]);
        if (token != NULL && its != NULL && arn != NULL && strcmp(its, token) == 0 && control_is_mine(v, arn))
            return item;
    }
    return NULL;
}

enum outcome { MADE, MADE_BEFORE, TOKEN_TAKEN, NAME_TAKEN, HEIR_TAKEN, FULL, FAILED };

/* With the lock, and nothing in the way: the id, what comes of it, and into the list with it. Takes the item. */
static enum outcome add(struct visit *v, const struct collection *c, cJSON *take, struct buf *arn, struct buf *heir)
{
    struct control *k = v->mock->control;
    CLEANUP(json_free) cJSON *item = take;
    cJSON *list = control_kept_list(k, c->resource), *own = json_member(item, KEPT_OWN);
    const char *token = json_str(v->body, "clientRequestToken");
    char id[CONTROL_ID];
    control_make_id(k, v->mock->config.seed, id);
    control_arn_start(v, arn);
    buf_addf(arn, "%s%s", c->making->resource, id);
    if (token != NULL) {
        (void)json_set_string(own, "token", token);
        (void)json_set(own, "request", cJSON_Duplicate(v->body, true));
    }
    if (list == NULL || own == NULL || json_set_string(item, c->ids[0], buf_text(arn)) == NULL)
        return FAILED;
    enum err e = c->making->begets != NULL ? c->making->begets(v, item, heir) : OK;
    if (e != OK)
        return e == ERR_INVALID ? HEIR_TAKEN : e == ERR_LIMIT ? FULL : FAILED;
    (void)cJSON_AddItemToArray(list, item);
    item = NULL;
    return MADE;
}

static enum outcome settle(struct visit *v, const struct collection *c, cJSON *take, bool namesake, struct buf *arn,
                           struct buf *heir)
{
    struct control *k = v->mock->control;
    CLEANUP(json_free) cJSON *item = take;
    const char *name = json_str(item, name_member(c));
    enum outcome how = MADE;
    (void)pthread_mutex_lock(&k->lock);
    const cJSON *before = made_before(v, c);
    if (before != NULL)
        how = json_equal(json_member(json_member(before, KEPT_OWN), "request"), v->body) ? MADE_BEFORE : TOKEN_TAKEN;
    else if (name == NULL || namesake || control_kept_find(v, c->resource, name_member(c), name) != NULL)
        how = NAME_TAKEN;
    else if (cJSON_GetArraySize(json_member(k->kept, c->resource)) >= CONTROL_KEPT_MAX)
        how = FULL;
    if (how == MADE_BEFORE)
        buf_adds(arn, json_str(before, c->ids[0]));
    if (how == MADE) {
        how = add(v, c, item, arn, heir);
        item = NULL;
    }
    (void)pthread_mutex_unlock(&k->lock);
    return how;
}

static struct plan *told(struct visit *v, const struct collection *c, const char *arn)
{
    cJSON *out = cJSON_CreateObject();
    (void)json_set_string(out, c->ids[0], arn);
    return control_reply(v, out);
}

/* Without room for its tags nothing of it stays. */
static struct plan *tagged(struct visit *v, const struct collection *c, const char *arn, const char *heir)
{
    const struct making *m = c->making;
    enum err e = control_tag(v, arn, json_member(v->body, m->tags));
    if (e == OK && *heir != '\0')
        e = control_tag(v, heir, json_member(v->body, m->heir_tags));
    if (e == OK)
        return told(v, c, arn);
    control_untag(v, arn);
    e = control_kept_drop(v, c->resource, arn);
    if (e == OK && *heir != '\0')
        e = control_kept_drop(v, m->heir, heir);
    return control_refuse(v, "ServiceQuotaExceededException", "The mock keeps the tags of at most %d resources.",
                          CONTROL_TAGGED_MAX);
}

static struct plan *answer_made(struct visit *v, const struct collection *c, enum outcome how, const char *arn,
                                const char *heir)
{
    const struct making *m = c->making;
    const char *conflict = m->conflicts ? "ConflictException" : "ValidationException";
    switch (how) {
    case MADE:
        return tagged(v, c, arn, heir);
    case MADE_BEFORE:
        return told(v, c, arn);
    case TOKEN_TAKEN:
        return control_refuse(v, conflict, "Another request has had that clientRequestToken.");
    case NAME_TAKEN:
        return control_refuse(v, conflict, "The name %s is in use already.", json_str(v->body, name_member(c)));
    case HEIR_TAKEN:
        return control_refuse(v, conflict, "The name of what it is to make is in use already.");
    case FULL:
        return no_room(v, m);
    case FAILED:
        break;
    }
    return NULL;
}

/* A call that came before is answered as it was then, whatever has become of what it names. */
static bool repeats(struct visit *v, const struct collection *c, struct buf *arn)
{
    struct control *k = v->mock->control;
    (void)pthread_mutex_lock(&k->lock);
    const cJSON *before = made_before(v, c);
    bool same = before != NULL && json_equal(json_member(json_member(before, KEPT_OWN), "request"), v->body);
    if (same)
        buf_adds(arn, json_str(before, c->ids[0]));
    (void)pthread_mutex_unlock(&k->lock);
    return same;
}

struct plan *control_make(struct visit *v, const cJSON *reply)
{
    (void)reply;
    const struct collection *c = control_collection(v->operation);
    CLEANUP(buf_release) struct buf arn = BUF_INIT(BUF_ANY), heir = BUF_INIT(BUF_ANY);
    if (has_too_many_tags(v, c->making->tags) || has_too_many_tags(v, c->making->heir_tags))
        return control_refuse(v, "TooManyTagsException", "A resource can have at most %d tags.", CONTROL_TAGS_MAX);
    if (repeats(v, c, &arn))
        return told(v, c, buf_text(&arn));
    CLEANUP(json_free) cJSON *during = cJSON_CreateObject();
    CLEANUP(json_free) cJSON *item = begin(v, c, during);
    struct plan *refused = c->making->complete(v, item, during);
    if (refused != NULL)
        return refused;
    (void)json_set(item, KEPT_OWN, control_own(clock_ms(&v->mock->clock) + c->making->takes_ms, during, false));
    during = NULL;
    const char *name = json_str(item, name_member(c));
    CLEANUP(json_free) cJSON *namesake = name != NULL ? control_find(v, c, name) : NULL;
    enum outcome how = settle(v, c, item, namesake != NULL, &arn, &heir);
    item = NULL;
    return answer_made(v, c, how, buf_text(&arn), buf_text(&heir));
}

/* ---- Update and Delete ---- */

static struct plan *answer_changed(struct visit *v, const struct collection *c, enum err e, const char *id)
{
    if (e == ERR_UNKNOWN)
        return control_unknown(v, c->what, id);
    if (e == ERR_LIMIT) /* neither operation has a ServiceQuotaExceededException */
        return control_refuse(v, "ValidationException", "The mock keeps at most %d %s.", CONTROL_KEPT_MAX,
                              c->making->many);
    return e == OK ? control_done(v) : NULL;
}

struct plan *control_change(struct visit *v, const cJSON *reply)
{
    (void)reply;
    const struct collection *c = control_collection(v->operation);
    const struct making *m = c->making;
    int64_t now = clock_ms(&v->mock->clock);
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    CLEANUP(json_free) cJSON *item = control_find(v, c, control_label(v, c->label, &id));
    if (item == NULL)
        return control_unknown(v, c->what, buf_text(&id));
    const char *status = json_str(item, m->status); /* a file of resources need not say */
    if (status != NULL && strcmp(status, m->made) != 0)
        return control_refuse(v, "ValidationException", "%s is %s and cannot be changed.", buf_text(&id), status);
    CLEANUP(json_free) cJSON *during = cJSON_CreateObject();
    struct plan *refused = m->change(v, item, during);
    if (refused != NULL)
        return refused;
    bool waits = during->child != NULL;
    control_set_time(item, m->modified, now + (waits ? m->takes_ms : 0));
    if (waits)
        control_set_time(during, m->modified, now);
    (void)json_set(item, KEPT_OWN, control_own(waits ? now + m->takes_ms : 0, during, true));
    during = NULL;
    CLEANUP(buf_release) struct buf arn = BUF_INIT(BUF_ANY);
    buf_adds(&arn, json_str(item, c->ids[0]));
    enum err e = control_kept_put(v, c->resource, item);
    item = NULL;
    const struct api_operation *o = v->route.operation;
    bool tells = e == OK && o != NULL && o->response.body.member_count > 0;
    return tells ? told(v, c, buf_text(&arn)) : answer_changed(v, c, e, buf_text(&id));
}

struct plan *control_unmake(struct visit *v, const cJSON *reply)
{
    (void)reply;
    const struct collection *c = control_collection(v->operation);
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    CLEANUP(json_free) cJSON *item = control_find(v, c, control_label(v, c->label, &id));
    if (item == NULL)
        return control_unknown(v, c->what, buf_text(&id));
    struct plan *refused = c->making->holds != NULL ? c->making->holds(v, item) : NULL;
    if (refused != NULL)
        return refused;
    const char *arn = json_str(item, c->ids[0]);
    enum err e = control_kept_drop(v, c->resource, arn);
    if (e == OK)
        control_untag(v, arn);
    return answer_changed(v, c, e, buf_text(&id));
}
