/* fixture.h: answers kept in files: what requests they are for, and what is said (docs/fixtures.md).
 *
 * A file is {"fixtures": [...]}; fixtures/fixture.schema.json describes it. A fixture has a `match` (mock/subject.h, and
 * `nth` and `call`), a `reply` or a `sequence` of them (the language of POST /script), and says how often (`times`,
 * `then`) and how eagerly (`priority`). They are asked in the order of priority, then of files as they were given, then of their
 * place in the file, after the scripts and before the default answer; the first that holds answers.
 *
 * A set of fixtures is immutable but for its counters of hits, and shared: a request keeps the one it took, whatever is
 * loaded meanwhile. What a session has used up is the session's (mock/session.h) and begins anew with a new set.
 */
#ifndef MOHS_MOCK_FIXTURE_H
#define MOHS_MOCK_FIXTURE_H

#include "mock/session.h"
#include "mock/subject.h"

#define FIXTURES_MAX      100000
#define FIXTURE_FILES_MAX 10000
#define FIXTURE_FILE_MAX  ((size_t)64 << 20)

enum fixture_then {
    FIXTURE_REPEAT_LAST, /* the last reply of a sequence, for ever */
    FIXTURE_CYCLE,       /* from the first again */
    FIXTURE_STOP         /* the fixture answers no more: the next one that holds does */
};

struct fixture {
    const char *name; /* NULL: none */
    const char *file; /* as it was found */
    size_t index;     /* in its file's list */
    size_t order;     /* among all of the set: where its counters are */
    int64_t priority;
    const cJSON *match, *nth, *call; /* NULL: anything */
    const char *operation;           /* what match says of it, when that is a plain string */
    const cJSON **replies;
    size_t count;
    int64_t times; /* SCRIPT_ALWAYS, or how many answers */
    enum fixture_then then;
    atomic_uint_fast64_t *hits;
};

struct fixture_set;

/* ---- one document ---- */

/* Everything that could be wrong with it; the note begins with the JSON pointer. */
enum err fixture_check_document(const cJSON *document, struct note *note) MUST_USE;

/* ---- a set ---- */

/* An empty one; fill it with fixture_set_add, then close it, then share it. */
struct fixture_set *fixture_set_new(void);
/* A file's text. ERR_SYNTAX, ERR_INVALID: the note reads "FILE:LINE: POINTER: what, expected what". */
enum err fixture_set_add(struct fixture_set *set, const char *file, struct span text, struct note *note) MUST_USE;
/* Sort and index. Nothing may be added afterwards. */
enum err fixture_set_close(struct fixture_set *set, struct note *note) MUST_USE;
struct fixture_set *fixture_set_hold(struct fixture_set *set);
void fixture_set_drop(struct fixture_set **pointer); /* for CLEANUP too */
size_t fixture_set_count(const struct fixture_set *set);
size_t fixture_set_files(const struct fixture_set *set);
const char *fixture_set_file(const struct fixture_set *set, size_t i); /* the very pointer in its fixtures */
const struct fixture *fixture_set_at(const struct fixture_set *set, size_t i); /* in the order of asking */
uint64_t fixture_hits(const struct fixture *f);
/* "name (FILE#/fixtures/3)", appended. */
void fixture_label(const struct fixture *f, struct buf *out);

struct fixture_hit {
    const struct fixture *fixture;
    const cJSON *reply;
    uint64_t nth, call;
};
/* The first fixture that answers the subject, for this session; its counters move on. */
bool fixture_set_take(struct fixture_set *set, struct session *session, const cJSON *subject, struct fixture_hit *out);

/* The fixtures that came nearest to a request that none answered. */
#define FIXTURE_NEAREST_MAX 3
struct fixture_near {
    const struct fixture *fixture;
    struct subject_miss miss; /* its member says "times", "sequence", "nth" or "call" when those were in the way */
};
size_t fixture_set_nearest(struct fixture_set *set, struct session *session, const cJSON *subject,
                           struct fixture_near out[FIXTURE_NEAREST_MAX]);
/* A sentence on the nearest, and a JSON list of all: for the answer and the log, and for the journal. */
void fixture_near_sentence(const struct fixture_near *near, size_t n, struct buf *out);
void fixture_near_json(const struct fixture_near *near, size_t n, struct buf *out);

/* Line of a JSON pointer in a text that is known to be JSON, from 1; the deepest part of the pointer that is there. */
size_t fixture_line(struct span text, const char *pointer);

#endif
