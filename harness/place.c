/* place.c: from the id of a check to a line of the case's file.
 *
 * The tree of a case knows no lines, so the text is walked once more, by the words of the id. It is walked as text that
 * has been parsed before: strings are stepped over, brackets counted, nothing is judged, and every loop ends with the
 * bytes. A word that is no member is looked for in "expect", since the id of a check leaves that out, and then given
 * up: the place reached so far is near enough.
 */
#include "harness/place.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocol/data.h"
#include "protocol/file.h"

enum { CASE_FILE_MAX = 16 << 20 };

/* Past the string that begins at i. */
static size_t skip_string(struct span t, size_t i)
{
    for (i++; i < t.n && t.p[i] != '"'; i++)
        i += t.p[i] == '\\';
    return i < t.n ? i + 1 : t.n;
}

static size_t skip_space(struct span t, size_t i)
{
    while (i < t.n && (isspace(t.p[i]) || t.p[i] == ',' || t.p[i] == ':'))
        i++;
    return i;
}

/* Past the value that begins at i. */
static size_t skip_value(struct span t, size_t i)
{
    size_t depth = 0;
    while (i < t.n) {
        unsigned char c = t.p[i];
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return i;
        i = c == '"' ? skip_string(t, i) : i + 1;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        if (depth == 0 && (c == '"' || c == '}' || c == ']'))
            return i;
    }
    return t.n;
}

/* The member of the object at i: where its name begins; SIZE_MAX when there is none. */
static size_t find_member(struct span t, size_t i, struct span name)
{
    if (i >= t.n || t.p[i] != '{')
        return SIZE_MAX;
    for (i = skip_space(t, i + 1); i < t.n && t.p[i] == '"'; i = skip_space(t, skip_value(t, i))) {
        size_t end = skip_string(t, i);
        if (end >= i + 2 && span_equal(span_cut(t, i + 1, end - i - 2), name))
            return i;
        i = skip_space(t, end);
    }
    return SIZE_MAX;
}

static size_t find_element(struct span t, size_t i, size_t index)
{
    if (i >= t.n || t.p[i] != '[')
        return SIZE_MAX;
    for (i = skip_space(t, i + 1); i < t.n && t.p[i] != ']'; i = skip_space(t, skip_value(t, i)))
        if (index-- == 0)
            return i;
    return SIZE_MAX;
}

static size_t value_of_member(struct span t, size_t at)
{
    return skip_space(t, skip_string(t, at));
}

/* The element of the array at i whose "name" that is: so alternatives are called. */
static size_t find_named(struct span t, size_t i, struct span name)
{
    if (i >= t.n || t.p[i] != '[')
        return SIZE_MAX;
    for (i = skip_space(t, i + 1); i < t.n && t.p[i] != ']'; i = skip_space(t, skip_value(t, i))) {
        size_t member = find_member(t, i, SPAN_LIT("name"));
        size_t from = member == SIZE_MAX ? t.n : value_of_member(t, member);
        size_t end = from < t.n && t.p[from] == '"' ? skip_string(t, from) : 0;
        if (end >= from + 2 && span_equal(span_cut(t, from + 1, end - from - 2), name))
            return i;
    }
    return SIZE_MAX;
}

/* One step down from the value at *value. *at: what is pointed to. False: nothing of that name. */
static bool step(struct span t, struct span word, size_t *at, size_t *value)
{
    size_t found = find_named(t, *value, word);
    if (found != SIZE_MAX) {
        *at = *value = found;
        return true;
    }
    found = find_member(t, *value, word);
    if (found == SIZE_MAX) {
        size_t expect = find_member(t, *value, SPAN_LIT("expect"));
        found = expect == SIZE_MAX ? SIZE_MAX : find_member(t, value_of_member(t, expect), word);
    }
    if (found == SIZE_MAX)
        return false;
    *at = found;
    *value = value_of_member(t, found);
    return true;
}

static size_t line_at(struct span t, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at && i < t.n; i++)
        line += t.p[i] == '\n';
    return line;
}

size_t place_line(struct span text, const char *check)
{
    size_t value = skip_space(text, 0), at = value;
    for (const char *c = check; *c != '\0';) {
        if (*c == '[') {
            char *end;
            size_t found = find_element(text, value, strtoul(c + 1, &end, 10));
            if (found == SIZE_MAX)
                break;
            at = value = found;
            c = *end == ']' ? end + 1 : end;
            continue;
        }
        c += *c == '.';
        size_t n = strcspn(c, ".[");
        if (n == 0 || !step(text, span_cut(span_of(c), 0, n), &at, &value))
            break;
        c += n;
    }
    return line_at(text, at);
}

void place_file(const char *path, struct buf *out)
{
    CLEANUP(free_ptr) char *here = getcwd(NULL, 0);
    size_t n = here == NULL ? 0 : strlen(here);
    if (n > 1 && strncmp(path, here, n) == 0 && path[n] == '/')
        path += n + 1;
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    buf_adds(out, path);
}

size_t place_of_case(const char *path, const char *check)
{
    struct span bytes;
    CLEANUP(buf_release) struct buf text = BUF_INIT(CASE_FILE_MAX);
    if (data_load(path, &bytes, NULL) != OK) {
        if (file_read(path, &text, NULL) != OK)
            return 0;
        bytes = buf_span(&text);
    }
    return check == NULL ? 1 : place_line(bytes, check);
}
