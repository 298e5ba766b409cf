/* admin_session.c: sessions and fixtures over the admin API.
 */
#include "mock/admin/admin.h"
#include "mock/fixture/fixtures.h"
#include "mock/metering/cache.h"
#include "protocol/shape.h"

/* ---- which session is meant ---- */

static enum err keep_name(struct span text, char name[SESSION_NAME_MAX + 1], struct note *note)
{
    if (text.n > SESSION_NAME_MAX)
        return note_set(note, ERR_INVALID, "session: expected a name of at most %d characters", SESSION_NAME_MAX);
    if (text.n > 0)
        memcpy(name, text.p, text.n);
    name[text.n] = '\0';
    return OK;
}

enum err admin_session_name(const struct admin_call *c, bool *said, char name[SESSION_NAME_MAX + 1], struct note *note)
{
    const cJSON *item = json_item(c->body, "session");
    *said = item != NULL && !cJSON_IsNull(item);
    name[0] = '\0';
    if (*said)
        return cJSON_IsString(item) ? keep_name(span_of(item->valuestring), name, note)
                                    : note_set(note, ERR_INVALID, "/session: expected the name of a session");
    struct span rest = c->request->query, pair, key, value;
    for (bool more = rest.n > 0; more;) {
        more = span_split(rest, '&', &pair, &rest);
        (void)span_split(pair, '=', &key, &value);
        if (!span_is(key, "session"))
            continue;
        CLEANUP(buf_release) struct buf plain = BUF_INIT(BUF_ANY);
        if (uri_decode(value, &plain) != OK)
            return note_set(note, ERR_INVALID, "?session: expected the name of a session");
        *said = true;
        return keep_name(buf_span(&plain), name, note);
    }
    return OK;
}

enum err admin_session(const struct admin_call *c, bool make, struct session **out, struct note *note)
{
    char name[SESSION_NAME_MAX + 1];
    bool said;
    *out = NULL;
    enum err e = admin_session_name(c, &said, name, note);
    if (e != OK)
        return e;
    return make ? sessions_get(c->mock->sessions, span_of(name), out, note)
                : sessions_find(c->mock->sessions, span_of(name), out, note);
}

/* ---- forgetting ---- */

enum err admin_session_reset(struct mock *m, const char *name, bool (*keeps)(void *ctx, const char *memory), void *ctx,
                             struct note *note)
{
    CLEANUP(session_drop) struct session *s = NULL;
    enum err e = sessions_find(m->sessions, span_of(name), &s, note);
    if (e != OK && e != ERR_UNKNOWN)
        return e;
    if (!keeps(ctx, "journal"))
        journal_reset(m->journal, name);
    if (!keeps(ctx, "cache") && m->cache != NULL)
        cache_forget_session(m->cache, name);
    if (e == ERR_UNKNOWN) /* nobody has been there */
        return OK;
    if (!keeps(ctx, "script"))
        script_forget_replies(session_script(s));
    if (!keeps(ctx, "faults"))
        script_forget_faults(session_script(s));
    if (!keeps(ctx, "canaries"))
        script_forget_canaries(session_script(s));
    if (!keeps(ctx, "fixtures"))
        session_forget_counters(s);
    if (script_is_empty(session_script(s)) && !keeps(ctx, "fixtures"))
        sessions_end(m->sessions, s);
    return OK;
}

static void forget_counters(void *ctx, struct session *s)
{
    (void)ctx;
    session_forget_counters(s);
}

static void forget_fixtures(struct mock *m)
{
    CLEANUP(fixture_set_drop) struct fixture_set *set = fixtures_now(m->fixtures);
    fixture_set_forget_hits(set);
    sessions_each(m->sessions, forget_counters, NULL);
}

/* ---- the requests ---- */

struct session_list {
    struct buf *out;
    size_t n;
};

static void print_session(void *ctx, struct session *s)
{
    struct session_list *l = ctx;
    buf_adds(l->out, l->n++ > 0 ? ",{\"name\":" : "{\"name\":");
    if (session_name(s) != NULL)
        json_quote(span_of(session_name(s)), l->out);
    else
        buf_adds(l->out, "null");
    CLEANUP(shared_drop) struct shared *faults = script_faults(session_script(s));
    buf_addf(l->out, ",\"queued\":%zu,\"faults\":%d,\"calls\":%llu}", script_count(session_script(s)),
             faults == NULL ? 0 : cJSON_GetArraySize(shared_tree(faults)), (unsigned long long)session_calls(s));
}

static enum err get_sessions(struct admin_call *c, struct note *note)
{
    (void)note;
    struct session_list list = {&c->out, 0};
    buf_adds(&c->out, "{\"sessions\":[");
    sessions_each(c->mock->sessions, print_session, &list);
    buf_adds(&c->out, "]}");
    return OK;
}

static enum err get_fixtures(struct admin_call *c, struct note *note)
{
    (void)note;
    fixtures_print(c->mock->fixtures, &c->out);
    return OK;
}

static enum err post_reload(struct admin_call *c, struct note *note)
{
    enum err e = fixtures_reload(c->mock->fixtures, note);
    if (e != OK)
        return e == ERR_NOMEM ? e : ERR_INVALID;
    CLEANUP(fixture_set_drop) struct fixture_set *set = fixtures_now(c->mock->fixtures);
    buf_addf(&c->out, "{\"ok\":true,\"files\":%zu,\"fixtures\":%zu}", fixture_set_files(set), fixture_set_count(set));
    return OK;
}

static const struct admin_row session_rows[] = {{"GET", "/sessions", get_sessions}};
static const struct admin_row fixture_rows[] = {{"GET", "/fixtures", get_fixtures}, {"POST", "/fixtures/reload", post_reload}};

const struct admin_table mock_admin_sessions = {session_rows, COUNT_OF(session_rows), NULL, NULL};
const struct admin_table mock_admin_fixtures = {fixture_rows, COUNT_OF(fixture_rows), "fixtures", forget_fixtures};
