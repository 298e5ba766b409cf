/* head.c: does libmicrohttpd refuse this head?
 *
 * What is no HTTP libmicrohttpd answers by itself, in its own words (HTML, and some of it twice), or not at all, and whoever
 * serves the port never hears of it. On the first bytes of a connection, which server.c looks at anyway, the same is found
 * out here, so that the answer and the account of it are the server's. Nothing is judged more strictly than
 * libmicrohttpd 0.9.75 would judge it: what looks good, or is not whole yet, is its to read. Lines may end in LF alone and
 * empty ones may come first, as RFC 9112 section 2.2 allows.
 */
#include "net/exchange.h"

#define VERSION_SIZE 8 /* HTTP/1.1 */

/* The next line, without its end; false: it is not whole. */
static bool next_line(struct span *rest, struct span *line)
{
    struct span head, behind;
    if (!span_split(*rest, '\n', &head, &behind))
        return false;
    *line = head;
    *rest = behind;
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_version(struct span word)
{
    return word.n == VERSION_SIZE && span_has_prefix(word, "HTTP/") && is_digit(word.p[5]) && word.p[6] == '.' &&
           is_digit(word.p[7]);
}

static int judge_first(struct span line, struct http_request *seen, const char **why)
{
    struct span rest;
    size_t last = line.n;
    bool parted = span_split(line, ' ', &seen->method, &rest);
    while (last > 0 && line.p[last - 1] != ' ')
        last--;
    struct span version = span_from(line, last);
    if (parted && version.n == 0)
        return 0; /* blanks behind it: libmicrohttpd's to judge */
    if (last <= seen->method.n + 1 || !is_version(version)) {
        seen->method = SPAN_EMPTY; /* nobody knows what it is */
        *why = "What came is no request of HTTP/1.1: its first line is not a method, a target and a version.";
        return 400;
    }
    seen->target = span_trim(span_cut(line, seen->method.n + 1, last - seen->method.n - 2));
    if (version.p[5] == '1')
        return 0;
    *why = "This port speaks HTTP/1.1, HTTP/1.0 and HTTP/2; the first line asks for another version.";
    return 505;
}

/* 0: a number that 64 bits hold. */
static int judge_length(struct span value, const char **why)
{
    uint64_t n = 0;
    *why = "The value of Content-Length is no number.";
    for (size_t i = 0; i < value.n; i++) {
        if (!is_digit(value.p[i]))
            return 400;
        uint64_t digit = (uint64_t)(value.p[i] - '0');
        if (n > (UINT64_MAX - digit) / 10) {
            *why = "The value of Content-Length is larger than any body.";
            return 413;
        }
        n = n * 10 + digit;
    }
    return value.n > 0 ? 0 : 400;
}

/* Blanks in front of a value are left out, those behind it are part of it. */
static struct span value_of(struct span line, size_t colon)
{
    while (++colon < line.n && (line.p[colon] == ' ' || line.p[colon] == '\t'))
        ;
    return span_from(line, colon);
}

int head_refusal(struct span bytes, struct http_request *seen, const char **why)
{
    struct span line = SPAN_EMPTY, name, length = SPAN_EMPTY;
    bool has_length = false, chunked = false, first = true;
    do {
        if (!next_line(&bytes, &line))
            return 0;
    } while (line.n == 0);
    int status = judge_first(line, seen, why);
    for (; status == 0 && next_line(&bytes, &line) && line.n > 0; first = false) {
        if (!first && (line.p[0] == ' ' || line.p[0] == '\t' || line.p[0] == ':'))
            return 0; /* a value goes on, or (without a name) the head is at its end: its reader's business */
        if (!span_split(line, ':', &name, &(struct span){NULL, 0}) || memchr(name.p, 0, name.n)) {
            *why = "A line of the header has no colon.";
            return 400;
        }
        chunked = chunked || span_is_nocase(name, "Transfer-Encoding");
        if (!has_length && span_is_nocase(name, "Content-Length")) {
            has_length = true;
            length = value_of(line, name.n);
        }
    }
    bool whole = status == 0 && line.n == 0;
    return whole && has_length && !chunked ? judge_length(length, why) : status;
}
