/* admin.c: the admin API (docs/mock-admin.md) on a port of its own: tables of requests, each of the part it speaks to.
 */
#include "mock/admin/admin.h"

#include "protocol/json.h"

struct plan *admin_plan(int status, const struct buf *body)
{
    struct plan *plan = plan_new(status);
    if (plan == NULL)
        return NULL;
    plan_body(plan, "application/json", buf_span(body));
    plan->failed = plan->failed || buf_error(body) != OK;
    return plan;
}

static enum err get_health(struct admin_call *c, struct note *note)
{
    (void)note;
    buf_addf(&c->out, "{\"ok\":true,\"version\":\"%s\",\"port\":%u,\"uptime_s\":%llu}", MOHS_VERSION,
             mock_port(c->mock), (unsigned long long)((now_ns() - c->mock->started_at_ns) / 1000000000u));
    return OK;
}

static enum err post_reset(struct admin_call *c, struct note *note);

/* ---- the table ---- */

static const struct admin_row own_rows[] = {{"GET", "/health", get_health}, {"POST", "/reset", post_reset}};
static const struct admin_table admin_own = {own_rows, COUNT_OF(own_rows), NULL, NULL};

/* clang-format off: a line each, so that parts that grow at the same time do not meet */
static const struct admin_table *const tables[] = {
    &admin_own,
    &mock_admin_script,
    &mock_admin_canaries,
    &mock_admin_faults,
    &mock_admin_gates,
    &mock_admin_journal,
    &mock_admin_guardrails,
    &mock_admin_async,
    &mock_admin_responses,
    &mock_admin_clock,
    &mock_admin_credentials,
    &mock_admin_cache,
    &mock_admin_control,
    &mock_admin_quotas,
    &mock_admin_sessions,
    &mock_admin_fixtures,
    &mock_admin_verify,
    &mock_admin_metrics,
};
/* clang-format on */

static enum err read_keep(const cJSON *body, bool *keep, struct note *note)
{
    static const char *const keys[] = {"keep", "session"};
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(body, "keep"), *item;
    if (body != NULL && (!cJSON_IsObject(body) || (list != NULL && !cJSON_IsArray(list))))
        return note_set(note, ERR_INVALID, "/keep: expected a list");
    if (body != NULL && json_only_keys(body, keys, COUNT_OF(keys), "", note) != OK)
        return ERR_INVALID;
    cJSON_ArrayForEach(item, list)
    {
        size_t i = 0;
        while (i < COUNT_OF(tables) && !(cJSON_IsString(item) && tables[i]->memory != NULL &&
                                         strcmp(tables[i]->memory, item->valuestring) == 0))
            i++;
        if (i == COUNT_OF(tables)) {
            CLEANUP(buf_release) struct buf known = BUF_INIT(BUF_ANY);
            for (i = 0; i < COUNT_OF(tables); i++)
                if (tables[i]->memory != NULL)
                    buf_addf(&known, "%s%s", known.len > 0 ? ", " : "", tables[i]->memory);
            return note_set(note, ERR_INVALID, "/keep: expected some of %s", buf_text(&known));
        }
        keep[i] = true;
    }
    return OK;
}

static bool keeps(void *ctx, const char *memory)
{
    const bool *keep = ctx;
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        if (tables[i]->memory != NULL && strcmp(tables[i]->memory, memory) == 0)
            return keep[i];
    return false;
}

static enum err post_reset(struct admin_call *c, struct note *note)
{
    bool keep[COUNT_OF(tables)] = {false}, said = false;
    char session[SESSION_NAME_MAX + 1];
    enum err e = read_keep(c->body, keep, note);
    if (e == OK)
        e = admin_session_name(c, &said, session, note);
    if (e == OK && said) {
        buf_adds(&c->out, "{\"ok\":true}");
        return admin_session_reset(c->mock, session, keeps, keep, note);
    }
    for (size_t i = 0; e == OK && i < COUNT_OF(tables); i++)
        if (!keep[i] && tables[i]->forget != NULL)
            tables[i]->forget(c->mock);
    buf_adds(&c->out, "{\"ok\":true}");
    return e;
}

/* "/journal/" is the path of "/journal/17", too. */
static bool is_path(struct span path, const char *row)
{
    size_t n = strlen(row);
    return row[n - 1] == '/' ? span_has_prefix(path, row) && path.n > n : span_is(path, row);
}

static int find_request(const struct http_request *r, const struct admin_row **row)
{
    *row = NULL;
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (size_t i = 0; i < tables[t]->count; i++) {
            if (!is_path(r->path, tables[t]->rows[i].path))
                continue;
            *row = &tables[t]->rows[i];
            if (span_is(r->method, (*row)->method))
                return 200;
        }
    return *row != NULL ? 405 : 404;
}

static void name_paths(struct buf *out)
{
    const char *last = "";
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (size_t i = 0; i < tables[t]->count; i++) {
            const char *path = tables[t]->rows[i].path;
            if (strcmp(path, last) != 0)
                buf_addf(out, "%s%s", out->len > 0 ? ", " : "", path);
            last = path;
        }
}

static void name_methods(struct span path, struct buf *out)
{
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (size_t i = 0; i < tables[t]->count; i++)
            if (is_path(path, tables[t]->rows[i].path))
                buf_addf(out, "%s%s", out->len > 0 ? " or " : "", tables[t]->rows[i].method);
}

bool admin_has_path(struct span path)
{
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (size_t i = 0; i < tables[t]->count; i++)
            if (is_path(path, tables[t]->rows[i].path))
                return true;
    return false;
}

static bool is_bedrocks(const struct admin_call *c)
{
    struct api_route route;
    if (span_is(c->request->path, "/")) /* STS has it; here it is more likely a look at what there is */
        return false;
    return span_has_prefix(c->request->path, "/model/") ||
           api_route(c->mock->api, c->request->method, c->request->path, &route) != ERR_UNKNOWN;
}

static void refuse(const struct admin_call *c, int status, const struct admin_row *row, struct note *note)
{
    CLEANUP(buf_release) struct buf names = BUF_INIT(BUF_ANY);
    if (status == 405) {
        name_methods(c->request->path, &names);
        (void)note_set(note, ERR_UNKNOWN, "%s takes %s", row->path, buf_text(&names));
        return;
    }
    name_paths(&names);
    if (is_bedrocks(c))
        (void)note_set(note, ERR_UNKNOWN, "wrong port: this is the admin API, and Bedrock is on :%u", mock_port(c->mock));
    else
        (void)note_set(note, ERR_UNKNOWN, "no such request; there are %s", buf_text(&names));
}

static enum err parse_body(struct admin_call *c, struct note *note)
{
    if (!span_is(c->request->method, "POST") || c->request->body.n == 0)
        return OK;
    return json_parse(c->request->body, JSON_UNIQUE, &c->body, note);
}

static int status_of(enum err e)
{
    return e == OK ? 200 : e == ERR_NOMEM ? 500 : 400;
}

/* ---- who may ask ---- */

/* The time this takes depends on lengths only. */
static bool is_allowed(const struct admin_call *c)
{
    const char *token = c->mock->admin_token;
    if (token == NULL)
        return true;
    struct span scheme, given = SPAN_EMPTY;
    struct span value = http_field_get(c->request->fields, c->request->field_count, "authorization");
    return span_split(value, ' ', &scheme, &given) && span_is_nocase(scheme, "bearer") &&
           sigv4_equal(span_trim(given), span_of(token));
}

static void ask_token(struct exchange *x)
{
    struct plan *plan = plan_new(401);
    if (plan != NULL) {
        plan_body(plan, "application/json",
                  SPAN_LIT("{\"message\":\"this admin API was started with a token, and the request does not carry it: "
                           "Authorization: Bearer TOKEN\"}"));
        plan_header(plan, "WWW-Authenticate", "Bearer");
    }
    exchange_reply(x, plan);
}

void admin_handle(void *ctx, struct exchange *x)
{
    struct admin_call c = {.mock = ctx, .exchange = x, .request = exchange_request(x), .out = BUF_INIT(BUF_ANY)};
    struct note note = {""};
    const struct admin_row *row;
    int status = find_request(c.request, &row);
    if (!is_allowed(&c)) {
        ask_token(x);
        return;
    }
    if (status == 200) {
        enum err e = parse_body(&c, &note);
        status = status_of(e == OK ? row->serve(&c, &note) : e);
        status = status != 200 && c.status != 0 ? c.status : status;
    } else {
        refuse(&c, status, row, &note);
    }
    if (status != 200) {
        buf_reset(&c.out);
        buf_adds(&c.out, "{\"message\":");
        json_quote(span_of(note.text), &c.out);
        buf_addc(&c.out, '}');
    }
    if (!c.later)
        exchange_reply(x, admin_plan(status, &c.out));
    json_free(&c.body);
    buf_release(&c.out);
}
