/* agent_rank.h: how well a text answers a query, as a number from 0 to 1, without a model.
 *
 * Half of it is how many of the query's words the text has (rare, long words weigh more than short ones), half how near
 * their embeddings are (embed.h). So the order is what a reader would expect, and the same on every machine.
 */
#ifndef MOHS_MOCK_AGENT_RANK_H
#define MOHS_MOCK_AGENT_RANK_H

#include "protocol/buf.h"
#include "protocol/json.h"

#define RANK_DIMENSION 256
#define RANK_WORDS_MAX 64 /* of a query; more are not looked for */

struct rank {
    float vector[RANK_DIMENSION];
    struct span words[RANK_WORDS_MAX]; /* of the query, which must outlive this */
    size_t count;
    float weight;  /* of all words together */
    bool semantic; /* the embedding alone counts */
};

void rank_init(struct rank *r, struct span query, bool semantic);
double rank_score(const struct rank *r, struct span text);

struct ranked {
    size_t index;
    double score;
};
/* The best first; equals in the order they came. */
void rank_sort(struct ranked *all, size_t n);
/* The text of a document: a string, or an object's "text", or the object as JSON. Appended. */
void rank_text(const cJSON *document, struct buf *out);

#endif
