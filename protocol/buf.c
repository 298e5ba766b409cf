/* buf.c: growing bytes with a ceiling. Doubling, one spare byte for the NUL, the first failure remembered. */
#include "protocol/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max)
{
    *b = BUF_INIT(max);
}

void buf_release(struct buf *b)
{
    if (b == NULL)
        return;
    free(b->data);
    *b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->error = OK;
    if (b->data != NULL)
        b->data[0] = '\0';
}

char *buf_grow(struct buf *b, size_t n)
{
    if (b->error != OK)
        return NULL;
    if (n > b->max - b->len) {
        b->error = ERR_LIMIT;
        return NULL;
    }
    if (b->data == NULL || b->cap - b->len < n + 1) {
        size_t want = b->len + n + 1;
        size_t cap = b->cap < 64 ? 64 : b->cap;
        while (cap < want)
            cap *= 2;
        char *grown = realloc(b->data, cap);
        if (grown == NULL) {
            b->error = ERR_NOMEM;
            return NULL;
        }
        b->data = grown;
        b->cap = cap;
        b->data[b->len] = '\0';
    }
    return b->data + b->len;
}

void buf_addf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *at = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (at != NULL) {
        (void)vsnprintf(at, (size_t)n + 1, format, again);
        buf_commit(b, (size_t)n);
    }
    va_end(again);
}

static void add_big_endian(struct buf *b, uint64_t v, size_t width)
{
    char *at = buf_reserve(b, width);
    if (at == NULL)
        return;
    for (size_t i = 0; i < width; i++)
        at[i] = (char)(unsigned char)(v >> (8 * (width - 1 - i)));
    buf_commit(b, width);
}

void buf_add_u16(struct buf *b, uint16_t v)
{
    add_big_endian(b, v, 2);
}

void buf_add_u32(struct buf *b, uint32_t v)
{
    add_big_endian(b, v, 4);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    add_big_endian(b, v, 8);
}

void buf_add_hex(struct buf *b, struct span bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *at = buf_reserve(b, 2 * bytes.n);
    if (at == NULL)
        return;
    for (size_t i = 0; i < bytes.n; i++) {
        at[2 * i] = digits[bytes.p[i] >> 4];
        at[2 * i + 1] = digits[bytes.p[i] & 15];
    }
    buf_commit(b, 2 * bytes.n);
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_add_base64(struct buf *b, struct span bytes)
{
    size_t n = (bytes.n + 2) / 3 * 4;
    char *at = buf_reserve(b, n);
    if (at == NULL)
        return;
    char *to = at;
    for (size_t i = 0; i < bytes.n; i += 3) {
        size_t have = bytes.n - i;
        uint32_t v = (uint32_t)bytes.p[i] << 16;
        v |= have > 1 ? (uint32_t)bytes.p[i + 1] << 8 : 0;
        v |= have > 2 ? (uint32_t)bytes.p[i + 2] : 0;
        *to++ = base64_digits[v >> 18];
        *to++ = base64_digits[v >> 12 & 63];
        *to++ = have > 1 ? base64_digits[v >> 6 & 63] : '=';
        *to++ = have > 2 ? base64_digits[v & 63] : '=';
    }
    buf_commit(b, n);
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err buf_add_unhex(struct buf *b, struct span hex)
{
    if (hex.n % 2 != 0)
        return ERR_SYNTAX;
    char *at = buf_reserve(b, hex.n / 2);
    if (at == NULL)
        return b->error;
    for (size_t i = 0; i < hex.n; i += 2) {
        int high = hex_value(hex.p[i]), low = hex_value(hex.p[i + 1]);
        if (high < 0 || low < 0)
            return ERR_SYNTAX;
        at[i / 2] = (char)(unsigned char)(high << 4 | low);
    }
    buf_commit(b, hex.n / 2);
    return OK;
}

static int base64_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum err buf_add_unbase64(struct buf *b, struct span text)
{
    if (text.n % 4 != 0)
        return ERR_SYNTAX;
    size_t padding = text.n == 0 ? 0 : (size_t)(text.p[text.n - 1] == '=') + (text.p[text.n - 2] == '=');
    size_t n = text.n / 4 * 3 - padding;
    char *at = buf_reserve(b, n);
    if (at == NULL)
        return b->error;
    size_t done = 0;
    for (size_t i = 0; i < text.n; i += 4) {
        uint32_t v = 0;
        size_t digits = i + 4 == text.n ? 4 - padding : 4;
        for (size_t j = 0; j < 4; j++) {
            int d = j < digits ? base64_value(text.p[i + j]) : 0;
            if (d < 0)
                return ERR_SYNTAX;
            v = v << 6 | (uint32_t)d;
        }
        for (size_t j = 0; j < 3 && done < n; j++)
            at[done++] = (char)(unsigned char)(v >> (16 - 8 * j));
    }
    buf_commit(b, n);
    return OK;
}

char *buf_take(struct buf *b)
{
    char *taken = b->data != NULL ? b->data : span_dup(SPAN_EMPTY);
    *b = BUF_INIT(b->max);
    return taken;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

void buf_fit(struct buf *b)
{
    char *fitting = b->data == NULL ? NULL : realloc(b->data, b->len + 1);
    if (fitting == NULL)
        return;
    b->data = fitting;
    b->cap = b->len + 1;
}
