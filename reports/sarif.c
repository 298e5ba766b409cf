/* sarif.c: SARIF 2.1.0 (OASIS standard, errata 01), for code scanning pages and for tools that merge many reports.
 *
 * A requirement is a rule: what it claims, what breaks without it, and how strictly it is meant. A case that did not
 * pass is a result: of the strictest of its requirements, at the line of its file that asks for what did not hold.
 * MUST, SHOULD and MAY are error, warning and note (3.27.10).
 *
 *   fail   kind fail
 *   xfail  kind fail, and suppressed when a list expects it; a MAY that does not hold is a note
 *   stale  kind fail, of the rule mohs.stale: not the requirement is broken, but the list is out of date
 *   error  kind open, level none (3.27.9): it could not be judged; and a notification of the run
 *
 * The same document makes the same bytes, and one case has the same fingerprint in every run, wherever its line went.
 */
#include "reports/area.h"
#include "reports/describe.h"
#include "reports/exit.h"
#include "reports/report.h"
#include "reports/result.h"

#define SARIF_SCHEMA "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#define BASE_ID      "%SRCROOT%"

struct log {
    cJSON *rules, *results, *notifications;
};

/* Rules that are no requirements. */
static const struct own_rule {
    const char *id, *title, *why;
} stale_rule = {"mohs.stale", "An expected failure holds now",
                "The list of expected failures names a check that holds. Take it off the list, or the list hides the "
                "next failure."},
  case_rule = {"mohs.case", "A case holds", "The case names no requirement."};

static void set_text(cJSON *object, const char *key, const char *text)
{
    if (text != NULL)
        (void)json_set_string(object, key, text);
}

static void set_copy(cJSON *object, const char *key, const cJSON *value)
{
    if (value != NULL)
        (void)json_set(object, key, cJSON_Duplicate(value, true));
}

/* Braces are placeholders in a message, and doubled when they are meant as they stand (3.11.5). */
static void add_plain(struct buf *out, const char *text)
{
    for (const char *c = text == NULL ? "" : text; *c != '\0'; c++) {
        buf_addc(out, *c);
        if (*c == '{' || *c == '}')
            buf_addc(out, *c);
    }
}

static void set_message(cJSON *object, const char *key, const char *text)
{
    CLEANUP(buf_release) struct buf plain = BUF_INIT(BUF_ANY);
    add_plain(&plain, text);
    (void)json_set_string(json_set(object, key, cJSON_CreateObject()), "text", buf_text(&plain));
}

static const char *level_word(const char *level)
{
    static const char *const rows[][2] = {{"MUST", "error"}, {"SHOULD", "warning"}, {"MAY", "note"}};
    for (size_t i = 0; level != NULL && i < COUNT_OF(rows); i++)
        if (strcmp(rows[i][0], level) == 0)
            return rows[i][1];
    return "warning"; /* what a rule without a word has (3.50.3) */
}

/* ---- rules ---- */

static int find_rule(const cJSON *rules, const char *id)
{
    int i = 0;
    const cJSON *rule;
    cJSON_ArrayForEach(rule, rules)
    {
        if (strcmp(json_str(rule, "id"), id) == 0)
            return i;
        i++;
    }
    return -1;
}

/* The index of the rule, made when it is not there yet. */
static int use_rule(cJSON *rules, const char *id, const char *title, const char *why, const char *level)
{
    int at = find_rule(rules, id);
    if (at >= 0)
        return at;
    CLEANUP(buf_release) struct buf help = BUF_INIT(BUF_ANY);
    buf_addf(&help, "%s. %s", title, why != NULL ? why : "");
    if (level != NULL)
        buf_addf(&help, "%sThis is a %s. Its sources and its cases: mohs show %s", why != NULL ? " " : "", level, id);
    cJSON *rule = cJSON_CreateObject();
    set_text(rule, "id", id);
    set_message(rule, "shortDescription", title);
    set_message(rule, "fullDescription", why != NULL ? why : title);
    set_message(rule, "help", buf_text(&help));
    set_text(json_set(rule, "defaultConfiguration", cJSON_CreateObject()), "level", level_word(level));
    CLEANUP(free_ptr) char *area = span_dup(area_of_requirement(id));
    cJSON *tags = json_set(json_set(rule, "properties", cJSON_CreateObject()), "tags", cJSON_CreateArray());
    cJSON_AddItemToArray(tags, cJSON_CreateString(area != NULL ? area : ""));
    if (level != NULL)
        cJSON_AddItemToArray(tags, cJSON_CreateString(level));
    cJSON_AddItemToArray(rules, rule);
    return cJSON_GetArraySize(rules) - 1;
}

static int use_own_rule(cJSON *rules, const struct own_rule *rule)
{
    return use_rule(rules, rule->id, rule->title, rule->why, NULL);
}

static int use_requirement(cJSON *rules, const cJSON *requirement)
{
    const char *id = json_str(requirement, "id"), *title = json_str(requirement, "title");
    if (id == NULL)
        return use_own_rule(rules, &case_rule);
    return use_rule(rules, id, title != NULL ? title : id, json_str(requirement, "why"),
                    json_str(requirement, "level"));
}

static size_t strictness(const cJSON *requirement)
{
    const char *level = json_str(requirement, "level");
    for (size_t i = 0; level != NULL && i < AREA_LEVELS; i++)
        if (strcmp(area_levels[i], level) == 0)
            return AREA_LEVELS - i;
    return 0;
}

/* Of a case's requirements the strictest, of equals the first; NULL: it has none. */
static const cJSON *strictest(const cJSON *requirements)
{
    const cJSON *best = NULL, *one;
    cJSON_ArrayForEach(one, requirements)
    {
        if (best == NULL || strictness(one) > strictness(best))
            best = one;
    }
    return best;
}

/* ---- results ---- */

static bool is(const char *status, const char *word)
{
    return strcmp(status, word) == 0;
}

/* RFC 3986: what may stand in a path stays, the rest is percent-encoded, a colon too (section 4.2). */
static void add_uri(struct buf *out, const char *path)
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/!$&'()*+,;=@";
    buf_adds(out, path[0] == '/' ? "file://" : "");
    for (const char *c = path; *c != '\0'; c++)
        if (strchr(kept, *c) != NULL)
            buf_addc(out, *c);
        else
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)*c);
}

static void add_location(cJSON *result, const cJSON *one)
{
    const char *file = json_str(one, "file"), *id = json_str(one, "id");
    const cJSON *line = json_member(one, "line");
    cJSON *location = cJSON_CreateObject();
    if (file != NULL) {
        CLEANUP(buf_release) struct buf uri = BUF_INIT(BUF_ANY);
        cJSON *physical = json_set(location, "physicalLocation", cJSON_CreateObject());
        cJSON *artifact = json_set(physical, "artifactLocation", cJSON_CreateObject());
        add_uri(&uri, file);
        set_text(artifact, "uri", buf_text(&uri));
        set_text(artifact, "uriBaseId", file[0] == '/' ? NULL : BASE_ID);
        if (line != NULL)
            (void)json_set_int(json_set(physical, "region", cJSON_CreateObject()), "startLine", line->valueint);
    }
    cJSON *logical = cJSON_CreateObject();
    set_text(logical, "name", id);
    set_text(logical, "fullyQualifiedName", id);
    set_text(logical, "kind", "case");
    cJSON_AddItemToArray(json_set(location, "logicalLocations", cJSON_CreateArray()), logical);
    cJSON_AddItemToArray(json_set(result, "locations", cJSON_CreateArray()), location);
}

/* Always there, since either all results of a run have it or none (3.27.23); empty: not suppressed. */
static void add_suppressions(cJSON *result, const cJSON *one)
{
    const char *reason = json_str(one, "reason");
    cJSON *list = json_set(result, "suppressions", cJSON_CreateArray());
    if (!is(json_str(one, "status"), "xfail") || (reason != NULL && strcmp(reason, RESULT_REASON_MAY) == 0))
        return;
    cJSON *row = cJSON_CreateObject();
    set_text(row, "kind", "external");
    set_text(row, "status", "accepted");
    set_text(row, "justification", reason);
    cJSON_AddItemToArray(list, row);
}

static void add_properties(cJSON *result, const cJSON *one)
{
    static const char *const members[] = {"status", "reason", "alternative", "checks", "reproduce", "evidence"};
    cJSON *properties = json_set(result, "properties", cJSON_CreateObject());
    cJSON *names = json_set(properties, "requirements", cJSON_CreateArray());
    const cJSON *requirement;
    cJSON_ArrayForEach(requirement, json_member(one, "requirements"))
    {
        if (json_str(requirement, "id") != NULL)
            cJSON_AddItemToArray(names, cJSON_CreateString(json_str(requirement, "id")));
    }
    for (size_t i = 0; i < COUNT_OF(members); i++)
        set_copy(properties, members[i], json_member(one, members[i]));
}

static void add_result(struct log *log, const cJSON *one)
{
    const char *status = json_str(one, "status"), *id = json_str(one, "id");
    const cJSON *requirement = strictest(json_member(one, "requirements"));
    bool stale = is(status, "stale"), open = is(status, "error");
    int at = stale ? use_own_rule(log->rules, &stale_rule) : use_requirement(log->rules, requirement);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    describe_case(one, &text);
    cJSON *result = cJSON_CreateObject();
    set_text(result, "ruleId", json_str(cJSON_GetArrayItem(log->rules, at), "id"));
    (void)json_set_int(result, "ruleIndex", at);
    set_text(result, "kind", open ? "open" : "fail");
    set_text(result, "level", open ? "none" : level_word(stale ? NULL : json_str(requirement, "level")));
    set_message(result, "message", buf_text(&text));
    add_location(result, one);
    /* GitHub takes primaryLocationLineHash when there is one, and looks into the file otherwise, which it may not have.
     */
    cJSON *prints = json_set(result, "partialFingerprints", cJSON_CreateObject());
    const char *file = json_str(one, "file"), *print = id != NULL && id[0] == '/' && file != NULL ? file : id;
    set_text(prints, "mohsCase/v1", print);
    set_text(prints, "primaryLocationLineHash", print);
    add_suppressions(result, one);
    add_properties(result, one);
    cJSON_AddItemToArray(log->results, result);
    if (!open)
        return;
    cJSON *notification = cJSON_CreateObject();
    set_text(notification, "level", "error");
    set_message(notification, "message", buf_text(&text));
    cJSON_AddItemToArray(log->notifications, notification);
}

/* ---- the run ---- */

static cJSON *make_tool(const cJSON *doc, cJSON *take_rules)
{
    cJSON *tool = cJSON_CreateObject(), *driver = json_set(tool, "driver", cJSON_CreateObject());
    const char *version = json_str(json_member(doc, "tool"), "version");
    set_text(driver, "name", "mohs");
    set_text(driver, "fullName", "Mohs, a scratch test for gateways in front of Amazon Bedrock");
    set_text(driver, "version", version);
    set_text(driver, "semanticVersion", version);
    (void)json_set(driver, "rules", take_rules);
    return tool;
}

/* How the run ended. It was a run when it could judge; whether what it judged was good, the results say. */
static cJSON *make_invocation(const cJSON *doc, cJSON *take_notifications)
{
    cJSON *invocation = cJSON_CreateObject();
    const cJSON *end = json_member(doc, "exit"), *code = json_member(end, "code"), *word;
    const cJSON *argv = json_member(json_member(doc, "command"), "argv");
    bool judged =
        code != NULL && (code->valueint == EXIT_HELD || code->valueint == EXIT_FAILED || code->valueint == EXIT_STALE);
    (void)json_set(invocation, "executionSuccessful", cJSON_CreateBool(judged));
    if (code != NULL)
        (void)json_set_int(invocation, "exitCode", code->valueint);
    set_text(invocation, "exitCodeDescription", json_str(end, "reason"));
    set_text(invocation, "startTimeUtc", json_str(json_member(doc, "time"), "start"));
    set_text(invocation, "endTimeUtc", json_str(json_member(doc, "time"), "end"));
    cJSON *arguments = argv == NULL ? NULL : json_set(invocation, "arguments", cJSON_CreateArray());
    for (word = argv == NULL || argv->child == NULL ? NULL : argv->child->next; word != NULL; word = word->next)
        cJSON_AddItemToArray(arguments, cJSON_CreateString(cJSON_IsString(word) ? word->valuestring : ""));
    if (!judged && take_notifications != NULL && take_notifications->child == NULL) {
        cJSON *notification = cJSON_CreateObject();
        set_text(notification, "level", "error");
        set_message(notification, "message", json_str(end, "reason"));
        cJSON_AddItemToArray(take_notifications, notification);
    }
    (void)json_set(invocation, "toolExecutionNotifications", take_notifications);
    return invocation;
}

static void add_run_properties(cJSON *run, const cJSON *doc)
{
    const cJSON *conformance = json_member(doc, "conformance");
    const char *profile = json_str(conformance, "profile");
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    buf_addf(&id, "mohs/%s%s", profile != NULL ? profile : json_str(doc, "kind"), "/"); /* a class of runs (3.17.3) */
    set_text(json_set(run, "automationDetails", cJSON_CreateObject()), "id", buf_text(&id));
    cJSON *base = json_set(json_set(run, "originalUriBaseIds", cJSON_CreateObject()), BASE_ID, cJSON_CreateObject());
    set_message(base, "description",
                "The top of Mohs's sources for cases that it carries, else the directory in which mohs was run.");
    cJSON *properties = json_set(run, "properties", cJSON_CreateObject());
    set_copy(properties, "target", json_member(doc, "target"));
    set_copy(properties, "summary", json_member(conformance, "summary"));
    if (conformance != NULL)
        (void)json_set(properties, "areas", area_of_document(conformance));
}

void report_sarif(const cJSON *doc, struct buf *out)
{
    struct log log = {cJSON_CreateArray(), cJSON_CreateArray(), cJSON_CreateArray()};
    const cJSON *one, *requirement;
    cJSON_ArrayForEach(one, json_member(json_member(doc, "conformance"), "cases"))
    {
        const char *status = json_str(one, "status");
        cJSON_ArrayForEach(requirement, json_member(one, "requirements"))(void) use_requirement(log.rules, requirement);
        if (status != NULL && !is(status, "pass") && !is(status, "skip"))
            add_result(&log, one);
    }
    CLEANUP(json_free) cJSON *root = cJSON_CreateObject();
    set_text(root, "$schema", SARIF_SCHEMA);
    set_text(root, "version", "2.1.0");
    cJSON *run = cJSON_CreateObject();
    cJSON_AddItemToArray(json_set(root, "runs", cJSON_CreateArray()), run);
    (void)json_set(run, "tool", make_tool(doc, log.rules));
    cJSON *invocations = json_set(run, "invocations", cJSON_CreateArray());
    cJSON_AddItemToArray(invocations, make_invocation(doc, log.notifications));
    add_run_properties(run, doc);
    (void)json_set(run, "results", log.results);
    json_print(root, JSON_PRETTY, out);
    buf_addc(out, '\n');
}
