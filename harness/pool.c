/* pool.c: workers take the next job under one lock; the calling thread only draws progress and watches for Ctrl-C.
 *
 * A child dies with the thread that started it (PR_SET_PDEATHSIG works so), therefore each worker starts, uses and
 * stops its rig itself.
 */
#include "harness/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "harness/interrupt.h"

enum { MOST_RIGS = 64, DRAW_MS = 100, MOST_UNREACHABLE = 1 };

struct pool {
    const struct pool_config *config;
    struct pool_report *report;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    size_t next, done, bad, running;
    bool stop;
    const char *current;
};

/* Called with the lock held. */
static void fail(struct pool *p, enum err e, bool own, const struct note *note)
{
    p->stop = true;
    if (p->report->error != OK)
        return;
    p->report->error = e;
    p->report->own = own;
    p->report->note = *note;
}

static struct job *take(struct pool *p)
{
    struct job *job = NULL;
    (void)pthread_mutex_lock(&p->lock);
    if (!p->stop && p->next < p->config->count) {
        job = &p->config->jobs[p->next++];
        p->current = job->c->id;
    }
    (void)pthread_mutex_unlock(&p->lock);
    return job;
}

static void finish(struct pool *p, struct rig *rig, struct job *job)
{
    const struct pool_config *c = p->config;
    bool went_wrong = job->outcome.verdict == VERDICT_ERROR || job->outcome.verdict == VERDICT_FAIL;
    CLEANUP(buf_release) struct buf trouble = BUF_INIT(BUF_ANY);
    if (went_wrong) /* a target that died fails the case at hand */
        rig_trouble(rig, &trouble); /* takes a while: not under the lock */
    (void)pthread_mutex_lock(&p->lock);
    job->ran = true;
    p->done++;
    p->bad += c->is_bad != NULL && c->is_bad(c->ctx, job);
    if (c->stop_after != NULL && c->stop_after(c->ctx, job))
        p->stop = true;
    if (trouble.len > 0)
        buf_adds(&p->report->trouble, buf_text(&trouble));
    if (trouble.len > 0 || (went_wrong && job->outcome.unreachable))
        fail(p, ERR_CLOSED, rig->own_failed, &job->outcome.reason);
    (void)pthread_cond_signal(&p->moved);
    (void)pthread_mutex_unlock(&p->lock);
}

static void tell_mock(struct pool *p, const struct rig *rig)
{
    (void)pthread_mutex_lock(&p->lock);
    if (p->report->mock_url == NULL)
        p->report->mock_url = span_dup(span_of(rig->mock_url));
    (void)pthread_mutex_unlock(&p->lock);
}

static void *work(void *ctx)
{
    struct pool *p = ctx;
    struct note note = {""};
    struct rig rig;
    enum err e = rig_start(&rig, p->config->rig, &note);
    if (e == OK) {
        tell_mock(p, &rig);
        for (struct job *job; (job = take(p)) != NULL;) {
            case_run(&rig, job->c, job->mutation, &job->outcome);
            if (interrupt_seen() && job->outcome.verdict == VERDICT_ERROR)
                break;
            finish(p, &rig, job);
        }
    }
    bool own = rig.own_failed;
    rig_stop(&rig);
    (void)pthread_mutex_lock(&p->lock);
    if (e != OK)
        fail(p, e, own, &note);
    p->running--;
    (void)pthread_cond_signal(&p->moved);
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Until all workers are gone. The lock is held on entry and at the end. */
static void watch(struct pool *p)
{
    while (p->running > 0) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += DRAW_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }
        (void)pthread_cond_timedwait(&p->moved, &p->lock, &until);
        if (interrupt_seen()) {
            p->stop = true;
            p->report->interrupted = true;
        }
        if (p->config->progress != NULL)
            progress_show(p->config->progress, p->done, p->bad, p->current);
    }
}

void pool_run(const struct pool_config *config, struct pool_report *out)
{
    *out = (struct pool_report){.trouble = BUF_INIT(BUF_ANY)};
    struct pool p = {
        .config = config, .report = out, .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};
    pthread_t threads[MOST_RIGS];
    size_t wanted = config->rigs < 1 ? 1 : config->rigs > MOST_RIGS ? MOST_RIGS : config->rigs;
    size_t made = 0;
    (void)pthread_mutex_lock(&p.lock);
    while (made < wanted && made < config->count && pthread_create(&threads[made], NULL, work, &p) == 0) {
        made++;
        p.running++;
    }
    if (made == 0 && config->count > 0)
        out->error = note_set(&out->note, ERR_NOMEM, "no thread could be started");
    watch(&p);
    (void)pthread_mutex_unlock(&p.lock);
    for (size_t i = 0; i < made; i++)
        (void)pthread_join(threads[i], NULL);
    (void)pthread_cond_destroy(&p.moved);
    (void)pthread_mutex_destroy(&p.lock);
}

void pool_report_release(struct pool_report *r)
{
    if (r == NULL)
        return;
    buf_release(&r->trouble);
    free(r->mock_url);
    r->mock_url = NULL;
}
