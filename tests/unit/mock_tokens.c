/* One token counter: whatever operation is asked, and wherever it says so, the same request costs the same tokens:
 * usage, the metadata of a stream, headers, native bodies, invocation metrics, CountTokens, the quota, the cache, and
 * what a bill is made of. */
#include "mock/metering/cache.h"
#include "mock/visit.h"
#include "mock_rig.h"
#include "protocol/price_usage.h"
#include "protocol/token.h"

#define SONNET "anthropic.claude-sonnet-4-5-20250929-v1:0"
#define NOVA   "amazon.nova-lite-v1:0"
/* 30 x 50 pixels by its header: 2 tokens; a text of 3 tokens; 768 bytes that are a PDF to nobody */
#define PNG  "iVBORw0KGgoAAAANSUhEUgAAAB4AAAAyCAYAAAA="
#define TXT  "b25lIHR3byB0aHJlZQ=="
#define C64  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PDF  C64 C64 C64 C64 C64 C64 C64 C64 C64 C64 C64 C64 C64 C64 C64 C64
#define U(c) "{\"role\":\"user\",\"content\":[" c "]}"
#define A(c) "{\"role\":\"assistant\",\"content\":[" c "]}"
#define T(t) "{\"text\":\"" t "\"}"

struct counts {
    int64_t in, out, read, wrote;
};

struct row {
    const char *name, *model, *profile; /* profile: what to invoke; NULL: the model itself */
    const char *converse, *native;      /* the same, twice */
    int64_t input;                      /* tokens, counted by hand; 0: not */
};

#define CLAUDE(body) "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":500," body "}"
#define M(list)      "\"messages\":[" list "]"
#define NT(t)        "{\"type\":\"text\",\"text\":\"" t "\"}"
#define RESULT_C                                                                                                       \
    "{\"toolResult\":{\"toolUseId\":\"t1\",\"content\":[" T(                                                           \
        "sunny all day") ",{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":"                                      \
                         "\"" PNG "\"}}}]}}"
#define RESULT_N                                                                                                       \
    "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":[" NT(                                               \
        "sunny all day") ",{\"type\":\"image\",\"source\":{"                                                           \
                         "\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"" PNG "\"}}]}"
#define SCHEMA "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"]}"
#define TOOLS_C                                                                                                        \
    "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"weather\",\"description\":\"The weather of a city, "         \
    "today.\","                                                                                                        \
    "\"inputSchema\":{\"json\":" SCHEMA "}}}]}"
#define TOOLS_N                                                                                                        \
    "\"tools\":[{\"name\":\"weather\",\"description\":\"The weather of a city, today.\",\"input_schema\":" SCHEMA "}]"
#define LONG "@" /* 1100 words */

static const struct row rows[] = {
    {"a word", SONNET, "us." SONNET, "{" M(U(T("hi"))) "}", CLAUDE(M("{\"role\":\"user\",\"content\":\"hi\"}")), 8},
    {"system and turns", SONNET, "us." SONNET,
     "{\"system\":[" T("Be brief.") "," T("Be kind.") "]," M(
         U(T("one two") "," T("three")) "," A(T("four")) "," U(T("five"))) "}",
     CLAUDE("\"system\":[" NT("Be brief.") "," NT("Be kind.") "]," M(
         U(NT("one two") "," NT("three")) "," A(NT("four")) "," U(NT("five")))),
     3 + 3 + 3 + 3 + 3 * 4 + 3 + 1 + 1},
    {"a system that is a string", SONNET, "us." SONNET, "{\"system\":[" T("Be brief.") "]," M(U(T("hi"))) "}",
     CLAUDE("\"system\":\"Be brief.\"," M(U(NT("hi")))), 8 + 3 + 3},
    {"an image", SONNET, "us." SONNET,
     "{" M(U(T("hi") ",{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"" PNG "\"}}}")) "}",
     CLAUDE(M(
         U(NT("hi") ",{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"" PNG
                    "\"}}"))),
     8 + 2},
    {"a text document", SONNET, "us." SONNET,
     "{" M(U(T("hi") ",{\"document\":{\"format\":\"txt\",\"name\":\"notes\",\"source\":{\"bytes\":\"" TXT "\"}}}")) "}",
     CLAUDE(M(U(NT("hi") ",{\"type\":\"document\",\"title\":\"notes\",\"source\":{\"type\":\"text\",\"media_type\":"
                         "\"text/plain\",\"data\":\"one two three\"}}"))),
     8 + 1 + 3},
    {"a PDF with a context", SONNET, "us." SONNET,
     "{" M(U(T("hi") ",{\"document\":{\"format\":\"pdf\",\"name\":\"report\",\"context\":\"of last "
                     "year\",\"source\":{\"bytes\":\"" PDF "\"}}}")) "}",
     CLAUDE(M(U(NT("hi") ",{\"type\":\"document\",\"title\":\"report\",\"context\":\"of last "
                         "year\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"" PDF
                         "\"}}"))),
     8 + 1 + 3 + 768 / 256 + 1},
    {"a document of parts", SONNET, "us." SONNET,
     "{" M(U(T("hi") ",{\"document\":{\"format\":\"txt\",\"name\":\"parts\",\"source\":{\"content\":[" T("one") "," T(
         "two") "]}}}")) "}",
     CLAUDE(
         M(U(NT("hi") ",{\"type\":\"document\",\"title\":\"parts\",\"source\":{\"type\":\"content\",\"content\":[" NT(
             "one") "," NT("two") "]}}"))),
     8 + 1 + 2},
    {"a search result", SONNET, "us." SONNET,
     "{" M(U(T("hi") ",{\"searchResult\":{\"source\":\"here\",\"title\":\"Found it\",\"content\":[" T(
         "one two") "],\"citations\":{\"enabled\":false}}}")) "}",
     CLAUDE(M(U(NT("hi") ",{\"type\":\"search_result\",\"source\":\"here\",\"title\":\"Found it\",\"content\":[" NT(
         "one two") "]}"))),
     8 + 1 + 2 + 2},
    {"tools, a use and its result", SONNET, "us." SONNET,
     "{" TOOLS_C "," M(U(T("Paris?")) "," A("{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"weather\",\"input\":{"
                                            "\"city\":\"Paris\"}}}") "," U(RESULT_C)) "}",
     CLAUDE(TOOLS_N "," M(U(NT("Paris?")) "," A(
         "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"weather\",\"input\":{\"city\":\"Paris\"}}") "," U(RESULT_N))),
     0},
    {"thinking that comes back", SONNET, "us." SONNET,
     "{" M(U(T("hi")) "," A("{\"reasoningContent\":{\"reasoningText\":{\"text\":\"hm hm\",\"signature\":\"c2ln\"}}}," T(
         "yes")) "," U(T("ok"))) "}",
     CLAUDE(M(U(NT("hi")) "," A(
         "{\"type\":\"thinking\",\"thinking\":\"hm hm\",\"signature\":\"c2ln\"}," NT("yes")) "," U(NT("ok")))),
     3 + 3 * 4 + 1 + 2 + 1 + 1},
    {"cache points everywhere", SONNET, "us." SONNET,
     "{\"system\":[" T(LONG) ",{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}]," M(
         U(T(LONG) ",{\"cachePoint\":{\"type\":\"default\"}}," T("hi"))) "}",
     CLAUDE("\"system\":[{\"type\":\"text\",\"text\":\"" LONG
            "\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]," M(
                U("{\"type\":\"text\",\"text\":\"" LONG "\",\"cache_control\":{\"type\":\"ephemeral\"}}," NT("hi")))),
     3 + 1103 + 1104 + 1},
    {"blocks that only Converse has", SONNET, "us." SONNET,
     "{" M(U("{\"guardContent\":{\"text\":{\"text\":\"one two\"}}}," T("hi")) "," A(
         "{\"citationsContent\":{\"content\":[" T("said so") "],\"citations\":[]}},{\"reasoningContent\":{"
                                                             "\"redactedContent\":\"c2ln\"}}") "," U(T("ok"))) "}",
     NULL, 3 + 3 * 4 + 2 + 1 + 2 + 0 + 1},
    {"Nova: a video that is elsewhere", NOVA, NULL,
     "{" M(U(T(
         "hi") ",{\"video\":{\"format\":\"mp4\",\"source\":{\"s3Location\":{\"uri\":\"s3://bucket/key.mp4\"}}}}")) "}",
     NULL, 8 + TOKENS_REMOTE_MEDIA},
    {"Nova: the same body", NOVA, NULL,
     "{\"system\":[" T("Be brief.") "]," TOOLS_C "," M(
         U(T("hi") ",{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"" PNG "\"}}}")) "}",
     "{\"system\":[" T("Be brief.") "]," TOOLS_C "," M(
         U(T("hi") ",{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"" PNG "\"}}}")) "}",
     0},
    {"Nova: a cache point", NOVA, NULL,
     "{" M(U(T(LONG) "," T(LONG) ",{\"cachePoint\":{\"type\":\"default\"}}," T("hi"))) "}",
     "{" M(U(T(LONG) "," T(LONG) ",{\"cachePoint\":{\"type\":\"default\"}}," T("hi"))) "}", 3 + 4 + 2200 + 1},
    {"Nova: a video", NOVA, NULL,
     "{" M(U(T("hi") ",{\"video\":{\"format\":\"mp4\",\"source\":{\"bytes\":\"" PDF "\"}}}")) "}",
     "{" M(U(T("hi") ",{\"video\":{\"format\":\"mp4\",\"source\":{\"bytes\":\"" PDF "\"}}}")) "}", 8 + 4},
    {"Llama", "meta.llama3-8b-instruct-v1:0", NULL, "{" M(U(T("one two three"))) "}", "{\"prompt\":\"one two three\"}",
     10},
    {"Titan", "amazon.titan-text-express-v1", NULL, "{" M(U(T("one two three"))) "}",
     "{\"inputText\":\"one two three\"}", 10},
    {"Mistral", "mistral.mistral-7b-instruct-v0:2", NULL, "{" M(U(T("one two three"))) "}",
     "{\"prompt\":\"one two three\"}", 10},
    {"Mistral's chat", "mistral.mistral-large-2407-v1:0", NULL,
     "{\"system\":[" T("Be brief.") "]," M(U(T("one two three"))) "}",
     "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"one two "
     "three\"}]}",
     16},
    {"Command R", "cohere.command-r-v1:0", NULL, "{" M(U(T("one")) "," A(T("two")) "," U(T("three"))) "}",
     "{\"message\":\"three\",\"chat_history\":[{\"role\":\"USER\",\"message\":\"one\"},{\"role\":\"CHATBOT\","
     "\"message\":\"two\"}]}",
     18},
    {"Jamba", "ai21.jamba-1-5-mini-v1:0", NULL, "{" M(U(T("one two three"))) "}",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"one two three\"}]}", 10},
    {"DeepSeek", "deepseek.r1-v1:0", "us.deepseek.r1-v1:0", "{" M(U(T("one two three"))) "}",
     "{\"prompt\":\"one two three\"}", 10},
    {"gpt-oss", "openai.gpt-oss-20b-1:0", NULL, "{" M(U(T("one two three"))) "}",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"one two three\"}]}", 10},
};

/* ---- asking ---- */

static void expand(const char *template, struct buf *out)
{
    for (const char *p = template; *p != '\0'; p++) {
        if (*p != '@') {
            buf_addc(out, *p);
            continue;
        }
        buf_adds(out, "long");
        for (int i = 1; i < 1100; i++)
            buf_adds(out, " word");
    }
}

static void path_of(const char *model, const char *operation, struct buf *out)
{
    buf_adds(out, "/model/");
    for (const char *p = model; *p != '\0'; p++)
        buf_adds(out, *p == ':' ? "%3A" : (char[2]){*p, '\0'});
    buf_addf(out, "/%s", operation);
}

static struct reply call(struct mock *m, const char *model, const char *operation, const char *body)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY);
    path_of(model, operation, &path);
    cache_forget(m->cache); /* each form meets an empty cache: all of them write */
    return ask(m, buf_text(&path), body);
}

static struct counts of_bill(const cJSON *place, const char *who)
{
    struct price_usage u = {0};
    struct note note = {""};
    enum err e = price_usage_read(place, &u, NULL, &note);
    CLAIM(e == OK || e == ERR_UNKNOWN, "%s: %s", who, note.text);
    if (e == ERR_UNKNOWN)
        return (struct counts){-1, -1, -1, -1};
    return (struct counts){u.units[PRICE_INPUT], u.units[PRICE_OUTPUT], u.units[PRICE_CACHE_READ],
                           u.units[PRICE_CACHE_WRITE_5M] + u.units[PRICE_CACHE_WRITE_1H]};
}

static void same(const struct row *r, const char *where, struct counts got, struct counts want)
{
    CLAIM(got.in == want.in && got.out == want.out && got.read == want.read && got.wrote == want.wrote,
          "%s: %s says %lld in, %lld out, %lld read, %lld written, not %lld, %lld, %lld, %lld", r->name, where,
          (long long)got.in, (long long)got.out, (long long)got.read, (long long)got.wrote, (long long)want.in,
          (long long)want.out, (long long)want.read, (long long)want.wrote);
}

static struct counts of_headers(const struct reply *r)
{
    struct price_usage u = {0};
    for (size_t i = 0; i < r->headers.count; i++)
        (void)price_usage_header(r->headers.items[i].name, r->headers.items[i].value, &u);
    return (struct counts){u.units[PRICE_INPUT], u.units[PRICE_OUTPUT], u.units[PRICE_CACHE_READ],
                           u.units[PRICE_CACHE_WRITE_5M]};
}

/* The events of a stream as a client puts them together: a list of payloads, or of what was in the chunks. */
static cJSON *payloads(const struct buf *body)
{
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(body, &end);
    cJSON *list = cJSON_CreateArray(), *e;
    cJSON_ArrayForEach(e, events)
    {
        CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
        const char *base64 = json_str(json_member(e, "payload"), "bytes");
        cJSON *inner = NULL;
        if (base64 == NULL)
            inner = cJSON_Duplicate(json_member(e, "payload"), true);
        else if (buf_add_unbase64(&bytes, span_of(base64)) != OK ||
                 json_parse(buf_span(&bytes), JSON_COMPACT, &inner, NULL) != OK)
            abort();
        (void)cJSON_AddItemToArray(list, inner);
    }
    return list;
}

/* What the quota took for the last request: all of the row's counts are of one model. */
static int64_t quota_took(struct mock *m)
{
    for (int tries = 0; tries < PATIENCE_MS; tries++) {
        CLEANUP(reply_release) struct reply r = admin(m, "GET", "/quotas", "");
        if (number_at(r.json, "/counts/0/running") == 0) {
            CLEANUP(reply_release)
            struct reply again =
                admin(m, "POST", "/quotas", "{\"quotas\":[{\"tpm\":1000000,\"burndown\":7,\"refill\":\"window\"}]}");
            return (int64_t)number_at(r.json, "/counts/0/tpm/used");
        }
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return -1;
}

static void took(struct mock *m, const struct row *r, const char *where, struct counts want)
{
    int64_t n = quota_took(m);
    CLAIM(n == want.in + want.wrote + 7 * want.out, "%s: the quota took %lld for %s", r->name, (long long)n, where);
}

static int64_t counted(struct mock *m, const struct row *r, const char *body, bool native)
{
    CLEANUP(buf_release) struct buf input = BUF_INIT(BUF_ANY);
    if (native) {
        buf_adds(&input, "{\"input\":{\"invokeModel\":{\"body\":\"");
        buf_add_base64(&input, span_of(body));
        buf_adds(&input, "\"}}}");
    } else {
        buf_addf(&input, "{\"input\":{\"converse\":%s}}", body);
    }
    CLEANUP(reply_release) struct reply c = call(m, r->model, "count-tokens", buf_text(&input));
    CLAIM(c.status == 200, "%s: %d %.300s", r->name, c.status, buf_text(&c.body));
    return (int64_t)number_at(c.json, "/inputTokens");
}

/* Tokens written for an hour, as a bill has them. */
static int64_t hours_of(const cJSON *place)
{
    struct price_usage u = {0};
    return price_usage_read(place, &u, NULL, NULL) == OK ? u.units[PRICE_CACHE_WRITE_1H] : 0;
}

static void check_native(struct mock *m, const struct row *r, const char *body, struct counts want, int64_t hours)
{
    const char *model = r->profile != NULL ? r->profile : r->model;
    CLAIM(counted(m, r, body, true) == want.in + want.wrote, "%s: CountTokens of InvokeModel", r->name);
    CLEANUP(reply_release) struct reply i = call(m, model, "invoke", body);
    CLAIM(i.status == 200, "%s: %d %.300s", r->name, i.status, buf_text(&i.body));
    same(r, "the headers", of_headers(&i), want);
    took(m, r, "InvokeModel", want);
    struct counts told = of_bill(i.json, r->name);
    if (told.in > 0)
        same(r, "the native body", told, want);

    CLEANUP(reply_release) struct reply v = call(m, model, "invoke-with-response-stream", body);
    CLEANUP(json_free) cJSON *chunks = payloads(&v.body);
    const cJSON *last = cJSON_GetArrayItem(chunks, cJSON_GetArraySize(chunks) - 1);
    same(r, "the invocation metrics", of_bill(json_member(last, "amazon-bedrock-invocationMetrics"), r->name), want);
    same(r, "the chunks", of_bill(chunks, r->name), want);
    took(m, r, "InvokeModelWithResponseStream", want);
    CLAIM(hours_of(i.json) == hours && hours_of(chunks) == hours, "%s: %lld and %lld for an hour, not %lld", r->name,
          (long long)hours_of(i.json), (long long)hours_of(chunks), (long long)hours);
}

static void check_row(struct mock *m, const struct row *r)
{
    const char *model = r->profile != NULL ? r->profile : r->model;
    CLEANUP(buf_release) struct buf converse = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf native = BUF_INIT(BUF_ANY);
    expand(r->converse, &converse);
    expand(r->native == NULL ? "" : r->native, &native);
    CLEANUP(reply_release) struct reply c = call(m, model, "converse", buf_text(&converse));
    CLAIM(c.status == 200, "%s: %d %.300s", r->name, c.status, buf_text(&c.body));
    struct counts want = {(int64_t)number_at(c.json, "/usage/inputTokens"),
                          (int64_t)number_at(c.json, "/usage/outputTokens"), 0, 0};
    if (number_at(c.json, "/usage/cacheWriteInputTokens") > 0)
        want.wrote = (int64_t)number_at(c.json, "/usage/cacheWriteInputTokens");
    int64_t whole = want.in + want.wrote;
    CLAIM(r->input == 0 || r->input == whole, "%s: %lld tokens, not %lld", r->name, (long long)whole,
          (long long)r->input);
    took(m, r, "Converse", want);
    same(r, "the bill of Converse", of_bill(c.json, r->name), want);
    CLAIM(counted(m, r, buf_text(&converse), false) == whole, "%s: CountTokens of Converse", r->name);

    CLEANUP(reply_release) struct reply s = call(m, model, "converse-stream", buf_text(&converse));
    CLEANUP(json_free) cJSON *events = payloads(&s.body);
    same(r, "the metadata", of_bill(events, r->name), want);
    took(m, r, "ConverseStream", want);

    if (r->native != NULL)
        check_native(m, r, buf_text(&native), want, hours_of(c.json));
    CLAIM(hours_of(c.json) == (strstr(r->converse, "1h") != NULL ? 1103 : 0), "%s: hours of the bill", r->name);
    CLAIM(hours_of(events) == hours_of(c.json), "%s: hours in the metadata", r->name);
}

static void the_same_request_costs_the_same_wherever_it_is_told(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"times\":\"always\",\"match\":{\"operation\":{\"$not\":\"CountTokens\"}},\"reply\":{"
              "\"content\":[{\"text\":\"one two "
              "three four\"}]}}]}");
    CLEANUP(reply_release)
    struct reply q =
        admin(m, "POST", "/quotas", "{\"quotas\":[{\"tpm\":1000000,\"burndown\":7,\"refill\":\"window\"}]}");
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_row(m, &rows[i]);
}

/* Of answers of every kind: what is told is what the blocks hold. */
static void output_is_counted_alike(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"times\":\"always\",\"reply\":{\"content\":[{\"reasoningContent\":{\"reasoningText\":{"
              "\"text\":\"hm hm hm\","
              "\"signature\":\"c2ln\"}}},{\"text\":\"one "
              "two\"},{\"toolUse\":{\"name\":\"weather\",\"input\":{\"city\":\"Paris\"}}}]}}]}");
    struct row r = rows[8]; /* it has tools */
    static const char *const profiles[] = {"us." SONNET, "us.anthropic.claude-haiku-4-5-20251001-v1:0"};
    for (size_t i = 0; i < COUNT_OF(profiles); i++) {
        int64_t want = 3 + 2 + TOKENS_PER_TOOL_BLOCK + (int64_t)token_count(SPAN_LIT("weather")) +
                       (int64_t)token_count(SPAN_LIT("{\"city\":\"Paris\"}"));
        CLEANUP(reply_release) struct reply c = call(m, profiles[i], "converse", r.converse);
        CLEANUP(reply_release) struct reply s = call(m, profiles[i], "converse-stream", r.converse);
        CLEANUP(reply_release) struct reply n = call(m, profiles[i], "invoke", r.native);
        CLEANUP(reply_release) struct reply v = call(m, profiles[i], "invoke-with-response-stream", r.native);
        CLEANUP(json_free) cJSON *events = payloads(&s.body);
        CLEANUP(json_free) cJSON *chunks = payloads(&v.body);
        const int64_t told[] = {of_bill(c.json, "c").out, of_bill(events, "s").out, of_bill(n.json, "n").out,
                                of_headers(&n).out, of_bill(chunks, "v").out};
        for (size_t k = 0; k < COUNT_OF(told); k++)
            CLAIM(told[k] == want, "form %zu: %lld, not %lld", k, (long long)told[k], (long long)want);
    }
}

/* What the mock says by itself is counted as what it said. */
static void a_default_answer_is_counted_as_it_reads(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < 3; i++) {
        CLEANUP(reply_release) struct reply c = call(m, rows[i].profile, "converse", rows[i].converse);
        CLAIM((int64_t)number_at(c.json, "/usage/outputTokens") ==
                  (int64_t)token_count(span_of(text_at(c.json, "/output/message/content/0/text"))),
              "%s", buf_text(&c.body));
        CLEANUP(reply_release) struct reply s = call(m, rows[i].profile, "converse-stream", rows[i].converse);
        CLEANUP(json_free) cJSON *events = payloads(&s.body);
        CLEANUP(buf_release) struct buf said = BUF_INIT(BUF_ANY);
        join(events, "/delta/text", &said);
        CLAIM(of_bill(events, "s").out == (int64_t)token_count(buf_span(&said)), "%s", buf_text(&said));
        CLEANUP(reply_release) struct reply n = call(m, rows[i].profile, "invoke", rows[i].native);
        CLAIM(of_bill(n.json, "n").out == (int64_t)token_count(span_of(text_at(n.json, "/content/0/text"))), "%s",
              buf_text(&n.body));
    }
}

static void embeddings_have_one_count(void)
{
    static const struct {
        const char *model, *body;
        int64_t tokens;
    } texts[] = {{"amazon.titan-embed-text-v1", "{\"inputText\":\"one two three\"}", 3},
                 {"amazon.titan-embed-text-v2:0", "{\"inputText\":\"one two three\"}", 3},
                 {"cohere.embed-english-v3", "{\"texts\":[\"one two\",\"three\"],\"input_type\":\"search_query\"}", 3}};
    static const char *const off[] = {"count-model", NULL}; /* or CountTokens does not take them */
    struct mock_config config = {.auth = MOCK_AUTH_NONE, .rules_off = off};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply q =
        admin(m, "POST", "/quotas", "{\"quotas\":[{\"tpm\":1000000,\"burndown\":7,\"refill\":\"window\"}]}");
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct row r = {.name = texts[i].model, .model = texts[i].model};
        CLEANUP(reply_release) struct reply e = call(m, texts[i].model, "invoke", texts[i].body);
        CLAIM(of_headers(&e).in == texts[i].tokens, "%s: %lld in the header", texts[i].model,
              (long long)of_headers(&e).in);
        took(m, &r, "an embedding", (struct counts){texts[i].tokens, 0, 0, 0});
        CLAIM(counted(m, &r, texts[i].body, true) == texts[i].tokens, "%s: CountTokens", texts[i].model);
        const cJSON *told = json_member(e.json, "inputTextTokenCount");
        CLAIM(told == NULL || of_bill(e.json, "e").in == texts[i].tokens, "%s", buf_text(&e.body));
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"the same request costs the same wherever it is told", the_same_request_costs_the_same_wherever_it_is_told},
        {"output is counted alike", output_is_counted_alike},
        {"a default answer is counted as it reads", a_default_answer_is_counted_as_it_reads},
        {"embeddings have one count", embeddings_have_one_count},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_tokens", tests);
}
