/* Workers count alone and are added up at the end, so nothing here locks. Errors are few kinds and many instances: rows
 * found by a short scan, each with its first three examples, since one real message explains more than a thousand
 * counts. The examples are bytes of the peer, who may quote our credentials back at us; they are masked here, when
 * captured.
 */
#include "harness/bench/tally.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

/* ---- names ---- */

#define NAME_OF(table, i) ((size_t)(i) < COUNT_OF(table) ? (table)[(size_t)(i)] : "?")

static const char *const dialects[] = {"get", "openai.chat", "bedrock.converse"};
static const char *const sides[] = {"target", "direct"};
static const char *const metrics[] = {"connect",      "ttfb",          "ttft",     "ttst",     "itl",
                                      "tpot",         "e2e",           "service",  "lateness", "transit_up",
                                      "transit_down", "transit_frame", "upstream", "queue"};
static const char *const classes[] = {"connect", "reset", "timeout", "status", "protocol", "truncated", "in_stream"};
static const char *const cadences[] = {"unjudged", "streamed", "coalesced", "bursty", "buffered"};
static const char *const kinds[] = {"text", "reasoning", "tool"};
static const char *const verdicts[] = {"measured", "inconclusive", "nothing", "interrupted", "died", "saturated"};
static_assert(COUNT_OF(metrics) == BENCH_METRICS, "a name for every metric");

const char *bench_dialect_name(enum bench_dialect d)
{
    return NAME_OF(dialects, d);
}

const char *bench_side_name(enum bench_side side)
{
    return NAME_OF(sides, side);
}

const char *bench_metric_name(enum bench_metric m)
{
    return NAME_OF(metrics, m);
}

const char *bench_class_name(enum bench_class c)
{
    return NAME_OF(classes, c);
}

const char *bench_cadence_name(enum bench_cadence c)
{
    return NAME_OF(cadences, c);
}

const char *bench_kind_name(int kind)
{
    return NAME_OF(kinds, kind);
}

const char *bench_verdict_name(enum bench_verdict v)
{
    return NAME_OF(verdicts, v);
}

bool bench_dialect_from_name(const char *name, enum bench_dialect *out)
{
    for (size_t i = 0; i < COUNT_OF(dialects); i++) {
        if (strcmp(dialects[i], name) == 0) {
            *out = (enum bench_dialect)i;
            return true;
        }
    }
    return false;
}

const char *bench_metric_clock(enum bench_metric m, const struct bench_config *config)
{
    bool from_intended = m == BENCH_TTFB || m == BENCH_TTFT || m == BENCH_TTST || m == BENCH_E2E || m == BENCH_LATENESS;
    return config->rate > 0 && from_intended ? "intended" : "actual";
}

/* ---- birth, death, sum ---- */

enum err tally_init(struct bench_tally *t)
{
    memset(t, 0, sizeof *t);
    for (int i = 0; i < BENCH_METRICS; i++) {
        t->metrics[i] = hist_new();
        if (t->metrics[i] == NULL)
            return ERR_NOMEM;
    }
    return OK;
}

void tally_release(struct bench_tally *t)
{
    if (t == NULL)
        return;
    for (int i = 0; i < BENCH_METRICS; i++)
        hist_free(&t->metrics[i]);
    free(t->seconds);
    t->seconds = NULL;
    t->second_count = t->second_cap = 0;
}

static void merge_stream(struct bench_stream *into, const struct bench_stream *from)
{
    uint64_t max = into->content_max > from->content_max ? into->content_max : from->content_max;
    /* Nothing but counters, so it is added as an array of them. */
    uint64_t *a = (uint64_t *)into;
    const uint64_t *b = (const uint64_t *)from;
    static_assert(sizeof *into % sizeof *a == 0, "bench_stream holds uint64_t only");
    for (size_t i = 0; i < sizeof *into / sizeof *a; i++)
        a[i] += b[i];
    into->content_max = max;
}

static struct bench_error *error_row(struct bench_tally *t, enum bench_class class, const char *code, const char *phase)
{
    for (size_t i = 0; i < t->error_count; i++) {
        struct bench_error *e = &t->errors[i];
        if (e->class == class && strcmp(e->code, code) == 0 && strcmp(e->phase, phase) == 0)
            return e;
    }
    if (t->error_count == BENCH_ERRORS_MAX)
        return &t->errors[BENCH_ERRORS_MAX - 1];
    struct bench_error *e = &t->errors[t->error_count++];
    memset(e, 0, sizeof *e);
    e->class = class;
    (void)snprintf(e->code, sizeof e->code, "%s", t->error_count == BENCH_ERRORS_MAX ? "and_others" : code);
    e->phase = phase;
    return e;
}

static void merge_errors(struct bench_tally *into, const struct bench_tally *from)
{
    for (size_t i = 0; i < from->error_count; i++) {
        const struct bench_error *e = &from->errors[i];
        struct bench_error *row = error_row(into, e->class, e->code, e->phase);
        row->count += e->count;
        for (size_t k = 0, free_at = 0; k < BENCH_EXAMPLES && e->examples[k][0] != '\0'; k++) {
            while (free_at < BENCH_EXAMPLES && row->examples[free_at][0] != '\0')
                free_at++;
            if (free_at < BENCH_EXAMPLES)
                memcpy(row->examples[free_at], e->examples[k], BENCH_EXAMPLE_BYTES);
        }
    }
}

static struct bench_second *second_at(struct bench_tally *t, uint64_t second)
{
    if (second >= BENCH_SECONDS_MAX) {
        t->seconds_cut = true;
        return NULL;
    }
    if (second >= t->second_cap) {
        size_t cap = t->second_cap == 0 ? 16 : 2 * t->second_cap;
        while (cap <= second)
            cap *= 2;
        struct bench_second *seconds = realloc(t->seconds, cap * sizeof *seconds);
        if (seconds == NULL) {
            t->seconds_cut = true;
            return NULL;
        }
        memset(seconds + t->second_cap, 0, (cap - t->second_cap) * sizeof *seconds);
        t->seconds = seconds;
        t->second_cap = cap;
    }
    if (second >= t->second_count)
        t->second_count = second + 1;
    return &t->seconds[second];
}

static void merge_seconds(struct bench_tally *into, const struct bench_tally *from)
{
    for (size_t i = 0; i < from->second_count; i++) {
        const struct bench_second *f = &from->seconds[i];
        struct bench_second *s = second_at(into, i);
        if (s == NULL)
            return;
        s->completed += f->completed;
        s->errors += f->errors;
        for (size_t k = 0; k < BENCH_FINE_COUNTS; k++)
            s->counts[k] += f->counts[k];
    }
    into->seconds_cut |= from->seconds_cut;
}

static void merge_counters(struct bench_tally *into, const struct bench_tally *from)
{
    into->planned += from->planned;
    into->sent += from->sent;
    into->dropped += from->dropped;
    into->completed += from->completed;
    into->failed += from->failed;
    into->abandoned += from->abandoned;
    into->in_window += from->in_window;
    into->bytes_up += from->bytes_up;
    into->bytes_down += from->bytes_down;
    into->connects += from->connects;
    into->reads += from->reads;
    if (from->measured_ns > into->measured_ns) /* workers run side by side */
        into->measured_ns = from->measured_ns;
}

void tally_reset(struct bench_tally *t)
{
    struct bench_tally kept = *t;
    memset(t, 0, sizeof *t);
    for (int i = 0; i < BENCH_METRICS; i++) {
        t->metrics[i] = kept.metrics[i];
        if (t->metrics[i]->count > 0)
            hist_reset(t->metrics[i]);
    }
    t->seconds = kept.seconds;
    t->second_cap = kept.second_cap;
    if (kept.second_count > 0)
        memset(t->seconds, 0, kept.second_count * sizeof *t->seconds);
}

void tally_merge(struct bench_tally *into, const struct bench_tally *from)
{
    for (int i = 0; i < BENCH_METRICS; i++)
        hist_merge(into->metrics[i], from->metrics[i]);
    merge_counters(into, from);
    merge_stream(&into->stream, &from->stream);
    merge_errors(into, from);
    merge_seconds(into, from);
}

double bench_achieved_rate(const struct bench_tally *t)
{
    return t->measured_ns == 0 ? 0 : (double)t->in_window * 1e9 / (double)t->measured_ns;
}

/* ---- errors ---- */

/* How a credential stands behind the word that announces it. */
enum announced {
    SECRET_ADJACENT, /* right behind it, or quoted: what it announces is nothing else */
    SECRET_NAMED,    /* behind it; or the word is in a sentence ("Bearer token is missing") and no credential follows */
    SECRET_FIELD     /* behind it, a colon and perhaps a scheme, up to the end of the value */
};

#define APART  " :=\"'\\" /* between a name and its value, also in JSON within JSON */
#define VALUE  " ,;&\"'\\<>}"
#define FIELD  ";\"'\\<>}"

/* True when the word at p is what sentences about credentials go on with: those are no secrets. */
static bool is_prose(const char *p)
{
    static const char words[] = "token tokens header headers field auth authentication authorization scheme schemes "
                                "credential credentials key keys format prefix realm value is was are or and not in of "
                                "for has must required missing invalid expired";
    unsigned char word[16];
    size_t n = strcspn(p, VALUE ".:=");
    bool ends = strchr(" ,;\"'\\<}", p[n]) != NULL || (p[n] == '.' && strchr(" \"'\\<", p[n + 1]) != NULL);
    if (!ends || n > sizeof word)
        return false;
    for (size_t i = 0; i < n; i++)
        word[i] = (unsigned char)tolower((unsigned char)p[i]);
    return span_in_words((struct span){word, n}, words, ' ');
}

static char *mask_until(char *p, const char *end)
{
    for (; *p != '\0' && strchr(end, *p) == NULL; p++)
        *p = '*';
    return p;
}

static char *mask_after(char *p, enum announced how)
{
    size_t apart = strspn(p, APART);
    bool told = memchr(p, ':', apart) != NULL || memchr(p, '=', apart) != NULL;
    if (how == SECRET_FIELD && !told)
        return p;
    p += apart;
    if (how == SECRET_NAMED && !told && is_prose(p))
        return p;
    if (how != SECRET_FIELD)
        return mask_until(p, VALUE);
    size_t scheme = strcspn(p, FIELD " ,");
    return mask_until(p[scheme] == ' ' ? p + scheme + 1 : p, FIELD);
}

void tally_mask_secrets(char *text)
{
    static const struct {
        const char *word;
        enum announced how;
    } rows[] = {{"Authorization", SECRET_FIELD},   {"Bearer ", SECRET_NAMED},      {"Basic ", SECRET_NAMED},
                {"Signature=", SECRET_ADJACENT},   {"Credential=", SECRET_ADJACENT}, {"X-Amz-Security-Token", SECRET_NAMED},
                {"sk-", SECRET_ADJACENT},          {"AKIA", SECRET_ADJACENT},      {"ASIA", SECRET_ADJACENT},
                {"bedrock-api-key-", SECRET_ADJACENT}, {"api_key", SECRET_NAMED},  {"api-key", SECRET_NAMED}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (char *p = text; (p = strcasestr(p, rows[i].word)) != NULL;)
            p = mask_after(p + strlen(rows[i].word), rows[i].how);
}

void tally_error(struct bench_tally *t, enum bench_class class, const char *code, const char *phase, uint64_t id,
                 struct span seen)
{
    struct bench_error *e = error_row(t, class, code, phase);
    if (e->count++ >= BENCH_EXAMPLES)
        return;
    char raw[BENCH_EXAMPLE_BYTES * 2];
    size_t n = seen.n < sizeof raw - 1 ? seen.n : sizeof raw - 1;
    for (size_t i = 0; i < n; i++)
        raw[i] = isprint(seen.p[i]) ? (char)seen.p[i] : ' ';
    raw[n] = '\0';
    tally_mask_secrets(raw); /* before the cut, which may hide the word that announces a secret's rest */
    (void)snprintf(e->examples[e->count - 1], BENCH_EXAMPLE_BYTES, "request %016llx%s%.150s", (unsigned long long)id,
                   n > 0 ? ": " : "", raw);
}

/* ---- the series ---- */

/* 32 steps per doubling, all of them below an hour. */
static uint32_t fine_index(uint64_t ns)
{
    if (ns > HIST_MAX_NS)
        ns = HIST_MAX_NS;
    unsigned bucket = 58u - (unsigned)__builtin_clzll(ns | 63);
    return (uint32_t)((bucket << 5) + (ns >> bucket));
}

static uint64_t fine_high(uint32_t index)
{
    if (index < 64)
        return index;
    unsigned bucket = (index >> 5) - 1;
    return (((uint64_t)((index & 31) + 32) + 1) << bucket) - 1;
}

void tally_second(struct bench_tally *t, uint64_t second, bool good, uint64_t e2e_ns)
{
    struct bench_second *s = second < t->second_count ? &t->seconds[second] : second_at(t, second);
    if (s == NULL)
        return;
    if (!good) {
        s->errors++;
        return;
    }
    static_assert(BENCH_FINE_COUNTS > 36 * 32 + 63, "an hour has 42 bits: 36 doublings above the linear steps");
    s->completed++;
    s->counts[fine_index(e2e_ns)]++;
}

uint64_t bench_second_quantile(const struct bench_second *s, double q)
{
    uint64_t n = 0, seen = 0;
    for (uint32_t i = 0; i < BENCH_FINE_COUNTS; i++)
        n += s->counts[i];
    for (uint32_t i = 0; i < BENCH_FINE_COUNTS; i++) {
        seen += s->counts[i];
        if (seen > 0 && (double)seen >= q * (double)n)
            return fine_high(i);
    }
    return 0;
}
