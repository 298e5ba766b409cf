/* option.c: values for the rows of a verb, from four places of rising rank: fallback, file, environment, command line.
 *
 * Each place hands its text to store(), which alone knows types, ranges and choices, so a bad number in a file
 * is refused in the same words as one that was typed. A level is kept per row, so that a list given on the command line
 * replaces the list of the file instead of growing it. An unknown word is answered with the nearest known one.
 */
#include "harness/option.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "protocol/file.h"

enum { LEVEL_FALLBACK, LEVEL_FILE, LEVEL_ENVIRONMENT, LEVEL_LINE };
enum { LARGEST_CONFIG = 1 << 20, MOST_NAMES = 256 };

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; verbs[i] != NULL; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

const struct verb *verb_of_words(const char *const *words, size_t count, size_t *used)
{
    char both[64];
    *used = 2;
    if (count > 1 && snprintf(both, sizeof both, "%s %s", words[0], words[1]) < (int)sizeof both &&
        find_verb(both) != NULL)
        return find_verb(both);
    *used = 1;
    return count > 0 ? find_verb(words[0]) : NULL;
}

/* ---- values ---- */

struct unit {
    const char *name;
    int64_t times;
};

/* A decimal number with an optional unit; the whole text must be used. */
static enum err number_with_unit(const char *text, const struct unit *units, size_t count, int64_t bare, int64_t *out)
{
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || errno != 0 || !isfinite(v) || v < 0 || strpbrk(text, "xX") != NULL)
        return ERR_INVALID;
    int64_t times = bare;
    if (*end != '\0') {
        times = 0;
        for (size_t i = 0; i < count; i++)
            if (strcmp(end, units[i].name) == 0)
                times = units[i].times;
    }
    double product = v * (double)times;
    if (times == 0 || product > 9e18)
        return ERR_INVALID;
    *out = (int64_t)llround(product);
    return OK;
}

/* "10s" and the like to nanoseconds; a bare number counts as `bare_ns` each, or is refused when that is 0. */
static enum err read_duration(const char *text, int64_t bare_ns, int64_t *out_ns)
{
    static const struct unit units[] = {{"ns", 1},         {"us", 1000},       {"ms", 1000000},
                                        {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000},
                                        {"d", 86400000000000}};
    return number_with_unit(text, units, COUNT_OF(units), bare_ns, out_ns);
}

static enum err parse_bytes(const char *text, int64_t *out)
{
    static const struct unit units[] = {{"K", 1 << 10},   {"M", 1 << 20},   {"G", 1 << 30},
                                        {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
    return number_with_unit(text, units, COUNT_OF(units), 1, out);
}

static enum err parse_int(const struct option_row *row, const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        return ERR_INVALID;
    bool bounded = row->min != 0 || row->max != 0;
    if (v < row->min || (bounded && row->max != 0 && v > row->max))
        return ERR_LIMIT;
    *out = v;
    return OK;
}

static enum err parse_real(const struct option_row *row, const char *text, double *out)
{
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(v))
        return ERR_INVALID;
    if (v < (double)row->min || (row->max != 0 && v > (double)row->max))
        return ERR_LIMIT;
    *out = v;
    return OK;
}

static enum err parse_flag(const char *text, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"1", true},   {"yes", true}, {"false", false},
                 {"0", false},   {"no", false}, {"", false}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(text, words[i].word) == 0) {
            *out = words[i].value;
            return OK;
        }
    return ERR_INVALID;
}

static bool is_choice(const char *choices, const char *text)
{
    struct span head, rest = span_of(choices);
    bool more;
    do {
        more = span_split(rest, '|', &head, &rest);
        if (span_is(head, text))
            return true;
    } while (more);
    return false;
}

static enum err list_add(struct option_list *list, const char *text)
{
    const char **grown = realloc(list->items, (list->count + 1) * sizeof *grown);
    if (grown == NULL)
        return ERR_NOMEM;
    grown[list->count++] = text;
    list->items = grown;
    return OK;
}

static const char *what_is_wanted(const struct option_row *row)
{
    static const char *const words[] = {
        [OPTION_FLAG] = "true or false",
        [OPTION_STRING] = "text",
        [OPTION_LIST] = "text",
        [OPTION_INT] = "a whole number",
        [OPTION_REAL] = "a number",
        [OPTION_MS] = "milliseconds, or a duration like 250ms or 1.5s",
        [OPTION_DURATION] = "a duration with its unit, like 10s, 250ms, 2m or 1d",
        [OPTION_BYTES] = "a number of bytes, like 65536, 64K or 16M",
    };
    return words[row->type];
}

/* One value, by the rules of its row; `settings` is the verb's struct. */
static enum err store(const struct option_row *row, void *settings, const char *text, const char *from,
                      struct note *note)
{
    void *at = (char *)settings + row->offset;
    enum err e = OK;
    int64_t ns = 0;
    if (row->choices != NULL && !is_choice(row->choices, text))
        return note_set(note, ERR_INVALID, "%s is '%s', but must be one of %s", from, text, row->choices);
    switch (row->type) {
    case OPTION_HEADING:
        break;
    case OPTION_FLAG:
        e = parse_flag(text, at);
        break;
    case OPTION_STRING:
        *(const char **)at = text;
        break;
    case OPTION_LIST:
        e = list_add(at, text);
        break;
    case OPTION_INT:
        e = parse_int(row, text, at);
        break;
    case OPTION_REAL:
        e = parse_real(row, text, at);
        break;
    case OPTION_MS:
        e = read_duration(text, 1000000, &ns);
        *(int64_t *)at = (ns + 500000) / 1000000;
        break;
    case OPTION_DURATION:
        e = read_duration(text, 0, at);
        break;
    case OPTION_BYTES:
        e = parse_bytes(text, at);
        break;
    }
    if (e == ERR_LIMIT && row->max != 0)
        return note_set(note, ERR_INVALID, "%s is %s, but must lie between %lld and %lld", from, text,
                        (long long)row->min, (long long)row->max);
    if (e == ERR_LIMIT)
        return note_set(note, ERR_INVALID, "%s is %s, but must be at least %lld", from, text, (long long)row->min);
    if (e == ERR_INVALID)
        return note_set(note, ERR_INVALID, "%s is '%s', but must be %s", from, text, what_is_wanted(row));
    return e;
}

/* ---- where values come from ---- */

/* One value of a rank: a list that so far holds values of a lower rank is emptied first. */
static enum err take(struct options *o, size_t i, unsigned char level, const char *text, const char *from,
                     struct note *note)
{
    const struct option_row *row = &o->verb->options[i];
    if (row->type == OPTION_LIST && o->level[i] < level) {
        struct option_list *list = (struct option_list *)(void *)((char *)o->settings + row->offset);
        free(list->items);
        *list = (struct option_list){NULL, 0};
    }
    o->level[i] = level;
    return store(row, o->settings, text, from, note);
}

static enum err take_fallbacks(struct options *o, struct note *note)
{
    for (size_t i = 0; i < o->verb->option_count; i++) {
        const struct option_row *row = &o->verb->options[i];
        if (row->fallback == NULL)
            continue;
        enum err e = take(o, i, LEVEL_FALLBACK, row->fallback, row->name, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err take_environment(struct options *o, struct note *note)
{
    for (size_t i = 0; i < o->verb->option_count; i++) {
        if (o->verb->options[i].type == OPTION_HEADING)
            continue;
        char name[96] = "MOHS_";
        size_t n = strlen(name);
        for (const char *p = o->verb->options[i].name; *p != '\0' && n + 1 < sizeof name; p++)
            name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
        name[n] = '\0';
        const char *text = getenv(name);
        if (text == NULL)
            continue;
        enum err e = take(o, i, LEVEL_ENVIRONMENT, text, name, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err read_config(struct options *o, const char *name, struct note *note)
{
    enum err e = file_read(name, &o->text, note);
    if (e != OK) {
        note_prefix(note, "--config");
        return ERR_IO;
    }
    e = json_parse(buf_span(&o->text), JSON_UNIQUE, &o->file, note);
    if (e != OK) {
        note_prefix(note, "--config: %s", name);
        return e;
    }
    if (!cJSON_IsObject(o->file))
        return note_set(note, ERR_INVALID, "--config: %s must hold one JSON object", name);
    return OK;
}

static const char *scalar_text(const cJSON *item)
{
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? "true" : "false";
    return cJSON_IsString(item) || cJSON_IsNumber(item) ? item->valuestring : NULL;
}

static enum err take_member(struct options *o, size_t i, const cJSON *item, struct note *note)
{
    char from[128];
    (void)snprintf(from, sizeof from, "'%s' of the configuration file", item->string);
    const struct option_row *row = &o->verb->options[i];
    bool many = cJSON_IsArray(item);
    if (many && row->type != OPTION_LIST)
        return note_set(note, ERR_INVALID, "%s must be one value, not a list", from);
    for (const cJSON *v = many ? item->child : item; v != NULL; v = many ? v->next : NULL) {
        const char *text = scalar_text(v);
        if (text == NULL)
            return note_set(note, ERR_INVALID, "%s must be %s, not %s", from, what_is_wanted(row), json_type_name(v));
        enum err e = take(o, i, LEVEL_FILE, text, from, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static bool find_row(const struct verb *verb, const char *name, size_t *out)
{
    for (size_t i = 0; i < verb->option_count; i++)
        if (verb->options[i].type != OPTION_HEADING && strcmp(verb->options[i].name, name) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool known_to_any_verb(const char *name)
{
    size_t at;
    for (size_t i = 0; verbs[i] != NULL; i++)
        if (strcmp(verbs[i]->name, name) == 0 || find_row(verbs[i], name, &at))
            return true;
    return false;
}

static enum err unknown_option(const struct verb *verb, const char *what, const char *name, struct note *note)
{
    const char *known[MOST_NAMES] = {"help", "config"};
    size_t n = 2;
    for (size_t i = 0; i < verb->option_count && n < MOST_NAMES; i++)
        if (verb->options[i].type != OPTION_HEADING)
            known[n++] = verb->options[i].name;
    const char *near = nearest_word(name + strspn(name, "-"), known, n);
    if (near == NULL)
        return note_set(note, ERR_UNKNOWN, "%s '%s' is not an option of mohs %s; mohs %s --help lists them", what, name,
                        verb->name, verb->name);
    return note_set(note, ERR_UNKNOWN, "%s '%s' is not an option of mohs %s; did you mean '%s%s'?", what, name,
                    verb->name, name[0] == '-' ? "--" : "", near);
}

/* Options of any verb may stand at the top, so that one file serves the whole program. */
static enum err take_file(struct options *o, struct note *note)
{
    const cJSON *own = NULL;
    size_t at;
    for (const cJSON *m = o->file->child; m != NULL; m = m->next) {
        enum err e = OK;
        if (cJSON_IsObject(m) && strcmp(m->string, o->verb->name) == 0)
            own = m;
        else if (find_row(o->verb, m->string, &at))
            e = take_member(o, at, m, note);
        else if (!known_to_any_verb(m->string))
            e = unknown_option(o->verb, "in the configuration file", m->string, note);
        if (e != OK)
            return e;
    }
    for (const cJSON *m = own == NULL ? NULL : own->child; m != NULL; m = m->next) {
        enum err e = find_row(o->verb, m->string, &at)
                         ? take_member(o, at, m, note)
                         : unknown_option(o->verb, "in the configuration file", m->string, note);
        if (e != OK)
            return e;
    }
    return OK;
}

/* ---- the command line ---- */

/* One word that begins with a dash, taken apart. */
struct word {
    size_t row;
    bool known;
    bool negated;      /* --no-name */
    const char *value; /* behind '=' or glued to the letter; NULL: none */
    char name[64];
};

static void split_long(const struct verb *verb, const char *text, struct word *w)
{
    const char *equals = strchr(text, '=');
    size_t n = equals != NULL ? (size_t)(equals - text) : strlen(text);
    if (n >= sizeof w->name)
        n = sizeof w->name - 1;
    memcpy(w->name, text, n);
    w->name[n] = '\0';
    w->value = equals != NULL ? equals + 1 : NULL;
    w->known = find_row(verb, w->name, &w->row);
    if (!w->known && strncmp(w->name, "no-", 3) == 0 && find_row(verb, w->name + 3, &w->row)) {
        w->known = w->negated = verb->options[w->row].type == OPTION_FLAG && equals == NULL;
    }
}

static void split_short(const struct verb *verb, const char *text, struct word *w)
{
    w->name[0] = text[0];
    w->name[1] = '\0';
    w->value = text[1] != '\0' ? text + 1 : NULL;
    for (size_t i = 0; i < verb->option_count && !w->known; i++)
        if (verb->options[i].letter == text[0]) {
            w->row = i;
            w->known = true;
        }
}

/* Takes the word at argv[*i], and the one behind it when that is its value. */
static enum err take_word(struct options *o, int argc, char **argv, int *i, bool only_config, struct note *note)
{
    struct word w = {0};
    bool is_long = argv[*i][1] == '-';
    if (is_long)
        split_long(o->verb, argv[*i] + 2, &w);
    else
        split_short(o->verb, argv[*i] + 1, &w);
    bool is_config = is_long && strcmp(w.name, "config") == 0;
    if (!w.known && !is_config)
        return unknown_option(o->verb, "the flag", argv[*i], note);
    bool flag = w.known && o->verb->options[w.row].type == OPTION_FLAG;
    const char *value = w.value;
    if (flag)
        value = w.negated ? "false" : value != NULL ? value : "true";
    else if (value == NULL) {
        if (*i + 1 >= argc)
            return note_set(note, ERR_INVALID, "the flag '%s' wants a value (%s); mohs %s --help shows it", argv[*i],
                            is_config ? "FILE" : o->verb->options[w.row].argument, o->verb->name);
        value = argv[++*i];
    }
    if (is_config)
        return only_config ? read_config(o, value, note) : OK;
    if (only_config)
        return OK;
    char from[80];
    (void)snprintf(from, sizeof from, "%s%s", is_long ? "--" : "-", w.name);
    return take(o, w.row, LEVEL_LINE, value, from, note);
}

/* Twice over the line: first for --config, which ranks below, then for all the rest. */
static enum err walk_line(struct options *o, int argc, char **argv, bool only_config, struct note *note)
{
    bool words_only = false;
    for (int i = 0; i < argc; i++) {
        enum err e = OK;
        if (!words_only && strcmp(argv[i], "--") == 0) {
            words_only = true;
        } else if (!words_only && argv[i][0] == '-' && argv[i][1] != '\0') {
            e = take_word(o, argc, argv, &i, only_config, note);
        } else if (!only_config) {
            if (o->verb->operands == NULL)
                return note_set(note, ERR_INVALID,
                                "mohs %s takes no word like '%s'; mohs %s --help shows what it takes", o->verb->name,
                                argv[i], o->verb->name);
            e = list_add(&o->operands, argv[i]);
        }
        if (e != OK)
            return e;
    }
    return OK;
}

enum err options_parse(const struct verb *verb, int argc, char **argv, struct options *out, struct note *note)
{
    *out = (struct options){.verb = verb, .text = BUF_INIT(LARGEST_CONFIG)};
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            out->help = true;
            return OK;
        }
    out->settings = calloc(1, verb->size > 0 ? verb->size : 1);
    out->level = calloc(verb->option_count + 1, 1);
    if (out->settings == NULL || out->level == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    enum err e = take_fallbacks(out, note);
    if (e == OK)
        e = walk_line(out, argc, argv, true, note);
    if (e == OK && out->file == NULL && getenv("MOHS_CONFIG") != NULL)
        e = read_config(out, getenv("MOHS_CONFIG"), note);
    if (e == OK && out->file != NULL)
        e = take_file(out, note);
    if (e == OK)
        e = take_environment(out, note);
    return e == OK ? walk_line(out, argc, argv, false, note) : e;
}

void options_release(struct options *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; o->settings != NULL && i < o->verb->option_count; i++)
        if (o->verb->options[i].type == OPTION_LIST) {
            struct option_list *list = (struct option_list *)(void *)((char *)o->settings + o->verb->options[i].offset);
            free(list->items);
        }
    free(o->settings);
    free(o->level);
    free(o->operands.items);
    json_free(&o->file);
    buf_release(&o->text);
    *o = (struct options){0};
}
