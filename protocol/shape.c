/* shape.c: reading the API model, and finding things in it.
 *
 * The JSON trees of the files are kept, and every string of the model points into them. Shapes are allocated once and
 * linked by pointer: first every named type of a service gets its place, then their members are read, so that types may
 * refer to each other in any order and to themselves. Patterns are compiled here, never during a request. What walks
 * values along these shapes is shape_check.c.
 */
#include "protocol/shape.h"

#include <stdarg.h>
#include <stdlib.h>

#include "protocol/data.h"
#include "protocol/regex.h"

static const char *const service_files[] = {"fixtures/api/bedrock-runtime.json", "fixtures/api/bedrock.json",
                                            "fixtures/api/bedrock-agent-runtime.json", "fixtures/api/sts.json"};
#define ERRORS_FILE "fixtures/api/errors.json"

enum { SERVICES = COUNT_OF(service_files) };

struct kept {
    struct kept *next;
};

struct api {
    struct kept *kept; /* every allocation of the model */
    cJSON *trees[SERVICES + 1];
    struct shape *shapes[SERVICES];
    size_t shape_count[SERVICES];
    struct api_operation *operations[SERVICES];
    size_t operation_count[SERVICES];
    struct api_error *errors[SERVICES];
    size_t error_count[SERVICES];
    struct api_text *texts;
    size_t text_count;
};

/* What the reading of one service needs at hand. */
struct reader {
    struct api *api;
    size_t service;
    struct note *note;
};

/* Zeroed memory that lives as long as the model. */
static void *keep(struct api *api, size_t count, size_t size)
{
    struct kept *block = calloc(1, sizeof *block + (count == 0 ? 1 : count) * size);
    if (block == NULL)
        return NULL;
    block->next = api->kept;
    api->kept = block;
    return block + 1;
}

static size_t size_of(const cJSON *list)
{
    return list == NULL ? 0 : (size_t)cJSON_GetArraySize(list);
}

static const struct shape *find_shape(const struct api *api, size_t service, const char *name)
{
    for (size_t i = 0; i < api->shape_count[service]; i++)
        if (strcmp(api->shapes[service][i].name, name) == 0)
            return &api->shapes[service][i];
    return NULL;
}

/* -- Members ------------------------------------------------ */

static bool plain_kind(const char *t, enum shape_kind *kind)
{
    static const struct {
        const char *name;
        enum shape_kind kind;
    } kinds[] = {
        {"string", SHAPE_STRING},     {"integer", SHAPE_INTEGER}, {"long", SHAPE_LONG}, {"float", SHAPE_FLOAT},
        {"double", SHAPE_DOUBLE},     {"boolean", SHAPE_BOOLEAN}, {"blob", SHAPE_BLOB}, {"timestamp", SHAPE_TIMESTAMP},
        {"document", SHAPE_DOCUMENT}, {"list", SHAPE_LIST},       {"map", SHAPE_MAP}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].name, t) == 0) {
            *kind = kinds[i].kind;
            return true;
        }
    return false;
}

static void read_bound(const cJSON *bound, const char **literal, double *value)
{
    *literal = cJSON_IsNumber(bound) ? bound->valuestring : NULL;
    *value = cJSON_IsNumber(bound) ? bound->valuedouble : 0;
}

static enum err read_member(struct reader *r, const cJSON *json, struct shape_member *out);

static enum err read_inner(struct reader *r, const cJSON *json, const char *key, const struct shape_member **out)
{
    struct shape_member *inner = keep(r->api, 1, sizeof *inner);
    *out = inner;
    return inner == NULL ? ERR_NOMEM : read_member(r, json_member(json, key), inner);
}

static enum err read_kind(struct reader *r, const cJSON *json, struct shape_member *out)
{
    const char *t = json_str(json, "t");
    if (t == NULL)
        return note_set(r->note, ERR_INVALID, "a member without its type \"t\"");
    if (plain_kind(t, &out->kind)) {
        enum err e = out->kind != SHAPE_MAP ? OK : read_inner(r, json, "key", &out->key);
        if (e == OK && (out->kind == SHAPE_LIST || out->kind == SHAPE_MAP))
            e = read_inner(r, json, out->kind == SHAPE_LIST ? "of" : "value", &out->element);
        return e;
    }
    out->type = find_shape(r->api, r->service, t);
    if (out->type == NULL)
        return note_set(r->note, ERR_UNKNOWN, "there is no type %s", t);
    out->kind = out->type->kind;
    return OK;
}

static enum err read_member(struct reader *r, const cJSON *json, struct shape_member *out)
{
    out->name = json == NULL ? NULL : json->string;
    const char *wire = json_str(json, "name"), *member = json_str(json, "member");
    out->name = member != NULL ? member : out->name;
    out->wire = wire != NULL ? wire : out->name;
    out->required = cJSON_IsTrue(json_member(json, "req"));
    out->sensitive = cJSON_IsTrue(json_member(json, "sensitive"));
    out->format = json_str(json, "format");
    out->pattern = json_str(json, "pattern");
    read_bound(json_member(json, "min"), &out->min, &out->min_value);
    read_bound(json_member(json, "max"), &out->max, &out->max_value);
    if (out->pattern != NULL) {
        out->regex = regex_get(out->pattern, REGEX_WHOLE | REGEX_LATE, r->note);
        if (out->regex == NULL)
            return ERR_SYNTAX;
    }
    return read_kind(r, json, out);
}

static enum err read_members(struct reader *r, const cJSON *json, const struct shape_member **out, size_t *count)
{
    size_t n = 0;
    struct shape_member *members = keep(r->api, size_of(json), sizeof *members);
    *out = members;
    if (members == NULL)
        return ERR_NOMEM;
    for (const cJSON *m = json == NULL ? NULL : json->child; m != NULL; m = m->next) {
        enum err e = read_member(r, m, &members[n++]);
        if (e != OK) {
            note_prefix(r->note, "%s", m->string);
            return e;
        }
    }
    *count = n;
    return OK;
}

/* -- Types ------------------------------------------------ */

static enum err read_values(struct reader *r, const cJSON *json, struct shape *out)
{
    const char **values = keep(r->api, size_of(json), sizeof *values);
    out->values = values;
    if (values == NULL)
        return ERR_NOMEM;
    for (const cJSON *v = json == NULL ? NULL : json->child; v != NULL; v = v->next)
        values[out->value_count++] = cJSON_IsString(v) ? v->valuestring : "";
    return OK;
}

/* The first pass: names and kinds. */
static enum err place_shapes(struct reader *r, const cJSON *types)
{
    static const char *const kinds[] = {"enum", "struct", "union", "eventstream"};
    static const enum shape_kind meanings[] = {SHAPE_ENUM, SHAPE_STRUCT, SHAPE_UNION, SHAPE_EVENTSTREAM};
    struct shape *shapes = keep(r->api, size_of(types), sizeof *shapes);
    r->api->shapes[r->service] = shapes;
    if (shapes == NULL)
        return ERR_NOMEM;
    for (const cJSON *t = types == NULL ? NULL : types->child; t != NULL; t = t->next) {
        const char *kind = json_str(t, "kind");
        size_t i = 0;
        while (i < COUNT_OF(kinds) && (kind == NULL || strcmp(kinds[i], kind) != 0))
            i++;
        if (i == COUNT_OF(kinds))
            return note_set(r->note, ERR_INVALID, "/types/%s: expected a kind", t->string);
        shapes[r->api->shape_count[r->service]++] = (struct shape){
            .name = t->string, .kind = meanings[i], .sensitive = cJSON_IsTrue(json_member(t, "sensitive"))};
    }
    return OK;
}

static enum err fill_shapes(struct reader *r, const cJSON *types)
{
    size_t n = 0;
    for (const cJSON *t = types == NULL ? NULL : types->child; t != NULL; t = t->next) {
        struct shape *shape = &r->api->shapes[r->service][n++];
        const char *key = shape->kind == SHAPE_EVENTSTREAM ? "events" : "members";
        enum err e = shape->kind == SHAPE_ENUM
                         ? read_values(r, json_member(t, "values"), shape)
                         : read_members(r, json_member(t, key), &shape->members, &shape->member_count);
        if (e != OK) {
            note_prefix(r->note, "/types/%s", t->string);
            return e;
        }
    }
    return OK;
}

/* -- Operations ------------------------------------------------ */

static enum err read_side(struct reader *r, const cJSON *json, struct api_side *out)
{
    out->type = json_str(json, "type");
    out->body = (struct shape){.name = out->type, .kind = SHAPE_STRUCT};
    const cJSON *payload = json_member(json, "payload");
    enum err e = read_members(r, json_member(json, "path"), &out->path, &out->path_count);
    if (e == OK)
        e = read_members(r, json_member(json, "query"), &out->query, &out->query_count);
    if (e == OK)
        e = read_members(r, json_member(json, "headers"), &out->headers, &out->header_count);
    if (e == OK)
        e = read_members(r, json_member(json, "body"), &out->body.members, &out->body.member_count);
    if (e == OK && payload != NULL)
        e = read_inner(r, json, "payload", &out->payload);
    return e;
}

static enum err read_segments(struct reader *r, struct api_operation *op)
{
    struct span rest = span_of(op->uri), segment;
    bool more = span_split(rest, '/', &segment, &rest);
    while (more) {
        if (op->segment_count == API_SEGMENTS_MAX)
            return note_set(r->note, ERR_LIMIT, "%s has more than %d segments", op->uri, API_SEGMENTS_MAX);
        more = span_split(rest, '/', &segment, &rest);
        op->segments[op->segment_count++] = segment;
    }
    return OK;
}

static enum err read_operation(struct reader *r, const cJSON *json, const char *service, struct api_operation *op)
{
    static const char *const streams[] = {"none", "response", "bidirectional"};
    int64_t status = 200;
    const char *streaming = "none";
    op->name = json->string;
    op->service = service;
    enum err e = json_get_string(json, "method", "", &op->method, r->note);
    if (e == OK)
        e = json_get_string(json, "uri", "", &op->uri, r->note);
    if (e == OK)
        e = json_opt_int(json, "status", "", &status, r->note);
    if (e == OK)
        e = json_opt_string(json, "streaming", "", &streaming, r->note);
    if (e == OK)
        e = read_segments(r, op);
    op->status = (int)status;
    for (size_t i = 0; i < COUNT_OF(streams); i++)
        if (strcmp(streams[i], streaming) == 0)
            op->streaming = (enum api_streaming)i;
    if (e == OK)
        e = read_side(r, json_member(json, "request"), &op->request);
    return e == OK ? read_side(r, json_member(json, "response"), &op->response) : e;
}

static enum err read_operations(struct reader *r, const cJSON *json, const char *service)
{
    struct api_operation *operations = keep(r->api, size_of(json), sizeof *operations);
    r->api->operations[r->service] = operations;
    if (operations == NULL)
        return ERR_NOMEM;
    for (const cJSON *o = json == NULL ? NULL : json->child; o != NULL; o = o->next) {
        enum err e = read_operation(r, o, service, &operations[r->api->operation_count[r->service]++]);
        if (e != OK) {
            note_prefix(r->note, "/operations/%s", o->string);
            return e;
        }
    }
    return OK;
}

static enum err read_errors(struct reader *r, const cJSON *json)
{
    struct api_error *errors = keep(r->api, size_of(json), sizeof *errors);
    r->api->errors[r->service] = errors;
    if (errors == NULL)
        return ERR_NOMEM;
    for (const cJSON *x = json == NULL ? NULL : json->child; x != NULL; x = x->next) {
        struct api_error *error = &errors[r->api->error_count[r->service]++];
        const char *fault = json_str(x, "fault");
        int64_t status = 0;
        enum err e = json_get_int(x, "status", "", &status, r->note);
        error->name = x->string;
        error->status = (int)status;
        error->client = fault == NULL || strcmp(fault, "client") == 0;
        error->shape = (struct shape){.name = x->string, .kind = SHAPE_STRUCT};
        if (e == OK)
            e = read_members(r, json_member(x, "members"), &error->shape.members, &error->shape.member_count);
        if (e != OK) {
            note_prefix(r->note, "/errors/%s", x->string);
            return e;
        }
    }
    return OK;
}

/* -- Files ------------------------------------------------ */

static enum err load_tree(const char *path, const char *format, cJSON **out, struct note *note)
{
    struct span bytes;
    enum err e = data_load(path, &bytes, note);
    if (e != OK)
        return e;
    e = json_parse(bytes, JSON_UNIQUE, out, note);
    if (e != OK)
        return e;
    const char *found = json_str(*out, "format");
    if (found == NULL || strcmp(found, format) != 0)
        return note_set(note, ERR_UNSUPPORTED, "expected the format %s, found %s", format,
                        found == NULL ? "none" : found);
    return OK;
}

static enum err load_service(struct reader *r)
{
    cJSON **tree = &r->api->trees[r->service];
    enum err e = load_tree(service_files[r->service], "mohs-api/1", tree, r->note);
    if (e != OK)
        return e;
    const cJSON *types = json_member(*tree, "types");
    const char *service = json_str(json_member(*tree, "service"), "endpointPrefix");
    e = place_shapes(r, types);
    if (e == OK)
        e = fill_shapes(r, types);
    if (e == OK)
        e = read_operations(r, json_member(*tree, "operations"), service == NULL ? "" : service);
    return e == OK ? read_errors(r, json_member(*tree, "errors")) : e;
}

static enum err load_texts(struct api *api, struct note *note)
{
    cJSON **tree = &api->trees[SERVICES];
    enum err e = load_tree(ERRORS_FILE, "mohs-errors/1", tree, note);
    if (e != OK)
        return e;
    const cJSON *rows = json_member(*tree, "errors");
    api->texts = keep(api, size_of(rows), sizeof *api->texts);
    if (api->texts == NULL)
        return ERR_NOMEM;
    for (const cJSON *row = rows == NULL ? NULL : rows->child; row != NULL; row = row->next) {
        struct api_text *t = &api->texts[api->text_count++];
        int64_t status = 0;
        e = json_opt_int(row, "status", "", &status, note);
        if (e == OK)
            e = json_get_string(row, "id", "", &t->id, note);
        if (e == OK)
            e = json_get_string(row, "text", "", &t->text, note);
        if (e != OK)
            return e;
        t->status = (int)status;
        t->layer = json_str(row, "layer");
        t->type = json_str(row, "type");
        t->body_key = json_str(row, "body_key");
        t->confidence = json_str(row, "confidence");
        t->errortype_suffix = json_str(row, "errortype_suffix");
    }
    return OK;
}

struct api *api_load(struct note *note)
{
    struct api *api = calloc(1, sizeof *api);
    if (api == NULL) {
        (void)note_set(note, ERR_NOMEM, "out of memory");
        return NULL;
    }
    enum err e = OK;
    struct reader r = {.api = api, .note = note};
    for (; r.service < SERVICES && e == OK; r.service++) {
        e = load_service(&r);
        if (e != OK)
            note_prefix(note, "%s", service_files[r.service]);
    }
    if (e == OK && (e = load_texts(api, note)) != OK)
        note_prefix(note, "%s", ERRORS_FILE);
    if (e == OK)
        return api;
    api_free(api);
    return NULL;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    for (size_t i = 0; i < COUNT_OF(api->trees); i++)
        json_free(&api->trees[i]);
    while (api->kept != NULL) {
        struct kept *next = api->kept->next;
        free(api->kept);
        api->kept = next;
    }
    free(api);
}

/* -- Finding ------------------------------------------------ */

static bool is_label(struct span segment)
{
    return segment.n > 2 && segment.p[0] == '{';
}

static bool path_fits(const struct api_operation *op, const struct span *segments, size_t count, struct api_route *out)
{
    if (op->segment_count != count)
        return false;
    out->label_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_label(op->segments[i])) {
            if (!span_equal(op->segments[i], segments[i]))
                return false;
            continue;
        }
        if (segments[i].n == 0 || out->label_count == API_LABELS_MAX)
            return false;
        out->labels[out->label_count].name = span_cut(op->segments[i], 1, op->segments[i].n - 2);
        out->labels[out->label_count++].raw = segments[i];
    }
    return true;
}

/* The segments of an absolute path; 0 when there are none or too many. */
static size_t split_path(struct span path, struct span *segments)
{
    struct span head;
    size_t count = 0;
    if (!span_split(path, '/', &head, &path) || head.n != 0)
        return 0;
    for (bool more = true; more; count++) {
        if (count == API_SEGMENTS_MAX)
            return 0;
        more = span_split(path, '/', &segments[count], &path);
    }
    return count;
}

enum err api_route(const struct api *api, struct span method, struct span path, struct api_route *out)
{
    struct span segments[API_SEGMENTS_MAX];
    size_t count = split_path(path, segments);
    enum err result = ERR_UNKNOWN;
    *out = (struct api_route){.operation = NULL};
    const struct api_operation *op;
    for (size_t i = 0; count > 0 && (op = api_operation_at(api, i)) != NULL; i++) {
        if (!path_fits(op, segments, count, out))
            continue;
        result = ERR_UNSUPPORTED;
        if (span_is(method, op->method)) {
            out->operation = op;
            return OK;
        }
    }
    out->label_count = 0;
    return result;
}

enum err api_route_label(const struct api_route *route, const char *name, struct buf *out)
{
    for (size_t i = 0; i < route->label_count; i++)
        if (span_is(route->labels[i].name, name))
            return uri_decode(route->labels[i].raw, out);
    return ERR_UNKNOWN;
}

const struct api_operation *api_operation_at(const struct api *api, size_t index)
{
    for (size_t s = 0; s < SERVICES; s++) {
        if (index < api->operation_count[s])
            return &api->operations[s][index];
        index -= api->operation_count[s];
    }
    return NULL;
}

const struct api_operation *api_operation(const struct api *api, const char *name)
{
    const struct api_operation *op;
    for (size_t i = 0; (op = api_operation_at(api, i)) != NULL; i++)
        if (strcmp(op->name, name) == 0)
            return op;
    return NULL;
}

const struct shape *api_shape(const struct api *api, const char *name)
{
    const struct shape *found = NULL;
    for (size_t s = 0; s < SERVICES && found == NULL; s++)
        found = find_shape(api, s, name);
    return found;
}

const struct api_error *api_error(const struct api *api, const char *name)
{
    for (size_t s = 0; s < SERVICES; s++)
        for (size_t i = 0; i < api->error_count[s]; i++)
            if (strcmp(api->errors[s][i].name, name) == 0)
                return &api->errors[s][i];
    return NULL;
}

const struct api_text *api_text_at(const struct api *api, size_t index)
{
    return index < api->text_count ? &api->texts[index] : NULL;
}

const struct api_text *api_text(const struct api *api, const char *id)
{
    for (size_t i = 0; i < api->text_count; i++)
        if (strcmp(api->texts[i].id, id) == 0)
            return &api->texts[i];
    return NULL;
}

const struct shape_member *shape_member(const struct shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->member_count; i++)
        if (strcmp(shape->members[i].name, name) == 0)
            return &shape->members[i];
    return NULL;
}

/* -- Texts ------------------------------------------------ */

/* The value given for the placeholder, or NULL. */
static const char *argument(struct span name, va_list *arguments)
{
    va_list again;
    const char *found = NULL, *key;
    va_copy(again, *arguments);
    while (found == NULL && (key = va_arg(again, const char *)) != NULL) {
        const char *value = va_arg(again, const char *);
        found = span_is(name, key) ? value : NULL;
    }
    va_end(again);
    return found;
}

static void format_text(const char *text, struct buf *out, va_list *arguments)
{
    struct span rest = span_of(text), before, name, behind;
    while (span_split(rest, '{', &before, &rest)) {
        buf_add(out, before);
        bool closed = span_split(rest, '}', &name, &behind);
        const char *value = closed ? argument(name, arguments) : NULL;
        if (value == NULL) {
            buf_addc(out, '{');
            continue;
        }
        buf_adds(out, value);
        rest = behind;
    }
    buf_add(out, before);
}

void api_text_format(const struct api_text *text, struct buf *out, ...)
{
    va_list arguments;
    va_start(arguments, out);
    format_text(text->text, out, &arguments);
    va_end(arguments);
}

enum err api_error_text(const struct api *api, const char *id, const struct api_text **row, struct buf *out, ...)
{
    const struct api_text *found = api_text(api, id);
    if (row != NULL)
        *row = found;
    if (found == NULL)
        return ERR_UNKNOWN;
    va_list arguments;
    va_start(arguments, out);
    format_text(found->text, out, &arguments);
    va_end(arguments);
    return buf_error(out);
}

enum err uri_decode(struct span raw, struct buf *out)
{
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] != '%') {
            buf_addc(out, (char)raw.p[i]);
            continue;
        }
        struct span hex = span_cut(raw, i + 1, 2);
        if (hex.n != 2 || span_is(hex, "00") || buf_add_unhex(out, hex) != OK)
            return ERR_SYNTAX;
        i += 2;
    }
    return buf_error(out);
}
