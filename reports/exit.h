/* exit.h: what the exit code of mohs says. One table for the program, its manual and its reports. */
#ifndef MOHS_REPORTS_EXIT_H
#define MOHS_REPORTS_EXIT_H

#include "protocol/base.h"

enum exit_code {
    EXIT_HELD = 0,          /* all required held */
    EXIT_FAILED = 1,        /* unexpected conformance failure */
    EXIT_USAGE = 2,         /* usage, configuration, case or profile error */
    EXIT_STALE = 3,         /* only stale expected failures */
    EXIT_NOTHING = 4,       /* nothing selected or nothing measured */
    EXIT_INCONCLUSIVE = 5,  /* the rig was the limit, calibration failed, or a side was saturated */
    EXIT_UNREACHABLE = 6,   /* the target cannot be reached, or died during the run */
    EXIT_INTERNAL = 7,      /* a fault inside the harness */
    EXIT_INTERRUPTED = 105  /* Ctrl-C, ended cleanly with what was there so far */
};

struct exit_row {
    int code;
    const char *meaning;
};
extern const struct exit_row exit_table[];
extern const size_t exit_table_count;

const char *exit_meaning(int code); /* never NULL */

/* The one to report when both hold: 105 (the run is not whole), then 7, 2, 6, 5, 4, 1, 3, 0. */
int exit_worse(int a, int b);

#endif
