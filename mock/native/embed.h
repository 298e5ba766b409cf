/* embed.h: numbers for a text, such that close texts get close numbers: what an embedding model does, without a model.
 *
 * Words and runs of three letters are features; each adds a few signed amounts at places that its hash picks (a signed
 * random projection, as in feature hashing). Texts that share words or parts of words share features, so their cosine
 * is high; texts that share nothing are nearly at right angles. A faint constant part, the same for every text, keeps
 * every number off zero, as with real models. One text, one vector: on any machine, whatever the seed of the mock.
 */
#ifndef MOHS_MOCK_EMBED_H
#define MOHS_MOCK_EMBED_H

#include "protocol/buf.h"

#define EMBED_DIMENSION_MAX 4096

/* out[dimension], of length 1. `salt` sets models apart. */
void embed_text(struct span text, uint64_t salt, float *out, size_t dimension);
/* Bytes that are no text, such as those of an image. */
void embed_bytes(struct span bytes, uint64_t salt, float *out, size_t dimension);
void embed_scale(float *v, size_t dimension, float by);
/* Both added, and of length 1 again. */
void embed_mean(float *v, const float *other, size_t dimension);

#endif
