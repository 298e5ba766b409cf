/* price_money.c: decimals in and out of 128-bit integers.
 *
 * A price table in the wild writes 0.0000008 as 8e-07, so exponents are read; they are applied to the digits, never to
 * a double. What has more decimals than can be held is refused, not rounded: a price that we cannot hold exactly is a
 * price that we do not have.
 */
#include "protocol/price_money.h"

#include <stdlib.h>

static price_int power_of_ten(unsigned n)
{
    price_int p = 1;
    while (n-- > 0)
        p *= 10;
    return p;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The digits of "12.50" as 1250 with two decimals; *rest is where they end. */
static enum err read_digits(const char *text, price_int *value, int *decimals, const char **rest)
{
    *value = 0;
    *decimals = 0;
    for (bool fraction = false;; text++) {
        if (*text == '.' && !fraction && is_digit(text[1])) {
            fraction = true;
            continue;
        }
        if (!is_digit(*text))
            break;
        if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, *text - '0', value))
            return ERR_LIMIT;
        *decimals += fraction;
    }
    *rest = text;
    return OK;
}

static enum err read_exponent(const char *text, int *decimals)
{
    enum { EXPONENT_MAX = 100 };
    if (*text == '\0')
        return OK;
    const char *digits = text + 1 + (text[1] == '-' || text[1] == '+');
    if ((*text != 'e' && *text != 'E') || !is_digit(*digits))
        return ERR_SYNTAX;
    char *end;
    long exponent = strtol(text + 1, &end, 10);
    if (*end != '\0' || exponent < -EXPONENT_MAX || exponent > EXPONENT_MAX)
        return ERR_SYNTAX;
    *decimals -= (int)exponent;
    return OK;
}

enum err decimal_parse(const char *text, int scale, price_int *out)
{
    bool negative = *text == '-';
    price_int value;
    int decimals;
    text += negative;
    if (!is_digit(*text))
        return ERR_SYNTAX;
    enum err e = read_digits(text, &value, &decimals, &text);
    if (e == OK)
        e = read_exponent(text, &decimals);
    if (e != OK)
        return e;
    for (; decimals > scale && value % 10 == 0 && value != 0; decimals--)
        value /= 10;
    if (value != 0 && decimals > scale)
        return ERR_LIMIT;
    for (; value != 0 && decimals < scale; decimals++)
        if (__builtin_mul_overflow(value, 10, &value))
            return ERR_LIMIT;
    *out = negative ? -value : value;
    return OK;
}

enum err money_parse(const char *text, struct money *out)
{
    return decimal_parse(text, MONEY_DECIMALS, &out->atto_usd);
}

enum err money_add(struct money a, struct money b, struct money *out)
{
    return __builtin_add_overflow(a.atto_usd, b.atto_usd, &out->atto_usd) ? ERR_LIMIT : OK;
}

enum err money_times(struct money a, int64_t n, struct money *out)
{
    return __builtin_mul_overflow(a.atto_usd, (price_int)n, &out->atto_usd) ? ERR_LIMIT : OK;
}

static void print_scaled(price_int value, unsigned places, bool trim, struct buf *out)
{
    char digits[64];
    size_t n = 0;
    bool negative = value < 0;
    while (value != 0 || n <= places) {
        int digit = (int)(value % 10);
        digits[n++] = (char)('0' + (digit < 0 ? -digit : digit));
        value /= 10;
    }
    size_t last = 0;
    while (trim && last < places && digits[last] == '0')
        last++;
    if (negative)
        buf_addc(out, '-');
    for (size_t i = n; i > last; i--) {
        if (i == places)
            buf_addc(out, '.');
        buf_addc(out, digits[i - 1]);
    }
}

void decimal_print(price_int value, unsigned scale, struct buf *out)
{
    print_scaled(value, scale, true, out);
}

void money_print(struct money m, struct buf *out)
{
    print_scaled(m.atto_usd, MONEY_DECIMALS, true, out);
}

void money_print_rounded(struct money m, unsigned places, enum money_rounding how, struct buf *out)
{
    if (places > MONEY_DECIMALS)
        places = MONEY_DECIMALS;
    price_int unit = power_of_ten(MONEY_DECIMALS - places);
    price_int whole = m.atto_usd / unit, rest = m.atto_usd % unit;
    price_int size = rest < 0 ? -rest : rest;
    bool away = size > unit - size || (size == unit - size && size != 0 && (how == MONEY_HALF_UP || whole % 2 != 0));
    if (away)
        whole += m.atto_usd < 0 ? -1 : 1;
    print_scaled(whole, places, false, out);
}
