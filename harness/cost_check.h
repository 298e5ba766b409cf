/* cost_check.h: what a gateway says a call cost, against what it did cost: receive.cost of a case.
 *
 * Where the number stands is told by the profile: reports.cost_header, reports.cost_pointer (whole answers),
 * reports.cost_stream_pointer (the last event of a stream that has it) and reports.cost_endpoint (afterwards). How far
 * it may be off is reports.cost_tolerance_usd, 0 when absent, and part of every sentence, so a report shows it.
 */
#ifndef MOHS_COST_CHECK_H
#define MOHS_COST_CHECK_H

#include "harness/profile.h"
#include "harness/talk.h"

/* The cost that the answer tells, appended as it stands on the wire; false: it tells none (absent, null, empty). */
bool cost_told(const struct profile *profile, const struct talk *talk, struct buf *out);
/* The same, asked for afterwards at reports.cost_endpoint; waits for it as long as the profile waits for progress. */
bool cost_recorded(const struct profile *profile, const char *target_url, const struct talk *talk, struct buf *out);

/* `told`: NULL when there is none. `wanted`, as in suites/README.md: {"usage":…, "models":[…], "tier":…}, "unknown",
 * "nothing" or "some". `model_id` and `region`: of the step, upstream. The sentences are written in either case. */
bool cost_check(const struct profile *profile, const char *model_id, const char *region, const char *told,
                const cJSON *wanted, struct buf *expected, struct buf *observed);

#endif
