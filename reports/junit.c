/* junit.c: JUnit XML as CI servers read it: one suite per area, one test case per conformance case.
 *
 * fail becomes <failure>, error <error>, skip and xfail <skipped>; a stale expected failure is a <failure>, since it
 * must turn the build red. What XML 1.0 cannot hold (section 2.2: control characters, bytes that are no UTF-8) is
 * written as U+FFFD.
 */
#include "reports/report.h"

#include "protocol/utf8.h"
#include "reports/exit.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* What XML 1.0 lets stand as it is: no control characters, no U+FFFE and U+FFFF (utf8_length refuses surrogates). */
static bool is_xml_char(uint32_t code)
{
    return (code >= 0x20 && code != 0x7f && code != 0xfffe && code != 0xffff) || code == '\n' || code == '\t';
}

static void add_escaped(struct buf *out, const char *text)
{
    static const char *const entities[] = {['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;"};
    struct span rest = span_of(text == NULL ? "" : text);
    for (size_t n; (n = utf8_next(rest)) > 0; rest = span_from(rest, n)) {
        unsigned char first = rest.p[0];
        size_t whole = utf8_length(rest); /* evidence holds a peer's bytes, which may be no text at all */
        if (first < COUNT_OF(entities) && entities[first] != NULL)
            buf_adds(out, entities[first]);
        else if (whole == 0 || !is_xml_char(utf8_code(rest.p, whole)))
            buf_adds(out, REPLACEMENT);
        else
            buf_add(out, span_cut(rest, 0, whole));
    }
}

static void add_attribute(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, " %s=\"", name);
    add_escaped(out, value);
    buf_addc(out, '"');
}

/* "openai.chat/params/stop-string" belongs to the suite "openai.chat/params". */
static struct span area_of(const char *id)
{
    const char *slash = strrchr(id, '/');
    return slash == NULL ? SPAN_LIT("cases") : (struct span){(const unsigned char *)id, (size_t)(slash - id)};
}

static void add_findings(const cJSON *one, struct buf *out)
{
    const cJSON *check;
    cJSON_ArrayForEach(check, json_member(one, "checks"))
    {
        if (cJSON_IsTrue(json_member(check, "ok")))
            continue;
        static const char *const members[] = {"id", "pointer", "expected", "observed"};
        for (size_t i = 0; i < COUNT_OF(members); i++) {
            if (json_str(check, members[i]) == NULL)
                continue;
            buf_addf(out, "%s: ", members[i]);
            add_escaped(out, json_str(check, members[i]));
            buf_addc(out, '\n');
        }
    }
    if (json_str(one, "reproduce") != NULL) {
        buf_adds(out, "again: ");
        add_escaped(out, json_str(one, "reproduce"));
        buf_addc(out, '\n');
    }
    const cJSON *evidence = json_member(one, "evidence");
    for (const cJSON *wire = evidence == NULL ? NULL : evidence->child; wire != NULL; wire = wire->next) {
        if (!cJSON_IsString(wire))
            continue;
        buf_addf(out, "\n%s\n", wire->string);
        add_escaped(out, wire->valuestring);
        buf_addc(out, '\n');
    }
}

static const char *element_of(const char *status)
{
    static const char *const rows[][2] = {
        {"fail", "failure"}, {"stale", "failure"}, {"error", "error"}, {"skip", "skipped"}, {"xfail", "skipped"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(status, rows[i][0]) == 0)
            return rows[i][1];
    return NULL;
}

static void add_case(const cJSON *one, struct buf *out)
{
    const cJSON *duration = json_member(one, "duration_us");
    const char *status = json_str(one, "status");
    struct span area = area_of(json_str(one, "id"));
    CLEANUP(free_ptr) char *class = span_dup(area);
    buf_adds(out, "    <testcase");
    add_attribute(out, "classname", class);
    add_attribute(out, "name", json_str(one, "id"));
    buf_addf(out, " time=\"%.6f\">\n", duration == NULL ? 0.0 : duration->valuedouble / 1e6);
    const cJSON *requirement;
    buf_adds(out, "      <properties>\n");
    cJSON_ArrayForEach(requirement, json_member(one, "requirements"))
    {
        buf_adds(out, "        <property name=\"requirement\"");
        CLEANUP(buf_release) struct buf value = BUF_INIT(BUF_ANY);
        buf_addf(&value, "%s %s: %s", json_str(requirement, "level"), json_str(requirement, "id"),
                 json_str(requirement, "title"));
        add_attribute(out, "value", buf_text(&value));
        buf_adds(out, "/>\n");
    }
    buf_adds(out, "      </properties>\n");
    const char *element = element_of(status);
    if (element != NULL) {
        const char *reason = json_str(one, "reason");
        buf_addf(out, "      <%s", element);
        add_attribute(out, "message", reason != NULL ? reason : json_str(one, "title"));
        buf_addc(out, '>');
        add_findings(one, out);
        buf_addf(out, "</%s>\n", element);
    }
    buf_adds(out, "    </testcase>\n");
}

static int64_t count_in(const cJSON *cases, struct span area, const char *element)
{
    int64_t n = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, cases)
    {
        if (!span_equal(area_of(json_str(one, "id")), area))
            continue;
        const char *is = element_of(json_str(one, "status"));
        n += element == NULL || (is != NULL && strcmp(is, element) == 0);
    }
    return n;
}

static bool area_seen_before(const cJSON *cases, const cJSON *one)
{
    for (const cJSON *before = cases->child; before != one; before = before->next)
        if (span_equal(area_of(json_str(before, "id")), area_of(json_str(one, "id"))))
            return true;
    return false;
}

/* A run without cases is one test, or a CI page would show a green nothing for a run that failed. */
static void add_whole_run(const cJSON *doc, struct buf *out)
{
    const cJSON *end = json_member(doc, "exit"), *code = json_member(end, "code");
    bool held = cJSON_IsNumber(code) && code->valueint == EXIT_HELD;
    buf_adds(out, "  <testsuite");
    add_attribute(out, "name", json_str(doc, "kind"));
    add_attribute(out, "timestamp", json_str(json_member(doc, "time"), "start"));
    buf_addf(out, " tests=\"1\" failures=\"%d\" errors=\"0\" skipped=\"0\">\n    <testcase", held ? 0 : 1);
    add_attribute(out, "classname", json_str(doc, "kind"));
    buf_adds(out, " name=\"the run\">\n");
    if (!held) {
        buf_adds(out, "      <failure");
        add_attribute(out, "message", json_str(end, "reason"));
        buf_addc(out, '>');
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        report_console(doc, false, false, &text);
        add_escaped(out, buf_text(&text));
        buf_adds(out, "</failure>\n");
    }
    buf_adds(out, "    </testcase>\n  </testsuite>\n");
}

void report_junit(const cJSON *doc, struct buf *out)
{
    const cJSON *cases = json_member(json_member(doc, "conformance"), "cases");
    buf_adds(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"mohs\">\n");
    if (json_member(doc, "conformance") == NULL)
        add_whole_run(doc, out);
    const cJSON *one;
    cJSON_ArrayForEach(one, cases)
    {
        if (area_seen_before(cases, one))
            continue;
        struct span area = area_of(json_str(one, "id"));
        CLEANUP(free_ptr) char *name = span_dup(area);
        buf_adds(out, "  <testsuite");
        add_attribute(out, "name", name);
        add_attribute(out, "timestamp", json_str(json_member(doc, "time"), "start"));
        buf_addf(out, " tests=\"%lld\" failures=\"%lld\" errors=\"%lld\" skipped=\"%lld\">\n",
                 (long long)count_in(cases, area, NULL), (long long)count_in(cases, area, "failure"),
                 (long long)count_in(cases, area, "error"), (long long)count_in(cases, area, "skipped"));
        const cJSON *member;
        cJSON_ArrayForEach(member, cases)
        {
            if (span_equal(area_of(json_str(member, "id")), area))
                add_case(member, out);
        }
        buf_adds(out, "  </testsuite>\n");
    }
    buf_adds(out, "</testsuites>\n");
}
