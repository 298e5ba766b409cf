/* fault.c: the table of what can go wrong, and the small functions that do it.
 *
 * A gateway meets these upstream sooner or later: throttling as a status and in the middle of a stream, a connection
 * cut between or inside frames, a silent server, an HTML page from a proxy, Coral's 200 that is an error. Most rows are
 * one of the plan's own moves (net/plan.h); the rest rearrange its events or damage bytes in place. Rows that name a
 * modelled error stand for all of refusal.h's table: {"id":"ThrottlingException"} is
 * {"id":"error","type":"ThrottlingException"}.
 */
#include "mock/fault.h"

#include <stdio.h>
#include <stdlib.h>

#include "mock/mock.h"
#include "mock/refusal.h"
#include "protocol/eventstream.h"

#define MS 1000000u
#define HTML_503                                                                                                       \
    "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n<center><h1>503 Service "  \
    "Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n"

/* ---- parameters ---- */

static int64_t int_param(const cJSON *fault, const char *key, int64_t otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(fault, key);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : otherwise;
}

static const char *text_param(const cJSON *fault, const char *key, const char *otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(fault, key);
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

static size_t body_size(const struct plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->pieces[i].n;
    return n;
}

static size_t event_count(const struct plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->pieces[i].event != PLAN_NO_EVENT;
    return n;
}

/* Negative positions count from the end. */
static size_t position(int64_t at, size_t count)
{
    if (at >= 0)
        return (size_t)at;
    uint64_t back = (uint64_t)-at;
    return back > count ? 0 : count - (size_t)back;
}

static size_t event_param(const struct plan *p, const cJSON *fault, int64_t otherwise)
{
    return position(int_param(fault, "at_event", otherwise), event_count(p));
}

static bool has(const cJSON *fault, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(fault, key) != NULL;
}

/* ---- events ---- */

static void renumber(struct plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->pieces[i].event != PLAN_NO_EVENT)
            p->pieces[i].event = n++;
}

/* The piece with which event `n` begins; p->count when there is none. */
static size_t event_begin(const struct plan *p, size_t n)
{
    if (n == 0)
        return 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->pieces[i].event == n - 1)
            return i + 1;
    return p->count;
}

static void insert_event(struct plan *p, size_t at, struct span frame)
{
    CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
    buf_add(&copy, frame); /* it may lie in p->bytes, which grows */
    size_t i = event_begin(p, at), last = plan_add(p, buf_span(&copy), 0, event_count(p));
    if (p->failed || buf_error(&copy) != OK) {
        p->failed = true;
        return;
    }
    struct plan_piece piece = p->pieces[last];
    memmove(&p->pieces[i + 1], &p->pieces[i], (last - i) * sizeof piece);
    p->pieces[i] = piece;
    renumber(p);
}

/* Whether a chunk holds what takes the place of that event in a provider's own stream: messageStop is Claude's
 * message_stop or Nova's messageStop, metadata the chunk with the counts. */
static bool is_native(const struct es_message *m, const char *type)
{
    static const char *const marks[][2] = {{"messageStop", "\"message_stop\""},
                                           {"messageStop", "{\"messageStop\""},
                                           {"metadata", "\"amazon-bedrock-invocationMetrics\""}};
    CLEANUP(json_free) cJSON *payload = NULL;
    CLEANUP(buf_release) struct buf json = BUF_INIT(BUF_ANY);
    if (!span_is(es_header_text(m, ":event-type"), "chunk") ||
        json_parse(m->payload, JSON_COMPACT, &payload, NULL) != OK || json_str(payload, "bytes") == NULL ||
        buf_add_unbase64(&json, span_of(json_str(payload, "bytes"))) != OK)
        return false;
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        if (strcmp(marks[i][0], type) == 0 && span_find(buf_span(&json), marks[i][1]) != NULL)
            return true;
    return false;
}

/* The number of the first event of that type; PLAN_NO_EVENT when there is none. */
static size_t find_event(const struct plan *p, const char *type)
{
    size_t found = PLAN_NO_EVENT;
    struct es_decoder d;
    es_decoder_init(&d);
    for (size_t n = 0; n < event_count(p) && found == PLAN_NO_EVENT; n++) {
        struct es_message m;
        es_decoder_reset(&d);
        es_decoder_feed(&d, plan_event_bytes(p, n));
        if (es_decoder_next(&d, &m) == ES_OK &&
            (span_is(es_header_text(&m, ":event-type"), type) || is_native(&m, type)))
            found = n;
    }
    es_decoder_release(&d);
    return found;
}

/* The bytes of an event, to be damaged in place. */
static unsigned char *event_bytes(struct plan *p, size_t n, size_t *size)
{
    struct span bytes = plan_event_bytes(p, n);
    *size = bytes.n;
    return bytes.n == 0 ? NULL : (unsigned char *)p->bytes.data + (bytes.p - (const unsigned char *)p->bytes.data);
}

/* ---- the rows ---- */

typedef struct plan *apply_fault(struct plan *p, const cJSON *f, const struct fault_scene *scene);

static struct plan *instead(struct plan *old, struct plan *new)
{
    if (new != NULL)
        new->head_after_ns = old->head_after_ns;
    plan_free(old);
    return new;
}

static struct plan *apply_error(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    const char *id = text_param(f, "id", "");
    struct error_reply e = {.type = text_param(f, "type", error_type_find(id) != NULL ? id : "InternalServerException"),
                            .message = text_param(f, "message", NULL),
                            .status = (int)int_param(f, "status", 0)};
    (void)error_style_find(text_param(f, "style", "header"), &e.style);
    return instead(p, error_plan(&e, scene->request_id));
}

static struct plan *apply_exception(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    const char *type = text_param(f, "type", "throttlingException");
    char upper[128];
    (void)snprintf(upper, sizeof upper, "%s", type);
    upper[0] = (char)(upper[0] >= 'a' && upper[0] <= 'z' ? upper[0] - 32 : upper[0]);
    const struct error_type *row = error_type_find(upper);
    CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    buf_adds(&payload, "{\"message\":");
    json_quote(span_of(text_param(f, "message", row != NULL ? row->text : "")), &payload);
    buf_addc(&payload, '}');
    if (buf_error(&payload) != OK || es_encode_exception(&frame, type, buf_span(&payload)) != ES_OK)
        p->failed = true;
    size_t at = event_param(p, f, 0);
    if (event_count(p) == 0 || at > event_count(p))
        return p;
    if (at < event_count(p))
        plan_cut_at_event(p, at, PLAN_END_CLEAN); /* no frame follows an exception */
    insert_event(p, at, buf_span(&frame));
    return p;
}

static struct plan *apply_error_frame(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    size_t at = event_param(p, f, 0);
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    if (es_encode_error(&frame, text_param(f, "code", "InternalError"), text_param(f, "message", "An error")) != ES_OK)
        p->failed = true;
    if (event_count(p) == 0 || at > event_count(p))
        return p;
    if (at < event_count(p))
        plan_cut_at_event(p, at, PLAN_END_CLEAN);
    insert_event(p, at, buf_span(&frame));
    return p;
}

static struct plan *cut(struct plan *p, const cJSON *f, enum plan_end how)
{
    if (has(f, "at_event") && event_count(p) > 0)
        plan_cut_at_event(p, event_param(p, f, 0), how);
    else
        plan_cut_at_byte(p, position(int_param(f, "at_byte", (int64_t)(body_size(p) / 2)), body_size(p)), how);
    return p;
}

static struct plan *apply_cut_fin(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    return cut(p, f, PLAN_END_FIN);
}

static struct plan *apply_cut_rst(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    return cut(p, f, PLAN_END_RST);
}

static struct plan *apply_cut_clean(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    p = cut(p, f, PLAN_END_CLEAN);
    if (p->content_length != PLAN_CHUNKED)
        p->content_length = (int64_t)body_size(p);
    return p;
}

static struct plan *apply_stall(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    if (event_count(p) > 0) {
        plan_stall_at_event(p, event_param(p, f, 0));
        return p;
    }
    return cut(p, f, PLAN_END_HANG);
}

static struct plan *apply_split(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    size_t base = 0;
    if (has(f, "at_event"))
        for (size_t i = 0, end = event_begin(p, event_param(p, f, 0)); i < end; i++)
            base += p->pieces[i].n;
    int64_t at = int_param(f, "at_byte", has(f, "at_event") ? 2 : (int64_t)(body_size(p) / 2));
    plan_split_at_byte(p, has(f, "at_event") ? base + position(at, 0) : position(at, body_size(p)),
                       (uint64_t)int_param(f, "pause_ms", 20) * MS);
    return p;
}

static struct plan *apply_shred(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    plan_shred(p, (size_t)int_param(f, "bytes", 1));
    return p;
}

static struct plan *apply_merge(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)f, (void)scene;
    plan_merge(p);
    return p;
}

static struct plan *apply_bad_prelude_crc(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    size_t n;
    unsigned char *bytes = event_bytes(p, event_param(p, f, 0), &n);
    if (n >= ES_PRELUDE)
        bytes[11] ^= 1;
    return p;
}

static struct plan *apply_bad_message_crc(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    size_t n;
    unsigned char *bytes = event_bytes(p, event_param(p, f, 0), &n);
    if (n >= ES_OVERHEAD)
        bytes[n - 1] ^= 1;
    return p;
}

/* One bit of the payload, and the CRC made anew: damage that only the content tells. The byte is the last of the delta
 * when there is one, so that the JSON stays JSON. */
static struct plan *apply_corrupt(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    size_t n;
    unsigned char *bytes = event_bytes(p, event_param(p, f, 0), &n);
    if (n <= ES_OVERHEAD)
        return p;
    const char *end = span_find((struct span){bytes, n}, "\"},\"p\":");
    size_t at = end != NULL ? (size_t)((const unsigned char *)end - bytes) - 1 : n - 8;
    if (end == NULL && (end = span_find((struct span){bytes, n}, "\",\"p\":")) != NULL)
        at = (size_t)((const unsigned char *)end - bytes) - 4; /* a chunk: below the base64, before its padding */
    bytes[at] ^= 1;
    es_reseal(bytes, n);
    return p;
}

static struct plan *apply_unknown_event(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    CLEANUP(buf_release) struct buf frame = BUF_INIT(BUF_ANY);
    if (es_encode_event(&frame, text_param(f, "name", "somethingNew"), SPAN_LIT("{\"p\":\"ab\"}")) != ES_OK)
        p->failed = true;
    size_t at = event_param(p, f, 1);
    if (at <= event_count(p) && event_count(p) > 0)
        insert_event(p, at, buf_span(&frame));
    return p;
}

static struct plan *drop(struct plan *p, size_t n)
{
    if (n != PLAN_NO_EVENT) {
        plan_drop_event(p, n);
        renumber(p);
    }
    return p;
}

static struct plan *apply_no_message_stop(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)f, (void)scene;
    return drop(p, find_event(p, "messageStop"));
}

static struct plan *apply_no_metadata(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)f, (void)scene;
    return drop(p, find_event(p, "metadata"));
}

static struct plan *apply_drop_event(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    return drop(p, event_param(p, f, 0));
}

static struct plan *apply_duplicate_event(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    size_t at = event_param(p, f, 1);
    struct span bytes = plan_event_bytes(p, at);
    if (bytes.n > 0)
        insert_event(p, at + 1, bytes);
    return p;
}

/* The event and the one behind it change places; the pauses stay where they were. */
static struct plan *apply_swap_events(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    size_t at = event_param(p, f, 1);
    struct span second = plan_event_bytes(p, at + 1);
    CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
    buf_add(&copy, second);
    if (second.n == 0 || plan_event_bytes(p, at).n == 0)
        return p;
    plan_drop_event(p, at + 1);
    renumber(p);
    insert_event(p, at, buf_span(&copy));
    return p;
}

static struct plan *apply_html_503(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)f, (void)scene;
    struct plan *html = plan_new(503);
    if (html != NULL)
        plan_body(html, "text/html", SPAN_LIT(HTML_503));
    return instead(p, html);
}

static struct plan *apply_coral_200(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)f;
    return instead(p, coral_unknown_operation_plan(scene->request_id));
}

static struct plan *apply_empty_200(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)f, (void)scene;
    plan_cut_at_byte(p, 0, PLAN_END_CLEAN);
    if (p->content_length != PLAN_CHUNKED)
        p->content_length = 0;
    return p;
}

static struct plan *apply_latency(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    p->head_after_ns += (uint64_t)int_param(f, "ms", 1000) * MS;
    return p;
}

static struct plan *apply_ttft(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    size_t i = event_begin(p, 1);
    if (event_count(p) > 1 && p->pieces[i].after_ns != PLAN_NEVER)
        p->pieces[i].after_ns += (uint64_t)int_param(f, "ms", 1000) * MS;
    return p;
}

static struct plan *apply_itl(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    uint64_t ns = (uint64_t)int_param(f, "ms", 50) * MS;
    for (size_t i = event_begin(p, 2); event_count(p) > 2 && i < p->count; i++)
        if (p->pieces[i - 1].event != PLAN_NO_EVENT && p->pieces[i].after_ns != PLAN_NEVER)
            p->pieces[i].after_ns += ns;
    return p;
}

static struct plan *apply_content_type(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    plan_header(p, "Content-Type", text_param(f, "value", "text/plain"));
    return p;
}

/* The body ends early and properly: its length is that of what is left. */
static struct plan *apply_truncated_json(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    return event_count(p) > 0 ? p : apply_cut_clean(p, f, scene);
}

static struct plan *apply_gate(struct plan *p, const cJSON *f, const struct fault_scene *scene)
{
    (void)scene;
    plan_gate_event(p, event_param(p, f, 0), text_param(f, "name", "fault"));
    return p;
}

#define AT_EVENT "at_event"
static const struct mock_fault_row rows[] = {
    {"error", "answers with a modelled error: its status, headers and body", "type, message, status, style",
     apply_error},
    {"exception", "puts an exception frame before the event; nothing follows it", "at_event, type, message",
     apply_exception},
    {"error-frame", "puts an unmodelled error frame before the event; nothing follows it", "at_event, code, message",
     apply_error_frame},
    {"cut-fin", "closes the connection before the event or byte, without the last chunk", "at_event, at_byte",
     apply_cut_fin},
    {"cut-rst", "resets the connection before the event or byte", "at_event, at_byte", apply_cut_rst},
    {"cut-clean", "ends the answer properly before the event or byte, as if it were whole", "at_event, at_byte",
     apply_cut_clean},
    {"stall", "falls silent before the event (or byte, unary) and keeps the connection", "at_event, at_byte",
     apply_stall},
    {"split", "writes the bytes before a point and those behind it apart", "at_event, at_byte, pause_ms", apply_split},
    {"shred", "writes a few bytes at a time, one unless told", "bytes", apply_shred},
    {"merge", "writes everything at once, many frames in one write", "", apply_merge},
    {"bad-prelude-crc", "breaks the prelude CRC of the event", AT_EVENT, apply_bad_prelude_crc},
    {"bad-message-crc", "breaks the message CRC of the event", AT_EVENT, apply_bad_message_crc},
    {"corrupt", "turns one bit of the event's payload and makes its CRCs anew", AT_EVENT, apply_corrupt},
    {"unknown-event", "inserts an event of a type nobody knows", "at_event, name", apply_unknown_event},
    {"no-message-stop", "leaves out messageStop", "", apply_no_message_stop},
    {"no-metadata", "leaves out metadata, and usage with it", "", apply_no_metadata},
    {"drop-event", "leaves out the event", AT_EVENT, apply_drop_event},
    {"duplicate-event", "sends the event twice", AT_EVENT, apply_duplicate_event},
    {"swap-events", "changes the places of the event and the one behind it", AT_EVENT, apply_swap_events},
    {"html-503", "answers 503 with a page of HTML, as a proxy does", "", apply_html_503},
    {"coral-200", "answers 200 with Coral's UnknownOperationException", "", apply_coral_200},
    {"empty-200", "keeps status and headers and sends no body", "", apply_empty_200},
    {"latency", "waits before the status line", "ms", apply_latency},
    {"ttft", "waits before the second event of a stream", "ms", apply_ttft},
    {"itl", "waits before every event behind the second", "ms", apply_itl},
    {"content-type", "sends another Content-Type", "value", apply_content_type},
    {"truncated-json", "ends the body of a unary answer early, with the length of what is left", "at_byte",
     apply_truncated_json},
    {"gate", "holds the event until the gate opens", "at_event, name", apply_gate},
};

size_t mock_faults_list(const struct mock_fault_row **out)
{
    *out = rows;
    return COUNT_OF(rows);
}

/* ---- lists ---- */

static size_t find_row(const char *id)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].id, id) == 0)
            return i;
    return error_type_find(id) != NULL ? 0 : SIZE_MAX;
}

static bool listed(const char *parameters, const char *word)
{
    struct span rest = span_of(parameters), head;
    while (rest.n > 0) {
        (void)span_split(rest, ',', &head, &rest);
        if (span_is(span_trim(head), word))
            return true;
    }
    return false;
}

static enum err check_parameter(const cJSON *item, const char *parameters, const char *where, struct note *note)
{
    static const char *const numbers[] = {"at_event", "at_byte", "pause_ms", "bytes", "ms", "status"};
    if (!listed(parameters, item->string))
        return note_set(note, ERR_INVALID, "%s/%s: this fault has no such parameter; it takes: %s", where, item->string,
                        parameters[0] == '\0' ? "none" : parameters);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (strcmp(numbers[i], item->string) != 0)
            continue;
        double least = i < 2 ? -1e9 : i == 3 ? 1 : 0;
        if (!cJSON_IsNumber(item) || item->valuedouble < least || item->valuedouble > 1e9)
            return note_set(note, ERR_INVALID, "%s/%s: expected a number from %.0f to 1000000000", where, item->string,
                            least);
        return OK;
    }
    return cJSON_IsString(item) && strpbrk(item->valuestring, "\r\n") == NULL
               ? OK
               : note_set(note, ERR_INVALID, "%s/%s: expected a string of one line", where, item->string);
}

static enum err check_fault(const cJSON *fault, const char *where, struct note *note)
{
    const char *id = NULL;
    if (!cJSON_IsObject(fault))
        return note_set(note, ERR_INVALID, "%s: expected an object such as {\"id\":\"cut-fin\",\"at_event\":3}", where);
    enum err e = json_get_string(fault, "id", where, &id, note);
    if (e != OK)
        return e;
    size_t row = find_row(id);
    if (row == SIZE_MAX) {
        const char *known[COUNT_OF(rows)];
        for (size_t i = 0; i < COUNT_OF(rows); i++)
            known[i] = rows[i].id;
        const char *near = nearest_word(id, known, COUNT_OF(rows));
        return note_set(note, ERR_INVALID, "%s/id: no fault is called \"%s\"%s%s", where, id,
                        near != NULL ? "; did you mean " : "", near != NULL ? near : "");
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, fault)
    {
        if (e == OK && strcmp(item->string, "id") != 0)
            e = check_parameter(item, rows[row].parameters, where, note);
    }
    return e;
}

enum err faults_check(const cJSON *list, const char *where, struct note *note)
{
    if (list == NULL)
        return OK;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > FAULTS_MAX)
        return note_set(note, ERR_INVALID, "%s: expected a list of at most %d faults", where, FAULTS_MAX);
    const cJSON *fault;
    size_t i = 0;
    cJSON_ArrayForEach(fault, list)
    {
        char at[256];
        (void)snprintf(at, sizeof at, "%s/%zu", where, i++);
        enum err e = check_fault(fault, at, note);
        if (e != OK)
            return e;
    }
    return OK;
}

struct plan *faults_apply(struct plan *take, const cJSON *list, const struct fault_scene *scene)
{
    const cJSON *fault;
    cJSON_ArrayForEach(fault, list)
    {
        size_t row = find_row(text_param(fault, "id", ""));
        if (take != NULL && row != SIZE_MAX)
            take = rows[row].apply(take, fault, scene);
    }
    return take;
}
