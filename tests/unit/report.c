/* The result document and its readers: one document through every format. */
#include "reports/report.h"
#include "reports/result.h"

#include "protocol/data.h"
#include "protocol/schema.h"
#include "protocol/utf8.h"
#include "reports/area.h"
#include "unit.h"

static void build(struct result *r)
{
    static char words[][32] = {"mohs", "check", "-H", "Authorization: Bearer s3cret", "--key=AK:s3cret",
                               "-HX-Key: s3cret", "--client-key", "s3cret", "after"};
    char *const argv[] = {words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8]};
    static const struct result_check checks[] = {
        {"steps[0].upstream[0].body", false, "/inferenceConfig/stopSequences", "[\"X\"]", "\"X\" <&> | \x01\xff\xc3.\xef\xbf\xbf\xc0\x80\xc3\xa9!"},
        {"steps[0].receive.status", true, NULL, NULL, NULL}};
    CLEANUP(json_free) cJSON *requirements = NULL;
    CU_ASSERT_EQUAL(json_parse(SPAN_LIT("[{\"id\":\"params.stop-string\",\"level\":\"MUST\",\"title\":\"stop becomes a list\"}]"), 0,
                               &requirements, NULL), OK);
    CLEANUP(json_free) cJSON *evidence = NULL;
    CU_ASSERT_EQUAL(json_parse(SPAN_LIT("{\"step 1 client request\":\"POST http://127.0.0.1/the-wire\"}"), 0, &evidence, NULL), OK);
    result_init(r, "conformance", COUNT_OF(argv), argv);
    result_add_case(r, &(struct result_case){.id = "openai.chat/params/stop", .title = "stop", .status = "fail", .level = "MUST",
                                             .requirements = requirements, .checks = checks, .evidence = evidence, .check_count = 2, .duration_us = 1500,
                                             .attempts = 1, .reproduce = "mohs check openai.chat/params/stop"});
    result_add_case(r, &(struct result_case){.id = "openai.chat/params/top-k", .title = "top_k", .status = "pass", .attempts = 1});
    result_add_case(r, &(struct result_case){.id = "openai.chat/cache/read", .title = "cache", .status = "skip", .reason = "not claimed", .attempts = 0});
}

static void every_document_is_of_the_schema(void)
{
    CLEANUP(result_release) struct result r;
    struct note note = {""};
    build(&r);
    enum err e = result_finish(&r, EXIT_FAILED, NULL, &note);
    CLAIM(e == OK, "%s", note.text);
    CU_ASSERT_EQUAL(json_at(r.doc, "/conformance/summary/fail")->valueint, 1);
    CU_ASSERT_EQUAL(json_at(r.doc, "/conformance/summary/skip")->valueint, 1);
    (void)json_set_string(json_member(r.doc, "exit"), "reason", "");
    CU_ASSERT_NOT_EQUAL(result_validate(r.doc, &note), OK);
    (void)json_set_string(json_member(r.doc, "exit"), "reason", "x");
    (void)json_set_string(r.doc, "kindd", "x");
    CU_ASSERT_NOT_EQUAL(result_validate(r.doc, &note), OK);
    CLAIM(strstr(note.text, "did you mean \"kind\"") != NULL, "%s", note.text);
}

static void shows_no_secret_of_the_command_line(void)
{
    CLEANUP(result_release) struct result r;
    build(&r);
    CLEANUP(free_ptr) char *text = json_text(r.doc, JSON_COMPACT);
    CU_ASSERT_PTR_NULL(strstr(text, "s3cret"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "--key=<redacted>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"-H<redacted>\",\"--client-key\",\"<redacted>\",\"after\""));
}

static void every_format_tells_the_failure(void)
{
    CLEANUP(result_release) struct result r;
    build(&r);
    CU_ASSERT_EQUAL(result_finish(&r, EXIT_FAILED, NULL, NULL), OK);
    size_t count;
    static const char *const files[] = {"x.json", "a/b.xml", "code.sarif", "r.md", "r.txt", "r.github"};
    const struct report_format *formats = report_formats(&count);
    CU_ASSERT_EQUAL_FATAL(count, COUNT_OF(files));
    for (size_t i = 0; i < count; i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
        formats[i].write(r.doc, &out);
        CU_ASSERT_EQUAL(buf_error(&out), OK);
        CLAIM(strstr(buf_text(&out), "steps[0].upstream[0].body") != NULL, "%s does not name the check", formats[i].name);
        bool line = strcmp(formats[i].name, "github") == 0; /* there is no room for them, and no ending for it */
        CLAIM(line || strstr(buf_text(&out), "/the-wire") != NULL, "%s does not show the wires", formats[i].name);
        CLAIM(strstr(buf_text(&out), "mohs check openai.chat/params/stop") != NULL, "%s does not say how to run it again", formats[i].name);
        CU_ASSERT_PTR_EQUAL(report_format_of_file(files[i]), line ? NULL : &formats[i]);
    }
    CU_ASSERT_PTR_NULL(report_format_of_file("x.pdf"));
}

static void junit_counts_and_escapes(void)
{
    CLEANUP(result_release) struct result r;
    build(&r);
    CU_ASSERT_EQUAL(result_finish(&r, EXIT_FAILED, NULL, NULL), OK);
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    report_junit(r.doc, &out);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&out), "name=\"openai.chat/params\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&out), "tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&out), "tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"1\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&out), "&lt;&amp;&gt;"));
    CU_ASSERT_PTR_NULL(strchr(buf_text(&out), 1));
#define GONE "\xef\xbf\xbd"
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&out), "| " GONE GONE GONE "." GONE GONE "\xc3\xa9!")); /* and what is text stays */
}

static void a_run_without_cases_has_figures_and_a_verdict_in_every_format(void)
{
    static const struct {
        const char *document, *console, *junit;
    } rows[] = {
        {"{\"kind\":\"load\",\"exit\":{\"code\":4,\"reason\":\"none & all\"},\"load\":{\"completed\":7,\"failed\":3,\"errors\":"
         "[{\"class\":\"status\",\"code\":\"429\",\"count\":3}]},\"metrics\":{\"e2e\":{\"unit\":\"us\",\"n\":7,\"p50\":12.5,"
         "\"max\":90}}}",
         "target: 7 good answers, 3 failed, - good answers/s\n  error status 429: 3\n",
         "failures=\"1\" errors=\"0\" skipped=\"0\">\n    <testcase classname=\"load\" name=\"the run\">\n      <failure "
         "message=\"none &amp; all\">"},
        {"{\"kind\":\"load\",\"exit\":{\"code\":0,\"reason\":\"r\"},\"load\":{\"completed\":7,\"failed\":0},\"metrics\":{\"e2e\":"
         "{\"unit\":\"us\",\"n\":7,\"p50\":12.5,\"max\":90}}}",
         "  e2e                    7       12.5          -          -          -       90.0 us\n", "failures=\"0\""},
        {"{\"kind\":\"conformance\",\"exit\":{\"code\":0,\"reason\":\"r\"},\"conformance\":{\"summary\":{\"pass\":0,\"fail\":0,\"skip\":4},"
         "\"cases\":[{\"id\":\"a\",\"status\":\"skip\",\"reason\":\"one\"},{\"id\":\"b\",\"status\":\"skip\",\"reason\":\"no claim\"},"
         "{\"id\":\"c\",\"status\":\"skip\",\"reason\":\"no claim\"},{\"id\":\"d\",\"status\":\"skip\",\"reason\":\"two\"}]}}",
         "4 skipped\nskipped 2: no claim\nskipped 2 for 2 other reasons (--verbose tells)\n", "errors=\"0\""},
        {"{\"kind\":\"conformance\",\"exit\":{\"code\":0,\"reason\":\"r\"},\"conformance\":{\"summary\":{\"pass\":0,\"fail\":0,\"xfail\":4},"
         "\"cases\":[{\"id\":\"a\",\"status\":\"xfail\",\"reason\":\"" RESULT_REASON_MAY "\"},{\"id\":\"b\",\"status\":\"xfail\","
         "\"reason\":\"" RESULT_REASON_MAY "\"},{\"id\":\"c\",\"status\":\"xfail\",\"reason\":\"listed\"},"
         "{\"id\":\"d\",\"status\":\"xfail\"}]}}",
         "0 failed, 2 expected failures, 2 MAYs that do not hold\n", "errors=\"0\""},
        {"{\"kind\":\"conformance\",\"exit\":{\"code\":0,\"reason\":\"r\"},\"conformance\":{\"summary\":{\"pass\":3,\"fail\":0,\"xfail\":1},"
         "\"cases\":[{\"id\":\"a\",\"status\":\"xfail\",\"reason\":\"" RESULT_REASON_MAY "\"}]}}",
         "3 passed, 0 failed, 1 MAY that does not hold\n", "errors=\"0\""},
        {"{\"kind\":\"conformance\",\"exit\":{\"code\":1,\"reason\":\"r\"},\"conformance\":{\"summary\":{\"pass\":0,\"fail\":1},"
         "\"cases\":[{\"id\":\"a\",\"status\":\"fail\",\"checks\":[{\"id\":\"k\",\"ok\":false,\"pointer\":\"\",\"expected\":\"e\"}]}]}}",
         "      check    k\n      expected e\n", "failures=\"1\""},
        {"{\"kind\":\"compare\",\"exit\":{\"code\":0,\"reason\":\"r\"},\"paired\":[{\"metric\":\"e2e\",\"quantile\":0.5,\"unit\":"
         "\"us\",\"direct\":10,\"gateway\":30,\"diff\":20,\"ci95\":[19,21],\"verdict\":\"added\"}]}",
         "  e2e      p50           10.0       30.0       20.0 us [19.0, 21.0] added\n", "failures=\"0\""},
        {"{\"kind\":\"selftest\",\"exit\":{\"code\":1,\"reason\":\"r\"},\"selftest\":{\"mutations\":{\"run\":2,\"caught\":1},"
         "\"survivors\":[{\"case\":\"a/b\",\"mutation\":{\"on\":\"x\"},\"why\":\"fails nowhere\"}]}}",
         "a/b {\"on\":\"x\"}\n      fails nowhere\nmutations caught 1/2\n", "failures=\"1\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *doc = NULL;
        CLEANUP(buf_release) struct buf console = BUF_INIT(1 << 20);
        CLEANUP(buf_release) struct buf junit = BUF_INIT(1 << 20);
        CU_ASSERT_EQUAL_FATAL(json_parse(span_of(rows[i].document), 0, &doc, NULL), OK);
        report_console(doc, false, false, &console);
        report_junit(doc, &junit);
        CLAIM(strstr(buf_text(&console), rows[i].console) != NULL, "row %zu: %s", i, buf_text(&console));
        CLAIM(strstr(buf_text(&junit), rows[i].junit) != NULL, "row %zu: %s", i, buf_text(&junit));
    }
}

/* A requirement counts once, with the worst of its cases; stale is a pass; a level that none has is not there. */
static void areas_count_requirements_by_their_worst_case(void)
{
    static const char cases[] =
        "[{\"status\":\"pass\",\"requirements\":[{\"id\":\"b.one\",\"level\":\"MUST\"},{\"id\":\"a.one\",\"level\":\"SHOULD\"}]},"
        "{\"status\":\"fail\",\"requirements\":[{\"id\":\"b.one\",\"level\":\"MUST\"}]},"
        "{\"status\":\"skip\",\"requirements\":[{\"id\":\"b.one\",\"level\":\"MUST\"},{\"id\":\"a.two\",\"level\":\"SHOULD\"}]},"
        "{\"status\":\"error\",\"requirements\":[{\"id\":\"a.one\",\"level\":\"SHOULD\"},{\"id\":\"a.three\",\"level\":\"MUST\"}]},"
        "{\"status\":\"xfail\",\"requirements\":[{\"id\":\"a.three\",\"level\":\"MUST\"},{\"id\":\"a.may\",\"level\":\"MAY\"}]},"
        "{\"status\":\"stale\",\"requirements\":[{\"id\":\"a.four\",\"level\":\"MUST\"},{\"id\":\"a.odd\",\"level\":\"OUGHT\"}]},"
        "{\"status\":\"pass\"}]";
    static const char *const levels[] = {"MUST", "SHOULD", "MAY"};
    static const struct { const char *area, *counts[3]; bool trouble[3]; } rows[] = {
        {"a", {"1 passed, 1 failed as expected", "1 not judged, 1 skipped", "1 not held"}, {true, true, true}},
        {"b", {"1 failed", "", ""}, {true, false, false}},
        {"all", {"1 passed, 1 failed, 1 failed as expected", "1 not judged, 1 skipped", "1 not held"}, {true, true, true}}};
    CLEANUP(json_free) cJSON *tree = NULL;
    CU_ASSERT_EQUAL_FATAL(json_parse(SPAN_LIT(cases), 0, &tree, NULL), OK);
    CLEANUP(json_free) cJSON *areas = area_count(tree);
    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(areas), 2);
    CU_ASSERT_PTR_NULL(json_member(cJSON_GetArrayItem(areas, 1), "SHOULD"));
    cJSON_AddItemToArray(areas, area_total(areas));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t l = 0; l < COUNT_OF(levels); l++) {
            const cJSON *area = cJSON_GetArrayItem(areas, (int)i);
            CLEANUP(buf_release) struct buf counts = BUF_INIT(BUF_ANY);
            area_add_counts(area, levels[l], &counts);
            CLAIM(strcmp(json_str(area, "area"), rows[i].area) == 0 && strcmp(buf_text(&counts), rows[i].counts[l]) == 0, "%s %s: %s",
                  json_str(area, "area"), levels[l], buf_text(&counts));
            CU_ASSERT_EQUAL(area_has_trouble(area, levels[l]), rows[i].trouble[l]);
        }
}

static void a_document_without_areas_has_them_in_its_reports(void)
{
    CLEANUP(result_release) struct result r;
    build(&r);
    CU_ASSERT_EQUAL(result_finish(&r, EXIT_FAILED, NULL, NULL), OK);
    CU_ASSERT_EQUAL(json_at(r.doc, "/conformance/areas/0/MUST/fail")->valueint, 1);
    for (int old = 0; old < 2; old++) {
        CLEANUP(buf_release) struct buf page = BUF_INIT(1 << 20);
        CLEANUP(buf_release) struct buf console = BUF_INIT(1 << 20);
        report_markdown(r.doc, &page);
        report_console(r.doc, false, false, &console);
        CLAIM(strstr(buf_text(&page), "\n| params | 1 failed | – | – |\n| all | 1 failed | – | – |\n") != NULL, "%s", buf_text(&page));
        CLAIM(strstr(buf_text(&console), "requirements by area\n  params      MUST: 1 failed\n1 passed, 1 failed") != NULL, "%s", buf_text(&console));
        cJSON_DeleteItemFromObjectCaseSensitive(json_member(r.doc, "conformance"), "areas");
    }
}

static size_t lines_of(const struct buf *text)
{
    size_t n = 0;
    for (const char *c = buf_text(text); *c != '\0'; c++)
        n += *c == '\n';
    return n;
}

/* The worst case there is: many checks, requirements and calls, each long, of many lines, in a letter of two bytes. */
static void add_long_failure(struct result *r, const char *id)
{
    enum { LONG = 6000, CHECKS = 12, WIRES = 9 };
    static char text[LONG + 1], wire[2 * LONG + 32];
    for (size_t i = 0; i < LONG; i += 2)
        memcpy(text + i, i % 100 == 98 ? "\n " : "\xc3\xa9", 2);
    (void)snprintf(wire, sizeof wire, "POST /%s\nx: y\n\n%s", "the-wire", text);
    struct result_check checks[CHECKS];
    for (size_t i = 0; i < CHECKS; i++)
        checks[i] = (struct result_check){"steps[0].receive.body", false, "/a", text, text};
    CLEANUP(json_free) cJSON *requirements = cJSON_CreateArray();
    CLEANUP(json_free) cJSON *evidence = cJSON_CreateObject();
    for (int i = 0; i < WIRES; i++) {
        char name[32];
        cJSON *row = cJSON_CreateObject();
        (void)snprintf(name, sizeof name, "step 1 upstream %d", i);
        (void)json_set_string(evidence, name, wire);
        (void)json_set_string(row, "id", "params.x");
        (void)json_set_string(row, "level", "MUST");
        (void)json_set_string(row, "title", "t");
        cJSON_AddItemToArray(requirements, row);
    }
    result_add_case(r, &(struct result_case){.id = id, .title = "long", .status = "fail", .reason = text, .requirements = requirements, .checks = checks,
                                             .check_count = CHECKS, .evidence = evidence, .attempts = 1, .reproduce = "mohs check again"});
}

static void a_failure_fits_a_screen_unless_all_is_asked_for(void)
{
    char argument[] = "mohs", *argv[] = {argument};
    CLEANUP(result_release) struct result r;
    CLEANUP(buf_release) struct buf brief = BUF_INIT(1 << 24);
    CLEANUP(buf_release) struct buf all = BUF_INIT(1 << 24);
    result_init(&r, "conformance", 1, argv);
    add_long_failure(&r, "case-0");
    report_console(r.doc, false, false, &brief);
    report_console(r.doc, false, true, &all);
    CLAIM(lines_of(&brief) <= 40 && brief.len < 6000, "%zu lines, %zu bytes: %s", lines_of(&brief), brief.len, buf_text(&brief));
    CU_ASSERT(utf8_is_valid(buf_span(&brief)));
    CLAIM(strstr(buf_text(&brief), "... and 10 checks more\n") != NULL && strstr(buf_text(&brief), "... and 5 messages more\n") != NULL &&
              strstr(buf_text(&brief), "... and 6 requirements more\n") != NULL && strstr(buf_text(&brief), "POST /the-wire\n") != NULL &&
              strstr(buf_text(&brief), "again    mohs check again\n") != NULL && strstr(buf_text(&brief), "\nshortened: --verbose") != NULL,
          "%s", buf_text(&brief));
    CU_ASSERT(all.len > 12 * 2 * 6000 + 9 * 6000 && strstr(buf_text(&all), "shortened") == NULL && strstr(buf_text(&all), "x: y") != NULL);
    for (int i = 1; i < 100; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "case-%d", i);
        add_long_failure(&r, id);
    }
    size_t one = lines_of(&brief);
    buf_reset(&brief);
    report_console(r.doc, false, false, &brief);
    CLAIM(lines_of(&brief) < 10 * one + 100, "%zu lines", lines_of(&brief));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&brief), "\nfail  case-99  steps[0].receive.body\n"));
}

/* A page with a ceiling: first the wires go, then cases; the sums stay. */
static void a_page_with_a_ceiling_keeps_it_and_says_so(void)
{
    char argument[] = "mohs", *argv[] = {argument};
    enum { SMALL = 1000, WITHOUT_WIRES = 200000 };
    CLEANUP(result_release) struct result r;
    CLEANUP(buf_release) struct buf page = BUF_INIT(1 << 24);
    result_init(&r, "conformance", 1, argv);
    add_long_failure(&r, "case-0");
    CU_ASSERT_EQUAL(result_finish(&r, EXIT_FAILED, NULL, NULL), OK);
    report_markdown_within(r.doc, WITHOUT_WIRES, &page);
    CU_ASSERT(page.len <= WITHOUT_WIRES && strstr(buf_text(&page), "### fail `case-0`") != NULL && strstr(buf_text(&page), "the-wire") == NULL);
    buf_reset(&page);
    report_markdown_within(r.doc, SMALL, &page);
    CLAIM(page.len <= SMALL && strstr(buf_text(&page), "| all | 1 failed |") != NULL && strstr(buf_text(&page), "case-0") == NULL &&
              strstr(buf_text(&page), "\n1 more did not fit") != NULL, "%zu bytes: %s", page.len, buf_text(&page));
    buf_reset(&page);
    report_markdown(r.doc, &page);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&page), "the-wire"));
}

/* Each line is one command: what is data cannot end it, nor begin another. */
static void annotations_are_escaped_and_as_severe_as_the_requirement(void)
{
    static const struct { const char *status, *level, *says; } rows[] = {
        {"fail", "MUST", "::error title=a%3Ab%2Cc%0A%25 (fail MUST),file=my%2Cfile.json,line=7::50%25 of 1, 2: x%0D%0A::error::no. k: expected e%0A, observed o. Again: mohs again\n"},
        {"fail", "SHOULD", "::warning title=a%3Ab%2Cc%0A%25 (fail SHOULD),file=my%2Cfile.json,line=7::"},
        {"fail", "MAY", "::notice title="},
        {"stale", "MUST", "::notice title=a%3Ab%2Cc%0A%25 (stale MUST),file=my%2Cfile.json,line=7::Holds now, though listed as failing: 50%25"},
        {"error", "MAY", "::error title="},
        {"fail", NULL, "::error title=a%3Ab%2Cc%0A%25 (fail),file="},
        {"xfail", "MUST", NULL}, {"pass", "MUST", NULL}, {"skip", "MUST", NULL}};
    static const struct result_check check = {"k", false, NULL, "e\n", "o"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char argument[] = "mohs", *argv[] = {argument};
        CLEANUP(result_release) struct result r;
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
        result_init(&r, "conformance", 1, argv);
        result_add_case(&r, &(struct result_case){.id = "a:b,c\n%", .title = "50% of 1, 2: x\r\n::error::no", .status = rows[i].status, .level = rows[i].level,
                                                  .file = "my,file.json", .line = 7, .checks = &check, .check_count = 1, .reproduce = "mohs again"});
        CU_ASSERT_EQUAL(result_finish(&r, rows[i].says == NULL ? EXIT_HELD : EXIT_FAILED, "why: 1%\n::set", NULL), OK);
        report_github(r.doc, &out);
        CLAIM(rows[i].says == NULL ? out.len == 0 : strncmp(buf_text(&out), rows[i].says, strlen(rows[i].says)) == 0, "row %zu: %s", i, buf_text(&out));
        CLAIM(rows[i].says == NULL || (lines_of(&out) == 2 && strstr(buf_text(&out), "\n::error title=mohs exit 1::why: 1%25%0A::set\n") != NULL), "%s",
              buf_text(&out));
    }
}

static void worse_exit_codes_win(void)
{
    static const int worst_first[] = {7, 2, 6, 5, 4, 1, 3, 0};
    for (size_t i = 0; i < COUNT_OF(worst_first); i++)
        for (size_t j = i; j < COUNT_OF(worst_first); j++) {
            CU_ASSERT_EQUAL(exit_worse(worst_first[i], worst_first[j]), worst_first[i]);
            CU_ASSERT_EQUAL(exit_worse(worst_first[j], worst_first[i]), worst_first[i]);
        }
}

static int check_one_schema(void *ctx, const char *path, struct span bytes)
{
    (void)ctx;
    if (strstr(path, ".schema.json") == NULL)
        return 0;
    struct note note = {""};
    CLEANUP(json_free) cJSON *schema = NULL;
    enum err e = json_parse(bytes, JSON_UNIQUE, &schema, &note);
    if (e == OK)
        e = schema_check_schema(schema, &note);
    CLAIM(e == OK, "%s: %s", path, note.text);
    return 0;
}

static void the_requirements_are_of_their_schema(void)
{
    struct span text;
    struct note note = {""};
    CLEANUP(json_free) cJSON *schema = NULL;
    CLEANUP(json_free) cJSON *rows = NULL;
    CU_ASSERT_EQUAL(data_load("suites/requirements.schema.json", &text, &note), OK);
    CU_ASSERT_EQUAL(json_parse(text, 0, &schema, &note), OK);
    CU_ASSERT_EQUAL(data_load("suites/requirements.json", &text, &note), OK);
    CU_ASSERT_EQUAL(json_parse(text, JSON_UNIQUE, &rows, &note), OK);
    CLAIM(schema_validate(schema, rows, &note) == OK, "%s", note.text);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_member(rows, "requirements")), 377);
}

static void our_schemas_use_only_checked_keywords(void)
{
    (void)data_each("", check_one_schema, NULL);
    CLEANUP(json_free) cJSON *bad = NULL;
    CU_ASSERT_EQUAL(json_parse(SPAN_LIT("{\"properties\":{\"a\":{\"multipleOf\":2}}}"), 0, &bad, NULL), OK);
    CU_ASSERT_EQUAL(schema_check_schema(bad, NULL), ERR_UNSUPPORTED);
}

static void schema_complaints_name_the_place(void)
{
    static const struct { const char *schema, *document, *says; } rows[] = {
        {"{\"type\":\"object\"}", "[]", "the document: expected object, found array"},
        {"{\"properties\":{\"a\":{\"type\":\"integer\"}}}", "{\"a\":1.5}", "/a: expected integer"},
        {"{\"items\":{\"enum\":[\"pass\",\"fail\"]}}", "[\"pass\",\"fial\"]", "/1: expected one of [\"pass\",\"fail\"], found \"fial\"; did you mean \"fail\"?"},
        {"{\"required\":[\"x\"]}", "{}", "\"x\" is required"},
        {"{\"minimum\":9007199254740993}", "9007199254740992", "expected at least"},
        {"{\"oneOf\":[{\"type\":\"string\"},{\"minLength\":1}]}", "\"a\"", "fits 2 forms"},
        {"{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":{\"const\":1}}}", "2", "expected 1"},
        {"{\"anyOf\":[{\"type\":\"string\"},{\"items\":{\"type\":\"string\"}}]}", "[1]", "/0: expected string, found number"},
        {"{\"pattern\":\"^a$\"}", "\"b\"", "does not match"},
        {"{\"minItems\":1}", "[]", "at least 1 items"},
        {"{\"maxLength\":1}", "\"ab\"", "at most 1 characters"},
        {"{\"uniqueItems\":true}", "[1,2,1.0]", "item 0 stands there twice"},
        {"{\"not\":{\"const\":1,\"description\":\"one is none\"}}", "1", "one is none"},
        {"{\"if\":{\"type\":\"string\"},\"then\":{\"const\":\"a\"},\"else\":{\"const\":1}}", "\"b\"", "expected \"a\""},
        {"{\"if\":{\"type\":\"string\"},\"then\":{\"const\":\"a\"},\"else\":{\"const\":1}}", "2", "expected 1"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *schema = NULL;
        CLEANUP(json_free) cJSON *document = NULL;
        struct note note = {""};
        CU_ASSERT_EQUAL(json_parse(span_of(rows[i].schema), 0, &schema, NULL), OK);
        CU_ASSERT_EQUAL(json_parse(span_of(rows[i].document), 0, &document, NULL), OK);
        CLAIM(schema_validate(schema, document, &note) != OK && strstr(note.text, rows[i].says) != NULL, "%s on %s says: %s",
              rows[i].schema, rows[i].document, note.text);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every document is of the schema", every_document_is_of_the_schema},
        {"shows no secret of the command line", shows_no_secret_of_the_command_line},
        {"every format tells the failure", every_format_tells_the_failure},
        {"junit counts and escapes", junit_counts_and_escapes},
        {"a run without cases has figures and a verdict in every format",
         a_run_without_cases_has_figures_and_a_verdict_in_every_format},
        {"areas count requirements by their worst case", areas_count_requirements_by_their_worst_case},
        {"a document without areas has them in its reports", a_document_without_areas_has_them_in_its_reports},
        {"a failure fits a screen unless all is asked for", a_failure_fits_a_screen_unless_all_is_asked_for},
        {"a page with a ceiling keeps it and says so", a_page_with_a_ceiling_keeps_it_and_says_so},
        {"annotations are escaped and as severe as the requirement", annotations_are_escaped_and_as_severe_as_the_requirement},
        {"worse exit codes win", worse_exit_codes_win},
        {"the requirements are of their schema", the_requirements_are_of_their_schema},
        {"our schemas use only checked keywords", our_schemas_use_only_checked_keywords},
        {"schema complaints name the place", schema_complaints_name_the_place},
        CU_TEST_INFO_NULL,
    };
    return unit_main("report", tests);
}
