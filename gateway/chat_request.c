/* chat_request.c: a chat completion request, member by member, as a request of Converse.
 *
 * Every member of the chat API that means something here is a row of the table below; the rest is left out, so that no
 * member leaks upstream (Converse and the models refuse strangers). The rows run in the order of the table, because
 * some look at what others left: a thinking budget at maxTokens, sampling and tools at whether the model thinks.
 * Numbers are copied as their digits. Ranges are those of the API reference; what is out of them is the client's
 * mistake and never sent, except a temperature between 1 and 2, legal in one API and not in the other, which becomes 1.
 */
#include "gateway/translation.h"

#include <stdio.h>
#include <stdlib.h>

#define BUDGET_MIN  1024 /* Bedrock User Guide, extended thinking: the smallest budget_tokens */
#define ANSWER_ROOM 4096 /* tokens for the answer beside the budget, when the client names no limit */

/* Only what was asked for is made: an empty inferenceConfig would be a member nobody wanted. */
static cJSON *inference(struct translation *t)
{
    return tree_object(&t->starved, t->out, "inferenceConfig");
}

static cJSON *fields(struct translation *t)
{
    return tree_object(&t->starved, t->out, "additionalModelRequestFields");
}

/* ---- inference parameters ---- */

static enum err read_limit(struct translation *t, const char *key, const cJSON *v)
{
    int64_t n = 0;
    if (!json_int64(v, &n) || n < 1)
        return fail_bad(t->fail, key, "%s must be a whole number of at least 1", key);
    (void)tree_copy(&t->starved, inference(t), "maxTokens", v);
    return OK;
}

static enum err read_max_tokens(struct translation *t, const cJSON *v)
{
    return read_limit(t, "max_tokens", v);
}

/* Behind max_tokens in the table: the newer name wins. */
static enum err read_max_completion_tokens(struct translation *t, const cJSON *v)
{
    return read_limit(t, "max_completion_tokens", v);
}

static enum err read_temperature(struct translation *t, const cJSON *v)
{
    if (!cJSON_IsNumber(v) || v->valuedouble < 0 || v->valuedouble > 2)
        return fail_bad(t->fail, "temperature", "temperature must be a number from 0 to 2");
    if (t->thinking)
        return OK;
    if (v->valuedouble > 1)
        (void)tree_int(&t->starved, inference(t), "temperature", 1);
    else
        (void)tree_copy(&t->starved, inference(t), "temperature", v);
    return OK;
}

static enum err read_top_p(struct translation *t, const cJSON *v)
{
    if (!cJSON_IsNumber(v) || v->valuedouble < 0 || v->valuedouble > 1)
        return fail_bad(t->fail, "top_p", "top_p must be a number from 0 to 1");
    bool second = t->traits.one_sampler && json_member(t->in, "temperature") != NULL;
    if (!t->thinking && !second)
        (void)tree_copy(&t->starved, inference(t), "topP", v);
    return OK;
}

static enum err read_top_k(struct translation *t, const cJSON *v)
{
    int64_t n = 0;
    if (!json_int64(v, &n) || n < 0)
        return fail_bad(t->fail, "top_k", "top_k must be a whole number");
    if (t->thinking || t->traits.top_k == TOP_K_NONE)
        return OK;
    if (t->traits.top_k == TOP_K_NOVA)
        (void)tree_copy(&t->starved, tree_object(&t->starved, fields(t), "inferenceConfig"), "topK", v);
    else
        (void)tree_copy(&t->starved, fields(t), t->traits.top_k == TOP_K_COHERE ? "k" : "top_k", v);
    return OK;
}

static enum err read_stop(struct translation *t, const cJSON *v)
{
    if (!cJSON_IsString(v) && !cJSON_IsArray(v))
        return fail_bad(t->fail, "stop", "stop is %s: expected a string or a list of strings", json_type_name(v));
    for (const cJSON *s = cJSON_IsArray(v) ? v->child : v; s != NULL; s = cJSON_IsArray(v) ? s->next : NULL) {
        if (!cJSON_IsString(s))
            return fail_bad(t->fail, "stop", "stop holds %s: expected strings", json_type_name(s));
        if (s->valuestring[0] != '\0')
            (void)tree_push(&t->starved, tree_array(&t->starved, inference(t), "stopSequences"),
                            cJSON_CreateString(s->valuestring));
    }
    return OK;
}

static enum err read_n(struct translation *t, const cJSON *v)
{
    int64_t n = 0;
    if (!json_int64(v, &n) || n != 1)
        return fail_bad(t->fail, "n", "Converse gives one answer: n must be 1");
    return OK;
}

/* ---- reasoning ---- */

static enum err read_thinking(struct translation *t, const cJSON *v)
{
    const char *type = json_str(v, "type");
    if (type == NULL)
        return fail_bad(t->fail, "thinking", "thinking is an object with a type");
    (void)tree_copy(&t->starved, fields(t), "thinking", v);
    t->thinking = strcmp(type, "disabled") != 0;
    return OK;
}

/* budget < maxTokens always; without room for the smallest budget the model does not think. */
static void set_budget(struct translation *t, int64_t budget)
{
    int64_t limit = 0;
    if (!json_int64(json_member(json_member(t->out, "inferenceConfig"), "maxTokens"), &limit))
        (void)tree_int(&t->starved, inference(t), "maxTokens", budget + ANSWER_ROOM);
    else if (limit <= BUDGET_MIN)
        return;
    else if (budget >= limit)
        budget = limit - 1;
    cJSON *thinking = tree_object(&t->starved, fields(t), "thinking");
    (void)tree_text(&t->starved, thinking, "type", "enabled");
    (void)tree_int(&t->starved, thinking, "budget_tokens", budget);
    t->thinking = true;
}

static const struct effort {
    const char *word;
    int64_t budget;       /* 0: do not think */
    const char *adaptive; /* output_config.effort */
} efforts[] = {
    {"none", 0, NULL},      {"minimal", 1024, "low"}, {"low", 1024, "low"}, {"medium", 2048, "medium"},
    {"high", 4096, "high"}, {"xhigh", 8192, "max"},   {"max", 8192, "max"},
};

static void set_effort(struct translation *t, const struct effort *effort)
{
    switch (t->traits.reasoning) {
    case REASONING_BUDGET:
        set_budget(t, effort->budget);
        break;
    case REASONING_ADAPTIVE:
        (void)tree_put(&t->starved, fields(t), "thinking", tree_wrap_text("type", "adaptive"));
        (void)tree_text(&t->starved, tree_object(&t->starved, fields(t), "output_config"), "effort", effort->adaptive);
        t->thinking = true;
        break;
    case REASONING_EFFORT:
        (void)tree_text(&t->starved, fields(t), "reasoning_effort", effort->word);
        break;
    case REASONING_CONFIG:
        (void)tree_text(&t->starved, fields(t), "reasoning_config", effort->word);
        break;
    case REASONING_NONE:
        break;
    }
}

static enum err read_effort(struct translation *t, const cJSON *v)
{
    for (size_t i = 0; cJSON_IsString(v) && i < COUNT_OF(efforts); i++) {
        if (strcmp(efforts[i].word, v->valuestring) != 0)
            continue;
        if (efforts[i].budget > 0 && json_member(t->in, "thinking") == NULL)
            set_effort(t, &efforts[i]);
        return OK;
    }
    return fail_bad(t->fail, "reasoning_effort", "expected none, minimal, low, medium, high, xhigh or max");
}

/* ---- answers of a form ---- */

static enum err read_schema(struct translation *t, const cJSON *v)
{
    const cJSON *given = json_member(v, "json_schema"), *schema = json_member(given, "schema");
    if (!cJSON_IsObject(schema))
        return fail_bad(t->fail, "response_format", "json_schema.schema is %s: expected a JSON schema",
                        json_type_name(schema));
    CLEANUP(free_ptr) char *text = json_text(schema, JSON_COMPACT);
    cJSON *definition = tree_wrap("schema", text != NULL ? cJSON_CreateString(text) : NULL);
    static const char *const copied[] = {"name", "description"};
    for (size_t i = 0; i < COUNT_OF(copied); i++) {
        const char *word = json_str(given, copied[i]);
        if (word != NULL && word[0] != '\0')
            (void)tree_text(&t->starved, definition, copied[i], word);
    }
    cJSON *format = tree_wrap_text("type", "json_schema");
    (void)tree_put(&t->starved, format, "structure", tree_wrap("jsonSchema", definition));
    (void)tree_put(&t->starved, tree_object(&t->starved, t->out, "outputConfig"), "textFormat", format);
    return OK;
}

/* Converse knows no JSON without a schema, so the model is asked in words. */
static enum err ask_for_object(struct translation *t, const cJSON *v)
{
    (void)v;
    (void)tree_push(&t->starved, tree_array(&t->starved, t->out, "system"),
                    tree_wrap_text("text", "Answer with one JSON object and nothing else."));
    return OK;
}

static enum err as_it_is(struct translation *t, const cJSON *v)
{
    (void)t;
    (void)v;
    return OK;
}

static enum err read_response_format(struct translation *t, const cJSON *v)
{
    static const struct {
        const char *type;
        enum err (*read)(struct translation *t, const cJSON *v);
    } formats[] = {{"text", as_it_is}, {"json_object", ask_for_object}, {"json_schema", read_schema}};
    const char *type = json_str(v, "type");
    for (size_t i = 0; type != NULL && i < COUNT_OF(formats); i++)
        if (strcmp(formats[i].type, type) == 0)
            return formats[i].read(t, v);
    return fail_bad(t->fail, "response_format", "expected type text, json_object or json_schema");
}

/* ---- what Bedrock has and the chat API has not ---- */

static enum err copy_object(struct translation *t, const char *from, const char *to, const cJSON *v)
{
    if (!cJSON_IsObject(v))
        return fail_bad(t->fail, from, "%s is %s: expected an object", from, json_type_name(v));
    (void)tree_copy(&t->starved, t->out, to, v);
    return OK;
}

static enum err read_guardrail(struct translation *t, const cJSON *v)
{
    return copy_object(t, "guardrailConfig", "guardrailConfig", v);
}

static enum err read_performance(struct translation *t, const cJSON *v)
{
    return copy_object(t, "performanceConfig", "performanceConfig", v);
}

static enum err read_metadata(struct translation *t, const cJSON *v)
{
    for (const cJSON *m = v->child; m != NULL; m = m->next)
        if (!cJSON_IsString(m))
            return fail_bad(t->fail, "metadata", "the value of '%.64s' is %s: expected a string",
                            m->string ? m->string : "", json_type_name(m));
    return v->child == NULL ? OK : copy_object(t, "metadata", "requestMetadata", v);
}

static enum err read_field_paths(struct translation *t, const cJSON *v)
{
    if (!cJSON_IsArray(v))
        return fail_bad(t->fail, "additionalModelResponseFieldPaths", "expected a list of JSON pointers");
    (void)tree_copy(&t->starved, t->out, "additionalModelResponseFieldPaths", v);
    return OK;
}

/* Last of the rows that write these fields: the caller's own members win, key by key. */
static enum err read_fields(struct translation *t, const cJSON *v)
{
    if (!cJSON_IsObject(v))
        return fail_bad(t->fail, "additionalModelRequestFields", "expected an object");
    for (const cJSON *m = v->child; m != NULL; m = m->next)
        (void)tree_copy(&t->starved, fields(t), m->string, m);
    return OK;
}

static enum err read_tier(struct translation *t, const cJSON *v)
{
    static const char *const tiers[] = {"default", "flex", "priority", "reserved"};
    if (cJSON_IsString(v) && strcmp(v->valuestring, "auto") == 0)
        return OK; /* the default of both APIs, which Converse has no word for */
    for (size_t i = 0; cJSON_IsString(v) && i < COUNT_OF(tiers); i++)
        if (strcmp(tiers[i], v->valuestring) == 0) {
            (void)tree_put(&t->starved, t->out, "serviceTier", tree_wrap_text("type", tiers[i]));
            return OK;
        }
    return fail_bad(t->fail, "service_tier", "expected auto, default, flex, priority or reserved");
}

/* ---- the form of the answer ---- */

static enum err read_flag(struct translation *t, const char *key, const cJSON *v, bool *out)
{
    if (!cJSON_IsBool(v))
        return fail_bad(t->fail, key, "%s is %s: expected true or false", key, json_type_name(v));
    *out = cJSON_IsTrue(v);
    return OK;
}

static enum err read_stream(struct translation *t, const cJSON *v)
{
    return read_flag(t, "stream", v, &t->request->stream);
}

static enum err read_stream_options(struct translation *t, const cJSON *v)
{
    const cJSON *usage = json_member(v, "include_usage");
    return usage == NULL ? OK : read_flag(t, "stream_options.include_usage", usage, &t->request->include_usage);
}

static enum err refuse_functions(struct translation *t, const cJSON *v)
{
    return cJSON_IsArray(v) && v->child == NULL ? OK
                                                : fail_bad(t->fail, "functions", "functions is of old: send tools");
}

static enum err read_modalities(struct translation *t, const cJSON *v)
{
    for (const cJSON *m = v->child; m != NULL; m = m->next)
        if (!cJSON_IsString(m) || strcmp(m->valuestring, "text") != 0)
            return fail_bad(t->fail, "modalities", "Converse answers in text only");
    return OK;
}

static const struct {
    const char *member;
    enum err (*read)(struct translation *t, const cJSON *v);
} members[] = {
    {"stream", read_stream},
    {"stream_options", read_stream_options},
    {"n", read_n},
    {"modalities", read_modalities},
    {"functions", refuse_functions},
    {"max_tokens", read_max_tokens},
    {"max_completion_tokens", read_max_completion_tokens},
    {"thinking", read_thinking},
    {"reasoning_effort", read_effort},
    {"temperature", read_temperature},
    {"top_p", read_top_p},
    {"top_k", read_top_k},
    {"stop", read_stop},
    {"service_tier", read_tier},
    {"guardrailConfig", read_guardrail},
    {"performanceConfig", read_performance},
    {"metadata", read_metadata},
    {"requestMetadata", read_metadata},
    {"additionalModelResponseFieldPaths", read_field_paths},
    {"additionalModelRequestFields", read_fields},
};

static enum err read_members(struct translation *t)
{
    enum err e = OK;
    for (size_t i = 0; e == OK && i < COUNT_OF(members); i++) {
        const cJSON *v = json_member(t->in, members[i].member);
        if (v != NULL)
            e = members[i].read(t, v);
    }
    return e;
}

/* anthropic-beta: a,b to the list that Claude reads in the body. */
static void read_beta(struct translation *t)
{
    struct span word, rest = span_of(t->beta);
    while (rest.n > 0) {
        (void)span_split(rest, ',', &word, &rest);
        CLEANUP(free_ptr) char *flag = span_dup(span_trim(word));
        if (flag == NULL || flag[0] != '\0')
            (void)tree_push(&t->starved, tree_array(&t->starved, fields(t), "anthropic_beta"),
                            flag != NULL ? cJSON_CreateString(flag) : NULL);
    }
}

static enum err read_model(struct translation *t, const struct chat_options *o)
{
    struct chat_request *r = t->request;
    const char *name = json_str(t->in, "model");
    if (name == NULL || name[0] == '\0')
        return fail_bad(t->fail, "model", "model is %s: expected the name of a model",
                        name != NULL ? "empty" : json_type_name(json_member(t->in, "model")));
    const char *alias = o->alias != NULL ? o->alias(o->ctx, name) : NULL;
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    enum err e = model_clean(span_of(alias != NULL ? alias : name), &id);
    if (e == ERR_SYNTAX || e == ERR_LIMIT)
        return fail_bad(t->fail, "model", "this is no id of a model");
    r->model = span_dup(span_of(name));
    r->model_id = e == OK ? buf_take(&id) : NULL;
    if (r->model == NULL || r->model_id == NULL)
        return ERR_NOMEM;
    t->traits = model_traits(r->model_id);
    t->beta = strstr(r->model_id, "claude") != NULL ? o->anthropic_beta : NULL;
    return OK;
}

static enum err translate(struct translation *t, const struct chat_options *o)
{
    if (!cJSON_IsObject(t->in))
        return fail_bad(t->fail, "", "the body is %s: expected an object", json_type_name(t->in));
    enum err e = read_model(t, o);
    if (e == OK)
        e = read_members(t);
    if (e == OK)
        e = translate_messages(t);
    if (e == OK)
        e = translate_tools(t);
    /* Behind the messages, so that the client's own system prompt comes first. */
    const cJSON *format = json_member(t->in, "response_format");
    if (e == OK && format != NULL)
        e = read_response_format(t, format);
    if (e == OK && t->beta != NULL)
        read_beta(t);
    return e;
}

enum err chat_request_read(const cJSON *in, const struct chat_options *options, struct chat_request *out,
                           struct fail *fail)
{
    struct translation t = {.in = in, .request = out, .fail = fail};
    t.out = out->body = cJSON_CreateObject();
    enum err e = t.out != NULL ? translate(&t, options) : ERR_NOMEM;
    for (size_t i = 0; i < t.file_count; i++)
        free(t.files[i]);
    if (t.starved) /* whatever was found missing then: the client did send it */
        e = ERR_NOMEM;
    if (e == ERR_NOMEM || (e != OK && fail->status == 0))
        (void)fail_set(fail, 500, NULL, "out of memory");
    return e;
}

void chat_request_release(struct chat_request *r)
{
    if (r == NULL)
        return;
    cJSON_Delete(r->body);
    free(r->model);
    free(r->model_id);
    tool_names_release(&r->tools);
    *r = (struct chat_request){0};
}
