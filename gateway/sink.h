/* sink.h: the way of a streamed answer to the client: items in, through the mutations, onto the exchange.
 *
 * Without mutations an item is written the moment it is put. With them, each mutation of the list is a stage that items
 * pass in order; a stage may drop, repeat, change or hold what comes by. Used for both kinds of stream: chunks become
 * server-sent events, frames go as they are.
 */
#ifndef MOHS_GATEWAY_SINK_H
#define MOHS_GATEWAY_SINK_H

#include "gateway/mutate.h"
#include "net/server.h"

enum sink_kind {
    SINK_CHUNK, /* json */
    SINK_TAIL,  /* json; the finish, the usage: no content comes behind it */
    SINK_ERROR, /* json: the error object */
    SINK_DONE,  /* neither */
    SINK_FRAME, /* raw: an event stream frame */
    SINK_TAIL_FRAME,
    SINK_ERROR_FRAME,
    SINK_RAW /* raw bytes that no stage looks into */
};

struct sink_item {
    enum sink_kind kind;
    cJSON *json;
    struct buf raw;
};

struct sink_stage;

struct sink {
    struct exchange *x; /* NULL: the client has left, and what is put is lost */
    const struct mutations *mutations;
    struct sink_stage *stages;
    size_t stage_count;
    size_t waiting; /* bytes in the exchange, as of the last write */
    cJSON *last;    /* the last chunk that came in, for those stages that make one of their own */
    struct buf scratch;
};

enum err sink_init(struct sink *s, struct exchange *x, const struct mutations *m) MUST_USE;
void sink_release(struct sink *s);
void sink_put_json(struct sink *s, enum sink_kind kind, cJSON *take);
void sink_put_bytes(struct sink *s, enum sink_kind kind, struct span bytes);
void sink_end(struct sink *s, enum plan_end how); /* what stages hold goes out first */

#endif
