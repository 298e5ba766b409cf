/* native_image_rules.c: is this the body of a model that draws?
 *
 * A table says which members there are for each task or model, of what kind and within which bounds, by the user guide
 * and the providers' pages. What breaks it is told in the words of the JSON schema validator that Bedrock was seen to
 * quote for other models; nobody recorded these for image models, so only the frame of the sentence is known.
 */
#include "mock/native_image.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>

#include "mock/rules.h"

#define SEED_MAX 4294967295.0

enum kind { WHOLE, NUMBER, TEXT, CHOICE, IMAGE, IMAGES, COLOURS, THING };

struct member {
    const char *at;
    enum kind kind;
    bool needed;
    double min, max;   /* of a number, of a text's characters, of a list's items */
    const char *words; /* of a choice, apart by '|' */
};

#define MEMBERS_MAX 11
struct task {
    const char *models, *name, *params; /* name NULL: whatever the model is asked */
    struct member members[MEMBERS_MAX]; /* below params */
};

#define STILL        "*amazon.nova-canvas*"
#define TITAN        "*amazon.titan-image*"
#define NOT_TITAN_V1 "not Titan v1"
#define NEGATIVE                                                                                                       \
    {                                                                                                                  \
        "negativeText", TEXT, false, 1, 1024, NULL                                                                     \
    }
#define MASK                                                                                                           \
    {"maskPrompt", TEXT, false, 1, 1024, NULL},                                                                        \
    {                                                                                                                  \
        "maskImage", IMAGE, false, 0, 0, NULL                                                                          \
    }
#define SOURCE(member)                                                                                                 \
    {                                                                                                                  \
        member, IMAGE, true, 0, 0, NULL                                                                                \
    }

static const struct task tasks[] = {
    {"*",
     "TEXT_IMAGE",
     "textToImageParams",
     {{"text", TEXT, true, 1, 1024, NULL},
      NEGATIVE,
      {"conditionImage", IMAGE, false, 0, 0, NULL},
      {"controlMode", CHOICE, false, 0, 0, "CANNY_EDGE|SEGMENTATION"},
      {"controlStrength", NUMBER, false, 0, 1, NULL},
      {"style", TEXT, false, 1, 64, NULL}}},
    {"*", "INPAINTING", "inPaintingParams", {SOURCE("image"), {"text", TEXT, false, 1, 1024, NULL}, NEGATIVE, MASK}},
    {"*",
     "OUTPAINTING",
     "outPaintingParams",
     {SOURCE("image"),
      {"text", TEXT, true, 1, 1024, NULL},
      NEGATIVE,
      MASK,
      {"outPaintingMode", CHOICE, false, 0, 0, "DEFAULT|PRECISE"}}},
    {"*",
     "IMAGE_VARIATION",
     "imageVariationParams",
     {{"images", IMAGES, true, 1, 5, NULL},
      {"text", TEXT, false, 1, 1024, NULL},
      NEGATIVE,
      {"similarityStrength", NUMBER, false, 0.2, 1, NULL}}},
    {NOT_TITAN_V1,
     "COLOR_GUIDED_GENERATION",
     "colorGuidedGenerationParams",
     {{"text", TEXT, true, 1, 1024, NULL},
      NEGATIVE,
      {"colors", COLOURS, true, 1, 10, NULL},
      {"referenceImage", IMAGE, false, 0, 0, NULL}}},
    {NOT_TITAN_V1, "BACKGROUND_REMOVAL", "backgroundRemovalParams", {SOURCE("image")}},
    {STILL,
     "VIRTUAL_TRY_ON",
     "virtualTryOnParams",
     {SOURCE("sourceImage"),
      SOURCE("referenceImage"),
      {"maskType", CHOICE, true, 0, 0, "IMAGE|GARMENT|PROMPT"},
      {"imageBasedMask", THING, false, 0, 0, NULL},
      {"garmentBasedMask", THING, false, 0, 0, NULL},
      {"promptBasedMask", THING, false, 0, 0, NULL},
      {"maskExclusions", THING, false, 0, 0, NULL},
      {"mergeStyle", CHOICE, false, 0, 0, "BALANCED|SEAMLESS|DETAILED"},
      {"returnMask", THING, false, 0, 0, NULL}}},
};

static const struct task configs[] = {
    {STILL,
     NULL,
     "imageGenerationConfig",
     {{"numberOfImages", WHOLE, false, 1, 5, NULL},
      {"width", WHOLE, false, 320, 4096, NULL},
      {"height", WHOLE, false, 320, 4096, NULL},
      {"cfgScale", NUMBER, false, 1.1, 10, NULL},
      {"seed", WHOLE, false, 0, 2147483646, NULL},
      {"quality", CHOICE, false, 0, 0, "standard|premium"}}},
    {TITAN,
     NULL,
     "imageGenerationConfig",
     {{"numberOfImages", WHOLE, false, 1, 5, NULL},
      {"width", WHOLE, false, 1, 4096, NULL},
      {"height", WHOLE, false, 1, 4096, NULL},
      {"cfgScale", NUMBER, false, 1.1, 10, NULL},
      {"seed", WHOLE, false, 0, 2147483646, NULL},
      {"quality", CHOICE, false, 0, 0, "standard|premium"}}},
};

#define RATIOS "16:9|1:1|21:9|2:3|3:2|4:5|5:4|9:16|9:21"
#define COMMON                                                                                                         \
    {"negative_prompt", TEXT, false, 0, 10000, NULL}, {"seed", WHOLE, false, 0, SEED_MAX, NULL},                       \
    {                                                                                                                  \
        "output_format", CHOICE, false, 0, 0, "png|jpeg"                                                               \
    }
#define PROMPT                                                                                                         \
    {                                                                                                                  \
        "prompt", TEXT, true, 0, 10000, NULL                                                                           \
    }
#define STRENGTH(member)                                                                                               \
    {                                                                                                                  \
        member, NUMBER, false, 0, 1, NULL                                                                              \
    }

/* Stability's; the first row whose models fit. */
static const struct task plain[] = {
    {"*stable-diffusion-xl*",
     NULL,
     NULL,
     {{"text_prompts", THING, true, 0, 0, NULL},
      {"width", WHOLE, false, 128, 2048, NULL},
      {"height", WHOLE, false, 128, 2048, NULL},
      {"cfg_scale", NUMBER, false, 0, 35, NULL},
      {"steps", WHOLE, false, 10, 150, NULL},
      {"samples", WHOLE, false, 1, 1, NULL},
      {"init_image", IMAGE, false, 0, 0, NULL},
      {"seed", WHOLE, false, 0, SEED_MAX, NULL}}},
    {"*stability.sd3*",
     NULL,
     NULL,
     {PROMPT,
      COMMON,
      {"aspect_ratio", CHOICE, false, 0, 0, RATIOS},
      {"mode", CHOICE, false, 0, 0, "text-to-image|image-to-image"},
      {"image", IMAGE, false, 0, 0, NULL},
      STRENGTH("strength")}},
    {"*stable-image-core* *stable-image-ultra*",
     NULL,
     NULL,
     {PROMPT,
      COMMON,
      {"aspect_ratio", CHOICE, false, 0, 0, RATIOS},
      {"image", IMAGE, false, 0, 0, NULL},
      STRENGTH("strength")}},
    {"*style-transfer*",
     NULL,
     NULL,
     {SOURCE("init_image"), SOURCE("style_image"), COMMON, STRENGTH("composition_fidelity"), STRENGTH("style_strength"),
      STRENGTH("change_strength")}},
    {"*creative-upscale* *conservative-upscale*",
     NULL,
     NULL,
     {SOURCE("image"), PROMPT, COMMON, STRENGTH("creativity")}},
    {"*fast-upscale* *remove-background*", NULL, NULL, {SOURCE("image"), COMMON}},
    {"*control-*", NULL, NULL, {SOURCE("image"), PROMPT, COMMON, STRENGTH("control_strength")}},
    {"*style-guide*",
     NULL,
     NULL,
     {SOURCE("image"), PROMPT, COMMON, STRENGTH("fidelity"), {"aspect_ratio", CHOICE, false, 0, 0, RATIOS}}},
    {"*inpaint*", NULL, NULL, {SOURCE("image"), PROMPT, COMMON, {"mask", IMAGE, false, 0, 0, NULL}}},
    {"*erase*", NULL, NULL, {SOURCE("image"), COMMON, {"mask", IMAGE, false, 0, 0, NULL}}},
    {"*search-recolor*", NULL, NULL, {SOURCE("image"), PROMPT, {"select_prompt", TEXT, true, 0, 10000, NULL}, COMMON}},
    {"*search-replace*", NULL, NULL, {SOURCE("image"), PROMPT, {"search_prompt", TEXT, true, 0, 10000, NULL}, COMMON}},
    {"*outpaint*",
     NULL,
     NULL,
     {SOURCE("image"),
      COMMON,
      {"left", WHOLE, false, 0, 2000, NULL},
      {"right", WHOLE, false, 0, 2000, NULL},
      {"up", WHOLE, false, 0, 2000, NULL},
      {"down", WHOLE, false, 0, 2000, NULL},
      STRENGTH("creativity")}},
};

/* ---- saying it ---- */

struct check {
    struct buf first; /* "#/a/b: expected ..." of the first violation */
    size_t count;
};

static void broken(struct check *c, const char *params, const char *at, const char *format, ...) PRINTF_LIKE(4, 5);
static void broken(struct check *c, const char *params, const char *at, const char *format, ...)
{
    if (c->count++ > 0)
        return;
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_addf(&c->first, "#%s%s%s%s: %s", params != NULL ? "/" : "", params != NULL ? params : "",
             at[0] != '\0' ? "/" : "", at, text);
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static const char *schema_type(const cJSON *v)
{
    return cJSON_IsString(v)   ? "String"
           : cJSON_IsNumber(v) ? v->valuedouble == (double)(int64_t)v->valuedouble ? "Integer" : "Double"
           : cJSON_IsBool(v)   ? "Boolean"
           : cJSON_IsArray(v)  ? "JSONArray"
                               : "JSONObject";
}

static bool is_image(const cJSON *v)
{
    uint32_t w, h;
    return cJSON_IsString(v) && image_of(v->valuestring, &w, &h);
}

static bool is_colour(const cJSON *v)
{
    unsigned char rgb[3];
    return cJSON_IsString(v) && image_colour(v->valuestring, rgb);
}

static bool is_among(const char *word, const char *words)
{
    struct span rest = span_of(words), one;
    for (bool more = true; more;) {
        more = span_split(rest, '|', &one, &rest);
        if (span_is(one, word))
            return true;
    }
    return false;
}

/* ---- looking ---- */

static void check_number(struct check *c, const char *params, const struct member *m, const cJSON *v)
{
    if (!cJSON_IsNumber(v))
        broken(c, params, m->at, "expected type: %s, found: %s", m->kind == WHOLE ? "Integer" : "Number",
               schema_type(v));
    else if (v->valuedouble < m->min)
        broken(c, params, m->at, "%.15g is not greater or equal to %.15g", v->valuedouble, m->min);
    else if (v->valuedouble > m->max)
        broken(c, params, m->at, "%.15g is not less or equal to %.15g", v->valuedouble, m->max);
    else if (m->kind == WHOLE && v->valuedouble != (double)(int64_t)v->valuedouble)
        broken(c, params, m->at, "expected type: Integer, found: Double");
}

static void check_text(struct check *c, const char *params, const struct member *m, const cJSON *v)
{
    size_t n = cJSON_IsString(v) ? characters(v->valuestring) : 0;
    if (!cJSON_IsString(v))
        broken(c, params, m->at, "expected type: String, found: %s", schema_type(v));
    else if (n < (size_t)m->min)
        broken(c, params, m->at, "expected minLength: %zu, actual: %zu", (size_t)m->min, n);
    else if (n > (size_t)m->max)
        broken(c, params, m->at, "expected maxLength: %zu, actual: %zu", (size_t)m->max, n);
}

static void check_list(struct check *c, const char *params, const struct member *m, const cJSON *v)
{
    const cJSON *item;
    size_t n = cJSON_IsArray(v) ? (size_t)cJSON_GetArraySize(v) : 0, i = 0;
    if (!cJSON_IsArray(v)) {
        broken(c, params, m->at, "expected type: JSONArray, found: %s", schema_type(v));
        return;
    }
    if (n < (size_t)m->min)
        broken(c, params, m->at, "expected minimum item count: %zu, found: %zu", (size_t)m->min, n);
    if (n > (size_t)m->max)
        broken(c, params, m->at, "expected maximum item count: %zu, found: %zu", (size_t)m->max, n);
    cJSON_ArrayForEach(item, v)
    {
        char at[64];
        (void)snprintf(at, sizeof at, "%s/%zu", m->at, i++);
        if (m->kind == IMAGES && !is_image(item))
            broken(c, params, at, "not a PNG or JPEG image in base64");
        if (m->kind == COLOURS && !is_colour(item))
            broken(c, params, at, "string [%.32s] does not match pattern ^#[0-9a-fA-F]{6}$",
                   cJSON_IsString(item) ? item->valuestring : "");
    }
}

static void check_member(struct check *c, const char *params, const struct member *m, const cJSON *v)
{
    switch (m->kind) {
    case WHOLE:
    case NUMBER:
        check_number(c, params, m, v);
        break;
    case TEXT:
        check_text(c, params, m, v);
        break;
    case CHOICE:
        if (!cJSON_IsString(v) || !is_among(v->valuestring, m->words))
            broken(c, params, m->at, "%.64s is not a valid enum value", cJSON_IsString(v) ? v->valuestring : "it");
        break;
    case IMAGE:
        if (!is_image(v))
            broken(c, params, m->at, "not a PNG or JPEG image in base64");
        break;
    case IMAGES:
    case COLOURS:
        check_list(c, params, m, v);
        break;
    case THING:
        break;
    }
}

/* `closed`: no other members. */
static void check_members(struct check *c, const struct task *t, const cJSON *object, bool closed)
{
    size_t n = 0;
    for (; n < MEMBERS_MAX && t->members[n].at != NULL; n++) {
        const struct member *m = &t->members[n];
        const cJSON *v = json_member(object, m->at);
        if (v != NULL)
            check_member(c, t->params, m, v);
        else if (m->needed)
            broken(c, t->params, "", "required key [%s] not found", m->at);
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        size_t i = 0;
        while (i < n && strcmp(t->members[i].at, item->string) != 0)
            i++;
        if (closed && i == n)
            broken(c, t->params, "", "extraneous key [%.64s] is not permitted", item->string);
    }
}

static bool fits(const char *globs, const char *model)
{
    struct span rest = span_of(globs), one;
    for (bool more = true; more;) {
        char glob[64];
        more = span_split(rest, ' ', &one, &rest);
        (void)snprintf(glob, sizeof glob, "%.*s", (int)one.n, (const char *)one.p);
        if (fnmatch(glob, model, 0) == 0)
            return true;
    }
    return false;
}

/* Titan v1 has the id without a version behind it, or with one: the generation is what counts. */
static bool task_fits(const struct task *t, const char *model)
{
    if (strcmp(t->models, NOT_TITAN_V1) == 0)
        return strstr(model, "titan-image-generator-v1") == NULL;
    return fits(t->models, model);
}

static void check_amazon(struct check *c, const char *model, const cJSON *body)
{
    const char *name = json_str(body, "taskType");
    const cJSON *config = json_member(body, "imageGenerationConfig");
    const struct task *t = NULL;
    for (size_t i = 0; name != NULL && i < COUNT_OF(tasks); i++)
        if (strcmp(tasks[i].name, name) == 0 && task_fits(&tasks[i], model))
            t = &tasks[i];
    if (t == NULL) {
        broken(c, "taskType", "", "%.64s is not a valid enum value", name != NULL ? name : "it");
        return;
    }
    const cJSON *params = json_member(body, t->params), *item;
    if (!cJSON_IsObject(params))
        broken(c, NULL, "", "required key [%s] not found", t->params);
    else
        check_members(c, t, params, true);
    bool paints = strcmp(t->params, "inPaintingParams") == 0 || strcmp(t->params, "outPaintingParams") == 0;
    if (paints && (json_member(params, "maskPrompt") == NULL) == (json_member(params, "maskImage") == NULL))
        broken(c, t->params, "", "exactly one of maskPrompt and maskImage is wanted");
    cJSON_ArrayForEach(item, body)
    {
        if (strcmp(item->string, "taskType") != 0 && strcmp(item->string, t->params) != 0 &&
            strcmp(item->string, "imageGenerationConfig") != 0 && strncmp(item->string, "amazon-bedrock-", 15) != 0)
            broken(c, NULL, "", "extraneous key [%.64s] is not permitted", item->string);
    }
    for (size_t i = 0; config != NULL && i < COUNT_OF(configs); i++)
        if (fits(configs[i].models, model))
            check_members(c, &configs[i], config, true);
    uint32_t w, h;
    if (c->count == 0 && !image_amazon_size(model, body, &w, &h))
        broken(c, "imageGenerationConfig", "", "%ux%u is not a size of this model", w, h);
}

static void check_stability(struct check *c, const char *model, const cJSON *body)
{
    const struct task *t = NULL;
    for (size_t i = 0; t == NULL && i < COUNT_OF(plain); i++)
        if (fits(plain[i].models, model))
            t = &plain[i];
    if (t == NULL)
        return;
    check_members(c, t, body, false);
    const cJSON *prompts = json_member(body, "text_prompts"), *width = json_member(body, "width");
    const char *mode = json_str(body, "mode");
    if (strcmp(t->members[0].at, "text_prompts") == 0 && prompts != NULL &&
        json_str(json_at(prompts, "/0"), "text") == NULL)
        broken(c, "text_prompts", "0", "required key [text] not found");
    if (width != NULL && cJSON_IsNumber(width) && (int64_t)width->valuedouble % 64 != 0)
        broken(c, NULL, "width", "%.15g is not a multiple of 64", width->valuedouble);
    const cJSON *height = json_member(body, "height");
    if (height != NULL && cJSON_IsNumber(height) && (int64_t)height->valuedouble % 64 != 0)
        broken(c, NULL, "height", "%.15g is not a multiple of 64", height->valuedouble);
    if (mode != NULL && strcmp(mode, "image-to-image") == 0 && json_member(body, "image") == NULL)
        broken(c, NULL, "", "required key [image] not found");
    if (fits("*outpaint*", model) && json_member(body, "left") == NULL && json_member(body, "right") == NULL &&
        json_member(body, "up") == NULL && json_member(body, "down") == NULL)
        broken(c, NULL, "", "one of left, right, up and down is wanted");
}

bool rule_native_image(const struct visit *v, struct finding *f)
{
    const struct native_family *family = v->native.family;
    if (family == NULL || !family->draws || !cJSON_IsObject(v->native.body))
        return false;
    struct check c = {.first = BUF_INIT(REFUSAL_TEXT_MAX)};
    const char *model = v->model_id == NULL ? "" : v->model_id;
    if (family->write == write_amazon_image)
        check_amazon(&c, model, v->native.body);
    else
        check_stability(&c, model, v->native.body);
    buf_adds(&f->whole, "Malformed input request: ");
    if (c.count > 1)
        buf_addf(&f->whole, "%zu schema violations found", c.count);
    else
        buf_add(&f->whole, buf_span(&c.first));
    buf_adds(&f->whole, ", please reformat your input and try again.");
    buf_release(&c.first);
    return c.count > 0;
}
