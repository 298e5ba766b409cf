/* price.h: usage to cost, line by line, exact to the last digit.
 *
 * A line is a count times a whole number of 10^-18 USD (protocol/price_money.h), so the lines sum to the total to the
 * last digit. Where prices come from and how one is looked up is told in protocol/price_book.h.
 */
#ifndef MOHS_PRICE_H
#define MOHS_PRICE_H

#include "protocol/price_book.h"

/* What a call used. Zero units make no line. */
struct price_usage {
    int64_t units[PRICE_DIMENSIONS];
    const char *variant[PRICE_DIMENSIONS]; /* of images and provisioned hours; NULL: the only one */
};

struct price_line {
    enum price_dimension dimension;
    const char *variant;
    int64_t units;
    struct money each; /* after the tier's factor */
    struct money amount;
    const char *scope, *source; /* the book's */
    bool verified;
};

struct price_bill {
    const char *model; /* base id as the data spells it; the book's */
    const char *tier;
    char date[12];
    struct price_line lines[PRICE_DIMENSIONS];
    size_t count;
    struct money total;
};

/* ERR_UNKNOWN for whatever has no price (the note names the nearest known one), ERR_INVALID for negative units or a bad
 * date, ERR_LIMIT for what does not fit. On error *out holds nothing of use. */
enum err price_cost(const struct price_book *book, const struct price_query *query, const struct price_usage *usage,
                    struct price_bill *out, struct note *note) MUST_USE;
/* The same at a place that was found before, for many bills of one model. */
enum err price_cost_at(const struct price_book *book, const struct price_place *place, const struct price_usage *usage,
                       struct price_bill *out, struct note *note) MUST_USE;

#endif
