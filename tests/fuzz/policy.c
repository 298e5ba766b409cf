/* Any bytes as a policy file, and any text as a glob: what is refused has its sentence, what is taken can be asked.
 */
#include <stdlib.h>

#include "mock/identity/policy.h"
#include "protocol/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct note note = {""};
    struct policy *p = NULL;
    const char *scp = NULL;
    struct span pattern, text;
    enum err e = policy_parse((struct span){data, size}, "p", &p, &note);
    if ((e == OK) != (p != NULL) || (e != OK && note.text[0] == '\0'))
        abort();
    if (p != NULL) {
        (void)policy_ask(p, "arn:aws:sts::123456789012:assumed-role/r/s", "bedrock:InvokeModel", "*", &scp);
        (void)policy_ungranted(p, "amazon.nova-lite-v1:0");
    }
    policy_free(p);
    (void)span_split((struct span){data, size}, '\n', &pattern, &text);
    if (size < 4096)
        (void)glob_fits_nocase(pattern, text);
    return 0;
}
