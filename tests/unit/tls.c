/* The server over TLS: OpenSSL as the client where the end of a connection matters, libcurl where HTTP/2 does.
 *
 * The server and its scripts are those of server_rig.h; what is asked here is what cleartext cannot show: handshakes,
 * who is told what when one fails, and that every end of an answer ends the real connection as it should.
 */
#include "tls_peer.h"

#include <curl/curl.h>

static bool logged(const char *words)
{
    for (uint64_t until = now_ns() + PATIENCE_MS * MS; now_ns() < until; usleep(500)) {
        pthread_mutex_lock(&rig.lock);
        bool there = strstr(rig.log, words) != NULL;
        pthread_mutex_unlock(&rig.lock);
        if (there)
            return true;
    }
    return false;
}

/* ---- what every end looks like ---- */

static void every_end_of_an_answer_is_that_of_the_connection(void)
{
    static const struct {
        const char *path, *more, *body;
        enum ending ending;
        uint64_t bytes;
        size_t events;
        enum delivery_end end;
    } rows[] = {
        {"/joined", "", "1e\r\n012345678901234567890123456789\r\n0\r\n\r\n", REACHED, 30, 3, DELIVERY_COMPLETE},
        {"/joined", "Connection: close\r\n", "1e\r\n012345678901234567890123456789\r\n0\r\n\r\n", NOTIFIED, 30, 3,
         DELIVERY_COMPLETE},
        {"/stamped", "", "1e\r\nA123456789B123456789C123456789\r\n0\r\n\r\n", REACHED, 30, 3, DELIVERY_COMPLETE},
        {"/alone", "", "4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n0\r\n\r\n", REACHED,
         20, 2, DELIVERY_COMPLETE},
        {"/slow-unary", "", "0123456789", REACHED, 10, 0, DELIVERY_COMPLETE},
        {"/later", "", "later", REACHED, 5, 0, DELIVERY_COMPLETE},
        {"/written", "", "9\r\nearlybird\r\n0\r\n\r\n", REACHED, 9, 0, DELIVERY_COMPLETE},
        {"/fin", "", "19\r\n0123456789012345678901234\r\n", TRUNCATED, 25, 2, DELIVERY_COMPLETE},
        {"/fin-length", "", "01234", TRUNCATED, 5, 0, DELIVERY_COMPLETE},
        {"/short", "", "0123456789", TRUNCATED, 10, 0, DELIVERY_COMPLETE},
        {"/rst", "", "19\r\n0123456789012345678901234\r\n", RESET, 25, 2, DELIVERY_COMPLETE},
        {"/rst-length", "", "01234", RESET, 5, 0, DELIVERY_COMPLETE},
        {"/hang", "", "19\r\n0123456789012345678901234\r\n", TRUNCATED, 25, 2, DELIVERY_TIMED_OUT},
        {"/stall", "", "a\r\n0123456789\r\n", TRUNCATED, 10, 1, DELIVERY_TIMED_OUT},
    };
    start();
    size_t asked = 0;
    for (size_t v = 0; v < COUNT_OF(versions); v++)
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
            struct peer p = peer_dial(versions[v]);
            ask(&p, rows[i].path, rows[i].more);
            enum ending ending = hear(&p, &in, rows[i].ending == REACHED ? rows[i].body : NULL);
            CLAIM(ending == rows[i].ending, "%s ends %s, not %s", rows[i].path, ending_names[ending],
                  ending_names[rows[i].ending]);
            CLAIM(strcmp(body_of(&in), rows[i].body) == 0, "%s: %s", rows[i].path, body_of(&in));
            struct delivery d = delivery_of(++asked);
            CLAIM(d.end == rows[i].end && d.bytes == rows[i].bytes && d.events == rows[i].events,
                  "%s: end %d, %llu bytes, %zu events", rows[i].path, (int)d.end, (unsigned long long)d.bytes,
                  d.events);
            peer_free(&p);
        }
    stop();
}

/* One chunk for each piece, or for several that are late together. */
static void a_paced_answer_comes_whole(void)
{
    start();
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        struct peer p = peer_dial(versions[v]);
        ask(&p, "/paced", "");
        CU_ASSERT_EQUAL(hear(&p, &in, "\r\n0\r\n\r\n"), REACHED);
        size_t digits = 0;
        bool in_order = true;
        char *at = NULL;
        char *line = strtok_r(strstr(in.data, "\r\n\r\n") + 4, "\r\n", &at);
        for (; line; line = strtok_r(NULL, "\r\n", &at))
            for (line = strtok_r(NULL, "\r\n", &at); line && *line; line++, digits++)
                in_order = in_order && *line == (char)('0' + digits % 10);
        CLAIM(digits == 40 && in_order, "%zu digits", digits);
        struct delivery d = delivery_of(v + 1);
        CU_ASSERT_TRUE(d.end == DELIVERY_COMPLETE && d.bytes == 40 && d.events == 4);
        peer_free(&p);
    }
    stop();
}

static void pieces_that_are_alone_are_records_of_their_own(void)
{
    start();
    struct peer p = peer_dial(TLS1_3_VERSION);
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    ask(&p, "/alone", "");
    size_t fours = 0;
    while (in.len == 0 || !strstr(buf_text(&in), "0\r\n\r\n")) {
        char part[65536];
        int n = SSL_read(p.ssl, part, sizeof part); /* never of more than one record */
        if (n <= 0)
            break;
        fours += n == 9 && memcmp(part, "4\r\n", 3) == 0;
        buf_add(&in, (struct span){(unsigned char *)part, (size_t)n});
    }
    CLAIM(fours == 4, "%zu records of 9 bytes", fours);
    peer_free(&p);
    stop();
}

static void a_slow_reader_gets_everything(void)
{
    static const char *const paths[] = {"/big", "/flood", "/big-rst"};
    start();
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        struct peer p = peer_dial(TLS1_3_VERSION);
        ask(&p, paths[i], "");
        usleep(100000);
        bool cut = strcmp(paths[i], "/big-rst") == 0;
        enum ending ending = hear(&p, &in, cut ? NULL : "\r\n0\r\n\r\n");
        size_t want = cut ? 5000000 : 16777216;
        CLAIM(ending == (cut ? RESET : REACHED) && in.len > want && in.len < want + 100000, "%s: %s after %zu bytes",
              paths[i], ending_names[ending], in.len);
        CU_ASSERT_EQUAL(delivery_of(i + 1).bytes, want);
        peer_free(&p);
    }
    stop();
}

/* What HTTP is done with, and closed, is still on its way to a peer that does not read yet. */
static void a_slow_reader_gets_everything_of_a_connection_that_closes(void)
{
    enum { BODY = 6000000 };
    start_with((struct server_config){.idle_timeout_ms = PATIENCE_MS, .max_body = BODY});
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    struct peer p = peer_dial(TLS1_3_VERSION);
    buf_addf(&out, "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", BODY);
    for (size_t i = 0; i < BODY; i++)
        buf_addc(&out, (char)('a' + i % 26));
    CU_ASSERT_EQUAL(SSL_write(p.ssl, out.data, (int)out.len), (int)out.len);
    usleep(100000);
    while (in.len < BODY - 1000000) { /* slowly at first; then not at all for a while, with the end on its way */
        char part[16384];
        int got = SSL_read(p.ssl, part, sizeof part);
        if (got <= 0)
            break;
        buf_add(&in, (struct span){(unsigned char *)part, (size_t)got});
    }
    usleep(300000);
    CU_ASSERT_EQUAL(hear(&p, &in, NULL), NOTIFIED);
    CLAIM(in.len > BODY && memcmp(in.data + in.len - 1000, out.data + out.len - 1000, 1000) == 0, "%zu bytes", in.len);
    peer_free(&p);
    stop();
}

/* ---- requests ---- */

static void requests_come_whole_however_they_are_cut(void)
{
    start();
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        struct peer p = peer_dial(versions[v]);
        for (const char *c = "POST /echo/a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"; *c; c++)
            CU_ASSERT_EQUAL(SSL_write(p.ssl, c, 1), 1);
        (void)hear(&p, &in, "|body");
        CLAIM(strcmp(body_of(&in), "POST|/echo/a||1|Host=h;Content-Length=4;|body") == 0, "got %s", body_of(&in));
        buf_reset(&in);
        say(&p, "GET /paced HTTP/1.1\r\nHost: h\r\n\r\nGET /joined HTTP/1.1\r\nHost: h\r\n\r\nGET /echo-end "
                "HTTP/1.1\r\nHost: h\r\n\r\n");
        (void)hear(&p, &in, "Host=h;|");
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "/echo-end||4|"));
        CU_ASSERT_PTR_NOT_NULL(
            strstr(buf_text(&in), "\r\n1e\r\n012345678901234567890123456789\r\n0\r\n\r\nHTTP/1.1 200"));
        peer_free(&p);
    }
    stop();
}

/* Far more than the pair between session and libmicrohttpd holds, while nobody reads it. */
static void a_flood_of_requests_waits_for_its_answers(void)
{
    start_with((struct server_config){.idle_timeout_ms = PATIENCE_MS, .max_body = 1000000});
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    struct peer p = peer_dial(TLS1_3_VERSION);
    buf_adds(&out,
             "GET /later HTTP/1.1\r\nHost: h\r\n\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n");
    for (size_t i = 0; i < 900000; i++)
        buf_addc(&out, (char)('a' + i % 26));
    buf_adds(&out, "GET /echo-end HTTP/1.1\r\nHost: h\r\n\r\n");
    CU_ASSERT_EQUAL(SSL_write(p.ssl, out.data, (int)out.len), (int)out.len);
    (void)hear(&p, &in, "Host=h;|");
    const char *echo = strstr(buf_text(&in), "Content-Length=900000;|");
    CU_ASSERT_PTR_NOT_NULL_FATAL(echo);
    const char *sent = strstr(buf_text(&out), "900000\r\n\r\n") + 10;
    CU_ASSERT_EQUAL(memcmp(strchr(echo, '|') + 1, sent, 900000), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&in), "GET|/echo-end||3|"));
    peer_free(&p);
    stop();
}

static void too_much_is_refused_with_its_status_and_a_goodbye(void)
{
    CLEANUP(buf_release) struct buf header = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_adds(&header, "GET /echo HTTP/1.1\r\nHost: h\r\nX-Long: ");
    for (size_t i = 0; i < 17000; i++)
        buf_addc(&header, 'x');
    buf_adds(&header, "\r\nConnection: close\r\n\r\n");
    buf_adds(&body, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n");
    for (size_t i = 0; i < 200000; i++)
        buf_addc(&body, 'x');
    CLEANUP(buf_release) struct buf length = BUF_INIT(BUF_ANY);
    buf_adds(&length, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: abc\r\n\r\nabc");
    const struct {
        const struct buf *request;
        const char *status;
    } rows[] = {{&header, "HTTP/1.1 431 "}, {&body, "HTTP/1.1 413 "}, {&length, "HTTP/1.1 400 "}};
    start();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        struct peer p = peer_dial(TLS1_3_VERSION);
        (void)SSL_write(p.ssl, rows[i].request->data, (int)rows[i].request->len);
        enum ending ending = hear(&p, &in, NULL);
        CLAIM(ending == NOTIFIED && strncmp(buf_text(&in), rows[i].status, 13) == 0 &&
                  strstr(buf_text(&in) + 1, "HTTP/1.1") == NULL,
              "%s, %s", ending_names[ending], buf_text(&in));
        peer_free(&p);
    }
    stop();
}

/* ---- peers that leave ---- */

static void a_peer_that_leaves_is_noticed_however_it_does(void)
{
    static void (*const ways[])(struct peer * p) = {close_only, notify_only, half_close, reset_only};
    static const char *const paths[] = {"/never", "/stall", "/gated", "/big", "/flood"};
    start_with((struct server_config){.idle_timeout_ms = 60000, .hang_limit_ms = 60000});
    size_t asked = 0;
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        for (size_t k = 0; k < COUNT_OF(paths); k++) {
            struct peer p = peer_dial(versions[k % 2]);
            ask(&p, paths[k], "");
            for (uint64_t until = now_ns() + PATIENCE_MS * MS; locked(&rig.handled) <= asked && now_ns() < until;)
                usleep(500);
            usleep(k == 1 ? 20000 : 0);
            ways[i](&p);
            struct delivery d = delivery_of(++asked);
            CLAIM(d.end == DELIVERY_PEER_CLOSED, "%s, way %zu: end %d", paths[k], i, (int)d.end);
            peer_free(&p);
        }
    stop();
}

static void a_peer_that_asks_and_leaves_in_one_breath_is_noticed(void)
{
    start_with((struct server_config){.idle_timeout_ms = 60000, .hang_limit_ms = 60000});
    for (size_t i = 0; i < 20; i++) {
        struct peer p = peer_dial(versions[i % 2]);
        ask(&p, "/never", "");
        close_only(&p);
        CU_ASSERT_EQUAL(delivery_of(i + 1).end, DELIVERY_PEER_CLOSED);
        peer_free(&p);
    }
    stop();
}

/* ---- handshakes ---- */

static void nobody_who_does_not_trust_us(struct peer *p)
{
    X509_STORE *none = X509_STORE_new();
    SSL_CTX_set_cert_store(p->context, none);
    (void)SSL_connect(p->ssl);
}

static void shake(struct peer *p)
{
    (void)SSL_connect(p->ssl);
}

static void say_garbage(struct peer *p)
{
    (void)send(p->fd, "\x01\x02garbage", 9, MSG_NOSIGNAL);
}

static void say_half_a_hello(struct peer *p)
{
    (void)send(p->fd, "\x16\x03\x01\x02\x00\x01", 6, MSG_NOSIGNAL);
    half_close(p);
}

static void say_half_a_hello_and_wait(struct peer *p)
{
    (void)send(p->fd, "\x16\x03\x01\x02\x00\x01", 6, MSG_NOSIGNAL);
}

static void failed_handshakes_are_told_in_words(void)
{
    static const struct {
        int version;
        const char *alpn;
        void (*act)(struct peer *p);
        const char *line;
    } rows[] = {
        {TLS1_3_VERSION, NULL, nobody_who_does_not_trust_us, "does not trust the CA of our certificate"},
        {TLS1_2_VERSION, NULL, nobody_who_does_not_trust_us, "does not trust the CA of our certificate"},
        {TLS1_1_VERSION, NULL, shake, "no version of TLS from 1.2 on"},
        {TLS1_3_VERSION, "\x06spdy/3", shake, "neither h2 nor http/1.1"},
        {TLS1_3_VERSION, NULL, say_garbage, "not TLS"},
        {TLS1_3_VERSION, NULL, say_half_a_hello, "left in the middle of it"},
        {TLS1_3_VERSION, NULL, say_half_a_hello_and_wait, "did not go on with it in time"},
    };
    start_with((struct server_config){.handshake_timeout_ms = 3000});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer p = peer_new(rows[i].version, rows[i].alpn);
        rows[i].act(&p);
        CLAIM(logged(rows[i].line), "row %zu: the log says '%s'", i, rig.log);
        char rest[4096];
        ssize_t n = 1;
        while (n > 0)
            n = recv(p.fd, rest, sizeof rest, 0);
        CLAIM(n == 0, "row %zu: the connection does not end in order", i);
        peer_free(&p);
    }
    CLAIM(rig.logs == COUNT_OF(rows), "%zu lines for %zu handshakes", rig.logs, COUNT_OF(rows));
    int fd = dial();
    close(fd);
    struct peer p = peer_dial(TLS1_3_VERSION); /* it serves on; and who says nothing at all is not worth a line */
    CU_ASSERT_EQUAL(locked(&rig.logs), COUNT_OF(rows));
    peer_free(&p);
    stop();
}

static void plain_speakers_are_answered_plainly(void)
{
    start();
    int fd = dial();
    char in[4096] = "";
    const char *request = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    CU_ASSERT_EQUAL(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    ssize_t n = recv(fd, in, sizeof in - 1, MSG_WAITALL);
    const char *body = strstr(in, "\r\n\r\n"), *length = strstr(in, "Content-Length: ");
    CLAIM(n > 0 && strncmp(in, "HTTP/1.1 400 ", 13) == 0 && body && length && strstr(body, "speaks TLS"), "got %s", in);
    if (body && length)
        CU_ASSERT_EQUAL(strlen(body + 4), strtoul(length + 16, NULL, 10));
    CU_ASSERT_TRUE(logged("the peer speaks plain HTTP"));
    close(fd);
    fd = dial();
    CU_ASSERT_EQUAL(send(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, 0), 24);
    n = recv(fd, in, sizeof in - 1, MSG_WAITALL);
    CLAIM(n == 9 + 9 + 28 && in[3] == 4 && in[9 + 3] == 7 && in[9 + 9 + 7] == 12, "%zd bytes", n);
    close(fd);
    stop();
}

static void idle_and_half_made_connections_end_with_the_server(void)
{
    start_with((struct server_config){.idle_timeout_ms = 60000});
    struct peer shaken = peer_dial(TLS1_3_VERSION);
    struct peer open = peer_new(TLS1_3_VERSION, NULL);
    CU_ASSERT_EQUAL(SSL_connect(open.ssl), 1);
    struct peer half = peer_new(TLS1_3_VERSION, NULL);
    say_half_a_hello_and_wait(&half);
    struct peer asking = peer_dial(TLS1_3_VERSION);
    ask(&asking, "/never", "");
    while (locked(&rig.handled) == 0)
        usleep(500);
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    stop();
    CU_ASSERT_EQUAL(hear(&shaken, &in, NULL), NOTIFIED);
    CU_ASSERT_EQUAL(hear(&asking, &in, NULL), TRUNCATED);
    peer_free(&shaken);
    peer_free(&open);
    peer_free(&half);
    peer_free(&asking);
}

static void an_idle_connection_is_closed_with_a_goodbye(void)
{
    start_with((struct server_config){.idle_timeout_ms = 3000});
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    struct peer p = peer_dial(TLS1_2_VERSION);
    ask(&p, "/joined", "");
    CU_ASSERT_EQUAL(hear(&p, &in, "0\r\n\r\n"), REACHED);
    CU_ASSERT_EQUAL(hear(&p, &in, NULL), NOTIFIED);
    peer_free(&p);
    struct peer slow = peer_dial(TLS1_3_VERSION); /* a head that never ends */
    say(&slow, "GET /echo HTTP/1.1\r\nHo");
    CU_ASSERT_NOT_EQUAL(hear(&slow, &in, NULL), SILENT);
    CU_ASSERT_EQUAL(locked(&rig.handled), 1);
    peer_free(&slow);
    stop();
}

/* ---- libcurl: both protocols ---- */

static size_t keep(char *bytes, size_t size, size_t n, void *ctx)
{
    buf_add(ctx, (struct span){(unsigned char *)bytes, size * n});
    return size * n;
}

struct call {
    const char *path;
    long version;  /* CURL_SSLVERSION_... */
    long protocol; /* CURL_HTTP_VERSION_... */
    bool alpn;
    struct span body; /* empty: GET */
};

static CURLcode call(const struct call *c, struct buf *in, long *status, long *protocol)
{
    char url[256];
    (void)snprintf(url, sizeof url, "https://localhost:%u%s", server_port(rig.server), c->path);
    CURL *easy = curl_easy_init();
    struct curl_blob pem = {ca.data, ca.len, CURL_BLOB_NOCOPY};
    struct curl_slist *lines = curl_slist_append(NULL, "Expect:");
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_IPRESOLVE, CURL_IPRESOLVE_V4);
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &pem);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, c->version);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, c->protocol);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, c->alpn ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, in);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    if (c->body.n > 0) {
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)c->body.n);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->body.p);
    }
    CURLcode code = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    (void)curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, protocol);
    curl_slist_free_all(lines);
    curl_easy_cleanup(easy);
    return code;
}

static void both_protocols_serve_every_script(void)
{
    static const struct {
        const char *path, *body;
        enum { WHOLE, CUT, REFUSED } result;
        uint64_t bytes;
    } rows[] = {
        {"/joined", "012345678901234567890123456789", WHOLE, 30},
        {"/paced", "0123456789012345678901234567890123456789", WHOLE, 40},
        {"/slow-unary", "0123456789", WHOLE, 10},
        {"/later", "later", WHOLE, 5},
        {"/written", "earlybird", WHOLE, 9},
        {"/fin", "0123456789012345678901234", CUT, 25},
        {"/rst", "0123456789012345678901234", CUT, 25},
        {"/hang", "0123456789012345678901234", CUT, 25},
    };
    static const struct {
        long protocol;
        bool alpn;
        long got;
    } ways[] = {
        {CURL_HTTP_VERSION_2TLS, true, CURL_HTTP_VERSION_2},
        {CURL_HTTP_VERSION_1_1, true, CURL_HTTP_VERSION_1_1},
        {CURL_HTTP_VERSION_1_1, false, CURL_HTTP_VERSION_1_1},
        {CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE, false, CURL_HTTP_VERSION_2},
    };
    static const long tls[] = {CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2, CURL_SSLVERSION_TLSv1_3};
    start();
    size_t asked = 0;
    for (size_t k = 0; k < COUNT_OF(ways) * COUNT_OF(tls); k++)
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
            struct call c = {rows[i].path, tls[k % 2], ways[k / 2].protocol, ways[k / 2].alpn, SPAN_EMPTY};
            long status = 0, protocol = 0;
            CURLcode code = call(&c, &in, &status, &protocol);
            CLAIM((code == CURLE_OK) == (rows[i].result == WHOLE) && status / 100 == 2 && protocol == ways[k / 2].got,
                  "%s, way %zu: %s, status %ld, HTTP %ld", rows[i].path, k, curl_easy_strerror(code), status, protocol);
            CLAIM(strcmp(buf_text(&in), rows[i].body) == 0, "%s, way %zu: %s", rows[i].path, k, buf_text(&in));
            CU_ASSERT_EQUAL(delivery_of(++asked).bytes, rows[i].bytes);
        }
    stop();
}

static void big_bodies_pass_over_both(void)
{
    static const long protocols[] = {CURL_HTTP_VERSION_2TLS, CURL_HTTP_VERSION_1_1};
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    for (size_t i = 0; i < 3000000; i++)
        buf_addc(&body, (char)('a' + i % 26));
    start_with((struct server_config){.max_body = 3000000});
    for (size_t i = 0; i < COUNT_OF(protocols); i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        long status = 0, protocol = 0;
        struct call c = {"/echo", CURL_SSLVERSION_TLSv1_3, protocols[i], true, buf_span(&body)};
        CLAIM(call(&c, &in, &status, &protocol) == CURLE_OK && status == 200, "status %ld", status);
        CU_ASSERT_TRUE(in.len > body.len && memcmp(in.data + in.len - body.len, body.data, body.len) == 0);
        buf_reset(&in);
        buf_addc(&body, 'x');
        struct call over = {"/echo", CURL_SSLVERSION_TLSv1_3, protocols[i], true, buf_span(&body)};
        (void)call(&over, &in, &status, &protocol);
        CLAIM(status == 413, "over the limit: %ld", status);
        body.len--;
        buf_reset(&in);
        struct call down = {"/big", CURL_SSLVERSION_TLSv1_3, protocols[i], true, SPAN_EMPTY};
        CLAIM(call(&down, &in, &status, &protocol) == CURLE_OK && in.len == (size_t)16 << 20, "%zu bytes", in.len);
    }
    stop();
}

/* ---- who we are ---- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static void write_key(const char *path, bool with_certificate)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    if (with_certificate) {
        X509 *x = X509_new();
        (void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
        (void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
        (void)X509_set_pubkey(x, key);
        (void)X509_sign(x, key, EVP_sha256());
        (void)PEM_write_X509(f, x);
        X509_free(x);
    }
    (void)PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    (void)fclose(f);
    EVP_PKEY_free(key);
}

static void files_that_do_not_fit_are_named(void)
{
    char folder[] = "/tmp/mohs-tls-XXXXXX", both[64], other[64], text[64], none[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    (void)snprintf(both, sizeof both, "%s/both.pem", folder);
    (void)snprintf(other, sizeof other, "%s/other.pem", folder);
    (void)snprintf(text, sizeof text, "%s/text.pem", folder);
    (void)snprintf(none, sizeof none, "%s/none.pem", folder);
    write_key(both, true);
    write_key(other, false);
    write_file(text, "not a certificate\n");
    const struct {
        const char *certificate, *key;
        enum err error;
        const char *words;
    } rows[] = {
        {both, both, OK, ""},
        {none, both, ERR_IO, "none.pem cannot be read: No such file"},
        {both, none, ERR_IO, "none.pem cannot be read: No such file"},
        {text, both, ERR_INVALID, "certificate chain in PEM form"},
        {both, text, ERR_INVALID, "private key in PEM form"},
        {both, other, ERR_INVALID, "other.pem"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct note note = {""};
        struct tls *tls = NULL;
        enum err e = tls_new(rows[i].certificate, rows[i].key, &tls, &note);
        CLAIM(e == rows[i].error && (tls != NULL) == (e == OK) && strstr(note.text, rows[i].words), "row %zu: %s", i,
              note.text);
        tls_free(tls);
    }
    const char *files[] = {both, other, text};
    for (size_t i = 0; i < COUNT_OF(files); i++)
        (void)unlink(files[i]);
    (void)rmdir(folder);
}

static void a_made_certificate_names_its_host_or_is_refused(void)
{
    static const struct {
        const char *host;
        enum err error;
    } rows[] = {
        {NULL, OK},        {"0.0.0.0", OK},      {"::", OK},          {"bedrock-runtime.us-east-1.amazonaws.com", OK},
        {"", ERR_INVALID}, {"a,b", ERR_INVALID}, {"a b", ERR_INVALID}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf pem = BUF_INIT(BUF_ANY);
        struct note note = {""};
        struct tls *tls = NULL;
        CLAIM(tls_new_self_signed(rows[i].host, &tls, &pem, &note) == rows[i].error, "row %zu: %s", i, note.text);
        CU_ASSERT_PTR_NULL(pem.len > 0 ? strstr(buf_text(&pem), "PRIVATE") : NULL);
        tls_free(tls);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every end of an answer is that of the connection", every_end_of_an_answer_is_that_of_the_connection},
        {"a paced answer comes whole", a_paced_answer_comes_whole},
        {"pieces that are alone are records of their own", pieces_that_are_alone_are_records_of_their_own},
        {"a slow reader gets everything", a_slow_reader_gets_everything},
        {"a slow reader gets everything of a connection that closes",
         a_slow_reader_gets_everything_of_a_connection_that_closes},
        {"requests come whole however they are cut", requests_come_whole_however_they_are_cut},
        {"a flood of requests waits for its answers", a_flood_of_requests_waits_for_its_answers},
        {"too much is refused with its status and a goodbye", too_much_is_refused_with_its_status_and_a_goodbye},
        {"a peer that leaves is noticed however it does", a_peer_that_leaves_is_noticed_however_it_does},
        {"a peer that asks and leaves in one breath is noticed", a_peer_that_asks_and_leaves_in_one_breath_is_noticed},
        {"failed handshakes are told in words", failed_handshakes_are_told_in_words},
        {"plain speakers are answered plainly", plain_speakers_are_answered_plainly},
        {"idle and half-made connections end with the server", idle_and_half_made_connections_end_with_the_server},
        {"an idle connection is closed with a goodbye", an_idle_connection_is_closed_with_a_goodbye},
        {"both protocols serve every script", both_protocols_serve_every_script},
        {"big bodies pass over both", big_bodies_pass_over_both},
        {"files that do not fit are named", files_that_do_not_fit_are_named},
        {"a made certificate names its host or is refused", a_made_certificate_names_its_host_or_is_refused},
        CU_TEST_INFO_NULL,
    };
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    buf_init(&ca, BUF_ANY);
    int failed = unit_main("tls", tests);
    curl_global_cleanup();
    buf_release(&ca);
    return failed;
}
