/* cmd_import.c: `mohs mock import`: the fixtures of another mock become ours. */
#include <stddef.h>
#include <stdio.h>

#include "harness/option.h"
#include "harness/verbs.h"
#include "mock/fixture/fixture_import.h"
#include "mock/fixture/fixture_write.h"
#include "mock/fixture/fixtures.h"
#include "protocol/file.h"
#include "reports/exit.h"

struct import_options {
    const char *out;
    bool quiet;
};

static const struct option_row rows[] = {
    {"out", 'o', "FILE", OPTION_STRING, offsetof(struct import_options, out), "-", 0, 0, NULL,
     "Where the fixtures are written; - is standard output."},
    {"quiet", 'q', NULL, OPTION_FLAG, offsetof(struct import_options, quiet), NULL, 0, 0, NULL,
     "Tell only what was lost, not what was changed."},
};

static void tell(void *ctx, bool lost, const char *line)
{
    const struct import_options *o = ctx;
    if (lost || !o->quiet)
        (void)fprintf(stderr, "%s %s\n", lost ? "lost:" : "note:", line);
}

static enum err import_all(const struct option_list *paths, struct fixture_import *to, struct note *note)
{
    struct fixture_file_list files;
    enum err e = fixture_files_find(paths->items, paths->count, &files, note);
    for (size_t i = 0; e == OK && i < files.count; i++) {
        CLEANUP(json_free) cJSON *theirs = NULL;
        e = file_read_json(files.names[i], JSON_COMPACT, &theirs, note);
        if (e == OK)
            e = fixture_import_aimock(to, theirs, files.names[i], note);
    }
    fixture_files_release(&files);
    return e;
}

static enum err write_out(const char *name, struct span text, struct note *note)
{
    if (strcmp(name, "-") != 0)
        return file_write(name, text, note);
    return fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0
               ? OK
               : note_set(note, ERR_IO, "standard output cannot be written");
}

static int run(const void *settings, const struct option_list *operands)
{
    struct import_options o = *(const struct import_options *)settings;
    struct note note = {""};
    CLEANUP(json_free) cJSON *document = fixture_document_new();
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    struct fixture_import to = {.document = document, .tell = tell, .ctx = &o};
    enum err e = operands->count == 0 ? note_set(&note, ERR_INVALID, "which files? See mohs mock import --help") : OK;
    if (e == OK)
        e = import_all(operands, &to, &note);
    if (e == OK)
        e = fixture_document_print(document, &text, &note);
    if (e == OK)
        e = write_out(o.out, buf_span(&text), &note);
    if (e != OK) {
        (void)fprintf(stderr, "mohs mock import: %s\n", note.text);
        return EXIT_USAGE;
    }
    (void)fprintf(stderr, "mohs mock import: %zu of %zu fixtures carried over; %zu things lost\n", to.written,
                  to.read, to.lost);
    return to.lost > 0 ? EXIT_FAILED : EXIT_HELD;
}

const struct verb verb_import = {
    .name = "mock import",
    .operands = "FILE|DIR...",
    .summary = "turn aimock fixtures into ours",
    .about = "Reads fixture files of aimock (CopilotKit's mock of model APIs), and writes one file of fixtures for "
             "--fixtures of mohs "
             "mock.\n\n"
             "What cannot be carried over is told on standard error, a line each with file and JSON pointer. Exit 0: "
             "everything was "
             "carried over; 1: something was lost; 2: nothing was written (docs/fixtures.md).",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct import_options),
    .run = run,
};
