/* case.c: what makes a case sound beyond its schema.
 *
 * The schema knows the keys; here is what it cannot know: names that must exist elsewhere (requirements, capabilities,
 * invariants, checks), matchers that must compile, and the rule that replies belong to a step, not to one of its
 * alternatives, because only one script is given to the mock. A mutation must name a check that the case makes; else it
 * could never be caught, and the self test would blame the wrong part.
 */
#include "harness/case.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness/dialect.h"
#include "harness/suite.h"
#include "protocol/data.h"
#include "protocol/match.h"

#define CASE_SCHEMA "suites/case.schema.json"
#define CASES_DIR   "suites/cases/"

static const char *const expect_members[] = {"operation",  "model",         "method",      "target",    "headers",
                                             "body",       "raw_body",      "body_sha256", "signature", "delivered",
                                             "connection", "on_connection", "valid",       "canaries"};
enum { EXPECT_STANDARD = 2 }; /* the last two are judged unasked */
static const char *const receive_members[] = {"status",  "headers",     "body", "text",
                                              "message", "error_shape", "cost", "cost_record"};
static const char *const stream_members[] = {"message", "error", "ends", "events"};

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static bool is_expect_member(const char *member, bool *standard)
{
    for (size_t i = 0; i < COUNT_OF(expect_members); i++)
        if (strcmp(expect_members[i], member) == 0) {
            *standard = i + EXPECT_STANDARD >= COUNT_OF(expect_members);
            return true;
        }
    return false;
}

/* ---- matchers ---- */

static enum err check_matchers(const cJSON *object, const char *const *members, size_t count, const char *where,
                               struct note *note)
{
    for (size_t i = 0; i < count; i++) {
        const cJSON *matcher = cJSON_GetObjectItemCaseSensitive(object, members[i]);
        CLEANUP(buf_release) struct buf at = BUF_INIT(BUF_ANY);
        buf_adds(&at, where);
        json_pointer_add(&at, members[i]);
        enum err e = matcher == NULL ? OK : match_validate(matcher, buf_text(&at), note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_calls(const cJSON *calls, const char *where, bool replies, struct note *note)
{
    const cJSON *call;
    size_t j = 0;
    cJSON_ArrayForEach(call, calls)
    {
        char at[160];
        (void)snprintf(at, sizeof at, "%s/upstream/%zu/expect", where, j++);
        if (!replies && json_member(call, "reply") != NULL)
            return note_set(note, ERR_INVALID,
                            "%s: a reply cannot stand in an alternative; put it into the step's script", at);
        enum err e = check_matchers(json_member(call, "expect"), expect_members, COUNT_OF(expect_members), at, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_invariants(const cJSON *names, const struct dialect *d, const char *where, struct note *note)
{
    const cJSON *name;
    cJSON_ArrayForEach(name, names)
    {
        if (dialect_invariant(d, name->valuestring) != NULL)
            continue;
        const char *known[64];
        size_t n = 0;
        for (; n < d->invariant_count && n < COUNT_OF(known); n++)
            known[n] = d->invariants[n].name;
        const char *near = nearest_word(name->valuestring, known, n);
        return note_set(note, ERR_UNKNOWN, "%s: %s knows no invariant '%s'%s%s", where, d->name, name->valuestring,
                        near != NULL ? "; did you mean " : "", near != NULL ? near : "");
    }
    return OK;
}

static enum err check_receive(const cJSON *receive, const struct dialect *d, const char *where, struct note *note)
{
    static const char *const lists[] = {"invariants", "also", "except"};
    char at[160];
    (void)snprintf(at, sizeof at, "%s/receive", where);
    enum err e = check_matchers(receive, receive_members, COUNT_OF(receive_members) - 1, at, note);
    const cJSON *stream = json_member(receive, "stream");
    if (e != OK || stream == NULL)
        return e;
    (void)snprintf(at, sizeof at, "%s/receive/stream", where);
    if (d->feed == NULL)
        return note_set(note, ERR_INVALID, "%s: %s has no streams", at, d->name);
    for (size_t i = 0; i < COUNT_OF(lists) && e == OK; i++)
        e = check_invariants(json_member(stream, lists[i]), d, at, note);
    return e == OK ? check_matchers(stream, stream_members, COUNT_OF(stream_members), at, note) : e;
}

/* ---- steps ---- */

static enum err check_after(const cJSON *holder, const char *where, struct note *note)
{
    if (holder == NULL || cJSON_GetArraySize(json_member(holder, "after")) == 1)
        return OK;
    return note_set(note, ERR_INVALID, "%s/after: must say one thing: events, frames, head or upstream", where);
}

static bool holds_string(const cJSON *tree, const char *text)
{
    if (cJSON_IsString(tree) && strcmp(tree->valuestring, text) == 0)
        return true;
    bool nested = cJSON_IsObject(tree) || cJSON_IsArray(tree);
    for (const cJSON *c = nested ? tree->child : NULL; c != NULL; c = c->next)
        if (holds_string(c, text))
            return true;
    return false;
}

static enum err check_progress(const cJSON *step, const char *where, struct note *note)
{
    const cJSON *point;
    size_t j = 0;
    cJSON_ArrayForEach(point, json_member(step, "progress"))
    {
        char at[160];
        (void)snprintf(at, sizeof at, "%s/progress/%zu", where, j++);
        enum err e = check_after(point, at, note);
        if (e != OK)
            return e;
        if (!holds_string(json_member(step, "upstream"), json_str(point, "open")) &&
            !holds_string(json_member(step, "script"), json_str(point, "open")))
            return note_set(note, ERR_INVALID, "%s/open: no reply of this step has a gate '%s'", at,
                            json_str(point, "open"));
    }
    char at[160];
    (void)snprintf(at, sizeof at, "%s/disconnect", where);
    return check_after(json_member(step, "disconnect"), at, note);
}

static enum err check_alternatives(const cJSON *step, const struct dialect *d, const char *where, struct note *note)
{
    const cJSON *one;
    size_t j = 0;
    cJSON_ArrayForEach(one, json_member(step, "alternatives"))
    {
        char at[160];
        (void)snprintf(at, sizeof at, "%s/alternatives/%zu", where, j++);
        enum err e = OK;
        if (json_member(step, "upstream") == NULL && json_member(one, "upstream") == NULL)
            e = note_set(note, ERR_INVALID, "%s: neither it nor the step says what goes upstream", at);
        if (e == OK)
            e = check_calls(json_member(one, "upstream"), at, false, note);
        if (e == OK)
            e = check_receive(json_member(one, "receive"), d, at, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_step(const cJSON *step, const char *where, struct note *note)
{
    const char *name = json_str(json_member(step, "send"), "dialect");
    const struct dialect *d = dialect_named(name);
    if (d == NULL)
        return note_set(note, ERR_UNKNOWN, "%s/send/dialect: nobody speaks '%s'", where, name);
    bool said = json_member(step, "upstream") != NULL || json_member(step, "alternatives") != NULL;
    enum err e =
        said ? OK
             : note_set(note, ERR_INVALID, "%s: needs upstream ([] when nothing may be sent), or alternatives", where);
    if (e == OK)
        e = check_calls(json_member(step, "upstream"), where, true, note);
    if (e == OK)
        e = check_receive(json_member(step, "receive"), d, where, note);
    if (e == OK)
        e = check_progress(step, where, note);
    return e == OK ? check_alternatives(step, d, where, note) : e;
}

/* ---- check ids ---- */

/* "upstream[j].rest": the call, and where the rest begins; NULL when there is no such call. */
static const cJSON *call_of(const cJSON *calls, const char *text, const char **rest)
{
    unsigned j = 0;
    int used = 0;
    if (sscanf(text, "upstream[%u].%n", &j, &used) != 1 || used == 0)
        return NULL;
    *rest = text + used;
    return cJSON_GetArrayItem(calls, (int)j);
}

static bool stream_has(const cJSON *stream, const struct dialect *d, const char *name)
{
    if (is_one_of(name, stream_members, COUNT_OF(stream_members)))
        return strcmp(name, "ends") == 0 || cJSON_GetObjectItemCaseSensitive(stream, name) != NULL;
    const struct invariant *row = d == NULL ? NULL : dialect_invariant(d, name);
    if (row == NULL)
        return false;
    if (json_member(stream, "invariants") != NULL)
        return holds_string(json_member(stream, "invariants"), name) || holds_string(json_member(stream, "also"), name);
    return (row->standard && !holds_string(json_member(stream, "except"), name)) ||
           holds_string(json_member(stream, "also"), name);
}

static bool part_has(const cJSON *part, const struct dialect *d, const char *rest)
{
    const cJSON *upstream = json_member(part, "upstream"), *receive = json_member(part, "receive");
    const char *member = NULL;
    bool standard = false;
    if (strcmp(rest, "upstream.count") == 0)
        return upstream != NULL;
    const cJSON *call = call_of(upstream, rest, &member);
    if (call != NULL)
        return is_expect_member(member, &standard) &&
               (standard || cJSON_GetObjectItemCaseSensitive(json_member(call, "expect"), member) != NULL);
    if (strncmp(rest, "receive.stream.", 15) == 0)
        return json_member(receive, "stream") != NULL && stream_has(json_member(receive, "stream"), d, rest + 15);
    if (strncmp(rest, "receive.", 8) == 0 && is_one_of(rest + 8, receive_members, COUNT_OF(receive_members)))
        return receive != NULL &&
               (strcmp(rest + 8, "status") == 0 || cJSON_GetObjectItemCaseSensitive(receive, rest + 8) != NULL);
    return false;
}

bool case_has_check(const cJSON *root, const char *check)
{
    unsigned i = 0, j = 0;
    int used = 0;
    if (sscanf(check, "steps[%u].%n", &i, &used) != 1 || used == 0)
        return false;
    const cJSON *step = cJSON_GetArrayItem(json_member(root, "steps"), (int)i);
    const char *rest = check + used;
    const char *dialect = json_str(json_member(step, "send"), "dialect");
    const struct dialect *d = dialect == NULL ? NULL : dialect_named(dialect);
    if (step == NULL)
        return false;
    if (strcmp(rest, "disconnect") == 0 || strcmp(rest, "alternatives") == 0)
        return json_member(step, rest) != NULL;
    used = 0;
    if (sscanf(rest, "progress[%u]%n", &j, &used) == 1 && used > 0 && rest[used] == '\0')
        return cJSON_GetArrayItem(json_member(step, "progress"), (int)j) != NULL;
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(step, "alternatives"))
    {
        size_t n = strlen(json_str(one, "name"));
        if (strncmp(rest, "alternatives.", 13) == 0 && strncmp(rest + 13, json_str(one, "name"), n) == 0 &&
            rest[13 + n] == '.')
            return part_has(one, d, rest + 14 + n);
    }
    return part_has(step, d, rest);
}

/* ---- the whole case ---- */

static enum err check_names(const cJSON *root, const struct requirements *requirements, const cJSON *capabilities,
                            struct note *note)
{
    const cJSON *name;
    cJSON_ArrayForEach(name, json_member(root, "requirements"))
    {
        if (requirement_find(requirements, name->valuestring) != NULL)
            continue;
        const char *near = requirement_near(requirements, name->valuestring);
        return note_set(note, ERR_UNKNOWN, "/requirements: there is no requirement '%s'%s%s", name->valuestring,
                        near != NULL ? "; did you mean " : "; mohs list --requirements shows them",
                        near != NULL ? near : "");
    }
    cJSON_ArrayForEach(name, json_member(root, "needs"))
    {
        if (cJSON_GetObjectItemCaseSensitive(json_member(capabilities, "capabilities"), name->valuestring) == NULL)
            return note_set(note, ERR_UNKNOWN, "/needs: '%s' is not in suites/capabilities.json", name->valuestring);
    }
    return OK;
}

static enum err check_mutations(const cJSON *root, struct note *note)
{
    const cJSON *m;
    size_t j = 0;
    cJSON_ArrayForEach(m, json_member(root, "mutations"))
    {
        if (!case_has_check(root, json_str(m, "caught")))
            return note_set(note, ERR_UNKNOWN, "/mutations/%zu/caught: this case makes no check '%s'", j,
                            json_str(m, "caught"));
        j++;
    }
    return OK;
}

enum err case_check(const cJSON *root, const struct requirements *requirements, const cJSON *capabilities,
                    struct note *note)
{
    enum err e = check_names(root, requirements, capabilities, note);
    const cJSON *step;
    size_t i = 0;
    cJSON_ArrayForEach(step, json_member(root, "steps"))
    {
        char at[64];
        (void)snprintf(at, sizeof at, "/steps/%zu", i++);
        if (e == OK)
            e = check_step(step, at, note);
    }
    return e == OK ? check_mutations(root, note) : e;
}

/* ---- loading ---- */

static char *id_of(const char *path)
{
    const char *begin = strstr(path, CASES_DIR);
    begin = begin != NULL ? begin + strlen(CASES_DIR) : path;
    size_t n = strlen(begin);
    if (n > 5 && strcmp(begin + n - 5, ".json") == 0)
        n -= 5;
    return span_dup((struct span){(const unsigned char *)begin, n});
}

/* Takes the tree, also when it fails. */
static enum err add(struct cases *cases, const char *path, cJSON *take, struct requirements *requirements,
                    struct note *note)
{
    CLEANUP(json_free) cJSON *tree = take;
    enum err e = case_check(tree, requirements, cases->capabilities, note);
    if (e != OK) {
        note_prefix(note, "%s", path);
        return e;
    }
    struct case_file *grown = realloc(cases->items, (cases->count + 1) * sizeof *grown);
    if (grown == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    cases->items = grown;
    struct case_file *c = &grown[cases->count++];
    *c = (struct case_file){
        .id = id_of(path), .path = span_dup(span_of(path)), .root = tree, .title = json_str(tree, "title")};
    const cJSON *name;
    cJSON_ArrayForEach(name, json_member(tree, "requirements"))
    {
        struct requirement *r = requirement_find(requirements, name->valuestring);
        r->cases++;
        if (r->level > c->level)
            c->level = r->level;
    }
    tree = NULL;
    return c->id != NULL && c->path != NULL ? OK : note_set(note, ERR_NOMEM, "out of memory");
}

struct loading {
    struct cases *cases;
    struct requirements *requirements;
    struct note *note;
};

static int load_one(void *ctx, const char *path, struct span bytes)
{
    struct loading *l = ctx;
    cJSON *tree = NULL;
    enum err e = suite_parse(bytes, path, CASE_SCHEMA, &tree, l->note);
    return (int)(e == OK ? add(l->cases, path, tree, l->requirements, l->note) : e);
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct case_file *)a)->id, ((const struct case_file *)b)->id);
}

enum err cases_load(struct cases *out, struct requirements *requirements, struct note *note)
{
    *out = (struct cases){0};
    enum err e = capabilities_load(&out->capabilities, note);
    if (e != OK)
        return e;
    struct loading l = {out, requirements, note};
    e = (enum err)data_each(CASES_DIR, load_one, &l);
    if (e == OK && out->count > 0)
        qsort(out->items, out->count, sizeof *out->items, compare_ids);
    return e;
}

enum err cases_add_file(struct cases *cases, const char *path, struct requirements *requirements, struct note *note)
{
    cJSON *tree = NULL;
    enum err e = suite_load_file(path, CASE_SCHEMA, &tree, note);
    CLEANUP(free_ptr) char *id = id_of(path);
    for (size_t i = 0; e == OK && id != NULL && i < cases->count; i++)
        if (strcmp(cases->items[i].id, id) == 0) { /* the file on the disk is newer than the one carried inside */
            struct case_file old = cases->items[i];
            memmove(&cases->items[i], &cases->items[i + 1], (cases->count - i - 1) * sizeof old);
            cases->count--;
            free(old.id);
            free(old.path);
            json_free(&old.root);
            break;
        }
    return e == OK ? add(cases, path, tree, requirements, note) : e;
}

void cases_release(struct cases *cases)
{
    if (cases == NULL)
        return;
    for (size_t i = 0; i < cases->count; i++) {
        free(cases->items[i].id);
        free(cases->items[i].path);
        json_free(&cases->items[i].root);
    }
    free(cases->items);
    json_free(&cases->capabilities);
    *cases = (struct cases){0};
}

const struct case_file *case_find(const struct cases *cases, const char *id)
{
    for (size_t i = 0; i < cases->count; i++)
        if (strcmp(cases->items[i].id, id) == 0)
            return &cases->items[i];
    return NULL;
}

const char *case_near(const struct cases *cases, const char *id)
{
    const char **ids = calloc(cases->count + 1, sizeof *ids);
    for (size_t i = 0; ids != NULL && i < cases->count; i++)
        ids[i] = cases->items[i].id;
    const char *near = ids == NULL ? NULL : nearest_word(id, ids, cases->count);
    free(ids);
    return near;
}
