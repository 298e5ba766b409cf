/* price_book.h: the prices: data with sources, and the rules of looking one up.
 *
 * The data is three files: fixtures/prices/models.json (per model a list of entries, each with scope, validity, source
 * and decimal figures), rules.json (geographies, regions, tiers and their factors) and aliases.json (other names).
 *
 * The rule of lookup, in this order:
 *   1. the name becomes an id: the user's map, aliases, "bedrock/" and "bedrock/converse/" in front, ARNs of foundation
 *      models and system inference profiles. An ARN that hides its model (application inference profile, provisioned,
 *      custom or imported model, prompt router) needs the map;
 *   2. a geography in front of the id ("us.", "global.") is taken off;
 *   3. the entry is the first, in the order of the file, that is valid on the date, and whose scope is, from the
 *      narrowest to the widest: the region (of the query, or of the ARN), the geography, "regional" for everything but
 *      "global.", "*". For "global." it is "global", then "*". A bare id is regional: AWS bills it in its region;
 *   4. tokens are priced by one entry: a kind of token that it lacks has no price. Other units each take the first
 * entry that has them;
 *   5. an entry of the tier asked for wins over the tier's factor. A factor holds for tokens only; images and the like
 *      have no price at a tier with a factor other than 1. Guardrails and provisioned hours know no tier.
 * Whatever is not found is an error that names the nearest known one; no price is ever taken to be 0.
 */
#ifndef MOHS_PRICE_BOOK_H
#define MOHS_PRICE_BOOK_H

#include "protocol/json.h"
#include "protocol/price_money.h"

/* What is counted. Cache reads and writes stand beside input, never inside it, as Bedrock reports them. */
enum price_dimension {
    PRICE_INPUT, /* tokens, to PRICE_OUTPUT_AUDIO */
    PRICE_OUTPUT,
    PRICE_CACHE_READ,
    PRICE_CACHE_WRITE_5M,
    PRICE_CACHE_WRITE_1H,
    PRICE_INPUT_AUDIO,
    PRICE_OUTPUT_AUDIO,
    PRICE_TOKENS,               /* how many kinds of tokens */
    PRICE_IMAGE = PRICE_TOKENS, /* made; variant: size/quality, as the data spells them */
    PRICE_INPUT_IMAGE,
    PRICE_VIDEO_SECOND, /* made */
    PRICE_INPUT_VIDEO_SECOND,
    PRICE_INPUT_AUDIO_SECOND,
    PRICE_QUERY,             /* of a reranker */
    PRICE_PROVISIONED_HOUR,  /* one model unit for one hour; variant: "1-month", "6-month" */
    PRICE_GUARDRAIL_CONTENT, /* text units of 1000 characters, by policy, to PRICE_DIMENSIONS */
    PRICE_GUARDRAIL_CONTENT_IMAGE,
    PRICE_GUARDRAIL_TOPIC,
    PRICE_GUARDRAIL_WORD,
    PRICE_GUARDRAIL_SENSITIVE,
    PRICE_GUARDRAIL_SENSITIVE_FREE,
    PRICE_GUARDRAIL_GROUNDING,
    PRICE_GUARDRAIL_REASONING,
    PRICE_DIMENSIONS
};
const char *price_dimension_name(enum price_dimension d); /* "cache_write_5m", as in the data */
bool price_dimension_named(const char *name, size_t length, enum price_dimension *out);

struct price_book;
/* NULL on damage of the data files; the note says where. Read-only and shared freely afterwards. */
struct price_book *price_book_load(struct note *note);
/* The same from texts, for tests and for tables of one's own. */
struct price_book *price_book_parse(struct span models, struct span rules, struct span aliases, struct note *note);
void price_book_free(struct price_book *book);
size_t price_book_models(const struct price_book *book);
size_t price_book_figures(const struct price_book *book); /* how many single figures it holds */
/* What a source is: "the rates displayed by ..."; NULL: no such key. */
const char *price_book_source(const struct price_book *book, const char *key);
/* Base ids as the data spells them, other spellings behind them; NULL beyond the end. */
const char *price_book_id(const struct price_book *book, size_t model, size_t spelling);
bool price_book_knows_region(const struct price_book *book, const char *region);
const cJSON *price_book_geographies(const struct price_book *book);

struct price_query {
    const char *model;     /* any name of the rule above */
    const char *region;    /* NULL: that of the ARN, or none */
    const char *date;      /* YYYY-MM-DD; NULL: today (UTC) */
    const char *tier;      /* NULL: on-demand; batch, flex, priority, optimized, reserved */
    const cJSON *map;      /* {"name or ARN": "model id"}; NULL: none */
    bool allow_unverified; /* take figures and factors that no second source confirms */
};

/* Where in the book a query leads. Plain values; strings belong to the book. */
struct price_place {
    const struct price_model *model;
    const char *id;        /* base id as the data spells it */
    const char *geography; /* "us"; NULL: a bare id */
    const char *region;    /* one of the book's; NULL: none */
    const char *tier;
    char date[12];
    price_int factor; /* thousandths, for tokens; 0: the tier has no factor */
    bool factor_verified;
    const char *factor_source;
    bool allow_unverified;
};
enum err price_find(const struct price_book *book, const struct price_query *query, struct price_place *out,
                    struct note *note) MUST_USE;

struct price_rate {
    struct money each; /* per token, image, second, ... after the tier's factor */
    const char *scope, *source;
    bool verified;
};
/* ERR_UNKNOWN: no such price; the note lists the variants there are. */
enum err price_rate_at(const struct price_book *book, const struct price_place *place, enum price_dimension d,
                       const char *variant, struct price_rate *out, struct note *note) MUST_USE;

#endif
