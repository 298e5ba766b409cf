/* runner.c: the story of a case.
 *
 *   reset mock and gateway -> (mutate) -> for each step: expand names, script the mock, send and drive, wait for the
 * journal, judge -> stop at the first step that fails, since the later ones build on it.
 *
 * What cannot be asked (no mock, no target, a name that nobody knows) is an error, never a failure of the gateway.
 */
#include "harness/runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness/admin.h"
#include "harness/cost_check.h"
#include "harness/evidence.h"
#include "harness/expand.h"

enum { GATES_MAX = 64, LATE_MS = 50, LATE_TIMES = 4 };

const char *verdict_name(enum verdict v)
{
    static const char *const names[] = {"pass", "fail", "skip", "error"};
    return names[v];
}

void outcome_release(struct outcome *o)
{
    if (o == NULL)
        return;
    findings_release(&o->findings);
    buf_release(&o->alternative);
    json_free(&o->evidence);
    *o = (struct outcome){0};
}

/* ---- may it be asked? ---- */

static bool step_fits(const struct profile *p, const cJSON *step, struct note *why)
{
    const cJSON *send = json_member(step, "send");
    const char *dialect = json_str(send, "dialect"), *model = json_str(send, "model");
    const char *client, *upstream;
    if (profile_dialect(p, dialect) == NULL)
        return note_set(why, ERR_UNSUPPORTED, "%s: /dialects does not hold '%s'", p->path, dialect), false;
    if (model != NULL && !profile_model(p, model, &client, &upstream))
        return note_set(why, ERR_UNSUPPORTED, "%s: /models has no '%s'", p->path, model), false;
    return true;
}

bool case_fits(const struct profile *p, const struct case_file *c, struct note *why)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(c->root, "needs"))
    {
        if (!profile_claims(p, one->valuestring, why))
            return false;
    }
    cJSON_ArrayForEach(one, json_member(c->root, "steps"))
    {
        if (!step_fits(p, one, why))
            return false;
    }
    return true;
}

/* ---- a step in the making ---- */

struct step_run {
    struct rig *rig;
    struct outcome *out;
    struct match_vars *vars;
    size_t number;
    int64_t *since;
    const char *nonce;
    cJSON *step;  /* expanded; owned */
    cJSON *names; /* owned */
    const char *model;
    struct dialect_request request;
    struct buf url;
    const char *gates[GATES_MAX];
    struct talk_plan plan;
    struct talk talk;
};

static void step_release(struct step_run *r)
{
    json_free(&r->step);
    json_free(&r->names);
    dialect_request_release(&r->request);
    buf_release(&r->url);
    talk_release(&r->talk);
}

static enum err expand_step(struct step_run *r, const cJSON *step, struct note *note)
{
    const struct profile *p = r->rig->profile;
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(json_member(step, "send"), "model");
    const char *client = NULL, *upstream = NULL;
    const char *name = cJSON_IsString(given) ? given->valuestring : "default";
    const char *region = profile_model_region(p, name);
    (void)profile_model(p, name, &client, &upstream);
    r->model = cJSON_IsNull(given) ? NULL : client;
    r->names = cJSON_CreateObject();
    (void)json_set_string(r->names, "nonce", r->nonce);
    (void)json_set_string(r->names, "model", client);
    (void)json_set_string(r->names, "model_id", upstream);
    (void)json_set_string(r->names, "client_key", p->client_key != NULL ? p->client_key : "");
    (void)json_set_string(r->names, "mock_url", r->rig->mock_url);
    (void)json_set_string(r->names, "region", region != NULL ? region : r->rig->region);
    (void)json_set_string(r->names, "access_key", OWN_ACCESS_KEY);
    (void)json_set_string(r->names, "secret", OWN_SECRET);
    r->step = cJSON_Duplicate(step, true);
    struct expansion x = {r->names, r->vars};
    return r->step == NULL ? note_set(note, ERR_NOMEM, "out of memory") : expand_tree(&x, r->step, note);
}

/* Every name of a gate in the replies: head_gate, gates[].name, frames[].gate. */
static void collect_gates(struct step_run *r, const cJSON *tree, const char *parent)
{
    bool nested = cJSON_IsObject(tree) || cJSON_IsArray(tree);
    for (const cJSON *c = nested ? tree->child : NULL; c != NULL; c = c->next) {
        const char *key = c->string != NULL ? c->string : parent;
        bool named = cJSON_IsString(c) && (strcmp(key, "head_gate") == 0 || strcmp(key, "gate") == 0 ||
                                           (strcmp(key, "name") == 0 && strcmp(parent, "gates") == 0));
        if (named && r->plan.gate_count < GATES_MAX)
            r->gates[r->plan.gate_count++] = c->valuestring;
        collect_gates(r, c, cJSON_IsArray(tree) ? parent : key);
    }
}

/* ---- the mock's part ---- */

static void add_reply(cJSON *replies, const cJSON *call)
{
    const cJSON *reply = json_member(call, "reply");
    size_t min, max;
    if (reply == NULL)
        return;
    call_count(call, &min, &max);
    cJSON *one = cJSON_CreateObject();
    cJSON_AddItemToArray(replies, one);
    (void)json_set(one, "reply", cJSON_Duplicate(reply, true));
    if (max > 1000)
        (void)json_set_string(one, "times", "always");
    else
        (void)json_set_int(one, "times", (int64_t)max);
}

/* A gateway under test keeps what the mock's STS gave it from case to case; so does the mock. */
static enum err reset_mock(const struct rig *rig, const char *keep_also, struct note *note)
{
    CLEANUP(json_free) cJSON *body = cJSON_CreateObject();
    cJSON *keep = json_set(body, "keep", cJSON_CreateArray());
    cJSON_AddItemToArray(keep, cJSON_CreateString("credentials"));
    if (keep_also != NULL)
        cJSON_AddItemToArray(keep, cJSON_CreateString(keep_also));
    return admin_call(rig->admin_url, "/reset", body, NULL, note);
}

/* Replies that were left over and gates that were opened are of the step before. */
static enum err forget_script(struct step_run *r, struct note *note)
{
    return r->number == 0 ? OK : reset_mock(r->rig, "journal", note);
}

static enum err script_mock(struct step_run *r, struct note *note)
{
    CLEANUP(json_free) cJSON *script = cJSON_CreateObject();
    cJSON *replies = json_set(script, "replies", cJSON_CreateArray());
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(r->step, "script"))
    {
        cJSON_AddItemToArray(replies, cJSON_Duplicate(one, true));
    }
    cJSON_ArrayForEach(one, json_member(r->step, "upstream"))
    {
        add_reply(replies, one);
    }
    const struct profile *p = r->rig->profile;
    cJSON *canaries = json_set(script, "canaries", cJSON_CreateObject());
    bool own_key = p->client_key != NULL && p->self != SELF_MOCK;
    if (own_key)
        (void)json_set_string(canaries, "client-key", p->client_key);
    struct expansion x = {r->names, r->vars};
    cJSON_ArrayForEach(one, json_member(p->root, "canaries"))
    {
        CLEANUP(buf_release) struct buf value = BUF_INIT(65536);
        enum err e = expand_text(&x, one->valuestring, &value, note);
        if (e != OK)
            return e;
        (void)json_set_string(canaries, one->string, buf_text(&value));
    }
    return admin_call(r->rig->admin_url, "/script", script, NULL, note);
}

/* ---- the client's part ---- */

static enum err apply_headers(struct step_run *r, const cJSON *headers, struct note *note)
{
    struct expansion x = {r->names, r->vars};
    const cJSON *one;
    cJSON_ArrayForEach(one, headers)
    {
        if (cJSON_IsNull(one)) {
            http_headers_remove(&r->request.headers, one->string);
            continue;
        }
        CLEANUP(buf_release) struct buf value = BUF_INIT(65536);
        enum err e = cJSON_IsString(one) ? expand_text(&x, one->valuestring, &value, note)
                                         : note_set(note, ERR_INVALID, "the header %s is not a text", one->string);
        if (e != OK)
            return e;
        http_headers_set(&r->request.headers, one->string, buf_text(&value));
    }
    return OK;
}

/* A client that signs, as an AWS SDK would, when the profile has keys for the dialect. */
static enum err sign(struct step_run *r, const cJSON *keys, struct note *note)
{
    enum { MOST = 64 };
    struct sigv4_header headers[MOST];
    size_t n = 0;
    size_t scheme = strlen(span_has_prefix(buf_span(&r->url), "https://") ? "https://" : "http://");
    struct span host, path, query, url = span_from(buf_span(&r->url), scheme);
    (void)span_split(url, '/', &host, &path);
    path = (struct span){host.p + host.n, url.n - host.n};
    (void)span_split(path, '?', &path, &query);
    headers[n++] = (struct sigv4_header){span_of("host"), host};
    for (size_t i = 0; i < r->request.headers.count && n < MOST; i++)
        headers[n++] = (struct sigv4_header){span_of(r->request.headers.items[i].name),
                                             span_of(r->request.headers.items[i].value)};
    struct sigv4_request request = {span_of(r->request.method), path, query, headers, n, buf_span(&r->request.body)};
    const char *service = json_str(keys, "service");
    struct sigv4_signing how = {.access_key = span_of(json_str(keys, "access_key")),
                                .secret = span_of(json_str(keys, "secret")),
                                .region = span_of(json_str(keys, "region")),
                                .service = span_of(service != NULL ? service : "bedrock"),
                                .at_s = wall_ns() / 1000000000};
    CLEANUP(sigv4_signed_release) struct sigv4_signed made;
    sigv4_signed_init(&made);
    enum err e = sigv4_sign(r->rig->signer, &request, &how, &made, note);
    for (size_t i = 0; e == OK && i < made.added_count; i++) {
        CLEANUP(free_ptr) char *name = span_dup(made.added[i].name);
        CLEANUP(free_ptr) char *value = span_dup(made.added[i].value);
        if (name != NULL && value != NULL)
            http_headers_set(&r->request.headers, name, value);
    }
    return e;
}

static enum err make_request(struct step_run *r, struct note *note)
{
    const cJSON *send = json_member(r->step, "send");
    const char *dialect = json_str(send, "dialect");
    const cJSON *speaks = profile_dialect(r->rig->profile, dialect);
    r->plan.dialect = dialect_named(dialect);
    r->request = (struct dialect_request){.path = BUF_INIT(65536), .body = BUF_INIT(TALK_BODY_MAX)};
    http_headers_init(&r->request.headers);
    enum err e = r->plan.dialect->prepare(send, r->model, &r->request, note);
    if (e == OK)
        e = apply_headers(r, json_member(speaks, "headers"), note);
    if (e == OK)
        e = apply_headers(r, json_member(send, "headers"), note);
    if (e != OK)
        return e;
    if (json_str(send, "raw_body") != NULL) {
        buf_reset(&r->request.body);
        buf_adds(&r->request.body, json_str(send, "raw_body"));
    }
    if (json_str(send, "method") != NULL) {
        free(r->request.method);
        r->request.method = span_dup(span_of(json_str(send, "method")));
    }
    const char *base = json_str(speaks, "base"), *path = json_str(send, "path");
    buf_addf(&r->url, "%s%s%s", r->rig->target_url, base != NULL ? base : "",
             path != NULL ? path : buf_text(&r->request.path));
    const cJSON *keys = json_member(speaks, "sigv4");
    return keys != NULL ? sign(r, keys, note) : OK;
}

static struct point point_of(const cJSON *after, const char *open)
{
    static const char *const kinds[] = {
        [POINT_EVENTS] = "events", [POINT_FRAMES] = "frames", [POINT_HEAD] = "head", [POINT_UPSTREAM] = "upstream"};
    struct point p = {.open = open, .n = 1};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const cJSON *n = json_member(after, kinds[i]);
        if (n == NULL)
            continue;
        p.kind = (enum point_kind)i;
        p.n = cJSON_IsNumber(n) ? (size_t)n->valueint : 1;
    }
    return p;
}

static void make_plan(struct step_run *r)
{
    const struct profile *p = r->rig->profile;
    const cJSON *one, *disconnect = json_member(r->step, "disconnect");
    collect_gates(r, json_member(r->step, "upstream"), "");
    collect_gates(r, json_member(r->step, "script"), "");
    r->plan.url = buf_text(&r->url);
    r->plan.request = &r->request;
    r->plan.admin = r->rig->admin_url;
    r->plan.since = *r->since;
    r->plan.gates = r->gates;
    r->plan.request_ms = p->request_ms;
    r->plan.progress_ms = p->progress_ms;
    cJSON_ArrayForEach(one, json_member(r->step, "progress"))
    {
        if (r->plan.point_count + 1 < TALK_POINTS_MAX)
            r->plan.points[r->plan.point_count++] = point_of(json_member(one, "after"), json_str(one, "open"));
    }
    if (disconnect != NULL)
        r->plan.points[r->plan.point_count++] = point_of(json_member(disconnect, "after"), NULL);
}

/* ---- what the mock saw ---- */

/* Waits for the calls that must come, then a moment for those that must not. */
static enum err read_journal(struct step_run *r, cJSON **journal, struct note *note)
{
    const struct profile *p = r->rig->profile;
    size_t least = upstream_least(r->step);
    unsigned wait = r->talk.left ? p->cancel_ms : LATE_MS + LATE_TIMES * p->settle_ms;
    enum err e = OK;
    if (least > 0)
        e = admin_journal(r->rig->admin_url, *r->since, least, wait, journal, note);
    size_t seen = (size_t)cJSON_GetArraySize(json_member(*journal, "entries"));
    if (e == OK && seen >= least) {
        json_free(journal);
        e = admin_journal(r->rig->admin_url, *r->since, seen + 1, p->settle_ms, journal, note);
    }
    for (size_t i = 0; e == OK && i < r->plan.gate_count; i++)
        e = admin_open(r->rig->admin_url, r->gates[i], note);
    if (e == OK && json_member(*journal, "next") != NULL)
        (void)json_int64(json_member(*journal, "next"), r->since);
    const cJSON *dropped = json_member(*journal, "dropped");
    int64_t lost = 0;
    if (e == OK && dropped != NULL && json_int64(dropped, &lost) && lost > 0)
        e = note_set(note, ERR_LIMIT, "the mock's journal has lost %lld entries; give it more memory", (long long)lost);
    return e;
}

static bool wants_record(const cJSON *step)
{
    bool wants = json_member(json_member(step, "receive"), "cost_record") != NULL;
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(step, "alternatives"))
    {
        wants = wants || json_member(json_member(one, "receive"), "cost_record") != NULL;
    }
    return wants;
}

static enum err run_step(struct step_run *r, const cJSON *step, struct note *note)
{
    enum err e = expand_step(r, step, note);
    if (e == OK)
        e = forget_script(r, note);
    if (e == OK)
        e = script_mock(r, note);
    if (e == OK)
        e = make_request(r, note);
    if (e != OK)
        return e;
    make_plan(r);
    e = talk_run(r->rig->loop, r->rig->client, &r->plan, &r->talk, note);
    r->out->unreachable = e == ERR_IO;
    if (e != OK)
        return e;
    CLEANUP(json_free) cJSON *journal = NULL;
    e = read_journal(r, &journal, note);
    if (e != OK)
        return e;
    const cJSON *entries = json_member(journal, "entries");
    r->out->calls_wanted += upstream_least(r->step);
    r->out->calls_seen += (size_t)cJSON_GetArraySize(entries);
    r->out->status = r->talk.status;
    CLEANUP(buf_release) struct buf record = BUF_INIT(65536);
    bool recorded = wants_record(r->step) && cost_recorded(r->rig->profile, r->rig->target_url, &r->talk, &record);
    struct judged judged = {.step = r->step,
                            .number = r->number,
                            .plan = &r->plan,
                            .talk = &r->talk,
                            .entries = entries,
                            .vars = r->vars,
                            .profile = r->rig->profile,
                            .model_id = json_str(r->names, "model_id"),
                            .region = json_str(r->names, "region"),
                            .cost_record = recorded ? buf_text(&record) : NULL};
    judge_step(&judged, &r->out->findings, &r->out->alternative);
    evidence_add(r->out->evidence, r->number, &r->plan, &r->talk, entries);
    return OK;
}

/* ---- the case ---- */

static enum err mutate(struct rig *rig, const cJSON *mutation, struct note *note)
{
    enum err e = rig->control_url == NULL ? OK : admin_reset(rig->control_url, note);
    if (e != OK || mutation == NULL)
        return e;
    if (rig->control_url == NULL)
        return note_set(note, ERR_UNSUPPORTED, "only the reference gateway can be mutated");
    CLEANUP(json_free) cJSON *body = cJSON_CreateObject();
    cJSON *list = json_set(body, "mutations", cJSON_CreateArray());
    cJSON *first = cJSON_Duplicate(mutation, true);
    const cJSON *more;
    cJSON_AddItemToArray(list, first);
    cJSON_ArrayForEach(more, json_member(mutation, "with"))
    {
        cJSON_AddItemToArray(list, cJSON_Duplicate(more, true));
    }
    cJSON_DeleteItemFromObjectCaseSensitive(first, "caught");
    cJSON_DeleteItemFromObjectCaseSensitive(first, "with");
    return admin_call(rig->control_url, "/mutate", body, NULL, note);
}

static enum err run_steps(struct rig *rig, const struct case_file *c, const cJSON *mutation, struct outcome *out)
{
    CLEANUP(match_vars_release) struct match_vars vars = MATCH_VARS_INIT;
    CLEANUP(json_free) cJSON *journal = NULL;
    char nonce[32];
    int64_t since = 0;
    (void)snprintf(nonce, sizeof nonce, "n%012llx",
                   (unsigned long long)(now_ns() / 1000 + ++rig->nonces) & 0xffffffffffffULL);
    enum err e = reset_mock(rig, NULL, &out->reason);
    if (e == OK)
        e = mutate(rig, mutation, &out->reason);
    if (e == OK)
        e = admin_journal(rig->admin_url, 0, 0, 0, &journal, &out->reason);
    if (e == OK && json_member(journal, "next") != NULL)
        (void)json_int64(json_member(journal, "next"), &since);
    const cJSON *step;
    size_t number = 0;
    cJSON_ArrayForEach(step, json_member(c->root, "steps"))
    {
        if (e != OK || out->findings.failed > 0)
            break;
        CLEANUP(step_release)
        struct step_run r = {.rig = rig,
                             .out = out,
                             .vars = &vars,
                             .number = number++,
                             .since = &since,
                             .nonce = nonce,
                             .url = BUF_INIT(65536)};
        e = run_step(&r, step, &out->reason);
    }
    return e;
}

void case_run(struct rig *rig, const struct case_file *c, const cJSON *mutation, struct outcome *out)
{
    *out = (struct outcome){.alternative = BUF_INIT(4096), .evidence = cJSON_CreateObject()};
    if (!case_fits(rig->profile, c, &out->reason)) {
        out->verdict = VERDICT_SKIP;
        return;
    }
    uint64_t began = now_ns();
    enum err e = run_steps(rig, c, mutation, out);
    out->duration_us = (now_ns() - began) / 1000;
    out->verdict = e != OK ? VERDICT_ERROR : out->findings.failed > 0 ? VERDICT_FAIL : VERDICT_PASS;
    if (out->verdict == VERDICT_ERROR && out->findings.failed > 0)
        out->verdict = VERDICT_FAIL;
}
