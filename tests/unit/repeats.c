/* The log sink of the servers: a flood of equal lines is told once and counted. */
#include "harness/repeats.h"

#include "unit.h"

#define SECOND 1000000000ull

struct sink {
    struct repeats r;
    FILE *out;
    char *text;
    size_t size;
};

static void sink_open(struct sink *s)
{
    *s = (struct sink){.r = REPEATS_INIT};
    s->out = open_memstream(&s->text, &s->size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->out);
}

static void wrote(struct sink *s, const char *want)
{
    (void)fclose(s->out);
    CLAIM(strcmp(s->text, want) == 0, "wrote: %s", s->text);
    free(s->text);
}

static void equal_lines_are_told_once_and_counted(void)
{
    struct sink s;
    sink_open(&s);
    for (uint64_t i = 0; i < 61127; i++)
        repeats_tell(&s.r, s.out, "a", SECOND + i);
    repeats_tell(&s.r, s.out, "b", SECOND + 70000);
    repeats_tell(&s.r, s.out, "c", SECOND + 70001);
    wrote(&s, "a\n… and 61126 more like it\nb\nc\n");
}

static void a_second_later_a_line_is_told_again(void)
{
    struct sink s;
    sink_open(&s);
    repeats_tell(&s.r, s.out, "a", 5);
    repeats_tell(&s.r, s.out, "a", SECOND + 4);
    repeats_flush(&s.r, s.out, SECOND + 4, false); /* not over yet */
    CU_ASSERT_EQUAL(fflush(s.out), 0);
    CU_ASSERT_STRING_EQUAL(s.text, "a\n");
    repeats_tell(&s.r, s.out, "a", SECOND + 5);
    repeats_tell(&s.r, s.out, "a", SECOND + 6);
    repeats_flush(&s.r, s.out, 2 * SECOND + 5, false); /* nobody said more, and the second is over */
    repeats_flush(&s.r, s.out, 9 * SECOND, true);
    wrote(&s, "a\n… and 1 more like it\na\n… and 1 more like it\n");
}

static void lines_that_alternate_are_held_too(void)
{
    struct sink s;
    sink_open(&s);
    for (uint64_t i = 0; i < 2000; i++)
        repeats_tell(&s.r, s.out, i % 2 == 0 ? "a" : "b", i);
    repeats_flush(&s.r, s.out, 2000, true);
    wrote(&s, "a\nb\n… and 999 more like it\n… and 999 more like: a\n");
}

static void more_texts_than_are_watched_lose_no_count(void)
{
    struct sink s;
    unsigned long long lines = 0, more = 0, n;
    sink_open(&s);
    for (unsigned i = 0; i < 9 * REPEATS_KEPT; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%u", i / 3 % (REPEATS_KEPT + 1));
        repeats_tell(&s.r, s.out, text, i);
    }
    repeats_flush(&s.r, s.out, 1000, true);
    (void)fclose(s.out);
    for (char *rest = NULL, *line = strtok_r(s.text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (sscanf(line, "… and %llu more", &n) == 1)
            more += n;
        else
            lines++;
    }
    CLAIM(lines + more == 9 * REPEATS_KEPT && more > 0, "%llu lines and %llu more", lines, more);
    free(s.text);
}

static void a_line_without_end_is_cut(void)
{
    struct sink s;
    char text[3 * REPEATS_TEXT_MAX];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    sink_open(&s);
    repeats_tell(&s.r, s.out, text, 1);
    (void)fclose(s.out);
    CU_ASSERT_EQUAL(s.size, REPEATS_TEXT_MAX);
    free(s.text);
}

static struct sink shared;

static void *flood(void *text)
{
    for (int i = 0; i < 5000; i++)
        repeats_tell(&shared.r, shared.out, text, 1);
    return NULL;
}

static void threads_share_a_log(void)
{
    char text[] = "a";
    pthread_t threads[4];
    sink_open(&shared);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, flood, text), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        (void)pthread_join(threads[i], NULL);
    repeats_flush(&shared.r, shared.out, 2, true);
    wrote(&shared, "a\n… and 19999 more like it\n");
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"equal lines are told once and counted", equal_lines_are_told_once_and_counted},
        {"a second later a line is told again", a_second_later_a_line_is_told_again},
        {"lines that alternate are held too", lines_that_alternate_are_held_too},
        {"more texts than are watched lose no count", more_texts_than_are_watched_lose_no_count},
        {"a line without end is cut", a_line_without_end_is_cut},
        {"threads share a log", threads_share_a_log},
        CU_TEST_INFO_NULL,
    };
    return unit_main("repeats", tests);
}
