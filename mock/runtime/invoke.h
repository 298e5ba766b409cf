/* invoke.h: InvokeModel, InvokeModelWithResponseStream and CountTokens, as rows of operations.c use them. */
#ifndef MOHS_MOCK_INVOKE_H
#define MOHS_MOCK_INVOKE_H

#include "mock/visit.h"

/* Before validation: find out what is asked, into v->native. */
void invoke_read(struct visit *v);
void count_tokens_read(struct visit *v);

struct plan *invoke_answer(struct visit *v, const cJSON *reply);
struct plan *count_tokens_answer(struct visit *v, const cJSON *reply);

/* What the request costs, by the one counter that every operation uses. */
uint64_t invoke_input_tokens(const struct native_request *r);

#endif
