/* script.c: see script.h. Replies are checked whole when they come in, so that serving one cannot fail for its form.
 */
#include "mock/script/script.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "mock/fault/fault.h"
#include "mock/script/scripted.h"
#include "mock/script/subject.h"

struct shared {
    atomic_uint refs;
    cJSON *tree;
};

struct queued {
    struct shared *reply; /* the whole item: match, times, reply */
    int64_t times;
    struct queued *next;
};

struct script {
    pthread_mutex_t lock;
    struct queued *first, **last;
    size_t count;
    struct shared *faults;
    cJSON *canaries;
    atomic_bool any_reply, any_fault, any_canary;
};

struct shared *shared_new(cJSON *take)
{
    struct shared *s = take == NULL ? NULL : malloc(sizeof *s);
    if (s == NULL) {
        cJSON_Delete(take);
        return NULL;
    }
    atomic_init(&s->refs, 1);
    s->tree = take;
    return s;
}

struct shared *shared_hold(struct shared *s)
{
    if (s != NULL)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

const cJSON *shared_tree(const struct shared *s)
{
    return s == NULL ? NULL : s->tree;
}

void shared_drop(struct shared **pointer)
{
    struct shared *s = *pointer;
    *pointer = NULL;
    if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        cJSON_Delete(s->tree);
        free(s);
    }
}

struct script *script_new(void)
{
    struct script *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    (void)pthread_mutex_init(&s->lock, NULL);
    s->last = &s->first;
    return s;
}

static void free_queue(struct queued *q)
{
    while (q != NULL) {
        struct queued *next = q->next;
        shared_drop(&q->reply);
        free(q);
        q = next;
    }
}

void script_free(struct script *s)
{
    if (s == NULL)
        return;
    free_queue(s->first);
    shared_drop(&s->faults);
    cJSON_Delete(s->canaries);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- taking in ---- */

static enum err read_times(const cJSON *item, const char *where, int64_t *times, struct note *note)
{
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(item, "times");
    *times = 1;
    if (t == NULL)
        return OK;
    if (cJSON_IsString(t) && strcmp(t->valuestring, "always") == 0) {
        *times = SCRIPT_ALWAYS;
        return OK;
    }
    if (!cJSON_IsNumber(t) || t->valuedouble < 1 || t->valuedouble > 1e9)
        return note_set(note, ERR_INVALID, "%s/times: expected a number from 1, or \"always\"", where);
    *times = (int64_t)t->valuedouble;
    return OK;
}

static enum err check_item(const cJSON *item, size_t i, int64_t *times, struct note *note)
{
    static const char *const known[] = {"match", "times", "reply"};
    char where[64], inner[96];
    (void)snprintf(where, sizeof where, "/replies/%zu", i);
    if (!cJSON_IsObject(item))
        return note_set(note, ERR_INVALID, "%s: expected an object", where);
    enum err e = scripted_check_around(item, known, COUNT_OF(known), where, note);
    if (e == OK)
        e = read_times(item, where, times, note);
    (void)snprintf(inner, sizeof inner, "%s/match", where);
    if (e == OK)
        e = subject_check(cJSON_GetObjectItemCaseSensitive(item, "match"), NULL, inner, note);
    (void)snprintf(inner, sizeof inner, "%s/reply", where);
    return e == OK ? scripted_check(cJSON_GetObjectItemCaseSensitive(item, "reply"), inner, note) : e;
}

static enum err check_canaries(const cJSON *c, struct note *note)
{
    const cJSON *item;
    if (c != NULL && (!cJSON_IsObject(c) || cJSON_GetArraySize(c) > SCRIPT_CANARIES_MAX))
        return note_set(note, ERR_INVALID, "/canaries: expected an object of at most %d strings", SCRIPT_CANARIES_MAX);
    cJSON_ArrayForEach(item, c)
    {
        if (!cJSON_IsString(item) || strlen(item->valuestring) < 4)
            return note_set(note, ERR_INVALID, "/canaries/%s: expected a string of at least 4 characters",
                            item->string);
    }
    return OK;
}

static enum err build_queue(const cJSON *replies, struct queued **first, size_t *n, struct note *note)
{
    struct queued **last = first;
    const cJSON *item;
    cJSON_ArrayForEach(item, replies)
    {
        int64_t times = 0;
        enum err e = check_item(item, *n, &times, note);
        if (e != OK)
            return e;
        struct queued *q = calloc(1, sizeof *q);
        struct shared *reply = q == NULL ? NULL : shared_new(cJSON_Duplicate(item, true));
        if (reply == NULL) {
            free(q);
            return note_set(note, ERR_NOMEM, "out of memory");
        }
        *q = (struct queued){.reply = reply, .times = times};
        *last = q;
        last = &q->next;
        if (++*n > SCRIPT_REPLIES_MAX)
            return note_set(note, ERR_LIMIT, "/replies: at most %d", SCRIPT_REPLIES_MAX);
    }
    return OK;
}

static void add_canaries(struct script *s, const cJSON *canaries)
{
    const cJSON *item;
    if (s->canaries == NULL)
        s->canaries = cJSON_CreateObject();
    cJSON_ArrayForEach(item, canaries)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(s->canaries, item->string);
        if (cJSON_GetArraySize(s->canaries) < SCRIPT_CANARIES_MAX)
            (void)cJSON_AddStringToObject(s->canaries, item->string, item->valuestring);
    }
    atomic_store(&s->any_canary, cJSON_GetArraySize(s->canaries) > 0);
}

enum err script_append(struct script *s, const cJSON *body, size_t *queued, struct note *note)
{
    static const char *const known[] = {"replies", "canaries", "session"};
    const cJSON *replies = cJSON_GetObjectItemCaseSensitive(body, "replies");
    const cJSON *canaries = cJSON_GetObjectItemCaseSensitive(body, "canaries");
    if (!cJSON_IsObject(body) || (replies != NULL && !cJSON_IsArray(replies)))
        return note_set(note, ERR_INVALID, "%s: expected %s", cJSON_IsObject(body) ? "/replies" : "/",
                        cJSON_IsObject(body) ? "a list" : "an object");
    enum err e = json_only_keys(body, known, COUNT_OF(known), "", note);
    if (e == OK)
        e = check_canaries(canaries, note);
    struct queued *first = NULL;
    size_t n = 0;
    if (e == OK)
        e = build_queue(replies, &first, &n, note);
    if (e != OK) {
        free_queue(first);
        return e;
    }
    (void)pthread_mutex_lock(&s->lock);
    if (s->count + n > SCRIPT_REPLIES_MAX) {
        e = note_set(note, ERR_LIMIT, "/replies: the queue holds at most %d", SCRIPT_REPLIES_MAX);
    } else {
        *s->last = first;
        while (*s->last != NULL)
            s->last = &(*s->last)->next;
        s->count += n;
        *queued = s->count;
        atomic_store(&s->any_reply, s->count > 0);
        if (canaries != NULL)
            add_canaries(s, canaries);
        first = NULL;
    }
    (void)pthread_mutex_unlock(&s->lock);
    free_queue(first);
    return e;
}

enum err script_set_faults(struct script *s, const cJSON *body, struct note *note)
{
    static const char *const known[] = {"faults", "session"};
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(body, "faults");
    if (!cJSON_IsArray(list))
        return note_set(note, ERR_INVALID, "/faults: expected a list");
    enum err e = json_only_keys(body, known, COUNT_OF(known), "", note);
    if (e == OK)
        e = faults_check_matching(list, "/faults", note);
    struct shared *new = NULL, *old;
    if (e == OK && cJSON_GetArraySize(list) > 0) {
        new = shared_new(cJSON_Duplicate(list, true));
        if (new == NULL)
            return note_set(note, ERR_NOMEM, "out of memory");
    }
    if (e != OK)
        return e;
    (void)pthread_mutex_lock(&s->lock);
    old = s->faults;
    s->faults = new;
    atomic_store(&s->any_fault, new != NULL);
    (void)pthread_mutex_unlock(&s->lock);
    shared_drop(&old);
    return OK;
}

void script_forget_replies(struct script *s)
{
    (void)pthread_mutex_lock(&s->lock);
    struct queued *first = s->first;
    s->first = NULL;
    s->last = &s->first;
    s->count = 0;
    atomic_store(&s->any_reply, false);
    (void)pthread_mutex_unlock(&s->lock);
    free_queue(first);
}

void script_forget_faults(struct script *s)
{
    (void)pthread_mutex_lock(&s->lock);
    struct shared *old = s->faults;
    s->faults = NULL;
    atomic_store(&s->any_fault, false);
    (void)pthread_mutex_unlock(&s->lock);
    shared_drop(&old);
}

void script_forget_canaries(struct script *s)
{
    (void)pthread_mutex_lock(&s->lock);
    json_free(&s->canaries);
    atomic_store(&s->any_canary, false);
    (void)pthread_mutex_unlock(&s->lock);
}

/* ---- giving out ---- */

bool script_waits(const struct script *s)
{
    return atomic_load_explicit(&s->any_reply, memory_order_acquire);
}

bool script_is_empty(const struct script *s)
{
    return !script_waits(s) && !atomic_load(&s->any_fault) && !atomic_load(&s->any_canary);
}

size_t script_count(struct script *s)
{
    (void)pthread_mutex_lock(&s->lock);
    size_t n = s->count;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

/* Take *at out of the queue when its times are used up. The lock is held. */
static struct shared *use_up(struct script *s, struct queued **at)
{
    struct queued *q = *at;
    struct shared *reply = shared_hold(q->reply);
    if (q->times == SCRIPT_ALWAYS || --q->times > 0)
        return reply;
    *at = q->next;
    if (s->last == &q->next)
        s->last = at;
    s->count--;
    atomic_store(&s->any_reply, s->count > 0);
    shared_drop(&q->reply);
    free(q);
    return reply;
}

static bool is_for(const cJSON *item, const cJSON *subject, enum scripted_use use)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(item, "match");
    return scripted_takes(use, m, json_item(item, "reply"), subject) && subject_matches(m, NULL, subject);
}

struct shared *script_take(struct script *s, const cJSON *subject, enum scripted_use use)
{
    struct shared *reply = NULL;
    (void)pthread_mutex_lock(&s->lock);
    for (struct queued **at = &s->first; *at != NULL && reply == NULL; at = &(*at)->next) {
        if (is_for((*at)->reply->tree, subject, use)) {
            reply = use_up(s, at);
            break;
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return reply;
}

struct shared *script_faults(struct script *s)
{
    if (!atomic_load_explicit(&s->any_fault, memory_order_acquire))
        return NULL;
    (void)pthread_mutex_lock(&s->lock);
    struct shared *f = shared_hold(s->faults);
    (void)pthread_mutex_unlock(&s->lock);
    return f;
}

static void report(struct buf *out, const char *name, const char *place, struct span field)
{
    if (out->len > 0)
        buf_addc(out, ',');
    buf_adds(out, "{\"name\":");
    json_quote(span_of(name), out);
    CLEANUP(buf_release) struct buf where = BUF_INIT(1024);
    buf_addf(&where, "%s%.*s", place, (int)(field.n < 256 ? field.n : 256),
             field.p == NULL ? "" : (const char *)field.p);
    buf_adds(out, ",\"where\":");
    json_quote(buf_span(&where), out);
    buf_addc(out, '}');
}

void script_find_canaries(struct script *s, const struct http_request *r, struct buf *out)
{
    if (!atomic_load_explicit(&s->any_canary, memory_order_acquire))
        return;
    (void)pthread_mutex_lock(&s->lock);
    const cJSON *c;
    cJSON_ArrayForEach(c, s->canaries)
    {
        if (span_find(r->target, c->valuestring) != NULL)
            report(out, c->string, "target", SPAN_EMPTY);
        for (size_t i = 0; i < r->field_count; i++)
            if (span_find(r->fields[i].value, c->valuestring) != NULL)
                report(out, c->string, "header ", r->fields[i].name);
        if (span_find(r->body, c->valuestring) != NULL)
            report(out, c->string, "body", SPAN_EMPTY);
    }
    (void)pthread_mutex_unlock(&s->lock);
}
