/* visit.h: one request on its way through the mock, and the mock it goes through. Private to mock/.
 *
 * The layers fill a struct visit one after the other: routing, authentication, model, constraints, semantic rules. Each
 * may set the refusal; the first one stands. What is then answered is decided in operations.c.
 */
#ifndef MOHS_MOCK_VISIT_H
#define MOHS_MOCK_VISIT_H

#include <pthread.h>
#include <stdatomic.h>

#include "mock/admin/journal.h"
#include "mock/identity/caller.h"
#include "mock/metering/cache.h"
#include "mock/metering/quota.h"
#include "mock/mock.h"
#include "mock/model/answer.h"
#include "mock/model/models.h"
#include "mock/native/native.h"
#include "mock/refusal.h"
#include "mock/script/session.h"
#include "mock/time/clock.h"
#include "net/server.h"
#include "protocol/shape.h"
#include "protocol/sigv4.h"

struct client;
struct asyncs;
struct control;
struct knowledge;
struct responses;

struct mock {
    struct mock_config config; /* its pointers are not to be used after mock_start, but for log */
    struct keys *keys;
    struct policy *policy; /* NULL: everybody may do everything */
    char *region;
    bool *rules; /* which semantic rules are on, by row */
    struct api *api;
    struct models *models;
    struct guardrails *guardrails;
    struct control *control; /* what the control plane keeps */
    struct asyncs *asyncs;
    struct responses *responses;
    struct knowledge *knowledge;
    struct sessions *sessions;
    struct fixtures *fixtures;
    struct recorder *recorder; /* NULL: nothing leaves this machine */
    double replay_speed;
    struct journal *journal;
    struct journal_file *journal_file;
    struct gates *gates;
    struct server *server, *admin;
    atomic_uint admin_at; /* its port, for workers that run before it listens; 0: none */
    char *admin_token; /* NULL: none */
    struct metrics *metrics;
    struct mock_clock clock;
    struct cache *cache; /* NULL: prompts are not cached */
    struct quotas *quotas;
    uint64_t started_at_ns;
    atomic_uint_fast64_t workers;   /* numbers for their seeds */
    struct shared *standing_faults; /* of the command line; NULL: none */
    atomic_uint_fast64_t numbers;   /* of requests that draw something by chance */
    struct times *times;            /* of waits; NULL: the constants of config (pace.h) */
    atomic_uint_fast64_t open;      /* requests at once, where load slows down */
    struct waiter *waiters;         /* of the admin API, on its thread */
};

/* Where the default text was cut last (default_answer.c). */
struct cut_memory {
    struct buf text;
    uint64_t most, counted;
    size_t at;
};

/* What a worker keeps between requests, so that the usual one allocates little. */
struct worker {
    struct mock *mock;
    struct metrics_block *metrics;
    struct client *upstream; /* with --record, from its first request on */
    struct sigv4 *sigv4;
    struct rng rng;
    struct buf scratch, text, model;
    char last_model[256]; /* and what it meant: load tests ask for one model again and again */
    struct model_ref last_ref;
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    struct cut_memory cut;
    struct buf api_key; /* x-api-key as the Authorization it stands for */
    struct caller_room caller;
    uint64_t diagnosed_since_ns;
    unsigned diagnosed;
    bool is_numbered; /* the request at hand has its number (fault_visit.h) */
    uint64_t number;
};

struct bidi;
struct openings;
struct operation_row;
struct surface;
struct compat_row;

struct visit {
    struct mock *mock;
    struct worker *worker;
    struct exchange *exchange;
    const struct http_request *request;
    char request_id[UUID_SIZE];
    struct api_route route;
    const struct surface *surface;
    const struct operation_row *row; /* NULL: no operation of ours */
    const struct compat_row *compat; /* compat.h; NULL: no compatible endpoint */
    bool streams;                    /* of those: a stream is asked for */
    const char *operation;           /* its name, also when we do not serve it */
    const char *model_id;            /* decoded; NULL: none, or one that cannot be decoded */
    bool names_model;                /* the operation takes one */
    struct model_ref model;
    cJSON *body; /* NULL: none, or not JSON */
    bool body_is_json;
    struct native_request native;    /* of InvokeModel and CountTokens; zeroed for the others */
    struct bidi *bidi;               /* bidi.h; NULL: no stream both ways */
    struct openings *openings;       /* fixture.h; which script it has is still open; NULL: it is not */
    struct guardrail_use *guardrail; /* guardrail_use.h; NULL: the request has none */
    struct sigv4_verdict verdict;
    struct sigv4_diagnosis diagnosis;
    bool has_diagnosis;
    struct span loose_header; /* the first x-amz-* header that a good signature does not cover; empty: none */
    struct caller caller;   /* who asks; from authentication on */
    struct session *session, *held_session; /* from authentication on; the second is NULL for the main one */
    struct refusal refusal; /* what a strict Bedrock says; REFUSAL_NONE: the request is good */
    bool refuse;            /* and this mock says it too */
    /* Quotas only: zeroed when none applies. */
    struct quota_hold hold;
    struct refusal found;   /* what validation had found, when a quota speaks over it */
    uint64_t counted_input; /* tokens of the request */
    struct answer_usage used;
    bool answered; /* `used` is there */
    size_t events; /* of its plan */
    bool open;     /* counted in mock->open */
    const char *dropped;       /* what the reply says, and this operation has no form for; NULL: nothing */
    struct cache_trace cached; /* what it wrote into the prompt cache */
};

/* visit.c: what the request says beside its body, decoded and appended; ERR_UNKNOWN: it does not say. A query parameter
 * and a label are decoded by percent escapes, a header is taken as it is. */
enum err visit_label(const struct visit *v, const char *name, struct buf *out) MUST_USE;
enum err visit_query(const struct visit *v, const char *name, struct buf *out) MUST_USE;
/* v->caller.region, appended. */
void visit_region(const struct visit *v, struct buf *out);
bool visit_streams(const struct visit *v); /* the answer is a stream */

/* cache_visit.c: the request as Converse would have it: the body, or what a native body asks; NULL: nothing. */
const cJSON *visit_asked(const struct visit *v);
/* Read and write the prompt cache; the answer's input tokens become what is left beside it. */
void visit_use_cache(struct visit *v, struct answer *a);
/* The plan stands: an error, which a fault may have made of an answer, takes back what was written. */
void visit_settle_cache(struct visit *v, const struct plan *plan);
/* quota_visit.c: reserve, which may refuse; take down what an answer used; and what that comes to, to be paid when the
 * delivery is over. */
struct quota_bill {
    struct quota_hold hold; /* .generation 0: nothing to pay */
    uint64_t input, output;
    size_t events;
};
void visit_charge(struct visit *v);
void visit_answered(struct visit *v, const struct answer *a, const struct plan *plan);
struct quota_bill visit_bill(const struct visit *v, int status);
void quota_pay(struct mock *m, const struct quota_bill *bill, const struct delivery *d);

/* auth.c: judge the signature; sets verdict and caller, and the refusal when --auth refuses. */
void visit_authenticate(struct visit *v);
/* Append {"verdict": ...} for the journal. */
void visit_print_signature(const struct visit *v, struct buf *out);

/* validate.c: model, constraints, semantic rules. */
void visit_validate(struct visit *v);
/* Parts of it: v->model of an id; what the catalogue says against v->model; and the end: does the mode refuse? */
struct model_ref visit_model(const struct visit *v, const char *id);
void visit_check_model(struct visit *v);
/* This text of errors.json, about v's model, is the refusal of that layer unless somebody spoke before. */
void visit_refuse_model(struct visit *v, enum refusal_layer layer, const char *id);
void visit_settle(struct visit *v);

/* default_answer.c: what the model says when nobody scripted it. */
void default_answer(const struct visit *v, struct answer *a);

/* operations.c: the handler of the Bedrock port. */
void operations_handle(void *ctx, struct exchange *x);
/* What the server below refuses, for struct server_config. */
void operations_refuse(void *ctx, void *worker, struct exchange *x, int status, const char *why);
void *operations_worker_start(void *ctx, struct loop *loop);
void operations_worker_stop(void *ctx, void *worker);

/* admin.c: the handler of the admin port. */
void admin_handle(void *ctx, struct exchange *x);
bool admin_has_path(struct span path); /* some request of it has this path */
void admin_release(struct mock *mock); /* after its server has stopped */

/* Log one line, if anybody listens. */
void mock_log(const struct mock *mock, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
