/* cmd_cost.c: mohs cost: what a usage costs, line by line, to the last digit. */
#include <stdio.h>

#include "reports/exit.h"
#include "harness/option.h"
#include "harness/verbs.h"
#include "protocol/price.h"

struct cost_options {
    const char *model, *date, *tier;
    struct price_usage usage;
    bool json, allow_unverified;
};

#define UNITS(dimension) offsetof(struct cost_options, usage.units[dimension])

static const struct option_row rows[] = {
    {"model", 'm', "ID", OPTION_STRING, offsetof(struct cost_options, model),
     .help = "Model id, inference profile id with its geography prefix, or an ARN of either."},
    {"input", 0, "N", OPTION_INT, UNITS(PRICE_INPUT), .help = "Input tokens, cached ones not among them."},
    {"output", 0, "N", OPTION_INT, UNITS(PRICE_OUTPUT), .help = "Output tokens."},
    {"cache-read", 0, "N", OPTION_INT, UNITS(PRICE_CACHE_READ), .help = "Input tokens read from the prompt cache."},
    {"cache-write-5m", 0, "N", OPTION_INT, UNITS(PRICE_CACHE_WRITE_5M), .help = "Input tokens written to the cache for five minutes."},
    {"cache-write-1h", 0, "N", OPTION_INT, UNITS(PRICE_CACHE_WRITE_1H), .help = "Input tokens written to the cache for an hour."},
    {"input-audio", 0, "N", OPTION_INT, UNITS(PRICE_INPUT_AUDIO), .help = "Audio input tokens."},
    {"output-audio", 0, "N", OPTION_INT, UNITS(PRICE_OUTPUT_AUDIO), .help = "Audio output tokens."},
    {"tier", 0, "TIER", OPTION_STRING, offsetof(struct cost_options, tier), .fallback = "on-demand",
     .choices = "on-demand|batch|flex|priority", .help = "How the request was served."},
    {"date", 0, "YYYY-MM-DD", OPTION_STRING, offsetof(struct cost_options, date),
     .help = "Price as of that day; today when not given."},
    {"allow-unverified", 0, NULL, OPTION_FLAG, offsetof(struct cost_options, allow_unverified),
     .help = "Take multipliers that no official text confirms."},
    {"json", 0, NULL, OPTION_FLAG, offsetof(struct cost_options, json), .help = "Print one JSON object instead of a table."},
};

static void print_table(const struct price_bill *bill)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    buf_addf(&out, "%s, %s, %s prices\n", bill->model, bill->tier, strcmp(bill->lines[0].scope, "*") == 0 ? "all" : bill->lines[0].scope);
    for (size_t i = 0; i < bill->count; i++) {
        const struct price_line *line = &bill->lines[i];
        CLEANUP(buf_release) struct buf rate = BUF_INIT(64);
        CLEANUP(buf_release) struct buf amount = BUF_INIT(64);
        money_print(line->each, &rate);
        money_print(line->amount, &amount);
        buf_addf(&out, "  %-15s %14lld x %12s USD each = %s USD\n", price_dimension_name(line->dimension),
                 (long long)line->units, buf_text(&rate), buf_text(&amount));
    }
    buf_adds(&out, "  total ");
    money_print(bill->total, &out);
    buf_addf(&out, " USD (source: %s)\n", bill->lines[0].source);
    (void)fputs(buf_text(&out), stdout);
}

static void set_money(cJSON *object, const char *key, struct money m)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(64);
    money_print(m, &text);
    (void)json_set_string(object, key, buf_text(&text));
}

static void print_json(const struct price_bill *bill)
{
    CLEANUP(json_free) cJSON *doc = cJSON_CreateObject();
    (void)json_set_string(doc, "model", bill->model);
    (void)json_set_string(doc, "scope", bill->lines[0].scope);
    (void)json_set_string(doc, "tier", bill->tier);
    (void)json_set_string(doc, "source", bill->lines[0].source);
    cJSON *lines = json_set(doc, "lines", cJSON_CreateArray());
    for (size_t i = 0; i < bill->count; i++) {
        cJSON *line = cJSON_CreateObject();
        (void)json_set_string(line, "dimension", price_dimension_name(bill->lines[i].dimension));
        (void)json_set_int(line, "units", bill->lines[i].units);
        set_money(line, "usd_per_million", bill->lines[i].each);
        set_money(line, "usd", bill->lines[i].amount);
        cJSON_AddItemToArray(lines, line);
    }
    set_money(doc, "total_usd", bill->total);
    CLEANUP(free_ptr) char *text = json_text(doc, JSON_COMPACT);
    (void)puts(text == NULL ? "{}" : text);
}

static int run(const void *settings, const struct option_list *operands)
{
    (void)operands;
    const struct cost_options *o = settings;
    struct note note = {""};
    struct price_bill bill;
    int64_t any = 0;
    for (size_t d = 0; d < PRICE_DIMENSIONS; d++)
        any |= o->usage.units[d];
    if (o->model == NULL || any == 0) {
        (void)fputs("mohs cost: give --model and at least one count, such as --input 1000\n", stderr);
        return EXIT_USAGE;
    }
    struct price_book *book = price_book_load(&note);
    const struct price_query query = {o->model, NULL, o->date, o->tier, NULL, o->allow_unverified};
    enum err e = book == NULL ? ERR_INVALID : price_cost(book, &query, &o->usage, &bill, &note);
    if (e == OK)
        (o->json ? print_json : print_table)(&bill);
    else
        (void)fprintf(stderr, "mohs cost: %s\n", note.text);
    price_book_free(book);
    return e == OK ? EXIT_HELD : EXIT_USAGE;
}

const struct verb verb_cost = {
    .name = "cost",
    .summary = "price a usage exactly, line by line",
    .about = "Prices are decimal figures with a source and a date; the arithmetic is in whole numbers, so the total is exact to the\n"
             "last digit. A model, tier or kind of token without a price is an error that names the nearest known one, never 0.",
    .examples = "mohs cost --model us.anthropic.claude-sonnet-4-5-20250929-v1:0 --input 1000 --output 500\tThe lines and their sum.\n"
                "mohs cost --model amazon.nova-micro-v1:0 --input 1 --json\tOne JSON object; total_usd is an exact decimal string.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct cost_options),
    .run = run,
};
