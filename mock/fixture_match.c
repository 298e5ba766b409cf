/* fixture_match.c: which fixture answers, and when none does, which came nearest and why it did not.
 *
 * Choosing walks the fixtures of the request's operation in their order and stops at the first that holds; what is used
 * up is counted in atomics of the session, so choosing takes no lock. `nth` counts the requests that met the rest of a
 * match, whoever answered them: that makes three fixtures with nth 1, 2 and 3 mean what they seem to. So those behind
 * the one that answers are looked at, too, but only they.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mock/fixture_set.h"

/* The how-many-th request it is that this fixture could answer; 0: none, it is used up. */
static uint64_t use(const struct fixture *f, struct session_counters *c)
{
    int64_t most = fixture_answers(f);
    if (c == NULL || (most == SCRIPT_ALWAYS && f->count == 1))
        return fixture_hits(f) + 1; /* nothing hangs on it but {{nth}} */
    uint64_t n = atomic_fetch_add_explicit(&c->counts[FIXTURE_ANSWERED(f->order)], 1, memory_order_relaxed) + 1;
    return most != SCRIPT_ALWAYS && n > (uint64_t)most ? 0 : n;
}

static bool number_holds(const cJSON *matcher, uint64_t n)
{
    CLEANUP(json_free) cJSON *item = matcher == NULL ? NULL : json_new_int((int64_t)n);
    return matcher == NULL || match(matcher, item, NULL, NULL);
}

/* Count a request that met the rest of the match; whether it is the one that nth wants. */
static bool count_match(const struct fixture *f, struct session_counters *c)
{
    if (f->nth == NULL)
        return true;
    if (c == NULL)
        return false;
    return number_holds(f->nth,
                        atomic_fetch_add_explicit(&c->counts[FIXTURE_MATCHED(f->order)], 1, memory_order_relaxed) + 1);
}

static const cJSON *reply_of(const struct fixture *f, uint64_t nth)
{
    uint64_t i = nth - 1;
    if (i >= f->count)
        i = f->then == FIXTURE_CYCLE ? i % f->count : f->count - 1;
    return f->replies[i];
}

struct choice {
    struct session_counters *counters;
    const cJSON *subject;
    uint64_t call;
    struct fixture_hit *out;
    bool found;
};

static void consider(struct choice *c, const struct fixture *f)
{
    if (c->found && f->nth == NULL)
        return;
    if (!subject_matches(f->match, fixture_match_more, c->subject))
        return;
    bool wanted = count_match(f, c->counters);
    if (c->found || !wanted || !number_holds(f->call, c->call))
        return;
    uint64_t nth = use(f, c->counters);
    if (nth == 0)
        return;
    c->found = true;
    *c->out = (struct fixture_hit){f, reply_of(f, nth), nth, c->call};
    atomic_fetch_add_explicit(f->hits, 1, memory_order_relaxed);
}

/* Fixtures with `nth` may stand behind the one that answers. */
static bool has_done(const struct fixture_set *set, const struct choice *c)
{
    return c->found && !set->counts;
}

static const struct fixture_operation *operation_list(const struct fixture_set *set, const char *name)
{
    for (size_t i = 0; name != NULL && i < set->operation_count; i++)
        if (strcmp(set->operations[i].name, name) == 0)
            return &set->operations[i];
    return NULL;
}

bool fixture_set_take(struct fixture_set *set, struct session *session, const cJSON *subject, struct fixture_hit *out)
{
    *out = (struct fixture_hit){0};
    if (set == NULL || set->count == 0)
        return false;
    CLEANUP(session_counters_drop) struct session_counters *counters =
        set->counts ? session_counters(session, set->generation, 2 * set->count) : NULL;
    struct choice c = {counters, subject, session_count_call(session), out, false};
    out->call = c.call;
    const struct fixture_operation *o = operation_list(set, json_str(subject, "operation"));
    size_t n = o != NULL ? o->count : set->count;
    for (size_t i = 0; i < n && !has_done(set, &c); i++)
        consider(&c, &set->list[o != NULL ? o->list[i] : i]);
    return c.found;
}

/* ---- near misses ---- */

static void note_counter(struct subject_miss *m, const char *member, const char *expected, uint64_t n)
{
    (void)snprintf(m->member, sizeof m->member, "%s", member);
    (void)snprintf(m->why.pointer, sizeof m->why.pointer, "/%s", member);
    (void)snprintf(m->why.expected, sizeof m->why.expected, "%s", expected);
    (void)snprintf(m->why.observed, sizeof m->why.observed, "%llu", (unsigned long long)n);
    m->failed = 1;
}

/* Everything in its match held: then it was used up, or its turn is another. */
static void explain_counters(const struct fixture *f, struct session_counters *c, uint64_t call, struct subject_miss *m)
{
    char expected[128];
    uint64_t matched = c == NULL ? 0 : atomic_load(&c->counts[FIXTURE_MATCHED(f->order)]);
    if (f->nth != NULL && !number_holds(f->nth, matched)) {
        match_abbreviate(f->nth, expected, sizeof expected);
        note_counter(m, "nth", expected, matched);
    } else if (f->call != NULL && !number_holds(f->call, call)) {
        match_abbreviate(f->call, expected, sizeof expected);
        note_counter(m, "call", expected, call);
    } else {
        uint64_t most = (uint64_t)fixture_answers(f), used = c == NULL ? 0 : atomic_load(&c->counts[FIXTURE_ANSWERED(f->order)]);
        (void)snprintf(expected, sizeof expected, "at most %llu answers, and they were given", (unsigned long long)most);
        note_counter(m, f->count > 1 ? "sequence" : "times", expected, used);
    }
}

/* Fewer members in the way is nearer, and any other member rather than the operation; then, more that held. */
static bool is_nearer(const struct subject_miss *a, const struct subject_miss *b)
{
    unsigned x = 2 * a->failed + (strcmp(a->member, "operation") == 0);
    unsigned y = 2 * b->failed + (strcmp(b->member, "operation") == 0);
    return x != y ? x < y : a->held > b->held;
}

static size_t insert(struct fixture_near *out, size_t n, const struct fixture_near *one)
{
    size_t at = n;
    while (at > 0 && is_nearer(&one->miss, &out[at - 1].miss))
        at--;
    if (at == FIXTURE_NEAREST_MAX)
        return n;
    size_t last = n < FIXTURE_NEAREST_MAX ? n : FIXTURE_NEAREST_MAX - 1;
    memmove(&out[at + 1], &out[at], (last - at) * sizeof *out);
    out[at] = *one;
    return last + 1;
}

size_t fixture_set_nearest(struct fixture_set *set, struct session *session, const cJSON *subject,
                           struct fixture_near out[FIXTURE_NEAREST_MAX])
{
    if (set == NULL || set->count == 0)
        return 0;
    CLEANUP(session_counters_drop) struct session_counters *counters =
        set->counts ? session_counters(session, set->generation, 2 * set->count) : NULL;
    uint64_t call = session_calls(session);
    size_t n = 0;
    for (size_t i = 0; i < set->count; i++) {
        struct fixture_near one = {.fixture = &set->list[i]};
        if (!subject_explain(one.fixture->match, fixture_match_more, subject, &one.miss))
            explain_counters(one.fixture, counters, call, &one.miss);
        n = insert(out, n, &one);
    }
    return n;
}

void fixture_near_sentence(const struct fixture_near *near, size_t n, struct buf *out)
{
    if (n == 0) {
        buf_adds(out, "no fixtures are loaded");
        return;
    }
    const struct subject_miss *m = &near[0].miss;
    buf_adds(out, "the nearest is ");
    fixture_label(near[0].fixture, out);
    buf_addf(out, ", whose %s does not hold", m->member);
    if (m->failed > 1)
        buf_addf(out, " (nor %u more)", m->failed - 1);
    buf_addf(out, ": at %s expected %.300s, got %.300s", m->why.pointer[0] == '\0' ? "the request" : m->why.pointer,
             m->why.expected, m->why.observed);
}

void fixture_near_json(const struct fixture_near *near, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct subject_miss *m = &near[i].miss;
        const struct {
            const char *key, *value;
        } members[] = {{"member", m->member}, {"at", m->why.pointer}, {"expected", m->why.expected}, {"got", m->why.observed}};
        CLEANUP(buf_release) struct buf label = BUF_INIT(BUF_ANY);
        fixture_label(near[i].fixture, &label);
        buf_adds(out, i == 0 ? "[{\"fixture\":" : ",{\"fixture\":");
        json_quote(buf_span(&label), out);
        buf_addf(out, ",\"held\":%u,\"failed\":%u", m->held, m->failed);
        for (size_t k = 0; k < COUNT_OF(members); k++) {
            buf_addf(out, ",\"%s\":", members[k].key);
            json_quote(span_of(members[k].value), out);
        }
        buf_addc(out, '}');
    }
    buf_adds(out, n > 0 ? "]" : "[]");
}
