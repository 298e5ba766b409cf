/* option.h: subcommands and their options as tables; parsing, help and manual pages all come from the rows.
 *
 * A verb keeps its settings in a struct of its own; each row says where in it the value goes:
 *
 *     struct mock_options { int64_t port; bool parent_watch; const char *auth; struct option_list models; };
 *     static const struct option_row rows[] = {
 *         {"port", 'p', "PORT", OPTION_INT, offsetof(struct mock_options, port), .fallback = "9555", .max = 65535,
 *          .help = "Port to serve Bedrock on; 0 takes any free one."}, ...
 *     };
 *     const struct verb verb_mock = {.name = "mock", .summary = "...", .options = rows, .option_count = COUNT_OF(rows),
 *                                    .size = sizeof(struct mock_options), .run = run};
 *
 * and main.c lists &verb_mock. A value comes from the command line, else from the environment (MOHS_ADMIN_PORT for
 * --admin-port), else from the file of --config, else from the row's fallback. A configuration file is one JSON object:
 * a member is an option of any verb, or the name of a verb with an object of its options, which wins over the former.
 * --help and --config exist for every verb without a row.
 */
#ifndef MOHS_OPTION_H
#define MOHS_OPTION_H

#include <stdio.h>

#include "protocol/json.h"

enum option_type {
    OPTION_FLAG,     /* bool; --name, --no-name, --name=false */
    OPTION_STRING,   /* const char *; NULL when never given and without a fallback */
    OPTION_LIST,     /* struct option_list; each use adds one */
    OPTION_INT,      /* int64_t, between min and max */
    OPTION_REAL,     /* double, at least min (and at most max, when max is not 0) */
    OPTION_MS,       /* int64_t of milliseconds: "250", "250ms", "1.5s" */
    OPTION_DURATION, /* int64_t of nanoseconds: "10s", "250ms", "2m"; a bare number is refused */
    OPTION_BYTES,    /* int64_t: "65536", "64K", "16M", "1G" */
    OPTION_HEADING   /* no option: `help` is the heading of the rows below it, where a verb has many */
};

struct option_list {
    const char **items;
    size_t count;
};

struct option_row {
    const char *name;     /* without the dashes; also the key in a configuration file */
    char letter;          /* 0: none */
    const char *argument; /* "PORT"; NULL for a flag */
    enum option_type type;
    size_t offset;        /* of the value in the verb's struct */
    const char *fallback; /* as it would be typed; NULL: zero, NULL, false */
    int64_t min, max;     /* for numbers; both 0: any that is not negative */
    const char *choices;  /* "auto|plain|none"; NULL: anything */
    const char *help;     /* sentences */
};

#define OPTION_GROUP(title) {.name = "", .type = OPTION_HEADING, .help = (title)}

struct verb {
    const char *name;
    const char *operands; /* "[ID|GLOB]..." for the synopsis; NULL: none are taken */
    const char *summary;  /* one line, lower case, no full stop */
    const char *about;    /* paragraphs, separated by an empty line; NULL: the summary says it all */
    const char *examples; /* lines "command\tsentence", each ended by a newline; NULL: none */
    const struct option_row *options;
    size_t option_count;
    size_t size; /* of the struct of settings */
    /* Returns the exit code. `settings` is the struct. Everything lives until it returns. */
    int (*run)(const void *settings, const struct option_list *operands);
};

/* The verbs of the program, ended by NULL. main.c */
extern const struct verb *const verbs[];
/* The verb that the first words name, and how many words that are: some are two, as "mock import". NULL: none. */
const struct verb *verb_of_words(const char *const *words, size_t count, size_t *used);

/* What was parsed. Zero it first; options_release() frees what is inside, also after an error. */
struct options {
    void *settings;
    struct option_list operands;
    bool help; /* --help was there; nothing else was looked at */
    /* The rest is private. */
    const struct verb *verb;
    unsigned char *level;
    cJSON *file;
    struct buf text;
};
/* argv[0] is the first word behind the verb. ERR_INVALID, ERR_UNKNOWN, ERR_IO: the note is for the user. */
enum err options_parse(const struct verb *verb, int argc, char **argv, struct options *out, struct note *note) MUST_USE;
void options_release(struct options *o);

void help_program(FILE *out);
void help_verb(FILE *out, const struct verb *verb);
void help_man(FILE *out, const struct verb *verb); /* NULL: mohs(1) itself */

#endif
