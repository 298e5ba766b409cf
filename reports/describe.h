/* describe.h: one case that did not pass, in one line of prose: for places that take no more. */
#ifndef MOHS_REPORTS_DESCRIBE_H
#define MOHS_REPORTS_DESCRIBE_H

#include "protocol/json.h"

/* "title. steps[0].upstream[0].body at /stop: expected ["X"], observed "X". 2 more checks failed. Again: mohs check ..."
 * The first sentence alone says what is wrong; values are cut. */
void describe_case(const cJSON *one, struct buf *out);

#endif
