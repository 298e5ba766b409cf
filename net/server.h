/* server.h: the HTTP server under mock, admin API and reference gateway.
 *
 * N workers, each a thread with its own loop and its own listening socket (SO_REUSEPORT); a connection stays with its
 * worker. HTTP/1.1 is libmicrohttpd's, driven from our epoll. A connection that opens with the HTTP/2 preface (prior
 * knowledge, RFC 9113 section 3.3) is libnghttp2's; what differs over it:
 *   - PLAN_END_FIN and PLAN_END_RST are both RST_STREAM with INTERNAL_ERROR, as servers do whose answer breaks off.
 * (Not CANCEL: Node.js takes that for a good end.) The connection and its other streams go on.
 *   - A piece that is `alone` is DATA frames of its own (of at most 16 KiB, and of what flow control allows).
 *   - A chunk of exchange_write() is no unit: what waits is sent as one.
 *   - A reset or closed stream is a peer that closed; a half-closed connection is one for all of its streams. So is a
 *     GOAWAY with an error; one without lets the streams go on (RFC 9113 section 6.8).
 *   - 100 streams at once a connection; more are refused (REFUSED_STREAM), which says that they may be tried again.
 *   - A silence that met its limit, and a body written past its ceiling, are RST_STREAM with CANCEL.
 *   - 413 and 431 come as soon as they are known, followed by RST_STREAM with NO_ERROR.
 * With a certificate (`tls`) the port speaks TLS alone, and the same over it (docs/tls.md): ALPN chooses the protocol, or
 * the first bytes without it. A cut is a FIN without close_notify; every other end has one. A body of a promised length
 * counts as taken by the socket when libmicrohttpd has handed it over: up to 128 KiB may still be on their way.
 *
 * A request that cannot be read, or is too large, is told so once, as `refuse` says; then its connection is closed.
 *
 * Bounded: header bytes, body bytes, connections, idle and slow-sender time. A peer that closes its sending
 * side while an answer is awaited counts as gone: TCP cannot tell the two apart, and cancellation must be seen at once.
 *
 * The handler runs on the worker's loop when the whole request is read, and must not block. It answers at once or
 * later, from that loop's thread, in one of two ways: a plan (exchange_reply), or bytes as they are made
 * (exchange_begin, _write, _end). Exactly one of them, exactly once.
 *
 * A request that `wants_stream` names is handled when its head is read, and its body is handed on as it comes
 * (exchange_read), while the answer is under way; the usual limits of body bytes and of reading time do not hold for
 * it. That takes HTTP/2: over HTTP/1.1 such a request gets 505 and a sentence, without the handler.
 */
#ifndef MOHS_SERVER_H
#define MOHS_SERVER_H

#include "net/gate.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/plan.h"

struct exchange;
struct server;
struct tls;

struct server_config {
    const char *host;         /* NULL: 127.0.0.1 */
    uint16_t port;            /* 0: any free one; server_port() tells */
    unsigned workers;         /* 0: 1 */
    size_t max_body;          /* bytes; 0: 32 MiB. More: 413 */
    size_t max_header;        /* bytes; 0: 16 KiB (each KiB is cleared for each request). More: 431 */
    unsigned max_connections; /* a worker; 0: as many as the file limit allows, less a reserve */
    unsigned idle_timeout_ms; /* keep-alive, a silent peer, the whole of a request from its first line on; rounded up
                               * to seconds; 0: 60,000 */
    unsigned hang_limit_ms;   /* silence that a plan asks for (PLAN_NEVER, PLAN_END_HANG); 0: 600,000 */
    unsigned handshake_timeout_ms; /* of TLS; 0: 10,000, or idle_timeout_ms if that is less */
    struct tls *tls;               /* borrowed, until server_stop() (net/tls.h); NULL: cleartext */
    struct gates *gates;           /* borrowed; NULL: plans with gates pass */
    void (*handle)(void *ctx, struct exchange *x);
    /* Optional: as handle(), of a request that the server itself refuses, for the reason that the sentence `why` tells: of
     * its body nothing is there, and method, target and fields are empty as far as they could not be read. The answer is
     * whole and without waits: exchange_reply(), at once, a plan of that status. x NULL: libmicrohttpd has refused a
     * request on a connection that could not be told from others, and answers it in its own words. `worker`: as
     * exchange_worker(). Without it the answer is {"message": why}. */
    void (*refuse)(void *ctx, void *worker, struct exchange *x, int status, const char *why);
    /* Optional: is this the head of a request whose body is to be handed on as it comes? */
    bool (*wants_stream)(void *ctx, const struct http_request *head);
    /* Optional, on the worker's thread before its first request and after its last: what exchange_worker() returns. */
    void *(*worker_start)(void *ctx, struct loop *loop);
    void (*worker_stop)(void *ctx, void *worker);
    void (*log)(void *ctx, const char *line); /* any worker's thread; NULL: nowhere */
    void *ctx;
};

/* ERR_IO and a note that names host and port when they cannot be bound. */
enum err server_start(const struct server_config *config, struct server **out, struct note *note) MUST_USE;
uint16_t server_port(const struct server *server);
/* Connections accepted since the start, and those that are open. Any thread. */
void server_connections(const struct server *server, uint64_t *accepted, uint64_t *open);
void server_stop(struct server *server); /* stops, ends every exchange (DELIVERY_STOPPED), joins, frees; NULL is fine */

const struct http_request *exchange_request(const struct exchange *x);
struct loop *exchange_loop(const struct exchange *x);
void *exchange_worker(const struct exchange *x);

/* Called exactly once per exchange, also when the peer left before an answer; x is gone when it returns, so an answer
 * that is still being made must be dropped in it. Never called from within another exchange_ function or the handler.
 * Set it inside the handler. */
void exchange_on_done(struct exchange *x, void (*done)(void *ctx, struct exchange *x, const struct delivery *d),
                      void *ctx);

void exchange_reply(struct exchange *x, struct plan *take); /* NULL, or a plan that failed: 500 */

/* A plan that was replied `open` goes on: the pieces of `take` (its head and oddities are nobody's) come behind those it
 * has, due from now on if those are sent. `last`: the answer then ends as take->end says. NULL, or a plan that failed:
 * reset. Nothing once the exchange is over, or its plan is not open (any more). */
void exchange_extend(struct exchange *x, struct plan *take, bool last);
size_t exchange_unsent(const struct exchange *x); /* bytes of the open plan that the socket does not have yet */

/* Of a request with `body_follows`, inside the handler: the body, part by part, and its end. Neither is called after
 * done(); what comes while nobody reads is dropped. `data` may keep or count its bytes: the peer may have at most 1 MiB
 * on the way that exchange_consumed() has not given back. */
void exchange_read(struct exchange *x, void (*data)(void *ctx, struct span bytes), void (*end)(void *ctx), void *ctx);
void exchange_consumed(struct exchange *x, size_t n);

/* The other way: a chunked body written as it is made. `headers` are copied. */
void exchange_begin(struct exchange *x, int status, const struct http_headers *headers);
/* Copies; returns how many bytes now wait to be sent. One chunk a call. Past 64 MiB waiting the connection is cut. */
size_t exchange_write(struct exchange *x, struct span bytes);
void exchange_end(struct exchange *x, enum plan_end how);
/* fn(ctx) each time the waiting bytes fall to low_water or under; for back-pressure. Not from within exchange_write. Of
 * an open plan: each time all of it is sent. */
void exchange_on_drain(struct exchange *x, size_t low_water, void (*fn)(void *ctx), void *ctx);

#endif
