/* record_bidi.c: the client's half of a stream both ways, on its way to the endpoint.
 *
 * What comes in are frames that the client signed, each over the one before, with credentials that stay here. So each is
 * judged and unwrapped as the mock itself does it (mock/bidi/bidi_chain.h), dated and signed anew in a chain that begins
 * with our own request, and handed on at once: the endpoint may answer before the next one is said.
 *
 * What is kept of such an exchange is a script (docs/bidirectional.md): the frames of the answer, each under the event of
 * the client that was the last to go on before it came, with the wait since then. A client that says the same again gets
 * the same again, however fast it speaks; what it said before it was first answered tells this script from others.
 *
 * Bounded: while a mebibyte waits for the endpoint, or for the client, nothing is read of the client, and then its window
 * closes. The endpoint is not slowed down but by that, as it answers what it hears; 64 MiB cut the stream.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mock/bidi/bidi_parts.h"
#include "mock/record/record_parts.h"
#include "net/client.h"

#define UNSENT_MAX ((size_t)1 << 20) /* bytes that wait for the endpoint before the client has to */
#define MARKS_MAX  100000            /* events that were answered; a longer exchange is relayed only */
#define OPENING_MAX 64               /* events that tell a session from others */
#define NAMES_MAX  16                /* of the client's events: there are eleven */

/* An event of the client: the frames from `piece` on were its answer, up to the next mark. */
struct mark {
    char name[32];
    size_t nth, piece;
    uint64_t at_ns;
};

struct upload {
    const struct upload_owner *owner;
    void *ctx;
    struct worker *worker;
    const struct mock_clock *clock;
    struct exchange *exchange;
    struct call *call; /* NULL: nothing goes on any more */
    struct chain chain;
    struct sigv4_chain ours;
    struct bidi_input input;
    bool working, ended; /* ended: our empty frame is said */
    size_t frames;
    char prompt[SONIC_NAME_MAX];
    struct mark *marks;
    size_t count, room;
    struct bidi_count counts[NAMES_MAX];
    bool lost; /* there were too many */
    cJSON *opening; /* what the client said before anything was answered */
};

/* ---- birth and death ---- */

struct upload *upload_new(const struct visit *v, const struct sigv4_chain *ours, const struct upload_owner *owner,
                          void *ctx)
{
    struct upload *u = calloc(1, sizeof *u);
    if (u == NULL)
        return NULL;
    u->owner = owner;
    u->ctx = ctx;
    u->worker = v->worker;
    u->clock = &v->mock->clock;
    u->exchange = v->exchange;
    u->ours = *ours;
    chain_init(&u->chain, v);
    bidi_input_init(&u->input, v->exchange);
    return u;
}

void upload_free(struct upload *u)
{
    if (u == NULL)
        return;
    chain_release(&u->chain);
    sigv4_chain_release(&u->ours);
    bidi_input_release(&u->input);
    cJSON_Delete(u->opening);
    free(u->marks);
    free(u);
}

/* ---- what the answers are kept under ---- */

static size_t count_event(struct upload *u, const char *name)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        if (u->counts[i].n == 0)
            (void)snprintf(u->counts[i].name, sizeof u->counts[i].name, "%s", name);
        if (strcmp(u->counts[i].name, name) == 0)
            return ++u->counts[i].n;
    }
    return 0;
}

static struct mark *new_mark(struct upload *u)
{
    if (u->count == u->room) {
        size_t room = u->room == 0 ? 64 : u->room * 2;
        struct mark *more = u->count < MARKS_MAX ? realloc(u->marks, room * sizeof *more) : NULL;
        if (more == NULL)
            return NULL;
        u->marks = more;
        u->room = room;
    }
    return &u->marks[u->count++];
}

static void set_mark(struct upload *u, const char *name)
{
    size_t pieces = u->owner->pieces(u->ctx);
    size_t nth = bidi_script_knows(name) ? count_event(u, name) : 0;
    if (nth == 0 || u->lost)
        return;
    /* The one before was not answered: no script needs it. */
    struct mark *m = u->count > 0 && u->marks[u->count - 1].piece == pieces ? &u->marks[u->count - 1] : new_mark(u);
    u->lost = m == NULL;
    if (m == NULL)
        return;
    *m = (struct mark){.nth = nth, .piece = pieces, .at_ns = now_ns()};
    (void)snprintf(m->name, sizeof m->name, "%s", name);
}

/* What a frame holds below the base64 of its member `bytes`; false: it is no chunk. */
static bool read_chunk(struct span frame, struct buf *bytes)
{
    struct es_decoder d;
    struct es_message m;
    struct span name;
    CLEANUP(json_free) cJSON *chunk = NULL;
    es_decoder_init(&d);
    es_decoder_feed(&d, frame);
    bool good = es_decoder_next(&d, &m) == ES_OK && es_message_kind(&m, &name) == ES_EVENT && span_is(name, "chunk") &&
                json_parse(m.payload, JSON_COMPACT, &chunk, NULL) == OK &&
                cJSON_IsString(json_item(chunk, "bytes")) &&
                buf_add_unbase64(bytes, span_of(json_str(chunk, "bytes"))) == OK;
    es_decoder_release(&d);
    return good;
}

static void keep_opening(struct upload *u, const cJSON *event)
{
    if (u->owner->pieces(u->ctx) > 0 || cJSON_GetArraySize(u->opening) == OPENING_MAX || !bidi_script_knows(event->string))
        return;
    if (u->opening == NULL)
        u->opening = cJSON_CreateArray();
    cJSON *said = bidi_opening_event(event, u->worker->sigv4);
    if (!cJSON_IsObject(event) || !cJSON_AddItemToArray(u->opening, said))
        cJSON_Delete(said);
}

static void note_event(struct upload *u, struct span frame)
{
    CLEANUP(json_free) cJSON *tree = NULL;
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    if (!read_chunk(frame, &bytes) || json_parse(buf_span(&bytes), JSON_COMPACT, &tree, NULL) != OK)
        return; /* it is the endpoint's to judge */
    const cJSON *event = json_item(tree, "event");
    if (!cJSON_IsObject(event) || event->child == NULL)
        return;
    const char *prompt = json_str(event->child, "promptName");
    if (strcmp(event->child->string, "promptStart") == 0 && prompt != NULL)
        (void)snprintf(u->prompt, sizeof u->prompt, "%s", prompt);
    keep_opening(u, event->child);
    set_mark(u, event->child->string);
}

/* ---- handing on ---- */

/* Our own frame around that of the client, appended. */
static bool wrap(struct upload *u, struct span inner, struct buf *frame)
{
    CLEANUP(buf_release) struct buf dated = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf raw = BUF_INIT(BUF_ANY);
    char hex[SIGV4_HEX];
    int64_t at_ms = wall_ns() / 1000000;
    struct es_header h[] = {{.name = SPAN_LIT(":date"), .type = ES_TIMESTAMP, .number = at_ms},
                            {.name = SPAN_LIT(":chunk-signature"), .type = ES_BYTES}};
    if (es_encode(h, 1, SPAN_EMPTY, &dated) != ES_OK)
        return false;
    struct span date = span_cut(buf_span(&dated), ES_PRELUDE, dated.len - ES_OVERHEAD);
    if (sigv4_chain_sign(&u->ours, u->worker->sigv4, at_ms / 1000, date, inner, hex, NULL) != OK ||
        buf_add_unhex(&raw, span_of(hex)) != OK)
        return false;
    h[1].bytes = buf_span(&raw);
    if (es_encode(h, 2, inner, frame) != ES_OK)
        return false;
    u->ended = inner.n == 0;
    u->frames++;
    return true;
}

static void stop(struct upload *u, const char *why, bool signature)
{
    u->call = NULL;
    u->owner->refuse(u->ctx, why, signature);
}

static void read_frame(struct upload *u, const struct es_message *m, struct span behind)
{
    CLEANUP(buf_release) struct buf frames = BUF_INIT(BUF_ANY);
    struct span inner;
    if (!chain_open(&u->chain, u->worker->sigv4, u->clock, m, behind, &inner)) {
        stop(u, u->chain.diagnosis, true);
        return;
    }
    if (inner.n > 0)
        note_event(u, inner);
    if (!wrap(u, inner, &frames))
        stop(u, "a frame could not be signed", false);
    else
        call_send(u->call, buf_span(&frames));
}

static void end_input(struct upload *u)
{
    if (es_decoder_finish(&u->input.decoder) != ES_OK) {
        stop(u, "the client's stream ends inside a frame", false);
        return;
    }
    CLEANUP(buf_release) struct buf frames = BUF_INIT(BUF_ANY);
    if (!u->ended && !wrap(u, SPAN_EMPTY, &frames)) {
        stop(u, "the last frame could not be signed", false);
        return;
    }
    set_mark(u, "end");
    struct call *call = u->call;
    u->call = NULL;
    call_send(call, buf_span(&frames));
    call_send_end(call);
}

static void work(struct upload *u)
{
    struct es_message m;
    struct span behind;
    if (u->working)
        return;
    u->working = true;
    while (u->call != NULL && call_unsent(u->call) <= UNSENT_MAX && !u->owner->full(u->ctx)) {
        enum es_error e = bidi_input_next(&u->input, &m, &behind);
        if (e == ES_MORE)
            break;
        if (e == ES_OK)
            read_frame(u, &m, behind);
        else
            stop(u, "the client's event stream is broken", false);
    }
    if (u->call != NULL && bidi_input_ended(&u->input))
        end_input(u);
    u->working = false;
}

static void on_bytes(void *ctx, struct span bytes)
{
    struct upload *u = ctx;
    if (u->call == NULL) { /* nobody will read it */
        exchange_consumed(u->exchange, bytes.n);
        return;
    }
    if (!bidi_input_add(&u->input, bytes))
        stop(u, "out of memory", false);
    work(u);
}

static void on_bytes_end(void *ctx)
{
    struct upload *u = ctx;
    u->input.over = true;
    work(u);
}

void upload_begin(struct upload *u, struct call *call)
{
    u->call = call;
    set_mark(u, "start");
    exchange_read(u->exchange, on_bytes, on_bytes_end, u);
}

void upload_go_on(struct upload *u)
{
    work(u);
}

void upload_stop(struct upload *u)
{
    u->call = NULL;
}

size_t upload_frames(const struct upload *u)
{
    return u->frames;
}

/* ---- the script ---- */

/* The event in readable form, without the promptName that is the client's own: a replay has its own again. */
static cJSON *readable(const struct upload *u, struct span bytes)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    cJSON *frame, *tree = read_chunk(bytes, &text) ? kept_json(buf_span(&text)) : NULL;
    cJSON *event = cJSON_GetObjectItemCaseSensitive(tree, "event");
    const char *prompt = json_str(event != NULL ? event->child : NULL, "promptName");
    if (!cJSON_IsObject(tree) || !cJSON_IsObject(event)) {
        cJSON_Delete(tree);
        return NULL;
    }
    if (prompt != NULL && u->prompt[0] != '\0' && strcmp(prompt, u->prompt) == 0)
        cJSON_DeleteItemFromObjectCaseSensitive(event->child, "promptName");
    frame = cJSON_CreateObject();
    (void)json_set(frame, "chunk", tree);
    return frame;
}

static cJSON *frames_of(const struct upload *u, const struct recorded *a, const struct mark *m, size_t end)
{
    cJSON *list = cJSON_CreateArray();
    uint64_t before = m->at_ns > a->head_at_ns ? m->at_ns : a->head_at_ns; /* the head has a wait of its own */
    for (size_t i = m->piece; i < end; i++) {
        size_t from = i > 0 ? a->pieces[i - 1].end : 0;
        struct span bytes = span_cut(a->body, from, a->pieces[i].end - from);
        cJSON *frame = readable(u, bytes);
        if (frame == NULL)
            frame = kept_frame(bytes);
        uint64_t at = a->pieces[i].at_ns;
        kept_ms(frame, "after_ms", at > before ? at - before : 0);
        before = at > before ? at : before;
        if (!cJSON_AddItemToArray(list, frame))
            cJSON_Delete(frame);
    }
    return list;
}

cJSON *upload_script(const struct upload *u, const struct recorded *a)
{
    cJSON *script = cJSON_CreateObject(), *steps = cJSON_CreateArray();
    if (u->opening != NULL)
        (void)json_set(script, "opening", cJSON_Duplicate(u->opening, true));
    for (size_t i = 0; i < u->count; i++) {
        const struct mark *m = &u->marks[i];
        bool last = i + 1 == u->count;
        bool over = last && strcmp(m->name, "end") != 0; /* the endpoint ended it, before the client did */
        if (last && !over && m->piece == a->count)
            break;
        cJSON *step = cJSON_CreateObject();
        (void)json_set_string(step, "on", m->name);
        (void)json_set_int(step, "nth", (int64_t)m->nth);
        (void)json_set(step, "frames", frames_of(u, a, m, last ? a->count : m[1].piece));
        if (over)
            (void)cJSON_AddBoolToObject(step, "end", true);
        if (!cJSON_AddItemToArray(steps, step))
            cJSON_Delete(step);
    }
    (void)json_set(script, "steps", steps);
    return script;
}

const cJSON *upload_opening(const struct upload *u)
{
    return u->opening;
}

const char *upload_why_not(const struct upload *u)
{
    return u->lost ? "it has too many events" : NULL;
}
