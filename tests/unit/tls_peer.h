/* tls_peer.h: the server of server_rig.h with a certificate, and a peer of it that is OpenSSL over a socket of ours.
 *
 * For the tests of TLS connections (tls.c) and of their ends (tls_farewell.c): a peer can stop, leave, or break off at
 * any byte, and tells how its connection ended.
 */
#ifndef MOHS_TESTS_TLS_PEER_H
#define MOHS_TESTS_TLS_PEER_H

#include "server_rig.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "net/tls.h"

static struct tls *identity;
static struct buf ca;

static inline void start_with(struct server_config config)
{
    struct note note = {""};
    buf_reset(&ca);
    CU_ASSERT_EQUAL_FATAL(tls_new_self_signed("gateway.test", &identity, &ca, &note), OK);
    config.tls = identity;
    rig_start_with(config);
}

static inline void start(void)
{
    start_with((struct server_config){.idle_timeout_ms = PATIENCE_MS, .hang_limit_ms = 300, .max_body = 100000});
}

static inline void stop(void)
{
    rig_stop();
    tls_free(identity);
    identity = NULL;
}

/* ---- a peer ---- */

struct peer {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
};

static inline void trust(SSL_CTX *context)
{
    BIO *pem = BIO_new_mem_buf(ca.data, (int)ca.len);
    X509 *x = PEM_read_bio_X509(pem, NULL, NULL, NULL);
    (void)X509_STORE_add_cert(SSL_CTX_get_cert_store(context), x);
    X509_free(x);
    BIO_free(pem);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    (void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_X509_STRICT);
}

/* Over fd, which is taken. Not shaken yet; alpn in wire form or NULL. */
static inline struct peer peer_over(int fd, int version, const char *alpn)
{
    struct peer p = {.fd = fd, .context = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_security_level(p.context, 0);
    (void)SSL_CTX_set_min_proto_version(p.context, version);
    (void)SSL_CTX_set_max_proto_version(p.context, version);
    trust(p.context);
    p.ssl = SSL_new(p.context);
    if (alpn)
        (void)SSL_set_alpn_protos(p.ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    (void)X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(p.ssl), "127.0.0.1");
    (void)SSL_set_fd(p.ssl, p.fd);
    return p;
}

static inline struct peer peer_new(int version, const char *alpn)
{
    return peer_over(dial(), version, alpn);
}

static inline struct peer peer_dial(int version)
{
    struct peer p = peer_new(version, "\x08http/1.1");
    CLAIM(SSL_connect(p.ssl) == 1, "no handshake: %s", ERR_reason_error_string(ERR_peek_error()));
    return p;
}

static inline void peer_free(struct peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->context);
    if (p->fd >= 0)
        close(p->fd);
    ERR_clear_error();
}

static inline void say(struct peer *p, const char *what)
{
    CU_ASSERT_EQUAL(SSL_write(p->ssl, what, (int)strlen(what)), (int)strlen(what));
}

static inline void ask(struct peer *p, const char *path, const char *more)
{
    char request[256];
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\n%s\r\n", path, more);
    say(p, request);
}

enum ending { REACHED, NOTIFIED, TRUNCATED, RESET, SILENT };
static const char *const ending_names[] = {"reached", "notified", "truncated", "reset", "silent"};

/* Of an SSL_read() that gave nothing, with no error queued and errno 0 before it. */
static inline enum ending ending_of(const struct peer *p, int got)
{
    int error = SSL_get_error(p->ssl, got);
    if (error == SSL_ERROR_ZERO_RETURN)
        return NOTIFIED;
    if (error == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return TRUNCATED;
    return errno == ECONNRESET || errno == EPIPE ? RESET : SILENT; /* EPIPE: behind a FIN (tcp(7)) */
}

/* Read until `end` is the end of what came, or the connection ends: how. */
static inline enum ending hear(struct peer *p, struct buf *in, const char *end)
{
    size_t n = end ? strlen(end) : 0;
    for (;;) {
        if (end && in->len >= n && memcmp(in->data + in->len - n, end, n) == 0)
            return REACHED;
        char part[65536];
        ERR_clear_error();
        errno = 0;
        int got = SSL_read(p->ssl, part, sizeof part);
        if (got > 0) {
            buf_add(in, (struct span){(unsigned char *)part, (size_t)got});
            continue;
        }
        return ending_of(p, got);
    }
}

static inline const char *body_of(const struct buf *in)
{
    const char *body = strstr(buf_text(in), "\r\n\r\n");
    return body ? body + 4 : "(no head)";
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* ---- ways to leave ---- */

static inline void close_only(struct peer *p)
{
    close(p->fd);
    p->fd = -1;
}

static inline void notify_only(struct peer *p)
{
    (void)SSL_shutdown(p->ssl);
}

static inline void half_close(struct peer *p)
{
    (void)shutdown(p->fd, SHUT_WR);
}

static inline void reset_only(struct peer *p)
{
    struct linger none = {1, 0};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close_only(p);
}

#endif
