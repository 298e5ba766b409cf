/* progress.c: drawing is limited to what a person can read: ten times a second, or once in ten seconds. */
#include "harness/progress.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "protocol/buf.h"

#define BAR_EVERY_NS  100000000u
#define LINE_EVERY_NS 10000000000u
enum { BAR_LONG = 30, BAR_SHORT = 16, WIDE = 100, WIDTH_UNKNOWN = 80, LINE_MAX_BYTES = 512 };

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
    p->drawn_at_ns = p->mode == PROGRESS_LINES ? p->started_at_ns : 0; /* a bar is there at once */
}

static size_t terminal_width(FILE *out)
{
    struct winsize size;
    return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : WIDTH_UNKNOWN;
}

/* One line, whatever the terminal's width: a line that wraps cannot be drawn over. */
static void draw_bar(struct progress *p, double share, const char *text)
{
    size_t width = terminal_width(p->out);
    size_t all = width >= WIDE ? BAR_LONG : BAR_SHORT;
    size_t full = share >= 1 ? all : share > 0 ? (size_t)(share * (double)all) : 0;
    CLEANUP(buf_release) struct buf line = BUF_INIT(LINE_MAX_BYTES);
    buf_addc(&line, '[');
    for (size_t i = 0; i < all; i++)
        buf_addc(&line, i < full ? '#' : '.');
    buf_addf(&line, "] %s", text);
    int room = (int)width - 3; /* the last columns stay free for the ^C of a terminal */
    (void)fprintf(p->out, "\r\033[K%.*s", room > 0 ? room : 0, buf_text(&line));
    (void)fflush(p->out);
}

static bool is_due(struct progress *p)
{
    uint64_t now = now_ns();
    if (p->mode == PROGRESS_NONE || now - p->drawn_at_ns < (p->mode == PROGRESS_BAR ? BAR_EVERY_NS : LINE_EVERY_NS))
        return false;
    p->drawn_at_ns = now;
    return true;
}

void progress_tell(struct progress *p, double share, const char *text)
{
    if (!is_due(p))
        return;
    p->drawn = true;
    if (p->mode == PROGRESS_BAR)
        draw_bar(p, share, text);
    else
        (void)fprintf(p->out, "%s\n", text);
}

void progress_show(struct progress *p, size_t done, size_t bad, const char *current)
{
    double seconds = (double)(now_ns() - p->started_at_ns) / 1e9;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    double left = rate > 0 && done < p->total ? (double)(p->total - done) / rate : 0;
    char text[160];
    (void)snprintf(text, sizeof text, "%zu of %zu %s, %zu failed, %.1f/s, %.0f s left%s%s", done, p->total, p->noun,
                   bad, rate, left, p->mode == PROGRESS_BAR && current != NULL ? "  " : "",
                   p->mode == PROGRESS_BAR && current != NULL ? current : "");
    progress_tell(p, p->total == 0 ? 0 : (double)done / (double)p->total, text);
}

void progress_end(struct progress *p)
{
    if (p->mode == PROGRESS_BAR && p->drawn)
        (void)fputs("\r\033[K", p->out);
    (void)fflush(p->out);
}
