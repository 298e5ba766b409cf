/* models.h: the catalogue of fixtures/models.json: what each model is and takes, and how its id may be written; with a
 * user's own file laid over it (--models FILE, docs/models.md).
 *
 * An id is a plain one (anthropic.claude-3-haiku-20240307-v1:0), a system inference profile (a geography before it:
 * us., eu., global., and whatever comes next), or an ARN of one of a dozen kinds. What an ARN hides is unknown here and
 * everything is allowed to it; control.h knows those that the mock itself has made or lists.
 *
 * Read once, then read-only: any thread.
 */
#ifndef MOHS_MOCK_MODELS_H
#define MOHS_MOCK_MODELS_H

#include "protocol/json.h"
#include "protocol/shape.h"

#define MODEL_ID_MAX   2048 /* characters, as the API model says */
#define MODEL_GEOS_MAX 32   /* geographies, a bit each */
#define MODEL_FOREVER  INT64_MAX

struct model {
    const char *id;       /* "" for the model nobody knows, to which everything is allowed */
    const char *provider; /* "anthropic" */
    const char *name;     /* for people */
    bool streaming;
    bool converses;   /* its output is text and nothing but text, so Converse takes it */
    bool on_demand;   /* false: only through an inference profile */
    bool provisioned; /* provisioned throughput can be bought */
    bool caching;     /* prompt caching */
    bool any_order;   /* turn order is not enforced: recordings show it relaxed */
    bool claude;      /* some texts and rules are Anthropic's */
    bool one_sampler; /* refuses temperature together with topP */
    bool tools, system, images, documents, video, audio, stop_sequences, tools_streaming;
    bool count_tokens;
    uint64_t context, max_output;        /* tokens; 0: not known */
    uint64_t cache_min;                  /* tokens of a prefix worth caching */
    bool cache_tools, cache_hour;        /* a cache point among the tools counts; one may ask for an hour */
    uint64_t burndown;                   /* what an output token costs of a quota; at least 1 */
    const char *refuse;                  /* id of the errors.json text that every call is answered with; NULL: none */
    int64_t start_ms, legacy_ms, end_ms; /* of its life; 0, and MODEL_FOREVER for the latter two: not known */
    uint32_t geographies;                /* bit i: there is a profile in the i-th geography */
    const cJSON *row; /* the rest of it, for the control plane: input, output, customizations, regions */
};

/* Where a system inference profile sends requests. */
struct geography {
    const char *prefix;   /* "us" */
    const char *name;     /* "US" */
    const cJSON *regions; /* strings; none: any region */
};

struct models;
/* `overlay` is the text of a user's file and `name` what to call it; empty: none. ERR_INVALID and a note with file,
 * pointer and, for a stranger, the nearest known name. */
enum err models_load(struct models **out, const struct api *api, struct span overlay, const char *name,
                     struct note *note) MUST_USE;
void models_free(struct models *m);
size_t models_count(const struct models *m);
const struct model *models_at(const struct models *m, size_t i);
const struct model *models_find(const struct models *m, struct span plain_id); /* NULL: not in the catalogue */
size_t models_geographies(const struct models *m);
const struct geography *models_geography(const struct models *m, size_t i);
/* "Anthropic" for "anthropic"; the word itself when nobody gave it another. */
const char *models_provider(const struct models *m, const char *provider);
/* What the account has beside foundation models: the list of that name ("customModels"), with {region} and {account}
 * still in its texts. NULL: none. */
const cJSON *models_resources(const struct models *m, const char *list);
const struct model *models_unknown(const struct models *m); /* the one to which everything is allowed */
bool models_refuse_unknown(const struct models *m);         /* the overlay says "unknown": "refuse" */
/* May be asked at that time: always, unless the catalogue says retire_by_date. */
bool models_alive(const struct models *m, const struct model *model, int64_t at_ms);

enum model_id_kind { MODEL_ID_PLAIN, MODEL_ID_PROFILE, MODEL_ID_ARN, MODEL_ID_PROMPT, MODEL_ID_INVALID };
struct model_ref {
    enum model_id_kind kind;
    const struct model *row;           /* never NULL unless INVALID */
    const struct geography *geography; /* of a profile, when the catalogue knows it; or NULL */
};
/* `known_only`: an id that is not in the catalogue is INVALID, even of a known provider; and so is a profile that the
 * model does not have. */
struct model_ref models_resolve(const struct models *m, const char *id, bool known_only);
/* A profile can be called from its own regions. */
bool geography_has(const struct geography *g, const char *region);

#endif
