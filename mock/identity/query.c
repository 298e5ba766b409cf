/* query.c: a form becomes a tree by walking the shapes along each dotted name.
 *
 * A number in a name ("member.3") is where a list's element stands. Elements must come without holes: SDKs number them
 * from one, and a list with a hole is nothing that JSON or the service's model can say.
 */
#include "mock/identity/query.h"

#include <stdio.h>

#include "protocol/utf8.h"

/* ---- the form ---- */

static void plus_to_space(struct span raw, struct buf *out)
{
    for (size_t i = 0; i < raw.n; i++)
        buf_addc(out, raw.p[i] == '+' ? ' ' : (char)raw.p[i]);
}

static enum err decode(struct span raw, struct buf *out)
{
    CLEANUP(buf_release) struct buf spaced = BUF_INIT(BUF_ANY);
    plus_to_space(raw, &spaced);
    enum err e = uri_decode(buf_span(&spaced), out);
    return e == OK ? buf_error(out) : e;
}

struct span query_find(struct span form, const char *name)
{
    struct span rest = form, pair;
    for (bool more = form.n > 0; more;) {
        more = span_split(rest, '&', &pair, &rest);
        struct span key, value = SPAN_EMPTY;
        if (span_split(pair, '=', &key, &value) && span_is(key, name))
            return value;
    }
    return SPAN_EMPTY;
}

enum err query_get(struct span form, const char *name, struct buf *out)
{
    struct span raw = query_find(form, name);
    return raw.p == NULL ? ERR_UNKNOWN : decode(raw, out) == OK ? OK : ERR_UNKNOWN;
}

/* ---- the tree ---- */

static bool is_number(struct span text, bool sign)
{
    size_t i = sign && text.n > 0 && text.p[0] == '-' ? 1 : 0;
    bool good = text.n > i && text.n < 19 && (text.p[i] != '0' || text.n == i + 1);
    for (; good && i < text.n; i++)
        good = text.p[i] >= '0' && text.p[i] <= '9';
    return good;
}

static cJSON *make_value(const struct shape_member *m, struct span text)
{
    CLEANUP(free_ptr) char *copy = span_dup(text);
    if (copy == NULL)
        return NULL;
    if (m->kind == SHAPE_INTEGER || m->kind == SHAPE_LONG)
        return json_new_literal(copy);
    if (m->kind == SHAPE_BOOLEAN)
        return cJSON_CreateBool(strcmp(copy, "true") == 0);
    return cJSON_CreateString(copy);
}

static enum err check_value(const struct shape_member *m, const char *name, struct span text, struct note *note)
{
    if ((m->kind == SHAPE_INTEGER || m->kind == SHAPE_LONG) && !is_number(text, true))
        return note_set(note, ERR_INVALID, "%.100s: expected a whole number", name);
    for (size_t i = 0, n; i < text.n; i += n)
        if ((n = utf8_length(span_from(text, i))) == 0)
            return note_set(note, ERR_INVALID, "%.100s is not UTF-8", name);
    return OK;
}

/* An element of a list, there already or the next one. */
static cJSON *element_at(cJSON *list, size_t number, const struct shape_member *m)
{
    size_t have = (size_t)cJSON_GetArraySize(list);
    if (number >= 1 && number <= have)
        return cJSON_GetArrayItem(list, (int)number - 1);
    if (number != have + 1 || number > QUERY_LIST_MAX)
        return NULL;
    cJSON *item = m->kind == SHAPE_STRUCT ? cJSON_CreateObject() : cJSON_CreateNull();
    return cJSON_AddItemToArray(list, item) ? item : NULL;
}

/* Where a value goes: down the dotted name. *m becomes what stands there, NULL when the model knows no such place. */
struct place {
    cJSON *parent;
    const struct shape_member *member;
    size_t index; /* of a list's element, from 1; 0: a member of an object */
};

static cJSON *child(cJSON *object, const struct shape_member *m)
{
    cJSON *there = cJSON_GetObjectItemCaseSensitive(object, m->name);
    if (there != NULL)
        return there;
    there = m->kind == SHAPE_LIST ? cJSON_CreateArray() : cJSON_CreateObject();
    return cJSON_AddItemToObject(object, m->name, there) ? there : NULL;
}

static enum err find_place(const struct shape *root, cJSON *tree, struct span name, struct place *out)
{
    struct span rest = name, word;
    const struct shape *shape = root;
    *out = (struct place){.parent = tree};
    for (bool more = true; more;) {
        more = span_split(rest, '.', &word, &rest);
        CLEANUP(free_ptr) char *text = span_dup(word);
        const struct shape_member *m = text == NULL ? NULL : shape_member(shape, text);
        if (m == NULL)
            return text == NULL ? ERR_NOMEM : ERR_UNKNOWN;
        *out = (struct place){out->parent, m, 0};
        if (m->kind == SHAPE_LIST) {
            struct span number;
            if (!more || !span_split(rest, '.', &word, &rest) || !span_is(word, "member"))
                return ERR_UNKNOWN;
            more = span_split(rest, '.', &number, &rest);
            CLEANUP(free_ptr) char *digits = span_dup(number);
            size_t at = 0;
            if (digits == NULL || !is_number(number, false) || sscanf(digits, "%6zu", &at) != 1)
                return ERR_UNKNOWN;
            cJSON *list = child(out->parent, m);
            cJSON *item = list == NULL ? NULL : element_at(list, at, m->element);
            if (item == NULL)
                return ERR_INVALID;
            *out = (struct place){m->element->kind == SHAPE_STRUCT ? item : list, m->element, at};
        } else if (m->kind == SHAPE_STRUCT) {
            out->parent = child(out->parent, m);
        }
        if (out->parent == NULL)
            return ERR_NOMEM;
        if (more && out->member->kind != SHAPE_STRUCT)
            return ERR_UNKNOWN;
        shape = out->member->type;
    }
    return out->member->kind == SHAPE_STRUCT ? ERR_UNKNOWN : OK;
}

static enum err put(const struct place *p, const char *name, struct span text, struct note *note)
{
    enum err e = check_value(p->member, name, text, note);
    if (e != OK)
        return e;
    cJSON *value = make_value(p->member, text);
    bool done = value != NULL;
    if (done && p->index > 0)
        done = cJSON_ReplaceItemInArray(p->parent, (int)p->index - 1, value);
    else if (done)
        done = json_set(p->parent, p->member->name, value) != NULL;
    return done ? OK : note_set(note, ERR_NOMEM, "out of memory");
}

static enum err add_parameter(const struct api_operation *o, cJSON *tree, struct span pair, struct note *note)
{
    struct span key, value = SPAN_EMPTY;
    struct place place;
    CLEANUP(buf_release) struct buf name = BUF_INIT(1024);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    (void)span_split(pair, '=', &key, &value);
    if (decode(key, &name) != OK || decode(value, &text) != OK)
        return note_set(note, ERR_INVALID, "a parameter is not percent-encoded as it must be");
    enum err e = find_place(&o->request.body, tree, buf_span(&name), &place);
    if (e == ERR_UNKNOWN)
        return OK;
    if (e == ERR_INVALID)
        return note_set(note, e, "%.100s: expected members numbered from 1, without holes, at most %d", buf_text(&name),
                        QUERY_LIST_MAX);
    return e != OK ? note_set(note, e, "out of memory") : put(&place, buf_text(&name), buf_span(&text), note);
}

enum err query_tree(const struct api_operation *o, struct span form, cJSON **out, struct note *note)
{
    *out = NULL;
    CLEANUP(json_free) cJSON *tree = cJSON_CreateObject();
    struct span rest = form, pair;
    size_t n = 0;
    enum err e = tree == NULL ? note_set(note, ERR_NOMEM, "out of memory") : OK;
    for (bool more = form.n > 0; more && e == OK;) {
        more = span_split(rest, '&', &pair, &rest);
        if (++n > QUERY_PARAMS_MAX)
            e = note_set(note, ERR_INVALID, "more than %d parameters", QUERY_PARAMS_MAX);
        else if (pair.n > 0)
            e = add_parameter(o, tree, pair, note);
    }
    if (e != OK)
        return e;
    *out = tree;
    tree = NULL;
    return OK;
}

/* ---- XML ---- */

void xml_text(struct span text, struct buf *out)
{
    static const struct {
        char c;
        const char *as;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\r', "&#xD;"}};
    for (size_t i = 0, n; i < text.n; i += n) {
        unsigned char c = text.p[i];
        size_t k = 0;
        n = utf8_length(span_from(text, i));
        while (k < COUNT_OF(entities) && (char)c != entities[k].c)
            k++;
        bool never = n == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
                     (n == 3 && utf8_code(text.p + i, 3) >= 0xFFFE);
        if (never)
            buf_adds(out, "\xEF\xBF\xBD");
        else if (k < COUNT_OF(entities))
            buf_adds(out, entities[k].as);
        else
            buf_add(out, span_cut(text, i, n));
        n = n == 0 ? 1 : n;
    }
}

void xml_element(const char *name, const char *text, struct buf *out)
{
    if (text == NULL)
        return;
    buf_addf(out, "<%s>", name);
    xml_text(span_of(text), out);
    buf_addf(out, "</%s>", name);
}
