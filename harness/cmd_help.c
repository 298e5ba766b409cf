/* cmd_help.c: `mohs help [VERB]` prints help; with --man a manual page, which is how the package makes its own. */
#include <stddef.h>

#include "reports/exit.h"
#include "harness/option.h"
#include "harness/verbs.h"

struct help_options {
    bool man;
};

static const struct option_row rows[] = {
    {"man", 0, NULL, OPTION_FLAG, offsetof(struct help_options, man), NULL, 0, 0, NULL,
     "Print the manual page in man(7) form; without a VERB that of mohs itself."},
};

static int run(const void *settings, const struct option_list *operands)
{
    const struct help_options *o = settings;
    const struct verb *verb = NULL;
    size_t words = 0;
    if (operands->count > 0)
        verb = verb_of_words(operands->items, operands->count, &words);
    if (words < operands->count || (operands->count > 0 && verb == NULL)) {
        const char *strange = operands->items[verb != NULL ? words : 0];
        (void)fprintf(stderr, "mohs help: there is no verb '%s%s%s'; mohs --help lists them\n",
                      verb != NULL ? verb->name : "", verb != NULL ? " " : "", strange);
        return EXIT_USAGE;
    }
    if (o->man)
        help_man(stdout, verb);
    else if (verb != NULL)
        help_verb(stdout, verb);
    else
        help_program(stdout);
    return EXIT_HELD;
}

const struct verb verb_help = {
    .name = "help",
    .operands = "[VERB [SUBVERB]]",
    .summary = "print help, or a manual page",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct help_options),
    .run = run,
    .examples = "mohs help --man check | man -l -\tread the manual of a verb\n",
};
