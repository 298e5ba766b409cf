/* talk.h: one exchange with a client and the upstream call made for it. Private to gateway/.
 *
 * Two ends with lives of their own: the exchange ends when the server says so (answered, or the client left), the call
 * when its last attempt is over. A talk lives as long as either. When the client leaves first, the call is cancelled
 * there and then, whatever it was doing. When the client reads slowly, the call is paused: nothing is buffered beyond
 * TALK_HIGH_WATER and what was already on its way.
 */
#ifndef MOHS_GATEWAY_TALK_H
#define MOHS_GATEWAY_TALK_H

#include "gateway/chat.h"
#include "gateway/cost.h"
#include "gateway/gateway.h"
#include "gateway/sink.h"
#include "gateway/upstream.h"

#define TALK_HIGH_WATER ((size_t)256 << 10) /* bytes waiting for a client before upstream is paused */
#define TALK_LOW_WATER  ((size_t)64 << 10)
#define TALK_ANSWER_MAX ((size_t)64 << 20) /* of a whole answer */

struct gateway_worker {
    struct gateway *gateway;
    struct ledger *ledger;
    struct upstream_worker upstream;
    struct talk *talks; /* those whose exchange is over and whose call is not */
};

struct talk {
    const struct gateway_config *config;
    struct gateway_worker *worker;
    struct exchange *x; /* NULL: over */
    struct mutations *mutations;
    struct upstream_call *call;
    bool native;     /* errors in Bedrock's form */
    bool begun;      /* the head of a stream went out */
    bool ended;      /* the answer is whole, or refused */
    bool blocked;    /* the client has too much to read */
    bool paused;     /* ... and the call was told so */
    bool broken;     /* upstream must be let go as soon as we are out of its callback */
    struct buf path; /* to upstream */
    struct buf sent; /* to upstream; what the translation made */
    struct buf got;  /* a whole answer */
    struct http_headers relayed;
    struct sink sink;
    struct es_decoder es;
    struct chat_request chat;
    struct chat_identity who;
    const char *region; /* of the call; NULL: the gateway's */
    bool accounted;     /* its cost is in the ledger */
    struct chat_stream stream;
    bool stopped; /* native streams: messageStop, or an exception, was seen */
    struct talk *next;
};

/* Routes. They run inside the server's handler. */
void chat_completions(struct talk *t);
/* The client of a call that still runs has left: write down what it will have cost (gateway/ledger.h). */
void chat_left(struct talk *t);
void native_converse(struct talk *t);
void native_converse_stream(struct talk *t);

/* Answers. Each may be given once per talk; none when the client has left. */
void talk_reply(struct talk *t, int status, const char *content_type, struct span body);
void talk_reply_json(struct talk *t, int status, cJSON *take); /* NULL: out of memory, 500 */
void talk_fail(struct talk *t, const struct fail *f);          /* in the dialect of the route */

/* The head of a stream; the items then go to t->sink. */
void talk_begin(struct talk *t, const char *content_type);
void talk_end(struct talk *t, enum plan_end how);

/* Call upstream with t->path and `body`. Fails by itself when that cannot be started. */
void talk_call(struct talk *t, struct span body, const struct upstream_events *events);
/* For data callbacks, first thing: false when the bytes must wait. */
bool talk_ready(struct talk *t);
/* For data callbacks, last thing: notices a slow client, and lets go of a broken upstream. */
void talk_settle(struct talk *t);
/* For done callbacks, first and last: the call is gone; the talk may be. */
void talk_call_over(struct talk *t);
void talk_maybe_free(struct talk *t);
/* Headers of upstream that clients may see: x-amzn-requestid, Retry-After; the error type on native routes. */
void talk_relay(struct talk *t, const struct http_headers *headers);
/* Events of a call: its head relayed, and a whole answer gathered in t->got. */
void talk_on_head(void *talk, const struct http_headers *headers);
bool talk_gather(void *talk, struct span bytes);
/* What an answer of Converse cost, as headers (gateway/cost.h). */
void talk_tell_cost(struct talk *t, const char *model_id, const cJSON *converse);
/* Price an answer, or the metadata event of a stream, and write it down (gateway/ledger.h). */
void talk_account(struct talk *t, const char *model_id, const cJSON *said, struct cost *out);
/* The end of a call that was no success, as a failure to tell. */
void talk_upstream_fail(struct talk *t, const struct upstream_result *r, struct fail *f);

struct talk *talk_new(struct gateway_worker *w, const struct gateway_config *config, struct exchange *x,
                      struct mutations *take);
void talk_free(struct talk *t);

#endif
