/* base.c: results, notes and borrowed bytes. Nothing here allocates but span_dup. */
#include "protocol/base.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

const char *err_name(enum err e)
{
    static const char *const names[] = {
        [OK] = "ok",
        [ERR_NOMEM] = "out of memory",
        [ERR_LIMIT] = "limit",
        [ERR_SYNTAX] = "syntax",
        [ERR_TRUNCATED] = "truncated",
        [ERR_INVALID] = "invalid",
        [ERR_UNKNOWN] = "unknown",
        [ERR_MISMATCH] = "mismatch",
        [ERR_IO] = "io",
        [ERR_UNSUPPORTED] = "unsupported",
        [ERR_TIMEOUT] = "timeout",
        [ERR_CLOSED] = "closed",
    };
    size_t i = (size_t)e;
    return i < COUNT_OF(names) && names[i] != NULL ? names[i] : "error";
}

enum err note_set(struct note *note, enum err e, const char *format, ...)
{
    if (note != NULL) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(note->text, sizeof note->text, format, args);
        va_end(args);
    }
    return e;
}

void note_prefix(struct note *note, const char *format, ...)
{
    if (note == NULL)
        return;
    struct note old = *note;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(note->text, sizeof note->text, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used + 3 > sizeof note->text)
        return;
    memcpy(note->text + used, ": ", 2);
    size_t room = sizeof note->text - used - 3;
    size_t keep = strnlen(old.text, room);
    memcpy(note->text + used + 2, old.text, keep);
    note->text[used + 2 + keep] = '\0';
}

bool span_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_is(struct span a, const char *text)
{
    return span_equal(a, span_of(text));
}

bool span_is_nocase(struct span a, const char *text)
{
    return a.n == strlen(text) && (a.n == 0 || strncasecmp((const char *)a.p, text, a.n) == 0);
}

bool span_has_prefix(struct span a, const char *prefix)
{
    size_t n = strlen(prefix);
    return a.n >= n && (n == 0 || memcmp(a.p, prefix, n) == 0);
}

struct span span_trim(struct span a)
{
    while (a.n > 0 && (a.p[0] == ' ' || a.p[0] == '\t')) {
        a.p++;
        a.n--;
    }
    while (a.n > 0 && (a.p[a.n - 1] == ' ' || a.p[a.n - 1] == '\t'))
        a.n--;
    return a;
}

bool span_split(struct span a, char c, struct span *head, struct span *rest)
{
    const unsigned char *at = a.n == 0 ? NULL : memchr(a.p, c, a.n);
    if (at == NULL) {
        *head = a;
        *rest = SPAN_EMPTY;
        return false;
    }
    size_t n = (size_t)(at - a.p);
    *head = (struct span){a.p, n};
    *rest = (struct span){at + 1, a.n - n - 1};
    return true;
}

bool span_in_words(struct span word, const char *words, char apart)
{
    struct span rest = span_of(words), one;
    for (bool more = true; more;) {
        more = span_split(rest, apart, &one, &rest);
        if (one.n > 0 && span_equal(one, word))
            return true;
    }
    return false;
}

const char *span_find(struct span haystack, const char *needle)
{
    return haystack.n == 0 ? NULL : memmem(haystack.p, haystack.n, needle, strlen(needle));
}

char *span_dup(struct span a)
{
    char *copy = malloc(a.n + 1);
    if (copy == NULL)
        return NULL;
    if (a.n > 0)
        memcpy(copy, a.p, a.n);
    copy[a.n] = '\0';
    return copy;
}

struct span decimal_digits(uint64_t v, char room[DECIMAL_SIZE])
{
    size_t at = DECIMAL_SIZE;
    do {
        room[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return (struct span){(const unsigned char *)room + at, DECIMAL_SIZE - at};
}

uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int64_t wall_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void free_ptr(void *pointer_to_pointer)
{
    void **p = pointer_to_pointer;
    free(*p);
    *p = NULL;
}

/* Optimal string alignment (a swap of neighbours counts one), three rows, for words short enough to be typed. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t rows[3][LONGEST + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > LONGEST || nb > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < best)
                best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[na % 3][nb];
}

const char *nearest_word(const char *word, const char *const *known, size_t count)
{
    size_t allowed = strlen(word) / 3 > 1 ? strlen(word) / 3 : 1;
    const char *best = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t d = edit_distance(word, known[i]);
        if (d <= allowed && d < strlen(known[i])) {
            allowed = d - (d > 0);
            best = known[i];
            if (d == 0)
                break;
        }
    }
    return best;
}
