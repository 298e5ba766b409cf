/* media.c: formats and sizes of pictures by their headers.
 *
 * Providers limit pictures by pixels, and a mock that took any bytes for a picture would let a gateway send what the
 * service refuses. The headers hold the size near their beginning, except for JPEG, where it stands in the first frame
 * header: the markers before it are stepped over by their lengths. Everything is read by offset from a span, and a
 * span that is too short gives "not known", never a guess.
 */
#include "protocol/media.h"

static bool has(struct span s, size_t from, size_t n)
{
    return s.n >= n && from <= s.n - n;
}

static uint32_t big(struct span s, size_t from, size_t n)
{
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | s.p[from + i];
    return v;
}

static uint32_t little(struct span s, size_t from, size_t n)
{
    uint32_t v = 0;
    for (size_t i = n; i > 0; i--)
        v = v << 8 | s.p[from + i - 1];
    return v;
}

static bool begins(struct span s, size_t from, struct span magic)
{
    return has(s, from, magic.n) && memcmp(s.p + from, magic.p, magic.n) == 0;
}

/* The first chunk is IHDR: length, name, width, height. */
static bool png_size(struct span s, uint32_t *width, uint32_t *height)
{
    if (!begins(s, 12, SPAN_LIT("IHDR")) || !has(s, 16, 8))
        return false;
    *width = big(s, 16, 4);
    *height = big(s, 20, 4);
    return true;
}

static bool gif_size(struct span s, uint32_t *width, uint32_t *height)
{
    if (!has(s, 6, 4))
        return false;
    *width = little(s, 6, 2);
    *height = little(s, 8, 2);
    return true;
}

/* Start of frame: FFC0 to FFCF, but for tables of Huffman codes (C4), arithmetic conditioning (CC) and C8. */
static bool is_frame(unsigned char marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static bool stands_alone(unsigned char marker)
{
    return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
}

static bool jpeg_size(struct span s, uint32_t *width, uint32_t *height)
{
    for (size_t at = 2; has(s, at, 2) && s.p[at] == 0xff;) {
        unsigned char marker = s.p[at + 1];
        if (marker == 0xff || stands_alone(marker)) { /* a fill byte; or nothing behind it */
            at += marker == 0xff ? 1 : 2;
            continue;
        }
        if (is_frame(marker) && has(s, at, 9)) {
            *height = big(s, at + 5, 2);
            *width = big(s, at + 7, 2);
            return true;
        }
        if (is_frame(marker) || marker == 0xda || marker == 0xd9 || !has(s, at, 4) || big(s, at + 2, 2) < 2)
            return false;
        at += 2 + big(s, at + 2, 2);
    }
    return false;
}

/* RFC 9649, sections 2.5 to 2.7: lossy, lossless, extended. */
static bool webp_size(struct span s, uint32_t *width, uint32_t *height)
{
    if (begins(s, 12, SPAN_LIT("VP8 ")) && begins(s, 23, SPAN_LIT("\x9d\x01\x2a")) && has(s, 26, 4)) {
        *width = little(s, 26, 2) & 0x3fff;
        *height = little(s, 28, 2) & 0x3fff;
        return true;
    }
    if (begins(s, 12, SPAN_LIT("VP8L")) && has(s, 20, 5) && s.p[20] == 0x2f) {
        *width = (little(s, 21, 4) & 0x3fff) + 1;
        *height = (little(s, 21, 4) >> 14 & 0x3fff) + 1;
        return true;
    }
    if (begins(s, 12, SPAN_LIT("VP8X")) && has(s, 24, 6)) {
        *width = little(s, 24, 3) + 1;
        *height = little(s, 27, 3) + 1;
        return true;
    }
    return false;
}

static bool no_size(struct span s, uint32_t *width, uint32_t *height)
{
    (void)s, (void)width, (void)height;
    return false;
}

static const struct {
    const char *name;
    size_t from;
    const char *magic;
    size_t n;
    bool (*size)(struct span s, uint32_t *width, uint32_t *height);
} formats[] = {{"png", 0, "\x89PNG\r\n\x1a\n", 8, png_size},
               {"jpeg", 0, "\xff\xd8\xff", 3, jpeg_size},
               {"gif", 0, "GIF87a", 6, gif_size},
               {"gif", 0, "GIF89a", 6, gif_size},
               {"webp", 8, "WEBP", 4, webp_size},
               {"pdf", 0, "%PDF-", 5, no_size}};

static bool is_format(struct span bytes, size_t i)
{
    return begins(bytes, formats[i].from, (struct span){(const unsigned char *)formats[i].magic, formats[i].n});
}

const char *media_format(struct span bytes)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (is_format(bytes, i))
            return formats[i].name;
    return NULL;
}

bool media_size(struct span bytes, uint32_t *width, uint32_t *height)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (is_format(bytes, i))
            return formats[i].size(bytes, width, height);
    return false;
}

enum err media_head(const char *base64, struct buf *out)
{
    size_t n = strnlen(base64, MEDIA_HEAD_MAX);
    return buf_add_unbase64(out, (struct span){(const unsigned char *)base64, n});
}
