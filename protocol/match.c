/* match.c: the walk, and the table of operators.
 *
 * The walk goes down matcher and value together and stops at the first mismatch, whose pointer it has been keeping on
 * the way. An operator is a row: its name, what its argument must be (asked once, when the case is loaded), whether it
 * holds, and the words with which a failure begins; the argument itself completes the sentence. Operators that try
 * alternatives walk silently, and put the saved variables back when an attempt fails.
 */
#include "protocol/match.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/regex.h"
#include "protocol/utf8.h"

enum { SHOWN_STRING = 160, BEFORE_DIFFERENCE = 40, MOST_DECODED = 64 << 20, MOST_NOW_S = 86400 };

struct walk {
    char pointer[MATCH_POINTER_MAX];
    size_t length;
    struct match_vars *vars;
    struct match_failure *out; /* NULL: silent */
    bool starved;              /* memory ran out: whatever the walk says, match() says no; think of $not */
};

struct operator
{
    const char *name;
    enum err (*check)(const cJSON *argument, const char *where, struct note *note);
    bool (*holds)(struct walk * w, const cJSON *argument, const cJSON *actual);
    const char *words; /* what is expected, before the argument; NULL when holds() tells itself */
};

static const struct operator* operator_of(const cJSON *matcher);
static bool walk(struct walk *w, const cJSON *matcher, const cJSON *actual);

/* -- Variables ------------------------------------------------ */

void match_vars_release(struct match_vars *vars)
{
    if (vars == NULL)
        return;
    cJSON_Delete(vars->kept);
    vars->kept = NULL;
}

const cJSON *match_vars_get(const struct match_vars *vars, const char *name)
{
    const cJSON *found = NULL;
    for (const cJSON *v = vars == NULL || vars->kept == NULL ? NULL : vars->kept->child; v != NULL; v = v->next)
        if (strcmp(v->string, name) == 0)
            found = v;
    return found;
}

enum err match_vars_set(struct match_vars *vars, const char *name, const cJSON *value)
{
    if (vars->kept == NULL)
        vars->kept = cJSON_CreateObject();
    if (cJSON_GetArraySize(vars->kept) >= MATCH_LIST_MAX)
        return ERR_LIMIT;
    cJSON *copy = cJSON_Duplicate(value, true);
    if (copy == NULL || !cJSON_AddItemToObject(vars->kept, name, copy)) {
        cJSON_Delete(copy);
        return ERR_NOMEM;
    }
    return OK;
}

static int saved_count(const struct walk *w)
{
    return w->vars == NULL ? 0 : cJSON_GetArraySize(w->vars->kept);
}

static void forget_beyond(const struct walk *w, int count)
{
    while (saved_count(w) > count)
        cJSON_DeleteItemFromArray(w->vars->kept, saved_count(w) - 1);
}

/* -- Telling ------------------------------------------------ */

/* Bytes of a text that fit into `limit` without cutting a character. */
static size_t whole_characters(const char *text, size_t limit)
{
    size_t n = strlen(text);
    if (n <= limit)
        return n;
    n = limit;
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
        n--;
    return n;
}

static void copy_cut(char *out, size_t room, const char *text)
{
    size_t n = whole_characters(text, room - 4);
    bool cut = text[n] != '\0';
    memcpy(out, text, n);
    memcpy(out + n, cut ? "\xE2\x80\xA6" : "", cut ? 4 : 1);
}

static void abbreviate_strings(cJSON *value)
{
    for (cJSON *child = value->child; child != NULL; child = child->next)
        abbreviate_strings(child);
    if (!cJSON_IsString(value) || strlen(value->valuestring) <= 2 * (size_t)SHOWN_STRING)
        return;
    char shorter[SHOWN_STRING + 64];
    size_t characters = utf8_count(span_of(value->valuestring));
    (void)snprintf(shorter, sizeof shorter, "%.*s\xE2\x80\xA6 (%zu characters)",
                   (int)whole_characters(value->valuestring, SHOWN_STRING), value->valuestring, characters);
    (void)cJSON_SetValuestring(value, shorter);
}

void match_abbreviate(const cJSON *value, char *out, size_t room)
{
    assert(room > 8);
    if (value == NULL) {
        copy_cut(out, room, "nothing");
        return;
    }
    CLEANUP(json_free) cJSON *copy = cJSON_Duplicate(value, true);
    if (copy != NULL)
        abbreviate_strings(copy);
    CLEANUP(free_ptr) char *text = copy == NULL ? NULL : json_text(copy, JSON_COMPACT);
    copy_cut(out, room, text == NULL ? "(out of memory)" : text);
}

static bool fail(struct walk *w, const cJSON *actual, const char *format, ...) PRINTF_LIKE(3, 4);

static bool fail(struct walk *w, const cJSON *actual, const char *format, ...)
{
    if (w->out == NULL)
        return false;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(w->out->expected, sizeof w->out->expected, format, args);
    va_end(args);
    memcpy(w->out->pointer, w->pointer, w->length);
    w->out->pointer[w->length] = '\0';
    match_abbreviate(actual, w->out->observed, sizeof w->out->observed);
    return false;
}

static bool fail_value(struct walk *w, const cJSON *actual, const char *words, const cJSON *value)
{
    char shown[MATCH_TEXT_MAX - 100];
    if (w->out == NULL)
        return false;
    match_abbreviate(value, shown, sizeof shown);
    return fail(w, actual, "%s%s%s", words, *words == '\0' ? "" : " ", shown);
}

static bool no_memory(struct walk *w)
{
    w->starved = true;
    return false;
}

/* Two long strings differ somewhere: show both around that place. */
static bool fail_string(struct walk *w, const cJSON *actual, const char *expected)
{
    const char *a = actual->valuestring;
    size_t at = 0;
    if (w->out == NULL)
        return false;
    while (a[at] != '\0' && a[at] == expected[at])
        at++;
    if (strlen(expected) <= SHOWN_STRING && strlen(a) <= SHOWN_STRING) {
        CLEANUP(buf_release) struct buf quoted = BUF_INIT(BUF_ANY);
        json_quote(span_of(expected), &quoted);
        return fail(w, actual, "%s", buf_text(&quoted));
    }
    size_t from = at > BEFORE_DIFFERENCE ? at - BEFORE_DIFFERENCE : 0;
    while (from > 0 && ((unsigned char)a[from] & 0xC0) == 0x80)
        from--;
    size_t character = utf8_count((struct span){(const unsigned char *)a, at});
    (void)fail(w, actual, "\xE2\x80\xA6%.*s\xE2\x80\xA6 (%zu bytes, the first difference after %zu characters)",
               (int)whole_characters(expected + from, SHOWN_STRING), expected + from, strlen(expected), character);
    (void)snprintf(w->out->observed, sizeof w->out->observed, "\xE2\x80\xA6%.*s\xE2\x80\xA6 (%zu bytes)",
                   (int)whole_characters(a + from, SHOWN_STRING), a + from, strlen(a));
    return false;
}

/* -- The walk ------------------------------------------------ */

/* Go one step down; a pointer too long for its room stays at the deepest place that fits. */
static size_t step_into(struct walk *w, const char *token)
{
    size_t before = w->length;
    CLEANUP(buf_release) struct buf step = BUF_INIT(MATCH_POINTER_MAX);
    json_pointer_add(&step, token);
    if (buf_error(&step) == OK && w->length + step.len < sizeof w->pointer) {
        memcpy(w->pointer + w->length, step.data, step.len);
        w->length += step.len;
    }
    return before;
}

static bool walk_member(struct walk *w, const cJSON *matcher, const cJSON *object)
{
    const cJSON *actual = cJSON_GetObjectItemCaseSensitive(object, matcher->string);
    size_t before = step_into(w, matcher->string);
    bool ok = walk(w, matcher, actual);
    w->length = before;
    return ok;
}

static bool walk_element(struct walk *w, const cJSON *matcher, const cJSON *actual, size_t index)
{
    char token[24];
    (void)snprintf(token, sizeof token, "%zu", index);
    size_t before = step_into(w, token);
    bool ok = walk(w, matcher, actual);
    w->length = before;
    return ok;
}

static bool is_exact(const cJSON *matcher)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(matcher, "$exact"));
}

static bool nothing_else(struct walk *w, const cJSON *matcher, const cJSON *object)
{
    for (const cJSON *m = object->child; m != NULL; m = m->next) {
        if (cJSON_GetObjectItemCaseSensitive(matcher, m->string) != NULL)
            continue;
        size_t before = step_into(w, m->string);
        bool ok = fail(w, m, "no other member");
        w->length = before;
        return ok;
    }
    return true;
}

static bool walk_object(struct walk *w, const cJSON *matcher, const cJSON *actual)
{
    if (!cJSON_IsObject(actual))
        return fail_value(w, actual, "an object like", matcher);
    for (const cJSON *m = matcher->child; m != NULL; m = m->next)
        if (strcmp(m->string, "$exact") != 0 && !walk_member(w, m, actual))
            return false;
    return !is_exact(matcher) || nothing_else(w, matcher, actual);
}

static bool walk_array(struct walk *w, const cJSON *matcher, const cJSON *actual)
{
    if (!cJSON_IsArray(actual))
        return fail_value(w, actual, "a list like", matcher);
    const cJSON *m = matcher->child, *a = actual->child;
    for (size_t i = 0; m != NULL && a != NULL; i++) {
        if (!walk_element(w, m, a, i))
            return false;
        m = m->next;
        a = a->next;
    }
    if (m == NULL && a == NULL)
        return true;
    return fail(w, actual, "a list of %d elements, not %d", cJSON_GetArraySize(matcher), cJSON_GetArraySize(actual));
}

static bool walk(struct walk *w, const cJSON *matcher, const cJSON *actual)
{
    const struct operator* op = operator_of(matcher);
    if (op != NULL) {
        if (op->holds(w, matcher->child, actual))
            return true;
        return op->words == NULL ? false : fail_value(w, actual, op->words, matcher->child);
    }
    if (cJSON_IsObject(matcher))
        return walk_object(w, matcher, actual);
    if (cJSON_IsArray(matcher))
        return walk_array(w, matcher, actual);
    if (cJSON_IsNull(matcher) && actual == NULL)
        return true;
    if (json_equal(matcher, actual))
        return true;
    if (cJSON_IsString(matcher) && cJSON_IsString(actual))
        return fail_string(w, actual, matcher->valuestring);
    return fail_value(w, actual, "", matcher);
}

/* Try without telling; what a failed attempt saved is forgotten. */
static bool attempt(struct walk *w, const cJSON *matcher, const cJSON *actual)
{
    struct match_failure *out = w->out;
    int saved = saved_count(w);
    w->out = NULL;
    bool ok = walk(w, matcher, actual);
    w->out = out;
    if (!ok)
        forget_beyond(w, saved);
    return ok;
}

/* Whether it would match: what it saves is forgotten. */
static bool would_match(struct walk *w, const cJSON *matcher, const cJSON *actual)
{
    int saved = saved_count(w);
    bool ok = attempt(w, matcher, actual);
    forget_beyond(w, saved);
    return ok;
}

/* -- Arguments ------------------------------------------------ */

static enum err wants(const cJSON *argument, const char *where, struct note *note, const char *what)
{
    char shown[100];
    match_abbreviate(argument, shown, sizeof shown);
    return note_set(note, ERR_INVALID, "%s: %s wants %s, found %s", where, argument->string, what, shown);
}

static enum err check_true(const cJSON *argument, const char *where, struct note *note)
{
    return cJSON_IsTrue(argument) ? OK : wants(argument, where, note, "true");
}

static enum err check_absent(const cJSON *argument, const char *where, struct note *note)
{
    bool ok = cJSON_IsBool(argument) || (cJSON_IsString(argument) && strcmp(argument->valuestring, "strict") == 0);
    return ok ? OK : wants(argument, where, note, "true, false or \"strict\"");
}

static enum err check_anything(const cJSON *argument, const char *where, struct note *note)
{
    (void)argument;
    (void)where;
    (void)note;
    return OK;
}

static enum err check_string(const cJSON *argument, const char *where, struct note *note)
{
    return cJSON_IsString(argument) ? OK : wants(argument, where, note, "a string");
}

static enum err check_regex(const cJSON *argument, const char *where, struct note *note)
{
    enum err e = check_string(argument, where, note);
    if (e != OK || regex_get(argument->valuestring, REGEX_SEARCH, note) != NULL)
        return e;
    note_prefix(note, "%s", where);
    return ERR_INVALID;
}

static enum err check_matcher(const cJSON *argument, const char *where, struct note *note)
{
    CLEANUP(buf_release) struct buf inside = BUF_INIT(BUF_ANY);
    buf_adds(&inside, where);
    json_pointer_add(&inside, argument->string);
    return match_validate(argument, buf_text(&inside), note);
}

static enum err check_list(const cJSON *argument, const char *where, struct note *note)
{
    if (!cJSON_IsArray(argument) || argument->child == NULL)
        return wants(argument, where, note, "a list of matchers");
    if (cJSON_GetArraySize(argument) > MATCH_LIST_MAX)
        return note_set(note, ERR_LIMIT, "%s: more than %d matchers", where, MATCH_LIST_MAX);
    return check_matcher(argument, where, note);
}

static const char *const type_names[] = {"string", "number", "integer", "boolean", "null", "object", "array"};

static bool is_type_name(const cJSON *name)
{
    for (size_t i = 0; i < COUNT_OF(type_names); i++)
        if (cJSON_IsString(name) && strcmp(type_names[i], name->valuestring) == 0)
            return true;
    return false;
}

static enum err check_type(const cJSON *argument, const char *where, struct note *note)
{
    bool ok = is_type_name(argument) || (cJSON_IsArray(argument) && argument->child != NULL);
    for (const cJSON *t = cJSON_IsArray(argument) ? argument->child : NULL; t != NULL; t = t->next)
        ok = ok && is_type_name(t);
    return ok ? OK
              : wants(argument, where, note,
                      "string, number, integer, boolean, null, object, array or a list of those");
}

static enum err check_num(const cJSON *argument, const char *where, struct note *note)
{
    static const char *const keys[] = {"min", "max", "above", "below", "whole"};
    if (!cJSON_IsObject(argument))
        return wants(argument, where, note, "an object of bounds");
    for (const cJSON *m = argument->child; m != NULL; m = m->next)
        if (strcmp(m->string, "whole") == 0 ? !cJSON_IsBool(m) : !cJSON_IsNumber(m))
            return wants(argument, where, note, "numbers as bounds");
    return json_only_keys(argument, keys, COUNT_OF(keys), where, note);
}

static enum err check_approx(const cJSON *argument, const char *where, struct note *note)
{
    static const char *const keys[] = {"value", "within"};
    if (cJSON_IsNumber(argument))
        return OK;
    if (!cJSON_IsNumber(json_member(argument, "value")) || !cJSON_IsNumber(json_member(argument, "within")))
        return wants(argument, where, note, "a number, or {\"value\": n, \"within\": n}");
    return json_only_keys(argument, keys, COUNT_OF(keys), where, note);
}

static enum err check_now(const cJSON *argument, const char *where, struct note *note)
{
    static const char *const keys[] = {"within_s"};
    int64_t within = 0;
    if (!json_int64(json_member(argument, "within_s"), &within) || within < 0 || within > MOST_NOW_S)
        return wants(argument, where, note, "{\"within_s\": seconds, at most a day}");
    return json_only_keys(argument, keys, COUNT_OF(keys), where, note);
}

static enum err check_base64(const cJSON *argument, const char *where, struct note *note)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    const char *hex = json_str(argument, "hex");
    if (hex == NULL)
        return check_matcher(argument, where, note);
    enum err e = buf_add_unhex(&bytes, span_of(hex));
    return e == OK || e == ERR_NOMEM ? e : wants(argument, where, note, "hexadecimal digits in pairs");
}

static enum err check_save(const cJSON *argument, const char *where, struct note *note)
{
    static const char *const keys[] = {"name", "is"};
    if (cJSON_IsString(argument))
        return OK;
    const cJSON *is = cJSON_GetObjectItemCaseSensitive(argument, "is");
    if (json_str(argument, "name") == NULL || is == NULL)
        return wants(argument, where, note, "a name, or {\"name\": ..., \"is\": matcher}");
    enum err e = json_only_keys(argument, keys, COUNT_OF(keys), where, note);
    return e == OK ? check_matcher(is, where, note) : e;
}

/* -- Operators ------------------------------------------------ */

static bool absent(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    if (cJSON_IsFalse(argument))
        return (actual != NULL && !cJSON_IsNull(actual)) || fail(w, actual, "a value");
    bool gone = actual == NULL || (cJSON_IsNull(actual) && !cJSON_IsString(argument));
    return gone || fail(w, actual, "no such member");
}

static bool any(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    (void)argument;
    return actual != NULL || fail(w, actual, "any value");
}

static bool has_type(const char *type, const cJSON *actual)
{
    int64_t whole;
    return strcmp(type, "integer") == 0 ? json_int64(actual, &whole) : strcmp(type, json_type_name(actual)) == 0;
}

static bool type(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    (void)w;
    if (cJSON_IsString(argument))
        return has_type(argument->valuestring, actual);
    for (const cJSON *t = argument->child; t != NULL; t = t->next)
        if (has_type(t->valuestring, actual))
            return true;
    return false;
}

static bool equal(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    (void)w;
    return json_equal(argument, actual);
}

static bool matches_regex(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    (void)w;
    const struct regex *r = regex_get(argument->valuestring, REGEX_SEARCH, NULL);
    return r != NULL && cJSON_IsString(actual) && regex_matches(r, actual->valuestring);
}

static bool prefix(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    (void)w;
    return cJSON_IsString(actual) && span_has_prefix(span_of(actual->valuestring), argument->valuestring);
}

static bool suffix(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    (void)w;
    if (!cJSON_IsString(actual))
        return false;
    size_t all = strlen(actual->valuestring), n = strlen(argument->valuestring);
    return n <= all && strcmp(actual->valuestring + all - n, argument->valuestring) == 0;
}

static bool one_of(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    for (const cJSON *m = argument->child; m != NULL; m = m->next)
        if (attempt(w, m, actual))
            return true;
    return false;
}

static bool all_of(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    for (const cJSON *m = argument->child; m != NULL; m = m->next)
        if (!walk(w, m, actual))
            return false;
    return true;
}

static bool none(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    return !would_match(w, argument, actual);
}

static bool num(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    static const struct {
        const char *name;
        int least, most; /* what the comparison of actual with the bound may give */
    } bounds[] = {{"min", 0, 1}, {"max", -1, 0}, {"above", 1, 1}, {"below", -1, -1}};
    int64_t whole;
    (void)w;
    if (!cJSON_IsNumber(actual))
        return false;
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        const cJSON *bound = json_member(argument, bounds[i].name);
        int order = bound == NULL ? bounds[i].least : json_number_compare(actual, bound);
        if (order < bounds[i].least || order > bounds[i].most)
            return false;
    }
    return !cJSON_IsTrue(json_member(argument, "whole")) || json_int64(actual, &whole);
}

static bool approx(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    (void)w;
    const cJSON *value = cJSON_IsNumber(argument) ? argument : json_member(argument, "value");
    const cJSON *within = json_member(argument, "within");
    double room = within != NULL ? within->valuedouble : fabs(value->valuedouble) * 1e-6;
    return cJSON_IsNumber(actual) && fabs(actual->valuedouble - value->valuedouble) <= room;
}

static bool now(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    (void)w;
    int64_t within = 0, at = 0, clock_s = wall_ns() / 1000000000;
    return json_int64(json_member(argument, "within_s"), &within) && json_int64(actual, &at) &&
           at >= clock_s - within && at <= clock_s + within;
}

static bool holds_json(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    CLEANUP(json_free) cJSON *inner = NULL;
    struct note note = {""};
    if (!cJSON_IsString(actual))
        return fail_value(w, actual, "a string with JSON like", argument);
    enum err e = json_parse(span_of(actual->valuestring), 0, &inner, &note);
    if (e != OK)
        return e == ERR_NOMEM ? no_memory(w) : fail(w, actual, "a string with JSON (%.200s)", note.text);
    return walk(w, argument, inner);
}

void match_text_of(const cJSON *content, struct buf *out)
{
    if (cJSON_IsString(content)) {
        buf_adds(out, content->valuestring);
    } else if (cJSON_IsArray(content)) {
        for (const cJSON *c = content->child; c != NULL; c = c->next)
            match_text_of(c, out);
    } else if (cJSON_IsObject(content)) {
        const cJSON *text = json_member(content, "text");
        if (cJSON_IsString(text))
            buf_adds(out, text->valuestring);
        else
            match_text_of(json_member(content, "content"), out);
    }
}

/* The matcher applied to a string of ours. */
static bool walk_text(struct walk *w, const cJSON *matcher, const char *text)
{
    CLEANUP(json_free) cJSON *item = cJSON_CreateString(text);
    return item != NULL ? walk(w, matcher, item) : no_memory(w);
}

static bool text(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    CLEANUP(buf_release) struct buf all = BUF_INIT(BUF_ANY);
    if (actual == NULL || cJSON_IsNumber(actual) || cJSON_IsBool(actual))
        return fail_value(w, actual, "content with the text", argument);
    match_text_of(actual, &all);
    return buf_error(&all) == OK ? walk_text(w, argument, buf_text(&all)) : no_memory(w);
}

static bool len(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    if (!cJSON_IsString(actual) && !cJSON_IsArray(actual) && !cJSON_IsObject(actual))
        return fail_value(w, actual, "something of the length", argument);
    int64_t n = cJSON_IsString(actual) ? (int64_t)utf8_count(span_of(actual->valuestring)) : cJSON_GetArraySize(actual);
    CLEANUP(json_free) cJSON *length = json_new_int(n);
    if (length == NULL)
        return no_memory(w);
    if (attempt(w, argument, length))
        return true;
    char wanted[MATCH_TEXT_MAX / 2];
    match_abbreviate(argument, wanted, sizeof wanted);
    return fail(w, actual, "the length %s, not %lld", wanted, (long long)n);
}

/* Kuhn's augmenting paths: find the matcher a place, moving earlier ones to other places if needed. */
struct pairing {
    const cJSON **actual;
    size_t count;
    const cJSON **taken_by; /* per element: the matcher that has it */
    bool *visited;
};

static bool find_place(struct walk *w, struct pairing *p, const cJSON *matcher)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->visited[i] || !would_match(w, matcher, p->actual[i]))
            continue;
        p->visited[i] = true;
        if (p->taken_by[i] == NULL || find_place(w, p, p->taken_by[i])) {
            p->taken_by[i] = matcher;
            return true;
        }
    }
    return false;
}

static bool pair_up(struct walk *w, const cJSON *argument, const cJSON *actual, size_t count)
{
    CLEANUP(free_ptr) const cJSON **elements = calloc(count + 1, sizeof *elements);
    CLEANUP(free_ptr) const cJSON **taken_by = calloc(count + 1, sizeof *taken_by);
    CLEANUP(free_ptr) bool *visited = calloc(count + 1, sizeof *visited);
    if (elements == NULL || taken_by == NULL || visited == NULL)
        return no_memory(w);
    size_t n = 0;
    for (const cJSON *a = actual->child; a != NULL && n < count; a = a->next)
        elements[n++] = a;
    struct pairing p = {elements, count, taken_by, visited};
    for (const cJSON *m = argument->child; m != NULL; m = m->next) {
        memset(visited, 0, count * sizeof *visited);
        if (!find_place(w, &p, m))
            return fail_value(w, actual, "an element of its own for each of the list, also for", m);
    }
    for (size_t i = 0; i < n; i++)
        if (!walk_element(w, taken_by[i], elements[i], i))
            return false;
    return true;
}

static bool unordered(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    size_t count = (size_t)cJSON_GetArraySize(argument);
    if (!cJSON_IsArray(actual) || (size_t)cJSON_GetArraySize(actual) != count)
        return fail_value(w, actual, "in any order, exactly", argument);
    return pair_up(w, argument, actual, count);
}

static bool contains(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    if (cJSON_IsString(actual))
        return cJSON_IsString(argument) && strstr(actual->valuestring, argument->valuestring) != NULL;
    for (const cJSON *a = cJSON_IsArray(actual) ? actual->child : NULL; a != NULL; a = a->next)
        if (attempt(w, argument, a))
            return true;
    return false;
}

static bool base64(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(MOST_DECODED);
    CLEANUP(buf_release) struct buf wanted = BUF_INIT(MOST_DECODED);
    enum err e = cJSON_IsString(actual) ? buf_add_unbase64(&bytes, span_of(actual->valuestring)) : ERR_SYNTAX;
    if (e != OK)
        return e == ERR_NOMEM ? no_memory(w) : fail_value(w, actual, "a base64 string of", argument);
    const char *hex = json_str(argument, "hex");
    if (hex == NULL)
        return strlen(buf_text(&bytes)) == bytes.len ? walk_text(w, argument, buf_text(&bytes))
                                                     : fail_value(w, actual, "base64 of the text", argument);
    e = buf_add_unhex(&wanted, span_of(hex));
    if (e == ERR_NOMEM)
        return no_memory(w);
    bool same = e == OK && span_equal(buf_span(&bytes), buf_span(&wanted));
    return same || fail_value(w, actual, "base64 of the bytes", argument);
}

static bool save(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    const cJSON *is = cJSON_GetObjectItemCaseSensitive(argument, "is");
    const char *name = cJSON_IsString(argument) ? argument->valuestring : json_str(argument, "name");
    if (actual == NULL)
        return fail(w, actual, "a value to save as %s", name);
    if (is != NULL && !walk(w, is, actual))
        return false;
    enum err e = w->vars == NULL ? OK : match_vars_set(w->vars, name, actual);
    if (e == ERR_NOMEM)
        return no_memory(w);
    return e == OK || fail(w, actual, "room to save %s (%s)", name, err_name(e));
}

static bool same(struct walk *w, const cJSON *argument, const cJSON *actual)
{
    const cJSON *kept = match_vars_get(w->vars, argument->valuestring);
    if (kept == NULL)
        return fail(w, actual, "the value saved as %s, but none was saved", argument->valuestring);
    if (json_equal(kept, actual))
        return true;
    char words[160];
    (void)snprintf(words, sizeof words, "the value saved as %.100s:", argument->valuestring);
    return fail_value(w, actual, words, kept);
}

static const struct operator operators[] = {
    {"$absent", check_absent, absent, NULL},
    {"$any", check_true, any, NULL},
    {"$type", check_type, type, "a value of type"},
    {"$equal", check_anything, equal, "exactly"},
    {"$regex", check_regex, matches_regex, "a string matching"},
    {"$prefix", check_string, prefix, "a string beginning with"},
    {"$suffix", check_string, suffix, "a string ending with"},
    {"$in", check_list, one_of, "one of"},
    {"$or", check_list, one_of, "one of"},
    {"$all", check_list, all_of, NULL},
    {"$not", check_matcher, none, "anything but"},
    {"$num", check_num, num, "a number with"},
    {"$approx", check_approx, approx, "a number near"},
    {"$now", check_now, now, "whole seconds of the clock"},
    {"$json", check_matcher, holds_json, NULL},
    {"$text", check_matcher, text, NULL},
    {"$len", check_matcher, len, NULL},
    {"$unordered", check_list, unordered, NULL},
    {"$contains", check_matcher, contains, "something containing"},
    {"$base64", check_base64, base64, NULL},
    {"$save", check_save, save, NULL},
    {"$same", check_string, same, NULL},
};

static const struct operator* find_operator(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(operators); i++)
        if (strcmp(operators[i].name, name) == 0)
            return &operators[i];
    return NULL;
}

static const struct operator* operator_of(const cJSON *matcher)
{
    if (!cJSON_IsObject(matcher) || matcher->child == NULL || matcher->child->next != NULL ||
        matcher->child->string[0] != '$')
        return NULL;
    return find_operator(matcher->child->string);
}

static enum err refuse_key(const cJSON *key, const char *where, struct note *note)
{
    static const char *const schema_words[] = {"$ref", "$schema", "$defs", "$id", "$comment", "$anchor"};
    const char *names[COUNT_OF(operators) + 1];
    for (size_t i = 0; i < COUNT_OF(schema_words); i++)
        if (strcmp(key->string, schema_words[i]) == 0)
            return OK;
    for (size_t i = 0; i < COUNT_OF(operators); i++)
        names[i] = operators[i].name;
    names[COUNT_OF(operators)] = "$exact";
    if (find_operator(key->string) != NULL)
        return note_set(note, ERR_INVALID, "%s: %s must be the only key of its object", where, key->string);
    const char *near = nearest_word(key->string, names, COUNT_OF(names));
    return note_set(note, ERR_UNKNOWN, "%s: there is no operator %.60s%s%s%s", where, key->string,
                    near == NULL ? "" : "; did you mean ", near == NULL ? "" : near, near == NULL ? "" : "?");
}

static enum err check_key(const cJSON *m, const char *where, struct note *note)
{
    if (m->string == NULL || m->string[0] != '$')
        return OK;
    if (strcmp(m->string, "$exact") == 0)
        return cJSON_IsBool(m) ? OK : wants(m, where, note, "true or false");
    return refuse_key(m, where, note);
}

enum err match_validate(const cJSON *matcher, const char *where, struct note *note)
{
    const struct operator* op = operator_of(matcher);
    if (op != NULL)
        return op->check(matcher->child, where, note);
    bool list = cJSON_IsArray(matcher);
    size_t index = 0;
    for (const cJSON *m = cJSON_IsObject(matcher) || list ? matcher->child : NULL; m != NULL; m = m->next, index++) {
        enum err e = list ? OK : check_key(m, where, note);
        if (e != OK)
            return e;
        CLEANUP(buf_release) struct buf inside = BUF_INIT(BUF_ANY);
        buf_adds(&inside, where);
        json_pointer_add_child(&inside, m, index);
        e = match_validate(m, buf_text(&inside), note);
        if (e != OK)
            return e;
    }
    return OK;
}

bool match(const cJSON *matcher, const cJSON *actual, struct match_vars *vars, struct match_failure *out)
{
    struct walk w = {.vars = vars, .out = out};
    bool ok = matcher == NULL || walk(&w, matcher, actual);
    w.length = 0;
    return w.starved ? fail(&w, actual, "memory for the comparison") : ok;
}
