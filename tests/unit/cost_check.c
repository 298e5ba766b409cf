/* The oracle of costs: to the digit, or as far off as the profile declares; 0 is never "unknown". */
#include "harness/cost_check.h"

#include "unit.h"

static const char usage[] = "{\"usage\":{\"inputTokens\":1000,\"outputTokens\":500}}"; /* 0.00018 at Nova Lite */

static bool check(const char *tolerance, const char *header, const char *body, const char *wanted, struct buf *observed)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY), expected = BUF_INIT(BUF_ANY);
    CLEANUP(json_free) cJSON *want = NULL;
    struct profile p = {0};
    struct talk t = {.status = 200, .body = BUF_INIT(4096)};
    http_headers_init(&t.headers);
    if (header != NULL)
        http_headers_set(&t.headers, "x-cost", header);
    buf_adds(&t.body, body != NULL ? body : "{}");
    buf_addf(
        &text,
        "{\"reports\":{\"cost_header\":\"X-Cost\",\"cost_pointer\":\"/usage/cost\",\"cost_tolerance_usd\":\"%s\"}}",
        tolerance);
    CU_ASSERT_EQUAL_FATAL(json_parse(buf_span(&text), 0, &p.root, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(json_parse(span_of(wanted), 0, &want, NULL), OK);
    CLEANUP(buf_release) struct buf told = BUF_INIT(4096);
    bool tells = cost_told(&p, &t, &told);
    bool held =
        cost_check(&p, "amazon.nova-lite-v1:0", "us-east-1", tells ? buf_text(&told) : NULL, want, &expected, observed);
    CLAIM(!cJSON_IsObject(want) || strstr(buf_text(&expected), tolerance) != NULL, "%s hides the tolerance",
          buf_text(&expected));
    json_free(&p.root);
    http_headers_release(&t.headers);
    buf_release(&t.body);
    return held;
}

static void costs_are_held_to_the_digit_or_the_tolerance(void)
{
    static const struct {
        const char *tolerance, *header, *body, *wanted;
        bool held;
    } rows[] = {
        {"0", "0.00018", NULL, usage, true},
        {"0", "1.8e-04", NULL, usage, true},
        {"0", "0.000180000000000000000001", NULL, usage, false},
        {"0", "0.00017999999999999998", NULL, usage, false},
        {"0.000000000001", "0.00017999999999999998", NULL, usage, true},
        {"0.000000000001", "0.000180000002", NULL, usage, false},
        {"0.000000000001", "0.000180000001", NULL, usage, true},
        {"0.000000000001", "0.0001800000010001", NULL, usage, false},
        {"0", "0", NULL, usage, false},
        {"0", "0.5", NULL, "\"some\"", true},
        {"0", "0", NULL, "\"some\"", false},
        {"0", "-1", NULL, "\"some\"", false},
        {"0", NULL, NULL, "\"some\"", false},
        {"0", "cheap", NULL, usage, false},
        {"0", NULL, NULL, usage, false},
        {"0", NULL, "{\"usage\":{\"cost\":0.00018}}", usage, true},
        {"0", NULL, "{\"usage\":{\"cost\":\"0.00018\"}}", usage, true},
        {"0", "9", "{\"usage\":{\"cost\":0.00018}}", usage, true}, /* the body wins */
        {"0", "0.00009", NULL, "{\"usage\":{\"inputTokens\":1000,\"outputTokens\":500},\"tier\":\"batch\"}", true},
        {"0", "0.00018", NULL, "{\"usage\":{\"inputTokens\":1000,\"outputTokens\":500},\"tier\":\"batch\"}", false},
        {"0", "0.0105", NULL,
         "{\"usage\":{\"inputTokens\":1000,\"outputTokens\":500},\"models\":[\"us.anthropic.claude-sonnet-4-5-20250929-"
         "v1:0\",\"global.anthropic.claude-sonnet-4-5-20250929-v1:0\"]}",
         true},
        {"0", "0.00018", NULL, "{\"usage\":{\"inputTokens\":1000,\"outputTokens\":500},\"models\":[\"nobody.knows\"]}",
         false},
        {"0", NULL, NULL, "\"unknown\"", true},
        {"0", "None", NULL, "\"unknown\"", true},
        {"0", NULL, "{\"usage\":{\"cost\":null}}", "\"unknown\"", true},
        {"0", "0", NULL, "\"unknown\"", false},
        {"0", "0.0", NULL, "\"unknown\"", false},
        {"0", "0.5", NULL, "\"unknown\"", false},
        {"0", NULL, NULL, "\"nothing\"", true},
        {"0", "0.00", NULL, "\"nothing\"", true},
        {"0", "0.00018", NULL, "\"nothing\"", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf observed = BUF_INIT(BUF_ANY);
        bool held = check(rows[i].tolerance, rows[i].header, rows[i].body, rows[i].wanted, &observed);
        CLAIM(held == rows[i].held, "row %zu: %s", i, buf_text(&observed));
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"costs are held to the digit or the tolerance", costs_are_held_to_the_digit_or_the_tolerance},
        CU_TEST_INFO_NULL,
    };
    return unit_main("cost_check", tests);
}
