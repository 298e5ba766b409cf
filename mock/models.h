/* models.h: the catalogue of fixtures/models.json: what each model takes, and how its id may be written.
 *
 * An id is a plain one (anthropic.claude-3-haiku-20240307-v1:0), a system inference profile (a geography before it:
 * us., eu., global., and whatever comes next), or an ARN of one of a dozen kinds. What an ARN hides is unknown and
 * everything is allowed to it.
 */
#ifndef MOHS_MOCK_MODELS_H
#define MOHS_MOCK_MODELS_H

#include "protocol/json.h"

#define MODEL_ID_MAX 2048 /* characters, as the API model says */

struct model {
    const char *id;       /* "" for the model nobody knows, to which everything is allowed */
    const char *provider; /* "anthropic" */
    const char *name;     /* for people */
    bool streaming;
    bool on_demand;   /* false: only through an inference profile */
    bool caching;     /* prompt caching */
    bool any_order;   /* turn order is not enforced: recordings show it relaxed */
    bool claude;      /* some texts and rules are Anthropic's */
    bool one_sampler; /* refuses temperature together with topP */
    bool tools, system, images, documents, video, stop_sequences, tools_streaming;
    uint64_t context, max_output; /* tokens; 0: not known */
    uint64_t cache_min;           /* tokens of a prefix worth caching */
    bool cache_tools, cache_hour; /* a cache point among the tools counts; one may ask for an hour */
    uint64_t burndown;            /* what an output token costs of a quota; at least 1 */
};

struct models;
enum err models_load(struct models **out, struct note *note) MUST_USE;
void models_free(struct models *m);
size_t models_count(const struct models *m);
const struct model *models_at(const struct models *m, size_t i);

enum model_id_kind { MODEL_ID_PLAIN, MODEL_ID_PROFILE, MODEL_ID_ARN, MODEL_ID_PROMPT, MODEL_ID_INVALID };
struct model_ref {
    enum model_id_kind kind;
    const struct model *row; /* never NULL unless INVALID */
};
/* `known_only`: an id that is not in the catalogue is INVALID, even of a known provider. */
struct model_ref models_resolve(const struct models *m, const char *id, bool known_only);

#endif
