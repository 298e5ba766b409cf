/* Every constraint of every operation's request is broken once, and told with the right path and sentence.
 *
 * The requests and the sentences are made here from the bare JSON of fixtures/api/, without the loader and the walk of
 * protocol/shape*.c, so that the two must agree. Each violation is asked of the checker, and of a mock over a socket
 * when it serves the operation. A type that holds itself is walked once an operation. */
#include <ctype.h>

#include "protocol/data.h"
#include "protocol/regex.h"
#include "protocol/shape.h"

#include "mock_rig.h"

#define LONGEST   70000 /* values that are made; a longer limit is counted as not made */
#define TYPES_MAX 512
#define ONE       "1 validation error detected: "
#define FAILED    " failed to satisfy constraint: "

struct place {
    const struct place *up;
    const char *name; /* NULL: the first of a list */
    bool entry;       /* of a map */
};

struct counts {
    size_t operations, served, required, length, value, pattern, enums, types, unions, members, texts, many, wire,
        unmade;
};

struct walk {
    const cJSON *types, *request;
    const struct api *api;
    const struct api_operation *operation;
    struct mock *mock; /* NULL: it does not serve the operation */
    struct buf path;   /* with labels filled in */
    cJSON *body;
    const char *seen[TYPES_MAX];
    size_t seen_count;
    struct counts *counts;
};

static const char *kind_of(const struct walk *w, const cJSON *m)
{
    const cJSON *type = json_member(w->types, json_str(m, "t"));
    return type != NULL ? json_str(type, "kind") : json_str(m, "t");
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool is_number(const char *kind)
{
    return is(kind, "integer") || is(kind, "long") || is(kind, "float") || is(kind, "double");
}

static bool is_plain(const char *kind)
{
    return is_number(kind) || is(kind, "string") || is(kind, "enum") || is(kind, "boolean") || is(kind, "blob") ||
           is(kind, "timestamp");
}

static bool flag(const cJSON *m, const char *name)
{
    return cJSON_IsTrue(json_member(m, name));
}

static const char *literal(const cJSON *m, const char *name)
{
    const cJSON *n = json_member(m, name);
    return n != NULL ? n->valuestring : NULL;
}

static bool matches(const cJSON *m, const char *text)
{
    const char *pattern = json_str(m, "pattern");
    return pattern == NULL || regex_matches(regex_get(pattern, REGEX_WHOLE, NULL), text);
}

/* ---- right values ---- */

static const char *const words[] = {
    "a",
    "abc",
    "A",
    "1",
    "ab",
    "abcdefghij",
    "0123456789",
    "123456789012",
    "DRAFT",
    "us-east-1",
    "KB12345678",
    "en",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "s3://bucket/key",
    "kms-key",
    "default",
    "2026-01-02",
    "abcdefghijkl",
    "us.amazon.nova-lite-v1:0",
    "a@b.cd",
    "text/plain",
    "application/json",
    "AVDR12345678",
    "ab12cd34ef56",
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl",
    "arn:aws:bedrock:us-east-1:123456789012:guardrail/abcdefghijkl",
    "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ",
    "arn:aws:bedrock:us-east-1:123456789012:async-invoke/abcdefghijkl",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.titan-text:1:8k/abcdefghijkl",
    "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl",
    "arn:aws:bedrock:us-east-1:123456789012:guardrail-profile/us.guardrail.v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:automated-reasoning-policy/abcdefghijkl",
    "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/a",
    "arn:aws:iam::123456789012:role/Role",
    "arn:aws:kms:us-east-1:123456789012:key/abc",
    "arn:aws:lambda:us-east-1:123456789012:function:name",
    "arn:aws:logs:us-east-1:123456789012:log-group:a",
    "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/abc",
    "arn:aws:sagemaker:us-east-1:123456789012:model-package/abc",
    "12345678-1234-1234-1234-123456789012",
    "123456",
    "arn:aws:aoss:us-east-1:123456789012:collection/abcdefghijklmnopqrst",
    "us.guardrail.v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
    "arn:aws:bedrock:us-east-1:123456789012:data-automation-project/abcdefghijkl",
    "prompt $output$",
    "aaaaaaaaaaaaaaaa"};

static size_t bound(const cJSON *m, const char *name, size_t otherwise)
{
    const char *text = literal(m, name);
    return text != NULL ? (size_t)strtod(text, NULL) : otherwise;
}

static bool fits(const cJSON *m, const char *text)
{
    size_t n = strlen(text);
    return n >= bound(m, "min", 0) && n <= bound(m, "max", SIZE_MAX) && matches(m, text);
}

static cJSON *sample_text(const cJSON *m)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (fits(m, words[i]))
            return cJSON_CreateString(words[i]);
    char text[4096];
    size_t n = bound(m, "min", 1);
    memset(text, 'a', sizeof text);
    text[n < sizeof text ? n : sizeof text - 1] = '\0';
    CLAIM(fits(m, text), "no word fits %s", json_str(m, "pattern"));
    return cJSON_CreateString(text);
}

static cJSON *sample(const struct walk *w, const cJSON *m);

/* The first member of a union that is no list: lists are how unions hold themselves. */
static const cJSON *choice(const struct walk *w, const cJSON *type)
{
    const cJSON *member, *members = json_member(type, "members");
    cJSON_ArrayForEach(member, members)
    {
        if (!is(kind_of(w, member), "list"))
            return member;
    }
    return members->child;
}

static cJSON *sample_struct(const struct walk *w, const cJSON *type)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *member, *one = is(json_str(type, "kind"), "union") ? choice(w, type) : NULL;
    cJSON_ArrayForEach(member, json_member(type, "members"))
    {
        if (flag(member, "req") || member == one)
            (void)json_set(out, member->string, sample(w, member));
    }
    return out;
}

static cJSON *sample_number(const cJSON *m)
{
    const char *min = literal(m, "min"), *max = literal(m, "max");
    return json_new_literal(min != NULL ? min : max != NULL ? max : "1");
}

static cJSON *sample_list(const struct walk *w, const cJSON *m, size_t n)
{
    cJSON *list = cJSON_CreateArray();
    while (n-- > 0)
        (void)cJSON_AddItemToArray(list, sample(w, json_member(m, "of")));
    return list;
}

static cJSON *sample(const struct walk *w, const cJSON *m)
{
    const char *kind = kind_of(w, m);
    const cJSON *type = json_member(w->types, json_str(m, "t"));
    if (is(kind, "string"))
        return sample_text(m);
    if (is(kind, "enum"))
        return cJSON_Duplicate(cJSON_GetArrayItem(json_member(type, "values"), 0), true);
    if (is_number(kind))
        return sample_number(m);
    if (is(kind, "boolean"))
        return cJSON_CreateTrue();
    if (is(kind, "blob"))
        return cJSON_CreateString("AAAA");
    if (is(kind, "timestamp"))
        return flag(m, "req") || json_str(m, "format") != NULL ? cJSON_CreateString("2026-01-02T03:04:05Z")
                                                               : json_new_int(1);
    if (is(kind, "list"))
        return sample_list(w, m, bound(m, "min", 0));
    if (is(kind, "struct") || is(kind, "union"))
        return sample_struct(w, type);
    cJSON *map = cJSON_CreateObject();
    if (is(kind, "map") && bound(m, "min", 0) > 0) {
        CLEANUP(json_free) cJSON *key = sample_text(json_member(m, "key"));
        (void)json_set(map, key->valuestring, sample(w, json_member(m, "value")));
    }
    return map;
}

/* ---- sentences ---- */

static void put_path(struct buf *out, const struct place *at, bool from_zero)
{
    if (at->up != NULL) {
        put_path(out, at->up, from_zero);
        buf_addc(out, '.');
    }
    if (at->name == NULL)
        buf_adds(out, from_zero ? "0" : "1.member");
    else
        buf_addf(out, "%s%s", at->name, at->entry && !from_zero ? ".member" : "");
}

static void put_rule(const struct walk *w, struct buf *out, const cJSON *m, const char *rule)
{
    const char *what = is_number(kind_of(w, m)) ? "value" : "length";
    const cJSON *value, *values = json_member(json_member(w->types, json_str(m, "t")), "values");
    if (is(rule, "min"))
        buf_addf(out, "Member must have %s greater than or equal to %s", what, literal(m, "min"));
    else if (is(rule, "max"))
        buf_addf(out, "Member must have %s less than or equal to %s", what, literal(m, "max"));
    else if (is(rule, "pattern"))
        buf_addf(out, "Member must satisfy regular expression pattern: %s", json_str(m, "pattern"));
    else {
        buf_adds(out, "Member must satisfy enum value set: [");
        cJSON_ArrayForEach(value, values)
            buf_addf(out, "%s%s", value->prev != NULL && value != values->child ? ", " : "", value->valuestring);
        buf_addc(out, ']');
    }
}

static const char *const rules[] = {"min", "max", "pattern", "enum"};

static bool has_rule(const struct walk *w, const cJSON *m, const char *rule)
{
    return is(rule, "enum") ? is(kind_of(w, m), "enum") : json_member(m, rule) != NULL;
}

static bool in_enum(const struct walk *w, const cJSON *m, const char *text)
{
    const cJSON *value;
    cJSON_ArrayForEach(value, json_member(json_member(w->types, json_str(m, "t")), "values"))
    {
        if (is(value->valuestring, text))
            return true;
    }
    return false;
}

static double size_of(const struct walk *w, const cJSON *m, const cJSON *value)
{
    if (is_number(kind_of(w, m)))
        return value->valuedouble;
    if (!cJSON_IsString(value))
        return cJSON_GetArraySize(value);
    return is(kind_of(w, m), "blob") ? (double)(strlen(value->valuestring) / 4 * 3)
                                     : (double)strlen(value->valuestring);
}

static bool breaks(const struct walk *w, const cJSON *m, const cJSON *value, const char *rule)
{
    if (!has_rule(w, m, rule))
        return false;
    if (is(rule, "pattern"))
        return cJSON_IsString(value) && !matches(m, value->valuestring);
    if (is(rule, "enum"))
        return !in_enum(w, m, value->valuestring);
    double limit = strtod(literal(m, rule), NULL);
    return is(rule, "min") ? size_of(w, m, value) < limit : size_of(w, m, value) > limit;
}

static void put_shown(const cJSON *value, struct buf *out)
{
    const cJSON *child;
    if (cJSON_IsArray(value) || cJSON_IsObject(value)) {
        buf_addc(out, cJSON_IsArray(value) ? '[' : '{');
        cJSON_ArrayForEach(child, value)
        {
            if (child != value->child)
                buf_adds(out, ", ");
            if (cJSON_IsObject(value))
                buf_addf(out, "%s=", child->string);
            put_shown(child, out);
        }
        buf_addc(out, cJSON_IsArray(value) ? ']' : '}');
    } else if (cJSON_IsString(value)) {
        buf_adds(out, value->valuestring);
    } else {
        json_print(value, JSON_COMPACT, out);
    }
}

static bool is_hidden(const struct walk *w, const cJSON *m, const cJSON *value)
{
    const char *kind = kind_of(w, m);
    const cJSON *inner = json_member(m, is(kind, "map") ? "value" : "of");
    if (is(kind, "blob") || flag(m, "sensitive") || flag(json_member(w->types, json_str(m, "t")), "sensitive"))
        return true;
    if (is_plain(kind) || value->child == NULL)
        return false;
    return inner == NULL || !is_plain(kind_of(w, inner)) || flag(inner, "sensitive");
}

static void begin(struct buf *out, size_t *count, const struct place *at, const cJSON *shown)
{
    buf_adds(out, (*count)++ > 0 ? "; Value" : "Value");
    if (shown != NULL) {
        buf_adds(out, " '");
        put_shown(shown, out);
        buf_addc(out, '\'');
    }
    buf_adds(out, " at '");
    put_path(out, at, false);
    buf_adds(out, "'" FAILED);
}

/* All rules that a value breaks. */
static void tell(const struct walk *w, struct buf *out, size_t *count, const struct place *at, const cJSON *m,
                 const cJSON *value, bool hidden)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (!breaks(w, m, value, rules[i]))
            continue;
        begin(out, count, at, hidden || is_hidden(w, m, value) ? NULL : value);
        put_rule(w, out, m, rules[i]);
    }
}

static void tell_null(struct buf *out, size_t *count, const struct place *at)
{
    buf_adds(out, (*count)++ > 0 ? "; Value null at '" : "Value null at '");
    put_path(out, at, false);
    buf_adds(out, "'" FAILED "Member must not be null");
}

static void frame(struct buf *out, size_t count, const struct buf *sentences)
{
    buf_addf(out, "%zu validation error%s detected: %s", count, count == 1 ? "" : "s", buf_text(sentences));
}

/* ---- asking ---- */

static void judge(const struct walk *w, const char *by, const char *type, const char *text, const char *wanted_type,
                  const char *wanted)
{
    bool right = strncmp(type, wanted_type, strlen(wanted_type)) == 0 && is(text, wanted);
    CLAIM(right, "%s by %s: expected %s %.600s\n    got %s %.600s", w->operation->name, by, wanted_type, wanted, type,
          text);
}

static void send_it(const struct walk *w, const char *path, const struct http_headers *more, const char *type,
                    const char *wanted)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    bool get = is(w->operation->method, "GET") || is(w->operation->method, "DELETE");
    if (w->body != NULL && !get)
        json_print(w->body, JSON_COMPACT, &body);
    CLEANUP(reply_release)
    struct reply r = fetch(mock_port(w->mock), w->operation->method, path, buf_text(&body), more, NULL);
    judge(w, "the mock", header(&r, "x-amzn-ErrorType"), text_at(r.json, "/message"), type, wanted);
    w->counts->wire++;
}

static void expect(const struct walk *w, const char *type, const char *wanted)
{
    CLEANUP(api_fault_release) struct api_fault fault = API_FAULT_INIT;
    struct api_input in = {.body = w->body};
    bool bad = api_check_request(w->api, w->operation, &in, &fault) == ERR_INVALID;
    judge(w, "the checker", bad ? fault.type : "", bad ? buf_text(&fault.text) : "", type, wanted);
    if (w->mock != NULL)
        send_it(w, buf_text(&w->path), NULL, type, wanted);
}

static void expect_constraint(const struct walk *w, const struct place *at, const cJSON *m, const cJSON *value,
                              bool hidden)
{
    CLEANUP(buf_release) struct buf sentences = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    size_t count = 0;
    tell(w, &sentences, &count, at, m, value, hidden);
    frame(&text, count, &sentences);
    expect(w, "ValidationException", buf_text(&text));
}

/* ---- wrong values ---- */

static cJSON *text_of(char c, size_t n)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    while (n-- > 0)
        buf_addc(&b, c);
    return cJSON_CreateString(buf_text(&b));
}

static cJSON *number_beside(const cJSON *m, const char *rule)
{
    char text[64];
    double by = is(rule, "min") ? -1 : 1;
    (void)snprintf(text, sizeof text, "%.17g", strtod(literal(m, rule), NULL) + by);
    return json_new_literal(text);
}

static cJSON *map_of(const struct walk *w, const cJSON *m, size_t n)
{
    cJSON *map = cJSON_CreateObject();
    for (size_t i = 0; i < n; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k%zu", i);
        (void)json_set(map, key, sample(w, json_member(m, "value")));
    }
    return map;
}

static cJSON *of_size(const struct walk *w, const cJSON *m, size_t n)
{
    const char *kind = kind_of(w, m);
    if (n > LONGEST)
        return NULL;
    if (is(kind, "list"))
        return sample_list(w, m, n);
    if (is(kind, "map"))
        return map_of(w, m, n);
    if (is(kind, "blob"))
        return text_of('A', n == 0 ? 0 : (n + 2) / 3 * 4);
    return text_of('a', n);
}

static cJSON *no_match(const cJSON *m)
{
    static const char *const strange[] = {"!", "~ ~", "\x01", "a b!", "arn:aws:nothing", "\t\t", "a", "{}{}{}"};
    for (size_t i = 0; i < COUNT_OF(strange); i++)
        if (!matches(m, strange[i]))
            return cJSON_CreateString(strange[i]);
    return NULL;
}

/* A value that breaks the rule; NULL: none can be made. */
static cJSON *wrong(const struct walk *w, const cJSON *m, const char *rule)
{
    if (is(rule, "enum"))
        return cJSON_CreateString("no-such-value");
    if (is(rule, "pattern"))
        return no_match(m);
    if (is_number(kind_of(w, m)))
        return number_beside(m, rule);
    size_t n = bound(m, rule, 0);
    if (is(rule, "min") && n == 0)
        return NULL;
    return of_size(w, m, is(rule, "min") ? n - 1 : n + 1);
}

static size_t *counter(struct counts *c, const struct walk *w, const cJSON *m, const char *rule)
{
    return is(rule, "enum")           ? &c->enums
           : is(rule, "pattern")      ? &c->pattern
           : is_number(kind_of(w, m)) ? &c->value
                                      : &c->length;
}

/* ---- the walk ---- */

static cJSON *put(cJSON *container, const char *name, cJSON *take)
{
    if (name != NULL)
        return json_set(container, name, take);
    (void)cJSON_ReplaceItemInArray(container, 0, take);
    return cJSON_GetArrayItem(container, 0);
}

static const char *wanted_word(const char *kind)
{
    static const char *const pairs[][2] = {{"string", "String"},   {"enum", "String"}, {"integer", "Integer"},
                                           {"long", "Long"},       {"float", "Float"}, {"double", "Double"},
                                           {"boolean", "Boolean"}, {"blob", "Blob"},   {"timestamp", "Timestamp"}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        if (is(kind, pairs[i][0]))
            return pairs[i][1];
    return NULL;
}

static void wrong_types(struct walk *w, cJSON *container, const char *name, const cJSON *m)
{
    const char *kind = kind_of(w, m), *word = wanted_word(kind);
    if (is(kind, "document"))
        return;
    w->counts->types++;
    if (word == NULL) {
        (void)put(container, name, cJSON_CreateString("text"));
        expect(w, "SerializationException", "Unexpected field type");
        return;
    }
    char text[96];
    bool quoted = is(word, "String") || is(kind, "blob") || is(kind, "timestamp");
    (void)snprintf(text, sizeof text, "%s cannot be converted to %s", quoted ? "TRUE_VALUE" : "STRING_VALUE", word);
    (void)put(container, name, quoted ? cJSON_CreateTrue() : cJSON_CreateString("text"));
    expect(w, "SerializationException", text);
    (void)put(container, name, cJSON_CreateObject());
    expect(w, "SerializationException", "Start of structure or map found where not expected.");
    (void)put(container, name, cJSON_CreateArray());
    expect(w, "SerializationException", "Start of list found where not expected");
    if (is(kind, "blob")) {
        (void)put(container, name, cJSON_CreateString("A=A="));
        expect(w, "SerializationException", "Invalid base64");
    }
    if (is(kind, "timestamp") && json_str(m, "format") != NULL) {
        (void)put(container, name, cJSON_CreateString("2026-13-02T03:04:05Z"));
        expect(w, "SerializationException", "Unable to parse date");
    }
}

static void break_rules(struct walk *w, const struct place *at, cJSON *container, const char *name, const cJSON *m,
                        bool hidden)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (!has_rule(w, m, rules[i]) || (is(rules[i], "min") && bound(m, "min", 1) == 0 && !is_number(kind_of(w, m))))
            continue;
        cJSON *value = wrong(w, m, rules[i]);
        if (value == NULL) {
            w->counts->unmade++;
            continue;
        }
        expect_constraint(w, at, m, put(container, name, value), hidden);
        *counter(w->counts, w, m, rules[i]) += 1;
    }
}

static void walk_member(struct walk *w, const struct place *at, cJSON *container, const cJSON *m, bool hidden);

static bool is_new(struct walk *w, const char *type)
{
    for (size_t i = 0; i < w->seen_count; i++)
        if (is(w->seen[i], type))
            return false;
    if (w->seen_count < TYPES_MAX)
        w->seen[w->seen_count++] = type;
    return true;
}

static void expect_union(struct walk *w, const struct place *at, const char *name, const cJSON *type, bool many)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const cJSON *member, *members = json_member(type, "members");
    buf_addf(&text, "The %s object at ", name);
    put_path(&text, at, true);
    buf_addf(&text, " must set %s of the following keys: ", many ? "only one" : "one");
    cJSON_ArrayForEach(member, members) buf_addf(&text, "%s%s", member != members->child ? ", " : "", member->string);
    buf_addc(&text, '.');
    expect(w, "ValidationException", buf_text(&text));
    w->counts->unions++;
}

static void walk_union(struct walk *w, const struct place *at, cJSON *object, const char *name, const cJSON *type,
                       bool hidden)
{
    const cJSON *member, *first = choice(w, type), *other = json_member(type, "members")->child;
    if (other == first)
        other = first->next;
    cJSON_DeleteItemFromObjectCaseSensitive(object, object->child->string);
    expect_union(w, at, name, type, false);
    if (other != NULL) {
        (void)json_set(object, first->string, sample(w, first));
        (void)json_set(object, other->string, sample(w, other));
        expect_union(w, at, name, type, true);
        cJSON_DeleteItemFromObjectCaseSensitive(object, first->string);
        cJSON_DeleteItemFromObjectCaseSensitive(object, other->string);
    }
    cJSON_ArrayForEach(member, json_member(type, "members"))
    {
        struct place step = {.up = at, .name = member->string};
        walk_member(w, &step, object, member, hidden);
        cJSON_DeleteItemFromObjectCaseSensitive(object, member->string);
    }
    (void)json_set(object, first->string, sample(w, first));
}

static void walk_struct(struct walk *w, const struct place *at, cJSON *object, const char *name, bool hidden)
{
    const cJSON *member, *type = json_member(w->types, name);
    hidden = hidden || flag(type, "sensitive");
    if (!is_new(w, name))
        return;
    if (is(json_str(type, "kind"), "union")) {
        walk_union(w, at, object, name, type, hidden);
        return;
    }
    cJSON_ArrayForEach(member, json_member(type, "members"))
    {
        struct place step = {.up = at, .name = member->string};
        walk_member(w, &step, object, member, hidden);
        if (!flag(member, "req"))
            cJSON_DeleteItemFromObjectCaseSensitive(object, member->string);
    }
}

/* Plain values in a list or map: it is told as a whole. */
static void expect_members(struct walk *w, const struct place *at, const cJSON *m, const cJSON *inner,
                           const cJSON *container, const char *opening, bool hidden)
{
    CLEANUP(buf_release) struct buf sentences = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    size_t count = 0, n = 0;
    tell(w, &sentences, &count, at, m, container, hidden);
    bool show = !hidden && !is_hidden(w, m, container);
    begin(&sentences, &count, at, show ? container : NULL);
    buf_adds(&sentences, opening);
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (!has_rule(w, inner, rules[i]))
            continue;
        buf_adds(&sentences, n++ > 0 ? ", " : "");
        put_rule(w, &sentences, inner, rules[i]);
    }
    buf_addc(&sentences, ']');
    frame(&text, count, &sentences);
    expect(w, "ValidationException", buf_text(&text));
    w->counts->members++;
}

static void walk_list(struct walk *w, const struct place *at, cJSON *container, const cJSON *m, bool hidden)
{
    const cJSON *inner = json_member(m, "of");
    size_t n = bound(m, "min", 0) > 0 ? bound(m, "min", 0) : 1;
    cJSON *list = put(container, at->name, sample_list(w, m, n));
    struct place step = {.up = at};
    if (!is_plain(kind_of(w, inner))) {
        walk_member(w, &step, list, inner, hidden);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        cJSON *value = has_rule(w, inner, rules[i]) ? wrong(w, inner, rules[i]) : NULL;
        if (value == NULL)
            continue;
        (void)put(list, NULL, value);
        expect_members(w, at, m, inner, list, "Member must satisfy constraint: [", hidden);
    }
}

static void walk_map(struct walk *w, const struct place *at, cJSON *container, const cJSON *m, bool hidden)
{
    const cJSON *inner = json_member(m, "value"), *key = json_member(m, "key");
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        CLEANUP(json_free) cJSON *bad = has_rule(w, key, rules[i]) ? wrong(w, key, rules[i]) : NULL;
        if (bad == NULL)
            continue;
        cJSON *map = put(container, at->name, cJSON_CreateObject());
        (void)json_set(map, bad->valuestring, sample(w, inner));
        expect_members(w, at, m, key, map, "Map keys must satisfy constraint: [", hidden);
    }
    CLEANUP(json_free) cJSON *good = sample_text(key);
    cJSON *map = put(container, at->name, cJSON_CreateObject());
    (void)json_set(map, good->valuestring, sample(w, inner));
    if (!is_plain(kind_of(w, inner)) && !is(kind_of(w, inner), "document")) {
        struct place step = {.up = at, .name = good->valuestring, .entry = true};
        walk_member(w, &step, map, inner, hidden);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        cJSON *value = has_rule(w, inner, rules[i]) ? wrong(w, inner, rules[i]) : NULL;
        if (value == NULL)
            continue;
        (void)json_set(map, good->valuestring, value);
        expect_members(w, at, m, inner, map, "Map value must satisfy constraint: [", hidden);
    }
}

static void walk_member(struct walk *w, const struct place *at, cJSON *container, const cJSON *m, bool hidden)
{
    const char *kind = kind_of(w, m);
    if (flag(m, "req")) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        size_t count = 0;
        cJSON_DeleteItemFromObjectCaseSensitive(container, at->name);
        buf_adds(&text, ONE);
        tell_null(&text, &count, at);
        expect(w, "ValidationException", buf_text(&text));
        (void)json_set(container, at->name, cJSON_CreateNull());
        expect(w, "ValidationException", buf_text(&text));
        w->counts->required++;
    }
    hidden = hidden || flag(m, "sensitive");
    break_rules(w, at, container, at->name, m, hidden);
    wrong_types(w, container, at->name, m);
    cJSON *value = put(container, at->name, sample(w, m));
    if (is(kind, "struct") || is(kind, "union"))
        walk_struct(w, at, value, json_str(m, "t"), hidden);
    else if (is(kind, "list"))
        walk_list(w, at, container, m, hidden);
    else if (is(kind, "map"))
        walk_map(w, at, container, m, hidden);
    (void)put(container, at->name, sample(w, m));
}

/* ---- labels, query parameters, headers ---- */

static void escape(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL)
            buf_addc(out, *text);
        else
            buf_addf(out, "%%%02X", (unsigned char)*text);
    }
}

static void add_query(struct buf *path, const char *name, const char *value)
{
    buf_addf(path, "%c%s=", strchr(buf_text(path), '?') != NULL ? '&' : '?', name);
    escape(value, path);
}

static void text_of_value(const cJSON *value, struct buf *out)
{
    if (cJSON_IsString(value))
        buf_adds(out, value->valuestring);
    else
        json_print(value, JSON_COMPACT, out);
}

/* The path of a request with right labels and required parameters, but for one whose text is given (NULL: left out). */
static void write_path(const struct walk *w, const cJSON *odd, const char *text, struct buf *out)
{
    const cJSON *m, *labels = json_member(w->request, "path");
    const char *uri = w->operation->uri;
    while (*uri != '\0') {
        const char *end = *uri == '{' ? strchr(uri, '}') : NULL;
        if (end == NULL) {
            buf_addc(out, *uri++);
            continue;
        }
        cJSON_ArrayForEach(m, labels)
        {
            const char *name = json_str(m, "name");
            if (strncmp(uri + 1, name, strlen(name)) != 0 || uri[1 + strlen(name)] != '}')
                continue;
            CLEANUP(json_free) cJSON *right = sample(w, m);
            escape(m == odd ? text : right->valuestring, out);
        }
        uri = end + 1;
    }
    cJSON_ArrayForEach(m, json_member(w->request, "query"))
    {
        CLEANUP(json_free) cJSON *right = flag(m, "req") ? sample(w, m) : NULL;
        CLEANUP(buf_release) struct buf value = BUF_INIT(BUF_ANY);
        if (right != NULL)
            text_of_value(right, &value);
        if (m == odd ? text != NULL : right != NULL)
            add_query(out, json_str(m, "name"), m == odd ? text : buf_text(&value));
    }
}

static void ask_odd(struct walk *w, const cJSON *odd, bool is_header, const char *value, const char *type,
                    const char *wanted)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(BUF_ANY);
    CLEANUP(http_headers_release) struct http_headers more;
    http_headers_init(&more);
    if (is_header && value != NULL)
        http_headers_add(&more, json_str(odd, "name"), value);
    write_path(w, odd, value, &path);
    send_it(w, buf_text(&path), &more, type, wanted);
    w->counts->texts++;
}

static bool can_travel(const char *text, const char *where)
{
    if (is(where, "path") && (text[0] == '\0' || strlen(text) > 3000))
        return false;
    for (; *text != '\0'; text++)
        if (is(where, "headers") && (iscntrl((unsigned char)*text) || *text == ' '))
            return false;
    return true;
}

static void break_text(struct walk *w, const cJSON *m, const char *where)
{
    struct place at = {.name = m->string};
    bool is_header = is(where, "headers");
    const char *kind = kind_of(w, m);
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        CLEANUP(json_free) cJSON *value = has_rule(w, m, rules[i]) && is_plain(kind) ? wrong(w, m, rules[i]) : NULL;
        CLEANUP(buf_release) struct buf sentences = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf wanted = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        size_t count = 0;
        if (value == NULL)
            continue;
        text_of_value(value, &text);
        if (!can_travel(buf_text(&text), where))
            continue;
        tell(w, &sentences, &count, &at, m, value, flag(m, "sensitive"));
        frame(&wanted, count, &sentences);
        ask_odd(w, m, is_header, buf_text(&text), "ValidationException", buf_text(&wanted));
    }
    if (flag(m, "req") && !is(where, "path")) {
        CLEANUP(buf_release) struct buf wanted = BUF_INIT(BUF_ANY);
        size_t count = 0;
        buf_adds(&wanted, ONE);
        tell_null(&wanted, &count, &at);
        ask_odd(w, m, is_header, NULL, "ValidationException", buf_text(&wanted));
    }
    if (is_number(kind)) {
        char text[96];
        (void)snprintf(text, sizeof text, "STRING_VALUE cannot be converted to %s", wanted_word(kind));
        ask_odd(w, m, is_header, "many", "SerializationException", text);
    }
    if (is(kind, "timestamp"))
        ask_odd(w, m, is_header, "yesterday", "SerializationException", "Unable to parse date");
}

/* ---- an operation ---- */

static void restore_body(struct walk *w)
{
    const cJSON *m;
    json_free(&w->body);
    w->body = cJSON_CreateObject();
    cJSON_ArrayForEach(m, json_member(w->request, "body"))
    {
        if (flag(m, "req"))
            (void)json_set(w->body, m->string, sample(w, m));
    }
}

/* Every member of the body is wrong at once. */
static void break_all(struct walk *w)
{
    CLEANUP(buf_release) struct buf sentences = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const cJSON *m;
    size_t count = 0;
    restore_body(w);
    cJSON_ArrayForEach(m, json_member(w->request, "body"))
    {
        struct place at = {.name = m->string};
        cJSON *value = NULL;
        if (flag(m, "req")) {
            cJSON_DeleteItemFromObjectCaseSensitive(w->body, m->string);
            tell_null(&sentences, &count, &at);
            continue;
        }
        for (size_t i = 0; i < COUNT_OF(rules) && value == NULL; i++)
            value = has_rule(w, m, rules[i]) ? wrong(w, m, rules[i]) : NULL;
        if (value != NULL)
            tell(w, &sentences, &count, &at, m, json_set(w->body, m->string, value), false);
    }
    if (count < 2)
        return;
    frame(&text, count, &sentences);
    expect(w, "ValidationException", buf_text(&text));
    w->counts->many++;
}

static bool is_served(const struct walk *w)
{
    CLEANUP(reply_release)
    struct reply r = fetch(mock_port(w->mock), w->operation->method, buf_text(&w->path),
                           is(w->operation->method, "GET") ? "" : "{}", NULL, NULL);
    return strstr(buf_text(&r.body), "UnknownOperationException") == NULL;
}

static void walk_operation(struct walk *w)
{
    static const char *const places[] = {"path", "query", "headers"};
    const cJSON *m;
    w->counts->operations++;
    buf_init(&w->path, BUF_ANY);
    restore_body(w);
    write_path(w, NULL, NULL, &w->path);
    if (w->mock != NULL && !is_served(w))
        w->mock = NULL;
    w->counts->served += w->mock != NULL;
    for (size_t i = 0; w->mock != NULL && i < COUNT_OF(places); i++)
        cJSON_ArrayForEach(m, json_member(w->request, places[i])) break_text(w, m, places[i]);
    cJSON_ArrayForEach(m, json_member(w->request, "body"))
    {
        struct place at = {.name = m->string};
        walk_member(w, &at, w->body, m, false);
        if (!flag(m, "req"))
            cJSON_DeleteItemFromObjectCaseSensitive(w->body, m->string);
    }
    break_all(w);
    json_free(&w->body);
    buf_release(&w->path);
}

static void walk_service(const struct api *api, struct mock *mock, const char *file, struct counts *counts)
{
    struct span text;
    CLEANUP(json_free) cJSON *tree = NULL;
    const cJSON *o;
    if (data_load(file, &text, NULL) != OK || json_parse(text, JSON_COMPACT, &tree, NULL) != OK)
        abort();
    cJSON_ArrayForEach(o, json_member(tree, "operations"))
    {
        struct walk w = {.types = json_member(tree, "types"),
                         .request = json_member(o, "request"),
                         .api = api,
                         .operation = api_operation(api, o->string),
                         .mock = mock,
                         .counts = counts};
        if (is(json_str(o, "streaming"), "bidirectional"))
            continue;
        CLAIM(w.operation != NULL, "nobody knows %s", o->string);
        if (w.operation != NULL)
            walk_operation(&w);
    }
}

static void every_constraint_of_every_operation_is_told(void)
{
    CLEANUP(rig_stop) struct mock *m = NULL;
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    struct note note = {""};
    struct api *api = api_load(&note);
    struct counts n = {0};
    m = rig_start(&config);
    CU_ASSERT_PTR_NOT_NULL_FATAL(api);
    walk_service(api, m, "fixtures/api/bedrock-runtime.json", &n);
    walk_service(api, m, "fixtures/api/bedrock.json", &n);
    walk_service(api, m, "fixtures/api/bedrock-agent-runtime.json", &n);
    walk_service(api, NULL, "fixtures/api/sts.json", &n);
    (void)printf("    %zu operations, %zu of them over the wire (%zu requests)\n", n.operations, n.served, n.wire);
    (void)printf(
        "    required %zu, length %zu, value %zu, pattern %zu, enum %zu, type %zu, union %zu, members of lists and "
        "maps %zu; labels, query and headers %zu; several at once %zu; not made %zu\n",
        n.required, n.length, n.value, n.pattern, n.enums, n.types, n.unions, n.members, n.texts, n.many, n.unmade);
    CLAIM(n.operations >= 45 && n.served >= 35 && n.wire > 1000, "the walk is short");
    CLAIM(n.required > 100 && n.length > 100 && n.value > 10 && n.pattern > 50 && n.enums > 20 && n.types > 200 &&
              n.unions > 20 && n.members > 10 && n.texts > 50 && n.many > 10,
          "a kind of constraint is hardly met");
    api_free(api);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every constraint of every operation is told", every_constraint_of_every_operation_is_told},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_shapes", tests);
}
