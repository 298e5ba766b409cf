/* dialect.c: the table of dialects, and what all streams have in common: the list of events and how they end. */
#include "harness/dialect.h"

#include <stdlib.h>

static const struct dialect *const dialects[] = {&dialect_openai_chat, &dialect_openai_models,
                                                 &dialect_bedrock_converse, &dialect_health};

const struct dialect *dialect_named(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(dialects); i++)
        if (strcmp(dialects[i]->name, name) == 0)
            return dialects[i];
    return NULL;
}

const struct dialect *const *dialects_all(size_t *count)
{
    *count = COUNT_OF(dialects);
    return dialects;
}

const struct invariant *dialect_invariant(const struct dialect *d, const char *name)
{
    for (size_t i = 0; i < d->invariant_count; i++)
        if (strcmp(d->invariants[i].name, name) == 0)
            return &d->invariants[i];
    return NULL;
}

const char *stream_end_name(enum stream_end end)
{
    static const char *const names[] = {
        [STREAM_RUNNING] = "running", [STREAM_DONE] = "done",       [STREAM_ERROR] = "error",
        [STREAM_CLOSED] = "closed",   [STREAM_ABORTED] = "aborted", [STREAM_TIMEOUT] = "timeout",
        [STREAM_LEFT] = "left"};
    return names[end];
}

void dialect_request_release(struct dialect_request *r)
{
    if (r == NULL)
        return;
    free(r->method);
    buf_release(&r->path);
    http_headers_release(&r->headers);
    buf_release(&r->body);
    *r = (struct dialect_request){0};
}

struct stream *stream_new(const struct dialect *d, const char *content_type)
{
    struct stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->dialect = d;
    s->content_type = span_dup(span_of(content_type));
    sse_decoder_init(&s->sse);
    es_decoder_init(&s->es);
    buf_init(&s->broken, 4096);
    return s;
}

void stream_free(struct stream *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++) {
        json_free(&s->events[i].json);
        free(s->events[i].text);
        free(s->events[i].type);
    }
    free(s->events);
    free(s->content_type);
    sse_decoder_release(&s->sse);
    es_decoder_release(&s->es);
    buf_release(&s->broken);
    free(s);
}

struct stream_event *stream_add(struct stream *s, cJSON *take_json, struct span text, struct span type)
{
    if (s->count == s->cap && !s->failed) {
        size_t cap = s->cap == 0 ? 32 : s->cap * 2;
        struct stream_event *grown = cap > STREAM_EVENTS_MAX ? NULL : realloc(s->events, cap * sizeof *grown);
        s->failed = grown == NULL;
        if (grown != NULL) {
            s->events = grown;
            s->cap = cap;
        }
    }
    if (s->failed) {
        cJSON_Delete(take_json);
        return NULL;
    }
    struct stream_event *e = &s->events[s->count++];
    *e = (struct stream_event){.json = take_json, .text = span_dup(text), .type = span_dup(type)};
    s->failed = e->text == NULL || e->type == NULL;
    return s->failed ? NULL : e;
}

void stream_feed(struct stream *s, struct span bytes)
{
    if (!s->failed) /* the decoder still holds what was fed when that happened */
        s->dialect->feed(s, bytes);
}

void stream_finish(struct stream *s, enum stream_end how)
{
    bool done = false, error = false;
    if (s->failed && s->broken.len == 0)
        buf_adds(&s->broken, "more events than we keep, or out of memory");
    s->dialect->finish(s);
    for (size_t i = 0; i < s->count; i++) {
        done = done || s->events[i].terminal;
        error = error || s->events[i].error;
    }
    s->end = how;
    if (error && how != STREAM_LEFT)
        s->end = STREAM_ERROR;
    else if (done && how == STREAM_CLOSED)
        s->end = STREAM_DONE;
}

const cJSON *stream_error(const struct stream *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->events[i].error)
            return s->events[i].json;
    return NULL;
}

void assembled_append(cJSON *message, const char *key, const char *text)
{
    CLEANUP(buf_release) struct buf whole = BUF_INIT(BUF_ANY);
    const char *so_far = json_str(message, key);
    buf_adds(&whole, so_far != NULL ? so_far : "");
    buf_adds(&whole, text);
    (void)json_set_string(message, key, buf_text(&whole));
}
