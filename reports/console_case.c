/* console_case.c: one case for a terminal: what was asked, where it differs, both wires, the command that runs it
 * again.
 *
 * A failure is read on a screen, so it has to fit one: unless everything was asked for (--verbose, and the text report)
 * long texts are cut, of many differing checks the first are shown, and of a wire its first line and where its body
 * begins, because the headers of a request are long and seldom the reason. What is cut says so with "...".
 */
#include "protocol/utf8.h"
#include "reports/console.h"

enum {
    VALUE_MOST = 240, /* bytes of what was expected or observed */
    LINES_MOST = 2,   /* ... and its lines */
    WIRE_MOST = 160,  /* bytes of a wire's first line, and of its body */
    CHECKS_MOST = 2,  /* checks told of a case */
    REQUIREMENTS_MOST = 3,
    WIRES_MOST = 4 /* client request and response, and two calls upstream */
};

const char *console_colour(const struct console_view *v, const char *status)
{
    static const char *const rows[][2] = {{"pass", "\033[32m"}, {"fail", "\033[31m"},  {"error", "\033[35m"},
                                          {"skip", "\033[2m"},  {"xfail", "\033[33m"}, {"stale", "\033[31m"}};
    for (size_t i = 0; v->colour && i < COUNT_OF(rows); i++)
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

/* At most so many bytes and lines, whole characters, "..." behind what was cut. */
static void add_cut(struct span text, size_t bytes, size_t lines, struct buf *out)
{
    struct span rest = text;
    for (size_t n; (n = utf8_next(rest)) > 0; rest = span_from(rest, n)) {
        lines -= rest.p[0] == '\n';
        if (lines == 0 || text.n - rest.n + n > bytes)
            break;
        buf_add(out, span_cut(rest, 0, n));
    }
    if (rest.n > 0 && !(rest.n == 1 && rest.p[0] == '\n'))
        buf_adds(out, " ...");
}

static void add_value(struct console_view *v, const char *label, const char *text, struct buf *out)
{
    CLEANUP(buf_release) struct buf cut = BUF_INIT(BUF_ANY);
    if (text == NULL || v->verbose) {
        add_indented(out, label, text);
        return;
    }
    add_cut(span_of(text), VALUE_MOST, LINES_MOST, &cut);
    v->cut = v->cut || cut.len < strlen(text);
    add_indented(out, label, buf_text(&cut));
}

static void add_more(struct console_view *v, size_t count, const char *one, struct buf *out)
{
    if (count == 0)
        return;
    v->cut = true;
    buf_addf(out, "      ... and %zu %s%s more\n", count, one, count > 1 ? "s" : "");
}

static void add_checks(const cJSON *one, struct console_view *v, struct buf *out)
{
    const cJSON *check;
    size_t shown = 0, more = 0;
    cJSON_ArrayForEach(check, json_member(one, "checks"))
    {
        if (cJSON_IsTrue(json_member(check, "ok")))
            continue;
        if (!v->verbose && shown == CHECKS_MOST) {
            more++;
            continue;
        }
        shown++;
        add_indented(out, "check", json_str(check, "id"));
        const char *where = json_str(check, "pointer");
        add_value(v, "where", where != NULL && where[0] != '\0' ? where : NULL, out); /* "": the whole */
        add_value(v, "expected", json_str(check, "expected"), out);
        add_value(v, "observed", json_str(check, "observed"), out);
    }
    add_more(v, more, "check", out);
}

/* The first line, and where the body begins: behind the headers' empty line. */
static void add_wire_head(const char *text, struct buf *out)
{
    struct span whole = span_of(text);
    const char *empty = strstr(text, "\n\n");
    add_cut(span_cut(whole, 0, strcspn(text, "\n")), WIRE_MOST, 1, out);
    if (empty == NULL || empty[2] == '\0')
        return;
    buf_addc(out, '\n');
    add_cut(span_of(empty + 2), WIRE_MOST, 1, out);
}

static void add_wires(const cJSON *evidence, struct console_view *v, struct buf *out)
{
    size_t shown = 0, more = 0;
    for (const cJSON *wire = evidence == NULL ? NULL : evidence->child; wire != NULL; wire = wire->next) {
        CLEANUP(buf_release) struct buf head = BUF_INIT(BUF_ANY);
        CLEANUP(free_ptr)
        char *text = cJSON_IsString(wire) ? span_dup(span_of(wire->valuestring)) : json_text(wire, JSON_COMPACT);
        if (!v->verbose && shown == WIRES_MOST) {
            more++;
            continue;
        }
        shown++;
        if (text != NULL && !v->verbose) {
            add_wire_head(text, &head);
            v->cut = v->cut || head.len < strlen(text);
        }
        add_indented(out, wire->string, v->verbose ? text : buf_text(&head));
    }
    add_more(v, more, "message", out);
}

static void add_requirements(const cJSON *one, struct console_view *v, struct buf *out)
{
    size_t shown = 0, more = 0;
    const cJSON *requirement;
    cJSON_ArrayForEach(requirement, json_member(one, "requirements"))
    {
        CLEANUP(buf_release) struct buf line = BUF_INIT(BUF_ANY);
        if (!v->verbose && shown == REQUIREMENTS_MOST) {
            more++;
            continue;
        }
        shown++;
        buf_addf(&line, "%s (%s)", json_str(requirement, "title"), json_str(requirement, "id"));
        add_indented(out, json_str(requirement, "level"), buf_text(&line));
    }
    add_more(v, more, "requirement", out);
}

static void add_name(const cJSON *one, const struct console_view *v, struct buf *out)
{
    const char *status = json_str(one, "status");
    buf_addf(out, "%s%-5s%s %s", console_colour(v, status), status, v->colour ? "\033[0m" : "", json_str(one, "id"));
    if (json_str(one, "alternative") != NULL)
        buf_addf(out, "  [%s]", json_str(one, "alternative"));
}

void console_add_case(const cJSON *one, struct console_view *v, struct buf *out)
{
    const char *status = json_str(one, "status");
    add_name(one, v, out);
    buf_addc(out, '\n');
    if (strcmp(status, "pass") == 0)
        return;
    add_indented(out, "case", json_str(one, "title"));
    add_value(v, "because", json_str(one, "reason"), out);
    if (strcmp(status, "skip") == 0)
        return;
    add_requirements(one, v, out);
    add_checks(one, v, out);
    if (strcmp(status, "stale") == 0 && !v->verbose) /* it holds: nobody looks for a difference */
        v->cut = true;
    else
        add_wires(json_member(one, "evidence"), v, out);
    add_indented(out, "again", json_str(one, "reproduce"));
}

void console_add_line(const cJSON *one, struct console_view *v, struct buf *out)
{
    const cJSON *check;
    add_name(one, v, out);
    cJSON_ArrayForEach(check, json_member(one, "checks"))
    {
        if (cJSON_IsTrue(json_member(check, "ok")))
            continue;
        buf_addf(out, "  %s", json_str(check, "id"));
        break;
    }
    buf_addc(out, '\n');
    v->cut = true;
}
