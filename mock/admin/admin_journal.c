/* admin_journal.c: reading the journal over the admin API, now or when enough has happened.
 *
 * The query is a table of names; one that nobody knows is refused, as a slip of the pen would otherwise show
 * everything.
 */
#include "mock/admin/admin_wait.h"

#include <ctype.h>
#include <stdlib.h>

#include "mock/operations.h"
#include "protocol/glob.h"
#include "protocol/sigv4.h"

struct query {
    struct journal *journal;
    struct sessions *sessions;
    struct journal_filter filter;
    uint64_t count, timeout_ms, limit;
    bool has_session;
    char session[SESSION_NAME_MAX + 1];
    char *texts[5]; /* what the filter's globs point to */
};

static void query_free(void *ctx)
{
    struct query *q = ctx;
    for (size_t i = 0; i < COUNT_OF(q->texts); i++)
        free(q->texts[i]);
    free(q);
}

static void query_free_ptr(struct query **q)
{
    if (*q != NULL)
        query_free(*q);
}

/* ---- reading the query ---- */

static enum err read_number(struct span value, const char *name, uint64_t *out, struct note *note)
{
    uint64_t n = 0;
    bool good = value.n > 0;
    for (size_t i = 0; good && i < value.n; i++) {
        good = value.p[i] >= '0' && value.p[i] <= '9' && n <= UINT64_MAX / 16;
        n = n * 10 + (uint64_t)(value.p[i] - '0');
    }
    *out = n;
    return good ? OK : note_set(note, ERR_INVALID, "?%s: expected a number", name);
}

bool admin_status(struct span value, int *from, int *to)
{
    const unsigned char *p = value.p;
    bool family = value.n == 3 && tolower(p[1]) == 'x' && tolower(p[2]) == 'x';
    if (value.n != 3 || p[0] < '1' || p[0] > '5' || (!family && (!isdigit(p[1]) || !isdigit(p[2]))))
        return false;
    *from = (p[0] - '0') * 100 + (family ? 0 : (p[1] - '0') * 10 + (p[2] - '0'));
    *to = *from + (family ? 99 : 0);
    return true;
}

/* As read_word() says of the words that are few. */
static enum err read_operation(const char *word, struct note *note)
{
    const char *near;
    if (glob_is(word) || operation_is_known(word, &near))
        return OK;
    return note_set(note, ERR_INVALID, "?operation: there is no operation \"%.80s\"%s%s%s", word,
                    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

/* A word that no entry can have is a slip of the pen; a glob may fit what it likes. */
static enum err read_word(const char *name, const char *word, struct note *note)
{
    const char *known[SIGV4_REASONS + SOURCES];
    size_t n = 0;
    if (strcmp(name, "operation") == 0)
        return read_operation(word, note);
    if (strcmp(name, "source") == 0)
        for (; n + 1 < SOURCES; n++)
            known[n] = source_name((enum source)(n + 1));
    else if (strcmp(name, "verdict") == 0)
        for (; n < SIGV4_REASONS; n++)
            known[n] = n == SIGV4_OK ? "valid" : sigv4_reason_name((enum sigv4_reason)n);
    bool found = n == 0 || glob_is(word);
    for (size_t i = 0; i < n; i++)
        found = found || strcmp(known[i], word) == 0;
    if (found)
        return OK;
    const char *near = nearest_word(word, known, n);
    return note_set(note, ERR_INVALID, "?%s: no entry has \"%.60s\"%s%s%s", name, word,
                    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static enum err read_pair(struct query *q, struct span key, struct span value, struct note *note)
{
    static const char *const numbers[] = {"since", "count", "timeout_ms", "limit"};
    static const char *const texts[] = {"operation", "model", "verdict", "source", "fixture"};
    static const char *const known[] = {"since",   "count",  "timeout_ms", "limit",  "operation", "model",
                                        "verdict", "source", "fixture",    "status", "session"};
    uint64_t *const number[] = {&q->filter.since, &q->count, &q->timeout_ms, &q->limit};
    const char **const text[] = {&q->filter.operation, &q->filter.model, &q->filter.verdict, &q->filter.source,
                                 &q->filter.fixture};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (!span_is(key, numbers[i]))
            continue;
        enum err e = read_number(value, numbers[i], number[i], note);
        return e == OK && number[i] == &q->limit && q->limit == 0
                   ? note_set(note, ERR_INVALID, "?limit: expected a number from 1; without it, all")
                   : e;
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!span_is(key, texts[i]))
            continue;
        CLEANUP(buf_release) struct buf plain = BUF_INIT(BUF_ANY);
        if (value.n == 0 || uri_decode(value, &plain) != OK)
            return note_set(note, ERR_INVALID, "?%s: expected a value, with percent escapes", texts[i]);
        free(q->texts[i]);
        *text[i] = q->texts[i] = buf_take(&plain);
        return q->texts[i] != NULL ? read_word(texts[i], q->texts[i], note)
                                   : note_set(note, ERR_NOMEM, "out of memory");
    }
    if (span_is(key, "status"))
        return admin_status(value, &q->filter.status_from, &q->filter.status_to)
                   ? OK
                   : note_set(note, ERR_INVALID, "?status: expected a status as 429, or 4xx");
    if (span_is(key, "session")) /* admin_session_name() has read it */
        return OK;
    CLEANUP(free_ptr) char *word = span_dup(span_cut(key, 0, 40));
    const char *near = word == NULL ? NULL : nearest_word(word, known, COUNT_OF(known));
    return note_set(note, ERR_INVALID, "?%s: nobody knows this key%s%s%s", word != NULL ? word : "",
                    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static enum err read_query(const struct admin_call *c, struct query *q, struct note *note)
{
    struct span pair, rest = c->request->query, key;
    q->journal = c->mock->journal;
    q->sessions = c->mock->sessions;
    q->timeout_ms = 10000;
    enum err e = admin_session_name(c, &q->has_session, q->session, note);
    for (bool more = e == OK && rest.n > 0; more && e == OK;) {
        struct span value = SPAN_EMPTY;
        more = span_split(rest, '&', &pair, &rest);
        (void)span_split(pair, '=', &key, &value);
        if (pair.n > 0)
            e = read_pair(q, key, value, note);
    }
    q->filter.session = q->has_session ? q->session : NULL;
    if (e == OK && q->timeout_ms > WAIT_MS_MAX)
        e = note_set(note, ERR_INVALID, "?timeout_ms: expected at most %d", WAIT_MS_MAX);
    return e;
}

/* ---- answering ---- */

/* The entries. An empty list is the answer for a session that nobody has named, too; so that a slip of the pen does not look like
 * silence, it says so. */
static void print(const struct query *q, struct buf *out)
{
    CLEANUP(session_drop) struct session *s = NULL;
    journal_print(q->journal, &q->filter, (size_t)q->limit, out);
    if (!q->has_session || out->len == 0 || sessions_find(q->sessions, span_of(q->session), &s, NULL) != ERR_UNKNOWN)
        return;
    out->len--; /* the last brace */
    buf_adds(out, ",\"unknown_session\":true}");
}

static struct plan *look(void *ctx, struct journal_wait *wait, bool last)
{
    (void)wait, (void)last;
    struct query *q = ctx;
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    print(q, &out);
    return admin_plan(200, &out);
}

static enum err get_journal(struct admin_call *c, struct note *note)
{
    CLEANUP(query_free_ptr) struct query *q = calloc(1, sizeof *q);
    enum err e = q == NULL ? note_set(note, ERR_NOMEM, "out of memory") : read_query(c, q, note);
    if (e != OK)
        return e;
    if (q->count == 0 || q->timeout_ms == 0) {
        print(q, &c->out);
        return OK;
    }
    struct admin_question ask = {.wait = {.filter = q->filter, .count = (size_t)q->count},
                                 .timeout_ms = q->timeout_ms,
                                 .look = look,
                                 .ctx = q,
                                 .ctx_free = query_free};
    q = NULL;
    return admin_wait(c, &ask, note);
}

/* GET /journal/17 */
static enum err get_entry(struct admin_call *c, struct note *note)
{
    uint64_t seq = 0;
    struct span number = span_from(c->request->path, strlen("/journal/"));
    if (read_number(number, "", &seq, NULL) != OK)
        return note_set(note, ERR_INVALID, "/journal/: expected the number of an entry behind it");
    if (journal_print_one(c->mock->journal, seq, &c->out))
        return OK;
    struct journal_stats s;
    journal_stats(c->mock->journal, &s);
    c->status = 404;
    return note_set(note, ERR_UNKNOWN, "the journal has no entry %llu; the newest is %llu, and %llu were dropped",
                    (unsigned long long)seq, (unsigned long long)s.last, (unsigned long long)s.dropped);
}

static void forget(struct mock *m)
{
    journal_reset(m->journal, NULL);
}

static const struct admin_row rows[] = {{"GET", "/journal", get_journal}, {"GET", "/journal/", get_entry}};

const struct admin_table mock_admin_journal = {rows, COUNT_OF(rows), "journal", forget};
