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
/* URL and headers of the request that goes on, signed; the headers are initialised already. `chain`: filled for a
 * stream both ways, the caller's to release; otherwise NULL. ERR_INVALID: frames cannot be signed with a bearer key. */
enum err recorder_sign(const struct recorder *r, const struct visit *v, struct buf *url, struct http_headers *out,
                       struct sigv4_chain *chain, struct note *note) MUST_USE;
/* Under the lock: how often this run has kept an answer of that name, this one among them. 0: no more files. `reply`,
 * taken: the first one of a name is what record_choose() gives from now on, with --record-misses. */
size_t recorder_note(struct recorder *r, const char *name, cJSON *reply);
/* That reply, held for the caller; NULL: there is none. Takes the lock by itself. */
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
/* Of a stream both ways: what its client said first tells its file from those of other sessions. NULL: nothing. */
void kept_open(struct kept *k, const cJSON *opening, struct sigv4 *hasher);
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
    const struct upload *upload; /* of a stream both ways; otherwise NULL */
};
/* A frame as an object of `frames`, by name and payload or as hex; a wait; and the tree whose compact text these bytes
 * are, or NULL. */
cJSON *kept_frame(struct span bytes);
void kept_ms(cJSON *object, const char *key, uint64_t ns);
cJSON *kept_json(struct span bytes);
/* Write it. False: *why says why not, for the journal. */
bool keep_answer(struct recorder *r, struct kept *k, const struct recorded *answer, const struct needles *needles,
                 struct note *why);
/* Whether a header of the endpoint's is given to the client, and kept. */
bool record_passes_header(const char *name);


/* ---- record_bidi.c ---- */

struct call;
struct upload;
struct upload_owner {
    size_t (*pieces)(void *ctx); /* frames of the answer that have come */
    bool (*full)(void *ctx);     /* too much of the answer waits for the client */
    /* It cannot go on; `signature`: because the client's frame is signed wrongly. The upload is stopped already, and
     * must not be freed in here. */
    void (*refuse)(void *ctx, const char *why, bool signature);
};
/* Inside the handler. `ours`: the chain that begins with the request that goes on; copied. */
struct upload *upload_new(const struct visit *v, const struct sigv4_chain *ours, const struct upload_owner *owner,
                          void *ctx);
void upload_free(struct upload *u);
void upload_begin(struct upload *u, struct call *call);
void upload_go_on(struct upload *u); /* the connection has taken what there was */
void upload_stop(struct upload *u);  /* the call is over: what the client still says is dropped */
size_t upload_frames(const struct upload *u); /* that went on */
/* `bidirectional` of the reply. */
cJSON *upload_script(const struct upload *u, const struct recorded *a);
const cJSON *upload_opening(const struct upload *u); /* what the client said first; NULL: nothing */
const char *upload_why_not(const struct upload *u); /* static; NULL: it can be kept */

#endif
