/* server_rig.h: a server whose answers are looked up in a table of scripts by path, and what it saw.
 *
 * For the tests of net/, over HTTP/1.1 (server.c) and HTTP/2 (http2.c): one table, so that both are asked the same.
 * Every test ends with rig_stop(), after which the number of exchanges handed out must equal the number of done()
 * calls.
 */
#ifndef MOHS_TESTS_SERVER_RIG_H
#define MOHS_TESTS_SERVER_RIG_H

#include "net/server.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS ((uint64_t)1000000)

/* ---- the rig: a server, and what it saw ---- */

struct rig {
    struct server *server;
    struct gates *gates;
    pthread_mutex_t lock;
    size_t handled, done;
    struct delivery last;
    struct buf echo; /* of the last request */
    char log[1024];
    size_t logs;
    size_t drains;
};

static struct rig rig;

static void on_done(void *ctx, struct exchange *x, const struct delivery *d)
{
    (void)ctx, (void)x;
    pthread_mutex_lock(&rig.lock);
    rig.done++;
    rig.last = *d;
    pthread_mutex_unlock(&rig.lock);
}

static struct span frame(void)
{
    return SPAN_LIT("0123456789");
}

static struct plan *stream(size_t n, uint64_t after_ns)
{
    struct plan *plan = plan_new(200);
    plan_header(plan, "Content-Type", "text/event-stream");
    for (size_t i = 0; i < n; i++)
        (void)plan_add(plan, frame(), after_ns, i);
    return plan;
}

static struct plan *text(const char *body)
{
    struct plan *plan = plan_new(200);
    plan_body(plan, "text/plain", span_of(body));
    return plan;
}

static size_t locked(const size_t *counter)
{
    pthread_mutex_lock(&rig.lock);
    size_t n = *counter;
    pthread_mutex_unlock(&rig.lock);
    return n;
}

/* ---- scripts ---- */

static void stamp(void *ctx, struct plan *plan, size_t i, uint64_t now)
{
    (void)ctx, (void)now;
    plan->bytes.data[plan->pieces[i].from] = (char)('A' + i);
}

static struct plan *plan_echo(const struct http_request *r)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    buf_addf(&b, "%.*s|%.*s|%.*s|%llu|", (int)r->method.n, (const char *)r->method.p, (int)r->path.n,
             (const char *)r->path.p, (int)r->query.n, (const char *)r->query.p, (unsigned long long)r->on_connection);
    for (size_t i = 0; i < r->field_count; i++)
        buf_addf(&b, "%.*s=%.*s;", (int)r->fields[i].name.n, (const char *)r->fields[i].name.p,
                 (int)r->fields[i].value.n, (const char *)r->fields[i].value.p);
    buf_addc(&b, '|');
    buf_add(&b, r->body);
    return text(buf_text(&b));
}

static struct plan *plan_joined(const struct http_request *r)
{
    (void)r;
    return stream(3, 0);
}

static struct plan *plan_stamped(const struct http_request *r)
{
    (void)r;
    struct plan *plan = stream(3, 0);
    plan->before_send = stamp;
    return plan;
}

static struct plan *plan_paced(const struct http_request *r)
{
    (void)r;
    return stream(4, 20 * MS);
}

static struct plan *plan_alone(const struct http_request *r)
{
    (void)r;
    struct plan *plan = stream(2, 0);
    plan_shred(plan, 4);
    return plan;
}

static struct plan *cut(enum plan_end how)
{
    struct plan *plan = stream(100, 0);
    plan_cut_at_byte(plan, 25, how);
    return plan;
}

static struct plan *plan_fin(const struct http_request *r)
{
    (void)r;
    return cut(PLAN_END_FIN);
}

static struct plan *plan_late_fin(const struct http_request *r)
{
    (void)r;
    struct plan *plan = cut(PLAN_END_FIN);
    plan->head_after_ns = 5 * MS;
    return plan;
}

static struct plan *plan_rst(const struct http_request *r)
{
    (void)r;
    return cut(PLAN_END_RST);
}

static struct plan *plan_rst_length(const struct http_request *r)
{
    (void)r;
    struct plan *plan = text("0123456789");
    plan_cut_at_byte(plan, 5, PLAN_END_RST);
    return plan;
}

static struct plan *plan_fin_length(const struct http_request *r)
{
    (void)r;
    struct plan *plan = text("0123456789");
    plan_cut_at_byte(plan, 5, PLAN_END_FIN);
    return plan;
}

static struct plan *plan_short(const struct http_request *r)
{
    (void)r;
    struct plan *plan = text("0123456789");
    plan->content_length = 20;
    return plan;
}

static struct plan *plan_hang(const struct http_request *r)
{
    (void)r;
    return cut(PLAN_END_HANG);
}

static struct plan *plan_stall(const struct http_request *r)
{
    (void)r;
    struct plan *plan = stream(3, 0);
    plan_stall_at_event(plan, 1);
    return plan;
}

static struct plan *plan_gated(const struct http_request *r)
{
    (void)r;
    struct plan *plan = stream(3, 0);
    plan_gate_event(plan, 1, "middle");
    plan->head_gate = strdup("head");
    return plan;
}

static struct plan *plan_slow_unary(const struct http_request *r)
{
    (void)r;
    struct plan *plan = text("0123456789");
    plan->head_after_ns = 20 * MS;
    plan_split_at_byte(plan, 3, 20 * MS);
    return plan;
}

static struct plan *plan_failed(const struct http_request *r)
{
    (void)r;
    return NULL;
}

static struct plan *plan_big(const struct http_request *r)
{
    (void)r;
    struct plan *plan = plan_new(200);
    static const unsigned char megabyte[1 << 20];
    for (size_t i = 0; i < 16; i++)
        (void)plan_add(plan, (struct span){megabyte, sizeof megabyte}, 0, i);
    return plan;
}

static struct plan *plan_big_rst(const struct http_request *r)
{
    struct plan *plan = plan_big(r);
    plan_cut_at_byte(plan, 5000000, PLAN_END_RST);
    return plan;
}

static struct plan *plan_big_fin(const struct http_request *r)
{
    struct plan *plan = plan_big(r);
    plan_cut_at_byte(plan, 800000, PLAN_END_FIN);
    return plan;
}

/* A million letters, abc..., or a tenth of them. */
static struct plan *plan_letters(const struct http_request *r)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(BUF_ANY);
    size_t n = span_is(r->path, "/letters") ? 1000000 : 100000;
    for (size_t i = 0; i < n; i++)
        buf_addc(&b, (char)('a' + i % 26));
    return text(buf_text(&b));
}

static const struct {
    const char *path;
    struct plan *(*make)(const struct http_request *r);
} scripts[] = {
    {"/joined", plan_joined},
    {"/stamped", plan_stamped},
    {"/paced", plan_paced},
    {"/alone", plan_alone},
    {"/fin", plan_fin},
    {"/late-fin", plan_late_fin},
    {"/rst", plan_rst},
    {"/rst-length", plan_rst_length},
    {"/fin-length", plan_fin_length},
    {"/short", plan_short},
    {"/hang", plan_hang},
    {"/stall", plan_stall},
    {"/gated", plan_gated},
    {"/slow-unary", plan_slow_unary},
    {"/failed", plan_failed},
    {"/big", plan_big},
    {"/big-rst", plan_big_rst},
    {"/big-fin", plan_big_fin},
    {"/letters", plan_letters},
    {"/some-letters", plan_letters},
};

/* ---- answers that are not one plan ---- */

struct later {
    struct timer timer;
    struct exchange *x;
    size_t left; /* bytes still to write */
};

static void later_done(void *ctx, struct exchange *x, const struct delivery *d)
{
    struct later *l = ctx;
    timer_cancel(&l->timer);
    on_done(NULL, x, d);
    free(l);
}

static void answer_later(void *ctx)
{
    struct later *l = ctx;
    exchange_reply(l->x, text("later"));
}

static void write_more(void *ctx)
{
    struct later *l = ctx;
    static const char block[64 * 1024];
    size_t waiting = 0;
    pthread_mutex_lock(&rig.lock);
    rig.drains++;
    pthread_mutex_unlock(&rig.lock);
    while (l->left > 0 && waiting < 256 * 1024) {
        waiting = exchange_write(l->x, (struct span){(const unsigned char *)block, sizeof block});
        l->left -= sizeof block;
    }
    if (l->left == 0) {
        l->left = SIZE_MAX;
        exchange_end(l->x, PLAN_END_CLEAN);
    }
}

static void write_on_drain(void *ctx)
{
    struct later *l = ctx;
    if (l->left != SIZE_MAX)
        write_more(l);
}

static void begin(struct exchange *x)
{
    CLEANUP(http_headers_release) struct http_headers h;
    http_headers_init(&h);
    http_headers_add(&h, "X-Made", "by hand");
    exchange_begin(x, 201, &h);
}

static void handle_by_hand(struct exchange *x, struct span path)
{
    struct later *l = calloc(1, sizeof *l);
    l->x = x;
    exchange_on_done(x, later_done, l);
    if (span_is(path, "/later")) {
        timer_set(exchange_loop(x), &l->timer, now_ns() + 20 * MS, answer_later, l);
    } else if (span_is(path, "/written")) {
        begin(x);
        (void)exchange_write(x, SPAN_LIT("early"));
        (void)exchange_write(x, SPAN_LIT("bird"));
        exchange_end(x, PLAN_END_CLEAN);
    } else if (span_is(path, "/flood")) {
        begin(x);
        l->left = 16 * 1024 * 1024;
        exchange_on_drain(x, 64 * 1024, write_on_drain, l);
        write_more(l);
    } /* else never answered */
}

static void handle(void *ctx, struct exchange *x)
{
    const struct http_request *r = exchange_request(x);
    (void)ctx;
    pthread_mutex_lock(&rig.lock);
    rig.handled++;
    pthread_mutex_unlock(&rig.lock);
    exchange_on_done(x, on_done, NULL);
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        if (span_is(r->path, scripts[i].path)) {
            exchange_reply(x, scripts[i].make(r));
            return;
        }
    }
    if (span_has_prefix(r->path, "/echo"))
        exchange_reply(x, plan_echo(r));
    else
        handle_by_hand(x, r->path);
}

static void on_log(void *ctx, const char *line)
{
    (void)ctx;
    pthread_mutex_lock(&rig.lock);
    rig.logs++;
    (void)snprintf(rig.log, sizeof rig.log, "%s", line);
    pthread_mutex_unlock(&rig.lock);
}

static void rig_start_with(struct server_config config)
{
    struct note note = {""};
    memset(&rig, 0, sizeof rig);
    pthread_mutex_init(&rig.lock, NULL);
    rig.gates = gates_new();
    config.gates = rig.gates;
    config.handle = handle;
    config.log = on_log;
    CLAIM(server_start(&config, &rig.server, &note) == OK, "%s", note.text);
    if (!rig.server)
        exit(EXIT_FAILURE);
}

static inline void rig_start(void)
{
    rig_start_with((struct server_config){.idle_timeout_ms = PATIENCE_MS, .hang_limit_ms = 300, .max_body = 100000});
}

static void rig_stop(void)
{
    server_stop(rig.server);
    CLAIM(rig.handled == rig.done, "%zu exchanges, %zu done", rig.handled, rig.done);
    gates_free(rig.gates);
    pthread_mutex_destroy(&rig.lock);
}

/* The delivery of exchange number n, waited for. */
static inline struct delivery delivery_of(size_t n)
{
    struct delivery d = {.end = (enum delivery_end)99};
    for (uint64_t until = now_ns() + PATIENCE_MS * MS; now_ns() < until; usleep(200)) {
        pthread_mutex_lock(&rig.lock);
        bool there = rig.done >= n;
        d = rig.last;
        pthread_mutex_unlock(&rig.lock);
        if (there)
            return d;
    }
    CLAIM(false, "exchange %zu was never done", n);
    return d;
}

static inline int dial(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(server_port(rig.server))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

#endif
