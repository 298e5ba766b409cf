/* Models that draw: files that an independent reader decodes, pictures that follow from prompt and seed, the tasks and
 * sizes of each model, and what is said when they are not kept. The PNG reader here inflates fixed and stored blocks
 * and checks both sums; the JPEG reader builds its Huffman codes from the file's own tables. */
#include <stdlib.h>

#include "mock/native/image.h"

#include "mock_rig.h"

#define CANVAS  "/model/amazon.nova-canvas-v1%3A0/invoke"
#define TITAN1  "/model/amazon.titan-image-generator-v1/invoke"
#define TITAN2  "/model/amazon.titan-image-generator-v2%3A0/invoke"
#define SD3     "/model/stability.sd3-5-large-v1%3A0/invoke"
#define CORE    "/model/stability.stable-image-core-v1%3A1/invoke"
#define SDXL    "/model/stability.stable-diffusion-xl-v1/invoke"
#define SERVICE "/model/us.stability."
#define TEXT(t) "{\"taskType\":\"TEXT_IMAGE\",\"textToImageParams\":{\"text\":\"" t "\"}"

/* ---- an inflate that knows fixed codes and stored blocks ---- */

struct in {
    const unsigned char *p;
    size_t n, bit;
};

static unsigned bits(struct in *in, unsigned n)
{
    unsigned v = 0;
    for (unsigned i = 0; i < n; i++, in->bit++)
        if (in->bit / 8 < in->n)
            v |= (unsigned)(in->p[in->bit / 8] >> in->bit % 8 & 1) << i;
    return v;
}

static int symbol(struct in *in)
{
    int code = 0;
    for (int n = 1; n <= 9; n++) {
        code = code << 1 | (int)bits(in, 1);
        if (n == 7 && code <= 23)
            return 256 + code;
        if (n == 8 && code >= 48 && code <= 191)
            return code - 48;
        if (n == 8 && code >= 192 && code <= 199)
            return 280 + code - 192;
        if (n == 9 && code >= 400)
            return 144 + code - 400;
    }
    return -1;
}

static bool copy(struct in *in, int s, struct buf *out)
{
    static const int base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                               31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const unsigned more[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                    2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    size_t length = (size_t)base[s - 257] + bits(in, more[s - 257]);
    unsigned code = 0;
    for (int i = 0; i < 5; i++)
        code = code << 1 | bits(in, 1);
    size_t distance = code + 1;
    if (code > 3 || distance > out->len)
        return false;
    for (size_t i = 0; i < length; i++)
        buf_addc(out, out->data[out->len - distance]);
    return true;
}

static bool inflate(struct span z, struct buf *out)
{
    struct in in = {z.p + 2, z.n - 6, 0};
    unsigned last;
    if (z.n < 7 || ((unsigned)z.p[0] << 8 | z.p[1]) % 31 != 0 || (z.p[0] & 15) != 8)
        return false;
    do {
        last = bits(&in, 1);
        if (bits(&in, 2) != 1)
            return false;
        for (int s = symbol(&in); s != 256; s = symbol(&in)) {
            if (s < 0 || s > 285 || in.bit > in.n * 8 || (s > 256 && !copy(&in, s, out)))
                return false;
            if (s < 256)
                buf_addc(out, (char)s);
        }
    } while (!last);
    unsigned long a = 1, b = 0;
    for (size_t i = 0; i < out->len; i++) {
        a = (a + (unsigned char)out->data[i]) % 65521;
        b = (b + a) % 65521;
    }
    const unsigned char *sum = z.p + z.n - 4;
    return (b << 16 | a) ==
           ((unsigned long)sum[0] << 24 | (unsigned long)sum[1] << 16 | (unsigned long)sum[2] << 8 | sum[3]);
}

static uint32_t u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t crc(const unsigned char *p, size_t n)
{
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
    }
    return ~c;
}

struct pixels {
    uint32_t w, h, channels;
    struct buf raw; /* with a filter byte before each row */
};

/* The pixels of a PNG; false with any sum, length or filter that is not right. */
static bool read_png(struct span f, struct pixels *p)
{
    bool ended = false;
    p->raw = BUF_INIT(BUF_ANY);
    for (size_t at = 8; at + 12 <= f.n;) {
        size_t n = u32(f.p + at);
        const unsigned char *c = f.p + at + 4;
        if (n > f.n - at - 12 || crc(c, n + 4) != u32(c + 4 + n) || ended)
            return false;
        if (memcmp(c, "IHDR", 4) == 0) {
            p->w = u32(c + 4);
            p->h = u32(c + 8);
            p->channels = c[13] == 6 ? 4 : 3;
            if (c[12] != 8 || (c[13] != 2 && c[13] != 6))
                return false;
        }
        if (memcmp(c, "IDAT", 4) == 0 && !inflate((struct span){c + 4, n}, &p->raw))
            return false;
        ended = memcmp(c, "IEND", 4) == 0;
        at += n + 12;
    }
    size_t row = (size_t)p->w * p->channels + 1;
    for (size_t y = 0; y < p->h && y * row < p->raw.len; y++)
        if (p->raw.data[y * row] != 0)
            return false;
    return ended && p->raw.len == row * p->h;
}

/* ---- a JPEG reader for blocks without AC ---- */

struct huffman {
    unsigned char counts[16], values[256];
};

struct jpeg {
    struct huffman dc, ac;
    unsigned w, h;
    unsigned quantizer;
    const unsigned char *p, *end;
    unsigned held, count;
};

static unsigned jpeg_bit(struct jpeg *j)
{
    if (j->count == 0) {
        j->held = j->p < j->end ? *j->p++ : 0xff;
        if (j->held == 0xff && j->p < j->end && *j->p == 0)
            j->p++;
        j->count = 8;
    }
    return j->held >> --j->count & 1;
}

static int jpeg_symbol(struct jpeg *j, const struct huffman *t)
{
    unsigned code = 0, first = 0, at = 0;
    for (size_t n = 0; n < 16; n++) {
        code = code << 1 | jpeg_bit(j);
        if (code - first < t->counts[n])
            return t->values[at + code - first];
        at += t->counts[n];
        first = (first + t->counts[n]) << 1;
    }
    return -1;
}

static void jpeg_segment(struct jpeg *j, unsigned marker, const unsigned char *s, size_t n)
{
    struct huffman *t = s[0] >> 4 ? &j->ac : &j->dc;
    if (marker == 0xc4) {
        memcpy(t->counts, s + 1, 16);
        memcpy(t->values, s + 17, n - 17);
    } else if (marker == 0xdb) {
        j->quantizer = s[1];
    } else if (marker == 0xc0) {
        j->h = (unsigned)s[1] << 8 | s[2];
        j->w = (unsigned)s[3] << 8 | s[4];
    }
}

static unsigned char clamp(double v)
{
    return (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5);
}

/* One colour a block, as RGB; false when it is no baseline JPEG of flat blocks. */
static bool read_jpeg(struct span f, struct jpeg *j, struct buf *out)
{
    const unsigned char *p = f.p + 2, *end = f.p + f.n;
    memset(j, 0, sizeof *j);
    if (f.n < 4 || f.p[0] != 0xff || f.p[1] != 0xd8 || end[-2] != 0xff || end[-1] != 0xd9)
        return false;
    while (end - p > 4 && p[1] != 0xda) {
        size_t n = (size_t)p[2] << 8 | p[3];
        jpeg_segment(j, p[1], p + 4, n - 2);
        p += n + 2;
    }
    j->p = p + 2 + ((size_t)p[2] << 8 | p[3]);
    j->end = end - 2;
    int dc[3] = {0};
    for (size_t i = 0; i < (size_t)((j->w + 7) / 8) * ((j->h + 7) / 8); i++) {
        double c[3];
        for (size_t k = 0; k < 3; k++) {
            int n = jpeg_symbol(j, &j->dc), v = 0;
            for (int b = 0; b < n; b++)
                v = v << 1 | (int)jpeg_bit(j);
            dc[k] += n > 0 && v < 1 << (n - 1) ? v - (1 << n) + 1 : v;
            c[k] = dc[k] * (double)j->quantizer / 8 + (k == 0 ? 128 : 0);
            if (n < 0 || jpeg_symbol(j, &j->ac) != 0)
                return false;
        }
        buf_addc(out, (char)clamp(c[0] + 1.402 * c[2]));
        buf_addc(out, (char)clamp(c[0] - 0.344136 * c[1] - 0.714136 * c[2]));
        buf_addc(out, (char)clamp(c[0] + 1.772 * c[1]));
    }
    return j->p == j->end;
}

/* ---- the files ---- */

static void files_are_read_by_an_independent_reader(void)
{
    static const uint32_t sides[][2] = {{1, 1},   {2, 3},     {8, 4},      {87, 1},
                                        {1, 300}, {320, 333}, {1173, 640}, {4096, 320}};
    for (size_t i = 0; i < COUNT_OF(sides) * 2; i++) {
        struct picture p;
        struct pixels got = {0};
        CLEANUP(buf_release) struct buf file = BUF_INIT(BUF_ANY);
        picture_init(&p, sides[i / 2][0], sides[i / 2][1], i * 77, NULL, 0);
        p.cut_out = i % 2 == 1;
        image_png(&p, &file);
        bool good = read_png(buf_span(&file), &got);
        CLAIM(good && got.w == p.width && got.h == p.height && got.channels == (p.cut_out ? 4 : 3), "%ux%u: not a PNG",
              p.width, p.height);
        size_t n = (size_t)p.width * got.channels;
        CLEANUP(free_ptr) unsigned char *row = malloc(n);
        for (uint32_t y = 0; good && y < p.height; y++) {
            picture_row(&p, y, row);
            CU_ASSERT(memcmp(row, got.raw.data + y * (n + 1) + 1, n) == 0);
        }
        buf_release(&got.raw);
    }
}

static void a_jpeg_has_the_picture_s_colours(void)
{
    static const uint32_t sides[][2] = {{1, 1}, {8, 8}, {9, 17}, {1344, 768}};
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        struct picture p;
        struct jpeg j;
        CLEANUP(buf_release) struct buf file = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf blocks = BUF_INIT(BUF_ANY);
        picture_init(&p, sides[i][0], sides[i][1], i + 5, NULL, 0);
        image_jpeg(&p, &file);
        bool good = read_jpeg(buf_span(&file), &j, &blocks) && j.w == p.width && j.h == p.height;
        CLAIM(good, "%ux%u: not a JPEG", p.width, p.height);
        CLEANUP(free_ptr) unsigned char *row = malloc((size_t)p.width * 3);
        uint32_t across = (p.width + 7) / 8;
        for (uint32_t y = 0; good && y * 8 < p.height; y++) {
            picture_row(&p, y * 8 + 4 < p.height ? y * 8 + 4 : y * 8, row);
            for (uint32_t x = 0; x < across; x++)
                for (uint32_t k = 0; k < 3; k++) {
                    int want = row[(x * 8 + 4 < p.width ? x * 8 + 4 : x * 8) * 3 + k];
                    int got = (unsigned char)blocks.data[(y * across + x) * 3 + k];
                    CU_ASSERT(abs(want - got) <= 4);
                }
        }
    }
}

static void sides_are_read_from_headers_only(void)
{
    struct picture p;
    uint32_t w, h;
    CLEANUP(buf_release) struct buf png = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf jpeg = BUF_INIT(BUF_ANY);
    picture_init(&p, 300, 20, 1, NULL, 0);
    image_png(&p, &png);
    image_jpeg(&p, &jpeg);
    CU_ASSERT(image_size(buf_span(&png), &w, &h) == OK && w == 300 && h == 20);
    CU_ASSERT(image_size(buf_span(&jpeg), &w, &h) == OK && w == 300 && h == 20);
    for (size_t n = 0; n < 24; n++) /* every cut before the sides are there */
        CU_ASSERT(image_size(span_cut(buf_span(&png), 0, n), &w, &h) == ERR_SYNTAX);
    for (size_t n = 0; n < jpeg.len; n++) { /* any cut is read within its bounds */
        CLEANUP(free_ptr) unsigned char *exact = malloc(n + 1);
        memcpy(exact, jpeg.data, n);
        enum err e = image_size((struct span){exact, n}, &w, &h);
        CU_ASSERT(e == OK ? w == 300 && h == 20 : e == ERR_SYNTAX);
    }
    CU_ASSERT(image_size(SPAN_LIT("GIF89a"), &w, &h) == ERR_SYNTAX);
    CU_ASSERT(image_size(SPAN_EMPTY, &w, &h) == ERR_SYNTAX);
}

/* ---- over the wire ---- */

static bool file_at(const struct reply *r, const char *pointer, struct buf *out)
{
    return buf_add_unbase64(out, span_of(text_at(r->json, pointer))) == OK && out->len > 0;
}

static void input_png(uint32_t w, uint32_t h, struct buf *out)
{
    struct picture p;
    CLEANUP(buf_release) struct buf file = BUF_INIT(BUF_ANY);
    picture_init(&p, w, h, 9, NULL, 0);
    image_png(&p, &file);
    buf_add_base64(out, buf_span(&file));
}

/* "$I" becomes an image of 40x24, "$J" one of 64x64. */
static void with_images(const char *body, struct buf *out)
{
    for (; *body != '\0'; body++)
        if (body[0] == '$' && (body[1] == 'I' || body[1] == 'J')) {
            body++;
            input_png(*body == 'I' ? 40 : 64, *body == 'I' ? 24 : 64, out);
        } else {
            buf_addc(out, *body);
        }
}

static struct reply draw(struct mock *m, const char *path, const char *body)
{
    CLEANUP(buf_release) struct buf whole = BUF_INIT(BUF_ANY);
    with_images(body, &whole);
    return ask(m, path, buf_text(&whole));
}

static const struct {
    const char *path, *body;
    const char *at; /* the last image */
    uint32_t w, h, channels;
} drawn[] = {
    {CANVAS, TEXT("a cat") "}", "/images/0", 1024, 1024, 3},
    {CANVAS, TEXT("a cat") ",\"imageGenerationConfig\":{\"width\":320,\"height\":1280,\"numberOfImages\":5}}",
     "/images/4", 320, 1280, 3},
    {TITAN1, TEXT("a cat") ",\"imageGenerationConfig\":{\"width\":1173,\"height\":640,\"numberOfImages\":2}}",
     "/images/1", 1173, 640, 3},
    {TITAN2, TEXT("a cat") ",\"imageGenerationConfig\":{\"width\":320,\"height\":704}}", "/images/0", 320, 704, 3},
    {CANVAS, "{\"taskType\":\"INPAINTING\",\"inPaintingParams\":{\"image\":\"$I\",\"maskPrompt\":\"sky\"}}",
     "/images/0", 40, 24, 3},
    {TITAN1,
     "{\"taskType\":\"OUTPAINTING\",\"outPaintingParams\":{\"image\":\"$I\",\"text\":\"sea\",\"maskImage\":\"$I\","
     "\"outPaintingMode\":\"PRECISE\"}}",
     "/images/0", 40, 24, 3},
    {CANVAS,
     "{\"taskType\":\"IMAGE_VARIATION\",\"imageVariationParams\":{\"images\":[\"$I\",\"$J\"],\"similarityStrength\":0."
     "5},\"imageGenerationConfig\":{\"width\":512,\"height\":512}}",
     "/images/0", 512, 512, 3},
    {TITAN2,
     "{\"taskType\":\"COLOR_GUIDED_GENERATION\",\"colorGuidedGenerationParams\":{\"text\":\"x\",\"colors\":[\"#"
     "00FF00\"]},\"imageGenerationConfig\":{\"width\":512,\"height\":512}}",
     "/images/0", 512, 512, 3},
    {CANVAS, "{\"taskType\":\"BACKGROUND_REMOVAL\",\"backgroundRemovalParams\":{\"image\":\"$I\"}}", "/images/0", 40,
     24, 4},
    {CANVAS,
     "{\"taskType\":\"VIRTUAL_TRY_ON\",\"virtualTryOnParams\":{\"sourceImage\":\"$J\",\"referenceImage\":\"$I\","
     "\"maskType\":\"GARMENT\",\"garmentBasedMask\":{\"garmentClass\":\"UPPER_BODY\"}}}",
     "/images/0", 64, 64, 3},
    {SD3, "{\"prompt\":\"a cat\"}", "/images/0", 1024, 1024, 3},
    {SD3, "{\"prompt\":\"a cat\",\"mode\":\"image-to-image\",\"image\":\"$I\",\"strength\":0.3}", "/images/0", 40, 24,
     3},
    {CORE, "{\"prompt\":\"a cat\",\"aspect_ratio\":\"9:21\"}", "/images/0", 640, 1536, 3},
    {SDXL, "{\"text_prompts\":[{\"text\":\"a cat\"}],\"width\":512,\"height\":640}", "/artifacts/0/base64", 512, 640,
     3},
    {SERVICE "stable-fast-upscale-v1%3A0/invoke", "{\"image\":\"$I\"}", "/images/0", 160, 96, 3},
    {SERVICE "stable-creative-upscale-v1%3A0/invoke", "{\"image\":\"$I\",\"prompt\":\"x\",\"creativity\":0.3}",
     "/images/0", 160, 96, 3},
    {SERVICE "stable-conservative-upscale-v1%3A0/invoke", "{\"image\":\"$I\",\"prompt\":\"x\"}", "/images/0", 160, 96,
     3},
    {SERVICE "stable-image-remove-background-v1%3A0/invoke", "{\"image\":\"$I\"}", "/images/0", 40, 24, 4},
    {SERVICE "stable-image-control-sketch-v1%3A0/invoke", "{\"image\":\"$I\",\"prompt\":\"x\"}", "/images/0", 40, 24,
     3},
    {SERVICE "stable-image-control-structure-v1%3A0/invoke",
     "{\"image\":\"$I\",\"prompt\":\"x\",\"control_strength\":1}", "/images/0", 40, 24, 3},
    {SERVICE "stable-image-erase-object-v1%3A0/invoke", "{\"image\":\"$I\",\"mask\":\"$I\"}", "/images/0", 40, 24, 3},
    {SERVICE "stable-image-inpaint-v1%3A0/invoke", "{\"image\":\"$I\",\"prompt\":\"x\",\"mask\":\"$I\"}", "/images/0",
     40, 24, 3},
    {SERVICE "stable-image-search-recolor-v1%3A0/invoke",
     "{\"image\":\"$I\",\"prompt\":\"x\",\"select_prompt\":\"hat\"}", "/images/0", 40, 24, 3},
    {SERVICE "stable-image-search-replace-v1%3A0/invoke",
     "{\"image\":\"$I\",\"prompt\":\"x\",\"search_prompt\":\"hat\"}", "/images/0", 40, 24, 3},
    {SERVICE "stable-image-style-guide-v1%3A0/invoke", "{\"image\":\"$I\",\"prompt\":\"x\",\"aspect_ratio\":\"16:9\"}",
     "/images/0", 1344, 768, 3},
    {SERVICE "stable-style-transfer-v1%3A0/invoke", "{\"init_image\":\"$I\",\"style_image\":\"$J\"}", "/images/0", 40,
     24, 3},
    {SERVICE "stable-outpaint-v1%3A0/invoke", "{\"image\":\"$I\",\"left\":10,\"right\":6,\"up\":1,\"down\":3}",
     "/images/0", 56, 28, 3},
};

static void every_task_is_drawn_in_the_right_size(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(drawn); i++) {
        CLEANUP(reply_release) struct reply r = draw(m, drawn[i].path, drawn[i].body);
        CLEANUP(buf_release) struct buf file = BUF_INIT(BUF_ANY);
        struct pixels p = {0};
        CLAIM(r.status == 200 && file_at(&r, drawn[i].at, &file), "%s: %d %.300s", drawn[i].path, r.status,
              buf_text(&r.body));
        CLAIM(read_png(buf_span(&file), &p) && p.w == drawn[i].w && p.h == drawn[i].h &&
                  p.channels == drawn[i].channels,
              "%s %zu: %ux%u of %u", drawn[i].path, i, p.w, p.h, p.channels);
        buf_release(&p.raw);
    }
}

#define SMALL ",\"imageGenerationConfig\":{\"width\":320,\"height\":320"

static void prompt_and_seed_make_the_picture(void)
{
    struct mock_config config = {0}, other = {.seed = 99};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(rig_stop) struct mock *m2 = rig_start(&other);
    static const struct {
        const char *path, *a, *b, *at;
        bool same;
    } pairs[] = {
        {CANVAS, TEXT("a cat") SMALL ",\"seed\":7}}", TEXT("a cat") SMALL ",\"seed\":7}}", "/images/0", true},
        {CANVAS, TEXT("a cat") SMALL "}}", TEXT("a cat") SMALL ",\"seed\":12}}", "/images/0", true},
        {CANVAS, TEXT("a cat") SMALL ",\"seed\":7}}", TEXT("a cat") SMALL ",\"seed\":8}}", "/images/0", false},
        {CANVAS, TEXT("a cat") SMALL ",\"seed\":7}}", TEXT("a dog") SMALL ",\"seed\":7}}", "/images/0", false},
        {SD3, "{\"prompt\":\"a\",\"seed\":5}", "{\"prompt\":\"a\",\"seed\":5}", "/images/0", true},
        {SD3, "{\"prompt\":\"a\"}", "{\"prompt\":\"a\",\"seed\":0}", "/images/0", true},
        {SD3, "{\"prompt\":\"a\",\"seed\":5}", "{\"prompt\":\"a\",\"seed\":6}", "/images/0", false},
        {SD3, "{\"prompt\":\"a\",\"seed\":5}", "{\"prompt\":\"b\",\"seed\":5}", "/images/0", false},
        {SD3, "{\"prompt\":\"a\",\"seed\":5}", "{\"prompt\":\"a\",\"negative_prompt\":\"b\",\"seed\":5}", "/images/0",
         false},
        {SDXL, "{\"text_prompts\":[{\"text\":\"a\"}]}", "{\"text_prompts\":[{\"text\":\"b\"}]}", "/artifacts/0/base64",
         false},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        CLEANUP(reply_release) struct reply a = ask(m, pairs[i].path, pairs[i].a);
        CLEANUP(reply_release) struct reply b = ask(m2, pairs[i].path, pairs[i].b);
        const char *x = text_at(a.json, pairs[i].at), *y = text_at(b.json, pairs[i].at);
        CLAIM(x[0] != '\0' && (strcmp(x, y) == 0) == pairs[i].same, "%zu: %s", i,
              pairs[i].same ? "differ" : "the same");
    }
    CLEANUP(reply_release) struct reply two = ask(m, CANVAS, TEXT("a") SMALL ",\"numberOfImages\":2}}");
    CU_ASSERT(strcmp(text_at(two.json, "/images/0"), text_at(two.json, "/images/1")) != 0);
    CLEANUP(reply_release) struct reply s = ask(m, SD3, "{\"prompt\":\"a\",\"seed\":4294967295}");
    CU_ASSERT_EQUAL(number_at(s.json, "/seeds/0"), 4294967295.0);
    CLEANUP(reply_release) struct reply chosen = ask(m, SD3, "{\"prompt\":\"a\"}");
    CU_ASSERT(number_at(chosen.json, "/seeds/0") >= 1);
}

static void asked_colours_are_all_there_is(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply r = ask(m, CANVAS,
                         "{\"taskType\":\"COLOR_GUIDED_GENERATION\",\"colorGuidedGenerationParams\":{\"text\":"
                         "\"x\",\"colors\":[\"#102030\"]}" SMALL "}}");
    CLEANUP(buf_release) struct buf file = BUF_INIT(BUF_ANY);
    struct pixels p = {0};
    CU_ASSERT(file_at(&r, "/images/0", &file) && read_png(buf_span(&file), &p));
    size_t row = (size_t)p.w * 3 + 1;
    for (size_t i = 0; i < p.raw.len; i++)
        CU_ASSERT_FATAL(i % row == 0 || p.raw.data[i] == "\x10\x20\x30"[(i % row - 1) % 3]);
    buf_release(&p.raw);
}

static void output_format_jpeg_is_a_jpeg(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply r = ask(m, SD3, "{\"prompt\":\"a\",\"output_format\":\"jpeg\"}");
    CLEANUP(buf_release) struct buf file = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf blocks = BUF_INIT(BUF_ANY);
    struct jpeg j;
    CLAIM(file_at(&r, "/images/0", &file) && read_jpeg(buf_span(&file), &j, &blocks) && j.w == 1024 && j.h == 1024,
          "%.200s", buf_text(&r.body));
}

#define BAD(path, body, text)                                                                                          \
    {                                                                                                                  \
        path, body, "Malformed input request: " text ", please reformat your input and try again."                     \
    }
#define CONFIG(members) TEXT("a") ",\"imageGenerationConfig\":{" members "}}"
static const struct {
    const char *path, *body, *text;
} bad[] = {
    BAD(CANVAS, "{\"textToImageParams\":{\"text\":\"a\"}}", "#: required key [taskType] not found"),
    BAD(CANVAS, "{\"taskType\":\"PAINT\"}", "#/taskType: PAINT is not a valid enum value"),
    BAD(TITAN1, "{\"taskType\":\"BACKGROUND_REMOVAL\",\"backgroundRemovalParams\":{\"image\":\"$I\"}}",
        "#/taskType: BACKGROUND_REMOVAL is not a valid enum value"),
    BAD(TITAN2, "{\"taskType\":\"VIRTUAL_TRY_ON\",\"virtualTryOnParams\":{}}",
        "#/taskType: VIRTUAL_TRY_ON is not a valid enum value"),
    BAD(CANVAS, "{\"taskType\":\"TEXT_IMAGE\"}", "#: required key [textToImageParams] not found"),
    BAD(CANVAS, "{\"taskType\":\"TEXT_IMAGE\",\"textToImageParams\":{}}",
        "#/textToImageParams: required key [text] not found"),
    BAD(CANVAS, TEXT("") "}", "#/textToImageParams/text: expected minLength: 1, actual: 0"),
    BAD(CANVAS, "{\"taskType\":\"TEXT_IMAGE\",\"textToImageParams\":{\"text\":\"a\",\"tone\":1}}",
        "#/textToImageParams: extraneous key [tone] is not permitted"),
    BAD(CANVAS, TEXT("a") ",\"inPaintingParams\":{}}", "#: extraneous key [inPaintingParams] is not permitted"),
    BAD(CANVAS, CONFIG("\"numberOfImages\":6"), "#/imageGenerationConfig/numberOfImages: 6 is not less or equal to 5"),
    BAD(CANVAS, CONFIG("\"numberOfImages\":0"),
        "#/imageGenerationConfig/numberOfImages: 0 is not greater or equal to 1"),
    BAD(CANVAS, CONFIG("\"numberOfImages\":1.5"),
        "#/imageGenerationConfig/numberOfImages: expected type: Integer, found: Double"),
    BAD(CANVAS, CONFIG("\"cfgScale\":\"x\""), "#/imageGenerationConfig/cfgScale: expected type: Number, found: String"),
    BAD(CANVAS, CONFIG("\"quality\":\"best\""), "#/imageGenerationConfig/quality: best is not a valid enum value"),
    BAD(CANVAS, CONFIG("\"width\":330"), "#/imageGenerationConfig: 330x1024 is not a size of this model"),
    BAD(CANVAS, CONFIG("\"width\":4096,\"height\":320"),
        "#/imageGenerationConfig: 4096x320 is not a size of this model"),
    BAD(CANVAS, CONFIG("\"width\":4096,\"height\":4096"),
        "#/imageGenerationConfig: 4096x4096 is not a size of this model"),
    BAD(TITAN2, CONFIG("\"width\":1024,\"height\":768"),
        "#/imageGenerationConfig: 1024x768 is not a size of this model"),
    BAD(CANVAS, CONFIG("\"width\":1,\"height\":1"), "2 schema violations found"),
    BAD(CANVAS, "{\"taskType\":\"INPAINTING\",\"inPaintingParams\":{\"image\":\"$I\"}}",
        "#/inPaintingParams: exactly one of maskPrompt and maskImage is wanted"),
    BAD(CANVAS, "{\"taskType\":\"INPAINTING\",\"inPaintingParams\":{\"image\":\"AAAA\",\"maskPrompt\":\"x\"}}",
        "#/inPaintingParams/image: not a PNG or JPEG image in base64"),
    BAD(CANVAS, "{\"taskType\":\"IMAGE_VARIATION\",\"imageVariationParams\":{\"images\":[]}}",
        "#/imageVariationParams/images: expected minimum item count: 1, found: 0"),
    BAD(CANVAS,
        "{\"taskType\":\"IMAGE_VARIATION\",\"imageVariationParams\":{\"images\":[\"$I\"],\"similarityStrength\":0.1}}",
        "#/imageVariationParams/similarityStrength: 0.1 is not greater or equal to 0.2"),
    BAD(CANVAS,
        "{\"taskType\":\"COLOR_GUIDED_GENERATION\",\"colorGuidedGenerationParams\":{\"text\":\"x\",\"colors\":[\"red\"]"
        "}}",
        "#/colorGuidedGenerationParams/colors/0: string [red] does not match pattern ^#[0-9a-fA-F]{6}$"),
    BAD(SD3, "{\"seed\":1}", "#: required key [prompt] not found"),
    BAD(SD3, "{\"prompt\":\"a\",\"aspect_ratio\":\"1:2\"}", "#/aspect_ratio: 1:2 is not a valid enum value"),
    BAD(SD3, "{\"prompt\":\"a\",\"mode\":\"image-to-image\"}", "#: required key [image] not found"),
    BAD(SD3, "{\"prompt\":\"a\",\"output_format\":\"webp\"}", "#/output_format: webp is not a valid enum value"),
    BAD(SD3, "{\"prompt\":\"a\",\"seed\":4294967296}", "#/seed: 4294967296 is not less or equal to 4294967295"),
    BAD(SDXL, "{\"text_prompts\":[]}", "#/text_prompts/0: required key [text] not found"),
    BAD(SDXL, "{\"text_prompts\":[{\"text\":\"a\"}],\"width\":500}", "#/width: 500 is not a multiple of 64"),
    BAD(SERVICE "stable-outpaint-v1%3A0/invoke", "{\"image\":\"$I\"}", "#: one of left, right, up and down is wanted"),
    BAD(SERVICE "stable-image-search-replace-v1%3A0/invoke", "{\"image\":\"$I\",\"prompt\":\"x\"}",
        "#: required key [search_prompt] not found"),
};

static void what_a_model_cannot_draw_is_said(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(reply_release) struct reply r = draw(m, bad[i].path, bad[i].body);
        CLAIM(r.status == 400 && strcmp(text_at(r.json, "/message"), bad[i].text) == 0, "%zu: %d %.300s", i, r.status,
              buf_text(&r.body));
    }
    static const char *const off[] = {"native-image", NULL};
    struct mock_config lax = {.rules_off = off};
    CLEANUP(rig_stop) struct mock *m2 = rig_start(&lax);
    CLEANUP(reply_release)
    struct reply r = ask(m2, CANVAS, CONFIG("\"width\":330,\"height\":999999,\"numberOfImages\":1"));
    CU_ASSERT_EQUAL(r.status, 200);
}

/* Whatever is asked when nothing is refused, the answer is made within its ceilings. */
static void record_mode_draws_what_it_can(void)
{
    struct mock_config config = {.validation = MOCK_VALIDATION_RECORD};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const char *const bodies[] = {
        "{}",
        "[]",
        "{\"taskType\":3,\"textToImageParams\":7}",
        CONFIG("\"width\":0,\"height\":0,\"numberOfImages\":1e9"),
        "{\"taskType\":\"COLOR_GUIDED_GENERATION\",\"colorGuidedGenerationParams\":{\"colors\":[1,\"#\",\"#ffffff\"]}}",
        "{\"image\":\"====\",\"prompt\":[],\"seed\":\"x\",\"output_format\":1,\"text_prompts\":4}"};
    static const char *const paths[] = {CANVAS, TITAN1, SD3, SDXL, SERVICE "stable-fast-upscale-v1%3A0/invoke"};
    for (size_t i = 0; i < COUNT_OF(bodies) * COUNT_OF(paths); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, paths[i % COUNT_OF(paths)], bodies[i / COUNT_OF(paths)]);
        CLAIM(r.status == 200 && r.json != NULL, "%zu: %d %.200s", i, r.status, buf_text(&r.body));
    }
}

static void a_content_filter_is_scripted(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"times\":3,\"reply\":{\"stop_reason\":\"content_filtered\"}},"
              "{\"reply\":{\"extra\":{\"error\":\"one was blocked\"}}}]}");
    CLEANUP(reply_release) struct reply a = ask(m, CANVAS, TEXT("a") "}");
    CLEANUP(reply_release) struct reply b = ask(m, SD3, "{\"prompt\":\"a\"}");
    CLEANUP(reply_release) struct reply c = ask(m, SDXL, "{\"text_prompts\":[{\"text\":\"a\"}]}");
    CLEANUP(reply_release) struct reply d = ask(m, CANVAS, TEXT("a") "}");
    CLAIM(cJSON_GetArraySize(json_at(a.json, "/images")) == 0 &&
              strstr(text_at(a.json, "/error"), "blocked by our content filters") != NULL,
          "%.200s", buf_text(&a.body));
    CU_ASSERT_STRING_EQUAL(buf_text(&b.body), "{\"finish_reasons\":[\"Filter reason: prompt\"]}");
    CU_ASSERT_STRING_EQUAL(text_at(c.json, "/artifacts/0/finishReason"), "CONTENT_FILTERED");
    CLAIM(strcmp(text_at(d.json, "/error"), "one was blocked") == 0 && text_at(d.json, "/images/0")[0] != '\0',
          "%.200s", buf_text(&d.body));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"files are read by an independent reader", files_are_read_by_an_independent_reader},
        {"a JPEG has the picture's colours", a_jpeg_has_the_picture_s_colours},
        {"sides are read from headers only", sides_are_read_from_headers_only},
        {"every task is drawn in the right size", every_task_is_drawn_in_the_right_size},
        {"prompt and seed make the picture", prompt_and_seed_make_the_picture},
        {"asked colours are all there is", asked_colours_are_all_there_is},
        {"output_format jpeg is a JPEG", output_format_jpeg_is_a_jpeg},
        {"what a model cannot draw is said", what_a_model_cannot_draw_is_said},
        {"record mode draws what it can", record_mode_draws_what_it_can},
        {"a content filter is scripted", a_content_filter_is_scripted},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_image", tests);
}
