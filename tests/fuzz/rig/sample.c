/* sample.c: bodies that are right, to begin with: made of the API model's shapes, and those of our native fixtures.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "protocol/data.h"
#include "protocol/regex.h"

#define DEPTH_MAX 9

static cJSON *sample_string(const struct shape_member *m)
{
    static const char *const tries[] = {
        "a", "abcdefghij", "1", "us-east-1", "DRAFT", "123456789012", "s3://bucket/key", "https://example.com/x",
        "anthropic.claude-3-haiku-20240307-v1:0", "arn:aws:iam::123456789012:role/r", "ABCDEFGHIJ",
        "arn:aws:bedrock:us-east-1:123456789012:guardrail/abcdefghij",
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:async-invoke/abcdefghijkl",
        "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdefghijkl",
        "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1", "abcdefgh-abcd-abcd-abcd-abcdefghijkl",
        "arn:aws:kms:us-east-1:123456789012:key/abcdefgh-abcd-abcd-abcd-abcdefghijkl", "/a/b", "Role_Name",
        "0123456789abcdef0123456789abcdef0123", "2026-01-02T03:04:05Z", "subnet-0123abcd", "sg-0123abcd"};
    size_t least = m->min != NULL ? (size_t)m->min_value : 0;
    for (size_t i = 0; i < COUNT_OF(tries); i++)
        if (strlen(tries[i]) >= least && (m->max == NULL || (double)strlen(tries[i]) <= m->max_value) &&
            (m->regex == NULL || regex_matches(m->regex, tries[i])))
            return cJSON_CreateString(tries[i]);
    CLEANUP(buf_release) struct buf text = BUF_INIT(4096);
    for (size_t i = 0; i < least; i++)
        buf_addc(&text, 'a');
    return cJSON_CreateString(buf_text(&text));
}

static cJSON *sample_struct(const struct shape *s, unsigned variant, unsigned depth)
{
    cJSON *out = cJSON_CreateObject();
    for (size_t i = 0; i < s->member_count; i++) {
        const struct shape_member *m = &s->members[i];
        bool mine = s->kind == SHAPE_UNION ? i == variant % s->member_count
                                           : m->required || (variant > 0 && (variant + i) % 5 != 0);
        cJSON *value = mine ? fuzz_sample(m, variant, depth + 1) : NULL;
        if (value != NULL)
            (void)json_set(out, m->name, value);
    }
    return out;
}

static cJSON *sample_list(const struct shape_member *m, unsigned variant, unsigned depth)
{
    cJSON *list = cJSON_CreateArray();
    size_t n = m->min != NULL && m->min_value > 1 && m->min_value < 8 ? (size_t)m->min_value : 1;
    for (size_t i = 0; i < n; i++) {
        cJSON *value = fuzz_sample(m->element, variant, depth + 1);
        if (value != NULL)
            (void)cJSON_AddItemToArray(list, value);
    }
    return list;
}

static cJSON *sample_map(const struct shape_member *m, unsigned variant, unsigned depth)
{
    cJSON *map = cJSON_CreateObject();
    CLEANUP(json_free) cJSON *key = fuzz_sample(m->key, variant, depth + 1);
    cJSON *value = fuzz_sample(m->element, variant, depth + 1);
    if (value != NULL && cJSON_IsString(key))
        (void)json_set(map, key->valuestring, value);
    else
        cJSON_Delete(value);
    return map;
}

static cJSON *sample_plain(const struct shape_member *m, unsigned variant)
{
    double least = m->min != NULL ? m->min_value : 1;
    switch (m->kind) {
    case SHAPE_ENUM:
        return cJSON_CreateString(m->type->values[variant % m->type->value_count]);
    case SHAPE_INTEGER:
    case SHAPE_LONG:
        return json_new_int((int64_t)least);
    case SHAPE_FLOAT:
    case SHAPE_DOUBLE:
        return json_new_literal("0.5");
    case SHAPE_BOOLEAN:
        return cJSON_CreateBool(variant % 2 == 0);
    case SHAPE_BLOB:
        return cJSON_CreateString("iVBORw0KGgo=");
    case SHAPE_TIMESTAMP:
        return m->format != NULL ? cJSON_CreateString("2026-01-02T03:04:05Z") : json_new_int(1767322800);
    default:
        return sample_string(m);
    }
}

cJSON *fuzz_sample(const struct shape_member *m, unsigned variant, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return NULL;
    switch (m->kind) {
    case SHAPE_STRUCT:
    case SHAPE_UNION:
        return sample_struct(m->type, variant, depth);
    case SHAPE_LIST:
        return sample_list(m, variant, depth);
    case SHAPE_MAP:
        return sample_map(m, variant, depth);
    case SHAPE_DOCUMENT:
        return cJSON_Parse("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}");
    case SHAPE_EVENTSTREAM:
        return NULL;
    default:
        return sample_plain(m, variant);
    }
}

cJSON *fuzz_sample_body(const struct api_operation *o, unsigned variant)
{
    if (o->request.payload != NULL || o->request.body.member_count == 0)
        return NULL;
    return sample_struct(&o->request.body, variant, 0);
}

const cJSON *fuzz_native(size_t n)
{
    static cJSON *families;
    struct span text;
    if (families == NULL && (data_load("fixtures/native/families.json", &text, NULL) != OK ||
                             json_parse(text, JSON_COMPACT, &families, NULL) != OK))
        abort();
    return cJSON_GetArrayItem(json_item(families, "rows"), (int)n);
}
