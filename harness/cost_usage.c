/* cost_usage.c: millions of records, a line at a time.
 *
 * What costs time is parsing JSON and finding prices. Prices are found once per (model, tier, region, day): a small
 * table keeps the places, with the token rates beside them, so that a record of tokens is a handful of 128-bit
 * multiplications. The table is emptied when it is full, so a file with a million model names costs time, not memory.
 *
 * A bad line is told by its number and counted; it never changes a total. What is bad: no JSON, no usage, a model or a
 * kind of unit without a price.
 */
#include "harness/cost_usage.h"

#include <stdlib.h>
#include <time.h>

#include "protocol/price_usage.h"

enum { PLACES = 1024, KEY_MAX = 256, COMPLAINTS_MAX = 20, CHUNK = 1 << 18, LABEL_MAX_BYTES = 200 };

static const char others[] = "(others)";

struct cost_place {
    char key[KEY_MAX]; /* "model\ntier\nregion\ndate"; "" is a free slot */
    struct price_place place;
    bool known[PRICE_TOKENS];
    struct money each[PRICE_TOKENS];
};

static uint64_t hash_of(const char *text)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h ^ h >> 32;
}

/* ---- totals ---- */

static enum err table_grow(struct cost_table *t)
{
    struct cost_table bigger = {calloc(t->cap == 0 ? 64 : 2 * t->cap, sizeof *t->groups), t->cap == 0 ? 64 : 2 * t->cap,
                                t->count};
    if (bigger.groups == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < t->cap; i++) {
        if (t->groups[i].name == NULL)
            continue;
        size_t at = hash_of(t->groups[i].name) & (bigger.cap - 1);
        while (bigger.groups[at].name != NULL)
            at = (at + 1) & (bigger.cap - 1);
        bigger.groups[at] = t->groups[i];
    }
    free(t->groups);
    *t = bigger;
    return OK;
}

static struct cost_group *table_at(struct cost_table *t, const char *name)
{
    if (2 * (t->count + 1) > t->cap && table_grow(t) != OK)
        return NULL;
    for (size_t at = hash_of(name) & (t->cap - 1);; at = (at + 1) & (t->cap - 1)) {
        struct cost_group *g = &t->groups[at];
        if (g->name != NULL && strcmp(g->name, name) == 0)
            return g;
        if (g->name != NULL)
            continue;
        if (t->count >= COST_GROUPS_MAX && strcmp(name, others) != 0)
            return table_at(t, others);
        g->name = span_dup(span_of(name));
        t->count += g->name != NULL;
        return g->name != NULL ? g : NULL;
    }
}

static enum err table_add(struct cost_table *t, const char *name, struct money usd)
{
    struct cost_group *g = table_at(t, name);
    if (g == NULL)
        return ERR_NOMEM;
    g->records++;
    return money_add(g->usd, usd, &g->usd);
}

static int dearest_first(const void *a, const void *b)
{
    const struct cost_group *x = *(const struct cost_group *const *)a, *y = *(const struct cost_group *const *)b;
    if (x->usd.atto_usd != y->usd.atto_usd)
        return x->usd.atto_usd < y->usd.atto_usd ? 1 : -1;
    return strcmp(x->name, y->name);
}

static int names_first(const void *a, const void *b)
{
    return strcmp((*(const struct cost_group *const *)a)->name, (*(const struct cost_group *const *)b)->name);
}

const struct cost_group **cost_table_sorted(const struct cost_table *t, bool by_name)
{
    const struct cost_group **list = calloc(t->count + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; list != NULL && i < t->cap; i++)
        if (t->groups[i].name != NULL)
            list[n++] = &t->groups[i];
    if (list != NULL)
        qsort(list, n, sizeof *list, by_name ? names_first : dearest_first);
    return list;
}

/* ---- one record ---- */

static const char *first_string(const cJSON *record, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = json_str(record, names[i]);
        if (text != NULL)
            return text;
    }
    return NULL;
}

/* The day a record tells, into `out`; the default when it tells none. */
static const char *day_of(const cJSON *record, const char *fallback, char out[12])
{
    static const char *const names[] = {"date", "time", "timestamp"};
    const char *text = first_string(record, names, COUNT_OF(names));
    int64_t created = 0;
    if (text != NULL) {
        size_t n = strlen(text);
        memcpy(out, text, n < 10 ? n : 10);
        out[n < 10 ? n : 10] = '\0';
        return out;
    }
    struct tm utc;
    const cJSON *seconds = json_member(record, "created");
    time_t at;
    if (seconds == NULL || !json_int64(seconds, &created) || (at = (time_t)created, gmtime_r(&at, &utc)) == NULL ||
        strftime(out, 12, "%Y-%m-%d", &utc) != 10)
        return fallback;
    return out;
}

static const char *tier_of(const cJSON *record, const char *fallback)
{
    static const char *const names[] = {"tier", "service_tier"};
    const char *tier = first_string(record, names, COUNT_OF(names));
    tier = tier != NULL ? tier : json_str(json_member(record, "serviceTier"), "type");
    if (tier == NULL)
        return fallback;
    return strcmp(tier, "default") == 0 || strcmp(tier, "auto") == 0 ? "on-demand" : tier;
}

static struct cost_place *place_of(struct cost_run *run, const struct price_query *q, struct note *note)
{
    char key[KEY_MAX];
    int n = snprintf(key, sizeof key, "%s\n%s\n%s\n%s", q->model, q->tier == NULL ? "" : q->tier,
                     q->region == NULL ? "" : q->region, q->date == NULL ? "" : q->date);
    if (n < 0 || (size_t)n >= sizeof key)
        return (void)note_set(note, ERR_LIMIT, "the names of model, tier and region are too long"), NULL;
    if (2 * run->place_count > PLACES) {
        memset(run->places, 0, PLACES * sizeof *run->places);
        run->place_count = 0;
    }
    size_t at = hash_of(key) % PLACES;
    while (run->places[at].key[0] != '\0' && strcmp(run->places[at].key, key) != 0)
        at = (at + 1) % PLACES;
    struct cost_place *p = &run->places[at];
    if (p->key[0] != '\0')
        return p;
    if (price_find(run->book, q, &p->place, note) != OK)
        return NULL;
    memcpy(p->key, key, (size_t)n + 1);
    run->place_count++;
    return p;
}

/* As price_cost_at(), with the rates of tokens remembered. */
static enum err cost_of(const struct price_book *book, struct cost_place *p, struct price_usage *usage,
                        struct money *out, struct note *note)
{
    *out = (struct money){0};
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++) {
        struct price_rate rate;
        struct money amount;
        if (usage->units[d] == 0)
            continue;
        enum err e = OK;
        if (d < PRICE_TOKENS && p->known[d])
            rate.each = p->each[d];
        else
            e = price_rate_at(book, &p->place, (enum price_dimension)d, NULL, &rate, note);
        if (e != OK)
            return e;
        if (d < PRICE_TOKENS) {
            p->known[d] = true;
            p->each[d] = rate.each;
        }
        if (money_times(rate.each, usage->units[d], &amount) != OK || money_add(*out, amount, out) != OK)
            return note_set(note, ERR_LIMIT, "the cost does not fit");
    }
    return OK;
}

static enum err add_record(struct cost_run *run, const cJSON *record, struct note *note)
{
    static const char *const models[] = {"model", "modelId", "model_id"};
    struct price_query q = run->defaults;
    struct price_usage usage = {0};
    struct money cost;
    char day[12];
    const char *model = first_string(record, models, COUNT_OF(models)), *region = json_str(record, "region");
    q.model = model != NULL ? model : q.model;
    q.region = region != NULL ? region : q.region;
    q.date = day_of(record, q.date, day);
    q.tier = tier_of(record, q.tier);
    if (q.model == NULL)
        return note_set(note, ERR_INVALID, "no model is named");
    enum err e = price_usage_read(record, &usage, NULL, note);
    struct cost_place *place = e == OK ? place_of(run, &q, note) : NULL;
    if (place == NULL)
        return e != OK ? e : ERR_UNKNOWN;
    e = cost_of(run->book, place, &usage, &cost, note);
    if (e != OK)
        return e;
    const cJSON *at = json_at(record, run->label == NULL ? "/label" : run->label);
    char label[LABEL_MAX_BYTES];
    (void)snprintf(label, sizeof label, "%s", cJSON_IsString(at) ? at->valuestring : "(none)");
    run->records++;
    const char *const names[COST_TABLES] = {place->place.id, place->place.date, label};
    e = money_add(run->total, cost, &run->total);
    for (size_t t = 0; t < COST_TABLES && e == OK; t++)
        e = table_add(&run->tables[t], names[t], cost);
    if (e != OK)
        run->fatal = true; /* a sum that is wrong from here on is no result */
    return e == OK ? OK : note_set(note, e, "the total does not fit, or memory is out");
}

/* ---- lines ---- */

/* Counted and told; the end of the run only when it is asked for. */
static enum err bad_line(struct cost_run *run, enum err e, const char *why, struct note *note)
{
    run->bad++;
    if (run->fatal)
        return note_set(note, e == ERR_LIMIT ? e : ERR_INVALID, "line %llu: %s", (unsigned long long)run->lines, why);
    if (run->complain != NULL && run->bad <= COMPLAINTS_MAX)
        (void)fprintf(run->complain, "line %llu: %s%s\n", (unsigned long long)run->lines, why,
                      run->bad == COMPLAINTS_MAX ? " (further bad lines are only counted)" : "");
    return OK;
}

static enum err add_line(struct cost_run *run, struct span line, struct note *note)
{
    CLEANUP(json_free) cJSON *record = NULL;
    struct note why = {""};
    run->lines++;
    line = span_trim(line);
    while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n'))
        line.n--;
    if (line.n == 0)
        return OK;
    enum err e = json_parse(line, JSON_COMPACT, &record, &why);
    if (e == OK && !cJSON_IsObject(record))
        e = note_set(&why, ERR_INVALID, "a record is a JSON object");
    if (e == OK)
        e = add_record(run, record, &why);
    return e == OK ? OK : bad_line(run, e, why.text, note);
}

static void show(struct cost_run *run, uint64_t done, uint64_t size, uint64_t started_at_ns)
{
    if (run->progress == NULL)
        return;
    char text[160];
    double seconds = (double)(now_ns() - started_at_ns) / 1e9, share = size == 0 ? 0 : (double)done / (double)size;
    (void)snprintf(text, sizeof text, "%llu records, %llu bad, %.0f records/s%s", (unsigned long long)run->records,
                   (unsigned long long)run->bad, seconds > 0 ? (double)run->records / seconds : 0,
                   size == 0 ? " (length unknown)" : "");
    progress_tell(run->progress, share, text);
}

/* What is left of a line that was too long goes unread. True: its end has come. */
static bool skip_line(struct buf *held)
{
    struct span line, rest;
    bool ended = span_split(buf_span(held), '\n', &line, &rest);
    buf_consume(held, ended ? held->len - rest.n : held->len);
    return ended;
}

/* The whole lines of `held`; what is behind the last newline stays, unless it is too long to be a record. */
static enum err add_lines(struct cost_run *run, struct buf *held, bool last, struct note *note)
{
    run->skipping = run->skipping && !skip_line(held);
    struct span rest = buf_span(held), line;
    while (span_split(rest, '\n', &line, &rest)) {
        enum err e = add_line(run, line, note);
        if (e != OK)
            return e;
    }
    if (last)
        return line.n > 0 ? add_line(run, line, note) : OK;
    buf_consume(held, held->len - line.n);
    if (held->len <= COST_LINE_MAX)
        return OK;
    char why[64];
    (void)snprintf(why, sizeof why, "it is longer than %zu bytes", COST_LINE_MAX);
    run->lines++;
    run->skipping = true;
    buf_reset(held);
    return bad_line(run, ERR_LIMIT, why, note);
}

enum err cost_run_file(struct cost_run *run, FILE *in, uint64_t size, struct note *note)
{
    CLEANUP(buf_release) struct buf held = BUF_INIT(COST_LINE_MAX + 2 * CHUNK);
    uint64_t done = 0, started_at_ns = now_ns();
    run->places = calloc(PLACES, sizeof *run->places);
    if (run->places == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    for (bool last = false; !last;) {
        char *room = buf_reserve(&held, CHUNK);
        if (room == NULL)
            return note_set(note, ERR_NOMEM, "out of memory");
        size_t n = fread(room, 1, CHUNK, in);
        held.len += n;
        held.data[held.len] = '\0';
        done += n;
        last = n == 0;
        if (ferror(in) != 0)
            return note_set(note, ERR_IO, "reading failed behind line %llu", (unsigned long long)run->lines);
        enum err e = add_lines(run, &held, last, note);
        if (e != OK)
            return e;
        show(run, done, size, started_at_ns);
        if (run->stopped != NULL && run->stopped())
            return note_set(note, ERR_CLOSED, "interrupted behind line %llu", (unsigned long long)run->lines);
    }
    return OK;
}

void cost_run_release(struct cost_run *run)
{
    if (run == NULL)
        return;
    for (size_t t = 0; t < COST_TABLES; t++) {
        for (size_t i = 0; i < run->tables[t].cap; i++)
            free(run->tables[t].groups[i].name);
        free(run->tables[t].groups);
        run->tables[t] = (struct cost_table){NULL, 0, 0};
    }
    free(run->places);
    run->places = NULL;
}
