/* async_rules.c: which models take asynchronous calls, and what they want to be told: two rules of mock/rules/rules.c.
 *
 * By the user guide's pages on Nova Reel, Luma Ray, TwelveLabs Marengo and Nova's multimodal embeddings, none of which
 * says what a wrong input is answered with; so, as with images, only the frame of the sentence is known.
 */
#include "mock/rules/body_schema.h"
#include "mock/rules/rules.h"

#define SEED_MAX 2147483646

struct taker {
    const char *models; /* globs */
    const char *choose; /* the member that says which schema; NULL: there is one */
    bool anywhere;      /* that schema is of the whole input, not of the member params */
};

static const struct taker takers[] = {
    {"*amazon.nova-reel*", "taskType", false},
    {"*amazon.nova-*embeddings*", "taskType", false},
    {"*twelvelabs.marengo*", "inputType", true},
    {"*luma.ray*", NULL, true},
};

#define TEXT(member, most)                                                                                             \
    {                                                                                                                  \
        member, SCHEMA_TEXT, true, 1, most, NULL                                                                       \
    }
#define ANY(member, needed)                                                                                            \
    {                                                                                                                  \
        member, SCHEMA_THING, needed, 0, 0, NULL                                                                       \
    }
#define MEDIA {"inputType", SCHEMA_CHOICE, true, 0, 0, "text|image|video|audio"}, ANY("mediaSource", true)

static const struct schema schemas[] = {
    {"*amazon.nova-reel*", "TEXT_VIDEO", "textToVideoParams", {TEXT("text", 512), ANY("images", false)}},
    {"*amazon.nova-reel-v1:1*", "MULTI_SHOT_AUTOMATED", "multiShotAutomatedParams", {TEXT("text", 4000)}},
    {"*amazon.nova-reel-v1:1*", "MULTI_SHOT_MANUAL", "multiShotManualParams", {ANY("shots", true)}},
    {"*amazon.nova-*embeddings*",
     "SEGMENTED_EMBEDDING",
     "segmentedEmbeddingParams",
     {{"embeddingPurpose", SCHEMA_TEXT, true, 1, 64, NULL},
      {"embeddingDimension", SCHEMA_WHOLE, false, 256, 3072, NULL},
      ANY("text", false),
      ANY("image", false),
      ANY("video", false),
      ANY("audio", false)}},
    {"*twelvelabs.marengo*", "text", NULL, {TEXT("inputText", 2000)}},
    {"*twelvelabs.marengo*", "image", NULL, {MEDIA}},
    {"*twelvelabs.marengo*", "video", NULL, {MEDIA}},
    {"*twelvelabs.marengo*", "audio", NULL, {MEDIA}},
    {"*luma.ray*",
     NULL,
     NULL,
     {TEXT("prompt", 5000),
      {"aspect_ratio", SCHEMA_CHOICE, false, 0, 0, "1:1|16:9|9:16|4:3|3:4|21:9|9:21"},
      {"duration", SCHEMA_CHOICE, false, 0, 0, "5s|9s"},
      {"resolution", SCHEMA_CHOICE, false, 0, 0, "540p|720p"},
      ANY("loop", false),
      ANY("keyframes", false)}},
};

static const struct schema video = {"*amazon.nova-reel*",
                                    NULL,
                                    "videoGenerationConfig",
                                    {{"durationSeconds", SCHEMA_WHOLE, false, 6, 120, NULL},
                                     {"fps", SCHEMA_WHOLE, false, 24, 24, NULL},
                                     {"dimension", SCHEMA_CHOICE, false, 0, 0, "1280x720"},
                                     {"seed", SCHEMA_WHOLE, false, 0, SEED_MAX, NULL}}};

static const struct schema *find_schema(const char *model, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        bool named = schemas[i].name == NULL || (name != NULL && strcmp(schemas[i].name, name) == 0);
        if (named && schema_fits(schemas[i].models, model))
            return &schemas[i];
    }
    return NULL;
}

/* A text's video is of six seconds, one of several shots of twelve and more, all in steps of six. */
static void check_video(const cJSON *input, const char *task, struct schema_check *c)
{
    const cJSON *config = json_member(input, "videoGenerationConfig"), *item = json_member(config, "durationSeconds");
    int64_t seconds;
    if (config != NULL)
        schema_check_members(c, &video, config, true);
    if (item == NULL || !json_int64(item, &seconds) || c->count > 0)
        return;
    bool alone = strcmp(task, "TEXT_VIDEO") == 0;
    if (seconds % 6 != 0)
        schema_broken(c, "videoGenerationConfig", "durationSeconds", "%lld is not a multiple of 6", (long long)seconds);
    else if (alone && seconds > 6)
        schema_broken(c, "videoGenerationConfig", "durationSeconds", "%lld is not less or equal to 6",
                      (long long)seconds);
    else if (!alone && seconds < 12)
        schema_broken(c, "videoGenerationConfig", "durationSeconds", "%lld is not greater or equal to 12",
                      (long long)seconds);
}

/* Exactly one thing to make vectors of. */
static void check_medium(const cJSON *params, const char *at, struct schema_check *c)
{
    static const char *const media[] = {"text", "image", "video", "audio"};
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(media); i++)
        n += json_member(params, media[i]) != NULL;
    if (n != 1)
        schema_broken(c, at, "", "exactly one of text, image, video and audio is wanted");
}

static const struct taker *find_taker(const char *model)
{
    for (size_t i = 0; i < COUNT_OF(takers); i++)
        if (schema_fits(takers[i].models, model))
            return &takers[i];
    return NULL;
}

static void check_input(const struct taker *t, const char *model, const cJSON *input, struct schema_check *c)
{
    if (!cJSON_IsObject(input)) {
        schema_broken(c, NULL, "", "expected type: JSONObject");
        return;
    }
    const char *name = t->choose == NULL ? NULL : json_str(input, t->choose);
    const struct schema *s = find_schema(model, name);
    if (t->choose != NULL && json_member(input, t->choose) == NULL)
        schema_broken(c, NULL, "", "required key [%s] not found", t->choose);
    else if (s == NULL)
        schema_broken(c, t->choose, "", "%.64s is not a valid enum value", name != NULL ? name : "it");
    else if (t->anywhere)
        schema_check_members(c, s, input, false);
    else if (json_member(input, s->params) == NULL)
        schema_broken(c, NULL, "", "required key [%s] not found", s->params);
    else
        schema_check_members(c, s, json_member(input, s->params), false);
    if (s != NULL && schema_fits("*nova-reel*", model))
        check_video(input, s->name, c);
    if (s != NULL && s->params != NULL && schema_fits("*embeddings*", model) && c->count == 0)
        check_medium(json_member(input, s->params), s->params, c);
}

/* What the id stands for: a profile's or an ARN's model. */
static const char *model_of(const struct visit *v)
{
    return v->model.row != NULL && v->model.row->id[0] != '\0' ? v->model.row->id : v->model_id;
}

bool rule_not_asynchronous(const struct visit *v, struct finding *f)
{
    if (find_taker(model_of(v)) != NULL)
        return false;
    buf_addf(&f->whole, "The model %s does not support asynchronous invocation.", v->model_id);
    return true;
}

bool rule_async_input(const struct visit *v, struct finding *f)
{
    const char *model = model_of(v);
    const struct taker *t = find_taker(model);
    struct schema_check c = {.first = BUF_INIT(REFUSAL_TEXT_MAX)};
    if (t != NULL)
        check_input(t, model, json_member(v->body, "modelInput"), &c);
    bool bad = schema_say(&c, &f->whole);
    buf_release(&c.first);
    return bad;
}
