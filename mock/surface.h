/* surface.h: the faces Bedrock shows: families of operations with a routing, a signing name and an error form of their
 * own, on one port.
 *
 * The first row of the table in operations.c that calls a request its own has it; the last, restJson1, takes what is
 * left. A surface finds the operation, may judge the input, and says no in its own form. Everything between and after
 * (who asks, quotas, scripts, faults, the journal) is the same for all.
 */
#ifndef MOHS_MOCK_SURFACE_H
#define MOHS_MOCK_SURFACE_H

#include "mock/fault/fault.h"
#include "mock/operations.h"

struct surface {
    const char *name;
    const char *const *services;         /* signing names, NULL-ended */
    bool (*mine)(const struct visit *v); /* by path, Host or signing service */
    /* Sets operation, row and model_id. NULL: go on; or the answer to a request that nobody serves. */
    struct plan *(*route)(struct visit *v);
    void (*validate)(struct visit *v);              /* sets the refusal of a bad request */
    struct plan *(*refusal)(const struct visit *v); /* the plan of v->refusal */
    bool unscripted;                                /* takes no replies from the queue: they are meant for models */
    const char *anonymous;                          /* the operation that nobody need sign; NULL: none */
    bool regionless;                                /* signatures of every region are good */
    /* Its own shape of an error that a script or a fault wants; NULL: the one of refusal.h. And of an error in the
     * middle of a stream, appended to `frame`; NULL: an exception of an event stream. */
    struct plan *(*error)(const struct visit *v, const struct error_reply *e);
    void (*exception)(const struct visit *v, const char *type, const char *message, struct buf *frame);
};

extern const struct surface sts_surface;                           /* sts.c */
extern const struct surface compat_surface, compat_mantle_surface; /* compat.c */

/* The answer of a handler, or of a layer before it, that says no in these words, in the form of the visit's surface. What
 * was found before and is only told (a policy of --auth none, a rule of --validation record) stays in v->refusal, and is
 * not said. */
struct plan *surface_refuse(const struct visit *v, const char *type, const char *text);
/* error_plan() in the form of the surface that a scene belongs to. */
struct plan *surface_error(const struct fault_scene *scene, const struct error_reply *e);

#endif
