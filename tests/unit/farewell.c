/* The last words of cleartext connections: an answer, a cut and a refusal reach a peer that reads slowly, goes on talking,
 * or has closed its own side; a cut that was asked for as a FIN arrives as one, with every byte before it; and whoever
 * breaks off, reads nothing or never stops talking costs a descriptor only for so long.
 *
 * As tls_farewell.c, which says how the instants are found; of cleartext there is one thing more to see: the server
 * still has unread bytes of the peer when it closes, which TCP answers with a reset (RFC 2525 section 2.17).
 */
#include "farewell_rig.h"

#include <errno.h>
#include <signal.h>

#define HTTPS 2

/* ---- peers ---- */

enum ending { GOES_ON, FIN, BROKEN, SILENT };
static const char *const ending_names[] = {"goes on", "FIN", "reset", "silence"};

struct scene {
    int http, fd;
    struct buf in;
    size_t by_then; /* bytes heard when HTTP was done */
    enum ending ending;
    bool broken;
};

static struct scene scene_new(int http, bool small)
{
    struct scene s = {.http = http, .fd = dial_small(small)};
    buf_init(&s.in, BUF_ANY);
    return s;
}

static void scene_free(struct scene *s)
{
    buf_release(&s->in);
    if (s->fd >= 0)
        close(s->fd);
}

/* True: the socket took all of it. */
static bool say(struct scene *s, struct span what)
{
    while (what.n > 0) {
        ssize_t n = send(s->fd, what.p, what.n, MSG_NOSIGNAL);
        if (n <= 0)
            return !(s->broken = true); /* this call was told of the reset; recv() will tell of an end */
        what = span_from(what, (size_t)n);
    }
    return true;
}

static void request(struct scene *s, const char *path, size_t size, bool last)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    put_request(&out, s->http, path, size, last);
    CU_ASSERT_TRUE(say(s, buf_span(&out)));
}

static bool chatter(struct scene *s, size_t n)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    put_chatter(&out, s->http, n);
    return say(s, buf_span(&out));
}

static void sip(struct scene *s, size_t n)
{
    char part[SMALL_BUFFER];
    if (s->ending != GOES_ON)
        return;
    ssize_t got = recv(s->fd, part, n, 0);
    if (got > 0)
        buf_add(&s->in, (struct span){(unsigned char *)part, (size_t)got});
    else
        s->ending = got == 0 && !s->broken ? FIN : got < 0 && errno == EAGAIN ? SILENT : BROKEN;
}

static void hear_all(struct scene *s)
{
    while (s->ending == GOES_ON)
        sip(s, SMALL_BUFFER);
}

static void read_until_done(struct scene *s, size_t exchanges)
{
    while (locked(&rig.done) < exchanges && s->ending == GOES_ON && s->in.len < BODY) {
        sip(s, SMALL_BUFFER);
        usleep(2000);
    }
    CU_ASSERT_EQUAL(delivery_of(exchanges).end, DELIVERY_COMPLETE);
    s->by_then = s->in.len;
}

static void read_slowly_and_talk(struct scene *s)
{
    while (s->ending == GOES_ON) {
        usleep(10000);
        sip(s, SMALL_BUFFER / 4);
        if (s->ending == GOES_ON)
            (void)chatter(s, 100);
    }
}

/* ---- judgement ---- */

static void expect_whole(const struct scene *s)
{
    CLAIM(s->ending == FIN && is_whole(s->http, &s->in, BODY), "%s: %s after %zu bytes, %zu of them late",
          http_names[s->http], ending_names[s->ending], s->in.len, s->in.len - s->by_then);
}

static void expect_peace(const char *after)
{
    struct scene s = scene_new(0, false);
    request(&s, "/joined", 0, true);
    hear_all(&s);
    CLAIM(s.ending == FIN, "%s: the worker answers no more", after);
    if (s.ending != FIN)
        exit(EXIT_FAILURE);
    scene_free(&s);
    expect_silence(after);
}

static void start_patient(void)
{
    rig_start_with((struct server_config){.idle_timeout_ms = PATIENCE_MS});
}

/* ---- peers that read on ---- */

static void a_slow_reader_that_goes_on_talking_gets_the_whole_answer(void)
{
    start_patient();
    for (int http = 0; http < HTTPS; http++) {
        struct scene s = scene_new(http, true);
        request(&s, "/letters", 0, true);
        if (http == 0)
            CU_ASSERT_TRUE(chatter(&s, 300000)); /* no more than a part of it is read before the answer is */
        read_until_done(&s, (size_t)http + 1);
        (void)chatter(&s, 10000);
        read_slowly_and_talk(&s);
        expect_whole(&s);
        scene_free(&s);
    }
    expect_peace("talking");
    rig_stop();
}

/* The same, and nothing is unread when HTTP is done: the words come later. */
static void a_word_behind_the_answer_takes_nothing_from_it(void)
{
    start_patient();
    for (int http = 0; http < HTTPS; http++) {
        struct scene s = scene_new(http, true);
        request(&s, "/letters", 0, true);
        read_until_done(&s, (size_t)http + 1);
        usleep(1500000); /* longer than one who has everything is waited for */
        (void)chatter(&s, 100);
        usleep(20000);
        hear_all(&s);
        expect_whole(&s);
        scene_free(&s);
    }
    expect_peace("a word");
    rig_stop();
}

static void a_cut_with_a_fin_is_one_with_every_byte_before_it(void)
{
    static const struct {
        const char *path;
        size_t bytes;
    } rows[] = {{"/fin", 25}, {"/late-fin", 25}, {"/fin-length", 5}, {"/short", 10}, {"/big-fin", 800000}};
    start_patient();
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        bool talks = i % 2 == 1; /* so much that some of it is unread when the cut comes */
        struct scene s = scene_new(0, true);
        request(&s, rows[i / 2].path, 0, false);
        if (talks)
            (void)chatter(&s, 300000);
        read_until_done(&s, i + 1);
        if (talks)
            read_slowly_and_talk(&s);
        hear_all(&s);
        CLAIM(s.ending == FIN && s.in.len > rows[i / 2].bytes, "%s, %s: %s after %zu bytes, %zu of them late",
              rows[i / 2].path, talks ? "talking" : "silent", ending_names[s.ending], s.in.len, s.in.len - s.by_then);
        scene_free(&s);
    }
    expect_peace("cuts");
    rig_stop();
}

/* Each goes on sending long after the refusal was said, and looks only then. */
static void an_early_refusal_reaches_who_goes_on_sending(void)
{
    enum { BLOCK = 1 << 20, BLOCKS = 20 };
    static char block[BLOCK];
    static const struct {
        const char *what, *head, *expect;
    } rows[] = {
        {"a body far too large", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999\r\n\r\n", " 413 "},
        {"a body that asks first, and does not wait",
         "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", " 413 "},
        {"a head too large", "GET /echo HTTP/1.1\r\nHost: h\r\nX: ", " 431 "},
        {"a target too large", "GET /echo?", " 414 "},
        {"a length that is none", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", " 400 "},
    };
    memset(block, 'x', sizeof block);
    start_patient();
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        struct scene s = scene_new(0, false);
        bool sent = say(&s, span_of(rows[i / 2].head)) && say(&s, (struct span){(unsigned char *)block, 100000});
        if (i % 2 == 1)
            usleep(30000); /* refused by then, with nothing unread */
        for (size_t k = 0; k < BLOCKS && sent; k++)
            sent = say(&s, (struct span){(unsigned char *)block, sizeof block});
        hear_all(&s);
        const char *text = buf_text(&s.in);
        CLAIM(sent && s.ending == FIN && s.in.len > 20 && memcmp(text + 8, rows[i / 2].expect, 5) == 0,
              "%s: sent %d, %s after %zu bytes: %.20s", rows[i / 2].what, sent, ending_names[s.ending], s.in.len, text);
        scene_free(&s);
    }
    expect_peace("refusals");
    rig_stop();
}

/* A frame that breaks the session, and much behind it. */
static void the_goaway_reaches_who_goes_on_sending(void)
{
    enum { MUCH = 8000000 };
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    start_patient();
    struct scene s = scene_new(1, false);
    request(&s, "/joined", 0, false);
    put_frame(&out, 0, 0, 7, SPAN_LIT("DATA on a stream that is idle"));
    put_chatter(&out, 1, MUCH);
    uint64_t began = now_ns();
    bool sent = say(&s, buf_span(&out));
    hear_all(&s);
    size_t goaways = 0;
    for (struct span rest = buf_span(&s.in); rest.n >= 9;) {
        size_t n = (size_t)rest.p[0] << 16 | (size_t)rest.p[1] << 8 | rest.p[2];
        goaways += rest.p[3] == 7;
        rest = span_from(rest, 9 + n);
    }
    uint64_t accepted = 0, open = 0;
    usleep(1000);
    server_connections(rig.server, &accepted, &open);
    CLAIM(open == 1 || now_ns() - began > 900 * MS, "the FIN came of the close");
    CLAIM(sent && s.ending == FIN && goaways > 0, "sent %d, %s after %zu bytes, %zu GOAWAY", sent,
          ending_names[s.ending], s.in.len, goaways);
    scene_free(&s);
    expect_peace("GOAWAY");
    rig_stop();
}

static void who_closes_its_side_in_the_farewell_gets_the_rest(void)
{
    start_patient();
    for (int http = 0; http < HTTPS; http++) {
        struct scene s = scene_new(http, true);
        request(&s, "/letters", 0, true);
        if (http == 0)
            CU_ASSERT_TRUE(chatter(&s, 300000));
        read_until_done(&s, (size_t)http + 1);
        (void)chatter(&s, 100);
        (void)shutdown(s.fd, SHUT_WR);
        while (s.ending == GOES_ON) {
            usleep(2000);
            sip(&s, SMALL_BUFFER);
        }
        expect_whole(&s);
        scene_free(&s);
    }
    expect_peace("closed sides");
    rig_stop();
}

/* ---- peers that do not ---- */

static void who_breaks_off_in_the_farewell_is_let_go(void)
{
    rig_start_with((struct server_config){.idle_timeout_ms = 60000});
    for (size_t k = 0; k < HTTPS * 4; k++) {
        struct scene s = scene_new((int)(k % HTTPS), true);
        struct linger none = {1, 0};
        bool talks = k / HTTPS % 2 == 1;
        request(&s, "/letters", 0, true);
        read_until_done(&s, k + 1);
        if (talks)
            (void)chatter(&s, 30000);
        if (k / HTTPS / 2 == 1)
            setsockopt(s.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none); /* a reset, though all were read */
        scene_free(&s);
    }
    expect_peace("broken farewells");
    rig_stop();
}

static void who_reads_nothing_is_let_go_in_time(void)
{
    struct scene scenes[HTTPS];
    rig_start_with((struct server_config){.idle_timeout_ms = 3000});
    uint64_t began = now_ns();
    for (size_t k = 0; k < HTTPS; k++) {
        scenes[k] = scene_new((int)k, true);
        request(&scenes[k], "/some-letters", 0, true);
        CU_ASSERT_EQUAL(delivery_of(k + 1).end, DELIVERY_COMPLETE);
    }
    uint64_t accepted = 0, open = 0;
    server_connections(rig.server, &accepted, &open);
    CLAIM(open == HTTPS || now_ns() - began > 2500 * MS, "%llu connections are open", (unsigned long long)open);
    for (uint64_t until = now_ns() + 3500 * MS; now_ns() < until; usleep(50000))
        for (size_t k = 0; k < HTTPS; k++)
            (void)chatter(&scenes[k], 100); /* nor does talk help */
    expect_peace("silence");
    for (size_t k = 0; k < HTTPS; k++)
        scene_free(&scenes[k]);
    rig_stop();
}

/* One of them breaks the session, and the other is cut. */
static void who_has_everything_and_talks_on_is_let_go_in_time(void)
{
    CLEANUP(buf_release) struct buf wrong = BUF_INIT(BUF_ANY);
    struct scene scenes[HTTPS];
    uint64_t accepted = 0, open = HTTPS, began = now_ns();
    put_frame(&wrong, 0, 0, 7, SPAN_LIT("DATA on a stream that is idle"));
    rig_start_with((struct server_config){.idle_timeout_ms = 3000});
    for (size_t k = 0; k < HTTPS; k++) {
        scenes[k] = scene_new((int)k, false);
        request(&scenes[k], k == 0 ? "/fin" : "/joined", 0, false);
        CU_ASSERT_EQUAL(delivery_of(k + 1).end, DELIVERY_COMPLETE);
    }
    CU_ASSERT_TRUE(say(&scenes[1], buf_span(&wrong)));
    for (uint64_t until = now_ns() + PATIENCE_MS * MS; open > 0 && now_ns() < until; usleep(50000)) {
        for (size_t k = 0; k < HTTPS; k++) {
            bool taken = chatter(&scenes[k], 100);
            CLAIM(taken || now_ns() - began > 2500 * MS, "%s: a reset after %llu ms", http_names[k],
                  (unsigned long long)((now_ns() - began) / MS));
        }
        server_connections(rig.server, &accepted, &open);
    }
    CLAIM(open == 0, "%llu connections stay as long as there is talk", (unsigned long long)open);
    CLAIM(now_ns() - began > 2500 * MS, "let go after %llu ms", (unsigned long long)((now_ns() - began) / MS));
    for (size_t k = 0; k < HTTPS; k++)
        scene_free(&scenes[k]);
    rig_stop();
}

static void talk_has_a_ceiling(void)
{
    enum { BLOCK = 1 << 20, LEAST = 60, MOST = 200 };
    static char block[BLOCK];
    rig_start_with((struct server_config){.idle_timeout_ms = 60000});
    struct scene s = scene_new(0, false);
    CU_ASSERT_TRUE(say(&s, SPAN_LIT("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999\r\n\r\n")));
    size_t sent = 0;
    while (sent < MOST && say(&s, (struct span){(unsigned char *)block, sizeof block}))
        sent++;
    CLAIM(sent >= LEAST && sent < MOST, "%zu MiB were heard", sent);
    scene_free(&s);
    expect_peace("much talk");
    rig_stop();
}

static void whole_exchanges_leave_no_descriptor_behind(void)
{
    enum { MANY = 200 };
    struct scene scenes[MANY];
    uint64_t accepted = 0, open = MANY;
    rig_start_with((struct server_config){.idle_timeout_ms = 60000});
    for (size_t k = 0; k < MANY; k++) {
        scenes[k] = scene_new(0, false);
        request(&scenes[k], "/joined", 0, true);
        hear_all(&scenes[k]);
        CLAIM(scenes[k].ending == FIN, "%s", ending_names[scenes[k].ending]);
    }
    for (uint64_t until = now_ns() + PATIENCE_MS * MS; open > 0 && now_ns() < until; usleep(1000))
        server_connections(rig.server, &accepted, &open); /* no peer has closed */
    CLAIM(open == 0, "%llu of %d connections stay", (unsigned long long)open, MANY);
    for (size_t k = 0; k < MANY; k++)
        scene_free(&scenes[k]);
    rig_stop();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a slow reader that goes on talking gets the whole answer",
         a_slow_reader_that_goes_on_talking_gets_the_whole_answer},
        {"a word behind the answer takes nothing from it", a_word_behind_the_answer_takes_nothing_from_it},
        {"a cut with a FIN is one, with every byte before it", a_cut_with_a_fin_is_one_with_every_byte_before_it},
        {"an early refusal reaches who goes on sending", an_early_refusal_reaches_who_goes_on_sending},
        {"the GOAWAY reaches who goes on sending", the_goaway_reaches_who_goes_on_sending},
        {"who closes its side in the farewell gets the rest", who_closes_its_side_in_the_farewell_gets_the_rest},
        {"who breaks off in the farewell is let go", who_breaks_off_in_the_farewell_is_let_go},
        {"who reads nothing is let go in time", who_reads_nothing_is_let_go_in_time},
        {"who has everything and talks on is let go in time", who_has_everything_and_talks_on_is_let_go_in_time},
        {"talk has a ceiling", talk_has_a_ceiling},
        {"whole exchanges leave no descriptor behind", whole_exchanges_leave_no_descriptor_behind},
        CU_TEST_INFO_NULL,
    };
    (void)signal(SIGPIPE, SIG_IGN);
    buf_init(&body, BUF_ANY);
    make_body();
    int failed = unit_main("farewell", tests);
    buf_release(&body);
    return failed;
}
