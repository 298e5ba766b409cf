/* probe.h: the clock that load traffic carries with it.
 *
 * A load request holds a *tag* in the text of its last user message: "mohs-probe:" and 16 hex digits, the id. A mock
 * that sees one answers with *stamps* in its text, one per reply or one per streamed delta: fixed-width ASCII that says
 * which request it answers, which frame of how many it is, when the request came in and when this frame left, both in
 * nanoseconds of CLOCK_MONOTONIC, and a checksum over all of that. The load engine finds the stamps in whatever bytes
 * come back, so one round trip gives client-send to upstream-receive and upstream-send to client-receive, and a frame
 * that was lost, doubled, reordered, altered, or given to the wrong stream is counted.
 *
 * The characters are lower-case hex digits, letters, '.', ':', '-' and ';': none is touched by JSON escaping (nor by
 * encoders that escape '<', '>', '&' or '/'), so no JSON parser is needed to find them, however often a gateway
 * translates. What a gateway must not do is cut one stamp into two deltas: that is counted as altered, rightly, since
 * one upstream delta no longer is one delta downstream.
 *
 *     mohs-stamp:IIIIIIIIIIIIIIII.kSSSSSSSS.TTTTTTTT.RRRRRRRRRRRRRRRR.XXXXXXXXXXXXXXXX.CCCCCCCC;
 *                id               seq       total    received_ns      sent_ns          checksum
 *
 * Nothing here allocates. Instants of two hosts do not compare: the reader must know that both ran on one.
 */
#ifndef MOHS_PROBE_H
#define MOHS_PROBE_H

#include "protocol/base.h"

#define PROBE_TAG_PREFIX   "mohs-probe:"
#define PROBE_TAG_SIZE     27 /* no NUL among them */
#define PROBE_STAMP_PREFIX "mohs-stamp:"
#define PROBE_STAMP_SIZE   90 /* likewise */

/* What the stamp travels in; the byte k of the stamp. */
enum probe_kind {
    PROBE_TEXT = 't',      /* a text delta */
    PROBE_REASONING = 'r', /* a reasoning delta */
    PROBE_TOOL = 'a',      /* a delta of tool arguments */
    PROBE_UNARY = 'u'      /* the text of a reply that is not streamed: seq 0, total 1 */
};

struct probe_stamp {
    uint64_t id;
    enum probe_kind kind;
    uint32_t seq;         /* from 0, over all kinds of one reply */
    uint32_t total;       /* how many stamps this reply holds, all kinds together */
    uint64_t received_ns; /* when the upstream had read the request */
    uint64_t sent_ns;     /* when the upstream gave this frame to its socket; 0: not yet */
};

/* ---- the request ---- */

void probe_tag_write(uint64_t id, char out[PROBE_TAG_SIZE]);
/* The last well-formed tag in `text` (a prompt, or the raw bytes of a whole request body). False: there is none. */
bool probe_tag_find(struct span text, uint64_t *id);

/* ---- the sender of stamps ---- */

/* All PROBE_STAMP_SIZE bytes, checksum included; sent_ns is best 0 until probe_stamp_send(). */
void probe_stamp_write(const struct probe_stamp *stamp, char out[PROBE_STAMP_SIZE]);
/* Where the first stamp prefix with room for a whole stamp lies; SIZE_MAX: nowhere. */
size_t probe_stamp_offset(struct span bytes);
/* Put the send instant into a stamp that lies at `stamp`, in place; the length does not change. The checksum follows
 * without being made anew: a stamp that was corrupted before stays corrupt. CRCs around it are the caller's. */
void probe_stamp_send(unsigned char *stamp, uint64_t sent_ns);

/* ---- the reader of stamps ---- */

/* Whether the PROBE_STAMP_SIZE bytes at p are a stamp with a right checksum. */
bool probe_stamp_read(const unsigned char *p, struct probe_stamp *out);

enum probe_found {
    PROBE_MORE,   /* all that was fed has been looked at */
    PROBE_STAMP,  /* *stamp is filled */
    PROBE_ALTERED /* a prefix, but not followed by a stamp with a right checksum */
};

/* Finds stamps in pushed bytes wherever these are cut. Between feed and the PROBE_MORE the fed bytes must stay. */
struct probe_scanner { /* zeroed: ready */
    struct span in;
    size_t held_n;
    unsigned char held[PROBE_STAMP_SIZE]; /* the head of what may become a stamp */
};

void probe_scanner_reset(struct probe_scanner *s);
void probe_scanner_feed(struct probe_scanner *s, struct span bytes);
enum probe_found probe_scanner_next(struct probe_scanner *s, struct probe_stamp *stamp);
/* The stream has ended: true when it ended inside a stamp (altered, once). */
bool probe_scanner_cut(const struct probe_scanner *s);

#endif
