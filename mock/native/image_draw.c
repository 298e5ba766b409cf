/* image_draw.c: what is on the picture.
 *
 * Everything is whole numbers, so that no machine's floating point changes a byte. A row is filled with the gradient's
 * colour there, then each disc draws its chord over it, the later ones on top: no pixel is computed on its own, which
 * is what keeps a megapixel within milliseconds.
 */
#include "mock/native/image.h"

#include "mock/rng.h"

static uint32_t side(uint32_t n)
{
    return n < 1 ? 1 : n > IMAGE_SIDE_MAX ? IMAGE_SIDE_MAX : n;
}

static void pick(struct rng *rng, const unsigned char *colours, size_t count, size_t i, unsigned char out[3])
{
    uint64_t bits = rng_next(rng);
    for (size_t k = 0; k < 3; k++)
        out[k] = (unsigned char)(count > 0 ? colours[i % count * 3 + k] : bits >> (8 * k));
}

void picture_init(struct picture *p, uint32_t width, uint32_t height, uint64_t seed, const unsigned char *colours,
                  size_t count)
{
    struct rng rng = {seed};
    *p = (struct picture){.width = side(width), .height = side(height)};
    count = colours == NULL ? 0 : count;
    pick(&rng, colours, count, 0, p->top);
    pick(&rng, colours, count, 1, p->bottom);
    uint32_t small = p->width < p->height ? p->width : p->height;
    for (size_t i = 0; i < IMAGE_DISCS; i++) {
        struct disc *d = &p->discs[i];
        d->x = (int32_t)rng_below(&rng, p->width);
        d->y = (int32_t)rng_below(&rng, p->height);
        d->radius = (int32_t)(small / 16 + rng_below(&rng, small / 4 + 1));
        pick(&rng, colours, count, i + 2, d->colour);
    }
}

static int32_t root(int32_t n)
{
    int32_t r = 0;
    for (int32_t bit = 1 << 12; bit > 0; bit >>= 1)
        if ((r + bit) * (r + bit) <= n)
            r += bit;
    return r;
}

static void fill(unsigned char *row, size_t from, size_t to, const unsigned char colour[4], size_t channels)
{
    for (size_t x = from; x < to; x++)
        memcpy(row + x * channels, colour, channels);
}

void picture_row(const struct picture *p, uint32_t y, unsigned char *out)
{
    size_t channels = p->cut_out ? 4 : 3;
    unsigned char colour[4] = {0, 0, 0, 0};
    for (size_t k = 0; !p->cut_out && k < 3; k++)
        colour[k] = (unsigned char)((p->top[k] * (p->height - y) + p->bottom[k] * y) / p->height);
    fill(out, 0, p->width, colour, channels);
    for (size_t i = 0; i < IMAGE_DISCS; i++) {
        const struct disc *d = &p->discs[i];
        int32_t up = (int32_t)y - d->y, width = (int32_t)p->width;
        if (up > d->radius || -up > d->radius)
            continue;
        int32_t half = root(d->radius * d->radius - up * up);
        int32_t from = d->x - half < 0 ? 0 : d->x - half, to = d->x + half + 1 > width ? width : d->x + half + 1;
        memcpy(colour, d->colour, 3);
        colour[3] = 255;
        fill(out, (size_t)from, (size_t)to, colour, channels);
    }
}
