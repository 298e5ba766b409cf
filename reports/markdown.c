/* markdown.c: the result for a job summary or a pull request: verdict, counts, what failed and why, the numbers of a
 * load run. */
#include "reports/area.h"
#include "reports/console.h"
#include "reports/report.h"

#include <math.h>
#include <stdio.h>

/* A table cell: one line, no pipes, angle brackets harmless. */
static void add_cell(struct buf *out, const char *text)
{
    for (const char *c = text == NULL ? "" : text; *c != '\0'; c++) {
        if (*c == '|')
            buf_adds(out, "\\|");
        else if (*c == '<')
            buf_adds(out, "&lt;");
        else if (*c == '\n' || *c == '\r')
            buf_addc(out, ' ');
        else
            buf_addc(out, *c);
    }
}

static void add_row(struct buf *out, const char *const *cells, size_t count)
{
    buf_addc(out, '|');
    for (size_t i = 0; i < count; i++) {
        buf_addc(out, ' ');
        add_cell(out, cells[i]);
        buf_adds(out, " |");
    }
    buf_addc(out, '\n');
}

/* Both wires, folded away. The fence is longer than any run of backquotes that a body is likely to hold. */
static void add_wires(const cJSON *evidence, struct buf *out)
{
    if (evidence == NULL || evidence->child == NULL)
        return;
    buf_adds(out, "\n<details><summary>both wires</summary>\n");
    for (const cJSON *wire = evidence->child; wire != NULL; wire = wire->next) {
        CLEANUP(free_ptr)
        char *text = cJSON_IsString(wire) ? span_dup(span_of(wire->valuestring)) : json_text(wire, JSON_COMPACT);
        buf_addf(out, "\n%s\n\n``````\n%s\n``````\n", wire->string, text == NULL ? "" : text);
    }
    buf_adds(out, "\n</details>\n");
}

static void add_failing(const cJSON *one, bool wires, struct buf *out)
{
    buf_addf(out, "### %s `%s`\n\n", json_str(one, "status"), json_str(one, "id"));
    const cJSON *requirement;
    cJSON_ArrayForEach(requirement, json_member(one, "requirements"))
    {
        buf_addf(out, "- **%s** `%s`: ", json_str(requirement, "level"), json_str(requirement, "id"));
        add_cell(out, json_str(requirement, "title"));
        buf_addc(out, '\n');
    }
    if (json_str(one, "reason") != NULL) {
        buf_adds(out, "- ");
        add_cell(out, json_str(one, "reason"));
        buf_addc(out, '\n');
    }
    bool open = false;
    const cJSON *check;
    cJSON_ArrayForEach(check, json_member(one, "checks"))
    {
        if (cJSON_IsTrue(json_member(check, "ok")))
            continue;
        if (!open)
            buf_adds(out, "\n| check | where | expected | observed |\n| --- | --- | --- | --- |\n");
        open = true;
        const char *const cells[] = {json_str(check, "id"), json_str(check, "pointer"), json_str(check, "expected"),
                                     json_str(check, "observed")};
        add_row(out, cells, COUNT_OF(cells));
    }
    if (json_str(one, "reproduce") != NULL)
        buf_addf(out, "\n```\n%s\n```\n", json_str(one, "reproduce"));
    if (wires)
        add_wires(json_member(one, "evidence"), out);
    buf_addc(out, '\n');
}

static void add_area(const cJSON *area, struct buf *out)
{
    buf_addf(out, "| %s |", json_str(area, "area"));
    for (size_t i = 0; i < AREA_LEVELS; i++) {
        CLEANUP(buf_release) struct buf counts = BUF_INIT(BUF_ANY);
        area_add_counts(area, area_levels[i], &counts);
        buf_addf(out, " %s |", counts.len > 0 ? buf_text(&counts) : "–");
    }
    buf_addc(out, '\n');
}

static void add_areas(const cJSON *conformance, struct buf *out)
{
    CLEANUP(json_free) cJSON *areas = area_of_document(conformance);
    CLEANUP(json_free) cJSON *total = area_total(areas);
    if (cJSON_GetArraySize(areas) == 0)
        return;
    buf_adds(out, "Requirements by area; one counts as failed when a case of it failed:\n\n"
                  "| area | MUST | SHOULD | MAY |\n| --- | --- | --- | --- |\n");
    const cJSON *area;
    cJSON_ArrayForEach(area, areas)
    {
        add_area(area, out);
    }
    add_area(total, out);
    buf_addc(out, '\n');
}

/* With both wires; where that would be more than `most` bytes in all, without; else not at all. */
static bool add_fitting(const cJSON *one, size_t most, struct buf *out)
{
    for (int wires = 1; wires >= 0; wires--) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        add_failing(one, wires == 1, &text);
        if (text.len > most || out->len > most - text.len)
            continue;
        buf_add(out, buf_span(&text));
        return true;
    }
    return false;
}

static void add_conformance(const cJSON *conformance, size_t most, struct buf *out)
{
    static const char *const counted[] = {"pass", "fail", "error", "skip", "xfail", "stale"};
    buf_adds(out,
             "| pass | fail | error | skip | expected failure | stale |\n| --- | --- | --- | --- | --- | --- |\n|");
    for (size_t i = 0; i < COUNT_OF(counted); i++) {
        const cJSON *n = json_member(json_member(conformance, "summary"), counted[i]);
        buf_addf(out, " %s |", n == NULL ? "0" : n->valuestring);
    }
    buf_adds(out, "\n\n");
    add_areas(conformance, out);
    const cJSON *one;
    size_t left_out = 0;
    cJSON_ArrayForEach(one, json_member(conformance, "cases"))
    {
        const char *status = json_str(one, "status");
        if (strcmp(status, "pass") != 0 && strcmp(status, "skip") != 0)
            left_out += !add_fitting(one, most, out);
    }
    if (left_out > 0)
        buf_addf(out, "%zu more did not fit into this page; a report in a file (-o result.md) has all.\n", left_out);
}

static void add_number(struct buf *out, const cJSON *item)
{
    if (cJSON_IsNumber(item) && isfinite(item->valuedouble))
        buf_addf(out, " %.1f |", item->valuedouble);
    else
        buf_adds(out, " – |");
}

/* metrics.<name>: {unit, n, p50, p90, p99, ...} of one side. */
static void add_metrics(const char *title, const cJSON *metrics, struct buf *out)
{
    static const char *const quantiles[] = {"p50", "p90", "p99", "p99.9", "max"};
    if (metrics == NULL || metrics->child == NULL)
        return;
    buf_addf(out,
             "\n**%s**\n\n| metric | unit | n | p50 | p90 | p99 | p99.9 | max |\n| --- | --- | --- | --- | --- | --- | "
             "--- | --- |\n",
             title);
    for (const cJSON *m = metrics->child; m != NULL; m = m->next) {
        const cJSON *n = json_member(m, "n");
        if (n == NULL || n->valuestring == NULL)
            continue; /* not measured; the document says why */
        buf_addf(out, "| %s | %s | %s |", m->string, json_str(m, "unit") == NULL ? "" : json_str(m, "unit"),
                 n->valuestring);
        for (size_t i = 0; i < COUNT_OF(quantiles); i++)
            add_number(out, json_member(m, quantiles[i]));
        buf_addc(out, '\n');
    }
}

/* Selftest and load counts are the console's: one wording, fenced. */
static void add_console(const cJSON *doc, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    console_add_selftest(json_member(doc, "selftest"), &text);
    if (text.len > 0)
        buf_addf(out, "``````\n%s``````\n", buf_text(&text));
}

static void add_answers(const char *title, const cJSON *load, struct buf *out)
{
    const cJSON *completed = json_member(load, "completed"), *failed = json_member(load, "failed");
    if (completed == NULL || failed == NULL)
        return;
    buf_addf(out, "- %s: %s good answers, %s failed\n", title, completed->valuestring, failed->valuestring);
}

static void add_paired(const cJSON *paired, struct buf *out)
{
    if (paired == NULL || paired->child == NULL)
        return;
    buf_adds(out, "\n**What the target adds**\n\n| metric | quantile | direct | target | added | 95 % interval | "
                  "verdict |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    const cJSON *row;
    cJSON_ArrayForEach(row, paired)
    {
        const cJSON *interval = json_member(row, "ci95");
        const cJSON *quantile = json_member(row, "quantile");
        CLEANUP(free_ptr) char *ci = json_text(interval, JSON_COMPACT);
        buf_addf(out, "| %s | p%.6g |", json_str(row, "metric"), quantile == NULL ? 0 : 100 * quantile->valuedouble);
        add_number(out, json_member(row, "direct"));
        add_number(out, json_member(row, "gateway"));
        add_number(out, json_member(row, "diff"));
        buf_addf(out, " %s | %s |\n", interval == NULL || ci == NULL ? "–" : ci,
                 json_str(row, "verdict") == NULL ? "" : json_str(row, "verdict"));
    }
}

void report_markdown(const cJSON *doc, struct buf *out)
{
    report_markdown_within(doc, SIZE_MAX, out);
}

void report_markdown_within(const cJSON *doc, size_t most, struct buf *out)
{
    const cJSON *end = json_member(doc, "exit");
    const cJSON *code = json_member(end, "code");
    buf_addf(out, "# Mohs %s: %s\n\n", json_str(doc, "kind"), json_str(doc, "verdict"));
    add_cell(out, json_str(end, "reason"));
    buf_addf(out, " (exit %s, mohs %s, %s)\n\n", code == NULL ? "?" : code->valuestring,
             json_str(json_member(doc, "tool"), "version"), json_str(json_member(doc, "time"), "start"));
    if (json_member(doc, "conformance") != NULL)
        add_conformance(json_member(doc, "conformance"), most, out);
    add_console(doc, out);
    if (json_member(doc, "metrics") != NULL)
        add_answers("target", json_member(doc, "load"), out);
    add_answers("direct", json_member(json_member(doc, "direct"), "load"), out);
    add_answers("target", json_member(json_member(doc, "gateway"), "load"), out);
    add_metrics("measured", json_member(doc, "metrics"), out);
    add_metrics("direct", json_member(json_member(doc, "direct"), "metrics"), out);
    add_metrics("target", json_member(json_member(doc, "gateway"), "metrics"), out);
    add_paired(json_member(doc, "paired"), out);
}
