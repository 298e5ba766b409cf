/* rng.c: see rng.h. The hash is over eight bytes at a time, as a request body is hashed for every default answer. */
#include "mock/rng.h"

const char padding_alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t rng_next(struct rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return mix(r->state);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    return n == 0 ? 0 : rng_next(r) % n;
}

uint64_t rng_hash(uint64_t seed, struct span bytes)
{
    uint64_t h = mix(seed + 0x9e3779b97f4a7c15u + bytes.n);
    while (bytes.n >= 8) {
        uint64_t word;
        memcpy(&word, bytes.p, 8);
        h = mix(h ^ word) + 0x9e3779b97f4a7c15u;
        bytes = span_from(bytes, 8);
    }
    uint64_t tail = 0;
    if (bytes.n > 0)
        memcpy(&tail, bytes.p, bytes.n);
    return mix(h ^ tail);
}

void rng_uuid(struct rng *r, char out[UUID_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    static const unsigned char ends[] = {8, 13, 18, 23, 36}; /* of its groups */
    uint64_t words[2];
    words[0] = rng_next(r);
    words[1] = rng_next(r);
    size_t at = 0, digit = 0;
    for (size_t group = 0; group < COUNT_OF(ends); group++) {
        for (; at < ends[group]; at++, digit++)
            out[at] = hex[words[digit / 16] >> (digit % 16 * 4) & 15];
        out[at++] = '-';
    }
    out[14] = '4';                     /* RFC 9562 section 5.4: the version */
    out[19] = hex[8 | (words[1] & 3)]; /* and the variant */
    out[UUID_SIZE - 1] = '\0';
}

static void fill(struct rng *r, const char *alphabet, char *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[rng_next(r) >> 58];
}

void rng_tool_id(struct rng *r, char out[TOOL_ID_SIZE])
{
    memcpy(out, "tooluse_", 8);
    fill(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", out + 8, 22);
    out[TOOL_ID_SIZE - 1] = '\0';
}

void rng_base64(struct rng *r, char *out, size_t n)
{
    fill(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", out, n);
}

size_t rng_padding(struct rng *r)
{
    return 2 + (size_t)rng_below(r, 60);
}
