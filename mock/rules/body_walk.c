/* body_walk.c: walking a body and its shape side by side.
 *
 * Where we are is kept as text that grows and is cut again, so that a violation costs nothing until there is one. All
 * violations are counted, as the schema validator before the models does; the first is the one that is told.
 */
#include "mock/rules/body_walk.h"

#include <stdarg.h>
#include <stdio.h>

#include "protocol/utf8.h"

#define NAME_MAX_CLAUDE  128
#define NAME_MAX_BEDROCK 64
#define NAME_CHARS       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

/* ---- where we are, and saying it ---- */

/* Step into a member, and back to where we were: what enter() returned. */
static size_t enter(struct body_check *c, const char *member)
{
    size_t before = c->path_len, n = strlen(member);
    bool parted = c->voice == BODY_BEDROCK || before > 0;
    if (before + n + 2 < sizeof c->path) { /* longer ones are told from where they began to be */
        if (parted)
            c->path[c->path_len++] = c->voice == BODY_CLAUDE ? '.' : '/';
        memcpy(c->path + c->path_len, member, n);
        c->path_len += n;
    }
    c->path[c->path_len] = '\0';
    return before;
}

static void leave(struct body_check *c, size_t before)
{
    c->path_len = before;
    c->path[before] = '\0';
}

static size_t enter_item(struct body_check *c, size_t i)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%zu", i);
    return enter(c, text);
}

static void broken(struct body_check *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* One violation more, where the walk is. */
static void broken(struct body_check *c, const char *format, ...)
{
    if (c->said.count++ > 0)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(c->where, c->path, c->path_len + 1);
    if (c->voice == BODY_BEDROCK)
        buf_addf(&c->said.first, "#%s: %s", c->path, text);
    else
        buf_addf(&c->said.first, "%s%s%s", c->path, c->path_len > 0 ? ": " : "", text);
}

bool body_say(const struct body_check *c, struct buf *out)
{
    if (c->voice == BODY_BEDROCK)
        return schema_say(&c->said, out);
    buf_add(out, buf_span(&c->said.first));
    return c->said.count > 0;
}

void body_check_release(struct body_check *c)
{
    if (c != NULL)
        buf_release(&c->said.first);
}

/* ---- what a value is ---- */

static const struct {
    unsigned kind;
    const char *bedrock, *claude;
} kinds[] = {
    {BODY_TEXT | BODY_NAME, "String", "string"},
    {BODY_WHOLE, "Integer", "integer"},
    {BODY_NUMBER, "Number", "number"},
    {BODY_BOOL, "Boolean", "boolean"},
    {BODY_LIST | BODY_TEXTS, "JSONArray", "list"},
    {BODY_OBJECT, "JSONObject", "dictionary"},
};

static unsigned kinds_of(const cJSON *v)
{
    int64_t whole;
    return cJSON_IsString(v)       ? BODY_TEXT | BODY_NAME
           : cJSON_IsBool(v)       ? BODY_BOOL
           : cJSON_IsArray(v)      ? BODY_LIST | BODY_TEXTS
           : cJSON_IsObject(v)     ? BODY_OBJECT
           : json_int64(v, &whole) ? BODY_NUMBER | BODY_WHOLE
                                   : BODY_NUMBER;
}

static void wrong_kind(struct body_check *c, unsigned wanted, const cJSON *v)
{
    CLEANUP(buf_release) struct buf names = BUF_INIT(256);
    const char *found = NULL;
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (found == NULL && (kinds[i].kind & kinds_of(v)) != 0)
            found = kinds[i].bedrock;
        if ((kinds[i].kind & wanted) == 0)
            continue;
        buf_adds(&names, n++ == 0 ? "" : " or ");
        buf_adds(&names, c->voice == BODY_CLAUDE ? kinds[i].claude : kinds[i].bedrock);
    }
    if (c->voice == BODY_CLAUDE)
        broken(c, "Input should be a valid %s", buf_text(&names));
    else if (n > 1)
        broken(c, "no subschema matched out of the total %zu subschemas", n);
    else
        broken(c, "expected type: %s, found: %s", buf_text(&names),
               cJSON_IsNumber(v) && (kinds_of(v) & BODY_WHOLE) == 0 ? "Double" : found);
}

/* 'user', 'assistant' or 'system' */
static void list_words(const char *words, const char *last_but_one, struct buf *out)
{
    struct span rest = span_of(words), one;
    for (bool more = true; more;) {
        more = span_split(rest, '|', &one, &rest);
        buf_adds(out, out->len == 0 ? "" : more ? ", " : last_but_one);
        buf_addf(out, "'%.*s'", (int)one.n, (const char *)one.p);
    }
}

static void check_word(struct body_check *c, const char *words, const char *word)
{
    if (words == NULL || span_in_words(span_of(word), words, '|'))
        return;
    CLEANUP(buf_release) struct buf list = BUF_INIT(1024);
    if (c->voice == BODY_BEDROCK) {
        broken(c, "%.64s is not a valid enum value", word);
        return;
    }
    list_words(words, " or ", &list);
    broken(c, "Input should be %s", buf_text(&list));
}

static void check_number(struct body_check *c, const struct body_row *r, const cJSON *v)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.15g", v->valuedouble);
    if (r->words != NULL)
        check_word(c, r->words, text);
    if (r->least == 0 && r->most == 0)
        return;
    bool low = v->valuedouble<r->least, high = v->valuedouble> r->most;
    if ((low || high) && c->voice == BODY_CLAUDE)
        broken(c, "Input should be %s than or equal to %.15g", low ? "greater" : "less", low ? r->least : r->most);
    else if (low || high)
        broken(c, "%s is not %s or equal to %.15g", text, low ? "greater" : "less", low ? r->least : r->most);
}

static void check_text(struct body_check *c, const struct body_row *r, const char *text)
{
    size_t n = strlen(text), most = c->voice == BODY_CLAUDE ? NAME_MAX_CLAUDE : NAME_MAX_BEDROCK;
    if ((r->kinds & BODY_NAME) != 0 && (n == 0 || n > most || strspn(text, NAME_CHARS) != n)) {
        if (c->voice == BODY_CLAUDE)
            broken(c, "String should match pattern '^[a-zA-Z0-9_-]{1,%zu}$'", most);
        else
            broken(c, "string [%.64s] does not match pattern ^[a-zA-Z0-9_-]{1,%zu}$", text, most);
    }
    check_word(c, r->words, text);
    if (r->kinds != BODY_TEXT || r->most == 0)
        return;
    n = utf8_count(span_of(text));
    if ((double)n < r->least)
        broken(c,
               c->voice == BODY_CLAUDE ? "String should have at least %.0f character"
                                       : "expected minLength: %.0f, actual: %zu",
               r->least, n);
    else if ((double)n > r->most)
        broken(c,
               c->voice == BODY_CLAUDE ? "String should have at most %.0f characters"
                                       : "expected maxLength: %.0f, actual: %zu",
               r->most, n);
}

/* ---- lists and objects ---- */

static void walk_shape(struct body_check *c, const struct body_shape *s, const cJSON *object);

static void check_count(struct body_check *c, const struct body_row *r, size_t n)
{
    bool few = (double)n < r->least, claude = c->voice == BODY_CLAUDE;
    if (r->most == 0 || (!few && (double)n <= r->most))
        return;
    if (claude && few && r->words != NULL && r->of != NULL)
        broken(c, "%s", r->words);
    else if (claude)
        broken(c, "List should have at %s %.0f item%s after validation, not %zu", few ? "least" : "most",
               few ? r->least : r->most, (few ? r->least : r->most) > 1 ? "s" : "", n);
    else
        broken(c, "expected %s item count: %.0f, found: %zu", few ? "minimum" : "maximum",
               few ? r->least : r->most, n);
}

static void walk_list(struct body_check *c, const struct body_row *r, const cJSON *list)
{
    const cJSON *item;
    size_t i = 0;
    check_count(c, r, (size_t)cJSON_GetArraySize(list));
    cJSON_ArrayForEach(item, list)
    {
        size_t before = enter_item(c, i++);
        if ((r->kinds & BODY_TEXTS) != 0 && !cJSON_IsString(item))
            wrong_kind(c, BODY_TEXT, item);
        else if ((r->kinds & BODY_TEXTS) != 0)
            check_word(c, r->words, item->valuestring);
        else if (r->of != NULL && !cJSON_IsObject(item))
            wrong_kind(c, BODY_OBJECT, item);
        else if (r->of != NULL)
            walk_shape(c, r->of, item);
        leave(c, before);
    }
}

static void walk_value(struct body_check *c, const struct body_row *r, const cJSON *v)
{
    if ((kinds_of(v) & r->kinds) == 0)
        wrong_kind(c, r->kinds, v);
    else if (cJSON_IsArray(v))
        walk_list(c, r, v);
    else if (cJSON_IsObject(v) && r->of != NULL)
        walk_shape(c, r->of, v);
    else if (cJSON_IsNumber(v))
        check_number(c, r, v);
    else if (cJSON_IsString(v))
        check_text(c, r, v->valuestring);
}

static void lacks(struct body_check *c, const char *name)
{
    if (c->voice == BODY_BEDROCK) {
        broken(c, "required key [%.64s] not found", name);
        return;
    }
    size_t before = enter(c, name);
    broken(c, "Field required");
    leave(c, before);
}

const struct body_row *body_row(const struct body_shape *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->rows[i].name, name) == 0)
            return &s->rows[i];
    return NULL;
}

static void check_strangers(struct body_check *c, const struct body_shape *s, const cJSON *object)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        if (body_row(s, item->string) != NULL || strncmp(item->string, "amazon-bedrock-", 15) == 0)
            continue;
        if (c->voice == BODY_BEDROCK) {
            broken(c, "extraneous key [%.64s] is not permitted", item->string);
            continue;
        }
        size_t before = enter(c, item->string);
        broken(c, "Extra inputs are not permitted");
        leave(c, before);
    }
}

static void walk_tagged(struct body_check *c, const struct body_shape *s, const cJSON *object)
{
    const cJSON *tag = json_member(object, s->tag);
    const struct body_row *r = cJSON_IsString(tag) ? body_row(s, tag->valuestring) : NULL;
    if (tag == NULL) {
        lacks(c, s->tag);
    } else if (r == NULL && c->voice == BODY_BEDROCK) {
        size_t before = enter(c, s->tag);
        broken(c, "%.64s is not a valid enum value", cJSON_IsString(tag) ? tag->valuestring : "it");
        leave(c, before);
    } else if (r == NULL) {
        CLEANUP(buf_release) struct buf list = BUF_INIT(1024);
        for (size_t i = 0; i < s->count; i++)
            buf_addf(&list, "%s'%s'", i == 0 ? "" : ", ", s->rows[i].name);
        broken(c, "Input tag '%.64s' found using '%s' does not match any of the expected tags: %s",
               cJSON_IsString(tag) ? tag->valuestring : "", s->tag, buf_text(&list));
    } else if (r->of != NULL) {
        size_t before = c->voice == BODY_CLAUDE ? enter(c, r->name) : c->path_len;
        walk_shape(c, r->of, object);
        leave(c, before);
    }
}

static void check_any(struct body_check *c, const struct body_shape *s, const cJSON *object)
{
    struct span rest = span_of(s->any), one;
    char first[64] = "";
    for (bool more = true; more;) {
        char name[64];
        more = span_split(rest, '|', &one, &rest);
        (void)snprintf(name, sizeof name, "%.*s", (int)one.n, (const char *)one.p);
        if (json_member(object, name) != NULL)
            return;
        if (first[0] == '\0')
            memcpy(first, name, sizeof first);
    }
    lacks(c, first);
}

static void walk_shape(struct body_check *c, const struct body_shape *s, const cJSON *object)
{
    size_t there = 0;
    if (s->form == BODY_TAGGED) {
        walk_tagged(c, s, object);
        return;
    }
    if (s->form != BODY_OPEN)
        check_strangers(c, s, object);
    if (s->any != NULL)
        check_any(c, s, object);
    for (size_t i = 0; i < s->count; i++) {
        const struct body_row *r = &s->rows[i];
        const cJSON *v = json_member(object, r->name);
        if (v == NULL) {
            if (r->needed)
                lacks(c, r->name);
            continue;
        }
        there++;
        size_t before = enter(c, r->name);
        walk_value(c, r, v);
        leave(c, before);
    }
    if (s->form == BODY_UNION && there != 1 && c->said.count == 0)
        broken(c, "%zu subschemas matched instead of one", there);
}

void body_walk(struct body_check *c, const struct body_shape *shape, const cJSON *body)
{
    if (!cJSON_IsObject(body))
        wrong_kind(c, BODY_OBJECT, body);
    else
        walk_shape(c, shape, body);
}
