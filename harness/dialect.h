/* dialect.h: the languages that clients speak to a gateway: how to ask, how to read the answer, what a stream must keep
 * to.
 *
 * A dialect is a row of functions; its stream invariants are rows of a table. Bytes are pushed into a `struct stream`
 * as they arrive; it decodes them at once, so that a runner can act on what has arrived, keeps every event, and is
 * judged when it has ended. To add a dialect, write dialect_NAME.c and add its row to dialect.c.
 *
 * The assembled answer, one form for all dialects, unary or streamed:
 *   {"role", "content" (text, all choices' first), "tool_calls": [{"id","name","arguments" (text)}], "reasoning",
 *    "reasoning_signature", "refusal", "finish_reason", "usage"}; what was not in the answer is absent.
 */
#ifndef MOHS_DIALECT_H
#define MOHS_DIALECT_H

#include "net/http.h"
#include "protocol/eventstream.h"
#include "protocol/json.h"
#include "protocol/sse.h"

#define STREAM_EVENTS_MAX 1000000

enum stream_end {
    STREAM_RUNNING,
    STREAM_DONE,    /* "done": the dialect's own end was seen, and the body ended whole */
    STREAM_ERROR,   /* "error": an error object or exception came in the stream */
    STREAM_CLOSED,  /* "closed": the body ended whole, without the dialect's end */
    STREAM_ABORTED, /* "aborted": the connection was cut */
    STREAM_TIMEOUT, /* "timeout": we gave up waiting */
    STREAM_LEFT     /* "left": we disconnected, as the case asks */
};
const char *stream_end_name(enum stream_end end);

struct stream_event {
    cJSON *json;       /* of the data or payload; NULL: not JSON */
    char *text;        /* as it came; NULL for binary payloads */
    char *type;        /* SSE event field, or :event-type / :exception-type / :error-code */
    enum es_kind kind; /* event streams only */
    bool terminal;     /* [DONE] */
    bool error;        /* an error object or exception */
};

struct dialect;

struct stream {
    const struct dialect *dialect;
    char *content_type;
    struct stream_event *events;
    size_t count, cap;
    size_t content_events; /* that carried text, tool input or reasoning */
    struct sse_decoder sse;
    struct es_decoder es;
    struct buf broken; /* why the framing cannot be read; empty: it can */
    enum stream_end end;
    bool want_usage; /* the request asked for a usage chunk */
    bool failed;     /* out of memory, or too many events */
};

/* What a request is made of; the runner adds the host. */
struct dialect_request {
    char *method;
    struct buf path;
    struct http_headers headers;
    struct buf body;
    bool stream;
    bool want_usage;
};
void dialect_request_release(struct dialect_request *r);

struct invariant {
    const char *name;
    bool standard;      /* judged unless the case says otherwise; these are MUSTs */
    bool needs_end;     /* says nothing when the stream ended by an error, a cut or us */
    const char *claims; /* "the first chunk of a choice carries the role", for people */
    bool (*holds)(const struct stream *s, struct note *observed); /* observed: written only on false */
};

struct dialect {
    const char *name;
    /* Fill method, path (behind the base), Content-Type and body. `model` is the client's name of the model, or NULL.
     */
    enum err (*prepare)(const cJSON *send, const char *model, struct dialect_request *out, struct note *note);
    bool (*error_shape)(int status, const struct http_headers *headers, const cJSON *body, struct note *why);
    cJSON *(*unary)(const cJSON *body);                /* the assembled answer; NULL: not an answer */
    void (*feed)(struct stream *s, struct span bytes); /* NULL: it has no streams */
    void (*finish)(struct stream *s);                  /* the body has ended: leftovers are a mistake */
    cJSON *(*assemble)(const struct stream *s);
    const struct invariant *invariants;
    size_t invariant_count;
};

const struct dialect *dialect_named(const char *name); /* NULL: nobody speaks it */
const struct dialect *const *dialects_all(size_t *count);
const struct invariant *dialect_invariant(const struct dialect *d, const char *name);

struct stream *stream_new(const struct dialect *d, const char *content_type);
void stream_free(struct stream *s);
void stream_feed(struct stream *s, struct span bytes);
/* `how`: STREAM_CLOSED when the body ended whole, else what happened. Becomes STREAM_DONE or STREAM_ERROR by the
 * events. */
void stream_finish(struct stream *s, enum stream_end how);
/* The first error object in it, or NULL. */
const cJSON *stream_error(const struct stream *s);

/* ---- for dialect files ---- */
struct stream_event *stream_add(struct stream *s, cJSON *take_json, struct span text,
                                struct span type);                        /* NULL: failed */
void assembled_append(cJSON *message, const char *key, const char *text); /* makes or lengthens a string member */

extern const struct dialect dialect_openai_chat, dialect_openai_models, dialect_bedrock_converse, dialect_health;

#endif
