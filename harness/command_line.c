/* command_line.c: the one word of memory that main() leaves for the reports. */
#include "harness/command_line.h"

struct command_line command_line;
