/* conn.h: one connection of a worker, and the worker as its connections see it. Private to worker.c, conn.c and body.c.
 *
 * The life of a connection: CLOSED -> CONNECTING -> IDLE -> BUSY (a request is out) -> IDLE ... -> CLOSED. conn.c moves
 * it and calls worker_conn_free() whenever a connection has nothing to do; worker.c decides what it does next. body.c
 * reads the bytes of answers.
 */
#ifndef MOHS_BENCH_CONN_H
#define MOHS_BENCH_CONN_H

#include "harness/bench/request.h"
#include "harness/bench/schedule.h"
#include "harness/bench/tally.h"
#include "harness/bench/track.h"
#include "harness/bench/wire.h"
#include "harness/bench/worker.h"
#include "protocol/eventstream.h"
#include "protocol/sse.h"

#define CONN_READ_BYTES ((size_t)64 << 10) /* one read; what a socket holds beyond it waits for the next round */
#define CONN_SEEN_BYTES 160u               /* of an answer that went wrong, for its example */

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_IDLE, CONN_BUSY };

struct conn {
    int fd;
    enum conn_state state;
    enum bench_side side;
    bool pending;      /* connecting for a request that is due */
    bool measured;     /* the request in flight counts */
    bool wants_out;    /* epoll watches for room to write */
    bool listed;       /* in the lane's stack */
    uint64_t retry_ns; /* CLOSED: not before */
    uint64_t connect_ns, intended_ns, started_ns, first_byte_ns;
    uint64_t first_content_ns, second_content_ns, last_content_ns, contents;
    uint64_t id;
    struct buf unsent; /* the rest of a request that the socket did not take at once */
    size_t unsent_at;

    struct wire wire;
    bool stream; /* the answer is one */
    bool ended;  /* the stream said so itself: [DONE], messageStop */
    bool wrong;  /* something was; the three below say what */
    enum bench_class class;
    char code[40];
    char seen[CONN_SEEN_BYTES];
    size_t seen_n;
    struct probe_scanner scanner;
    struct track track;
    struct sse_decoder sse;
    struct es_decoder es;
};

struct lane { /* one side of one worker */
    struct request request;
    struct conn *conns;
    unsigned count;
    struct conn **idle; /* open load: those with nothing to do, IDLE or CLOSED; a stack, the warmest on top */
    unsigned idle_count;
    uint64_t refused_ns; /* since when no attempt to connect has worked; 0: the last one has */
};

struct worker {
    struct run *run;
    const struct bench_config *config;
    unsigned index;
    int epoll;
    struct lane lanes[BENCH_SIDES];
    struct bench_tally totals[BENCH_SIDES];
    struct bench_tally tally;                   /* of the current block */
    struct bench_stream not_measured;           /* where stream counts of unmeasured requests go */
    struct hist_sparse (*parts)[BLOCK_METRICS]; /* by block */
    uint64_t next_id;
    bool failed;

    /* The current block. */
    enum bench_side side;
    bool counting;              /* the block is measured */
    uint64_t from_ns, until_ns; /* the measured window; until_ns UINT64_MAX: by count */
    uint64_t quota, begun;      /* measured requests to begin, UINT64_MAX: by time; and begun so far */
    unsigned busy;              /* connections with a request out or due */
    bool broken;                /* a connection of a closed load waits to be opened again */
    bool stopped;
    struct schedule schedule;
    uint64_t last_end_ns;   /* of the last measured answer */
    uint64_t woke_ns;       /* when epoll returned */
    uint64_t now_ns;        /* the last look at the clock; fresh enough to decide by, not to measure with */
    unsigned read_contents; /* content events of the current read */

    _Atomic uint64_t done, errors;
    uint64_t cpu_ns, wall_ns, wait_ns;
    bool wait_known;
    unsigned char buffer[CONN_READ_BYTES];
};

/* ---- conn.c ---- */
void conn_init(struct conn *c, enum bench_side side);
void conn_release(struct conn *c);
void conn_open(struct worker *w, struct conn *c);
/* Send the next request. c is IDLE. */
void conn_send(struct worker *w, struct conn *c, uint64_t intended_ns);
void conn_event(struct worker *w, struct conn *c, uint32_t events);
void conn_close(struct worker *w, struct conn *c);
void conn_check_timeout(struct worker *w, struct conn *c, uint64_t now);
bool conn_counts(const struct worker *w, uint64_t at_ns); /* a request that begins now is measured */

/* ---- body.c ---- */
void body_begin(struct conn *c); /* the head of an answer was read */
void body_bytes(struct worker *w, struct conn *c, struct span bytes, uint64_t now);
void body_end(struct worker *w, struct conn *c); /* the body is whole; may set c->wrong */
/* Remember what is wrong with the answer; the first wrong thing stays. */
void body_wrong(struct conn *c, enum bench_class class, const char *code, struct span seen);
struct bench_stream *body_counts(struct worker *w, const struct conn *c);

/* ---- worker.c ---- */
void worker_conn_free(struct worker *w, struct conn *c); /* IDLE or CLOSED, with nothing in flight */

#endif
