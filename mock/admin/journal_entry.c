/* journal_entry.c: a request becomes an entry, an entry becomes JSON.
 *
 * Redaction happens on the way in: the Signature of an Authorization, session tokens, bearer keys and the presigned
 * forms of both never reach the memory of the journal, whatever later prints it.
 */
#include "mock/admin/journal_entry.h"

#include <stdlib.h>

#include "protocol/json.h"
#include "protocol/secret.h"
#include "protocol/shape.h"
#include "protocol/utf8.h"

#define REDACTED "<redacted>"

/* ---- redaction ---- */

/* Credential and SignedHeaders are no secrets and say much; the signature goes. Any other scheme goes whole. */
static void add_authorization(struct buf *out, struct span value)
{
    struct span scheme, rest;
    const char *at = span_find(value, "Signature=");
    if (span_has_prefix(value, "AWS4-") && at != NULL) {
        size_t before = (size_t)((const unsigned char *)at - value.p) + 10;
        buf_add(out, span_cut(value, 0, before));
        buf_adds(out, REDACTED);
        struct span tail = span_from(value, before);
        size_t n = 0;
        while (n < tail.n && tail.p[n] != ',' && tail.p[n] != ' ')
            n++;
        buf_add(out, span_from(tail, n));
        return;
    }
    if (span_split(value, ' ', &scheme, &rest) && scheme.n <= 32) {
        buf_add(out, scheme);
        buf_addc(out, ' ');
    }
    buf_adds(out, REDACTED);
}

static void add_value(struct buf *out, struct span name, struct span value)
{
    if (span_is_nocase(name, "authorization") || span_is_nocase(name, "proxy-authorization"))
        add_authorization(out, value);
    else if (secret_header(name))
        buf_adds(out, REDACTED);
    else
        buf_add(out, value);
}

/* The query of a presigned request carries both the signature and the token; who has a web identity token of STS, or an
 * assertion, is somebody. Names may come escaped, and as often as the sender likes. */
static bool is_secret_pair(struct span pair, struct span *name)
{
    static const char *const secret[] = {"X-Amz-Signature", "X-Amz-Security-Token", "WebIdentityToken", "SAMLAssertion"};
    CLEANUP(buf_release) struct buf plain = BUF_INIT(BUF_ANY);
    struct span value;
    if (!span_split(pair, '=', name, &value) || uri_decode(*name, &plain) != OK)
        return false;
    for (size_t i = 0; i < COUNT_OF(secret); i++)
        if (span_is_nocase(buf_span(&plain), secret[i]))
            return true;
    return false;
}

static void add_form(struct buf *out, struct span form)
{
    struct span pair, name;
    for (bool more = form.n > 0; more;) {
        more = span_split(form, '&', &pair, &form);
        if (is_secret_pair(pair, &name)) {
            buf_add(out, name);
            buf_adds(out, "=" REDACTED);
        } else {
            buf_add(out, pair);
        }
        if (more)
            buf_addc(out, '&');
    }
}

static void add_target(struct buf *out, struct span target)
{
    struct span path, query;
    bool asks = span_split(target, '?', &path, &query);
    buf_add(out, path);
    if (!asks)
        return;
    buf_addc(out, '?');
    add_form(out, query);
}

/* A form of STS holds a token, also where its path is not the right one; every other body is kept byte for byte. */
static void add_body(struct buf *out, const struct http_request *q)
{
    static const char form[] = "application/x-www-form-urlencoded";
    struct span type = http_field_get(q->fields, q->field_count, "Content-Type");
    if (span_is(q->path, "/") || span_is_nocase(span_cut(type, 0, sizeof form - 1), form))
        add_form(out, q->body);
    else
        buf_add(out, q->body);
}

/* ---- taking in ---- */

static struct piece mark(const struct buf *out, size_t from)
{
    return (struct piece){from, out->len - from};
}

static struct piece add_text(struct buf *out, struct span text)
{
    size_t from = out->len;
    buf_add(out, text);
    return mark(out, from);
}

static void collect(const struct journal_record *r, struct piece *pieces, struct piece *headers, struct buf *out)
{
    const struct http_request *q = r->request;
    pieces[PIECE_METHOD] = add_text(out, q->method);
    size_t from = out->len;
    add_target(out, q->target);
    pieces[PIECE_TARGET] = mark(out, from);
    pieces[PIECE_OPERATION] = add_text(out, span_of(r->operation));
    pieces[PIECE_MODEL] = add_text(out, span_of(r->model));
    from = out->len;
    add_body(out, q);
    pieces[PIECE_BODY] = mark(out, from);
    pieces[PIECE_SIGNATURE] = add_text(out, r->signature);
    pieces[PIECE_CANARIES] = add_text(out, r->canaries);
    pieces[PIECE_REFUSAL] = add_text(out, r->refusal);
    pieces[PIECE_FAULTS] = add_text(out, span_of(r->faults));
    pieces[PIECE_SESSION] = add_text(out, span_of(r->session));
    pieces[PIECE_FIXTURE] = add_text(out, r->fixture);
    pieces[PIECE_MISS] = add_text(out, r->miss);
    pieces[PIECE_UNKNOWN] = add_text(out, r->unknown);
    for (size_t i = 0; i < q->field_count; i++) {
        headers[2 * i] = add_text(out, q->fields[i].name);
        from = out->len;
        add_value(out, q->fields[i].name, q->fields[i].value);
        headers[2 * i + 1] = mark(out, from);
    }
}

/* The entry, its header table and its bytes are one allocation. */
struct entry *entry_new(const struct journal_record *r, struct buf *scratch)
{
    const struct http_request *q = r->request;
    size_t table = q->field_count * 2 * sizeof(struct piece);
    buf_reset(scratch);
    struct piece pieces[PIECE_COUNT], few[128], *headers = few;
    if (q->field_count * 2 > COUNT_OF(few))
        headers = malloc(table);
    if (headers == NULL)
        return NULL;
    collect(r, pieces, headers, scratch);
    size_t size = sizeof(struct entry) + table + scratch->len;
    struct entry *e = buf_error(scratch) == OK ? malloc(size) : NULL;
    if (e != NULL) {
        *e = (struct entry){.refs = 2,
                            .received_at_ns = q->received_at_ns,
                            .connection = q->connection,
                            .http_version = q->http_version,
                            .on_connection = q->on_connection,
                            .unjudged = r->unjudged,
                            .good = r->good,
                            .status = r->status,
                            .source = source_name(r->source),
                            .ignored = r->ignored,
                            .verdict = r->verdict,
                            .size = size,
                            .late = BUF_INIT(BUF_ANY),
                            .header_count = q->field_count};
        memcpy(e->pieces, pieces, sizeof pieces);
        e->headers = (struct piece *)(e + 1);
        if (table > 0)
            memcpy(e->headers, headers, table);
        e->bytes = (char *)e->headers + table;
        if (scratch->len > 0)
            memcpy(e->bytes, scratch->data, scratch->len);
    }
    if (headers != few)
        free(headers);
    return e;
}

/* ---- printing ---- */

/* A string for a person: bytes that are no UTF-8 become question marks. */
static void quote(struct buf *out, const char *key, struct span value)
{
    if (key != NULL)
        buf_addf(out, ",\"%s\":", key);
    if (utf8_is_valid(value)) {
        json_quote(value, out);
        return;
    }
    CLEANUP(buf_release) struct buf ascii = BUF_INIT(BUF_ANY);
    for (size_t i = 0; i < value.n; i++)
        buf_addc(&ascii, value.p[i] < 0x80 ? (char)value.p[i] : '?');
    json_quote(buf_span(&ascii), out);
}

static void quote_or_null(struct buf *out, const char *key, struct span value)
{
    if (value.n > 0)
        quote(out, key, value);
    else
        buf_addf(out, ",\"%s\":null", key);
}

static void print_body(const struct entry *e, struct sigv4 *hasher, struct buf *out)
{
    struct span body = entry_text(e, e->pieces[PIECE_BODY]);
    if (utf8_is_valid(body) && memchr(body.p, 0, body.n) == NULL) {
        quote(out, "body", body);
    } else {
        buf_adds(out, ",\"body_base64\":\"");
        buf_add_base64(out, body);
        buf_addc(out, '"');
    }
    char hex[SIGV4_HEX];
    sigv4_sha256_hex(hasher, body, hex);
    buf_addf(out, ",\"body_sha256\":\"%s\"", hex);
}

static void print_headers(const struct entry *e, struct buf *out)
{
    buf_adds(out, ",\"headers\":[");
    for (size_t i = 0; i < e->header_count; i++) {
        buf_adds(out, i > 0 ? ",[" : "[");
        quote(out, NULL, entry_text(e, e->headers[2 * i]));
        buf_addc(out, ',');
        quote(out, NULL, entry_text(e, e->headers[2 * i + 1]));
        buf_addc(out, ']');
    }
    buf_addc(out, ']');
}

static void print_raw(struct buf *out, const char *key, struct span json, const char *otherwise)
{
    buf_addf(out, ",\"%s\":", key);
    buf_add(out, json.n > 0 ? json : span_of(otherwise));
}

static void print_delivery(const struct delivery *d, bool ended, struct buf *out)
{
    static const char *const ends[] = {"complete", "peer-closed", "timed-out", "stopped"};
    static const char *const planned[] = {"clean", "fin", "rst", "hang"};
    if (!ended) {
        buf_adds(out, ",\"delivered\":null");
        return;
    }
    buf_addf(out,
             ",\"delivered\":{\"end\":\"%s\",\"planned_end\":\"%s\",\"status\":%d,\"bytes\":%llu,\"events\":%zu,"
             "\"head_at_ns\":%llu,\"last_at_ns\":%llu,\"ended_at_ns\":%llu}",
             ends[d->end], planned[d->planned], d->status, (unsigned long long)d->bytes, d->events,
             (unsigned long long)d->head_at_ns, (unsigned long long)d->last_at_ns, (unsigned long long)d->ended_at_ns);
}

void entry_print(const struct entry *e, const struct entry_state *d, struct sigv4 *hasher, struct buf *out)
{
    struct span refusal = entry_text(e, e->pieces[PIECE_REFUSAL]);
    buf_addf(out, "{\"seq\":%llu,\"received_at_ns\":%llu", (unsigned long long)e->seq,
             (unsigned long long)e->received_at_ns);
    quote(out, "method", entry_text(e, e->pieces[PIECE_METHOD]));
    quote(out, "target", entry_text(e, e->pieces[PIECE_TARGET]));
    quote_or_null(out, "operation", entry_text(e, e->pieces[PIECE_OPERATION]));
    quote_or_null(out, "model", entry_text(e, e->pieces[PIECE_MODEL]));
    quote_or_null(out, "session", entry_text(e, e->pieces[PIECE_SESSION]));
    print_headers(e, out);
    print_body(e, hasher, out);
    print_raw(out, "signature", entry_text(e, e->pieces[PIECE_SIGNATURE]), "null");
    buf_addf(out, ",\"valid\":%s", e->unjudged ? "null" : refusal.n == 0 || e->good ? "true" : "false");
    print_raw(out, "refusal", refusal, "null");
    buf_adds(out, ",\"unknown\":[");
    buf_add(out, entry_text(e, e->pieces[PIECE_UNKNOWN]));
    buf_adds(out, "],\"canaries\":[");
    buf_add(out, entry_text(e, e->pieces[PIECE_CANARIES]));
    buf_addf(out, "],\"reply\":{\"status\":%d,\"source\":\"%s\"", d->status, e->source);
    print_raw(out, "faults", entry_text(e, e->pieces[PIECE_FAULTS]), "[]");
    if (e->ignored != NULL)
        quote(out, "ignored", span_of(e->ignored));
    if (d->upstream != NULL)
        print_raw(out, "upstream", span_of(d->upstream), "null");
    quote_or_null(out, "fixture", entry_text(e, e->pieces[PIECE_FIXTURE]));
    print_raw(out, "miss", entry_text(e, e->pieces[PIECE_MISS]), "null");
    buf_addf(out, "},\"http\":\"%s\",\"connection\":%llu,\"on_connection\":%llu", e->http_version == 20 ? "2" : "1.1",
             (unsigned long long)e->connection, (unsigned long long)e->on_connection);
    if (d->ended && e->late.len > 0)
        print_raw(out, "bidirectional", buf_span(&e->late), "null");
    print_delivery(&d->delivery, d->ended, out);
    buf_addc(out, '}');
}
