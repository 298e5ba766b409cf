/* Stamps are found and checked once per streamed frame, hundreds of thousands of times a second, so their form is fixed
 * width and their search is one memmem. The checksum is made of the fields, not of the characters: any character that
 * changes either is no lower-case hex digit, which is refused, or changes a field. It is the exclusive or of two
 * hashes, one over what is known when the reply is built and one over the send instant. So the instant can be patched
 * in at the last moment without reading the rest, and damage done on purpose before that (a fault that corrupts frames)
 * survives the patching instead of being healed by it.
 *
 * The mixing steps are those of SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014; constants by D. Stafford).
 */
#include "protocol/probe.h"

#include <assert.h>

enum {
    PREFIX = sizeof PROBE_STAMP_PREFIX - 1,
    AT_ID = PREFIX,
    AT_KIND = AT_ID + 16 + 1,
    AT_SEQ = AT_KIND + 1,
    AT_TOTAL = AT_SEQ + 8 + 1,
    AT_RECEIVED = AT_TOTAL + 8 + 1,
    AT_SENT = AT_RECEIVED + 16 + 1,
    AT_CHECK = AT_SENT + 16 + 1,
    AT_END = AT_CHECK + 8
};
static_assert(AT_END + 1 == PROBE_STAMP_SIZE, "the picture in probe.h and the offsets agree");
static_assert(sizeof PROBE_TAG_PREFIX - 1 + 16 == PROBE_TAG_SIZE, "a tag is its prefix and 16 digits");

/* The separators and where they stand. */
static const struct {
    unsigned char at, c;
} separators[] = {{AT_KIND - 1, '.'}, {AT_TOTAL - 1, '.'}, {AT_RECEIVED - 1, '.'},
                  {AT_SENT - 1, '.'}, {AT_CHECK - 1, '.'}, {AT_END, ';'}};

/* The value of a lower-case hex digit plus one; 0 for any other byte. */
static const unsigned char digit_values[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16};

static uint64_t mix(uint64_t v)
{
    v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
    return v ^ (v >> 31);
}

static uint32_t check_of_sent(uint64_t sent_ns)
{
    return (uint32_t)(mix(sent_ns + UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static uint32_t check_of(const struct probe_stamp *s)
{
    uint64_t v = mix(s->id + UINT64_C(0x6a09e667f3bcc909));
    v = mix(v + (((uint64_t)s->seq << 32) | s->total));
    v = mix(v + s->received_ns + ((uint64_t)s->kind << 56));
    return (uint32_t)(v >> 32) ^ check_of_sent(s->sent_ns);
}

static void put_hex(unsigned char *out, uint64_t v, int digits)
{
    for (int i = digits - 1; i >= 0; i--, v >>= 4)
        out[i] = (unsigned char)"0123456789abcdef"[v & 15];
}

static bool take_hex(const unsigned char *p, int digits, uint64_t *out)
{
    uint64_t v = 0;
    bool good = true;
    for (int i = 0; i < digits; i++) {
        unsigned d = digit_values[p[i]];
        good &= d != 0;
        v = (v << 4) | ((d - 1) & 15);
    }
    *out = v;
    return good;
}

/* ---- tags ---- */

void probe_tag_write(uint64_t id, char out[PROBE_TAG_SIZE])
{
    memcpy(out, PROBE_TAG_PREFIX, sizeof PROBE_TAG_PREFIX - 1);
    put_hex((unsigned char *)out + sizeof PROBE_TAG_PREFIX - 1, id, 16);
}

bool probe_tag_find(struct span text, uint64_t *id)
{
    bool found = false;
    while (text.n >= PROBE_TAG_SIZE) {
        const unsigned char *p = memmem(text.p, text.n, PROBE_TAG_PREFIX, sizeof PROBE_TAG_PREFIX - 1);
        if (p == NULL)
            break;
        text = span_from(text, (size_t)(p - text.p) + sizeof PROBE_TAG_PREFIX - 1);
        uint64_t v;
        if (text.n >= 16 && take_hex(text.p, 16, &v)) {
            *id = v;
            found = true;
        }
    }
    return found;
}

/* ---- stamps ---- */

void probe_stamp_write(const struct probe_stamp *stamp, char out[PROBE_STAMP_SIZE])
{
    unsigned char *p = (unsigned char *)out;
    memcpy(p, PROBE_STAMP_PREFIX, PREFIX);
    put_hex(p + AT_ID, stamp->id, 16);
    p[AT_KIND] = (unsigned char)stamp->kind;
    put_hex(p + AT_SEQ, stamp->seq, 8);
    put_hex(p + AT_TOTAL, stamp->total, 8);
    put_hex(p + AT_RECEIVED, stamp->received_ns, 16);
    put_hex(p + AT_SENT, stamp->sent_ns, 16);
    put_hex(p + AT_CHECK, check_of(stamp), 8);
    for (size_t i = 0; i < COUNT_OF(separators); i++)
        p[separators[i].at] = separators[i].c;
}

size_t probe_stamp_offset(struct span bytes)
{
    const unsigned char *p = bytes.n ? memmem(bytes.p, bytes.n, PROBE_STAMP_PREFIX, PREFIX) : NULL;
    if (p == NULL || bytes.n - (size_t)(p - bytes.p) < PROBE_STAMP_SIZE)
        return SIZE_MAX;
    return (size_t)(p - bytes.p);
}

void probe_stamp_send(unsigned char *stamp, uint64_t sent_ns)
{
    uint64_t sent, check;
    if (!take_hex(stamp + AT_SENT, 16, &sent) || !take_hex(stamp + AT_CHECK, 8, &check))
        return; /* corrupted on purpose, and to stay so */
    put_hex(stamp + AT_SENT, sent_ns, 16);
    put_hex(stamp + AT_CHECK, check ^ check_of_sent(sent) ^ check_of_sent(sent_ns), 8);
}

bool probe_stamp_read(const unsigned char *p, struct probe_stamp *out)
{
    uint64_t seq, total, check;
    if (memcmp(p, PROBE_STAMP_PREFIX, PREFIX) != 0)
        return false;
    for (size_t i = 0; i < COUNT_OF(separators); i++)
        if (p[separators[i].at] != separators[i].c)
            return false;
    if (!take_hex(p + AT_ID, 16, &out->id) || !take_hex(p + AT_SEQ, 8, &seq) || !take_hex(p + AT_TOTAL, 8, &total) ||
        !take_hex(p + AT_RECEIVED, 16, &out->received_ns) || !take_hex(p + AT_SENT, 16, &out->sent_ns) ||
        !take_hex(p + AT_CHECK, 8, &check))
        return false;
    out->kind = (enum probe_kind)p[AT_KIND];
    out->seq = (uint32_t)seq;
    out->total = (uint32_t)total;
    return check == check_of(out);
}

/* ---- the scanner ----
 *
 * `held` keeps bytes of earlier feeds that begin like a stamp. To judge them, bytes of the new feed are copied behind
 * them but not consumed until the verdict is known; so a wrong guess costs nothing but the first held byte. */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Where in `bytes` something begins that is a stamp's head as far as the bytes go; bytes.n when nothing does. */
static size_t head_offset(struct span bytes)
{
    for (size_t at = 0; at < bytes.n; at++) {
        const unsigned char *p = memchr(bytes.p + at, PROBE_STAMP_PREFIX[0], bytes.n - at);
        if (p == NULL)
            break;
        at = (size_t)(p - bytes.p);
        if (memcmp(p, PROBE_STAMP_PREFIX, smaller(PREFIX, bytes.n - at)) == 0)
            return at;
    }
    return bytes.n;
}

/* Forget the first n held bytes, and those behind that begin nothing. */
static void drop_held(struct probe_scanner *s, size_t n)
{
    n += head_offset((struct span){s->held + n, s->held_n - n});
    s->held_n -= n;
    memmove(s->held, s->held + n, s->held_n);
}

/* Judge what is held together with the head of `in`. PROBE_MORE: nothing is held any more, or all of `in` now is. */
static enum probe_found next_held(struct probe_scanner *s, struct probe_stamp *stamp)
{
    while (s->held_n > 0) {
        size_t n = smaller(PROBE_STAMP_SIZE - s->held_n, s->in.n);
        if (n > 0)
            memcpy(s->held + s->held_n, s->in.p, n);
        size_t have = s->held_n + n;
        if (memcmp(s->held, PROBE_STAMP_PREFIX, smaller(PREFIX, have)) != 0) {
            drop_held(s, 1);
            continue;
        }
        if (have < PROBE_STAMP_SIZE) {
            s->held_n = have;
            s->in = SPAN_EMPTY;
            return PROBE_MORE;
        }
        if (probe_stamp_read(s->held, stamp)) {
            s->in = span_from(s->in, n);
            s->held_n = 0;
            return PROBE_STAMP;
        }
        if (s->held_n >= PREFIX) {
            drop_held(s, PREFIX);
        } else {
            s->in = span_from(s->in, PREFIX - s->held_n);
            s->held_n = 0;
        }
        return PROBE_ALTERED;
    }
    return PROBE_MORE;
}

void probe_scanner_reset(struct probe_scanner *s)
{
    s->in = SPAN_EMPTY;
    s->held_n = 0;
}

void probe_scanner_feed(struct probe_scanner *s, struct span bytes)
{
    assert(s->in.n == 0);
    s->in = bytes;
}

enum probe_found probe_scanner_next(struct probe_scanner *s, struct probe_stamp *stamp)
{
    if (s->held_n > 0) {
        enum probe_found found = next_held(s, stamp);
        if (found != PROBE_MORE)
            return found;
    }
    if (s->in.n == 0)
        return PROBE_MORE;
    const unsigned char *p = memmem(s->in.p, s->in.n, PROBE_STAMP_PREFIX, PREFIX);
    if (p == NULL) {
        s->in = span_from(s->in, s->in.n > PREFIX - 1 ? s->in.n - (PREFIX - 1) : 0);
        s->in = span_from(s->in, head_offset(s->in));
    } else {
        s->in = span_from(s->in, (size_t)(p - s->in.p));
        if (s->in.n >= PROBE_STAMP_SIZE) {
            bool good = probe_stamp_read(s->in.p, stamp);
            s->in = span_from(s->in, good ? PROBE_STAMP_SIZE : PREFIX);
            return good ? PROBE_STAMP : PROBE_ALTERED;
        }
    }
    if (s->in.n > 0) /* span_from at the end may leave no pointer to copy from */
        memcpy(s->held, s->in.p, s->in.n);
    s->held_n = s->in.n;
    s->in = SPAN_EMPTY;
    return PROBE_MORE;
}

bool probe_scanner_cut(const struct probe_scanner *s)
{
    return s->held_n >= PREFIX;
}
