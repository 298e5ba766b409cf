/* cost.c: one bill per call, from what Bedrock itself counted. */
#include "gateway/cost.h"

#include <stdio.h>

#include "protocol/price_usage.h"

void cost_of(const struct gateway_config *config, const char *model_id, const char *region, const cJSON *said,
             struct cost *out)
{
    const char *tier = json_str(json_member(said, "serviceTier"), "type");
    struct price_usage usage = {0};
    struct price_bill bill;
    *out = (struct cost){.usd = ""};
    if (tier != NULL && strcmp(tier, "default") == 0)
        tier = NULL;
    region = region != NULL ? region : config->region != NULL ? config->region : "us-east-1";
    const struct price_query query = {.model = model_id,
                                      .region = price_book_knows_region(config->prices, region) ? region : NULL,
                                      .tier = tier,
                                      .allow_unverified = config->unverified_prices};
    enum err e = price_usage_read(json_member(said, "usage"), &usage, NULL, &out->unknown);
    if (e == OK)
        e = price_cost(config->prices, &query, &usage, &bill, &out->unknown);
    if (e != OK) {
        for (char *c = out->unknown.text; *c != '\0'; c++) /* a header field; a model's name may hold anything */
            *c = *c >= ' ' && *c <= '~' ? *c : '?';
        return;
    }
    CLEANUP(buf_release) struct buf text = BUF_INIT(sizeof out->usd - 1);
    money_print(bill.total, &text);
    (void)snprintf(out->usd, sizeof out->usd, "%s", buf_text(&text));
}
