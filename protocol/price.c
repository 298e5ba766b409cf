/* price.c: looking a price up and multiplying it exactly.
 *
 * The one division on the way, "per million", costs nothing: a price with at most 12 decimals per million tokens is a
 * whole number of 10^-18 USD per token. The loader refuses data with more. Multipliers are applied to the price first and
 * must leave it whole, so that every line is units times a whole number.
 */
#include "protocol/price.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/data.h"

enum { DECIMALS = 18, PER_MILLION_DECIMALS = 12, DATE_LENGTH = 10 };

static const char *const dimension_names[PRICE_DIMENSIONS] = {
    "input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output_audio"};

const char *price_dimension_name(enum price_dimension d)
{
    return dimension_names[d];
}

/* ---- money ---- */

static price_int power_of_ten(unsigned n)
{
    price_int p = 1;
    while (n-- > 0)
        p *= 10;
    return p;
}

/* Digits to an integer scaled by 10^scale. */
static enum err parse_scaled(const char *text, int scale, price_int *out)
{
    bool negative = *text == '-';
    text += negative;
    if (*text < '0' || *text > '9')
        return ERR_SYNTAX;
    price_int value = 0;
    int decimals = 0;
    for (bool fraction = false;; text++) {
        if (*text == '.' && !fraction && text[1] >= '0' && text[1] <= '9') {
            fraction = true;
            continue;
        }
        if (*text < '0' || *text > '9')
            break;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *text - '0', &value))
            return ERR_LIMIT;
        decimals += fraction;
    }
    if (*text == 'e' || *text == 'E') {
        char *end;
        long exponent = strtol(text + 1, &end, 10);
        if (end == text + 1 || *end != '\0' || exponent < -100 || exponent > 100)
            return ERR_SYNTAX;
        decimals -= (int)exponent;
    } else if (*text != '\0')
        return ERR_SYNTAX;
    for (; decimals > scale && value % 10 == 0; decimals--)
        value /= 10;
    if (decimals > scale)
        return value == 0 ? (*out = 0, OK) : ERR_LIMIT;
    for (; decimals < scale; decimals++)
        if (__builtin_mul_overflow(value, 10, &value))
            return ERR_LIMIT;
    *out = negative ? -value : value;
    return OK;
}

enum err money_parse(const char *text, struct money *out)
{
    return parse_scaled(text, DECIMALS, &out->atto_usd);
}

enum err money_add(struct money a, struct money b, struct money *out)
{
    return __builtin_add_overflow(a.atto_usd, b.atto_usd, &out->atto_usd) ? ERR_LIMIT : OK;
}

enum err money_times(struct money a, int64_t n, struct money *out)
{
    return __builtin_mul_overflow(a.atto_usd, (price_int)n, &out->atto_usd) ? ERR_LIMIT : OK;
}

/* Whole and fraction of an integer scaled by 10^places. */
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

void money_print(struct money m, struct buf *out)
{
    print_scaled(m.atto_usd, DECIMALS, true, out);
}

void money_print_rounded(struct money m, unsigned places, enum money_rounding how, struct buf *out)
{
    if (places > DECIMALS)
        places = DECIMALS;
    price_int unit = power_of_ten(DECIMALS - places);
    price_int whole = m.atto_usd / unit, rest = m.atto_usd % unit;
    price_int size = rest < 0 ? -rest : rest;
    bool away = size > unit - size || (size == unit - size && size != 0 && (how == MONEY_HALF_UP || whole % 2 != 0));
    if (away)
        whole += m.atto_usd < 0 ? -1 : 1;
    print_scaled(whole, places, false, out);
}

/* ---- the book ---- */

struct price_entry {
    const char *scope, *from, *until, *source;
    bool has[PRICE_DIMENSIONS];
    struct money per_million[PRICE_DIMENSIONS];
};

struct price_model {
    const char *id;
    struct price_entry *entries;
    size_t count;
};

struct price_book {
    cJSON *data; /* owns every string */
    struct price_model *models;
    size_t count;
};

static enum err load_rates(const cJSON *rates, struct price_entry *e, const char *where, struct note *note)
{
    for (const cJSON *rate = rates->child; rate != NULL; rate = rate->next) {
        size_t d = 0;
        while (d < PRICE_DIMENSIONS && strcmp(rate->string, dimension_names[d]) != 0)
            d++;
        price_int scaled;
        if (d == PRICE_DIMENSIONS || !cJSON_IsString(rate) || parse_scaled(rate->valuestring, PER_MILLION_DECIMALS, &scaled) != OK)
            return note_set(note, ERR_INVALID, "%s: \"%s\" is not a known dimension with a decimal of at most %d places", where,
                            rate->string, PER_MILLION_DECIMALS);
        e->has[d] = true;
        e->per_million[d].atto_usd = scaled * power_of_ten(DECIMALS - PER_MILLION_DECIMALS);
    }
    return OK;
}

static enum err load_model(const cJSON *row, struct price_model *m, struct note *note)
{
    cJSON *prices, *rates;
    enum err e = json_get_string(row, "id", "/models", &m->id, note);
    if (e == OK)
        e = json_get_array(row, "prices", m->id, &prices, note);
    if (e != OK)
        return e;
    m->entries = calloc((size_t)cJSON_GetArraySize(prices), sizeof *m->entries);
    if (m->entries == NULL)
        return ERR_NOMEM;
    const cJSON *price;
    cJSON_ArrayForEach(price, prices)
    {
        struct price_entry *entry = &m->entries[m->count++];
        e = json_get_string(price, "scope", m->id, &entry->scope, note);
        if (e == OK)
            e = json_get_string(price, "source", m->id, &entry->source, note);
        if (e == OK)
            e = json_opt_string(price, "from", m->id, &entry->from, note);
        if (e == OK)
            e = json_opt_string(price, "until", m->id, &entry->until, note);
        if (e == OK)
            e = json_get_object(price, "per_million", m->id, &rates, note);
        if (e == OK)
            e = load_rates(rates, entry, m->id, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err load_models(struct price_book *book, struct note *note)
{
    cJSON *rows;
    enum err e = json_get_array(book->data, "models", "", &rows, note);
    if (e != OK)
        return e;
    book->models = calloc((size_t)cJSON_GetArraySize(rows), sizeof *book->models);
    if (book->models == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        e = load_model(row, &book->models[book->count++], note);
        if (e != OK)
            return e;
    }
    return OK;
}

struct price_book *price_book_load(struct note *note)
{
    struct span text;
    struct price_book *book = calloc(1, sizeof *book);
    enum err e = book == NULL ? ERR_NOMEM : data_load("fixtures/prices/bedrock.json", &text, note);
    if (e == OK)
        e = json_parse(text, JSON_UNIQUE, &book->data, note);
    if (e == OK)
        e = load_models(book, note);
    if (e == OK)
        return book;
    note_prefix(note, "fixtures/prices/bedrock.json");
    price_book_free(book);
    return NULL;
}

void price_book_free(struct price_book *book)
{
    if (book == NULL)
        return;
    for (size_t i = 0; i < book->count; i++)
        free(book->models[i].entries);
    free(book->models);
    json_free(&book->data);
    free(book);
}

size_t price_book_models(const struct price_book *book)
{
    return book->count;
}

/* ---- lookup ---- */

/* The model part of an ARN of a foundation model or a system inference profile; anything else as it is. */
static enum err strip_arn(const char *model, const char **id, struct note *note)
{
    *id = model;
    if (strncmp(model, "arn:", 4) != 0)
        return OK;
    static const char *const kinds[] = {":foundation-model/", ":inference-profile/"};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const char *at = strstr(model, kinds[i]);
        if (at != NULL) {
            *id = at + strlen(kinds[i]);
            return OK;
        }
    }
    return note_set(note, ERR_UNKNOWN, "%s does not say which model it is; give the id of the model behind it", model);
}

static bool has_geography(const struct price_book *book, const char *id, size_t *prefix)
{
    const cJSON *g;
    cJSON_ArrayForEach(g, json_member(book->data, "geographies"))
    {
        size_t n = strlen(g->valuestring);
        if (strncmp(id, g->valuestring, n) == 0 && id[n] == '.') {
            *prefix = n + 1;
            return true;
        }
    }
    return false;
}

/* NULL, and a note with the nearest id, when there is no such model. */
static const struct price_model *find_model(const struct price_book *book, const char *id, struct note *note)
{
    const char **known = calloc(book->count, sizeof *known);
    const struct price_model *found = NULL;
    for (size_t i = 0; i < book->count && found == NULL; i++) {
        if (strcmp(book->models[i].id, id) == 0)
            found = &book->models[i];
        else if (known != NULL)
            known[i] = book->models[i].id;
    }
    const char *nearest = known == NULL || found != NULL ? NULL : nearest_word(id, known, book->count);
    free(known);
    if (found == NULL)
        (void)note_set(note, ERR_UNKNOWN, "no price is known for the model %s%s%s", id, nearest != NULL ? "; the nearest id is " : "",
                       nearest != NULL ? nearest : "");
    return found;
}

static bool is_date(const char *d)
{
    static const char form[] = "dddd-dd-dd";
    for (size_t i = 0; i < DATE_LENGTH; i++)
        if (form[i] == 'd' ? d[i] < '0' || d[i] > '9' : d[i] != form[i])
            return false;
    return d[DATE_LENGTH] == '\0';
}

static const struct price_entry *entry_on(const struct price_model *m, const char *scope, const char *date)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct price_entry *e = &m->entries[i];
        if ((strcmp(e->scope, "*") == 0 || strcmp(e->scope, scope) == 0) && (e->from == NULL || strcmp(date, e->from) >= 0) &&
            (e->until == NULL || strcmp(date, e->until) < 0))
            return e;
    }
    return NULL;
}

struct found {
    const char *id;
    struct price_entry entry; /* a copy: its strings are the book's */
};

static enum err find_entry(const struct price_book *book, const struct price_query *q, struct found *out, struct note *note)
{
    char today[32];
    time_t now = time(NULL);
    struct tm utc;
    const char *id = NULL, *scope = "regional", *date = q->date;
    if (date == NULL && gmtime_r(&now, &utc) != NULL && strftime(today, sizeof today, "%Y-%m-%d", &utc) > 0)
        date = today;
    if (date == NULL || !is_date(date))
        return note_set(note, ERR_INVALID, "the date %s is not of the form YYYY-MM-DD", date == NULL ? "" : date);
    enum err e = strip_arn(q->model, &id, note);
    if (e != OK)
        return e;
    size_t prefix;
    if (has_geography(book, id, &prefix)) {
        if (strncmp(id, "global.", prefix) == 0)
            scope = "global";
        id += prefix;
    }
    const struct price_model *model = find_model(book, id, note);
    if (model == NULL)
        return ERR_UNKNOWN;
    const struct price_entry *entry = entry_on(model, scope, date);
    if (entry == NULL)
        return note_set(note, ERR_UNKNOWN, "no %s price of %s is known on %s", scope, id, date);
    *out = (struct found){model->id, *entry};
    return OK;
}

static enum err find_factor(const struct price_book *book, const struct price_query *q, price_int *thousandths, const char **tier,
                            struct note *note)
{
    const cJSON *rows = json_member(book->data, "multipliers");
    const cJSON *row = json_member(rows, q->tier == NULL ? "on-demand" : q->tier);
    if (row == NULL)
        return note_set(note, ERR_UNKNOWN, "no price is known for the tier %s; known: on-demand, batch, flex, priority", q->tier);
    if (!cJSON_IsTrue(json_member(row, "verified")) && !q->allow_unverified)
        return note_set(note, ERR_UNKNOWN, "the multiplier of the tier %s is not confirmed (%s); --allow-unverified takes it", row->string,
                        json_str(row, "source"));
    *tier = row->string;
    enum err e = parse_scaled(json_str(row, "factor"), 3, thousandths);
    return e == OK ? OK : note_set(note, e, "the multiplier of the tier %s is not a decimal of three places", row->string);
}

/* ---- cost ---- */

static enum err add_line(struct price_bill *bill, const struct price_entry *entry, enum price_dimension d, int64_t units,
                         price_int thousandths, struct note *note)
{
    if (units < 0)
        return note_set(note, ERR_INVALID, "%s: a count cannot be negative (%lld)", dimension_names[d], (long long)units);
    if (!entry->has[d])
        return note_set(note, ERR_UNKNOWN, "%s has no price for %s", bill->model, dimension_names[d]);
    price_int scaled;
    const price_int divisor = power_of_ten(3) * power_of_ten(DECIMALS - PER_MILLION_DECIMALS);
    if (__builtin_mul_overflow(entry->per_million[d].atto_usd, thousandths, &scaled) || scaled % divisor != 0)
        return note_set(note, ERR_LIMIT, "%s: the price times its multiplier has too many digits", dimension_names[d]);
    struct price_line *line = &bill->lines[bill->count++];
    *line = (struct price_line){d, units, {scaled / 1000}, {0}};
    const struct money per_unit = {line->per_million.atto_usd / 1000000};
    if (money_times(per_unit, units, &line->amount) != OK || money_add(bill->total, line->amount, &bill->total) != OK)
        return note_set(note, ERR_LIMIT, "%s: the cost of %lld does not fit", dimension_names[d], (long long)units);
    return OK;
}

enum err price_cost(const struct price_book *book, const struct price_query *query, const int64_t units[PRICE_DIMENSIONS],
                    struct price_bill *out, struct note *note)
{
    struct found found = {NULL, {NULL, NULL, NULL, NULL, {false}, {{0}}}};
    price_int thousandths = 0;
    *out = (struct price_bill){0};
    enum err e = find_entry(book, query, &found, note);
    if (e == OK)
        e = find_factor(book, query, &thousandths, &out->tier, note);
    if (e != OK)
        return e;
    out->model = found.id;
    out->scope = found.entry.scope;
    out->source = found.entry.source;
    for (size_t d = 0; d < PRICE_DIMENSIONS && e == OK; d++)
        if (units[d] != 0)
            e = add_line(out, &found.entry, (enum price_dimension)d, units[d], thousandths, note);
    return e;
}
