/* glob.c: see glob.h.
 *
 * The usual walk with one way back: at a mismatch the last star takes one byte more. Earlier stars need not be tried
 * again, because what lies between two stars is found at its first place.
 */
#include "protocol/glob.h"

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

static bool fits(struct span pattern, struct span text, bool nocase)
{
    size_t p = 0, t = 0, star = SIZE_MAX, back = 0;
    while (t < text.n) {
        bool there = p < pattern.n;
        if (there && pattern.p[p] == '*') {
            star = p++;
            back = t;
        } else if (there && (pattern.p[p] == '?' || pattern.p[p] == text.p[t] ||
                             (nocase && lower(pattern.p[p]) == lower(text.p[t])))) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++back;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

bool glob_fits(struct span pattern, struct span text)
{
    return fits(pattern, text, false);
}

bool glob_fits_nocase(struct span pattern, struct span text)
{
    return fits(pattern, text, true);
}

bool glob_fits_any(struct span patterns, struct span text)
{
    struct span one;
    while (patterns.n > 0) {
        (void)span_split(patterns, ' ', &one, &patterns); /* the last one leaves nothing */
        if (fits(one, text, false))
            return true;
    }
    return false;
}

bool glob_is(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}
