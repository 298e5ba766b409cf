/* models.c: resolves what stands in the path. The list of geographies grows, so none is written down here: a first
 * label that is no provider, before one that is, is a geography.
 */
#include "mock/models.h"

#include <stdlib.h>

#include "protocol/data.h"

#define MODELS_MAX 1024

struct models {
    cJSON *tree; /* the strings of the rows live here */
    struct model *rows;
    size_t count;
    struct model unknown;
};

static bool flag(const cJSON *row, const cJSON *defaults, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    if (item == NULL)
        item = cJSON_GetObjectItemCaseSensitive(defaults, key);
    return cJSON_IsTrue(item);
}

static uint64_t number(const cJSON *row, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    return cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint64_t)item->valuedouble : 0;
}

static void read_flags(struct model *out, const cJSON *row, const cJSON *defaults)
{
    out->streaming = flag(row, defaults, "streaming");
    out->on_demand = flag(row, defaults, "on_demand");
    out->any_order = flag(row, defaults, "any_order");
    out->one_sampler = flag(row, defaults, "one_sampler");
    out->tools = flag(row, defaults, "tools");
    out->tools_streaming = flag(row, defaults, "tools_streaming");
    out->system = flag(row, defaults, "system");
    out->images = flag(row, defaults, "images");
    out->documents = flag(row, defaults, "documents");
    out->video = flag(row, defaults, "video");
    out->stop_sequences = flag(row, defaults, "stop_sequences");
    out->context = number(row, "context");
    out->max_output = number(row, "max_output");
    out->cache_min = number(row, "cache_min");
    out->caching = out->cache_min > 0;
    out->cache_tools = flag(row, defaults, "cache_tools");
    out->cache_hour = flag(row, defaults, "cache_hour");
    out->burndown = number(row, "burndown");
    out->burndown = out->burndown > 0 ? out->burndown : 1;
}

static enum err read_row(struct model *out, const cJSON *row, const cJSON *defaults, const char *where,
                         struct note *note)
{
    enum err e = json_get_string(row, "id", where, &out->id, note);
    if (e == OK)
        e = json_get_string(row, "provider", where, &out->provider, note);
    if (e == OK)
        e = json_get_string(row, "name", where, &out->name, note);
    read_flags(out, row, defaults);
    out->claude = e == OK && strcmp(out->provider, "anthropic") == 0;
    return e;
}

enum err models_load(struct models **out, struct note *note)
{
    *out = NULL;
    struct span text;
    enum err e = data_load("fixtures/models.json", &text, note);
    struct models *m = e == OK ? calloc(1, sizeof *m) : NULL;
    if (m == NULL)
        return e != OK ? e : note_set(note, ERR_NOMEM, "out of memory");
    e = json_parse(text, JSON_UNIQUE, &m->tree, note);
    const cJSON *list = json_at(m->tree, "/models"), *defaults = json_at(m->tree, "/defaults"), *row;
    size_t n = (size_t)cJSON_GetArraySize(list);
    m->rows = n > 0 && n <= MODELS_MAX ? calloc(n, sizeof *m->rows) : NULL;
    if (e == OK && m->rows == NULL)
        e = note_set(note, ERR_INVALID, "fixtures/models.json: expected /models, a list of at most %d", MODELS_MAX);
    if (e == OK) {
        cJSON_ArrayForEach(row, list)
        {
            if (e == OK)
                e = read_row(&m->rows[m->count++], row, defaults, "/models", note);
        }
    }
    if (e != OK) {
        note_prefix(note, "fixtures/models.json");
        models_free(m);
        return e;
    }
    m->unknown = (struct model){.id = "",
                                .provider = "",
                                .burndown = 1,
                                .name = "this model",
                                .streaming = true,
                                .on_demand = true,
                                .any_order = true,
                                .tools = true,
                                .tools_streaming = true,
                                .system = true,
                                .images = true,
                                .documents = true,
                                .video = true,
                                .stop_sequences = true};
    *out = m;
    return OK;
}

void models_free(struct models *m)
{
    if (m == NULL)
        return;
    json_free(&m->tree);
    free(m->rows);
    free(m);
}

size_t models_count(const struct models *m)
{
    return m->count;
}

const struct model *models_at(const struct models *m, size_t i)
{
    return &m->rows[i];
}

static const struct model *find(const struct models *m, struct span id)
{
    for (size_t i = 0; i < m->count; i++)
        if (span_is(id, m->rows[i].id))
            return &m->rows[i];
    return NULL;
}

static bool is_provider(const struct models *m, struct span label)
{
    for (size_t i = 0; i < m->count; i++)
        if (span_is(label, m->rows[i].provider))
            return true;
    return false;
}

static struct model_ref resolve_plain(const struct models *m, struct span id, bool known_only)
{
    struct span first, rest, second, tail;
    struct model_ref ref = {MODEL_ID_INVALID, NULL};
    if (!span_split(id, '.', &first, &rest))
        return ref;
    if (is_provider(m, first)) {
        ref.kind = MODEL_ID_PLAIN;
    } else if (span_split(rest, '.', &second, &tail) && is_provider(m, second)) {
        ref.kind = MODEL_ID_PROFILE;
        id = rest;
    } else {
        return ref;
    }
    ref.row = find(m, id);
    if (ref.row == NULL && known_only)
        ref.kind = MODEL_ID_INVALID;
    else if (ref.row == NULL)
        ref.row = &m->unknown;
    return ref;
}

/* arn:partition:service:region:account:resource */
static struct model_ref resolve_arn(const struct models *m, struct span arn, bool known_only)
{
    static const char *const opaque[] = {"application-inference-profile/", "provisioned-model/", "custom-model/",
                                         "custom-model-deployment/",       "imported-model/",    "prompt-router/",
                                         "default-prompt-router/",         "endpoint/"};
    struct model_ref ref = {MODEL_ID_INVALID, NULL};
    struct span rest = arn, head, service = SPAN_EMPTY;
    for (int i = 0; i < 5; i++) {
        if (!span_split(rest, ':', &head, &rest))
            return ref;
        if (i == 2)
            service = head;
    }
    if (!span_is(service, "bedrock") && !span_is(service, "sagemaker"))
        return ref;
    if (span_has_prefix(rest, "foundation-model/") || span_has_prefix(rest, "inference-profile/")) {
        struct span name;
        (void)span_split(rest, '/', &head, &name);
        return resolve_plain(m, name, known_only);
    }
    if (span_has_prefix(rest, "prompt/"))
        return (struct model_ref){MODEL_ID_PROMPT, &m->unknown};
    for (size_t i = 0; i < COUNT_OF(opaque); i++)
        if (span_has_prefix(rest, opaque[i]))
            return (struct model_ref){MODEL_ID_ARN, &m->unknown};
    return ref;
}

struct model_ref models_resolve(const struct models *m, const char *id, bool known_only)
{
    struct span text = span_of(id);
    return span_has_prefix(text, "arn:") ? resolve_arn(m, text, known_only) : resolve_plain(m, text, known_only);
}
