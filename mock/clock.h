/* clock.h: the time that the mock lives in: the machine's, moved by an offset that a test may set, so that what takes
 * minutes (an expiry, a quota's window, a cache's five minutes) is tested in milliseconds.
 *
 * Signatures, credentials, quotas, caches and jobs ask here. Pauses, gates and the journal's instants do not: they are
 * about this machine. Any thread.
 */
#ifndef MOHS_MOCK_CLOCK_H
#define MOHS_MOCK_CLOCK_H

#include <stdatomic.h>

#include "protocol/base.h"

struct mock_clock {
    atomic_int_least64_t offset_ms; /* zeroed: the machine's time */
};

int64_t clock_ms(const struct mock_clock *c); /* since the epoch */
int64_t clock_s(const struct mock_clock *c);
void clock_set_ms(struct mock_clock *c, int64_t ms); /* and it goes on from there */
void clock_advance_ms(struct mock_clock *c, int64_t ms);
void clock_reset(struct mock_clock *c);
/* "2026-01-02T03:04:05Z"; of any length up to `max`, always ended. */
#define CLOCK_TEXT 32
void clock_iso(int64_t ms, char to[static CLOCK_TEXT]);

#endif
