/* admin_script.c: what a test tells the mock over the admin API: replies, faults, gates.
 */
#include "mock/admin/admin.h"

#include "mock/script/doubt.h"

struct warnings {
    struct admin_call *call;
    size_t count;
};

static void warn(void *ctx, const char *line)
{
    struct warnings *w = ctx;
    buf_adds(&w->call->out, w->count++ == 0 ? ",\"warnings\":[" : ",");
    json_quote(span_of(line), &w->call->out);
    mock_log(w->call->mock, "POST /script: %s", line);
}

static enum err post_script(struct admin_call *c, struct note *note)
{
    size_t queued = 0;
    CLEANUP(session_drop) struct session *session = NULL;
    enum err e = admin_session(c, true, &session, note);
    if (e == OK)
        e = script_append(session_script(session), c->body, &queued, note);
    if (e != OK)
        return e;
    struct warnings w = {c, 0};
    struct doubts doubts = {.say = warn, .ctx = &w};
    buf_addf(&c->out, "{\"queued\":%zu", queued);
    doubt_script(&doubts, c->body);
    buf_adds(&c->out, w.count > 0 ? "]}" : "}");
    return OK;
}

static enum err get_faults(struct admin_call *c, struct note *note)
{
    const struct mock_fault_row *rows;
    size_t n = mock_faults_list(&rows);
    CLEANUP(session_drop) struct session *session = NULL;
    enum err e = admin_session(c, false, &session, note);
    if (e != OK)
        return e;
    CLEANUP(shared_drop) struct shared *active = script_faults(session_script(session));
    buf_adds(&c->out, "{\"faults\":[");
    for (size_t i = 0; i < n; i++) {
        buf_addf(&c->out, "%s{\"id\":\"%s\",\"code\":\"%s\",\"does\":", i > 0 ? "," : "", rows[i].id, rows[i].code);
        json_quote(span_of(rows[i].does), &c->out);
        buf_addf(&c->out, ",\"parameters\":\"%s\"", rows[i].parameters);
        if (rows[i].http2 != NULL) {
            buf_adds(&c->out, ",\"http2\":");
            json_quote(span_of(rows[i].http2), &c->out);
        }
        buf_addc(&c->out, '}');
    }
    buf_adds(&c->out, "],\"active\":");
    if (active != NULL)
        json_print(shared_tree(active), JSON_COMPACT, &c->out);
    else
        buf_adds(&c->out, "[]");
    buf_addc(&c->out, '}');
    return OK;
}

static enum err post_faults(struct admin_call *c, struct note *note)
{
    CLEANUP(session_drop) struct session *session = NULL;
    enum err e = admin_session(c, true, &session, note);
    if (e == OK)
        e = script_set_faults(session_script(session), c->body, note);
    buf_adds(&c->out, "{\"ok\":true}");
    return e;
}

struct gate_list {
    struct buf *out;
    size_t n;
};

static void print_gate(void *ctx, const char *name, bool open, size_t waiting)
{
    struct gate_list *list = ctx;
    buf_adds(list->out, list->n++ > 0 ? ",{\"name\":" : "{\"name\":");
    json_quote(span_of(name), list->out);
    buf_addf(list->out, ",\"open\":%s,\"waiting\":%zu}", open ? "true" : "false", waiting);
}

static enum err get_gates(struct admin_call *c, struct note *note)
{
    (void)note;
    struct gate_list list = {&c->out, 0};
    buf_adds(&c->out, "{\"gates\":[");
    gates_each(c->mock->gates, print_gate, &list);
    buf_adds(&c->out, "]}");
    return OK;
}

static enum err post_gate(struct admin_call *c, struct note *note)
{
    static const char *const known[] = {"open"};
    const char *name = NULL;
    enum err e = json_get_string(c->body, "open", "", &name, note);
    if (e == OK)
        e = json_only_keys(c->body, known, COUNT_OF(known), "", note);
    if (e == OK && name[0] == '\0')
        e = note_set(note, ERR_INVALID, "/open: expected the name of a gate");
    if (e == OK)
        gate_open(c->mock->gates, name);
    buf_adds(&c->out, "{\"ok\":true}");
    return e;
}

static void forget_gates(struct mock *m)
{
    gates_reset(m->gates);
}
/* Of every session: POST /reset with a "session" goes another way (admin_session.c). */
static void forget_in(void *ctx, struct session *s)
{
    void (*const *forget)(struct script *) = ctx;
    (*forget)(session_script(s));
}
static void forget_replies(struct mock *m)
{
    void (*forget)(struct script *) = script_forget_replies;
    sessions_each(m->sessions, forget_in, &forget);
}
static void forget_faults(struct mock *m)
{
    void (*forget)(struct script *) = script_forget_faults;
    sessions_each(m->sessions, forget_in, &forget);
    atomic_store(&m->numbers, 0);
}
static void forget_canaries(struct mock *m)
{
    void (*forget)(struct script *) = script_forget_canaries;
    sessions_each(m->sessions, forget_in, &forget);
}

static const struct admin_row script_rows[] = {{"POST", "/script", post_script}};
static const struct admin_row fault_rows[] = {{"GET", "/faults", get_faults}, {"POST", "/faults", post_faults}};
static const struct admin_row gate_rows[] = {{"GET", "/gate", get_gates}, {"POST", "/gate", post_gate}};

const struct admin_table mock_admin_script = {script_rows, COUNT_OF(script_rows), "script", forget_replies};
const struct admin_table mock_admin_canaries = {NULL, 0, "canaries", forget_canaries};
const struct admin_table mock_admin_faults = {fault_rows, COUNT_OF(fault_rows), "faults", forget_faults};
const struct admin_table mock_admin_gates = {gate_rows, COUNT_OF(gate_rows), "gates", forget_gates};
