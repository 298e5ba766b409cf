/* cmd_check.c: `mohs check`: which cases, against which target, and what it all means.
 *
 * The work is done elsewhere: select.c chooses, pool.c and runner.c run, verdict.c judges, expected.c knows what is
 * known, reports/ tells. Here an outcome gets its status (a MAY that fails is told, and fails the run only with
 * --strict), and the run its exit code and its last line.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/admin.h"
#include "harness/command_line.h"
#include "harness/expected.h"
#include "harness/github.h"
#include "harness/interrupt.h"
#include "harness/place.h"
#include "harness/pool.h"
#include "harness/select.h"
#include "harness/verbs.h"
#include "reports/report.h"
#include "reports/result.h"

struct check_options {
    const char *target, *profile, *mock_url, *admin_url, *admin_token, *start, *region, *ca_file;
    int64_t mock_port, jobs;
    struct option_list run, skip, requirements, outputs;
    const char *level, *expected, *write_expected, *ui;
    bool strict, fail_fast, dry_run, list, verbose;
};

#define AT(member) offsetof(struct check_options, member)

static const struct option_row rows[] = {
    OPTION_GROUP("What is asked"),
    {"target", 't', "URL", OPTION_STRING, AT(target), NULL, 0, 0, NULL,
     "The gateway under test. Without it the profile says: the reference gateway is started for 'reference'."},
    {"profile", 0, "NAME", OPTION_STRING, AT(profile), NULL, 0, 0, NULL,
     "How to speak to the target and what it claims: a name of suites/profiles/ or a .json file. Default reference, "
     "with "
     "--target generic-openai."},
    {"start", 0, "COMMAND", OPTION_STRING, AT(start), NULL, 0, 0, NULL,
     "Start the target with this shell command, or with that of the profile for the word 'profile'; ${mock_url}, "
     "${port} and "
     "others expand."},
    {"cacert", 0, "FILE", OPTION_STRING, AT(ca_file), NULL, 0, 0, NULL,
     "Verify an https target by the CAs in this PEM file, and by them alone; such as mohs mock --tls-ca-out writes."},
    {"region", 0, "REGION", OPTION_STRING, AT(region), "us-east-1", 0, 0, NULL, "Region for what is started."},
    OPTION_GROUP("The mock behind it"),
    {"mock-port", 0, "PORT", OPTION_INT, AT(mock_port), "0", 0, 65535, NULL,
     "Port of the mock Bedrock that the target is pointed to; 0 takes any."},
    {"mock-url", 0, "URL", OPTION_STRING, AT(mock_url), NULL, 0, 0, NULL,
     "Use this running mock instead of starting one; needs --admin-url."},
    {"admin-url", 0, "URL", OPTION_STRING, AT(admin_url), NULL, 0, 0, NULL, "The admin API of --mock-url."},
    {"admin-token", 0, "TOKEN", OPTION_STRING, AT(admin_token), NULL, 0, 0, NULL,
     "The token of that admin API, when its mock was started with one."},
    OPTION_GROUP("Which cases"),
    {"run", 'r', "GLOB", OPTION_LIST, AT(run), NULL, 0, 0, NULL,
     "As a word on the command line: cases to run; may be repeated."},
    {"skip", 's', "GLOB", OPTION_LIST, AT(skip), NULL, 0, 0, NULL, "Cases to leave out; may be repeated."},
    {"requirement", 0, "ID", OPTION_LIST, AT(requirements), NULL, 0, 0, NULL,
     "Only cases for this requirement (id, alias or glob); may be repeated."},
    {"level", 0, "LEVEL", OPTION_STRING, AT(level), "MAY", 0, 0, "MUST|SHOULD|MAY|must|should|may",
     "Only cases at least this strict."},
    {"list", 0, NULL, OPTION_FLAG, AT(list), NULL, 0, 0, NULL, "Print the ids that would run, and end."},
    {"dry-run", 'n', NULL, OPTION_FLAG, AT(dry_run), NULL, 0, 0, NULL,
     "Print how the profile is understood and what would run, and end."},
    OPTION_GROUP("What counts as a failure"),
    {"strict", 0, NULL, OPTION_FLAG, AT(strict), NULL, 0, 0, NULL, "A MAY that does not hold fails the run too."},
    {"expected-failures", 'x', "FILE", OPTION_STRING, AT(expected), NULL, 0, 0, NULL,
     "Failures that are known; a listed one that holds is stale (exit 3). A file, or a name of "
     "suites/expected-failures/."},
    {"write-expected", 0, "FILE", OPTION_STRING, AT(write_expected), NULL, 0, 0, NULL,
     "Write what fails now as such a list."},
    {"fail-fast", 0, NULL, OPTION_FLAG, AT(fail_fast), NULL, 0, 0, NULL, "Stop at the first case that fails."},
    OPTION_GROUP("The run and its result"),
    {"jobs", 'j', "N", OPTION_INT, AT(jobs), "4", 1, 64, NULL,
     "Pairs of mock and reference gateway at work side by side; a --target is always asked serially."},
    {"output", 'o', "FILE", OPTION_LIST, AT(outputs), NULL, 0, 0, NULL,
     "Write the result there: .json, .xml (JUnit), .sarif, .md or .txt by the ending, JSON to - ; may be repeated."},
    {"ui", 0, "MODE", OPTION_STRING, AT(ui), "auto", 0, 0, PROGRESS_CHOICES "|github",
     "Progress: a bar on a terminal, a line every ten seconds, or nothing. github adds annotations and the job summary; "
     "auto does too where GITHUB_ACTIONS is true."},
    {"verbose", 'v', NULL, OPTION_FLAG, AT(verbose), NULL, 0, 0, NULL,
     "Tell of every case, not only of those that failed."},
};

/* Everything a run holds. */
struct check {
    const struct check_options *o;
    struct profile profile;
    struct requirements requirements;
    struct cases cases;
    struct expected expected;
    struct result result;
    struct job *jobs;
    size_t count;
    struct pool_report report;
    size_t tally[6]; /* by status */
    size_t errors_of_cases;
    struct buf failed_ids;
    size_t unheard; /* cases that failed where a call upstream was due and none came */
    size_t broken;  /* ... and that the client was told 5xx, or nothing */
    bool heard;     /* the mock was called by some case */
    bool gave_up;   /* after UNHEARD_MOST of them */
};

enum {
    UNHEARD_MOST = 5, /* broken cases with the mock never called, after which the rest would say the same */
    NAMED_MOST = 8    /* failed cases by name in the last line */
};

enum status { STATUS_PASS, STATUS_FAIL, STATUS_SKIP, STATUS_ERROR, STATUS_XFAIL, STATUS_STALE };
static const char *const status_names[] = {"pass", "fail", "skip", "error", "xfail", "stale"};

static void check_release(struct check *c)
{
    for (size_t i = 0; i < c->count; i++)
        outcome_release(&c->jobs[i].outcome);
    free(c->jobs);
    result_release(&c->result);
    expected_release(&c->expected);
    cases_release(&c->cases);
    requirements_release(&c->requirements);
    profile_release(&c->profile);
    pool_report_release(&c->report);
    buf_release(&c->failed_ids);
}

/* ---- what an outcome means ---- */

static enum status status_of(const struct check *c, const struct job *job, struct note *why)
{
    const struct outcome *o = &job->outcome;
    *why = o->reason;
    if (o->verdict == VERDICT_SKIP)
        return STATUS_SKIP;
    if (o->verdict == VERDICT_ERROR)
        return STATUS_ERROR;
    enum expected_verdict x = expected_judge(&c->expected, job->c->id, &o->findings, why);
    if (x == EXPECTED_STALE)
        return STATUS_STALE;
    if (x == EXPECTED_AS_LISTED)
        return STATUS_XFAIL;
    if (o->verdict == VERDICT_PASS)
        return STATUS_PASS;
    if (job->c->level == LEVEL_MAY && !c->o->strict) {
        (void)note_set(why, OK, RESULT_REASON_MAY);
        return STATUS_XFAIL;
    }
    return STATUS_FAIL;
}

static bool is_bad(void *ctx, const struct job *job)
{
    struct note why;
    enum status s = status_of(ctx, job, &why);
    return s == STATUS_FAIL || s == STATUS_ERROR;
}

/* A gateway of somebody else's that calls another Bedrock than the mock fails each case in the same way, and slowly.
 * It says 5xx, as nobody listens there; a gateway that refuses (4xx) what it should translate is judged to the end. */
static bool is_elsewhere(struct check *c, const struct job *job)
{
    const struct outcome *o = &job->outcome;
    struct note why;
    bool ours = c->o->target == NULL && c->profile.self != SELF_NONE;
    c->heard = c->heard || o->calls_seen > 0;
    if (ours || o->calls_wanted == 0 || o->calls_seen > 0 || status_of(c, job, &why) != STATUS_FAIL)
        return false;
    c->unheard++;
    c->broken += o->status == 0 || o->status >= 500;
    c->gave_up = c->gave_up || (!c->heard && c->broken >= UNHEARD_MOST && c->broken == c->unheard);
    return c->gave_up;
}

static bool stop_after(void *ctx, const struct job *job)
{
    struct check *c = ctx;
    return is_elsewhere(c, job) || (c->o->fail_fast && is_bad(c, job));
}

/* ---- the result document ---- */

static void add_quoted(struct buf *out, const char *flag, const char *value)
{
    if (value == NULL)
        return;
    buf_addf(out, " %s '", flag);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\'')
            buf_adds(out, "'\\''");
        else
            buf_addc(out, *c);
    }
    buf_addc(out, '\'');
}

static void reproduce(const struct check *c, const struct case_file *one, struct buf *out)
{
    bool on_disk = strncmp(one->path, "suites/", 7) != 0;
    buf_addf(out, "mohs check '%s' --profile %s", on_disk ? one->path : one->id,
             c->profile.path != NULL && strncmp(c->profile.path, "suites/", 7) != 0 ? c->profile.path
                                                                                    : c->profile.name);
    add_quoted(out, "--target", c->o->target);
    add_quoted(out, "--start", c->o->start);
    add_quoted(out, "--mock-url", c->o->mock_url);
    add_quoted(out, "--admin-url", c->o->admin_url);
    if (c->o->mock_port != 0)
        buf_addf(out, " --mock-port %d", (int)c->o->mock_port);
}

static cJSON *requirements_of(const struct check *c, const struct case_file *one)
{
    cJSON *out = cJSON_CreateArray();
    const cJSON *name;
    cJSON_ArrayForEach(name, json_member(one->root, "requirements"))
    {
        const struct requirement *r = requirement_find(&c->requirements, name->valuestring);
        cJSON *row = cJSON_CreateObject();
        (void)json_set_string(row, "id", r->id);
        (void)json_set_string(row, "alias", r->alias);
        (void)json_set_string(row, "level", level_name(r->level));
        (void)json_set_string(row, "title", r->title);
        (void)json_set_string(row, "why", r->why);
        cJSON_AddItemToArray(out, row);
    }
    return out;
}

/* The first thing that did not hold; NULL when all did. */
static const char *first_broken(const struct findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (!f->items[i].ok)
            return f->items[i].id;
    return NULL;
}

static void add_case(struct check *c, const struct job *job)
{
    const struct outcome *o = &job->outcome;
    struct note why = {""};
    enum status status = status_of(c, job, &why);
    CLEANUP(buf_release) struct buf again = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf file = BUF_INIT(BUF_ANY);
    CLEANUP(json_free) cJSON *requirements = requirements_of(c, job->c);
    bool placed = status != STATUS_PASS && status != STATUS_SKIP;
    struct result_check *checks = calloc(o->findings.count + 1, sizeof *checks);
    for (size_t i = 0; checks != NULL && i < o->findings.count; i++) {
        const struct finding *f = &o->findings.items[i];
        checks[i] = (struct result_check){f->id, f->ok, f->pointer, f->expected, f->observed};
    }
    reproduce(c, job->c, &again);
    place_file(job->c->path, &file);
    c->tally[status]++;
    c->errors_of_cases += status == STATUS_ERROR && !o->unreachable;
    if (status == STATUS_FAIL && c->tally[status] <= NAMED_MOST)
        buf_addf(&c->failed_ids, "%s%s", c->failed_ids.len > 0 ? ", " : "", job->c->id);
    struct result_case row = {.id = job->c->id,
                              .title = job->c->title,
                              .status = status_names[status],
                              .reason = why.text[0] != '\0' ? why.text : NULL,
                              .level = level_name(job->c->level),
                              .file = buf_text(&file),
                              .line = placed ? place_of_case(job->c->path, first_broken(&o->findings)) : 0,
                              .requirements = requirements,
                              .checks = checks,
                              .check_count = checks == NULL ? 0 : o->findings.count,
                              .alternative = o->alternative.len > 0 ? buf_text(&o->alternative) : NULL,
                              .evidence = o->evidence,
                              .duration_us = o->duration_us,
                              .attempts = 1,
                              .reproduce = buf_text(&again)};
    result_add_case(&c->result, &row);
    free(checks);
}

/* How many requirements the run has touched, and how they fared. */
static void add_traceability(struct check *c)
{
    int64_t touched = 0, held = 0, tested = 0, excluded = 0;
    for (size_t r = 0; r < c->requirements.count; r++) {
        bool asked = false, broken = false;
        for (size_t i = 0; i < c->count; i++) {
            const cJSON *name;
            cJSON_ArrayForEach(name, json_member(c->jobs[i].c->root, "requirements"))
            {
                bool mine = c->jobs[i].ran && c->jobs[i].outcome.verdict <= VERDICT_FAIL &&
                            strcmp(name->valuestring, c->requirements.items[r].id) == 0;
                asked = asked || mine;
                broken = broken || (mine && c->jobs[i].outcome.verdict == VERDICT_FAIL);
            }
        }
        touched += asked;
        held += asked && !broken;
        tested += c->requirements.items[r].cases > 0;
        excluded += c->requirements.items[r].excluded;
    }
    cJSON *t = json_set(result_section(&c->result, "conformance"), "traceability", cJSON_CreateObject());
    (void)json_set_int(t, "requirements", (int64_t)c->requirements.count);
    (void)json_set_int(t, "with_cases", tested);
    (void)json_set_int(t, "excluded", excluded);
    (void)json_set_int(t, "touched_by_this_run", touched);
    (void)json_set_int(t, "held_in_this_run", held);
}

/* The reason is one line, the last one printed; what a child wrote may hold many. */
static void fold_lines(struct buf *text)
{
    while (text->len > 0 && strchr(" \r\n", text->data[text->len - 1]) != NULL)
        text->data[--text->len] = '\0';
    for (size_t i = 0; i < text->len; i++)
        if (text->data[i] == '\n' || text->data[i] == '\r')
            text->data[i] = ' ';
}

static int code_of_trouble(const struct pool_report *report)
{
    if (report->error == ERR_INVALID || report->error == ERR_UNKNOWN)
        return EXIT_USAGE;
    return report->own ? EXIT_INTERNAL : EXIT_UNREACHABLE;
}

static void add_failed(const struct check *c, size_t ran, struct buf *reason)
{
    size_t failed = c->tally[STATUS_FAIL];
    buf_addf(reason, "%zu of %zu cases failed: %.1500s", failed, ran, buf_text(&c->failed_ids));
    if (failed > NAMED_MOST)
        buf_addf(reason, " and %zu more", failed - NAMED_MOST);
}

/* The first thing to look at when nothing arrived. */
static void add_unheard(const struct check *c, struct buf *reason)
{
    if (!c->heard && c->unheard > 0 && c->report.mock_url != NULL)
        buf_addf(reason, "%sthe mock at %s was not called once: is it the gateway's Bedrock endpoint?",
                 reason->len > 0 ? "; " : "", c->report.mock_url);
}

static int sum_up(const struct check *c, struct buf *reason)
{
    size_t ran = c->tally[STATUS_PASS] + c->tally[STATUS_FAIL] + c->tally[STATUS_XFAIL] + c->tally[STATUS_STALE];
    int exit = EXIT_HELD;
    if (c->tally[STATUS_STALE] > 0)
        exit = exit_worse(exit, EXIT_STALE);
    if (c->tally[STATUS_FAIL] > 0)
        exit = exit_worse(exit, EXIT_FAILED);
    if (ran == 0)
        exit = exit_worse(exit, EXIT_NOTHING);
    if (c->errors_of_cases > 0 || c->gave_up)
        exit = exit_worse(exit, EXIT_USAGE);
    if (c->report.error != OK)
        exit = exit_worse(exit, code_of_trouble(&c->report));
    if (c->report.interrupted)
        exit = exit_worse(exit, EXIT_INTERRUPTED);
    switch (exit) {
    case EXIT_HELD:
        if (c->tally[STATUS_XFAIL] == 0 && ran == 1)
            buf_adds(reason, "the case held");
        else if (c->tally[STATUS_XFAIL] == 0)
            buf_addf(reason, "all %zu cases held", ran);
        else if (c->o->expected == NULL)
            buf_addf(reason, "%zu of %zu cases held, and %zu %s", c->tally[STATUS_PASS], ran, c->tally[STATUS_XFAIL],
                     c->tally[STATUS_XFAIL] == 1 ? "MAY does not hold" : "MAYs do not hold");
        else
            buf_addf(reason, "%zu of %zu cases held, and %zu failed as expected", c->tally[STATUS_PASS], ran,
                     c->tally[STATUS_XFAIL]);
        break;
    case EXIT_FAILED:
        add_failed(c, ran, reason);
        add_unheard(c, reason);
        break;
    case EXIT_STALE:
        buf_addf(reason, "%zu expected failures are stale: they hold now", c->tally[STATUS_STALE]);
        break;
    case EXIT_NOTHING:
        buf_adds(reason, c->count == 0 ? "no case was selected" : "every selected case was skipped");
        break;
    case EXIT_INTERRUPTED:
        buf_addf(reason, "interrupted after %zu of %zu cases", ran, c->count);
        break;
    default:
        if (c->report.error != OK)
            buf_addf(reason, "%s%s%s", c->report.note.text,
                     c->report.note.text[0] != '\0' && c->report.trouble.len > 0 ? "; " : "",
                     buf_text(&c->report.trouble));
        else if (c->gave_up) {
            add_unheard(c, reason);
            buf_addf(reason, " Stopped after %zu of %zu cases", ran, c->count);
        } else
            buf_addf(reason, "%zu cases could not be asked", c->tally[STATUS_ERROR]);
    }
    fold_lines(reason);
    return exit;
}

static int write_reports(const struct check *c, int exit, struct note *note)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    report_console(c->result.doc, progress_colour(stderr), c->o->verbose, &text);
    bool github = github_wanted(c->o->ui);
    if (github)
        github_tell(c->result.doc, buf_text(&text), stderr);
    else
        (void)fputs(buf_text(&text), stderr);
    if (github && github_summarize(c->result.doc, note) != OK) {
        (void)fprintf(stderr, "mohs check: %s\n", note->text);
        exit = exit_worse(exit, EXIT_USAGE);
    }
    for (size_t i = 0; i < c->o->outputs.count; i++)
        if (report_write_file(c->result.doc, c->o->outputs.items[i], NULL, note) != OK) {
            (void)fprintf(stderr, "mohs check: %s\n", note->text);
            exit = exit_worse(exit, EXIT_USAGE);
        }
    return exit;
}

static enum err write_expected(struct check *c, struct note *note)
{
    CLEANUP(json_free) cJSON *list = expected_begin(c->profile.name);
    size_t failed = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->jobs[i].ran && c->jobs[i].outcome.verdict == VERDICT_FAIL) {
            expected_add(list, c->jobs[i].c->id, &c->jobs[i].outcome.findings, &c->expected);
            failed++;
        }
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    json_print(list, JSON_PRETTY, &text);
    FILE *f = fopen(c->o->write_expected, "wb");
    bool ok = f != NULL && fprintf(f, "%s\n", buf_text(&text)) > 0;
    if (f != NULL)
        ok = fclose(f) == 0 && ok;
    if (ok)
        (void)fprintf(stderr, "mohs check: %zu failed case%s written to %s as expected failures\n", failed,
                      failed == 1 ? "" : "s", c->o->write_expected);
    return ok ? OK : note_set(note, ERR_IO, "--write-expected: %s cannot be written", c->o->write_expected);
}

static int finish(struct check *c, struct note *note)
{
    CLEANUP(buf_release) struct buf reason = BUF_INIT(BUF_ANY);
    cJSON *conformance = result_section(&c->result, "conformance");
    (void)json_set(conformance, "cases", cJSON_CreateArray());
    (void)json_set_string(conformance, "profile", c->profile.name);
    for (size_t i = 0; i < c->count; i++)
        if (c->jobs[i].ran)
            add_case(c, &c->jobs[i]);
    add_traceability(c);
    cJSON *target = result_section(&c->result, "target");
    (void)json_set_string(target, "name", json_str(c->profile.root, "title"));
    if (c->o->target != NULL)
        (void)json_set_string(target, "url", c->o->target);
    if (json_str(c->profile.root, "version") != NULL)
        (void)json_set_string(target, "version", json_str(c->profile.root, "version"));
    int exit = sum_up(c, &reason);
    if (c->o->write_expected != NULL && write_expected(c, note) != OK) {
        (void)fprintf(stderr, "mohs check: %s\n", note->text);
        exit = exit_worse(exit, EXIT_USAGE);
    }
    if (result_finish(&c->result, exit, buf_text(&reason), note) != OK) {
        (void)fprintf(stderr, "mohs check: %s\n", note->text);
        exit = exit_worse(exit, EXIT_INTERNAL);
    }
    return write_reports(c, exit, note);
}

/* ---- the run ---- */

/* A row of a case that was renamed would stand for ever: it can neither hold nor fail. */
static enum err check_expected(const struct check *c, struct note *note)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, json_member(c->expected.root, "cases"))
    {
        if (case_find(&c->cases, row->string) != NULL)
            continue;
        const char *near = case_near(&c->cases, row->string);
        return note_set(note, ERR_UNKNOWN, "--expected-failures %s: no case is called '%s'%s%s", c->o->expected,
                        row->string, near != NULL ? "; did you mean " : "", near != NULL ? near : "");
    }
    return OK;
}

static bool is_web_address(const char *text)
{
    size_t scheme = strncmp(text, "http://", 7) == 0 ? 7 : strncmp(text, "https://", 8) == 0 ? 8 : 0;
    return scheme > 0 && text[scheme] != '\0' && text[scheme] != '/' && strchr(text, ' ') == NULL;
}

/* What can be said before anything is loaded. */
static enum err check_given(const struct check_options *o, struct note *note)
{
    if ((o->mock_url == NULL) != (o->admin_url == NULL))
        return note_set(note, ERR_INVALID, "--mock-url and --admin-url go together");
    if (o->admin_token != NULL && o->admin_url == NULL)
        return note_set(note, ERR_INVALID, "--admin-token goes with --admin-url");
    if (o->admin_url != NULL)
        admin_use_token(o->admin_url, o->admin_token);
    const char *const urls[][2] = {{"--target", o->target}, {"--mock-url", o->mock_url}, {"--admin-url", o->admin_url}};
    for (size_t i = 0; i < COUNT_OF(urls); i++)
        if (urls[i][1] != NULL && !is_web_address(urls[i][1]))
            return note_set(note, ERR_INVALID, "%s is '%s', but must be a URL like http://127.0.0.1:4000", urls[i][0],
                            urls[i][1]);
    if (o->ca_file != NULL && access(o->ca_file, R_OK) != 0)
        return note_set(note, ERR_IO, "--cacert %s cannot be read: %s", o->ca_file, strerror(errno));
    if (o->target != NULL && strchr(o->target, '@') != NULL)
        return note_set(note, ERR_INVALID,
                        "--target holds credentials, and every report shows it; put them into the headers "
                        "of a profile (mohs check --profile FILE.json)");
    enum err e = OK;
    for (size_t i = 0; i < o->outputs.count && e == OK; i++)
        e = report_check_file(o->outputs.items[i], NULL, note);
    return e;
}

static enum err load(struct check *c, const struct option_list *operands, struct note *note)
{
    const struct check_options *o = c->o;
    CLEANUP(free_ptr) const char **words = calloc(operands->count + o->run.count + 1, sizeof *words);
    if (words == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < operands->count; i++)
        words[i] = operands->items[i];
    for (size_t i = 0; i < o->run.count; i++)
        words[operands->count + i] = o->run.items[i];
    const struct option_list all = {words, operands->count + o->run.count};
    struct selection s = {.words = &all, .skip = &o->skip, .requirements = &o->requirements};
    const char *profile = o->profile != NULL ? o->profile : o->target != NULL ? "generic-openai" : "reference";
    size_t *picked = NULL;
    if (!level_from_name(o->level, &s.level))
        return note_set(note, ERR_INVALID, "--level is '%s'", o->level);
    enum err e = check_given(o, note);
    if (e == OK)
        e = profile_load(profile, &c->profile, note);
    if (e == OK)
        e = requirements_load(&c->requirements, note);
    if (e == OK)
        e = cases_load(&c->cases, &c->requirements, note);
    if (e == OK)
        e = expected_load(o->expected, &c->expected, note);
    if (e == OK)
        e = select_cases(&s, &c->cases, &c->requirements, &picked, &c->count, note);
    if (e == OK)
        e = check_expected(c, note);
    c->jobs = e == OK ? calloc(c->count + 1, sizeof *c->jobs) : NULL;
    if (e == OK && c->jobs == NULL)
        e = note_set(note, ERR_NOMEM, "out of memory");
    for (size_t i = 0; e == OK && i < c->count; i++)
        c->jobs[i].c = &c->cases.items[picked[i]];
    if (e != OK)
        c->count = 0;
    free(picked);
    return e;
}

static int print_plan(const struct check *c)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    if (c->o->dry_run)
        profile_describe(&c->profile, &text);
    size_t fit = 0;
    for (size_t i = 0; i < c->count; i++) {
        struct note why;
        if (!case_fits(&c->profile, c->jobs[i].c, &why))
            continue;
        fit++;
        buf_addf(&text, c->o->list ? "%s\n" : "%-60s %-6s %s\n", c->jobs[i].c->id, level_name(c->jobs[i].c->level),
                 c->jobs[i].c->title);
    }
    (void)fputs(buf_text(&text), stdout);
    (void)fflush(stdout);
    if (fit < c->count)
        (void)fprintf(stderr, "%zu cases; %zu more are skipped, as the profile %s does not claim what they need\n", fit,
                      c->count - fit, c->profile.name);
    else
        (void)fprintf(stderr, "%zu cases\n", fit);
    return fit > 0 ? EXIT_HELD : EXIT_NOTHING;
}

static int run(const void *settings, const struct option_list *operands)
{
    CLEANUP(check_release) struct check c = {.o = settings, .failed_ids = BUF_INIT(BUF_ANY)};
    struct note note = {""};
    enum err e = load(&c, operands, &note);
    if (e == OK)
        e = interrupt_install(&note);
    if (e != OK) {
        (void)fprintf(stderr, "mohs check: %s\n", note.text);
        return EXIT_USAGE;
    }
    if (c.o->list || c.o->dry_run)
        return print_plan(&c);
    result_init(&c.result, "conformance", command_line.argc, command_line.argv);
    struct rig_config rig = {.profile = &c.profile,
                             .target = c.o->target,
                             .mock_url = c.o->mock_url,
                             .admin_url = c.o->admin_url,
                             .mock_port = c.o->mock_port,
                             .start = c.o->start,
                             .region = c.o->region,
                             .ca_file = c.o->ca_file};
    bool ours = c.o->target == NULL && c.profile.self != SELF_NONE && c.o->mock_url == NULL && c.o->mock_port == 0;
    struct progress progress;
    progress_begin(&progress, stderr, c.o->ui, "cases", c.count);
    struct pool_config pool = {.rig = &rig,
                               .jobs = c.jobs,
                               .count = c.count,
                               .rigs = ours ? (unsigned)c.o->jobs : 1,
                               .progress = &progress,
                               .stop_after = stop_after,
                               .is_bad = is_bad,
                               .ctx = &c};
    pool_run(&pool, &c.report);
    progress_end(&progress);
    return finish(&c, &note);
}

const struct verb verb_check = {
    .name = "check",
    .operands = "[ID|GLOB|FILE.json]...",
    .summary = "conformance of a gateway",
    .about =
        "Asks the target what clients ask, answers it as Bedrock would, and judges both wires. A mock Bedrock is "
        "started for "
        "the run; without --target so is the reference gateway. A failure shows the requirement, what was expected, "
        "what was "
        "observed, both wires, and the command that runs the one case again.\n\nTo test a gateway of yours: start "
        "'mohs check --target URL --mock-port 9555' with the gateway's Bedrock endpoint set to http://127.0.0.1:9555. "
        "When the first 5 cases that need a call to the mock are answered 5xx, or not at all, and the mock was never "
        "called, the run stops with exit code 2, because that endpoint is another.",
    .examples =
        "mohs check\tthe reference gateway, every case\n"
        "mohs check --target http://127.0.0.1:4000 --mock-port 9555 -o result.json -o junit.xml\ta gateway of yours\n"
        "mohs check 'openai.chat/stream/*' --level MUST\tsome cases\n"
        "mohs check openai.chat/params/stop -v\tone case; the path of a .json file runs one that is being written\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct check_options),
    .run = run,
};
