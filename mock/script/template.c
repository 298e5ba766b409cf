/* template.c: a table of placeholders, and one walk that finds them.
 *
 * The same scanner serves checking and expanding, so nothing passes the one and fails the other. Strings of the tree
 * are expanded in place in a copy; quoting is the printer's business, later.
 */
#include "mock/script/template.h"

#include <stdio.h>
#include <stdlib.h>

#include "mock/time/clock.h"
#include "protocol/secret.h"

#define ARGUMENT_MAX 512

struct placeholder {
    const struct row *row;
    char argument[ARGUMENT_MAX];
    struct span otherwise; /* behind the |; p NULL: none */
};

typedef enum err check_argument(const char *argument, const char *where, struct note *note);
/* Append the value; false: the request does not have it. */
typedef bool write_value(const struct template_scene *s, const struct placeholder *p, struct buf *out);

struct row {
    const char *name, *argument; /* "" for none; "[x]" may be left out */
    bool needs;            /* the argument must be there */
    check_argument *check; /* NULL: it takes none */
    write_value *write;    /* NULL: value, which is not text */
};

/* ---- arguments ---- */

static enum err check_pointer(const char *argument, const char *where, struct note *note)
{
    return argument[0] == '/' ? OK
                              : note_set(note, ERR_INVALID,
                                         "%s: expected a JSON pointer into the body, as {{body:/messages/0}}", where);
}

static enum err check_header(const char *argument, const char *where, struct note *note)
{
    if (argument[0] == '\0')
        return note_set(note, ERR_INVALID, "%s: expected the name of a header, as {{header:x-id}}", where);
    return secret_header(span_of(argument))
               ? note_set(note, ERR_INVALID, "%s: the header %.80s carries a credential, which is never repeated",
                          where, argument)
               : OK;
}

static enum err check_now(const char *argument, const char *where, struct note *note)
{
    static const char *const forms[] = {"", "s", "ms"};
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        if (strcmp(argument, forms[i]) == 0)
            return OK;
    return note_set(note, ERR_INVALID, "%s: expected {{now}}, {{now:s}} or {{now:ms}}", where);
}

static bool read_range(const char *argument, long long *low, long long *high)
{
    int used = 0;
    return sscanf(argument, "%10lld:%10lld%n", low, high, &used) == 2 && argument[used] == '\0' && *low <= *high;
}

static enum err check_range(const char *argument, const char *where, struct note *note)
{
    long long low, high;
    return read_range(argument, &low, &high)
               ? OK
               : note_set(note, ERR_INVALID, "%s: expected two whole numbers, the smaller first, as {{random:1:6}}",
                          where);
}

/* ---- values ---- */

static bool add_item(const cJSON *item, bool quoted, struct buf *out)
{
    if (item == NULL || (cJSON_IsNull(item) && !quoted))
        return false;
    if (cJSON_IsString(item) && !quoted)
        buf_adds(out, item->valuestring);
    else
        json_print(item, JSON_COMPACT, out);
    return true;
}

static const cJSON *subject_item(const struct template_scene *s, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(s->subject, name);
}

static bool write_member(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    return add_item(subject_item(s, p->row->name), false, out);
}

static const cJSON *body_at(const struct template_scene *s, const struct placeholder *p)
{
    return json_at(subject_item(s, "body"), p->argument);
}

static bool write_body(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    return add_item(body_at(s, p), false, out);
}

static bool write_json(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    return add_item(body_at(s, p), true, out);
}

static bool write_header(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    char name[ARGUMENT_MAX];
    size_t n = 0;
    for (; p->argument[n] != '\0'; n++)
        name[n] = (char)(p->argument[n] >= 'A' && p->argument[n] <= 'Z' ? p->argument[n] + 32 : p->argument[n]);
    name[n] = '\0';
    return add_item(cJSON_GetObjectItemCaseSensitive(subject_item(s, "headers"), name), false, out);
}

static bool write_request_id(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    (void)p;
    buf_adds(out, s->request_id);
    return true;
}

static bool write_region(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    (void)p;
    buf_adds(out, s->region);
    return true;
}

static bool write_now(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    char iso[CLOCK_TEXT];
    clock_iso(s->now_ms, iso);
    if (p->argument[0] == '\0')
        buf_adds(out, iso);
    else
        buf_addf(out, "%lld", (long long)(p->argument[0] == 's' ? s->now_ms / 1000 : s->now_ms));
    return true;
}

static bool write_uuid(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    (void)p;
    char uuid[UUID_SIZE];
    rng_uuid(s->rng, uuid);
    buf_adds(out, uuid);
    return true;
}

static bool write_random(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    long long low = 0, high = 0;
    (void)read_range(p->argument, &low, &high);
    buf_addf(out, "%lld", low + (long long)rng_below(s->rng, (uint64_t)(high - low) + 1));
    return true;
}

static bool write_call(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    uint64_t n = strcmp(p->row->name, "call") == 0 ? s->call : s->nth;
    if (n > 0)
        buf_addf(out, "%llu", (unsigned long long)n);
    return n > 0;
}

static bool write_open(const struct template_scene *s, const struct placeholder *p, struct buf *out)
{
    (void)s, (void)p;
    buf_adds(out, "{{");
    return true;
}

static const struct row rows[] = {
    {"body", "/pointer", true, check_pointer, write_body},
    {"json", "/pointer", true, check_pointer, write_json},
    {"value", "/pointer", true, check_pointer, NULL},
    {"user", "", false, NULL, write_member},
    {"system", "", false, NULL, write_member},
    {"turn", "", false, NULL, write_member},
    {"round", "", false, NULL, write_member},
    {"replies", "", false, NULL, write_member},
    {"header", "name", true, check_header, write_header},
    {"model", "", false, NULL, write_member},
    {"operation", "", false, NULL, write_member},
    {"method", "", false, NULL, write_member},
    {"principal", "", false, NULL, write_member},
    {"session", "", false, NULL, write_member},
    {"region", "", false, NULL, write_region},
    {"request_id", "", false, NULL, write_request_id},
    {"now", "[s|ms]", false, check_now, write_now},
    {"uuid", "", false, NULL, write_uuid},
    {"random", "low:high", true, check_range, write_random},
    {"call", "", false, NULL, write_call},
    {"nth", "", false, NULL, write_call},
    {"open", "", false, NULL, write_open},
};

/* ---- the scanner ---- */

static const struct row *find_row(struct span name)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (span_is(name, rows[i].name))
            return &rows[i];
    return NULL;
}

static enum err unknown_name(struct span name, const char *where, struct note *note)
{
    const char *names[COUNT_OF(rows)];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        names[i] = rows[i].name;
    CLEANUP(free_ptr) char *word = span_dup(span_cut(name, 0, 64));
    const char *near = word == NULL ? NULL : nearest_word(word, names, COUNT_OF(names));
    return note_set(note, ERR_INVALID, "%s: no placeholder is called {{%s}}%s%s", where, word == NULL ? "" : word,
                    near != NULL ? "; did you mean " : "", near != NULL ? near : "");
}

/* What stands between the braces. */
static enum err read_placeholder(struct span inside, const char *where, struct placeholder *p, struct note *note)
{
    struct span call, name, argument, otherwise;
    *p = (struct placeholder){0};
    if (span_split(inside, '|', &call, &otherwise))
        p->otherwise = otherwise.p != NULL ? otherwise : SPAN_LIT("");
    bool has = span_split(span_trim(call), ':', &name, &argument);
    p->row = find_row(name);
    if (p->row == NULL)
        return unknown_name(name, where, note);
    if (!has && p->row->needs)
        return note_set(note, ERR_INVALID, "%s: {{%s}} needs an argument, {{%s:%s}}", where, p->row->name,
                        p->row->name, p->row->argument);
    if (has && p->row->check == NULL)
        return note_set(note, ERR_INVALID, "%s: {{%s}} takes no argument", where, p->row->name);
    if (has && argument.n >= ARGUMENT_MAX)
        return note_set(note, ERR_LIMIT, "%s: the argument of {{%s}} is too long", where, p->row->name);
    if (has && argument.n > 0)
        memcpy(p->argument, argument.p, argument.n);
    return p->row->check != NULL ? p->row->check(p->argument, where, note) : OK;
}

/* The next placeholder of `rest`: the text before it, and what follows. False: none. */
static bool next_placeholder(struct span rest, struct span *before, struct span *inside, struct span *after)
{
    const char *open = span_find(rest, "{{");
    if (open == NULL)
        return false;
    size_t at = (size_t)((const unsigned char *)open - rest.p);
    struct span from = span_from(rest, at + 2);
    const char *close = from.n == 0 ? NULL : span_find(from, "}}");
    *before = span_cut(rest, 0, at);
    *inside = close == NULL ? SPAN_EMPTY : span_cut(from, 0, (size_t)((const unsigned char *)close - from.p));
    *after = close == NULL ? SPAN_EMPTY : span_from(from, inside->n + 2);
    if (close == NULL)
        inside->n = SIZE_MAX; /* never closed */
    return true;
}

static enum err check_string(void *note, const char *text, const char *where)
{
    struct span rest = span_of(text), before, inside, after;
    while (next_placeholder(rest, &before, &inside, &after)) {
        struct placeholder p;
        if (inside.n == SIZE_MAX)
            return note_set(note, ERR_INVALID, "%s: {{ without }}; {{open}} stands for two braces", where);
        enum err e = read_placeholder(inside, where, &p, note);
        if (e != OK)
            return e;
        if (p.row->write == NULL && (before.n > 0 || after.n > 0 || rest.p != (const unsigned char *)text))
            return note_set(note, ERR_INVALID, "%s: {{value:…}} must be alone in its string; {{body:…}} inserts text",
                            where);
        rest = after;
    }
    return OK;
}

bool template_has_placeholder(const char *text)
{
    struct span rest = span_of(text), before, inside;
    struct placeholder p;
    while (next_placeholder(rest, &before, &inside, &rest) && inside.n != SIZE_MAX)
        if (read_placeholder(inside, "", &p, NULL) == OK)
            return true;
    return false;
}

enum err template_check(const cJSON *item, const char *where, struct note *note)
{
    return json_each_string(item, where, check_string, note);
}

/* ---- expanding ---- */

/* The item becomes a copy of `value`, or null. */
static enum err become(cJSON *item, const cJSON *value, struct note *note)
{
    cJSON *copy = value != NULL ? cJSON_Duplicate(value, true) : cJSON_CreateNull();
    if (copy == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    cJSON_free(item->valuestring);
    item->type = (item->type & cJSON_StringIsConst) | (copy->type & 0xff);
    item->valuestring = copy->valuestring;
    item->valuedouble = copy->valuedouble;
    item->valueint = copy->valueint;
    item->child = copy->child;
    copy->valuestring = NULL;
    copy->child = NULL;
    cJSON_Delete(copy);
    return OK;
}

static enum err expand_string(cJSON *item, const struct template_scene *s, struct note *note)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(TEMPLATE_STRING_MAX);
    struct span rest = span_of(item->valuestring), before, inside, after;
    while (next_placeholder(rest, &before, &inside, &after)) {
        struct placeholder p;
        enum err e = read_placeholder(inside, "", &p, note);
        if (e != OK)
            return e;
        if (p.row->write == NULL)
            return become(item, body_at(s, &p), note);
        buf_add(&out, before);
        if (!p.row->write(s, &p, &out))
            buf_add(&out, p.otherwise);
        rest = after;
    }
    buf_add(&out, rest);
    CLEANUP(json_free) cJSON *text = buf_error(&out) == OK ? cJSON_CreateString(buf_text(&out)) : NULL;
    if (text != NULL)
        return become(item, text, note);
    return note_set(note, ERR_LIMIT, "a string of the reply grew beyond %zu bytes", TEMPLATE_STRING_MAX);
}

static enum err expand(cJSON *item, const struct template_scene *s, struct note *note)
{
    if (cJSON_IsString(item))
        return strstr(item->valuestring, "{{") == NULL ? OK : expand_string(item, s, note);
    for (cJSON *child = item->child; child != NULL; child = child->next) {
        enum err e = expand(child, s, note);
        if (e != OK)
            return e;
    }
    return OK;
}

enum err template_expand(const cJSON *reply, const struct template_scene *s, cJSON **out, struct note *note)
{
    *out = cJSON_Duplicate(reply, true);
    if (*out == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    enum err e = expand(*out, s, note);
    if (e != OK)
        json_free(out);
    return e;
}
