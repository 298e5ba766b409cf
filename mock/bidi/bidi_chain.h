/* bidi_chain.h: the signed frames of a stream both ways: unwrapped, judged, and why one is wrong. For the mock that
 * answers them (bidi.c) and the one that hands them on (mock/record/record_bidi.c).
 */
#ifndef MOHS_MOCK_BIDI_CHAIN_H
#define MOHS_MOCK_BIDI_CHAIN_H

#include "mock/visit.h"
#include "protocol/eventstream.h"

#define CHAIN_REMEMBERED 16 /* signatures that a wrong one is compared with */

enum chain_state {
    CHAIN_UNSIGNED, /* the request was not signed for signed events */
    CHAIN_STRANGER, /* signed with a key nobody knows: frames are unwrapped, not judged */
    CHAIN_VERIFIED  /* judged, each of them */
};
struct chain {
    enum chain_state state;
    bool secret_known; /* the request's signature is right, so the secret is */
    bool announced;    /* by x-amz-content-sha256; else the first frame says whether frames are signed */
    bool required;     /* what is not signed, or signed wrongly, ends the stream */
    struct sigv4_chain sigv4;
    char seed[SIGV4_HEX];
    char date[SIGV4_DATE];                   /* of the request */
    char known[CHAIN_REMEMBERED][SIGV4_HEX]; /* of good frames; frame i is at i % CHAIN_REMEMBERED */
    size_t frames, valid;
    bool broken, ended; /* ended: by the signed frame that holds nothing */
    char diagnosis[400];
    const char *diagnosis_id;
};
void chain_init(struct chain *c, const struct visit *v);
void chain_release(struct chain *c);
/* Unwrap one frame of the client. True: *inner is the frame inside (empty: the end). False: c->diagnosis says why not.
 * `behind`: what has come behind it, to tell a move from a loss. */
bool chain_open(struct chain *c, struct sigv4 *sigv4, const struct mock_clock *clock, const struct es_message *m,
                struct span behind, struct span *inner);
/* What a client whose chain is wrong is told: an error frame, as this is no exception of the model's stream. */
void chain_refusal(struct buf *out);

#endif
