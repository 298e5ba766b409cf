/* doubt.h: what a reply or a match may say, and hardly means.
 *
 * scripted_check() refuses what cannot be served. A stop reason, an error type or a kind of block that Bedrock does not
 * have can be served, and a test of a gateway may want just that; more often it is a slip of the pen, and the test then
 * looks for its mistake in the wrong place. So such a reply is taken, and each doubt is told as "POINTER: sentence": in
 * the answer of POST /script, and in the log.
 */
#ifndef MOHS_MOCK_DOUBT_H
#define MOHS_MOCK_DOUBT_H

#include "protocol/json.h"

#define DOUBTS_MAX 100 /* told of one body, or of one load of the fixtures */

struct doubts {
    void (*say)(void *ctx, const char *line);
    void *ctx;
    size_t count; /* found so far; those beyond DOUBTS_MAX are only counted */
};

/* Of the body of POST /script. */
void doubt_script(struct doubts *d, const cJSON *body);
/* Of a checked match whose pointer is `where`: the values that its members never have. */
void doubt_match(struct doubts *d, const cJSON *match, const char *where);
/* Of a document of fixtures. */
void doubt_fixtures(struct doubts *d, const cJSON *document);

#endif
