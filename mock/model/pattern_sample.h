/* pattern_sample.h: a short text that a pattern accepts.
 *
 * Reads ECMA-262 patterns as JSON schemas have them: characters, classes, \d \w \s and their opposites, \p{L} \p{N},
 * \xHH, \uHHHH below U+0080, groups of any kind, alternatives (the first is taken), all quantifiers, anchors and \b
 * (which say nothing here). A look-ahead or look-behind that forbids is passed over, so the text may break it. One that
 * demands, and back-references, are not understood.
 */
#ifndef MOHS_MOCK_PATTERN_SAMPLE_H
#define MOHS_MOCK_PATTERN_SAMPLE_H

#include "protocol/buf.h"

#define PATTERN_SAMPLE_MAX   4096 /* bytes of the text */
#define PATTERN_SAMPLE_DEPTH 32   /* groups in groups */
#define PATTERN_SAMPLE_STEPS 65536 /* atoms and members of classes read; repetitions of repetitions end here */

/* Append a text of at least `shortest` bytes, when the pattern leaves room for that. nth: 0, or another number for
 * another text where a class leaves the choice. *steps: how many there may be, and then how many are left of them. False:
 * not understood, and nothing was appended. */
bool pattern_sample(const char *pattern, size_t shortest, size_t nth, size_t *steps, struct buf *out);

#endif
