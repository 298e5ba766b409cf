/* cmd_report.c: mohs report: saved results as other formats. Every report is made from the document alone. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocol/file.h"
#include "harness/option.h"
#include "harness/verbs.h"
#include "reports/exit.h"
#include "reports/report.h"
#include "reports/result.h"

struct report_options {
    struct option_list outputs;
    const char *format;
    bool verbose;
};

static const struct option_row rows[] = {
    {"output", 'o', "FILE", OPTION_LIST, offsetof(struct report_options, outputs),
     .help = "Write the report there; may be repeated. The format is that of the ending: .json, .xml (JUnit), "
             ".sarif, .md, .txt. - is standard output."},
    {"format", 0, "NAME", OPTION_STRING, offsetof(struct report_options, format), .choices = "json|junit|sarif|markdown|text|github",
     .help = "The format, whatever the ending; github: the annotations of GitHub Actions."},
    {"verbose", 'v', NULL, OPTION_FLAG, offsetof(struct report_options, verbose),
     .help = "On the console: every case, not only those that did not pass."},
};

static int complain(const struct note *note)
{
    (void)fprintf(stderr, "mohs report: %s\n", note->text);
    return EXIT_USAGE;
}

static int run(const void *settings, const struct option_list *operands)
{
    const struct report_options *o = settings;
    struct note note = {""};
    CLEANUP(json_free) cJSON *doc = NULL;
    if (operands->count != 1) {
        (void)note_set(&note, ERR_INVALID, "give exactly one result document, such as result.json");
        return complain(&note);
    }
    if (file_read_json(operands->items[0], JSON_UNIQUE, &doc, &note) != OK)
        return complain(&note);
    if (result_validate(doc, &note) != OK) {
        note_prefix(&note, "%s", operands->items[0]);
        return complain(&note);
    }
    const struct report_format *format = o->format == NULL ? NULL : report_format_named(o->format);
    for (size_t i = 0; i < o->outputs.count; i++)
        if (report_write_file(doc, o->outputs.items[i], format, &note) != OK)
            return complain(&note);
    if (o->outputs.count > 0)
        return EXIT_HELD;
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    if (format != NULL)
        format->write(doc, &out);
    else
        report_console(doc, isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL, o->verbose, &out);
    (void)fputs(buf_text(&out), stdout);
    return EXIT_HELD;
}

const struct verb verb_report = {
    .name = "report",
    .operands = "RESULT.json",
    .summary = "turn a saved result into text, JUnit XML, SARIF or Markdown",
    .about = "Reads a result document that check, bench or demo wrote with -o, checks it against the schema, and "
             "writes reports\n"
             "from it. Without -o the console report is printed. The exit code is 0 when they are written, whatever the run's was.",
    .examples = "mohs report result.json\tThe console report of a saved run.\n"
                "mohs report result.json -o junit.xml -o summary.md\tFor a CI page and for a pull request.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct report_options),
    .run = run,
};
