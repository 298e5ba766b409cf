/* compat_store.c: a ring of responses, as texts.
 *
 * A kept response carries its whole conversation, so that deleting one breaks none that went on from it, and reading
 * one walks no chain. Its state is not kept but follows from the clock, as those of asynchronous invocations do.
 */
#include "mock/compat/compat_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "mock/admin/admin.h"
#include "mock/compat/compat.h"
#include "mock/runtime/async.h"

#define ID_MAX      80
#define ACCOUNT_MAX 16
#define DAY_MS      ((int64_t)24 * 60 * 60 * 1000)

struct kept {
    char id[ID_MAX], account[ACCOUNT_MAX], session[SESSION_NAME_MAX + 1]; /* id "": nothing */
    struct buf response, thread; /* the object; the items before it, with its own output */
    int64_t created_ms, ready_ms;
    bool background, cancelled;
};

struct responses {
    pthread_mutex_t lock;
    struct kept all[RESPONSES_MAX];
    size_t next, bytes;
};

struct responses *responses_new(void)
{
    struct responses *all = calloc(1, sizeof *all);
    if (all != NULL)
        (void)pthread_mutex_init(&all->lock, NULL);
    return all;
}

static void drop(struct responses *all, struct kept *k)
{
    all->bytes -= k->response.len + k->thread.len;
    buf_release(&k->response);
    buf_release(&k->thread);
    *k = (struct kept){0};
}

static void drop_all(struct responses *all)
{
    for (size_t i = 0; i < RESPONSES_MAX; i++)
        drop(all, &all->all[i]);
}

void responses_free(struct responses *all)
{
    if (all == NULL)
        return;
    drop_all(all);
    (void)pthread_mutex_destroy(&all->lock);
    free(all);
}

/* ---- under the lock ---- */

static const char *session_of(const struct visit *v)
{
    const char *name = session_name(v->session);
    return name == NULL ? "" : name;
}

static struct kept *find(const struct visit *v, struct span id)
{
    struct responses *all = v->mock->responses;
    for (size_t i = 0; i < RESPONSES_MAX; i++) {
        struct kept *k = &all->all[i];
        if (k->id[0] == '\0' || !span_is(id, k->id) || strcmp(k->account, visit_account(v)) != 0 ||
            strcmp(k->session, session_of(v)) != 0)
            continue;
        if (clock_ms(&v->mock->clock) - k->created_ms < RESPONSES_DAYS * DAY_MS)
            return k;
        drop(all, k);
    }
    return NULL;
}

/* The oldest go until it fits. */
static struct kept *make_room(struct responses *all, size_t bytes)
{
    if (bytes > RESPONSES_BYTES)
        return NULL;
    struct kept *k = &all->all[all->next];
    drop(all, k);
    for (size_t i = 1; i < RESPONSES_MAX && all->bytes + bytes > RESPONSES_BYTES; i++)
        drop(all, &all->all[(all->next + i) % RESPONSES_MAX]);
    all->next = (all->next + 1) % RESPONSES_MAX;
    return k;
}

/* The object as it is now; the caller frees. */
static cJSON *tell(const struct kept *k, int64_t now)
{
    cJSON *out = NULL;
    if (json_parse(buf_span(&k->response), JSON_COMPACT, &out, NULL) != OK)
        return NULL;
    bool over = now >= k->ready_ms && !k->cancelled;
    if (over)
        return out;
    bool queued = now - k->created_ms < (k->ready_ms - k->created_ms) / 4;
    const char *state = k->cancelled ? "cancelled" : queued ? "queued" : "in_progress";
    (void)json_set_string(out, "status", state);
    (void)json_set(out, "output", cJSON_CreateArray());
    (void)json_set(out, "usage", cJSON_CreateNull());
    (void)json_set(out, "incomplete_details", cJSON_CreateNull());
    return out;
}

/* ---- conversations ---- */

static bool append_all(cJSON *into, cJSON *from)
{
    cJSON *item;
    while ((item = cJSON_DetachItemFromArray(from, 0)) != NULL)
        if (!cJSON_AddItemToArray(into, item)) {
            cJSON_Delete(item);
            return false;
        }
    return true;
}

static bool append_input(cJSON *into, const cJSON *input)
{
    if (cJSON_IsArray(input)) {
        CLEANUP(json_free) cJSON *copy = cJSON_Duplicate(input, true);
        return copy != NULL && append_all(into, copy);
    }
    if (!cJSON_IsString(input))
        return true;
    cJSON *message = cJSON_CreateObject();
    (void)json_set_string(message, "role", "user");
    (void)json_set(message, "content", cJSON_Duplicate(input, true));
    return message != NULL && cJSON_AddItemToArray(into, message);
}

cJSON *responses_thread(const struct visit *v, const cJSON *body)
{
    struct responses *all = v->mock->responses;
    const char *before = json_str(body, "previous_response_id");
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    CLEANUP(json_free) cJSON *items = NULL;
    if (before != NULL && v->compat->mantle) {
        (void)pthread_mutex_lock(&all->lock);
        const struct kept *k = find(v, span_of(before));
        if (k != NULL)
            buf_add(&text, buf_span(&k->thread));
        (void)pthread_mutex_unlock(&all->lock);
    }
    if (before == NULL)
        items = cJSON_CreateArray();
    else if (json_parse(buf_span(&text), JSON_COMPACT, &items, NULL) != OK)
        return NULL;
    if (items == NULL || !append_input(items, json_member(body, "input")))
        return NULL;
    cJSON *out = items;
    items = NULL;
    return out;
}

/* ---- keeping ---- */

static int64_t duration_ms(const struct visit *v)
{
    int64_t set = v->mock->config.async_duration_ms;
    return set == 0 ? ASYNC_DURATION_MS : set < 0 ? 0 : set;
}

/* `thread` with the output of `response` behind it. */
static void print_thread(const cJSON *thread, const cJSON *response, struct buf *out)
{
    CLEANUP(json_free) cJSON *items = cJSON_Duplicate(thread, true);
    CLEANUP(json_free) cJSON *said = cJSON_Duplicate(json_member(response, "output"), true);
    if (items != NULL && said != NULL && append_all(items, said))
        json_print(items, JSON_COMPACT, out);
}

static void put(const struct visit *v, struct span id, struct kept *made)
{
    struct responses *all = v->mock->responses;
    (void)pthread_mutex_lock(&all->lock);
    struct kept *k = find(v, id); /* the same request has the same id */
    if (k != NULL)
        drop(all, k);
    k = make_room(all, made->response.len + made->thread.len);
    if (k != NULL) {
        *k = *made;
        all->bytes += k->response.len + k->thread.len;
        *made = (struct kept){0};
    }
    (void)pthread_mutex_unlock(&all->lock);
    buf_release(&made->response);
    buf_release(&made->thread);
}

struct plan *responses_keep(struct visit *v, const struct buf *whole, struct plan *plan)
{
    CLEANUP(json_free) cJSON *response = NULL;
    const cJSON *store = json_member(v->body, "store");
    if (plan == NULL || v->native.thread == NULL || cJSON_IsFalse(store) ||
        json_parse(buf_span(whole), JSON_COMPACT, &response, NULL) != OK)
        return plan;
    const char *id = json_str(response, "id");
    struct kept made = {.response = BUF_INIT(BUF_ANY), .thread = BUF_INIT(BUF_ANY)};
    if (id == NULL || strlen(id) >= ID_MAX)
        return plan;
    (void)snprintf(made.id, sizeof made.id, "%s", id);
    (void)snprintf(made.account, sizeof made.account, "%s", visit_account(v));
    (void)snprintf(made.session, sizeof made.session, "%s", session_of(v));
    buf_add(&made.response, buf_span(whole));
    print_thread(v->native.thread, response, &made.thread);
    made.background = cJSON_IsTrue(json_member(v->body, "background"));
    made.created_ms = clock_ms(&v->mock->clock);
    made.ready_ms = made.created_ms + (made.background && !v->streams ? duration_ms(v) : 0);
    if (made.background && !v->streams) {
        CLEANUP(json_free) cJSON *now = tell(&made, made.created_ms);
        plan_free(plan);
        plan = compat_json(v, 200, now);
    }
    put(v, span_of(id), &made);
    return plan;
}

/* ---- asking for it ---- */

static struct plan *not_found(struct visit *v)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_adds(&text, "Response with id '");
    compat_add_plain(&text, compat_wildcard(v));
    buf_adds(&text, "' not found.");
    return compat_refuse(v, 404, "id", buf_text(&text));
}

/* What is kept, as it is told now; `change` may do something to it first, and says whether it may be told. NULL: there
 * is none. The caller frees. */
static cJSON *look(const struct visit *v, bool (*change)(struct kept *k, int64_t now), bool *may)
{
    struct responses *all = v->mock->responses;
    int64_t now = clock_ms(&v->mock->clock);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    struct kept seen = {0};
    (void)pthread_mutex_lock(&all->lock);
    struct kept *k = find(v, compat_wildcard(v));
    if (k != NULL) {
        *may = change == NULL || change(k, now);
        buf_add(&text, buf_span(&k->response));
        seen = *k;
    }
    (void)pthread_mutex_unlock(&all->lock);
    if (k == NULL)
        return NULL;
    seen.response = text; /* which is parsed without the lock, as it may be long */
    return tell(&seen, now);
}

struct plan *responses_get(struct visit *v, const cJSON *reply)
{
    (void)reply;
    bool may;
    CLEANUP(buf_release) struct buf stream = BUF_INIT(BUF_ANY);
    if (visit_query(v, "stream", &stream) == OK && strcmp(buf_text(&stream), "true") == 0)
        return compat_refuse(v, 400, "stream", "Streaming a stored response is not supported by this mock.");
    CLEANUP(json_free) cJSON *found = look(v, NULL, &may);
    return found == NULL ? not_found(v) : compat_json(v, 200, found);
}

struct plan *responses_delete(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct responses *all = v->mock->responses;
    struct span id = compat_wildcard(v);
    (void)pthread_mutex_lock(&all->lock);
    struct kept *k = find(v, id);
    if (k != NULL)
        drop(all, k);
    (void)pthread_mutex_unlock(&all->lock);
    if (k == NULL)
        return not_found(v);
    CLEANUP(json_free) cJSON *out = cJSON_CreateObject();
    CLEANUP(free_ptr) char *text = span_dup(id);
    (void)json_set_string(out, "id", text == NULL ? "" : text);
    (void)json_set_string(out, "object", "response");
    (void)json_set(out, "deleted", cJSON_CreateTrue());
    return compat_json(v, 200, out);
}

static bool cancel(struct kept *k, int64_t now)
{
    if (k->background && now < k->ready_ms)
        k->cancelled = true;
    return k->background;
}

struct plan *responses_cancel(struct visit *v, const cJSON *reply)
{
    (void)reply;
    bool may = false;
    CLEANUP(json_free) cJSON *found = look(v, cancel, &may);
    if (found == NULL)
        return not_found(v);
    return may ? compat_json(v, 200, found) : compat_refuse(v, 400, NULL, "Cannot cancel a synchronous response.");
}

/* ---- the admin API ---- */

static void forget(struct mock *m)
{
    (void)pthread_mutex_lock(&m->responses->lock);
    drop_all(m->responses);
    (void)pthread_mutex_unlock(&m->responses->lock);
}

const struct admin_table mock_admin_responses = {NULL, 0, "responses", forget};
