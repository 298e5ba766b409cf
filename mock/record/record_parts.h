/* record_parts.h: what the files of mock/record/ share and nobody else sees. */
#ifndef MOHS_MOCK_RECORD_PARTS_H
#define MOHS_MOCK_RECORD_PARTS_H

#include "mock/record/record.h"

#define RECORD_BODY_MAX    ((size_t)64 << 20) /* of an answer that is kept; longer ones are relayed only */
#define RECORD_FILES_MAX   10000              /* of a run: as many as a directory may have to be loaded */
#define RECORD_NEEDLES_MAX 16
#define RECORD_NAME_MAX    160

/* ---- record.c ---- */

/* Secrets of the client, to be looked for in what is written. Spans into the request. */
struct needles {
    struct span items[RECORD_NEEDLES_MAX];
    size_t count;
};
void needles_of(const struct http_request *r, struct needles *out);
/* Whether the text holds one of them, or one of our own. */
bool recorder_finds_secret(const struct recorder *r, const struct needles *needles, struct span text);

const char *recorder_ca(const struct recorder *r);
const char *recorder_directory(const struct recorder *r);
/* URL and headers of the request that goes on, signed. */
enum err recorder_sign(const struct recorder *r, const struct visit *v, struct buf *url, struct http_headers *out,
                       struct note *note) MUST_USE;
/* Under the lock: how often this run has kept an answer of that name, this one among them. 0: no more files. `reply`:
 * what record_choose() gives from now on; taken. */
size_t recorder_note(struct recorder *r, const char *name, cJSON *reply);
struct shared *recorder_known(struct recorder *r, const char *name);
void recorder_lock(struct recorder *r);
void recorder_unlock(struct recorder *r);

/* ---- record_keep.c ---- */

/* What an answer is kept under. */
struct kept {
    char name[RECORD_NAME_MAX]; /* of the file, without directory */
    cJSON *match;
    const char *why_not; /* static; NULL: it can be kept */
};
void kept_begin(const struct visit *v, struct kept *k);
void kept_release(struct kept *k);

struct recorded_piece {
    size_t end; /* in the body */
    uint64_t at_ns;
};
struct recorded {
    int status;
    const struct http_headers *headers;
    struct span body;
    const struct recorded_piece *pieces; /* of a stream */
    size_t count;
    bool streamed;
    uint64_t asked_at_ns, head_at_ns;
    const char *from; /* the URL */
};
/* Write it. False: *why says why not, for the journal. */
bool keep_answer(struct recorder *r, struct kept *k, const struct recorded *answer, const struct needles *needles,
                 struct note *why);
/* Whether a header of the endpoint's is given to the client, and kept. */
bool record_passes_header(const char *name);

#endif
