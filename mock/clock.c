/* clock.c: the machine's wall clock plus an offset. */
#include "mock/clock.h"

#include <stdio.h>
#include <time.h>

int64_t clock_ms(const struct mock_clock *c)
{
    return wall_ns() / 1000000 + atomic_load_explicit(&c->offset_ms, memory_order_relaxed);
}

int64_t clock_s(const struct mock_clock *c)
{
    return clock_ms(c) / 1000;
}

void clock_set_ms(struct mock_clock *c, int64_t ms)
{
    atomic_store(&c->offset_ms, ms - wall_ns() / 1000000);
}

void clock_advance_ms(struct mock_clock *c, int64_t ms)
{
    atomic_fetch_add(&c->offset_ms, ms);
}

void clock_reset(struct mock_clock *c)
{
    atomic_store(&c->offset_ms, 0);
}

void clock_iso(int64_t ms, char to[static CLOCK_TEXT])
{
    time_t s = (time_t)(ms / 1000);
    struct tm t;
    if (gmtime_r(&s, &t) == NULL || strftime(to, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        (void)snprintf(to, CLOCK_TEXT, "1970-01-01T00:00:00Z");
}
