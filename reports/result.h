/* result.h: the result document: one JSON tree per run, from which every report is made.
 *
 * The tree follows reports/result.schema.json. Rules: units stand in the names; what was not measured is absent, never
 * 0; secrets are gone before they arrive here (whoever captures, redacts). Builders copy what they are given unless
 * the name says take. What memory did not suffice for is absent, which result_finish() notices by the schema.
 */
#ifndef MOHS_RESULT_H
#define MOHS_RESULT_H

#include "protocol/json.h"
#include "reports/exit.h"

#define RESULT_SCHEMA_VERSION "1.0.0"

/* The reason of an xfail that no list expects: the console counts these apart. */
#define RESULT_REASON_MAY "a MAY: told, not failed; --strict makes it fail"

struct result {
    cJSON *doc;
    uint64_t started_at_ns;
};

/* `kind`: conformance, load, compare, selftest, cost-audit, demo. Fills tool, command (argv with secrets of -H, --key
 * and the like replaced), host and time.start. */
void result_init(struct result *r, const char *kind, int argc, char *const *argv);
void result_release(struct result *r);
/* The object of that name at the top, made when absent: "target", "mock", "load", "conformance". */
cJSON *result_section(struct result *r, const char *name);
void result_take(struct result *r, const char *section, cJSON *take); /* puts a whole tree there */

/* One check of a case. Strings may be NULL. */
struct result_check {
    const char *id; /* steps[0].upstream[0].body */
    bool ok;
    const char *pointer;  /* JSON pointer of the first difference */
    const char *expected; /* text */
    const char *observed;
};

struct result_case {
    const char *id;
    const char *title;
    const char *status;        /* pass, fail, skip, error, xfail, stale */
    const char *reason;        /* why skipped, why expected to fail, what the error was */
    const char *level;         /* the strictest of its requirements: MUST, SHOULD, MAY */
    const char *file;          /* of the case, relative where it can be: "suites/cases/openai.chat/params/stop.json" */
    size_t line;               /* in it, from 1: where what failed is asked for; 0: unknown */
    const cJSON *requirements; /* [{id, alias, level, title, why}] */
    const struct result_check *checks;
    size_t check_count;
    const char *alternative; /* name of the permitted outcome that was taken */
    const cJSON *evidence;   /* {client: …, upstream: [...]}; kept for cases that did not pass */
    uint64_t duration_us;
    unsigned attempts;
    const char *reproduce; /* the command that runs this one case again */
};
void result_add_case(struct result *r, const struct result_case *c);

/* Sums up (conformance.summary and .areas from the cases), stamps time.end, verdict, exit. What result_validate() says. */
enum err result_finish(struct result *r, int exit, const char *reason, struct note *note) MUST_USE;

/* ERR_INVALID and a note when the document is not of the schema. */
enum err result_validate(const cJSON *doc, struct note *note) MUST_USE;

#endif
