/* ledger.h: what each call cost, kept for GET /v1/costs/{id}: also of the calls whose client left before the end.
 *
 * The rule for those, which every gateway should state: the call upstream is cancelled, so Bedrock never tells its
 * usage; what is written down is an estimate from our own token counter, of what was sent and of what had come until
 * then. The latest LEDGER_CALLS are kept. Any thread.
 */
#ifndef MOHS_GATEWAY_LEDGER_H
#define MOHS_GATEWAY_LEDGER_H

#include "gateway/cost.h"

#define LEDGER_CALLS 1024
#define LEDGER_ID    64

struct ledger;
struct ledger *ledger_new(void);
void ledger_free(struct ledger *l);

/* `estimated`: the usage is our own count, not Bedrock's. An id is written down once. */
void ledger_add(struct ledger *l, const char *id, const struct cost *cost, bool estimated);
/* {"id", "cost_usd" or "cost_unknown", "estimated"}; NULL: no such call. The caller frees. */
cJSON *ledger_find(struct ledger *l, struct span id);

#endif
