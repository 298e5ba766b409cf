/* bidi.h: InvokeModelWithBidirectionalStream: events in, events out, both at once, over HTTP/2 (docs/bidirectional.md).
 *
 * The request is handled when its head is there. Its answer is an open plan: what the model says to each event of the
 * client is a small plan of its own, gets the faults that fall on it, and is hung behind the rest. So pacing, gates and
 * faults are those of every other stream.
 *
 * A struct bidi lives from bidi_answer() to the end of the exchange, on the worker's thread alone. What a client may
 * make it hold is bounded: 1 MiB of input that waits (the HTTP/2 window), one frame that is not whole yet, and about
 * BIDI_UNSENT_MAX of output; beyond that its input waits.
 */
#ifndef MOHS_MOCK_BIDI_H
#define MOHS_MOCK_BIDI_H

#include "mock/visit.h"

#define BIDI_UNSENT_MAX  ((size_t)1 << 20)   /* bytes of output that nobody has taken yet; input waits beyond */
#define BIDI_ACCOUNT_MAX ((size_t)64 * 1024) /* bytes that the journal keeps of a stream's input */
#define BIDI_SILENCE_MS  55000u /* without an event of the client the stream ends; how long it really is, is not known \
                                 */

struct bidi;

/* Is this the head of such a request? For struct server_config. */
bool bidi_wants(void *ctx, const struct http_request *head);

/* The row of the operation: an open plan without events, and v->bidi. */
struct plan *bidi_answer(struct visit *v, const cJSON *reply);
/* Faults that wait for their event: where faults_apply() puts them (struct fault_scene). */
cJSON *bidi_faults(struct bidi *b);
/* The plan is about to be replied. False: it is no longer a stream that goes on, and nothing will be read. */
bool bidi_begin(struct bidi *b, struct plan *plan);
/* Append what came in, for the journal: a JSON object. */
void bidi_account(const struct bidi *b, struct buf *out);
void bidi_free(struct bidi *b); /* NULL is fine */

/* The member `bidirectional` of a scripted reply. */
enum err bidi_check(const cJSON *item, const char *where, struct note *note) MUST_USE;

#endif
