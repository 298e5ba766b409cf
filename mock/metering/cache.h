/* cache.h: the prompt cache: what of a prompt the model has seen before, and what that does to the usage.
 *
 * A prompt is a row of places: each tool, then each block of the system list, then each content block of the messages,
 * in that order (the order in which Bedrock processes them). A cache point ends a prefix at the place before it. A
 * prefix is known by the SHA-256 of session, account, region, model and every block up to there, as the client spelled
 * them: a member in another order is another prompt. Cache points themselves are no part of it, so a point that wanders
 * to the end of a growing conversation still finds what it wrote a turn earlier.
 *
 *   - A point counts when its prefix has the model's cache_min tokens; below it is silently ignored. [D]
 *   - What is found is read: the longest prefix that lives, at a point, or (Claude) at one of the CACHE_LOOK_BACK
 * places up to a point. [D]; the exact number is "about 20".
 *   - What lies between that and the last point is written, each stretch with the time to live of the point that ends
 *     it. What lies behind the last point is input. So read + write + input are always the tokens of the request.
 *   - An entry lives for 5 minutes or an hour, from its last use on, by the mock's clock. It keeps the time to live
 * that it was written with.
 *   - At most CACHE_POINTS points count; that a fifth is refused for Claude is a rule of mock/rules/rules.c.
 *
 * Decided here, since nobody has measured it [U]: a model and its inference profiles share their entries (scope
 * `model`; scope `id` keeps them apart); an hour asked of a model that the catalogue gives no cache_hour is five
 * minutes; an entry is there from the instant at which its request is answered, and a
 * request that is answered with an error leaves none.
 *
 * Texts are not kept. A store has a ceiling in bytes, and forgets what was used longest ago. Any thread; one lock, held
 * for at most some hundred look-ups.
 */
#ifndef MOHS_MOCK_CACHE_H
#define MOHS_MOCK_CACHE_H

#include "mock/model/answer.h"
#include "protocol/json.h"
#include "protocol/sigv4.h"

#define CACHE_POINTS     4
#define CACHE_LOOK_BACK  20
#define CACHE_BYTES      ((size_t)8 << 20) /* of a mock: some 30,000 entries */
#define CACHE_MINUTES_MS ((int64_t)5 * 60 * 1000)
#define CACHE_HOUR_MS    ((int64_t)60 * 60 * 1000)
#define CACHE_HASH       33 /* 128 bits in hex, and the NUL */
#define CACHE_NAME       96 /* of a model id that is listed; longer ones are cut there, and whole in the hash */

/* Whose entries: NUL-ended, borrowed. */
struct cache_owner {
    const char *account, *region, *model;
    const char *session; /* of the test that asks (mock/script/session.h); NULL: the main one */
};

/* What the model allows (fixtures/models.json). */
struct cache_terms {
    uint64_t least; /* tokens of a prefix worth caching; 0: the model caches nothing */
    bool tools;     /* a point among the tools counts */
    bool hour;      /* a point may ask for an hour */
    bool look_back;
};

struct cache_use {
    uint64_t read;
    uint64_t written;      /* in all */
    uint64_t written_hour; /* of these, for an hour */
};

/* The entries that one request wrote. Zeroed: none. */
struct cache_trace {
    char hashes[CACHE_POINTS][CACHE_HASH];
    size_t count;
};

struct cache;
struct cache *cache_new(size_t max_bytes); /* NULL when out of memory */
void cache_free(struct cache *c);          /* NULL is fine */
void cache_forget(struct cache *c);
void cache_forget_session(struct cache *c, const char *session); /* NULL or empty: the main one's entries */

/* True when the Converse request has a cache point anywhere; the cheap question before all others. */
bool cache_asked(const cJSON *converse);
/* Read and write as the request says. `s` is for hashing; `trace`, which may be NULL, is told what was written.
 * ERR_NOMEM leaves the store as it was and *out zeroed. */
enum err cache_serve(struct cache *c, struct sigv4 *s, const cJSON *converse, const struct cache_owner *owner,
                     const struct cache_terms *terms, int64_t now_ms, struct cache_use *out,
                     struct cache_trace *trace) MUST_USE;
/* The request got an error after all: what it wrote goes. What it read keeps the longer life. */
void cache_withdraw(struct cache *c, const struct cache_trace *trace);

/* Entries that live, most recently used first, at most `most` of them; under the lock: `each` must not come back here.
 */
struct cache_entry {
    char hash[CACHE_HASH];
    char account[16], region[32], model[CACHE_NAME];
    uint64_t tokens, reads;
    uint64_t session; /* a hash of its name */
    bool hour;
    int64_t expires_ms;
};
void cache_each(struct cache *c, int64_t now_ms, size_t most, void (*each)(void *ctx, const struct cache_entry *e),
                void *ctx);
/* How many are held (also such as have expired and were not noticed yet), and the bytes that they take. */
size_t cache_count(struct cache *c, size_t *bytes);

/* ---- for cache_prompt.c and cache.c alone ---- */

enum cache_point { CACHE_NO_POINT, CACHE_POINT_MINUTES, CACHE_POINT_HOUR };

struct cache_place {
    char hash[CACHE_HASH];
    uint64_t tokens; /* of the prefix that ends here */
    enum cache_point point;
    bool tool;
};

struct cache_prompt {
    struct cache_place *places;
    size_t count, cap;
};
#define CACHE_PLACES_MAX ((size_t)1 << 16) /* blocks that are looked at; points behind them do not count */

enum err cache_prompt_read(struct cache_prompt *p, struct sigv4 *s, const cJSON *converse,
                           const struct cache_owner *owner) MUST_USE;
void cache_prompt_release(struct cache_prompt *p);

#endif
