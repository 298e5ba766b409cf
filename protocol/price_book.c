/* price_book.c: the price files in memory, and the walk from a name to one figure.
 *
 * A figure is kept as a whole number of 10^-18 USD per single unit. "Per million tokens" costs nothing on the way: a
 * figure with at most 12 decimals per million is a whole number per token, and the loader refuses more. Factors are
 * applied to the figure and must leave it whole, so that every line of a bill is a count times a whole number.
 *
 * Damage in the data must be seen when it is loaded, not when a bill is wrong: unknown members, sources, scopes and
 * dimensions, doubled ids and aliases that lead nowhere are refused.
 */
#include "protocol/price_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/data.h"

enum { PER_MILLION_DECIMALS = 12, DATE_LENGTH = 10, FIGURES_MAX = 64, NAME_MAX_LENGTH = 2048 };

static const char *const dimension_names[PRICE_DIMENSIONS] = {
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "output_audio",
    "image",
    "input_image",
    "video_second",
    "input_video_second",
    "input_audio_second",
    "query",
    "provisioned_hour",
    "guardrail_content",
    "guardrail_content_image",
    "guardrail_topic",
    "guardrail_word",
    "guardrail_sensitive",
    "guardrail_sensitive_free",
    "guardrail_grounding",
    "guardrail_reasoning",
};

static const char guardrails[] = "bedrock.guardrails"; /* the row that holds the guardrail policies */

const char *price_dimension_name(enum price_dimension d)
{
    return dimension_names[d];
}

bool price_dimension_named(const char *name, size_t length, enum price_dimension *out)
{
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++)
        if (strlen(dimension_names[d]) == length && memcmp(dimension_names[d], name, length) == 0) {
            *out = (enum price_dimension)d;
            return true;
        }
    return false;
}

struct price_figure {
    enum price_dimension dimension;
    const char *variant; /* NULL: none */
    struct money each;
};

struct price_entry {
    const char *scope, *from, *until, *source, *tier;
    bool unverified, tokens; /* tokens: prices at least one kind of token */
    struct price_figure *figures;
    size_t count;
};

struct price_model {
    const char *id;
    const cJSON *also;
    struct price_entry *entries;
    size_t count;
};

struct price_name {
    const char *name;
    size_t model;
};

struct price_book {
    cJSON *data, *rules, *aliases; /* own every string */
    struct price_model *models;
    size_t count;
    struct price_name *names; /* ids, their other spellings, aliases; sorted */
    size_t name_count;
    const struct price_model *guardrails;
};

/* ---- loading ---- */

static enum err load_figure(const cJSON *item, bool per_million, struct price_entry *e, const char *where,
                            struct note *note)
{
    const char *colon = strchr(item->string, ':');
    size_t length = colon != NULL ? (size_t)(colon - item->string) : strlen(item->string);
    struct price_figure *f = &e->figures[e->count];
    if (!price_dimension_named(item->string, length, &f->dimension) || (f->dimension < PRICE_TOKENS) != per_million ||
        (per_million && colon != NULL))
        return note_set(note, ERR_INVALID, "%s: \"%s\" is not a dimension that is priced %s", where, item->string,
                        per_million ? "per million" : "per unit");
    int scale = per_million ? PER_MILLION_DECIMALS : MONEY_DECIMALS;
    if (!cJSON_IsString(item) || decimal_parse(item->valuestring, scale, &f->each.atto_usd) != OK ||
        f->each.atto_usd < 0)
        return note_set(note, ERR_INVALID, "%s: the price of %s is not a decimal of at most %d places, as a string",
                        where, item->string, scale);
    f->variant = colon != NULL ? colon + 1 : NULL;
    e->tokens = e->tokens || per_million;
    e->count++;
    return OK;
}

static enum err load_figures(const cJSON *row, struct price_entry *e, const char *where, struct note *note)
{
    const cJSON *tables[] = {json_member(row, "per_unit"), json_member(row, "per_million")};
    size_t n = (size_t)cJSON_GetArraySize(tables[0]) + (size_t)cJSON_GetArraySize(tables[1]);
    if (n == 0 || n > FIGURES_MAX)
        return note_set(note, ERR_INVALID, "%s: an entry has no figures, or more than %d", where, FIGURES_MAX);
    e->figures = calloc(n, sizeof *e->figures);
    if (e->figures == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (const cJSON *item = tables[t] == NULL ? NULL : tables[t]->child; item != NULL; item = item->next) {
            enum err err = load_figure(item, t == 1, e, where, note);
            if (err != OK)
                return err;
        }
    return OK;
}

static bool is_date(const char *d)
{
    static const char form[] = "dddd-dd-dd";
    for (size_t i = 0; i < DATE_LENGTH; i++)
        if (form[i] == 'd' ? d[i] < '0' || d[i] > '9' : d[i] != form[i])
            return false;
    return d[DATE_LENGTH] == '\0' && strncmp(d + 5, "00", 2) != 0 && strncmp(d + 5, "12", 2) <= 0 &&
           strncmp(d + 8, "00", 2) != 0 && strncmp(d + 8, "31", 2) <= 0;
}

static const char *geography_named(const struct price_book *book, const char *name, size_t length)
{
    const cJSON *g;
    cJSON_ArrayForEach(g, json_member(book->rules, "geographies"))
    {
        if (strlen(g->valuestring) == length && memcmp(g->valuestring, name, length) == 0)
            return g->valuestring;
    }
    return NULL;
}

static bool is_scope(const struct price_book *book, const char *scope)
{
    return strcmp(scope, "*") == 0 || strcmp(scope, "regional") == 0 ||
           geography_named(book, scope, strlen(scope)) != NULL ||
           json_member(json_member(book->rules, "regions"), scope) != NULL;
}

static enum err load_entry(const struct price_book *book, const cJSON *row, struct price_entry *e, const char *where,
                           struct note *note)
{
    static const char *const known[] = {"scope",  "tier",     "from",        "until",
                                        "source", "verified", "per_million", "per_unit"};
    bool verified = true;
    enum err err = json_only_keys(row, known, COUNT_OF(known), where, note);
    if (err == OK)
        err = json_get_string(row, "scope", where, &e->scope, note);
    if (err == OK)
        err = json_get_string(row, "source", where, &e->source, note);
    if (err == OK)
        err = json_opt_string(row, "from", where, &e->from, note);
    if (err == OK)
        err = json_opt_string(row, "until", where, &e->until, note);
    if (err == OK)
        err = json_opt_string(row, "tier", where, &e->tier, note);
    if (err == OK)
        err = json_opt_bool(row, "verified", where, &verified, note);
    if (err != OK)
        return err;
    e->unverified = !verified;
    if (!is_scope(book, e->scope))
        return note_set(note, ERR_UNKNOWN, "%s: \"%s\" is neither a region nor a geography", where, e->scope);
    if (price_book_source(book, e->source) == NULL)
        return note_set(note, ERR_UNKNOWN, "%s: the source \"%s\" is not listed", where, e->source);
    if ((e->from != NULL && !is_date(e->from)) || (e->until != NULL && !is_date(e->until)))
        return note_set(note, ERR_INVALID, "%s: a date is not YYYY-MM-DD", where);
    return load_figures(row, e, where, note);
}

/* Every item of a list or object is of one type; an absent one has none. */
static enum err all_are(const cJSON *list, cJSON_bool (*is)(const cJSON *item), const char *where, const char *what, struct note *note)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (!is(item))
            return note_set(note, ERR_INVALID, "%s: expected %s", where, what);
    }
    return OK;
}

static enum err load_model(const struct price_book *book, const cJSON *row, struct price_model *m, struct note *note)
{
    cJSON *prices;
    enum err e = json_get_string(row, "id", "/models", &m->id, note);
    if (e == OK)
        e = json_get_array(row, "prices", m->id, &prices, note);
    if (e != OK)
        return e;
    m->also = json_member(row, "also");
    e = all_are(m->also, cJSON_IsString, m->id, "other spellings as strings", note);
    if (e != OK)
        return e;
    m->entries = calloc((size_t)cJSON_GetArraySize(prices) + 1, sizeof *m->entries);
    if (m->entries == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    const cJSON *price;
    cJSON_ArrayForEach(price, prices)
    {
        e = load_entry(book, price, &m->entries[m->count++], m->id, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err load_models(struct price_book *book, struct note *note)
{
    cJSON *rows;
    enum err e = json_get_array(book->data, "models", "", &rows, note);
    if (e != OK)
        return e;
    book->models = calloc((size_t)cJSON_GetArraySize(rows) + 1, sizeof *book->models);
    if (book->models == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        e = load_model(book, row, &book->models[book->count++], note);
        if (e != OK)
            return e;
        if (strcmp(book->models[book->count - 1].id, guardrails) == 0)
            book->guardrails = &book->models[book->count - 1];
    }
    return OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct price_name *)a)->name, ((const struct price_name *)b)->name);
}

static const struct price_name *name_find(const struct price_book *book, const char *name)
{
    const struct price_name key = {name, 0};
    return bsearch(&key, book->names, book->name_count, sizeof *book->names, by_name);
}

static enum err sort_names(struct price_book *book, struct note *note)
{
    qsort(book->names, book->name_count, sizeof *book->names, by_name);
    for (size_t i = 1; i < book->name_count; i++)
        if (strcmp(book->names[i - 1].name, book->names[i].name) == 0)
            return note_set(note, ERR_INVALID, "the name %s is there twice", book->names[i].name);
    return OK;
}

static enum err index_aliases(struct price_book *book, const cJSON *aliases, struct note *note)
{
    size_t ids = book->name_count;
    const cJSON *alias;
    cJSON_ArrayForEach(alias, aliases)
    {
        const char *name = NULL, *id = NULL;
        enum err e = json_get_string(alias, "name", "/aliases", &name, note);
        if (e == OK)
            e = json_get_string(alias, "id", "/aliases", &id, note);
        if (e != OK)
            return e;
        const struct price_name key = {id, 0};
        const struct price_name *to = bsearch(&key, book->names, ids, sizeof *book->names, by_name);
        if (to == NULL)
            return note_set(note, ERR_UNKNOWN, "the alias %s leads to %s, which no model has", name, id);
        book->names[book->name_count++] = (struct price_name){name, to->model};
    }
    return sort_names(book, note);
}

static enum err index_names(struct price_book *book, struct note *note)
{
    cJSON *aliases;
    enum err e = json_get_array(book->aliases, "aliases", "", &aliases, note);
    if (e != OK)
        return e;
    size_t n = book->count + (size_t)cJSON_GetArraySize(aliases);
    for (size_t i = 0; i < book->count; i++)
        n += (size_t)cJSON_GetArraySize(book->models[i].also);
    book->names = calloc(n + 1, sizeof *book->names);
    if (book->names == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < book->count; i++)
        for (size_t s = 0; price_book_id(book, i, s) != NULL; s++)
            book->names[book->name_count++] = (struct price_name){price_book_id(book, i, s), i};
    e = sort_names(book, note);
    return e == OK ? index_aliases(book, aliases, note) : e;
}

static enum err check_rules(const cJSON *rules, struct note *note)
{
    cJSON *geographies = NULL, *regions = NULL, *tiers = NULL;
    enum err e = json_opt_array(rules, "geographies", "", &geographies, note);
    if (e == OK)
        e = json_opt_object(rules, "regions", "", &regions, note);
    if (e == OK)
        e = json_opt_object(rules, "tiers", "", &tiers, note);
    if (e == OK)
        e = all_are(geographies, cJSON_IsString, "/geographies", "strings", note);
    if (e == OK)
        e = all_are(regions, cJSON_IsString, "/regions", "geographies as strings", note);
    return e == OK ? all_are(tiers, cJSON_IsObject, "/tiers", "objects", note) : e;
}

struct price_book *price_book_parse(struct span models, struct span rules, struct span aliases, struct note *note)
{
    struct price_book *book = calloc(1, sizeof *book);
    enum err e = book == NULL ? note_set(note, ERR_NOMEM, "out of memory") : OK;
    if (e == OK)
        e = json_parse(rules, JSON_UNIQUE, &book->rules, note);
    if (e == OK)
        e = check_rules(book->rules, note);
    if (e == OK)
        e = json_parse(aliases, JSON_UNIQUE, &book->aliases, note);
    if (e == OK)
        e = json_parse(models, JSON_UNIQUE, &book->data, note);
    if (e == OK)
        e = load_models(book, note);
    if (e == OK)
        e = index_names(book, note);
    if (e == OK)
        return book;
    note_prefix(note, "fixtures/prices");
    price_book_free(book);
    return NULL;
}

struct price_book *price_book_load(struct note *note)
{
    struct span models, rules, aliases;
    if (data_load("fixtures/prices/models.json", &models, note) != OK ||
        data_load("fixtures/prices/rules.json", &rules, note) != OK ||
        data_load("fixtures/prices/aliases.json", &aliases, note) != OK)
        return NULL;
    return price_book_parse(models, rules, aliases, note);
}

void price_book_free(struct price_book *book)
{
    if (book == NULL)
        return;
    for (size_t i = 0; i < book->count; i++) {
        for (size_t e = 0; e < book->models[i].count; e++)
            free(book->models[i].entries[e].figures);
        free(book->models[i].entries);
    }
    free(book->models);
    free(book->names);
    json_free(&book->data);
    json_free(&book->rules);
    json_free(&book->aliases);
    free(book);
}

size_t price_book_models(const struct price_book *book)
{
    return book->count;
}

size_t price_book_figures(const struct price_book *book)
{
    size_t n = 0;
    for (size_t i = 0; i < book->count; i++)
        for (size_t e = 0; e < book->models[i].count; e++)
            n += book->models[i].entries[e].count;
    return n;
}

const char *price_book_source(const struct price_book *book, const char *key)
{
    return json_str(json_member(json_member(book->data, "sources"), key), "what");
}

const char *price_book_id(const struct price_book *book, size_t model, size_t spelling)
{
    if (model >= book->count)
        return NULL;
    if (spelling == 0)
        return book->models[model].id;
    const cJSON *also = cJSON_GetArrayItem(book->models[model].also, (int)spelling - 1);
    return cJSON_IsString(also) ? also->valuestring : NULL;
}

const cJSON *price_book_geographies(const struct price_book *book)
{
    return json_member(book->rules, "geographies");
}

/* ---- from a name to a place ---- */

static const char *nearest_key(const char *word, const cJSON *object)
{
    const char *known[128];
    size_t n = 0;
    for (const cJSON *m = object == NULL ? NULL : object->child; m != NULL && n < COUNT_OF(known); m = m->next)
        known[n++] = m->string;
    return nearest_word(word, known, n);
}

static enum err find_region(const struct price_book *book, const char *name, const char **out, struct note *note)
{
    const cJSON *regions = json_member(book->rules, "regions");
    const cJSON *region = json_member(regions, name);
    if (region != NULL) {
        *out = region->string;
        return OK;
    }
    const char *nearest = nearest_key(name, regions);
    return note_set(note, ERR_UNKNOWN, "the region %s is not known%s%s", name,
                    nearest != NULL ? "; the nearest is " : "", nearest != NULL ? nearest : "");
}

bool price_book_knows_region(const struct price_book *book, const char *region)
{
    return json_member(json_member(book->rules, "regions"), region) != NULL;
}

/* The model part of an ARN, and its region. */
static enum err split_arn(const struct price_book *book, const char *arn, const char **id, const char **region,
                          struct note *note)
{
    static const char *const kinds[] = {"foundation-model/", "inference-profile/"};
    struct span rest = span_of(arn), field[6];
    for (size_t i = 0; i < COUNT_OF(field); i++)
        if (i < 5 ? !span_split(rest, ':', &field[i], &rest) : (field[i] = rest, false))
            return note_set(note, ERR_SYNTAX, "%s is no ARN: it has fewer than six fields", arn);
    if (*region == NULL && field[3].n > 0) {
        char name[32];
        (void)snprintf(name, sizeof name, "%.*s", (int)(field[3].n < 31 ? field[3].n : 31), (const char *)field[3].p);
        enum err e = find_region(book, name, region, note);
        if (e != OK)
            return e;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (span_has_prefix(field[5], kinds[i])) {
            *id = (const char *)field[5].p + strlen(kinds[i]);
            return OK;
        }
    return note_set(note, ERR_UNKNOWN, "%s does not say which model it is; a map of names can tell (--map)", arn);
}

/* "bedrock/converse/ID" and "bedrock/REGION/ID", as proxies spell it. */
static const char *strip_route(const struct price_book *book, const char *name, const char **region)
{
    static const char *const routes[] = {"converse/", "invoke/", "converse_like/"};
    if (strncmp(name, "bedrock/", 8) != 0)
        return name;
    name += 8;
    for (size_t i = 0; i < COUNT_OF(routes); i++)
        if (strncmp(name, routes[i], strlen(routes[i])) == 0)
            name += strlen(routes[i]);
    const char *slash = strchr(name, '/');
    const cJSON *r;
    cJSON_ArrayForEach(r, json_member(book->rules, "regions"))
    {
        size_t n = strlen(r->string);
        if (slash == name + n && strncmp(name, r->string, n) == 0) {
            *region = *region == NULL ? r->string : *region;
            return slash + 1;
        }
    }
    return name;
}

static enum err unknown_model(const struct price_book *book, const char *id, struct note *note)
{
    const char **known = calloc(book->name_count + 1, sizeof *known);
    for (size_t i = 0; known != NULL && i < book->name_count; i++)
        known[i] = book->names[i].name;
    const char *nearest = known == NULL ? NULL : nearest_word(id, known, book->name_count);
    enum err e = note_set(note, ERR_UNKNOWN, "no price is known for the model %s%s%s", id,
                          nearest != NULL ? "; the nearest id is " : "", nearest != NULL ? nearest : "");
    free(known);
    return e;
}

static enum err find_model(const struct price_book *book, const struct price_query *q, struct price_place *out,
                           struct note *note)
{
    const char *id = q->model, *mapped = json_str(q->map, q->model);
    if (strlen(id) > NAME_MAX_LENGTH)
        return note_set(note, ERR_LIMIT, "the name of the model is longer than %d bytes", NAME_MAX_LENGTH);
    id = strip_route(book, mapped != NULL ? mapped : id, &out->region);
    if (strncmp(id, "arn:", 4) == 0) {
        enum err e = split_arn(book, id, &id, &out->region, note);
        if (e != OK)
            return e;
    }
    const struct price_name *name = name_find(book, id);
    const char *dot = strchr(id, '.');
    if (name == NULL && dot != NULL) {
        out->geography = geography_named(book, id, (size_t)(dot - id));
        name = out->geography == NULL ? NULL : name_find(book, dot + 1);
    }
    if (name == NULL)
        return unknown_model(book, out->geography != NULL ? dot + 1 : id, note);
    out->model = &book->models[name->model];
    out->id = out->model->id;
    return OK;
}

static enum err find_date(const char *date, struct price_place *out, struct note *note)
{
    time_t now = time(NULL);
    struct tm utc;
    char today[64] = "";
    if (date == NULL && gmtime_r(&now, &utc) != NULL && strftime(today, sizeof today, "%Y-%m-%d", &utc) > 0)
        date = today;
    if (date == NULL || !is_date(date))
        return note_set(note, ERR_INVALID, "the date %s is not of the form YYYY-MM-DD", date == NULL ? "" : date);
    memcpy(out->date, date, DATE_LENGTH + 1);
    return OK;
}

static enum err find_tier(const struct price_book *book, const char *asked, struct price_place *out, struct note *note)
{
    const char *tier = asked == NULL ? "on-demand" : asked; /* which a book need not have */
    const cJSON *rows = json_member(book->rules, "tiers");
    const cJSON *row = json_member(rows, tier);
    if (row == NULL) {
        const char *nearest = nearest_key(tier, rows);
        return note_set(note, ERR_UNKNOWN, "no price is known for the tier %s%s%s", tier,
                        nearest != NULL ? "; the nearest is " : "; known: on-demand, batch, flex, priority",
                        nearest != NULL ? nearest : "");
    }
    out->tier = row->string;
    out->factor_verified = cJSON_IsTrue(json_member(row, "verified"));
    out->factor_source = json_str(row, "source");
    const char *factor = json_str(row, "factor");
    if (factor != NULL && decimal_parse(factor, 3, &out->factor) != OK)
        return note_set(note, ERR_INVALID, "the factor of the tier %s is not a decimal of three places", out->tier);
    return OK;
}

enum err price_find(const struct price_book *book, const struct price_query *query, struct price_place *out,
                    struct note *note)
{
    *out = (struct price_place){.allow_unverified = query->allow_unverified};
    enum err e = find_date(query->date, out, note);
    if (e == OK && query->region != NULL)
        e = find_region(book, query->region, &out->region, note);
    if (e == OK)
        e = find_tier(book, query->tier, out, note);
    return e == OK ? find_model(book, query, out, note) : e;
}

/* ---- from a place to a figure ---- */

static bool holds_on(const struct price_entry *e, const struct price_place *p, const char *scope, bool own_tier)
{
    bool tier = own_tier ? e->tier != NULL && strcmp(e->tier, p->tier) == 0 : e->tier == NULL;
    return tier && strcmp(e->scope, scope) == 0 && (e->from == NULL || strcmp(p->date, e->from) >= 0) &&
           (e->until == NULL || strcmp(p->date, e->until) < 0);
}

static const struct price_figure *figure_of(const struct price_entry *e, enum price_dimension d, const char *variant)
{
    for (size_t i = 0; i < e->count; i++) {
        const struct price_figure *f = &e->figures[i];
        if (f->dimension == d && (variant == NULL) == (f->variant == NULL) &&
            (variant == NULL || strcmp(variant, f->variant) == 0))
            return f;
    }
    return NULL;
}

/* The scopes to try, narrowest first; returns how many. */
static size_t scopes_of(const struct price_place *p, const char *out[4])
{
    size_t n = 0;
    bool global = p->geography != NULL && strcmp(p->geography, "global") == 0;
    if (p->region != NULL && !global)
        out[n++] = p->region;
    if (p->geography != NULL)
        out[n++] = p->geography;
    if (!global)
        out[n++] = "regional";
    out[n++] = "*";
    return n;
}

static const struct price_figure *find_figure(const struct price_model *m, const struct price_place *p,
                                              enum price_dimension d, const char *variant, bool own_tier,
                                              const struct price_entry **entry)
{
    const char *scopes[4];
    size_t n = scopes_of(p, scopes);
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < m->count; i++) {
            const struct price_entry *e = &m->entries[i];
            if (!holds_on(e, p, scopes[s], own_tier))
                continue;
            const struct price_figure *f = figure_of(e, d, variant);
            if (f != NULL)
                *entry = e;
            if (f != NULL || (d < PRICE_TOKENS && e->tokens))
                return f;
        }
    return NULL;
}

static enum err no_figure(const struct price_model *m, const struct price_place *p, enum price_dimension d,
                          const char *variant, struct note *note)
{
    char known[256] = "";
    for (size_t i = 0; i < m->count; i++)
        for (size_t k = 0; k < m->entries[i].count; k++) {
            const struct price_figure *f = &m->entries[i].figures[k];
            size_t used = strlen(known);
            if (f->dimension == d && f->variant != NULL && strstr(known, f->variant) == NULL)
                (void)snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "; known are ", f->variant);
        }
    return note_set(note, ERR_UNKNOWN, "%s has no price for %s%s%s%s on %s%s", m->id, dimension_names[d],
                    variant != NULL ? " of the kind " : "", variant != NULL ? variant : "",
                    m->count == 0 ? " (no figure for this model has a public source)" : "", p->date, known);
}

static enum err apply_factor(const struct price_place *p, enum price_dimension d, struct price_rate *out,
                             struct note *note)
{
    if (d >= PRICE_PROVISIONED_HOUR || p->factor == 1000)
        return OK;
    if (p->factor == 0)
        return note_set(note, ERR_UNKNOWN, "no price is known for the tier %s: %s", p->tier, p->factor_source);
    if (d >= PRICE_TOKENS)
        return note_set(note, ERR_UNKNOWN, "no price is known for %s at the tier %s", dimension_names[d], p->tier);
    if (!p->factor_verified && !p->allow_unverified)
        return note_set(note, ERR_UNKNOWN,
                        "the factor of the tier %s is not confirmed (%s); --allow-unverified takes it", p->tier,
                        p->factor_source);
    price_int scaled;
    if (__builtin_mul_overflow(out->each.atto_usd, p->factor, &scaled) || scaled % 1000 != 0)
        return note_set(note, ERR_LIMIT, "%s: the price times its factor has too many digits", dimension_names[d]);
    out->each.atto_usd = scaled / 1000;
    out->verified = out->verified && p->factor_verified;
    return OK;
}

enum err price_rate_at(const struct price_book *book, const struct price_place *place, enum price_dimension d,
                       const char *variant, struct price_rate *out, struct note *note)
{
    const struct price_entry *entry = NULL;
    const struct price_model *m = d >= PRICE_GUARDRAIL_CONTENT ? book->guardrails : place->model;
    if (m == NULL)
        return note_set(note, ERR_UNKNOWN, "the data has no row %s", guardrails);
    const struct price_figure *own = find_figure(m, place, d, variant, true, &entry);
    const struct price_figure *f = own != NULL ? own : find_figure(m, place, d, variant, false, &entry);
    if (f == NULL)
        return no_figure(m, place, d, variant, note);
    if (entry->unverified && !place->allow_unverified)
        return note_set(note, ERR_UNKNOWN,
                        "the price of %s for %s has only one source (%s); --allow-unverified takes it",
                        dimension_names[d], m->id, price_book_source(book, entry->source));
    *out = (struct price_rate){f->each, entry->scope, entry->source, !entry->unverified};
    return own != NULL ? OK : apply_factor(place, d, out, note);
}
