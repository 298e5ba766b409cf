/* expected.h: failures that are known, so that a run fails only for news; and rows that no longer hold, which are news
 * too. */
#ifndef MOHS_EXPECTED_H
#define MOHS_EXPECTED_H

#include "harness/verdict.h"

struct expected {
    cJSON *root; /* NULL: no list */
};

/* A path, or a name of suites/expected-failures/. NULL: no list. */
enum err expected_load(const char *name, struct expected *out, struct note *note) MUST_USE;
void expected_release(struct expected *x);

enum expected_verdict {
    EXPECTED_NONE,       /* the list says nothing of this case */
    EXPECTED_AS_LISTED,  /* it failed at listed checks only */
    EXPECTED_UNEXPECTED, /* it failed at a check that is not listed */
    EXPECTED_STALE       /* a listed check held */
};
/* `why`: the reason of the list, or which check it is about. */
enum expected_verdict expected_judge(const struct expected *x, const char *case_id, const struct findings *f,
                                     struct note *why);

/* For --write-expected: start a list, add a failed case, keep the reasons of `old`. */
cJSON *expected_begin(const char *profile);
void expected_add(cJSON *list, const char *case_id, const struct findings *f, const struct expected *old);

#endif
