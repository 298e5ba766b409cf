/* client.c: libcurl's multi interface as a part of our loop; with client_h2.c the only file that knows it.
 *
 * curl tells which sockets and which instant it cares for; the loop tells it back. Two rules shape the code. curl may
 * not be entered from its own callbacks, so what a callback asks for (start, cancel, resume) is noted and done when the
 * outermost entry has returned: settle(). And curl decorates requests and paths unless told not to, so each default
 * header is suppressed by name and the path is sent as it stands.
 *
 * Times are ours: one timer a call, which looks at the whole and at the silence, so that a timeout is never confused
 * with a network error.
 */
#include "net/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include "net/client_h2.h"
#include "net/tls.h"

#define KEPT_CONNECTIONS 1024L
#define HEAD_MAX         ((size_t)256 * 1024) /* bytes of a response head we keep; curl has its own limit a line */
#define FETCH_MAX        ((size_t)64 * 1024 * 1024)

struct client {
    struct loop *loop;
    CURLM *multi;
    struct timer timer;
    const char *ca_file; /* NULL: the system's */
    struct call *calls;
    int depth;      /* how often curl is on the stack */
    bool unsettled; /* a call was noted for start, cancel or resume */
    struct socket_watch *watches;
};

struct socket_watch {
    struct watch watch;
    struct client *client;
    struct socket_watch *next, *prev;
};

struct call {
    struct client *client;
    struct call *next, *prev;
    CURL *easy;
    struct curl_slist *lines;
    struct client_events events;
    void *ctx;
    struct http_headers headers;
    size_t head_bytes;
    struct client_result result;
    struct timer timer;
    uint64_t timeout_ns, idle_ns, active_at_ns;
    bool head_open; /* a status line was read, its blank line not yet */
    bool paused, resume, cancelled, unstarted;
    bool overdue; /* the clock ran out, and what came meanwhile is looked at */
    char curl_text[CURL_ERROR_SIZE];
    struct upward *up; /* of a request that streams_up; NULL: curl does all of it */
};

/* What waits until there is a connection, and the stream from then on. */
struct upward {
    char *method, *url;
    struct http_headers headers;
    struct buf early;
    bool early_end;
    struct client_h2 *h2;
    void (*sent)(void *ctx);
};

static void settle(struct client *client);

/* ---- curl in the loop ---- */

static void enter(struct client *client, curl_socket_t fd, int what)
{
    int running = 0;
    client->depth++;
    (void)curl_multi_socket_action(client->multi, fd, what, &running);
    client->depth--;
    settle(client);
}

static void socket_ready(void *ctx, uint32_t events)
{
    struct socket_watch *sw = ctx;
    int what =
        (events & (uint32_t)EPOLLIN ? CURL_CSELECT_IN : 0) | (events & (uint32_t)EPOLLOUT ? CURL_CSELECT_OUT : 0);
    if (events & ((uint32_t)EPOLLERR | (uint32_t)EPOLLHUP))
        what |= CURL_CSELECT_ERR;
    enter(sw->client, sw->watch.fd, what);
}

static void timer_fired(void *ctx)
{
    enter(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static void forget_socket(struct client *client, struct socket_watch *sw)
{
    watch_remove(&sw->watch);
    *(sw->prev ? &sw->prev->next : &client->watches) = sw->next;
    if (sw->next)
        sw->next->prev = sw->prev;
    free(sw);
}

static struct socket_watch *remember_socket(struct client *client, curl_socket_t fd, uint32_t events)
{
    struct socket_watch *sw = calloc(1, sizeof *sw);
    if (!sw)
        return NULL;
    sw->client = client;
    sw->watch = (struct watch){.fd = fd, .ready = socket_ready, .ctx = sw};
    if (watch_add(client->loop, &sw->watch, events, NULL) != OK) {
        free(sw);
        return NULL;
    }
    sw->next = client->watches;
    if (sw->next)
        sw->next->prev = sw;
    client->watches = sw;
    (void)curl_multi_assign(client->multi, fd, sw);
    return sw;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct client *client = ctx;
    struct socket_watch *sw = socket_ctx;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (sw)
            forget_socket(client, sw);
        return 0;
    }
    uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) | (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    if (!sw)
        return remember_socket(client, fd, events) ? 0 : -1;
    return watch_change(&sw->watch, events) == OK ? 0 : -1;
}

static int on_timer(CURLM *multi, long ms, void *ctx)
{
    struct client *client = ctx;
    (void)multi;
    if (ms < 0)
        timer_cancel(&client->timer);
    else
        timer_set(client->loop, &client->timer, now_ns() + (uint64_t)ms * 1000000U, timer_fired, client);
    return 0;
}

/* ---- the life of a call ---- */

static void upward_free(struct upward *up)
{
    if (!up)
        return;
    client_h2_free(up->h2);
    free(up->method);
    free(up->url);
    http_headers_release(&up->headers);
    buf_release(&up->early);
    free(up);
}

static void call_free(struct call *call)
{
    if (!call)
        return;
    struct client *client = call->client;
    timer_cancel(&call->timer);
    upward_free(call->up);
    if (call->easy) {
        (void)curl_multi_remove_handle(client->multi, call->easy); /* midway: this closes the connection */
        curl_easy_cleanup(call->easy);
    }
    if (call->prev || client->calls == call)
        *(call->prev ? &call->prev->next : &client->calls) = call->next;
    if (call->next)
        call->next->prev = call->prev;
    curl_slist_free_all(call->lines);
    http_headers_release(&call->headers);
    free(call);
}

static void finish(struct call *call, enum err error, const char *text)
{
    struct client_result result = call->result;
    result.error = error;
    result.ended_at_ns = now_ns();
    (void)snprintf(result.text, sizeof result.text, "%s", text);
    struct client_events events = call->events;
    void *ctx = call->ctx;
    call->cancelled = true; /* a call_cancel() in done() finds nothing to do */
    call->events = (struct client_events){NULL, NULL, NULL};
    timer_cancel(&call->timer);
    if (error != OK) {
        (void)curl_multi_remove_handle(call->client->multi,
                                       call->easy); /* before done(): the connection is closed then */
        curl_easy_cleanup(call->easy);
        call->easy = NULL;
    }
    call->client->depth++; /* nothing may settle, and so free, this call while done() runs */
    if (events.done)
        events.done(ctx, &result);
    call->client->depth--;
    call_free(call);
}

/* The same in the loop's next turn, for callers that are not to be freed under their feet. */
static void finish_noted(void *ctx)
{
    struct call *call = ctx;
    struct client *client = call->client;
    char text[sizeof call->result.text];
    (void)snprintf(text, sizeof text, "%s", call->result.text);
    finish(call, call->result.error, text);
    settle(client);
}

static void finish_later(struct call *call, enum err error, const char *text)
{
    call->result.error = error;
    (void)snprintf(call->result.text, sizeof call->result.text, "%s", text);
    timer_set(call->client->loop, &call->timer, now_ns(), finish_noted, call);
}

static enum err error_of(CURLcode code, const char *text)
{
    static const struct {
        CURLcode code;
        enum err error;
    } rows[] = {
        {CURLE_OK, OK},
        {CURLE_PARTIAL_FILE, ERR_CLOSED}, /* the promised length, or the last chunk, never came */
        {CURLE_RECV_ERROR, ERR_CLOSED},
        {CURLE_SEND_ERROR, ERR_CLOSED},
        {CURLE_GOT_NOTHING, ERR_CLOSED},
        {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT},
        {CURLE_OUT_OF_MEMORY, ERR_NOMEM},
        {CURLE_WEIRD_SERVER_REPLY, ERR_SYNTAX},
        {CURLE_UNSUPPORTED_PROTOCOL, ERR_SYNTAX}, /* "HTTP/0.9 not allowed": no status line */
        {CURLE_BAD_CONTENT_ENCODING, ERR_SYNTAX},
    };
    if (strstr(text, "chunked-encoding"))
        return ERR_SYNTAX; /* curl has no code of its own for broken chunk framing */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].code == code)
            return rows[i].error;
    }
    return ERR_IO;
}

/* ---- a request both ways, from its connection on ---- */

static void up_head(void *ctx, int status, struct http_headers *headers)
{
    struct call *call = ctx;
    call->active_at_ns = call->result.head_at_ns = now_ns();
    call->result.status = status;
    if (call->events.head)
        call->events.head(call->ctx, status, headers);
}

static void up_data(void *ctx, struct span bytes)
{
    struct call *call = ctx;
    call->active_at_ns = now_ns();
    if (call->result.first_byte_at_ns == 0)
        call->result.first_byte_at_ns = call->active_at_ns;
    call->result.bytes += bytes.n;
    if (call->events.data)
        (void)call->events.data(call->ctx, bytes, call->active_at_ns);
}

static void up_sent(void *ctx)
{
    struct call *call = ctx;
    call->active_at_ns = now_ns();
    if (call->up->sent && !call->cancelled)
        call->up->sent(call->ctx);
}

static void up_over(void *ctx, enum err error, const char *text)
{
    struct call *call = ctx;
    if (!call->cancelled)
        finish_later(call, error, text); /* the stream is on the stack */
}

static const struct client_h2_events up_events = {up_head, up_data, up_sent, up_over};

static void connected(struct call *call)
{
    struct upward *up = call->up;
    up->h2 = client_h2_new(call->client->loop, call->easy, up->method, up->url, &up->headers, &up_events, call);
    if (!up->h2) {
        finish(call, ERR_NOMEM, "an HTTP/2 stream could not be begun");
        return;
    }
    if (up->early.len > 0)
        client_h2_send(up->h2, buf_span(&up->early));
    buf_release(&up->early);
    if (up->early_end)
        client_h2_send_end(up->h2);
}

void call_send(struct call *call, struct span bytes)
{
    if (call->cancelled)
        return;
    if (call->up->h2)
        client_h2_send(call->up->h2, bytes);
    else
        buf_add(&call->up->early, bytes);
}

void call_send_end(struct call *call)
{
    if (call->cancelled)
        return;
    call->up->early_end = true;
    if (call->up->h2)
        client_h2_send_end(call->up->h2);
}

size_t call_unsent(const struct call *call)
{
    return call->up->h2 ? client_h2_unsent(call->up->h2) : call->up->early.len;
}

static void finish_as_curl_says(struct call *call, CURLcode code)
{
    char text[sizeof call->result.text] = "";
    if (call->up && code == CURLE_OK) {
        connected(call);
        return;
    }
    if (code == CURLE_OK && call->result.head_at_ns == 0) {
        finish(call, ERR_CLOSED, "the connection was closed within the response head"); /* curl takes it for whole */
        return;
    }
    if (code != CURLE_OK)
        (void)snprintf(text, sizeof text, "%s", call->curl_text[0] ? call->curl_text : curl_easy_strerror(code));
    finish(call, error_of(code, text), text);
}

static uint64_t deadline_of(const struct call *call, bool *idle)
{
    uint64_t whole = call->timeout_ns ? call->result.started_at_ns + call->timeout_ns : UINT64_MAX;
    uint64_t silent = call->idle_ns && !call->paused ? call->active_at_ns + call->idle_ns : UINT64_MAX;
    *idle = silent < whole;
    return *idle ? silent : whole;
}

static void look_at_clock(void *ctx);

static void set_clock(struct call *call)
{
    bool idle = false;
    uint64_t due = deadline_of(call, &idle);
    if (due != UINT64_MAX)
        timer_set(call->client->loop, &call->timer, due, look_at_clock, call);
}

static void look_at_clock(void *ctx)
{
    struct call *call = ctx;
    struct client *client = call->client;
    bool idle = false;
    if (deadline_of(call, &idle) > now_ns()) {
        call->overdue = false;
        set_clock(call); /* bytes came since it was set */
        return;
    }
    if (!call->overdue) { /* we may be what was late: a turn of the loop reads what is there, and then it counts */
        call->overdue = true;
        timer_set(client->loop, &call->timer, now_ns(), look_at_clock, call);
        return;
    }
    char text[96];
    unsigned long long ms = (idle ? call->idle_ns : call->timeout_ns) / 1000000U;
    (void)snprintf(text, sizeof text, idle ? "silent for %llu ms" : "not done within %llu ms", ms);
    finish(call, ERR_TIMEOUT, text);
    settle(client);
}

/* ---- what curl reads ---- */

static bool head_field(struct call *call, struct span line)
{
    struct span name = SPAN_EMPTY;
    struct span value = SPAN_EMPTY;
    if (!span_split(line, ':', &name, &value) || name.n == 0)
        return true; /* not a field: curl let it pass, a judge of raw bytes will see it */
    CLEANUP(free_ptr) char *own_name = span_dup(name);
    CLEANUP(free_ptr) char *own_value = span_dup(span_trim(value));
    if (!own_name || !own_value)
        return false;
    if (!strpbrk(own_name, "\r\n") && !strpbrk(own_value, "\r\n") && own_name[0])
        http_headers_add(&call->headers, own_name, own_value);
    return !call->headers.failed;
}

static void head_done(struct call *call)
{
    call->head_open = false;
    if (call->result.status < 200)
        return; /* 100 Continue and its like are not the answer */
    call->result.head_at_ns = call->active_at_ns;
    if (call->events.head)
        call->events.head(call->ctx, call->result.status, &call->headers);
}

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
    struct call *call = ctx;
    struct span line = {(const unsigned char *)bytes, size * n};
    size_t taken = line.n;
    call->active_at_ns = now_ns();
    call->head_bytes += taken;
    if (call->cancelled || call->head_bytes > HEAD_MAX)
        return 0;
    while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
        line.n--;
    if (!call->head_open && span_has_prefix(line, "HTTP/") && call->result.head_at_ns == 0) {
        long status = 0;
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        call->head_open = true;
        http_headers_release(&call->headers);
        call->result.status = (int)status;
    } else if (call->head_open && line.n == 0) {
        head_done(call);
    } else if (call->head_open && !head_field(call, line)) {
        return 0;
    } /* else: a trailer */
    return call->cancelled ? 0 : taken;
}

static size_t on_data(char *bytes, size_t size, size_t n, void *ctx)
{
    struct call *call = ctx;
    struct span part = {(const unsigned char *)bytes, size * n};
    if (call->cancelled)
        return CURL_WRITEFUNC_ERROR;
    call->active_at_ns = now_ns();
    if (call->result.first_byte_at_ns == 0 && part.n > 0)
        call->result.first_byte_at_ns = call->active_at_ns;
    if (call->events.data && !call->events.data(call->ctx, part, call->active_at_ns)) {
        call->paused = true;
        return call->cancelled ? CURL_WRITEFUNC_ERROR : CURL_WRITEFUNC_PAUSE;
    }
    call->result.bytes += part.n;
    return call->cancelled ? CURL_WRITEFUNC_ERROR : part.n;
}

/* ---- what was noted while curl was on the stack ---- */

static void start_now(struct call *call)
{
    call->unstarted = false;
    CURLMcode added = curl_multi_add_handle(call->client->multi, call->easy);
    if (added != CURLM_OK)
        finish(call, ERR_IO, curl_multi_strerror(added));
}

static void resume_now(struct call *call)
{
    call->resume = false;
    call->paused = false;
    call->active_at_ns = now_ns();
    set_clock(call);
    call->client->depth++;
    (void)curl_easy_pause(call->easy, CURLPAUSE_CONT);
    call->client->depth--;
}

static void do_noted(struct client *client)
{
    while (client->unsettled) {
        client->unsettled = false;
        struct call *next = NULL;
        for (struct call *call = client->calls; call; call = next) {
            next = call->next;
            if (call->cancelled)
                call_free(call);
            else if (call->unstarted)
                start_now(call);
            else if (call->resume)
                resume_now(call);
        }
    }
}

static void settle(struct client *client)
{
    if (client->depth > 0)
        return;
    do_noted(client);
    int left = 0;
    CURLMsg *message = curl_multi_info_read(client->multi, &left);
    while (message) {
        struct call *call = NULL;
        CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        if (message->msg == CURLMSG_DONE && call)
            finish_as_curl_says(call, code);
        do_noted(client);
        message = curl_multi_info_read(client->multi, &left);
    }
}

static void free_noted(void *ctx)
{
    call_free(ctx);
}

void call_cancel(struct call *call)
{
    if (!call || call->cancelled)
        return;
    struct client *client = call->client;
    call->cancelled = true;
    call->events = (struct client_events){NULL, NULL, NULL};
    timer_cancel(&call->timer);
    if (call->up && call->up->h2) /* which may be on the stack */
        timer_set(client->loop, &call->timer, now_ns(), free_noted, call);
    else if (client->depth == 0)
        call_free(call);
    else
        client->unsettled = true;
}

void call_resume(struct call *call)
{
    struct client *client = call->client;
    if (call->cancelled || !call->paused)
        return;
    call->resume = true;
    client->unsettled = true;
    settle(client);
}

/* ---- making a call ---- */

static enum err check_url(const char *url, struct note *note)
{
    CURLU *parts = curl_url();
    char *scheme = NULL;
    enum err e = OK;
    CURLUcode bad = parts ? curl_url_set(parts, CURLUPART_URL, url, CURLU_PATH_AS_IS) : CURLUE_OUT_OF_MEMORY;
    if (!bad)
        bad = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    if (bad)
        e = note_set(note, ERR_INVALID, "not a URL: '%s' (%s)", url, curl_url_strerror(bad));
    else if (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0)
        e = note_set(note, ERR_INVALID, "'%s' is neither http:// nor https://", url);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return e;
}

static bool add_line(struct call *call, const char *name, const char *value)
{
    CLEANUP(buf_release) struct buf line = BUF_INIT(BUF_ANY);
    buf_adds(&line, name);
    if (!value)
        buf_adds(&line, ":"); /* curl's way to say: none of these */
    else if (value[0])
        buf_addf(&line, ": %s", value);
    else
        buf_adds(&line, ";"); /* and this: with an empty value */
    struct curl_slist *lines = buf_error(&line) ? NULL : curl_slist_append(call->lines, buf_text(&line));
    if (lines)
        call->lines = lines;
    return lines != NULL;
}

static bool add_lines(struct call *call, const struct http_headers *headers)
{
    static const char *const unasked[] = {"Accept", "Content-Type", "Expect", "User-Agent"};
    bool ok = true;
    for (size_t i = 0; headers && i < headers->count; i++) {
        if (strcasecmp(headers->items[i].name, "Expect") != 0)
            ok = ok && add_line(call, headers->items[i].name, headers->items[i].value);
    }
    for (size_t i = 0; i < COUNT_OF(unasked); i++) {
        bool expect = strcmp(unasked[i], "Expect") == 0;
        if (expect || !headers || !http_headers_get(headers, unasked[i]))
            ok = ok && add_line(call, unasked[i], NULL);
    }
    return ok;
}

static void set_method(CURL *easy, const struct client_request *r)
{
    const char *method = r->method ? r->method : r->body.n > 0 ? "POST" : "GET";
    bool bare = strcmp(method, "GET") == 0 || strcmp(method, "DELETE") == 0 || strcmp(method, "OPTIONS") == 0;
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (r->body.n > 0 || !bare) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.n > 0 ? (const char *)r->body.p : "");
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    if (strcmp(method, "HEAD") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static CURLcode offer_http2(CURL *easy, void *ssl_ctx, void *ctx)
{
    (void)easy, (void)ctx;
    return tls_offer_http2(ssl_ctx) ? CURLE_OK : CURLE_SSL_CONNECT_ERROR;
}

static void set_options(struct call *call, const struct client_request *r)
{
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_URL, r->url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (r->streams_up) { /* HTTP/2 is asked for by ourselves: curl would put its own on top of the connection */
        curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
        curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, offer_http2);
    }
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, r->fresh_connection ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->lines);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_text);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    const char *ca_file = r->ca_file ? r->ca_file : call->client->ca_file;
    if (ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    set_method(easy, r);
}

static bool upward_new(struct call *call, const struct client_request *r)
{
    struct upward *up = call->up = calloc(1, sizeof *up);
    if (!up)
        return false;
    http_headers_init(&up->headers);
    buf_init(&up->early, BUF_ANY);
    up->method = strdup(r->method ? r->method : "POST");
    up->url = strdup(r->url);
    up->sent = r->sent;
    if (r->headers)
        http_headers_copy(&up->headers, r->headers);
    return up->method && up->url && !up->headers.failed;
}

struct call *client_start(struct client *client, const struct client_request *request,
                          const struct client_events *events, void *ctx, struct note *note)
{
    if (check_url(request->url, note) != OK)
        return NULL;
    struct call *call = calloc(1, sizeof *call);
    if (call) {
        call->client = client;
        call->easy = curl_easy_init();
    }
    if (!call || !call->easy || !add_lines(call, request->headers)) {
        (void)note_set(note, ERR_NOMEM, "out of memory for a request to %s", request->url);
        call_free(call);
        return NULL;
    }
    if (request->streams_up && !upward_new(call, request)) {
        (void)note_set(note, ERR_NOMEM, "out of memory for a request to %s", request->url);
        call_free(call);
        return NULL;
    }
    call->events = *events;
    call->ctx = ctx;
    call->timeout_ns = (uint64_t)request->timeout_ms * 1000000U;
    call->idle_ns = (uint64_t)request->idle_timeout_ms * 1000000U;
    call->result.started_at_ns = call->active_at_ns = now_ns();
    set_options(call, request);
    if (client->depth == 0) {
        CURLMcode added = curl_multi_add_handle(client->multi, call->easy);
        if (added != CURLM_OK) {
            (void)note_set(note, ERR_IO, "cannot start a request to %s: %s", request->url, curl_multi_strerror(added));
            call_free(call);
            return NULL;
        }
    } else {
        call->unstarted = true;
        client->unsettled = true;
    }
    call->next = client->calls;
    if (call->next)
        call->next->prev = call;
    client->calls = call;
    set_clock(call);
    return call;
}

/* ---- the client ---- */

static void init_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct client *client_new(struct loop *loop, struct note *note)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);
    struct client *client = calloc(1, sizeof *client);
    if (client)
        client->multi = curl_multi_init();
    if (!client || !client->multi) {
        (void)note_set(note, ERR_NOMEM, "out of memory for an HTTP client");
        free(client);
        return NULL;
    }
    client->loop = loop;
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return client;
}

void client_trust(struct client *client, const char *ca_file)
{
    client->ca_file = ca_file;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    while (client->calls) {
        client->calls->events = (struct client_events){NULL, NULL, NULL};
        call_free(client->calls);
    }
    (void)curl_multi_cleanup(client->multi);
    while (client->watches)
        forget_socket(client, client->watches);
    timer_cancel(&client->timer);
    free(client);
}

/* ---- the blocking form ---- */

void client_response_release(struct client_response *r)
{
    if (!r)
        return;
    http_headers_release(&r->headers);
    buf_release(&r->body);
}

struct fetch {
    struct client_response *out;
    struct client_result result;
    bool done;
};

static void fetch_head(void *ctx, int status, const struct http_headers *headers)
{
    struct fetch *f = ctx;
    f->out->status = status;
    http_headers_copy(&f->out->headers, headers);
}

static bool fetch_data(void *ctx, struct span bytes, uint64_t at_ns)
{
    struct fetch *f = ctx;
    (void)at_ns;
    buf_add(&f->out->body, bytes);
    return true;
}

static void fetch_done(void *ctx, const struct client_result *result)
{
    struct fetch *f = ctx;
    f->result = *result;
    f->done = true;
}

static bool fetch_is_done(void *ctx)
{
    const struct fetch *f = ctx;
    return f->done || f->out->body.error;
}

static enum err fetch(struct loop *loop, struct client *client, const struct client_request *request, struct fetch *f,
                      struct note *note)
{
    static const struct client_events events = {fetch_head, fetch_data, fetch_done};
    if (!client_start(client, request, &events, f, note))
        return ERR_INVALID;
    enum err e = loop_run_until(loop, fetch_is_done, f, 0);
    if (e != OK)
        return e;
    if (buf_error(&f->out->body) || f->out->headers.failed)
        return note_set(note, ERR_LIMIT, "the answer of %s is larger than %zu bytes", request->url, FETCH_MAX);
    if (f->result.error)
        return note_set(note, f->result.error, "%s: %s", request->url, f->result.text);
    return OK;
}

enum err client_fetch(const struct client_request *request, struct client_response *out, struct note *note)
{
    *out = (struct client_response){0};
    http_headers_init(&out->headers);
    buf_init(&out->body, FETCH_MAX);
    struct loop *loop = loop_new(note);
    struct client *client = loop ? client_new(loop, note) : NULL;
    struct fetch f = {.out = out};
    enum err e = client ? fetch(loop, client, request, &f, note) : ERR_IO;
    client_free(client);
    loop_free(loop);
    return e;
}
