/* scripted.c: replies as tests write them.
 *
 * scripted_check() walks all of a reply when it comes in, so the functions that serve it can rely on its form. Members
 * are a table: an unknown one is refused with the nearest known name, as a slip of the pen in a test otherwise costs an
 * hour.
 */
#include "mock/script/scripted.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "mock/bidi/bidi.h"
#include "mock/native/native.h"
#include "mock/runtime/converse.h"
#include "mock/script/template.h"
#include "mock/surface.h"
#include "mock/time/pace.h"
#include "protocol/eventstream.h"

#define MS              1000000u
#define SCRIPTED_MS_MAX 86400000 /* a day */
#define FRAMES_MAX      100000

static const cJSON *member(const cJSON *object, const char *key)
{
    return json_item(object, key);
}

static const char *text_of(const cJSON *object, const char *key, const char *otherwise)
{
    const cJSON *item = member(object, key);
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

static uint64_t number_of(const cJSON *object, const char *key, uint64_t otherwise)
{
    const cJSON *item = member(object, key);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 ? (uint64_t)item->valuedouble : otherwise;
}

/* ---- checks, one a kind of value ---- */

typedef enum err check_value(const cJSON *item, const char *where, struct note *note);

static enum err check_text(const cJSON *item, const char *where, struct note *note)
{
    return cJSON_IsString(item) ? OK : note_set(note, ERR_INVALID, "%s: expected a string", where);
}

static enum err check_line(const cJSON *item, const char *where, struct note *note)
{
    return cJSON_IsString(item) && item->valuestring[0] != '\0' && strpbrk(item->valuestring, "\r\n") == NULL
               ? OK
               : note_set(note, ERR_INVALID, "%s: expected a string of one line", where);
}

static enum err check_object(const cJSON *item, const char *where, struct note *note)
{
    return cJSON_IsObject(item) ? OK : note_set(note, ERR_INVALID, "%s: expected an object", where);
}

static enum err check_bool(const cJSON *item, const char *where, struct note *note)
{
    return cJSON_IsBool(item) ? OK : note_set(note, ERR_INVALID, "%s: expected true or false", where);
}

static enum err check_any(const cJSON *item, const char *where, struct note *note)
{
    (void)item, (void)where, (void)note;
    return OK;
}

static enum err check_ms(const cJSON *item, const char *where, struct note *note)
{
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= SCRIPTED_MS_MAX
               ? OK
               : note_set(note, ERR_INVALID, "%s: expected milliseconds from 0 to %d", where, SCRIPTED_MS_MAX);
}

static enum err check_status(const cJSON *item, const char *where, struct note *note)
{
    return cJSON_IsNumber(item) && item->valuedouble >= 200 && item->valuedouble <= 599
               ? OK
               : note_set(note, ERR_INVALID, "%s: expected a status from 200 to 599", where);
}

static enum err check_original(const cJSON *item, const char *where, struct note *note)
{
    int64_t n = 0;
    return json_int64(item, &n) && n >= 100 && n <= 599
               ? OK
               : note_set(note, ERR_INVALID, "%s: expected a whole number from 100 to 599", where);
}

static bool is_token(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("!#$%&'*+-.^_`|~", *p) == NULL)
            return false;
    return text[0] != '\0';
}

static enum err check_headers(const cJSON *item, const char *where, struct note *note)
{
    const cJSON *pair;
    bool good = cJSON_IsArray(item);
    cJSON_ArrayForEach(pair, item)
    {
        const cJSON *name = cJSON_GetArrayItem(pair, 0), *value = cJSON_GetArrayItem(pair, 1);
        good = good && cJSON_IsArray(pair) && cJSON_GetArraySize(pair) == 2 && cJSON_IsString(name) &&
               cJSON_IsString(value) && is_token(name->valuestring) && strpbrk(value->valuestring, "\r\n") == NULL;
    }
    return good ? OK : note_set(note, ERR_INVALID, "%s: expected a list of [name, value]", where);
}

static enum err check_base64(const cJSON *item, const char *where, struct note *note)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    if (cJSON_IsString(item) && buf_add_unbase64(&bytes, span_of(item->valuestring)) == OK)
        return OK;
    return note_set(note, ERR_INVALID, "%s: expected padded base64", where);
}

static enum err check_hex(const cJSON *item, const char *where, struct note *note)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    if (cJSON_IsString(item) && buf_add_unhex(&bytes, span_of(item->valuestring)) == OK)
        return OK;
    return note_set(note, ERR_INVALID, "%s: expected hex digits in pairs", where);
}

static enum err check_style(const cJSON *item, const char *where, struct note *note)
{
    enum error_style style;
    return cJSON_IsString(item) && error_style_find(item->valuestring, &style)
               ? OK
               : note_set(note, ERR_INVALID, "%s: expected header, type or code", where);
}

struct member_row {
    const char *key;
    check_value *check;
};
#define MEMBERS_MAX 24

static enum err check_members(const cJSON *object, const struct member_row *rows, size_t n, const char *where,
                              struct note *note)
{
    const char *known[MEMBERS_MAX];
    const cJSON *item;
    for (size_t i = 0; i < n; i++)
        known[i] = rows[i].key;
    if (!cJSON_IsObject(object))
        return note_set(note, ERR_INVALID, "%s: expected an object", where);
    cJSON_ArrayForEach(item, object)
    {
        size_t i = 0;
        while (i < n && strcmp(rows[i].key, item->string) != 0)
            i++;
        if (i == n)
            return json_only_keys(object, known, n, where, note);
        char at[256];
        (void)snprintf(at, sizeof at, "%s/%s", where, item->string);
        enum err e = rows[i].check(item, at, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_each(const cJSON *list, check_value *check, const char *where, struct note *note)
{
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > FRAMES_MAX)
        return note_set(note, ERR_INVALID, "%s: expected a list of at most %d", where, FRAMES_MAX);
    const cJSON *item;
    size_t i = 0;
    cJSON_ArrayForEach(item, list)
    {
        char at[256];
        (void)snprintf(at, sizeof at, "%s/%zu", where, i++);
        enum err e = check(item, at, note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_block(const cJSON *item, const char *where, struct note *note)
{
    struct answer a;
    answer_init(&a, 0);
    enum err e = answer_block(&a, item, where, note);
    answer_release(&a);
    return e;
}

static enum err check_content(const cJSON *item, const char *where, struct note *note)
{
    return check_each(item, check_block, where, note);
}

static enum err check_error(const cJSON *item, const char *where, struct note *note)
{
    static const struct member_row rows[] = {{"type", check_line},     {"message", check_text},
                                             {"status", check_status}, {"headers", check_headers},
                                             {"style", check_style},   {"Message", check_text},
                                             {"originalStatusCode", check_original},
                                             {"originalMessage", check_text}, {"resourceName", check_text}};
    enum err e = check_members(item, rows, COUNT_OF(rows), where, note);
    return e == OK && member(item, "type") == NULL ? note_set(note, ERR_INVALID, "%s/type: must be given", where) : e;
}

static enum err check_raw(const cJSON *item, const char *where, struct note *note)
{
    static const struct member_row rows[] = {{"status", check_status},
                                             {"headers", check_headers},
                                             {"body", check_text},
                                             {"body_json", check_any},
                                             {"body_base64", check_base64}};
    return check_members(item, rows, COUNT_OF(rows), where, note);
}

static enum err check_frame(const cJSON *item, const char *where, struct note *note)
{
    static const struct member_row rows[] = {
        {"event", check_line},      {"payload", check_any},        {"exception", check_line},
        {"error_code", check_line}, {"error_message", check_text}, {"raw_hex", check_hex},
        {"after_ms", check_ms},     {"gate", check_line},          {"chunk", check_object}};
    static const char *const kinds[] = {"event", "exception", "error_code", "raw_hex", "chunk"};
    enum err e = check_members(item, rows, COUNT_OF(rows), where, note);
    size_t given = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        given += member(item, kinds[i]) != NULL;
    return e == OK && given != 1
               ? note_set(note, ERR_INVALID, "%s: expected one of event, exception, error_code, raw_hex, chunk", where)
               : e;
}

static enum err check_frames(const cJSON *item, const char *where, struct note *note)
{
    return check_each(item, check_frame, where, note);
}

enum err scripted_check_frames(const cJSON *frames, const char *where, struct note *note)
{
    return check_frames(frames, where, note);
}

static enum err check_gate(const cJSON *item, const char *where, struct note *note)
{
    static const struct member_row rows[] = {{"before_event", check_ms}, {"name", check_line}};
    enum err e = check_members(item, rows, COUNT_OF(rows), where, note);
    if (e == OK && (member(item, "before_event") == NULL || member(item, "name") == NULL))
        return note_set(note, ERR_INVALID, "%s: expected {\"before_event\":3,\"name\":\"g\"}", where);
    return e;
}

static enum err check_gates(const cJSON *item, const char *where, struct note *note)
{
    return check_each(item, check_gate, where, note);
}

/* TokenUsage of the API model. */
static enum err check_usage(const cJSON *item, const char *where, struct note *note)
{
    static const char *const known[] = {"inputTokens",          "outputTokens",          "totalTokens",
                                        "cacheReadInputTokens", "cacheWriteInputTokens", "cacheDetails"};
    enum err e = check_object(item, where, note);
    return e == OK ? json_only_keys(item, known, COUNT_OF(known), where, note) : e;
}

static const struct member_row reply_rows[] = {
    {"text", check_text},      {"content", check_content},  {"error", check_error},   {"raw", check_raw},
    {"frames", check_frames},  {"stop_reason", check_line}, {"usage", check_usage},   {"metrics", check_object},
    {"extra", check_object},   {"latency_ms", pace_check},  {"ttft_ms", pace_check},  {"itl_ms", pace_check},
    {"head_gate", check_line}, {"gates", check_gates},      {"faults", faults_check},
    {"template", check_bool},  {"headers", check_headers},  {"recorded", check_object},
    {"bidirectional", bidi_check},
};

enum err scripted_check_around(const cJSON *object, const char *const *known, size_t count, const char *where,
                               struct note *note)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        for (size_t i = 0; i < COUNT_OF(reply_rows); i++)
            if (strcmp(reply_rows[i].key, item->string) == 0)
                return note_set(note, ERR_UNKNOWN, "%s/%s: \"%s\" belongs into \"reply\", as in {\"reply\":{\"%s\":…}}",
                                where, item->string, item->string, item->string);
    }
    return json_only_keys(object, known, count, where, note);
}

size_t scripted_members(const char *const **out)
{
    static const char *names[COUNT_OF(reply_rows)];
    for (size_t i = 0; i < COUNT_OF(reply_rows); i++)
        names[i] = reply_rows[i].key;
    *out = names;
    return COUNT_OF(reply_rows);
}

enum err scripted_check(const cJSON *reply, const char *where, struct note *note)
{
    static const char *const kinds[] = {"text", "content", "error", "raw", "frames"};
    if (reply == NULL)
        return note_set(note, ERR_INVALID, "%s: must be given", where);
    enum err e = check_members(reply, reply_rows, COUNT_OF(reply_rows), where, note);
    size_t given = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        given += member(reply, kinds[i]) != NULL;
    if (e == OK && (given > 1 || (member(reply, "bidirectional") != NULL && !scripted_is_answer(reply))))
        e = note_set(note, ERR_INVALID,
                     "%s: at most one of text, content, error, raw, frames; bidirectional goes with the first two only",
                     where);
    return e == OK && cJSON_IsTrue(member(reply, "template")) ? template_check(reply, where, note) : e;
}

/* ---- serving ---- */

bool scripted_is_answer(const cJSON *reply)
{
    return member(reply, "error") == NULL && member(reply, "raw") == NULL && member(reply, "frames") == NULL;
}

bool scripted_takes(enum scripted_use use, const cJSON *match, const cJSON *reply, const cJSON *subject)
{
    if (json_item(match, "operation") != NULL)
        return true;
    if (member(reply, "frames") != NULL && cJSON_IsFalse(json_item(subject, "stream")))
        return false; /* an event stream breaks a client that waits for JSON */
    if (use == SCRIPTED_ALL || !scripted_is_answer(reply))
        return true;
    return use == SCRIPTED_NUMBERS && member(reply, "text") == NULL && member(reply, "content") == NULL;
}

bool scripted_answer(const cJSON *reply, struct answer *a)
{
    const cJSON *item, *content = member(reply, "content");
    a->usage = member(reply, "usage");
    a->metrics = member(reply, "metrics");
    a->extra = member(reply, "extra");
    pace_reply(reply, a);
    const char *text = text_of(reply, "text", NULL);
    if (text == NULL && content == NULL)
        return false;
    if (text != NULL)
        (void)answer_text(a, span_of(text));
    bool calls = false;
    cJSON_ArrayForEach(item, content)
    {
        if (answer_block(a, item, "", NULL) != OK)
            a->failed = true;
        calls = calls || (a->count > 0 && a->blocks[a->count - 1].kind == BLOCK_TOOL_USE);
    }
    answer_stop(a, calls ? "tool_use" : "end_turn");
    return true;
}

void scripted_stop(const cJSON *reply, struct answer *a)
{
    answer_stop(a, text_of(reply, "stop_reason", a->stop_reason));
}

static void read_headers(const cJSON *list, struct http_headers *out)
{
    const cJSON *pair;
    cJSON_ArrayForEach(pair, list)
        http_headers_add(out, cJSON_GetArrayItem(pair, 0)->valuestring, cJSON_GetArrayItem(pair, 1)->valuestring);
}

static struct plan *error_reply_plan(const cJSON *error, const struct fault_scene *scene)
{
    CLEANUP(http_headers_release) struct http_headers headers;
    http_headers_init(&headers);
    read_headers(member(error, "headers"), &headers);
    struct error_reply e = {.type = text_of(error, "type", ""),
                            .message = text_of(error, "message", text_of(error, "Message", NULL)),
                            .status = (int)number_of(error, "status", 0),
                            .capital_message = member(error, "Message") != NULL,
                            .headers = &headers,
                            .original_status = (int)number_of(error, "originalStatusCode", 0),
                            .original_message = text_of(error, "originalMessage", NULL),
                            .resource = text_of(error, "resourceName", NULL)};
    (void)error_style_find(text_of(error, "style", "header"), &e.style);
    return surface_error(scene, &e);
}

static void raw_body(const cJSON *raw, struct buf *body, const char **type)
{
    const cJSON *json = member(raw, "body_json");
    const char *base64 = text_of(raw, "body_base64", NULL);
    *type = json != NULL ? "application/json" : "text/plain";
    if (json != NULL)
        json_print(json, JSON_COMPACT, body);
    else if (base64 != NULL && buf_add_unbase64(body, span_of(base64)) == OK)
        *type = "application/octet-stream";
    else
        buf_adds(body, text_of(raw, "body", ""));
}

/* The server writes these itself; a scripted one would stand there twice. */
static bool is_servers_own(const char *name)
{
    static const char *const own[] = {"date", "content-length", "transfer-encoding", "connection"};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (strcasecmp(own[i], name) == 0)
            return true;
    return false;
}

static void set_headers(struct plan *plan, const cJSON *list)
{
    CLEANUP(http_headers_release) struct http_headers headers;
    http_headers_init(&headers);
    read_headers(list, &headers);
    for (size_t i = 0; i < headers.count; i++) /* the first of a name replaces ours, more of that name are added */
        if (!is_servers_own(headers.items[i].name))
            http_headers_remove(&plan->headers, headers.items[i].name);
    for (size_t i = 0; i < headers.count; i++)
        if (!is_servers_own(headers.items[i].name))
            http_headers_add(&plan->headers, headers.items[i].name, headers.items[i].value);
    plan->failed = plan->failed || headers.failed || plan->headers.failed;
}

static struct plan *raw_plan(const cJSON *raw, const struct fault_scene *scene)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    const char *type;
    struct plan *plan = plan_new((int)number_of(raw, "status", 200));
    if (plan == NULL)
        return NULL;
    raw_body(raw, &body, &type);
    plan_body(plan, type, buf_span(&body));
    plan_header(plan, "x-amzn-RequestId", scene->request_id);
    set_headers(plan, member(raw, "headers"));
    plan->failed = plan->failed || buf_error(&body) != OK;
    return plan;
}

/* A chunk of InvokeModelWithResponseStream: the native object, below base64. */
static enum es_error write_chunk(const cJSON *object, struct rng *rng, struct buf *out)
{
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
    json_print(object, JSON_COMPACT, &json);
    native_chunk_payload(buf_span(&json), rng, &payload);
    return buf_error(&json) != OK || buf_error(&payload) != OK ? ES_NOMEM
                                                               : es_encode_event(out, "chunk", buf_span(&payload));
}

static bool is_chunk(const cJSON *frame)
{
    return member(frame, "chunk") != NULL || strcmp(text_of(frame, "event", ""), "chunk") == 0;
}

static enum es_error write_frame(const cJSON *frame, struct rng *rng, struct buf *out)
{
    if (member(frame, "chunk") != NULL)
        return write_chunk(member(frame, "chunk"), rng, out);

    const char *event = text_of(frame, "event", NULL), *exception = text_of(frame, "exception", NULL);
    const char *code = text_of(frame, "error_code", NULL), *hex = text_of(frame, "raw_hex", NULL);
    CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
    if (hex != NULL)
        return buf_add_unhex(out, span_of(hex)) == OK ? ES_OK : ES_NOMEM;
    if (code != NULL)
        return es_encode_error(out, code, text_of(frame, "error_message", ""));
    if (member(frame, "payload") != NULL)
        json_print(member(frame, "payload"), JSON_SORTED, &payload);
    if (buf_error(&payload) != OK)
        return ES_NOMEM;
    return event != NULL ? es_encode_event(out, event, buf_span(&payload))
                         : es_encode_exception(out, exception, buf_span(&payload));
}

bool scripted_frame(const cJSON *frame, struct rng *rng, struct buf *out)
{
    return write_frame(frame, rng, out) == ES_OK && buf_error(out) == OK;
}

/* Milliseconds and their fractions. */
static uint64_t ns_of(const cJSON *object, const char *key)
{
    const cJSON *item = member(object, key);
    return cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint64_t)(item->valuedouble * MS) : 0;
}

static struct plan *frames_plan(const cJSON *frames, const struct fault_scene *scene)
{
    struct plan *plan = plan_new(200);
    if (plan == NULL)
        return NULL;
    plan_header(plan, "Content-Type", EVENTSTREAM_TYPE);
    plan_header(plan, "x-amzn-RequestId", scene->request_id);
    plan->content_length = PLAN_CHUNKED;
    const cJSON *frame;
    size_t n = 0;
    cJSON_ArrayForEach(frame, frames)
    {
        CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
        if (is_chunk(frame))
            plan_header(plan, "X-Amzn-Bedrock-Content-Type", "application/json");
        if (write_frame(frame, scene->rng, &bytes) != ES_OK || buf_error(&bytes) != OK)
            plan->failed = true;
        (void)plan_add(plan, buf_span(&bytes), ns_of(frame, "after_ms"), n);
        if (member(frame, "gate") != NULL)
            plan_gate_event(plan, n, text_of(frame, "gate", ""));
        n++;
    }
    return plan;
}

struct plan *scripted_plan(const cJSON *reply, const struct fault_scene *scene)
{
    static const struct {
        const char *key;
        struct plan *(*make)(const cJSON *value, const struct fault_scene *scene);
    } kinds[] = {{"error", error_reply_plan}, {"raw", raw_plan}, {"frames", frames_plan}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const cJSON *value = member(reply, kinds[i].key);
        struct plan *plan = value == NULL ? NULL : kinds[i].make(value, scene);
        if (plan != NULL)
            plan->head_after_ns = pace_reply_latency(reply, scene->seed);
        if (value != NULL)
            return plan;
    }
    return NULL;
}

struct plan *scripted_finish(const cJSON *reply, struct plan *take, const struct fault_scene *scene)
{
    const char *head_gate = text_of(reply, "head_gate", NULL);
    const cJSON *gate;
    if (take == NULL)
        return NULL;
    if (member(reply, "headers") != NULL)
        set_headers(take, member(reply, "headers"));
    cJSON_ArrayForEach(gate, member(reply, "gates"))
        plan_gate_event(take, (size_t)number_of(gate, "before_event", 0), text_of(gate, "name", ""));
    take = faults_apply(take, member(reply, "faults"), scene);
    if (take != NULL && head_gate != NULL) {
        free(take->head_gate);
        take->head_gate = strdup(head_gate);
        take->failed = take->failed || take->head_gate == NULL;
    }
    return take;
}
