/* paired.h: what the target adds to the direct path, percentile by percentile, with an interval.
 *
 * Blocks of one run that stand next to each other, one per side, are a pair; whatever slowed the machine slowed both.
 * The bootstrap draws pairs with replacement, pools each side's values, and takes the difference of the percentile:
 * the 2.5 % and 97.5 % points of many such differences are the interval, their spread gives the smallest effect that
 * the run could have seen with a power of 80 % (2.8 standard errors).
 *
 * High percentiles live off a few bad blocks, and there the bootstrap's interval is too narrow: of two equal sides it
 * calls one slower. So a difference is only said to be seen when a second test agrees: the sides of each pair are
 * swapped by chance, which changes nothing if they are equal, and a difference as large must come about in less than 5
 * % of the cases. That is right for any distribution; it needs six pairs to be possible at all.
 */
#ifndef MOHS_BENCH_PAIRED_H
#define MOHS_BENCH_PAIRED_H

#include "harness/bench/bench.h"

struct pair {
    struct hist_sparse sides[BENCH_SIDES];
};

#define PAIRED_QUANTILES 4
extern const double paired_quantiles[PAIRED_QUANTILES]; /* 0.5, 0.9, 0.99, 0.999 */

/* Fill PAIRED_QUANTILES rows for one metric. Pairs with an empty side are left out. ERR_NOMEM, or OK. */
enum err paired_compare(const struct pair *pairs, size_t count, enum bench_metric metric, unsigned resamples,
                        uint64_t seed, struct bench_difference *rows) MUST_USE;

#endif
