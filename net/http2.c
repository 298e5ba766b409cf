/* http2.c: HTTP/2 with prior knowledge, by libnghttp2.
 *
 * A connection that opens with the preface comes here, gets a session, and each of its streams an exchange. nghttp2
 * knows frames, header compression, windows and the order of things; we read and write the socket for it, and lead its
 * questions to the exchange: it asks for body bytes when a window is open (take_body), and is told to wait otherwise.
 *
 * A session must not speak from within its own callbacks, nor may done() be called from within a call of the handler's.
 * So whoever has something to say (a reply, a due piece, a window that grew) puts the session on the worker's list, and
 * http2_speak() lets all of them speak once at the end of the loop's turn. What is said in one go leaves in as few
 * packets as can be. nghttp2 reports a frame as sent when the socket has all of it: that is what the account of a
 * delivery counts, and what asks the plan for its next bytes. So of each stream no more waits here than one batch of
 * pieces (or what exchange_write() was given), however slow the reader.
 *
 * A hostile or broken peer is nghttp2's to judge: wrong frames end the session with GOAWAY, floods of settings, pings
 * or continuations too. Ours are the ceilings of header, body, streams and time. Resets are not limited: nghttp2 1.52 of
 * Debian (and 1.57) ends a session with INTERNAL_ERROR when a thousand came faster than 33 a second, and counts those of
 * streams that had ended, which libcurl 7.88 sends after every answer; a load test's client would lose requests. A reset
 * frees here all that its request had, and what a connection may take of a turn is bounded (READS_A_TURN).
 */
#include "net/exchange.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAMS_MAX     100                   /* at once on a connection, as RFC 9113 section 6.5.2 advises at least */
#define STREAM_WINDOW   (1024 * 1024)         /* of a request's body; the session's is four times that */
#define RESETS_MAX      UINT32_MAX            /* at once, and a second: none that can be reached */
#define READ_BLOCK      ((size_t)32 * 1024)   /* bytes read in one go */
#define READS_A_TURN    8                     /* then the other connections have theirs */
#define HEAD_DRAIN      ((size_t)1024 * 1024) /* header bytes decoded past max_header so that the 431 can be said */
#define FIELD_EXTRA     ((size_t)4)           /* counted as over HTTP/1.1: ": " and the line end */
#define FAREWELL_NS     1000000000U           /* for the GOAWAY of an idle session to leave */
#define FIELDS_ON_STACK 64
#define FIELDS_MADE     5 /* :status, content-length, date, and two that a plan may ask for */
#define WATCHED         ((uint32_t)EPOLLIN | (uint32_t)EPOLLRDHUP)

struct http2_stream {
    struct http2 *session;
    struct http2_stream *next, *prev;
    int32_t id;
    bool whole;      /* the request is read */
    bool streamed;   /* its handler reads it as it comes */
    bool end_owed;   /* every byte of the body is taken, and the frame that says so is not */
    bool end_sent;   /* our last frame is with the socket */
    bool closed;     /* nghttp2 knows the stream no more */
    struct buf head; /* names and values in their order */
    size_t head_size;
    struct timer timer; /* a request may take only so long to come */
    struct exchange x;
};

struct http2 {
    struct connection *connection;
    nghttp2_session *session;
    struct http2_stream *streams;
    struct http2 *next, *prev; /* in worker->unsaid */
    bool listed;
    bool speaking; /* within http2_speak(): what is added now is said in the same go */
    bool blocked;  /* the socket is full */
    bool said;     /* bytes that wait for the end of the go */
    bool dead;     /* close it as soon as nghttp2 is not on the stack */
    bool leaving;  /* idle for too long: GOAWAY is on its way */
};

/* ---- who has something to say ---- */

static struct worker *worker_of(const struct http2 *h)
{
    return h->connection->worker;
}

static const struct server_config *config_of(const struct http2 *h)
{
    return &worker_of(h)->server->config;
}

static uint64_t idle_limit(const struct http2 *h)
{
    return (uint64_t)config_of(h)->idle_timeout_ms * 1000000U;
}

static void list(struct http2 *h)
{
    struct worker *w = worker_of(h);
    if (h->listed || h->speaking)
        return;
    h->listed = true;
    h->prev = NULL;
    h->next = w->unsaid;
    if (h->next)
        h->next->prev = h;
    w->unsaid = h;
}

static void unlist(struct http2 *h)
{
    if (!h->listed)
        return;
    h->listed = false;
    *(h->prev ? &h->prev->next : &worker_of(h)->unsaid) = h->next;
    if (h->next)
        h->next->prev = h->prev;
}

static void reset_stream(struct http2_stream *s, uint32_t code)
{
    if (s->closed)
        return;
    (void)nghttp2_submit_rst_stream(s->session->session, NGHTTP2_FLAG_NONE, s->id, code);
    list(s->session);
}

/* ---- replies ---- */

/* Whether a window is used up by n more bytes. nghttp2 makes even an empty DATA frame wait for one that is. */
static bool fills_window(nghttp2_session *session, int32_t id, size_t n)
{
    int32_t stream = nghttp2_session_get_stream_remote_window_size(session, id);
    int32_t all = nghttp2_session_get_remote_window_size(session);
    return (int64_t)n >= (stream < all ? stream : all);
}

/* nghttp2 wants room, or the word that there is nothing now.
 *
 * The end has a frame of its own, which is empty (RFC 9113 section 8.1 ends a message by a flag, whatever the length).
 * libcurl 7.88 waits for ever when END_STREAM comes on bytes that its buffer of 16 KiB has no room for at once: it has
 * read them, keeps them back, and nothing wakes it. An empty frame it never keeps back. Only where the window has no
 * room for it does the end ride on the last bytes, since a peer that has all that it was promised may open none again. */
static ssize_t take_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                         nghttp2_data_source *source, void *ctx)
{
    struct http2_stream *s = source->ptr;
    (void)ctx;
    bool last = s->end_owed;
    size_t n = last ? 0 : exchange_take(&s->x, to, max, &last);
    if (!last)
        return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
    s->end_owed = n > 0 && !fills_window(session, id, n);
    if (!s->end_owed)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static nghttp2_nv pair(const char *name, const char *value)
{
    /* nghttp2 copies both (and lowers the name); its pointers are not const, its use is. */
    union {
        const char *given;
        uint8_t *taken;
    } n = {name}, v = {value};
    return (nghttp2_nv){n.taken, v.taken, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* Fields that HTTP/2 has no place for (RFC 9113 section 8.2.2), or that we make. */
static bool is_left_out(const char *name)
{
    static const char *const names[] = {"connection",        "keep-alive", "proxy-connection",
                                        "transfer-encoding", "upgrade",    "content-length"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (span_is_nocase(span_of(name), names[i]))
            return true;
    return false;
}

/* Fields that make a head malformed, when the plan asks for them. */
static size_t add_oddities(const struct plan *plan, nghttp2_nv *fields, size_t n)
{
    unsigned odd = plan && plan->wire ? plan->wire->odd : 0;
    if (odd & PLAN_BAD_STATUS)
        fields[0] = pair(":status", "2oo");
    if (odd & PLAN_TWO_LENGTHS) {
        fields[n++] = pair("content-length", "1");
        fields[n++] = pair("content-length", "2");
    }
    if (odd & PLAN_LENGTH_AND_CHUNKS)
        fields[n++] = pair("transfer-encoding", "chunked");
    return n;
}

static int submit_head(struct http2_stream *s, bool body_follows)
{
    struct exchange *x = &s->x;
    const struct http_headers *headers = x->plan ? &x->plan->headers : &x->headers;
    nghttp2_nv few[FIELDS_ON_STACK], *fields = few;
    if (headers->count + FIELDS_MADE > COUNT_OF(few))
        fields = calloc(headers->count + FIELDS_MADE, sizeof *fields);
    if (!fields)
        return NGHTTP2_ERR_NOMEM;
    char status[12], length[24], date[HTTP_DATE_SIZE];
    size_t n = 0;
    (void)snprintf(status, sizeof status, "%d", x->plan ? x->plan->status : x->status);
    fields[n++] = pair(":status", status);
    for (size_t i = 0; i < headers->count; i++)
        if (!is_left_out(headers->items[i].name))
            fields[n++] = pair(headers->items[i].name, headers->items[i].value);
    if (x->plan && x->plan->content_length >= 0) {
        (void)snprintf(length, sizeof length, "%lld", (long long)x->plan->content_length);
        fields[n++] = pair("content-length", length);
    }
    http_print_date((int64_t)(wall_ns() / 1000000000), date, sizeof date);
    if (!http_headers_get(headers, "Date"))
        fields[n++] = pair("date", date);
    n = add_oddities(x->plan, fields, n);
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = take_body};
    int failed = nghttp2_submit_response(s->session->session, s->id, fields, n, body_follows ? &body : NULL);
    if (fields != few)
        free(fields);
    return failed;
}

/* True: interim answers went out, or a slow head has to take its time; http2_head() will be called again. */
static bool head_is_put_off(struct http2_stream *s)
{
    struct plan_wire *w = s->x.plan->wire;
    uint64_t wait = w->interim_pause_ns + plan_head_time(s->x.plan);
    char status[12];
    (void)snprintf(status, sizeof status, "%d", w->interim);
    nghttp2_nv field = pair(":status", status);
    bool any = w->interim_times > 0 || wait > 0;
    for (; w->interim_times > 0; w->interim_times--)
        (void)nghttp2_submit_headers(s->session->session, NGHTTP2_FLAG_NONE, s->id, NULL, &field, 1, NULL);
    w->interim_pause_ns = w->head_pause_ns = 0;
    if (any)
        exchange_put_off(&s->x, wait);
    return any;
}

void http2_head(struct exchange *x)
{
    struct http2_stream *s = x->stream;
    list(s->session);
    if (s->closed || (x->plan && x->plan->wire && head_is_put_off(s)))
        return;
    unsigned odd = x->plan && x->plan->wire ? x->plan->wire->odd : 0;
    exchange_choose_way(x, false);
    if (odd & PLAN_BAD_CHUNK)
        x->ending = PLAN_END_RST;
    if (odd & PLAN_NO_HEAD) {
        exchange_no_head(x);
        return;
    }
    bool body_follows = !x->bodiless && !exchange_is_empty(x);
    if ((!x->plan && !x->streaming) || submit_head(s, body_follows) != 0) {
        x->ending = PLAN_END_RST; /* not even memory to say so */
        http2_finish(x);
        return;
    }
    x->phase = body_follows ? PHASE_BODY : PHASE_END;
    if (body_follows)
        exchange_pump(x);
    else
        x->ending = PLAN_END_CLEAN;
}

void http2_wake(struct exchange *x)
{
    struct http2_stream *s = x->stream;
    if (s->closed)
        return;
    (void)nghttp2_session_resume_data(s->session->session, s->id); /* refused when it does not wait: it will ask */
    list(s->session);
}

/* The connection's window opened when the bytes came, so that a stream that does not read stops no other one. */
void http2_consumed(struct exchange *x, size_t n)
{
    struct http2_stream *s = x->stream;
    if (s->closed || n == 0)
        return;
    (void)nghttp2_session_consume_stream(s->session->session, s->id, n);
    list(s->session);
}

void http2_finish(struct exchange *x)
{
    if (x->phase == PHASE_OVER) {
        reset_stream(x->stream, NGHTTP2_CANCEL);
    } else if (x->ending == PLAN_END_CLEAN) {
        http2_wake(x);
    } else {
        x->phase = PHASE_END;
        reset_stream(x->stream, NGHTTP2_INTERNAL_ERROR);
    }
}

static void refuse(struct http2_stream *s)
{
    timer_cancel(&s->timer);
    exchange_refuse(&s->x, s->x.refused, exchange_why(s->x.refused));
}

/* ---- streams ---- */

static void reading_takes_too_long(void *ctx)
{
    reset_stream(ctx, NGHTTP2_CANCEL);
}

static void idle_too_long(void *ctx)
{
    struct connection *c = ctx;
    struct http2 *h = c->http2;
    if (h->leaving) {
        http2_end(c, DELIVERY_TIMED_OUT);
        return;
    }
    h->leaving = true;
    (void)nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
    timer_set(worker_of(h)->loop, &c->timer, now_ns() + FAREWELL_NS, idle_too_long, c);
    list(h);
}

static void stream_free(struct http2_stream *s)
{
    struct http2 *h = s->session;
    s->closed = true;
    timer_cancel(&s->timer);
    *(s->prev ? &s->prev->next : &h->streams) = s->next;
    if (s->next)
        s->next->prev = s->prev;
    exchange_release(&s->x);
    buf_release(&s->head);
    free(s);
    if (!h->streams && !h->leaving)
        timer_set(worker_of(h)->loop, &h->connection->timer, now_ns() + idle_limit(h), idle_too_long, h->connection);
}

static struct http2_stream *stream_new(struct http2 *h, int32_t id)
{
    struct http2_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->session = h;
    s->id = id;
    buf_init(&s->head, config_of(h)->max_header);
    exchange_init(&s->x, h->connection);
    s->x.stream = s;
    s->next = h->streams;
    if (s->next)
        s->next->prev = s;
    h->streams = s;
    if (!h->leaving)
        timer_cancel(&h->connection->timer);
    timer_set(worker_of(h)->loop, &s->timer, now_ns() + idle_limit(h), reading_takes_too_long, s);
    return s;
}

static struct http2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- requests ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct http2_stream *s = stream_new(ctx, frame->hd.stream_id);
    if (!s)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return nghttp2_session_set_stream_user_data(session, s->id, s);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    struct http2 *h = ctx;
    struct http2_stream *s = stream_of(session, frame->hd.stream_id);
    (void)flags;
    if (!s)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    s->head_size += name_n + value_n + FIELD_EXTRA;
    if (s->head_size > config_of(h)->max_header + HEAD_DRAIN)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (s->x.refused || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers are read and dropped, as over HTTP/1.1 */
    if (s->head_size > config_of(h)->max_header) {
        s->x.refused = 431;
        return 0;
    }
    buf_add(&s->head, (struct span){name, name_n});
    buf_add(&s->head, (struct span){value, value_n});
    if (buf_error(&s->head))
        s->x.refused = 500;
    else
        (void)exchange_add_field(&s->x, (struct span){NULL, name_n}, (struct span){NULL, value_n});
    return 0;
}

/* nghttp2 would leave the field out and go on; a signature must not be judged over a part of what was sent. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                             const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    (void)session, (void)frame, (void)name, (void)name_n, (void)value, (void)value_n, (void)flags, (void)ctx;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* The head stands still now: give the fields their bytes, and the pseudo-header fields (RFC 9113 section 8.3.1) their
 * places. ":authority" stays among the fields, since it may be signed in place of Host. */
static void place_fields(struct http2_stream *s)
{
    struct http_request *r = &s->x.request;
    const struct {
        const char *name;
        struct span *place;
    } pseudo[] = {{":method", &r->method}, {":path", &r->target}, {":scheme", NULL}, {":protocol", NULL}};
    struct span rest = buf_span(&s->head);
    size_t kept = 0;
    for (size_t i = 0; i < r->field_count; i++) {
        struct http_field f = s->x.fields[i];
        f.name = span_cut(rest, 0, f.name.n);
        f.value = span_cut(rest, f.name.n, f.value.n);
        rest = span_from(rest, f.name.n + f.value.n);
        bool placed = false;
        for (size_t k = 0; k < COUNT_OF(pseudo) && !placed; k++) {
            placed = span_is(f.name, pseudo[k].name);
            if (placed && pseudo[k].place)
                *pseudo[k].place = f.value;
        }
        if (!placed)
            s->x.fields[kept++] = f;
    }
    r->field_count = kept;
    r->fields = s->x.fields;
}

/* nghttp2 has checked its grammar, and will compare it with what comes. */
static size_t promised_length(const struct http_request *r)
{
    struct span digits = http_field_get(r->fields, r->field_count, "content-length");
    size_t n = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (n > (SIZE_MAX - 9) / 10)
            return SIZE_MAX;
        n = n * 10 + (size_t)(digits.p[i] - '0');
    }
    return n;
}

static void read_head(struct http2_stream *s)
{
    struct exchange *x = &s->x;
    struct http_request *r = &x->request;
    x->head_seen = true;
    place_fields(s);
    (void)span_split(r->target, '?', &r->path, &r->query);
    r->connection = s->session->connection->number;
    r->on_connection = ++s->session->connection->requests;
    r->http_version = 20;
    const struct server_config *config = config_of(s->session);
    if (!x->refused && config->wants_stream && config->wants_stream(config->ctx, r)) {
        s->streamed = r->body_follows = true;
        timer_cancel(&s->timer);
        exchange_handle(x);
        return;
    }
    size_t length = promised_length(r);
    if (!x->refused && length > x->body.max)
        x->refused = 413;
    if (!x->refused && length > 0 && length <= STREAM_WINDOW)
        (void)buf_reserve(&x->body, length);
    if (x->refused)
        refuse(s);
}

static void read_end(struct http2_stream *s)
{
    s->whole = true;
    timer_cancel(&s->timer);
    if (s->streamed && s->x.data_end && s->x.phase != PHASE_OVER)
        s->x.data_end(s->x.data_ctx);
    if (s->x.phase != PHASE_IDLE)
        return; /* refused */
    s->x.request.body = buf_span(&s->x.body);
    exchange_handle(&s->x);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *ctx)
{
    struct http2_stream *s = stream_of(session, id);
    (void)flags, (void)ctx;
    (void)nghttp2_session_consume_connection(session, n);
    if (s && s->streamed && s->x.data && s->x.phase != PHASE_OVER) {
        s->x.data(s->x.data_ctx, (struct span){bytes, n});
        return 0;
    }
    (void)nghttp2_session_consume_stream(session, id, n);
    if (!s || s->x.phase != PHASE_IDLE)
        return 0; /* of a request that was refused */
    buf_add(&s->x.body, (struct span){bytes, n});
    if (!buf_error(&s->x.body))
        return 0;
    s->x.refused = buf_error(&s->x.body) == ERR_LIMIT ? 413 : 500;
    refuse(s);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct http2 *h = ctx;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        h->dead = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct http2_stream *s = stream_of(session, frame->hd.stream_id);
    if (s && !s->x.head_seen)
        read_head(s);
    if (s && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        read_end(s);
    return 0;
}

/* ---- what became of our frames ---- */

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct http2_stream *s = frame->hd.stream_id > 0 ? stream_of(session, frame->hd.stream_id) : NULL;
    (void)ctx;
    if (!s)
        return 0;
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        s->x.delivery.head_at_ns = s->x.delivery.last_at_ns = now_ns();
        break;
    case NGHTTP2_DATA:
        exchange_taken(&s->x, frame->hd.length - frame->data.padlen);
        break;
    case NGHTTP2_RST_STREAM:
        s->end_sent = s->end_sent || s->x.phase == PHASE_END;
        return 0;
    default:
        return 0;
    }
    s->end_sent = s->end_sent || ends;
    if (ends && !s->whole)
        reset_stream(s, NGHTTP2_NO_ERROR); /* the rest of the request is not wanted: RFC 9113 section 8.1 */
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct http2_stream *s = stream_of(session, id);
    (void)code, (void)ctx;
    if (!s)
        return 0;
    s->closed = true;
    exchange_finish(&s->x, s->end_sent ? DELIVERY_COMPLETE : DELIVERY_PEER_CLOSED);
    stream_free(s);
    return 0;
}

/* ---- the socket ---- */

static ssize_t send_bytes(nghttp2_session *session, const uint8_t *bytes, size_t n, int flags, void *ctx)
{
    struct http2 *h = ctx;
    (void)session, (void)flags;
    for (;;) {
        ssize_t sent = connection_send(h->connection, bytes, n, true);
        if (sent >= 0) {
            h->said = true;
            return sent;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            h->blocked = true;
            return NGHTTP2_ERR_WOULDBLOCK;
        }
        if (errno != EINTR)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
}

/* All that can be said now. MSG_MORE holds the last packet back until TCP_NODELAY is set once more (tcp(7)). */
static void say(struct http2 *h)
{
    struct connection *c = h->connection;
    int on = 1;
    h->said = h->blocked = false;
    h->speaking = true;
    if (nghttp2_session_send(h->session) != 0)
        h->dead = true;
    h->speaking = false;
    if (h->said)
        (void)setsockopt(c->watch.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (h->blocked != c->wants_write && watch_change(&c->watch, WATCHED | (h->blocked ? (uint32_t)EPOLLOUT : 0)) == OK)
        c->wants_write = h->blocked;
}

bool http2_speak(struct worker *w)
{
    size_t most = w->unsaid ? w->connection_count : 0;
    for (size_t i = 0; i < most && w->unsaid; i++) {
        struct http2 *h = w->unsaid;
        unlist(h);
        say(h);
        if (h->dead || (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session)))
            http2_end(h->connection, DELIVERY_PEER_CLOSED);
    }
    return w->unsaid != NULL;
}

/* False: the connection must end. */
static bool hear(struct http2 *h)
{
    unsigned char block[READ_BLOCK];
    for (int i = 0; i < READS_A_TURN && !h->dead; i++) {
        ssize_t n = connection_recv(h->connection, block, sizeof block);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return true;
        if (n <= 0)
            return false;
        if (nghttp2_session_mem_recv(h->session, block, (size_t)n) < 0) {
            (void)nghttp2_session_terminate_session(h->session, NGHTTP2_PROTOCOL_ERROR);
            return false;
        }
        if ((size_t)n < sizeof block)
            break;
    }
    return !h->dead;
}

static void session_event(void *ctx, uint32_t events)
{
    struct connection *c = ctx;
    if ((events & ~(uint32_t)EPOLLOUT) && !hear(c->http2)) {
        http2_end(c, DELIVERY_PEER_CLOSED);
        return;
    }
    list(c->http2);
}

/* ---- sessions ---- */

void http2_end(struct connection *c, enum delivery_end end)
{
    struct http2 *h = c->http2;
    h->leaving = true;
    for (struct http2_stream *s = h->streams; s; s = s->next) {
        s->closed = true; /* the GOAWAY, or the peer, has said it for all of them */
        exchange_finish(&s->x, end);
    }
    (void)nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
    say(h);
    connection_close(c);
}

void http2_free(struct http2 *h)
{
    if (!h)
        return;
    h->leaving = true;
    unlist(h);
    nghttp2_session_del(h->session);
    while (h->streams)
        stream_free(h->streams);
    free(h);
}

static int make_session(struct http2 *h, nghttp2_session_callbacks *does, nghttp2_option *option)
{
    nghttp2_session_callbacks_set_send_callback(does, send_bytes);
    nghttp2_session_callbacks_set_on_begin_headers_callback(does, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(does, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(does, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(does, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(does, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(does, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(does, on_stream_close);
    nghttp2_option_set_no_closed_streams(option, 1);
#if NGHTTP2_LIMITS_RESETS
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_MAX, RESETS_MAX);
#endif
    nghttp2_option_set_no_auto_window_update(option, 1); /* on_data() says what has been used up */
    return nghttp2_session_server_new2(&h->session, does, h, option);
}

static bool session_init(struct http2 *h)
{
    static const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
                                                      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW}};
    nghttp2_session_callbacks *does = NULL;
    nghttp2_option *option = NULL;
    bool ok = nghttp2_session_callbacks_new(&does) == 0 && nghttp2_option_new(&option) == 0 &&
              make_session(h, does, option) == 0;
    nghttp2_session_callbacks_del(does);
    nghttp2_option_del(option);
    return ok && nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings)) == 0 &&
           nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, 4 * STREAM_WINDOW) == 0;
}

void http2_take(struct connection *c)
{
    struct http2 *h = calloc(1, sizeof *h);
    if (!h) {
        connection_close(c);
        return;
    }
    h->connection = c;
    c->http2 = h;
    c->watch.ready = session_event;
    /* Level-triggered: what one turn leaves unread comes again in the next. */
    if (!session_init(h) || watch_change(&c->watch, WATCHED) != OK) {
        connection_close(c);
        return;
    }
    timer_set(c->worker->loop, &c->timer, now_ns() + idle_limit(h), idle_too_long, c);
    list(h);
    if (c->secure)
        session_event(c, (uint32_t)EPOLLIN); /* what was read to choose HTTP/2 is in no socket any more */
}
