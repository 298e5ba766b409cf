/* utf8.h: well-formed UTF-8 (Unicode 15, table 3-7), one character at a time.
 *
 * Strings of a JSON tree hold U+0000 as the two bytes C0 80; utf8_length refuses them like any other overlong form, and
 * utf8_next, made for walking over such strings, takes them as one character.
 */
#ifndef MOHS_UTF8_H
#define MOHS_UTF8_H

#include "protocol/base.h"

/* Bytes of the character that begins the span: 1 to 4, or 0 when those bytes are not UTF-8 (or the span is empty). */
size_t utf8_length(struct span text);
/* Bytes to step over: as utf8_length, but C0 80 is one character and a byte that fits nothing is one character. 0 at
 * the end. */
size_t utf8_next(struct span text);
/* The code point of a character of n bytes that utf8_length measured. */
uint32_t utf8_code(const unsigned char *p, size_t n);
/* Write a code point (up to U+10FFFF, no surrogate) as 1 to 4 bytes; returns how many. */
size_t utf8_put(uint32_t code, char *to);
bool utf8_is_valid(struct span text); /* all of it is UTF-8, by utf8_length */
/* The front of a text: as many whole characters, by utf8_next, as fit into that many bytes. */
struct span utf8_front(struct span text, size_t bytes);
/* Characters (code points) of a text, by utf8_next. */
size_t utf8_count(struct span text);

#endif
