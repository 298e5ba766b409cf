/* client_h2.c: one HTTP/2 stream, both halves at once, over a connection of libcurl's.
 *
 * What the caller gives waits in one buffer until nghttp2 has a window for it; what comes in is handed on in the loop's
 * turn in which it came. nghttp2 must not be freed from within its callbacks, so an end is only noted there; a timer of
 * no length does what is to be done outside of them, also for what call_send() adds.
 */
#include "net/client_h2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WINDOW     (1024 * 1024)
#define FIELDS_MAX 64
#define HEAD_MAX   ((size_t)256 * 1024)

struct client_h2 {
    struct loop *loop;
    CURL *easy;
    nghttp2_session *session;
    struct watch watch; /* of a duplicate: curl has its own of the socket */
    bool watched, wants_out;
    struct timer turn; /* something is to be said or told */
    int32_t id;
    struct buf upload;
    size_t uploaded;
    bool upload_over, had_bytes, head_done, answer_over, closed, over;
    uint32_t code;
    int status;
    struct http_headers headers;
    size_t head_bytes;
    struct client_h2_events events;
    void *ctx;
    char text[128];
};

/* ---- nghttp2's questions ---- */

static ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t n, int flags, void *ctx)
{
    struct client_h2 *h = ctx;
    size_t sent = 0;
    (void)session, (void)flags;
    CURLcode code = curl_easy_send(h->easy, bytes, n, &sent);
    if (code == CURLE_AGAIN)
        return NGHTTP2_ERR_WOULDBLOCK;
    return code == CURLE_OK ? (ssize_t)sent : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static ssize_t give(nghttp2_session *session, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                    nghttp2_data_source *source, void *ctx)
{
    struct client_h2 *h = ctx;
    (void)session, (void)id, (void)source;
    size_t left = h->upload.len - h->uploaded, n = left < max ? left : max;
    if (n > 0)
        memcpy(to, h->upload.data + h->uploaded, n);
    h->uploaded += n;
    h->had_bytes = h->had_bytes || n > 0;
    if (h->uploaded == h->upload.len) {
        buf_reset(&h->upload);
        h->uploaded = 0;
        if (h->upload_over)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return n == 0 && !h->upload_over ? NGHTTP2_ERR_DEFERRED : (ssize_t)n;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    struct client_h2 *h = ctx;
    (void)session, (void)flags;
    if (frame->hd.stream_id != h->id || h->head_done)
        return 0; /* a trailer */
    h->head_bytes += name_n + value_n;
    if (h->head_bytes > HEAD_MAX)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    CLEANUP(free_ptr) char *own_name = span_dup((struct span){name, name_n});
    CLEANUP(free_ptr) char *own_value = span_dup((struct span){value, value_n});
    if (own_name == NULL || own_value == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (strcmp(own_name, ":status") == 0)
        h->status = atoi(own_value);
    else
        http_headers_add(&h->headers, own_name, own_value);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct client_h2 *h = ctx;
    (void)session;
    if (frame->hd.stream_id != h->id)
        return 0;
    bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS && h->status < 200) {
        h->status = 0;
        http_headers_release(&h->headers);
    } else if (frame->hd.type == NGHTTP2_HEADERS && !h->head_done) {
        h->head_done = true;
        h->events.head(h->ctx, h->status, &h->headers);
    }
    h->answer_over = h->answer_over || ends;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *ctx)
{
    struct client_h2 *h = ctx;
    (void)session, (void)flags;
    if (id == h->id)
        h->events.data(h->ctx, (struct span){bytes, n});
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct client_h2 *h = ctx;
    (void)session;
    if (id == h->id) {
        h->closed = true;
        h->code = code;
    }
    return 0;
}

/* ---- a turn ---- */

static void fail(struct client_h2 *h, const char *text)
{
    h->closed = true;
    if (h->text[0] == '\0')
        (void)snprintf(h->text, sizeof h->text, "%s", text);
}

/* An answer that has ended is whole, whatever becomes of the request (RFC 9113 section 8.1). */
static bool tell_end(struct client_h2 *h)
{
    if (h->over || !(h->closed || h->answer_over))
        return false;
    h->over = true;
    timer_cancel(&h->turn);
    if (h->answer_over && h->head_done) {
        h->events.over(h->ctx, OK, "");
        return true;
    }
    if (h->text[0] == '\0')
        (void)snprintf(h->text, sizeof h->text, "the stream was reset (HTTP/2 error %u)", h->code);
    h->events.over(h->ctx, ERR_CLOSED, h->text);
    return true;
}

static void speak(struct client_h2 *h)
{
    if (h->upload.len > 0 || h->upload_over)
        (void)nghttp2_session_resume_data(h->session, h->id);
    if (nghttp2_session_send(h->session) != 0)
        fail(h, "the connection was closed while the request was sent");
    bool out = nghttp2_session_want_write(h->session) != 0;
    if (out != h->wants_out && watch_change(&h->watch, (uint32_t)EPOLLIN | (out ? (uint32_t)EPOLLOUT : 0)) == OK)
        h->wants_out = out;
}

static void take_turn(void *ctx)
{
    struct client_h2 *h = ctx;
    speak(h);
    if (h->had_bytes && h->upload.len == 0 && !h->closed) {
        h->had_bytes = false;
        h->events.sent(h->ctx); /* may give more, which sets the timer again */
    }
    (void)tell_end(h);
}

static void want_turn(struct client_h2 *h)
{
    timer_set(h->loop, &h->turn, now_ns(), take_turn, h);
}

static void on_ready(void *ctx, uint32_t events)
{
    struct client_h2 *h = ctx;
    unsigned char part[32768];
    (void)events;
    for (int i = 0; i < 16 && !h->closed; i++) {
        size_t n = 0;
        CURLcode code = curl_easy_recv(h->easy, part, sizeof part, &n);
        if (code == CURLE_AGAIN)
            break;
        if (code != CURLE_OK || n == 0)
            fail(h, "the connection was closed");
        else if (nghttp2_session_mem_recv(h->session, part, n) < 0)
            fail(h, "the peer does not speak HTTP/2");
        if (i == 15)
            want_turn(h); /* TLS may hold more than the socket tells of */
    }
    take_turn(h);
}

/* ---- birth and death ---- */

void client_h2_free(struct client_h2 *h)
{
    if (h == NULL)
        return;
    timer_cancel(&h->turn);
    if (h->watched)
        watch_remove(&h->watch);
    if (h->watch.fd >= 0)
        (void)close(h->watch.fd);
    nghttp2_session_del(h->session);
    buf_release(&h->upload);
    http_headers_release(&h->headers);
    free(h);
}

static nghttp2_nv pair(const char *name, size_t name_n, const char *value, size_t value_n)
{
    union { /* nghttp2 copies both; its pointers are not const, its use is */
        const char *given;
        uint8_t *taken;
    } n = {name}, v = {value};
    return (nghttp2_nv){n.taken, v.taken, name_n, value_n, NGHTTP2_NV_FLAG_NONE};
}

/* scheme, authority and path of a URL that client_start() has found good. */
static bool ask(struct client_h2 *h, const char *method, const char *url, const struct http_headers *headers)
{
    nghttp2_nv fields[FIELDS_MAX];
    const char *host = strstr(url, "://");
    const char *path = host != NULL ? strchr(host + 3, '/') : NULL;
    if (path == NULL || headers->count + 4 > FIELDS_MAX)
        return false;
    fields[0] = pair(":method", 7, method, strlen(method));
    fields[1] = pair(":scheme", 7, url, (size_t)(host - url));
    fields[2] = pair(":authority", 10, host + 3, (size_t)(path - host - 3));
    fields[3] = pair(":path", 5, path, strlen(path));
    for (size_t i = 0; i < headers->count; i++)
        fields[4 + i] = pair(headers->items[i].name, strlen(headers->items[i].name), headers->items[i].value,
                             strlen(headers->items[i].value));
    nghttp2_data_provider source = {.read_callback = give};
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
                                         {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    (void)nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
    h->id = nghttp2_submit_request(h->session, NULL, fields, headers->count + 4, &source, NULL);
    return h->id > 0;
}

struct client_h2 *client_h2_new(struct loop *loop, CURL *easy, const char *method, const char *url,
                                const struct http_headers *headers, const struct client_h2_events *events, void *ctx)
{
    struct client_h2 *h = calloc(1, sizeof *h);
    nghttp2_session_callbacks *does = NULL;
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (h == NULL)
        return NULL;
    h->loop = loop;
    h->easy = easy;
    h->events = *events;
    h->ctx = ctx;
    buf_init(&h->upload, BUF_ANY);
    http_headers_init(&h->headers);
    (void)curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    h->watch = (struct watch){.fd = fd == CURL_SOCKET_BAD ? -1 : dup(fd), .ready = on_ready, .ctx = h};
    if (nghttp2_session_callbacks_new(&does) != 0) {
        client_h2_free(h);
        return NULL;
    }
    nghttp2_session_callbacks_set_send_callback(does, on_send);
    nghttp2_session_callbacks_set_on_header_callback(does, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(does, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(does, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(does, on_close);
    bool good = nghttp2_session_client_new(&h->session, does, h) == 0;
    nghttp2_session_callbacks_del(does);
    good = good && h->watch.fd >= 0 && watch_add(loop, &h->watch, EPOLLIN, NULL) == OK;
    h->watched = good;
    if (!good || !ask(h, method, url, headers)) {
        client_h2_free(h);
        return NULL;
    }
    want_turn(h);
    return h;
}

void client_h2_send(struct client_h2 *h, struct span bytes)
{
    if (h->uploaded > h->upload.len / 2) { /* it is never empty while the caller is as fast as the peer */
        buf_consume(&h->upload, h->uploaded);
        h->uploaded = 0;
    }
    buf_add(&h->upload, bytes);
    if (buf_error(&h->upload) != OK)
        fail(h, "out of memory");
    want_turn(h);
}

void client_h2_send_end(struct client_h2 *h)
{
    h->upload_over = true;
    want_turn(h);
}

size_t client_h2_unsent(const struct client_h2 *h)
{
    return h->upload.len - h->uploaded;
}
