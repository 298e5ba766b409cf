/* SARIF 2.1.0: one document with every status, held against a schema of what we write (closed: a stray member is seen)
 * and against the rules of the standard that no schema tells. Section numbers are those of the standard. The schema of
 * OASIS was asked by hand when this was written; it is not carried here. */
#include "protocol/schema.h"
#include "reports/report.h"
#include "reports/result.h"
#include "unit.h"

#define TEXT "{\"type\":\"object\",\"required\":[\"text\"],\"additionalProperties\":false,\"properties\":{\"text\":{\"type\":\"string\",\"minLength\":1}}}"
#define LEVEL "{\"enum\":[\"none\",\"note\",\"warning\",\"error\"]}"
#define CLOSED "\"type\":\"object\",\"additionalProperties\":false"

static const char *const schema_text[] = { /* parts of one text: C promises no longer ones */
    "{" CLOSED ",\"required\":[\"$schema\",\"version\",\"runs\"],\"properties\":{\"$schema\":{\"type\":\"string\"},"
    "\"version\":{\"const\":\"2.1.0\"},\"runs\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/$defs/run\"}}},\"$defs\":{"
    "\"run\":{" CLOSED ",\"required\":[\"tool\",\"results\"],\"properties\":{"
    "\"tool\":{" CLOSED ",\"required\":[\"driver\"],\"properties\":{\"driver\":{" CLOSED ",\"required\":[\"name\"],\"properties\":{"
    "\"name\":{\"type\":\"string\"},\"fullName\":{\"type\":\"string\"},\"version\":{\"type\":\"string\"},\"semanticVersion\":{\"type\":\"string\"},"
    "\"rules\":{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"$ref\":\"#/$defs/rule\"}}}}}},"
    "\"invocations\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/invocation\"}},"
    "\"automationDetails\":{" CLOSED ",\"properties\":{\"id\":{\"type\":\"string\"}}},"
    "\"originalUriBaseIds\":{\"type\":\"object\",\"additionalProperties\":{" CLOSED ",\"properties\":{\"description\":" TEXT "}}},"
    "\"properties\":{\"type\":\"object\"},\"results\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/result\"}}}},"
    "\"rule\":{" CLOSED ",\"required\":[\"id\"],\"properties\":{\"id\":{\"type\":\"string\",\"minLength\":1},\"shortDescription\":" TEXT ","
    "\"fullDescription\":" TEXT ",\"help\":" TEXT ",\"defaultConfiguration\":{" CLOSED ",\"properties\":{\"level\":" LEVEL "}},"
    "\"properties\":{\"type\":\"object\",\"properties\":{\"tags\":{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"type\":\"string\"}}}}}},"
    "\"invocation\":{" CLOSED ",\"required\":[\"executionSuccessful\"],\"properties\":{\"executionSuccessful\":{\"type\":\"boolean\"},"
    "\"exitCode\":{\"type\":\"integer\"},\"exitCodeDescription\":{\"type\":\"string\"},\"startTimeUtc\":{\"type\":\"string\"},\"endTimeUtc\":{\"type\":\"string\"},"
    "\"arguments\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"toolExecutionNotifications\":{\"type\":\"array\",\"items\":{" CLOSED
    ",\"required\":[\"message\"],\"properties\":{\"level\":" LEVEL ",\"message\":" TEXT "}}}}},"
    , "\"result\":{" CLOSED ",\"required\":[\"message\",\"ruleId\",\"ruleIndex\",\"kind\",\"level\",\"locations\",\"partialFingerprints\",\"suppressions\"],"
    "\"properties\":{\"ruleId\":{\"type\":\"string\"},\"ruleIndex\":{\"type\":\"integer\",\"minimum\":0},\"kind\":{\"enum\":[\"fail\",\"open\"]},\"level\":" LEVEL ","
    "\"message\":" TEXT ",\"locations\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/$defs/location\"}},"
    "\"partialFingerprints\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},"
    "\"suppressions\":{\"type\":\"array\",\"items\":{" CLOSED ",\"required\":[\"kind\"],\"properties\":{\"kind\":{\"enum\":[\"inSource\",\"external\"]},"
    "\"status\":{\"enum\":[\"accepted\",\"underReview\",\"rejected\"]},\"justification\":{\"type\":\"string\"}}}},\"properties\":{\"type\":\"object\"}}},"
    "\"location\":{" CLOSED ",\"properties\":{\"physicalLocation\":{" CLOSED ",\"required\":[\"artifactLocation\"],\"properties\":{"
    "\"artifactLocation\":{" CLOSED ",\"required\":[\"uri\"],\"properties\":{\"uri\":{\"type\":\"string\"},\"uriBaseId\":{\"type\":\"string\"}}},"
    "\"region\":{" CLOSED ",\"required\":[\"startLine\"],\"properties\":{\"startLine\":{\"type\":\"integer\",\"minimum\":1}}}}},"
    "\"logicalLocations\":{\"type\":\"array\",\"items\":{" CLOSED ",\"properties\":{\"name\":{\"type\":\"string\"},\"fullyQualifiedName\":{\"type\":\"string\"},"
    "\"kind\":{\"type\":\"string\"}}}}}}}}"};

struct told { const char *id, *status, *level, *reason, *file; size_t line; const char *requirements, *rule, *kind, *severity; bool suppressed; };

#define MUST_ROW "{\"id\":\"params.stop\",\"level\":\"MUST\",\"title\":\"stop {n} becomes a list\",\"why\":\"It is refused.\"}"
#define SHOULD_ROW "{\"id\":\"cache.read\",\"level\":\"SHOULD\",\"title\":\"the cache is read\"}"
#define MAY_ROW "{\"id\":\"params.over\",\"level\":\"MAY\",\"title\":\"too hot is told\"}"
static const struct told told[] = {
    {"a/fail", "fail", "MUST", NULL, "suites/cases/a/fail.json", 12, "[" SHOULD_ROW "," MUST_ROW "]", "params.stop", "fail", "error", false},
    {"a/should", "fail", "SHOULD", NULL, "my cases/50%:x.json", 0, "[" SHOULD_ROW "]", "cache.read", "fail", "warning", false},
    {"a/known", "xfail", "MUST", "seen last week", "suites/cases/a/known.json", 3, "[" MUST_ROW "]", "params.stop", "fail", "error", true},
    {"a/may", "xfail", "MAY", RESULT_REASON_MAY, "suites/cases/a/may.json", 3, "[" MAY_ROW "]", "params.over", "fail", "note", false},
    {"a/stale", "stale", "MUST", "listed", "suites/cases/a/stale.json", 1, "[" MUST_ROW "]", "mohs.stale", "fail", "warning", false},
    {"a/error", "error", "MUST", "the script was refused {", "/somewhere/else.json", 1, "[" MUST_ROW "]", "params.stop", "open", "none", false},
    {"a/none", "fail", NULL, NULL, NULL, 0, "[]", "mohs.case", "fail", "warning", false},
    {"a/pass", "pass", "MUST", NULL, "x.json", 0, "[" MUST_ROW "]", NULL, NULL, NULL, false},
    {"a/skip", "skip", "MUST", "no claim", "x.json", 0, "[{\"id\":\"tools.x\",\"level\":\"MUST\",\"title\":\"t\"}]", NULL, NULL, NULL, false},
};

static void build(struct result *r, int exit)
{
    static char words[][24] = {"mohs", "check", "--key", "AK:s3cret"};
    char *const argv[] = {words[0], words[1], words[2], words[3]};
    static const struct result_check checks[] = {{"steps[0].x", true, NULL, NULL, NULL},
                                                 {"steps[0].upstream[0].body", false, "/stop", "{\"a\":[\"X\"]}", "\"X\\\" \x01\xff\xc3"},
                                                 {"steps[0].receive.status", false, "", "200", "500"}};
    CLEANUP(json_free) cJSON *evidence = NULL;
    CU_ASSERT_EQUAL(json_parse(SPAN_LIT("{\"step 1\":\"GET /the-wire\"}"), 0, &evidence, NULL), OK);
    result_init(r, "conformance", COUNT_OF(argv), argv);
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        CLEANUP(json_free) cJSON *requirements = NULL;
        CU_ASSERT_EQUAL_FATAL(json_parse(span_of(told[i].requirements), 0, &requirements, NULL), OK);
        bool broken = strcmp(told[i].status, "fail") == 0 || strcmp(told[i].status, "xfail") == 0;
        result_add_case(r, &(struct result_case){.id = told[i].id, .title = "it holds", .status = told[i].status, .level = told[i].level, .reason = told[i].reason,
                                                 .file = told[i].file, .line = told[i].line, .requirements = requirements, .checks = checks,
                                                 .check_count = broken ? 3 : 1, .evidence = evidence, .attempts = 1, .reproduce = "mohs check again"});
    }
    (void)json_set_string(result_section(r, "conformance"), "profile", "mine");
    struct note note = {""};
    enum err e = result_finish(r, exit, "as {said}", &note);
    CLAIM(e == OK, "%s", note.text);
}

static cJSON *sarif_of(const cJSON *doc)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    cJSON *tree = NULL, *schema = NULL;
    struct note note = {""};
    report_sarif(doc, &out);
    enum err e = json_parse(buf_span(&out), JSON_UNIQUE, &tree, &note); /* which refuses bytes that are no UTF-8 */
    CLEANUP(buf_release) struct buf rules = BUF_INIT(1 << 16);
    for (size_t i = 0; i < COUNT_OF(schema_text); i++)
        buf_adds(&rules, schema_text[i]);
    CU_ASSERT_EQUAL(json_parse(buf_span(&rules), 0, &schema, NULL), OK);
    if (e == OK)
        e = schema_validate(schema, tree, &note);
    CLAIM(e == OK, "%s: %s", note.text, buf_text(&out));
    json_free(&schema);
    return tree;
}

/* Braces in pairs only: a single one would begin a placeholder (3.11.5). */
static bool braces_are_doubled(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c == '{' || *c == '}') {
            if (c[1] != *c)
                return false;
            c++;
        }
    return true;
}

static void every_case_that_did_not_pass_is_a_result(void)
{
    CLEANUP(result_release) struct result r;
    build(&r, EXIT_FAILED);
    CLEANUP(json_free) cJSON *tree = sarif_of(r.doc);
    const cJSON *run = json_at(tree, "/runs/0"), *rules = json_at(run, "/tool/driver/rules"), *result = json_at(run, "/results/0");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_member(run, "results")), 7);
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        if (told[i].rule == NULL)
            continue;
        CU_ASSERT_PTR_NOT_NULL_FATAL(result);
        const char *text = json_at(result, "/message/text")->valuestring, *id = json_at(result, "/locations/0/logicalLocations/0/fullyQualifiedName")->valuestring;
        const cJSON *line = json_at(result, "/locations/0/physicalLocation/region/startLine"), *rule = cJSON_GetArrayItem(rules, json_member(result, "ruleIndex")->valueint);
        CLAIM(strcmp(id, told[i].id) == 0 && strcmp(json_str(result, "ruleId"), told[i].rule) == 0 && strcmp(json_str(result, "kind"), told[i].kind) == 0 &&
                  strcmp(json_str(result, "level"), told[i].severity) == 0, "%s: %s %s %s %s", told[i].id, id, json_str(result, "ruleId"), json_str(result, "kind"),
              json_str(result, "level"));
        CU_ASSERT(rule != NULL && strcmp(json_str(rule, "id"), told[i].rule) == 0); /* 3.27.6 */
        CU_ASSERT(strcmp(told[i].kind, "fail") == 0 || strcmp(told[i].severity, "none") == 0); /* 3.27.10 */
        CU_ASSERT_EQUAL(cJSON_GetArraySize(json_member(result, "suppressions")), told[i].suppressed); /* 3.27.23: there for all or for none */
        CU_ASSERT_EQUAL(line == NULL ? 0 : (size_t)line->valueint, told[i].line);
        CLAIM(braces_are_doubled(text) && strstr(text, "it holds.") != NULL && strstr(text, "Again: mohs check again") != NULL, "%s", text);
        CU_ASSERT_STRING_EQUAL(json_at(result, "/partialFingerprints/mohsCase~1v1")->valuestring, told[i].id);
        CU_ASSERT_EQUAL(json_at(result, "/properties/evidence") != NULL, true);
        result = result->next;
    }
    const char *first = json_at(run, "/results/0/message/text")->valuestring;
    CLAIM(strstr(first, "steps[0].upstream[0].body at /stop: expected {{\"a\":[\"X\"]}}, observed \"X") != NULL && strstr(first, "1 more check failed") != NULL, "%s", first);
}

static void a_place_is_a_uri(void)
{
    static const struct { int result; const char *uri; bool relative; } rows[] = {
        {0, "suites/cases/a/fail.json", true}, {1, "my%20cases/50%25%3Ax.json", true}, {5, "file:///somewhere/else.json", false}};
    CLEANUP(result_release) struct result r;
    build(&r, EXIT_FAILED);
    CLEANUP(json_free) cJSON *tree = sarif_of(r.doc);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const cJSON *artifact = json_at(cJSON_GetArrayItem(json_at(tree, "/runs/0/results"), rows[i].result), "/locations/0/physicalLocation/artifactLocation");
        CLAIM(strcmp(json_str(artifact, "uri"), rows[i].uri) == 0, "%s", json_str(artifact, "uri"));
        CU_ASSERT_EQUAL(json_str(artifact, "uriBaseId") != NULL, rows[i].relative);
        if (rows[i].relative)
            CU_ASSERT_PTR_NOT_NULL(json_member(json_at(tree, "/runs/0/originalUriBaseIds"), json_str(artifact, "uriBaseId"))); /* 3.14.14 */
    }
    CU_ASSERT_PTR_NULL(json_at(tree, "/runs/0/results/6/locations/0/physicalLocation"));
}

/* Of passed cases too: whoever reads the page sees what was held against the gateway. Each once (3.19.23). */
static void every_requirement_of_the_run_is_one_rule(void)
{
    static const struct { const char *id, *level; } rows[] = {{"cache.read", "warning"}, {"params.stop", "error"}, {"params.over", "note"},
                                                              {"mohs.stale", "warning"}, {"mohs.case", "warning"}, {"tools.x", "error"}};
    CLEANUP(result_release) struct result r;
    build(&r, EXIT_FAILED);
    CLEANUP(json_free) cJSON *tree = sarif_of(r.doc);
    const cJSON *rules = json_at(tree, "/runs/0/tool/driver/rules"), *rule;
    CU_ASSERT_EQUAL(cJSON_GetArraySize(rules), COUNT_OF(rows));
    cJSON_ArrayForEach(rule, rules)
    {
        size_t seen = 0;
        for (size_t i = 0; i < COUNT_OF(rows); i++)
            seen += strcmp(rows[i].id, json_str(rule, "id")) == 0 && strcmp(rows[i].level, json_at(rule, "/defaultConfiguration/level")->valuestring) == 0;
        CLAIM(seen == 1 && braces_are_doubled(json_at(rule, "/help/text")->valuestring), "%s: %s", json_str(rule, "id"), json_at(rule, "/help/text")->valuestring);
    }
    CU_ASSERT_STRING_EQUAL(json_at(rules, "/1/help/text")->valuestring, "stop {{n}} becomes a list. It is refused. This is a MUST. Its sources and its cases: mohs show params.stop");
}

static void the_run_says_how_it_ended_and_keeps_secrets(void)
{
    static const struct { int exit; bool successful; int notes; } rows[] = {{EXIT_HELD, true, 1}, {EXIT_FAILED, true, 1}, {EXIT_STALE, true, 1}, {EXIT_USAGE, false, 1},
                                                                            {EXIT_UNREACHABLE, false, 1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(result_release) struct result r;
        build(&r, rows[i].exit);
        CLEANUP(json_free) cJSON *tree = sarif_of(r.doc);
        const cJSON *invocation = json_at(tree, "/runs/0/invocations/0");
        CU_ASSERT_EQUAL(cJSON_IsTrue(json_member(invocation, "executionSuccessful")), rows[i].successful);
        CU_ASSERT_EQUAL(json_member(invocation, "exitCode")->valueint, rows[i].exit);
        CU_ASSERT_EQUAL(cJSON_GetArraySize(json_member(invocation, "toolExecutionNotifications")), rows[i].notes); /* the case that could not be judged */
        CLEANUP(free_ptr) char *text = json_text(tree, JSON_COMPACT);
        CU_ASSERT(strstr(text, "s3cret") == NULL && strstr(text, "\"--key\",\"<redacted>\"") != NULL);
        CU_ASSERT_STRING_EQUAL(json_at(tree, "/runs/0/automationDetails/id")->valuestring, "mohs/mine/");
        CU_ASSERT_EQUAL(json_at(tree, "/runs/0/properties/areas/1/MUST/fail")->valueint, 1);
    }
}

static void a_run_without_cases_has_no_result_and_says_why_it_ended(void)
{
    static const struct { const char *document; int notes; } rows[] = {
        {"{\"kind\":\"load\",\"exit\":{\"code\":5,\"reason\":\"too {slow}\"}}", 1}, {"{\"kind\":\"load\",\"exit\":{\"code\":0,\"reason\":\"measured\"}}", 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *doc = NULL;
        CU_ASSERT_EQUAL_FATAL(json_parse(span_of(rows[i].document), 0, &doc, NULL), OK);
        CLEANUP(json_free) cJSON *tree = sarif_of(doc);
        CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(tree, "/runs/0/results")), 0); /* there, and empty: it ran (3.14.23) */
        CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(tree, "/runs/0/invocations/0/toolExecutionNotifications")), rows[i].notes);
    }
}

/* The same document makes the same bytes; another run of the same case has another line and the same fingerprints. */
static void what_is_the_same_looks_the_same(void)
{
    CLEANUP(result_release) struct result r;
    CLEANUP(result_release) struct result other;
    CLEANUP(buf_release) struct buf once = BUF_INIT(1 << 20);
    CLEANUP(buf_release) struct buf again = BUF_INIT(1 << 20);
    build(&r, EXIT_FAILED);
    report_sarif(r.doc, &once);
    report_sarif(r.doc, &again);
    CU_ASSERT(span_equal(buf_span(&once), buf_span(&again)));
    build(&other, EXIT_FAILED);
    (void)json_set_int(json_at(other.doc, "/conformance/cases/0"), "line", 99);
    CLEANUP(json_free) cJSON *a = sarif_of(r.doc);
    CLEANUP(json_free) cJSON *b = sarif_of(other.doc);
    CU_ASSERT_FALSE(json_equal(json_at(a, "/runs/0/results/0/locations"), json_at(b, "/runs/0/results/0/locations")));
    CU_ASSERT_TRUE(json_equal(json_at(a, "/runs/0/results/0/partialFingerprints"), json_at(b, "/runs/0/results/0/partialFingerprints")));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every case that did not pass is a result", every_case_that_did_not_pass_is_a_result},
        {"a place is a URI", a_place_is_a_uri},
        {"every requirement of the run is one rule", every_requirement_of_the_run_is_one_rule},
        {"the run says how it ended and keeps secrets", the_run_says_how_it_ended_and_keeps_secrets},
        {"a run without cases has no result and says why it ended", a_run_without_cases_has_no_result_and_says_why_it_ended},
        {"what is the same looks the same", what_is_the_same_looks_the_same},
        CU_TEST_INFO_NULL,
    };
    return unit_main("sarif", tests);
}
