/* admin.c: one function that asks, and the four questions. */
#include "harness/admin.h"

#include <stdio.h>

#include "net/client.h"

enum { ADMIN_TIMEOUT_MS = 10000 };

/* Of the one admin API that a run speaks to. */
static const char *token_base, *token_text;

void admin_use_token(const char *base, const char *token)
{
    token_base = base;
    token_text = token;
}

void admin_add_token(const char *base, struct http_headers *headers)
{
    CLEANUP(buf_release) struct buf value = BUF_INIT(4096);
    if (token_text == NULL || token_base == NULL || strcmp(base, token_base) != 0)
        return;
    buf_addf(&value, "Bearer %s", token_text);
    http_headers_add(headers, "Authorization", buf_text(&value));
}

static enum err ask(const char *base, const char *path, const cJSON *body, unsigned timeout_ms, cJSON **answer,
                    struct note *note)
{
    CLEANUP(buf_release) struct buf url = BUF_INIT(4096);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    CLEANUP(json_free) cJSON *tree = NULL;
    CLEANUP(client_response_release) struct client_response r = {0};
    CLEANUP(http_headers_release) struct http_headers headers;
    http_headers_init(&headers);
    admin_add_token(base, &headers);
    buf_addf(&url, "%s%s", base, path);
    if (body != NULL)
        json_print(body, JSON_COMPACT, &text);
    struct client_request request = {.method = body != NULL ? "POST" : "GET",
                                     .url = buf_text(&url),
                                     .headers = &headers,
                                     .body = buf_span(&text),
                                     .timeout_ms = timeout_ms};
    enum err e = client_fetch(&request, &r, note);
    if (e != OK) /* its note names the address */
        return e;
    e = json_parse(buf_span(&r.body), JSON_COMPACT, &tree, note);
    if (e == OK && r.status != 200) {
        const char *message = json_str(tree, "message");
        e = note_set(note, ERR_INVALID, "status %d: %s", r.status, message != NULL ? message : "no message");
    }
    if (e != OK) {
        note_prefix(note, "%s", buf_text(&url));
        return e;
    }
    if (answer != NULL) {
        *answer = tree;
        tree = NULL;
    }
    return OK;
}

enum err admin_call(const char *base, const char *path, const cJSON *body, cJSON **answer, struct note *note)
{
    return ask(base, path, body, ADMIN_TIMEOUT_MS, answer, note);
}

enum err admin_reset(const char *base, struct note *note)
{
    CLEANUP(json_free) cJSON *body = cJSON_CreateObject();
    return admin_call(base, "/reset", body, NULL, note);
}

enum err admin_open(const char *base, const char *gate, struct note *note)
{
    CLEANUP(json_free) cJSON *body = cJSON_CreateObject();
    (void)json_set_string(body, "open", gate);
    return admin_call(base, "/gate", body, NULL, note);
}

enum err admin_journal(const char *base, int64_t since, size_t count, unsigned timeout_ms, cJSON **answer,
                       struct note *note)
{
    char path[128];
    (void)snprintf(path, sizeof path, "/journal?since=%lld&count=%zu&timeout_ms=%u", (long long)since, count,
                   timeout_ms);
    return ask(base, path, NULL, timeout_ms + ADMIN_TIMEOUT_MS, answer, note);
}
