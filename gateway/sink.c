/* sink.c: stages between a translated stream and the client.
 *
 * A stage is a row of the table: a function that gets an item and hands on none, one or more by next(). Its `at` counts
 * the chunks that reach it, from 0. "The last chunk" is known only when the stream ends, so it is looked for among the
 * tail chunks alone: holding back content would stop a conversation in which the next event waits for this one.
 */
#include "gateway/sink.h"

#include <stdlib.h>

#include "protocol/eventstream.h"
#include "protocol/sse.h"

struct sink_stage {
    const struct mutation *m;
    int64_t seen; /* chunks that came before this one */
    bool spent;   /* what is done once was done */
    struct sink_item *held;
    size_t held_count, held_cap;
    void (*put)(struct sink *s, size_t stage, struct sink_item *item);
};

static void item_release(struct sink_item *item)
{
    cJSON_Delete(item->json);
    buf_release(&item->raw);
    *item = (struct sink_item){.kind = SINK_RAW};
}

static struct sink_item item_json(enum sink_kind kind, cJSON *take)
{
    return (struct sink_item){.kind = kind, .json = take, .raw = BUF_INIT(BUF_ANY)};
}

static struct sink_item item_copy(const struct sink_item *item)
{
    struct sink_item copy = item_json(item->kind, item->json != NULL ? cJSON_Duplicate(item->json, true) : NULL);
    buf_add(&copy.raw, buf_span(&item->raw));
    return copy;
}

static bool is_chunk(const struct sink_item *item)
{
    return item->kind == SINK_CHUNK || item->kind == SINK_TAIL || item->kind == SINK_FRAME ||
           item->kind == SINK_TAIL_FRAME;
}

static bool is_tail(const struct sink_item *item)
{
    return item->kind == SINK_TAIL || item->kind == SINK_TAIL_FRAME;
}

static bool is_error(const struct sink_item *item)
{
    return item->kind == SINK_ERROR || item->kind == SINK_ERROR_FRAME;
}

/* ---- the end of the line ---- */

static void serialise(const struct sink_item *item, struct buf *out)
{
    if (item->kind == SINK_DONE) {
        (void)!sse_encode(out, SPAN_EMPTY, SPAN_LIT("[DONE]"), SPAN_EMPTY);
    } else if (item->json != NULL) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        json_print(item->json, JSON_COMPACT, &text);
        (void)!sse_encode(out, SPAN_EMPTY, buf_span(&text), SPAN_EMPTY);
    } else {
        buf_add(out, buf_span(&item->raw));
    }
}

static void write_out(struct sink *s, const struct sink_item *item)
{
    buf_reset(&s->scratch);
    serialise(item, &s->scratch);
    if (s->x != NULL && s->scratch.len > 0)
        s->waiting = exchange_write(s->x, buf_span(&s->scratch));
}

/* Takes what is in *item. */
static void pass(struct sink *s, size_t stage, struct sink_item *item)
{
    if (stage == s->stage_count) {
        write_out(s, item);
    } else {
        struct sink_stage *at = &s->stages[stage];
        bool counts = is_chunk(item);
        at->put(s, stage, item);
        at->seen += counts;
    }
    item_release(item);
}

static void next(struct sink *s, size_t stage, struct sink_item *item)
{
    pass(s, stage + 1, item);
}

static void next_copy(struct sink *s, size_t stage, const struct sink_item *item)
{
    struct sink_item copy = item_copy(item);
    next(s, stage, &copy);
}

/* Is this the chunk that is meant? */
static bool meant(const struct sink_stage *at, const struct sink_item *item, int64_t otherwise)
{
    int64_t which = at->m->at == AT_DEFAULT ? otherwise : at->m->at;
    return is_chunk(item) && (which == AT_ALL || which == at->seen);
}

static void hold(struct sink_stage *at, struct sink_item *item)
{
    if (at->held_count == at->held_cap) {
        size_t cap = at->held_cap > 0 ? at->held_cap * 2 : 16;
        struct sink_item *more = realloc(at->held, cap * sizeof *more);
        if (more == NULL)
            return; /* lost: this is a stage that breaks streams anyway */
        at->held = more;
        at->held_cap = cap;
    }
    at->held[at->held_count++] = *item;
    *item = (struct sink_item){.kind = SINK_RAW};
}

static void let_go(struct sink *s, size_t stage)
{
    struct sink_stage *at = &s->stages[stage];
    for (size_t i = 0; i < at->held_count; i++)
        next(s, stage, &at->held[i]);
    at->held_count = 0;
}

/* ---- patches ---- */

/* A frame is taken apart, its payload patched, and made again. */
static void patch_frame(const struct mutation *m, struct sink_item *item)
{
    struct es_decoder d;
    struct es_message message;
    struct span name;
    CLEANUP(json_free) cJSON *payload = NULL;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY), frame = BUF_INIT(BUF_ANY);
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(&item->raw));
    if (es_decoder_next(&d, &message) == ES_OK && es_message_kind(&message, &name) == ES_EVENT &&
        json_parse(message.payload, JSON_COMPACT, &payload, NULL) == OK &&
        json_patch(&payload, m->op, m->path, m->value, NULL) == OK) {
        CLEANUP(free_ptr) char *type = span_dup(name);
        json_print(payload, JSON_COMPACT, &text);
        if (type != NULL && es_encode_event(&frame, type, buf_span(&text)) == ES_OK) {
            buf_reset(&item->raw);
            buf_add(&item->raw, buf_span(&frame));
        }
    }
    es_decoder_release(&d);
}

static void patch(const struct mutation *m, struct sink_item *item)
{
    if (item->json != NULL)
        (void)!json_patch(&item->json, m->op, m->path, m->value, NULL);
    else
        patch_frame(m, item);
}

static void put_patched(struct sink *s, size_t stage, struct sink_item *item)
{
    struct sink_stage *at = &s->stages[stage];
    if (at->m->at != AT_LAST) {
        if (meant(at, item, AT_ALL))
            patch(at->m, item);
        next(s, stage, item);
        return;
    }
    if (!is_chunk(item) && at->held_count > 0)
        patch(at->m, &at->held[0]);
    let_go(s, stage);
    if (is_tail(item))
        hold(at, item);
    else
        next(s, stage, item);
}

/* ---- the words of client.stream ---- */

static void drop_frame(struct sink *s, size_t stage, struct sink_item *item)
{
    if (!meant(&s->stages[stage], item, 1))
        next(s, stage, item);
}

static void duplicate_frame(struct sink *s, size_t stage, struct sink_item *item)
{
    if (meant(&s->stages[stage], item, 1))
        next_copy(s, stage, item);
    next(s, stage, item);
}

static void swap_frames(struct sink *s, size_t stage, struct sink_item *item)
{
    struct sink_stage *at = &s->stages[stage];
    if (meant(at, item, 1) && at->held_count == 0) {
        hold(at, item);
        return;
    }
    next(s, stage, item);
    let_go(s, stage);
}

static void buffer_all(struct sink *s, size_t stage, struct sink_item *item)
{
    hold(&s->stages[stage], item);
}

static cJSON *delta_of(const struct sink_item *item)
{
    cJSON *choices = json_member(item->json, "choices");
    return choices != NULL ? json_member(choices->child, "delta") : NULL;
}

static void strip_role(struct sink *s, size_t stage, struct sink_item *item)
{
    cJSON *delta = delta_of(item);
    if (meant(&s->stages[stage], item, AT_ALL) && delta != NULL)
        cJSON_DeleteItemFromObjectCaseSensitive(delta, "role");
    next(s, stage, item);
}

static void repeat_role(struct sink *s, size_t stage, struct sink_item *item)
{
    cJSON *delta = delta_of(item);
    if (meant(&s->stages[stage], item, AT_ALL) && delta != NULL)
        (void)json_set_string(delta, "role", "assistant");
    next(s, stage, item);
}

static void put_done(struct sink *s, size_t stage)
{
    struct sink_item done = item_json(SINK_DONE, NULL);
    next(s, stage, &done);
}

/* [DONE] moves: what comes behind it has none of its own. */
static void early_done(struct sink *s, size_t stage, struct sink_item *item)
{
    struct sink_stage *at = &s->stages[stage];
    bool here = at->m->at == AT_DEFAULT ? is_tail(item) : meant(at, item, 0);
    if (here && !at->spent) {
        at->spent = true;
        put_done(s, stage);
    }
    if (item->kind != SINK_DONE || !at->spent)
        next(s, stage, item);
}

static void no_done(struct sink *s, size_t stage, struct sink_item *item)
{
    if (item->kind != SINK_DONE)
        next(s, stage, item);
}

static void double_done(struct sink *s, size_t stage, struct sink_item *item)
{
    if (item->kind == SINK_DONE)
        put_done(s, stage);
    next(s, stage, item);
}

static cJSON *choice_of(const cJSON *chunk)
{
    cJSON *choices = json_member(chunk, "choices");
    return choices != NULL ? choices->child : NULL;
}

static bool is_finish(const struct sink_item *item)
{
    if (item->kind != SINK_TAIL && item->kind != SINK_TAIL_FRAME)
        return false;
    return item->json == NULL || json_member(choice_of(item->json), "finish_reason") != NULL;
}

/* A chunk like the last one, with this delta and finish_reason. */
static void put_made(struct sink *s, size_t stage, const char *content, const char *finish)
{
    struct sink_item made = item_json(SINK_TAIL, s->last != NULL ? cJSON_Duplicate(s->last, true) : NULL);
    cJSON *choice = choice_of(made.json);
    cJSON *delta = json_set(choice, "delta", cJSON_CreateObject());
    if (content != NULL)
        (void)json_set_string(delta, "content", content);
    (void)json_set(choice, "finish_reason", finish != NULL ? cJSON_CreateString(finish) : cJSON_CreateNull());
    if (made.json != NULL)
        next(s, stage, &made);
    item_release(&made);
}

static void content_after_finish(struct sink *s, size_t stage, struct sink_item *item)
{
    bool here = is_finish(item);
    next(s, stage, item);
    if (here)
        put_made(s, stage, "afterthought", NULL);
}

static void no_finish(struct sink *s, size_t stage, struct sink_item *item)
{
    if (!is_finish(item))
        next(s, stage, item);
}

static void double_finish(struct sink *s, size_t stage, struct sink_item *item)
{
    if (is_finish(item))
        next_copy(s, stage, item);
    next(s, stage, item);
}

static void swallow_error(struct sink *s, size_t stage, struct sink_item *item)
{
    if (!is_error(item)) {
        next(s, stage, item);
    } else if (item->kind == SINK_ERROR) {
        put_made(s, stage, NULL, "stop");
        put_done(s, stage);
    }
}

static void finish_after_error(struct sink *s, size_t stage, struct sink_item *item)
{
    bool here = item->kind == SINK_ERROR;
    if (item->kind == SINK_ERROR_FRAME)
        next_copy(s, stage, item);
    next(s, stage, item);
    if (here)
        put_made(s, stage, NULL, "stop");
}

/* The first byte of the first character beyond ASCII becomes one that is in no UTF-8; without any, a letter does. */
static bool corrupt(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] >= 0x80) {
            p[i] = 0xff;
            return true;
        }
    return false;
}

static void corrupt_utf8(struct sink *s, size_t stage, struct sink_item *item)
{
    struct sink_stage *at = &s->stages[stage];
    const char *text = json_str(delta_of(item), "content");
    bool framed = item->kind == SINK_FRAME;
    bool here = at->m->at == AT_DEFAULT ? framed || (text != NULL && text[0] != '\0') : meant(at, item, 0);
    if (here && !at->spent) {
        struct sink_item raw = item_json(SINK_RAW, NULL);
        serialise(item, &raw.raw);
        unsigned char *bytes = (unsigned char *)raw.raw.data;
        struct span payload = framed ? es_frame_payload(buf_span(&raw.raw)) : buf_span(&raw.raw);
        at->spent = corrupt(bytes + (payload.p - bytes), payload.n);
        if (!at->spent && !framed) { /* "...","content":"X": the letter behind the key */
            char *key = strstr(raw.raw.data, "\"content\":\"");
            at->spent = key != NULL;
            if (key != NULL)
                key[11] = (char)0xff;
        }
        if (framed)
            es_reseal(bytes, raw.raw.len);
        next(s, stage, &raw);
        return;
    }
    next(s, stage, item);
}

static void bad_crc(struct sink *s, size_t stage, struct sink_item *item)
{
    bool framed = item->kind == SINK_FRAME || item->kind == SINK_TAIL_FRAME;
    if (framed && meant(&s->stages[stage], item, 1) && item->raw.len > 0)
        item->raw.data[item->raw.len - 1] = (char)(item->raw.data[item->raw.len - 1] ^ 0x5a);
    next(s, stage, item);
}

static const struct {
    enum mutate_do what;
    void (*put)(struct sink *s, size_t stage, struct sink_item *item);
} words[] = {
    {STREAM_DROP_FRAME, drop_frame},       {STREAM_DUPLICATE_FRAME, duplicate_frame},
    {STREAM_SWAP_FRAMES, swap_frames},     {STREAM_BUFFER_ALL, buffer_all},
    {STREAM_STRIP_ROLE, strip_role},       {STREAM_REPEAT_ROLE, repeat_role},
    {STREAM_EARLY_DONE, early_done},       {STREAM_NO_DONE, no_done},
    {STREAM_DOUBLE_DONE, double_done},     {STREAM_CONTENT_AFTER_FINISH, content_after_finish},
    {STREAM_NO_FINISH, no_finish},         {STREAM_DOUBLE_FINISH, double_finish},
    {STREAM_SWALLOW_ERROR, swallow_error}, {STREAM_FINISH_AFTER_ERROR, finish_after_error},
    {STREAM_CORRUPT_UTF8, corrupt_utf8},   {STREAM_BAD_CRC, bad_crc},
};

/* ---- the sink ---- */

static void add_stage(struct sink *s, const struct mutation *m)
{
    struct sink_stage stage = {.m = m, .put = m->on == ON_CLIENT_CHUNK ? put_patched : NULL};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].what == m->what)
            stage.put = words[i].put;
    if (stage.put != NULL)
        s->stages[s->stage_count++] = stage;
}

enum err sink_init(struct sink *s, struct exchange *x, const struct mutations *m)
{
    *s = (struct sink){.x = x, .mutations = m, .scratch = BUF_INIT(BUF_ANY)};
    if (!mutations_on(m, ON_CLIENT_CHUNK) && !mutations_on(m, ON_CLIENT_STREAM))
        return OK;
    s->stages = calloc(m->count, sizeof *s->stages);
    if (s->stages == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < m->count; i++)
        add_stage(s, &m->items[i]);
    return OK;
}

void sink_release(struct sink *s)
{
    for (size_t i = 0; i < s->stage_count; i++) {
        for (size_t j = 0; j < s->stages[i].held_count; j++)
            item_release(&s->stages[i].held[j]);
        free(s->stages[i].held);
    }
    free(s->stages);
    cJSON_Delete(s->last);
    buf_release(&s->scratch);
    *s = (struct sink){0};
}

void sink_put_json(struct sink *s, enum sink_kind kind, cJSON *take)
{
    struct sink_item item = item_json(kind, take);
    if (s->stage_count > 0 && choice_of(take) != NULL) {
        cJSON_Delete(s->last);
        s->last = cJSON_Duplicate(take, true);
    }
    pass(s, 0, &item);
}

void sink_put_bytes(struct sink *s, enum sink_kind kind, struct span bytes)
{
    if (s->stage_count == 0) {
        if (s->x != NULL)
            s->waiting = exchange_write(s->x, bytes);
        return;
    }
    struct sink_item item = item_json(kind, NULL);
    buf_add(&item.raw, bytes);
    pass(s, 0, &item);
}

void sink_end(struct sink *s, enum plan_end how)
{
    for (size_t i = 0; i < s->stage_count; i++) {
        if (s->stages[i].m->at == AT_LAST && s->stages[i].put == put_patched && s->stages[i].held_count > 0)
            patch(s->stages[i].m, &s->stages[i].held[0]);
        let_go(s, i);
    }
    if (s->x != NULL)
        exchange_end(s->x, how);
}
