/* The order inside a round of the loop matters: due requests go out first, because their lateness is what an open load
 * is judged by; then timeouts; then the wait, which ends at the next due instant to the nanosecond (epoll_pwait2, with
 * the thread's timer slack turned off); then the answers.
 *
 * Between two blocks everybody drains and waits at a barrier. Two barriers, in fact: between them one thread writes the
 * start instant, and decides whether there is a next block, so that all workers agree when a run is stopped half-way.
 */
#include "harness/bench/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX     256
#define HEAD_START_NS  UINT64_C(300000)    /* from the barrier to the start, so that nobody starts late */
#define SWEEP_NS       UINT64_C(50000000)  /* between two looks for timeouts */
#define SWEEP_RETRY_NS UINT64_C(5000000)   /* the same while connections wait to be opened again */
#define ABANDON_NS     UINT64_C(300000000) /* how long a stopped run waits for what is in flight */

const enum bench_metric block_metrics[BLOCK_METRICS] = {BENCH_TTFB, BENCH_TTFT, BENCH_TTST,
                                                        BENCH_ITL,  BENCH_E2E,  BENCH_SERVICE};

/* ---- birth and death ---- */

static unsigned share(unsigned total, unsigned parts, unsigned index)
{
    return total / parts + (index < total % parts);
}

static enum err lane_init(struct worker *w, enum bench_side side, struct note *note)
{
    struct lane *lane = &w->lanes[side];
    enum err e = request_init(&lane->request, w->config, side, note);
    if (e != OK)
        return e;
    lane->count = share(w->config->connections, w->config->threads, w->index);
    lane->conns = calloc(lane->count, sizeof *lane->conns);
    lane->idle = calloc(lane->count, sizeof(struct conn *));
    if (lane->conns == NULL || lane->idle == NULL)
        return ERR_NOMEM;
    for (unsigned i = 0; i < lane->count; i++) {
        conn_init(&lane->conns[i], side);
        lane->conns[i].listed = true;
        lane->idle[lane->idle_count++] = &lane->conns[i];
    }
    return OK;
}

enum err worker_new(struct run *run, unsigned index, struct worker **out, struct note *note)
{
    struct worker *w = *out = calloc(1, sizeof *w);
    if (w == NULL)
        return ERR_NOMEM;
    w->run = run;
    w->config = run->config;
    w->index = index;
    w->next_id = run->id_salt | (uint64_t)index << 32 | 1;
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll < 0)
        return note_set(note, ERR_IO, "epoll_create1: %s", strerror(errno));
    w->parts = calloc(run->block_count, sizeof *w->parts);
    if (w->parts == NULL || tally_init(&w->tally) != OK)
        return ERR_NOMEM;
    for (int side = 0; side < (run->paired ? BENCH_SIDES : 1); side++) {
        if (tally_init(&w->totals[side]) != OK)
            return ERR_NOMEM;
        enum err e = lane_init(w, (enum bench_side)side, note);
        if (e != OK)
            return e;
    }
    return OK;
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    for (int side = 0; side < BENCH_SIDES; side++) {
        struct lane *lane = &w->lanes[side];
        for (unsigned i = 0; lane->conns != NULL && i < lane->count; i++)
            conn_release(&lane->conns[i]);
        free(lane->conns);
        free(lane->idle);
        request_release(&lane->request);
        tally_release(&w->totals[side]);
    }
    for (size_t i = 0; w->parts != NULL && i < w->run->block_count; i++)
        for (size_t m = 0; m < BLOCK_METRICS; m++)
            hist_sparse_release(&w->parts[i][m]);
    free(w->parts);
    tally_release(&w->tally);
    if (w->epoll > 0)
        (void)close(w->epoll);
    free(w);
}

/* ---- what a free connection does next ---- */

static bool is_open_load(const struct worker *w)
{
    return w->config->rate > 0;
}

/* Closed load: whether a request may begin now. */
static bool may_begin(const struct worker *w, uint64_t now)
{
    return !w->stopped && w->begun < w->quota && now < w->until_ns;
}

static void begin_closed(struct worker *w, struct conn *c)
{
    uint64_t now = w->now_ns;
    if (!may_begin(w, now))
        return;
    if (c->state == CONN_IDLE)
        conn_send(w, c, 0);
    else if (c->state == CONN_CLOSED && now >= c->retry_ns)
        conn_open(w, c);
    else
        w->broken |= c->state == CONN_CLOSED;
}

void worker_conn_free(struct worker *w, struct conn *c)
{
    if (!is_open_load(w)) {
        if (c->side == w->side)
            begin_closed(w, c);
        return;
    }
    struct lane *lane = &w->lanes[c->side];
    if (!c->listed)
        lane->idle[lane->idle_count++] = c;
    c->listed = true;
}

/* ---- open load ---- */

static bool is_exhausted(const struct worker *w, uint64_t now)
{
    return w->stopped || w->begun >= w->quota || now >= w->until_ns || schedule_peek(&w->schedule) >= w->until_ns;
}

static void send_due(struct worker *w, uint64_t now)
{
    struct lane *lane = &w->lanes[w->side];
    while (lane->idle_count > 0 && !is_exhausted(w, now) && schedule_peek(&w->schedule) <= now) {
        struct conn *c = lane->idle[--lane->idle_count];
        uint64_t intended = schedule_peek(&w->schedule);
        bool counts = conn_counts(w, intended);
        c->listed = false;
        schedule_advance(&w->schedule);
        w->begun += counts;
        w->tally.planned += counts;
        if (c->state == CONN_IDLE) {
            conn_send(w, c, intended);
        } else {
            c->pending = true;
            c->intended_ns = intended;
            c->measured = counts;
            w->busy++;
            conn_open(w, c);
        }
    }
}

/* What was due inside the window and never left. */
static void count_dropped(struct worker *w)
{
    if (!is_open_load(w) || w->quota != UINT64_MAX || w->stopped)
        return;
    for (; schedule_peek(&w->schedule) < w->until_ns; schedule_advance(&w->schedule)) {
        bool counts = conn_counts(w, schedule_peek(&w->schedule));
        w->tally.dropped += counts;
        w->tally.planned += counts;
    }
}

/* ---- the loop ---- */

static bool is_over(const struct worker *w, uint64_t now)
{
    bool more = is_open_load(w) ? !is_exhausted(w, now) : may_begin(w, now);
    return !more && w->busy == 0;
}

/* Timeouts, connections to be opened again, and the end of patience when the run was stopped. */
static void sweep(struct worker *w, uint64_t now, uint64_t stopped_ns)
{
    struct lane *lane = &w->lanes[w->side];
    bool abandon = w->stopped && now - stopped_ns > ABANDON_NS;
    w->broken = false;
    /* A run by count would go on with refusals until they are as many, and one by time is of no more use either. */
    if (lane->refused_ns > 0 && now > lane->refused_ns + w->config->give_up_ms * 1000000)
        atomic_store(&w->run->stop, true);
    for (unsigned i = 0; i < lane->count; i++) {
        struct conn *c = &lane->conns[i];
        bool asked = c->state == CONN_BUSY || c->pending;
        if (abandon && asked) {
            w->tally.abandoned += c->measured;
            w->busy--;
            c->pending = false;
            conn_close(w, c);
            worker_conn_free(w, c);
            continue;
        }
        conn_check_timeout(w, c, now);
        if (!is_open_load(w) && c->state == CONN_CLOSED)
            begin_closed(w, c);
    }
}

static uint64_t wait_until(const struct worker *w, uint64_t now, uint64_t next_sweep)
{
    uint64_t until = next_sweep;
    if (now < w->until_ns && w->until_ns < until)
        until = w->until_ns;
    if (is_open_load(w) && w->lanes[w->side].idle_count > 0 && !is_exhausted(w, now)) {
        uint64_t due = schedule_peek(&w->schedule);
        until = due < until ? due : until;
    }
    return until > now ? until - now : 0;
}

static int wait_events(struct worker *w, struct epoll_event *events, uint64_t wait_ns)
{
    struct timespec limit = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
    int n = epoll_pwait2(w->epoll, events, EVENTS_MAX, &limit, NULL);
    if (n < 0 && errno == ENOSYS) /* kernels before 5.11: to the millisecond */
        n = epoll_wait(w->epoll, events, EVENTS_MAX, (int)(wait_ns / 1000000));
    return n;
}

static void loop(struct worker *w)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now = now_ns(), next_sweep = now + SWEEP_NS, stopped_ns = 0;
    while (!is_over(w, now)) {
        if (!w->stopped && atomic_load_explicit(&w->run->stop, memory_order_relaxed)) {
            w->stopped = true;
            stopped_ns = now;
        }
        if (is_open_load(w))
            send_due(w, now);
        if (now >= next_sweep) {
            sweep(w, now, stopped_ns);
            next_sweep = now + (w->broken ? SWEEP_RETRY_NS : SWEEP_NS);
        } else if (w->broken && next_sweep > now + SWEEP_RETRY_NS) {
            next_sweep = now + SWEEP_RETRY_NS;
        }
        int n = wait_events(w, events, wait_until(w, now, next_sweep));
        w->woke_ns = w->now_ns = now_ns();
        for (int i = 0; i < n; i++)
            conn_event(w, events[i].data.ptr, events[i].events);
        now = w->now_ns = now_ns();
    }
}

/* ---- own expense ---- */

static uint64_t thread_cpu_ns(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0 ? (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec : 0;
}

/* Nanoseconds this thread was ready to run and did not (second figure of schedstat, Linux' sched-stats.rst). */
static bool thread_wait_ns(uint64_t *out)
{
    char text[96];
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    char *end;
    (void)strtoull(text, &end, 10);
    *out = strtoull(end, NULL, 10);
    return true;
}

/* ---- blocks ---- */

static void block_begin(struct worker *w, const struct block *b, size_t index)
{
    uint64_t start = w->run->block_start_ns;
    unsigned threads = w->config->threads;
    w->side = b->side;
    w->counting = b->measured;
    w->from_ns = start + b->settle_ns;
    w->until_ns = b->duration_ns > 0 ? w->from_ns + b->duration_ns : UINT64_MAX;
    w->quota = b->count > 0 ? b->count / threads + (w->index < b->count % threads) : UINT64_MAX;
    w->begun = 0;
    w->last_end_ns = 0;
    w->broken = false;
    if (is_open_load(w))
        schedule_init(&w->schedule, w->config, w->index, start, index + 1);
    struct timespec at = {(time_t)(start / 1000000000), (long)(start % 1000000000)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    w->now_ns = now_ns();
    struct lane *lane = &w->lanes[b->side];
    for (unsigned i = 0; !is_open_load(w) && i < lane->count; i++)
        begin_closed(w, &lane->conns[i]);
}

static void block_end(struct worker *w, const struct block *b, size_t index)
{
    struct bench_tally *t = &w->tally, *total = &w->totals[b->side];
    uint64_t end = b->duration_ns > 0 && !w->stopped ? w->until_ns : b->duration_ns > 0 ? now_ns() : w->last_end_ns;
    count_dropped(w);
    if (!is_open_load(w))
        t->planned = t->sent;
    if (!b->measured) { /* connections are made once; theirs is the one figure of a warm-up that is kept */
        hist_merge(total->metrics[BENCH_CONNECT], t->metrics[BENCH_CONNECT]);
        total->connects += t->connects;
    } else {
        uint64_t before = total->measured_ns;
        t->measured_ns = 0;
        for (size_t m = 0; w->run->paired && m < BLOCK_METRICS; m++)
            w->failed |= hist_pack(t->metrics[block_metrics[m]], &w->parts[index][m]) != OK;
        tally_merge(total, t);
        total->measured_ns = before + (end > w->from_ns ? end - w->from_ns : 0);
    }
    tally_reset(t);
}

static void run_block(struct worker *w, size_t index)
{
    const struct block *b = &w->run->blocks[index];
    uint64_t cpu = thread_cpu_ns(), wall = now_ns(), wait_before = 0, wait_after = 0;
    bool known = thread_wait_ns(&wait_before);
    block_begin(w, b, index);
    loop(w);
    if (b->measured) {
        w->cpu_ns += thread_cpu_ns() - cpu;
        w->wall_ns += now_ns() - wall;
        w->wait_known = known && thread_wait_ns(&wait_after);
        w->wait_ns += w->wait_known ? wait_after - wait_before : 0;
    }
    block_end(w, b, index);
}

static void run_blocks(struct worker *w)
{
    struct run *run = w->run;
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    for (size_t i = 0; i < run->block_count; i++) {
        if (pthread_barrier_wait(&run->barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
            run->ended = atomic_load(&run->stop);
            run->block_start_ns = now_ns() + HEAD_START_NS;
        }
        (void)pthread_barrier_wait(&run->barrier);
        if (run->ended)
            break;
        run_block(w, i);
    }
}

void *worker_main(void *worker)
{
    struct worker *w = worker;
    struct run *run = w->run;
    (void)pthread_mutex_lock(&run->gate);
    bool aborted = run->aborted;
    (void)pthread_mutex_unlock(&run->gate);
    if (!aborted)
        run_blocks(w);
    (void)pthread_mutex_lock(&run->gate);
    run->running--;
    (void)pthread_cond_signal(&run->home);
    (void)pthread_mutex_unlock(&run->gate);
    return NULL;
}

/* ---- after the run ---- */

struct bench_tally *worker_tally(struct worker *w, enum bench_side side)
{
    return &w->totals[side];
}

const struct hist_sparse *worker_block(const struct worker *w, size_t block, size_t metric)
{
    return &w->parts[block][metric];
}

void worker_counts(const struct worker *w, uint64_t *done, uint64_t *errors)
{
    *done += atomic_load_explicit(&w->done, memory_order_relaxed);
    *errors += atomic_load_explicit(&w->errors, memory_order_relaxed);
}

double worker_cpu_share(const struct worker *w)
{
    return w->wall_ns == 0 ? 0 : (double)w->cpu_ns / (double)w->wall_ns;
}

double worker_wait_share(const struct worker *w)
{
    return w->wall_ns == 0 || !w->wait_known ? -1 : (double)w->wait_ns / (double)w->wall_ns;
}

bool worker_failed(const struct worker *w)
{
    return w->failed;
}
