/* model.h: what the name of a model tells about how it wants to be asked.
 *
 * Converse has one shape for all models, yet not every member suits every one: top_k has two spellings, thinking two,
 * and cache points or a forced tool are refused by some. The name decides, wherever it stands: behind a region ("us."),
 * in an ARN. Unknown names (an application inference profile has none) are taken for capable, so that Bedrock has the
 * word.
 */
#ifndef MOHS_GATEWAY_MODEL_H
#define MOHS_GATEWAY_MODEL_H

#include "protocol/base.h"
#include "protocol/buf.h"

enum model_top_k {
    TOP_K_NONE,   /* not taken: left out */
    TOP_K_FIELD,  /* additionalModelRequestFields.top_k */
    TOP_K_COHERE, /* ... .k */
    TOP_K_NOVA    /* ... .inferenceConfig.topK */
};

enum model_reasoning {
    REASONING_NONE,
    REASONING_BUDGET,   /* thinking: {type: enabled, budget_tokens} */
    REASONING_ADAPTIVE, /* thinking: {type: adaptive} and output_config.effort */
    REASONING_EFFORT,   /* reasoning_effort, as it is */
    REASONING_CONFIG    /* reasoning_config, a word */
};

struct model_traits {
    enum model_top_k top_k;
    enum model_reasoning reasoning;
    bool cache;       /* cache points in messages and system */
    bool cache_tools; /* ... and among the tools */
    bool cache_ttl;   /* ... with a time to live */
    bool tool_choice; /* any and tool */
    bool one_sampler; /* temperature or top_p, not both */
    bool strict_tools;
    bool trim_prefill; /* refuses a last assistant turn that ends in white space */
};

struct model_traits model_traits(const char *id);

#define MODEL_ID_MAX 2048 /* Bedrock Runtime API Reference: modelId */

/* The id to send: without "bedrock/" (and a "converse/" behind it) and with percent-escapes decoded, so that an id that
 * came encoded is not encoded again. ERR_LIMIT above MODEL_ID_MAX, ERR_SYNTAX for a broken escape or when nothing is
 * left. */
enum err model_clean(struct span name, struct buf *out) MUST_USE;
/* One path segment: all but A-Z a-z 0-9 - _ . ~ as %XX. */
void model_encode(struct span id, struct buf *out);

#endif
