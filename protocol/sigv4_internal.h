/* sigv4_internal.h: what the files of sigv4 share among themselves. Nobody else includes it. */
#ifndef MOHS_SIGV4_INTERNAL_H
#define MOHS_SIGV4_INTERNAL_H

#include "protocol/sigv4.h"

#define SIGV4_ALGORITHM_NAME "AWS4-HMAC-SHA256"
#define SIGV4_SCOPE_END      "aws4_request"
#define SIGV4_DIGEST         32
#define SIGV4_EMPTY_HASH     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* What one verification keeps until the next: decoded query values, canonical request, string to sign. */
struct sigv4_scratch {
    struct buf decoded;
    struct buf canonical;
    struct buf string_to_sign;
};
struct sigv4_scratch *sigv4_scratch(struct sigv4 *s);

/* Hashing. Failures of OpenSSL are kept in the struct sigv4 and told once, by sigv4_failed. */
void sigv4_sha256(struct sigv4 *s, struct span bytes, unsigned char out[SIGV4_DIGEST]);
void sigv4_hmac(struct sigv4 *s, struct span key, struct span bytes, unsigned char out[SIGV4_DIGEST]);
bool sigv4_failed(struct sigv4 *s); /* and forgets it */
void sigv4_hex(const unsigned char bytes[SIGV4_DIGEST], char hex[SIGV4_HEX]);
void sigv4_wipe(void *p, size_t n);
/* The key without the cache, for guesses; `prefix` is "AWS4", `last` the terminator or the empty span. */
void sigv4_derive(struct sigv4 *s, const char *prefix, struct span secret, const struct sigv4_scope *scope,
                  struct span last, unsigned char key[SIGV4_DIGEST]);

/* Percent-encoding: all but A-Z a-z 0-9 - _ . ~ */
void sigv4_encode(struct span text, bool keep_slash, struct buf *out);
/* A broken escape stays as it is. */
void sigv4_decode(struct span text, struct buf *out);
/* Cuts the next parameter off *query; false at the end. An empty piece is passed over. */
bool sigv4_next_param(struct span *query, struct span *name, struct span *value);

/* The third line of a canonical request. */
enum err sigv4_canonical_query(const struct sigv4_inputs *in, struct buf *out) MUST_USE;

/* The first header of that name (lower case); "host" and ":authority" find each other. NULL: none. */
const struct sigv4_header *sigv4_find_header(const struct sigv4_header *headers, size_t count, const char *name);
bool sigv4_same_name(struct span a, struct span b); /* as header names: ASCII, without case */

/* The form of the Date header, which stands in where X-Amz-Date is absent. */
enum err sigv4_http_date_parse(struct span text, int64_t *at_s) MUST_USE;

/* Splits "a;b;c". False: too many. */
bool sigv4_split_names(struct span list, struct sigv4_verdict *v);

/* An empty verdict, with the policy's clock in it. */
void sigv4_verdict_begin(struct sigv4_verdict *v, const struct sigv4_policy *policy);
/* Reads what the client claims (who, when, where, which headers) out of header or query. sigv4_auth.c. */
enum err sigv4_read_claim(struct sigv4 *s, const struct sigv4_request *r, struct sigv4_verdict *v,
                          struct note *note) MUST_USE;
/* The client's claim is read; judge it. `skip` is a query parameter added after signing, or the empty span. */
enum err sigv4_judge(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_policy *policy,
                     struct span skip, struct sigv4_verdict *v, struct note *note) MUST_USE;
/* The last line of the canonical request: as stated in a header or parameter, or hashed from the body into `room`. */
struct span sigv4_payload_hash(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_verdict *v,
                               char room[SIGV4_HEX]);

#endif
