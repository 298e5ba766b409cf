/* fuzz/eventstream: any bytes, fed whole and in pieces of sizes taken from the input, must give the same messages and
 * the same end; and what decodes must encode to the bytes it came from.
 *
 * A random change nearly always breaks a checksum, which would keep the fuzzer out of the header parser. So when the
 * first byte is odd, both CRCs of each frame are made right before the bytes are used.
 */
#include "protocol/eventstream.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* A frame of n bytes at p: a headers length out of reach becomes all there is room for; then the CRCs. */
static void repair_frame(unsigned char *p, size_t n)
{
    size_t room = n - ES_OVERHEAD;
    if (p[4] != 0 || p[5] != 0 || ((size_t)p[6] << 8 | p[7]) > room) {
        p[4] = p[5] = 0;
        p[6] = (unsigned char)(room >> 8);
        p[7] = (unsigned char)room;
    }
    es_reseal(p, n);
}

/* Walk from frame to frame by the stated lengths; the last one gets all that is left. */
static void repair(unsigned char *p, size_t n)
{
    while (n >= ES_OVERHEAD) {
        size_t total = (size_t)p[2] << 8 | p[3];
        if (total < ES_OVERHEAD || total > n)
            total = n;
        p[0] = p[1] = 0;
        p[2] = (unsigned char)(total >> 8);
        p[3] = (unsigned char)total;
        repair_frame(p, total);
        p += total;
        n -= total;
    }
}

/* What a stream gave: its messages encoded again, their number, a checksum over names and types, the end. */
struct result {
    struct buf again;
    size_t messages;
    uint32_t digest;
    enum es_error error;
    uint64_t offset;
};

static void collect(struct es_decoder *d, struct span part, struct result *r)
{
    CLEANUP(buf_release) struct buf told = BUF_INIT(BUF_ANY);
    struct es_message m;
    es_decoder_feed(d, part);
    while (es_decoder_next(d, &m) == ES_OK) {
        size_t start = r->again.len;
        must(es_encode(m.headers, m.count, m.payload, &r->again) == ES_OK);
        must(span_equal(span_from(buf_span(&r->again), start), m.frame));
        must(es_frame_length(m.frame) == m.frame.n && span_equal(es_frame_payload(m.frame), m.payload));
        r->messages++;
        buf_reset(&told);
        es_describe(&m, &told);
        must(memchr(buf_text(&told), '\n', told.len) == NULL && strlen(buf_text(&told)) == told.len);
        r->digest = es_crc32(r->digest, buf_span(&told));
    }
}

static void finish(struct es_decoder *d, struct result *r)
{
    CLEANUP(buf_release) struct buf why = BUF_INIT(BUF_ANY);
    r->error = es_decoder_finish(d);
    r->offset = d->offset;
    es_decoder_explain(d, &why);
    must((why.len > 0) == (r->error != ES_OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    CLEANUP(es_decoder_release) struct es_decoder d;
    struct result whole = {.again = BUF_INIT(BUF_ANY)}, split = {.again = BUF_INIT(BUF_ANY)};
    size_t first = data[1], piece = 1 + data[2] % 61u;
    bool mend = data[0] % 2 != 0;
    buf_add(&bytes, (struct span){data + 3, size - 3});
    if (mend && bytes.len < 65536)
        repair((unsigned char *)bytes.data, bytes.len);
    struct span all = buf_span(&bytes);

    es_decoder_init(&d);
    collect(&d, all, &whole);
    finish(&d, &whole);
    must(span_equal(span_cut(all, 0, whole.again.len), buf_span(&whole.again)));
    must(whole.offset == whole.again.len && (whole.error != ES_OK || whole.offset == all.n));

    es_decoder_reset(&d);
    collect(&d, span_cut(all, 0, first), &split);
    for (size_t at = first; at < all.n; at += piece)
        collect(&d, span_cut(all, at, piece), &split);
    finish(&d, &split);
    must(split.messages == whole.messages && split.error == whole.error && split.offset == whole.offset);
    must(split.digest == whole.digest && span_equal(buf_span(&split.again), buf_span(&whole.again)));
    buf_release(&whole.again);
    buf_release(&split.again);
    return 0;
}
