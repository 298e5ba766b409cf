/* exchange.c: from an answer to bytes at the right instants.
 *
 * A plan is walked piece by piece. Each has a due instant, counted from the due instant (not the sending) of the one
 * before, so lateness never adds up; a gate restarts the count at its opening. What is due together is written
 * together, as one chunk, unless a piece wants to be alone. When the socket is full, the clock runs on and the overdue
 * pieces leave joined as soon as there is room: that is what back-pressure looks like on a real network.
 *
 * done() is never called from inside a call of the handler's: failures found there wait for the timer.
 *
 * Over HTTP/2 the same walk fills the same buffer, and http2.c empties it: where HTTP/1.1 writes to the socket, the
 * session is woken. The few places where that matters ask for x->stream.
 */
#include "net/exchange.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "protocol/json.h"

#define BATCH_MAX      ((size_t)256 * 1024)       /* pieces joined in one write */
#define OUT_MAX        ((size_t)64 * 1024 * 1024) /* bytes that wait for a reader slower than the writer */
#define BODY_KEEP      ((size_t)64 * 1024)        /* buffers above this are given back between requests */
#define RESET_LOOK     200000U                    /* ns between looks at the send queue before a reset */
#define RESET_PATIENCE 5000000000U                /* ns until a reset stops waiting for a peer that does not read */
#define FIELDS_MAX     1024                       /* header fields of a request; more: 431 */
#define LONG_PAUSE     20000000U                  /* ns until the next piece from which on memory is given back */
#define CHUNK_FRAME    ((size_t)24)               /* sixteen digits and two line ends */

static const struct server_config *config_of(const struct exchange *x)
{
    return &x->connection->worker->server->config;
}

static void advance(void *ctx);

/* ---- life ---- */

void exchange_init(struct exchange *x, struct connection *c)
{
    *x = (struct exchange){.connection = c};
    buf_init(&x->target, BUF_ANY); /* MHD's own header limit stands before it */
    buf_init(&x->body, config_of(x)->max_body);
    buf_init(&x->out, OUT_MAX);
    http_headers_init(&x->headers);
}

static void stop_waiting(struct exchange *x)
{
    timer_cancel(&x->timer);
    gate_forget(config_of(x)->gates, &x->gate);
}

static void trim(struct buf *b)
{
    if (b->cap > BODY_KEEP)
        buf_release(b);
    buf_reset(b);
}

void exchange_reset(struct exchange *x)
{
    stop_waiting(x);
    plan_free(x->plan);
    http_headers_release(&x->headers);
    trim(&x->target);
    trim(&x->body);
    trim(&x->out);
    struct exchange fresh = {.connection = x->connection,
                             .target = x->target,
                             .body = x->body,
                             .stream = x->stream,
                             .out = x->out,
                             .fields = x->fields,
                             .field_cap = x->field_cap};
    *x = fresh;
}

void exchange_release(struct exchange *x)
{
    exchange_reset(x);
    buf_release(&x->target);
    buf_release(&x->body);
    buf_release(&x->out);
    free(x->fields);
}

/* ---- the account ---- */

/* Body bytes in `out` that the socket has taken. */
static uint64_t taken_of_frame(const struct exchange *x)
{
    if (x->stream)
        return 0; /* exchange_taken() has counted them */
    if (x->out.len > 0 && x->out_sent == x->out.len)
        return x->frame_body;
    if (x->out_sent <= x->frame_head)
        return 0;
    size_t n = x->out_sent - x->frame_head;
    return n < x->frame_body ? n : x->frame_body;
}

static size_t count_events(const struct exchange *x, uint64_t bytes)
{
    uint64_t sum = x->forgotten_bytes;
    size_t events = x->forgotten_events;
    for (size_t i = 0; x->plan && i < x->plan->count && i < x->next_piece; i++) {
        sum += x->plan->pieces[i].n;
        if (sum > bytes)
            break;
        events += x->plan->pieces[i].event != PLAN_NO_EVENT;
    }
    return events;
}

void exchange_finish(struct exchange *x, enum delivery_end end)
{
    if (x->phase == PHASE_IDLE || x->phase == PHASE_OVER)
        return;
    stop_waiting(x);
    struct delivery *d = &x->delivery;
    d->end = end;
    d->planned = x->plan ? x->plan->end : x->ending;
    d->status = x->plan ? x->plan->status : x->status;
    d->bytes += taken_of_frame(x);
    d->events = count_events(x, d->bytes);
    d->ended_at_ns = now_ns();
    x->phase = PHASE_OVER;
    if (x->done)
        x->done(x->done_ctx, x, d);
    x->done = NULL;
    if (x->stream)
        http2_finish(x);
    else
        http1_resume(x->connection);
}

/* ---- the request ---- */

bool exchange_add_field(struct exchange *x, struct span name, struct span value)
{
    if (x->request.field_count == FIELDS_MAX) {
        x->refused = 431;
        return false;
    }
    if (x->request.field_count == x->field_cap) {
        size_t cap = x->field_cap ? x->field_cap * 2 : 16;
        struct http_field *fields = realloc(x->fields, cap * sizeof *fields);
        if (!fields) {
            x->refused = 500;
            return false;
        }
        x->fields = fields;
        x->field_cap = cap;
    }
    x->fields[x->request.field_count++] = (struct http_field){name, value};
    return true;
}

/* ---- the handler's side ---- */

const struct http_request *exchange_request(const struct exchange *x)
{
    return &x->request;
}

struct loop *exchange_loop(const struct exchange *x)
{
    return x->connection->worker->loop;
}

void *exchange_worker(const struct exchange *x)
{
    return x->connection->worker->user;
}

void exchange_on_done(struct exchange *x, void (*done)(void *ctx, struct exchange *x, const struct delivery *d),
                      void *ctx)
{
    x->done = done;
    x->done_ctx = ctx;
}

void exchange_handle(struct exchange *x)
{
    x->phase = PHASE_ASKED;
    x->request.received_at_ns = now_ns();
    config_of(x)->handle(config_of(x)->ctx, x);
}

static void head_is_due(struct exchange *x)
{
    x->phase = PHASE_QUEUE;
    if (x->stream)
        http2_head(x);
    else
        http1_resume(x->connection);
}

static void wait_until(struct exchange *x, uint64_t due_ns)
{
    timer_set(exchange_loop(x), &x->timer, due_ns, advance, x);
}

static uint64_t later(uint64_t base, uint64_t wait)
{
    return wait > PLAN_NEVER - base ? PLAN_NEVER : base + wait;
}

static void wait_for_due(struct exchange *x, uint64_t due)
{
    uint64_t limit = (uint64_t)config_of(x)->hang_limit_ms * 1000000U;
    x->hanging = due == PLAN_NEVER;
    wait_until(x, x->hanging ? now_ns() + limit : due);
}

static void gate_opened(void *ctx)
{
    struct exchange *x = ctx;
    x->base_ns = now_ns();
    x->gate_passed = true;
    advance(x);
}

/* True: no gate, or it is open. False: gate_opened() will go on. */
static bool past_gate(struct exchange *x, const char *name)
{
    struct gates *gates = config_of(x)->gates;
    if (!name || !gates || x->gate_passed)
        return true;
    if (x->gate.waiting)
        return false;
    x->gate = (struct gate_wait){.loop = exchange_loop(x), .open = gate_opened, .ctx = x};
    x->gate_passed = gate_pass(gates, name, &x->gate);
    return x->gate_passed;
}

static void advance_head(struct exchange *x)
{
    if (!past_gate(x, x->plan->head_gate))
        return;
    uint64_t due = later(x->base_ns, x->plan->head_after_ns);
    if (x->plan->head_after_ns > 0 && due > now_ns()) {
        wait_for_due(x, due);
        return;
    }
    x->base_ns = due;
    x->gate_passed = false;
    head_is_due(x);
}

static struct plan *apology(void)
{
    struct plan *plan = plan_new(500);
    if (plan)
        plan_body(plan, "application/json", SPAN_LIT("{\"message\":\"the answer could not be made: out of memory\"}"));
    return plan;
}

void exchange_reply(struct exchange *x, struct plan *take)
{
    assert(x->phase == PHASE_ASKED);
    if (!take || take->failed) {
        plan_free(take);
        take = apology();
    }
    x->plan = take;
    x->base_ns = now_ns();
    x->phase = PHASE_HEAD;
    if (take)
        advance_head(x);
    else
        head_is_due(x); /* the wire finds no plan and closes */
}

void exchange_read(struct exchange *x, void (*data)(void *ctx, struct span bytes), void (*end)(void *ctx), void *ctx)
{
    assert(x->phase == PHASE_ASKED && x->request.body_follows);
    x->data = data;
    x->data_end = end;
    x->data_ctx = ctx;
}

void exchange_consumed(struct exchange *x, size_t n)
{
    if (x->phase != PHASE_OVER)
        http2_consumed(x, n);
}

void exchange_begin(struct exchange *x, int status, const struct http_headers *headers)
{
    assert(x->phase == PHASE_ASKED);
    x->streaming = true;
    x->status = status;
    http_headers_copy(&x->headers, headers);
    head_is_due(x);
}

/* ---- direct writes ---- */

static size_t waiting(const struct exchange *x)
{
    return x->out.len - x->out_sent;
}

static void break_off(struct exchange *x)
{
    x->broken = true;
    wait_until(x, now_ns());
}

static bool nothing_waits(struct exchange *x)
{
    if (waiting(x) > 0 || x->broken)
        return false;
    x->frame_head = x->frame_body = x->out_sent = 0;
    buf_reset(&x->out);
    return true;
}

/* Everything in `out` to the socket; false when some has to wait or nothing more can be sent. */
static bool flush(struct exchange *x, bool more_follows)
{
    struct connection *c = x->connection;
    if (x->stream && waiting(x) > 0)
        http2_wake(x);
    if (x->stream)
        return nothing_waits(x);
    size_t before = waiting(x);
    while (waiting(x) > 0 && !x->broken) {
        ssize_t n = connection_send(c, x->out.data + x->out_sent, waiting(x), more_follows);
        if (n >= 0)
            x->out_sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            break_off(x);
    }
    if (waiting(x) != before)
        x->delivery.last_at_ns = now_ns();
    if (x->broken)
        return false;
    connection_want_write(c, waiting(x) > 0);
    if (waiting(x) > 0)
        return false;
    x->delivery.bytes += x->frame_body;
    return nothing_waits(x);
}

static void frame_open(struct exchange *x, size_t n)
{
    if (x->framed)
        buf_addf(&x->out, "%zx\r\n", n);
}

static void frame_close(struct exchange *x)
{
    if (x->framed)
        buf_adds(&x->out, "\r\n");
}

size_t exchange_write(struct exchange *x, struct span bytes)
{
    assert(x->streaming && !x->stream_ended);
    if (bytes.n == 0 || x->broken || x->phase == PHASE_OVER)
        return waiting(x);
    if (x->out_sent > BATCH_MAX) {
        buf_consume(&x->out, x->out_sent);
        x->out_sent = 0;
    }
    /* Before the head is out nobody knows yet whether the peer reads chunks; the frames are put around then. */
    if (x->phase == PHASE_BODY) {
        frame_open(x, bytes.n);
        buf_add(&x->out, bytes);
        frame_close(x);
    } else {
        buf_add(&x->out, bytes);
    }
    x->frame_body += bytes.n;
    x->frame_head = SIZE_MAX; /* several frames: counted when all of them are gone */
    if (buf_error(&x->out))
        break_off(x);
    else if (x->phase == PHASE_BODY)
        (void)flush(x, false);
    return waiting(x);
}

void exchange_end(struct exchange *x, enum plan_end how)
{
    assert(x->streaming && !x->stream_ended);
    x->stream_ended = true;
    x->ending = how;
    if (x->phase == PHASE_BODY)
        exchange_pump(x);
}

void exchange_on_drain(struct exchange *x, size_t low_water, void (*fn)(void *ctx), void *ctx)
{
    x->low_water = low_water;
    x->drain = fn;
    x->drain_ctx = ctx;
}

/* What was written before the head went out becomes the first chunk. */
static void frame_early_writes(struct exchange *x)
{
    if (!x->framed || x->out.len == 0)
        return;
    struct buf early = x->out;
    buf_init(&x->out, OUT_MAX);
    frame_open(x, early.len);
    buf_add(&x->out, buf_span(&early));
    frame_close(x);
    buf_release(&early);
    if (buf_error(&x->out))
        break_off(x);
}

/* ---- the end ---- */

/* A reset throws away what the peer has not acknowledged, so it waits until the send queue is empty; then the socket
 * is disconnected, which sends the RST at once (tcp(7), connect with AF_UNSPEC), whoever closes the fd later. */
static bool reset_now(struct exchange *x)
{
    int fd = x->connection->watch.fd;
    int unsent = 0;
    uint64_t now = now_ns();
    if (x->reset_until_ns == 0)
        x->reset_until_ns = now + RESET_PATIENCE;
    if (ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent > 0 && now < x->reset_until_ns) {
        wait_until(x, now + RESET_LOOK);
        return false;
    }
    watch_remove(&x->connection->watch);
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    (void)connect(fd, &nobody, sizeof nobody);
    x->connection->reset = true;
    return true;
}

static void all_written(struct exchange *x)
{
    if (x->ending == PLAN_END_HANG) {
        if (!x->timer.loop)
            wait_for_due(x, PLAN_NEVER);
        return;
    }
    if (x->stream) {
        http2_finish(x);
        return;
    }
    if (x->ending == PLAN_END_RST && !reset_now(x))
        return;
    x->phase = PHASE_END;
    http1_resume(x->connection);
}

/* ---- walking a plan ---- */

/* True: piece next_piece may go. False: a timer or a gate will come back. */
static bool piece_is_due(struct exchange *x, uint64_t now)
{
    const struct plan_piece *piece = &x->plan->pieces[x->next_piece];
    if (!past_gate(x, piece->gate))
        return false;
    uint64_t due = later(x->base_ns, piece->after_ns);
    if (due <= now)
        return true;
    wait_for_due(x, due);
    return false;
}

static void start_piece(struct exchange *x, uint64_t now)
{
    struct plan *plan = x->plan;
    if (plan->before_send)
        plan->before_send(plan->ctx, plan, x->next_piece, now);
    x->base_ns = later(x->base_ns, plan->pieces[x->next_piece].after_ns);
    x->gate_passed = false;
}

/* The pieces from next_piece on that go out in one write; the first is due. Returns the index behind the last. */
static size_t start_batch(struct exchange *x, uint64_t now, size_t *bytes)
{
    struct plan *plan = x->plan;
    bool alone = plan->pieces[x->next_piece].alone;
    *bytes = 0;
    while (x->next_piece < plan->count) {
        const struct plan_piece *piece = &plan->pieces[x->next_piece];
        bool first = *bytes == 0;
        if (!first && (alone || piece->alone || piece->gate || *bytes + piece->n > BATCH_MAX ||
                       later(x->base_ns, piece->after_ns) > now))
            break;
        start_piece(x, now);
        *bytes += piece->n;
        x->next_piece++;
        if (first && piece->n == 0)
            break; /* an empty piece only keeps time */
    }
    return x->next_piece;
}

static void frame_batch(struct exchange *x, size_t from, size_t to, size_t bytes)
{
    if (bytes == 0)
        return; /* a chunk of no bytes would be the last chunk (RFC 9112 section 7.1) */
    (void)buf_reserve(&x->out, bytes + CHUNK_FRAME);
    frame_open(x, bytes);
    x->frame_head = x->out.len;
    x->frame_body = bytes;
    for (size_t i = from; i < to; i++) {
        const struct plan_piece *piece = &x->plan->pieces[i];
        buf_add(&x->out, span_cut(buf_span(&x->plan->bytes), piece->from, piece->n));
    }
    frame_close(x);
    if (buf_error(&x->out))
        break_off(x);
}

/* A paced stream is mostly waiting, beside many others: it need not hold a buffer meanwhile. */
static void spare(struct exchange *x, uint64_t now)
{
    bool long_pause = !x->timer.loop || x->timer.due_ns > now + LONG_PAUSE;
    if (long_pause && waiting(x) == 0)
        buf_release(&x->out);
}

/* All of an open plan is with the socket: nobody needs it any more, and it may go on for hours. */
static void forget_sent(struct exchange *x)
{
    struct plan *plan = x->plan;
    if (plan->count == 0 || x->delivery.bytes - x->forgotten_bytes < plan->bytes.len)
        return;
    x->forgotten_events = count_events(x, x->delivery.bytes);
    x->forgotten_bytes = x->delivery.bytes;
    for (size_t i = 0; i < plan->count; i++)
        free(plan->pieces[i].gate);
    plan->count = x->next_piece = 0;
    buf_reset(&plan->bytes);
    if (x->drain)
        x->drain(x->drain_ctx);
}

static void pump_plan(struct exchange *x)
{
    struct plan *plan = x->plan;
    while (x->next_piece < plan->count) {
        uint64_t now = now_ns();
        if (!piece_is_due(x, now)) {
            spare(x, now);
            return;
        }
        size_t from = x->next_piece;
        size_t bytes = 0;
        bool alone = plan->pieces[from].alone;
        size_t to = start_batch(x, now, &bytes);
        frame_batch(x, from, to, bytes);
        /* MHD sends the last chunk right behind: one packet for both. */
        bool last = to == plan->count && x->framed && x->ending == PLAN_END_CLEAN && !alone;
        if (!flush(x, last))
            return;
    }
    if (plan->open)
        forget_sent(x);
    else
        all_written(x);
}

static bool plan_append(struct plan *to, const struct plan *from)
{
    for (size_t i = 0; i < from->count && !to->failed; i++) {
        const struct plan_piece *piece = &from->pieces[i];
        size_t at = plan_add(to, span_cut(buf_span(&from->bytes), piece->from, piece->n), piece->after_ns, piece->event);
        if (to->failed)
            break;
        to->pieces[at].alone = piece->alone;
        to->pieces[at].gate = piece->gate ? strdup(piece->gate) : NULL;
        to->failed = piece->gate && !to->pieces[at].gate;
    }
    return !to->failed;
}

void exchange_extend(struct exchange *x, struct plan *take, bool last)
{
    struct plan *plan = x->plan;
    if (!plan || !plan->open || x->phase == PHASE_OVER) {
        plan_free(take);
        return;
    }
    if (x->next_piece == plan->count && x->phase == PHASE_BODY)
        x->base_ns = now_ns();
    bool failed = !take || take->failed || !plan_append(plan, take);
    plan->open = !last && !failed;
    if (!plan->open)
        x->ending = plan->end = failed ? PLAN_END_RST : take->end;
    plan_free(take);
    if (x->phase == PHASE_BODY)
        exchange_pump(x);
}

size_t exchange_unsent(const struct exchange *x)
{
    return x->plan ? x->plan->bytes.len - (size_t)(x->delivery.bytes - x->forgotten_bytes) : 0;
}

void exchange_pump(struct exchange *x)
{
    if (x->broken)
        return;
    size_t before = waiting(x);
    bool flushed = flush(x, false);
    if (x->plan && flushed)
        pump_plan(x);
    else if (x->stream_ended && flushed)
        all_written(x);
    else if (x->drain && !x->stream_ended && before > x->low_water && waiting(x) <= x->low_water)
        x->drain(x->drain_ctx);
}

size_t exchange_pull(struct exchange *x, char *to, size_t n)
{
    struct plan *plan = x->plan;
    size_t done = 0;
    while (x->next_piece < plan->count && done < n) {
        struct plan_piece *piece = &plan->pieces[x->next_piece];
        uint64_t now = now_ns();
        if (x->piece_taken == 0) {
            if (done > 0 && piece->alone)
                break;
            if (!piece_is_due(x, now)) {
                if (done > 0)
                    stop_waiting(x); /* asked again when these are gone */
                break;
            }
            start_piece(x, now);
        }
        struct span left = span_cut(buf_span(&plan->bytes), piece->from + x->piece_taken, piece->n - x->piece_taken);
        size_t take = left.n < n - done ? left.n : n - done;
        if (take > 0)
            memcpy(to + done, left.p, take);
        done += take;
        x->piece_taken += take;
        if (x->piece_taken < piece->n)
            break;
        x->next_piece++;
        x->piece_taken = 0;
        if (piece->alone && take > 0)
            break;
    }
    x->delivery.bytes += done;
    if (done > 0)
        x->delivery.last_at_ns = now_ns();
    return done;
}

size_t exchange_take(struct exchange *x, void *to, size_t n, bool *last)
{
    *last = false;
    if (x->phase != PHASE_BODY || x->broken)
        return 0;
    n = n < waiting(x) ? n : waiting(x);
    if (n > 0)
        memcpy(to, x->out.data + x->out_sent, n);
    x->out_sent += n;
    bool walked = x->plan ? x->next_piece == x->plan->count && !x->plan->open : x->stream_ended;
    *last = walked && waiting(x) == 0 && x->ending == PLAN_END_CLEAN;
    if (*last)
        x->phase = PHASE_END;
    return n;
}

void exchange_taken(struct exchange *x, size_t n)
{
    x->delivery.bytes += n;
    x->delivery.last_at_ns = now_ns();
    if (x->phase != PHASE_BODY || x->broken)
        return;
    if (waiting(x) == 0)
        exchange_pump(x);
    if (x->drain && !x->stream_ended && waiting(x) <= x->low_water && waiting(x) + n > x->low_water)
        x->drain(x->drain_ctx);
}

static void advance(void *ctx)
{
    struct exchange *x = ctx;
    if (x->broken) {
        exchange_finish(x, DELIVERY_PEER_CLOSED);
    } else if (x->hanging) {
        exchange_finish(x, DELIVERY_TIMED_OUT);
    } else if (x->phase == PHASE_HEAD) {
        advance_head(x);
    } else if (x->phase == PHASE_BODY && x->way == BODY_PULLED) {
        http1_resume(x->connection);
    } else if (x->phase == PHASE_BODY) {
        exchange_pump(x);
    }
}

void exchange_writable(struct exchange *x)
{
    if (x->phase == PHASE_BODY && x->way == BODY_DIRECT)
        exchange_pump(x);
}

/* ---- what the wire asks ---- */

/* Length of the body when every piece is due with the head and they lie side by side; -1 otherwise. */
static int64_t length_if_whole(const struct plan *plan)
{
    size_t sum = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_piece *p = &plan->pieces[i];
        if (p->after_ns > 0 || p->gate || p->alone || (i > 0 && p[-1].from + p[-1].n != p->from))
            return -1;
        sum += p->n;
    }
    return (int64_t)sum;
}

static int64_t length_of(const struct plan *plan)
{
    size_t sum = 0;
    for (size_t i = 0; i < plan->count; i++)
        sum += plan->pieces[i].n;
    return (int64_t)sum;
}

bool exchange_is_empty(const struct exchange *x)
{
    return x->plan && !x->plan->open && x->ending == PLAN_END_CLEAN && length_if_whole(x->plan) == 0;
}

void exchange_choose_way(struct exchange *x, bool http_1_1)
{
    const struct plan *plan = x->plan;
    bool promised = plan && plan->content_length >= 0;
    if (plan)
        x->ending = plan->end;
    x->framed = !promised && http_1_1 && !x->stream;
    x->bodiless = span_is(x->request.method, "HEAD");
    x->way = BODY_DIRECT;
    if (promised && length_of(plan) != plan->content_length && x->ending == PLAN_END_CLEAN)
        x->ending = PLAN_END_FIN;
    bool whole = plan && !plan->open && x->ending == PLAN_END_CLEAN && length_if_whole(plan) >= 0;
    x->at_once = x->framed && whole;
    if (promised && x->ending == PLAN_END_CLEAN && !x->stream)
        x->way = whole ? BODY_WHOLE : BODY_PULLED;
}

struct span exchange_whole_body(struct exchange *x)
{
    uint64_t now = now_ns();
    struct span all = SPAN_EMPTY;
    for (; x->next_piece < x->plan->count; x->next_piece++) {
        const struct plan_piece *piece = &x->plan->pieces[x->next_piece];
        start_piece(x, now);
        if (all.n == 0)
            all = span_cut(buf_span(&x->plan->bytes), piece->from, 0);
        all.n += piece->n;
    }
    x->delivery.head_at_ns = now;
    x->delivery.last_at_ns = now;
    x->phase = PHASE_END;
    return all;
}

void exchange_skip_body(struct exchange *x)
{
    x->ending = PLAN_END_CLEAN;
    x->delivery.head_at_ns = x->delivery.last_at_ns = now_ns();
    x->phase = PHASE_END;
}

void exchange_no_head(struct exchange *x)
{
    plan_cut_at_byte(x->plan, 0, x->plan->end);
    x->ending = x->plan->end == PLAN_END_CLEAN ? PLAN_END_FIN : x->plan->end;
    x->way = BODY_DIRECT;
    x->framed = false;
    x->phase = PHASE_BODY;
    exchange_pump(x);
}

void exchange_spell(struct exchange *x, bool http_1_1)
{
    if (x->plan->wire->odd & PLAN_NO_HEAD) {
        exchange_no_head(x);
        return;
    }
    plan_spell(x->plan, http_1_1);
    x->ending = x->plan->end == PLAN_END_CLEAN ? PLAN_END_FIN : x->plan->end;
    x->way = BODY_DIRECT;
    x->framed = false;
    x->phase = x->plan->failed ? PHASE_END : PHASE_BODY; /* not even memory to say so: closed */
    x->delivery.head_at_ns = now_ns();
    if (x->phase == PHASE_BODY)
        exchange_pump(x);
}

void exchange_put_off(struct exchange *x, uint64_t wait_ns)
{
    x->plan->head_after_ns = wait_ns;
    x->phase = PHASE_HEAD;
    wait_until(x, later(x->base_ns, wait_ns)); /* not at once: it was the head's falling due that brought us here */
}

void exchange_head_sent(struct exchange *x)
{
    x->phase = PHASE_BODY;
    x->delivery.head_at_ns = now_ns();
    if (x->plan)
        http_headers_release(&x->plan->headers); /* they are said; the body may take long */
    if (x->streaming)
        frame_early_writes(x);
}

const char *exchange_why(int status)
{
    static const struct {
        int status;
        const char *why;
    } rows[] = {
        {413, "The request body is larger than this server takes."},
        {431, "The request has a larger header than this server takes."},
        {505, "This request is a stream both ways, which takes HTTP/2; it came over HTTP/1.1."},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return rows[i].why;
    return "The request needs more memory than this server takes.";
}

static struct plan *plain_refusal(int status, const char *why)
{
    struct plan *plan = plan_new(status);
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    if (!plan)
        return NULL;
    buf_adds(&body, "{\"message\":");
    json_quote(span_of(why), &body);
    buf_addc(&body, '}');
    plan_body_take(plan, "application/json", &body);
    return plan;
}

void exchange_refuse(struct exchange *x, int status, const char *why)
{
    const struct server_config *config = config_of(x);
    x->phase = PHASE_ASKED;
    x->request.received_at_ns = now_ns();
    if (config->refuse)
        config->refuse(config->ctx, exchange_worker(x), x, status, why);
    else
        exchange_reply(x, plain_refusal(status, why)); /* nobody waits for its done() */
}
