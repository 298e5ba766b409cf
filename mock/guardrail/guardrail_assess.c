/* guardrail_assess.c: the policies of a guardrail, one function each, and the assessment they fill.
 *
 * The shape is the one of recordings: a member for each policy that found something, invocationMetrics always. What a
 * finding does is one of four: nothing is looked for (a side that is not enabled), told only (NONE), masked, blocked.
 */
#include "mock/guardrail/guardrail_assess.h"

#include <stdio.h>
#include <stdlib.h>

enum act { ACT_SKIP, ACT_NONE, ACT_MASK, ACT_BLOCK };
static const char *const act_words[] = {"NONE", "NONE", "ANONYMIZED", "BLOCKED"};
static const char *const level_words[] = {"NONE", "LOW", "MEDIUM", "HIGH"};
const char *const guardrail_attacks[3] = {"JAILBREAK", "PROMPT_INJECTION", "PROMPT_LEAKAGE"};

struct assessor {
    const struct guardrail_ask *ask;
    struct guardrail_verdict *out;
    struct scan scan;
    bool grounded; /* contextual grounding was judged, and is charged */
};

static enum act act_of(const struct guardrail_ask *ask, const cJSON *row)
{
    const char *action = json_str(row, ask->output ? "outputAction" : "inputAction");
    if (cJSON_IsFalse(json_member(row, ask->output ? "outputEnabled" : "inputEnabled")))
        return ACT_SKIP;
    if (action == NULL)
        action = json_str(row, "action");
    if (action == NULL || strcmp(action, "BLOCK") == 0)
        return ACT_BLOCK;
    return strcmp(action, "ANONYMIZE") == 0 && !ask->unmasked ? ACT_MASK : ACT_NONE;
}

static void put(struct assessor *a, cJSON *into, const char *key, cJSON *take)
{
    bool ok = into != NULL && take != NULL &&
              (key != NULL ? cJSON_AddItemToObject(into, key, take) : cJSON_AddItemToArray(into, take));
    if (!ok) {
        cJSON_Delete(take);
        a->out->failed = true;
    }
}

static void put_text(struct assessor *a, cJSON *into, const char *key, const char *text)
{
    put(a, into, key, cJSON_CreateString(text));
}

static void put_count(struct assessor *a, cJSON *into, const char *key, uint64_t n)
{
    put(a, into, key, json_new_int((int64_t)n));
}

/* A new object in the list: {key: value, "action": ..., "detected": ...}. */
static cJSON *put_finding(struct assessor *a, cJSON *list, const char *key, const char *value, enum act act,
                          bool detected)
{
    cJSON *f = cJSON_CreateObject();
    put_text(a, f, key, value);
    put_text(a, f, "action", detected ? act_words[act] : "NONE");
    put(a, f, "detected", cJSON_CreateBool(detected));
    if (f == NULL || !cJSON_AddItemToArray(list, f)) {
        cJSON_Delete(f);
        a->out->failed = true;
        return NULL;
    }
    return f;
}

/* The policy's member, unless it is empty. */
static void put_policy(struct assessor *a, const char *name, const char *const *keys, cJSON **lists, size_t n)
{
    int items = 0;
    for (size_t i = 0; i < n; i++)
        items += cJSON_GetArraySize(lists[i]);
    cJSON *policy = items > 0 ? cJSON_CreateObject() : NULL;
    for (size_t i = 0; i < n; i++)
        if (policy != NULL)
            put(a, policy, keys[i], lists[i]);
        else
            cJSON_Delete(lists[i]);
    if (items > 0)
        put(a, a->out->assessment, name, policy);
}

static void block_at(struct assessor *a, size_t part, size_t end)
{
    struct guardrail_verdict *v = a->out;
    if (!v->blocked || part < v->block_part || (part == v->block_part && end < v->block_end)) {
        v->block_part = part;
        v->block_end = end;
    }
    v->blocked = true;
}

/* ---- topics ---- */

static void assess_topics(struct assessor *a)
{
    const cJSON *row;
    cJSON *list = cJSON_CreateArray();
    cJSON_ArrayForEach(row, json_at(a->ask->rail->spec, "/topicPolicy/topics"))
    {
        enum act act = act_of(a->ask, row);
        size_t part = 0, end = 0, other, sooner;
        if (act == ACT_SKIP)
            continue;
        bool found = find_any(&a->scan, json_member(row, "phrases"), &part, &end);
        if (find_any(&a->scan, json_member(row, "examples"), &other, &sooner) &&
            (!found || other < part || (other == part && sooner < end))) {
            found = true;
            part = other;
            end = sooner;
        }
        if (found && act == ACT_BLOCK)
            block_at(a, part, end);
        if (found || a->ask->full)
            put_text(a, put_finding(a, list, "name", json_str(row, "name"), act, found), "type", "DENY");
    }
    put_policy(a, "topicPolicy", (const char *const[]){"topics"}, &list, 1);
}

/* ---- content filters ---- */

static unsigned level_of(const char *word)
{
    unsigned i = COUNT_OF(level_words) - 1;
    while (i > 0 && (word == NULL || strcmp(level_words[i], word) != 0))
        i--;
    return i;
}

static unsigned confidence_of_list(const struct guardrail_set *set, const struct scan *s, const char *type,
                                   size_t *part, size_t *end)
{
    const cJSON *lists = json_member(json_at(guardrail_set_tree(set), "/lists/content"), type);
    for (unsigned level = 3; level > 0; level--)
        if (find_any(s, json_member(lists, level_words[level]), part, end))
            return level;
    return 0;
}

unsigned guardrail_confidence(const struct guardrail_set *set, const struct scan *s, const char *type, size_t *part,
                              size_t *end)
{
    unsigned most = confidence_of_list(set, s, type, part, end);
    for (size_t i = 0; strcmp(type, "PROMPT_ATTACK") == 0 && i < COUNT_OF(guardrail_attacks); i++) {
        size_t at_part, at_end;
        unsigned level = confidence_of_list(set, s, guardrail_attacks[i], &at_part, &at_end);
        if (level > most) {
            most = level;
            *part = at_part;
            *end = at_end;
        }
    }
    return most;
}

/* A filter of LOW strength acts on HIGH confidence, one of MEDIUM from MEDIUM on, one of HIGH from LOW on. */
static void assess_filters(struct assessor *a)
{
    const cJSON *row;
    cJSON *list = cJSON_CreateArray();
    cJSON_ArrayForEach(row, json_at(a->ask->rail->spec, "/contentPolicy/filters"))
    {
        const char *strength = json_str(row, a->ask->output ? "outputStrength" : "inputStrength");
        enum act act = act_of(a->ask, row);
        size_t part = 0, end = 0;
        if (act == ACT_SKIP || level_of(strength) == 0)
            continue;
        unsigned confidence = guardrail_confidence(a->ask->set, &a->scan, json_str(row, "type"), &part, &end);
        bool found = confidence > 0 && confidence + level_of(strength) >= 4;
        if (found && act == ACT_BLOCK)
            block_at(a, part, end);
        if (!found && !a->ask->full)
            continue;
        cJSON *f = put_finding(a, list, "type", json_str(row, "type"), act, found);
        put_text(a, f, "confidence", level_words[confidence]);
        put_text(a, f, "filterStrength", strength);
    }
    put_policy(a, "contentPolicy", (const char *const[]){"filters"}, &list, 1);
}

/* ---- words ---- */

static bool find_word(struct assessor *a, const char *word, enum act act)
{
    cJSON one = {.type = cJSON_String}, list = {.type = cJSON_Array, .child = &one};
    size_t part, end;
    char *text = strdup(word);
    one.valuestring = text;
    bool found = text != NULL && find_any(&a->scan, &list, &part, &end);
    free(text);
    if (found && act == ACT_BLOCK)
        block_at(a, part, end);
    return found;
}

static void assess_words(struct assessor *a)
{
    const cJSON *policy = json_member(a->ask->rail->spec, "wordPolicy"), *row, *word;
    cJSON *lists[] = {cJSON_CreateArray(), cJSON_CreateArray()};
    cJSON_ArrayForEach(row, json_member(policy, "words"))
    {
        enum act act = act_of(a->ask, row);
        if (act != ACT_SKIP && find_word(a, json_str(row, "text"), act))
            (void)put_finding(a, lists[0], "match", json_str(row, "text"), act, true);
    }
    cJSON_ArrayForEach(row, json_member(policy, "managedWordLists"))
    {
        enum act act = act_of(a->ask, row);
        const cJSON *managed = json_at(guardrail_set_tree(a->ask->set), "/lists/profanity");
        cJSON_ArrayForEach(word, managed)
        {
            if (act != ACT_SKIP && find_word(a, word->valuestring, act))
                put_text(a, put_finding(a, lists[1], "match", word->valuestring, act, true), "type", "PROFANITY");
        }
    }
    put_policy(a, "wordPolicy", (const char *const[]){"customWords", "managedWordLists"}, lists, 2);
}

/* ---- sensitive information ---- */

const cJSON *guardrail_entity(const struct guardrail_set *set, const char *type)
{
    return json_member(json_at(guardrail_set_tree(set), "/lists/pii"), type);
}

static void find_sensitive(struct assessor *a, struct places *found)
{
    const cJSON *policy = json_member(a->ask->rail->spec, "sensitiveInformationPolicy"), *row;
    cJSON_ArrayForEach(row, json_member(policy, "piiEntities"))
    {
        const char *type = json_str(row, "type");
        if (act_of(a->ask, row) != ACT_SKIP)
            find_entity(&a->scan, guardrail_entity(a->ask->set, type), type, row, found);
    }
    cJSON_ArrayForEach(row, json_member(policy, "regexes"))
    {
        if (act_of(a->ask, row) != ACT_SKIP)
            find_pattern(&a->scan, json_str(row, "pattern"), row, found);
    }
    places_settle(found);
}

static void tell_place(struct assessor *a, const struct place *p, cJSON **lists)
{
    CLEANUP(free_ptr) char *match = span_dup(span_cut(a->scan.parts[p->part].seen, p->at, p->n));
    cJSON *f = put_finding(a, lists[p->type == NULL], "match", match, act_of(a->ask, p->row), true);
    if (p->type != NULL) {
        put_text(a, f, "type", p->type);
        return;
    }
    put_text(a, f, "name", json_str(p->row, "name"));
    put_text(a, f, "regex", json_str(p->row, "pattern"));
}

/* The masked text of a part: {EMAIL} for what an entity is, {Name} for a regex. */
static void mask_part(struct assessor *a, size_t part, const struct places *found)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    struct span whole = a->scan.parts[part].text;
    size_t done = 0;
    bool any = false;
    for (size_t i = 0; i < found->count; i++) {
        const struct place *p = &found->list[i];
        if (p->part != part || act_of(a->ask, p->row) != ACT_MASK)
            continue;
        buf_add(&text, span_cut(whole, done, p->at - done));
        buf_addf(&text, "{%s}", p->type != NULL ? p->type : json_str(p->row, "name"));
        done = p->at + p->n;
        any = true;
    }
    if (!any)
        return;
    buf_add(&text, span_from(whole, done));
    a->out->texts[part] = buf_take(&text);
    a->out->failed = a->out->failed || a->out->texts[part] == NULL;
    a->out->masked = true;
}

static void tell_missing(struct assessor *a, const struct places *found, cJSON *list)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, json_at(a->ask->rail->spec, "/sensitiveInformationPolicy/piiEntities"))
    {
        size_t i = 0;
        while (i < found->count && found->list[i].row != row)
            i++;
        if (i == found->count && act_of(a->ask, row) != ACT_SKIP)
            put_text(a, put_finding(a, list, "match", "", ACT_NONE, false), "type", json_str(row, "type"));
    }
}

static void assess_sensitive(struct assessor *a)
{
    struct places found = {NULL, 0};
    cJSON *lists[] = {cJSON_CreateArray(), cJSON_CreateArray()};
    find_sensitive(a, &found);
    for (size_t i = 0; i < found.count; i++) {
        tell_place(a, &found.list[i], lists);
        if (act_of(a->ask, found.list[i].row) == ACT_BLOCK)
            block_at(a, found.list[i].part, found.list[i].at + found.list[i].n);
    }
    for (size_t i = 0; a->out->texts != NULL && i < a->scan.count && found.count > 0; i++)
        mask_part(a, i, &found);
    if (a->ask->full)
        tell_missing(a, &found, lists[0]);
    free(found.list);
    put_policy(a, "sensitiveInformationPolicy", (const char *const[]){"piiEntities", "regexes"}, lists, 2);
}

/* ---- contextual grounding ---- */

static void put_share(struct assessor *a, cJSON *f, const char *key, unsigned hundredths)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u.%02u", hundredths / 100, hundredths % 100);
    put(a, f, key, json_new_literal(hundredths % 100 == 0 ? (hundredths == 0 ? "0" : "1") : text));
}

static void said(const struct assessor *a, struct buf *out)
{
    for (size_t i = 0; i < a->scan.count; i++) {
        buf_add(out, a->scan.parts[i].seen);
        buf_addc(out, ' ');
    }
}

static void assess_grounding(struct assessor *a)
{
    const cJSON *row;
    cJSON *list = cJSON_CreateArray();
    CLEANUP(buf_release) struct buf answer = BUF_INIT(BUF_ANY);
    said(a, &answer);
    cJSON_ArrayForEach(row, json_at(a->ask->rail->spec, "/contextualGroundingPolicy/filters"))
    {
        bool relevance = strcmp(json_str(row, "type"), "RELEVANCE") == 0;
        struct span against = relevance ? a->ask->query : a->ask->source;
        const cJSON *threshold = json_member(row, "threshold");
        if (!a->ask->output || against.n == 0 || cJSON_IsFalse(json_member(row, "enabled")))
            continue;
        enum act act = act_of(a->ask, row);
        unsigned score =
            relevance ? words_shared(against, buf_span(&answer)) : words_shared(buf_span(&answer), against);
        bool low = score < threshold->valuedouble * 100;
        cJSON *f = put_finding(a, list, "type", json_str(row, "type"), act, low);
        put(a, f, "threshold", cJSON_Duplicate(threshold, false));
        put_share(a, f, "score", score);
        if (low && act == ACT_BLOCK)
            block_at(a, a->scan.count, 0);
        a->grounded = true;
    }
    put_policy(a, "contextualGroundingPolicy", (const char *const[]){"filters"}, &list, 1);
}

/* ---- metrics ---- */

uint64_t guardrail_units(const struct guardrail_set *set, uint64_t characters)
{
    uint64_t unit = guardrail_set_settings(set)->unit_characters;
    return (characters + unit - 1) / unit;
}

static void put_usage(struct assessor *a, cJSON *metrics)
{
    const struct guardrail_ask *ask = a->ask;
    const cJSON *spec = ask->rail->spec;
    uint64_t units = guardrail_units(ask->set, a->scan.guarded);
    uint64_t grounding = count_characters(ask->source) + count_characters(ask->query) + a->scan.guarded;
    const struct {
        const char *key, *policy;
        uint64_t units;
    } rows[] = {
        {"automatedReasoningPolicies", NULL, 0},
        {"automatedReasoningPolicyUnits", NULL, 0},
        {"contentPolicyImageUnits", "/contentPolicy", ask->images},
        {"contentPolicyUnits", "/contentPolicy", units},
        {"contextualGroundingPolicyUnits", "/contextualGroundingPolicy",
         a->grounded ? guardrail_units(ask->set, grounding) : 0},
        {"sensitiveInformationPolicyFreeUnits", "/sensitiveInformationPolicy/regexes", units},
        {"sensitiveInformationPolicyUnits", "/sensitiveInformationPolicy/piiEntities", units},
        {"topicPolicyUnits", "/topicPolicy", units},
        {"wordPolicyUnits", "/wordPolicy", units},
    };
    cJSON *usage = cJSON_CreateObject();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        put_count(a, usage, rows[i].key,
                  rows[i].policy != NULL && json_at(spec, rows[i].policy) != NULL ? rows[i].units : 0);
    put(a, metrics, "usage", usage);
}

static void put_coverage(struct assessor *a, cJSON *metrics)
{
    cJSON *coverage = cJSON_CreateObject(), *text = cJSON_CreateObject();
    put_count(a, text, "guarded", a->scan.guarded);
    put_count(a, text, "total", a->scan.total);
    put(a, coverage, "textCharacters", text);
    if (a->ask->images_total > 0) {
        cJSON *images = cJSON_CreateObject();
        put_count(a, images, "guarded", a->ask->images);
        put_count(a, images, "total", a->ask->images_total);
        put(a, coverage, "images", images);
    }
    put(a, metrics, "guardrailCoverage", coverage);
}

static void assess_metrics(struct assessor *a)
{
    uint64_t ms = guardrail_set_settings(a->ask->set)->latency_ms;
    cJSON *metrics = cJSON_CreateObject();
    put_count(a, metrics, "guardrailProcessingLatency", ms > 0 ? ms : 1);
    put_usage(a, metrics);
    put_coverage(a, metrics);
    put(a, a->out->assessment, "invocationMetrics", metrics);
}

/* ---- all ---- */

void guardrail_assess(const struct guardrail_ask *ask, struct guardrail_verdict *out)
{
    *out = (struct guardrail_verdict){.assessment = cJSON_CreateObject(), .count = ask->count};
    struct assessor a = {.ask = ask, .out = out};
    out->texts = calloc(ask->count + 1, sizeof *out->texts);
    scan_init(&a.scan, ask->parts, ask->count);
    static void (*const policies[])(struct assessor *) = {assess_topics,    assess_filters,   assess_words,
                                                          assess_sensitive, assess_grounding, assess_metrics};
    for (size_t i = 0; i < COUNT_OF(policies); i++)
        policies[i](&a);
    if (out->blocked && out->block_part >= ask->count && ask->count > 0) { /* grounding judges the whole */
        out->block_part = ask->count - 1;
        out->block_end = ask->parts[ask->count - 1].text.n;
    }
    out->failed = out->failed || a.scan.failed || out->assessment == NULL || out->texts == NULL;
    scan_release(&a.scan);
}

void guardrail_verdict_release(struct guardrail_verdict *v)
{
    if (v == NULL)
        return;
    cJSON_Delete(v->assessment);
    for (size_t i = 0; v->texts != NULL && i < v->count; i++)
        free(v->texts[i]);
    free(v->texts);
    *v = (struct guardrail_verdict){.assessment = NULL};
}

const char *guardrail_reason(const struct guardrail_verdict *v)
{
    return v->blocked ? "Guardrail blocked." : v->masked ? "Guardrail masked." : "No action.";
}
