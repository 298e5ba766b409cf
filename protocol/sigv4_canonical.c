/* sigv4_canonical.c: from a request to its canonical form, and to the string that is signed.
 *
 * The steps are those of the IAM User Guide, "Create a canonical request". Three of them go wrong in practice, and are
 * written so that each wrong way can be had by asking (struct sigv4_inputs: path_form, quirks): the path is the raw
 * wire path encoded once more; the query is sorted by encoded name, then by encoded value, not as one string ("a-"
 * sorts after "a", though "a-=" sorts before "a="); values lose outer white space and keep one space of each inner run.
 *
 * Nothing here decides whether a request is good. Output is bounded by the buffer's ceiling, the counts by sigv4.h.
 */
#include <stdlib.h>

#include "protocol/sigv4_internal.h"

static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '~';
}

static bool is_white(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

/* Take over what was written behind b->len after a buf_reserve. */
static void keep(struct buf *b, size_t n)
{
    b->len += n;
    b->data[b->len] = '\0';
}

void sigv4_encode(struct span text, bool keep_slash, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = text.n > out->max / 3 ? NULL : buf_reserve(out, 3 * text.n);
    if (to == NULL) {
        out->error = out->error == OK ? ERR_LIMIT : out->error;
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = text.p[i];
        if (is_unreserved(c) || (keep_slash && c == '/')) {
            to[n++] = (char)c;
            continue;
        }
        to[n++] = '%';
        to[n++] = digits[c >> 4];
        to[n++] = digits[c & 15];
    }
    if (text.n > 0)
        keep(out, n);
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void sigv4_decode(struct span text, struct buf *out)
{
    char *to = text.n == 0 ? NULL : buf_reserve(out, text.n);
    if (to == NULL)
        return;
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int high = text.p[i] == '%' && text.n - i > 2 ? hex_digit(text.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.p[i + 2]) : -1;
        if (low >= 0)
            i += 2;
        to[n++] = (char)(low >= 0 ? (unsigned char)(high << 4 | low) : text.p[i]);
    }
    keep(out, n);
}

bool sigv4_next_param(struct span *query, struct span *name, struct span *value)
{
    while (query->n > 0) {
        struct span piece;
        (void)span_split(*query, '&', &piece, query);
        if (piece.n == 0)
            continue;
        (void)span_split(piece, '=', name, value);
        return true;
    }
    return false;
}

bool sigv4_same_name(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

/* RFC 9113 8.3.1: over HTTP/2 ":authority" stands for what HTTP/1.1 calls Host. */
static struct span other_name_of_host(struct span name)
{
    if (span_is_nocase(name, "host"))
        return SPAN_LIT(":authority");
    return span_is_nocase(name, ":authority") ? SPAN_LIT("host") : SPAN_EMPTY;
}

static const struct sigv4_header *find(const struct sigv4_header *headers, size_t count, struct span name)
{
    for (size_t i = 0; i < count; i++)
        if (sigv4_same_name(headers[i].name, name))
            return &headers[i];
    return NULL;
}

const struct sigv4_header *sigv4_find_header(const struct sigv4_header *headers, size_t count, const char *name)
{
    const struct sigv4_header *h = find(headers, count, span_of(name));
    struct span other = h == NULL ? other_name_of_host(span_of(name)) : SPAN_EMPTY;
    return other.n > 0 ? find(headers, count, other) : h;
}

/* Segments without "", "." and what ".." takes back; a slash at the end stays. This is what the SDKs do, which differs
 * from RFC 3986 5.2.4 in one point: "/a/b/.." becomes "/a", not "/a/". */
static enum err add_normalized(struct span path, struct buf *out)
{
    struct span kept[SIGV4_DEPTH_MAX];
    size_t n = 0;
    struct span rest = path, segment;
    for (bool more = rest.n > 0; more;) {
        more = span_split(rest, '/', &segment, &rest);
        if (segment.n == 0 || span_is(segment, "."))
            continue;
        if (span_is(segment, "..")) {
            n -= n > 0;
            continue;
        }
        if (n == SIGV4_DEPTH_MAX)
            return ERR_LIMIT;
        kept[n++] = segment;
    }
    for (size_t i = 0; i < n; i++) {
        buf_addc(out, '/');
        buf_add(out, kept[i]);
    }
    if (n == 0 || path.p[path.n - 1] == '/')
        buf_addc(out, '/');
    return OK;
}

static void add_path_form(struct span path, enum sigv4_path_form form, struct buf *out)
{
    if (form == SIGV4_PATH_ONCE) {
        buf_add(out, path);
    } else if (form == SIGV4_PATH_DECODED) {
        sigv4_decode(path, out);
    } else if (form == SIGV4_PATH_TWICE) {
        sigv4_encode(path, true, out);
    } else {
        CLEANUP(buf_release) struct buf twice = BUF_INIT(SIGV4_CANONICAL_MAX);
        sigv4_encode(path, true, &twice);
        sigv4_encode(buf_span(&twice), true, out);
        out->error = out->error == OK ? twice.error : out->error;
    }
}

static bool has_odd_segment(struct span path)
{
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] == '/' && (i + 1 < path.n) && (path.p[i + 1] == '/' || path.p[i + 1] == '.'))
            return true;
    return path.n == 0 || path.p[0] != '/';
}

static enum err add_path(const struct sigv4_inputs *in, struct buf *out)
{
    if (in->keep_dots || !has_odd_segment(in->path)) {
        add_path_form(in->path.n == 0 ? SPAN_LIT("/") : in->path, in->path_form, out);
        return OK;
    }
    CLEANUP(buf_release) struct buf normal = BUF_INIT(SIGV4_CANONICAL_MAX);
    enum err e = add_normalized(in->path, &normal);
    add_path_form(buf_span(&normal), in->path_form, out);
    return e != OK ? e : buf_error(&normal);
}

struct param {
    size_t name_at, name_n, value_at, value_n; /* within the scratch buffer, which may move while it grows */
    const char *base;
};

static int compare_bytes(const char *a, size_t an, const char *b, size_t bn)
{
    int order = memcmp(a, b, an < bn ? an : bn);
    return order != 0 ? order : (an > bn) - (an < bn);
}

static int compare_params(const void *left, const void *right)
{
    const struct param *a = left, *b = right;
    int order = compare_bytes(a->base + a->name_at, a->name_n, b->base + b->name_at, b->name_n);
    return order != 0 ? order : compare_bytes(a->base + a->value_at, a->value_n, b->base + b->value_at, b->value_n);
}

/* Decode, then encode: %7e, %7E and ~ are one. "+" is a plus, as in a URI, unless the quirk asks for a form's reading.
 */
static void add_query_text(struct span text, unsigned quirks, struct buf *out)
{
    if (quirks & SIGV4_QUERY_RAW) {
        buf_add(out, text);
        return;
    }
    CLEANUP(buf_release) struct buf plain = BUF_INIT(SIGV4_CANONICAL_MAX);
    if (quirks & SIGV4_QUERY_PLUS) {
        buf_add(&plain, text);
        for (size_t i = 0; i < plain.len; i++)
            plain.data[i] = plain.data[i] == '+' ? ' ' : plain.data[i];
        CLEANUP(buf_release) struct buf spaced = plain;
        plain = BUF_INIT(SIGV4_CANONICAL_MAX);
        sigv4_decode(buf_span(&spaced), &plain);
    } else {
        sigv4_decode(text, &plain);
    }
    sigv4_encode(buf_span(&plain), false, out);
    out->error = out->error == OK ? plain.error : out->error;
}

static bool is_skipped(const struct sigv4_inputs *in, struct span name)
{
    for (size_t i = 0; i < COUNT_OF(in->skip); i++)
        if (in->skip[i].n > 0 && span_equal(in->skip[i], name))
            return true;
    return false;
}

enum err sigv4_canonical_query(const struct sigv4_inputs *in, struct buf *out)
{
    if (in->query.n == 0)
        return OK;
    CLEANUP(buf_release) struct buf text = BUF_INIT(SIGV4_CANONICAL_MAX);
    struct param params[SIGV4_QUERY_MAX];
    size_t n = 0;
    struct span rest = in->query, name, value;
    while (sigv4_next_param(&rest, &name, &value)) {
        if (is_skipped(in, name))
            continue;
        if (n == SIGV4_QUERY_MAX)
            return ERR_LIMIT;
        struct param *p = &params[n++];
        p->name_at = text.len;
        add_query_text(name, in->quirks, &text);
        p->name_n = text.len - p->name_at;
        p->value_at = text.len;
        add_query_text(value, in->quirks, &text);
        p->value_n = text.len - p->value_at;
    }
    if (buf_error(&text) != OK)
        return buf_error(&text);
    for (size_t i = 0; i < n; i++)
        params[i].base = buf_text(&text);
    if (!(in->quirks & SIGV4_QUERY_UNSORTED) && n > 1)
        qsort(params, n, sizeof *params, compare_params);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *base = (const unsigned char *)params[i].base;
        if (i > 0)
            buf_addc(out, '&');
        buf_add(out, (struct span){base + params[i].name_at, params[i].name_n});
        buf_addc(out, '=');
        buf_add(out, (struct span){base + params[i].value_at, params[i].value_n});
    }
    return OK;
}

static void add_lower(struct span name, struct buf *out)
{
    char *to = name.n == 0 ? NULL : buf_reserve(out, name.n);
    if (to == NULL)
        return;
    for (size_t i = 0; i < name.n; i++)
        to[i] = (char)lower(name.p[i]);
    keep(out, name.n);
}

static void add_value(struct span value, unsigned quirks, struct buf *out)
{
    if (quirks & SIGV4_HEADERS_RAW) {
        buf_add(out, value);
        return;
    }
    while (value.n > 0 && is_white(value.p[0]))
        value = span_from(value, 1);
    while (value.n > 0 && is_white(value.p[value.n - 1]))
        value.n--;
    char *to = value.n == 0 ? NULL : buf_reserve(out, value.n);
    if (to == NULL)
        return;
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++) {
        bool white = is_white(value.p[i]);
        if (white && !(quirks & SIGV4_HEADERS_INNER) && is_white(value.p[i - 1]))
            continue;
        to[n++] = white && !(quirks & SIGV4_HEADERS_INNER) ? ' ' : (char)value.p[i];
    }
    keep(out, n);
}

/* The line of one signed name: all fields that bear it, in the order of the wire, joined by commas. */
static void add_header_line(const struct sigv4_inputs *in, struct span name, const char *end, struct buf *out)
{
    struct span other = find(in->headers, in->header_count, name) == NULL ? other_name_of_host(name) : SPAN_EMPTY;
    struct span wanted = other.n > 0 ? other : name;
    bool first = true;
    for (size_t i = 0; i < in->header_count; i++) {
        if (!sigv4_same_name(in->headers[i].name, wanted))
            continue;
        if (first)
            add_lower(name, out);
        buf_addc(out, first ? ':' : ',');
        add_value(in->headers[i].value, in->quirks, out);
        first = false;
    }
    if (!first)
        buf_adds(out, end);
}

static bool is_listed(const struct sigv4_inputs *in, struct span name)
{
    for (size_t i = 0; i < in->name_count; i++)
        if (sigv4_same_name(in->names[i], name))
            return true;
    return false;
}

static void add_headers(const struct sigv4_inputs *in, const char *end, struct buf *out)
{
    if (!(in->quirks & SIGV4_HEADERS_UNSORTED)) {
        for (size_t i = 0; i < in->name_count; i++)
            add_header_line(in, in->names[i], end, out);
        return;
    }
    for (size_t i = 0; i < in->header_count; i++) {
        bool again = find(in->headers, i, in->headers[i].name) != NULL;
        if (!again && is_listed(in, in->headers[i].name))
            add_header_line(in, in->headers[i].name, end, out);
    }
}

enum err sigv4_canonical_request(const struct sigv4_inputs *in, struct buf *out, struct note *note)
{
    const char *end = in->quirks & SIGV4_LINES_CRLF ? "\r\n" : "\n";
    if (in->header_count > SIGV4_HEADERS_MAX)
        return note_set(note, ERR_LIMIT, "%zu header fields, at most %d", in->header_count, SIGV4_HEADERS_MAX);
    if (in->name_count > SIGV4_SIGNED_MAX)
        return note_set(note, ERR_LIMIT, "%zu signed headers, at most %d", in->name_count, SIGV4_SIGNED_MAX);
    buf_add(out, in->method);
    buf_adds(out, end);
    enum err e = add_path(in, out);
    if (e != OK)
        return note_set(note, e, "the path has more than %d segments, or is too long", SIGV4_DEPTH_MAX);
    buf_adds(out, end);
    e = sigv4_canonical_query(in, out);
    if (e != OK)
        return note_set(note, e, "the query has more than %d parameters, or is too long", SIGV4_QUERY_MAX);
    buf_adds(out, end);
    add_headers(in, end, out);
    buf_adds(out, end);
    for (size_t i = 0; i < in->name_count; i++) {
        if (i > 0)
            buf_addc(out, ';');
        buf_add(out, in->names[i]);
    }
    buf_adds(out, end);
    buf_add(out, in->payload_hash);
    buf_adds(out, in->quirks & SIGV4_LINE_END ? "\n" : in->quirks & SIGV4_SPACE_END ? " " : "");
    if (buf_error(out) != OK)
        return note_set(note, buf_error(out), "the canonical request is longer than %zu bytes", out->max);
    return OK;
}

void sigv4_string_to_sign(struct sigv4 *s, struct span date, const struct sigv4_scope *scope, struct span canonical,
                          struct buf *out)
{
    char hash[SIGV4_HEX];
    sigv4_sha256_hex(s, canonical, hash);
    const struct span parts[] = {SPAN_LIT(SIGV4_ALGORITHM_NAME "\n"),
                                 date,
                                 SPAN_LIT("\n"),
                                 scope->date,
                                 SPAN_LIT("/"),
                                 scope->region,
                                 SPAN_LIT("/"),
                                 scope->service,
                                 SPAN_LIT("/" SIGV4_SCOPE_END "\n"),
                                 span_of(hash)};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        buf_add(out, parts[i]);
}
