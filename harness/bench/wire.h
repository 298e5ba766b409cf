/* wire.h: the client's half of HTTP/1.1 (RFC 9112): one answer after the other out of pushed bytes.
 *
 * Knows status lines, Content-Length, chunked bodies with extensions and trailers, bodies that last until the
 * connection closes, 1xx answers (skipped), and answers without a body (204, 304). Keeps no bytes but those of a head
 * that is cut between two reads. Bad framing is WIRE_BAD, with a word for it in `why`; the connection cannot be used
 * after it.
 */
#ifndef MOHS_BENCH_WIRE_H
#define MOHS_BENCH_WIRE_H

#include "protocol/buf.h"

enum wire_step {
    WIRE_MORE, /* all bytes are used up */
    WIRE_HEAD, /* status and the fields below are known */
    WIRE_BODY, /* *body holds some bytes of the body, without framing */
    WIRE_DONE, /* the answer is complete; what is left of the input lies behind it */
    WIRE_BAD
};

enum wire_type { WIRE_OTHER, WIRE_JSON, WIRE_SSE, WIRE_EVENTSTREAM }; /* of Content-Type */

struct wire { /* zeroed but for `head`: wire_init */
    int status;
    enum wire_type type;
    bool keep;       /* the connection may be used again */
    const char *why; /* of WIRE_BAD */
    /* The rest is private. */
    int state;
    bool chunked, sized;
    uint64_t left;   /* bytes of the body, or of the chunk */
    unsigned digits; /* of a chunk size so far */
    unsigned line;   /* bytes of a chunk line or trailer section so far */
    bool blank;      /* the trailer line so far is empty */
    struct buf head; /* the head, while it is cut */
};

void wire_init(struct wire *w, size_t head_max);
void wire_release(struct wire *w);
void wire_reset(struct wire *w); /* ready for the next answer */
/* One step; *in is moved behind what was used. */
enum wire_step wire_next(struct wire *w, struct span *in, struct span *body);
/* The peer closed: true when that ends the answer as it should. */
bool wire_closed(const struct wire *w);
bool wire_begun(const struct wire *w); /* at least one byte of an answer was seen */

#endif
