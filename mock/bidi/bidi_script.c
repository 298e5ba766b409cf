/* bidi_script.c: what a script says in a stream both ways.
 *
 *   "bidirectional": {"heard": [...], "said": [...]}     the model's words, turn by turn; the rest is the model's own
 *   "bidirectional": {"steps": [{"on": "audioInput", "nth": 1, "frames": [...]}, ...]}     every frame
 *   "bidirectional": {"opening": [{"sessionStart": {...}}, ...], "steps": [...]}           the same, for a client that begins so
 *
 * A step waits for an event of the client by its name, for the n-th or (without `nth`) for each; "start" is the head of
 * the request, "end" the end of its body. With "end": true the stream is over behind its frames. Frames are those of `frames`; an event that leaves out sessionId, promptName
 * or completionId gets those of the stream.
 */
#include "mock/bidi/bidi_parts.h"

#include <stdio.h>

#include "mock/record/record.h"
#include "mock/script/scripted.h"

static const char *const events[] = {"start",     "sessionStart", "promptStart", "contentStart",
                                     "textInput", "audioInput",   "toolResult",  "contentEnd",
                                     "promptEnd", "sessionEnd",   "end"};

static enum err check_lines(const cJSON *list, const char *where, struct note *note)
{
    const cJSON *line;
    bool good = list == NULL || cJSON_IsArray(list);
    cJSON_ArrayForEach(line, list) good = good && cJSON_IsString(line);
    return good ? OK : note_set(note, ERR_INVALID, "%s: expected a list of strings", where);
}

bool bidi_script_knows(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(events); i++)
        if (strcmp(events[i], name) == 0)
            return true;
    return false;
}

static enum err check_step(const cJSON *step, const char *where, struct note *note)
{
    static const char *const known[] = {"on", "nth", "frames", "end"};
    char at[256];
    enum err e = !cJSON_IsObject(step) ? note_set(note, ERR_INVALID, "%s: expected an object", where)
                                       : json_only_keys(step, known, COUNT_OF(known), where, note);
    if (e != OK)
        return e;
    const cJSON *on = json_item(step, "on"), *nth = json_item(step, "nth"), *frames = json_item(step, "frames");
    if (!cJSON_IsString(on) || !bidi_script_knows(on->valuestring)) {
        const char *near = cJSON_IsString(on) ? nearest_word(on->valuestring, events, COUNT_OF(events)) : NULL;
        return note_set(note, ERR_INVALID, "%s/on: expected start, end or the name of an event of the client%s%s",
                        where, near != NULL ? "; did you mean " : "", near != NULL ? near : "");
    }
    if (nth != NULL && !(cJSON_IsNumber(nth) && nth->valuedouble >= 1 && nth->valuedouble <= 1e9))
        return note_set(note, ERR_INVALID, "%s/nth: expected a number from 1", where);
    if (json_item(step, "end") != NULL && !cJSON_IsBool(json_item(step, "end")))
        return note_set(note, ERR_INVALID, "%s/end: expected true or false", where);
    if (frames == NULL)
        return note_set(note, ERR_INVALID, "%s/frames: must be given", where);
    (void)snprintf(at, sizeof at, "%s/frames", where);
    return scripted_check_frames(frames, at, note);
}

static bool is_opening(const cJSON *list)
{
    const cJSON *event;
    bool good = cJSON_IsArray(list);
    cJSON_ArrayForEach(event, list) good = good && cJSON_IsObject(event) && cJSON_GetArraySize(event) == 1 &&
                                           bidi_script_knows(event->child->string) && cJSON_IsObject(event->child);
    return good;
}

enum err bidi_check(const cJSON *item, const char *where, struct note *note)
{
    static const char *const known[] = {"steps", "opening", "heard", "said"};
    enum err e = cJSON_IsObject(item) ? json_only_keys(item, known, COUNT_OF(known), where, note)
                                      : note_set(note, ERR_INVALID, "%s: expected an object", where);
    char at[192];
    for (size_t i = 2; e == OK && i < COUNT_OF(known); i++) {
        (void)snprintf(at, sizeof at, "%s/%s", where, known[i]);
        e = check_lines(json_item(item, known[i]), at, note);
    }
    const cJSON *step, *steps = json_item(item, "steps"), *opening = json_item(item, "opening");
    int members = opening != NULL ? 2 : 1;
    if (e == OK && steps != NULL && (!cJSON_IsArray(steps) || cJSON_GetArraySize(item) != members))
        e = note_set(note, ERR_INVALID, "%s/steps: expected a list, without heard and said beside it", where);
    if (e == OK && opening != NULL && (steps == NULL || !is_opening(opening)))
        e = note_set(note, ERR_INVALID, "%s/opening: expected a list of events, each {\"sessionStart\":{...}} or so, beside steps",
                     where);
    size_t n = 0;
    cJSON_ArrayForEach(step, steps)
    {
        (void)snprintf(at, sizeof at, "%s/steps/%zu", where, n++);
        if (e == OK)
            e = check_step(step, at, note);
    }
    return e;
}

/* ---- serving ---- */

static void add_missing(cJSON *object, const char *key, const char *value)
{
    if (json_item(object, key) == NULL && value[0] != '\0')
        (void)cJSON_AddStringToObject(object, key, value);
}

/* {"chunk": {"event": {"textOutput": {...}}}}: the ids of this stream, where the script has none. */
static void fill_ids(const struct bidi *b, cJSON *frame)
{
    cJSON *event = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(frame, "chunk"), "event");
    if (!cJSON_IsObject(event) || !cJSON_IsObject(event->child))
        return;
    add_missing(event->child, "sessionId", b->sonic.session);
    add_missing(event->child, "promptName", b->sonic.prompt);
    add_missing(event->child, "completionId", b->sonic.completion);
}

static void take_step(struct bidi *b, const cJSON *step)
{
    const cJSON *frame;
    cJSON_ArrayForEach(frame, json_item(step, "frames"))
    {
        CLEANUP(json_free) cJSON *own = cJSON_Duplicate(frame, true);
        CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
        const cJSON *after = json_item(frame, "after_ms"), *gate = json_item(frame, "gate");
        fill_ids(b, own);
        if (own == NULL || !scripted_frame(own, &b->rng, &bytes))
            continue;
        bidi_say_frame(b, buf_span(&bytes), cJSON_IsNumber(after) ? replay_ns((uint64_t)(after->valuedouble * 1e6), b->speed) : 0,
                       cJSON_IsString(gate) ? gate->valuestring : NULL);
        if (json_item(frame, "exception") != NULL || json_item(frame, "error_code") != NULL)
            bidi_finish(b);
    }
    if (cJSON_IsTrue(json_item(step, "end")))
        bidi_finish(b);
}

static bool waits_for(const cJSON *step, const char *name, size_t n)
{
    const cJSON *nth = json_item(step, "nth");
    return strcmp(json_item(step, "on")->valuestring, name) == 0 && (nth == NULL || (size_t)nth->valuedouble == n);
}

bool bidi_script_answers(const cJSON *script, const char *name, size_t n)
{
    const cJSON *step;
    cJSON_ArrayForEach(step, json_item(script, "steps"))
    {
        bool says = cJSON_GetArraySize(json_item(step, "frames")) > 0 || cJSON_IsTrue(json_item(step, "end"));
        if (says && waits_for(step, name, n))
            return true;
    }
    return false;
}

bool bidi_script_event(struct bidi *b, const char *name)
{
    const cJSON *step, *steps = json_item(b->script, "steps");
    size_t seen = bidi_seen(b, name);
    cJSON_ArrayForEach(step, steps)
    {
        if (!b->over && waits_for(step, name, seen))
            take_step(b, step);
    }
    return steps != NULL;
}

const char *bidi_script_line(const struct bidi *b, const char *list, size_t n)
{
    const cJSON *lines = json_item(b->script, list);
    const cJSON *line = n < (size_t)cJSON_GetArraySize(lines) ? cJSON_GetArrayItem(lines, (int)n) : NULL;
    return cJSON_IsString(line) ? line->valuestring : NULL;
}
