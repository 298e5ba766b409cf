/* journal_entry.h: one entry of the journal, how it is made and how it reads; for journal.c alone.
 *
 * An entry is one allocation: itself, the table of its headers, and its bytes, of which everything in it is a piece. What
 * changes while it runs (status, delivery, upstream, late) is the journal's, under its lock.
 */
#ifndef MOHS_MOCK_JOURNAL_ENTRY_H
#define MOHS_MOCK_JOURNAL_ENTRY_H

#include "mock/admin/journal.h"
#include "protocol/sigv4.h"

struct piece {
    size_t at, n;
};

enum {
    PIECE_METHOD,
    PIECE_TARGET,
    PIECE_OPERATION,
    PIECE_MODEL,
    PIECE_BODY,
    PIECE_SIGNATURE,
    PIECE_CANARIES,
    PIECE_REFUSAL,
    PIECE_FAULTS,
    PIECE_SESSION,
    PIECE_FIXTURE,
    PIECE_MISS,
    PIECE_UNKNOWN,
    PIECE_COUNT
};

struct entry {
    struct entry *prev, *next; /* by number */
    struct entry *later;       /* by end */
    struct entry *follows;     /* by end, too: what the follower has not seen yet */
    unsigned refs;             /* under the lock: the lists, the running exchange, readers */
    bool listed, ended, unjudged, good;
    uint64_t seq, received_at_ns, connection, on_connection;
    unsigned http_version;
    int status;
    const char *source, *ignored, *verdict; /* static */
    char *upstream;                         /* JSON; NULL: none */
    struct delivery delivery;
    size_t size;
    struct piece pieces[PIECE_COUNT];
    size_t header_count;
    struct piece *headers; /* name, value, name, value */
    struct buf late;       /* journal_add; until journal_end the exchange's alone */
    char *bytes;
};

static inline struct span entry_text(const struct entry *e, struct piece p)
{
    return (struct span){(const unsigned char *)e->bytes + p.at, p.n};
}

/* With secrets taken out, and two references. Scratch memory is the caller's. NULL: out of memory. */
struct entry *entry_new(const struct journal_record *r, struct buf *scratch);

/* What changes in an entry while it runs. */
struct entry_state {
    struct delivery delivery;
    bool ended;
    int status;
    const char *upstream; /* lives as long as the entry */
};

/* Append it as a JSON object; the lock need not be held. */
void entry_print(const struct entry *e, const struct entry_state *d, struct sigv4 *hasher, struct buf *out);

#endif
