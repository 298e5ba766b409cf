/* tally.h: counting: what a worker writes down while it runs, and how the shares of workers become one. */
#ifndef MOHS_BENCH_TALLY_H
#define MOHS_BENCH_TALLY_H

#include "harness/bench/bench.h"

enum err tally_init(struct bench_tally *t) MUST_USE; /* all histograms; ERR_NOMEM leaves something to release */
void tally_release(struct bench_tally *t);
void tally_reset(struct bench_tally *t); /* as after init, memory kept */
void tally_merge(struct bench_tally *into, const struct bench_tally *from);

static inline void tally_record(struct bench_tally *t, enum bench_metric m, uint64_t ns)
{
    hist_record(t->metrics[m], ns);
}

/* An error of class, code and phase, with an example of what was seen (cut, control characters replaced, secrets
 * masked). */
void tally_error(struct bench_tally *t, enum bench_class class, const char *code, const char *phase, uint64_t id,
                 struct span seen);
/* An answer ended `second` seconds into the run, well after e2e_ns, or badly. */
void tally_second(struct bench_tally *t, uint64_t second, bool good, uint64_t e2e_ns);

/* Mask what follows the words that announce a secret, in place. A sentence about one ("Authorization header is missing",
 * "Bearer token expired") is no secret and stays. */
void tally_mask_secrets(char *text);

#endif
