/* Where a check stands in its file: the words of its id, walked over the text of the case. */
#include "harness/place.h"

#include <unistd.h>

#include "protocol/data.h"
#include "unit.h"

static const char text[] = "{\n"                                                                     /* 1 */
                           "  \"title\": \"\\\"steps\\\": [\\\\\",\n"                                /* 2 */
                           "  \"steps\": [\n"                                                        /* 3 */
                           "    { \"send\": { \"upstream\": [[], {}] }, \"n\": -1.5e3,\n"            /* 4 */
                           "      \"upstream\": [\n"                                                 /* 5 */
                           "        { \"reply\": { \"body\": \"}]{\" } },\n"                         /* 6 */
                           "        { \"reply\": {},\n"                                              /* 7 */
                           "          \"expect\": {\n"                                               /* 8 */
                           "            \"body\": 1,\n"                                              /* 9 */
                           "            \"model\":\n true } } ],\n"                                  /* 10, 11 */
                           "      \"receive\": {\n        \"stream\": {} } },\n"                     /* 12, 13 */
                           "    { \"alternatives\": [ { \"name\": \"a\" },\n"                        /* 14 */
                           "      { \"receive\": 1, \"name\": \"b\",\n"                              /* 15 */
                           "        \"upstream\": [] } ] }\n  ]\n}\n";                               /* 16 */

static void a_check_is_found_where_it_is_asked_for(void)
{
    static const struct { const char *check; size_t line; } rows[] = {
        {"", 1}, {"nothing", 1}, {"title", 2}, {"steps", 3}, {"steps[0]", 4}, {"steps[0].upstream", 5}, {"steps[0].upstream[0]", 6},
        {"steps[0].upstream[1]", 7}, {"steps[0].upstream[1].body", 9}, {"steps[0].upstream[1].model", 10},
        {"steps[0].upstream[0].body", 6},       /* asked for unasked: the call */
        {"steps[0].upstream[1].signature", 7},  /* the same */
        {"steps[0].upstream[7].body", 5}, {"steps[0].upstream.count", 5},
        {"steps[0].receive.stream.done-last", 13}, {"steps[0].receive.status", 12},
        {"steps[1].alternatives.a.upstream.count", 14}, {"steps[1].alternatives.b.receive.status", 15}, {"steps[1].alternatives.b.upstream.count", 16},
        {"steps[1].alternatives.c.upstream", 14}, {"steps[2].x", 3}, {"steps[", 4}, {"..", 1}, {"[3]", 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CLAIM(place_line(SPAN_LIT(text), rows[i].check) == rows[i].line, "%s is on line %zu, not %zu", rows[i].check,
              place_line(SPAN_LIT(text), rows[i].check), rows[i].line);
}

/* Whatever the bytes are: cut anywhere, no byte behind them is read (the sanitizer looks) and the line is one of them. */
static void bytes_that_end_anywhere_are_walked_within_their_bounds(void)
{
    static const char *const checks[] = {"steps[1].alternatives.b.upstream.count", "steps[0].upstream[1].model"};
    for (size_t n = 0; n < sizeof text; n++)
        for (size_t i = 0; i < COUNT_OF(checks); i++) {
            CLEANUP(free_ptr) char *exact = malloc(n + (n == 0));
            CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
            memcpy(exact, text, n);
            size_t line = place_line((struct span){(const unsigned char *)exact, n}, checks[i]);
            CLAIM(line >= 1 && line <= 19, "cut at %zu: line %zu", n, line);
        }
}

static void a_path_is_relative_to_where_mohs_runs(void)
{
    char here[4096], below[4200], beside[4200];
    CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(here, sizeof here));
    (void)snprintf(below, sizeof below, "%s/a/b.json", here);
    (void)snprintf(beside, sizeof beside, "%sx/b.json", here);
    const char *const rows[][2] = {{"././a/b.json", "a/b.json"}, {"suites/cases/x.json", "suites/cases/x.json"}, {below, "a/b.json"},
                                   {beside, beside}, {"../b.json", "../b.json"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
        place_file(rows[i][0], &out);
        CLAIM(strcmp(buf_text(&out), rows[i][1]) == 0, "%s: %s", rows[i][0], buf_text(&out));
    }
}

static void embedded_cases_have_lines_and_what_is_nowhere_has_none(void)
{
    CU_ASSERT_EQUAL(place_of_case("suites/cases/openai.chat/params/stop.json", NULL), 1);
    CU_ASSERT(place_of_case("suites/cases/openai.chat/params/stop.json", "steps[0].receive.status") > 1);
    CU_ASSERT_EQUAL(place_of_case("no/such/file.json", "steps"), 0);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a check is found where it is asked for", a_check_is_found_where_it_is_asked_for},
        {"bytes that end anywhere are walked within their bounds", bytes_that_end_anywhere_are_walked_within_their_bounds},
        {"a path is relative to where mohs runs", a_path_is_relative_to_where_mohs_runs},
        {"embedded cases have lines and what is nowhere has none", embedded_cases_have_lines_and_what_is_nowhere_has_none},
        CU_TEST_INFO_NULL,
    };
    return unit_main("place", tests);
}
