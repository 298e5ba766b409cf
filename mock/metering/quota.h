/* quota.h: how much one caller may ask of one model: requests and tokens, per minute and per day.
 *
 * Rows say who has what (docs/cache-and-quotas.md); the first row whose globs match has the request, and a request that
 * no row matches is not counted. Each row counts apart for every principal (or account), region and model id it meets.
 * A model's inference profile has another id, hence another count, as it has with Bedrock. [D]
 *
 * Tokens are reserved when a request comes in and settled when it is over [D, user guide]:
 *   reserved  input (cached or not) + maxTokens; without maxTokens the most that the model can say
 *   settled   input + what was written to the cache + output * burndown; what was read from the cache is free
 * Output that never reached a client that left is not counted. What was reserved too much is given back, what was spent
 * beyond it is owed: a count may fall below nothing, by its own limit at most. A refused request takes nothing; an
 * answer with an error gives its tokens back, not its request.
 *
 * The windows are 60 s [D] and a day; how the service refills them nobody outside knows [U]. Here: `steady`, a token
 * bucket that holds one window's worth and refills evenly; or `window`, full again when the window that began with
 * the first request is over. Time is the mock's clock.
 *
 * Any thread; one lock. While there are no rows, quotas_on is all that a request pays: one atomic load.
 */
#ifndef MOHS_MOCK_QUOTA_H
#define MOHS_MOCK_QUOTA_H

#include <stdatomic.h>

#include "protocol/json.h"

#define QUOTA_ROWS_MAX     256
#define QUOTA_COUNTS_MAX   1024 /* principals x regions x models at once; the one that rested longest makes room */
#define QUOTA_LIMIT_MAX    1000000000
#define QUOTA_SPENT_MAX    ((uint64_t)10000000000) /* tokens of one request */
#define QUOTA_OUTPUT       4096                    /* of a model whose most is not known */
#define QUOTA_BURNDOWN_MAX 1000

struct quotas;
/* Off until rows are set. NULL when out of memory. */
struct quotas *quotas_new(void);
void quotas_free(struct quotas *q); /* NULL is fine */
bool quotas_on(const struct quotas *q);

/* {"quotas":[{"principal","region","model","per","rpm","tpm","rpd","tpd","burndown","refill"}]}: replaces all rows and
 * forgets all counts. ERR_INVALID with pointer and reason changes nothing. `keep`: they come back with quotas_forget.
 */
enum err quotas_set(struct quotas *q, const cJSON *body, bool keep, struct note *note) MUST_USE;
/* Counts are full again, and the rows those that were kept. */
void quotas_forget(struct quotas *q);

struct quota_ask {
    const char *principal, *account, *region, *model;
    uint64_t input, most_output;
    uint64_t burndown; /* the model's, unless the row has one */
};

enum quota_verdict { QUOTA_PASS, QUOTA_REQUESTS, QUOTA_REQUESTS_DAY, QUOTA_TOKENS, QUOTA_TOKENS_DAY };

/* What a request has reserved. Zeroed: nothing. */
struct quota_hold {
    uint64_t generation; /* 0: nothing */
    size_t count;
    uint64_t serial; /* of the count: it may have made room for another */
    uint64_t reserved, burndown;
};
enum quota_verdict quota_admit(struct quotas *q, const struct quota_ask *ask, int64_t now_ms, struct quota_hold *hold);
/* Exactly once for each hold. `input` as it counts at the end: what was read from the cache is not in it. */
void quota_settle(struct quotas *q, const struct quota_hold *hold, uint64_t input, uint64_t output, int64_t now_ms);

/* {"quotas":[rows as they were given],"counts":[{"principal"...,"rpm":{"limit","used","left"}...}]} */
void quotas_print(struct quotas *q, int64_t now_ms, struct buf *out);

#endif
