/* describe.c: the one line that SARIF and GitHub's annotations have for a failure: what was claimed, the first check
 * that did not hold, how many more did not, and the command that runs the case again. Both wires are elsewhere.
 */
#include "reports/describe.h"

#include "protocol/utf8.h"

enum { VALUE_MOST = 400 }; /* bytes of what was expected or observed */

static bool is(const char *status, const char *word)
{
    return status != NULL && strcmp(status, word) == 0;
}

static void add_value(struct buf *out, const char *label, const char *text)
{
    if (text == NULL)
        return;
    struct span front = utf8_front(span_of(text), VALUE_MOST);
    buf_addf(out, "%s", label);
    buf_add(out, front);
    buf_adds(out, front.n < strlen(text) ? " ..." : "");
}

void describe_case(const cJSON *one, struct buf *out)
{
    const char *status = json_str(one, "status"), *title = json_str(one, "title"), *again = json_str(one, "reproduce");
    const cJSON *check;
    size_t failed = 0;
    buf_addf(out, "%s%s.",
             is(status, "error")   ? "Could not be judged: "
             : is(status, "stale") ? "Holds now, though listed as failing: "
                                   : "",
             title != NULL ? title : json_str(one, "id"));
    add_value(out, " ", json_str(one, "reason"));
    if (json_str(one, "reason") != NULL)
        buf_addc(out, '.');
    cJSON_ArrayForEach(check, json_member(one, "checks"))
    {
        if (cJSON_IsTrue(json_member(check, "ok")) || failed++ > 0)
            continue;
        const char *where = json_str(check, "pointer");
        buf_addf(out, " %s%s%s", json_str(check, "id"), where != NULL && where[0] != '\0' ? " at " : "",
                 where != NULL ? where : "");
        add_value(out, ": expected ", json_str(check, "expected"));
        add_value(out, ", observed ", json_str(check, "observed"));
        buf_addc(out, '.');
    }
    if (failed > 1)
        buf_addf(out, " %zu more check%s failed.", failed - 1, failed > 2 ? "s" : "");
    if (again != NULL)
        buf_addf(out, " Again: %s", again);
}
