/* sigv4_sign.c: sign a request, as the AWS SDKs do: in the Authorization header, or in the query ("presigned").
 *
 * The signer adds what is missing (X-Amz-Date, X-Amz-Security-Token, x-amz-content-sha256), signs every header that no
 * hop is known to touch, and hands back the fields to send. Quirks and path forms of struct sigv4_signing go straight
 * to the canonical request, so that a gateway can be made to sign wrongly in a named way.
 */
#include <stdlib.h>

#include "protocol/sigv4_internal.h"

/* botocore's list, and what the AWS SDK for JavaScript leaves out besides (but its prefixes, which no gateway sends).
 */
static const char *const never_signed[] = {
    "authorization",
    "cache-control",
    "connection",
    "expect",
    "from",
    "keep-alive",
    "max-forwards",
    "pragma",
    "referer",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
};

void sigv4_signed_init(struct sigv4_signed *r)
{
    memset(r, 0, sizeof *r);
    struct buf *const bufs[] = {&r->canonical,     &r->string_to_sign, &r->signed_headers,
                                &r->authorization, &r->query,          &r->token};
    for (size_t i = 0; i < COUNT_OF(bufs); i++)
        buf_init(bufs[i], SIGV4_CANONICAL_MAX);
}

void sigv4_signed_release(struct sigv4_signed *r)
{
    if (r == NULL)
        return;
    buf_release(&r->canonical);
    buf_release(&r->string_to_sign);
    buf_release(&r->signed_headers);
    buf_release(&r->authorization);
    buf_release(&r->query);
    buf_release(&r->token);
    r->added_count = 0;
}

/* The request's headers and those added, and the names to sign. */
struct plan {
    struct sigv4_header headers[SIGV4_HEADERS_MAX + SIGV4_ADDED_MAX];
    size_t header_count;
    struct span names[SIGV4_SIGNED_MAX];
    size_t name_count;
    struct buf lowered;
};

static void add_field(struct plan *p, struct sigv4_signed *out, const char *name, struct span value)
{
    struct sigv4_header field = {span_of(name), value};
    out->added[out->added_count++] = field;
    p->headers[p->header_count++] = field;
}

static bool is_in(struct span name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n && list[i] != NULL; i++)
        if (span_is_nocase(name, list[i]))
            return true;
    return false;
}

static int compare_names(const void *left, const void *right)
{
    const struct span *a = left, *b = right;
    size_t n = a->n < b->n ? a->n : b->n;
    int order = n == 0 ? 0 : memcmp(a->p, b->p, n);
    return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

/* Lower-case, sorted, each once. */
static enum err choose_names(const struct sigv4_signing *how, struct plan *p)
{
    size_t total = 0;
    for (size_t i = 0; i < p->header_count; i++)
        total += p->headers[i].name.n;
    if (buf_reserve(&p->lowered, total + 1) == NULL) /* so that spans into it stay */
        return p->lowered.error;
    for (size_t i = 0; i < p->header_count; i++) {
        struct span name = p->headers[i].name;
        bool leave = is_in(name, never_signed, COUNT_OF(never_signed)) ||
                     (how->leave != NULL && is_in(name, how->leave, SIGV4_SIGNED_MAX)) ||
                     (how->token_unsigned && span_is_nocase(name, "x-amz-security-token"));
        for (size_t j = 0; j < p->name_count && !leave; j++)
            leave = sigv4_same_name(p->names[j], name);
        if (leave)
            continue;
        if (p->name_count == SIGV4_SIGNED_MAX)
            return ERR_LIMIT;
        size_t at = p->lowered.len;
        for (size_t k = 0; k < name.n; k++)
            buf_addc(&p->lowered, (char)(name.p[k] >= 'A' && name.p[k] <= 'Z' ? name.p[k] + 32 : name.p[k]));
        p->names[p->name_count++] = span_from(buf_span(&p->lowered), at);
    }
    qsort(p->names, p->name_count, sizeof *p->names, compare_names);
    return buf_error(&p->lowered);
}

static struct span query_value(struct span query, const char *wanted)
{
    struct span name, value;
    while (sigv4_next_param(&query, &name, &value))
        if (span_is_nocase(name, wanted))
            return value;
    return SPAN_EMPTY;
}

static enum err choose_payload_hash(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_signing *how,
                                    struct sigv4_signed *out, struct note *note)
{
    const struct sigv4_header *given = sigv4_find_header(r->headers, r->header_count, "x-amz-content-sha256");
    struct span stated = given != NULL ? span_trim(given->value) : query_value(r->query, "x-amz-content-sha256");
    if (stated.n == 0 && how->payload_unsigned)
        stated = SPAN_LIT(SIGV4_UNSIGNED);
    if (stated.n == 0 && how->payload_empty)
        stated = SPAN_LIT(SIGV4_EMPTY_HASH);
    if (stated.n >= sizeof out->payload_hash)
        return note_set(note, ERR_INVALID, "x-amz-content-sha256 has %zu characters, a hash has 64", stated.n);
    if (stated.n == 0) {
        sigv4_sha256_hex(s, r->body, out->payload_hash);
        return OK;
    }
    memcpy(out->payload_hash, stated.p, stated.n);
    out->payload_hash[stated.n] = '\0';
    return OK;
}

static enum err choose_date(const struct sigv4_request *r, const struct sigv4_signing *how, struct sigv4_signed *out,
                            struct note *note)
{
    const struct sigv4_header *given = sigv4_find_header(r->headers, r->header_count, "x-amz-date");
    int64_t at_s = how->at_s;
    if (given != NULL && how->expires_s <= 0 && sigv4_date_parse(span_trim(given->value), &at_s) != OK)
        return note_set(note, ERR_INVALID, "the X-Amz-Date given is not of the form YYYYMMDDTHHMMSSZ");
    sigv4_date_format(at_s, out->date);
    return OK;
}

static void add_list(const struct plan *p, const char *separator, struct buf *out)
{
    for (size_t i = 0; i < p->name_count; i++) {
        if (i > 0)
            buf_adds(out, separator);
        buf_add(out, p->names[i]);
    }
}

static void add_credential(const struct sigv4_signing *how, struct span date, const char *slash, struct buf *out)
{
    const struct span parts[] = {how->access_key, date, how->region, how->service, SPAN_LIT(SIGV4_SCOPE_END)};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (i > 0)
            buf_adds(out, slash);
        if (slash[0] == '%')
            sigv4_encode(parts[i], false, out);
        else
            buf_add(out, parts[i]);
    }
}

static void add_presigned(const struct sigv4_signing *how, struct sigv4_signed *out)
{
    struct buf *q = &out->query;
    buf_adds(q, q->len > 0 ? "&" : "");
    buf_adds(q, "X-Amz-Algorithm=" SIGV4_ALGORITHM_NAME "&X-Amz-Credential=");
    add_credential(how, span_cut(span_of(out->date), 0, 8), "%2F", q);
    buf_addf(q, "&X-Amz-Date=%s&X-Amz-SignedHeaders=", out->date);
    sigv4_encode(buf_span(&out->signed_headers), false, q);
    buf_addf(q, "&X-Amz-Expires=%lld", (long long)how->expires_s);
    if (how->session_token.n > 0) {
        buf_adds(q, "&X-Amz-Security-Token=");
        sigv4_encode(how->session_token, false, q);
    }
}

/* Header fields that go along with the signature; the token's bytes are copied, the rest stand in *out already. */
static void add_fields(const struct sigv4_request *r, const struct sigv4_signing *how, struct plan *p,
                       struct sigv4_signed *out)
{
    if (sigv4_find_header(r->headers, r->header_count, "x-amz-date") == NULL)
        add_field(p, out, "X-Amz-Date", span_of(out->date));
    if (how->session_token.n > 0 && sigv4_find_header(r->headers, r->header_count, "x-amz-security-token") == NULL) {
        buf_add(&out->token, how->session_token);
        add_field(p, out, "X-Amz-Security-Token", buf_span(&out->token));
    }
    if (how->add_content_sha256 && sigv4_find_header(r->headers, r->header_count, "x-amz-content-sha256") == NULL)
        add_field(p, out, "x-amz-content-sha256", span_of(out->payload_hash));
}

static enum err sign_plan(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_signing *how,
                          const struct plan *p, struct sigv4_signed *out, struct note *note)
{
    struct sigv4_scope scope = {span_cut(span_of(out->date), 0, 8), how->region, how->service};
    struct sigv4_inputs in = {
        .method = r->method,
        .path = r->path,
        .query = buf_span(&out->query),
        .skip = {how->token_unsigned ? SPAN_LIT("X-Amz-Security-Token") : SPAN_EMPTY, SPAN_EMPTY},
        .headers = p->headers,
        .header_count = p->header_count,
        .names = p->names,
        .name_count = p->name_count,
        .payload_hash = span_of(out->payload_hash),
        .keep_dots = how->keep_dots,
        .path_form = how->path_form,
        .quirks = how->quirks,
    };
    enum err e = sigv4_canonical_request(&in, &out->canonical, note);
    if (e != OK)
        return e;
    sigv4_string_to_sign(s, span_of(out->date), &scope, buf_span(&out->canonical), &out->string_to_sign);
    e = buf_error(&out->string_to_sign);
    if (e == OK)
        e = sigv4_signature(s, how->secret, &scope, buf_span(&out->string_to_sign), out->signature);
    return e == OK ? OK : note_set(note, e, "cannot sign: %s", err_name(e));
}

static void write_authorization(const struct sigv4_signing *how, struct plan *p, struct sigv4_signed *out)
{
    struct buf *a = &out->authorization;
    buf_adds(a, SIGV4_ALGORITHM_NAME " Credential=");
    add_credential(how, span_cut(span_of(out->date), 0, 8), "/", a);
    buf_addf(a, ", SignedHeaders=%s, Signature=%s", buf_text(&out->signed_headers), out->signature);
    add_field(p, out, "Authorization", buf_span(a));
}

enum err sigv4_sign(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_signing *how,
                    struct sigv4_signed *out, struct note *note)
{
    sigv4_signed_release(out);
    sigv4_signed_init(out);
    if (r->header_count > SIGV4_HEADERS_MAX)
        return note_set(note, ERR_LIMIT, "%zu header fields, at most %d", r->header_count, SIGV4_HEADERS_MAX);
    bool presign = how->expires_s > 0;
    struct plan p = {.header_count = r->header_count, .lowered = BUF_INIT(SIGV4_CANONICAL_MAX)};
    for (size_t i = 0; i < r->header_count; i++)
        p.headers[i] = r->headers[i];
    enum err e = choose_date(r, how, out, note);
    if (e == OK)
        e = choose_payload_hash(s, r, how, out, note);
    if (e != OK)
        return e;
    if (!presign)
        add_fields(r, how, &p, out);
    e = choose_names(how, &p);
    if (e == OK) {
        add_list(&p, ";", &out->signed_headers);
        buf_add(&out->query, r->query);
        if (presign)
            add_presigned(how, out);
        e = buf_error(&out->query);
    }
    e = e == OK ? sign_plan(s, r, how, &p, out, note) : note_set(note, e, "too many or too long headers to sign");
    if (e == OK && presign)
        buf_addf(&out->query, "&X-Amz-Signature=%s", out->signature);
    else if (e == OK)
        write_authorization(how, &p, out);
    buf_release(&p.lowered);
    const struct buf *const made[] = {&out->query, &out->authorization, &out->signed_headers, &out->token};
    for (size_t i = 0; i < COUNT_OF(made) && e == OK; i++)
        e = buf_error(made[i]);
    return e;
}
