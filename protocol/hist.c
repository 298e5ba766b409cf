/* The arithmetic of HdrHistogram (Gil Tene), for the one configuration we use, so that everything is a constant: the
 * index of a value is the position of its highest bit and its eleven leading bits. The export follows the V2 encoding
 * as HdrHistogram's Java and C readers take it: a big-endian header, then the counts from the first step to that of the
 * largest value as ZigZag LEB128 (at most nine bytes each), a run of k empty steps written as the number -k. That
 * payload goes into the compressed envelope, as a zlib stream (RFC 1950) of stored blocks (RFC 1951 section 3.2.4).
 */
#include "protocol/hist.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define COOKIE_V2            0x1c849313u /* 0x1c849303, with the bit that says LEB128 */
#define COOKIE_V2_COMPRESSED 0x1c849314u
#define EXPORT_MAX           (HIST_COUNTS * 9u + 4096u) /* every step full, every count of nine bytes */
#define STORED_MAX           65535u                     /* bytes of one stored deflate block */

uint64_t hist_index_low(uint32_t index)
{
    if (index < 2048)
        return index;
    unsigned bucket = (index >> 10) - 1;
    return (uint64_t)((index & 1023) + 1024) << bucket;
}

uint64_t hist_index_high(uint32_t index)
{
    return index < 2048 ? index : hist_index_low(index) + (UINT64_C(1) << ((index >> 10) - 1)) - 1;
}

struct hist *hist_new(void)
{
    return calloc(1, sizeof(struct hist));
}

void hist_free(struct hist **h)
{
    if (h == NULL)
        return;
    free(*h);
    *h = NULL;
}

void hist_reset(struct hist *h)
{
    memset(h, 0, sizeof *h);
}

void hist_merge(struct hist *into, const struct hist *from)
{
    if (from == NULL || from->count == 0)
        return;
    if (into->count == 0 || from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    into->count += from->count;
    into->over += from->over;
    into->sum += from->sum;
    for (uint32_t i = hist_index(from->min), last = hist_index(from->max); i <= last; i++)
        into->counts[i] += from->counts[i];
}

/* ---- reading ---- */

double hist_mean(const struct hist *h)
{
    return h->count == 0 ? 0 : (double)h->sum / (double)h->count;
}

double hist_stdev(const struct hist *h)
{
    if (h->count == 0)
        return 0;
    double mean = hist_mean(h), sum = 0;
    for (uint32_t i = hist_index(h->min), last = hist_index(h->max); i <= last; i++) {
        double off = ((double)hist_index_low(i) + (double)hist_index_high(i)) / 2 - mean;
        sum += h->counts[i] == 0 ? 0 : off * off * (double)h->counts[i];
    }
    return sqrt(sum / (double)h->count);
}

uint64_t hist_quantile(const struct hist *h, double q)
{
    if (h->count == 0)
        return 0;
    double wanted = ceil(fmin(fmax(q, 0), 1) * (double)h->count - 1e-9);
    uint64_t rank = wanted < 1 ? 1 : (uint64_t)wanted, seen = 0;
    for (uint32_t i = hist_index(h->min); i < HIST_COUNTS; i++) {
        seen += h->counts[i];
        if (seen >= rank)
            return hist_index_high(i) < h->max ? hist_index_high(i) : h->max;
    }
    return h->max;
}

bool hist_supports(const struct hist *h, double q)
{
    return (double)h->count * (1 - q) >= 10 - 1e-6;
}

/* ---- at rest ---- */

enum err hist_pack(const struct hist *h, struct hist_sparse *out)
{
    *out = (struct hist_sparse){0, NULL, 0};
    if (h->count == 0)
        return OK;
    uint32_t first = hist_index(h->min), last = hist_index(h->max), n = 0;
    for (uint32_t i = first; i <= last; i++)
        n += h->counts[i] != 0;
    assert(n > 0); /* min and max lie in steps that are counted */
    out->steps = malloc(n * sizeof *out->steps);
    if (out->steps == NULL)
        return ERR_NOMEM;
    for (uint32_t i = first; i <= last; i++) {
        if (h->counts[i] == 0)
            continue;
        assert(h->counts[i] <= UINT32_MAX);
        out->steps[out->n++] = (struct hist_step){i, (uint32_t)h->counts[i]};
    }
    out->count = h->count;
    return OK;
}

void hist_sparse_release(struct hist_sparse *s)
{
    if (s == NULL)
        return;
    free(s->steps);
    *s = (struct hist_sparse){0, NULL, 0};
}

void hist_add_sparse(struct hist *into, const struct hist_sparse *from)
{
    if (from->n == 0)
        return;
    uint64_t low = hist_index_low(from->steps[0].index), high = hist_index_high(from->steps[from->n - 1].index);
    if (into->count == 0 || low < into->min)
        into->min = low;
    if (high > into->max)
        into->max = high < HIST_MAX_NS ? high : HIST_MAX_NS;
    into->count += from->count;
    for (uint32_t i = 0; i < from->n; i++) {
        into->counts[from->steps[i].index] += from->steps[i].count;
        into->sum += hist_index_low(from->steps[i].index) * from->steps[i].count;
    }
}

/* ---- export ---- */

/* ZigZag LEB128, 64 bits in at most nine bytes: the ninth carries eight bits. */
static void add_zigzag(struct buf *out, int64_t v)
{
    uint64_t u = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    int i = 0;
    for (; i < 8 && u >= 0x80; i++, u >>= 7)
        buf_addc(out, (char)((u & 0x7f) | 0x80));
    buf_addc(out, (char)u);
}

static void add_counts(const struct hist *h, struct buf *out)
{
    uint32_t last = h->count == 0 ? 0 : hist_index(h->max);
    for (uint32_t i = 0; i <= last;) {
        uint32_t run = i;
        while (run <= last && h->counts[run] == 0)
            run++;
        if (run - i > 1)
            add_zigzag(out, -(int64_t)(run - i));
        else if (run > i)
            add_zigzag(out, 0);
        i = run;
        if (i <= last)
            add_zigzag(out, (int64_t)h->counts[i++]);
    }
}

static void add_payload(const struct hist *h, struct buf *out)
{
    CLEANUP(buf_release) struct buf counts = BUF_INIT(EXPORT_MAX);
    add_counts(h, &counts);
    buf_add_u32(out, COOKIE_V2);
    buf_add_u32(out, (uint32_t)counts.len);
    buf_add_u32(out, 0); /* normalizing index offset */
    buf_add_u32(out, HIST_DIGITS);
    buf_add_u64(out, 1);
    buf_add_u64(out, HIST_MAX_NS);
    buf_add_u64(out, UINT64_C(0x3ff0000000000000)); /* integer to double conversion ratio: 1.0 */
    buf_add(out, buf_span(&counts));
}

static uint32_t adler32(struct span bytes)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        a = (a + bytes.p[i]) % 65521;
        b = (b + a) % 65521;
    }
    return (b << 16) | a;
}

static void add_zlib_stored(struct span bytes, struct buf *out)
{
    buf_add_u16(out, 0x7801);
    struct span rest = bytes;
    do {
        struct span block = span_cut(rest, 0, STORED_MAX);
        rest = span_from(rest, block.n);
        buf_addc(out, rest.n == 0); /* the last block has the bit set; type 00 is stored */
        buf_addc(out, (char)(block.n & 0xff));
        buf_addc(out, (char)(block.n >> 8));
        buf_addc(out, (char)(~block.n & 0xff));
        buf_addc(out, (char)((~block.n >> 8) & 0xff));
        buf_add(out, block);
    } while (rest.n > 0);
    buf_add_u32(out, adler32(bytes));
}

void hist_export(const struct hist *h, struct buf *out)
{
    CLEANUP(buf_release) struct buf payload = BUF_INIT(EXPORT_MAX);
    CLEANUP(buf_release) struct buf zlib = BUF_INIT(EXPORT_MAX);
    CLEANUP(buf_release) struct buf envelope = BUF_INIT(EXPORT_MAX);
    add_payload(h, &payload);
    add_zlib_stored(buf_span(&payload), &zlib);
    buf_add_u32(&envelope, COOKIE_V2_COMPRESSED);
    buf_add_u32(&envelope, (uint32_t)zlib.len);
    buf_add(&envelope, buf_span(&zlib));
    if (buf_error(&payload) != OK || buf_error(&zlib) != OK || buf_error(&envelope) != OK) {
        out->error = out->error != OK ? out->error : ERR_NOMEM;
        return;
    }
    buf_add_base64(out, buf_span(&envelope));
}
