/* bench.h: the load engine: what to send, how, and what came of it.
 *
 *     struct bench_config config;
 *     bench_config_init(&config);
 *     config.target.url = "http://127.0.0.1:8080";
 *     CLEANUP(bench_result_free) struct bench_result *result = NULL;
 *     enum err e = bench_run(&config, &result, &note);
 *     if (e == OK) bench_print(result, stdout);
 *
 * Two load models. *Closed* (rate 0): `connections` connections, each sending its next request when it has the answer
 * to the last; latency is counted from the send and leaves out the waiting that an open load would see, and every
 * output says so. *Open* (rate above 0): send instants are computed ahead, constant or Poisson, and TTFB, TTFT, TTST
 * and E2E are counted from the *intended* instant, however late the request left; the service time (from the actual
 * send), the lateness of sends, and requests that could not be sent at all stand beside them.
 *
 * With `direct.url` the run is *paired*: blocks of direct (A) and target (B) traffic alternate A B B A ... on the same
 * connections' worth of load, and the difference of each percentile gets an interval by bootstrap over pairs of blocks.
 *
 * Errors of the peer are counted values in the result. bench_run() itself fails only for what cannot be asked: a bad
 * configuration (ERR_INVALID), a target that no connection reached in the first second (ERR_CLOSED), memory, sockets.
 *
 * Every duration is in nanoseconds of CLOCK_MONOTONIC unless its name says otherwise. Instants of the probe stamps
 * (protocol/probe.h) compare only when generator and mock run on one host; `one_host` says whether they were taken.
 */
#ifndef MOHS_BENCH_H
#define MOHS_BENCH_H

#include <stdatomic.h>
#include <stdio.h>

#include "protocol/hist.h"
#include "protocol/json.h"

#define BENCH_THREADS_MAX     64u
#define BENCH_CONNECTIONS_MAX 65536u
#define BENCH_BLOCKS_MAX      4096u
#define BENCH_SECONDS_MAX     3600u              /* of the per-second series; later seconds are left out, and flagged */
#define BENCH_HEAD_MAX        ((size_t)64 << 10) /* bytes of a response head */
#define BENCH_FRAMES_MAX      ((uint32_t)1 << 20) /* stamped frames told apart in one reply */

/* ---- what to send ---- */

enum bench_dialect {
    BENCH_GET,             /* GET of the url itself, no body, no probe: for comparing with other generators */
    BENCH_OPENAI_CHAT,     /* POST /v1/chat/completions */
    BENCH_BEDROCK_CONVERSE /* POST /model/{id}/converse, or converse-stream */
};
const char *bench_dialect_name(enum bench_dialect d); /* "get", "openai.chat", "bedrock.converse" */
bool bench_dialect_from_name(const char *name, enum bench_dialect *out);

struct bench_endpoint {
    const char *url; /* http://host[:port][/prefix]; NULL: there is no such side */
    enum bench_dialect dialect;
    const char *const *headers; /* "Name: value" lines to add; may be NULL when header_count is 0 */
    size_t header_count;
    bool sign; /* SigV4 over each request; costs its hashing, so off unless the far side checks signatures */
};

enum bench_arrival { BENCH_CONSTANT, BENCH_POISSON };

struct bench_progress {
    double elapsed_s, planned_s;    /* planned_s 0: the run ends by count */
    uint64_t done, planned, errors; /* planned 0: the run ends by time */
    double rate;                    /* completions per second since the last call */
};

struct bench_config {
    struct bench_endpoint target; /* what is measured */
    struct bench_endpoint direct; /* the same upstream without the gateway; url NULL: not paired */

    /* The request. `body` NULL: made from model, prompt and max_tokens in the dialect of the side. */
    const char *model, *prompt;
    const char *body; /* JSON to send as it is; the text "mohs-probe:0000000000000000" in it becomes the probe tag */
    unsigned max_tokens;
    bool stream;
    bool probe;    /* put a probe tag into the last user text (default true) */
    bool one_host; /* stamps are of our clock: record transits (default true) */
    const char *region, *access_key, *secret_key, *session_token; /* for `sign`; session_token may be NULL */

    unsigned connections; /* closed: how many; open: at most how many in flight. All threads and one side together */
    unsigned threads;
    double rate; /* requests per second of all threads; 0: closed load */
    enum bench_arrival arrival;
    uint64_t seed;
    uint64_t count;             /* measured requests; 0: by duration_ms */
    uint64_t duration_ms;       /* measured time; of both sides together when paired */
    uint64_t warmup_ms;         /* before it, excluded */
    uint64_t block_ms;          /* paired: length of one block */
    uint64_t settle_ms;         /* paired: head of each block that is left out */
    uint64_t timeout_ms;        /* of one request, from its send to its last byte */
    uint64_t give_up_ms;        /* a side that refuses every connection for so long ends the run */
    uint64_t stall_ms;          /* a gap between two frames this long is a stall */
    unsigned resamples;         /* of the bootstrap */
    uint64_t lateness_limit_us; /* open load: a lateness p99 above it makes the run inconclusive */
    double cpu_limit;           /* share of a thread's time spent on a CPU, above which the generator is the limit */

    void (*progress)(void *ctx, const struct bench_progress *p); /* from the calling thread, about ten times a second */
    void *progress_ctx;
    const atomic_bool *stop; /* set by a signal handler: end now with what there is; may be NULL */
};

void bench_config_init(struct bench_config *config);

/* ---- what came of it ---- */

enum bench_side { BENCH_TARGET, BENCH_DIRECT };
#define BENCH_SIDES 2
const char *bench_side_name(enum bench_side side); /* "target", "direct" */

enum bench_metric {
    BENCH_CONNECT,       /* connect() to writable */
    BENCH_TTFB,          /* to the first byte of the answer */
    BENCH_TTFT,          /* to the first content: a text, reasoning or tool-argument delta */
    BENCH_TTST,          /* to the second content */
    BENCH_ITL,           /* between contents; 0 for those that came in one read */
    BENCH_TPOT,          /* (last content - first) / (contents - 1), one per stream */
    BENCH_E2E,           /* to the last byte */
    BENCH_SERVICE,       /* the same from the actual send; open load only, closed load has it in e2e */
    BENCH_LATENESS,      /* actual send - intended; open load only */
    BENCH_TRANSIT_UP,    /* our send to the upstream's receive, through the gateway */
    BENCH_TRANSIT_DOWN,  /* the upstream's send to our receive, of replies that are not streamed */
    BENCH_TRANSIT_FRAME, /* the same per streamed frame */
    BENCH_UPSTREAM, /* from the upstream's receive to its first send, by its own stamps: what was never ours to blame */
    BENCH_QUEUE     /* our own: from epoll's return to the read of that socket */
};
#define BENCH_METRICS 14
const char *bench_metric_name(enum bench_metric m);
/* "intended" or "actual": from which instant the metric is counted under this configuration. */
const char *bench_metric_clock(enum bench_metric m, const struct bench_config *config);

enum bench_class {
    BENCH_ERR_CONNECT,   /* code: errno name */
    BENCH_ERR_RESET,     /* the connection broke, or closed before the answer began */
    BENCH_ERR_TIMEOUT,   /* timeout_ms went by */
    BENCH_ERR_STATUS,    /* code: the HTTP status, anything but 2xx */
    BENCH_ERR_PROTOCOL,  /* not HTTP/1.1, not the framing promised, a wrong CRC */
    BENCH_ERR_TRUNCATED, /* the body or the stream ended before its end */
    BENCH_ERR_IN_STREAM  /* an error event inside a stream that had begun with 200 */
};
const char *bench_class_name(enum bench_class c);

#define BENCH_ERRORS_MAX    32 /* kinds told apart; more are counted as the last row */
#define BENCH_EXAMPLES      3
#define BENCH_EXAMPLE_BYTES 200
struct bench_error {
    enum bench_class class;
    char code[40];
    const char *phase; /* "connect", "send", "head", "body" */
    uint64_t count;
    char examples[BENCH_EXAMPLES][BENCH_EXAMPLE_BYTES]; /* request id and what was seen; secrets masked; "" unused */
};

enum bench_cadence { BENCH_UNJUDGED, BENCH_STREAMED, BENCH_COALESCED, BENCH_BURSTY, BENCH_BUFFERED };
#define BENCH_CADENCES 5
const char *bench_cadence_name(enum bench_cadence c);

enum { BENCH_TEXT, BENCH_REASONING, BENCH_TOOL, BENCH_KINDS };
const char *bench_kind_name(int kind); /* "text", "reasoning", "tool" */

/* How stamped deltas of one kind kept the spacing they were sent with. A gap is judged when the upstream left at least
 * a millisecond in it; it has collapsed when less than a tenth of it arrived. Per stream: buffered when the first frame
 * came after the last was sent; else by frames per burst (runs of collapsed gaps): streamed below 1.25, coalesced below
 * 4, bursty from there. */
struct bench_kind {
    uint64_t frames;
    uint64_t gaps_judged, gaps_collapsed;
    uint64_t streams[BENCH_CADENCES];
};

/* Frames are stamped deltas; an answer that is not streamed counts as one frame. */
struct bench_stream {
    uint64_t streams;         /* answers that were streams, ended or not */
    uint64_t unstamped;       /* complete, and without a single stamp: nothing below knows about these */
    uint64_t frames_sent;     /* by the total that the stamps state, of streams with at least one stamp */
    uint64_t frames_received; /* intact stamps of our request's id, doubled ones included */
    uint64_t lost;            /* never seen, in streams that ended as if complete */
    uint64_t cut;             /* not seen because the stream broke, which is an error elsewhere */
    uint64_t doubled, reordered, altered;
    uint64_t leaked;        /* stamps of somebody else's request */
    uint64_t crc_bad;       /* event stream frames with a wrong checksum */
    uint64_t contents;      /* content events, stamped or not */
    uint64_t content_reads; /* reads that brought at least one */
    uint64_t content_max;   /* most in one read */
    uint64_t stalls;
    struct bench_kind kinds[BENCH_KINDS];
};
/* The gravest cadence that at least one stream in twenty of the judged ones fell into. */
enum bench_cadence bench_verdict_of(const struct bench_kind *kind);
enum bench_cadence bench_stream_verdict(const struct bench_stream *s);

#define BENCH_FINE_COUNTS 1216 /* of the coarse per-second histogram: 32 steps per doubling, so within 3 % */
struct bench_second {
    uint64_t completed, errors;
    uint32_t counts[BENCH_FINE_COUNTS]; /* of e2e */
};
uint64_t bench_second_quantile(const struct bench_second *s, double q);

/* One side of a run; while it runs, one worker's share of it. */
struct bench_tally {
    /* Never NULL in a result. Of requests that ended well, except connect, itl, transits and queue, which are recorded
     * as they happen. */
    struct hist *metrics[BENCH_METRICS];
    uint64_t planned; /* measured requests that were to be sent (closed: that were sent) */
    uint64_t sent;
    uint64_t dropped;   /* open load: due in time, but no connection was free until the end */
    uint64_t completed; /* answered well */
    uint64_t failed;
    uint64_t abandoned;   /* in flight when the run was stopped */
    uint64_t in_window;   /* good answers that ended inside the measured time */
    uint64_t measured_ns; /* its length, without warm-up, settling and draining */
    uint64_t bytes_up, bytes_down;
    uint64_t connects, reads;
    struct bench_stream stream;
    struct bench_error errors[BENCH_ERRORS_MAX];
    size_t error_count;
    struct bench_second *seconds; /* since the start of the run */
    size_t second_count, second_cap;
    bool seconds_cut; /* the ceiling was reached */
};
double bench_achieved_rate(const struct bench_tally *t); /* good answers per second: fast errors are no throughput */

/* One row of the paired comparison. */
struct bench_difference {
    enum bench_metric metric;
    double quantile;
    bool suppressed; /* n (1 - q) < 10 on a side: no figures */
    int64_t direct_ns, target_ns, diff_ns;
    int64_t low_ns, high_ns; /* 95 % interval of the difference */
    int64_t smallest_ns;     /* smallest effect this run would have seen, 80 % power at 5 % */
    double p_value;          /* two-sided, of swapping the sides of pairs by chance */
    const char *verdict;     /* "added", "less", "none_seen", "suppressed" */
};
#define BENCH_DIFFERENCES_MAX 40

struct bench_rig {
    uint64_t fds_needed, fds_limit;
    uint64_t ports_needed, ports_available;
    uint64_t lateness_p99_ns; /* open load */
    uint64_t queue_p99_ns;    /* how long answers waited for us in one epoll round */
    double cpu_share;         /* of the busiest worker thread, 0..1 */
    double wait_share;        /* share of time the worst worker was ready but not given a CPU; -1: unknown */
};

struct bench_calibration {
    bool done, good;
    int64_t injected_ttft_us, injected_itl_us;
    int64_t kept_ttft_us;              /* what the mock really waited, by its stamps; -1: there were none */
    int64_t read_ttft_us, read_itl_us; /* medians; -1: not measured */
    int64_t max_error_us, tolerance_us;
    int64_t floor_us; /* what the line itself takes, in a calibration of two mocks; -1: unknown */
};

enum bench_verdict { BENCH_MEASURED, BENCH_INCONCLUSIVE, BENCH_NOTHING, BENCH_INTERRUPTED, BENCH_DIED, BENCH_SATURATED };
/* "measured", "inconclusive", "nothing", "interrupted", "died", "saturated" (a side could not carry the rate asked for) */
const char *bench_verdict_name(enum bench_verdict v);

struct bench_result {
    struct bench_config config; /* as run; its pointers are the caller's */
    int64_t start_wall_ns, end_wall_ns;
    uint64_t warmup_ns;
    bool paired;
    unsigned pairs; /* of blocks that both were measured */
    struct bench_tally sides[BENCH_SIDES];
    struct bench_difference differences[BENCH_DIFFERENCES_MAX];
    size_t difference_count;
    struct bench_rig rig;
    struct bench_calibration calibration; /* filled by the caller from bench_calibrate() */
    enum bench_verdict verdict;
    char reason[512]; /* of any verdict but BENCH_MEASURED */
};

/* Blocks until the run has ended. *out is the caller's, also when the verdict is not BENCH_MEASURED; NULL on error. */
enum err bench_run(const struct bench_config *config, struct bench_result **out, struct note *note) MUST_USE;
void bench_result_free(struct bench_result **result);

/* Read a mock with known delays back: one connection, `config`'s endpoint and dialect, 40 requests. The medians of TTFT
 * and ITL (not streamed: of E2E, as TTFT) must lie within `tolerance_us` (0: 100) of the truth. The truth of TTFT is
 * what the mock's stamps say it waited, which must lie within BENCH_MOCK_SLACK_US of what was injected; without stamps,
 * and for ITL, it is what was injected. A failed calibration is a value. */
#define BENCH_MOCK_SLACK_US 2000
enum err bench_calibrate(const struct bench_config *config, int64_t injected_ttft_us, int64_t injected_itl_us,
                         int64_t tolerance_us, struct bench_calibration *out, struct note *note) MUST_USE;
/* Two mocks with different first waits, judged together: the difference of what was read must be the difference of what
 * the mocks kept. What one reading holds besides (the way there and back, waking an idle CPU) is in both, and becomes
 * `floor_us`. Gaps between contents are judged in both as they are. The inputs may be failed calibrations. */
void bench_calibrate_step(const struct bench_calibration *first, const struct bench_calibration *second,
                          struct bench_calibration *out);
/* Put a calibration into a result; a bad one makes it inconclusive. */
void bench_set_calibration(struct bench_result *result, const struct bench_calibration *calibration);

/* 0, 4 (nothing measured), 5 (inconclusive, saturated), 6 (a side died during the run), 105 (interrupted). */
int bench_exit_code(const struct bench_result *result);

/* ---- telling it ---- */

/* An object whose members are sections of the result document, to be put there one by one. Not paired (kind "load"):
 * load, metrics, stream. Paired (kind "compare"): load, and direct and gateway with a load, metrics and stream each,
 * and paired. Always: rig (with the engine's verdict and reason); calibration when one was done. The caller adds tool,
 * host, command. With `with_hdr` every metric carries its histogram as HdrHistogram V2 text, in nanoseconds. NULL: out
 * of memory. */
cJSON *bench_json(const struct bench_result *result, bool with_hdr);
/* A table for people. */
void bench_print(const struct bench_result *result, FILE *out);

#endif
