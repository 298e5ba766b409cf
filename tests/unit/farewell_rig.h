/* farewell_rig.h: what the tests of the ends of connections say to the server of server_rig.h, and how they judge it.
 *
 * For TLS (tls_farewell.c) and cleartext (farewell.c): the same requests over HTTP/1.1 or HTTP/2, in bytes of our own,
 * the same talk that nobody will read, and the same wish for peace behind it: no connection stays, no worker spins.
 */
#ifndef MOHS_TESTS_FAREWELL_RIG_H
#define MOHS_TESTS_FAREWELL_RIG_H

#include "server_rig.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

#define SMALL_BUFFER 16384
#define BODY         ((size_t)1000000) /* less than a stream's window */
#define H2_FRAME     16384
#define LOOK_MS      300 /* of silence, for the CPU time of it ... */
#define LOOK_CPU_MS  40  /* ... which is next to none. A worker that spins among eight other processes takes more */

static const char *const http_names[] = {"HTTP/1.1", "HTTP/2"};

/* ---- what peers say ---- */

static struct buf body; /* of BODY bytes */

static void make_body(void)
{
    for (size_t i = 0; i < BODY; i++)
        buf_addc(&body, (char)('a' + i % 26));
}

static void put_frame(struct buf *out, unsigned type, unsigned flags, unsigned stream, struct span payload)
{
    const unsigned char head[9] = {(unsigned char)(payload.n >> 16),
                                   (unsigned char)(payload.n >> 8),
                                   (unsigned char)payload.n,
                                   (unsigned char)type,
                                   (unsigned char)flags,
                                   0,
                                   0,
                                   0,
                                   (unsigned char)stream};
    buf_add(out, (struct span){head, sizeof head});
    buf_add(out, payload);
}

/* A request on stream 1 with wide windows, and the GOAWAY that makes it the last (RFC 9113 sections 3.4, 6 and 8.3.1). */
static void put_http2(struct buf *out, const char *path, size_t size, bool last)
{
    CLEANUP(buf_release) struct buf fields = BUF_INIT(256);
    buf_adds(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    put_frame(out, 4, 0, 0, SPAN_LIT("\0\4\x7f\xff\xff\xff"));
    put_frame(out, 8, 0, 0, SPAN_LIT("\x7f\0\0\0"));
    buf_addc(&fields, size ? '\x83' : '\x82'); /* RFC 7541 appendix A: POST or GET, https, :authority, :path */
    buf_adds(&fields, "\x87\x01\x01h\x04");
    buf_addc(&fields, (char)strlen(path));
    buf_adds(&fields, path);
    put_frame(out, 1, size ? 4 : 5, 1, buf_span(&fields));
    for (size_t at = 0; at < size; at += H2_FRAME) {
        size_t n = size - at < H2_FRAME ? size - at : H2_FRAME;
        put_frame(out, 0, at + n == size, 1, span_cut(buf_span(&body), at, n));
    }
    if (last)
        put_frame(out, 7, 0, 0, SPAN_LIT("\0\0\0\0\0\0\0\0"));
}

static void put_http1(struct buf *out, const char *path, size_t size, bool last)
{
    buf_addf(out, "%s %s HTTP/1.1\r\nHost: h\r\n", size ? "POST" : "GET", path);
    if (last)
        buf_adds(out, "Connection: close\r\n");
    if (size)
        buf_addf(out, "Content-Length: %zu\r\n", size);
    buf_adds(out, "\r\n");
    buf_add(out, span_cut(buf_span(&body), 0, size));
}

static void put_request(struct buf *out, int http, const char *path, size_t size, bool last)
{
    (http == 1 ? put_http2 : put_http1)(out, path, size, last);
}

/* Bytes that nobody will read: more requests, or frames of an unknown type. */
static void put_chatter(struct buf *out, int http, size_t n)
{
    while (out->len < n && http == 0)
        buf_adds(out, "GET /joined HTTP/1.1\r\nHost: h\r\n\r\n");
    while (out->len < n)
        put_frame(out, 0xfa, 0, 0, SPAN_LIT("unknown, and to be ignored"));
}

/* A peer whose socket holds little, when it is small. */
static int dial_small(bool small)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(server_port(rig.server))};
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0), few = SMALL_BUFFER, segment = 1400;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (small) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    }
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* ---- what became of it ---- */

/* The payloads of stream 1. */
static void take_data(const struct buf *in, struct buf *out)
{
    struct span rest = buf_span(in);
    while (rest.n >= 9) {
        size_t n = (size_t)rest.p[0] << 16 | (size_t)rest.p[1] << 8 | rest.p[2];
        if (rest.p[3] == 0)
            buf_add(out, span_cut(rest, 9, n));
        rest = span_from(rest, 9 + n);
    }
}

/* The echo ends with the body. */
static bool is_whole(int http, const struct buf *in, size_t size)
{
    CLEANUP(buf_release) struct buf data = BUF_INIT(BUF_ANY);
    if (http == 1)
        take_data(in, &data);
    struct span all = buf_span(http == 1 ? &data : in);
    return all.n >= size && memcmp(all.p + all.n - size, body.data, size) == 0;
}

static uint64_t cpu_ns(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000U +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000U;
}

/* The worker has let go of every connection, and sleeps. */
static void expect_silence(const char *after)
{
    uint64_t accepted = 0, open = 1;
    for (uint64_t until = now_ns() + PATIENCE_MS * MS; open > 0 && now_ns() < until; usleep(1000))
        server_connections(rig.server, &accepted, &open);
    CLAIM(open == 0, "%s: %llu connections stay", after, (unsigned long long)open);
    uint64_t before = cpu_ns();
    usleep(LOOK_MS * 1000);
    uint64_t used = (cpu_ns() - before) / MS;
    CLAIM(used < LOOK_CPU_MS, "%s: %llu ms of CPU time in %d ms of silence", after, (unsigned long long)used, LOOK_MS);
}

#endif
