/* verdict.h: from what both wires saw to findings: one per check, each with what was expected and what was observed.
 *
 * The checks are two tables in verdict.c: members of `expect` over a journal entry, members of `receive` over what the
 * client got. Check ids are those of suites/README.md.
 */
#ifndef MOHS_VERDICT_H
#define MOHS_VERDICT_H

#include "harness/profile.h"
#include "harness/talk.h"
#include "protocol/match.h"

struct finding {
    char *id; /* "steps[0].upstream[0].body" */
    bool ok;
    char *pointer, *expected, *observed; /* NULL when ok, but for costs */
};

struct findings {
    struct finding *items;
    size_t count;
    size_t failed;
};
void findings_release(struct findings *f);
bool findings_failed_at(const struct findings *f, const char *id);

/* What is judged: one step after its exchange. */
struct judged {
    const cJSON *step; /* expanded */
    size_t number;
    const struct talk_plan *plan;
    const struct talk *talk;
    const cJSON *entries; /* of the journal, of this step */
    struct match_vars *vars;
    const struct profile *profile; /* where a cost is told */
    const char *model_id;          /* of the step, upstream */
    const char *region;
    const char *cost_record; /* what the gateway told afterwards; NULL: nothing, or nobody asked */
};
/* Adds the findings. The name of the alternative that held, if the step has any, is appended to `taken`. */
void judge_step(const struct judged *j, struct findings *out, struct buf *taken);

/* How many ended journal entries a step waits for: the least that any of its outcomes permits. */
size_t upstream_least(const cJSON *step);
/* Bounds of one call of `upstream`: exactly 1 unless "count" says otherwise. */
void call_count(const cJSON *call, size_t *min, size_t *max);

#endif
