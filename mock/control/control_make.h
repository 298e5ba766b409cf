/* control_make.h: what can be made, changed and deleted, a row each; private to mock/control/.
 *
 * Create: what the request says is copied, `complete` adds what it does not say (or refuses), and until it is ready by
 * the mock's clock `status` says so. A name is one's own in an account and Region: another one gets ConflictException
 * where the API model has it for the operation, else ValidationException. The same clientRequestToken with the same
 * request gets the ARN that it got before, and with another request a refusal.
 */
#ifndef MOHS_MOCK_CONTROL_MAKE_H
#define MOHS_MOCK_CONTROL_MAKE_H

#include "mock/control/control_kept.h"

#define MAKING_COPIED_MAX 8

struct making {
    const char *create, *update, *remove; /* operations; NULL: there is none */
    const char *many;                     /* for sentences */
    const char *tags;                     /* the member of the request */
    const char *resource;                 /* of the ARN, with its slash */
    const char *making, *made;            /* words of `status` */
    const char *status;                   /* the member */
    const char *modified;                 /* the member that says since when; NULL: none */
    int64_t takes_ms;
    bool conflicts;                        /* create has a ConflictException */
    const char *copied[MAKING_COPIED_MAX]; /* members of the request that the Get answer has too */
    /* Each says NULL, or the refusal. */
    struct plan *(*complete)(struct visit *v, cJSON *item, cJSON *during);
    struct plan *(*change)(struct visit *v, cJSON *item, cJSON *during);
    struct plan *(*holds)(struct visit *v, const cJSON *item); /* why it cannot be deleted now; NULL: it always can */
    /* With the lock: what comes of it later is kept beside it, and its ARN told. ERR_INVALID: it has a name in use;
     * ERR_LIMIT: no room. NULL: nothing comes of it. */
    enum err (*begets)(struct visit *v, cJSON *item, struct buf *heir);
    const char *heir, *heir_tags; /* its list, and the member of the request */
};

extern const struct making control_provisioned, control_customs, control_deployments, control_imports,
    control_imports_made; /* the last: imported models, which a job makes and a request only deletes */

#endif
