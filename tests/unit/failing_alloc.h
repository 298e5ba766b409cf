/* failing_alloc.h: memory that runs out on request, for one test program.
 *
 * CMake gives a test that includes this file the linker's --wrap for malloc, calloc, realloc, strdup and free, so every
 * call from our own code comes through here; alloc_watch() sends cJSON's the same way. Other libraries keep theirs.
 *
 *     alloc_watch();
 *     alloc_fail_at(3, false);   the third allocation from now fails; true: and all behind it
 *     ...
 *     if (!alloc_calm()) the code under test never got so far
 *
 * alloc_live() counts what is allocated and not yet freed: equal before and after means that nothing leaked. One thread.
 */
#ifndef MOHS_TESTS_UNIT_FAILING_ALLOC_H
#define MOHS_TESTS_UNIT_FAILING_ALLOC_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *text);
void __wrap_free(void *p);

static struct {
    size_t countdown; /* 0: nothing fails */
    bool for_good, failed;
    long live;
} failing_alloc;

static bool alloc_refused(void)
{
    if (failing_alloc.failed && failing_alloc.for_good)
        return true;
    if (failing_alloc.countdown == 0 || --failing_alloc.countdown > 0)
        return false;
    failing_alloc.failed = true;
    return true;
}

static void *alloc_counted(void *p)
{
    failing_alloc.live += p != NULL;
    return p;
}

void *__wrap_malloc(size_t n)
{
    return alloc_refused() ? NULL : alloc_counted(__real_malloc(n));
}

void *__wrap_calloc(size_t count, size_t n)
{
    return alloc_refused() ? NULL : alloc_counted(__real_calloc(count, n));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (alloc_refused())
        return NULL;
    void *grown = __real_realloc(p, n);
    return p == NULL ? alloc_counted(grown) : grown;
}

char *__wrap_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = __wrap_malloc(n);
    return copy == NULL ? NULL : memcpy(copy, text, n);
}

void __wrap_free(void *p)
{
    failing_alloc.live -= p != NULL;
    __real_free(p);
}

static inline void alloc_watch(void)
{
    cJSON_Hooks hooks = {__wrap_malloc, __wrap_free};
    cJSON_InitHooks(&hooks);
}

static inline void alloc_fail_at(size_t n, bool for_good)
{
    failing_alloc.countdown = n;
    failing_alloc.for_good = for_good;
    failing_alloc.failed = false;
}

/* Memory is plenty again; whether any was refused. */
static inline bool alloc_calm(void)
{
    bool failed = failing_alloc.failed;
    failing_alloc.countdown = 0;
    failing_alloc.failed = false;
    return failed;
}

/* Whether any was refused since alloc_fail_at(). */
static inline bool alloc_starved(void)
{
    return failing_alloc.failed;
}

static inline long alloc_live(void)
{
    return failing_alloc.live;
}

#endif
