/* gateway.h: the reference gateway: an OpenAI chat endpoint and the native Converse routes in front of a Bedrock.
 *
 * It is the smallest gateway that passes every case of the suite, and the one the suite is proven on: over its control
 * API any answer of it can be mutated by data (gateway/mutate.h). It keeps no state between requests, fetches nothing,
 * and passes no header of a client on. What a chat completion cost is told as gateway/cost.h says.
 *
 *   POST /v1/chat/completions           translated to Converse or ConverseStream (gateway/chat.h)
 *   GET  /v1/models, /v1/models/{name}  the names given by --model
 *   POST /model/{id}/converse[-stream]  passed through, signed anew
 *   GET  /health
 *
 * The control API, on a port of its own: POST /mutate {"mutations":[...]}, POST /reset, GET /mutate.
 */
#ifndef MOHS_GATEWAY_H
#define MOHS_GATEWAY_H

#include "protocol/base.h"

#define GATEWAY_CONTROL_OFF (-1)

struct price_book;

struct gateway_model {
    const char *name;   /* as clients say it */
    const char *id;     /* of Bedrock */
    const char *region; /* to sign for and be charged in; NULL: the gateway's */
};

/* All strings are borrowed and must live until gateway_stop(). */
struct gateway_config {
    const char *upstream; /* "http://127.0.0.1:9555"; a path is put before those of Bedrock */
    const char *host;     /* NULL: 127.0.0.1 */
    uint16_t port;        /* 0: any free one */
    int control_port;     /* 0: any free one; GATEWAY_CONTROL_OFF */
    unsigned workers;     /* 0: 1 */
    const char *region;   /* NULL: us-east-1 */
    const char *access_key, *secret, *session_token; /* session_token: NULL for long-term keys */
    const char *bearer;                              /* a Bedrock API key, used instead of the three; NULL: sign */
    const char *client_key; /* clients must show it as a bearer token or x-api-key; NULL: anybody is served */
    const struct gateway_model *models;
    size_t model_count;
    unsigned retries;                         /* after the first attempt */
    unsigned idle_timeout_ms;                 /* silence of upstream before it is given up; 0: 60,000 */
    const struct price_book *prices;          /* what calls cost (gateway/cost.h); NULL: the program's own */
    bool unverified_prices;                   /* charge also figures that no second source confirms */
    void (*log)(void *ctx, const char *line); /* any thread; NULL: nowhere */
    void *log_ctx;
};

struct gateway;

/* Listening when it returns OK. ERR_INVALID: an upstream that is no http URL. ERR_IO: a port that cannot be bound. */
enum err gateway_start(const struct gateway_config *config, struct gateway **out, struct note *note) MUST_USE;
uint16_t gateway_port(const struct gateway *g);
uint16_t gateway_control_port(const struct gateway *g); /* 0: off */
void gateway_stop(struct gateway *g);                   /* NULL is fine */

#endif
