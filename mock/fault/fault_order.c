/* fault_order.c: the ORD faults: good frames in an order, or in a number, that the protocol of a message forbids.
 *
 * A message is messageStart, then blocks (start, deltas, stop) with indexes from 0, then messageStop and metadata
 * (Amazon Bedrock API reference, ConverseStream). Who folds events into an OpenAI stream has a state machine, and these
 * are the edges it forgot.
 */
#include "mock/fault/fault_parts.h"

#include <stdlib.h>

/* The row's word: which event a row is about. */
static enum event_kind kind_of_row(const struct mock_fault_row *row)
{
    return (enum event_kind)row->number;
}

FAULT(no_event)
{
    (void)f;
    fault_drop(p, fault_find(p, kind_of_row(scene->row), 0));
    return p;
}

FAULT(twice)
{
    (void)f;
    size_t n = fault_find(p, kind_of_row(scene->row), 0);
    fault_copy(p, n, n + 1);
    return p;
}

FAULT(delta_before_start)
{
    (void)f, (void)scene;
    fault_move(p, fault_find(p, EVENT_DELTA, 0), fault_find(p, EVENT_MESSAGE_START, 0));
    return p;
}

FAULT(delta_after_block_stop)
{
    (void)f, (void)scene;
    size_t stop = fault_find(p, EVENT_BLOCK_STOP, 0);
    if (stop != PLAN_NO_EVENT)
        fault_copy(p, fault_find(p, EVENT_DELTA, 0), stop + 1);
    return p;
}

FAULT(metadata_before_stop)
{
    (void)f, (void)scene;
    fault_move(p, fault_find(p, EVENT_METADATA, 0), fault_find(p, EVENT_MESSAGE_STOP, 0));
    return p;
}

FAULT(event_after_stop)
{
    (void)f, (void)scene;
    size_t stop = fault_find(p, EVENT_MESSAGE_STOP, 0);
    if (stop != PLAN_NO_EVENT)
        fault_copy(p, fault_find(p, EVENT_DELTA, 0), stop + 1);
    return p;
}

FAULT(event_after_metadata)
{
    (void)f, (void)scene;
    fault_copy(p, fault_find(p, EVENT_DELTA, 0), fault_events(p));
    return p;
}

FAULT(early_end)
{
    (void)f, (void)scene;
    size_t stop = fault_find(p, EVENT_MESSAGE_STOP, 0);
    if (stop != PLAN_NO_EVENT)
        plan_cut_at_event(p, stop, PLAN_END_CLEAN);
    return p;
}

/* ---- indexes ---- */

/* Where the digits of an index stand in the JSON of an event: contentBlockIndex of Converse and Nova, index of Claude.
 */
static const char *index_digits(const struct buf *json)
{
    static const char *const names[] = {"\"contentBlockIndex\":", "\"index\":"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *at = json->len == 0 ? NULL : strstr(buf_text(json), names[i]);
        if (at != NULL)
            return at + strlen(names[i]);
    }
    return NULL;
}

/* The index of the block that an event belongs to; -1: of none. */
static long index_of(const struct plan *p, size_t n, struct buf *json)
{
    buf_reset(json);
    if (!fault_is(p, n, EVENT_DELTA) && !fault_is(p, n, EVENT_BLOCK_START) && !fault_is(p, n, EVENT_BLOCK_STOP))
        return -1;
    const char *digits = fault_json(p, n, json) ? index_digits(json) : NULL;
    return digits == NULL ? -1 : strtol(digits, NULL, 10);
}

static void set_index(struct plan *p, size_t n, struct buf *json, long index, const struct fault_scene *scene)
{
    CLEANUP(buf_release) struct buf new = BUF_INIT(BUF_ANY);
    const char *digits = index_digits(json);
    char *end = NULL;
    if (digits == NULL)
        return;
    (void)strtol(digits, &end, 10);
    size_t at = (size_t)(digits - buf_text(json));
    buf_add(&new, span_cut(buf_span(json), 0, at));
    buf_addf(&new, "%ld", index);
    buf_add(&new, span_from(buf_span(json), at + (size_t)(end - digits)));
    fault_set_json(p, n, buf_span(&new), scene);
}

FAULT(index_gap)
{
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    long first = (long)fault_int(f, "at_block", 0), by = (long)fault_int(f, "by", 1);
    for (size_t n = 0, end = fault_events(p); n < end && !p->failed; n++) {
        long index = index_of(p, n, &json);
        if (index >= first)
            set_index(p, n, &json, index + by, scene);
    }
    return p;
}

FAULT(stray_index)
{
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    size_t n = fault_find(p, EVENT_DELTA, fault_at_event(p, f, 0));
    long index = n == PLAN_NO_EVENT ? -1 : index_of(p, n, &json);
    if (index >= 0)
        set_index(p, n, &json, index + (long)fault_int(f, "by", 7), scene);
    return p;
}

/* The last block is told twice, side by side: each of its events is followed by its like of the next index. */
FAULT(interleaved_blocks)
{
    (void)f;
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    long last = -1;
    for (size_t n = 0, end = fault_events(p); n < end; n++) {
        long index = index_of(p, n, &json);
        last = index > last ? index : last;
    }
    for (size_t n = 0; last >= 0 && n < fault_events(p) && !p->failed; n++) {
        if (index_of(p, n, &json) != last)
            continue;
        fault_copy(p, n, n + 1);
        set_index(p, ++n, &json, last + 1, scene);
    }
    return p;
}

/* ---- by number ---- */

FAULT(drop_event)
{
    (void)scene;
    fault_drop(p, fault_at_event(p, f, 0));
    return p;
}

FAULT(duplicate_event)
{
    (void)scene;
    size_t at = fault_at_event(p, f, 1);
    fault_copy(p, at, at + 1);
    return p;
}

FAULT(swap_events)
{
    (void)scene;
    size_t at = fault_at_event(p, f, 1);
    fault_move(p, at + 1, at);
    return p;
}
