/* Memory that runs out: each act is played again and again, with its first allocation refused, its second, ... once
 * with that one alone, once with all behind it too. It must then say so, or still be right; it must not crash, and
 * everything that it took must be given back. What an act allocates for good (compiled patterns) it has before.
 */
#include "failing_alloc.h"

#include "gateway/chat.h"
#include "harness/dialect.h"
#include "harness/expand.h"
#include "mock/script/script.h"
#include "net/plan.h"
#include "protocol/eventstream.h"
#include "protocol/json.h"
#include "protocol/match.h"
#include "protocol/price.h"
#include "protocol/regex.h"
#include "protocol/schema.h"
#include "protocol/shape.h"
#include "protocol/sigv4.h"
#include "protocol/sse.h"
#include "unit.h"

enum { ALLOCATIONS_MAX = 100000 };

enum outcome { RIGHT, REFUSED, WRONG };

static enum err last_error; /* for the sentence when it is wrong */

static enum outcome outcome_of(enum err e, bool right)
{
    last_error = e;
    return e == ERR_NOMEM ? REFUSED : e == OK && right ? RIGHT : WRONG;
}

/* The n-th allocation fails, for n = 1, 2, ... until the act needs fewer. `thin`: beyond the first hundred, n grows by
 * that many percent. */
static void starve(const char *name, enum outcome (*act)(void), bool for_good, unsigned thin)
{
    size_t n = 0;
    for (bool failed = true; failed && n < ALLOCATIONS_MAX;) {
        n += 1 + (n < 100 ? 0 : n * thin / 100);
        long before = alloc_live();
        alloc_fail_at(n, for_good);
        enum outcome outcome = act();
        failed = alloc_calm();
        CLAIM(failed ? outcome != WRONG : outcome == RIGHT, "%s: wrong (%s) when allocation %zu fails%s", name,
              err_name(last_error), n, for_good ? " and all behind it" : "");
        CLAIM(alloc_live() == before, "%s: %ld blocks are lost when allocation %zu fails%s", name,
              alloc_live() - before, n, for_good ? " and all behind it" : "");
    }
    CLAIM(n > 1 && n < ALLOCATIONS_MAX, "%s: %zu allocations", name, n);
}

/* Rows of acts; each is warmed up first. */
struct act {
    const char *name;
    enum outcome (*act)(void);
    unsigned thin;
};

static void starve_all(const struct act *rows, size_t count)
{
    alloc_watch();
    for (size_t i = 0; i < count; i++) {
        CLAIM(rows[i].act() == RIGHT, "%s: wrong with memory", rows[i].name);
        starve(rows[i].name, rows[i].act, false, rows[i].thin);
        starve(rows[i].name, rows[i].act, true, rows[i].thin);
    }
}

static cJSON *parse(const char *text)
{
    cJSON *tree = NULL;
    if (json_parse(span_of(text), JSON_UNIQUE, &tree, NULL) != OK)
        return NULL;
    return tree;
}

/* ---- JSON ---- */

#define DOCUMENT "{\"a\":[1,2.50,{\"b\":\"\\u00e4\\ud83d\\ude00\"},[[]],null,true],\"n\":9007199254740993,\"s\":\"x\\u0000y\"}"

static enum outcome parses_and_prints(void)
{
    CLEANUP(json_free) cJSON *tree = NULL, *again = NULL;
    struct note note;
    enum err e = json_parse(span_of(DOCUMENT), JSON_UNIQUE, &tree, &note);
    if (e != OK)
        return tree == NULL ? outcome_of(e, false) : WRONG;
    CLEANUP(free_ptr) char *text = json_text(tree, JSON_SORTED | JSON_ASCII);
    if (text == NULL)
        return REFUSED;
    e = json_parse(span_of(text), JSON_UNIQUE, &again, &note);
    return outcome_of(e, strcmp(text, DOCUMENT) == 0);
}

static enum outcome patches(void)
{
    CLEANUP(json_free) cJSON *tree = parse(DOCUMENT), *value = parse("{\"deep\":[1,\"t\"]}");
    CLEANUP(json_free) cJSON *want = parse("{\"a\":[{\"deep\":[1,\"t\"]},1,2.5,{\"b\":{\"deep\":[1,\"t\"]}},[[]],null,true],\"n\":1}");
    if (tree == NULL || value == NULL || want == NULL)
        return REFUSED;
    enum err e = json_patch(&tree, "add", "/a/0", value, NULL);
    if (e == OK)
        e = json_patch(&tree, "replace", "/a/3/b", value, NULL);
    if (e == OK)
        e = json_patch(&tree, "remove", "/s", NULL, NULL);
    if (e == OK && json_set_int(tree, "n", 1) == NULL)
        e = ERR_NOMEM;
    if (e != OK)
        return outcome_of(e, false);
    CLEANUP(free_ptr) char *a = json_text(tree, JSON_SORTED), *b = json_text(want, JSON_SORTED);
    return a == NULL || b == NULL ? REFUSED : outcome_of(OK, json_equal(tree, want));
}

static enum outcome holds_to_a_schema(void)
{
    CLEANUP(json_free) cJSON *schema = parse("{\"type\":\"object\",\"required\":[\"id\"],\"additionalProperties\":false,"
                                             "\"properties\":{\"id\":{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"},"
                                             "\"list\":{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"anyOf\":["
                                             "{\"type\":\"integer\",\"minimum\":1},{\"const\":{\"a\":1}}]}}}}");
    CLEANUP(json_free) cJSON *good = parse("{\"id\":\"abc\",\"list\":[1,2,{\"a\":1.0}]}");
    CLEANUP(json_free) cJSON *bad = parse("{\"id\":\"abc\",\"list\":[1,2,{\"a\":2}]}");
    if (schema == NULL || good == NULL || bad == NULL)
        return REFUSED;
    struct note note;
    enum err e = schema_validate(schema, good, &note);
    if (e != OK)
        return outcome_of(e, false);
    e = schema_validate(schema, bad, &note);
    return e == ERR_INVALID ? RIGHT : outcome_of(e, false);
}

static void json_says_so_or_is_right(void)
{
    static const struct act rows[] = {
        {"parse and print", parses_and_prints, 0}, {"patch", patches, 0}, {"schema", holds_to_a_schema, 0}};
    starve_all(rows, COUNT_OF(rows));
}

/* ---- matchers ---- */

static const struct {
    const char *matcher, *yes, *no;
} matchers[] = {
    {"{\"$unordered\":[1,{\"$any\":true},\"x\"]}", "[\"x\",{\"a\":1},1]", "[\"x\",\"x\",2]"},
    {"{\"$not\":{\"$unordered\":[1,2]}}", "[2,3]", "[2,1]"},
    {"{\"$not\":{\"$equal\":{\"a\":1,\"b\":2}}}", "{\"a\":1}", "{\"b\":2,\"a\":1}"},
    {"{\"$not\":{\"$json\":{\"a\":1}}}", "\"{\\\"a\\\":2}\"", "\"{\\\"a\\\":1}\""},
    {"{\"$not\":{\"$text\":\"hello\"}}", "\"hullo\"", "[{\"text\":\"hel\"},{\"text\":\"lo\"}]"},
    {"{\"$not\":{\"$base64\":\"hi\"}}", "\"aGk8\"", "\"aGk=\""},
    {"{\"$not\":{\"$len\":2}}", "\"abc\"", "\"ab\""},
    {"{\"a\":{\"$save\":\"id\"},\"b\":{\"$same\":\"id\"}}", "{\"a\":{\"x\":[1,2]},\"b\":{\"x\":[1,2]}}",
     "{\"a\":{\"x\":[1,2]},\"b\":{\"x\":[2,1]}}"},
    {"{\"$or\":[{\"$json\":{\"a\":{\"$num\":{\"min\":2}}}},{\"$base64\":{\"hex\":\"6869\"}}]}", "\"aGk=\"", "\"{\\\"a\\\":1}\""},
    {"{\"$all\":[{\"$contains\":{\"$text\":\"b\"}},{\"$len\":2}]}", "[\"a\",\"b\"]", "[\"a\",\"c\"]"},
    {"{\"$exact\":true,\"a\":{\"$regex\":\"^x+$\"}}", "{\"a\":\"xx\"}", "{\"a\":\"xx\",\"b\":1}"},
};
static size_t matcher_row;

/* A lack of memory may refuse what holds, and must never accept what does not. */
static enum outcome matches(void)
{
    CLEANUP(json_free) cJSON *matcher = parse(matchers[matcher_row].matcher);
    CLEANUP(json_free) cJSON *yes = parse(matchers[matcher_row].yes), *no = parse(matchers[matcher_row].no);
    if (matcher == NULL || yes == NULL || no == NULL)
        return REFUSED;
    CLEANUP(match_vars_release) struct match_vars vars = MATCH_VARS_INIT;
    struct match_failure failure = {"", "", ""};
    struct note note;
    enum err e = match_validate(matcher, "", &note);
    if (e != OK)
        return outcome_of(e, false);
    if (match(matcher, no, &vars, &failure) || failure.expected[0] == '\0')
        return WRONG;
    match_vars_release(&vars);
    failure.expected[0] = '\0';
    if (match(matcher, yes, &vars, &failure))
        return RIGHT;
    return failure.expected[0] != '\0' && alloc_starved() ? REFUSED : WRONG;
}

static void matchers_never_accept_for_lack_of_memory(void)
{
    for (matcher_row = 0; matcher_row < COUNT_OF(matchers); matcher_row++) {
        const struct act row = {matchers[matcher_row].matcher, matches, 0};
        starve_all(&row, 1);
    }
}

/* A pattern is compiled once and kept; what failed for lack of memory is compiled the next time. */
static void a_pattern_that_found_no_memory_is_compiled_the_next_time(void)
{
    bool failed = true;
    size_t n = 0;
    while (failed && n < ALLOCATIONS_MAX) {
        char pattern[64], text[64];
        (void)snprintf(pattern, sizeof pattern, "^(a|b[cd]{2,3})\\w+%zu$", ++n);
        (void)snprintf(text, sizeof text, "bccz%zu", n);
        struct note note = {""};
        long before = alloc_live();
        alloc_fail_at(n, true);
        const struct regex *r = regex_get(pattern, REGEX_SEARCH, &note);
        failed = alloc_calm();
        CLAIM((r == NULL) == failed && (r != NULL || alloc_live() == before), "allocation %zu: %s", n, note.text);
        r = regex_get(pattern, REGEX_SEARCH, &note);
        CLAIM(r != NULL && regex_matches(r, text) && !regex_matches(r, "bccz"), "allocation %zu: %s", n, note.text);
    }
    CU_ASSERT(n > 2);
}

/* ---- the API model ---- */

static struct api *api;

static enum outcome checks_with(const char *body, const char *want)
{
    CLEANUP(json_free) cJSON *tree = parse(body);
    CLEANUP(api_fault_release) struct api_fault fault = API_FAULT_INIT;
    if (tree == NULL)
        return REFUSED;
    struct api_input in = {.body = tree};
    enum err e = api_check_request(api, api_operation(api, "Converse"), &in, &fault);
    if (want == NULL)
        return outcome_of(e, true);
    bool told = e == ERR_INVALID && fault.status == 400 && strcmp(buf_text(&fault.text), want) == 0;
    return told ? RIGHT : outcome_of(e, false);
}

static enum outcome checks_a_good_body(void)
{
    return checks_with("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],"
                       "\"requestMetadata\":{\"team\":\"a\",\"stage\":\"b\"},\"inferenceConfig\":{\"maxTokens\":5}}",
                       NULL);
}

static enum outcome checks_a_bad_body(void)
{
    return checks_with("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"inferenceConfig\":{\"maxTokens\":0,\"topP\":2}}",
                       "2 validation errors detected: Value '0' at 'inferenceConfig.maxTokens' failed to satisfy constraint: "
                       "Member must have value greater than or equal to 1; Value '2' at 'inferenceConfig.topP' failed to "
                       "satisfy constraint: Member must have value less than or equal to 1");
}

static enum outcome loads_the_model(void)
{
    struct note note = {""};
    struct api *again = api_load(&note);
    api_free(again);
    return again != NULL ? RIGHT : alloc_starved() && note.text[0] != '\0' ? REFUSED : WRONG;
}

static enum outcome loads_the_prices(void)
{
    struct note note = {""};
    struct price_book *book = price_book_load(&note);
    price_book_free(book);
    return book != NULL ? RIGHT : alloc_starved() && note.text[0] != '\0' ? REFUSED : WRONG;
}

static void the_model_says_so_or_is_right(void)
{
    static const struct act rows[] = {{"a good body", checks_a_good_body, 0},
                                      {"a bad body", checks_a_bad_body, 0},
                                      {"loading the model", loads_the_model, 40},
                                      {"loading the prices", loads_the_prices, 20}};
    struct note note = {""};
    api = api_load(&note);
    CU_ASSERT_PTR_NOT_NULL_FATAL(api);
    starve_all(rows, COUNT_OF(rows));
    api_free(api);
}

/* ---- signatures ---- */

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static bool know(void *ctx, struct span access_key, struct sigv4_known *known)
{
    (void)ctx;
    known->secret = SPAN_LIT(SECRET);
    known->any_token = true;
    return span_is(access_key, "AKIDEXAMPLE");
}

static struct sigv4_signing signing(bool presigned)
{
    return (struct sigv4_signing){.access_key = SPAN_LIT("AKIDEXAMPLE"),
                                  .secret = SPAN_LIT(SECRET),
                                  .session_token = SPAN_LIT("token/with+signs="),
                                  .region = SPAN_LIT("us-east-1"),
                                  .service = SPAN_LIT("bedrock"),
                                  .at_s = 1750000000,
                                  .expires_s = presigned ? 900 : 0,
                                  .add_content_sha256 = !presigned};
}

static enum outcome signs_and_verifies(bool presigned, bool forged)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    if (s == NULL)
        return REFUSED;
    struct sigv4_header headers[2 + SIGV4_ADDED_MAX] = {{SPAN_LIT("Host"), SPAN_LIT("127.0.0.1:9555")},
                                                        {SPAN_LIT("X-Note"), SPAN_LIT("  two   words ")}};
    struct sigv4_request r = {.method = SPAN_LIT("POST"),
                              .path = SPAN_LIT("/model/amazon.nova-lite-v1%3A0/converse"),
                              .query = SPAN_LIT("b=2&a=%20x&a="),
                              .headers = headers,
                              .header_count = 2,
                              .body = SPAN_LIT("{\"a\":1}")};
    const struct sigv4_signing how = signing(presigned);
    CLEANUP(sigv4_signed_release) struct sigv4_signed made;
    struct note note = {""};
    sigv4_signed_init(&made);
    enum err e = sigv4_sign(s, &r, &how, &made, &note);
    if (e != OK)
        return outcome_of(e, false);
    for (size_t i = 0; i < made.added_count; i++)
        headers[r.header_count++] = made.added[i];
    r.query = buf_span(&made.query);
    r.method = forged ? SPAN_LIT("PUT") : r.method;
    const struct sigv4_policy policy = {.now_s = 1750000010, .region = "us-east-1", .lookup = know};
    struct sigv4_verdict v;
    e = sigv4_verify(s, &r, &policy, &v, &note);
    if (e != OK)
        return v.reason == SIGV4_OK ? WRONG : outcome_of(e, false);
    if (v.reason != (forged ? SIGV4_SIGNATURE : SIGV4_OK))
        return WRONG;
    CLEANUP(sigv4_refusal_release) struct sigv4_refusal refusal = SIGV4_REFUSAL_INIT;
    e = sigv4_refuse(&v, true, &refusal);
    if (e != OK || !forged)
        return outcome_of(e, refusal.text.len == 0);
    struct sigv4_diagnosis d;
    e = sigv4_diagnose(s, &r, &policy, &v, &d);
    return outcome_of(e, d.id != NULL);
}

static enum outcome signs_headers(void)
{
    return signs_and_verifies(false, false);
}

static enum outcome presigns(void)
{
    return signs_and_verifies(true, false);
}

static enum outcome refuses_and_diagnoses(void)
{
    return signs_and_verifies(false, true);
}

static enum outcome makes_and_reads_an_api_key(void)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    CLEANUP(buf_release) struct buf key = BUF_INIT(SIGV4_API_KEY_MAX);
    if (s == NULL)
        return REFUSED;
    struct sigv4_signing how = signing(true);
    struct note note = {""};
    struct sigv4_verdict v;
    enum err e = sigv4_api_key_make(s, &how, &key, &note);
    const struct sigv4_policy policy = {.now_s = 1750000010, .lookup = know};
    if (e == OK)
        e = sigv4_api_key_verify(s, buf_span(&key), &policy, &v, &note);
    else
        return outcome_of(e, false);
    return e != OK && v.reason == SIGV4_OK ? WRONG : outcome_of(e, v.reason == SIGV4_OK);
}

static void signatures_are_never_believed_for_lack_of_memory(void)
{
    static const struct act rows[] = {{"headers", signs_headers, 0},
                                      {"presigned", presigns, 0},
                                      {"refused and diagnosed", refuses_and_diagnoses, 10},
                                      {"API key", makes_and_reads_an_api_key, 0}};
    starve_all(rows, COUNT_OF(rows));
}

/* ---- streams ---- */

static enum outcome frames_there_and_back(size_t step)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY), all = BUF_INIT(BUF_ANY);
    struct es_header many[40];
    char names[40][8];
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        (void)snprintf(names[i], sizeof names[i], "h%zu", i);
        many[i] = es_header_string(names[i], "value");
    }
    if (es_encode_event(&bytes, "messageStart", SPAN_LIT("{\"role\":\"assistant\"}")) != ES_OK ||
        es_encode(many, COUNT_OF(many), SPAN_LIT("many"), &bytes) != ES_OK ||
        es_encode_exception(&bytes, "throttlingException", SPAN_LIT("{}")) != ES_OK)
        return alloc_starved() ? REFUSED : WRONG;
    struct es_decoder d;
    struct es_message m;
    enum es_error e = ES_MORE;
    es_decoder_init(&d);
    for (size_t at = 0; at < bytes.len && e == ES_MORE; at += step) {
        es_decoder_feed(&d, span_cut(buf_span(&bytes), at, step));
        while ((e = es_decoder_next(&d, &m)) == ES_OK)
            buf_add(&all, m.frame);
    }
    if (e == ES_MORE)
        e = es_decoder_finish(&d);
    es_decoder_release(&d);
    if (e != ES_OK || buf_error(&all) != OK)
        return e == ES_NOMEM || buf_error(&all) == ERR_NOMEM ? REFUSED : WRONG;
    return span_equal(buf_span(&all), buf_span(&bytes)) ? RIGHT : WRONG;
}

static enum outcome frames_whole(void)
{
    return frames_there_and_back(SIZE_MAX / 2);
}

static enum outcome frames_by_bytes(void)
{
    return frames_there_and_back(1);
}

static enum outcome events_there_and_back(size_t step)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY), again = BUF_INIT(BUF_ANY);
    if (sse_encode(&bytes, SPAN_LIT("delta"), SPAN_LIT("one\ntwo"), SPAN_LIT("7")) != OK ||
        sse_encode(&bytes, SPAN_EMPTY, SPAN_LIT("[DONE]"), SPAN_EMPTY) != OK)
        return alloc_starved() ? REFUSED : WRONG;
    struct sse_decoder d;
    struct sse_event event;
    enum sse_step s = SSE_MORE;
    enum err e = OK;
    sse_decoder_init(&d);
    for (size_t at = 0; at < bytes.len && s == SSE_MORE; at += step) {
        sse_decoder_feed(&d, span_cut(buf_span(&bytes), at, step));
        while ((s = sse_decoder_next(&d, &event)) == SSE_EVENT && e == OK) {
            bool first = again.len == 0;
            e = sse_encode(&again, first ? event.type : SPAN_EMPTY, event.data, first ? event.id : SPAN_EMPTY);
        }
    }
    bool clean = sse_decoder_finish(&d);
    sse_decoder_release(&d);
    if (s == SSE_NOMEM || e == ERR_NOMEM)
        return s == SSE_NOMEM && clean ? WRONG : REFUSED;
    return clean && span_equal(buf_span(&again), buf_span(&bytes)) ? RIGHT : WRONG;
}

static enum outcome events_whole(void)
{
    return events_there_and_back(SIZE_MAX / 2);
}

static enum outcome events_by_bytes(void)
{
    return events_there_and_back(1);
}

static void streams_say_so_or_are_right(void)
{
    static const struct act rows[] = {{"frames", frames_whole, 0},
                                      {"frames by bytes", frames_by_bytes, 0},
                                      {"events", events_whole, 0},
                                      {"events by bytes", events_by_bytes, 0}};
    starve_all(rows, COUNT_OF(rows));
}

/* ---- plans and scripts ---- */

static enum outcome builds_a_plan(void)
{
    struct plan *plan = plan_new(200);
    if (plan == NULL)
        return REFUSED;
    plan_header(plan, "Content-Type", "text/plain");
    plan_header(plan, "X-Amzn-RequestId", "1");
    plan_header(plan, "Content-Type", "text/event-stream");
    for (size_t i = 0; i < 12; i++)
        (void)plan_add(plan, SPAN_LIT("0123456789"), 5, i);
    plan_split_at_byte(plan, 4, 100);
    plan_gate_event(plan, 2, "gate");
    plan_gate_event(plan, 5, "other");
    plan_drop_event(plan, 5);
    plan_shred(plan, 3);
    plan_drop_event(plan, 7);
    plan_merge(plan);
    plan_stall_at_event(plan, 10);
    plan_cut_at_byte(plan, 95, PLAN_END_RST);
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    for (size_t i = 0; i < plan->count; i++)
        buf_add(&body, span_cut(buf_span(&plan->bytes), plan->pieces[i].from, plan->pieces[i].n));
    const char *type = http_headers_get(&plan->headers, "content-type");
    bool failed = plan->failed || buf_error(&body) != OK;
    bool right = body.len == 95 && type != NULL && strcmp(type, "text/event-stream") == 0 && plan->end == PLAN_END_RST;
    plan_free(plan);
    return failed ? REFUSED : right ? RIGHT : WRONG;
}

static enum outcome queues_a_script(void)
{
    CLEANUP(json_free) cJSON *body = parse("{\"replies\":[{\"match\":{\"operation\":\"Converse\"},\"reply\":{\"text\":\"a\"}},"
                                           "{\"times\":2,\"reply\":{\"text\":\"b\",\"gates\":[]}}],"
                                           "\"canaries\":{\"one\":\"secret-one\",\"two\":\"secret-two\"}}");
    CLEANUP(json_free) cJSON *faults = parse("{\"faults\":[{\"id\":\"cut-after\",\"bytes\":5}]}");
    CLEANUP(json_free) cJSON *subject = parse("{\"operation\":\"Converse\"}");
    struct script *s = script_new();
    struct note note = {""};
    size_t queued = 0;
    if (body == NULL || faults == NULL || subject == NULL || s == NULL) {
        script_free(s);
        return REFUSED;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetArrayItem(json_member(body, "replies"), 1), "gates");
    enum err e = script_append(s, body, &queued, &note);
    bool right = e == OK && queued == 2;
    if (e != OK)
        right = !script_waits(s) && queued == 0;
    struct shared *taken = script_take(s, subject, SCRIPTED_ALL);
    right = right && (e == OK ? taken != NULL || alloc_starved() : taken == NULL);
    shared_drop(&taken);
    script_forget_replies(s);
    script_free(s);
    if (!right)
        return WRONG;
    return outcome_of(e, true);
}

static void plans_say_so_or_are_right(void)
{
    static const struct act rows[] = {{"plan", builds_a_plan, 0}, {"script", queues_a_script, 0}};
    starve_all(rows, COUNT_OF(rows));
}

/* ---- the reference gateway's translations ---- */

#define CHAT                                                                                                           \
    "{\"model\":\"anthropic.claude-3-haiku-20240307-v1:0\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"          \
    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"           \
    "\"data:image/png;base64,aGk=\"}}]},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\","             \
    "\"function\":{\"name\":\"get.weather\",\"arguments\":\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"t1\","          \
    "\"content\":\"sunny\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get.weather\",\"parameters\":"              \
    "{\"type\":\"object\"}}}],\"max_tokens\":5,\"stop\":[\"x\"],\"temperature\":0.5}"

static cJSON *wanted_body; /* what the warm-up gave */

static enum outcome translates_a_request(void)
{
    CLEANUP(json_free) cJSON *in = parse(CHAT);
    if (in == NULL)
        return REFUSED;
    static const struct chat_options nothing;
    CLEANUP(chat_request_release) struct chat_request r = {0};
    struct fail f = {0};
    enum err e = chat_request_read(in, &nothing, &r, &f);
    if (e != OK) /* for lack of memory the client is told 500, never that its request is wrong */
        return f.status >= 500 && alloc_starved() ? REFUSED : WRONG;
    if (wanted_body == NULL)
        wanted_body = cJSON_Duplicate(r.body, true);
    return json_equal(r.body, wanted_body) ? RIGHT : WRONG;
}

static const struct chat_identity who = {"chatcmpl-1", 1};
static cJSON *wanted_answer;

static enum outcome translates_an_answer(void)
{
    CLEANUP(json_free) cJSON *converse =
        parse("{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"hi\"},{\"toolUse\":{\"toolUseId\":\"t\","
              "\"name\":\"f\",\"input\":{\"a\":1}}}]}},\"stopReason\":\"tool_use\",\"usage\":{\"inputTokens\":3,"
              "\"outputTokens\":2,\"totalTokens\":5},\"metrics\":{\"latencyMs\":5}}");
    if (converse == NULL)
        return REFUSED;
    const struct chat_request r = {.model = (char[]){"m"}};
    struct fail f = {0};
    CLEANUP(json_free) cJSON *answer = chat_answer(&r, &who, converse, &f);
    if (answer == NULL)
        return f.status >= 500 && alloc_starved() ? REFUSED : WRONG;
    if (wanted_answer == NULL)
        wanted_answer = cJSON_Duplicate(answer, true);
    return json_equal(answer, wanted_answer) ? RIGHT : WRONG;
}

static void the_gateway_says_so_or_is_right(void)
{
    static const struct act rows[] = {{"request", translates_a_request, 0}, {"answer", translates_an_answer, 0}};
    starve_all(rows, COUNT_OF(rows));
    json_free(&wanted_body);
    json_free(&wanted_answer);
}

/* ---- the harness ---- */

static enum outcome expands(void)
{
    CLEANUP(json_free) cJSON *names = parse("{\"port\":\"80\",\"host\":\"h\"}");
    CLEANUP(json_free) cJSON *tree = parse("{\"a\":[\"${host}:${port}\",{\"b\":\"$${x}\"}],\"c\":1}");
    CLEANUP(json_free) cJSON *want = parse("{\"a\":[\"h:80\",{\"b\":\"${x}\"}],\"c\":1}");
    if (names == NULL || tree == NULL || want == NULL)
        return REFUSED;
    struct expansion x = {names, NULL};
    struct note note;
    enum err e = expand_tree(&x, tree, &note);
    return outcome_of(e, e == OK && json_equal(tree, want));
}

static enum outcome reads_a_stream(void)
{
    struct stream *s = stream_new(&dialect_openai_chat, "text/event-stream");
    if (s == NULL)
        return REFUSED;
    stream_feed(s, SPAN_LIT("data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"he\"}}]}\n\n"));
    stream_feed(s, SPAN_LIT("data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"}}]}\n\ndata: [DO"));
    stream_feed(s, SPAN_LIT("NE]\n\n"));
    stream_finish(s, STREAM_CLOSED);
    CLEANUP(json_free) cJSON *message = dialect_openai_chat.assemble(s);
    const char *content = json_str(message, "content");
    /* assemble() cannot say so: what found no memory is absent, and the verdict on it is never a pass. */
    bool failed = s->failed || message == NULL || (alloc_starved() && (content == NULL || strcmp(content, "hello") != 0));
    bool right = s->end == STREAM_DONE && content != NULL && strcmp(content, "hello") == 0;
    stream_free(s);
    return failed ? REFUSED : right ? RIGHT : WRONG;
}

static void the_harness_says_so_or_is_right(void)
{
    static const struct act rows[] = {{"expansion", expands, 0}, {"stream", reads_a_stream, 0}};
    starve_all(rows, COUNT_OF(rows));
}

/* ---- the helper itself ---- */

static char *lost;

static enum outcome loses_a_block(void)
{
    lost = span_dup(SPAN_LIT("a"));
    CLEANUP(free_ptr) char *b = lost == NULL ? NULL : span_dup(SPAN_LIT("b"));
    if (b == NULL)
        return REFUSED; /* and lost is not freed */
    free(lost);
    return RIGHT;
}

static void the_count_of_blocks_sees_a_leak(void)
{
    CU_ASSERT_EQUAL(loses_a_block(), RIGHT);
    long before = alloc_live();
    alloc_fail_at(2, false);
    CU_ASSERT_EQUAL(loses_a_block(), REFUSED);
    CU_ASSERT_TRUE(alloc_calm());
    CU_ASSERT_EQUAL(alloc_live(), before + 1);
    free(lost);
    CU_ASSERT_EQUAL(alloc_live(), before);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"json_says_so_or_is_right", json_says_so_or_is_right},
        {"matchers_never_accept_for_lack_of_memory", matchers_never_accept_for_lack_of_memory},
        {"a_pattern_that_found_no_memory_is_compiled_the_next_time",
         a_pattern_that_found_no_memory_is_compiled_the_next_time},
        {"the_model_says_so_or_is_right", the_model_says_so_or_is_right},
        {"signatures_are_never_believed_for_lack_of_memory", signatures_are_never_believed_for_lack_of_memory},
        {"streams_say_so_or_are_right", streams_say_so_or_are_right},
        {"plans_say_so_or_are_right", plans_say_so_or_are_right},
        {"the_gateway_says_so_or_is_right", the_gateway_says_so_or_is_right},
        {"the_harness_says_so_or_is_right", the_harness_says_so_or_is_right},
        {"the_count_of_blocks_sees_a_leak", the_count_of_blocks_sees_a_leak},
        CU_TEST_INFO_NULL,
    };
    return unit_main("nomem", tests);
}
