/* schema.c: a table of keywords, each a function from (schema value, document value) to a verdict.
 *
 * The walk carries the JSON pointer of where it is, so that a complaint can say it. anyOf and oneOf try their branches
 * silently; when none holds, the complaint of the branch that got deepest is the one a person can use.
 */
#include "protocol/schema.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEEPEST = 64, POINTER_MAX = 4096, KEYS_MAX = 128 };

struct walk {
    const cJSON *root;  /* the schema document, for $ref */
    struct buf pointer; /* where in the document */
    struct note *note;
    unsigned depth;
};

static enum err validate(struct walk *w, const cJSON *schema, const cJSON *value);

static const char *place(const struct walk *w)
{
    return w->pointer.len == 0 ? "the document" : buf_text(&w->pointer);
}

static bool has_type(const cJSON *value, const char *type)
{
    int64_t whole;
    if (strcmp(type, "integer") == 0)
        return cJSON_IsNumber(value) && json_int64(value, &whole);
    return strcmp(json_type_name(value), type) == 0;
}

static enum err check_type(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    CLEANUP(buf_release) struct buf wanted = BUF_INIT(256);
    const cJSON *one = cJSON_IsArray(keyword) ? keyword->child : keyword;
    for (; one != NULL; one = cJSON_IsArray(keyword) ? one->next : NULL) {
        if (has_type(value, one->valuestring))
            return OK;
        buf_addf(&wanted, "%s%s", wanted.len > 0 ? " or " : "", one->valuestring);
    }
    return note_set(w->note, ERR_INVALID, "%s: expected %s, found %s", place(w), buf_text(&wanted), json_type_name(value));
}

/* Descend into one member or element with the pointer kept in step. */
static enum err descend(struct walk *w, const cJSON *schema, const cJSON *value, const char *name, size_t index)
{
    size_t mark = w->pointer.len;
    if (name != NULL)
        json_pointer_add(&w->pointer, name);
    else
        json_pointer_add_index(&w->pointer, index);
    enum err e = validate(w, schema, value);
    w->pointer.len = mark;
    if (w->pointer.data != NULL)
        w->pointer.data[mark] = '\0';
    return e;
}

static enum err check_properties(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    if (!cJSON_IsObject(value))
        return OK;
    for (const cJSON *p = keyword->child; p != NULL; p = p->next) {
        const cJSON *member = cJSON_GetObjectItemCaseSensitive(value, p->string);
        enum err e = member == NULL ? OK : descend(w, p, member, p->string, 0);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_required(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    const cJSON *name;
    cJSON_ArrayForEach(name, keyword)
    {
        if (cJSON_IsObject(value) && cJSON_GetObjectItemCaseSensitive(value, name->valuestring) == NULL)
            return note_set(w->note, ERR_INVALID, "%s: \"%s\" is required and absent", place(w), name->valuestring);
    }
    return OK;
}

static enum err refuse_stranger(struct walk *w, const cJSON *properties, const char *name)
{
    const char *known[KEYS_MAX];
    size_t count = 0;
    for (const cJSON *p = properties == NULL ? NULL : properties->child; p != NULL && count < KEYS_MAX; p = p->next)
        known[count++] = p->string;
    const char *nearest = nearest_word(name, known, count);
    return note_set(w->note, ERR_INVALID, "%s: unknown key \"%s\"%s%s%s", place(w), name,
                    nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

static enum err check_additional(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    if (!cJSON_IsObject(value) || cJSON_IsTrue(keyword))
        return OK;
    const cJSON *properties = cJSON_GetObjectItemCaseSensitive(schema, "properties");
    for (const cJSON *member = value->child; member != NULL; member = member->next) {
        if (cJSON_GetObjectItemCaseSensitive(properties, member->string) != NULL)
            continue;
        enum err e = cJSON_IsFalse(keyword) ? refuse_stranger(w, properties, member->string)
                                            : descend(w, keyword, member, member->string, 0);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_items(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    size_t i = 0;
    for (const cJSON *item = cJSON_IsArray(value) ? value->child : NULL; item != NULL; item = item->next) {
        enum err e = descend(w, keyword, item, NULL, i++);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_min_items(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) >= keyword->valueint)
        return OK;
    return note_set(w->note, ERR_INVALID, "%s: expected at least %d items, found %d", place(w), keyword->valueint,
                    cJSON_GetArraySize(value));
}

static enum err check_enum(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    const char *words[KEYS_MAX];
    size_t count = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, keyword)
    {
        if (json_equal(one, value))
            return OK;
        if (cJSON_IsString(one) && count < KEYS_MAX)
            words[count++] = one->valuestring;
    }
    CLEANUP(free_ptr) char *found = json_text(value, JSON_COMPACT);
    CLEANUP(free_ptr) char *known = json_text(keyword, JSON_COMPACT);
    const char *nearest = cJSON_IsString(value) ? nearest_word(value->valuestring, words, count) : NULL;
    return note_set(w->note, ERR_INVALID, "%s: expected one of %.300s, found %.100s%s%s%s", place(w),
                    known == NULL ? "" : known, found == NULL ? "" : found, nearest != NULL ? "; did you mean \"" : "",
                    nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

static enum err check_const(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    if (json_equal(keyword, value))
        return OK;
    CLEANUP(free_ptr) char *wanted = json_text(keyword, JSON_COMPACT);
    return note_set(w->note, ERR_INVALID, "%s: expected %.200s", place(w), wanted == NULL ? "" : wanted);
}

static enum err check_pattern(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    if (!cJSON_IsString(value))
        return OK;
    regex_t re;
    if (regcomp(&re, keyword->valuestring, REG_EXTENDED | REG_NOSUB) != 0)
        return note_set(w->note, ERR_UNSUPPORTED, "%s: the schema's pattern %s does not compile", place(w), keyword->valuestring);
    int miss = regexec(&re, value->valuestring, 0, NULL, 0);
    regfree(&re);
    if (miss == 0)
        return OK;
    return note_set(w->note, ERR_INVALID, "%s: \"%.100s\" does not match %s", place(w), value->valuestring, keyword->valuestring);
}

static enum err check_min_length(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    if (!cJSON_IsString(value) || strlen(value->valuestring) >= (size_t)keyword->valueint)
        return OK;
    return note_set(w->note, ERR_INVALID, "%s: expected at least %d characters", place(w), keyword->valueint);
}

static enum err check_max_length(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    if (!cJSON_IsString(value) || strlen(value->valuestring) <= (size_t)keyword->valueint)
        return OK;
    return note_set(w->note, ERR_INVALID, "%s: expected at most %d characters", place(w), keyword->valueint);
}

static enum err check_minimum(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    if (!cJSON_IsNumber(value) || json_number_compare(value, keyword) >= 0)
        return OK;
    return note_set(w->note, ERR_INVALID, "%s: expected at least %s, found %s", place(w), keyword->valuestring, value->valuestring);
}

static enum err check_maximum(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    if (!cJSON_IsNumber(value) || json_number_compare(value, keyword) <= 0)
        return OK;
    return note_set(w->note, ERR_INVALID, "%s: expected at most %s, found %s", place(w), keyword->valuestring, value->valuestring);
}

/* How many branches hold; the most useful complaint of those that do not stays in the note. */
static unsigned holding_branches(struct walk *w, const cJSON *branches, const cJSON *value)
{
    unsigned holding = 0;
    struct note *outer = w->note, best = {""};
    size_t best_depth = 0;
    const cJSON *branch;
    cJSON_ArrayForEach(branch, branches)
    {
        struct note attempt = {""};
        w->note = &attempt;
        if (validate(w, branch, value) == OK) {
            holding++;
            continue;
        }
        size_t depth = attempt.text[0] == '/' ? strcspn(attempt.text, ":") : 0;
        if (best.text[0] == '\0' || depth > best_depth) {
            best = attempt;
            best_depth = depth;
        }
    }
    w->note = outer;
    if (holding == 0)
        (void)note_set(outer, ERR_INVALID, "%s", best.text);
    return holding;
}

static enum err check_any_of(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    return holding_branches(w, keyword, value) > 0 ? OK : ERR_INVALID;
}

static enum err check_one_of(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    unsigned holding = holding_branches(w, keyword, value);
    if (holding > 1)
        return note_set(w->note, ERR_INVALID, "%s: fits %u forms of which exactly one is allowed", place(w), holding);
    return holding == 1 ? OK : ERR_INVALID;
}

/* Does the value fit, whatever the complaint would be? */
static bool fits(struct walk *w, const cJSON *schema, const cJSON *value)
{
    struct note *outer = w->note, ignored;
    w->note = &ignored;
    enum err e = validate(w, schema, value);
    w->note = outer;
    return e == OK;
}

static enum err check_not(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    if (!fits(w, keyword, value))
        return OK;
    const char *why = json_str(keyword, "description");
    return note_set(w->note, ERR_INVALID, "%s: %s", place(w), why != NULL ? why : "has a form that is not allowed here");
}

static enum err check_if(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    const cJSON *next = cJSON_GetObjectItemCaseSensitive(schema, fits(w, keyword, value) ? "then" : "else");
    return next == NULL ? OK : validate(w, next, value);
}

static enum err check_unique_items(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    if (!cJSON_IsArray(value) || !cJSON_IsTrue(keyword))
        return OK;
    size_t i = 0;
    for (const cJSON *item = value->child; item != NULL; item = item->next, i++)
        for (const cJSON *later = item->next; later != NULL; later = later->next)
            if (json_equal(item, later))
                return note_set(w->note, ERR_INVALID, "%s: item %zu stands there twice", place(w), i);
    return OK;
}

static enum err check_ref(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value)
{
    (void)schema;
    const cJSON *target = keyword->valuestring[0] == '#' ? json_at(w->root, keyword->valuestring + 1) : NULL;
    if (target == NULL)
        return note_set(w->note, ERR_UNSUPPORTED, "the schema refers to %s, which is not in it", keyword->valuestring);
    return validate(w, target, value);
}

static const struct keyword {
    const char *name;
    enum err (*check)(struct walk *w, const cJSON *schema, const cJSON *keyword, const cJSON *value); /* NULL: a remark */
} keywords[] = {
    {"$ref", check_ref},
    {"type", check_type},
    {"const", check_const},
    {"enum", check_enum},
    {"additionalProperties", check_additional}, /* before "required": a misspelt key is the better complaint */
    {"required", check_required},
    {"properties", check_properties},
    {"items", check_items},
    {"minItems", check_min_items},
    {"pattern", check_pattern},
    {"minLength", check_min_length},
    {"maxLength", check_max_length},
    {"minimum", check_minimum},
    {"maximum", check_maximum},
    {"uniqueItems", check_unique_items},
    {"anyOf", check_any_of},
    {"oneOf", check_one_of},
    {"not", check_not},
    {"if", check_if},
    {"then", NULL}, /* read by "if" */
    {"else", NULL},
    {"$schema", NULL},
    {"$id", NULL},
    {"$defs", NULL},
    {"$comment", NULL},
    {"title", NULL},
    {"description", NULL},
    {"default", NULL},
    {"examples", NULL},
};

static enum err validate(struct walk *w, const cJSON *schema, const cJSON *value)
{
    if (cJSON_IsTrue(schema))
        return OK;
    if (w->depth == DEEPEST)
        return note_set(w->note, ERR_LIMIT, "%s: nested deeper than %d", place(w), DEEPEST);
    w->depth++;
    enum err e = OK;
    for (size_t i = 0; i < COUNT_OF(keywords) && e == OK; i++) {
        const cJSON *keyword = cJSON_GetObjectItemCaseSensitive(schema, keywords[i].name);
        if (keyword != NULL && keywords[i].check != NULL)
            e = keywords[i].check(w, schema, keyword, value);
    }
    w->depth--;
    return e;
}

enum err schema_validate(const cJSON *schema, const cJSON *document, struct note *note)
{
    struct note unused;
    struct walk w = {.root = schema, .pointer = BUF_INIT(POINTER_MAX), .note = note != NULL ? note : &unused};
    enum err e = validate(&w, schema, document);
    buf_release(&w.pointer);
    return e;
}

static bool keyword_known(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (strcmp(keywords[i].name, name) == 0)
            return true;
    return false;
}

static enum err check_subschema(const cJSON *schema, struct note *note, unsigned depth);

/* The schemas inside a keyword's value: itself, its elements, or its members. */
static enum err check_inside(const cJSON *keyword, struct note *note, unsigned depth)
{
    static const char *const plain[] = {"additionalProperties", "items", "not", "if", "then", "else"};
    static const char *const many[] = {"properties", "$defs", "anyOf", "oneOf"};
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (strcmp(keyword->string, plain[i]) == 0)
            return check_subschema(keyword, note, depth + 1);
    enum err e = OK;
    for (size_t i = 0; i < COUNT_OF(many); i++)
        if (strcmp(keyword->string, many[i]) == 0)
            for (const cJSON *inner = keyword->child; inner != NULL && e == OK; inner = inner->next)
                e = check_subschema(inner, note, depth + 1);
    return e;
}

static enum err check_subschema(const cJSON *schema, struct note *note, unsigned depth)
{
    if (depth > DEEPEST)
        return note_set(note, ERR_LIMIT, "the schema nests deeper than %d", DEEPEST);
    for (const cJSON *keyword = cJSON_IsObject(schema) ? schema->child : NULL; keyword != NULL; keyword = keyword->next) {
        if (!keyword_known(keyword->string))
            return note_set(note, ERR_UNSUPPORTED, "the schema uses \"%s\", which is not checked here", keyword->string);
        enum err e = check_inside(keyword, note, depth);
        if (e != OK)
            return e;
    }
    return OK;
}

enum err schema_check_schema(const cJSON *schema, struct note *note)
{
    return check_subschema(schema, note, 0);
}
