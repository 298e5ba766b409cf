/* rig.h: a mock without sockets, for fuzz targets: requests go to the same handlers that a server would call, and what
 * they answer is walked as a server would walk it, at once.
 *
 * A target that includes this file is linked with the linker's --wrap for server_*, exchange_* and client_*
 * (tests/CMakeLists.txt): mock_start() then gets servers of this rig, which listen to nobody and have one worker on the
 * caller's thread, and `--record` gets an endpoint that says what the target tells it to. Everything else is the mock's
 * own. One thread; mocks are started once and live on.
 *
 *     struct exchange *x = rig_send(mock->server, &ask);     the handler has run
 *     rig_drain(x); rig_check(x, ...);                       every piece that there is, in order
 *     rig_free(x, DELIVERY_COMPLETE);                        done() was called
 */
#ifndef MOHS_TESTS_FUZZ_RIG_H
#define MOHS_TESTS_FUZZ_RIG_H

#include "mock/visit.h"
#include "net/client.h"
#include "net/plan.h"
#include "net/server.h"

/* What does not hold ends the run: a fuzzer reports that as it does a crash. */
#define must(holds) ((holds) ? (void)0 : rig_fail(__FILE__, __LINE__, #holds))
_Noreturn void rig_fail(const char *file, int line, const char *what);

#define RIG_FIELDS_MAX 64
struct rig_ask {
    const char *method;
    struct span target;
    struct http_field fields[RIG_FIELDS_MAX];
    size_t field_count;
    struct span body;
    bool body_follows;
    unsigned version; /* 0: 11 */
};

/* A mock of this configuration; a refusal ends the run. Its random numbers begin anew with rig_reset(). */
struct mock *rig_mock(const struct mock_config *config);
/* POST /reset, the clock back, workers as new: what came before is forgotten. */
void rig_reset(struct mock *m);

/* The spans of `ask` must live until rig_free(). */
struct exchange *rig_send(struct server *server, const struct rig_ask *ask);
bool rig_replied(const struct exchange *x);
int rig_status(const struct exchange *x);
/* All body bytes so far, before_send() called for each piece; grows with each call while an open plan does. Pieces that
 * are never due stay out. */
struct span rig_drain(struct exchange *x);
const struct http_headers *rig_headers(const struct exchange *x);
bool rig_is_cut(const struct exchange *x); /* odd on the wire, cut, or with silence in it */
bool rig_is_open(const struct exchange *x);
/* Of a request with body_follows: hand on a part of the body, or say that it is over. */
void rig_push(struct exchange *x, struct span part);
void rig_push_end(struct exchange *x);
void rig_hold(struct exchange *x, bool held); /* while held, the peer takes nothing */
/* done(), and all of it gone. */
void rig_free(struct exchange *x, enum delivery_end end);
/* Timers that are due and posts, once. */
void rig_turn(void);

/* A reply that nobody tampered with: its status, that it is what its Content-Type says (JSON; event-stream frames with
 * right checksums; server-sent events; XML), its length, no internal error. */
void rig_check(struct exchange *x);
/* And a good answer of this operation is one of the API model. */
void rig_check_api(const struct mock *m, const struct rig_ask *ask, struct exchange *x);

/* ---- the endpoint of --record ---- */

struct rig_call { /* the request that was sent on and not answered yet */
    const struct client_events *events;
    void *ctx;
    bool running;
    size_t sent;    /* bytes of a request that streams up */
    bool sent_over; /* and its end */
};
extern struct rig_call rig_call;

#endif
