/* A connection does per request what it must: one send, one read, two looks at the clock. It is watched for input from
 * the start to the end; output is watched only while connecting, or while the socket would not take a whole request.
 * The request bytes belong to the lane and go to the socket from there; a connection copies only what was left over.
 *
 * Instants: a request starts just before send(); bytes arrived when recv() returned. How long they had waited for us
 * since epoll reported them is recorded as the generator's own queue.
 */
#include "harness/bench/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#define RETRY_NS UINT64_C(10000000) /* between attempts to connect */

void conn_init(struct conn *c, enum bench_side side)
{
    memset(c, 0, sizeof *c);
    c->fd = -1;
    c->side = side;
    wire_init(&c->wire, BENCH_HEAD_MAX);
    buf_init(&c->unsent, REQUEST_MAX);
    sse_decoder_init(&c->sse);
    es_decoder_init(&c->es);
}

void conn_release(struct conn *c)
{
    if (c == NULL)
        return;
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    wire_release(&c->wire);
    buf_release(&c->unsent);
    sse_decoder_release(&c->sse);
    es_decoder_release(&c->es);
    track_release(&c->track);
}

static void watch(struct worker *w, struct conn *c, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    c->wants_out = (events & EPOLLOUT) != 0;
    if (epoll_ctl(w->epoll, how, c->fd, &event) != 0)
        w->failed = true;
}

void conn_close(struct worker *w, struct conn *c)
{
    (void)w;
    if (c->fd >= 0)
        (void)close(c->fd); /* leaves the epoll set by itself: nobody else holds the descriptor */
    c->fd = -1;
    c->state = CONN_CLOSED;
}

bool conn_counts(const struct worker *w, uint64_t at_ns)
{
    return w->counting && at_ns >= w->from_ns && at_ns < w->until_ns;
}

/* ---- the end of a request ---- */

static const char *phase_of(const struct conn *c)
{
    if (c->state == CONN_CONNECTING)
        return "connect";
    return c->unsent.len > c->unsent_at ? "send" : c->wire.status == 0 ? "head" : "body";
}

static void record_good(struct worker *w, const struct conn *c, uint64_t now)
{
    struct bench_tally *t = &w->tally;
    uint64_t from = w->config->rate > 0 ? c->intended_ns : c->started_ns;
    t->completed++;
    tally_record(t, BENCH_TTFB, c->first_byte_ns - from);
    tally_record(t, BENCH_E2E, now - from);
    if (w->config->rate > 0)
        tally_record(t, BENCH_SERVICE, now - c->started_ns);
    if (c->contents > 0)
        tally_record(t, BENCH_TTFT, c->first_content_ns - from);
    if (c->contents > 1) {
        tally_record(t, BENCH_TTST, c->second_content_ns - from);
        tally_record(t, BENCH_TPOT, (c->last_content_ns - c->first_content_ns) / (c->contents - 1));
    }
}

/* Count the request that ends now, well or with what c->wrong says. */
static void settle(struct worker *w, struct conn *c, const char *phase, uint64_t now)
{
    uint64_t from = w->config->rate > 0 ? c->intended_ns : c->started_ns;
    w->busy--;
    if (c->wrong)
        atomic_fetch_add_explicit(&w->errors, 1, memory_order_relaxed);
    else
        atomic_store_explicit(&w->done, atomic_load_explicit(&w->done, memory_order_relaxed) + 1, memory_order_relaxed);
    if (!c->wrong && w->counting && now >= w->from_ns && now < w->until_ns)
        w->tally.in_window++;
    if (!c->measured)
        return;
    if (w->lanes[c->side].request.id_at != SIZE_MAX && !(c->wrong && c->class == BENCH_ERR_STATUS))
        track_end(&c->track, !c->wrong, &w->tally.stream);
    w->tally.stream.streams += c->stream;
    tally_second(&w->tally, (now - w->run->started_ns) / 1000000000, !c->wrong, now - from);
    w->last_end_ns = now;
    if (!c->wrong) {
        record_good(w, c, now);
        return;
    }
    w->tally.failed++;
    tally_error(&w->tally, c->class, c->code, phase, c->id, (struct span){(const unsigned char *)c->seen, c->seen_n});
}

/* End the request in flight, if there is one, as an error, and close. */
static void fail(struct worker *w, struct conn *c, enum bench_class class, const char *code, const char *phase,
                 struct span seen)
{
    bool asked = c->state == CONN_BUSY || c->pending, never_worked = c->state == CONN_CONNECTING;
    if (c->state == CONN_CONNECTING && !c->pending) { /* closed load: an attempt counts as a failed request */
        c->started_ns = c->intended_ns = now_ns();
        c->measured = conn_counts(w, c->started_ns);
        w->begun += c->measured;
        w->busy++;
        asked = true;
    }
    body_wrong(c, class, code, seen);
    conn_close(w, c);
    if (never_worked && w->lanes[c->side].refused_ns == 0)
        w->lanes[c->side].refused_ns = now_ns();
    c->retry_ns = never_worked ? now_ns() + RETRY_NS : 0;
    c->pending = false;
    if (asked)
        settle(w, c, phase, now_ns());
    worker_conn_free(w, c);
}

static void fail_errno(struct worker *w, struct conn *c, enum bench_class class, int number)
{
    const char *name = strerrorname_np(number);
    fail(w, c, class, name != NULL ? name : "unknown", phase_of(c), SPAN_EMPTY);
}

/* The answer is whole. `left`: bytes that came behind it. */
static void finish(struct worker *w, struct conn *c, size_t left, uint64_t now)
{
    body_end(w, c);
    if (left > 0)
        body_wrong(c, BENCH_ERR_PROTOCOL, "bytes_behind_answer", SPAN_EMPTY);
    bool keep =
        c->wire.keep && left == 0 && c->unsent.len == c->unsent_at && !(c->wrong && c->class == BENCH_ERR_PROTOCOL);
    settle(w, c, "body", now);
    c->state = CONN_IDLE;
    if (!keep)
        conn_close(w, c);
    worker_conn_free(w, c);
}

void conn_check_timeout(struct worker *w, struct conn *c, uint64_t now)
{
    uint64_t limit = w->config->timeout_ms * 1000000; /* what began after `now` was taken is not late */
    if (c->state == CONN_BUSY && now > c->started_ns + limit)
        fail(w, c, BENCH_ERR_TIMEOUT, c->contents > 0 ? "inside_stream" : "no_answer", phase_of(c), SPAN_EMPTY);
    else if (c->state == CONN_CONNECTING && now > c->connect_ns + limit)
        fail(w, c, BENCH_ERR_CONNECT, "ETIMEDOUT", "connect", SPAN_EMPTY);
}

/* ---- connecting and sending ---- */

static void reset_answer(struct conn *c)
{
    wire_reset(&c->wire);
    c->stream = c->ended = c->wrong = false;
    c->seen_n = 0;
    c->unsent_at = c->unsent.len = 0;
    c->first_byte_ns = c->first_content_ns = c->second_content_ns = c->last_content_ns = c->contents = 0;
    probe_scanner_reset(&c->scanner);
    track_begin(&c->track, c->id);
}

void conn_open(struct worker *w, struct conn *c)
{
    const struct request *r = &w->lanes[c->side].request;
    int one = 1;
    c->id = 0;
    reset_answer(c);
    c->state = CONN_CONNECTING;
    c->connect_ns = c->started_ns = now_ns();
    c->fd = socket(r->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        fail_errno(w, c, BENCH_ERR_CONNECT, errno);
        return;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (const struct sockaddr *)&r->address, r->address_size) != 0 && errno != EINPROGRESS) {
        fail_errno(w, c, BENCH_ERR_CONNECT, errno);
        return;
    }
    watch(w, c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void connected(struct worker *w, struct conn *c)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        fail_errno(w, c, BENCH_ERR_CONNECT, error != 0 ? error : errno);
        return;
    }
    w->lanes[c->side].refused_ns = 0;
    tally_record(&w->tally, BENCH_CONNECT, now_ns() - c->connect_ns);
    w->tally.connects++;
    watch(w, c, EPOLL_CTL_MOD, EPOLLIN);
    c->state = CONN_IDLE;
    if (c->pending) {
        c->pending = false;
        w->busy--;
        conn_send(w, c, c->intended_ns);
    } else {
        worker_conn_free(w, c);
    }
}

/* Hand `bytes` to the socket; what it does not take is kept. */
static void push(struct worker *w, struct conn *c, struct span bytes)
{
    ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail_errno(w, c, BENCH_ERR_RESET, errno);
        return;
    }
    size_t taken = n < 0 ? 0 : (size_t)n;
    if (taken == bytes.n) {
        c->unsent_at = c->unsent.len;
        if (c->wants_out)
            watch(w, c, EPOLL_CTL_MOD, EPOLLIN);
        return;
    }
    if (c->unsent.len > c->unsent_at) { /* bytes lie in unsent already */
        c->unsent_at += taken;
    } else {
        buf_reset(&c->unsent);
        c->unsent_at = 0;
        buf_add(&c->unsent, span_from(bytes, taken));
        w->failed |= buf_error(&c->unsent) != OK;
    }
    if (!c->wants_out)
        watch(w, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

void conn_send(struct worker *w, struct conn *c, uint64_t intended_ns)
{
    struct request *r = &w->lanes[c->side].request;
    c->id = w->next_id++;
    reset_answer(c);
    w->failed |= request_arm(r, c->id) != OK;
    c->state = CONN_BUSY;
    w->busy++;
    c->started_ns = now_ns();
    c->intended_ns = intended_ns == 0 ? c->started_ns : intended_ns;
    c->measured = conn_counts(w, c->intended_ns);
    w->begun += c->measured && intended_ns == 0; /* open load has counted it when it fell due */
    if (c->measured) {
        w->tally.sent++;
        w->tally.bytes_up += r->bytes.len;
        if (intended_ns != 0)
            tally_record(&w->tally, BENCH_LATENESS, c->started_ns > intended_ns ? c->started_ns - intended_ns : 0);
    }
    push(w, c, buf_span(&r->bytes));
}

/* ---- reading ---- */

static void closed_by_peer(struct worker *w, struct conn *c, uint64_t now)
{
    if (c->state != CONN_BUSY) { /* an idle connection that the peer no longer wants */
        conn_close(w, c);
        worker_conn_free(w, c);
    } else if (wire_closed(&c->wire) && c->wire.status != 0) {
        finish(w, c, 0, now);
    } else if (!wire_begun(&c->wire)) {
        fail(w, c, BENCH_ERR_RESET, "closed_before_answer", phase_of(c), SPAN_EMPTY);
    } else {
        fail(w, c, BENCH_ERR_TRUNCATED, c->stream ? "stream_cut" : "body_cut", phase_of(c), SPAN_EMPTY);
    }
}

static void read_answer(struct worker *w, struct conn *c, struct span in, uint64_t now)
{
    struct span body;
    for (;;) {
        switch (wire_next(&c->wire, &in, &body)) {
        case WIRE_MORE:
            return;
        case WIRE_HEAD:
            body_begin(c);
            break;
        case WIRE_BODY:
            body_bytes(w, c, body, now);
            break;
        case WIRE_DONE:
            finish(w, c, in.n, now);
            return;
        case WIRE_BAD:
            fail(w, c, BENCH_ERR_PROTOCOL, c->wire.why, phase_of(c), in);
            return;
        }
    }
}

static void readable(struct worker *w, struct conn *c)
{
    ssize_t n = recv(c->fd, w->buffer, sizeof w->buffer, 0);
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return;
        if (c->state == CONN_BUSY) {
            fail_errno(w, c, BENCH_ERR_RESET, errno);
        } else {
            conn_close(w, c);
            worker_conn_free(w, c);
        }
        return;
    }
    uint64_t now = w->now_ns = now_ns();
    if (n == 0 || c->state != CONN_BUSY) {
        closed_by_peer(w, c, now);
        return;
    }
    w->read_contents = 0;
    if (c->first_byte_ns == 0)
        c->first_byte_ns = now;
    struct bench_stream *counts = body_counts(w, c);
    if (c->measured) {
        w->tally.reads++;
        w->tally.bytes_down += (uint64_t)n;
        tally_record(&w->tally, BENCH_QUEUE, now - w->woke_ns);
    }
    read_answer(w, c, (struct span){w->buffer, (size_t)n}, now);
    counts->content_reads += w->read_contents > 0;
    if (w->read_contents > counts->content_max)
        counts->content_max = w->read_contents;
}

void conn_event(struct worker *w, struct conn *c, uint32_t events)
{
    if (c->state == CONN_CONNECTING) {
        connected(w, c);
        return;
    }
    if ((events & EPOLLOUT) != 0 && c->state == CONN_BUSY && c->unsent.len > c->unsent_at)
        push(w, c, span_from(buf_span(&c->unsent), c->unsent_at));
    if (c->fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        readable(w, c);
}
