/* cost.h: what a call cost, told to the client: exact, or with the reason why it is not known; never 0 for want of a
 * price.
 *
 *   whole answers   x-mohs-cost-usd: 0.01155    or   x-mohs-cost-unknown: the reason
 *   streams         cost_usd or cost_unknown in the usage object of the usage chunk, since the head of a stream is sent
 *                   before anybody knows; a client that asks for no usage is told no cost
 *   native streams  nothing: their frames go on as they came
 * The price is that of the model called (an alias has none of its own) in the region signed for, on this day, at the
 * service tier that the answer names. In a region that the book does not know it is the price that holds everywhere.
 * Failures carry no cost: Bedrock reports no usage for them.
 */
#ifndef MOHS_GATEWAY_COST_H
#define MOHS_GATEWAY_COST_H

#include "gateway/gateway.h"
#include "protocol/price.h"

struct cost {
    char usd[64]; /* "" when it is not known */
    struct note unknown;
};

/* `region`: NULL for the gateway's own. `said`: an answer of Converse, or the metadata event of ConverseStream. */
void cost_of(const struct gateway_config *config, const char *model_id, const char *region, const cJSON *said,
             struct cost *out);

#endif
