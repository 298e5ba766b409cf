/* bidi_input.h: the client's half of a stream both ways: bytes in pieces of any size, frames out. For the mock that
 * answers them (bidi.c) and the one that hands them on (mock/record/record_bidi.c).
 *
 * The decoder has one buffer while the next one fills. The client's window opens again when a buffer is used up, so
 * whoever takes no frames for a while holds the client back.
 */
#ifndef MOHS_MOCK_BIDI_INPUT_H
#define MOHS_MOCK_BIDI_INPUT_H

#include "net/server.h"
#include "protocol/json.h"
#include "protocol/eventstream.h"

struct bidi_input {
    struct exchange *exchange;
    struct es_decoder decoder;
    struct buf feeding, waiting; /* with the decoder, and behind it */
    bool fed;
    bool over; /* the client will say no more; set by the owner */
};
void bidi_input_init(struct bidi_input *in, struct exchange *x);
void bidi_input_release(struct bidi_input *in);
bool bidi_input_add(struct bidi_input *in, struct span bytes); /* false: out of memory */
/* ES_OK: one frame, and what is known of the bytes behind it; both hold until the next call. ES_MORE: all is used up.
 * Otherwise the stream is broken (in->decoder explains). */
enum es_error bidi_input_next(struct bidi_input *in, struct es_message *m, struct span *behind) MUST_USE;
/* An event of the client as openings of scripts have it, {"sessionStart": {...}}: without the names that clients make up for
 * each session, and with a digest in place of long strings. NULL: out of memory. */
struct sigv4;
cJSON *bidi_opening_event(const cJSON *event, struct sigv4 *hasher);
bool bidi_input_ended(const struct bidi_input *in); /* all is used up, and it is over */

#endif
