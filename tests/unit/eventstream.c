/* The event stream codec: vectors, checksums, limits, feeding, encoding, describing. */
#include "protocol/eventstream.h"

#include "protocol/vectors.h"
#include "unit.h"

static void print_failure(void *ctx, const char *name, const char *why)
{
    (void)ctx;
    (void)printf("    %s: %s\n", name, why);
}

static void agrees_with_every_vector(void)
{
    struct vector_tally tally = {0, 0};
    CU_ASSERT_EQUAL(vectors_run_eventstream(&tally, print_failure, NULL), OK);
    CU_ASSERT_EQUAL(tally.run, 157);
    CU_ASSERT_EQUAL(tally.passed, tally.run);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"agrees with every vector", agrees_with_every_vector},
        CU_TEST_INFO_NULL,
    };
    return unit_main("eventstream", tests);
}
