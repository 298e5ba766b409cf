/* guardrail_apply.h: ApplyGuardrail and InvokeGuardrailChecks, as rows of operations.c use them. */
#ifndef MOHS_MOCK_GUARDRAIL_APPLY_H
#define MOHS_MOCK_GUARDRAIL_APPLY_H

#include "mock/visit.h"

struct plan *apply_guardrail_answer(struct visit *v, const cJSON *reply);
struct plan *guardrail_checks_answer(struct visit *v, const cJSON *reply);

#endif
