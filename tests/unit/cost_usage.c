/* A file of usage records: totals that sum up, bad lines by number, bounded memory. */
#include "harness/cost_usage.h"

#include "unit.h"

static struct price_book *book;

static enum err price_text(const char *text, size_t n, struct cost_run *run, struct note *note)
{
    FILE *in = fmemopen((void *)(uintptr_t)text, n, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    run->book = book;
    run->defaults.date = run->defaults.date == NULL ? "2026-11-01" : run->defaults.date;
    enum err e = cost_run_file(run, in, n, note);
    (void)fclose(in);
    return e;
}

static const char *total(const struct cost_run *run, struct buf *out)
{
    buf_reset(out);
    money_print(run->total, out);
    return buf_text(out);
}

static const struct cost_group *group(const struct cost_run *run, enum cost_by by, const char *name)
{
    for (size_t i = 0; i < run->tables[by].cap; i++)
        if (run->tables[by].groups[i].name != NULL && strcmp(run->tables[by].groups[i].name, name) == 0)
            return &run->tables[by].groups[i];
    return NULL;
}

static const char file[] =
    "{\"model\":\"amazon.nova-micro-v1:0\",\"time\":\"2026-11-02T10:00:00Z\",\"label\":\"a\",\"usage\":{"
    "\"inputTokens\":1000,\"outputTokens\":10}}\n"
    "{\"model\":\"us.anthropic.claude-sonnet-4-5-20250929-v1:0\",\"created\":1793577600,\"label\":\"b\",\"usage\":{"
    "\"prompt_tokens\":1000,\"completion_tokens\":500,\"prompt_tokens_details\":{\"cached_tokens\":900}}}\r\n"
    "not json\n"
    "\n"
    "{\"model\":\"amazon.nova-micro-v1:0\",\"service_tier\":\"flex\",\"usage\":{\"inputTokens\":1000,\"outputTokens\":"
    "10}}\n"
    "{\"model\":\"nobody.knows\",\"usage\":{\"inputTokens\":1}}\n"
    "{\"model\":\"amazon.nova-micro-v1:0\",\"date\":\"yesterday\",\"usage\":{\"inputTokens\":1}}\n"
    "{\"model\":\"amazon.nova-micro-v1:0\"}\n"
    "[1]\n"
    "{\"modelId\":\"amazon.nova-micro-v1:0\",\"service_tier\":\"default\",\"usage\":{\"inputTokens\":1,"
    "\"outputTokens\":0}}";

static void totals_by_model_day_and_label(void)
{
    CLEANUP(cost_run_release) struct cost_run run = {0};
    CLEANUP(buf_release) struct buf text = BUF_INIT(64);
    struct note note = {""};
    CLAIM(price_text(file, sizeof file - 1, &run, &note) == OK, "%s", note.text);
    CU_ASSERT_EQUAL(run.records, 4);
    CU_ASSERT_EQUAL(run.bad, 5);
    CU_ASSERT_EQUAL(run.lines, 10);
    /* 0.0000364 + (100 x 3.3 + 900 x 0.33 + 500 x 16.5) per million + 0.0000182 + 0.000000035 */
    CLAIM(strcmp(total(&run, &text), "0.008931635") == 0, "%s", buf_text(&text));
    for (size_t t = 0; t < COST_TABLES; t++) {
        price_int sum = 0;
        for (size_t i = 0; i < run.tables[t].cap; i++)
            sum += run.tables[t].groups[i].usd.atto_usd;
        CU_ASSERT(sum == run.total.atto_usd);
    }
    CU_ASSERT_EQUAL(group(&run, COST_BY_MODEL, "amazon.nova-micro-v1:0")->records, 3);
    CU_ASSERT_EQUAL(group(&run, COST_BY_DAY, "2026-11-02")->records, 2);
    CU_ASSERT_EQUAL(group(&run, COST_BY_DAY, "2026-11-01")->records, 2);
    CU_ASSERT_EQUAL(group(&run, COST_BY_LABEL, "(none)")->records, 2);
}

static void bad_lines_are_told_by_number(void)
{
    char *told = NULL;
    size_t n = 0;
    CLEANUP(cost_run_release) struct cost_run run = {.complain = open_memstream(&told, &n)};
    CU_ASSERT_EQUAL(price_text(file, sizeof file - 1, &run, NULL), OK);
    (void)fclose(run.complain);
    static const char *const says[] = {"line 3: ", "line 6: no price is known for the model nobody.knows",
                                       "line 7: the date yesterday", "line 8: there is no usage",
                                       "line 9: a record is a JSON object"};
    for (size_t i = 0; i < COUNT_OF(says); i++)
        CLAIM(strstr(told, says[i]) != NULL, "'%s' is not in: %s", says[i], told);
    free(told);
}

static void a_bad_line_can_end_the_run(void)
{
    CLEANUP(cost_run_release) struct cost_run run = {.fatal = true};
    struct note note = {""};
    CU_ASSERT_EQUAL(price_text(file, sizeof file - 1, &run, &note), ERR_INVALID);
    CLAIM(strstr(note.text, "line 3: ") != NULL && run.records == 2, "%s", note.text);
}

static void a_line_too_long_is_a_bad_line_and_no_more(void)
{
    static const char record[] =
        "{\"model\":\"amazon.nova-lite-v1:0\",\"usage\":{\"inputTokens\":1000,\"outputTokens\":500}}\n";
    char *told = NULL;
    size_t n = 0;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY), sum = BUF_INIT(64);
    for (int i = 0; i < 3; i++) { /* one within, one at the end of the file */
        if (i > 0)
            buf_adds(&text, record);
        char *room = buf_reserve(&text, 2 * COST_LINE_MAX);
        CU_ASSERT_PTR_NOT_NULL_FATAL(room);
        memset(room, i == 1 ? 'x' : ' ', 2 * COST_LINE_MAX);
        text.len += 2 * COST_LINE_MAX;
        buf_adds(&text, i < 2 ? "\n" : "");
    }
    CLEANUP(cost_run_release) struct cost_run run = {.complain = open_memstream(&told, &n)};
    CU_ASSERT_EQUAL(price_text(text.data, text.len, &run, NULL), OK);
    (void)fclose(run.complain);
    CLAIM(run.records == 2 && run.bad == 3 && run.lines == 5, "%llu records, %llu bad, %llu lines",
          (unsigned long long)run.records, (unsigned long long)run.bad, (unsigned long long)run.lines);
    CLAIM(strcmp(total(&run, &sum), "0.00036") == 0, "%s", buf_text(&sum));
    CLAIM(strstr(told, "line 3: it is longer than 16777216 bytes") != NULL, "%s", told);
    free(told);
}

static void the_order_of_lines_does_not_matter(void)
{
    enum { N = 3000 };
    CLEANUP(buf_release)
    struct buf forward = BUF_INIT(BUF_ANY), backward = BUF_INIT(BUF_ANY), a = BUF_INIT(64), b = BUF_INIT(64);
    for (int i = 0; i < N; i++)
        for (int way = 0; way < 2; way++) {
            int n = way == 0 ? i : N - 1 - i;
            buf_addf(
                way == 0 ? &forward : &backward,
                "{\"model\":\"%s\",\"date\":\"2026-%02d-%02d\",\"usage\":{\"inputTokens\":%d,\"outputTokens\":%d}}\n",
                n % 3 == 0 ? "amazon.nova-pro-v1:0" : "global.anthropic.claude-haiku-4-5-20251001-v1:0", n % 12 + 1,
                n % 28 + 1, n * 7919 % 100003, n * 104729 % 5003);
        }
    CLEANUP(cost_run_release) struct cost_run one = {0};
    CLEANUP(cost_run_release) struct cost_run two = {0};
    CU_ASSERT_EQUAL(price_text(forward.data, forward.len, &one, NULL), OK);
    CU_ASSERT_EQUAL(price_text(backward.data, backward.len, &two, NULL), OK);
    CLAIM(one.records == N && strcmp(total(&one, &a), total(&two, &b)) == 0, "%s and %s", buf_text(&a), buf_text(&b));
    const struct cost_group **days = cost_table_sorted(&one.tables[COST_BY_DAY], true);
    for (size_t i = 1; days[i] != NULL; i++)
        CU_ASSERT(strcmp(days[i - 1]->name, days[i]->name) < 0);
    free(days);
}

/* More names than there is room for go into one group, and the sum stays right. */
static void names_beyond_the_ceiling_share_a_group(void)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY), sum = BUF_INIT(64);
    for (size_t i = 0; i < COST_GROUPS_MAX + 50; i++)
        buf_addf(&text,
                 "{\"model\":\"amazon.nova-pro-v1:0\",\"label\":\"l%zu\",\"usage\":{\"inputTokens\":10,"
                 "\"outputTokens\":0}}\n",
                 i);
    CLEANUP(cost_run_release) struct cost_run run = {0};
    CU_ASSERT_EQUAL(price_text(text.data, text.len, &run, NULL), OK);
    CU_ASSERT_EQUAL(group(&run, COST_BY_LABEL, "(others)")->records, 50);
    CLAIM(strcmp(total(&run, &sum), "0.0804") == 0, "%s", buf_text(&sum));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"totals by model, day and label", totals_by_model_day_and_label},
        {"bad lines are told by number", bad_lines_are_told_by_number},
        {"a bad line can end the run", a_bad_line_can_end_the_run},
        {"a line too long is a bad line and no more", a_line_too_long_is_a_bad_line_and_no_more},
        {"the order of lines does not matter", the_order_of_lines_does_not_matter},
        {"names beyond the ceiling share a group", names_beyond_the_ceiling_share_a_group},
        CU_TEST_INFO_NULL,
    };
    book = price_book_load(NULL);
    if (book == NULL)
        return EXIT_FAILURE;
    int code = unit_main("cost_usage", tests);
    price_book_free(book);
    return code;
}
