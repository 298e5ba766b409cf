/* exchange.h: what server.c, exchange.c, http1.c and http2.c share, and nobody else sees.
 *
 * server.c accepts and peeks; http1.c lets libmicrohttpd parse requests and send heads, http2.c libnghttp2; exchange.c
 * paces bodies. One request at a time is on a connection of HTTP/1.1, so the exchange lives inside its connection and
 * its memory is used again by the next request. Over HTTP/2 each stream has one (`stream` is not NULL), and the one of
 * the connection stays idle.
 *
 *     IDLE -> ASKED -> HEAD -> QUEUE -> BODY -> END -> IDLE        (OVER from anywhere: done() was called early)
 *
 * While an exchange waits for anything, its MHD connection is suspended: MHD neither polls nor touches the socket.
 * That has two uses. Our own watch sees the peer leave at once. And bodies of unknown length, and bodies that break a
 * promise, are written by us straight to the socket, chunk by chunk, behind MHD's back; MHD is resumed only to end
 * them. It cannot tell: it sent the head, it will send the last chunk, and has no bytes of its own in between.
 *
 * Over HTTP/2 every body is BODY_DIRECT: what is due is put into `out`, http2.c takes it from there as flow control
 * allows (exchange_taken), and no more is put there before the socket has it. Nothing is written from within an
 * exchange_ function: sessions that have something to say are listed, and speak at the end of the loop's turn.
 */
#ifndef MOHS_EXCHANGE_H
#define MOHS_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/server.h"

struct MHD_Connection;
struct http1;
struct http2;
struct http2_stream;
struct secure;
struct worker;

enum exchange_phase {
    PHASE_IDLE,  /* no request, or one that is still being read */
    PHASE_ASKED, /* with the handler, no answer yet */
    PHASE_HEAD,  /* a plan whose status line is not due yet */
    PHASE_QUEUE, /* the wire may send the head */
    PHASE_BODY,  /* the head is out */
    PHASE_END,   /* every byte is with the socket (or with MHD); the wire ends it as `ending` says */
    PHASE_OVER   /* done() was called; the wire has still to let go */
};

enum body_way {
    BODY_WHOLE,  /* MHD has it all */
    BODY_PULLED, /* MHD asks for it: a paced body of promised length that keeps the promise */
    BODY_DIRECT  /* written by us */
};

struct exchange {
    struct connection *connection;
    struct http2_stream *stream; /* NULL: HTTP/1.1 */
    struct http_request request;
    enum exchange_phase phase;
    enum body_way way;
    enum plan_end ending;
    bool framed;   /* direct writes are chunks */
    bool at_once;  /* and all of them are due with the head */
    bool bodiless; /* HEAD was asked */
    bool broken;   /* the socket refused a write */
    bool hanging;  /* the timer is the limit of a silence that was asked for */

    /* the request as it is read */
    bool head_seen;
    int refused; /* 413, 431, 500, 505 or 0 */
    struct buf target, body;
    struct http_field *fields;
    size_t field_cap;

    /* the rest of the request, for a handler that reads it as it comes */
    void (*data)(void *ctx, struct span bytes);
    void (*data_end)(void *ctx);
    void *data_ctx;

    /* the answer */
    struct plan *plan; /* one way ... */
    bool streaming;    /* ... or the other */
    bool stream_ended;
    int status;
    struct http_headers headers;
    size_t next_piece, piece_taken; /* piece_taken: of next_piece, when pulled */
    uint64_t base_ns;               /* due instant of the piece before */
    uint64_t forgotten_bytes;       /* of an open plan: sent, and no longer in it */
    size_t forgotten_events;
    bool gate_passed;
    struct gate_wait gate;
    struct timer timer;
    uint64_t reset_until_ns;

    /* direct writes */
    struct buf out;
    size_t out_sent;
    size_t frame_head, frame_body; /* of what is in `out`: bytes before the body, and of the body */
    size_t low_water;
    void (*drain)(void *ctx);
    void *drain_ctx;

    struct delivery delivery;
    void (*done)(void *ctx, struct exchange *x, const struct delivery *d);
    void *done_ctx;
};

/* What is left of a connection that HTTP is done with: farewell.c. Zeroed before it begins. */
struct farewell {
    bool (*say_rest)(void *ctx); /* true: all is said, and the FIN may follow; NULL: there is no rest */
    void (*gone)(void *ctx);     /* the socket is closed, and this struct no longer used */
    void *ctx;
    struct worker *worker;
    struct watch watch;
    struct timer timer;
    uint64_t until_ns; /* the peer's time, which begins anew whenever it has taken something ... */
    uint64_t last_ns;  /* ... and the end of all patience with one that has everything */
    size_t left;       /* at the last look, with the kernel; or more was given to it since */
    size_t drained, drained_then;
    bool said; /* our FIN is out */
    struct farewell *next, *prev;
};

struct connection {
    struct worker *worker;
    struct connection *next, *prev;
    struct watch watch;    /* the socket: the peer leaving, all its life; its first bytes; room to write */
    struct timer timer;    /* first bytes, and the reading of a request, take only so long */
    struct timer left;     /* HTTP/1.1: the peer has closed its side, and MHD may not have seen it */
    struct secure *secure; /* NULL: cleartext */
    int mhd_fd;            /* what MHD reads and writes; -1: it does not have this connection */
    struct MHD_Connection *mhd;
    struct http2 *http2; /* NULL: HTTP/1.1, or not known yet */
    bool suspended;
    bool wants_write;
    bool peer_gone;
    bool abrupt; /* it ends before everything was said: without TLS's close_notify */
    bool reset;  /* the socket was reset already */
    bool whole;  /* HTTP/1.1: the last request was read to its end */
    bool refused; /* HTTP/1.1: answered past libmicrohttpd, which can write no more */
    uint64_t number, requests;
    struct exchange x;
};

struct worker {
    struct server *server;
    struct loop *loop;
    struct http1 *http1;
    struct http2 *unsaid; /* sessions with something to say at the end of this turn */
    struct watch listener;
    struct timer accept_again;
    void *user;
    struct connection *connections;
    struct farewell *farewells;
    size_t connection_count;   /* farewells too */
    struct connection **by_fd; /* MHD names a new connection by its fd only */
    size_t by_fd_count;
};

struct server {
    struct server_config config;
    char *host;
    uint16_t port;
    struct worker *workers;
    size_t started; /* threads that run */
    pthread_t *threads;
    atomic_ullong connection_number, connections_gone;
};

/* ---- server.c ---- */
void connection_free(struct connection *c);  /* the fd is closed already */
void connection_close(struct connection *c); /* with a farewell */
void connection_leave(struct connection *c); /* the same, of an fd that MHD is about to close */
void connection_want_write(struct connection *c, bool yes);
void connection_gone(struct worker *w); /* one less: there may be room for another */
enum first_bytes { FIRST_UNKNOWN, FIRST_HTTP1, FIRST_HTTP2 };
enum first_bytes first_bytes_are(const void *seen, size_t n);
void connection_take_http1(struct connection *c); /* both may close it */
void connection_take_http2(struct connection *c);

/* Answer in HTTP/1.1 by our own hand: what libmicrohttpd has read of the request, or nothing yet, is all there will be. What
 * is left is to close. */
void connection_refuse(struct connection *c, int status, const char *why);

/* ---- head.c ---- */
/* The first bytes of a request. The status that libmicrohttpd would refuse them with, the method and target as far as they
 * are known, and a sentence; 0: they look good, or are not whole. */
int head_refusal(struct span bytes, struct http_request *seen, const char **why);

/* ---- secure.c ---- */
/* As recv() and send() with MSG_DONTWAIT and without SIGPIPE, cleartext or TLS. */
ssize_t connection_recv(struct connection *c, void *to, size_t n);
ssize_t connection_send(struct connection *c, const void *from, size_t n, bool more_follows);
enum err secure_take(struct connection *c) MUST_USE; /* new, on a port of TLS: from the handshake on */
int secure_split(struct connection *c);              /* the fd for MHD, which closes it; -1: it cannot be made */
int secure_inner(const struct connection *c);        /* our end of it; -1: there is none */
void secure_carry(struct connection *c); /* between the session and that fd; may find that the peer has gone */
void secure_end(struct connection *c);   /* c lets go of its session and socket; they say goodbye by themselves */

/* ---- farewell.c ---- */
/* The socket is taken: the rest is said, then our FIN; it is closed when the peer has everything, or its time is over, and
 * counts as a connection until then. May be gone on return. */
void farewell_begin(struct farewell *f, struct worker *w, int fd);
void farewell_skip(struct farewell *f, struct worker *w, int fd); /* closed now */
void farewell_gave_more(struct farewell *f);                      /* say_rest() did, to the kernel */
void farewell_of_cleartext(struct worker *w, int fd);             /* nothing is left to say */
/* True: fd can be closed. The peer has been heard so far, and everything up to our FIN is on its way. */
bool farewell_is_needless(int fd);
void farewell_end_all(struct worker *w); /* no more goodbyes */

/* ---- exchange.c ---- */
void exchange_init(struct exchange *x, struct connection *c);
void exchange_release(struct exchange *x);
void exchange_reset(struct exchange *x);  /* ready for the next request */
void exchange_handle(struct exchange *x); /* the request is whole */
void exchange_head_sent(struct exchange *x);
void exchange_pump(struct exchange *x);                       /* write what is due */
size_t exchange_pull(struct exchange *x, char *to, size_t n); /* BODY_PULLED: 0: not now */
void exchange_choose_way(struct exchange *x, bool http_1_1);
struct span exchange_whole_body(struct exchange *x);    /* BODY_WHOLE: its bytes, stamped */
void exchange_spell(struct exchange *x, bool http_1_1); /* HTTP/1.1, plan->wire: head, body and end, written by us */
void exchange_no_head(struct exchange *x);              /* QUEUE: the end comes in place of the head */
void exchange_put_off(struct exchange *x, uint64_t wait_ns); /* QUEUE: the head is due once more, after that wait */
void exchange_skip_body(struct exchange *x);                 /* the head is all there will be */
void exchange_writable(struct exchange *x);
void exchange_finish(struct exchange *x, enum delivery_end end); /* done(), once; nothing when it was called */
/* HTTP/2: at most n waiting bytes of the body; *last: they are its end, and the phase is END. Nothing when they are not
 * to be had now: http2_wake() or http2_finish() will come. */
size_t exchange_take(struct exchange *x, void *to, size_t n, bool *last);
void exchange_taken(struct exchange *x, size_t n); /* and the socket has n more of them */
bool exchange_is_empty(const struct exchange *x);  /* a clean plan of no bytes, due with its head */
/* One more field of the request being read; false: x->refused says why. */
bool exchange_add_field(struct exchange *x, struct span name, struct span value);
/* What is read of it is all that will be: the owner of the port, or this server, says no; the phase is HEAD or QUEUE. */
void exchange_refuse(struct exchange *x, int status, const char *why);
const char *exchange_why(int status); /* the sentence of a refusal of ours: 413, 431, 505 or 500 */

/* ---- http1.c ---- */
struct http1 *http1_new(struct worker *worker, struct note *note);
void http1_free(struct http1 *h); /* closes every connection */
/* fd carries its plain bytes, and is closed by MHD; false: that could not be, and c is gone. */
bool http1_take(struct http1 *h, struct connection *c, int fd);
void http1_resume(struct connection *c); /* the phase has changed: let MHD look; fine when not suspended */

/* ---- http2.c ---- */
void http2_take(struct connection *c); /* its first bytes are the preface; they are still in the socket */
void http2_free(struct http2 *h);      /* every stream's exchange must be finished; NULL is fine */
void http2_end(struct connection *c, enum delivery_end end); /* ends every stream, says goodbye, frees c */
bool http2_speak(struct worker *w);    /* at the end of a turn; true: another turn is needed at once */
void http2_head(struct exchange *x);   /* QUEUE: the head is due */
void http2_wake(struct exchange *x);   /* there is body to take */
void http2_consumed(struct exchange *x, size_t n);
void http2_finish(struct exchange *x); /* BODY: nothing more to take; end it as x->ending says. OVER: drop the stream */

#endif
