/* upstream.h: one call of Bedrock, signed, tried again where that is safe, and cancelled when nobody waits for it.
 *
 * A call is made of attempts. Each is signed anew over the same bytes; one that ends with 429, 500, 502, 503, 504 or
 * never connected is followed by another after a pause, at most `retries` times. Only the last one is shown to the
 * caller: so what the caller sees comes from one attempt, and nothing was given to a client before.
 *
 * Exactly content-type, host, x-amz-date and (with temporary credentials) x-amz-security-token are sent and signed. No
 * header of a client is ever passed on.
 */
#ifndef MOHS_GATEWAY_UPSTREAM_H
#define MOHS_GATEWAY_UPSTREAM_H

#include "gateway/mutate.h"
#include "net/client.h"
#include "protocol/eventstream.h"
#include "protocol/sigv4.h"

#define UPSTREAM_ERROR_MAX ((size_t)1 << 20) /* of an error's body; the rest is not kept */

/* Where calls go, and in whose name. Set up once, then read by all workers. Strings are borrowed. */
struct upstream {
    const char *origin; /* "http://127.0.0.1:9555", without a slash behind it */
    const char *prefix; /* a path before "/model/...", "" for none */
    const char *host;   /* the Host field: with the port unless it is the scheme's own */
    const char *region;
    const char *access_key, *secret, *session_token; /* session_token may be NULL */
    const char *bearer;                              /* a Bedrock API key: sent instead of signing; NULL: sign */
    unsigned retries;
    unsigned idle_timeout_ms;
};

/* The calls of one worker's loop. */
struct upstream_worker {
    const struct upstream *to;
    struct loop *loop;
    struct client *client;
    struct sigv4 *sigv4;
    struct upstream_call *calls;
};
enum err upstream_worker_init(struct upstream_worker *w, const struct upstream *to, struct loop *loop,
                              struct note *note) MUST_USE;
void upstream_worker_release(struct upstream_worker *w); /* drops what runs, without a word */

struct upstream_call;

struct upstream_result {
    enum err error;                     /* not OK: no whole response came */
    const char *words;                  /* why, for people */
    int status;                         /* 0: none came */
    const struct http_headers *headers; /* of the response */
    struct span body;                   /* of a response that is no 200 */
};

struct upstream_events {
    void (*head)(void *ctx, const struct http_headers *headers); /* 200 */
    bool (*data)(void *ctx,
                 struct span bytes); /* of a 200. False: not now; the same bytes come after upstream_resume() */
    void (*done)(void *ctx, const struct upstream_result *result); /* the call is gone when it returns */
};

/* `path` is the part behind the origin, as it goes on the wire; `region` is signed for (NULL: upstream's own); `body`,
 * `region` and `mutations` must live until done() or upstream_cancel(). NULL, and a note: it cannot be started, and no
 * event comes. Events never come from within. */
struct upstream_call *upstream_start(struct upstream_worker *w, struct span path, struct span body, const char *region,
                                     const struct mutations *mutations, const struct upstream_events *events, void *ctx,
                                     struct note *note);
void upstream_resume(struct upstream_call *call);
void upstream_cancel(struct upstream_call *call); /* the connection is closed at once; no event follows */

/* Does an attempt that ended so deserve another? */
bool upstream_should_retry(enum err error, int status, const struct mutations *m);

#endif
