/* journal.h: what came in and what went out, kept for a test to read.
 *
 * Thread-safe. An entry is one allocation: the bytes of the request, with secrets taken out, and what the mock made of
 * it. The journal is bounded by bytes: those that ended first go first, and are counted. Entries that still run stay.
 * JSON is made when somebody reads, outside the lock.
 */
#ifndef MOHS_MOCK_JOURNAL_H
#define MOHS_MOCK_JOURNAL_H

#include "net/http.h"
#include "net/loop.h"
#include "net/plan.h"

struct journal;
struct entry;

/* limit: bytes held, MOCK_JOURNAL_OFF (SIZE_MAX): none and nothing is kept. */
struct journal *journal_new(size_t limit);
void journal_free(struct journal *j);
bool journal_is_on(const struct journal *j);

/* What answered a request. */
enum source {
    SOURCE_NONE,
    SOURCE_SCRIPT,
    SOURCE_FIXTURE,
    SOURCE_DEFAULT, /* the model spoke for itself */
    SOURCE_REFUSAL,
    SOURCE_MISS,  /* nothing was prepared, and --strict */
    SOURCE_ERROR, /* a template that became no reply */
    SOURCE_QUOTA,
    SOURCE_RECORD,       /* a real endpoint */
    SOURCE_FAULT_HEADER, /* it could not be read */
    SOURCES
};
/* Its word in entries, in filters and in metrics: always the same pointer. NULL for SOURCE_NONE. */
const char *source_name(enum source s);

/* What an entry is made of; borrowed until journal_begin returns. */
struct journal_record {
    const struct http_request *request;
    const char *operation, *model; /* NULL: none */
    struct span signature;         /* a JSON object */
    struct span canaries;          /* JSON objects joined by commas */
    struct span refusal;           /* a JSON object; empty: the request is valid, as is one that is `good` */
    bool unjudged;                 /* it was refused before anybody looked at its body */
    bool good;                     /* the refusal is none of its shapes and rules: these held */
    enum source source;
    const char *session;           /* NULL: the main one */
    struct span unknown;           /* JSON strings joined by commas: members that the API model does not know */
    struct span fixture;           /* its label; empty: none */
    struct span miss;              /* JSON list of near misses; empty: none */
    const char *faults;            /* JSON array; NULL: none */
    const char *ignored;           /* a static sentence on what the request asked in vain; NULL: nothing */
    const char *verdict;           /* static: "valid", or why the signature is not */
    int status;                    /* 0: not known yet; journal_answered() will say */
};
/* Scratch memory is the caller's, to be used again. NULL: the journal is off, or out of memory. */
struct entry *journal_begin(struct journal *j, const struct journal_record *record, struct buf *scratch);
/* The answer of a request that went on to a real endpoint, before journal_end: its status, and what is told of it,
 * a JSON object (NULL: nothing). NULL is fine as an entry. */
void journal_answered(struct journal *j, struct entry *entry, int status, const char *upstream);
/* `take`, a JSON object, becomes its member `bidirectional`; before journal_end. NULL entry is fine. */
void journal_add(struct journal *j, struct entry *entry, struct buf *take);
/* Once for each entry that journal_begin gave; it belongs to the journal from then on. NULL is fine. */
void journal_end(struct journal *j, struct entry *entry, const struct delivery *d);
/* Entries that run vanish too; numbers go on. `session`: only its entries ("": those of the main one); NULL: all. */
void journal_reset(struct journal *j, const char *session);

/* Somebody follows it: each entry that ends waits for journal_follow(), whatever happens to it in the journal. Those that
 * it would have to wait for beyond 64 MiB of them are lost to the follower, and counted; so no request ever waits. */
void journal_follow_start(struct journal *j);
/* No more: what waits is given out, then journal_follow() says false. */
void journal_follow_stop(struct journal *j);
/* Waits for entries and appends them to out, each a JSON object on a line, in the order of their ends. False: stopped. For
 * one thread. *count: how many. */
bool journal_follow(struct journal *j, struct buf *out, uint64_t *count);

/* Which entries a reader wants; zeroed: all. Strings are borrowed; all but `session` may be globs (* and ?). */
struct journal_filter {
    uint64_t since;      /* numbers above this one */
    uint64_t only;       /* this number; 0: any */
    const char *session; /* "": those of the main one; NULL: all */
    const char *operation, *model, *verdict, *source, *fixture;
    int status_from, status_to; /* of the reply, both included; 0: any */
};
/* Append {"entries":[...],"next":N,"dropped":n} of those that pass, at most `limit` (0: all of them). With a limit that was
 * met, "next" is the number of the last one printed and "more" is true: ask again with it as `since`. */
void journal_print(struct journal *j, const struct journal_filter *filter, size_t limit, struct buf *out);
/* One entry. False: there is none of that number. */
bool journal_print_one(struct journal *j, uint64_t seq, struct buf *out);

/* An entry as matchers want it; borrowed while fn runs. */
struct journal_seen {
    uint64_t seq;
    struct span method, target, operation, model, session, body;
    struct span signature;             /* JSON */
    const struct http_field *fields;   /* with secrets taken out */
    size_t field_count;
    const char *source, *verdict;
    int status;
};
/* fn for every entry that passes, running ones too, without the lock. False: out of memory. *last: the newest number. */
bool journal_each(struct journal *j, const struct journal_filter *filter,
                  void (*fn)(void *ctx, const struct journal_seen *e), void *ctx, uint64_t *last) MUST_USE;

struct journal_stats {
    uint64_t bytes, limit, entries, dropped, last;
    uint64_t unfollowed; /* lost to the follower */
};
void journal_stats(struct journal *j, struct journal_stats *out);

/* Somebody who waits until `count` entries that pass have ended. Owned by the waiter, in place while it waits. */
struct journal_wait {
    struct journal_filter filter;
    size_t count;
    bool begun; /* those that have only begun count, too */
    struct loop *loop;
    void (*ready)(void *ctx); /* once, on `loop` */
    void *ctx;
    size_t have;
    bool waiting, posted;
    struct journal_wait *next;
};
/* True: there are enough already, nothing will be called. */
bool journal_pass(struct journal *j, struct journal_wait *w);
/* No longer waiting. True: ready() was posted before and will still be called. */
bool journal_forget(struct journal *j, struct journal_wait *w);

#endif
