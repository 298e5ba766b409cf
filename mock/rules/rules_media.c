/* rules_media.c: the rules of pictures, documents, and of what tools are given and send.
 *
 * The API reference limits them for Converse: 20 images of 3.75 MB and 8000 by 8000 pixels, 5 documents of 4.5 MB, in
 * messages of the user only (Message, ContentBlock). That holds for every model that Converse asks; what is said about it
 * is the adapter's of the model and known for Claude alone, the others have words of ours. Rules that rest on one weak
 * report are off (fixtures/api/errors.json has the sources). 3.75 MB is 5 MiB of base64, and that is what was seen to be measured.
 *
 * Media stand in messages and in the results of tools; *f counts the place of the block of the message. As everywhere
 * in the rules, bodies may be of any form.
 */
#include "mock/rules/rules.h"

#include <stdio.h>

#include "protocol/media.h"
#include "protocol/token.h"

#define IMAGES_MAX         20
#define DOCUMENTS_MAX      5
#define IMAGE_BASE64_MAX   5242880
#define IMAGE_PIXELS_MAX   8000
#define IMAGE_PIXELS_MANY  2000
#define DOCUMENT_BYTES_MAX 4718592 /* 4.5 MiB */
#define TITAN_PIXELS_MAX   (2048 * 2048)

static bool is_known(const struct visit *v)
{
    return v->model.row != NULL && v->model.row->id[0] != '\0';
}

static bool is_claude(const struct visit *v)
{
    return is_known(v) && v->model.row->claude;
}

static bool is_word(const cJSON *object, const char *key, const char *word)
{
    const char *text = json_str(object, key);
    return text != NULL && strcmp(text, word) == 0;
}

/* ---- the walk ---- */

static const char *const media_kinds[] = {"image", "document", "video", "audio"};

struct media {
    const cJSON *message;
    const char *kind;
    const cJSON *value; /* the ImageBlock, DocumentBlock ... */
};

typedef bool media_test(const struct visit *v, const struct media *m, struct finding *f);

static bool block_holds(const struct visit *v, struct finding *f, struct media *m, const cJSON *block, media_test *test)
{
    for (size_t i = 0; i < COUNT_OF(media_kinds); i++) {
        m->kind = media_kinds[i];
        m->value = json_item(block, m->kind);
        if (m->value != NULL && test(v, m, f))
            return true;
    }
    return false;
}

static bool any_media(const struct visit *v, struct finding *f, media_test *test)
{
    struct media m;
    const cJSON *block, *inner;
    f->i = 0;
    cJSON_ArrayForEach(m.message, json_item(v->body, "messages"))
    {
        f->j = 0;
        cJSON_ArrayForEach(block, json_item(m.message, "content"))
        {
            if (block_holds(v, f, &m, block, test))
                return true;
            cJSON_ArrayForEach(inner, json_item(json_item(block, "toolResult"), "content"))
            {
                if (block_holds(v, f, &m, inner, test))
                    return true;
            }
            f->j++;
        }
        f->i++;
    }
    return false;
}

struct census {
    size_t images, documents;
};

static struct census count_media(const struct visit *v)
{
    struct census n = {0};
    const cJSON *message, *block, *inner;
    cJSON_ArrayForEach(message, json_item(v->body, "messages"))
    {
        cJSON_ArrayForEach(block, json_item(message, "content"))
        {
            n.images += json_item(block, "image") != NULL;
            n.documents += json_item(block, "document") != NULL;
            cJSON_ArrayForEach(inner, json_item(json_item(block, "toolResult"), "content"))
            {
                n.images += json_item(inner, "image") != NULL;
                n.documents += json_item(inner, "document") != NULL;
            }
        }
    }
    return n;
}

/* The base64 of a medium that travels in the request; NULL: it does not. */
static const char *bytes_of(const struct media *m)
{
    return json_str(json_item(m->value, "source"), "bytes");
}

static bool is_image(const struct media *m)
{
    return strcmp(m->kind, "image") == 0;
}

/* ---- images ---- */

static bool image_too_large(const struct visit *v, const struct media *m, struct finding *f)
{
    (void)v;
    const char *bytes = is_image(m) ? bytes_of(m) : NULL;
    f->n = bytes != NULL ? strlen(bytes) : 0;
    return f->n > IMAGE_BASE64_MAX;
}

bool rule_has_image_too_large(const struct visit *v, struct finding *f)
{
    if (!is_known(v) || !any_media(v, f, image_too_large))
        return false;
    if (!is_claude(v))
        buf_adds(&f->whole, "The maximum image size is 3.75 MB.");
    return true;
}

static bool is_larger(const char *base64, uint32_t most)
{
    uint32_t width, height;
    CLEANUP(buf_release) struct buf head = BUF_INIT(MEDIA_HEAD_MAX);
    return base64 != NULL && media_head(base64, &head) == OK && media_size(buf_span(&head), &width, &height) &&
           (width > most || height > most);
}

static bool image_too_wide(const struct visit *v, const struct media *m, struct finding *f)
{
    (void)v, (void)f;
    return is_image(m) && is_larger(bytes_of(m), IMAGE_PIXELS_MAX);
}

bool rule_has_image_too_wide(const struct visit *v, struct finding *f)
{
    if (!is_known(v) || !any_media(v, f, image_too_wide))
        return false;
    if (!is_claude(v))
        buf_adds(&f->whole, "The maximum image width and height is 8000 pixels.");
    return true;
}

static bool image_not_small(const struct visit *v, const struct media *m, struct finding *f)
{
    (void)v, (void)f;
    return is_image(m) && is_larger(bytes_of(m), IMAGE_PIXELS_MANY);
}

bool rule_many_images_too_wide(const struct visit *v, struct finding *f)
{
    return is_claude(v) && count_media(v).images > IMAGES_MAX && any_media(v, f, image_not_small);
}

static bool image_of_other_format(const struct visit *v, const struct media *m, struct finding *f)
{
    (void)v;
    const char *bytes = is_image(m) ? bytes_of(m) : NULL;
    CLEANUP(buf_release) struct buf head = BUF_INIT(MEDIA_HEAD_MAX);
    f->word = json_str(m->value, "format");
    if (bytes == NULL || f->word == NULL || media_head(bytes, &head) != OK)
        return false;
    const char *found = media_format(buf_span(&head));
    return found == NULL || strcmp(found, f->word) != 0;
}

bool rule_has_image_of_other_format(const struct visit *v, struct finding *f)
{
    return any_media(v, f, image_of_other_format);
}

bool rule_too_many_images_and_documents(const struct visit *v, struct finding *f)
{
    struct census n = count_media(v);
    char a[24], b[24];
    if (!is_claude(v) || n.images + n.documents <= IMAGES_MAX)
        return false;
    (void)snprintf(a, sizeof a, "%zu", n.images);
    (void)snprintf(b, sizeof b, "%zu", n.documents);
    api_text_format(api_text(v->mock->api, "model-too-many-img-doc"), &f->whole, "a", a, "b", b, NULL);
    return true;
}

/* Titan's embeddings of images: the limit is the model page's, the text a report's. */
bool rule_titan_image_too_large(const struct visit *v, struct finding *f)
{
    (void)f;
    uint32_t width, height;
    const char *image = json_str(v->native.body, "inputImage");
    CLEANUP(buf_release) struct buf head = BUF_INIT(MEDIA_HEAD_MAX);
    return image != NULL && v->native.family != NULL && strcmp(v->native.family->id, "titan-embed-image") == 0 &&
           media_head(image, &head) == OK && media_size(buf_span(&head), &width, &height) &&
           (uint64_t)width * height > TITAN_PIXELS_MAX;
}

/* ---- documents, and where media stand ---- */

static size_t decoded_length(const char *base64)
{
    size_t n = strlen(base64);
    size_t padding = n < 4 ? 0 : (size_t)(base64[n - 1] == '=') + (base64[n - 2] == '=');
    return n / 4 * 3 - padding;
}

static bool document_too_large(const struct visit *v, const struct media *m, struct finding *f)
{
    (void)f;
    const char *bytes = strcmp(m->kind, "document") == 0 ? bytes_of(m) : NULL;
    bool taken = is_claude(v) && is_word(m->value, "format", "pdf"); /* seen up to 22 MB */
    return bytes != NULL && !taken && decoded_length(bytes) > DOCUMENT_BYTES_MAX;
}

bool rule_has_document_too_large(const struct visit *v, struct finding *f)
{
    return any_media(v, f, document_too_large);
}

bool rule_too_many_documents(const struct visit *v, struct finding *f)
{
    f->max = DOCUMENTS_MAX;
    return count_media(v).documents > DOCUMENTS_MAX;
}

static bool media_of_assistant(const struct visit *v, const struct media *m, struct finding *f)
{
    (void)v;
    f->word = m->kind;
    return is_word(m->message, "role", "assistant");
}

bool rule_has_media_of_assistant(const struct visit *v, struct finding *f)
{
    return is_known(v) && any_media(v, f, media_of_assistant);
}

static bool read_from_s3(const struct visit *v, const struct media *m, struct finding *f)
{
    (void)v, (void)f;
    return json_member(json_item(m->value, "source"), "s3Location") != NULL;
}

bool rule_claude_reads_s3(const struct visit *v, struct finding *f)
{
    f->word = "s3Uri";
    return is_claude(v) && any_media(v, f, read_from_s3);
}

bool rule_other_reads_s3(const struct visit *v, struct finding *f)
{
    f->word = "s3Uri";
    return is_known(v) && !is_claude(v) && strcmp(v->model.row->provider, "amazon") != 0 &&
           any_media(v, f, read_from_s3);
}

/* ---- tools ---- */

bool rule_has_input_not_object(const struct visit *v, struct finding *f)
{
    const cJSON *message, *block;
    f->i = 0;
    cJSON_ArrayForEach(message, json_item(v->body, "messages"))
    {
        f->j = 0;
        cJSON_ArrayForEach(block, json_item(message, "content"))
        {
            const cJSON *input = json_member(json_item(block, "toolUse"), "input");
            if (input != NULL && !cJSON_IsObject(input))
                return true;
            f->j++;
        }
        f->i++;
    }
    return false;
}

/* The first tool whose schema fails the test. */
static bool any_schema(const struct visit *v, struct finding *f, bool (*bad)(const cJSON *schema))
{
    const cJSON *tool;
    f->i = 0;
    cJSON_ArrayForEach(tool, json_item(json_item(v->body, "toolConfig"), "tools"))
    {
        const cJSON *schema = json_member(json_item(json_item(tool, "toolSpec"), "inputSchema"), "json");
        if (schema != NULL && bad(schema))
            return true;
        f->i++;
    }
    return false;
}

static bool is_not_object(const cJSON *schema)
{
    return !cJSON_IsObject(schema);
}

static bool is_of_other_type(const cJSON *schema)
{
    return json_member(schema, "type") != NULL && !is_word(schema, "type", "object");
}

bool rule_has_schema_not_object(const struct visit *v, struct finding *f)
{
    return any_schema(v, f, is_not_object);
}

bool rule_has_schema_of_other_type(const struct visit *v, struct finding *f)
{
    return any_schema(v, f, is_of_other_type);
}

/* ---- what a model cannot do ---- */

bool rule_mistral_stops(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && strcmp(v->model.row->provider, "mistral") == 0 &&
           cJSON_GetArraySize(json_at(v->body, "/inferenceConfig/stopSequences")) > 0;
}

bool rule_context_with_answer(const struct visit *v, struct finding *f)
{
    int64_t most = 0;
    uint64_t context = is_claude(v) ? v->model.row->context : 0;
    if (context == 0 || !json_int64(json_at(visit_asked(v), "/inferenceConfig/maxTokens"), &most) || most < 0)
        return false;
    uint64_t in = token_count_request(visit_asked(v));
    if (in + (uint64_t)most <= context)
        return false;
    char words[3][24];
    (void)snprintf(words[0], sizeof words[0], "%llu", (unsigned long long)in);
    (void)snprintf(words[1], sizeof words[1], "%lld", (long long)most);
    (void)snprintf(words[2], sizeof words[2], "%llu", (unsigned long long)context);
    api_text_format(api_text(v->mock->api, "model-ctx-max-tokens"), &f->whole, "in", words[0], "max_tokens", words[1],
                    "limit", words[2], NULL);
    return true;
}
