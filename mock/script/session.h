/* session.h: parallel tests that share one mock without seeing one another.
 *
 * A session is a name. Scripts, faults, canaries and the counters of fixtures belong to one; the journal notes it; gates are
 * shared, as they have names of their own. A request says its session in the header x-mohs-session, which need not be
 * signed; without one it belongs to the main session, or, with --session-by access-key, to the one that is called like
 * its access key id. A session begins when its name is first said, and ends with a reset of it; when the table is full, one that
 * holds nothing but counters makes room, the one unused for longest first.
 *
 * Thread-safe. Whoever has a session holds a reference to it: a reset forgets what is in it and never pulls it away.
 */
#ifndef MOHS_MOCK_SESSION_H
#define MOHS_MOCK_SESSION_H

#include <stdatomic.h>

#include "mock/script/script.h"

#define SESSION_HEADER   "x-mohs-session"
#define SESSION_NAME_MAX 128  /* bytes: visible ASCII without quotes and backslashes */
#define SESSIONS_MAX     4096 /* beside the main one */

struct session;
struct sessions;
struct sessions *sessions_new(void);
void sessions_free(struct sessions *all); /* nobody may hold a session any more */

struct session *sessions_main(const struct sessions *all); /* borrowed; lives as long as `all` */
/* The session of that name, held; empty: the main one. ERR_INVALID: no name for a session; ERR_LIMIT: no room. */
enum err sessions_get(struct sessions *all, struct span name, struct session **out, struct note *note) MUST_USE;
/* The same, but ERR_UNKNOWN when nobody has said that name. */
enum err sessions_find(struct sessions *all, struct span name, struct session **out, struct note *note) MUST_USE;
void session_drop(struct session **pointer); /* for CLEANUP too */

const char *session_name(const struct session *s); /* NULL: the main one, or NULL */
struct script *session_script(struct session *s);

/* The number of this request among those of the session that could have been answered by a fixture, from 1. */
uint64_t session_count_call(struct session *s);
uint64_t session_calls(const struct session *s); /* the last one's number */

/* Counters of fixtures, n zeroes for each set of them: another generation begins anew. NULL: out of memory. Drop it. */
struct session_counters {
    atomic_uint refs;
    uint64_t generation;
    atomic_uint_fast64_t counts[];
};
struct session_counters *session_counters(struct session *s, uint64_t generation, size_t n);
void session_counters_drop(struct session_counters **pointer);
void session_forget_counters(struct session *s);

/* Call for the main session and every other, with `all` locked: fn must not ask for sessions. */
void sessions_each(struct sessions *all, void (*fn)(void *ctx, struct session *s), void *ctx);
/* Leave the name to whoever says it next. */
void sessions_end(struct sessions *all, struct session *s);

#endif
