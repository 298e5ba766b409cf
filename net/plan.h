/* plan.h: a reply, complete before its first byte is sent: status, headers, and pieces of body with due times.
 *
 * An operation returns a plan; a fault is a function from plan to plan; the server paces the plan out and knows
 * nothing of Bedrock. What a fault can do is what these fields can say: a cut drops the pieces behind byte N and
 * changes `end`; a split makes two pieces of one with a pause between; a stall is a piece that is never due; bytes
 * are corrupted in place. Every operation has every fault for free, over HTTP/1.1 and HTTP/2 alike.
 */
#ifndef MOHS_PLAN_H
#define MOHS_PLAN_H

#include "net/http.h"

#define PLAN_CHUNKED  ((int64_t)-1) /* content_length of a body of unknown length */
#define PLAN_NEVER    UINT64_MAX    /* after_ns of a piece that is never sent: silence until the peer leaves */
#define PLAN_NO_EVENT SIZE_MAX

enum plan_end {
    PLAN_END_CLEAN, /* the last chunk, the connection kept */
    PLAN_END_FIN,   /* the connection closed without the last chunk or the promised length */
    PLAN_END_RST,   /* the connection reset (HTTP/2: RST_STREAM) */
    PLAN_END_HANG   /* silence until the peer leaves or the server's limit */
};

/* What a proper server would not do with the head of a reply, or around its body. */
enum plan_oddity {
    PLAN_NO_HEAD = 1,           /* `end` comes in place of the head (CLEAN counts as FIN) */
    PLAN_BAD_STATUS = 2,        /* a status nobody can read */
    PLAN_TWO_LENGTHS = 4,       /* Content-Length twice, and they differ */
    PLAN_LENGTH_AND_CHUNKS = 8, /* Content-Length beside Transfer-Encoding */
    PLAN_BAD_CHUNK = 16,        /* something that is no chunk in place of the last one; HTTP/2: RST_STREAM */
    PLAN_UNTIL_CLOSE = 32       /* HTTP/1.0, no length: the body ends with the connection; HTTP/2: nothing odd */
};

/* Over HTTP/1.1 the server spells such a reply itself, byte for byte, and closes the connection behind it. Over HTTP/2
 * heads cannot be cut: a slow one comes whole after the same time; transfer-encoding and a second content-length stand
 * in the head, which makes it malformed (RFC 9113 section 8.2.2). */
struct plan_wire {
    unsigned odd;              /* of enum plan_oddity */
    uint64_t head_pause_ns;    /* before each byte of the head but the first; 0: whole */
    int interim;               /* a 1xx status before the head ... */
    unsigned interim_times;    /* ... as many times ... */
    uint64_t interim_pause_ns; /* ... and the wait between the last of them and the head */
};

/* Bytes that fall due together. */
struct plan_piece {
    size_t from, n;    /* in plan->bytes */
    uint64_t after_ns; /* counted from the due instant of the piece before (of the head, for the first); 0: at once */
    char *gate;        /* hold here until this gate opens, then count after_ns from that instant; owned by the plan */
    bool alone;        /* its own write: never joined with neighbours due at the same time */
    size_t event;      /* number of the event that ends with this piece, or PLAN_NO_EVENT; for the journal. Event
                        * numbers start at 0 and are unique in a plan. */
};

struct plan {
    int status;
    struct http_headers
        headers;            /* all but Date, Content-Length, Transfer-Encoding and Connection, which the server makes */
    uint64_t head_after_ns; /* the wait before the status line; counted from exchange_reply() */
    char *head_gate;        /* owned; hold the status line until it opens */
    struct buf bytes;
    struct plan_piece *pieces;
    size_t count, cap;
    int64_t content_length; /* what the head promises, whatever the pieces hold; PLAN_CHUNKED for streams */
    enum plan_end end;      /* a CLEAN end that breaks the promise of content_length closes the connection, as FIN */
    struct plan_wire *wire; /* owned; NULL: a proper head */
    bool open;              /* over HTTP/2: more will follow by exchange_extend(), and what was sent is forgotten */
    bool failed;            /* something ran out of memory while it was made; the server answers 500 instead */
    /* Called once, just before piece i (as numbered then) is handed to the socket; may patch plan->bytes within the
     * piece (time stamps). */
    void (*before_send)(void *ctx, struct plan *plan, size_t i, uint64_t now_ns);
    void *ctx;
    void (*ctx_free)(void *ctx);
};

struct plan *plan_new(int status); /* NULL when out of memory */
void plan_free(struct plan *plan);
void plan_header(struct plan *plan, const char *name, const char *value); /* sets: one of each name */
/* The whole body as one piece, with its length promised. */
void plan_body(struct plan *plan, const char *content_type, struct span body);
/* The same without the copy: `body` is empty afterwards, and its error is the plan's. */
void plan_body_take(struct plan *plan, const char *content_type, struct buf *body);
/* One more piece of a stream; content_length becomes PLAN_CHUNKED. Returns its number. */
size_t plan_add(struct plan *plan, struct span bytes, uint64_t after_ns, size_t event);
/* The same of bytes that the caller has appended to plan->bytes: of all that is there now, what is behind the first
 * `from`. */
size_t plan_add_from(struct plan *plan, size_t from, uint64_t after_ns, size_t event);
/* Give spare memory back, when the plan is whole: a paced stream is held for as long as it lasts, beside many others.
 */
void plan_fit(struct plan *plan);

/* The plan-to-plan moves that faults are made of. Positions count bytes of the body from 0, over the pieces in their
 * order. A position beyond the body, or an event that is not there, changes nothing (but `end`, for a cut). None
 * touches content_length. A split leaves the event's number on the last of its pieces; the nameless pieces before it
 * that lie side by side with it in plan->bytes count as part of the event, too. */
void plan_cut_at_byte(struct plan *plan, size_t at, enum plan_end how);     /* beyond the end: only `end` changes */
void plan_cut_at_event(struct plan *plan, size_t event, enum plan_end how); /* events before `event` stay */
void plan_stall_at_event(struct plan *plan, size_t event); /* that event and all behind it are never due */
void plan_split_at_byte(struct plan *plan, size_t at, uint64_t pause_ns); /* both halves `alone` */
void plan_shred(struct plan *plan, size_t n);                             /* pieces of at most n bytes, each `alone` */
void plan_gate_event(struct plan *plan, size_t event, const char *gate);
void plan_drop_event(struct plan *plan, size_t event); /* the others keep their instants: its wait and gate move on */
void plan_merge(struct plan *plan);                    /* every piece due at once, joined; gates and stalls stay */
struct span plan_event_bytes(const struct plan *plan, size_t event); /* the bytes of an event; empty if there is none */

/* The oddities of the reply, to be set; there are none before the first call. NULL (and failed) when out of memory. */
struct plan_wire *plan_odd(struct plan *plan);
/* The reply as HTTP/1.1 bytes: head and framing become pieces between those of the body, and plan->wire is used up.
 * `http_1_1`: the peer reads chunks. */
void plan_spell(struct plan *plan, bool http_1_1);
/* How long the head of a plan with wire->head_pause_ns takes. */
uint64_t plan_head_time(const struct plan *plan);

/* What became of a plan on the wire. */
enum delivery_end {
    DELIVERY_COMPLETE, /* all of it, as the plan said (a planned cut is complete too: see plan_end) */
    DELIVERY_PEER_CLOSED,
    DELIVERY_TIMED_OUT,
    DELIVERY_STOPPED /* the server shut down first */
};
struct delivery {
    enum delivery_end end;
    enum plan_end planned;
    int status;
    uint64_t bytes;      /* body bytes known to have been taken by the socket */
    size_t events;       /* whole events among them */
    uint64_t head_at_ns; /* 0: never sent */
    uint64_t last_at_ns;
    uint64_t ended_at_ns; /* when the end was known: for PEER_CLOSED the instant of the cancellation */
};

#endif
