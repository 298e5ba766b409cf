/* The matchers of the cases: what holds, what does not and where, and what is refused when a case is loaded. */
#include "protocol/match.h"

#include "protocol/regex.h"
#include "tree_of.h"

static const struct {
    const char *matcher, *actual; /* actual NULL: absent */
    const char *pointer;          /* NULL: it holds */
    const char *expected;         /* a part of the sentence */
} rows[] = {
    {"{\"a\":1}", "{\"b\":2,\"a\":1.0}", NULL, NULL},
    {"{\"a\":1}", "{\"a\":2}", "/a", "1"},
    {"{\"a\":{\"b\":[1,2]}}", "{\"a\":{\"b\":[1,3]}}", "/a/b/1", "2"},
    {"{\"a\":9007199254740993}", "{\"a\":9007199254740992}", "/a", "9007199254740993"},
    {"{\"a/b\":{\"c~\":true}}", "{\"a/b\":{\"c~\":false}}", "/a~1b/c~0", "true"},
    {"[1,2]", "[1,2,3]", "", "a list of 2 elements, not 3"},
    {"[1,2]", "[1]", "", "a list of 2 elements, not 1"},
    {"[]", "{}", "", "a list like []"},
    {"{}", "[]", "", "an object like {}"},
    {"{\"a\":null}", "{}", NULL, NULL},
    {"{\"a\":null}", "{\"a\":0}", "/a", "null"},
    {"\"1\"", "1", "", "\"1\""},
    {"{\"$exact\":true,\"a\":1}", "{\"a\":1}", NULL, NULL},
    {"{\"$exact\":true,\"a\":1}", "{\"a\":1,\"b\":null}", "/b", "no other member"},
    {"{\"$exact\":true}", "{}", NULL, NULL},
    {"{\"$exact\":false,\"a\":1}", "{\"a\":1,\"b\":2}", NULL, NULL},
    {"{\"a\":{\"$absent\":true}}", "{}", NULL, NULL},
    {"{\"a\":{\"$absent\":true}}", "{\"a\":null}", NULL, NULL},
    {"{\"a\":{\"$absent\":true}}", "{\"a\":0}", "/a", "no such member"},
    {"{\"a\":{\"$absent\":\"strict\"}}", "{\"a\":null}", "/a", "no such member"},
    {"{\"a\":{\"$absent\":false}}", "{\"a\":0}", NULL, NULL},
    {"{\"a\":{\"$absent\":false}}", "{\"a\":null}", "/a", "a value"},
    {"{\"a\":{\"$any\":true}}", "{\"a\":null}", NULL, NULL},
    {"{\"a\":{\"$any\":true}}", "{}", "/a", "any value"},
    {"{\"$type\":\"string\"}", "\"x\"", NULL, NULL},
    {"{\"$type\":\"integer\"}", "1.0", NULL, NULL},
    {"{\"$type\":\"integer\"}", "1.5", "", "a value of type \"integer\""},
    {"{\"$type\":[\"string\",\"null\"]}", "null", NULL, NULL},
    {"{\"$type\":[\"string\",\"null\"]}", "1", "", "a value of type [\"string\",\"null\"]"},
    {"{\"$type\":\"object\"}", NULL, "", "a value of type"},
    {"{\"$equal\":{\"a\":{\"$any\":true}}}", "{\"a\":{\"$any\":true}}", NULL, NULL},
    {"{\"$equal\":{\"a\":1}}", "{\"a\":1,\"b\":2}", "", "exactly {\"a\":1}"},
    {"{\"$regex\":\"^tooluse_[\\\\w-]{4,}$\"}", "\"tooluse_a-bc\"", NULL, NULL},
    {"{\"$regex\":\"b\"}", "\"abc\"", NULL, NULL},
    {"{\"$regex\":\"^b\"}", "\"abc\"", "", "a string matching \"^b\""},
    {"{\"$regex\":\"b\"}", "5", "", "a string matching"},
    {"{\"$prefix\":\"ab\"}", "\"abc\"", NULL, NULL},
    {"{\"$prefix\":\"b\"}", "\"abc\"", "", "a string beginning with"},
    {"{\"$suffix\":\"bc\"}", "\"abc\"", NULL, NULL},
    {"{\"$suffix\":\"abcd\"}", "\"abc\"", "", "a string ending with"},
    {"{\"$in\":[1,\"x\"]}", "\"x\"", NULL, NULL},
    {"{\"$in\":[1,\"x\"]}", "2", "", "one of [1,\"x\"]"},
    {"{\"$or\":[{\"a\":1},{\"b\":1}]}", "{\"b\":1,\"c\":1}", NULL, NULL},
    {"{\"$all\":[{\"a\":1},{\"b\":1}]}", "{\"b\":2,\"a\":1}", "/b", "1"},
    {"{\"$not\":{\"a\":1}}", "{\"a\":2}", NULL, NULL},
    {"{\"$not\":{\"a\":1}}", "{\"a\":1}", "", "anything but {\"a\":1}"},
    {"{\"$num\":{\"min\":1,\"max\":2}}", "1", NULL, NULL},
    {"{\"$num\":{\"min\":1,\"max\":2}}", "2.0", NULL, NULL},
    {"{\"$num\":{\"min\":1,\"max\":2}}", "2.0000000000000000001", "", "a number with {\"min\":1,\"max\":2}"},
    {"{\"$num\":{\"above\":1}}", "1", "", "a number with"},
    {"{\"$num\":{\"below\":1}}", "1", "", "a number with"},
    {"{\"$num\":{\"below\":1}}", "0", NULL, NULL},
    {"{\"$num\":{\"whole\":true}}", "0.5", "", "a number with"},
    {"{\"$num\":{}}", "\"1\"", "", "a number with"},
    {"{\"$approx\":0.3}", "0.30000000000000004", NULL, NULL},
    {"{\"$approx\":0.3}", "0.301", "", "a number near 0.3"},
    {"{\"$approx\":{\"value\":0.3,\"within\":0.01}}", "0.305", NULL, NULL},
    {"{\"args\":{\"$json\":{\"city\":\"Oslo\"}}}", "{\"args\":\"{ \\\"city\\\": \\\"Oslo\\\" }\"}", NULL, NULL},
    {"{\"args\":{\"$json\":{\"city\":\"Oslo\"}}}", "{\"args\":\"{\\\"city\\\":\\\"Rome\\\"}\"}", "/args/city",
     "\"Oslo\""},
    {"{\"$json\":{}}", "\"{\"", "", "a string with JSON (line 1, column 2"},
    {"{\"$json\":{}}", "{}", "", "a string with JSON like {}"},
    {"{\"$text\":\"ab\"}", "[{\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"},{\"image\":{}}]", NULL, NULL},
    {"{\"$text\":{\"$prefix\":\"a\"}}", "\"ab\"", NULL, NULL},
    {"{\"$text\":\"ab\"}", "{\"role\":\"user\",\"content\":[{\"text\":\"ax\"}]}", "", "\"ab\""},
    {"{\"$len\":2}", "\"\xC3\xA9\xE2\x82\xAC\"", NULL, NULL},
    {"{\"$len\":{\"$num\":{\"min\":1}}}", "[]", "", "not 0"},
    {"{\"$len\":1}", "{\"a\":1}", NULL, NULL},
    {"{\"$len\":1}", "1", "", "of the length 1"},
    {"{\"$unordered\":[{\"a\":1},{\"b\":1}]}", "[{\"b\":1},{\"a\":1}]", NULL, NULL},
    {"{\"$unordered\":[{\"$any\":true},1]}", "[1,2]", NULL, NULL},
    {"{\"$unordered\":[1,1]}", "[1,2]", "", "also for 1"},
    {"{\"$unordered\":[1]}", "[1,1]", "", "in any order, exactly [1]"},
    {"{\"$contains\":\"b\"}", "\"abc\"", NULL, NULL},
    {"{\"$contains\":{\"a\":1}}", "[0,{\"a\":1,\"b\":2}]", NULL, NULL},
    {"{\"$contains\":\"x\"}", "[\"xy\"]", "", "something containing \"x\""},
    {"{\"$base64\":\"foobar\"}", "\"Zm9vYmFy\"", NULL, NULL},
    {"{\"$base64\":\"foo\"}", "\"Zm9vYmFy\"", "", "\"foo\""},
    {"{\"$base64\":{\"hex\":\"00ff\"}}", "\"AP8=\"", NULL, NULL},
    {"{\"$base64\":{\"hex\":\"00fe\"}}", "\"AP8=\"", "", "base64 of the bytes"},
    {"{\"$base64\":{\"$prefix\":\"foo\"}}", "\"Zm9vYmFy\"", NULL, NULL},
    {"{\"$base64\":\"x\"}", "\"Zm9\"", "", "a base64 string of"},
    {"{\"id\":{\"$save\":\"x\"},\"ref\":{\"$same\":\"x\"}}", "{\"id\":\"a\",\"ref\":\"a\"}", NULL, NULL},
    {"{\"id\":{\"$save\":\"x\"},\"ref\":{\"$same\":\"x\"}}", "{\"id\":\"a\",\"ref\":\"b\"}", "/ref",
     "the value saved as x: \"a\""},
    {"{\"$same\":\"never\"}", "1", "", "but none was saved"},
    {"{\"$save\":{\"name\":\"n\",\"is\":{\"$type\":\"string\"}}}", "1", "", "a value of type"},
    {"{\"a\":{\"$save\":\"x\"}}", "{}", "/a", "a value to save as x"},
    {"{\"$ref\":\"#/$defs/x\"}", "{\"$ref\":\"#/$defs/x\"}", NULL, NULL},
};

static void matchers_hold_or_say_where_not(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *matcher = tree_of(rows[i].matcher);
        CLEANUP(json_free) cJSON *actual = rows[i].actual == NULL ? NULL : tree_of(rows[i].actual);
        CLEANUP(match_vars_release) struct match_vars vars = MATCH_VARS_INIT;
        struct match_failure f = {"?", "?", "?"};
        struct note note = {""};
        enum err e = match_validate(matcher, "", &note);
        CLAIM(e == OK, "%s is refused: %s", rows[i].matcher, note.text);
        bool ok = match(matcher, actual, &vars, &f);
        CLAIM(ok == (rows[i].pointer == NULL), "%s against %s", rows[i].matcher,
              rows[i].actual == NULL ? "nothing" : rows[i].actual);
        if (ok || rows[i].pointer == NULL)
            continue;
        CLAIM(strcmp(f.pointer, rows[i].pointer) == 0, "%s: at '%s' instead of '%s'", rows[i].matcher, f.pointer,
              rows[i].pointer);
        CLAIM(strstr(f.expected, rows[i].expected) != NULL, "%s: expected %s", rows[i].matcher, f.expected);
        CLAIM(match(matcher, actual, &vars, NULL) == ok, "%s: silence changes the answer", rows[i].matcher);
    }
}

static void refuses_what_no_matcher_means(void)
{
    static const char *const bad[][2] = {
        {"{\"a\":[{\"$regx\":\"x\"}]}", "/c/a/0: there is no operator $regx; did you mean $regex?"},
        {"{\"a\":{\"$zzzzzz\":1}}", "/c/a: there is no operator $zzzzzz"},
        {"{\"$any\":true,\"b\":1}", "/c: $any must be the only key of its object"},
        {"{\"$regex\":\"(\"}", "/c: the pattern ("},
        {"{\"$regex\":\"(?=x)\"}", "look-around"},
        {"{\"$regex\":1}", "/c: $regex wants a string, found 1"},
        {"{\"$type\":\"text\"}", "/c: $type wants string, number"},
        {"{\"$num\":{\"mim\":1}}", "/c/mim: nobody knows this key; did you mean \"min\"?"},
        {"{\"$num\":{\"min\":\"1\"}}", "numbers as bounds"},
        {"{\"$in\":1}", "/c: $in wants a list of matchers"},
        {"{\"$or\":[]}", "/c: $or wants a list of matchers"},
        {"{\"$not\":{\"$oops\":1}}", "/c/$not: there is no operator $oops"},
        {"{\"$all\":[1,{\"$typ\":\"x\"}]}", "/c/$all/1: there is no operator $typ; did you mean $type?"},
        {"{\"$save\":{\"name\":\"x\"}}", "/c: $save wants a name"},
        {"{\"$absent\":1}", "/c: $absent wants true"},
        {"{\"$base64\":{\"hex\":\"0\"}}", "hexadecimal"},
        {"{\"$exact\":1,\"a\":2}", "/c: $exact wants true or false"},
        {"{\"$approx\":{\"value\":1}}", "/c: $approx wants a number"},
        {"{\"$now\":{}}", "/c: $now wants {\"within_s\": seconds"},
        {"{\"$now\":{\"within_s\":-1}}", "/c: $now wants {\"within_s\": seconds"},
        {"{\"$now\":{\"within_s\":1,\"of\":2}}", "/c"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(json_free) cJSON *matcher = tree_of(bad[i][0]);
        struct note note = {""};
        enum err e = match_validate(matcher, "/c", &note);
        CLAIM(e != OK && strstr(note.text, bad[i][1]) != NULL, "%s: %s (%s)", bad[i][0], note.text, err_name(e));
    }
}

static void a_failed_alternative_saves_nothing(void)
{
    CLEANUP(json_free)
    cJSON *matcher = tree_of("{\"$or\":[{\"a\":{\"$save\":\"x\"},\"b\":2},{\"b\":{\"$save\":\"y\"}}]}");
    CLEANUP(json_free) cJSON *actual = tree_of("{\"a\":7,\"b\":1}");
    CLEANUP(match_vars_release) struct match_vars vars = MATCH_VARS_INIT;
    CU_ASSERT(match(matcher, actual, &vars, NULL));
    CU_ASSERT_PTR_NULL(match_vars_get(&vars, "x"));
    CU_ASSERT_PTR_NOT_NULL(match_vars_get(&vars, "y"));
    CLEANUP(json_free) cJSON *paired = tree_of("{\"$unordered\":[{\"$save\":\"p\"},1]}");
    CLEANUP(json_free) cJSON *list = tree_of("[1,2]");
    CU_ASSERT(match(paired, list, &vars, NULL));
    CU_ASSERT(match_vars_get(&vars, "p") != NULL && match_vars_get(&vars, "p")->valuedouble > 1.5);
}

static void long_values_are_abbreviated_around_the_difference(void)
{
    char a[3000], b[3000];
    memset(a, 'x', sizeof a - 1);
    a[sizeof a - 1] = '\0';
    memcpy(b, a, sizeof b);
    b[2500] = 'Y';
    CLEANUP(json_free) cJSON *matcher = cJSON_CreateString(a);
    CLEANUP(json_free) cJSON *actual = cJSON_CreateString(b);
    struct match_failure f;
    CU_ASSERT_FALSE(match(matcher, actual, NULL, &f));
    CU_ASSERT_PTR_NOT_NULL(strstr(f.expected, "the first difference after 2500 characters"));
    CU_ASSERT_PTR_NOT_NULL(strchr(f.observed, 'Y'));
    CLEANUP(json_free) cJSON *number = tree_of("5");
    CU_ASSERT_FALSE(match(number, actual, NULL, &f));
    CU_ASSERT_PTR_NOT_NULL(strstr(f.observed, "(2999 characters)"));
}

static void patterns_mean_what_they_mean_in_ecma(void)
{
    static const struct {
        const char *pattern, *text;
        int flags;
        bool holds;
    } patterns[] = {
        {"a.c",
         "a\xE2\x82\xAC"
         "c",
         REGEX_WHOLE, true},
        {"a.c", "a\nc", REGEX_WHOLE, false},
        {"[\\s\\S]*", "a\n\xC3\xA9", REGEX_WHOLE, true},
        {"^.{2}$", "\xC3\xA9\xC3\xA9", 0, true},
        {"[^:]{2}", "\xC3\xA9x", REGEX_WHOLE, true},
        {"[^:]{2}", "\xC3\xA9", REGEX_WHOLE, false},
        {"\\d+(?:\\.\\d+)?", "10.5", REGEX_WHOLE, true},
        {"a|b", "xa", REGEX_WHOLE, false},
        {"a|b", "xa", 0, true},
        {"(|x)y", "y", REGEX_WHOLE, true},
        {"[]", "", 0, false},
        {"a+?b", "aab", REGEX_WHOLE, true},
        {"[a\\]^-]+", "]^-a", REGEX_WHOLE, true},
        {"x[\\^-]+", "x-^", REGEX_WHOLE, true},
        {"(?i)ABC", "xabcx", 0, true},
        {"\\bfoo\\b", "a foo b", 0, true},
        {"\\bfoo\\b", "afoob", 0, false},
        {"\\u20ac", "\xE2\x82\xAC", REGEX_WHOLE, true},
        {"[\xC3\xA9z]x", "\xC3\xA9x", REGEX_WHOLE, true},
        {"[\xC3\xA9z]x", "\xC3\xA8x", REGEX_WHOLE, false},
        {"\\{\\}", "{}", REGEX_WHOLE, true},
        {"{\"a\"}", "{\"a\"}", REGEX_WHOLE, true},
        {"[0-9]{2,3}", "1", REGEX_WHOLE, false},
        {"[0-9]{2,3}", "1234", REGEX_WHOLE, false},
        {"[0-9]{2,}", "1234", REGEX_WHOLE, true},
        {"[0-9]?", "", REGEX_WHOLE, true},
        {"[0-9]", "12", REGEX_WHOLE, false},
        {"\\w\\W\\S\\D", "a-bc", REGEX_WHOLE, true},
        {"\\P{C}*", "ab\x01", REGEX_WHOLE, false},
        {"[\\p{L}]+", "\xC3\xA9z", REGEX_WHOLE, true},
        {"\xC3\xA9*x", "x", REGEX_WHOLE, true}, /* a character repeats as a whole */
        {"\xC3\xA9?x", "\xC3x", REGEX_WHOLE, false},
        {"(a)\xC3\xA9{2}$", "a\xC3\xA9\xC3\xA9", REGEX_WHOLE, true},
        {"\\u00e9+", "\xC3\xA9\xC3\xA9", REGEX_WHOLE, true},
        {"[.]x", "ax", REGEX_WHOLE, false},
        {"a\\.b", "axb", REGEX_WHOLE, false},
        {"[\\d-x]+", "1-x", REGEX_WHOLE, true},
    };
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        struct note note = {""};
        const struct regex *r = regex_get(patterns[i].pattern, patterns[i].flags, &note);
        if (strcmp(patterns[i].pattern, "[]") == 0) {
            CU_ASSERT_PTR_NULL(r);
            continue;
        }
        CLAIM(r != NULL && regex_matches(r, patterns[i].text) == patterns[i].holds, "%s against %s %s",
              patterns[i].pattern, patterns[i].text, note.text);
        CLAIM(r == regex_get(patterns[i].pattern, patterns[i].flags, NULL), "%s is compiled twice",
              patterns[i].pattern);
    }
    static const char *const refused[] = {"(?<n>a)",
                                          "(?!a)",
                                          "(a)\\1",
                                          "[b-a]",
                                          "a\\",
                                          "[a",
                                          "a)(",
                                          "\\u12",
                                          "\\p{Xyz}",
                                          "(a{1000}){1000}",
                                          "((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+",
                                          "a{99999}",
                                          "x)",
                                          "*a("};
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        CLAIM(regex_get(refused[i], REGEX_SEARCH, NULL) == NULL, "%s is understood", refused[i]);
}

static void now_is_the_clock_in_whole_seconds(void)
{
    CLEANUP(json_free) cJSON *matcher = tree_of("{\"$now\":{\"within_s\":60}}");
    const int64_t clock_s = wall_ns() / 1000000000;
    const struct {
        int64_t value;
        bool holds;
    } times[] = {{clock_s, true},
                 {clock_s - 50, true},
                 {clock_s + 50, true},
                 {clock_s - 70, false},
                 {clock_s + 70, false},
                 {clock_s * 1000, false},
                 {0, false}};
    CU_ASSERT_EQUAL(match_validate(matcher, "/c", NULL), OK);
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        CLEANUP(json_free) cJSON *actual = json_new_int(times[i].value);
        CLAIM(match(matcher, actual, NULL, NULL) == times[i].holds, "%lld", (long long)times[i].value);
    }
    char text[64];
    (void)snprintf(text, sizeof text, "%lld.5", (long long)clock_s);
    CLEANUP(json_free) cJSON *fraction = tree_of(text);
    CLEANUP(json_free) cJSON *string = cJSON_CreateString("now");
    CU_ASSERT_FALSE(match(matcher, fraction, NULL, NULL));
    CU_ASSERT_FALSE(match(matcher, string, NULL, NULL));
    CU_ASSERT_FALSE(match(matcher, NULL, NULL, NULL));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"matchers hold or say where not", matchers_hold_or_say_where_not},
        {"refuses what no matcher means", refuses_what_no_matcher_means},
        {"now is the clock in whole seconds", now_is_the_clock_in_whole_seconds},
        {"a failed alternative saves nothing", a_failed_alternative_saves_nothing},
        {"long values are abbreviated around the difference", long_values_are_abbreviated_around_the_difference},
        {"patterns mean what they mean in ECMA", patterns_mean_what_they_mean_in_ecma},
        CU_TEST_INFO_NULL,
    };
    return unit_main("match", tests);
}
