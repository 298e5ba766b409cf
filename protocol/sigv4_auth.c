/* sigv4_auth.c: what a request claims: which key, when, for which region and service, over which headers.
 *
 * The claim stands in the Authorization header, in X-Amz- query parameters ("presigned"), or is a bearer token. Nothing
 * is believed yet; this file only tells a claim that can be judged (sigv4_verify.c) from one that is malformed. Bedrock
 * was seen to split the Authorization value at commas and at white space alike (its answer names the pieces without
 * "="), so the same is done here. What matters is whether a parameter is there: an empty Signature is a wrong
 * signature.
 */
#include "protocol/sigv4_internal.h"

static enum sigv4_reason incomplete(struct sigv4_verdict *v, enum sigv4_malformed how, struct span detail)
{
    v->malformed = how;
    v->detail = detail;
    return SIGV4_INCOMPLETE;
}

bool sigv4_split_names(struct span list, struct sigv4_verdict *v)
{
    struct span rest = list, name;
    v->name_count = 0;
    v->names_sorted = true;
    for (bool more = list.n > 0; more;) {
        more = span_split(rest, ';', &name, &rest);
        if (v->name_count == SIGV4_SIGNED_MAX)
            return false;
        struct span last = v->name_count > 0 ? v->names[v->name_count - 1] : SPAN_EMPTY;
        size_t n = last.n < name.n ? last.n : name.n;
        int order = n == 0 ? 0 : memcmp(last.p, name.p, n);
        v->names_sorted = v->names_sorted && (v->name_count == 0 || order < 0 || (order == 0 && last.n < name.n));
        v->names[v->name_count++] = name;
    }
    return true;
}

/* key/date/region/service/terminator: exactly five. */
static bool split_credential(struct span credential, struct sigv4_verdict *v)
{
    struct span *const parts[] = {&v->access_key, &v->scope_date, &v->region, &v->service};
    struct span rest = credential;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!span_split(rest, '/', parts[i], &rest))
            return false;
    v->terminator = rest;
    return v->access_key.n > 0 && memchr(rest.p == NULL ? (const unsigned char *)"" : rest.p, '/', rest.n) == NULL;
}

struct parameters {
    struct span credential, signed_headers, signature, date, expires, algorithm;
    unsigned have; /* bits of the row's index */
};

struct parameter_row {
    const char *header_name; /* in the Authorization value; NULL: not there */
    const char *query_name;
    size_t offset;
    unsigned missing; /* the bit of enum sigv4_missing */
};

static const struct parameter_row parameter_rows[] = {
    {"Credential", "X-Amz-Credential", offsetof(struct parameters, credential), SIGV4_NO_CREDENTIAL},
    {"Signature", "X-Amz-Signature", offsetof(struct parameters, signature), SIGV4_NO_SIGNATURE},
    {"SignedHeaders", "X-Amz-SignedHeaders", offsetof(struct parameters, signed_headers), SIGV4_NO_SIGNED_HEADERS},
    {NULL, "X-Amz-Expires", offsetof(struct parameters, expires), SIGV4_NO_EXPIRES},
    {NULL, "X-Amz-Date", offsetof(struct parameters, date), 0},
    {NULL, "X-Amz-Algorithm", offsetof(struct parameters, algorithm), 0},
};

enum { DATE_ROW = 4, ALGORITHM_ROW = 5 };

/* False: the same parameter twice. */
static bool set_parameter(struct parameters *p, size_t row, struct span value)
{
    if (p->have & 1U << row)
        return false;
    p->have |= 1U << row;
    memcpy((char *)p + parameter_rows[row].offset, &value, sizeof value);
    return true;
}

static bool is_separator(unsigned char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool next_word(struct span *rest, struct span *word)
{
    while (rest->n > 0 && is_separator(rest->p[0]))
        *rest = span_from(*rest, 1);
    size_t n = 0;
    while (n < rest->n && !is_separator(rest->p[n]))
        n++;
    *word = span_cut(*rest, 0, n);
    *rest = span_from(*rest, n);
    return word->n > 0;
}

static enum sigv4_reason read_pairs(struct span rest, struct parameters *p, struct sigv4_verdict *v)
{
    struct span word, name, value;
    while (next_word(&rest, &word)) {
        if (!span_split(word, '=', &name, &value))
            return incomplete(v, SIGV4_NOT_A_PAIR, word);
        for (size_t i = 0; i < COUNT_OF(parameter_rows); i++)
            if (parameter_rows[i].header_name != NULL && span_is(name, parameter_rows[i].header_name) &&
                !set_parameter(p, i, value))
                return incomplete(v, SIGV4_DOUBLED, name);
    }
    return SIGV4_OK;
}

/* Both forms end here: required parameters, the credential's five parts, the list of names. */
static enum sigv4_reason take_parameters(const struct parameters *p, bool query, struct sigv4_verdict *v)
{
    for (size_t i = 0; i < COUNT_OF(parameter_rows); i++)
        if (!(p->have & 1U << i) && (query || parameter_rows[i].header_name != NULL))
            v->missing |= parameter_rows[i].missing;
    if (v->missing != 0)
        return SIGV4_INCOMPLETE;
    if (!split_credential(p->credential, v))
        return incomplete(v, SIGV4_BAD_CREDENTIAL, p->credential);
    v->signed_headers = p->signed_headers;
    v->signature = p->signature;
    return sigv4_split_names(p->signed_headers, v) ? SIGV4_OK
                                                   : incomplete(v, SIGV4_TOO_MANY, SPAN_LIT("SignedHeaders"));
}

static bool starts_nocase(struct span text, const char *prefix)
{
    return span_is_nocase(span_cut(text, 0, strlen(prefix)), prefix);
}

/* X-Amz-Date, else Date. The same instant twice is borne, two instants are not. */
static enum sigv4_reason read_header_date(const struct sigv4_request *r, struct sigv4_verdict *v)
{
    const struct sigv4_header *amz = NULL;
    for (size_t i = 0; i < r->header_count; i++) {
        if (!span_is_nocase(r->headers[i].name, "x-amz-date"))
            continue;
        v->date_sent = span_trim(r->headers[i].value);
        if (amz != NULL && !span_equal(span_trim(amz->value), v->date_sent))
            return SIGV4_BAD_DATE;
        amz = &r->headers[i];
    }
    const struct sigv4_header *date = amz == NULL ? sigv4_find_header(r->headers, r->header_count, "date") : NULL;
    if (amz == NULL && date == NULL)
        return SIGV4_NO_DATE;
    if (date != NULL)
        v->date_sent = span_trim(date->value);
    if (sigv4_date_parse(v->date_sent, &v->signed_at_s) != OK &&
        (date == NULL || sigv4_http_date_parse(v->date_sent, &v->signed_at_s) != OK))
        return SIGV4_BAD_DATE;
    return SIGV4_OK;
}

static enum sigv4_reason read_authorization(const struct sigv4_request *r, struct span value, struct sigv4_verdict *v)
{
    struct span scheme, rest = value;
    if (!next_word(&rest, &scheme))
        return SIGV4_MISSING_AUTH;
    if (span_is_nocase(scheme, "Bearer")) {
        v->form = SIGV4_FORM_BEARER;
        v->bearer = span_trim(rest);
        return SIGV4_OK;
    }
    v->form = SIGV4_FORM_HEADER;
    v->detail = scheme;
    if (!span_is(scheme, SIGV4_ALGORITHM_NAME) && starts_nocase(scheme, "AWS4-"))
        return SIGV4_ALGORITHM;
    struct parameters p = {.have = 0};
    enum sigv4_reason reason = read_pairs(rest, &p, v);
    if (reason == SIGV4_OK)
        reason = take_parameters(&p, false, v);
    if (reason == SIGV4_OK && !span_is(scheme, SIGV4_ALGORITHM_NAME))
        reason = incomplete(v, SIGV4_NOT_A_PAIR, scheme);
    if (reason != SIGV4_OK)
        return reason;
    v->detail = SPAN_EMPTY;
    const struct sigv4_header *token = sigv4_find_header(r->headers, r->header_count, "x-amz-security-token");
    v->token = token == NULL ? SPAN_EMPTY : span_trim(token->value);
    for (size_t i = 0; i < v->name_count; i++)
        v->token_signed = v->token_signed || span_is_nocase(v->names[i], "x-amz-security-token");
    return read_header_date(r, v);
}

/* Decoded values live in the scratch memory, which must not move: room for all of them is asked for at once. */
static enum sigv4_reason read_query(const struct sigv4_request *r, struct buf *decoded, struct sigv4_verdict *v)
{
    struct parameters p = {.have = 0};
    struct span rest = r->query, name, value;
    v->form = SIGV4_FORM_QUERY;
    while (sigv4_next_param(&rest, &name, &value)) {
        if (!span_has_prefix(name, "X-Amz-"))
            continue;
        size_t at = decoded->len;
        sigv4_decode(value, decoded);
        struct span plain = span_from(buf_span(decoded), at);
        if (span_is(name, "X-Amz-Security-Token")) {
            v->token = plain;
            v->token_signed = true;
        }
        for (size_t i = 0; i < COUNT_OF(parameter_rows); i++)
            if (span_is(name, parameter_rows[i].query_name) && !set_parameter(&p, i, plain))
                return incomplete(v, SIGV4_DOUBLED, name);
    }
    if (!(p.have & 1U << ALGORITHM_ROW))
        v->missing |= SIGV4_NO_ALGORITHM;
    else if (!span_is(p.algorithm, SIGV4_ALGORITHM_NAME)) {
        v->detail = p.algorithm;
        return SIGV4_ALGORITHM;
    }
    enum sigv4_reason reason = take_parameters(&p, true, v);
    if (reason != SIGV4_OK)
        return reason;
    v->date_sent = p.date;
    if (!(p.have & 1U << DATE_ROW))
        return SIGV4_NO_DATE;
    if (sigv4_date_parse(p.date, &v->signed_at_s) != OK)
        return SIGV4_BAD_DATE;
    v->expires_s = 0;
    for (size_t i = 0; i < p.expires.n && v->expires_s <= SIGV4_EXPIRES_MAX_S; i++) {
        if (p.expires.p[i] < '0' || p.expires.p[i] > '9')
            return SIGV4_EXPIRES_PARAM;
        v->expires_s = v->expires_s * 10 + (p.expires.p[i] - '0');
    }
    return v->expires_s < 1 || v->expires_s > SIGV4_EXPIRES_MAX_S ? SIGV4_EXPIRES_PARAM : SIGV4_OK;
}

static bool has_query_claim(struct span query)
{
    struct span name, value;
    while (sigv4_next_param(&query, &name, &value))
        if (span_is(name, "X-Amz-Algorithm") || span_is(name, "X-Amz-Credential") || span_is(name, "X-Amz-Signature"))
            return true;
    return false;
}

static enum sigv4_reason read_claim(const struct sigv4_request *r, struct buf *decoded, struct sigv4_verdict *v)
{
    const struct sigv4_header *authorization = NULL;
    for (size_t i = 0; i < r->header_count; i++) {
        if (!span_is_nocase(r->headers[i].name, "authorization"))
            continue;
        if (authorization != NULL)
            return incomplete(v, SIGV4_DOUBLED, SPAN_LIT("a second Authorization header"));
        authorization = &r->headers[i];
    }
    bool query = r->query.n > 0 && has_query_claim(r->query);
    if (authorization != NULL && query)
        return incomplete(v, SIGV4_DOUBLED, SPAN_LIT("Authorization header and X-Amz- query parameters"));
    if (query)
        return read_query(r, decoded, v);
    return authorization == NULL ? SIGV4_MISSING_AUTH : read_authorization(r, authorization->value, v);
}

enum err sigv4_read_claim(struct sigv4 *s, const struct sigv4_request *r, struct sigv4_verdict *v, struct note *note)
{
    struct sigv4_scratch *scratch = sigv4_scratch(s);
    buf_reset(&scratch->decoded);
    v->reason = SIGV4_INCOMPLETE;
    if (r->header_count > SIGV4_HEADERS_MAX)
        return note_set(note, ERR_LIMIT, "%zu header fields, at most %d", r->header_count, SIGV4_HEADERS_MAX);
    if (r->query.n > 0 && buf_reserve(&scratch->decoded, r->query.n) == NULL)
        return note_set(note, scratch->decoded.error, "the query is too long");
    v->reason = read_claim(r, &scratch->decoded, v);
    if (v->reason == SIGV4_OK && v->form != SIGV4_FORM_BEARER)
        sigv4_date_format(v->signed_at_s, v->date);
    return OK;
}
