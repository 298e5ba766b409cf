/* command_line.h: how the program was called, for the result document, which redacts it (result_init). Set by main().
 */
#ifndef MOHS_COMMAND_LINE_H
#define MOHS_COMMAND_LINE_H

struct command_line {
    int argc;
    char *const *argv;
};
extern struct command_line command_line;

#endif
