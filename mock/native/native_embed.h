/* native_embed.h: what the operations need to know of embeddings. */
#ifndef MOHS_MOCK_NATIVE_EMBED_H
#define MOHS_MOCK_NATIVE_EMBED_H

#include "mock/native/native.h"

/* Input tokens of the body of an embedding model: those of its texts. */
uint64_t native_embed_tokens(const cJSON *body);

#endif
