/* validate.c: see validate.h for what a rule is.
 *
 * Layers in order: the API model (protocol/shape.h) says all its constraints in one answer; then the model id must mean
 * something; then the rules, of which the first broken one speaks. The order of the layers was never measured on the
 * real service, so no test may depend on which of two faults is told. Positions count from 0 here, from 1 in constraints.
 */
#include "mock/validate.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/token.h"
#include "protocol/utf8.h"

#define CACHE_POINTS_MAX 4
#define IMAGES_MAX       20
#define NAMES_MAX        512 /* documents compared by name; more are not */

struct finding {
    size_t i, j, k;
    uint64_t n, max;
    const char *word; /* {kind}, {field}, {model_id} */
    struct buf whole; /* the whole text, when no template fits */
};

/* What a request holds. Most hold little, so most rules need not look. */
enum holds {
    HOLDS_TOOL_BLOCKS = 1,
    HOLDS_MEDIA = 2,
    HOLDS_POINTS = 4,
    HOLDS_INFERENCE = 8,
    HOLDS_TOOL_CONFIG = 16,
    HOLDS_SYSTEM = 32,
    HOLDS_FIELDS = 64
};

typedef bool broken(const struct visit *v, struct finding *f);

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const cJSON *messages(const struct visit *v)
{
    return member(v->body, "messages");
}

static bool is_role(const cJSON *message, const char *role)
{
    const cJSON *r = member(message, "role");
    return cJSON_IsString(r) && strcmp(r->valuestring, role) == 0;
}

static bool streams(const struct visit *v)
{
    return v->route.operation != NULL && v->route.operation->streaming != API_NOT_STREAMING;
}

static bool is_known(const struct visit *v)
{
    return v->model.row != NULL && v->model.row->id[0] != '\0';
}

/* ---- the model ---- */

static bool needs_profile(const struct visit *v, struct finding *f)
{
    f->word = v->model_id;
    return is_known(v) && !v->model.row->on_demand && v->model.kind == MODEL_ID_PLAIN;
}

static bool cannot_stream(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && streams(v) && !v->model.row->streaming;
}

static bool cannot_stream_tools(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && streams(v) && !v->model.row->tools_streaming && member(v->body, "toolConfig") != NULL;
}

static bool no_tools(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && !v->model.row->tools && member(v->body, "toolConfig") != NULL;
}

static bool no_system(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && !v->model.row->system && cJSON_GetArraySize(member(v->body, "system")) > 0;
}

static bool no_stop_sequences(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && !v->model.row->stop_sequences &&
           cJSON_GetArraySize(member(member(v->body, "inferenceConfig"), "stopSequences")) > 0;
}

static bool too_many_tokens_asked(const struct visit *v, struct finding *f)
{
    const cJSON *n = member(member(v->body, "inferenceConfig"), "maxTokens");
    f->n = is_known(v) ? v->model.row->max_output : 0;
    return f->n > 0 && cJSON_IsNumber(n) && n->valuedouble > (double)f->n;
}

static bool two_samplers(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *c = member(v->body, "inferenceConfig");
    return is_known(v) && v->model.row->one_sampler && member(c, "temperature") != NULL && member(c, "topP") != NULL;
}

static bool hot_thinking(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *type = json_at(v->body, "/additionalModelRequestFields/thinking/type");
    const cJSON *t = json_at(v->body, "/inferenceConfig/temperature");
    return cJSON_IsString(type) && strcmp(type->valuestring, "enabled") == 0 && cJSON_IsNumber(t) &&
           (t->valuedouble < 1 || t->valuedouble > 1);
}

/* A body of fewer bytes than that need not be counted. */
static bool context_full(const struct visit *v, struct finding *f, bool claude)
{
    f->max = is_known(v) && v->model.row->claude == claude ? v->model.row->context : 0;
    if (f->max == 0 || v->request->body.n <= f->max)
        return false;
    f->n = token_count_request(v->body);
    return f->n > f->max;
}

static bool context_full_claude(const struct visit *v, struct finding *f)
{
    return context_full(v, f, true);
}

static bool context_full_other(const struct visit *v, struct finding *f)
{
    return context_full(v, f, false);
}

/* ---- turns ---- */

static bool starts_otherwise(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *first = cJSON_GetArrayItem(messages(v), 0);
    if (v->model.kind == MODEL_ID_PROMPT)
        return false;
    if (first == NULL)
        return true;
    return is_role(first, "assistant") && !v->model.row->any_order;
}

static bool does_not_alternate(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *m, *before = NULL;
    if (v->model.row->any_order)
        return false;
    cJSON_ArrayForEach(m, messages(v))
    {
        if (before != NULL && ((is_role(before, "user") && is_role(m, "user")) ||
                               (is_role(before, "assistant") && is_role(m, "assistant"))))
            return true;
        before = m;
    }
    return false;
}

static bool is_blank(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return *text == '\0';
}

/* fn for each content block of each message, with its positions in *f, until it says true. */
static bool any_block(const struct visit *v, struct finding *f,
                      bool (*fn)(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f))
{
    const cJSON *m, *b;
    f->i = 0;
    cJSON_ArrayForEach(m, messages(v))
    {
        f->j = 0;
        cJSON_ArrayForEach(b, member(m, "content"))
        {
            if (fn(v, m, b, f))
                return true;
            f->j++;
        }
        f->i++;
    }
    return false;
}

static bool block_is_blank(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)v, (void)message, (void)f;
    const cJSON *text = member(block, "text");
    return cJSON_IsString(text) && is_blank(text->valuestring);
}

static bool has_blank_text(const struct visit *v, struct finding *f)
{
    return any_block(v, f, block_is_blank);
}

static bool has_empty_content(const struct visit *v, struct finding *f)
{
    const cJSON *m;
    f->i = 0;
    cJSON_ArrayForEach(m, messages(v))
    {
        if (cJSON_GetArraySize(member(m, "content")) == 0)
            return true;
        f->i++;
    }
    return false;
}

static bool block_not_supported(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)message;
    const struct {
        const char *kind;
        bool taken;
    } rows[] = {{"image", v->model.row->images}, {"document", v->model.row->documents}, {"video", v->model.row->video}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        f->word = rows[i].kind;
        if (!rows[i].taken && member(block, rows[i].kind) != NULL)
            return true;
    }
    return false;
}

static bool has_block_not_supported(const struct visit *v, struct finding *f)
{
    return is_known(v) && any_block(v, f, block_not_supported);
}

/* ---- tools ---- */

static size_t count_of(const cJSON *message, const char *kind)
{
    size_t n = 0;
    const cJSON *b;
    cJSON_ArrayForEach(b, member(message, "content")) n += member(b, kind) != NULL;
    return n;
}

static bool block_of_tools(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)v, (void)message, (void)f;
    return member(block, "toolUse") != NULL || member(block, "toolResult") != NULL;
}

static bool tool_config_missing(const struct visit *v, struct finding *f)
{
    return member(v->body, "toolConfig") == NULL && any_block(v, f, block_of_tools);
}

static bool too_many_results(const struct visit *v, struct finding *f)
{
    const cJSON *m, *before = NULL;
    f->i = 0;
    cJSON_ArrayForEach(m, messages(v))
    {
        size_t results = count_of(m, "toolResult");
        if (results > 0 && results > count_of(before, "toolUse"))
            return true;
        before = m;
        f->i++;
    }
    return false;
}

static bool is_answered(const cJSON *message, const char *id)
{
    const cJSON *b;
    cJSON_ArrayForEach(b, member(message, "content"))
    {
        const cJSON *given = member(member(b, "toolResult"), "toolUseId");
        if (cJSON_IsString(given) && strcmp(given->valuestring, id) == 0)
            return true;
    }
    return false;
}

static size_t list_unanswered(const cJSON *asking, const cJSON *answering, struct buf *ids)
{
    size_t n = 0;
    const cJSON *b;
    cJSON_ArrayForEach(b, member(asking, "content"))
    {
        const cJSON *use = member(b, "toolUse"), *id = member(use, "toolUseId");
        /* Tools that the service itself runs answer within the same turn. */
        if (!cJSON_IsString(id) || member(use, "type") != NULL || is_answered(answering, id->valuestring))
            continue;
        buf_addf(ids, "%s%s", n++ > 0 ? ", " : "", id->valuestring);
    }
    return n;
}

static bool results_missing(const struct visit *v, struct finding *f)
{
    const cJSON *m, *before = NULL;
    f->i = 0;
    cJSON_ArrayForEach(m, messages(v))
    {
        CLEANUP(buf_release) struct buf ids = BUF_INIT(REFUSAL_TEXT_MAX);
        if (before != NULL && is_role(before, "assistant") && list_unanswered(before, m, &ids) > 0) {
            buf_addf(&f->whole, "Expected toolResult blocks at messages.%zu.content for the following Ids: %s", f->i,
                     buf_text(&ids));
            return true;
        }
        before = m;
        f->i++;
    }
    return false;
}

static bool mixed_turn(const struct visit *v, struct finding *f, const char *kind)
{
    const cJSON *m;
    f->i = 0;
    if (!is_known(v) || v->model.row->claude)
        return false;
    cJSON_ArrayForEach(m, messages(v))
    {
        if (count_of(m, kind) > 0 && count_of(m, "text") + count_of(m, "image") + count_of(m, "document") > 0)
            return true;
        f->i++;
    }
    return false;
}

static bool mixed_result_turn(const struct visit *v, struct finding *f)
{
    return mixed_turn(v, f, "toolResult");
}

static bool mixed_use_turn(const struct visit *v, struct finding *f)
{
    return mixed_turn(v, f, "toolUse");
}

static bool result_not_object(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)v, (void)message;
    const cJSON *part;
    f->k = 0;
    cJSON_ArrayForEach(part, member(member(block, "toolResult"), "content"))
    {
        const cJSON *json = member(part, "json");
        if (json != NULL && !cJSON_IsNull(json) && !cJSON_IsObject(json))
            return true;
        f->k++;
    }
    return false;
}

static bool has_result_not_object(const struct visit *v, struct finding *f)
{
    return any_block(v, f, result_not_object);
}

static bool empty_error(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)v, (void)message, (void)f;
    const cJSON *result = member(block, "toolResult"), *status = member(result, "status");
    return cJSON_IsString(status) && strcmp(status->valuestring, "error") == 0 &&
           cJSON_GetArraySize(member(result, "content")) == 0;
}

static bool has_empty_error(const struct visit *v, struct finding *f)
{
    return any_block(v, f, empty_error);
}

/* ---- documents, images, cache points ---- */

/* Letters and digits of any script, single white space, - ( ) [ ]; an underscore passes in practice. */
static bool bad_name(const char *name)
{
    bool space = false;
    for (struct span rest = span_of(name); rest.n > 0;) {
        size_t n = utf8_length(rest);
        unsigned char c = rest.p[0];
        if (n == 0 || (n == 3 && memcmp(rest.p, "\xe3\x80\x80", 3) == 0)) /* U+3000, the ideographic space */
            return true;
        if (c == ' ' && space)
            return true;
        if (n == 1 && !isalnum(c) && strchr(" -()[]_", c) == NULL)
            return true;
        space = c == ' ';
        rest = span_from(rest, n);
    }
    return false;
}

static const char *document_name(const cJSON *block)
{
    const cJSON *name = member(member(block, "document"), "name");
    return cJSON_IsString(name) ? name->valuestring : NULL;
}

static bool document_misnamed(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)v, (void)message, (void)f;
    const char *name = document_name(block);
    return name != NULL && bad_name(name);
}

static bool has_document_misnamed(const struct visit *v, struct finding *f)
{
    return any_block(v, f, document_misnamed);
}

static bool has_document_twice(const struct visit *v, struct finding *f)
{
    (void)f;
    const char *names[NAMES_MAX];
    size_t count = 0;
    const cJSON *m, *b;
    cJSON_ArrayForEach(m, messages(v))
    {
        cJSON_ArrayForEach(b, member(m, "content"))
        {
            const char *name = document_name(b);
            for (size_t i = 0; name != NULL && i < count; i++)
                if (strcmp(names[i], name) == 0)
                    return true;
            if (name != NULL && count < NAMES_MAX)
                names[count++] = name;
        }
    }
    return false;
}

static bool has_document_alone(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *m;
    cJSON_ArrayForEach(m, messages(v))
    {
        if (count_of(m, "document") > 0 && count_of(m, "text") == 0)
            return true;
    }
    return false;
}

static bool too_many_images(const struct visit *v, struct finding *f)
{
    (void)f;
    size_t n = 0;
    const cJSON *m;
    cJSON_ArrayForEach(m, messages(v)) n += count_of(m, "image");
    return is_known(v) && v->model.row->claude && n > IMAGES_MAX;
}

static size_t points_in(const cJSON *list)
{
    size_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list) n += member(item, "cachePoint") != NULL;
    return n;
}

static size_t cache_points(const struct visit *v)
{
    size_t n = points_in(member(v->body, "system")) + points_in(member(member(v->body, "toolConfig"), "tools"));
    const cJSON *m;
    cJSON_ArrayForEach(m, messages(v)) n += points_in(member(m, "content"));
    return n;
}

static bool too_many_points(const struct visit *v, struct finding *f)
{
    f->n = cache_points(v);
    return f->n > CACHE_POINTS_MAX && (!is_known(v) || v->model.row->claude);
}

static bool points_on_other_model(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && !v->model.row->caching && cache_points(v) > 0;
}

static bool is_ttl(const cJSON *item, bool hour)
{
    const cJSON *point = member(item, "cachePoint"), *ttl = member(point, "ttl");
    return point != NULL && (cJSON_IsString(ttl) && strcmp(ttl->valuestring, "1h") == 0) == hour;
}

static bool has_short(const cJSON *list)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (is_ttl(item, false))
            return true;
    }
    return false;
}

/* Blocks are processed tools, system, messages; an hour may not come after five minutes. */
static bool hour_after_minutes(const struct visit *v, struct finding *f)
{
    const cJSON *m, *b;
    bool seen = has_short(member(member(v->body, "toolConfig"), "tools")) || has_short(member(v->body, "system"));
    f->i = 0;
    cJSON_ArrayForEach(m, messages(v))
    {
        f->j = 0;
        cJSON_ArrayForEach(b, member(m, "content"))
        {
            if (seen && is_ttl(b, true))
                return true;
            seen = seen || is_ttl(b, false);
            f->j++;
        }
        f->i++;
    }
    return false;
}

/* ---- the table ---- */

static const struct mock_rule_row rows[] = {
    {"on-demand", "some models are reached through an inference profile only", true},
    {"stream", "the model streams", true},
    {"start-user", "a conversation starts with a user message", true},
    {"alternate", "roles alternate, but for models where that was relaxed", true},
    {"empty-content", "a message has content", true},
    {"blank-text", "a text block is not blank", true},
    {"tool-config", "tool blocks want a toolConfig", true},
    {"too-many-results", "no more toolResults than the turn before has toolUses", true},
    {"results-missing", "every toolUse is answered in the next message", true},
    {"mixed-result-turn", "toolResults stand alone in their turn (not for Claude)", true},
    {"mixed-use-turn", "toolUses stand alone in their turn (not for Claude)", false},
    {"result-json", "toolResult.content.json is an object", true},
    {"error-result", "a toolResult with status error says something", true},
    {"document-name", "document names are plain", true},
    {"document-twice", "document names differ", true},
    {"document-text", "a document comes with a text block", true},
    {"content-block", "the model takes images, documents, video", true},
    {"max-tokens", "maxTokens is within the model's limit", true},
    {"stop-sequences", "the model takes stopSequences", false},
    {"system", "the model takes a system prompt", false},
    {"tools", "the model takes tools", false},
    {"tools-stream", "the model takes tools while streaming", true},
    {"one-sampler", "Claude 4.5 and later take temperature or topP, not both", true},
    {"thinking-temperature", "with thinking, temperature is 1 or absent", false},
    {"images", "at most 20 images (Claude)", true},
    {"cache-points", "at most 4 cache points (Claude)", true},
    {"cache-ttl", "a cache point of an hour does not follow one of five minutes", true},
    {"cache-model", "the model caches prompts", false},
    {"context-claude", "the prompt fits into the context (Claude)", true},
    {"context", "the prompt fits into the context", true},
};

static const struct {
    const char *text; /* id in errors.json */
    broken *broken;
    enum refusal_layer layer;
    unsigned needs; /* enum holds: at least one of these must be there for the rule to be broken; 0: look always */
} checks[] = {
    {"on-demand-unsupported", needs_profile, REFUSAL_MODEL, 0},
    {"model-no-stream", cannot_stream, REFUSAL_SEMANTIC, 0},
    {"converse-start-user", starts_otherwise, REFUSAL_SEMANTIC, 0},
    {"converse-alternate", does_not_alternate, REFUSAL_SEMANTIC, 0},
    {"converse-empty-content", has_empty_content, REFUSAL_SEMANTIC, 0},
    {"converse-blank-text", has_blank_text, REFUSAL_SEMANTIC, 0},
    {"converse-tool-config-missing", tool_config_missing, REFUSAL_SEMANTIC, HOLDS_TOOL_BLOCKS},
    {"converse-too-many-results", too_many_results, REFUSAL_SEMANTIC, HOLDS_TOOL_BLOCKS},
    {"converse-missing-results", results_missing, REFUSAL_SEMANTIC, HOLDS_TOOL_BLOCKS},
    {"converse-mixed-result-turn", mixed_result_turn, REFUSAL_SEMANTIC, HOLDS_TOOL_BLOCKS},
    {"converse-mixed-use-turn", mixed_use_turn, REFUSAL_SEMANTIC, HOLDS_TOOL_BLOCKS},
    {"converse-result-json-not-object", has_result_not_object, REFUSAL_SEMANTIC, HOLDS_TOOL_BLOCKS},
    {"converse-empty-error-result", has_empty_error, REFUSAL_SEMANTIC, HOLDS_TOOL_BLOCKS},
    {"converse-doc-name", has_document_misnamed, REFUSAL_SEMANTIC, HOLDS_MEDIA},
    {"converse-doc-duplicate", has_document_twice, REFUSAL_SEMANTIC, HOLDS_MEDIA},
    {"converse-doc-needs-text", has_document_alone, REFUSAL_SEMANTIC, HOLDS_MEDIA},
    {"no-content-block", has_block_not_supported, REFUSAL_SEMANTIC, HOLDS_MEDIA},
    {"max-tokens-over-limit", too_many_tokens_asked, REFUSAL_SEMANTIC, HOLDS_INFERENCE},
    {"no-stop-sequences", no_stop_sequences, REFUSAL_SEMANTIC, HOLDS_INFERENCE},
    {"no-system", no_system, REFUSAL_SEMANTIC, HOLDS_SYSTEM},
    {"no-tools", no_tools, REFUSAL_SEMANTIC, HOLDS_TOOL_CONFIG},
    {"no-stream-tools", cannot_stream_tools, REFUSAL_SEMANTIC, HOLDS_TOOL_CONFIG},
    {"model-temp-topp", two_samplers, REFUSAL_SEMANTIC, HOLDS_INFERENCE},
    {"model-thinking-temp", hot_thinking, REFUSAL_SEMANTIC, HOLDS_FIELDS},
    {"model-too-many-images", too_many_images, REFUSAL_SEMANTIC, HOLDS_MEDIA},
    {"model-cache-max-4", too_many_points, REFUSAL_SEMANTIC, HOLDS_POINTS},
    {"model-cache-ttl-order", hour_after_minutes, REFUSAL_SEMANTIC, HOLDS_POINTS},
    {"caching-not-allowed", points_on_other_model, REFUSAL_SEMANTIC, HOLDS_POINTS},
    {"model-ctx-claude", context_full_claude, REFUSAL_SEMANTIC, 0},
    {"model-ctx-generic", context_full_other, REFUSAL_SEMANTIC, 0},
};
_Static_assert(COUNT_OF(rows) == COUNT_OF(checks), "one check a row");

size_t mock_rules_list(const struct mock_rule_row **out)
{
    *out = rows;
    return COUNT_OF(rows);
}

static enum err switch_rules(const char *const *ids, bool on, bool *rules, struct note *note)
{
    for (; ids != NULL && *ids != NULL; ids++) {
        size_t i = 0;
        while (i < COUNT_OF(rows) && strcmp(rows[i].id, *ids) != 0)
            i++;
        if (i == COUNT_OF(rows)) {
            const char *known[COUNT_OF(rows)];
            for (size_t k = 0; k < COUNT_OF(rows); k++)
                known[k] = rows[k].id;
            const char *near = nearest_word(*ids, known, COUNT_OF(rows));
            return note_set(note, ERR_UNKNOWN, "no rule is called \"%s\"%s%s", *ids,
                            near != NULL ? "; did you mean " : "", near != NULL ? near : "");
        }
        rules[i] = on;
    }
    return OK;
}

enum err rules_init(const struct mock_config *config, const struct api *api, bool **out, struct note *note)
{
    bool *rules = calloc(COUNT_OF(rows), sizeof *rules);
    if (rules == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    enum err e = OK;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rules[i] = rows[i].on;
        if (api_text(api, checks[i].text) == NULL)
            e = note_set(note, ERR_UNKNOWN, "fixtures/api/errors.json holds no text \"%s\"", checks[i].text);
    }
    if (e == OK)
        e = switch_rules(config->rules_on, true, rules, note);
    if (e == OK)
        e = switch_rules(config->rules_off, false, rules, note);
    if (e != OK) {
        free(rules);
        return e;
    }
    *out = rules;
    return OK;
}

/* ---- the layers ---- */

static void say(struct visit *v, size_t row, struct finding *f)
{
    const struct api_text *text = api_text(v->mock->api, checks[row].text);
    if (f->whole.len == 0) {
        char i[24], j[24], k[24], n[24], max[24];
        (void)snprintf(i, sizeof i, "%zu", f->i);
        (void)snprintf(j, sizeof j, "%zu", f->j);
        (void)snprintf(k, sizeof k, "%zu", f->k);
        (void)snprintf(n, sizeof n, "%llu", (unsigned long long)f->n);
        (void)snprintf(max, sizeof max, "%llu", (unsigned long long)f->max);
        const char *word = f->word != NULL ? f->word : "";
        api_text_format(text, &f->whole, "i", i, "j", j, "k", k, "n", n, "max", max, "kind", word, "field", word,
                        "model_id", word, NULL);
    }
    refusal_set(&v->refusal, checks[row].layer, text->type, "%s", buf_text(&f->whole));
    (void)snprintf(v->refusal.rule, sizeof v->refusal.rule, "%s", rows[row].id);
}

struct word_bit {
    const char *word;
    unsigned bit;
};

static unsigned bits_of(const cJSON *object, const struct word_bit *words, size_t n)
{
    unsigned bits = 0;
    const cJSON *child, *members = cJSON_IsObject(object) ? object : NULL;
    cJSON_ArrayForEach(child, members)
    {
        for (size_t i = 0; i < n; i++)
            if (strcmp(words[i].word, child->string) == 0)
                bits |= words[i].bit;
    }
    return bits;
}

static unsigned what_it_holds(const struct visit *v)
{
    static const struct word_bit members[] = {{"inferenceConfig", HOLDS_INFERENCE},
                                              {"toolConfig", HOLDS_TOOL_CONFIG},
                                              {"system", HOLDS_SYSTEM},
                                              {"additionalModelRequestFields", HOLDS_FIELDS}};
    static const struct word_bit blocks[] = {{"toolUse", HOLDS_TOOL_BLOCKS}, {"toolResult", HOLDS_TOOL_BLOCKS},
                                             {"image", HOLDS_MEDIA},         {"document", HOLDS_MEDIA},
                                             {"video", HOLDS_MEDIA},         {"cachePoint", HOLDS_POINTS}};
    unsigned bits = bits_of(v->body, members, COUNT_OF(members));
    const cJSON *m, *b;
    cJSON_ArrayForEach(m, messages(v))
    {
        cJSON_ArrayForEach(b, member(m, "content")) bits |= bits_of(b, blocks, COUNT_OF(blocks));
    }
    if ((bits & (HOLDS_TOOL_CONFIG | HOLDS_SYSTEM)) != 0 && cache_points(v) > 0)
        bits |= HOLDS_POINTS;
    return bits;
}

static void check_rules(struct visit *v)
{
    unsigned holds = what_it_holds(v);
    for (size_t row = 0; row < COUNT_OF(rows) && v->refusal.layer == REFUSAL_NONE; row++) {
        struct finding f = {.whole = BUF_INIT(REFUSAL_TEXT_MAX)};
        bool applies = checks[row].needs == 0 || (checks[row].needs & holds) != 0;
        if (applies && v->mock->rules[row] && checks[row].broken(v, &f))
            say(v, row, &f);
        buf_release(&f.whole);
    }
}

static const char *get_input(void *ctx, enum api_place place, const char *wire)
{
    const struct visit *v = ctx;
    return place == API_PATH && strcmp(wire, "modelId") == 0 ? v->model_id : NULL;
}

static void check_constraints(struct visit *v)
{
    struct api_fault fault = API_FAULT_INIT;
    struct api_input in = {.body = v->body, .payload_len = v->request->body.n, .get = get_input, .ctx = v};
    bool bad = !v->body_is_json;
    if (bad)
        api_fault_not_json(v->mock->api, &fault);
    else
        bad = api_check_request(v->mock->api, v->route.operation, &in, &fault) == ERR_INVALID;
    if (bad) {
        refusal_set(&v->refusal, REFUSAL_CONSTRAINT, fault.type, "%s", "");
        buf_reset(&v->refusal.text);
        buf_add(&v->refusal.text, buf_span(&fault.text));
    }
    api_fault_release(&fault);
}

static bool mode_refuses(const struct visit *v)
{
    switch (v->mock->config.validation) {
    case MOCK_VALIDATION_RECORD:
        return false;
    case MOCK_VALIDATION_LENIENT:
        return v->refusal.layer == REFUSAL_CONSTRAINT || (v->refusal.layer == REFUSAL_MODEL && v->refusal.rule[0] == '\0');
    case MOCK_VALIDATION_STRICT:
        return true;
    }
    return true;
}

static void resolve_model(struct visit *v)
{
    struct worker *w = v->worker;
    if (v->model_id == NULL)
        return;
    if (w->last_model[0] == '\0' || strcmp(w->last_model, v->model_id) != 0) {
        w->last_ref = models_resolve(v->mock->models, v->model_id, v->mock->config.models == MOCK_MODELS_KNOWN);
        size_t n = strlen(v->model_id);
        memcpy(w->last_model, n < sizeof w->last_model ? v->model_id : "", n < sizeof w->last_model ? n + 1 : 1);
    }
    v->model = w->last_ref;
}

void visit_validate(struct visit *v)
{
    if (v->refusal.layer != REFUSAL_NONE)
        return;
    resolve_model(v);
    check_constraints(v);
    if (v->model.row == NULL)
        refusal_set(&v->refusal, REFUSAL_MODEL, "ValidationException", "%s",
                    "The provided model identifier is invalid.");
    if (v->refusal.layer == REFUSAL_NONE)
        check_rules(v);
    if (v->refusal.layer == REFUSAL_NONE || !mode_refuses(v))
        return;
    v->refuse = true;
    mock_log(v->mock, "%s %s refused: %s: %.300s", v->operation, v->model_id != NULL ? v->model_id : "-",
             v->refusal.type, buf_text(&v->refusal.text));
}
