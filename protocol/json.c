/* json.c: the parser and the printer.
 *
 * The mock parses every request and a bench run parses every frame, so the parser makes one walk over the text and
 * allocates what the tree must own and nothing else: the item, its name, and its text. A string is first scanned to its
 * closing quote, which gives the size of its copy (no escape grows), and is only looked at byte by byte when the scan
 * met an escape or a byte beyond ASCII. Members of one name are found when the object closes: pairwise while it is
 * small, by sorting when it is not, so that a hostile object of a hundred thousand names costs n log n.
 *
 * Memory comes from cJSON's hooks, because cJSON_Delete gives it back to them. Pointers, getters, numbers, equality and
 * patches are in json_tree.c.
 */
#include "protocol/json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/utf8.h"

enum {
    PAIRWISE = 16,  /* members up to which comparing all pairs beats sorting */
    ON_STACK = 64,  /* members of an object sorted without an allocation */
    SHORT_INT = 15, /* decimal digits that a double surely holds */
    LONGEST_NUMBER = 4096
};

struct parser {
    const unsigned char *begin, *at, *end;
    int flags;
    int depth;
    struct note *note;
};

/* The position in the note counts characters, not bytes, and both from one: as editors do. */
static enum err fail_at(const struct parser *p, const unsigned char *at, enum err e, const char *what)
{
    size_t line = 1, column = 1;
    if (p->note == NULL)
        return e;
    for (const unsigned char *c = p->begin; c < at; c++) {
        if (*c == '\n') {
            line++;
            column = 1;
        } else if ((*c & 0xC0) != 0x80) {
            column++;
        }
    }
    return note_set(p->note, e, "line %zu, column %zu: %s%s", line, column, what,
                    e == ERR_TRUNCATED ? ", found the end of the text" : "");
}

static enum err fail(const struct parser *p, const char *what)
{
    return fail_at(p, p->at, p->at >= p->end ? ERR_TRUNCATED : ERR_SYNTAX, what);
}

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
}

static bool accept(struct parser *p, unsigned char c)
{
    if (p->at >= p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

/* -- Strings ------------------------------------------------ */

/* How many bytes from `at` on a JSON string holds as they are: ASCII without controls, quotes and backslashes. Most
 * text is nothing else, so it goes by eight bytes: each subtraction leaves the highest bit of a byte set when that byte
 * is below 0x20, a quote or a backslash (a borrow may also mark bytes behind such a one, which the second loop
 * settles). */
static size_t plain_run(const unsigned char *at, const unsigned char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highest = ones << 7;
    const unsigned char *from = at;
    for (uint64_t w; end - at >= 8; at += 8) {
        memcpy(&w, at, 8);
        uint64_t low = w - ones * 0x20, quote = (w ^ ones * '"') - ones, slash = (w ^ ones * '\\') - ones;
        if (((w | low | quote | slash) & highest) != 0)
            break;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return (size_t)(at - from);
}

static int hex4(const unsigned char *at, const unsigned char *end)
{
    int v = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        unsigned char c = at[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

/* The escape at p->at (behind its backslash) goes to *to. */
static enum err parse_escape(struct parser *p, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const unsigned char *start = p->at - 1;
    unsigned char c = *p->at++;
    const char *simple = c == '\0' ? NULL : memchr(from, c, sizeof from - 1);
    if (simple != NULL) {
        *(*to)++ = into[simple - from];
        return OK;
    }
    if (c != 'u')
        return fail_at(p, start, ERR_SYNTAX, "expected one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
    int unit = hex4(p->at, p->end);
    if (unit < 0)
        return fail_at(p, start, ERR_SYNTAX, "expected four hexadecimal digits after \\u");
    p->at += 4;
    uint32_t code = (uint32_t)unit;
    if (code >= 0xD800 && code <= 0xDFFF) {
        int low = p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u' ? hex4(p->at + 2, p->end) : -1;
        if (code >= 0xDC00 || low < 0xDC00 || low > 0xDFFF)
            return fail_at(p, start, ERR_SYNTAX, "a surrogate without its other half");
        p->at += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    }
    if (code == 0)
        memcpy(*to, "\xC0\x80", 2);
    *to += code == 0 ? 2 : utf8_put(code, *to);
    return OK;
}

/* Copy the string that ends at `close`; it holds escapes or bytes beyond ASCII. */
static enum err copy_string(struct parser *p, const unsigned char *close, char *to)
{
    while (p->at < close) {
        unsigned char c = *p->at;
        if (c == '\\') {
            p->at++;
            enum err e = parse_escape(p, &to);
            if (e != OK)
                return e;
        } else if (c < 0x20) {
            return fail(p, "control characters must be written as escapes");
        } else if (c < 0x80) {
            *to++ = (char)c;
            p->at++;
        } else {
            size_t n = utf8_length((struct span){p->at, (size_t)(close - p->at)});
            if (n == 0)
                return fail(p, "expected UTF-8");
            memcpy(to, p->at, n);
            to += n;
            p->at += n;
        }
    }
    *to = '\0';
    return OK;
}

/* The closing quote at or after p->at, or NULL; *plain when every byte before it can be copied as it is. */
static const unsigned char *find_close(const struct parser *p, bool *plain)
{
    const unsigned char *c = p->at;
    *plain = true;
    while ((c += plain_run(c, p->end)) < p->end && *c != '"') {
        *plain = false;
        c += *c == '\\' && c + 1 < p->end ? 2 : 1;
    }
    return c < p->end ? c : NULL;
}

static enum err parse_string(struct parser *p, char **out)
{
    if (!accept(p, '"'))
        return fail(p, "expected a string");
    bool plain;
    const unsigned char *close = find_close(p, &plain);
    if (close == NULL) {
        p->at = p->end;
        return fail(p, "expected the closing quote of a string");
    }
    size_t n = (size_t)(close - p->at);
    char *text = cJSON_malloc(n + 1);
    if (text == NULL)
        return fail_at(p, p->at, ERR_NOMEM, "out of memory");
    if (plain) {
        memcpy(text, p->at, n);
        text[n] = '\0';
    } else {
        enum err e = copy_string(p, close, text);
        if (e != OK) {
            cJSON_free(text);
            return e;
        }
    }
    p->at = close + 1;
    *out = text;
    return OK;
}

/* -- Numbers and words ------------------------------------------------ */

static bool is_digit(const struct parser *p)
{
    return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

static enum err digits(struct parser *p, const char *what)
{
    if (!is_digit(p))
        return fail(p, what);
    while (is_digit(p))
        p->at++;
    return OK;
}

/* Walk over one number of RFC 8259 section 6; *whole when it has neither fraction nor exponent. */
static enum err scan_number(struct parser *p, bool *whole)
{
    enum err e = OK;
    *whole = true;
    (void)accept(p, '-');
    if (accept(p, '0')) {
        if (is_digit(p))
            return fail(p, "a number cannot begin with 0 and another digit");
    } else {
        e = digits(p, "expected a digit");
    }
    if (e == OK && accept(p, '.')) {
        *whole = false;
        e = digits(p, "expected a digit after the point");
    }
    if (e == OK && p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
        *whole = false;
        p->at++;
        if (!accept(p, '+'))
            (void)accept(p, '-');
        e = digits(p, "expected a digit in the exponent");
    }
    return e;
}

static double value_of(const char *literal, size_t n, bool whole)
{
    if (!whole || n > SHORT_INT)
        return strtod(literal, NULL);
    bool negative = *literal == '-';
    int64_t v = 0;
    for (const char *c = literal + negative; *c != '\0'; c++)
        v = v * 10 + (*c - '0');
    return negative ? -(double)v : (double)v;
}

static enum err parse_number(struct parser *p, cJSON *item)
{
    const unsigned char *start = p->at;
    bool whole;
    enum err e = scan_number(p, &whole);
    if (e != OK)
        return e;
    size_t n = (size_t)(p->at - start);
    if (n > LONGEST_NUMBER)
        return fail_at(p, start, ERR_LIMIT, "a number of more than 4096 characters");
    item->valuestring = cJSON_malloc(n + 1);
    if (item->valuestring == NULL)
        return fail_at(p, start, ERR_NOMEM, "out of memory");
    memcpy(item->valuestring, start, n);
    item->valuestring[n] = '\0';
    double v = value_of(item->valuestring, n, whole);
    item->type = cJSON_Number;
    item->valuedouble = v;
    item->valueint = v >= INT_MAX ? INT_MAX : v <= INT_MIN ? INT_MIN : (int)v;
    return OK;
}

static enum err parse_word(struct parser *p, const char *word, int type, cJSON *item)
{
    size_t n = strlen(word);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, word, n) != 0)
        return fail(p, "expected a value");
    p->at += n;
    item->type = type;
    item->valueint = type == cJSON_True;
    return OK;
}

/* -- Arrays and objects ------------------------------------------------ */

static enum err parse_value(struct parser *p, cJSON *item);

/* A new last child of `parent`. cJSON keeps the last child in the first one's prev. */
static cJSON *new_child(cJSON *parent)
{
    cJSON *item = cJSON_malloc(sizeof *item);
    if (item == NULL)
        return NULL;
    *item = (cJSON){.type = cJSON_NULL, .prev = item};
    if (parent->child == NULL) {
        parent->child = item;
    } else {
        item->prev = parent->child->prev;
        parent->child->prev->next = item;
        parent->child->prev = item;
    }
    return item;
}

static enum err parse_array(struct parser *p, cJSON *item)
{
    p->at++;
    item->type = cJSON_Array;
    skip_space(p);
    if (accept(p, ']'))
        return OK;
    for (;;) {
        cJSON *child = new_child(item);
        enum err e = child == NULL ? fail_at(p, p->at, ERR_NOMEM, "out of memory") : parse_value(p, child);
        if (e != OK)
            return e;
        skip_space(p);
        if (accept(p, ']'))
            return OK;
        if (!accept(p, ','))
            return fail(p, "expected a comma or the end of an array");
    }
}

struct named {
    cJSON *item;
    size_t position;
};

static int by_name_and_position(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->item->string, y->item->string);
    return order != 0 ? order : (x->position > y->position) - (x->position < y->position);
}

static enum err drop(struct parser *p, cJSON *object, cJSON *earlier)
{
    if ((p->flags & JSON_UNIQUE) != 0) {
        enum err e = fail_at(p, p->at, ERR_INVALID, "this object has two members of one name");
        note_prefix(p->note, "\"%.100s\"", earlier->string);
        return e;
    }
    cJSON_Delete(cJSON_DetachItemViaPointer(object, earlier));
    return OK;
}

static enum err drop_pairwise(struct parser *p, cJSON *object)
{
    for (cJSON *a = object->child, *next; a != NULL; a = next) {
        const cJSON *b = next = a->next;
        while (b != NULL && strcmp(a->string, b->string) != 0)
            b = b->next;
        enum err e = b == NULL ? OK : drop(p, object, a);
        if (e != OK)
            return e;
    }
    return OK;
}

/* Of members with one name only the last stays. */
static enum err drop_repeated(struct parser *p, cJSON *object, size_t count)
{
    if (count <= PAIRWISE)
        return drop_pairwise(p, object);
    CLEANUP(free_ptr) struct named *all = calloc(count, sizeof *all);
    if (all == NULL)
        return fail_at(p, p->at, ERR_NOMEM, "out of memory");
    size_t n = 0;
    for (cJSON *m = object->child; m != NULL && n < count; m = m->next, n++)
        all[n] = (struct named){m, n};
    qsort(all, n, sizeof *all, by_name_and_position);
    for (size_t i = 1; i < n; i++) {
        enum err e = strcmp(all[i - 1].item->string, all[i].item->string) != 0 ? OK : drop(p, object, all[i - 1].item);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err parse_member(struct parser *p, cJSON *object)
{
    if (p->at < p->end && *p->at != '"')
        return fail(p, "expected a member name in quotes");
    cJSON *member = new_child(object);
    if (member == NULL)
        return fail_at(p, p->at, ERR_NOMEM, "out of memory");
    enum err e = parse_string(p, &member->string);
    if (e != OK)
        return e;
    skip_space(p);
    if (!accept(p, ':'))
        return fail(p, "expected a colon after the member name");
    return parse_value(p, member);
}

static enum err parse_object(struct parser *p, cJSON *item)
{
    size_t count = 0;
    p->at++;
    item->type = cJSON_Object;
    skip_space(p);
    if (accept(p, '}'))
        return OK;
    for (;;) {
        skip_space(p);
        enum err e = parse_member(p, item);
        if (e != OK)
            return e;
        count++;
        skip_space(p);
        if (accept(p, '}'))
            return count < 2 ? OK : drop_repeated(p, item, count);
        if (!accept(p, ','))
            return fail(p, "expected a comma or the end of an object");
    }
}

static enum err parse_nested(struct parser *p, cJSON *item)
{
    if (p->depth >= JSON_MAX_DEPTH)
        return fail_at(p, p->at, ERR_LIMIT, "more than 128 arrays and objects inside one another");
    p->depth++;
    enum err e = *p->at == '{' ? parse_object(p, item) : parse_array(p, item);
    p->depth--;
    return e;
}

static enum err parse_value(struct parser *p, cJSON *item)
{
    skip_space(p);
    switch (p->at < p->end ? *p->at : '\0') {
    case '{':
    case '[':
        return parse_nested(p, item);
    case '"': {
        enum err e = parse_string(p, &item->valuestring);
        item->type = e == OK ? cJSON_String : item->type;
        return e;
    }
    case 't':
        return parse_word(p, "true", cJSON_True, item);
    case 'f':
        return parse_word(p, "false", cJSON_False, item);
    case 'n':
        return parse_word(p, "null", cJSON_NULL, item);
    case '-':
        return parse_number(p, item);
    default:
        return is_digit(p) ? parse_number(p, item) : fail(p, "expected a value");
    }
}

enum err json_parse(struct span text, int flags, cJSON **out, struct note *note)
{
    *out = NULL;
    static const unsigned char nothing[1];
    const unsigned char *begin = text.n == 0 ? nothing : text.p;
    struct parser p = {.begin = begin, .at = begin, .end = begin + text.n, .flags = flags, .note = note};
    CLEANUP(json_free) cJSON *root = cJSON_CreateNull();
    if (root == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    enum err e = parse_value(&p, root);
    if (e != OK)
        return e;
    skip_space(&p);
    if (p.at < p.end)
        return fail(&p, "expected nothing more after the value");
    *out = root;
    root = NULL;
    return OK;
}

void json_free(cJSON **tree)
{
    if (tree == NULL)
        return;
    cJSON_Delete(*tree);
    *tree = NULL;
}

/* -- Printing ------------------------------------------------ */

static void add_unit(struct buf *out, uint32_t unit)
{
    buf_addf(out, "\\u%04x", unit);
}

static void add_control(struct buf *out, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
    const char *simple = memchr(from, c, sizeof from - 1);
    if (simple == NULL) {
        add_unit(out, c);
        return;
    }
    buf_addc(out, '\\');
    buf_addc(out, into[simple - from]);
}

/* One character beyond ASCII; returns its bytes. Bytes that are not UTF-8 (a caller's mistake) become U+FFFD. */
static size_t add_beyond_ascii(struct buf *out, struct span rest, bool ascii)
{
    if (rest.n >= 2 && rest.p[0] == 0xC0 && rest.p[1] == 0x80) {
        buf_adds(out, "\\u0000");
        return 2;
    }
    size_t n = utf8_length(rest);
    uint32_t code = n == 0 ? 0xFFFD : utf8_code(rest.p, n);
    if (!ascii) {
        buf_add(out, n == 0 ? SPAN_LIT("\xEF\xBF\xBD") : span_cut(rest, 0, n));
    } else if (code >= 0x10000) {
        add_unit(out, 0xD800 + ((code - 0x10000) >> 10));
        add_unit(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
        add_unit(out, code);
    }
    return n == 0 ? 1 : n;
}

static void quote(struct span text, bool ascii, struct buf *out)
{
    size_t from = 0, i = 0;
    buf_addc(out, '"');
    while (i < text.n) {
        i += plain_run(text.p + i, text.p + text.n);
        unsigned char c = i < text.n ? text.p[i] : 0;
        size_t whole = c > 0xC0 && !ascii ? utf8_length(span_from(text, i)) : 0;
        if (i == text.n || whole > 0) {
            i += whole;
            continue;
        }
        buf_add(out, span_cut(text, from, i - from));
        if (c < 0x80) {
            add_control(out, c);
            i++;
        } else {
            i += add_beyond_ascii(out, span_from(text, i), ascii);
        }
        from = i;
    }
    buf_add(out, span_from(text, from));
    buf_addc(out, '"');
}

void json_quote(struct span text, struct buf *out)
{
    quote(text, false, out);
}

/* A number that was computed, not parsed: the shortest text that reads back as the same double. */
static void add_double(struct buf *out, double v)
{
    char text[40];
    if (v - v != 0.0) { /* RFC 8259 has neither infinity nor NaN */
        buf_adds(out, "null");
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        (void)snprintf(text, sizeof text, "%.*g", precision, v);
        double back = strtod(text, NULL);
        if (!(back < v) && !(back > v))
            break;
    }
    buf_adds(out, text);
}

struct printer {
    struct buf *out;
    int flags;
    int depth;
};

static void print_value(struct printer *p, const cJSON *item);

static void new_line(struct printer *p)
{
    if ((p->flags & JSON_PRETTY) == 0)
        return;
    buf_addc(p->out, '\n');
    for (int i = 0; i < p->depth; i++)
        buf_adds(p->out, "  ");
}

static void print_child(struct printer *p, const cJSON *child, bool named, bool first)
{
    if (!first)
        buf_addc(p->out, ',');
    new_line(p);
    if (named) {
        quote(span_of(child->string), (p->flags & JSON_ASCII) != 0, p->out);
        buf_adds(p->out, (p->flags & JSON_PRETTY) != 0 ? ": " : ":");
    }
    print_value(p, child);
}

static int by_name(const void *a, const void *b)
{
    const cJSON *const *x = a, *const *y = b;
    return strcmp((*x)->string == NULL ? "" : (*x)->string, (*y)->string == NULL ? "" : (*y)->string);
}

static void print_sorted(struct printer *p, const cJSON *object)
{
    const cJSON *few[ON_STACK];
    CLEANUP(free_ptr) const cJSON **many = NULL;
    size_t count = 0, n = 0;
    for (const cJSON *m = object->child; m != NULL; m = m->next)
        count++;
    const cJSON **all = few;
    if (count > ON_STACK) {
        many = calloc(count, sizeof *many);
        all = many;
    }
    if (all == NULL) {
        p->out->error = ERR_NOMEM;
        return;
    }
    for (const cJSON *m = object->child; m != NULL; m = m->next)
        all[n++] = m;
    qsort(all, n, sizeof *all, by_name);
    for (size_t i = 0; i < n; i++)
        print_child(p, all[i], true, i == 0);
}

static void print_children(struct printer *p, const cJSON *item)
{
    bool object = cJSON_IsObject(item);
    buf_addc(p->out, object ? '{' : '[');
    p->depth++;
    if (object && (p->flags & JSON_SORTED) != 0)
        print_sorted(p, item);
    else
        for (const cJSON *child = item->child; child != NULL; child = child->next)
            print_child(p, child, object, child == item->child);
    p->depth--;
    if (item->child != NULL)
        new_line(p);
    buf_addc(p->out, object ? '}' : ']');
}

static void print_value(struct printer *p, const cJSON *item)
{
    switch (item == NULL ? cJSON_NULL : item->type & 0xFF) {
    case cJSON_Object:
    case cJSON_Array:
        print_children(p, item);
        break;
    case cJSON_String:
        quote(span_of(item->valuestring), (p->flags & JSON_ASCII) != 0, p->out);
        break;
    case cJSON_Number:
        if (item->valuestring != NULL)
            buf_adds(p->out, item->valuestring);
        else
            add_double(p->out, item->valuedouble);
        break;
    case cJSON_Raw:
        buf_adds(p->out, item->valuestring);
        break;
    case cJSON_True:
        buf_adds(p->out, "true");
        break;
    case cJSON_False:
        buf_adds(p->out, "false");
        break;
    default:
        buf_adds(p->out, "null");
    }
}

void json_print(const cJSON *item, int flags, struct buf *out)
{
    print_value(&(struct printer){.out = out, .flags = flags}, item);
}

char *json_text(const cJSON *item, int flags)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    json_print(item, flags, &out);
    return buf_error(&out) == OK ? buf_take(&out) : NULL;
}
