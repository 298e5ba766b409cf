/* cmd_bench.c: `mohs bench`: load, and what a target adds to a direct line.
 *
 * Without --target the mock and the reference gateway are started as children of this program, and the mock is the
 * direct side. Before the load two mocks of known delays are read back (calibration), so that a rig that cannot measure
 * says so instead of giving figures.
 */
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/bench/bench.h"
#include "harness/command_line.h"
#include "harness/interrupt.h"
#include "harness/option.h"
#include "harness/own.h"
#include "harness/progress.h"
#include "harness/verbs.h"
#include "reports/exit.h"
#include "reports/report.h"
#include "reports/result.h"

/* Two mocks, a few contents each: together about two seconds. */
enum { CALIBRATION_SHORT_MS = 8, CALIBRATION_LONG_MS = 20, CALIBRATION_ITL_MS = 2, CALIBRATION_DELTAS = 6,
       CALIBRATION_TRIES = 2 };

struct bench_options {
    const char *target, *direct, *dialect, *direct_dialect, *model, *prompt, *body, *arrival, *region, *key, *ui;
    int64_t connections, threads, count, duration_ns, warmup_ns, timeout_ms, seed, max_tokens, block_ms;
    double rate;
    bool stream, probe, one_host, sign, calibrate, hdr;
    struct option_list headers, outputs;
};

#define AT(member) offsetof(struct bench_options, member)
#define DIALECTS   "openai.chat|bedrock.converse|get"

static const struct option_row rows[] = {
    OPTION_GROUP("What is measured"),
    {"target", 0, "URL", OPTION_STRING, AT(target),
     .help = "What is measured. Without it: the reference gateway before the mock, both started here. One that ends in "
             "/model/ID/invoke or the like is asked at that path; give it a --body."},
    {"direct", 0, "URL", OPTION_STRING, AT(direct),
     .help = "The same upstream without the target; the two alternate in one run and are compared."},
    {"dialect", 0, "NAME", OPTION_STRING, AT(dialect), .fallback = "openai.chat", .choices = DIALECTS,
     .help = "What the target is spoken to in."},
    {"direct-dialect", 0, "NAME", OPTION_STRING, AT(direct_dialect), .fallback = "bedrock.converse",
     .choices = DIALECTS, .help = "What the direct side is spoken to in."},
    {"one-host", 0, NULL, OPTION_FLAG, AT(one_host), .fallback = "true",
     .help = "The mock's clock is ours. --no-one-host when it runs elsewhere."},
    {"probe", 0, NULL, OPTION_FLAG, AT(probe), .fallback = "true",
     .help =
         "Put a tag into the text, by which the mock's clock comes back. --no-probe for upstreams that are no mock."},
    {"calibrate", 0, NULL, OPTION_FLAG, AT(calibrate), .fallback = "true",
     .help = "First read two mocks of known delays back; --no-calibrate leaves that out."},
    OPTION_GROUP("The load"),
    {"connections", 'c', "N", OPTION_INT, AT(connections), .fallback = "32", .min = 1, .max = BENCH_CONNECTIONS_MAX,
     .help = "Closed load: connections, each with one request under way. Open load: at most so many under way."},
    {"rate", 'R', "N", OPTION_REAL, AT(rate),
     .help = "Open load: requests per second, sent by schedule whether answers have come or not. 0: closed load."},
    {"arrival", 0, "HOW", OPTION_STRING, AT(arrival), .fallback = "constant", .choices = "constant|poisson",
     .help = "Open load: spacing of the schedule."},
    {"count", 'n', "N", OPTION_INT, AT(count), .help = "End after so many measured requests; 0: by --duration."},
    {"duration", 'z', "TIME", OPTION_DURATION, AT(duration_ns), .fallback = "10s",
     .help = "Measured time, of both sides together."},
    {"warmup", 0, "TIME", OPTION_DURATION, AT(warmup_ns), .fallback = "500ms",
     .help = "Time before it that is not counted."},
    {"block", 0, "MS", OPTION_MS, AT(block_ms), .fallback = "250ms",
     .help = "Paired: how long one side has the line before the other."},
    {"threads", 't', "N", OPTION_INT, AT(threads), .fallback = "1", .min = 1, .max = BENCH_THREADS_MAX,
     .help = "Threads that send."},
    {"timeout", 0, "MS", OPTION_MS, AT(timeout_ms), .fallback = "30s", .help = "Of one request."},
    {"seed", 0, "N", OPTION_INT, AT(seed), .fallback = "1", .help = "Of schedule and bootstrap."},
    OPTION_GROUP("The requests"),
    {"stream", 0, NULL, OPTION_FLAG, AT(stream), .help = "Ask for streamed answers, and measure each frame."},
    {"model", 0, "ID", OPTION_STRING, AT(model), .fallback = "amazon.nova-lite-v1:0",
     .help = "The model that requests name."},
    {"prompt", 0, "TEXT", OPTION_STRING, AT(prompt), .fallback = "Count to ten.", .help = "The user's text."},
    {"max-tokens", 0, "N", OPTION_INT, AT(max_tokens), .fallback = "64", .min = 1, .max = 1000000,
     .help = "Asked of the model; the mock streams so many deltas to a probe."},
    {"body", 0, "JSON", OPTION_STRING, AT(body),
     .help = "Send this body instead; mohs-probe:0000000000000000 in it becomes the tag."},
    {"header", 'H', "'NAME: VALUE'", OPTION_LIST, AT(headers),
     .help = "A header field for the target; may be repeated."},
    {"aws-sigv4", 0, NULL, OPTION_FLAG, AT(sign), .help = "Sign requests of the dialect bedrock.converse."},
    {"key", 0, "AK:SECRET[:TOKEN]", OPTION_STRING, AT(key), .fallback = OWN_KEY, .help = "Credentials to sign with."},
    {"region", 0, "REGION", OPTION_STRING, AT(region), .fallback = "us-east-1", .help = "Region to sign for."},
    OPTION_GROUP("The result"),
    {"output", 'o', "FILE", OPTION_LIST, AT(outputs),
     .help = "Write the result there; .json, .md or .txt; - is standard output. May be repeated."},
    {"hdr", 0, NULL, OPTION_FLAG, AT(hdr), .help = "Put every histogram into the result, as HdrHistogram V2 text."},
    {"ui", 0, "HOW", OPTION_STRING, AT(ui), .fallback = "auto", .choices = PROGRESS_CHOICES,
     .help = "Progress: a bar on a terminal, lines elsewhere, or nothing."},
};

static void show_progress(void *ctx, const struct bench_progress *p)
{
    char text[128];
    bool by_count = p->planned > 0;
    double share = by_count           ? (double)p->done / (double)p->planned
                   : p->planned_s > 0 ? fmin(p->elapsed_s / p->planned_s, 1)
                                      : 0;
    if (by_count)
        (void)snprintf(text, sizeof text, "%" PRIu64 " of %" PRIu64 " requests", p->done, p->planned);
    else
        (void)snprintf(text, sizeof text, "%.1f of %.1f s, %" PRIu64 " requests", fmin(p->elapsed_s, p->planned_s),
                       p->planned_s, p->done);
    size_t n = strlen(text);
    (void)snprintf(text + n, sizeof text - n, ", %.0f/s, %" PRIu64 " errors", p->rate, p->errors);
    progress_tell(ctx, share, text);
}

/* A signal becomes the engine's flag through this: the engine asks only an atomic. */
static atomic_bool stopped;

static void show_and_watch(void *ctx, const struct bench_progress *p)
{
    if (interrupt_seen())
        atomic_store(&stopped, true);
    show_progress(ctx, p);
}

static enum err configure(const struct bench_options *o, struct own_credentials *key, struct bench_config *c,
                          struct note *note)
{
    bench_config_init(c);
    c->target = (struct bench_endpoint){
        .url = o->target, .headers = o->headers.items, .header_count = o->headers.count, .sign = o->sign};
    c->direct = (struct bench_endpoint){.url = o->direct, .sign = o->sign};
    (void)bench_dialect_from_name(o->dialect, &c->target.dialect);
    (void)bench_dialect_from_name(o->direct_dialect, &c->direct.dialect);
    c->model = o->model;
    c->prompt = o->prompt;
    c->body = o->body;
    c->max_tokens = (unsigned)o->max_tokens;
    c->stream = o->stream;
    c->probe = o->probe;
    c->one_host = o->one_host;
    c->region = o->region;
    c->connections = (unsigned)o->connections;
    c->threads = (unsigned)o->threads;
    c->rate = o->rate;
    c->arrival = strcmp(o->arrival, "poisson") == 0 ? BENCH_POISSON : BENCH_CONSTANT;
    c->seed = (uint64_t)o->seed;
    c->count = (uint64_t)o->count;
    c->duration_ms = (uint64_t)o->duration_ns / 1000000;
    c->warmup_ms = (uint64_t)o->warmup_ns / 1000000;
    c->block_ms = (uint64_t)o->block_ms;
    c->timeout_ms = (uint64_t)o->timeout_ms;
    c->stop = &stopped;
    enum err e = own_credentials_read(o->key, key, note);
    c->access_key = key->access_key;
    c->secret_key = key->secret;
    c->session_token = key->session_token;
    return e;
}

/* Read one mock back whose delays we set ourselves. */
static enum err read_golden(const struct bench_config *config, int64_t ttft_ms, struct bench_calibration *out,
                            struct note *note)
{
    char ttft[24], itl[24], deltas[24];
    (void)snprintf(ttft, sizeof ttft, "%lldms", (long long)ttft_ms);
    (void)snprintf(itl, sizeof itl, "%dms", CALIBRATION_ITL_MS);
    (void)snprintf(deltas, sizeof deltas, "%d", CALIBRATION_DELTAS);
    const char *const pace[] = {"--ttft", ttft, "--itl", itl, "--probe-deltas", deltas, NULL};
    CLEANUP(own_stop) struct own golden = OWN_INIT;
    struct bench_config c = *config;
    enum err e = own_start(&golden, OWN_MOCK, NULL, pace, note);
    if (e != OK)
        return e;
    c.target = (struct bench_endpoint){.url = golden.url, .dialect = BENCH_BEDROCK_CONVERSE};
    c.direct.url = NULL;
    c.body = NULL;
    c.stream = true;
    c.probe = c.one_host = true;
    c.max_tokens = CALIBRATION_DELTAS;
    return bench_calibrate(&c, ttft_ms * 1000, CALIBRATION_ITL_MS * 1000, 0, out, note);
}

/* A neighbour's burst may spoil one; a rig that cannot measure spoils all of them. */
static enum err calibrate(const struct bench_config *config, struct bench_calibration *out, struct note *note)
{
    enum err e = OK;
    *out = (struct bench_calibration){.good = false};
    for (int tries = 0; e == OK && tries < CALIBRATION_TRIES && !out->good && !interrupt_seen(); tries++) {
        struct bench_calibration shorter, longer;
        e = read_golden(config, CALIBRATION_SHORT_MS, &shorter, note);
        if (e == OK)
            e = read_golden(config, CALIBRATION_LONG_MS, &longer, note);
        if (e == OK)
            bench_calibrate_step(&shorter, &longer, out);
    }
    return e;
}

static enum err write_reports(const struct bench_options *o, const struct bench_result *result, struct note *note)
{
    CLEANUP(result_release) struct result r;
    result_init(&r, result->paired ? "compare" : "load", command_line.argc, command_line.argv);
    CLEANUP(json_free) cJSON *measured = bench_json(result, o->hdr);
    while (measured != NULL && measured->child != NULL) {
        cJSON *section = cJSON_DetachItemViaPointer(measured, measured->child);
        CLEANUP(free_ptr) char *name = section->string;
        section->string = NULL;
        result_take(&r, name, section);
    }
    int code = bench_exit_code(result);
    enum err e = result_finish(&r, code, code == EXIT_HELD ? "measured" : result->reason, note);
    for (size_t i = 0; i < o->outputs.count && e == OK; i++)
        e = report_write_file(r.doc, o->outputs.items[i], NULL, note);
    return e;
}

static bool to_stdout(const struct option_list *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (strcmp(outputs->items[i], "-") == 0)
            return true;
    return false;
}

static int measure(const struct bench_options *o, struct bench_config *config, struct note *note)
{
    struct progress progress;
    struct bench_calibration calibration = {.done = false};
    CLEANUP(bench_result_free) struct bench_result *result = NULL;
    progress_begin(&progress, stderr, o->ui, "", 0);
    if (o->calibrate)
        progress_tell(&progress, 0, "calibrating: reading mocks of known delays back");
    enum err e = o->calibrate ? calibrate(config, &calibration, note) : OK;
    if (e != OK) {
        progress_end(&progress);
        return EXIT_INTERNAL;
    }
    config->progress = show_and_watch;
    config->progress_ctx = &progress;
    e = bench_run(config, &result, note);
    progress_end(&progress);
    if (e != OK)
        return e == ERR_CLOSED ? EXIT_UNREACHABLE : EXIT_USAGE;
    if (calibration.done)
        bench_set_calibration(result, &calibration);
    if (!to_stdout(&o->outputs))
        bench_print(result, stdout);
    if (write_reports(o, result, note) != OK)
        return EXIT_USAGE;
    int code = bench_exit_code(result);
    if (code != EXIT_HELD)
        (void)note_set(note, ERR_INVALID, "%s", result->reason);
    return code;
}

static int run(const void *settings, const struct option_list *operands)
{
    (void)operands;
    const struct bench_options *o = settings;
    struct note note = {""};
    struct bench_config config;
    CLEANUP(own_credentials_release) struct own_credentials key = {NULL, NULL, NULL};
    CLEANUP(own_stop) struct own mock = OWN_INIT;
    CLEANUP(own_stop) struct own gateway = OWN_INIT;
    enum err e = configure(o, &key, &config, &note);
    for (size_t i = 0; i < o->outputs.count && e == OK; i++)
        e = report_check_file(o->outputs.items[i], NULL, &note);
    if (e == OK && o->target == NULL && o->direct != NULL)
        e = note_set(&note, ERR_INVALID, "--direct without --target: say what is to be compared with it");
    if (e == OK)
        e = interrupt_install(&note);
    int code = e == OK ? EXIT_HELD : EXIT_USAGE;
    if (e == OK && o->target == NULL) {
        e = own_start(&mock, OWN_MOCK, NULL, NULL, &note);
        if (e == OK)
            e = own_start(&gateway, OWN_GATEWAY, mock.url, NULL, &note);
        code = e == OK ? EXIT_HELD : EXIT_INTERNAL;
        config.target.url = gateway.url;
        config.direct.url = mock.url;
    }
    if (code == EXIT_HELD)
        code = measure(o, &config, &note);
    if (code != EXIT_HELD)
        (void)fprintf(stderr, "mohs bench: %s\n", note.text[0] != '\0' ? note.text : exit_meaning(code));
    return code;
}

const struct verb verb_bench = {
    .name = "bench",
    .summary = "measure what a gateway adds, and what it can carry",
    .about = "Sends load and reads back, per request and per streamed frame, how long it took up through the target "
             "and down again.\n"
             "With a direct side the two alternate in one run, and the difference comes with a 95 % interval.\n\n"
             "Closed load (-c) sends the next request when the last is answered; open load (-R) sends by schedule and "
             "counts latency\n"
             "from the intended instant. When the rig was the limit, the verdict is inconclusive and the exit code 5.\n"
             "When the target was (all connections busy, the generator idle), the verdict is saturated, and the code 5 too: the "
             "rate that was asked for\n"
             "is not the one that ran, so there are no times for it.",
    .examples = "mohs bench -c 8 -z 10s\tWhat the reference gateway adds to its mock.\n"
                "mohs bench -R 200 -z 10s --stream -o load.json\tOpen load, streamed, with the result document.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct bench_options),
    .run = run,
};
