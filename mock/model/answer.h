/* answer.h: what a model said, before it takes the shape of one operation.
 *
 * A struct answer holds content blocks, the stop reason, usage and timing. It knows nothing of HTTP: converse.h makes a
 * plan of it, unary or streamed, so that one answer serves every operation alike. A block's strings are owned, those
 * marked "borrowed" belong to the script that the answer came from and must outlive the plan's making.
 */
#ifndef MOHS_MOCK_ANSWER_H
#define MOHS_MOCK_ANSWER_H

#include "mock/time/time.h"
#include "protocol/json.h"

enum block_kind {
    BLOCK_TEXT,
    BLOCK_TOOL_USE,
    BLOCK_REASONING, /* text and, mostly, a signature */
    BLOCK_REDACTED,  /* reasoning as base64 nobody can read */
    BLOCK_CITATIONS, /* text with citations */
    BLOCK_STAMPS,    /* text made of probe stamps, one a delta */
    BLOCK_OTHER      /* printed as it was given; streamed by its kind, or not at all */
};

struct block {
    enum block_kind kind;
    char *text;          /* text, reasoning text, redacted base64 */
    char *signature;     /* reasoning; NULL: none */
    char *id, *name;     /* tool use */
    char *input;         /* tool use: the arguments, compact JSON with sorted keys */
    const cJSON *raw;    /* borrowed: the scripted block; NULL when it is of our making */
    const cJSON *deltas; /* borrowed: the scripted list of strings its deltas are cut into, or NULL */
};

#define ANSWER_BLOCKS_MAX 1024

/* Waits between deltas that follow a law. */
struct answer_draws {
    const struct time_law *law; /* NULL: itl_ns, always */
    struct time_law *own;       /* that law, when it is the answer's */
    struct rng rng;
    uint64_t n;
    double factor;
};

struct answer {
    struct block *blocks;
    size_t count, cap;
    char stop_reason[48];
    const char *stop_sequence; /* borrowed from the request: the one that was met, when it is known */
    uint64_t input_tokens, output_tokens, cache_read, cache_write;
    uint64_t cache_write_hour;            /* of cache_write: kept for an hour, the rest for five minutes */
    bool has_cache;                       /* print the cache members, as models with prompt caching do */
    const cJSON *usage, *metrics, *extra; /* borrowed overrides, or NULL */
    const char *latency, *tier;           /* borrowed: what was asked for and is told again (Converse); NULL: nothing */
    cJSON *fields;                        /* owned: members of the native answer that were asked for; NULL: none */
    uint64_t latency_ns, ttft_ns, itl_ns; /* before the head, the first delta, every other delta (unless it is drawn) */
    struct answer_draws draws;
    uint64_t itl_spent_ns;          /* what answer_itl() has given so far */
    uint64_t seed, number;          /* of the request, for what is drawn by chance; 0: nothing is (fault_visit.h) */
    uint64_t probe_id, received_ns; /* BLOCK_STAMPS */
    uint32_t stamps;
    const char *guardrail_action; /* in native bodies: INTERVENED or NONE; NULL: no guardrail */
    cJSON *guardrail_trace;       /* owned; NULL: none */
    bool held;                    /* a stream whose text waits until a guardrail has seen all of it */
    struct rng rng;               /* paddings come from here */
    bool failed;                  /* out of memory while it was made */
};

void answer_init(struct answer *a, uint64_t seed);
void answer_release(struct answer *a);
/* The wait before the next delta that is not the first, in ns. */
uint64_t answer_itl(struct answer *a);
/* Draw these waits from the law, which becomes the answer's: *take is the constant 0 afterwards. */
void answer_own_law(struct answer *a, struct time_law *take);
void block_release(struct block *b); /* what is inside it */

/* Each takes a copy of its text; the block is the answer's. NULL marks the answer failed. */
struct block *answer_add(struct answer *a, enum block_kind kind);
struct block *answer_text(struct answer *a, struct span text);
struct block *answer_reasoning(struct answer *a, struct span text, const char *signature);
struct block *answer_tool(struct answer *a, const char *id, const char *name, const cJSON *input);
/* A block as Converse spells it, as scripts give them. ERR_INVALID: not an object with exactly one member (besides
 * `$deltas`), or a member of the wrong type; the note names `where`. `item` is borrowed. */
enum err answer_block(struct answer *a, const cJSON *item, const char *where, struct note *note) MUST_USE;

void answer_stop(struct answer *a, const char *reason);

/* What the call used, as every form of every operation says it, and quotas count it: the answer's own counts with the
 * scripted `usage` over them. A scripted inputTokens is about the whole prompt: the cache's own counts are then 0. */
struct answer_usage {
    uint64_t input, output, cache_read, cache_write;
    uint64_t cache_write_hour; /* of cache_write: as usage.cacheDetails says, or the cache */
    bool has_cache;            /* the cache members are printed */
};
struct answer_usage answer_usage(const struct answer *a);
/* Output tokens of all blocks by protocol/token.h; sets output_tokens. */
void answer_count(struct answer *a);

#endif
