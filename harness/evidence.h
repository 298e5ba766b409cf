/* evidence.h: what went over both wires, as text for people, without secrets and cut to a size. */
#ifndef MOHS_EVIDENCE_H
#define MOHS_EVIDENCE_H

#include "harness/talk.h"

#define EVIDENCE_BODY_MAX 4096

/* Adds "step 1 client request", "step 1 client response", "step 1 upstream 1" and so on to the object. */
void evidence_add(cJSON *evidence, size_t step, const struct talk_plan *plan, const struct talk *talk,
                  const cJSON *entries);

#endif
