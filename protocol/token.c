/* token.c: cutting text into tokens, and adding up a request.
 *
 * A character has one of a few kinds; a token is a run of one kind, or a single character. The mock calls
 * token_next once per streamed frame and counts every request, so ASCII is looked up and only the rest is decoded.
 */
#include "protocol/token.h"

#include "protocol/utf8.h"

enum {
    WORD_BYTES = 8,
    NUMBER_DIGITS = 3,
    MARKS = 3,
    SPACE_BYTES = 16,
    PIXELS_PER_TOKEN = 750,
    HEADER_CHARS = 128 << 10
};

enum letter_kind { LETTER, DIGIT, MARK, SPACE, SINGLE };

#define L LETTER
#define D DIGIT
#define M MARK
#define S SPACE
#define O SINGLE
static const unsigned char kinds_of_ascii[128] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, /* NUL to SI */
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, /* DLE to US */
    S, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, /* space to / */
    D, D, D, D, D, D, D, D, D, D, M, M, M, M, M, M, /* 0 to ? */
    M, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* @ to O */
    L, L, L, L, L, L, L, L, L, L, L, M, M, M, M, M, /* P to _ */
    M, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* ` to o */
    L, L, L, L, L, L, L, L, L, L, L, M, M, M, M, O, /* p to DEL */
};
#undef L
#undef D
#undef M
#undef S
#undef O

/* Letters beyond ASCII that words are made of; everything else there stands alone. Blocks as Unicode names them. */
static enum letter_kind kind_of_code(uint32_t code)
{
    static const struct {
        uint32_t from, to;
        enum letter_kind kind;
    } blocks[] = {
        {0x00A0, 0x00A0, SPACE},  {0x00AA, 0x00AA, LETTER}, {0x00B5, 0x00B5, LETTER}, {0x00BA, 0x00BA, LETTER},
        {0x00C0, 0x00D6, LETTER}, {0x00D8, 0x00F6, LETTER}, {0x00F8, 0x058F, LETTER}, /* Latin to Armenian */
        {0x0591, 0x0DFF, LETTER},                                                     /* Hebrew to Sinhala */
        {0x0E00, 0x10FF, LETTER},                                                     /* Thai to Georgian */
        {0x1200, 0x1FFF, LETTER},                                                     /* Ethiopic to Greek Extended */
        {0x2000, 0x200A, SPACE},  {0x2C00, 0x2DFF, LETTER}, {0x3000, 0x3000, SPACE},
    };
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        if (code >= blocks[i].from && code <= blocks[i].to)
            return blocks[i].kind;
    return SINGLE;
}

static enum letter_kind kind_beyond_ascii(struct span text, size_t *bytes)
{
    *bytes = utf8_next(text);
    return utf8_length(text) == 0 ? SINGLE : kind_of_code(utf8_code(text.p, *bytes));
}

/* The kind of the character at the start of a non-empty text, and its bytes. */
static inline enum letter_kind kind_at(struct span text, size_t *bytes)
{
    *bytes = 1;
    return text.p[0] < 0x80 ? (enum letter_kind)kinds_of_ascii[text.p[0]] : kind_beyond_ascii(text, bytes);
}

/* Bytes of the run of one kind, up to a number of bytes. Letters, digits and marks count what they may. */
static size_t run(struct span text, enum letter_kind kind, size_t limit)
{
    size_t n = 0, bytes;
    while (n < text.n && kind_at(span_from(text, n), &bytes) == kind && n + bytes <= limit)
        n += bytes;
    return n;
}

static size_t piece(struct span text)
{
    size_t bytes;
    switch (kind_at(text, &bytes)) {
    case LETTER:
        return run(text, LETTER, WORD_BYTES);
    case DIGIT:
        return run(text, DIGIT, NUMBER_DIGITS);
    case MARK:
        return run(text, MARK, MARKS);
    default:
        return bytes;
    }
}

static bool takes_a_space(struct span text)
{
    size_t bytes;
    return text.n > 0 && kind_at(text, &bytes) <= MARK;
}

size_t token_next(struct span text, size_t from)
{
    struct span rest = span_from(text, from);
    size_t bytes;
    if (rest.n == 0)
        return 0;
    if (kind_at(rest, &bytes) != SPACE)
        return piece(rest);
    if (rest.p[0] == ' ' && takes_a_space(span_from(rest, 1)))
        return 1 + piece(span_from(rest, 1));
    size_t n = run(rest, SPACE, SPACE_BYTES);
    /* the last space goes with what it leads */
    return n > 1 && rest.p[n - 1] == ' ' && takes_a_space(span_from(rest, n)) ? n - 1 : n;
}

size_t token_count(struct span text)
{
    size_t count = 0;
    for (size_t at = 0, n; (n = token_next(text, at)) > 0; at += n)
        count++;
    return count;
}

/* -- Images ------------------------------------------------ */

static uint32_t big(const unsigned char *p, size_t n)
{
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static uint32_t little(const unsigned char *p, size_t n)
{
    uint32_t v = 0;
    for (size_t i = n; i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

static size_t tokens_of_pixels(uint64_t width, uint64_t height)
{
    uint64_t tokens = width * height / PIXELS_PER_TOKEN;
    return tokens == 0 ? 1 : tokens > TOKENS_IMAGE_MAX ? TOKENS_IMAGE_MAX : (size_t)tokens;
}

/* Walk the segments of a JPEG (ITU T.81 annex B) to its start of frame. */
static size_t tokens_of_jpeg(struct span b)
{
    for (size_t at = 2; at + 9 <= b.n && b.p[at] == 0xFF;) {
        unsigned char marker = b.p[at + 1];
        bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
        if (frame)
            return tokens_of_pixels(big(b.p + at + 7, 2), big(b.p + at + 5, 2));
        at += 2 + big(b.p + at + 2, 2);
    }
    return TOKENS_IMAGE_MAX;
}

/* RFC 9649: lossy (VP8), lossless (VP8L) and extended (VP8X) files. */
static size_t tokens_of_webp(struct span b)
{
    struct span kind = span_cut(b, 12, 4);
    if (b.n >= 30 && span_is(kind, "VP8X"))
        return tokens_of_pixels(little(b.p + 24, 3) + 1, little(b.p + 27, 3) + 1);
    if (b.n >= 30 && span_is(kind, "VP8 "))
        return tokens_of_pixels(little(b.p + 26, 2) & 0x3FFF, little(b.p + 28, 2) & 0x3FFF);
    if (b.n >= 25 && span_is(kind, "VP8L")) {
        uint32_t bits = little(b.p + 21, 4);
        return tokens_of_pixels((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1);
    }
    return TOKENS_IMAGE_MAX;
}

size_t token_count_image(struct span bytes)
{
    if (bytes.n >= 24 && span_has_prefix(bytes, "\x89PNG\r\n\x1a\n"))
        return tokens_of_pixels(big(bytes.p + 16, 4), big(bytes.p + 20, 4));
    if (bytes.n >= 10 && span_has_prefix(bytes, "GIF8"))
        return tokens_of_pixels(little(bytes.p + 6, 2), little(bytes.p + 8, 2));
    if (bytes.n >= 4 && span_has_prefix(bytes, "\xFF\xD8"))
        return tokens_of_jpeg(bytes);
    if (bytes.n >= 16 && span_has_prefix(bytes, "RIFF") && span_is(span_cut(bytes, 8, 4), "WEBP"))
        return tokens_of_webp(bytes);
    return TOKENS_IMAGE_MAX;
}

/* -- Blocks ------------------------------------------------ */

static size_t count_string(const char *text)
{
    return token_count(span_of(text));
}

/* The JSON of a value, compact. */
static size_t count_json(const cJSON *value)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    if (value == NULL)
        return 0;
    json_print(value, JSON_COMPACT, &text);
    return token_count(buf_span(&text));
}

static size_t count_image(const cJSON *image)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(HEADER_CHARS);
    const char *base64 = json_str(json_member(image, "source"), "bytes");
    if (base64 == NULL)
        return TOKENS_IMAGE_MAX;
    size_t n = strnlen(base64, HEADER_CHARS); /* the size stands near the beginning */
    struct span head = {(const unsigned char *)base64, n - n % 4};
    return buf_add_unbase64(&bytes, head) == OK ? token_count_image(buf_span(&bytes)) : TOKENS_IMAGE_MAX;
}

static size_t count_media(const cJSON *media)
{
    const char *base64 = json_str(json_member(media, "source"), "bytes");
    return base64 == NULL ? TOKENS_REMOTE_MEDIA : strlen(base64) / 4 * 3 / BYTES_PER_MEDIA_TOKEN + 1;
}

static bool is_text_format(const char *format)
{
    static const char *const formats[] = {"txt", "md", "csv", "html"};
    for (size_t i = 0; format != NULL && i < COUNT_OF(formats); i++)
        if (strcmp(format, formats[i]) == 0)
            return true;
    return false;
}

static size_t count_blocks(const cJSON *list)
{
    size_t sum = 0;
    for (const cJSON *b = cJSON_IsArray(list) ? list->child : NULL; b != NULL; b = b->next)
        sum += token_count_block(b);
    return sum;
}

static size_t count_document(const cJSON *document)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    const cJSON *source = json_member(document, "source");
    const char *text = json_str(source, "text"), *base64 = json_str(source, "bytes");
    size_t name = count_string(json_str(document, "name")) + count_string(json_str(document, "context"));
    if (text != NULL)
        return name + count_string(text);
    if (json_member(source, "content") != NULL)
        return name + count_blocks(json_member(source, "content"));
    if (base64 != NULL && is_text_format(json_str(document, "format")) &&
        buf_add_unbase64(&bytes, span_of(base64)) == OK)
        return name + token_count(buf_span(&bytes));
    return name + count_media(document);
}

static size_t count_tool_use(const cJSON *use)
{
    return TOKENS_PER_TOOL_BLOCK + count_string(json_str(use, "name")) + count_json(json_member(use, "input"));
}

static size_t count_tool_result(const cJSON *result)
{
    return TOKENS_PER_TOOL_BLOCK + count_blocks(json_member(result, "content"));
}

static size_t count_guard(const cJSON *guard)
{
    const cJSON *image = json_member(guard, "image");
    return image != NULL ? count_image(image) : count_string(json_str(json_member(guard, "text"), "text"));
}

static size_t count_reasoning(const cJSON *reasoning)
{
    return count_string(json_str(json_member(reasoning, "reasoningText"), "text"));
}

static size_t count_citations(const cJSON *citations)
{
    return count_blocks(json_member(citations, "content"));
}

static size_t count_search_result(const cJSON *result)
{
    return count_string(json_str(result, "source")) + count_string(json_str(result, "title")) +
           count_blocks(json_member(result, "content"));
}

static size_t count_text(const cJSON *text)
{
    return cJSON_IsString(text) ? count_string(text->valuestring) : count_json(text);
}

static size_t count_nothing(const cJSON *value)
{
    (void)value;
    return 0;
}

static const struct {
    const char *name;
    size_t (*count)(const cJSON *value);
} blocks[] = {
    {"text", count_text},
    {"image", count_image},
    {"document", count_document},
    {"video", count_media},
    {"audio", count_media},
    {"toolUse", count_tool_use},
    {"toolResult", count_tool_result},
    {"guardContent", count_guard},
    {"reasoningContent", count_reasoning},
    {"citationsContent", count_citations},
    {"searchResult", count_search_result},
    {"json", count_json},
    {"cachePoint", count_nothing},
};

size_t token_count_block(const cJSON *block)
{
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        const cJSON *value = json_member(block, blocks[i].name);
        if (value != NULL)
            return blocks[i].count(value);
    }
    return count_json(block);
}

static size_t count_message(const cJSON *message)
{
    return TOKENS_PER_MESSAGE + count_blocks(json_member(message, "content"));
}

size_t token_count_tool(const cJSON *tool)
{
    const cJSON *spec = json_member(tool, "toolSpec");
    if (spec == NULL)
        return json_member(tool, "cachePoint") != NULL ? 0 : TOKENS_PER_TOOL + count_json(tool);
    return TOKENS_PER_TOOL + count_string(json_str(spec, "name")) + count_string(json_str(spec, "description")) +
           count_json(json_member(json_member(spec, "inputSchema"), "json"));
}

size_t token_count_request(const cJSON *body)
{
    size_t sum = TOKENS_PER_REQUEST;
    const cJSON *tools = json_member(json_member(body, "toolConfig"), "tools");
    const cJSON *messages = json_member(body, "messages");
    size_t system = count_blocks(json_member(body, "system"));
    for (const cJSON *t = cJSON_IsArray(tools) ? tools->child : NULL; t != NULL; t = t->next)
        sum += token_count_tool(t);
    for (const cJSON *m = cJSON_IsArray(messages) ? messages->child : NULL; m != NULL; m = m->next)
        sum += count_message(m);
    return sum + (system > 0 ? system + TOKENS_OF_SYSTEM : 0);
}
