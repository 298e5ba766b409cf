/* native.h: the bodies of InvokeModel: every provider's own JSON in, every provider's own JSON out.
 *
 * A family is a row of native_table.c: which models speak it, how its request is read, how its answer is written at
 * once and as a stream. A request becomes the tree of a Converse request ("asked"), so that the default answer, the
 * token counter and the rules know one form only; an answer is the same struct answer that Converse prints. So a
 * scripted reply serves every family alike, and all operations count the same tokens.
 *
 * The shapes are those of recordings where there are any, of the providers' documentation else; which, is said in
 * fixtures/native/families.json. Streams are `chunk` events: {"bytes":base64 of one JSON object,"p":padding}; the last
 * object carries amazon-bedrock-invocationMetrics.
 */
#ifndef MOHS_MOCK_NATIVE_H
#define MOHS_MOCK_NATIVE_H

#include "mock/model/answer.h"
#include "net/plan.h"
#include "protocol/json.h"

#define NATIVE_STOPS 5 /* end_turn, max_tokens, stop_sequence, tool_use, content_filtered */

struct native;
struct body_shape;

struct native_family {
    const char *id;
    const char *globs;  /* of model ids, apart by spaces; a geography and an ARN before the id are cut off first */
    const char *mark;   /* and a member its bodies have; NULL: any body */
    const char *detect; /* a member that gives the family away when the id does not (an imported model); or NULL */
    void (*read)(const struct native_family *f, const cJSON *body, cJSON *asked);
    void (*write)(struct native *n, struct buf *out);
    void (*stream)(struct native *n);      /* NULL: it has no streams */
    const char *prompt, *most, *sequences; /* members by JSON pointer, for families that are little more than these */
    const char *stops[NATIVE_STOPS];       /* its words for Converse's stop reasons; NULL: the same word */
    const char *required;                  /* members, apart by spaces */
    const struct body_shape *body;         /* what the members may be (native_body.h); NULL: not judged */
    bool closed;                           /* no members come but those of the shape */
    const char *think_open, *think_close;  /* what reasoning is wrapped in, inside the text; NULL: it is left out */
    bool embeds; /* what comes out is no text: vectors, an order, images */
    bool draws, claude;
};

/* How the objects of a stream travel. The name of a server-sent event is the object's `type`, its first member. */
enum native_wire {
    NATIVE_CHUNKS,        /* of an event stream */
    NATIVE_SSE,           /* data */
    NATIVE_SSE_NAMED,     /* event, data */
    NATIVE_SSE_NAME_LAST, /* data, event */
};

/* How a request to InvokeModel or CountTokens is understood. Zeroed: not at all. */
struct native_request {
    enum native_wire wire;
    bool done;                          /* a stream of server-sent events ends with [DONE] */
    const struct native_family *family; /* NULL: not a native body */
    const cJSON *body;                  /* the native body; NULL: none, or not JSON */
    const cJSON *asked;                 /* as a Converse request; NULL: nothing was asked */
    cJSON *decoded, *made;              /* owned: what the two above may point to */
    cJSON *thread;                      /* owned: of Responses, all items up to the answer; NULL: there are none */
    struct buf *whole;                  /* where the writer of Responses leaves its object, too; NULL: nowhere */
    bool not_json;
};
void native_request_release(struct native_request *r);

const struct native_family *native_family_at(size_t i); /* the rows, in their order; NULL behind the last */
/* Never NULL: bodies nobody knows are taken for the plainest form. */
const struct native_family *native_find(const char *model_id, const cJSON *body);
/* Family and asked, from r->body. */
void native_read(struct native_request *r, const char *model_id);

/* ---- readers (native_read.c) ---- */

typedef void native_reader(const struct native_family *f, const cJSON *body, cJSON *asked);
native_reader read_anthropic, read_nova, read_prompt, read_chat, read_command_r, read_embedding, read_rerank,
    read_image;

/* ---- one answer on its way out (native_write.c) ---- */

struct native {
    const struct native_family *family;
    struct answer *a;
    const cJSON *body;
    const char *model_id;
    uint64_t in, out, cache_read, cache_write; /* tokens, overrides applied */
    uint64_t cache_write_hour;                 /* of cache_write */
    bool has_cache;
    uint64_t created_s;
    char id[3][UUID_SIZE];  /* of the answer; from its seed */
    char digits[UUID_SIZE]; /* the first, without its dashes */
    struct buf json;       /* the object being written */
    /* Streams only: an object waits until the next one comes, since the last has one member more. */
    struct plan *plan;
    struct buf held, scratch;
    uint64_t held_after_ns;
    bool holding;
    size_t events, deltas, block;
    struct buf piece; /* native_text_pieces: the one that waits */
    bool piece_waits;
    void (*say)(struct native *n, struct span piece, bool last);
    const struct native_chat *chat; /* of a stream of chat completions */
    uint64_t first_byte_ms, whole_ms;
    enum native_wire wire;
    struct buf *whole;
    uint64_t sequence; /* of events that number themselves */
};

/* Members of `from` replace those of the object in `json`; null removes. */
void native_merge(const cJSON *from, struct buf *json);
/* Append `format`: ' becomes ", %q is a const char * as a JSON string (NULL: null), %t the same for a struct span,
 * %s text as it stands, %n a uint64_t, %z a size_t. Nothing else is special. */
void native_print(struct buf *out, const char *format, ...);
const char *native_stop(const struct native *n);
/* The id of a tool use: as scripted, else `prefix` and `chars` letters and digits made from it. */
#define NATIVE_ID_SIZE 64
const char *native_tool_id(const struct native *n, const struct block *b, const char *prefix, size_t chars,
                           char out[NATIVE_ID_SIZE]);
void native_id(struct rng *rng, const char *prefix, size_t chars, char out[NATIVE_ID_SIZE]);
/* All that was said, as one text. */
void native_text(const struct native *n, struct buf *out);

/* n->json is one object: send it. A delta waits as the answer's pace says, the others do not. */
void native_emit(struct native *n);
void native_emit_delta(struct native *n);
/* A block's text in its pieces: the scripted ones, a stamp each, or a token each; at least one. */
typedef void native_piece(struct native *n, const struct block *b, struct span piece);
void native_pieces(struct native *n, const struct block *b, const char *text, native_piece *piece);
/* native_text in its pieces; at least one; `last` says that none follows. */
typedef void native_text_piece(struct native *n, struct span piece, bool last);
void native_text_pieces(struct native *n, native_text_piece *piece);

/* ---- chat completions, which the compatible endpoint has as well (native_chat.c) ---- */

/* What stands in a chunk before its delta, and behind it; `stop` is NULL but in the last one. */
struct native_chat {
    void (*begin)(struct native *n);
    void (*end)(struct native *n, const char *stop);
};
/* The member `tool_calls`, a comma before it, when there are any; how many. */
size_t native_chat_calls(const struct native *n, struct buf *out);
/* Chunks, as n->chat says: one with a piece of text, and those of a tool call. */
void native_chat_delta(struct native *n, const char *key, struct span piece);
void native_chat_call(struct native *n, const struct block *b);

/* ---- the writers ---- */

typedef void native_writer(struct native *n, struct buf *out);
typedef void native_streamer(struct native *n);
native_writer write_anthropic, write_anthropic_text;
native_streamer stream_anthropic, stream_anthropic_text;
native_writer write_nova, write_titan;
native_streamer stream_nova, stream_titan;
native_writer write_llama, write_mistral, write_mistral_chat, write_command_r, write_command, write_j2, write_jamba,
    write_deepseek, write_gpt, write_imported;
native_streamer stream_llama, stream_mistral, stream_mistral_chat, stream_command_r, stream_command, stream_jamba,
    stream_deepseek, stream_gpt, stream_imported;
native_writer write_titan_embed_v1, write_titan_embed_v2, write_titan_embed_image, write_cohere_embed_v3,
    write_cohere_embed_v4, write_nova_embed, write_rerank, write_amazon_image, write_stability, write_sdxl;

struct http_request;
/* The whole reply. `a` is spent. NULL when out of memory. */
struct plan *native_plan(const struct native_request *r, struct answer *a, const char *model_id, bool streamed,
                         const struct http_request *request, const char *request_id);

/* The answer of Converse as the model's own body has it, appended; nothing for models without text. */
void native_answer_text(const char *model_id, const cJSON *converse_body, struct answer *a, struct buf *out);

/* The padding, and the frame, of one chunk event that holds `json`. */
void native_chunk_payload(struct span json, struct rng *rng, struct buf *out);

#endif
