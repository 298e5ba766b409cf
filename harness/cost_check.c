/* cost_check.c: the oracle of costs.
 *
 * The oracle prices the usage that the case gave to the mock: what Bedrock said, not what the gateway made of it. The
 * gateway's number is read as a decimal, digit by digit; what it lost by adding up floats is seen unless the profile
 * declares a tolerance.
 */
#include "harness/cost_check.h"

#include "protocol/price_usage.h"

/* The number as it stands on the wire; false: nothing is told (absent, null, empty). */
static bool reported(const struct profile *p, const struct talk *t, struct buf *out)
{
    const cJSON *reports = json_member(p->root, "reports"), *found = NULL;
    const char *header = json_str(reports, "cost_header"), *pointer = json_str(reports, "cost_pointer");
    const char *in_stream = json_str(reports, "cost_stream_pointer");
    const char *value = header == NULL ? NULL : http_headers_get(&t->headers, header);
    CLEANUP(json_free) cJSON *body = NULL;
    if (t->stream != NULL && in_stream != NULL)
        for (size_t i = 0; i < t->stream->count; i++) {
            const cJSON *at = t->stream->events[i].json == NULL ? NULL : json_at(t->stream->events[i].json, in_stream);
            found = at != NULL ? at : found;
        }
    else if (t->stream == NULL && pointer != NULL && json_parse(buf_span(&t->body), JSON_COMPACT, &body, NULL) == OK)
        found = json_at(body, pointer);
    if (found != NULL)
        value = cJSON_IsString(found) || cJSON_IsNumber(found) ? found->valuestring : NULL;
    if (value == NULL || value[0] == '\0' || strcmp(value, "None") == 0 || strcmp(value, "null") == 0)
        return false;
    buf_adds(out, value);
    return true;
}

static enum err oracle(const struct price_book *book, const char *model, const char *region, const cJSON *wanted,
                       struct money *out, struct note *note)
{
    struct price_usage usage = {0};
    struct price_bill bill;
    const struct price_query query = {.model = model, .region = region, .tier = json_str(wanted, "tier")};
    enum err e = price_usage_read(json_member(wanted, "usage"), &usage, NULL, note);
    if (e == OK)
        e = price_cost(book, &query, &usage, &bill, note);
    if (e == OK)
        *out = bill.total;
    return e;
}

/* The gateway's decimal, of at most 36 places: floats print up to 17 digits behind some zeros. */
static bool close_to(const char *text, struct money want, struct money tolerance)
{
    enum { SCALE = 24 };
    price_int told, exact, far, by = 1;
    for (int i = MONEY_DECIMALS; i < SCALE; i++)
        by *= 10;
    if (decimal_parse(text, SCALE, &told) != OK || __builtin_mul_overflow(want.atto_usd, by, &exact) ||
        __builtin_mul_overflow(tolerance.atto_usd, by, &far))
        return false;
    price_int off = told > exact ? told - exact : exact - told;
    return off <= far;
}

static bool is_zero(const char *text)
{
    price_int value = 1;
    return decimal_parse(text, MONEY_DECIMALS, &value) == OK && value == 0;
}

/* One of the permitted models' price, to the digit or within the tolerance. */
static bool priced_right(const struct profile *profile, const char *model_id, const char *region, const cJSON *wanted,
                         const char *told, struct buf *expected)
{
    const char *tolerance = json_str(json_member(profile->root, "reports"), "cost_tolerance_usd");
    struct money within = {0};
    struct note note = {""};
    struct price_book *book = price_book_load(&note);
    const cJSON *models = json_member(wanted, "models");
    bool right = false;
    if (book == NULL || (tolerance != NULL && money_parse(tolerance, &within) != OK)) {
        buf_addf(expected, "(no oracle: %s)", book == NULL ? note.text : "reports.cost_tolerance_usd is no decimal");
        price_book_free(book);
        return false;
    }
    int n = models == NULL ? 1 : cJSON_GetArraySize(models);
    for (int i = 0; i < n; i++) {
        const cJSON *named = cJSON_GetArrayItem(models, i);
        struct money cost;
        const char *model = named == NULL ? model_id : named->valuestring;
        buf_adds(expected, i > 0 ? ", or " : "");
        if (oracle(book, model, region, wanted, &cost, &note) != OK) {
            buf_addf(expected, "(no oracle: %s)", note.text);
            continue;
        }
        money_print(cost, expected);
        buf_addf(expected, " USD (%s)", model);
        right = right || (told != NULL && close_to(told, cost, within));
    }
    buf_addf(expected, ", within %s USD as the profile declares", tolerance != NULL ? tolerance : "0");
    price_book_free(book);
    return right;
}

bool cost_check(const struct profile *profile, const char *model_id, const char *region, const struct talk *talk,
                const cJSON *wanted, struct buf *expected, struct buf *observed)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    bool told = reported(profile, talk, &text);
    buf_addf(observed, told ? "%s USD" : "no cost is told%s", told ? buf_text(&text) : "");
    if (cJSON_IsObject(wanted))
        return priced_right(profile, model_id, region, wanted, told ? buf_text(&text) : NULL, expected);
    bool unknown = cJSON_IsString(wanted) && strcmp(wanted->valuestring, "unknown") == 0;
    buf_adds(expected, unknown ? "a cost that is told as unknown, by its absence or null; not 0"
                               : "no cost, or 0, for a call without usage");
    return !told || (!unknown && is_zero(buf_text(&text)));
}
