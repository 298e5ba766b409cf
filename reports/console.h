/* console.h: the parts of the console report. console.c puts them together. */
#ifndef MOHS_CONSOLE_H
#define MOHS_CONSOLE_H

#include "protocol/json.h"

/* How it is told, and whether something was left out for that. */
struct console_view {
    bool colour;
    bool verbose; /* every case, and each with all that is known */
    bool cut;     /* set when something was shortened */
};

/* The escape that begins the colour of a case's status; "" without colour. */
const char *console_colour(const struct console_view *v, const char *status);
/* A case with what there is to say of it: unless verbose, about a screen at most. */
void console_add_case(const cJSON *one, struct console_view *v, struct buf *out);
/* Its name and its first check that failed, in one line. */
void console_add_line(const cJSON *one, struct console_view *v, struct buf *out);

/* The figures of a load run or of a comparison; nothing when the document holds none. */
void console_add_load(const cJSON *doc, struct buf *out);
/* Counts and survivors of a selftest. `selftest` is that section of the document, or NULL. */
void console_add_selftest(const cJSON *selftest, struct buf *out);

#endif
