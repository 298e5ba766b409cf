/* schema_wanted.c: where a request says which form its answer shall have.
 *
 * Converse has a member for it, Claude one of its own beside it (the AI SDK of Vercel uses that one). Older ways ask in
 * plain words: "answer with JSON that fits this schema", and the schema follows. A model reads those, so we do: an
 * object with `properties` in a prompt is taken for it when the word stands shortly before (agents of the ReAct kind
 * write the arguments of their tools into prompts, too, and want no JSON back). Of several the last counts: prompts
 * show their examples first.
 */
#include "mock/model/schema_wanted.h"

#include <strings.h>

#define ANNOUNCED_WITHIN 120 /* bytes between the word and the schema */

/* Where the object that begins at `at` ends, the brace included; 0: it does not. */
static size_t object_size(struct span text, size_t at)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = at; i < text.n; i++) {
        unsigned char c = text.p[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '{')
            depth++;
        else if (!quoted && c == '}' && --depth == 0)
            return i + 1 - at;
    }
    return 0;
}

static bool is_announced(struct span text, size_t at)
{
    size_t from = at > ANNOUNCED_WITHIN ? at - ANNOUNCED_WITHIN : 0;
    for (size_t i = from; i + 6 <= at; i++)
        if (strncasecmp((const char *)text.p + i, "schema", 6) == 0)
            return true;
    return false;
}

static bool written_out(const char *prompt, cJSON **tree)
{
    struct span text = span_cut(span_of(prompt), 0, SCHEMA_WANTED_TEXT);
    size_t tries = 0;
    if (span_find(text, "\"properties\"") == NULL)
        return false;
    for (size_t at = 0; at < text.n && tries < SCHEMA_WANTED_TRIES; at++) {
        if (text.p[at] != '{')
            continue;
        tries++;
        CLEANUP(json_free) cJSON *found = NULL;
        size_t n = object_size(text, at), from = at;
        if (n == 0 || json_parse(span_cut(text, at, n), JSON_COMPACT, &found, NULL) != OK)
            continue;
        at += n - 1;
        if (cJSON_IsObject(json_item(found, "properties")) && is_announced(text, from)) {
            json_free(tree);
            *tree = found;
            found = NULL;
        }
    }
    return *tree != NULL;
}

/* Schemas are told as text by Converse, as objects by Claude. */
static bool in_member(const cJSON *body, cJSON **tree)
{
    static const char *const places[] = {"/outputConfig/textFormat/structure/jsonSchema/schema",
                                         "/additionalModelRequestFields/output_config/format/schema",
                                         "/additionalModelRequestFields/output_format/schema"};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const cJSON *schema = json_at(body, places[i]);
        if (cJSON_IsObject(schema))
            *tree = cJSON_Duplicate(schema, true);
        if (cJSON_IsString(schema) && json_parse(span_of(schema->valuestring), JSON_COMPACT, tree, NULL) != OK)
            return false;
        if (*tree != NULL)
            return true;
    }
    return false;
}

static const cJSON *last_of_user(const cJSON *body)
{
    const cJSON *m, *found = NULL;
    cJSON_ArrayForEach(m, json_item(body, "messages"))
    {
        const cJSON *role = json_item(m, "role");
        if (cJSON_IsString(role) && strcmp(role->valuestring, "user") == 0)
            found = m;
    }
    return found;
}

static bool in_texts(const cJSON *blocks, cJSON **tree)
{
    const cJSON *b;
    cJSON_ArrayForEach(b, blocks)
    {
        const cJSON *text = json_item(b, "text");
        if (cJSON_IsString(text))
            (void)written_out(text->valuestring, tree);
    }
    return *tree != NULL;
}

bool schema_wanted(const cJSON *body, cJSON **tree)
{
    *tree = NULL;
    return in_member(body, tree) || in_texts(json_item(last_of_user(body), "content"), tree) ||
           in_texts(json_item(body, "system"), tree);
}
