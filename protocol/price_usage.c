/* price_usage.c: readers of usage, a table of forms.
 *
 * A form is known by a member that no other form has (its marker); where two share names, the one with the stronger
 * marker stands first. The forms fill `counts`, in the words of the form; one function then turns counts into usage,
 * so the subtraction of cached tokens exists once.
 */
#include "protocol/price_usage.h"

#include <stdlib.h>
#include <strings.h>

enum { NESTING_MAX = 4, COUNT_MAX_DIGITS = 18, EVENTS_MAX = 1000000 };

/* -1: not said. */
struct counts {
    int64_t input, output, read, write, write_5m, write_1h, input_audio, output_audio;
    bool inside; /* input holds read and write too */
};

enum which { C_INPUT, C_OUTPUT, C_READ, C_WRITE, C_WRITE_5M, C_WRITE_1H, C_INPUT_AUDIO, C_OUTPUT_AUDIO, C_COUNT };

static int64_t *count_of(struct counts *c, enum which w)
{
    int64_t *const all[C_COUNT] = {&c->input,    &c->output,   &c->read,        &c->write,
                                   &c->write_5m, &c->write_1h, &c->input_audio, &c->output_audio};
    return all[w];
}

struct field {
    const char *outer; /* an object inside the usage; NULL: the usage itself */
    const char *name;
    enum which which;
};

static const struct field converse_fields[] = {
    {NULL, "inputTokens", C_INPUT},
    {NULL, "outputTokens", C_OUTPUT},
    {NULL, "cacheReadInputTokens", C_READ},
    {NULL, "cacheWriteInputTokens", C_WRITE},
    {NULL, "cacheReadInputTokenCount", C_READ}, /* the twins of native Nova */
    {NULL, "cacheWriteInputTokenCount", C_WRITE},
};

static const struct field metrics_fields[] = {
    {NULL, "inputTokenCount", C_INPUT},
    {NULL, "outputTokenCount", C_OUTPUT},
    {NULL, "cacheReadInputTokenCount", C_READ},
    {NULL, "cacheWriteInputTokenCount", C_WRITE},
};

static const struct field chat_fields[] = {
    {NULL, "prompt_tokens", C_INPUT},
    {NULL, "completion_tokens", C_OUTPUT},
    {NULL, "cache_read_input_tokens", C_READ}, /* LiteLLM repeats Anthropic's names here; still inside the prompt */
    {NULL, "cache_creation_input_tokens", C_WRITE},
    {"prompt_tokens_details", "cached_tokens", C_READ},
    {"prompt_tokens_details", "cache_creation_tokens", C_WRITE},
    {"prompt_tokens_details", "cache_write_tokens", C_WRITE},
    {"prompt_tokens_details", "audio_tokens", C_INPUT_AUDIO},
    {"completion_tokens_details", "audio_tokens", C_OUTPUT_AUDIO},
    {"cache_creation", "ephemeral_5m_input_tokens", C_WRITE_5M},
    {"cache_creation", "ephemeral_1h_input_tokens", C_WRITE_1H},
};

static const struct field responses_fields[] = {
    {NULL, "input_tokens", C_INPUT},
    {NULL, "output_tokens", C_OUTPUT},
    {"input_tokens_details", "cached_tokens", C_READ},
    {"input_tokens_details", "cache_write_tokens", C_WRITE},
    {"input_tokens_details", "audio_tokens", C_INPUT_AUDIO},
    {"output_tokens_details", "audio_tokens", C_OUTPUT_AUDIO},
};

static const struct field anthropic_fields[] = {
    {NULL, "input_tokens", C_INPUT},
    {NULL, "output_tokens", C_OUTPUT},
    {NULL, "cache_read_input_tokens", C_READ},
    {NULL, "cache_creation_input_tokens", C_WRITE},
    {"cache_creation", "ephemeral_5m_input_tokens", C_WRITE_5M},
    {"cache_creation", "ephemeral_1h_input_tokens", C_WRITE_1H},
};

static const struct field titan_fields[] = {
    {NULL, "inputTextTokenCount", C_INPUT},
    {NULL, "totalOutputTextTokenCount", C_OUTPUT},
};

static const struct field llama_fields[] = {
    {NULL, "prompt_token_count", C_INPUT},
    {NULL, "generation_token_count", C_OUTPUT},
};

static const struct field cohere_fields[] = {
    {"billed_units", "input_tokens", C_INPUT},
    {"billed_units", "output_tokens", C_OUTPUT},
};

static const struct {
    const char *name;
    enum price_dimension d;
} guardrail_units[] = {
    {"contentPolicyUnits", PRICE_GUARDRAIL_CONTENT},
    {"contentPolicyImageUnits", PRICE_GUARDRAIL_CONTENT_IMAGE},
    {"topicPolicyUnits", PRICE_GUARDRAIL_TOPIC},
    {"wordPolicyUnits", PRICE_GUARDRAIL_WORD},
    {"sensitiveInformationPolicyUnits", PRICE_GUARDRAIL_SENSITIVE},
    {"sensitiveInformationPolicyFreeUnits", PRICE_GUARDRAIL_SENSITIVE_FREE},
    {"contextualGroundingPolicyUnits", PRICE_GUARDRAIL_GROUNDING},
    {"automatedReasoningPolicyUnits", PRICE_GUARDRAIL_REASONING},
};

/* ---- counts ---- */

static enum err read_count(const cJSON *item, const char *name, int64_t *out, struct note *note)
{
    int64_t n = -1;
    if (!cJSON_IsNumber(item) || !json_int64(item, &n) || n < 0)
        return note_set(note, ERR_INVALID, "%s is not a whole number from 0", name);
    *out = n;
    return OK;
}

static enum err read_fields(const cJSON *usage, const struct field *fields, size_t n, struct counts *c,
                            struct note *note)
{
    for (size_t i = 0; i < n; i++) {
        const cJSON *in = fields[i].outer == NULL ? usage : json_member(usage, fields[i].outer);
        const cJSON *item = json_member(in, fields[i].name);
        enum err e = item == NULL ? OK : read_count(item, fields[i].name, count_of(c, fields[i].which), note);
        if (e != OK)
            return e;
    }
    return OK;
}

/* TokenUsage.cacheDetails: [{ttl, inputTokens}]. */
static enum err read_cache_details(const cJSON *details, struct counts *c, struct note *note)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, details)
    {
        const char *ttl = json_str(one, "ttl");
        int64_t n = 0, *to = ttl != NULL && strcmp(ttl, "1h") == 0 ? &c->write_1h : &c->write_5m;
        if (ttl == NULL || (strcmp(ttl, "1h") != 0 && strcmp(ttl, "5m") != 0))
            return note_set(note, ERR_INVALID, "cacheDetails names the ttl %s; known are 5m and 1h",
                            ttl == NULL ? "(none)" : ttl);
        enum err e = read_count(json_member(one, "inputTokens"), "cacheDetails inputTokens", &n, note);
        if (e != OK)
            return e;
        if (__builtin_add_overflow(*to < 0 ? 0 : *to, n, to))
            return note_set(note, ERR_LIMIT, "cacheDetails does not fit");
    }
    return OK;
}

static int64_t some(int64_t n)
{
    return n < 0 ? 0 : n;
}

/* Writes by their time to live. Only a total: the split that is known stays when it sums to that. */
static enum err put_writes(const struct counts *c, struct price_usage *out, struct note *note)
{
    int64_t *five = &out->units[PRICE_CACHE_WRITE_5M], *hour = &out->units[PRICE_CACHE_WRITE_1H], sum;
    if (c->write_5m < 0 && c->write_1h < 0) {
        if (c->write >= 0 && (__builtin_add_overflow(*five, *hour, &sum) || sum != c->write)) {
            *five = c->write;
            *hour = 0;
        }
        return OK;
    }
    if (__builtin_add_overflow(some(c->write_5m), some(c->write_1h), &sum) || (c->write >= 0 && sum > c->write))
        return note_set(note, ERR_INVALID, "the cache writes by time to live are more than the %lld written",
                        (long long)c->write);
    *hour = some(c->write_1h);
    *five = c->write >= 0 ? c->write - *hour : some(c->write_5m);
    return OK;
}

static enum err put_counts(const struct counts *c, struct price_usage *out, struct note *note)
{
    enum err e = put_writes(c, out, note);
    if (e != OK)
        return e;
    if (c->read >= 0)
        out->units[PRICE_CACHE_READ] = c->read;
    if (c->input_audio >= 0)
        out->units[PRICE_INPUT_AUDIO] = c->input_audio;
    if (c->output_audio >= 0)
        out->units[PRICE_OUTPUT_AUDIO] = c->output_audio;
    if (c->output >= 0)
        out->units[PRICE_OUTPUT] = c->output - some(c->output_audio);
    if (c->input >= 0) {
        int64_t rest = c->input - some(c->input_audio);
        if (c->inside) { /* one at a time: no sum that could overflow */
            rest -= rest < 0 ? 0 : some(c->read);
            rest -= rest < 0 ? 0 : out->units[PRICE_CACHE_WRITE_5M];
            rest -= rest < 0 ? 0 : out->units[PRICE_CACHE_WRITE_1H];
        }
        out->units[PRICE_INPUT] = rest;
    }
    if (out->units[PRICE_INPUT] < 0 || out->units[PRICE_OUTPUT] < 0)
        return note_set(note, ERR_INVALID, "more tokens are cached or audio than there are tokens at all");
    return OK;
}

/* ---- forms with more than counts ---- */

static enum err read_titan_results(const cJSON *answer, struct counts *c, struct note *note)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(answer, "results"))
    {
        int64_t n = 0;
        enum err e = read_count(json_member(one, "tokenCount"), "tokenCount", &n, note);
        if (e != OK)
            return e;
        if (__builtin_add_overflow(some(c->output), n, &c->output))
            return note_set(note, ERR_LIMIT, "tokenCount does not fit");
    }
    return OK;
}

static enum err read_search_units(const cJSON *meta, struct price_usage *out, struct note *note)
{
    const cJSON *units = json_member(json_member(meta, "billed_units"), "search_units");
    return units == NULL ? OK : read_count(units, "search_units", &out->units[PRICE_QUERY], note);
}

static enum err read_guardrail(const cJSON *usage, struct price_usage *out, struct note *note)
{
    for (size_t i = 0; i < COUNT_OF(guardrail_units); i++) {
        const cJSON *item = json_member(usage, guardrail_units[i].name);
        enum err e =
            item == NULL ? OK : read_count(item, guardrail_units[i].name, &out->units[guardrail_units[i].d], note);
        if (e != OK)
            return e;
    }
    return OK;
}

enum form {
    CONVERSE,
    METRICS,
    CHAT,
    RESPONSES,
    RESPONSES_TOTAL,
    ANTHROPIC,
    ANTHROPIC_DELTA,
    TITAN,
    LLAMA,
    COHERE,
    GUARDRAIL,
    FORMS
};

#define FIELDS(table) (table), COUNT_OF(table)

/* In order: input_tokens is a Responses count when details or a total stand beside it, else Anthropic's. */
static const struct {
    const char *name, *marker, *beside;
    const struct field *fields;
    size_t count;
    bool inside;
} forms[FORMS] = {
    [CONVERSE] = {"converse", "inputTokens", NULL, FIELDS(converse_fields), false},
    [METRICS] = {"metrics", "inputTokenCount", NULL, FIELDS(metrics_fields), false},
    [CHAT] = {"openai.chat", "prompt_tokens", NULL, FIELDS(chat_fields), true},
    [RESPONSES] = {"openai.responses", "input_tokens", "input_tokens_details", FIELDS(responses_fields), true},
    [RESPONSES_TOTAL] = {"openai.responses", "input_tokens", "total_tokens", FIELDS(responses_fields), true},
    [ANTHROPIC] = {"anthropic", "input_tokens", NULL, FIELDS(anthropic_fields), false},
    [ANTHROPIC_DELTA] = {"anthropic", "output_tokens", NULL, FIELDS(anthropic_fields), false},
    [TITAN] = {"titan", "inputTextTokenCount", NULL, FIELDS(titan_fields), false},
    [LLAMA] = {"llama", "generation_token_count", NULL, FIELDS(llama_fields), false},
    [COHERE] = {"cohere", "billed_units", NULL, FIELDS(cohere_fields), false},
    [GUARDRAIL] = {"guardrail", "contentPolicyUnits", NULL, NULL, 0, false},
};

/* FORMS: none. */
static enum form form_of(const cJSON *usage)
{
    size_t f = 0;
    while (f < FORMS && (json_member(usage, forms[f].marker) == NULL ||
                         (forms[f].beside != NULL && json_member(usage, forms[f].beside) == NULL)))
        f++;
    return (enum form)f;
}

static enum err read_usage(const cJSON *usage, enum form f, struct price_usage *out, struct note *note)
{
    struct counts c = {-1, -1, -1, -1, -1, -1, -1, -1, forms[f].inside};
    enum err e = read_fields(usage, forms[f].fields, forms[f].count, &c, note);
    if (e == OK && f == CONVERSE)
        e = read_cache_details(json_member(usage, "cacheDetails"), &c, note);
    if (e == OK && f == TITAN)
        e = read_titan_results(usage, &c, note);
    if (e == OK && f == COHERE)
        e = read_search_units(usage, out, note);
    if (e == OK && f == GUARDRAIL)
        e = read_guardrail(usage, out, note);
    return e == OK ? put_counts(&c, out, note) : e;
}

/* ---- headers ---- */

static const struct {
    const char *name;
    enum price_dimension d;
} headers[] = {
    {"x-amzn-bedrock-input-token-count", PRICE_INPUT},
    {"x-amzn-bedrock-output-token-count", PRICE_OUTPUT},
    {"x-amzn-bedrock-cache-read-input-token-count", PRICE_CACHE_READ},
    {"x-amzn-bedrock-cache-write-input-token-count", PRICE_CACHE_WRITE_5M},
};

bool price_usage_header(const char *name, const char *value, struct price_usage *out)
{
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        if (strcasecmp(headers[i].name, name) == 0) {
            size_t n = strspn(value, "0123456789");
            if (n == 0 || n > COUNT_MAX_DIGITS || value[n] != '\0')
                return false;
            int64_t count = strtoll(value, NULL, 10);
            if (headers[i].d != PRICE_CACHE_WRITE_5M || /* a split that the body told stays */
                out->units[PRICE_CACHE_WRITE_5M] + out->units[PRICE_CACHE_WRITE_1H] != count)
                out->units[headers[i].d] = count;
            return true;
        }
    return false;
}

static bool read_headers(const cJSON *object, struct price_usage *out)
{
    bool any = false;
    const cJSON *h;
    cJSON_ArrayForEach(h, object)
    {
        const char *value = cJSON_IsString(h) || cJSON_IsNumber(h) ? h->valuestring : NULL;
        any = (h->string != NULL && value != NULL && price_usage_header(h->string, value, out)) || any;
    }
    return any;
}

/* ---- finding it ---- */

/* Members that hold a usage, or an object that does. */
static const char *const holders[] = {
    "usage", "metadata", "amazon-bedrock-invocationMetrics", "response", "message", "meta", "invocationMetrics", "body",
};

static enum err read_place(const cJSON *place, unsigned depth, struct price_usage *out, const char **form, bool *found,
                           struct note *note);

static enum err read_events(const cJSON *list, unsigned depth, struct price_usage *out, const char **form, bool *found,
                            struct note *note)
{
    size_t left = EVENTS_MAX;
    const cJSON *event;
    cJSON_ArrayForEach(event, list)
    {
        enum err e = left-- == 0 ? ERR_LIMIT : read_place(event, depth + 1, out, form, found, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static void tell(const char **form, bool *found, const char *name)
{
    *found = true;
    if (form != NULL)
        *form = name;
}

static enum err read_place(const cJSON *place, unsigned depth, struct price_usage *out, const char **form, bool *found,
                           struct note *note)
{
    if (depth > NESTING_MAX)
        return OK;
    if (cJSON_IsArray(place))
        return read_events(place, depth, out, form, found, note);
    enum form f = cJSON_IsObject(place) ? form_of(place) : FORMS;
    if (f != FORMS) {
        tell(form, found, forms[f].name);
        enum err e = read_usage(place, f, out, note);
        return e;
    }
    for (size_t i = 0; i < COUNT_OF(holders); i++) {
        const cJSON *inner = json_member(place, holders[i]);
        enum err e = cJSON_IsObject(inner) ? read_place(inner, depth + 1, out, form, found, note) : OK;
        if (e != OK)
            return e;
    }
    if (read_headers(json_member(place, "headers"), out))
        tell(form, found, "headers");
    const cJSON *images = json_member(place, "images");
    images = images != NULL ? images : json_member(place, "artifacts");
    if (cJSON_IsArray(images) && !*found) {
        out->units[PRICE_IMAGE] = cJSON_GetArraySize(images);
        tell(form, found, "images");
    }
    return OK;
}

enum err price_usage_read(const cJSON *place, struct price_usage *out, const char **form, struct note *note)
{
    bool found = false;
    enum err e = read_place(place, 0, out, form, &found, note);
    if (e == OK && !found)
        return note_set(note, ERR_UNKNOWN, "there is no usage in any form that is known");
    return e;
}
