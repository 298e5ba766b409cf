/* compat_check.c: bodies of the compatible endpoints, against what their protocols say of them.
 *
 * Members are rows of a table; conversations are walked. The sentences have the form that the protocols' own services
 * have (OpenAI: "Missing required parameter: 'x'."; Anthropic: "x: Field required"), since nothing is known of
 * Bedrock's beyond "Extra inputs are not permitted". OpenAI's dialects take members nobody knows, Anthropic's does not;
 * what Anthropic's may hold is what Claude's native bodies may (native_body.h).
 */
#include "mock/compat/compat.h"

#include <stdarg.h>
#include <stdio.h>

#include "mock/native/native_body.h"

#define TOOLS_MAX    128
#define STOPS_MAX    4
#define NAME_MAX_LEN 64

struct walk {
    struct compat_fault *f;
    bool broken;
};

static void fail(struct walk *w, const char *param, const char *code, const char *format, ...) PRINTF_LIKE(4, 5);
static void fail(struct walk *w, const char *param, const char *code, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (w->broken)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    w->broken = true;
    w->f->code = code;
    (void)snprintf(w->f->param, sizeof w->f->param, "%s", param);
    buf_reset(&w->f->text);
    buf_adds(&w->f->text, text);
}

/* "messages[0].role": of a list's member. */
struct place {
    char text[128];
};

static struct place place_of(const char *list, size_t i, const char *member)
{
    struct place p;
    (void)snprintf(p.text, sizeof p.text, "%.40s[%zu]%s%.60s", list, i, member[0] != '\0' ? "." : "", member);
    return p;
}

static struct place inside(const char *object, const char *member)
{
    struct place p;
    (void)snprintf(p.text, sizeof p.text, "%.60s.%.60s", object, member);
    return p;
}

/* ---- what can be wrong with a value ---- */

static void missing(struct walk *w, const char *param)
{
    fail(w, param, "missing_required_parameter", "Missing required parameter: '%s'.", param);
}

static void wrong_type(struct walk *w, const char *param, const char *wanted, const cJSON *got)
{
    fail(w, param, "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.", param, wanted,
         json_type_name(got));
}

static void wrong_value(struct walk *w, const char *param, const char *got, const char *words)
{
    CLEANUP(buf_release) struct buf list = BUF_INIT(1024);
    struct span rest = span_of(words), word;
    while (rest.n > 0) {
        bool last = !span_split(rest, ' ', &word, &rest);
        buf_adds(&list, list.len == 0 ? "" : !last ? ", " : ", and ");
        buf_addf(&list, "'%.*s'", (int)word.n, (const char *)word.p);
    }
    fail(w, param, "invalid_value", "Invalid value: '%.100s'. Supported values are: %s.", got, buf_text(&list));
}

/* ---- members ---- */

enum kind { STRING = 1, NUMBER = 2, INTEGER = 4, BOOLEAN = 8, LIST = 16, OBJECT = 32 };

static const struct kind_row {
    unsigned kind;
    const char *name;
} kinds[] = {
    {STRING, "a string"},
    {NUMBER, "a number"},
    {INTEGER, "an integer"},
    {BOOLEAN, "a boolean"},
    {LIST, "an array"},
    {OBJECT, "an object"},
    {STRING | LIST, "one of a string or array"},
    {STRING | OBJECT, "one of a string or object"},
};

struct member {
    const char *name;
    unsigned kind;
    double least, most; /* of numbers; both 0: any */
    const char *words;  /* of strings; NULL: any */
    bool required;
};

static unsigned kind_of(const cJSON *value)
{
    int64_t whole;
    return cJSON_IsString(value)       ? STRING
           : cJSON_IsBool(value)       ? BOOLEAN
           : cJSON_IsArray(value)      ? LIST
           : cJSON_IsObject(value)     ? OBJECT
           : json_int64(value, &whole) ? (unsigned)NUMBER | INTEGER
                                       : NUMBER;
}

static void check_range(struct walk *w, const struct member *m, const char *param, double got)
{
    double least = m->least, most = m->most;
    bool whole = m->kind == INTEGER;
    if (got < least)
        fail(w, param, whole ? "integer_below_min_value" : "decimal_below_min_value",
             "Invalid '%s': %s below minimum value. Expected a value >= %g, but got %g instead.", param,
             whole ? "integer" : "decimal", least, got);
    else if (got > most)
        fail(w, param, whole ? "integer_above_max_value" : "decimal_above_max_value",
             "Invalid '%s': %s above maximum value. Expected a value <= %g, but got %g instead.", param,
             whole ? "integer" : "decimal", most, got);
}

static void check_member(struct walk *w, const struct member *m, const cJSON *value, const char *param)
{
    if (value == NULL) {
        if (m->required)
            missing(w, param);
        return;
    }
    if ((kind_of(value) & m->kind) == 0) {
        size_t i = 0;
        while (i + 1 < COUNT_OF(kinds) && kinds[i].kind != m->kind)
            i++;
        wrong_type(w, param, kinds[i].name, value);
    } else if (cJSON_IsNumber(value) && (m->least != 0 || m->most != 0)) {
        check_range(w, m, param, value->valuedouble);
    } else if (cJSON_IsString(value) && m->words != NULL && !span_in_words(span_of(value->valuestring), m->words, ' ')) {
        wrong_value(w, param, value->valuestring, m->words);
    }
}

static void check_members(struct walk *w, const struct member *rows, size_t n, const cJSON *object, const char *where)
{
    for (size_t i = 0; i < n; i++) {
        struct place p = inside(where, rows[i].name);
        check_member(w, &rows[i], json_member(object, rows[i].name), where[0] == '\0' ? rows[i].name : p.text);
    }
}

#define MANY 1e15
static const struct member chat_members[] = {
    {"model", STRING, 0, 0, NULL, true},
    {"messages", LIST, 0, 0, NULL, true},
    {"temperature", NUMBER, 0, 2, NULL, false},
    {"top_p", NUMBER, 0, 1, NULL, false},
    {"max_tokens", INTEGER, 1, MANY, NULL, false},
    {"max_completion_tokens", INTEGER, 1, MANY, NULL, false},
    {"n", INTEGER, 1, 1, NULL, false},
    {"stream", BOOLEAN, 0, 0, NULL, false},
    {"stream_options", OBJECT, 0, 0, NULL, false},
    {"stop", STRING | LIST, 0, 0, NULL, false},
    {"presence_penalty", NUMBER, -2, 2, NULL, false},
    {"frequency_penalty", NUMBER, -2, 2, NULL, false},
    {"top_logprobs", INTEGER, 0, 20, NULL, false},
    {"logprobs", BOOLEAN, 0, 0, NULL, false},
    {"seed", INTEGER, 0, 0, NULL, false},
    {"tools", LIST, 0, 0, NULL, false},
    {"tool_choice", STRING | OBJECT, 0, 0, "none auto required", false},
    {"parallel_tool_calls", BOOLEAN, 0, 0, NULL, false},
    {"response_format", OBJECT, 0, 0, NULL, false},
    {"reasoning_effort", STRING, 0, 0, "none minimal low medium high xhigh", false},
    {"metadata", OBJECT, 0, 0, NULL, false},
};

static const struct member response_members[] = {
    {"model", STRING, 0, 0, NULL, true},
    {"input", STRING | LIST, 0, 0, NULL, true},
    {"instructions", STRING, 0, 0, NULL, false},
    {"temperature", NUMBER, 0, 2, NULL, false},
    {"top_p", NUMBER, 0, 1, NULL, false},
    {"max_output_tokens", INTEGER, 1, MANY, NULL, false},
    {"stream", BOOLEAN, 0, 0, NULL, false},
    {"store", BOOLEAN, 0, 0, NULL, false},
    {"background", BOOLEAN, 0, 0, NULL, false},
    {"tools", LIST, 0, 0, NULL, false},
    {"tool_choice", STRING | OBJECT, 0, 0, "none auto required", false},
    {"parallel_tool_calls", BOOLEAN, 0, 0, NULL, false},
    {"text", OBJECT, 0, 0, NULL, false},
    {"reasoning", OBJECT, 0, 0, NULL, false},
    {"truncation", STRING, 0, 0, "auto disabled", false},
    {"metadata", OBJECT, 0, 0, NULL, false},
    {"previous_response_id", STRING, 0, 0, NULL, false},
};

/* ---- lists ---- */

static bool is_object(struct walk *w, const cJSON *item, const char *param)
{
    if (!cJSON_IsObject(item))
        wrong_type(w, param, "an object", item);
    return cJSON_IsObject(item);
}

static void check_chat_message(struct walk *w, const cJSON *m, size_t i)
{
    static const struct member role = {"role", STRING, 0, 0, "system developer user assistant tool function", true};
    static const struct member content = {"content", STRING | LIST, 0, 0, NULL, false};
    struct place whole = place_of("messages", i, ""), of_role = place_of("messages", i, "role");
    struct place of_content = place_of("messages", i, "content"), id = place_of("messages", i, "tool_call_id");
    if (!is_object(w, m, whole.text))
        return;
    check_member(w, &role, json_member(m, "role"), of_role.text);
    check_member(w, &content, json_member(m, "content"), of_content.text);
    if (w->broken)
        return;
    const char *who = json_str(m, "role");
    bool may_be_silent = strcmp(who, "assistant") == 0 &&
                         (json_member(m, "tool_calls") != NULL || json_member(m, "function_call") != NULL);
    if (json_member(m, "content") == NULL && !may_be_silent)
        missing(w, of_content.text);
    if (strcmp(who, "tool") == 0 && json_str(m, "tool_call_id") == NULL)
        missing(w, id.text);
}

static void check_input_item(struct walk *w, const cJSON *item, size_t i)
{
    struct place whole = place_of("input", i, ""), role = place_of("input", i, "role");
    if (!is_object(w, item, whole.text))
        return;
    if (json_str(item, "type") == NULL && json_str(item, "role") == NULL)
        missing(w, role.text);
}

static void check_list(struct walk *w, const cJSON *list, void (*check)(struct walk *, const cJSON *, size_t))
{
    const cJSON *item, *items = cJSON_IsArray(list) ? list : NULL;
    size_t i = 0;
    cJSON_ArrayForEach(item, items)
    {
        if (w->broken)
            return;
        check(w, item, i++);
    }
}

static bool is_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= NAME_MAX_LEN &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static void check_name(struct walk *w, const char *name, const char *param)
{
    if (name == NULL)
        missing(w, param);
    else if (!is_name(name))
        fail(w, param, "invalid_value",
             "Invalid '%s': string does not match pattern. Expected a string that matches the pattern "
             "'^[a-zA-Z0-9_-]+$'.",
             param);
}

static void check_chat_tool(struct walk *w, const cJSON *tool, size_t i)
{
    struct place whole = place_of("tools", i, ""), type = place_of("tools", i, "type");
    struct place name = place_of("tools", i, "function.name");
    static const struct member row = {"type", STRING, 0, 0, "function custom", true};
    if (!is_object(w, tool, whole.text))
        return;
    check_member(w, &row, json_member(tool, "type"), type.text);
    if (!w->broken && strcmp(json_str(tool, "type"), "function") == 0)
        check_name(w, json_str(json_member(tool, "function"), "name"), name.text);
}

static void check_response_tool(struct walk *w, const cJSON *tool, size_t i)
{
    struct place whole = place_of("tools", i, ""), type = place_of("tools", i, "type");
    struct place name = place_of("tools", i, "name");
    const char *kind = json_str(tool, "type");
    if (!is_object(w, tool, whole.text))
        return;
    if (kind == NULL)
        missing(w, type.text);
    else if (strcmp(kind, "function") == 0)
        check_name(w, json_str(tool, "name"), name.text);
}

/* ---- bodies ---- */

static void check_chat(struct walk *w, const cJSON *body)
{
    static const struct member format = {"type", STRING, 0, 0, "text json_object json_schema", true};
    const cJSON *response = json_member(body, "response_format"), *stop = json_member(body, "stop");
    check_members(w, chat_members, COUNT_OF(chat_members), body, "");
    if (cJSON_GetArraySize(json_member(body, "messages")) == 0)
        fail(w, "messages", "empty_array",
             "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array "
             "instead.");
    check_list(w, json_member(body, "messages"), check_chat_message);
    check_list(w, json_member(body, "tools"), check_chat_tool);
    if (response != NULL)
        check_member(w, &format, json_member(response, "type"), "response_format.type");
    if (!w->broken && response != NULL && strcmp(json_str(response, "type"), "json_schema") == 0) {
        check_name(w, json_str(json_member(response, "json_schema"), "name"), "response_format.json_schema.name");
    }
    if (cJSON_GetArraySize(stop) > STOPS_MAX && cJSON_IsArray(stop))
        fail(w, "stop", "array_above_max_length",
             "Invalid 'stop': array too long. Expected an array with maximum length %d, but got an array with length "
             "%d instead.",
             STOPS_MAX, cJSON_GetArraySize(stop));
    if (json_member(body, "stream_options") != NULL && !cJSON_IsTrue(json_member(body, "stream")))
        fail(w, "stream_options", NULL, "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
}

/* The runtime keeps nothing: it is synchronous. */
static void check_response(struct walk *w, const struct visit *v, const cJSON *body)
{
    static const struct member effort = {"effort", STRING, 0, 0, "none minimal low medium high xhigh", false};
    const char *before = json_str(body, "previous_response_id");
    check_members(w, response_members, COUNT_OF(response_members), body, "");
    check_list(w, json_member(body, "input"), check_input_item);
    check_list(w, json_member(body, "tools"), check_response_tool);
    check_member(w, &effort, json_at(body, "/reasoning/effort"), "reasoning.effort");
    if (before != NULL && v->native.thread == NULL)
        fail(w, "previous_response_id", "previous_response_not_found", "Previous response with id '%.200s' not found.",
             before);
    bool background = cJSON_IsTrue(json_member(body, "background"));
    if (background && !v->compat->mantle)
        fail(w, "background", "unsupported_value", "Background responses are not supported on this endpoint.");
    else if (background && cJSON_IsFalse(json_member(body, "store")))
        fail(w, "background", "unsupported_value", "Background mode requires store=true.");
}

static void check_strangers(struct walk *w, const struct body_shape *shape, const cJSON *body)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, body)
    {
        if (body_row(shape, item->string) == NULL)
            fail(w, item->string, NULL, "%.200s: Extra inputs are not permitted", item->string);
    }
}

/* Claude's own words: the shapes are those of its native bodies. */
static void check_messages(struct walk *w, const cJSON *body, bool counts)
{
    struct body_check c = BODY_CHECK_INIT(BODY_CLAUDE);
    const struct body_shape *shape = counts ? &body_claude_compat_count : &body_claude_compat;
    body_walk(&c, shape, body);
    if (c.said.count > 0)
        fail(w, c.where, NULL, "%s", buf_text(&c.said.first));
    else if (body_claude_overthinks(body))
        fail(w, "max_tokens", NULL, "max_tokens: `max_tokens` must be greater than `thinking.budget_tokens`.");
    body_check_release(&c);
    check_strangers(w, shape, body);
}

bool compat_check(const struct visit *v, struct compat_fault *f)
{
    enum compat_dialect d = v->compat != NULL ? v->compat->dialect : COMPAT_MODELS;
    struct walk w = {f, false};
    if (d == COMPAT_MODELS)
        return false;
    if (!v->body_is_json)
        fail(&w, "", NULL,
             d == COMPAT_MESSAGES ? "The request body is not valid JSON"
                                  : "We could not parse the JSON body of your request.");
    else if (!cJSON_IsObject(v->body))
        fail(&w, "", NULL, "The request body must be a JSON object.");
    else if (d == COMPAT_CHAT)
        check_chat(&w, v->body);
    else if (d == COMPAT_RESPONSES)
        check_response(&w, v, v->body);
    else
        check_messages(&w, v->body, v->row->answer != NULL && !compat_speaks(v));
    const cJSON *tools = json_member(v->body, "tools");
    if (cJSON_IsArray(tools) && cJSON_GetArraySize(tools) > TOOLS_MAX && d != COMPAT_MESSAGES)
        fail(&w, "tools", "array_above_max_length",
             "Invalid 'tools': array too long. Expected an array with maximum length %d, but got an array with length "
             "%d instead.",
             TOOLS_MAX, cJSON_GetArraySize(tools));
    return w.broken;
}
