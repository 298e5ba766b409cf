/* cost_check.c: the oracle of costs.
 *
 * The oracle prices the usage that the case gave to the mock: what Bedrock said, not what the gateway made of it. The
 * gateway's number is read as a decimal, digit by digit; what it lost by adding up floats is seen unless the profile
 * declares a tolerance.
 */
#include "harness/cost_check.h"

#include <poll.h>

#include "harness/expand.h"
#include "protocol/price_usage.h"

#define RECORD_STEP_MS 10

static bool is_told(const char *value, struct buf *out)
{
    if (value == NULL || value[0] == '\0' || strcmp(value, "None") == 0 || strcmp(value, "null") == 0)
        return false;
    buf_adds(out, value);
    return true;
}

static const char *scalar(const cJSON *item)
{
    return cJSON_IsString(item) || cJSON_IsNumber(item) ? item->valuestring : NULL;
}

bool cost_told(const struct profile *p, const struct talk *t, struct buf *out)
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
    return is_told(found != NULL ? scalar(found) : value, out);
}

/* ---- afterwards ---- */

static bool answer_id(const struct talk *t, const char *pointer, cJSON *names)
{
    CLEANUP(json_free) cJSON *body = NULL;
    const char *id = NULL;
    for (size_t i = 0; t->stream != NULL && id == NULL && i < t->stream->count; i++)
        id = scalar(json_at(t->stream->events[i].json, pointer));
    if (t->stream == NULL && json_parse(buf_span(&t->body), JSON_COMPACT, &body, NULL) == OK)
        id = scalar(json_at(body, pointer));
    (void)json_set_string(names, "id", id != NULL ? id : "");
    return id != NULL;
}

static enum err ask(const struct client_request *request, const char *pointer, bool *told, struct buf *out)
{
    CLEANUP(client_response_release) struct client_response r = {0};
    CLEANUP(json_free) cJSON *body = NULL;
    struct note note = {""};
    enum err e = client_fetch(request, &r, &note);
    if (e == OK && r.status == 200 && json_parse(buf_span(&r.body), JSON_COMPACT, &body, NULL) == OK)
        *told = is_told(scalar(json_at(body, pointer)), out);
    return e;
}

bool cost_recorded(const struct profile *p, const char *target_url, const struct talk *t, struct buf *out)
{
    const cJSON *endpoint = json_member(json_member(p->root, "reports"), "cost_endpoint"), *one;
    const char *where = json_str(endpoint, "id_pointer"), *pointer = json_str(endpoint, "pointer");
    CLEANUP(json_free) cJSON *names = cJSON_CreateObject();
    CLEANUP(buf_release) struct buf url = BUF_INIT(65536), value = BUF_INIT(65536);
    CLEANUP(http_headers_release) struct http_headers headers;
    struct expansion x = {names, NULL};
    http_headers_init(&headers);
    (void)json_set_string(names, "client_key", p->client_key != NULL ? p->client_key : "");
    if (endpoint == NULL || !answer_id(t, where != NULL ? where : "/id", names))
        return false;
    buf_adds(&url, target_url);
    if (expand_text(&x, json_str(endpoint, "path"), &url, NULL) != OK)
        return false;
    cJSON_ArrayForEach(one, json_member(endpoint, "headers"))
    {
        buf_reset(&value);
        if (expand_text(&x, one->valuestring, &value, NULL) == OK)
            http_headers_set(&headers, one->string, buf_text(&value));
    }
    const struct client_request request = {.url = buf_text(&url), .headers = &headers, .timeout_ms = p->request_ms};
    uint64_t deadline = now_ns() + (uint64_t)p->progress_ms * 1000000u;
    bool told = false;
    while (ask(&request, pointer, &told, out) == OK && !told && now_ns() < deadline)
        (void)poll(NULL, 0, RECORD_STEP_MS);
    return told;
}

/* ---- the oracle ---- */

static enum err oracle(const struct price_book *book, const char *model, const char *region, const cJSON *wanted,
                       struct money *out, struct note *note)
{
    struct price_usage usage = {0};
    struct price_bill bill;
    const struct price_query query = {.model = model,
                                      .region = region,
                                      .tier = json_str(wanted, "tier"),
                                      .allow_unverified = cJSON_IsTrue(json_member(wanted, "unverified"))};
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

static bool unknown(const char *told)
{
    return told == NULL;
}

static bool nothing(const char *told)
{
    return told == NULL || is_zero(told);
}

static bool some(const char *told)
{
    price_int value = 0;
    return told != NULL && decimal_parse(told, MONEY_DECIMALS, &value) == OK && value > 0;
}

static const struct {
    const char *word, *means;
    bool (*holds)(const char *told);
} words[] = {{"unknown", "a cost that is told as unknown, by its absence or null; not 0", unknown},
             {"nothing", "no cost, or 0, for a call without usage", nothing},
             {"some", "a cost above 0", some}};

bool cost_check(const struct profile *profile, const char *model_id, const char *region, const char *told,
                const cJSON *wanted, struct buf *expected, struct buf *observed)
{
    buf_addf(observed, told != NULL ? "%s USD" : "no cost is told%s", told != NULL ? told : "");
    if (cJSON_IsObject(wanted))
        return priced_right(profile, model_id, region, wanted, told, expected);
    size_t i = 0;
    while (i + 1 < COUNT_OF(words) && strcmp(words[i].word, wanted->valuestring) != 0)
        i++;
    buf_adds(expected, words[i].means);
    return words[i].holds(told);
}
