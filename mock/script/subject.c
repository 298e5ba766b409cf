/* subject.c: a request as matchers see it.
 *
 * Made only when there is a script or a fixture to choose from, once a request. The members about the conversation
 * (user, turn, tools, ...) exist because a test of an agent asks for them again and again, and because they read the
 * same whatever form the body has. Explaining a miss is a second walk, as the first one is on the path of every request
 * and the second one only on that of a mistake; secrets are taken out before that walk, so that no word of it can hold
 * one.
 */
#include "mock/script/subject.h"

#include <stdio.h>

#include "mock/operations.h"
#include "protocol/glob.h"
#include "protocol/secret.h"

#define REDACTED "<redacted>"

/* ---- making one ---- */

/* The key stays for ever, so it is not copied. NULL is no member. */
static void add(cJSON *object, const char *key, cJSON *take)
{
    if (take != NULL)
        (void)cJSON_AddItemToObjectCS(object, key, take);
}

static void add_text(cJSON *object, const char *key, const char *text)
{
    add(object, key, json_new_string(span_of(text)));
}

static void add_header(cJSON *headers, const struct http_field *field)
{
    CLEANUP(json_free) cJSON *name = json_new_string(field->name);
    for (char *p = name != NULL ? name->valuestring : NULL; p != NULL && *p != '\0'; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    cJSON *value = name != NULL && json_item(headers, name->valuestring) == NULL ? json_new_string(field->value) : NULL;
    if (value == NULL)
        return;
    value->string = name->valuestring; /* made already: cJSON would copy it */
    name->valuestring = NULL;
    (void)cJSON_AddItemToArray(headers, value);
}

static cJSON *headers_of(const struct http_request *r)
{
    cJSON *headers = cJSON_CreateObject();
    for (size_t i = 0; headers != NULL && i < r->field_count; i++)
        add_header(headers, &r->fields[i]);
    return headers;
}

static bool has_text(const cJSON *content)
{
    const cJSON *block;
    cJSON_ArrayForEach(block, content)
    {
        if (json_str(block, "text") != NULL)
            return true;
    }
    return false;
}

/* The texts of a message's own blocks. */
static void add_texts(const cJSON *content, struct buf *out)
{
    const cJSON *block;
    cJSON_ArrayForEach(block, content)
    {
        const char *text = json_str(block, "text");
        if (text != NULL)
            buf_adds(out, text);
    }
}

static bool is_role(const cJSON *message, const char *role)
{
    const char *said = json_str(message, "role");
    return said != NULL && strcmp(said, role) == 0;
}

/* Does the message hold a block of this kind; or, with `only`, nothing else? */
static bool holds_results(const cJSON *message, bool only)
{
    const cJSON *block, *content = json_member(message, "content");
    size_t results = 0, all = 0;
    cJSON_ArrayForEach(block, content)
    {
        results += json_member(block, "toolResult") != NULL;
        all += json_member(block, "cachePoint") == NULL;
    }
    return results > 0 && (!only || results == all);
}

static void add_counts(cJSON *subject, const cJSON *messages)
{
    int64_t turn = 0, round = 0, replies = 0;
    const cJSON *m;
    cJSON_ArrayForEach(m, messages)
    {
        replies += is_role(m, "assistant");
        if (!is_role(m, "user"))
            continue;
        bool own = !holds_results(m, true);
        turn += own;
        round = own ? 0 : round + 1;
        if (own && holds_results(m, false)) /* results, and a new question with them */
            round = 1;
    }
    add(subject, "turn", json_new_int(turn));
    add(subject, "round", json_new_int(round));
    add(subject, "replies", json_new_int(replies));
}

static void add_results(cJSON *subject, const cJSON *messages)
{
    cJSON *list = cJSON_AddArrayToObject(subject, "tool_results");
    const cJSON *last = cJSON_GetArrayItem(messages, cJSON_GetArraySize(messages) - 1), *block;
    const cJSON *content = is_role(last, "user") ? json_member(last, "content") : NULL;
    cJSON_ArrayForEach(block, content)
    {
        const cJSON *result = json_member(block, "toolResult");
        cJSON *item = result == NULL ? NULL : cJSON_CreateObject();
        if (item == NULL || !cJSON_AddItemToArray(list, item))
            continue;
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        match_text_of(json_member(result, "content"), &text);
        const cJSON *part;
        cJSON_ArrayForEach(part, json_member(result, "content"))
        {
            if (json_member(part, "json") != NULL)
                json_print(json_member(part, "json"), JSON_COMPACT, &text);
        }
        if (json_str(result, "toolUseId") != NULL)
            add_text(item, "id", json_str(result, "toolUseId"));
        if (json_str(result, "status") != NULL)
            add_text(item, "status", json_str(result, "status"));
        add_text(item, "text", buf_text(&text));
    }
}

static void add_user(cJSON *subject, const cJSON *messages)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const cJSON *m, *last = NULL;
    cJSON_ArrayForEach(m, messages) /* forwards: a list finds its n-th item by walking */
    {
        if (is_role(m, "user") && has_text(json_member(m, "content")))
            last = m;
    }
    if (last == NULL)
        return;
    add_texts(json_member(last, "content"), &text);
    add_text(subject, "user", buf_text(&text));
}

static void add_tools(cJSON *subject, const cJSON *asked)
{
    cJSON *names = cJSON_AddArrayToObject(subject, "tools");
    const cJSON *tool;
    cJSON_ArrayForEach(tool, json_at(asked, "/toolConfig/tools"))
    {
        const char *name = json_str(json_member(tool, "toolSpec"), "name");
        cJSON *item = name == NULL ? NULL : cJSON_CreateString(name);
        if (item != NULL)
            (void)cJSON_AddItemToArray(names, item);
    }
}

static void add_conversation(cJSON *subject, const cJSON *asked)
{
    const cJSON *messages = json_member(asked, "messages"), *block;
    CLEANUP(buf_release) struct buf system = BUF_INIT(BUF_ANY);
    cJSON_ArrayForEach(block, json_member(asked, "system"))
    {
        const char *text = json_str(block, "text");
        if (text != NULL)
            buf_addf(&system, "%s%s", system.len > 0 ? "\n" : "", text);
    }
    if (system.len > 0)
        add_text(subject, "system", buf_text(&system));
    add_user(subject, messages);
    add_counts(subject, messages);
    add_tools(subject, asked);
    add_results(subject, messages);
}

/* Embeddings have no conversation, but a text. */
static void add_embedded(cJSON *subject, const cJSON *body)
{
    static const char *const places[] = {"/inputText", "/texts/0", "/singleEmbeddingParams/text/value"};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const cJSON *text = json_at(body, places[i]);
        if (cJSON_IsString(text)) {
            add_text(subject, "user", text->valuestring);
            return;
        }
    }
}

cJSON *subject_new(const struct visit *v)
{
    cJSON *s = cJSON_CreateObject();
    if (s == NULL)
        return NULL;
    const cJSON *asked = v->native.family != NULL ? v->native.asked : v->body;
    if (v->operation != NULL)
        add_text(s, "operation", v->operation);
    if (v->model_id != NULL)
        add_text(s, "model", v->model_id);
    add(s, "method", json_new_string(v->request->method));
    add(s, "target", json_new_string(v->request->target));
    add(s, "headers", headers_of(v->request));
    if (v->caller.access_key != NULL && v->caller.access_key[0] != '\0')
        add_text(s, "principal", v->caller.access_key);
    if (v->caller.arn != NULL)
        add_text(s, "principal_arn", v->caller.arn);
    if (session_name(v->session) != NULL)
        add_text(s, "session", session_name(v->session));
    add(s, "stream", cJSON_CreateBool(visit_streams(v)));
    if (v->native.family != NULL && v->native.family->embeds)
        add_embedded(s, v->native.body);
    else if (json_member(asked, "messages") != NULL)
        add_conversation(s, asked);
    if (v->body != NULL)
        (void)cJSON_AddItemReferenceToObject(s, "body", v->body);
    return s;
}

/* ---- the language ---- */

static const char *const known[] = {"operation", "model", "method",  "target", "headers", "body",         "principal", "session",
                                    "user",      "system", "turn",    "round",  "replies", "tools",        "tool_results", "stream",
                                    "at"};

static bool is_among(const char *word, const char *const *list)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

/* {"$or": [...]}: a matcher over all of it. */
static bool is_whole(const cJSON *match)
{
    return match->child != NULL && match->child->string[0] == '$';
}

static enum err check_at(const cJSON *at, const char *where, struct note *note)
{
    const cJSON *item;
    if (!cJSON_IsObject(at))
        return note_set(note, ERR_INVALID, "%s: expected an object of JSON pointers into the body, each with a matcher", where);
    cJSON_ArrayForEach(item, at)
    {
        CLEANUP(buf_release) struct buf inside = BUF_INIT(BUF_ANY);
        buf_adds(&inside, where);
        json_pointer_add(&inside, item->string);
        if (item->string[0] != '\0' && item->string[0] != '/')
            return note_set(note, ERR_INVALID, "%s: a JSON pointer begins with /; did you mean /%s", buf_text(&inside),
                            item->string);
        enum err e = match_validate(item, buf_text(&inside), note);
        if (e != OK)
            return e;
    }
    return OK;
}

/* An operation that nobody has would never be asked for, and the reply would wait for ever. */
static enum err check_operation(const cJSON *m, const char *where, struct note *note)
{
    const cJSON *item, *list = cJSON_IsObject(m) ? json_item(m, "$in") : NULL;
    const char *near;
    cJSON_ArrayForEach(item, list)
    {
        enum err e = check_operation(item, where, note);
        if (e != OK)
            return e;
    }
    if (!cJSON_IsString(m) || glob_is(m->valuestring) || operation_is_known(m->valuestring, &near))
        return OK;
    return note_set(note, ERR_INVALID, "%s: there is no operation \"%.80s\"%s%s%s", where, m->valuestring,
                    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static enum err check_names(const cJSON *match, const char *const *more, const char *where, struct note *note)
{
    const char *names[COUNT_OF(known) + 8];
    size_t n = 0;
    for (; n < COUNT_OF(known); n++)
        names[n] = known[n];
    for (; more != NULL && *more != NULL && n < COUNT_OF(names); more++)
        names[n++] = *more;
    return json_only_keys(match, names, n, where, note);
}

enum err subject_check(const cJSON *match, const char *const *more, const char *where, struct note *note)
{
    if (match == NULL)
        return OK;
    if (!cJSON_IsObject(match))
        return note_set(note, ERR_INVALID, "%s: expected an object", where);
    if (is_whole(match))
        return match_validate(match, where, note);
    enum err e = check_names(match, more, where, note);
    const cJSON *item;
    cJSON_ArrayForEach(item, match)
    {
        CLEANUP(buf_release) struct buf inside = BUF_INIT(BUF_ANY);
        buf_adds(&inside, where);
        json_pointer_add(&inside, item->string);
        if (e == OK)
            e = strcmp(item->string, "at") == 0 ? check_at(item, buf_text(&inside), note)
                                                : match_validate(item, buf_text(&inside), note);
        if (e == OK && strcmp(item->string, "operation") == 0)
            e = check_operation(item, buf_text(&inside), note);
    }
    return e;
}

/* ---- holding a match against a subject ---- */

static bool holds_model(const cJSON *m, const cJSON *actual, struct match_failure *why)
{
    if (!cJSON_IsString(m) || !glob_is(m->valuestring) || !cJSON_IsString(actual))
        return match(m, actual, NULL, why);
    if (glob_fits(span_of(m->valuestring), span_of(actual->valuestring)))
        return true;
    if (why != NULL) {
        why->pointer[0] = '\0';
        (void)snprintf(why->expected, sizeof why->expected, "an id like %.200s", m->valuestring);
        match_abbreviate(actual, why->observed, sizeof why->observed);
    }
    return false;
}

static bool holds_at(const cJSON *at, const cJSON *body, struct match_failure *why)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, at)
    {
        if (match(item, json_at(body, item->string), NULL, why))
            continue;
        if (why != NULL) {
            char inside[MATCH_POINTER_MAX];
            (void)snprintf(inside, sizeof inside, "%s", why->pointer);
            (void)snprintf(why->pointer, sizeof why->pointer, "%.200s%.300s", item->string, inside);
        }
        return false;
    }
    return true;
}

static bool holds_member(const cJSON *m, const cJSON *subject, struct match_failure *why)
{
    if (strcmp(m->string, "at") == 0)
        return holds_at(m, cJSON_GetObjectItemCaseSensitive(subject, "body"), why);
    const cJSON *actual = cJSON_GetObjectItemCaseSensitive(subject, m->string);
    if (strcmp(m->string, "model") == 0)
        return holds_model(m, actual, why);
    const cJSON *arn = strcmp(m->string, "principal") == 0 ? json_member(subject, "principal_arn") : NULL;
    return (arn != NULL && match(m, arn, NULL, NULL)) || match(m, actual, NULL, why);
}

bool subject_matches(const cJSON *m, const char *const *more, const cJSON *subject)
{
    if (m == NULL)
        return true;
    if (is_whole(m))
        return match(m, subject, NULL, NULL);
    const cJSON *item;
    cJSON_ArrayForEach(item, m)
    {
        if (!is_among(item->string, more) && !holds_member(item, subject, NULL))
            return false;
    }
    return true;
}

/* ---- explaining ---- */

/* The subject without secrets. A copy: the body, which may be large, is lent again. */
static cJSON *harmless(const cJSON *subject)
{
    cJSON *copy = cJSON_CreateObject();
    const cJSON *item;
    cJSON_ArrayForEach(item, subject)
    {
        cJSON *mine = strcmp(item->string, "body") == 0 ? NULL : cJSON_Duplicate(item, true);
        if (mine != NULL)
            (void)cJSON_AddItemToObject(copy, item->string, mine);
        else
            (void)cJSON_AddItemReferenceToObject(copy, "body", cJSON_GetObjectItemCaseSensitive(subject, "body"));
    }
    cJSON *h;
    cJSON_ArrayForEach(h, json_member(copy, "headers"))
    {
        if (secret_header(span_of(h->string)) && cJSON_SetValuestring(h, REDACTED) == NULL)
            h->valuestring[0] = '\0';
    }
    const char *target = json_str(copy, "target");
    const char *query = target == NULL ? NULL : strchr(target, '?');
    if (query != NULL && strcasestr(query, "x-amz-") != NULL) /* presigned: the query is a credential */
        (void)json_set_string(copy, "target", REDACTED);
    return copy;
}

/* Expected words could hold a secret that the fixture's author wrote; say them of plain headers only. */
static void hide_secrets(struct match_failure *why)
{
    if (strncmp(why->pointer, "/headers", 8) == 0 && why->pointer[8] == '/' &&
        !secret_header(span_of(why->pointer + 9)))
        return;
    if (strncmp(why->pointer, "/headers", 8) != 0 && why->pointer[0] != '\0')
        return;
    (void)snprintf(why->expected, sizeof why->expected, "%s",
                   why->pointer[0] == '\0' ? "what its match says" : "another value (not shown, as it may be a secret)");
    (void)snprintf(why->observed, sizeof why->observed, "%s", why->pointer[0] == '\0' ? "this request" : REDACTED);
}

static void explain_member(const cJSON *item, const cJSON *safe, struct subject_miss *out)
{
    char inside[MATCH_POINTER_MAX];
    if (holds_member(item, safe, &out->why)) {
        out->why.pointer[0] = '\0';
        (void)snprintf(out->why.expected, sizeof out->why.expected, "a value that is not shown");
        (void)snprintf(out->why.observed, sizeof out->why.observed, REDACTED);
    }
    (void)snprintf(inside, sizeof inside, "%s", out->why.pointer);
    (void)snprintf(out->why.pointer, sizeof out->why.pointer, "/%.60s%.440s",
                   strcmp(item->string, "at") == 0 ? "body" : item->string, inside);
    (void)snprintf(out->member, sizeof out->member, "%.60s", item->string);
    hide_secrets(&out->why);
}

bool subject_explain(const cJSON *m, const char *const *more, const cJSON *subject, struct subject_miss *out)
{
    *out = (struct subject_miss){0};
    if (m == NULL)
        return false;
    CLEANUP(json_free) cJSON *safe = harmless(subject);
    if (is_whole(m)) {
        out->failed = !match(m, subject, NULL, NULL);
        out->held = !out->failed;
        if (out->failed > 0 && match(m, safe, NULL, &out->why))
            out->why = (struct match_failure){"", "a value that is not shown", REDACTED};
        (void)snprintf(out->member, sizeof out->member, "%.60s", m->child->string);
        hide_secrets(&out->why);
        return out->failed > 0;
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, m)
    {
        if (is_among(item->string, more))
            continue;
        bool holds = holds_member(item, subject, NULL);
        out->held += holds;
        if (!holds && out->failed++ == 0)
            explain_member(item, safe, out);
    }
    return out->failed > 0;
}
