/* cost_check.h: what a gateway says a call cost, against what it did cost: receive.cost of a case.
 *
 * Where the number stands is told by the profile: reports.cost_header, reports.cost_pointer (whole answers) and
 * reports.cost_stream_pointer (the last event of a stream that has it). How far it may be off is
 * reports.cost_tolerance_usd, 0 when absent, and part of every sentence, so a report shows it.
 */
#ifndef MOHS_COST_CHECK_H
#define MOHS_COST_CHECK_H

#include "harness/profile.h"
#include "harness/talk.h"

/* `wanted`, as in suites/README.md: {"usage":…, "models":[…], "tier":…}, "unknown" or "nothing". `model_id`: of the
 * step, upstream. The sentences are written in either case. */
bool cost_check(const struct profile *profile, const char *model_id, const char *region, const struct talk *talk,
                const cJSON *wanted, struct buf *expected, struct buf *observed);

#endif
