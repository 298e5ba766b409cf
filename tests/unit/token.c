/* The token counter: where tokens end, that they put the text together again, and what a request adds up to. */
#include "protocol/token.h"

#include "protocol/utf8.h"
#include "unit.h"

static void cuts_text_where_the_rule_says(void)
{
    static const struct {
        const char *text, *cut; /* the same text with a bar between tokens */
    } rows[] = {
        {"", ""},
        {"Hello, world!", "Hello|,| world|!"},
        {"internationalization", "internat|ionaliza|tion"},
        {"in 2026: 1234567 rows", "in| 202|6|:| 123|456|7| rows"},
        {"a  b", "a| | b"},
        {"a \n\n  b", "a| \n\n | b"},
        {"tail   ", "tail|   "},
        {"if (x == y) {\n\treturn;\n}", "if| (|x| ==| y|)| {|\n\t|return|;|\n|}"},
        {"{\"a\":\"b\"}", "{\"|a|\":\"|b|\"}"},
        {"......", "...|..."},
        {"\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96", "\xE4\xBD\xA0|\xE5\xA5\xBD|\xEF\xBC\x8C|\xE4\xB8\x96"},
        {"caf\xC3\xA9s", "caf\xC3\xA9s"},
        {"\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82", "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2|\xD0\xB5\xD1\x82"},
        {"ok \xF0\x9F\x98\x80\xF0\x9F\x98\x80", "ok| |\xF0\x9F\x98\x80|\xF0\x9F\x98\x80"},
        {"a\xC0\x80z", "a|\xC0\x80|z"},
        {"a\xFFz", "a|\xFF|z"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf cut = BUF_INIT(256);
        struct span text = span_of(rows[i].text);
        size_t count = 0;
        for (size_t at = 0, n; (n = token_next(text, at)) > 0; at += n, count++) {
            buf_adds(&cut, at > 0 ? "|" : "");
            buf_add(&cut, span_cut(text, at, n));
        }
        CLAIM(strcmp(buf_text(&cut), rows[i].cut) == 0, "%s", buf_text(&cut));
        CLAIM(token_count(text) == count, "%s has %zu tokens", rows[i].text, token_count(text));
    }
}

static void english_comes_out_near_four_tokens_for_three_words(void)
{
    static const char text[] = "When the gateway receives a request, it translates the body into the upstream format, "
                               "signs it, and waits for the "
                               "first event. If the connection is closed before the model has answered, the request "
                               "must be cancelled as well, because "
                               "nobody is going to read the remaining tokens. A careful implementation also "
                               "understands that authentication failures "
                               "should never be retried automatically.";
    size_t words = 1;
    for (const char *c = text; *c != '\0'; c++)
        words += *c == ' ';
    size_t tokens = token_count(span_of(text));
    CLAIM(tokens * 10 >= words * 12 && tokens * 10 <= words * 15, "%zu tokens for %zu words", tokens, words);
}

static void tokens_are_small_and_never_split_a_character(void)
{
    unsigned char bytes[4096];
    uint32_t seed = 12345;
    for (int round = 0; round < 200; round++) {
        size_t n = 0;
        while (n < sizeof bytes - 4) {
            static const uint32_t ranges[] = {0x7F, 0x7FF, 0xD7FF, 0x1FFFF};
            seed = seed * 1664525 + 1013904223;
            uint32_t code = 1 + (seed >> 8) % ranges[seed >> 30];
            char to[4];
            size_t k = utf8_put(code >= 0xD800 && code < 0xE000 ? ' ' : code, to);
            memcpy(bytes + n, to, k);
            n += k;
        }
        struct span text = {bytes, n};
        bool good = true;
        size_t at = 0;
        for (size_t k; (k = token_next(text, at)) > 0; at += k)
            good = good && k <= TOKEN_BYTES_MAX && utf8_length(span_from(text, at)) > 0;
        CLAIM(good && at == n, "round %d", round);
    }
}

static void a_front_is_of_whole_characters(void)
{
    struct span text = SPAN_LIT("a\xC3\xA4\xE2\x82\xAC!"); /* 1, 2, 3 and 1 bytes */
    static const size_t fits[] = {0, 1, 1, 3, 3, 3, 6, 7, 7};
    for (size_t i = 0; i < COUNT_OF(fits); i++)
        CLAIM(utf8_front(text, i).n == fits[i], "%zu bytes hold %zu", i, utf8_front(text, i).n);
}

static void a_request_adds_up(void)
{
    static const struct {
        const char *body;
        size_t tokens;
    } rows[] = {
        {"{}", 3},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}", 8},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"},{\"cachePoint\":{\"type\":\"default\"}}]}]}",
         8},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"system\":[{\"text\":\"be brief\"}]}",
         13},
        {"{\"system\":[]}", 3},
        {"{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"get\","
         "\"input\":{\"a\":1}}}]}]}",
         3 + 4 + 8 + 1 + 5},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"t\",\"content\":[{\"text\":"
         "\"x\"},{\"json\":{}}]}}]}]}",
         3 + 4 + 8 + 1 + 1},
        {"{\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"get\",\"description\":\"gets "
         "it\",\"inputSchema\":{\"json\":{}}}},{\"cachePoint\":{}}]}}",
         3 + 8 + 1 + 2 + 1},
        {"{\"messages\":[{\"content\":[{\"document\":{\"name\":\"a\",\"format\":\"txt\",\"source\":{\"bytes\":"
         "\"b25lIHR3bw==\"}}}]}]}",
         3 + 4 + 1 + 2},
        {"{\"messages\":[{\"content\":[{\"document\":{\"name\":\"a\",\"format\":\"pdf\",\"source\":{\"bytes\":"
         "\"b25lIHR3bw==\"}}}]}]}",
         3 + 4 + 1 + 1},
        {"{\"messages\":[{\"content\":[{\"video\":{\"source\":{\"s3Location\":{}}}}]}]}", 3 + 4 + 1000},
        {"{\"messages\":[{\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"so it is\"}}}]}]}",
         3 + 4 + 3},
        {"{\"messages\":[{\"content\":[{\"guardContent\":{\"text\":{\"text\":\"so it is\"}}}]}]}", 3 + 4 + 3},
        {"{\"messages\":\"wrong\",\"system\":3}", 3},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *body = NULL;
        CU_ASSERT_EQUAL(json_parse(span_of(rows[i].body), 0, &body, NULL), OK);
        CLAIM(token_count_request(body) == rows[i].tokens, "%s: %zu instead of %zu", rows[i].body,
              token_count_request(body), rows[i].tokens);
    }
}

static void images_count_by_their_size(void)
{
    const struct {
        struct span bytes;
        size_t tokens;
    } rows[] = {
        {SPAN_LIT("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\3\xE8\0\0\2\xEE"), 1000},
        {SPAN_LIT("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1"), 1},
        {SPAN_LIT("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\0\0\0\1\0\0"), TOKENS_IMAGE_MAX},
        {SPAN_LIT("GIF89a\xEE\2\x64\0"), 100},
        {SPAN_LIT("\xFF\xD8\xFF\xE0\0\4ab\xFF\xC0\0\x11\x08\0\x64\2\xEE\3"), 100},
        {SPAN_LIT("\xFF\xD8\xFF\xE0\xFF\xFF"), TOKENS_IMAGE_MAX},
        {SPAN_LIT("RIFF\0\0\0\0WEBPVP8X\n\0\0\0\0\0\0\0\xED\2\0\x63\0\0"), 100},
        {SPAN_LIT("RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\1\x2a\xEE\2\x64\0"), 100},
        {SPAN_LIT("RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\xED\xC2\x18\0"), 100},
        {SPAN_LIT("not an image at all, really"), TOKENS_IMAGE_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CLAIM(token_count_image(rows[i].bytes) == rows[i].tokens, "image %zu counts %zu", i,
              token_count_image(rows[i].bytes));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t n = 0; n < rows[i].bytes.n; n++)
            CU_ASSERT(token_count_image(span_cut(rows[i].bytes, 0, n)) <= TOKENS_IMAGE_MAX);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"cuts text where the rule says", cuts_text_where_the_rule_says},
        {"English comes out near four tokens for three words", english_comes_out_near_four_tokens_for_three_words},
        {"tokens are small and never split a character", tokens_are_small_and_never_split_a_character},
        {"a front is of whole characters", a_front_is_of_whole_characters},
        {"a request adds up", a_request_adds_up},
        {"images count by their size", images_count_by_their_size},
        CU_TEST_INFO_NULL,
    };
    return unit_main("token", tests);
}
