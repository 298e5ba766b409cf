/* Plans and header lists: what each move leaves of a body, its events and its times. */
#include "net/plan.h"

#include "unit.h"

#define PAUSE 7000U

/* Three events "aaaa" "bbbbbb" "cc", each 10 ns behind the one before. */
static struct plan *three_events(void)
{
    struct plan *plan = plan_new(200);
    CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
    (void)plan_add(plan, SPAN_LIT("aaaa"), 10, 0);
    (void)plan_add(plan, SPAN_LIT("bbbbbb"), 10, 1);
    (void)plan_add(plan, SPAN_LIT("cc"), 10, 2);
    return plan;
}

/* "aaaa@10#0 bb@10!": bytes, wait, event, ! when alone, [gate]. */
static void show(const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_piece *p = &plan->pieces[i];
        if (i > 0)
            buf_addc(out, ' ');
        buf_add(out, span_cut(buf_span(&plan->bytes), p->from, p->n));
        if (p->after_ns == PLAN_NEVER)
            buf_adds(out, "@never");
        else
            buf_addf(out, "@%llu", (unsigned long long)p->after_ns);
        if (p->event != PLAN_NO_EVENT)
            buf_addf(out, "#%zu", p->event);
        if (p->alone)
            buf_addc(out, '!');
        if (p->gate)
            buf_addf(out, "[%s]", p->gate);
    }
}

static void nothing(struct plan *p)
{
    (void)p;
}

static void cut_at_3(struct plan *p)
{
    plan_cut_at_byte(p, 3, PLAN_END_FIN);
}

static void cut_at_4(struct plan *p)
{
    plan_cut_at_byte(p, 4, PLAN_END_FIN);
}

static void cut_at_0(struct plan *p)
{
    plan_cut_at_byte(p, 0, PLAN_END_FIN);
}

static void cut_beyond(struct plan *p)
{
    plan_cut_at_byte(p, 12, PLAN_END_FIN);
}

static void cut_at_event_1(struct plan *p)
{
    plan_cut_at_event(p, 1, PLAN_END_FIN);
}

static void cut_at_event_9(struct plan *p)
{
    plan_cut_at_event(p, 9, PLAN_END_FIN);
}

static void stall_at_1(struct plan *p)
{
    plan_stall_at_event(p, 1);
}

static void split_at_6(struct plan *p)
{
    plan_split_at_byte(p, 6, PAUSE);
}

static void split_at_4(struct plan *p)
{
    plan_split_at_byte(p, 4, PAUSE);
}

static void split_beyond(struct plan *p)
{
    plan_split_at_byte(p, 12, PAUSE);
}

static void shred_4(struct plan *p)
{
    plan_shred(p, 4);
}

static void gate_1(struct plan *p)
{
    plan_gate_event(p, 1, "g");
}

static void drop_gated_1(struct plan *p)
{
    plan_gate_event(p, 1, "g");
    plan_drop_event(p, 1);
}

static void drop_last(struct plan *p)
{
    plan_gate_event(p, 2, "g");
    plan_drop_event(p, 2);
}

static void merge(struct plan *p)
{
    plan_split_at_byte(p, 6, PAUSE);
    plan_merge(p);
}

static void split_then_stall(struct plan *p)
{
    plan_split_at_byte(p, 6, PAUSE);
    plan_stall_at_event(p, 1);
}

static void shred_then_drop(struct plan *p)
{
    plan_shred(p, 2);
    plan_drop_event(p, 1);
}

static void shred_then_cut_event(struct plan *p)
{
    plan_shred(p, 2);
    plan_cut_at_event(p, 1, PLAN_END_FIN);
}

static void each_move_leaves_what_its_comment_says(void)
{
    static const struct {
        const char *name;
        void (*move)(struct plan *plan);
        const char *want;
    } rows[] = {
        {"nothing", nothing, "aaaa@10#0 bbbbbb@10#1 cc@10#2"},
        {"cut inside an event", cut_at_3, "aaa@10"},
        {"cut between events", cut_at_4, "aaaa@10#0"},
        {"cut at the start", cut_at_0, ""},
        {"cut beyond the end", cut_beyond, "aaaa@10#0 bbbbbb@10#1 cc@10#2"},
        {"cut at event 1", cut_at_event_1, "aaaa@10#0"},
        {"cut at an event that is not there", cut_at_event_9, "aaaa@10#0 bbbbbb@10#1 cc@10#2"},
        {"stall at event 1", stall_at_1, "aaaa@10#0 bbbbbb@never#1 cc@10#2"},
        {"split inside", split_at_6, "aaaa@10#0 bb@10! bbbb@7000#1! cc@10#2"},
        {"split between", split_at_4, "aaaa@10#0! bbbbbb@7010#1! cc@10#2"},
        {"split beyond", split_beyond, "aaaa@10#0 bbbbbb@10#1 cc@10#2"},
        {"shred", shred_4, "aaaa@10#0! bbbb@10! bb@0#1! cc@10#2!"},
        {"gate", gate_1, "aaaa@10#0 bbbbbb@10#1[g] cc@10#2"},
        {"drop a gated event", drop_gated_1, "aaaa@10#0 cc@20#2[g]"},
        {"drop the last event", drop_last, "aaaa@10#0 bbbbbb@10#1"},
        {"merge", merge, "aaaa@0#0 bb@0 bbbb@0#1 cc@0#2"},
        {"stall a split event", split_then_stall, "aaaa@10#0 bb@never! bbbb@7000#1! cc@10#2"},
        {"drop a shredded event", shred_then_drop, "aa@10! aa@0#0! cc@20#2!"},
        {"cut at a shredded event", shred_then_cut_event, "aa@10! aa@0#0!"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf got = BUF_INIT(4096);
        struct plan *plan = three_events();
        rows[i].move(plan);
        show(plan, &got);
        CLAIM(strcmp(buf_text(&got), rows[i].want) == 0, "%s: %s, not %s", rows[i].name, buf_text(&got), rows[i].want);
        CLAIM(!plan->failed && plan->content_length == PLAN_CHUNKED, "%s: promise changed", rows[i].name);
        plan_free(plan);
    }
}

static void a_cut_keeps_the_promise_and_says_how_it_ends(void)
{
    struct plan *plan = plan_new(200);
    plan_body(plan, "text/plain", SPAN_LIT("0123456789"));
    plan_cut_at_byte(plan, 4, PLAN_END_RST);
    CU_ASSERT_EQUAL(plan->content_length, 10);
    CU_ASSERT_EQUAL(plan->end, PLAN_END_RST);
    CU_ASSERT_EQUAL(plan->pieces[0].n, 4);
    plan_free(plan);
}

static void a_fitted_plan_is_the_same_and_can_still_grow(void)
{
    struct plan *plan = plan_new(200);
    plan_fit(plan); /* nothing in it */
    plan_free(plan);
    plan = three_events();
    CLEANUP(buf_release) struct buf before = BUF_INIT(BUF_ANY), after = BUF_INIT(BUF_ANY);
    show(plan, &before);
    plan_fit(plan);
    show(plan, &after);
    CU_ASSERT_STRING_EQUAL(buf_text(&after), buf_text(&before));
    CU_ASSERT_TRUE(plan->cap == plan->count && plan->bytes.cap == plan->bytes.len + 1);
    CU_ASSERT_EQUAL(plan_add(plan, SPAN_LIT("dddd"), 0, 3), 3);
    CU_ASSERT_TRUE(span_is(plan_event_bytes(plan, 3), "dddd"));
    plan_free(plan);
}

static void a_taken_body_is_the_plan_s_as_a_copied_one(void)
{
    struct plan *plan = three_events();
    struct buf body = BUF_INIT(64);
    buf_adds(&body, "0123456789");
    const char *bytes = body.data;
    plan_body_take(plan, "text/plain", &body);
    CU_ASSERT_PTR_EQUAL(plan->bytes.data, bytes);
    CU_ASSERT_PTR_NULL(body.data);
    CU_ASSERT_EQUAL(plan->content_length, 10);
    CU_ASSERT_EQUAL(plan->count, 1);
    CU_ASSERT_TRUE(plan->pieces[0].from == 0 && plan->pieces[0].n == 10 && plan->pieces[0].event == PLAN_NO_EVENT);
    CU_ASSERT_STRING_EQUAL(http_headers_get(&plan->headers, "content-type"), "text/plain");
    CU_ASSERT_FALSE(plan->failed);
    plan_body_take(plan, "text/plain", &body); /* an empty one: nothing is sent */
    CU_ASSERT_TRUE(plan->count == 0 && plan->content_length == 0 && !plan->failed);
    for (size_t i = 0; i < 9; i++)
        buf_adds(&body, "0123456789"); /* past its ceiling */
    plan_body_take(plan, "text/plain", &body);
    CU_ASSERT_TRUE(plan->failed);
    plan_free(plan);
}

static void event_bytes_span_the_pieces_of_an_event(void)
{
    struct plan *plan = three_events();
    plan_shred(plan, 1);
    CU_ASSERT_TRUE(span_is(plan_event_bytes(plan, 1), "bbbbbb"));
    CU_ASSERT_TRUE(span_is(plan_event_bytes(plan, 2), "cc"));
    CU_ASSERT_EQUAL(plan_event_bytes(plan, 3).n, 0);
    CU_ASSERT_EQUAL(plan_event_bytes(plan, PLAN_NO_EVENT).n, 0);
    plan_free(plan);
}

static void header_lists_keep_order_case_and_repetition(void)
{
    struct http_headers h;
    struct http_headers copy;
    http_headers_init(&h);
    http_headers_init(&copy);
    http_headers_add(&h, "X-One", "1");
    http_headers_add(&h, "x-two", "2");
    http_headers_add(&h, "X-TWO", "3");
    http_headers_add(&h, "X-Three", "");
    http_headers_copy(&copy, &h);
    http_headers_set(&h, "X-Two", http_headers_get(&h, "x-two"));
    CU_ASSERT_EQUAL(h.count, 3);
    CU_ASSERT_STRING_EQUAL(h.items[1].name, "X-Two");
    CU_ASSERT_STRING_EQUAL(h.items[1].value, "2");
    CU_ASSERT_STRING_EQUAL(h.items[2].name, "X-Three");
    http_headers_remove(&h, "X-ONE");
    CU_ASSERT_PTR_NULL(http_headers_get(&h, "x-one"));
    CU_ASSERT_EQUAL(copy.count, 4);
    CU_ASSERT_STRING_EQUAL(copy.items[2].name, "X-TWO");
    http_headers_release(&h);
    http_headers_release(&copy);
    CU_ASSERT_STRING_EQUAL(http_reason(429), "Too Many Requests");
    CU_ASSERT_STRING_EQUAL(http_reason(799), "");
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"each move leaves what its comment says", each_move_leaves_what_its_comment_says},
        {"a cut keeps the promise and says how it ends", a_cut_keeps_the_promise_and_says_how_it_ends},
        {"a fitted plan is the same and can still grow", a_fitted_plan_is_the_same_and_can_still_grow},
        {"a taken body is the plan's as a copied one", a_taken_body_is_the_plan_s_as_a_copied_one},
        {"event bytes span the pieces of an event", event_bytes_span_the_pieces_of_an_event},
        {"header lists keep order, case and repetition", header_lists_keep_order_case_and_repetition},
        CU_TEST_INFO_NULL,
    };
    return unit_main("plan", tests);
}
