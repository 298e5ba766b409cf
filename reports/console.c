/* console.c: the result for a terminal: what failed first, with all that is needed to act; the sums last. */
#include "reports/console.h"
#include "reports/report.h"
#include "reports/result.h"

struct paint {
    bool on;
};

static const char *colour_of(struct paint p, const char *status)
{
    static const char *const rows[][2] = {{"pass", "\033[32m"}, {"fail", "\033[31m"},  {"error", "\033[35m"},
                                          {"skip", "\033[2m"},  {"xfail", "\033[33m"}, {"stale", "\033[31m"}};
    for (size_t i = 0; p.on && i < COUNT_OF(rows); i++)
        if (strcmp(rows[i][0], status) == 0)
            return rows[i][1];
    return "";
}

static void add_indented(struct buf *out, const char *label, const char *text)
{
    if (text == NULL)
        return;
    if (strlen(label) < 9)
        buf_addf(out, "      %-9s", label);
    else
        buf_addf(out, "      %s\n               ", label);
    for (const char *c = text; *c != '\0'; c++) {
        buf_addc(out, *c);
        if (*c == '\n' && c[1] != '\0' && c[1] != '\n')
            buf_adds(out, "               ");
    }
    if (text[0] == '\0' || text[strlen(text) - 1] != '\n')
        buf_addc(out, '\n');
}

static void add_checks(const cJSON *one, struct buf *out)
{
    const cJSON *check;
    cJSON_ArrayForEach(check, json_member(one, "checks"))
    {
        if (cJSON_IsTrue(json_member(check, "ok")))
            continue;
        add_indented(out, "check", json_str(check, "id"));
        const char *where = json_str(check, "pointer");
        add_indented(out, "where", where != NULL && where[0] != '\0' ? where : NULL); /* "": the whole */
        add_indented(out, "expected", json_str(check, "expected"));
        add_indented(out, "observed", json_str(check, "observed"));
    }
}

static void add_case(const cJSON *one, struct paint p, struct buf *out)
{
    const char *status = json_str(one, "status");
    buf_addf(out, "%s%-5s%s %s", colour_of(p, status), status, p.on ? "\033[0m" : "", json_str(one, "id"));
    if (json_str(one, "alternative") != NULL)
        buf_addf(out, "  [%s]", json_str(one, "alternative"));
    buf_addc(out, '\n');
    if (strcmp(status, "pass") == 0)
        return;
    add_indented(out, "case", json_str(one, "title"));
    add_indented(out, "because", json_str(one, "reason"));
    if (strcmp(status, "skip") == 0)
        return;
    const cJSON *requirement;
    cJSON_ArrayForEach(requirement, json_member(one, "requirements"))
    {
        CLEANUP(buf_release) struct buf line = BUF_INIT(BUF_ANY);
        buf_addf(&line, "%s (%s)", json_str(requirement, "title"), json_str(requirement, "id"));
        add_indented(out, json_str(requirement, "level"), buf_text(&line));
    }
    add_checks(one, out);
    const cJSON *evidence = json_member(one, "evidence");
    for (const cJSON *wire = evidence == NULL ? NULL : evidence->child; wire != NULL; wire = wire->next) {
        CLEANUP(free_ptr)
        char *text = cJSON_IsString(wire) ? span_dup(span_of(wire->valuestring)) : json_text(wire, JSON_COMPACT);
        add_indented(out, wire->string, text);
    }
    add_indented(out, "again", json_str(one, "reproduce"));
}

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

static void add_summary(const cJSON *conformance, struct paint p, struct buf *out)
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
        buf_addf(out, "%s%s", any ? ", " : "", n->valueint > 0 ? colour_of(p, words[i][0]) : "");
        if (strcmp(words[i][0], "xfail") == 0)
            add_mays(n->valueint, count_mays(json_member(conformance, "cases")), out);
        else
            buf_addf(out, "%s %s", n->valuestring,
                     n->valueint == 1 && strcmp(words[i][0], "error") == 0 ? "error" : words[i][1]);
        buf_adds(out, p.on ? "\033[0m" : "");
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

void report_console(const cJSON *doc, bool colour, bool verbose, struct buf *out)
{
    struct paint p = {colour};
    const cJSON *conformance = json_member(doc, "conformance");
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(conformance, "cases"))
    {
        const char *status = json_str(one, "status");
        bool quiet = strcmp(status, "pass") == 0 || strcmp(status, "skip") == 0 || strcmp(status, "xfail") == 0;
        if (verbose || !quiet)
            add_case(one, p, out);
    }
    if (conformance != NULL)
        add_summary(conformance, p, out);
    if (!verbose)
        add_skipped(json_member(conformance, "cases"), out);
    console_add_load(doc, out);
    console_add_selftest(json_member(doc, "selftest"), out);
    const cJSON *end = json_member(doc, "exit");
    const cJSON *code = json_member(end, "code");
    buf_addf(out, "exit %s: %s\n", code == NULL ? "?" : code->valuestring, json_str(end, "reason"));
}
