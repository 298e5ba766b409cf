/* price.c: counts times rates. All the thinking is in the book; here nothing may be lost on the way to the sum. */
#include "protocol/price.h"

static enum err add_line(const struct price_book *book, const struct price_place *place, enum price_dimension d,
                         const struct price_usage *usage, struct price_bill *bill, struct note *note)
{
    int64_t units = usage->units[d];
    struct price_rate rate = {0};
    if (units < 0)
        return note_set(note, ERR_INVALID, "%s: a count cannot be negative (%lld)", price_dimension_name(d),
                        (long long)units);
    enum err e = price_rate_at(book, place, d, usage->variant[d], &rate, note);
    if (e != OK)
        return e;
    struct price_line *line = &bill->lines[bill->count++];
    *line = (struct price_line){d, usage->variant[d], units, rate.each, {0}, rate.scope, rate.source, rate.verified};
    if (money_times(rate.each, units, &line->amount) != OK || money_add(bill->total, line->amount, &bill->total) != OK)
        return note_set(note, ERR_LIMIT, "%s: the cost of %lld does not fit", price_dimension_name(d),
                        (long long)units);
    return OK;
}

enum err price_cost_at(const struct price_book *book, const struct price_place *place, const struct price_usage *usage,
                       struct price_bill *out, struct note *note)
{
    enum err e = OK;
    out->model = place->id;
    out->tier = place->tier;
    out->count = 0;
    out->total = (struct money){0};
    memcpy(out->date, place->date, sizeof out->date);
    for (size_t d = 0; d < PRICE_DIMENSIONS && e == OK; d++)
        if (usage->units[d] != 0)
            e = add_line(book, place, (enum price_dimension)d, usage, out, note);
    return e;
}

enum err price_cost(const struct price_book *book, const struct price_query *query, const struct price_usage *usage,
                    struct price_bill *out, struct note *note)
{
    struct price_place place;
    enum err e = price_find(book, query, &place, note);
    return e == OK ? price_cost_at(book, &place, usage, out, note) : e;
}
