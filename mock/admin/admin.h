/* admin.h: how a part of the mock adds requests to the admin API: a table of rows in its own file, named in admin.c.
 *
 * The API has one worker, so a row's function is alone with other rows; what it shares with the Bedrock port is that
 * part's business.
 */
#ifndef MOHS_MOCK_ADMIN_H
#define MOHS_MOCK_ADMIN_H

#include "mock/visit.h"

struct admin_call {
    struct mock *mock;
    struct exchange *exchange;
    const struct http_request *request;
    cJSON *body;    /* of a POST; NULL: none */
    struct buf out; /* the answer: JSON */
    bool later;     /* it comes by itself */
    int status;     /* of an error; 0: as its enum err says */
};

struct admin_row {
    const char *method, *path; /* a path that ends with / takes whatever is behind it */
    /* ERR_INVALID with a note is 400, ERR_NOMEM 500. */
    enum err (*serve)(struct admin_call *c, struct note *note);
};

struct admin_table {
    const struct admin_row *rows;
    size_t count;
    const char *memory;                /* what POST /reset {"keep":[...]} calls it; NULL: nothing to forget */
    void (*forget)(struct mock *mock); /* POST /reset */
};

extern const struct admin_table mock_admin_script, mock_admin_canaries, mock_admin_faults, mock_admin_gates, mock_admin_journal,
    mock_admin_guardrails;
extern const struct admin_table mock_admin_async, mock_admin_responses;
extern const struct admin_table mock_admin_clock, mock_admin_credentials;

extern const struct admin_table mock_admin_cache;
extern const struct admin_table mock_admin_control;
extern const struct admin_table mock_admin_quotas;
extern const struct admin_table mock_admin_sessions, mock_admin_fixtures;
extern const struct admin_table mock_admin_verify, mock_admin_metrics;

/* admin_session.c: what a request of the admin API says of the session it means: "session" in the body of a POST, else
 * ?session=. False, and no error: it says nothing. Empty: the main one. */
enum err admin_session_name(const struct admin_call *c, bool *said, char name[SESSION_NAME_MAX + 1],
                            struct note *note) MUST_USE;
/* That session, or the main one, held. `make`: begin it when nobody has. Drop it. */
enum err admin_session(const struct admin_call *c, bool make, struct session **out, struct note *note) MUST_USE;
/* POST /reset with a session: forget what it holds, but for the memories that keep[] says by name. */
enum err admin_session_reset(struct mock *m, const char *name, bool (*keeps)(void *ctx, const char *memory), void *ctx,
                             struct note *note) MUST_USE;

/* admin_journal.c: a status as people write it, 429 or 4xx, as bounds; false: it is none. */
bool admin_status(struct span text, int *from, int *to);

/* A plan of a JSON body. */
struct plan *admin_plan(int status, const struct buf *body);

#endif
