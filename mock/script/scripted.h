/* scripted.h: one reply of POST /script (docs/mock-admin.md), checked and turned into a plan.
 */
#ifndef MOHS_MOCK_SCRIPTED_H
#define MOHS_MOCK_SCRIPTED_H

#include "mock/fault/fault.h"
#include "mock/model/answer.h"

/* Everything that could be wrong with a reply; `where` is its JSON pointer. */
enum err scripted_check(const cJSON *reply, const char *where, struct note *note) MUST_USE;

/* A list of frames, and one of them as it goes on the wire; false: it could not be made. */
enum err scripted_check_frames(const cJSON *frames, const char *where, struct note *note) MUST_USE;
bool scripted_frame(const cJSON *frame, struct rng *rng, struct buf *out);

/* json_only_keys() of the object that holds a reply: what belongs into the reply itself is told so. */
enum err scripted_check_around(const cJSON *object, const char *const *known, size_t count, const char *where,
                               struct note *note) MUST_USE;

/* The names of its members, for the schema's test. */
size_t scripted_members(const char *const **out);

/* True: the reply says what the model says (or leaves that to the default), so it becomes an answer. */
bool scripted_is_answer(const cJSON *reply);
/* What an operation has a use for of that which was prepared for nobody in particular: a gateway that lists models, or
 * counts tokens, before its first call must not eat what a test meant for that call. */
enum scripted_use {
    SCRIPTED_ALL,     /* a model speaks: everything */
    SCRIPTED_NUMBERS, /* it has usage and times, and no words: no text and no content */
    SCRIPTED_ERRORS   /* error, raw and frames */
};
/* The operation takes this reply of a script or a fixture: it has a use for it, or the match names its operation (as a
 * member; what $or and its like hide is not looked for). Frames are for requests (mock/script/subject.h) that want a stream. */
bool scripted_takes(enum scripted_use use, const cJSON *match, const cJSON *reply, const cJSON *subject);
/* Put the reply's blocks and overrides into an answer. `a` comes with input tokens and timing; false when the reply has
 * no blocks of its own and the default answer is to be made. `a` borrows from `reply`. */
bool scripted_answer(const cJSON *reply, struct answer *a);
/* The scripted stop reason, once the blocks are there. */
void scripted_stop(const cJSON *reply, struct answer *a);
/* error, raw or frames. */
struct plan *scripted_plan(const cJSON *reply, const struct fault_scene *scene);
/* Gates, then faults. Takes the plan and hands one back. */
struct plan *scripted_finish(const cJSON *reply, struct plan *take, const struct fault_scene *scene);

#endif
