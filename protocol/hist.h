/* hist.h: a latency histogram of constant size, in HdrHistogram's layout.
 *
 * Values are nanoseconds, 0 to one hour, kept to three significant digits: 2,048 linear steps up to 2,047 ns, then
 * 1,024 steps per doubling, so that a step is at most 1/1,024 of its value. That is HdrHistogram's layout for (lowest
 * 1, highest 3,600,000,000,000, digits 3), and hist_export() writes its V2 text, which log readers of that project and
 * its plotters take (https://hdrhistogram.github.io/HdrHistogram/).
 *
 * Recording is a few instructions and never allocates or fails. A histogram has one writer; readers come after it is
 * done (a worker owns its own, and they are merged at join). It is 270 KB: allocate it.
 */
#ifndef MOHS_HIST_H
#define MOHS_HIST_H

#include "protocol/base.h"
#include "protocol/buf.h"

#define HIST_MAX_NS  UINT64_C(3600000000000) /* one hour; what is longer is recorded as this, and counted in `over` */
#define HIST_DIGITS  3
#define HIST_BUCKETS 32 /* the smallest b with 2048 << (b - 1) > HIST_MAX_NS */
#define HIST_COUNTS  ((HIST_BUCKETS + 1) * 1024)

struct hist { /* zeroed: empty */
    uint64_t count;
    uint64_t over; /* values above HIST_MAX_NS among them */
    uint64_t sum;  /* exact, of the values as recorded */
    uint64_t min;  /* exact; meaningless while count is 0 */
    uint64_t max;  /* exact, at most HIST_MAX_NS */
    uint64_t counts[HIST_COUNTS];
};

/* The step a value falls into, and the smallest value of a step. value <= HIST_MAX_NS and index < HIST_COUNTS. */
static inline uint32_t hist_index(uint64_t value)
{
    unsigned bucket = 53u - (unsigned)__builtin_clzll(value | 2047);
    return (uint32_t)((bucket << 10) + (value >> bucket));
}
uint64_t hist_index_low(uint32_t index);
uint64_t hist_index_high(uint32_t index); /* the largest value of the step */

static inline void hist_record_n(struct hist *h, uint64_t value_ns, uint64_t n)
{
    if (value_ns > HIST_MAX_NS) {
        value_ns = HIST_MAX_NS;
        h->over += n;
    }
    if (h->count == 0 || value_ns < h->min)
        h->min = value_ns;
    if (value_ns > h->max)
        h->max = value_ns;
    h->count += n;
    h->sum += value_ns * n;
    h->counts[hist_index(value_ns)] += n;
}

static inline void hist_record(struct hist *h, uint64_t value_ns)
{
    hist_record_n(h, value_ns, 1);
}

struct hist *hist_new(void);     /* NULL when out of memory */
void hist_free(struct hist **h); /* for CLEANUP(hist_free) struct hist *h = NULL; sets it to NULL */
void hist_reset(struct hist *h);
void hist_merge(struct hist *into, const struct hist *from);

double hist_mean(const struct hist *h);  /* exact; 0 when empty */
double hist_stdev(const struct hist *h); /* from the middles of the steps; 0 when empty */
/* The smallest recorded value (upper end of its step, at most max) that at least the share q of all values is not
 * above: HdrHistogram's value at percentile 100 q. q outside 0..1 is clipped; 0 when empty. */
uint64_t hist_quantile(const struct hist *h, double q);
/* Whether a percentile may be told at all: n (1 - q) >= 10, so that ten values lie beyond it. */
bool hist_supports(const struct hist *h, double q);

/* ---- a histogram at rest ----
 * Only the steps that were hit, for keeping hundreds of them (one per measured block). */
struct hist_sparse {
    uint32_t n;
    struct hist_step {
        uint32_t index;
        uint32_t count; /* at most UINT32_MAX per step; more is an assertion failure */
    } * steps;
    uint64_t count;
};
enum err hist_pack(const struct hist *h, struct hist_sparse *out) MUST_USE; /* ERR_NOMEM; *out is then empty */
void hist_sparse_release(struct hist_sparse *s);
/* Adds counts only: count and counts are right afterwards, min, max and sum are those of the steps. */
void hist_add_sparse(struct hist *into, const struct hist_sparse *from);

/* Append the V2 text: base64 of the "compressed" envelope (it begins with HISTFAAA), whose zlib stream holds stored
 * blocks: zlib is no dependency of ours, every inflater reads them, and a sparse histogram is small already. */
void hist_export(const struct hist *h, struct buf *out);

#endif
