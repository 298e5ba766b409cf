/* fault_parts.h: what the functions behind the rows of the fault table share. Private to mock/fault/.
 *
 * A fault gets a plan and the JSON object that asked for it, checked. It hands back the same plan or another in its
 * place. Positions beyond the end change nothing.
 */
#ifndef MOHS_MOCK_FAULT_PARTS_H
#define MOHS_MOCK_FAULT_PARTS_H

#include "mock/fault/fault.h"
#include "protocol/eventstream.h"

#define FAULT_MS 1000000u

/* The head of every function of the table. */
#define FAULT(name) struct plan *fault_##name(struct plan *p, const cJSON *f, const struct fault_scene *scene)

/* ---- parameters ---- */
int64_t fault_int(const cJSON *f, const char *key, int64_t otherwise);
uint64_t fault_ns(const cJSON *f, const char *key, uint64_t otherwise_ms);
const char *fault_text(const cJSON *f, const char *key, const char *otherwise);
bool fault_has(const cJSON *f, const char *key);

/* ---- places ---- */
size_t fault_body_size(const struct plan *p);
size_t fault_events(const struct plan *p);
size_t fault_position(int64_t at, size_t count); /* negative ones count from the end */
size_t fault_at_event(const struct plan *p, const cJSON *f, int64_t otherwise);
/* The piece with which event n begins; p->count when there is none. */
size_t fault_event_piece(const struct plan *p, size_t n);
/* The bytes of an event, to be damaged in place; NULL: none. */
unsigned char *fault_event_bytes(struct plan *p, size_t n, size_t *size);

/* ---- events ---- */
/* Events get new numbers from 0 after each of these. */
void fault_insert(struct plan *p, size_t at, struct span frame);
void fault_drop(struct plan *p, size_t n); /* nothing for a number that is none */
void fault_copy(struct plan *p, size_t n, size_t to);
void fault_move(struct plan *p, size_t n, size_t to); /* it is number `to` afterwards; pauses stay where they were */
void fault_replace(struct plan *p, size_t n, struct span frame); /* its time and gate stay */

/* What an event is, in Converse's words; a chunk is what takes that place in Claude's and Nova's own streams. */
enum event_kind {
    EVENT_MESSAGE_START,
    EVENT_BLOCK_START,
    EVENT_DELTA,
    EVENT_BLOCK_STOP,
    EVENT_MESSAGE_STOP,
    EVENT_METADATA
};
bool fault_is(const struct plan *p, size_t n, enum event_kind kind);
size_t fault_find(const struct plan *p, enum event_kind kind, size_t from); /* PLAN_NO_EVENT: none */
/* The JSON that an event means: its payload, or what lies below the base64 of a chunk; false: none. */
bool fault_json(const struct plan *p, size_t n, struct buf *out);
void fault_set_json(struct plan *p, size_t n, struct span json, const struct fault_scene *scene);

/* ---- frames ---- */
/* The headers block and the payload of a frame; false: not a frame. */
bool fault_frame_parts(struct span frame, struct span *headers, struct span *payload);
/* A frame of any bytes, with the lengths and CRCs that belong to them. */
void fault_frame(struct span headers, struct span payload, struct buf *out);
/* Where a header stands in a block of headers, all of its bytes; empty: it does not. */
struct span fault_header(struct span headers, const char *name);
void fault_fill(struct buf *out, char c, size_t n); /* append n of them */
void fault_put_u32(unsigned char *at, uint32_t n);

/* ---- the functions of the table ---- */
FAULT(error);
FAULT(exception);
FAULT(error_frame);

FAULT(bad_prelude_crc);
FAULT(bad_message_crc);
FAULT(total_length_short);
FAULT(total_length_long);
FAULT(total_length_tiny);
FAULT(total_length_huge);
FAULT(headers_length_long);
FAULT(headers_length_short);
FAULT(empty_payload);
FAULT(sized_payload);
FAULT(unknown_event);
FAULT(unknown_header_type);
FAULT(unknown_message_type);
FAULT(drop_header);
FAULT(duplicate_header);
FAULT(empty_header_name);
FAULT(all_header_types);
FAULT(corrupt);
FAULT(payload_not_json);
FAULT(invalid_utf8);
FAULT(split_code_point);
FAULT(split);
FAULT(shred);
FAULT(merge);
FAULT(trailing_bytes);
FAULT(half_frame);

FAULT(no_event);
FAULT(twice);
FAULT(delta_before_start);
FAULT(delta_after_block_stop);
FAULT(index_gap);
FAULT(stray_index);
FAULT(interleaved_blocks);
FAULT(metadata_before_stop);
FAULT(event_after_stop);
FAULT(event_after_metadata);
FAULT(early_end);
FAULT(drop_event);
FAULT(duplicate_event);
FAULT(swap_events);

FAULT(cut_fin);
FAULT(cut_rst);
FAULT(cut_clean);
FAULT(no_head);
FAULT(slow_head);
FAULT(interim);
FAULT(odd);
FAULT(content_length);
FAULT(chunked_end);
FAULT(empty_200);
FAULT(content_type);
FAULT(drop_field);
FAULT(field);
FAULT(huge_header);
FAULT(status);
FAULT(page);
FAULT(coral_200);
FAULT(truncated_json);
FAULT(gzip);
FAULT(gzip_label);

FAULT(latency);
FAULT(ttft);
FAULT(itl);
FAULT(pause);
FAULT(stall);
FAULT(drip);
FAULT(gate);

#endif
