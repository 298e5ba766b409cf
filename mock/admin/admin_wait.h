/* admin_wait.h: answers of the admin API that come when the journal has something to say, or when time is up.
 *
 * The exchange is put aside and the worker serves others meanwhile. All of it is on the admin API's one thread.
 */
#ifndef MOHS_MOCK_ADMIN_WAIT_H
#define MOHS_MOCK_ADMIN_WAIT_H

#include "mock/admin/admin.h"

#define WAIT_MS_MAX 600000

struct admin_question {
    struct journal_wait wait; /* .filter, .count and .begun; strings live in ctx */
    uint64_t timeout_ms;
    /* The answer, or NULL for "not yet", which is not to be said when `last`. May move wait->filter.since on, to be
     * called when there is more behind it. */
    struct plan *(*look)(void *ctx, struct journal_wait *wait, bool last);
    void *ctx;
    void (*ctx_free)(void *ctx);
};
/* Takes ctx, whatever happens. */
enum err admin_wait(struct admin_call *c, const struct admin_question *q, struct note *note) MUST_USE;

#endif
