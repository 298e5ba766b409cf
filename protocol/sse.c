/* sse.c: text/event-stream by line, without a copy where the feed allows it.
 *
 * The problem: lines may end three ways, and feeds may be cut anywhere, between CR and LF too, while a gateway under
 * load sends a hundred thousand small events a second, nearly all of them one "data:" line and a blank one. The idea:
 * find lines in the fed bytes; keep a copy only of what a feed cuts in two (the open line; the data of an open event).
 * The next LF is remembered, so that a stream of CR lines costs one look at each byte, not one per line.
 *
 * Deciding what the data mean ("[DONE]", JSON) is for others.
 */
#include "protocol/sse.h"

#include <assert.h>

static const char *const step_names[] = {"event", "more", "line_limit", "event_limit", "nomem"};

const char *sse_step_name(enum sse_step step)
{
    return (size_t)step < COUNT_OF(step_names) ? step_names[step] : "unknown";
}

/* ---- life ---- */

void sse_decoder_init_limits(struct sse_decoder *d, size_t line_max, size_t event_max)
{
    *d = (struct sse_decoder){
        .facts = {.retry_ms = -1},
        .line_max = line_max,
        .event_max = event_max,
        .line = BUF_INIT(line_max),
        .type = BUF_INIT(line_max),
        .data = BUF_INIT(event_max),
        .id = BUF_INIT(line_max),
        .error = SSE_MORE,
    };
}

void sse_decoder_init(struct sse_decoder *d)
{
    sse_decoder_init_limits(d, SSE_LINE_MAX, SSE_EVENT_MAX);
}

void sse_decoder_release(struct sse_decoder *d)
{
    if (d == NULL)
        return;
    buf_release(&d->line);
    buf_release(&d->type);
    buf_release(&d->data);
    buf_release(&d->id);
    sse_decoder_init_limits(d, d->line_max, d->event_max);
}

void sse_decoder_reset(struct sse_decoder *d)
{
    struct buf *kept[] = {&d->line, &d->type, &d->data, &d->id};
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        buf_reset(kept[i]);
    struct buf line = d->line, type = d->type, data = d->data, id = d->id;
    sse_decoder_init_limits(d, d->line_max, d->event_max);
    d->line = line;
    d->type = type;
    d->data = data;
    d->id = id;
}

void sse_decoder_feed(struct sse_decoder *d, struct span bytes)
{
    if (d->error != SSE_MORE)
        return;
    assert(d->in.n == 0);
    d->in = bytes;
    d->known_lf = false;
    d->facts.bytes += bytes.n;
}

static void fail(struct sse_decoder *d, enum sse_step why)
{
    d->error = why;
    d->in = SPAN_EMPTY;
}

static void keep(struct sse_decoder *d, struct buf *b, struct span bytes)
{
    buf_add(b, bytes);
    if (buf_error(b) != OK)
        fail(d, SSE_NOMEM); /* ceilings are looked at before */
}

/* ---- lines ---- */

/* Bytes of `in`, which is not empty, before the first CR or LF; all of them when there is none. */
static size_t line_length(struct sse_decoder *d)
{
    if (!d->known_lf || (d->lf != NULL && d->lf < d->in.p)) {
        d->lf = memchr(d->in.p, '\n', d->in.n);
        d->known_lf = true;
    }
    size_t n = d->lf != NULL ? (size_t)(d->lf - d->in.p) : d->in.n;
    const unsigned char *cr = memchr(d->in.p, '\r', n);
    return cr != NULL ? (size_t)(cr - d->in.p) : n;
}

/* The second half of a CR LF whose first half has ended the line already. */
static void skip_lf_after_cr(struct sse_decoder *d)
{
    if (!d->after_cr || d->in.n == 0)
        return;
    d->after_cr = false;
    if (d->in.p[0] != '\n')
        return;
    d->in = span_from(d->in, 1);
    d->facts.ends_cr--;
    d->facts.ends_crlf++;
}

/* Take the byte that ends a line. */
static void end_line(struct sse_decoder *d)
{
    d->after_cr = d->in.p[0] == '\r';
    if (d->after_cr)
        d->facts.ends_cr++;
    else
        d->facts.ends_lf++;
    d->in = span_from(d->in, 1);
}

/* The next whole line; false when the feed does not reach to its end, or on a failure. */
static bool next_line(struct sse_decoder *d, struct span *line)
{
    if (d->line_spent)
        buf_reset(&d->line);
    d->line_spent = false;
    skip_lf_after_cr(d);
    if (d->in.n == 0)
        return false;
    size_t n = line_length(d);
    if (n > d->line_max - d->line.len) {
        fail(d, SSE_LINE_LIMIT);
        return false;
    }
    *line = span_cut(d->in, 0, n);
    d->in = span_from(d->in, n);
    bool open = d->in.n == 0;
    if (open || d->line.len > 0) {
        keep(d, &d->line, *line);
        *line = buf_span(&d->line);
    }
    if (open || d->error != SSE_MORE)
        return false;
    d->line_spent = d->line.len > 0;
    end_line(d);
    return true;
}

static bool has_bom(struct span line)
{
    return span_has_prefix(line, "\xEF\xBB\xBF");
}

/* ---- fields ---- */

static void on_data(struct sse_decoder *d, struct span value)
{
    size_t have = d->single.p != NULL ? d->single.n : d->data.len;
    size_t joint = d->data_lines > 0 ? 1 : 0;
    if (value.n > d->event_max || have + joint > d->event_max - value.n) {
        fail(d, SSE_EVENT_LIMIT);
        return;
    }
    if (d->data_lines++ == 0 && !d->line_spent) {
        d->single = value;
        return;
    }
    keep(d, &d->data, d->single);
    d->single = SPAN_EMPTY;
    if (joint > 0)
        keep(d, &d->data, SPAN_LIT("\n"));
    keep(d, &d->data, value);
}

static void on_event(struct sse_decoder *d, struct span value)
{
    d->typed = true;
    buf_reset(&d->type);
    keep(d, &d->type, value);
}

static void on_id(struct sse_decoder *d, struct span value)
{
    if (value.n > 0 && memchr(value.p, '\0', value.n) != NULL)
        return;
    buf_reset(&d->id);
    keep(d, &d->id, value);
}

static void on_retry(struct sse_decoder *d, struct span value)
{
    enum { DIGITS = 18 }; /* what int64_t holds for sure: thirty million years */
    int64_t ms = 0;
    if (value.n == 0 || value.n > DIGITS)
        return;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return;
        ms = 10 * ms + (value.p[i] - '0');
    }
    d->facts.retry_ms = ms;
}

static const struct {
    const char *name;
    void (*take)(struct sse_decoder *d, struct span value);
} fields[] = {{"data", on_data}, {"event", on_event}, {"id", on_id}, {"retry", on_retry}};

static void take_field(struct sse_decoder *d, struct span line)
{
    struct span name, value = SPAN_EMPTY;
    if (span_split(line, ':', &name, &value) && value.n > 0 && value.p[0] == ' ')
        value = span_from(value, 1);
    if (value.p == NULL)
        value = SPAN_LIT(""); /* on_data tells "an empty line" from "none" by the pointer */
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (span_is(name, fields[i].name)) {
            d->block = true;
            fields[i].take(d, value);
            return;
        }
    d->facts.unknown_fields++;
}

/* ---- events ---- */

static void clear_event(struct sse_decoder *d)
{
    buf_reset(&d->type);
    buf_reset(&d->data);
    d->single = SPAN_EMPTY;
    d->data_lines = 0;
    d->typed = d->block = d->handed = false;
}

/* A blank line: true when that gives an event. */
static bool dispatch(struct sse_decoder *d, struct sse_event *event)
{
    if (d->data_lines == 0) {
        d->facts.dropped += d->typed;
        clear_event(d);
        return false;
    }
    *event = (struct sse_event){
        .type = d->type.len > 0 ? buf_span(&d->type) : SPAN_LIT("message"),
        .data = d->single.p != NULL ? d->single : buf_span(&d->data),
        .id = buf_span(&d->id),
    };
    d->facts.events++;
    d->handed = true;
    return true;
}

/* A whole line, its end taken off: true when it gives an event. */
static bool take_line(struct sse_decoder *d, struct span line, struct sse_event *event)
{
    if (!d->begun) {
        d->begun = true;
        d->facts.bom = has_bom(line);
        line = span_from(line, d->facts.bom ? 3 : 0);
    }
    if (line.n == 0)
        return dispatch(d, event);
    if (line.p[0] == ':')
        d->facts.comments++;
    else
        take_field(d, line);
    return false;
}

/* The feed is used up: what is needed later moves out of it. */
static void rest(struct sse_decoder *d)
{
    if (d->single.p != NULL)
        keep(d, &d->data, d->single);
    d->single = SPAN_EMPTY;
    struct span open = buf_span(&d->line);
    if (!d->begun && has_bom(open))
        open = span_from(open, 3);
    d->facts.inside_line = d->line.len > 0;
    d->facts.inside_event = d->block || (open.n > 0 && open.p[0] != ':');
}

enum sse_step sse_decoder_next(struct sse_decoder *d, struct sse_event *event)
{
    if (d->error != SSE_MORE)
        return d->error;
    if (d->handed)
        clear_event(d);
    struct span line;
    while (d->error == SSE_MORE && next_line(d, &line))
        if (take_line(d, line, event))
            return SSE_EVENT;
    rest(d);
    return d->error;
}

bool sse_decoder_finish(const struct sse_decoder *d)
{
    return d->error == SSE_MORE && !d->facts.inside_event;
}

/* ---- encoding ---- */

/* One line off the head of *text, whatever ends it; false when that was the last one. */
static bool cut_line(struct span *text, struct span *line)
{
    size_t n = 0;
    while (n < text->n && text->p[n] != '\n' && text->p[n] != '\r')
        n++;
    *line = span_cut(*text, 0, n);
    bool more = n < text->n;
    size_t end = n + 1 < text->n && text->p[n] == '\r' && text->p[n + 1] == '\n' ? 2 : 1;
    *text = span_from(*text, n + end);
    return more;
}

static void put_line(struct buf *out, const char *prefix, struct span line)
{
    buf_adds(out, prefix);
    buf_add(out, line);
    buf_addc(out, '\n');
}

static void put_data(struct buf *out, struct span text)
{
    struct span line;
    bool more;
    do {
        more = cut_line(&text, &line);
        put_line(out, "data: ", line);
    } while (more);
}

static bool has_any(struct span s, struct span bad)
{
    for (size_t i = 0; i < s.n; i++)
        if (memchr(bad.p, s.p[i], bad.n) != NULL)
            return true;
    return false;
}

enum err sse_encode(struct buf *out, struct span event, struct span data, struct span id)
{
    if (has_any(event, SPAN_LIT("\r\n")) || has_any(id, SPAN_LIT("\r\n\0")))
        return ERR_INVALID;
    if (event.n > 0)
        put_line(out, "event: ", event);
    if (id.p != NULL)
        put_line(out, "id: ", id);
    put_data(out, data);
    buf_addc(out, '\n');
    return buf_error(out);
}
