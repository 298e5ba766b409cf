/* expected.c: lists that clean themselves: what is listed and holds is stale and fails the run, so nobody keeps dead
 * rows. */
#include "harness/expected.h"

#include <stdio.h>

#include "harness/suite.h"

#define SCHEMA "suites/expected-failures.schema.json"

enum err expected_load(const char *name, struct expected *out, struct note *note)
{
    *out = (struct expected){NULL};
    if (name == NULL)
        return OK;
    if (strchr(name, '/') != NULL || strstr(name, ".json") != NULL)
        return suite_load_file(name, SCHEMA, &out->root, note);
    CLEANUP(buf_release) struct buf path = BUF_INIT(4096);
    buf_addf(&path, "suites/expected-failures/%s.json", name);
    return suite_load(buf_text(&path), SCHEMA, &out->root, note);
}

void expected_release(struct expected *x)
{
    if (x != NULL)
        json_free(&x->root);
}

static bool is_listed(const cJSON *checks, const char *id)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, checks)
    {
        if (strcmp(one->valuestring, id) == 0)
            return true;
    }
    return false;
}

enum expected_verdict expected_judge(const struct expected *x, const char *case_id, const struct findings *f,
                                     struct note *why)
{
    const cJSON *row = json_member(json_member(x->root, "cases"), case_id);
    if (row == NULL)
        return EXPECTED_NONE;
    const cJSON *checks = json_member(row, "checks"), *one;
    for (size_t i = 0; i < f->count; i++)
        if (!f->items[i].ok && !is_listed(checks, f->items[i].id)) {
            (void)note_set(why, OK, "%s is not among the expected failures", f->items[i].id);
            return EXPECTED_UNEXPECTED;
        }
    cJSON_ArrayForEach(one, checks)
    {
        if (!findings_failed_at(f, one->valuestring)) {
            (void)note_set(why, OK, "%s is expected to fail, and holds: take it off the list", one->valuestring);
            return EXPECTED_STALE;
        }
    }
    (void)note_set(why, OK, "%s", json_str(row, "reason"));
    return EXPECTED_AS_LISTED;
}

cJSON *expected_begin(const char *profile)
{
    cJSON *list = cJSON_CreateObject();
    (void)json_set_string(list, "profile", profile);
    (void)json_set(list, "cases", cJSON_CreateObject());
    return list;
}

void expected_add(cJSON *list, const char *case_id, const struct findings *f, const struct expected *old)
{
    cJSON *row = json_set(json_member(list, "cases"), case_id, cJSON_CreateObject());
    cJSON *checks = json_set(row, "checks", cJSON_CreateArray());
    const cJSON *before = json_member(json_member(old->root, "cases"), case_id);
    const char *observed = NULL;
    for (size_t i = 0; i < f->count; i++)
        if (!f->items[i].ok) {
            cJSON_AddItemToArray(checks, cJSON_CreateString(f->items[i].id));
            observed = observed != NULL ? observed : f->items[i].observed;
        }
    CLEANUP(buf_release) struct buf reason = BUF_INIT(BUF_ANY);
    buf_addf(&reason, "seen: %.200s", observed != NULL ? observed : "(nothing)");
    (void)json_set_string(row, "reason",
                          json_str(before, "reason") != NULL ? json_str(before, "reason") : buf_text(&reason));
    if (json_str(before, "link") != NULL)
        (void)json_set_string(row, "link", json_str(before, "link"));
}
