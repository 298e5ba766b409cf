/* pattern_sample.c: a pattern read as instructions for writing.
 *
 * Where a matcher asks "may this character stand here?", we write one that may. An atom that repeats is read again,
 * once for every time; an atom that may be missing is read and what it wrote is taken back. Nothing is ever tried
 * twice, so the work is bounded by the steps alone: all that is read again by a repetition counts as one, the members
 * of a class and the letters of a group's name, too. Unlimited repetitions grow, all by the same number, until the text
 * is as long as it shall be. Of a class that has many characters a different one is taken each time: [A-Z]{3} is ABC.
 */
#include "mock/model/pattern_sample.h"

#include <ctype.h>
#include <stdlib.h>

#include "protocol/utf8.h"

#define ASCII   128
#define ENDLESS SIZE_MAX
#define NAME_MAX_BYTES 64 /* of a group or a property, up to what ends it */

struct writer {
    const char *at;
    struct buf *out;
    size_t extra; /* how often more than it must a repetition is written */
    size_t steps; /* left */
    size_t shift; /* from the character that each class would begin with */
    unsigned depth;
};

struct charset {
    bool has[ASCII];
};

static bool alternatives(struct writer *w);

static void take_back(struct buf *out, size_t to)
{
    if (out->len > to) {
        out->len = to;
        out->data[to] = '\0';
    }
}

/* False: so many more are too many. */
static bool spend(struct writer *w, size_t steps)
{
    bool enough = steps <= w->steps;
    w->steps -= enough ? steps : w->steps;
    return enough;
}

/* ---- characters ---- */

static void set_range(struct charset *s, int from, int to)
{
    for (int c = from; c <= to && c < ASCII; c++)
        s->has[c] = true;
}

static void set_words(struct charset *s)
{
    set_range(s, 'a', 'z');
    set_range(s, 'A', 'Z');
    set_range(s, '0', '9');
    s->has['_'] = true;
}

static void invert(struct charset *s)
{
    for (int c = 0; c < ASCII; c++)
        s->has[c] = !s->has[c];
}

static void add(struct charset *into, const struct charset *from, bool opposite)
{
    for (int c = 0; c < ASCII; c++)
        into->has[c] = into->has[c] || from->has[c] != opposite;
}

/* The place of `c`, which is not far; NULL: none. */
static const char *ahead(const char *from, char c)
{
    return memchr(from, c, strnlen(from, NAME_MAX_BYTES));
}

/* \d, \w, \s, \p{...} and their opposites; false: another escape. */
static bool named_set(struct writer *w, struct charset *into)
{
    struct charset s = {{false}};
    char c = *w->at;
    switch (tolower((unsigned char)c)) {
    case 'd':
        set_range(&s, '0', '9');
        break;
    case 'w':
        set_words(&s);
        break;
    case 's':
        s.has[' '] = s.has['\t'] = s.has['\n'] = s.has['\r'] = true;
        break;
    case 'p':
        if (w->at[1] != '{' || strchr("LN", w->at[2]) == NULL || ahead(w->at, '}') == NULL)
            return false;
        if (w->at[2] == 'N')
            set_range(&s, '0', '9');
        if (w->at[2] == 'L' && w->at[3] != 'l')
            set_range(&s, 'A', 'Z');
        if (w->at[2] == 'L' && w->at[3] != 'u')
            set_range(&s, 'a', 'z');
        w->at = ahead(w->at, '}');
        break;
    default:
        return false;
    }
    w->at++;
    add(into, &s, isupper((unsigned char)c) != 0);
    return true;
}

/* Of \xHH, \uHHHH and \u{...}, behind the letter; -1: it is none. */
static int in_hex(struct writer *w, size_t digits)
{
    bool braced = digits == 4 && *w->at == '{';
    char hex[7] = "";
    size_t n = 0, most = braced ? sizeof hex - 1 : digits;
    w->at += braced ? 1 : 0;
    while (n < most && isxdigit((unsigned char)w->at[n])) {
        hex[n] = w->at[n];
        n++;
    }
    w->at += n;
    if (braced ? n == 0 || *w->at != '}' : n != digits)
        return -1;
    w->at += braced ? 1 : 0;
    return (int)strtol(hex, NULL, 16);
}

/* The character behind a backslash; -1: not understood. */
static int escaped(struct writer *w)
{
    static const char from[] = "tnrfv0", to[] = "\t\n\r\f\v";
    unsigned char c = (unsigned char)*w->at;
    const char *found = c != '\0' ? strchr(from, c) : NULL;
    if (c == '\0' || c >= ASCII || strchr("123456789ckpP", c) != NULL)
        return -1;
    w->at++;
    if (c == 'x' || c == 'u')
        return in_hex(w, c == 'x' ? 2 : 4);
    return found == NULL ? c : to[found - from];
}

/* One member of a class, perhaps the first of a range; ASCII or more: one that we do not write; -1: not understood. */
static int class_character(struct writer *w)
{
    if (*w->at == '\\') {
        w->at++;
        if (*w->at == 'b') {
            w->at++;
            return '\b';
        }
        return escaped(w);
    }
    return (unsigned char)*w->at++; /* a byte of a character beyond ASCII is beyond it, too */
}

static bool class_set(struct writer *w, struct charset *s)
{
    bool opposite = *w->at == '^';
    w->at += opposite ? 1 : 0;
    while (*w->at != ']') {
        if (*w->at == '\0' || !spend(w, 1))
            return false;
        if (*w->at == '\\') {
            w->at++;
            if (named_set(w, s))
                continue;
            w->at--;
        }
        int from = class_character(w), to = from;
        if (*w->at == '-' && w->at[1] != ']' && w->at[1] != '\0') {
            w->at++;
            to = class_character(w);
        }
        if (from < 0 || to < 0)
            return false;
        set_range(s, from, to);
    }
    w->at++;
    if (opposite)
        invert(s);
    return true;
}

/* One of them, those that read well before the others; another one at each place of the text. */
static bool write_one_of(struct writer *w, const struct charset *s)
{
    static const char *const nice[] = {"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "1234567890",
                                       "-_.:/@+#,; !\"$%&'()*<=>?[\\]^`{|}~\t\n\r"};
    bool small = s->has['a'] && s->has['A'];
    for (size_t i = 0; i < COUNT_OF(nice); i++) {
        char fits[ASCII];
        size_t n = 0;
        if (i == 0 && small)
            continue;
        for (const char *c = nice[i]; *c != '\0'; c++)
            if (s->has[(unsigned char)*c])
                fits[n++] = *c;
        if (n > 0) {
            buf_addc(w->out, fits[i + 1 < COUNT_OF(nice) ? (w->out->len + w->shift) % n : w->shift % n]);
            return true;
        }
    }
    return false;
}

/* ---- atoms ---- */

/* Behind "(?": what stands before the inner pattern. *forbids: the group must not hold, so nothing of it is written. */
static bool group_kind(struct writer *w, bool *forbids)
{
    if (*w->at == ':')
        w->at++;
    else if (*w->at == '!' || (w->at[0] == '<' && w->at[1] == '!')) {
        *forbids = true;
        w->at += *w->at == '!' ? 1 : 2;
    } else if (*w->at == '<' && w->at[1] != '=') {
        const char *end = ahead(w->at, '>');
        if (end == NULL)
            return false;
        w->at = end + 1;
    } else
        return false;
    return true;
}

static bool group(struct writer *w)
{
    bool forbids = false;
    size_t before = w->out->len;
    if (++w->depth > PATTERN_SAMPLE_DEPTH)
        return false;
    if (*w->at == '?') {
        w->at++;
        if (!group_kind(w, &forbids))
            return false;
    }
    if (!alternatives(w) || *w->at != ')')
        return false;
    if (forbids)
        take_back(w->out, before);
    w->at++;
    w->depth--;
    return true;
}

static bool escape(struct writer *w)
{
    struct charset s = {{false}};
    if (*w->at == 'b' || *w->at == 'B') {
        w->at++;
        return true;
    }
    if (named_set(w, &s))
        return write_one_of(w, &s);
    char text[4];
    int c = escaped(w);
    if (c <= 0 || (c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF)
        return false;
    buf_add(w->out, (struct span){(const unsigned char *)text, utf8_put((uint32_t)c, text)});
    return true;
}

static bool atom(struct writer *w)
{
    struct charset s = {{false}};
    char c = *w->at++;
    switch (c) {
    case '^':
    case '$':
        return true;
    case '(':
        return group(w);
    case '[':
        return class_set(w, &s) && write_one_of(w, &s);
    case '\\':
        return escape(w);
    case '.':
        set_words(&s);
        return write_one_of(w, &s);
    case '*':
    case '+':
    case '?':
        return false; /* nothing to repeat */
    default:
        buf_addc(w->out, c);
        while (((unsigned char)*w->at & 0xC0) == 0x80) /* a character is repeated, or missing, as a whole */
            buf_addc(w->out, *w->at++);
        return true;
    }
}

/* ---- repetitions ---- */

static size_t number(struct writer *w)
{
    size_t n = 0;
    while (isdigit((unsigned char)*w->at))
        n = n > PATTERN_SAMPLE_MAX ? n : n * 10 + (size_t)(*w->at - '0'), w->at++;
    return n;
}

static void quantifier(struct writer *w, size_t *least, size_t *most)
{
    *least = *most = 1;
    if (*w->at == '{' && isdigit((unsigned char)w->at[1])) {
        w->at++;
        *least = *most = number(w);
        if (*w->at == ',') {
            w->at++;
            *most = isdigit((unsigned char)*w->at) ? number(w) : ENDLESS;
        }
        w->at += *w->at == '}' ? 1 : 0;
    } else if (*w->at != '\0' && strchr("*+?", *w->at) != NULL) {
        *least = *w->at == '+' ? 1 : 0;
        *most = *w->at == '?' ? 1 : ENDLESS;
        w->at++;
    } else
        return;
    w->at += *w->at == '?' ? 1 : 0; /* lazy or not: the same texts */
}

static bool repeated(struct writer *w)
{
    const char *from = w->at;
    size_t before = w->out->len, least, most;
    if (!atom(w))
        return false;
    quantifier(w, &least, &most);
    const char *behind = w->at;
    size_t room = most < least ? 0 : most - least, times = least + (w->extra < room ? w->extra : room);
    if (times == 0)
        take_back(w->out, before);
    for (size_t i = 1; i < times; i++) {
        w->at = from;
        if (!spend(w, 1) || buf_error(w->out) != OK || !atom(w))
            return false;
    }
    w->at = behind;
    return true;
}

static bool alternatives(struct writer *w)
{
    size_t first = 0;
    for (bool chosen = true;; chosen = false) {
        while (*w->at != '\0' && *w->at != '|' && *w->at != ')')
            if (!spend(w, 1) || !repeated(w))
                return false;
        if (chosen)
            first = w->out->len;
        else
            take_back(w->out, first);
        if (*w->at != '|')
            return true;
        if (!spend(w, 1))
            return false;
        w->at++;
    }
}

static bool write_text(const char *pattern, size_t extra, size_t nth, size_t *steps, struct buf *out)
{
    size_t most = *steps < PATTERN_SAMPLE_STEPS ? *steps : PATTERN_SAMPLE_STEPS;
    struct writer w = {.at = pattern, .out = out, .extra = extra, .steps = most, .shift = nth};
    bool good = alternatives(&w) && *w.at == '\0' && buf_error(out) == OK;
    *steps -= most - w.steps;
    return good;
}

bool pattern_sample(const char *pattern, size_t shortest, size_t nth, size_t *steps, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(PATTERN_SAMPLE_MAX);
    size_t wanted = shortest == 0 ? 1 : shortest, sizes[2];
    for (size_t extra = 0; extra < COUNT_OF(sizes); extra++) { /* without, and with one more of everything */
        buf_reset(&text);
        if (!write_text(pattern, extra, nth, steps, &text))
            return false;
        sizes[extra] = text.len;
        if (text.len >= wanted)
            break;
    }
    if (text.len < wanted && sizes[1] > sizes[0]) {
        size_t growth = sizes[1] - sizes[0], extra = (wanted - sizes[0] + growth - 1) / growth;
        buf_reset(&text);
        if (!write_text(pattern, extra, nth, steps, &text))
            return false;
    }
    buf_add(out, buf_span(&text));
    return buf_error(out) == OK;
}
