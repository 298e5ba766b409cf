/* The load engine against a server whose delays and defects are known: every class counted exactly, delays read back,
 * the two load models kept apart, and the comparison right on made-up blocks. Nothing here asserts speed: lower bounds
 * of delays are exact, upper ones are there for slow machines.
 */
#include "harness/bench/bench.h"
#include "harness/bench/paired.h"
#include "harness/bench/request.h"
#include "harness/bench/schedule.h"
#include "harness/bench/tally.h"

#include "bench_server.h"
#include "unit.h"

#define MS UINT64_C(1000000)

static struct bench_config config_for(const struct server *s, enum form form, uint64_t count)
{
    struct bench_config c;
    bench_config_init(&c);
    c.target.url = s->url;
    c.target.dialect = form == EVENTSTREAM ? BENCH_BEDROCK_CONVERSE : BENCH_OPENAI_CHAT;
    c.stream = form != UNARY;
    c.connections = 4;
    c.count = count;
    c.warmup_ms = 0;
    c.timeout_ms = 20000; /* a busy machine is no timeout */
    return c;
}

/* One run against a fresh server. Aborts the test when the engine itself fails. */
static struct bench_result *run_act(struct act act, uint64_t count)
{
    struct server s;
    struct note note = {""};
    struct bench_result *r = NULL;
    server_start(&s, act);
    struct bench_config c = config_for(&s, act.form, count);
    c.target.url = s.url;
    if (act.fault == SILENCE) /* nothing else waits for it */
        c.timeout_ms = 400;
    enum err e = bench_run(&c, &r, &note);
    server_stop(&s);
    if (e != OK) {
        (void)printf("    bench_run: %s: %s\n", err_name(e), note.text);
        abort();
    }
    r->config.target.url = "http://127.0.0.1";
    return r;
}

static const struct bench_error *error_of(const struct bench_result *r, enum bench_class class, const char *code)
{
    for (size_t i = 0; i < r->sides[0].error_count; i++)
        if (r->sides[0].errors[i].class == class && strcmp(r->sides[0].errors[i].code, code) == 0)
            return &r->sides[0].errors[i];
    return NULL;
}

/* ---- frames ---- */

static void counts_every_damaged_frame_exactly(void)
{
    static const struct {
        enum fault fault;
        uint64_t lost, doubled, reordered, altered, leaked;
    } rows[] = {{NONE, 0, 0, 0, 0, 0},  {DROP, 10, 0, 0, 0, 0},  {DOUBLE, 0, 10, 0, 0, 0},
                {SWAP, 0, 0, 10, 0, 0}, {ALTER, 0, 0, 0, 10, 0}, {LEAK, 0, 0, 0, 0, 10}};
    for (enum form form = SSE; form <= EVENTSTREAM; form++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            for (int split = 0; split <= 7; split += 7) {
                struct act act = {
                    .form = form, .frames = 12, .kind = PROBE_TEXT, .fault = rows[i].fault, .every = 5, .split = split};
                CLEANUP(bench_result_free) struct bench_result *r = run_act(act, 50);
                const struct bench_stream *s = &r->sides[0].stream;
                uint64_t received = 600 - rows[i].lost - rows[i].altered + rows[i].doubled;
                CLAIM(r->sides[0].completed == 50 && r->sides[0].failed == 0 && s->streams == 50,
                      "form %d fault %d: %llu good, %llu failed", form, rows[i].fault,
                      (unsigned long long)r->sides[0].completed, (unsigned long long)r->sides[0].failed);
                CLAIM(s->frames_sent == 600 && s->frames_received == received && s->lost == rows[i].lost &&
                          s->doubled == rows[i].doubled && s->reordered == rows[i].reordered &&
                          s->altered == rows[i].altered && s->leaked == rows[i].leaked && s->cut == 0 &&
                          s->unstamped == 0,
                      "form %d fault %d split %d: sent %llu received %llu lost %llu doubled %llu reordered %llu "
                      "altered %llu leaked %llu",
                      form, rows[i].fault, split, (unsigned long long)s->frames_sent,
                      (unsigned long long)s->frames_received, (unsigned long long)s->lost,
                      (unsigned long long)s->doubled, (unsigned long long)s->reordered, (unsigned long long)s->altered,
                      (unsigned long long)s->leaked);
            }
        }
    }
}

static void damaged_answers_that_are_not_streamed_are_counted(void)
{
    static const struct {
        enum fault fault;
        uint64_t altered, leaked;
    } rows[] = {{ALTER, 10, 0}, {WRONG_ID, 0, 10}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(bench_result_free)
        struct bench_result *r = run_act((struct act){.form = UNARY, .fault = rows[i].fault, .every = 5}, 50);
        const struct bench_stream *s = &r->sides[0].stream;
        CLAIM(s->altered == rows[i].altered && s->leaked == rows[i].leaked && s->frames_received == 40 &&
                  s->streams == 0,
              "fault %d: altered %llu leaked %llu", rows[i].fault, (unsigned long long)s->altered,
              (unsigned long long)s->leaked);
        CU_ASSERT_EQUAL(r->sides[0].metrics[BENCH_TRANSIT_DOWN]->count, 40);
    }
}

static void answers_without_stamps_are_said_to_be(void)
{
    CLEANUP(bench_result_free)
    struct bench_result *r = run_act((struct act){.form = SSE, .frames = 5, .unstamped = true, .kind = PROBE_TEXT}, 20);
    const struct bench_stream *s = &r->sides[0].stream;
    CU_ASSERT(s->unstamped == 20 && s->frames_sent == 0 && s->lost == 0 && s->contents == 100);
    CU_ASSERT_EQUAL(r->sides[0].metrics[BENCH_TRANSIT_FRAME]->count, 0);
    CU_ASSERT_EQUAL(r->sides[0].metrics[BENCH_TTFT]->count, 20);
}

/* ---- errors ---- */

static void counts_every_class_of_error_exactly(void)
{
    static const struct {
        enum form form;
        enum fault fault;
        enum bench_class class;
        const char *code, *phase;
    } rows[] = {
        {UNARY, STATUS, BENCH_ERR_STATUS, "429", "body"},
        {UNARY, CLOSE_BEFORE, BENCH_ERR_RESET, "closed_before_answer", "head"},
        {UNARY, GARBAGE, BENCH_ERR_PROTOCOL, "status_line", "head"},
        {UNARY, CUT, BENCH_ERR_TRUNCATED, "body_cut", "body"},
        {UNARY, SILENCE, BENCH_ERR_TIMEOUT, "no_answer", "head"},
        {SSE, CUT, BENCH_ERR_TRUNCATED, "stream_cut", "body"},
        {SSE, RESET, BENCH_ERR_RESET, "ECONNRESET", "body"},
        {SSE, NO_END, BENCH_ERR_TRUNCATED, "no_done", "body"},
        {SSE, ERROR_EVENT, BENCH_ERR_IN_STREAM, "error_event", "body"},
        {SSE, NOT_STREAM, BENCH_ERR_PROTOCOL, "not_a_stream", "body"},
        {SSE, STATUS, BENCH_ERR_STATUS, "429", "body"},
        {EVENTSTREAM, BAD_CRC, BENCH_ERR_PROTOCOL, "message_crc", "body"},
        {EVENTSTREAM, ERROR_EVENT, BENCH_ERR_IN_STREAM, "throttlingException", "body"},
        {EVENTSTREAM, NO_END, BENCH_ERR_TRUNCATED, "no_message_stop", "body"},
        {EVENTSTREAM, HALF_FRAME, BENCH_ERR_TRUNCATED, "inside_frame", "body"},
        {EVENTSTREAM, CUT, BENCH_ERR_TRUNCATED, "stream_cut", "body"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct act act = {.form = rows[i].form, .frames = 12, .kind = PROBE_TEXT, .fault = rows[i].fault, .every = 10};
        CLEANUP(bench_result_free) struct bench_result *r = run_act(act, 50);
        const struct bench_tally *t = &r->sides[0];
        const struct bench_error *e = error_of(r, rows[i].class, rows[i].code);
        CLAIM(t->completed == 45 && t->failed == 5 && t->error_count == 1,
              "row %zu: %llu good, %llu failed, %zu kinds of error (%s %s)", i, (unsigned long long)t->completed,
              (unsigned long long)t->failed, t->error_count,
              t->error_count > 0 ? bench_class_name(t->errors[0].class) : "",
              t->error_count > 0 ? t->errors[0].code : "");
        CLAIM(e != NULL && e->count == 5 && strcmp(e->phase, rows[i].phase) == 0 && e->examples[2][0] != '\0',
              "row %zu: no error %s %s in %s", i, bench_class_name(rows[i].class), rows[i].code, rows[i].phase);
        CLAIM(t->stream.lost == 0, "row %zu: frames of a broken stream are cut, not lost", i);
        CU_ASSERT_EQUAL(t->metrics[BENCH_E2E]->count, 45);
    }
}

static void frames_missing_from_broken_streams_are_cut(void)
{
    CLEANUP(bench_result_free)
    struct bench_result *r =
        run_act((struct act){.form = SSE, .frames = 12, .kind = PROBE_TEXT, .fault = CUT, .every = 10}, 50);
    CU_ASSERT_EQUAL(r->sides[0].stream.cut, 5 * 7);
    CU_ASSERT_EQUAL(r->sides[0].stream.frames_received, 45 * 12 + 5 * 5);
}

static void wrong_crc_is_counted(void)
{
    CLEANUP(bench_result_free)
    struct bench_result *r =
        run_act((struct act){.form = EVENTSTREAM, .frames = 12, .kind = PROBE_TEXT, .fault = BAD_CRC, .every = 10}, 50);
    CU_ASSERT_EQUAL(r->sides[0].stream.crc_bad, 5);
}

static void examples_hold_no_secret(void)
{
    CLEANUP(bench_result_free)
    struct bench_result *r = run_act((struct act){.form = UNARY, .fault = STATUS, .every = 1}, 10);
    const struct bench_error *e = error_of(r, BENCH_ERR_STATUS, "429");
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    CLAIM(strstr(e->examples[0], "abcdefgh") == NULL && strstr(e->examples[0], "Bearer ****") != NULL, "%s",
          e->examples[0]);
    CU_ASSERT_EQUAL(r->verdict, BENCH_NOTHING);
    CU_ASSERT_EQUAL(bench_exit_code(r), 4);
    CU_ASSERT(r->sides[0].failed == 10 && bench_achieved_rate(&r->sides[0]) == 0); /* fast errors are no throughput */
    char text[] = "a Signature=0123abc, key sk-live-1, AKIAABCDEF \"api_key\": \"v\" end";
    tally_mask_secrets(text);
    CU_ASSERT_STRING_EQUAL(text, "a Signature=*******, key sk-******, AKIA****** \"api_key\": \"*\" end");
}

static void credentials_are_masked_and_prose_is_not(void)
{
    static const struct { const char *seen, *shown; } rows[] = {
        {"{\"Message\":\"Authorization header is missing\"}", NULL},
        {"Bearer token is missing, or the Bearer Token expired.", NULL},
        {"Missing Authentication Token; the api_key is invalid", NULL},
        {"in Authorization header (hashed with SHA-256)", NULL},
        {"Authorization: Bearer abc.def-1; id 5", "Authorization: Bearer *********; id 5"},
        {"{\"authorization\":\"Bearer token\"}", "{\"authorization\":\"Bearer *****\"}"},
        {"authorization=opaque", "authorization=******"},
        {"Authorization: Token abc def", "Authorization: Token *******"},
        {"{\\\"Authorization\\\": \\\"Bearer hunter\\\"}", "{\\\"Authorization\\\": \\\"Bearer ******\\\"}"},
        {"Authorization: AWS4-HMAC-SHA256 Credential=AKID/x, Signature=12", "Authorization: AWS4-HMAC-SHA256 *******************************"},
        {"got Bearer hunter here", "got Bearer ****** here"},
        {"Bearer tokens-1", "Bearer ********"},
        {"Bearer token.is", "Bearer ********"},
        {"Bearer is=1", "Bearer ****"},
        {"x-api-key: token-7", "x-api-key: *******"},
        {"?X-Amz-Signature=0f&X-Amz-Security-Token=Fwo/+=&x", "?X-Amz-Signature=**&X-Amz-Security-Token=******&x"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[160];
        (void)snprintf(text, sizeof text, "%s", rows[i].seen);
        tally_mask_secrets(text);
        CLAIM(strcmp(text, rows[i].shown != NULL ? rows[i].shown : rows[i].seen) == 0, "%s became %s", rows[i].seen, text);
    }
}

static void nobody_listening_is_an_error(void)
{
    struct server s;
    struct note note;
    struct bench_result *r = NULL;
    server_start(&s, (struct act){.form = UNARY});
    struct bench_config c = config_for(&s, UNARY, 5);
    server_stop(&s);
    CU_ASSERT_EQUAL(bench_run(&c, &r, &note), ERR_CLOSED);
    CU_ASSERT_PTR_NULL(r);
}

static void bad_configurations_are_refused(void)
{
    struct note note;
    struct bench_config good;
    bench_config_init(&good);
    good.target.url = "http://127.0.0.1:9";
    struct bench_config rows[9];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        rows[i] = good;
    rows[0].target.url = NULL;
    rows[1].target.url = "127.0.0.1:80";
    rows[2].target.url = "http://127.0.0.1:x";
    rows[3].connections = 0;
    rows[4].threads = 99;
    rows[5].duration_ms = 0;
    rows[6].rate = -1;
    static const char *const headers[] = {"X-A: b\r\nX-Evil: c"};
    rows[7].target.headers = headers;
    rows[7].target.header_count = 1;
    rows[8].target.url = "http://";
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench_result *r = NULL;
        enum err e = bench_run(&rows[i], &r, &note);
        CLAIM(e == ERR_INVALID && r == NULL, "row %zu: %s", i, err_name(e));
    }
    good.target.url = "https://127.0.0.1";
    struct bench_result *r = NULL;
    CU_ASSERT_EQUAL(bench_run(&good, &r, &note), ERR_UNSUPPORTED);
}

/* ---- delays ---- */

static bool between(const struct hist *h, double q, uint64_t low_us, uint64_t high_us)
{
    uint64_t v = hist_quantile(h, q);
    bool good = v >= low_us * 1000 && v <= high_us * 1000;
    if (!good)
        (void)printf("    %.1f us is not within %llu..%llu\n", (double)v / 1e3, (unsigned long long)low_us,
                     (unsigned long long)high_us);
    return good;
}

#define TRIES 20 /* of a busy machine, which may make a delay longer, and never shorter */

static bool not_below(const struct hist *h, double q, uint64_t low_us)
{
    return between(h, q, low_us, UINT32_MAX);
}

static void reads_injected_delays_back(void)
{
    struct act act = {.form = SSE, .frames = 6, .first_us = 20000, .gap_us = 5000, .kind = PROBE_TEXT};
    bool in_time = false;
    for (int i = 0; i < TRIES && !in_time; i++) {
        CLEANUP(bench_result_free) struct bench_result *r = run_act(act, 20);
        struct hist *const *m = r->sides[0].metrics;
        CU_ASSERT_TRUE(not_below(m[BENCH_TTFT], 0.5, 20000) && not_below(m[BENCH_TTST], 0.5, 25000) &&
                       not_below(m[BENCH_E2E], 0.5, 45000) && not_below(m[BENCH_UPSTREAM], 0.5, 20000));
        in_time = between(m[BENCH_TTFT], 0.5, 20000, 30000) && between(m[BENCH_TTST], 0.5, 25000, 40000) &&
                  between(m[BENCH_ITL], 0.5, 4500, 10000) && between(m[BENCH_TPOT], 0.5, 4500, 10000) &&
                  between(m[BENCH_E2E], 0.5, 45000, 80000) &&
                  between(m[BENCH_TTFB], 0.5, 0, 10000) && /* the head was sent at once */
                  between(m[BENCH_TRANSIT_FRAME], 0.5, 0, 3000) && between(m[BENCH_TRANSIT_UP], 0.5, 0, 5000) &&
                  between(m[BENCH_UPSTREAM], 0.5, 20000, 30000);
        CU_ASSERT(m[BENCH_ITL]->count == 100 && m[BENCH_TTFT]->count == 20 && m[BENCH_TRANSIT_UP]->count == 20 &&
                  m[BENCH_TRANSIT_FRAME]->count == 120);
        CU_ASSERT(m[BENCH_UPSTREAM]->count == 20 && m[BENCH_LATENESS]->count == 0);
        CU_ASSERT_EQUAL(m[BENCH_CONNECT]->count, 4);
    }
    CU_ASSERT_TRUE(in_time);
}

static void calibration_accepts_what_was_injected_and_nothing_else(void)
{
    struct server s;
    struct note note;
    server_start(&s, (struct act){.form = SSE, .frames = 3, .first_us = 4000, .gap_us = 2000, .kind = PROBE_TEXT});
    struct bench_config c = config_for(&s, SSE, 5);
    struct bench_calibration right, ttft, itl;
    for (int tries = 0; tries == 0 || (tries < 50 && !right.good); tries++) /* a busy machine may well be no rig */
        CU_ASSERT_EQUAL(bench_calibrate(&c, 4000, 2000, 3000, &right, &note), OK);
    CU_ASSERT_EQUAL(bench_calibrate(&c, 24000, 2000, 3000, &ttft, &note), OK);
    CU_ASSERT_EQUAL(bench_calibrate(&c, 4000, 12000, 3000, &itl, &note), OK);
    server_stop(&s);
    CLAIM(right.good && right.kept_ttft_us >= 4000 && right.read_ttft_us >= right.kept_ttft_us &&
              right.read_itl_us >= 1500,
          "read back %lld and %lld us", (long long)right.read_ttft_us, (long long)right.read_itl_us);
    CU_ASSERT(!ttft.good && ttft.max_error_us > 10000);
    CU_ASSERT(!itl.good && itl.max_error_us > 5000);
    struct bench_result r = {.verdict = BENCH_MEASURED};
    bench_set_calibration(&r, &right);
    CU_ASSERT_EQUAL(r.verdict, BENCH_MEASURED);
    bench_set_calibration(&r, &itl);
    CU_ASSERT(r.verdict == BENCH_INCONCLUSIVE && bench_exit_code(&r) == 5);
    CLAIM(strstr(r.reason, "tolerance 3000 us)") != NULL, "%s", r.reason);
    r.verdict = BENCH_MEASURED;
    itl.read_itl_us = -1;
    bench_set_calibration(&r, &itl);
    CLAIM(strstr(r.reason, "-1 read (tolerance 3000 us; -1: unknown)") != NULL, "%s", r.reason);
}

static void two_mocks_tell_the_line_from_the_wait(void)
{
    static const struct { int64_t kept[2], read[2], itl[2]; bool good; int64_t floor; } rows[] = {
        {{8000, 20000}, {8230, 20240}, {2001, 2003}, true, 230},   /* the same way there and back in both */
        {{8000, 20000}, {8230, 20500}, {2001, 2003}, false, 230},  /* it grew with the wait: the clock or the rig is wrong */
        {{8000, 20000}, {8230, 20240}, {2001, 2300}, false, 230},  /* gaps are off */
        {{8000, 29000}, {8230, 29230}, {2000, 2000}, false, 230},  /* the mock did not keep what it was told */
        {{8000, 20000}, {8230, -1}, {2000, 2000}, false, -1},      /* nothing was read */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench_calibration in[2], out;
        for (size_t k = 0; k < 2; k++)
            in[k] = (struct bench_calibration){.done = true, .injected_ttft_us = k == 0 ? 8000 : 20000, .injected_itl_us = 2000, .kept_ttft_us = rows[i].kept[k],
                                               .read_ttft_us = rows[i].read[k], .read_itl_us = rows[i].itl[k], .tolerance_us = 100, .floor_us = -1};
        bench_calibrate_step(&in[0], &in[1], &out);
        CLAIM(out.good == rows[i].good && out.floor_us == rows[i].floor && out.done, "row %zu: good %d, floor %lld, off by %lld", i, out.good,
              (long long)out.floor_us, (long long)out.max_error_us);
    }
}

static void tells_the_cadence(void)
{
    static const struct {
        int group;
        enum bench_cadence cadence;
    } rows[] = {{1, BENCH_STREAMED}, {2, BENCH_COALESCED}, {6, BENCH_BURSTY}, {99, BENCH_BUFFERED}};
    static const enum probe_kind kinds[] = {PROBE_TEXT, PROBE_REASONING, PROBE_TOOL};
    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct act act = {.form = SSE, .frames = 12, .gap_us = 4000, .group = rows[i].group, .kind = kinds[kind]};
            CLEANUP(bench_result_free) struct bench_result *r = run_act(act, 12);
            for (int again = 0; again < 5 && bench_stream_verdict(&r->sides[0].stream) != rows[i].cadence; again++) {
                bench_result_free(&r); /* a busy machine reads two writes at once; longer gaps tell it from a gateway that does */
                act.gap_us *= 2;
                r = run_act(act, 12);
            }
            const struct bench_stream *s = &r->sides[0].stream;
            CLAIM(bench_verdict_of(&s->kinds[kind]) == rows[i].cadence && bench_stream_verdict(s) == rows[i].cadence,
                  "%s, %d per write: %s", bench_kind_name(kind), rows[i].group,
                  bench_cadence_name(bench_verdict_of(&s->kinds[kind])));
            CU_ASSERT_EQUAL(bench_verdict_of(&s->kinds[(kind + 1) % BENCH_KINDS]), BENCH_UNJUDGED);
        }
    }
}

static uint64_t stalls_of_gaps(void)
{
    struct server s;
    struct note note;
    CLEANUP(bench_result_free) struct bench_result *r = NULL;
    server_start(&s, (struct act){.form = SSE, .frames = 3, .gap_us = 30000, .kind = PROBE_TEXT});
    struct bench_config c = config_for(&s, SSE, 8);
    c.stall_ms = 25;
    CU_ASSERT_EQUAL(bench_run(&c, &r, &note), OK);
    server_stop(&s);
    return r->sides[0].stream.stalls;
}

static void stalls_are_counted(void)
{
    uint64_t stalls = 0;
    for (int i = 0; i < TRIES && stalls != 16; i++) { /* late frames are nearer to the next */
        stalls = stalls_of_gaps();
        CU_ASSERT(stalls <= 16);
    }
    CU_ASSERT_EQUAL(stalls, 16);
}

/* ---- load models ---- */

static void a_closing_server_is_no_error(void)
{
    CLEANUP(bench_result_free) struct bench_result *r = run_act((struct act){.form = UNARY, .close = true}, 40);
    CU_ASSERT(r->sides[0].completed == 40 && r->sides[0].failed == 0);
    CU_ASSERT(r->sides[0].connects >= 40 && r->sides[0].metrics[BENCH_CONNECT]->count == r->sides[0].connects);
}

/* One connection, a server that needs 20 ms, a request due every 5 ms: the service time stays at 20 ms, the latency
 * from the intended instant grows to hundreds. A tool that counts from the send would report 20. */
static bool open_load_is_in_time(void)
{
    struct server s;
    struct note note;
    CLEANUP(bench_result_free) struct bench_result *r = NULL;
    server_start(&s, (struct act){.form = UNARY, .first_us = 20000});
    struct bench_config c = config_for(&s, UNARY, 40);
    c.connections = 1;
    c.rate = 200;
    CU_ASSERT_EQUAL(bench_run(&c, &r, &note), OK);
    server_stop(&s);
    const struct bench_tally *t = &r->sides[0];
    CU_ASSERT(t->planned == 40 && t->sent == 40 && t->completed == 40 && t->dropped == 0);
    CU_ASSERT_TRUE(not_below(t->metrics[BENCH_SERVICE], 0.5, 20000));
    CU_ASSERT_TRUE(not_below(t->metrics[BENCH_E2E], 1, 20000 * 40 - 5000 * 39));
    CU_ASSERT_TRUE(not_below(t->metrics[BENCH_LATENESS], 1, 20000 * 39 - 5000 * 39));
    CU_ASSERT(r->verdict == BENCH_SATURATED || r->verdict == BENCH_INCONCLUSIVE); /* they left late; a busy machine blames itself */
    CU_ASSERT_EQUAL(bench_exit_code(r), 5);
    return between(t->metrics[BENCH_SERVICE], 0.5, 20000, 35000) && between(t->metrics[BENCH_E2E], 1, 0, 3000000) &&
           between(t->metrics[BENCH_LATENESS], 1, 0, 3000000);
}

static void open_load_counts_from_the_intended_instant(void)
{
    bool in_time = false;
    for (int i = 0; i < TRIES && !in_time; i++)
        in_time = open_load_is_in_time();
    CU_ASSERT_TRUE(in_time);
}

static void is_named_after(uint64_t warmup_ms)
{
    struct server s;
    struct note note;
    CLEANUP(bench_result_free) struct bench_result *r = NULL;
    server_start(&s, (struct act){.form = UNARY, .first_us = 20000});
    struct bench_config c = config_for(&s, UNARY, 0);
    c.connections = 2;
    c.threads = 1;
    c.rate = 400;
    c.duration_ms = 600;
    c.warmup_ms = warmup_ms;
    CU_ASSERT_EQUAL(bench_run(&c, &r, &note), OK);
    server_stop(&s);
    CLAIM(r->verdict == BENCH_SATURATED && bench_exit_code(r) == 5 && strcmp(bench_verdict_name(r->verdict), "saturated") == 0, "%s: %s",
          bench_verdict_name(r->verdict), r->reason);
    CLAIM(strstr(r->reason, "the target was the limit, not this rig: with 2 connections, ") != NULL &&
              strstr(r->reason, "/s where 400/s were asked") != NULL && strstr(r->reason, "hence exit code 5; lower -R") != NULL &&
              strstr(r->reason, "raise -c if it takes more at once") != NULL,
          "%s", r->reason);
}

static void a_target_that_keeps_all_connections_busy_is_named(void)
{
    is_named_after(0);
    is_named_after(100); /* the run goes by with the requests of the warmup: few of the measured ones are answered */
}

static void what_could_not_be_sent_is_counted(void)
{
    struct server s;
    struct note note;
    CLEANUP(bench_result_free) struct bench_result *r = NULL;
    server_start(&s, (struct act){.form = UNARY, .first_us = 100000});
    struct bench_config c = config_for(&s, UNARY, 0);
    c.connections = 2;
    c.threads = 2;
    c.rate = 100;
    c.duration_ms = 500;
    CU_ASSERT_EQUAL(bench_run(&c, &r, &note), OK);
    server_stop(&s);
    const struct bench_tally *t = &r->sides[0];
    CLAIM(t->planned == 50 && t->sent + t->dropped == 50 && t->sent <= 12 && t->sent >= 4,
          "planned %llu sent %llu dropped %llu", (unsigned long long)t->planned, (unsigned long long)t->sent,
          (unsigned long long)t->dropped);
    CLAIM(t->completed == t->sent, "sent %llu good %llu failed %llu (%s %s)", (unsigned long long)t->sent,
          (unsigned long long)t->completed, (unsigned long long)t->failed,
          t->error_count > 0 ? bench_class_name(t->errors[0].class) : "", t->errors[0].code);
}

static void warm_up_is_excluded(void)
{
    struct server s;
    struct note note;
    CLEANUP(bench_result_free) struct bench_result *r = NULL;
    server_start(&s, (struct act){.form = UNARY, .first_us = 1000});
    struct bench_config c = config_for(&s, UNARY, 30);
    c.warmup_ms = 500; /* on a busy machine few requests fit a short one */
    CU_ASSERT_EQUAL(bench_run(&c, &r, &note), OK);
    server_stop(&s);
    CU_ASSERT(r->sides[0].sent == 30 && r->sides[0].metrics[BENCH_E2E]->count == 30 &&
              r->sides[0].stream.frames_received == 30);
    CLAIM(atomic_load(&s.requests) > 34, "only %d requests were sent in all", atomic_load(&s.requests));
}

static void schedules_are_what_they_say(void)
{
    struct bench_config c;
    struct schedule s;
    bench_config_init(&c);
    c.rate = 1000;
    c.threads = 4;
    schedule_init(&s, &c, 3, 1000000, 1);
    for (uint64_t i = 0; i < 1000; i++, schedule_advance(&s))
        CLAIM(schedule_peek(&s) == 1000000 + 3 * MS + i * 4 * MS, "instant %llu", (unsigned long long)i);
    c.arrival = BENCH_POISSON;
    struct schedule a, b;
    schedule_init(&a, &c, 0, 0, 1);
    schedule_init(&b, &c, 0, 0, 1);
    double sum = 0, square = 0, last = 0;
    for (int i = 0; i < 100000; i++, schedule_advance(&a), schedule_advance(&b)) {
        double gap = a.next_ns - last;
        last = a.next_ns;
        sum += gap;
        square += gap * gap;
        CLAIM(gap > 0 && schedule_peek(&a) == schedule_peek(&b), "instant %d", i);
    }
    double mean = sum / 100000, deviation = square / 100000 - mean * mean;
    CU_ASSERT_DOUBLE_EQUAL(mean / 4e6, 1, 0.02);                /* n threads: n / rate */
    CU_ASSERT_DOUBLE_EQUAL(deviation / (mean * mean), 1, 0.05); /* exponential: the deviation is the mean */
}

/* ---- comparison ---- */

/* False: the machine was too busy to see 3 ms. */
static bool added_delay_is_seen(void)
{
    struct server direct, target;
    struct note note;
    CLEANUP(bench_result_free) struct bench_result *r = NULL;
    server_start(&direct, (struct act){.form = UNARY, .first_us = 1000});
    server_start(&target, (struct act){.form = UNARY, .first_us = 4000});
    struct bench_config c = config_for(&target, UNARY, 0);
    c.direct = (struct bench_endpoint){.url = direct.url, .dialect = BENCH_OPENAI_CHAT};
    c.duration_ms = 2400;
    c.block_ms = 150; /* long enough for an answer of each side, however busy the machine */
    c.settle_ms = 5;
    enum err e = bench_run(&c, &r, &note);
    server_stop(&direct);
    server_stop(&target);
    CU_ASSERT_EQUAL_FATAL(e, OK);
    CU_ASSERT(r->paired && r->pairs == 8 && r->difference_count == 8); /* ttfb and e2e */
    const struct bench_difference *d = &r->differences[4];
    CU_ASSERT(d->metric == BENCH_E2E && d->quantile == 0.5);
    bool seen = d->diff_ns > 2000000 && d->diff_ns < 12000000 && d->low_ns > 1000000 && strcmp(d->verdict, "added") == 0 &&
                r->sides[BENCH_DIRECT].completed > r->sides[BENCH_TARGET].completed;
    if (!seen)
        (void)printf("    added %lld ns [%lld, %lld] %s\n", (long long)d->diff_ns, (long long)d->low_ns,
                     (long long)d->high_ns, d->verdict);
    CU_ASSERT_TRUE(r->differences[7].suppressed); /* p99.9 of some hundred values */
    cJSON *doc = bench_json(r, true);
    CU_ASSERT(cJSON_GetArraySize(json_at(doc, "/paired")) == 8 && json_at(doc, "/gateway/metrics/e2e/p50") != NULL &&
              json_at(doc, "/direct/load/series") != NULL);
    CU_ASSERT(json_at(doc, "/paired/7/diff") == NULL && json_at(doc, "/paired/7/absent_reason") != NULL);
    json_free(&doc);
    return seen;
}

static void added_delay_is_seen_by_interleaved_blocks(void)
{
    bool seen = false;
    for (int i = 0; i < TRIES / 2 && !seen; i++)
        seen = added_delay_is_seen();
    CU_ASSERT_TRUE(seen);
}

/* Two sides of made-up blocks: uniform values 100..200 us, the target's shifted. */
static void fill_pairs(struct pair *pairs, size_t n, uint64_t shift_ns)
{
    CLEANUP(hist_free) struct hist *h = hist_new();
    uint64_t state = 7;
    for (size_t i = 0; i < n; i++) {
        for (int s = 0; s < BENCH_SIDES; s++) {
            hist_reset(h);
            for (int k = 0; k < 500; k++)
                hist_record(h, 100000 + schedule_random(&state) % 100000 + (s == BENCH_TARGET ? shift_ns : 0));
            if (hist_pack(h, &pairs[i].sides[s]) != OK)
                abort();
        }
    }
}

static void intervals_hold_the_truth_and_no_more(void)
{
    static const struct {
        uint64_t shift_ns;
        const char *verdict;
    } rows[] = {{0, "none_seen"}, {20000, "added"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pair pairs[40];
        struct bench_difference d[PAIRED_QUANTILES];
        fill_pairs(pairs, COUNT_OF(pairs), rows[i].shift_ns);
        CU_ASSERT_EQUAL(paired_compare(pairs, COUNT_OF(pairs), BENCH_E2E, 1000, 3, d), OK);
        int64_t shift = (int64_t)rows[i].shift_ns;
        CLAIM(d[0].low_ns <= shift && shift <= d[0].high_ns && strcmp(d[0].verdict, rows[i].verdict) == 0,
              "shift %lld: [%lld, %lld] %s", (long long)shift, (long long)d[0].low_ns, (long long)d[0].high_ns,
              d[0].verdict);
        CLAIM(d[0].smallest_ns > 100 && d[0].smallest_ns < 6000, "smallest effect %lld ns",
              (long long)d[0].smallest_ns);
        CLAIM((d[0].p_value < 0.01) == (shift > 0), "p %f", d[0].p_value);
        CU_ASSERT(!d[2].suppressed && !d[3].suppressed); /* 20000 values: p99.9 has 20 beyond it */
        for (size_t k = 0; k < COUNT_OF(pairs); k++)
            for (int s = 0; s < BENCH_SIDES; s++)
                hist_sparse_release(&pairs[k].sides[s]);
    }
}

/* Two equal sides whose blocks now and then have a burst of slow answers, as real machines do. */
static void fill_bursty(struct pair *pairs, size_t n, uint64_t *state, struct hist *h)
{
    for (size_t i = 0; i < n; i++) {
        for (int s = 0; s < BENCH_SIDES; s++) {
            unsigned slow = schedule_random(state) % 16 == 0 ? 30 : 0;
            hist_reset(h);
            for (int k = 0; k < 600; k++) {
                bool hit = schedule_random(state) % 1000 < slow;
                hist_record(h, 100000 + schedule_random(state) % 20000 + (hit ? schedule_random(state) % 900000 : 0));
            }
            if (hist_pack(h, &pairs[i].sides[s]) != OK)
                abort();
        }
    }
}

static void equal_sides_seldom_seem_to_differ(void)
{
    enum { TRIALS = 100, PAIRS = 20 };
    CLEANUP(hist_free) struct hist *h = hist_new();
    unsigned alarms[PAIRED_QUANTILES] = {0};
    double p_sum = 0;
    uint64_t state = 11;
    for (unsigned trial = 0; trial < TRIALS; trial++) {
        struct pair pairs[PAIRS];
        struct bench_difference d[PAIRED_QUANTILES];
        fill_bursty(pairs, PAIRS, &state, h);
        CU_ASSERT_EQUAL(paired_compare(pairs, PAIRS, BENCH_E2E, 200, trial, d), OK);
        for (size_t q = 0; q < PAIRED_QUANTILES; q++)
            alarms[q] += strcmp(d[q].verdict, "none_seen") != 0;
        p_sum += d[0].p_value;
        for (size_t k = 0; k < PAIRS; k++)
            for (int s = 0; s < BENCH_SIDES; s++)
                hist_sparse_release(&pairs[k].sides[s]);
    }
    for (size_t q = 0; q < PAIRED_QUANTILES; q++)
        CLAIM(alarms[q] <= 10, "p%g: %u of %d", 100 * paired_quantiles[q], alarms[q], TRIALS);
    CLAIM(p_sum > 0.4 * TRIALS && p_sum < 0.6 * TRIALS, "p-values of equal sides are even: mean %f", p_sum / TRIALS);
}

/* The interval alone would say "added"; but of three pairs, one in four swaps does as much by chance. */
static void three_pairs_prove_nothing(void)
{
    struct pair pairs[3];
    struct bench_difference d[PAIRED_QUANTILES];
    fill_pairs(pairs, COUNT_OF(pairs), 20000);
    CU_ASSERT_EQUAL(paired_compare(pairs, COUNT_OF(pairs), BENCH_E2E, 1000, 3, d), OK);
    CLAIM(d[0].low_ns > 0 && d[0].p_value > 0.05 && strcmp(d[0].verdict, "none_seen") == 0, "low %lld p %f %s",
          (long long)d[0].low_ns, d[0].p_value, d[0].verdict);
    for (size_t k = 0; k < COUNT_OF(pairs); k++)
        for (int s = 0; s < BENCH_SIDES; s++)
            hist_sparse_release(&pairs[k].sides[s]);
}

static void thin_percentiles_are_suppressed(void)
{
    struct pair pair = {0};
    struct bench_difference d[PAIRED_QUANTILES];
    fill_pairs(&pair, 1, 0);
    CU_ASSERT_EQUAL(paired_compare(&pair, 1, BENCH_E2E, 100, 3, d), OK);
    CU_ASSERT(!d[0].suppressed && !d[1].suppressed && d[2].suppressed && d[3].suppressed);
    CU_ASSERT(d[3].direct_ns == 0 && strcmp(d[3].verdict, "suppressed") == 0);
    CU_ASSERT_EQUAL(paired_compare(NULL, 0, BENCH_E2E, 100, 3, d), OK);
    CU_ASSERT_TRUE(d[0].suppressed);
    for (int s = 0; s < BENCH_SIDES; s++)
        hist_sparse_release(&pair.sides[s]);
}

/* ---- telling it ---- */

static void the_document_says_what_is_absent_and_why(void)
{
    CLEANUP(bench_result_free) struct bench_result *r = run_act((struct act){.form = UNARY}, 50);
    cJSON *doc = bench_json(r, true);
    CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
    CU_ASSERT_STRING_EQUAL(json_str(json_at(doc, "/load"), "model"), "closed");
    CU_ASSERT_STRING_EQUAL(json_str(json_at(doc, "/metrics/ttft"), "absent_reason"), "the answers were not streamed");
    CU_ASSERT_PTR_NULL(json_at(doc, "/metrics/ttft/p50"));
    CU_ASSERT_STRING_EQUAL(json_str(json_at(doc, "/metrics/e2e"), "unit"), "us");
    CU_ASSERT_STRING_EQUAL(json_str(json_at(doc, "/metrics/e2e"), "clock"), "actual");
    CU_ASSERT_TRUE(span_has_prefix(span_of(json_str(json_at(doc, "/metrics/e2e"), "hdr")), "HISTFAAA"));
    CU_ASSERT_PTR_NULL(json_at(doc, "/metrics/e2e/p99"));
    CU_ASSERT_STRING_EQUAL(cJSON_GetStringValue(json_at(doc, "/metrics/e2e/suppressed/2")), "p99");
    int64_t n = 0;
    CU_ASSERT(json_int64(json_at(doc, "/metrics/e2e/n"), &n) && n == 50);
    CLEANUP(free_ptr) char *text = json_text(doc, JSON_COMPACT);
    CU_ASSERT_PTR_NOT_NULL(text);
    json_free(&doc);
}

static void the_table_says_which_load_it_was(void)
{
    CLEANUP(bench_result_free)
    struct bench_result *r = run_act((struct act){.form = SSE, .frames = 4, .kind = PROBE_TEXT}, 50);
    char text[8192] = "";
    FILE *f = fmemopen(text, sizeof text - 1, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    bench_print(r, f);
    (void)fclose(f);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "closed loop, 4 connections, 1 thread (an open load, -R, would also see waiting)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "frames: 200 sent, 200 received, none lost"));
}

static void a_side_that_fails_wholly_is_told_in_place_of_too_few_pairs(void)
{
    CLEANUP(bench_result_free)
    struct bench_result *r = run_act((struct act){.form = UNARY, .fault = STATUS, .every = 1}, 10);
    char text[8192] = "";
    FILE *f = fmemopen(text, sizeof text - 1, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    r->paired = true;
    bench_print(r, f);
    (void)fclose(f);
    CLAIM(strstr(text, "nothing to compare: no request to the target was answered well\n  error status 429 in body: 10 of 10\n      request ") != NULL &&
              strstr(text, "run longer") == NULL,
          "%s", text);
}

static atomic_bool stop_now;
static int progress_calls;

static void stop_at_progress(void *ctx, const struct bench_progress *p)
{
    (void)ctx;
    progress_calls += p->planned_s > 0;
    atomic_store(&stop_now, true);
}

static void stopping_keeps_what_was_measured(void)
{
    struct server s;
    struct note note;
    CLEANUP(bench_result_free) struct bench_result *r = NULL;
    server_start(&s, (struct act){.form = UNARY, .first_us = 500});
    struct bench_config c = config_for(&s, UNARY, 0);
    c.duration_ms = 60000;
    c.stop = &stop_now;
    c.progress = stop_at_progress;
    uint64_t begun = now_ns();
    CU_ASSERT_EQUAL(bench_run(&c, &r, &note), OK);
    server_stop(&s);
    CU_ASSERT(now_ns() - begun < 20000 * MS && progress_calls > 0);
    CU_ASSERT(r->verdict == BENCH_INTERRUPTED && r->sides[0].completed > 0 && bench_exit_code(r) == 105);
}

static void stop_listening(void *ctx, const struct bench_progress *p)
{
    (void)p;
    (void)shutdown(*(int *)ctx, SHUT_RDWR);
}

static void a_target_that_dies_is_told_from_errors(void)
{
    struct server s;
    struct note note;
    CLEANUP(bench_result_free) struct bench_result *r = NULL;
    server_start(&s, (struct act){.form = UNARY, .first_us = 20000, .close = true});
    struct bench_config c = config_for(&s, UNARY, 0);
    c.duration_ms = 400;
    c.progress = stop_listening;
    c.progress_ctx = &s.listener;
    CU_ASSERT_EQUAL(bench_run(&c, &r, &note), OK);
    server_stop(&s);
    CU_ASSERT_EQUAL_FATAL(r->verdict, BENCH_DIED);
    CU_ASSERT(bench_exit_code(r) == 6 && r->sides[0].completed > 0);
    CU_ASSERT_PTR_NOT_NULL(error_of(r, BENCH_ERR_CONNECT, "ECONNREFUSED"));
}

static void a_run_by_count_ends_when_the_target_is_gone(void)
{
    struct server s;
    struct note note;
    CLEANUP(bench_result_free) struct bench_result *r = NULL;
    server_start(&s, (struct act){.form = UNARY, .first_us = 20000, .close = true});
    struct bench_config c = config_for(&s, UNARY, 10000000);
    c.give_up_ms = 300;
    c.progress = stop_listening;
    c.progress_ctx = &s.listener;
    uint64_t begun = now_ns();
    CU_ASSERT_EQUAL(bench_run(&c, &r, &note), OK);
    server_stop(&s);
    CU_ASSERT(now_ns() - begun < 20000 * MS);
    CU_ASSERT_EQUAL_FATAL(r->verdict, BENCH_DIED);
}

/* ---- signing ---- */

static bool knows_key(void *ctx, struct span access_key, struct sigv4_known *known)
{
    (void)ctx;
    *known = (struct sigv4_known){.secret = SPAN_LIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                                  .session_token = SPAN_LIT("token/+=")};
    return span_is(access_key, "AKIDEXAMPLE");
}

/* What a server would say of the raw bytes of a request. */
static enum sigv4_reason verify(struct sigv4 *signer, const struct request *r)
{
    struct sigv4_header headers[REQUEST_HEADERS_MAX];
    struct sigv4_request parts = {.headers = headers};
    struct span rest = span_cut(buf_span(&r->bytes), 0, r->body_at), line, target;
    (void)span_split(rest, '\n', &line, &rest);
    (void)span_split(line, ' ', &parts.method, &target);
    (void)span_split(target, ' ', &target, &line);
    (void)span_split(target, '?', &parts.path, &parts.query);
    while (span_split(rest, '\n', &line, &rest) && line.n > 1) {
        struct sigv4_header *h = &headers[parts.header_count++];
        (void)span_split(span_cut(line, 0, line.n - 1), ':', &h->name, &h->value);
        h->value = span_trim(h->value);
    }
    parts.body = span_from(buf_span(&r->bytes), r->body_at);
    struct sigv4_policy policy = {.now_s = wall_ns() / 1000000000, .region = "eu-west-1", .lookup = knows_key};
    struct sigv4_verdict verdict;
    return sigv4_verify(signer, &parts, &policy, &verdict, NULL) == OK ? verdict.reason : SIGV4_REASONS;
}

static void signs_each_request_anew(void)
{
    static const char *const headers[] = {"X-Custom: yes"};
    struct bench_config c;
    struct note note;
    struct request r;
    bench_config_init(&c);
    c.target = (struct bench_endpoint){.url = "http://127.0.0.1:1/base/",
                                       .dialect = BENCH_BEDROCK_CONVERSE,
                                       .headers = headers,
                                       .header_count = 1,
                                       .sign = true};
    c.model = "us.anthropic.claude-3:0";
    c.region = "eu-west-1";
    c.access_key = "AKIDEXAMPLE";
    c.secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    c.session_token = "token/+=";
    struct sigv4 *verifier = sigv4_new();
    CU_ASSERT_EQUAL(request_init(&r, &c, BENCH_TARGET, &note), OK);
    size_t n = r.bytes.len;
    for (uint64_t id = 1; id < 5; id++) {
        uint64_t found = 0;
        CU_ASSERT_EQUAL(request_arm(&r, id), OK);
        CLAIM(verify(verifier, &r) == SIGV4_OK, "request %llu: %s", (unsigned long long)id,
              sigv4_reason_name(verify(verifier, &r)));
        CU_ASSERT(probe_tag_find(buf_span(&r.bytes), &found) && found == id && r.bytes.len == n);
    }
    CU_ASSERT_TRUE(
        span_has_prefix(buf_span(&r.bytes), "POST /base/model/us.anthropic.claude-3%3A0/converse HTTP/1.1\r\n"));
    r.bytes.data[r.id_at] = 'f';
    CU_ASSERT(verify(verifier, &r) != SIGV4_OK);
    request_release(&r);
    c.access_key = NULL;
    CU_ASSERT_EQUAL(request_init(&r, &c, BENCH_TARGET, &note), ERR_INVALID);
    request_release(&r);
    sigv4_free(verifier);
}

static void paths_follow_the_dialect(void)
{
    static const struct {
        const char *url, *line;
        enum bench_dialect dialect;
    } rows[] = {
        {"http://127.0.0.1:1", "GET / HTTP/1.1\r\n", BENCH_GET},
        {"http://127.0.0.1:1?x=1", "GET /?x=1 HTTP/1.1\r\n", BENCH_GET},
        {"http://127.0.0.1:1/a/b?c", "GET /a/b?c HTTP/1.1\r\n", BENCH_GET},
        {"http://127.0.0.1:1", "POST /v1/chat/completions HTTP/1.1\r\n", BENCH_OPENAI_CHAT},
        {"http://127.0.0.1:1/v1/", "POST /v1/chat/completions HTTP/1.1\r\n", BENCH_OPENAI_CHAT},
        {"http://127.0.0.1:1/p/v1/chat/completions", "POST /p/v1/chat/completions HTTP/1.1\r\n", BENCH_OPENAI_CHAT},
        {"http://127.0.0.1:1/model/m%3A0/invoke", "POST /model/m%3A0/invoke HTTP/1.1\r\n", BENCH_BEDROCK_CONVERSE},
        {"http://127.0.0.1:1/p/model/m/converse/", "POST /p/model/m/converse HTTP/1.1\r\n", BENCH_BEDROCK_CONVERSE},
        {"http://127.0.0.1:1/invoke", "POST /invoke/model/amazon.nova-lite-v1%3A0/converse-stream HTTP/1.1\r\n", BENCH_BEDROCK_CONVERSE},
        {"http://[::1]:1/p", "POST /p/model/amazon.nova-lite-v1%3A0/converse-stream HTTP/1.1\r\n",
         BENCH_BEDROCK_CONVERSE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench_config c;
        struct note note;
        struct request r;
        bench_config_init(&c);
        c.stream = true;
        c.target = (struct bench_endpoint){.url = rows[i].url, .dialect = rows[i].dialect};
        CU_ASSERT_EQUAL(request_init(&r, &c, BENCH_TARGET, &note), OK);
        CLAIM(span_has_prefix(buf_span(&r.bytes), rows[i].line), "row %zu: %.60s", i, buf_text(&r.bytes));
        CLAIM((rows[i].dialect == BENCH_GET) == (r.id_at == SIZE_MAX), "row %zu: tag at %zu", i, r.id_at);
        request_release(&r);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"counts_every_damaged_frame_exactly", counts_every_damaged_frame_exactly},
        {"damaged_answers_that_are_not_streamed_are_counted", damaged_answers_that_are_not_streamed_are_counted},
        {"answers_without_stamps_are_said_to_be", answers_without_stamps_are_said_to_be},
        {"counts_every_class_of_error_exactly", counts_every_class_of_error_exactly},
        {"frames_missing_from_broken_streams_are_cut", frames_missing_from_broken_streams_are_cut},
        {"wrong_crc_is_counted", wrong_crc_is_counted},
        {"examples_hold_no_secret", examples_hold_no_secret},
        {"credentials_are_masked_and_prose_is_not", credentials_are_masked_and_prose_is_not},
        {"nobody_listening_is_an_error", nobody_listening_is_an_error},
        {"bad_configurations_are_refused", bad_configurations_are_refused},
        {"reads_injected_delays_back", reads_injected_delays_back},
        {"calibration_accepts_what_was_injected_and_nothing_else",
         calibration_accepts_what_was_injected_and_nothing_else},
        {"two_mocks_tell_the_line_from_the_wait", two_mocks_tell_the_line_from_the_wait},
        {"tells_the_cadence", tells_the_cadence},
        {"stalls_are_counted", stalls_are_counted},
        {"a_closing_server_is_no_error", a_closing_server_is_no_error},
        {"open_load_counts_from_the_intended_instant", open_load_counts_from_the_intended_instant},
        {"what_could_not_be_sent_is_counted", what_could_not_be_sent_is_counted},
        {"warm_up_is_excluded", warm_up_is_excluded},
        {"schedules_are_what_they_say", schedules_are_what_they_say},
        {"added_delay_is_seen_by_interleaved_blocks", added_delay_is_seen_by_interleaved_blocks},
        {"intervals_hold_the_truth_and_no_more", intervals_hold_the_truth_and_no_more},
        {"equal_sides_seldom_seem_to_differ", equal_sides_seldom_seem_to_differ},
        {"three_pairs_prove_nothing", three_pairs_prove_nothing},
        {"thin_percentiles_are_suppressed", thin_percentiles_are_suppressed},
        {"the_document_says_what_is_absent_and_why", the_document_says_what_is_absent_and_why},
        {"a_side_that_fails_wholly_is_told_in_place_of_too_few_pairs", a_side_that_fails_wholly_is_told_in_place_of_too_few_pairs},
        {"a_target_that_keeps_all_connections_busy_is_named", a_target_that_keeps_all_connections_busy_is_named},
        {"the_table_says_which_load_it_was", the_table_says_which_load_it_was},
        {"stopping_keeps_what_was_measured", stopping_keeps_what_was_measured},
        {"a_target_that_dies_is_told_from_errors", a_target_that_dies_is_told_from_errors},
        {"a_run_by_count_ends_when_the_target_is_gone", a_run_by_count_ends_when_the_target_is_gone},
        {"signs_each_request_anew", signs_each_request_anew},
        {"paths_follow_the_dialect", paths_follow_the_dialect},
        CU_TEST_INFO_NULL,
    };
    return unit_main("bench", tests);
}
