/* fault_http.c: the HTTP, TIM, ERR and EXC faults: the connection, the head, the body around the frames, the waits, and
 * errors in all the forms that Bedrock has for them.
 *
 * Most are one of the plan's own moves (net/plan.h); what no proper server writes is asked for with plan_odd().
 */
#include "mock/fault/fault_parts.h"

#include <stdio.h>

#include "mock/surface.h"

static struct plan *instead(struct plan *old, struct plan *new)
{
    if (new != NULL)
        new->head_after_ns = old->head_after_ns;
    plan_free(old);
    return new;
}

/* ---- errors ---- */

FAULT(error)
{
    const char *fixed = scene->row->word;
    struct error_reply e = {.type = fixed != NULL ? fixed : fault_text(f, "type", fault_text(f, "id", "")),
                            .message = fault_text(f, "message", NULL),
                            .status = (int)fault_int(f, "status", 0)};
    if (fixed == NULL && !fault_has(f, "type") && error_type_find(e.type) == NULL)
        e.type = "InternalServerException";
    (void)error_style_find(fault_text(f, "style", "header"), &e.style);
    error_reply_original(&e, scene->visit != NULL ? scene->visit->model_id : NULL);
    struct plan *error = surface_error(scene, &e);
    if (error != NULL && fault_has(f, "retry_after"))
        plan_header(error, "Retry-After", fault_text(f, "retry_after", ""));
    return instead(p, error);
}

/* No frame follows: what comes from event `at` on is cut off. */
static struct plan *last_frame(struct plan *p, size_t at, struct span frame)
{
    size_t events = fault_events(p);
    if (events == 0 || at > events)
        return p;
    if (at < events)
        plan_cut_at_event(p, at, PLAN_END_CLEAN);
    fault_insert(p, at, frame);
    return p;
}

FAULT(exception)
{
    const char *type = scene->row->word != NULL ? scene->row->word : fault_text(f, "type", "throttlingException");
    char upper[128];
    (void)snprintf(upper, sizeof upper, "%s", type);
    upper[0] = (char)(upper[0] >= 'a' && upper[0] <= 'z' ? upper[0] - 32 : upper[0]);
    const struct error_type *known = error_type_find(upper);
    CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    if (scene->visit != NULL && scene->visit->surface->exception != NULL) {
        const char *message = fault_text(f, "message", known != NULL ? known->text : "");
        scene->visit->surface->exception(scene->visit, upper, message, &frame);
        p->failed = p->failed || buf_error(&frame) != OK;
        return last_frame(p, fault_at_event(p, f, 0), buf_span(&frame));
    }
    buf_adds(&payload, "{\"message\":");
    json_quote(span_of(fault_text(f, "message", known != NULL ? known->text : "")), &payload);
    struct error_reply e = {.type = upper};
    error_reply_original(&e, NULL);
    error_write_original(&e, &payload);
    buf_addc(&payload, '}');
    if (buf_error(&payload) != OK || es_encode_exception(&frame, type, buf_span(&payload)) != ES_OK)
        p->failed = true;
    return last_frame(p, fault_at_event(p, f, 0), buf_span(&frame));
}

FAULT(error_frame)
{
    (void)scene;
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    if (es_encode_error(&frame, fault_text(f, "code", "InternalError"), fault_text(f, "message", "An error")) != ES_OK)
        p->failed = true;
    return last_frame(p, fault_at_event(p, f, 0), buf_span(&frame));
}

/* ---- the end ---- */

static struct plan *cut(struct plan *p, const cJSON *f, enum plan_end how)
{
    if (fault_has(f, "at_event") && fault_events(p) > 0)
        plan_cut_at_event(p, fault_at_event(p, f, 0), how);
    else
        plan_cut_at_byte(
            p, fault_position(fault_int(f, "at_byte", (int64_t)(fault_body_size(p) / 2)), fault_body_size(p)), how);
    return p;
}

FAULT(cut_fin)
{
    (void)scene;
    return cut(p, f, PLAN_END_FIN);
}

FAULT(cut_rst)
{
    (void)scene;
    return cut(p, f, PLAN_END_RST);
}

FAULT(cut_clean)
{
    (void)scene;
    p = cut(p, f, PLAN_END_CLEAN);
    if (p->content_length != PLAN_CHUNKED)
        p->content_length = (int64_t)fault_body_size(p);
    return p;
}

/* The body ends early and properly: its length is that of what is left. */
FAULT(truncated_json)
{
    return fault_events(p) > 0 ? p : fault_cut_clean(p, f, scene);
}

FAULT(empty_200)
{
    (void)f, (void)scene;
    plan_cut_at_byte(p, 0, PLAN_END_CLEAN);
    p->open = false;
    if (p->content_length != PLAN_CHUNKED)
        p->content_length = 0;
    return p;
}

FAULT(chunked_end)
{
    (void)f;
    p->content_length = PLAN_CHUNKED;
    p->end = (enum plan_end)scene->row->number;
    return p;
}

/* ---- heads ---- */

static struct plan *odd(struct plan *p, unsigned what)
{
    struct plan_wire *w = plan_odd(p);
    if (w != NULL)
        w->odd |= what;
    return p;
}

FAULT(odd)
{
    (void)f;
    return odd(p, (unsigned)scene->row->number);
}

FAULT(no_head)
{
    (void)f;
    p->end = (enum plan_end)scene->row->number;
    return odd(p, PLAN_NO_HEAD);
}

FAULT(slow_head)
{
    (void)scene;
    struct plan_wire *w = plan_odd(p);
    if (w != NULL)
        w->head_pause_ns = fault_ns(f, "pause_ms", 20);
    return p;
}

FAULT(interim)
{
    struct plan_wire *w = plan_odd(p);
    if (w == NULL)
        return p;
    w->interim = (int)scene->row->number;
    w->interim_times = (unsigned)fault_int(f, "times", 1);
    w->interim_pause_ns = fault_ns(f, "ms", 0);
    return p;
}

/* The promise is the row's so many bytes (or `by`) off, whatever the body was promised before. */
FAULT(content_length)
{
    int64_t by = fault_int(f, "by", 1) * (scene->row->number < 0 ? -1 : 1);
    int64_t n = (int64_t)fault_body_size(p) + by;
    p->content_length = n < 0 ? 0 : n;
    if (strcmp(scene->row->id, "content-length-hang") == 0)
        p->end = PLAN_END_HANG;
    return p;
}

FAULT(content_type)
{
    (void)scene;
    plan_header(p, "Content-Type", fault_text(f, "value", "text/plain"));
    return p;
}

FAULT(drop_field)
{
    (void)f;
    http_headers_remove(&p->headers, scene->row->word);
    return p;
}

FAULT(field)
{
    (void)scene;
    plan_header(p, fault_text(f, "header", "x-mohs-fault"), fault_text(f, "value", ""));
    return p;
}

FAULT(huge_header)
{
    (void)scene;
    CLEANUP(buf_release) struct buf value = BUF_INIT(BUF_ANY);
    fault_fill(&value, 'x', (size_t)fault_int(f, "bytes", 32768));
    p->failed = p->failed || buf_error(&value) != OK;
    plan_header(p, "x-mohs-filler", buf_text(&value));
    return odd(p, 0); /* the library has no room for it; the server spells the head itself */
}

FAULT(status)
{
    (void)scene;
    p->status = (int)fault_int(f, "status", 500);
    return p;
}

/* ---- answers that are not Bedrock's ---- */

FAULT(page)
{
    int status = (int)scene->row->number;
    const char *what = http_reason(status);
    struct plan *page = plan_new(status);
    if (page == NULL)
        return instead(p, NULL);
    CLEANUP(buf_release) struct buf html = BUF_INIT(BUF_ANY);
    buf_addf(&html,
             "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n</body>\r\n"
             "</html>\r\n",
             status, what, status, what);
    plan_body(page, "text/html", scene->row->word != NULL ? SPAN_EMPTY : buf_span(&html));
    if (scene->row->word != NULL && strcmp(scene->row->word, "Location") == 0)
        plan_header(page, "Location", fault_text(f, "value", "/elsewhere"));
    page->failed = page->failed || buf_error(&html) != OK;
    return instead(p, page);
}

FAULT(coral_200)
{
    (void)f;
    return instead(p, coral_unknown_operation_plan(scene->request_id));
}

/* ---- gzip ---- */

#define STORED_MAX ((size_t)65535) /* of a stored block, RFC 1951 section 3.2.4 */

/* Stored blocks: compressed by the rules of the format, and by nothing. */
static void add_stored(struct span bytes, struct buf *out)
{
    while (bytes.n > 0) {
        size_t n = bytes.n < STORED_MAX ? bytes.n : STORED_MAX;
        const unsigned char head[] = {0, (unsigned char)n, (unsigned char)(n >> 8), (unsigned char)~n,
                                      (unsigned char)(~n >> 8)};
        buf_add(out, (struct span){head, sizeof head});
        buf_add(out, span_cut(bytes, 0, n));
        bytes = span_from(bytes, n);
    }
}

static void add_u32_little(uint32_t n, struct buf *out)
{
    for (int i = 0; i < 4; i++)
        buf_addc(out, (char)(n >> (8 * i) & 0xff));
}

/* RFC 1952, without being asked: each piece becomes blocks of its own, so that events stay where they are. */
FAULT(gzip)
{
    (void)f, (void)scene;
    static const unsigned char begin[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}, last[] = {1, 0, 0, 0xff, 0xff};
    CLEANUP(buf_release) struct buf all = BUF_INIT(BUF_ANY);
    bool promised = p->content_length != PLAN_CHUNKED;
    uint32_t crc = 0, size = 0;
    for (size_t i = 0; i < p->count; i++) {
        struct span piece = span_cut(buf_span(&p->bytes), p->pieces[i].from, p->pieces[i].n);
        crc = es_crc32(crc, piece);
        size += (uint32_t)piece.n;
        p->pieces[i].from = all.len;
        if (i == 0)
            buf_add(&all, (struct span){begin, sizeof begin});
        add_stored(piece, &all);
        p->pieces[i].n = all.len - p->pieces[i].from;
    }
    CLEANUP(buf_release) struct buf end = BUF_INIT(BUF_ANY);
    if (p->count == 0)
        buf_add(&end, (struct span){begin, sizeof begin});
    buf_add(&end, (struct span){last, sizeof last});
    add_u32_little(crc, &end);
    add_u32_little(size, &end);
    p->failed = p->failed || buf_error(&all) != OK || buf_error(&end) != OK;
    buf_release(&p->bytes);
    p->bytes = all;
    all = BUF_INIT(BUF_ANY);
    (void)plan_add(p, buf_span(&end), 0, PLAN_NO_EVENT);
    p->content_length = promised ? (int64_t)fault_body_size(p) : PLAN_CHUNKED;
    p->before_send = NULL; /* a stamp would break the checksum */
    plan_header(p, "Content-Encoding", "gzip");
    return p;
}

FAULT(gzip_label)
{
    (void)f, (void)scene;
    plan_header(p, "Content-Encoding", "gzip");
    return p;
}

/* ---- waits ---- */

static void wait_more(struct plan *p, size_t i, uint64_t ns)
{
    if (i < p->count && p->pieces[i].after_ns != PLAN_NEVER)
        p->pieces[i].after_ns += ns;
}

FAULT(latency)
{
    (void)scene;
    p->head_after_ns += fault_ns(f, "ms", 1000);
    return p;
}

FAULT(ttft)
{
    (void)scene;
    if (fault_events(p) > 1)
        wait_more(p, fault_event_piece(p, 1), fault_ns(f, "ms", 1000));
    return p;
}

FAULT(itl)
{
    (void)scene;
    for (size_t i = fault_event_piece(p, 2); fault_events(p) > 2 && i < p->count; i++)
        if (p->pieces[i - 1].event != PLAN_NO_EVENT)
            wait_more(p, i, fault_ns(f, "ms", 50));
    return p;
}

FAULT(pause)
{
    (void)scene;
    uint64_t ns = fault_ns(f, "ms", 1000);
    size_t at = fault_at_event(p, f, 1);
    if (fault_events(p) > 0 && at < fault_events(p))
        wait_more(p, fault_event_piece(p, at), ns);
    else if (fault_events(p) == 0)
        plan_split_at_byte(p, fault_body_size(p) / 2, ns);
    return p;
}

FAULT(stall)
{
    (void)scene;
    if (fault_events(p) > 0) {
        plan_stall_at_event(p, fault_at_event(p, f, 0));
        return p;
    }
    return cut(p, f, PLAN_END_HANG);
}

FAULT(drip)
{
    (void)scene;
    uint64_t ns = fault_ns(f, "pause_ms", 5);
    plan_shred(p, (size_t)fault_int(f, "bytes", 16));
    for (size_t i = 0; i < p->count; i++)
        wait_more(p, i, ns);
    return p;
}

FAULT(gate)
{
    (void)scene;
    plan_gate_event(p, fault_at_event(p, f, 0), fault_text(f, "name", "fault"));
    return p;
}
