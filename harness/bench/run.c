/* A run is a list of blocks, the workers that walk it in step, and the sum of what they counted. This file makes the
 * list, starts and watches the workers, adds up, compares, and judges the rig: a run whose generator was the limit
 * says so instead of looking like a measurement.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "harness/bench/paired.h"
#include "harness/bench/request.h"
#include "harness/bench/schedule.h"
#include "harness/bench/tally.h"
#include "harness/bench/worker.h"

#define REACH_NS       UINT64_C(1000000000) /* how long a first connection may take */
#define PROGRESS_NS    UINT64_C(100000000)
#define PAIRS_MIN      6u /* below it no difference can be seen: see paired.h */
#define FDS_BESIDE     64u
#define CALIBRATE_MANY 40u
#define BUSY_ENOUGH    0.9 /* of the connections' time: all are busy; what is left is the way between two requests */
#define UNSENT_ENOUGH  0.1 /* of what was planned: more than a burst of the schedule leaves behind */
#define CPU_IDLE       0.5 /* a generator below it was not what held requests back */

void bench_config_init(struct bench_config *config)
{
    *config = (struct bench_config){
        .target.dialect = BENCH_OPENAI_CHAT,
        .direct.dialect = BENCH_BEDROCK_CONVERSE,
        .model = "amazon.nova-lite-v1:0",
        .prompt = "Count to ten.",
        .max_tokens = 256,
        .probe = true,
        .one_host = true,
        .region = "us-east-1",
        .connections = 32,
        .threads = 1,
        .seed = 1,
        .duration_ms = 10000,
        .warmup_ms = 500,
        .block_ms = 250,
        .settle_ms = 20,
        .timeout_ms = 30000,
        .give_up_ms = 10000,
        .stall_ms = 500,
        .resamples = 1000,
        .lateness_limit_us = 1000,
        .cpu_limit = 0.95,
    };
}

/* ---- before ---- */

static enum err check_config(const struct bench_config *c, struct note *note)
{
    const struct {
        bool bad;
        const char *why;
    } rows[] = {
        {c->target.url == NULL, "there is no target url"},
        {c->connections == 0 || c->connections > BENCH_CONNECTIONS_MAX, "connections must be 1 to 65536"},
        {c->threads == 0 || c->threads > BENCH_THREADS_MAX, "threads must be 1 to 64"},
        {c->threads > c->connections, "there are more threads than connections"},
        {!isfinite(c->rate) || c->rate < 0 || c->rate > 1e8,
         "the rate must be 0 (closed load) to 100000000 per second"},
        {c->count == 0 && c->duration_ms == 0, "neither a count nor a duration says when to end"},
        {c->duration_ms > 86400000 || c->warmup_ms > 3600000, "a run lasts a day at most, its warm-up an hour"},
        {c->timeout_ms == 0 || c->timeout_ms > 3600000, "the timeout must be 1 ms to one hour"},
        {c->direct.url != NULL && (c->block_ms < 10 || c->settle_ms >= c->block_ms),
         "a block must last 10 ms, and longer than it takes to settle"},
        {c->direct.url != NULL && (c->resamples < 100 || c->resamples > 100000), "resamples must be 100 to 100000"},
        {c->body == NULL && (c->model == NULL || c->prompt == NULL), "a model and a prompt are needed to make a body"},
        {c->target.dialect == BENCH_BEDROCK_CONVERSE && c->model == NULL, "the path needs a model"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].bad)
            return note_set(note, ERR_INVALID, "%s", rows[i].why);
    return OK;
}

static void read_ports(struct bench_rig *rig)
{
    unsigned long low = 32768, high = 60999;
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (f != NULL && fscanf(f, "%lu %lu", &low, &high) != 2)
        low = 32768, high = 60999;
    if (f != NULL)
        (void)fclose(f);
    rig->ports_available = high >= low ? high - low + 1 : 0;
}

/* Descriptors are raised to the hard limit; ports only matter as far as connections are kept. */
static enum err check_rig(const struct bench_config *c, bool paired, struct bench_rig *rig, struct note *note)
{
    struct rlimit limit = {0, 0};
    rig->ports_needed = c->connections;
    rig->fds_needed = (uint64_t)c->connections * (paired ? 2 : 1) + c->threads + FDS_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < rig->fds_needed && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    rig->fds_limit = limit.rlim_cur;
    read_ports(rig);
    if (rig->fds_limit < rig->fds_needed)
        return note_set(note, ERR_LIMIT,
                        "%u connections need %llu descriptors, and this process may have %llu (ulimit -n)",
                        c->connections, (unsigned long long)rig->fds_needed, (unsigned long long)rig->fds_limit);
    if (rig->ports_available < rig->ports_needed)
        return note_set(note, ERR_LIMIT, "%u connections need as many local ports, and there are %llu", c->connections,
                        (unsigned long long)rig->ports_available);
    return OK;
}

static enum err connect_once(const struct request *r)
{
    int fd = socket(r->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    int error = connect(fd, (const struct sockaddr *)&r->address, r->address_size) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof error;
        if (poll(&p, 1, (int)(REACH_NS / 1000000)) <= 0)
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
    }
    (void)close(fd);
    errno = error;
    return error == 0 ? OK : ERR_CLOSED;
}

static enum err check_reachable(const struct bench_config *c, enum bench_side side, struct note *note)
{
    CLEANUP(request_release) struct request r;
    enum err e = request_init(&r, c, side, note);
    uint64_t until = now_ns() + REACH_NS;
    while (e == OK && connect_once(&r) != OK) {
        int error = errno;
        if (now_ns() >= until)
            return note_set(note, ERR_CLOSED, "%s: no connection: %s",
                            side == BENCH_TARGET ? c->target.url : c->direct.url, strerror(error));
        struct timespec pause = {0, 50000000};
        (void)nanosleep(&pause, NULL);
    }
    return e;
}

/* ---- the blocks ---- */

static size_t plan_pairs(const struct bench_config *c)
{
    uint64_t pairs = c->count > 0 ? c->count / 100 : c->duration_ms / (2 * c->block_ms);
    uint64_t most = (BENCH_BLOCKS_MAX - 2) / 2;
    if (c->count > 0)
        most = 30;
    pairs = pairs > most ? most : pairs;
    return pairs < 1 ? 1 : (size_t)pairs;
}

/* Two blocks for warming up, then A B B A ... In a run by count the rest of the division goes to the first pairs. */
static size_t plan_paired(const struct bench_config *c, struct block *blocks)
{
    size_t n = 0, pairs = plan_pairs(c);
    for (int side = BENCH_SIDES - 1; side >= 0 && c->warmup_ms > 0; side--)
        blocks[n++] = (struct block){.side = (enum bench_side)side, .duration_ns = (c->warmup_ms + 1) / 2 * 1000000};
    for (size_t i = 0; i < pairs; i++) {
        struct block b = {.measured = true, .settle_ns = c->settle_ms * 1000000};
        b.count = c->count > 0 ? c->count / pairs + (i < c->count % pairs) : 0;
        b.duration_ns = c->count > 0 ? 0 : c->duration_ms * 1000000 / (2 * pairs) - b.settle_ns;
        b.side = i % 2 == 0 ? BENCH_DIRECT : BENCH_TARGET;
        blocks[n++] = b;
        b.side = i % 2 == 0 ? BENCH_TARGET : BENCH_DIRECT;
        blocks[n++] = b;
    }
    return n;
}

static size_t plan_blocks(const struct bench_config *c, bool paired, struct block *blocks)
{
    if (paired)
        return plan_paired(c, blocks);
    blocks[0] = (struct block){BENCH_TARGET, true, c->warmup_ms * 1000000, c->count > 0 ? 0 : c->duration_ms * 1000000,
                               c->count};
    return 1;
}

/* ---- the run ---- */

struct crew {
    struct run run;
    struct block *blocks;
    struct worker *workers[BENCH_THREADS_MAX];
    pthread_t threads[BENCH_THREADS_MAX];
    unsigned count;
};

static void crew_release(struct crew *crew)
{
    for (unsigned i = 0; i < BENCH_THREADS_MAX; i++)
        worker_free(crew->workers[i]);
    free(crew->blocks);
}

static void report_progress(struct crew *crew, uint64_t *last_ns, uint64_t *last_done)
{
    const struct bench_config *c = crew->run.config;
    struct bench_progress p = {0};
    uint64_t now = now_ns(), planned_ns = 0;
    for (unsigned i = 0; i < crew->count; i++)
        worker_counts(crew->workers[i], &p.done, &p.errors);
    for (size_t i = 0; i < crew->run.block_count; i++)
        planned_ns += crew->blocks[i].settle_ns + crew->blocks[i].duration_ns;
    p.elapsed_s = (double)(now - crew->run.started_ns) / 1e9;
    p.planned_s = c->count > 0 ? 0 : (double)planned_ns / 1e9;
    p.planned = c->count > 0 ? c->count * (crew->run.paired ? 2 : 1) : 0;
    p.rate = now > *last_ns ? (double)(p.done - *last_done) * 1e9 / (double)(now - *last_ns) : 0;
    *last_ns = now;
    *last_done = p.done;
    if (c->progress != NULL)
        c->progress(c->progress_ctx, &p);
}

/* Ten times a second until the last worker has gone home. The gate is held but for the waits. */
static void watch(struct crew *crew)
{
    const struct bench_config *c = crew->run.config;
    uint64_t last_ns = crew->run.started_ns, last_done = 0;
    while (crew->run.running > 0) {
        uint64_t at = now_ns() + PROGRESS_NS;
        struct timespec until = {(time_t)(at / 1000000000), (long)(at % 1000000000)};
        if (pthread_cond_clockwait(&crew->run.home, &crew->run.gate, CLOCK_MONOTONIC, &until) == 0)
            continue;
        if (c->stop != NULL && atomic_load(c->stop))
            atomic_store(&crew->run.stop, true);
        report_progress(crew, &last_ns, &last_done);
    }
}

static enum err start_threads(struct crew *crew, struct note *note)
{
    struct run *run = &crew->run;
    unsigned wanted = run->config->threads;
    if (pthread_barrier_init(&run->barrier, NULL, wanted) != 0)
        return note_set(note, ERR_IO, "no barrier for %u threads", wanted);
    (void)pthread_mutex_init(&run->gate, NULL);
    (void)pthread_cond_init(&run->home, NULL);
    (void)pthread_mutex_lock(&run->gate);
    run->started_ns = now_ns();
    while (crew->count < wanted &&
           pthread_create(&crew->threads[crew->count], NULL, worker_main, crew->workers[crew->count]) == 0)
        crew->count++;
    run->aborted = crew->count < wanted;
    run->running = crew->count;
    watch(crew);
    (void)pthread_mutex_unlock(&run->gate);
    for (unsigned i = 0; i < crew->count; i++)
        (void)pthread_join(crew->threads[i], NULL);
    (void)pthread_barrier_destroy(&run->barrier);
    (void)pthread_cond_destroy(&run->home);
    (void)pthread_mutex_destroy(&run->gate);
    return run->aborted ? note_set(note, ERR_IO, "only %u of %u threads could be started", crew->count, wanted) : OK;
}

static enum err crew_run(struct crew *crew, const struct bench_config *c, bool paired, struct note *note)
{
    struct timespec t;
    uint64_t salt = clock_gettime(CLOCK_REALTIME, &t) == 0
                        ? (uint64_t)t.tv_nsec ^ (uint64_t)t.tv_sec << 30 ^ (uint64_t)getpid()
                        : 0;
    crew->blocks = calloc(BENCH_BLOCKS_MAX, sizeof *crew->blocks);
    if (crew->blocks == NULL)
        return ERR_NOMEM;
    crew->run.config = c;
    crew->run.paired = paired;
    crew->run.blocks = crew->blocks;
    crew->run.block_count = plan_blocks(c, paired, crew->blocks);
    /* 24 bits that differ from run to run, so that a frame of an earlier run shows as foreign; 8 of the worker; 32 to
     * count. */
    crew->run.id_salt = schedule_random(&salt) << 40;
    for (unsigned i = 0; i < c->threads; i++) {
        enum err e = worker_new(&crew->run, i, &crew->workers[i], note);
        if (e != OK)
            return e;
    }
    return start_threads(crew, note);
}

/* ---- after ---- */

static enum err pack_pair(struct crew *crew, size_t block, size_t metric, struct hist *scratch, struct hist_sparse *out)
{
    hist_reset(scratch);
    for (unsigned i = 0; i < crew->count; i++)
        hist_add_sparse(scratch, worker_block(crew->workers[i], block, metric));
    return hist_pack(scratch, out);
}

static enum err compare_metric(struct crew *crew, size_t metric, struct pair *pairs, struct hist *scratch,
                               struct bench_result *out)
{
    size_t n = 0;
    enum err e = OK;
    for (size_t b = 0; b + 1 < crew->run.block_count && e == OK; b++) {
        if (!crew->blocks[b].measured)
            continue;
        e = pack_pair(crew, b, metric, scratch, &pairs[n].sides[crew->blocks[b].side]);
        b++;
        if (e == OK)
            e = pack_pair(crew, b, metric, scratch, &pairs[n].sides[crew->blocks[b].side]);
        n++;
    }
    unsigned whole = 0;
    for (size_t i = 0; i < n; i++)
        whole += pairs[i].sides[0].count > 0 && pairs[i].sides[1].count > 0;
    if (e == OK && whole > 0) {
        e = paired_compare(pairs, n, block_metrics[metric], out->config.resamples, out->config.seed,
                           out->differences + out->difference_count);
        out->difference_count += PAIRED_QUANTILES;
        out->pairs = whole > out->pairs ? whole : out->pairs;
    }
    for (size_t i = 0; i < n; i++)
        for (int s = 0; s < BENCH_SIDES; s++)
            hist_sparse_release(&pairs[i].sides[s]);
    return e;
}

static enum err compare_sides(struct crew *crew, struct bench_result *out)
{
    static_assert(BLOCK_METRICS * PAIRED_QUANTILES <= BENCH_DIFFERENCES_MAX, "rows for all");
    CLEANUP(hist_free) struct hist *scratch = hist_new();
    CLEANUP(free_ptr) struct pair *pairs = calloc(crew->run.block_count, sizeof *pairs);
    if (scratch == NULL || pairs == NULL)
        return ERR_NOMEM;
    enum err e = OK;
    for (size_t m = 0; m < BLOCK_METRICS && e == OK; m++)
        e = compare_metric(crew, m, pairs, scratch, out);
    return e;
}

static enum err add_up(struct crew *crew, struct bench_result *out, struct note *note)
{
    out->rig.wait_share = -1;
    for (unsigned i = 0; i < crew->count; i++) {
        struct worker *w = crew->workers[i];
        if (worker_failed(w))
            return note_set(note, ERR_NOMEM, "a worker ran out of memory, or of epoll room");
        for (int s = 0; s < (out->paired ? BENCH_SIDES : 1); s++)
            tally_merge(&out->sides[s], worker_tally(w, (enum bench_side)s));
        out->rig.cpu_share = fmax(out->rig.cpu_share, worker_cpu_share(w));
        out->rig.wait_share = fmax(out->rig.wait_share, worker_wait_share(w));
    }
    for (int s = 0; s < BENCH_SIDES; s++) {
        uint64_t late = hist_quantile(out->sides[s].metrics[BENCH_LATENESS], 0.99);
        uint64_t queue = hist_quantile(out->sides[s].metrics[BENCH_QUEUE], 0.99);
        out->rig.lateness_p99_ns = late > out->rig.lateness_p99_ns ? late : out->rig.lateness_p99_ns;
        out->rig.queue_p99_ns = queue > out->rig.queue_p99_ns ? queue : out->rig.queue_p99_ns;
    }
    return OK;
}

static void set_verdict(struct bench_result *r, enum bench_verdict v, const char *format, ...) PRINTF_LIKE(3, 4);
static void set_verdict(struct bench_result *r, enum bench_verdict v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(r->reason, sizeof r->reason, format, args);
    va_end(args);
    r->verdict = v;
}

/* A side that refused connections during the run, and still does. */
static bool has_died(const struct bench_result *r, enum bench_side side)
{
    CLEANUP(request_release) struct request request = {.id_at = SIZE_MAX};
    bool refused = false;
    for (size_t i = 0; i < r->sides[side].error_count; i++)
        refused |= r->sides[side].errors[i].class == BENCH_ERR_CONNECT;
    return refused && request_init(&request, &r->config, side, NULL) == OK && connect_once(&request) != OK;
}

/* Share of the measured time that the connections of an open load spent waiting for answers, 0..1. */
static double busy_share(const struct bench_config *c, const struct bench_tally *t)
{
    const struct hist *service = t->metrics[BENCH_SERVICE];
    double all = (double)t->measured_ns * c->connections;
    return all <= 0 ? 0 : hist_mean(service) * (double)service->count / all;
}

/* Requests that could not be sent at all, of those planned: when the generator idles, no connection was free for them. A
 * side that is asked for several times what it carries spends the run on the requests of the warmup, so that few of the
 * measured ones are answered and busy_share() is low. */
static double unsent_share(const struct bench_tally *t)
{
    return t->planned == 0 ? 0 : (double)t->dropped / (double)t->planned;
}

/* What the connections carry when none ever rests. */
static double carried_rate(const struct bench_config *c, const struct bench_tally *t)
{
    double service_ns = hist_mean(t->metrics[BENCH_SERVICE]);
    return service_ns > 0 ? c->connections * 1e9 / service_ns : 0;
}

/* Requests left late: because no connection was free while the generator idled, which is the side's doing, or we cannot
 * tell. No times either way: the load that was asked for was not the load that ran. */
static void judge_late(struct bench_result *r)
{
    const struct bench_config *c = &r->config;
    uint64_t direct_late = hist_quantile(r->sides[BENCH_DIRECT].metrics[BENCH_LATENESS], 0.99);
    enum bench_side side = r->paired && direct_late >= r->rig.lateness_p99_ns ? BENCH_DIRECT : BENCH_TARGET;
    const struct bench_tally *t = &r->sides[side];
    bool unsent = unsent_share(t) >= UNSENT_ENOUGH && r->rig.wait_share <= CPU_IDLE;
    if ((unsent || busy_share(c, t) >= BUSY_ENOUGH) && r->rig.cpu_share <= CPU_IDLE)
        set_verdict(r, BENCH_SATURATED,
                    "the %s was the limit, not this rig: with %u connection%s, all busy nearly all the time while the generator "
                    "idled (CPU %.0f %%), it answers %.0f/s where %.0f/s were asked. Requests left late for that (p99 %.0f us), so "
                    "the times hold waiting of our own and say nothing of %.0f/s, hence exit code 5; lower -R to measure "
                    "times, raise -c if it takes more at once",
                    side == BENCH_TARGET ? "target" : "direct side", c->connections, c->connections > 1 ? "s" : "",
                    100 * r->rig.cpu_share, carried_rate(c, t), c->rate, (double)r->rig.lateness_p99_ns / 1e3, c->rate);
    else
        set_verdict(
            r, BENCH_INCONCLUSIVE,
            "requests left late (p99 %.0f us, limit %llu us): the generator, or too few connections, was the limit",
            (double)r->rig.lateness_p99_ns / 1e3, (unsigned long long)c->lateness_limit_us);
}

static void judge(struct bench_result *r, bool stopped)
{
    const struct bench_config *c = &r->config;
    const struct bench_tally *t = &r->sides[BENCH_TARGET], *d = &r->sides[BENCH_DIRECT];
    bool target_died = has_died(r, BENCH_TARGET);
    if (target_died || (r->paired && has_died(r, BENCH_DIRECT)))
        set_verdict(r, BENCH_DIED, "the %s took connections at first and refuses them now",
                    target_died ? "target" : "direct side");
    else if (t->completed == 0 || (r->paired && d->completed == 0))
        set_verdict(r, BENCH_NOTHING, "no request to the %s was answered well; %llu failed",
                    t->completed == 0 ? "target" : "direct side",
                    (unsigned long long)(t->completed == 0 ? t->failed : d->failed));
    else if (stopped)
        set_verdict(r, BENCH_INTERRUPTED, "stopped before its end; the figures are those until then");
    else if (c->rate > 0 && r->rig.lateness_p99_ns > c->lateness_limit_us * 1000)
        judge_late(r);
    else if (r->rig.cpu_share > c->cpu_limit)
        set_verdict(r, BENCH_INCONCLUSIVE,
                    "a generator thread was on a CPU %.0f %% of the time (limit %.0f %%): it was the limit; give it "
                    "more threads or fewer connections",
                    100 * r->rig.cpu_share, 100 * c->cpu_limit);
    else if (r->paired && r->pairs < PAIRS_MIN)
        set_verdict(r, BENCH_INCONCLUSIVE,
                    "%u pairs of blocks; a comparison needs %u: measure longer, or with shorter blocks (--block)",
                    r->pairs, PAIRS_MIN);
}

enum err bench_run(const struct bench_config *config, struct bench_result **out, struct note *note)
{
    *out = NULL;
    bool paired = config->direct.url != NULL;
    CLEANUP(bench_result_free) struct bench_result *r = calloc(1, sizeof *r);
    CLEANUP(crew_release) struct crew crew;
    memset(&crew, 0, sizeof crew);
    if (r == NULL || tally_init(&r->sides[0]) != OK || tally_init(&r->sides[1]) != OK)
        return ERR_NOMEM;
    r->config = *config;
    r->paired = paired;
    r->warmup_ns = config->warmup_ms * 1000000;
    enum err e = check_config(config, note);
    if (e == OK)
        e = check_rig(config, paired, &r->rig, note);
    for (int s = paired ? 1 : 0; s >= 0 && e == OK; s--)
        e = check_reachable(config, (enum bench_side)s, note);
    r->start_wall_ns = wall_ns();
    if (e == OK)
        e = crew_run(&crew, &r->config, paired, note);
    r->end_wall_ns = wall_ns();
    if (e == OK)
        e = add_up(&crew, r, note);
    if (e == OK && paired)
        e = compare_sides(&crew, r);
    if (e != OK)
        return e;
    judge(r, atomic_load(&crew.run.stop));
    *out = r;
    r = NULL;
    return OK;
}

void bench_result_free(struct bench_result **result)
{
    if (result == NULL || *result == NULL)
        return;
    for (int s = 0; s < BENCH_SIDES; s++)
        tally_release(&(*result)->sides[s]);
    free(*result);
    *result = NULL;
}

int bench_exit_code(const struct bench_result *result)
{
    static const int codes[] = {[BENCH_MEASURED] = 0,
                                [BENCH_INCONCLUSIVE] = 5,
                                [BENCH_NOTHING] = 4,
                                [BENCH_INTERRUPTED] = 105,
                                [BENCH_DIED] = 6,
                                [BENCH_SATURATED] = 5}; /* the load that was asked for did not run */
    return codes[result->verdict];
}

/* ---- calibration ---- */

static int64_t median_us(const struct hist *h)
{
    return h->count == 0 ? -1 : (int64_t)(hist_quantile(h, 0.5) + 500) / 1000;
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

/* What the mock really waited; what it was told to, when its stamps did not say. */
static int64_t truth_of(const struct bench_calibration *c)
{
    return c->kept_ttft_us >= 0 ? c->kept_ttft_us : c->injected_ttft_us;
}

static void judge_calibration(struct bench_calibration *c, bool stream)
{
    int64_t truth = truth_of(c);
    int64_t ttft = distance(c->read_ttft_us, truth), itl = stream ? distance(c->read_itl_us, c->injected_itl_us) : 0;
    int64_t mock = distance(truth, c->injected_ttft_us);
    c->max_error_us = ttft > itl ? ttft : itl;
    c->good = c->read_ttft_us >= 0 && (!stream || c->read_itl_us >= 0) && c->max_error_us <= c->tolerance_us &&
              mock <= BENCH_MOCK_SLACK_US;
    if (mock > BENCH_MOCK_SLACK_US && mock > c->max_error_us)
        c->max_error_us = mock;
}

enum err bench_calibrate(const struct bench_config *config, int64_t injected_ttft_us, int64_t injected_itl_us,
                         int64_t tolerance_us, struct bench_calibration *out, struct note *note)
{
    struct bench_config c = *config;
    CLEANUP(bench_result_free) struct bench_result *r = NULL;
    *out = (struct bench_calibration){.done = true,
                                      .injected_ttft_us = injected_ttft_us,
                                      .injected_itl_us = injected_itl_us,
                                      .kept_ttft_us = -1,
                                      .read_ttft_us = -1,
                                      .read_itl_us = -1,
                                      .tolerance_us = tolerance_us > 0 ? tolerance_us : 100,
                                      .floor_us = -1};
    c.direct.url = NULL;
    c.connections = c.threads = 1;
    c.rate = 0;
    c.count = CALIBRATE_MANY;
    c.warmup_ms = 100;
    c.progress = NULL;
    enum err e = bench_run(&c, &r, note);
    if (e != OK)
        return e;
    struct hist *const *m = r->sides[BENCH_TARGET].metrics;
    out->kept_ttft_us = median_us(m[BENCH_UPSTREAM]);
    out->read_ttft_us = median_us(m[c.stream ? BENCH_TTFT : BENCH_E2E]);
    out->read_itl_us = c.stream ? median_us(m[BENCH_ITL]) : -1;
    judge_calibration(out, c.stream);
    return OK;
}

void bench_calibrate_step(const struct bench_calibration *first, const struct bench_calibration *second,
                          struct bench_calibration *out)
{
    *out = *second;
    bool read =
        first->read_ttft_us >= 0 && second->read_ttft_us >= 0 && first->read_itl_us >= 0 && second->read_itl_us >= 0;
    int64_t truth = truth_of(second) - truth_of(first);
    out->injected_ttft_us = second->injected_ttft_us - first->injected_ttft_us;
    out->kept_ttft_us = truth;
    out->read_ttft_us = read ? second->read_ttft_us - first->read_ttft_us : -1;
    out->floor_us = read ? first->read_ttft_us - truth_of(first) : -1;
    int64_t itl = distance(first->read_itl_us, first->injected_itl_us);
    if (itl > distance(second->read_itl_us, second->injected_itl_us))
        out->read_itl_us = first->read_itl_us;
    itl = distance(out->read_itl_us, out->injected_itl_us);
    out->max_error_us = distance(out->read_ttft_us, truth) > itl ? distance(out->read_ttft_us, truth) : itl;
    out->good =
        read && out->max_error_us <= out->tolerance_us && distance(truth, out->injected_ttft_us) <= BENCH_MOCK_SLACK_US;
}

void bench_set_calibration(struct bench_result *result, const struct bench_calibration *calibration)
{
    result->calibration = *calibration;
    if (calibration->done && !calibration->good && result->verdict == BENCH_MEASURED)
        set_verdict(result, BENCH_INCONCLUSIVE,
                    "calibration failed: to the first content %lld us were injected, the mock kept %lld, %lld were "
                    "read; between contents %lld were "
                    "injected, %lld read (tolerance %lld us%s)",
                    (long long)calibration->injected_ttft_us, (long long)calibration->kept_ttft_us,
                    (long long)calibration->read_ttft_us, (long long)calibration->injected_itl_us,
                    (long long)calibration->read_itl_us, (long long)calibration->tolerance_us,
                    calibration->kept_ttft_us == -1 || calibration->read_ttft_us == -1 || calibration->read_itl_us == -1
                        ? "; -1: unknown"
                        : "");
}
