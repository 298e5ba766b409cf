/* time.c: see time.h.
 *
 * A gateway that is tuned against constant waits is tuned against something that does not exist: models answer with
 * long tails, slower when they are busy, slower at some hours. All of that is a function of a few numbers and of the
 * request.
 */
#include "mock/time/time.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/buf.h"

#define DAY_MS   86400000.0
#define NS_OF_MS 1e6
#define FILE_MAX ((size_t)32 << 20)
#define Z_OF_P99 2.3263478740408408 /* the 99th percentile of the standard normal distribution */
#define FORMS                                                                                                          \
    "expected milliseconds (20, 250ms, 1.5s), constant:20, normal:MEAN,DEVIATION, lognormal:MEDIAN,SIGMA, "            \
    "lognormal:p50=20,p99=200, table:p50=20,p90=60,p99=200 or trace:FILE"

void time_law_release(struct time_law *law)
{
    free(law->trace);
    *law = (struct time_law){.kind = TIME_CONSTANT};
}

/* ---- reading ---- */

/* A number to the end of `text`, with one of the units behind it. */
static bool read_number(struct span text, const char *const *units, const double *scales, double *out)
{
    char word[64], *end;
    if (text.n == 0 || text.n >= sizeof word)
        return false;
    (void)snprintf(word, sizeof word, "%.*s", (int)text.n, (const char *)text.p);
    *out = strtod(word, &end);
    if (end == word || !isfinite(*out))
        return false;
    for (size_t i = 0; units[i] != NULL; i++)
        if (strcmp(end, units[i]) == 0) {
            *out *= scales[i];
            return true;
        }
    return false;
}

static bool read_ms(struct span text, double *out)
{
    static const char *const units[] = {"", "ms", "s", "us", "m", NULL};
    static const double scales[] = {1, 1, 1000, 0.001, 60000};
    return read_number(span_trim(text), units, scales, out) && *out >= 0 && *out <= DAY_MS;
}

static bool read_plain(struct span text, double *out)
{
    static const char *const units[] = {"", NULL};
    static const double scales[] = {1};
    return read_number(span_trim(text), units, scales, out);
}

static bool read_two(struct span text, struct span *one, struct span *two)
{
    return span_split(text, ',', one, two);
}

static bool read_constant(struct span text, struct time_law *out)
{
    return read_ms(text, &out->a);
}

static bool read_normal(struct span text, struct time_law *out)
{
    struct span one, two;
    return read_two(text, &one, &two) && read_ms(one, &out->a) && read_ms(two, &out->b);
}

static bool read_percentile(struct span text, struct time_point *out)
{
    struct span name, value;
    return span_split(span_trim(text), '=', &name, &value) && name.n > 1 && name.p[0] == 'p' &&
           read_plain(span_from(name, 1), &out->at) && out->at >= 0 && out->at <= 100 && read_ms(value, &out->value);
}

static bool read_lognormal(struct span text, struct time_law *out)
{
    struct span one, two;
    struct time_point p50, p99;
    if (!read_two(text, &one, &two))
        return false;
    if (read_percentile(one, &p50) && read_percentile(two, &p99)) {
        out->a = log(p50.value);
        out->b = log(p99.value / p50.value) / Z_OF_P99;
        return p50.at == 50 && p99.at == 99 && p50.value > 0 && p99.value >= p50.value;
    }
    double median;
    bool good = read_ms(one, &median) && median > 0 && read_plain(two, &out->b) && out->b >= 0 && out->b <= 20;
    out->a = good ? log(median) : 0;
    return good;
}

static bool read_table(struct span text, struct time_law *out)
{
    while (text.n > 0) {
        struct span one;
        struct time_point *p = &out->points[out->count];
        (void)span_split(text, ',', &one, &text);
        if (out->count == TIME_POINTS_MAX || !read_percentile(one, p))
            return false;
        if (out->count > 0 && (p->at <= p[-1].at || p->value < p[-1].value))
            return false; /* percentiles rise */
        out->count++;
    }
    return out->count > 0;
}

static enum err read_file(const char *path, struct buf *out, struct note *note)
{
    FILE *file = fopen(path, "re");
    char part[65536];
    if (file == NULL)
        return note_set(note, ERR_IO, "%s: cannot be opened", path);
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        buf_add(out, (struct span){(const unsigned char *)part, n});
    bool bad = ferror(file) != 0;
    (void)fclose(file);
    if (bad)
        return note_set(note, ERR_IO, "%s: cannot be read", path);
    return buf_error(out) == OK ? OK : note_set(note, ERR_LIMIT, "%s: larger than 32 MiB", path);
}

/* A line without its comment; false at the end. */
static bool next_line(struct span *rest, struct span *line)
{
    if (rest->n == 0)
        return false;
    struct span comment;
    (void)span_split(*rest, '\n', line, rest);
    (void)span_split(*line, '#', line, &comment);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    *line = span_trim(*line);
    return true;
}

static enum err read_trace(const char *path, struct time_law *out, struct note *note)
{
    CLEANUP(buf_release) struct buf file = BUF_INIT(FILE_MAX);
    enum err e = read_file(path, &file, note);
    if (e != OK)
        return e;
    struct span rest = buf_span(&file), line;
    size_t lines = 0, cap = 0;
    while (next_line(&rest, &line)) {
        lines++;
        if (line.n == 0)
            continue;
        if (out->count == cap) {
            cap = cap == 0 ? 256 : cap * 2;
            double *grown = realloc(out->trace, cap * sizeof *grown);
            if (grown == NULL)
                return note_set(note, ERR_NOMEM, "out of memory");
            out->trace = grown;
        }
        if (out->count == TIME_TRACE_MAX)
            return note_set(note, ERR_LIMIT, "%s: more than %d waits", path, TIME_TRACE_MAX);
        if (!read_ms(line, &out->trace[out->count++]))
            return note_set(note, ERR_INVALID, "%s, line %zu: \"%.*s\" is no number of milliseconds", path, lines,
                            (int)(line.n < 60 ? line.n : 60), (const char *)line.p);
    }
    return out->count > 0 ? OK : note_set(note, ERR_INVALID, "%s: no waits in it", path);
}

static enum err parse_law(struct span kind, struct span rest, const char *text, bool files, struct time_law *out,
                          struct note *note)
{
    static const struct {
        const char *name;
        enum time_kind kind;
        bool (*read)(struct span text, struct time_law *out);
    } kinds[] = {{"constant", TIME_CONSTANT, read_constant},
                 {"normal", TIME_NORMAL, read_normal},
                 {"lognormal", TIME_LOGNORMAL, read_lognormal},
                 {"table", TIME_TABLE, read_table}};
    if (span_is(kind, "trace") && files) {
        CLEANUP(free_ptr) char *path = span_dup(rest);
        out->kind = TIME_TRACE;
        return path == NULL ? note_set(note, ERR_NOMEM, "out of memory") : read_trace(path, out, note);
    }
    if (span_is(kind, "trace"))
        return note_set(note, ERR_INVALID,
                        "\"%.80s\": a file is read from the command line only; give the waits as a list here", text);
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (span_is(kind, kinds[i].name) && kinds[i].read(rest, out)) {
            out->kind = kinds[i].kind;
            return OK;
        }
    return note_set(note, ERR_INVALID, "\"%.80s\": " FORMS, text);
}

enum err time_law_parse(const char *text, bool files, struct time_law *out, struct note *note)
{
    struct span kind, rest;
    *out = (struct time_law){.kind = TIME_CONSTANT};
    if (!span_split(span_of(text), ':', &kind, &rest)) {
        rest = kind;
        kind = SPAN_LIT("constant");
    }
    enum err e = parse_law(kind, rest, text, files, out, note);
    if (e != OK)
        time_law_release(out);
    return e;
}

enum err time_law_trace(const double *ms, size_t count, struct time_law *out, struct note *note)
{
    *out = (struct time_law){.kind = TIME_TRACE, .count = count};
    out->trace = count == 0 ? NULL : calloc(count, sizeof *out->trace);
    if (out->trace == NULL) {
        out->kind = TIME_CONSTANT;
        out->count = 0;
        return note_set(note, ERR_NOMEM, "out of memory");
    }
    memcpy(out->trace, ms, count * sizeof *ms);
    return OK;
}

/* ---- drawing ---- */

/* From 0 to below 1. */
static double uniform(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

/* Box and Muller's way: two uniform numbers, the first one not zero. */
static double standard_normal(struct rng *r)
{
    double u = 1 - uniform(r), v = uniform(r);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* The value at x of lines between the points, flat beyond them. Of points at one x the last counts. */
static double between(const struct time_point *p, size_t count, double x)
{
    size_t i = 0;
    while (i < count && p[i].at <= x)
        i++;
    if (i == 0)
        return p[0].value;
    if (i == count)
        return p[count - 1].value;
    double part = (x - p[i - 1].at) / (p[i].at - p[i - 1].at);
    return p[i - 1].value + part * (p[i].value - p[i - 1].value);
}

uint64_t time_law_draw(const struct time_law *law, struct rng *r, uint64_t n)
{
    double ms = law->a;
    switch (law->kind) {
    case TIME_CONSTANT:
        break;
    case TIME_NORMAL:
        ms = law->a + law->b * standard_normal(r);
        break;
    case TIME_LOGNORMAL:
        ms = exp(law->a + law->b * standard_normal(r));
        break;
    case TIME_TABLE:
        ms = between(law->points, law->count, 100 * uniform(r));
        break;
    case TIME_TRACE:
        ms = law->trace[n % law->count];
        break;
    }
    ms = ms > 0 ? ms : 0;
    return (uint64_t)((ms < DAY_MS ? ms : DAY_MS) * NS_OF_MS + 0.5);
}

uint64_t time_sum(uint64_t ns, uint64_t more_ns)
{
    return ns > UINT64_MAX - more_ns ? UINT64_MAX : ns + more_ns;
}

uint64_t time_of_many(uint64_t count, uint64_t each_ns)
{
    return each_ns != 0 && count >= TIME_DAY_NS / each_ns + 1 ? TIME_DAY_NS : count * each_ns;
}

uint64_t time_scaled(uint64_t ns, double factor)
{
    double product = (double)ns * factor;
    if (!(product > 0))
        return 0;
    return product < (double)TIME_DAY_NS ? (uint64_t)(product + 0.5) : TIME_DAY_NS;
}

/* ---- load and tempo ---- */

double time_load(double factor, unsigned full, uint64_t open)
{
    if (full < 2 || open <= 1)
        return 1;
    double part = (double)(open - 1) / (double)(full - 1);
    return 1 + (factor - 1) * (part < 1 ? part : 1);
}

static enum err add_tempo(struct span text, struct time_tempo *out, struct note *note)
{
    struct span at, value;
    struct time_point *p = &out->points[out->count];
    double ms = 0;
    if (out->count == TIME_TEMPO_MAX)
        return note_set(note, ERR_LIMIT, "more than %d points", TIME_TEMPO_MAX);
    bool good = span_split(span_trim(text), '=', &at, &value) && read_ms(at, &ms) && read_plain(value, &p->value) &&
                p->value >= 0 && p->value <= 1e6;
    p->at = ms / 1000;
    if (!good || (out->count > 0 && p->at < p[-1].at))
        return note_set(note, ERR_INVALID, "\"%.*s\": expected points in the order of time, such as 0s=1,60s=3,90s=1",
                        (int)(text.n < 80 ? text.n : 80), (const char *)text.p);
    out->count++;
    return OK;
}

enum err time_tempo_parse(const char *text, struct time_tempo *out, struct note *note)
{
    struct span lines = span_of(text), line, one;
    enum err e = OK;
    out->count = 0;
    while (e == OK && next_line(&lines, &line))
        while (e == OK && line.n > 0) {
            (void)span_split(line, ',', &one, &line);
            e = add_tempo(one, out, note);
        }
    return e == OK && out->count == 0 ? note_set(note, ERR_INVALID, "expected points such as 0s=1,60s=3,90s=1") : e;
}

enum err time_tempo_read(const char *text_or_file, struct time_tempo *out, struct note *note)
{
    if (strchr(text_or_file, '=') != NULL)
        return time_tempo_parse(text_or_file, out, note);
    CLEANUP(buf_release) struct buf file = BUF_INIT(FILE_MAX);
    enum err e = read_file(text_or_file, &file, note);
    return e == OK ? time_tempo_parse(buf_text(&file), out, note) : e;
}

double time_tempo_at(const struct time_tempo *t, uint64_t run_ns)
{
    return t->count == 0 ? 1 : between(t->points, t->count, (double)run_ns / 1e9);
}
