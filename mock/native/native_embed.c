/* native_embed.c: the answers of embedding models, and what their texts cost.
 *
 * Dimensions are the asked ones where the model lets choose, else its own. Titan v1 and Titan v2 with normalize false
 * give vectors that are longer than one, the rest vectors of length one. Cohere's answer has another form as soon as
 * embedding_types is given; the older English model repeats texts in lower case (both recorded).
 */
#include "mock/native/native_embed.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "mock/native/embed.h"
#include "protocol/token.h"

#define LONGER 8.0f /* the length of a vector that is not normalised */

static size_t dimension_of(const cJSON *asked, size_t otherwise)
{
    int64_t n;
    return asked != NULL && json_int64(asked, &n) && n >= 1 && n <= EMBED_DIMENSION_MAX ? (size_t)n : otherwise;
}

static uint64_t salt_of(const struct native *n)
{
    return rng_hash(0x6d6f6873, span_of(n->family->id));
}

/* A list of texts, or one. */
static uint64_t count_texts(const cJSON *value)
{
    uint64_t sum = cJSON_IsString(value) ? token_count(span_of(value->valuestring)) : 0;
    const cJSON *item, *list = cJSON_IsArray(value) ? value : NULL;
    cJSON_ArrayForEach(item, list) sum += cJSON_IsString(item) ? token_count(span_of(item->valuestring)) : 0;
    return sum;
}

uint64_t native_embed_tokens(const cJSON *body)
{
    static const char *const places[] = {"/inputText", "/texts", "/singleEmbeddingParams/text/value",
                                         "/query", "/documents", "/prompt",
                                         "/textToImageParams/text", "/inPaintingParams/text", "/outPaintingParams/text",
                                         "/imageVariationParams/text", "/colorGuidedGenerationParams/text"};
    uint64_t sum = 0;
    for (size_t i = 0; i < COUNT_OF(places); i++)
        sum += count_texts(json_at(body, places[i]));
    const cJSON *input, *part, *inputs = json_member(body, "inputs"), *prompts = json_member(body, "text_prompts");
    cJSON_ArrayForEach(part, prompts) sum += count_texts(json_member(part, "text"));
    cJSON_ArrayForEach(input, inputs)
    {
        const cJSON *content = json_member(input, "content");
        cJSON_ArrayForEach(part, content) sum += count_texts(json_member(part, "text"));
    }
    return sum;
}

/* ---- how a vector is printed ---- */

static void print_floats(const float *v, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%s%.8g", i > 0 ? "," : "[", (double)v[i]);
    buf_addc(out, ']');
}

/* -127 to 127, the largest number becoming 127. */
static void print_whole(const float *v, size_t n, int plus, struct buf *out)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fabsf(v[i]) > most ? fabsf(v[i]) : most;
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%s%d", i > 0 ? "," : "[", (int)lrintf(most > 0 ? v[i] / most * 127 : 0) + plus);
    buf_addc(out, ']');
}

static void print_int8(const float *v, size_t n, struct buf *out)
{
    print_whole(v, n, 0, out);
}

static void print_uint8(const float *v, size_t n, struct buf *out)
{
    print_whole(v, n, 128, out);
}

/* Eight signs a number, the first in the highest bit. */
static void print_packed(const float *v, size_t n, int plus, struct buf *out)
{
    for (size_t i = 0; i < n; i += 8) {
        int bits = 0;
        for (size_t k = 0; k < 8; k++)
            bits = bits << 1 | (i + k < n && v[i + k] > 0);
        buf_addf(out, "%s%d", i > 0 ? "," : "[", bits + plus);
    }
    buf_addc(out, ']');
}

static void print_binary(const float *v, size_t n, struct buf *out)
{
    print_packed(v, n, -128, out);
}

static void print_ubinary(const float *v, size_t n, struct buf *out)
{
    print_packed(v, n, 0, out);
}

/* Titan's binary: a 0 or 1 each. */
static void print_signs(const float *v, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%s%d", i > 0 ? "," : "[", v[i] > 0 ? 1 : 0);
    buf_addc(out, ']');
}

typedef void print_vector(const float *v, size_t n, struct buf *out);
struct type_row {
    const char *name;
    print_vector *print;
};

static const struct type_row cohere_types[] = {{"float", print_floats},
                                               {"int8", print_int8},
                                               {"uint8", print_uint8},
                                               {"binary", print_binary},
                                               {"ubinary", print_ubinary}};
static const struct type_row titan_types[] = {{"float", print_floats}, {"binary", print_signs}};

static bool is_asked(const cJSON *types, const char *name)
{
    const cJSON *item, *list = cJSON_IsArray(types) ? types : NULL;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, name) == 0)
            return true;
    }
    return false;
}

/* ---- Titan ---- */

static float *vector_of(const struct native *n, const char *text, size_t dimension)
{
    float *v = calloc(dimension, sizeof *v);
    if (v != NULL)
        embed_text(span_of(text == NULL ? "" : text), salt_of(n), v, dimension);
    else
        n->a->failed = true;
    return v;
}

void write_titan_embed_v1(struct native *n, struct buf *out)
{
    const size_t dimension = 1536;
    CLEANUP(free_ptr) float *v = vector_of(n, json_str(n->body, "inputText"), dimension);
    if (v == NULL)
        return;
    embed_scale(v, dimension, LONGER);
    native_print(out, "{'embedding':");
    print_floats(v, dimension, out);
    native_print(out, ",'inputTextTokenCount':%n}", n->in);
}

void write_titan_embed_v2(struct native *n, struct buf *out)
{
    size_t dimension = dimension_of(json_member(n->body, "dimensions"), 1024);
    const cJSON *types = json_member(n->body, "embeddingTypes");
    CLEANUP(free_ptr) float *v = vector_of(n, json_str(n->body, "inputText"), dimension);
    if (v == NULL)
        return;
    if (cJSON_IsFalse(json_member(n->body, "normalize")))
        embed_scale(v, dimension, LONGER);
    buf_addc(out, '{');
    if (types == NULL || is_asked(types, "float")) {
        native_print(out, "'embedding':");
        print_floats(v, dimension, out);
        buf_addc(out, ',');
    }
    native_print(out, "'embeddingsByType':{");
    const char *comma = "";
    for (size_t i = 0; i < COUNT_OF(titan_types); i++) {
        if (types == NULL ? i > 0 : !is_asked(types, titan_types[i].name))
            continue;
        native_print(out, "%s%q:", comma, titan_types[i].name);
        titan_types[i].print(v, dimension, out);
        comma = ",";
    }
    native_print(out, "},'inputTextTokenCount':%n}", n->in);
}

void write_titan_embed_image(struct native *n, struct buf *out)
{
    size_t dimension = dimension_of(json_at(n->body, "/embeddingConfig/outputEmbeddingLength"), 1024);
    const char *text = json_str(n->body, "inputText"), *image = json_str(n->body, "inputImage");
    CLEANUP(free_ptr) float *v = vector_of(n, text, dimension);
    CLEANUP(free_ptr) float *of_image = calloc(dimension, sizeof *of_image);
    if (v == NULL || of_image == NULL)
        return;
    if (image != NULL) {
        embed_bytes(span_of(image), salt_of(n), of_image, dimension);
        if (text == NULL)
            memcpy(v, of_image, dimension * sizeof *v);
        else
            embed_mean(v, of_image, dimension);
    }
    native_print(out, "{'embedding':");
    print_floats(v, dimension, out);
    native_print(out, ",'inputTextTokenCount':%n,'message':null}", n->in);
}

/* ---- Nova ---- */

void write_nova_embed(struct native *n, struct buf *out)
{
    const cJSON *p = json_member(n->body, "singleEmbeddingParams");
    size_t dimension = dimension_of(json_member(p, "embeddingDimension"), 3072);
    const char *text = json_str(json_member(p, "text"), "value");
    const char *image = json_str(json_member(json_member(p, "image"), "source"), "bytes");
    CLEANUP(free_ptr) float *v = vector_of(n, text, dimension);
    if (v == NULL)
        return;
    if (text == NULL && image != NULL)
        embed_bytes(span_of(image), salt_of(n), v, dimension);
    native_print(out, "{'embeddings':[{'embedding':");
    print_floats(v, dimension, out);
    native_print(out, ",'embeddingType':%q}]}", text == NULL && image != NULL ? "IMAGE" : "TEXT");
}

/* ---- Cohere ---- */

struct batch {
    float **vectors;
    size_t count, dimension;
};

static void batch_release(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        free(b->vectors[i]);
    free(b->vectors);
}

/* Texts, else images (data URLs), else the first text of each of `inputs`. */
static bool batch_make(const struct native *n, struct batch *b)
{
    const cJSON *texts = json_member(n->body, "texts"), *images = json_member(n->body, "images"), *item;
    const cJSON *list = texts != NULL ? texts : images != NULL ? images : json_member(n->body, "inputs");
    size_t most = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
    b->vectors = calloc(most + 1, sizeof *b->vectors);
    if (b->vectors == NULL)
        return false;
    cJSON_ArrayForEach(item, list)
    {
        if (b->count == most)
            break;
        const char *text = cJSON_IsString(item) ? item->valuestring : json_str(json_at(item, "/content/0"), "text");
        b->vectors[b->count] = vector_of(n, text, b->dimension);
        if (b->vectors[b->count] == NULL)
            return false;
        b->count++;
    }
    return true;
}

static void print_batch(const struct batch *b, print_vector *print, struct buf *out)
{
    buf_addc(out, '[');
    for (size_t i = 0; i < b->count; i++) {
        if (i > 0)
            buf_addc(out, ',');
        print(b->vectors[i], b->dimension, out);
    }
    buf_addc(out, ']');
}

static void print_texts(const struct native *n, bool lower, struct buf *out)
{
    const cJSON *item, *texts = json_member(n->body, "texts");
    const char *comma = "";
    buf_addc(out, '[');
    cJSON_ArrayForEach(item, texts)
    {
        CLEANUP(free_ptr) char *text = cJSON_IsString(item) ? span_dup(span_of(item->valuestring)) : NULL;
        for (char *p = text; lower && p != NULL && *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        native_print(out, "%s%q", comma, text == NULL ? "" : text);
        comma = ",";
    }
    buf_addc(out, ']');
}

/* by_type: the form with a map of types, which the newer model always has. */
static void write_cohere(struct native *n, size_t dimension, bool by_type, bool lower, struct buf *out)
{
    const cJSON *types = json_member(n->body, "embedding_types");
    CLEANUP(batch_release) struct batch b = {.dimension = dimension};
    if (!batch_make(n, &b)) {
        n->a->failed = true;
        return;
    }
    native_print(out, "{'embeddings':");
    if (!by_type)
        print_batch(&b, print_floats, out);
    const char *before = "{";
    for (size_t i = 0; by_type && i < COUNT_OF(cohere_types); i++) {
        if (types == NULL ? i > 0 : !is_asked(types, cohere_types[i].name))
            continue;
        native_print(out, "%s%q:", before, cohere_types[i].name);
        print_batch(&b, cohere_types[i].print, out);
        before = ",";
    }
    if (by_type)
        buf_adds(out, before[0] == '{' ? "{}" : "}");
    native_print(out, ",'id':%q,'response_type':%q,'texts':", n->id[0],
                 by_type ? "embeddings_by_type" : "embeddings_floats");
    print_texts(n, lower, out);
    buf_addc(out, '}');
}

void write_cohere_embed_v3(struct native *n, struct buf *out)
{
    bool english = n->model_id != NULL && strstr(n->model_id, "english") != NULL;
    write_cohere(n, 1024, json_member(n->body, "embedding_types") != NULL, english, out);
}

void write_cohere_embed_v4(struct native *n, struct buf *out)
{
    write_cohere(n, dimension_of(json_member(n->body, "output_dimension"), 1536), true, false, out);
}
