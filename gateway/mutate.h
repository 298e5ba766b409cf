/* mutate.h: faults that are put into the gateway by data, so that every check of the suite can be seen to fail.
 *
 * A mutation is an object of a case file (suites/README.md has the table of kinds): `on` says at which point of a
 * request it acts, the rest what it does there. The list in force is set over the control API and read once per
 * request: a request that runs keeps the list it began with. Lists are immutable and counted, so workers share them
 * without locks.
 */
#ifndef MOHS_GATEWAY_MUTATE_H
#define MOHS_GATEWAY_MUTATE_H

#include "net/http.h"
#include "protocol/json.h"

#define MUTATIONS_MAX 64 /* in one list; cases have one or two */

enum mutate_on {
    ON_UPSTREAM_BODY,
    ON_UPSTREAM_HEADER,
    ON_UPSTREAM_PATH,
    ON_UPSTREAM_SIGN,
    ON_UPSTREAM_CALL,
    ON_CLIENT_STATUS,
    ON_CLIENT_HEADER,
    ON_CLIENT_BODY,
    ON_CLIENT_RAW,
    ON_CLIENT_CHUNK,
    ON_CLIENT_STREAM
};

/* The words of `do`. */
enum mutate_do {
    DO_NOTHING,
    SIGN_SINGLE_ENCODE_PATH,
    SIGN_WRONG_REGION,
    SIGN_WRONG_SERVICE,
    SIGN_HOST_WITHOUT_PORT,
    SIGN_EMPTY_BODY_HASH,
    SIGN_DROP_TOKEN,
    SIGN_UNSIGNED_TOKEN,
    SIGN_BEARER,
    SIGN_NONE,
    SIGN_STALE_DATE,
    SIGN_STALE_RETRY,
    CALL_SKIP,
    CALL_TWICE,
    CALL_NO_RETRY,
    CALL_RETRY_FOREVER,
    CALL_RETRY_4XX,
    CALL_RETRY_CHANGED_BODY,
    CALL_KEEP_AFTER_DISCONNECT,
    STREAM_DROP_FRAME,
    STREAM_DUPLICATE_FRAME,
    STREAM_SWAP_FRAMES,
    STREAM_BUFFER_ALL,
    STREAM_STRIP_ROLE,
    STREAM_REPEAT_ROLE,
    STREAM_EARLY_DONE,
    STREAM_NO_DONE,
    STREAM_DOUBLE_DONE,
    STREAM_CONTENT_AFTER_FINISH,
    STREAM_NO_FINISH,
    STREAM_DOUBLE_FINISH,
    STREAM_SWALLOW_ERROR,
    STREAM_FINISH_AFTER_ERROR,
    STREAM_CORRUPT_UTF8,
    STREAM_BAD_CRC
};

#define AT_DEFAULT (-1) /* `at` was not given: the point that suits what is done */
#define AT_ALL     (-2)
#define AT_LAST    (-3)

struct mutation {
    enum mutate_on on;
    enum mutate_do what;
    const char *op, *path, *name; /* into `source`; NULL when not given */
    const cJSON *value;
    bool after_signing;
    int64_t at;
};

struct mutations {
    unsigned refs; /* atomic; see mutations_ref */
    cJSON *source; /* {"mutations": [...]} as it was set */
    struct mutation items[MUTATIONS_MAX];
    size_t count;
};

/* {"mutations":[...]}; members a case has beside (`caught`) are allowed, `with` is a list of further ones. Not OK: the
 * note has the pointer, what was expected, and the nearest known name. */
enum err mutations_parse(const cJSON *source, struct mutations **out, struct note *note) MUST_USE;
struct mutations *mutations_ref(struct mutations *m);
void mutations_unref(struct mutations *m); /* NULL is fine */

/* Is there one that does `what`? m may be NULL everywhere: no mutations. */
bool mutations_do(const struct mutations *m, enum mutate_do what);
bool mutations_on(const struct mutations *m, enum mutate_on on);

/* The points that need no more than data. Each does nothing when the list has nothing for it. */
/* Patch the text of a JSON body; true when *out was written and stands for `body`. */
bool mutate_body(const struct mutations *m, enum mutate_on on, struct span body, struct buf *out);
void mutate_headers(const struct mutations *m, enum mutate_on on, bool after_signing, struct http_headers *h);
void mutate_path(const struct mutations *m, struct buf *target);
int mutate_status(const struct mutations *m, int status);

#endif
