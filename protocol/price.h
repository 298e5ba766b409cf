/* price.h: usage to cost, exact to the last digit.
 *
 * Money is a whole number of 10^-18 USD in 128 bits: no float on the way, overflow refused, lines that sum to the total.
 * Prices are data (fixtures/prices/bedrock.json): decimal strings per million tokens, each with source, scope and
 * validity. Rounding exists for display only.
 */
#ifndef MOHS_PRICE_H
#define MOHS_PRICE_H

#include "protocol/json.h"

__extension__ typedef __int128 price_int; /* pedantic C has no 128-bit type; gcc and clang do */

struct money {
    price_int atto_usd;
};

enum money_rounding { MONEY_HALF_EVEN, MONEY_HALF_UP };

/* "12.50", "-0.000001", "1e-6"; at most 18 decimals. ERR_SYNTAX, or ERR_LIMIT when it does not fit. */
enum err money_parse(const char *text, struct money *out) MUST_USE;
enum err money_add(struct money a, struct money b, struct money *out) MUST_USE;
enum err money_times(struct money a, int64_t n, struct money *out) MUST_USE;
/* Exact decimal, no trailing zeros: "0.0000125", "3", "0". */
void money_print(struct money m, struct buf *out);
/* Rounded to `places` (0..18) for display; always that many decimals. */
void money_print_rounded(struct money m, unsigned places, enum money_rounding how, struct buf *out);

/* What is counted. Cache reads and writes stand beside input, never inside it, as Bedrock reports them. */
enum price_dimension {
    PRICE_INPUT,
    PRICE_OUTPUT,
    PRICE_CACHE_READ,
    PRICE_CACHE_WRITE_5M,
    PRICE_CACHE_WRITE_1H,
    PRICE_INPUT_AUDIO,
    PRICE_OUTPUT_AUDIO,
    PRICE_DIMENSIONS
};
const char *price_dimension_name(enum price_dimension d); /* "cache_write_5m", as in the data */

struct price_book;
/* NULL on damage of the data file; the note says where. Read-only and shared freely afterwards. */
struct price_book *price_book_load(struct note *note);
void price_book_free(struct price_book *book);
size_t price_book_models(const struct price_book *book);

struct price_query {
    const char *model;     /* base id, profile id with its geography prefix, or an ARN of either */
    const char *date;      /* YYYY-MM-DD; NULL: today (UTC) */
    const char *tier;      /* on-demand (NULL), batch, flex, priority */
    bool allow_unverified; /* take multipliers that no official text confirms */
};

struct price_line {
    enum price_dimension dimension;
    int64_t units;
    struct money per_million; /* after the tier's multiplier */
    struct money amount;
};

struct price_bill {
    const char *model;  /* base id as the data spells it; the book's */
    const char *scope;  /* "global", "regional", "*" */
    const char *source; /* key of the price's source */
    const char *tier;
    struct price_line lines[PRICE_DIMENSIONS];
    size_t count;
    struct money total;
};

/* Units by dimension; zero units make no line. Errors: ERR_UNKNOWN for a model, tier, or dimension that has no price (the
 * note names the nearest model: an unknown price is never 0), ERR_INVALID for negative units or a bad date, ERR_LIMIT. */
enum err price_cost(const struct price_book *book, const struct price_query *query, const int64_t units[PRICE_DIMENSIONS],
                    struct price_bill *out, struct note *note) MUST_USE;

#endif
