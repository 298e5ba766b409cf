/* media.h: what the first bytes of a picture or document say: its format, and how many pixels it has.
 *
 * Nothing is decoded. Formats: PNG (W3C, section 5 and 11.2.1), JPEG (ITU-T T.81, annex B), GIF (87a, 89a), WebP (RFC
 * 9649) and PDF. Bytes may be cut short: what is not there is not known.
 */
#ifndef MOHS_MEDIA_H
#define MOHS_MEDIA_H

#include "protocol/buf.h"

/* "png", "jpeg", "gif", "webp" (as the ImageFormat of the API model spells them) or "pdf"; NULL: something else. */
const char *media_format(struct span bytes);
/* False: not a picture that is known here, or its size is behind the end. */
bool media_size(struct span bytes, uint32_t *width, uint32_t *height);

/* How much base64 is looked at: the frame header of a JPEG comes behind its colour profile and preview. */
#define MEDIA_HEAD_MAX ((size_t)1 << 20)
/* The first bytes of what a base64 text holds, appended. ERR_SYNTAX, ERR_NOMEM as buf_add_unbase64. */
enum err media_head(const char *base64, struct buf *out) MUST_USE;

#endif
