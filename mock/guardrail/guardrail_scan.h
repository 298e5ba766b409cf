/* guardrail_scan.h: where phrases, words and patterns stand in texts. Private to mock/guardrail/.
 *
 * A phrase is found whatever its case (of ASCII), as whole words, and without the punctuation at its end. Patterns are
 * tried on windows of GUARDRAIL_WINDOW bytes cut at white space, since a pattern is somebody's and a text may be long.
 * Of all texts together the first GUARDRAIL_SCAN_MAX bytes are looked at; coverage tells when there were more.
 */
#ifndef MOHS_MOCK_GUARDRAIL_SCAN_H
#define MOHS_MOCK_GUARDRAIL_SCAN_H

#include "mock/guardrail/guardrail.h"

#define GUARDRAIL_SCAN_MAX   ((size_t)1 << 20)
#define GUARDRAIL_WINDOW     ((size_t)2 << 10)
#define GUARDRAIL_PLACES_MAX ((size_t)1000)
#define GUARDRAIL_PARTS_MAX  ((size_t)10000)

/* One text, or a stretch of it. */
struct guardrail_part {
    struct span text;   /* of a string with a NUL at its end: patterns want that */
    bool guarded;       /* to be checked; else it only counts as there */
    bool source, query; /* what an answer is to stand on, and speak of */
    struct span seen;   /* set by scan_init: what is looked at */
    char *lower;
};

struct place {
    size_t part, at, n;
    bool told;        /* the words before it say what it is, so it wins over one that only looks the same */
    const char *type; /* of a PII entity; NULL: of a regex */
    const cJSON *row; /* of the guardrail */
};

struct places {
    struct place *list;
    size_t count;
};

struct scan {
    struct guardrail_part *parts;
    size_t count;
    uint64_t guarded, total; /* characters */
    bool failed;             /* out of memory */
};

void scan_init(struct scan *s, struct guardrail_part *parts, size_t count);
void scan_release(struct scan *s);

uint64_t count_characters(struct span text);
/* The first of the phrases' first places, by where it ends. */
bool find_any(const struct scan *s, const cJSON *phrases, size_t *part, size_t *end);

/* Append the places of a PII entity, as "lists" describes it, or of one pattern. */
void find_entity(struct scan *s, const cJSON *entity, const char *type, const cJSON *row, struct places *out);
void find_pattern(struct scan *s, const char *pattern, const cJSON *row, struct places *out);
/* By where they stand; of two that overlap, the one that begins first, or is longer, stays. */
void places_settle(struct places *p);

/* Which share of the words of `asked` is found in `text`, in hundredths. Words count from 4 letters, or with a digit
 * in them; 100 when there are none. */
unsigned words_shared(struct span asked, struct span text);

#endif
