/* The tag and the stamps: what is written is found again, however the bytes are cut, and every altered byte is noticed.
 */
#include "protocol/probe.h"

#include "protocol/buf.h"
#include "unit.h"

static const struct probe_stamp sample = {UINT64_C(0x0123456789abcdef), PROBE_TEXT, 7, 20, 1000000007, 1000042007};

static void add_stamp(struct buf *b, uint32_t seq)
{
    struct probe_stamp s = sample;
    char text[PROBE_STAMP_SIZE];
    s.seq = seq;
    probe_stamp_write(&s, text);
    buf_add(b, (struct span){(unsigned char *)text, sizeof text});
}

struct counts {
    unsigned stamps, altered, next_seq, wrong;
};

static void drain(struct probe_scanner *s, struct counts *c)
{
    struct probe_stamp stamp;
    for (enum probe_found f; (f = probe_scanner_next(s, &stamp)) != PROBE_MORE;) {
        if (f == PROBE_ALTERED) {
            c->altered++;
            continue;
        }
        c->stamps++;
        c->wrong += stamp.seq != c->next_seq++ || stamp.id != sample.id || stamp.sent_ns != sample.sent_ns;
    }
}

static struct counts scan_cut_every(struct span bytes, size_t step)
{
    struct probe_scanner s = {0};
    struct counts c = {0};
    for (size_t at = 0; at < bytes.n; at += step) {
        probe_scanner_feed(&s, span_cut(bytes, at, step));
        drain(&s, &c);
    }
    c.altered += probe_scanner_cut(&s);
    return c;
}

static void finds_the_last_tag_of_a_text(void)
{
    static const struct {
        const char *text;
        bool found;
        uint64_t id;
    } rows[] = {
        {"", false, 0},
        {"mohs-probe:", false, 0},
        {"mohs-probe:0123456789abcde", false, 0},
        {"mohs-probe:0123456789ABCDEF", false, 0},
        {"mohs-probe:0123456789abcdef", true, UINT64_C(0x0123456789abcdef)},
        {"hello mohs-probe:ffffffffffffffff.", true, UINT64_MAX},
        {"mohs-probe:0000000000000001 mohs-probe:0000000000000002", true, 2},
        {"mohs-probe:0000000000000001 mohs-probe:zz", true, 1},
        {"mohs-probe:mohs-probe:0000000000000003", true, 3},
        {"mohs-stamp:0123456789abcdef.t00000007", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t id = 0;
        bool found = probe_tag_find(span_of(rows[i].text), &id);
        CLAIM(found == rows[i].found && id == rows[i].id, "'%s' gives %d %llx", rows[i].text, found,
              (unsigned long long)id);
    }
    char tag[PROBE_TAG_SIZE];
    uint64_t id = 0;
    probe_tag_write(sample.id, tag);
    CU_ASSERT_TRUE(probe_tag_find((struct span){(unsigned char *)tag, sizeof tag}, &id));
    CU_ASSERT_EQUAL(id, sample.id);
}

static void stamp_looks_as_its_picture(void)
{
    char text[PROBE_STAMP_SIZE + 1] = {0};
    struct probe_stamp s = sample, back;
    probe_stamp_write(&s, text);
    const char *head = "mohs-stamp:0123456789abcdef.t00000007.00000014.000000003b9aca07.000000003b9b6e17.";
    CLAIM(strncmp(text, head, strlen(head)) == 0, "%s", text);
    CU_ASSERT_EQUAL(text[PROBE_STAMP_SIZE - 1], ';');
    CU_ASSERT_TRUE(probe_stamp_read((unsigned char *)text, &back));
    CU_ASSERT(back.id == s.id && back.kind == s.kind && back.seq == s.seq && back.total == s.total);
    CU_ASSERT(back.received_ns == s.received_ns && back.sent_ns == s.sent_ns);
}

static void survives_json_escaping(void)
{
    char text[PROBE_STAMP_SIZE];
    probe_stamp_write(&sample, text);
    for (size_t i = 0; i < sizeof text; i++)
        CLAIM(strchr("0123456789abcdefghijklmnopqrstuvwxyz.:-;", text[i]) != NULL, "byte %zu is '%c'", i, text[i]);
}

static void every_altered_byte_is_noticed(void)
{
    char text[PROBE_STAMP_SIZE];
    struct probe_stamp back;
    probe_stamp_write(&sample, text);
    for (size_t i = 0; i < sizeof text; i++) {
        for (int c = 0; c < 256; c++) {
            char kept = text[i];
            text[i] = (char)c;
            bool good = probe_stamp_read((unsigned char *)text, &back);
            CLAIM(good == (text[i] == kept), "byte %zu as %02x is %s", i, c, good ? "taken" : "refused");
            text[i] = kept;
        }
    }
}

static void sending_patches_in_place(void)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(4096);
    struct probe_stamp s = sample, back;
    char text[PROBE_STAMP_SIZE];
    s.sent_ns = 0;
    probe_stamp_write(&s, text);
    buf_adds(&b, "{\"delta\":{\"text\":\"");
    buf_add(&b, (struct span){(unsigned char *)text, sizeof text});
    CU_ASSERT_EQUAL(probe_stamp_offset(buf_span(&b)), 18);
    probe_stamp_send((unsigned char *)b.data + 18, 77);
    CU_ASSERT_TRUE(probe_stamp_read((unsigned char *)b.data + 18, &back));
    CU_ASSERT_EQUAL(back.sent_ns, 77);
    probe_stamp_send((unsigned char *)b.data + 18, UINT64_MAX);
    CU_ASSERT_TRUE(probe_stamp_read((unsigned char *)b.data + 18, &back));
    CU_ASSERT_EQUAL(back.sent_ns, UINT64_MAX);
    CU_ASSERT_EQUAL(probe_stamp_offset(span_cut(buf_span(&b), 0, b.len - 1)), SIZE_MAX);
    CU_ASSERT_EQUAL(probe_stamp_offset(SPAN_EMPTY), SIZE_MAX);
}

static void sending_does_not_heal_a_corrupted_stamp(void)
{
    for (size_t i = 0; i < PROBE_STAMP_SIZE; i++) {
        char text[PROBE_STAMP_SIZE];
        struct probe_stamp back;
        probe_stamp_write(&sample, text);
        text[i] = text[i] == '3' ? '4' : '3';
        probe_stamp_send((unsigned char *)text, 99);
        CLAIM(!probe_stamp_read((unsigned char *)text, &back), "byte %zu was healed", i);
    }
}

static void finds_every_stamp_however_cut(void)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(1 << 16);
    buf_adds(&b, "data: {\"x\":\"mo mohs-stam mohs-stamohs-stamp");
    for (uint32_t i = 0; i < 12; i++) {
        add_stamp(&b, i);
        buf_adds(&b, i % 3 == 0 ? "mohs-stammohs-mohs-sta" : i % 3 == 1 ? "" : "\"}\n\ndata: {\"m\":\"m");
    }
    for (size_t step = 1; step <= b.len; step++) {
        struct counts c = scan_cut_every(buf_span(&b), step);
        CLAIM(c.stamps == 12 && c.altered == 0 && c.wrong == 0, "cut every %zu: %u stamps, %u altered, %u wrong", step,
              c.stamps, c.altered, c.wrong);
    }
}

/* A damaged stamp, the head of one directly before a whole one, and one that the end of the stream cuts: three altered,
 * and the whole ones beside them are still found. */
static void counts_altered_stamps_however_cut(void)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(1 << 16);
    add_stamp(&b, 0);
    add_stamp(&b, 99);
    b.data[PROBE_STAMP_SIZE + 30] = 'X';
    buf_adds(&b, PROBE_STAMP_PREFIX "0123456789");
    add_stamp(&b, 1);
    add_stamp(&b, 2);
    buf_adds(&b, PROBE_STAMP_PREFIX "0123");
    for (size_t step = 1; step <= b.len; step++) {
        struct counts c = scan_cut_every(buf_span(&b), step);
        CLAIM(c.stamps == 3 && c.altered == 3 && c.wrong == 0, "cut every %zu: %u stamps, %u altered, %u wrong", step,
              c.stamps, c.altered, c.wrong);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"finds_the_last_tag_of_a_text", finds_the_last_tag_of_a_text},
        {"stamp_looks_as_its_picture", stamp_looks_as_its_picture},
        {"survives_json_escaping", survives_json_escaping},
        {"every_altered_byte_is_noticed", every_altered_byte_is_noticed},
        {"sending_patches_in_place", sending_patches_in_place},
        {"sending_does_not_heal_a_corrupted_stamp", sending_does_not_heal_a_corrupted_stamp},
        {"finds_every_stamp_however_cut", finds_every_stamp_however_cut},
        {"counts_altered_stamps_however_cut", counts_altered_stamps_however_cut},
        CU_TEST_INFO_NULL,
    };
    return unit_main("probe", tests);
}
