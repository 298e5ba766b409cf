/* place.h: where in a file of the suites something stands, for annotations that open it. */
#ifndef MOHS_PLACE_H
#define MOHS_PLACE_H

#include "protocol/buf.h"

/* The line, from 1, on which a check of a case is asked for: "steps[0].upstream[0].body" leads to the member "body" of
 * that call's "expect". What the file does not have (a check made unasked) leads to the nearest thing around it, at
 * worst to line 1. The text must be JSON that was read already; of other bytes the line is some line of them. */
size_t place_line(struct span text, const char *check);

/* The path as a report may show it: without "./", and relative to the working directory when it is below that. */
void place_file(const char *path, struct buf *out);

/* Both for a case as struct case_file has it: embedded, or on the disk. `check` NULL: line 1. 0 when it cannot be read.
 */
size_t place_of_case(const char *path, const char *check);

#endif
