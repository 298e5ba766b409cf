/* control.h: the control plane: what Bedrock keeps about an account, and what its own operations may change.
 *
 * Foundation models and system inference profiles come from the catalogue (models.h), prompt routers and marketplace
 * endpoints from its "resources"; nobody can change these. Custom, imported and provisioned models, deployments and
 * import jobs begin as what "resources" has, and requests make, change and delete them. What requests do (to these, to
 * application inference profiles, batch jobs, tags, the logging configuration) is kept here, for every account and
 * Region, until POST /reset. Everything has a ceiling. Any thread; one lock, taken by control-plane requests, and by a
 * model request only when it names an ARN of something that is not a foundation model.
 *
 * A resource is the tree of its Get answer; lists show those members that the API model's summary has.
 */
#ifndef MOHS_MOCK_CONTROL_H
#define MOHS_MOCK_CONTROL_H

#include "mock/operations.h"

#define CONTROL_PROFILES_MAX 1000
#define CONTROL_JOBS_MAX     1000
#define CONTROL_KEPT_MAX     1000 /* of each list of resources: made, changed or deleted by requests */
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

/* What is made is ready by the mock's clock, this long after; a change of a model takes as long. */
#define CONTROL_PROVISION_MS 30000
#define CONTROL_CUSTOM_MS    30000
#define CONTROL_DEPLOY_MS    30000
#define CONTROL_IMPORT_MS    60000
#define CONTROL_MONTH_MS     ((int64_t)30 * 86400 * 1000) /* of a commitment */

struct control;
struct control *control_new(const struct models *models);
void control_free(struct control *c);

/* The operations, for operations.c. */
extern const struct operation_row mock_control_rows[];
extern const size_t mock_control_count;

/* What stands behind the ARN of an application profile or of a resource of the catalogue: the foundation model's row.
 * NULL: nobody knows that ARN here. What is still being made has a row whose `refuse` is "model-not-ready". */
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
/* The catalogue's resources of that name with region and account filled in, and what requests made of them. */
bool control_gather_resources(struct visit *v, const char *name, cJSON *list);

/* ---- collections: what can be listed, got, and sometimes made (control_list.c) ---- */

#define CONTROL_FILTERS_MAX 8
enum filter_how { FILTER_EQUAL, FILTER_CONTAINS, FILTER_BEFORE, FILTER_AFTER };

struct filter {
    const char *query, *member;
    enum filter_how how;
};

struct making;
struct collection {
    const char *list, *get;
    const char *items;    /* the list in the List answer */
    const char *summary;  /* the shape of its items */
    const char *wrapper;  /* the member the Get answer is in; NULL: it is the answer */
    const char *label;    /* the path label of Get */
    const char *what;     /* for "Could not find" */
    const char *ids[3];   /* members Get finds it by: the ARN, then a name */
    const char *created;  /* the member lists are sorted by */
    const char *resource; /* of the catalogue; NULL: gather */
    control_gather *gather;
    const struct making *making; /* control_make.h; NULL: nobody can make one */
    struct filter filters[CONTROL_FILTERS_MAX];
};
/* The one that an operation is about, be it List, Get, Create, Update or Delete. NULL: none. */
const struct collection *control_collection(const char *operation);
/* A copy of the Get answer of what is called so: by ARN, by the end of the ARN, by name. NULL: there is none. */
cJSON *control_find(struct visit *v, const struct collection *c, const char *id);
/* The ARN of what the visit's operation names in its path, or of the custom model that throughput is bought for,
 * appended; nothing when there is no such thing. */
void control_named_arn(struct visit *v, struct buf *out);

/* Operations, for the table of rows. None is told by a scripted reply: its raw forms are served before it is asked. */
typedef struct plan *control_answer(struct visit *v, const cJSON *reply);
control_answer control_list, control_get, control_list_models, control_get_model, control_model_availability,
    control_create_profile, control_delete_profile, control_create_job, control_stop_job, control_make, control_change,
    control_unmake;

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

/* {"key": "2026-01-02T03:04:05Z"} of an instant. */
void control_set_time(cJSON *object, const char *key, int64_t ms);

struct control {
    pthread_mutex_t lock;
    struct model not_ready;
    cJSON *kept;     /* control_kept.h: name of a resource -> what requests made of it */
    cJSON *profiles; /* Get answers, and "source": the id that was copied from; "token" */
    cJSON *jobs;     /* Get answers without what follows from the time, and "stopped_ms", "submitted_ms" */
    cJSON *tags;     /* arn -> [{"key","value"}] */
    cJSON *logging;  /* "account region" -> loggingConfig */
    uint64_t made;   /* for ids */
};
#define CONTROL_ID 13 /* twelve letters and digits, ended */
void control_make_id(struct control *c, uint64_t seed, char out[static CONTROL_ID]); /* under the lock */

#endif
