/* mutate.c: the table of mutations, reading a list of them, and the ones that are data through and through.
 *
 * A row per kind: the word of `on`, the word of `do` where the kind has one, and which other members it needs. A list
 * is checked whole before it is taken, because a mutation that was misspelled and ignored would look like a check that
 * cannot fail. What is done at the points that need code (signing, calling, streaming) stands in tables there:
 * upstream.c, sink.c.
 */
#include "gateway/mutate.h"

#include <stdio.h>
#include <stdlib.h>

enum need { NEED_OP = 1, NEED_PATH = 2, NEED_VALUE = 4, NEED_NAME = 8, NEED_SETTER = 16 };

static const struct {
    const char *on;
    enum mutate_on value;
    unsigned needs;
} points[] = {
    {"upstream.body", ON_UPSTREAM_BODY, NEED_OP | NEED_PATH},
    {"upstream.header", ON_UPSTREAM_HEADER, NEED_SETTER | NEED_NAME},
    {"upstream.path", ON_UPSTREAM_PATH, NEED_VALUE},
    {"upstream.sign", ON_UPSTREAM_SIGN, 0},
    {"upstream.call", ON_UPSTREAM_CALL, 0},
    {"client.status", ON_CLIENT_STATUS, NEED_VALUE},
    {"client.header", ON_CLIENT_HEADER, NEED_SETTER | NEED_NAME},
    {"client.body", ON_CLIENT_BODY, NEED_OP | NEED_PATH},
    {"client.raw", ON_CLIENT_RAW, NEED_VALUE},
    {"client.chunk", ON_CLIENT_CHUNK, NEED_OP | NEED_PATH},
    {"client.stream", ON_CLIENT_STREAM, 0},
};

static const struct {
    enum mutate_on on;
    const char *word;
    enum mutate_do value;
} deeds[] = {
    {ON_UPSTREAM_SIGN, "single-encode-path", SIGN_SINGLE_ENCODE_PATH},
    {ON_UPSTREAM_SIGN, "wrong-region", SIGN_WRONG_REGION},
    {ON_UPSTREAM_SIGN, "wrong-service", SIGN_WRONG_SERVICE},
    {ON_UPSTREAM_SIGN, "host-without-port", SIGN_HOST_WITHOUT_PORT},
    {ON_UPSTREAM_SIGN, "empty-body-hash", SIGN_EMPTY_BODY_HASH},
    {ON_UPSTREAM_SIGN, "drop-token", SIGN_DROP_TOKEN},
    {ON_UPSTREAM_SIGN, "unsigned-token", SIGN_UNSIGNED_TOKEN},
    {ON_UPSTREAM_SIGN, "bearer", SIGN_BEARER},
    {ON_UPSTREAM_SIGN, "none", SIGN_NONE},
    {ON_UPSTREAM_SIGN, "stale-date", SIGN_STALE_DATE},
    {ON_UPSTREAM_SIGN, "stale-retry", SIGN_STALE_RETRY},
    {ON_UPSTREAM_CALL, "skip", CALL_SKIP},
    {ON_UPSTREAM_CALL, "twice", CALL_TWICE},
    {ON_UPSTREAM_CALL, "no-retry", CALL_NO_RETRY},
    {ON_UPSTREAM_CALL, "retry-forever", CALL_RETRY_FOREVER},
    {ON_UPSTREAM_CALL, "retry-4xx", CALL_RETRY_4XX},
    {ON_UPSTREAM_CALL, "retry-changed-body", CALL_RETRY_CHANGED_BODY},
    {ON_UPSTREAM_CALL, "keep-after-disconnect", CALL_KEEP_AFTER_DISCONNECT},
    {ON_CLIENT_STREAM, "drop-frame", STREAM_DROP_FRAME},
    {ON_CLIENT_STREAM, "duplicate-frame", STREAM_DUPLICATE_FRAME},
    {ON_CLIENT_STREAM, "swap-frames", STREAM_SWAP_FRAMES},
    {ON_CLIENT_STREAM, "buffer-all", STREAM_BUFFER_ALL},
    {ON_CLIENT_STREAM, "strip-role", STREAM_STRIP_ROLE},
    {ON_CLIENT_STREAM, "repeat-role", STREAM_REPEAT_ROLE},
    {ON_CLIENT_STREAM, "early-done", STREAM_EARLY_DONE},
    {ON_CLIENT_STREAM, "no-done", STREAM_NO_DONE},
    {ON_CLIENT_STREAM, "double-done", STREAM_DOUBLE_DONE},
    {ON_CLIENT_STREAM, "content-after-finish", STREAM_CONTENT_AFTER_FINISH},
    {ON_CLIENT_STREAM, "no-finish", STREAM_NO_FINISH},
    {ON_CLIENT_STREAM, "double-finish", STREAM_DOUBLE_FINISH},
    {ON_CLIENT_STREAM, "swallow-error", STREAM_SWALLOW_ERROR},
    {ON_CLIENT_STREAM, "finish-after-error", STREAM_FINISH_AFTER_ERROR},
    {ON_CLIENT_STREAM, "corrupt-utf8", STREAM_CORRUPT_UTF8},
    {ON_CLIENT_STREAM, "bad-crc", STREAM_BAD_CRC},
};

/* ---- reading ---- */

static enum err unknown(struct note *note, const char *where, const char *what, const char *word,
                        const char *const *known, size_t n)
{
    const char *near = word != NULL ? nearest_word(word, known, n) : NULL;
    return note_set(note, ERR_UNKNOWN, "%s/%s: '%.64s' is not known%s%s%s", where, what, word != NULL ? word : "",
                    near != NULL ? "; did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?" : "");
}

static enum err read_on(const cJSON *source, const char *where, struct mutation *m, unsigned *needs, struct note *note)
{
    const char *known[COUNT_OF(points)];
    const char *word = json_str(source, "on");
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        known[i] = points[i].on;
        if (word != NULL && strcmp(word, known[i]) == 0) {
            m->on = points[i].value;
            *needs = points[i].needs;
            return OK;
        }
    }
    return unknown(note, where, "on", word, known, COUNT_OF(known));
}

static enum err read_do(const cJSON *source, const char *where, struct mutation *m, struct note *note)
{
    const char *known[COUNT_OF(deeds)];
    size_t n = 0;
    const char *word = json_str(source, "do");
    for (size_t i = 0; i < COUNT_OF(deeds); i++) {
        if (deeds[i].on != m->on)
            continue;
        known[n++] = deeds[i].word;
        if (word != NULL && strcmp(word, deeds[i].word) == 0) {
            m->what = deeds[i].value;
            return OK;
        }
    }
    return n == 0 ? OK : unknown(note, where, "do", word, known, n);
}

static enum err read_op(struct mutation *m, const char *where, unsigned needs, struct note *note)
{
    static const char *const patches[] = {"add", "replace", "remove"}, *const setters[] = {"set", "remove"};
    bool patch = (needs & NEED_OP) != 0;
    const char *const *known = patch ? patches : setters;
    size_t n = patch ? COUNT_OF(patches) : COUNT_OF(setters);
    for (size_t i = 0; m->op != NULL && i < n; i++)
        if (strcmp(m->op, known[i]) == 0)
            return OK;
    return unknown(note, where, "op", m->op, known, n);
}

static enum err read_at(const cJSON *source, const char *where, struct mutation *m, struct note *note)
{
    const cJSON *at = json_member(source, "at");
    m->at = AT_DEFAULT;
    if (at == NULL)
        return OK;
    if (cJSON_IsString(at) && strcmp(at->valuestring, "all") == 0)
        m->at = AT_ALL;
    else if (cJSON_IsString(at) && strcmp(at->valuestring, "last") == 0)
        m->at = AT_LAST;
    else if (!json_int64(at, &m->at) || m->at < 0)
        return note_set(note, ERR_INVALID, "%s/at: expected a number from 0, \"all\" or \"last\"", where);
    return OK;
}

static enum err check_value(const struct mutation *m, const char *where, unsigned needs, struct note *note)
{
    bool setter = (needs & (NEED_OP | NEED_SETTER)) != 0 && strcmp(m->op, "remove") != 0;
    if ((setter || (needs & NEED_VALUE) != 0) && m->value == NULL)
        return note_set(note, ERR_INVALID, "%s/value: is missing", where);
    bool text = m->on == ON_UPSTREAM_PATH || m->on == ON_CLIENT_RAW || (needs & NEED_SETTER) != 0;
    if (text && m->value != NULL && !cJSON_IsString(m->value))
        return note_set(note, ERR_INVALID, "%s/value: is %s: expected a string", where, json_type_name(m->value));
    int64_t status = 0;
    if (m->on == ON_CLIENT_STATUS && (!json_int64(m->value, &status) || status < 200 || status > 599))
        return note_set(note, ERR_INVALID, "%s/value: expected a status from 200 to 599", where);
    return OK;
}

/* A header must not break the message it is put into. */
static bool is_field(const char *name, const cJSON *value)
{
    return name[strcspn(name, "\r\n: ")] == '\0' && name[0] != '\0' &&
           (value == NULL || value->valuestring[strcspn(value->valuestring, "\r\n")] == '\0');
}

static enum err read_one(const cJSON *source, const char *where, struct mutation *m, struct note *note)
{
    if (!cJSON_IsObject(source))
        return note_set(note, ERR_INVALID, "%s: is %s: expected an object", where, json_type_name(source));
    static const char *const known[] = {"on",   "do",    "op", "path", "name", "value", "at", "after_signing",
                                        "with", "caught"};
    unsigned needs = 0;
    enum err e = json_only_keys(source, known, COUNT_OF(known), where, note);
    if (e == OK)
        e = read_on(source, where, m, &needs, note);
    if (e == OK)
        e = read_do(source, where, m, note);
    if (e == OK)
        e = read_at(source, where, m, note);
    if (e == OK)
        e = json_opt_bool(source, "after_signing", where, &m->after_signing, note);
    if (e != OK)
        return e;
    m->op = json_str(source, "op");
    m->path = json_str(source, "path");
    m->name = json_str(source, "name");
    m->value = cJSON_GetObjectItemCaseSensitive(source, "value"); /* null is a value */
    if ((needs & (NEED_OP | NEED_SETTER)) != 0)
        e = read_op(m, where, needs, note);
    if (e == OK && (needs & NEED_PATH) != 0 && m->path == NULL)
        e = note_set(note, ERR_INVALID, "%s/path: expected a JSON pointer", where);
    if (e == OK)
        e = check_value(m, where, needs, note);
    if (e == OK && (needs & NEED_NAME) != 0 && (m->name == NULL || !is_field(m->name, m->value)))
        e = note_set(note, ERR_INVALID, "%s/name: expected the name of a header, and a value without line ends", where);
    return e;
}

static enum err read_list(const cJSON *list, const char *where, unsigned depth, struct mutations *m, struct note *note)
{
    if (!cJSON_IsArray(list) || depth > 2)
        return note_set(note, ERR_INVALID, "%s: is %s: expected a list of mutations", where, json_type_name(list));
    enum err e = OK;
    size_t i = 0;
    for (const cJSON *one = list->child; e == OK && one != NULL; one = one->next, i++) {
        char at[96];
        (void)snprintf(at, sizeof at, "%.60s/%zu", where, i);
        if (m->count == MUTATIONS_MAX)
            return note_set(note, ERR_LIMIT, "%s: more than %d mutations", at, MUTATIONS_MAX);
        e = read_one(one, at, &m->items[m->count], note);
        m->count++;
        const cJSON *with = json_member(one, "with");
        (void)strncat(at, "/with", sizeof at - strlen(at) - 1);
        if (e == OK && with != NULL)
            e = read_list(with, at, depth + 1, m, note);
    }
    return e;
}

enum err mutations_parse(const cJSON *source, struct mutations **out, struct note *note)
{
    struct mutations *m = calloc(1, sizeof *m);
    *out = NULL;
    if (m == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    m->refs = 1;
    m->source = cJSON_Duplicate(source, true);
    enum err e =
        m->source == NULL ? ERR_NOMEM : read_list(json_member(m->source, "mutations"), "/mutations", 0, m, note);
    if (e == OK)
        *out = m;
    else
        mutations_unref(m);
    return e;
}

struct mutations *mutations_ref(struct mutations *m)
{
    if (m != NULL)
        (void)__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
    return m;
}

void mutations_unref(struct mutations *m)
{
    if (m == NULL || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    cJSON_Delete(m->source);
    free(m);
}

/* ---- asking and applying ---- */

bool mutations_do(const struct mutations *m, enum mutate_do what)
{
    for (size_t i = 0; m != NULL && i < m->count; i++)
        if (m->items[i].what == what)
            return true;
    return false;
}

bool mutations_on(const struct mutations *m, enum mutate_on on)
{
    for (size_t i = 0; m != NULL && i < m->count; i++)
        if (m->items[i].on == on)
            return true;
    return false;
}

/* The text of `value` with its "${serial}" counted on, so that two equal requests differ. NULL: it has none. */
static cJSON *numbered(const cJSON *value)
{
    static unsigned serial;
    static const char hole[] = "${serial}";
    const char *text = cJSON_IsString(value) ? value->valuestring : "", *at = strstr(text, hole);
    if (at == NULL)
        return NULL;
    CLEANUP(buf_release) struct buf made = BUF_INIT(BUF_ANY);
    buf_add(&made, (struct span){(const unsigned char *)text, (size_t)(at - text)});
    buf_addf(&made, "%u%s", __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED), at + sizeof hole - 1);
    return cJSON_CreateString(buf_text(&made));
}

static void patch(const struct mutations *m, enum mutate_on on, cJSON **tree)
{
    for (size_t i = 0; m != NULL && i < m->count; i++) {
        const struct mutation *one = &m->items[i];
        if (one->on != on)
            continue;
        CLEANUP(json_free) cJSON *fresh = numbered(one->value);
        /* a pointer that is not there changes nothing, and the case will say "not caught" */
        (void)!json_patch(tree, one->op, one->path, fresh != NULL ? fresh : one->value, NULL);
    }
}

bool mutate_body(const struct mutations *m, enum mutate_on on, struct span body, struct buf *out)
{
    CLEANUP(json_free) cJSON *tree = NULL;
    if (!mutations_on(m, on) || json_parse(body, JSON_COMPACT, &tree, NULL) != OK)
        return false;
    patch(m, on, &tree);
    json_print(tree, JSON_COMPACT, out);
    return buf_error(out) == OK;
}

void mutate_headers(const struct mutations *m, enum mutate_on on, bool after_signing, struct http_headers *h)
{
    for (size_t i = 0; m != NULL && i < m->count; i++) {
        const struct mutation *one = &m->items[i];
        if (one->on != on || one->after_signing != after_signing)
            continue;
        if (strcmp(one->op, "remove") == 0)
            http_headers_remove(h, one->name);
        else
            http_headers_set(h, one->name, one->value->valuestring);
    }
}

void mutate_path(const struct mutations *m, struct buf *target)
{
    static const char hole[] = "${path}";
    for (size_t i = 0; m != NULL && i < m->count; i++) {
        if (m->items[i].on != ON_UPSTREAM_PATH)
            continue;
        CLEANUP(buf_release) struct buf made = BUF_INIT(BUF_ANY);
        const char *from = m->items[i].value->valuestring;
        for (const char *at = strstr(from, hole); at != NULL; at = strstr(from, hole)) {
            buf_add(&made, (struct span){(const unsigned char *)from, (size_t)(at - from)});
            buf_add(&made, buf_span(target));
            from = at + sizeof hole - 1;
        }
        buf_adds(&made, from);
        buf_reset(target);
        buf_add(target, buf_span(&made));
    }
}

int mutate_status(const struct mutations *m, int status)
{
    for (size_t i = 0; m != NULL && i < m->count; i++)
        if (m->items[i].on == ON_CLIENT_STATUS)
            status = m->items[i].value->valueint;
    return status;
}
