/* The load engine's HTTP/1.1 reader: answers of every framing, whole and cut at each position, and framing it must
 * refuse. */
#include "harness/bench/wire.h"

#include "unit.h"

struct outcome {
    enum wire_step last; /* WIRE_DONE, WIRE_BAD, or WIRE_MORE at the end of the bytes */
    int status;
    bool keep, closed;
    enum wire_type type;
    size_t left;
    struct buf body;
    char why[40];
};

/* Feed the bytes in pieces of `step`, with an extra cut at `cut`. */
static void run(struct wire *w, const char *text, size_t cut, size_t step, struct outcome *o)
{
    struct span all = span_of(text);
    wire_reset(w);
    buf_reset(&o->body);
    o->last = WIRE_MORE;
    o->left = 0;
    for (size_t at = 0; at < all.n && o->last == WIRE_MORE;) {
        size_t n = at < cut && cut < at + step ? cut - at : step;
        struct span in = span_cut(all, at, n), body;
        at += in.n;
        enum wire_step s;
        while ((s = wire_next(w, &in, &body)) != WIRE_MORE) {
            if (s == WIRE_BODY)
                buf_add(&o->body, body);
            if (s == WIRE_DONE || s == WIRE_BAD) {
                o->last = s;
                o->left = in.n + (all.n - at);
                break;
            }
        }
    }
    o->status = w->status;
    o->keep = w->keep;
    o->type = w->type;
    o->closed = wire_closed(w);
    (void)snprintf(o->why, sizeof o->why, "%s", w->why == NULL ? "" : w->why);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *text, *body;
    enum wire_step last;
    int status;
    bool keep;
    size_t left;
} answers[] = {
    {OK_HEAD "Content-Length: 5\r\n\r\nhello", "hello", WIRE_DONE, 200, true, 0},
    {OK_HEAD "content-length:5\r\nServer: x\r\n\r\nhelloHTTP", "hello", WIRE_DONE, 200, true, 4},
    {OK_HEAD "Content-Length: 0\r\n\r\n", "", WIRE_DONE, 200, true, 0},
    {OK_HEAD "Content-Length: 5\r\nConnection: close\r\n\r\nhello", "hello", WIRE_DONE, 200, false, 0},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi", WIRE_DONE, 200, false, 0},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", "hi", WIRE_DONE, 200, true, 0},
    {"HTTP/1.1 204 No Content\r\n\r\n", "", WIRE_DONE, 204, true, 0},
    {"HTTP/1.1 304\r\nContent-Length: 99\r\n\r\n", "", WIRE_DONE, 304, true, 0},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx", "x", WIRE_DONE, 201, true, 0},
    {"HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n" OK_HEAD "Content-Length: 1\r\n\r\nx", "x", WIRE_DONE, 200,
     true, 0},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello", WIRE_DONE, 200, true, 0},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n00A\r\n, worldly\n\r\n0;x\r\nA: b\r\nC: d\r\n\r\nZ",
     "hello, worldly\n", WIRE_DONE, 200, true, 1},
    {OK_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\na\r\n0\r\n\r\n", "a", WIRE_DONE, 200, true,
     0},
    {OK_HEAD "X: 1\r\n\r\nuntil the end", "until the end", WIRE_MORE, 200, false, 0},
    {OK_HEAD "Content-Length: 9\r\n\r\nshort", "short", WIRE_MORE, 200, true, 0},
};

static void reads_every_framing_however_cut(void)
{
    struct wire w;
    struct outcome o = {.body = BUF_INIT(4096)};
    wire_init(&w, 4096);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        size_t n = strlen(answers[i].text);
        for (size_t cut = 0; cut <= n + 1; cut++) {
            run(&w, answers[i].text, cut, cut == n + 1 ? 1 : n, &o); /* the last round: byte by byte */
            CLAIM(o.last == answers[i].last && o.status == answers[i].status && o.keep == answers[i].keep &&
                      o.left == answers[i].left && strcmp(buf_text(&o.body), answers[i].body) == 0,
                  "answer %zu cut at %zu: step %d (%s) status %d keep %d left %zu body '%s'", i, cut, (int)o.last,
                  o.why, o.status, o.keep, o.left, buf_text(&o.body));
        }
    }
    wire_release(&w);
    buf_release(&o.body);
}

static void refuses_bad_framing_by_name(void)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"SSH-2.0-OpenSSH\r\n\r\n", "status_line"},
        {"HTTP/2 200\r\n\r\n", "status_line"},
        {"HTTP/1.1 20 OK\r\n\r\n", "status_line"},
        {"HTTP/1.1 2000\r\n\r\n", "status_line"},
        {"HTTP/1.1 101 Switching\r\n\r\n", "switched_protocols"},
        {OK_HEAD "Content-Length: five\r\n\r\n", "content_length"},
        {OK_HEAD "Content-Length: -1\r\n\r\n", "content_length"},
        {OK_HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "content_length"},
        {OK_HEAD "Content-Length: 99999999999999999999\r\n\r\n", "content_length"},
        {OK_HEAD "Transfer-Encoding: gzip\r\n\r\n", "transfer_encoding"},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunk_size"},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n", "chunk_size"},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1111111111111111\r\n", "chunk_size"},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "chunk_end"},
    };
    struct wire w;
    struct outcome o = {.body = BUF_INIT(4096)};
    wire_init(&w, 4096);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t step = 1; step <= strlen(rows[i].text); step += strlen(rows[i].text) - 1) {
            run(&w, rows[i].text, SIZE_MAX, step, &o);
            CLAIM(o.last == WIRE_BAD && strcmp(o.why, rows[i].why) == 0, "row %zu: step %d, '%s'", i, (int)o.last,
                  o.why);
        }
    }
    wire_release(&w);
    buf_release(&o.body);
}

static void a_head_has_a_ceiling(void)
{
    struct wire w;
    wire_init(&w, 64);
    struct span body, in = SPAN_LIT(OK_HEAD "X-Long: ");
    CU_ASSERT_EQUAL(wire_next(&w, &in, &body), WIRE_MORE);
    enum wire_step s = WIRE_MORE;
    for (int i = 0; i < 100 && s == WIRE_MORE; i++) {
        in = SPAN_LIT("0123456789");
        s = wire_next(&w, &in, &body);
    }
    CU_ASSERT_EQUAL(s, WIRE_BAD);
    CU_ASSERT_STRING_EQUAL(w.why, "head_too_long");
    wire_release(&w);
}

static void knows_stream_types(void)
{
    static const struct {
        const char *text;
        enum wire_type type;
    } rows[] = {{"application/json", WIRE_JSON},
                {"text/event-stream; charset=utf-8", WIRE_SSE},
                {"Text/Event-Stream", WIRE_SSE},
                {"application/vnd.amazon.eventstream", WIRE_EVENTSTREAM},
                {"text/plain", WIRE_OTHER}};
    struct wire w;
    wire_init(&w, 4096);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[200];
        (void)snprintf(text, sizeof text, OK_HEAD "Content-Type: %s\r\nContent-Length: 0\r\n\r\n", rows[i].text);
        struct span in = span_of(text), body;
        wire_reset(&w);
        CLAIM(wire_next(&w, &in, &body) == WIRE_HEAD && w.type == rows[i].type, "%s", rows[i].text);
    }
    wire_release(&w);
}

static void closing_ends_only_bodies_without_length(void)
{
    struct wire w;
    struct outcome o = {.body = BUF_INIT(4096)};
    wire_init(&w, 4096);
    run(&w, OK_HEAD "\r\nsome", SIZE_MAX, 4, &o);
    CU_ASSERT_TRUE(o.closed);
    run(&w, OK_HEAD "Content-Length: 9\r\n\r\nsome", SIZE_MAX, 4, &o);
    CU_ASSERT_FALSE(o.closed);
    run(&w, "HTTP/1.1 2", SIZE_MAX, 4, &o);
    CU_ASSERT_FALSE(o.closed);
    CU_ASSERT_TRUE(wire_begun(&w));
    wire_reset(&w);
    CU_ASSERT_FALSE(wire_begun(&w));
    wire_release(&w);
    buf_release(&o.body);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"reads_every_framing_however_cut", reads_every_framing_however_cut},
        {"refuses_bad_framing_by_name", refuses_bad_framing_by_name},
        {"a_head_has_a_ceiling", a_head_has_a_ceiling},
        {"knows_stream_types", knows_stream_types},
        {"closing_ends_only_bodies_without_length", closing_ends_only_bodies_without_length},
        CU_TEST_INFO_NULL,
    };
    return unit_main("bench_wire", tests);
}
