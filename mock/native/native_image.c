/* native_image.c: the answers of models that draw.
 *
 * The picture follows from the seed and from everything else that was asked, sizes excepted; so one request gives the
 * same bytes for ever, and two prompts give two pictures. A seed that is missing (or Stability's 0, "choose one") is
 * made from the prompt, not by chance. A scripted stop_reason content_filtered makes the answer of a content filter.
 */
#include "mock/native/native_image.h"

#include <ctype.h>
#include <stdlib.h>

#include "mock/native/image.h"

#define PIXELS_MAX    4194304u /* of Nova Canvas; of services that make images larger, in the mock */
#define SEED_SALT     0x696d616765u
#define COLOURS_MAX   10
#define FILTERED_TEXT "All of the generated images have been blocked by our content filters."

static uint32_t number_at(const cJSON *body, const char *pointer, uint32_t otherwise)
{
    int64_t n;
    const cJSON *item = json_at(body, pointer);
    return item != NULL && json_int64(item, &n) && n >= 0 && n <= UINT32_MAX ? (uint32_t)n : otherwise;
}

bool image_of(const char *base64, uint32_t *width, uint32_t *height)
{
    CLEANUP(buf_release) struct buf file = BUF_INIT(BUF_ANY);
    *width = *height = 0;
    return base64 != NULL && buf_add_unbase64(&file, span_of(base64)) == OK &&
           image_size(buf_span(&file), width, height) == OK;
}

bool image_colour(const char *text, unsigned char rgb[3])
{
    unsigned long value = strtoul(text[0] == '#' ? text + 1 : text, NULL, 16);
    for (size_t i = 0; i < 3; i++)
        rgb[i] = (unsigned char)(value >> (16 - 8 * i));
    for (size_t i = 1; i < 7; i++)
        if (text[0] != '#' || !isxdigit((unsigned char)text[i]))
            return false;
    return text[7] == '\0';
}

void read_image(const struct native_family *f, const cJSON *body, cJSON *asked)
{
    (void)f;
    (void)body;
    (void)asked; /* nothing is said to anybody */
}

static bool is_filtered(const struct native *n)
{
    return strcmp(n->a->stop_reason, "content_filtered") == 0;
}

static void add_base64_file(struct native *n, const struct picture *p, bool jpeg, struct buf *out)
{
    CLEANUP(buf_release) struct buf file = BUF_INIT(BUF_ANY);
    if (jpeg)
        image_jpeg(p, &file);
    else
        image_png(p, &file);
    if (buf_error(&file) != OK)
        n->a->failed = true;
    buf_addc(out, '"');
    buf_add_base64(out, buf_span(&file));
    buf_addc(out, '"');
}

/* ---- Amazon's ---- */

static const uint16_t titan_sizes[][2] = {{1024, 1024}, {768, 768},  {512, 512},  {768, 1152}, {384, 576},
                                          {1152, 768},  {576, 384},  {768, 1280}, {384, 640},  {1280, 768},
                                          {640, 384},   {896, 1152}, {448, 576},  {1152, 896}, {576, 448},
                                          {768, 1408},  {384, 704},  {1408, 768}, {704, 384},  {640, 1408},
                                          {320, 704},   {1408, 640}, {704, 320},  {1152, 640}, {1173, 640}};

static bool is_titan_size(uint32_t w, uint32_t h)
{
    for (size_t i = 0; i < COUNT_OF(titan_sizes); i++)
        if (titan_sizes[i][0] == w && titan_sizes[i][1] == h)
            return true;
    return false;
}

/* The image that is worked on, whose size the answer has. */
static const char *edited(const cJSON *body)
{
    static const char *const places[] = {"/inPaintingParams/image", "/outPaintingParams/image",
                                         "/backgroundRemovalParams/image", "/virtualTryOnParams/sourceImage"};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const cJSON *item = json_at(body, places[i]);
        if (cJSON_IsString(item))
            return item->valuestring;
    }
    return NULL;
}

bool image_amazon_size(const char *model, const cJSON *body, uint32_t *w, uint32_t *h)
{
    const char *from = edited(body);
    if (from != NULL && image_of(from, w, h))
        return *w <= IMAGE_SIDE_MAX && *h <= IMAGE_SIDE_MAX && (uint64_t)*w * *h <= PIXELS_MAX;
    *w = number_at(body, "/imageGenerationConfig/width", 1024);
    *h = number_at(body, "/imageGenerationConfig/height", 1024);
    if (strstr(model, "titan") != NULL)
        return is_titan_size(*w, *h);
    return *w % 16 == 0 && *h % 16 == 0 && *w <= 4 * *h && *h <= 4 * *w && (uint64_t)*w * *h <= PIXELS_MAX;
}

static size_t colours_of(const cJSON *body, unsigned char out[COLOURS_MAX * 3])
{
    const cJSON *item, *list = json_at(body, "/colorGuidedGenerationParams/colors");
    size_t n = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (n < COLOURS_MAX && cJSON_IsString(item) && image_colour(item->valuestring, out + n * 3))
            n++;
    }
    return n;
}

static uint64_t add_asked(uint64_t hash, const cJSON *member)
{
    CLEANUP(free_ptr) char *text = json_text(member, JSON_SORTED);
    return rng_hash(rng_hash(hash, span_of(member->string)), span_of(text));
}

/* All that was asked but sizes, seed and number. */
static uint64_t amazon_seed(const struct native *n)
{
    uint64_t hash = rng_hash(SEED_SALT, span_of(n->family->id));
    const cJSON *item;
    cJSON_ArrayForEach(item, n->body)
    {
        if (strcmp(item->string, "imageGenerationConfig") != 0)
            hash = add_asked(hash, item);
    }
    return hash;
}

void write_amazon_image(struct native *n, struct buf *out)
{
    uint32_t w, h, otherwise = n->model_id != NULL && strstr(n->model_id, "titan") != NULL ? 42 : 12;
    uint32_t seed = number_at(n->body, "/imageGenerationConfig/seed", otherwise);
    uint32_t count = number_at(n->body, "/imageGenerationConfig/numberOfImages", 1);
    unsigned char colours[COLOURS_MAX * 3];
    size_t colour_count = colours_of(n->body, colours);
    uint64_t asked = amazon_seed(n);
    (void)image_amazon_size(n->model_id == NULL ? "" : n->model_id, n->body, &w, &h);
    native_print(out, "{'images':[");
    for (uint32_t i = 0; !is_filtered(n) && i < count && i < 5; i++) {
        struct picture p;
        uint64_t each = (uint64_t)seed + i;
        picture_init(&p, w, h, rng_hash(asked, (struct span){(const unsigned char *)&each, sizeof each}), colours,
                     colour_count);
        p.cut_out = json_member(n->body, "backgroundRemovalParams") != NULL;
        if (i > 0)
            buf_addc(out, ',');
        add_base64_file(n, &p, false, out);
    }
    native_print(out, "],'error':%q}", is_filtered(n) ? FILTERED_TEXT : NULL);
}

/* ---- Stability's ---- */

/* About a megapixel, in multiples of 64, as the provider's pages have it. */
static const struct {
    const char *ratio;
    uint16_t w, h;
} ratios[] = {{"1:1", 1024, 1024}, {"16:9", 1344, 768}, {"21:9", 1536, 640}, {"2:3", 832, 1216}, {"3:2", 1216, 832},
              {"4:5", 896, 1088},  {"5:4", 1088, 896},  {"9:16", 768, 1344}, {"9:21", 640, 1536}};

/* The strings that say what is wanted, and the seed. */
static uint64_t stability_seed(const struct native *n)
{
    static const char *const form[] = {"output_format", "aspect_ratio", "mode"};
    uint64_t hash = rng_hash(SEED_SALT, span_of(n->family->id));
    const cJSON *item;
    cJSON_ArrayForEach(item, n->body)
    {
        bool counts = cJSON_IsString(item) || strcmp(item->string, "text_prompts") == 0;
        for (size_t i = 0; i < COUNT_OF(form); i++)
            counts = counts && strcmp(item->string, form[i]) != 0;
        hash = counts ? add_asked(hash, item) : hash;
    }
    return hash;
}

static uint32_t seed_of(const struct native *n, uint64_t asked)
{
    uint32_t seed = number_at(n->body, "/seed", 0);
    return seed != 0 ? seed : (uint32_t)(asked % UINT32_MAX) + 1;
}

/* The sides of the answer: of the image that came in, larger where that is the service; else by the ratio. */
static void stability_size(const struct native *n, uint32_t *w, uint32_t *h)
{
    const char *ratio = json_str(n->body, "aspect_ratio"), *model = n->model_id == NULL ? "" : n->model_id;
    const char *image = json_str(n->body, "init_image");
    image = image != NULL ? image : json_str(n->body, "image");
    bool keeps = n->family->write == write_stability && strstr(model, "style-guide") == NULL;
    *w = number_at(n->body, "/width", 1024);
    *h = number_at(n->body, "/height", 1024);
    for (size_t i = 0; ratio != NULL && i < COUNT_OF(ratios); i++)
        if (strcmp(ratios[i].ratio, ratio) == 0) {
            *w = ratios[i].w;
            *h = ratios[i].h;
        }
    uint32_t iw, ih;
    if (!keeps || !image_of(image, &iw, &ih))
        return;
    *w = iw;
    *h = ih;
    if (strstr(model, "outpaint") != NULL) {
        *w += number_at(n->body, "/left", 0) % 2001 + number_at(n->body, "/right", 0) % 2001;
        *h += number_at(n->body, "/up", 0) % 2001 + number_at(n->body, "/down", 0) % 2001;
    }
    uint32_t times = strstr(model, "upscale") != NULL ? 4 : 1;
    while (times > 1 && (uint64_t)iw * ih * times * times > PIXELS_MAX)
        times--;
    *w *= times;
    *h *= times;
}

static void stability_picture(const struct native *n, uint32_t *seed, struct picture *p)
{
    uint32_t w, h;
    uint64_t asked = stability_seed(n);
    *seed = seed_of(n, asked);
    stability_size(n, &w, &h);
    picture_init(p, w, h, asked ^ (*seed * (uint64_t)0x9e3779b97f4a7c15u), NULL, 0);
    p->cut_out = n->model_id != NULL && strstr(n->model_id, "remove-background") != NULL;
}

void write_stability(struct native *n, struct buf *out)
{
    if (is_filtered(n)) {
        native_print(out, "{'finish_reasons':['Filter reason: prompt']}");
        return;
    }
    const char *format = json_str(n->body, "output_format");
    struct picture p;
    uint32_t seed;
    stability_picture(n, &seed, &p);
    native_print(out, "{'seeds':[%n],'finish_reasons':[null],'images':[", (uint64_t)seed);
    add_base64_file(n, &p, format != NULL && strcmp(format, "jpeg") == 0, out);
    buf_adds(out, "]}");
}

void write_sdxl(struct native *n, struct buf *out)
{
    struct picture p;
    uint32_t seed;
    stability_picture(n, &seed, &p);
    native_print(out, "{'result':'success','artifacts':[{'seed':%n,'base64':", (uint64_t)seed);
    add_base64_file(n, &p, false, out);
    native_print(out, ",'finishReason':%q}]}", is_filtered(n) ? "CONTENT_FILTERED" : "SUCCESS");
}
