/* This runs once per answer and must cost less than the system calls around it. So a head that came in one read, the
 * usual case, is read where it lies; its lines are looked at only as far as their first letter; and body bytes are
 * handed on as spans of the read. Everything a peer sends is compared with what remains before it is used.
 */
#include "harness/bench/wire.h"

#define CHUNK_LINE_MAX 4096u /* a size with its extensions; trailers as well */

enum {
    AT_HEAD,
    AT_SIZED,
    AT_CHUNK_SIZE,
    AT_CHUNK_EXTENSION,
    AT_CHUNK_DATA,
    AT_CHUNK_CR,
    AT_CHUNK_LF,
    AT_TRAILER,
    AT_UNTIL_CLOSE,
    AT_DONE
};

void wire_init(struct wire *w, size_t head_max)
{
    memset(w, 0, sizeof *w);
    buf_init(&w->head, head_max);
}

void wire_release(struct wire *w)
{
    if (w != NULL)
        buf_release(&w->head);
}

void wire_reset(struct wire *w)
{
    struct buf head = w->head;
    memset(w, 0, sizeof *w);
    w->head = head;
    buf_reset(&w->head);
}

bool wire_closed(const struct wire *w)
{
    return w->state == AT_UNTIL_CLOSE || w->state == AT_DONE;
}

bool wire_begun(const struct wire *w)
{
    return w->state != AT_HEAD || w->head.len > 0;
}

static enum wire_step bad(struct wire *w, const char *why)
{
    w->why = why;
    w->keep = false;
    return WIRE_BAD;
}

/* ---- the head ---- */

static bool read_decimal(struct span text, uint64_t *out)
{
    uint64_t v = 0;
    if (text.n == 0 || text.n > 18)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(text.p[i] - '0');
    }
    *out = v;
    return true;
}

static enum wire_type type_of(struct span value)
{
    static const struct {
        const char *name;
        enum wire_type type;
    } rows[] = {{"application/json", WIRE_JSON},
                {"text/event-stream", WIRE_SSE},
                {"application/vnd.amazon.eventstream", WIRE_EVENTSTREAM}};
    struct span name, rest;
    (void)span_split(value, ';', &name, &rest);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (span_is_nocase(span_trim(name), rows[i].name))
            return rows[i].type;
    return WIRE_OTHER;
}

static const char *read_field(struct wire *w, struct span name, struct span value)
{
    if (span_is_nocase(name, "content-length")) {
        uint64_t n;
        if (!read_decimal(value, &n) || (w->sized && n != w->left))
            return "content_length";
        w->sized = true;
        w->left = n;
    } else if (span_is_nocase(name, "content-type")) {
        w->type = type_of(value);
    } else if (span_is_nocase(name, "connection")) {
        if (span_is_nocase(value, "close"))
            w->keep = false;
        else if (span_is_nocase(value, "keep-alive"))
            w->keep = true;
    } else if (span_is_nocase(name, "transfer-encoding")) {
        if (!span_is_nocase(value, "chunked"))
            return "transfer_encoding";
        w->chunked = true;
    }
    return NULL;
}

/* "HTTP/1.1 200 OK": the version's minor digit and the status. */
static const char *read_status_line(struct wire *w, struct span line)
{
    if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ' || (line.n > 12 && line.p[12] != ' '))
        return "status_line";
    uint64_t status;
    if (!read_decimal(span_cut(line, 9, 3), &status) || status < 100)
        return "status_line";
    w->status = (int)status;
    w->keep = line.p[7] == '1';
    return NULL;
}

/* `head` is everything up to the blank line, that one included. */
static const char *read_head(struct wire *w, struct span head)
{
    w->chunked = w->sized = false;
    w->type = WIRE_OTHER;
    for (bool first = true; head.n > 0; first = false) {
        const unsigned char *end = memchr(head.p, '\n', head.n);
        size_t n = end == NULL ? head.n : (size_t)(end - head.p);
        struct span line = {head.p, n > 0 && head.p[n - 1] == '\r' ? n - 1 : n}, name, value;
        head = span_from(head, n + 1);
        const char *why = NULL;
        if (first) {
            why = read_status_line(w, line);
        } else if (line.n > 0) {
            unsigned char letter = line.p[0] | 0x20;
            if (letter != 'c' && letter != 't')
                continue;
            if (!span_split(line, ':', &name, &value))
                return "header_line";
            why = read_field(w, name, span_trim(value));
        }
        if (why != NULL)
            return why;
    }
    return NULL;
}

static enum wire_step end_head(struct wire *w, struct span head)
{
    const char *why = read_head(w, head);
    if (why != NULL)
        return bad(w, why);
    buf_reset(&w->head);
    if (w->status < 200) {
        if (w->status == 101)
            return bad(w, "switched_protocols");
        w->state = AT_HEAD; /* 100 Continue, 103 Early Hints: the answer is still to come */
        return WIRE_MORE;
    }
    if (w->status == 204 || w->status == 304) {
        w->state = AT_DONE;
    } else if (w->chunked) { /* RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length */
        w->state = AT_CHUNK_SIZE;
        w->left = w->digits = w->line = 0;
    } else if (w->sized) {
        w->state = w->left == 0 ? AT_DONE : AT_SIZED;
    } else {
        w->state = AT_UNTIL_CLOSE;
        w->keep = false;
    }
    return WIRE_HEAD;
}

/* WIRE_MORE with bytes left in *in means: again (an interim answer was skipped). */
static enum wire_step next_head(struct wire *w, struct span *in)
{
    if (w->head.len == 0) {
        const unsigned char *end = memmem(in->p, in->n, "\r\n\r\n", 4);
        if (end != NULL) {
            struct span head = {in->p, (size_t)(end - in->p) + 4};
            *in = span_from(*in, head.n);
            return end_head(w, head);
        }
        buf_add(&w->head, *in);
        *in = SPAN_EMPTY;
    } else {
        size_t before = w->head.len, from = before > 3 ? before - 3 : 0;
        struct span take = span_cut(*in, 0, w->head.max - before);
        buf_add(&w->head, take);
        const char *end = memmem(w->head.data + from, w->head.len - from, "\r\n\r\n", 4);
        if (end != NULL) {
            size_t n = (size_t)(end - w->head.data) + 4;
            *in = span_from(*in, n - before);
            return end_head(w, span_cut(buf_span(&w->head), 0, n));
        }
        *in = span_from(*in, take.n);
        if (in->n > 0)
            return bad(w, "head_too_long");
    }
    return buf_error(&w->head) != OK ? bad(w, "head_too_long") : WIRE_MORE;
}

/* ---- the body ---- */

static int hex_of(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of chunk framing; NULL, or what is wrong. */
static const char *chunk_byte(struct wire *w, unsigned char c)
{
    int v;
    switch (w->state) {
    case AT_CHUNK_SIZE:
        v = hex_of(c);
        if (v >= 0) {
            w->left = w->left << 4 | (unsigned)v;
            return ++w->digits > 15 ? "chunk_size" : NULL;
        }
        w->state = AT_CHUNK_EXTENSION;
        if (w->digits == 0 || (c != '\r' && c != '\n' && c != ';' && c != ' ' && c != '\t'))
            return "chunk_size";
        __attribute__((fallthrough));
    case AT_CHUNK_EXTENSION:
        if (c == '\n') {
            w->state = w->left > 0 ? AT_CHUNK_DATA : AT_TRAILER;
            w->blank = true;
            w->line = 0;
            return NULL;
        }
        return ++w->line > CHUNK_LINE_MAX ? "chunk_line_too_long" : NULL;
    case AT_CHUNK_CR:
        w->state = AT_CHUNK_LF;
        return c == '\r' ? NULL : "chunk_end";
    case AT_CHUNK_LF:
        w->state = AT_CHUNK_SIZE;
        w->left = w->digits = w->line = 0;
        return c == '\n' ? NULL : "chunk_end";
    default: /* AT_TRAILER */
        if (c == '\n') {
            w->state = w->blank ? AT_DONE : AT_TRAILER;
            w->blank = true;
        } else if (c != '\r') {
            w->blank = false;
        }
        return ++w->line > CHUNK_LINE_MAX ? "trailer_too_long" : NULL;
    }
}

static enum wire_step next_data(struct wire *w, struct span *in, struct span *body)
{
    *body = w->left < in->n ? span_cut(*in, 0, (size_t)w->left) : *in;
    *in = span_from(*in, body->n);
    w->left -= body->n;
    if (w->left == 0)
        w->state = w->state == AT_SIZED ? AT_DONE : AT_CHUNK_CR;
    return WIRE_BODY;
}

enum wire_step wire_next(struct wire *w, struct span *in, struct span *body)
{
    if (w->why != NULL)
        return WIRE_BAD;
    while (in->n > 0 || w->state == AT_DONE) {
        enum wire_step step;
        const char *why;
        switch (w->state) {
        case AT_HEAD:
            step = next_head(w, in);
            if (step != WIRE_MORE)
                return step;
            break;
        case AT_SIZED:
        case AT_CHUNK_DATA:
            return next_data(w, in, body);
        case AT_UNTIL_CLOSE:
            *body = *in;
            *in = SPAN_EMPTY;
            return WIRE_BODY;
        case AT_DONE:
            return WIRE_DONE;
        default:
            why = chunk_byte(w, in->p[0]);
            *in = span_from(*in, 1);
            if (why != NULL)
                return bad(w, why);
        }
    }
    return WIRE_MORE;
}
