/* native_body_rules.c: the rules about what stands deeper in a native body than its first members (native_rules.c has
 * those).
 *
 * The shapes say most of it; left are what depends on the model, on two members at once, and what rests on less than a
 * provider's page and so has a switch of its own.
 */
#include "mock/native/native_body.h"
#include "mock/native/native_embed.h"
#include "mock/rules/rules.h"

#define TEXTS_MAX 96

static bool is_body(const struct visit *v)
{
    return v->native.family != NULL && cJSON_IsObject(v->native.body);
}

static bool shape_broken(const struct visit *v, struct finding *f, enum body_voice voice)
{
    struct body_check c = BODY_CHECK_INIT(voice);
    body_walk(&c, v->native.family->body, v->native.body);
    bool bad = body_say(&c, &f->whole);
    body_check_release(&c);
    return bad;
}

bool rule_native_members(const struct visit *v, struct finding *f)
{
    return is_body(v) && !v->native.family->claude && v->native.family->body != NULL &&
           shape_broken(v, f, BODY_BEDROCK);
}

bool rule_claude_members(const struct visit *v, struct finding *f)
{
    return is_body(v) && v->native.family->claude && shape_broken(v, f, BODY_CLAUDE);
}

bool rule_claude_overthinks(const struct visit *v, struct finding *f)
{
    if (!is_body(v) || !v->native.family->claude || !body_claude_overthinks(v->native.body))
        return false;
    buf_adds(&f->whole, "max_tokens: `max_tokens` must be greater than `thinking.budget_tokens`.");
    return true;
}

/* Claude and Nova, whose conversations are Converse's. */
bool rule_native_starts_otherwise(const struct visit *v, struct finding *f)
{
    (void)f;
    bool talks = is_body(v) && (v->native.family->claude || strcmp(v->native.family->id, "amazon-nova") == 0);
    const char *role = talks ? json_str(json_at(v->native.body, "/messages/0"), "role") : NULL;
    return role != NULL && strcmp(role, "assistant") == 0 && v->model.row != NULL && v->model.row->id[0] != '\0' &&
           !v->model.row->any_order;
}

bool rule_native_too_many_tokens(const struct visit *v, struct finding *f)
{
    const cJSON *n = json_at(v->native.asked, "/inferenceConfig/maxTokens");
    f->n = v->native.family != NULL && v->model.row != NULL ? v->model.row->max_output : 0;
    return f->n > 0 && cJSON_IsNumber(n) && n->valuedouble > (double)f->n;
}

bool rule_native_texts(const struct visit *v, struct finding *f)
{
    const cJSON *texts = json_member(v->native.body, "texts");
    if (!is_body(v) || strncmp(v->native.family->id, "cohere-embed", 12) != 0 || !cJSON_IsArray(texts))
        return false;
    struct body_check c = BODY_CHECK_INIT(BODY_BEDROCK);
    static const struct body_row rows[] = {{"texts", BODY_LIST, false, 1, TEXTS_MAX, NULL, NULL}};
    static const struct body_shape shape = {BODY_OPEN, NULL, NULL, BODY_ROWS(rows)};
    body_walk(&c, &shape, v->native.body);
    bool bad = body_say(&c, &f->whole);
    body_check_release(&c);
    return bad;
}

/* Titan reads so much and no more; Cohere and Nova cut a text off where they are told to. */
bool rule_native_embeds_too_much(const struct visit *v, struct finding *f)
{
    if (!is_body(v) || strncmp(v->native.family->id, "titan-embed-v", 13) != 0 || v->model.row == NULL)
        return false;
    f->max = v->model.row->context;
    return f->max > 0 && v->request->body.n > f->max && native_embed_tokens(v->native.body) > f->max;
}
