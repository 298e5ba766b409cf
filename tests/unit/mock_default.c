/* What the mock says when nobody told it: agents come to their end, and structured output fits the schema. */
#include "mock/model/pattern_sample.h"
#include "mock/model/schema_sample.h"
#include "mock/model/schema_wanted.h"
#include "mock/model/tool_wanted.h"
#include "protocol/regex.h"
#include "protocol/schema.h"

#include "mock_rig.h"

#define TOOL(name)                                                                                                     \
    "{\"toolSpec\":{\"name\":\"" name "\",\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}}}}"
#define USER(text) "{\"role\":\"user\",\"content\":[{\"text\":\"" text "\"}]}"
#define CALL(name)                                                                                                     \
    "{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":\"x\",\"name\":\"" name "\",\"input\":{}}}]}"
#define RESULT      "{\"toolResult\":{\"toolUseId\":\"x\",\"content\":[{\"text\":\"get_time\"}]}}"
#define DONE        "{\"role\":\"user\",\"content\":[" RESULT "]}"
#define DONE_(text) "{\"role\":\"user\",\"content\":[" RESULT ",{\"text\":\"" text "\"}]}"
#define BOTH        TOOL("get_weather") "," TOOL("get_time")
#define FINAL       TOOL("balance") "," TOOL("final_result")
#define ANY         ",\"toolChoice\":{\"any\":{}}"

static cJSON *tree_of(const char *text)
{
    cJSON *tree = NULL;
    struct note note = {""};
    if (json_parse(span_of(text), JSON_COMPACT, &tree, &note) != OK) {
        (void)fprintf(stderr, "%s: %s\n", note.text, text);
        abort();
    }
    return tree;
}

/* ---- which tool ---- */

static const struct round_row {
    const char *messages, *tools, *choice, *wanted; /* NULL: none */
} rounds[] = {
    {USER("use get_time now"), BOTH, "", "get_time"},
    {USER("Get the time!"), BOTH, "", "get_time"},
    {USER("What time is it?"), BOTH, "", "get_time"},
    {USER("What\\u2019s the WEATHER like?"), BOTH, "", "get_weather"},
    {USER("the weathers of the world"), BOTH, "", "get_weather"},
    {USER("sometimes it is weatherproof"), BOTH, "", NULL},
    {USER("get me something"), BOTH, "", NULL},
    {USER("research this"), TOOL("search"), "", NULL},
    {USER("search this"), TOOL("search"), "", "search"},
    {USER("I search a weather vane"), TOOL("search_shops"), "", NULL},
    {USER("a song"), TOOL("Song"), "", "Song"},
    {USER("the exchange rate"), TOOL("getExchangeRate"), "", "getExchangeRate"},
    {USER("the weather and get_time"), BOTH, "", "get_time"}, /* its name before a word of it */
    {USER("time and weather"), BOTH, "", "get_weather"},
    {USER("time and weather") "," CALL("get_weather") "," DONE, BOTH, "", "get_time"},
    {USER("time and weather") "," CALL("get_weather") "," DONE "," CALL("get_time") "," DONE, BOTH, "", NULL},
    {USER("weather") "," CALL("get_weather") "," DONE, BOTH, "",
     NULL}, /* the result names get_time, the user does not */
    {USER("weather") "," CALL("get_weather") "," DONE_("use get_weather only for weather"), BOTH, "", NULL},
    {USER("weather") "," CALL("get_weather") "," DONE_("now get_time"), BOTH, "", "get_time"},
    {USER("weather") "," CALL("get_weather") "," DONE "," USER("weather again"), BOTH, "", "get_weather"},
    {USER("hello"), BOTH, ANY, "get_weather"},
    {USER("what time is it"), BOTH, ANY, "get_time"},
    {USER("hello") "," CALL("get_weather") "," DONE, BOTH, ANY, "get_time"},
    {USER("hello") "," CALL("get_weather") "," DONE "," CALL("get_time") "," DONE, BOTH, ANY, "get_weather"},
    {USER("my balance?") "," CALL("balance") "," DONE, FINAL, ANY, "final_result"},
    {DONE, FINAL, ANY, "balance"},
    {USER("time") "," CALL("get_time") "," DONE, BOTH, ",\"toolChoice\":{\"tool\":{\"name\":\"get_time\"}}",
     "get_time"},
    {USER("time"), BOTH, ",\"toolChoice\":{\"tool\":{\"name\":\"nobody\"}}", NULL},
    {USER("time"), BOTH, ",\"toolChoice\":{\"auto\":{}}", "get_time"},
};

static void a_tool_is_called_once_for_what_the_user_speaks_of(void)
{
    for (size_t i = 0; i < COUNT_OF(rounds); i++) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        buf_addf(&text, "{\"messages\":[%s],\"toolConfig\":{\"tools\":[%s]%s}}", rounds[i].messages, rounds[i].tools,
                 rounds[i].choice);
        CLEANUP(json_free) cJSON *body = tree_of(buf_text(&text));
        const cJSON *spec = tool_wanted(body);
        const char *name = spec == NULL ? NULL : text_at(spec, "/name");
        const char *wanted = rounds[i].wanted;
        CLAIM(wanted == NULL ? name == NULL : name != NULL && strcmp(name, wanted) == 0, "row %zu: %s, not %s: %s", i,
              name == NULL ? "none" : name, wanted == NULL ? "none" : wanted, buf_text(&text));
    }
}

/* Ask as a framework for agents does, until no tool is called or `until` is; the names of the tools that were. */
static void drive(struct mock *m, const char *tools, const char *question, const char *until, struct buf *called)
{
    CLEANUP(buf_release) struct buf messages = BUF_INIT(BUF_ANY);
    buf_addf(&messages, "{\"role\":\"user\",\"content\":[{\"text\":\"%s\"}]}", question);
    for (size_t turn = 0; turn < 9; turn++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        buf_addf(&body, "{\"messages\":[%s],\"toolConfig\":{\"tools\":[%s]%s}}", buf_text(&messages), tools,
                 until == NULL ? "" : ANY);
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, buf_text(&body));
        CLAIM(r.status == 200, "%s", buf_text(&r.body));
        const cJSON *use = json_at(r.json, "/output/message/content/0/toolUse");
        buf_addf(called, "%s%s", called->len == 0 ? "" : " ", use == NULL ? "." : text_at(use, "/name"));
        if (use == NULL || (until != NULL && strcmp(text_at(use, "/name"), until) == 0))
            return;
        CLEANUP(free_ptr) char *said = json_text(json_at(r.json, "/output/message"), JSON_COMPACT);
        buf_addf(&messages, ",%s,{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"%s\",\"content\":[{",
                 said, text_at(use, "/toolUseId"));
        buf_adds(&messages, "\"text\":\"42\"}]}}]}");
    }
}

static void agents_come_to_their_end(void)
{
    static const struct {
        const char *tools, *question, *until, *called;
    } rows[] = {
        {BOTH, "What is the weather, and what time is it?", NULL, "get_weather get_time ."},
        {BOTH, "Hello", NULL, "."},
        {FINAL, "Anything", "final_result", "balance final_result"},                /* pydantic-ai */
        {TOOL("a") "," TOOL("b") "," TOOL("json"), "the wind", "json", "a b json"}, /* the AI SDK */
    };
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf called = BUF_INIT(BUF_ANY);
        drive(m, rows[i].tools, rows[i].question, rows[i].until, &called);
        CLAIM(strcmp(buf_text(&called), rows[i].called) == 0, "row %zu: %s", i, buf_text(&called));
    }
}

/* ---- patterns ---- */

static void a_pattern_is_answered_with_what_it_takes(void)
{
    static const struct {
        const char *pattern;
        size_t shortest;
        const char *text; /* NULL: any that fits */
    } rows[] = {
        {"^[A-Z]{3}-\\d{4}$", 0, "ABC-5678"},
        {"^\\+?[0-9]{7,15}$", 0, "1234567"},
        {"^\\+?[0-9]{7,15}$", 10, NULL},
        {"^[a-z]*$", 0, "a"},
        {"^[a-z]*$", 12, "abcdefghijkl"},
        {"^(?:red|green)$", 0, "red"},
        {"^(?:|x)$", 1, NULL},
        {"^(?<year>\\d{4})-(0[1-9]|1[0-2])$", 0, NULL},
        {"^#[0-9a-fA-F]{6}$", 0, NULL},
        {"^[^a-z\\s]+$", 0, NULL},
        {"^\\S+@\\S+\\.\\w{2,}$", 0, NULL},
        {"^\\u0041\\x42\\.\\-\\/$", 0, "AB.-/"},
        {"^([a-z]{2}){3,}?$", 9, NULL},
        {"\\bword\\b", 0, "word"},
        {"^\\p{Lu}\\p{Ll}+\\p{N}$", 0, NULL},
        {"^a{2}b{0}c{1,}d?$", 0, "aac"},
        {"^[\\]\\-a]{4}$", 0, NULL},
        {"^\xC3\xA9t\xC3\xA9$", 0, "\xC3\xA9t\xC3\xA9"},
        {"^(?!no)[a-z]{3}$", 0, "abc"},
        {"^\xC3\xA9?$", 0, "\xC3\xA9"}, /* never half of a character */
        {"^\xC3\xA9*x$", 0, "x"},
        {"^(caf)\xC3\xA9{2}$", 0, "caf\xC3\xA9\xC3\xA9"},
        {"^\\u00e9\\u{1F600}$", 0, "\xC3\xA9\xF0\x9F\x98\x80"},
        {"", 0, ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
        size_t steps = SCHEMA_SAMPLE_STEPS;
        CLAIM(pattern_sample(rows[i].pattern, rows[i].shortest, 0, &steps, &out), "%s is not understood", rows[i].pattern);
        CLAIM(rows[i].text == NULL || strcmp(buf_text(&out), rows[i].text) == 0, "%s: %s", rows[i].pattern,
              buf_text(&out));
        CLAIM(out.len >= rows[i].shortest || rows[i].text != NULL || i == 6, "%s: only %s", rows[i].pattern,
              buf_text(&out));
        const struct regex *regex = strstr(rows[i].pattern, "(?<") != NULL || strstr(rows[i].pattern, "(?!") != NULL || strstr(rows[i].pattern, "\\u{") != NULL
                                        ? NULL
                                        : regex_get(rows[i].pattern, REGEX_SEARCH, NULL);
        CLAIM(regex == NULL || regex_matches(regex, buf_text(&out)), "%s does not take %s", rows[i].pattern,
              buf_text(&out));
    }
}

static void a_pattern_that_is_not_understood_writes_nothing(void)
{
    static const char *const patterns[] = {"^(?=.*\\d)a$",
                                           "(a)\\1",
                                           "(a",
                                           "a)",
                                           "[a",
                                           "*a",
                                           "^[\xC3\xA9]$",
                                           "\\p{Greek}",
                                           "a\\",
                                           "\\k<x>",
                                           "(?<=a)b",
                                           "^a{5000}$",
                                           "(((((((((((((((((((((((((((((((((a)))))))))))))))))))))))))))))))))",
                                           "((a{99}){99}){99}",
                                           "\\uD83D",
                                           "\\u{1F600",
                                           "^\\cJ$",
                                           "^[\\u{1F600}-\\u{1F64F}]$",
                                           "^[\\p{Greek}]$",
                                           "^[a\\1]$",
                                           "[^\\d\\D]"};
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
        buf_adds(&out, "before");
        size_t steps = SCHEMA_SAMPLE_STEPS;
        CLAIM(!pattern_sample(patterns[i], 0, 0, &steps, &out) && strcmp(buf_text(&out), "before") == 0, "%s: %s", patterns[i],
              buf_text(&out));
    }
}

/* What a repetition reads again costs steps, so that none takes seconds; and they are taken from what all patterns have. */
static void patterns_that_would_take_for_ever_are_left(void)
{
    static const struct {
        const char *head, *part, *tail;
    } rows[] = {
        {"[", "ab", "]{4096}"}, {"(a", "|", "){4000}"}, {"(?<", "n", ">a?){8000}"}, {"(\\p{L", "u", "}?){8000}"}, {"(", "(a|b)?", "){60}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf pattern = BUF_INIT(BUF_ANY), out = BUF_INIT(BUF_ANY);
        buf_adds(&pattern, rows[i].head);
        for (size_t n = 0; n < 200000; n++)
            buf_adds(&pattern, rows[i].part);
        buf_adds(&pattern, rows[i].tail);
        size_t steps = 3 * PATTERN_SAMPLE_STEPS;
        uint64_t before = now_ns();
        CLAIM(!pattern_sample(buf_text(&pattern), 0, 0, &steps, &out), "row %zu", i);
        CLAIM(now_ns() - before < 5000000000U, "row %zu: %llu ns", i, (unsigned long long)(now_ns() - before));
        CLAIM(out.len == 0, "row %zu: %s", i, buf_text(&out));
    }
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    size_t steps = 11, had = steps;
    CLAIM(pattern_sample("^[ab]{3}$", 0, 0, &steps, &out) && steps == 0, "%zu of %zu steps are left", steps, had);
    CLAIM(!pattern_sample("a", 0, 0, &steps, &out), "%s", buf_text(&out));
}

/* ---- schemas ---- */

static void samples_fit_their_schemas(void)
{
    static const char *const schemas[] = {
        "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":5,\"uniqueItems\":true}",
        "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"maximum\":9,\"minimum\":3},\"minItems\":7,"
        "\"uniqueItems\":true}",
        "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"maximum\":2},\"minItems\":4,\"uniqueItems\":true}",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":3,\"uniqueItems\":true}",
        "{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"b\",\"c\"]},\"minItems\":3,\"uniqueItems\":true}",
        "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":"
        "[\"n\"]},"
        "\"minItems\":3,\"uniqueItems\":true}",
        "{\"type\":\"string\",\"pattern\":\"^[A-Z]{2}[0-9]{3}$\"}",
        "{\"type\":\"string\",\"pattern\":\"^[a-z]+$\",\"minLength\":20}",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":\"^[A-Z]{3}$\"},\"minItems\":9,\"uniqueItems\":true}",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"format\":\"date\",\"pattern\":\"^20[0-9]{2}-01-02$\"},"
        "\"minItems\":9,\"uniqueItems\":true}",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"format\":\"uuid\",\"pattern\":\"^[-0-9a-f]{36}$\"},"
        "\"minItems\":9,\"uniqueItems\":true}",
        "{\"type\":\"integer\",\"minimum\":1,\"multipleOf\":1e-320}",
        "{\"type\":[\"null\"]}",
        "{\"type\":\"integer\",\"description\":\"minimum: infinity\"}",
        "{\"$defs\":{\"unit\":{\"type\":\"string\",\"enum\":[\"C\",\"F\"]}},\"type\":\"object\",\"properties\":{\"u\":"
        "{\"allOf\":[{\"$ref\":\"#/$defs/unit\"}],\"description\":\"of pydantic 2.0\"}},\"required\":[\"u\"]}",
        "{\"allOf\":[{\"type\":\"string\"},{\"minLength\":2}]}",
        "{\"allOf\":[{\"anyOf\":[{\"type\":\"integer\"}]}]}",
    };
    for (size_t i = 0; i < COUNT_OF(schemas); i++)
        for (uint64_t seed = 1; seed < 20; seed++) {
            CLEANUP(json_free) cJSON *schema = tree_of(schemas[i]);
            struct rng rng = {seed};
            struct note note = {""};
            CLEANUP(json_free) cJSON *value = schema_sample(schema, "a hint", &rng);
            CLAIM(schema_validate(schema, value, &note) == OK, "%s: %s", schemas[i], note.text);
        }
}

/* 64 lists of 64 of what is large would be hundreds of megabytes. */
static void what_a_schema_makes_large_stays_within_bounds(void)
{
    static const char *const items[] = {"{\"type\":\"string\",\"minLength\":99999}", "{\"type\":\"string\",\"default\":\"%s\"}",
                                        "{\"const\":{\"a\":[\"%s\"]}}", "{\"type\":\"string\",\"pattern\":\"^[a-z]{4000}$\"}"};
    CLEANUP(buf_release) struct buf large = BUF_INIT(BUF_ANY);
    while (large.len < 100000)
        buf_adds(&large, "large");
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        const char *gap = strstr(items[i], "%s");
        buf_adds(&text, "{\"type\":\"array\",\"minItems\":64,\"items\":{\"type\":\"array\",\"minItems\":64,\"items\":");
        buf_add(&text, span_cut(span_of(items[i]), 0, gap != NULL ? (size_t)(gap - items[i]) : strlen(items[i])));
        buf_adds(&text, gap != NULL ? buf_text(&large) : "");
        buf_adds(&text, gap != NULL ? gap + 2 : "");
        buf_adds(&text, "}}");
        CLEANUP(json_free) cJSON *schema = tree_of(buf_text(&text));
        struct rng rng = {1};
        CLEANUP(json_free) cJSON *value = schema_sample(schema, "hint", &rng);
        CLEANUP(free_ptr) char *made = json_text(value, JSON_COMPACT);
        CLAIM(made != NULL && strlen(made) > 4000 && strlen(made) < 2 * SCHEMA_SAMPLE_BYTES, "%s: %zu bytes", items[i],
              made == NULL ? 0 : strlen(made));
    }
}

static void bounds_in_a_description_are_kept(void)
{
    static const struct {
        const char *schema, *value;
    } rows[] = {
        {"{\"type\":\"integer\",\"description\":\"minimum: 11; maximum: 12.\"}", "11"},
        {"{\"type\":\"integer\",\"description\":\"The age\\nexclusive minimum: 3; maximum: 12.\"}", "4"},
        {"{\"type\":\"integer\",\"description\":\"The age\\n\\n{minimum: 7, maximum: 9}\"}", "7"},
        {"{\"type\":\"integer\",\"description\":\"the age (minimum=21)\"}", "21"},
        {"{\"type\":\"string\",\"description\":\"pattern: ^[A-Z]{3}$.\"}", "\"ABC\""},
        {"{\"type\":\"string\",\"description\":\"min length: 4; pattern: ^[a-z]+$.\"}", "\"abcd\""},
        {"{\"type\":\"string\",\"description\":\"of a certain pattern: any\"}", "\"hint\""}, /* prose */
        {"{\"type\":\"array\",\"items\":{\"const\":1},\"description\":\"some tags (minItems=2, maxItems=3)\"}",
         "[1,1]"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *schema = tree_of(rows[i].schema);
        struct rng rng = {1};
        CLEANUP(json_free) cJSON *value = schema_sample(schema, "hint", &rng);
        CLEANUP(free_ptr) char *text = json_text(value, JSON_COMPACT);
        CLAIM(text != NULL && strcmp(text, rows[i].value) == 0, "%s: %s", rows[i].schema, text);
    }
}

#define QUOTED "{\\\"properties\\\":{\\\"q\\\":{\\\"const\\\":7}}}"
#define PLAIN  "{\"properties\":{\"q\":{\"const\":7}}}"

static void a_schema_is_found_wherever_it_is_asked_for(void)
{
    static const struct {
        const char *body;
        bool found;
    } rows[] = {
        {"{\"outputConfig\":{\"textFormat\":{\"structure\":{\"jsonSchema\":{\"schema\":\"" QUOTED "\"}}}}}", true},
        {"{\"additionalModelRequestFields\":{\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":" PLAIN
         "}}}}",
         true},
        {"{\"additionalModelRequestFields\":{\"output_format\":{\"type\":\"json_schema\",\"schema\":" PLAIN "}}}",
         true},
        {"{\"system\":[{\"text\":\"You help.\"},{\"text\":\"Fit this schema:\\n" QUOTED "\\nNo fences.\"}]}", true},
        {"{\"messages\":[" USER("hi. JSON Schema: " QUOTED) "]}", true},
        {"{\"messages\":[" USER("a schema like {\\\"properties\\\":{\\\"x\\\":{}}}. The schema: ```" QUOTED "```") "]}",
         true},
        {"{\"messages\":[" USER("braces { and schema: " QUOTED) "]}", true},
        {"{\"messages\":[" USER("schema: " QUOTED) ",{\"role\":\"assistant\",\"content\":[]}," USER("thanks") "]}",
         false},
        {"{\"system\":[{\"text\":\"Tool: add, its arguments: " QUOTED "\"}]}", false},
        {"{\"messages\":[" USER("schema: {\\\"properties\\\":[]}") "]}", false},
        {"{\"messages\":[" USER("schema: {\\\"properties\\\":{") "]}", false},
        {"{\"outputConfig\":{\"textFormat\":{\"structure\":{\"jsonSchema\":{\"schema\":\"no JSON\"}}}}}", false},
        {"{}", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *body = tree_of(rows[i].body);
        CLEANUP(json_free) cJSON *schema = NULL;
        CLAIM(schema_wanted(body, &schema) == rows[i].found, "row %zu: %s", i, rows[i].body);
        CLAIM(!rows[i].found || number_at(schema, "/properties/q/const") == 7, "row %zu: %s", i, rows[i].body);
    }
}

static void structured_output_of_claude_is_served_over_the_wire(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply r =
        ask(m, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
            "{\"messages\":[" USER(
                "x") "],\"additionalModelRequestFields\":{\"output_config\":{\"format\":{\"type\":"
                     "\"json_schema\",\"schema\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\","
                     "\"description\":\"minimum: 40.\"}}}}}}}");
    CLAIM(strcmp(text_at(r.json, "/output/message/content/0/text"), "{\"n\":40}") == 0, "%s", buf_text(&r.body));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a tool is called once for what the user speaks of", a_tool_is_called_once_for_what_the_user_speaks_of},
        {"agents come to their end", agents_come_to_their_end},
        {"a pattern is answered with what it takes", a_pattern_is_answered_with_what_it_takes},
        {"a pattern that is not understood writes nothing", a_pattern_that_is_not_understood_writes_nothing},
        {"patterns that would take for ever are left", patterns_that_would_take_for_ever_are_left},
        {"samples fit their schemas", samples_fit_their_schemas},
        {"what a schema makes large stays within bounds", what_a_schema_makes_large_stays_within_bounds},
        {"bounds in a description are kept", bounds_in_a_description_are_kept},
        {"a schema is found wherever it is asked for", a_schema_is_found_wherever_it_is_asked_for},
        {"structured output of Claude is served over the wire", structured_output_of_claude_is_served_over_the_wire},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_default", tests);
}
