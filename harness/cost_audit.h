/* cost_audit.h: somebody else's price table against ours, figure by figure. */
#ifndef MOHS_COST_AUDIT_H
#define MOHS_COST_AUDIT_H

#include "protocol/price.h"

/* What is found, in the order of weight. */
enum audit_kind {
    AUDIT_SCALE,      /* a figure is ours times a power of ten: per 1K taken for per 1M, and the like */
    AUDIT_EXPIRED,    /* what was our price once */
    AUDIT_GLOBAL,     /* the price of the global profile under a name that is billed regionally */
    AUDIT_FIGURE,     /* another figure */
    AUDIT_CACHE,      /* caching is priced by us and not by them */
    AUDIT_GEOGRAPHY,  /* the base id is priced, a geography's profile of it is not, or by another rule */
    AUDIT_MISSING,    /* a dimension that is not for caching is not priced by them */
    AUDIT_FREE,       /* a price of 0 */
    AUDIT_ABSENT,     /* a model of ours that they lack */
    AUDIT_UNKNOWN,    /* a model or dimension of theirs that we have no price for: for information */
    AUDIT_UNVERIFIED, /* a difference to a figure of ours that has one source only: for information */
    AUDIT_KINDS
};
const char *audit_kind_name(enum audit_kind k);   /* "scale" */
const char *audit_kind_says(enum audit_kind k);   /* a sentence */
bool audit_kind_is_difference(enum audit_kind k); /* false: for information */

struct audit_finding {
    enum audit_kind kind;
    char *name;          /* as their table spells the model, or as they would have to */
    char *dimension;     /* "input"; NULL: the whole model */
    char *theirs, *ours; /* exact decimals, USD per million tokens or per unit; NULL: none */
    const char *source;  /* of ours: a key of the book */
};

struct audit {
    struct audit_finding *findings;
    size_t count, cap;
    size_t counts[AUDIT_KINDS];
    size_t names, figures, equal; /* names read, figures compared, and those that agree */
    bool starved;
};

/* `format`: litellm, genai-prices or csv (header: model,dimension,usd with per million tokens, or per unit). `date`:
 * ours of that day; NULL: today. ERR_INVALID when the text is not of the format. */
enum err audit_run(const struct price_book *book, const char *format, struct span text, const char *date,
                   struct audit *out, struct note *note) MUST_USE;
void audit_release(struct audit *a);

#endif
