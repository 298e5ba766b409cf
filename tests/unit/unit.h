/* unit.h: the few lines every unit test file needs around CUnit.
 *
 * A file lists its tests as { "claim_in_words", function } rows and calls unit_main. CUnit's own return value hides
 * failures, so the exit code is made from CU_get_number_of_failures().
 */
#ifndef MOHS_TESTS_UNIT_H
#define MOHS_TESTS_UNIT_H

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>

/* How long a test waits for what must come. Only a broken product ever takes so long, so it is no measure of speed: a
 * machine that is busy, or slow by a sanitizer, gets there as well. What must not come is waited for shortly instead. */
#define PATIENCE_MS 60000

/* Runs the rows (ended by CU_TEST_INFO_NULL) and returns the process exit code. */
static inline int unit_main(const char *suite, CU_TestInfo *tests)
{
    CU_SuiteInfo suites[] = {{suite, NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        (void)fprintf(stderr, "cannot set up CUnit: %s\n", CU_get_error_msg());
        return EXIT_FAILURE;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    (void)CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A fresh folder under $TMPDIR, or /tmp: a test that is killed leaves nothing where it was started. The caller removes it. */
static inline void unit_folder(const char *name, char *path, size_t size)
{
    const char *under = getenv("TMPDIR");
    int n = snprintf(path, size, "%s/mohs-%s-XXXXXX", under != NULL && *under != '\0' ? under : "/tmp", name);
    if (n < 0 || (size_t)n >= size || mkdtemp(path) == NULL)
        abort();
}

/* A claim with the sentence to print when it does not hold. Unlike CU_ASSERT it says which vector of a table failed. */
#define CLAIM(condition, ...)                                                                                         \
    do {                                                                                                               \
        bool claim_holds = (condition);                                                                                \
        if (!claim_holds) {                                                                                            \
            (void)printf("    " __VA_ARGS__);                                                                          \
            (void)printf("\n");                                                                                        \
        }                                                                                                              \
        CU_ASSERT(claim_holds);                                                                                        \
    } while (0)

#endif
