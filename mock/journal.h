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

/* What an entry is made of; borrowed until journal_begin returns. */
struct journal_record {
    const struct http_request *request;
    const char *operation, *model; /* NULL: none */
    struct span signature;         /* a JSON object */
    struct span canaries;          /* JSON objects joined by commas */
    struct span refusal;           /* a JSON object; empty: the request is valid */
    bool unjudged;                 /* it was refused before anybody looked at its body */
    const char *source;            /* "script", "fixture", "default", "refusal", "miss", "error" */
    const char *session;           /* NULL: the main one */
    struct span fixture;           /* its label; empty: none */
    struct span miss;              /* JSON list of near misses; empty: none */
    const char *faults;            /* JSON array; NULL: none */
    const char *ignored;           /* a static sentence on what the request asked in vain; NULL: nothing */
    int status;
};
/* Scratch memory is the caller's, to be used again. NULL: the journal is off, or out of memory. */
struct entry *journal_begin(struct journal *j, const struct journal_record *record, struct buf *scratch);
/* Once for each entry that journal_begin gave; it belongs to the journal from then on. NULL is fine. */
void journal_end(struct journal *j, struct entry *entry, const struct delivery *d);
/* Entries that run vanish too; numbers go on. `session`: only its entries ("": those of the main one); NULL: all. */
void journal_reset(struct journal *j, const char *session);

/* Append {"entries":[...],"next":N,"dropped":n} of all entries behind `since`, of that session or of all (NULL). */
void journal_print(struct journal *j, uint64_t since, const char *session, struct buf *out);

/* Somebody who waits until `count` entries behind `since` have ended. Owned by the waiter, in place while it waits. */
struct journal_wait {
    uint64_t since;
    size_t count;
    const char *session; /* count its entries; NULL: all */
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
