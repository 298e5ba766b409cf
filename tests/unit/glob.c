/* Globs: those of IAM, wherever a user writes one. What the places make of them, they test themselves; here is the one
 * function they share, and that no other is left. */
#include "protocol/glob.h"

#include "unit.h"

static void globs_are_those_of_iam(void)
{
    static const struct {
        const char *pattern, *text;
        bool holds, nocase; /* nocase: with letters of any case */
    } rows[] = {
        {"*", "", true, true},
        {"a*c", "abbc", true, true},
        {"a*c", "abbd", false, false},
        {"a?c", "abc", true, true},
        {"a?c", "ac", false, false},
        {"a?", "a", false, false},
        {"**b*", "aab", true, true},
        {"a[b]", "ab", false, false},
        {"a[b]", "a[b]", true, true},
        {"[a-z]*", "b", false, false},
        {"[!b]", "a", false, false},
        {"a\\*", "a*", false, false},
        {"a\\*", "a\\b", true, true},
        {"arn:*/x", "arn:a/b/c/x", true, true},
        {".*", ".x", true, true},
        {"*x", ".x", true, true},
        {"Bedrock:In*", "bedrock:invoke", false, true},
        {"[A", "{a", false, false},
        {"", "", true, true},
        {"", "a", false, false},
        {"*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLAIM(glob_fits(span_of(rows[i].pattern), span_of(rows[i].text)) == rows[i].holds, "row %zu", i);
        CLAIM(glob_fits_nocase(span_of(rows[i].pattern), span_of(rows[i].text)) == rows[i].nocase, "row %zu, nocase", i);
    }
}

static void one_of_several_is_enough(void)
{
    CU_ASSERT(glob_fits_any(span_of("a* b?"), span_of("bc")));
    CU_ASSERT(glob_fits_any(span_of("a* b?"), span_of("a")));
    CU_ASSERT(!glob_fits_any(span_of("a* b?"), span_of("b")));
    CU_ASSERT(!glob_fits_any(span_of(""), span_of("b")));
    CU_ASSERT(glob_is("a?") && glob_is("*") && !glob_is("a[b]"));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"globs are those of IAM", globs_are_those_of_iam},
        {"one of several is enough", one_of_several_is_enough},
        CU_TEST_INFO_NULL,
    };
    return unit_main("glob", tests);
}
