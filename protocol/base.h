/* base.h: the words every module shares: results, notes, borrowed bytes, cleanup, time.
 *
 * A function that can fail returns `enum err`, OK being zero, and must be checked. The sentence for a person goes
 * into the caller's `struct note`, apart from the code; a NULL note is always allowed. protocol/ never prints.
 * Programmer mistakes assert; mistakes of a peer or a user are values.
 */
#ifndef MOHS_BASE_H
#define MOHS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum err {
    OK = 0,
    ERR_NOMEM,       /* the allocator said no */
    ERR_LIMIT,       /* a ceiling of ours was reached */
    ERR_SYNTAX,      /* the bytes are not in the grammar */
    ERR_TRUNCATED,   /* the bytes end too early */
    ERR_INVALID,     /* in the grammar, but not allowed here */
    ERR_UNKNOWN,     /* a name nobody knows */
    ERR_MISMATCH,    /* compared, and different */
    ERR_IO,          /* the system refused; the note has its words */
    ERR_UNSUPPORTED, /* legal, and not served by us */
    ERR_TIMEOUT,     /* the stated time went by */
    ERR_CLOSED       /* the peer went away */
};

/* The name of an error without its prefix, in lower case: "syntax". Never NULL. */
const char *err_name(enum err e);

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* CLEANUP(buf_release) struct buf b = ...; runs buf_release(&b) when the scope ends, however it ends. */
#define CLEANUP(fn) __attribute__((cleanup(fn), unused))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* One sentence saying what is wrong, where, and what was expected. Cut, never overrun. */
struct note {
    char text[768];
};

/* Write the sentence and hand `e` back, so that `return note_set(note, ERR_INVALID, "...")` reads as one thing. */
enum err note_set(struct note *note, enum err e, const char *format, ...) PRINTF_LIKE(3, 4);
/* Put "prefix: " before the sentence that is there. */
void note_prefix(struct note *note, const char *format, ...) PRINTF_LIKE(2, 3);

/* Borrowed bytes; never owns, travels by value. `p` may be NULL only when n is 0. */
struct span {
    const unsigned char *p;
    size_t n;
};

#define SPAN_EMPTY ((struct span){NULL, 0})
#define SPAN_LIT(literal) ((struct span){(const unsigned char *)(literal), sizeof(literal) - 1})

/* text may be NULL: the empty span */
static inline struct span span_of(const char *text)
{
    return text == NULL ? SPAN_EMPTY : (struct span){(const unsigned char *)text, strlen(text)};
}
bool span_equal(struct span a, struct span b);
bool span_is(struct span a, const char *text);
bool span_is_nocase(struct span a, const char *text); /* ASCII only, as HTTP field names are compared */
bool span_has_prefix(struct span a, const char *prefix);
/* What is behind the first `from` bytes; empty when there are not so many. */
static inline struct span span_from(struct span a, size_t from)
{
    return from >= a.n ? SPAN_EMPTY : (struct span){a.p + from, a.n - from};
}
/* At most n bytes from there on; clipped to what is there. */
static inline struct span span_cut(struct span a, size_t from, size_t n)
{
    struct span rest = span_from(a, from);
    rest.n = rest.n > n ? n : rest.n;
    return rest;
}
struct span span_trim(struct span a); /* spaces and tabs off both ends */
/* The bytes before the first `c` go to *head, those after it become *rest; false, and *head all, when there is none. */
bool span_split(struct span a, char c, struct span *head, struct span *rest);
/* Is it one of these words, which stand apart by that character? The empty word never is. */
bool span_in_words(struct span word, const char *words, char apart);
const char *span_find(struct span haystack, const char *needle); /* NULL: not there */
/* Malloc'ed, NUL-terminated copy; NULL when out of memory. The caller frees. */
char *span_dup(struct span a);

/* The decimal digits of v, in `room`: as printf's %llu, at a tenth of its price. */
#define DECIMAL_SIZE 20
struct span decimal_digits(uint64_t v, char room[DECIMAL_SIZE]);

/* Nanoseconds of CLOCK_MONOTONIC, the one clock of every duration; and of the wall clock, for dates only. */
uint64_t now_ns(void);
int64_t wall_ns(void);

/* free() for CLEANUP on a char * (or any pointer). */
void free_ptr(void *pointer_to_pointer);

/* The known word nearest to `word` (edit distance at most a third of its length, at least 1), or NULL. For "did you mean". */
const char *nearest_word(const char *word, const char *const *known, size_t count);

#endif
