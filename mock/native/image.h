/* image.h: pictures that are drawn, not thought of: what image models answer, and what is known of images they get.
 *
 * A picture is a gradient from one colour to another with a few discs on it; everything follows from one number, so
 * the same number gives the same bytes on every machine. It is written as PNG (W3C PNG, third edition: eight bits a
 * channel, one IDAT, deflate with the fixed codes of RFC 1951 section 3.2.6 and matches within a row only) or as
 * baseline JPEG (ITU-T T.81) whose blocks of 8x8 are of one colour each. A row of a picture has few colours, so both
 * are small and quick: a picture of 1024x1024 takes some milliseconds and about 30 kB.
 */
#ifndef MOHS_MOCK_IMAGE_H
#define MOHS_MOCK_IMAGE_H

#include "protocol/buf.h"

#define IMAGE_SIDE_MAX 4096u /* pixels of what is drawn; also keeps a row's bytes within a deflate window */
#define IMAGE_DISCS    7

struct disc {
    int32_t x, y, radius;
    unsigned char colour[3];
};

struct picture {
    uint32_t width, height; /* 1 to IMAGE_SIDE_MAX */
    bool cut_out;           /* nothing behind the discs: the PNG has an alpha channel */
    unsigned char top[3], bottom[3];
    struct disc discs[IMAGE_DISCS];
};

/* Sides are cut to what is allowed. `colours`: count of them, three bytes each, to be used instead of our own; NULL or
 * 0 of them: our own. */
void picture_init(struct picture *p, uint32_t width, uint32_t height, uint64_t seed, const unsigned char *colours,
                  size_t count);
/* Row y, as 3 bytes a pixel, 4 when cut out. */
void picture_row(const struct picture *p, uint32_t y, unsigned char *out);

/* The file, appended. */
void image_png(const struct picture *p, struct buf *out);
void image_jpeg(const struct picture *p, struct buf *out); /* without alpha: what is cut out is black */

/* The sides of a PNG or JPEG, from its header. ERR_SYNTAX: neither. */
enum err image_size(struct span file, uint32_t *width, uint32_t *height) MUST_USE;

#endif
