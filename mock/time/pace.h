/* pace.h: how long this request takes: the mock's laws of time (mock/time/time.h), or its scripted reply's.
 *
 * A mock whose waits are whole constants has no struct times, and a request of it pays a look at a NULL for that.
 */
#ifndef MOHS_MOCK_PACE_H
#define MOHS_MOCK_PACE_H

#include "mock/fault/fault_visit.h"
#include "mock/time/time.h"

/* What --latency, --ttft, --itl and their company say. *out is NULL when constants of whole milliseconds are all there
 * is; then these are in the three members of `config`, otherwise 0. */
enum err times_new(struct mock_config *config, struct times **out, struct note *note) MUST_USE;
void times_free(struct times *t);

/* The waits of an answer, drawn for this request; input_tokens must be there. */
void visit_times(const struct visit *v, struct answer *a);
uint64_t visit_latency_ns(const struct visit *v); /* before the head, of operations that are no model's */
/* A request comes; true: visit_leaves() must be called when its reply is over. */
bool visit_comes(struct mock *m);
void visit_leaves(struct mock *m);

/* latency_ms, ttft_ms or itl_ms of a scripted reply: milliseconds, a law as text, or a list of recorded milliseconds.
 */
enum err pace_check(const cJSON *item, const char *where, struct note *note) MUST_USE;
/* A checked reply's waits take the place of the answer's. */
void pace_reply(const cJSON *reply, struct answer *a);
uint64_t pace_reply_latency(const cJSON *reply, uint64_t seed);

/* ---- streams both ways: many answers to one request ---- */

struct pace_talk {
    struct mock *mock;
    struct time_law ttft, itl; /* of the reply; TIME_CONSTANT 0 unless `own_...` */
    bool own_ttft, own_itl;
    struct rng ttft_rng, itl_rng;
    uint64_t answers, deltas; /* so far */
    double factor;            /* of the answer at hand */
};
/* `reply`: checked, may be NULL. Draws from the request's own random streams, so the same run waits the same again. */
void pace_talk_init(struct pace_talk *p, const struct visit *v, const cJSON *reply);
void pace_talk_release(struct pace_talk *p);
/* An answer to so many new tokens of input begins: its first wait, in ns. Load and tempo are looked at now. */
uint64_t pace_talk_ttft(struct pace_talk *p, uint64_t input_tokens);
uint64_t pace_talk_itl(struct pace_talk *p); /* before its next delta, in ns */

#endif
