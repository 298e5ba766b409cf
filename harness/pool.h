/* pool.h: many (case, mutation) pairs over one or several rigs, each rig on its own thread.
 *
 * Several rigs are possible only where mohs starts mock and target itself; a target of somebody else is asked serially.
 */
#ifndef MOHS_POOL_H
#define MOHS_POOL_H

#include "harness/progress.h"
#include "harness/runner.h"

struct job {
    const struct case_file *c;
    const cJSON *mutation; /* NULL: none */
    struct outcome outcome;
    bool ran;
};

struct pool_config {
    const struct rig_config *rig;
    struct job *jobs;
    size_t count;
    unsigned rigs;
    struct progress *progress; /* may be NULL */
    /* Called by workers, one at a time, after each job. True: stop. May be NULL. */
    bool (*stop_after)(void *ctx, const struct job *job);
    /* For progress: whether this outcome counts as bad. */
    bool (*is_bad)(void *ctx, const struct job *job);
    void *ctx;
};

struct pool_report {
    bool interrupted;
    enum err error;     /* a rig did not come up, or died */
    bool own;           /* and that was our mock or our gateway, not the target */
    struct note note;   /* its words */
    struct buf trouble; /* what the children wrote before they died */
    char *mock_url;     /* of the first rig that came up; NULL: none did */
};

/* Jobs that were not run keep ran == false. */
void pool_run(const struct pool_config *config, struct pool_report *out);
void pool_report_release(struct pool_report *r);

#endif
