/* tls.h: who a server is over TLS: a certificate, its key, and the rules of the handshake.
 *
 * TLS 1.2 and 1.3 (RFC 5246, RFC 8446) by OpenSSL, ALPN `h2` before `http/1.1` (RFC 7301); a client without ALPN is
 * served what its first bytes ask for, as in cleartext. Clients are not asked for certificates. Give it to
 * server_config.tls; several servers and all their workers may share one.
 *
 * The private key of a self-signed identity never leaves the memory of the process, and that of its CA is gone as soon
 * as the one leaf is signed: trusting that CA trusts nothing else, ever.
 */
#ifndef MOHS_TLS_H
#define MOHS_TLS_H

#include <sys/types.h>

#include "protocol/base.h"
#include "protocol/buf.h"

struct tls;

/* From PEM files: the certificate with its chain behind it, and the key, which may stand in the same file. ERR_IO and
 * ERR_INVALID name the file. */
enum err tls_new(const char *certificate_file, const char *key_file, struct tls **out, struct note *note) MUST_USE;
/* A fresh CA and a leaf for localhost, 127.0.0.1, ::1 and `host` (an address or a name; NULL: none more); ca_pem gets
 * what a client must trust. Both hold for a year. ERR_INVALID: no certificate can name such a host. */
enum err tls_new_self_signed(const char *host, struct tls **out, struct buf *ca_pem, struct note *note) MUST_USE;
void tls_free(struct tls *tls); /* after every server that has it; NULL is fine */

/* For tls_certificate.c: takes nothing over. `key` is an EVP_PKEY, `certificate` an X509. */
enum err tls_new_from(void *key, void *certificate, struct tls **out, struct note *note) MUST_USE;

/* ---- one connection's session; no call blocks, and none raises SIGPIPE ---- */

struct tls_session;

enum tls_step {
    TLS_DONE,
    TLS_MORE, /* when the socket can be read, or written, again */
    TLS_FAILED
};

struct tls_session *tls_session_new(struct tls *tls, int fd); /* fd is borrowed; NULL: out of memory */
void tls_session_free(struct tls_session *s);
enum tls_step tls_handshake(struct tls_session *s, struct note *why); /* FAILED: why says what the peer did */
struct span tls_protocol(const struct tls_session *s);                /* ALPN's choice; empty: the peer had none */
/* As recv() and send() with MSG_DONTWAIT: -1 with EAGAIN, 0 when the peer says no more (with or without
 * close_notify). After an EAGAIN the same bytes must be sent again first, as many or more. */
ssize_t tls_recv(struct tls_session *s, void *to, size_t n);
ssize_t tls_send(struct tls_session *s, const void *from, size_t n, bool more_follows);
bool tls_goodbye(struct tls_session *s); /* close_notify; false: the socket is full, once more later */

/* For a client: let an OpenSSL SSL_CTX (net/client.c gets it from libcurl) offer HTTP/2, and nothing else, by ALPN. */
bool tls_offer_http2(void *ssl_ctx);

#endif
