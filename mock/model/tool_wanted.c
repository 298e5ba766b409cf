/* tool_wanted.c: which tool a pretend model calls.
 *
 * Frameworks for agents ask again and again until the model stops calling tools, or calls the one that hands over the
 * result. A mock that looks at nothing but the last message calls the first tool for ever; so the calls of the round
 * are counted, and a tool is called once for one question. Which words speak of a tool is decided by comparing words:
 * the example of nearly every framework's documentation is a tool get_weather and a question about the weather.
 */
#include "mock/model/tool_wanted.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum spoken { NOT_AT_ALL, BY_A_WORD, BY_NAME };

/* Of a text; cut once, as they are compared with the name of each tool. */
struct words {
    struct span *list;
    size_t count;
};

struct round {
    const cJSON *opening; /* the user's message that began it; else the first of all; NULL: there is none */
    const cJSON *last;    /* the user's last message */
    struct words first, then; /* of both, when they are needed; the second is empty when they are one message */
};

static const cJSON *member(const cJSON *object, const char *key)
{
    return json_item(object, key);
}

static bool has_role(const cJSON *message, const char *role)
{
    const cJSON *r = member(message, "role");
    return cJSON_IsString(r) && strcmp(r->valuestring, role) == 0;
}

static bool brings_result(const cJSON *message)
{
    const cJSON *b;
    cJSON_ArrayForEach(b, member(message, "content"))
    {
        if (member(b, "toolResult") != NULL)
            return true;
    }
    return false;
}

static struct round find_round(const cJSON *body)
{
    const cJSON *m, *messages = member(body, "messages");
    struct round r = {.opening = cJSON_GetArrayItem(messages, 0)};
    cJSON_ArrayForEach(m, messages)
    {
        if (!has_role(m, "user"))
            continue;
        r.last = m;
        if (!brings_result(m))
            r.opening = m;
    }
    return r;
}

static size_t count_calls(const struct round *r, const char *name)
{
    size_t n = 0;
    for (const cJSON *m = r->opening; m != NULL; m = m->next) {
        const cJSON *b;
        if (!has_role(m, "assistant"))
            continue;
        cJSON_ArrayForEach(b, member(m, "content"))
        {
            const cJSON *called = member(member(b, "toolUse"), "name");
            if (cJSON_IsString(called) && strcmp(called->valuestring, name) == 0)
                n++;
        }
    }
    return n;
}

/* ---- words ---- */

static bool is_letter(unsigned char c)
{
    return isalnum(c) || c >= 0x80;
}

/* The next word from *at on: letters and digits, up to where a capital follows a small letter. Empty: there is none. */
static struct span next_word(struct span text, size_t *at)
{
    while (*at < text.n && !is_letter(text.p[*at]))
        (*at)++;
    size_t from = *at;
    while (*at < text.n && is_letter(text.p[*at])) {
        if (*at > from && isupper(text.p[*at]) && islower(text.p[*at - 1]))
            break;
        (*at)++;
    }
    return span_cut(text, from, *at - from);
}

static bool same_word(struct span a, struct span b)
{
    return a.n == b.n && strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0;
}

/* One or many: "city" and "cities" are too far apart for a mock, "tool" and "tools" are not. */
static bool same_thing(struct span a, struct span b)
{
    struct span longer = a.n > b.n ? a : b, shorter = a.n > b.n ? b : a;
    if (longer.n == shorter.n + 1 && tolower(longer.p[longer.n - 1]) == 's')
        longer.n--;
    return same_word(longer, shorter);
}

#define TELLING_LETTERS 4 /* "the", "in" and "get" tell nothing */

static bool is_telling(struct span word)
{
    static const char *const everywhere[] = {
        "about",       "agent",   "answer",   "array",   "call",     "check",      "code",   "create", "current",
        "data",        "default", "delete",   "details", "every",    "execute",    "fetch",  "field",  "file",
        "final",       "find",    "format",   "from",    "function", "generate",   "have",   "help",   "info",
        "information", "input",   "insert",   "item",    "json",     "list",       "load",   "look",   "lookup",
        "make",        "message", "model",    "name",    "need",     "number",     "object", "open",   "output",
        "perform",     "please",  "post",     "process", "query",    "read",       "record", "remove", "request",
        "response",    "result",  "retrieve", "return",  "save",     "search",     "select", "send",   "show",
        "some",        "start",   "stop",     "store",   "string",   "structured", "submit", "take",   "task",
        "tell",        "text",    "that",     "this",    "tool",     "type",       "update", "user",   "value",
        "want",        "what",    "when",     "where",   "which",    "with",       "work",   "write",  "your",
    };
    for (size_t i = 0; i < COUNT_OF(everywhere); i++)
        if (same_thing(word, span_of(everywhere[i])))
            return false;
    return word.n >= TELLING_LETTERS;
}

static enum spoken text_speaks_of(const struct words *text, const struct span *words, size_t count)
{
    enum spoken found = NOT_AT_ALL;
    size_t held = 0;
    for (size_t at = 0; at < text->count; at++) {
        struct span w = text->list[at];
        held = same_word(w, words[held]) ? held + 1 : same_word(w, words[0]) ? 1 : 0;
        if (held == count)
            return BY_NAME;
        for (size_t i = 0; found == NOT_AT_ALL && i < count; i++)
            if (same_thing(w, words[i]) && is_telling(words[i]))
                found = BY_A_WORD;
    }
    return found;
}

/* The last text block of a message: before it frameworks put documents and what they have remembered. */
static struct span last_text(const cJSON *message)
{
    struct span text = {NULL, 0};
    const cJSON *b;
    cJSON_ArrayForEach(b, member(message, "content"))
    {
        if (cJSON_IsString(member(b, "text")))
            text = span_of(member(b, "text")->valuestring);
    }
    return text.n > TOOL_WANTED_TEXT ? span_from(text, text.n - TOOL_WANTED_TEXT) : text;
}

/* Without memory for them there are none. */
static void cut_words(struct span text, struct words *out)
{
    size_t at = 0, room = text.n / 2 + 1;
    out->list = text.n > 0 ? malloc(room * sizeof *out->list) : NULL;
    if (out->list == NULL)
        return;
    for (struct span w = next_word(text, &at); w.n > 0 && out->count < room; w = next_word(text, &at))
        out->list[out->count++] = w;
}

static void round_release(struct round *r)
{
    free(r->first.list);
    free(r->then.list);
}

static enum spoken round_speaks_of(const struct round *r, const char *name)
{
    struct span words[TOOL_WANTED_WORDS];
    size_t count = 0, at = 0;
    for (struct span w = next_word(span_of(name), &at); w.n > 0 && count < COUNT_OF(words);
         w = next_word(span_of(name), &at))
        words[count++] = w;
    if (count == 0)
        return NOT_AT_ALL;
    enum spoken first = text_speaks_of(&r->first, words, count), then = text_speaks_of(&r->then, words, count);
    return then > first ? then : first;
}

/* ---- which one ---- */

const cJSON *tool_wanted(const cJSON *body)
{
    const cJSON *config = member(body, "toolConfig"), *choice = member(config, "toolChoice"), *tool, *best = NULL;
    const cJSON *forced = member(member(choice, "tool"), "name");
    bool must = member(choice, "any") != NULL;
    enum spoken best_spoken = NOT_AT_ALL;
    size_t fewest = SIZE_MAX;
    CLEANUP(round_release) struct round r = find_round(body);
    if (forced == NULL && cJSON_GetArraySize(member(config, "tools")) > 0) {
        cut_words(last_text(r.opening), &r.first);
        if (r.last != r.opening)
            cut_words(last_text(r.last), &r.then);
    }
    cJSON_ArrayForEach(tool, member(config, "tools"))
    {
        const cJSON *spec = member(tool, "toolSpec"), *name = member(spec, "name");
        if (!cJSON_IsString(name))
            continue;
        if (cJSON_IsString(forced) && strcmp(forced->valuestring, name->valuestring) == 0)
            return spec;
        size_t calls = count_calls(&r, name->valuestring);
        enum spoken spoken = round_speaks_of(&r, name->valuestring);
        if (forced != NULL || (!must && (calls > 0 || spoken == NOT_AT_ALL)))
            continue;
        if (best == NULL || calls < fewest || (calls == fewest && spoken > best_spoken)) {
            best = spec;
            best_spoken = spoken;
            fewest = calls;
        }
    }
    return best;
}
