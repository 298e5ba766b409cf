/* async.c: invocations that go on after the answer.
 *
 * They are kept in a ring in the order they came, each with a number that only grows; a page's token is the number
 * after which it goes on, so that what is started between two pages neither repeats an entry nor hides one. A token of
 * a client makes a call idempotent as long as its invocation is kept: the same request gets the same ARN, another one a
 * ConflictException.
 */
#include "mock/runtime/async.h"

#include <stdio.h>
#include <stdlib.h>

#include "mock/admin/admin.h"
#include "mock/control/control.h"
#include "protocol/shape.h"

#define ID_CHARS    12
#define ARN_MAX     160
#define MODEL_MAX   400
#define TOKEN_MAX   257
#define FAILURE_MAX 2048

struct invocation {
    uint64_t number; /* 0: none */
    char arn[ARN_MAX], model_arn[MODEL_MAX], token[TOKEN_MAX];
    char *failure;  /* owned; NULL: it completes */
    cJSON *output;  /* owned: outputDataConfig */
    uint64_t asked; /* hash of the request */
    int64_t submitted_ms, ends_ms;
};

struct asyncs {
    pthread_mutex_t lock;
    struct invocation all[ASYNC_MAX];
    uint64_t last; /* number of the newest */
    /* What the admin said of the next one; `said` false: nothing. */
    bool said;
    char *failure;
    int64_t duration_ms; /* -1: the usual one */
};

struct asyncs *asyncs_new(void)
{
    struct asyncs *all = calloc(1, sizeof *all);
    if (all != NULL)
        (void)pthread_mutex_init(&all->lock, NULL);
    return all;
}

static void invocation_release(struct invocation *i)
{
    free(i->failure);
    json_free(&i->output);
    *i = (struct invocation){0};
}

static void forget_all(struct asyncs *all)
{
    for (size_t i = 0; i < ASYNC_MAX; i++)
        invocation_release(&all->all[i]);
    free(all->failure);
    all->failure = NULL;
    all->said = false;
}

void asyncs_free(struct asyncs *all)
{
    if (all == NULL)
        return;
    forget_all(all);
    (void)pthread_mutex_destroy(&all->lock);
    free(all);
}

/* ---- what is said of one ---- */

static const char *status_of(const struct invocation *i, int64_t now)
{
    return now < i->ends_ms ? "InProgress" : i->failure != NULL ? "Failed" : "Completed";
}

static void add_time(cJSON *object, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT];
    clock_iso(ms, text);
    (void)json_set_string(object, key, text);
}

/* The answer of GetAsyncInvoke, and a summary of ListAsyncInvokes: they have the same members. */
static cJSON *tell(const struct invocation *i, int64_t now)
{
    cJSON *out = cJSON_CreateObject();
    bool over = now >= i->ends_ms;
    (void)json_set_string(out, "invocationArn", i->arn);
    (void)json_set_string(out, "modelArn", i->model_arn);
    if (i->token[0] != '\0')
        (void)json_set_string(out, "clientRequestToken", i->token);
    (void)json_set_string(out, "status", status_of(i, now));
    if (over && i->failure != NULL)
        (void)json_set_string(out, "failureMessage", i->failure);
    add_time(out, "submitTime", i->submitted_ms);
    add_time(out, "lastModifiedTime", over ? i->ends_ms : i->submitted_ms);
    if (over)
        add_time(out, "endTime", i->ends_ms);
    (void)json_set(out, "outputDataConfig", cJSON_Duplicate(i->output, true));
    return out;
}

/* ---- StartAsyncInvoke ---- */

/* Before policies and validation: the model is in the body. */
static void read_start(struct visit *v)
{
    v->model_id = json_str(v->body, "modelId");
    v->names_model = v->model_id != NULL;
}

static void print_model_arn(const struct visit *v, char out[MODEL_MAX])
{
    CLEANUP(buf_release) struct buf region = BUF_INIT(BUF_ANY);
    const char *id = v->model_id == NULL ? "" : v->model_id;
    visit_region(v, &region);
    if (strncmp(id, "arn:", 4) == 0 && strstr(id, ":inference-profile/") == NULL)
        (void)snprintf(out, MODEL_MAX, "%s", id);
    else
        (void)snprintf(out, MODEL_MAX, "arn:aws:bedrock:%s::foundation-model/%s", buf_text(&region),
                       v->model.row != NULL && v->model.row->id[0] != '\0' ? v->model.row->id : id);
}

/* All but the token itself, whatever the order of members. */
static uint64_t hash_of(const cJSON *body)
{
    CLEANUP(json_free) cJSON *copy = cJSON_Duplicate(body, true);
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "clientRequestToken");
    CLEANUP(free_ptr) char *text = json_text(copy, JSON_SORTED);
    return rng_hash(1, span_of(text));
}

/* Under the lock, as all below. */
static struct invocation *find_token(const struct visit *v, const char *token)
{
    struct asyncs *all = v->mock->asyncs;
    for (size_t i = 0; token != NULL && i < ASYNC_MAX; i++)
        if (all->all[i].number > 0 && strcmp(all->all[i].token, token) == 0 && control_is_mine(v, all->all[i].arn))
            return &all->all[i];
    return NULL;
}

/* A free place, else that of the oldest which is over; NULL: all are still in progress. */
static struct invocation *make_room(struct asyncs *all, int64_t now)
{
    struct invocation *best = NULL;
    for (size_t i = 0; i < ASYNC_MAX; i++) {
        struct invocation *one = &all->all[i];
        if (one->number == 0)
            return one;
        if (now >= one->ends_ms && (best == NULL || one->number < best->number))
            best = one;
    }
    return best;
}

static int64_t duration_of(struct mock *m)
{
    int64_t usual = m->config.async_duration_ms;
    if (m->asyncs->said && m->asyncs->duration_ms >= 0)
        return m->asyncs->duration_ms;
    return usual == 0 ? ASYNC_DURATION_MS : usual < 0 ? 0 : usual;
}

static void print_arn(const struct visit *v, uint64_t number, char out[ARN_MAX])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct rng rng = {v->mock->config.seed ^ (number * 0x9e3779b97f4a7c15u)};
    char id[ID_CHARS + 1] = "";
    CLEANUP(buf_release) struct buf start = BUF_INIT(BUF_ANY);
    for (size_t i = 0; i < ID_CHARS; i++)
        id[i] = letters[rng_below(&rng, sizeof letters - 1)];
    control_arn_start(v, &start);
    (void)snprintf(out, ARN_MAX, "%sasync-invoke/%s", buf_text(&start), id);
}

/* False: out of memory. */
static bool begin(const struct visit *v, const cJSON *reply, struct invocation *i)
{
    struct asyncs *all = v->mock->asyncs;
    const char *token = json_str(v->body, "clientRequestToken");
    const char *failure = json_str(json_member(reply, "extra"), "failureMessage");
    failure = failure == NULL && all->said ? all->failure : failure;
    invocation_release(i);
    const cJSON *output = json_member(v->body, "outputDataConfig"); /* may be missing when nothing is refused */
    i->output = output == NULL ? cJSON_CreateObject() : cJSON_Duplicate(output, true);
    i->failure = failure == NULL ? NULL : strndup(failure, FAILURE_MAX);
    if (i->output == NULL || (failure != NULL && i->failure == NULL)) {
        invocation_release(i);
        return false;
    }
    i->number = ++all->last;
    print_arn(v, i->number, i->arn);
    print_model_arn(v, i->model_arn);
    (void)snprintf(i->token, sizeof i->token, "%s", token == NULL ? "" : token);
    i->asked = hash_of(v->body);
    i->submitted_ms = clock_ms(&v->mock->clock);
    i->ends_ms = i->submitted_ms + duration_of(v->mock);
    free(all->failure);
    all->failure = NULL;
    all->said = false;
    return true;
}

static struct plan *answer_start(struct visit *v, const cJSON *reply)
{
    struct asyncs *all = v->mock->asyncs;
    char arn[ARN_MAX] = "", forgotten[ARN_MAX] = "";
    (void)pthread_mutex_lock(&all->lock);
    struct invocation *before = find_token(v, json_str(v->body, "clientRequestToken")), *i = before;
    bool conflict = before != NULL && before->asked != hash_of(v->body), failed = false;
    if (before == NULL && (i = make_room(all, clock_ms(&v->mock->clock))) != NULL) {
        memcpy(forgotten, i->arn, sizeof forgotten);
        failed = !begin(v, reply, i);
    }
    if (i != NULL)
        memcpy(arn, i->arn, sizeof arn);
    (void)pthread_mutex_unlock(&all->lock);
    if (forgotten[0] != '\0')
        control_untag(v, forgotten);
    if (conflict)
        return control_refuse(v, "ConflictException",
                              "The clientRequestToken was used before, in a request with other parameters.");
    if (i == NULL)
        return control_refuse(v, "ServiceQuotaExceededException", "The mock keeps at most %d invocations in progress.",
                              ASYNC_MAX);
    const cJSON *tags = json_member(v->body, "tags");
    if (failed || (before == NULL && tags != NULL && control_tag(v, arn, tags) != OK))
        return failed
                   ? NULL
                   : control_refuse(v, "ValidationException", "A resource can have at most %d tags.", CONTROL_TAGS_MAX);
    cJSON *out = cJSON_CreateObject();
    (void)json_set_string(out, "invocationArn", arn);
    return control_reply(v, out);
}

/* ---- GetAsyncInvoke ---- */

static struct invocation *find_arn(struct asyncs *all, const char *arn)
{
    for (size_t i = 0; i < ASYNC_MAX; i++)
        if (all->all[i].number > 0 && strcmp(all->all[i].arn, arn) == 0)
            return &all->all[i];
    return NULL;
}

bool asyncs_have(const struct visit *v, const char *arn)
{
    struct asyncs *all = v->mock->asyncs;
    (void)pthread_mutex_lock(&all->lock);
    bool found = find_arn(all, arn) != NULL && control_is_mine(v, arn);
    (void)pthread_mutex_unlock(&all->lock);
    return found;
}

static struct plan *answer_get(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct asyncs *all = v->mock->asyncs;
    CLEANUP(buf_release) struct buf arn = BUF_INIT(BUF_ANY);
    cJSON *out = NULL;
    (void)control_label(v, "invocationArn", &arn);
    (void)pthread_mutex_lock(&all->lock);
    const struct invocation *i = find_arn(all, buf_text(&arn));
    bool found = i != NULL && control_is_mine(v, i->arn);
    if (found)
        out = tell(i, clock_ms(&v->mock->clock));
    (void)pthread_mutex_unlock(&all->lock);
    if (!found)
        return control_refuse(v, "ValidationException", "The provided invocation ARN %.200s is invalid.",
                              buf_text(&arn));
    return control_reply(v, out);
}

/* ---- ListAsyncInvokes ---- */

struct wanted {
    int64_t after_ms, before_ms, now_ms; /* times strictly between the first two */
    char status[16];                     /* "": any */
    bool rising;
    size_t past; /* number of the last one of the page before; 0: the first page */
    size_t most;
};

static bool read_time(const struct visit *v, const char *name, int64_t *ms)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const char *said = control_query(v, name, &text);
    return *said == '\0' || control_time(said, ms);
}

static bool read_wanted(const struct visit *v, struct wanted *w)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    *w = (struct wanted){.after_ms = INT64_MIN, .before_ms = INT64_MAX, .now_ms = clock_ms(&v->mock->clock)};
    (void)snprintf(w->status, sizeof w->status, "%s", control_query(v, "statusEquals", &text));
    w->rising = strcmp(control_query(v, "sortOrder", &text), "Ascending") == 0;
    w->most = (size_t)strtoul(control_query(v, "maxResults", &text), NULL, 10);
    w->most = w->most == 0 || w->most > ASYNC_MAX ? ASYNC_MAX : w->most;
    return control_token_read(control_query(v, "nextToken", &text), &w->past) &&
           read_time(v, "submitTimeAfter", &w->after_ms) && read_time(v, "submitTimeBefore", &w->before_ms);
}

static bool is_wanted(const struct visit *v, const struct wanted *w, const struct invocation *i)
{
    return i->number > 0 && i->submitted_ms > w->after_ms && i->submitted_ms < w->before_ms &&
           (w->past == 0 || (w->rising ? i->number > w->past : i->number < w->past)) &&
           (w->status[0] == '\0' || strcmp(status_of(i, w->now_ms), w->status) == 0) && control_is_mine(v, i->arn);
}

static int by_number(const void *a, const void *b)
{
    const struct invocation *const *x = a, *const *y = b;
    return (*x)->number < (*y)->number ? -1 : (*x)->number > (*y)->number;
}

static struct plan *answer_list(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct asyncs *all = v->mock->asyncs;
    const struct invocation *found[ASYNC_MAX];
    struct wanted w;
    size_t n = 0;
    if (!read_wanted(v, &w))
        return control_refuse(v, "ValidationException", "The provided nextToken or submit time is invalid.");
    cJSON *out = cJSON_CreateObject(), *list = json_set(out, "asyncInvokeSummaries", cJSON_CreateArray());
    (void)pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < ASYNC_MAX; i++)
        if (is_wanted(v, &w, &all->all[i]))
            found[n++] = &all->all[i];
    qsort(found, n, sizeof found[0], by_number);
    for (size_t i = 0; i < n && i < w.most; i++)
        (void)cJSON_AddItemToArray(list, tell(found[w.rising ? i : n - 1 - i], w.now_ms));
    if (n > w.most)
        control_token_add(out, (size_t)found[w.rising ? w.most - 1 : n - w.most]->number);
    (void)pthread_mutex_unlock(&all->lock);
    return control_reply(v, out);
}

const struct operation_row mock_async_rows[] = {
    {"StartAsyncInvoke", answer_start, read_start},
    {"GetAsyncInvoke", answer_get, NULL},
    {"ListAsyncInvokes", answer_list, NULL},
};
const size_t mock_async_count = COUNT_OF(mock_async_rows);

/* ---- the admin API ---- */

static enum err get_async(struct admin_call *c, struct note *note)
{
    (void)note;
    struct asyncs *all = c->mock->asyncs;
    int64_t now = clock_ms(&c->mock->clock);
    CLEANUP(json_free) cJSON *out = cJSON_CreateObject();
    cJSON *list = json_set(out, "invocations", cJSON_CreateArray());
    const struct invocation *found[ASYNC_MAX];
    size_t n = 0;
    (void)pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < ASYNC_MAX; i++)
        if (all->all[i].number > 0)
            found[n++] = &all->all[i];
    qsort(found, n, sizeof found[0], by_number);
    for (size_t i = 0; i < n; i++)
        (void)cJSON_AddItemToArray(list, tell(found[i], now));
    (void)pthread_mutex_unlock(&all->lock);
    json_print(out, JSON_COMPACT, &c->out);
    return out == NULL ? ERR_NOMEM : OK;
}

/* Under the lock. */
static enum err settle(struct asyncs *all, const char *arn, const char *failure, int64_t ends_ms, struct note *note)
{
    struct invocation *i = find_arn(all, arn);
    char *copy = failure == NULL ? NULL : strndup(failure, FAILURE_MAX);
    if (i == NULL) {
        free(copy);
        return note_set(note, ERR_INVALID, "/invocationArn: no such invocation");
    }
    if (failure != NULL && copy == NULL)
        return ERR_NOMEM;
    free(i->failure);
    i->failure = copy;
    i->ends_ms = ends_ms < i->submitted_ms ? i->submitted_ms : ends_ms;
    return OK;
}

static enum err post_async(struct admin_call *c, struct note *note)
{
    static const char *const known[] = {"invocationArn", "failureMessage", "after_ms"};
    struct asyncs *all = c->mock->asyncs;
    const char *arn = NULL, *failure = NULL;
    int64_t after = -1;
    if (!cJSON_IsObject(c->body))
        return note_set(note, ERR_INVALID, "expected an object with some of invocationArn, failureMessage, after_ms");
    enum err e = json_only_keys(c->body, known, COUNT_OF(known), "", note);
    if (e == OK)
        e = json_opt_string(c->body, "invocationArn", "", &arn, note);
    if (e == OK)
        e = json_opt_string(c->body, "failureMessage", "", &failure, note);
    if (e == OK)
        e = json_opt_int(c->body, "after_ms", "", &after, note);
    if (e == OK && json_item(c->body, "after_ms") != NULL && (after < 0 || after > CLOCK_OFFSET_MAX_MS))
        e = note_set(note, ERR_INVALID, "/after_ms: expected 0 to %lld", (long long)CLOCK_OFFSET_MAX_MS);
    if (e != OK)
        return e;
    (void)pthread_mutex_lock(&all->lock);
    if (arn != NULL) {
        e = settle(all, arn, failure, clock_ms(&c->mock->clock) + (after < 0 ? 0 : after), note);
    } else {
        free(all->failure);
        all->failure = failure == NULL ? NULL : strndup(failure, FAILURE_MAX);
        all->duration_ms = after;
        all->said = true;
    }
    (void)pthread_mutex_unlock(&all->lock);
    buf_adds(&c->out, "{\"ok\":true}");
    return e;
}

static void forget(struct mock *m)
{
    (void)pthread_mutex_lock(&m->asyncs->lock);
    forget_all(m->asyncs);
    m->asyncs->last = 0;
    (void)pthread_mutex_unlock(&m->asyncs->lock);
}

static const struct admin_row rows[] = {{"GET", "/async", get_async}, {"POST", "/async", post_async}};
const struct admin_table mock_admin_async = {rows, COUNT_OF(rows), "async", forget};
