/* Money: exact figures, honest lookups. */
#include "protocol/price.h"

#include "protocol/data.h"
#include "unit.h"

static struct price_book *book;

static enum err cost(const char *model, const char *date, const char *tier, int64_t input, int64_t output, struct price_bill *bill,
                     struct note *note)
{
    const struct price_query q = {model, date, tier, false};
    const int64_t units[PRICE_DIMENSIONS] = {[PRICE_INPUT] = input, [PRICE_OUTPUT] = output};
    return price_cost(book, &q, units, bill, note);
}

static void prints_and_parses_exactly(void)
{
    static const char *const rows[][2] = {
        {"0", "0"},          {"1", "1"},           {"12.50", "12.5"},  {"-0.000001", "-0.000001"}, {"1e-6", "0.000001"},
        {"0.000000000000000001", "0.000000000000000001"}, {"2.5E3", "2500"}, {"100", "100"},
        {"0.00000000000000000000", "0"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct money m;
        CLEANUP(buf_release) struct buf out = BUF_INIT(64);
        CU_ASSERT_EQUAL(money_parse(rows[i][0], &m), OK);
        money_print(m, &out);
        CLAIM(strcmp(buf_text(&out), rows[i][1]) == 0, "%s prints as %s", rows[i][0], buf_text(&out));
    }
    static const char *const bad[] = {"", ".5", "1.", "1,5", "--1", "1e", "1e999", "0.0000000000000000001", "1 ", "0x10",
                                      "999999999999999999999999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct money m;
        CLAIM(money_parse(bad[i], &m) != OK, "accepted '%s'", bad[i]);
    }
}

static void rounds_for_display_only(void)
{
    static const struct { const char *in; unsigned places; const char *even, *up; } rows[] = {
        {"0.035", 2, "0.04", "0.04"}, {"0.025", 2, "0.02", "0.03"}, {"-0.025", 2, "-0.02", "-0.03"}, {"2.5", 0, "2", "3"},
        {"0.0251", 2, "0.03", "0.03"}, {"9.999", 2, "10.00", "10.00"}, {"1", 3, "1.000", "1.000"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct money m;
        CLEANUP(buf_release) struct buf even = BUF_INIT(64);
        CLEANUP(buf_release) struct buf up = BUF_INIT(64);
        CU_ASSERT_EQUAL(money_parse(rows[i].in, &m), OK);
        money_print_rounded(m, rows[i].places, MONEY_HALF_EVEN, &even);
        money_print_rounded(m, rows[i].places, MONEY_HALF_UP, &up);
        CLAIM(strcmp(buf_text(&even), rows[i].even) == 0 && strcmp(buf_text(&up), rows[i].up) == 0, "%s: %s and %s", rows[i].in,
              buf_text(&even), buf_text(&up));
    }
}

static void costs_known_usages_to_the_last_digit(void)
{
    static const struct { const char *model, *date, *tier; int64_t in, out; const char *total; } rows[] = {
        {"amazon.nova-micro-v1:0", "2026-11-01", NULL, 1, 0, "0.000000035"},
        {"amazon.nova-micro-v1:0", "2026-11-01", "batch", 1, 0, "0.0000000175"},
        {"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "2026-11-01", NULL, 1000, 500, "0.01155"},
        {"global.anthropic.claude-sonnet-4-5-20250929-v1:0", "2026-11-01", NULL, 1000, 500, "0.0105"},
        {"anthropic.claude-sonnet-5-v1:0", "2026-08-31", NULL, 1000000, 0, "2.2"},
        {"anthropic.claude-sonnet-5-v1:0", "2026-09-01", NULL, 1000000, 0, "3.3"},
        {"arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0", "2026-11-01", NULL, 3, 7, "0.0000095"},
        {"arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.amazon.nova-2-lite-v1:0", "2026-11-01", NULL, 9007199254740993, 0,
         "2702159776.4222979"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct note note = {""};
        struct price_bill bill;
        CLEANUP(buf_release) struct buf total = BUF_INIT(64);
        enum err e = cost(rows[i].model, rows[i].date, rows[i].tier, rows[i].in, rows[i].out, &bill, &note);
        money_print(bill.total, &total);
        CLAIM(e == OK && strcmp(buf_text(&total), rows[i].total) == 0, "%s: %s, expected %s %s", rows[i].model, buf_text(&total),
              rows[i].total, note.text);
    }
}

static void displayed_rates_are_ours_rounded_half_up(void)
{
    struct span text;
    CLEANUP(json_free) cJSON *doc = NULL;
    CU_ASSERT_EQUAL(data_load("fixtures/vectors/price-displayed.json", &text, NULL), OK);
    CU_ASSERT_EQUAL(json_parse(text, 0, &doc, NULL), OK);
    const cJSON *row;
    int checked = 0, hidden = 0;
    cJSON_ArrayForEach(row, json_member(doc, "rows"))
    {
        const char *model = cJSON_GetArrayItem(row, 1)->valuestring;
        struct note note = {""};
        struct price_bill bill;
        CLAIM(cost(model, "2026-11-01", NULL, 1000000, 1000000, &bill, &note) == OK, "%s", note.text);
        for (int side = 0; side < 2 && bill.count == 2; side++) {
            CLEANUP(buf_release) struct buf ours = BUF_INIT(64);
            CLEANUP(buf_release) struct buf exact = BUF_INIT(64);
            money_print_rounded(bill.lines[side].amount, 2, MONEY_HALF_UP, &ours);
            money_print(bill.lines[side].amount, &exact);
            CLAIM(strcmp(buf_text(&ours), cJSON_GetArrayItem(row, 2 + side)->valuestring) == 0, "%s: %s is displayed as %s", model,
                  buf_text(&exact), cJSON_GetArrayItem(row, 2 + side)->valuestring);
            hidden += exact.len > ours.len;
            checked++;
        }
    }
    CU_ASSERT_EQUAL(checked, 176);
    CLAIM(hidden == 8, "%d rates hide digits by rounding; nova-micro's 0.035 is the only one expected", hidden);
}

static void batch_is_half_and_lines_sum_to_the_total(void)
{
    uint64_t seed = 7;
    for (int i = 0; i < 2000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int64_t in = (int64_t)(seed >> 34), out = (int64_t)(seed >> 40 & 0xffff) + 1;
        struct price_bill full, half, more;
        CU_ASSERT_EQUAL(cost("anthropic.claude-opus-4-5-v1:0", "2026-11-01", NULL, in, out, &full, NULL), OK);
        CU_ASSERT_EQUAL(cost("anthropic.claude-opus-4-5-v1:0", "2026-11-01", "batch", in, out, &half, NULL), OK);
        CU_ASSERT_EQUAL(cost("anthropic.claude-opus-4-5-v1:0", "2026-11-01", NULL, 3 * in, 3 * out, &more, NULL), OK);
        CU_ASSERT(half.total.atto_usd * 2 == full.total.atto_usd);
        CU_ASSERT(full.total.atto_usd * 3 == more.total.atto_usd);
        price_int sum = 0;
        for (size_t l = 0; l < full.count; l++)
            sum += full.lines[l].amount.atto_usd;
        CU_ASSERT(sum == full.total.atto_usd);
    }
}

static void an_unknown_price_is_an_error_never_zero(void)
{
    static const struct { const char *model, *date, *tier; int64_t in; const char *says; } rows[] = {
        {"anthropic.claude-sonet-4-5-20250929-v1:0", NULL, NULL, 1, "the nearest id is anthropic.claude-sonnet-4-5-20250929-v1:0"},
        {"nobody.knows", NULL, NULL, 1, "no price is known"},
        {"amazon.nova-lite-v1:0", "2026-13", NULL, 1, "YYYY-MM-DD"},
        {"amazon.nova-lite-v1:0", NULL, "priority", 1, "not confirmed"},
        {"amazon.nova-lite-v1:0", NULL, "cheap", 1, "no price is known for the tier cheap"},
        {"amazon.nova-lite-v1:0", NULL, NULL, -1, "cannot be negative"},
        {"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", NULL, NULL, 1, "does not say which model"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct note note = {""};
        struct price_bill bill;
        CLAIM(cost(rows[i].model, rows[i].date, rows[i].tier, rows[i].in, 0, &bill, &note) != OK && strstr(note.text, rows[i].says) != NULL,
              "%s: %s", rows[i].model, note.text);
    }
    const struct price_query q = {"amazon.titan-embed-text-v1", "2026-11-01", NULL, false};
    const int64_t units[PRICE_DIMENSIONS] = {[PRICE_CACHE_READ] = 5};
    struct price_bill bill;
    struct note note = {""};
    CU_ASSERT_EQUAL(price_cost(book, &q, units, &bill, &note), ERR_UNKNOWN);
    CLAIM(strstr(note.text, "has no price for cache_read") != NULL, "%s", note.text);
}

static void refuses_what_does_not_fit(void)
{
    struct money a = {0}, out;
    a.atto_usd = ((price_int)1) << 126;
    CU_ASSERT_EQUAL(money_add(a, a, &out), ERR_LIMIT);
    CU_ASSERT_EQUAL(money_times(a, 3, &out), ERR_LIMIT);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"prints and parses exactly", prints_and_parses_exactly},
        {"rounds for display only", rounds_for_display_only},
        {"costs known usages to the last digit", costs_known_usages_to_the_last_digit},
        {"displayed rates are ours rounded half up", displayed_rates_are_ours_rounded_half_up},
        {"batch is half and lines sum to the total", batch_is_half_and_lines_sum_to_the_total},
        {"an unknown price is an error, never zero", an_unknown_price_is_an_error_never_zero},
        {"refuses what does not fit", refuses_what_does_not_fit},
        CU_TEST_INFO_NULL,
    };
    struct note note = {""};
    book = price_book_load(&note);
    if (book == NULL) {
        (void)printf("%s\n", note.text);
        return EXIT_FAILURE;
    }
    int code = unit_main("price", tests);
    price_book_free(book);
    return code;
}
