/* repeats.c: the lines of the last second, in a short array under one lock: a line costs a few string compares, which is
 * less than writing it, and a server that has nothing to say pays nothing.
 */
#include "harness/repeats.h"

#define START_SHOWN 100 /* bytes of a line that a summary repeats where the line itself does not stand before it */

static void tell_more(struct repeats *r, FILE *out, struct repeats_line *line)
{
    if (line->more == 0)
        return;
    if (r->last == line)
        (void)fprintf(out, "\u2026 and %llu more like it\n", (unsigned long long)line->more);
    else
        (void)fprintf(out, "\u2026 and %llu more like: %.*s%s\n", (unsigned long long)line->more, START_SHOWN, line->text,
                      strlen(line->text) > START_SHOWN ? "\u2026" : "");
    line->more = 0;
    if (r->last != line)
        r->last = NULL;
}

static void forget(struct repeats *r, size_t i)
{
    struct repeats_line *line = &r->lines[i], *end = &r->lines[r->count - 1];
    if (r->last == line)
        r->last = NULL;
    if (line != end) {
        *line = *end;
        if (r->last == end)
            r->last = line;
    }
    r->count--;
}

static void sweep(struct repeats *r, FILE *out, uint64_t now_ns, bool all)
{
    for (size_t i = r->count; i-- > 0;) {
        if (!all && now_ns < r->lines[i].told_ns + REPEATS_WINDOW_NS) /* another thread's now may be a little ahead */
            continue;
        tell_more(r, out, &r->lines[i]);
        forget(r, i);
    }
}

static struct repeats_line *find(struct repeats *r, const char *text)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->lines[i].text, text) == 0)
            return &r->lines[i];
    return NULL;
}

static struct repeats_line *place(struct repeats *r, FILE *out)
{
    if (r->count == REPEATS_KEPT) {
        size_t oldest = 0;
        for (size_t i = 1; i < r->count; i++)
            if (r->lines[i].told_ns < r->lines[oldest].told_ns)
                oldest = i;
        tell_more(r, out, &r->lines[oldest]);
        forget(r, oldest);
    }
    return &r->lines[r->count++];
}

void repeats_tell(struct repeats *r, FILE *out, const char *line, uint64_t now_ns)
{
    char text[REPEATS_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s", line);
    (void)pthread_mutex_lock(&r->lock);
    sweep(r, out, now_ns, false);
    struct repeats_line *known = find(r, text);
    if (known != NULL) {
        known->more++;
    } else {
        for (size_t i = 0; i < r->count; i++) /* before the new line parts it from its own */
            if (&r->lines[i] == r->last)
                tell_more(r, out, &r->lines[i]);
        known = place(r, out);
        memcpy(known->text, text, sizeof text);
        known->told_ns = now_ns;
        known->more = 0;
        r->last = known;
        (void)fprintf(out, "%s\n", text);
    }
    (void)pthread_mutex_unlock(&r->lock);
}

void repeats_flush(struct repeats *r, FILE *out, uint64_t now_ns, bool all)
{
    (void)pthread_mutex_lock(&r->lock);
    sweep(r, out, now_ns, all);
    (void)pthread_mutex_unlock(&r->lock);
}
