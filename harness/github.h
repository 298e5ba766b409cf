/* github.h: a run inside a job of GitHub Actions: annotations in its log, the Markdown report in its summary. */
#ifndef MOHS_GITHUB_H
#define MOHS_GITHUB_H

#include <stdio.h>

#include "protocol/json.h"

/* Asked for by --ui github, or by --ui auto where GITHUB_ACTIONS is "true". */
bool github_wanted(const char *ui);

/* The console report, then the annotations, then the report's last line, which stays the last. While the report is
 * printed the runner is told to take no commands: bodies of a peer stand in it, and a line of those might be one. */
void github_tell(const cJSON *doc, const char *report, FILE *out);

/* Append the Markdown report to the file that GITHUB_STEP_SUMMARY names, within what GitHub takes (1 MiB of a step). Not
 * set, or empty: nothing. */
enum err github_summarize(const cJSON *doc, struct note *note) MUST_USE;

#endif
