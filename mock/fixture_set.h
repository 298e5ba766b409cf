/* fixture_set.h: the inside of a set of fixtures; private to mock/fixture*.c. */
#ifndef MOHS_MOCK_FIXTURE_SET_H
#define MOHS_MOCK_FIXTURE_SET_H

#include "mock/fixture.h"

#define FIXTURE_OPERATIONS_MAX 64

struct fixture_operation {
    const char *name;
    size_t *list; /* fixtures of this operation or of any, in the order of asking */
    size_t count;
};

struct fixture_set {
    atomic_uint refs;
    uint64_t generation;
    cJSON **documents;
    char **files;
    size_t file_count, file_room;
    struct fixture *list;
    size_t count, room;
    atomic_uint_fast64_t *hits;
    struct fixture_operation operations[FIXTURE_OPERATIONS_MAX];
    size_t operation_count;
    bool counts; /* some fixture has times, a sequence or nth */
};

/* Members of a match that fixtures look at themselves; NULL-ended. */
extern const char *const fixture_match_more[];

/* Where a fixture's two counters are: matches (for nth) and answers. */
#define FIXTURE_MATCHED(order)  (2 * (order))
#define FIXTURE_ANSWERED(order) (2 * (order) + 1)

/* How many answers there are; SCRIPT_ALWAYS: no end. */
int64_t fixture_answers(const struct fixture *f);

#endif
