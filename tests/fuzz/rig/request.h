/* request.h: bytes of a fuzzer become requests to Bedrock: a few bytes choose operation, model and caller from tables, the
 * rest is text.
 */
#ifndef MOHS_TESTS_FUZZ_REQUEST_H
#define MOHS_TESTS_FUZZ_REQUEST_H

#include "rig.h"

/* The first bytes of a request:
 *   0     who asks, and how: enum request_how
 *   1, 2  which operation: request_row_count() rows, every operation of the API model, the compatible endpoints, STS
 *   3, 4  which model: of every family and of the catalogue
 *   5     which lines stand before the body: enum request_lines
 * A `$` in labels and in the query stands for what an answer before gave last: an ARN, an id or a token. */
#define REQUEST_HEAD 6

enum request_how {
    REQUEST_SIGNED = 1,
    REQUEST_BEARER = 2, /* both: signed, and then changed */
    REQUEST_HTTP2 = 4,
    REQUEST_SESSION = 8,
    REQUEST_CANCELLED = 16, /* the peer leaves before it has all of it */
    REQUEST_MANTLE = 32,    /* the host is bedrock-mantle's */
    REQUEST_MOCK = 64       /* and 128: free for the target */
};
enum request_lines {
    REQUEST_LABEL = 1, /* for every path label but modelId */
    REQUEST_QUERY = 2,
    REQUEST_FIELDS = 4, /* "name: value" each, up to an empty line */
    REQUEST_MODEL = 8   /* for modelId, as it is */
};

struct request {
    struct rig_ask ask;
    const struct api_operation *operation; /* NULL: none of the API model */
    bool faulted;                          /* it asks for a fault */
    struct buf target, signature, date;
    char *text;
};
void request_release(struct request *r);
size_t request_row_count(const struct mock *m);
/* False: too short. */
bool request_make(struct request *r, const struct mock *m, struct span bytes);
/* What the answer gave, for `$`; NULL: forget it. */
void request_learn(struct exchange *x);

/* Seeds: the n-th right request, behind a head; false: no more. */
bool request_seed(size_t n, struct buf *out);

#endif
