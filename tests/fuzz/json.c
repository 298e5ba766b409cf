/* What is parsed and printed, in any style, parses again to an equal tree. */
#include <stdlib.h>

#include "protocol/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int styles[] = {JSON_COMPACT, JSON_SORTED, JSON_PRETTY | JSON_ASCII};
    CLEANUP(json_free) cJSON *tree = NULL;
    struct note note;
    if (json_parse((struct span){data, size}, 0, &tree, &note) != OK)
        return 0;
    for (size_t i = 0; i < COUNT_OF(styles); i++) {
        CLEANUP(free_ptr) char *text = json_text(tree, styles[i]);
        CLEANUP(json_free) cJSON *again = NULL;
        if (text == NULL || json_parse(span_of(text), JSON_UNIQUE, &again, &note) != OK || !json_equal(tree, again))
            abort();
        CLEANUP(free_ptr) char *twice = json_text(again, styles[i]);
        if (twice == NULL || strcmp(text, twice) != 0)
            abort();
    }
    return 0;
}
