/* guardrail_use.h: the guardrail of one request to a model: what it asked for, and how it judges input and answer.
 *
 * Read in validation into visit.guardrail, which stays NULL for a request without one; that NULL is all that such a
 * request pays.
 */
#ifndef MOHS_MOCK_GUARDRAIL_USE_H
#define MOHS_MOCK_GUARDRAIL_USE_H

#include "mock/guardrail/guardrail_assess.h"
#include "mock/visit.h"

struct guardrail_use;

/* Sets v->guardrail, or the refusal of one that nobody has. */
void guardrail_read(struct visit *v);
void guardrail_use_free(struct guardrail_use **pointer);

/* True: the input is blocked, and the answer says so. False: go on; what was to be masked in the request is. */
bool guardrail_stops(struct visit *v, struct answer *a);
/* The answer as the model, or a script, gave it: blocked, masked or left alone; with its trace. */
void guardrail_judges(struct visit *v, struct answer *a);
/* A stream that was held back: every pause before its end comes before the first delta. */
void guardrail_holds(struct plan *plan);

/* NULL: fine; else the sentence, and it is not found. Shared with ApplyGuardrail. */
#define GUARDRAIL_UNKNOWN "The provided guardrail identifier is invalid."

#endif
