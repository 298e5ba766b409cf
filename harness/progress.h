/* progress.h: how far long work has come: a bar on a terminal, a line every ten seconds elsewhere, nothing with --ui
 * none. */
#ifndef MOHS_PROGRESS_H
#define MOHS_PROGRESS_H

#include <stdio.h>

#include "protocol/base.h"

struct progress {
    FILE *out;
    enum { PROGRESS_NONE, PROGRESS_BAR, PROGRESS_LINES } mode;
    const char *noun; /* "cases" */
    size_t total;
    uint64_t started_at_ns, drawn_at_ns;
    bool drawn;
};
#define PROGRESS_CHOICES "auto|plain|none"

/* `ui` is one of PROGRESS_CHOICES. */
void progress_begin(struct progress *p, FILE *out, const char *ui, const char *noun, size_t total);
/* Both may be called as often as you like; only as much is drawn as can be read. */
void progress_show(struct progress *p, size_t done, size_t bad, const char *current);
/* For work that does not come in pieces: `share` of it is done (0 to 1), and `text` says the rest. */
void progress_tell(struct progress *p, double share, const char *text);
void progress_end(struct progress *p);                                                /* the bar is wiped */
/* Colour: only on a terminal, and not with NO_COLOR in the environment. */
bool progress_colour(FILE *out);

#endif
