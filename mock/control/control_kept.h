/* control_kept.h: resources of the catalogue as requests have made, changed and deleted them.
 *
 * A list of struct control.kept is named like the catalogue's ("provisionedModels") and lies over it: an item of the
 * same ARN stands in its place. An item is the Get answer as it will be when everything is ready, and a member of ours,
 * KEPT_OWN, which nobody is shown:
 *   from_ms   it is not there before (a model that an import will bring); 0: at once
 *   ready_ms  until then `during` lies over the answer, a null in it taking a member away
 *   serves    it answers requests meanwhile, by the model it had; else it is not ready for them
 *   gone      it was deleted; only of what the catalogue has, since anything else is simply not kept any more
 *   token, request   of the call that made it, so that the same call again makes nothing new
 */
#ifndef MOHS_MOCK_CONTROL_KEPT_H
#define MOHS_MOCK_CONTROL_KEPT_H

#include "mock/control/control.h"

#define KEPT_OWN "mohs"

/* Of the catalogue's items in `list`, those that were changed or deleted give way; what was made is added. */
bool control_gather_kept(struct visit *v, const char *name, cJSON *list);

/* What a request that names `arn` meets in that list: nothing of it, what the member says (copied to `next`; NULL or
 * absent: ""), something that is still being made, or something that was deleted. */
enum kept_how { KEPT_NOT, KEPT_THERE, KEPT_MAKING, KEPT_GONE };
enum kept_how control_kept_names(const struct visit *v, const char *name, const char *arn, const char *member,
                                 struct buf *next);

/* KEPT_OWN of something that is ready at an instant; takes `during`. */
cJSON *control_own(int64_t ready_ms, cJSON *during, bool serves);

/* With the lock: the list, made when it is not there yet (NULL: out of memory), and the item of this account and Region
 * whose member has that value, whether it is there already or not; deleted ones are not found. */
cJSON *control_kept_list(struct control *c, const char *name);
cJSON *control_kept_find(const struct visit *v, const char *name, const char *member, const char *value);

/* Without the lock: the item takes the place of the one that has its ARN, or that one goes. ERR_LIMIT: no room for more
 * changes of the catalogue. ERR_UNKNOWN: it has gone meanwhile. Takes the item. */
enum err control_kept_put(struct visit *v, const char *name, cJSON *take) MUST_USE;
enum err control_kept_drop(struct visit *v, const char *name, const char *arn) MUST_USE;

/* control.c: the member that holds the ARN, and whether the catalogue has it. */
const char *control_arn_member(const char *list);
bool control_in_catalogue(struct visit *v, const char *list, const char *arn);

#endif
