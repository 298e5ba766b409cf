/* report.c: the table of formats, and writing one to a file. */
#include "reports/report.h"

#include <errno.h>
#include <stdio.h>

enum { REPORT_MAX = 1 << 30 };

static void write_console(const cJSON *doc, struct buf *out)
{
    report_console(doc, false, true, out);
}

static void write_json(const cJSON *doc, struct buf *out)
{
    json_print(doc, JSON_PRETTY, out);
    buf_addc(out, '\n');
}

static const struct report_format formats[] = {
    {"json", ".json", "the result document itself", write_json},
    {"junit", ".xml", "JUnit XML, one test suite per area, for CI pages", report_junit},
    {"sarif", ".sarif", "SARIF 2.1.0, for code scanning: a rule for each requirement, a result for each failure", report_sarif},
    {"markdown", ".md", "Markdown, for a job summary or a pull request", report_markdown},
    {"text", ".txt", "the console report, without colour", write_console},
    {"github", NULL, "annotations of GitHub Actions; by name only", report_github},
};

const struct report_format *report_formats(size_t *count)
{
    *count = COUNT_OF(formats);
    return formats;
}

const struct report_format *report_format_named(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

const struct report_format *report_format_of_file(const char *file)
{
    const char *dot = strrchr(file, '.');
    for (size_t i = 0; dot != NULL && i < COUNT_OF(formats); i++)
        if (formats[i].ending != NULL && strcmp(formats[i].ending, dot) == 0)
            return &formats[i];
    return NULL;
}

/* The format asked for, else that of the ending; NULL, and a note, when there is none. */
static const struct report_format *choose_format(const char *file, const struct report_format *asked, struct note *note)
{
    const struct report_format *format = asked != NULL            ? asked
                                         : strcmp(file, "-") == 0 ? &formats[0]
                                                                  : report_format_of_file(file);
    if (format == NULL)
        (void)note_set(note, ERR_INVALID, "%s: no report has that ending; use .json, .xml, .sarif, .md or .txt", file);
    return format;
}

enum err report_check_file(const char *file, const struct report_format *format, struct note *note)
{
    if (choose_format(file, format, note) == NULL)
        return ERR_INVALID;
    if (strcmp(file, "-") == 0)
        return OK;
    FILE *f = fopen(file, "ab");
    if (f == NULL)
        return note_set(note, ERR_IO, "%s: %s", file, strerror(errno));
    (void)fclose(f);
    return OK;
}

enum err report_write_file(const cJSON *doc, const char *file, const struct report_format *format, struct note *note)
{
    bool to_stdout = strcmp(file, "-") == 0;
    const struct report_format *chosen = choose_format(file, format, note);
    if (chosen == NULL)
        return ERR_INVALID;
    CLEANUP(buf_release) struct buf out = BUF_INIT(REPORT_MAX);
    chosen->write(doc, &out);
    if (buf_error(&out) != OK)
        return note_set(note, buf_error(&out), "%s: the report could not be built: %s", file,
                        err_name(buf_error(&out)));
    FILE *f = to_stdout ? stdout : fopen(file, "wb");
    if (f == NULL)
        return note_set(note, ERR_IO, "%s: %s", file, strerror(errno));
    bool whole = out.len == 0 || fwrite(out.data, 1, out.len, f) == out.len;
    whole = (to_stdout ? fflush(f) : fclose(f)) == 0 && whole;
    return whole ? OK : note_set(note, ERR_IO, "%s: %s", file, strerror(errno));
}
