/* The offset is a double of nanoseconds since the start: within an hour it is exact to less than a nanosecond, and a
 * rate that does not divide a second leaves no drift, as adding rounded integers would.
 */
#include "harness/bench/schedule.h"

#include <math.h>

uint64_t schedule_random(uint64_t *state)
{
    uint64_t v = *state += UINT64_C(0x9e3779b97f4a7c15);
    v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
    return v ^ (v >> 31);
}

/* An exponential gap. The uniform number is in (0, 1], so the logarithm is finite. */
static double exponential(struct schedule *s)
{
    double u = ((double)(schedule_random(&s->state) >> 11) + 1) * 0x1p-53;
    return -log(u) * s->gap_ns;
}

void schedule_init(struct schedule *s, const struct bench_config *config, unsigned worker, uint64_t start_ns,
                   uint64_t salt)
{
    s->arrival = config->arrival;
    s->start_ns = start_ns;
    s->gap_ns = (double)config->threads * 1e9 / config->rate;
    s->state = config->seed ^ (salt * UINT64_C(0x2545f4914f6cdd1d)) ^ ((uint64_t)worker << 56);
    s->next_ns = s->arrival == BENCH_POISSON ? exponential(s) : (double)worker * 1e9 / config->rate;
}

uint64_t schedule_peek(const struct schedule *s)
{
    return s->start_ns + (uint64_t)s->next_ns;
}

void schedule_advance(struct schedule *s)
{
    s->next_ns += s->arrival == BENCH_POISSON ? exponential(s) : s->gap_ns;
}
