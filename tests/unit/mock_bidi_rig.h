/* mock_bidi_rig.h: a peer of InvokeModelWithBidirectionalStream over raw HTTP/2 or TLS, for tests/unit/mock_bidi*.c. It signs
 * each frame, sends the next one when it likes, and reads only inside talk_until(), so that it can be late, silent,
 * wrong or gone.
 */
#ifndef MOHS_TESTS_UNIT_MOCK_BIDI_RIG_H
#define MOHS_TESTS_UNIT_MOCK_BIDI_RIG_H

#include "mock_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SONIC_PATH(model) "/model/" model "/invoke-with-bidirectional-stream"
#define SONIC             SONIC_PATH("amazon.nova-2-sonic-v1%3A0")
#define MS                1000000u

struct talk {
    int fd;
    SSL_CTX *trust; /* NULL: cleartext */
    SSL *ssl;
    nghttp2_session *session;
    int32_t id;
    int status;
    struct buf body, upload;
    size_t uploaded;
    bool upload_over, closed, manual;
    uint32_t code;
    struct sigv4 *sigv4;
    struct sigv4_chain chain;
    int64_t at_s;
    cJSON *events; /* of `body`, as events_of() has them */
    enum es_error end;
};

/* ---- the peer ---- */

static inline ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t n, int flags, void *ctx)
{
    struct talk *t = ctx;
    (void)session, (void)flags;
    ssize_t sent = t->ssl ? SSL_write(t->ssl, bytes, (int)n) : send(t->fd, bytes, n, MSG_NOSIGNAL);
    return sent > 0 ? sent : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static inline int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    struct talk *t = ctx;
    (void)session, (void)flags, (void)frame, (void)value_n;
    if (span_is((struct span){name, name_n}, ":status"))
        t->status = atoi((const char *)value);
    return 0;
}

static inline int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *ctx)
{
    struct talk *t = ctx;
    (void)session, (void)flags, (void)id;
    buf_add(&t->body, (struct span){bytes, n});
    return 0;
}

static inline int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct talk *t = ctx;
    (void)session, (void)id;
    t->closed = true;
    t->code = code;
    return 0;
}

static inline ssize_t give(nghttp2_session *session, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                    nghttp2_data_source *source, void *ctx)
{
    struct talk *t = ctx;
    (void)session, (void)id, (void)source;
    size_t n = t->upload.len - t->uploaded < max ? t->upload.len - t->uploaded : max;
    if (n > 0)
        memcpy(to, t->upload.data + t->uploaded, n);
    t->uploaded += n;
    if (n == 0 && !t->upload_over)
        return NGHTTP2_ERR_DEFERRED;
    if (t->uploaded == t->upload.len && t->upload_over)
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

static inline int dial_port(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

struct manner {
    const char *path, *fault; /* NULL: SONIC; no header */
    bool unsigned_, manual;   /* manual: windows open by hand only */
    const char *bearer, *secret; /* secret NULL: the right one */
    const cJSON *captured;       /* NULL; or the head of a recorded request, which is sent as it was */
    const char *ca_file;         /* NULL: cleartext; else TLS, h2 by ALPN */
    const char *content_sha256;  /* NULL: that of signed events; "": no such header */
};

/* Shaken hands, or the test ends: the certificate must be for 127.0.0.1, and ALPN must choose h2. */
static inline void talk_over_tls(struct talk *t, const char *ca_file)
{
    const unsigned char *chosen = NULL;
    unsigned n = 0;
    t->trust = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_clear_mode(t->trust, SSL_MODE_AUTO_RETRY); /* a ticket alone is not waited behind */
    CU_ASSERT_EQUAL_FATAL(SSL_CTX_load_verify_locations(t->trust, ca_file, NULL), 1);
    SSL_CTX_set_verify(t->trust, SSL_VERIFY_PEER, NULL);
    t->ssl = SSL_new(t->trust);
    (void)X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), "127.0.0.1");
    (void)SSL_set_alpn_protos(t->ssl, (const unsigned char *)"\2h2", 3);
    (void)SSL_set_fd(t->ssl, t->fd);
    CU_ASSERT_EQUAL_FATAL(SSL_connect(t->ssl), 1);
    SSL_get0_alpn_selected(t->ssl, &chosen, &n);
    CU_ASSERT_FATAL(n == 2 && memcmp(chosen, "h2", 2) == 0);
}

/* What came within so long; 0: nothing, -1: it is over. */
static inline ssize_t talk_recv(struct talk *t, unsigned char *to, size_t n, int ms)
{
    struct pollfd at = {.fd = t->fd, .events = POLLIN};
    if (!(t->ssl && SSL_has_pending(t->ssl)) && poll(&at, 1, ms) <= 0)
        return 0;
    ssize_t got = t->ssl ? SSL_read(t->ssl, to, (int)n) : recv(t->fd, to, n, 0);
    if (got > 0)
        return got;
    return t->ssl && SSL_get_error(t->ssl, (int)got) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static inline void ask_signed(struct talk *t, uint16_t port, const struct manner *m)
{
    char host[32];
    (void)snprintf(host, sizeof host, "127.0.0.1:%u", port);
    const char *path = m->path ? m->path : SONIC;
    const char *hash = m->content_sha256 ? m->content_sha256 : SIGV4_STREAMING_EVENTS;
    struct sigv4_header headers[] = {{span_of(":authority"), span_of(host)},
                                     {span_of("x-amz-content-sha256"), span_of(hash)}};
    struct sigv4_request r = {.method = span_of("POST"), .path = span_of(path), .headers = headers};
    r.header_count = *hash ? 2 : 1;
    struct sigv4_signing how = {.access_key = span_of(MOCK_DEFAULT_ACCESS_KEY),
                                .secret = span_of(m->secret ? m->secret : MOCK_DEFAULT_SECRET),
                                .region = span_of("us-east-1"),
                                .service = span_of("bedrock"),
                                .at_s = t->at_s};
    struct sigv4_signed s;
    sigv4_signed_init(&s);
    CU_ASSERT_EQUAL_FATAL(sigv4_sign(t->sigv4, &r, &how, &s, NULL), OK);
    struct sigv4_scope scope = {span_of("20000101"), how.region, how.service};
    CU_ASSERT_EQUAL_FATAL(sigv4_chain_init(&t->chain, how.secret, &scope, span_of(s.signature)), OK);
    nghttp2_nv fields[10] = {nv(":method", "POST"), nv(":path", path), nv(":scheme", t->ssl ? "https" : "http"),
                             nv(":authority", host)};
    size_t n = 4;
    if (!m->unsigned_ && !m->bearer) {
        if (*hash)
            fields[n++] = nv("x-amz-content-sha256", hash);
        fields[n++] = nv("x-amz-date", s.date);
        fields[n++] = nv("authorization", buf_text(&s.authorization));
    }
    if (m->bearer)
        fields[n++] = nv("authorization", m->bearer);
    if (m->fault)
        fields[n++] = nv("x-mohs-fault", m->fault);
    nghttp2_data_provider source = {.read_callback = give};
    t->id = nghttp2_submit_request(t->session, NULL, fields, n, &source, NULL);
    sigv4_signed_release(&s);
}

static inline void ask_captured(struct talk *t, const cJSON *request)
{
    nghttp2_nv fields[32] = {nv(":method", json_str(request, "method")), nv(":path", json_str(request, "path")),
                             nv(":scheme", "http")};
    size_t n = 3;
    const cJSON *pair;
    cJSON_ArrayForEach(pair, json_item(request, "headers")) if (n < COUNT_OF(fields)) fields[n++] =
        nv(cJSON_GetArrayItem(pair, 0)->valuestring, cJSON_GetArrayItem(pair, 1)->valuestring);
    nghttp2_data_provider source = {.read_callback = give};
    t->id = nghttp2_submit_request(t->session, NULL, fields, n, &source, NULL);
}

static inline struct talk *talk_new(struct mock *m, const struct manner *manner)
{
    static const struct manner usual = {0};
    struct talk *t = calloc(1, sizeof *t);
    nghttp2_session_callbacks *does = NULL;
    nghttp2_option *option = NULL;
    manner = manner ? manner : &usual;
    t->fd = dial_port(mock_port(m));
    if (manner->ca_file)
        talk_over_tls(t, manner->ca_file);
    t->sigv4 = sigv4_new();
    t->at_s = (int64_t)time(NULL);
    t->manual = manner->manual;
    buf_init(&t->body, BUF_ANY);
    buf_init(&t->upload, BUF_ANY);
    (void)nghttp2_session_callbacks_new(&does);
    (void)nghttp2_option_new(&option);
    nghttp2_session_callbacks_set_send_callback(does, on_send);
    nghttp2_session_callbacks_set_on_header_callback(does, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(does, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(does, on_close);
    nghttp2_option_set_no_auto_window_update(option, t->manual);
    CU_ASSERT_EQUAL_FATAL(nghttp2_session_client_new2(&t->session, does, t, option), 0);
    nghttp2_session_callbacks_del(does);
    nghttp2_option_del(option);
    (void)nghttp2_submit_settings(t->session, 0, NULL, 0);
    if (manner->captured)
        ask_captured(t, manner->captured);
    else
        ask_signed(t, mock_port(m), manner);
    return t;
}

static inline void talk_free(struct talk *t)
{
    SSL_free(t->ssl);
    SSL_CTX_free(t->trust);
    close(t->fd);
    nghttp2_session_del(t->session);
    sigv4_chain_release(&t->chain);
    sigv4_free(t->sigv4);
    buf_release(&t->body);
    buf_release(&t->upload);
    json_free(&t->events);
    free(t);
}

/* Read and write for at most so long, until an event of that name (below the chunk's "event") has come n times, or,
 * with NULL, until the stream is closed. */
static inline size_t talk_count(struct talk *t, const char *name);
static inline bool talk_until(struct talk *t, const char *name, size_t n, int ms)
{
    uint64_t until = now_ns() + (uint64_t)ms * MS;
    for (;;) {
        (void)nghttp2_session_resume_data(t->session, t->id);
        if (nghttp2_session_send(t->session) != 0)
            return false;
        if (name ? talk_count(t, name) >= n : t->closed)
            return true;
        if (now_ns() >= until)
            return false;
        unsigned char part[65536];
        ssize_t got = talk_recv(t, part, sizeof part, 5);
        if (got < 0 || nghttp2_session_mem_recv(t->session, part, (size_t)got) < 0)
            return false;
    }
}

/* Until the peer takes nothing more, or has taken all. */
static inline void talk_until_full(struct talk *t)
{
    uint64_t until = now_ns() + (uint64_t)PATIENCE_MS * MS;
    for (size_t before = SIZE_MAX; t->uploaded != before && now_ns() < until;) {
        before = t->uploaded;
        (void)talk_until(t, NULL, 0, 1000);
    }
}

static const cJSON *talk_events(struct talk *t)
{
    json_free(&t->events);
    t->events = events_of(&t->body, &t->end);
    cJSON *item;
    cJSON_ArrayForEach(item, t->events)
    {
        CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
        cJSON *tree = NULL;
        if (buf_add_unbase64(&bytes, span_of(text_at(item, "/payload/bytes"))) == OK &&
            json_parse(buf_span(&bytes), JSON_COMPACT, &tree, NULL) == OK)
            (void)cJSON_AddItemToObject(item, "said", tree);
    }
    return t->events;
}

static inline size_t talk_count(struct talk *t, const char *name)
{
    const cJSON *item;
    size_t n = 0;
    cJSON_ArrayForEach(item, talk_events(t)) n += json_item(json_item(json_item(item, "said"), "event"), name) != NULL;
    return n;
}

static const cJSON *last_event(struct talk *t)
{
    const cJSON *all = talk_events(t);
    return cJSON_GetArrayItem(all, cJSON_GetArraySize(all) - 1);
}

/* ---- what it says ---- */

static inline void inner_frame(const char *json, struct buf *out)
{
    CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf event = BUF_INIT(BUF_ANY);
    buf_addf(&event, "{\"event\":%s}", json);
    buf_adds(&payload, "{\"bytes\":\"");
    buf_add_base64(&payload, buf_span(&event));
    buf_adds(&payload, "\"}");
    CU_ASSERT_EQUAL(es_encode_event(out, "chunk", buf_span(&payload)), ES_OK);
}

/* What :date looks like, encoded: the headers that are signed. */
static inline void date_header(int64_t at_s, struct buf *out)
{
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    struct es_header h = {.name = span_of(":date"), .type = ES_TIMESTAMP, .number = at_s * 1000};
    CU_ASSERT_EQUAL(es_encode(&h, 1, SPAN_EMPTY, &frame), ES_OK);
    buf_add(out, span_cut(buf_span(&frame), ES_PRELUDE, frame.len - ES_OVERHEAD));
}

static inline void outer_frame(int64_t at_s, struct span inner, const char *hex, struct buf *out)
{
    CLEANUP(buf_release) struct buf raw = BUF_INIT(BUF_ANY);
    CU_ASSERT_EQUAL(buf_add_unhex(&raw, span_of(hex)), OK);
    struct es_header h[] = {{.name = span_of(":date"), .type = ES_TIMESTAMP, .number = at_s * 1000},
                            {.name = span_of(":chunk-signature"), .type = ES_BYTES, .bytes = buf_span(&raw)}};
    CU_ASSERT_EQUAL(es_encode(h, 2, inner, out), ES_OK);
}

static inline void signed_frame(struct talk *t, struct span inner, int64_t signed_s, int64_t stated_s, struct buf *out)
{
    CLEANUP(buf_release) struct buf date = BUF_INIT(BUF_ANY);
    char hex[SIGV4_HEX];
    date_header(stated_s, &date);
    CU_ASSERT_EQUAL(sigv4_chain_sign(&t->chain, t->sigv4, signed_s, buf_span(&date), inner, hex, NULL), OK);
    outer_frame(stated_s, inner, hex, out);
}

static inline void tell(struct talk *t, const char *json)
{
    CLEANUP(buf_release) struct buf inner = BUF_INIT(BUF_ANY);
    inner_frame(json, &inner);
    signed_frame(t, buf_span(&inner), t->at_s, t->at_s, &t->upload);
}

static inline void tell_end(struct talk *t)
{
    signed_frame(t, SPAN_EMPTY, t->at_s, t->at_s, &t->upload);
    t->upload_over = true;
}

#define SESSION_START "{\"sessionStart\":{\"inferenceConfiguration\":{\"maxTokens\":1024,\"topP\":0.9}}}"
#define PROMPT_START  "{\"promptStart\":{\"promptName\":\"p\",\"audioOutputConfiguration\":{\"sampleRateHertz\":8000}}}"
#define AUDIO_START                                                                                                    \
    "{\"contentStart\":{\"promptName\":\"p\",\"contentName\":\"a\",\"type\":\"AUDIO\",\"role\":\"USER\","              \
    "\"audioInputConfiguration\":{\"sampleRateHertz\":16000}}}"
#define AUDIO_END   "{\"contentEnd\":{\"promptName\":\"p\",\"contentName\":\"a\"}}"
#define SESSION_END "{\"sessionEnd\":{}}"

static inline void tell_audio(struct talk *t, size_t samples)
{
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf pcm = BUF_INIT(BUF_ANY);
    for (size_t i = 0; i < samples * 2; i++)
        buf_addc(&pcm, i % 2 ? 0x20 : 0);
    buf_adds(&json, "{\"audioInput\":{\"promptName\":\"p\",\"contentName\":\"a\",\"content\":\"");
    buf_add_base64(&json, buf_span(&pcm));
    buf_adds(&json, "\"}}");
    tell(t, buf_text(&json));
}

static inline void tell_opening(struct talk *t)
{
    tell(t, SESSION_START);
    tell(t, PROMPT_START);
    tell(t, AUDIO_START);
}

/* The journal's entry of the only request, once it has ended. */
static cJSON *journal_entry(struct mock *m)
{
    for (int i = 0; i < PATIENCE_MS / 5; i++, usleep(5000)) {
        CLEANUP(reply_release) struct reply r = admin(m, "GET", "/journal", "");
        const cJSON *entries = json_item(r.json, "entries");
        const cJSON *entry = cJSON_GetArrayItem(entries, cJSON_GetArraySize(entries) - 1);
        if (cJSON_IsObject(json_item(entry, "delivered")))
            return cJSON_Duplicate(entry, true);
    }
    CU_FAIL("the exchange has not ended");
    return NULL;
}

static char logged[4096];
static inline void keep_log(void *ctx, const char *line)
{
    (void)ctx;
    (void)snprintf(logged, sizeof logged, "%s", line);
}

#endif
