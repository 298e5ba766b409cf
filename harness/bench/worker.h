/* worker.h: one thread of the load engine: an epoll loop, its sockets, its counts.
 *
 * Workers run the same list of blocks in step: a barrier before each block gives all of them one start instant. A block
 * is traffic to one side; requests due in its first settle_ns, and all of an unmeasured block, are sent but not
 * counted. Once its time or count is up, what is in flight is waited for, so that slow answers are not left out of the
 * figures.
 */
#ifndef MOHS_BENCH_WORKER_H
#define MOHS_BENCH_WORKER_H

#include <pthread.h>

#include "harness/bench/bench.h"

struct block {
    enum bench_side side;
    bool measured;
    uint64_t settle_ns;
    uint64_t duration_ns; /* after settling; 0: by count */
    uint64_t count;       /* measured requests of all workers; 0: by duration */
};

/* The metrics that are kept per block for the comparison. */
#define BLOCK_METRICS 6
extern const enum bench_metric block_metrics[BLOCK_METRICS];

struct run {
    const struct bench_config *config;
    const struct block *blocks;
    size_t block_count;
    bool paired;
    uint64_t id_salt;
    uint64_t started_ns;
    pthread_barrier_t barrier;
    uint64_t block_start_ns; /* written between two barriers by one thread */
    bool ended;              /* likewise: no further block */
    atomic_bool stop;
    pthread_mutex_t gate; /* of the three below; held until all workers exist */
    pthread_cond_t home;  /* a worker has ended */
    unsigned running;
    bool aborted; /* not all could be started: go home at once */
};

struct worker; /* private */
/* ERR_NOMEM, ERR_IO, or what request_init says. */
enum err worker_new(struct run *run, unsigned index, struct worker **out, struct note *note) MUST_USE;
void worker_free(struct worker *w);
void *worker_main(void *worker); /* for pthread_create */

/* After join (counts also while it runs, roughly). */
struct bench_tally *worker_tally(struct worker *w, enum bench_side side);
const struct hist_sparse *worker_block(const struct worker *w, size_t block, size_t metric); /* of block_metrics */
void worker_counts(const struct worker *w, uint64_t *done, uint64_t *errors);
double worker_cpu_share(const struct worker *w);
double worker_wait_share(const struct worker *w); /* -1: the kernel does not tell */
bool worker_failed(const struct worker *w);       /* ran out of memory on the way */

#endif
