/* cmd_selftest.c: `mohs selftest`: is the tool in your hands right? Three questions, each with a count.
 *
 * Do our codecs agree with every published vector? Does the reference gateway pass every case? And is every mutation of
 * it caught at the check that its case names? A check that cannot fail is found by the last one the day it is written.
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness/command_line.h"
#include "harness/interrupt.h"
#include "harness/pool.h"
#include "harness/select.h"
#include "harness/verbs.h"
#include "protocol/vectors.h"
#include "reports/report.h"
#include "reports/result.h"

struct selftest_options {
    struct option_list outputs;
    int64_t jobs;
    const char *ui;
    bool vectors;
};

#define AT(member) offsetof(struct selftest_options, member)

static const struct option_row rows[] = {
    {"jobs", 'j', "N", OPTION_INT, AT(jobs), .fallback = "4", .min = 1, .max = 64,
     .help = "Pairs of mock and reference gateway at work side by side."},
    {"vectors", 0, NULL, OPTION_FLAG, AT(vectors), .fallback = "true",
     .help = "Run the published vectors too; --no-vectors leaves them out."},
    {"output", 'o', "FILE", OPTION_LIST, AT(outputs),
     .help = "Write the result there: .json, .md or .txt; may be repeated."},
    {"ui", 0, "HOW", OPTION_STRING, AT(ui), .fallback = "auto", .choices = PROGRESS_CHOICES,
     .help = "Progress: a bar on a terminal, lines elsewhere, or nothing."},
};

struct selftest {
    const struct selftest_options *o;
    struct profile profile;
    struct requirements requirements;
    struct cases cases;
    struct job *jobs;
    size_t count;
    struct pool_report report;
    struct vector_tally vectors;
    size_t cases_run, cases_passed, mutations, caught;
    cJSON *survivors; /* [{case, mutation, why}] */
};

static void selftest_release(struct selftest *s)
{
    for (size_t i = 0; i < s->count; i++)
        outcome_release(&s->jobs[i].outcome);
    free(s->jobs);
    json_free(&s->survivors);
    cases_release(&s->cases);
    requirements_release(&s->requirements);
    profile_release(&s->profile);
    pool_report_release(&s->report);
}

/* ---- what to run ---- */

static enum err list_jobs(struct selftest *s, const size_t *picked, size_t picked_count)
{
    size_t total = picked_count;
    for (size_t i = 0; i < picked_count; i++)
        total += (size_t)cJSON_GetArraySize(json_member(s->cases.items[picked[i]].root, "mutations"));
    s->jobs = calloc(total + 1, sizeof *s->jobs);
    if (s->jobs == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < picked_count; i++) {
        const struct case_file *c = &s->cases.items[picked[i]];
        const cJSON *mutation;
        s->jobs[s->count++].c = c;
        cJSON_ArrayForEach(mutation, json_member(c->root, "mutations"))
        {
            s->jobs[s->count].c = c;
            s->jobs[s->count++].mutation = mutation;
        }
    }
    return OK;
}

static enum err load(struct selftest *s, const struct option_list *words, struct note *note)
{
    const struct option_list none = {NULL, 0};
    const struct selection all = {words, &none, &none, LEVEL_MAY};
    size_t *picked = NULL, count = 0;
    enum err e = profile_load("reference", &s->profile, note);
    if (e == OK)
        e = requirements_load(&s->requirements, note);
    if (e == OK)
        e = cases_load(&s->cases, &s->requirements, note);
    if (e == OK)
        e = select_cases(&all, &s->cases, &s->requirements, &picked, &count, note);
    if (e == OK)
        e = list_jobs(s, picked, count);
    free(picked);
    return e;
}

/* ---- what it means ---- */

/* NULL: as it should be. Otherwise why not, in *why. */
static const char *complaint(const struct job *job, struct buf *why)
{
    const struct outcome *o = &job->outcome;
    if (!job->ran)
        return "it was not run";
    if (o->verdict == VERDICT_ERROR || o->verdict == VERDICT_SKIP) {
        buf_addf(why, "%s: %s", verdict_name(o->verdict), o->reason.text);
        return buf_text(why);
    }
    if (job->mutation == NULL) {
        if (o->verdict == VERDICT_PASS)
            return NULL;
        buf_adds(why, "the reference gateway fails at");
    } else {
        const char *caught = json_str(job->mutation, "caught");
        if (caught != NULL && findings_failed_at(&o->findings, caught))
            return NULL;
        buf_addf(why, "should be caught at %s, and %s", caught == NULL ? "(nowhere)" : caught,
                 o->findings.failed > 0 ? "fails at" : "fails nowhere");
    }
    for (size_t i = 0; i < o->findings.count; i++)
        if (!o->findings.items[i].ok)
            buf_addf(why, " %s (expected %s, observed %s)", o->findings.items[i].id,
                     o->findings.items[i].expected == NULL ? "?" : o->findings.items[i].expected,
                     o->findings.items[i].observed == NULL ? "?" : o->findings.items[i].observed);
    return buf_text(why);
}

static void judge(struct selftest *s)
{
    s->survivors = cJSON_CreateArray();
    for (size_t i = 0; i < s->count; i++) {
        const struct job *job = &s->jobs[i];
        if (!job->ran && s->report.interrupted)
            continue;
        CLEANUP(buf_release) struct buf text = BUF_INIT(1 << 20);
        const char *why = complaint(job, &text);
        *(job->mutation == NULL ? &s->cases_run : &s->mutations) += 1;
        if (why == NULL) {
            *(job->mutation == NULL ? &s->cases_passed : &s->caught) += 1;
            continue;
        }
        cJSON *row = cJSON_CreateObject();
        (void)json_set_string(row, "case", job->c->id);
        if (job->mutation != NULL)
            (void)json_set(row, "mutation", cJSON_Duplicate(job->mutation, true));
        (void)json_set_string(row, "why", why);
        cJSON_AddItemToArray(s->survivors, row);
    }
}

static void vector_failed(void *ctx, const char *name, const char *why)
{
    (void)ctx;
    (void)printf("vector   %s: %s\n", name, why);
}

static enum err run_vectors(struct selftest *s)
{
    if (!s->o->vectors)
        return OK;
    enum err signing = vectors_run_sigv4(&s->vectors, vector_failed, NULL);
    enum err framing = vectors_run_eventstream(&s->vectors, vector_failed, NULL);
    return signing != OK ? signing : framing;
}

static void set_counts(cJSON *to, const char *name, size_t run, const char *good_name, size_t good)
{
    cJSON *counts = json_set(to, name, cJSON_CreateObject());
    (void)json_set_int(counts, "run", (int64_t)run);
    (void)json_set_int(counts, good_name, (int64_t)good);
}

static void print(const struct selftest *s)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, s->survivors)
    {
        CLEANUP(free_ptr) char *mutation = json_text(json_member(row, "mutation"), JSON_COMPACT);
        (void)printf("%s %s%s%s\n         %s\n", json_member(row, "mutation") == NULL ? "case    " : "mutation",
                     json_str(row, "case"), json_member(row, "mutation") == NULL ? "" : " ",
                     json_member(row, "mutation") == NULL || mutation == NULL ? "" : mutation, json_str(row, "why"));
    }
    if (s->o->vectors)
        (void)printf("vectors %u/%u\n", s->vectors.passed, s->vectors.run);
    (void)printf("cases passed by the reference gateway %zu/%zu\nmutations caught %zu/%zu\n", s->cases_passed,
                 s->cases_run, s->caught, s->mutations);
}

static int finish(struct selftest *s, enum err vectors, struct note *note)
{
    CLEANUP(result_release) struct result r;
    judge(s);
    print(s);
    bool good = vectors == OK && s->vectors.passed == s->vectors.run && (s->vectors.run > 0 || !s->o->vectors) &&
                s->cases_passed == s->cases_run && s->caught == s->mutations;
    int code = s->report.interrupted   ? EXIT_INTERRUPTED
               : s->report.error != OK ? EXIT_INTERNAL
               : good                  ? EXIT_HELD
                                       : EXIT_FAILED;
    result_init(&r, "selftest", command_line.argc, command_line.argv);
    cJSON *section = result_section(&r, "selftest");
    if (s->o->vectors)
        set_counts(section, "vectors", s->vectors.run, "passed", s->vectors.passed);
    set_counts(section, "cases", s->cases_run, "passed", s->cases_passed);
    set_counts(section, "mutations", s->mutations, "caught", s->caught);
    (void)json_set(section, "survivors", cJSON_Duplicate(s->survivors, true));
    const char *reason = s->report.interrupted   ? "interrupted; the counts are those until then"
                         : s->report.error != OK ? s->report.note.text
                         : good                  ? "every vector, case and mutation as it should be"
                                                 : "something above is not as it should be";
    enum err e = result_finish(&r, code, reason, note);
    for (size_t i = 0; i < s->o->outputs.count && e == OK; i++)
        e = report_write_file(r.doc, s->o->outputs.items[i], NULL, note);
    if (e != OK) {
        (void)fprintf(stderr, "mohs selftest: %s\n", note->text);
        code = exit_worse(code, EXIT_USAGE);
    }
    (void)printf("exit %d: %s\n", code, reason);
    return code;
}

static bool is_bad(void *ctx, const struct job *job)
{
    (void)ctx;
    CLEANUP(buf_release) struct buf why = BUF_INIT(1 << 20);
    return complaint(job, &why) != NULL;
}

static int run(const void *settings, const struct option_list *operands)
{
    CLEANUP(selftest_release) struct selftest s = {.o = settings};
    struct note note = {""};
    enum err e = load(&s, operands, &note);
    for (size_t i = 0; i < s.o->outputs.count && e == OK; i++)
        e = report_check_file(s.o->outputs.items[i], NULL, &note);
    if (e == OK)
        e = interrupt_install(&note);
    if (e != OK) {
        (void)fprintf(stderr, "mohs selftest: %s\n", note.text);
        return EXIT_USAGE;
    }
    enum err vectors = run_vectors(&s);
    const struct rig_config rig = {.profile = &s.profile, .region = "us-east-1"};
    struct progress progress;
    progress_begin(&progress, stderr, s.o->ui, "runs of cases", s.count);
    const struct pool_config pool = {.rig = &rig,
                                     .jobs = s.jobs,
                                     .count = s.count,
                                     .rigs = (unsigned)s.o->jobs,
                                     .progress = &progress,
                                     .is_bad = is_bad};
    pool_run(&pool, &s.report);
    progress_end(&progress);
    return finish(&s, vectors, &note);
}

const struct verb verb_selftest = {
    .name = "selftest",
    .operands = "[ID|GLOB|FILE.json]...",
    .summary = "prove this build: vectors, cases, and a mutation for every check",
    .about = "Runs every published vector against our codecs, every case against the reference gateway, and every case "
             "once more per mutation\n"
             "of that gateway: each must be caught at the check the case names. Exit code 1 when anything is not as it "
             "should be.",
    .examples = "mohs selftest\tEverything.\n"
                "mohs selftest 'openai.chat/params/*' --no-vectors\tThe cases of one area and their mutations.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct selftest_options),
    .run = run,
};
