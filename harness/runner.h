/* runner.h: one case against one rig, from the reset to the findings. */
#ifndef MOHS_RUNNER_H
#define MOHS_RUNNER_H

#include "harness/case.h"
#include "harness/rig.h"
#include "harness/verdict.h"

enum verdict {
    VERDICT_PASS,
    VERDICT_FAIL, /* the target broke a requirement */
    VERDICT_SKIP, /* the profile does not claim what the case needs */
    VERDICT_ERROR /* it could not be asked */
};
const char *verdict_name(enum verdict v);

struct outcome {
    enum verdict verdict;
    bool unreachable;   /* error: the target, or the mock, was not there */
    struct note reason; /* of skip and error */
    struct findings findings;
    struct buf alternative;
    cJSON *evidence;
    uint64_t duration_us;
};
void outcome_release(struct outcome *o);

/* `mutation`: an object of the case's list, given to the reference gateway first; NULL: none. */
void case_run(struct rig *rig, const struct case_file *c, const cJSON *mutation, struct outcome *out);

#endif
