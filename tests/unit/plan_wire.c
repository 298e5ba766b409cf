/* Replies that a proper server would not write, spelled as pieces: what the bytes are, and when they are due. */
#include "net/plan.h"

#include "unit.h"

struct row {
    const char *name;
    struct plan_wire wire;
    bool streamed, old_peer;
    enum plan_end end;
    const char *starts, *holds, *lacks, *ends;
};

static const struct row rows[] = {
    {"nothing odd",
     {0},
     false,
     false,
     PLAN_END_CLEAN,
     "HTTP/1.1 200 OK\r\n",
     "Content-Length: 5\r\n",
     "Transfer-Encoding",
     "\r\n\r\nhello"},
    {"chunks",
     {0},
     true,
     false,
     PLAN_END_CLEAN,
     "HTTP/1.1 200 OK\r\n",
     "Transfer-Encoding: chunked\r\n",
     "Content-Length",
     "\r\n\r\n2\r\naa\r\n3\r\nbbb\r\n0\r\n\r\n"},
    {"chunks without end",
     {0},
     true,
     false,
     PLAN_END_HANG,
     "HTTP/1.1 200 OK\r\n",
     "Connection: close\r\n",
     "Content-Length",
     "\r\n\r\n2\r\naa\r\n3\r\nbbb\r\n"},
    {"a peer that reads no chunks",
     {0},
     true,
     true,
     PLAN_END_CLEAN,
     "HTTP/1.1 200 OK\r\n",
     "Connection: close\r\n",
     "Transfer-Encoding",
     "\r\n\r\naabbb"},
    {"status",
     {.odd = PLAN_BAD_STATUS},
     false,
     false,
     PLAN_END_CLEAN,
     "HTTP/1.1 2oo ",
     "Content-Length: 5\r\n",
     "200",
     "hello"},
    {"two lengths",
     {.odd = PLAN_TWO_LENGTHS},
     false,
     false,
     PLAN_END_CLEAN,
     "HTTP/1.1 200 OK\r\n",
     "Content-Length: 5\r\nContent-Length: 6\r\n",
     "chunked",
     "hello"},
    {"length and chunks",
     {.odd = PLAN_LENGTH_AND_CHUNKS},
     false,
     false,
     PLAN_END_CLEAN,
     "HTTP/1.1 200 OK\r\n",
     "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
     "x",
     "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
    {"bad chunk",
     {.odd = PLAN_BAD_CHUNK},
     true,
     false,
     PLAN_END_CLEAN,
     "HTTP/1.1 200 OK\r\n",
     "chunked",
     "0\r\n\r\n",
     "3\r\nbbb\r\nzz\r\n"},
    {"until close",
     {.odd = PLAN_UNTIL_CLOSE},
     true,
     false,
     PLAN_END_CLEAN,
     "HTTP/1.0 200 OK\r\n",
     "Connection: close\r\n",
     "chunked",
     "\r\n\r\naabbb"},
    {"interim",
     {.interim = 100, .interim_times = 2},
     false,
     false,
     PLAN_END_CLEAN,
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
     "Date: ",
     "chunked",
     "hello"},
};

static struct plan *make(const struct row *row)
{
    struct plan *plan = plan_new(200);
    CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
    if (row->streamed) {
        (void)plan_add(plan, SPAN_LIT("aa"), 10, 0);
        (void)plan_add(plan, SPAN_LIT("bbb"), 20, 1);
    } else {
        plan_body(plan, "text/plain", SPAN_LIT("hello"));
    }
    plan->end = row->end;
    *plan_odd(plan) = row->wire;
    return plan;
}

static void all_bytes(const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->count; i++)
        buf_add(out, span_cut(buf_span(&plan->bytes), plan->pieces[i].from, plan->pieces[i].n));
}

static void every_oddity_is_spelled(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan *plan = make(&rows[i]);
        CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
        plan_spell(plan, !rows[i].old_peer);
        all_bytes(plan, &out);
        const char *text = buf_text(&out);
        CLAIM(!plan->failed && plan->wire == NULL, "%s: not used up", rows[i].name);
        CLAIM(strncmp(text, rows[i].starts, strlen(rows[i].starts)) == 0, "%s: %s", rows[i].name, text);
        CLAIM(strstr(text, rows[i].holds) != NULL, "%s: no %s in %s", rows[i].name, rows[i].holds, text);
        CLAIM(strcmp(rows[i].lacks, "x") == 0 || strstr(text, rows[i].lacks) == NULL, "%s: %s", rows[i].name, text);
        size_t n = strlen(rows[i].ends);
        CLAIM(out.len > n && strcmp(text + out.len - n, rows[i].ends) == 0, "%s: ends otherwise: %s", rows[i].name,
              text);
        plan_free(plan);
    }
}

static void waits_gates_and_events_stay_with_their_bytes(void)
{
    struct row row = {.streamed = true, .wire = {.interim = 103, .interim_times = 1, .interim_pause_ns = 7}};
    struct plan *plan = make(&row);
    plan_gate_event(plan, 1, "g");
    plan->pieces[0].alone = true;
    plan_spell(plan, true);
    /* 0 interim, 1 head, 2-4 the first chunk, 5-7 the second, 8 the last one */
    CU_ASSERT_EQUAL_FATAL(plan->count, 9);
    CU_ASSERT_EQUAL(plan->pieces[1].after_ns, 7);
    CU_ASSERT_EQUAL(plan->pieces[2].after_ns, 10);
    CU_ASSERT_EQUAL(plan->pieces[3].after_ns, 0);
    CU_ASSERT(plan->pieces[3].alone && !plan->pieces[2].alone);
    CU_ASSERT_EQUAL(plan->pieces[3].event, 0);
    CU_ASSERT_EQUAL(plan->pieces[5].after_ns, 20);
    CU_ASSERT_STRING_EQUAL(plan->pieces[5].gate, "g");
    CU_ASSERT_PTR_NULL(plan->pieces[6].gate);
    CU_ASSERT_EQUAL(plan->pieces[6].event, 1);
    plan_free(plan);
}

static void a_slow_head_takes_the_time_it_says(void)
{
    struct row row = {.wire = {.head_pause_ns = 3}};
    struct plan *plan = make(&row);
    uint64_t says = plan_head_time(plan), sum = 0;
    plan_spell(plan, true);
    for (size_t i = 0; i < plan->count; i++)
        sum += plan->pieces[i].after_ns;
    CLAIM(says == sum && sum > 3 * 80, "%llu, %llu", (unsigned long long)says, (unsigned long long)sum);
    CU_ASSERT(plan->pieces[0].n == 1 && plan->pieces[0].alone);
    plan_free(plan);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every oddity is spelled", every_oddity_is_spelled},
        {"waits, gates and events stay with their bytes", waits_gates_and_events_stay_with_their_bytes},
        {"a slow head takes the time it says", a_slow_head_takes_the_time_it_says},
        CU_TEST_INFO_NULL,
    };
    return unit_main("plan_wire", tests);
}
