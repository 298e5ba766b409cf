/* schedule.h: the send instants of an open load, known before the first of them.
 *
 * Constant: worker i of n sends every n / rate seconds, shifted by i / rate, so that all together are evenly spaced.
 * Poisson: exponential gaps of mean n / rate from a seeded generator; independent streams add up to one of the full
 * rate. The instants never depend on answers: that is what makes the load open.
 */
#ifndef MOHS_BENCH_SCHEDULE_H
#define MOHS_BENCH_SCHEDULE_H

#include "harness/bench/bench.h"

struct schedule {
    enum bench_arrival arrival;
    uint64_t start_ns;
    double gap_ns, next_ns; /* next_ns after start_ns */
    uint64_t state;         /* of the generator */
};

void schedule_init(struct schedule *s, const struct bench_config *config, unsigned worker, uint64_t start_ns,
                   uint64_t salt);
uint64_t schedule_peek(const struct schedule *s); /* the next instant */
void schedule_advance(struct schedule *s);

/* SplitMix64, the one generator of the engine. */
uint64_t schedule_random(uint64_t *state);

#endif
