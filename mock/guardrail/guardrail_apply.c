/* guardrail_apply.c: ApplyGuardrail and InvokeGuardrailChecks: guardrails asked by themselves, with no model behind.
 *
 * ApplyGuardrail is one assessment (guardrail_assess.h) in a body of its own. InvokeGuardrailChecks knows no guardrail:
 * it gives scores for content, prompt attacks and entities, which here come from the same lists; a confidence of LOW,
 * MEDIUM or HIGH is a score of 0.4, 0.7 or 1.
 */
#include "mock/guardrail/guardrail_apply.h"
#include "mock/time/pace.h"

#include <stdlib.h>

#include "mock/guardrail/guardrail_use.h"

struct apply {
    struct guardrail_set *set;
    const struct guardrail *rail;
    struct guardrail_part *parts;
    size_t count, images;
    struct buf source, query;
    bool output, full;
};

static void apply_release(struct apply *a)
{
    guardrail_set_drop(&a->set);
    free(a->parts);
    buf_release(&a->source);
    buf_release(&a->query);
}

static void find_rail(const struct visit *v, struct apply *a)
{
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf version = BUF_INIT(BUF_ANY);
    a->set = guardrails_hold(v->mock->guardrails);
    if (visit_label(v, "guardrailIdentifier", &id) == OK && visit_label(v, "guardrailVersion", &version) == OK)
        a->rail = guardrail_find(a->set, buf_text(&id), buf_text(&version));
}

static void read_text(struct apply *a, const cJSON *text)
{
    const cJSON *q, *list = json_member(text, "qualifiers");
    const char *said = json_str(text, "text");
    if (said == NULL || a->count == GUARDRAIL_PARTS_MAX)
        return;
    struct guardrail_part *p = &a->parts[a->count++];
    *p = (struct guardrail_part){.text = span_of(said), .guarded = cJSON_GetArraySize(list) == 0};
    cJSON_ArrayForEach(q, list)
    {
        const char *word = cJSON_IsString(q) ? q->valuestring : "";
        p->source = p->source || strcmp(word, "grounding_source") == 0;
        p->query = p->query || strcmp(word, "query") == 0;
        p->guarded = p->guarded || strcmp(word, "guard_content") == 0;
    }
    if (p->source)
        buf_addf(&a->source, "%s\n", said);
    if (p->query)
        buf_addf(&a->query, "%s\n", said);
}

static bool read_content(const struct visit *v, struct apply *a)
{
    const cJSON *block;
    const char *scope = json_str(v->body, "outputScope"), *from = json_str(v->body, "source");
    a->parts = calloc(GUARDRAIL_PARTS_MAX, sizeof *a->parts);
    if (a->parts == NULL)
        return false;
    a->output = from != NULL && strcmp(from, "OUTPUT") == 0;
    a->full = scope != NULL && strcmp(scope, "FULL") == 0;
    cJSON_ArrayForEach(block, json_member(v->body, "content"))
    {
        read_text(a, json_member(block, "text"));
        a->images += json_member(block, "image") != NULL;
    }
    return true;
}

static struct plan *say_no(const struct visit *v, const char *type, const char *text)
{
    struct error_reply e = {.type = type, .message = text};
    return error_plan(&e, v->request_id);
}

/* The service meters text units a second; one call with more than a second's worth was seen to be throttled. */
static bool is_too_much(const struct apply *a)
{
    uint64_t characters = 0, most = guardrail_set_settings(a->set)->apply_units_max;
    for (size_t i = 0; i < a->count; i++)
        characters += count_characters(a->parts[i].text);
    return most > 0 && guardrail_units(a->set, characters) > most;
}

static bool put(cJSON *into, const char *key, cJSON *take)
{
    bool ok = into != NULL && take != NULL &&
              (key != NULL ? cJSON_AddItemToObject(into, key, take) : cJSON_AddItemToArray(into, take));
    if (!ok)
        cJSON_Delete(take);
    return ok;
}

/* Blocked: the configured message. Masked: every text that was to be checked, with its masks. Else nothing. */
static bool put_outputs(const struct apply *a, const struct guardrail_verdict *verdict, cJSON *tree)
{
    cJSON *list = cJSON_CreateArray();
    bool ok = put(tree, "outputs", list);
    if (ok && verdict->blocked) {
        cJSON *one = cJSON_CreateObject();
        ok = put(one, "text", cJSON_CreateString(a->output ? a->rail->blocked_output : a->rail->blocked_input));
        return put(list, NULL, one) && ok;
    }
    for (size_t i = 0; ok && verdict->masked && i < a->count; i++) {
        if (!a->parts[i].guarded)
            continue;
        CLEANUP(free_ptr) char *whole = span_dup(a->parts[i].text);
        cJSON *one = cJSON_CreateObject();
        ok = put(one, "text", cJSON_CreateString(verdict->texts[i] != NULL ? verdict->texts[i] : whole));
        ok = put(list, NULL, one) && ok;
    }
    return ok;
}

static cJSON *apply_tree(const struct apply *a, struct guardrail_verdict *verdict)
{
    cJSON *tree = cJSON_CreateObject(), *list = cJSON_CreateArray();
    const cJSON *metrics = json_member(verdict->assessment, "invocationMetrics");
    bool acted = verdict->blocked || verdict->masked;
    bool ok = put(tree, "action", cJSON_CreateString(acted ? "GUARDRAIL_INTERVENED" : "NONE"));
    ok = put(tree, "actionReason", cJSON_CreateString(guardrail_reason(verdict))) && ok;
    ok = put(tree, "guardrailCoverage", cJSON_Duplicate(json_member(metrics, "guardrailCoverage"), true)) && ok;
    ok = put(tree, "usage", cJSON_Duplicate(json_member(metrics, "usage"), true)) && ok;
    ok = put_outputs(a, verdict, tree) && ok;
    ok = put(list, NULL, verdict->assessment) && ok;
    verdict->assessment = NULL;
    ok = put(tree, "assessments", list) && ok && !verdict->failed;
    if (!ok)
        json_free(&tree);
    return tree;
}

/* Members that a script gave as `extra` replace ours. */
static struct plan *sorted_plan(const struct visit *v, cJSON *tree, const cJSON *reply, uint64_t ms)
{
    const cJSON *item, *latency = json_member(reply, "latency_ms");
    bool ok = tree != NULL;
    cJSON_ArrayForEach(item, json_member(reply, "extra")) ok =
        ok && json_set(tree, item->string, cJSON_Duplicate(item, true)) != NULL;
    ms += cJSON_IsNumber(latency) ? (uint64_t)latency->valuedouble : visit_latency_ns(v) / 1000000;
    struct plan *plan = plan_new(200);
    if (plan == NULL)
        return NULL;
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    json_print(tree, JSON_SORTED, &body);
    plan_body_take(plan, "application/json", &body);
    plan_header(plan, "x-amzn-RequestId", v->request_id);
    plan->head_after_ns = ms * 1000000u;
    plan->failed = plan->failed || !ok;
    return plan;
}

struct plan *apply_guardrail_answer(struct visit *v, const cJSON *reply)
{
    CLEANUP(apply_release) struct apply a = {.source = BUF_INIT(BUF_ANY), .query = BUF_INIT(BUF_ANY)};
    struct guardrail_verdict verdict;
    find_rail(v, &a);
    if (a.rail == NULL)
        return say_no(v, "ValidationException", GUARDRAIL_UNKNOWN);
    if (!read_content(v, &a))
        return NULL;
    if (is_too_much(&a))
        return say_no(v, "ThrottlingException", NULL);
    struct guardrail_ask ask = {.set = a.set,
                                .rail = a.rail,
                                .output = a.output,
                                .full = a.full,
                                .parts = a.parts,
                                .count = a.count,
                                .images = a.images,
                                .images_total = a.images,
                                .source = buf_span(&a.source),
                                .query = buf_span(&a.query)};
    guardrail_assess(&ask, &verdict);
    CLEANUP(json_free) cJSON *tree = apply_tree(&a, &verdict);
    guardrail_verdict_release(&verdict);
    return sorted_plan(v, tree, reply, guardrail_set_settings(a.set)->latency_ms);
}

/* ---- checks without a guardrail ---- */

struct text_at {
    size_t message, content;
};

struct checks {
    struct guardrail_set *set;
    struct guardrail_part *parts;
    struct text_at *places;
    struct scan scan;
    cJSON *results, *usage;
    bool ok;
};

static void checks_release(struct checks *c)
{
    scan_release(&c->scan);
    guardrail_set_drop(&c->set);
    free(c->parts);
    free(c->places);
    cJSON_Delete(c->results);
    cJSON_Delete(c->usage);
}

static bool read_messages(struct checks *c, const cJSON *body)
{
    const cJSON *message, *block;
    size_t n = 0, i = 0;
    c->parts = calloc(GUARDRAIL_PARTS_MAX, sizeof *c->parts);
    c->places = calloc(GUARDRAIL_PARTS_MAX, sizeof *c->places);
    if (c->parts == NULL || c->places == NULL)
        return false;
    cJSON_ArrayForEach(message, json_member(body, "messages"))
    {
        size_t j = 0;
        cJSON_ArrayForEach(block, json_member(message, "content"))
        {
            if (json_str(block, "text") != NULL && n < GUARDRAIL_PARTS_MAX) {
                c->places[n] = (struct text_at){i, j};
                c->parts[n++] = (struct guardrail_part){.text = span_of(json_str(block, "text")), .guarded = true};
            }
            j++;
        }
        i++;
    }
    scan_init(&c->scan, c->parts, n);
    return !c->scan.failed;
}

/* {"results": [...]} of one check, and what it costs. */
static cJSON *open_check(struct checks *c, const char *name)
{
    cJSON *check = cJSON_CreateObject(), *list = cJSON_CreateArray(), *units = cJSON_CreateObject();
    c->ok = put(units, "textUnits", json_new_int((int64_t)guardrail_units(c->set, c->scan.guarded))) && c->ok;
    c->ok = put(c->usage, name, units) && c->ok;
    c->ok = put(check, "results", list) && c->ok;
    c->ok = put(c->results, name, check) && c->ok;
    return c->ok ? list : NULL;
}

static void score_categories(struct checks *c, const cJSON *asked, const char *name)
{
    static const char *const scores[] = {"0", "0.4", "0.7", "1"};
    const cJSON *row;
    if (asked == NULL)
        return;
    cJSON *list = open_check(c, name);
    cJSON_ArrayForEach(row, json_member(asked, "categories"))
    {
        size_t part, end;
        const char *category = json_str(row, "category");
        cJSON *entry = cJSON_CreateObject();
        if (category == NULL) { /* a request that was not validated */
            cJSON_Delete(entry);
            continue;
        }
        unsigned level = guardrail_confidence(c->set, &c->scan, category, &part, &end);
        c->ok = put(entry, "category", cJSON_CreateString(category)) && c->ok;
        c->ok = put(entry, "severityScore", json_new_literal(scores[level])) && c->ok;
        c->ok = put(list, NULL, entry) && c->ok;
    }
}

/* Offsets count characters of the text. */
static void tell_entity(struct checks *c, cJSON *list, const struct place *p)
{
    struct span text = c->parts[p->part].text;
    uint64_t begin = count_characters(span_cut(text, 0, p->at));
    const struct {
        const char *key;
        uint64_t n;
    } rows[] = {{"beginOffset", begin},
                {"endOffset", begin + count_characters(span_cut(text, p->at, p->n))},
                {"messageIndex", c->places[p->part].message},
                {"contentIndex", c->places[p->part].content}};
    cJSON *entry = cJSON_CreateObject();
    c->ok = put(entry, "type", cJSON_CreateString(p->type)) && c->ok;
    c->ok = put(entry, "confidenceScore", json_new_literal("1")) && c->ok;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        c->ok = put(entry, rows[i].key, json_new_int((int64_t)rows[i].n)) && c->ok;
    c->ok = put(list, NULL, entry) && c->ok;
}

static void score_entities(struct checks *c, const cJSON *asked)
{
    const cJSON *row;
    struct places found = {NULL, 0};
    if (asked == NULL)
        return;
    cJSON *list = open_check(c, "sensitiveInformation");
    cJSON_ArrayForEach(row, json_member(asked, "entities"))
    {
        const char *type = json_str(row, "type");
        if (type != NULL)
            find_entity(&c->scan, guardrail_entity(c->set, type), type, row, &found);
    }
    bool truncated = found.count == GUARDRAIL_PLACES_MAX;
    places_settle(&found);
    for (size_t i = 0; i < found.count; i++)
        tell_entity(c, list, &found.list[i]);
    if (truncated)
        c->ok = put(json_member(c->results, "sensitiveInformation"), "truncated", cJSON_CreateTrue()) && c->ok;
    free(found.list);
}

struct plan *guardrail_checks_answer(struct visit *v, const cJSON *reply)
{
    const cJSON *asked = json_member(v->body, "checks");
    CLEANUP(checks_release)
    struct checks c = {.set = guardrails_hold(v->mock->guardrails),
                       .results = cJSON_CreateObject(),
                       .usage = cJSON_CreateObject(),
                       .ok = true};
    if (!read_messages(&c, v->body))
        return NULL;
    score_categories(&c, json_member(asked, "contentFilter"), "contentFilter");
    score_categories(&c, json_member(asked, "promptAttack"), "promptAttack");
    score_entities(&c, json_member(asked, "sensitiveInformation"));
    CLEANUP(json_free) cJSON *tree = cJSON_CreateObject();
    c.ok = put(tree, "results", c.results) && c.ok;
    c.ok = put(tree, "usage", c.usage) && c.ok;
    c.results = c.usage = NULL;
    return sorted_plan(v, c.ok ? tree : NULL, reply, 0);
}
