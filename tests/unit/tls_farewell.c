/* The last words of TLS connections: what is still on its way when HTTP is done with them reaches a peer that reads
 * slowly, goes on talking, or has closed its own side; and a peer that breaks off amid it costs nothing but itself.
 *
 * Peers ask over HTTP/1.1 or HTTP/2 by bytes of our own, so that each is where the test wants it: an answer is waited
 * for by the server's account of it, not by time, and the one worker is held by the lock of the rig while a peer does
 * two things that it shall find at once. That a worker does not spin is read from the CPU time of the process.
 */
#include "tls_peer.h"

#include "farewell_rig.h"

#include <signal.h>

/* ---- peers ---- */

static void request(struct peer *p, int http, const char *path, size_t size, bool last)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    put_request(&out, http, path, size, last);
    CU_ASSERT_EQUAL(SSL_write(p->ssl, out.data, (int)out.len), (int)out.len);
}

/* Bytes that nobody will read. */
static void chatter(struct peer *p, int http, size_t n)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    put_chatter(&out, http, n);
    (void)SSL_write(p->ssl, out.data, (int)out.len);
}

static struct peer connect_over(int http, int version, bool small)
{
    return peer_over(dial_small(small), version, http == 1 ? "\x02h2" : "\x08http/1.1");
}

static struct peer dial_over(int http, int version, bool small)
{
    struct peer p = connect_over(http, version, small);
    CLAIM(SSL_connect(p.ssl) == 1, "no handshake: %s", ERR_reason_error_string(ERR_peek_error()));
    return p;
}

/* ---- what became of it ---- */

/* The worker answers, has let go of every connection, and sleeps. One that does not answer can never be joined. */
static void expect_peace(const char *after)
{
    struct peer p = dial_over(0, TLS1_3_VERSION, false);
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    ask(&p, "/joined", "Connection: close\r\n");
    enum ending ending = hear(&p, &in, NULL);
    peer_free(&p);
    CLAIM(ending == NOTIFIED, "%s: the worker answers no more", after);
    if (ending != NOTIFIED)
        exit(EXIT_FAILURE);
    expect_silence(after);
}

static void start_patient(void)
{
    start_with((struct server_config){.idle_timeout_ms = PATIENCE_MS, .max_body = BODY});
}

/* ---- peers that read on ---- */

#define SCENES 4 /* HTTP/1.1 and HTTP/2, each over both versions of TLS */

struct scene {
    int http;
    size_t version;
    struct peer p;
    struct buf in;
    size_t size;
    size_t by_then; /* bytes heard when HTTP was done */
    enum ending ending;
};

static struct scene scene_new(size_t k)
{
    struct scene s = {.http = (int)(k / 2), .version = k % 2, .size = BODY, .ending = REACHED};
    s.p = dial_over(s.http, versions[s.version], true);
    buf_init(&s.in, BUF_ANY);
    return s;
}

static void scene_free(struct scene *s)
{
    buf_release(&s->in);
    peer_free(&s->p);
}

/* At most n bytes; the ending once there are none. */
static void sip(struct scene *s, size_t n)
{
    char part[SMALL_BUFFER];
    if (s->ending != REACHED)
        return;
    ERR_clear_error();
    errno = 0;
    int got = SSL_read(s->p.ssl, part, (int)n);
    if (got > 0)
        buf_add(&s->in, (struct span){(unsigned char *)part, (size_t)got});
    else
        s->ending = ending_of(&s->p, got);
}

/* So slowly that the socket is full, up to the instant at which HTTP is done with the connection: the rest of the answer
 * is then with the kernel and, over HTTP/1.1, with the server's session. */
static void read_until_done(struct scene *s, size_t exchanges)
{
    while (locked(&rig.done) < exchanges && s->ending == REACHED && s->in.len < BODY) {
        sip(s, SMALL_BUFFER);
        usleep(2000);
    }
    CU_ASSERT_EQUAL(delivery_of(exchanges).end, DELIVERY_COMPLETE);
    s->by_then = s->in.len;
}

static void expect_whole(struct scene *s)
{
    CLAIM(s->ending == NOTIFIED && is_whole(s->http, &s->in, s->size), "%s, version %zu: %s after %zu bytes, %zu of them late",
          http_names[s->http], s->version, ending_names[s->ending], s->in.len, s->in.len - s->by_then);
}

static void a_slow_reader_that_goes_on_talking_gets_the_whole_answer(void)
{
    struct scene scenes[SCENES];
    start_patient();
    for (size_t k = 0; k < SCENES; k++) {
        struct scene *s = &scenes[k];
        *s = scene_new(k);
        request(&s->p, s->http, "/echo", BODY, true);
        if (s->http == 0)
            chatter(&s->p, 0, 300000); /* no more than a part of it is read before the answer is */
        read_until_done(s, k + 1);
        chatter(&s->p, s->http, 10000);
    }
    size_t going = SCENES;
    while (going > 0) {
        usleep(100000);
        going = 0;
        for (size_t k = 0; k < SCENES; k++) {
            sip(&scenes[k], 3500);
            if (scenes[k].ending == REACHED)
                chatter(&scenes[k].p, scenes[k].http, 100);
            going += scenes[k].ending == REACHED;
        }
    }
    for (size_t k = 0; k < SCENES; k++) {
        expect_whole(&scenes[k]);
        scene_free(&scenes[k]);
    }
    expect_peace("talking");
    stop();
}

/* The largest answer that HTTP is done with while nobody reads fills the kernel and, over HTTP/1.1, what stands before the
 * session. All sizes up to it are tried, since nobody tells it. */
static void closes_its_side_with_everything_unread(size_t version, void (*leave)(struct peer *p), size_t *asked)
{
    enum { STEP = 16384, WAIT_MS = 3000 };
    size_t size = 3 * (size_t)STEP;
    for (bool done = true; done && size < BODY; size += STEP) {
        struct scene s = scene_new(version);
        s.size = size;
        request(&s.p, s.http, "/echo", size, true);
        for (uint64_t until = now_ns() + WAIT_MS * MS; locked(&rig.done) <= *asked && now_ns() < until;)
            usleep(500);
        done = locked(&rig.done) > *asked;
        if (done)
            leave(&s.p);
        usleep(20000); /* the server hears it before there is room for more */
        while (s.ending == REACHED)
            sip(&s, SMALL_BUFFER);
        expect_whole(&s);
        (void)delivery_of(++*asked);
        scene_free(&s);
    }
    CLAIM(size > 6 * (size_t)STEP, "hardly anything was done unread");
}

/* Far more than is heard in one turn, as fast as can be: the farewell does not read it as TLS. */
static void who_talks_without_end_gets_the_whole_answer(void)
{
    enum { BLOCK = 1 << 20, BLOCKS = 40 };
    static char block[BLOCK];
    start_patient();
    for (size_t k = 0; k < SCENES; k++) {
        struct scene s = scene_new(k);
        request(&s.p, s.http, "/echo", BODY, true);
        read_until_done(&s, k + 1);
        size_t sent = 0;
        for (size_t i = 0; i < BLOCKS; i++)
            sent += send(s.p.fd, block, sizeof block, MSG_NOSIGNAL) == (ssize_t)sizeof block;
        while (s.ending == REACHED)
            sip(&s, SMALL_BUFFER);
        CLAIM(sent == BLOCKS, "%zu blocks", sent);
        expect_whole(&s);
        scene_free(&s);
    }
    expect_peace("talk without end");
    stop();
}

static void who_closes_its_side_in_the_farewell_gets_the_rest(void)
{
    static void (*const ways[])(struct peer * p) = {half_close, notify_only};
    size_t asked = 0;
    start_patient();
    for (size_t i = 0; i < COUNT_OF(ways) * 2; i++)
        closes_its_side_with_everything_unread(i % 2, ways[i / 2], &asked);
    for (size_t i = 0; i < COUNT_OF(ways) * 2; i++) {
        struct scene s = scene_new(2 + i % 2);
        request(&s.p, s.http, "/echo", BODY, true);
        read_until_done(&s, ++asked);
        ways[i / 2](&s.p);
        while (s.ending == REACHED)
            sip(&s, SMALL_BUFFER);
        expect_whole(&s);
        scene_free(&s);
    }
    expect_peace("closed sides");
    stop();
}

/* ---- peers that break off ---- */

static void half_close_and_reset(struct peer *p)
{
    half_close(p);
    usleep(5000);
    reset_only(p);
}

static void notify_and_reset(struct peer *p)
{
    notify_only(p);
    reset_only(p);
}

static void talk_and_reset(struct peer *p)
{
    chatter(p, 0, 30000);
    reset_only(p);
}

static void who_breaks_off_in_the_farewell_is_let_go(void)
{
    static void (*const ways[])(struct peer * p) = {reset_only, close_only, half_close_and_reset, notify_and_reset,
                                                    talk_and_reset};
    start_with((struct server_config){.idle_timeout_ms = 60000, .max_body = BODY});
    for (size_t k = 0; k < SCENES * COUNT_OF(ways); k++) {
        struct scene s = scene_new(k % SCENES);
        request(&s.p, s.http, "/echo", BODY, true);
        read_until_done(&s, k + 1);
        ways[k / SCENES](&s.p);
        scene_free(&s);
    }
    expect_peace("broken farewells");
    stop();
}

static void who_reads_nothing_is_let_go_in_time(void)
{
    start_with((struct server_config){.idle_timeout_ms = 3000, .max_body = BODY});
    struct scene scenes[SCENES];
    for (size_t k = 0; k < SCENES; k++) {
        scenes[k] = scene_new(k);
        request(&scenes[k].p, scenes[k].http, "/echo", 100000, true);
        CU_ASSERT_EQUAL(delivery_of(k + 1).end, DELIVERY_COMPLETE);
    }
    uint64_t until = now_ns() + 3500 * MS;
    while (now_ns() < until) { /* nor does talk help */
        for (size_t k = 0; k < SCENES; k++)
            chatter(&scenes[k].p, scenes[k].http, 100);
        usleep(50000);
    }
    expect_peace("silence");
    for (size_t k = 0; k < SCENES; k++)
        scene_free(&scenes[k]);
    stop();
}

static void who_has_everything_and_talks_on_is_let_go_in_time(void)
{
    start_with((struct server_config){.idle_timeout_ms = 3000, .max_body = BODY});
    struct scene scenes[SCENES];
    uint64_t accepted = 0, open = SCENES;
    for (size_t k = 0; k < SCENES; k++) {
        scenes[k] = scene_new(k);
        request(&scenes[k].p, scenes[k].http, "/echo", 1000, true);
    }
    for (uint64_t until = now_ns() + PATIENCE_MS * MS; open > 0 && now_ns() < until; usleep(50000)) {
        for (size_t k = 0; k < SCENES; k++)
            chatter(&scenes[k].p, scenes[k].http, 100);
        server_connections(rig.server, &accepted, &open);
    }
    CLAIM(open == 0, "%llu connections stay as long as there is talk", (unsigned long long)open);
    for (size_t k = 0; k < SCENES; k++)
        scene_free(&scenes[k]);
    stop();
}

/* The worker is in the handler of another connection, at the lock of the rig, and finds both ends at once. */
static void a_worker_that_finds_close_notify_and_a_reset_at_once_goes_on(void)
{
    static const char *const paths[] = {"/big", "/flood"};
    start_with((struct server_config){.idle_timeout_ms = 60000});
    size_t asked = 0;
    for (size_t k = 0; k < SCENES * COUNT_OF(paths); k++) {
        struct scene s = scene_new(k % SCENES);
        request(&s.p, s.http, paths[k / SCENES], 0, false);
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        for (asked++; locked(&rig.handled) < asked; usleep(500))
            ;
        usleep(20000); /* the socket is full */
        struct peer other = dial_over(0, TLS1_3_VERSION, false);
        pthread_mutex_lock(&rig.lock);
        ask(&other, "/joined", "");
        usleep(20000);
        notify_and_reset(&s.p);
        pthread_mutex_unlock(&rig.lock);
        bool reached = hear(&other, &in, "\r\n0\r\n\r\n") == REACHED;
        CLAIM(reached, "%s of %s, version %zu: the worker answers no more", paths[k / SCENES], http_names[s.http],
              s.version);
        if (!reached)
            exit(EXIT_FAILURE); /* nor would it end */
        (void)delivery_of(++asked);
        peer_free(&other);
        scene_free(&s);
    }
    expect_peace("close_notify and a reset");
    stop();
}

static void nothing_is_sent_to_a_broken_socket_behind_close_notify(void)
{
    static const char words[] = "words";
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        struct note note = {""};
        char block[64];
        int pair[2];
        buf_reset(&ca);
        CU_ASSERT_EQUAL_FATAL(tls_new_self_signed(NULL, &identity, &ca, &note), OK);
        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        struct peer p = peer_over(pair[0], versions[v], NULL);
        struct tls_session *session = tls_session_new(identity, pair[1]);
        while (SSL_connect(p.ssl) != 1 || tls_handshake(session, &note) != TLS_DONE)
            (void)tls_handshake(session, &note);
        CU_ASSERT_EQUAL(tls_send(session, words, sizeof words, false), (ssize_t)sizeof words);
        CU_ASSERT_TRUE(tls_recv(session, block, sizeof block) < 0 && errno == EAGAIN);
        notify_only(&p);
        CU_ASSERT_EQUAL(tls_recv(session, block, sizeof block), 0);
        CU_ASSERT_EQUAL(tls_send(session, words, sizeof words, false), (ssize_t)sizeof words);
        close_only(&p);
        for (int i = 0; i < 3; i++)
            CLAIM(tls_send(session, words, sizeof words, false) == -1 && (errno == EPIPE || errno == ECONNRESET),
                  "call %d: no error", i);
        CU_ASSERT_EQUAL(tls_recv(session, block, sizeof block), 0);
        CU_ASSERT_TRUE(tls_goodbye(session));
        tls_session_free(session);
        close(pair[1]);
        peer_free(&p);
        tls_free(identity);
        identity = NULL;
    }
}

/* ---- peers that leave before their time ---- */

/* What SSL_connect() wants to say now. */
static size_t flight_of(struct peer *p, unsigned char *to, size_t max)
{
    (void)SSL_connect(p->ssl);
    int n = BIO_read(SSL_get_wbio(p->ssl), to, (int)max);
    return n > 0 ? (size_t)n : 0;
}

/* Sends `flights` whole flights of the handshake and `eighths` of the one behind them. */
static void shake_in_part(struct peer *p, size_t flights, size_t eighths)
{
    unsigned char block[16384];
    SSL_set_bio(p->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(p->ssl);
    for (size_t i = 0; i <= flights; i++) {
        size_t n = flight_of(p, block, sizeof block);
        for (size_t tries = 0; n == 0 && tries < 100; tries++) { /* the server's flight may come in parts */
            ssize_t got = recv(p->fd, block, sizeof block, 0);
            if (got <= 0)
                break;
            (void)BIO_write(SSL_get_rbio(p->ssl), block, (int)got);
            n = flight_of(p, block, sizeof block);
        }
        n = i < flights ? n : n * eighths / 8;
        CU_ASSERT_EQUAL(send(p->fd, block, n, MSG_NOSIGNAL), (ssize_t)n);
    }
}

static void who_leaves_amid_the_handshake_is_let_go(void)
{
    static void (*const ways[])(struct peer * p) = {close_only, half_close, reset_only};
    start_with((struct server_config){.idle_timeout_ms = 60000});
    for (size_t k = 0; k < COUNT_OF(ways) * 2 * 2 * 9; k++) {
        struct peer p = connect_over(0, versions[k / 9 % 2], false);
        shake_in_part(&p, k / 18 % 2, k % 9);
        ways[k / 36](&p);
        char rest[4096];
        ssize_t n = p.fd >= 0 ? 1 : 0;
        while (n > 0)
            n = recv(p.fd, rest, sizeof rest, 0);
        CLAIM(n == 0 || errno == ECONNRESET, "cut %zu: the connection stays: %s", k, strerror(errno));
        peer_free(&p);
    }
    expect_peace("handshakes");
    CU_ASSERT_EQUAL(locked(&rig.handled), 1);
    stop();
}

/* They count as gone (server.h) unless the answer was there before; then it comes whole. */
static void who_says_close_notify_with_the_request_is_let_go(void)
{
    static const struct {
        const char *path;
        bool may_complete;
    } rows[] = {{"/joined", true}, {"/paced", true},  {"/later", true}, {"/echo", true},
                {"/big", false},   {"/flood", false}, {"/never", false}};
    start_with((struct server_config){.idle_timeout_ms = 60000, .hang_limit_ms = 60000});
    for (size_t k = 0; k < SCENES * COUNT_OF(rows); k++) {
        struct scene s = scene_new(k % SCENES);
        request(&s.p, s.http, rows[k / SCENES].path, 0, false);
        notify_only(&s.p);
        s.ending = hear(&s.p, &s.in, NULL);
        struct delivery d = delivery_of(k + 1);
        bool complete = d.end == DELIVERY_COMPLETE && rows[k / SCENES].may_complete && s.ending == NOTIFIED;
        CLAIM(complete || (d.end == DELIVERY_PEER_CLOSED && s.ending != SILENT), "%s of %s, version %zu: %s, end %d",
              rows[k / SCENES].path, http_names[s.http], s.version, ending_names[s.ending], (int)d.end);
        scene_free(&s);
    }
    expect_peace("close_notify with requests");
    stop();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a slow reader that goes on talking gets the whole answer",
         a_slow_reader_that_goes_on_talking_gets_the_whole_answer},
        {"who talks without end gets the whole answer", who_talks_without_end_gets_the_whole_answer},
        {"who closes its side in the farewell gets the rest", who_closes_its_side_in_the_farewell_gets_the_rest},
        {"who breaks off in the farewell is let go", who_breaks_off_in_the_farewell_is_let_go},
        {"who reads nothing is let go in time", who_reads_nothing_is_let_go_in_time},
        {"who has everything and talks on is let go in time", who_has_everything_and_talks_on_is_let_go_in_time},
        {"a worker that finds close_notify and a reset at once goes on",
         a_worker_that_finds_close_notify_and_a_reset_at_once_goes_on},
        {"nothing is sent to a broken socket behind close_notify", nothing_is_sent_to_a_broken_socket_behind_close_notify},
        {"who leaves amid the handshake is let go", who_leaves_amid_the_handshake_is_let_go},
        {"who says close_notify with the request is let go", who_says_close_notify_with_the_request_is_let_go},
        CU_TEST_INFO_NULL,
    };
    (void)signal(SIGPIPE, SIG_IGN);
    buf_init(&ca, BUF_ANY);
    buf_init(&body, BUF_ANY);
    make_body();
    int failed = unit_main("tls farewell", tests);
    buf_release(&body);
    buf_release(&ca);
    return failed;
}
