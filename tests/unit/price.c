/* Money: exact figures, honest lookups. */
#include "protocol/price.h"

#include "protocol/data.h"
#include "unit.h"

static struct price_book *book;

struct asked {
    const char *model, *region, *date, *tier;
    bool strict; /* refuse what has one source only */
};

static enum err cost_in(const struct price_book *in, const struct asked *a, const struct price_usage *usage,
                        struct price_bill *bill, struct note *note)
{
    const struct price_query q = {a->model, a->region, a->date, a->tier, NULL, !a->strict};
    return price_cost(in, &q, usage, bill, note);
}

static enum err cost(const char *model, const char *date, const char *tier, int64_t input, int64_t output,
                     struct price_bill *bill, struct note *note)
{
    const struct asked a = {model, NULL, date, tier, true};
    const struct price_usage usage = {.units = {[PRICE_INPUT] = input, [PRICE_OUTPUT] = output}};
    return cost_in(book, &a, &usage, bill, note);
}

static void prints_and_parses_exactly(void)
{
    static const char *const rows[][2] = {{"0", "0"},
                                          {"1", "1"},
                                          {"12.50", "12.5"},
                                          {"-0.000001", "-0.000001"},
                                          {"1e-6", "0.000001"},
                                          {"1.25E-05", "0.0000125"},
                                          {"0.000000000000000001", "0.000000000000000001"},
                                          {"2.5E3", "2500"},
                                          {"2e+2", "200"},
                                          {"100", "100"},
                                          {"0e99", "0"},
                                          {"0.00000000000000000000", "0"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct money m;
        CLEANUP(buf_release) struct buf out = BUF_INIT(64);
        CU_ASSERT_EQUAL(money_parse(rows[i][0], &m), OK);
        money_print(m, &out);
        CLAIM(strcmp(buf_text(&out), rows[i][1]) == 0, "%s prints as %s", rows[i][0], buf_text(&out));
    }
    static const char *const bad[] = {"",
                                      ".5",
                                      "1.",
                                      "1,5",
                                      "--1",
                                      "1e",
                                      "1e999",
                                      "0.0000000000000000001",
                                      "1 ",
                                      "1x",
                                      "0x10",
                                      "1e 5",
                                      "1e-5 ",
                                      "1e+",
                                      "+1",
                                      "1.2.3",
                                      "999999999999999999999999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct money m;
        CLAIM(money_parse(bad[i], &m) != OK, "accepted '%s'", bad[i]);
    }
}

static void rounds_for_display_only(void)
{
    static const struct {
        const char *in;
        unsigned places;
        const char *even, *up;
    } rows[] = {{"0.035", 2, "0.04", "0.04"},   {"0.025", 2, "0.02", "0.03"}, {"-0.025", 2, "-0.02", "-0.03"},
                {"2.5", 0, "2", "3"},           {"3.5", 0, "4", "4"},         {"0.0251", 2, "0.03", "0.03"},
                {"9.999", 2, "10.00", "10.00"}, {"1", 3, "1.000", "1.000"},   {"0.0249", 2, "0.02", "0.02"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct money m;
        CLEANUP(buf_release) struct buf even = BUF_INIT(64);
        CLEANUP(buf_release) struct buf up = BUF_INIT(64);
        CU_ASSERT_EQUAL(money_parse(rows[i].in, &m), OK);
        money_print_rounded(m, rows[i].places, MONEY_HALF_EVEN, &even);
        money_print_rounded(m, rows[i].places, MONEY_HALF_UP, &up);
        CLAIM(strcmp(buf_text(&even), rows[i].even) == 0 && strcmp(buf_text(&up), rows[i].up) == 0, "%s: %s and %s",
              rows[i].in, buf_text(&even), buf_text(&up));
    }
}

static void costs_known_usages_to_the_last_digit(void)
{
    static const struct {
        const char *model, *date, *tier;
        int64_t in, out;
        const char *total;
    } rows[] = {
        {"amazon.nova-micro-v1:0", "2026-11-01", NULL, 1, 0, "0.000000035"},
        {"amazon.nova-micro-v1:0", "2026-11-01", "batch", 1, 0, "0.0000000175"},
        {"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "2026-11-01", NULL, 1000, 500, "0.01155"},
        {"global.anthropic.claude-sonnet-4-5-20250929-v1:0", "2026-11-01", NULL, 1000, 500, "0.0105"},
        {"anthropic.claude-sonnet-5-v1:0", "2026-08-31", NULL, 1000000, 0, "2.2"},
        {"anthropic.claude-sonnet-5-v1:0", "2026-09-01", NULL, 1000000, 0, "3.3"},
        {"bedrock/us.amazon.nova-lite-v1:0", "2026-11-01", NULL, 1000000, 0, "0.06"},
        {"bedrock/converse/amazon.nova-lite-v1:0", "2026-11-01", NULL, 1000000, 0, "0.06"},
        {"bedrock/eu-west-1/amazon.nova-lite-v1:0", "2026-11-01", NULL, 1000000, 0, "0.06"},
        {"claude-v3.7-sonnet", "2026-11-01", NULL, 1000000, 1000000, "18"},
        {"arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0", "2026-11-01", NULL, 3, 7,
         "0.0000095"},
        {"arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0", "2026-11-01",
         NULL, 0, 1, NULL},
        {"arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.amazon.nova-2-lite-v1:0", "2026-11-01", NULL,
         9007199254740993, 0, "2702159776.4222979"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct note note = {""};
        struct price_bill bill;
        CLEANUP(buf_release) struct buf total = BUF_INIT(64);
        enum err e = cost(rows[i].model, rows[i].date, rows[i].tier, rows[i].in, rows[i].out, &bill, &note);
        if (e == OK)
            money_print(bill.total, &total);
        CLAIM(rows[i].total == NULL ? e == ERR_UNKNOWN : e == OK && strcmp(buf_text(&total), rows[i].total) == 0,
              "%s: %s, expected %s %s", rows[i].model, buf_text(&total), rows[i].total, note.text);
    }
}

/* ---- every figure of the book, computed by another program ---- */

static const char *cell(const cJSON *row, int i)
{
    const cJSON *c = cJSON_GetArrayItem(row, i);
    return cJSON_IsString(c) ? c->valuestring : NULL;
}

/* Whether the vector's total is what `in` says. */
static bool vector_holds(const struct price_book *in, const cJSON *row, struct note *note)
{
    const char *name = cell(row, 4), *colon = strchr(name, ':');
    struct price_usage usage = {0};
    struct price_bill bill;
    enum price_dimension d = PRICE_INPUT;
    int64_t units = 0;
    if (!price_dimension_named(name, colon == NULL ? strlen(name) : (size_t)(colon - name), &d) ||
        !json_int64(cJSON_GetArrayItem(row, 5), &units))
        return false;
    usage.units[d] = units;
    usage.variant[d] = colon == NULL ? NULL : colon + 1;
    const struct asked a = {cell(row, 0), cell(row, 1), cell(row, 2), cell(row, 3), false};
    if (cost_in(in, &a, &usage, &bill, note) != OK)
        return false;
    CLEANUP(buf_release) struct buf total = BUF_INIT(64);
    money_print(bill.total, &total);
    if (strcmp(buf_text(&total), cell(row, 6)) == 0)
        return true;
    (void)note_set(note, ERR_MISMATCH, "%s %s: %s, the vector says %s", a.model, name, buf_text(&total), cell(row, 6));
    return false;
}

static cJSON *vectors(const char *path)
{
    struct span text;
    cJSON *doc = NULL;
    CU_ASSERT_EQUAL_FATAL(data_load(path, &text, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(json_parse(text, JSON_UNIQUE, &doc, NULL), OK);
    return doc;
}

static void every_figure_of_the_book_has_a_vector(void)
{
    CLEANUP(json_free) cJSON *doc = vectors("fixtures/vectors/price-cost.json");
    const cJSON *row;
    size_t checked = 0;
    for (int list = 0; list < 2; list++)
        cJSON_ArrayForEach(row, json_member(doc, list == 0 ? "rows" : "more"))
        {
            struct note note = {""};
            CLAIM(vector_holds(book, row, &note), "%s", note.text);
            checked += list == 0;
        }
    CLAIM(checked == price_book_figures(book), "%zu vectors for %zu figures", checked, price_book_figures(book));
}

/* The n-th figure's last digit is changed in the text; 0: there are fewer. */
static bool change_figure(struct buf *text, size_t n)
{
    char *at = text->data;
    while (true) {
        char *million = strstr(at, "\"per_million\":{"), *unit = strstr(at, "\"per_unit\":{");
        if (million == NULL && unit == NULL)
            return false;
        at = million == NULL || (unit != NULL && unit < million) ? unit + 12 : million + 15;
        char *end = strchr(at, '}');
        for (char *quote = strstr(at, "\":\""); quote != NULL && quote < end; quote = strstr(quote + 3, "\":\""))
            if (n-- == 0) {
                char *last = strchr(quote + 3, '"') - 1;
                *last = *last == '9' ? '8' : (char)(*last + 1);
                return true;
            }
    }
}

static void a_changed_digit_of_any_figure_is_noticed(void)
{
    CLEANUP(json_free) cJSON *doc = vectors("fixtures/vectors/price-cost.json");
    struct span models, rules, aliases;
    CU_ASSERT_EQUAL_FATAL(data_load("fixtures/prices/models.json", &models, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(data_load("fixtures/prices/rules.json", &rules, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(data_load("fixtures/prices/aliases.json", &aliases, NULL), OK);
    size_t changed = 0, noticed = 0;
    for (;; changed++) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        buf_add(&text, models);
        if (!change_figure(&text, changed))
            break;
        struct note note = {""};
        struct price_book *other = price_book_parse(buf_span(&text), rules, aliases, &note);
        bool seen = other == NULL;
        const cJSON *row;
        cJSON_ArrayForEach(row, json_member(doc, "rows"))
        {
            seen = seen || !vector_holds(other, row, &note);
        }
        noticed += seen;
        price_book_free(other);
    }
    CLAIM(changed == price_book_figures(book) && noticed == changed, "%zu figures changed, %zu noticed", changed,
          noticed);
}

static void displayed_rates_are_ours_rounded_half_up(void)
{
    CLEANUP(json_free) cJSON *doc = vectors("fixtures/vectors/price-displayed.json");
    const cJSON *row;
    int checked = 0, hidden = 0;
    cJSON_ArrayForEach(row, json_member(doc, "rows"))
    {
        const char *model = cell(row, 1);
        struct note note = {""};
        struct price_bill bill = {0};
        CLAIM(cost(model, "2026-11-01", NULL, 1000000, 1000000, &bill, &note) == OK, "%s", note.text);
        for (int side = 0; side < 2 && bill.count == 2; side++) {
            CLEANUP(buf_release) struct buf ours = BUF_INIT(64);
            CLEANUP(buf_release) struct buf exact = BUF_INIT(64);
            money_print_rounded(bill.lines[side].amount, 2, MONEY_HALF_UP, &ours);
            money_print(bill.lines[side].amount, &exact);
            CLAIM(strcmp(buf_text(&ours), cell(row, 2 + side)) == 0, "%s: %s is displayed as %s", model,
                  buf_text(&exact), cell(row, 2 + side));
            bool hides = exact.len > ours.len;
            CLAIM(!hides || strstr(model, "amazon.nova-micro-v1:0") != NULL, "%s: %s hides digits of %s", model,
                  buf_text(&ours), buf_text(&exact));
            hidden += hides;
            checked++;
        }
    }
    CU_ASSERT_EQUAL(checked, 176);
    CLAIM(hidden == 8, "%d rates hide digits by rounding; only nova-micro's 0.035, shown as 0.04, should", hidden);
}

static bool within(const struct money *m, const cJSON *range)
{
    struct money low, high;
    CU_ASSERT(money_parse(cell(range, 0), &low) == OK && money_parse(cell(range, 1), &high) == OK);
    return m->atto_usd >= low.atto_usd && m->atto_usd <= high.atto_usd;
}

static void the_ranges_of_the_guide_hold_our_prices_or_say_why_not(void)
{
    CLEANUP(json_free) cJSON *doc = vectors("fixtures/vectors/price-guide.json");
    const cJSON *row, *model;
    size_t inside = 0, outside = 0;
    cJSON_ArrayForEach(row, json_member(doc, "rows"))
    {
        const cJSON *output = json_member(row, "output");
        cJSON_ArrayForEach(model, json_member(row, "models"))
        {
            struct note note = {""};
            struct price_bill bill = {0};
            const struct asked a = {model->string, NULL, "2026-11-01", NULL, false};
            const struct price_usage usage = {.units = {1000000, output == NULL ? 0 : 1000000}};
            CLAIM(cost_in(book, &a, &usage, &bill, &note) == OK, "%s", note.text);
            bool in = within(&bill.lines[0].amount, json_member(row, "input")) &&
                      (output == NULL || within(&bill.lines[1].amount, output));
            CLAIM(in == (strcmp(model->valuestring, "inside") == 0), "%s: the guide's row %s says '%s'", model->string,
                  json_str(row, "tier"), model->valuestring);
            inside += in;
            outside += !in;
        }
    }
    CU_ASSERT(inside > 8 && outside > 5);
}

/* ---- properties ---- */

static uint64_t seed = 7;

static int64_t draw(int bits)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(seed >> (64 - bits));
}

static struct price_usage draw_usage(void)
{
    struct price_usage u = {0};
    for (size_t d = 0; d <= PRICE_CACHE_WRITE_1H; d++)
        u.units[d] = draw(1 + (int)draw(5));
    return u;
}

static struct money total_of(const char *tier, const struct price_usage *u)
{
    const struct asked a = {"anthropic.claude-opus-4-5-v1:0", NULL, "2026-11-01", tier, true};
    struct note note = {""};
    struct price_bill bill = {0};
    CLAIM(cost_in(book, &a, u, &bill, &note) == OK, "%s", note.text);
    price_int sum = 0;
    for (size_t l = 0; l < bill.count; l++)
        sum += bill.lines[l].amount.atto_usd;
    CU_ASSERT(sum == bill.total.atto_usd);
    return bill.total;
}

static void cost_is_linear_and_batch_is_half(void)
{
    for (int i = 0; i < 2000; i++) {
        struct price_usage u = draw_usage(), v = draw_usage(), both = {0}, thrice = {0};
        for (size_t d = 0; d <= PRICE_CACHE_WRITE_1H; d++) {
            both.units[d] = u.units[d] + v.units[d];
            thrice.units[d] = 3 * u.units[d];
        }
        price_int a = total_of(NULL, &u).atto_usd, b = total_of(NULL, &v).atto_usd;
        CU_ASSERT(total_of(NULL, &both).atto_usd == a + b);
        CU_ASSERT(total_of(NULL, &thrice).atto_usd == 3 * a);
        CU_ASSERT(total_of("batch", &u).atto_usd * 2 == a);
        CU_ASSERT(total_of("flex", &u).atto_usd * 2 == a);
    }
}

static void the_sum_does_not_depend_on_the_order(void)
{
    enum { N = 500 };
    static struct money parts[N];
    struct money forward = {0}, backward = {0};
    for (size_t i = 0; i < N; i++) {
        struct price_usage u = draw_usage();
        parts[i] = total_of(draw(1) != 0 ? "batch" : NULL, &u);
    }
    for (size_t i = 0; i < N; i++) {
        CU_ASSERT_EQUAL(money_add(forward, parts[i], &forward), OK);
        CU_ASSERT_EQUAL(money_add(backward, parts[N - 1 - i], &backward), OK);
    }
    CU_ASSERT(forward.atto_usd == backward.atto_usd);
}

/* ---- what has no price ---- */

static void an_unknown_price_is_an_error_never_zero(void)
{
    static const struct {
        struct asked a;
        int64_t in;
        const char *says;
    } rows[] = {
        {{"anthropic.claude-sonet-4-5-20250929-v1:0", NULL, NULL, NULL, true},
         1,
         "the nearest id is anthropic.claude-sonnet-4-5-20250929-v1:0"},
        {{"us.anthropic.claude-sonet-4-5-20250929-v1:0", NULL, NULL, NULL, true},
         1,
         "the nearest id is anthropic.claude-sonnet-4-5-20250929-v1:0"},
        {{"nobody.knows", NULL, NULL, NULL, true}, 1, "no price is known"},
        {{"mars.amazon.nova-lite-v1:0", NULL, NULL, NULL, true}, 1, "no price is known"},
        {{"amazon.nova-lite-v1:0", "us-esat-1", NULL, NULL, true}, 1, "the region us-esat-1 is not known; the nearest"},
        {{"arn:aws:bedrock:us-est-1::foundation-model/amazon.nova-lite-v1:0", NULL, NULL, NULL, true}, 1, "us-est-1"},
        {{"arn:aws:bedrock:us-east-1", NULL, NULL, NULL, true}, 1, "no ARN"},
        {{"amazon.nova-lite-v1:0", NULL, "2026-13", NULL, true}, 1, "YYYY-MM-DD"},
        {{"amazon.nova-lite-v1:0", NULL, "2026-13-01", NULL, true}, 1, "YYYY-MM-DD"},
        {{"amazon.nova-lite-v1:0", NULL, NULL, "priority", true}, 1, "not confirmed"},
        {{"amazon.nova-lite-v1:0", NULL, NULL, "optimized", true}, 1, "no figure is public"},
        {{"amazon.nova-lite-v1:0", NULL, NULL, "bacth", true}, 1, "the nearest is batch"},
        {{"amazon.nova-lite-v1:0", NULL, NULL, NULL, true}, -1, "cannot be negative"},
        {{"amazon.nova-reel-v1:0", NULL, NULL, NULL, false}, 1, "no figure for this model has a public source"},
        {{"meta.llama3-1-405b-instruct-v1:0", NULL, NULL, NULL, true}, 1, "has only one source"},
        {{"meta.llama3-70b-instruct-v1:0", "sa-east-1", NULL, NULL, true}, 1, "has only one source"},
        {{"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", NULL, NULL, NULL, true},
         1,
         "does not say which model"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct note note = {""};
        struct price_bill bill;
        const struct price_usage usage = {.units = {rows[i].in}};
        CLAIM(cost_in(book, &rows[i].a, &usage, &bill, &note) != OK && strstr(note.text, rows[i].says) != NULL,
              "%s: %s", rows[i].a.model, note.text);
    }
}

static void a_dimension_without_a_figure_is_an_error(void)
{
    static const struct {
        const char *model, *tier;
        enum price_dimension d;
        const char *variant, *says;
    } rows[] = {
        {"amazon.titan-embed-text-v1", NULL, PRICE_CACHE_READ, NULL, "has no price for cache_read"},
        {"amazon.titan-embed-text-v1", NULL, PRICE_IMAGE, NULL, "has no price for image"},
        {"stability.stable-diffusion-xl-v1", NULL, PRICE_IMAGE, NULL, "known are 1024x1024/50-steps"},
        {"stability.stable-diffusion-xl-v1", NULL, PRICE_IMAGE, "1x1", "of the kind 1x1"},
        {"stability.sd3-large-v1:0", "batch", PRICE_IMAGE, NULL, "at the tier batch"},
        {"amazon.nova-lite-v1:0", NULL, PRICE_GUARDRAIL_GROUNDING, NULL, "has no price for guardrail_grounding"},
        /* the entry of the region prices tokens, so the wider one does not fill in for it */
        {"arn:aws:bedrock:sa-east-1::foundation-model/meta.llama3-70b-instruct-v1:0", NULL, PRICE_CACHE_READ, NULL,
         "has no price for cache_read"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct price_usage usage = {0};
        struct price_bill bill;
        struct note note = {""};
        usage.units[rows[i].d] = 5;
        usage.variant[rows[i].d] = rows[i].variant;
        const struct asked a = {rows[i].model, NULL, "2026-11-01", rows[i].tier, false};
        CLAIM(cost_in(book, &a, &usage, &bill, &note) == ERR_UNKNOWN && strstr(note.text, rows[i].says) != NULL,
              "%s: %s", rows[i].model, note.text);
    }
}

static void a_map_tells_what_an_arn_hides(void)
{
    static const char arn[] = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc";
    CLEANUP(json_free) cJSON *map = cJSON_CreateObject();
    (void)json_set_string(map, arn, "us.amazon.nova-micro-v1:0");
    const struct price_query q = {.model = arn, .date = "2026-11-01", .map = map};
    const struct price_usage usage = {.units = {2}};
    struct price_bill bill;
    CU_ASSERT_EQUAL(price_cost(book, &q, &usage, &bill, NULL), OK);
    CU_ASSERT(bill.total.atto_usd == (price_int)70000000000);
}

static void every_id_is_found_with_every_geography(void)
{
    const cJSON *g;
    size_t found = 0;
    for (size_t m = 0; m < price_book_models(book); m++)
        for (size_t s = 0; price_book_id(book, m, s) != NULL; s++)
            cJSON_ArrayForEach(g, price_book_geographies(book))
            {
                char name[160];
                struct price_place place;
                struct note note = {""};
                (void)snprintf(name, sizeof name, "%s.%s", g->valuestring, price_book_id(book, m, s));
                const struct price_query q = {.model = name};
                CLAIM(price_find(book, &q, &place, &note) == OK && strcmp(place.id, price_book_id(book, m, 0)) == 0,
                      "%s", note.text);
                found++;
            }
    CU_ASSERT(found > 1000);
}

static void every_model_of_the_documents_has_a_row(void)
{
    CLEANUP(json_free) cJSON *doc = vectors("fixtures/vectors/price-names.json");
    const cJSON *list, *name;
    cJSON_ArrayForEach(list, json_member(doc, "lists"))
    {
        cJSON_ArrayForEach(name, list)
        {
            struct price_place place;
            struct note note = {""};
            const struct price_query q = {.model = name->valuestring};
            CLAIM(price_find(book, &q, &place, &note) == OK, "%s: %s", list->string, note.text);
        }
    }
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(doc, "/lists/Lava page")), 44);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(doc, "/lists/Bedrock Chat API")), 27);
}

static void damaged_data_is_refused_when_it_is_loaded(void)
{
    static const char rules[] = "{\"geographies\":[\"us\"],\"regions\":{\"us-east-1\":\"us\"},\"tiers\":{}}";
    static const struct {
        const char *entry, *says;
    } rows[] = {
        {"{\"scope\":\"mars\",\"source\":\"s\",\"per_million\":{\"input\":\"1\"}}", "neither a region nor"},
        {"{\"scope\":\"*\",\"source\":\"t\",\"per_million\":{\"input\":\"1\"}}", "is not listed"},
        {"{\"scope\":\"*\",\"source\":\"s\",\"per_million\":{\"inptu\":\"1\"}}", "is not a dimension"},
        {"{\"scope\":\"*\",\"source\":\"s\",\"per_million\":{\"image\":\"1\"}}", "is not a dimension"},
        {"{\"scope\":\"*\",\"source\":\"s\",\"per_unit\":{\"input\":\"1\"}}", "is not a dimension"},
        {"{\"scope\":\"*\",\"source\":\"s\",\"per_million\":{\"input\":1}}", "as a string"},
        {"{\"scope\":\"*\",\"source\":\"s\",\"per_million\":{\"input\":\"0.0000000000001\"}}", "at most 12 places"},
        {"{\"scope\":\"*\",\"source\":\"s\",\"per_million\":{\"input\":\"-1\"}}", "at most 12 places"},
        {"{\"scope\":\"*\",\"source\":\"s\",\"per_million\":{}}", "no figures"},
        {"{\"scope\":\"*\",\"source\":\"s\",\"from\":\"yesterday\",\"per_million\":{\"input\":\"1\"}}", "YYYY-MM-DD"},
        {"{\"scope\":\"*\",\"source\":\"s\",\"price\":{}}", "price"},
    };
    for (size_t i = 0; i <= COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf models = BUF_INIT(BUF_ANY);
        struct note note = {""};
        buf_addf(&models, "{\"sources\":{\"s\":{\"what\":\"x\"}},\"models\":[{\"id\":\"a.b\",\"prices\":[%s]}%s]}",
                 i < COUNT_OF(rows) ? rows[i].entry : "", i < COUNT_OF(rows) ? "" : ",{\"id\":\"a.b\",\"prices\":[]}");
        struct price_book *b = price_book_parse(buf_span(&models), span_of(rules), SPAN_LIT("{\"aliases\":[]}"), &note);
        CLAIM(b == NULL && strstr(note.text, i < COUNT_OF(rows) ? rows[i].says : "is there twice") != NULL,
              "row %zu: %s", i, note.text);
        price_book_free(b);
    }
    struct note note = {""};
    CU_ASSERT_PTR_NULL(price_book_parse(SPAN_LIT("{\"sources\":{},\"models\":[]}"), span_of(rules),
                                        SPAN_LIT("{\"aliases\":[{\"name\":\"x\",\"id\":\"y.z\"}]}"), &note));
    CLAIM(strstr(note.text, "which no model has") != NULL, "%s", note.text);
    struct price_book *bare = price_book_parse(SPAN_LIT("{\"sources\":{},\"models\":[]}"), SPAN_LIT("{\"tiers\":{}}"), SPAN_LIT("{\"aliases\":[]}"), &note);
    struct price_place place;
    CU_ASSERT_PTR_NOT_NULL_FATAL(bare);
    CU_ASSERT_EQUAL(price_find(bare, &(struct price_query){.model = "a.b"}, &place, &note), ERR_UNKNOWN);
    CLAIM(strstr(note.text, "the tier on-demand") != NULL, "%s", note.text);
    price_book_free(bare);
    static const char *const bad_rules[][2] = {{"{\"geographies\":[\"us\",{\"factor\":\"1\"}]}", "/geographies"},
                                               {"{\"geographies\":{\"us\":1}}", "geographies"},
                                               {"{\"regions\":{\"us-east-1\":[]}}", "/regions"},
                                               {"{\"tiers\":{\"batch\":\"0.5\"}}", "/tiers"}};
    for (size_t i = 0; i < COUNT_OF(bad_rules); i++) {
        struct price_book *b = price_book_parse(
            SPAN_LIT("{\"sources\":{\"s\":{\"what\":\"x\"}},\"models\":[{\"id\":\"a.b\",\"also\":[\"c\"],\"prices\":[{\"scope\":\"global\",\"source\":\"s\"}]}]}"),
            span_of(bad_rules[i][0]), SPAN_LIT("{\"aliases\":[]}"), &note);
        CLAIM(b == NULL && strstr(note.text, bad_rules[i][1]) != NULL, "%s: %s", bad_rules[i][0], note.text);
        price_book_free(b);
    }
}

/* A book of one model with an entry of every scope, so that each step of the rule can be told from the next. */
static const char small_models[] =
    "{\"sources\":{\"s\":{\"what\":\"x\"}},\"models\":[{\"id\":\"a.b\",\"prices\":["
    "{\"scope\":\"*\",\"source\":\"s\",\"per_million\":{\"input\":\"1\",\"output\":\"0.000000000001\",\"cache_read\":"
    "\"5\"}},"
    "{\"scope\":\"regional\",\"source\":\"s\",\"per_million\":{\"input\":\"2\"}},"
    "{\"scope\":\"eu\",\"source\":\"s\",\"per_million\":{\"input\":\"3\"}},"
    "{\"scope\":\"eu-west-1\",\"source\":\"s\",\"per_million\":{\"input\":\"4\"}},"
    "{\"scope\":\"*\",\"source\":\"s\",\"tier\":\"batch\",\"per_million\":{\"input\":\"9\"}}]}]}";
static const char small_rules[] =
    "{\"geographies\":[\"us\",\"eu\",\"global\"],\"regions\":{\"us-east-1\":\"us\",\"eu-west-1\":\"eu\"},"
    "\"tiers\":{\"on-demand\":{\"factor\":\"1\",\"verified\":true},\"batch\":{\"factor\":\"0.5\",\"verified\":true},"
    "\"flex\":{\"factor\":\"0.5\",\"verified\":true}}}";

static void the_narrowest_scope_that_holds_wins(void)
{
    static const struct {
        const char *model, *region, *tier;
        enum price_dimension d;
        const char *total; /* of a million; NULL: an error */
    } rows[] = {
        {"a.b", NULL, NULL, PRICE_INPUT, "2"},
        {"a.b", "us-east-1", NULL, PRICE_INPUT, "2"},
        {"a.b", "eu-west-1", NULL, PRICE_INPUT, "4"},
        {"us.a.b", NULL, NULL, PRICE_INPUT, "2"},
        {"eu.a.b", NULL, NULL, PRICE_INPUT, "3"},
        {"eu.a.b", "eu-west-1", NULL, PRICE_INPUT, "4"},
        {"global.a.b", NULL, NULL, PRICE_INPUT, "1"},
        {"global.a.b", "eu-west-1", NULL, PRICE_INPUT, "1"},
        {"arn:aws:bedrock:eu-west-1::foundation-model/a.b", NULL, NULL, PRICE_INPUT, "4"},
        {"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.a.b", "us-east-1", NULL, PRICE_INPUT, "3"},
        {"a.b", NULL, "batch", PRICE_INPUT, "9"}, /* a price of the tier's own, not the factor */
        {"a.b", NULL, "flex", PRICE_INPUT, "1"},
        {"global.a.b", NULL, NULL, PRICE_CACHE_READ, "5"},
        {"a.b", NULL, NULL, PRICE_CACHE_READ, NULL}, /* the regional entry prices tokens, and not this kind */
        {"global.a.b", NULL, NULL, PRICE_OUTPUT, "0.000000000001"},
        {"global.a.b", NULL, "flex", PRICE_OUTPUT, NULL}, /* half of it cannot be held exactly */
    };
    struct note note = {""};
    struct price_book *small =
        price_book_parse(span_of(small_models), span_of(small_rules), SPAN_LIT("{\"aliases\":[]}"), &note);
    CU_ASSERT_PTR_NOT_NULL_FATAL(small);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct price_usage usage = {0};
        struct price_bill bill = {0};
        usage.units[rows[i].d] = 1000000;
        const struct asked a = {rows[i].model, rows[i].region, "2026-11-01", rows[i].tier, true};
        CLEANUP(buf_release) struct buf total = BUF_INIT(64);
        enum err e = cost_in(small, &a, &usage, &bill, &note);
        money_print(bill.total, &total);
        CLAIM(rows[i].total == NULL ? e != OK : e == OK && strcmp(buf_text(&total), rows[i].total) == 0,
              "row %zu: %s %s", i, buf_text(&total), note.text);
    }
    price_book_free(small);
}

static void refuses_what_does_not_fit(void)
{
    struct money a = {0}, out;
    a.atto_usd = ((price_int)1) << 126;
    CU_ASSERT_EQUAL(money_add(a, a, &out), ERR_LIMIT);
    CU_ASSERT_EQUAL(money_times(a, 3, &out), ERR_LIMIT);
    struct price_bill bill;
    struct note note = {""};
    CU_ASSERT_EQUAL(cost("anthropic.claude-3-opus-20240229-v1:0", NULL, NULL, INT64_MAX, INT64_MAX, &bill, &note), OK);
    CLEANUP(buf_release) struct buf total = BUF_INIT(64);
    money_print(bill.total, &total);
    CLAIM(strcmp(buf_text(&total), "830103483316929.82263") == 0, "%s", buf_text(&total));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"prints and parses exactly", prints_and_parses_exactly},
        {"rounds for display only", rounds_for_display_only},
        {"costs known usages to the last digit", costs_known_usages_to_the_last_digit},
        {"every figure of the book has a vector", every_figure_of_the_book_has_a_vector},
        {"a changed digit of any figure is noticed", a_changed_digit_of_any_figure_is_noticed},
        {"displayed rates are ours rounded half up", displayed_rates_are_ours_rounded_half_up},
        {"the ranges of the guide hold our prices, or say why not",
         the_ranges_of_the_guide_hold_our_prices_or_say_why_not},
        {"cost is linear, the sum of its parts, and batch is half", cost_is_linear_and_batch_is_half},
        {"the sum does not depend on the order", the_sum_does_not_depend_on_the_order},
        {"an unknown price is an error, never zero", an_unknown_price_is_an_error_never_zero},
        {"a dimension without a figure is an error", a_dimension_without_a_figure_is_an_error},
        {"a map tells what an ARN hides", a_map_tells_what_an_arn_hides},
        {"every id is found with every geography", every_id_is_found_with_every_geography},
        {"every model of the documents has a row", every_model_of_the_documents_has_a_row},
        {"damaged data is refused when it is loaded", damaged_data_is_refused_when_it_is_loaded},
        {"the narrowest scope that holds wins", the_narrowest_scope_that_holds_wins},
        {"refuses what does not fit", refuses_what_does_not_fit},
        CU_TEST_INFO_NULL,
    };
    struct note note = {""};
    book = price_book_load(&note);
    if (book == NULL) {
        (void)printf("%s\n", note.text);
        return EXIT_FAILURE;
    }
    int code = unit_main("price", tests);
    price_book_free(book);
    return code;
}
