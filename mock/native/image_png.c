/* image_png.c: a PNG without zlib.
 *
 * Deflate with the fixed codes needs no tables to be built or sent (RFC 1951 section 3.2.6). The only matches looked
 * for are "the same pixel again", at the distance of one pixel, which is all there is in our pictures; so nothing is
 * searched, and a row needs no memory of those before it.
 */
#include "mock/native/image.h"

#include <stdlib.h>

#include "protocol/eventstream.h"

#define MATCH_MIN 3u
#define MATCH_MAX 258u
#define ADLER     65521u
#define ADLER_RUN 5552u /* bytes before the sums can overflow (RFC 1950 section 9) */

struct bits {
    struct buf *out;
    uint64_t held;
    unsigned count;
};

/* Low bits first, as deflate packs everything but Huffman codes. */
static void put(struct bits *b, uint32_t value, unsigned n)
{
    b->held |= (uint64_t)value << b->count;
    for (b->count += n; b->count >= 8; b->count -= 8, b->held >>= 8)
        buf_addc(b->out, (char)(unsigned char)b->held);
}

static void put_code(struct bits *b, uint32_t code, unsigned n)
{
    uint32_t turned = 0;
    for (unsigned i = 0; i < n; i++)
        turned |= (code >> i & 1) << (n - 1 - i);
    put(b, turned, n);
}

/* A literal, the end (256), or a length's symbol. */
static void put_symbol(struct bits *b, uint32_t symbol)
{
    if (symbol < 144)
        put_code(b, 0x30 + symbol, 8);
    else if (symbol < 256)
        put_code(b, 0x190 + symbol - 144, 9);
    else if (symbol < 280)
        put_code(b, symbol - 256, 7);
    else
        put_code(b, 0xc0 + symbol - 280, 8);
}

static void put_match(struct bits *b, uint32_t length, uint32_t distance)
{
    static const uint16_t bases[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                     31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    uint32_t i = COUNT_OF(bases) - 1;
    while (bases[i] > length)
        i--;
    put_symbol(b, 257 + i);
    if (i >= 8 && i + 1 < COUNT_OF(bases))
        put(b, length - bases[i], (i - 4) / 4);
    put_code(b, distance - 1, 5); /* distances 1 to 4 are codes 0 to 3, without more bits */
}

/* One row with its filter byte, the pixel of `channels` bytes. */
static void deflate_row(struct bits *b, const unsigned char *row, size_t n, size_t channels)
{
    for (size_t i = 0; i < n;) {
        size_t same = 0;
        while (i > channels && i + same < n && same < MATCH_MAX && row[i + same] == row[i + same - channels])
            same++;
        if (same >= MATCH_MIN)
            put_match(b, (uint32_t)same, (uint32_t)channels);
        else
            put_symbol(b, row[i]);
        i += same >= MATCH_MIN ? same : 1;
    }
}

static uint32_t adler(uint32_t sum, struct span bytes)
{
    uint32_t a = sum & 0xffff, b = sum >> 16;
    for (size_t i = 0; i < bytes.n;) {
        for (size_t end = bytes.n - i < ADLER_RUN ? bytes.n : i + ADLER_RUN; i < end; i++) {
            a += bytes.p[i];
            b += a;
        }
        a %= ADLER;
        b %= ADLER;
    }
    return b << 16 | a;
}

/* type and data, whose checksum is over both. */
static void add_chunk(struct buf *out, const struct buf *chunk)
{
    buf_add_u32(out, (uint32_t)(chunk->len - 4));
    buf_add(out, buf_span(chunk));
    buf_add_u32(out, es_crc32(0, buf_span(chunk)));
}

static void add_header(const struct picture *p, struct buf *out)
{
    static const unsigned char signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const char kind[] = {8, p->cut_out ? 6 : 2, 0, 0, 0};
    CLEANUP(buf_release) struct buf chunk = BUF_INIT(64);
    buf_add(out, (struct span){signature, sizeof signature});
    buf_adds(&chunk, "IHDR");
    buf_add_u32(&chunk, p->width);
    buf_add_u32(&chunk, p->height);
    buf_add(&chunk, (struct span){(const unsigned char *)kind, sizeof kind});
    add_chunk(out, &chunk);
}

void image_png(const struct picture *p, struct buf *out)
{
    size_t channels = p->cut_out ? 4 : 3, n = p->width * channels + 1;
    CLEANUP(buf_release) struct buf chunk = BUF_INIT(BUF_ANY);
    CLEANUP(free_ptr) unsigned char *row = calloc(n, 1); /* its first byte: no filter */
    struct bits bits = {.out = &chunk};
    uint32_t sum = 1;
    if (row == NULL) {
        out->error = ERR_NOMEM;
        return;
    }
    add_header(p, out);
    buf_add(&chunk, SPAN_LIT("IDAT\x78\x01")); /* a window of 32 KiB, quickest */
    put(&bits, 1, 1);                          /* the last block */
    put(&bits, 1, 2);                          /* fixed codes */
    for (uint32_t y = 0; y < p->height; y++) {
        picture_row(p, y, row + 1);
        sum = adler(sum, (struct span){row, n});
        deflate_row(&bits, row, n, channels);
    }
    put_symbol(&bits, 256);
    put(&bits, 0, (8 - bits.count) % 8);
    buf_add_u32(&chunk, sum);
    if (buf_error(&chunk) != OK)
        out->error = buf_error(&chunk);
    add_chunk(out, &chunk);
    buf_reset(&chunk);
    buf_adds(&chunk, "IEND");
    add_chunk(out, &chunk);
}
