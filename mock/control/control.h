/* control.h: the control plane: what Bedrock keeps about an account, and what its own operations may change.
 *
 * Foundation models and system inference profiles come from the catalogue (models.h), custom, imported and provisioned
 * models, routers and endpoints from its "resources"; nobody can change these. What requests make (application
 * inference profiles, batch jobs, tags, the logging configuration) is kept here, for every account and Region, until
 * POST /reset. Everything has a ceiling. Any thread; one lock, taken by control-plane requests, and by a model request
 * only when it names an ARN of something that is not a foundation model.
 *
 * A resource is the tree of its Get answer; lists show those members that the API model's summary has.
 */
#ifndef MOHS_MOCK_CONTROL_H
#define MOHS_MOCK_CONTROL_H

#include "mock/operations.h"

#define CONTROL_PROFILES_MAX 1000
#define CONTROL_JOBS_MAX     1000
#define CONTROL_TAGGED_MAX   4096 /* resources with tags */
#define CONTROL_TAGS_MAX     50   /* of one resource, as AWS says everywhere */
#define CONTROL_REGIONS_MAX  64   /* and accounts with a logging configuration */
#define CONTROL_PAGE         1000 /* items of a list when maxResults does not say; the largest it may say */

/* A batch job goes through its states by the mock's clock (clock.h), this long after it was submitted. */
#define CONTROL_JOB_VALIDATING_MS 2000
#define CONTROL_JOB_RUNNING_MS    10000
#define CONTROL_JOB_DONE_MS       60000
#define CONTROL_JOB_STOPPING_MS   5000 /* after it was told to stop */
#define CONTROL_JOB_RECORDS       100

struct control;
struct control *control_new(void);
void control_free(struct control *c);
void control_forget(struct control *c);

/* The operations, for operations.c. */
extern const struct operation_row mock_control_rows[];
extern const size_t mock_control_count;

/* What stands behind the ARN of an application profile or of a resource of the catalogue: the foundation model's row.
 * NULL: nobody knows that ARN here. */
const struct model *control_model_of(const struct visit *v, const char *arn);

/* ---- between the files of the control plane ---- */

/* The answers that are no tree: say no, or nothing at all. The text is a sentence of ours where errors.json has none.
 */
struct plan *control_refuse(struct visit *v, const char *type, const char *format, ...) PRINTF_LIKE(3, 4);
struct plan *control_unknown(struct visit *v, const char *what, const char *id);
struct plan *control_done(struct visit *v);               /* {} */
struct plan *control_reply(struct visit *v, cJSON *take); /* the tree, freed */

/* Everything of a kind that this account has in the visit's region, appended to the list as copies of their Get
 * answers. False: out of memory. */
typedef bool control_gather(struct visit *v, cJSON *list);
control_gather control_gather_profiles, control_gather_jobs, control_gather_guardrails;
/* Copies of the catalogue's resources of that name with region and account filled in. */
bool control_gather_resources(struct visit *v, const char *name, cJSON *list);

/* Operations, for the table of rows. None is told by a scripted reply: its raw forms are served before it is asked. */
typedef struct plan *control_answer(struct visit *v, const cJSON *reply);
control_answer control_list, control_get, control_list_models, control_get_model, control_model_availability,
    control_create_profile, control_delete_profile, control_create_job, control_stop_job;

/* nextToken: where the next page starts. False: not a token of ours; NULL and "" are the beginning. */
bool control_token_read(const char *token, size_t *at);
void control_token_add(cJSON *out, size_t next);

/* Tags of a resource that the visit's account has: [{"key","value"}]; merged into those that are there. ERR_LIMIT: too
 * many of them. The caller holds no lock. */
enum err control_tag(struct visit *v, const char *arn, const cJSON *tags) MUST_USE;
void control_untag(struct visit *v, const char *arn); /* all of them: the resource is gone */

/* "arn:aws:bedrock:REGION:ACCOUNT:" of the visit, appended; and whether an ARN begins so. */
void control_arn_start(const struct visit *v, struct buf *out);
bool control_is_mine(const struct visit *v, const char *arn);

/* The text of a query parameter or label; "" when the request does not say. In `out`, which is emptied. */
const char *control_query(const struct visit *v, const char *name, struct buf *out);
const char *control_label(const struct visit *v, const char *name, struct buf *out);
/* "2026-01-02T03:04:05Z", with or without a fraction or an offset, to milliseconds since the epoch. */
bool control_time(const char *text, int64_t *ms);

struct control {
    pthread_mutex_t lock;
    cJSON *profiles; /* Get answers, and "source": the id that was copied from; "token" */
    cJSON *jobs;     /* Get answers without what follows from the time, and "stopped_ms", "submitted_ms" */
    cJSON *tags;     /* arn -> [{"key","value"}] */
    cJSON *logging;  /* "account region" -> loggingConfig */
    uint64_t made;   /* for ids */
};
#define CONTROL_ID 13 /* twelve letters and digits, ended */
void control_make_id(struct control *c, uint64_t seed, char out[static CONTROL_ID]); /* under the lock */

#endif
