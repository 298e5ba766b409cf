/* utf8.c: the rows of Unicode's table 3-7 as comparisons. The second byte decides everything that the first leaves
 * open: overlong forms (E0, F0), surrogates (ED) and what lies beyond U+10FFFF (F4).
 */
#include "protocol/utf8.h"

#include <string.h>

static bool continues(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

static bool second_fits(unsigned char first, unsigned char second)
{
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    return second >= low && second <= high;
}

size_t utf8_length(struct span text)
{
    if (text.n == 0)
        return 0;
    unsigned char c = text.p[0];
    if (c < 0x80)
        return 1;
    size_t n = c >= 0xC2 && c <= 0xDF ? 2 : c >= 0xE0 && c <= 0xEF ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (n == 0 || text.n < n || !second_fits(c, text.p[1]))
        return 0;
    for (size_t i = 2; i < n; i++)
        if (!continues(text.p[i]))
            return 0;
    return n;
}

size_t utf8_next(struct span text)
{
    if (text.n == 0)
        return 0;
    if (text.n >= 2 && text.p[0] == 0xC0 && text.p[1] == 0x80)
        return 2;
    size_t n = utf8_length(text);
    return n == 0 ? 1 : n;
}

uint32_t utf8_code(const unsigned char *p, size_t n)
{
    static const unsigned char mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = p[0] & mask[n];
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (p[i] & 0x3F);
    return code;
}

size_t utf8_put(uint32_t code, char *to)
{
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        to[i] = (char)(unsigned char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    to[0] = (char)(unsigned char)(lead[n] | code);
    return n;
}

/* Texts are ASCII nearly always: eight bytes at a look. */
static size_t ascii_run(struct span s)
{
    size_t n = 0;
    for (uint64_t eight; s.n - n >= sizeof eight; n += sizeof eight) {
        memcpy(&eight, s.p + n, sizeof eight);
        if ((eight & 0x8080808080808080u) != 0)
            break;
    }
    while (n < s.n && s.p[n] < 0x80)
        n++;
    return n;
}

bool utf8_is_valid(struct span s)
{
    for (size_t n; s.n > 0; s = span_from(s, n)) {
        n = ascii_run(s);
        n = n > 0 ? n : utf8_length(s);
        if (n == 0)
            return false;
    }
    return true;
}

struct span utf8_front(struct span text, size_t bytes)
{
    size_t taken = 0;
    for (size_t n; (n = utf8_next(span_from(text, taken))) > 0 && taken + n <= bytes; taken += n)
        ;
    return span_cut(text, 0, taken);
}

size_t utf8_count(struct span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.n; count++)
        i += text.p[i] < 0x80 ? 1 : utf8_next(span_from(text, i));
    return count;
}
