/* plan.c: a reply as a list of pieces, and the moves that faults are made of.
 *
 * Body positions are counted over the pieces in their order, which is what the client will read; `from` is only where
 * the bytes lie in plan->bytes. A move never touches the promise in content_length, because a broken promise is what
 * most faults are. An event may be several pieces after a split: they lie side by side and the last one carries its
 * number, so "the pieces of event e" is that one and its nameless neighbours before it.
 */
#include "net/plan.h"

#include <assert.h>
#include <stdlib.h>

struct plan *plan_new(int status)
{
    struct plan *plan = malloc(sizeof *plan);
    if (!plan)
        return NULL;
    *plan = (struct plan){.status = status};
    http_headers_init(&plan->headers);
    buf_init(&plan->bytes, BUF_ANY);
    return plan;
}

static void release_gate(struct plan_piece *piece)
{
    free(piece->gate);
    piece->gate = NULL;
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    if (plan->ctx_free)
        plan->ctx_free(plan->ctx);
    for (size_t i = 0; i < plan->count; i++)
        release_gate(&plan->pieces[i]);
    free(plan->pieces);
    free(plan->head_gate);
    free(plan->wire);
    buf_release(&plan->bytes);
    http_headers_release(&plan->headers);
    free(plan);
}

void plan_header(struct plan *plan, const char *name, const char *value)
{
    http_headers_set(&plan->headers, name, value);
    plan->failed = plan->failed || plan->headers.failed;
}

/* ---- lists of pieces ---- */

static bool has_room(struct plan *plan, size_t more)
{
    if (plan->cap - plan->count >= more)
        return true;
    size_t cap = plan->cap ? plan->cap * 2 : 4;
    while (cap - plan->count < more)
        cap *= 2;
    struct plan_piece *pieces = realloc(plan->pieces, cap * sizeof *pieces);
    if (!pieces) {
        plan->failed = true;
        return false;
    }
    plan->pieces = pieces;
    plan->cap = cap;
    return true;
}

static void truncate_pieces(struct plan *plan, size_t count)
{
    while (plan->count > count)
        release_gate(&plan->pieces[--plan->count]);
}

/* Piece i becomes two, the first of n bytes; the time, gate and place stay with the first, the event with the second.
 */
static bool split_piece(struct plan *plan, size_t i, size_t n)
{
    if (!has_room(plan, 1))
        return false;
    memmove(&plan->pieces[i + 2], &plan->pieces[i + 1], (plan->count - i - 1) * sizeof plan->pieces[0]);
    plan->count++;
    struct plan_piece *first = &plan->pieces[i];
    struct plan_piece *second = first + 1;
    *second = *first;
    second->from += n;
    second->n -= n;
    second->after_ns = 0;
    second->gate = NULL;
    first->n = n;
    first->event = PLAN_NO_EVENT;
    return true;
}

/* The piece that holds body byte `at`, and how far into it that is; plan->count when the body is shorter. */
static size_t piece_at(const struct plan *plan, size_t at, size_t *into)
{
    size_t before = 0;
    size_t i = 0;
    while (i < plan->count && at - before >= plan->pieces[i].n) {
        before += plan->pieces[i].n;
        i++;
    }
    *into = at - before;
    return i;
}

static bool adjoin(const struct plan_piece *a, const struct plan_piece *b)
{
    return a->from + a->n == b->from;
}

/* The pieces first..last of an event; false when no piece carries its number. */
static bool event_pieces(const struct plan *plan, size_t event, size_t *first, size_t *last)
{
    size_t i = 0;
    while (i < plan->count && plan->pieces[i].event != event)
        i++;
    if (event == PLAN_NO_EVENT || i == plan->count)
        return false;
    *last = i;
    while (i > 0 && plan->pieces[i - 1].event == PLAN_NO_EVENT && adjoin(&plan->pieces[i - 1], &plan->pieces[i]))
        i--;
    *first = i;
    return true;
}

static uint64_t add_waits(uint64_t a, uint64_t b)
{
    return a > PLAN_NEVER - b ? PLAN_NEVER : a + b;
}

/* ---- making ---- */

/* The last n bytes of plan->bytes. */
static size_t add_piece(struct plan *plan, size_t n, uint64_t after_ns, size_t event)
{
    if (buf_error(&plan->bytes) || !has_room(plan, 1)) {
        plan->failed = true;
        return plan->count;
    }
    plan->pieces[plan->count] = (struct plan_piece){
        .from = plan->bytes.len - n, .n = n, .after_ns = after_ns, .gate = NULL, .alone = false, .event = event};
    return plan->count++;
}

static size_t append_piece(struct plan *plan, struct span bytes, uint64_t after_ns, size_t event)
{
    buf_add(&plan->bytes, bytes);
    return add_piece(plan, bytes.n, after_ns, event);
}

void plan_body(struct plan *plan, const char *content_type, struct span body)
{
    truncate_pieces(plan, 0);
    buf_reset(&plan->bytes);
    plan_header(plan, "Content-Type", content_type);
    plan->content_length = (int64_t)body.n;
    if (body.n > 0)
        (void)append_piece(plan, body, 0, PLAN_NO_EVENT);
}

void plan_body_take(struct plan *plan, const char *content_type, struct buf *body)
{
    plan_body(plan, content_type, SPAN_EMPTY);
    buf_release(&plan->bytes);
    plan->bytes = *body;
    *body = BUF_INIT(body->max);
    plan->failed = plan->failed || buf_error(&plan->bytes) != OK;
    plan->content_length = (int64_t)plan->bytes.len;
    if (plan->bytes.len > 0)
        (void)add_piece(plan, plan->bytes.len, 0, PLAN_NO_EVENT);
}

size_t plan_add(struct plan *plan, struct span bytes, uint64_t after_ns, size_t event)
{
    plan->content_length = PLAN_CHUNKED;
    return append_piece(plan, bytes, after_ns, event);
}

size_t plan_add_from(struct plan *plan, size_t from, uint64_t after_ns, size_t event)
{
    plan->content_length = PLAN_CHUNKED;
    return add_piece(plan, plan->bytes.len - from, after_ns, event);
}

void plan_fit(struct plan *plan)
{
    buf_fit(&plan->bytes);
    struct plan_piece *pieces = plan->count == 0 ? NULL : realloc(plan->pieces, plan->count * sizeof *pieces);
    if (!pieces)
        return;
    plan->pieces = pieces;
    plan->cap = plan->count;
}

/* ---- moves ---- */

void plan_cut_at_byte(struct plan *plan, size_t at, enum plan_end how)
{
    size_t into = 0;
    size_t i = piece_at(plan, at, &into);
    plan->end = how;
    if (i == plan->count)
        return;
    if (into > 0) {
        plan->pieces[i].n = into;
        plan->pieces[i].event = PLAN_NO_EVENT;
        i++;
    }
    truncate_pieces(plan, i);
}

void plan_cut_at_event(struct plan *plan, size_t event, enum plan_end how)
{
    size_t first = 0;
    size_t last = 0;
    plan->end = how;
    if (event_pieces(plan, event, &first, &last))
        truncate_pieces(plan, first);
}

void plan_stall_at_event(struct plan *plan, size_t event)
{
    size_t first = 0;
    size_t last = 0;
    if (event_pieces(plan, event, &first, &last))
        plan->pieces[first].after_ns = PLAN_NEVER;
}

void plan_split_at_byte(struct plan *plan, size_t at, uint64_t pause_ns)
{
    size_t into = 0;
    size_t i = piece_at(plan, at, &into);
    if (i == plan->count)
        return;
    if (into > 0) {
        if (!split_piece(plan, i, into))
            return;
        plan->pieces[i].alone = true;
        i++;
    } else if (i > 0) {
        plan->pieces[i - 1].alone = true;
    }
    plan->pieces[i].alone = true;
    plan->pieces[i].after_ns = add_waits(plan->pieces[i].after_ns, pause_ns);
}

void plan_shred(struct plan *plan, size_t n)
{
    assert(n > 0);
    size_t total = 0;
    for (size_t i = 0; i < plan->count; i++)
        total += plan->pieces[i].n / n + 1;
    struct plan_piece *shreds = calloc(total ? total : 1, sizeof *shreds);
    if (!shreds) {
        plan->failed = true;
        return;
    }
    size_t count = 0;
    for (size_t i = 0; i < plan->count; i++) {
        struct plan_piece rest = plan->pieces[i];
        rest.alone = true;
        for (; rest.n > n; rest.from += n, rest.n -= n, rest.after_ns = 0, rest.gate = NULL) {
            shreds[count] = rest;
            shreds[count].n = n;
            shreds[count++].event = PLAN_NO_EVENT;
        }
        shreds[count++] = rest;
    }
    free(plan->pieces);
    plan->pieces = shreds;
    plan->count = count;
    plan->cap = total ? total : 1;
}

void plan_gate_event(struct plan *plan, size_t event, const char *gate)
{
    size_t first = 0;
    size_t last = 0;
    if (!event_pieces(plan, event, &first, &last))
        return;
    release_gate(&plan->pieces[first]);
    plan->pieces[first].gate = strdup(gate);
    plan->failed = plan->failed || !plan->pieces[first].gate;
}

/* The wait and the gate of what is dropped pass to what comes next: the others arrive when they would have. */
void plan_drop_event(struct plan *plan, size_t event)
{
    size_t first = 0;
    size_t last = 0;
    if (!event_pieces(plan, event, &first, &last))
        return;
    uint64_t wait = 0;
    char *gate = NULL;
    for (size_t i = first; i <= last; i++) {
        wait = add_waits(wait, plan->pieces[i].after_ns);
        if (gate)
            release_gate(&plan->pieces[i]);
        else
            gate = plan->pieces[i].gate;
    }
    struct plan_piece *next = last + 1 < plan->count ? &plan->pieces[last + 1] : NULL;
    if (next)
        next->after_ns = add_waits(next->after_ns, wait);
    if (next && !next->gate)
        next->gate = gate;
    else
        free(gate);
    memmove(&plan->pieces[first], &plan->pieces[last + 1], (plan->count - last - 1) * sizeof plan->pieces[0]);
    plan->count -= last - first + 1;
}

void plan_merge(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        plan->pieces[i].alone = false;
        if (plan->pieces[i].after_ns != PLAN_NEVER)
            plan->pieces[i].after_ns = 0;
    }
}

struct span plan_event_bytes(const struct plan *plan, size_t event)
{
    size_t first = 0;
    size_t last = 0;
    if (!event_pieces(plan, event, &first, &last))
        return SPAN_EMPTY;
    size_t from = plan->pieces[first].from;
    return span_cut(buf_span(&plan->bytes), from, plan->pieces[last].from + plan->pieces[last].n - from);
}
