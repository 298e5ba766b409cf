/* Responses that are kept: conversations that go on, states in the background by the mock's clock, deletion, and whose
 * they are. */
#include "mock/compat/compat_store.h"

#include "mock_rig.h"

#define RESPOND "/v1/responses"
#define OSS     "\"model\":\"openai.gpt-oss-20b\""

static const struct key bearer = {"ABSK-of-the-tests", NULL, NULL, NULL, NULL, true, 0};

static struct reply send_to(struct mock *m, const char *method, const char *path, const char *body)
{
    return fetch(mock_port(m), method, path, body, NULL, &bearer);
}

static struct reply create(struct mock *m, const char *body)
{
    struct reply r = send_to(m, "POST", RESPOND, body);
    CLAIM(r.status == 200, "%d %s", r.status, buf_text(&r.body));
    return r;
}

static struct reply of(struct mock *m, const char *method, const struct reply *kept, const char *tail)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(256);
    buf_addf(&path, RESPOND "/%s%s", text_at(kept->json, "/id"), tail);
    return send_to(m, method, buf_text(&path), method[0] == 'P' ? "{}" : "");
}

static struct reply go_on(struct mock *m, const struct reply *from, const char *more)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(1024);
    buf_addf(&body, "{" OSS ",\"previous_response_id\":\"%s\",%s}", text_at(from->json, "/id"), more);
    return send_to(m, "POST", RESPOND, buf_text(&body));
}

static void advance(struct mock *m, const char *body)
{
    CLEANUP(reply_release) struct reply r = admin(m, "POST", "/clock", body);
    CLAIM(r.status == 200, "%s", buf_text(&r.body));
}

static void is_missing(const struct reply *r)
{
    CLAIM(r->status == 404, "%d %s", r->status, buf_text(&r->body));
    CU_ASSERT_STRING_EQUAL(text_at(r->json, "/error/param"), "id");
    CU_ASSERT_PTR_NOT_NULL(strstr(text_at(r->json, "/error/message"), "not found"));
}

static void a_kept_response_is_read_again(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply made = create(m, "{" OSS ",\"input\":\"hello\",\"metadata\":{\"a\":\"b\"}}");
    CLEANUP(reply_release) struct reply read = of(m, "GET", &made, "");
    CU_ASSERT_EQUAL(read.status, 200);
    CU_ASSERT_TRUE(cJSON_Compare(made.json, read.json, true));
    CLEANUP(reply_release) struct reply gone = of(m, "DELETE", &made, "");
    CU_ASSERT_STRING_EQUAL(text_at(gone.json, "/id"), text_at(made.json, "/id"));
    CU_ASSERT_TRUE(cJSON_IsTrue(json_at(gone.json, "/deleted")));
    CLEANUP(reply_release) struct reply after = of(m, "GET", &made, "");
    CLEANUP(reply_release) struct reply again = of(m, "DELETE", &made, "");
    is_missing(&after);
    is_missing(&again);
}

static void a_stream_is_kept_as_it_ended(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"from a stream\",\"extra\":{\"user\":\"ann\"}}}]}");
    CLEANUP(reply_release) struct reply streamed = create(m, "{" OSS ",\"input\":\"hello\",\"stream\":true}");
    const char *id = strstr(buf_text(&streamed.body), "resp_");
    CU_ASSERT_PTR_NOT_NULL_FATAL(id);
    CLEANUP(buf_release) struct buf path = BUF_INIT(256);
    buf_addf(&path, "/openai" RESPOND "/%.57s", id);
    CLEANUP(reply_release) struct reply read = send_to(m, "GET", buf_text(&path), "");
    CU_ASSERT_STRING_EQUAL(text_at(read.json, "/status"), "completed");
    CU_ASSERT_STRING_EQUAL(text_at(read.json, "/output/0/content/0/text"), "from a stream");
    CU_ASSERT_STRING_EQUAL(text_at(read.json, "/user"), "ann");
}

/* What the model gets is what Chat Completions would have been sent: all of it, with the calls and their results. */
static void a_conversation_goes_on(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"content\":[{\"toolUse\":{\"toolUseId\":\"call_1\",\"name\":\"f\",\"input\":{}}}"
              "]}},{\"match\":{\"turn\":1},\"reply\":{\"text\":\"second\"}},{\"match\":{\"turn\":2},\"reply\":{\"text\":"
              "\"third\"}}]}");
    CLEANUP(reply_release) struct reply one = create(m, "{" OSS ",\"instructions\":\"brief\",\"input\":\"a word\"}");
    CLEANUP(reply_release) struct reply two = go_on(
        m, &one, "\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"call_1\",\"output\":\"sunny\"}]");
    CU_ASSERT_STRING_EQUAL(text_at(two.json, "/output/0/content/0/text"), "second");
    CU_ASSERT_STRING_EQUAL(text_at(two.json, "/previous_response_id"), text_at(one.json, "/id"));
    CLEANUP(reply_release) struct reply gone = of(m, "DELETE", &one, "");
    CLEANUP(reply_release) struct reply three = go_on(m, &two, "\"input\":\"and then?\"");
    CU_ASSERT_STRING_EQUAL(text_at(three.json, "/output/0/content/0/text"), "third");
    double first = number_at(one.json, "/usage/input_tokens"), last = number_at(three.json, "/usage/input_tokens");
    CLAIM(last > first + 5, "%g after %g tokens", last, first);
    CLEANUP(reply_release) struct reply lost = go_on(m, &one, "\"input\":\"x\"");
    CU_ASSERT_EQUAL(lost.status, 400);
    CU_ASSERT_STRING_EQUAL(text_at(lost.json, "/error/code"), "previous_response_not_found");
}

static void the_background_follows_the_clock(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    advance(m, "{\"set\":\"2026-01-02T03:04:05Z\"}");
    CLEANUP(reply_release) struct reply made = create(m, "{" OSS ",\"input\":\"long\",\"background\":true}");
    CLEANUP(reply_release) struct reply other = create(m, "{" OSS ",\"input\":\"other\",\"background\":true}");
    CU_ASSERT_STRING_EQUAL(text_at(made.json, "/status"), "queued");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(made.json, "/output")), 0);
    advance(m, "{\"advance_ms\":5000}");
    CLEANUP(reply_release) struct reply later = of(m, "GET", &made, "");
    CU_ASSERT_STRING_EQUAL(text_at(later.json, "/status"), "in_progress");
    CLEANUP(reply_release) struct reply stopped = of(m, "POST", &other, "/cancel");
    CU_ASSERT_STRING_EQUAL(text_at(stopped.json, "/status"), "cancelled");
    advance(m, "{\"advance_ms\":6000}");
    CLEANUP(reply_release) struct reply done = of(m, "GET", &made, "");
    CU_ASSERT_STRING_EQUAL(text_at(done.json, "/status"), "completed");
    CU_ASSERT_TRUE(number_at(done.json, "/usage/output_tokens") > 0);
    CLEANUP(reply_release) struct reply stays = of(m, "GET", &other, "");
    CU_ASSERT_STRING_EQUAL(text_at(stays.json, "/status"), "cancelled");
    CLEANUP(reply_release) struct reply late = of(m, "POST", &made, "/cancel");
    CU_ASSERT_STRING_EQUAL(text_at(late.json, "/status"), "completed");
    CLEANUP(reply_release) struct reply plain = create(m, "{" OSS ",\"input\":\"now\"}");
    CLEANUP(reply_release) struct reply refused = of(m, "POST", &plain, "/cancel");
    CU_ASSERT_EQUAL(refused.status, 400);
    advance(m, "{\"advance_ms\":2592000000}");
    CLEANUP(reply_release) struct reply old = of(m, "GET", &made, "");
    is_missing(&old);
}

static void what_is_not_to_be_kept_is_not(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply made = create(m, "{" OSS ",\"input\":\"hello\",\"store\":false}");
    CLEANUP(reply_release) struct reply read = of(m, "GET", &made, "");
    is_missing(&read);
    CLEANUP(reply_release) struct reply both =
        send_to(m, "POST", RESPOND, "{" OSS ",\"input\":\"x\",\"store\":false,\"background\":true}");
    CU_ASSERT_EQUAL(both.status, 400);
    CLEANUP(reply_release) struct reply kept = create(m, "{" OSS ",\"input\":\"hello\"}");
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{\"keep\":[\"responses\"]}");
    CLEANUP(reply_release) struct reply still = of(m, "GET", &kept, "");
    CLAIM(still.status == 200, "%s", buf_text(&still.body));
    CLEANUP(reply_release) struct reply all = admin(m, "POST", "/reset", "{}");
    CLEANUP(reply_release) struct reply after = of(m, "GET", &kept, "");
    is_missing(&after);
}

static void sessions_do_not_see_one_another(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply made = create(m, "{" OSS ",\"input\":\"hello\"}");
    CLEANUP(buf_release) struct buf path = BUF_INIT(256);
    CLEANUP(http_headers_release) struct http_headers ann;
    http_headers_init(&ann);
    buf_addf(&path, RESPOND "/%s", text_at(made.json, "/id"));
    http_headers_add(&ann, "X-Mohs-Session", "ann");
    CLEANUP(reply_release) struct reply read = fetch(mock_port(m), "GET", buf_text(&path), "", &ann, &bearer);
    is_missing(&read);
}

static void accounts_do_not_see_one_another(void)
{
    static const struct mock_key keys[] = {{"AKIAONE", "one", NULL, "arn:aws:iam::111111111111:user/ann"},
                                           {"AKIATWO", "two", NULL, "arn:aws:iam::222222222222:user/bob"}};
    static const struct key ann = {"AKIAONE", "one", NULL, "bedrock-mantle", "us-east-1", false, 0};
    static const struct key bob = {"AKIATWO", "two", NULL, "bedrock-mantle", "us-east-1", false, 0};
    struct mock_config config = {.seed = 1, .keys = keys, .key_count = 2};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply made = fetch(mock_port(m), "POST", RESPOND, "{" OSS ",\"input\":\"x\"}", NULL, &ann);
    CLEANUP(buf_release) struct buf path = BUF_INIT(256);
    buf_addf(&path, RESPOND "/%s", text_at(made.json, "/id"));
    CLEANUP(reply_release) struct reply hers = fetch(mock_port(m), "GET", buf_text(&path), "", NULL, &ann);
    CLEANUP(reply_release) struct reply his = fetch(mock_port(m), "GET", buf_text(&path), "", NULL, &bob);
    CLAIM(hers.status == 200, "%s", buf_text(&hers.body));
    is_missing(&his);
}

/* A thousand and more: the oldest makes room. */
static void the_oldest_makes_room(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply first = create(m, "{" OSS ",\"input\":\"first\"}");
    CLEANUP(reply_release) struct reply second = create(m, "{" OSS ",\"input\":\"second\"}");
    for (int i = 2; i < RESPONSES_MAX + 1; i++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(128);
        buf_addf(&body, "{" OSS ",\"input\":\"%d\",\"max_output_tokens\":1}", i);
        CLEANUP(reply_release) struct reply r = create(m, buf_text(&body));
    }
    CLEANUP(reply_release) struct reply gone = of(m, "GET", &first, "");
    CLEANUP(reply_release) struct reply there = of(m, "GET", &second, "");
    is_missing(&gone);
    CU_ASSERT_EQUAL(there.status, 200);
}

/* Long ones make room before there are a thousand. */
static void the_oldest_of_long_ones_make_room_too(void)
{
    enum { LONG = 3 << 20 }; /* it stands in the conversation that is kept */
    struct mock_config config = {.seed = 1, .validation = MOCK_VALIDATION_LENIENT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    struct reply kept[RESPONSES_BYTES / LONG + 1];
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        buf_reset(&body);
        buf_addf(&body, "{" OSS ",\"max_output_tokens\":1,\"input\":\"%zu", i);
        for (size_t n = 0; n < LONG; n += 8)
            buf_adds(&body, " long, i");
        buf_adds(&body, "\"}");
        kept[i] = create(m, buf_text(&body));
    }
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        CLEANUP(reply_release) struct reply r = of(m, "GET", &kept[i], "");
        CLAIM(r.status == (i == 0 ? 404 : 200), "%zu of %zu: %d", i, COUNT_OF(kept), r.status);
        reply_release(&kept[i]);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a kept response is read again", a_kept_response_is_read_again},
        {"a stream is kept as it ended", a_stream_is_kept_as_it_ended},
        {"a conversation goes on", a_conversation_goes_on},
        {"the background follows the clock", the_background_follows_the_clock},
        {"what is not to be kept is not", what_is_not_to_be_kept_is_not},
        {"sessions do not see one another", sessions_do_not_see_one_another},
        {"accounts do not see one another", accounts_do_not_see_one_another},
        {"the oldest makes room", the_oldest_makes_room},
        {"the oldest of long ones make room, too", the_oldest_of_long_ones_make_room_too},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_responses", tests);
}
