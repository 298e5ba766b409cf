/* fuzz/sse: any bytes, fed whole and in pieces of sizes taken from the input, must give the same events, facts and end;
 * and an event that is encoded again must decode to itself.
 */
#include "protocol/sse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void add_part(struct buf *out, struct span part)
{
    buf_add_u64(out, part.n);
    buf_add(out, part);
}

/* The event back and forth. An id or type from the wire has no line end in it; data with CR cannot be there either. */
static void check_encoding(const struct sse_event *e)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    CLEANUP(sse_decoder_release) struct sse_decoder d;
    struct sse_event back;
    must(sse_encode(&b, e->type, e->data, e->id.n > 0 ? e->id : SPAN_EMPTY) == OK);
    sse_decoder_init(&d);
    sse_decoder_feed(&d, buf_span(&b));
    must(sse_decoder_next(&d, &back) == SSE_EVENT);
    must(span_equal(back.type, e->type) && span_equal(back.data, e->data) && span_equal(back.id, e->id));
    must(sse_decoder_next(&d, &back) == SSE_MORE && sse_decoder_finish(&d));
}

static void collect(struct sse_decoder *d, struct span part, struct buf *out)
{
    struct sse_event e;
    enum sse_step step;
    sse_decoder_feed(d, part);
    while ((step = sse_decoder_next(d, &e)) == SSE_EVENT) {
        add_part(out, e.type);
        add_part(out, e.data);
        add_part(out, e.id);
        check_encoding(&e);
    }
    must(step != SSE_NOMEM);
}

static bool same_facts(const struct sse_facts *a, const struct sse_facts *b)
{
    return a->events == b->events && a->comments == b->comments && a->dropped == b->dropped &&
           a->unknown_fields == b->unknown_fields && a->ends_lf == b->ends_lf && a->ends_cr == b->ends_cr &&
           a->ends_crlf == b->ends_crlf && a->retry_ms == b->retry_ms && a->bom == b->bom;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    CLEANUP(sse_decoder_release) struct sse_decoder d;
    CLEANUP(buf_release) struct buf whole = BUF_INIT(BUF_ANY), split = BUF_INIT(BUF_ANY);
    size_t first = data[0], piece = 1 + data[1] % 17u;
    struct span all = {data + 4, size - 4};

    /* Some runs have ceilings that are reached. */
    sse_decoder_init_limits(&d, data[2] < 128 ? SSE_LINE_MAX : data[2] - 127u,
                            data[3] < 128 ? SSE_EVENT_MAX : data[3] - 127u);
    collect(&d, all, &whole);
    struct sse_facts facts = d.facts;
    bool clean = sse_decoder_finish(&d);
    enum sse_step error = d.error;

    sse_decoder_reset(&d);
    collect(&d, span_cut(all, 0, first), &split);
    for (size_t at = first; at < all.n; at += piece)
        collect(&d, span_cut(all, at, piece), &split);
    must(span_equal(buf_span(&whole), buf_span(&split)) && d.error == error && sse_decoder_finish(&d) == clean);
    must(same_facts(&facts, &d.facts));
    must(error != SSE_MORE || (facts.inside_line == d.facts.inside_line && facts.inside_event == d.facts.inside_event &&
                               facts.bytes == all.n));
    return 0;
}
