/* shape_check.c: walking a value along its shape, and telling every constraint that it breaks.
 *
 * The walk carries where it is as a chain of places on the stack, so a right value costs comparisons only; the path
 * becomes text when a constraint fails. Wrong types and unions are remembered apart, because the service answers them
 * with other texts: a wrong type wins over everything (the service could not even read the request), a union over
 * nothing.
 */
#include "protocol/shape.h"

#include <stdlib.h>

#include "protocol/regex.h"
#include "protocol/utf8.h"

enum { LONGEST_RULES = 64 << 10 };

/* A step of the path: a member, or the n-th of a list (from one), or an entry of a map. */
struct place {
    const struct place *up;
    const char *name; /* NULL: list position */
    size_t position;
    bool entry; /* of a map */
};

struct check {
    const struct api *api;
    struct buf constraints; /* "Value ... ; Value ..." */
    size_t count;
    struct buf type_fault, union_fault; /* the first of each; empty: none */
    bool lost;                          /* out of memory */
};

static void check_value(struct check *c, const struct place *at, const struct shape_member *m, const cJSON *value,
                        bool hidden);

/* -- Telling ------------------------------------------------ */

/* Constraints count list positions from one and spell them "1.member"; the texts of the semantic layer count from zero.
 */
static void put_path(struct buf *out, const struct place *at, bool from_zero)
{
    if (at->up != NULL) {
        put_path(out, at->up, from_zero);
        buf_addc(out, '.');
    }
    if (at->name == NULL && from_zero)
        buf_addf(out, "%zu", at->position - 1);
    else if (at->name == NULL)
        buf_addf(out, "%zu.member", at->position);
    else
        buf_addf(out, at->entry && !from_zero ? "%s.member" : "%s", at->name);
}

/* The way the service's own language prints values: [a, b] and {k=v}. */
static void put_value(struct buf *out, const cJSON *value)
{
    bool object = cJSON_IsObject(value);
    if (!object && !cJSON_IsArray(value)) {
        if (cJSON_IsString(value))
            buf_adds(out, value->valuestring);
        else
            json_print(value, JSON_COMPACT, out);
        return;
    }
    buf_addc(out, object ? '{' : '[');
    for (const cJSON *child = value->child; child != NULL; child = child->next) {
        if (object)
            buf_addf(out, "%s=", child->string);
        put_value(out, child);
        buf_adds(out, child->next != NULL ? ", " : "");
    }
    buf_addc(out, object ? '}' : ']');
}

static bool is_plain(enum shape_kind kind)
{
    return kind <= SHAPE_BOOLEAN || kind == SHAPE_TIMESTAMP;
}

/* Whether a value of this kind can be shown between quotes. */
static bool can_be_shown(const struct shape_member *m)
{
    bool collection = m->kind == SHAPE_LIST || m->kind == SHAPE_MAP;
    return is_plain(m->kind) || (collection && is_plain(m->element->kind));
}

/* Begin a sentence; the caller appends the rule. `shown` NULL: the value is left out. */
static struct buf *tell(struct check *c, const struct place *at, const char *shown)
{
    struct buf *out = &c->constraints;
    buf_adds(out, c->count++ > 0 ? "; Value" : "Value");
    if (shown != NULL)
        buf_addf(out, " '%s'", shown);
    buf_adds(out, " at '");
    put_path(out, at, false);
    buf_adds(out, "' failed to satisfy constraint: ");
    return out;
}

static struct buf *tell_value(struct check *c, const struct place *at, const struct shape_member *m, const cJSON *value,
                              bool hidden)
{
    bool empty = (cJSON_IsArray(value) || cJSON_IsObject(value)) && value->child == NULL;
    CLEANUP(buf_release) struct buf shown = BUF_INIT(API_FAULT_MAX);
    if (hidden || m->kind == SHAPE_BLOB || (!can_be_shown(m) && !empty))
        return tell(c, at, NULL);
    put_value(&shown, value);
    c->lost = c->lost || buf_error(&shown) == ERR_NOMEM;
    return tell(c, at, buf_text(&shown));
}

static void tell_null(struct check *c, const struct place *at)
{
    buf_adds(&c->constraints, c->count++ > 0 ? "; Value null at '" : "Value null at '");
    put_path(&c->constraints, at, false);
    buf_adds(&c->constraints, "' failed to satisfy constraint: Member must not be null");
}

static void type_fault(struct check *c, const char *id, const char *found, const char *wanted)
{
    if (c->type_fault.len > 0)
        return;
    if (api_error_text(c->api, id, NULL, &c->type_fault, "found", found, "wanted", wanted, NULL) == ERR_UNKNOWN)
        buf_adds(&c->type_fault, "Unexpected field type");
}

static void wrong_type(struct check *c, const struct shape_member *m, const cJSON *value)
{
    static const char *const wanted[] = {
        [SHAPE_STRING] = "String",   [SHAPE_ENUM] = "String", [SHAPE_INTEGER] = "Integer",
        [SHAPE_LONG] = "Long",       [SHAPE_FLOAT] = "Float", [SHAPE_DOUBLE] = "Double",
        [SHAPE_BOOLEAN] = "Boolean", [SHAPE_BLOB] = "Blob",   [SHAPE_TIMESTAMP] = "Timestamp"};
    const char *found = cJSON_IsString(value)   ? "STRING_VALUE"
                        : cJSON_IsNumber(value) ? "NUMBER_VALUE"
                        : cJSON_IsTrue(value)   ? "TRUE_VALUE"
                                                : "FALSE_VALUE";
    if (m->kind >= SHAPE_DOCUMENT)
        type_fault(c, "type-unexpected", "", "");
    else if (cJSON_IsObject(value))
        type_fault(c, "type-structure", "", "");
    else if (cJSON_IsArray(value))
        type_fault(c, "type-list", "", "");
    else
        type_fault(c, "type-scalar", found, wanted[m->kind]);
}

/* -- Rules ------------------------------------------------ */

enum rule { RULE_MIN, RULE_MAX, RULE_PATTERN, RULE_ENUM, RULES };

static bool is_number(enum shape_kind kind)
{
    return kind >= SHAPE_INTEGER && kind <= SHAPE_DOUBLE;
}

static bool has_rule(const struct shape_member *m, enum rule rule)
{
    return rule == RULE_MIN       ? m->min != NULL
           : rule == RULE_MAX     ? m->max != NULL
           : rule == RULE_PATTERN ? m->regex != NULL
                                  : m->kind == SHAPE_ENUM;
}

static void put_rule(struct buf *out, const struct shape_member *m, enum rule rule)
{
    const char *measure = is_number(m->kind) ? "value" : "length";
    switch (rule) {
    case RULE_MIN:
        buf_addf(out, "Member must have %s greater than or equal to %s", measure, m->min);
        break;
    case RULE_MAX:
        buf_addf(out, "Member must have %s less than or equal to %s", measure, m->max);
        break;
    case RULE_PATTERN:
        buf_addf(out, "Member must satisfy regular expression pattern: %s", m->pattern);
        break;
    default:
        buf_adds(out, "Member must satisfy enum value set: [");
        for (size_t i = 0; i < m->type->value_count; i++)
            buf_addf(out, "%s%s", i > 0 ? ", " : "", m->type->values[i]);
        buf_addc(out, ']');
    }
}

static bool in_enum(const struct shape *type, const char *text)
{
    for (size_t i = 0; i < type->value_count; i++)
        if (strcmp(type->values[i], text) == 0)
            return true;
    return false;
}

/* What the bounds measure. */
static double measure(const struct shape_member *m, const cJSON *value)
{
    if (is_number(m->kind))
        return value->valuedouble;
    if (m->kind == SHAPE_LIST || m->kind == SHAPE_MAP)
        return cJSON_GetArraySize(value);
    const char *text = value->valuestring;
    if (m->kind != SHAPE_BLOB)
        return (double)utf8_count(span_of(text));
    size_t n = strlen(text);
    size_t padding = n >= 2 ? (size_t)(text[n - 1] == '=') + (text[n - 2] == '=') : 0;
    size_t decoded = n / 4 * 3 - padding;
    return (double)decoded;
}

static bool breaks(const struct shape_member *m, enum rule rule, const cJSON *value, double size)
{
    if (!has_rule(m, rule))
        return false;
    switch (rule) {
    case RULE_MIN:
        return size < m->min_value;
    case RULE_MAX:
        return size > m->max_value;
    case RULE_PATTERN:
        return cJSON_IsString(value) && !regex_matches(m->regex, value->valuestring);
    default:
        return !in_enum(m->type, value->valuestring);
    }
}

static bool is_bounded(const struct shape_member *m)
{
    return m->min != NULL || m->max != NULL || m->regex != NULL || m->kind == SHAPE_ENUM;
}

static bool breaks_any(const struct shape_member *m, const cJSON *value)
{
    if (!is_bounded(m))
        return false;
    double size = m->min != NULL || m->max != NULL ? measure(m, value) : 0;
    for (enum rule rule = RULE_MIN; rule < RULES; rule++)
        if (breaks(m, rule, value, size))
            return true;
    return false;
}

static void check_rules(struct check *c, const struct place *at, const struct shape_member *m, const cJSON *value,
                        bool hidden)
{
    if (!breaks_any(m, value))
        return;
    double size = m->min != NULL || m->max != NULL ? measure(m, value) : 0;
    for (enum rule rule = RULE_MIN; rule < RULES; rule++)
        if (breaks(m, rule, value, size))
            put_rule(tell_value(c, at, m, value, hidden), m, rule);
}

/* A list or map of plain values is named as a whole, with all rules of its members. */
static void tell_members(struct check *c, const struct place *at, const struct shape_member *m,
                         const struct shape_member *inner, const char *id, const cJSON *value, bool hidden)
{
    CLEANUP(buf_release) struct buf rules = BUF_INIT(LONGEST_RULES);
    for (enum rule rule = RULE_MIN; rule < RULES; rule++) {
        if (!has_rule(inner, rule))
            continue;
        buf_adds(&rules, rules.len > 0 ? ", " : "");
        put_rule(&rules, inner, rule);
    }
    enum err e =
        api_error_text(c->api, id, NULL, tell_value(c, at, m, value, hidden), "rules", buf_text(&rules), NULL);
    c->lost = c->lost || e == ERR_NOMEM || buf_error(&rules) == ERR_NOMEM;
}

/* -- Types ------------------------------------------------ */

static bool is_float_word(const cJSON *value)
{
    return cJSON_IsString(value) &&
           (strcmp(value->valuestring, "NaN") == 0 || strcmp(value->valuestring, "Infinity") == 0 ||
            strcmp(value->valuestring, "-Infinity") == 0);
}

static bool is_whole(const cJSON *value, enum shape_kind kind)
{
    int64_t v;
    return json_int64(value, &v) && (kind == SHAPE_LONG || (v >= INT32_MIN && v <= INT32_MAX));
}

static bool has_kind(const struct shape_member *m, const cJSON *value)
{
    switch (m->kind) {
    case SHAPE_STRING:
    case SHAPE_ENUM:
    case SHAPE_BLOB:
        return cJSON_IsString(value);
    case SHAPE_INTEGER:
    case SHAPE_LONG:
        return is_whole(value, m->kind);
    case SHAPE_FLOAT:
    case SHAPE_DOUBLE:
        return cJSON_IsNumber(value) || is_float_word(value);
    case SHAPE_BOOLEAN:
        return cJSON_IsBool(value);
    case SHAPE_TIMESTAMP:
        return m->format == NULL ? cJSON_IsNumber(value) : cJSON_IsString(value);
    case SHAPE_LIST:
        return cJSON_IsArray(value);
    case SHAPE_DOCUMENT:
        return true;
    default:
        return cJSON_IsObject(value);
    }
}

/* RFC 4648 section 4, padded, without decoding. */
static bool is_base64(const char *text)
{
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t padding = strspn(text + n, "=");
    return padding <= 2 && text[n + padding] == '\0' && (n + padding) % 4 == 0;
}

/* RFC 3339 section 5.6, as Smithy's date-time: 2026-01-02T03:04:05Z, with or without parts of a second or an offset. */
static bool is_date_time(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    size_t i = 0;
    for (; form[i] != '\0'; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    static const struct {
        size_t at;
        int least, most;
    } parts[] = {{5, 1, 12}, {8, 1, 31}, {11, 0, 23}, {14, 0, 59}, {17, 0, 60}};
    for (size_t k = 0; k < COUNT_OF(parts); k++) {
        int v = (text[parts[k].at] - '0') * 10 + text[parts[k].at + 1] - '0';
        if (v < parts[k].least || v > parts[k].most)
            return false;
    }
    if (text[i] == '.') {
        size_t digits = strspn(text + i + 1, "0123456789");
        i += digits > 0 ? digits + 1 : 0;
    }
    if (strcmp(text + i, "Z") == 0)
        return true;
    const char *o = text + i;
    return (o[0] == '+' || o[0] == '-') && strspn(o + 1, "0123456789") == 2 && o[3] == ':' &&
           strspn(o + 4, "0123456789") == 2 && o[6] == '\0';
}

static bool is_bad_time(const struct shape_member *m, const cJSON *value)
{
    return m->kind == SHAPE_TIMESTAMP && m->format != NULL && !is_date_time(value->valuestring);
}

/* -- The walk ------------------------------------------------ */

/* One element of a list or value of a map. True: it is plain and breaks a constraint, which its container tells. */
static bool check_element(struct check *c, const struct place *step, const struct shape_member *m, const cJSON *v,
                          bool hidden)
{
    if (cJSON_IsNull(v))
        return false;
    if (is_plain(m->kind) && has_kind(m, v))
        return breaks_any(m, v);
    if (is_plain(m->kind))
        wrong_type(c, m, v);
    else
        check_value(c, step, m, v, hidden);
    return false;
}

static void check_list(struct check *c, const struct place *at, const struct shape_member *m, const cJSON *list,
                       bool hidden)
{
    struct place step = {.up = at};
    bool bad = false;
    for (const cJSON *v = list->child; v != NULL; v = v->next) {
        step.position++;
        bad = check_element(c, &step, m->element, v, hidden) || bad;
    }
    if (bad)
        tell_members(c, at, m, m->element, "constraint-list-member", list, hidden || m->element->sensitive);
}

static bool breaks_as_key(const struct shape_member *m, const char *key)
{
    cJSON item = {.type = cJSON_String | cJSON_IsReference};
    CLEANUP(free_ptr) char *copy = span_dup(span_of(key));
    item.valuestring = copy;
    return copy != NULL && breaks_any(m, &item);
}

static void check_map(struct check *c, const struct place *at, const struct shape_member *m, const cJSON *map,
                      bool hidden)
{
    bool bad_key = false, bad_value = false;
    for (const cJSON *v = map->child; v != NULL; v = v->next) {
        struct place step = {.up = at, .name = v->string, .entry = true};
        bad_key = bad_key || (is_bounded(m->key) && breaks_as_key(m->key, v->string));
        bad_value = check_element(c, &step, m->element, v, hidden) || bad_value;
    }
    if (bad_key)
        tell_members(c, at, m, m->key, "constraint-map-key", map, hidden);
    if (bad_value)
        tell_members(c, at, m, m->element, "constraint-map-value", map, hidden);
}

static void check_union(struct check *c, const struct place *at, const struct shape *type, size_t set)
{
    if (set == 1 || c->union_fault.len > 0 || type->member_count == 0)
        return;
    CLEANUP(buf_release) struct buf path = BUF_INIT(API_FAULT_MAX);
    CLEANUP(buf_release) struct buf keys = BUF_INIT(LONGEST_RULES);
    if (at != NULL)
        put_path(&path, at, true);
    for (size_t i = 0; i < type->member_count; i++)
        buf_addf(&keys, "%s%s", i > 0 ? ", " : "", type->members[i].name);
    enum err e = api_error_text(c->api, set == 0 ? "union-none" : "union-many", NULL, &c->union_fault, "type",
                                type->name, "path", buf_text(&path), "keys", buf_text(&keys), NULL);
    c->lost = c->lost || e == ERR_NOMEM || buf_error(&path) == ERR_NOMEM || buf_error(&keys) == ERR_NOMEM;
}

static void check_members(struct check *c, const struct place *at, const struct shape *type, const cJSON *object,
                          bool hidden)
{
    size_t set = 0;
    for (size_t i = 0; i < type->member_count; i++) {
        const struct shape_member *m = &type->members[i];
        const cJSON *value = json_member(object, m->name);
        struct place step = {.up = at, .name = m->name};
        set += value != NULL;
        if (value != NULL)
            check_value(c, &step, m, value, hidden || type->sensitive);
        else if (m->required)
            tell_null(c, &step);
    }
    if (type->kind == SHAPE_UNION || type->kind == SHAPE_EVENTSTREAM)
        check_union(c, at, type, set);
}

static void check_value(struct check *c, const struct place *at, const struct shape_member *m, const cJSON *value,
                        bool hidden)
{
    hidden = hidden || m->sensitive;
    if (!has_kind(m, value)) {
        wrong_type(c, m, value);
        return;
    }
    if (m->kind == SHAPE_BLOB && !is_base64(value->valuestring)) {
        type_fault(c, "type-blob", "", "");
        return;
    }
    if (is_bad_time(m, value)) {
        type_fault(c, "type-timestamp", "", "");
        return;
    }
    check_rules(c, at, m, value, hidden || (m->type != NULL && m->type->sensitive));
    if (m->kind == SHAPE_LIST)
        check_list(c, at, m, value, hidden);
    else if (m->kind == SHAPE_MAP)
        check_map(c, at, m, value, hidden);
    else if (m->type != NULL && m->kind != SHAPE_ENUM)
        check_members(c, at, m->type, value, hidden);
}

/* -- Path, query, headers, payload ------------------------------------------------ */

/* A text from the path, the query or a header becomes the number or boolean it stands for. NULL: it cannot. */
static cJSON *value_of(const struct shape_member *m, const char *text)
{
    cJSON *parsed = NULL;
    bool word = strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    if (m->kind == SHAPE_BOOLEAN && !word)
        return cJSON_CreateString(text);
    return json_parse(span_of(text), 0, &parsed, NULL) == OK ? parsed : cJSON_CreateString(text);
}

static void check_text(struct check *c, const struct shape_member *m, const char *text)
{
    struct place at = {.name = m->name};
    if (text == NULL) {
        if (m->required)
            tell_null(c, &at);
        return;
    }
    bool seconds = m->kind == SHAPE_TIMESTAMP && m->format == NULL;
    if ((m->kind == SHAPE_STRING && !is_bounded(m)) || m->kind == SHAPE_LIST || seconds)
        return;
    if (!is_number(m->kind) && m->kind != SHAPE_BOOLEAN) {
        union {
            const char *in;
            char *out;
        } lent = {.in = text}; /* a text stays one, and is only looked at */
        const cJSON item = {.type = cJSON_String, .valuestring = lent.out};
        check_value(c, &at, m, &item, false);
        return;
    }
    CLEANUP(json_free) cJSON *value = value_of(m, text);
    if (value == NULL)
        c->lost = true;
    else
        check_value(c, &at, m, value, false);
}

static void check_texts(struct check *c, const struct api_side *side, const struct api_input *in)
{
    const struct {
        enum api_place place;
        const struct shape_member *members;
        size_t count;
    } lists[] = {{API_PATH, side->path, side->path_count},
                 {API_QUERY, side->query, side->query_count},
                 {API_HEADER, side->headers, side->header_count}};
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (size_t j = 0; j < lists[i].count; j++)
            check_text(c, &lists[i].members[j], in->get(in->ctx, lists[i].place, lists[i].members[j].wire));
}

static void check_payload(struct check *c, const struct shape_member *m, size_t length)
{
    struct place at = {.name = m->name};
    if (m->kind != SHAPE_BLOB)
        return;
    for (enum rule rule = RULE_MIN; rule <= RULE_MAX; rule++) {
        double bound = rule == RULE_MIN ? m->min_value : m->max_value;
        bool broken = rule == RULE_MIN ? (double)length < bound : (double)length > bound;
        if (has_rule(m, rule) && broken)
            put_rule(tell(c, &at, NULL), m, rule);
    }
}

/* -- Results ------------------------------------------------ */

void api_fault_release(struct api_fault *fault)
{
    if (fault != NULL)
        buf_release(&fault->text);
}

static enum err give(struct api_fault *out, const char *type, struct buf *text)
{
    if (buf_error(text) == ERR_NOMEM)
        return ERR_NOMEM;
    if (out != NULL) {
        out->type = type;
        out->status = 400;
        buf_reset(&out->text);
        buf_add(&out->text, span_cut(buf_span(text), 0, out->text.max));
        if (buf_error(&out->text) == ERR_NOMEM)
            return ERR_NOMEM;
    }
    return ERR_INVALID;
}

static bool starved(const struct buf *b)
{
    return buf_error(b) == ERR_NOMEM;
}

static enum err conclude(struct check *c, struct api_fault *out)
{
    if (c->lost || starved(&c->constraints) || starved(&c->type_fault) || starved(&c->union_fault))
        return ERR_NOMEM;
    if (c->type_fault.len > 0)
        return give(out, "SerializationException", &c->type_fault);
    if (c->count > 0) {
        CLEANUP(buf_release) struct buf framed = BUF_INIT(API_FAULT_MAX + 64);
        buf_addf(&framed, "%zu validation error%s detected: ", c->count, c->count > 1 ? "s" : "");
        buf_add(&framed, buf_span(&c->constraints));
        return give(out, "ValidationException", &framed);
    }
    return c->union_fault.len > 0 ? give(out, "ValidationException", &c->union_fault) : OK;
}

static void check_init(struct check *c, const struct api *api)
{
    *c = (struct check){.api = api,
                        .constraints = BUF_INIT(API_FAULT_MAX),
                        .type_fault = BUF_INIT(API_FAULT_MAX),
                        .union_fault = BUF_INIT(API_FAULT_MAX)};
}

static void check_release(struct check *c)
{
    buf_release(&c->constraints);
    buf_release(&c->type_fault);
    buf_release(&c->union_fault);
}

static void check_body(struct check *c, const struct shape *shape, const cJSON *body)
{
    if (body == NULL || cJSON_IsObject(body))
        check_members(c, NULL, shape, body, false);
    else
        type_fault(c, "type-unexpected", "", "");
}

enum err api_check_request(const struct api *api, const struct api_operation *operation, const struct api_input *in,
                           struct api_fault *out)
{
    const struct api_side *side = &operation->request;
    CLEANUP(check_release) struct check c;
    check_init(&c, api);
    if (in->get != NULL)
        check_texts(&c, side, in);
    if (side->payload != NULL)
        check_payload(&c, side->payload, in->payload_len);
    else
        check_body(&c, &side->body, in->body);
    return conclude(&c, out);
}

enum err api_check_response(const struct api *api, const struct api_operation *operation, const cJSON *body,
                            struct api_fault *out)
{
    CLEANUP(check_release) struct check c;
    check_init(&c, api);
    if (operation->response.payload == NULL)
        check_body(&c, &operation->response.body, body);
    return conclude(&c, out);
}

enum err api_check_shape(const struct api *api, const struct shape *shape, const cJSON *value, struct api_fault *out)
{
    CLEANUP(check_release) struct check c;
    check_init(&c, api);
    check_body(&c, shape, value);
    return conclude(&c, out);
}

void api_fault_not_json(const struct api *api, struct api_fault *out)
{
    const struct api_text *row = api_text(api, "body-not-json");
    out->type = "SerializationException";
    out->status = 400;
    buf_reset(&out->text);
    buf_adds(&out->text, row == NULL ? "" : row->text);
}
