/* regex.c: from ECMA's notation to POSIX's.
 *
 * The two agree on groups, alternatives and quantifiers. They differ inside classes (POSIX has no escapes there), in
 * what one character is (the C locale matches bytes), and in the named escapes. So every class, escape and point is
 * read into a set of characters and written again: ASCII as a bracket expression, one character beyond ASCII as its
 * lead byte and what continues it. A pattern that is one class repeated never becomes an expression at all. Nothing
 * here depends on the locale of the environment, because the program never sets one.
 */
#include "protocol/regex.h"

#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "protocol/utf8.h"

enum {
    MOST_BEYOND = 32,
    ASCII = 128,
    BUCKETS = 256,
    REMEMBERED = 16,
    LONGEST_REMEMBERED = 160,
    LONGEST_PATTERN = 64 << 10,
    DEEPEST_GROUP = 32,
    MOST_PIECES = 8192
};

#define ANY_BEYOND "[\xC0-\xF4][\x80-\xBF]+" /* C0 leads the C0 80 that stands for U+0000 */

struct charset {
    bool ascii[ASCII];
    bool beyond; /* every character beyond ASCII */
    uint32_t some[MOST_BEYOND];
    size_t some_count;
};

/* What regcomp will have to build. It copies what {n,m} and + repeat, so that nested ones multiply: their product is
 * counted and has a ceiling, because a pattern may come over the wire. */
struct expansion {
    size_t groups[DEEPEST_GROUP + 1]; /* pieces so far, per open group */
    size_t depth;
    size_t last; /* pieces of what a quantifier would repeat */
};

struct translation {
    struct expansion size;
    const char *at;
    const char *whole;
    struct buf *out;
    struct note *note;
};

static enum err refuse(const struct translation *t, enum err e, const char *why)
{
    return note_set(t->note, e, "the pattern %.200s, at character %zu: %s", t->whole, (size_t)(t->at - t->whole) + 1,
                    why);
}

static enum err count_piece(struct translation *t, size_t pieces)
{
    struct expansion *x = &t->size;
    x->last = pieces;
    x->groups[x->depth] += pieces;
    return x->groups[x->depth] > MOST_PIECES ? refuse(t, ERR_LIMIT, "too large when its repetitions are written out")
                                             : OK;
}

static enum err count_repeat(struct translation *t, size_t times)
{
    struct expansion *x = &t->size;
    size_t once = x->last;
    if (times > MOST_PIECES || (times > 1 && once > MOST_PIECES / times))
        return refuse(t, ERR_LIMIT, "too large when its repetitions are written out");
    enum err e = times > 1 ? count_piece(t, once * (times - 1)) : OK;
    x->last = times > 1 ? once * times : once;
    return e;
}

static enum err open_group(struct translation *t)
{
    struct expansion *x = &t->size;
    if (x->depth == DEEPEST_GROUP)
        return refuse(t, ERR_LIMIT, "too many groups inside one another");
    x->groups[++x->depth] = 0;
    return OK;
}

static enum err close_group(struct translation *t)
{
    struct expansion *x = &t->size;
    if (x->depth == 0)
        return refuse(t, ERR_SYNTAX, "a group is closed that was not opened");
    return count_piece(t, x->groups[x->depth--] + 1);
}

/* -- Sets ------------------------------------------------ */

static void add_range(struct charset *set, uint32_t from, uint32_t to)
{
    for (uint32_t c = from; c <= to && c < ASCII; c++)
        set->ascii[c] = true;
    if (to < ASCII)
        return;
    if (from == to && set->some_count < MOST_BEYOND)
        set->some[set->some_count++] = from;
    else
        set->beyond = true;
}

static void add_chars(struct charset *set, const char *chars)
{
    for (; *chars != '\0'; chars++)
        set->ascii[(unsigned char)*chars] = true;
}

static void add_inverse(struct charset *set, const struct charset *of)
{
    for (size_t c = 0; c < ASCII; c++)
        set->ascii[c] = set->ascii[c] || !of->ascii[c];
    set->beyond = set->beyond || !of->beyond;
}

static void named_set(char name, struct charset *set)
{
    if (name == 's') {
        add_chars(set, " \t\n\v\f\r");
        add_range(set, 0xA0, 0xA0);
        add_range(set, 0x3000, 0x3000);
        add_range(set, 0xFEFF, 0xFEFF);
        for (uint32_t c = 0x2000; c <= 0x200A; c++)
            add_range(set, c, c);
        return;
    }
    add_range(set, '0', '9');
    if (name == 'w') {
        add_range(set, 'A', 'Z');
        add_range(set, 'a', 'z');
        add_chars(set, "_");
    }
}

/* \d \w \s and their opposites. The opposite of \s also takes the few spaces beyond ASCII: harmless where it is used.
 */
static bool add_named(struct charset *set, char name)
{
    struct charset named = {.beyond = false};
    if (name == '\0' || strchr("dwsDWS", name) == NULL)
        return false;
    bool inverse = name < 'a';
    named_set(inverse ? (char)(name + 32) : name, &named);
    if (inverse) {
        add_inverse(set, &named);
        return true;
    }
    for (size_t c = 0; c < ASCII; c++)
        set->ascii[c] = set->ascii[c] || named.ascii[c];
    for (size_t i = 0; i < named.some_count; i++)
        add_range(set, named.some[i], named.some[i]);
    return true;
}

/* \p{L} and its like, roughly: t->at stands behind \p or \P. */
static enum err add_property(struct translation *t, struct charset *set, bool inverse)
{
    struct charset named = {.beyond = true};
    const char *close = strchr(t->at, '}');
    if (*t->at != '{' || close == NULL)
        return refuse(t, ERR_SYNTAX, "expected a property in braces");
    switch (t->at[1]) {
    case 'L':
        add_range(&named, 'A', 'Z');
        add_range(&named, 'a', 'z');
        break;
    case 'N':
        add_range(&named, '0', '9');
        break;
    case 'Z':
        add_chars(&named, " ");
        break;
    case 'C':
        named.beyond = false;
        add_range(&named, 0, 0x1F);
        add_range(&named, 0x7F, 0x7F);
        break;
    default:
        return refuse(t, ERR_UNSUPPORTED, "this property is not known");
    }
    t->at = close + 1;
    if (inverse) {
        add_inverse(set, &named);
        return OK;
    }
    for (size_t c = 0; c < ASCII; c++)
        set->ascii[c] = set->ascii[c] || named.ascii[c];
    set->beyond = set->beyond || named.beyond;
    return OK;
}

static bool read_hex(struct translation *t, size_t digits, uint32_t *code)
{
    uint32_t v = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = t->at[i];
        const char *at = c == '\0' ? NULL : strchr("0123456789abcdef", c >= 'A' && c <= 'F' ? c + 32 : c);
        if (at == NULL)
            return false;
        v = v << 4 | (uint32_t)(at - "0123456789abcdef");
    }
    t->at += digits;
    *code = v;
    return true;
}

/* An escape (t->at behind the backslash) or a plain character. *single is false when it named a set, now in `set`. */
static enum err read_atom(struct translation *t, struct charset *set, uint32_t *code, bool *single)
{
    static const char from[] = "nrtfv0b", into[] = "\n\r\t\f\v\0\b";
    *single = true;
    struct span rest = span_of(t->at);
    if (*t->at != '\\') {
        size_t n = utf8_length(rest);
        if (n == 0)
            return refuse(t, ERR_SYNTAX, "expected UTF-8");
        *code = utf8_code(rest.p, n);
        t->at += n;
        return OK;
    }
    char c = t->at[1];
    if (c == '\0')
        return refuse(t, ERR_SYNTAX, "a backslash at the end");
    t->at += 2;
    if (add_named(set, c)) {
        *single = false;
        return OK;
    }
    if (c == 'p' || c == 'P') {
        *single = false;
        return add_property(t, set, c == 'P');
    }
    if (c == 'u' || c == 'x')
        return read_hex(t, c == 'u' ? 4 : 2, code) ? OK : refuse(t, ERR_SYNTAX, "expected hexadecimal digits");
    if (c >= '1' && c <= '9')
        return refuse(t, ERR_UNSUPPORTED, "back-references are not served");
    const char *control = memchr(from, c, sizeof from - 1);
    *code = control != NULL ? (unsigned char)into[control - from] : (unsigned char)c;
    return OK;
}

/* -- Writing ------------------------------------------------ */

static void put_literal(struct buf *out, uint32_t code)
{
    char bytes[4];
    if (code == 0) {
        buf_adds(out, "\xC0\x80");
        return;
    }
    if (code < ASCII && strchr(".[]{}()*+?^$|\\", (int)code) != NULL)
        buf_addc(out, '\\');
    buf_add(out, (struct span){(const unsigned char *)bytes, utf8_put(code, bytes)});
}

/* A bracket expression of the ASCII part. What is special inside brackets goes where it is not: ] first, - last, ^
 * late. */
static void put_bracket(struct buf *out, const struct charset *set)
{
    bool others = set->ascii[']'] || set->ascii['['];
    buf_addc(out, '[');
    if (set->ascii[']'])
        buf_addc(out, ']');
    for (int c = 1; c < ASCII; c++) {
        if (!set->ascii[c] || strchr("][^-", c) != NULL)
            continue;
        others = true;
        buf_addc(out, (char)c);
    }
    if (set->ascii['['])
        buf_addc(out, '[');
    if (set->ascii['^'] && !others && set->ascii['-'])
        buf_adds(out, "-^");
    else if (set->ascii['^'] || set->ascii['-'])
        buf_adds(out, set->ascii['^'] && set->ascii['-'] ? "^-" : set->ascii['^'] ? "^" : "-");
    buf_addc(out, ']');
}

static void put_ascii(struct buf *out, const struct charset *set, size_t count)
{
    if (count > 1) {
        put_bracket(out, set);
        return;
    }
    for (uint32_t c = 1; c < ASCII; c++)
        if (set->ascii[c])
            put_literal(out, c);
}

static enum err put_set(struct translation *t, const struct charset *set)
{
    size_t count = 0;
    for (size_t c = 1; c < ASCII; c++)
        count += set->ascii[c];
    enum err e = count_piece(t, 1 + (set->beyond ? 3 : set->some_count));
    if (e != OK)
        return e;
    bool group = set->beyond || set->some_count > 0;
    if (count == 0 && !group)
        return refuse(t, ERR_UNSUPPORTED, "an empty class");
    if (group)
        buf_addc(t->out, '(');
    put_ascii(t->out, set, count);
    for (size_t i = 0; i < set->some_count && !set->beyond; i++) {
        buf_adds(t->out, count > 0 || i > 0 ? "|" : "");
        put_literal(t->out, set->some[i]);
    }
    if (set->beyond)
        buf_adds(t->out, count > 0 ? "|" ANY_BEYOND : ANY_BEYOND);
    if (group)
        buf_addc(t->out, ')');
    return OK;
}

/* -- Reading ------------------------------------------------ */

/* One member of a class: a character, a named set, or a range. */
static enum err class_item(struct translation *t, struct charset *set)
{
    uint32_t from = 0, to = 0;
    bool single, closed;
    enum err e = read_atom(t, set, &from, &single);
    if (e != OK || !single)
        return e;
    if (t->at[0] != '-' || t->at[1] == ']' || t->at[1] == '\0') {
        add_range(set, from, from);
        return OK;
    }
    t->at++;
    e = read_atom(t, set, &to, &closed);
    if (e != OK)
        return e;
    if (!closed) { /* [a-\d]: no range, three members */
        add_range(set, from, from);
        add_range(set, '-', '-');
        return OK;
    }
    if (to < from)
        return refuse(t, ERR_SYNTAX, "a range that runs backwards");
    add_range(set, from, to);
    return OK;
}

/* The set of a class; t->at stands on its bracket. */
static enum err read_class(struct translation *t, struct charset *out)
{
    struct charset set = {.beyond = false};
    t->at++;
    bool inverse = *t->at == '^';
    t->at += inverse;
    while (*t->at != ']') {
        enum err e = *t->at == '\0' ? refuse(t, ERR_SYNTAX, "a class without its end") : class_item(t, &set);
        if (e != OK)
            return e;
    }
    t->at++;
    if (inverse && set.some_count > 0)
        return refuse(t, ERR_UNSUPPORTED, "an inverted class with characters beyond ASCII");
    if (inverse)
        add_inverse(out, &set);
    else
        *out = set;
    return OK;
}

static enum err read_group(struct translation *t)
{
    enum err e = open_group(t);
    buf_addc(t->out, '(');
    t->at++;
    if (e != OK || *t->at != '?')
        return e;
    if (t->at[1] != ':')
        return refuse(t, ERR_UNSUPPORTED, "look-around and named groups are not served");
    t->at += 2;
    return OK;
}

/* * + ? {n,m}, and the ? of laziness behind them, which is dropped. */
static enum err read_quantifier(struct translation *t)
{
    size_t times = *t->at == '+' ? 2 : 1;
    if (*t->at == '{') {
        char *end;
        times = strtoul(t->at + 1, &end, 10);
        size_t most = *end == ',' ? strtoul(end + 1, NULL, 10) : 0;
        times = most > times ? most : times + 1;
    }
    enum err e = count_repeat(t, times);
    size_t n = *t->at == '{' ? strcspn(t->at, "}") + 1 : 1;
    buf_add(t->out, (struct span){(const unsigned char *)t->at, n});
    t->at += n;
    t->at += *t->at == '?';
    return e;
}

static bool is_count(const char *at)
{
    size_t n = strspn(at + 1, "0123456789,") + 1;
    return n > 1 && at[1] != ',' && at[n] == '}';
}

static enum err read_one(struct translation *t)
{
    struct charset set = {.beyond = false};
    uint32_t code = 0;
    bool single;
    switch (*t->at) {
    case '[': {
        enum err e = read_class(t, &set);
        return e == OK ? put_set(t, &set) : e;
    }
    case '(':
        return read_group(t);
    case ')':
        buf_addc(t->out, *t->at++);
        return close_group(t);
    case '|':
    case '^':
    case '$':
        buf_addc(t->out, *t->at++);
        return OK;
    case '*':
    case '+':
    case '?':
        return read_quantifier(t);
    case '{':
        if (is_count(t->at))
            return read_quantifier(t);
        break;
    case '.':
        t->at++;
        add_range(&set, 1, 0xFFFF);
        set.ascii['\n'] = set.ascii['\r'] = false;
        return put_set(t, &set);
    case '\\':
        if (t->at[1] == 'b' || t->at[1] == 'B') {
            buf_addf(t->out, "\\%c", t->at[1]);
            t->at += 2;
            return OK;
        }
        break;
    default:
        break;
    }
    enum err e = read_atom(t, &set, &code, &single);
    if (e != OK)
        return e;
    if (!single)
        return put_set(t, &set);
    /* POSIX repeats the last byte here, as long as the locale is C; a character is repeated as a whole. */
    bool repeats = code >= ASCII && *t->at != '\0' && (strchr("*+?", *t->at) != NULL || (*t->at == '{' && is_count(t->at)));
    buf_adds(t->out, repeats ? "(" : "");
    put_literal(t->out, code);
    buf_adds(t->out, repeats ? ")" : "");
    return count_piece(t, 1);
}

static enum err translate(const char *ecma, int flags, struct buf *out, struct note *note)
{
    struct translation t = {.at = ecma, .whole = ecma, .out = out, .note = note};
    if (strncmp(t.at, "(?i)", 4) == 0)
        t.at += 4;
    if ((flags & REGEX_WHOLE) != 0)
        buf_adds(out, "^(");
    while (*t.at != '\0') {
        enum err e = read_one(&t);
        if (e != OK)
            return e;
    }
    if ((flags & REGEX_WHOLE) != 0)
        buf_adds(out, ")$");
    return buf_error(out);
}

/* -- The kept ones ------------------------------------------------ */

/* A whole text of n..m characters of one class, which is what most patterns of the API model say: no automaton needed.
 */
struct run {
    bool only; /* the expression is this and nothing else */
    struct charset set;
    size_t least, most;
};

struct regex {
    struct regex *next;
    char *ecma;
    uint32_t hash;
    int flags;
    struct run run;
    struct automaton *automaton; /* NULL: run.only */
};

struct automaton {
    atomic_bool ready;
    regex_t posix; /* once it is ready */
};

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t late_lock = PTHREAD_MUTEX_INITIALIZER; /* of what REGEX_LATE put off, which takes its time */
static struct regex *kept[BUCKETS];
static size_t kept_count;

static uint32_t hash_of(const char *text)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* The quantifier at the end of a run; false when more follows. */
static bool read_run_length(const char *at, struct run *run)
{
    char *end;
    run->least = *at == '*' || *at == '?' ? 0 : 1;
    run->most = *at == '*' || *at == '+' ? SIZE_MAX : 1;
    if (*at == '{' && is_count(at)) {
        run->least = run->most = strtoul(at + 1, &end, 10);
        if (*end == ',')
            run->most = end[1] == '}' ? SIZE_MAX : strtoul(end + 1, &end, 10);
        at += strcspn(at, "}") + 1;
    } else if (*at != '\0' && strchr("*+?", *at) != NULL) {
        at++;
    }
    at += *at == '$';
    return *at == '\0';
}

static void find_run(const char *ecma, int flags, struct run *run)
{
    struct translation t = {.at = ecma, .whole = ecma};
    if ((flags & REGEX_WHOLE) == 0)
        return;
    t.at += *t.at == '^';
    if (*t.at != '[' || read_class(&t, &run->set) != OK)
        return;
    run->only = read_run_length(t.at, run);
}

static bool run_has(const struct charset *set, uint32_t code)
{
    if (code < ASCII)
        return set->ascii[code];
    bool found = set->beyond;
    for (size_t i = 0; i < set->some_count && !found; i++)
        found = set->some[i] == code;
    return found;
}

static bool run_matches(const struct run *run, const char *text)
{
    struct span rest = span_of(text);
    size_t count = 0;
    while (rest.n > 0) {
        size_t n = rest.p[0] < ASCII ? 1 : utf8_next(rest);
        if (!run_has(&run->set, utf8_code(rest.p, n)))
            return false;
        rest = span_from(rest, n);
        count++;
    }
    return count >= run->least && count <= run->most;
}

static int compile_posix(const char *ecma, int flags, const char *posix, regex_t *out)
{
    int yes_or_no = (flags & REGEX_PLACES) != 0 ? 0 : REG_NOSUB;
    return regcomp(out, posix, REG_EXTENDED | yes_or_no | (strncmp(ecma, "(?i)", 4) == 0 ? REG_ICASE : 0));
}

static struct regex *new_regex(const char *ecma, int flags)
{
    struct regex *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    find_run(ecma, flags, &r->run);
    r->ecma = span_dup(span_of(ecma));
    r->flags = flags;
    r->automaton = r->run.only ? NULL : calloc(1, sizeof *r->automaton);
    if (r->ecma != NULL && (r->run.only || r->automaton != NULL))
        return r;
    free(r->ecma);
    free(r->automaton);
    free(r);
    return NULL;
}

static struct regex *compile(const char *ecma, int flags, struct note *note)
{
    CLEANUP(buf_release) struct buf posix = BUF_INIT(LONGEST_PATTERN);
    enum err e = translate(ecma, flags, &posix, note);
    if (e != OK)
        return NULL;
    struct regex *r = new_regex(ecma, flags);
    bool now = r != NULL && r->automaton != NULL && (flags & REGEX_LATE) == 0;
    int refused = r == NULL ? REG_ESPACE : now ? compile_posix(ecma, flags, buf_text(&posix), &r->automaton->posix) : 0;
    if (refused != 0) {
        char why[128] = "out of memory";
        if (r != NULL) {
            (void)regerror(refused, &r->automaton->posix, why, sizeof why);
            free(r->automaton);
            free(r->ecma);
        }
        (void)note_set(note, ERR_SYNTAX, "the pattern %.200s: %s", ecma, why);
        free(r);
        return NULL;
    }
    if (now)
        atomic_store_explicit(&r->automaton->ready, true, memory_order_release);
    return r;
}

/* The automaton, made now if it was put off. NULL: there is no memory for it. */
static const regex_t *automaton_of(const struct regex *r)
{
    struct automaton *a = r->automaton;
    if (atomic_load_explicit(&a->ready, memory_order_acquire))
        return &a->posix;
    CLEANUP(buf_release) struct buf posix = BUF_INIT(LONGEST_PATTERN);
    (void)pthread_mutex_lock(&late_lock);
    bool ready = atomic_load_explicit(&a->ready, memory_order_relaxed) ||
                 (translate(r->ecma, r->flags, &posix, NULL) == OK &&
                  compile_posix(r->ecma, r->flags, buf_text(&posix), &a->posix) == 0);
    atomic_store_explicit(&a->ready, ready, memory_order_release);
    (void)pthread_mutex_unlock(&late_lock);
    return ready ? &a->posix : NULL;
}

/* Without memory to ask it, nothing is held against the text. */
static bool holds(const struct regex *r, const char *text)
{
    const regex_t *posix = automaton_of(r);
    return posix == NULL || regexec(posix, text, 0, NULL, 0) == 0;
}

static const struct regex *get_locked(const char *ecma, int flags, struct note *note)
{
    uint32_t hash = hash_of(ecma);
    size_t bucket = hash % BUCKETS;
    for (struct regex *r = kept[bucket]; r != NULL; r = r->next)
        if (r->flags == flags && strcmp(r->ecma, ecma) == 0)
            return r;
    if (kept_count >= REGEX_MAX_KEPT) {
        (void)note_set(note, ERR_LIMIT, "more than %d different patterns", REGEX_MAX_KEPT);
        return NULL;
    }
    struct regex *r = compile(ecma, flags, note);
    if (r == NULL)
        return NULL;
    r->hash = hash;
    r->next = kept[bucket];
    kept[bucket] = r;
    kept_count++;
    return r;
}

const struct regex *regex_get(const char *ecma, int flags, struct note *note)
{
    (void)pthread_mutex_lock(&kept_lock);
    const struct regex *r = get_locked(ecma, flags, note);
    (void)pthread_mutex_unlock(&kept_lock);
    return r;
}

/* Answers of this thread. The same model id comes with every request, and its pattern takes regexec some microseconds.
 */
struct answer {
    const struct regex *regex;
    bool holds;
    char text[LONGEST_REMEMBERED];
};

static _Thread_local struct answer answers[REMEMBERED];

bool regex_matches(const struct regex *regex, const char *text)
{
    if (regex->run.only)
        return run_matches(&regex->run, text);
    if (strnlen(text, LONGEST_REMEMBERED) == LONGEST_REMEMBERED)
        return holds(regex, text);
    struct answer *a = &answers[(hash_of(text) ^ regex->hash) % REMEMBERED];
    if (a->regex != regex || strcmp(a->text, text) != 0) {
        a->regex = regex;
        a->holds = holds(regex, text);
        memcpy(a->text, text, strlen(text) + 1);
    }
    return a->holds;
}

bool regex_find(const struct regex *regex, struct span text, size_t from, size_t *at, size_t *n)
{
    regmatch_t place = {.rm_so = (regoff_t)from, .rm_eo = (regoff_t)text.n};
    const regex_t *posix = (regex->flags & REGEX_PLACES) != 0 ? automaton_of(regex) : NULL;
    if (from > text.n || text.n > INT32_MAX || posix == NULL ||
        regexec(posix, (const char *)text.p, 1, &place, REG_STARTEND) != 0)
        return false;
    *at = (size_t)place.rm_so;
    *n = (size_t)(place.rm_eo - place.rm_so);
    return true;
}
