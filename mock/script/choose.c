/* choose.c: scripts first, since a test says them about the next request; then fixtures; then nothing.
 *
 * With --strict, nothing is an error for the operations in which a model speaks: a test that forgot a fixture is told
 * so, and which one came nearest, where the default answer would let it pass. The error has a type that no SDK retries
 * (a 400 that is no throttle) and that no code catches by name.
 */
#include "mock/script/choose.h"

#include "mock/compat/compat.h"
#include "mock/record/record.h"
#include "mock/script/scripted.h"
#include "mock/script/template.h"
#include "mock/surface.h"

#define MISS_TYPE     "MohsFixtureMiss"
#define TEMPLATE_TYPE "MohsTemplateError"
#define SESSION_TYPE  "MohsSessionError"

void choose_session(struct visit *v)
{
    struct note note = {""};
    const struct http_request *r = v->request;
    struct span name = http_field_get(r->fields, r->field_count, SESSION_HEADER);
    bool by_key = name.p == NULL && v->mock->config.session_by == MOCK_SESSION_ACCESS_KEY;
    if (by_key)
        name = span_of(v->caller.access_key);
    v->session = sessions_main(v->mock->sessions);
    if (name.n == 0)
        return;
    enum err e = sessions_get(v->mock->sessions, name, &v->held_session, &note);
    if (e == OK) {
        v->session = v->held_session;
    } else if (!by_key && !v->refuse) {
        refusal_set(&v->refusal, REFUSAL_ROUTING, SESSION_TYPE, "%s: %s", SESSION_HEADER, note.text);
        v->refuse = true;
        mock_log(v->mock, "refused: %s", buf_text(&v->refusal.text));
    }
}

/* ---- strict ---- */

static bool a_model_speaks(const struct visit *v)
{
    static const char *const operations[] = {
        "Converse",
        "ConverseStream",
        "InvokeModel",
        "InvokeModelWithResponseStream",
        "InvokeModelWithBidirectionalStream",
        "StartAsyncInvoke",
        "RetrieveAndGenerate",
        "RetrieveAndGenerateStream",
    };
    for (size_t i = 0; v->operation != NULL && i < COUNT_OF(operations); i++)
        if (strcmp(v->operation, operations[i]) == 0)
            return true;
    return compat_speaks(v);
}

static void miss(struct visit *v, const cJSON *subject, struct choice *c)
{
    struct fixture_near near[FIXTURE_NEAREST_MAX];
    size_t n = fixture_set_nearest(c->fixtures, v->session, subject, near);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "No script and no fixture answers this %s of %.200s", v->operation,
             v->model_id != NULL ? v->model_id : "no model");
    if (session_name(v->session) != NULL)
        buf_addf(&text, " in session %s", session_name(v->session));
    buf_adds(&text, "; ");
    fixture_near_sentence(near, n, &text);
    buf_addc(&text, '.');
    fixture_near_json(near, n, &c->miss);
    c->plan = surface_refuse(v, MISS_TYPE, buf_text(&text));
    c->source = SOURCE_MISS;
    mock_log(v->mock, "%s", buf_text(&text));
}

/* ---- templates ---- */

static void fill_in(struct visit *v, const cJSON *subject, uint64_t call, uint64_t nth, struct choice *c)
{
    struct note note = {""};
    uint64_t seed = v->mock->config.seed + nth * 0x9e3779b97f4a7c15u;
    struct rng rng = {rng_hash(seed, v->request->body)};
    struct template_scene scene = {.subject = subject,
                                   .request_id = v->request_id,
                                   .region = v->caller.region,
                                   .now_ms = clock_ms(&v->mock->clock),
                                   .call = call,
                                   .nth = nth,
                                   .rng = &rng};
    enum err e = template_expand(c->reply, &scene, &c->expanded, &note);
    c->reply = NULL;
    if (e == OK) {
        cJSON_DeleteItemFromObjectCaseSensitive(c->expanded, "template");
        e = scripted_check(c->expanded, "", &note); /* what came from the request may be no header, or no status */
    }
    if (e == OK) {
        c->reply = c->expanded;
        return;
    }
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "The template of this reply%s%s%s does not become a reply: %s", c->fixture.len > 0 ? ", " : "",
             buf_text(&c->fixture), c->fixture.len > 0 ? "," : "", note.text);
    c->plan = surface_refuse(v, TEMPLATE_TYPE, buf_text(&text));
    c->source = SOURCE_ERROR;
    mock_log(v->mock, "%s", buf_text(&text));
}

/* ---- the choice ---- */

static enum scripted_use use_of(const struct visit *v)
{
    static const char *const numbers[] = {"CountTokens", "MantleCountTokens", "ApplyGuardrail",
                                          "InvokeGuardrailChecks"};
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (strcmp(v->operation, numbers[i]) == 0)
            return SCRIPTED_NUMBERS;
    return a_model_speaks(v) ? SCRIPTED_ALL : SCRIPTED_ERRORS;
}

void choose_reply(struct visit *v, struct choice *c)
{
    *c = (struct choice){.fixture = BUF_INIT(BUF_ANY), .miss = BUF_INIT(BUF_ANY)};
    struct script *script = session_script(v->session);
    if (recorder_asks_fixtures(v->mock->recorder))
        c->fixtures = fixtures_now(v->mock->fixtures);
    bool strict = v->mock->config.strict && v->mock->recorder == NULL && a_model_speaks(v);
    bool prepared = c->fixtures != NULL || strict || script_waits(script);
    uint64_t call = session_count_call(v->session);
    if (!prepared)
        return;
    CLEANUP(json_free) cJSON *subject = subject_new(v);
    struct fixture_hit hit = {0};
    enum scripted_use use = use_of(v);
    if (script_waits(script))
        c->script = script_take(script, subject, use);
    c->reply = json_item(shared_tree(c->script), "reply");
    if (c->reply != NULL) {
        c->source = SOURCE_SCRIPT;
    } else if (fixture_set_take(c->fixtures, v->session, call, subject, use, &hit)) {
        c->source = SOURCE_FIXTURE;
        c->reply = hit.reply;
        fixture_label(hit.fixture, &c->fixture);
        if (hit.opens)
            v->openings = openings_new(c->fixtures, v->session, &hit); /* NULL: it answers as any other */
    } else if (strict) {
        miss(v, subject, c);
    }
    if (c->reply != NULL && cJSON_IsTrue(json_item(c->reply, "template")))
        fill_in(v, subject, call, hit.nth, c);
}

void choice_release(struct choice *c)
{
    json_free(&c->expanded);
    shared_drop(&c->script);
    fixture_set_drop(&c->fixtures);
    buf_release(&c->fixture);
    buf_release(&c->miss);
}
