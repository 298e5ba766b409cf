/* embed.c: feature hashing.
 *
 * Letters are lower-cased in ASCII only; anything above is taken byte by byte, which is good enough for the same word
 * to be the same feature. Words weigh more than their parts, so that a paraphrase with the same words is nearer than a
 * text that merely sounds alike.
 */
#include "mock/native/embed.h"

#include <ctype.h>
#include <math.h>

#include "mock/rng.h"

#define PLACES      24 /* where one feature adds something */
#define WORD_WEIGHT 2.0f
#define PART_WEIGHT 1.0f
#define PART_BYTES  3
#define WORD_BYTES  64 /* longer words are cut */
#define BLOCK_BYTES 64 /* of an image: what counts as one feature */
#define FAINT       0.05f

static void add_feature(struct span bytes, uint64_t salt, float weight, float *out, size_t dimension)
{
    struct rng rng = {rng_hash(salt, bytes)};
    for (size_t i = 0; i < PLACES; i++) {
        uint64_t bits = rng_next(&rng);
        out[(bits >> 1) % dimension] += (bits & 1) != 0 ? weight : -weight;
    }
}

static void to_length_one(float *v, size_t dimension)
{
    double sum = 0;
    for (size_t i = 0; i < dimension; i++)
        sum += (double)v[i] * (double)v[i];
    if (sum > 0)
        embed_scale(v, dimension, (float)(1 / sqrt(sum)));
}

/* To length one, with the faint part that all texts share. */
static void finish(uint64_t salt, float *out, size_t dimension)
{
    struct rng rng = {salt};
    to_length_one(out, dimension);
    float each = FAINT / sqrtf((float)dimension);
    for (size_t i = 0; i < dimension; i++) {
        float part = (float)(1 + rng_below(&rng, 255)) / 128.0f;
        out[i] += (rng_next(&rng) & 1) != 0 ? each * part : -each * part;
    }
    to_length_one(out, dimension);
}

static bool is_letter(unsigned char c)
{
    return isalnum(c) || c >= 0x80;
}

static void add_word(const unsigned char *word, size_t n, uint64_t salt, float *out, size_t dimension)
{
    unsigned char edged[WORD_BYTES + 2];
    edged[0] = '^';
    memcpy(edged + 1, word, n);
    edged[n + 1] = '$';
    add_feature((struct span){edged, n + 2}, salt, WORD_WEIGHT, out, dimension);
    for (size_t i = 0; i + PART_BYTES <= n + 2; i++)
        add_feature((struct span){edged + i, PART_BYTES}, salt ^ PART_BYTES, PART_WEIGHT, out, dimension);
}

void embed_text(struct span text, uint64_t salt, float *out, size_t dimension)
{
    unsigned char word[WORD_BYTES];
    size_t n = 0;
    memset(out, 0, dimension * sizeof *out);
    for (size_t i = 0; i <= text.n; i++) {
        bool letter = i < text.n && is_letter(text.p[i]);
        if (letter && n < WORD_BYTES)
            word[n++] = (unsigned char)tolower(text.p[i]);
        if (!letter && n > 0) {
            add_word(word, n, salt, out, dimension);
            n = 0;
        }
    }
    finish(salt, out, dimension);
}

void embed_bytes(struct span bytes, uint64_t salt, float *out, size_t dimension)
{
    memset(out, 0, dimension * sizeof *out);
    for (size_t at = 0; at < bytes.n; at += BLOCK_BYTES)
        add_feature(span_cut(bytes, at, BLOCK_BYTES), salt ^ BLOCK_BYTES, PART_WEIGHT, out, dimension);
    finish(salt, out, dimension);
}

void embed_scale(float *v, size_t dimension, float by)
{
    for (size_t i = 0; i < dimension; i++)
        v[i] *= by;
}

void embed_mean(float *v, const float *other, size_t dimension)
{
    for (size_t i = 0; i < dimension; i++)
        v[i] += other[i];
    to_length_one(v, dimension);
}
