/* compat.h: the endpoints of Bedrock that speak other people's protocols: OpenAI's Chat Completions and Responses,
 * Anthropic's Messages (docs/compatible-endpoints.md; AWS user guide, "Endpoints supported by Amazon Bedrock").
 *
 * Two hosts have them: bedrock-runtime below /openai and /anthropic, with the signing name `bedrock`; and
 * bedrock-mantle, whose signing name is `bedrock-mantle`. On the mock's one port the path decides, and where both have
 * it the Host or the signature. A request becomes the tree of a Converse request, as native bodies do (native.h), so
 * scripts, caches, quotas, guardrails and the token counter know no difference; a stream is a plan of server-sent
 * events, each with its number, so faults and gates by event know none either.
 *
 * Private to mock/.
 */
#ifndef MOHS_MOCK_COMPAT_H
#define MOHS_MOCK_COMPAT_H

#include "mock/operations.h"

enum compat_dialect { COMPAT_CHAT, COMPAT_RESPONSES, COMPAT_MESSAGES, COMPAT_MODELS };

struct compat_row {
    const char *method, *path; /* '*' is one segment */
    bool mantle;               /* whose host has it; mantle has each path behind /openai as well */
    enum compat_dialect dialect;
    struct operation_row row;
};

/* A model speaks there: such requests are charged, and --strict wants an answer for them. */
bool compat_speaks(const struct visit *v);

/* compat.c: what stands for the '*' of the row's path. */
struct span compat_wildcard(const struct visit *v);
/* What a client wrote, fit for a sentence. */
void compat_add_plain(struct buf *out, struct span text);
/* Plans: of a tree; and of a no to what is asked of something kept, about `param` (NULL: none). */
struct plan *compat_json(struct visit *v, int status, const cJSON *tree);
struct plan *compat_refuse(struct visit *v, int status, const char *param, const char *message);

/* compat_read.c: v->native of a request. */
void compat_read(struct visit *v);
/* How an id may be written here: openai.gpt-oss-20b is openai.gpt-oss-20b-1:0. */
struct model_ref compat_model(const struct visit *v, const char *id);

/* compat_check.c: what is wrong with a body. */
struct compat_fault {
    const char *code; /* OpenAI's word for it */
    char param[128];  /* "messages[0].role", in the dialect's spelling; "": the whole body */
    struct buf text;
};
#define COMPAT_FAULT_INIT                                                                                              \
    {                                                                                                                  \
        .text = BUF_INIT(REFUSAL_TEXT_MAX)                                                                             \
    }
/* True: something is, and *f says what. */
bool compat_check(const struct visit *v, struct compat_fault *f);

/* compat_chat.c, compat_responses.c: writers as in native.h. */
native_writer write_chat_completion, write_response;
native_streamer stream_chat_completion, stream_response;

#endif
