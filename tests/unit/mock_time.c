/* The laws of time: what a hundred thousand draws look like, that they replay, and what a request of a running mock
 * makes of them. `latencyMs` tells the planned waits of an answer, so two runs can be compared without a clock.
 */
#include "mock_rig.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mock/time/time.h"

#define DRAWS 100000

static double *draw(const char *text, uint64_t seed)
{
    struct time_law law;
    struct note note = {""};
    struct rng r = {seed};
    double *ms = calloc(DRAWS, sizeof *ms);
    CU_ASSERT_FATAL(ms != NULL && time_law_parse(text, true, &law, &note) == OK);
    for (uint64_t i = 0; i < DRAWS; i++)
        ms[i] = (double)time_law_draw(&law, &r, i) / 1e6;
    time_law_release(&law);
    return ms;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double mean_of(const double *ms)
{
    double sum = 0;
    for (size_t i = 0; i < DRAWS; i++)
        sum += ms[i];
    return sum / DRAWS;
}

static double deviation_of(const double *ms)
{
    double mean = mean_of(ms), sum = 0;
    for (size_t i = 0; i < DRAWS; i++)
        sum += (ms[i] - mean) * (ms[i] - mean);
    return sqrt(sum / DRAWS);
}

static void laws_have_the_moments_and_percentiles_they_say(void)
{
    static const struct {
        const char *law;
        double p50, p90, p99, mean, deviation; /* 0: not looked at */
    } rows[] = {
        {"20", 20, 20, 20, 20, 0},
        {"constant:250ms", 250, 250, 250, 250, 0},
        {"1.5s", 1500, 1500, 1500, 1500, 0},
        {"0.5", 0.5, 0.5, 0.5, 0.5, 0},
        {"normal:100,10", 100, 112.8155, 123.2635, 100, 10},
        {"lognormal:20,0.5", 20, 37.957, 63.999, 22.663, 12.078}, /* mean m e^(s^2/2), deviation mean sqrt(e^(s^2)-1) */
        {"lognormal:p50=20,p99=200", 20, 71.10, 200, 0, 0},
        {"table:p50=20,p90=60,p99=200", 20, 60, 200, 0, 0},
        {"table:p0=0,p100=100", 50, 90, 99, 50, 28.8675},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(free_ptr) double *ms = draw(rows[i].law, 1);
        double mean = mean_of(ms), deviation = deviation_of(ms);
        qsort(ms, DRAWS, sizeof *ms, by_size);
        const double wanted[] = {rows[i].p50, rows[i].p90, rows[i].p99, rows[i].mean, rows[i].deviation};
        const double got[] = {ms[DRAWS / 2], ms[DRAWS / 10 * 9], ms[DRAWS / 100 * 99], mean, deviation};
        for (size_t k = 0; k < COUNT_OF(wanted); k++)
            CLAIM(wanted[k] == 0 || fabs(got[k] / wanted[k] - 1) < 0.03, "%s: number %zu is %f, not %f", rows[i].law, k,
                  got[k], wanted[k]);
    }
}

static void a_normal_wait_is_never_negative(void)
{
    CLEANUP(free_ptr) double *ms = draw("normal:5,20", 3);
    qsort(ms, DRAWS, sizeof *ms, by_size);
    CU_ASSERT(ms[0] == 0 && ms[DRAWS - 1] > 60);
}

static void draws_replay_bit_for_bit(void)
{
    static const char *const laws[] = {"normal:100,10", "lognormal:20,0.5", "table:p50=20,p99=200"};
    for (size_t i = 0; i < COUNT_OF(laws); i++) {
        CLEANUP(free_ptr) double *one = draw(laws[i], 5);
        CLEANUP(free_ptr) double *two = draw(laws[i], 5);
        CLEANUP(free_ptr) double *other = draw(laws[i], 6);
        CU_ASSERT(memcmp(one, two, DRAWS * sizeof *one) == 0);
        CU_ASSERT(memcmp(one, other, DRAWS * sizeof *one) != 0);
    }
}

static void a_trace_is_read_and_cycled(void)
{
    char path[] = "/tmp/mohs-trace-XXXXXX", law[64];
    int fd = mkstemp(path);
    static const char lines[] = "# recorded\n3\n\n1.5s\r\n 250us # quick\n";
    CU_ASSERT_FATAL(fd >= 0 && write(fd, lines, sizeof lines - 1) == (ssize_t)sizeof lines - 1);
    (void)close(fd);
    (void)snprintf(law, sizeof law, "trace:%s", path);
    CLEANUP(free_ptr) double *ms = draw(law, 1);
    CU_ASSERT(ms[0] == 3 && ms[1] == 1500 && ms[2] == 0.25 && ms[3] == 3 && ms[DRAWS - 1] == 3);
    (void)unlink(path);
}

static void wrong_laws_are_told(void)
{
    static const char *const wrong[] = {"",
                                        "soon",
                                        "-1",
                                        "nan",
                                        "normal:5",
                                        "normal:5,-1",
                                        "lognormal:0,1",
                                        "inf",
                                        "2d",
                                        "table:",
                                        "table:p50",
                                        "table:p90=5,p50=9",
                                        "gamma:1,2",
                                        "lognormal:p50=9,p99=3",
                                        "normal:,",
                                        "table:p101=5",
                                        "25h",
                                        "lognormal:p10=1,p99=2",
                                        "table:p50=20,p90=10"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct time_law law;
        struct note note = {""};
        CLAIM(time_law_parse(wrong[i], true, &law, &note) == ERR_INVALID && strstr(note.text, "expected") != NULL,
              "\"%s\" is taken: %s", wrong[i], note.text);
    }
    struct time_law law;
    struct note note = {""};
    CU_ASSERT_EQUAL(time_law_parse("trace:/nowhere/at/all", true, &law, &note), ERR_IO);
    CU_ASSERT_EQUAL(time_law_parse("trace:/etc/passwd", false, &law, &note), ERR_INVALID);
    CLAIM(strstr(note.text, "command line only") != NULL, "%s", note.text);
}

static void load_grows_on_a_line_and_stops(void)
{
    CU_ASSERT_DOUBLE_EQUAL(time_load(3, 11, 0), 1, 0);
    CU_ASSERT_DOUBLE_EQUAL(time_load(3, 11, 1), 1, 0);
    CU_ASSERT_DOUBLE_EQUAL(time_load(3, 11, 6), 2, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(time_load(3, 11, 11), 3, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(time_load(3, 11, 5000), 3, 1e-12);
}

static void tempo_ramps_steps_and_spikes(void)
{
    struct time_tempo t;
    static const struct {
        double s, factor;
    } rows[] = {{0, 1}, {5, 1}, {20, 2}, {30, 3}, {39.9, 3}, {40, 1}, {50, 1}, {55, 8}, {60, 1}, {1000, 1}};
    CU_ASSERT_FATAL(time_tempo_parse("10s=1,30s=3, 40s=3\n# a step\n40s=1,50s=1\n55s=8,60s=1", &t, NULL) == OK);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double got = time_tempo_at(&t, (uint64_t)(rows[i].s * 1e9));
        CLAIM(fabs(got - rows[i].factor) < 1e-9, "at %f s: %f", rows[i].s, got);
    }
    static const char *const wrong[] = {"", "1s", "1s=", "2s=1,1s=1", "1s=-1", "x=1"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CLAIM(time_tempo_parse(wrong[i], &t, NULL) == ERR_INVALID, "\"%s\" is taken", wrong[i]);
}

/* ---- a running mock ---- */

#define SAY                                                                                                            \
    "{\"replies\":[{\"times\":\"always\",\"reply\":{\"content\":[{\"text\":\"a b c d\",\"$deltas\":[\"a\",\" b\",\" "  \
    "c\",\" d\"]}]%s}}]}"

static void say(struct mock *m, const char *more)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_addf(&body, SAY, more);
    script(m, buf_text(&body));
}

/* latencyMs of a stream; *took, unless NULL, is what it took in truth. */
static double ask_latency(struct mock *m, const char *body, double *took)
{
    uint64_t begin = now_ns();
    CLEANUP(reply_release) struct reply r = ask(m, STREAM, body);
    if (took != NULL)
        *took = (double)(now_ns() - begin) / 1e6;
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
    return number_at(cJSON_GetArrayItem(events, cJSON_GetArraySize(events) - 1), "/payload/metrics/latencyMs");
}

static void a_run_replays_and_says_its_time(void)
{
    struct mock_config config = {
        .seed = 4, .latency = "normal:6,2", .ttft = "lognormal:8,0.4", .itl = "table:p0=1,p100=6"};
    double runs[3][8];
    for (size_t run = 0; run < 3; run++) {
        config.seed = run == 2 ? 5 : 4;
        CLEANUP(rig_stop) struct mock *m = rig_start(&config);
        say(m, "");
        size_t differ = 0;
        for (size_t i = 0; i < 8; i++) {
            double took = 0;
            runs[run][i] = ask_latency(m, HELLO, &took);
            CLAIM(runs[run][i] >= 3 && took >= runs[run][i] - 1, "says %f, took %f", runs[run][i], took);
            differ += i > 0 && runs[run][i] != runs[run][i - 1];
        }
        CLAIM(differ >= 4, "the same request always waits the same");
    }
    CU_ASSERT(memcmp(runs[0], runs[1], sizeof runs[0]) == 0);
    CU_ASSERT(memcmp(runs[0], runs[2], sizeof runs[0]) != 0);
}

static void native_streams_say_theirs(void)
{
    struct mock_config config = {.ttft = "constant:10", .itl = "table:p0=4,p100=4.0001"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    say(m, "");
    CLEANUP(reply_release)
    struct reply r = ask(m, "/model/" HAIKU "/invoke-with-response-stream",
                         "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":9,\"messages\":[{\"role\":"
                         "\"user\",\"content\":\"hi\"}]}");
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    const cJSON *last = cJSON_GetArrayItem(events, cJSON_GetArraySize(events) - 1);
    CU_ASSERT(buf_add_unbase64(&json, span_of(text_at(last, "/payload/bytes"))) == OK);
    CLAIM(strstr(buf_text(&json), "\"invocationLatency\":22,\"firstByteLatency\":10") != NULL, "%s", buf_text(&json));
}

static void a_reply_may_have_a_law_or_a_recording(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    say(m, ",\"latency_ms\":2,\"ttft_ms\":\"constant:3\",\"itl_ms\":[1,2,4]");
    CU_ASSERT_DOUBLE_EQUAL(ask_latency(m, HELLO, NULL), 12, 0);
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "");
    say(m, ",\"latency_ms\":[1,5],\"itl_ms\":0");
    CU_ASSERT_DOUBLE_EQUAL(ask_latency(m, HELLO, NULL), 1, 0);
    CU_ASSERT_DOUBLE_EQUAL(ask_latency(m, HELLO, NULL), 5, 0);
    CU_ASSERT_DOUBLE_EQUAL(ask_latency(m, HELLO, NULL), 1, 0);
    static const char *const wrong[] = {"\"normal:5\"", "[]", "[1,-2]", "\"trace:/etc/passwd\"", "true", "-1"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        buf_addf(&body, "{\"replies\":[{\"reply\":{\"itl_ms\":%s}}]}", wrong[i]);
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/script", buf_text(&body));
        CLAIM(r.status == 400 && strstr(text_at(r.json, "/message"), "/replies/0/reply/itl_ms") != NULL, "%s: %s",
              wrong[i], buf_text(&r.body));
    }
}

static void a_unary_answer_waits_its_latency_only(void)
{
    struct mock_config config = {.latency = "7", .ttft = "50", .itl = "50"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
    CU_ASSERT_DOUBLE_EQUAL(number_at(r.json, "/metrics/latencyMs"), 7, 0);
}

static void more_input_takes_longer(void)
{
    static const char many[] = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"one two three four five six "
                               "seven eight nine ten eleven "
                               "twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty\"}]}]}";
    struct mock_config config = {.ttft = "10", .ttft_per_token_us = 1000, .tempo = "0s=2"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    double few = ask_latency(m, HELLO, NULL), more = ask_latency(m, many, NULL);
    CLAIM(few >= 20 && more >= few + 30, "%f, %f", few, more); /* twice ten, and two a token */
}

/* A request whose answer waits for a gate that nobody opens; closing the socket ends it. */
static int open_request(struct mock *m)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(mock_port(m)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char request[] = "POST " CONVERSE " HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                                  "x-waits: yes\r\nContent-Length: 59\r\n\r\n" HELLO;
    CU_ASSERT_FATAL(strlen(HELLO) == 59);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0);
    CU_ASSERT_FATAL(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1);
    return fd;
}

/* Until the mock has seen what happened. */
static void until_latency(struct mock *m, double wanted)
{
    double got = 0;
    for (int i = 0; i < PATIENCE_MS / 10 && got != wanted; i++) {
        usleep(10000);
        got = ask_latency(m, HELLO, NULL);
    }
    CLAIM(got == wanted, "latency %f, not %f", got, wanted);
}

static void open_requests_slow_the_others_down(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE, .latency = "10", .load_factor = "5", .load_full = 3};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(
        m,
        "{\"replies\":[{\"match\":{\"headers\":{\"x-waits\":\"yes\"}},\"times\":\"always\",\"reply\":{\"text\":\"x\","
        "\"head_gate\":\"never\"}}]}");
    until_latency(m, 10);
    int one = open_request(m);
    until_latency(m, 30);
    int two = open_request(m), three = open_request(m);
    until_latency(m, 50);
    (void)close(one);
    (void)close(two);
    (void)close(three);
    until_latency(m, 10);
}

static void wrong_options_do_not_start(void)
{
    static const struct {
        struct mock_config config;
        const char *note;
    } rows[] = {{{.latency = "soon"}, "--latency: \"soon\": expected milliseconds"},
                {{.ttft = "normal:1"}, "--ttft: \"normal:1\": expected"},
                {{.itl = "trace:/nowhere/at/all"}, "--itl: /nowhere/at/all: cannot be opened"},
                {{.load_factor = "0.5"}, "--load-factor 0.5: expected a number from 1"},
                {{.load_factor = "3x"}, "--load-factor 3x: expected"},
                {{.tempo = "1s=x"}, "--tempo: \"1s=x\": expected points"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mock *m = NULL;
        struct note note = {""};
        enum err e = mock_start(&rows[i].config, &m, &note);
        CLAIM(e != OK && strstr(note.text, rows[i].note) != NULL, "%s: %s", rows[i].note, note.text);
        mock_stop(m);
    }
}

/* 2^64 is where a count of tokens times nanoseconds would begin anew; a day is the longest wait. */
static void waits_never_wrap(void)
{
    static const struct {
        uint64_t count, each, makes;
    } products[] = {{0, UINT64_MAX, 0},
                    {UINT64_MAX, 0, 0},
                    {1, UINT64_MAX, TIME_DAY_NS},
                    {UINT64_MAX, 1, TIME_DAY_NS},
                    {UINT64_MAX, UINT64_MAX, TIME_DAY_NS},
                    {18446744073710, 1000000, TIME_DAY_NS}, /* wraps to 448384 */
                    {(uint64_t)1 << 32, (uint64_t)1 << 32, TIME_DAY_NS},
                    {86400000, 1000000, TIME_DAY_NS},
                    {86399999, 1000000, TIME_DAY_NS - 1000000},
                    {86400001, 1000000, TIME_DAY_NS},
                    {TIME_DAY_NS, 1, TIME_DAY_NS},
                    {7, 6, 42}};
    static const struct {
        uint64_t ns;
        double factor;
        uint64_t makes;
    } factors[] = {{UINT64_MAX, 1, TIME_DAY_NS},  {UINT64_MAX, 1e300, TIME_DAY_NS}, {UINT64_MAX, 0, 0},
                   {1000, -1, 0},                 {0, (double)INFINITY, 0},         {1000, (double)NAN, 0},
                   {1, (double)INFINITY, TIME_DAY_NS}, {1000, 1.5, 1500},                {TIME_DAY_NS, 1e9, TIME_DAY_NS}};
    for (size_t i = 0; i < COUNT_OF(products); i++)
        CLAIM(time_of_many(products[i].count, products[i].each) == products[i].makes, "product %zu: %llu", i,
              (unsigned long long)time_of_many(products[i].count, products[i].each));
    for (size_t i = 0; i < COUNT_OF(factors); i++)
        CLAIM(time_scaled(factors[i].ns, factors[i].factor) == factors[i].makes, "factor %zu: %llu", i,
              (unsigned long long)time_scaled(factors[i].ns, factors[i].factor));
    CU_ASSERT_EQUAL(time_sum(UINT64_MAX, 1), UINT64_MAX);
    CU_ASSERT_EQUAL(time_sum(UINT64_MAX, UINT64_MAX), UINT64_MAX);
    CU_ASSERT_EQUAL(time_sum(UINT64_MAX - 1, 1), UINT64_MAX);
    CU_ASSERT_EQUAL(time_sum(40, 2), 42);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"laws have the moments and percentiles they say", laws_have_the_moments_and_percentiles_they_say},
        {"a normal wait is never negative", a_normal_wait_is_never_negative},
        {"draws replay bit for bit", draws_replay_bit_for_bit},
        {"a trace is read and cycled", a_trace_is_read_and_cycled},
        {"wrong laws are told", wrong_laws_are_told},
        {"load grows on a line and stops", load_grows_on_a_line_and_stops},
        {"tempo ramps, steps and spikes", tempo_ramps_steps_and_spikes},
        {"a run replays and says its time", a_run_replays_and_says_its_time},
        {"native streams say theirs", native_streams_say_theirs},
        {"a reply may have a law or a recording", a_reply_may_have_a_law_or_a_recording},
        {"a unary answer waits its latency only", a_unary_answer_waits_its_latency_only},
        {"more input takes longer", more_input_takes_longer},
        {"open requests slow the others down", open_requests_slow_the_others_down},
        {"waits never wrap", waits_never_wrap},
        {"wrong options do not start", wrong_options_do_not_start},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_time", tests);
}
