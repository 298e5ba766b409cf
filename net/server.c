/* server.c: workers, listening sockets, and the first bytes of a connection.
 *
 * Each worker is a thread with its own loop and its own listening socket; SO_REUSEPORT lets the kernel share the
 * connections out. A new connection is looked at (MSG_PEEK) until its first bytes tell HTTP/1.x from HTTP/2 with prior
 * knowledge, and is then given to http1.c or http2.c; on a port of TLS, secure.c shakes hands first. One watch stays on
 * every socket for its whole life, edge-triggered, for the one thing nobody else would tell while a reply is being
 * waited for: that the peer has gone.
 *
 * Starting happens on the caller's thread so that a taken port is the caller's error; ending happens on each worker's
 * own, so that everything a connection owns is freed by the thread that used it.
 */
#include "net/exchange.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define BACKLOG        4096
#define FD_RESERVE     128        /* files, pipes, clients: what the process opens besides connections */
#define ACCEPT_PAUSE   100000000U /* ns to wait when the process has no file descriptors left */
#define LEFT_AGAIN_NS  20000000U  /* ns: libmicrohttpd has read by then */
#define HEAD_LOOK      ((size_t)4096) /* bytes of a connection that are looked at before anybody reads them */
#define WATCH_ALWAYS   ((uint32_t)EPOLLRDHUP | (uint32_t)EPOLLET)

/* ---- connections ---- */

static void stop_accepting(struct worker *w)
{
    watch_remove(&w->listener);
}

static void start_accepting(void *worker)
{
    struct worker *w = worker;
    if (!w->listener.loop && w->listener.fd >= 0 && watch_add(w->loop, &w->listener, EPOLLIN, NULL) != OK)
        timer_set(w->loop, &w->accept_again, now_ns() + ACCEPT_PAUSE, start_accepting, w);
}

void connection_gone(struct worker *w)
{
    w->connection_count--;
    (void)atomic_fetch_add(&w->server->connections_gone, 1);
    if (!w->accept_again.loop)
        start_accepting(w);
}

/* fd says goodbye by itself; -1: it needs none. */
static void let_go(struct connection *c, int fd)
{
    struct worker *w = c->worker;
    timer_cancel(&c->timer);
    timer_cancel(&c->left);
    watch_remove(&c->watch);
    http2_free(c->http2);
    exchange_finish(&c->x, DELIVERY_PEER_CLOSED);
    exchange_release(&c->x);
    if (c->mhd_fd >= 0)
        w->by_fd[c->mhd_fd] = NULL;
    *(c->prev ? &c->prev->next : &w->connections) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    if (c->secure)
        secure_end(c);
    else if (fd >= 0)
        farewell_of_cleartext(w, fd);
    else
        connection_gone(w);
    free(c);
}

void connection_free(struct connection *c)
{
    let_go(c, -1);
}

void connection_close(struct connection *c)
{
    let_go(c, c->watch.fd);
}

/* The socket lives on by another descriptor, unless nobody would miss it: a whole request, and an answer that is all on
 * its way, pay for no farewell. MHD has sent the FIN. */
void connection_leave(struct connection *c)
{
    int fd = c->watch.fd;
    bool stays = !c->secure && !c->reset && !(c->whole && !c->abrupt && farewell_is_needless(fd));
    let_go(c, stays ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1);
}

void connection_want_write(struct connection *c, bool yes)
{
    if (c->secure || yes == c->wants_write || !c->watch.loop)
        return; /* secure.c's watch has every edge */
    if (watch_change(&c->watch, WATCH_ALWAYS | (yes ? (uint32_t)EPOLLOUT : 0)) == OK)
        c->wants_write = yes;
}

/* libmicrohttpd takes a short read for the last one and waits for another edge of its epoll. A FIN that came with those
 * bytes stays unseen, and the descriptor would be held for the idle time: so there is another edge, once it has read. */
static void say_again_that_peer_left(void *ctx)
{
    struct connection *c = ctx;
    if (c->suspended)
        return; /* who resumes it looks at peer_gone */
    (void)shutdown(c->secure ? secure_inner(c) : c->watch.fd, c->secure ? SHUT_WR : SHUT_RD);
    timer_set(c->worker->loop, &c->left, now_ns() + LEFT_AGAIN_NS, say_again_that_peer_left, c);
}

static void socket_event(void *ctx, uint32_t events)
{
    struct connection *c = ctx;
    if (c->secure)
        secure_carry(c);
    if (events & ((uint32_t)EPOLLRDHUP | (uint32_t)EPOLLHUP | (uint32_t)EPOLLERR))
        c->peer_gone = true;
    if (c->peer_gone) {
        if (c->suspended)
            exchange_finish(&c->x, DELIVERY_PEER_CLOSED);
        else
            timer_set(c->worker->loop, &c->left, now_ns() + LEFT_AGAIN_NS, say_again_that_peer_left, c);
        return;
    }
    if ((events & (uint32_t)EPOLLOUT) && c->suspended)
        exchange_writable(&c->x);
}

/* ---- the first bytes ---- */

static const char preface[] = "PRI * HTTP/2.0"; /* RFC 9113 section 3.4, its first line without the end */

enum first_bytes first_bytes_are(const void *seen, size_t n)
{
    size_t whole = sizeof preface - 1;
    if (memcmp(seen, preface, n < whole ? n : whole) != 0)
        return FIRST_HTTP1;
    return n < whole ? FIRST_UNKNOWN : FIRST_HTTP2;
}

void connection_take_http1(struct connection *c)
{
    timer_cancel(&c->timer);
    c->watch.ready = socket_event;
    int fd = secure_split(c);
    if (fd < 0 || (!c->secure && watch_change(&c->watch, WATCH_ALWAYS) != OK))
        connection_close(c);
    else if (http1_take(c->worker->http1, c, fd) && c->secure)
        secure_carry(c);
}

void connection_take_http2(struct connection *c)
{
    timer_cancel(&c->timer);
    http2_take(c);
}

static bool begins_tls(struct span seen)
{
    return seen.n >= 2 && seen.p[0] == 22 && seen.p[1] == 3; /* RFC 8446 section 5.1: a handshake record, of version 3.x */
}

static void tell_refusal(const struct connection *c, const char *why)
{
    const struct server_config *config = &c->worker->server->config;
    char line[512];
    if (!config->log)
        return;
    (void)snprintf(line, sizeof line, "a peer sent what is no request and was told: %s", why);
    config->log(config->ctx, line);
}

void connection_refuse(struct connection *c, int status, const char *why)
{
    struct exchange *x = &c->x;
    timer_cancel(&c->timer);
    c->refused = true;
    tell_refusal(c, why);
    (void)span_split(x->request.target, '?', &x->request.path, &x->request.query);
    x->request.connection = c->number;
    if (!x->head_seen)
        x->request.on_connection = ++c->requests;
    x->request.http_version = 11;
    exchange_refuse(x, status, why);
    int64_t n = x->plan ? x->plan->content_length : 0;
    if (x->plan && span_is(x->request.method, "HEAD"))
        plan_cut_at_byte(x->plan, 0, x->plan->end);
    if (x->phase == PHASE_QUEUE && x->plan && plan_odd(x->plan))
        exchange_spell(x, true);
    bool said = x->phase == PHASE_END;
    if (said)
        x->delivery.bytes = (uint64_t)n; /* without the head */
    exchange_finish(x, said ? DELIVERY_COMPLETE : DELIVERY_PEER_CLOSED);
}

/* A client with https:// in its settings: its handshake would wait for an answer that HTTP/1.1 never gives. What it gets makes
 * OpenSSL say "wrong version number"; whoever reads our log gets a sentence. What is no request is told so here, too. */
static bool is_refused(struct connection *c, struct span seen)
{
    const char *why = "What came begins with TLS, and this port speaks cleartext: http:// is meant, not https://.";
    struct http_request known = {.method = SPAN_EMPTY};
    int status = begins_tls(seen) ? 400 : head_refusal(seen, &known, &why);
    if (status == 0)
        return false;
    c->x.request = known; /* it borrows from `seen`, and is not looked at after this */
    connection_refuse(c, status, why);
    c->x.request.method = c->x.request.target = c->x.request.path = c->x.request.query = SPAN_EMPTY;
    return true;
}

static void first_bytes(void *ctx, uint32_t events)
{
    struct connection *c = ctx;
    unsigned char seen[HEAD_LOOK];
    (void)events;
    ssize_t n = recv(c->watch.fd, seen, sizeof seen, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        connection_close(c);
        return;
    }
    switch (first_bytes_are(seen, (size_t)n)) {
    case FIRST_UNKNOWN:
        return; /* a beginning of it: edge-triggered, we are called when there is more */
    case FIRST_HTTP1:
        if (is_refused(c, (struct span){seen, (size_t)n}))
            connection_close(c);
        else
            connection_take_http1(c);
        return;
    case FIRST_HTTP2:
        connection_take_http2(c);
    }
}

static void first_bytes_late(void *ctx)
{
    connection_close(ctx);
}

/* ---- accepting ---- */

static void take_connection(struct worker *w, int fd)
{
    struct connection *c = calloc(1, sizeof *c);
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!c) {
        close(fd);
        return;
    }
    c->worker = w;
    c->mhd_fd = -1;
    c->number = atomic_fetch_add(&w->server->connection_number, 1) + 1;
    c->watch = (struct watch){.fd = fd, .ready = first_bytes, .ctx = c};
    exchange_init(&c->x, c);
    c->next = w->connections;
    if (c->next)
        c->next->prev = c;
    w->connections = c;
    w->connection_count++;
    uint64_t limit = (uint64_t)w->server->config.idle_timeout_ms * 1000000U;
    timer_set(w->loop, &c->timer, now_ns() + limit, first_bytes_late, c);
    enum err e =
        w->server->config.tls ? secure_take(c) : watch_add(w->loop, &c->watch, WATCH_ALWAYS | (uint32_t)EPOLLIN, NULL);
    if (e != OK)
        connection_close(c);
}

static void accept_some(void *ctx, uint32_t events)
{
    struct worker *w = ctx;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (w->connection_count >= w->server->config.max_connections) {
            stop_accepting(w); /* until one is freed; the backlog holds the others */
            return;
        }
        int fd = accept4(w->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(w, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            stop_accepting(w);
            timer_set(w->loop, &w->accept_again, now_ns() + ACCEPT_PAUSE, start_accepting, w);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* ---- listening ---- */

static int bind_once(const struct addrinfo *address, uint16_t port, bool shared)
{
    int on = 1;
    struct sockaddr_storage at;
    memcpy(&at, address->ai_addr, address->ai_addrlen);
    if (at.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&at)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)&at)->sin_port = htons(port);
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* Inherited by the connections. Where the default is BBR the kernel would pace what we have paced already, for
     * about a fifth of the time of a frame on loopback; Reno is always there and sends when told. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    bool ok = (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
              bind(fd, (struct sockaddr *)&at, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    if (ok)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t n = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        return 0;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                          : ((struct sockaddr_in *)&at)->sin_port);
}

/* SO_REUSEPORT would also share a port with another program of ours that somebody forgot; so with several workers the
 * port is first taken alone, which fails then, and given back. */
static bool is_free(const struct addrinfo *address, uint16_t port)
{
    int fd = bind_once(address, port, false);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static enum err bind_workers(struct server *s, const struct addrinfo *address, struct note *note)
{
    bool shared = s->config.workers > 1;
    bool ok = !shared || is_free(address, s->port);
    for (size_t i = 0; ok && i < s->config.workers; i++) {
        int fd = bind_once(address, s->port, shared);
        ok = fd >= 0;
        s->workers[i].listener.fd = fd;
        if (ok && s->port == 0)
            s->port = port_of(fd);
    }
    return ok ? OK : note_set(note, ERR_IO, "cannot listen on %s port %u: %s", s->host, s->port, strerror(errno));
}

static enum err listen_all(struct server *s, struct note *note)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *address = NULL;
    int failed = getaddrinfo(s->host, NULL, &hints, &address);
    if (failed)
        return note_set(note, ERR_IO, "cannot listen on %s port %u: %s", s->host, s->port, gai_strerror(failed));
    enum err e = bind_workers(s, address, note);
    freeaddrinfo(address);
    return e;
}

/* ---- workers ---- */

static void end_connections(struct worker *w)
{
    struct connection *next = NULL;
    for (struct connection *c = w->connections; c; c = next) {
        next = c->next;
        if (c->mhd_fd < 0 && !c->http2)
            connection_close(c);
        else if (c->http2)
            http2_end(c, DELIVERY_STOPPED);
        else
            exchange_finish(&c->x, DELIVERY_STOPPED);
    }
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    const struct server_config *config = &w->server->config;
    if (config->worker_start)
        w->user = config->worker_start(config->ctx, w->loop);
    start_accepting(w);
    loop_run(w->loop);
    stop_accepting(w);
    close(w->listener.fd);
    w->listener.fd = -1;
    end_connections(w);
    http1_free(w->http1);
    w->http1 = NULL;
    farewell_end_all(w);
    if (config->worker_stop)
        config->worker_stop(config->ctx, w->user);
    return NULL;
}

static void worker_release(struct worker *w)
{
    http1_free(w->http1);
    if (w->listener.fd >= 0)
        close(w->listener.fd);
    loop_free(w->loop);
    free(w->by_fd);
}

static enum err worker_init(struct worker *w, struct note *note)
{
    w->loop = loop_new(note);
    if (!w->loop)
        return ERR_IO;
    w->listener.ready = accept_some;
    w->listener.ctx = w;
    w->http1 = http1_new(w, note);
    return w->http1 ? OK : ERR_IO;
}

/* ---- the server ---- */

static unsigned connections_allowed(unsigned workers)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > 1000000)
        files.rlim_cur = 1000000;
    rlim_t usable = files.rlim_cur > 2 * (rlim_t)FD_RESERVE ? files.rlim_cur - FD_RESERVE : files.rlim_cur / 2;
    return usable > workers ? (unsigned)(usable / workers) : 1;
}

static void set_defaults(struct server_config *config)
{
    config->workers = config->workers ? config->workers : 1;
    config->max_body = config->max_body ? config->max_body : (size_t)32 * 1024 * 1024;
    config->max_header = config->max_header ? config->max_header : (size_t)16 * 1024;
    config->idle_timeout_ms = config->idle_timeout_ms ? config->idle_timeout_ms : 60000;
    if (config->handshake_timeout_ms == 0)
        config->handshake_timeout_ms = config->idle_timeout_ms < 10000 ? config->idle_timeout_ms : 10000;
    config->hang_limit_ms = config->hang_limit_ms ? config->hang_limit_ms : 600000;
    config->max_connections = config->max_connections ? config->max_connections : connections_allowed(config->workers);
}

static struct server *server_new(const struct server_config *config)
{
    struct server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->config = *config;
    set_defaults(&s->config);
    s->host = strdup(config->host ? config->host : "127.0.0.1");
    s->port = config->port;
    s->workers = calloc(s->config.workers, sizeof *s->workers);
    s->threads = calloc(s->config.workers, sizeof *s->threads);
    for (size_t i = 0; s->workers && i < s->config.workers; i++) {
        s->workers[i].server = s;
        s->workers[i].listener.fd = -1;
    }
    if (s->host && s->workers && s->threads)
        return s;
    server_stop(s);
    return NULL;
}

static enum err start_workers(struct server *s, struct note *note)
{
    enum err e = listen_all(s, note);
    for (size_t i = 0; e == OK && i < s->config.workers; i++)
        e = worker_init(&s->workers[i], note);
    for (size_t i = 0; e == OK && i < s->config.workers; i++) {
        int failed = pthread_create(&s->threads[i], NULL, run_worker, &s->workers[i]);
        if (failed)
            e = note_set(note, ERR_IO, "cannot start a worker thread: %s", strerror(failed));
        else
            s->started++;
    }
    return e;
}

enum err server_start(const struct server_config *config, struct server **out, struct note *note)
{
    assert(config->handle);
    *out = NULL;
    struct server *s = server_new(config);
    if (!s)
        return note_set(note, ERR_NOMEM, "out of memory for a server");
    enum err e = start_workers(s, note);
    if (e != OK) {
        server_stop(s);
        return e;
    }
    *out = s;
    return OK;
}

uint16_t server_port(const struct server *server)
{
    return server->port;
}

void server_connections(const struct server *s, uint64_t *accepted, uint64_t *open)
{
    uint64_t gone = atomic_load(&s->connections_gone); /* first: there are never more of them */
    *accepted = atomic_load(&s->connection_number);
    *open = *accepted - gone;
}

void server_stop(struct server *server)
{
    if (!server)
        return;
    for (size_t i = 0; i < server->started; i++)
        loop_stop(server->workers[i].loop);
    for (size_t i = 0; i < server->started; i++)
        pthread_join(server->threads[i], NULL);
    for (size_t i = 0; server->workers && i < server->config.workers; i++)
        worker_release(&server->workers[i]);
    free(server->workers);
    free(server->threads);
    free(server->host);
    free(server);
}
