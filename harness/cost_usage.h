/* cost_usage.h: a file of usage records, one JSON object a line, priced in one pass and constant memory.
 *
 * A record is any object that price_usage_read() understands, beside:
 *   model, modelId or model_id  absent: the default of the run
 *   date, time, timestamp       text that begins with YYYY-MM-DD; or created: seconds since 1970. Absent: the default
 *   tier, service_tier (a word, "default" and "auto" being on-demand) or serviceTier.type
 *   region, and a label at a JSON pointer of the caller's choice
 * Memory is bounded: by a line (COST_LINE_MAX) and by COST_GROUPS_MAX names in each of the three tables of totals; what
 * comes beyond goes into "(others)", so the totals still sum up.
 */
#ifndef MOHS_COST_USAGE_H
#define MOHS_COST_USAGE_H

#include <stdio.h>

#include "harness/progress.h"
#include "protocol/price.h"

#define COST_LINE_MAX   ((size_t)16 << 20) /* an answer with its text may stand in a line */
#define COST_GROUPS_MAX ((size_t)10000)

enum cost_by { COST_BY_MODEL, COST_BY_DAY, COST_BY_LABEL, COST_TABLES };

struct cost_group {
    char *name;
    uint64_t records;
    struct money usd;
};

struct cost_table {
    struct cost_group *groups; /* open addressing; free slots have no name */
    size_t cap, count;
};

struct cost_run {
    /* Set these. */
    const struct price_book *book;
    struct price_query defaults;
    const char *label; /* JSON pointer; NULL: /label */
    bool fatal;        /* the first bad line ends the run */
    FILE *complain;    /* where bad lines are told; NULL: nowhere */
    struct progress *progress;
    bool (*stopped)(void); /* asked now and then; NULL: never */
    /* The result. */
    uint64_t lines, records, bad;
    bool skipping; /* in a line that is too long; private */
    struct money total;
    struct cost_table tables[COST_TABLES];
    /* Private. */
    struct cost_place *places;
    size_t place_count;
};

/* ERR_IO; ERR_INVALID for a bad line when they are fatal; ERR_LIMIT when the sum does not fit; ERR_CLOSED: stopped.
 * `size`: of the file in bytes, for the progress; 0: not known. */
enum err cost_run_file(struct cost_run *run, FILE *in, uint64_t size, struct note *note) MUST_USE;
void cost_run_release(struct cost_run *run);
/* The groups by cost, dearest first, days in order; malloc'ed list of pointers, freed by the caller. */
const struct cost_group **cost_table_sorted(const struct cost_table *t, bool by_name);

#endif
