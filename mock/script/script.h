/* script.h: what a test told the mock to do: the queue of replies, the faults for everybody, the canaries.
 *
 * Thread-safe. What a request takes is a reference: a reset in the middle does not pull it away. A mock without a
 * script costs a request one atomic load.
 */
#ifndef MOHS_MOCK_SCRIPT_H
#define MOHS_MOCK_SCRIPT_H

#include "mock/script/scripted.h"
#include "net/http.h"
#include "protocol/json.h"

#define SCRIPT_REPLIES_MAX  100000
#define SCRIPT_CANARIES_MAX 64
#define SCRIPT_ALWAYS       (-1)

struct script;
struct script *script_new(void);
void script_free(struct script *s); /* references taken from it stay good */

/* A tree shared by requests; free with shared_drop. shared_new takes the tree in every case; NULL: out of memory. */
struct shared;
struct shared *shared_new(cJSON *take);
const cJSON *shared_tree(const struct shared *s); /* NULL for NULL */
struct shared *shared_hold(struct shared *s); /* one more reference */
void shared_drop(struct shared **pointer);        /* for CLEANUP too */

/* The body of POST /script; its "session" is the caller's business. All or nothing: a mistake is ERR_INVALID, says
 * where, and changes nothing. */
enum err script_append(struct script *s, const cJSON *body, size_t *queued, struct note *note) MUST_USE;
/* The body of POST /faults. */
enum err script_set_faults(struct script *s, const cJSON *body, struct note *note) MUST_USE;
void script_forget_replies(struct script *s);
void script_forget_faults(struct script *s);
void script_forget_canaries(struct script *s);

bool script_waits(const struct script *s); /* is there any reply in the queue: makes the subject worth building */
bool script_is_empty(const struct script *s); /* no reply, no fault, no canary */
size_t script_count(struct script *s);        /* replies in the queue */
/* The first reply that matches the subject (mock/script/subject.h) and that such an operation takes (scripted.h); one
 * of its times is used up. NULL: none. */
struct shared *script_take(struct script *s, const cJSON *subject, enum scripted_use use);
struct shared *script_faults(struct script *s); /* the list; NULL: none */
/* A line of JSON for each of: {"name","where"}, joined by commas; nothing when no canary is in the request. */
void script_find_canaries(struct script *s, const struct http_request *r, struct buf *out);

#endif
