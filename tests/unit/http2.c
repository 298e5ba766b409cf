/* The server over HTTP/2 with prior knowledge: a real nghttp2 client on real loopback sockets, asking what server.c
 * asks over HTTP/1.1.
 *
 * The peer is single-threaded: it reads and writes only inside peer_until(), so a test decides when a reader is slow.
 */
#include "server_rig.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>

#define REPLIES_MAX 256
#define FRAMES_MAX  64
#define CODE_NONE   UINT32_MAX

struct reply {
    int32_t id;
    int status;
    struct buf fields, body;
    size_t frames; /* DATA frames that hold something */
    size_t size[FRAMES_MAX];
    uint64_t at[FRAMES_MAX];
    bool closed, ended; /* ended: by END_STREAM */
    size_t last;        /* bytes of the DATA frame with END_STREAM */
    uint32_t code;      /* of RST_STREAM, or CODE_NONE */
};

struct peer {
    int fd;
    nghttp2_session *session;
    struct reply replies[REPLIES_MAX];
    size_t count, closed;
    bool gone; /* the server closed the connection */
    uint32_t goaway;
};

/* ---- the peer ---- */

static struct reply *reply_of(struct peer *p, int32_t id)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->replies[i].id == id)
            return &p->replies[i];
    return NULL;
}

static ssize_t peer_send(nghttp2_session *session, const uint8_t *bytes, size_t n, int flags, void *ctx)
{
    struct peer *p = ctx;
    (void)session, (void)flags;
    ssize_t sent = send(p->fd, bytes, n, MSG_NOSIGNAL);
    return sent > 0 ? sent : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int peer_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                       const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    struct reply *r = reply_of(ctx, frame->hd.stream_id);
    (void)session, (void)flags;
    if (r && span_is((struct span){name, name_n}, ":status"))
        r->status = atoi((const char *)value);
    else if (r)
        buf_addf(&r->fields, "%.*s=%.*s;", (int)name_n, (const char *)name, (int)value_n, (const char *)value);
    return 0;
}

static int peer_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *ctx)
{
    struct reply *r = reply_of(ctx, id);
    (void)session, (void)flags;
    if (r)
        buf_add(&r->body, (struct span){bytes, n});
    return 0;
}

static int peer_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct peer *p = ctx;
    struct reply *r = reply_of(p, frame->hd.stream_id);
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        p->goaway = frame->goaway.error_code;
    if (r && frame->hd.type == NGHTTP2_RST_STREAM)
        r->code = frame->rst_stream.error_code;
    if (r && frame->hd.type == NGHTTP2_DATA && frame->hd.length > 0) {
        if (r->frames < FRAMES_MAX) {
            r->size[r->frames] = frame->hd.length;
            r->at[r->frames] = now_ns();
        }
        r->frames++;
    }
    if (r && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && frame->hd.type != NGHTTP2_RST_STREAM) {
        r->ended = true;
        r->last = frame->hd.type == NGHTTP2_DATA ? frame->hd.length : 0;
    }
    return 0;
}

static int peer_closed(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct peer *p = ctx;
    struct reply *r = reply_of(p, id);
    (void)session, (void)code;
    if (r && !r->closed) {
        r->closed = true;
        p->closed++;
    }
    return 0;
}

static struct peer *peer_new(bool manual_windows, uint32_t window)
{
    struct peer *p = calloc(1, sizeof *p);
    nghttp2_session_callbacks *does = NULL;
    nghttp2_option *option = NULL;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
    int on = 1;
    p->goaway = CODE_NONE;
    p->fd = dial();
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)nghttp2_session_callbacks_new(&does);
    (void)nghttp2_option_new(&option);
    nghttp2_session_callbacks_set_send_callback(does, peer_send);
    nghttp2_session_callbacks_set_on_header_callback(does, peer_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(does, peer_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(does, peer_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(does, peer_closed);
    nghttp2_option_set_no_auto_window_update(option, manual_windows);
    nghttp2_option_set_peer_max_concurrent_streams(option, 1000);
    CU_ASSERT_EQUAL_FATAL(nghttp2_session_client_new2(&p->session, does, p, option), 0);
    nghttp2_session_callbacks_del(does);
    nghttp2_option_del(option);
    (void)nghttp2_submit_settings(p->session, 0, settings, 1);
    return p;
}

static struct peer *peer_dial(void)
{
    return peer_new(false, 65535);
}

static void peer_free(struct peer *p)
{
    close(p->fd);
    nghttp2_session_del(p->session);
    for (size_t i = 0; i < p->count; i++) {
        buf_release(&p->replies[i].fields);
        buf_release(&p->replies[i].body);
    }
    free(p);
}

static void peer_say(struct peer *p)
{
    if (!p->gone && nghttp2_session_send(p->session) != 0)
        p->gone = true;
}

/* Read and write until done(p) is true or `ms` have passed. */
static bool peer_until(struct peer *p, bool (*done)(struct peer *p), int ms)
{
    uint64_t until = now_ns() + (uint64_t)ms * MS;
    for (;;) {
        peer_say(p);
        if (done && done(p))
            return true;
        if (p->gone || now_ns() >= until)
            return false;
        struct pollfd at = {.fd = p->fd, .events = POLLIN};
        if (poll(&at, 1, 5) <= 0)
            continue;
        unsigned char part[65536];
        ssize_t n = recv(p->fd, part, sizeof part, 0);
        if (n <= 0 || nghttp2_session_mem_recv(p->session, part, (size_t)n) < 0)
            p->gone = true;
    }
}

static bool all_closed(struct peer *p)
{
    return p->closed == p->count;
}

static bool is_gone(struct peer *p)
{
    return p->gone;
}

static void finish(struct peer *p)
{
    CLAIM(peer_until(p, all_closed, PATIENCE_MS), "%zu of %zu streams ended", p->closed, p->count);
}

struct upload {
    size_t left;
};

static ssize_t give_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                         nghttp2_data_source *source, void *ctx)
{
    struct upload *u = source->ptr;
    (void)session, (void)id, (void)ctx;
    size_t n = u->left < max ? u->left : max;
    memset(to, 'b', n);
    u->left -= n;
    if (u->left == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static nghttp2_nv nv(const char *name, const char *value)
{
    union {
        const char *given;
        uint8_t *taken;
    } n = {name}, v = {value};
    return (nghttp2_nv){n.taken, v.taken, strlen(name), strlen(value), 0};
}

static struct reply *ask_with(struct peer *p, const char *method, const char *path, const char *name, const char *value,
                              struct upload *body)
{
    nghttp2_nv fields[] = {nv(":method", method), nv(":path", path), nv(":scheme", "http"), nv(":authority", "h"),
                           nv(name ? name : "", value)};
    nghttp2_data_provider source = {.source.ptr = body, .read_callback = give_body};
    struct reply *r = &p->replies[p->count];
    r->id = nghttp2_submit_request(p->session, NULL, fields, name ? 5 : 4, body ? &source : NULL, NULL);
    CU_ASSERT_FATAL(r->id > 0);
    p->count++;
    r->code = CODE_NONE;
    buf_init(&r->fields, BUF_ANY);
    buf_init(&r->body, BUF_ANY);
    return r;
}

static struct reply *ask(struct peer *p, const char *path)
{
    return ask_with(p, "GET", path, NULL, "", NULL);
}

static void closes(struct reply *r, const char *name, enum delivery_end end, struct delivery d, uint64_t bytes)
{
    CLAIM(d.end == end && d.bytes == bytes, "%s: ended %d with %llu bytes (%zu came)", name, (int)d.end,
          (unsigned long long)d.bytes, r->body.len);
}

/* ---- requests ---- */

static void requests_arrive_with_their_fields_in_order(void)
{
    rig_start();
    struct peer *p = peer_dial();
    struct upload body = {4};
    struct reply *first = ask_with(p, "POST", "/echo/a%2Fb/../c%20+?x=%41&y+z&=", "x-b", "two words", &body);
    finish(p);
    CU_ASSERT_STRING_EQUAL(buf_text(&first->body),
                           "POST|/echo/a%2Fb/../c%20+|x=%41&y+z&=|1|:authority=h;x-b=two words;|bbbb");
    CU_ASSERT_EQUAL(first->status, 200);
    CU_ASSERT(first->ended && first->code == CODE_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&first->fields), "content-type=text/plain;"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&first->fields), ";date="));
    char length[40];
    (void)snprintf(length, sizeof length, "content-length=%zu;", first->body.len);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&first->fields), length));
    struct delivery d = delivery_of(1);
    closes(first, "unary", DELIVERY_COMPLETE, d, first->body.len);
    struct reply *second = ask(p, "/echo");
    finish(p);
    CU_ASSERT_STRING_EQUAL(buf_text(&second->body), "GET|/echo||2|:authority=h;|");
    peer_free(p);
    rig_stop();
}

static void both_protocols_are_on_one_port(void)
{
    rig_start();
    struct peer *p = peer_dial();
    struct reply *r = ask(p, "/echo");
    int fd = dial();
    static const char request[] = "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n";
    CU_ASSERT_EQUAL(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), (ssize_t)sizeof request - 1);
    finish(p);
    char answer[512] = "";
    CU_ASSERT(recv(fd, answer, sizeof answer - 1, 0) > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "HTTP/1.1 200 OK"));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "Host=h;"));
    CU_ASSERT_EQUAL(r->status, 200);
    close(fd);
    peer_free(p);
    rig_stop();
}

static void a_preface_in_pieces_is_understood_and_a_wrong_one_is_not(void)
{
    rig_start();
    static const char *const wrong[] = {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI * HTTP/2.0 garbage behind it",
                                        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand no frame of settings at all"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        int fd = dial();
        for (const char *at = wrong[i]; *at; at += 3) {
            size_t n = strnlen(at, 3);
            (void)send(fd, at, n, MSG_NOSIGNAL);
            usleep(500);
            if (n < 3)
                break;
        }
        char part[256];
        ssize_t n = 0;
        do
            n = recv(fd, part, sizeof part, 0);
        while (n > 0);
        CLAIM(n == 0 || errno == ECONNRESET, "preface %zu: the connection stays: %s", i, strerror(errno));
        close(fd);
    }
    struct peer *p = peer_dial();
    CU_ASSERT_EQUAL(send(p->fd, "PRI * HT", 8, MSG_NOSIGNAL), 8);
    usleep(3000);
    const uint8_t *rest = NULL;
    ssize_t n = nghttp2_session_mem_send(p->session, &rest);
    CU_ASSERT_FATAL(n >= 24 && memcmp(rest, "PRI * HT", 8) == 0);
    CU_ASSERT_EQUAL(send(p->fd, rest + 8, (size_t)n - 8, MSG_NOSIGNAL), n - 8);
    struct reply *r = ask(p, "/echo");
    finish(p);
    CU_ASSERT_EQUAL(r->status, 200);
    peer_free(p);
    CU_ASSERT_EQUAL(locked(&rig.handled), 1);
    rig_stop();
}

static void too_large_a_request_is_refused_and_the_connection_goes_on(void)
{
    rig_start();
    struct peer *p = peer_dial();
    CLEANUP(buf_release) struct buf many = BUF_INIT(BUF_ANY);
    for (int i = 0; i < 20000; i++)
        buf_addc(&many, 'a');
    struct upload promised = {200000}, unpromised = {2000000}, fits = {100000};
    struct reply *said = ask_with(p, "POST", "/echo", "content-length", "200000", &promised);
    struct reply *found = ask_with(p, "POST", "/echo", NULL, "", &unpromised);
    struct reply *head = ask_with(p, "GET", "/echo", "x-long", buf_text(&many), NULL);
    struct reply *good = ask_with(p, "POST", "/echo", NULL, "", &fits);
    finish(p);
    CLAIM(said->status == 413 && strstr(buf_text(&said->body), "larger"), "promised: %d", said->status);
    CLAIM(found->status == 413 && found->ended, "unpromised: %d", found->status);
    CLAIM(head->status == 431 && head->ended, "header: %d", head->status);
    CLAIM(good->status == 200 && good->body.len > 100000, "of the largest size: %d", good->status);
    CU_ASSERT(said->code == NGHTTP2_NO_ERROR && found->code == NGHTTP2_NO_ERROR && head->code == CODE_NONE);
    CU_ASSERT_EQUAL(locked(&rig.handled), 1);
    peer_free(p);
    rig_stop();
}

/* Bytes behind a preface and an empty frame of settings: none may harm the server, and most end the connection. */
static void hostile_frames_end_the_connection_only(void)
{
#define FRAME(n, type, flags, stream) "\0\0" n type flags "\0\0\0" stream
    static const struct {
        const char *name;
        const char *bytes;
        size_t n;
        size_t times;
    } rows[] = {
        {"a frame larger than allowed", "\xff\xff\xff\0\0\0\0\0\1", 9, 1},
        {"data on stream 0", FRAME("\1", "\0", "\0", "\0") "x", 10, 1},
        {"data on an idle stream", FRAME("\1", "\0", "\0", "\1") "x", 10, 1},
        {"settings of a wrong size", FRAME("\5", "\4", "\0", "\0") "xxxxx", 14, 1},
        {"settings on a stream", FRAME("\0", "\4", "\0", "\1"), 9, 1},
        {"a window that grows by nothing", FRAME("\4", "\10", "\0", "\0") "\0\0\0\0", 13, 1},
        {"a window that grows too far", FRAME("\4", "\10", "\0", "\0") "\177\377\377\377", 13, 2},
        {"a header block that is none", FRAME("\4", "\1", "\5", "\1") "\377\377\377\377", 13, 1},
        {"a continuation of nothing", FRAME("\1", "\11", "\4", "\1") "x", 10, 1},
        {"headers on an even stream", FRAME("\1", "\1", "\5", "\2") "\202", 10, 1},
        {"a push to the server", FRAME("\5", "\5", "\4", "\1") "\0\0\0\2\202", 14, 1},
        {"padding longer than the frame", FRAME("\2", "\0", "\10", "\1") "\377x", 11, 1},
        {"a ping of a wrong size", FRAME("\1", "\6", "\0", "\0") "x", 10, 1},
        {"a goaway with an error", FRAME("\10", "\7", "\0", "\0") "\0\0\0\0\0\0\0\2", 17, 1},
        {"settings without end", FRAME("\0", "\4", "\0", "\0"), 9, 20000},
        {"pings without end", FRAME("\10", "\6", "\0", "\0") "12345678", 17, 20000},
    };
    static const char start[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" FRAME("\0", "\4", "\0", "\0");
    rig_start();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int fd = dial();
        struct timeval patience = {0, 300000};
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        (void)send(fd, start, sizeof start - 1, MSG_NOSIGNAL);
        bool flood = rows[i].times > 2;
        ssize_t n = 1;
        for (size_t k = 0; k < rows[i].times && n > 0; k++)
            n = send(fd, rows[i].bytes, rows[i].n, MSG_NOSIGNAL);
        char part[4096];
        while (!flood && (n = recv(fd, part, sizeof part, 0)) > 0)
            ;
        CLAIM(flood || n == 0 || errno == ECONNRESET, "%s: the connection stays", rows[i].name);
        close(fd);
        struct peer *p = peer_dial();
        struct reply *r = ask(p, "/echo");
        finish(p);
        CLAIM(r->status == 200, "after %s: %d", rows[i].name, r->status);
        peer_free(p);
    }
    rig_stop();
#undef FRAME
}

static bool twenty_are_refused(struct peer *p)
{
    return p->closed >= 20 && locked(&rig.handled) >= 100;
}

static void a_hundred_streams_run_at_once_and_no_more(void)
{
    rig_start();
    struct peer *p = peer_dial();
    for (size_t i = 0; i < 120; i++)
        (void)ask(p, "/gated");
    CU_ASSERT(peer_until(p, twenty_are_refused, PATIENCE_MS));
    size_t refused = 0, good = 0;
    for (size_t i = 0; i < p->count; i++)
        refused += p->replies[i].closed && p->replies[i].code == NGHTTP2_REFUSED_STREAM;
    CLAIM(refused == 20 && locked(&rig.handled) == 100, "%zu refused, %zu handled", refused, locked(&rig.handled));
    gate_open(rig.gates, "head");
    gate_open(rig.gates, "middle");
    finish(p);
    for (size_t i = 0; i < p->count; i++)
        good += p->replies[i].ended && span_is(buf_span(&p->replies[i].body), "012345678901234567890123456789");
    CLAIM(good == 100, "%zu came whole", good);
    struct reply *again = ask(p, "/echo");
    finish(p);
    CU_ASSERT_EQUAL(again->status, 200);
    peer_free(p);
    rig_stop();
}

/* ---- bodies ---- */

static void pieces_due_together_are_one_frame_unless_alone(void)
{
    rig_start();
    struct peer *p = peer_dial();
    struct reply *joined = ask(p, "/joined");
    struct reply *stamped = ask(p, "/stamped");
    struct reply *alone = ask(p, "/alone");
    struct reply *head = ask_with(p, "HEAD", "/joined", NULL, "", NULL);
    finish(p);
    CLAIM(joined->frames == 1 && joined->size[0] == 30, "%zu frames", joined->frames);
    CU_ASSERT_STRING_EQUAL(buf_text(&stamped->body), "A123456789B123456789C123456789");
    static const size_t sizes[] = {4, 4, 2, 4, 4, 2};
    CLAIM(alone->frames == 6 && memcmp(alone->size, sizes, sizeof sizes) == 0, "%zu frames alone", alone->frames);
    CU_ASSERT_STRING_EQUAL(buf_text(&alone->body), "01234567890123456789");
    CU_ASSERT(head->status == 200 && head->ended && head->frames == 0);
    peer_free(p);
    rig_stop();
}

/* libcurl 7.88 waits for ever when END_STREAM comes on bytes that its buffer has no room for at once. */
static void the_end_is_an_empty_frame(void)
{
    static const char *const paths[] = {"/joined", "/alone", "/written", "/later", "/failed", "/big", "/flood"};
    rig_start();
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct peer *p = peer_dial();
        struct reply *r = ask(p, paths[i]);
        finish(p);
        CLAIM(r->ended && r->body.len > 0 && r->last == 0, "%s: %zu bytes with the end", paths[i], r->last);
        peer_free(p);
    }
    rig_stop();
}

static bool its_second_is_closed(struct peer *p)
{
    return p->replies[1].closed;
}

static bool its_first_waits(struct peer *p)
{
    return nghttp2_session_get_stream_effective_recv_data_length(p->session, p->replies[0].id) ==
           nghttp2_session_get_stream_effective_local_window_size(p->session, p->replies[0].id);
}

/* Who has all of a promised length may open no window again; even an empty frame would wait for one. */
static void the_end_waits_for_no_window(void)
{
    static const struct {
        uint32_t window; /* of each stream; the connection's, 65535, has what a first answer leaves */
        bool first;
        size_t last;
    } rows[] = {{30, false, 30}, {31, false, 0}, {65535 - 30, true, 30}, {65535 - 31, true, 0}};
    rig_start();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer *p = peer_new(true, rows[i].window);
        (void)ask(p, rows[i].first ? "/big" : "/never");
        CU_ASSERT(!rows[i].first || peer_until(p, its_first_waits, PATIENCE_MS));
        struct reply *r = ask(p, "/joined");
        (void)peer_until(p, its_second_is_closed, PATIENCE_MS);
        CLAIM(r->ended && r->body.len == 30 && r->last == rows[i].last, "row %zu: %zu bytes, %zu with the end", i,
              r->body.len, r->last);
        peer_free(p);
    }
    rig_stop();
}

/* Frames that come late may come joined, as on a real network; none may come early. */
static void nothing_is_early(const struct reply *r, uint64_t start, const size_t *piece, const uint64_t *due,
                             size_t count)
{
    size_t came = 0, sum = 0, k = 0;
    for (size_t i = 0; i < r->frames && i < FRAMES_MAX; i++) {
        came += r->size[i];
        while (k < count && sum + piece[k] <= came)
            sum += piece[k++];
        CLAIM(sum == came && k > 0, "frame %zu does not end with a piece", i);
        CLAIM(k > 0 && r->at[i] - start >= due[k - 1] * MS, "frame %zu after %llu us", i,
              (unsigned long long)(r->at[i] - start) / 1000);
    }
    CU_ASSERT_EQUAL(k, count);
}

static void frames_arrive_when_they_are_due(void)
{
    enum { TRIES = 20 }; /* of a busy machine */
    static const size_t tens[] = {10, 10, 10, 10}, parts[] = {3, 7};
    static const uint64_t due[] = {20, 40, 60, 80}, later[] = {20, 40};
    rig_start();
    struct peer *p = peer_dial();
    bool apart = false;
    for (size_t i = 0; i < TRIES && !apart; i++) {
        uint64_t start = now_ns();
        struct reply *r = ask(p, "/paced");
        finish(p);
        nothing_is_early(r, start, tens, due, COUNT_OF(due));
        apart = r->frames == 4;
        struct delivery d = delivery_of(i + 1);
        CU_ASSERT(d.events == 4 && d.last_at_ns - start >= 80 * MS);
        closes(r, "paced", DELIVERY_COMPLETE, d, 40);
    }
    CLAIM(apart, "four pieces 20 ms apart were never four frames");
    uint64_t start = now_ns();
    struct reply *slow = ask(p, "/slow-unary");
    finish(p);
    nothing_is_early(slow, start, parts, later, COUNT_OF(later));
    peer_free(p);
    rig_stop();
}

static void every_end_of_a_plan_is_told_and_accounted_for(void)
{
    static const struct {
        const char *path;
        uint32_t code;
        enum delivery_end end;
        size_t bytes, events;
    } rows[] = {
        {"/joined", CODE_NONE, DELIVERY_COMPLETE, 30, 3},
        {"/fin", NGHTTP2_INTERNAL_ERROR, DELIVERY_COMPLETE, 25, 2},
        {"/rst", NGHTTP2_INTERNAL_ERROR, DELIVERY_COMPLETE, 25, 2},
        {"/rst-length", NGHTTP2_INTERNAL_ERROR, DELIVERY_COMPLETE, 5, 0},
        {"/fin-length", NGHTTP2_INTERNAL_ERROR, DELIVERY_COMPLETE, 5, 0},
        {"/short", NGHTTP2_INTERNAL_ERROR, DELIVERY_COMPLETE, 10, 0},
        {"/hang", NGHTTP2_CANCEL, DELIVERY_TIMED_OUT, 25, 2},
        {"/stall", NGHTTP2_CANCEL, DELIVERY_TIMED_OUT, 10, 1},
        {"/failed", CODE_NONE, DELIVERY_COMPLETE, 57, 0},
        {"/later", CODE_NONE, DELIVERY_COMPLETE, 5, 0},
        {"/written", CODE_NONE, DELIVERY_COMPLETE, 9, 0},
        {"/big-rst", NGHTTP2_INTERNAL_ERROR, DELIVERY_COMPLETE, 5000000, 4},
        {"/flood", CODE_NONE, DELIVERY_COMPLETE, 16 * 1024 * 1024, 0},
    };
    rig_start();
    struct peer *p = peer_dial();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct reply *r = ask(p, rows[i].path);
        finish(p);
        struct delivery d = delivery_of(i + 1);
        closes(r, rows[i].path, rows[i].end, d, rows[i].bytes);
        CLAIM(r->code == rows[i].code && r->ended == (rows[i].code == CODE_NONE), "%s: code %u", rows[i].path, r->code);
        CLAIM(r->body.len == rows[i].bytes && d.events == rows[i].events, "%s: %zu bytes came, %zu events",
              rows[i].path, r->body.len, d.events);
        CLAIM(d.head_at_ns > 0 && d.ended_at_ns >= d.head_at_ns, "%s: no instant of its head", rows[i].path);
    }
    CU_ASSERT_EQUAL(p->goaway, CODE_NONE);
    peer_free(p);
    rig_stop();
}

/* ---- readers ---- */

static bool window_is_used_up(struct peer *p)
{
    return p->replies[0].body.len >= 65535;
}

static bool one_is_closed(struct peer *p)
{
    return p->closed >= 1;
}

static void a_stalled_reader_holds_up_its_own_stream_only(void)
{
    static const char *const paths[] = {"/big", "/flood"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        rig_start();
        struct peer *p = peer_new(true, 65535);
        (void)nghttp2_submit_window_update(p->session, 0, 0, 64 * 1024 * 1024);
        struct reply *r = ask(p, paths[i]);
        CU_ASSERT(peer_until(p, window_is_used_up, PATIENCE_MS));
        struct reply *other = ask(p, "/echo");
        (void)peer_until(p, one_is_closed, PATIENCE_MS);
        CLAIM(r->body.len == 65535 && !r->closed, "%s: %zu bytes through a window of 65535", paths[i], r->body.len);
        CLAIM(other->closed && other->status == 200, "%s: the other stream waits too", paths[i]);
        CLAIM(locked(&rig.drains) <= 1, "%s: drained %zu times", paths[i], locked(&rig.drains));
        (void)nghttp2_submit_window_update(p->session, 0, r->id, 64 * 1024 * 1024);
        finish(p);
        CLAIM(r->body.len == 16 * 1024 * 1024 && r->ended, "%s: %zu bytes", paths[i], r->body.len);
        CLAIM(i == 0 || locked(&rig.drains) > 10, "%s: drained %zu times", paths[i], locked(&rig.drains));
        peer_free(p);
        rig_stop();
    }
}

static void a_reader_that_stalls_the_socket_gets_everything(void)
{
    rig_start();
    struct peer *p = peer_new(false, 64 * 1024 * 1024);
    (void)nghttp2_submit_window_update(p->session, 0, 0, 64 * 1024 * 1024);
    struct reply *r = ask(p, "/big");
    peer_say(p);
    usleep(150000); /* more than the socket's buffers hold */
    struct delivery d;
    pthread_mutex_lock(&rig.lock);
    d = rig.last;
    pthread_mutex_unlock(&rig.lock);
    CU_ASSERT_EQUAL(d.bytes, 0);
    finish(p);
    CU_ASSERT_EQUAL(r->body.len, 16 * 1024 * 1024);
    closes(r, "/big", DELIVERY_COMPLETE, delivery_of(1), 16 * 1024 * 1024);
    peer_free(p);
    rig_stop();
}

/* ---- leaving ---- */

static bool has_a_frame(struct peer *p)
{
    return p->replies[0].frames > 0;
}

static void leave_by_reset(struct peer *p)
{
    (void)nghttp2_submit_rst_stream(p->session, 0, p->replies[0].id, NGHTTP2_CANCEL);
    peer_say(p);
}

static void leave_by_goaway(struct peer *p)
{
    (void)nghttp2_session_terminate_session(p->session, NGHTTP2_INTERNAL_ERROR);
    peer_say(p);
}

static void leave_by_closing(struct peer *p)
{
    (void)shutdown(p->fd, SHUT_WR);
}

static void a_peer_that_leaves_is_noticed_at_once(void)
{
    static const struct {
        const char *name;
        void (*leave)(struct peer *p);
        const char *path;
        bool head;
    } rows[] = {
        {"reset", leave_by_reset, "/stall", true},
        {"goaway", leave_by_goaway, "/stall", true},
        {"close", leave_by_closing, "/stall", true},
        {"reset before the head", leave_by_reset, "/gated", false},
        {"reset of an unanswered request", leave_by_reset, "/never", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_start_with((struct server_config){.hang_limit_ms = 60000});
        struct peer *p = peer_dial();
        (void)ask(p, rows[i].path);
        if (rows[i].head)
            CU_ASSERT(peer_until(p, has_a_frame, PATIENCE_MS));
        (void)peer_until(p, NULL, 20);
        uint64_t left = now_ns();
        rows[i].leave(p);
        struct delivery d = delivery_of(1);
        CLAIM(d.end == DELIVERY_PEER_CLOSED && d.ended_at_ns - left < PATIENCE_MS / 2 * MS, "%s: ended %d after %llu us",
              rows[i].name, (int)d.end, (unsigned long long)(d.ended_at_ns - left) / 1000);
        CLAIM(d.bytes == (rows[i].head ? 10 : 0) && d.events == d.bytes / 10, "%s: %llu bytes", rows[i].name,
              (unsigned long long)d.bytes);
        CLAIM((d.head_at_ns > 0) == rows[i].head, "%s: the instant of the head is wrong", rows[i].name);
        if (rows[i].leave == leave_by_reset) {
            struct reply *next = ask(p, "/echo");
            (void)peer_until(p, all_closed, PATIENCE_MS);
            CLAIM(next->status == 200, "%s: the connection is gone, too", rows[i].name);
        }
        peer_free(p);
        rig_stop();
    }
}

/* As libcurl 7.88 does, which resets each stream once more when it has the whole answer. */
static void resets_of_what_has_ended_end_nothing_else(void)
{
    rig_start();
    struct peer *p = peer_dial();
    size_t whole = 0;
    for (; whole < 3000 && !p->gone && p->goaway == CODE_NONE; whole++) {
        struct reply *r = ask(p, "/echo");
        if (!peer_until(p, all_closed, 3000) || r->status != 200)
            break;
        (void)nghttp2_submit_rst_stream(p->session, 0, r->id, NGHTTP2_STREAM_CLOSED);
        buf_release(&r->fields);
        buf_release(&r->body);
        *r = (struct reply){0};
        p->count = p->closed = 0;
    }
    CLAIM(whole == 3000, "%zu whole answers, then GOAWAY with %u", whole, p->goaway);
    peer_free(p);
    rig_stop();
}

static void slow_and_silent_peers_are_sent_away(void)
{
    rig_start_with((struct server_config){.idle_timeout_ms = 100});
    struct peer *p = peer_dial();
    uint64_t start = now_ns();
    CU_ASSERT(peer_until(p, is_gone, PATIENCE_MS));
    CU_ASSERT(p->goaway == NGHTTP2_NO_ERROR && now_ns() - start >= 100 * MS);
    peer_free(p);
    /* A request that does not end is reset, and its connection then ends for being idle. */
    static const char slow[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                               "\0\0\6\1\4\0\0\0\1\x82\x86\x84\x41\1h";
    int fd = dial();
    CU_ASSERT_EQUAL(send(fd, slow, sizeof slow - 1, MSG_NOSIGNAL), (ssize_t)sizeof slow - 1);
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    char part[512];
    for (ssize_t n = 0; (n = recv(fd, part, sizeof part, 0)) > 0;)
        buf_add(&in, (struct span){(unsigned char *)part, (size_t)n});
    static const char reset[] = "\0\0\4\3\0\0\0\0\1\0\0\0\x08";
    CU_ASSERT_PTR_NOT_NULL(memmem(in.data, in.len, reset, sizeof reset - 1));
    close(fd);
    CU_ASSERT_EQUAL(locked(&rig.handled), 0);
    rig_stop();
}

static void stopping_ends_every_stream_once(void)
{
    rig_start();
    struct peer *p = peer_dial();
    static const char *const paths[] = {"/stall", "/never", "/gated", "/later"};
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        (void)ask(p, paths[i]);
    CU_ASSERT(peer_until(p, has_a_frame, PATIENCE_MS));
    server_stop(rig.server);
    rig.server = NULL;
    CLAIM(rig.last.end == DELIVERY_STOPPED && rig.done == 4, "%zu done", rig.done);
    CU_ASSERT(!peer_until(p, is_gone, 3000) || p->goaway == NGHTTP2_NO_ERROR);
    CU_ASSERT_EQUAL(p->goaway, NGHTTP2_NO_ERROR);
    peer_free(p);
    rig_stop();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"requests arrive with their fields in order", requests_arrive_with_their_fields_in_order},
        {"both protocols are on one port", both_protocols_are_on_one_port},
        {"a preface in pieces is understood, a wrong one is not",
         a_preface_in_pieces_is_understood_and_a_wrong_one_is_not},
        {"too large a request is refused, the connection goes on",
         too_large_a_request_is_refused_and_the_connection_goes_on},
        {"hostile frames end the connection only", hostile_frames_end_the_connection_only},
        {"a hundred streams run at once and no more", a_hundred_streams_run_at_once_and_no_more},
        {"pieces due together are one frame unless alone", pieces_due_together_are_one_frame_unless_alone},
        {"the end is an empty frame", the_end_is_an_empty_frame},
        {"the end waits for no window", the_end_waits_for_no_window},
        {"frames arrive when they are due", frames_arrive_when_they_are_due},
        {"every end of a plan is told and accounted for", every_end_of_a_plan_is_told_and_accounted_for},
        {"a stalled reader holds up its own stream only", a_stalled_reader_holds_up_its_own_stream_only},
        {"a reader that stalls the socket gets everything", a_reader_that_stalls_the_socket_gets_everything},
        {"a peer that leaves is noticed at once", a_peer_that_leaves_is_noticed_at_once},
        {"resets of what has ended end nothing else", resets_of_what_has_ended_end_nothing_else},
        {"slow and silent peers are sent away", slow_and_silent_peers_are_sent_away},
        {"stopping ends every stream once", stopping_ends_every_stream_once},
        CU_TEST_INFO_NULL,
    };
    return unit_main("http2", tests);
}
