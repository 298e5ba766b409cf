/* main.c: the table of subcommands, and nothing that knows what they do.
 *
 * A verb is one row; its file harness/cmd_NAME.c holds the row, its options and its run function. Everything that is
 * the same for all, but for the look at standard output at the end, lives in option.c (parsing), help.c (help and
 * manual) and reports/exit.c (what the exit code says).
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/command_line.h"
#include "harness/option.h"
#include "harness/verbs.h"
#include "reports/exit.h"

const struct verb *const verbs[] = {
    &verb_demo, &verb_check,  &verb_mock, &verb_import, &verb_gateway, &verb_bench,  &verb_selftest, &verb_list, &verb_show,
    &verb_cost, &verb_report, &verb_sign, &verb_verify,  &verb_frames, &verb_help,     NULL,
};

static int unknown_verb(const char *word)
{
    const char *known[64];
    size_t n = 0;
    for (; verbs[n] != NULL && n < COUNT_OF(known); n++)
        known[n] = verbs[n]->name;
    const char *near = nearest_word(word, known, n);
    (void)fprintf(stderr,
                  near != NULL ? "mohs: there is no verb '%s'; did you mean '%s'?\n"
                               : "mohs: there is no verb '%s'; mohs --help lists them\n",
                  word, near);
    return EXIT_USAGE;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
    CLEANUP(options_release) struct options o = {0};
    struct note note = {""};
    if (options_parse(verb, argc, argv, &o, &note) != OK) {
        (void)fprintf(stderr, "mohs %s: %s\n", verb->name, note.text);
        return EXIT_USAGE;
    }
    if (o.help) {
        help_verb(stdout, verb);
        return EXIT_HELD;
    }
    return verb->run(o.settings, &o.operands);
}

/* What was lost on the way out (a full disk) is no success. A reader that has seen enough (| head) is none of it. */
static int end(int code)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    bool lost = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (!lost || (poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0))
        return code;
    (void)fputs("mohs: standard output could not be written: its end is lost\n", stderr);
    return exit_worse(code, EXIT_USAGE);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        help_program(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_program(stdout);
        return EXIT_HELD;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        (void)printf("mohs %s\n", MOHS_VERSION);
        return EXIT_HELD;
    }
    size_t words;
    const struct verb *verb = verb_of_words((const char *const *)argv + 1, (size_t)argc - 1, &words);
    return verb == NULL ? unknown_verb(argv[1]) : run_verb(verb, argc - 1 - (int)words, argv + 1 + words);
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    command_line = (struct command_line){argc, argv};
    return end(dispatch(argc, argv));
}
