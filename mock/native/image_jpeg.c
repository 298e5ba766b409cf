/* image_jpeg.c: a baseline JPEG whose blocks are of one colour each, and the sides of images that come in.
 *
 * With every quantizer 8, the one coefficient of a flat block is its sample minus 128 (T.81, A.3.3), so no transform is
 * needed, and the only AC symbol is "end of block", which gets a code of one bit. Differences of DC values take at most
 * eight bits: nine categories, all with codes of four bits.
 */
#include "mock/native/image.h"

#include <stdlib.h>

#define BLOCK      8u
#define COMPONENTS 3

struct bits {
    struct buf *out;
    uint32_t held;
    unsigned count;
};

/* High bits first; a byte of ones is followed by a zero (T.81, F.1.2.3). */
static void put(struct bits *b, uint32_t value, unsigned n)
{
    b->held = b->held << n | value;
    for (b->count += n; b->count >= 8; b->count -= 8) {
        unsigned char byte = (unsigned char)(b->held >> (b->count - 8));
        buf_addc(b->out, (char)byte);
        if (byte == 0xff)
            buf_addc(b->out, 0);
    }
    b->held &= (1u << b->count) - 1;
}

static void put_difference(struct bits *b, int32_t difference)
{
    uint32_t size = (uint32_t)(difference < 0 ? -difference : difference);
    unsigned category = 0;
    while (size >> category != 0)
        category++;
    put(b, category, 4);
    if (category > 0)
        put(b, (uint32_t)(difference < 0 ? difference - 1 : difference) & ((1u << category) - 1), category);
    put(b, 0, 1); /* end of block */
}

static void add_head(const struct picture *p, struct buf *out)
{
    static const unsigned char tables[] = {
        0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J',  'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0xff, 0xc4, 0, 28,
        0x00, 0,    0,    0,    9, 0,  0,    0,   0,   0,   0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3,    4,    5, 6,
        7,    8,    0xff, 0xc4, 0, 20, 0x10, 1,   0,   0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0, 0x00};
    static const unsigned char scan[] = {0xff, 0xda, 0, 12, COMPONENTS, 1, 0, 2, 0, 3, 0, 0, 63, 0};
    static const unsigned char parts[] = {COMPONENTS, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0};
    buf_add(out, (struct span){tables, sizeof tables});
    buf_add_u16(out, 0xffdb);
    buf_add_u16(out, 67);
    buf_addc(out, 0);
    for (size_t i = 0; i < 64; i++)
        buf_addc(out, BLOCK);
    buf_add_u16(out, 0xffc0);
    buf_add_u16(out, 17);
    buf_addc(out, 8);
    buf_add_u16(out, (uint16_t)p->height);
    buf_add_u16(out, (uint16_t)p->width);
    buf_add(out, (struct span){parts, sizeof parts});
    buf_add(out, (struct span){scan, sizeof scan});
}

/* JFIF's colours, in 65536ths. */
static void to_ycc(const unsigned char *rgb, int32_t out[COMPONENTS])
{
    int32_t r = rgb[0], g = rgb[1], b = rgb[2];
    out[0] = (19595 * r + 38470 * g + 7471 * b + 32768) / 65536 - 128;
    out[1] = (-11059 * r - 21709 * g + 32768 * b) / 65536;
    out[2] = (32768 * r - 27439 * g - 5329 * b) / 65536;
    for (size_t k = 1; k < COMPONENTS; k++)
        out[k] = out[k] > 127 ? 127 : out[k];
}

void image_jpeg(const struct picture *p, struct buf *out)
{
    size_t channels = p->cut_out ? 4 : 3;
    CLEANUP(free_ptr) unsigned char *row = malloc(p->width * channels);
    struct bits bits = {.out = out};
    int32_t last[COMPONENTS] = {0}, now[COMPONENTS];
    if (row == NULL) {
        out->error = ERR_NOMEM;
        return;
    }
    add_head(p, out);
    for (uint32_t y = 0; y < p->height; y += BLOCK) {
        picture_row(p, y + BLOCK / 2 < p->height ? y + BLOCK / 2 : y, row);
        for (uint32_t x = 0; x < p->width; x += BLOCK) {
            to_ycc(row + (x + BLOCK / 2 < p->width ? x + BLOCK / 2 : x) * channels, now);
            for (size_t k = 0; k < COMPONENTS; k++) {
                put_difference(&bits, now[k] - last[k]);
                last[k] = now[k];
            }
        }
    }
    put(&bits, (1u << (8 - bits.count) % 8) - 1, (8 - bits.count) % 8);
    buf_add_u16(out, 0xffd9);
}

/* ---- images that come in ---- */

static uint32_t u16_at(struct span f, size_t at)
{
    return (uint32_t)f.p[at] << 8 | f.p[at + 1];
}

/* The frame header: SOF0 to SOF15, but for the three codes among them that are tables (T.81, table B.1). */
static bool is_frame(unsigned char marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

enum err image_size(struct span f, uint32_t *width, uint32_t *height)
{
    static const unsigned char png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R'};
    *width = *height = 0;
    if (f.n >= 24 && memcmp(f.p, png, sizeof png) == 0) {
        *width = u16_at(f, 16) << 16 | u16_at(f, 18);
        *height = u16_at(f, 20) << 16 | u16_at(f, 22);
    }
    size_t at = f.n >= 4 && f.p[0] == 0xff && f.p[1] == 0xd8 ? 2 : f.n;
    while (f.n - at >= 9 && f.p[at] == 0xff && *width == 0) {
        if (is_frame(f.p[at + 1])) {
            *height = u16_at(f, at + 5);
            *width = u16_at(f, at + 7);
        }
        size_t n = f.p[at + 1] == 0xff ? 1 : u16_at(f, at + 2) + 2;
        at += n < f.n - at ? n : f.n - at;
    }
    return *width > 0 && *height > 0 ? OK : ERR_SYNTAX;
}
