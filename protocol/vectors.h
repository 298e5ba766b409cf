/* vectors.h: the published and computed vectors of fixtures/vectors/, run against our own codecs.
 *
 * `mohs selftest` and the unit tests call the same functions, so that a user can prove the build in their hands. Every
 * entry of a fixture is run; the number found must be the number the fixture's header announces, so that no entry is
 * lost by a slip of an editor. Each function adds to *tally and reports every failure by name and reason.
 */
#ifndef MOHS_VECTORS_H
#define MOHS_VECTORS_H

#include "protocol/base.h"

struct vector_tally {
    unsigned run;
    unsigned passed;
};

/* `failed` is called for each vector that fails; `why` is one sentence, without secrets. It may be NULL.
 * OK: every vector ran (compare run with passed). An error: a fixture could not be
 * read at all, which is reported to `failed` as well. */
enum err vectors_run_sigv4(struct vector_tally *tally, void (*failed)(void *ctx, const char *name, const char *why),
                           void *ctx) MUST_USE;
enum err vectors_run_eventstream(struct vector_tally *tally,
                                 void (*failed)(void *ctx, const char *name, const char *why), void *ctx) MUST_USE;

#endif
