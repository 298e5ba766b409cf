/* rng.h: small seeded numbers for ids and paddings, so that one seed gives one byte stream.
 *
 * The generator is splitmix64 (Steele, Lea, Flood 2014, public domain reference): one addition and three mixings, good
 * enough for everything here, and nothing here is a secret.
 */
#ifndef MOHS_MOCK_RNG_H
#define MOHS_MOCK_RNG_H

#include "protocol/base.h"

struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 when n is 0; the bias of a modulus does not matter here */
uint64_t rng_hash(uint64_t seed, struct span bytes);

#define UUID_SIZE    37                            /* with the NUL */
#define TOOL_ID_SIZE 31                            /* "tooluse_" and 22 characters, with the NUL */
void rng_uuid(struct rng *r, char out[UUID_SIZE]); /* version 4, lower case (RFC 9562 section 5.4) */
void rng_tool_id(struct rng *r, char out[TOOL_ID_SIZE]);
/* n characters of the base64 alphabet. */
void rng_base64(struct rng *r, char *out, size_t n);
/* The `p` of a Bedrock event: how many characters of the padding alphabet, 2 to 61. */
size_t rng_padding(struct rng *r);
extern const char padding_alphabet[];

#endif
