/* The server over real loopback sockets: what a peer reads, byte for byte, and what the journal is told.
 *
 * The server and its scripts are those of server_rig.h.
 */
#include "server_rig.h"

#include "net/exchange.h"

#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

#define TRIES 20 /* of a busy machine, where frames are late, and so may come joined; none may come early */

/* ---- a peer ---- */

static void say(int fd, const char *what)
{
    size_t n = strlen(what);
    CU_ASSERT_EQUAL(send(fd, what, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void ask(int fd, const char *path)
{
    char request[256];
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
    say(fd, request);
}

/* Read until `end` is the end of what came, the peer closes, or 5 s; the errno of the last read, 0 for an orderly end.
 */
static int hear(int fd, struct buf *in, const char *end)
{
    size_t n = end ? strlen(end) : 0;
    for (;;) {
        if (end && in->len >= n && memcmp(in->data + in->len - n, end, n) == 0)
            return 0;
        char part[65536];
        ssize_t got = recv(fd, part, sizeof part, 0);
        if (got <= 0)
            return got == 0 ? 0 : errno;
        buf_add(in, (struct span){(unsigned char *)part, (size_t)got});
    }
}

static const char *body_of(const struct buf *in)
{
    const char *body = strstr(buf_text(in), "\r\n\r\n");
    return body ? body + 4 : "(no head)";
}

/* One request on its own connection, read to the given end; the connection is closed. */
static int once(const char *path, struct buf *in, const char *end)
{
    int fd = dial();
    ask(fd, path);
    int why = hear(fd, in, end);
    close(fd);
    return why;
}

/* ---- requests ---- */

static void the_request_arrives_undecoded_and_in_order(void)
{
    rig_start();
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    int fd = dial();
    say(fd, "POST /echo/a%2Fb/../c%20+?x=%41&y+z&= HTTP/1.1\r\nHost: h\r\nX-b: 1\r\nx-A:  two words \r\nX-B: 3\r\n"
            "Content-Length: 4\r\nx-empty:\r\n\r\nbo");
    usleep(5000);
    say(fd, "dy");
    (void)hear(fd, &in, "|body");
    const char *want =
        "POST|/echo/a%2Fb/../c%20+|x=%41&y+z&=|1|Host=h;X-b=1;x-A=two words;X-B=3;Content-Length=4;x-empty=;|body";
    CLAIM(strcmp(body_of(&in), want) == 0, "got %s", body_of(&in));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "\r\nDate: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "\r\nContent-Type: text/plain\r\n"));
    CU_ASSERT_PTR_NULL(strstr(buf_text(&in), "Connection:"));
    buf_reset(&in);
    ask(fd, "/echo2");
    (void)hear(fd, &in, "|");
    CLAIM(strncmp(body_of(&in), "GET|/echo2||2|", 14) == 0, "second on the connection: %s", body_of(&in));
    close(fd);
    rig_stop();
}

static void pipelined_requests_are_answered_in_order(void)
{
    rig_start();
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    int fd = dial();
    say(fd, "GET /paced HTTP/1.1\r\nHost: h\r\n\r\nGET /joined HTTP/1.1\r\nHost: h\r\n\r\nGET /echo-end "
            "HTTP/1.1\r\nHost: h\r\n\r\n");
    (void)hear(fd, &in, "Host=h;|");
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "/echo-end||3|"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "\r\n1e\r\n012345678901234567890123456789\r\n0\r\n\r\nHTTP/1.1 200"));
    close(fd);
    rig_stop();
}

static void http_1_0_and_head_get_no_chunks(void)
{
    rig_start();
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    int fd = dial();
    say(fd, "GET /paced HTTP/1.0\r\n\r\n");
    CU_ASSERT_EQUAL(hear(fd, &in, NULL), 0);
    CLAIM(strcmp(body_of(&in), "0123456789012345678901234567890123456789") == 0, "got %s", body_of(&in));
    close(fd);
    buf_reset(&in);
    fd = dial();
    say(fd, "HEAD /paced HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    (void)hear(fd, &in, "Host=h;|");
    CLAIM(strncmp(body_of(&in), "HTTP/1.1 200", 12) == 0, "HEAD has a body: %s", body_of(&in));
    close(fd);
    buf_reset(&in);
    fd = dial();
    say(fd, "GET /paced HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    CU_ASSERT_EQUAL(hear(fd, &in, NULL), 0);
    CLAIM(strstr(body_of(&in), "\r\n0123456789") != NULL && strstr(body_of(&in), "\r\n0\r\n\r\n") != NULL, "got %s", /* chunks */
          body_of(&in));
    close(fd);
    rig_stop();
}

static void bad_requests_are_refused_and_nothing_hangs(void)
{
    static const struct {
        const char *name, *start;
        size_t fill;
        const char *want;
    } rows[] = {
        {"no HTTP at all", "\x15\x03\x01\x02\x01garbage\r\n\r\n", 0, NULL},
        {"a TLS handshake", "\x16\x03\x01\x02\x01", 0, " 400 "},
        {"a head too large", "GET /echo HTTP/1.1\r\nHost: h\r\nX: ", 100000, " 431 "},
        {"a target too large", "GET /echo", 100000, " 414 "},
        {"a body too large", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n", 100001, " 413 "},
        {"a body of more than is read on for, but not beyond the limit",
         "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 67158864\r\n\r\n", 67158864, " 413 "},
        {"a body far too large", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n", 0, " 413 "},
        {"a body too large, asked first",
         "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n", 0, " 413 "},
        {"chunks too large", "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n", 100001,
         " 413 "},
        {"a length that is no number", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 0, " 400 "},
    };
    rig_start_with((struct server_config){.max_body = 100000}); /* 64 MB may take a while: the idle time is that of a request */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(free_ptr) char *fill = malloc(rows[i].fill + 32);
        int fd = dial();
        say(fd, rows[i].start);
        memset(fill, 'a', rows[i].fill);
        memcpy(fill + rows[i].fill, "\r\n0\r\n\r\n", 8);
        (void)send(fd, fill, rows[i].fill + 7, MSG_NOSIGNAL);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        CLAIM(poll(&p, 1, PATIENCE_MS) == 1, "%s: silence", rows[i].name);
        char head[512] = "";
        (void)recv(fd, head, sizeof head - 1, 0);
        CLAIM(!rows[i].want || strstr(head, rows[i].want), "%s: %s", rows[i].name, head);
        close(fd);
    }
    CU_ASSERT_EQUAL(locked(&rig.handled), 0);
    pthread_mutex_lock(&rig.lock); /* of the last row */
    CU_ASSERT_STRING_EQUAL(rig.log,
                           "a peer sent what is no request and was told: The value of Content-Length is no number.");
    pthread_mutex_unlock(&rig.lock);
    rig_stop();
}

/* What nobody can read as HTTP/1.1, and what is said to it. */
static const struct {
    const char *name, *text;
    int status;
    bool silent; /* libmicrohttpd closes without a word; and only on a connection's first bytes do we speak for it */
} refusals[] = {
    {"no request line", "garbage\r\n\r\n", 400, true},
    {"no version", "GET /echo\r\n\r\n", 400, false},
    {"no target", "GET HTTP/1.1\r\n\r\n", 400, false},
    {"another protocol", "GET /echo HTP/1.1\r\nHost: h\r\n\r\n", 400, false},
    {"an old version", "GET /echo HTTP/0.9\r\nHost: h\r\n\r\n", 505, false},
    {"a version to come", "GET /echo HTTP/3.1\r\nHost: h\r\n\r\n", 505, false},
    {"a line without a colon", "GET /echo HTTP/1.1\r\nHost: h\r\nFoo\r\n\r\n", 400, false},
    {"a first line without a colon", "GET /echo HTTP/1.1\r\nFoo\r\nHost: h\r\n\r\n", 400, false},
    {"a length of letters", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: abc\r\n\r\nabc", 400, false},
    {"a length below zero", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400, false},
    {"a length with a sign", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc", 400, false},
    {"a length and a blank", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3 \r\n\r\nabc", 400, false},
    {"two lengths in one", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc", 400, false},
    {"no length in its field", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\nabc", 400, false},
    {"a length beyond 64 bits", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n", 413, false},
    {"a length too large", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n", 413, false},
    {"a chunk of no size", "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", 400, false},
    {"a chunk too long", "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n", 400, false},
};

static size_t heads_in(const char *text)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, "HTTP/1.1 ")) != NULL; p++)
        n++;
    return n;
}

/* One answer, whole, of that status and nothing behind it; `ours`: as JSON. */
static void claim_one_answer(const char *name, const char *way, const char *got, int status, bool ours)
{
    char want[32];
    const char *body = strstr(got, "\r\n\r\n"), *length = strstr(got, "Content-Length: ");
    (void)snprintf(want, sizeof want, "HTTP/1.1 %d ", status);
    CLAIM(heads_in(got) == 1 && strncmp(got, want, strlen(want)) == 0, "%s, %s: %s", name, way, got);
    CLAIM(body && length && strtoul(length + 16, NULL, 10) == strlen(body + 4), "%s, %s: length: %s", name, way, got);
    CLAIM(!ours || (body && strncmp(body + 4, "{\"message\":\"", 12) == 0), "%s, %s: no JSON: %s", name, way, got);
}

enum way { AT_ONCE, IN_PARTS, BEHIND_ANOTHER, WAYS };

/* What is heard of a request that is refused; the answer to one before it is cut off. */
static void refused_in_a_way(const char *request, enum way way, struct buf *in)
{
    int fd = dial();
    if (way == IN_PARTS) {
        char first[] = {request[0], '\0'};
        say(fd, first);
        usleep(3000);
        request++;
    } else if (way == BEHIND_ANOTHER) {
        ask(fd, "/echo");
        (void)hear(fd, in, "Host=h;|");
        buf_reset(in);
    }
    say(fd, request);
    CU_ASSERT_EQUAL(hear(fd, in, NULL), 0);
    close(fd);
}

static void each_refusal_is_one_answer(void)
{
    static const char *const ways[] = {"at once", "in parts", "behind another request"};
    for (int others = 0; others < 2; others++) {
        rig_start();
        int idle = dial(), begun = dial();
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        if (others == 1) {
            ask(idle, "/echo");
            (void)hear(idle, &in, "Host=h;|");
            say(begun, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na");
            usleep(3000);
        }
        for (size_t i = 0; i < COUNT_OF(refusals); i++)
            for (enum way way = AT_ONCE; way < WAYS; way++) {
                buf_reset(&in);
                refused_in_a_way(refusals[i].text, way, &in);
                if (refusals[i].silent && way != AT_ONCE)
                    CLAIM(in.len == 0, "%s, %s: %s", refusals[i].name, ways[way], buf_text(&in));
                else
                    claim_one_answer(refusals[i].name, ways[way], buf_text(&in), refusals[i].status,
                                     others == 0 || strstr(refusals[i].text, "Content-Length"));
            }
        if (others == 1) { /* they have taken no harm */
            buf_reset(&in);
            say(begun, "\r\n0\r\n\r\n");
            (void)hear(begun, &in, "|a");
            CLAIM(strncmp(buf_text(&in), "HTTP/1.1 200 ", 13) == 0, "the other request: %s", buf_text(&in));
            buf_reset(&in);
            ask(idle, "/echo");
            (void)hear(idle, &in, "Host=h;|");
            CLAIM(strncmp(buf_text(&in), "HTTP/1.1 200 ", 13) == 0, "the idle connection: %s", buf_text(&in));
        }
        close(idle);
        close(begun);
        rig_stop();
    }
}

/* Of a beginning nothing is said, or what is said of the whole; no byte behind it is looked at. */
static void a_head_is_judged_alike_wherever_it_is_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        size_t all = strlen(refusals[i].text);
        for (size_t n = 1; n <= all; n++) {
            CLEANUP(free_ptr) unsigned char *bytes = malloc(n);
            struct http_request seen = {.method = SPAN_EMPTY};
            const char *why = NULL;
            memcpy(bytes, refusals[i].text, n);
            int status = head_refusal((struct span){bytes, n}, &seen, &why);
            CLAIM(status == 0 || (status == refusals[i].status && why), "%s, %zu bytes: %d", refusals[i].name, n, status);
            CLAIM(seen.method.n + seen.target.n <= n, "%s, %zu bytes: more than there is", refusals[i].name, n);
        }
    }
}

static void what_looks_odd_and_is_not_refused_gets_through(void)
{
    static const char *const rows[] = {
        "\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /echo HTTP/1.1\nHost: h\n\n",
        "GET /echo HTTP/1.1\r\nHost: h\r\n: b\r\nContent-Length: -1\r\n\r\n",
        "GET /echo HTTP/1.2\r\nHost: h\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: h\r\nX: a\r\n  b\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length:\t 0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 00\r\nContent-Length: x\r\n\r\n",
    };
    rig_start();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        int fd = dial();
        say(fd, rows[i]);
        (void)hear(fd, &in, ";|");
        CLAIM(strncmp(buf_text(&in), "HTTP/1.1 200 ", 13) == 0, "row %zu: %s", i, buf_text(&in));
        close(fd);
    }
    rig_stop();
}

static void slow_and_silent_senders_are_closed(void)
{
    rig_start_with((struct server_config){.idle_timeout_ms = 1000});
    static const char *const beginnings[] = {"", "P", "PRI *", "GET /ec",
                                             "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"};
    int fds[COUNT_OF(beginnings)];
    for (size_t i = 0; i < COUNT_OF(beginnings); i++) {
        fds[i] = dial();
        say(fds[i], beginnings[i]);
    }
    for (int k = 0; k < 8; k++) { /* the last one is never silent for long, and is closed all the same */
        usleep(150000);
        (void)send(fds[4], "x", 1, MSG_NOSIGNAL);
    }
    for (size_t i = 0; i < COUNT_OF(beginnings); i++) {
        char byte[256];
        struct pollfd p = {.fd = fds[i], .events = POLLIN};
        CLAIM(poll(&p, 1, PATIENCE_MS) == 1 && recv(fds[i], byte, sizeof byte, 0) <= 0, "'%s' was not closed", beginnings[i]);
        close(fds[i]);
    }
    CU_ASSERT_EQUAL(locked(&rig.handled), 0);
    rig_stop();
}

/* ---- bodies ---- */

static void pieces_due_together_are_one_chunk_unless_alone(void)
{
    static const struct {
        const char *path, *body;
    } rows[] = {
        {"/joined", "1e\r\n012345678901234567890123456789\r\n0\r\n\r\n"},
        {"/stamped", "1e\r\nA123456789B123456789C123456789\r\n0\r\n\r\n"},
        {"/alone", "4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n0\r\n\r\n"},
        {"/paced", "a\r\n0123456789\r\na\r\n0123456789\r\na\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"},
        {"/written", "9\r\nearlybird\r\n0\r\n\r\n"},
    };
    size_t asked = 0;
    rig_start();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        struct delivery d;
        int tries = strcmp(rows[i].path, "/paced") == 0 ? TRIES : 1; /* when they are late, two may be due at once */
        do {
            buf_reset(&in);
            (void)once(rows[i].path, &in, "\r\n0\r\n\r\n");
            d = delivery_of(++asked);
        } while (--tries > 0 && strcmp(body_of(&in), rows[i].body) != 0);
        CLAIM(strcmp(body_of(&in), rows[i].body) == 0, "%s: %s", rows[i].path, body_of(&in));
        CLAIM(d.end == DELIVERY_COMPLETE && d.head_at_ns && d.last_at_ns >= d.head_at_ns &&
                  d.ended_at_ns >= d.last_at_ns,
              "%s: delivery %d", rows[i].path, (int)d.end);
    }
    rig_stop();
}

/* Packets with data that have come so far; RFC 4898's tcpEStatsPerfDataSegsIn. */
static unsigned packets(int fd)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    CU_ASSERT_EQUAL(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
    return info.tcpi_data_segs_in;
}

static void a_stream_that_is_due_at_once_is_one_packet(void)
{
    static const struct {
        const char *path;
        bool one;
    } rows[] = {{"/joined", true}, {"/alone", false}, {"/paced", false}, {"/joined", true}};
    rig_start();
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    int fd = dial();
    ask(fd, "/joined"); /* not looked at: once a connection, libmicrohttpd sets TCP_NODELAY, which pushes out the head */
    (void)hear(fd, &in, "\r\n0\r\n\r\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        buf_reset(&in);
        unsigned before = packets(fd);
        ask(fd, rows[i].path);
        (void)hear(fd, &in, "\r\n0\r\n\r\n");
        CLAIM((packets(fd) - before == 1) == rows[i].one, "%s: %u packets", rows[i].path, packets(fd) - before);
    }
    close(fd);
    rig_stop();
}

struct arrival {
    size_t bytes; /* of the body so far */
    uint64_t after_ns;
};

/* Asks and notes what each read brought, until `end`; how many there were. */
static size_t watch_arrivals(int fd, const char *path, const char *end, struct buf *in, struct arrival *to, size_t most)
{
    size_t n = 0;
    uint64_t start = now_ns();
    ask(fd, path);
    while (in->len < strlen(end) || memcmp(in->data + in->len - strlen(end), end, strlen(end)) != 0) {
        char part[1024];
        ssize_t got = recv(fd, part, sizeof part, 0);
        if (got <= 0)
            break;
        buf_add(in, (struct span){(unsigned char *)part, (size_t)got});
        const char *body = strstr(buf_text(in), "\r\n\r\n");
        if (body != NULL && body[4] != '\0' && n < most)
            to[n++] = (struct arrival){strlen(body + 4), now_ns() - start};
    }
    return n;
}

static void frames_arrive_when_they_are_due(void)
{
    enum { CHUNK = 15, FRAMES = 4, EARLY = 20, LATE = 15 };
    rig_start();
    bool in_time = false;
    for (size_t i = 0; i < TRIES && !in_time; i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        struct arrival at[2 * FRAMES];
        int fd = dial();
        size_t n = watch_arrivals(fd, "/paced", "\r\n0\r\n\r\n", &in, at, COUNT_OF(at));
        close(fd);
        in_time = n >= FRAMES - 1;
        for (size_t k = 0; k < n; k++) {
            size_t frames = at[k].bytes / CHUNK;
            CLAIM(at[k].after_ns >= frames * EARLY * MS, "frame %zu after %llu us", frames,
                  (unsigned long long)at[k].after_ns / 1000);
            in_time = in_time && (k >= FRAMES - 1 || (frames == k + 1 && at[k].after_ns < (frames * EARLY + LATE) * MS));
        }
        CU_ASSERT_EQUAL(delivery_of(i + 1).events, FRAMES);
        CU_ASSERT_EQUAL(delivery_of(i + 1).bytes, 40);
    }
    CLAIM(in_time, "no frame came when it was due, %d times", TRIES);
    rig_stop();
}

static void a_promised_length_can_be_paced_too(void)
{
    rig_start();
    bool in_time = false;
    for (size_t i = 0; i < TRIES && !in_time; i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        struct arrival at[2];
        int fd = dial();
        size_t n = watch_arrivals(fd, "/slow-unary", "3456789", &in, at, COUNT_OF(at));
        CU_ASSERT(n > 0 && at[0].after_ns >= 20 * MS && at[n - 1].bytes == 10 && at[n - 1].after_ns >= 40 * MS);
        in_time = n == 2 && at[0].bytes == 3 && at[1].after_ns < 80 * MS;
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "Content-Length: 10\r\n"));
        struct delivery d = delivery_of(2 * i + 1);
        CLAIM(d.end == DELIVERY_COMPLETE && d.bytes == 10, "%llu bytes", (unsigned long long)d.bytes);
        buf_reset(&in);
        ask(fd, "/echo");
        (void)hear(fd, &in, "|");
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "|2|"));
        close(fd);
        (void)delivery_of(2 * i + 2);
    }
    CLAIM(in_time, "never in two parts, in time");
    rig_stop();
}

static void cuts_deliver_every_byte_before_them(void)
{
    static const struct {
        const char *path, *body;
        int why;
        uint64_t bytes;
        size_t events;
        enum plan_end planned;
    } rows[] = {
        {"/fin", "19\r\n0123456789012345678901234\r\n", 0, 25, 2, PLAN_END_FIN},
        {"/rst", "19\r\n0123456789012345678901234\r\n", ECONNRESET, 25, 2, PLAN_END_RST},
        {"/fin-length", "01234", 0, 5, 0, PLAN_END_FIN},
        {"/rst-length", "01234", ECONNRESET, 5, 0, PLAN_END_RST},
        {"/short", "0123456789", 0, 10, 0, PLAN_END_CLEAN},
    };
    rig_start();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        int why = once(rows[i].path, &in, NULL);
        CLAIM(why == rows[i].why, "%s: %s", rows[i].path, strerror(why));
        CLAIM(strcmp(body_of(&in), rows[i].body) == 0, "%s: %s", rows[i].path, body_of(&in));
        struct delivery d = delivery_of(i + 1);
        CLAIM(d.end == DELIVERY_COMPLETE && d.planned == rows[i].planned && d.bytes == rows[i].bytes &&
                  d.events == rows[i].events,
              "%s: end %d, %llu bytes, %zu events", rows[i].path, (int)d.end, (unsigned long long)d.bytes, d.events);
    }
    rig_stop();
}

static void a_reset_waits_for_a_slow_reader(void)
{
    rig_start();
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    int fd = dial();
    ask(fd, "/big-rst");
    usleep(100000);
    CU_ASSERT_EQUAL(hear(fd, &in, NULL), ECONNRESET);
    close(fd);
    CLAIM(in.len > 5000000, "only %zu bytes came through", in.len);
    CLAIM(delivery_of(1).bytes == 5000000 && delivery_of(1).events == 4, "%zu events", delivery_of(1).events);
    rig_stop();
}

static void a_gate_holds_head_and_pieces(void)
{
    rig_start();
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    int fd = dial();
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ask(fd, "/gated");
    CU_ASSERT_EQUAL(poll(&p, 1, 30), 0);
    gate_open(rig.gates, "head");
    (void)hear(fd, &in, "a\r\n0123456789\r\n");
    CU_ASSERT_EQUAL(poll(&p, 1, 30), 0);
    gate_open(rig.gates, "middle");
    (void)hear(fd, &in, "0\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(body_of(&in), "14\r\n01234567890123456789\r\n0\r\n\r\n"));
    close(fd);
    CU_ASSERT_EQUAL(delivery_of(1).events, 3);
    rig_stop();
}

static void a_slow_reader_gets_everything(void)
{
    rig_start();
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    int fd = dial();
    ask(fd, "/big");
    usleep(20000);
    (void)hear(fd, &in, "\r\n0\r\n\r\n");
    CLAIM(in.len > 16 * 1024 * 1024, "%zu bytes", in.len);
    CU_ASSERT_EQUAL(delivery_of(1).events, 16);
    buf_reset(&in);
    ask(fd, "/flood");
    usleep(20000);
    CLAIM(locked(&rig.drains) < 50, "no back-pressure: %zu rounds of writing without a reader", locked(&rig.drains));
    (void)hear(fd, &in, "\r\n0\r\n\r\n");
    struct delivery d = delivery_of(2);
    CLAIM(d.bytes == 16 * 1024 * 1024 && d.status == 201, "%llu bytes", (unsigned long long)d.bytes);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "X-Made: by hand\r\n"));
    CLAIM(locked(&rig.drains) > 1, "never drained"); /* the first round is the handler's own */
    close(fd);
    rig_stop();
}

/* ---- ends ---- */

static void a_peer_that_leaves_is_noticed_at_once(void)
{
    static const struct {
        const char *path;
        bool ends; /* by itself, and perhaps before a busy machine lets us leave: then once more */
    } rows[] = {{"/stall", false}, {"/hang", false},  {"/unanswered", false}, {"/later", true},     {"/gated", false},
                {"/big", false},   {"/flood", false}, {"/paced", true},       {"/slow-unary", true}};
    rig_start_with((struct server_config){.hang_limit_ms = 600000});
    size_t asked = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct delivery d = {.end = DELIVERY_COMPLETE};
        uint64_t left = 0;
        for (int tries = 0; tries == 0 || (tries < TRIES && rows[i].ends && d.end == DELIVERY_COMPLETE); tries++) {
            int fd = dial();
            ask(fd, rows[i].path);
            for (uint64_t until = now_ns() + PATIENCE_MS * MS; now_ns() < until && locked(&rig.handled) <= asked;)
                usleep(200);
            usleep(5000);
            left = now_ns();
            if (i % 2)
                shutdown(fd, SHUT_WR);
            else
                close(fd);
            d = delivery_of(++asked);
            if (i % 2)
                close(fd);
        }
        CLAIM(d.end == DELIVERY_PEER_CLOSED && d.ended_at_ns - left < PATIENCE_MS / 2 * MS, "%s: end %d after %llu us",
              rows[i].path, (int)d.end, (unsigned long long)(d.ended_at_ns - left) / 1000);
    }
    rig_stop();
}

static void a_peer_that_asks_and_leaves_in_one_breath_is_noticed(void)
{
    rig_start_with((struct server_config){.hang_limit_ms = 60000});
    for (size_t i = 0; i < 20; i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        int fd = dial();
        ask(fd, "/echo");
        (void)hear(fd, &in, "Host=h;|");
        ask(fd, i % 2 ? "/unanswered" : "/stall");
        close(fd);
        struct delivery d = delivery_of(2 * i + 2);
        CLAIM(d.end == DELIVERY_PEER_CLOSED, "end %d", (int)d.end);
    }
    rig_stop();
}

static void silence_has_a_limit(void)
{
    static const char *const paths[] = {"/stall", "/hang"};
    rig_start();
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        uint64_t start = now_ns();
        (void)once(paths[i], &in, NULL);
        struct delivery d = delivery_of(i + 1);
        CLAIM(d.end == DELIVERY_TIMED_OUT && now_ns() - start >= 300 * MS, "%s: end %d", paths[i], (int)d.end);
        CLAIM(d.events == i + 1, "%s: %zu events", paths[i], d.events);
    }
    rig_stop();
}

static void later_and_failed_answers_come(void)
{
    rig_start();
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    (void)once("/later", &in, "later");
    CU_ASSERT_STRING_EQUAL(body_of(&in), "later");
    CU_ASSERT_EQUAL(delivery_of(1).bytes, 5);
    buf_reset(&in);
    (void)once("/failed", &in, "}");
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "HTTP/1.1 500 "));
    rig_stop();
}

static void stopping_ends_every_exchange_once(void)
{
    static const char *const paths[] = {"/stall", "/hang",  "/unanswered", "/gated", "/big",
                                        "/flood", "/paced", "/echo",       "/later", "/slow-unary"};
    rig_start_with((struct server_config){.workers = 2});
    int fds[COUNT_OF(paths) * 4];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = dial();
        if (i % 11)
            ask(fds[i], paths[i % COUNT_OF(paths)]);
    }
    usleep(10000);
    rig_stop();
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
}

static void a_taken_port_is_an_error_that_names_it(void)
{
    rig_start_with((struct server_config){.workers = 2});
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct server *second = NULL;
        struct note note = {""};
        char port[16];
        struct server_config config = {.port = server_port(rig.server), .workers = workers, .handle = handle};
        CU_ASSERT_EQUAL(server_start(&config, &second, &note), ERR_IO);
        CU_ASSERT_PTR_NULL(second);
        (void)snprintf(port, sizeof port, "%u", config.port);
        CLAIM(strstr(note.text, port) && strstr(note.text, "127.0.0.1"), "%s", note.text);
    }
    rig_stop();
}

static void connections_beyond_the_limit_wait(void)
{
    rig_start_with((struct server_config){.max_connections = 2});
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    int a = dial();
    int b = dial();
    ask(a, "/unanswered");
    ask(b, "/unanswered");
    for (int i = 0; i < PATIENCE_MS && locked(&rig.handled) < 2; i++)
        usleep(1000);
    int c = dial();
    ask(c, "/echo");
    struct pollfd p = {.fd = c, .events = POLLIN};
    CU_ASSERT_EQUAL(poll(&p, 1, 30), 0);
    close(a);
    (void)hear(c, &in, "Host=h;|");
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "/echo||1|"));
    close(b);
    close(c);
    rig_stop();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"the request arrives undecoded and in order", the_request_arrives_undecoded_and_in_order},
        {"pipelined requests are answered in order", pipelined_requests_are_answered_in_order},
        {"HTTP/1.0 and HEAD get no chunks", http_1_0_and_head_get_no_chunks},
        {"bad requests are refused and nothing hangs", bad_requests_are_refused_and_nothing_hangs},
        {"each refusal is one answer", each_refusal_is_one_answer},
        {"a head is judged alike wherever it is cut", a_head_is_judged_alike_wherever_it_is_cut},
        {"what looks odd and is not refused gets through", what_looks_odd_and_is_not_refused_gets_through},
        {"slow and silent senders are closed", slow_and_silent_senders_are_closed},
        {"pieces due together are one chunk unless alone", pieces_due_together_are_one_chunk_unless_alone},
        {"a stream that is due at once is one packet", a_stream_that_is_due_at_once_is_one_packet},
        {"frames arrive when they are due", frames_arrive_when_they_are_due},
        {"a promised length can be paced too", a_promised_length_can_be_paced_too},
        {"cuts deliver every byte before them", cuts_deliver_every_byte_before_them},
        {"a reset waits for a slow reader", a_reset_waits_for_a_slow_reader},
        {"a gate holds head and pieces", a_gate_holds_head_and_pieces},
        {"a slow reader gets everything", a_slow_reader_gets_everything},
        {"a peer that leaves is noticed at once", a_peer_that_leaves_is_noticed_at_once},
        {"a peer that asks and leaves in one breath is noticed", a_peer_that_asks_and_leaves_in_one_breath_is_noticed},
        {"silence has a limit", silence_has_a_limit},
        {"later and failed answers come", later_and_failed_answers_come},
        {"stopping ends every exchange once", stopping_ends_every_exchange_once},
        {"a taken port is an error that names it", a_taken_port_is_an_error_that_names_it},
        {"connections beyond the limit wait", connections_beyond_the_limit_wait},
        CU_TEST_INFO_NULL,
    };
    return unit_main("server", tests);
}
