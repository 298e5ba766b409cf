/* regex.h: ECMA-262 patterns (as the API model and the cases write them) on top of POSIX extended expressions.
 *
 * Understood: groups, (?:...), alternatives (also empty ones), all quantifiers (laziness changes nothing for yes or
 * no), classes, \d \w \s \b and their opposites, \xHH \uHHHH, \p{...} roughly (letters, numbers and the like: ASCII
 * ones, and everything beyond ASCII; C: the control characters), and (?i) in front. One character is one code point of
 * UTF-8. Look-around, back-references and named groups are refused with ERR_UNSUPPORTED.
 *
 * Expressions are compiled once per process and kept: regex_get is meant for load time and for matchers. Everything
 * here may be called from any thread.
 */
#ifndef MOHS_REGEX_H
#define MOHS_REGEX_H

#include "protocol/base.h"
#include "protocol/buf.h"

#define REGEX_MAX_KEPT 8192 /* distinct expressions in one process; the model has about 110 */

enum regex_flags {
    REGEX_SEARCH = 0, /* it may hold anywhere, as RegExp.prototype.test */
    REGEX_WHOLE = 1,  /* it must hold for the whole text, as AWS applies the patterns of its models */
    REGEX_PLACES = 2, /* for regex_find */
    REGEX_LATE = 4    /* compiled when it is first asked: for patterns that are known to be good, as those of the model,
                       * of which most are never asked and one takes 18 MB and 30 ms */
};

struct regex;

/* The compiled expression, which lives until the process ends; NULL and a note when it cannot be understood. */
const struct regex *regex_get(const char *ecma, int flags, struct note *note);
bool regex_matches(const struct regex *regex, const char *text);
/* The first place at or behind `from` where it holds, the longest that begins there; what stands before `from` is seen
 * by \b. The text is a stretch of a string that ends with a NUL
 * somewhere. The expression was got with REGEX_PLACES and not with REGEX_WHOLE. */
bool regex_find(const struct regex *regex, struct span text, size_t from, size_t *at, size_t *n);

#endif
