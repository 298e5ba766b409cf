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
    size_t calls_wanted, calls_seen; /* upstream, of the steps that were judged: the least permitted; in the journal */
    int status;                      /* of the last answer; 0: none */
};
void outcome_release(struct outcome *o);

/* Whether the profile claims and names what the case needs; if not, a sentence into `why`. */
bool case_fits(const struct profile *p, const struct case_file *c, struct note *why);

/* `mutation`: an object of the case's list, given to the reference gateway first; NULL: none. */
void case_run(struct rig *rig, const struct case_file *c, const cJSON *mutation, struct outcome *out);

#endif
