/* requirement.c: reading the rows once; the file was checked against its schema by a test, and is here again, because
 * MOHS_DATA may have put another in its place. */
#include "harness/requirement.h"

#include <stdlib.h>
#include <strings.h>

#include "harness/suite.h"

static const char *const level_names[] = {"MAY", "SHOULD", "MUST"};

const char *level_name(enum level level)
{
    return level_names[level];
}

bool level_from_name(const char *name, enum level *out)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++)
        if (strcasecmp(name, level_names[i]) == 0) {
            *out = (enum level)i;
            return true;
        }
    return false;
}

enum err requirements_load(struct requirements *out, struct note *note)
{
    *out = (struct requirements){0};
    enum err e = suite_load("suites/requirements.json", "suites/requirements.schema.json", &out->tree, note);
    if (e != OK)
        return e;
    const cJSON *rows = json_member(out->tree, "requirements");
    out->items = calloc((size_t)cJSON_GetArraySize(rows) + 1, sizeof *out->items);
    if (out->items == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        struct requirement *r = &out->items[out->count++];
        *r = (struct requirement){.id = json_str(row, "id"),
                                  .alias = json_str(row, "alias"),
                                  .title = json_str(row, "title"),
                                  .why = json_str(row, "why"),
                                  .reason = json_str(row, "reason"),
                                  .row = row};
        r->excluded = strcmp(json_str(row, "status"), "excluded") == 0;
        (void)level_from_name(json_str(row, "level"), &r->level);
    }
    return OK;
}

void requirements_release(struct requirements *r)
{
    if (r == NULL)
        return;
    json_free(&r->tree);
    free(r->items);
    *r = (struct requirements){0};
}

struct requirement *requirement_find(const struct requirements *r, const char *id_or_alias)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->items[i].id, id_or_alias) == 0 || strcasecmp(r->items[i].alias, id_or_alias) == 0)
            return &r->items[i];
    return NULL;
}

const char *requirement_near(const struct requirements *r, const char *id)
{
    const char **ids = calloc(r->count + 1, sizeof *ids);
    for (size_t i = 0; ids != NULL && i < r->count; i++)
        ids[i] = r->items[i].id;
    const char *near = ids == NULL ? NULL : nearest_word(id, ids, r->count);
    free(ids);
    return near;
}
