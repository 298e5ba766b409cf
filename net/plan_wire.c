/* plan_wire.c: replies that a proper HTTP server would not write.
 *
 * Gateways meet heads that come a byte at a time, interim answers nobody asked for, two lengths that differ, chunks
 * that never end. The library that serves HTTP/1.1 writes none of these, so the server spells such a reply itself: its
 * head and the framing of its body become pieces like all others, paced by the same walk. It is done when the head is
 * due, so every other fault has moved the pieces of the body before, and counted its bytes only.
 */
#include "net/plan.h"

#include <stdio.h>
#include <stdlib.h>

enum framing { BY_LENGTH, BY_CHUNKS, BY_CLOSE };

struct plan_wire *plan_odd(struct plan *plan)
{
    if (!plan->wire)
        plan->wire = calloc(1, sizeof *plan->wire);
    plan->failed = plan->failed || !plan->wire;
    return plan->wire;
}

static enum framing framing_of(const struct plan *plan, bool http_1_1)
{
    unsigned odd = plan->wire->odd;
    if (odd & PLAN_UNTIL_CLOSE || (!http_1_1 && plan->content_length < 0))
        return BY_CLOSE;
    bool chunks = plan->content_length < 0 || odd & (PLAN_BAD_CHUNK | PLAN_LENGTH_AND_CHUNKS);
    return chunks && http_1_1 ? BY_CHUNKS : BY_LENGTH;
}

static int64_t body_size(const struct plan *plan)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->count; i++)
        n += plan->pieces[i].n;
    return (int64_t)n;
}

static void print_lengths(const struct plan *plan, enum framing framing, struct buf *out)
{
    unsigned odd = plan->wire->odd;
    int64_t length = plan->content_length >= 0 ? plan->content_length : body_size(plan);
    if (framing == BY_LENGTH || odd & (PLAN_LENGTH_AND_CHUNKS | PLAN_TWO_LENGTHS))
        buf_addf(out, "Content-Length: %lld\r\n", (long long)length);
    if (odd & PLAN_TWO_LENGTHS)
        buf_addf(out, "Content-Length: %lld\r\n", (long long)length + 1);
    if (framing == BY_CHUNKS)
        buf_adds(out, "Transfer-Encoding: chunked\r\n");
}

static void print_head(const struct plan *plan, enum framing framing, struct buf *out)
{
    char date[HTTP_DATE_SIZE];
    http_print_date((int64_t)(wall_ns() / 1000000000), date, sizeof date);
    if (plan->wire->odd & PLAN_BAD_STATUS)
        buf_addf(out, "HTTP/1.1 2oo Fine\r\n");
    else
        buf_addf(out, "HTTP/1.%d %d %s\r\n", plan->wire->odd & PLAN_UNTIL_CLOSE ? 0 : 1, plan->status,
                 http_reason(plan->status));
    for (size_t i = 0; i < plan->headers.count; i++)
        buf_addf(out, "%s: %s\r\n", plan->headers.items[i].name, plan->headers.items[i].value);
    if (!http_headers_get(&plan->headers, "Date"))
        buf_addf(out, "Date: %s\r\n", date);
    buf_adds(out, "Connection: close\r\n");
    print_lengths(plan, framing, out);
    buf_adds(out, "\r\n");
}

uint64_t plan_head_time(const struct plan *plan)
{
    if (!plan->wire || plan->wire->head_pause_ns == 0)
        return 0;
    CLEANUP(buf_release) struct buf head = BUF_INIT(BUF_ANY);
    print_head(plan, framing_of(plan, true), &head);
    return head.len < 2 ? 0 : (head.len - 1) * plan->wire->head_pause_ns;
}

/* The old pieces aside, to be put in again between the new ones. */
struct body {
    struct plan_piece *pieces;
    size_t count;
};

static void body_release(struct body *b)
{
    free(b->pieces); /* their gates have moved on */
}

static size_t add(struct plan *plan, struct span bytes, uint64_t after_ns)
{
    int64_t promised = plan->content_length;
    size_t i = plan_add(plan, bytes, after_ns, PLAN_NO_EVENT);
    plan->content_length = promised;
    return i;
}

static void add_head(struct plan *plan, struct span head)
{
    const struct plan_wire *w = plan->wire;
    char interim[64];
    int n = snprintf(interim, sizeof interim, "HTTP/1.1 %d %s\r\n\r\n", w->interim, http_reason(w->interim));
    for (unsigned i = 0; i < w->interim_times && !plan->failed; i++)
        (void)add(plan, (struct span){(const unsigned char *)interim, (size_t)n}, 0);
    if (w->head_pause_ns == 0) {
        (void)add(plan, head, w->interim_pause_ns);
        return;
    }
    for (size_t i = 0; i < head.n && !plan->failed; i++) {
        size_t at = add(plan, span_cut(head, i, 1), i == 0 ? w->interim_pause_ns : w->head_pause_ns);
        if (!plan->failed)
            plan->pieces[at].alone = true;
    }
}

/* A piece of the body again; in a chunk of its own, which its wait and its gate hold back as a whole. */
static void add_again(struct plan *plan, const struct plan_piece *old, bool chunked)
{
    char size[24];
    int n = snprintf(size, sizeof size, "%zx\r\n", old->n);
    chunked = chunked && old->n > 0; /* a chunk of no bytes would be the last chunk */
    size_t first = plan->count;
    if (chunked)
        (void)add(plan, (struct span){(const unsigned char *)size, (size_t)n}, old->after_ns);
    size_t at = add(plan, SPAN_EMPTY, chunked ? 0 : old->after_ns);
    if (chunked)
        (void)add(plan, SPAN_LIT("\r\n"), 0);
    if (plan->failed) {
        free(old->gate);
        return;
    }
    plan->pieces[first].gate = old->gate;
    plan->pieces[at].from = old->from;
    plan->pieces[at].n = old->n;
    plan->pieces[at].event = old->event;
    for (size_t i = first; i < plan->count; i++)
        plan->pieces[i].alone = old->alone && i == at;
}

void plan_spell(struct plan *plan, bool http_1_1)
{
    enum framing framing = framing_of(plan, http_1_1);
    CLEANUP(buf_release) struct buf head = BUF_INIT(BUF_ANY);
    print_head(plan, framing, &head);
    CLEANUP(body_release) struct body body = {plan->pieces, plan->count};
    plan->pieces = NULL;
    plan->count = plan->cap = 0;
    plan->failed = plan->failed || buf_error(&head) != OK;
    add_head(plan, buf_span(&head));
    for (size_t i = 0; i < body.count; i++)
        add_again(plan, &body.pieces[i], framing == BY_CHUNKS);
    if (framing == BY_CHUNKS && plan->wire->odd & PLAN_BAD_CHUNK)
        (void)add(plan, SPAN_LIT("zz\r\n"), 0);
    else if (framing == BY_CHUNKS && plan->end == PLAN_END_CLEAN)
        (void)add(plan, SPAN_LIT("0\r\n\r\n"), 0);
    free(plan->wire);
    plan->wire = NULL;
}
