/* talk.c: the callbacks of one call, and the small state that makes progress causal.
 *
 * Admin calls made on the way (open a gate, look whether the mock has seen a call) run on the same loop as the call
 * itself, so nothing blocks while frames arrive. Looking at the journal is the one thing that is polled, every POLL_MS,
 * since the mock has no way to call us.
 */
#include "harness/talk.h"

#include "harness/admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness/interrupt.h"

enum { POLL_MS = 5, HEARTBEAT_MS = 100, SIDE_CALLS_MAX = 4 * TALK_POINTS_MAX, SIDE_TIMEOUT_MS = 5000, GRACE_MS = 2000 };
#define MS_NS ((uint64_t)1000000)

struct driver;

/* A call to the admin API beside the one that is judged. */
struct side_call {
    struct driver *d;
    struct buf url, body, answer;
    struct call *call; /* NULL: not running */
    bool journal;
};

struct driver {
    struct client *client;
    struct talk_plan *plan;
    struct talk *talk;
    struct loop *loop;
    struct call *call; /* NULL: over */
    struct timer silence, poll, heartbeat;
    size_t upstream_seen;
    bool gave_up;
    struct side_call sides[SIDE_CALLS_MAX];
    size_t sides_running;
};

static void advance(struct driver *d);

/* ---- beside the call ---- */

static bool side_data(void *ctx, struct span bytes, uint64_t at_ns)
{
    (void)at_ns;
    struct side_call *s = ctx;
    buf_add(&s->answer, bytes);
    return true;
}

static void side_done(void *ctx, const struct client_result *result)
{
    struct side_call *s = ctx;
    struct driver *d = s->d;
    s->call = NULL;
    d->sides_running--;
    if (s->journal && result->error == OK) {
        CLEANUP(json_free) cJSON *tree = NULL;
        if (json_parse(buf_span(&s->answer), JSON_COMPACT, &tree, NULL) == OK)
            d->upstream_seen = (size_t)cJSON_GetArraySize(json_member(tree, "entries"));
        advance(d);
    }
}

static struct side_call *side_free(struct driver *d)
{
    for (size_t i = 0; i < SIDE_CALLS_MAX; i++)
        if (d->sides[i].call == NULL) {
            struct side_call *s = &d->sides[i];
            buf_release(&s->url);
            buf_release(&s->body);
            buf_release(&s->answer);
            *s = (struct side_call){
                .d = d, .url = BUF_INIT(4096), .body = BUF_INIT(65536), .answer = BUF_INIT(TALK_BODY_MAX)};
            return s;
        }
    return NULL;
}

static void side_start(struct driver *d, struct side_call *s)
{
    static const struct client_events events = {.data = side_data, .done = side_done};
    CLEANUP(http_headers_release) struct http_headers headers;
    http_headers_init(&headers);
    admin_add_token(d->plan->admin, &headers);
    struct client_request r = {.url = buf_text(&s->url),
                               .headers = &headers,
                               .body = buf_span(&s->body),
                               .timeout_ms = SIDE_TIMEOUT_MS};
    s->call = client_start(d->client, &r, &events, s, NULL);
    d->sides_running += s->call != NULL;
}

static void open_gate(struct driver *d, const char *name)
{
    struct side_call *s = side_free(d);
    if (s == NULL)
        return;
    buf_addf(&s->url, "%s/gate", d->plan->admin);
    buf_adds(&s->body, "{\"open\":");
    json_quote(span_of(name), &s->body);
    buf_addc(&s->body, '}');
    side_start(d, s);
}

static void look_upstream(void *ctx)
{
    struct driver *d = ctx;
    struct side_call *s = side_free(d);
    if (s == NULL)
        return;
    s->journal = true;
    buf_addf(&s->url, "%s/journal?since=%lld", d->plan->admin, (long long)d->plan->since);
    side_start(d, s);
}

/* ---- points ---- */

static size_t how_far(const struct driver *d, enum point_kind kind)
{
    switch (kind) {
    case POINT_EVENTS:
        return d->talk->stream != NULL ? d->talk->stream->content_events : 0;
    case POINT_FRAMES:
        return d->talk->stream != NULL ? d->talk->stream->count : 0;
    case POINT_HEAD:
        return d->talk->status != 0;
    case POINT_UPSTREAM:
        return d->upstream_seen;
    }
    return 0;
}

static struct point *next_point(struct driver *d, bool disconnect)
{
    for (size_t i = 0; i < d->plan->point_count; i++)
        if (!d->plan->points[i].reached && (d->plan->points[i].open == NULL) == disconnect)
            return &d->plan->points[i];
    return NULL;
}

static void leave(struct driver *d)
{
    if (d->call == NULL)
        return;
    call_cancel(d->call);
    d->call = NULL;
    d->talk->left = true;
}

static void give_up(void *ctx)
{
    struct driver *d = ctx;
    d->gave_up = true;
    timer_cancel(&d->poll);
    for (size_t i = 0; i < d->plan->point_count; i++)
        d->plan->points[i].seen = how_far(d, d->plan->points[i].kind);
    for (size_t i = 0; i < d->plan->gate_count; i++)
        open_gate(d, d->plan->gates[i]);
}

/* Something has happened: meet the points that are due, and wait for the next one. */
static void advance(struct driver *d)
{
    if (d->gave_up || d->call == NULL)
        return;
    bool moved = false;
    struct point *p;
    while ((p = next_point(d, false)) != NULL && how_far(d, p->kind) >= p->n) {
        p->reached = moved = true;
        open_gate(d, p->open);
    }
    struct point *last = next_point(d, true);
    if (last != NULL && how_far(d, last->kind) >= last->n) {
        last->reached = true;
        timer_cancel(&d->silence);
        timer_cancel(&d->poll);
        leave(d);
        return;
    }
    bool polls = (p != NULL && p->kind == POINT_UPSTREAM) || (last != NULL && last->kind == POINT_UPSTREAM);
    if (polls)
        timer_set(d->loop, &d->poll, now_ns() + POLL_MS * MS_NS, look_upstream, d);
    if (p == NULL && last == NULL)
        timer_cancel(&d->silence);
    else if (moved)
        timer_set(d->loop, &d->silence, now_ns() + d->plan->progress_ms * MS_NS, give_up, d);
}

static void still_alive(struct driver *d)
{
    if (!d->gave_up && d->silence.loop != NULL)
        timer_set(d->loop, &d->silence, now_ns() + d->plan->progress_ms * MS_NS, give_up, d);
    advance(d);
}

/* ---- the call ---- */

static void on_head(void *ctx, int status, const struct http_headers *headers)
{
    struct driver *d = ctx;
    d->talk->status = status;
    http_headers_release(&d->talk->headers);
    http_headers_init(&d->talk->headers);
    http_headers_copy(&d->talk->headers, headers);
    if (d->plan->request->stream && d->plan->dialect->feed != NULL && status / 100 == 2) {
        stream_free(d->talk->stream);
        d->talk->stream = stream_new(d->plan->dialect, http_headers_get(headers, "Content-Type"));
        if (d->talk->stream != NULL)
            d->talk->stream->want_usage = d->plan->request->want_usage;
    }
    still_alive(d);
}

static bool on_data(void *ctx, struct span bytes, uint64_t at_ns)
{
    (void)at_ns;
    struct driver *d = ctx;
    buf_add(&d->talk->body, bytes);
    if (d->talk->stream != NULL)
        stream_feed(d->talk->stream, bytes);
    still_alive(d);
    return true;
}

static void on_done(void *ctx, const struct client_result *result)
{
    struct driver *d = ctx;
    d->talk->result = *result;
    d->call = NULL;
    for (size_t i = 0; i < d->plan->point_count && !d->gave_up; i++)
        d->plan->points[i].seen = how_far(d, d->plan->points[i].kind);
    timer_cancel(&d->silence);
    timer_cancel(&d->poll);
}

static bool is_over(void *ctx)
{
    const struct driver *d = ctx;
    return (d->call == NULL && d->sides_running == 0) || interrupt_seen();
}

/* Wakes the loop, so that Ctrl-C need not wait for the target. */
static void beat(void *ctx)
{
    struct driver *d = ctx;
    timer_set(d->loop, &d->heartbeat, now_ns() + HEARTBEAT_MS * MS_NS, beat, d);
}

static enum stream_end end_of(const struct talk *t)
{
    if (t->left)
        return STREAM_LEFT;
    return t->result.error == OK ? STREAM_CLOSED : t->result.error == ERR_TIMEOUT ? STREAM_TIMEOUT : STREAM_ABORTED;
}

static void driver_free(struct driver **d)
{
    if (*d == NULL)
        return;
    timer_cancel(&(*d)->silence);
    timer_cancel(&(*d)->poll);
    timer_cancel(&(*d)->heartbeat);
    if ((*d)->call != NULL)
        call_cancel((*d)->call);
    for (size_t i = 0; i < SIDE_CALLS_MAX; i++) {
        if ((*d)->sides[i].call != NULL)
            call_cancel((*d)->sides[i].call);
        buf_release(&(*d)->sides[i].url);
        buf_release(&(*d)->sides[i].body);
        buf_release(&(*d)->sides[i].answer);
    }
    free(*d);
}

enum err talk_run(struct loop *loop, struct client *client, struct talk_plan *plan, struct talk *out, struct note *note)
{
    static const struct client_events events = {.head = on_head, .data = on_data, .done = on_done};
    *out = (struct talk){.body = BUF_INIT(TALK_BODY_MAX)};
    http_headers_init(&out->headers);
    CLEANUP(driver_free) struct driver *d = calloc(1, sizeof *d);
    if (d == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    d->client = client;
    d->plan = plan;
    d->talk = out;
    d->loop = loop;
    struct client_request r = {.method = plan->request->method,
                               .url = plan->url,
                               .headers = &plan->request->headers,
                               .body = buf_span(&plan->request->body),
                               .timeout_ms = plan->request_ms};
    d->call = client_start(client, &r, &events, d, note);
    if (d->call == NULL)
        return ERR_IO;
    if (plan->point_count > 0)
        timer_set(loop, &d->silence, now_ns() + plan->progress_ms * MS_NS, give_up, d);
    advance(d);
    beat(d);
    uint64_t deadline = now_ns() + (plan->request_ms + SIDE_TIMEOUT_MS + GRACE_MS) * MS_NS;
    enum err e = loop_run_until(loop, is_over, d, deadline);
    if (e != OK)
        return note_set(note, e, "the exchange did not end in time, which the client should have seen to");
    if (interrupt_seen())
        return note_set(note, ERR_CLOSED, "interrupted");
    if (out->stream != NULL)
        stream_finish(out->stream, end_of(out));
    if (out->result.error == ERR_IO && out->status == 0 && !out->left)
        return note_set(note, ERR_IO, "%s cannot be reached: %s", plan->url, out->result.text);
    return OK;
}

void talk_release(struct talk *t)
{
    if (t == NULL)
        return;
    http_headers_release(&t->headers);
    buf_release(&t->body);
    stream_free(t->stream);
    *t = (struct talk){0};
}
