/* doubt.c: see doubt.h. The words are those of Bedrock's API model (ContentBlock, StopReason, the events and exceptions of
 * its streams); error types are those of refusal.c. A reply with placeholders is looked at as it is written, so a string
 * that holds one is passed over.
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

static void doubt_braces(struct doubts *d, const cJSON *item, const char *where)
{
    if (cJSON_IsString(item) && template_has_placeholder(item->valuestring))
        say(d, "%.400s: holds a {{placeholder}}, which goes out as it is: the reply has no \"template\":true", where);
    size_t index = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        CLEANUP(buf_release) struct buf inside = BUF_INIT(BUF_ANY);
        buf_adds(&inside, where);
        if (cJSON_IsArray(item))
            json_pointer_add_index(&inside, index++);
        else
            json_pointer_add(&inside, child->string);
        doubt_braces(d, child, buf_text(&inside));
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
        doubt_braces(d, reply, where);
}

void doubt_script(struct doubts *d, const cJSON *body)
{
    const cJSON *item;
    char at[64];
    size_t i = 0;
    cJSON_ArrayForEach(item, json_item(body, "replies"))
    {
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
