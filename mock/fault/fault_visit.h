/* fault_visit.h: which faults befall a request beside those of its scripted reply, and the seed that chance is drawn
 * from. */
#ifndef MOHS_MOCK_FAULT_VISIT_H
#define MOHS_MOCK_FAULT_VISIT_H

#include "mock/fault/fault.h"
#include "mock/visit.h"

#define FAULT_HEADER "x-mohs-fault" /* with --fault-headers; it need not be signed */
#define SEED_HEADER  "x-mohs-id"    /* what a request's chances are drawn from in place of its number */

/* The faults of --fault, to be read once; *out is NULL when there are none. */
enum err faults_read_options(const char *const *options, struct shared **out, struct note *note) MUST_USE;

/* Those of the request's header, of --fault and of POST /faults, in this order. A header that cannot be read makes the
 * answer 400, and *source SOURCE_FAULT_HEADER. Takes the plan and hands one back. */
struct plan *visit_faults(struct visit *v, struct plan *take, const struct fault_scene *scene, enum source *source);
/* What the journal says of a fault header that the mock was not told to read; NULL: there is none. */
const char *visit_ignores(const struct visit *v);

/* Of this request: the hash of the mock's seed and of x-mohs-id, or of the number of the request among those that draw
 * (from 0, and again from 0 after a reset). Once asked it stays the same. */
uint64_t visit_seed(const struct visit *v);
uint64_t visit_number(const struct visit *v); /* that number; of a request with an id a hash */

#endif
