/* talk.h: one request to the target and its answer, driven by what arrives: gates are opened, and the connection is
 * left, when the client has got so far, never after a guess of time.
 *
 * Points of progress are met in their order. When nothing moves for progress_ms while a point is waited for, the points
 * are given up and every gate of the step is opened, so that the rest of the exchange can still be judged.
 */
#ifndef MOHS_TALK_H
#define MOHS_TALK_H

#include "harness/dialect.h"
#include "net/client.h"

#define TALK_POINTS_MAX 64
#define TALK_BODY_MAX   ((size_t)64 << 20)

enum point_kind { POINT_EVENTS, POINT_FRAMES, POINT_HEAD, POINT_UPSTREAM };
struct point {
    enum point_kind kind;
    size_t n;
    const char *open; /* the gate; NULL: disconnect here */
    bool reached;
    size_t seen; /* how far it had got when it was given up */
};

struct talk_plan {
    const struct dialect *dialect;
    const char *url;
    struct dialect_request *request;
    const char *admin;        /* of the mock, for gates and the journal */
    int64_t since;            /* journal entries behind this one are of this step */
    const char *const *gates; /* all of the step */
    size_t gate_count;
    unsigned request_ms, progress_ms;
    struct point points[TALK_POINTS_MAX]; /* progress in order, then the disconnect */
    size_t point_count;
};

struct talk {
    struct client_result result;
    int status; /* 0: none */
    struct http_headers headers;
    struct buf body;       /* as it came, also of a stream */
    struct stream *stream; /* NULL: not asked for, or refused with an error status */
    bool left;             /* we disconnected */
};
void talk_release(struct talk *t);

/* ERR_IO: the target could not be reached. Everything else that goes wrong is in talk->result. */
enum err talk_run(struct loop *loop, struct client *client, struct talk_plan *plan, struct talk *out,
                  struct note *note) MUST_USE;

#endif
