/* result.c: building the result document.
 *
 * cJSON trees are built with functions that return NULL when memory is out; the builders here pass such NULLs on
 * silently, because a run must not end for want of a report; the schema, which result_finish() asks, wants its members.
 */
#include "reports/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "protocol/data.h"
#include "protocol/schema.h"
#include "reports/area.h"

/* Options whose value is a secret, or may hold one. */
static const char *const secret_options[] = {
    "-H", "--header", "--key", "--api-key", "--secret", "--token", "--bearer", "--bearer-key", "--client-key", "--admin-token"};

static bool is_secret_option(const char *argument)
{
    for (size_t i = 0; i < COUNT_OF(secret_options); i++) {
        size_t n = strlen(secret_options[i]);
        if (strncmp(argument, secret_options[i], n) == 0 && (argument[n] == '\0' || argument[n] == '='))
            return true;
    }
    return false;
}

static cJSON *redacted_argv(int argc, char *const *argv)
{
    cJSON *list = cJSON_CreateArray();
    bool hide = false;
    for (int i = 0; i < argc; i++) {
        bool option = is_secret_option(argv[i]), glued = strncmp(argv[i], "-H", 2) == 0 && argv[i][2] != '\0';
        CLEANUP(buf_release) struct buf shown = BUF_INIT(BUF_ANY);
        if (hide || glued)
            buf_adds(&shown, hide ? "<redacted>" : "-H<redacted>");
        else if (option && strchr(argv[i], '=') != NULL)
            buf_addf(&shown, "%.*s=<redacted>", (int)strcspn(argv[i], "="), argv[i]);
        else
            buf_adds(&shown, argv[i]);
        cJSON_AddItemToArray(list, cJSON_CreateString(buf_text(&shown)));
        hide = !hide && !glued && option && strchr(argv[i], '=') == NULL;
    }
    return list;
}

static void set_utc(cJSON *object, const char *key, int64_t at_ns)
{
    time_t seconds = (time_t)(at_ns / 1000000000);
    struct tm utc;
    char text[96] = "";
    if (gmtime_r(&seconds, &utc) != NULL)
        (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                       utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(at_ns / 1000000 % 1000));
    (void)json_set_string(object, key, text);
}

static void set_run_id(cJSON *doc)
{
    unsigned char r[16] = {0};
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
        (void)snprintf((char *)r, sizeof r, "%llx", (unsigned long long)wall_ns());
    char text[33];
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", r[i]);
    (void)json_set_string(doc, "run_id", text);
}

static void set_cpu_model(cJSON *host)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL)
            continue;
        colon[strcspn(colon, "\n")] = '\0';
        (void)json_set_string(host, "cpu_model", colon + 2);
        break;
    }
    (void)fclose(f);
}

void result_init(struct result *r, const char *kind, int argc, char *const *argv)
{
    *r = (struct result){cJSON_CreateObject(), now_ns()};
    (void)json_set_string(r->doc, "schema_version", RESULT_SCHEMA_VERSION);
    (void)json_set_string(r->doc, "kind", kind);
    set_run_id(r->doc);
    cJSON *tool = result_section(r, "tool");
    (void)json_set_string(tool, "name", "mohs");
    (void)json_set_string(tool, "version", MOHS_VERSION);
    (void)json_set_string(tool, "compiler", __VERSION__);
    (void)json_set(result_section(r, "command"), "argv", redacted_argv(argc, argv));
    cJSON *host = result_section(r, "host");
    struct utsname name;
    if (uname(&name) == 0) {
        (void)json_set_string(host, "kernel", name.release);
        (void)json_set_string(host, "machine", name.machine);
    }
    (void)json_set_int(host, "cores", sysconf(_SC_NPROCESSORS_ONLN));
    set_cpu_model(host);
    set_utc(result_section(r, "time"), "start", wall_ns());
}

void result_release(struct result *r)
{
    if (r != NULL)
        json_free(&r->doc);
}

cJSON *result_section(struct result *r, const char *name)
{
    cJSON *section = json_member(r->doc, name);
    return section != NULL ? section : json_set(r->doc, name, cJSON_CreateObject());
}

void result_take(struct result *r, const char *section, cJSON *take)
{
    (void)json_set(r->doc, section, take);
}

static void set_text(cJSON *object, const char *key, const char *text)
{
    if (text != NULL)
        (void)json_set_string(object, key, text);
}

static cJSON *check_tree(const struct result_check *check)
{
    cJSON *tree = cJSON_CreateObject();
    set_text(tree, "id", check->id);
    (void)json_set(tree, "ok", cJSON_CreateBool(check->ok));
    if (!check->ok)
        set_text(tree, "pointer", check->pointer);
    set_text(tree, "expected", check->expected); /* of a check that held: of costs only */
    set_text(tree, "observed", check->observed);
    return tree;
}

void result_add_case(struct result *r, const struct result_case *c)
{
    cJSON *conformance = result_section(r, "conformance");
    cJSON *cases = json_member(conformance, "cases");
    if (cases == NULL)
        cases = json_set(conformance, "cases", cJSON_CreateArray());
    cJSON *tree = cJSON_CreateObject();
    set_text(tree, "id", c->id);
    set_text(tree, "title", c->title);
    set_text(tree, "status", c->status);
    set_text(tree, "reason", c->reason);
    set_text(tree, "level", c->level);
    set_text(tree, "file", c->file);
    if (c->file != NULL && c->line > 0)
        (void)json_set_int(tree, "line", (int64_t)c->line);
    if (c->requirements != NULL)
        (void)json_set(tree, "requirements", cJSON_Duplicate(c->requirements, true));
    cJSON *checks = json_set(tree, "checks", cJSON_CreateArray());
    for (size_t i = 0; i < c->check_count; i++)
        cJSON_AddItemToArray(checks, check_tree(&c->checks[i]));
    set_text(tree, "alternative", c->alternative);
    if (c->evidence != NULL && strcmp(c->status, "pass") != 0)
        (void)json_set(tree, "evidence", cJSON_Duplicate(c->evidence, true));
    (void)json_set_int(tree, "duration_us", (int64_t)c->duration_us);
    (void)json_set_int(tree, "attempts", c->attempts);
    set_text(tree, "reproduce", c->reproduce);
    cJSON_AddItemToArray(cases, tree);
}

static void sum_up(cJSON *conformance)
{
    static const char *const statuses[] = {"pass", "fail", "skip", "error", "xfail", "stale"};
    int64_t counts[COUNT_OF(statuses)] = {0};
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(conformance, "cases"))
    {
        for (size_t i = 0; i < COUNT_OF(statuses); i++)
            counts[i] += strcmp(json_str(one, "status"), statuses[i]) == 0;
    }
    cJSON *summary = json_set(conformance, "summary", cJSON_CreateObject());
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        (void)json_set_int(summary, statuses[i], counts[i]);
    (void)json_set(conformance, "areas", area_count(json_member(conformance, "cases")));
}

static const char *verdict_of(int exit)
{
    switch (exit) {
    case EXIT_HELD:
        return "pass";
    case EXIT_INCONCLUSIVE:
        return "inconclusive";
    default:
        return "fail";
    }
}

enum err result_finish(struct result *r, int exit, const char *reason, struct note *note)
{
    cJSON *conformance = json_member(r->doc, "conformance");
    if (conformance != NULL && json_member(conformance, "cases") != NULL)
        sum_up(conformance);
    cJSON *times = result_section(r, "time");
    set_utc(times, "end", wall_ns());
    (void)json_set_int(times, "duration_ms", (int64_t)((now_ns() - r->started_at_ns) / 1000000));
    (void)json_set_string(r->doc, "verdict", verdict_of(exit));
    cJSON *e = result_section(r, "exit");
    (void)json_set_int(e, "code", exit);
    (void)json_set_string(e, "reason", reason != NULL ? reason : exit_meaning(exit));
    return result_validate(r->doc, note);
}

enum err result_validate(const cJSON *doc, struct note *note)
{
    struct span text;
    CLEANUP(json_free) cJSON *schema = NULL;
    enum err e = data_load("reports/result.schema.json", &text, note);
    if (e == OK)
        e = json_parse(text, JSON_COMPACT, &schema, note);
    if (e == OK)
        e = schema_validate(schema, doc, note);
    if (e != OK)
        note_prefix(note, "the result document");
    return e;
}
