/* mock-streams.c: the reader of bench/mock-streams.sh, which compiles it; it belongs to no program.
 *
 * Opens N streams to a mock, one connection each, spread over a ramp so that they do not march in step, and reads them to
 * the end. Each frame carries when the mock had the request and when it gave the frame to its socket (protocol/probe.h,
 * CLOCK_MONOTONIC of this same machine), so two things are told apart: how late the mock was against its own schedule,
 * received + ttft + i * itl, and how late the bytes were in this process's hands, which includes this process.
 * One line "open" is printed when all N have their head, then one line of results.
 */
#include <arpa/inet.h>
#include <errno.h>
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

struct stream {
    int fd;
    uint32_t frames;
    uint32_t held_n;
    int headed;
    char held[HELD]; /* the end of what came, which a stamp may have begun in */
};

static struct stream *streams;
static size_t count, headed, ended, broken;
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

static void open_stream(int epoll, size_t k)
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
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        send(s->fd, request, (size_t)n, MSG_NOSIGNAL) != n) {
        fprintf(stderr, "stream %zu: %s\n", k, strerror(errno));
        exit(2);
    }
    struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = s}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &e);
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

static void finish(struct stream *s, int whole)
{
    struct linger none = {1, 0}; /* ten thousand ports in TIME_WAIT would trouble whoever runs next */
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(s->fd);
    s->fd = -1;
    ended++;
    broken += !whole || s->frames != frames_each;
}

static void read_stream(struct stream *s)
{
    static char block[HELD + READ_BLOCK];
    memcpy(block, s->held, s->held_n);
    ssize_t got = recv(s->fd, block + s->held_n, READ_BLOCK, MSG_DONTWAIT);
    uint64_t now = now_ns();
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            finish(s, 0);
        return;
    }
    if (!s->headed) {
        s->headed = 1;
        headed++;
        if (headed == count) {
            puts("open");
            fflush(stdout);
        }
    }
    char *p = block, *end = block + s->held_n + got, *found;
    while ((found = memmem(p, (size_t)(end - p), STAMP, strlen(STAMP))) && end - found >= STAMP_SIZE) {
        take_stamp(s, found, now);
        p = found + STAMP_SIZE;
    }
    size_t left = (size_t)(end - p);
    s->held_n = (uint32_t)(left < HELD ? left : HELD);
    memcpy(s->held, end - s->held_n, s->held_n);
    if (s->held_n >= 5 && memcmp(s->held + s->held_n - 5, "0\r\n\r\n", 5) == 0)
        finish(s, 1);
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
    int epoll = epoll_create1(0);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    uint64_t start = now_ns();
    for (size_t opened = 0; ended < count;) {
        while (opened < count && now_ns() >= start + ramp * opened / count)
            open_stream(epoll, opened++);
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, opened < count ? 1 : 1000);
        for (int i = 0; i < n; i++)
            read_stream(events[i].data.ptr);
    }
    printf("streams %zu frames %llu broken %zu", count, (unsigned long long)frames, broken);
    if (frames > 0) {
        print("sent", sent_late);
        print("read", read_late);
    }
    putchar('\n');
    return broken > 0;
}
