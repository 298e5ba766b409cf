/* The prompt cache: from call to call, over time, under many hands, within its bound. */
#include <pthread.h>

#include "mock/metering/cache.h"
#include "mock/visit.h"
#include "mock_rig.h"

#define SONNET    "anthropic.claude-sonnet-4-5-20250929-v1%3A0"
#define US_SONNET "/model/us." SONNET
#define EU_SONNET "/model/eu." SONNET
#define SONNET4   "/model/us.anthropic.claude-sonnet-4-20250514-v1%3A0"
#define NOVA      "/model/amazon.nova-pro-v1%3A0"
#define POINT     ",{\"cachePoint\":{\"type\":\"default\"}}"
#define HOUR      ",{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}"
#define TOKENS    1100 /* of words(): Sonnet's least is 1024 */
#define MINUTE    60000

/* `n` tokens: a word each. */
static void words(struct buf *out, const char *seed, size_t n)
{
    buf_adds(out, seed);
    for (size_t i = 1; i < n; i++)
        buf_adds(out, " word");
}

/* `template` with each @x replaced by a text of TOKENS tokens that begins with x, and ~x by one of 200. */
static void expand(const char *template, struct buf *out)
{
    for (const char *p = template; *p != '\0'; p++) {
        char seed[2] = {p[1], '\0'};
        if (*p == '@' || *p == '~') {
            words(out, seed, *p == '@' ? TOKENS : 200);
            p++;
        } else {
            buf_addc(out, *p);
        }
    }
}

static struct reply send(struct mock *m, const char *path, const char *template)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    expand(template, &body);
    return ask(m, path, buf_text(&body));
}

struct step {
    const char *path;
    const char *body;
    int64_t after_ms; /* the clock goes on by so much before */
    int64_t read, write, input;
    const char *details; /* cacheDetails, or NULL */
};

static void check_usage(const struct step *s, size_t i, const cJSON *usage)
{
    double read = number_at(usage, "/cacheReadInputTokens"), write = number_at(usage, "/cacheWriteInputTokens"),
           input = number_at(usage, "/inputTokens");
    CLEANUP(free_ptr) char *details = json_text(json_at(usage, "/cacheDetails"), JSON_SORTED);
    CLAIM((int64_t)read == s->read && (int64_t)write == s->write && (int64_t)input == s->input,
          "step %zu: read %.0f, write %.0f, input %.0f; expected %lld, %lld, %lld", i, read, write, input,
          (long long)s->read, (long long)s->write, (long long)s->input);
    CLAIM(strcmp(details, s->details == NULL ? "null" : s->details) == 0, "step %zu: %s", i, details);
    CLAIM(number_at(usage, "/totalTokens") == read + write + input + number_at(usage, "/outputTokens"),
          "step %zu: the total is no sum", i);
    CLAIM(number_at(usage, "/cacheReadInputTokenCount") == read &&
              number_at(usage, "/cacheWriteInputTokenCount") == write,
          "step %zu: the twins differ", i);
}

static void play(struct mock *m, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        clock_advance_ms(&m->clock, steps[i].after_ms);
        CLEANUP(reply_release) struct reply r = send(m, steps[i].path, steps[i].body);
        CLAIM(r.status == 200, "step %zu: %d %.300s", i, r.status, buf_text(&r.body));
        check_usage(&steps[i], i, json_at(r.json, "/usage"));
    }
}
#define PLAY(mock, steps) play(mock, steps, COUNT_OF(steps))

/* system @s: 1100 + 3; a message of one word: 4 + 1; the request: 3 */
#define SYSTEM(point, message)                                                                                         \
    "{\"system\":[{\"text\":\"@s\"}" point "],\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"" message      \
    "\"}]}]}"
#define DETAILS(n, ttl) "[{\"inputTokens\":" n ",\"ttl\":\"" ttl "\"}]"

static void a_prefix_is_written_once_and_read_afterwards(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE}; /* signatures would not outlive the clock's moves */
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct step steps[] = {
        {US_SONNET "/converse", SYSTEM(POINT, "one"), 0, 0, 1103, 8, DETAILS("1103", "5m")},
        {US_SONNET "/converse", SYSTEM(POINT, "one"), 0, 1103, 0, 8, NULL},
        {US_SONNET "/converse", SYSTEM(POINT, "two"), 0, 1103, 0, 8, NULL},
        {EU_SONNET "/converse", SYSTEM(POINT, "two"), 0, 1103, 0, 8, NULL}, /* the same model behind another profile */
        {SONNET4 "/converse", SYSTEM(POINT, "two"), 0, 0, 1103, 8, DETAILS("1103", "5m")},
        {US_SONNET "/converse", SYSTEM("", "two"), 0, 0, 0, 1111, NULL}, /* nobody asked */
    };
    PLAY(m, steps);
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "");
    play(m, steps, 2);
    CLEANUP(reply_release) struct reply kept = admin(m, "POST", "/reset", "{\"keep\":[\"cache\"]}");
    play(m, steps + 1, 3);
}

static void an_entry_lives_for_five_minutes_or_an_hour_from_its_last_use(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct step steps[] = {
        {US_SONNET "/converse", SYSTEM(POINT, "one"), 0, 0, 1103, 8, DETAILS("1103", "5m")},
        {US_SONNET "/converse", SYSTEM(POINT, "one"), 4 * MINUTE, 1103, 0, 8, NULL},
        {US_SONNET "/converse", SYSTEM(POINT, "one"), 4 * MINUTE, 1103, 0, 8, NULL}, /* the hit made it young */
        {US_SONNET "/converse", SYSTEM(POINT, "one"), 5 * MINUTE + 1, 0, 1103, 8, DETAILS("1103", "5m")},
    };
    static const struct step hours[] = {
        {US_SONNET "/converse", SYSTEM(HOUR, "one"), 0, 0, 1103, 8, DETAILS("1103", "1h")},
        {US_SONNET "/converse", SYSTEM(HOUR, "one"), 59 * MINUTE, 1103, 0, 8, NULL},
        {US_SONNET "/converse", SYSTEM(HOUR, "one"), 59 * MINUTE, 1103, 0, 8, NULL},
        {US_SONNET "/converse", SYSTEM(HOUR, "one"), 60 * MINUTE + 1, 0, 1103, 8, DETAILS("1103", "1h")},
        /* a model without hours gives five minutes */
        {SONNET4 "/converse", SYSTEM(HOUR, "one"), 0, 0, 1103, 8, DETAILS("1103", "5m")},
        {SONNET4 "/converse", SYSTEM(HOUR, "one"), 6 * MINUTE, 0, 1103, 8, DETAILS("1103", "5m")},
    };
    PLAY(m, steps);
    cache_forget(m->cache);
    PLAY(m, hours);
}

/* A conversation that grows: its point wanders, and each turn reads what the turn before wrote. */
#define U(c)    "{\"role\":\"user\",\"content\":[" c "]}"
#define BOT     "{\"role\":\"assistant\",\"content\":[{\"text\":\"yes\"}]}"
#define T(t)    "{\"text\":\"" t "\"}"
#define M(list) "{\"messages\":[" list "]}"

static void what_is_new_is_written_and_the_rest_is_read(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct step steps[] = {
        {US_SONNET "/converse", M(U(T("@a") POINT)), 0, 0, 1104, 3, DETAILS("1104", "5m")},
        {US_SONNET "/converse", M(U(T("@a")) "," BOT "," U(T("~b") POINT)), 0, 1104, 5 + 204, 3, DETAILS("209", "5m")},
        {US_SONNET "/converse", M(U(T("@a")) "," BOT "," U(T("~b")) "," BOT "," U(T("~c") POINT "," T("end"))), 0,
         1104 + 209, 5 + 204, 4, DETAILS("209", "5m")},
        /* another middle: the first turn alone is known */
        {US_SONNET "/converse", M(U(T("@a")) "," BOT "," U(T("~x") POINT)), 0, 1104, 209, 3, DETAILS("209", "5m")},
        {US_SONNET "/converse", M(U(T("@z") POINT)), 0, 0, 1104, 3, DETAILS("1104", "5m")},
        /* the role is part of the prefix, and so is the end of a message */
        {US_SONNET "/converse", M(U(T("@a") "," T("~b") POINT)), 0, 1104, 200, 3, DETAILS("200", "5m")},
    };
    PLAY(m, steps);
    cache_forget(m->cache);
    /* who says it, where a message ends and what kind of block it is: each makes another prompt of the same words */
    static const struct step others[] = {
        {US_SONNET "/converse", M(U(T("@a")) "," U(T("~b") POINT)), 0, 0, 1308, 3, DETAILS("1308", "5m")},
        {US_SONNET "/converse", M(U(T("@a") "," T("~b") POINT)), 0, 0, 1304, 3, DETAILS("1304", "5m")},
        {US_SONNET "/converse", M(U(T("@a")) ",{\"role\":\"assistant\",\"content\":[" T("~b") POINT "]}," U(T("hi"))),
         0, 0, 1308, 8, DETAILS("1308", "5m")},
        {US_SONNET "/converse", M(U("{\"guardContent\":{\"text\":{\"text\":\"@a\"}}}") "," U(T("~b") POINT)), 0, 0,
         1308, 3, DETAILS("1308", "5m")},
        {US_SONNET "/converse", M(U(T("@a")) "," U(T("~b") POINT)), 0, 1308, 0, 3, NULL},
    };
    PLAY(m, others);
}

static void an_hour_comes_before_five_minutes_in_the_details(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
#define TWO(user) "{\"system\":[" T("@s") HOUR "],\"messages\":[" U(T(user) POINT) "]}"
    static const struct step steps[] = {
        {US_SONNET "/converse", TWO("~a"), 0, 0, 1103 + 204, 3,
         "[{\"inputTokens\":1103,\"ttl\":\"1h\"},{\"inputTokens\":204,\"ttl\":\"5m\"}]"},
        {US_SONNET "/converse", TWO("~a"), 0, 1307, 0, 3, NULL},
        {US_SONNET "/converse", TWO("~a"), 6 * MINUTE, 1103, 204, 3, DETAILS("204", "5m")}, /* the hour is not over */
        {US_SONNET "/converse", TWO("~b"), 0, 1103, 204, 3, DETAILS("204", "5m")},
    };
    PLAY(m, steps);
#define FOUR                                                                                                           \
    "{\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"t\",\"description\":\"@t\",\"inputSchema\":{\"json\":{}}}"  \
    "}" POINT "]},\"system\":[" T("~s") POINT "],\"messages\":[" U(T("~a") POINT "," T("~b") POINT) "]}"
    static const struct step four[] = {
        {US_SONNET "/converse", FOUR, 0, 0, 8 + 1 + 1100 + 1 + 203 + 204 + 200, 3, DETAILS("1717", "5m")},
        {US_SONNET "/converse", FOUR, 0, 1717, 0, 3, NULL},
    };
    PLAY(m, four);
    size_t bytes;
    CLAIM(cache_count(m->cache, &bytes) == 3 + 4, "%zu entries", cache_count(m->cache, &bytes));
}

static void a_prefix_below_the_least_is_silently_ignored(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct step steps[] = {
        {US_SONNET "/converse", M(U(T("~a") POINT)), 0, 0, 0, 207, NULL},
        {US_SONNET "/converse", M(U(T("~a") POINT)), 0, 0, 0, 207, NULL},
        /* below it at the first point, above it at the second: one stretch is written */
        {US_SONNET "/converse", "{\"system\":[" T("~s") POINT "],\"messages\":[" U(T("@a") POINT) "]}", 0, 0,
         203 + 1104, 3, DETAILS("1307", "5m")},
        {NOVA "/converse", M(U(T("@a") POINT)), 0, 0, 1104, 3, DETAILS("1104", "5m")},
        /* Nova has no point among its tools: they are the message's prefix, and nothing by themselves */
        {NOVA "/converse",
         "{\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"t\",\"description\":\"@t\",\"inputSchema\":{\"json\":{}"
         "}}}" POINT "]},\"messages\":[" U(T("hi")) "]}",
         0, 0, 0, 1110 + 8, NULL},
    };
    PLAY(m, steps);
    struct step old = {CONVERSE, M(U(T("@a") POINT)), 0, -1, -1, 1107, NULL}; /* Claude 3 Haiku caches nothing */
    CLEANUP(reply_release) struct reply r = send(m, old.path, old.body);
    CLAIM(number_at(r.json, "/usage/inputTokens") == 1107 && number_at(r.json, "/usage/cacheReadInputTokens") == -1,
          "%s", buf_text(&r.body));
}

/* Blocks of one token in one message; the point moves `by` blocks on from the first. */
static void many_blocks(struct buf *out, size_t blocks, const char *point)
{
    buf_adds(out, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"@a\"}");
    for (size_t i = 0; i < blocks; i++)
        buf_adds(out, ",{\"text\":\"b\"}");
    buf_addf(out, "%s]}]}", point);
}

static void claude_looks_twenty_blocks_back_and_nova_none(void)
{
    static const struct {
        const char *path;
        size_t blocks;
        bool found;
    } rows[] = {{US_SONNET "/converse", 19, true},
                {US_SONNET "/converse", 20, false},
                {NOVA "/converse", 0, true},
                {NOVA "/converse", 1, false}};
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        cache_forget(m->cache);
        CLEANUP(buf_release) struct buf grown = BUF_INIT(BUF_ANY);
        CLEANUP(reply_release) struct reply first = send(m, rows[i].path, M(U(T("@a") POINT)));
        many_blocks(&grown, rows[i].blocks, POINT);
        CLEANUP(reply_release) struct reply r = send(m, rows[i].path, buf_text(&grown));
        CLAIM(number_at(r.json, "/usage/cacheReadInputTokens") == (rows[i].found ? 1104 : 0), "row %zu: %s", i,
              buf_text(&r.body));
        CLAIM(number_at(r.json, "/usage/inputTokens") == 3, "row %zu: %s", i, buf_text(&r.body));
    }
}

static void regions_and_ids_are_apart(void)
{
    struct mock_config config = {.cache_by_id = true};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct step steps[] = {
        {US_SONNET "/converse", SYSTEM(POINT, "one"), 0, 0, 1103, 8, DETAILS("1103", "5m")},
        {EU_SONNET "/converse", SYSTEM(POINT, "one"), 0, 0, 1103, 8, DETAILS("1103", "5m")},
        {US_SONNET "/converse", SYSTEM(POINT, "one"), 0, 1103, 0, 8, NULL},
    };
    PLAY(m, steps);
    struct key far = usual_key;
    far.region = "eu-west-1";
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    expand(SYSTEM(POINT, "one"), &body);
    CLEANUP(reply_release)
    struct reply r = fetch(mock_port(m), "POST", US_SONNET "/converse", buf_text(&body), NULL, &far);
    check_usage(&(struct step){"", "", 0, 0, 1103, 8, DETAILS("1103", "5m")}, 99, json_at(r.json, "/usage"));
    struct mock_config off = {.no_cache = true};
    CLEANUP(rig_stop) struct mock *none = rig_start(&off);
    for (int i = 0; i < 2; i++) {
        CLEANUP(reply_release) struct reply n = send(none, US_SONNET "/converse", SYSTEM(POINT, "one"));
        check_usage(&(struct step){"", "", 0, 0, 0, 1111, NULL}, 100, json_at(n.json, "/usage"));
    }
}

/* ---- every operation ---- */

#define NATIVE(system, more)                                                                                           \
    "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":20," more                                            \
    "\"system\":[{\"type\":\"text\",\"text\":\"@s\","                                                                  \
    "\"cache_control\":{\"type\":\"ephemeral\"" system "}}],\"messages\":[{\"role\":\"user\",\"content\":\"one\"}]}"

static void native_bodies_share_the_cache_and_say_it_in_their_words(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply w = send(m, US_SONNET "/invoke", NATIVE(",\"ttl\":\"1h\"", ""));
    CLEANUP(free_ptr) char *usage = json_text(json_at(w.json, "/usage"), JSON_COMPACT);
    CLAIM(strncmp(usage,
                  "{\"input_tokens\":8,\"cache_creation_input_tokens\":1103,\"cache_read_input_tokens\":0,\"cache_"
                  "creation\":{"
                  "\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":1103},",
                  150) == 0,
          "%s", usage);
    CLAIM(strcmp(header(&w, "X-Amzn-Bedrock-Input-Token-Count"), "8") == 0 &&
              strcmp(header(&w, "X-Amzn-Bedrock-Cache-Write-Input-Token-Count"), "1103") == 0 &&
              strcmp(header(&w, "X-Amzn-Bedrock-Cache-Read-Input-Token-Count"), "0") == 0,
          "the headers of a write");
    CLEANUP(reply_release) struct reply r = send(m, US_SONNET "/invoke-with-response-stream", NATIVE("", ""));
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
    const cJSON *last = cJSON_GetArrayItem(events, cJSON_GetArraySize(events) - 1);
    CLEANUP(buf_release) struct buf metrics = BUF_INIT(BUF_ANY);
    CLAIM(buf_add_unbase64(&metrics, span_of(text_at(last, "/payload/bytes"))) == OK &&
              strstr(buf_text(&metrics), "\"cacheReadInputTokenCount\":1103,\"cacheWriteInputTokenCount\":0") != NULL &&
              strstr(buf_text(&metrics), "\"inputTokenCount\":8,") != NULL,
          "%s", buf_text(&metrics));
    /* and Converse, whole and streamed, reads what a native body wrote */
    static const struct step steps[] = {{US_SONNET "/converse", SYSTEM(POINT, "one"), 30 * MINUTE, 1103, 0, 8, NULL}};
    PLAY(m, steps);
    CLEANUP(reply_release) struct reply s = send(m, US_SONNET "/converse-stream", SYSTEM(POINT, "one"));
    CLEANUP(json_free) cJSON *stream = events_of(&s.body, &end);
    last = cJSON_GetArrayItem(stream, cJSON_GetArraySize(stream) - 1);
    check_usage(&(struct step){"", "", 0, 1103, 0, 8, NULL}, 50, json_at(last, "/payload/usage"));
}

/* A gateway that tries again finds the prefix unwritten, whichever way it was refused; one that was written by an
 * answer, and one whose stream broke behind its head, are there. */
static void a_request_that_a_fault_refuses_writes_nothing(void)
{
    static const char *const refusals[] = {
        "/faults", "{\"faults\":[{\"id\":\"ThrottlingException\"}]}", "{\"faults\":[]}",
        "/script", "{\"replies\":[{\"reply\":{\"text\":\"x\",\"faults\":[{\"id\":\"html-503\"}]}}]}", NULL};
    static const struct step steps[] = {
        {US_SONNET "/converse", SYSTEM(POINT, "one"), 0, 0, 1103, 8, DETAILS("1103", "5m")},
        {US_SONNET "/converse", SYSTEM(POINT, "one"), 0, 1103, 0, 8, NULL},
    };
    static const char *const paths[] = {US_SONNET "/converse", US_SONNET "/converse-stream", US_SONNET "/invoke"};
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(refusals); i += 3) {
        for (size_t k = 0; k < COUNT_OF(paths); k++) {
            CLEANUP(reply_release) struct reply set = admin(m, "POST", refusals[i], refusals[i + 1]);
            CLAIM(set.status == 200, "%s", buf_text(&set.body));
            const char *body = k == 2 ? NATIVE("", "") : SYSTEM(POINT, "one");
            CLEANUP(reply_release) struct reply no = send(m, paths[k], body);
            CLAIM(no.status >= 400, "%s %s: %d", refusals[i], paths[k], no.status);
            size_t bytes, held = cache_count(m->cache, &bytes);
            CLAIM(held == 0, "%s %s: %zu entries", refusals[i], paths[k], held);
        }
        if (refusals[i + 2] != NULL) {
            CLEANUP(reply_release) struct reply off = admin(m, "POST", refusals[i], refusals[i + 2]);
            CU_ASSERT_EQUAL(off.status, 200);
        }
        PLAY(m, steps);
        cache_forget(m->cache);
    }
    CLEANUP(reply_release)
    struct reply cut = admin(m, "POST", "/faults", "{\"faults\":[{\"id\":\"cut-fin\",\"at_event\":2}]}");
    CLEANUP(reply_release) struct reply broken = send(m, US_SONNET "/converse-stream", SYSTEM(POINT, "one"));
    CLEANUP(reply_release) struct reply off = admin(m, "POST", "/faults", "{\"faults\":[]}");
    CLAIM(cut.status == 200 && broken.status == 200, "%d %d", cut.status, broken.status);
    play(m, steps + 1, 1);
}

static void native_points_have_claudes_rules(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
#define CONTROL "\"cache_control\":{\"type\":\"ephemeral\"}"
#define TOOL    "{\"name\":\"t\",\"input_schema\":{}," CONTROL "}"
    CLEANUP(reply_release)
    struct reply five = send(m, US_SONNET "/invoke", NATIVE("", "\"tools\":[" TOOL "," TOOL "," TOOL "," TOOL "],"));
    CLAIM(five.status == 400 && strcmp(text_at(five.json, "/message"),
                                       "A maximum of 4 blocks with cache_control may be provided. Found 5.") == 0,
          "%d %s", five.status, buf_text(&five.body));
    CLEANUP(reply_release)
    struct reply late = send(m, US_SONNET "/invoke", NATIVE(",\"ttl\":\"1h\"", "\"tools\":[" TOOL "],"));
    CLAIM(late.status == 400 &&
              strcmp(text_at(late.json, "/message"),
                     "system.0.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
                     "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, "
                     "`messages`.") == 0,
          "%d %s", late.status, buf_text(&late.body));
}

static void scripts_win_and_refusals_write_nothing(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"error\":{\"type\":\"ThrottlingException\"}}},"
              "{\"reply\":{\"text\":\"x\",\"usage\":{\"inputTokens\":7}}},"
              "{\"reply\":{\"text\":\"x\",\"usage\":{\"cacheReadInputTokens\":5}}},"
              "{\"reply\":{\"text\":\"x\",\"usage\":{\"inputTokens\":7}}}]}");
    CLEANUP(reply_release) struct reply refused = send(m, US_SONNET "/converse", SYSTEM(POINT, "one"));
    size_t bytes;
    CLAIM(refused.status == 429 && cache_count(m->cache, &bytes) == 0, "%d", refused.status);
    CLEANUP(reply_release) struct reply given = send(m, US_SONNET "/converse", SYSTEM(POINT, "one"));
    check_usage(&(struct step){"", "", 0, 0, 0, 7, NULL}, 0, json_at(given.json, "/usage")); /* inputTokens is all */
    CLAIM(cache_count(m->cache, &bytes) == 1, "an answer writes, whatever its usage says");
    CLEANUP(reply_release) struct reply part = send(m, US_SONNET "/converse", SYSTEM(POINT, "one"));
    check_usage(&(struct step){"", "", 0, 5, 0, 8, NULL}, 1, json_at(part.json, "/usage"));
    CLEANUP(reply_release) struct reply third = send(m, US_SONNET "/converse", SYSTEM(POINT, "one"));
    check_usage(&(struct step){"", "", 0, 0, 0, 7, NULL}, 2, json_at(third.json, "/usage"));
    cache_forget(m->cache);
    CLEANUP(reply_release)
    struct reply counted =
        send(m, "/model/" SONNET "/count-tokens", "{\"input\":{\"converse\":" SYSTEM(POINT, "one") "}}");
    CLAIM(number_at(counted.json, "/inputTokens") == 1111 && cache_count(m->cache, &bytes) == 0, "%s",
          buf_text(&counted.body));
}

/* ---- the store by itself ---- */

static const struct cache_owner me = {"123456789012", "us-east-1", "m", NULL};
static const struct cache_terms any_terms = {1, true, true, true};

static enum err serve_text(struct cache *c, struct sigv4 *s, unsigned n, int64_t now_ms, struct cache_use *use)
{
    char body[256];
    cJSON *tree = NULL;
    (void)snprintf(body, sizeof body, M(U(T("%u") POINT)), n);
    enum err e = json_parse(span_of(body), JSON_COMPACT, &tree, NULL);
    if (e == OK)
        e = cache_serve(c, s, tree, &me, &any_terms, now_ms, use, NULL);
    json_free(&tree);
    return e;
}

static void the_store_keeps_what_was_used_last_within_its_bytes(void)
{
    enum { BYTES = 64 << 10, TRIES = 2000 };
    struct cache *c = cache_new(BYTES);
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    struct cache_use use;
    for (unsigned i = 0; i < TRIES; i++) {
        CU_ASSERT(serve_text(c, s, i, 1000, &use) == OK && use.written > 0);
        CU_ASSERT(serve_text(c, s, 0, 1000, &use) == OK && use.written == 0); /* used again and again */
    }
    size_t bytes, n = cache_count(c, &bytes);
    CLAIM(n > 100 && n < TRIES && bytes < 2 * BYTES, "%zu entries in %zu bytes", n, bytes);
    CU_ASSERT(serve_text(c, s, TRIES - 1, 1000, &use) == OK && use.read > 0);
    CU_ASSERT(serve_text(c, s, 1, 1000, &use) == OK && use.read == 0);
    cache_free(c);
}

/* ---- many hands ---- */

enum { HANDS = 8, ROUNDS = 30, PREFIXES = 5 };
struct hand {
    pthread_t thread;
    struct mock *mock;
    unsigned number, wrong, written[PREFIXES], read[PREFIXES];
};

static void *hammer(void *ctx)
{
    struct hand *h = ctx;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned which = (i * 3 + h->number) % PREFIXES;
        char body[128];
        (void)snprintf(body, sizeof body, M(U(T("@%c") POINT)), (char)('a' + which));
        CLEANUP(reply_release) struct reply r = send(h->mock, US_SONNET "/converse", body);
        double read = number_at(r.json, "/usage/cacheReadInputTokens"),
               wrote = number_at(r.json, "/usage/cacheWriteInputTokens");
        bool sums = read + wrote == 1104 && number_at(r.json, "/usage/inputTokens") == 3;
        h->wrong += !sums;
        h->written[which] += wrote == 1104;
        h->read[which] += read == 1104;
    }
    return NULL;
}

/* The store alone, so that hands meet in it all the time. */
enum { GRABS = 4000, THINGS = 300 };
struct grabber {
    pthread_t thread;
    struct cache *cache;
    unsigned number, wrong, written[THINGS];
};

static void *grab(void *ctx)
{
    struct grabber *g = ctx;
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    for (unsigned i = 0; i < GRABS; i++) {
        unsigned which = (i / 2) % THINGS;
        struct cache_use use;
        if (serve_text(g->cache, s, which, 1000, &use) != OK || (use.read == 0) == (use.written == 0))
            g->wrong++;
        g->written[which] += use.written > 0;
    }
    return NULL;
}

static unsigned grab_all(size_t bytes, unsigned *wrong, size_t *held)
{
    struct cache *c = cache_new(bytes);
    struct grabber *hands = calloc(HANDS, sizeof *hands);
    unsigned written = 0;
    for (unsigned i = 0; i < HANDS; i++) {
        hands[i].cache = c;
        if (pthread_create(&hands[i].thread, NULL, grab, &hands[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < HANDS; i++) {
        (void)pthread_join(hands[i].thread, NULL);
        *wrong += hands[i].wrong;
        for (unsigned k = 0; k < THINGS; k++)
            written += hands[i].written[k];
    }
    *held = cache_count(c, &bytes);
    free(hands);
    cache_free(c);
    return written;
}

static void the_store_is_whole_under_many_hands(void)
{
    unsigned wrong = 0;
    size_t held = 0;
    unsigned written = grab_all(CACHE_BYTES, &wrong, &held);
    CLAIM(wrong == 0 && written == THINGS && held == THINGS, "%u wrong, %u written, %zu held", wrong, written, held);
    written = grab_all(4096, &wrong, &held); /* and when nearly each of them drives another out */
    CLAIM(wrong == 0 && written > THINGS && held > 0 && held < 40, "%u wrong, %u written, %zu held", wrong, written,
          held);
}

static void of_many_at_once_one_writes_and_the_others_read(void)
{
    struct mock_config config = {.workers = 4};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct hand hands[HANDS];
    for (unsigned i = 0; i < HANDS; i++) {
        hands[i] = (struct hand){.mock = m, .number = i};
        if (pthread_create(&hands[i].thread, NULL, hammer, &hands[i]) != 0)
            abort();
    }
    unsigned wrong = 0, written[PREFIXES] = {0}, read[PREFIXES] = {0};
    for (unsigned i = 0; i < HANDS; i++) {
        (void)pthread_join(hands[i].thread, NULL);
        wrong += hands[i].wrong;
        for (unsigned k = 0; k < PREFIXES; k++) {
            written[k] += hands[i].written[k];
            read[k] += hands[i].read[k];
        }
    }
    CLAIM(wrong == 0, "%u answers whose parts are not the whole", wrong);
    for (unsigned k = 0; k < PREFIXES; k++)
        CLAIM(written[k] == 1 && read[k] == HANDS * ROUNDS / PREFIXES - 1, "prefix %u: written %u times, read %u", k,
              written[k], read[k]);
}

static struct reply in_session(struct mock *m, const char *name)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    struct http_headers h;
    http_headers_init(&h);
    http_headers_add(&h, "x-mohs-session", name);
    expand(SYSTEM(POINT, "one"), &body);
    struct reply r = fetch(mock_port(m), "POST", US_SONNET "/converse", buf_text(&body), &h, NULL);
    http_headers_release(&h);
    return r;
}

static void a_session_has_a_cache_of_its_own(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *session;
        bool reset; /* of a, before */
        int64_t read;
    } rows[] = {{"a", false, 0}, {"a", false, 1103}, {"b", false, 0}, {"a", true, 0}, {"b", false, 1103}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].reset) {
            CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{\"session\":\"a\"}");
            CU_ASSERT_EQUAL(reset.status, 200);
        }
        CLEANUP(reply_release) struct reply r = in_session(m, rows[i].session);
        CLAIM((int64_t)number_at(r.json, "/usage/cacheReadInputTokens") == rows[i].read, "row %zu: %.300s", i,
              buf_text(&r.body));
    }
}

static void the_admin_api_shows_hashes_and_no_text(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply w = send(m, US_SONNET "/converse", SYSTEM(HOUR, "one"));
    clock_advance_ms(&m->clock, MINUTE);
    CLEANUP(reply_release) struct reply r = admin(m, "GET", "/cache", "");
    double left = number_at(r.json, "/entries/0/expires_in_ms");
    CLAIM(strlen(text_at(r.json, "/entries/0/hash")) == 32 && number_at(r.json, "/entries/0/tokens") == 1103 &&
              strcmp(text_at(r.json, "/entries/0/ttl"), "1h") == 0 && left <= 59 * MINUTE && left > 58 * MINUTE &&
              strcmp(text_at(r.json, "/entries/0/model"), "anthropic.claude-sonnet-4-5-20250929-v1:0") == 0 &&
              strcmp(text_at(r.json, "/entries/0/region"), "us-east-1") == 0,
          "%s", buf_text(&r.body));
    CLAIM(strstr(buf_text(&r.body), "word") == NULL, "the listing tells the prompt");
    clock_advance_ms(&m->clock, 60 * MINUTE);
    CLEANUP(reply_release) struct reply gone = admin(m, "GET", "/cache", "");
    CLAIM(cJSON_GetArraySize(json_at(gone.json, "/entries")) == 0 && number_at(gone.json, "/held") == 0, "%s",
          buf_text(&gone.body));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a prefix is written once and read afterwards", a_prefix_is_written_once_and_read_afterwards},
        {"an entry lives for five minutes or an hour from its last use",
         an_entry_lives_for_five_minutes_or_an_hour_from_its_last_use},
        {"what is new is written and the rest is read", what_is_new_is_written_and_the_rest_is_read},
        {"an hour comes before five minutes in the details", an_hour_comes_before_five_minutes_in_the_details},
        {"a prefix below the least is silently ignored", a_prefix_below_the_least_is_silently_ignored},
        {"claude looks twenty blocks back and nova none", claude_looks_twenty_blocks_back_and_nova_none},
        {"regions and ids are apart", regions_and_ids_are_apart},
        {"native bodies share the cache and say it in their words",
         native_bodies_share_the_cache_and_say_it_in_their_words},
        {"a request that a fault refuses writes nothing", a_request_that_a_fault_refuses_writes_nothing},
        {"native points have claude's rules", native_points_have_claudes_rules},
        {"scripts win and refusals write nothing", scripts_win_and_refusals_write_nothing},
        {"the store keeps what was used last within its bytes", the_store_keeps_what_was_used_last_within_its_bytes},
        {"of many at once one writes and the others read", of_many_at_once_one_writes_and_the_others_read},
        {"the store is whole under many hands", the_store_is_whole_under_many_hands},
        {"a session has a cache of its own", a_session_has_a_cache_of_its_own},
        {"the admin api shows hashes and no text", the_admin_api_shows_hashes_and_no_text},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_cache", tests);
}
