/* case.h: the conversations of suites/cases/, read, checked and kept.
 *
 * A case that is loaded is sound: it follows its schema, names requirements and capabilities that exist, its matchers
 * are ones that match() can serve, its invariants are the dialect's, and each mutation says a check that this very case
 * makes. All trees live as long as the struct cases.
 */
#ifndef MOHS_CASE_H
#define MOHS_CASE_H

#include "harness/requirement.h"

struct case_file {
    char *id;   /* "openai.chat/params/stop-string": the path below suites/cases/ without .json */
    char *path; /* as it was opened */
    cJSON *root;
    const char *title;
    enum level level; /* the strictest of its requirements */
};

struct cases {
    struct case_file *items; /* by id */
    size_t count;
    cJSON *capabilities;
};

/* Every embedded case. */
enum err cases_load(struct cases *out, struct requirements *requirements, struct note *note) MUST_USE;
/* One more, from a file on the disk; its id is its path as given, without .json, or what stands behind "suites/cases/".
 */
enum err cases_add_file(struct cases *cases, const char *path, struct requirements *requirements,
                        struct note *note) MUST_USE;
void cases_release(struct cases *cases);
const struct case_file *case_find(const struct cases *cases, const char *id); /* NULL: none */
const char *case_near(const struct cases *cases, const char *id);

/* What cases_load() asks of a tree; for tests, and for those who write cases. */
enum err case_check(const cJSON *root, const struct requirements *requirements, const cJSON *capabilities,
                    struct note *note) MUST_USE;
/* Whether the case makes a check of that id: "steps[0].receive.stream.done-last". */
bool case_has_check(const cJSON *root, const char *check);

#endif
