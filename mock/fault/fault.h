/* fault.h: what can go wrong with an answer, one row a way.
 *
 * A fault is a function from plan to plan, so every operation has every fault, and faults add up in the order given. A
 * parameter that is a position may count from the end: -1 is the last event or byte. A position beyond the end does
 * nothing, except that a cut still ends the answer its way. The names, sentences and parameters printed by
 * `mohs list --faults`, by docs/faults.md and by GET /faults are the rows of fault_table.c (mock_faults_list in
 * mock.h).
 *
 * A fault is an object {"id": its id or its code, parameters...}. `rate` (from 0 to 1) makes it happen to that part of
 * the requests, drawn from the request's seed; `match`, where it is allowed, to those that fit a matcher.
 */
#ifndef MOHS_MOCK_FAULT_H
#define MOHS_MOCK_FAULT_H

#include "mock/mock.h"
#include "mock/rng.h"
#include "net/plan.h"
#include "protocol/json.h"

#define FAULTS_MAX 64 /* applied to one reply */

struct fault_scene {
    const char *request_id; /* of the exchange; errors made by faults carry it */
    const struct visit *visit; /* whose surface spells errors; NULL: in the form of refusal.h */
    struct rng *rng;
    uint64_t seed;        /* of the request: rates are drawn from it */
    const cJSON *subject; /* what `match` looks at, as script_take's; NULL: a fault with a `match` does not happen */
    cJSON *later; /* a list for faults of an open plan that fall on an event to come; NULL: they do nothing then */
    struct buf *happened; /* gets their ids as they were given, ["a","b" without an end; NULL: nobody wants to know */
    const struct mock_fault_row *row; /* set for the functions of the table */
};

/* A list of {"id": ..., parameters}. ERR_INVALID names the pointer below `where`, and the nearest id for a wrong one.
 */
enum err faults_check(const cJSON *list, const char *where, struct note *note) MUST_USE;
/* The same, and each may have a `match`. */
enum err faults_check_matching(const cJSON *list, const char *where, struct note *note) MUST_USE;
/* Whether a checked list draws rates, or looks at the subject. */
bool faults_want_seed(const cJSON *list);
bool faults_want_subject(const cJSON *list);
/* A checked list. Takes the plan and hands one back: the same, or another in its place. NULL stays NULL. */
/* Of an open plan those that have a place are put into scene->later, and taken from there with their own scene, event by
 * event, when the events are known (bidi.c). */
struct plan *faults_apply(struct plan *take, const cJSON *list, const struct fault_scene *scene);

/* The parameters that a fault takes, and its row's code: for bidi.c. `id` is a checked one. */
const struct mock_fault_row *fault_row(const char *id);
bool fault_takes(const struct mock_fault_row *row, const char *parameter);

/* Faults as they stand in a header or on a command line, appended to `list` as objects; unchecked otherwise. What a
 * parameter is, text or number, follows from its name. ERR_INVALID says what is wrong. */
enum err faults_read_header(struct span text, cJSON *list, struct note *note) MUST_USE; /* ID;a=1;b=2, ID */
enum err faults_read_option(const char *text, cJSON *list, struct note *note) MUST_USE; /* ID:a=1,b=2@5% */

#endif
