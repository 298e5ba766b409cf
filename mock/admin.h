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
};

struct admin_row {
    const char *method, *path;
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
extern const struct admin_table mock_admin_clock;

extern const struct admin_table mock_admin_cache;
extern const struct admin_table mock_admin_control;
extern const struct admin_table mock_admin_quotas;

/* A plan of a JSON body. */
struct plan *admin_plan(int status, const struct buf *body);

#endif
