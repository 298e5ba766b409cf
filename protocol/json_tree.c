/* json_tree.c: what one does with a tree once it is there: pointers, getters, numbers, builders, equality, patches.
 *
 * Numbers are compared as decimals, digit by digit, because a double cannot tell 9007199254740993 from ...992 and a
 * gateway that rounds an id must be caught. A number is seen as 0.d1d2d3... times ten to the `scale`, d1 not being 0;
 * two numbers are then compared by sign, scale and digits, with no arithmetic and no allocation.
 */
#include "protocol/json.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { INT64_DIGITS = 19 };
#define SCALE_LIMIT (INT64_C(1) << 50) /* exponents beyond are all alike */

/* -- Numbers ------------------------------------------------ */

struct decimal {
    int sign; /* -1, 0, 1 */
    int64_t scale;
    const char *digits; /* first non-zero digit, in the literal; a point may follow it */
    char made[40];      /* the literal of a number that was computed */
};

/* The next digit of a literal's mantissa, or -1 behind the last. */
static int next_digit(const char **at)
{
    if (**at == '.')
        (*at)++;
    return **at >= '0' && **at <= '9' ? *(*at)++ - '0' : -1;
}

static int64_t exponent_of(const char *at)
{
    int64_t v = 0;
    at += strcspn(at, "eE");
    if (*at == '\0')
        return 0;
    at++;
    bool negative = *at == '-';
    at += *at == '-' || *at == '+';
    for (; *at >= '0' && *at <= '9' && v < SCALE_LIMIT; at++)
        v = v * 10 + (*at - '0');
    v = v < SCALE_LIMIT ? v : SCALE_LIMIT;
    return negative ? -v : v;
}

static void decimal_init(struct decimal *d, const cJSON *item)
{
    const char *literal = item->valuestring;
    if (literal == NULL) {
        (void)snprintf(d->made, sizeof d->made, "%.17g", item->valuedouble);
        literal = d->made;
    }
    d->sign = *literal == '-' ? -1 : 1;
    const char *at = literal + (*literal == '-');
    int64_t before_point = (int64_t)strspn(at, "0123456789");
    int64_t skipped = 0;
    while (*at == '0' || *at == '.') {
        skipped += *at == '0';
        at++;
    }
    d->digits = at;
    d->scale = before_point - skipped + exponent_of(at);
    if (*at < '0' || *at > '9')
        d->sign = 0;
}

static int compare_magnitudes(const struct decimal *a, const struct decimal *b)
{
    if (a->scale != b->scale)
        return a->scale < b->scale ? -1 : 1;
    const char *x = a->digits, *y = b->digits;
    for (;;) {
        int i = next_digit(&x), j = next_digit(&y);
        if (i < 0 && j < 0)
            return 0;
        i = i < 0 ? 0 : i;
        j = j < 0 ? 0 : j;
        if (i != j)
            return i < j ? -1 : 1;
    }
}

int json_number_compare(const cJSON *a, const cJSON *b)
{
    struct decimal x, y;
    decimal_init(&x, a);
    decimal_init(&y, b);
    if (x.sign != y.sign)
        return x.sign < y.sign ? -1 : 1;
    return x.sign * compare_magnitudes(&x, &y);
}

bool json_int64(const cJSON *item, int64_t *out)
{
    struct decimal d;
    if (!cJSON_IsNumber(item))
        return false;
    decimal_init(&d, item);
    if (d.sign == 0) {
        *out = 0;
        return true;
    }
    if (d.scale < 1 || d.scale > INT64_DIGITS)
        return false;
    const char *at = d.digits;
    uint64_t v = 0; /* 19 digits fit */
    for (int64_t i = 0; i < d.scale; i++) {
        int digit = next_digit(&at);
        v = v * 10 + (uint64_t)(digit < 0 ? 0 : digit);
    }
    for (int digit; (digit = next_digit(&at)) >= 0;)
        if (digit != 0)
            return false;
    if (v > (uint64_t)INT64_MAX + (d.sign < 0))
        return false;
    *out = d.sign > 0 ? (int64_t)v : v == 0 ? 0 : -(int64_t)(v - 1) - 1;
    return true;
}

/* -- Pointers ------------------------------------------------ */

static char unescaped(const char **at)
{
    char c = *(*at)++;
    if (c != '~')
        return c;
    return *(*at)++ == '1' ? '/' : '~';
}

/* Whether the reference token (up to '/' or the end) names `name`. */
static bool token_is(const char *token, const char *name)
{
    while (*token != '\0' && *token != '/') {
        if (*name == '\0' || unescaped(&token) != *name++)
            return false;
    }
    return *name == '\0';
}

/* RFC 6901 section 4: digits without a leading zero. SIZE_MAX for anything else. */
static size_t token_index(const char *token)
{
    size_t n = strcspn(token, "/"), v = 0;
    if (n == 0 || n > 9 || (n > 1 && *token == '0'))
        return SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        if (token[i] < '0' || token[i] > '9')
            return SIZE_MAX;
        v = v * 10 + (size_t)(token[i] - '0');
    }
    return v;
}

static bool pointer_is_well_formed(const char *pointer)
{
    if (*pointer != '\0' && *pointer != '/')
        return false;
    for (const char *c = strchr(pointer, '~'); c != NULL; c = strchr(c + 1, '~'))
        if (c[1] != '0' && c[1] != '1')
            return false;
    return true;
}

static cJSON *child_at(const cJSON *parent, const char *token)
{
    cJSON *child = parent == NULL ? NULL : parent->child;
    if (child == NULL)
        return NULL;
    if ((parent->type & 0xFF) == cJSON_Array) {
        size_t index = token_index(token);
        for (; child != NULL && index > 0; index--)
            child = child->next;
        return child;
    }
    if ((parent->type & 0xFF) != cJSON_Object)
        return NULL;
    while (child != NULL && !token_is(token, child->string))
        child = child->next;
    return child;
}

cJSON *json_at(const cJSON *root, const char *pointer)
{
    if (root == NULL || !pointer_is_well_formed(pointer))
        return NULL;
    union {
        const cJSON *in;
        cJSON *out;
    } at = {.in = root}; /* as strchr: const goes in, the caller knows what it owns */
    while (at.in != NULL && *pointer != '\0') {
        pointer++;
        at.out = child_at(at.in, pointer);
        pointer = strchrnul(pointer, '/');
    }
    return at.out;
}

void json_pointer_add(struct buf *pointer, const char *token)
{
    buf_addc(pointer, '/');
    for (; *token != '\0'; token++) {
        if (*token == '~' || *token == '/')
            buf_adds(pointer, *token == '~' ? "~0" : "~1");
        else
            buf_addc(pointer, *token);
    }
}

void json_pointer_add_index(struct buf *pointer, size_t index)
{
    buf_addf(pointer, "/%zu", index);
}

void json_pointer_add_child(struct buf *pointer, const cJSON *child, size_t index)
{
    if (child->string != NULL)
        json_pointer_add(pointer, child->string);
    else
        json_pointer_add_index(pointer, index);
}

enum err json_each_string(const cJSON *tree, const char *where, json_string_look *look, void *ctx)
{
    if (cJSON_IsString(tree))
        return look(ctx, tree->valuestring, where);
    size_t index = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, tree)
    {
        CLEANUP(buf_release) struct buf inside = BUF_INIT(BUF_ANY);
        buf_adds(&inside, where);
        json_pointer_add_child(&inside, child, index++);
        enum err e = json_each_string(child, buf_text(&inside), look, ctx);
        if (e != OK)
            return e;
    }
    return OK;
}

/* -- Getters ------------------------------------------------ */

const char *json_type_name(const cJSON *item)
{
    static const struct {
        int type;
        const char *name;
    } names[] = {{cJSON_False, "boolean"}, {cJSON_True, "boolean"}, {cJSON_NULL, "null"},     {cJSON_Number, "number"},
                 {cJSON_String, "string"}, {cJSON_Array, "array"},  {cJSON_Object, "object"}, {cJSON_Raw, "raw"}};
    for (size_t i = 0; item != NULL && i < COUNT_OF(names); i++)
        if ((item->type & 0xFF) == names[i].type)
            return names[i].name;
    return item == NULL ? "absent" : "invalid";
}

/* Names mostly differ in their first letter, and a validated request asks this a hundred times. */
cJSON *json_item(const cJSON *object, const char *key)
{
    cJSON *m = object != NULL && (object->type & 0xFF) == cJSON_Object ? object->child : NULL;
    while (m != NULL && (m->string[0] != key[0] || strcmp(m->string, key) != 0))
        m = m->next;
    return m;
}

cJSON *json_member(const cJSON *object, const char *key)
{
    cJSON *m = json_item(object, key);
    return m == NULL || (m->type & 0xFF) == cJSON_NULL ? NULL : m;
}

const char *json_str(const cJSON *object, const char *key)
{
    const cJSON *m = json_member(object, key);
    return cJSON_IsString(m) ? m->valuestring : NULL;
}

/* The member if it is there and of one of the types of `mask`; NULL and OK when absent and not wanted. */
static enum err get(const cJSON *object, const char *key, const char *where, int mask, bool wanted, cJSON **out,
                    struct note *note)
{
    cJSON *m = json_member(object, key);
    *out = NULL;
    const char *expected = (mask & cJSON_String) != 0   ? "a string"
                           : (mask & cJSON_Number) != 0 ? "a whole number"
                           : (mask & cJSON_Object) != 0 ? "an object"
                           : (mask & cJSON_Array) != 0  ? "an array"
                                                        : "true or false";
    if (m == NULL && !wanted)
        return OK;
    if (m == NULL || (m->type & mask) == 0)
        return note_set(note, ERR_INVALID, "%s/%s: expected %s, found %s", where, key, expected, json_type_name(m));
    *out = m;
    return OK;
}

static enum err get_string(const cJSON *object, const char *key, const char *where, bool wanted, const char **out,
                           struct note *note)
{
    cJSON *m;
    enum err e = get(object, key, where, cJSON_String, wanted, &m, note);
    if (m != NULL)
        *out = m->valuestring;
    return e;
}

enum err json_get_string(const cJSON *object, const char *key, const char *where, const char **out, struct note *note)
{
    return get_string(object, key, where, true, out, note);
}

enum err json_opt_string(const cJSON *object, const char *key, const char *where, const char **out, struct note *note)
{
    return get_string(object, key, where, false, out, note);
}

static enum err get_int(const cJSON *object, const char *key, const char *where, bool wanted, int64_t *out,
                        struct note *note)
{
    cJSON *m;
    enum err e = get(object, key, where, cJSON_Number, wanted, &m, note);
    if (m == NULL)
        return e;
    if (!json_int64(m, out)) {
        CLEANUP(free_ptr) char *text = json_text(m, JSON_COMPACT);
        return note_set(note, ERR_INVALID, "%s/%s: expected a whole number within 64 bits, found %.60s", where, key,
                        text == NULL ? "another" : text);
    }
    return OK;
}

enum err json_get_int(const cJSON *object, const char *key, const char *where, int64_t *out, struct note *note)
{
    return get_int(object, key, where, true, out, note);
}

enum err json_opt_int(const cJSON *object, const char *key, const char *where, int64_t *out, struct note *note)
{
    return get_int(object, key, where, false, out, note);
}

enum err json_opt_bool(const cJSON *object, const char *key, const char *where, bool *out, struct note *note)
{
    cJSON *m;
    enum err e = get(object, key, where, cJSON_True | cJSON_False, false, &m, note);
    if (m != NULL)
        *out = cJSON_IsTrue(m);
    return e;
}

static enum err get_tree(const cJSON *object, const char *key, const char *where, int type, bool wanted, cJSON **out,
                         struct note *note)
{
    cJSON *m;
    enum err e = get(object, key, where, type, wanted, &m, note);
    if (m != NULL)
        *out = m;
    return e;
}

enum err json_opt_object(const cJSON *object, const char *key, const char *where, cJSON **out, struct note *note)
{
    return get_tree(object, key, where, cJSON_Object, false, out, note);
}

enum err json_get_array(const cJSON *object, const char *key, const char *where, cJSON **out, struct note *note)
{
    return get_tree(object, key, where, cJSON_Array, true, out, note);
}

enum err json_opt_array(const cJSON *object, const char *key, const char *where, cJSON **out, struct note *note)
{
    return get_tree(object, key, where, cJSON_Array, false, out, note);
}

#define KNOWN_KEYS_TOLD 12

/* The nearest, else all if they are few. */
static void say_known(const char *near, const char *const *known, size_t count, struct buf *out)
{
    if (near != NULL)
        buf_addf(out, "; did you mean \"%s\"?", near);
    for (size_t i = 0; near == NULL && count <= KNOWN_KEYS_TOLD && i < count; i++)
        buf_addf(out, "%s%s", i == 0 ? "; known: " : ", ", known[i]);
}

enum err json_only_keys(const cJSON *object, const char *const *known, size_t count, const char *where,
                        struct note *note)
{
    for (const cJSON *m = cJSON_IsObject(object) ? object->child : NULL; m != NULL; m = m->next) {
        size_t i = 0;
        while (i < count && strcmp(known[i], m->string) != 0)
            i++;
        if (i < count)
            continue;
        const char *near = nearest_word(m->string, known, count);
        CLEANUP(buf_release) struct buf pointer = BUF_INIT(BUF_ANY);
        json_pointer_add(&pointer, m->string);
        CLEANUP(buf_release) struct buf hint = BUF_INIT(BUF_ANY);
        say_known(near, known, count, &hint);
        return note_set(note, ERR_UNKNOWN, "%s%.200s: nobody knows this key%s", where, buf_text(&pointer), buf_text(&hint));
    }
    return OK;
}

/* -- Builders ------------------------------------------------ */

cJSON *json_new_literal(const char *number_literal)
{
    cJSON *item = NULL;
    enum err e = json_parse(span_of(number_literal), 0, &item, NULL);
    assert(e == ERR_NOMEM || (e == OK && cJSON_IsNumber(item)));
    return e == OK ? item : NULL;
}

cJSON *json_new_int(int64_t v)
{
    char room[DECIMAL_SIZE];
    struct span digits = decimal_digits(v < 0 ? -(uint64_t)v : (uint64_t)v, room);
    cJSON *item = cJSON_CreateNumber((double)v);
    char *literal = item == NULL ? NULL : cJSON_malloc(digits.n + 2);
    if (literal == NULL) {
        cJSON_Delete(item);
        return NULL;
    }
    item->valuestring = literal;
    if (v < 0)
        *literal++ = '-';
    memcpy(literal, digits.p, digits.n);
    literal[digits.n] = '\0';
    return item;
}

cJSON *json_new_string(struct span text)
{
    cJSON *item = cJSON_CreateNull();
    char *copy = item == NULL ? NULL : cJSON_malloc(text.n + 1);
    if (copy == NULL) {
        cJSON_Delete(item);
        return NULL;
    }
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    item->type = cJSON_String;
    item->valuestring = copy;
    return item;
}

/* By hand: cJSON_ReplaceItemInObject of 1.7.15 leaves a member without a name when memory runs out. */
static bool set_name(cJSON *item, const char *name)
{
    size_t n = strlen(name) + 1;
    char *copy = cJSON_malloc(n);
    if (copy == NULL)
        return false;
    memcpy(copy, name, n);
    if ((item->type & cJSON_StringIsConst) == 0)
        cJSON_free(item->string);
    item->type &= ~cJSON_StringIsConst;
    item->string = copy;
    return true;
}

cJSON *json_set(cJSON *object, const char *key, cJSON *take)
{
    if (take == NULL)
        return NULL;
    cJSON *old = cJSON_GetObjectItemCaseSensitive(object, key);
    bool done = old != NULL ? set_name(take, key) && cJSON_ReplaceItemViaPointer(object, old, take)
                            : cJSON_AddItemToObject(object, key, take);
    if (done)
        return take;
    cJSON_Delete(take);
    return NULL;
}

cJSON *json_set_int(cJSON *object, const char *key, int64_t v)
{
    return json_set(object, key, json_new_int(v));
}

cJSON *json_set_string(cJSON *object, const char *key, const char *text)
{
    return json_set(object, key, cJSON_CreateString(text));
}

/* -- Equality ------------------------------------------------ */

static bool arrays_equal(const cJSON *a, const cJSON *b)
{
    const cJSON *x = a->child, *y = b->child;
    while (x != NULL && y != NULL && json_equal(x, y)) {
        x = x->next;
        y = y->next;
    }
    return x == NULL && y == NULL;
}

/* Members mostly stand in the same order on both sides, so the search begins where the last one ended. */
static bool objects_equal(const cJSON *a, const cJSON *b)
{
    if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b))
        return false;
    const cJSON *hint = b->child;
    for (const cJSON *m = a->child; m != NULL; m = m->next) {
        if (hint == NULL || strcmp(hint->string, m->string) != 0)
            hint = cJSON_GetObjectItemCaseSensitive(b, m->string);
        if (hint == NULL || !json_equal(m, hint))
            return false;
        hint = hint->next;
    }
    return true;
}

bool json_equal(const cJSON *a, const cJSON *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if ((a->type & 0xFF) != (b->type & 0xFF))
        return false;
    switch (a->type & 0xFF) {
    case cJSON_Number:
        return json_number_compare(a, b) == 0;
    case cJSON_String:
        return strcmp(a->valuestring, b->valuestring) == 0;
    case cJSON_Array:
        return arrays_equal(a, b);
    case cJSON_Object:
        return objects_equal(a, b);
    default:
        return true;
    }
}

/* -- Patches ------------------------------------------------ */

static enum err patch_root(cJSON **root, const char *op, cJSON **take)
{
    cJSON_Delete(*root);
    *root = strcmp(op, "remove") == 0 ? NULL : *take;
    if (*root != NULL)
        *take = NULL;
    return OK;
}

/* The last token, unescaped, as a member name. */
static char *member_name(const char *token)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(BUF_ANY);
    while (*token != '\0')
        buf_addc(&name, unescaped(&token));
    return buf_error(&name) == OK ? buf_take(&name) : NULL;
}

/* By hand: cJSON_InsertItemInArray of the 1.7.15 that Debian 12 ships refuses every place but the first. */
static bool insert_into_array(cJSON *array, const char *token, cJSON *item)
{
    size_t size = (size_t)cJSON_GetArraySize(array);
    size_t index = strcmp(token, "-") == 0 ? size : token_index(token);
    if (index >= size)
        return index == size && cJSON_AddItemToArray(array, item);
    cJSON *next = child_at(array, token);
    assert(next != NULL && item != NULL);
    item->next = next;
    item->prev = next->prev;
    next->prev = item;
    if (next == array->child)
        array->child = item;
    else
        item->prev->next = item;
    return true;
}

static enum err patch_child(cJSON *parent, const char *op, const char *token, cJSON **take)
{
    cJSON *old = child_at(parent, token);
    if (strcmp(op, "remove") == 0) {
        if (old == NULL)
            return ERR_UNKNOWN;
        cJSON_Delete(cJSON_DetachItemViaPointer(parent, old));
        return OK;
    }
    bool replace = strcmp(op, "replace") == 0;
    if (replace && old == NULL)
        return ERR_UNKNOWN;
    if (cJSON_IsObject(parent)) {
        CLEANUP(free_ptr) char *name = member_name(token);
        cJSON *item = *take;
        *take = NULL;
        if (name == NULL)
            cJSON_Delete(item);
        return name != NULL && json_set(parent, name, item) != NULL ? OK : ERR_NOMEM;
    }
    if (!cJSON_IsArray(parent))
        return ERR_UNKNOWN;
    bool done = replace ? cJSON_ReplaceItemViaPointer(parent, old, *take) : insert_into_array(parent, token, *take);
    if (done)
        *take = NULL;
    return done ? OK : ERR_UNKNOWN;
}

enum err json_patch(cJSON **root, const char *op, const char *pointer, const cJSON *value, struct note *note)
{
    static const char *const ops[] = {"add", "replace", "remove"};
    size_t i = 0;
    while (i < COUNT_OF(ops) && strcmp(ops[i], op) != 0)
        i++;
    if (i == COUNT_OF(ops))
        return note_set(note, ERR_UNSUPPORTED, "patch operation %.40s: expected add, replace or remove", op);
    if (!pointer_is_well_formed(pointer))
        return note_set(note, ERR_SYNTAX, "%.300s is not a JSON pointer", pointer);
    bool remove = strcmp(op, "remove") == 0;
    CLEANUP(json_free) cJSON *copy = remove ? NULL : value == NULL ? cJSON_CreateNull() : cJSON_Duplicate(value, true);
    if (!remove && copy == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    if (*pointer == '\0')
        return patch_root(root, op, &copy);
    const char *last = strrchr(pointer, '/');
    CLEANUP(free_ptr) char *parent = span_dup((struct span){(const unsigned char *)pointer, (size_t)(last - pointer)});
    if (parent == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    enum err e = patch_child(json_at(*root, parent), op, last + 1, &copy);
    if (e == ERR_UNKNOWN)
        return note_set(note, e, "cannot %s %.300s: there is no such place", op, pointer);
    return e == OK ? OK : note_set(note, e, "out of memory");
}
