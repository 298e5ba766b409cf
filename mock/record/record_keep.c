/* record_keep.c: an answer of a real endpoint becomes a file of fixtures.
 *
 * The name of the file is a digest of what the fixture matches, so that the same request, asked again on another day,
 * writes the same file, and a diff shows what the endpoint says differently. Within one run the second answer to a
 * request makes a sequence of the first. What is kept must replay byte for byte: a body or frame is written in a
 * readable form when the bytes that would be made of it are those that came, otherwise as text or hex.
 *
 * Answers that speak of the moment or of the credentials, not of the request (401, 403, 408, 429, 5xx), are relayed and
 * not kept: a fixture would pin them for ever.
 */
#include <stdio.h>

#include "mock/fixture/fixture_write.h"
#include "mock/record/record_parts.h"
#include "mock/time/clock.h"
#include "protocol/eventstream.h"
#include "protocol/file.h"
#include "protocol/glob.h"
#include "protocol/secret.h"
#include "protocol/utf8.h"

#define DIGEST       ((size_t)16) /* hex digits at the end of a file's name */
#define SEQUENCE_MAX 1000
#define TOKEN        "clientRequestToken" /* made anew by SDKs for each call: it tells retries apart, not requests */

/* ---- what it matches ---- */

static cJSON *equal_to(const cJSON *value)
{
    cJSON *m = cJSON_CreateObject();
    (void)json_set(m, "$equal", cJSON_Duplicate(value, true));
    return m;
}

/* A body with a token: each of its other members. */
static cJSON *members_of(const cJSON *body)
{
    cJSON *at = cJSON_CreateObject();
    const cJSON *item;
    cJSON_ArrayForEach(item, body)
    {
        CLEANUP(buf_release) struct buf pointer = BUF_INIT(BUF_ANY);
        json_pointer_add(&pointer, item->string);
        if (strcmp(item->string, TOKEN) != 0)
            (void)json_set(at, buf_text(&pointer), equal_to(item));
    }
    return at;
}

static cJSON *nothing(void)
{
    cJSON *m = cJSON_CreateObject();
    (void)cJSON_AddBoolToObject(m, "$absent", true);
    return m;
}

/* Headers that change the answer: those of guardrails, tiers and latency. */
static cJSON *headers_of(const struct http_request *r)
{
    cJSON *headers = NULL;
    for (size_t i = 0; i < r->field_count; i++) {
        struct span name = r->fields[i].name;
        if (!(name.n > 15 && span_is_nocase(span_cut(name, 0, 15), "x-amzn-bedrock-")) || secret_header(name))
            continue;
        CLEANUP(free_ptr) char *key = span_dup(name);
        CLEANUP(free_ptr) char *value = span_dup(r->fields[i].value);
        for (char *p = key; p != NULL && *p != '\0'; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
        if (headers == NULL)
            headers = cJSON_CreateObject();
        if (key != NULL && value != NULL)
            (void)json_set_string(headers, key, value);
    }
    return headers;
}

static bool is_presigned(struct span query)
{
    return span_find(query, "X-Amz-Signature=") != NULL;
}

static void match_target(const struct http_request *r, cJSON *match)
{
    CLEANUP(free_ptr) char *method = span_dup(r->method);
    CLEANUP(free_ptr) char *target = span_dup(is_presigned(r->query) ? r->path : r->target);
    cJSON *prefix = is_presigned(r->query) ? cJSON_CreateObject() : NULL;
    if (method != NULL)
        (void)json_set_string(match, "method", method);
    if (prefix != NULL)
        (void)json_set_string(prefix, "$prefix", target != NULL ? target : "");
    if (prefix != NULL)
        (void)json_set(match, "target", prefix);
    else if (target != NULL)
        (void)json_set_string(match, "target", target);
}

static void match_body(const struct visit *v, struct kept *k)
{
    if (v->request->body.n == 0)
        (void)json_set(k->match, "body", nothing());
    else if (v->body == NULL)
        k->why_not = "its body is not JSON, which fixtures match";
    else if (json_item(v->body, TOKEN) != NULL)
        (void)json_set(k->match, "at", members_of(v->body));
    else
        (void)json_set(k->match, "body", equal_to(v->body));
}

static void add_word(struct buf *out, const char *word, size_t most)
{
    buf_addc(out, '-');
    for (size_t i = 0; word[i] != '\0' && i < most; i++) {
        char c = word[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
        buf_addc(out, plain ? c : '-');
    }
}

/* The digest at the end of the name, of what tells this request from others. False: out of memory. */
static bool print_digest(const struct kept *k, const cJSON *opening, struct sigv4 *hasher, char hex[SIGV4_HEX])
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    json_print(k->match, JSON_SORTED, &text);
    if (opening != NULL)
        json_print(opening, JSON_SORTED, &text);
    sigv4_sha256_hex(hasher, buf_span(&text), hex);
    return buf_error(&text) == OK;
}

void kept_open(struct kept *k, const cJSON *opening, struct sigv4 *hasher)
{
    char hex[SIGV4_HEX];
    size_t n = strlen(k->name);
    if (opening == NULL || k->why_not != NULL || n < DIGEST + 5)
        return;
    if (print_digest(k, opening, hasher, hex))
        memcpy(k->name + n - 5 - DIGEST, hex, DIGEST);
    else
        k->why_not = "out of memory";
}

static void make_name(const struct visit *v, struct kept *k)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(RECORD_NAME_MAX);
    char hex[SIGV4_HEX];
    bool printed = print_digest(k, NULL, v->worker->sigv4, hex);
    buf_adds(&name, v->operation);
    if (v->model_id != NULL)
        add_word(&name, v->model_id, 64);
    buf_addf(&name, "-%.*s.json", (int)DIGEST, hex);
    (void)snprintf(k->name, sizeof k->name, "%s", buf_text(&name));
    if (buf_error(&name) != OK || !printed)
        k->why_not = "out of memory";
}

void kept_begin(const struct visit *v, struct kept *k)
{
    *k = (struct kept){.match = cJSON_CreateObject()};
    if (k->match == NULL) {
        k->why_not = "out of memory";
        return;
    }
    (void)json_set_string(k->match, "operation", v->operation);
    if (v->model_id != NULL)
        (void)json_set_string(k->match, "model", v->model_id);
    if (v->model_id != NULL && glob_is(v->model_id))
        k->why_not = "its model id holds a glob";
    if (!v->names_model)
        match_target(v->request, k->match);
    cJSON *headers = headers_of(v->request);
    if (headers != NULL)
        (void)json_set(k->match, "headers", headers);
    match_body(v, k);
    make_name(v, k);
}

void kept_release(struct kept *k)
{
    json_free(&k->match);
}

/* ---- what it answers ---- */

bool record_passes_header(const char *name)
{
    static const char *const own[] = {
        "date",    "content-length", "transfer-encoding",  "connection", "keep-alive",
        "trailer", "upgrade",        "proxy-authenticate", "alt-svc",    "strict-transport-security"};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (strcasecmp(own[i], name) == 0)
            return false;
    return !secret_header(span_of(name));
}

static cJSON *kept_headers(const struct http_headers *h)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < h->count; i++) {
        if (!record_passes_header(h->items[i].name))
            continue;
        cJSON *pair = cJSON_CreateArray();
        (void)cJSON_AddItemToArray(pair, cJSON_CreateString(h->items[i].name));
        (void)cJSON_AddItemToArray(pair, cJSON_CreateString(h->items[i].value));
        if (!cJSON_AddItemToArray(list, pair))
            cJSON_Delete(pair);
    }
    return list;
}

static bool is_text(struct span bytes)
{
    return (bytes.n == 0 || memchr(bytes.p, 0, bytes.n) == NULL) && utf8_is_valid(bytes);
}

/* The tree whose compact text these bytes are; NULL: there is none. */
static cJSON *json_of(struct span bytes, int flags)
{
    cJSON *tree = NULL;
    CLEANUP(buf_release) struct buf again = BUF_INIT(BUF_ANY);
    if (json_parse(bytes, JSON_UNIQUE, &tree, NULL) != OK)
        return NULL;
    json_print(tree, flags, &again);
    if (!span_equal(buf_span(&again), bytes))
        json_free(&tree);
    return tree;
}

static void set_text(cJSON *object, const char *key, struct span bytes)
{
    CLEANUP(free_ptr) char *text = span_dup(bytes);
    if (text != NULL)
        (void)json_set_string(object, key, text);
}

void kept_ms(cJSON *object, const char *key, uint64_t ns)
{
    char literal[40];
    (void)snprintf(literal, sizeof literal, "%llu.%03llu", (unsigned long long)(ns / 1000000),
                   (unsigned long long)(ns / 1000 % 1000));
    (void)json_set(object, key, json_new_literal(literal));
}

static cJSON *raw_of(const struct recorded *a)
{
    cJSON *raw = cJSON_CreateObject(), *tree = json_of(a->body, JSON_COMPACT);
    (void)json_set_int(raw, "status", a->status);
    (void)json_set(raw, "headers", kept_headers(a->headers));
    if (tree != NULL) {
        (void)json_set(raw, "body_json", tree);
    } else if (is_text(a->body)) {
        set_text(raw, "body", a->body);
    } else {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        buf_add_base64(&text, a->body);
        (void)json_set_string(raw, "body_base64", buf_text(&text));
    }
    return raw;
}

/* The frame as its name and payload, when these make the same bytes. */
static bool name_frame(cJSON *frame, struct span bytes)
{
    struct es_decoder d;
    struct es_message m;
    struct span word;
    CLEANUP(buf_release) struct buf again = BUF_INIT(BUF_ANY);
    es_decoder_init(&d);
    es_decoder_feed(&d, bytes);
    bool same = es_decoder_next(&d, &m) == ES_OK && m.frame.n == bytes.n;
    enum es_kind kind = same ? es_message_kind(&m, &word) : ES_OTHER;
    CLEANUP(free_ptr) char *name = kind == ES_EVENT || kind == ES_EXCEPTION ? span_dup(word) : NULL;
    CLEANUP(json_free) cJSON *payload = name != NULL && m.payload.n > 0 ? json_of(m.payload, JSON_SORTED) : NULL;
    if (name != NULL && (payload != NULL || m.payload.n == 0)) {
        enum es_error e =
            kind == ES_EVENT ? es_encode_event(&again, name, m.payload) : es_encode_exception(&again, name, m.payload);
        same = e == ES_OK && span_equal(buf_span(&again), bytes);
    } else {
        same = false;
    }
    es_decoder_release(&d);
    if (!same)
        return false;
    (void)json_set_string(frame, kind == ES_EVENT ? "event" : "exception", name);
    if (payload != NULL)
        (void)json_set(frame, "payload", payload);
    payload = NULL;
    return true;
}

cJSON *kept_json(struct span bytes)
{
    return json_of(bytes, JSON_COMPACT);
}

cJSON *kept_frame(struct span bytes)
{
    cJSON *frame = cJSON_CreateObject();
    if (!name_frame(frame, bytes)) {
        CLEANUP(buf_release) struct buf hex = BUF_INIT(BUF_ANY);
        buf_add_hex(&hex, bytes);
        (void)json_set_string(frame, "raw_hex", buf_text(&hex));
    }
    return frame;
}

static cJSON *frames_of(const struct recorded *a)
{
    cJSON *list = cJSON_CreateArray();
    uint64_t before = a->head_at_ns;
    size_t from = 0;
    for (size_t i = 0; i < a->count; i++) {
        cJSON *frame = kept_frame(span_cut(a->body, from, a->pieces[i].end - from));
        kept_ms(frame, "after_ms", a->pieces[i].at_ns > before ? a->pieces[i].at_ns - before : 0);
        before = a->pieces[i].at_ns > before ? a->pieces[i].at_ns : before;
        from = a->pieces[i].end;
        if (!cJSON_AddItemToArray(list, frame))
            cJSON_Delete(frame);
    }
    return list;
}

static cJSON *reply_of(const struct recorded *a)
{
    cJSON *reply = cJSON_CreateObject(), *recorded = cJSON_CreateObject();
    char at[CLOCK_TEXT];
    clock_iso(wall_ns() / 1000000, at);
    (void)json_set_string(recorded, "at", at);
    (void)json_set_string(recorded, "from", a->from);
    (void)json_set(reply, "recorded", recorded);
    kept_ms(reply, "latency_ms", a->head_at_ns > a->asked_at_ns ? a->head_at_ns - a->asked_at_ns : 0);
    if (a->streamed) {
        (void)json_set(reply, "headers", kept_headers(a->headers));
        if (a->upload != NULL)
            (void)json_set(reply, "bidirectional", upload_script(a->upload, a));
        else
            (void)json_set(reply, "frames", frames_of(a));
    } else {
        (void)json_set(reply, "raw", raw_of(a));
    }
    return reply;
}

/* ---- the file ---- */

static cJSON *old_document(const char *path)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(FIXTURE_FILE_MAX);
    cJSON *document = NULL;
    if (file_read(path, &text, NULL) != OK || json_parse(buf_span(&text), JSON_UNIQUE, &document, NULL) != OK ||
        fixture_document_count(document) != 1)
        json_free(&document);
    return document;
}

static bool is_of_the_moment(int status)
{
    return status >= 500 || status == 401 || status == 403 || status == 408 || status == 429;
}

static cJSON *document_of(const char *path, struct kept *k, size_t times, cJSON *take)
{
    CLEANUP(buf_release) struct buf label = BUF_INIT(RECORD_NAME_MAX);
    buf_add(&label, span_cut(span_of(k->name), 0, strlen(k->name) - 5));
    cJSON *document = times > 1 ? old_document(path) : NULL;
    cJSON *fixture = document != NULL ? json_at(document, "/fixtures/0") : NULL;
    if (document == NULL) {
        document = fixture_document_new();
        fixture = fixture_document_add(document, buf_text(&label));
        cJSON *item;
        cJSON_ArrayForEach(item, k->match) fixture_want(fixture, item->string, cJSON_Duplicate(item, true));
    }
    fixture_answer(fixture, take);
    return document;
}

/* The recorder is locked: two answers to one request are two writers of one file. */
static enum err keep(struct recorder *r, struct kept *k, cJSON *take, const struct needles *needles, struct note *why)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(FIXTURE_FILE_MAX);
    CLEANUP(buf_release) struct buf path = BUF_INIT(4096);
    CLEANUP(json_free) cJSON *reply = take;
    buf_addf(&path, "%s/%s", recorder_directory(r), k->name);
    json_print(reply, JSON_COMPACT, &text);
    json_print(k->match, JSON_COMPACT, &text);
    if (recorder_finds_secret(r, needles, buf_span(&text)))
        return note_set(why, ERR_INVALID, "it holds a credential");
    size_t times = recorder_note(r, k->name, cJSON_Duplicate(reply, true));
    if (times == 0 || times > SEQUENCE_MAX)
        return note_set(why, ERR_LIMIT, "there are too many of them");
    CLEANUP(json_free) cJSON *document = document_of(buf_text(&path), k, times, reply);
    reply = NULL;
    buf_reset(&text);
    enum err e = fixture_document_print(document, &text, why);
    return e == OK ? file_write(buf_text(&path), buf_span(&text), why) : e;
}

bool keep_answer(struct recorder *r, struct kept *k, const struct recorded *answer, const struct needles *needles,
                 struct note *why)
{
    if (k->why_not == NULL && is_of_the_moment(answer->status))
        k->why_not = "such a status is about the moment or the credentials, not about the request";
    if (k->why_not == NULL && answer->body.n > RECORD_BODY_MAX)
        k->why_not = "it is too large";
    if (k->why_not != NULL) {
        (void)note_set(why, ERR_INVALID, "%s", k->why_not);
        return false;
    }
    cJSON *reply = reply_of(answer);
    recorder_lock(r);
    enum err e = keep(r, k, reply, needles, why);
    recorder_unlock(r);
    return e == OK;
}
