/* buf.h: a growing byte string with a ceiling.
 *
 * Invariants: data[len] is NUL whenever data is not NULL; len <= max always. The first failed append marks the
 * buffer: later appends do nothing and buf_error() tells, so a long run of appends is checked once at its end.
 *
 *     CLEANUP(buf_release) struct buf b = BUF_INIT(4096);
 *     buf_add(&b, span); buf_addf(&b, "%d", n);
 *     if (buf_error(&b)) return buf_error(&b);
 *
 * The small appends stand here so that they are inlined: an answer is made of dozens of them.
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
#define BUF_ANY           ((size_t)1 << 30) /* for text we make ourselves, which no peer can swell */

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* NULL and released buffers are fine; keeps max */
void buf_reset(struct buf *b);   /* empty and error-free again, memory kept */

char *buf_grow(struct buf *b, size_t n); /* buf_reserve's slow half */

/* Room for n more bytes without another allocation; NULL (and the mark) when that would pass the ceiling. */
static inline char *buf_reserve(struct buf *b, size_t n)
{
    return b->error == OK && n < b->cap - b->len && n <= b->max - b->len ? b->data + b->len : buf_grow(b, n);
}

/* The first n bytes that were written into the room reserved last are part of the buffer now. */
static inline void buf_commit(struct buf *b, size_t n)
{
    b->len += n;
    b->data[b->len] = '\0';
}

static inline void buf_add(struct buf *b, struct span bytes)
{
    char *at = buf_reserve(b, bytes.n);
    if (at == NULL || bytes.n == 0)
        return;
    memcpy(at, bytes.p, bytes.n);
    at[bytes.n] = '\0';
    b->len += bytes.n;
}

static inline void buf_adds(struct buf *b, const char *text)
{
    buf_add(b, span_of(text));
}

static inline void buf_addc(struct buf *b, char c)
{
    char *at = buf_reserve(b, 1);
    if (at == NULL)
        return;
    at[0] = c;
    at[1] = '\0';
    b->len++;
}

void buf_addf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_add_u16(struct buf *b, uint16_t v); /* big-endian, as the event stream wants */
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_add_hex(struct buf *b, struct span bytes);    /* lower case */
void buf_add_base64(struct buf *b, struct span bytes); /* RFC 4648 section 4, padded */
/* Strict decoders: ERR_SYNTAX on any byte outside the alphabet, on wrong padding, on an odd hex length. */
enum err buf_add_unhex(struct buf *b, struct span hex) MUST_USE;
enum err buf_add_unbase64(struct buf *b, struct span text) MUST_USE;

static inline MUST_USE enum err buf_error(const struct buf *b)
{
    return b->error;
}

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){(const unsigned char *)b->data, b->len};
}

/* NUL-terminated, "" when empty. */
static inline const char *buf_text(const struct buf *b)
{
    return b->data == NULL ? "" : b->data;
}

/* Hand the string over (never NULL unless out of memory); the buffer is empty afterwards. */
char *buf_take(struct buf *b);
void buf_consume(struct buf *b, size_t n); /* drop the first n bytes */
void buf_fit(struct buf *b);               /* give back what is reserved and not used; pointers into it move */

#endif
