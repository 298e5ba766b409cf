/* guardrail_assess.h: one guardrail over some texts: what it finds, and what follows from it.
 */
#ifndef MOHS_MOCK_GUARDRAIL_ASSESS_H
#define MOHS_MOCK_GUARDRAIL_ASSESS_H

#include "mock/guardrail/guardrail_scan.h"

struct guardrail_ask {
    const struct guardrail_set *set;
    const struct guardrail *rail;
    bool output;                  /* else input: actions, strengths and enabling are apart for both */
    bool full;                    /* tell also what was looked for and not found */
    bool unmasked;                /* nothing can be masked any more (async): what would be, is only told */
    struct guardrail_part *parts; /* lent */
    size_t count;
    size_t images, images_total;
    struct span source, query; /* of contextual grounding, which judges outputs only; empty: not given */
};

struct guardrail_verdict {
    cJSON *assessment; /* a GuardrailAssessment; owned */
    bool blocked, masked;
    size_t block_part, block_end; /* the first finding that blocks ends there */
    char **texts;                 /* of each part: the text with masks in it, NULL where there are none */
    size_t count;
    bool failed; /* out of memory */
};

void guardrail_assess(const struct guardrail_ask *ask, struct guardrail_verdict *out);
void guardrail_verdict_release(struct guardrail_verdict *v);
const char *guardrail_reason(const struct guardrail_verdict *v); /* "No action.", "Guardrail masked.", ... */
uint64_t guardrail_units(const struct guardrail_set *set, uint64_t characters);
/* How sure a content filter (of lists.content) is: 0 none, 1 low, 2 medium, 3 high; and where that is first said. */
unsigned guardrail_confidence(const struct guardrail_set *set, const struct scan *s, const char *type, size_t *part,
                              size_t *end);
/* The entity's description in lists.pii; NULL: none is looked for. */
const cJSON *guardrail_entity(const struct guardrail_set *set, const char *type);
extern const char *const guardrail_attacks[3]; /* what PROMPT_ATTACK is made of */

#endif
