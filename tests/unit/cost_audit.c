/* The audit: each kind of fault in somebody else's table is found, and a right table is left in peace. */
#include "harness/cost_audit.h"

#include "unit.h"

static struct price_book *book;

#define CSV    "model,dimension,usd\n"
#define NOVA   "amazon.nova-lite-v1:0"
#define SONNET "anthropic.claude-sonnet-4-5-20250929-v1:0"

static bool has(const struct audit *a, const char *kind, const char *name, const char *dimension, const char *theirs)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct audit_finding *f = &a->findings[i];
        if (strcmp(audit_kind_name(f->kind), kind) == 0 && strcmp(f->name, name) == 0 &&
            (dimension == NULL || strcmp(f->dimension, dimension) == 0) &&
            (theirs == NULL || strcmp(f->theirs, theirs) == 0))
            return true;
    }
    return false;
}

static void each_kind_of_fault_is_found(void)
{
    static const struct {
        const char *format, *table, *kind, *name, *dimension, *theirs;
    } rows[] = {
        {"csv", CSV NOVA ",input,0.00006\n", "scale", NOVA, "input", "0.00006"},
        {"csv", CSV NOVA ",input,60\n", "scale", NOVA, "input", "60"},
        {"csv", CSV NOVA ",input,0.07\r\n", "figure", NOVA, "input", "0.07"},
        {"csv", CSV NOVA ",input,0\n", "free", NOVA, "input", "0"},
        {"csv", CSV NOVA ",input,0.06\n", "cache", NOVA, "cache_read", NULL},
        {"csv", CSV NOVA ",input,0.06\n", "missing", NOVA, "output", NULL},
        {"csv", CSV NOVA ",input,0.06\n", "absent", "amazon.nova-micro-v1:0", NULL, NULL},
        {"csv", CSV SONNET ",input,3\n", "global", SONNET, "input", "3"},
        {"csv", CSV SONNET ",input,3.3\n", "geography", "eu." SONNET, NULL, NULL},
        {"csv", CSV "us.anthropic.claude-sonnet-5,input,2.2", "expired", "us.anthropic.claude-sonnet-5", "input",
         "2.2"},
        {"csv", CSV "x.y,input,1\n", "unknown", "x.y", "input", "1"},
        {"csv", CSV "meta.llama3-1-405b-instruct-v1:0,input,1\n", "unverified", "meta.llama3-1-405b-instruct-v1:0",
         "input", "1"},
        {"litellm", "{\"" NOVA "\":{\"litellm_provider\":\"bedrock\",\"input_cost_per_token\":7e-08}}", "figure", NOVA,
         "input", "0.07"},
        {"litellm", "{\"" NOVA "\":{\"litellm_provider\":\"bedrock\",\"input_cost_per_token\":6e-05}}", "scale", NOVA,
         "input", "60"},
        {"litellm",
         "{\"" NOVA
         "\":{\"litellm_provider\":\"bedrock\",\"input_cost_per_token\":6e-08,\"input_cost_per_token_batches\":6e-08}}",
         "figure", NOVA, "input at batch", "0.06"},
        {"genai-prices",
         "{\"models\":[{\"match\":{\"contains\":\"nova-lite\"},\"prices_usd_per_million\":{\"input_mtok\":0.07}}]}",
         "figure", "us." NOVA, "input", "0.07"},
        {"genai-prices",
         "{\"models\":[{\"match\":{\"or\":[{\"starts_with\":\"x\"},{\"equals\":\"" NOVA
         "\"}]},\"prices_usd_per_million\":[{\"prices\":{\"input_mtok\":0.06}},{\"constraint\":{\"start_date\":\"2026-"
         "01-01\"},\"prices\":{\"input_mtok\":0.6}},{\"constraint\":{\"start_date\":\"2027-01-01\"},\"prices\":{"
         "\"input_mtok\":0.06}}]}]}",
         "scale", NOVA, "input", "0.6"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct audit a;
        struct note note = {""};
        CLAIM(audit_run(book, rows[i].format, span_of(rows[i].table), "2026-11-21", &a, &note) == OK, "%s", note.text);
        CLAIM(has(&a, rows[i].kind, rows[i].name, rows[i].dimension, rows[i].theirs), "row %zu: no %s", i,
              rows[i].kind);
        audit_release(&a);
    }
}

/* A hole is told at the bare name, and not once more for each geography that has it too. */
static void a_hole_is_told_once(void)
{
    struct audit a;
    CU_ASSERT_EQUAL(audit_run(book, "csv",
                              SPAN_LIT(CSV NOVA ",input,0.06\n" NOVA ",output,0.24\nus." NOVA ",input,0.06\nus." NOVA
                                                ",output,0.24\n"),
                              "2026-11-21", &a, NULL),
                    OK);
    CU_ASSERT_EQUAL(a.counts[AUDIT_CACHE], 1);
    CU_ASSERT_EQUAL(a.equal, 4);
    audit_release(&a);
}

/* Every figure of ours, as csv: nothing but what csv cannot say may be found. */
static void our_own_table_is_right(void)
{
    CLEANUP(buf_release) struct buf csv = BUF_INIT(BUF_ANY);
    buf_adds(&csv, CSV);
    static const char *const geographies[] = {"", "us.", "eu.", "jp.", "au.", "global."};
    for (size_t m = 0; m < price_book_models(book); m++)
        for (size_t s = 0; price_book_id(book, m, s) != NULL; s++)
            for (size_t g = 0; g < COUNT_OF(geographies); g++)
                for (size_t d = 0; d < PRICE_TOKENS; d++) {
                    struct price_place place;
                    struct price_rate rate;
                    CLEANUP(buf_release) struct buf name = BUF_INIT(256);
                    buf_addf(&name, "%s%s", geographies[g], price_book_id(book, m, s));
                    const struct price_query q = {.model = buf_text(&name), .date = "2026-11-21"};
                    CU_ASSERT_EQUAL_FATAL(price_find(book, &q, &place, NULL), OK);
                    if (price_rate_at(book, &place, (enum price_dimension)d, NULL, &rate, NULL) != OK)
                        continue;
                    buf_addf(&csv, "%s,%s,", buf_text(&name), price_dimension_name((enum price_dimension)d));
                    decimal_print(rate.each.atto_usd, MONEY_DECIMALS - 6, &csv);
                    buf_addc(&csv, '\n');
                }
    struct audit a;
    struct note note = {""};
    CLAIM(audit_run(book, "csv", buf_span(&csv), "2026-11-21", &a, &note) == OK, "%s", note.text);
    CLAIM(a.count == 0 && a.figures == a.equal && a.figures > 1000, "%zu findings, the first: %s %s", a.count,
          a.count > 0 ? a.findings[0].name : "", a.count > 0 ? audit_kind_name(a.findings[0].kind) : "");
    audit_release(&a);
}

static void a_table_of_another_form_is_refused(void)
{
    static const struct {
        const char *format, *table, *says;
    } rows[] = {
        {"csv", "model;dimension;usd\n", "the first line must be"},
        {"csv", CSV NOVA ",input\n", "line 2: three fields"},
        {"csv", CSV NOVA ",inptu,1\n", "line 2: inptu is not a dimension"},
        {"csv", CSV NOVA ",input,cheap\n", "line 2: cheap is not a decimal"},
        {"csv", CSV, "no price of Amazon Bedrock"},
        {"litellm", "[]", "a JSON object of models"},
        {"litellm", "{\"gpt-4\":{\"litellm_provider\":\"openai\",\"input_cost_per_token\":1}}", "no price of Amazon"},
        {"genai-prices", "{}", "a list of models"},
        {"litellm", "{", "expected"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct audit a;
        struct note note = {""};
        CLAIM(audit_run(book, rows[i].format, span_of(rows[i].table), NULL, &a, &note) != OK &&
                  strstr(note.text, rows[i].says) != NULL,
              "row %zu: %s", i, note.text);
        audit_release(&a);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"each kind of fault is found", each_kind_of_fault_is_found},
        {"a hole is told once", a_hole_is_told_once},
        {"our own table is right", our_own_table_is_right},
        {"a table of another form is refused", a_table_of_another_form_is_refused},
        CU_TEST_INFO_NULL,
    };
    book = price_book_load(NULL);
    if (book == NULL)
        return EXIT_FAILURE;
    int code = unit_main("cost_audit", tests);
    price_book_free(book);
    return code;
}
