/* doubt.c: see doubt.h. The words are those of Bedrock's API model (ContentBlock, StopReason, the events and exceptions of
 * its streams); error types are those of refusal.c. A reply with placeholders is looked at as it is written, so a string
 * that holds one is passed over. Of a match only plain values are looked at: they can be of a type that the request's
 * member never has, which is what a forgotten $ or two quotation marks too many make of them.
 */
#include "mock/script/doubt.h"

#include <stdarg.h>
#include <stdio.h>

#include "mock/refusal.h"
#include "mock/script/scripted.h"
#include "mock/script/template.h"

#define WORDS_MAX 64

static const char *const stop_reasons[] = {"end_turn",
                                           "tool_use",
                                           "max_tokens",
                                           "stop_sequence",
                                           "guardrail_intervened",
                                           "content_filtered",
                                           "malformed_model_output",
                                           "malformed_tool_use",
                                           "model_context_window_exceeded"};
static const char *const block_kinds[] = {"text",         "image",      "document",         "video",
                                          "audio",        "toolUse",    "toolResult",       "guardContent",
                                          "cachePoint",   "searchResult", "reasoningContent", "citationsContent",
                                          "toolAddition", "toolRemoval"};
/* ConverseStream, InvokeModelWithResponseStream (and both ways), RetrieveAndGenerateStream. */
static const char *const event_types[] = {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop",
                                          "messageStop",  "metadata",          "chunk",             "output",
                                          "citation",     "guardrail"};

static void PRINTF_LIKE(2, 3) say(struct doubts *d, const char *format, ...)
{
    char line[1024];
    va_list args;
    if (d->count++ >= DOUBTS_MAX)
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    d->say(d->ctx, line);
}

/* ---- words ---- */

struct words {
    const char *what; /* "stop reason" */
    const char *const *known;
    size_t count;
};

static bool is_among(const char *word, const struct words *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->known[i], word) == 0)
            return true;
    return false;
}

static void doubt_word(struct doubts *d, const char *word, const struct words *w, const char *where)
{
    if (word == NULL || strstr(word, "{{") != NULL || is_among(word, w))
        return;
    const char *near = nearest_word(word, w->known, w->count);
    say(d, "%.400s: Bedrock has no %s \"%.80s\"; it goes out as it is%s%s%s", where, w->what, word,
        near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

/* The names of errors, as they stand in headers, or as events of a stream. */
static size_t error_words(const char *names[WORDS_MAX], char small[WORDS_MAX][48])
{
    const struct error_type *rows;
    size_t n = error_types(&rows);
    n = n < WORDS_MAX ? n : WORDS_MAX;
    for (size_t i = 0; i < n; i++) {
        names[i] = rows[i].name;
        if (small == NULL)
            continue;
        (void)snprintf(small[i], sizeof small[i], "%s", rows[i].name);
        small[i][0] = (char)(small[i][0] + 32);
        names[i] = small[i];
    }
    return n;
}

static void doubt_error(struct doubts *d, const cJSON *error, const char *where)
{
    const char *names[WORDS_MAX];
    char at[512];
    struct words w = {"error type", names, error_words(names, NULL)};
    (void)snprintf(at, sizeof at, "%.400s/error/type", where);
    doubt_word(d, json_str(error, "type"), &w, at);
}

static void doubt_frames(struct doubts *d, const cJSON *frames, const char *where)
{
    char small[WORDS_MAX][48], at[512];
    const char *names[WORDS_MAX];
    struct words exceptions = {"exception", names, error_words(names, small)};
    struct words events = {"event", event_types, COUNT_OF(event_types)};
    const cJSON *frame;
    size_t i = 0;
    cJSON_ArrayForEach(frame, frames)
    {
        (void)snprintf(at, sizeof at, "%.400s/frames/%zu/exception", where, i);
        doubt_word(d, json_str(frame, "exception"), &exceptions, at);
        (void)snprintf(at, sizeof at, "%.400s/frames/%zu/event", where, i++);
        doubt_word(d, json_str(frame, "event"), &events, at);
    }
}

static void doubt_content(struct doubts *d, const cJSON *content, const char *where)
{
    struct words w = {"content block", block_kinds, COUNT_OF(block_kinds)};
    const cJSON *block, *kind;
    char at[512];
    size_t i = 0;
    cJSON_ArrayForEach(block, content)
    {
        (void)snprintf(at, sizeof at, "%.400s/content/%zu", where, i++);
        cJSON_ArrayForEach(kind, block)
        {
            if (kind->string[0] != '$')
                doubt_word(d, kind->string, &w, at);
        }
    }
}

/* ---- members that say nothing ---- */

static void doubt_dropped(struct doubts *d, const cJSON *reply, const char *where)
{
    static const char *const kinds[] = {"error", "raw", "frames"};
    static const char *const dropped[] = {"stop_reason", "usage", "metrics", "extra", "ttft_ms", "itl_ms"};
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (size_t i = 0; json_item(reply, kinds[k]) != NULL && i < COUNT_OF(dropped); i++)
            if (json_item(reply, dropped[i]) != NULL)
                say(d, "%.400s/%s: belongs to an answer; beside %s it is dropped", where, dropped[i], kinds[k]);
}

/* ---- braces ---- */

static enum err doubt_braces(void *doubts, const char *text, const char *where)
{
    if (template_has_placeholder(text))
        say(doubts, "%.400s: holds a {{placeholder}}, which goes out as it is: the reply has no \"template\":true",
            where);
    return OK;
}

/* ---- matches that nothing can meet ---- */

enum sort { SORT_TEXT, SORT_NUMBER, SORT_LIST, SORT_BOOL };

/* Members of a match (subject.h, nth and call of fixtures, and POST /verify's own); of the others anything may be meant. */
static const struct {
    const char *member;
    enum sort sort;
} sorts[] = {{"operation", SORT_TEXT}, {"model", SORT_TEXT},   {"method", SORT_TEXT},   {"target", SORT_TEXT},
             {"principal", SORT_TEXT}, {"session", SORT_TEXT}, {"user", SORT_TEXT},     {"system", SORT_TEXT},
             {"source", SORT_TEXT},    {"verdict", SORT_TEXT}, {"turn", SORT_NUMBER},   {"round", SORT_NUMBER},
             {"replies", SORT_NUMBER}, {"nth", SORT_NUMBER},   {"call", SORT_NUMBER},   {"status", SORT_NUMBER},
             {"tools", SORT_LIST},     {"tool_results", SORT_LIST}, {"stream", SORT_BOOL}};
static const char *const sort_names[] = {[SORT_TEXT] = "a text", [SORT_NUMBER] = "a whole number from 0", [SORT_LIST] = "a list",
                                         [SORT_BOOL] = "true or false"};

static bool is_operator(const cJSON *m)
{
    return cJSON_IsObject(m) && m->child != NULL && m->child->string[0] == '$';
}

/* A plain value; null asks that it be absent. */
static bool can_be(const cJSON *m, enum sort sort)
{
    int64_t n;
    if (cJSON_IsNull(m))
        return true;
    switch (sort) {
    case SORT_TEXT:
        return cJSON_IsString(m);
    case SORT_NUMBER:
        return cJSON_IsNumber(m) && json_int64(m, &n) && n >= 0;
    case SORT_LIST:
        return cJSON_IsArray(m);
    case SORT_BOOL:
        return cJSON_IsBool(m);
    }
    return true;
}

static void hint_at(const cJSON *m, enum sort sort, char *out, size_t room)
{
    static const char *const operators[] = {"contains", "regex", "prefix", "suffix", "in",   "all",   "or",  "not",
                                            "absent",   "any",   "type",   "equal",  "num",  "len",   "text"};
    const char *word = cJSON_IsObject(m) && m->child != NULL ? m->child->string : NULL;
    const char *near = word == NULL ? NULL : nearest_word(word, operators, COUNT_OF(operators));
    out[0] = '\0';
    if (near != NULL)
        (void)snprintf(out, room, "; did you mean $%s?", near);
    else if (cJSON_IsString(m) && sort == SORT_LIST)
        (void)snprintf(out, room, "; did you mean {\"$contains\":\"%.80s\"}?", m->valuestring);
    else if (cJSON_IsString(m) && m->valuestring[0] != '\0' && sort != SORT_TEXT)
        (void)snprintf(out, room, "; without the quotation marks?");
}

/* One value of a member: of an operator only the alternatives are looked into. */
static void doubt_value(struct doubts *d, const cJSON *m, enum sort sort, const char *where)
{
    static const char *const several[] = {"$in", "$or", "$all"};
    char hint[160], at[512];
    const cJSON *one;
    for (size_t i = 0; i < COUNT_OF(several) && is_operator(m); i++) {
        size_t k = 0;
        cJSON_ArrayForEach(one, json_item(m, several[i]))
        {
            (void)snprintf(at, sizeof at, "%.400s/%s/%zu", where, several[i], k++);
            doubt_value(d, one, sort, at);
        }
    }
    if (is_operator(m) || can_be(m, sort))
        return;
    hint_at(m, sort, hint, sizeof hint);
    say(d, "%.400s: is %s, so this never holds%s", where, sort_names[sort], hint);
}

static void doubt_headers(struct doubts *d, const cJSON *headers, const char *where)
{
    const cJSON *item;
    char small[128], at[512];
    if (!cJSON_IsObject(headers) && !cJSON_IsNull(headers))
        say(d, "%.400s: is an object, so this never holds", where);
    if (!cJSON_IsObject(headers) || is_operator(headers))
        return;
    cJSON_ArrayForEach(item, headers)
    {
        (void)snprintf(small, sizeof small, "%.100s", item->string);
        for (char *p = small; *p != '\0'; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
        (void)snprintf(at, sizeof at, "%.300s/%.100s", where, item->string);
        if (strncmp(small, item->string, strlen(small)) != 0)
            say(d, "%s: names of headers are in lower case here, so none has this one; did you mean \"%s\"?", at, small);
        doubt_value(d, item, SORT_TEXT, at);
    }
}

void doubt_match(struct doubts *d, const cJSON *match, const char *where)
{
    static const char *const several[] = {"$in", "$or", "$all"};
    const cJSON *item;
    char at[512];
    for (size_t i = 0; i < COUNT_OF(several) && is_operator(match); i++) {
        size_t k = 0;
        cJSON_ArrayForEach(item, json_item(match, several[i]))
        {
            (void)snprintf(at, sizeof at, "%.400s/%s/%zu", where, several[i], k++);
            doubt_match(d, item, at);
        }
    }
    if (!cJSON_IsObject(match) || is_operator(match))
        return;
    cJSON_ArrayForEach(item, match)
    {
        (void)snprintf(at, sizeof at, "%.400s/%.80s", where, item->string);
        if (strcmp(item->string, "headers") == 0)
            doubt_headers(d, item, at);
        for (size_t i = 0; i < COUNT_OF(sorts); i++)
            if (strcmp(sorts[i].member, item->string) == 0)
                doubt_value(d, item, sorts[i].sort, at);
    }
}

/* ---- replies and what holds them ---- */

/* Of a reply that scripted_check() has taken; `where` is its JSON pointer. */
static void doubt_reply(struct doubts *d, const cJSON *reply, const char *where)
{
    struct words reasons = {"stop reason", stop_reasons, COUNT_OF(stop_reasons)};
    char at[512];
    if (json_item(reply, "recorded") != NULL) /* a real endpoint said it */
        return;
    (void)snprintf(at, sizeof at, "%.400s/stop_reason", where);
    doubt_word(d, json_str(reply, "stop_reason"), &reasons, at);
    doubt_error(d, json_item(reply, "error"), where);
    doubt_frames(d, json_item(reply, "frames"), where);
    doubt_content(d, json_item(reply, "content"), where);
    doubt_dropped(d, reply, where);
    if (!cJSON_IsTrue(json_item(reply, "template")))
        (void)json_each_string(reply, where, doubt_braces, d);
}

void doubt_script(struct doubts *d, const cJSON *body)
{
    const cJSON *item;
    char at[64];
    size_t i = 0;
    cJSON_ArrayForEach(item, json_item(body, "replies"))
    {
        (void)snprintf(at, sizeof at, "/replies/%zu/match", i);
        doubt_match(d, json_item(item, "match"), at);
        (void)snprintf(at, sizeof at, "/replies/%zu/reply", i++);
        doubt_reply(d, json_item(item, "reply"), at);
    }
}

void doubt_fixtures(struct doubts *d, const cJSON *document)
{
    const cJSON *fixture, *reply;
    char at[96];
    size_t i = 0;
    cJSON_ArrayForEach(fixture, json_item(document, "fixtures"))
    {
        size_t k = 0;
        (void)snprintf(at, sizeof at, "/fixtures/%zu/match", i);
        doubt_match(d, json_item(fixture, "match"), at);
        (void)snprintf(at, sizeof at, "/fixtures/%zu/reply", i);
        if (json_item(fixture, "reply") != NULL)
            doubt_reply(d, json_item(fixture, "reply"), at);
        cJSON_ArrayForEach(reply, json_item(fixture, "sequence"))
        {
            (void)snprintf(at, sizeof at, "/fixtures/%zu/sequence/%zu", i, k++);
            doubt_reply(d, reply, at);
        }
        i++;
    }
}
