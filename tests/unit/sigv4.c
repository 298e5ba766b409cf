/* Signature Version 4: the vectors. */
#include "protocol/vectors.h"
#include "unit.h"

static void print_failure(void *ctx, const char *name, const char *why)
{
    (void)ctx;
    (void)printf("    %s: %s\n", name, why);
}

static void every_vector_agrees(void)
{
    struct vector_tally tally = {0, 0};
    CU_ASSERT_EQUAL(vectors_run_sigv4(&tally, print_failure, NULL), OK);
    (void)printf("    %u vectors, %u passed\n", tally.run, tally.passed);
    CU_ASSERT_EQUAL(tally.run, tally.passed);
}
int main(void)
{
    CU_TestInfo tests[] = {
        {"every vector agrees", every_vector_agrees},
        CU_TEST_INFO_NULL,
    };
    return unit_main("sigv4", tests);
}
