/* console.c: the result for a terminal: what failed first, with all that is needed to act; the sums last. */
#include "reports/area.h"
#include "reports/console.h"
#include "reports/report.h"
#include "reports/result.h"

enum { DETAILED_MOST = 10 }; /* failures told at length; those behind them get a line each */

/* Of the xfails, those that no list of expected failures holds: MAYs. */
static int count_mays(const cJSON *cases)
{
    int mays = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, cases)
    {
        const char *reason = json_str(one, "reason"), *status = json_str(one, "status");
        mays += reason != NULL && status != NULL && strcmp(status, "xfail") == 0 &&
                strcmp(reason, RESULT_REASON_MAY) == 0;
    }
    return mays;
}

static void add_mays(int xfails, int mays, struct buf *out)
{
    if (xfails > mays)
        buf_addf(out, "%d expected failure%s%s", xfails - mays, xfails - mays == 1 ? "" : "s", mays > 0 ? ", " : "");
    if (mays > 0)
        buf_addf(out, "%d %s", mays, mays == 1 ? "MAY that does not hold" : "MAYs that do not hold");
}

static void add_summary(const cJSON *conformance, const struct console_view *v, struct buf *out)
{
    const cJSON *summary = json_member(conformance, "summary");
    static const char *const words[][2] = {{"pass", "passed"},
                                           {"fail", "failed"},
                                           {"error", "errors"},
                                           {"skip", "skipped"},
                                           {"xfail", "expected failures"},
                                           {"stale", "stale"}};
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        const cJSON *n = json_member(summary, words[i][0]);
        if (n == NULL || (n->valueint == 0 && i > 1))
            continue;
        buf_addf(out, "%s%s", any ? ", " : "", n->valueint > 0 ? console_colour(v, words[i][0]) : "");
        if (strcmp(words[i][0], "xfail") == 0)
            add_mays(n->valueint, count_mays(json_member(conformance, "cases")), out);
        else
            buf_addf(out, "%s %s", n->valuestring,
                     n->valueint == 1 && strcmp(words[i][0], "error") == 0 ? "error" : words[i][1]);
        buf_adds(out, v->colour ? "\033[0m" : "");
        any = true;
    }
    buf_addc(out, '\n');
}

#define REASONS_MAX 64 /* told apart; cases are skipped for what a profile does not claim, and that is a short list */

/* A run of which much was skipped says why: the most frequent reason, and how many there are beside it. */
static void add_skipped(const cJSON *cases, struct buf *out)
{
    const char *reasons[REASONS_MAX];
    size_t counts[REASONS_MAX] = {0}, n = 0, skipped = 0, most = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, cases)
    {
        const char *status = json_str(one, "status"), *reason = json_str(one, "reason");
        size_t i = 0;
        if (status == NULL || strcmp(status, "skip") != 0 || reason == NULL)
            continue;
        skipped++;
        while (i < n && strcmp(reasons[i], reason) != 0)
            i++;
        if (i == n && n < REASONS_MAX)
            reasons[n++] = reason;
        if (i < n)
            most = ++counts[i] > counts[most] ? i : most;
    }
    if (n == 0)
        return;
    buf_addf(out, "skipped %zu: %s\n", counts[most], reasons[most]);
    if (n > 1)
        buf_addf(out, "skipped %zu for %zu other reason%s (--verbose tells)\n", skipped - counts[most], n - 1,
                 n > 2 ? "s" : "");
}

static void add_area(const cJSON *area, struct buf *out)
{
    const char *between = "";
    buf_addf(out, "  %-12s", json_str(area, "area"));
    for (size_t i = 0; i < AREA_LEVELS; i++) {
        CLEANUP(buf_release) struct buf counts = BUF_INIT(BUF_ANY);
        area_add_counts(area, area_levels[i], &counts);
        if (counts.len == 0)
            continue;
        buf_addf(out, "%s%s: %s", between, area_levels[i], buf_text(&counts));
        between = "; ";
    }
    buf_addc(out, '\n');
}

static bool area_shown(const cJSON *area, bool verbose)
{
    return verbose || area_has_trouble(area, "MUST") || area_has_trouble(area, "SHOULD");
}

/* All requirements, and the areas in which a MUST or a SHOULD did not hold; verbose: every area. */
static void add_areas(const cJSON *conformance, bool verbose, struct buf *out)
{
    CLEANUP(json_free) cJSON *areas = area_of_document(conformance);
    CLEANUP(json_free) cJSON *total = area_total(areas);
    if (cJSON_GetArraySize(areas) == 0)
        return;
    buf_adds(out, "requirements by area\n");
    const cJSON *area;
    cJSON_ArrayForEach(area, areas)
    {
        if (area_shown(area, verbose))
            add_area(area, out);
    }
    if (cJSON_GetArraySize(areas) > 1 || !area_shown(areas->child, verbose))
        add_area(total, out);
}

static void add_cases(const cJSON *cases, struct console_view *v, struct buf *out)
{
    size_t told = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, cases)
    {
        const char *status = json_str(one, "status");
        bool quiet = strcmp(status, "pass") == 0 || strcmp(status, "skip") == 0 || strcmp(status, "xfail") == 0;
        if (quiet && !v->verbose)
            continue;
        (v->verbose || told++ < DETAILED_MOST ? console_add_case : console_add_line)(one, v, out);
    }
    if (v->cut)
        buf_adds(out, "shortened: --verbose tells all, and so does a report (-o result.md)\n");
}

void report_console(const cJSON *doc, bool colour, bool verbose, struct buf *out)
{
    struct console_view v = {.colour = colour, .verbose = verbose};
    const cJSON *conformance = json_member(doc, "conformance");
    add_cases(json_member(conformance, "cases"), &v, out);
    if (conformance != NULL) {
        add_areas(conformance, verbose, out);
        add_summary(conformance, &v, out);
    }
    if (!verbose)
        add_skipped(json_member(conformance, "cases"), out);
    console_add_load(doc, out);
    console_add_selftest(json_member(doc, "selftest"), out);
    const cJSON *end = json_member(doc, "exit");
    const cJSON *code = json_member(end, "code");
    buf_addf(out, "exit %s: %s\n", code == NULL ? "?" : code->valuestring, json_str(end, "reason"));
}
