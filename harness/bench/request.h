/* request.h: the bytes of a load request, built once, with a hole for the probe tag's id.
 *
 * A worker owns one per side. request_arm() writes the next id into the hole and, when the side is signed, the date and
 * signature into theirs: the length never changes, and nothing is allocated but by the signer's own scratch memory.
 */
#ifndef MOHS_BENCH_REQUEST_H
#define MOHS_BENCH_REQUEST_H

#include <sys/socket.h>

#include "harness/bench/bench.h"
#include "protocol/sigv4.h"

#define REQUEST_MAX         ((size_t)32 << 20) /* a Converse request with media goes up to 25 MB */
#define REQUEST_HEADERS_MAX 64

struct request {
    struct buf bytes;
    size_t id_at; /* of the 16 digits of the tag; SIZE_MAX: no tag */
    size_t body_at;
    struct sockaddr_storage address;
    socklen_t address_size;
    /* Signed requests only. */
    struct sigv4 *signer;
    struct buf lines; /* the header lines that the caller and we give, without those that signing adds */
    struct sigv4_signed made;
    struct sigv4_signing how;
    struct sigv4_request parts; /* spans into bytes */
    struct sigv4_header headers[REQUEST_HEADERS_MAX];
    size_t added_at[SIGV4_ADDED_MAX], added_size[SIGV4_ADDED_MAX]; /* where the values of made.added lie in bytes */
};

/* ERR_INVALID: a url, header or body that cannot be sent; ERR_UNKNOWN: the host has no address; ERR_UNSUPPORTED: https.
 */
enum err request_init(struct request *r, const struct bench_config *config, enum bench_side side,
                      struct note *note) MUST_USE;
void request_release(struct request *r);
enum err request_arm(struct request *r, uint64_t id) MUST_USE;

#endif
