/* chat.h: the OpenAI chat completions API in the words of Converse, and back. Pure functions on trees; no sockets.
 *
 * Three translations: a request (chat_request_read), a whole answer (chat_answer), and a stream, event by event
 * (chat_stream). What the client said that Converse has no word for is left out when the API allows that (seed, user,
 * logprobs, penalties), and refused with 400 when leaving it out would change what was asked (n, audio, a fetched
 * image).
 *
 * Members beyond the OpenAI API, for what only Bedrock has:
 *   in:  thinking, top_k, guardrailConfig, performanceConfig, requestMetadata, additionalModelRequestFields,
 *        additionalModelResponseFieldPaths; cache_control on a message, a part, a tool or a tool call; in assistant
 * messages reasoning_content with reasoning_signature, or thinking_blocks out: the same three in the message or delta,
 * and trace, performanceConfig, additionalModelResponseFields. thinking_blocks is a list of
 * {"type":"thinking","thinking","signature"} and {"type":"redacted_thinking","data"}: it comes when one text and one
 * signature cannot say it all, and goes before the other two when a message holds both.
 */
#ifndef MOHS_GATEWAY_CHAT_H
#define MOHS_GATEWAY_CHAT_H

#include "gateway/fail.h"
#include "protocol/eventstream.h"

#define TOOL_NAME_MAX  64   /* Bedrock Runtime API Reference: ToolSpecification.name, [a-zA-Z0-9_-]+ */
#define CHAT_TOOLS_MAX 1024 /* names we rewrite in one request, calls in one message */
#define CHAT_FILES_MAX 64   /* documents in one request; Bedrock takes five and says so itself */

/* Names of tools that Converse would refuse, and what is sent for them. The rewriting depends on the name alone, so a
 * name is the same in tools, tool_choice and history, in this request and the next; two names never become one. */
struct tool_names {
    struct tool_name {
        char *client;
        char upstream[TOOL_NAME_MAX + 1];
    } * items;
    size_t count, cap;
};
void tool_names_release(struct tool_names *names);
/* The name to send; its own when it is legal. NULL: out of memory, or above CHAT_TOOLS_MAX. Lives as long as both. */
const char *tool_names_upstream(struct tool_names *names, const char *client);
const char *tool_names_client(const struct tool_names *names, const char *upstream);

struct chat_request {
    cJSON *body;    /* for Converse or ConverseStream */
    char *model;    /* as the client named it */
    char *model_id; /* the one to call */
    bool stream;
    bool include_usage;
    struct tool_names tools;
};
void chat_request_release(struct chat_request *r);

struct chat_options {
    /* The id behind a name the operator gave, or NULL. May be NULL. */
    const char *(*alias)(void *ctx, const char *name);
    void *ctx;
    const char *anthropic_beta; /* the header of that name, or NULL */
};
/* Fills *out, which must be zeroed; release it whatever comes back. Not OK: *fail says what to answer. */
enum err chat_request_read(const cJSON *in, const struct chat_options *options, struct chat_request *out,
                           struct fail *fail) MUST_USE;

/* What an answer says of itself. */
struct chat_identity {
    char id[64];     /* "chatcmpl-..." */
    int64_t created; /* seconds since 1970 */
};

/* The chat.completion for an answer of Converse; NULL, and *fail, when it is none (an object without output is what the
 * front end of AWS gives for a path it does not know, with status 200). */
cJSON *chat_answer(const struct chat_request *r, const struct chat_identity *who, const cJSON *converse,
                   struct fail *fail);
/* "stop", "length", "tool_calls", "content_filter" for a stopReason; never NULL. */
const char *chat_finish_reason(const char *stop_reason);
/* The usage object; NULL when there is nothing to tell. prompt_tokens holds the cached tokens too. */
cJSON *chat_usage(const cJSON *usage);

/* ---- streams ---- */

enum chat_item {
    CHAT_CHUNK, /* a chat.completion.chunk */
    CHAT_TAIL,  /* the same, but none with content follows: the finish, the usage */
    CHAT_ERROR, /* an error object; nothing follows */
    CHAT_DONE   /* the [DONE] line; the tree is NULL; nothing follows */
};

struct chat_stream {
    const struct chat_request *request; /* must outlive it */
    const struct chat_identity *who;
    void (*emit)(void *ctx, enum chat_item kind, cJSON *take);
    void *ctx;
    /* Adds to the usage object of the usage chunk what the metadata event cost. NULL: nothing is added. */
    void (*price)(void *ctx, const cJSON *metadata, cJSON *usage);
    struct fail fail; /* status is not 0 when the stream has failed, also before the first chunk */
    bool starved;
    /* The rest is private. */
    bool role_sent, finished, over;
    uint64_t said; /* tokens of text, reasoning and arguments that have come, by protocol/token.h */
    struct chat_block {
        int64_t block;
        int64_t tool;
        bool arguments;
    } * blocks;
    size_t block_count, block_cap;
};

void chat_stream_init(struct chat_stream *s, const struct chat_request *r, const struct chat_identity *who,
                      void (*emit)(void *ctx, enum chat_item kind, cJSON *take), void *ctx);
void chat_stream_release(struct chat_stream *s);
/* One frame. After a failure or the end, frames are ignored. */
void chat_stream_message(struct chat_stream *s, const struct es_message *m);
/* The upstream's bytes are over: `fault` is empty after a clean end, else why they broke off. Emits DONE or ERROR,
 * once. A cut behind messageStop is no loss to the client; a frame that is broken is one anywhere. */
void chat_stream_end(struct chat_stream *s, bool broken, const char *fault);

#endif
