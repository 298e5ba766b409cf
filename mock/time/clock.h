/* clock.h: the time that the mock lives in: the machine's, moved by an offset that a test may set, so that what takes
 * minutes (an expiry, a quota's window, a cache's five minutes) is tested in milliseconds.
 *
 * Signatures, credentials, quotas, caches and jobs ask here. Pauses, gates and the journal's instants do not: they are
 * about this machine. Any thread. The clock starts at --clock-offset and is moved by POST /clock of the admin API.
 */
#ifndef MOHS_MOCK_CLOCK_H
#define MOHS_MOCK_CLOCK_H

#include <stdatomic.h>

#include "protocol/base.h"

struct mock_clock {
    atomic_int_least64_t offset_ms; /* zeroed: the machine's time */
    int64_t start_ms;               /* the offset that clock_reset goes back to */
};

/* The farthest that a clock may be moved: a hundred years. */
#define CLOCK_OFFSET_MAX_MS ((int64_t)100 * 366 * 86400 * 1000)

void clock_start(struct mock_clock *c, int64_t offset_ms); /* before the servers run */
int64_t clock_ms(const struct mock_clock *c);              /* since the epoch */
int64_t clock_s(const struct mock_clock *c);
int64_t clock_offset_ms(const struct mock_clock *c);
void clock_set_ms(struct mock_clock *c, int64_t ms); /* and it goes on from there */
void clock_set_offset_ms(struct mock_clock *c, int64_t offset_ms);
void clock_advance_ms(struct mock_clock *c, int64_t ms);
void clock_reset(struct mock_clock *c); /* the offset it started with */

/* "2026-01-02T03:04:05Z"; of any length up to `max`, always ended. */
#define CLOCK_TEXT 32
void clock_iso(int64_t ms, char to[static CLOCK_TEXT]);
/* The other way: exactly that form, UTC, whole seconds. ERR_INVALID with a note. */
enum err clock_iso_read(const char *text, int64_t *ms, struct note *note) MUST_USE;
/* "-10m", "3600s", "1.5h", "250ms", "+2d"; a unit is wanted. ERR_INVALID with a note, beyond CLOCK_OFFSET_MAX_MS too.
 */
enum err clock_offset_read(const char *text, int64_t *ms, struct note *note) MUST_USE;

#endif
