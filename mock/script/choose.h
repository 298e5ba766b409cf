/* choose.h: which prepared reply a request gets: a script's, else a fixture's, else none, and the model speaks for itself.
 */
#ifndef MOHS_MOCK_CHOOSE_H
#define MOHS_MOCK_CHOOSE_H

#include "mock/fixture/fixtures.h"
#include "mock/visit.h"

struct choice {
    const cJSON *reply; /* NULL: none */
    enum source source; /* SOURCE_MISS, SOURCE_ERROR: `plan` is what is said instead */
    struct plan *plan;
    struct buf fixture, miss; /* for the journal: the fixture's label; a JSON list of near misses */
    /* What the reply lives in. */
    cJSON *expanded;
    struct shared *script;
    struct fixture_set *fixtures;
};

/* Find the session of the request; a bad name is a refusal. */
void choose_session(struct visit *v);
/* For a request that is not refused. Without scripts and fixtures: two atomic loads. */
void choose_reply(struct visit *v, struct choice *out);
void choice_release(struct choice *c);

#endif
