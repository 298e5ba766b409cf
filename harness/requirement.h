/* requirement.h: the rows of suites/requirements.json: what a gateway is held to, and how strictly. */
#ifndef MOHS_REQUIREMENT_H
#define MOHS_REQUIREMENT_H

#include "protocol/json.h"

enum level { LEVEL_MAY, LEVEL_SHOULD, LEVEL_MUST }; /* rising */
const char *level_name(enum level level);
bool level_from_name(const char *name, enum level *out);

/* Strings live in the tree. */
struct requirement {
    const char *id, *alias, *title, *why;
    enum level level;
    bool excluded;
    const char *reason; /* of the exclusion, or NULL */
    const cJSON *row;
    size_t cases; /* that name it; counted by cases_load() */
};

struct requirements {
    cJSON *tree;
    struct requirement *items;
    size_t count;
};
enum err requirements_load(struct requirements *out, struct note *note) MUST_USE;
void requirements_release(struct requirements *r);
struct requirement *requirement_find(const struct requirements *r, const char *id_or_alias); /* NULL: no such row */
/* The nearest id, for "did you mean"; NULL when none is near. */
const char *requirement_near(const struct requirements *r, const char *id);

#endif
