/* converse.h: an answer in the shapes of Converse and ConverseStream.
 *
 * Unary: compact JSON with sorted keys, raw UTF-8. Streamed: messageStart; per block an optional contentBlockStart
 * (only for tool use, tool results and images: text and reasoning have none), deltas, contentBlockStop; messageStop;
 * metadata last. Each payload carries `p`, a padding of 2 to 61 characters. All of it as seen in recordings of the
 * service.
 */
#ifndef MOHS_MOCK_CONVERSE_H
#define MOHS_MOCK_CONVERSE_H

#include "mock/model/answer.h"
#include "net/plan.h"

#define EVENTSTREAM_TYPE "application/vnd.amazon.eventstream"

struct visit;
/* What the request wants told beside the answer: performanceConfig and serviceTier, which are put into *a, and the
 * additionalModelResponseFieldPaths, which are handed out; NULL: none. */
const cJSON *converse_wishes(const struct visit *v, struct answer *a);
/* What these point to in the answer as the model's own body has it. The answer is whole, and no guardrail has changed
 * it yet: it is the model's. */
void converse_fields(const struct visit *v, const cJSON *paths, struct answer *a);

/* NULL when out of memory. Timing of the answer is in the plan; gates and faults are the caller's to add. */
struct plan *converse_plan(struct answer *a, const char *request_id);
struct plan *converse_stream_plan(struct answer *a, const char *request_id);

/* How the frames of a stream get their stamps: set on plans that answer a probe. Patches the send instant into every
 * stamp of the piece and seals the frames anew; a frame whose CRC was broken on purpose stays broken. */
void converse_stamp_before_send(void *ctx, struct plan *plan, size_t i, uint64_t now_ns);

/* Some block of it has no form in a stream (document, cachePoint, …), which then has its contentBlockStop alone. */
bool converse_stream_drops(const struct answer *a);

#endif
