/* Whatever stands in an answer or in a price table: usage is never negative, a bill's lines sum to its total, and the same
 * text is read the same way twice. */
#include <stdlib.h>

#include "harness/cost_audit.h"
#include "protocol/price_usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_usage(const struct price_book *book, const cJSON *tree)
{
    struct price_usage usage = {0}, again = {0};
    struct price_bill bill;
    if (price_usage_read(tree, &usage, NULL, NULL) != OK)
        return;
    if (price_usage_read(tree, &again, NULL, NULL) != OK || memcmp(usage.units, again.units, sizeof usage.units) != 0)
        abort();
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++)
        if (usage.units[d] < 0)
            abort();
    const struct price_query q = {
        .model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", .date = "2026-11-01", .allow_unverified = true};
    if (price_cost(book, &q, &usage, &bill, NULL) != OK)
        return;
    struct money sum = {0};
    for (size_t i = 0; i < bill.count; i++)
        if (money_add(sum, bill.lines[i].amount, &sum) != OK)
            abort();
    if (sum.atto_usd != bill.total.atto_usd)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {"csv", "litellm", "genai-prices"};
    static struct price_book *book;
    CLEANUP(json_free) cJSON *tree = NULL;
    const struct span text = {data, size};
    if (book == NULL)
        book = price_book_load(NULL);
    if (json_parse(text, JSON_COMPACT, &tree, NULL) == OK)
        read_usage(book, tree);
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        struct audit found;
        struct note note = {""};
        if (audit_run(book, formats[i], text, "2026-11-01", &found, &note) != OK && note.text[0] == '\0')
            abort();
        audit_release(&found);
    }
    return 0;
}
