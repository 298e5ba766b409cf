/* secure.c: connections that speak TLS, from their first byte to their farewell.
 *
 * Everything above reads and writes with connection_recv() and connection_send(), which pass through here when the port
 * has a certificate. So HTTP/2 and the bodies that we write ourselves become TLS records without a detour: they see the
 * real socket's back-pressure, and a cut or a reset falls on the real connection. Only libmicrohttpd must have a file
 * descriptor that gives plain bytes. It gets one end of a socketpair, and both directions are carried between the other
 * end and the session: no more than what the pair holds and one record a direction, and nothing is read from a side
 * before the other has room. Before bytes of our own go out behind libmicrohttpd's back, what it wrote goes first.
 *
 * The watch on the socket is edge-triggered for all three of reading, writing and leaving; what is left for later is
 * called for by the edge that makes it possible.
 *
 * When HTTP is done with a connection, the rest of what it said, close_notify, and the FIN may have to wait for a slow
 * peer: that is the farewell (farewell.c), which outlives the struct connection.
 */
#include "net/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"

#define RECORD        ((size_t)16 * 1024) /* the most that one record holds, RFC 8446 section 5.1 */
#define PAIR_BYTES    (32 * 1024)         /* asked for each direction of the pair; Linux doubles it for its own needs */
#define FIRST_OF_TLS  22                  /* content type of a handshake record */
#define ALL_EDGES     ((uint32_t)EPOLLIN | (uint32_t)EPOLLOUT | (uint32_t)EPOLLRDHUP | (uint32_t)EPOLLET)

struct secure {
    struct connection *connection; /* NULL: the farewell */
    struct tls_session *session;
    int fd;
    bool shaken;             /* the handshake is done */
    bool abrupt;             /* the farewell has no close_notify */
    unsigned char first[32]; /* plain bytes that were read to choose a protocol */
    size_t first_n, first_at;
    /* libmicrohttpd's pair */
    struct watch inner; /* fd -1: none */
    struct buf in, out; /* what one side gave and the other had no room for */
    bool in_ended;
    struct farewell farewell;
};

static const struct server_config *config_of(const struct connection *c)
{
    return &c->worker->server->config;
}

static void tell(const struct connection *c, const char *what, const char *why)
{
    char line[320];
    if (!config_of(c)->log)
        return;
    (void)snprintf(line, sizeof line, "connection %llu: %s%s", (unsigned long long)c->number, what, why);
    config_of(c)->log(config_of(c)->ctx, line);
}

/* ---- reading and writing ---- */

static ssize_t take_first(struct secure *s, void *to, size_t n)
{
    size_t left = s->first_n - s->first_at;
    n = n < left ? n : left;
    if (n > 0)
        memcpy(to, s->first + s->first_at, n);
    s->first_at += n;
    return (ssize_t)n;
}

ssize_t connection_recv(struct connection *c, void *to, size_t n)
{
    struct secure *s = c->secure;
    if (!s)
        return recv(c->watch.fd, to, n, MSG_DONTWAIT);
    ssize_t first = take_first(s, to, n);
    if ((size_t)first == n)
        return first;
    ssize_t got = tls_recv(s->session, (unsigned char *)to + first, n - (size_t)first);
    if (first == 0)
        return got;
    return got > 0 ? first + got : first; /* an end is told once more when it is asked again */
}

/* libmicrohttpd finds its connection broken. */
static void break_pair(struct secure *s)
{
    if (s->inner.fd >= 0)
        (void)shutdown(s->inner.fd, SHUT_RDWR);
    buf_release(&s->in);
    buf_release(&s->out);
    s->in_ended = true;
}

static void keep_rest(struct secure *s, struct buf *to, const unsigned char *block, size_t n, ssize_t moved)
{
    size_t gone = moved > 0 ? (size_t)moved : 0;
    buf_add(to, (struct span){block + gone, n - gone});
    if (buf_error(to))
        break_pair(s);
}

/* What libmicrohttpd wrote to the session. True: all of it is gone, or nothing can ever go again. */
static bool carry_out(struct secure *s)
{
    unsigned char block[RECORD];
    ssize_t got = 0, n = 0;
    do {
        while (s->out.len > 0) {
            n = tls_send(s->session, s->out.data, s->out.len, false);
            if (n < 0 && errno == EAGAIN)
                return false;
            if (n <= 0) {
                break_pair(s);
                return true;
            }
            farewell_gave_more(&s->farewell);
            buf_consume(&s->out, (size_t)n);
        }
        got = s->inner.fd >= 0 ? recv(s->inner.fd, block, sizeof block, MSG_DONTWAIT) : 0;
        if (got > 0) {
            n = tls_send(s->session, block, (size_t)got, false);
            farewell_gave_more(&s->farewell);
            keep_rest(s, &s->out, block, (size_t)got, n);
        }
    } while (got > 0);
    buf_release(&s->out);
    return true;
}

ssize_t connection_send(struct connection *c, const void *from, size_t n, bool more_follows)
{
    struct secure *s = c->secure;
    if (!s)
        return send(c->watch.fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT | (more_follows ? MSG_MORE : 0));
    if (!carry_out(s)) {
        errno = EAGAIN;
        return -1;
    }
    return tls_send(s->session, from, n, more_follows);
}

/* What the peer wrote to libmicrohttpd, until either side has to wait. */
static void carry_in(struct secure *s)
{
    unsigned char block[RECORD];
    while (!s->in_ended) {
        while (s->in.len > 0) {
            ssize_t n = send(s->inner.fd, s->in.data, s->in.len, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0)
                return; /* no room now; or it has closed, and does not want it */
            buf_consume(&s->in, (size_t)n);
        }
        ssize_t got = connection_recv(s->connection, block, sizeof block);
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0) {
            s->in_ended = true;
            s->connection->peer_gone = true;
            (void)shutdown(s->inner.fd, SHUT_WR);
            break;
        }
        keep_rest(s, &s->in, block, (size_t)got, send(s->inner.fd, block, (size_t)got, MSG_NOSIGNAL | MSG_DONTWAIT));
    }
    buf_release(&s->in);
}

void secure_carry(struct connection *c)
{
    if (c->secure->inner.fd < 0)
        return;
    carry_in(c->secure);
    (void)carry_out(c->secure);
}

/* ---- the farewell ---- */

static void secure_free(void *ctx)
{
    struct secure *s = ctx;
    tls_session_free(s->session);
    buf_release(&s->in);
    buf_release(&s->out);
    if (s->inner.fd >= 0)
        close(s->inner.fd);
    free(s);
}

/* The rest and close_notify, as far as the socket takes them. */
static bool say_rest(void *ctx)
{
    struct secure *s = ctx;
    return carry_out(s) && (s->abrupt || tls_goodbye(s->session));
}

void secure_end(struct connection *c)
{
    struct secure *s = c->secure;
    s->abrupt = c->abrupt || !s->shaken;
    c->secure = NULL;
    s->connection = NULL;
    watch_remove(&s->inner);
    s->farewell.say_rest = say_rest;
    s->farewell.gone = secure_free;
    s->farewell.ctx = s;
    if (c->reset)
        farewell_skip(&s->farewell, c->worker, s->fd);
    else
        farewell_begin(&s->farewell, c->worker, s->fd);
}

/* ---- the first bytes ---- */

/* An empty SETTINGS frame, and GOAWAY with INADEQUATE_SECURITY and some words (RFC 9113 sections 6.5, 6.8 and 7). */
static const char plain_goaway[] = "\0\0\0\x04\0\0\0\0\0"
                                   "\0\0\x1c\x07\0\0\0\0\0"
                                   "\0\0\0\0\0\0\0\x0c"
                                   "this port speaks TLS";

static bool looks_like_http(const char *seen, size_t n)
{
    static const char *const methods[] = {"GET ",    "POST ",    "PUT ",   "HEAD ",
                                          "DELETE ", "OPTIONS ", "PATCH ", "CONNECT "};
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        size_t m = strlen(methods[i]);
        if (memcmp(seen, methods[i], n < m ? n : m) == 0)
            return true;
    }
    return false;
}

static struct span plain_answer(char *to, size_t max)
{
    static const char words[] = "{\"message\":\"This port speaks TLS: the URL must begin with https://\"}";
    int n = snprintf(to, max,
                     "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                     "Connection: close\r\n\r\n%s",
                     sizeof words - 1, words);
    return n > 0 && (size_t)n < max ? span_of(to) : SPAN_EMPTY;
}

/* Whoever sends cleartext to a port of TLS is told so in the language it speaks. */
static void refuse_plain(struct connection *c, const char *seen, size_t n)
{
    char text[256];
    struct span answer = SPAN_EMPTY;
    if (seen[0] == 'P' && n > 1 && seen[1] == 'R')
        answer = SPAN_LIT(plain_goaway);
    else if (looks_like_http(seen, n))
        answer = plain_answer(text, sizeof text);
    tell(c, "TLS handshake failed: ", answer.n > 0 ? "the peer speaks plain HTTP" : "what the peer sends is not TLS");
    if (answer.n > 0)
        (void)send(c->watch.fd, answer.p, answer.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    connection_close(c);
}

/* False: the connection is gone, or its first byte is not there yet. */
static bool first_is_of_tls(struct connection *c)
{
    char seen[8];
    ssize_t n = recv(c->watch.fd, seen, sizeof seen, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0)
        connection_close(c);
    else if (seen[0] != FIRST_OF_TLS)
        refuse_plain(c, seen, (size_t)n);
    else
        return true;
    return false;
}

/* ---- the handshake ---- */

static void inner_event(void *ctx, uint32_t events)
{
    struct connection *c = ctx;
    (void)events;
    c->watch.ready(c, 0);
}

int secure_split(struct connection *c)
{
    struct secure *s = c->secure;
    int pair[2];
    int room = PAIR_BYTES;
    if (!s)
        return c->watch.fd;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF(pair); i++)
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    s->inner = (struct watch){.fd = pair[1], .ready = inner_event, .ctx = c};
    if (watch_add(c->worker->loop, &s->inner, ALL_EDGES, NULL) == OK)
        return pair[0];
    close(pair[0]);
    return -1;
}

int secure_inner(const struct connection *c)
{
    return c->secure->inner.fd;
}

static void choose_by_first_bytes(void *ctx, uint32_t events)
{
    struct connection *c = ctx;
    struct secure *s = c->secure;
    (void)events;
    for (;;) {
        enum first_bytes is = first_bytes_are(s->first, s->first_n);
        if (is == FIRST_HTTP2)
            connection_take_http2(c);
        else if (is == FIRST_HTTP1)
            connection_take_http1(c);
        if (is != FIRST_UNKNOWN)
            return;
        ssize_t n = tls_recv(s->session, s->first + s->first_n, sizeof s->first - s->first_n);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            connection_close(c);
            return;
        }
        s->first_n += (size_t)n;
    }
}

static void too_late(void *ctx)
{
    struct connection *c = ctx;
    if (!c->secure->shaken && c->secure->session)
        tell(c, "TLS handshake failed: ", "the peer did not go on with it in time");
    connection_close(c);
}

static void handshake_done(struct connection *c)
{
    struct secure *s = c->secure;
    struct span protocol = tls_protocol(s->session);
    s->shaken = true;
    uint64_t limit = (uint64_t)config_of(c)->idle_timeout_ms * 1000000U;
    timer_set(c->worker->loop, &c->timer, now_ns() + limit, too_late, c);
    c->watch.ready = choose_by_first_bytes;
    if (span_is(protocol, "h2"))
        connection_take_http2(c);
    else if (protocol.n > 0)
        connection_take_http1(c);
    else
        choose_by_first_bytes(c, 0);
}

static void handshake_event(void *ctx, uint32_t events)
{
    struct connection *c = ctx;
    struct secure *s = c->secure;
    struct note why = {""};
    (void)events;
    if (!s->session && !first_is_of_tls(c))
        return;
    if (!s->session)
        s->session = tls_session_new(config_of(c)->tls, s->fd);
    if (!s->session) {
        connection_close(c);
        return;
    }
    switch (tls_handshake(s->session, &why)) {
    case TLS_DONE:
        handshake_done(c);
        return;
    case TLS_MORE:
        return;
    case TLS_FAILED:
        tell(c, "TLS handshake failed: ", why.text);
        connection_close(c);
    }
}

enum err secure_take(struct connection *c)
{
    struct secure *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    s->connection = c;
    s->fd = c->watch.fd;
    s->inner.fd = -1;
    buf_init(&s->in, RECORD);
    buf_init(&s->out, RECORD);
    c->secure = s;
    c->watch.ready = handshake_event;
    uint64_t limit = (uint64_t)config_of(c)->handshake_timeout_ms * 1000000U;
    timer_set(c->worker->loop, &c->timer, now_ns() + limit, too_late, c);
    return watch_add(c->worker->loop, &c->watch, ALL_EDGES, NULL);
}
