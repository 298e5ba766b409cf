/* control_jobs.c: batch inference jobs, which nobody runs: a job is what was asked, and when; its state follows from
 * the mock's clock.
 *
 * So a test that moves the clock (POST /clock) sees a job through all its states in milliseconds, and a job costs
 * nothing while nobody looks.
 */
#include "mock/control/control.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t number_of(const cJSON *job, const char *key)
{
    int64_t n = 0;
    const cJSON *item = json_member(job, key);
    return item != NULL && json_int64(item, &n) ? n : 0;
}

struct progress {
    const char *status;
    int64_t since_ms; /* when it came into this state */
    int64_t done;     /* records */
    bool over;
};

static struct progress progress_at(const cJSON *job, int64_t now)
{
    int64_t start = number_of(job, "submitted_ms"), stop = number_of(job, "stopped_ms");
    int64_t until = stop > 0 ? stop : now, ran = until - start - CONTROL_JOB_RUNNING_MS;
    int64_t whole = CONTROL_JOB_DONE_MS - CONTROL_JOB_RUNNING_MS;
    int64_t done = ran < 0 ? 0 : ran >= whole ? CONTROL_JOB_RECORDS : CONTROL_JOB_RECORDS * ran / whole;
    if (stop > 0 && now >= stop + CONTROL_JOB_STOPPING_MS)
        return (struct progress){"Stopped", stop + CONTROL_JOB_STOPPING_MS, done, true};
    if (stop > 0)
        return (struct progress){"Stopping", stop, done, false};
    if (now >= start + CONTROL_JOB_DONE_MS)
        return (struct progress){"Completed", start + CONTROL_JOB_DONE_MS, done, true};
    if (now >= start + CONTROL_JOB_RUNNING_MS)
        return (struct progress){"InProgress", start + CONTROL_JOB_RUNNING_MS, done, false};
    if (now >= start + CONTROL_JOB_VALIDATING_MS)
        return (struct progress){"Validating", start + CONTROL_JOB_VALIDATING_MS, 0, false};
    return (struct progress){"Submitted", start, 0, false};
}

static cJSON *job_at(const cJSON *job, int64_t now)
{
    cJSON *out = cJSON_Duplicate(job, true);
    struct progress p = progress_at(job, now);
    cJSON_DeleteItemFromObjectCaseSensitive(out, "submitted_ms");
    cJSON_DeleteItemFromObjectCaseSensitive(out, "stopped_ms");
    (void)json_set_string(out, "status", p.status);
    control_set_time(out, "lastModifiedTime", p.since_ms);
    if (p.over)
        control_set_time(out, "endTime", p.since_ms);
    (void)json_set_int(out, "totalRecordCount", CONTROL_JOB_RECORDS);
    (void)json_set_int(out, "processedRecordCount", p.done);
    (void)json_set_int(out, "successRecordCount", p.done);
    (void)json_set_int(out, "errorRecordCount", 0);
    return out;
}

bool control_gather_jobs(struct visit *v, cJSON *list)
{
    struct control *c = v->mock->control;
    int64_t now = clock_ms(&v->mock->clock);
    (void)pthread_mutex_lock(&c->lock);
    const cJSON *job;
    cJSON_ArrayForEach(job, c->jobs)
    {
        if (control_is_mine(v, json_str(job, "jobArn")))
            (void)cJSON_AddItemToArray(list, job_at(job, now));
    }
    (void)pthread_mutex_unlock(&c->lock);
    return true;
}

static cJSON *new_job(struct visit *v, const char *id)
{
    static const char *const copied[] = {
        "jobName",         "modelId",   "clientRequestToken",     "roleArn",
        "inputDataConfig", "vpcConfig", "timeoutDurationInHours", "modelInvocationType",
        "outputDataConfig"};
    CLEANUP(buf_release) struct buf arn = BUF_INIT(BUF_ANY);
    cJSON *out = cJSON_CreateObject();
    int64_t now = clock_ms(&v->mock->clock), hours = number_of(v->body, "timeoutDurationInHours");
    control_arn_start(v, &arn);
    buf_addf(&arn, "model-invocation-job/%s", id);
    (void)json_set_string(out, "jobArn", buf_text(&arn));
    for (size_t i = 0; i < COUNT_OF(copied); i++)
        if (json_member(v->body, copied[i]) != NULL)
            (void)json_set(out, copied[i], cJSON_Duplicate(json_member(v->body, copied[i]), true));
    control_set_time(out, "submitTime", now);
    control_set_time(out, "jobExpirationTime", now + (hours > 0 ? hours : 24) * 3600 * 1000);
    (void)json_set_int(out, "submitted_ms", now);
    return out;
}

/* Under the lock. */
static cJSON *find_job(const struct visit *v, const char *key, const char *value)
{
    cJSON *job;
    cJSON_ArrayForEach(job, v->mock->control->jobs)
    {
        const char *its = json_str(job, key);
        const char *slash = its != NULL ? strrchr(its, '/') : NULL;
        if (its != NULL && control_is_mine(v, json_str(job, "jobArn")) &&
            (strcmp(its, value) == 0 || (slash != NULL && strcmp(slash + 1, value) == 0)))
            return job;
    }
    return NULL;
}

struct plan *control_create_job(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct control *c = v->mock->control;
    const char *token = json_str(v->body, "clientRequestToken"), *name = json_str(v->body, "jobName");
    const char *model = json_str(v->body, "modelId");
    if (models_resolve(v->mock->models, model, false).row == NULL)
        return control_refuse(v, "ValidationException", "The provided model identifier is invalid.");
    CLEANUP(buf_release) struct buf arn = BUF_INIT(BUF_ANY);
    bool taken = false, full = false, again = false;
    (void)pthread_mutex_lock(&c->lock);
    const cJSON *job = find_job(v, "jobName", name);
    const char *its = json_str(job, "clientRequestToken");
    again = job != NULL && token != NULL && its != NULL && strcmp(its, token) == 0;
    taken = job != NULL && !again;
    full = job == NULL && cJSON_GetArraySize(c->jobs) >= CONTROL_JOBS_MAX;
    if (job == NULL && !full) {
        char id[CONTROL_ID];
        control_make_id(c, v->mock->config.seed, id);
        cJSON *made = new_job(v, id);
        (void)cJSON_AddItemToArray(c->jobs, made);
        job = made;
    }
    if (job != NULL)
        buf_adds(&arn, json_str(job, "jobArn"));
    (void)pthread_mutex_unlock(&c->lock);
    if (taken)
        return control_refuse(v, "ConflictException", "A model invocation job with the name %s exists already.", name);
    if (full)
        return control_refuse(v, "ServiceQuotaExceededException", "The mock keeps at most %d jobs.", CONTROL_JOBS_MAX);
    if (!again && control_tag(v, buf_text(&arn), json_member(v->body, "tags")) != OK)
        return control_refuse(v, "ValidationException", "A resource can have at most %d tags.", CONTROL_TAGS_MAX);
    cJSON *out = cJSON_CreateObject();
    (void)json_set_string(out, "jobArn", buf_text(&arn));
    return control_reply(v, out);
}

struct plan *control_stop_job(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct control *c = v->mock->control;
    int64_t now = clock_ms(&v->mock->clock);
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    (void)control_label(v, "jobIdentifier", &id);
    (void)pthread_mutex_lock(&c->lock);
    cJSON *job = find_job(v, "jobArn", buf_text(&id));
    struct progress p = {"", 0, 0, false};
    if (job != NULL)
        p = progress_at(job, now);
    bool running = job != NULL && !p.over && strcmp(p.status, "Stopping") != 0;
    if (running)
        (void)json_set_int(job, "stopped_ms", now);
    (void)pthread_mutex_unlock(&c->lock);
    if (job == NULL)
        return control_unknown(v, "the model invocation job", buf_text(&id));
    if (!running)
        return control_refuse(v, "ConflictException", "The model invocation job is %s and cannot be stopped.",
                              p.status);
    return control_done(v);
}
