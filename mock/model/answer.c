/* answer.c: content blocks and where they come from.
 *
 * Scripts give blocks as Converse spells them, so that a case can be read beside the API reference. What the streamed
 * form needs to know (kind, text, arguments as text) is taken out here once; everything else stays in the scripted tree
 * and is printed from there, so that members we have never heard of travel too.
 */
#include "mock/model/answer.h"

#include <stdlib.h>

#include "protocol/token.h"

void answer_init(struct answer *a, uint64_t seed)
{
    *a = (struct answer){.rng = {seed}};
    answer_stop(a, "end_turn");
}

void block_release(struct block *b)
{
    free(b->text);
    free(b->signature);
    free(b->id);
    free(b->name);
    free(b->input);
}

void answer_release(struct answer *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->count; i++)
        block_release(&a->blocks[i]);
    free(a->blocks);
    if (a->draws.own != NULL)
        time_law_release(a->draws.own);
    free(a->draws.own);
    a->draws = (struct answer_draws){.law = NULL};
    cJSON_Delete(a->guardrail_trace);
    a->guardrail_trace = NULL;
    json_free(&a->fields);
    a->blocks = NULL;
    a->count = a->cap = 0;
}

uint64_t answer_itl(struct answer *a)
{
    uint64_t ns = a->itl_ns;
    if (a->draws.law != NULL)
        ns = time_scaled(time_law_draw(a->draws.law, &a->draws.rng, a->draws.n++), a->draws.factor);
    a->itl_spent_ns = time_sum(a->itl_spent_ns, ns);
    return ns;
}

void answer_own_law(struct answer *a, struct time_law *take)
{
    struct time_law *own = malloc(sizeof *own);
    if (own == NULL) {
        time_law_release(take);
        a->failed = true;
        return;
    }
    *own = *take;
    *take = (struct time_law){.kind = TIME_CONSTANT};
    a->draws = (struct answer_draws){.law = own, .own = own, .factor = 1};
}

struct block *answer_add(struct answer *a, enum block_kind kind)
{
    if (a->count == a->cap) {
        size_t cap = a->cap == 0 ? 4 : a->cap * 2;
        struct block *grown = cap <= ANSWER_BLOCKS_MAX ? realloc(a->blocks, cap * sizeof *grown) : NULL;
        if (grown == NULL) {
            a->failed = true;
            return NULL;
        }
        a->blocks = grown;
        a->cap = cap;
    }
    struct block *b = &a->blocks[a->count++];
    *b = (struct block){.kind = kind};
    return b;
}

static char *copy(struct answer *a, struct span text)
{
    char *out = span_dup(text);
    if (out == NULL)
        a->failed = true;
    return out;
}

struct block *answer_text(struct answer *a, struct span text)
{
    struct block *b = answer_add(a, BLOCK_TEXT);
    if (b != NULL)
        b->text = copy(a, text);
    return b;
}

struct block *answer_reasoning(struct answer *a, struct span text, const char *signature)
{
    struct block *b = answer_add(a, BLOCK_REASONING);
    if (b != NULL) {
        b->text = copy(a, text);
        b->signature = signature == NULL ? NULL : copy(a, span_of(signature));
    }
    return b;
}

struct block *answer_tool(struct answer *a, const char *id, const char *name, const cJSON *input)
{
    struct block *b = answer_add(a, BLOCK_TOOL_USE);
    if (b == NULL)
        return NULL;
    char made[TOOL_ID_SIZE];
    if (id == NULL)
        rng_tool_id(&a->rng, made);
    b->id = copy(a, span_of(id != NULL ? id : made));
    b->name = copy(a, span_of(name));
    b->input = input == NULL ? copy(a, SPAN_LIT("{}")) : json_text(input, JSON_SORTED);
    if (b->input == NULL)
        a->failed = true;
    return b;
}

static enum err tool_block(struct answer *a, const cJSON *tool, const char *where, struct block **out,
                           struct note *note)
{
    const char *name = NULL, *id = NULL;
    enum err e = json_get_string(tool, "name", where, &name, note);
    if (e == OK)
        e = json_opt_string(tool, "toolUseId", where, &id, note);
    if (e == OK)
        *out = answer_tool(a, id, name, cJSON_GetObjectItemCaseSensitive(tool, "input"));
    return e;
}

static enum err reasoning_block(struct answer *a, const cJSON *reasoning, const char *where, struct block **out,
                                struct note *note)
{
    const char *redacted = NULL, *text = NULL, *signature = NULL;
    enum err e = json_opt_string(reasoning, "redactedContent", where, &redacted, note);
    if (e != OK)
        return e;
    if (redacted != NULL) {
        *out = answer_add(a, BLOCK_REDACTED);
        if (*out != NULL)
            (*out)->text = copy(a, span_of(redacted));
        return OK;
    }
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(reasoning, "reasoningText");
    if (inner == NULL)
        return note_set(note, ERR_INVALID, "%s/reasoningContent: expected reasoningText or redactedContent", where);
    e = json_get_string(inner, "text", where, &text, note);
    if (e == OK)
        e = json_opt_string(inner, "signature", where, &signature, note);
    if (e == OK)
        *out = answer_reasoning(a, span_of(text), signature);
    return e;
}

static enum err citations_block(struct answer *a, const cJSON *citations, const char *where, struct block **out,
                                struct note *note)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const cJSON *part;
    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(citations, "content"))
    {
        const char *piece = NULL;
        enum err e = json_opt_string(part, "text", where, &piece, note);
        if (e != OK)
            return e;
        buf_adds(&text, piece == NULL ? "" : piece);
    }
    *out = answer_text(a, buf_span(&text));
    if (*out != NULL)
        (*out)->kind = BLOCK_CITATIONS;
    return OK;
}

static const cJSON *only_member(const cJSON *item, const char *where, const cJSON **deltas, struct note *note)
{
    const cJSON *found = NULL, *child;
    cJSON_ArrayForEach(child, item)
    {
        if (strcmp(child->string, "$deltas") == 0) {
            *deltas = child;
            continue;
        }
        if (found != NULL) {
            (void)note_set(note, ERR_INVALID, "%s: a content block has one member, found \"%s\" and \"%s\"", where,
                           found->string, child->string);
            return NULL;
        }
        found = child;
    }
    if (found == NULL)
        (void)note_set(note, ERR_INVALID, "%s: expected a content block such as {\"text\":\"hello\"}", where);
    return found;
}

static enum err check_deltas(const cJSON *deltas, const char *where, struct note *note)
{
    const cJSON *piece;
    if (deltas != NULL && !cJSON_IsArray(deltas))
        return note_set(note, ERR_INVALID, "%s/$deltas: expected a list of strings", where);
    cJSON_ArrayForEach(piece, deltas)
    {
        if (!cJSON_IsString(piece))
            return note_set(note, ERR_INVALID, "%s/$deltas: expected a list of strings", where);
    }
    return OK;
}

enum err answer_block(struct answer *a, const cJSON *item, const char *where, struct note *note)
{
    static const struct {
        const char *member;
        enum err (*make)(struct answer *a, const cJSON *value, const char *where, struct block **out,
                         struct note *note);
    } makers[] = {
        {"toolUse", tool_block}, {"reasoningContent", reasoning_block}, {"citationsContent", citations_block}};
    const cJSON *deltas = NULL;
    const cJSON *member = cJSON_IsObject(item) ? only_member(item, where, &deltas, note) : NULL;
    if (member == NULL)
        return cJSON_IsObject(item) ? ERR_INVALID : note_set(note, ERR_INVALID, "%s: expected an object", where);
    enum err e = check_deltas(deltas, where, note);
    struct block *b = NULL;
    bool made = false;
    for (size_t i = 0; e == OK && i < COUNT_OF(makers); i++) {
        if (strcmp(makers[i].member, member->string) == 0) {
            e = makers[i].make(a, member, where, &b, note);
            made = true;
        }
    }
    if (e == OK && !made && strcmp(member->string, "text") == 0) {
        if (!cJSON_IsString(member))
            return note_set(note, ERR_INVALID, "%s/text: expected a string", where);
        b = answer_text(a, span_of(member->valuestring));
    } else if (e == OK && !made) {
        b = answer_add(a, BLOCK_OTHER);
    }
    if (e != OK)
        return e;
    if (b == NULL)
        return note_set(note, ERR_NOMEM, "%s: out of memory", where);
    b->raw = member;
    b->deltas = deltas;
    return OK;
}

void answer_stop(struct answer *a, const char *reason)
{
    size_t n = strnlen(reason, sizeof a->stop_reason - 1);
    memcpy(a->stop_reason, reason, n);
    a->stop_reason[n] = '\0';
}

static uint64_t scripted_count(const cJSON *usage, const char *key, uint64_t otherwise)
{
    const cJSON *item = json_item(usage, key);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 ? (uint64_t)item->valuedouble : otherwise;
}

/* Written for an hour: as a scripted cacheDetails says; without one a scripted write is for five minutes. */
static uint64_t written_for_an_hour(const struct answer *a, uint64_t written)
{
    const cJSON *detail, *details = json_item(a->usage, "cacheDetails");
    uint64_t hour = 0;
    if (details == NULL)
        return json_item(a->usage, "cacheWriteInputTokens") == NULL && written > 0 ? a->cache_write_hour : 0;
    cJSON_ArrayForEach(detail, details)
    {
        const char *ttl = json_str(detail, "ttl");
        if (ttl != NULL && strcmp(ttl, "1h") == 0)
            hour += scripted_count(detail, "inputTokens", 0);
    }
    return hour < written ? hour : written;
}

struct answer_usage answer_usage(const struct answer *a)
{
    const cJSON *u = a->usage;
    bool ours = json_item(u, "inputTokens") == NULL;
    struct answer_usage out = {.input = scripted_count(u, "inputTokens", a->input_tokens),
                               .output = scripted_count(u, "outputTokens", a->output_tokens),
                               .cache_read = scripted_count(u, "cacheReadInputTokens", ours ? a->cache_read : 0),
                               .cache_write = scripted_count(u, "cacheWriteInputTokens", ours ? a->cache_write : 0)};
    out.cache_write_hour = written_for_an_hour(a, out.cache_write);
    out.has_cache = a->has_cache || out.cache_read > 0 || out.cache_write > 0;
    return out;
}

void answer_count(struct answer *a)
{
    uint64_t total = 0;
    for (size_t i = 0; i < a->count; i++) {
        const struct block *b = &a->blocks[i];
        total += token_count(span_of(b->text)) + token_count(span_of(b->name)) + token_count(span_of(b->input));
        total += b->kind == BLOCK_TOOL_USE ? TOKENS_PER_TOOL_BLOCK : 0;
    }
    a->output_tokens = total;
}
