/* main.c: the table of subcommands. */
#include <stdio.h>

int main(void)
{
    (void)fputs("mohs " MOHS_VERSION "\n", stdout);
    return 0;
}
