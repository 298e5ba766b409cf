/* price_money.h: amounts of money that never meet a float.
 *
 * An amount is a whole number of 10^-18 USD ("atto") in 128 bits: 1.7 * 10^20 USD fit. Every operation refuses overflow
 * with ERR_LIMIT. Rounding exists for display only.
 */
#ifndef MOHS_PRICE_MONEY_H
#define MOHS_PRICE_MONEY_H

#include "protocol/buf.h"

__extension__ typedef __int128 price_int; /* pedantic C has no 128-bit type; gcc and clang do */

enum { MONEY_DECIMALS = 18 };

struct money {
    price_int atto_usd;
};

enum money_rounding { MONEY_HALF_EVEN, MONEY_HALF_UP };

/* A decimal, with an exponent if it likes ("12.50", "-0.000001", "1e-6", "1.25E-05"), as a whole number of 10^-scale.
 * ERR_SYNTAX, or ERR_LIMIT when it has more decimals than that or does not fit. */
enum err decimal_parse(const char *text, int scale, price_int *out) MUST_USE;
enum err money_parse(const char *text, struct money *out) MUST_USE;
enum err money_add(struct money a, struct money b, struct money *out) MUST_USE;
enum err money_times(struct money a, int64_t n, struct money *out) MUST_USE;
/* Exact decimal, no trailing zeros: "0.0000125", "3", "0". */
void money_print(struct money m, struct buf *out);
/* Rounded to `places` (0..18) for display; always that many decimals. */
void money_print_rounded(struct money m, unsigned places, enum money_rounding how, struct buf *out);
/* An integer scaled by 10^scale (at most 36), as money_print does: price_int 35 of scale 3 is "0.035". */
void decimal_print(price_int value, unsigned scale, struct buf *out);

#endif
