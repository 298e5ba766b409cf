/* The growing buffer: its ceiling, its codecs, its ownership. */
#include "protocol/buf.h"

#include "unit.h"

static void stops_at_its_ceiling_and_remembers(void)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(4);
    buf_adds(&b, "abcd");
    CU_ASSERT_EQUAL(buf_error(&b), OK);
    buf_addc(&b, 'e');
    CU_ASSERT_EQUAL(buf_error(&b), ERR_LIMIT);
    CU_ASSERT_STRING_EQUAL(buf_text(&b), "abcd");
    buf_reset(&b);
    buf_addf(&b, "%d", 1234);
    CU_ASSERT_EQUAL(buf_error(&b), OK);
    CU_ASSERT_STRING_EQUAL(buf_text(&b), "1234");
}

static void base64_agrees_with_rfc_4648_section_10(void)
{
    static const char *const rows[][2] = {{"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf b = BUF_INIT(64);
        buf_add_base64(&b, span_of(rows[i][0]));
        CLAIM(strcmp(buf_text(&b), rows[i][1]) == 0, "%s encodes to %s", rows[i][0], buf_text(&b));
        buf_reset(&b);
        CU_ASSERT_EQUAL(buf_add_unbase64(&b, span_of(rows[i][1])), OK);
        CLAIM(span_is(buf_span(&b), rows[i][0]), "%s decodes to %s", rows[i][1], buf_text(&b));
    }
}

static void rejects_bad_base64_and_hex(void)
{
    static const char *const base64[] = {"Z", "Zg", "Zg=", "Z===", "Zm9v=", "Zm9\n", "====", "Zg==Zg=="};
    static const char *const hex[] = {"a", "0g", " 0"};
    CLEANUP(buf_release) struct buf b = BUF_INIT(64);
    for (size_t i = 0; i < COUNT_OF(base64); i++)
        CLAIM(buf_add_unbase64(&b, span_of(base64[i])) == ERR_SYNTAX, "accepted base64 '%s'", base64[i]);
    for (size_t i = 0; i < COUNT_OF(hex); i++)
        CLAIM(buf_add_unhex(&b, span_of(hex[i])) == ERR_SYNTAX, "accepted hex '%s'", hex[i]);
    CU_ASSERT_EQUAL(b.len, 0);
}

static void taking_empties_the_buffer(void)
{
    struct buf b = BUF_INIT(16);
    CLEANUP(free_ptr) char *empty = buf_take(&b);
    CU_ASSERT_STRING_EQUAL(empty, "");
    buf_adds(&b, "x");
    CLEANUP(free_ptr) char *taken = buf_take(&b);
    CU_ASSERT_STRING_EQUAL(taken, "x");
    CU_ASSERT_PTR_NULL(b.data);
}

static void names_the_nearest_word(void)
{
    static const char *const known[] = {"target", "threads", "rate"};
    CU_ASSERT_STRING_EQUAL(nearest_word("tarjet", known, 3), "target");
    CU_ASSERT_PTR_NULL(nearest_word("zzzzzz", known, 3));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"stops at its ceiling and remembers", stops_at_its_ceiling_and_remembers},
        {"base64 agrees with RFC 4648 section 10", base64_agrees_with_rfc_4648_section_10},
        {"rejects bad base64 and hex", rejects_bad_base64_and_hex},
        {"taking empties the buffer", taking_empties_the_buffer},
        {"names the nearest word", names_the_nearest_word},
        CU_TEST_INFO_NULL,
    };
    return unit_main("buf", tests);
}
