/* make.c: fuzz_NAME -make=DIR writes the target's own seeds into a folder, and nothing else. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/file.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char flag[] = "-make=";
    if (*argc != 2 || strncmp((*argv)[1], flag, sizeof flag - 1) != 0)
        return 0;
    const char *to = (*argv)[1] + sizeof flag - 1;
    CLEANUP(buf_release) struct buf seed = BUF_INIT(BUF_ANY);
    for (size_t i = 0; fuzz_seed(i, &seed); i++, buf_reset(&seed)) {
        char name[4096];
        struct note note;
        (void)snprintf(name, sizeof name, "%s/own-%04zu", to, i);
        if (file_write(name, buf_span(&seed), &note) != OK) {
            (void)fprintf(stderr, "%s\n", note.text);
            exit(1);
        }
    }
    exit(0);
}
