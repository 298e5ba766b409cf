/* guardrail.h: the guardrails of this mock: data, with no model behind it.
 *
 * A guardrail is an object in the words of GetGuardrail (topicPolicy, contentPolicy, wordPolicy,
 * sensitiveInformationPolicy, contextualGroundingPolicy, blockedInputMessaging, ...). What a real service finds with
 * classifiers is found here with lists of words and patterns: a topic by its `phrases` (a member of ours) and examples,
 * a content filter by the lists below "lists", a PII entity by patterns. docs/guardrails.md says all of it.
 *
 * The set comes from fixtures/guardrails.json, the file of `mohs mock --guardrails` and POST /guardrails, each laid
 * over the one before: settings member by member, lists by their names, guardrails by their ids. A set never changes;
 * who looks at one holds it, and a new one takes its place for the requests that come later.
 */
#ifndef MOHS_MOCK_GUARDRAIL_H
#define MOHS_MOCK_GUARDRAIL_H

#include "protocol/json.h"

#define GUARDRAILS_MAX ((size_t)1000)

/* One version of one guardrail; everything borrowed from its set. */
struct guardrail {
    const char *id, *version, *name;            /* version: DRAFT or a number */
    const char *description;                    /* or NULL */
    const char *blocked_input, *blocked_output; /* what is said instead */
    const char *created_at, *updated_at;        /* ISO 8601 */
    const cJSON *spec;                          /* the whole object, as above, with our own members in it */
};

struct guardrail_settings {
    uint64_t unit_characters;  /* of one text unit */
    uint64_t apply_units_max;  /* text units that ApplyGuardrail takes at once, else 429; 0: any number */
    uint64_t latency_ms;       /* each assessment takes this long */
    uint64_t async_characters; /* an async stream is looked at whenever so many more have been said */
    bool system_prompts;       /* check system texts that are not in a guardContent */
    bool tool_results;         /* and what tools answered, where no guardContent says what is checked */
};

struct guardrail_set;
struct guardrails;

/* `file` is laid over the built-in ones; NULL: none. ERR_INVALID says file, pointer and what was expected. */
enum err guardrails_new(const char *file, struct guardrails **out, struct note *note) MUST_USE;
void guardrails_free(struct guardrails *g); /* sets that are held stay good */
/* The body of POST /guardrails: all or nothing. */
enum err guardrails_overlay(struct guardrails *g, const cJSON *tree, struct note *note) MUST_USE;
void guardrails_forget(struct guardrails *g); /* what was overlaid at run time */

/* Never NULL. Drop it when done; for CLEANUP too. */
struct guardrail_set *guardrails_hold(struct guardrails *g);
void guardrail_set_drop(struct guardrail_set **pointer);

const cJSON *guardrail_set_tree(const struct guardrail_set *set);
const struct guardrail_settings *guardrail_set_settings(const struct guardrail_set *set);
/* In the order of the data; the versions of one guardrail stand together, DRAFT first. NULL behind the last. */
const struct guardrail *guardrail_set_at(const struct guardrail_set *set, size_t i);
/* By id or ARN. `version` NULL: DRAFT, or the first there is. NULL: no such one. */
const struct guardrail *guardrail_find(const struct guardrail_set *set, const char *identifier, const char *version);
/* arn:aws:bedrock:REGION:ACCOUNT:guardrail/ID */
void guardrail_arn(const struct guardrail *g, const char *region, const char *account, struct buf *out);

#endif
