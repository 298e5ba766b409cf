/* JSON: what is refused and where, what is kept (digits, U+0000, order), pointers, patches, and running out of memory.
 */
#include "protocol/json.h"

#include "tree_of.h"

static void keeps_what_it_reads(void)
{
    static const char *const rows[] = {
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "0",
        "-0",
        "9007199254740993",
        "1e400",
        "0.1000",
        "-1.5E+10",
        "123456789012345678901234567890",
        "\"\"",
        "\"a\\u0000b\"",
        "\"\\\"\\\\\\b\\f\\n\\r\\t\\u001f\x7f\"",
        "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",
        "{\"z\":1,\"a\":[{\"\":null},[[]]],\"m\":{\"k\":\"v\"}}",
        "\"\\u0000\"",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *t = tree_of(rows[i]);
        CLEANUP(free_ptr) char *text = json_text(t, JSON_COMPACT);
        CLAIM(t != NULL && strcmp(text, rows[i]) == 0, "%s came back as %s", rows[i], text);
        CLEANUP(json_free) cJSON *copy = cJSON_Duplicate(t, true);
        CLEANUP(free_ptr) char *again = json_text(copy, JSON_COMPACT);
        CLAIM(strcmp(again, rows[i]) == 0, "the copy of %s is %s", rows[i], again);
    }
}

static void refuses_what_is_not_json_and_says_where(void)
{
    static const struct {
        const char *text, *where;
        enum err e;
    } rows[] = {
        {"", "line 1, column 1: expected a value, found the end of the text", ERR_TRUNCATED},
        {"{\"a\":1,\n \"b\" 2}", "line 2, column 6: expected a colon", ERR_SYNTAX},
        {"[1,]", "line 1, column 4: expected a value", ERR_SYNTAX},
        {"[1 2]", "line 1, column 4: expected a comma", ERR_SYNTAX},
        {"{\"a\":1,}", "line 1, column 8: expected a member name", ERR_SYNTAX},
        {"{a:1}", "line 1, column 2: expected a member name", ERR_SYNTAX},
        {"01", "column 2: a number cannot", ERR_SYNTAX},
        {"-", "column 2: expected a digit, found the end", ERR_TRUNCATED},
        {"+1", "column 1: expected a value", ERR_SYNTAX},
        {".5", "column 1: expected a value", ERR_SYNTAX},
        {"1.", "column 3: expected a digit after the point", ERR_TRUNCATED},
        {"1e", "column 3: expected a digit in the exponent", ERR_TRUNCATED},
        {"NaN", "column 1: expected a value", ERR_SYNTAX},
        {"tru", "column 1: expected a value", ERR_SYNTAX},
        {"nullx", "column 5: expected nothing more", ERR_SYNTAX},
        {"{} {}", "column 4: expected nothing more", ERR_SYNTAX},
        {"\"a", "column 3: expected the closing quote", ERR_TRUNCATED},
        {"\"a\\", "expected the closing quote", ERR_TRUNCATED},
        {"\"a\nb\"", "column 3: control characters", ERR_SYNTAX},
        {"\"\\x\"", "column 2: expected one of the escapes", ERR_SYNTAX},
        {"\"\\u12g4\"", "column 2: expected four hex", ERR_SYNTAX},
        {"\"\\u12\"", "column 2: expected four hex", ERR_SYNTAX},
        {"\"\\ud800\"", "column 2: a surrogate", ERR_SYNTAX},
        {"\"\\udc00\\udc00\"", "column 2: a surrogate", ERR_SYNTAX},
        {"\"\\udc00\\ud800\"", "column 2: a surrogate", ERR_SYNTAX},
        {"\"\\ud800\\u0041\"", "column 2: a surrogate", ERR_SYNTAX},
        {"\"\xC3\xA9\xC0\x80\"", "column 3: expected UTF-8", ERR_SYNTAX},
        {"\"\xED\xA0\x80\"", "expected UTF-8", ERR_SYNTAX},
        {"\"\xF4\x90\x80\x80\"", "expected UTF-8", ERR_SYNTAX},
        {"\"\xE2\x82\"", "expected UTF-8", ERR_SYNTAX},
        {"\"\xFF\"", "expected UTF-8", ERR_SYNTAX},
        {"\xEF\xBB\xBF{}", "column 1: expected a value", ERR_SYNTAX},
        {"// c\n{}", "column 1: expected a value", ERR_SYNTAX},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct note note = {""};
        cJSON *t = NULL;
        enum err e = json_parse(span_of(rows[i].text), 0, &t, &note);
        CLAIM(e == rows[i].e && t == NULL, "%s gives %s", rows[i].text, err_name(e));
        CLAIM(strstr(note.text, rows[i].where) != NULL, "%s: %s", rows[i].text, note.text);
    }
}

static void a_nul_byte_is_not_json(void)
{
    static const unsigned char bytes[] = {'"', 'a', 0, '"'};
    cJSON *t = NULL;
    CU_ASSERT_EQUAL(json_parse((struct span){bytes, sizeof bytes}, 0, &t, NULL), ERR_SYNTAX);
    static const unsigned char behind[] = {'1', 0};
    CU_ASSERT_EQUAL(json_parse((struct span){behind, sizeof behind}, 0, &t, NULL), ERR_SYNTAX);
    static const unsigned char escape[] = {'"', '\\', 0, '"'};
    CU_ASSERT_EQUAL(json_parse((struct span){escape, sizeof escape}, 0, &t, NULL), ERR_SYNTAX);
}

static void depth_has_a_ceiling(void)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(4096);
    cJSON *t = NULL;
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        buf_addc(&b, '[');
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        buf_addc(&b, ']');
    CU_ASSERT_EQUAL(json_parse(buf_span(&b), 0, &t, NULL), OK);
    json_free(&t);
    buf_addc(&b, ']');
    CLEANUP(buf_release) struct buf deeper = BUF_INIT(4096);
    buf_addf(&deeper, "[%s", buf_text(&b));
    CU_ASSERT_EQUAL(json_parse(buf_span(&deeper), 0, &t, NULL), ERR_LIMIT);
}

static void of_repeated_members_the_last_wins(void)
{
    CLEANUP(json_free) cJSON *t = tree_of("{\"a\":1,\"b\":2,\"a\":3,\"a\":4}");
    CLEANUP(free_ptr) char *text = json_text(t, 0);
    CU_ASSERT_STRING_EQUAL(text, "{\"b\":2,\"a\":4}");
    cJSON *refused = NULL;
    struct note note;
    CU_ASSERT_EQUAL(json_parse(span_of("{\"a\":1,\"b\":2,\"a\":3}"), JSON_UNIQUE, &refused, &note), ERR_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "\"a\""));

    CLEANUP(buf_release) struct buf many = BUF_INIT(1 << 20);
    buf_addc(&many, '{');
    for (int i = 0; i < 3000; i++)
        buf_addf(&many, "\"k%d\":%d,", i % 1000, i);
    buf_adds(&many, "\"z\":0}");
    CLEANUP(json_free) cJSON *big = NULL;
    CU_ASSERT_EQUAL(json_parse(buf_span(&many), 0, &big, NULL), OK);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(big), 1001);
    int64_t v = 0;
    CU_ASSERT(json_int64(json_member(big, "k7"), &v) && v == 2007);
    CU_ASSERT_EQUAL(json_parse(buf_span(&many), JSON_UNIQUE, &refused, NULL), ERR_INVALID);
}

static void prints_sorted_pretty_and_ascii(void)
{
    CLEANUP(json_free)
    cJSON *t = tree_of("{\"b\":[{\"d\":1,\"c\":\"\\u00e9\\ud83d\\ude00\\u007f\"}],\"a\":{},\"B\":[]}");
    CLEANUP(free_ptr) char *sorted = json_text(t, JSON_SORTED | JSON_ASCII);
    CU_ASSERT_STRING_EQUAL(sorted, "{\"B\":[],\"a\":{},\"b\":[{\"c\":\"\\u00e9\\ud83d\\ude00\x7f\",\"d\":1}]}");
    CLEANUP(free_ptr) char *pretty = json_text(t, JSON_PRETTY);
    CU_ASSERT_STRING_EQUAL(
        pretty, "{\n  \"b\": [\n    {\n      \"d\": 1,\n      \"c\": \"\xC3\xA9\xF0\x9F\x98\x80\x7f\"\n    }\n  ],\n"
                "  \"a\": {},\n  \"B\": []\n}");
    CLEANUP(buf_release) struct buf b = BUF_INIT(4);
    json_print(t, 0, &b);
    CU_ASSERT_EQUAL(buf_error(&b), ERR_LIMIT);
    CLEANUP(free_ptr) char *none = json_text(NULL, 0);
    CU_ASSERT_STRING_EQUAL(none, "null");
}

static void prints_computed_numbers_so_that_they_read_back(void)
{
    static const double rows[] = {0, 1, -1, 0.1, 1.0 / 3, 1e300, 5e-324, 123456789.125, 4503599627370497.5};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *n = cJSON_CreateNumber(rows[i]);
        CLEANUP(free_ptr) char *text = json_text(n, 0);
        CLAIM(memcmp(&(double){strtod(text, NULL)}, &rows[i], sizeof rows[i]) == 0, "%.17g printed as %s", rows[i],
              text);
    }
}

static void bad_bytes_never_leave_as_json(void)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(64);
    json_quote(span_of("a\xFF\xC3z"), &b);
    CU_ASSERT_STRING_EQUAL(buf_text(&b), "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\"");
}

/* Text is walked by words of eight bytes: whatever ends a run must be seen at each place of a word, and nothing else.
 */
static void every_byte_is_seen_wherever_it_stands(void)
{
    for (unsigned c = 1; c < 0x100; c++) {
        for (size_t at = 0; at < 20; at++) {
            unsigned char text[24];
            memset(text, 'a', 20);
            text[at] = (unsigned char)c;
            CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
            CLEANUP(json_free) cJSON *tree = NULL;
            json_quote((struct span){text, 20}, &out);
            bool as_it_is = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
            CLAIM((out.len == 22) == as_it_is, "byte %02x at %zu printed as %s", c, at, buf_text(&out));
            CLAIM(json_parse(buf_span(&out), 0, &tree, NULL) == OK, "byte %02x at %zu does not read back", c, at);
            const char *back = tree == NULL ? "" : tree->valuestring;
            CLAIM(c < 0x80 ? strlen(back) == 20 && memcmp(back, text, 20) == 0 : strlen(back) == 22,
                  "byte %02x at %zu reads back as %s", c, at, back);
            CLEANUP(json_free) cJSON *raw = NULL;
            CLEANUP(buf_release) struct buf quoted = BUF_INIT(BUF_ANY);
            buf_addc(&quoted, '"');
            buf_add(&quoted, (struct span){text, 20});
            buf_addc(&quoted, '"');
            CLAIM((json_parse(buf_span(&quoted), 0, &raw, NULL) == OK) == as_it_is, "byte %02x at %zu, raw", c, at);
        }
    }
}

static void numbers_compare_by_their_digits(void)
{
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        {"1", "1.0", 0},
        {"1", "1e0", 0},
        {"100", "1e2", 0},
        {"0.001", "1E-3", 0},
        {"0", "-0.0e9", 0},
        {"0", "0e999999999999", 0},
        {"9007199254740993", "9007199254740992", 1},
        {"-9007199254740993", "-9007199254740992", -1},
        {"2", "10", -1},
        {"-2", "-10", 1},
        {"-1", "0", -1},
        {"0", "1", -1},
        {"0.1", "0.10000000000000000001", -1},
        {"1e999999", "1e999998", 1},
        {"12.5", "12.49999", 1},
        {"0.05", "0.5", -1},
        {"10.0", "1.00e1", 0},
        {"1e-7", "0.0000001", 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *a = tree_of(rows[i].a);
        CLEANUP(json_free) cJSON *b = tree_of(rows[i].b);
        CLAIM(json_number_compare(a, b) == rows[i].order, "%s against %s", rows[i].a, rows[i].b);
        CLAIM(json_number_compare(b, a) == -rows[i].order, "%s against %s", rows[i].b, rows[i].a);
    }
}

static void reads_whole_numbers_within_64_bits(void)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t v;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"1.5", false, 0},
        {"1.0", true, 1},
        {"1e3", true, 1000},
        {"1.25e2", true, 125},
        {"1.255e2", false, 0},
        {"1e-1", false, 0},
        {"10e-1", true, 1},
        {"1e19", false, 0},
        {"\"1\"", false, 0},
        {"0.0001e4", true, 1},
        {"99999999999999999999", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *n = tree_of(rows[i].text);
        int64_t v = -77;
        bool ok = json_int64(n, &v);
        CLAIM(ok == rows[i].ok && (!ok || v == rows[i].v), "%s", rows[i].text);
    }
}

static void pointers_agree_with_rfc_6901_section_5(void)
{
    CLEANUP(json_free)
    cJSON *t = tree_of("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
                       "\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8}");
    static const char *const rows[][2] = {{"/foo/0", "\"bar\""}, {"/", "0"},     {"/a~1b", "1"},
                                          {"/c%d", "2"},         {"/i\\j", "5"}, {"/k\"l", "6"},
                                          {"/ ", "7"},           {"/m~0n", "8"}, {"/foo", "[\"bar\",\"baz\"]"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(free_ptr) char *text = json_text(json_at(t, rows[i][0]), 0);
        CLAIM(strcmp(text, rows[i][1]) == 0, "%s is %s", rows[i][0], text);
    }
    static const char *const nowhere[] = {"foo",  "/foo/2", "/foo/-", "/foo/01", "/foo/0/x",
                                          "/m~n", "/m~2n",  "/fo",    "/foo0",   "/foo/"};
    for (size_t i = 0; i < COUNT_OF(nowhere); i++)
        CLAIM(json_at(t, nowhere[i]) == NULL, "%s found something", nowhere[i]);
    CU_ASSERT_PTR_EQUAL(json_at(t, ""), t);
    CLEANUP(buf_release) struct buf p = BUF_INIT(64);
    json_pointer_add(&p, "a/b~c");
    json_pointer_add_index(&p, 3);
    CU_ASSERT_STRING_EQUAL(buf_text(&p), "/a~1b~0c/3");
}

static void getters_name_what_they_wanted(void)
{
    CLEANUP(json_free) cJSON *t = tree_of("{\"s\":\"x\",\"i\":3,\"f\":1.5,\"b\":true,\"n\":null,\"o\":{},\"l\":[]}");
    struct note note;
    const char *s = "before";
    int64_t i = 7;
    bool b = false;
    cJSON *o = NULL;
    CU_ASSERT(json_get_string(t, "s", "/t", &s, &note) == OK && strcmp(s, "x") == 0);
    CU_ASSERT(json_opt_string(t, "n", "/t", &s, &note) == OK && strcmp(s, "x") == 0);
    CU_ASSERT(json_get_int(t, "i", "/t", &i, &note) == OK && i == 3);
    CU_ASSERT(json_opt_bool(t, "b", "/t", &b, &note) == OK && b);
    CU_ASSERT(json_opt_object(t, "o", "/t", &o, &note) == OK && cJSON_IsObject(o));
    CU_ASSERT(json_opt_array(t, "l", "/t", &o, &note) == OK && cJSON_IsArray(o));
    CU_ASSERT_EQUAL(json_get_array(t, "n", "/t", &o, &note), ERR_INVALID);
    CU_ASSERT_STRING_EQUAL(note.text, "/t/n: expected an array, found absent");
    CU_ASSERT_EQUAL(json_opt_string(t, "o", "/t", &s, &note), ERR_INVALID);
    CU_ASSERT_STRING_EQUAL(note.text, "/t/o: expected a string, found object");
    CU_ASSERT_EQUAL(json_get_int(t, "f", "/t", &i, &note), ERR_INVALID);
    CU_ASSERT_STRING_EQUAL(note.text, "/t/f: expected a whole number within 64 bits, found 1.5");
    static const char *const known[] = {"s", "i", "f", "b", "n", "o", "list"};
    CU_ASSERT_EQUAL(json_only_keys(t, known, COUNT_OF(known), "/t", &note), ERR_UNKNOWN);
    CU_ASSERT_STRING_EQUAL(note.text, "/t/l: nobody knows this key; known: s, i, f, b, n, o, list");
    CLEANUP(json_free) cJSON *typo = tree_of("{\"lisst\":1}");
    CU_ASSERT_EQUAL(json_only_keys(typo, known, COUNT_OF(known), "", &note), ERR_UNKNOWN);
    CU_ASSERT_STRING_EQUAL(note.text, "/lisst: nobody knows this key; did you mean \"list\"?");
}

static void builders_keep_digits_and_replace(void)
{
    CLEANUP(json_free) cJSON *t = cJSON_CreateObject();
    CU_ASSERT_PTR_NOT_NULL(json_set_int(t, "n", INT64_MAX));
    CU_ASSERT_PTR_NOT_NULL(json_set_string(t, "s", "x"));
    CU_ASSERT_PTR_NOT_NULL(json_set(t, "n", json_new_literal("1.50")));
    CLEANUP(free_ptr) char *text = json_text(t, 0);
    CU_ASSERT_STRING_EQUAL(text, "{\"n\":1.50,\"s\":\"x\"}");
}

static void equality_ignores_member_order_only(void)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"{\"a\":1,\"b\":[1,2]}", "{\"b\":[1.0,2],\"a\":1e0}", true},
        {"[1,2]", "[2,1]", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
        {"{\"a\":1,\"b\":1}", "{\"a\":1,\"c\":1}", false},
        {"null", "false", false},
        {"\"1\"", "1", false},
        {"[]", "{}", false},
        {"true", "true", true},
        {"9007199254740993", "9007199254740992", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *a = tree_of(rows[i].a);
        CLEANUP(json_free) cJSON *b = tree_of(rows[i].b);
        CLAIM(json_equal(a, b) == rows[i].equal && json_equal(b, a) == rows[i].equal, "%s and %s", rows[i].a,
              rows[i].b);
    }
}

static void patches_agree_with_rfc_6902(void)
{
    static const struct {
        const char *doc, *op, *at, *value, *result; /* result NULL: refused */
    } rows[] = {
        {"{\"foo\":\"bar\"}", "add", "/baz", "\"qux\"", "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
        {"{\"foo\":[1,3]}", "add", "/foo/1", "2", "{\"foo\":[1,2,3]}"},
        {"{\"foo\":[2,3]}", "add", "/foo/0", "1", "{\"foo\":[1,2,3]}"},
        {"{\"foo\":[1]}", "add", "/foo/-", "[2]", "{\"foo\":[1,[2]]}"},
        {"{\"foo\":[1]}", "add", "/foo/1", "2", "{\"foo\":[1,2]}"},
        {"{\"foo\":[1]}", "add", "/foo/2", "2", NULL},
        {"{\"a\":1}", "add", "/a", "2", "{\"a\":2}"},
        {"{\"a\":1}", "add", "/b/c", "2", NULL},
        {"{\"a\":1}", "add", "/a/c", "2", NULL},
        {"{\"a\":1,\"b\":2}", "remove", "/a", NULL, "{\"b\":2}"},
        {"{\"a\":[1,2,3]}", "remove", "/a/2", NULL, "{\"a\":[1,2]}"},
        {"{\"a\":1}", "remove", "/x", NULL, NULL},
        {"{\"a\":1}", "replace", "/a", "{\"b\":null}", "{\"a\":{\"b\":null}}"},
        {"{\"a\":[1,2]}", "replace", "/a/0", "9", "{\"a\":[9,2]}"},
        {"{\"a\":1}", "replace", "/x", "1", NULL},
        {"{\"a\":1}", "replace", "", "[]", "[]"},
        {"{\"a\":1}", "move", "/a", "1", NULL},
        {"{\"a/b\":1}", "replace", "/a~1b", "2", "{\"a/b\":2}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *doc = tree_of(rows[i].doc);
        CLEANUP(json_free) cJSON *value = rows[i].value == NULL ? NULL : tree_of(rows[i].value);
        struct note note;
        enum err e = json_patch(&doc, rows[i].op, rows[i].at, value, &note);
        CLEANUP(free_ptr) char *text = json_text(doc, 0);
        const char *expected = rows[i].result == NULL ? rows[i].doc : rows[i].result;
        CLAIM((e == OK) == (rows[i].result != NULL) && strcmp(text, expected) == 0, "%s %s of %s gives %s", rows[i].op,
              rows[i].at, rows[i].doc, text);
    }
}

static int allocations_left;

static void *rationed_malloc(size_t n)
{
    return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void running_out_of_memory_leaks_nothing(void)
{
    cJSON_Hooks rationed = {rationed_malloc, free};
    int failed = 0;
    for (int budget = 0; budget < 40; budget++) {
        cJSON *t = NULL;
        allocations_left = budget;
        cJSON_InitHooks(&rationed);
        enum err e = json_parse(span_of("{\"a\":[1,2,{\"b\":\"\\n\"}],\"c\":{\"d\":null}}"), 0, &t, NULL);
        cJSON_InitHooks(NULL);
        CLAIM((e == OK) == (t != NULL) && (e == OK || e == ERR_NOMEM), "with %d allocations: %s", budget, err_name(e));
        failed += e != OK;
        json_free(&t);
    }
    CLAIM(failed > 5 && failed < 40, "%d of 40 runs failed", failed);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"keeps what it reads", keeps_what_it_reads},
        {"refuses what is not JSON and says where", refuses_what_is_not_json_and_says_where},
        {"a NUL byte is not JSON", a_nul_byte_is_not_json},
        {"depth has a ceiling", depth_has_a_ceiling},
        {"of repeated members the last wins", of_repeated_members_the_last_wins},
        {"prints sorted, pretty and ASCII", prints_sorted_pretty_and_ascii},
        {"prints computed numbers so that they read back", prints_computed_numbers_so_that_they_read_back},
        {"bad bytes never leave as JSON", bad_bytes_never_leave_as_json},
        {"every byte is seen wherever it stands", every_byte_is_seen_wherever_it_stands},
        {"numbers compare by their digits", numbers_compare_by_their_digits},
        {"reads whole numbers within 64 bits", reads_whole_numbers_within_64_bits},
        {"pointers agree with RFC 6901 section 5", pointers_agree_with_rfc_6901_section_5},
        {"getters name what they wanted", getters_name_what_they_wanted},
        {"builders keep digits and replace", builders_keep_digits_and_replace},
        {"equality ignores member order only", equality_ignores_member_order_only},
        {"patches agree with RFC 6902", patches_agree_with_rfc_6902},
        {"running out of memory leaks nothing", running_out_of_memory_leaks_nothing},
        CU_TEST_INFO_NULL,
    };
    return unit_main("json", tests);
}
