/* fault.h: what can go wrong with an answer, one row a way.
 *
 * A fault is a function from plan to plan, so every operation has every fault, and faults add up in the order given. A
 * parameter that is a position may count from the end: -1 is the last event or byte. A position beyond the end does
 * nothing, except that a cut still ends the answer its way. The ids, sentences and parameters printed by
 * `mohs list --faults` and by GET /faults are these rows (mock_faults_list in mock.h).
 */
#ifndef MOHS_MOCK_FAULT_H
#define MOHS_MOCK_FAULT_H

#include "mock/rng.h"
#include "net/plan.h"
#include "protocol/json.h"

#define FAULTS_MAX 64 /* applied to one reply */

struct fault_scene {
    const char *request_id; /* of the exchange; errors made by faults carry it */
    struct rng *rng;
};

/* A list of {"id": ..., parameters}. ERR_INVALID names the pointer below `where`, and the nearest id for a wrong one.
 */
enum err faults_check(const cJSON *list, const char *where, struct note *note) MUST_USE;
/* A checked list. Takes the plan and hands one back: the same, or another in its place. NULL stays NULL. */
struct plan *faults_apply(struct plan *take, const cJSON *list, const struct fault_scene *scene);

#endif
