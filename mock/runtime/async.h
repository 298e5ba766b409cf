/* async.h: StartAsyncInvoke, GetAsyncInvoke, ListAsyncInvokes: calls of models that take a while (docs/images.md).
 *
 * Nothing is computed and nothing is written to S3: an invocation is what was asked, and when. Its state follows from
 * the mock's clock: InProgress until its duration is over, then Completed, or Failed when somebody said so. Invocations
 * belong to an account and a Region, live until POST /reset (memory "async"), and there are at most ASYNC_MAX: a new
 * one takes the place of the oldest that is over, and is refused when none is.
 *
 * Any thread; one lock, taken by these operations only.
 */
#ifndef MOHS_MOCK_ASYNC_H
#define MOHS_MOCK_ASYNC_H

#include "mock/operations.h"

#define ASYNC_MAX         1000
#define ASYNC_DURATION_MS 10000 /* unless --async-duration says otherwise */

struct asyncs;
struct asyncs *asyncs_new(void);
void asyncs_free(struct asyncs *all);

/* That ARN is an invocation of the visit's account and Region. */
bool asyncs_have(const struct visit *v, const char *arn);

extern const struct operation_row mock_async_rows[];
extern const size_t mock_async_count;

#endif
