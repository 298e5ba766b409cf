/* operations.h: what the mock can be asked, one row an operation.
 *
 * A row names an operation of the API model and the function that answers it: from the visit, which has passed
 * authentication and validation (or is only recorded as bad), to a plan. The function need not know of scripts' errors,
 * raw replies, frames and faults: these are served before and after it.
 */
#ifndef MOHS_MOCK_OPERATIONS_H
#define MOHS_MOCK_OPERATIONS_H

#include "mock/visit.h"

struct operation_row {
    const char *name;
    /* `reply` is the scripted reply whose blocks and overrides apply, or NULL. */
    struct plan *(*answer)(struct visit *v, const cJSON *reply);
    void (*read)(struct visit *v); /* before validation, to make v->native; or NULL */
};

/* NULL: not served. */
const struct operation_row *operation_find(const char *name);
/* Is there an operation of this name, in any of the families? *near: the one that was probably meant, or NULL. */
bool operation_is_known(const char *name, const char **near);
/* A family's own rows: the i-th name, NULL behind the last. */
const char *sts_operation_name(size_t i);
const char *compat_operation_name(size_t i);
/* The answer of an operation that is no model's: the tree as it stands, with the operation's status. NULL, or a tree
 * that ran out of memory: 500. The tree stays the caller's. */
struct plan *operations_json(const struct visit *v, const cJSON *tree);
/* The tokens of the request, by the one counter that every operation uses. */
uint64_t operations_input_tokens(const struct visit *v);
/* An empty answer with the mock's timing and the request's tokens. */
void operations_begin_answer(const struct visit *v, struct answer *a);

#endif
