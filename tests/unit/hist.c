/* The histogram against values computed by an independent implementation of the same layout (HdrHistogram for Python,
 * lowest 1, highest 3600000000000, 3 digits): indices, steps, percentiles and the exported bytes. */
#include "protocol/hist.h"

#include <math.h>

#include "unit.h"

static const uint64_t sample[] = {0,    1,      1,      1000,   2047,    2048,     2049,
                                  5000, 123456, 123500, 999999, 1000000, 20000000, HIST_MAX_NS};

static void record_sample(struct hist *h)
{
    for (size_t i = 0; i < COUNT_OF(sample); i++)
        hist_record(h, sample[i]);
    hist_record_n(h, 777777, 100000);
}

static void steps_are_those_of_hdrhistogram(void)
{
    static const struct {
        uint64_t value, low, high;
        uint32_t index;
    } rows[] = {
        {0, 0, 0, 0},
        {1, 1, 1, 1},
        {2047, 2047, 2047, 2047},
        {2048, 2048, 2049, 2048},
        {4095, 4094, 4095, 3071},
        {4096, 4096, 4099, 3072},
        {100000, 99968, 100031, 7706},
        {UINT64_C(1) << 40, UINT64_C(1099511627776), UINT64_C(1100585369599), 31744},
        {HIST_MAX_NS, UINT64_C(3599182594048), UINT64_C(3601330077695), 33420},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t index = hist_index(rows[i].value);
        CLAIM(index == rows[i].index && hist_index_low(index) == rows[i].low && hist_index_high(index) == rows[i].high,
              "%llu: index %u", (unsigned long long)rows[i].value, index);
    }
}

static void steps_join_without_gap_and_are_a_thousandth_wide(void)
{
    for (uint32_t i = 1; i < HIST_COUNTS; i++) {
        uint64_t low = hist_index_low(i), high = hist_index_high(i);
        CLAIM(low == hist_index_high(i - 1) + 1, "step %u", i);
        CLAIM((high - low) * 1024 <= low, "step %u is too wide", i);
    }
}

static void percentiles_agree_with_hdrhistogram(void)
{
    static const struct {
        double q;
        uint64_t value;
    } rows[] = {{0, 0},           {0.1, 778239}, {0.5, 778239},   {0.99, 778239}, {0.9999, 778239}, {0.99999, 20004863},
                {1, HIST_MAX_NS}, {-1, 0},       {2, HIST_MAX_NS}};
    CLEANUP(hist_free) struct hist *h = hist_new();
    record_sample(h);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CLAIM(hist_quantile(h, rows[i].q) == rows[i].value, "q %f is %llu", rows[i].q,
              (unsigned long long)hist_quantile(h, rows[i].q));
    CU_ASSERT(h->count == 100014 && h->min == 0 && h->max == HIST_MAX_NS && h->over == 0);
}

static void mean_is_exact_and_stdev_near(void)
{
    CLEANUP(hist_free) struct hist *h = hist_new();
    CU_ASSERT(hist_mean(h) == 0 && hist_stdev(h) == 0 && hist_quantile(h, 0.5) == 0);
    for (uint64_t v = 1; v <= 1000; v++)
        hist_record(h, v * 1000);
    CU_ASSERT_DOUBLE_EQUAL(hist_mean(h), 500500, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(hist_stdev(h), 288674.99, 300);
    CU_ASSERT_DOUBLE_EQUAL((double)hist_quantile(h, 0.5), 500000, 500);
    CU_ASSERT_DOUBLE_EQUAL((double)hist_quantile(h, 0.99), 990000, 990);
}

static void longer_than_an_hour_is_kept_as_an_hour_and_counted(void)
{
    CLEANUP(hist_free) struct hist *h = hist_new();
    hist_record(h, UINT64_MAX);
    hist_record(h, HIST_MAX_NS + 1);
    hist_record(h, HIST_MAX_NS);
    CU_ASSERT(h->over == 2 && h->max == HIST_MAX_NS && h->count == 3);
}

static bool same(const struct hist *a, const struct hist *b)
{
    return a->count == b->count && memcmp(a->counts, b->counts, sizeof a->counts) == 0;
}

static void merging_is_recording_together(void)
{
    CLEANUP(hist_free) struct hist *a = hist_new(), *b = NULL, *both = NULL;
    b = hist_new();
    both = hist_new();
    for (uint64_t i = 0; i < 5000; i++) {
        uint64_t v = (i * UINT64_C(2654435761)) % 50000000;
        hist_record(i % 3 ? a : b, v);
        hist_record(both, v);
    }
    hist_merge(a, b);
    CU_ASSERT_TRUE(memcmp(a, both, sizeof *a) == 0);
    hist_reset(b);
    hist_merge(a, b);
    hist_merge(b, a);
    CU_ASSERT_TRUE(memcmp(b, both, sizeof *b) == 0);
    hist_free(&b);
    hist_free(&both);
}

static void packed_and_added_again_it_is_the_same(void)
{
    CLEANUP(hist_free) struct hist *h = hist_new(), *back = NULL;
    back = hist_new();
    struct hist_sparse packed;
    CU_ASSERT_EQUAL(hist_pack(back, &packed), OK);
    CU_ASSERT(packed.n == 0 && packed.count == 0);
    record_sample(h);
    CU_ASSERT_EQUAL(hist_pack(h, &packed), OK);
    CU_ASSERT(packed.n == 11 && packed.count == h->count); /* values that share a step: 3 pairs, and 1 twice */
    hist_add_sparse(back, &packed);
    CU_ASSERT_TRUE(same(h, back));
    CU_ASSERT_EQUAL(hist_quantile(back, 0.99999), 20004863);
    hist_sparse_release(&packed);
    hist_free(&back);
}

static void percentiles_without_ten_values_beyond_are_unsupported(void)
{
    static const struct {
        uint64_t n;
        double q;
        bool supported;
    } rows[] = {{19, 0.5, false},   {20, 0.5, true},      {999, 0.99, false},
                {1000, 0.99, true}, {9999, 0.999, false}, {10000, 0.999, true}};
    CLEANUP(hist_free) struct hist *h = hist_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        hist_reset(h);
        hist_record_n(h, 5, rows[i].n);
        CLAIM(hist_supports(h, rows[i].q) == rows[i].supported, "n %llu q %f", (unsigned long long)rows[i].n,
              rows[i].q);
    }
}

/* The V2 payload that HdrHistogram for Python makes of the same values; around it our envelope of one stored block. */
static void exports_the_bytes_of_hdrhistogram(void)
{
    static const char payload[] = "1c8493130000001e000000000000000300000000000000010000034630b8a0003ff0000000000000"
                                  "0204cb0f02ab100204c11302cb4a04c929c09a0ce10604c344028d970202";
    CLEANUP(hist_free) struct hist *h = hist_new();
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY), bytes = BUF_INIT(BUF_ANY), hex = BUF_INIT(BUF_ANY);
    record_sample(h);
    hist_export(h, &text);
    CU_ASSERT_TRUE(span_has_prefix(buf_span(&text), "HISTFAAA"));
    CU_ASSERT_EQUAL(buf_add_unbase64(&bytes, buf_span(&text)), OK);
    buf_add_hex(&hex, buf_span(&bytes));
    /* cookie, 81 bytes of zlib: 78 01, last block stored, 70 bytes and their complement */
    CLAIM(span_has_prefix(buf_span(&hex), "1c84931400000051"
                                          "7801"
                                          "01"
                                          "4600b9ff"),
          "%s", buf_text(&hex));
    CLAIM(strncmp(buf_text(&hex) + 30, payload, sizeof payload - 1) == 0, "%s", buf_text(&hex) + 30);
    CU_ASSERT_EQUAL(hex.len, 30 + sizeof payload - 1 + 8);
}

/* One empty step is a zero count, two are the number -2, as the Java and C implementations write them. */
static void exports_runs_of_empty_steps(void)
{
    CLEANUP(hist_free) struct hist *h = hist_new();
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY), bytes = BUF_INIT(BUF_ANY), hex = BUF_INIT(BUF_ANY);
    hist_record(h, 0);
    hist_record(h, 2);
    hist_record(h, 5);
    hist_export(h, &text);
    CU_ASSERT_EQUAL(buf_add_unbase64(&bytes, buf_span(&text)), OK);
    buf_add_hex(&hex, span_cut(buf_span(&bytes), 8 + 2 + 5 + 40, 5));
    CU_ASSERT_STRING_EQUAL(buf_text(&hex), "0200020302");
}

static void exports_an_empty_histogram(void)
{
    CLEANUP(hist_free) struct hist *h = hist_new();
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    hist_export(h, &text);
    CU_ASSERT_EQUAL(buf_error(&text), OK);
    CU_ASSERT_TRUE(span_has_prefix(buf_span(&text), "HISTFAAA"));
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* any argument: print the sample's text, for looking at it with other tools */
        CLEANUP(hist_free) struct hist *h = hist_new();
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        record_sample(h);
        if (strcmp(argv[1], "big") == 0)
            for (uint32_t i = 0; i < HIST_COUNTS - 1000; i++)
                hist_record_n(h, hist_index_low(i), i * UINT64_C(1000003));
        hist_export(h, &text);
        return puts(buf_text(&text)) < 0;
    }
    CU_TestInfo tests[] = {
        {"steps_are_those_of_hdrhistogram", steps_are_those_of_hdrhistogram},
        {"steps_join_without_gap_and_are_a_thousandth_wide", steps_join_without_gap_and_are_a_thousandth_wide},
        {"percentiles_agree_with_hdrhistogram", percentiles_agree_with_hdrhistogram},
        {"mean_is_exact_and_stdev_near", mean_is_exact_and_stdev_near},
        {"longer_than_an_hour_is_kept_as_an_hour_and_counted", longer_than_an_hour_is_kept_as_an_hour_and_counted},
        {"merging_is_recording_together", merging_is_recording_together},
        {"packed_and_added_again_it_is_the_same", packed_and_added_again_it_is_the_same},
        {"percentiles_without_ten_values_beyond_are_unsupported",
         percentiles_without_ten_values_beyond_are_unsupported},
        {"exports_the_bytes_of_hdrhistogram", exports_the_bytes_of_hdrhistogram},
        {"exports_runs_of_empty_steps", exports_runs_of_empty_steps},
        {"exports_an_empty_histogram", exports_an_empty_histogram},
        CU_TEST_INFO_NULL,
    };
    return unit_main("hist", tests);
}
