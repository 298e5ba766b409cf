/* clock.c: the machine's wall clock plus an offset, and the two ways in which people write times.
 */
#include "mock/time/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/sigv4.h"

void clock_start(struct mock_clock *c, int64_t offset_ms)
{
    c->start_ms = offset_ms;
    clock_reset(c);
}

int64_t clock_offset_ms(const struct mock_clock *c)
{
    return atomic_load_explicit(&c->offset_ms, memory_order_relaxed);
}

int64_t clock_ms(const struct mock_clock *c)
{
    return wall_ns() / 1000000 + clock_offset_ms(c);
}

int64_t clock_s(const struct mock_clock *c)
{
    return clock_ms(c) / 1000;
}

void clock_set_ms(struct mock_clock *c, int64_t ms)
{
    atomic_store(&c->offset_ms, ms - wall_ns() / 1000000);
}

void clock_set_offset_ms(struct mock_clock *c, int64_t offset_ms)
{
    atomic_store(&c->offset_ms, offset_ms);
}

void clock_advance_ms(struct mock_clock *c, int64_t ms)
{
    atomic_fetch_add(&c->offset_ms, ms);
}

void clock_reset(struct mock_clock *c)
{
    atomic_store(&c->offset_ms, c->start_ms);
}

void clock_iso(int64_t ms, char to[static CLOCK_TEXT])
{
    time_t s = (time_t)(ms / 1000);
    struct tm t;
    if (gmtime_r(&s, &t) == NULL || strftime(to, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        (void)snprintf(to, CLOCK_TEXT, "1970-01-01T00:00:00Z");
}

/* The basic form is what SigV4 reads, and reads strictly; this is the extended one. */
enum err clock_iso_read(const char *text, int64_t *ms, struct note *note)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    char basic[SIGV4_DATE];
    size_t n = 0, i = 0;
    for (; form[i] != '\0' && text[i] != '\0' && n < sizeof basic - 1; i++) {
        if (form[i] == '-' || form[i] == ':') {
            if (text[i] != form[i])
                break;
            continue;
        }
        basic[n++] = text[i];
    }
    basic[n] = '\0';
    int64_t at_s = 0;
    if (form[i] != '\0' || text[i] != '\0' || sigv4_date_parse(span_of(basic), &at_s) != OK)
        return note_set(note, ERR_INVALID, "'%.40s' is no time: expected one like 2026-01-02T03:04:05Z", text);
    *ms = at_s * 1000;
    return OK;
}

enum err clock_offset_read(const char *text, int64_t *ms, struct note *note)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    char *end;
    double value = strtod(text, &end);
    size_t i = 0;
    while (i < COUNT_OF(units) && strcmp(end, units[i].unit) != 0)
        i++;
    if (end == text || i == COUNT_OF(units) || !isfinite(value))
        return note_set(note, ERR_INVALID, "'%.40s' is no offset: expected one like -10m, 3600s, 250ms, 2h or 1d",
                        text);
    value *= units[i].ms;
    if (fabs(value) > (double)CLOCK_OFFSET_MAX_MS)
        return note_set(note, ERR_INVALID, "'%.40s' is farther than a hundred years", text);
    *ms = (int64_t)value;
    return OK;
}
