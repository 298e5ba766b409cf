/* bench_server.h: a small server with known delays and known defects, to see whether the load engine reads them back.
 *
 * It answers on a free loopback port, one thread per connection, and stamps its answers as a mock does. `act` says how;
 * every `every`-th request (by the server's own count, from 1) suffers `fault`. It shares no code with the engine but
 * the stamps and the frame encoder.
 */
#ifndef MOHS_TESTS_BENCH_SERVER_H
#define MOHS_TESTS_BENCH_SERVER_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "protocol/eventstream.h"
#include "protocol/probe.h"

enum form { UNARY, SSE, EVENTSTREAM };

enum fault {
    NONE,
    DROP,
    DOUBLE,
    SWAP,
    ALTER,
    LEAK,
    CUT,
    RESET,
    STATUS,
    ERROR_EVENT,
    SILENCE,
    CLOSE_BEFORE,
    NOT_STREAM,
    GARBAGE,
    BAD_CRC,
    NO_END,
    HALF_FRAME,
    WRONG_ID
};

struct act {
    enum form form;
    int frames;
    int first_us, gap_us; /* before the first frame (or the answer), between frames */
    int group;            /* frames per write; 0: 1 */
    int split;            /* bytes per chunk; 0: as the write is */
    enum probe_kind kind;
    bool close; /* after each answer */
    bool unstamped;
    enum fault fault;
    int every;
};

struct server {
    struct act act;
    int listener, port;
    pthread_t thread;
    pthread_t peers[256];
    int peer_count;
    atomic_int requests;
    char url[64];
};

struct peer {
    struct server *server;
    int fd;
};

static void pause_us(int us)
{
    struct timespec t = {us / 1000000, (us % 1000000) * 1000L};
    while (us > 0 && nanosleep(&t, &t) != 0 && errno == EINTR)
        continue;
}

static bool put(int fd, struct span bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes = span_from(bytes, (size_t)n);
    }
    return true;
}

static bool put_chunked(int fd, struct span bytes, size_t split)
{
    while (bytes.n > 0) {
        CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
        struct span piece = span_cut(bytes, 0, split > 0 ? split : bytes.n);
        bytes = span_from(bytes, piece.n);
        buf_addf(&b, "%zx\r\n", piece.n);
        buf_add(&b, piece);
        buf_adds(&b, "\r\n");
        if (!put(fd, buf_span(&b)))
            return false;
    }
    return true;
}

/* Reads one request; false when the peer is gone. *id is that of its tag. */
static bool take_request(int fd, uint64_t *id)
{
    char text[8192];
    size_t n = 0, need = SIZE_MAX;
    while (n < need) {
        ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        text[n] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (end != NULL)
            need = (size_t)(end - text) + 4 + (length != NULL ? strtoul(length + 16, NULL, 10) : 0);
    }
    *id = 0;
    (void)probe_tag_find((struct span){(unsigned char *)text, n}, id);
    return true;
}

static void stamp_text(const struct act *a, uint64_t id, uint32_t seq, uint32_t total, uint64_t received, bool alter,
                       char out[PROBE_STAMP_SIZE + 1])
{
    struct probe_stamp s = {id, a->kind, seq, total, received, now_ns()};
    probe_stamp_write(&s, out);
    out[PROBE_STAMP_SIZE] = '\0';
    if (alter)
        out[20] = out[20] == '7' ? '8' : '7';
    if (a->unstamped)
        memset(out, 'x', PROBE_STAMP_SIZE);
}

static void add_frame(const struct act *a, const char *text, bool bad_crc, struct buf *out)
{
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    if (a->form == SSE) {
        buf_addf(out, "data: {\"choices\":[{\"delta\":{\"content\": \"%s\"}}]}\n\n", text);
        return;
    }
    size_t before = out->len;
    buf_addf(&json, "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"%s\"}}", text);
    if (es_encode_event(out, "contentBlockDelta", buf_span(&json)) != ES_OK)
        abort();
    if (bad_crc)
        out->data[before + 80] ^= 1;
}

static void add_end(const struct act *a, struct buf *out)
{
    if (a->form == SSE)
        buf_adds(out, "data: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n");
    else if (es_encode_event(out, "messageStop", SPAN_LIT("{\"stopReason\":\"end_turn\"}")) != ES_OK)
        abort();
}

static void add_error(const struct act *a, struct buf *out)
{
    if (a->form == SSE)
        buf_adds(out, "data: {\"error\":{\"message\":\"no\"}}\n\n");
    else if (es_encode_exception(out, "throttlingException", SPAN_LIT("{\"message\":\"slow down\"}")) != ES_OK)
        abort();
}

static void reset(int fd)
{
    struct linger hard = {1, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

/* The order in which a fault sends the frames; -1 for a frame of somebody else. Returns how many. */
static int order_frames(const struct act *a, enum fault fault, int order[256])
{
    int n = 0;
    for (int i = 0; i < a->frames; i++) {
        int seq = fault == SWAP && i == 3 ? 4 : fault == SWAP && i == 4 ? 3 : i;
        if (fault == DROP && i == 3)
            continue;
        order[n++] = seq;
        if (fault == DOUBLE && i == 3)
            order[n++] = seq;
        if (fault == LEAK && i == 3)
            order[n++] = -1;
    }
    return n;
}

/* False: the connection is to be closed. */
static bool answer_stream(const struct act *a, enum fault fault, int fd, uint64_t id, uint64_t received)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    char text[PROBE_STAMP_SIZE + 1];
    int order[256], n = order_frames(a, fault, order), group = a->group > 0 ? a->group : 1;
    buf_addf(&b, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
             a->form == SSE ? "text/event-stream" : "application/vnd.amazon.eventstream");
    if (!put(fd, buf_span(&b)))
        return false;
    buf_reset(&b);
    for (int i = 0; i < n; i++) {
        pause_us(i == 0 ? a->first_us : a->gap_us);
        if ((fault == CUT || fault == RESET) && i == 5)
            return fault == RESET ? reset(fd), false : false;
        if (fault == ERROR_EVENT && i == 5) {
            add_error(a, &b);
            break;
        }
        stamp_text(a, order[i] < 0 ? id ^ 1 : id, (uint32_t)(order[i] < 0 ? 0 : order[i]), (uint32_t)a->frames,
                   received, fault == ALTER && i == 3, text);
        add_frame(a, text, fault == BAD_CRC && i == 3, &b);
        if ((i + 1) % group == 0) {
            if (!put_chunked(fd, buf_span(&b), (size_t)a->split))
                return false;
            buf_reset(&b);
        }
    }
    if (fault != NO_END && fault != ERROR_EVENT)
        add_end(a, &b);
    b.len -= fault == HALF_FRAME ? 10 : 0; /* the body itself ends as it should */
    return put_chunked(fd, buf_span(&b), (size_t)a->split) && put(fd, SPAN_LIT("0\r\n\r\n"));
}

static bool answer_unary(const struct act *a, enum fault fault, int fd, uint64_t id, uint64_t received)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    char text[PROBE_STAMP_SIZE + 1];
    struct act unary = *a;
    unary.kind = PROBE_UNARY;
    pause_us(a->first_us);
    if (fault == CLOSE_BEFORE)
        return false;
    stamp_text(&unary, fault == WRONG_ID ? id ^ 1 : id, 0, 1, received, fault == ALTER, text);
    if (fault == GARBAGE)
        buf_adds(&b, "220 smtp.example.com ESMTP\r\n\r\n");
    else if (fault == STATUS)
        buf_addf(&b,
                 "HTTP/1.1 429 Slow\r\nContent-Length: 44\r\n\r\n{\"e\":\"no\",\"a\":\"Bearer abcdefghijklmnopqrst\"}");
    else
        buf_addf(&b, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n{\"t\":\"%s\"}",
                 PROBE_STAMP_SIZE + 8, a->close ? "Connection: close\r\n" : "", text);
    if (fault == CUT)
        b.len -= 10;
    return put(fd, buf_span(&b)) && !a->close && fault != CUT;
}

static void *serve_peer(void *arg)
{
    struct peer p = *(struct peer *)arg;
    uint64_t id;
    int one = 1;
    free(arg);
    (void)setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (take_request(p.fd, &id)) {
        const struct act *a = &p.server->act;
        int number = atomic_fetch_add(&p.server->requests, 1) + 1;
        enum fault fault = a->every > 0 && number % a->every == 0 ? a->fault : NONE;
        uint64_t received = now_ns();
        if (fault == SILENCE) {
            char c;
            (void)recv(p.fd, &c, 1, 0);
            break;
        }
        bool streams =
            a->form != UNARY && fault != NOT_STREAM && fault != STATUS && fault != GARBAGE && fault != CLOSE_BEFORE;
        if (!(streams ? answer_stream : answer_unary)(a, fault, p.fd, id, received))
            break;
    }
    (void)close(p.fd);
    return NULL;
}

static void *serve(void *arg)
{
    struct server *s = arg;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0 || s->peer_count == (int)COUNT_OF(s->peers))
            break;
        struct peer *p = malloc(sizeof *p);
        if (p == NULL)
            abort();
        *p = (struct peer){s, fd};
        if (pthread_create(&s->peers[s->peer_count], NULL, serve_peer, p) != 0)
            abort();
        s->peer_count++;
    }
    return NULL;
}

static void server_start(struct server *s, struct act act)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    memset(s, 0, sizeof *s);
    s->act = act;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, n) != 0 || listen(s->listener, 128) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&a, &n) != 0)
        abort();
    s->port = ntohs(a.sin_port);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", s->port);
    if (pthread_create(&s->thread, NULL, serve, s) != 0)
        abort();
}

/* All clients must be gone, so that every peer's thread ends. */
static void server_stop(struct server *s)
{
    (void)shutdown(s->listener, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->listener);
    for (int i = 0; i < s->peer_count; i++)
        (void)pthread_join(s->peers[i], NULL);
}

#endif
