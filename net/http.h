/* http.h: the parts of an HTTP message that every side names alike.
 *
 * Two forms of a field list: `struct http_field` borrows bytes (a received request: valid until its exchange is done);
 * `struct http_headers` owns them (a reply or a request being made). Order, case and repetition are kept in both.
 */
#ifndef MOHS_HTTP_H
#define MOHS_HTTP_H

#include "protocol/base.h"
#include "protocol/buf.h"

struct http_field {
    struct span name;
    struct span value;
};

/* A request as it came in. All spans are borrowed from the server and live until the exchange is done. */
struct http_request {
    struct span method;
    struct span target; /* the request-target as on the wire, never decoded */
    struct span path;   /* before the first '?', never decoded: signatures and %2F in model ids depend on it */
    struct span query;  /* after it, without the '?'; empty when there is none */
    const struct http_field *fields;
    size_t field_count;
    struct span body;
    bool body_follows;       /* it comes by exchange_read(), and `body` stays empty */
    unsigned http_version;   /* 11, or 20: fields in lower case, and ":authority" is one of them as it came */
    uint64_t received_at_ns; /* now_ns() when the last byte of the body was read */
    uint64_t connection;     /* number of the connection in this server, from 1 */
    uint64_t on_connection;  /* number of this request on it, from 1 */
};

/* First value of that field, compared without case; the span {NULL, 0} when there is none. */
struct span http_field_get(const struct http_field *fields, size_t count, const char *name);

struct http_headers {
    struct http_pair {
        char *name;
        char *value; /* in the same allocation, behind the name */
    } * items;
    size_t count;
    size_t cap;
    bool failed; /* an addition ran out of memory; the rest is as it was */
};

void http_headers_init(struct http_headers *h);
void http_headers_release(struct http_headers *h);
void http_headers_add(struct http_headers *h, const char *name, const char *value); /* copies; CR, LF and NUL assert */
void http_headers_set(struct http_headers *h, const char *name, const char *value); /* replaces all of that name */
void http_headers_remove(struct http_headers *h, const char *name);
const char *http_headers_get(const struct http_headers *h, const char *name); /* first value, or NULL */
void http_headers_copy(struct http_headers *to, const struct http_headers *from);

const char *http_reason(int status); /* "Too Many Requests"; "" for numbers without a registered phrase */

/* A date, of seconds since the epoch, as RFC 9110 section 5.6.7 has it; `max` is at least HTTP_DATE_SIZE. */
#define HTTP_DATE_SIZE 40
void http_print_date(int64_t seconds, char *to, size_t max);

#endif
