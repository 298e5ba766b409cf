/* body_schema.c: looking at a body by a table.
 *
 * The walk is flat: a table is about the members of one object. Lists are of images or of colours; an image is one when
 * its header says how large it is, nothing is decoded.
 */
#include "mock/rules/body_schema.h"

#include <stdarg.h>
#include <stdio.h>

#include "mock/native/native_image.h"
#include "protocol/utf8.h"

/* ---- saying it ---- */

void schema_broken(struct schema_check *c, const char *params, const char *at, const char *format, ...)
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

/* ---- looking ---- */

static void check_number(struct schema_check *c, const char *params, const struct schema_member *m, const cJSON *v)
{
    if (!cJSON_IsNumber(v))
        schema_broken(c, params, m->at, "expected type: %s, found: %s", m->kind == SCHEMA_WHOLE ? "Integer" : "Number",
                      schema_type(v));
    else if (v->valuedouble < m->min)
        schema_broken(c, params, m->at, "%.15g is not greater or equal to %.15g", v->valuedouble, m->min);
    else if (v->valuedouble > m->max)
        schema_broken(c, params, m->at, "%.15g is not less or equal to %.15g", v->valuedouble, m->max);
    else if (m->kind == SCHEMA_WHOLE && v->valuedouble != (double)(int64_t)v->valuedouble)
        schema_broken(c, params, m->at, "expected type: Integer, found: Double");
}

static void check_text(struct schema_check *c, const char *params, const struct schema_member *m, const cJSON *v)
{
    size_t n = cJSON_IsString(v) ? utf8_count(span_of(v->valuestring)) : 0;
    if (!cJSON_IsString(v))
        schema_broken(c, params, m->at, "expected type: String, found: %s", schema_type(v));
    else if (n < (size_t)m->min)
        schema_broken(c, params, m->at, "expected minLength: %zu, actual: %zu", (size_t)m->min, n);
    else if (n > (size_t)m->max)
        schema_broken(c, params, m->at, "expected maxLength: %zu, actual: %zu", (size_t)m->max, n);
}

static void check_list(struct schema_check *c, const char *params, const struct schema_member *m, const cJSON *v)
{
    const cJSON *item;
    size_t n = cJSON_IsArray(v) ? (size_t)cJSON_GetArraySize(v) : 0, i = 0;
    if (!cJSON_IsArray(v)) {
        schema_broken(c, params, m->at, "expected type: JSONArray, found: %s", schema_type(v));
        return;
    }
    if (n < (size_t)m->min)
        schema_broken(c, params, m->at, "expected minimum item count: %zu, found: %zu", (size_t)m->min, n);
    if (n > (size_t)m->max)
        schema_broken(c, params, m->at, "expected maximum item count: %zu, found: %zu", (size_t)m->max, n);
    cJSON_ArrayForEach(item, v)
    {
        char at[64];
        (void)snprintf(at, sizeof at, "%s/%zu", m->at, i++);
        if (m->kind == SCHEMA_IMAGES && !is_image(item))
            schema_broken(c, params, at, "not a PNG or JPEG image in base64");
        if (m->kind == SCHEMA_COLOURS && !is_colour(item))
            schema_broken(c, params, at, "string [%.32s] does not match pattern ^#[0-9a-fA-F]{6}$",
                          cJSON_IsString(item) ? item->valuestring : "");
    }
}

static void check_member(struct schema_check *c, const char *params, const struct schema_member *m, const cJSON *v)
{
    switch (m->kind) {
    case SCHEMA_WHOLE:
    case SCHEMA_NUMBER:
        check_number(c, params, m, v);
        break;
    case SCHEMA_TEXT:
        check_text(c, params, m, v);
        break;
    case SCHEMA_CHOICE:
        if (!cJSON_IsString(v) || !span_in_words(span_of(v->valuestring), m->words, '|'))
            schema_broken(c, params, m->at, "%.64s is not a valid enum value",
                          cJSON_IsString(v) ? v->valuestring : "it");
        break;
    case SCHEMA_IMAGE:
        if (!is_image(v))
            schema_broken(c, params, m->at, "not a PNG or JPEG image in base64");
        break;
    case SCHEMA_IMAGES:
    case SCHEMA_COLOURS:
        check_list(c, params, m, v);
        break;
    case SCHEMA_THING:
        break;
    }
}

void schema_check_members(struct schema_check *c, const struct schema *t, const cJSON *object, bool closed)
{
    size_t n = 0;
    if (!cJSON_IsObject(object)) {
        schema_broken(c, t->params, "", "expected type: JSONObject, found: %s", schema_type(object));
        return;
    }
    for (; n < SCHEMA_MEMBERS_MAX && t->members[n].at != NULL; n++) {
        const struct schema_member *m = &t->members[n];
        const cJSON *v = json_member(object, m->at);
        if (v != NULL)
            check_member(c, t->params, m, v);
        else if (m->needed)
            schema_broken(c, t->params, "", "required key [%s] not found", m->at);
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        size_t i = 0;
        while (i < n && strcmp(t->members[i].at, item->string) != 0)
            i++;
        if (closed && i == n)
            schema_broken(c, t->params, "", "extraneous key [%.64s] is not permitted", item->string);
    }
}

bool schema_say(const struct schema_check *c, struct buf *out)
{
    if (c->count == 0)
        return false;
    buf_adds(out, "Malformed input request: ");
    if (c->count > 1)
        buf_addf(out, "%zu schema violations found", c->count);
    else
        buf_add(out, buf_span(&c->first));
    buf_adds(out, ", please reformat your input and try again.");
    return true;
}
