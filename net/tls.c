/* tls.c: OpenSSL sessions over non-blocking sockets.
 *
 * OpenSSL reads and writes through a BIO of ours instead of its own socket BIO, for two reasons: its own raises SIGPIPE
 * when the peer has gone, and ours can hold a packet back for what follows (MSG_MORE). Reading ahead stays off: a
 * record is taken from the kernel when it is asked for, so a loop that watches the socket misses nothing, as long as
 * it reads with room for a whole record (16 KiB).
 *
 * Errors of a handshake are turned into what the peer did, since the person who reads the log has both ends before him.
 */
#include "net/tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

struct tls {
    SSL_CTX *context;
    BIO_METHOD *socket_bio;
};

struct tls_session {
    SSL *ssl;
    int fd;
    bool more;  /* MSG_MORE on what is written now */
    bool ended; /* the socket has no more to read */
    bool dead;  /* a fatal error: OpenSSL must not be asked again */
};

/* ---- the BIO ---- */

static int bio_write(BIO *bio, const char *from, int n)
{
    const struct tls_session *s = BIO_get_data(bio);
    int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (s->more ? MSG_MORE : 0);
    BIO_clear_retry_flags(bio);
    ssize_t sent = send(s->fd, from, (size_t)n, flags);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)sent;
}

static int bio_read(BIO *bio, char *to, int n)
{
    struct tls_session *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t got = recv(s->fd, to, (size_t)n, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_read(bio);
    s->ended = s->ended || got == 0;
    return (int)got;
}

static long bio_control(BIO *bio, int what, long number, void *pointer)
{
    const struct tls_session *s = BIO_get_data(bio);
    (void)number, (void)pointer;
    return what == BIO_CTRL_FLUSH || (what == BIO_CTRL_EOF && s->ended);
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *make_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mohs socket");
    if (m && BIO_meth_set_write(m, bio_write) && BIO_meth_set_read(m, bio_read) && BIO_meth_set_ctrl(m, bio_control) &&
        BIO_meth_set_create(m, bio_create))
        return m;
    BIO_meth_free(m);
    return NULL;
}

/* ---- the context ---- */

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *theirs,
                           unsigned theirs_n, void *ctx)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl, (void)ctx;
    if (SSL_select_next_proto(&chosen, out_n, ours, sizeof ours - 1, theirs, theirs_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 section 3.2 */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void set_rules(SSL_CTX *context)
{
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets resume without memory of ours */
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
}

static enum err context_new(struct tls **out, struct note *note)
{
    *out = NULL;
    struct tls *t = calloc(1, sizeof *t);
    if (!t)
        return note_set(note, ERR_NOMEM, "out of memory for TLS");
    t->context = SSL_CTX_new(TLS_server_method());
    t->socket_bio = make_bio_method();
    if (!t->context || !t->socket_bio) {
        tls_free(t);
        return note_set(note, ERR_NOMEM, "out of memory for TLS");
    }
    set_rules(t->context);
    *out = t;
    return OK;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->socket_bio);
    free(tls);
}

/* OpenSSL's reason for the oldest error; the queue is empty afterwards. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return text ? text : "no reason given";
}

static enum err load_files(struct tls *t, const char *certificate, const char *key, struct note *note)
{
    static const char *const what[] = {"certificate chain", "private key"};
    const char *const files[] = {certificate, key};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        BIO *file = BIO_new_file(files[i], "r");
        bool there = file != NULL;
        BIO_free(file);
        if (!there)
            return note_set(note, ERR_IO, "the %s %s cannot be read: %s", what[i], files[i], strerror(errno));
        bool taken = i == 0 ? SSL_CTX_use_certificate_chain_file(t->context, files[i]) == 1
                            : SSL_CTX_use_PrivateKey_file(t->context, files[i], SSL_FILETYPE_PEM) == 1;
        if (!taken)
            return note_set(note, ERR_INVALID, "no %s in PEM form that can be used is in %s: %s", what[i], files[i],
                            reason());
    }
    return OK;
}

/* A key with a password must not make OpenSSL ask for it on the terminal. */
static int no_password(char *to, int max, int writing, void *ctx)
{
    (void)to, (void)max, (void)writing, (void)ctx;
    return -1;
}

enum err tls_new(const char *certificate_file, const char *key_file, struct tls **out, struct note *note)
{
    ERR_clear_error();
    enum err e = context_new(out, note);
    if (e != OK)
        return e;
    SSL_CTX_set_default_passwd_cb((*out)->context, no_password);
    e = load_files(*out, certificate_file, key_file, note);
    if (e == OK && SSL_CTX_check_private_key((*out)->context) != 1)
        e = note_set(note, ERR_INVALID, "the key of %s is not that of the certificate in %s", key_file,
                     certificate_file);
    ERR_clear_error();
    if (e == OK)
        return OK;
    tls_free(*out);
    *out = NULL;
    return e;
}

enum err tls_new_from(void *key, void *certificate, struct tls **out, struct note *note)
{
    enum err e = context_new(out, note);
    if (e != OK)
        return e;
    if (SSL_CTX_use_certificate((*out)->context, certificate) == 1 && SSL_CTX_use_PrivateKey((*out)->context, key) == 1)
        return OK;
    tls_free(*out);
    *out = NULL;
    return note_set(note, ERR_INVALID, "the certificate cannot be used: %s", reason());
}

/* ---- sessions ---- */

struct tls_session *tls_session_new(struct tls *tls, int fd)
{
    struct tls_session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->fd = fd;
    s->ssl = SSL_new(tls->context);
    BIO *bio = s->ssl ? BIO_new(tls->socket_bio) : NULL;
    if (!bio) {
        tls_session_free(s);
        return NULL;
    }
    BIO_set_data(bio, s);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_accept_state(s->ssl);
    return s;
}

void tls_session_free(struct tls_session *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    free(s);
}

/* What the peer did, by OpenSSL's reason for the error. */
static const char *what_happened(int code)
{
    static const struct {
        int code;
        const char *text;
    } rows[] = {
        {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the peer does not trust the CA of our certificate (its alert: unknown_ca)"},
        {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the peer refuses our certificate (its alert: bad_certificate)"},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the peer refuses our certificate (its alert: certificate_unknown)"},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
         "our certificate is out of date (the peer's alert: certificate_expired)"},
        {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the peer wants another version of TLS (its alert: protocol_version)"},
        {SSL_R_UNSUPPORTED_PROTOCOL, "the peer offers no version of TLS from 1.2 on"},
        {SSL_R_NO_SHARED_CIPHER, "the peer offers no cipher that our certificate can serve"},
        {SSL_R_NO_APPLICATION_PROTOCOL, "the peer's ALPN offers neither h2 nor http/1.1"},
        {SSL_R_UNEXPECTED_EOF_WHILE_READING, "the peer left in the middle of it"},
        {SSL_R_HTTP_REQUEST, "the peer speaks plain HTTP"},
        {SSL_R_WRONG_VERSION_NUMBER, "what the peer sends is not TLS"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].code == code)
            return rows[i].text;
    return NULL;
}

static enum tls_step explain(struct tls_session *s, int error, struct note *why)
{
    int code = ERR_GET_REASON(ERR_peek_error());
    const char *known = error == SSL_ERROR_SYSCALL ? "the peer left in the middle of it" : what_happened(code);
    s->dead = true;
    (void)note_set(why, OK, "%s", known ? known : reason());
    ERR_clear_error();
    return TLS_FAILED;
}

enum tls_step tls_handshake(struct tls_session *s, struct note *why)
{
    ERR_clear_error();
    int done = SSL_accept(s->ssl);
    if (done == 1)
        return TLS_DONE;
    int error = SSL_get_error(s->ssl, done);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? TLS_MORE : explain(s, error, why);
}

struct span tls_protocol(const struct tls_session *s)
{
    struct span chosen = SPAN_EMPTY;
    unsigned n = 0;
    SSL_get0_alpn_selected(s->ssl, &chosen.p, &n);
    chosen.n = n;
    return chosen;
}

/* What recv() or send() would say of a call that moved nothing. */
static ssize_t failed(struct tls_session *s, int returned)
{
    int error = SSL_get_error(s->ssl, returned);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    s->dead = true;
    ERR_clear_error();
    errno = ECONNRESET;
    return -1;
}

ssize_t tls_recv(struct tls_session *s, void *to, size_t n)
{
    size_t got = 0;
    if (s->dead)
        return 0;
    ERR_clear_error();
    int ok = SSL_read_ex(s->ssl, to, n, &got);
    if (ok == 1)
        return (ssize_t)got;
    ssize_t why = failed(s, ok);
    return s->dead ? 0 : why;
}

ssize_t tls_send(struct tls_session *s, const void *from, size_t n, bool more_follows)
{
    size_t sent = 0;
    if (s->dead) {
        errno = EPIPE;
        return -1;
    }
    ERR_clear_error();
    s->more = more_follows;
    int ok = SSL_write_ex(s->ssl, from, n, &sent);
    s->more = false;
    if (ok == 1)
        return (ssize_t)sent;
    ssize_t why = failed(s, ok);
    if (why != 0)
        return why;
    /* The socket is broken behind the peer's close_notify, which OpenSSL calls an end. A caller that is told 0 asks again
     * for ever, as libnghttp2 does. */
    s->dead = true;
    errno = EPIPE;
    return -1;
}

bool tls_goodbye(struct tls_session *s)
{
    if (s->dead)
        return true;
    ERR_clear_error();
    int done = SSL_shutdown(s->ssl);
    bool full = done < 0 && SSL_get_error(s->ssl, done) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return !full;
}

/* ---- clients ---- */

bool tls_offer_http2(void *ssl_ctx)
{
    static const unsigned char h2[] = {2, 'h', '2'};
    return SSL_CTX_set_alpn_protos(ssl_ctx, h2, sizeof h2) == 0;
}
