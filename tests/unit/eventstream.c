/* The event stream codec: vectors, checksums, limits, feeding, encoding, resealing, describing. */
#include "protocol/eventstream.h"

#include <unistd.h>
#include <sys/stat.h>

#include "protocol/data.h"
#include "protocol/json.h"
#include "protocol/vectors.h"
#include "unit.h"

static void print_failure(void *ctx, const char *name, const char *why)
{
    (void)ctx;
    (void)printf("    %s: %s\n", name, why);
}

static void agrees_with_every_vector(void)
{
    struct vector_tally tally = {0, 0};
    CU_ASSERT_EQUAL(vectors_run_eventstream(&tally, print_failure, NULL), OK);
    CU_ASSERT_EQUAL(tally.run, 157);
    CU_ASSERT_EQUAL(tally.passed, tally.run);
}

/* ---- the fixtures ---- */

#define FIXTURE "fixtures/vectors/eventstream.json"

static void collect_failure(void *ctx, const char *name, const char *why)
{
    buf_addf(ctx, "%s: %s\n", name, why);
}

/* Replace the first `from` of the text by `to`; the test needs it to be there. */
static void replace(struct buf *text, const char *from, const char *to)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    const char *at = span_find(buf_span(text), from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    size_t before = (size_t)(at - text->data);
    buf_add(&out, span_cut(buf_span(text), 0, before));
    buf_adds(&out, to);
    buf_add(&out, span_from(buf_span(text), before + strlen(from)));
    buf_reset(text);
    buf_add(text, buf_span(&out));
}

static void write_fixture(const char *dir, struct span text)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY);
    static const char *const folders[] = {"/fixtures", "/vectors"};
    buf_adds(&path, dir);
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        buf_adds(&path, folders[i]);
        CU_ASSERT_EQUAL_FATAL(mkdir(buf_text(&path), 0700), 0);
    }
    buf_adds(&path, "/eventstream.json");
    FILE *f = fopen(buf_text(&path), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(text.p, 1, text.n, f), text.n);
    CU_ASSERT_EQUAL(fclose(f), 0);
}

static void remove_fixture(const char *dir)
{
    static const char *const names[] = {("/" FIXTURE), "/fixtures/vectors", "/fixtures", ""};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY);
        buf_addf(&path, "%s%s", dir, names[i]);
        CU_ASSERT_EQUAL(remove(buf_text(&path)), 0);
    }
}

/* The runner itself can fail: one entry lost, and five told wrongly, are noticed, each by its name. */
static void notices_a_fixture_that_was_tampered_with(void)
{
    struct span original;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY), failures = BUF_INIT(BUF_ANY);
    CU_ASSERT_EQUAL_FATAL(data_load(FIXTURE, &original, NULL), OK);
    buf_add(&text, original);
    replace(&text,
            "{\"name\":\"go/empty_message\",\"source\":\"aws-sdk-go\",\"bytes\":\"000000100000000005c248eb7d98c8ff\","
            "\"messages\":[{}]},\n",
            "");
    replace(&text, "[\"event-type\",\"integer\",40972]", "[\"event-type\",\"integer\",40973]"); /* go/all_headers */
    replace(&text, "\"outcome\":\"end:tool_use\"", "\"outcome\":\"end:end_turn\"");
    replace(&text, "\"outcome\":\"error:InternalFailure\"", "\"outcome\":\"exception:InternalFailure\"");
    replace(&text, "\"error\":\"truncated\",\"after\":1", "\"error\":\"truncated\",\"after\":2");
    replace(&text, "\"error\":\"header_type\",\"sdks\"", "\"error\":\"header_utf8\",\"sdks\"");
    char dir[] = P_tmpdir "/mohs-eventstream-XXXXXX";
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    write_fixture(dir, buf_span(&text));
    data_set_dir(dir);
    struct vector_tally tally = {0, 0};
    enum err e = vectors_run_eventstream(&tally, collect_failure, &failures);
    data_set_dir(NULL);
    remove_fixture(dir);
    CU_ASSERT_EQUAL(e, ERR_MISMATCH);
    CLAIM(tally.run == 156 && tally.passed == 151, "%u run, %u passed:\n%s", tally.run, tally.passed,
          buf_text(&failures));
    static const char *const told[] = {"go/all_headers: message 1 decodes to other values",
                                       "bedrock/conversation_tool_use: the stream ends as end:tool_use",
                                       "bedrock/midstream_error_message: the stream ends as error:InternalFailure",
                                       "neg/second_message_truncated_at_003: 1 messages decoded, 2 expected",
                                       "ends with header_type, expected header_utf8",
                                       "71 positive and 85 negative entries found, 72 and 85 announced"};
    for (size_t i = 0; i < COUNT_OF(told); i++)
        CLAIM(span_find(buf_span(&failures), told[i]) != NULL, "not told: %s", told[i]);
}

static bool has_entry(const cJSON *vectors, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, vectors)
    {
        if (strcmp(json_str(item, "name"), name) == 0)
            return true;
    }
    return false;
}

static void sdk_behaviours_are_complete_and_point_to_vectors(void)
{
    struct span text;
    CLEANUP(json_free) cJSON *behaviours = NULL, *vectors = NULL;
    CU_ASSERT_EQUAL_FATAL(data_load("fixtures/vectors/sdk-behaviours.json", &text, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(json_parse(text, JSON_UNIQUE, &behaviours, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(data_load(FIXTURE, &text, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(json_parse(text, JSON_UNIQUE, &vectors, NULL), OK);
    const cJSON *list = json_member(behaviours, "behaviours"), *item;
    CU_ASSERT_EQUAL(cJSON_GetArraySize(list), 161);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_member(behaviours, "boto3_behaviours")), 9);
    cJSON_ArrayForEach(item, list)
    {
        const char *vector = json_str(json_member(item, "server"), "vector"), *name = json_str(item, "name");
        CLAIM(vector == NULL || has_entry(json_member(vectors, "vectors"), vector), "%s: no vector %s", name, vector);
        CLAIM(json_str(json_member(item, "js"), "result") != NULL, "%s: no result", name);
    }
}

/* ---- CRC-32 ---- */

static uint32_t crc_bit_by_bit(struct span s)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < s.n; i++) {
        crc ^= s.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void crc_agrees_with_its_definition_at_every_length_and_split(void)
{
    unsigned char bytes[259];
    CU_ASSERT_EQUAL(es_crc32(0, SPAN_LIT("123456789")), 0xCBF43926u);
    CU_ASSERT_EQUAL(es_crc32(0, SPAN_EMPTY), 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 167 + 13 + i / 16);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct span all = {bytes, n};
        uint32_t want = crc_bit_by_bit(all);
        CLAIM(es_crc32(0, all) == want, "%zu bytes give %08x, not %08x", n, es_crc32(0, all), want);
        uint32_t joined = es_crc32(es_crc32(0, span_cut(all, 0, n / 3)), span_from(all, n / 3));
        CLAIM(joined == want, "%zu bytes in two parts give %08x", n, joined);
    }
}

/* ---- frames made for the tests ---- */

static void put(struct buf *b, const struct es_header *headers, size_t n, const char *payload)
{
    CU_ASSERT_EQUAL_FATAL(es_encode(headers, n, span_of(payload), b), ES_OK);
}

/* A frame with these header bytes, whatever they are, and right CRCs. */
static void put_raw(struct buf *b, struct span headers, struct span payload)
{
    size_t start = b->len, total = ES_OVERHEAD + headers.n + payload.n;
    buf_add_u32(b, (uint32_t)total);
    buf_add_u32(b, (uint32_t)headers.n);
    buf_add_u32(b, 0);
    buf_add(b, headers);
    buf_add(b, payload);
    buf_add_u32(b, 0);
    CU_ASSERT_EQUAL_FATAL(buf_error(b), OK);
    es_reseal((unsigned char *)b->data + start, total);
}

static enum es_error first_step(struct span bytes, size_t *headers)
{
    CLEANUP(es_decoder_release) struct es_decoder d;
    struct es_message m = {0};
    es_decoder_init(&d);
    es_decoder_feed(&d, bytes);
    enum es_error e = es_decoder_next(&d, &m);
    if (headers != NULL)
        *headers = m.count;
    return e;
}

/* Only the prelude, its CRC right. */
static enum es_error prelude_step(uint32_t total, uint32_t headers)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(64);
    buf_add_u32(&b, total);
    buf_add_u32(&b, headers);
    buf_add_u32(&b, es_crc32(0, buf_span(&b)));
    return first_step(buf_span(&b), NULL);
}

/* ---- limits ---- */

static void prelude_limits_are_exact(void)
{
    static const struct {
        uint32_t total, headers;
        enum es_error want;
    } rows[] = {
        {0, 0, ES_LENGTH_TOO_SMALL},
        {15, 0, ES_LENGTH_TOO_SMALL},
        {16, 0, ES_MORE},
        {16, 1, ES_HEADERS_TOO_LONG},
        {17, 1, ES_MORE},
        {ES_FRAME_MAX, ES_HEADERS_MAX, ES_MORE},
        {ES_FRAME_MAX, ES_HEADERS_MAX - 1, ES_PAYLOAD_LIMIT},
        {ES_FRAME_MAX, ES_HEADERS_MAX + 1, ES_HEADERS_TOO_LONG},
        {ES_FRAME_MAX + 1, ES_HEADERS_MAX, ES_LENGTH_TOO_LARGE},
        {ES_OVERHEAD + ES_PAYLOAD_MAX, 0, ES_MORE},
        {ES_OVERHEAD + ES_PAYLOAD_MAX + 1, 0, ES_PAYLOAD_LIMIT},
        {UINT32_MAX, UINT32_MAX, ES_LENGTH_TOO_LARGE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum es_error got = prelude_step(rows[i].total, rows[i].headers);
        CLAIM(got == rows[i].want, "total %u, headers %u: %s, expected %s", rows[i].total, rows[i].headers,
              es_error_name(got), es_error_name(rows[i].want));
    }
}

static void reserves_nothing_on_the_word_of_a_length(void)
{
    CLEANUP(es_decoder_release) struct es_decoder d;
    CLEANUP(buf_release) struct buf b = BUF_INIT(64);
    struct es_message m;
    buf_add_u32(&b, ES_FRAME_MAX);
    buf_add_u32(&b, ES_HEADERS_MAX);
    buf_add_u32(&b, es_crc32(0, buf_span(&b)));
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(&b));
    CU_ASSERT_EQUAL(es_decoder_next(&d, &m), ES_MORE);
    CLAIM(d.kept.cap <= 4096, "%zu bytes reserved for a frame of which 12 bytes are here", d.kept.cap);
}

static void the_largest_payload_and_headers_go_both_ways(void)
{
    enum { HEADERS = 4 };
    CLEANUP(buf_release) struct buf big = BUF_INIT(ES_PAYLOAD_MAX + 1), frame = BUF_INIT(ES_FRAME_MAX);
    CU_ASSERT_PTR_NOT_NULL_FATAL(buf_reserve(&big, ES_PAYLOAD_MAX + 1));
    memset(big.data, 'x', ES_PAYLOAD_MAX + 1); /* reserved above; its length stays 0 */
    /* Four times 1 + 1 + 1 + 2 + 32763 is 128 KiB. */
    struct es_header headers[HEADERS];
    const char *names[HEADERS] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < HEADERS; i++)
        headers[i] = (struct es_header){span_of(names[i]), ES_STRING, 0, {(unsigned char *)big.data, 32763}};
    struct span payload = {(unsigned char *)big.data, ES_PAYLOAD_MAX};
    CU_ASSERT_EQUAL(es_encode(headers, HEADERS, payload, &frame), ES_OK);
    CU_ASSERT_EQUAL(frame.len, ES_FRAME_MAX);
    size_t count = 0;
    CU_ASSERT_EQUAL(first_step(buf_span(&frame), &count), ES_OK);
    CU_ASSERT_EQUAL(count, HEADERS);
    buf_reset(&frame);
    payload.n++;
    CU_ASSERT_EQUAL(es_encode(headers, HEADERS, payload, &frame), ES_PAYLOAD_LIMIT);
    headers[3].bytes.n++;
    CU_ASSERT_EQUAL(es_encode(headers, HEADERS, SPAN_EMPTY, &frame), ES_HEADERS_TOO_LONG);
    CU_ASSERT_EQUAL(frame.len, 0);
}

static void header_errors_are_told_apart(void)
{
    const struct {
        struct span headers;
        enum es_error want;
    } rows[] = {
        {SPAN_LIT("\x00"), ES_HEADER_NAME_EMPTY},
        {SPAN_LIT("\x01"), ES_HEADER_TRUNCATED},
        {SPAN_LIT("\x01n"), ES_HEADER_TRUNCATED},
        {SPAN_LIT("\x01n\x00"), ES_OK},
        {SPAN_LIT("\x01n\x0a"), ES_HEADER_TYPE},
        {SPAN_LIT("\x01n\x02"), ES_HEADER_TRUNCATED},
        {SPAN_LIT("\x01n\x05\x00\x00\x00\x00\x00\x00\x00"), ES_HEADER_TRUNCATED},
        {SPAN_LIT("\x01n\x07\x00"), ES_HEADER_TRUNCATED},
        {SPAN_LIT("\x01n\x07\x00\x02x"), ES_HEADER_TRUNCATED},
        {SPAN_LIT("\x01n\x07\x00\x01\xff"), ES_HEADER_UTF8},
        {SPAN_LIT("\x01n\x07\x00\x03\xed\xa0\x80"), ES_HEADER_UTF8}, /* a surrogate */
        {SPAN_LIT("\x01n\x07\x00\x0a"
                  "aaaaaaaa\xc0\x80"),
         ES_HEADER_UTF8}, /* overlong, behind eight good bytes */
        {SPAN_LIT("\x01n\x07\x00\x09"
                  "aaaaaaa\xc3\xbc"),
         ES_OK}, /* across the eighth byte */
        {SPAN_LIT("\x01n\x06\x00\x01\xff"), ES_OK},
        {SPAN_LIT("\x01\xff\x00"), ES_HEADER_UTF8},
        {SPAN_LIT("\x01n\x00\x01n\x01"), ES_DUPLICATE_HEADER},
        {SPAN_LIT("\x01n\x00\x01N\x01"), ES_OK},
        {SPAN_LIT("\x01n\x00\x02nn\x01"), ES_OK},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf b = BUF_INIT(256);
        /* A payload that would serve as a value, had a reader no respect for the end of the headers. */
        put_raw(&b, rows[i].headers, SPAN_LIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
        enum es_error got = first_step(buf_span(&b), NULL);
        CLAIM(got == rows[i].want, "row %zu: %s, expected %s", i, es_error_name(got), es_error_name(rows[i].want));
    }
}

static void values_end_at_32767_bytes(void)
{
    CLEANUP(buf_release) struct buf headers = BUF_INIT(ES_HEADERS_MAX), b = BUF_INIT(ES_HEADERS_MAX);
    for (uint16_t n = ES_VALUE_MAX; n <= ES_VALUE_MAX + 1u; n++) {
        buf_reset(&headers);
        buf_reset(&b);
        buf_adds(&headers, "\x01n\x06");
        buf_add_u16(&headers, n);
        for (size_t i = 0; i < n; i++)
            buf_addc(&headers, 'x');
        put_raw(&b, buf_span(&headers), SPAN_EMPTY);
        enum es_error got = first_step(buf_span(&b), NULL);
        CLAIM(got == (n > ES_VALUE_MAX ? ES_HEADER_VALUE_LIMIT : ES_OK), "%u bytes: %s", n, es_error_name(got));
    }
}

/* 40,000 headers of three bytes with a twin at the end: found, and in time. */
static void finds_twins_among_very_many_headers(void)
{
    CLEANUP(buf_release) struct buf headers = BUF_INIT(ES_HEADERS_MAX), b = BUF_INIT(ES_FRAME_MAX);
    char name[8];
    size_t count = 0;
    while (headers.len + 7 + 7 <= ES_HEADERS_MAX) {
        int n = snprintf(name, sizeof name, "%05zx", count++);
        buf_addc(&headers, (char)n);
        buf_adds(&headers, name);
        buf_addc(&headers, ES_TRUE);
    }
    size_t found = 0;
    put_raw(&b, buf_span(&headers), SPAN_EMPTY);
    CU_ASSERT_EQUAL(first_step(buf_span(&b), &found), ES_OK);
    CU_ASSERT_EQUAL(found, count);
    buf_reset(&b);
    buf_add(&headers, SPAN_LIT("\x05"
                               "00000"
                               "\x01"));
    put_raw(&b, buf_span(&headers), SPAN_EMPTY);
    CU_ASSERT_EQUAL(first_step(buf_span(&b), NULL), ES_DUPLICATE_HEADER);
}

/* ---- feeding ---- */

static void whole_frames_are_not_copied(void)
{
    CLEANUP(es_decoder_release) struct es_decoder d;
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    struct es_message m;
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL_FATAL(es_encode_event(&b, "contentBlockDelta", SPAN_LIT("{\"contentBlockIndex\":0}")), ES_OK);
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(&b));
    const unsigned char *from = (unsigned char *)b.data, *to = from + b.len;
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(es_decoder_next(&d, &m), ES_OK);
        CU_ASSERT(m.payload.p > from && m.payload.p < to);
        CU_ASSERT(m.headers[0].name.p > from && m.headers[0].name.p < to);
    }
    CU_ASSERT_EQUAL(es_decoder_next(&d, &m), ES_MORE);
    CU_ASSERT_PTR_NULL(d.kept.data);
    CU_ASSERT_EQUAL(d.messages, 3);
    CU_ASSERT_EQUAL(d.offset, b.len);
    CU_ASSERT_EQUAL(es_decoder_finish(&d), ES_OK);
}

/* Steady state: after one round no memory moves or grows, though every feed cuts a frame. */
static void nothing_is_allocated_in_the_steady_state(void)
{
    CLEANUP(es_decoder_release) struct es_decoder d;
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    struct es_message m;
    for (int i = 0; i < 50; i++)
        CU_ASSERT_EQUAL_FATAL(es_encode_event(&b, "contentBlockDelta", SPAN_LIT("{\"contentBlockIndex\":0}")), ES_OK);
    es_decoder_init(&d);
    const void *kept = NULL, *headers = NULL;
    for (int round = 0; round < 3; round++) {
        es_decoder_reset(&d);
        for (size_t at = 0; at < b.len; at += 100) {
            es_decoder_feed(&d, span_cut(buf_span(&b), at, 100));
            while (es_decoder_next(&d, &m) == ES_OK)
                ;
        }
        CU_ASSERT_EQUAL(es_decoder_finish(&d), ES_OK);
        CU_ASSERT_EQUAL(d.messages, 50);
        CU_ASSERT(round == 0 || (kept == d.kept.data && headers == d.headers));
        kept = d.kept.data;
        headers = d.headers;
    }
}

static void an_error_is_final_and_explained(void)
{
    CLEANUP(es_decoder_release) struct es_decoder d;
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY), why = BUF_INIT(BUF_ANY);
    struct es_message m;
    put(&b, NULL, 0, "first");
    put(&b, NULL, 0, "second");
    b.data[b.len - 1] = (char)(b.data[b.len - 1] ^ 1);
    put(&b, NULL, 0, "third");
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(&b));
    CU_ASSERT_EQUAL(es_decoder_next(&d, &m), ES_OK);
    CU_ASSERT_EQUAL(es_decoder_next(&d, &m), ES_MESSAGE_CRC);
    es_decoder_feed(&d, buf_span(&b));
    CU_ASSERT_EQUAL(es_decoder_next(&d, &m), ES_MESSAGE_CRC);
    CU_ASSERT_EQUAL(es_decoder_finish(&d), ES_MESSAGE_CRC);
    CU_ASSERT_EQUAL(d.messages, 1);
    CU_ASSERT_EQUAL(d.offset, 21);
    es_decoder_explain(&d, &why);
    CLAIM(span_has_prefix(buf_span(&why), "message_crc in the frame at byte 21: it says "), "%s", buf_text(&why));
    es_decoder_reset(&d);
    es_decoder_feed(&d, span_cut(buf_span(&b), 0, 30));
    CU_ASSERT_EQUAL(es_decoder_next(&d, &m), ES_OK);
    CU_ASSERT_EQUAL(es_decoder_next(&d, &m), ES_MORE);
    CU_ASSERT_EQUAL(es_decoder_finish(&d), ES_TRUNCATED);
    buf_reset(&why);
    es_decoder_explain(&d, &why);
    CU_ASSERT_STRING_EQUAL(buf_text(&why), "truncated in the frame at byte 21: the stream ends after 9 bytes of it");
}

static void running_out_of_memory_is_an_error(void)
{
    CLEANUP(es_decoder_release) struct es_decoder d;
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    struct es_message m;
    put(&b, NULL, 0, "a payload that does not fit");
    es_decoder_init(&d);
    d.kept.max = 20; /* stands in for an allocator that says no */
    es_decoder_feed(&d, span_cut(buf_span(&b), 0, 19));
    CU_ASSERT_EQUAL(es_decoder_next(&d, &m), ES_MORE);
    es_decoder_feed(&d, span_cut(buf_span(&b), 19, 2));
    CU_ASSERT_EQUAL(es_decoder_next(&d, &m), ES_NOMEM);
    CU_ASSERT_EQUAL(es_decoder_finish(&d), ES_NOMEM);
}

/* Every bit of a frame flipped: something is said, and it is a checksum. */
static void no_flipped_bit_gets_through(void)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    CU_ASSERT_EQUAL_FATAL(es_encode_event(&b, "messageStop", SPAN_LIT("{\"stopReason\":\"end_turn\"}")), ES_OK);
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        char mask = (char)(1 << bit % 8);
        b.data[bit / 8] ^= mask;
        enum es_error got = first_step(buf_span(&b), NULL);
        b.data[bit / 8] ^= mask;
        CLAIM(got == (bit < 8 * ES_PRELUDE ? ES_PRELUDE_CRC : ES_MESSAGE_CRC), "bit %zu: %s", bit, es_error_name(got));
    }
    CU_ASSERT_EQUAL(first_step(buf_span(&b), NULL), ES_OK);
}

/* ---- encoding ---- */

static void bedrock_frames_have_their_headers_in_order(void)
{
    CLEANUP(es_decoder_release) struct es_decoder d;
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    static const char *const names[3][3] = {{":event-type", ":content-type", ":message-type"},
                                            {":exception-type", ":content-type", ":message-type"},
                                            {":error-code", ":error-message", ":message-type"}};
    static const char *const values[3][3] = {{"messageStart", "application/json", "event"},
                                             {"throttlingException", "application/json", "exception"},
                                             {"InternalFailure", "it broke", "error"}};
    static const enum es_kind kinds[3] = {ES_EVENT, ES_EXCEPTION, ES_ERROR};
    struct es_message m;
    CU_ASSERT_EQUAL(es_encode_event(&b, "messageStart", SPAN_LIT("{}")), ES_OK);
    CU_ASSERT_EQUAL(es_encode_exception(&b, "throttlingException", SPAN_LIT("{}")), ES_OK);
    CU_ASSERT_EQUAL(es_encode_error(&b, "InternalFailure", "it broke"), ES_OK);
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(&b));
    for (size_t i = 0; i < 3; i++) {
        struct span name;
        CU_ASSERT_EQUAL_FATAL(es_decoder_next(&d, &m), ES_OK);
        CU_ASSERT_EQUAL_FATAL(m.count, 3);
        for (size_t j = 0; j < 3; j++)
            CLAIM(span_is(m.headers[j].name, names[i][j]) && span_is(m.headers[j].bytes, values[i][j]) &&
                      m.headers[j].type == ES_STRING,
                  "frame %zu, header %zu is not %s: %s", i, j, names[i][j], values[i][j]);
        CU_ASSERT_EQUAL(es_message_kind(&m, &name), kinds[i]);
        CU_ASSERT(span_is(name, values[i][0]));
        CU_ASSERT(span_is(m.payload, i < 2 ? "{}" : ""));
    }
}

static void refuses_to_encode_what_it_would_not_decode(void)
{
    static unsigned char longest[ES_VALUE_MAX + 1];
    const struct {
        struct es_header header;
        enum es_error want;
    } rows[] = {
        {{SPAN_LIT(""), ES_TRUE, 0, {NULL, 0}}, ES_HEADER_NAME_EMPTY},
        {{{longest, 256}, ES_TRUE, 0, {NULL, 0}}, ES_HEADER_VALUE_LIMIT},
        {{{longest, 255}, ES_TRUE, 1, {NULL, 0}}, ES_OK},
        {{SPAN_LIT("\xff"), ES_TRUE, 0, {NULL, 0}}, ES_HEADER_UTF8},
        {{SPAN_LIT("n"), (enum es_type)10, 0, {NULL, 0}}, ES_HEADER_TYPE},
        {{SPAN_LIT("n"), ES_BYTE, 128, {NULL, 0}}, ES_HEADER_VALUE_LIMIT},
        {{SPAN_LIT("n"), ES_BYTE, -128, {NULL, 0}}, ES_OK},
        {{SPAN_LIT("n"), ES_SHORT, -32769, {NULL, 0}}, ES_HEADER_VALUE_LIMIT},
        {{SPAN_LIT("n"), ES_INTEGER, INT64_C(1) << 31, {NULL, 0}}, ES_HEADER_VALUE_LIMIT},
        {{SPAN_LIT("n"), ES_INTEGER, -(INT64_C(1) << 31), {NULL, 0}}, ES_OK},
        {{SPAN_LIT("n"), ES_LONG, INT64_MIN, {NULL, 0}}, ES_OK},
        {{SPAN_LIT("n"), ES_UUID, 0, {longest, 15}}, ES_HEADER_VALUE_LIMIT},
        {{SPAN_LIT("n"), ES_STRING, 0, SPAN_LIT("\xc3")}, ES_HEADER_UTF8},
        {{SPAN_LIT("n"), ES_BYTES, 0, SPAN_LIT("\xc3")}, ES_OK},
        {{SPAN_LIT("n"), ES_BYTES, 0, {longest, ES_VALUE_MAX + 1}}, ES_HEADER_VALUE_LIMIT},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
        enum es_error got = es_encode(&rows[i].header, 1, SPAN_EMPTY, &b);
        CLAIM(got == rows[i].want, "row %zu: %s", i, es_error_name(got));
        CLAIM((b.len > 0) == (got == ES_OK), "row %zu left %zu bytes", i, b.len);
    }
    const struct es_header twins[2] = {es_header_string("n", "1"), es_header_string("n", "2")};
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY), small = BUF_INIT(20);
    CU_ASSERT_EQUAL(es_encode(twins, 2, SPAN_EMPTY, &b), ES_DUPLICATE_HEADER);
    CU_ASSERT_EQUAL(es_encode(twins, 1, SPAN_EMPTY, &small), ES_NOMEM);
    CU_ASSERT_EQUAL(small.len, 0);
}

static void resealing_repairs_a_patched_frame(void)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    struct es_header header = es_header_string("n", "value");
    buf_adds(&b, "before");
    put(&b, &header, 1, "sent at 0000000000");
    unsigned char *frame = (unsigned char *)b.data + 6;
    struct span whole = {frame, b.len - 6};
    CU_ASSERT_EQUAL(es_frame_size(&header, 1, 18), whole.n);
    CU_ASSERT_EQUAL(es_frame_length(whole), whole.n);
    CU_ASSERT_EQUAL(es_frame_length(span_cut(whole, 0, 11)), 0);
    struct span payload = es_frame_payload(whole);
    CU_ASSERT(span_is(payload, "sent at 0000000000"));
    memcpy(frame + (payload.p - frame) + 8, "1234567890", 10);
    CU_ASSERT_EQUAL(first_step(whole, NULL), ES_MESSAGE_CRC);
    frame[9] ^= 1;
    CU_ASSERT_EQUAL(es_frame_length(whole), 0);
    es_reseal(frame, whole.n);
    CU_ASSERT_EQUAL(first_step(whole, NULL), ES_OK);
    CU_ASSERT(span_is(es_frame_payload(whole), "sent at 1234567890"));
}

/* ---- telling ---- */

static void describes_a_frame_in_one_printable_line(void)
{
    CLEANUP(es_decoder_release) struct es_decoder d;
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY), told = BUF_INIT(BUF_ANY);
    static const char *const lines[] = {
        "event messageStart, 110 bytes: {\"role\":\"a\"}",
        "error Oops, 83 bytes :error-message=line\\x0aend",
        ("frame (no name), 72 bytes t=true n=-5 b=00ff :message-type=odd\\x1b[2J \\xc2\\x9b: "
         "gr\xc3\xbc\xc3\x9f\\xff\\x00"),
    };
    const struct es_header odd[] = {
        {SPAN_LIT("t"), ES_TRUE, 1, {NULL, 0}},
        {SPAN_LIT("n"), ES_LONG, -5, {NULL, 0}},
        {SPAN_LIT("b"), ES_BYTES, 0, SPAN_LIT("\x00\xff")},
        {SPAN_LIT(":message-type"), ES_STRING, 0, SPAN_LIT("odd\x1b[2J \xc2\x9b")},
    };
    CU_ASSERT_EQUAL(es_encode_event(&b, "messageStart", SPAN_LIT("{\"role\":\"a\"}")), ES_OK);
    CU_ASSERT_EQUAL(es_encode_error(&b, "Oops", "line\nend"), ES_OK);
    CU_ASSERT_EQUAL(es_encode(odd, COUNT_OF(odd), SPAN_LIT("gr\xc3\xbc\xc3\x9f\xff\x00"), &b), ES_OK);
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(&b));
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct es_message m;
        CU_ASSERT_EQUAL_FATAL(es_decoder_next(&d, &m), ES_OK);
        buf_reset(&told);
        es_describe(&m, &told);
        CLAIM(strcmp(buf_text(&told), lines[i]) == 0, "told: %s", buf_text(&told));
    }
}

static void a_long_payload_is_cut_in_the_telling(void)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY), payload = BUF_INIT(BUF_ANY), told = BUF_INIT(BUF_ANY);
    CLEANUP(es_decoder_release) struct es_decoder d;
    struct es_message m;
    for (int i = 0; i < 1000; i++)
        buf_addc(&payload, 'x');
    put(&b, NULL, 0, buf_text(&payload));
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(&b));
    CU_ASSERT_EQUAL_FATAL(es_decoder_next(&d, &m), ES_OK);
    es_describe(&m, &told);
    CU_ASSERT(told.len < ES_DESCRIBE_MAX + 40);
    CU_ASSERT(span_is(span_from(buf_span(&told), told.len - 4), "x..."));
}

static void looks_headers_up_by_exact_name(void)
{
    const struct es_header headers[] = {es_header_string("a", "text"), {SPAN_LIT("b"), ES_BYTES, 0, SPAN_LIT("raw")}};
    const struct es_message m = {.headers = headers, .count = 2};
    CU_ASSERT(span_is(es_header_text(&m, "a"), "text"));
    CU_ASSERT_EQUAL(es_header_text(&m, "b").n, 0);
    CU_ASSERT_PTR_EQUAL(es_header(&m, "b"), &headers[1]);
    CU_ASSERT_PTR_NULL(es_header(&m, "A"));
    CU_ASSERT_EQUAL(es_message_kind(&m, NULL), ES_OTHER);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"agrees with every vector", agrees_with_every_vector},
        {"notices a fixture that was tampered with", notices_a_fixture_that_was_tampered_with},
        {"SDK behaviours are complete and point to vectors", sdk_behaviours_are_complete_and_point_to_vectors},
        {"crc agrees with its definition at every length and split",
         crc_agrees_with_its_definition_at_every_length_and_split},
        {"prelude limits are exact", prelude_limits_are_exact},
        {"reserves nothing on the word of a length", reserves_nothing_on_the_word_of_a_length},
        {"the largest payload and headers go both ways", the_largest_payload_and_headers_go_both_ways},
        {"header errors are told apart", header_errors_are_told_apart},
        {"values end at 32767 bytes", values_end_at_32767_bytes},
        {"finds twins among very many headers", finds_twins_among_very_many_headers},
        {"whole frames are not copied", whole_frames_are_not_copied},
        {"nothing is allocated in the steady state", nothing_is_allocated_in_the_steady_state},
        {"an error is final and explained", an_error_is_final_and_explained},
        {"running out of memory is an error", running_out_of_memory_is_an_error},
        {"no flipped bit gets through", no_flipped_bit_gets_through},
        {"Bedrock frames have their headers in order", bedrock_frames_have_their_headers_in_order},
        {"refuses to encode what it would not decode", refuses_to_encode_what_it_would_not_decode},
        {"resealing repairs a patched frame", resealing_repairs_a_patched_frame},
        {"describes a frame in one printable line", describes_a_frame_in_one_printable_line},
        {"a long payload is cut in the telling", a_long_payload_is_cut_in_the_telling},
        {"looks headers up by exact name", looks_headers_up_by_exact_name},
        CU_TEST_INFO_NULL,
    };
    return unit_main("eventstream", tests);
}
