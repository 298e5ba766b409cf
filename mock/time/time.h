/* time.h: how long things take: laws of waits, load and the hour of the run. Pure: no clock, no state, no mock.
 *
 * A law is written as
 *
 *     20, 250ms, 1.5s, constant:20      always that
 *     normal:MEAN,DEVIATION             never below zero
 *     lognormal:MEDIAN,SIGMA            exp(ln MEDIAN + SIGMA z)
 *     lognormal:p50=20,p99=200          the same, by two of its percentiles
 *     table:p50=20,p90=60,p99=200       percentiles, straight lines between them; beyond the ends flat (p0 and p100 may
 * be given) trace:FILE                        recorded waits, one a line, over and over
 *
 * Numbers without a unit are milliseconds. Draws come from a random stream of the caller's, or, for a trace, from the
 * number of the draw, so that the same request of the same run waits as long as it did. A day is the longest wait.
 */
#ifndef MOHS_MOCK_TIME_H
#define MOHS_MOCK_TIME_H

#include "mock/rng.h"

enum time_kind { TIME_CONSTANT, TIME_NORMAL, TIME_LOGNORMAL, TIME_TABLE, TIME_TRACE };

#define TIME_POINTS_MAX 32      /* of a table */
#define TIME_TRACE_MAX  1000000 /* lines of a trace */

struct time_point {
    double at, value; /* a percentile, or seconds of the run; ms, or a factor */
};

struct time_law {
    enum time_kind kind;
    double a, b; /* constant: ms; normal: mean and deviation in ms; lognormal: ln of the median in ms, sigma */
    struct time_point points[TIME_POINTS_MAX]; /* of a table, rising */
    size_t count;                              /* of points, or of the trace */
    double *trace;                             /* ms; owned */
};

/* What is released is the constant 0 again. */
void time_law_release(struct time_law *law);
/* ERR_INVALID, and a sentence; ERR_IO: the file of a trace. `files`: traces are allowed. */
enum err time_law_parse(const char *text, bool files, struct time_law *out, struct note *note) MUST_USE;
/* Recorded waits that are at hand; copied. */
enum err time_law_trace(const double *ms, size_t count, struct time_law *out, struct note *note) MUST_USE;
/* The n-th wait in nanoseconds: traces go by n, the others by r. */
uint64_t time_law_draw(const struct time_law *law, struct rng *r, uint64_t n);

/* Sums and products of waits never wrap: the first saturates at UINT64_MAX, the others at a day, the longest wait. A factor
 * below zero, or none (NaN), is zero. */
#define TIME_DAY_NS ((uint64_t)86400000 * 1000000)
uint64_t time_sum(uint64_t ns, uint64_t more_ns);
uint64_t time_of_many(uint64_t count, uint64_t each_ns);
uint64_t time_scaled(uint64_t ns, double factor);

/* Factors over the time of a run: "0s=1,60s=3,90s=1", lines between the points, flat beyond them; two points at one
 * instant are a step. From a file: the same, one point a line, # begins a comment. */
#define TIME_TEMPO_MAX 256
struct time_tempo {
    struct time_point points[TIME_TEMPO_MAX];
    size_t count; /* 0: always 1 */
};
enum err time_tempo_parse(const char *text, struct time_tempo *out, struct note *note) MUST_USE;
enum err time_tempo_read(const char *text_or_file, struct time_tempo *out, struct note *note) MUST_USE;
double time_tempo_at(const struct time_tempo *t, uint64_t run_ns);

/* How much slower with `open` requests at once: 1 for one alone, `factor` for `full` and more, a line between. */
double time_load(double factor, unsigned full, uint64_t open);

#endif
