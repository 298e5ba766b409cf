/* The client against a socket that answers with bytes from a table: what goes out, what comes back, how it may end.
 *
 * The peer is a thread that accepts connections one after another, keeps what it read, and plays the rows of a script.
 */
#include "net/client.h"

#include "net/server.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS           ((uint64_t)1000000)
#define LATE_IDLE_MS 2000
#define TRIES        20 /* of what a busy machine may spoil, and tells so */

enum act { SAY, WAIT_MS, WAIT_HEARD, CLOSE, RESET, READ_TO_END };

struct step {
    enum act act;
    const char *bytes;
    unsigned ms;
};

struct peer {
    int listener;
    uint16_t port;
    pthread_t thread;
    const struct step *steps; /* played for each request; a CLOSE or RESET row ends the connection */
    size_t step_count;
    size_t connections; /* how many to accept */
    size_t body;        /* bytes of body to wait for behind each head */
    atomic_size_t accepted, requests, closed_by_client;
    atomic_size_t said;   /* rows of SAY */
    atomic_bool heard;    /* by the caller, who tells it */
    uint64_t spoke_at_ns; /* or was started */
    uint64_t silence_ns;  /* the longest, as it was in truth: a busy machine makes them longer */
    struct buf seen;
};

static bool read_request(struct peer *peer, int fd)
{
    size_t start = peer->seen.len;
    for (;;) {
        const char *head_end = peer->seen.len > start ? strstr(peer->seen.data + start, "\r\n\r\n") : NULL;
        if (head_end && peer->seen.len >= (size_t)(head_end + 4 - peer->seen.data) + peer->body)
            break;
        char part[4096];
        ssize_t n = recv(fd, part, sizeof part, 0);
        if (n <= 0)
            return false;
        buf_add(&peer->seen, (struct span){(unsigned char *)part, (size_t)n});
    }
    atomic_fetch_add(&peer->requests, 1);
    return true;
}

static void note_silence(struct peer *peer)
{
    uint64_t now = now_ns(), silence = now - peer->spoke_at_ns;
    peer->silence_ns = silence > peer->silence_ns ? silence : peer->silence_ns;
    peer->spoke_at_ns = now;
}

/* True: the connection goes on. */
static bool play(struct peer *peer, int fd)
{
    struct linger hard = {1, 0};
    for (size_t i = 0; i < peer->step_count; i++) {
        const struct step *s = &peer->steps[i];
        char byte;
        switch (s->act) {
        case SAY:
            (void)send(fd, s->bytes, strlen(s->bytes), MSG_NOSIGNAL);
            note_silence(peer);
            atomic_fetch_add(&peer->said, 1);
            break;
        case WAIT_HEARD:
            for (int k = 0; k < PATIENCE_MS && !atomic_load(&peer->heard); k++)
                usleep(1000);
            break;
        case WAIT_MS:
            usleep(s->ms * 1000);
            break;
        case CLOSE:
            return false;
        case RESET:
            usleep(20000); /* the bytes before it are read by then */
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
            return false;
        case READ_TO_END:
            if (recv(fd, &byte, 1, 0) == 0 || errno == ECONNRESET)
                atomic_fetch_add(&peer->closed_by_client, 1);
            return false;
        }
    }
    return true;
}

static void *run_peer(void *arg)
{
    struct peer *peer = arg;
    for (size_t i = 0; i < peer->connections; i++) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0)
            break;
        struct timeval patience = {PATIENCE_MS / 1000, 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        atomic_fetch_add(&peer->accepted, 1);
        while (read_request(peer, fd) && play(peer, fd))
            ;
        close(fd);
    }
    return NULL;
}

static void peer_start(struct peer *peer, const struct step *steps, size_t count, size_t connections)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->steps = steps;
    peer->step_count = count;
    peer->connections = connections;
    buf_init(&peer->seen, BUF_ANY);
    peer->listener = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(peer->listener, (struct sockaddr *)&at, sizeof at), 0);
    CU_ASSERT_EQUAL_FATAL(listen(peer->listener, 64), 0);
    (void)getsockname(peer->listener, (struct sockaddr *)&at, &n);
    peer->port = ntohs(at.sin_port);
    peer->spoke_at_ns = now_ns();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&peer->thread, NULL, run_peer, peer), 0);
}

static void peer_stop(struct peer *peer)
{
    (void)shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    buf_release(&peer->seen);
}

/* ---- a caller ---- */

struct caller {
    struct loop *loop;
    struct client *client;
    struct call *call;
    struct buf body, head;
    size_t heads, parts, dones;
    size_t pause_after;  /* pause the n-th part, once */
    size_t cancel_after; /* cancel in the n-th part */
    bool cancel_at_head;
    struct peer *tells; /* behind the second part: that it was heard; and is late itself until the peer has said all */
    struct watch late;
    struct timer timer;
    struct client_result result;
    char url[256];
};

static void on_head(void *ctx, int status, const struct http_headers *headers)
{
    struct caller *c = ctx;
    c->heads++;
    buf_addf(&c->head, "%d", status);
    for (size_t i = 0; i < headers->count; i++)
        buf_addf(&c->head, "|%s=%s", headers->items[i].name, headers->items[i].value);
    if (c->cancel_at_head)
        call_cancel(c->call);
}

static void resume_later(void *ctx)
{
    call_resume(((struct caller *)ctx)->call);
}

/* In a turn of the loop in which nothing of the peer's is to be read, and before the clock is looked at. */
static void be_late(void *ctx, uint32_t ready)
{
    struct caller *c = ctx;
    struct peer *peer = c->tells;
    (void)ready;
    watch_remove(&c->late);
    atomic_store(&peer->heard, true);
    for (int k = 0; k < PATIENCE_MS && atomic_load(&peer->said) < 3; k++)
        usleep(1000);
    usleep((LATE_IDLE_MS + 100) * 1000);
}

static bool on_data(void *ctx, struct span bytes, uint64_t at_ns)
{
    struct caller *c = ctx;
    CU_ASSERT_TRUE(at_ns <= now_ns());
    c->parts++;
    if (c->tells != NULL && c->parts == 2)
        CU_ASSERT_EQUAL(eventfd_write(c->late.fd, 1), 0);
    if (c->cancel_after == c->parts) {
        call_cancel(c->call);
        return true;
    }
    if (c->pause_after == c->parts) {
        timer_set(c->loop, &c->timer, now_ns() + 600 * MS, resume_later, c);
        return false;
    }
    buf_add(&c->body, bytes);
    return true;
}

static void on_done(void *ctx, const struct client_result *result)
{
    struct caller *c = ctx;
    c->dones++;
    c->result = *result;
    call_cancel(c->call); /* allowed, and nothing */
    c->call = NULL;
}

static const struct client_events events = {on_head, on_data, on_done};

static bool is_done(void *ctx)
{
    return ((struct caller *)ctx)->dones > 0;
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static bool has_head(void *ctx)
{
    return ((struct caller *)ctx)->heads > 0;
}

static bool has_part(void *ctx)
{
    return ((struct caller *)ctx)->parts > 0;
}

static bool has_ab(void *ctx)
{
    return ((struct caller *)ctx)->body.len == 2;
}

static void caller_init(struct caller *c)
{
    *c = (struct caller){.loop = loop_new(NULL)};
    c->client = client_new(c->loop, NULL);
    buf_init(&c->body, BUF_ANY);
    buf_init(&c->head, BUF_ANY);
}

static void caller_release(struct caller *c)
{
    timer_cancel(&c->timer);
    client_free(c->client);
    loop_free(c->loop);
    buf_release(&c->body);
    buf_release(&c->head);
}

static void call(struct caller *c, const struct peer *peer, const char *path, struct client_request r)
{
    struct note note = {""};
    (void)snprintf(c->url, sizeof c->url, "http://127.0.0.1:%u%s", peer->port, path);
    r.url = c->url;
    c->call = client_start(c->client, &r, &events, c, &note);
    CLAIM(c->call != NULL, "%s", note.text);
}

static void finish(struct caller *c)
{
    CU_ASSERT_EQUAL(loop_run_until(c->loop, is_done, c, now_ns() + PATIENCE_MS * MS), OK);
}

/* ---- claims ---- */

static const struct step fine[] = {{SAY, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0}};

static void requests_go_out_exactly_as_given(void)
{
    struct peer peer = {.body = 4};
    struct caller c;
    char want[512];
    CLEANUP(http_headers_release) struct http_headers h;
    http_headers_init(&h);
    http_headers_add(&h, "X-Zed", "1");
    http_headers_add(&h, "authorization", "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=y");
    http_headers_add(&h, "X-Empty", "");
    http_headers_add(&h, "X-Zed", "2");
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    peer_start(&peer, fine, COUNT_OF(fine), 1);
    caller_init(&c);
    call(&c, &peer, "/model/a%2Fb:0/../x%20y/converse?a=%41&b",
         (struct client_request){.headers = &h, .body = SPAN_LIT("body")});
    finish(&c);
    (void)snprintf(want, sizeof want,
                   "POST /model/a%%2Fb:0/../x%%20y/converse?a=%%41&b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-Zed: 1\r\n"
                   "authorization: AWS4-HMAC-SHA256 Credential=x, SignedHeaders=y\r\nX-Empty:\r\nX-Zed: 2\r\n"
                   "Content-Length: 4\r\n\r\nbody",
                   peer.port);
    CU_ASSERT_EQUAL(c.result.error, OK);
    caller_release(&c);
    (void)shutdown(peer.listener, SHUT_RDWR);
    pthread_join(peer.thread, NULL);
    CLAIM(strcmp(buf_text(&peer.seen), want) == 0, "sent:\n%s", buf_text(&peer.seen));
    close(peer.listener);
    buf_release(&peer.seen);
    unsetenv("http_proxy");
}

static void methods_are_what_was_asked(void)
{
    static const struct {
        const char *method, *line;
    } rows[] = {{NULL, "GET / "},  {"GET", "GET / "},   {"DELETE", "DELETE / "},
                {"PUT", "PUT / "}, {"HEAD", "HEAD / "}, {"POST", "POST / "}};
    static const struct step bare[] = {{SAY, "HTTP/1.1 204 No Content\r\n\r\n", 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer peer = {0};
        struct caller c;
        peer_start(&peer, bare, COUNT_OF(bare), 1);
        caller_init(&c);
        call(&c, &peer, "/", (struct client_request){.method = rows[i].method});
        finish(&c);
        CLAIM(c.result.status == 204 && c.result.error == OK, "%s: %s", rows[i].line, c.result.text);
        caller_release(&c);
        (void)shutdown(peer.listener, SHUT_RDWR);
        pthread_join(peer.thread, NULL);
        CLAIM(strncmp(buf_text(&peer.seen), rows[i].line, strlen(rows[i].line)) == 0, "sent %s", buf_text(&peer.seen));
        close(peer.listener);
        buf_release(&peer.seen);
    }
}

#define HEAD_CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct step whole[] = {
    {SAY, HEAD_CHUNKED "2\r\nab\r\n", 0}, {WAIT_MS, NULL, 10}, {SAY, "1\r\nc\r\n0\r\n\r\n", 0}};
static const struct step cut_fin[] = {{SAY, HEAD_CHUNKED "2\r\nab\r\n", 0}, {CLOSE, NULL, 0}};
static const struct step cut_in_chunk[] = {{SAY, HEAD_CHUNKED "9\r\nab", 0}, {CLOSE, NULL, 0}};
static const struct step cut_rst[] = {{SAY, HEAD_CHUNKED "2\r\nab\r\n", 0}, {RESET, NULL, 0}};
static const struct step cut_length[] = {{SAY, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", 0}, {CLOSE, NULL, 0}};
static const struct step until_close[] = {{SAY, "HTTP/1.1 200 OK\r\n\r\nab", 0}, {CLOSE, NULL, 0}};
static const struct step no_answer[] = {{CLOSE, NULL, 0}};
static const struct step half_head[] = {{SAY, "HTTP/1.1 200 OK\r\nX: ", 0}, {CLOSE, NULL, 0}};
static const struct step not_http[] = {{SAY, "hello there\r\n\r\n", 0}, {CLOSE, NULL, 0}};
static const struct step bad_chunk[] = {{SAY, HEAD_CHUNKED "zz\r\nab\r\n", 0}, {READ_TO_END, NULL, 0}};
static const struct step slow[] = {{SAY, HEAD_CHUNKED "2\r\nab\r\n", 0}, {READ_TO_END, NULL, 0}};
static const struct step drip[] = {
    {SAY, HEAD_CHUNKED "1\r\na\r\n", 0}, {WAIT_MS, NULL, 120}, {SAY, "1\r\nb\r\n", 0}, {WAIT_MS, NULL, 120},
    {SAY, "1\r\nc\r\n", 0},             {WAIT_MS, NULL, 120}, {SAY, "1\r\nd\r\n", 0}, {WAIT_MS, NULL, 120},
    {SAY, "1\r\ne\r\n0\r\n\r\n", 0}};
static const struct step late_reader[] = {
    {SAY, HEAD_CHUNKED "1\r\na\r\n", 0}, {WAIT_MS, NULL, 400}, /* libcurl has a timer of 200 ms, which reads as well */
    {SAY, "1\r\nb\r\n", 0},             {WAIT_HEARD, NULL, 0}, {SAY, "1\r\nc\r\n0\r\n\r\n", 0}};
static const struct step early_hint[] = {{SAY,
                                          "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 429 Slow\r\nb: 2\r\nA:  "
                                          "1 \r\nb: 3\r\nContent-Length: 0\r\n\r\n",
                                          0}};
static const struct step trailer[] = {{SAY, HEAD_CHUNKED "2\r\nab\r\n0\r\nX-Late: 1\r\n\r\n", 0}};
static const struct step redirect[] = {{SAY, "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 0}};

/* One request to one peer, which is gone afterwards; again when the peer was more silent than it should be. */
static void ask_a_peer_in_time(struct peer *peer, struct caller *c, const struct step *steps, size_t count,
                               struct client_request r)
{
    unsigned limit = r.idle_timeout_ms ? r.idle_timeout_ms : r.timeout_ms;
    size_t pause_after = c->pause_after;
    for (int tries = 0;; tries++) {
        *peer = (struct peer){0};
        peer_start(peer, steps, count, 1);
        caller_init(c);
        c->pause_after = pause_after;
        call(c, peer, "/", r);
        finish(c);
        client_free(c->client); /* no connection is kept, so that the peer ends */
        c->client = NULL;
        peer_stop(peer);
        bool in_time = limit == 0 || (atomic_load(&peer->said) > 0 && peer->silence_ns < limit * MS);
        if (in_time || tries == TRIES)
            break;
        caller_release(c);
    }
}

static void every_end_has_its_name(void)
{
    static const struct {
        const char *name;
        const struct step *steps;
        size_t count;
        unsigned timeout_ms, idle_ms;
        enum err error;
        int status;
        const char *body, *head;
    } rows[] = {
        {"whole", whole, COUNT_OF(whole), 0, 0, OK, 200, "abc", "200|Transfer-Encoding=chunked"},
        {"cut by FIN", cut_fin, COUNT_OF(cut_fin), 0, 0, ERR_CLOSED, 200, "ab", NULL},
        {"cut in a chunk", cut_in_chunk, COUNT_OF(cut_in_chunk), 0, 0, ERR_CLOSED, 200, "ab", NULL},
        {"cut by RST", cut_rst, COUNT_OF(cut_rst), 0, 0, ERR_CLOSED, 200, "ab", NULL},
        {"cut before its length", cut_length, COUNT_OF(cut_length), 0, 0, ERR_CLOSED, 200, "ab", NULL},
        {"until close", until_close, COUNT_OF(until_close), 0, 0, OK, 200, "ab", "200"},
        {"no answer", no_answer, COUNT_OF(no_answer), 0, 0, ERR_CLOSED, 0, "", ""},
        {"half a head", half_head, COUNT_OF(half_head), 0, 0, ERR_CLOSED, 200, "", ""},
        {"not HTTP", not_http, COUNT_OF(not_http), 0, 0, ERR_SYNTAX, 0, "", ""},
        {"broken chunk framing", bad_chunk, COUNT_OF(bad_chunk), 0, 0, ERR_SYNTAX, 200, "", NULL},
        {"too long as a whole", slow, COUNT_OF(slow), 400, 0, ERR_TIMEOUT, 200, "ab", NULL},
        {"too long a silence", slow, COUNT_OF(slow), 0, 400, ERR_TIMEOUT, 200, "ab", NULL},
        {"slow but never silent", drip, COUNT_OF(drip), 0, 400, OK, 200, "abcde", NULL},
        {"an interim answer first", early_hint, COUNT_OF(early_hint), 0, 0, OK, 429, "",
         "429|b=2|A=1|b=3|Content-Length=0"},
        {"a trailer", trailer, COUNT_OF(trailer), 0, 0, OK, 200, "ab", "200|Transfer-Encoding=chunked"},
        {"a redirect is not followed", redirect, COUNT_OF(redirect), 0, 0, OK, 302, "", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer peer;
        struct caller c = {0};
        ask_a_peer_in_time(&peer, &c, rows[i].steps, rows[i].count,
                           (struct client_request){.timeout_ms = rows[i].timeout_ms, .idle_timeout_ms = rows[i].idle_ms});
        CLAIM(c.result.error == rows[i].error, "%s: %s (%s)", rows[i].name, err_name(c.result.error), c.result.text);
        CLAIM(c.result.status == rows[i].status, "%s: status %d", rows[i].name, c.result.status);
        CLAIM(strcmp(buf_text(&c.body), rows[i].body) == 0, "%s: body %s", rows[i].name, buf_text(&c.body));
        CLAIM(!rows[i].head || strcmp(buf_text(&c.head), rows[i].head) == 0, "%s: head %s", rows[i].name,
              buf_text(&c.head));
        CLAIM(c.dones == 1 && c.result.bytes == c.body.len, "%s: %zu dones", rows[i].name, c.dones);
        CLAIM(c.result.ended_at_ns >= c.result.first_byte_at_ns && c.result.head_at_ns <= c.result.ended_at_ns,
              "%s: times", rows[i].name);
        caller_release(&c);
    }
}

static void a_refused_connection_is_an_io_error_and_bad_urls_do_not_start(void)
{
    static const char *const bad[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "", "http://", "gopher://x/"};
    struct caller c;
    struct peer nobody = {.port = 1};
    struct note note = {""};
    caller_init(&c);
    call(&c, &nobody, "/", (struct client_request){.method = "GET"});
    finish(&c);
    CLAIM(c.result.error == ERR_IO && c.result.status == 0 && c.result.text[0], "%s", err_name(c.result.error));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct client_request r = {.url = bad[i]};
        note.text[0] = '\0';
        CLAIM(!client_start(c.client, &r, &events, &c, &note) && note.text[0], "started '%s'", bad[i]);
    }
    CU_ASSERT_EQUAL(c.dones, 1);
    caller_release(&c);
}

static void a_paused_body_comes_again_whole(void)
{
    struct peer peer;
    struct caller c = {.pause_after = 2};
    ask_a_peer_in_time(&peer, &c, drip, COUNT_OF(drip),
                       (struct client_request){.idle_timeout_ms = 400}); /* a pause of ours is no silence of the peer's */
    CLAIM(c.result.error == OK && strcmp(buf_text(&c.body), "abcde") == 0, "%s: %s", c.result.text, buf_text(&c.body));
    caller_release(&c);
}

static void what_waits_to_be_read_is_no_silence(void)
{
    struct peer peer = {0};
    struct caller c;
    peer_start(&peer, late_reader, COUNT_OF(late_reader), 1);
    caller_init(&c);
    c.tells = &peer;
    c.late = (struct watch){.fd = eventfd(0, EFD_CLOEXEC), .ready = be_late, .ctx = &c};
    CU_ASSERT_EQUAL(watch_add(c.loop, &c.late, EPOLLIN, NULL), OK);
    call(&c, &peer, "/", (struct client_request){.idle_timeout_ms = LATE_IDLE_MS});
    finish(&c);
    CLAIM(c.result.error == OK && strcmp(buf_text(&c.body), "abc") == 0, "%s: %s", c.result.text, buf_text(&c.body));
    caller_release(&c);
    (void)close(c.late.fd);
    peer_stop(&peer);
}

/* where: 0 in head(), 1 in data(), 2 from outside */
static void cancel_at(int where)
{
    struct peer peer = {0};
    struct caller c;
    peer_start(&peer, slow, COUNT_OF(slow), 1);
    caller_init(&c);
    c.cancel_at_head = where == 0;
    c.cancel_after = where == 1 ? 1 : 0;
    call(&c, &peer, "/", (struct client_request){.method = "GET"});
    CU_ASSERT_EQUAL(loop_run_until(c.loop, where == 0 ? has_head : where == 1 ? has_part : has_ab, &c, now_ns() + PATIENCE_MS * MS), OK);
    if (where == 2) {
        CU_ASSERT_STRING_EQUAL(buf_text(&c.body), "ab");
        call_cancel(c.call);
    }
    for (int i = 0; i < PATIENCE_MS && atomic_load(&peer.closed_by_client) == 0; i++)
        usleep(1000);
    CU_ASSERT_EQUAL(loop_run_until(c.loop, never, NULL, now_ns() + 20 * MS), ERR_TIMEOUT);
    CLAIM(atomic_load(&peer.closed_by_client) == 1, "cancel %d left the connection open", where);
    CLAIM(c.dones == 0, "cancel %d: done was called", where);
    caller_release(&c);
    peer_stop(&peer);
}

static void a_cancelled_call_closes_its_connection_and_is_silent(void)
{
    for (int where = 0; where < 3; where++)
        cancel_at(where);
}

static void connections_are_kept_unless_a_fresh_one_is_asked_for(void)
{
    struct peer peer = {0};
    struct caller c;
    peer_start(&peer, fine, COUNT_OF(fine), 2);
    caller_init(&c);
    for (int i = 0; i < 3; i++) {
        c.dones = 0;
        call(&c, &peer, "/", (struct client_request){.method = "GET"});
        finish(&c);
    }
    CU_ASSERT_EQUAL(atomic_load(&peer.accepted), 1);
    CU_ASSERT_EQUAL(atomic_load(&peer.requests), 3);
    caller_release(&c); /* closes the kept one, so that the peer goes on to the next */
    caller_init(&c);
    call(&c, &peer, "/", (struct client_request){.fresh_connection = true});
    finish(&c);
    CU_ASSERT_EQUAL(atomic_load(&peer.accepted), 2);
    caller_release(&c);
    peer_stop(&peer);
}

static void freeing_the_client_cancels_silently(void)
{
    struct peer peer = {0};
    struct caller c;
    peer_start(&peer, slow, COUNT_OF(slow), 1);
    caller_init(&c);
    call(&c, &peer, "/", (struct client_request){.timeout_ms = 2 * PATIENCE_MS});
    CU_ASSERT_EQUAL(loop_run_until(c.loop, has_part, &c, now_ns() + PATIENCE_MS * MS), OK);
    caller_release(&c);
    CU_ASSERT_EQUAL(c.dones, 0);
    peer_stop(&peer);
}

static void the_blocking_form_reads_it_all(void)
{
    struct peer peer = {0};
    struct note note = {""};
    char url[64];
    peer_start(&peer, whole, COUNT_OF(whole), 1);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", peer.port);
    struct client_request r = {.url = url};
    CLEANUP(client_response_release) struct client_response got;
    CLAIM(client_fetch(&r, &got, &note) == OK, "%s", note.text);
    CU_ASSERT_EQUAL(got.status, 200);
    CU_ASSERT_STRING_EQUAL(buf_text(&got.body), "abc");
    CU_ASSERT_STRING_EQUAL(http_headers_get(&got.headers, "transfer-encoding"), "chunked");
    peer_stop(&peer);
    CLEANUP(client_response_release) struct client_response none;
    CU_ASSERT_EQUAL(client_fetch(&r, &none, &note), ERR_IO);
    CLAIM(strstr(note.text, url), "%s", note.text);
}

/* ---- requests both ways, against our own server, which says everything again ---- */

static atomic_size_t echoes_over;

static void echo_data(void *ctx, struct span bytes)
{
    (void)exchange_write(ctx, bytes);
    exchange_consumed(ctx, bytes.n);
}

static void echo_end(void *ctx)
{
    exchange_end(ctx, PLAN_END_CLEAN);
}

static void echo_done(void *ctx, struct exchange *x, const struct delivery *d)
{
    (void)ctx, (void)x, (void)d;
    atomic_fetch_add(&echoes_over, 1);
}

static void echo(void *ctx, struct exchange *x)
{
    (void)ctx;
    CLEANUP(http_headers_release) struct http_headers none;
    http_headers_init(&none);
    exchange_on_done(x, echo_done, NULL);
    exchange_read(x, echo_data, echo_end, x);
    exchange_begin(x, 200, &none);
}

static bool both_ways(void *ctx, const struct http_request *head)
{
    (void)ctx, (void)head;
    return true;
}

static struct server *echo_start(struct peer *peer)
{
    struct server *server = NULL;
    struct note note = {""};
    const struct server_config config = {.handle = echo, .wants_stream = both_ways};
    CLAIM(server_start(&config, &server, &note) == OK, "%s", note.text);
    peer->port = server_port(server);
    atomic_store(&echoes_over, 0);
    return server;
}

static void cancel_at_sent(void *ctx)
{
    call_cancel(((struct caller *)ctx)->call);
}

static void a_request_both_ways_may_be_cancelled_in_each_of_its_events(void)
{
    static const struct {
        bool at_head;
        size_t at_data;
        void (*at_sent)(void *ctx);
    } rows[] = {{true, 0, NULL}, {false, 1, NULL}, {false, 0, cancel_at_sent}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer peer = {0};
        struct caller c;
        struct server *server = echo_start(&peer);
        caller_init(&c);
        c.cancel_at_head = rows[i].at_head;
        c.cancel_after = rows[i].at_data;
        call(&c, &peer, "/", (struct client_request){.streams_up = true, .sent = rows[i].at_sent});
        call_send(c.call, SPAN_LIT("hello"));
        uint64_t accepted = 0, open = 0;
        for (uint64_t limit = now_ns() + PATIENCE_MS * MS; (accepted == 0 || open > 0) && now_ns() < limit;) {
            CU_ASSERT_EQUAL(loop_run_until(c.loop, never, NULL, now_ns() + 5 * MS), ERR_TIMEOUT);
            server_connections(server, &accepted, &open);
        }
        CLAIM(accepted == 1 && open == 0, "row %zu: the connection is still there", i);
        CLAIM(c.dones == 0 && c.body.len == 0, "row %zu: not silent", i);
        caller_release(&c);
        server_stop(server);
        /* Closed with the server's settings unread, a connection is reset, and a request that was sent is lost on the way. */
        CLAIM(atomic_load(&echoes_over) == 1 || (rows[i].at_sent && atomic_load(&echoes_over) == 0),
              "row %zu: %zu exchanges were over", i, atomic_load(&echoes_over));
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"requests go out exactly as given", requests_go_out_exactly_as_given},
        {"methods are what was asked", methods_are_what_was_asked},
        {"every end has its name", every_end_has_its_name},
        {"a refused connection is an I/O error and bad URLs do not start",
         a_refused_connection_is_an_io_error_and_bad_urls_do_not_start},
        {"a paused body comes again whole", a_paused_body_comes_again_whole},
        {"what waits to be read is no silence", what_waits_to_be_read_is_no_silence},
        {"a cancelled call closes its connection and is silent", a_cancelled_call_closes_its_connection_and_is_silent},
        {"connections are kept unless a fresh one is asked for", connections_are_kept_unless_a_fresh_one_is_asked_for},
        {"freeing the client cancels silently", freeing_the_client_cancels_silently},
        {"the blocking form reads it all", the_blocking_form_reads_it_all},
        {"a request both ways may be cancelled in each of its events",
         a_request_both_ways_may_be_cancelled_in_each_of_its_events},
        CU_TEST_INFO_NULL,
    };
    return unit_main("client", tests);
}
