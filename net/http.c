/* http.c: field lists and reason phrases.
 *
 * Nothing here parses: libmicrohttpd and libcurl do that. What is ours is to keep order, case and repetition as they
 * came, because signatures and conformance cases look at all three.
 */
#include "net/http.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

struct span http_field_get(const struct http_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (span_is_nocase(fields[i].name, name))
            return fields[i].value;
    }
    return SPAN_EMPTY;
}

void http_headers_init(struct http_headers *h)
{
    *h = (struct http_headers){NULL, 0, 0, false};
}

void http_headers_release(struct http_headers *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->count; i++)
        free(h->items[i].name);
    free(h->items);
    http_headers_init(h);
}

static bool has_room(struct http_headers *h)
{
    if (h->count < h->cap)
        return true;
    size_t cap = h->cap ? h->cap * 2 : 8;
    struct http_pair *items = realloc(h->items, cap * sizeof *items);
    if (!items)
        return false;
    h->items = items;
    h->cap = cap;
    return true;
}

void http_headers_add(struct http_headers *h, const char *name, const char *value)
{
    assert(name[0] && !strpbrk(name, "\r\n") && !strpbrk(value, "\r\n")); /* RFC 9110 section 5.5 */
    size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
    char *both = malloc(name_size + value_size);
    if (!both || !has_room(h)) {
        free(both);
        h->failed = true;
        return;
    }
    memcpy(both, name, name_size);
    memcpy(both + name_size, value, value_size);
    h->items[h->count++] = (struct http_pair){both, both + name_size};
}

/* Drops those of that name from number `from` on. */
static void drop_behind(struct http_headers *h, size_t from, const char *name)
{
    size_t kept = from;
    for (size_t i = from; i < h->count; i++) {
        if (strcasecmp(h->items[i].name, name) != 0)
            h->items[kept++] = h->items[i];
        else
            free(h->items[i].name);
    }
    h->count = kept;
}

void http_headers_remove(struct http_headers *h, const char *name)
{
    drop_behind(h, 0, name);
}

/* The first of that name keeps its place in the order; the others go. */
void http_headers_set(struct http_headers *h, const char *name, const char *value)
{
    size_t at = 0;
    while (at < h->count && strcasecmp(h->items[at].name, name) != 0)
        at++;
    size_t before = h->count;
    http_headers_add(h, name, value);
    if (h->count == before || at == before)
        return;
    struct http_pair fresh = h->items[--h->count];
    free(h->items[at].name);
    h->items[at] = fresh;
    drop_behind(h, at + 1, name);
}

const char *http_headers_get(const struct http_headers *h, const char *name)
{
    for (size_t i = 0; i < h->count; i++) {
        if (strcasecmp(h->items[i].name, name) == 0)
            return h->items[i].value;
    }
    return NULL;
}

void http_headers_copy(struct http_headers *to, const struct http_headers *from)
{
    for (size_t i = 0; i < from->count; i++)
        http_headers_add(to, from->items[i].name, from->items[i].value);
    to->failed = to->failed || from->failed;
}

/* The IANA "HTTP Status Code" registry, those that can end an exchange. */
static const struct {
    int status;
    const char *phrase;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

const char *http_reason(int status)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].phrase;
    }
    return "";
}

void http_print_date(int64_t seconds, char *to, size_t max)
{
    time_t at = (time_t)seconds;
    struct tm t;
    if (!gmtime_r(&at, &t) || strftime(to, max, "%a, %d %b %Y %H:%M:%S GMT", &t) == 0)
        to[0] = '\0';
}
