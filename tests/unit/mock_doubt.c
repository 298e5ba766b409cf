/* What a test says and hardly means: refused where it cannot be meant, told where it can. */
#include "mock_rig.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

struct heard {
    pthread_mutex_t lock;
    struct buf lines;
};

static void listen_to(void *ctx, const char *line)
{
    struct heard *h = ctx;
    (void)pthread_mutex_lock(&h->lock);
    buf_addf(&h->lines, "%s\n", line);
    (void)pthread_mutex_unlock(&h->lock);
}

static bool heard(struct heard *h, const char *words)
{
    (void)pthread_mutex_lock(&h->lock);
    bool found = span_find(buf_span(&h->lines), words) != NULL;
    (void)pthread_mutex_unlock(&h->lock);
    return found;
}

static bool answers_at(const char *address, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool good = inet_pton(AF_INET, address, &to.sin_addr) == 1 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;
    (void)close(fd);
    return good;
}

static void a_slip_in_a_reply_is_refused_with_the_nearest_name(void)
{
    static const struct {
        const char *item, *message;
    } bad[] = {
        {"{\"reply\":{\"text\":\"a\",\"usage\":{\"inputtokens\":1}}}",
         "/replies/0/reply/usage/inputtokens: nobody knows this key; did you mean \"inputTokens\"?"},
        {"{\"match\":{\"operation\":\"Convers\"},\"reply\":{}}",
         "/replies/0/match/operation: there is no operation \"Convers\"; did you mean \"Converse\"?"},
        {"{\"match\":{\"operation\":{\"$in\":[\"Converse\",\"ConversStream\"]}},\"reply\":{}}",
         "there is no operation \"ConversStream\"; did you mean \"ConverseStream\"?"},
        {"{\"reply\":{\"error\":{\"type\":\"ConflictException\"},\"bidirectional\":{\"said\":[\"b\"]}}}",
         "at most one of text, content, error, raw, frames; bidirectional goes with the first two only"},
        {"{\"reply\":{\"txt\":\"a\"}}", "/replies/0/reply/txt: nobody knows this key; did you mean \"text\"?"},
        {"{\"text\":\"a\"}", "/replies/0/text: \"text\" belongs into \"reply\", as in {\"reply\":{\"text\":"},
        {"{\"faults\":[],\"reply\":{}}", "/replies/0/faults: \"faults\" belongs into \"reply\""},
        {"{\"relpy\":{}}", "/replies/0/relpy: nobody knows this key; did you mean \"reply\"?"},
    };
    static const char *const good[] = {"Converse", "MantleMessages", "ListFoundationModels", "Rerank", "Conv*",
                                       "StartAsyncInvoke", "GetCallerIdentity"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        buf_addf(&body, "{\"replies\":[%s]}", bad[i].item);
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/script", buf_text(&body));
        CLAIM(r.status == 400 && strstr(text_at(r.json, "/message"), bad[i].message) != NULL, "%s: %d %s", bad[i].item,
              r.status, buf_text(&r.body));
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        buf_addf(&body, "{\"replies\":[{\"match\":{\"operation\":\"%s\"},\"reply\":{}}]}", good[i]);
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/script", buf_text(&body));
        CLAIM(r.status == 200, "%s: %d %s", good[i], r.status, buf_text(&r.body));
    }
}

static const struct {
    const char *reply, *warning; /* NULL: none */
} doubtful[] = {
    {"{\"text\":\"a\",\"stop_reason\":\"endturn\"}",
     "/stop_reason: Bedrock has no stop reason \"endturn\"; it goes out as it is; did you mean \"end_turn\"?"},
    {"{\"error\":{\"type\":\"throttlingException\"}}",
     "/error/type: Bedrock has no error type \"throttlingException\"; it goes out as it is; did you mean \"ThrottlingException\"?"},
    {"{\"content\":[{\"text\":\"a\"},{\"foo\":1}]}", "/content/1: Bedrock has no content block \"foo\"; it goes out as it is"},
    {"{\"frames\":[{\"event\":\"messageStart\"},{\"exception\":\"ThrottlingException\"}]}",
     "/frames/1/exception: Bedrock has no exception \"ThrottlingException\"; it goes out as it is; did you mean \"throttlingException\"?"},
    {"{\"frames\":[{\"event\":\"messageStrat\"}]}", "did you mean \"messageStart\"?"},
    {"{\"error\":{\"type\":\"ThrottlingException\"},\"extra\":{\"a\":1}}", "/extra: belongs to an answer; beside error it is dropped"},
    {"{\"text\":\"hi {{user}}\"}",
     "/text: holds a {{placeholder}}, which goes out as it is: the reply has no \"template\":true"},
    {"{\"text\":\"hi {{user}}\",\"template\":true}", NULL},
    {"{\"text\":\"{{mustache}} and {{ braces\"}", NULL},
    {"{\"text\":\"a\",\"stop_reason\":\"max_tokens\",\"usage\":{\"outputTokens\":3}}", NULL},
    {"{\"error\":{\"type\":\"ModelErrorException\",\"status\":424}}", NULL},
    {"{\"frames\":[{\"event\":\"chunk\"},{\"exception\":\"accessDeniedException\"}]}", NULL},
};

static void an_odd_reply_is_taken_and_told(void)
{
    struct heard log = {PTHREAD_MUTEX_INITIALIZER, BUF_INIT(BUF_ANY)};
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.log = listen_to, .log_ctx = &log});
    for (size_t i = 0; i < COUNT_OF(doubtful); i++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        buf_addf(&body, "{\"replies\":[{\"reply\":{}},{\"reply\":%s}]}", doubtful[i].reply);
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/script", buf_text(&body));
        const char *said = text_at(r.json, "/warnings/0");
        CLAIM(r.status == 200 && number_at(r.json, "/queued") == 2 * (double)(i + 1), "%s", buf_text(&r.body));
        CLAIM(doubtful[i].warning == NULL ? json_at(r.json, "/warnings") == NULL
                                          : strncmp(said, "/replies/1/reply", 16) == 0 &&
                                                strstr(said, doubtful[i].warning) != NULL && heard(&log, said),
              "%s: %s", doubtful[i].reply, buf_text(&r.body));
    }
    rig_stop(&m);
    m = NULL;
    buf_release(&log.lines);
}

static const struct {
    const char *match, *warning; /* NULL: none */
} unmeetable[] = {
    {"{\"user\":{\"contains\":\"x\"}}", "/match/user: is a text, so this never holds; did you mean $contains?"},
    {"{\"user\":7}", "/match/user: is a text, so this never holds"},
    {"{\"user\":{}}", "/match/user: is a text"},
    {"{\"tools\":\"get_weather\"}",
     "/match/tools: is a list, so this never holds; did you mean {\"$contains\":\"get_weather\"}?"},
    {"{\"turn\":\"2\"}", "/match/turn: is a whole number from 0, so this never holds; without the quotation marks?"},
    {"{\"round\":1.5}", "/match/round: is a whole number from 0"},
    {"{\"replies\":-1}", "/match/replies: is a whole number from 0"},
    {"{\"turn\":{\"$in\":[1,\"2\"]}}", "/match/turn/$in/1: is a whole number from 0"},
    {"{\"stream\":\"true\"}", "/match/stream: is true or false, so this never holds; without the quotation marks?"},
    {"{\"headers\":{\"X-User\":\"a\"}}",
     "/match/headers/X-User: names of headers are in lower case here, so none has this one; did you mean \"x-user\"?"},
    {"{\"headers\":{\"x-user\":1}}", "/match/headers/x-user: is a text"},
    {"{\"$or\":[{\"user\":\"a\"},{\"turn\":\"2\"}]}", "/match/$or/1/turn: is a whole number from 0"},
    {"{\"user\":{\"$contains\":\"x\"},\"tools\":[\"a\"],\"turn\":2,\"round\":0,\"stream\":true,\"headers\":{\"x-user\":\"a\"}}", NULL},
    {"{\"user\":null,\"session\":null,\"tools\":{\"$contains\":\"a\"},\"turn\":{\"$num\":{\"min\":1}},\"body\":{\"turn\":\"2\"}}", NULL},
    {"{\"turn\":{\"$not\":\"2\"},\"model\":\"anthropic.*\",\"headers\":{\"$any\":true},\"at\":{\"/a\":\"2\"}}", NULL},
};

static void a_match_that_nothing_can_meet_is_told(void)
{
    struct heard log = {PTHREAD_MUTEX_INITIALIZER, BUF_INIT(BUF_ANY)};
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.log = listen_to, .log_ctx = &log});
    for (size_t i = 0; i < COUNT_OF(unmeetable); i++) {
        CLEANUP(buf_release) struct buf asked = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        buf_addf(&asked, "{\"match\":%s}", unmeetable[i].match);
        buf_addf(&body, "{\"replies\":[{\"match\":%s,\"reply\":{}}]}", unmeetable[i].match);
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/script", buf_text(&body)),
                                            v = admin(m, "POST", "/verify", buf_text(&asked));
        const char *want = unmeetable[i].warning, *told = text_at(r.json, "/warnings/0"), *asks = text_at(v.json, "/warnings/0");
        CLAIM(r.status == 200 && (want == NULL ? json_at(r.json, "/warnings") == NULL
                                               : strncmp(told, "/replies/0/match", 16) == 0 &&
                                                     strstr(told, want) != NULL && heard(&log, told)),
              "%s: %s", unmeetable[i].match, buf_text(&r.body));
        CLAIM(v.status == 200 && (want == NULL ? json_at(v.json, "/warnings") == NULL : strncmp(asks, want, strlen(want)) == 0),
              "%s: %s", unmeetable[i].match, buf_text(&v.body));
    }
    rig_stop(&m);
    m = NULL;
    buf_release(&log.lines);
}

static void an_odd_fixture_is_told_in_the_log(void)
{
    char name[] = "/tmp/mohs-doubt-XXXXXX", want[256];
    int fd = mkstemp(name);
    static const char text[] = "{\"fixtures\":[\n{\"reply\":{\"text\":\"a\"}},\n"
                               "{\"sequence\":[{},\n{\"text\":\"hi\",\"stop_reason\":\"endturn\"}]},\n{\"match\":{\"nth\":\"2\"},\"reply\":{}}]}";
    CU_ASSERT_FATAL(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1));
    (void)close(fd);
    struct heard log = {PTHREAD_MUTEX_INITIALIZER, BUF_INIT(BUF_ANY)};
    const char *files[] = {name, NULL};
    CLEANUP(rig_stop) struct mock *m =
        rig_start(&(struct mock_config){.log = listen_to, .log_ctx = &log, .fixtures = files, .fixture_count = 1});
    (void)snprintf(want, sizeof want, "%s:4: /fixtures/1/sequence/1/stop_reason: Bedrock has no stop reason", name);
    CLAIM(heard(&log, want), "%s", buf_text(&log.lines));
    (void)snprintf(want, sizeof want, "%s:5: /fixtures/2/match/nth: is a whole number from 0", name);
    CLAIM(heard(&log, want), "%s", buf_text(&log.lines));
    CLAIM(heard(&log, "fixtures loaded: 3 from 1 file\n"), "%s", buf_text(&log.lines));
    (void)unlink(name);
    rig_stop(&m);
    m = NULL;
    buf_release(&log.lines);
}

static void frames_are_for_calls_that_stream(void)
{
    static const char frames[] = "{\"replies\":[{\"times\":\"always\",\"reply\":{\"frames\":[{\"event\":\"messageStart\","
                                 "\"payload\":{\"role\":\"assistant\"}}]}}]}";
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    script(m, frames);
    CLEANUP(reply_release) struct reply unary = ask(m, CONVERSE, HELLO), stream = ask(m, STREAM, HELLO);
    CU_ASSERT_STRING_EQUAL(header(&unary, "Content-Type"), "application/json");
    CU_ASSERT(json_at(unary.json, "/output/message") != NULL);
    CU_ASSERT_STRING_EQUAL(header(&stream, "Content-Type"), "application/vnd.amazon.eventstream");
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{}");
    CU_ASSERT_EQUAL(reset.status, 200);
    script(m, "{\"replies\":[{\"match\":{\"operation\":\"Converse\"},\"reply\":{\"frames\":[{\"event\":\"messageStart\"}]}}]}");
    CLEANUP(reply_release) struct reply meant = ask(m, CONVERSE, HELLO);
    CU_ASSERT_STRING_EQUAL(header(&meant, "Content-Type"), "application/vnd.amazon.eventstream");
}

static void a_block_without_a_delta_is_told_in_the_journal(void)
{
    static const struct {
        const char *block;
        bool dropped;
    } blocks[] = {{"{\"document\":{\"name\":\"d\",\"format\":\"txt\",\"source\":{\"text\":\"x\"}}}", true},
                  {"{\"cachePoint\":{\"type\":\"default\"}}", true},
                  {"{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"AAAA\"}}}", false},
                  {"{\"text\":\"a\"}", false}};
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        char path[64];
        buf_addf(&body, "{\"replies\":[{\"times\":2,\"reply\":{\"content\":[%s]}}]}", blocks[i].block);
        script(m, buf_text(&body));
        CLEANUP(reply_release) struct reply unary = ask(m, CONVERSE, HELLO), stream = ask(m, STREAM, HELLO);
        (void)snprintf(path, sizeof path, "/journal?since=%zu", 2 * i);
        CLEANUP(reply_release) struct reply journal = admin(m, "GET", path, "");
        CLAIM(json_at(journal.json, "/entries/0/reply/ignored") == NULL, "%s: unary", blocks[i].block);
        CLAIM((strstr(text_at(journal.json, "/entries/1/reply/ignored"), "no delta") != NULL) == blocks[i].dropped,
              "%s: %s", blocks[i].block, buf_text(&journal.body));
    }
}

static void the_wrong_port_is_told(void)
{
    struct heard log = {PTHREAD_MUTEX_INITIALIZER, BUF_INIT(BUF_ANY)};
    char admin_words[96], bedrock_words[96];
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.log = listen_to, .log_ctx = &log});
    (void)snprintf(admin_words, sizeof admin_words, "/journal: wrong port: this is Bedrock, and the admin API is on :%u",
                   mock_admin_port(m));
    (void)snprintf(bedrock_words, sizeof bedrock_words, "wrong port: this is the admin API, and Bedrock is on :%u", mock_port(m));
    CLEANUP(reply_release) struct reply journal = fetch(mock_port(m), "GET", "/journal", "", NULL, NULL);
    CLAIM(journal.status == 404 && strcmp(buf_text(&journal.body), "<UnknownOperationException/>") == 0, "%d %s",
          journal.status, buf_text(&journal.body));
    CLAIM(heard(&log, admin_words), "%s", buf_text(&log.lines));
    CLEANUP(reply_release) struct reply other = fetch(mock_port(m), "GET", "/nonsense", "", NULL, NULL);
    CLAIM(other.status == 404 && !heard(&log, "/nonsense: wrong port"), "%s", buf_text(&log.lines));
    static const char *const paths[] = {CONVERSE, "/model/a/b/c", "/foundation-models"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        CLEANUP(reply_release) struct reply r = admin(m, "POST", paths[i], "{}");
        CLAIM(r.status == 404 && strcmp(text_at(r.json, "/message"), bedrock_words) == 0, "%s: %s", paths[i],
              buf_text(&r.body));
    }
    CLEANUP(reply_release) struct reply ours = admin(m, "GET", "/reset", "");
    CLAIM(ours.status == 405 && strcmp(text_at(ours.json, "/message"), "/reset takes POST") == 0, "%s", buf_text(&ours.body));
    CLEANUP(reply_release) struct reply both = admin(m, "DELETE", "/faults", "");
    CLAIM(both.status == 405 && strcmp(text_at(both.json, "/message"), "/faults takes GET or POST") == 0, "%s",
          buf_text(&both.body));
    rig_stop(&m);
    m = NULL;
    buf_release(&log.lines);
}

static void the_admin_api_stays_on_loopback(void)
{
    static const struct {
        struct mock_config config;
        bool warns;
    } starts[] = {{{.host = "0.0.0.0"}, false},
                  {{.host = "0.0.0.0", .admin_host = "127.0.0.1"}, false},
                  {{.admin_host = "0.0.0.0"}, true},
                  {{.admin_host = "0.0.0.0", .admin_token = "secret"}, false}};
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        struct heard log = {PTHREAD_MUTEX_INITIALIZER, BUF_INIT(BUF_ANY)};
        struct mock_config config = starts[i].config;
        config.log = listen_to;
        config.log_ctx = &log;
        struct mock *m = rig_start(&config);
        /* 127.0.0.2 is another address of this machine: an address of all of them answers there, 127.0.0.1 does not. */
        CLAIM(answers_at("127.0.0.2", mock_admin_port(m)) == (config.admin_host != NULL && config.admin_host[0] == '0'),
              "start %zu", i);
        CLAIM(answers_at("127.0.0.1", mock_admin_port(m)), "start %zu", i);
        CLAIM(answers_at("127.0.0.2", mock_port(m)) == (config.host != NULL), "start %zu", i);
        CLAIM(heard(&log, "without a token") == starts[i].warns, "start %zu: %s", i, buf_text(&log.lines));
        mock_stop(m);
        buf_release(&log.lines);
    }
}

#define TOOL(name) "{\"toolSpec\":{\"name\":\"" name "\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}"
#define USE(id)    "{\"toolUse\":{\"toolUseId\":\"" id "\",\"name\":\"a\",\"input\":{}}}"
#define RESULT(id) "{\"toolResult\":{\"toolUseId\":\"" id "\",\"content\":[{\"text\":\"r\"}]}}"
#define ASK        "{\"role\":\"user\",\"content\":[{\"text\":\"hello\"}]}"
#define SCHEMA     "please reformat your input and try again."

static void rules_for_what_is_hardly_meant_are_off_and_can_be_on(void)
{
    static const struct {
        const char *body, *message; /* NULL: good all the same */
    } rows[] = {
        {"{\"messages\":[" ASK "],\"toolConfig\":{\"tools\":[" TOOL("a") "],\"toolChoice\":{\"tool\":{\"name\":\"nope\"}}}}",
         "The model returned the following errors: tool_choice: Tool 'nope' not found in provided tools"},
        {"{\"messages\":[" ASK "],\"toolConfig\":{\"tools\":[" TOOL("a") "],\"toolChoice\":{\"tool\":{\"name\":\"a\"}}}}", NULL},
        {"{\"messages\":[" ASK "],\"toolConfig\":{\"tools\":[" TOOL("a") "," TOOL("b") "," TOOL("a") "]}}",
         "The model returned the following errors: tools: Tool names must be unique."},
        {"{\"messages\":[" ASK ",{\"role\":\"assistant\",\"content\":[" USE("x") "," USE("x") "]},{\"role\":\"user\",\"content\":["
         RESULT("x") "," RESULT("x") "]}],\"toolConfig\":{\"tools\":[" TOOL("a") "]}}",
         "The model returned the following errors: messages.1.content.1: `tool_use` ids must be unique"},
        {"{\"messages\":[" ASK ",{\"role\":\"assistant\",\"content\":[" USE("x") "," USE("y") "]},{\"role\":\"user\",\"content\":["
         RESULT("x") "," RESULT("y") "]}],\"toolConfig\":{\"tools\":[" TOOL("a") "]}}", NULL},
        {"{\"messages\":[" ASK "],\"inferenceConfig\":{\"max_tokens\":5}}",
         "Malformed input request: #/inferenceConfig: extraneous key [max_tokens] is not permitted, " SCHEMA},
        {"{\"messages\":[" ASK "],\"anthropic_version\":\"x\"}",
         "Malformed input request: #: extraneous key [anthropic_version] is not permitted, " SCHEMA},
        {"{\"messages\":[" ASK "],\"additionalModelRequestFields\":{\"top_k\":5},\"requestMetadata\":{\"any\":\"thing\"}}", NULL},
    };
    static const char *const on[] = {"tool-choice", "tool-names", "tool-use-ids", "unknown-members", NULL};
    CLEANUP(rig_stop) struct mock *lenient = rig_start(&(struct mock_config){0});
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.rules_on = on});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release) struct reply off = ask(lenient, CONVERSE, rows[i].body), r = ask(m, CONVERSE, rows[i].body);
        CLAIM(off.status == 200, "%s: %s", rows[i].body, buf_text(&off.body));
        CLAIM(rows[i].message == NULL ? r.status == 200
                                      : r.status == 400 && strcmp(text_at(r.json, "/message"), rows[i].message) == 0,
              "%s: %d %s", rows[i].body, r.status, buf_text(&r.body));
    }
}

static void the_journal_names_members_nobody_knows(void)
{
    static const struct {
        const char *path, *body, *unknown;
    } rows[] = {
        {CONVERSE, HELLO, "[]"},
        {CONVERSE, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}],\"na/me\":1}],\"inferenceConfig\":{\"max_tokens\":1},"
                   "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"a\",\"inputSchema\":{\"json\":{\"type\":\"object\",\"odd\":1}},\"strickt\":1}}]}}",
         "[\"/messages/0/na~1me\",\"/inferenceConfig/max_tokens\",\"/toolConfig/tools/0/toolSpec/strickt\"]"},
        {"/model/" HAIKU "/invoke", "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "[]"},
        {CONVERSE, "{\"messages\":", "[]"},
    };
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char path[64];
        CLEANUP(reply_release) struct reply r = ask(m, rows[i].path, rows[i].body);
        CU_ASSERT_EQUAL(r.error, OK);
        (void)snprintf(path, sizeof path, "/journal?since=%zu", i);
        CLEANUP(reply_release) struct reply j = admin(m, "GET", path, "");
        CLEANUP(free_ptr) char *got = json_text(json_at(j.json, "/entries/0/unknown"), JSON_COMPACT);
        CLAIM(got != NULL && strcmp(got, rows[i].unknown) == 0, "%s: %s", rows[i].body, got);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a slip in a reply is refused with the nearest name", a_slip_in_a_reply_is_refused_with_the_nearest_name},
        {"an odd reply is taken and told", an_odd_reply_is_taken_and_told},
        {"a match that nothing can meet is told", a_match_that_nothing_can_meet_is_told},
        {"an odd fixture is told in the log", an_odd_fixture_is_told_in_the_log},
        {"frames are for calls that stream", frames_are_for_calls_that_stream},
        {"a block without a delta is told in the journal", a_block_without_a_delta_is_told_in_the_journal},
        {"the wrong port is told", the_wrong_port_is_told},
        {"the admin api stays on loopback", the_admin_api_stays_on_loopback},
        {"rules for what is hardly meant are off and can be on", rules_for_what_is_hardly_meant_are_off_and_can_be_on},
        {"the journal names members nobody knows", the_journal_names_members_nobody_knows},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_doubt", tests);
}
