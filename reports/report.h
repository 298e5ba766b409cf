/* report.h: a result document as something to read: text for the console, JSON, JUnit XML, SARIF, Markdown.
 *
 * Every report is a function from the document to bytes: nothing else feeds it, so a saved document gives the same
 * report a year later. To add a format, add a row to the table in report.c.
 */
#ifndef MOHS_REPORT_H
#define MOHS_REPORT_H

#include "protocol/json.h"

struct report_format {
    const char *name;   /* "junit" */
    const char *ending; /* ".xml"; NULL: no file is known by one */
    const char *what;   /* for --help */
    void (*write)(const cJSON *doc, struct buf *out);
};

/* By name, or by the ending of a file name; NULL when there is none. */
const struct report_format *report_format_named(const char *name);
const struct report_format *report_format_of_file(const char *file);
const struct report_format *report_formats(size_t *count);

/* Can a report be written there: the ending is known (or `format` given), and the file can be opened. Asked before a
 * long run. A file that is not there yet is made, empty. */
enum err report_check_file(const char *file, const struct report_format *format, struct note *note) MUST_USE;

/* Write to the file, or to standard output for "-" (as JSON, unless format says otherwise). NULL format: by the ending.
 */
enum err report_write_file(const cJSON *doc, const char *file, const struct report_format *format,
                           struct note *note) MUST_USE;

/* The console report, with colour when asked. A failure is about a screen at most, and of many failures those behind the
 * tenth are a line each. `verbose`: every case, not only those that did not pass, and all that is known of it. */
void report_console(const cJSON *doc, bool colour, bool verbose, struct buf *out);
void report_junit(const cJSON *doc, struct buf *out);
void report_sarif(const cJSON *doc, struct buf *out);
void report_github(const cJSON *doc, struct buf *out);
void report_markdown(const cJSON *doc, struct buf *out);
/* The same, for a page that takes `most` bytes: wires, then whole cases are left out, and how many is said. (What is not
 * about cases is short, and always there.) */
void report_markdown_within(const cJSON *doc, size_t most, struct buf *out);

#endif
