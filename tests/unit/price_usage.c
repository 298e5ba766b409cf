/* Usage: one meaning, whatever place it was read from. */
#include "protocol/price_usage.h"

#include "protocol/data.h"
#include "unit.h"

static cJSON *doc;

static void check_row(const cJSON *row)
{
    struct price_usage got = {0};
    struct note note = {""};
    const char *form = "", *name = json_str(row, "name"), *error = json_str(row, "error");
    enum err e = price_usage_read(json_member(row, "in"), &got, &form, &note);
    if (error != NULL) {
        CLAIM(e != OK && strstr(note.text, error) != NULL, "%s: %s", name, note.text);
        return;
    }
    CLAIM(e == OK && strcmp(form, json_str(row, "form")) == 0, "%s: form %s %s", name, form, note.text);
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++) {
        int64_t want = 0;
        const cJSON *item = json_member(json_member(row, "out"), price_dimension_name((enum price_dimension)d));
        if (item != NULL)
            (void)json_int64(item, &want);
        CLAIM(got.units[d] == want, "%s: %s is %lld, not %lld", name, price_dimension_name((enum price_dimension)d),
              (long long)got.units[d], (long long)want);
    }
}

static void every_place_is_read_into_one_meaning(void)
{
    const cJSON *row;
    size_t n = 0;
    cJSON_ArrayForEach(row, json_member(doc, "rows"))
    {
        check_row(row);
        n++;
    }
    CU_ASSERT(n > 40);
}

/* The same call, told by Converse, by Anthropic and by a chat gateway, costs the same. */
static void the_same_call_costs_the_same_whoever_tells_it(void)
{
    static const char *const told[] = {
        "{\"usage\":{\"inputTokens\":10,\"outputTokens\":5,\"cacheReadInputTokens\":900,\"cacheWriteInputTokens\":200}"
        "}",
        "{\"usage\":{\"input_tokens\":10,\"output_tokens\":5,\"cache_read_input_tokens\":900,"
        "\"cache_creation_input_tokens\":200}}",
        "{\"usage\":{\"prompt_tokens\":1110,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":900,"
        "\"cache_creation_tokens\":200}}}",
        "{\"usage\":{\"input_tokens\":1110,\"output_tokens\":5,\"input_tokens_details\":{\"cached_tokens\":900,"
        "\"cache_write_tokens\":200}}}",
        "{\"headers\":{\"X-Amzn-Bedrock-Input-Token-Count\":\"10\",\"X-Amzn-Bedrock-Output-Token-Count\":\"5\","
        "\"X-Amzn-Bedrock-Cache-Read-Input-Token-Count\":\"900\",\"X-Amzn-Bedrock-Cache-Write-Input-Token-Count\":"
        "\"200\"}}"};
    struct price_book *book = price_book_load(NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(book);
    const struct price_query q = {.model = "global.anthropic.claude-sonnet-4-5-20250929-v1:0", .date = "2026-11-01"};
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        CLEANUP(json_free) cJSON *tree = NULL;
        CLEANUP(buf_release) struct buf total = BUF_INIT(64);
        struct price_usage usage = {0};
        struct price_bill bill = {0};
        struct note note = {""};
        CU_ASSERT_EQUAL(json_parse(span_of(told[i]), 0, &tree, &note), OK);
        CU_ASSERT_EQUAL(price_usage_read(tree, &usage, NULL, &note), OK);
        CU_ASSERT_EQUAL(price_cost(book, &q, &usage, &bill, &note), OK);
        money_print(bill.total, &total); /* 10 x 3 + 900 x 0.3 + 200 x 3.75 + 5 x 15, per million */
        CLAIM(strcmp(buf_text(&total), "0.001125") == 0, "%s: %s", told[i], buf_text(&total));
    }
    price_book_free(book);
}

static void a_deep_or_odd_tree_is_no_usage(void)
{
    CLEANUP(json_free) cJSON *deep = NULL;
    CU_ASSERT_EQUAL(json_parse(SPAN_LIT("{\"body\":{\"body\":{\"body\":{\"body\":{\"body\":{\"body\":{\"usage\":"
                                        "{\"inputTokens\":1}}}}}}}}"),
                               0, &deep, NULL),
                    OK);
    struct price_usage usage = {0};
    CU_ASSERT_EQUAL(price_usage_read(deep, &usage, NULL, NULL), ERR_UNKNOWN);
    CU_ASSERT_EQUAL(price_usage_read(NULL, &usage, NULL, NULL), ERR_UNKNOWN);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every place is read into one meaning", every_place_is_read_into_one_meaning},
        {"the same call costs the same, whoever tells it", the_same_call_costs_the_same_whoever_tells_it},
        {"a deep or odd tree is no usage", a_deep_or_odd_tree_is_no_usage},
        CU_TEST_INFO_NULL,
    };
    struct span text;
    if (data_load("fixtures/vectors/price-usage.json", &text, NULL) != OK || json_parse(text, 0, &doc, NULL) != OK)
        return EXIT_FAILURE;
    int code = unit_main("price_usage", tests);
    json_free(&doc);
    return code;
}
