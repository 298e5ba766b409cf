/* cmd_demo.c: `mohs demo`: everything once, on one screen: every case against the reference gateway, then what it adds.
 *
 * The two parts are runs of this very program, and the screen is made from the result documents that they wrote: the
 * demo shows nothing that a user could not get by the two commands it names. Each part leads a process group of its
 * own, so that Ctrl-C reaches us alone: we pass it on once, the part ends with what it has, and the screen shows that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/file.h"
#include "harness/interrupt.h"
#include "harness/option.h"
#include "harness/progress.h"
#include "harness/verbs.h"
#include "protocol/buf.h"
#include "reports/exit.h"

enum { STEP_MS = 20 };

struct demo_options {
    const char *folder, *duration, *ui;
};

#define AT(member) offsetof(struct demo_options, member)

static const struct option_row rows[] = {
    {"output", 'o', "FOLDER", OPTION_STRING, AT(folder), .fallback = "mohs-demo",
     .help = "Where the report files go; made when it is not there."},
    {"duration", 'z', "TIME", OPTION_STRING, AT(duration), .fallback = "10s",
     .help = "Measured time of the benchmark."},
    {"ui", 0, "HOW", OPTION_STRING, AT(ui), .fallback = "auto", .choices = PROGRESS_CHOICES,
     .help = "Progress: a bar on a terminal, lines elsewhere, or nothing."},
};

/* One part: the verb that runs it, and the endings of its reports. */
struct part {
    const char *verb;
    const char *endings[4];
    char files[4][512];
    int code;
};

static enum err wait_part(struct part *part, pid_t child, struct note *note)
{
    int status = 0;
    pid_t got;
    bool told = false;
    while ((got = waitpid(child, &status, WNOHANG)) == 0) {
        struct pollfd signal = {.fd = told ? -1 : interrupt_fd(), .events = POLLIN};
        (void)poll(&signal, 1, STEP_MS);
        if (interrupt_seen() && !told)
            told = kill(child, SIGINT) == 0;
    }
    if (got < 0)
        return note_set(note, ERR_IO, "mohs %s: %s", part->verb, strerror(errno));
    part->code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
    return OK;
}

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
    posix_spawnattr_t group;
    pid_t child;
    (void)posix_spawnattr_init(&group);
    (void)posix_spawnattr_setflags(&group, POSIX_SPAWN_SETPGROUP);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawn(&child, argv[0], &actions, &group, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&group);
    if (failed != 0)
        return note_set(note, ERR_IO, "mohs %s cannot be started: %s", part->verb, strerror(failed));
    return wait_part(part, child, note);
}

static const char *number_at(const cJSON *doc, const char *pointer)
{
    const cJSON *n = json_at(doc, pointer);
    return cJSON_IsNumber(n) && n->valuestring != NULL ? n->valuestring : "0";
}

static void show_conformance(const cJSON *doc)
{
    (void)printf("conformance    %s cases passed, %s failed, %s errors, %s skipped\n",
                 number_at(doc, "/conformance/summary/pass"), number_at(doc, "/conformance/summary/fail"),
                 number_at(doc, "/conformance/summary/error"), number_at(doc, "/conformance/summary/skip"));
    const cJSON *one;
    cJSON_ArrayForEach(one, json_at(doc, "/conformance/cases"))
    {
        const char *status = json_str(one, "status");
        if (strcmp(status, "fail") == 0 || strcmp(status, "error") == 0)
            (void)printf("               %s: %s\n", status, json_str(one, "id"));
    }
}

/* The rows of the paired table for the whole answer, at p50 and p99. */
static void show_added(const cJSON *doc)
{
    const cJSON *row;
    const char *label = "added latency";
    cJSON_ArrayForEach(row, json_member(doc, "paired"))
    {
        const cJSON *q = json_member(row, "quantile"), *diff = json_member(row, "diff");
        bool wanted = strcmp(json_str(row, "metric"), "e2e") == 0 && q != NULL &&
                      (q->valuedouble == 0.5 || q->valuedouble == 0.99);
        if (!wanted || diff == NULL)
            continue;
        const cJSON *interval = json_member(row, "ci95");
        (void)printf("%-13s  p%.0f %.0f us", label, 100 * q->valuedouble, diff->valuedouble);
        if (cJSON_GetArraySize(interval) == 2)
            (void)printf(" (95 %% interval %.0f to %.0f us)", cJSON_GetArrayItem(interval, 0)->valuedouble,
                         cJSON_GetArrayItem(interval, 1)->valuedouble);
        (void)printf(", 8 connections\n");
        label = "";
    }
    if (label[0] != '\0')
        (void)printf("added latency  not measured\n");
    if (strcmp(json_str(doc, "verdict"), "inconclusive") == 0)
        (void)printf("               inconclusive: %s\n", json_str(json_member(doc, "exit"), "reason"));
}

static void show_files(const struct part *parts, size_t count)
{
    const char *label = "reports";
    for (size_t i = 0; i < count; i++) {
        (void)printf("%-13s ", label);
        for (size_t j = 0; j < COUNT_OF(parts[i].endings) && parts[i].endings[j] != NULL; j++)
            (void)printf(" %s", parts[i].files[j]);
        (void)printf("\n");
        label = "";
    }
}

static int run(const void *settings, const struct option_list *operands)
{
    (void)operands;
    const struct demo_options *o = settings;
    struct note note = {""};
    struct part parts[] = {{"check", {".json", ".xml", ".md"}, {{0}}, EXIT_INTERNAL},
                           {"bench", {".json", ".md"}, {{0}}, EXIT_INTERNAL}};
    void (*const show[])(const cJSON *) = {show_conformance, show_added};
    CLEANUP(json_free) cJSON *check = NULL;
    CLEANUP(json_free) cJSON *bench = NULL;
    cJSON **docs[] = {&check, &bench};
    enum err e = interrupt_install(&note);
    if (e == OK && mkdir(o->folder, 0777) != 0 && errno != EEXIST) {
        (void)fprintf(stderr, "mohs demo: %s cannot be made: %s\n", o->folder, strerror(errno));
        return EXIT_USAGE;
    }
    int code = EXIT_HELD;
    size_t ran = 0;
    for (; ran < COUNT_OF(parts) && e == OK && code != EXIT_INTERRUPTED; ran++) {
        e = run_part(&parts[ran], o, &note);
        if (e == OK)
            e = file_read_json(parts[ran].files[0], JSON_COMPACT, docs[ran], &note);
        if (parts[ran].code != EXIT_INCONCLUSIVE) /* told on the screen; a demo on a busy machine is no failure */
            code = exit_worse(code, parts[ran].code);
    }
    if (e != OK) {
        (void)fprintf(stderr, "mohs demo: %s\n", note.text);
        return exit_worse(code, EXIT_INTERNAL);
    }
    (void)printf("\nmohs %s: what the reference gateway passes, and what it adds\n\n", MOHS_VERSION);
    for (size_t i = 0; i < ran; i++)
        show[i](*docs[i]);
    show_files(parts, ran);
    (void)printf("\nThe same by hand: mohs check; mohs bench -c 8 -z %s\n", o->duration);
    (void)printf("exit %d: %s\n", code, exit_meaning(code));
    return code;
}

const struct verb verb_demo = {
    .name = "demo",
    .summary = "run every case and a short benchmark, and show one screen",
    .about = "Starts a mock and the reference gateway, runs every case, measures what the gateway adds to a direct "
             "line, and writes report\n"
             "files. What it shows can be had by mohs check and mohs bench, too.",
    .examples = "mohs demo -z 2s\tEverything once, with a benchmark of two seconds.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct demo_options),
    .run = run,
};
