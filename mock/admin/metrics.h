/* metrics.h: what GET /metrics counts.
 *
 * Each worker has a block of counters that nobody else writes, so counting is a plain addition on the path of a
 * request: no lock, no shared cache line. A reader sums the blocks; sums may be an instant old, never wrong. Counters
 * only grow, whatever POST /reset forgets, as Prometheus wants it. Blocks in which something
 * was counted live as long as the mock, longer than their workers.
 */
#ifndef MOHS_MOCK_METRICS_H
#define MOHS_MOCK_METRICS_H

#include "net/plan.h"

struct mock;
struct metrics;       /* of a mock */
struct metrics_block; /* of a worker */

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);
/* Any thread. NULL when out of memory. */
struct metrics_block *metrics_block_new(struct metrics *m);
/* Its worker ends. A server that did not find its ports leaves nothing behind, however often it was tried. */
void metrics_block_leave(struct metrics *m, struct metrics_block *b); /* NULL is fine */
size_t metrics_blocks(struct metrics *m);

/* The rest on the worker's own thread. `operation` and `source` are static, or live as long as the mock; operation
 * NULL: none. */
void metrics_begin(struct metrics_block *b, size_t body_bytes);
void metrics_answer(struct metrics_block *b, const char *operation, int status, const char *source);
void metrics_refusal(struct metrics_block *b, unsigned layer);      /* enum refusal_layer */
void metrics_faults(struct metrics_block *b, struct span happened); /* ["a","b"...: as the journal has them */
void metrics_end(struct metrics_block *b, const struct delivery *d);

/* The text format of Prometheus, version 0.0.4. Any thread. */
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
void metrics_print(const struct mock *mock, struct buf *out);

#endif
