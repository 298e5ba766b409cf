/* client.h: the HTTP client of check, gateway and admin calls: libcurl's multi interface on our loop.
 *
 * Requests go out as they are given: method, path (never normalised), headers in their order and none added but Host
 * and Content-Length; an `Expect` is never sent. No proxy from the environment, no redirects, no cookies, no netrc. A
 * kept connection that turns out to be closed is replaced and the request sent again (libcurl's rule: only when not one
 * byte of an answer came); where that would blur a verdict, ask for a fresh connection.
 * The load engine does not use this (see harness/bench).
 */
#ifndef MOHS_CLIENT_H
#define MOHS_CLIENT_H

#include "net/http.h"
#include "net/loop.h"

struct client;
struct call;

struct client_request {
    const char *method; /* NULL: POST when there is a body, GET otherwise */
    const char *url;
    const struct http_headers *headers; /* may be NULL */
    struct span body;                   /* must live until done() or call_cancel() */
    unsigned timeout_ms;                /* the whole call; 0: none */
    unsigned idle_timeout_ms;           /* silence on a running call; 0: none */
    bool fresh_connection;              /* do not reuse a kept one */
    const char *ca_file;                /* as of client_trust(), for this request; NULL: the client's */
    /* `body` is not looked at: it comes by call_send(), while the answer may be under way already. Over a connection of
     * its own, by HTTP/2: with prior knowledge for http://, offered by ALPN over TLS. data() must take what it gets. */
    bool streams_up;
    void (*sent)(void *ctx); /* of those: all that call_send() was given is on its way. May be NULL; as the events */
};

struct client_result {
    enum err error; /* OK: a whole response was read. ERR_CLOSED: cut short. ERR_TIMEOUT. ERR_SYNTAX: not HTTP.
                     * ERR_IO: never connected */
    char text[256]; /* libcurl's words, for the note */
    int status;     /* 0: no response line was read */
    uint64_t started_at_ns, head_at_ns, first_byte_at_ns, ended_at_ns; /* 0: never came */
    uint64_t bytes;                                                    /* of body */
};

/* Any callback may be NULL. They may start, cancel and resume calls, their own too, but not free the client. */
struct client_events {
    void (*head)(void *ctx, int status, const struct http_headers *headers);
    bool (*data)(void *ctx, struct span bytes,
                 uint64_t at_ns); /* false: pause; the same bytes come again after call_resume() */
    void (*done)(void *ctx, const struct client_result *result); /* the call is gone when it returns */
};

struct client *client_new(struct loop *loop, struct note *note);
void client_free(struct client *client); /* cancels what runs, without callbacks */
/* Verify https servers by the CAs of this PEM file alone; NULL: by those of the system. Borrowed. */
void client_trust(struct client *client, const char *ca_file);
/* NULL, and a note, only for a request that cannot be started (bad URL, out of memory); then no callback comes. */
struct call *client_start(struct client *client, const struct client_request *request,
                          const struct client_events *events, void *ctx, struct note *note);
void call_cancel(struct call *call); /* closes the connection at once; no callback afterwards */
void call_resume(struct call *call); /* nothing when it is not paused */

/* Of a request that streams_up: the next bytes of its body, copied; that there are no more; and how many still wait to
 * be taken, which is for the caller to keep small. Nothing once the call is cancelled. done() comes when the answer is
 * whole, also when the body is not. */
void call_send(struct call *call, struct span bytes);
void call_send_end(struct call *call);
size_t call_unsent(const struct call *call);

/* The blocking form, for command-line use and admin calls: its own loop, everything read into memory. */
struct client_response {
    int status;
    struct http_headers headers;
    struct buf body; /* ceiling: 64 MiB */
};
void client_response_release(struct client_response *r);
/* `out` is set, and to be released, in every case: what came before an error is in it. */
enum err client_fetch(const struct client_request *request, struct client_response *out, struct note *note) MUST_USE;

#endif
