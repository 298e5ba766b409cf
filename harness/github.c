/* github.c: what a runner of GitHub Actions reads of a run: lines of the log that are commands, and a file.
 *
 * The runner takes commands from standard output and standard error alike, and trims a line before it looks, so a line
 * of evidence that says "::add-mask::" or worse would be obeyed. ::stop-commands::TOKEN ends that until ::TOKEN::; the
 * token is the random id of the run, which no peer has seen.
 */
#include "harness/github.h"

#include <errno.h>
#include <stdlib.h>

#include "reports/report.h"

enum {
    SUMMARY_MOST = 1024 * 1024 - 4096
}; /* GitHub refuses more than 1 MiB; some room for its own and for line ends */

bool github_wanted(const char *ui)
{
    const char *actions = getenv("GITHUB_ACTIONS");
    return strcmp(ui, "github") == 0 || (strcmp(ui, "auto") == 0 && actions != NULL && strcmp(actions, "true") == 0);
}

/* Where the last line begins. */
static size_t last_line(const char *text)
{
    size_t at = strlen(text);
    at -= at > 0;
    while (at > 0 && text[at - 1] != '\n')
        at--;
    return at;
}

void github_tell(const cJSON *doc, const char *report, FILE *out)
{
    CLEANUP(buf_release) struct buf annotations = BUF_INIT(BUF_ANY);
    const char *token = json_str(doc, "run_id");
    size_t last = last_line(report);
    report_github(doc, &annotations);
    (void)fprintf(out, "::stop-commands::mohs-%s\n%.*s::mohs-%s::\n%s%s", token, (int)last, report, token,
                  buf_text(&annotations), report + last);
}

enum err github_summarize(const cJSON *doc, struct note *note)
{
    const char *file = getenv("GITHUB_STEP_SUMMARY");
    if (file == NULL || file[0] == '\0')
        return OK;
    FILE *f = fopen(file, "ab");
    if (f == NULL)
        return note_set(note, ERR_IO, "GITHUB_STEP_SUMMARY: %s: %s", file, strerror(errno));
    long there = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : 0; /* what the steps of the job wrote before */
    CLEANUP(buf_release) struct buf page = BUF_INIT(BUF_ANY);
    report_markdown_within(doc, there > 0 && there < SUMMARY_MOST ? (size_t)(SUMMARY_MOST - there) : SUMMARY_MOST,
                           &page);
    bool whole = fprintf(f, "%s%s\n", there > 0 ? "\n" : "", buf_text(&page)) > 0;
    whole = fclose(f) == 0 && whole;
    return whole ? OK : note_set(note, ERR_IO, "GITHUB_STEP_SUMMARY: %s: %s", file, strerror(errno));
}
