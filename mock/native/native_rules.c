/* native_rules.c: what is wrong with a native body, in the words of who says it.
 *
 * Claude's own validator speaks of paths ("max_tokens: Field required"); for the others a JSON schema before the model
 * does ("Malformed input request: #: required key [prompt] not found"). Converse and CountTokens are told the same
 * with "The model returned the following errors: " before it; InvokeModel was seen without.
 */
#include "mock/rules/body_walk.h"
#include "mock/rules/rules.h"

#include <stdio.h>

#include "protocol/utf8.h"

#define PREFIX         RULE_RETURNED
#define TEXTS_LENGTH   2048 /* characters of one text to embed */
#define TELL_FIRST_MAX 1

static void add_text(const struct visit *v, struct finding *f, const char *id, const char *name, const char *value)
{
    const struct api_text *text = api_text(v->mock->api, id);
    CLEANUP(buf_release) struct buf whole = BUF_INIT(REFUSAL_TEXT_MAX);
    api_text_format(text, &whole, name, value, "pointer", "#", NULL);
    struct span said = buf_span(&whole);
    if (span_has_prefix(said, PREFIX))
        said = span_from(said, strlen(PREFIX));
    buf_add(&f->whole, said);
}

/* How many required members are missing; `first` names the first. */
static size_t missing(const struct native_request *r, char *first, size_t size)
{
    size_t count = 0;
    struct span rest = span_of(r->family->required), word;
    bool more = rest.n > 0;
    while (more) {
        more = span_split(rest, ' ', &word, &rest);
        CLEANUP(free_ptr) char *key = span_dup(word);
        if (key == NULL || json_item(r->body, key) != NULL)
            continue;
        if (count++ == 0)
            (void)snprintf(first, size, "%s", key);
    }
    return count;
}

/* How many members are there that the family does not know, and `besides` does not name. */
static size_t strangers(const struct native_family *family, const cJSON *body, const char *besides, char *first,
                        size_t size)
{
    const cJSON *member, *object = cJSON_IsObject(body) ? body : NULL;
    size_t count = 0;
    cJSON_ArrayForEach(member, object)
    {
        bool known = !family->closed || body_row(family->body, member->string) != NULL ||
                     span_in_words(span_of(member->string), besides, ' ');
        if (!known && count++ == 0)
            (void)snprintf(first, size, "%s", member->string);
    }
    return count;
}

bool rule_native_not_json(const struct visit *v, struct finding *f)
{
    (void)f;
    return v->native.family != NULL && (v->native.not_json || !cJSON_IsObject(v->native.body));
}

bool rule_native_schema(const struct visit *v, struct finding *f)
{
    const struct native_request *r = &v->native;
    char lacks[128], strange[128], count[24];
    if (r->family == NULL || r->family->claude || !cJSON_IsObject(r->body))
        return false;
    size_t n = missing(r, lacks, sizeof lacks), m = strangers(r->family, r->body, "", strange, sizeof strange);
    if (n + m == 0)
        return false;
    (void)snprintf(count, sizeof count, "%zu", n + m);
    if (n + m > TELL_FIRST_MAX)
        add_text(v, f, "model-schema-many", "n", count);
    else if (n > 0)
        add_text(v, f, "model-schema-required", "key", lacks);
    else
        add_text(v, f, "model-schema-extraneous", "key", strange);
    return true;
}

bool rule_native_text_too_long(const struct visit *v, struct finding *f)
{
    const cJSON *text, *texts = json_member(v->native.body, "texts");
    if (v->native.family == NULL || strcmp(v->native.family->id, "cohere-embed-v3") != 0)
        return false;
    f->i = 0;
    cJSON_ArrayForEach(text, texts)
    {
        f->n = cJSON_IsString(text) ? utf8_count(span_of(text->valuestring)) : 0;
        if (f->n > TEXTS_LENGTH)
            return true;
        f->i++;
    }
    return false;
}

bool rule_claude_lacks(const struct visit *v, struct finding *f)
{
    char first[128];
    if (v->native.family == NULL || !v->native.family->claude || !cJSON_IsObject(v->native.body) ||
        missing(&v->native, first, sizeof first) == 0)
        return false;
    add_text(v, f, "model-claude-field-required", "path", first);
    return true;
}

bool rule_claude_extra(const struct visit *v, struct finding *f)
{
    char first[128];
    if (v->native.family == NULL || !v->native.family->claude ||
        strangers(v->native.family, v->native.body, "", first, sizeof first) == 0)
        return false;
    add_text(v, f, "model-claude-extra", "path", first);
    return true;
}

/* ---- additionalModelRequestFields: members of the native body, beside those that Converse makes itself ---- */

/* Names that Converse takes for Claude and the native body does not have. */
#define FIELDS_OF_CONVERSE "reasoning_config"

static const struct native_family *family_of(const struct visit *v)
{
    bool known = v->model.row != NULL && v->model.row->id[0] != '\0';
    return native_find(known ? v->model.row->id : v->model_id, v->body);
}

bool rule_fields_claude(const struct visit *v, struct finding *f)
{
    char first[128];
    const struct native_family *family = family_of(v);
    const cJSON *fields = json_member(v->body, "additionalModelRequestFields");
    if (!family->claude || strangers(family, fields, FIELDS_OF_CONVERSE, first, sizeof first) == 0)
        return false;
    buf_adds(&f->whole, PREFIX);
    add_text(v, f, "model-claude-extra", "path", first);
    return true;
}

bool rule_fields_schema(const struct visit *v, struct finding *f)
{
    char first[128], count[24];
    const struct native_family *family = family_of(v);
    size_t n = family->claude ? 0
                              : strangers(family, json_member(v->body, "additionalModelRequestFields"), "", first,
                                          sizeof first);
    if (n == 0)
        return false;
    buf_adds(&f->whole, PREFIX);
    (void)snprintf(count, sizeof count, "%zu", n);
    if (n > TELL_FIRST_MAX)
        add_text(v, f, "model-schema-many", "n", count);
    else
        add_text(v, f, "model-schema-extraneous", "key", first);
    return true;
}

/* `model` in the body of gpt-oss may be left out, and is the model of the path otherwise: its id, or the whole of what
 * the path says. */
bool rule_native_model(const struct visit *v, struct finding *f)
{
    const char *said = json_str(v->native.body, "model");
    const struct model *m = v->model.row;
    if (said == NULL || v->native.family == NULL || strcmp(v->native.family->id, "openai-gpt-oss") != 0 || m == NULL ||
        m->id[0] == '\0')
        return false;
    f->word = said;
    return strcmp(said, m->id) != 0 && strcmp(said, v->model_id) != 0;
}

bool rule_claude_empty_text(const struct visit *v, struct finding *f)
{
    (void)f;
    const cJSON *m, *b, *messages = json_member(v->native.body, "messages");
    if (v->native.family == NULL || !v->native.family->claude)
        return false;
    cJSON_ArrayForEach(m, messages)
    {
        const cJSON *content = json_member(m, "content"), *blocks = cJSON_IsArray(content) ? content : NULL;
        cJSON_ArrayForEach(b, blocks)
        {
            const char *type = json_str(b, "type"), *text = json_str(b, "text");
            if (type != NULL && strcmp(type, "text") == 0 && text != NULL && text[0] == '\0')
                return true;
        }
    }
    return false;
}

static size_t blocks_of_type(const cJSON *message, const char *type)
{
    const cJSON *b, *content = json_member(message, "content"), *blocks = cJSON_IsArray(content) ? content : NULL;
    size_t n = 0;
    cJSON_ArrayForEach(b, blocks)
    {
        const char *t = json_str(b, "type");
        n += t != NULL && strcmp(t, type) == 0;
    }
    return n;
}

bool rule_claude_tool_results(const struct visit *v, struct finding *f)
{
    const cJSON *m, *messages = json_member(v->native.body, "messages");
    if (v->native.family == NULL || !v->native.family->claude)
        return false;
    size_t wanted = 0, i = 0;
    cJSON_ArrayForEach(m, messages)
    {
        size_t found = blocks_of_type(m, "tool_result");
        if (wanted > found) {
            const struct api_text *text = api_text(v->mock->api, "model-claude-tool-results");
            char at[24], n[24];
            (void)snprintf(at, sizeof at, "%zu", i);
            (void)snprintf(n, sizeof n, "%zu", wanted - found);
            CLEANUP(buf_release) struct buf whole = BUF_INIT(REFUSAL_TEXT_MAX);
            api_text_format(text, &whole, "i", at, "n", n, NULL);
            buf_add(&f->whole, span_from(buf_span(&whole), strlen(PREFIX)));
            return true;
        }
        wanted = blocks_of_type(m, "tool_use");
        i++;
    }
    return false;
}

bool rule_cannot_count(const struct visit *v, struct finding *f)
{
    (void)f;
    return v->model.row != NULL && v->model.row->id[0] != '\0' && !v->model.row->converses;
}

bool rule_count_profile(const struct visit *v, struct finding *f)
{
    (void)f;
    return v->model.kind == MODEL_ID_PROFILE || (v->model.row != NULL && !v->model.row->count_tokens);
}
