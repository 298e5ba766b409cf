/* fixture.c: from the text of files to a set of fixtures.
 *
 * A document is checked whole before a set takes it, by the checkers that POST /script uses, so that there is one language
 * and serving cannot fail for its form. A complaint carries a JSON pointer; the line is found by a second look at the
 * text, since the tree does not keep lines.
 */
#include "mock/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "mock/fixture_set.h"
#include "mock/scripted.h"

const char *const fixture_match_more[] = {"nth", "call", NULL};

static const char *const then_words[] = {"repeat-last", "cycle", "stop"};

/* ---- checking ---- */

static enum err check_times(const cJSON *t, const char *where, struct note *note)
{
    int64_t n;
    if (t == NULL || (cJSON_IsString(t) && strcmp(t->valuestring, "always") == 0))
        return OK;
    return cJSON_IsNumber(t) && json_int64(t, &n) && n >= 1 && n <= 1000000000
               ? OK
               : note_set(note, ERR_INVALID, "%s: expected a whole number from 1, or \"always\"", where);
}

static enum err check_then(const cJSON *then, const cJSON *sequence, const char *where, struct note *note)
{
    if (then == NULL)
        return OK;
    if (sequence == NULL)
        return note_set(note, ERR_INVALID, "%s: belongs to a sequence, and there is none", where);
    for (size_t i = 0; cJSON_IsString(then) && i < COUNT_OF(then_words); i++)
        if (strcmp(then->valuestring, then_words[i]) == 0)
            return OK;
    const char *near = cJSON_IsString(then) ? nearest_word(then->valuestring, then_words, COUNT_OF(then_words)) : NULL;
    return note_set(note, ERR_INVALID, "%s: expected repeat-last, cycle or stop%s%s", where,
                    near != NULL ? "; did you mean " : "", near != NULL ? near : "");
}

static enum err check_replies(const cJSON *f, const char *where, struct note *note)
{
    const cJSON *reply = json_item(f, "reply"), *sequence = json_item(f, "sequence"), *item;
    char at[160];
    if ((reply == NULL) == (sequence == NULL))
        return note_set(note, ERR_INVALID, "%s: expected a reply, or a sequence of them%s", where,
                        reply != NULL ? ", not both" : "");
    if (reply != NULL) {
        (void)snprintf(at, sizeof at, "%s/reply", where);
        return scripted_check(reply, at, note);
    }
    if (!cJSON_IsArray(sequence) || sequence->child == NULL)
        return note_set(note, ERR_INVALID, "%s/sequence: expected a list of replies", where);
    if (json_item(f, "times") != NULL)
        return note_set(note, ERR_INVALID, "%s/times: belongs to a reply; a sequence has \"then\"", where);
    size_t i = 0;
    cJSON_ArrayForEach(item, sequence)
    {
        (void)snprintf(at, sizeof at, "%s/sequence/%zu", where, i++);
        enum err e = scripted_check(item, at, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_fixture(const cJSON *f, size_t i, struct note *note)
{
    static const char *const known[] = {"name", "about", "priority", "match", "times", "reply", "sequence", "then"};
    char where[64], at[96];
    int64_t priority = 0;
    const char *text = NULL;
    (void)snprintf(where, sizeof where, "/fixtures/%zu", i);
    if (!cJSON_IsObject(f))
        return note_set(note, ERR_INVALID, "%s: expected an object, found %s", where, json_type_name(f));
    enum err e = json_only_keys(f, known, COUNT_OF(known), where, note);
    if (e == OK)
        e = json_opt_string(f, "name", where, &text, note);
    if (e == OK)
        e = json_opt_string(f, "about", where, &text, note);
    if (e == OK)
        e = json_opt_int(f, "priority", where, &priority, note);
    (void)snprintf(at, sizeof at, "%s/match", where);
    if (e == OK)
        e = subject_check(json_item(f, "match"), fixture_match_more, at, note);
    (void)snprintf(at, sizeof at, "%s/times", where);
    if (e == OK)
        e = check_times(json_item(f, "times"), at, note);
    (void)snprintf(at, sizeof at, "%s/then", where);
    if (e == OK)
        e = check_then(json_item(f, "then"), json_item(f, "sequence"), at, note);
    return e == OK ? check_replies(f, where, note) : e;
}

enum err fixture_check_document(const cJSON *document, struct note *note)
{
    static const char *const known[] = {"$schema", "about", "fixtures"};
    const cJSON *list = json_item(document, "fixtures"), *f;
    if (!cJSON_IsObject(document))
        return note_set(note, ERR_INVALID, "/: expected an object with a list of fixtures, found %s",
                        json_type_name(document));
    enum err e = json_only_keys(document, known, COUNT_OF(known), "", note);
    if (e == OK && !cJSON_IsArray(list))
        e = note_set(note, ERR_INVALID, "/fixtures: expected a list of fixtures, found %s", json_type_name(list));
    size_t i = 0;
    for (f = list == NULL ? NULL : list->child; f != NULL && e == OK; f = f->next)
        e = check_fixture(f, i++, note);
    return e;
}

/* ---- filling ---- */

struct fixture_set *fixture_set_new(void)
{
    static atomic_uint_fast64_t generations;
    struct fixture_set *set = calloc(1, sizeof *set);
    if (set == NULL)
        return NULL;
    atomic_init(&set->refs, 1);
    set->generation = atomic_fetch_add(&generations, 1) + 1;
    return set;
}

struct fixture_set *fixture_set_hold(struct fixture_set *set)
{
    if (set != NULL)
        atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void fixture_set_drop(struct fixture_set **pointer)
{
    struct fixture_set *set = *pointer;
    *pointer = NULL;
    if (set == NULL || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        free(set->list[i].replies);
    for (size_t i = 0; i < set->file_count; i++) {
        cJSON_Delete(set->documents[i]);
        free(set->files[i]);
    }
    for (size_t i = 0; i < set->operation_count; i++)
        free(set->operations[i].list);
    free(set->documents);
    free(set->files);
    free(set->list);
    free(set->hits);
    free(set);
}

/* Room for one more file; its document and name belong to the set from then on. */
static bool keep_file(struct fixture_set *set, cJSON *take, const char *file)
{
    if (set->file_count == set->file_room) {
        size_t room = set->file_room == 0 ? 16 : set->file_room * 2;
        cJSON **documents = realloc(set->documents, room * sizeof *documents);
        set->documents = documents != NULL ? documents : set->documents;
        char **files = realloc(set->files, room * sizeof *files);
        set->files = files != NULL ? files : set->files;
        if (documents == NULL || files == NULL)
            return false;
        set->file_room = room;
    }
    char *name = strdup(file);
    if (name == NULL)
        return false;
    set->documents[set->file_count] = take;
    set->files[set->file_count++] = name;
    return true;
}

int64_t fixture_answers(const struct fixture *f)
{
    return f->then == FIXTURE_STOP ? (int64_t)f->count : f->times;
}

static bool read_fixture(const cJSON *item, struct fixture *f)
{
    const cJSON *sequence = json_item(item, "sequence"), *reply, *times = json_item(item, "times");
    const char *then = json_str(item, "then");
    f->name = json_str(item, "name");
    f->match = json_item(item, "match");
    f->nth = json_item(f->match, "nth");
    f->call = json_item(f->match, "call");
    f->operation = json_str(f->match, "operation");
    f->times = SCRIPT_ALWAYS;
    f->priority = 0;
    if (json_item(item, "priority") != NULL && !json_int64(json_item(item, "priority"), &f->priority))
        f->priority = 0;
    if (cJSON_IsNumber(times) && !json_int64(times, &f->times))
        f->times = SCRIPT_ALWAYS;
    f->then = then == NULL || strcmp(then, "repeat-last") == 0 ? FIXTURE_REPEAT_LAST
              : strcmp(then, "cycle") == 0                     ? FIXTURE_CYCLE
                                                               : FIXTURE_STOP;
    size_t n = sequence == NULL ? 1 : (size_t)cJSON_GetArraySize(sequence);
    f->replies = calloc(n, sizeof *f->replies);
    if (f->replies == NULL)
        return false;
    if (sequence == NULL)
        f->replies[f->count++] = json_item(item, "reply");
    cJSON_ArrayForEach(reply, sequence) f->replies[f->count++] = reply;
    return true;
}

static enum err add_fixtures(struct fixture_set *set, const cJSON *list, const char *file, struct note *note)
{
    const cJSON *item;
    size_t index = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (set->count == FIXTURES_MAX)
            return note_set(note, ERR_LIMIT, "%s: more than %d fixtures", file, FIXTURES_MAX);
        if (set->count == set->room) {
            size_t room = set->room == 0 ? 64 : set->room * 2;
            struct fixture *more = realloc(set->list, room * sizeof *more);
            if (more == NULL)
                return note_set(note, ERR_NOMEM, "out of memory");
            set->list = more;
            set->room = room;
        }
        struct fixture *f = &set->list[set->count];
        *f = (struct fixture){.file = file, .index = index++, .order = set->count};
        if (!read_fixture(item, f)) {
            free(f->replies);
            return note_set(note, ERR_NOMEM, "out of memory");
        }
        set->count++;
        set->counts = set->counts || f->nth != NULL || f->count > 1 || f->times != SCRIPT_ALWAYS || f->then == FIXTURE_STOP;
    }
    return OK;
}

/* "/fixtures/0/match: ..." becomes "FILE:LINE: /fixtures/0/match: ...". */
static void say_where(struct span text, const char *file, struct note *note)
{
    char pointer[512];
    size_t n = 0;
    while (note->text[n] == '/' || (n > 0 && note->text[n] != '\0' && note->text[n] != ':' && note->text[n] != ' '))
        n++;
    if (n == 0 || n >= sizeof pointer) {
        note_prefix(note, "%s", file);
        return;
    }
    memcpy(pointer, note->text, n);
    pointer[n] = '\0';
    note_prefix(note, "%s:%zu", file, fixture_line(text, pointer));
}

enum err fixture_set_add(struct fixture_set *set, const char *file, struct span text, struct note *note)
{
    cJSON *document = NULL;
    if (set->file_count == FIXTURE_FILES_MAX)
        return note_set(note, ERR_LIMIT, "%s: more than %d files of fixtures", file, FIXTURE_FILES_MAX);
    enum err e = json_parse(text, JSON_UNIQUE, &document, note);
    if (e != OK) {
        note_prefix(note, "%s", file);
        return e;
    }
    struct note own = {""};
    e = fixture_check_document(document, &own);
    if (e != OK) {
        say_where(text, file, &own);
        cJSON_Delete(document);
        return note_set(note, e, "%s", own.text);
    }
    if (!keep_file(set, document, file)) {
        cJSON_Delete(document);
        return note_set(note, ERR_NOMEM, "out of memory");
    }
    return add_fixtures(set, json_item(document, "fixtures"), set->files[set->file_count - 1], note);
}

/* ---- closing ---- */

static int by_priority(const void *a, const void *b)
{
    const struct fixture *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* The fixtures that a request of this operation could mean. */
static bool list_operation(struct fixture_set *set, const char *name)
{
    for (size_t i = 0; i < set->operation_count; i++)
        if (strcmp(set->operations[i].name, name) == 0)
            return true;
    if (set->operation_count == FIXTURE_OPERATIONS_MAX)
        return true; /* the rest is found by asking all */
    struct fixture_operation *o = &set->operations[set->operation_count];
    o->list = calloc(set->count, sizeof *o->list);
    if (o->list == NULL)
        return false;
    o->name = name;
    o->count = 0;
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].operation == NULL || strcmp(set->list[i].operation, name) == 0)
            o->list[o->count++] = i;
    set->operation_count++;
    return true;
}

enum err fixture_set_close(struct fixture_set *set, struct note *note)
{
    if (set->count == 0)
        return OK;
    set->hits = calloc(set->count, sizeof *set->hits);
    if (set->hits == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    qsort(set->list, set->count, sizeof *set->list, by_priority);
    for (size_t i = 0; i < set->count; i++) {
        set->list[i].order = i;
        set->list[i].hits = &set->hits[i];
    }
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].operation != NULL && !list_operation(set, set->list[i].operation))
            return note_set(note, ERR_NOMEM, "out of memory");
    return OK;
}

size_t fixture_set_count(const struct fixture_set *set)
{
    return set == NULL ? 0 : set->count;
}

size_t fixture_set_files(const struct fixture_set *set)
{
    return set == NULL ? 0 : set->file_count;
}

const char *fixture_set_file(const struct fixture_set *set, size_t i)
{
    return set->files[i];
}

const struct fixture *fixture_set_at(const struct fixture_set *set, size_t i)
{
    return &set->list[i];
}

uint64_t fixture_hits(const struct fixture *f)
{
    return atomic_load_explicit(f->hits, memory_order_relaxed);
}

void fixture_label(const struct fixture *f, struct buf *out)
{
    if (f->name != NULL)
        buf_addf(out, "%s (", f->name);
    buf_addf(out, "%s#/fixtures/%zu%s", f->file, f->index, f->name != NULL ? ")" : "");
}

/* ---- lines ---- */

struct scan {
    struct span text;
    size_t at, line;
};

static void skip_space(struct scan *s)
{
    for (; s->at < s->text.n && strchr(" \t\r\n", s->text.p[s->at]) != NULL; s->at++)
        s->line += s->text.p[s->at] == '\n';
}

static struct span skip_string(struct scan *s)
{
    size_t from = ++s->at;
    while (s->at < s->text.n && s->text.p[s->at] != '"')
        s->at += s->text.p[s->at] == '\\' ? 2 : 1;
    struct span inside = s->at <= s->text.n ? span_cut(s->text, from, s->at - from) : SPAN_EMPTY;
    s->at++;
    return inside;
}

/* Any value, by counting its brackets. */
static void skip_value(struct scan *s)
{
    int depth = 0;
    do {
        skip_space(s);
        if (s->at >= s->text.n)
            return;
        unsigned char c = s->text.p[s->at];
        if (c == '"') {
            (void)skip_string(s);
            continue;
        }
        depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
        s->at++;
        while (depth == 0 && s->at < s->text.n && strchr(" \t\r\n,:[]{}\"", s->text.p[s->at]) == NULL)
            s->at++;
    } while (depth > 0);
}

/* From the first character of a list or object to that of the value called `token`; false: it is not there. */
static bool enter(struct scan *s, struct span token)
{
    bool object = s->at < s->text.n && s->text.p[s->at] == '{';
    size_t index = 0, want = 0;
    if (s->at >= s->text.n || (!object && s->text.p[s->at] != '['))
        return false;
    for (size_t i = 0; i < token.n && !object; i++)
        want = want * 10 + (size_t)(token.p[i] - '0');
    for (s->at++;; s->at++) {
        skip_space(s);
        if (s->at >= s->text.n || s->text.p[s->at] == '}' || s->text.p[s->at] == ']')
            return false;
        if (object) {
            bool here = s->text.p[s->at] == '"' && span_equal(skip_string(s), token);
            skip_space(s);
            s->at++; /* the colon */
            skip_space(s);
            if (here)
                return true;
        } else if (index++ == want) {
            return true;
        }
        skip_value(s);
        skip_space(s);
        if (s->at >= s->text.n || s->text.p[s->at] != ',')
            return false;
    }
}

size_t fixture_line(struct span text, const char *pointer)
{
    struct scan s = {text, 0, 1};
    struct span rest = span_from(span_of(pointer), 1), token;
    size_t line = 1;
    skip_space(&s);
    for (bool more = rest.n > 0; more;) {
        more = span_split(rest, '/', &token, &rest);
        line = s.line;
        if (!enter(&s, token))
            return line;
        line = s.line;
    }
    return line;
}
