/* http1.c: libmicrohttpd as a part of our loop; the only file that knows it.
 *
 * One daemon a worker, without thread and without listening socket. Its epoll fd is watched by our loop, and it runs at
 * most once a turn, just before the loop sleeps: whatever became ready or was resumed in this turn goes in one pass.
 *
 * MHD calls us for the head, for each part of the body, and once more when the request is whole; then the handler is
 * asked. Without an answer the connection is suspended; resuming makes MHD call again and the head is queued. Bodies:
 * see exchange.h. Two habits of MHD are worked around: a content reader that returns 0 is called again at once (it
 * would spin), so it always suspends first; and the request target is decoded and cut up, so the raw one is copied
 * from the log callback, which sees it first.
 */
#include "net/exchange.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DRAIN_MAX  ((size_t)64 * 1024 * 1024) /* read past max_body so that the 413 reaches the sender */
#define POOL_EXTRA ((size_t)4 * 1024)         /* MHD keeps the reply's head in the pool of the request's */
#define PULL_BLOCK ((size_t)32 * 1024)

struct http1 {
    struct worker *worker;
    struct MHD_Daemon *daemon;
    struct watch watch;
    bool ready;       /* run it in this turn */
    uint64_t wake_ns; /* or when this instant comes */
};

/* ---- suspending ---- */

static void suspend(struct connection *c)
{
    c->suspended = true;
    MHD_suspend_connection(c->mhd);
}

void http1_resume(struct connection *c)
{
    if (!c->suspended)
        return;
    c->suspended = false;
    c->worker->http1->ready = true;
    MHD_resume_connection(c->mhd);
}

/* Suspend an exchange that has to wait. A peer that left while we were not looking is found here; false then. */
static bool may_wait(struct exchange *x)
{
    if (x->connection->peer_gone) {
        exchange_finish(x, DELIVERY_PEER_CLOSED);
        return false;
    }
    suspend(x->connection);
    return true;
}

/* ---- replies ---- */

/* With epoll, MHD 0.9.75 closes a connection whose reader gives up, but takes it off its lists of what to look at before it
 * has let go of it; one that was resumed just now is not in its epoll set either, and its descriptor would be held until
 * the idle time is over. Connections with a timeout of their own are looked at in every pass: so it gets one, any other. */
static ssize_t give_up(struct connection *c)
{
    unsigned own = (c->worker->server->config.idle_timeout_ms + 999) / 1000 + 1;
    (void)MHD_set_connection_option(c->mhd, MHD_CONNECTION_OPTION_TIMEOUT, own);
    c->worker->http1->ready = true;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t read_body(void *cls, uint64_t position, char *to, size_t max)
{
    struct exchange *x = cls;
    (void)position;
    if (x->phase == PHASE_QUEUE)
        exchange_head_sent(x);
    if (x->phase == PHASE_BODY && x->way == BODY_PULLED) {
        size_t n = exchange_pull(x, to, max);
        if (n > 0)
            return (ssize_t)n;
    } else if (x->phase == PHASE_BODY) {
        exchange_pump(x);
    }
    if (x->phase == PHASE_BODY && may_wait(x))
        return 0;
    bool clean = x->phase == PHASE_END && x->ending == PLAN_END_CLEAN;
    return clean ? MHD_CONTENT_READER_END_OF_STREAM : give_up(x->connection);
}

static void add_headers(struct MHD_Response *response, const struct http_headers *h)
{
    for (size_t i = 0; i < h->count; i++) {
        /* The library refuses an empty value; a space is one to every reader (RFC 9110 section 5.5). */
        const char *value = h->items[i].value[0] != '\0' ? h->items[i].value : " ";
        (void)MHD_add_response_header(response, h->items[i].name, value);
    }
}

static struct MHD_Response *make_response(struct exchange *x)
{
    if (x->bodiless) {
        /* Of an unknown length MHD 0.9.75 sends the last chunk even then; so it is told a length. */
        uint64_t size = x->plan && x->plan->content_length >= 0 ? (uint64_t)x->plan->content_length : 0;
        exchange_skip_body(x);
        return MHD_create_response_from_callback(size, 64, read_body, x, NULL);
    }
    if (x->way == BODY_WHOLE) {
        struct span body = exchange_whole_body(x);
        /* Persistent: the plan outlives the response, see on_completed(). MHD's pointer is not const, its use is. */
        char *bytes = body.n > 0 ? x->plan->bytes.data + (body.p - (const unsigned char *)x->plan->bytes.data) : NULL;
        return MHD_create_response_from_buffer(body.n, bytes, MHD_RESPMEM_PERSISTENT);
    }
    uint64_t size = x->plan && x->plan->content_length >= 0 ? (uint64_t)x->plan->content_length : MHD_SIZE_UNKNOWN;
    size_t block = x->way == BODY_PULLED ? PULL_BLOCK : 64;
    return MHD_create_response_from_callback(size, block, read_body, x, NULL);
}

/* MHD sends the head of a stream alone, then come our chunks, then MHD's last one: three packets, and a reader that is
 * woken for each. What is due at once leaves together instead. TLS has a socket that is not this one. */
static void cork(const struct connection *c, bool on)
{
    int value = on;
    if (c->x.at_once && !c->x.bodiless && !c->secure)
        (void)setsockopt(c->watch.fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

static enum MHD_Result queue_head(struct connection *c, bool http_1_1)
{
    struct exchange *x = &c->x;
    if (!x->plan && !x->streaming)
        return MHD_NO; /* not even memory to say so */
    exchange_choose_way(x, http_1_1);
    struct MHD_Response *response = make_response(x);
    if (!response)
        return MHD_NO;
    add_headers(response, x->plan ? &x->plan->headers : &x->headers);
    cork(c, true);
    enum MHD_Result queued = MHD_queue_response(c->mhd, (unsigned)(x->plan ? x->plan->status : x->status), response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse(struct connection *c)
{
    exchange_refuse(&c->x, c->x.refused, exchange_why(c->x.refused));
    return queue_head(c, true);
}

/* ---- requests ---- */

static struct span nul_ended(const char *text, size_t n)
{
    return text ? (struct span){(const unsigned char *)text, n} : SPAN_EMPTY;
}

static enum MHD_Result take_field(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_n, const char *value,
                                  size_t value_n)
{
    struct exchange *x = cls;
    (void)kind;
    struct span trimmed = span_trim(nul_ended(value, value_n)); /* RFC 9110 section 5.5 */
    return exchange_add_field(x, nul_ended(key, key_n), trimmed) ? MHD_YES : MHD_NO;
}

/* The promised length, cut at SIZE_MAX; 0 when there is none. MHD has checked its grammar. */
static size_t promised_length(const struct http_request *r)
{
    struct span digits = http_field_get(r->fields, r->field_count, "Content-Length");
    size_t n = 0;
    for (size_t i = 0; i < digits.n && digits.p[i] >= '0' && digits.p[i] <= '9'; i++) {
        if (n > (SIZE_MAX - 9) / 10)
            return SIZE_MAX;
        n = n * 10 + (size_t)(digits.p[i] - '0');
    }
    return n;
}

static size_t head_size(const struct http_request *r)
{
    enum { LINE_EXTRA = 4 }; /* ": " and the line end */
    size_t n = r->method.n + r->target.n + LINE_EXTRA;
    for (size_t i = 0; i < r->field_count; i++)
        n += r->fields[i].name.n + r->fields[i].value.n + LINE_EXTRA;
    return n;
}

static enum MHD_Result read_head(struct connection *c, const char *method)
{
    struct exchange *x = &c->x;
    struct http_request *r = &x->request;
    x->head_seen = true;
    (void)MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, take_field, x);
    r->fields = x->fields;
    r->method = span_of(method);
    r->target = buf_span(&x->target);
    (void)span_split(r->target, '?', &r->path, &r->query);
    r->connection = c->number;
    r->on_connection = ++c->requests;
    r->http_version = 11;
    size_t length = promised_length(r);
    if (head_size(r) > c->worker->server->config.max_header)
        x->refused =
            MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE; /* MHD's pool is a little larger, so that this can be said */
    const struct server_config *config = &c->worker->server->config;
    if (!x->refused && config->wants_stream && config->wants_stream(config->ctx, r))
        x->refused = MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED;
    if (x->refused == MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED)
        return refuse(c); /* at once: it may wait for an answer before it says more */
    if (length <= x->body.max) {
        if (length > 0 && length <= (size_t)1024 * 1024)
            (void)buf_reserve(&x->body, length);
        return x->refused ? refuse(c) : MHD_YES;
    }
    x->refused = MHD_HTTP_CONTENT_TOO_LARGE;
    bool asks_first = http_field_get(r->fields, r->field_count, "Expect").n > 0;
    return asks_first || length - x->body.max > DRAIN_MAX ? refuse(c) : MHD_YES;
}

static enum MHD_Result read_part(struct exchange *x, const char *bytes, size_t *n)
{
    struct span part = {(const unsigned char *)bytes, *n};
    *n = 0;
    if (x->refused) {
        x->piece_taken += part.n; /* unused while a request is read */
        return x->piece_taken > x->body.max + DRAIN_MAX ? MHD_NO : MHD_YES;
    }
    buf_add(&x->body, part);
    if (buf_error(&x->body) == ERR_LIMIT)
        x->refused = MHD_HTTP_CONTENT_TOO_LARGE;
    return buf_error(&x->body) == ERR_NOMEM ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_n, void **request)
{
    struct connection *c = *request;
    (void)cls, (void)url, (void)mhd;
    if (!c)
        return MHD_NO;
    struct exchange *x = &c->x;
    if (!x->head_seen)
        return read_head(c, method);
    if (*upload_n > 0)
        return read_part(x, upload, upload_n);
    timer_cancel(&c->timer);
    c->whole = true;
    if (x->refused)
        return refuse(c);
    if (x->phase == PHASE_IDLE) {
        x->request.body = buf_span(&x->body);
        exchange_handle(x);
    }
    bool http_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    if (x->phase == PHASE_QUEUE && x->plan && x->plan->wire)
        exchange_spell(x, http_1_1);
    if (x->phase == PHASE_QUEUE)
        return queue_head(c, http_1_1);
    bool over = x->phase == PHASE_OVER || x->phase == PHASE_END; /* END: spelled to the end, the library closes */
    return !over && may_wait(x) ? MHD_YES : MHD_NO;
}

static void reading_takes_too_long(void *ctx)
{
    struct connection *c = ctx;
    (void)shutdown(c->watch.fd, SHUT_RDWR); /* MHD reads the end and closes */
}

static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct http1 *h = cls;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *c = info ? info->socket_context : NULL;
    if (!c)
        return NULL;
    c->mhd = mhd;
    c->whole = false;
    if (c->x.target.len > 0) /* it was reset when the last request ended, or should have been */
        exchange_reset(&c->x);
    buf_adds(&c->x.target, target);
    uint64_t limit = (uint64_t)h->worker->server->config.idle_timeout_ms * 1000000U;
    timer_set(h->worker->loop, &c->timer, now_ns() + limit, reading_takes_too_long, c);
    return c;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **request, enum MHD_RequestTerminationCode why)
{
    static const enum delivery_end ends[] = {
        [MHD_REQUEST_TERMINATED_COMPLETED_OK] = DELIVERY_COMPLETE,
        [MHD_REQUEST_TERMINATED_WITH_ERROR] = DELIVERY_PEER_CLOSED,
        [MHD_REQUEST_TERMINATED_TIMEOUT_REACHED] = DELIVERY_TIMED_OUT,
        [MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN] = DELIVERY_STOPPED,
        [MHD_REQUEST_TERMINATED_READ_ERROR] = DELIVERY_PEER_CLOSED,
        [MHD_REQUEST_TERMINATED_CLIENT_ABORT] = DELIVERY_PEER_CLOSED,
    };
    struct connection *c = *request;
    (void)cls, (void)mhd;
    if (!c)
        return;
    struct exchange *x = &c->x;
    timer_cancel(&c->timer);
    enum delivery_end end = (size_t)why < COUNT_OF(ends) ? ends[why] : DELIVERY_PEER_CLOSED;
    if (x->phase == PHASE_END && x->ending != PLAN_END_CLEAN)
        end = DELIVERY_COMPLETE; /* closed as the plan said */
    if (!c->refused) /* that one had its answer, and MHD does not know it */
        c->abrupt = c->abrupt || end != DELIVERY_COMPLETE || x->ending != PLAN_END_CLEAN;
    if (end == DELIVERY_COMPLETE && x->way == BODY_WHOLE && x->plan && !x->bodiless)
        x->delivery.bytes = (uint64_t)x->plan->content_length;
    c->suspended = false;
    cork(c, false);
    exchange_finish(x, end);
    exchange_reset(x);
    *request = NULL;
}

/* ---- connections ---- */

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http1 *h = cls;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_context)
            connection_leave(*socket_context);
        *socket_context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    size_t fd = info ? (size_t)info->connect_fd : SIZE_MAX;
    *socket_context = fd < h->worker->by_fd_count ? h->worker->by_fd[fd] : NULL;
    if (*socket_context)
        ((struct connection *)*socket_context)->mhd = mhd;
}

static bool note_fd(struct worker *w, struct connection *c, int fd)
{
    size_t at = (size_t)fd;
    if (at >= w->by_fd_count) {
        size_t count = w->by_fd_count ? w->by_fd_count : 64;
        while (count <= at)
            count *= 2;
        struct connection **table = realloc(w->by_fd, count * sizeof(struct connection *));
        if (!table)
            return false;
        memset(table + w->by_fd_count, 0, (count - w->by_fd_count) * sizeof(struct connection *));
        w->by_fd = table;
        w->by_fd_count = count;
    }
    w->by_fd[at] = c;
    c->mhd_fd = fd;
    return true;
}

bool http1_take(struct http1 *h, struct connection *c, int fd)
{
    struct sockaddr nobody = {.sa_family = c->secure ? AF_UNIX : AF_INET};
    h->ready = true;
    if (!note_fd(h->worker, c, fd)) {
        close(fd);
        connection_free(c);
        return false;
    }
    if (MHD_add_connection(h->daemon, fd, &nobody, sizeof nobody) == MHD_YES)
        return true;
    connection_free(c); /* MHD has closed the fd */
    return false;
}

/* ---- the daemon in the loop ---- */

static void daemon_ready(void *ctx, uint32_t events)
{
    struct http1 *h = ctx;
    (void)events;
    h->ready = true;
}

static uint64_t before_sleep(void *ctx)
{
    struct http1 *h = ctx;
    if (http2_speak(h->worker))
        h->ready = true;
    if (!h->ready && now_ns() < h->wake_ns)
        return h->wake_ns;
    h->ready = false;
    (void)MHD_run(h->daemon);
    MHD_UNSIGNED_LONG_LONG ms = 0;
    h->wake_ns = MHD_get_timeout(h->daemon, &ms) == MHD_YES ? now_ns() + ms * 1000000U : UINT64_MAX;
    h->ready = h->ready || (h->wake_ns != UINT64_MAX && ms == 0);
    return h->ready ? 0 : h->wake_ns;
}

static size_t leave_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls, (void)mhd;
    return strlen(text);
}

/* ---- what MHD refuses by itself ---- */

/* Is this a connection whose request MHD may be refusing now? It is at work on one that is not suspended, has no answer yet,
 * and is as far as the words say: within a body of chunks, at the end of a head, within one, or before one. */
static bool may_be_refused(struct connection *c, int status, const char *words)
{
    const struct exchange *x = &c->x;
    if (c->mhd_fd < 0 || !c->mhd || c->suspended || c->refused || x->phase != PHASE_IDLE)
        return false;
    if (strstr(words, "chunk"))
        return x->head_seen && http_field_get(x->fields, x->request.field_count, "Transfer-Encoding").n > 0;
    bool within = x->target.len > 0 && !x->head_seen;
    if (strstr(words, "Content-Length"))
        return within && MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (status == MHD_HTTP_URI_TOO_LONG || status == MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED)
        return x->target.len == 0;
    return true;
}

/* The log does not say whose request it is. If only one connection can be meant, it is that one. */
static struct connection *find_refused(struct http1 *h, int status, const char *words)
{
    struct connection *found = NULL;
    for (struct connection *c = h->worker->connections; c; c = c->next) {
        if (!may_be_refused(c, status, words))
            continue;
        if (found)
            return NULL;
        found = c;
    }
    return found;
}

/* MHD is about to write an answer of its own (0.9.75 writes its head twice, when Content-Length is bad). Ours goes first, past
 * it, and then its side of the socket is closed: it finds that it cannot write, and closes the rest. */
static void refuse_in_place(struct connection *c, int status, const char *why)
{
    struct exchange *x = &c->x;
    if (!x->head_seen) {
        (void)MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, take_field, x);
        x->request.fields = x->fields;
        x->request.target = buf_span(&x->target);
    }
    connection_refuse(c, status, why);
    c->whole = false; /* the rest of what the peer says is to be heard before the socket is closed */
    (void)shutdown(c->mhd_fd, SHUT_WR);
}

static void refuse_unknown(struct http1 *h, int status, const char *why)
{
    const struct server_config *config = &h->worker->server->config;
    char line[512];
    (void)snprintf(line, sizeof line, "a peer sent what is no request and was told: %s", why);
    if (config->log)
        config->log(config->ctx, line);
    if (config->refuse)
        config->refuse(config->ctx, h->worker->user, NULL, status, why);
}

/* What MHD is about to tell the peer between <body> and </body>, without the tags. False: it is another sentence. */
static bool read_words(const char *line, char *to, size_t max)
{
    const char *p = strstr(line, "<body>"), *end = strstr(line, "</body>");
    size_t n = 0;
    if (!p || !end)
        return false;
    for (bool tag = false; p < end && n + 1 < max; p++) {
        tag = *p == '<' || (tag && p[-1] != '>');
        if (!tag)
            to[n++] = *p;
    }
    to[n] = '\0';
    return true;
}

/* MHD answers what is no HTTP by itself and asks nobody; all we have of it is the sentence for its log, which comes just
 * before. Its other sentences are about sockets. */
static PRINTF_LIKE(2, 0) void on_log(void *cls, const char *format, va_list values)
{
    struct http1 *h = cls;
    char line[1024], words[512];
    int status = 0;
    if (strncmp(format, "Error processing request", 24) != 0)
        return;
    (void)vsnprintf(line, sizeof line, format, values);
    const char *code = strstr(line, "code is ");
    for (code = code ? code + 8 : ""; *code >= '0' && *code <= '9' && status < 1000; code++)
        status = status * 10 + (*code - '0');
    if (status < 400 || status > 599 || !read_words(line, words, sizeof words))
        return;
    struct connection *c = find_refused(h, status, words);
    if (c)
        refuse_in_place(c, status, words);
    else
        refuse_unknown(h, status, words);
}

static struct MHD_Daemon *start_daemon(struct http1 *h)
{
    const struct server_config *config = &h->worker->server->config;
    unsigned flags = (unsigned)MHD_USE_NO_LISTEN_SOCKET | (unsigned)MHD_USE_EPOLL | (unsigned)MHD_ALLOW_SUSPEND_RESUME |
                     (unsigned)MHD_USE_ERROR_LOG;
    unsigned idle_s = (config->idle_timeout_ms + 999) / 1000;
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, h,                                 //
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, h,                               //
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,                      //
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,                        //
                            MHD_OPTION_URI_LOG_CALLBACK, on_target, h,                           //
                            MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, h,                      //
                            MHD_OPTION_CONNECTION_TIMEOUT, idle_s,                               //
                            MHD_OPTION_CONNECTION_LIMIT, config->max_connections,                //
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, config->max_header + POOL_EXTRA, //
                            MHD_OPTION_END);
}

struct http1 *http1_new(struct worker *worker, struct note *note)
{
    struct http1 *h = calloc(1, sizeof *h);
    if (!h) {
        (void)note_set(note, ERR_NOMEM, "out of memory for an HTTP server");
        return NULL;
    }
    h->worker = worker;
    h->daemon = start_daemon(h);
    const union MHD_DaemonInfo *info = h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        (void)note_set(note, ERR_IO, "libmicrohttpd does not start");
        http1_free(h);
        return NULL;
    }
    h->watch = (struct watch){.fd = info->epoll_fd, .ready = daemon_ready, .ctx = h};
    if (watch_add(worker->loop, &h->watch, EPOLLIN, note) != OK) {
        http1_free(h);
        return NULL;
    }
    loop_on_turn(worker->loop, before_sleep, h);
    return h;
}

void http1_free(struct http1 *h)
{
    if (!h)
        return;
    watch_remove(&h->watch);
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    free(h);
}
