/* fault.c: lists of faults: are they well-formed, which of them happen, and how they are written in one line.
 *
 * A gateway meets these upstream sooner or later: throttling as a status and in the middle of a stream, a connection
 * cut between or inside frames, a silent server, an HTML page from a proxy, Coral's 200 that is an error. What each
 * does is a function behind its row (fault_table.c). Names of modelled errors that have no row of their own are taken,
 * too:
 * {"id":"FooException"} is {"id":"error","type":"FooException"}.
 */
#include "mock/fault/fault.h"

#include <stdio.h>
#include <stdlib.h>

#include "mock/fault/fault_parts.h"
#include "mock/refusal.h"
#include "mock/script/subject.h"

static const struct mock_fault_row *find_row(const char *name)
{
    const struct mock_fault_row *rows;
    size_t n = mock_faults_list(&rows);
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].id, name) == 0 || strcmp(rows[i].code, name) == 0)
            return &rows[i];
    return error_type_find(name) != NULL ? find_row("error") : NULL;
}

static const char *nearest_row(const char *name)
{
    const struct mock_fault_row *rows;
    size_t n = mock_faults_list(&rows);
    const char *known[256];
    for (size_t i = 0; i < n && i < COUNT_OF(known); i++)
        known[i] = rows[i].id;
    return nearest_word(name, known, n < COUNT_OF(known) ? n : COUNT_OF(known));
}

/* ---- checks ---- */

static bool listed(const char *parameters, const char *word)
{
    struct span rest = span_of(parameters), head;
    while (rest.n > 0) {
        (void)span_split(rest, ',', &head, &rest);
        if (span_is(span_trim(head), word))
            return true;
    }
    return false;
}

static const struct number_row {
    const char *name;
    double least, most;
} numbers[] = {{"at_event", -1e9, 1e9}, {"at_byte", -1e9, 1e9}, {"at_block", 0, 1e9},
               {"pause_ms", 0, 1e9},    {"bytes", 1, 33554432}, {"ms", 0, 1e9},
               {"status", 200, 599},    {"times", 1, 1000},     {"by", 1, 1e6}};

static const struct number_row *find_number(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (strcmp(numbers[i].name, name) == 0)
            return &numbers[i];
    return NULL;
}

static bool is_free_field_name(const char *name)
{
    static const char *const own[] = {"date", "content-length", "transfer-encoding", "connection"};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (span_is_nocase(span_of(name), own[i]))
            return false;
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return n > 0 && name[n] == '\0';
}

static enum err check_parameter(const cJSON *item, const char *parameters, const char *where, struct note *note)
{
    if (!listed(parameters, item->string))
        return note_set(note, ERR_INVALID, "%s/%s: this fault has no such parameter; it takes: %s", where, item->string,
                        parameters[0] == '\0' ? "none" : parameters);
    const struct number_row *number = find_number(item->string);
    if (number != NULL)
        return cJSON_IsNumber(item) && item->valuedouble >= number->least && item->valuedouble <= number->most
                   ? OK
                   : note_set(note, ERR_INVALID, "%s/%s: expected a number from %.0f to %.0f", where, item->string,
                              number->least, number->most);
    if (!cJSON_IsString(item) || strpbrk(item->valuestring, "\r\n") != NULL)
        return note_set(note, ERR_INVALID, "%s/%s: expected a string of one line", where, item->string);
    if (strcmp(item->string, "header") == 0 && !is_free_field_name(item->valuestring))
        return note_set(note, ERR_INVALID, "%s/header: expected the name of a header that is not the server's own",
                        where);
    return OK;
}

static enum err check_rate(const cJSON *item, const char *where, struct note *note)
{
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= 1
               ? OK
               : note_set(note, ERR_INVALID, "%s/rate: expected a number from 0 to 1", where);
}

static enum err check_match(const cJSON *m, const char *where, struct note *note)
{
    char at[256];
    (void)snprintf(at, sizeof at, "%s/match", where);
    return subject_check(m, NULL, at, note);
}

static enum err check_member(const cJSON *item, const struct mock_fault_row *row, bool matching, const char *where,
                             struct note *note)
{
    if (strcmp(item->string, "id") == 0)
        return OK;
    if (strcmp(item->string, "rate") == 0)
        return check_rate(item, where, note);
    if (matching && strcmp(item->string, "match") == 0)
        return check_match(item, where, note);
    return check_parameter(item, row->parameters, where, note);
}

static enum err check_fault(const cJSON *fault, bool matching, const char *where, struct note *note)
{
    const char *id = NULL;
    if (!cJSON_IsObject(fault))
        return note_set(note, ERR_INVALID, "%s: expected an object such as {\"id\":\"cut-fin\",\"at_event\":3}", where);
    enum err e = json_get_string(fault, "id", where, &id, note);
    if (e != OK)
        return e;
    const struct mock_fault_row *row = find_row(id);
    if (row == NULL) {
        const char *near = nearest_row(id);
        return note_set(note, ERR_INVALID, "%s/id: no fault is called \"%.200s\"; %s%s", where, id,
                        near != NULL ? "did you mean " : "`mohs list --faults` has them all", near != NULL ? near : "");
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, fault)
    {
        if (e == OK)
            e = check_member(item, row, matching, where, note);
    }
    return e;
}

static enum err check_list(const cJSON *list, bool matching, const char *where, struct note *note)
{
    if (list == NULL)
        return OK;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > FAULTS_MAX)
        return note_set(note, ERR_INVALID, "%s: expected a list of at most %d faults", where, FAULTS_MAX);
    const cJSON *fault;
    size_t i = 0;
    cJSON_ArrayForEach(fault, list)
    {
        char at[256];
        (void)snprintf(at, sizeof at, "%s/%zu", where, i++);
        enum err e = check_fault(fault, matching, at, note);
        if (e != OK)
            return e;
    }
    return OK;
}

enum err faults_check(const cJSON *list, const char *where, struct note *note)
{
    return check_list(list, false, where, note);
}

enum err faults_check_matching(const cJSON *list, const char *where, struct note *note)
{
    return check_list(list, true, where, note);
}

/* ---- which of them happen ---- */

static bool any_has(const cJSON *list, const char *member)
{
    const cJSON *fault;
    cJSON_ArrayForEach(fault, list)
    {
        if (fault_has(fault, member))
            return true;
    }
    return false;
}

bool faults_want_seed(const cJSON *list)
{
    return any_has(list, "rate");
}

bool faults_want_subject(const cJSON *list)
{
    return any_has(list, "match");
}

/* Each has a stream of numbers of its own, by its place and name: adding one to the list leaves the draws of the others
 * as they were. */
static bool happens(const cJSON *fault, size_t i, const struct fault_scene *scene)
{
    const cJSON *rate = cJSON_GetObjectItemCaseSensitive(fault, "rate");
    const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(fault, "match");
    if (wanted != NULL && (scene->subject == NULL || !subject_matches(wanted, NULL, scene->subject)))
        return false;
    if (rate == NULL)
        return true;
    struct rng rng = {rng_hash(scene->seed + i, span_of(fault_text(fault, "id", "")))};
    return (double)(rng_next(&rng) >> 11) * 0x1p-53 < rate->valuedouble;
}

static void remember(const cJSON *fault, struct buf *out)
{
    if (out == NULL)
        return;
    buf_addc(out, out->len == 0 ? '[' : ',');
    json_quote(span_of(fault_text(fault, "id", "")), out);
}

const struct mock_fault_row *fault_row(const char *id)
{
    return find_row(id);
}

bool fault_takes(const struct mock_fault_row *row, const char *parameter)
{
    return listed(row->parameters, parameter);
}

/* These are about every event; the others without a place are about the head. */
static bool is_for_later(const struct mock_fault_row *row)
{
    static const char *const each[] = {"shred", "drip", "itl", "trailing-bytes"};
    for (size_t i = 0; i < COUNT_OF(each); i++)
        if (strcmp(each[i], row->id) == 0)
            return true;
    return listed(row->parameters, "at_event") || listed(row->parameters, "at_byte");
}

static void put_off(const cJSON *fault, cJSON *later)
{
    cJSON *own = cJSON_Duplicate(fault, true);
    cJSON_DeleteItemFromObjectCaseSensitive(own, "rate");
    cJSON_DeleteItemFromObjectCaseSensitive(own, "match");
    if (own != NULL && !cJSON_AddItemToArray(later, own))
        cJSON_Delete(own);
}

struct plan *faults_apply(struct plan *take, const cJSON *list, const struct fault_scene *scene)
{
    struct fault_scene here = *scene;
    const cJSON *fault;
    size_t i = 0;
    cJSON_ArrayForEach(fault, list)
    {
        here.row = find_row(fault_text(fault, "id", ""));
        if (take == NULL || here.row == NULL || !happens(fault, i++, scene))
            continue;
        if (take->open && is_for_later(here.row)) {
            if (scene->later != NULL)
                put_off(fault, scene->later);
        } else {
            take = here.row->apply(take, fault, &here);
        }
        remember(fault, scene->happened);
    }
    return take;
}

/* ---- in one line ---- */

#define ONE_LINE_MAX 4096 /* bytes; headers and command lines are shorter */

/* "0.05" or "5%". */
static bool read_rate(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || !(*out >= 0))
        return false;
    if (*end == '%') {
        *out /= 100;
        end++;
    }
    return *end == '\0' && *out <= 1;
}

static enum err add_parameter(cJSON *fault, struct span text, struct note *note)
{
    struct span name, value;
    char key[64], word[1024];
    if (!span_split(text, '=', &name, &value) || name.n == 0 || name.n >= sizeof key || value.n >= sizeof word)
        return note_set(note, ERR_INVALID, "\"%.*s\": expected name=value", (int)(text.n < 80 ? text.n : 80),
                        (const char *)text.p);
    (void)snprintf(key, sizeof key, "%.*s", (int)name.n, (const char *)name.p);
    (void)snprintf(word, sizeof word, "%.*s", (int)value.n, (const char *)value.p);
    double number = 0;
    char *end = word;
    if (strcmp(key, "rate") == 0)
        end = read_rate(word, &number) ? word + strlen(word) : word;
    else if (find_number(key) != NULL)
        number = strtod(word, &end);
    bool is_number = end != word && *end == '\0';
    cJSON *added = is_number ? cJSON_AddNumberToObject(fault, key, number) : cJSON_AddStringToObject(fault, key, word);
    return added != NULL ? OK : note_set(note, ERR_NOMEM, "out of memory");
}

/* No id holds these: where one seems to, the other way of writing faults was meant. */
static enum err refuse_mark(const char *name, char mark, struct note *note)
{
    if (strpbrk(name, ";:,=") == NULL)
        return OK;
    return note_set(note, ERR_INVALID,
                    mark == ',' ? "\"%.80s\": parameters follow ':' here, and commas part them, as in pause:at_event=1,ms=50"
                                : "\"%.80s\": parameters follow ';' here, and commas part faults, as in pause;at_event=1;ms=50",
                    name);
}

/* The id, then parameters apart by `mark`. */
static enum err add_fault(struct span id, struct span parameters, char mark, double rate, cJSON *list,
                          struct note *note)
{
    CLEANUP(free_ptr) char *name = span_dup(span_trim(id));
    cJSON *fault = name == NULL ? NULL : cJSON_CreateObject();
    if (fault == NULL || !cJSON_AddItemToArray(list, fault)) {
        cJSON_Delete(fault);
        return note_set(note, ERR_NOMEM, "out of memory");
    }
    enum err e = refuse_mark(name, mark, note);
    if (e == OK && cJSON_AddStringToObject(fault, "id", name) == NULL)
        e = note_set(note, ERR_NOMEM, "out of memory");
    while (e == OK && parameters.n > 0) {
        struct span one;
        (void)span_split(parameters, mark, &one, &parameters);
        e = add_parameter(fault, span_trim(one), note);
    }
    if (e == OK && rate < 1 && cJSON_AddNumberToObject(fault, "rate", rate) == NULL)
        e = note_set(note, ERR_NOMEM, "out of memory");
    return e;
}

/* "EVS-02;at_event=3@5%": cut the rate off. A word behind an @ that begins with no digit (a@b in a message) is no rate. */
static enum err split_rate(struct span *one, double *rate, struct note *note)
{
    size_t at = one->n;
    char word[64];
    *rate = 1;
    while (at > 0 && one->p[at - 1] != '@')
        at--;
    if (at == 0 || at == one->n || !((one->p[at] >= '0' && one->p[at] <= '9') || one->p[at] == '.'))
        return OK;
    struct span behind = span_from(*one, at);
    (void)snprintf(word, sizeof word, "%.*s", (int)(behind.n < 60 ? behind.n : 60), (const char *)behind.p);
    if (behind.n >= sizeof word || !read_rate(word, rate))
        return note_set(note, ERR_INVALID, "\"%s\": expected a rate such as 0.05 or 5%%", word);
    *one = span_trim(span_cut(*one, 0, at - 1));
    return OK;
}

enum err faults_read_header(struct span text, cJSON *list, struct note *note)
{
    enum err e = text.n > ONE_LINE_MAX ? note_set(note, ERR_LIMIT, "longer than %d bytes", ONE_LINE_MAX) : OK;
    while (e == OK && text.n > 0) {
        struct span one, id, parameters = SPAN_EMPTY;
        double rate = 1;
        (void)span_split(text, ',', &one, &text);
        one = span_trim(one);
        e = split_rate(&one, &rate, note);
        (void)span_split(one, ';', &id, &parameters);
        if (e == OK)
            e = add_fault(id, parameters, ';', rate, list, note);
    }
    return e;
}

enum err faults_read_option(const char *text, cJSON *list, struct note *note)
{
    struct span all = span_of(text), id, parameters = SPAN_EMPTY;
    double rate = 1;
    const char *at = strrchr(text, '@');
    if (all.n > ONE_LINE_MAX)
        return note_set(note, ERR_LIMIT, "longer than %d bytes", ONE_LINE_MAX);
    if (at != NULL && read_rate(at + 1, &rate))
        all.n = (size_t)(at - text);
    else if (at != NULL)
        return note_set(note, ERR_INVALID, "\"%.80s\": expected a rate such as 0.05 or 5%%", at + 1);
    if (!span_split(all, ':', &id, &parameters))
        id = all;
    return add_fault(id, parameters, ',', rate, list, note);
}
