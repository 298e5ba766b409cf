/* fixture_import.c: tables of members: what each becomes, or why it cannot be kept.
 *
 * A fixture is carried over when its answer is one that a Bedrock model can give (text, reasoning, tool calls, errors,
 * vectors, raw JSON). A member without a like is told and left out, as most tests do not hang on it; only an answer of
 * another kind, or a match for an endpoint that Bedrock does not have, loses the whole fixture.
 */
#include "mock/fixture_import.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "mock/fixture_write.h"
#include "protocol/utf8.h"

struct carry {
    struct fixture_import *to;
    const char *file;
    size_t index;
    const cJSON *theirs;
    cJSON *fixture, *reply, *content, *results;
    bool drop; /* the whole fixture */
};

static void PRINTF_LIKE(4, 5) say(struct carry *c, bool lost, const char *where, const char *format, ...)
{
    char text[512], line[768];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)snprintf(line, sizeof line, "%s: /fixtures/%zu/%s: %s", c->file, c->index, where, text);
    c->to->lost += lost;
    c->to->tell(c->to->ctx, lost, line);
}

static cJSON *wrap(const char *op, cJSON *take)
{
    cJSON *o = cJSON_CreateObject();
    if (o == NULL || take == NULL || !cJSON_AddItemToObject(o, op, take)) {
        cJSON_Delete(take);
        cJSON_Delete(o);
        return NULL;
    }
    return o;
}

static cJSON *containing(const char *text)
{
    return text[0] == '\0' ? wrap("$any", cJSON_CreateTrue()) : wrap("$contains", cJSON_CreateString(text));
}

/* ---- members of match ---- */

struct member_row {
    const char *key;
    void (*carry)(struct carry *c, const cJSON *item, const char *where); /* NULL: passed over */
    const char *why;                                                      /* it cannot be kept; NULL: it can */
};

static void match_user(struct carry *c, const cJSON *item, const char *where)
{
    if (cJSON_IsString(item))
        fixture_want(c->fixture, "user", containing(item->valuestring));
    else
        say(c, true, where, "is no string");
}

static void match_system(struct carry *c, const cJSON *item, const char *where)
{
    const cJSON *one;
    if (cJSON_IsString(item)) {
        fixture_want(c->fixture, "system", containing(item->valuestring));
    } else if (cJSON_IsArray(item) && item->child != NULL) {
        cJSON *all = cJSON_CreateArray();
        cJSON_ArrayForEach(one, item)
        {
            cJSON *m = cJSON_IsString(one) ? containing(one->valuestring) : NULL;
            if (m != NULL)
                (void)cJSON_AddItemToArray(all, m);
        }
        fixture_want(c->fixture, "system", wrap("$all", all));
    } else {
        say(c, true, where, "is no string and no list of them");
    }
}

/* toolCallId and toolResultContains speak of one result. */
static void match_result(struct carry *c, const char *key, cJSON *take)
{
    if (c->results == NULL) {
        c->results = cJSON_CreateObject();
        fixture_want(c->fixture, "tool_results", wrap("$contains", c->results));
        c->results = json_item(json_item(json_item(c->fixture, "match"), "tool_results"), "$contains");
    }
    if (take != NULL)
        (void)json_set(c->results, key, take);
}

static void match_call_id(struct carry *c, const cJSON *item, const char *where)
{
    (void)where;
    match_result(c, "id", cJSON_Duplicate(item, true));
}

static void match_result_text(struct carry *c, const cJSON *item, const char *where)
{
    if (cJSON_IsString(item))
        match_result(c, "text", containing(item->valuestring));
    else
        say(c, true, where, "is no string");
}

static void match_tool(struct carry *c, const cJSON *item, const char *where)
{
    (void)where;
    fixture_want(c->fixture, "tools", wrap("$contains", cJSON_Duplicate(item, true)));
}

static void match_model(struct carry *c, const cJSON *item, const char *where)
{
    if (!cJSON_IsString(item)) {
        say(c, true, where, "is no string");
        return;
    }
    CLEANUP(buf_release) struct buf glob = BUF_INIT(4096);
    buf_addf(&glob, "*%s*", item->valuestring);
    fixture_want(c->fixture, "model", cJSON_CreateString(buf_text(&glob)));
    say(c, false, where, "becomes %s, since the ids of Bedrock's models are longer", buf_text(&glob));
}

static void match_number(struct carry *c, const cJSON *item, const char *where, const char *member, int64_t plus)
{
    int64_t n;
    if (json_int64(item, &n) && n >= 0)
        fixture_want(c->fixture, member, json_new_int(n + plus));
    else
        say(c, true, where, "is no whole number from 0");
}

static void match_sequence(struct carry *c, const cJSON *item, const char *where)
{
    match_number(c, item, where, "nth", 1);
}

static void match_turn(struct carry *c, const cJSON *item, const char *where)
{
    match_number(c, item, where, "replies", 0);
}

static void match_has_result(struct carry *c, const cJSON *item, const char *where)
{
    (void)where;
    fixture_want(c->fixture, "round", cJSON_IsTrue(item) ? wrap("$num", wrap("min", json_new_int(1))) : json_new_int(0));
}

static void match_endpoint(struct carry *c, const cJSON *item, const char *where)
{
    const char *name = cJSON_IsString(item) ? item->valuestring : "?";
    if (strcmp(name, "chat") == 0)
        return;
    if (strcmp(name, "embedding") == 0) {
        fixture_want(c->fixture, "operation", cJSON_CreateString("InvokeModel"));
        return;
    }
    say(c, true, where, "Bedrock has no endpoint like %s; the fixture is left out", name);
    c->drop = true;
}

static void match_context(struct carry *c, const cJSON *item, const char *where)
{
    (void)where;
    fixture_want(c->fixture, "headers", wrap("x-aimock-context", cJSON_Duplicate(item, true)));
}

static const struct member_row match_rows[] = {
    {"userMessage", match_user, NULL},
    {"inputText", match_user, NULL},
    {"systemMessage", match_system, NULL},
    {"toolCallId", match_call_id, NULL},
    {"toolResultContains", match_result_text, NULL},
    {"toolName", match_tool, NULL},
    {"model", match_model, NULL},
    {"sequenceIndex", match_sequence, NULL},
    {"turnIndex", match_turn, NULL},
    {"hasToolResult", match_has_result, NULL},
    {"endpoint", match_endpoint, NULL},
    {"context", match_context, NULL},
    {"responseFormat", NULL, "Bedrock's requests have no response_format"},
    {"predicate", NULL, "code cannot be carried over"},
    {"toolNamespace", NULL, "Bedrock's tools have no namespaces"},
};

static void carry_members(struct carry *c, const cJSON *object, const struct member_row *rows, size_t n, const char *in)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        char where[160];
        size_t i = 0;
        (void)snprintf(where, sizeof where, "%s%s%.100s", in, in[0] != '\0' ? "/" : "", item->string);
        while (i < n && strcmp(rows[i].key, item->string) != 0)
            i++;
        if (i == n)
            say(c, true, where, "nobody knows this member");
        else if (rows[i].why != NULL)
            say(c, true, where, "%s", rows[i].why);
        else if (rows[i].carry != NULL)
            rows[i].carry(c, item, where);
    }
}

/* ---- the answer's content ---- */

static cJSON *add_block(struct carry *c, const char *key, cJSON *take)
{
    cJSON *block = wrap(key, take);
    if (block != NULL)
        (void)cJSON_AddItemToArray(c->content, block);
    return block;
}

/* $deltas of so many characters each. */
static void cut_deltas(cJSON *block, const char *text, uint64_t characters)
{
    cJSON *deltas = cJSON_AddArrayToObject(block, "$deltas");
    struct span rest = span_of(text);
    while (rest.n > 0) {
        size_t n = 0;
        for (uint64_t k = 0; k < characters && n < rest.n; k++)
            n += utf8_next(span_from(rest, n));
        CLEANUP(free_ptr) char *part = span_dup(span_cut(rest, 0, n));
        cJSON *item = part == NULL ? NULL : cJSON_CreateString(part);
        if (item != NULL)
            (void)cJSON_AddItemToArray(deltas, item);
        rest = span_from(rest, n);
    }
}

static void add_text(struct carry *c, const cJSON *item)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    if (cJSON_IsString(item))
        buf_adds(&text, item->valuestring);
    else
        json_print(item, JSON_COMPACT, &text);
    cJSON *block = text.len == 0 ? NULL : add_block(c, "text", cJSON_CreateString(buf_text(&text)));
    const cJSON *size = json_item(c->theirs, "chunkSize");
    if (block != NULL && cJSON_IsNumber(size) && size->valuedouble >= 1)
        cut_deltas(block, buf_text(&text), (uint64_t)size->valuedouble);
}

static void add_call(struct carry *c, const cJSON *call, const char *where)
{
    const cJSON *arguments = json_item(call, "arguments");
    const char *name = json_str(call, "name"), *id = json_str(call, "id");
    cJSON *input = NULL, *use = cJSON_CreateObject();
    char own[64];
    (void)snprintf(own, sizeof own, "tooluse_%zu_%d", c->index, cJSON_GetArraySize(c->content));
    if (cJSON_IsString(arguments) &&
        (json_parse(span_of(arguments->valuestring), JSON_COMPACT, &input, NULL) != OK || !cJSON_IsObject(input))) {
        say(c, true, where, "the arguments of %s are no JSON object; it is called with {}", name == NULL ? "a tool" : name);
        json_free(&input);
    } else if (cJSON_IsObject(arguments)) {
        input = cJSON_Duplicate(arguments, true);
    }
    (void)json_set_string(use, "toolUseId", id != NULL ? id : own);
    (void)json_set_string(use, "name", name != NULL ? name : "unnamed");
    (void)json_set(use, "input", input != NULL ? input : cJSON_CreateObject());
    (void)add_block(c, "toolUse", use);
}

static void add_calls(struct carry *c, const cJSON *list, const char *where)
{
    const cJSON *call;
    cJSON_ArrayForEach(call, list) add_call(c, call, where);
}

static void add_ordered(struct carry *c, const cJSON *list)
{
    const cJSON *block;
    cJSON_ArrayForEach(block, list)
    {
        if (json_str(block, "type") != NULL && strcmp(json_str(block, "type"), "toolCall") == 0)
            add_call(c, block, "response/blocks");
        else
            add_text(c, json_item(block, "text"));
    }
}

static void add_reasoning(struct carry *c, const cJSON *response)
{
    const char *text = json_str(response, "reasoning"), *signature = json_str(response, "reasoningSignature");
    const cJSON *data;
    if (text != NULL && text[0] != '\0') {
        cJSON *r = cJSON_CreateObject();
        (void)json_set_string(r, "text", text);
        if (signature != NULL)
            (void)json_set_string(r, "signature", signature);
        (void)add_block(c, "reasoningContent", wrap("reasoningText", r));
    }
    cJSON_ArrayForEach(data, json_item(response, "redactedThinking"))
    {
        CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY), text64 = BUF_INIT(BUF_ANY);
        if (!cJSON_IsString(data))
            continue;
        bool is64 = buf_add_unbase64(&bytes, span_of(data->valuestring)) == OK;
        buf_add_base64(&text64, is64 ? buf_span(&bytes) : span_of(data->valuestring));
        (void)add_block(c, "reasoningContent", wrap("redactedContent", cJSON_CreateString(buf_text(&text64))));
    }
}

/* ---- members of response ---- */

static void reply_usage(struct carry *c, const cJSON *item, const char *where)
{
    static const struct {
        const char *theirs, *ours;
    } names[] = {{"prompt_tokens", "inputTokens"},
                 {"input_tokens", "inputTokens"},
                 {"promptTokenCount", "inputTokens"},
                 {"completion_tokens", "outputTokens"},
                 {"output_tokens", "outputTokens"},
                 {"candidatesTokenCount", "outputTokens"},
                 {"total_tokens", "totalTokens"},
                 {"totalTokenCount", "totalTokens"},
                 {"cache_read_input_tokens", "cacheReadInputTokens"},
                 {"cache_creation_input_tokens", "cacheWriteInputTokens"}};
    cJSON *usage = cJSON_AddObjectToObject(c->reply, "usage");
    const cJSON *one;
    cJSON_ArrayForEach(one, item)
    {
        size_t i = 0;
        while (i < COUNT_OF(names) && strcmp(names[i].theirs, one->string) != 0)
            i++;
        if (i < COUNT_OF(names) && cJSON_IsNumber(one))
            (void)json_set(usage, names[i].ours, cJSON_Duplicate(one, true));
        else
            say(c, true, where, "%.60s has no like in Bedrock's usage", one->string);
    }
}

static void reply_stop(struct carry *c, const cJSON *item, const char *where)
{
    static const struct {
        const char *theirs, *ours;
    } names[] = {{"stop", "end_turn"}, {"tool_calls", "tool_use"}, {"length", "max_tokens"}, {"content_filter", "content_filtered"}};
    for (size_t i = 0; cJSON_IsString(item) && i < COUNT_OF(names); i++)
        if (strcmp(names[i].theirs, item->valuestring) == 0) {
            (void)json_set_string(c->reply, "stop_reason", names[i].ours);
            return;
        }
    say(c, true, where, "is no reason that Bedrock knows");
}

static const char *error_type(int64_t status)
{
    static const struct {
        int64_t status;
        const char *type;
    } types[] = {{400, "ValidationException"}, {401, "UnrecognizedClientException"}, {403, "AccessDeniedException"},
                 {404, "ResourceNotFoundException"}, {408, "ModelTimeoutException"}, {424, "ModelErrorException"},
                 {429, "ThrottlingException"}, {503, "ServiceUnavailableException"}};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].status == status)
            return types[i].type;
    return status >= 500 ? "InternalServerException" : "ValidationException";
}

static void reply_error(struct carry *c, const cJSON *item, const char *where)
{
    const cJSON *response = json_item(c->theirs, "response"), *retry = json_item(response, "retryAfter");
    int64_t status = 500;
    if (json_item(response, "status") != NULL && (!json_int64(json_item(response, "status"), &status) || status < 400 || status > 599))
        status = 500;
    cJSON *error = cJSON_CreateObject();
    (void)json_set_string(error, "type", error_type(status));
    (void)json_set_int(error, "status", status);
    if (json_str(item, "message") != NULL)
        (void)json_set_string(error, "message", json_str(item, "message"));
    if (status == 429 || retry != NULL) {
        char seconds[32];
        (void)snprintf(seconds, sizeof seconds, "%.0f", cJSON_IsNumber(retry) ? retry->valuedouble : 1);
        const char *pair[] = {"Retry-After", seconds};
        cJSON *headers = cJSON_AddArrayToObject(error, "headers");
        (void)cJSON_AddItemToArray(headers, cJSON_CreateStringArray(pair, 2));
    }
    (void)json_set(c->reply, "error", error);
    say(c, false, where, "status %lld becomes Bedrock's %s", (long long)status, error_type(status));
}

static void reply_vector(struct carry *c, const cJSON *item, const char *where)
{
    (void)json_set(c->reply, "extra", wrap("embedding", cJSON_Duplicate(item, true)));
    say(c, false, where, "is given as Titan does, in \"embedding\"");
}

static void reply_raw(struct carry *c, const cJSON *item, const char *where)
{
    (void)where;
    int64_t status = 200;
    cJSON *raw = cJSON_CreateObject();
    if (json_int64(json_item(json_item(c->theirs, "response"), "status"), &status) && status >= 200 && status <= 599)
        (void)json_set_int(raw, "status", status);
    (void)json_set(raw, "body_json", cJSON_Duplicate(item, true));
    (void)json_set(c->reply, "raw", raw);
}

static void reply_other(struct carry *c, const cJSON *item, const char *where)
{
    say(c, true, where, "a model's answer of this kind (%s) is not one that fixtures give; the fixture is left out", item->string);
    c->drop = true;
}

static const char no_like[] = "has no like in Bedrock's answers";

static const struct member_row response_rows[] = {
    {"content", NULL, NULL},
    {"toolCalls", NULL, NULL},
    {"blocks", NULL, NULL},
    {"reasoning", NULL, NULL},
    {"reasoningSignature", NULL, NULL},
    {"redactedThinking", NULL, NULL},
    {"usage", reply_usage, NULL},
    {"finishReason", reply_stop, NULL},
    {"error", reply_error, NULL},
    {"status", NULL, NULL},
    {"retryAfter", NULL, NULL},
    {"embedding", reply_vector, NULL},
    {"json", reply_raw, NULL},
    {"role", NULL, NULL},
    {"image", reply_other, NULL},
    {"images", reply_other, NULL},
    {"audio", reply_other, NULL},
    {"transcription", reply_other, NULL},
    {"video", reply_other, NULL},
    {"live", reply_other, NULL},
    {"id", NULL, no_like},
    {"created", NULL, no_like},
    {"model", NULL, no_like},
    {"systemFingerprint", NULL, no_like},
    {"provider", NULL, no_like},
    {"nativeFinishReason", NULL, no_like},
    {"webSearches", NULL, no_like},
    {"fallthrough", NULL, no_like},
    {"billableUnits", NULL, no_like},
};

static void carry_response(struct carry *c, const cJSON *response)
{
    c->content = cJSON_CreateArray();
    add_reasoning(c, response);
    if (json_item(response, "blocks") != NULL) {
        add_ordered(c, json_item(response, "blocks"));
    } else {
        if (json_item(response, "content") != NULL)
            add_text(c, json_item(response, "content"));
        add_calls(c, json_item(response, "toolCalls"), "response/toolCalls");
    }
    if (cJSON_GetArraySize(c->content) > 0)
        (void)json_set(c->reply, "content", c->content);
    else
        cJSON_Delete(c->content);
    carry_members(c, response, response_rows, COUNT_OF(response_rows), "response");
}

/* ---- members of the fixture: time and mishaps ---- */

static void set_ms(struct carry *c, const char *member, const cJSON *item, double factor, const char *where)
{
    double ms = cJSON_IsNumber(item) ? item->valuedouble * factor : -1;
    if (ms >= 0 && ms <= 86400000)
        (void)json_set_int(c->reply, member, (int64_t)llround(ms));
    else
        say(c, true, where, "is no time between 0 and a day");
}

static void more_latency(struct carry *c, const cJSON *item, const char *where)
{
    set_ms(c, "itl_ms", item, 1, where);
}

static void more_profile(struct carry *c, const cJSON *item, const char *where)
{
    const cJSON *ttft = json_item(item, "ttft"), *tps = json_item(item, "tps"), *jitter = json_item(item, "jitter");
    if (ttft != NULL)
        set_ms(c, "ttft_ms", ttft, 1, where);
    if (cJSON_IsNumber(tps) && tps->valuedouble > 0)
        (void)json_set_int(c->reply, "itl_ms", (int64_t)llround(1000 / tps->valuedouble < 86400000 ? 1000 / tps->valuedouble : 86400000));
    if (cJSON_IsNumber(jitter) && jitter->valuedouble > 0)
        say(c, true, where, "jitter: the deltas come at even intervals");
}

static void more_timings(struct carry *c, const cJSON *item, const char *where)
{
    const cJSON *ttft = json_item(item, "ttftMs"), *list = json_item(item, "interChunkDelaysMs"), *one;
    double sum = 0;
    int n = cJSON_GetArraySize(list);
    cJSON_ArrayForEach(one, list) sum += cJSON_IsNumber(one) && one->valuedouble > 0 ? one->valuedouble : 0;
    if (ttft != NULL)
        set_ms(c, "ttft_ms", ttft, 1, where);
    if (n > 0 && sum / n <= 86400000)
        (void)json_set_int(c->reply, "itl_ms", (int64_t)llround(sum / n));
    say(c, true, where, "the recorded intervals become their mean");
}

static cJSON *add_fault(struct carry *c, const char *id)
{
    cJSON *list = json_item(c->reply, "faults"), *fault = cJSON_CreateObject();
    if (list == NULL)
        list = cJSON_AddArrayToObject(c->reply, "faults");
    (void)json_set_string(fault, "id", id);
    if (fault != NULL && !cJSON_AddItemToArray(list, fault)) {
        cJSON_Delete(fault);
        return NULL;
    }
    return fault;
}

static void more_truncate(struct carry *c, const cJSON *item, const char *where)
{
    int64_t n;
    if (!json_int64(item, &n) || n < 0 || n > 100000) {
        say(c, true, where, "is no number of chunks");
        return;
    }
    (void)json_set_int(add_fault(c, "cut-fin"), "at_event", n + 1); /* behind messageStart */
}

static void more_chaos(struct carry *c, const cJSON *item, const char *where)
{
    static const struct {
        const char *theirs, *fault;
    } rows[] = {{"dropRate", "InternalServerException"},
                {"malformedRate", "truncated-json"},
                {"rateLimitRate", "ThrottlingException"},
                {"disconnectRate", "reset-before-head"}};
    const cJSON *one;
    cJSON_ArrayForEach(one, item)
    {
        size_t i = 0;
        while (i < COUNT_OF(rows) && strcmp(rows[i].theirs, one->string) != 0)
            i++;
        if (strcmp(one->string, "latencyMs") == 0)
            set_ms(c, "latency_ms", one, 1, where);
        else if (i < COUNT_OF(rows) && cJSON_IsNumber(one) && one->valuedouble >= 0 && one->valuedouble <= 1)
            (void)json_set(add_fault(c, rows[i].fault), "rate", cJSON_Duplicate(one, true));
        else
            say(c, true, where, "%.60s cannot be kept", one->string);
    }
}

static const struct member_row more_rows[] = {
    {"match", NULL, NULL},
    {"response", NULL, NULL},
    {"chunkSize", NULL, NULL}, /* add_text */
    {"metadata", NULL, NULL},  /* hashes of what was recorded */
    {"latency", more_latency, NULL},
    {"streamingProfile", more_profile, NULL},
    {"recordedTimings", more_timings, NULL},
    {"truncateAfterChunks", more_truncate, NULL},
    {"chaos", more_chaos, NULL},
    {"disconnectAfterMs", NULL, "a stream is cut at an event here, not at an instant"},
    {"replaySpeed", NULL, "times are given as they are"},
    {"openRouterProcessing", NULL, "Bedrock's streams have no comments"},
};

static void carry_one(struct fixture_import *to, const cJSON *theirs, const char *file, size_t index)
{
    struct carry c = {.to = to, .file = file, .index = index, .theirs = theirs};
    const cJSON *response = json_item(theirs, "response");
    to->read++;
    c.fixture = fixture_document_add(to->document, NULL);
    c.reply = cJSON_CreateObject();
    if (!cJSON_IsObject(response) || c.fixture == NULL) {
        say(&c, true, "response", "there is none that is an object; the fixture is left out");
        c.drop = true;
    } else {
        carry_members(&c, json_item(theirs, "match"), match_rows, COUNT_OF(match_rows), "match");
        carry_response(&c, response);
        carry_members(&c, theirs, more_rows, COUNT_OF(more_rows), "");
    }
    fixture_answer(c.fixture, c.reply);
    if (c.drop && c.fixture != NULL)
        fixture_document_drop_last(to->document);
    to->written += !c.drop;
}

enum err fixture_import_aimock(struct fixture_import *to, const cJSON *theirs, const char *file, struct note *note)
{
    const cJSON *list = cJSON_IsArray(theirs) ? theirs : json_item(theirs, "fixtures"), *one;
    size_t i = 0;
    if (!cJSON_IsArray(list))
        return note_set(note, ERR_INVALID, "%s: no list of fixtures, as aimock has it", file);
    cJSON_ArrayForEach(one, list) carry_one(to, one, file, i++);
    return OK;
}
