/* Dialects: what a good stream assembles to, and which invariant each bad one breaks, however the bytes are cut. */
#include "harness/dialect.h"

#include "unit.h"

#define CHUNK(choices)                                                                                                 \
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[" choices    \
    "]}\n\n"
#define DELTA(delta)      CHUNK("{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null}")
#define FINISH(reason)    CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}")
#define ROLE              DELTA("\"role\":\"assistant\",\"content\":\"\"")
#define TEXT(text)        DELTA("\"content\":\"" text "\"")
#define TOOL(index, rest) DELTA("\"tool_calls\":[{\"index\":" index "," rest "}]")
#define TOOL_START(index)                                                                                              \
    TOOL(index, "\"id\":\"t" index "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}")
#define TOOL_MORE(index, text) TOOL(index, "\"function\":{\"arguments\":\"" text "\"}")
#define USAGE                                                                                                          \
    "data: "                                                                                                           \
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{"     \
    "\"total_tokens\":3}}\n\n"
#define DONE "data: [DONE]\n\n"

static struct stream *fed(const struct dialect *d, const char *type, struct span bytes, size_t step,
                          enum stream_end how, bool usage)
{
    struct stream *s = stream_new(d, type);
    for (size_t at = 0; at < bytes.n; at += step)
        stream_feed(s, span_cut(bytes, at, step));
    s->want_usage = usage;
    stream_finish(s, how);
    return s;
}

/* The standard invariants that do not hold, joined with spaces; and `also` when it does not. */
static void broken(const struct stream *s, const char *also, struct buf *out)
{
    bool ended = s->end == STREAM_DONE || s->end == STREAM_CLOSED;
    for (size_t i = 0; i < s->dialect->invariant_count; i++) {
        const struct invariant *row = &s->dialect->invariants[i];
        struct note note = {""};
        bool asked = row->standard || (also != NULL && strcmp(also, row->name) == 0);
        if (!asked || (row->needs_end && !ended) || row->holds(s, &note))
            continue;
        CLAIM(note.text[0] != '\0', "%s says nothing of what it saw", row->name);
        buf_addf(out, "%s%s", out->len > 0 ? " " : "", row->name);
    }
}

struct row {
    const char *what, *bytes;
    enum stream_end how;
    const char *also;   /* an invariant that is not standard */
    const char *broken; /* those that must not hold */
    const char *ends;
};

static const struct row openai_rows[] = {
    {"a text", ROLE TEXT("a") TEXT("b") FINISH("stop") DONE, STREAM_CLOSED, NULL, "", "done"},
    {"comments and CR LF", ": ping\r\n\r\n" ROLE FINISH("stop") DONE, STREAM_CLOSED, NULL, "", "done"},
    {"no role", TEXT("a") FINISH("stop") DONE, STREAM_CLOSED, NULL, "role-first", "done"},
    {"role again", ROLE ROLE FINISH("stop") DONE, STREAM_CLOSED, "role-once", "role-once", "done"},
    {"no [DONE]", ROLE FINISH("stop"), STREAM_CLOSED, NULL, "done-last", "closed"},
    {"two [DONE]", ROLE FINISH("stop") DONE DONE, STREAM_CLOSED, NULL, "done-last one-done", "done"},
    {"[DONE] too early", ROLE DONE FINISH("stop"), STREAM_CLOSED, NULL, "done-last", "done"},
    {"no finish", ROLE TEXT("a") DONE, STREAM_CLOSED, NULL, "one-finish", "done"},
    {"two finishes", ROLE FINISH("stop") FINISH("stop") DONE, STREAM_CLOSED, NULL, "one-finish", "done"},
    {"text behind the finish", ROLE FINISH("stop") TEXT("a") DONE, STREAM_CLOSED, "nothing-after-finish",
     "nothing-after-finish", "done"},
    {"another choice",
     ROLE CHUNK("{\"index\":1,\"delta\":{\"role\":\"assistant\"},\"finish_reason\":\"stop\"}") FINISH("stop") DONE,
     STREAM_CLOSED, NULL, "choice-index", "done"},
    {"not JSON", ROLE "data: {\"x\":\n\n" FINISH("stop") DONE, STREAM_CLOSED, NULL, "well-formed object-name", "done"},
    {"bad UTF-8", ROLE "data: {\"object\":\"\xff\"}\n\n" FINISH("stop") DONE, STREAM_CLOSED, NULL,
     "well-formed object-name", "done"},
    {"an event without its end", ROLE FINISH("stop") DONE "data: {\"id\"", STREAM_CLOSED, NULL, "well-formed", "done"},
    {"the same, cut", ROLE "data: {\"id\"", STREAM_ABORTED, NULL, "", "aborted"},
    {"two tools",
     ROLE TOOL_START("0") TOOL_MORE("0", "{}") TOOL_START("1") TOOL_MORE("1", "{\\\"a\\\":1}") FINISH("tool_calls")
         DONE,
     STREAM_CLOSED, NULL, "", "done"},
    {"tool index from 1", ROLE TOOL_START("1") FINISH("tool_calls") DONE, STREAM_CLOSED, NULL, "tool-index", "done"},
    {"tool index -1", ROLE TOOL_START("-1") FINISH("tool_calls") DONE, STREAM_CLOSED, NULL, "tool-index", "done"},
    {"tool without name", ROLE TOOL("0", "\"id\":\"t\",\"type\":\"function\"") FINISH("tool_calls") DONE, STREAM_CLOSED,
     NULL, "tool-start-complete", "done"},
    {"tool id again", ROLE TOOL_START("0") TOOL_START("0") FINISH("tool_calls") DONE, STREAM_CLOSED, "tool-args-no-id",
     "tool-args-no-id", "done"},
    {"arguments not JSON", ROLE TOOL_START("0") TOOL_MORE("0", "{\\\"a\\\":") FINISH("tool_calls") DONE, STREAM_CLOSED,
     NULL, "args-json", "done"},
    {"the same for length", ROLE TOOL_START("0") TOOL_MORE("0", "{\\\"a\\\":") FINISH("length") DONE, STREAM_CLOSED,
     NULL, "", "done"},
    {"usage in its place", ROLE FINISH("stop") USAGE DONE, STREAM_CLOSED, "usage-chunk", "", "done"},
    {"usage missing", ROLE FINISH("stop") DONE, STREAM_CLOSED, "usage-chunk", "usage-chunk", "done"},
    {"usage before the finish", ROLE USAGE FINISH("stop") DONE, STREAM_CLOSED, "usage-chunk", "usage-chunk", "done"},
    {"usage twice", ROLE FINISH("stop") USAGE USAGE DONE, STREAM_CLOSED, "usage-chunk", "usage-chunk", "done"},
    {"an error", ROLE TEXT("a") "data: {\"error\":{\"message\":\"no\"}}\n\n", STREAM_CLOSED, NULL, "", "error"},
    {"on behind an error", ROLE "data: {\"error\":{\"message\":\"no\"}}\n\n" FINISH("stop") DONE, STREAM_CLOSED, NULL,
     "nothing-after-error", "error"},
    {"[DONE] behind an error", ROLE "data: {\"error\":{\"message\":\"no\"}}\n\n" DONE, STREAM_CLOSED,
     "no-done-after-error", "no-done-after-error", "error"},
    {"another object",
     "data: "
     "{\"id\":\"c1\",\"object\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"},\"finish_reason\":"
     "\"stop\"}]}\n\n" DONE,
     STREAM_CLOSED, NULL, "object-name", "done"},
    {"ids that change",
     ROLE "data: {\"id\":\"c2\",\"object\":\"chat.completion.chunk\",\"choices\":[]}\n\n" FINISH("stop") DONE,
     STREAM_CLOSED, "id-stable", "id-stable", "done"},
    {"an unknown finish", ROLE FINISH("end_turn") DONE, STREAM_CLOSED, "finish-known", "finish-known", "done"},
};

static void judge_rows(const struct dialect *d, const char *type, const struct row *row, struct span bytes)
{
    const size_t steps[] = {bytes.n + 1, 1, 7};
    for (size_t k = 0; k < COUNT_OF(steps); k++) {
        CLEANUP(buf_release) struct buf found = BUF_INIT(4096);
        struct stream *s =
            fed(d, type, bytes, steps[k], row->how, row->also != NULL && strcmp(row->also, "usage-chunk") == 0);
        broken(s, row->also, &found);
        CLAIM(strcmp(buf_text(&found), row->broken) == 0, "%s, %zu bytes at a time: breaks '%s' instead of '%s'",
              row->what, steps[k], buf_text(&found), row->broken);
        CLAIM(strcmp(stream_end_name(s->end), row->ends) == 0, "%s: ends '%s' instead of '%s'", row->what,
              stream_end_name(s->end), row->ends);
        stream_free(s);
    }
}

static void each_openai_mistake_breaks_its_invariant(void)
{
    for (size_t i = 0; i < COUNT_OF(openai_rows); i++)
        judge_rows(&dialect_openai_chat, "text/event-stream; charset=utf-8", &openai_rows[i],
                   span_of(openai_rows[i].bytes));
    struct row plain = {"JSON for a stream", ROLE FINISH("stop") DONE, STREAM_CLOSED, NULL, "content-type", "done"};
    judge_rows(&dialect_openai_chat, "application/json", &plain, span_of(plain.bytes));
}

/* ---- Bedrock: "s" messageStart, "t0" a delta of text in block 0, "T1" the start of a tool in block 1, "i1" input of
 * it, "e0" the end of block 0, "p" messageStop, "m" metadata, "x" an exception, "!" one with a broken CRC, "<" half a
 * frame. */
static void frames_of(const char *script, struct buf *out)
{
    static const struct {
        char letter;
        const char *event, *payload;
    } kinds[] = {
        {'s', "messageStart", "{\"role\":\"assistant\"}"},
        {'t', "contentBlockDelta", "{\"contentBlockIndex\":%c,\"delta\":{\"text\":\"hi\"}}"},
        {'T', "contentBlockStart",
         "{\"contentBlockIndex\":%c,\"start\":{\"toolUse\":{\"toolUseId\":\"u\",\"name\":\"f\"}}}"},
        {'i', "contentBlockDelta", "{\"contentBlockIndex\":%c,\"delta\":{\"toolUse\":{\"input\":\"{}\"}}}"},
        {'j', "contentBlockDelta", "{\"contentBlockIndex\":%c,\"delta\":{\"toolUse\":{\"input\":\"{\"}}}"},
        {'r', "contentBlockDelta", "{\"contentBlockIndex\":%c,\"delta\":{\"reasoningContent\":{\"text\":\"hm\"}}}"},
        {'e', "contentBlockStop", "{\"contentBlockIndex\":%c}"},
        {'p', "messageStop", "{\"stopReason\":\"end_turn\"}"},
        {'m', "metadata", "{\"usage\":{\"totalTokens\":3}}"},
    };
    for (const char *c = script; *c != '\0'; c++) {
        size_t before = out->len;
        if (*c == 'x')
            CU_ASSERT_EQUAL(es_encode_exception(out, "throttlingException", SPAN_LIT("{\"message\":\"no\"}")), ES_OK);
        for (size_t k = 0; k < COUNT_OF(kinds); k++) {
            if (kinds[k].letter != *c)
                continue;
            CLEANUP(buf_release) struct buf payload = BUF_INIT(256);
            const char *mark = strchr(kinds[k].payload, '%');
            buf_add(&payload,
                    (struct span){(const unsigned char *)kinds[k].payload,
                                  mark != NULL ? (size_t)(mark - kinds[k].payload) : strlen(kinds[k].payload)});
            if (mark != NULL) {
                buf_addc(&payload, *++c);
                buf_adds(&payload, mark + 2);
            }
            CU_ASSERT_EQUAL(es_encode_event(out, kinds[k].event, buf_span(&payload)), ES_OK);
            break;
        }
        if (*c == '!' && before > 0)
            out->data[before - 6] ^= 1;
        if (*c == '<' && before > 10)
            out->len -= 10;
    }
}

static const struct row bedrock_rows[] = {
    {"a text", "st0t0e0pm", STREAM_CLOSED, NULL, "", "done"},
    {"text and a tool", "st0e0T1i1e1pm", STREAM_CLOSED, NULL, "", "done"},
    {"reasoning, then text", "sr0e0t1e1pm", STREAM_CLOSED, NULL, "", "done"},
    {"no start", "t0e0pm", STREAM_CLOSED, NULL, "start-first", "done"},
    {"two starts", "sst0e0pm", STREAM_CLOSED, NULL, "start-first", "done"},
    {"a block left open", "st0pm", STREAM_CLOSED, NULL, "block-order", "done"},
    {"blocks interleaved", "st0T1e0i1e1pm", STREAM_CLOSED, NULL, "block-order", "done"},
    {"a block number left out", "st1e1pm", STREAM_CLOSED, NULL, "block-order", "done"},
    {"input without a start", "si0e0pm", STREAM_CLOSED, NULL, "tool-start", "done"},
    {"input that is not JSON", "sT0j0e0pm", STREAM_CLOSED, NULL, "args-json", "done"},
    {"no stop", "st0e0m", STREAM_CLOSED, NULL, "one-stop", "closed"},
    {"no metadata", "st0e0p", STREAM_CLOSED, NULL, "metadata-last", "done"},
    {"metadata before the stop", "st0e0mp", STREAM_CLOSED, NULL, "metadata-last", "done"},
    {"an exception", "st0x", STREAM_CLOSED, NULL, "", "error"},
    {"on behind an exception", "st0xt0", STREAM_CLOSED, NULL, "nothing-after-error", "error"},
    {"half a frame, ended whole", "st0e0pm<", STREAM_CLOSED, NULL, "frames metadata-last", "done"},
    {"half a frame, cut", "st0<", STREAM_ABORTED, NULL, "", "aborted"},
    {"a broken CRC, cut", "st0!", STREAM_ABORTED, NULL, "frames", "aborted"},
};

static void each_bedrock_mistake_breaks_its_invariant(void)
{
    for (size_t i = 0; i < COUNT_OF(bedrock_rows); i++) {
        CLEANUP(buf_release) struct buf bytes = BUF_INIT(65536);
        frames_of(bedrock_rows[i].bytes, &bytes);
        judge_rows(&dialect_bedrock_converse, "application/vnd.amazon.eventstream", &bedrock_rows[i], buf_span(&bytes));
    }
}

/* ---- assembly ---- */

static void claim_assembled(const char *what, cJSON *take, const char *wanted)
{
    CLEANUP(json_free) cJSON *got = take;
    CLEANUP(json_free) cJSON *want = NULL;
    CLEANUP(free_ptr) char *text = json_text(got, JSON_COMPACT);
    CU_ASSERT_EQUAL(json_parse(span_of(wanted), JSON_COMPACT, &want, NULL), OK);
    CLAIM(json_equal(got, want), "%s assembles to %s", what, text);
}

static void a_stream_and_a_unary_answer_assemble_alike(void)
{
    static const char wanted[] =
        "{\"role\":\"assistant\",\"content\":\"ab\",\"reasoning\":\"hm\",\"tool_calls\":[{\"id\":\"t0\",\"name\":\"f\","
        "\"arguments\":\"{}\"}],\"finish_reason\":\"tool_calls\"}";
    struct stream *s = fed(&dialect_openai_chat, "text/event-stream",
                           span_of(ROLE DELTA("\"reasoning_content\":\"hm\"") TEXT("a") TEXT("b") TOOL_START("0")
                                       TOOL_MORE("0", "{") TOOL_MORE("0", "}") FINISH("tool_calls") DONE),
                           5, STREAM_CLOSED, false);
    claim_assembled("the stream", s->dialect->assemble(s), wanted);
    CLAIM(s->content_events == 6, "%zu content events", s->content_events);
    stream_free(s);
    CLEANUP(json_free) cJSON *body = NULL;
    CU_ASSERT_EQUAL(json_parse(SPAN_LIT("{\"choices\":[{\"index\":0,\"finish_reason\":\"tool_calls\",\"message\":{"
                                        "\"role\":\"assistant\",\"content\":\"ab\",\"reasoning_content\":\"hm\","
                                        "\"tool_calls\":[{\"id\":\"t0\",\"type\":\"function\",\"function\":{\"name\":"
                                        "\"f\",\"arguments\":\"{}\"}}]}}]}"),
                               JSON_COMPACT, &body, NULL),
                    OK);
    claim_assembled("the body", dialect_openai_chat.unary(body), wanted);
}

static void bedrock_blocks_assemble_to_one_answer(void)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(65536);
    frames_of("sr0e0t1t1e1T2i2e2pm", &bytes);
    struct stream *s =
        fed(&dialect_bedrock_converse, "application/vnd.amazon.eventstream", buf_span(&bytes), 3, STREAM_CLOSED, false);
    claim_assembled("the stream", s->dialect->assemble(s),
                    "{\"role\":\"assistant\",\"content\":\"hihi\",\"reasoning\":\"hm\",\"tool_calls\":[{\"id\":\"u\","
                    "\"name\":\"f\",\"arguments\":\"{}\"}],"
                    "\"finish_reason\":\"end_turn\",\"usage\":{\"totalTokens\":3}}");
    stream_free(s);
}

static void a_model_arn_is_one_segment_of_the_path(void)
{
    struct dialect_request r = {.path = BUF_INIT(4096), .body = BUF_INIT(4096)};
    http_headers_init(&r.headers);
    CLEANUP(json_free) cJSON *send = cJSON_CreateObject();
    (void)json_set(send, "stream", cJSON_CreateTrue());
    CU_ASSERT_EQUAL(dialect_bedrock_converse.prepare(send, "arn:aws:bedrock:us-east-1::x/a b", &r, NULL), OK);
    CU_ASSERT_STRING_EQUAL(buf_text(&r.path), "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Ax%2Fa%20b/converse-stream");
    dialect_request_release(&r);
}

static void the_openai_request_takes_model_and_stream(void)
{
    struct dialect_request r = {.path = BUF_INIT(4096), .body = BUF_INIT(4096)};
    http_headers_init(&r.headers);
    CLEANUP(json_free) cJSON *send = NULL;
    CU_ASSERT_EQUAL(
        json_parse(SPAN_LIT("{\"stream\":true,\"body\":{\"messages\":[],\"stream_options\":{\"include_usage\":true}}}"),
                   0, &send, NULL),
        OK);
    CU_ASSERT_EQUAL(dialect_openai_chat.prepare(send, "m", &r, NULL), OK);
    CU_ASSERT_STRING_EQUAL(
        buf_text(&r.body),
        "{\"messages\":[],\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}");
    CU_ASSERT(r.stream && r.want_usage);
    dialect_request_release(&r);
}

static void error_objects_are_known_by_their_shape(void)
{
    static const struct {
        const struct dialect *d;
        int status;
        const char *body;
        bool holds;
    } table[] = {
        {&dialect_openai_chat, 400, "{\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\"}}", true},
        {&dialect_openai_chat, 200, "{\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\"}}", false},
        {&dialect_openai_chat, 400, "{\"error\":\"no\"}", false},
        {&dialect_openai_chat, 400, "{\"error\":{\"message\":\"\",\"type\":\"x\"}}", false},
        {&dialect_openai_chat, 400, "{\"error\":{\"message\":\"no\"}}", false},
        {&dialect_bedrock_converse, 400, "{\"message\":\"no\",\"__type\":\"ValidationException\"}", true},
        {&dialect_bedrock_converse, 400, "{\"message\":\"no\"}", false},
        {&dialect_bedrock_converse, 400, "{\"__type\":\"ValidationException\"}", false},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct http_headers headers;
        http_headers_init(&headers);
        struct note why = {""};
        CLEANUP(json_free) cJSON *body = NULL;
        CU_ASSERT_EQUAL(json_parse(span_of(table[i].body), 0, &body, NULL), OK);
        CLAIM(table[i].d->error_shape(table[i].status, &headers, body, &why) == table[i].holds, "%s: %s", table[i].body,
              why.text);
        CLAIM((why.text[0] == '\0') == table[i].holds, "%s: says '%s'", table[i].body, why.text);
        http_headers_release(&headers);
    }
}

/* The tests run at the top of the source tree. */
static void the_manual_names_every_invariant(void)
{
    static char text[1 << 17];
    FILE *f = fopen("suites/README.md", "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    size_t count = 0;
    const struct dialect *const *all = dialects_all(&count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < all[i]->invariant_count; k++)
            CLAIM(strstr(text, all[i]->invariants[k].name) != NULL, "%s is not in suites/README.md",
                  all[i]->invariants[k].name);
}

/* What comes behind the last event that is kept is dropped, also when it comes in a piece of its own. */
static void a_stream_of_more_events_than_are_kept_is_broken(void)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY), why = BUF_INIT(BUF_ANY);
    for (size_t i = 0; i < STREAM_EVENTS_MAX; i++)
        buf_adds(&bytes, "data: 1\n\n");
    buf_adds(&bytes, DONE);
    struct stream *s = fed(&dialect_openai_chat, "text/event-stream", buf_span(&bytes), bytes.len / 2 + 40, STREAM_CLOSED, false);
    CU_ASSERT(s->failed && s->count < STREAM_EVENTS_MAX && s->end == STREAM_CLOSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&s->broken), "more events than we keep"));
    stream_free(s);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"each OpenAI mistake breaks its invariant", each_openai_mistake_breaks_its_invariant},
        {"each Bedrock mistake breaks its invariant", each_bedrock_mistake_breaks_its_invariant},
        {"a stream and a unary answer assemble alike", a_stream_and_a_unary_answer_assemble_alike},
        {"Bedrock's blocks assemble to one answer", bedrock_blocks_assemble_to_one_answer},
        {"a model ARN is one segment of the path", a_model_arn_is_one_segment_of_the_path},
        {"the OpenAI request takes model and stream", the_openai_request_takes_model_and_stream},
        {"error objects are known by their shape", error_objects_are_known_by_their_shape},
        {"a stream of more events than are kept is broken", a_stream_of_more_events_than_are_kept_is_broken},
        {"the manual names every invariant", the_manual_names_every_invariant},
        CU_TEST_INFO_NULL,
    };
    return unit_main("dialect", tests);
}
