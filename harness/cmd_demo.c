/* cmd_demo.c: `mohs demo`: everything once, on one screen: every case against the reference gateway, then what it adds.
 *
 * The two parts are runs of this very program, and the screen is made from the result documents that they wrote: the demo
 * shows nothing that a user could not get by the two commands it names.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/file.h"
#include "harness/option.h"
#include "harness/progress.h"
#include "harness/verbs.h"
#include "protocol/buf.h"
#include "reports/exit.h"

extern char **environ;

struct demo_options {
    const char *folder, *duration, *ui;
};

#define AT(member) offsetof(struct demo_options, member)

static const struct option_row rows[] = {
    {"output", 'o', "FOLDER", OPTION_STRING, AT(folder), .fallback = "mohs-demo", .help = "Where the report files go; made when it is not there."},
    {"duration", 'z', "TIME", OPTION_STRING, AT(duration), .fallback = "10s", .help = "Measured time of the benchmark."},
    {"ui", 0, "HOW", OPTION_STRING, AT(ui), .fallback = "auto", .choices = PROGRESS_CHOICES, .help = "Progress: a bar on a terminal, lines elsewhere, or nothing."},
};

/* One part: the verb that runs it, and the endings of its reports. */
struct part {
    const char *verb;
    const char *endings[4];
    char files[4][512];
    int code;
};

/* Run `mohs VERB ...` with our standard error, and its console report left out. */
static enum err run_part(struct part *part, const struct demo_options *o, struct note *note)
{
    char *argv[24] = {(char[]){"/proc/self/exe"}};
    char verb[16], words[8][16] = {"--ui", "-o", "-z", "-c", "8"};
    (void)snprintf(verb, sizeof verb, "%s", part->verb);
    CLEANUP(free_ptr) char *ui = span_dup(span_of(o->ui));
    CLEANUP(free_ptr) char *duration = span_dup(span_of(o->duration));
    size_t n = 1;
    argv[n++] = verb;
    argv[n++] = words[0];
    argv[n++] = ui;
    for (size_t i = 0; i < COUNT_OF(part->endings) && part->endings[i] != NULL; i++) {
        (void)snprintf(part->files[i], sizeof part->files[i], "%s/%s%s", o->folder, part->verb, part->endings[i]);
        argv[n++] = words[1];
        argv[n++] = part->files[i];
    }
    if (strcmp(part->verb, "bench") == 0) {
        argv[n++] = words[2];
        argv[n++] = duration;
        argv[n++] = words[3];
        argv[n++] = words[4];
    }
    argv[n] = NULL;
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawn(&child, argv[0], &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        return note_set(note, ERR_IO, "mohs %s cannot be started: %s", part->verb, strerror(failed));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return note_set(note, ERR_IO, "mohs %s: %s", part->verb, strerror(errno));
    part->code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
    return OK;
}

static const char *number_at(const cJSON *doc, const char *pointer)
{
    const cJSON *n = json_at(doc, pointer);
    return cJSON_IsNumber(n) && n->valuestring != NULL ? n->valuestring : "0";
}

static void show_conformance(const cJSON *doc)
{
    (void)printf("conformance  %s cases passed, %s failed, %s errors, %s skipped, against the reference gateway\n",
                 number_at(doc, "/conformance/summary/pass"), number_at(doc, "/conformance/summary/fail"),
                 number_at(doc, "/conformance/summary/error"), number_at(doc, "/conformance/summary/skip"));
    const cJSON *one;
    cJSON_ArrayForEach(one, json_at(doc, "/conformance/cases"))
    {
        const char *status = json_str(one, "status");
        if (strcmp(status, "fail") == 0 || strcmp(status, "error") == 0)
            (void)printf("             %s: %s\n", status, json_str(one, "id"));
    }
}

/* The rows of the paired table for the whole answer, at p50 and p99. */
static void show_added(const cJSON *doc)
{
    const cJSON *row;
    bool any = false;
    cJSON_ArrayForEach(row, json_member(doc, "paired"))
    {
        const cJSON *q = json_member(row, "quantile"), *diff = json_member(row, "diff");
        bool wanted = strcmp(json_str(row, "metric"), "e2e") == 0 && q != NULL && (q->valuedouble == 0.5 || q->valuedouble == 0.99);
        if (!wanted || diff == NULL)
            continue;
        const cJSON *interval = json_member(row, "ci95");
        (void)printf("%s  the gateway adds %.0f us at p%.0f", any ? "           " : "added latency", diff->valuedouble, 100 * q->valuedouble);
        if (cJSON_GetArraySize(interval) == 2)
            (void)printf(" (95 %% interval %.0f to %.0f us)", cJSON_GetArrayItem(interval, 0)->valuedouble, cJSON_GetArrayItem(interval, 1)->valuedouble);
        (void)printf(", closed loop, 8 connections\n");
        any = true;
    }
    if (!any)
        (void)printf("added latency  not measured\n");
    if (strcmp(json_str(doc, "verdict"), "inconclusive") == 0)
        (void)printf("             inconclusive: %s\n", json_str(json_member(doc, "exit"), "reason"));
}

static int run(const void *settings, const struct option_list *operands)
{
    (void)operands;
    const struct demo_options *o = settings;
    struct note note = {""};
    struct part parts[] = {{"check", {".json", ".xml", ".md"}, {{0}}, EXIT_INTERNAL}, {"bench", {".json", ".md"}, {{0}}, EXIT_INTERNAL}};
    void (*const show[])(const cJSON *) = {show_conformance, show_added};
    CLEANUP(json_free) cJSON *check = NULL;
    CLEANUP(json_free) cJSON *bench = NULL;
    cJSON **docs[] = {&check, &bench};
    enum err e = mkdir(o->folder, 0777) == 0 || errno == EEXIST ? OK : note_set(&note, ERR_IO, "%s: %s", o->folder, strerror(errno));
    int code = EXIT_HELD;
    for (size_t i = 0; i < COUNT_OF(parts) && e == OK; i++) {
        e = run_part(&parts[i], o, &note);
        if (e == OK)
            e = file_read_json(parts[i].files[0], JSON_COMPACT, docs[i], &note);
        if (parts[i].code != EXIT_INCONCLUSIVE) /* told on the screen; a demo on a busy machine is no failure */
            code = exit_worse(code, parts[i].code);
    }
    if (e != OK) {
        (void)fprintf(stderr, "mohs demo: %s\n", note.text);
        return exit_worse(code, EXIT_INTERNAL);
    }
    (void)printf("\nmohs %s: a mock Bedrock, a reference gateway, every case, a paired benchmark\n\n", MOHS_VERSION);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        show[i](*docs[i]);
    (void)printf("reports     ");
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        for (size_t j = 0; j < COUNT_OF(parts[i].endings) && parts[i].endings[j] != NULL; j++)
            (void)printf(" %s", parts[i].files[j]);
    (void)printf("\n\nThe same by hand: mohs check; mohs bench -c 8 -z %s\n", o->duration);
    (void)printf("exit %d: %s\n", code, exit_meaning(code));
    return code;
}

const struct verb verb_demo = {
    .name = "demo",
    .summary = "run every case and a short benchmark, and show one screen",
    .about = "Starts a mock and the reference gateway, runs every case, measures what the gateway adds to a direct line, and writes report\n"
             "files. What it shows can be had by mohs check and mohs bench, too.",
    .examples = "mohs demo -z 2s\tEverything once, with a benchmark of two seconds.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct demo_options),
    .run = run,
};
