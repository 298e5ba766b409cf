/* exit.c: the table of exit codes, and which one wins. The order is that of how little the other results can be
 * believed: a broken harness says nothing about a gateway, a stale list says the least. An interrupted run always says
 * so, because whoever pressed Ctrl-C knows that it is not whole, and a script must know too.
 */
#include "reports/exit.h"

const struct exit_row exit_table[] = {
    {EXIT_HELD, "all that was required held"},
    {EXIT_FAILED, "an unexpected conformance failure"},
    {EXIT_USAGE, "a mistake in the command line, a configuration, a case or a profile"},
    {EXIT_STALE, "nothing but expected failures that now pass"},
    {EXIT_NOTHING, "nothing was selected, or nothing could be measured"},
    {EXIT_INCONCLUSIVE, "inconclusive: the rig was the limit, calibration failed, or the target could not carry -R"},
    {EXIT_UNREACHABLE, "the target cannot be reached, or died during the run"},
    {EXIT_INTERNAL, "a fault inside mohs"},
    {EXIT_INTERRUPTED, "interrupted"},
};
const size_t exit_table_count = COUNT_OF(exit_table);

static size_t rank(int code)
{
    static const int order[] = {EXIT_HELD,        EXIT_STALE, EXIT_FAILED,   EXIT_NOTHING,    EXIT_INCONCLUSIVE,
                                EXIT_UNREACHABLE, EXIT_USAGE, EXIT_INTERNAL, EXIT_INTERRUPTED};
    for (size_t i = 0; i < COUNT_OF(order); i++)
        if (order[i] == code)
            return i;
    return COUNT_OF(order);
}

const char *exit_meaning(int code)
{
    for (size_t i = 0; i < exit_table_count; i++)
        if (exit_table[i].code == code)
            return exit_table[i].meaning;
    return "an unknown exit code";
}

int exit_worse(int a, int b)
{
    return rank(a) >= rank(b) ? a : b;
}
