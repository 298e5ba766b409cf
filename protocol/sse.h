/* sse.h: server-sent events (text/event-stream), both ways.
 *
 * The rules are those of the HTML standard, section "Server-sent events" (parsing, interpreting an event stream): lines
 * end with CR LF, LF or CR; one BOM at the start is dropped; data lines are joined with LF; an id with U+0000 and a
 * retry that is not all digits are ignored; an event without a data line is not dispatched; what stands after the last
 * blank line when the stream ends is dropped. Two things are left to the caller: bytes are handed on as they
 * came (the standard replaces bad UTF-8 by U+FFFD; a checker wants to see it), and reconnecting.
 */
#ifndef MOHS_SSE_H
#define MOHS_SSE_H

#include "protocol/base.h"
#include "protocol/buf.h"

#define SSE_LINE_MAX  ((size_t)16 << 20) /* one line without its end; a chunk with an image in it is a few MiB */
#define SSE_EVENT_MAX ((size_t)32 << 20) /* the data lines of one event, joined */

struct sse_event {
    struct span type; /* of the event field; "message" when there was none, or an empty one */
    struct span data; /* may be empty ("data:" alone is an event) */
    struct span id;   /* the last event id of the stream so far, which this event need not have set */
};

enum sse_step {
    SSE_EVENT,       /* *event is filled */
    SSE_MORE,        /* all that was fed is used up */
    SSE_LINE_LIMIT,  /* a line is above the ceiling */
    SSE_EVENT_LIMIT, /* an event is */
    SSE_NOMEM
};

/* "event", "more", "line_limit", "event_limit", "nomem". */
const char *sse_step_name(enum sse_step step);

/* What the bytes were like, for those who judge a server rather than use it. */
struct sse_facts {
    uint64_t bytes;
    uint64_t events;         /* dispatched */
    uint64_t comments;       /* lines that begin with a colon; keep-alives */
    uint64_t dropped;        /* blocks with an event field, but without data: never dispatched */
    uint64_t unknown_fields; /* lines whose field name is none of event, data, id, retry */
    uint64_t ends_lf;        /* lines by their end */
    uint64_t ends_cr;
    uint64_t ends_crlf;
    int64_t retry_ms; /* the last valid retry field; -1: none */
    bool bom;
    bool inside_line;  /* after what was fed so far: the last line has no end yet, */
    bool inside_event; /* and: fields, or a piece of one, wait for their blank line */
};

/* Pushed bytes in, events out, as in eventstream.h:
 *
 *     sse_decoder_feed(&d, span);
 *     while ((step = sse_decoder_next(&d, &event)) == SSE_EVENT) ...
 *
 * The fed bytes must stay until next() has said SSE_MORE or failed. An event of one data line that lies in them whole
 * is handed out from there without a copy. Its spans live until the next call on the decoder. A failure is final.
 * An event is dispatched when the first byte of its blank line's end is seen; a LF after a CR is waited for by nobody.
 */
struct sse_decoder {
    struct sse_facts facts; /* anyone may read; whole between two feeds */
    /* The rest is private. */
    size_t line_max;
    size_t event_max;
    struct span in;
    const unsigned char *lf; /* the next LF in `in`, when known_lf; NULL: there is none */
    bool known_lf;
    bool after_cr;
    bool begun;      /* the first line is behind us, where a BOM may stand */
    struct buf line; /* a line that began in an earlier feed */
    bool line_spent;
    struct buf type;
    struct buf data;
    struct span single; /* the one data line of the event, while it lies in `in` and is not in data */
    size_t data_lines;
    struct buf id;
    bool typed;          /* an event field was seen since the last blank line, */
    bool block;          /* and: any field */
    bool handed;         /* the last call gave an event; its parts are to be cleared */
    enum sse_step error; /* SSE_MORE: none */
};

void sse_decoder_init(struct sse_decoder *d); /* with SSE_LINE_MAX and SSE_EVENT_MAX */
void sse_decoder_init_limits(struct sse_decoder *d, size_t line_max, size_t event_max);
void sse_decoder_release(struct sse_decoder *d);
void sse_decoder_reset(struct sse_decoder *d); /* as after init, limits and memory kept */
/* Only when next() has said SSE_MORE since the last feed (asserted), or after a failure (ignored). */
void sse_decoder_feed(struct sse_decoder *d, struct span bytes);
enum sse_step sse_decoder_next(struct sse_decoder *d, struct sse_event *event) MUST_USE;
/* The stream has ended: true when it did so cleanly, false in the middle of an event (see the facts) or after a
 * failure. */
bool sse_decoder_finish(const struct sse_decoder *d) MUST_USE;

/* Append one event: "event: " unless empty, "id: " unless its p is NULL (an empty id with p set resets the
 * client's), one "data: " line per line of data, a blank line. Lines of data end with CR LF, LF or CR, which the
 * client will see as LF. ERR_INVALID, and nothing appended, for an event or id with a line end in it, or an id with
 * U+0000; else the buffer's error. */
enum err sse_encode(struct buf *out, struct span event, struct span data, struct span id) MUST_USE;

#endif
