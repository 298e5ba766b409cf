/* Content blocks in and out, their limits on both sides, the headers of pictures, and all nine stop reasons. */
#include "protocol/media.h"
#include "protocol/shape.h"

#include "mock_rig.h"

#define ANY      "/model/anthropic.claude-of-tomorrow-v9%3A0/converse" /* everything is allowed to it */
#define NOVA     "/model/amazon.nova-lite-v1%3A0/converse"
#define LLAMA    "/model/meta.llama3-1-8b-instruct-v1%3A0/converse"
#define VOXTRAL  "/model/mistral.voxtral-mini-3b-2507/converse"
#define CLAUDE_N "/model/" HAIKU "/invoke"
#define TOOLS                                                                                                          \
    "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"t\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]}"
#define USER(c) "{\"role\":\"user\",\"content\":[" c "]}"
#define BOT(c)  "{\"role\":\"assistant\",\"content\":[" c "]}"
#define HI      "{\"text\":\"hi\"}"
#define USE     "{\"toolUse\":{\"toolUseId\":\"x\",\"name\":\"t\",\"input\":{\"a\":[1]}}}"
#define RES(c)  "{\"toolResult\":{\"toolUseId\":\"x\",\"content\":[" c "]}}"

static const struct api *api(void)
{
    static struct api *loaded;
    struct note note = {""};
    if (loaded == NULL)
        loaded = api_load(&note);
    return loaded;
}

/* ---- headers of pictures ---- */

static const struct picture {
    const char *hex, *format;
    uint32_t width, height; /* 0: not known */
} pictures[] = {
    {"89504e470d0a1a0a0000000d49484452000000200000ff1008020000", "png", 32, 65296},
    {"474946383961000104008000", "gif", 256, 4},
    {"474946383761ffff0100", "gif", 65535, 1},
    {"ffd8ffe00010 4a46494600010100000100010000 ffc0001108 0102 0304 03", "jpeg", 772, 258},
    {"ffd8ffe10008 ffc0ffc00000 ffff ffc2001108 1f40 1f41 03", "jpeg", 8001,
     8000},                                                                       /* a false frame inside EXIF; fill */
    {"ffd8ffc40004 0000 ffcc0003 00 ffd0 ffc3000b08 0001 0002 01", "jpeg", 2, 1}, /* tables are no frames */
    {"ffd8ffda0008 010100003f00 ffc0001108 0102 0304", "jpeg", 0, 0},             /* behind the scan it is data */
    {"ffd8ffe00001 ffc0001108 0102 0304", "jpeg", 0, 0},                          /* a length that cannot be */
    {"52494646 00000000 57454250 56503820 00000000 000000 9d012a 2003 5842", "webp", 800, 600},
    {"52494646 00000000 57454250 5650384c 00000000 2f 1fc3 9500", "webp", 800, 600},
    {"52494646 00000000 57454250 56503858 00000000 10000000 1f0300 570200", "webp", 800, 600},
    {"52494646 00000000 57454250 58585858 00000000 10000000 1f0300 570200", "webp", 0, 0},
    {"255044462d312e37", "pdf", 0, 0},
    {"504b0304", NULL, 0, 0},
    {"", NULL, 0, 0},
};

static void from_hex(const char *spaced, struct buf *out)
{
    CLEANUP(buf_release) struct buf hex = BUF_INIT(BUF_ANY);
    for (; *spaced != '\0'; spaced++)
        if (*spaced != ' ')
            buf_addc(&hex, *spaced);
    CU_ASSERT_EQUAL(buf_add_unhex(out, buf_span(&hex)), OK);
}

static void sizes_are_read_from_headers(void)
{
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        const struct picture *p = &pictures[i];
        CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
        uint32_t w = 0, h = 0;
        from_hex(p->hex, &bytes);
        const char *format = media_format(buf_span(&bytes));
        CLAIM(p->format == NULL ? format == NULL : format != NULL && strcmp(format, p->format) == 0, "%zu: %s", i,
              format != NULL ? format : "none");
        bool known = media_size(buf_span(&bytes), &w, &h);
        CLAIM(known == (p->width != 0) && w == p->width && h == p->height, "%zu: %u x %u", i, w, h);
    }
}

/* In a room of its own for each length, so that a sanitizer sees a read behind the end. */
static void a_header_that_is_cut_short_is_not_known(void)
{
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
        from_hex(pictures[i].hex, &bytes);
        bool seen = false;
        for (size_t n = 0; n <= bytes.len; n++) {
            uint32_t w = 0, h = 0;
            unsigned char *room = malloc(n + 1);
            memcpy(room, buf_text(&bytes), n);
            unsigned char *exact = realloc(room, n > 0 ? n : 1);
            bool known = media_size((struct span){exact, n}, &w, &h);
            (void)media_format((struct span){exact, n});
            CLAIM(!known || (w == pictures[i].width && h == pictures[i].height), "%zu cut at %zu: %u x %u", i, n, w, h);
            CLAIM(known || !seen, "%zu at %zu: known, and then not", i, n);
            seen = seen || known;
            free(exact);
        }
    }
}

/* ---- every block in ---- */

static const struct in_row {
    const char *member, *block, *role;
} blocks_in[] = {
    {"text", HI, "user"},
    {"image", "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"AAAA\"}}}", "user"},
    {"document", "{\"document\":{\"format\":\"pdf\",\"name\":\"a\",\"source\":{\"bytes\":\"AAAA\"}}}", "user"},
    {"document", "{\"document\":{\"name\":\"a\",\"source\":{\"text\":\"t\"},\"citations\":{\"enabled\":true}}}",
     "user"},
    {"document", "{\"document\":{\"name\":\"a\",\"source\":{\"content\":[{\"text\":\"t\"}]},\"context\":\"c\"}}",
     "user"},
    {"video", "{\"video\":{\"format\":\"mp4\",\"source\":{\"s3Location\":{\"uri\":\"s3://bucket/a.mp4\"}}}}", "user"},
    {"audio", "{\"audio\":{\"format\":\"mp3\",\"source\":{\"bytes\":\"AAAA\"}}}", "user"},
    {"toolUse", USE, "assistant"},
    {"toolResult", RES(HI ",{\"json\":{\"a\":1}},{\"image\":{\"format\":\"gif\",\"source\":{\"bytes\":\"AAAA\"}}}"),
     "user"},
    {"guardContent", "{\"guardContent\":{\"text\":{\"text\":\"g\",\"qualifiers\":[\"query\"]}}}", "user"},
    {"guardContent", "{\"guardContent\":{\"image\":{\"format\":\"jpeg\",\"source\":{\"bytes\":\"AAAA\"}}}}", "user"},
    {"cachePoint", "{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"5m\"}}", "user"},
    {"reasoningContent", "{\"reasoningContent\":{\"reasoningText\":{\"text\":\"r\",\"signature\":\"s\"}}}",
     "assistant"},
    {"reasoningContent", "{\"reasoningContent\":{\"redactedContent\":\"AAAA\"}}", "assistant"},
    {"citationsContent",
     "{\"citationsContent\":{\"content\":[{\"text\":\"c\"}],\"citations\":[{\"title\":\"t\",\"sourceContent\":[{"
     "\"text\":"
     "\"s\"}],\"location\":{\"documentChar\":{\"documentIndex\":0,\"start\":0,\"end\":1}}}]}}",
     "assistant"},
    {"searchResult",
     "{\"searchResult\":{\"source\":\"https://"
     "example.com\",\"title\":\"t\",\"content\":[{\"text\":\"s\"}],\"citations\":{"
     "\"enabled\":true}}}",
     "user"},
    {"toolAddition", NULL,
     NULL}, /* of the model, and of no guide that we know: their shapes are walked in mock_shapes */
    {"toolRemoval", NULL, NULL},
};

static void write_turns(const struct in_row *row, struct buf *out)
{
    bool bot = strcmp(row->role, "assistant") == 0, result = strcmp(row->member, "toolResult") == 0;
    if (result)
        buf_addf(out, "{\"messages\":[" USER(HI) "," BOT(USE) "," USER("%s") "]," TOOLS "}", row->block);
    else if (!bot)
        buf_addf(out, "{\"messages\":[" USER(HI ",%s") "]}", row->block);
    else
        buf_addf(out, "{\"messages\":[" USER(HI) "," BOT(HI ",%s") "," USER(RES(HI)) "]," TOOLS "}", row->block);
}

static void every_block_may_come_in(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    const struct shape *content = api_shape(api(), "ContentBlock");
    bool seen[64] = {false};
    for (size_t i = 0; i < COUNT_OF(blocks_in); i++) {
        for (size_t k = 0; k < content->member_count; k++)
            seen[k] = seen[k] || strcmp(content->members[k].name, blocks_in[i].member) == 0;
        if (blocks_in[i].block == NULL)
            continue;
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        write_turns(&blocks_in[i], &body);
        const char *said = buf_text(&body);
        /* a result answers a use, but for turns that have none */
        CLEANUP(buf_release) struct buf plain = BUF_INIT(BUF_ANY);
        if (strcmp(blocks_in[i].role, "assistant") == 0 && strcmp(blocks_in[i].member, "toolUse") != 0) {
            buf_addf(&plain, "{\"messages\":[" USER(HI) "," BOT(HI ",%s") "," USER(HI) "]}", blocks_in[i].block);
            said = buf_text(&plain);
        }
        CLEANUP(reply_release) struct reply r = ask(m, ANY, said);
        CLAIM(r.status == 200, "%s: %d %.300s", said, r.status, buf_text(&r.body));
    }
    for (size_t k = 0; k < content->member_count; k++)
        CLAIM(seen[k], "nobody sends %s", content->members[k].name);
}

/* ---- every block out ---- */

static const struct out_row {
    const char *block, *events; /* of its stream, between messageStart and messageStop */
    const char *pointer, *joined;
} blocks_out[] = {
    {"{\"text\":\"one two\"}", "contentBlockDelta*2 contentBlockStop", "/payload/delta/text", "one two"},
    {USE, "contentBlockStart contentBlockDelta contentBlockStop", "/payload/delta/toolUse/input", "{\"a\":[1]}"},
    {"{\"reasoningContent\":{\"reasoningText\":{\"text\":\"hm\",\"signature\":\"c2ln\"}}}",
     "contentBlockDelta*2 contentBlockStop", "/payload/delta/reasoningContent/signature", "c2ln"},
    {"{\"reasoningContent\":{\"redactedContent\":\"cmVk\"}}", "contentBlockDelta contentBlockStop",
     "/payload/delta/reasoningContent/redactedContent", "cmVk"},
    {"{\"citationsContent\":{\"content\":[{\"text\":\"cited\"}],\"citations\":[{\"title\":\"t\",\"sourceContent\":[{"
     "\"text\":"
     "\"s\"}],\"location\":{\"web\":{\"url\":\"https://example.com\",\"domain\":\"example.com\"}}}]}}",
     "contentBlockDelta*2 contentBlockStop", "/payload/delta/citation/location/web/domain", "example.com"},
    {"{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"AAAA\"}}}",
     "contentBlockStart contentBlockDelta contentBlockStop", "/payload/delta/image/source/bytes", "AAAA"},
    {"{\"toolResult\":{\"toolUseId\":\"x\",\"status\":\"success\",\"type\":\"web_search_result\",\"content\":[{"
     "\"text\":\"found\"}]}}",
     "contentBlockStart contentBlockDelta contentBlockStop", "/payload/delta/toolResult/0/text", "found"},
    {"{\"toolUse\":{\"toolUseId\":\"x\",\"name\":\"t\",\"input\":{},\"type\":\"server_tool_use\"}}",
     "contentBlockStart contentBlockDelta contentBlockStop", "/payload/start/toolUse/type", "server_tool_use"},
};

static void check_events(const cJSON *events, size_t row)
{
    const struct shape *stream = api_shape(api(), "ConverseStreamOutput");
    const cJSON *e;
    cJSON_ArrayForEach(e, events)
    {
        const struct shape_member *m = shape_member(stream, text_at(e, "/name"));
        CLEANUP(api_fault_release) struct api_fault fault = API_FAULT_INIT;
        CLAIM(m != NULL && api_check_shape(api(), m->type, json_at(e, "/payload"), &fault) == OK, "%zu: %s: %s", row,
              text_at(e, "/name"), buf_text(&fault.text));
    }
}

static void every_block_may_go_out(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(blocks_out); i++) {
        const struct out_row *row = &blocks_out[i];
        CLEANUP(buf_release) struct buf reply = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf line = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf whole = BUF_INIT(BUF_ANY);
        CLEANUP(api_fault_release) struct api_fault fault = API_FAULT_INIT;
        CLEANUP(json_free) cJSON *wanted = NULL;
        enum es_error end;
        buf_addf(&reply, "{\"replies\":[{\"reply\":{\"content\":[%s]}},{\"reply\":{\"content\":[%s]}}]}", row->block,
                 row->block);
        script(m, buf_text(&reply));
        CLEANUP(reply_release) struct reply unary = ask(m, CONVERSE, HELLO);
        CLAIM(json_parse(span_of(row->block), 0, &wanted, NULL) == OK &&
                  json_equal(json_at(unary.json, "/output/message/content/0"), wanted),
              "%zu: %s", i, buf_text(&unary.body));
        CLAIM(api_check_response(api(), api_operation(api(), "Converse"), unary.json, &fault) == OK, "%zu: %s", i,
              buf_text(&fault.text));
        CLEANUP(reply_release) struct reply streamed = ask(m, STREAM, HELLO);
        CLEANUP(json_free) cJSON *events = events_of(&streamed.body, &end);
        outline(events, &line);
        join(events, row->pointer, &whole);
        CLEANUP(buf_release) struct buf expected = BUF_INIT(BUF_ANY);
        buf_addf(&expected, "messageStart %s messageStop metadata", row->events);
        bool tool = strstr(row->events, "Start") != NULL && strstr(row->block, "\"toolUse\"") != NULL;
        CLAIM(tool ? strncmp(buf_text(&line), "messageStart contentBlockStart contentBlockDelta", 48) == 0
                   : strcmp(buf_text(&line), buf_text(&expected)) == 0,
              "%zu: %s", i, buf_text(&line));
        CLAIM(strcmp(buf_text(&whole), row->joined) == 0, "%zu: %s", i, buf_text(&whole));
        check_events(events, i);
    }
}

/* ---- limits, on both sides ---- */

static void png(uint32_t w, uint32_t h, struct buf *out)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    buf_add(&bytes, (struct span){(const unsigned char *)"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16});
    buf_add_u32(&bytes, w);
    buf_add_u32(&bytes, h);
    buf_adds(&bytes, "\x08\x02");
    buf_add_base64(out, buf_span(&bytes));
}

static void picture_of(const char *kind, uint32_t w, uint32_t h, struct buf *out)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    if (strcmp(kind, "png") == 0) {
        png(w, h, out);
        return;
    }
    buf_add(&bytes, (struct span){(const unsigned char *)"\xff\xd8\xff\xe1\x04\x00", 6});
    for (size_t i = 0; i < 1022; i++)
        buf_addc(&bytes, 'e');
    buf_add(&bytes, (struct span){(const unsigned char *)"\xff\xc0\x00\x11\x08", 5});
    buf_add_u16(&bytes, (uint16_t)h);
    buf_add_u16(&bytes, (uint16_t)w);
    buf_add_base64(out, buf_span(&bytes));
}

static void refused(struct mock *m, const char *path, const char *body, const char *rule, size_t row)
{
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{}");
    CLEANUP(reply_release) struct reply r = ask(m, path, body);
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    const char *told = text_at(j.json, "/entries/0/refusal/rule");
    CLAIM(r.status == (rule == NULL ? 200 : 400) && strcmp(told, rule == NULL ? "" : rule) == 0,
          "row %zu: %d, rule '%s', expected '%s': %.200s", row, r.status, told, rule == NULL ? "" : rule,
          buf_text(&r.body));
}

static void pictures_have_at_most_8000_pixels_a_side(void)
{
    static const struct {
        const char *path, *kind;
        uint32_t w, h;
        bool in_result;
        const char *rule;
    } rows[] = {
        {CONVERSE, "png", 8000, 8000, false, NULL},
        {CONVERSE, "png", 8001, 1, false, "image-pixels"},
        {CONVERSE, "png", 1, 8001, false, "image-pixels"},
        {CONVERSE, "png", 4294967295, 1, false, "image-pixels"},
        {CONVERSE, "jpeg", 8000, 8000, false, NULL},
        {CONVERSE, "jpeg", 8001, 1, false, "image-pixels"},
        {CONVERSE, "png", 8001, 1, true, "image-pixels"},
        {CONVERSE, "png", 8000, 1, true, NULL},
        {NOVA, "png", 8001, 8001, false, "image-pixels"},
        {ANY, "png", 8001, 8001, false, NULL},
    };
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
        picture_of(rows[i].kind, rows[i].w, rows[i].h, &bytes);
        buf_adds(&body, rows[i].in_result ? "{\"messages\":[" USER(HI) "," BOT(
                                                USE) ",{\"role\":\"user\",\"content\":[{"
                                                     "\"toolResult\":{\"toolUseId\":\"x\",\"content\":["
                                          : "{\"messages\":[{\"role\":\"user\",\"content\":[");
        buf_addf(&body, "{\"image\":{\"format\":\"%s\",\"source\":{\"bytes\":\"%s\"}}}", rows[i].kind,
                 buf_text(&bytes));
        buf_adds(&body, rows[i].in_result ? "]}}]}]," TOOLS "}" : "]}]}");
        refused(m, rows[i].path, buf_text(&body), rows[i].rule, i);
    }
}

static void media_have_at_most_so_many_bytes(void)
{
    static const struct {
        const char *path, *before, *after;
        size_t quads; /* AAAA each: three bytes */
        const char *tail, *rule;
    } rows[] = {
        {CONVERSE, "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"", "\"}}}", 1310720, "", NULL},
        {CONVERSE, "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"", "\"}}}", 1310720, "AA==", "image-size"},
        {NOVA, "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"", "\"}}}", 1310720, "AA==", "image-size"},
        {ANY, "{\"document\":{\"format\":\"csv\",\"name\":\"a\",\"source\":{\"bytes\":\"", "\"}}}", 1572864, "", NULL},
        {CONVERSE, "{\"document\":{\"format\":\"csv\",\"name\":\"a\",\"source\":{\"bytes\":\"", "\"}}}", 1572864, "",
         "context-claude"}, /* small enough, and still too much to read: so it was seen */
        {CONVERSE, "{\"document\":{\"format\":\"csv\",\"name\":\"a\",\"source\":{\"bytes\":\"", "\"}}}", 1572864,
         "AA==", "document-size"},
        {CONVERSE, "{\"document\":{\"format\":\"pdf\",\"name\":\"a\",\"source\":{\"bytes\":\"", "\"}}}", 1572865, "",
         NULL},
        {NOVA, "{\"document\":{\"format\":\"pdf\",\"name\":\"a\",\"source\":{\"bytes\":\"", "\"}}}", 1572865, "",
         "document-size"},
    };
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        buf_addf(&body, "{\"messages\":[{\"role\":\"user\",\"content\":[" HI ",%s", rows[i].before);
        for (size_t n = 0; n < rows[i].quads; n++)
            buf_adds(&body, "AAAA");
        buf_addf(&body, "%s%s]}]}", rows[i].tail, rows[i].after);
        refused(m, rows[i].path, buf_text(&body), rows[i].rule, i);
    }
}

#define DOCUMENT "{\"document\":{\"format\":\"txt\",\"name\":\"d%zu\",\"source\":{\"bytes\":\"AAAA\"}}}"
#define IMAGE    "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"AAAA\"}}}"

static void media_are_counted(void)
{
    static const struct {
        const char *path;
        size_t images, documents;
        const char *rule;
    } rows[] = {{CONVERSE, 20, 5, NULL},        {CONVERSE, 21, 0, "images"}, {CONVERSE, 0, 6, "document-count"},
                {NOVA, 0, 6, "document-count"}, {NOVA, 21, 5, "images"},         {ANY, 21, 0, NULL}};
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        buf_adds(&body, "{\"messages\":[{\"role\":\"user\",\"content\":[" HI);
        for (size_t n = 0; n < rows[i].images; n++)
            buf_adds(&body, "," IMAGE);
        for (size_t n = 0; n < rows[i].documents; n++)
            buf_addf(&body, "," DOCUMENT, n);
        buf_adds(&body, "]}]}");
        refused(m, rows[i].path, buf_text(&body), rows[i].rule, i);
    }
}

#define DOC1  "{\"document\":{\"format\":\"txt\",\"name\":\"d\",\"source\":{\"bytes\":\"AAAA\"}}}"
#define VIDEO "{\"video\":{\"format\":\"mp4\",\"source\":{\"bytes\":\"AAAA\"}}}"
#define AUDIO "{\"audio\":{\"format\":\"mp3\",\"source\":{\"bytes\":\"AAAA\"}}}"
#define IN(i)                                                                                                          \
    "{\"messages\":[" USER(HI) "," BOT("{\"toolUse\":{\"toolUseId\":\"x\",\"name\":\"t\",\"input\":" i                 \
                                       "}}") "," USER(RES(HI)) "]," TOOLS "}"
#define SCHEMA(s)                                                                                                      \
    "{\"messages\":[" USER(                                                                                            \
        HI) "],\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"t\",\"inputSchema\":{\"json\":" s "}}}]}}"
#define TURN(b) "{\"messages\":[" USER(HI) "," BOT(HI "," b) "," USER(HI) "]}"
#define ONE(b)  "{\"messages\":[" USER(HI "," b) "]}"

static void blocks_stand_where_they_may(void)
{
    static const struct {
        const char *path, *body, *rule;
    } rows[] = {
        {CONVERSE, TURN(IMAGE), "media-turn"},
        {CONVERSE, TURN(DOC1), "media-turn"},
        {NOVA, TURN(VIDEO), "media-turn"},
        {ANY, TURN(IMAGE), NULL},
        {CONVERSE, ONE(IMAGE), NULL},
        {LLAMA, ONE(IMAGE), "content-block"},
        {CONVERSE, ONE(VIDEO), "content-block"},
        {NOVA, ONE(VIDEO), NULL},
        {NOVA, ONE(AUDIO), "content-block"},
        {VOXTRAL, ONE(AUDIO), NULL},
        {ANY, ONE(AUDIO), NULL},
        {CONVERSE, IN("{}"), NULL},
        {CONVERSE, IN("{\"a\":1}"), NULL},
        {CONVERSE, IN("\"{}\""), "tool-input"},
        {CONVERSE, IN("[]"), "tool-input"},
        {CONVERSE, IN("7"), "tool-input"},
        {CONVERSE, IN("false"), "tool-input"},
        {CONVERSE, SCHEMA("{}"), NULL},
        {CONVERSE, SCHEMA("{\"type\":\"object\"}"), NULL},
        {CONVERSE, SCHEMA("{\"type\":\"string\"}"), "tool-schema-type"},
        {CONVERSE, SCHEMA("{\"type\":[\"object\",\"null\"]}"), "tool-schema-type"},
        {CONVERSE, SCHEMA("\"{}\""), "tool-schema"},
        {CONVERSE, SCHEMA("true"), "tool-schema"},
    };
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        refused(m, rows[i].path, rows[i].body, rows[i].rule, i);
}

/* The format is judged by the first bytes, when somebody wants that. */
static void formats_are_compared_when_told(void)
{
    static const char *const on[] = {"image-format", NULL};
    struct mock_config config = {.rules_on = on};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        static const char *const formats[] = {"png", "jpeg", "gif", "webp"};
        CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        from_hex(pictures[i].hex, &bytes);
        buf_add_base64(&text, buf_span(&bytes));
        for (size_t k = 0; bytes.len > 0 && k < COUNT_OF(formats); k++) {
            CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
            bool same = pictures[i].format != NULL && strcmp(pictures[i].format, formats[k]) == 0;
            buf_addf(&body,
                     "{\"messages\":[" USER("{\"image\":{\"format\":\"%s\",\"source\":{\"bytes\":\"%s\"}}}") "]}",
                     formats[k], buf_text(&text));
            refused(m, ANY, buf_text(&body), same ? NULL : "image-format", i * 10 + k);
        }
    }
}

/* ---- stop reasons ---- */

static const struct stop {
    const char *reason, *claude, *cohere;
} stops[] = {
    {"end_turn", "end_turn", "COMPLETE"},
    {"tool_use", "tool_use", "COMPLETE"},
    {"max_tokens", "max_tokens", "MAX_TOKENS"},
    {"stop_sequence", "stop_sequence", "STOP_SEQUENCE"},
    {"guardrail_intervened", "guardrail_intervened", "guardrail_intervened"},
    {"content_filtered", "refusal", "ERROR_TOXIC"},
    {"malformed_model_output", "malformed_model_output", "malformed_model_output"},
    {"malformed_tool_use", "malformed_tool_use", "malformed_tool_use"},
    {"model_context_window_exceeded", "model_context_window_exceeded", "model_context_window_exceeded"},
};

static void find_in_chunks(const cJSON *events, const char *pointer, struct buf *out)
{
    const cJSON *e;
    cJSON_ArrayForEach(e, events)
    {
        CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
        CLEANUP(json_free) cJSON *tree = NULL;
        if (buf_add_unbase64(&json, span_of(text_at(e, "/payload/bytes"))) == OK &&
            json_parse(buf_span(&json), 0, &tree, NULL) == OK)
            buf_adds(out, text_at(tree, pointer));
    }
}

static void native_stop_is(struct mock *m, const char *path, const char *body, bool streamed, const char *pointer,
                           const char *wanted)
{
    CLEANUP(buf_release) struct buf said = BUF_INIT(BUF_ANY);
    CLEANUP(reply_release) struct reply r = ask(m, path, body);
    enum es_error end;
    if (streamed) {
        CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
        find_in_chunks(events, pointer, &said);
    } else {
        buf_adds(&said, text_at(r.json, pointer));
    }
    CLAIM(strcmp(buf_text(&said), wanted) == 0, "%s%s: '%s', expected '%s'", path, pointer, buf_text(&said), wanted);
}

#define CLAUDE_BODY                                                                                                    \
    "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":"     \
    "\"hi\"}]}"
#define COHERE      "/model/cohere.command-r-v1%3A0/invoke"
#define COHERE_BODY "{\"message\":\"hi\"}"

static void all_stop_reasons_travel_in_all_forms(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    const struct shape *type = api_shape(api(), "StopReason");
    CU_ASSERT_EQUAL(type->value_count, COUNT_OF(stops));
    for (size_t i = 0; i < COUNT_OF(stops); i++) {
        const struct stop *s = &stops[i];
        CLEANUP(buf_release) struct buf reply = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf streamed = BUF_INIT(BUF_ANY);
        enum es_error end;
        bool known = false;
        for (size_t k = 0; k < type->value_count; k++)
            known = known || strcmp(type->values[k], s->reason) == 0;
        CLAIM(known, "%s is none", s->reason);
        buf_adds(&reply, "{\"replies\":[");
        for (size_t k = 0; k < 6; k++)
            buf_addf(&reply, "%s{\"reply\":{\"text\":\"x\",\"stop_reason\":\"%s\"}}", k > 0 ? "," : "", s->reason);
        buf_adds(&reply, "]}");
        script(m, buf_text(&reply));
        CLEANUP(reply_release) struct reply unary = ask(m, CONVERSE, HELLO);
        CLAIM(strcmp(text_at(unary.json, "/stopReason"), s->reason) == 0, "%s: %s", s->reason, buf_text(&unary.body));
        CLEANUP(reply_release) struct reply stream = ask(m, STREAM, HELLO);
        CLEANUP(json_free) cJSON *events = events_of(&stream.body, &end);
        join(events, "/payload/stopReason", &streamed);
        CLAIM(strcmp(buf_text(&streamed), s->reason) == 0, "%s streamed: %s", s->reason, buf_text(&streamed));
        native_stop_is(m, CLAUDE_N, CLAUDE_BODY, false, "/stop_reason", s->claude);
        native_stop_is(m, CLAUDE_N "-with-response-stream", CLAUDE_BODY, true, "/delta/stop_reason", s->claude);
        native_stop_is(m, COHERE, COHERE_BODY, false, "/finish_reason", s->cohere);
        native_stop_is(m, COHERE "-with-response-stream", COHERE_BODY, true, "/finish_reason", s->cohere);
    }
}

/* Five of them are the answer to a request, without a script. */
static void five_stop_reasons_are_had_by_asking(void)
{
    static const struct {
        const char *reason, *body;
    } rows[] = {
        {"end_turn", HELLO},
        {"max_tokens", "{\"messages\":[" USER(HI) "],\"inferenceConfig\":{\"maxTokens\":1}}"},
        {"tool_use",
         "{\"messages\":[" USER(HI) "],\"toolConfig\":{\"toolChoice\":{\"any\":{}},\"tools\":[{\"toolSpec\":{"
                                    "\"name\":\"t\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]}}"},
        {"stop_sequence", "{\"messages\":[" USER(HI) "],\"inferenceConfig\":{\"stopSequences\":[\"e\"]}}"},
        {"guardrail_intervened",
         "{\"messages\":[" USER(
             "{\"text\":\"mohs:hate:high\"}") "],\"guardrailConfig\":{"
                                              "\"guardrailIdentifier\":\"%s\",\"guardrailVersion\":\"DRAFT\"}}"},
    };
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply list = fetch(mock_port(m), "GET", "/guardrails", "", NULL, &usual_key);
    const cJSON *g;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool reached = false;
        CLEANUP(buf_release) struct buf got = BUF_INIT(BUF_ANY);
        if (strchr(rows[i].body, '%') == NULL) {
            CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, rows[i].body);
            buf_adds(&got, text_at(r.json, "/stopReason"));
            reached = strcmp(buf_text(&got), rows[i].reason) == 0;
        }
        cJSON_ArrayForEach(g, json_at(list.json, "/guardrails"))
        {
            CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
            if (strchr(rows[i].body, '%') == NULL)
                break;
            const char *hole = strstr(rows[i].body, "%s");
            buf_addf(&body, "%.*s%s%s", (int)(hole - rows[i].body), rows[i].body, text_at(g, "/id"), hole + 2);
            CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, buf_text(&body));
            reached = reached || strcmp(text_at(r.json, "/stopReason"), rows[i].reason) == 0;
        }
        CLAIM(reached, "%s: %s", rows[i].reason, buf_text(&got));
    }
}

/* ---- what is asked for beside the answer ---- */

#define ASKING(more) "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hello\"}]}]," more "}"
#define PATHS(p)     "\"additionalModelResponseFieldPaths\":[" p "]"

static void echoes_latency_and_tier(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const char body[] =
        ASKING("\"performanceConfig\":{\"latency\":\"optimized\"},\"serviceTier\":{\"type\":\"flex\"}");
    static const char echoed[] =
        ",\"performanceConfig\":{\"latency\":\"optimized\"},\"serviceTier\":{\"type\":\"flex\"},\"";
    CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, body);
    CLAIM(r.status == 200 && strstr(buf_text(&r.body), echoed) != NULL, "%s", buf_text(&r.body));
    CLAIM(strstr(buf_text(&r.body), "\"role\":\"assistant\"}},\"performanceConfig\"") != NULL, "%s", buf_text(&r.body));
    CLEANUP(reply_release) struct reply plain = ask(m, CONVERSE, HELLO);
    CLAIM(json_member(plain.json, "performanceConfig") == NULL && json_member(plain.json, "serviceTier") == NULL, "%s",
          buf_text(&plain.body));

    CLEANUP(reply_release) struct reply s = ask(m, STREAM, body);
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&s.body, &end);
    const cJSON *event;
    cJSON_ArrayForEach(event, events)
    {
        bool last = strcmp(text_at(event, "/name"), "metadata") == 0;
        CLEANUP(free_ptr) char *text = json_text(json_member(event, "payload"), JSON_COMPACT);
        CLAIM((strstr(text, echoed) != NULL) == last, "%s", text);
    }
    CLAIM(cJSON_GetArraySize(events) > 4, "%d events", cJSON_GetArraySize(events));
}

static const struct fields_row {
    const char *model, *body;
    const char *script; /* NULL: the default answer */
    const char *fields; /* sorted; NULL: none */
} fields_rows[] = {
    {HAIKU, ASKING(PATHS("\"/stop_sequence\"") ",\"inferenceConfig\":{\"stopSequences\":[\"never\",\"hello\"]}"), NULL,
     "{\"stop_sequence\":\"hello\"}"},
    {HAIKU, ASKING(PATHS("\"/stop_sequence\"")), NULL, "{\"stop_sequence\":null}"},
    {HAIKU, ASKING(PATHS("\"/stop_sequence\"") ",\"inferenceConfig\":{\"stopSequences\":[\"END\"]}"),
     "{\"text\":\"a\",\"stop_reason\":\"stop_sequence\"}", "{\"stop_sequence\":\"END\"}"},
    {HAIKU, ASKING(PATHS("\"/usage/output_tokens\",\"/stop_reason\",\"/usage/input_tokens\",\"/nowhere\"")),
     "{\"text\":\"a\",\"usage\":{\"inputTokens\":7,\"outputTokens\":3}}",
     "{\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":7,\"output_tokens\":3}}"},
    {HAIKU, ASKING(PATHS("\"/content/0/text\",\"/content/1\"")), "{\"text\":\"a\"}", "{\"content\":{\"0\":{\"text\":\"a\"}}}"},
    {HAIKU, ASKING(PATHS("\"/content\",\"/content/0/text\"")), "{\"text\":\"a\"}",
     "{\"content\":[{\"text\":\"a\",\"type\":\"text\"}]}"},
    {HAIKU, ASKING(PATHS("\"/nowhere\",\"role\",\"~\"")), "{\"text\":\"a\"}", NULL},
    {HAIKU, ASKING(PATHS("")), "{\"text\":\"a\"}", NULL},
    {HAIKU, ASKING(PATHS("\"/stop_reason\"")),
     "{\"text\":\"a\",\"extra\":{\"additionalModelResponseFields\":{\"mine\":1}}}", "{\"mine\":1}"},
    {"meta.llama3-1-8b-instruct-v1%3A0", ASKING(PATHS("\"/generation\",\"/stop_reason\"")), "{\"text\":\"a\"}",
     "{\"generation\":\"a\",\"stop_reason\":\"stop\"}"},
    {"amazon.nova-lite-v1%3A0", ASKING(PATHS("\"/stopReason\"")), "{\"text\":\"a\"}", "{\"stopReason\":\"end_turn\"}"},
    {"mistral.mistral-large-2402-v1%3A0", ASKING(PATHS("\"/choices/0/stop_reason\"")), "{\"text\":\"a\"}",
     "{\"choices\":{\"0\":{\"stop_reason\":\"stop\"}}}"},
};

static void fields_are(const struct fields_row *row, const cJSON *holder)
{
    const cJSON *fields = json_member(holder, "additionalModelResponseFields");
    CLEANUP(free_ptr) char *text = fields == NULL ? NULL : json_text(fields, JSON_SORTED);
    bool same = row->fields == NULL || text == NULL ? row->fields == text : strcmp(text, row->fields) == 0;
    CLAIM(same, "%s %s: %s", row->model, row->body, text != NULL ? text : "no fields");
}

static void fields_of_the_native_answer_are_told(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(fields_rows); i++) {
        const struct fields_row *row = &fields_rows[i];
        char path[128], told[256];
        (void)snprintf(told, sizeof told, "{\"replies\":[{\"reply\":%s,\"times\":2}]}", row->script);
        if (row->script != NULL)
            script(m, told);
        (void)snprintf(path, sizeof path, "/model/%s/converse", row->model);
        CLEANUP(reply_release) struct reply r = ask(m, path, row->body);
        CLAIM(r.status == 200, "%s: %s", row->body, buf_text(&r.body));
        fields_are(row, r.json);
        (void)snprintf(path, sizeof path, "/model/%s/converse-stream", row->model);
        CLEANUP(reply_release) struct reply s = ask(m, path, row->body);
        enum es_error end;
        CLEANUP(json_free) cJSON *events = events_of(&s.body, &end);
        const cJSON *event;
        cJSON_ArrayForEach(event, events)
        {
            const cJSON *payload = json_member(event, "payload");
            if (strcmp(text_at(event, "/name"), "messageStop") == 0)
                fields_are(row, payload);
            else
                CLAIM(json_member(payload, "additionalModelResponseFields") == NULL, "%s", text_at(event, "/name"));
        }
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"sizes are read from headers", sizes_are_read_from_headers},
        {"a header that is cut short is not known", a_header_that_is_cut_short_is_not_known},
        {"every block may come in", every_block_may_come_in},
        {"every block may go out", every_block_may_go_out},
        {"pictures have at most 8000 pixels a side", pictures_have_at_most_8000_pixels_a_side},
        {"media have at most so many bytes", media_have_at_most_so_many_bytes},
        {"media are counted", media_are_counted},
        {"blocks stand where they may", blocks_stand_where_they_may},
        {"formats are compared when told", formats_are_compared_when_told},
        {"all stop reasons travel in all forms", all_stop_reasons_travel_in_all_forms},
        {"five stop reasons are had by asking", five_stop_reasons_are_had_by_asking},
        {"echoes latency and tier", echoes_latency_and_tier},
        {"fields of the native answer are told", fields_of_the_native_answer_are_told},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_blocks", tests);
}
