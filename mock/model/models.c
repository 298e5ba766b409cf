/* models.c: the catalogue, the user's file laid over it, and what stands in a request's path.
 *
 * Base and overlay are trees of one form. The overlay's members are put into the base's tree, row by row, and the rows
 * are read from what comes out, so an overlay can say all that the base can. Both are checked by the same tables, which
 * are also what docs/models.md lists. The list of geographies grows, so resolving does not need it: a first label that
 * is no provider, before one that is, is a geography.
 */
#include "mock/model/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mock/native/native.h"
#include "protocol/data.h"
#include "protocol/glob.h"

#define MODELS_MAX 4096
#define BASE       "fixtures/models.json"

struct models {
    cJSON *tree; /* the strings of the rows live here */
    struct model *rows;
    size_t count;
    struct geography geographies[MODEL_GEOS_MAX];
    size_t geography_count;
    bool refuse_unknown, retire_by_date;
    struct model unknown;
};

/* ---- what a file may say ---- */

static const char *const file_keys[] = {"note",        "unknown", "retire_by_date", "defaults", "providers",
                                        "geographies", "models",  "remove",         "resources"};
static const char *const resource_keys[] = {"customModels",      "customModelDeployments", "importedModels",
                                            "provisionedModels", "promptRouters",          "marketplaceModelEndpoints",
                                            "modelImportJobs"};
static const char *const geography_keys[] = {"name", "regions"};
static const char *const life_keys[] = {"start", "legacy", "end"};
static const char *const modalities[] = {"TEXT", "IMAGE", "EMBEDDING", "VIDEO", "SPEECH"};
static const char *const customizations[] = {"FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION"};

enum member_kind { TEXT, NUMBER, FLAG, WORDS, LIFE };
struct member_row {
    const char *key;
    enum member_kind kind;
    const char *const *words; /* WORDS: those allowed; NULL: any */
    size_t word_count;
    size_t at; /* FLAG: in struct model */
};
#define FLAG_AT(name)                                                                                                  \
    {                                                                                                                  \
#name, FLAG, NULL, 0, offsetof(struct model, name)                                                             \
    }
static const struct member_row members[] = {
    {"id", TEXT, NULL, 0, 0},
    {"provider", TEXT, NULL, 0, 0},
    {"name", TEXT, NULL, 0, 0},
    {"refuse", TEXT, NULL, 0, 0},
    {"context", NUMBER, NULL, 0, 0},
    {"max_output", NUMBER, NULL, 0, 0},
    {"cache_min", NUMBER, NULL, 0, 0},
    {"burndown", NUMBER, NULL, 0, 0},
    FLAG_AT(streaming),
    FLAG_AT(on_demand),
    FLAG_AT(provisioned),
    FLAG_AT(any_order),
    FLAG_AT(one_sampler),
    FLAG_AT(tools),
    FLAG_AT(tools_streaming),
    FLAG_AT(system),
    FLAG_AT(images),
    FLAG_AT(documents),
    FLAG_AT(video),
    FLAG_AT(audio),
    FLAG_AT(stop_sequences),
    FLAG_AT(count_tokens),
    FLAG_AT(cache_tools),
    FLAG_AT(cache_hour),
    {"profiles", WORDS, NULL, 0, 0},
    {"regions", WORDS, NULL, 0, 0},
    {"input", WORDS, modalities, COUNT_OF(modalities), 0},
    {"output", WORDS, modalities, COUNT_OF(modalities), 0},
    {"customizations", WORDS, customizations, COUNT_OF(customizations), 0},
    {"lifecycle", LIFE, NULL, 0, 0},
};

/* "2026-01-15" or "2026-01-15T09:00:00Z". */
static bool date_ms(const cJSON *item, int64_t *out)
{
    struct tm t = {0};
    const char *text = cJSON_IsString(item) ? item->valuestring : "";
    const char *end = strptime(text, strlen(text) > 10 ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d", &t);
    if (end == NULL || *end != '\0')
        return false;
    *out = (int64_t)timegm(&t) * 1000;
    return true;
}

static enum err check_words(const struct member_row *m, const cJSON *list, const char *where, struct note *note)
{
    const cJSON *item;
    if (!cJSON_IsArray(list))
        return note_set(note, ERR_INVALID, "%s/%s: expected a list, found %s", where, m->key, json_type_name(list));
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return note_set(note, ERR_INVALID, "%s/%s: expected strings, found %s", where, m->key,
                            json_type_name(item));
        size_t i = 0;
        while (i < m->word_count && strcmp(m->words[i], item->valuestring) != 0)
            i++;
        if (m->words == NULL || i < m->word_count)
            continue;
        const char *near = nearest_word(item->valuestring, m->words, m->word_count);
        return note_set(note, ERR_INVALID, "%s/%s: unknown word %s; the nearest is %s", where, m->key,
                        item->valuestring, near != NULL ? near : m->words[0]);
    }
    return OK;
}

static enum err check_life(const cJSON *life, const char *where, struct note *note)
{
    char at[MODEL_ID_MAX + 64];
    int64_t ms;
    (void)snprintf(at, sizeof at, "%s/lifecycle", where);
    if (!cJSON_IsObject(life))
        return note_set(note, ERR_INVALID, "%s: expected an object, found %s", at, json_type_name(life));
    enum err e = json_only_keys(life, life_keys, COUNT_OF(life_keys), at, note);
    const cJSON *item;
    cJSON_ArrayForEach(item, life)
    {
        if (e == OK && !date_ms(item, &ms))
            e = note_set(note, ERR_INVALID, "%s/%s: expected a date such as 2026-01-31", at, item->string);
    }
    return e;
}

static enum err check_member(const struct member_row *m, const cJSON *item, const char *where, struct note *note)
{
    if (m->kind == WORDS)
        return check_words(m, item, where, note);
    if (m->kind == LIFE)
        return check_life(item, where, note);
    bool fits = m->kind == TEXT     ? cJSON_IsString(item) || (cJSON_IsNull(item) && strcmp(m->key, "refuse") == 0)
                : m->kind == NUMBER ? cJSON_IsNumber(item) && item->valuedouble >= 0
                                    : cJSON_IsBool(item);
    static const char *const wanted[] = {"a string", "a number that is not negative", "true or false"};
    return fits ? OK
                : note_set(note, ERR_INVALID, "%s/%s: expected %s, found %s", where, m->key, wanted[m->kind],
                           json_type_name(item));
}

static enum err check_row(const cJSON *row, const char *where, struct note *note)
{
    const char *keys[COUNT_OF(members)];
    for (size_t i = 0; i < COUNT_OF(members); i++)
        keys[i] = members[i].key;
    if (!cJSON_IsObject(row))
        return note_set(note, ERR_INVALID, "%s: expected an object, found %s", where, json_type_name(row));
    enum err e = json_only_keys(row, keys, COUNT_OF(keys), where, note);
    for (size_t i = 0; e == OK && i < COUNT_OF(members); i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, members[i].key);
        if (item != NULL)
            e = check_member(&members[i], item, where, note);
    }
    return e;
}

static enum err check_rows(const cJSON *list, struct note *note)
{
    size_t i = 0;
    const cJSON *row;
    enum err e = OK;
    cJSON_ArrayForEach(row, list)
    {
        char where[48];
        (void)snprintf(where, sizeof where, "/models/%zu", i++);
        if (e == OK)
            e = check_row(row, where, note);
        if (e == OK && json_str(row, "id") == NULL)
            e = note_set(note, ERR_INVALID, "%s/id: expected a string, found nothing", where);
    }
    return e;
}

static enum err check_geographies(const cJSON *all, struct note *note)
{
    const cJSON *g;
    enum err e = OK;
    cJSON_ArrayForEach(g, all)
    {
        char where[96];
        (void)snprintf(where, sizeof where, "/geographies/%.64s", g->string);
        const struct member_row regions = {"regions", WORDS, NULL, 0, 0};
        if (e == OK && !cJSON_IsObject(g))
            e = note_set(note, ERR_INVALID, "%s: expected an object, found %s", where, json_type_name(g));
        if (e == OK)
            e = json_only_keys(g, geography_keys, COUNT_OF(geography_keys), where, note);
        if (e == OK)
            e = check_words(&regions, cJSON_GetObjectItemCaseSensitive(g, "regions"), where, note);
    }
    return e;
}

static enum err check_resources(const cJSON *all, struct note *note)
{
    const cJSON *list, *item;
    enum err e = all == NULL ? OK : json_only_keys(all, resource_keys, COUNT_OF(resource_keys), "/resources", note);
    cJSON_ArrayForEach(list, all)
    {
        if (e == OK && !cJSON_IsArray(list))
            e = note_set(note, ERR_INVALID, "/resources/%s: expected a list", list->string);
        cJSON_ArrayForEach(item, list)
        {
            if (e == OK && !cJSON_IsObject(item))
                e = note_set(note, ERR_INVALID, "/resources/%s: expected objects", list->string);
        }
    }
    return e;
}

static enum err check_file(const cJSON *tree, struct note *note)
{
    static const struct {
        const char *key;
        bool list;
    } holders[] = {{"defaults", false},  {"providers", false}, {"geographies", false},
                   {"resources", false}, {"models", true},     {"remove", true}};
    if (!cJSON_IsObject(tree))
        return note_set(note, ERR_INVALID, "expected an object, found %s", json_type_name(tree));
    enum err e = json_only_keys(tree, file_keys, COUNT_OF(file_keys), "", note);
    for (size_t i = 0; e == OK && i < COUNT_OF(holders); i++) {
        cJSON *held = NULL;
        e = holders[i].list ? json_opt_array(tree, holders[i].key, "", &held, note)
                            : json_opt_object(tree, holders[i].key, "", &held, note);
    }
    const char *unknown = "accept";
    bool flag = false;
    if (e == OK)
        e = json_opt_string(tree, "unknown", "", &unknown, note);
    if (e == OK && strcmp(unknown, "accept") != 0 && strcmp(unknown, "refuse") != 0)
        e = note_set(note, ERR_INVALID, "/unknown: expected accept or refuse, found %.40s", unknown);
    if (e == OK)
        e = json_opt_bool(tree, "retire_by_date", "", &flag, note);
    if (e == OK)
        e = check_geographies(json_member(tree, "geographies"), note);
    if (e == OK)
        e = check_rows(json_member(tree, "models"), note);
    return e != OK ? e : check_resources(json_member(tree, "resources"), note);
}

/* ---- laying one over the other ---- */

/* Every member of `over` replaces that of `base`. */
static bool merge(cJSON *base, const cJSON *over)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, over)
    {
        if (json_set(base, item->string, cJSON_Duplicate(item, true)) == NULL)
            return false;
    }
    return true;
}

static cJSON *row_of(cJSON *models, const char *id)
{
    cJSON *row;
    cJSON_ArrayForEach(row, models)
    {
        const char *its = json_str(row, "id");
        if (its != NULL && strcmp(its, id) == 0)
            return row;
    }
    return NULL;
}

static enum err remove_rows(cJSON *models, const cJSON *globs, struct note *note)
{
    const cJSON *glob;
    cJSON_ArrayForEach(glob, globs)
    {
        size_t removed = 0;
        for (cJSON *row = models->child, *next; row != NULL && cJSON_IsString(glob); row = next) {
            next = row->next;
            if (!glob_fits(span_of(glob->valuestring), span_of(json_str(row, "id"))))
                continue;
            cJSON_Delete(cJSON_DetachItemViaPointer(models, row));
            removed++;
        }
        if (removed == 0)
            return note_set(note, ERR_INVALID, "/remove: no model of the catalogue is called %.200s",
                            cJSON_IsString(glob) ? glob->valuestring : json_type_name(glob));
    }
    return OK;
}

static enum err add_rows(cJSON *models, const cJSON *rows, struct note *note)
{
    const cJSON *row;
    bool ok = true;
    cJSON_ArrayForEach(row, rows)
    {
        const char *id = json_str(row, "id");
        cJSON *there = row_of(models, id);
        if (there == NULL) {
            there = cJSON_CreateObject();
            CLEANUP(free_ptr) char *provider = strndup(id, strcspn(id, "."));
            ok = ok && there != NULL && json_set_string(there, "provider", provider) != NULL &&
                 json_set_string(there, "name", id) != NULL && cJSON_AddItemToArray(models, there);
        }
        ok = ok && merge(there, row);
    }
    return ok ? OK : note_set(note, ERR_NOMEM, "out of memory");
}

static enum err lay_over(cJSON *base, const cJSON *over, struct note *note)
{
    static const char *const merged[] = {"defaults", "providers", "geographies", "resources"};
    static const char *const taken[] = {"unknown", "retire_by_date"};
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(merged); i++)
        ok = ok && merge(json_member(base, merged[i]), json_member(over, merged[i]));
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        const cJSON *item = json_member(over, taken[i]);
        ok = ok && (item == NULL || json_set(base, taken[i], cJSON_Duplicate(item, true)) != NULL);
    }
    enum err e = ok ? OK : note_set(note, ERR_NOMEM, "out of memory");
    if (e == OK)
        e = remove_rows(json_member(base, "models"), json_member(over, "remove"), note);
    return e != OK ? e : add_rows(json_member(base, "models"), json_member(over, "models"), note);
}

/* ---- reading the rows ---- */

static uint64_t number(const cJSON *row, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    return cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint64_t)item->valuedouble : 0;
}

static void read_flags(struct model *out, const cJSON *row, const cJSON *defaults)
{
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (members[i].kind != FLAG)
            continue;
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, members[i].key);
        if (item == NULL)
            item = cJSON_GetObjectItemCaseSensitive(defaults, members[i].key);
        *(bool *)((char *)out + members[i].at) = cJSON_IsTrue(item);
    }
}

static enum err read_profiles(const struct models *m, struct model *out, const cJSON *row, struct note *note)
{
    const char *known[MODEL_GEOS_MAX];
    for (size_t i = 0; i < m->geography_count; i++)
        known[i] = m->geographies[i].prefix;
    const struct member_row profiles = {"profiles", WORDS, known, m->geography_count, 0};
    const cJSON *list = json_member(row, "profiles"), *item;
    enum err e = list == NULL ? OK : check_words(&profiles, list, "/models", note);
    cJSON_ArrayForEach(item, list)
    {
        for (size_t i = 0; e == OK && i < m->geography_count; i++)
            if (strcmp(known[i], item->valuestring) == 0)
                out->geographies |= 1u << i;
    }
    return e;
}

/* The text must be one of those that are about a model, not about a request. */
static enum err read_refuse(const struct api *api, struct model *out, struct note *note)
{
    const char *known[64];
    size_t n = 0;
    const struct api_text *t;
    if (out->refuse == NULL)
        return OK;
    for (size_t i = 0; (t = api_text_at(api, i)) != NULL && n < COUNT_OF(known); i++)
        if (strcmp(t->layer, "access") == 0 || strcmp(t->layer, "model-resolution") == 0)
            known[n++] = t->id;
    for (size_t i = 0; i < n; i++)
        if (strcmp(known[i], out->refuse) == 0)
            return OK;
    const char *near = nearest_word(out->refuse, known, n);
    return note_set(note, ERR_INVALID, "/models: %s: refuse: unknown answer %.60s; the nearest is %s", out->id,
                    out->refuse, near != NULL ? near : "no-model-access");
}

static void read_life(struct model *out, const cJSON *life)
{
    out->legacy_ms = out->end_ms = MODEL_FOREVER;
    (void)date_ms(json_member(life, "start"), &out->start_ms);
    (void)date_ms(json_member(life, "legacy"), &out->legacy_ms);
    (void)date_ms(json_member(life, "end"), &out->end_ms);
}

/* Converse is for models that answer in text; those with bodies for vectors, orders and pictures have no turn to take. */
static bool can_converse(const struct model *m, const cJSON *output)
{
    const cJSON *word;
    bool text = output == NULL;
    cJSON_ArrayForEach(word, output)
    {
        if (strcmp(word->valuestring, "SPEECH") == 0)
            return false;
        text = text || strcmp(word->valuestring, "TEXT") == 0;
    }
    return text && !native_find(m->id, NULL)->embeds;
}

static enum err read_row(const struct models *m, struct model *out, const cJSON *row, const struct api *api,
                         struct note *note)
{
    enum err e = json_get_string(row, "id", "/models", &out->id, note);
    if (e == OK)
        e = json_get_string(row, "provider", "/models", &out->provider, note);
    if (e == OK)
        e = json_get_string(row, "name", "/models", &out->name, note);
    if (e != OK)
        return e;
    read_flags(out, row, json_member(m->tree, "defaults"));
    read_life(out, json_member(row, "lifecycle"));
    out->context = number(row, "context");
    out->max_output = number(row, "max_output");
    out->cache_min = number(row, "cache_min");
    out->caching = out->cache_min > 0;
    out->burndown = number(row, "burndown");
    out->burndown = out->burndown > 0 ? out->burndown : 1;
    out->claude = strcmp(out->provider, "anthropic") == 0;
    out->refuse = json_str(row, "refuse");
    out->row = row;
    out->converses = can_converse(out, json_member(row, "output"));
    e = read_profiles(m, out, row, note);
    return e != OK ? e : read_refuse(api, out, note);
}

static enum err read_geographies(struct models *m, struct note *note)
{
    const cJSON *g;
    cJSON_ArrayForEach(g, json_member(m->tree, "geographies"))
    {
        const char *name = json_str(g, "name");
        if (m->geography_count == MODEL_GEOS_MAX)
            return note_set(note, ERR_LIMIT, "/geographies: at most %d", MODEL_GEOS_MAX);
        m->geographies[m->geography_count++] =
            (struct geography){g->string, name != NULL ? name : g->string, json_member(g, "regions")};
    }
    return OK;
}

static enum err read_rows(struct models *m, const struct api *api, struct note *note)
{
    const cJSON *list = json_member(m->tree, "models"), *row;
    size_t n = (size_t)cJSON_GetArraySize(list);
    if (n == 0 || n > MODELS_MAX)
        return note_set(note, ERR_INVALID, "/models: expected 1 to %d models", MODELS_MAX);
    m->rows = calloc(n, sizeof *m->rows);
    enum err e = m->rows == NULL ? note_set(note, ERR_NOMEM, "out of memory") : read_geographies(m, note);
    cJSON_ArrayForEach(row, list)
    {
        if (e == OK)
            e = read_row(m, &m->rows[m->count++], row, api, note);
    }
    const char *unknown = json_str(m->tree, "unknown");
    m->refuse_unknown = unknown != NULL && strcmp(unknown, "refuse") == 0;
    m->retire_by_date = cJSON_IsTrue(json_member(m->tree, "retire_by_date"));
    return e;
}

static enum err load_base(struct models *m, struct note *note)
{
    struct span text;
    enum err e = data_load(BASE, &text, note);
    if (e == OK)
        e = json_parse(text, JSON_UNIQUE, &m->tree, note);
    if (e == OK)
        e = check_file(m->tree, note);
    if (e != OK)
        note_prefix(note, BASE);
    return e;
}

static enum err load_overlay(struct models *m, const struct api *api, struct span text, struct note *note)
{
    CLEANUP(json_free) cJSON *over = NULL;
    enum err e = text.n == 0 ? OK : json_parse(text, JSON_UNIQUE, &over, note);
    if (e == OK && over != NULL)
        e = check_file(over, note);
    if (e == OK && over != NULL)
        e = lay_over(m->tree, over, note);
    return e != OK ? e : read_rows(m, api, note);
}

enum err models_load(struct models **out, const struct api *api, struct span overlay, const char *name,
                     struct note *note)
{
    *out = NULL;
    struct models *m = calloc(1, sizeof *m);
    if (m == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    enum err e = load_base(m, note);
    if (e == OK) {
        e = load_overlay(m, api, overlay, note);
        if (e != OK)
            note_prefix(note, "%s", overlay.n > 0 && name != NULL ? name : BASE);
    }
    if (e != OK) {
        models_free(m);
        return e;
    }
    m->unknown = (struct model){.id = "",
                                .provider = "",
                                .burndown = 1,
                                .name = "this model",
                                .streaming = true,
                                .converses = true,
                                .on_demand = true,
                                .any_order = true,
                                .tools = true,
                                .tools_streaming = true,
                                .system = true,
                                .images = true,
                                .documents = true,
                                .video = true,
                                .audio = true,
                                .stop_sequences = true,
                                .count_tokens = true,
                                .legacy_ms = MODEL_FOREVER,
                                .end_ms = MODEL_FOREVER};
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

/* ---- asking ---- */

size_t models_count(const struct models *m)
{
    return m->count;
}

const struct model *models_at(const struct models *m, size_t i)
{
    return &m->rows[i];
}

size_t models_geographies(const struct models *m)
{
    return m->geography_count;
}

const struct geography *models_geography(const struct models *m, size_t i)
{
    return &m->geographies[i];
}

const char *models_provider(const struct models *m, const char *provider)
{
    const char *name = json_str(json_member(m->tree, "providers"), provider);
    return name != NULL ? name : provider;
}

const cJSON *models_resources(const struct models *m, const char *list)
{
    return json_member(json_member(m->tree, "resources"), list);
}

const struct model *models_unknown(const struct models *m)
{
    return &m->unknown;
}

bool models_refuse_unknown(const struct models *m)
{
    return m->refuse_unknown;
}

bool models_alive(const struct models *m, const struct model *model, int64_t at_ms)
{
    return !m->retire_by_date || at_ms < model->end_ms;
}

bool geography_has(const struct geography *g, const char *region)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, g->regions)
    {
        if (strcmp(item->valuestring, region) == 0)
            return true;
    }
    return g->regions == NULL || g->regions->child == NULL;
}

const struct model *models_find(const struct models *m, struct span id)
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

/* The geography before `id`; *kind stays a profile only when the model has it, where that matters. */
static void find_profile(const struct models *m, struct span prefix, bool known_only, struct model_ref *ref)
{
    bool has = false;
    for (size_t i = 0; i < m->geography_count; i++) {
        if (!span_is(prefix, m->geographies[i].prefix))
            continue;
        ref->geography = &m->geographies[i];
        has = (ref->row->geographies & (1u << i)) != 0;
    }
    if (known_only && !has)
        *ref = (struct model_ref){MODEL_ID_INVALID, NULL, NULL};
}

static struct model_ref resolve_plain(const struct models *m, struct span id, bool known_only)
{
    struct span first, rest, second, tail;
    struct model_ref ref = {MODEL_ID_INVALID, NULL, NULL};
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
    ref.row = models_find(m, id);
    if (ref.row == NULL && known_only)
        ref.kind = MODEL_ID_INVALID;
    else if (ref.row == NULL)
        ref.row = &m->unknown;
    if (ref.kind == MODEL_ID_PROFILE)
        find_profile(m, first, known_only, &ref);
    return ref;
}

/* arn:partition:service:region:account:resource */
static struct model_ref resolve_arn(const struct models *m, struct span arn, bool known_only)
{
    static const char *const opaque[] = {"application-inference-profile/", "provisioned-model/", "custom-model/",
                                         "custom-model-deployment/",       "imported-model/",    "prompt-router/",
                                         "default-prompt-router/",         "endpoint/"};
    struct model_ref ref = {MODEL_ID_INVALID, NULL, NULL};
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
        return (struct model_ref){MODEL_ID_PROMPT, &m->unknown, NULL};
    for (size_t i = 0; i < COUNT_OF(opaque); i++)
        if (span_has_prefix(rest, opaque[i]))
            return (struct model_ref){MODEL_ID_ARN, &m->unknown, NULL};
    return ref;
}

struct model_ref models_resolve(const struct models *m, const char *id, bool known_only)
{
    struct span text = span_of(id);
    return span_has_prefix(text, "arn:") ? resolve_arn(m, text, known_only) : resolve_plain(m, text, known_only);
}
