/* rules_broken.c: one small function a rule: is it broken, and where first?
 *
 * They get bodies of any form, because in record mode the rules are asked whatever the API model said. cJSON's readers
 * take NULL and wrong types for "not there", which is all the care that is needed.
 */
#include "mock/rules/rules.h"

#include <ctype.h>
#include <stdio.h>

#include "protocol/token.h"
#include "protocol/utf8.h"

#define CACHE_POINTS_MAX 4
#define IMAGES_MAX       20
#define NAMES_MAX        512 /* documents compared by name; more are not */

static const cJSON *member(const cJSON *object, const char *key)
{
    return json_item(object, key);
}

static const cJSON *messages(const struct visit *v)
{
    return member(v->body, "messages");
}

static bool is_role(const cJSON *message, const char *role)
{
    const cJSON *r = member(message, "role");
    return cJSON_IsString(r) && strcmp(r->valuestring, role) == 0;
}

static bool streams(const struct visit *v)
{
    return v->route.operation != NULL && v->route.operation->streaming != API_NOT_STREAMING;
}

static bool is_known(const struct visit *v)
{
    return v->model.row != NULL && v->model.row->id[0] != '\0';
}

/* ---- the model ---- */

bool rule_needs_profile(const struct visit *v, struct finding *f)
{
    f->word = v->model_id;
    return is_known(v) && !v->model.row->on_demand && v->model.kind == MODEL_ID_PLAIN;
}

bool rule_cannot_stream(const struct visit *v, struct finding *f)
{
    (void)f;
    bool native_cannot = v->native.family != NULL && v->native.family->stream == NULL;
    return streams(v) && ((is_known(v) && !v->model.row->streaming) || native_cannot);
}

bool rule_cannot_stream_tools(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && streams(v) && !v->model.row->tools_streaming && member(v->body, "toolConfig") != NULL;
}

bool rule_no_tools(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && !v->model.row->tools && member(v->body, "toolConfig") != NULL;
}

bool rule_no_system(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && !v->model.row->system && cJSON_GetArraySize(member(v->body, "system")) > 0;
}

bool rule_no_stop_sequences(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && !v->model.row->stop_sequences &&
           cJSON_GetArraySize(member(member(v->body, "inferenceConfig"), "stopSequences")) > 0;
}

bool rule_too_many_tokens_asked(const struct visit *v, struct finding *f)
{
    const cJSON *n = member(member(v->body, "inferenceConfig"), "maxTokens");
    f->n = is_known(v) ? v->model.row->max_output : 0;
    return f->n > 0 && cJSON_IsNumber(n) && n->valuedouble > (double)f->n;
}

bool rule_two_samplers(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *c = member(v->body, "inferenceConfig");
    return is_known(v) && v->model.row->one_sampler && member(c, "temperature") != NULL && member(c, "topP") != NULL;
}

bool rule_hot_thinking(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *type = json_at(v->body, "/additionalModelRequestFields/thinking/type");
    const cJSON *t = json_at(v->body, "/inferenceConfig/temperature");
    return cJSON_IsString(type) && strcmp(type->valuestring, "enabled") == 0 && cJSON_IsNumber(t) &&
           (t->valuedouble < 1 || t->valuedouble > 1);
}

/* A body of fewer bytes than that need not be counted. */
static bool context_full(const struct visit *v, struct finding *f, bool claude)
{
    f->max = is_known(v) && v->model.row->claude == claude ? v->model.row->context : 0;
    if (f->max == 0 || v->request->body.n <= f->max)
        return false;
    f->n = token_count_request(v->native.asked != NULL ? v->native.asked : v->body);
    return f->n > f->max;
}

bool rule_context_full_claude(const struct visit *v, struct finding *f)
{
    return context_full(v, f, true);
}

bool rule_context_full_other(const struct visit *v, struct finding *f)
{
    return context_full(v, f, false);
}

/* Real embedding and image models are refused, and so are those that speak; what is not in the catalogue may converse. */
bool rule_cannot_converse(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && !v->model.row->converses;
}

/* Films take a while and speech goes both ways: StartAsyncInvoke and the bidirectional stream are for these. */
bool rule_cannot_invoke(const struct visit *v, struct finding *f)
{
    const cJSON *word, *output = is_known(v) ? json_member(v->model.row->row, "output") : NULL;
    (void)f;
    cJSON_ArrayForEach(word, output)
    {
        if (strcmp(word->valuestring, "VIDEO") == 0 || strcmp(word->valuestring, "SPEECH") == 0)
            return true;
    }
    return false;
}

bool rule_prompt_has_field(const struct visit *v, struct finding *f)
{
    static const char *const fields[] = {"inferenceConfig", "system", "toolConfig", "additionalModelRequestFields"};
    for (size_t i = 0; v->model.kind == MODEL_ID_PROMPT && i < COUNT_OF(fields); i++) {
        f->word = fields[i];
        if (json_member(v->body, fields[i]) != NULL)
            return true;
    }
    return false;
}

/* ---- turns ---- */

bool rule_starts_otherwise(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *first = cJSON_GetArrayItem(messages(v), 0);
    if (v->model.kind == MODEL_ID_PROMPT)
        return false;
    if (first == NULL)
        return true;
    return is_role(first, "assistant") && !v->model.row->any_order;
}

bool rule_does_not_alternate(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *m, *before = NULL;
    if (v->model.row->any_order)
        return false;
    cJSON_ArrayForEach(m, messages(v))
    {
        if (before != NULL && ((is_role(before, "user") && is_role(m, "user")) ||
                               (is_role(before, "assistant") && is_role(m, "assistant"))))
            return true;
        before = m;
    }
    return false;
}

static bool is_blank(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return *text == '\0';
}

/* fn for each content block of each message, with its positions in *f, until it says true. */
static bool any_block(const struct visit *v, struct finding *f,
                      bool (*fn)(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f))
{
    const cJSON *m, *b;
    f->i = 0;
    cJSON_ArrayForEach(m, messages(v))
    {
        f->j = 0;
        cJSON_ArrayForEach(b, member(m, "content"))
        {
            if (fn(v, m, b, f))
                return true;
            f->j++;
        }
        f->i++;
    }
    return false;
}

static bool block_is_blank(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)v, (void)message, (void)f;
    const cJSON *text = member(block, "text");
    return cJSON_IsString(text) && is_blank(text->valuestring);
}

bool rule_has_blank_text(const struct visit *v, struct finding *f)
{
    return any_block(v, f, block_is_blank);
}

bool rule_has_empty_content(const struct visit *v, struct finding *f)
{
    const cJSON *m;
    f->i = 0;
    cJSON_ArrayForEach(m, messages(v))
    {
        if (cJSON_GetArraySize(member(m, "content")) == 0)
            return true;
        f->i++;
    }
    return false;
}

static bool block_not_supported(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)message;
    const struct {
        const char *kind;
        bool taken;
    } rows[] = {{"image", v->model.row->images}, {"document", v->model.row->documents}, {"video", v->model.row->video},
                {"audio", v->model.row->audio}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        f->word = rows[i].kind;
        if (!rows[i].taken && member(block, rows[i].kind) != NULL)
            return true;
    }
    return false;
}

bool rule_has_block_not_supported(const struct visit *v, struct finding *f)
{
    return is_known(v) && any_block(v, f, block_not_supported);
}

/* ---- tools ---- */

static size_t count_of(const cJSON *message, const char *kind)
{
    size_t n = 0;
    const cJSON *b;
    cJSON_ArrayForEach(b, member(message, "content")) n += member(b, kind) != NULL;
    return n;
}

static bool block_of_tools(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)v, (void)message, (void)f;
    return member(block, "toolUse") != NULL || member(block, "toolResult") != NULL;
}

bool rule_tool_config_missing(const struct visit *v, struct finding *f)
{
    return member(v->body, "toolConfig") == NULL && any_block(v, f, block_of_tools);
}

bool rule_too_many_results(const struct visit *v, struct finding *f)
{
    const cJSON *m, *before = NULL;
    f->i = 0;
    cJSON_ArrayForEach(m, messages(v))
    {
        size_t results = count_of(m, "toolResult");
        if (results > 0 && results > count_of(before, "toolUse"))
            return true;
        before = m;
        f->i++;
    }
    return false;
}

static bool is_answered(const cJSON *message, const char *id)
{
    const cJSON *b;
    cJSON_ArrayForEach(b, member(message, "content"))
    {
        const cJSON *given = member(member(b, "toolResult"), "toolUseId");
        if (cJSON_IsString(given) && strcmp(given->valuestring, id) == 0)
            return true;
    }
    return false;
}

static size_t list_unanswered(const cJSON *asking, const cJSON *answering, struct buf *ids)
{
    size_t n = 0;
    const cJSON *b;
    cJSON_ArrayForEach(b, member(asking, "content"))
    {
        const cJSON *use = member(b, "toolUse"), *id = member(use, "toolUseId");
        /* Tools that the service itself runs answer within the same turn. */
        if (!cJSON_IsString(id) || member(use, "type") != NULL || is_answered(answering, id->valuestring))
            continue;
        buf_addf(ids, "%s%s", n++ > 0 ? ", " : "", id->valuestring);
    }
    return n;
}

bool rule_results_missing(const struct visit *v, struct finding *f)
{
    const cJSON *m, *before = NULL;
    f->i = 0;
    cJSON_ArrayForEach(m, messages(v))
    {
        CLEANUP(buf_release) struct buf ids = BUF_INIT(REFUSAL_TEXT_MAX);
        if (before != NULL && is_role(before, "assistant") && list_unanswered(before, m, &ids) > 0) {
            buf_addf(&f->whole, "Expected toolResult blocks at messages.%zu.content for the following Ids: %s", f->i,
                     buf_text(&ids));
            return true;
        }
        before = m;
        f->i++;
    }
    return false;
}

static bool mixed_turn(const struct visit *v, struct finding *f, const char *kind)
{
    const cJSON *m;
    f->i = 0;
    if (!is_known(v) || v->model.row->claude)
        return false;
    cJSON_ArrayForEach(m, messages(v))
    {
        if (count_of(m, kind) > 0 && count_of(m, "text") + count_of(m, "image") + count_of(m, "document") > 0)
            return true;
        f->i++;
    }
    return false;
}

bool rule_mixed_result_turn(const struct visit *v, struct finding *f)
{
    return mixed_turn(v, f, "toolResult");
}

bool rule_mixed_use_turn(const struct visit *v, struct finding *f)
{
    return mixed_turn(v, f, "toolUse");
}

/* A member called __type, at any depth: the service keeps that name for itself. */
static bool names_a_type(const cJSON *json)
{
    const cJSON *child, *members = cJSON_IsObject(json) || cJSON_IsArray(json) ? json : NULL;
    cJSON_ArrayForEach(child, members)
    {
        if ((child->string != NULL && strcmp(child->string, "__type") == 0) || names_a_type(child))
            return true;
    }
    return false;
}

static bool result_not_object(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)v, (void)message;
    const cJSON *part;
    f->k = 0;
    cJSON_ArrayForEach(part, member(member(block, "toolResult"), "content"))
    {
        const cJSON *json = member(part, "json");
        if (json != NULL && !cJSON_IsNull(json) && (!cJSON_IsObject(json) || names_a_type(json)))
            return true;
        f->k++;
    }
    return false;
}

bool rule_has_result_not_object(const struct visit *v, struct finding *f)
{
    return any_block(v, f, result_not_object);
}

static bool empty_error(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)v, (void)message, (void)f;
    const cJSON *result = member(block, "toolResult"), *status = member(result, "status");
    return cJSON_IsString(status) && strcmp(status->valuestring, "error") == 0 &&
           cJSON_GetArraySize(member(result, "content")) == 0;
}

bool rule_has_empty_error(const struct visit *v, struct finding *f)
{
    return any_block(v, f, empty_error);
}

/* ---- documents, images, cache points ---- */

/* Letters and digits of any script, single white space, - ( ) [ ]; an underscore passes in practice. */
static bool bad_name(const char *name)
{
    bool space = false;
    for (struct span rest = span_of(name); rest.n > 0;) {
        size_t n = utf8_length(rest);
        unsigned char c = rest.p[0];
        if (n == 0 || (n == 3 && memcmp(rest.p, "\xe3\x80\x80", 3) == 0)) /* U+3000, the ideographic space */
            return true;
        if (c == ' ' && space)
            return true;
        if (n == 1 && !isalnum(c) && strchr(" -()[]_", c) == NULL)
            return true;
        space = c == ' ';
        rest = span_from(rest, n);
    }
    return false;
}

static const char *document_name(const cJSON *block)
{
    const cJSON *name = member(member(block, "document"), "name");
    return cJSON_IsString(name) ? name->valuestring : NULL;
}

static bool document_misnamed(const struct visit *v, const cJSON *message, const cJSON *block, struct finding *f)
{
    (void)v, (void)message, (void)f;
    const char *name = document_name(block);
    return name != NULL && bad_name(name);
}

bool rule_has_document_misnamed(const struct visit *v, struct finding *f)
{
    return any_block(v, f, document_misnamed);
}

bool rule_has_document_twice(const struct visit *v, struct finding *f)
{
    (void)f;
    const char *names[NAMES_MAX];
    size_t count = 0;
    const cJSON *m, *b;
    cJSON_ArrayForEach(m, messages(v))
    {
        cJSON_ArrayForEach(b, member(m, "content"))
        {
            const char *name = document_name(b);
            for (size_t i = 0; name != NULL && i < count; i++)
                if (strcmp(names[i], name) == 0)
                    return true;
            if (name != NULL && count < NAMES_MAX)
                names[count++] = name;
        }
    }
    return false;
}

bool rule_has_document_alone(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *m;
    cJSON_ArrayForEach(m, messages(v))
    {
        if (count_of(m, "document") > 0 && count_of(m, "text") == 0)
            return true;
    }
    return false;
}

bool rule_too_many_images(const struct visit *v, struct finding *f)
{
    size_t n = 0;
    const cJSON *m;
    cJSON_ArrayForEach(m, messages(v)) n += count_of(m, "image");
    if (!is_known(v) || n <= IMAGES_MAX)
        return false;
    if (!v->model.row->claude)
        buf_addf(&f->whole, "The number of images in the messages exceeds the maximum of %d.", IMAGES_MAX);
    return true;
}

static size_t points_in(const cJSON *list)
{
    size_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list) n += member(item, "cachePoint") != NULL;
    return n;
}

size_t rule_cache_points(const struct visit *v)
{
    const cJSON *m, *asked = visit_asked(v);
    size_t n = points_in(member(asked, "system")) + points_in(member(member(asked, "toolConfig"), "tools"));
    cJSON_ArrayForEach(m, member(asked, "messages")) n += points_in(member(m, "content"));
    return n;
}

bool rule_too_many_points(const struct visit *v, struct finding *f)
{
    f->n = rule_cache_points(v);
    if (f->n <= CACHE_POINTS_MAX || (is_known(v) && !v->model.row->claude))
        return false;
    if (v->native.body != NULL) { /* the model itself speaks, without what Converse puts before it */
        char n[24];
        CLEANUP(buf_release) struct buf said = BUF_INIT(REFUSAL_TEXT_MAX);
        (void)snprintf(n, sizeof n, "%llu", (unsigned long long)f->n);
        api_text_format(api_text(v->mock->api, "model-cache-max-4"), &said, "n", n, NULL);
        buf_add(&f->whole, span_from(buf_span(&said), strlen(RULE_RETURNED)));
    }
    return true;
}

bool rule_points_on_other_model(const struct visit *v, struct finding *f)
{
    (void)f;
    return is_known(v) && !v->model.row->caching && rule_cache_points(v) > 0;
}

static bool is_ttl(const cJSON *item, bool hour)
{
    const cJSON *point = member(item, "cachePoint"), *ttl = member(point, "ttl");
    return point != NULL && (cJSON_IsString(ttl) && strcmp(ttl->valuestring, "1h") == 0) == hour;
}

static bool has_short(const cJSON *list)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (is_ttl(item, false))
            return true;
    }
    return false;
}

/* A point of an hour behind one of five minutes; *at is its place in the list, or, in a native body, that of the block
 * that it is a member of. */
static bool hour_after(const struct visit *v, const cJSON *list, bool *seen, size_t *at)
{
    const cJSON *b;
    size_t i = 0, blocks = 0;
    cJSON_ArrayForEach(b, list)
    {
        *at = v->native.body == NULL ? i : blocks > 0 ? blocks - 1 : 0;
        i++;
        if (*seen && is_ttl(b, true))
            return true;
        *seen = *seen || is_ttl(b, false);
        blocks += member(b, "cachePoint") == NULL;
    }
    return false;
}

/* The text in the words of a native body: without what Converse puts before it, and with its own path. */
static void say_hour(const struct visit *v, struct finding *f, bool in_system)
{
    const struct api_text *text = api_text(v->mock->api, "model-cache-ttl-order");
    CLEANUP(buf_release) struct buf said = BUF_INIT(REFUSAL_TEXT_MAX);
    char i[24], j[24];
    (void)snprintf(i, sizeof i, "%zu", f->i);
    (void)snprintf(j, sizeof j, "%zu", f->j);
    api_text_format(text, &said, "i", i, "j", j, NULL);
    const char *path = strstr(buf_text(&said), "messages."), *rest = strstr(buf_text(&said), ".cache_control");
    if (path == NULL || rest == NULL)
        return;
    if (v->native.body == NULL)
        buf_add(&f->whole, (struct span){(const unsigned char *)said.data, (size_t)(path - said.data)});
    if (in_system)
        buf_addf(&f->whole, "system.%zu%s", f->j, rest);
    else
        buf_adds(&f->whole, path);
}

/* Blocks are processed tools, system, messages; an hour may not come after five minutes. */
bool rule_hour_after_minutes(const struct visit *v, struct finding *f)
{
    const cJSON *m, *asked = visit_asked(v);
    bool seen = has_short(member(member(asked, "toolConfig"), "tools"));
    if (hour_after(v, member(asked, "system"), &seen, &f->j)) {
        say_hour(v, f, true);
        return true;
    }
    f->i = 0;
    cJSON_ArrayForEach(m, member(asked, "messages"))
    {
        if (hour_after(v, member(m, "content"), &seen, &f->j)) {
            say_hour(v, f, false);
            return true;
        }
        f->i++;
    }
    return false;
}
