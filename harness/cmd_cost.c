/* cmd_cost.c: mohs cost: what a usage costs, line by line, to the last digit; a file of usages; somebody's price table.
 *
 * Three jobs behind one verb: a bill from counts (or from an answer that holds usage), totals of a file of records, and
 * the audit. Prices and arithmetic are protocol/price*.h; here they are only asked and printed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "harness/command_line.h"
#include "harness/cost_audit.h"
#include "harness/cost_usage.h"
#include "protocol/file.h"
#include "harness/interrupt.h"
#include "harness/option.h"
#include "harness/verbs.h"
#include "protocol/price_usage.h"
#include "reports/exit.h"
#include "reports/report.h"
#include "reports/result.h"

struct cost_options {
    const char *model, *region, *date, *tier, *map, *answer, *usage_file, *bad_lines, *label, *ui, *format, *rounding;
    int64_t tokens[PRICE_TOKENS];
    int64_t round;
    struct option_list units, outputs;
    bool json, allow_unverified, verbose;
};

#define AT(member)        offsetof(struct cost_options, member)
#define TOKENS(dimension) offsetof(struct cost_options, tokens[dimension])

static const struct option_row rows[] = {
    OPTION_GROUP("Which price"),
    {"model", 'm', "ID", OPTION_STRING, AT(model),
     .help = "Model id, inference profile id with its geography prefix, an ARN of either, or a friendly name. The "
             "default of records with --usage."},
    {"region", 0, "REGION", OPTION_STRING, AT(region),
     .help = "Where it was called, for prices that differ by region."},
    {"tier", 0, "TIER", OPTION_STRING, AT(tier), .fallback = "on-demand",
     .choices = "on-demand|batch|flex|priority|optimized|reserved", .help = "How the request was served."},
    {"date", 0, "YYYY-MM-DD", OPTION_STRING, AT(date), .help = "Price as of that day; today when not given."},
    {"map", 0, "FILE", OPTION_STRING, AT(map),
     .help = "A JSON object from names and ARNs (application inference profiles, provisioned models) to model ids."},
    {"allow-unverified", 0, NULL, OPTION_FLAG, AT(allow_unverified),
     .help = "Take figures that have one source only, and factors that no official text confirms."},
    OPTION_GROUP("Of how much"),
    {"input", 0, "N", OPTION_INT, TOKENS(PRICE_INPUT), .help = "Input tokens, cached ones not among them."},
    {"output", 0, "N", OPTION_INT, TOKENS(PRICE_OUTPUT), .help = "Output tokens."},
    {"cache-read", 0, "N", OPTION_INT, TOKENS(PRICE_CACHE_READ), .help = "Input tokens read from the prompt cache."},
    {"cache-write-5m", 0, "N", OPTION_INT, TOKENS(PRICE_CACHE_WRITE_5M),
     .help = "Input tokens written to the cache for five minutes."},
    {"cache-write-1h", 0, "N", OPTION_INT, TOKENS(PRICE_CACHE_WRITE_1H),
     .help = "Input tokens written to the cache for an hour."},
    {"input-audio", 0, "N", OPTION_INT, TOKENS(PRICE_INPUT_AUDIO), .help = "Audio input tokens."},
    {"output-audio", 0, "N", OPTION_INT, TOKENS(PRICE_OUTPUT_AUDIO), .help = "Audio output tokens."},
    {"units", 'u', "WHAT=N", OPTION_LIST, AT(units),
     .help = "Any other unit, by its name in the price data: image:1024x1024/premium=2, input_image=1, query=3, "
             "input_video_second=10, provisioned_hour:1-month=24, guardrail_topic=5. May be repeated."},
    {"answer", 0, "FILE", OPTION_STRING, AT(answer),
     .help = "Read the usage from an answer of Bedrock or of a gateway, or from an array of the events of a stream."},
    OPTION_GROUP("Of a file of records"),
    {"usage", 0, "FILE", OPTION_STRING, AT(usage_file),
     .help = "Price a file of records, one JSON object a line, in one pass; - is standard input. Totals by model, day "
             "and label."},
    {"bad-lines", 0, "HOW", OPTION_STRING, AT(bad_lines), .fallback = "skip", .choices = "skip|fatal",
     .help = "With --usage: tell a bad line by its number and go on, or end there."},
    {"label", 0, "POINTER", OPTION_STRING, AT(label), .fallback = "/label",
     .help = "With --usage: JSON pointer of the label in a record."},
    OPTION_GROUP("Auditing a table of prices"),
    {"format", 0, "NAME", OPTION_STRING, AT(format), .choices = "litellm|genai-prices|csv",
     .help = "With audit: the form of the other table. csv has the header model,dimension,usd."},
    {"output-file", 'o', "FILE", OPTION_LIST, AT(outputs),
     .help = "With audit: write the result document (.json) or a report of it (.md, .txt, .xml, .sarif); may be repeated."},
    {"verbose", 'v', NULL, OPTION_FLAG, AT(verbose), .help = "With audit: list what is for information only, too."},
    {"ui", 0, "HOW", OPTION_STRING, AT(ui), .fallback = "auto", .choices = PROGRESS_CHOICES,
     .help = "How progress is shown."},
    OPTION_GROUP("How it is told"),
    {"json", 0, NULL, OPTION_FLAG, AT(json),
     .help = "Print one JSON object instead of a table; total_usd is an exact decimal string."},
    {"round", 0, "PLACES", OPTION_INT, AT(round), .fallback = "-1", .min = -1, .max = MONEY_DECIMALS,
     .help = "Show the total of the table rounded as well; sums are always of exact amounts."},
    {"rounding", 0, "HOW", OPTION_STRING, AT(rounding), .fallback = "half-even", .choices = "half-even|half-up",
     .help = "How --round treats a tie."},
};

static int complain(const struct note *note)
{
    (void)fprintf(stderr, "mohs cost: %s\n", note->text);
    return EXIT_USAGE;
}

static void set_money(cJSON *object, const char *key, struct money m)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(64);
    money_print(m, &text);
    (void)json_set_string(object, key, buf_text(&text));
}

static void print_doc(const cJSON *doc)
{
    CLEANUP(free_ptr) char *text = json_text(doc, JSON_COMPACT);
    (void)puts(text == NULL ? "{}" : text);
}

/* ---- one bill ---- */

/* The displayed rate: per million for tokens, per unit for the rest. */
static void print_rate(const struct price_line *line, struct buf *out)
{
    bool tokens = line->dimension < PRICE_TOKENS;
    decimal_print(line->each.atto_usd, tokens ? MONEY_DECIMALS - 6 : MONEY_DECIMALS, out);
}

static void print_sources(const struct price_book *book, const struct price_bill *bill, struct buf *out)
{
    const char *last = "";
    for (size_t i = 0; i < bill->count; i++) {
        const char *source = bill->lines[i].source;
        if (strcmp(source, last) != 0)
            buf_addf(out, "  source %s: %s\n", source, price_book_source(book, source));
        last = source;
    }
}

static void print_table(const struct price_book *book, const struct price_bill *bill, const struct cost_options *o)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    buf_addf(&out, "%s, %s, prices of %s\n", bill->model, bill->tier, bill->date);
    for (size_t i = 0; i < bill->count; i++) {
        const struct price_line *line = &bill->lines[i];
        CLEANUP(buf_release) struct buf rate = BUF_INIT(64), amount = BUF_INIT(64), name = BUF_INIT(256);
        print_rate(line, &rate);
        money_print(line->amount, &amount);
        buf_addf(&name, "%s%s%s", price_dimension_name(line->dimension), line->variant != NULL ? ":" : "",
                 line->variant != NULL ? line->variant : "");
        buf_addf(&out, "  %-15s %14lld x %10s USD %s (%s%s) = %s USD\n", buf_text(&name), (long long)line->units,
                 buf_text(&rate), line->dimension < PRICE_TOKENS ? "per million" : "each",
                 strcmp(line->scope, "*") == 0 ? "everywhere" : line->scope, line->verified ? "" : ", unverified",
                 buf_text(&amount));
    }
    buf_adds(&out, "  total ");
    money_print(bill->total, &out);
    buf_adds(&out, " USD");
    if (o->round >= 0) {
        buf_adds(&out, ", rounded ");
        money_print_rounded(bill->total, (unsigned)o->round,
                            strcmp(o->rounding, "half-up") == 0 ? MONEY_HALF_UP : MONEY_HALF_EVEN, &out);
    }
    buf_addc(&out, '\n');
    print_sources(book, bill, &out);
    (void)fputs(buf_text(&out), stdout);
}

static void print_json(const struct price_bill *bill)
{
    CLEANUP(json_free) cJSON *doc = cJSON_CreateObject();
    (void)json_set_string(doc, "model", bill->model);
    (void)json_set_string(doc, "tier", bill->tier);
    (void)json_set_string(doc, "date", bill->date);
    cJSON *lines = json_set(doc, "lines", cJSON_CreateArray());
    for (size_t i = 0; i < bill->count; i++) {
        const struct price_line *line = &bill->lines[i];
        CLEANUP(buf_release) struct buf rate = BUF_INIT(64);
        cJSON *one = cJSON_CreateObject();
        print_rate(line, &rate);
        (void)json_set_string(one, "dimension", price_dimension_name(line->dimension));
        if (line->variant != NULL)
            (void)json_set_string(one, "variant", line->variant);
        (void)json_set_int(one, "units", line->units);
        (void)json_set_string(one, line->dimension < PRICE_TOKENS ? "usd_per_million" : "usd_per_unit",
                              buf_text(&rate));
        (void)json_set_string(one, "scope", line->scope);
        (void)json_set_string(one, "source", line->source);
        if (!line->verified)
            (void)json_set(one, "verified", cJSON_CreateFalse());
        set_money(one, "usd", line->amount);
        cJSON_AddItemToArray(lines, one);
    }
    set_money(doc, "total_usd", bill->total);
    print_doc(doc);
}

/* "image:1024x1024/premium=2" */
static enum err read_unit(const char *text, struct price_usage *usage, struct note *note)
{
    const char *equals = strrchr(text, '='), *colon = strchr(text, ':');
    enum price_dimension d;
    char *end = NULL;
    errno = 0;
    long long n = equals == NULL ? -1 : strtoll(equals + 1, &end, 10);
    if (equals == NULL || end == equals + 1 || *end != '\0' || n < 0 || errno != 0)
        return note_set(note, ERR_INVALID, "--units %s is not of the form WHAT=N", text);
    colon = colon != NULL && colon < equals ? colon : NULL;
    if (!price_dimension_named(text, (size_t)((colon != NULL ? colon : equals) - text), &d)) {
        const char *names[PRICE_DIMENSIONS];
        for (size_t i = 0; i < PRICE_DIMENSIONS; i++)
            names[i] = price_dimension_name((enum price_dimension)i);
        CLEANUP(free_ptr) char *word = span_dup(span_cut(span_of(text), 0, (size_t)(equals - text)));
        const char *nearest = word == NULL ? NULL : nearest_word(word, names, PRICE_DIMENSIONS);
        return note_set(note, ERR_UNKNOWN, "--units %s: no such unit%s%s", text,
                        nearest != NULL ? "; the nearest is " : "", nearest != NULL ? nearest : "");
    }
    usage->units[d] = n;
    if (colon == NULL)
        return OK;
    char *variant = span_dup(span_cut(span_of(colon + 1), 0, (size_t)(equals - colon - 1)));
    usage->variant[d] = variant;
    return variant == NULL ? note_set(note, ERR_NOMEM, "out of memory") : OK;
}

static enum err read_counts(const struct cost_options *o, struct price_usage *usage, struct note *note)
{
    enum err e = OK;
    if (o->answer != NULL) {
        CLEANUP(json_free) cJSON *tree = NULL;
        e = file_read_json(o->answer, JSON_COMPACT, &tree, note);
        if (e == OK)
            e = price_usage_read(tree, usage, NULL, note);
        if (e != OK)
            note_prefix(note, "%s", o->answer);
    }
    for (size_t d = 0; d < PRICE_TOKENS; d++)
        usage->units[d] = o->tokens[d] != 0 ? o->tokens[d] : usage->units[d];
    for (size_t i = 0; i < o->units.count && e == OK; i++)
        e = read_unit(o->units.items[i], usage, note);
    return e;
}

static enum err make_bill(const struct price_book *book, const struct price_query *query, const struct cost_options *o,
                          struct price_usage *usage, struct note *note)
{
    struct price_bill bill;
    enum err e = read_counts(o, usage, note);
    bool any = false;
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++)
        any = any || usage->units[d] != 0;
    if (e == OK && (query->model == NULL || (!any && o->answer == NULL)))
        e = note_set(note, ERR_INVALID, "give --model and at least one count, such as --input 1000");
    if (e == OK)
        e = price_cost(book, query, usage, &bill, note);
    if (e == OK && o->json)
        print_json(&bill);
    else if (e == OK)
        print_table(book, &bill, o);
    return e;
}

static int one_bill(const struct price_book *book, const struct price_query *query, const struct cost_options *o)
{
    struct price_usage usage = {0};
    struct note note = {""};
    enum err e = make_bill(book, query, o, &usage, &note);
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++)
        free((void *)(uintptr_t)usage.variant[d]);
    return e == OK ? EXIT_HELD : complain(&note);
}

/* ---- a file of records ---- */

static const char *const table_names[COST_TABLES] = {"models", "days", "labels"};

static void print_totals(const struct cost_run *run)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    buf_addf(&out, "%llu records, %llu bad lines\n", (unsigned long long)run->records, (unsigned long long)run->bad);
    for (size_t t = 0; t < COST_TABLES; t++) {
        const struct cost_group **list = cost_table_sorted(&run->tables[t], t == COST_BY_DAY);
        buf_addf(&out, "%s\n", table_names[t]);
        for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
            buf_addf(&out, "  %-52s %12llu  ", list[i]->name, (unsigned long long)list[i]->records);
            money_print(list[i]->usd, &out);
            buf_adds(&out, " USD\n");
        }
        free(list);
    }
    buf_adds(&out, "total ");
    money_print(run->total, &out);
    buf_adds(&out, " USD\n");
    (void)fputs(buf_text(&out), stdout);
}

static void print_totals_json(const struct cost_run *run)
{
    CLEANUP(json_free) cJSON *doc = cJSON_CreateObject();
    (void)json_set_int(doc, "records", (int64_t)run->records);
    (void)json_set_int(doc, "bad_lines", (int64_t)run->bad);
    for (size_t t = 0; t < COST_TABLES; t++) {
        const struct cost_group **list = cost_table_sorted(&run->tables[t], t == COST_BY_DAY);
        cJSON *array = json_set(doc, table_names[t], cJSON_CreateArray());
        for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
            cJSON *one = cJSON_CreateObject();
            (void)json_set_string(one, "name", list[i]->name);
            (void)json_set_int(one, "records", (int64_t)list[i]->records);
            set_money(one, "usd", list[i]->usd);
            cJSON_AddItemToArray(array, one);
        }
        free(list);
    }
    set_money(doc, "total_usd", run->total);
    print_doc(doc);
}

static int usage_file(const struct price_book *book, const struct price_query *query, const struct cost_options *o)
{
    struct note note = {""};
    struct progress progress;
    struct stat info;
    bool standard = strcmp(o->usage_file, "-") == 0;
    FILE *in = standard ? stdin : fopen(o->usage_file, "rb");
    if (in == NULL) {
        (void)note_set(&note, ERR_IO, "%s: %s", o->usage_file, strerror(errno));
        return complain(&note);
    }
    uint64_t size = fstat(fileno(in), &info) == 0 && S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
    if (interrupt_install(&note) != OK)
        (void)fprintf(stderr, "mohs cost: %s\n", note.text);
    progress_begin(&progress, stderr, o->ui, "records", 0);
    CLEANUP(cost_run_release)
    struct cost_run run = {.book = book,
                           .defaults = *query,
                           .label = o->label,
                           .fatal = strcmp(o->bad_lines, "fatal") == 0,
                           .complain = stderr,
                           .progress = &progress,
                           .stopped = interrupt_seen};
    enum err e = cost_run_file(&run, in, size, &note);
    progress_end(&progress);
    if (!standard)
        (void)fclose(in);
    if (e != OK && e != ERR_CLOSED) {
        note_prefix(&note, "%s", o->usage_file);
        return complain(&note);
    }
    (o->json ? print_totals_json : print_totals)(&run);
    if (e == ERR_CLOSED)
        (void)fprintf(stderr, "mohs cost: %s\n", note.text);
    return e == ERR_CLOSED ? EXIT_INTERRUPTED : run.records == 0 ? EXIT_NOTHING : EXIT_HELD;
}

/* ---- the audit ---- */

static cJSON *finding_json(const struct audit_finding *f)
{
    cJSON *one = cJSON_CreateObject();
    (void)json_set_string(one, "kind", audit_kind_name(f->kind));
    (void)json_set_string(one, "model", f->name);
    const char *const members[][2] = {
        {"dimension", f->dimension}, {"theirs_usd", f->theirs}, {"ours_usd", f->ours}, {"our_source", f->source}};
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (members[i][1] != NULL)
            (void)json_set_string(one, members[i][0], members[i][1]);
    return one;
}

static cJSON *audit_json(const struct audit *a, const char *file, const char *format)
{
    cJSON *out = cJSON_CreateObject();
    (void)json_set_string(out, "table", file);
    (void)json_set_string(out, "format", format);
    (void)json_set_int(out, "names", (int64_t)a->names);
    (void)json_set_int(out, "figures_compared", (int64_t)a->figures);
    (void)json_set_int(out, "figures_equal", (int64_t)a->equal);
    cJSON *counts = json_set(out, "findings_by_kind", cJSON_CreateObject());
    for (size_t k = 0; k < AUDIT_KINDS; k++)
        (void)json_set_int(counts, audit_kind_name((enum audit_kind)k), (int64_t)a->counts[k]);
    cJSON *list = json_set(out, "findings", cJSON_CreateArray());
    for (size_t i = 0; i < a->count; i++)
        cJSON_AddItemToArray(list, finding_json(&a->findings[i]));
    return out;
}

static void print_audit(const struct audit *a, bool verbose)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    enum audit_kind last = AUDIT_KINDS;
    for (size_t i = 0; i < a->count; i++) {
        const struct audit_finding *f = &a->findings[i];
        if (!verbose && !audit_kind_is_difference(f->kind))
            continue;
        if (f->kind != last)
            buf_addf(&out, "%s (%zu): %s\n", audit_kind_name(f->kind), a->counts[f->kind], audit_kind_says(f->kind));
        last = f->kind;
        buf_addf(&out, "  %-58s %-15s theirs %-10s ours %s%s%s\n", f->name, f->dimension != NULL ? f->dimension : "",
                 f->theirs != NULL ? f->theirs : "-", f->ours != NULL ? f->ours : "-", f->source != NULL ? "  " : "",
                 f->source != NULL ? f->source : "");
    }
    buf_addf(&out, "%zu names read; %zu figures compared, %zu equal; tokens in USD per million\n", a->names, a->figures,
             a->equal);
    (void)fputs(buf_text(&out), stdout);
}

static int report_audit(const struct audit *a, const char *file, const struct cost_options *o, struct note *note)
{
    size_t differences = 0;
    char reason[128];
    for (size_t k = 0; k < AUDIT_KINDS; k++)
        differences += audit_kind_is_difference((enum audit_kind)k) ? a->counts[k] : 0;
    int code = differences == 0 ? EXIT_HELD : EXIT_FAILED;
    (void)snprintf(reason, sizeof reason,
                   differences == 0 ? "no difference to our prices" : "%zu differences to our prices", differences);
    CLEANUP(result_release) struct result result;
    result_init(&result, "cost-audit", command_line.argc, command_line.argv);
    result_take(&result, "audit", audit_json(a, file, o->format));
    enum err e = result_finish(&result, code, reason, note);
    if (e == OK && o->json)
        print_doc(result.doc);
    for (size_t i = 0; i < o->outputs.count && e == OK; i++)
        e = report_write_file(result.doc, o->outputs.items[i], NULL, note);
    if (e != OK)
        return complain(note);
    if (!o->json)
        print_audit(a, o->verbose);
    (void)fprintf(stderr, "%s\n", reason);
    return code;
}

static int audit(const struct price_book *book, const struct cost_options *o, const struct option_list *operands)
{
    struct note note = {""};
    struct audit found;
    if (operands->count != 2 || o->format == NULL) {
        (void)note_set(&note, ERR_INVALID, "give a table and its form: mohs cost audit --format litellm FILE");
        return complain(&note);
    }
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    enum err e = file_read(operands->items[1], &text, &note);
    for (size_t i = 0; i < o->outputs.count && e == OK; i++)
        e = report_check_file(o->outputs.items[i], NULL, &note);
    if (e != OK)
        return complain(&note);
    int code = EXIT_USAGE;
    if (audit_run(book, o->format, buf_span(&text), o->date, &found, &note) == OK)
        code = report_audit(&found, operands->items[1], o, &note);
    else {
        note_prefix(&note, "%s", operands->items[1]);
        code = complain(&note);
    }
    audit_release(&found);
    return code;
}

/* ---- the verb ---- */

static int run(const void *settings, const struct option_list *operands)
{
    const struct cost_options *o = settings;
    struct note note = {""};
    CLEANUP(json_free) cJSON *map = NULL;
    bool auditing = operands->count > 0 && strcmp(operands->items[0], "audit") == 0;
    if (operands->count > 0 && !auditing) {
        (void)note_set(&note, ERR_INVALID, "%s: the only word here is audit", operands->items[0]);
        return complain(&note);
    }
    if (o->map != NULL && file_read_json(o->map, JSON_UNIQUE, &map, &note) != OK)
        return complain(&note);
    struct price_book *book = price_book_load(&note);
    if (book == NULL)
        return complain(&note);
    const struct price_query query = {o->model, o->region, o->date, o->tier, map, o->allow_unverified};
    int code = auditing                ? audit(book, o, operands)
               : o->usage_file != NULL ? usage_file(book, &query, o)
                                       : one_bill(book, &query, o);
    price_book_free(book);
    return code;
}

const struct verb verb_cost = {
    .name = "cost",
    .operands = "[audit FILE]",
    .summary = "price a usage exactly, line by line; audit a price table",
    .about = "Prices are decimal figures with a source and a date; the arithmetic is in whole numbers, so the total is "
             "exact to the\n"
             "last digit. A model, region, tier or kind of unit without a price is an error that names the nearest "
             "known one, never 0.\n"
             "\n"
             "With --usage a file of records is priced in one pass: what Converse, InvokeModel, chat completions, "
             "Responses and\n"
             "Anthropic Messages answer is understood as it is. With audit, another price table is held against ours; "
             "exit 1 on a\n"
             "difference.",
    .examples = "mohs cost --model us.anthropic.claude-sonnet-4-5-20250929-v1:0 --input 1000 --output 500\tThe lines "
                "and their sum.\n"
                "mohs cost --model amazon.nova-micro-v1:0 --input 1 --json\tOne JSON object; total_usd is an exact "
                "decimal string.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct cost_options),
    .run = run,
};
