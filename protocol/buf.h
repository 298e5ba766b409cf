/* buf.h: a growing byte string with a ceiling.
 *
 * Invariants: data[len] is NUL whenever data is not NULL; len <= max always. The first failed append marks the
 * buffer: later appends do nothing and buf_error() tells, so a long run of appends is checked once at its end.
 *
 *     CLEANUP(buf_release) struct buf b = BUF_INIT(4096);
 *     buf_add(&b, span); buf_addf(&b, "%d", n);
 *     if (buf_error(&b)) return buf_error(&b);
 */
#ifndef MOHS_BUF_H
#define MOHS_BUF_H

#include "protocol/base.h"

struct buf {
    char *data; /* NULL while empty and never grown */
    size_t len;
    size_t cap;
    size_t max; /* ceiling in bytes, named by the owner */
    enum err error;
};

#define BUF_INIT(ceiling) ((struct buf){NULL, 0, 0, (ceiling), OK})
#define BUF_ANY ((size_t)1 << 30) /* for text we make ourselves, which no peer can swell */

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* NULL and released buffers are fine; keeps max */
void buf_reset(struct buf *b);   /* empty and error-free again, memory kept */

void buf_add(struct buf *b, struct span bytes);
void buf_adds(struct buf *b, const char *text);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_add_u16(struct buf *b, uint16_t v); /* big-endian, as the event stream wants */
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_add_hex(struct buf *b, struct span bytes); /* lower case */
void buf_add_base64(struct buf *b, struct span bytes); /* RFC 4648 section 4, padded */
/* Strict decoders: ERR_SYNTAX on any byte outside the alphabet, on wrong padding, on an odd hex length. */
enum err buf_add_unhex(struct buf *b, struct span hex) MUST_USE;
enum err buf_add_unbase64(struct buf *b, struct span text) MUST_USE;
/* Room for n more bytes without another allocation; NULL (and the mark) when that would pass the ceiling. */
char *buf_reserve(struct buf *b, size_t n);

enum err buf_error(const struct buf *b) MUST_USE;
struct span buf_span(const struct buf *b);
const char *buf_text(const struct buf *b); /* NUL-terminated, "" when empty */
/* Hand the string over (never NULL unless out of memory); the buffer is empty afterwards. */
char *buf_take(struct buf *b);
void buf_consume(struct buf *b, size_t n); /* drop the first n bytes */

#endif
