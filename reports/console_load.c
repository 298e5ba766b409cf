/* console_load.c: what a load run measured and what a selftest counted, for a terminal, from the document alone.
 *
 * The bench prints the same figures while it still holds the histograms; this is for a document of last week. What is
 * absent there was not measured, or rests on too few values, and is a dash here.
 */
#include "reports/console.h"

#include <math.h>

static void add_number(struct buf *out, int width, const cJSON *item)
{
    if (cJSON_IsNumber(item) && isfinite(item->valuedouble))
        buf_addf(out, " %*.1f", width, item->valuedouble);
    else
        buf_addf(out, " %*s", width, "-");
}

static void add_metrics(const cJSON *metrics, struct buf *out)
{
    static const char *const columns[] = {"p50", "p90", "p99", "p99.9", "max"};
    buf_addf(out, "  %-14s %9s", "", "n");
    for (size_t i = 0; i < COUNT_OF(columns); i++)
        buf_addf(out, " %10s", columns[i]);
    buf_addc(out, '\n');
    for (const cJSON *m = metrics->child; m != NULL; m = m->next) {
        const cJSON *n = json_member(m, "n");
        if (n == NULL || n->valuestring == NULL)
            continue;
        buf_addf(out, "  %-14s %9s", m->string, n->valuestring);
        for (size_t i = 0; i < COUNT_OF(columns); i++)
            add_number(out, 10, json_member(m, columns[i]));
        buf_addf(out, " %s\n", json_str(m, "unit") == NULL ? "" : json_str(m, "unit"));
    }
}

static void add_side(const char *title, const cJSON *side, struct buf *out)
{
    const cJSON *load = json_member(side, "load"), *metrics = json_member(side, "metrics"), *error;
    const cJSON *completed = json_member(load, "completed"), *failed = json_member(load, "failed");
    if (metrics == NULL || completed == NULL || failed == NULL)
        return;
    buf_addf(out, "%s: %s good answers, %s failed,", title, completed->valuestring, failed->valuestring);
    add_number(out, 1, json_member(load, "achieved_rate_per_s"));
    buf_adds(out, " good answers/s\n");
    cJSON_ArrayForEach(error, json_member(load, "errors"))
    {
        const char *class = json_str(error, "class"), *code = json_str(error, "code");
        const cJSON *count = json_member(error, "count");
        buf_addf(out, "  error %s %s: %s\n", class != NULL ? class : "?", code != NULL ? code : "",
                 count != NULL ? count->valuestring : "?");
    }
    add_metrics(metrics, out);
}

static void add_difference(const cJSON *row, struct buf *out)
{
    const cJSON *quantile = json_member(row, "quantile"), *interval = json_member(row, "ci95");
    const char *verdict = json_str(row, "verdict"), *unit = json_str(row, "unit");
    buf_addf(out, "  %-8s p%-6.4g", json_str(row, "metric"), quantile == NULL ? 0 : 100 * quantile->valuedouble);
    add_number(out, 10, json_member(row, "direct"));
    add_number(out, 10, json_member(row, "gateway"));
    add_number(out, 10, json_member(row, "diff"));
    if (cJSON_GetArraySize(interval) == 2)
        buf_addf(out, " %s [%.1f, %.1f]", unit == NULL ? "" : unit, cJSON_GetArrayItem(interval, 0)->valuedouble,
                 cJSON_GetArrayItem(interval, 1)->valuedouble);
    buf_addf(out, " %s\n", verdict == NULL ? "" : verdict);
}

void console_add_load(const cJSON *doc, struct buf *out)
{
    const cJSON *paired = json_member(doc, "paired"), *row;
    if (json_member(doc, "metrics") != NULL)
        add_side("target", doc, out);
    add_side("direct", json_member(doc, "direct"), out);
    add_side("target", json_member(doc, "gateway"), out);
    if (cJSON_GetArraySize(paired) > 0)
        buf_addf(out, "what the target adds\n  %-15s %10s %10s %10s 95 %% interval\n", "", "direct", "target", "added");
    cJSON_ArrayForEach(row, paired)
    {
        add_difference(row, out);
    }
}

void console_add_selftest(const cJSON *selftest, struct buf *out)
{
    static const char *const rows[][3] = {
        {"vectors", "passed", "vectors"}, {"cases", "passed", "cases"}, {"mutations", "caught", "mutations caught"}};
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(selftest, "survivors"))
    {
        CLEANUP(free_ptr) char *mutation = json_text(json_member(one, "mutation"), JSON_COMPACT);
        buf_addf(out, "%s %s\n      %s\n", json_str(one, "case"), mutation != NULL ? mutation : "",
                 json_str(one, "why"));
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const cJSON *counts = json_member(selftest, rows[i][0]);
        const cJSON *run = json_member(counts, "run"), *good = json_member(counts, rows[i][1]);
        if (run != NULL && good != NULL)
            buf_addf(out, "%s %s/%s\n", rows[i][2], good->valuestring, run->valuestring);
    }
}
