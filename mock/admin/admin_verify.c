/* admin_verify.c: POST /verify: "was it called twice, with this model and that text?"
 *
 * A verdict is made from the journal: each entry becomes the subject that scripts and fixtures see, so that a test asks
 * in the language in which it said what the mock answers. Secrets were taken out on the way into the journal, so no
 * sentence of the verdict can hold one. When the count is wrong, the entry that came nearest says what was in the way:
 * that is mostly the typing mistake, in the test or in the code.
 */
#include "mock/admin/admin_wait.h"

#include <stdio.h>
#include <stdlib.h>

#include "mock/operations.h"
#include "mock/script/doubt.h"
#include "mock/script/subject.h"

#define SHOWN_MAX 100 /* numbers of entries in an answer */

/* Beside what every match knows. */
static const char *const more[] = {"status", "source", "verdict", NULL};

struct verify {
    struct mock *mock;
    cJSON *body; /* of the request */
    const cJSON *match;
    int64_t least, most; /* INT64_MAX: no end */
    struct journal_filter filter;
    bool has_session;
    char session[SESSION_NAME_MAX + 1];
    /* what was found */
    int64_t count;
    uint64_t shown[SHOWN_MAX], last;
    bool has_near;
    uint64_t near_seq;
    struct subject_miss near;
    struct buf warnings; /* JSON strings, commas between them */
};

static void verify_free(void *ctx)
{
    struct verify *v = ctx;
    json_free(&v->body);
    buf_release(&v->warnings);
    free(v);
}

static void verify_free_ptr(struct verify **v)
{
    if (*v != NULL)
        verify_free(*v);
}

/* ---- an entry as matchers see it ---- */

static void add_rest(cJSON *subject, const struct journal_seen *e)
{
    CLEANUP(free_ptr) char *session = e->session.n > 0 ? span_dup(e->session) : NULL;
    if (session != NULL)
        (void)json_set_string(subject, "session", session);
    (void)json_set_int(subject, "status", e->status);
    (void)json_set_string(subject, "source", e->source);
    if (e->verdict != NULL)
        (void)json_set_string(subject, "verdict", e->verdict);
}

/* A visit without a visitor: what subject_new() looks at, made from the entry. */
static cJSON *subject_of(struct mock *m, const struct journal_seen *e)
{
    CLEANUP(json_free) cJSON *body = NULL;
    CLEANUP(json_free) cJSON *signature = NULL;
    CLEANUP(free_ptr) char *operation = e->operation.n > 0 ? span_dup(e->operation) : NULL;
    CLEANUP(free_ptr) char *model = e->model.n > 0 ? span_dup(e->model) : NULL;
    struct http_request r = {
        .method = e->method, .target = e->target, .fields = e->fields, .field_count = e->field_count, .body = e->body};
    struct visit v = {.mock = m, .request = &r, .operation = operation, .model_id = model};
    (void)span_split(e->target, '?', &r.path, &r.query);
    v.body_is_json = e->body.n == 0 || json_parse(e->body, JSON_COMPACT, &body, NULL) == OK;
    v.body = body;
    if (json_parse(e->signature, JSON_COMPACT, &signature, NULL) == OK)
        v.caller.access_key = json_str(signature, "access_key");
    if (api_route(m->api, e->method, r.path, &v.route) != OK)
        v.route.operation = NULL;
    v.row = operation == NULL ? NULL : operation_find(operation);
    if (v.row != NULL && v.row->read != NULL)
        v.row->read(&v);
    cJSON *lent = subject_new(&v);
    if (lent != NULL)
        add_rest(lent, e);
    cJSON *subject = cJSON_Duplicate(lent, true); /* its body is lent by v */
    cJSON_Delete(lent);
    native_request_release(&v.native);
    return subject;
}

/* ---- counting ---- */

static bool rest_holds(const cJSON *match_, const cJSON *subject, struct subject_miss *miss)
{
    for (const char *const *name = more; *name != NULL; name++) {
        const cJSON *want = json_item(match_, *name);
        if (want == NULL)
            continue;
        struct match_failure why = {"", "", ""};
        bool holds = match(want, json_item(subject, *name), NULL, &why);
        miss->held += holds;
        if (!holds && miss->failed++ == 0) {
            miss->why = why;
            (void)snprintf(miss->why.pointer, sizeof miss->why.pointer, "/%s%.400s", *name, why.pointer);
            (void)snprintf(miss->member, sizeof miss->member, "%s", *name);
        }
    }
    return miss->failed == 0;
}

static void weigh(void *ctx, const struct journal_seen *e)
{
    struct verify *v = ctx;
    CLEANUP(json_free) cJSON *subject = subject_of(v->mock, e);
    struct subject_miss miss = {0};
    (void)subject_explain(v->match, more, subject, &miss);
    if (v->match == NULL || rest_holds(v->match, subject, &miss)) {
        if (v->count < SHOWN_MAX)
            v->shown[v->count] = e->seq;
        v->count++;
        return;
    }
    bool nearer =
        !v->has_near || miss.failed < v->near.failed || (miss.failed == v->near.failed && miss.held >= v->near.held);
    if (nearer) {
        v->has_near = true;
        v->near_seq = e->seq;
        v->near = miss;
    }
}

/* ---- the verdict ---- */

static void say_expected(const struct verify *v, struct buf *out)
{
    if (v->least == v->most)
        buf_addf(out, "exactly %lld", (long long)v->least);
    else if (v->most == INT64_MAX)
        buf_addf(out, "at least %lld", (long long)v->least);
    else if (v->least == 0)
        buf_addf(out, "at most %lld", (long long)v->most);
    else
        buf_addf(out, "%lld to %lld", (long long)v->least, (long long)v->most);
}

static void say_nearest(const struct verify *v, struct buf *out)
{
    const struct subject_miss *m = &v->near;
    buf_addf(out, ",\"nearest\":{\"seq\":%llu,\"held\":%u,\"failed\":%u,\"member\":", (unsigned long long)v->near_seq,
             m->held, m->failed);
    json_quote(span_of(m->member), out);
    buf_adds(out, ",\"at\":");
    json_quote(span_of(m->why.pointer), out);
    buf_adds(out, ",\"expected\":");
    json_quote(span_of(m->why.expected), out);
    buf_adds(out, ",\"got\":");
    json_quote(span_of(m->why.observed), out);
    buf_addc(out, '}');
}

static void say_why(const struct verify *v, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_adds(&text, "expected ");
    say_expected(v, &text);
    bool one = v->least == 1 ? v->most == 1 || v->most == INT64_MAX : v->least == 0 && v->most == 1;
    buf_addf(&text, " matching request%s, found %lld", one ? "" : "s", (long long)v->count);
    bool few = v->count < v->least;
    if (few && v->has_near)
        buf_addf(&text, "; the nearest other is entry %llu, whose %s does not hold: at %s expected %s, got %s",
                 (unsigned long long)v->near_seq, v->near.member, v->near.why.pointer, v->near.why.expected,
                 v->near.why.observed);
    else if (few && v->count == 0)
        buf_adds(&text, "; the journal has no request at all");
    buf_adds(out, ",\"message\":");
    json_quote(buf_span(&text), out);
    if (few && v->has_near)
        say_nearest(v, out);
}

static struct plan *say(const struct verify *v)
{
    bool ok = v->count >= v->least && v->count <= v->most;
    struct journal_stats s;
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    journal_stats(v->mock->journal, &s);
    buf_addf(&out, "{\"ok\":%s,\"count\":%lld,\"entries\":[", ok ? "true" : "false", (long long)v->count);
    for (int64_t i = 0; i < v->count && i < SHOWN_MAX; i++)
        buf_addf(&out, "%s%llu", i > 0 ? "," : "", (unsigned long long)v->shown[i]);
    buf_addf(&out, "],\"last\":%llu,\"dropped\":%llu", (unsigned long long)v->last, (unsigned long long)s.dropped);
    if (!ok)
        say_why(v, &out);
    if (v->warnings.len > 0)
        buf_addf(&out, ",\"warnings\":[%s]", buf_text(&v->warnings));
    buf_addc(&out, '}');
    return admin_plan(200, &out);
}

/* Too many can only become more; too few are waited for. */
static struct plan *look(void *ctx, struct journal_wait *wait, bool last)
{
    struct verify *v = ctx;
    v->count = 0;
    v->has_near = false;
    if (!journal_each(v->mock->journal, &v->filter, weigh, v, &v->last))
        return plan_new(500);
    wait->filter.since = v->last > v->filter.since ? v->last : v->filter.since;
    return last || v->count >= v->least ? say(v) : NULL;
}

/* ---- the question ---- */

static enum err read_bound(const cJSON *times, const char *key, int64_t *out, struct note *note)
{
    enum err e = json_opt_int(times, key, "/times", out, note);
    return e == OK && *out < 0 ? note_set(note, ERR_INVALID, "/times/%s: expected a whole number from 0", key) : e;
}

static enum err read_times(const cJSON *times, struct verify *v, struct note *note)
{
    static const char *const known[] = {"min", "max"};
    v->least = 1;
    v->most = INT64_MAX;
    if (times == NULL)
        return OK;
    if (cJSON_IsNumber(times)) {
        bool good = json_int64(times, &v->least) && v->least >= 0;
        v->most = v->least;
        return good ? OK : note_set(note, ERR_INVALID, "/times: expected a whole number from 0");
    }
    if (!cJSON_IsObject(times) || times->child == NULL)
        return note_set(note, ERR_INVALID, "/times: expected a whole number, or {\"min\":1,\"max\":2}");
    v->least = 0;
    enum err e = json_only_keys(times, known, COUNT_OF(known), "/times", note);
    if (e == OK)
        e = read_bound(times, "min", &v->least, note);
    if (e == OK)
        e = read_bound(times, "max", &v->most, note);
    return e == OK && v->least > v->most
               ? note_set(note, ERR_INVALID, "/times: min is above max, so nothing could hold")
               : e;
}

/* A text of a status means what it means in ?status=: it becomes the number, or bounds. */
static enum err read_status(cJSON *match_, struct note *note)
{
    const char *text = json_str(match_, "status");
    int from, to;
    char words[64];
    if (text == NULL)
        return OK;
    if (!admin_status(span_of(text), &from, &to))
        return note_set(note, ERR_INVALID, "/match/status: expected a status as 429, or \"4xx\"");
    (void)snprintf(words, sizeof words, from == to ? "%d" : "{\"$num\":{\"min\":%d,\"max\":%d}}", from, to);
    cJSON *bounds = NULL;
    enum err e = json_parse(span_of(words), JSON_COMPACT, &bounds, note);
    if (e == OK && !cJSON_ReplaceItemInObjectCaseSensitive(match_, "status", bounds)) {
        cJSON_Delete(bounds);
        e = note_set(note, ERR_NOMEM, "out of memory");
    }
    return e;
}

static void warn(void *ctx, const char *line)
{
    struct verify *v = ctx;
    if (v->warnings.len > 0)
        buf_addc(&v->warnings, ',');
    json_quote(span_of(line), &v->warnings);
    mock_log(v->mock, "POST /verify: %s", line);
}

static enum err read_question(struct admin_call *c, struct verify *v, int64_t *timeout_ms, struct note *note)
{
    static const char *const known[] = {"match", "times", "since", "session", "timeout_ms"};
    int64_t since = 0;
    if (!cJSON_IsObject(c->body))
        return note_set(note, ERR_INVALID, "/: expected an object as {\"match\":{…},\"times\":1}");
    v->mock = c->mock;
    v->match = json_item(c->body, "match");
    enum err e = json_only_keys(c->body, known, COUNT_OF(known), "", note);
    if (e == OK)
        e = subject_check(v->match, more, "/match", note);
    if (e == OK)
        e = read_status(json_item(c->body, "match"), note);
    for (const char *const *name = more; e == OK && *name != NULL; name++)
        if (json_item(v->match, *name) != NULL)
            e = match_validate(json_item(v->match, *name), "/match", note);
    if (e == OK)
        e = read_times(json_item(c->body, "times"), v, note);
    if (e == OK)
        e = json_opt_int(c->body, "since", "", &since, note);
    if (e == OK)
        e = json_opt_int(c->body, "timeout_ms", "", timeout_ms, note);
    if (e == OK && (*timeout_ms < 0 || *timeout_ms > WAIT_MS_MAX))
        e = note_set(note, ERR_INVALID, "/timeout_ms: expected 0 to %d", WAIT_MS_MAX);
    if (e == OK && since < 0)
        e = note_set(note, ERR_INVALID, "/since: expected the number of an entry");
    if (e == OK)
        e = admin_session_name(c, &v->has_session, v->session, note);
    if (e == OK && !journal_is_on(c->mock->journal))
        e = note_set(note, ERR_INVALID, "this mock keeps no journal (--journal 0), so nothing can be verified");
    v->filter = (struct journal_filter){.since = (uint64_t)since, .session = v->has_session ? v->session : NULL};
    return e;
}

static enum err post_verify(struct admin_call *c, struct note *note)
{
    int64_t timeout_ms = 0;
    CLEANUP(verify_free_ptr) struct verify *v = calloc(1, sizeof *v);
    if (v != NULL)
        v->warnings = BUF_INIT(BUF_ANY);
    enum err e = v == NULL ? note_set(note, ERR_NOMEM, "out of memory") : read_question(c, v, &timeout_ms, note);
    if (e != OK)
        return e;
    struct doubts doubts = {.say = warn, .ctx = v};
    doubt_match(&doubts, v->match, "/match");
    v->body = c->body;
    c->body = NULL;
    struct admin_question ask = {.wait = {.filter = v->filter, .count = 1, .begun = true},
                                 .timeout_ms = (uint64_t)timeout_ms,
                                 .look = look,
                                 .ctx = v,
                                 .ctx_free = verify_free};
    struct plan *now = look(v, &ask.wait, timeout_ms == 0);
    if (now != NULL) {
        c->later = true;
        exchange_reply(c->exchange, now);
        return OK;
    }
    v = NULL;
    return admin_wait(c, &ask, note);
}

static const struct admin_row rows[] = {{"POST", "/verify", post_verify}};

const struct admin_table mock_admin_verify = {rows, COUNT_OF(rows), NULL, NULL};
