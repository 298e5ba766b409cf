/* schema_sample.c: the smallest value that pleases a schema, with names that a person recognises.
 *
 * All properties are given, required or not, as models mostly do; optional ones are left out only below
 * SCHEMA_SAMPLE_DEPTH or when a schema refers to itself. Numbers stay inside their bounds, strings inside their
 * lengths.
 */
#include "mock/model/schema_sample.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "mock/model/pattern_sample.h"

#define NO_BOUND      ((double)NAN)
#define TOLD_WITHIN   8192 /* bytes of a description that is read; SDKs write less */
#define LIST_MAX      64   /* items of a list */

struct sampler {
    const cJSON *root;
    const char *hint;
    struct rng *rng;
    size_t nodes, bytes, steps; /* values made; bytes and steps left */
    bool differ; /* inside of a list whose items must */
    size_t nth;  /* and so many of them came before */
};

static cJSON *sample(struct sampler *s, const cJSON *schema, const char *name, unsigned depth);

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* ---- what a schema demands ---- */

/* Structured output of Converse knows no bounds, and Claude's no patterns either. SDKs take them out of the schema and put
 * them, for the model to read, at the end of the description: "minimum: 3; max length: 7; pattern: ^a$." (AI SDK),
 * "{minimum: 3}" (Anthropic's own), "the age (minimum=3, maxLength=7)" (pydantic-ai).
 */
static bool told_as(const char *text, const char *words, struct span *value)
{
    const char *at = strstr(text, words);
    while (at != NULL && at != text && strchr("\n{(", at[-1]) == NULL &&
           (at - text < 2 || at[-1] != ' ' || strchr(";,", at[-2]) == NULL))
        at = strstr(at + 1, words);
    if (at == NULL)
        return false;
    at += strlen(words);
    const char *end = strstr(at, "; ");
    *value = (struct span){(const unsigned char *)at, end == NULL ? strlen(at) : (size_t)(end - at)};
    if (end == NULL && value->n > 0 && strchr(".}", at[value->n - 1]) != NULL)
        value->n--;
    return true;
}

static bool told(const cJSON *schema, const char *key, struct span *value)
{
    const cJSON *description = member(schema, "description");
    char words[40], same[40];
    size_t n = 0;
    for (const char *c = key; *c != '\0' && n + 4 < sizeof words; c++) {
        if (isupper((unsigned char)*c))
            words[n++] = ' ';
        words[n++] = (char)tolower((unsigned char)*c);
    }
    (void)snprintf(words + n, sizeof words - n, ": ");
    (void)snprintf(same, sizeof same, "%s=", key);
    return cJSON_IsString(description) && strnlen(description->valuestring, TOLD_WITHIN) < TOLD_WITHIN &&
           (told_as(description->valuestring, words, value) || told_as(description->valuestring, same, value));
}

static double number_of(const cJSON *schema, const char *key, double otherwise)
{
    const cJSON *item = member(schema, key);
    struct span value;
    if (item == NULL && told(schema, key, &value)) {
        char *end;
        double v = strtod((const char *)value.p, &end);
        return end == (const char *)value.p || !isfinite(v) ? otherwise : v;
    }
    return cJSON_IsNumber(item) && isfinite(item->valuedouble) ? item->valuedouble : otherwise;
}

static size_t size_of(const cJSON *schema, const char *key, size_t otherwise)
{
    double v = number_of(schema, key, -1);
    return v >= 0 && v < 100000 ? (size_t)v : otherwise;
}

static const cJSON *resolve(const struct sampler *s, const cJSON *schema)
{
    for (int hops = 0; hops < 16; hops++) {
        const cJSON *ref = member(schema, "$ref");
        if (!cJSON_IsString(ref) || ref->valuestring[0] != '#')
            return schema;
        const cJSON *target = json_at(s->root, ref->valuestring + 1);
        if (target == NULL)
            return schema;
        schema = target;
    }
    return schema;
}

static cJSON *sample_boolean(struct sampler *s, const cJSON *schema, const char *name, unsigned depth)
{
    (void)s, (void)schema, (void)name, (void)depth;
    return cJSON_CreateTrue();
}

static cJSON *sample_null(struct sampler *s, const cJSON *schema, const char *name, unsigned depth)
{
    (void)s, (void)schema, (void)name, (void)depth;
    return cJSON_CreateNull();
}

/* A step from the lower bound, or the bound itself when there is no room. */
static double number_within(struct sampler *s, const cJSON *schema, double step)
{
    double low = number_of(schema, "minimum", NO_BOUND), high = number_of(schema, "maximum", NO_BOUND);
    double above = number_of(schema, "exclusiveMinimum", NO_BOUND),
           below = number_of(schema, "exclusiveMaximum", NO_BOUND);
    double multiple = number_of(schema, "multipleOf", 0);
    if (multiple > 0)
        step = multiple;
    if (!isnan(above) && (isnan(low) || above >= low))
        low = above + step;
    if (!isnan(below) && (isnan(high) || below <= high))
        high = below - step;
    double first = !isnan(low) ? low : 1 + (s->differ ? 0 : (double)rng_below(s->rng, 9) * step);
    double v = first + (double)s->nth * step;
    if (!isnan(high) && v > high && s->nth > 0)
        v = high - (double)s->nth * step;
    if (!isnan(high) && v > high)
        v = high;
    double multiplied = isnan(low) && isnan(high) ? multiple * (double)(s->nth + 1) : ceil(v / multiple) * multiple;
    return multiple > 0 && isfinite(multiplied) ? multiplied : v;
}

static cJSON *sample_integer(struct sampler *s, const cJSON *schema, const char *name, unsigned depth)
{
    (void)name, (void)depth;
    return cJSON_CreateNumber(ceil(number_within(s, schema, 1)));
}

static cJSON *sample_number(struct sampler *s, const cJSON *schema, const char *name, unsigned depth)
{
    (void)name, (void)depth;
    double low = number_of(schema, "exclusiveMinimum", NO_BOUND),
           high = number_of(schema, "exclusiveMaximum", NO_BOUND);
    if (!isnan(low) && !isnan(high) && high - low <= 2)
        return cJSON_CreateNumber((low + high) / 2);
    return cJSON_CreateNumber(number_within(s, schema, isnan(high) || high > 1 ? 0.5 : high / 2));
}

/* Of a list whose items must differ, the nth has another number between the head and the tail. */
static bool add_format(const struct sampler *s, const cJSON *schema, struct buf *out)
{
    static const struct {
        const char *format, *head, *tail;
        int digits, first; /* of the number; -1: the first text has none */
    } rows[] = {
        {"date-time", "20", "-01-02T03:04:05Z", 2, 26},
        {"date", "20", "-01-02", 2, 26},
        {"time", "03:", ":05Z", 2, 4},
        {"duration", "PT", "M", 1, 15},
        {"email", "ada", "@example.com", 1, -1},
        {"idn-email", "ada", "@example.com", 1, -1},
        {"uri", "https://example.com/page", "", 1, -1},
        {"url", "https://example.com/page", "", 1, -1},
        {"uri-reference", "/page", "", 1, -1},
        {"hostname", "", "example.com", 1, -1},
        {"ipv4", "192.0.2.", "", 1, 1},
        {"ipv6", "2001:db8::", "", 1, 1},
        {"uuid", "123e4567-e89b-42d3-a456-4266141740", "", 2, 0},
        {"json-pointer", "/a/b", "", 1, -1},
        {"regex", "^[a-z]+", "$", 1, -1},
        {"byte", "aGVs", "bG8=", 4, -1},
    };
    const cJSON *format = member(schema, "format");
    for (size_t i = 0; cJSON_IsString(format) && i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].format, format->valuestring) != 0)
            continue;
        buf_adds(out, rows[i].head);
        if (rows[i].first >= 0 || s->nth > 0)
            buf_addf(out, "%0*zu", rows[i].digits, rows[i].first >= 0 ? (size_t)rows[i].first + s->nth : s->nth + 1);
        buf_adds(out, rows[i].tail);
        return true;
    }
    return false;
}

/* Words people give their parameters, so that a demo reads well. */
static const char *name_text(const char *name)
{
    static const char *const rows[][2] = {
        {"city", "Paris"},
        {"location", "Paris"},
        {"country", "France"},
        {"unit", "celsius"},
        {"name", "Ada"},
        {"language", "English"},
        {"currency", "EUR"},
        {"date", "2026-01-02"},
        {"email", "ada@example.com"},
        {"url", "https://example.com/page"},
        {"path", "/tmp/example.txt"},
        {"timezone", "Europe/Paris"},
        {"id", "item-1"},
    };
    for (size_t i = 0; name != NULL && i < COUNT_OF(rows); i++)
        if (strcasecmp(rows[i][0], name) == 0)
            return rows[i][1];
    return NULL;
}

/* False: no pattern, or none that we understand. */
static bool add_patterned(struct sampler *s, const cJSON *schema, struct buf *out)
{
    const cJSON *pattern = member(schema, "pattern");
    struct span value = span_of(cJSON_IsString(pattern) ? pattern->valuestring : NULL);
    if (value.n == 0 && !told(schema, "pattern", &value))
        return false;
    CLEANUP(free_ptr) char *text = span_dup(span_cut(value, 0, SCHEMA_SAMPLE_BYTES));
    return text != NULL && pattern_sample(text, size_of(schema, "minLength", 0), s->nth, &s->steps, out);
}

/* So many more bytes; false: they are too many. */
static bool spend(struct sampler *s, size_t bytes)
{
    bool enough = bytes <= s->bytes;
    s->bytes -= enough ? bytes : s->bytes;
    return enough;
}

static cJSON *sample_string(struct sampler *s, const cJSON *schema, const char *name, unsigned depth)
{
    (void)depth;
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    if (add_format(s, schema, &out) || add_patterned(s, schema, &out))
        return cJSON_CreateString(spend(s, out.len) ? buf_text(&out) : "");
    const char *text = name_text(name);
    if (text == NULL)
        text = s->hint != NULL && s->hint[0] != '\0' ? s->hint : name != NULL ? name : "example";
    size_t low = size_of(schema, "minLength", 0), high = size_of(schema, "maxLength", 80);
    struct span whole = span_of(text);
    size_t n = whole.n < high ? whole.n : high;
    while (n > 0 && n < whole.n && (whole.p[n] & 0xc0) == 0x80)
        n--; /* never inside a character */
    buf_add(&out, span_cut(whole, 0, n));
    if (s->nth > 0 && n + 4 < high)
        buf_addf(&out, " %zu", s->nth + 1);
    if (!spend(s, out.len > low ? out.len : low))
        return cJSON_CreateString("");
    while (out.len < low && buf_error(&out) == OK)
        buf_addc(&out, 'x');
    return cJSON_CreateString(buf_text(&out));
}

static cJSON *sample_array(struct sampler *s, const cJSON *schema, const char *name, unsigned depth)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *items = member(schema, "items"), *prefix = member(schema, "prefixItems"), *row;
    if (cJSON_IsArray(items))
        prefix = items;
    cJSON_ArrayForEach(row, prefix)(void) cJSON_AddItemToArray(list, sample(s, row, name, depth + 1));
    size_t want = size_of(schema, "minItems", 1), most = size_of(schema, "maxItems", want > 1 ? want : 1);
    struct sampler outer = *s;
    for (size_t n = (size_t)cJSON_GetArraySize(list); n < want && n < most && n < LIST_MAX; n++) {
        if (cJSON_IsTrue(member(schema, "uniqueItems"))) {
            s->differ = true;
            s->nth = n;
        }
        (void)cJSON_AddItemToArray(list, sample(s, cJSON_IsObject(items) ? items : NULL, name, depth + 1));
    }
    s->differ = outer.differ;
    s->nth = outer.nth;
    return list;
}

static bool listed(const cJSON *list, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, name) == 0)
            return true;
    }
    return false;
}

static void add_properties(struct sampler *s, const cJSON *schema, cJSON *into, unsigned depth)
{
    const cJSON *property, *required = member(schema, "required");
    cJSON_ArrayForEach(property, member(schema, "properties"))
    {
        bool must = listed(required, property->string);
        if (!must && (depth > SCHEMA_SAMPLE_DEPTH / 4 || s->nodes > SCHEMA_SAMPLE_NODES / 4))
            continue;
        if (member(into, property->string) == NULL)
            (void)cJSON_AddItemToObject(into, property->string, sample(s, property, property->string, depth + 1));
    }
    cJSON_ArrayForEach(property, required)
    {
        if (cJSON_IsString(property) && member(into, property->valuestring) == NULL)
            (void)cJSON_AddStringToObject(into, property->valuestring, property->valuestring);
    }
}

static cJSON *sample_object(struct sampler *s, const cJSON *schema, const char *name, unsigned depth)
{
    (void)name;
    cJSON *object = cJSON_CreateObject();
    const cJSON *part;
    if (object == NULL || depth >= SCHEMA_SAMPLE_DEPTH)
        return object;
    cJSON_ArrayForEach(part, member(schema, "allOf")) add_properties(s, resolve(s, part), object, depth);
    add_properties(s, schema, object, depth);
    return object;
}

/* The word of `type`; of a list the first that is not null; without one what the other keywords mean. */
static const char *type_of(const cJSON *schema)
{
    const cJSON *type = member(schema, "type"), *item;
    if (cJSON_IsString(type))
        return type->valuestring;
    cJSON_ArrayForEach(item, type)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, "null") != 0)
            return item->valuestring;
    }
    if (cJSON_GetArraySize(type) > 0)
        return "null";
    if (member(schema, "properties") != NULL || member(schema, "allOf") != NULL)
        return "object";
    if (member(schema, "items") != NULL)
        return "array";
    return member(schema, "minimum") != NULL || member(schema, "maximum") != NULL ? "number" : "string";
}

/* A value the schema names itself; the caller copies. */
static const cJSON *given_value(const cJSON *schema, size_t nth)
{
    static const char *const keys[] = {"const", "default"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (member(schema, keys[i]) != NULL)
            return member(schema, keys[i]);
    const cJSON *list = member(schema, "enum");
    if (!cJSON_IsArray(list))
        list = member(schema, "examples");
    int count = cJSON_GetArraySize(list);
    return cJSON_IsArray(list) && count > 0 ? cJSON_GetArrayItem(list, (int)(nth % (size_t)count)) : NULL;
}

/* A copy, as long as those are not too much together. */
static size_t weight(const cJSON *tree)
{
    size_t n = sizeof *tree + (cJSON_IsString(tree) ? strlen(tree->valuestring) : 0);
    const cJSON *child;
    cJSON_ArrayForEach(child, tree) n += weight(child);
    return n;
}

static cJSON *copy_given(struct sampler *s, const cJSON *given)
{
    if (spend(s, weight(given)))
        return cJSON_Duplicate(given, true);
    return cJSON_IsString(given) ? cJSON_CreateString("") : cJSON_CreateObject();
}

static const cJSON *first_branch(const cJSON *schema)
{
    static const char *const keys[] = {"anyOf", "oneOf"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const cJSON *branch;
        cJSON_ArrayForEach(branch, member(schema, keys[i]))
        {
            const cJSON *type = member(branch, "type");
            if (!cJSON_IsString(type) || strcmp(type->valuestring, "null") != 0)
                return branch;
        }
    }
    return NULL;
}

/* What stands in allOf is mostly objects, to be joined. But pydantic (before 2.9) puts the $ref of an enum there, alone, when
 * the member has a description of its own. */
static const cJSON *only_part(const struct sampler *s, const cJSON *schema)
{
    const cJSON *parts = member(schema, "allOf"), *part;
    if (member(schema, "properties") != NULL)
        return NULL;
    cJSON_ArrayForEach(part, parts)
    {
        const cJSON *meant = resolve(s, part);
        bool other = member(meant, "type") != NULL && strcmp(type_of(meant), "object") != 0;
        if (other || given_value(meant, 0) != NULL || cJSON_GetArraySize(parts) == 1)
            return meant;
    }
    return NULL;
}

static cJSON *sample(struct sampler *s, const cJSON *schema, const char *name, unsigned depth)
{
    static const struct {
        const char *type;
        cJSON *(*make)(struct sampler *s, const cJSON *schema, const char *name, unsigned depth);
    } rows[] = {{"object", sample_object},   {"array", sample_array},   {"string", sample_string},
                {"integer", sample_integer}, {"number", sample_number}, {"boolean", sample_boolean},
                {"null", sample_null}};
    schema = resolve(s, schema);
    if (++s->nodes > SCHEMA_SAMPLE_NODES || depth > SCHEMA_SAMPLE_DEPTH)
        return cJSON_CreateObject();
    const cJSON *given = given_value(schema, s->nth);
    if (given != NULL)
        return copy_given(s, given);
    const cJSON *branch = first_branch(schema);
    if (branch == NULL)
        branch = only_part(s, schema);
    if (branch != NULL && member(schema, "properties") == NULL)
        return sample(s, branch, name, depth + 1);
    const char *type = type_of(schema);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].type, type) == 0)
            return rows[i].make(s, schema, name, depth);
    return sample_string(s, schema, name, depth);
}

cJSON *schema_sample(const cJSON *schema, const char *hint, struct rng *rng)
{
    struct sampler s = {.root = schema, .hint = hint, .rng = rng, .bytes = SCHEMA_SAMPLE_BYTES, .steps = SCHEMA_SAMPLE_STEPS};
    return sample(&s, schema, NULL, 0);
}
