/* github.c: workflow commands of GitHub Actions, which become annotations of the run and of the file they name.
 *
 * What broke a MUST is an error, a SHOULD a warning, a MAY (which fails a run with --strict only) and a stale
 * expectation are notices; a case that could not be judged is an error. A run that did not end well says so in a last
 * one, since a run may fail without any case. The text after the last colon is data: %, CR and LF are percent-encoded,
 * in the values before it the colon and the comma too (docs.github.com, "Workflow commands"; actions/toolkit encodes
 * the same way).
 */
#include "reports/describe.h"
#include "reports/exit.h"
#include "reports/report.h"

static void add_escaped(struct buf *out, const char *text, const char *reserved)
{
    for (const char *c = text == NULL ? "" : text; *c != '\0'; c++)
        if (strchr(reserved, *c) != NULL)
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)*c);
        else
            buf_addc(out, *c);
}

static void add_property(struct buf *out, const char *text)
{
    add_escaped(out, text, "%\r\n:,");
}

static void add_data(struct buf *out, const char *text)
{
    add_escaped(out, text, "%\r\n");
}

/* NULL: of this one nothing is told. */
static const char *command_of(const cJSON *one)
{
    static const char *const rows[][3] = {{"fail", "MUST", "error"}, {"fail", "SHOULD", "warning"},
                                          {"fail", "MAY", "notice"}, {"stale", NULL, "notice"},
                                          {"error", NULL, "error"},  {"fail", NULL, "error"}};
    const char *status = json_str(one, "status"), *level = json_str(one, "level");
    for (size_t i = 0; status != NULL && i < COUNT_OF(rows); i++)
        if (strcmp(rows[i][0], status) == 0 &&
            (rows[i][1] == NULL || (level != NULL && strcmp(rows[i][1], level) == 0)))
            return rows[i][2];
    return NULL;
}

static void add_case(const cJSON *one, struct buf *out)
{
    const char *command = command_of(one), *level = json_str(one, "level"), *file = json_str(one, "file");
    const cJSON *line = json_member(one, "line");
    if (command == NULL)
        return;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    describe_case(one, &text);
    buf_addf(out, "::%s title=", command);
    add_property(out, json_str(one, "id"));
    buf_addf(out, " (%s%s%s)", json_str(one, "status"), level != NULL ? " " : "", level != NULL ? level : "");
    if (file != NULL) {
        buf_adds(out, ",file=");
        add_property(out, file);
    }
    if (file != NULL && line != NULL)
        buf_addf(out, ",line=%d", line->valueint);
    buf_adds(out, "::");
    add_data(out, buf_text(&text));
    buf_addc(out, '\n');
}

void report_github(const cJSON *doc, struct buf *out)
{
    const cJSON *end = json_member(doc, "exit"), *code = json_member(end, "code"), *one;
    cJSON_ArrayForEach(one, json_member(json_member(doc, "conformance"), "cases"))
    {
        add_case(one, out);
    }
    if (code == NULL || code->valueint == EXIT_HELD)
        return;
    buf_addf(out, "::%s title=mohs exit %d::", code->valueint == EXIT_STALE ? "warning" : "error", code->valueint);
    add_data(out, json_str(end, "reason"));
    buf_addc(out, '\n');
}
