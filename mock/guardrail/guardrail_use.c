/* guardrail_use.c: guardrails in Converse and InvokeModel, streamed or not.
 *
 * The input is judged before the model speaks, the answer after it; both leave their assessment in the trace. Texts of
 * the input are taken from the Converse form of a request, whichever body it came in (mock/native/native.h). Which of them are
 * checked: those in guardContent blocks when a message has any, or between the tags of a native body; else all texts of
 * the messages. A system text is checked in a guardContent block only, unless the settings say otherwise: a prompt that
 * forbids a topic names it.
 */
#include "mock/guardrail/guardrail_use.h"

#include <stdlib.h>

#include "mock/operations.h"

#define TAG "amazon-bedrock-guardrails-guardContent_"

enum trace { TRACE_OFF, TRACE_ON, TRACE_FULL };

/* Where a part of the input came from, so that it can be masked there. */
struct piece {
    cJSON *item;
    size_t from;
};

struct guardrail_use {
    struct guardrail_set *set;
    const struct guardrail *rail;
    enum trace trace;
    bool native, streamed, async;
    struct buf open, close;   /* the tags of a native body; empty: none */
    struct buf source, query; /* of contextual grounding */
    struct buf reasons;
    bool masked_input;
    cJSON *input, *output, *said; /* assessments, and the texts of the model */
    /* While the input is collected. */
    struct guardrail_part *parts;
    struct piece *pieces;
    size_t count, images, images_total;
    bool failed;
};

void guardrail_use_free(struct guardrail_use **pointer)
{
    struct guardrail_use *u = *pointer;
    *pointer = NULL;
    if (u == NULL)
        return;
    struct buf *all[] = {&u->open, &u->close, &u->source, &u->query, &u->reasons};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        buf_release(all[i]);
    cJSON_Delete(u->input);
    cJSON_Delete(u->output);
    cJSON_Delete(u->said);
    free(u->parts);
    free(u->pieces);
    guardrail_set_drop(&u->set);
    free(u);
}

/* ---- what is asked for ---- */

struct wish {
    const char *id, *version, *trace, *mode, *suffix;
    bool body_only; /* a native body speaks of a guardrail that no header names */
    bool wrong_type;
    struct buf text[3]; /* of headers */
};

static void wish_release(struct wish *w)
{
    for (size_t i = 0; i < COUNT_OF(w->text); i++)
        buf_release(&w->text[i]);
}

static const char *unless_empty(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static bool wish_in_body(const struct visit *v, struct wish *w)
{
    const cJSON *config = json_member(v->body, "guardrailConfig");
    if (config == NULL)
        return false;
    w->id = unless_empty(json_str(config, "guardrailIdentifier"));
    w->version = unless_empty(json_str(config, "guardrailVersion"));
    w->trace = json_str(config, "trace");
    w->mode = json_str(config, "streamProcessingMode");
    return w->id != NULL || w->version != NULL;
}

static const char *field_text(const struct visit *v, const char *name, struct buf *out)
{
    struct span value = http_field_get(v->request->fields, v->request->field_count, name);
    *out = BUF_INIT(BUF_ANY);
    buf_add(out, value);
    return unless_empty(buf_text(out));
}

static bool wish_in_headers(const struct visit *v, struct wish *w)
{
    const cJSON *config = json_member(v->body, "amazon-bedrock-guardrailConfig");
    w->id = field_text(v, "X-Amzn-Bedrock-GuardrailIdentifier", &w->text[0]);
    w->version = field_text(v, "X-Amzn-Bedrock-GuardrailVersion", &w->text[1]);
    bool asked = w->id != NULL || w->version != NULL;
    if (!asked && config == NULL)
        return false;
    w->trace = field_text(v, "X-Amzn-Bedrock-Trace", &w->text[2]);
    w->mode = json_str(config, "streamProcessingMode");
    w->suffix = unless_empty(json_str(config, "tagSuffix"));
    struct span type = http_field_get(v->request->fields, v->request->field_count, "Content-Type");
    w->wrong_type = !span_has_prefix(type, "application/json");
    w->body_only = !asked;
    return true;
}

/* What is wrong with it, or NULL. Only the last text is the service's own; the others say what its documentation calls
 * errors, in our words. */
static const char *fault_of(const struct wish *w, const struct guardrail *rail)
{
    if (w->body_only)
        return "amazon-bedrock-guardrailConfig is given, but no guardrail identifier.";
    if (w->id == NULL)
        return "A guardrail version is given, but no guardrail identifier.";
    if (w->version == NULL)
        return "A guardrail identifier is given, but no guardrail version.";
    if (w->wrong_type)
        return "The content type must be application/json when a guardrail is used.";
    return rail == NULL ? GUARDRAIL_UNKNOWN : NULL;
}

static struct guardrail_use *use_new(const struct visit *v, const struct wish *w, bool native)
{
    static const char *const traces[] = {"disabled", "enabled", "enabled_full"};
    struct guardrail_use *u = calloc(1, sizeof *u);
    if (u == NULL)
        return NULL;
    struct buf *all[] = {&u->open, &u->close, &u->source, &u->query, &u->reasons};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        buf_init(all[i], BUF_ANY);
    u->native = native;
    u->streamed = visit_streams(v);
    for (size_t i = 0; w->trace != NULL && i < COUNT_OF(traces); i++)
        if (span_is_nocase(span_of(w->trace), traces[i]))
            u->trace = (enum trace)i;
    u->async = u->streamed && w->mode != NULL && span_has_prefix(span_of(w->mode), native ? "ASYNC" : "async");
    if (w->suffix != NULL) {
        buf_addf(&u->open, "<" TAG "%s>", w->suffix);
        buf_addf(&u->close, "</" TAG "%s>", w->suffix);
    }
    return u;
}

void guardrail_read(struct visit *v)
{
    CLEANUP(wish_release) struct wish w = {.id = NULL};
    bool native = v->native.family != NULL && (v->compat != NULL || strncmp(v->operation, "InvokeModel", 11) == 0);
    bool converse = strncmp(v->operation, "Converse", 8) == 0;
    if ((!native && !converse) || !(native ? wish_in_headers(v, &w) : wish_in_body(v, &w)))
        return;
    CLEANUP(guardrail_set_drop) struct guardrail_set *set = guardrails_hold(v->mock->guardrails);
    const struct guardrail *rail = w.id != NULL && w.version != NULL ? guardrail_find(set, w.id, w.version) : NULL;
    const char *fault = fault_of(&w, rail);
    /* A recording mock is somebody's judge: which guardrails it has itself must not count. */
    if (rail == NULL && w.id != NULL && w.version != NULL && !w.wrong_type &&
        v->mock->config.validation == MOCK_VALIDATION_RECORD)
        return;
    if (fault != NULL) {
        refusal_set(&v->refusal, REFUSAL_SEMANTIC, "ValidationException", "%s", fault);
        if (w.id != NULL && w.version != NULL && rail == NULL)
            mock_log(v->mock, "%s: no guardrail %.100s of version %.20s is here; GET /guardrails of the admin API has them all",
                     v->operation, w.id, w.version);
        return;
    }
    v->guardrail = use_new(v, &w, native);
    if (v->guardrail == NULL)
        return;
    v->guardrail->set = set;
    v->guardrail->rail = rail;
    set = NULL;
}

/* ---- the texts of the input ---- */

static void add_part(struct guardrail_use *u, cJSON *item, size_t from, size_t n, struct guardrail_part flags)
{
    if (u->count == GUARDRAIL_PARTS_MAX || n == 0)
        return;
    flags.text = span_cut(span_of(item->valuestring), from, n);
    u->parts[u->count] = flags;
    u->pieces[u->count++] = (struct piece){item, from};
}

/* The stretches between tags are checked, the others are not. */
static void add_tagged(struct guardrail_use *u, cJSON *item)
{
    const char *text = item->valuestring, *at = text, *open;
    while ((open = strstr(at, buf_text(&u->open))) != NULL) {
        const char *from = open + u->open.len, *end = strstr(from, buf_text(&u->close));
        size_t n = end != NULL ? (size_t)(end - from) : strlen(from);
        add_part(u, item, (size_t)(at - text), (size_t)(open - at), (struct guardrail_part){.guarded = false});
        add_part(u, item, (size_t)(from - text), n, (struct guardrail_part){.guarded = true});
        at = end != NULL ? end + u->close.len : from + n;
    }
    add_part(u, item, (size_t)(at - text), strlen(at), (struct guardrail_part){.guarded = false});
}

static void add_text(struct guardrail_use *u, cJSON *item, bool guarded, bool tagged)
{
    if (!cJSON_IsString(item))
        return;
    if (tagged)
        add_tagged(u, item);
    else
        add_part(u, item, 0, strlen(item->valuestring), (struct guardrail_part){.guarded = guarded});
}

static void add_guard_content(struct guardrail_use *u, const cJSON *guard)
{
    const cJSON *text = json_member(guard, "text"), *q;
    cJSON *item = json_member(text, "text");
    struct guardrail_part flags = {.guarded = cJSON_GetArraySize(json_member(text, "qualifiers")) == 0};
    if (json_member(guard, "image") != NULL) {
        u->images++;
        u->images_total++;
    }
    if (!cJSON_IsString(item))
        return;
    cJSON_ArrayForEach(q, json_member(text, "qualifiers"))
    {
        const char *word = cJSON_IsString(q) ? q->valuestring : "";
        flags.source = flags.source || strcmp(word, "grounding_source") == 0;
        flags.query = flags.query || strcmp(word, "query") == 0;
        flags.guarded = flags.guarded || strcmp(word, "guard_content") == 0;
    }
    if (flags.source)
        buf_addf(&u->source, "%s\n", item->valuestring);
    if (flags.query)
        buf_addf(&u->query, "%s\n", item->valuestring);
    add_part(u, item, 0, strlen(item->valuestring), flags);
}

/* Texts and pictures that a tool gave are what the model reads, and where a page from outside comes in. */
static void add_result(struct guardrail_use *u, const cJSON *result, bool guarded)
{
    const cJSON *block;
    cJSON_ArrayForEach(block, json_member(result, "content"))
    {
        add_text(u, json_member(block, "text"), guarded, false);
        if (json_member(block, "image") != NULL) {
            u->images += guarded;
            u->images_total++;
        }
    }
}

static void add_block(struct guardrail_use *u, const cJSON *block, bool guarded, bool tagged)
{
    if (guardrail_set_settings(u->set)->tool_results)
        add_result(u, json_member(block, "toolResult"), guarded);
    add_text(u, json_member(block, "text"), guarded, tagged);
    if (json_member(block, "guardContent") != NULL)
        add_guard_content(u, json_member(block, "guardContent"));
    if (json_member(block, "image") != NULL) {
        u->images += guarded;
        u->images_total++;
    }
}

static bool marks(const struct guardrail_use *u, const cJSON *block)
{
    const char *text = u->open.len > 0 ? json_str(block, "text") : NULL;
    return json_member(block, "guardContent") != NULL || (text != NULL && strstr(text, buf_text(&u->open)) != NULL);
}

static void collect(struct guardrail_use *u, const cJSON *body)
{
    const cJSON *message, *block;
    bool marked = false, tagged = u->open.len > 0;
    cJSON_ArrayForEach(message, json_member(body, "messages"))
    {
        cJSON_ArrayForEach(block, json_member(message, "content")) marked = marked || marks(u, block);
    }
    cJSON_ArrayForEach(block, json_member(body, "system"))
        add_block(u, block, guardrail_set_settings(u->set)->system_prompts, false);
    cJSON_ArrayForEach(message, json_member(body, "messages"))
    {
        cJSON_ArrayForEach(block, json_member(message, "content")) add_block(u, block, !marked, marked && tagged);
    }
}

/* ---- findings ---- */

static void assess(struct guardrail_use *u, const struct guardrail_ask *ask, struct guardrail_verdict *verdict)
{
    guardrail_assess(ask, verdict);
    u->failed = u->failed || verdict->failed;
    const char *reason = guardrail_reason(verdict);
    if (span_find(buf_span(&u->reasons), reason) == NULL)
        buf_addf(&u->reasons, "%s%s", u->reasons.len > 0 ? "\n" : "", reason);
}

static void put(struct guardrail_use *u, cJSON *into, const char *key, cJSON *take)
{
    if (into == NULL || take == NULL || !cJSON_AddItemToObject(into, key, take)) {
        cJSON_Delete(take);
        u->failed = true;
    }
}

/* Recordings have it in the assessment of the input alone. */
static void add_details(struct visit *v, cJSON *assessment)
{
    struct guardrail_use *u = v->guardrail;
    CLEANUP(buf_release) struct buf region = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf arn = BUF_INIT(BUF_ANY);
    const char *const origin[] = {"REQUEST"};
    cJSON *details = cJSON_CreateObject();
    visit_region(v, &region);
    guardrail_arn(u->rail, buf_text(&region), visit_account(v), &arn);
    put(u, details, "guardrailArn", cJSON_CreateString(buf_text(&arn)));
    put(u, details, "guardrailId", cJSON_CreateString(u->rail->id));
    put(u, details, "guardrailOrigin", cJSON_CreateStringArray(origin, 1));
    put(u, details, "guardrailOwnership", cJSON_CreateString("SELF"));
    put(u, details, "guardrailVersion", cJSON_CreateString(u->rail->version));
    put(u, assessment, "appliedGuardrailDetails", details);
}

static cJSON *in_list(cJSON *take)
{
    cJSON *list = cJSON_CreateArray();
    if (list == NULL || take == NULL || !cJSON_AddItemToArray(list, take)) {
        cJSON_Delete(take);
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

static cJSON *under(const char *key, cJSON *take)
{
    cJSON *object = cJSON_CreateObject();
    if (object == NULL || take == NULL || !cJSON_AddItemToObject(object, key, take)) {
        cJSON_Delete(take);
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

static cJSON *taken(cJSON **item)
{
    cJSON *out = *item;
    *item = NULL;
    return out;
}

/* Converse: {actionReason, inputAssessment{id}, modelOutput, outputAssessments{id: [...]}}. InvokeModel has other names
 * for the same, as public code reads them: input{id}, outputs[{id}]. */
static cJSON *make_trace(struct guardrail_use *u)
{
    const char *id = u->rail->id;
    cJSON *trace = cJSON_CreateObject();
    put(u, trace, "actionReason", cJSON_CreateString(buf_text(&u->reasons)));
    if (u->input != NULL)
        put(u, trace, u->native ? "input" : "inputAssessment", under(id, taken(&u->input)));
    if (u->said != NULL)
        put(u, trace, "modelOutput", taken(&u->said));
    if (u->output != NULL)
        put(u, trace, u->native ? "outputs" : "outputAssessments",
            u->native ? in_list(under(id, taken(&u->output))) : under(id, in_list(taken(&u->output))));
    return trace;
}

static void finish(struct guardrail_use *u, struct answer *a, bool intervened, const char *native_stop)
{
    if (intervened && (!u->native || native_stop != NULL))
        answer_stop(a, u->native ? native_stop : "guardrail_intervened");
    if (u->native)
        a->guardrail_action = intervened ? "INTERVENED" : "NONE";
    if (u->trace != TRACE_OFF)
        a->guardrail_trace = make_trace(u);
    a->failed = a->failed || u->failed || buf_error(&u->reasons) != OK;
}

/* ---- input ---- */

/* From the last part to the first, so that places before stay right. */
static void mask_input(struct guardrail_use *u, const struct guardrail_verdict *verdict)
{
    for (size_t i = u->count; i > 0; i--) {
        const struct piece *p = &u->pieces[i - 1];
        if (verdict->texts[i - 1] == NULL)
            continue;
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        struct span whole = span_of(p->item->valuestring);
        buf_add(&text, span_cut(whole, 0, p->from));
        buf_adds(&text, verdict->texts[i - 1]);
        buf_add(&text, span_from(whole, p->from + u->parts[i - 1].text.n));
        if (buf_error(&text) != OK || cJSON_SetValuestring(p->item, buf_text(&text)) == NULL)
            u->failed = true;
    }
    u->masked_input = true;
}

static void say_instead(struct answer *a, const char *text)
{
    for (size_t i = 0; i < a->count; i++)
        block_release(&a->blocks[i]);
    a->count = 0;
    (void)answer_text(a, span_of(text));
}

static const cJSON *request_tree(const struct visit *v)
{
    return v->guardrail->native ? v->native.made : v->body;
}

bool guardrail_stops(struct visit *v, struct answer *a)
{
    struct guardrail_use *u = v->guardrail;
    struct guardrail_verdict verdict;
    u->parts = calloc(GUARDRAIL_PARTS_MAX, sizeof *u->parts);
    u->pieces = calloc(GUARDRAIL_PARTS_MAX, sizeof *u->pieces);
    if (u->parts == NULL || u->pieces == NULL) {
        a->failed = true;
        return false;
    }
    collect(u, request_tree(v));
    struct guardrail_ask ask = {.set = u->set,
                                .rail = u->rail,
                                .full = u->trace == TRACE_FULL,
                                .parts = u->parts,
                                .count = u->count,
                                .images = u->images,
                                .images_total = u->images_total};
    assess(u, &ask, &verdict);
    if (verdict.masked && !verdict.blocked) {
        mask_input(u, &verdict);
        a->input_tokens = operations_input_tokens(v); /* of what the model sees; masks may be longer than what they hide */
    }
    u->input = taken(&verdict.assessment);
    if (u->trace != TRACE_OFF)
        add_details(v, u->input);
    bool blocked = verdict.blocked;
    guardrail_verdict_release(&verdict);
    a->latency_ns += guardrail_set_settings(u->set)->latency_ms * 1000000u;
    if (blocked) { /* the model is not asked, and costs nothing */
        say_instead(a, u->rail->blocked_input);
        a->input_tokens = a->output_tokens = a->cache_read = a->cache_write = 0;
        finish(u, a, true, "end_turn");
    }
    return blocked;
}

/* ---- answer ---- */

static bool is_text(const struct block *b)
{
    return (b->kind == BLOCK_TEXT || b->kind == BLOCK_CITATIONS) && b->text != NULL;
}

/* The parts of the answer, and which block each is. */
static size_t collect_answer(struct guardrail_use *u, const struct answer *a, size_t *blocks)
{
    size_t n = 0;
    cJSON_Delete(u->said);
    u->said = cJSON_CreateArray();
    for (size_t i = 0; i < a->count; i++) {
        if (!is_text(&a->blocks[i]))
            continue;
        u->parts[n] = (struct guardrail_part){.text = span_of(a->blocks[i].text), .guarded = true};
        blocks[n++] = i;
        cJSON *said = cJSON_CreateString(a->blocks[i].text);
        if (u->said == NULL || said == NULL || !cJSON_AddItemToArray(u->said, said)) {
            cJSON_Delete(said);
            u->failed = true;
        }
    }
    return n;
}

/* Its words are ours now: the scripted cuts and citations do not fit them any more. */
static void change_block(struct guardrail_use *u, struct block *b, struct span text)
{
    char *copy = span_dup(text);
    if (copy == NULL) {
        u->failed = true;
        return;
    }
    free(b->text);
    b->text = copy;
    b->kind = BLOCK_TEXT;
    b->deltas = NULL;
}

/* Characters as bytes: the end of the look that saw it, between two characters. */
static size_t told_until(const struct guardrail_use *u, struct span text, size_t end)
{
    uint64_t step = guardrail_set_settings(u->set)->async_characters;
    uint64_t wanted = (count_characters(span_cut(text, 0, end)) + step - 1) / step * step, n = 0;
    size_t at = 0;
    while (at < text.n && (n < wanted || (text.p[at] & 0xc0) == 0x80))
        n += (text.p[at++] & 0xc0) != 0x80 ? 1 : 0;
    return at;
}

/* What went out before it was looked at stays; then comes the message, and nothing more. */
static void interrupt(struct guardrail_use *u, struct answer *a, size_t block, size_t end)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    struct block *b = &a->blocks[block];
    struct span whole = span_of(b->text);
    buf_add(&text, span_cut(whole, 0, told_until(u, whole, end)));
    buf_adds(&text, u->rail->blocked_output);
    change_block(u, b, buf_span(&text));
    for (size_t i = block + 1; i < a->count; i++)
        block_release(&a->blocks[i]);
    a->count = block + 1;
}

static void act(struct guardrail_use *u, struct answer *a, const struct guardrail_verdict *verdict,
                const size_t *blocks)
{
    if (verdict->blocked && u->async) {
        interrupt(u, a, blocks[verdict->block_part], verdict->block_end);
        return;
    }
    if (verdict->blocked) {
        say_instead(a, u->rail->blocked_output);
        return;
    }
    for (size_t i = 0; i < verdict->count; i++)
        if (verdict->texts[i] != NULL)
            change_block(u, &a->blocks[blocks[i]], span_of(verdict->texts[i]));
}

void guardrail_judges(struct visit *v, struct answer *a)
{
    struct guardrail_use *u = v->guardrail;
    struct guardrail_verdict verdict = {.assessment = NULL};
    CLEANUP(free_ptr) size_t *blocks = calloc(a->count + 1, sizeof *blocks);
    if (blocks == NULL || u->parts == NULL || a->count > GUARDRAIL_PARTS_MAX) {
        a->failed = true;
        return;
    }
    size_t n = collect_answer(u, a, blocks);
    struct guardrail_ask ask = {.set = u->set,
                                .rail = u->rail,
                                .output = true,
                                .full = u->trace == TRACE_FULL,
                                .unmasked = u->async,
                                .parts = u->parts,
                                .count = n,
                                .source = buf_span(&u->source),
                                .query = buf_span(&u->query)};
    if (n > 0) {
        assess(u, &ask, &verdict);
        u->output = taken(&verdict.assessment);
        act(u, a, &verdict, blocks);
        uint64_t ms = guardrail_set_settings(u->set)->latency_ms;
        *(u->streamed ? &a->ttft_ns : &a->latency_ns) += u->async ? 0 : ms * 1000000u;
    }
    a->held = u->streamed && !u->async && n > 0;
    finish(u, a, verdict.blocked || verdict.masked || u->masked_input, verdict.blocked ? "end_turn" : NULL);
    guardrail_verdict_release(&verdict);
}

/* ---- held streams ---- */

void guardrail_holds(struct plan *plan)
{
    uint64_t all = 0;
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < plan->count; i++) {
        uint64_t wait = plan->pieces[i].after_ns;
        if (wait == 0 || wait == PLAN_NEVER)
            continue;
        first = first == SIZE_MAX ? i : first;
        all += wait;
        plan->pieces[i].after_ns = 0;
    }
    if (first != SIZE_MAX)
        plan->pieces[first].after_ns = all;
}
