/* progress.c: drawing is limited to what a person can read: ten times a second, or once in ten seconds. */
#include "harness/progress.h"

#include <stdlib.h>
#include <unistd.h>

#define BAR_EVERY_NS  100000000u
#define LINE_EVERY_NS 10000000000u
enum { BAR_WIDTH = 30 };

bool progress_colour(FILE *out)
{
    const char *no = getenv("NO_COLOR");
    return (no == NULL || no[0] == '\0') && isatty(fileno(out)) == 1;
}

void progress_begin(struct progress *p, FILE *out, const char *ui, const char *noun, size_t total)
{
    *p = (struct progress){.out = out, .noun = noun, .total = total, .started_at_ns = now_ns()};
    if (strcmp(ui, "none") == 0)
        p->mode = PROGRESS_NONE;
    else
        p->mode = strcmp(ui, "auto") == 0 && isatty(fileno(out)) == 1 ? PROGRESS_BAR : PROGRESS_LINES;
    p->drawn_at_ns = p->started_at_ns;
}

static void draw_bar(struct progress *p, size_t done, size_t bad, const char *current, double rate, double left)
{
    char bar[BAR_WIDTH + 1];
    size_t full = p->total == 0 ? 0 : done * BAR_WIDTH / p->total;
    for (size_t i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(p->out, "\r\033[K[%s] %zu/%zu %s, %zu failed, %.1f/s, %.0f s left  %.40s", bar, done, p->total,
                  p->noun, bad, rate, left, current != NULL ? current : "");
    (void)fflush(p->out);
}

void progress_show(struct progress *p, size_t done, size_t bad, const char *current)
{
    uint64_t now = now_ns();
    uint64_t every = p->mode == PROGRESS_BAR ? BAR_EVERY_NS : LINE_EVERY_NS;
    if (p->mode == PROGRESS_NONE || now - p->drawn_at_ns < every)
        return;
    double seconds = (double)(now - p->started_at_ns) / 1e9;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    double left = rate > 0 && done < p->total ? (double)(p->total - done) / rate : 0;
    p->drawn_at_ns = now;
    p->drawn = true;
    if (p->mode == PROGRESS_BAR)
        draw_bar(p, done, bad, current, rate, left);
    else
        (void)fprintf(p->out, "%zu of %zu %s, %zu failed, %.1f a second, about %.0f s left\n", done, p->total, p->noun,
                      bad, rate, left);
}

void progress_end(struct progress *p)
{
    if (p->mode == PROGRESS_BAR && p->drawn)
        (void)fputs("\r\033[K", p->out);
    (void)fflush(p->out);
}
