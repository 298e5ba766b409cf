/* Server-sent events: the HTML standard's parsing rules as a table, each row fed whole, by bytes and cut everywhere. */
#include "protocol/sse.h"

#include "unit.h"

/* What a stream gave, written as text: "type|data|id\n" per event, then the failure, if any. */
static void feed(struct sse_decoder *d, struct span part, struct buf *told)
{
    struct sse_event e;
    enum sse_step step;
    sse_decoder_feed(d, part);
    while ((step = sse_decoder_next(d, &e)) == SSE_EVENT) {
        buf_add(told, e.type);
        buf_addc(told, '|');
        buf_add(told, e.data);
        buf_addc(told, '|');
        buf_add(told, e.id);
        buf_addc(told, '~');
    }
    if (step != SSE_MORE && (told->len == 0 || told->data[told->len - 1] != '!'))
        buf_addf(told, "%s!", sse_step_name(step));
}

static void decode(struct sse_decoder *d, struct span all, size_t head, size_t piece, struct buf *told)
{
    sse_decoder_reset(d);
    buf_reset(told);
    feed(d, span_cut(all, 0, head), told);
    for (size_t at = head; at < all.n; at += piece)
        feed(d, span_cut(all, at, piece), told);
}

/* All ways of feeding must give `want` and the same facts; the clean end of the stream is returned. */
static bool gives(struct sse_decoder *d, size_t row, struct span all, struct span want)
{
    CLEANUP(buf_release) struct buf told = BUF_INIT(BUF_ANY);
    decode(d, all, all.n, 1, &told);
    CLAIM(span_equal(buf_span(&told), want), "row %zu whole: %s", row, buf_text(&told));
    struct sse_facts facts = d->facts;
    bool clean = sse_decoder_finish(d);
    for (size_t cut = 0; cut < all.n; cut++) {
        decode(d, all, cut, cut == 0 ? 1 : all.n - cut, &told);
        CLAIM(span_equal(buf_span(&told), want), "row %zu cut at %zu: %s", row, cut, buf_text(&told));
        bool same = d->facts.events == facts.events && d->facts.comments == facts.comments &&
                    d->facts.dropped == facts.dropped && d->facts.unknown_fields == facts.unknown_fields &&
                    d->facts.ends_lf == facts.ends_lf && d->facts.ends_cr == facts.ends_cr &&
                    d->facts.ends_crlf == facts.ends_crlf && d->facts.retry_ms == facts.retry_ms &&
                    d->facts.bom == facts.bom && d->facts.bytes == facts.bytes &&
                    d->facts.inside_line == facts.inside_line && d->facts.inside_event == facts.inside_event;
        CLAIM(same && sse_decoder_finish(d) == clean, "row %zu cut at %zu: other facts", row, cut);
    }
    return clean;
}

static void follows_the_html_standard_however_it_is_fed(void)
{
    const struct {
        struct span bytes;
        struct span want;
        bool clean;
    } rows[] = {
        {SPAN_LIT(""), SPAN_LIT(""), true},
        {SPAN_LIT("data: x\n\n"), SPAN_LIT("message|x|~"), true},
        {SPAN_LIT("data:x\r\rdata:y\r\n\r\n"), SPAN_LIT("message|x|~message|y|~"), true},
        {SPAN_LIT("data: x\r\n\rdata: y\r\r\n"), SPAN_LIT("message|x|~message|y|~"), true},
        /* The examples of the standard, section 9.2.6. */
        {SPAN_LIT("data: YHOO\ndata: +2\ndata: 10\n\n"), SPAN_LIT("message|YHOO\n+2\n10|~"), true},
        {SPAN_LIT(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event"),
         SPAN_LIT("message|first event|1~message|second event|~"), false},
        {SPAN_LIT("data\n\ndata\ndata\n\ndata:"), SPAN_LIT("message||~message|\n|~"), false},
        {SPAN_LIT("data:test\n\ndata: test\n\n"), SPAN_LIT("message|test|~message|test|~"), true},
        /* Names and values. */
        {SPAN_LIT("event: a\ndata: 1\n\ndata: 2\n\n"), SPAN_LIT("a|1|~message|2|~"), true},
        {SPAN_LIT("event: a\nevent: b\ndata: 1\n\n"), SPAN_LIT("b|1|~"), true},
        {SPAN_LIT("event: a\nevent:\ndata: 1\n\n"), SPAN_LIT("message|1|~"), true},
        {SPAN_LIT("event: a\n\ndata: 1\n\n"), SPAN_LIT("message|1|~"), true},
        {SPAN_LIT("Data: 1\ndata : 2\n data: 3\nfoo\n\ndata: 4\n\n"), SPAN_LIT("message|4|~"), true},
        {SPAN_LIT("data: a:b\ndata:  two\ndata:\tt\n\n"), SPAN_LIT("message|a:b\n two\n\tt|~"), true},
        {SPAN_LIT("data: a\0b\n\n"), SPAN_LIT("message|a\0b|~"), true},
        {SPAN_LIT("data: \xff\xfe\n\n"), SPAN_LIT("message|\xff\xfe|~"), true},
        /* Ids stay, and one with U+0000 is not looked at. */
        {SPAN_LIT("id: 7\ndata: 1\n\ndata: 2\n\nid: 8\n\ndata: 3\n\n"),
         SPAN_LIT("message|1|7~message|2|7~message|3|8~"), true},
        {SPAN_LIT("id: 7\nid: 8\0\ndata: 1\n\n"), SPAN_LIT("message|1|7~"), true},
        /* Comments and the mark at the start. */
        {SPAN_LIT(":\n:x\n: data: y\n\ndata: 1\n: between\ndata: 2\n\n"), SPAN_LIT("message|1\n2|~"), true},
        {SPAN_LIT("\xEF\xBB\xBF"
                  "data: 1\n\n\xEF\xBB\xBF"
                  "data: 2\n\n"),
         SPAN_LIT("message|1|~"), true},
        {SPAN_LIT("\xEF\xBB\xBF\n\n"), SPAN_LIT(""), true},
        {SPAN_LIT("\xEF\xBB\xBF\xEF\xBB\xBF"
                  "data: 1\n\n"),
         SPAN_LIT(""), true},
        /* Ends in the middle. */
        {SPAN_LIT("data: 1\n"), SPAN_LIT(""), false},
        {SPAN_LIT("data: 1"), SPAN_LIT(""), false},
        {SPAN_LIT("data: 1\n\nda"), SPAN_LIT("message|1|~"), false},
        {SPAN_LIT("data: 1\r\r"), SPAN_LIT("message|1|~"), true},
        {SPAN_LIT("data: 1\n\n: bye"), SPAN_LIT("message|1|~"), true},
        {SPAN_LIT("\xEF\xBB\xBF: bye"), SPAN_LIT(""), true},
    };
    CLEANUP(sse_decoder_release) struct sse_decoder d;
    sse_decoder_init(&d);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CLAIM(gives(&d, i, rows[i].bytes, rows[i].want) == rows[i].clean, "row %zu: the end is misjudged", i);
}

static void counts_what_a_judge_wants_to_know(void)
{
    CLEANUP(sse_decoder_release) struct sse_decoder d;
    CLEANUP(buf_release) struct buf told = BUF_INIT(BUF_ANY);
    sse_decoder_init(&d);
    struct span all =
        SPAN_LIT("\xEF\xBB\xBF: hi\nretry: 250\r\nretry: x1\rretry:\nevent: lost\n\nfoo: 1\ndata: 1\n\n:");
    decode(&d, all, 5, 3, &told);
    CU_ASSERT_EQUAL(d.facts.bytes, all.n);
    CU_ASSERT_EQUAL(d.facts.events, 1);
    CU_ASSERT_EQUAL(d.facts.comments, 1);
    CU_ASSERT_EQUAL(d.facts.dropped, 1);
    CU_ASSERT_EQUAL(d.facts.unknown_fields, 1);
    CU_ASSERT_EQUAL(d.facts.retry_ms, 250);
    CU_ASSERT_EQUAL(d.facts.ends_lf, 7);
    CU_ASSERT_EQUAL(d.facts.ends_crlf, 1);
    CU_ASSERT_EQUAL(d.facts.ends_cr, 1);
    CU_ASSERT(d.facts.bom && d.facts.inside_line && !d.facts.inside_event);
    sse_decoder_reset(&d);
    CU_ASSERT_EQUAL(d.facts.retry_ms, -1);
    CU_ASSERT_EQUAL(d.facts.events, 0);
}

static void lines_and_events_have_ceilings(void)
{
    const struct {
        struct span bytes;
        struct span want;
    } rows[] = {
        {SPAN_LIT("data: 8901\n\n"), SPAN_LIT("message|8901|~")},
        {SPAN_LIT("data: 89012\n\n"), SPAN_LIT("line_limit!")},
        {SPAN_LIT(":9012345678"), SPAN_LIT("line_limit!")},
        {SPAN_LIT("data: 1\n\n:9012345678\ndata: 2\n\n"), SPAN_LIT("message|1|~line_limit!")},
        {SPAN_LIT("data: 123\ndata:1234\n\n"), SPAN_LIT("message|123\n1234|~")},
        {SPAN_LIT("data:1234\ndata:12345\n\n"), SPAN_LIT("event_limit!")},
        {SPAN_LIT("data:1\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n\n"), SPAN_LIT("message|1\n\n\n\n\n\n\n|~")},
        {SPAN_LIT("data:1\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n\n"), SPAN_LIT("event_limit!")},
    };
    CLEANUP(sse_decoder_release) struct sse_decoder d;
    sse_decoder_init_limits(&d, 10, 8);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf told = BUF_INIT(BUF_ANY);
        for (size_t piece = 1; piece <= rows[i].bytes.n; piece++) {
            decode(&d, rows[i].bytes, 0, piece, &told);
            CLAIM(span_equal(buf_span(&told), rows[i].want), "row %zu by %zu: %s", i, piece, buf_text(&told));
        }
    }
}

static void single_lines_are_not_copied(void)
{
    CLEANUP(sse_decoder_release) struct sse_decoder d;
    struct sse_event e;
    struct span all = SPAN_LIT("data: {\"a\":1}\n\ndata: [DONE]\r\n\r\n");
    sse_decoder_init(&d);
    sse_decoder_feed(&d, all);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(sse_decoder_next(&d, &e), SSE_EVENT);
        CU_ASSERT(e.data.p > all.p && e.data.p < all.p + all.n);
    }
    CU_ASSERT_EQUAL(sse_decoder_next(&d, &e), SSE_MORE);
    CU_ASSERT(d.data.data == NULL && d.line.data == NULL);
    CU_ASSERT(sse_decoder_finish(&d));
}

/* The blank line's first byte is enough: a client that waited for the LF after the CR would show every event late. */
static void does_not_wait_for_the_lf_of_a_crlf(void)
{
    CLEANUP(sse_decoder_release) struct sse_decoder d;
    struct sse_event e;
    sse_decoder_init(&d);
    sse_decoder_feed(&d, SPAN_LIT("data: 1\r\n\r"));
    CU_ASSERT_EQUAL(sse_decoder_next(&d, &e), SSE_EVENT);
    CU_ASSERT_EQUAL(sse_decoder_next(&d, &e), SSE_MORE);
    sse_decoder_feed(&d, SPAN_LIT("\ndata: 2\r\n\r\n"));
    CU_ASSERT_EQUAL(sse_decoder_next(&d, &e), SSE_EVENT);
    CU_ASSERT(span_is(e.data, "2"));
    CU_ASSERT_EQUAL(sse_decoder_next(&d, &e), SSE_MORE);
    CU_ASSERT_EQUAL(d.facts.ends_crlf, 4);
}

/* One pass over many CR lines: a decoder that looks for the LF of each line anew needs minutes for these. */
static void cr_lines_cost_no_more_than_lf_lines(void)
{
    enum { LINES = 400000 };
    CLEANUP(sse_decoder_release) struct sse_decoder d;
    CLEANUP(buf_release) struct buf all = BUF_INIT(BUF_ANY);
    struct sse_event e;
    for (int i = 0; i < LINES; i++)
        buf_adds(&all, "data: 0123456789\r\r");
    sse_decoder_init(&d);
    uint64_t start = now_ns();
    sse_decoder_feed(&d, buf_span(&all));
    while (sse_decoder_next(&d, &e) == SSE_EVENT)
        ;
    CU_ASSERT_EQUAL(d.facts.events, LINES);
    CU_ASSERT(now_ns() - start < UINT64_C(10000000000));
}

static void encodes_what_it_decodes(void)
{
    const struct {
        struct span event, data, id;
        const char *want;
        const char *back;
    } rows[] = {
        {{NULL, 0}, SPAN_LIT("{}"), {NULL, 0}, "data: {}\n\n", "message|{}|~"},
        {{NULL, 0}, {NULL, 0}, {NULL, 0}, "data: \n\n", "message||~"},
        {SPAN_LIT("delta"),
         SPAN_LIT("a\nb\r\nc\rd"),
         {NULL, 0},
         "event: delta\ndata: a\ndata: b\ndata: c\ndata: d\n\n",
         "delta|a\nb\nc\nd|~"},
        {{NULL, 0}, SPAN_LIT("x\n"), SPAN_LIT("7"), "id: 7\ndata: x\ndata: \n\n", "message|x\n|7~"},
        {{NULL, 0}, SPAN_LIT("\r"), SPAN_LIT(""), "id: \ndata: \ndata: \n\n", "message|\n|~"},
        {SPAN_LIT(" e"), SPAN_LIT(" :x"), {NULL, 0}, "event:  e\ndata:  :x\n\n", " e| :x|~"},
    };
    CLEANUP(sse_decoder_release) struct sse_decoder d;
    sse_decoder_init(&d);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY), told = BUF_INIT(BUF_ANY);
        CU_ASSERT_EQUAL(sse_encode(&b, rows[i].event, rows[i].data, rows[i].id), OK);
        CLAIM(strcmp(buf_text(&b), rows[i].want) == 0, "row %zu: %s", i, buf_text(&b));
        decode(&d, buf_span(&b), b.len, 1, &told);
        CLAIM(strcmp(buf_text(&told), rows[i].back) == 0, "row %zu comes back as %s", i, buf_text(&told));
    }
}

static void refuses_line_ends_in_names(void)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    CU_ASSERT_EQUAL(sse_encode(&b, SPAN_LIT("a\ndata: forged"), SPAN_LIT("x"), SPAN_EMPTY), ERR_INVALID);
    CU_ASSERT_EQUAL(sse_encode(&b, SPAN_LIT("a\r"), SPAN_LIT("x"), SPAN_EMPTY), ERR_INVALID);
    CU_ASSERT_EQUAL(sse_encode(&b, SPAN_EMPTY, SPAN_LIT("x"), SPAN_LIT("1\n")), ERR_INVALID);
    CU_ASSERT_EQUAL(sse_encode(&b, SPAN_EMPTY, SPAN_LIT("x"), SPAN_LIT("1\0")), ERR_INVALID);
    CU_ASSERT_EQUAL(b.len, 0);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"follows the HTML standard however it is fed", follows_the_html_standard_however_it_is_fed},
        {"counts what a judge wants to know", counts_what_a_judge_wants_to_know},
        {"lines and events have ceilings", lines_and_events_have_ceilings},
        {"single lines are not copied", single_lines_are_not_copied},
        {"does not wait for the LF of a CR LF", does_not_wait_for_the_lf_of_a_crlf},
        {"CR lines cost no more than LF lines", cr_lines_cost_no_more_than_lf_lines},
        {"encodes what it decodes", encodes_what_it_decodes},
        {"refuses line ends in names", refuses_line_ends_in_names},
        CU_TEST_INFO_NULL,
    };
    return unit_main("sse", tests);
}
