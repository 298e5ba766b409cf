/* compat_store.h: responses that are kept: previous_response_id, background, GET, DELETE and cancel, on mantle only
 * (AWS user guide, "Inference using Responses API": stateful conversations, asynchronous inference; members, texts and
 * states as in OpenAI's API reference, since the service's own were not seen).
 *
 * A response belongs to an account and a session of the mock, and is kept for 30 days of the mock's clock, until
 * DELETE, or until POST /reset (memory "responses"). There are at most RESPONSES_MAX of RESPONSES_BYTES together: the
 * oldest makes room. What was asked in the background is queued, in progress and completed by that clock, in
 * --async-duration.
 *
 * Any thread; one lock, taken by requests to Responses on mantle only.
 */
#ifndef MOHS_MOCK_COMPAT_STORE_H
#define MOHS_MOCK_COMPAT_STORE_H

#include "mock/operations.h"

#define RESPONSES_MAX   1024
#define RESPONSES_BYTES ((size_t)32 * 1024 * 1024)
#define RESPONSES_DAYS  30

struct responses;
struct responses *responses_new(void);
void responses_free(struct responses *all);

/* What a request to Responses is about: the items of the conversation that it goes on from, and its own `input`. The
 * caller frees. NULL: there is no such conversation, or no memory. */
cJSON *responses_thread(const struct visit *v, const cJSON *body);
/* Keep `whole`, the response object that answers v; but not when `store` is false. A reply to a request in the
 * background takes the place of `plan`. */
struct plan *responses_keep(struct visit *v, const struct buf *whole, struct plan *plan);

/* The answers of the rows of compat.c. */
struct plan *responses_get(struct visit *v, const cJSON *reply);
struct plan *responses_delete(struct visit *v, const cJSON *reply);
struct plan *responses_cancel(struct visit *v, const cJSON *reply);

#endif
