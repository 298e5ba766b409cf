/* Subtracting two percentiles says nothing about how sure the difference is, and values within a block depend on each
 * other, so whole pairs of blocks are drawn, never single values. A draw is a sum of sparse histograms over the range
 * of steps that occur at all; one pass over it gives all percentiles.
 */
#include "harness/bench/paired.h"

#include <math.h>
#include <stdlib.h>

#include "harness/bench/schedule.h"

const double paired_quantiles[PAIRED_QUANTILES] = {0.5, 0.9, 0.99, 0.999};

struct pool {
    uint32_t low, size; /* of the steps in use */
    uint64_t *counts;   /* size of them */
    uint64_t total;
};

static void pool_add(struct pool *p, const struct hist_sparse *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        p->counts[s->steps[i].index - p->low] += s->steps[i].count;
    p->total += s->count;
}

static void pool_quantiles(const struct pool *p, uint64_t out[PAIRED_QUANTILES])
{
    uint64_t seen = 0;
    size_t q = 0;
    for (uint32_t i = 0; i < p->size && q < PAIRED_QUANTILES; i++) {
        seen += p->counts[i];
        while (q < PAIRED_QUANTILES && (double)seen >= ceil(paired_quantiles[q] * (double)p->total - 1e-9) &&
               seen > 0) {
            uint64_t low = hist_index_low(p->low + i), high = hist_index_high(p->low + i);
            out[q++] = low + (high - low) / 2; /* the middle of the step, so that neither side is favoured */
        }
    }
}

static void pool_empty(struct pool *p)
{
    memset(p->counts, 0, p->size * sizeof *p->counts);
    p->total = 0;
}

static bool is_whole(const struct pair *pair)
{
    return pair->sides[BENCH_TARGET].count > 0 && pair->sides[BENCH_DIRECT].count > 0;
}

static void range_of(const struct pair *pairs, size_t count, struct pool *out)
{
    uint32_t low = HIST_COUNTS - 1, high = 0;
    for (size_t i = 0; i < count; i++) {
        for (int s = 0; s < BENCH_SIDES && is_whole(&pairs[i]); s++) {
            const struct hist_sparse *h = &pairs[i].sides[s];
            low = h->steps[0].index < low ? h->steps[0].index : low;
            high = h->steps[h->n - 1].index > high ? h->steps[h->n - 1].index : high;
        }
    }
    out->low = low;
    out->size = high >= low ? high - low + 1 : 0;
}

static void difference(struct pool pools[BENCH_SIDES], int64_t out[PAIRED_QUANTILES],
                       uint64_t sides[BENCH_SIDES][PAIRED_QUANTILES])
{
    for (int s = 0; s < BENCH_SIDES; s++)
        pool_quantiles(&pools[s], sides[s]);
    for (size_t q = 0; q < PAIRED_QUANTILES; q++)
        out[q] = (int64_t)sides[BENCH_TARGET][q] - (int64_t)sides[BENCH_DIRECT][q];
}

static int compare_int64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Fill the interval, the smallest effect and the verdict from the draws; the p-value is there already. */
static void judge(int64_t *draws, unsigned n, struct bench_difference *row)
{
    double mean = 0, square = 0;
    qsort(draws, n, sizeof *draws, compare_int64);
    for (unsigned i = 0; i < n; i++)
        mean += (double)draws[i] / n;
    for (unsigned i = 0; i < n; i++)
        square += ((double)draws[i] - mean) * ((double)draws[i] - mean) / n;
    row->low_ns = draws[(unsigned)(0.025 * (n - 1))];
    row->high_ns = draws[(unsigned)(0.975 * (n - 1) + 0.5)];
    row->smallest_ns = (int64_t)(2.8 * sqrt(square));
    bool sure = row->p_value < 0.05;
    row->verdict = sure && row->low_ns > 0 ? "added" : sure && row->high_ns < 0 ? "less" : "none_seen";
}

static void draw(const struct pair *pairs, const size_t *whole, size_t n, uint64_t *state,
                 struct pool pools[BENCH_SIDES])
{
    pool_empty(&pools[0]);
    pool_empty(&pools[1]);
    for (size_t i = 0; i < n; i++) {
        const struct pair *p = &pairs[whole[schedule_random(state) % n]];
        pool_add(&pools[0], &p->sides[0]);
        pool_add(&pools[1], &p->sides[1]);
    }
}

/* All pairs, each with its sides swapped or not, by chance. */
static void swap_some(const struct pair *pairs, const size_t *whole, size_t n, uint64_t *state,
                      struct pool pools[BENCH_SIDES])
{
    pool_empty(&pools[0]);
    pool_empty(&pools[1]);
    for (size_t i = 0; i < n; i++) {
        unsigned swap = (unsigned)(schedule_random(state) >> 63);
        pool_add(&pools[0], &pairs[whole[i]].sides[swap]);
        pool_add(&pools[1], &pairs[whole[i]].sides[1 - swap]);
    }
}

/* How often a difference as large comes about when it cannot matter which side a block is called. Ties, of which
 * histograms make many, count half (the mid-p value). */
static void test(const struct pair *pairs, const size_t *whole, size_t n, unsigned resamples, uint64_t *state,
                 struct pool pools[BENCH_SIDES], struct bench_difference *rows)
{
    uint64_t ignored[BENCH_SIDES][PAIRED_QUANTILES] = {{0}};
    int64_t diffs[PAIRED_QUANTILES];
    double as_large[PAIRED_QUANTILES] = {0};
    for (unsigned r = 0; r < resamples; r++) {
        swap_some(pairs, whole, n, state, pools);
        difference(pools, diffs, ignored);
        for (size_t q = 0; q < PAIRED_QUANTILES; q++)
            as_large[q] += llabs(diffs[q]) > llabs(rows[q].diff_ns)    ? 1
                           : llabs(diffs[q]) == llabs(rows[q].diff_ns) ? 0.5
                                                                       : 0;
    }
    for (size_t q = 0; q < PAIRED_QUANTILES; q++)
        rows[q].p_value = (0.5 + as_large[q]) / (1.0 + resamples);
}

static void suppress(struct bench_difference *rows, uint64_t n_least)
{
    for (size_t q = 0; q < PAIRED_QUANTILES; q++) {
        rows[q].suppressed = (double)n_least * (1 - paired_quantiles[q]) < 10 - 1e-6;
        if (rows[q].suppressed)
            rows[q] = (struct bench_difference){
                .metric = rows[q].metric, .quantile = rows[q].quantile, .suppressed = true, .verdict = "suppressed"};
    }
}

static void compare(const struct pair *pairs, const size_t *whole, size_t n, unsigned resamples, uint64_t seed,
                    struct pool pools[BENCH_SIDES], int64_t *draws, struct bench_difference *rows)
{
    uint64_t sides[BENCH_SIDES][PAIRED_QUANTILES] = {{0}}, ignored[BENCH_SIDES][PAIRED_QUANTILES] = {{0}};
    int64_t diffs[PAIRED_QUANTILES];
    for (size_t i = 0; i < n; i++)
        for (int s = 0; s < BENCH_SIDES; s++)
            pool_add(&pools[s], &pairs[whole[i]].sides[s]);
    uint64_t least = pools[0].total < pools[1].total ? pools[0].total : pools[1].total;
    difference(pools, diffs, sides);
    for (size_t q = 0; q < PAIRED_QUANTILES; q++) {
        rows[q].target_ns = (int64_t)sides[BENCH_TARGET][q];
        rows[q].direct_ns = (int64_t)sides[BENCH_DIRECT][q];
        rows[q].diff_ns = diffs[q];
    }
    test(pairs, whole, n, resamples, &seed, pools, rows);
    for (unsigned r = 0; r < resamples; r++) {
        draw(pairs, whole, n, &seed, pools);
        difference(pools, diffs, ignored);
        for (size_t q = 0; q < PAIRED_QUANTILES; q++)
            draws[q * resamples + r] = diffs[q];
    }
    for (size_t q = 0; q < PAIRED_QUANTILES; q++)
        judge(draws + q * resamples, resamples, &rows[q]);
    suppress(rows, least);
}

enum err paired_compare(const struct pair *pairs, size_t count, enum bench_metric metric, unsigned resamples,
                        uint64_t seed, struct bench_difference *rows)
{
    struct pool pools[BENCH_SIDES] = {{0}};
    size_t n = 0;
    for (size_t q = 0; q < PAIRED_QUANTILES; q++)
        rows[q] = (struct bench_difference){.metric = metric, .quantile = paired_quantiles[q]};
    CLEANUP(free_ptr) size_t *whole = calloc(count > 0 ? count : 1, sizeof *whole);
    CLEANUP(free_ptr) int64_t *draws = calloc((size_t)resamples * PAIRED_QUANTILES, sizeof *draws);
    range_of(pairs, count, &pools[0]);
    pools[1] = pools[0];
    CLEANUP(free_ptr) uint64_t *first = calloc(pools[0].size + 1u, sizeof *first);
    CLEANUP(free_ptr) uint64_t *second = calloc(pools[0].size + 1u, sizeof *second);
    if (whole == NULL || draws == NULL || first == NULL || second == NULL)
        return ERR_NOMEM;
    pools[0].counts = first;
    pools[1].counts = second;
    for (size_t i = 0; i < count; i++)
        if (is_whole(&pairs[i]))
            whole[n++] = i;
    if (n == 0)
        suppress(rows, 0);
    else
        compare(pairs, whole, n, resamples, seed, pools, draws, rows);
    return OK;
}
