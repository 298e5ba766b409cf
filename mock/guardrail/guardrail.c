/* guardrail.c: reading guardrails, laying one file over another, and handing sets to those who ask.
 *
 * A mistake in a user's file must be told with its place, so every object has a form: a table of its members and what
 * each may hold. What has passed the forms is never doubted again: the policies (guardrail_assess.c) read the tree as
 * it stands. Overlaying builds a new set beside the old one, and the exchange is one pointer below a lock.
 */
#include "mock/guardrail/guardrail.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/data.h"
#include "protocol/file.h"
#include "protocol/regex.h"

#define FILE_BYTES_MAX    ((size_t)8 << 20)
#define FIELDS_MAX        24
#define KEYS_MAX          64
#define KEYS_TEXT_MAX     sizeof ENTITIES
#define NUMBER_MAX        1e9
#define ROWS_OF_LIST_MAX  10000 /* as many words as the service allows */
#define PATTERN_BYTES_MAX 500   /* as the API model has it */
#define BUILT_IN          "fixtures/guardrails.json"
#define BORN_AT           "2025-01-01T00:00:00Z"

/* ---- forms ---- */

enum kind { TEXT, NUMBER, SHARE, BOOLEAN, CHOICE, TEXTS, PATTERN, PATTERNS, OBJECTS, OBJECT, MAP };

struct form;
struct field {
    const char *key;
    enum kind kind;
    bool required;
    const char *choices;     /* of CHOICE, and the keys of MAP, apart by '|' */
    const struct form *form; /* of OBJECT, OBJECTS, and each member of MAP */
};
struct form {
    const struct field *fields;
    size_t count;
};
#define FORM(name) static const struct form name = {name##_fields, COUNT_OF(name##_fields)}

#define SIDES(actions)                                                                                                 \
    {"inputAction", CHOICE, false, actions, NULL}, {"outputAction", CHOICE, false, actions, NULL},                     \
        {"inputEnabled", BOOLEAN, false, NULL, NULL},                                                                  \
    {                                                                                                                  \
        "outputEnabled", BOOLEAN, false, NULL, NULL                                                                    \
    }
#define BLOCK_OR_NONE "BLOCK|NONE"
#define PII_ACTIONS   "BLOCK|ANONYMIZE|NONE"
#define STRENGTHS     "NONE|LOW|MEDIUM|HIGH"
/* The names of the API model, so that what is told is of its shape. */
#define ENTITIES                                                                                                       \
    "ADDRESS|AGE|AWS_ACCESS_KEY|AWS_SECRET_KEY|CA_HEALTH_NUMBER|CA_SOCIAL_INSURANCE_NUMBER|"                           \
    "CREDIT_DEBIT_CARD_CVV|CREDIT_DEBIT_CARD_EXPIRY|CREDIT_DEBIT_CARD_NUMBER|DRIVER_ID|EMAIL|"                         \
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER|IP_ADDRESS|LICENSE_PLATE|MAC_ADDRESS|NAME|PASSWORD|PHONE|PIN|"                  \
    "SWIFT_CODE|UK_NATIONAL_HEALTH_SERVICE_NUMBER|UK_NATIONAL_INSURANCE_NUMBER|"                                       \
    "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER|URL|USERNAME|US_BANK_ACCOUNT_NUMBER|US_BANK_ROUTING_NUMBER|"                  \
    "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER|US_PASSPORT_NUMBER|US_SOCIAL_SECURITY_NUMBER|"                            \
    "VEHICLE_IDENTIFICATION_NUMBER"
#define LISTS   FILTERS "|JAILBREAK|PROMPT_INJECTION|PROMPT_LEAKAGE"
#define FILTERS "HATE|INSULTS|SEXUAL|VIOLENCE|MISCONDUCT|PROMPT_ATTACK"

static const struct field tier_fields[] = {{"tierName", CHOICE, true, "CLASSIC|STANDARD", NULL}};
FORM(tier);
static const struct field topic_fields[] = {
    {"name", TEXT, true, NULL, NULL},      {"definition", TEXT, true, NULL, NULL},
    {"type", CHOICE, false, "DENY", NULL}, {"examples", TEXTS, false, NULL, NULL},
    {"phrases", TEXTS, false, NULL, NULL}, SIDES(BLOCK_OR_NONE)};
FORM(topic);
static const struct field topics_fields[] = {{"topics", OBJECTS, true, NULL, &topic},
                                             {"tier", OBJECT, false, NULL, &tier}};
FORM(topics);
static const struct field filter_fields[] = {{"type", CHOICE, true, FILTERS, NULL},
                                             {"inputStrength", CHOICE, true, STRENGTHS, NULL},
                                             {"outputStrength", CHOICE, true, STRENGTHS, NULL},
                                             {"inputModalities", TEXTS, false, NULL, NULL},
                                             {"outputModalities", TEXTS, false, NULL, NULL},
                                             SIDES(BLOCK_OR_NONE)};
FORM(filter);
static const struct field content_fields[] = {{"filters", OBJECTS, true, NULL, &filter},
                                              {"tier", OBJECT, false, NULL, &tier}};
FORM(content);
static const struct field word_fields[] = {{"text", TEXT, true, NULL, NULL}, SIDES(BLOCK_OR_NONE)};
FORM(word);
static const struct field managed_fields[] = {{"type", CHOICE, true, "PROFANITY", NULL}, SIDES(BLOCK_OR_NONE)};
FORM(managed);
static const struct field words_fields[] = {{"words", OBJECTS, false, NULL, &word},
                                            {"managedWordLists", OBJECTS, false, NULL, &managed}};
FORM(words);
static const struct field entity_fields[] = {
    {"type", CHOICE, true, ENTITIES, NULL}, {"action", CHOICE, true, PII_ACTIONS, NULL}, SIDES(PII_ACTIONS)};
FORM(entity);
static const struct field regex_fields[] = {{"name", TEXT, true, NULL, NULL},
                                            {"description", TEXT, false, NULL, NULL},
                                            {"pattern", PATTERN, true, NULL, NULL},
                                            {"action", CHOICE, true, PII_ACTIONS, NULL},
                                            SIDES(PII_ACTIONS)};
FORM(regex);
static const struct field sensitive_fields[] = {{"piiEntities", OBJECTS, false, NULL, &entity},
                                                {"regexes", OBJECTS, false, NULL, &regex}};
FORM(sensitive);
static const struct field ground_fields[] = {{"type", CHOICE, true, "GROUNDING|RELEVANCE", NULL},
                                             {"threshold", SHARE, true, NULL, NULL},
                                             {"action", CHOICE, false, BLOCK_OR_NONE, NULL},
                                             {"enabled", BOOLEAN, false, NULL, NULL}};
FORM(ground);
static const struct field grounding_fields[] = {{"filters", OBJECTS, true, NULL, &ground}};
FORM(grounding);
static const struct field guardrail_fields[] = {{"guardrailId", TEXT, true, NULL, NULL},
                                                {"versions", TEXTS, false, NULL, NULL},
                                                {"name", TEXT, true, NULL, NULL},
                                                {"description", TEXT, false, NULL, NULL},
                                                {"createdAt", TEXT, false, NULL, NULL},
                                                {"updatedAt", TEXT, false, NULL, NULL},
                                                {"topicPolicy", OBJECT, false, NULL, &topics},
                                                {"contentPolicy", OBJECT, false, NULL, &content},
                                                {"wordPolicy", OBJECT, false, NULL, &words},
                                                {"sensitiveInformationPolicy", OBJECT, false, NULL, &sensitive},
                                                {"contextualGroundingPolicy", OBJECT, false, NULL, &grounding},
                                                {"blockedInputMessaging", TEXT, true, NULL, NULL},
                                                {"blockedOutputsMessaging", TEXT, true, NULL, NULL}};
FORM(guardrail);
static const struct field levels_fields[] = {
    {"LOW", TEXTS, false, NULL, NULL}, {"MEDIUM", TEXTS, false, NULL, NULL}, {"HIGH", TEXTS, false, NULL, NULL}};
FORM(levels);
static const struct field pii_fields[] = {{"patterns", PATTERNS, false, NULL, NULL},
                                          {"words", TEXTS, false, NULL, NULL},
                                          {"near", TEXTS, false, NULL, NULL},
                                          {"check", CHOICE, false, "luhn|iban", NULL}};
FORM(pii);
static const struct field lists_fields[] = {{"profanity", TEXTS, false, NULL, NULL},
                                            {"content", MAP, false, LISTS, &levels},
                                            {"pii", MAP, false, ENTITIES, &pii}};
FORM(lists);
static const struct field setting_fields[] = {{"unit_characters", NUMBER, false, NULL, NULL},
                                              {"apply_units_max", NUMBER, false, NULL, NULL},
                                              {"latency_ms", NUMBER, false, NULL, NULL},
                                              {"async_characters", NUMBER, false, NULL, NULL},
                                              {"system_prompts", BOOLEAN, false, NULL, NULL},
                                              {"tool_results", BOOLEAN, false, NULL, NULL}};
static const struct form settings_form = {setting_fields, COUNT_OF(setting_fields)};
static const struct field file_fields[] = {{"note", TEXT, false, NULL, NULL},
                                           {"settings", OBJECT, false, NULL, &settings_form},
                                           {"lists", OBJECT, false, NULL, &lists},
                                           {"guardrails", OBJECTS, false, NULL, &guardrail}};
FORM(file);

/* ---- checking ---- */

static enum err check_object(const cJSON *object, const struct form *form, const char *where, struct note *note);

static bool is_choice(const cJSON *item, const char *choices)
{
    struct span rest = span_of(choices), one;
    bool found = false;
    for (bool more = cJSON_IsString(item); more && !found;) {
        more = span_split(rest, '|', &one, &rest);
        found = span_is(one, item->valuestring);
    }
    return found;
}

static enum err check_pattern(const cJSON *item, const char *where, struct note *note)
{
    size_t at, n;
    if (!cJSON_IsString(item) || item->valuestring[0] == '\0')
        return note_set(note, ERR_INVALID, "%s: expected a pattern", where);
    if (strlen(item->valuestring) > PATTERN_BYTES_MAX)
        return note_set(note, ERR_INVALID, "%s: a pattern has at most %d bytes", where, PATTERN_BYTES_MAX);
    const struct regex *r = regex_get(item->valuestring, REGEX_PLACES, note);
    if (r == NULL) {
        note_prefix(note, "%s", where);
        return ERR_INVALID;
    }
    if (regex_find(r, SPAN_LIT(""), 0, &at, &n))
        return note_set(note, ERR_INVALID, "%s: the pattern holds for an empty text, so it finds nothing", where);
    return OK;
}

static enum err check_text(const cJSON *item, const char *where, struct note *note)
{
    return cJSON_IsString(item) && item->valuestring[0] != '\0'
               ? OK
               : note_set(note, ERR_INVALID, "%s: expected a text that is not empty", where);
}

typedef enum err check_item(const cJSON *item, const struct form *form, const char *where, struct note *note);

static enum err text_item(const cJSON *item, const struct form *form, const char *where, struct note *note)
{
    (void)form;
    return check_text(item, where, note);
}
static enum err pattern_item(const cJSON *item, const struct form *form, const char *where, struct note *note)
{
    (void)form;
    return check_pattern(item, where, note);
}

static enum err check_each(const cJSON *list, check_item *check, const struct form *form, const char *where,
                           struct note *note)
{
    const cJSON *item;
    size_t i = 0;
    enum err e = OK;
    cJSON_ArrayForEach(item, list)
    {
        CLEANUP(buf_release) struct buf at = BUF_INIT(BUF_ANY);
        buf_adds(&at, where);
        json_pointer_add_child(&at, item, i);
        if (i++ == ROWS_OF_LIST_MAX)
            return note_set(note, ERR_INVALID, "%s: at most %d", where, ROWS_OF_LIST_MAX);
        e = check(item, form, buf_text(&at), note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_number(const cJSON *item, double most, const char *where, struct note *note)
{
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= most
               ? OK
               : note_set(note, ERR_INVALID, "%s: expected a number from 0 to %.0f", where, most);
}

/* The keys of a map, with the nearest for one that is none. */
static enum err check_keys(const cJSON *map, const char *choices, const char *where, struct note *note)
{
    const char *known[KEYS_MAX];
    char text[KEYS_TEXT_MAX];
    size_t n = 0, size = strlen(choices);
    memcpy(text, choices, size + 1);
    for (char *at = text; at != NULL && n < KEYS_MAX;) {
        char *bar = strchr(at, '|');
        known[n++] = at;
        if (bar != NULL)
            *bar++ = '\0';
        at = bar;
    }
    return json_only_keys(map, known, n, where, note);
}

static enum err check_field(const cJSON *item, const struct field *f, const char *where, struct note *note)
{
    enum err e;
    bool list = f->kind == TEXTS || f->kind == PATTERNS || f->kind == OBJECTS;
    if (list && !cJSON_IsArray(item))
        return note_set(note, ERR_INVALID, "%s: expected a list, found %s", where, json_type_name(item));
    if (f->kind == MAP && !cJSON_IsObject(item))
        return note_set(note, ERR_INVALID, "%s: expected an object, found %s", where, json_type_name(item));
    switch (f->kind) {
    case TEXT:
        return check_text(item, where, note);
    case NUMBER:
        return check_number(item, NUMBER_MAX, where, note);
    case SHARE:
        return check_number(item, 1, where, note);
    case BOOLEAN:
        return cJSON_IsBool(item) ? OK : note_set(note, ERR_INVALID, "%s: expected true or false", where);
    case CHOICE:
        return is_choice(item, f->choices) ? OK
                                           : note_set(note, ERR_INVALID, "%s: expected one of %s", where, f->choices);
    case TEXTS:
        return check_each(item, text_item, NULL, where, note);
    case PATTERN:
        return check_pattern(item, where, note);
    case PATTERNS:
        return check_each(item, pattern_item, NULL, where, note);
    case MAP:
        e = check_keys(item, f->choices, where, note);
        return e == OK ? check_each(item, check_object, f->form, where, note) : e;
    case OBJECTS:
        return check_each(item, check_object, f->form, where, note);
    case OBJECT:
        return check_object(item, f->form, where, note);
    }
    return OK;
}

static enum err check_object(const cJSON *object, const struct form *form, const char *where, struct note *note)
{
    const char *known[FIELDS_MAX];
    for (size_t i = 0; i < form->count; i++)
        known[i] = form->fields[i].key;
    if (!cJSON_IsObject(object))
        return note_set(note, ERR_INVALID, "%s: expected an object, found %s", where, json_type_name(object));
    enum err e = json_only_keys(object, known, form->count, where, note);
    for (size_t i = 0; e == OK && i < form->count; i++) {
        const cJSON *item = json_item(object, form->fields[i].key);
        CLEANUP(buf_release) struct buf at = BUF_INIT(BUF_ANY);
        buf_adds(&at, where);
        json_pointer_add(&at, form->fields[i].key);
        if (item != NULL)
            e = check_field(item, &form->fields[i], buf_text(&at), note);
        else if (form->fields[i].required)
            e = note_set(note, ERR_INVALID, "%s: must be given", buf_text(&at));
    }
    return e == OK || e == ERR_NOMEM ? e : ERR_INVALID;
}

/* ---- overlaying ---- */

static cJSON *object_in(cJSON *tree, const char *key)
{
    cJSON *found = json_member(tree, key);
    return found != NULL ? found : cJSON_AddObjectToObject(tree, key);
}

static bool put_copy(cJSON *object, const cJSON *item)
{
    return object != NULL && json_set(object, item->string, cJSON_Duplicate(item, true)) != NULL;
}

static bool overlay_members(cJSON *into, const cJSON *from)
{
    const cJSON *item;
    bool ok = into != NULL;
    cJSON_ArrayForEach(item, from) ok = ok && put_copy(into, item);
    return ok;
}

static bool overlay_lists(cJSON *into, const cJSON *from)
{
    const cJSON *item;
    bool ok = into != NULL;
    cJSON_ArrayForEach(item, from) ok =
        ok && (cJSON_IsArray(item) ? put_copy(into, item) : overlay_members(object_in(into, item->string), item));
    return ok;
}

static bool overlay_guardrails(cJSON *into, const cJSON *from)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, from)
    {
        cJSON *old, *copy = cJSON_Duplicate(item, true);
        int i = 0;
        cJSON_ArrayForEach(old, into)
        {
            if (strcmp(json_str(old, "guardrailId"), json_str(item, "guardrailId")) == 0)
                break;
            i++;
        }
        bool put =
            copy != NULL && (old != NULL ? cJSON_ReplaceItemInArray(into, i, copy) : cJSON_AddItemToArray(into, copy));
        if (!put) {
            cJSON_Delete(copy);
            return false;
        }
    }
    return true;
}

static bool overlay(cJSON *tree, const cJSON *from)
{
    cJSON *list = json_member(tree, "guardrails");
    if (list == NULL)
        list = cJSON_AddArrayToObject(tree, "guardrails");
    return list != NULL && overlay_members(object_in(tree, "settings"), json_member(from, "settings")) &&
           overlay_lists(object_in(tree, "lists"), json_member(from, "lists")) &&
           overlay_guardrails(list, json_member(from, "guardrails"));
}

/* ---- sets ---- */

struct guardrail_set {
    atomic_uint refs;
    cJSON *tree;
    struct guardrail *rows;
    size_t count;
    struct guardrail_settings settings;
};

void guardrail_set_drop(struct guardrail_set **pointer)
{
    struct guardrail_set *s = *pointer;
    *pointer = NULL;
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    cJSON_Delete(s->tree);
    free(s->rows);
    free(s);
}

static uint64_t setting(const cJSON *settings, const char *key, uint64_t otherwise)
{
    const cJSON *item = json_member(settings, key);
    return cJSON_IsNumber(item) ? (uint64_t)item->valuedouble : otherwise;
}

static void read_settings(const cJSON *tree, struct guardrail_settings *out)
{
    const cJSON *s = json_member(tree, "settings");
    *out = (struct guardrail_settings){.unit_characters = setting(s, "unit_characters", 1000),
                                       .apply_units_max = setting(s, "apply_units_max", 25),
                                       .latency_ms = setting(s, "latency_ms", 0),
                                       .async_characters = setting(s, "async_characters", 100),
                                       .system_prompts = cJSON_IsTrue(json_member(s, "system_prompts")),
                                       .tool_results = cJSON_IsTrue(json_member(s, "tool_results"))};
    out->unit_characters += out->unit_characters == 0;
    out->async_characters += out->async_characters == 0;
}

static enum err check_names_of(const cJSON *spec, size_t i, struct note *note)
{
    const struct regex *id = regex_get("[a-z0-9]{1,64}", REGEX_WHOLE, note);
    const struct regex *version = regex_get("([1-9][0-9]{0,7})|(DRAFT)", REGEX_WHOLE, note);
    const cJSON *v;
    if (id == NULL || version == NULL)
        return ERR_NOMEM;
    if (!regex_matches(id, json_str(spec, "guardrailId")))
        return note_set(note, ERR_INVALID, "/guardrails/%zu/guardrailId: expected 1 to 64 of a-z and 0-9", i);
    cJSON_ArrayForEach(v, json_member(spec, "versions"))
    {
        if (!regex_matches(version, v->valuestring))
            return note_set(note, ERR_INVALID, "/guardrails/%zu/versions: expected DRAFT or numbers from 1", i);
    }
    return OK;
}

static enum err check_names(const cJSON *from, struct note *note)
{
    const cJSON *spec;
    enum err e = OK;
    size_t i = 0;
    cJSON_ArrayForEach(spec, json_member(from, "guardrails")) e = e == OK ? check_names_of(spec, i++, note) : e;
    return e;
}

static const char *text_or(const cJSON *spec, const char *key, const char *otherwise)
{
    const char *text = json_str(spec, key);
    return text != NULL ? text : otherwise;
}

static enum err add_row(struct guardrail_set *s, const cJSON *spec, const char *version, struct note *note)
{
    if (s->count == GUARDRAILS_MAX)
        return note_set(note, ERR_INVALID, "/guardrails: at most %zu versions in all", GUARDRAILS_MAX);
    s->rows[s->count++] = (struct guardrail){.id = json_str(spec, "guardrailId"),
                                             .version = version,
                                             .name = json_str(spec, "name"),
                                             .description = json_str(spec, "description"),
                                             .blocked_input = json_str(spec, "blockedInputMessaging"),
                                             .blocked_output = json_str(spec, "blockedOutputsMessaging"),
                                             .created_at = text_or(spec, "createdAt", BORN_AT),
                                             .updated_at = text_or(spec, "updatedAt", BORN_AT),
                                             .spec = spec};
    return OK;
}

static enum err read_rows(struct guardrail_set *s, struct note *note)
{
    const cJSON *spec, *version;
    s->rows = calloc(GUARDRAILS_MAX, sizeof *s->rows);
    if (s->rows == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    cJSON_ArrayForEach(spec, json_member(s->tree, "guardrails"))
    {
        enum err e = OK;
        const cJSON *versions = json_member(spec, "versions");
        if (versions == NULL)
            e = add_row(s, spec, "DRAFT", note);
        if (e == OK && versions == NULL)
            e = add_row(s, spec, "1", note);
        cJSON_ArrayForEach(version, versions) e = e == OK ? add_row(s, spec, version->valuestring, note) : e;
        if (e != OK)
            return e;
    }
    return OK;
}

/* `from` laid over `under`, which may be NULL. */
static enum err make_set(const struct guardrail_set *under, const cJSON *from, struct guardrail_set **out,
                         struct note *note)
{
    enum err e = check_object(from, &file, "", note);
    if (e == OK)
        e = check_names(from, note);
    if (e != OK)
        return e;
    struct guardrail_set *s = calloc(1, sizeof *s);
    if (s == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    atomic_init(&s->refs, 1);
    s->tree = under != NULL ? cJSON_Duplicate(under->tree, true) : cJSON_CreateObject();
    if (s->tree == NULL || !overlay(s->tree, from))
        e = note_set(note, ERR_NOMEM, "out of memory");
    if (e == OK)
        e = read_rows(s, note);
    if (e != OK) {
        guardrail_set_drop(&s);
        return e;
    }
    read_settings(s->tree, &s->settings);
    *out = s;
    return OK;
}

const cJSON *guardrail_set_tree(const struct guardrail_set *set)
{
    return set->tree;
}

const struct guardrail_settings *guardrail_set_settings(const struct guardrail_set *set)
{
    return &set->settings;
}

const struct guardrail *guardrail_set_at(const struct guardrail_set *set, size_t i)
{
    return i < set->count ? &set->rows[i] : NULL;
}

const struct guardrail *guardrail_find(const struct guardrail_set *set, const char *identifier, const char *version)
{
    const char *slash = strrchr(identifier, '/');
    const char *id = slash != NULL ? slash + 1 : identifier;
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->rows[i].id, id) == 0 && (version == NULL || strcmp(set->rows[i].version, version) == 0))
            return &set->rows[i];
    return NULL;
}

void guardrail_arn(const struct guardrail *g, const char *region, const char *account, struct buf *out)
{
    buf_addf(out, "arn:aws:bedrock:%s:%s:guardrail/%s", region, account, g->id);
}

/* ---- the ones in use ---- */

struct guardrails {
    pthread_mutex_t lock;
    struct guardrail_set *base, *current;
};

static struct guardrail_set *hold(struct guardrail_set *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

static enum err lay_over(struct guardrail_set **base, struct span text, const char *path, struct note *note)
{
    CLEANUP(json_free) cJSON *tree = NULL;
    struct guardrail_set *set = NULL;
    enum err e = json_parse(text, JSON_UNIQUE, &tree, note);
    if (e == OK)
        e = make_set(*base, tree, &set, note);
    if (e != OK) {
        note_prefix(note, "%s", path);
        return e;
    }
    guardrail_set_drop(base);
    *base = set;
    return OK;
}

static enum err load(const char *path, struct guardrail_set **base, struct note *note)
{
    struct span text;
    enum err e = data_load(BUILT_IN, &text, note);
    if (e == OK)
        e = lay_over(base, text, BUILT_IN, note);
    if (e != OK || path == NULL)
        return e;
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(FILE_BYTES_MAX);
    e = file_read(path, &bytes, note);
    return e == OK ? lay_over(base, buf_span(&bytes), path, note) : e;
}

enum err guardrails_new(const char *path, struct guardrails **out, struct note *note)
{
    *out = NULL;
    struct guardrail_set *base = NULL;
    enum err e = load(path, &base, note);
    struct guardrails *g = e == OK ? calloc(1, sizeof *g) : NULL;
    if (g == NULL) {
        guardrail_set_drop(&base);
        return e != OK ? e : note_set(note, ERR_NOMEM, "out of memory");
    }
    (void)pthread_mutex_init(&g->lock, NULL);
    g->base = base;
    g->current = hold(base);
    *out = g;
    return OK;
}

void guardrails_free(struct guardrails *g)
{
    if (g == NULL)
        return;
    guardrail_set_drop(&g->base);
    guardrail_set_drop(&g->current);
    (void)pthread_mutex_destroy(&g->lock);
    free(g);
}

struct guardrail_set *guardrails_hold(struct guardrails *g)
{
    (void)pthread_mutex_lock(&g->lock);
    struct guardrail_set *s = hold(g->current);
    (void)pthread_mutex_unlock(&g->lock);
    return s;
}

static void exchange_sets(struct guardrails *g, struct guardrail_set *take)
{
    (void)pthread_mutex_lock(&g->lock);
    struct guardrail_set *old = g->current;
    g->current = take;
    (void)pthread_mutex_unlock(&g->lock);
    guardrail_set_drop(&old);
}

enum err guardrails_overlay(struct guardrails *g, const cJSON *tree, struct note *note)
{
    CLEANUP(guardrail_set_drop) struct guardrail_set *under = guardrails_hold(g);
    struct guardrail_set *set = NULL;
    enum err e = make_set(under, tree, &set, note);
    if (e == OK)
        exchange_sets(g, set);
    return e;
}

void guardrails_forget(struct guardrails *g)
{
    exchange_sets(g, hold(g->base));
}
