/* tokens.h: how the mock counts and cuts text: what the default answers and their usage are made with.
 */
#ifndef MOHS_MOCK_TOKENS_H
#define MOHS_MOCK_TOKENS_H

#include "protocol/json.h"

/* Bytes of the first token; at least one whole character, 0 only for the empty text. */
size_t tokens_next(struct span text);
uint64_t tokens_count(struct span text);
/* Bytes of the first `most` tokens; *counted becomes how many there were. */
size_t tokens_cut(struct span text, uint64_t most, uint64_t *counted);
/* Every string (names of members too) and number in the tree, and three for each object that holds a role. */
uint64_t tokens_of_tree(const cJSON *tree);

#endif
