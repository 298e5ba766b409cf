/* Cases: what the loader takes and refuses, how names expand, how calls and outcomes are judged, what a list of
 * expected failures says. */
#include "harness/case.h"
#include "harness/expand.h"
#include "harness/expected.h"
#include "harness/profile.h"
#include "harness/select.h"
#include "harness/suite.h"
#include "harness/verdict.h"

#include "unit.h"

static struct requirements requirements;
static struct cases cases;

static cJSON *parsed(const char *text)
{
    cJSON *tree = NULL;
    struct note note = {""};
    enum err e = json_parse(span_of(text), JSON_UNIQUE, &tree, &note);
    CLAIM(e == OK, "%s: %s", text, note.text);
    return tree;
}

static const char good_case[] =
    "{\"title\":\"A case for tests\",\"requirements\":[\"params.stop-string\"],\"needs\":[\"openai.chat\"],\"steps\":["
    "{\"send\":{\"dialect\":\"openai.chat\",\"stream\":true,\"body\":{}},"
    "\"upstream\":[{\"expect\":{\"body\":{\"a\":1}},\"reply\":{\"text\":\"x\",\"gates\":[{\"before_event\":1,\"name\":"
    "\"g\"}]}}],"
    "\"progress\":[{\"after\":{\"events\":1},\"open\":\"g\"}],"
    "\"receive\":{\"status\":200,\"stream\":{\"message\":{\"content\":\"x\"}}}},"
    "{\"send\":{\"dialect\":\"openai.chat\",\"body\":{}},\"alternatives\":["
    "{\"name\":\"one\",\"upstream\":[],\"receive\":{\"status\":400,\"error_shape\":true}},{\"name\":\"two\","
    "\"upstream\":[{}],\"receive\":{\"status\":200}}]}"
    "],\"mutations\":[{\"on\":\"upstream.body\",\"op\":\"remove\",\"path\":\"/"
    "a\",\"caught\":\"steps[0].upstream[0].body\"}]}";

/* As cases_add_file() does: the schema first, then what it cannot know. */
static enum err load(const cJSON *tree, struct note *note)
{
    CLEANUP(free_ptr) char *text = json_text(tree, JSON_COMPACT);
    CLEANUP(json_free) cJSON *again = NULL;
    enum err e = suite_parse(span_of(text), "x.json", "suites/case.schema.json", &again, note);
    return e == OK ? case_check(again, &requirements, cases.capabilities, note) : e;
}

static void refuses_each_mistake_with_its_place(void)
{
    static const struct {
        const char *op, *path, *value, *says;
    } rows[] = {
        {"add", "/steps/0/recieve", "{}", "receive"},
        {"add", "/steps/0/send/bdy", "{}", "body"},
        {"replace", "/requirements/0", "\"params.stop-strin\"", "did you mean params.stop-string"},
        {"replace", "/needs/0", "\"openai.chatt\"", "capabilities"},
        {"replace", "/steps/0/send/dialect", "\"openai\"", "/steps/0/send/dialect"},
        {"replace", "/steps/0/upstream/0/expect/body", "{\"$regx\":\"a\"}", "$regex"},
        {"replace", "/steps/0/upstream/0/expect/body", "{\"$regex\":\"(\"}", "/steps/0/upstream/0/expect/body"},
        {"replace", "/steps/0/receive/status", "{\"$nmu\":1}", "/steps/0/receive/status"},
        {"add", "/steps/0/receive/stream/also", "[\"role-onse\"]", "did you mean role-once"},
        {"add", "/steps/0/receive/stream/invariants", "[\"frames\"]", "knows no invariant"},
        {"replace", "/steps/0/progress/0/open", "\"h\"", "has a gate 'h'"},
        {"add", "/steps/0/progress/0/after/frames", "2", "one thing"},
        {"replace", "/mutations/0/caught", "\"steps[0].upstream[0].headers\"", "makes no check"},
        {"replace", "/mutations/0/caught", "\"steps[7].upstream[0].body\"", "makes no check"},
        {"add", "/steps/1/alternatives/1/upstream/0/reply", "{\"text\":\"y\"}", "script"},
        {"remove", "/steps/1/alternatives/0/upstream", NULL, "what goes upstream"},
        {"remove", "/steps/1/alternatives", NULL, "needs upstream"},
        {"remove", "/requirements", NULL, "requirements"},
        {"replace", "/steps", "[]", "/steps"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *tree = parsed(good_case);
        CLEANUP(json_free) cJSON *value = rows[i].value == NULL ? NULL : parsed(rows[i].value);
        struct note note = {""};
        CU_ASSERT_EQUAL(load(tree, &note), OK);
        enum err e = json_patch(&tree, rows[i].op, rows[i].path, value, &note);
        CLAIM(e == OK, "row %zu cannot be made: %s", i, note.text);
        CLAIM(load(tree, &note) != OK, "%s %s was taken", rows[i].op, rows[i].path);
        CLAIM(strstr(note.text, rows[i].says) != NULL, "%s %s says: %s", rows[i].op, rows[i].path, note.text);
    }
}

static void knows_the_checks_of_a_case(void)
{
    static const struct {
        const char *check;
        bool there;
    } rows[] = {
        {"steps[0].upstream.count", true},
        {"steps[0].upstream[0].body", true},
        {"steps[0].upstream[0].valid", true},
        {"steps[0].upstream[0].canaries", true},
        {"steps[0].upstream[0].model", false},
        {"steps[0].upstream[1].valid", false},
        {"steps[0].upstream[0].nothing", false},
        {"steps[0].receive.status", true},
        {"steps[0].receive.headers", false},
        {"steps[0].receive.stream.ends", true},
        {"steps[0].receive.stream.error", false},
        {"steps[0].receive.stream.message", true},
        {"steps[0].receive.stream.one-finish", true},
        {"steps[0].receive.stream.role-once", false},
        {"steps[0].progress[0]", true},
        {"steps[0].progress[1]", false},
        {"steps[0].disconnect", false},
        {"steps[1].alternatives", true},
        {"steps[1].alternatives.one.receive.error_shape", true},
        {"steps[1].alternatives.two.receive.error_shape", false},
        {"steps[1].alternatives.three.upstream.count", false},
        {"steps[2].upstream.count", false},
        {"steps[0]", false},
        {"steps[0].progress[0].x", false},
        {"steps[0].progress[0", false},
        {"steps[0000].progress[0", false}, /* was read beyond its end */
        {"upstream.count", false},
    };
    CLEANUP(json_free) cJSON *tree = parsed(good_case);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CLAIM(case_has_check(tree, rows[i].check) == rows[i].there, "%s", rows[i].check);
}

static void every_shipped_case_is_sound_and_named_by_its_path(void)
{
    CLAIM(cases.count >= 10, "%zu cases", cases.count);
    for (size_t i = 0; i < cases.count; i++) {
        const struct case_file *c = &cases.items[i];
        const char *dialect =
            json_str(json_member(cJSON_GetArrayItem(json_member(c->root, "steps"), 0), "send"), "dialect");
        bool own_folder = strncmp(c->id, dialect, strlen(dialect)) == 0 ||
                          strncmp(c->id, "openai", 6) == strncmp(dialect, "openai", 6);
        CLAIM(own_folder, "%s opens with the dialect %s", c->id, dialect);
        CLAIM(case_find(&cases, c->id) == c, "%s is there twice", c->id);
    }
}

static void every_shipped_profile_is_sound(void)
{
    static const char *const names[] = {"reference", "mock-direct", "generic-openai"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct profile p;
        struct note note = {""};
        CLAIM(profile_load(names[i], &p, &note) == OK, "%s: %s", names[i], note.text);
        profile_release(&p);
    }
    struct profile p;
    struct note note = {""};
    CU_ASSERT_EQUAL(profile_load("referenz", &p, &note), ERR_UNKNOWN);
    CLAIM(strstr(note.text, "generic-openai") != NULL, "%s", note.text);
    profile_release(&p);
}

static void names_expand_once_and_unknown_ones_are_refused(void)
{
    CLEANUP(json_free) cJSON *names = parsed("{\"a\":\"1\",\"b\":\"${a}\"}");
    CLEANUP(match_vars_release) struct match_vars vars = MATCH_VARS_INIT;
    CLEANUP(json_free) cJSON *kept = parsed("{\"x\":1}");
    CU_ASSERT_EQUAL(match_vars_set(&vars, "k", kept), OK);
    static const char *const rows[][2] = {{"plain", "plain"}, {"<${a}>", "<1>"},          {"${b}", "${a}"},
                                          {"$${a}", "${a}"},  {"${save.k}", "{\"x\":1}"}, {"${c}", NULL},
                                          {"${a", NULL},      {"${save.z}", NULL},        {"$a {a}", "$a {a}"}};
    struct expansion x = {names, &vars};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(256);
        struct note note = {""};
        bool good = expand_text(&x, rows[i][0], &out, &note) == OK;
        CLAIM(good == (rows[i][1] != NULL), "%s: %s", rows[i][0], note.text);
        CLAIM(!good || strcmp(buf_text(&out), rows[i][1]) == 0, "%s becomes %s", rows[i][0], buf_text(&out));
    }
}

/* ---- verdicts ---- */

/* Judges a step against journal entries of the given operations and a plain 200; the failed checks, joined with spaces.
 */
static void judged(const char *step_text, const char *entries_text, struct buf *out, struct buf *taken)
{
    CLEANUP(json_free) cJSON *step = parsed(step_text);
    CLEANUP(json_free) cJSON *entries = parsed(entries_text);
    CLEANUP(match_vars_release) struct match_vars vars = MATCH_VARS_INIT;
    struct talk_plan plan = {.dialect = dialect_named("openai.chat"), .progress_ms = 1};
    struct talk talk = {.status = 200, .body = BUF_INIT(4096)};
    http_headers_init(&talk.headers);
    buf_adds(&talk.body, "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}");
    struct judged j = {.step = step, .number = 0, .plan = &plan, .talk = &talk, .entries = entries, .vars = &vars};
    CLEANUP(findings_release) struct findings f = {0};
    judge_step(&j, &f, taken);
    for (size_t i = 0; i < f.count; i++) {
        if (!f.items[i].ok)
            buf_addf(out, "%s%s", out->len > 0 ? " " : "", f.items[i].id + strlen("steps[0]."));
        CLAIM(f.items[i].ok || (f.items[i].expected != NULL && f.items[i].observed != NULL),
              "%s does not say what it saw", f.items[i].id);
    }
    talk_release(&talk);
}

#define ENTRY(body)                                                                                                    \
    "{\"operation\":\"Converse\",\"method\":\"POST\",\"body\":\"" body                                                 \
    "\",\"valid\":true,\"canaries\":[],\"signature\":{\"verdict\":\"valid\",\"region\":\"r\"},\"headers\":[[\"X-A\","  \
    "\"1\"],[\"x-a\",\"2\"]],\"reply\":{\"status\":200}}"
#define A "{\\\"n\\\":1}"
#define B "{\\\"n\\\":2}"

static void calls_are_dealt_out_in_order_and_counted(void)
{
    static const struct {
        const char *upstream, *entries, *failed;
    } rows[] = {
        {"[]", "[]", ""},
        {"[]", "[" ENTRY(A) "]", "upstream.count"},
        {"[{}]", "[]", "upstream.count"},
        {"[{}]", "[" ENTRY(A) "]", ""},
        {"[{}]", "[" ENTRY(A) "," ENTRY(A) "]", "upstream.count"},
        {"[{\"count\":{\"min\":1,\"max\":3}}]", "[" ENTRY(A) "," ENTRY(A) "," ENTRY(A) "]", ""},
        {"[{\"count\":{\"min\":1,\"max\":2}}]", "[" ENTRY(A) "," ENTRY(A) "," ENTRY(A) "]", "upstream.count"},
        {"[{\"count\":2}]", "[" ENTRY(A) "]", "upstream.count"},
        {"[{\"count\":{\"min\":0}},{\"expect\":{\"body\":{\"n\":2}}}]", "[" ENTRY(A) "," ENTRY(A) "," ENTRY(B) "]", ""},
        {"[{\"expect\":{\"body\":{\"n\":1}}},{\"expect\":{\"body\":{\"n\":2}}}]", "[" ENTRY(B) "," ENTRY(A) "]",
         "upstream[0].body upstream[1].body"},
        {"[{\"expect\":{\"body\":{\"n\":1}},\"count\":2}]", "[" ENTRY(A) "," ENTRY(B) "]", "upstream[0].body"},
        {"[{\"expect\":{\"operation\":\"ConverseStream\",\"method\":\"POST\"}}]", "[" ENTRY(A) "]",
         "upstream[0].operation"},
        {"[{\"expect\":{\"signature\":\"expired\"}}]", "[" ENTRY(A) "]", "upstream[0].signature"},
        {"[{\"expect\":{\"signature\":{\"region\":\"r\"}}}]", "[" ENTRY(A) "]", ""},
        {"[{\"expect\":{\"headers\":{\"x-a\":\"1, 2\",\"x-b\":{\"$absent\":true}}}}]", "[" ENTRY(A) "]", ""},
        {"[{\"expect\":{\"headers\":{\"x-a\":\"1\"}}}]", "[" ENTRY(A) "]", "upstream[0].headers"},
        {"[{\"expect\":{\"body\":\"no json\"}}]", "[" ENTRY("no json") "]", ""},
        {"[{}]",
         "[{\"valid\":false,\"refusal\":{\"type\":\"V\",\"message\":\"m\"},\"canaries\":[{\"name\":\"client-key\","
         "\"where\":\"body\"}]}]",
         "upstream[0].valid upstream[0].canaries"},
        {"[{\"expect\":{\"valid\":false}}]", "[" ENTRY(A) "]", "upstream[0].valid"},
        {"[{\"expect\":{\"delivered\":{\"end\":\"peer-closed\"}}}]", "[" ENTRY(A) "]", "upstream[0].delivered"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf step = BUF_INIT(65536);
        CLEANUP(buf_release) struct buf failed = BUF_INIT(4096);
        CLEANUP(buf_release) struct buf taken = BUF_INIT(4096);
        buf_addf(&step, "{\"upstream\":%s}", rows[i].upstream);
        judged(buf_text(&step), rows[i].entries, &failed, &taken);
        CLAIM(strcmp(buf_text(&failed), rows[i].failed) == 0, "row %zu: fails '%s' instead of '%s'", i,
              buf_text(&failed), rows[i].failed);
    }
}

static void the_first_alternative_that_holds_is_taken(void)
{
    static const struct {
        const char *alternatives, *taken, *failed;
    } rows[] = {
        {"[{\"name\":\"a\",\"receive\":{\"status\":400}},{\"name\":\"b\",\"receive\":{\"status\":200}}]", "b", ""},
        {"[{\"name\":\"a\",\"receive\":{\"status\":200}},{\"name\":\"b\",\"receive\":{\"status\":200}}]", "a", ""},
        {"[{\"name\":\"a\",\"receive\":{\"status\":400,\"body\":{\"x\":1}}},{\"name\":\"b\",\"receive\":{\"status\":"
         "201}}]",
         "", "alternatives.b.receive.status alternatives"},
        {"[{\"name\":\"a\",\"upstream\":[],\"receive\":{\"status\":200}},{\"name\":\"b\",\"upstream\":[{}],\"receive\":"
         "{\"message\":{\"content\":\"x\"}}}]",
         "b", ""},
        {"[{\"name\":\"a\",\"upstream\":[{\"expect\":{\"operation\":{\"$save\":\"o\"}}}],\"receive\":{\"status\":9}},"
         "{\"name\":\"b\",\"upstream\":[{\"expect\":{\"operation\":{\"$same\":\"o\"}}}]}]",
         "", "alternatives.a.receive.status alternatives"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf step = BUF_INIT(65536);
        CLEANUP(buf_release) struct buf failed = BUF_INIT(4096);
        CLEANUP(buf_release) struct buf taken = BUF_INIT(4096);
        buf_addf(&step, "{\"alternatives\":%s}", rows[i].alternatives);
        judged(buf_text(&step), "[" ENTRY(A) "]", &failed, &taken);
        CLAIM(strcmp(buf_text(&taken), rows[i].taken) == 0, "row %zu takes '%s' instead of '%s'", i, buf_text(&taken),
              rows[i].taken);
        CLAIM(strcmp(buf_text(&failed), rows[i].failed) == 0, "row %zu: fails '%s' instead of '%s'", i,
              buf_text(&failed), rows[i].failed);
    }
}

/* ---- expected failures, selection ---- */

static void a_list_of_expected_failures_tells_news_from_the_known(void)
{
    char a[] = "steps[0].receive.body", b[] = "steps[0].upstream.count";
    struct expected x = {
        parsed("{\"profile\":\"p\",\"cases\":{\"c\":{\"checks\":[\"steps[0].receive.body\"],\"reason\":\"known\"}}}")};
    static const struct {
        const char *id;
        bool a_ok, b_ok;
        enum expected_verdict verdict;
    } rows[] = {{"c", false, true, EXPECTED_AS_LISTED},
                {"c", false, false, EXPECTED_UNEXPECTED},
                {"c", true, true, EXPECTED_STALE},
                {"c", true, false, EXPECTED_UNEXPECTED},
                {"d", false, true, EXPECTED_NONE}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct finding items[] = {{.id = a, .ok = rows[i].a_ok}, {.id = b, .ok = rows[i].b_ok}};
        struct findings f = {items, 2, (size_t)!rows[i].a_ok + (size_t)!rows[i].b_ok};
        struct note why = {""};
        CLAIM(expected_judge(&x, rows[i].id, &f, &why) == rows[i].verdict, "row %zu: %s", i, why.text);
    }
    expected_release(&x);
}

static void words_select_by_id_folder_and_glob(void)
{
    static const struct {
        const char *word, *skip;
        enum level level;
        int least; /* -1: an error */
    } rows[] = {
        {"openai.chat/params/stop", "none", LEVEL_MAY, 1},
        {"openai.chat/params", "none", LEVEL_MAY, 1},
        {"openai.chat/", "none", LEVEL_MAY, 2},
        {"*/stop", "none", LEVEL_MAY, 1},
        {"openai.chat/par", "none", LEVEL_MAY, -1},
        {"openai.chat/params/stopp", "none", LEVEL_MAY, -1},
        {"openai.chat/params/stop", "*stop", LEVEL_MAY, 0},
        {"bedrock.converse/native/disconnect", "none", LEVEL_MUST, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *word = rows[i].word, *skip = rows[i].skip;
        struct option_list words = {&word, 1}, skips = {&skip, 1}, none = {NULL, 0};
        struct selection s = {&words, &skips, &none, rows[i].level};
        size_t *picked = NULL, count = 0;
        struct note note = {""};
        enum err e = select_cases(&s, &cases, &requirements, &picked, &count, &note);
        CLAIM((e != OK) == (rows[i].least < 0), "%s: %s", word, note.text);
        CLAIM(rows[i].least < 1 ? count == 0 : count >= (size_t)rows[i].least, "%s selects %zu", word, count);
        free(picked);
    }
}

int main(void)
{
    struct note note = {""};
    if (requirements_load(&requirements, &note) != OK || cases_load(&cases, &requirements, &note) != OK) {
        (void)printf("%s\n", note.text);
        return EXIT_FAILURE;
    }
    CU_TestInfo tests[] = {
        {"refuses each mistake with its place", refuses_each_mistake_with_its_place},
        {"knows the checks of a case", knows_the_checks_of_a_case},
        {"every shipped case is sound and named by its path", every_shipped_case_is_sound_and_named_by_its_path},
        {"every shipped profile is sound", every_shipped_profile_is_sound},
        {"names expand once, and unknown ones are refused", names_expand_once_and_unknown_ones_are_refused},
        {"calls are dealt out in order and counted", calls_are_dealt_out_in_order_and_counted},
        {"the first alternative that holds is taken", the_first_alternative_that_holds_is_taken},
        {"a list of expected failures tells news from the known",
         a_list_of_expected_failures_tells_news_from_the_known},
        {"words select by id, folder and glob", words_select_by_id_folder_and_glob},
        CU_TEST_INFO_NULL,
    };
    int code = unit_main("case", tests);
    cases_release(&cases);
    requirements_release(&requirements);
    return code;
}
