/* Lists of faults: what they make of answers in the eyes of a client, where they come from, and how they are refused.
 * What each does to the bytes is in mock_fault_wire.c. */
#include "mock_rig.h"

#include <pthread.h>

/* The scripted answer below is nine events long:
 * 0 messageStart, 1-3 deltas "one ", "two ", "three", 4 contentBlockStop, 5 messageStop, 6 metadata. */
#define ANSWER "\"content\":[{\"text\":\"one two three\",\"$deltas\":[\"one \",\"two \",\"three\"]}]"
#define WHOLE  "messageStart contentBlockDelta*3 contentBlockStop messageStop metadata"

struct row {
    const char *fault; /* JSON members behind "id" */
    bool unary;
    int status;
    enum err error;      /* of the client */
    const char *outline; /* of the events; NULL: not looked at */
    enum es_error end;
    const char *holds; /* in the body; NULL: not looked at */
};

static const struct row rows[] = {
    {"\"error\",\"type\":\"ModelTimeoutException\"", true, 408, OK, NULL, ES_OK, "Model has timed out"},
    {"\"error\",\"type\":\"ThrottlingException\",\"message\":\"slow down\",\"style\":\"type\"", true, 429, OK, NULL,
     ES_OK, "{\"__type\":\"ThrottlingException\",\"message\":\"slow down\"}"},
    {"\"ServiceUnavailableException\"", false, 503, OK, NULL, ES_OK,
     "{\"message\":\"Bedrock is unable to process your request.\"}"},
    {"\"error\",\"type\":\"MadeUpException\",\"status\":418,\"message\":\"m\",\"style\":\"code\"", true, 418, OK, NULL,
     ES_OK, "{\"code\":\"MadeUpException\",\"message\":\"m\"}"},
    {"\"exception\",\"at_event\":2,\"type\":\"throttlingException\",\"message\":\"m\"", false, 200, OK,
     "messageStart contentBlockDelta throttlingException", ES_OK, "{\"message\":\"m\"}"},
    {"\"exception\",\"at_event\":0,\"type\":\"internalServerException\"", false, 200, OK, "internalServerException",
     ES_OK, "unexpected error during processing"},
    {"\"exception\",\"at_event\":2", true, 200, OK, NULL, ES_OK, "one two three"},
    {"\"error-frame\",\"at_event\":1,\"code\":\"Oops\",\"message\":\"m\"", false, 200, OK, "messageStart Oops", ES_OK,
     NULL},
    {"\"cut-fin\",\"at_event\":3", false, 200, ERR_CLOSED, "messageStart contentBlockDelta*2", ES_OK, NULL},
    {"\"cut-fin\",\"at_byte\":20", false, 200, ERR_CLOSED, "", ES_TRUNCATED, NULL},
    {"\"cut-fin\",\"at_byte\":10", true, 200, ERR_CLOSED, NULL, ES_OK, NULL},
    {"\"cut-rst\",\"at_event\":3", false, 200, ERR_CLOSED, NULL, ES_OK, NULL},
    {"\"cut-rst\",\"at_byte\":10", true, 200, ERR_CLOSED, NULL, ES_OK, NULL},
    {"\"cut-clean\",\"at_event\":-2", false, 200, OK, "messageStart contentBlockDelta*3 contentBlockStop", ES_OK, NULL},
    {"\"cut-clean\",\"at_byte\":-7", false, 200, OK, "messageStart contentBlockDelta*3 contentBlockStop messageStop",
     ES_TRUNCATED, NULL},
    {"\"split\",\"at_event\":1,\"at_byte\":2", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"split\",\"at_byte\":9", true, 200, OK, NULL, ES_OK, "one two three"},
    {"\"shred\"", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"shred\",\"bytes\":7", true, 200, OK, NULL, ES_OK, "one two three"},
    {"\"merge\"", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"bad-prelude-crc\",\"at_event\":2", false, 200, OK, "messageStart contentBlockDelta", ES_PRELUDE_CRC, NULL},
    {"\"bad-message-crc\",\"at_event\":2", false, 200, OK, "messageStart contentBlockDelta", ES_MESSAGE_CRC, NULL},
    {"\"corrupt\",\"at_event\":3", false, 200, OK, WHOLE, ES_OK, "{\"text\":\"thred\"}"},
    {"\"unknown-event\",\"at_event\":1,\"name\":\"newThing\"", false, 200, OK,
     "messageStart newThing contentBlockDelta*3 contentBlockStop messageStop metadata", ES_OK, NULL},
    {"\"no-message-stop\"", false, 200, OK, "messageStart contentBlockDelta*3 contentBlockStop metadata", ES_OK, NULL},
    {"\"no-metadata\"", false, 200, OK, "messageStart contentBlockDelta*3 contentBlockStop messageStop", ES_OK, NULL},
    {"\"drop-event\",\"at_event\":0", false, 200, OK, "contentBlockDelta*3 contentBlockStop messageStop metadata",
     ES_OK, NULL},
    {"\"duplicate-event\",\"at_event\":5", false, 200, OK,
     "messageStart contentBlockDelta*3 contentBlockStop messageStop*2 metadata", ES_OK, NULL},
    {"\"swap-events\",\"at_event\":4", false, 200, OK,
     "messageStart contentBlockDelta*3 messageStop contentBlockStop metadata", ES_OK, NULL},
    {"\"html-503\"", false, 503, OK, NULL, ES_OK, "<html>"},
    {"\"coral-200\"", true, 200, OK, NULL, ES_OK, "com.amazon.coral.service#UnknownOperationException"},
    {"\"empty-200\"", true, 200, OK, NULL, ES_OK, ""},
    {"\"empty-200\"", false, 200, OK, "", ES_OK, ""},
    {"\"latency\",\"ms\":30", true, 200, OK, NULL, ES_OK, "one two three"},
    {"\"ttft\",\"ms\":30", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"itl\",\"ms\":6", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"content-type\",\"value\":\"text/html\"", false, 200, OK, WHOLE, ES_OK, NULL},
    {"\"truncated-json\",\"at_byte\":12", true, 200, OK, NULL, ES_OK, "{\"metrics\":{"},
};

static uint64_t elapsed_ms(const char *fault)
{
    return strstr(fault, "\"itl\"") != NULL || strstr(fault, "\"ms\":30") != NULL ? 29 : 0;
}

static void check_row(struct mock *m, const struct row *row)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "{\"replies\":[{\"reply\":{" ANSWER ",\"faults\":[{\"id\":%s}]}}]}", row->fault);
    script(m, buf_text(&text));
    uint64_t before = now_ns();
    CLEANUP(reply_release) struct reply r = ask(m, row->unary ? CONVERSE : STREAM, HELLO);
    uint64_t took = (now_ns() - before) / 1000000;
    CLAIM(r.error == row->error, "%s: the client says %s", row->fault, err_name(r.error));
    CLAIM(r.status == row->status, "%s: status %d", row->fault, r.status);
    CLAIM(took >= elapsed_ms(row->fault), "%s: took %llu ms", row->fault, (unsigned long long)took);
    if (row->holds != NULL)
        CLAIM(row->holds[0] == '\0' ? r.body.len == 0
                                    : memmem(r.body.data, r.body.len, row->holds, strlen(row->holds)) != NULL,
              "%s: no %s in %s", row->fault, row->holds, buf_text(&r.body));
    if (row->outline == NULL)
        return;
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
    CLEANUP(buf_release) struct buf o = BUF_INIT(BUF_ANY);
    outline(events, &o);
    CLAIM(strcmp(buf_text(&o), row->outline) == 0, "%s: %s", row->fault, buf_text(&o));
    CLAIM(end == row->end, "%s: the decoder ends with %s", row->fault, es_error_name(end));
}

static void every_fault_does_what_its_row_says(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_row(m, &rows[i]);
}

static void a_cut_without_its_last_chunk_is_told_apart_from_an_end(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const char *const ids[] = {"cut-fin", "cut-rst", "cut-clean"}, *const planned[] = {"fin", "rst", "clean"};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        char body[512], pointer[64];
        (void)snprintf(body, sizeof body,
                       "{\"replies\":[{\"reply\":{" ANSWER ",\"faults\":[{\"id\":\"%s\",\"at_event\":3}]}}]}", ids[i]);
        script(m, body);
        CLEANUP(reply_release) struct reply r = ask(m, STREAM, HELLO);
        (void)snprintf(pointer, sizeof pointer, "/journal?count=%zu&timeout_ms=60000", i + 1);
        CLEANUP(reply_release) struct reply j = admin(m, "GET", pointer, "");
        (void)snprintf(pointer, sizeof pointer, "/entries/%zu/delivered/planned_end", i);
        CLAIM(strcmp(text_at(j.json, pointer), planned[i]) == 0, "%s: %s", ids[i], text_at(j.json, pointer));
        (void)snprintf(pointer, sizeof pointer, "/entries/%zu/reply/faults/0", i);
        CLAIM(strcmp(text_at(j.json, pointer), ids[i]) == 0, "%s is not in the journal", ids[i]);
    }
}

static void faults_add_up_in_their_order(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{" ANSWER ",\"faults\":[{\"id\":\"duplicate-event\",\"at_event\":1},{\"id\":"
              "\"no-metadata\"},{\"id\":\"bad-message-crc\",\"at_event\":-1},{\"id\":\"shred\",\"bytes\":5}]}}]}");
    CLEANUP(reply_release) struct reply r = ask(m, STREAM, HELLO);
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
    CLEANUP(buf_release) struct buf o = BUF_INIT(BUF_ANY);
    outline(events, &o);
    CLAIM(strcmp(buf_text(&o), "messageStart contentBlockDelta*4 contentBlockStop") == 0 && end == ES_MESSAGE_CRC,
          "%s, %s", buf_text(&o), es_error_name(end));
}

static void faults_for_everybody_last_until_reset(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply set = admin(m, "POST", "/faults", "{\"faults\":[{\"id\":\"html-503\"}]}");
    CU_ASSERT_EQUAL(set.status, 200);
    for (int i = 0; i < 2; i++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CU_ASSERT_EQUAL(r.status, 503);
    }
    CLEANUP(reply_release) struct reply list = admin(m, "GET", "/faults", "");
    CLAIM(strcmp(text_at(list.json, "/active/0/id"), "html-503") == 0, "%s", buf_text(&list.body));
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "");
    CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
    CU_ASSERT_EQUAL(r.status, 200);
}

static void refuses_faults_it_does_not_know(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *body, *message;
    } bad[] = {
        {"{\"faults\":[{\"id\":\"cut-fni\"}]}", "/faults/0/id: no fault is called \"cut-fni\"; did you mean cut-fin"},
        {"{\"faults\":[{\"id\":\"merge\",\"at_event\":1}]}",
         "/faults/0/at_event: this fault has no such parameter; it takes: none"},
        {"{\"faults\":[{\"id\":\"latency\",\"ms\":-1}]}", "/faults/0/ms: expected a number from 0"},
        {"{\"faults\":[{\"id\":\"shred\",\"bytes\":0}]}", "/faults/0/bytes: expected a number from 1"},
        {"{\"faults\":[{\"id\":\"content-type\",\"value\":\"a\\r\\nX: y\"}]}",
         "/faults/0/value: expected a string of one line"},
        {"{\"faults\":[{\"id\":\"merge\",\"rate\":1.5}]}", "/faults/0/rate: expected a number from 0 to 1"},
        {"{\"faults\":[{\"id\":\"merge\",\"match\":{\"modle\":\"x\"}}]}",
         "/faults/0/match/modle: nobody knows this key; did you mean \"model\""},
        {"{\"faults\":[{\"id\":\"merge\",\"match\":3}]}", "/faults/0/match: expected an object"},
        {"{\"faults\":[7]}", "/faults/0: expected an object"},
        {"{\"faults\":{}}", "/faults: expected a list"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/faults", bad[i].body);
        CLAIM(r.status == 400, "%s: %d", bad[i].body, r.status);
        CLAIM(strncmp(text_at(r.json, "/message"), bad[i].message, strlen(bad[i].message)) == 0, "%s",
              text_at(r.json, "/message"));
    }
}

/* ---- chance, matchers, headers, the command line ---- */

static struct reply ask_with(struct mock *m, const char *path, const char *name, const char *value)
{
    CLEANUP(http_headers_release) struct http_headers more;
    http_headers_init(&more);
    http_headers_add(&more, name, value);
    return fetch(mock_port(m), "POST", path, HELLO, &more, &usual_key);
}

/* Which of n requests failed, as a string of 0 and 1. */
static void draw(struct mock *m, size_t n, bool with_ids, char *out)
{
    for (size_t i = 0; i < n; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "request-%zu", with_ids ? n - 1 - i : i);
        CLEANUP(reply_release)
        struct reply r = with_ids ? ask_with(m, CONVERSE, "x-mohs-id", id) : ask(m, CONVERSE, HELLO);
        out[with_ids ? n - 1 - i : i] = r.status == 200 ? '0' : r.status == 503 ? '1' : '?';
    }
    out[n] = '\0';
}

static size_t ones(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '1';
    return n;
}

static void a_rate_replays_bit_for_bit(void)
{
    static const char *const faults[] = {"html-503@20%", NULL};
    enum { N = 200 };
    char runs[4][N + 1];
    struct mock_config config = {.seed = 7, .faults = faults};
    for (size_t i = 0; i < 3; i++) {
        config.seed = i == 2 ? 8 : 7;
        CLEANUP(rig_stop) struct mock *m = rig_start(&config);
        draw(m, N, false, runs[i]);
        CLAIM(ones(runs[i]) > N / 10 && ones(runs[i]) < N * 3 / 10, "%zu of %d", ones(runs[i]), N);
        CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "");
        draw(m, N, false, runs[3]);
        CLAIM(strcmp(runs[i], runs[3]) == 0, "another run after a reset: %s", runs[3]);
    }
    CLAIM(strcmp(runs[0], runs[1]) == 0, "%s\n    %s", runs[0], runs[1]);
    CLAIM(strcmp(runs[0], runs[2]) != 0, "another seed draws the same");
}

/* Half of the requests, and half of the others: three quarters, not the same half twice. */
static void lists_draw_apart_from_each_other(void)
{
    static const char *const faults[] = {"html-503@50%", NULL};
    enum { N = 200 };
    char run[N + 1];
    struct mock_config config = {.faults = faults};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply set = admin(m, "POST", "/faults", "{\"faults\":[{\"id\":\"html-503\",\"rate\":0.5}]}");
    draw(m, N, false, run);
    CLAIM(set.status == 200 && ones(run) > 130 && ones(run) < 170, "%zu of %d", ones(run), N);
}

static void an_id_draws_the_same_in_any_order(void)
{
    static const char *const faults[] = {"html-503@0.3", NULL};
    enum { N = 60 };
    char there[N + 1], back[N + 1];
    struct mock_config config = {.faults = faults};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < N; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "request-%zu", i);
        CLEANUP(reply_release) struct reply r = ask_with(m, CONVERSE, "x-mohs-id", id);
        there[i] = r.status == 200 ? '0' : '1';
    }
    there[N] = '\0';
    draw(m, N, true, back);
    CLAIM(strcmp(there, back) == 0 && ones(there) > 5 && ones(there) < 35, "%s\n    %s", there, back);
}

static void faults_for_everybody_may_match_and_have_a_rate(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply set = admin(
        m, "POST", "/faults",
        "{\"faults\":[{\"id\":\"HTTP-33\",\"match\":{\"operation\":\"Converse\"}},{\"id\":\"ERR-01\",\"rate\":0}]}");
    CLAIM(set.status == 200, "%s", buf_text(&set.body));
    CLEANUP(reply_release) struct reply one = ask(m, CONVERSE, HELLO);
    CLEANUP(reply_release) struct reply two = ask(m, STREAM, HELLO);
    CU_ASSERT_EQUAL(one.status, 503);
    CU_ASSERT_EQUAL(two.status, 200);
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal?count=2&timeout_ms=60000", "");
    CLAIM(strcmp(text_at(j.json, "/entries/0/reply/faults/0"), "HTTP-33") == 0 &&
              json_at(j.json, "/entries/0/reply/faults/1") == NULL &&
              json_at(j.json, "/entries/1/reply/faults/0") == NULL,
          "%s", buf_text(&j.body));
}

struct lines {
    pthread_mutex_t lock;
    struct buf text;
};

static void keep_line(void *ctx, const char *line)
{
    struct lines *l = ctx;
    (void)pthread_mutex_lock(&l->lock);
    buf_addf(&l->text, "%s\n", line);
    (void)pthread_mutex_unlock(&l->lock);
}

static void a_header_is_read_when_the_mock_was_told_to(void)
{
    struct mock_config config = {.fault_headers = true, .auth = MOCK_AUTH_STRICT};
    static const struct {
        const char *value;
        int status;
        enum err error;
        const char *holds;
    } asked[] = {
        {"HTTP-33", 503, OK, "<html>"}, /* signed without it, and strict: the header is nobody's business */
        {"cut-fin;at_byte=9", 200, ERR_CLOSED, NULL},
        {" content-type;value=a/b , status;status=418 ", 418, OK, "\"output\""},
        {"ThrottlingException;message=slow down", 429, OK, "{\"message\":\"slow down\"}"},
        {"html-503;rate=0%", 200, OK, "\"output\""},
        {"ThrottlingException;retry_after=7@0%", 200, OK, "\"output\""},
        {"html-503@0, ThrottlingException;retry_after=7@100%", 429, OK, "Too many"},
        {"ThrottlingException;message=to a@b.org", 429, OK, "{\"message\":\"to a@b.org\"}"},
        {"html-503@150%", 400, OK, "x-mohs-fault: \\\"150%\\\": expected a rate such as 0.05 or 5%"},
        {"html-530", 400, OK, "x-mohs-fault: /0/id: no fault is called \\\"html-530\\\"; did you mean html-50"},
        {"cut-fin;at_byte", 400, OK, "x-mohs-fault: \\\"at_byte\\\": expected name=value"},
        {"cut-fin;at_byte=x", 400, OK, "x-mohs-fault: /0/at_byte: expected a number"},
        {"html-503;match=x", 400, OK, "no such parameter"},
        {"cut-fin:at_event=3", 400, OK, "\\\"cut-fin:at_event=3\\\": parameters follow ';' here, and commas part faults"},
        {"cut-fin, at_event=3", 400, OK, "\\\"at_event=3\\\": parameters follow ';' here"},
    };
    struct lines log = {PTHREAD_MUTEX_INITIALIZER, BUF_INIT(BUF_ANY)};
    config.log = keep_line;
    config.log_ctx = &log;
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        CLEANUP(reply_release) struct reply r = ask_with(m, CONVERSE, "x-mohs-fault", asked[i].value);
        CLAIM(r.status == asked[i].status && r.error == asked[i].error, "%s: %d %s", asked[i].value, r.status,
              err_name(r.error));
        CLAIM(asked[i].holds == NULL || strstr(buf_text(&r.body), asked[i].holds) != NULL, "%s: %s", asked[i].value,
              buf_text(&r.body));
    }
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal?count=9&timeout_ms=60000", "");
    CLAIM(strcmp(text_at(j.json, "/entries/0/reply/faults/0"), "HTTP-33") == 0, "%s", buf_text(&j.body));
    CLAIM(strcmp(text_at(j.json, "/entries/0/signature/verdict"), "valid") == 0, "%s", buf_text(&j.body));
    CLAIM(strcmp(text_at(j.json, "/entries/8/reply/source"), "fault-header") == 0, "%s", buf_text(&j.body));
    rig_stop(&m);
    m = NULL;
    CLAIM(strstr(buf_text(&log.text), "POST Converse refused: x-mohs-fault: /0/id: no fault is called \"html-530\"") != NULL, "%s",
          buf_text(&log.text));
    buf_release(&log.text);
}

static void a_header_is_ignored_and_noted_otherwise(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply r = ask_with(m, CONVERSE, "x-mohs-fault", "html-503");
    CLEANUP(reply_release) struct reply without = ask(m, CONVERSE, HELLO);
    CU_ASSERT_EQUAL(r.status, 200);
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal?count=2&timeout_ms=60000", "");
    CLAIM(strstr(text_at(j.json, "/entries/0/reply/ignored"), "--fault-headers") != NULL, "%s", buf_text(&j.body));
    CLAIM(json_at(j.json, "/entries/1/reply/ignored") == NULL, "%s", buf_text(&j.body));
}

static void the_command_line_gives_faults_that_stay(void)
{
    static const char *const faults[] = {"cut-clean:at_event=1", "EVS-02:at_event=-1@100%", NULL};
    struct mock_config config = {.faults = faults};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (int i = 0; i < 2; i++) {
        CLEANUP(reply_release) struct reply r = ask(m, STREAM, HELLO);
        enum es_error end;
        CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
        CLAIM(cJSON_GetArraySize(events) == 0 && end == ES_MESSAGE_CRC, "%s", es_error_name(end));
        CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "");
    }
}

static void a_wrong_fault_does_not_start(void)
{
    static const struct {
        const char *fault, *note;
    } asked[] = {{"cut-fni", "--fault cut-fni: /0/id: no fault is called \"cut-fni\"; did you mean cut-fin"},
                 {"nope", "--fault nope: /0/id: no fault is called \"nope\"; `mohs list --faults` has them all"},
                 {"cut-fin;at_event=3", "\"cut-fin;at_event=3\": parameters follow ':' here, and commas part them"},
                 {"cut-fin,at_event=3", "parameters follow ':' here"},
                 {"cut-fin@7", "--fault cut-fin@7: \"7\": expected a rate such as 0.05 or 5%"},
                 {"cut-fin@x", "expected a rate"},
                 {"cut-fin@-1", "expected a rate"},
                 {"cut-fin@nan", "expected a rate"},
                 {"cut-fin:at_event", "expected name=value"},
                 {"merge:at_event=1", "this fault has no such parameter; it takes: none"},
                 {"status:status=99", "expected a number from 200 to 599"},
                 {"header:header=Content-Length", "not the server's own"}};
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        const char *const faults[] = {asked[i].fault, NULL};
        struct mock_config config = {.faults = faults};
        struct mock *m = NULL;
        struct note note = {""};
        enum err e = mock_start(&config, &m, &note);
        CLAIM(e == ERR_INVALID && strstr(note.text, asked[i].note) != NULL, "%s: %s", asked[i].fault, note.text);
        mock_stop(m);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every fault does what its row says", every_fault_does_what_its_row_says},
        {"a cut without its last chunk is told apart from an end",
         a_cut_without_its_last_chunk_is_told_apart_from_an_end},
        {"faults add up in their order", faults_add_up_in_their_order},
        {"faults for everybody last until reset", faults_for_everybody_last_until_reset},
        {"refuses faults it does not know", refuses_faults_it_does_not_know},
        {"a rate replays bit for bit", a_rate_replays_bit_for_bit},
        {"lists draw apart from each other", lists_draw_apart_from_each_other},
        {"an id draws the same in any order", an_id_draws_the_same_in_any_order},
        {"faults for everybody may match and have a rate", faults_for_everybody_may_match_and_have_a_rate},
        {"a header is read when the mock was told to", a_header_is_read_when_the_mock_was_told_to},
        {"a header is ignored and noted otherwise", a_header_is_ignored_and_noted_otherwise},
        {"the command line gives faults that stay", the_command_line_gives_faults_that_stay},
        {"a wrong fault does not start", a_wrong_fault_does_not_start},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_fault", tests);
}
