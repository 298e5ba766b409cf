/* record.h: `mohs mock --record URL`: requests go on to a real endpoint, and what it answers becomes fixtures.
 *
 * A request that passed authentication here is signed anew with the user's own credentials and sent on; nothing of the
 * client's own credentials leaves this machine. What comes back is relayed: a body when it is whole, a stream frame by
 * frame as it comes. When the answer is complete, it is written to the directory as one file of fixtures
 * (docs/fixtures.md), with the waits that were measured; a file that would hold a credential is not written. Without
 * --record no byte leaves this machine.
 *
 * A stream both ways goes on as it comes, too (record_bidi.c): each signed frame is judged here, unwrapped, and signed
 * anew in a chain of our own.
 *
 * What the mock itself would refuse is for the endpoint to judge, so validation only notes. Scripts still answer first.
 * Fixtures do with --record-misses; then an answer that was recorded answers the next request like it, in the same run
 * already.
 */
#ifndef MOHS_MOCK_RECORD_H
#define MOHS_MOCK_RECORD_H

#include "mock/script/choose.h"

struct recorder;
struct relay;

/* *out is NULL when config->record.url is. Makes the directory. ERR_INVALID, ERR_IO: the note says which option is
 * wrong, and why. */
enum err recorder_new(const struct mock_config *config, struct recorder **out, struct note *note) MUST_USE;
void recorder_free(struct recorder *r);
bool recorder_asks_fixtures(const struct recorder *r); /* NULL: true */
/* "requests go on to ..., signed with ...": for the log. */
void recorder_describe(const struct recorder *r, struct buf *out);

/* Whether this request is to go on, if nothing answers it. */
bool record_takes(const struct visit *v);
/* An answer that this run has recorded, with --record-misses. */
void record_choose(struct visit *v, struct choice *c);
/* Send the request on. NULL: it could not be sent, and *plan says so to the client (untouched: out of memory).
 * Otherwise the relay answers the
 * exchange by itself, now belongs to it, and calls `done` in place of exchange_on_done. */
struct relay *record_start(struct visit *v, struct plan **plan);
void record_watch(struct relay *relay, struct entry *entry,
                  void (*done)(void *ctx, struct exchange *x, const struct delivery *d), void *ctx);
void record_worker_stop(struct worker *w);

/* ---- replaying ---- */

/* "1": as recorded; "2": twice as fast; "0": at once. NULL: "1". */
enum err replay_speed_read(const char *text, double *out, struct note *note) MUST_USE;
/* The waits of a plan that was made from a recorded reply; others stay. */
void replay_pace(const cJSON *reply, double speed, struct plan *plan);
/* The same in two steps, for waits that are no plan's yet: the speed that holds for this reply, and a wait at it. */
double replay_speed(const cJSON *reply, double speed);
uint64_t replay_ns(uint64_t ns, double speed);

#endif
