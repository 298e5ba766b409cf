/* mock-streams.c: the reader of bench/mock-streams.sh, which compiles it; it belongs to no program.
 *
 * Opens N streams to a mock, one connection each, spread over a ramp so that they do not march in step, and reads them
 * to the end. Each frame carries when the mock had the request and when it gave the frame to its socket
 * (protocol/probe.h, CLOCK_MONOTONIC of this same machine), so two things are told apart: how late the mock was against
 * its own schedule, received + ttft + i * itl, and how late the bytes were in this process's hands, which includes this
 * process. One line "open" is printed when all N have their head, then one line of results.
 *
 * The end of a stream is the end of its chunked coding (RFC 9112 section 7.1), which is walked for it: the bytes of the
 * last chunk may also stand at the end of any other, since a frame ends with a CRC. One stream of 10,000 with 64 frames
 * was "lost" that way, in one run of thirty. A stream that does come to grief is told of on standard error, in what
 * phase and after what.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STAMP      "mohs-stamp:"
#define STAMP_SIZE 90
#define READ_BLOCK (64 * 1024)
#define HELD       (STAMP_SIZE - 1)
#define MS         1000000u
#define PATIENCE   (60000 * (uint64_t)MS) /* past the end of the schedule */
#define TOLD       20                     /* streams; more are only counted */

enum phase { CONNECT, SEND, HEAD, SIZE, CHUNK, LAST, ENDED, BAD };
static const char *const phase_names[] = {
    "connecting", "sending its request", "in the head", "in the size of a chunk", "in a chunk", "in the last chunk",
    "at its end",
    "at something that is no chunk"};

struct stream {
    int fd;
    enum phase phase;
    uint32_t frames;
    uint32_t held_n;
    uint32_t matched; /* HEAD: bytes of the empty line */
    uint64_t left;    /* SIZE: what the digits say so far; CHUNK, LAST: bytes to its end */
    uint64_t bytes, opened_ns, last_ns;
    char held[HELD]; /* the end of what came, which a stamp may have begun in */
};

static struct stream *streams;
static size_t count, headed, ended, broken;
static int epoll;
static uint64_t ttft, itl, frames_each;
static uint64_t *sent_late, *read_late, frames;
static unsigned port;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t hex(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 4 | (uint64_t)(p[i] <= '9' ? p[i] - '0' : p[i] - 'a' + 10);
    return v;
}

static void say_open_when_all_are(void)
{
    headed++;
    if (headed == count) {
        puts("open");
        fflush(stdout);
    }
}

static void tell(const struct stream *s, const char *why)
{
    uint64_t now = now_ns();
    if (broken > TOLD)
        return;
    fprintf(stderr, "stream %zd, %s: %s; %u frames, %llu bytes, opened %.1f s ago, last heard %.1f s ago; the last "
                    "bytes:",
            s - streams, phase_names[s->phase], why, s->frames, (unsigned long long)s->bytes,
            (double)(now - s->opened_ns) / 1e9, s->last_ns ? (double)(now - s->last_ns) / 1e9 : -1.0);
    for (size_t i = s->held_n > 40 ? s->held_n - 40 : 0; i < s->held_n; i++)
        fprintf(stderr, " %02x", (unsigned char)s->held[i]);
    fputc('\n', stderr);
}

/* why: NULL when it came whole. */
static void finish(struct stream *s, const char *why)
{
    struct linger none = {1, 0}; /* ten thousand ports in TIME_WAIT would trouble whoever runs next */
    if (!why && s->frames != frames_each)
        why = "frames are missing";
    if (why) {
        broken++;
        tell(s, why);
    }
    if (s->phase <= HEAD)
        say_open_when_all_are();
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(s->fd);
    s->fd = -1;
    ended++;
}

static void open_stream(size_t k)
{
    static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"mohs-probe:%016zx\"}]}]}";
    char text[512], request[1024];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int n = snprintf(text, sizeof text, body, k + 1);
    n = snprintf(request, sizeof request,
                 "POST /model/amazon.nova-lite-v1%%3A0/converse-stream HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                 n, text);
    struct stream *s = &streams[k];
    s->opened_ns = now_ns();
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    bool connected = s->fd >= 0 && connect(s->fd, (struct sockaddr *)&at, sizeof at) == 0;
    s->phase = connected ? SEND : CONNECT;
    if (!connected || send(s->fd, request, (size_t)n, MSG_NOSIGNAL) != n) {
        finish(s, strerror(errno));
        return;
    }
    s->phase = HEAD;
    struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = s}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &e) != 0)
        finish(s, strerror(errno));
}

static void take_stamp(struct stream *s, const char *p, uint64_t now)
{
    /* id16 '.' kind seq8 '.' total8 '.' received16 '.' sent16 '.' */
    p += strlen(STAMP);
    uint64_t seq = hex(p + 18, 8), received = hex(p + 36, 16), sent = hex(p + 53, 16);
    uint64_t due = received + ttft + seq * itl;
    s->frames++;
    sent_late[frames] = sent > due ? sent - due : 0;
    read_late[frames++] = now > due ? now - due : 0;
}

static void walk_head(struct stream *s, char c)
{
    static const char empty_line[] = "\r\n\r\n";
    s->matched = c == empty_line[s->matched] ? s->matched + 1 : c == '\r';
    if (s->matched == sizeof empty_line - 1) {
        s->phase = SIZE;
        say_open_when_all_are();
    }
}

static void walk_size(struct stream *s, char c)
{
    if (c == '\n') {
        s->phase = s->left > 0 ? CHUNK : LAST;
        s->left += 2;
    } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
        s->left = s->left << 4 | hex(&c, 1);
    } else if (c != '\r') {
        s->phase = BAD;
    }
}

/* Through the head and the chunked coding; what lies behind the last chunk, or behind an error, is nothing. */
static void walk(struct stream *s, const char *p, size_t n)
{
    while (n > 0 && s->phase < ENDED) {
        size_t take = 1;
        if (s->phase == HEAD) {
            walk_head(s, *p);
        } else if (s->phase == SIZE) {
            walk_size(s, *p);
        } else {
            take = n < s->left ? n : (size_t)s->left;
            s->left -= take;
            if (s->left == 0)
                s->phase = s->phase == CHUNK ? SIZE : ENDED;
        }
        p += take;
        n -= take;
    }
}

static void read_stream(struct stream *s)
{
    static char block[HELD + READ_BLOCK];
    memcpy(block, s->held, s->held_n);
    ssize_t got = recv(s->fd, block + s->held_n, READ_BLOCK, MSG_DONTWAIT);
    uint64_t now = now_ns();
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            finish(s, got == 0 ? "the mock has closed" : strerror(errno));
        return;
    }
    s->bytes += (uint64_t)got;
    s->last_ns = now;
    walk(s, block + s->held_n, (size_t)got);
    char *p = block, *end = block + s->held_n + got, *found;
    while ((found = memmem(p, (size_t)(end - p), STAMP, strlen(STAMP))) && end - found >= STAMP_SIZE) {
        take_stamp(s, found, now);
        p = found + STAMP_SIZE;
    }
    size_t left = (size_t)(end - p);
    s->held_n = (uint32_t)(left < HELD ? left : HELD);
    memcpy(s->held, end - s->held_n, s->held_n);
    if (s->phase >= ENDED)
        finish(s, s->phase == ENDED ? NULL : "not as it should be");
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void print(const char *name, uint64_t *v)
{
    qsort(v, frames, sizeof *v, by_value);
    printf(" %s_p50_us %.0f %s_p99_us %.0f %s_max_us %.0f", name, (double)v[frames / 2] / 1e3, name,
           (double)v[frames - 1 - frames / 100] / 1e3, name, (double)v[frames - 1] / 1e3);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fputs("usage: mock-streams PORT STREAMS FRAMES TTFT_MS ITL_MS RAMP_MS\n", stderr);
        return 2;
    }
    port = (unsigned)atoi(argv[1]);
    count = strtoul(argv[2], NULL, 10);
    frames_each = strtoul(argv[3], NULL, 10);
    ttft = strtoul(argv[4], NULL, 10) * MS;
    itl = strtoul(argv[5], NULL, 10) * MS;
    uint64_t ramp = strtoul(argv[6], NULL, 10) * MS;
    streams = calloc(count, sizeof *streams);
    sent_late = calloc(count * frames_each + 1, sizeof *sent_late);
    read_late = calloc(count * frames_each + 1, sizeof *read_late);
    epoll = epoll_create1(0);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    uint64_t start = now_ns();
    uint64_t limit = start + ramp + ttft + itl * frames_each + PATIENCE;
    for (size_t opened = 0; ended < count && now_ns() < limit;) {
        while (opened < count && now_ns() >= start + ramp * opened / count)
            open_stream(opened++);
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, opened < count ? 1 : 1000);
        for (int i = 0; i < n; i++)
            read_stream(events[i].data.ptr);
    }
    for (size_t i = 0; i < count; i++)
        if (streams[i].opened_ns > 0 && streams[i].fd >= 0)
            finish(&streams[i], "nothing more comes");
    printf("streams %zu frames %llu broken %zu", count, (unsigned long long)frames, broken);
    if (frames > 0) {
        print("sent", sent_late);
        print("read", read_late);
    }
    putchar('\n');
    return broken > 0;
}
