/* native_image_rules.c: is this the body of a model that draws?
 *
 * A table says which members there are for each task or model, of what kind and within which bounds, by the user guide
 * and the providers' pages. Nobody recorded what these models say to a wrong body: only the frame of the sentence is
 * known (body_schema.h).
 */
#include "mock/native/native_image.h"

#include "mock/rules/body_schema.h"
#include "mock/rules/rules.h"

#define SEED_MAX 4294967295.0

#define STILL        "*amazon.nova-canvas*"
#define TITAN        "*amazon.titan-image*"
#define NOT_TITAN_V1 "not Titan v1"
#define NEGATIVE                                                                                                       \
    {                                                                                                                  \
        "negativeText", SCHEMA_TEXT, false, 1, 1024, NULL                                                              \
    }
#define MASK                                                                                                           \
    {"maskPrompt", SCHEMA_TEXT, false, 1, 1024, NULL},                                                                 \
    {                                                                                                                  \
        "maskImage", SCHEMA_IMAGE, false, 0, 0, NULL                                                                   \
    }
#define SOURCE(member)                                                                                                 \
    {                                                                                                                  \
        member, SCHEMA_IMAGE, true, 0, 0, NULL                                                                         \
    }

static const struct schema tasks[] = {
    {"*",
     "TEXT_IMAGE",
     "textToImageParams",
     {{"text", SCHEMA_TEXT, true, 1, 1024, NULL},
      NEGATIVE,
      {"conditionImage", SCHEMA_IMAGE, false, 0, 0, NULL},
      {"controlMode", SCHEMA_CHOICE, false, 0, 0, "CANNY_EDGE|SEGMENTATION"},
      {"controlStrength", SCHEMA_NUMBER, false, 0, 1, NULL},
      {"style", SCHEMA_TEXT, false, 1, 64, NULL}}},
    {"*",
     "INPAINTING",
     "inPaintingParams",
     {SOURCE("image"), {"text", SCHEMA_TEXT, false, 1, 1024, NULL}, NEGATIVE, MASK}},
    {"*",
     "OUTPAINTING",
     "outPaintingParams",
     {SOURCE("image"),
      {"text", SCHEMA_TEXT, true, 1, 1024, NULL},
      NEGATIVE,
      MASK,
      {"outPaintingMode", SCHEMA_CHOICE, false, 0, 0, "DEFAULT|PRECISE"}}},
    {"*",
     "IMAGE_VARIATION",
     "imageVariationParams",
     {{"images", SCHEMA_IMAGES, true, 1, 5, NULL},
      {"text", SCHEMA_TEXT, false, 1, 1024, NULL},
      NEGATIVE,
      {"similarityStrength", SCHEMA_NUMBER, false, 0.2, 1, NULL}}},
    {NOT_TITAN_V1,
     "COLOR_GUIDED_GENERATION",
     "colorGuidedGenerationParams",
     {{"text", SCHEMA_TEXT, true, 1, 1024, NULL},
      NEGATIVE,
      {"colors", SCHEMA_COLOURS, true, 1, 10, NULL},
      {"referenceImage", SCHEMA_IMAGE, false, 0, 0, NULL}}},
    {NOT_TITAN_V1, "BACKGROUND_REMOVAL", "backgroundRemovalParams", {SOURCE("image")}},
    {STILL,
     "VIRTUAL_TRY_ON",
     "virtualTryOnParams",
     {SOURCE("sourceImage"),
      SOURCE("referenceImage"),
      {"maskType", SCHEMA_CHOICE, true, 0, 0, "IMAGE|GARMENT|PROMPT"},
      {"imageBasedMask", SCHEMA_THING, false, 0, 0, NULL},
      {"garmentBasedMask", SCHEMA_THING, false, 0, 0, NULL},
      {"promptBasedMask", SCHEMA_THING, false, 0, 0, NULL},
      {"maskExclusions", SCHEMA_THING, false, 0, 0, NULL},
      {"mergeStyle", SCHEMA_CHOICE, false, 0, 0, "BALANCED|SEAMLESS|DETAILED"},
      {"returnMask", SCHEMA_THING, false, 0, 0, NULL}}},
};

static const struct schema configs[] = {
    {STILL,
     NULL,
     "imageGenerationConfig",
     {{"numberOfImages", SCHEMA_WHOLE, false, 1, 5, NULL},
      {"width", SCHEMA_WHOLE, false, 320, 4096, NULL},
      {"height", SCHEMA_WHOLE, false, 320, 4096, NULL},
      {"cfgScale", SCHEMA_NUMBER, false, 1.1, 10, NULL},
      {"seed", SCHEMA_WHOLE, false, 0, 2147483646, NULL},
      {"quality", SCHEMA_CHOICE, false, 0, 0, "standard|premium"}}},
    {TITAN,
     NULL,
     "imageGenerationConfig",
     {{"numberOfImages", SCHEMA_WHOLE, false, 1, 5, NULL},
      {"width", SCHEMA_WHOLE, false, 1, 4096, NULL},
      {"height", SCHEMA_WHOLE, false, 1, 4096, NULL},
      {"cfgScale", SCHEMA_NUMBER, false, 1.1, 10, NULL},
      {"seed", SCHEMA_WHOLE, false, 0, 2147483646, NULL},
      {"quality", SCHEMA_CHOICE, false, 0, 0, "standard|premium"}}},
};

#define RATIOS "16:9|1:1|21:9|2:3|3:2|4:5|5:4|9:16|9:21"
#define COMMON                                                                                                         \
    {"negative_prompt", SCHEMA_TEXT, false, 0, 10000, NULL}, {"seed", SCHEMA_WHOLE, false, 0, SEED_MAX, NULL},         \
    {                                                                                                                  \
        "output_format", SCHEMA_CHOICE, false, 0, 0, "png|jpeg"                                                        \
    }
#define PROMPT                                                                                                         \
    {                                                                                                                  \
        "prompt", SCHEMA_TEXT, true, 0, 10000, NULL                                                                    \
    }
#define STRENGTH(member)                                                                                               \
    {                                                                                                                  \
        member, SCHEMA_NUMBER, false, 0, 1, NULL                                                                       \
    }

/* Stability's; the first row whose models fit. */
static const struct schema plain[] = {
    {"*stable-diffusion-xl*",
     NULL,
     NULL,
     {{"text_prompts", SCHEMA_THING, true, 0, 0, NULL},
      {"width", SCHEMA_WHOLE, false, 128, 2048, NULL},
      {"height", SCHEMA_WHOLE, false, 128, 2048, NULL},
      {"cfg_scale", SCHEMA_NUMBER, false, 0, 35, NULL},
      {"steps", SCHEMA_WHOLE, false, 10, 150, NULL},
      {"samples", SCHEMA_WHOLE, false, 1, 1, NULL},
      {"init_image", SCHEMA_IMAGE, false, 0, 0, NULL},
      {"seed", SCHEMA_WHOLE, false, 0, SEED_MAX, NULL}}},
    {"*stability.sd3*",
     NULL,
     NULL,
     {PROMPT,
      COMMON,
      {"aspect_ratio", SCHEMA_CHOICE, false, 0, 0, RATIOS},
      {"mode", SCHEMA_CHOICE, false, 0, 0, "text-to-image|image-to-image"},
      {"image", SCHEMA_IMAGE, false, 0, 0, NULL},
      STRENGTH("strength")}},
    {"*stable-image-core* *stable-image-ultra*",
     NULL,
     NULL,
     {PROMPT,
      COMMON,
      {"aspect_ratio", SCHEMA_CHOICE, false, 0, 0, RATIOS},
      {"image", SCHEMA_IMAGE, false, 0, 0, NULL},
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
     {SOURCE("image"), PROMPT, COMMON, STRENGTH("fidelity"), {"aspect_ratio", SCHEMA_CHOICE, false, 0, 0, RATIOS}}},
    {"*inpaint*", NULL, NULL, {SOURCE("image"), PROMPT, COMMON, {"mask", SCHEMA_IMAGE, false, 0, 0, NULL}}},
    {"*erase*", NULL, NULL, {SOURCE("image"), COMMON, {"mask", SCHEMA_IMAGE, false, 0, 0, NULL}}},
    {"*search-recolor*",
     NULL,
     NULL,
     {SOURCE("image"), PROMPT, {"select_prompt", SCHEMA_TEXT, true, 0, 10000, NULL}, COMMON}},
    {"*search-replace*",
     NULL,
     NULL,
     {SOURCE("image"), PROMPT, {"search_prompt", SCHEMA_TEXT, true, 0, 10000, NULL}, COMMON}},
    {"*outpaint*",
     NULL,
     NULL,
     {SOURCE("image"),
      COMMON,
      {"left", SCHEMA_WHOLE, false, 0, 2000, NULL},
      {"right", SCHEMA_WHOLE, false, 0, 2000, NULL},
      {"up", SCHEMA_WHOLE, false, 0, 2000, NULL},
      {"down", SCHEMA_WHOLE, false, 0, 2000, NULL},
      STRENGTH("creativity")}},
};

/* Titan v1 has the id without a version behind it, or with one: the generation is what counts. */
static bool task_fits(const struct schema *t, const char *model)
{
    if (strcmp(t->models, NOT_TITAN_V1) == 0)
        return strstr(model, "titan-image-generator-v1") == NULL;
    return schema_fits(t->models, model);
}

static void check_amazon(struct schema_check *c, const char *model, const cJSON *body)
{
    const char *name = json_str(body, "taskType");
    const cJSON *config = json_member(body, "imageGenerationConfig");
    const struct schema *t = NULL;
    for (size_t i = 0; name != NULL && i < COUNT_OF(tasks); i++)
        if (strcmp(tasks[i].name, name) == 0 && task_fits(&tasks[i], model))
            t = &tasks[i];
    if (t == NULL) {
        schema_broken(c, "taskType", "", "%.64s is not a valid enum value", name != NULL ? name : "it");
        return;
    }
    const cJSON *params = json_member(body, t->params), *item;
    if (!cJSON_IsObject(params))
        schema_broken(c, NULL, "", "required key [%s] not found", t->params);
    else
        schema_check_members(c, t, params, true);
    bool paints = strcmp(t->params, "inPaintingParams") == 0 || strcmp(t->params, "outPaintingParams") == 0;
    if (paints && (json_member(params, "maskPrompt") == NULL) == (json_member(params, "maskImage") == NULL))
        schema_broken(c, t->params, "", "exactly one of maskPrompt and maskImage is wanted");
    cJSON_ArrayForEach(item, body)
    {
        if (strcmp(item->string, "taskType") != 0 && strcmp(item->string, t->params) != 0 &&
            strcmp(item->string, "imageGenerationConfig") != 0 && strncmp(item->string, "amazon-bedrock-", 15) != 0)
            schema_broken(c, NULL, "", "extraneous key [%.64s] is not permitted", item->string);
    }
    for (size_t i = 0; config != NULL && i < COUNT_OF(configs); i++)
        if (schema_fits(configs[i].models, model))
            schema_check_members(c, &configs[i], config, true);
    uint32_t w, h;
    if (c->count == 0 && !image_amazon_size(model, body, &w, &h))
        schema_broken(c, "imageGenerationConfig", "", "%ux%u is not a size of this model", w, h);
}

static void check_stability(struct schema_check *c, const char *model, const cJSON *body)
{
    const struct schema *t = NULL;
    for (size_t i = 0; t == NULL && i < COUNT_OF(plain); i++)
        if (schema_fits(plain[i].models, model))
            t = &plain[i];
    if (t == NULL)
        return;
    schema_check_members(c, t, body, false);
    const cJSON *prompts = json_member(body, "text_prompts"), *width = json_member(body, "width");
    const char *mode = json_str(body, "mode");
    if (strcmp(t->members[0].at, "text_prompts") == 0 && prompts != NULL &&
        json_str(json_at(prompts, "/0"), "text") == NULL)
        schema_broken(c, "text_prompts", "0", "required key [text] not found");
    if (width != NULL && cJSON_IsNumber(width) && (int64_t)width->valuedouble % 64 != 0)
        schema_broken(c, NULL, "width", "%.15g is not a multiple of 64", width->valuedouble);
    const cJSON *height = json_member(body, "height");
    if (height != NULL && cJSON_IsNumber(height) && (int64_t)height->valuedouble % 64 != 0)
        schema_broken(c, NULL, "height", "%.15g is not a multiple of 64", height->valuedouble);
    if (mode != NULL && strcmp(mode, "image-to-image") == 0 && json_member(body, "image") == NULL)
        schema_broken(c, NULL, "", "required key [image] not found");
    if (schema_fits("*outpaint*", model) && json_member(body, "left") == NULL && json_member(body, "right") == NULL &&
        json_member(body, "up") == NULL && json_member(body, "down") == NULL)
        schema_broken(c, NULL, "", "one of left, right, up and down is wanted");
}

bool rule_native_image(const struct visit *v, struct finding *f)
{
    const struct native_family *family = v->native.family;
    if (family == NULL || !family->draws || !cJSON_IsObject(v->native.body))
        return false;
    struct schema_check c = {.first = BUF_INIT(REFUSAL_TEXT_MAX)};
    const char *model = v->model_id == NULL ? "" : v->model_id;
    if (family->write == write_amazon_image)
        check_amazon(&c, model, v->native.body);
    else
        check_stability(&c, model, v->native.body);
    bool bad = schema_say(&c, &f->whole);
    buf_release(&c.first);
    return bad;
}
