/* fault_visit.c: faults from outside of a script: a header, the command line, the admin API.
 *
 * Chance is a function of the mock's seed and of the request, never of a thread or an instant, so a run that asks the
 * same in the same order gets the same faults. With many connections there is no such order; then the client numbers
 * its requests (x-mohs-id), and each gets its own faults whenever it comes. Nothing is counted, hashed or built for a
 * mock that has no faults.
 */
#include "mock/fault/fault_visit.h"

#include <stdio.h>

#include "mock/fault/fault_parts.h"
#include "mock/script/subject.h"

/* ---- the seed ---- */

static void draw_number(const struct visit *v)
{
    struct worker *w = v->worker;
    if (w->is_numbered)
        return;
    w->is_numbered = true;
    struct span id = http_field_get(v->request->fields, v->request->field_count, SEED_HEADER);
    if (id.n > 0)
        w->number = rng_hash(v->mock->config.seed, id);
    else
        w->number = atomic_fetch_add_explicit(&v->mock->numbers, 1, memory_order_relaxed);
}

uint64_t visit_number(const struct visit *v)
{
    draw_number(v);
    return v->worker->number;
}

uint64_t visit_seed(const struct visit *v)
{
    uint64_t number = visit_number(v);
    unsigned char bytes[sizeof number];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    return rng_hash(v->mock->config.seed, (struct span){bytes, sizeof bytes});
}

/* ---- lists ---- */

enum err faults_read_options(const char *const *options, struct shared **out, struct note *note)
{
    CLEANUP(json_free) cJSON *list = cJSON_CreateArray();
    enum err e = list == NULL ? note_set(note, ERR_NOMEM, "out of memory") : OK;
    *out = NULL;
    for (; e == OK && options != NULL && *options != NULL; options++) {
        cJSON *one = cJSON_CreateArray();
        e = faults_read_option(*options, one, note);
        if (e == OK)
            e = faults_check(one, "", note);
        cJSON *fault = cJSON_DetachItemFromArray(one, 0);
        cJSON_Delete(one);
        if (fault != NULL && !cJSON_AddItemToArray(list, fault))
            cJSON_Delete(fault);
        if (e != OK)
            note_prefix(note, "--fault %.80s", *options);
    }
    if (e == OK)
        e = faults_check(list, "--fault", note); /* not too many of them */
    if (e == OK && cJSON_GetArraySize(list) > 0) {
        *out = shared_new(list);
        list = NULL;
        e = *out == NULL ? note_set(note, ERR_NOMEM, "out of memory") : OK;
    }
    return e;
}

/* The same fault in two lists is drawn for each. Those of replies (scripted.c) have the plain seed, as the command line:
 * what replays today replays tomorrow. */
enum which { OF_COMMAND_LINE, OF_HEADER, OF_EVERYBODY };

static struct plan *apply_list(struct visit *v, struct plan *take, const cJSON *list, enum which which,
                               const struct fault_scene *scene)
{
    struct fault_scene here = *scene;
    CLEANUP(json_free) cJSON *subject = faults_want_subject(list) ? subject_new(v) : NULL;
    here.subject = subject;
    here.seed = faults_want_seed(list) ? visit_seed(v) + (uint64_t)which * 0x9e3779b97f4a7c15u : 0;
    return faults_apply(take, list, &here);
}

/* ---- the header ---- */

static struct plan *bad_header_plan(struct plan *old, const struct note *note)
{
    plan_free(old);
    struct plan *plan = plan_new(400);
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    if (plan == NULL)
        return NULL;
    buf_adds(&body, "{\"message\":");
    json_quote(span_of(note->text), &body);
    buf_addc(&body, '}');
    plan_body_take(plan, "application/json", &body);
    return plan;
}

static struct span fault_header_of(const struct visit *v)
{
    return http_field_get(v->request->fields, v->request->field_count, FAULT_HEADER);
}

static struct plan *apply_header(struct visit *v, struct plan *take, const struct fault_scene *scene,
                                 enum source *source)
{
    struct span text = fault_header_of(v);
    if (text.n == 0)
        return take;
    struct note note = {""};
    CLEANUP(json_free) cJSON *list = cJSON_CreateArray();
    enum err e = list == NULL ? ERR_NOMEM : faults_read_header(text, list, &note);
    if (e == OK)
        e = faults_check(list, "", &note);
    if (e == OK)
        return apply_list(v, take, list, OF_HEADER, scene);
    note_prefix(&note, FAULT_HEADER);
    mock_log(v->mock, "%.*s %.300s refused: %s", (int)v->request->method.n, (const char *)v->request->method.p,
             v->operation != NULL ? v->operation : "-", note.text);
    *source = SOURCE_FAULT_HEADER;
    return bad_header_plan(take, &note);
}

const char *visit_ignores(const struct visit *v)
{
    bool in_vain = !v->mock->config.fault_headers && fault_header_of(v).n > 0;
    return in_vain ? FAULT_HEADER " is read with --fault-headers only" : v->dropped;
}

struct plan *visit_faults(struct visit *v, struct plan *take, const struct fault_scene *scene, enum source *source)
{
    if (v->mock->config.fault_headers)
        take = apply_header(v, take, scene, source);
    if (v->mock->standing_faults != NULL)
        take = apply_list(v, take, shared_tree(v->mock->standing_faults), OF_COMMAND_LINE, scene);
    CLEANUP(shared_drop) struct shared *everywhere = script_faults(session_script(v->session));
    if (everywhere != NULL)
        take = apply_list(v, take, shared_tree(everywhere), OF_EVERYBODY, scene);
    return take;
}
