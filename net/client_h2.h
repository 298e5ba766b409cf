/* client_h2.h: a request both ways over HTTP/2, on a connection that libcurl has made (net/client.h, `streams_up`).
 * Private to net/client*.c.
 *
 * libcurl 7.88 does not tell an answer that ends before its request does, so from the connection on (address, TLS, CAs
 * are its business) the stream is libnghttp2's.
 */
#ifndef MOHS_CLIENT_H2_H
#define MOHS_CLIENT_H2_H

#include <curl/curl.h>

#include "net/client.h"

struct client_h2;

struct client_h2_events {
    void (*head)(void *ctx, int status, struct http_headers *headers);
    void (*data)(void *ctx, struct span bytes);
    void (*sent)(void *ctx);
    /* Last, and never from within another function of this header. ERR_CLOSED: cut short. */
    void (*over)(void *ctx, enum err error, const char *text);
};

/* `easy` is connected (CURLOPT_CONNECT_ONLY). NULL: out of memory, or no HTTP/2 session could be begun. */
struct client_h2 *client_h2_new(struct loop *loop, CURL *easy, const char *method, const char *url,
                                const struct http_headers *headers, const struct client_h2_events *events, void *ctx);
void client_h2_free(struct client_h2 *h); /* the connection is the easy handle's */
void client_h2_send(struct client_h2 *h, struct span bytes);
void client_h2_send_end(struct client_h2 *h);
size_t client_h2_unsent(const struct client_h2 *h);

#endif
