/* cmd_list.c: `mohs list` and `mohs show`: what there is: cases, requirements and how far they are tested, faults,
 * rules, error texts, profiles. */
#include <stdio.h>

#include "harness/case.h"
#include "harness/option.h"
#include "harness/suite.h"
#include "harness/verbs.h"
#include "mock/mock.h"
#include "protocol/data.h"
#include "protocol/sigv4.h"
#include "reports/exit.h"

struct list_options {
    bool cases, requirements, coverage, faults, rules, errors, profiles, diagnoses, markdown;
};

#define AT(member) offsetof(struct list_options, member)

static const struct option_row list_rows[] = {
    {"cases", 0, NULL, OPTION_FLAG, AT(cases),
     .help = "The cases, with their level and title (also without any option)."},
    {"requirements", 0, NULL, OPTION_FLAG, AT(requirements), .help = "The requirements, and how many cases test each."},
    {"coverage", 0, NULL, OPTION_FLAG, AT(coverage),
     .help = "Tested, planned and excluded requirements by area, and the exclusions with their reasons."},
    {"faults", 0, NULL, OPTION_FLAG, AT(faults),
     .help = "The faults of the mock: code, id, what it does, [parameters]."},
    {"markdown", 0, NULL, OPTION_FLAG, AT(markdown), .help = "With --faults: as the tables of docs/faults.md."},
    {"rules", 0, NULL, OPTION_FLAG, AT(rules), .help = "The semantic rules of the mock, and whether they are on."},
    {"errors", 0, NULL, OPTION_FLAG, AT(errors),
     .help = "The texts of Bedrock's errors, how sure each is, and what brings the mock to say it."},
    {"profiles", 0, NULL, OPTION_FLAG, AT(profiles), .help = "The gateways that profiles are shipped for."},
    {"diagnoses", 0, NULL, OPTION_FLAG, AT(diagnoses), .help = "The mistakes that a wrong signature is searched for."},
};

/* What is shown, loaded once. */
struct shown {
    struct requirements requirements;
    struct cases cases;
};

static void shown_release(struct shown *s)
{
    cases_release(&s->cases);
    requirements_release(&s->requirements);
}

static enum err shown_load(struct shown *s, struct note *note)
{
    enum err e = requirements_load(&s->requirements, note);
    return e == OK ? cases_load(&s->cases, &s->requirements, note) : e;
}

static void list_cases(const struct shown *s, struct buf *out)
{
    for (size_t i = 0; i < s->cases.count; i++) {
        const struct case_file *c = &s->cases.items[i];
        buf_addf(out, "%-56s %-6s %s\n", c->id, level_name(c->level), c->title);
    }
    buf_addf(out, "%zu cases\n", s->cases.count);
}

static const char *state_of(const struct requirement *r)
{
    return r->excluded ? "excluded" : r->cases > 0 ? "tested" : "planned";
}

static void list_requirements(const struct shown *s, struct buf *out)
{
    for (size_t i = 0; i < s->requirements.count; i++) {
        const struct requirement *r = &s->requirements.items[i];
        buf_addf(out, "%-4s %-42s %-6s %-8s %2zu  %s\n", r->alias, r->id, level_name(r->level), state_of(r), r->cases,
                 r->title);
    }
    buf_addf(out, "%zu requirements\n", s->requirements.count);
}

struct area {
    char name[32];
    size_t tested, planned, excluded;
};

static void count_in(struct area *a, const struct requirement *r)
{
    *(r->excluded ? &a->excluded : r->cases > 0 ? &a->tested : &a->planned) += 1;
}

static void add_area(const struct area *a, struct buf *out)
{
    buf_addf(out, "%-12s %8zu %8zu %9zu %6zu\n", a->name, a->tested, a->planned, a->excluded,
             a->tested + a->planned + a->excluded);
}

static void list_coverage(const struct shown *s, struct buf *out)
{
    struct area total = {"all", 0, 0, 0}, area = {"", 0, 0, 0};
    buf_addf(out, "%-12s %8s %8s %9s %6s\n", "area", "tested", "planned", "excluded", "all");
    for (size_t i = 0; i < s->requirements.count; i++) {
        const struct requirement *r = &s->requirements.items[i];
        size_t n = strcspn(r->id, ".");
        if (strlen(area.name) != n || strncmp(area.name, r->id, n) != 0) {
            if (area.name[0] != '\0')
                add_area(&area, out);
            area = (struct area){"", 0, 0, 0};
            (void)snprintf(area.name, sizeof area.name, "%.*s", (int)n, r->id);
        }
        count_in(&area, r);
        count_in(&total, r);
    }
    add_area(&area, out);
    add_area(&total, out);
    for (size_t i = 0; i < s->requirements.count; i++)
        if (s->requirements.items[i].excluded)
            buf_addf(out, "excluded %s %s: %s\n", s->requirements.items[i].alias, s->requirements.items[i].id,
                     s->requirements.items[i].reason);
}

static void list_faults(struct buf *out)
{
    const struct mock_fault_row *rows;
    size_t count = mock_faults_list(&rows);
    for (size_t i = 0; i < count; i++) {
        const struct mock_fault_row *r = &rows[i];
        buf_addf(out, "%-7s %-38s %s", r->code, r->id, r->does);
        if (r->parameters[0] != '\0')
            buf_addf(out, " [%s]", r->parameters);
        if (r->http2 != NULL)
            buf_addf(out, " (HTTP/2: %s)", r->http2);
        buf_addc(out, '\n');
    }
}

/* The tables of docs/faults.md, one a family. */
static void print_faults(struct buf *out)
{
    const struct mock_fault_row *rows;
    size_t count = mock_faults_list(&rows);
    for (size_t i = 0; i < count; i++) {
        const struct mock_fault_row *r = &rows[i];
        if (i == 0 || strncmp(r->code, rows[i - 1].code, 3) != 0)
            buf_addf(out,
                     "%s| code | id | what it does | parameters | over HTTP/2 |\n| --- | --- | --- | --- | --- |\n",
                     i == 0 ? "" : "\n");
        buf_addf(out, "| %s | `%s` | %s | %s | %s |\n", r->code, r->id, r->does, r->parameters,
                 r->http2 != NULL ? r->http2 : "the same");
    }
}

static void list_rules(struct buf *out)
{
    const struct mock_rule_row *rows;
    size_t count = mock_rules_list(&rows);
    for (size_t i = 0; i < count; i++)
        buf_addf(out, "%-32s %-3s %s\n", rows[i].id, rows[i].on ? "on" : "off", rows[i].does);
}

static const cJSON *with_id(const cJSON *rows, const char *id)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        if (json_str(row, "id") != NULL && strcmp(json_str(row, "id"), id) == 0)
            return row;
    }
    return NULL;
}

/* What must be so before the mock says the text of that row of error-texts.json. */
static void print_how(const cJSON *row, struct buf *out)
{
    const char *reason = json_str(row, "reason"), *by = json_str(row, "by");
    const cJSON *rule, *rules = json_member(json_member(row, "mock"), "rules");
    if (row == NULL || reason != NULL)
        buf_addf(out, "not: %s", reason != NULL ? reason : "nobody knows how");
    else
        buf_adds(out, by != NULL ? by : "request");
    cJSON_ArrayForEach(rule, rules) buf_addf(out, " --rule %s", rule->valuestring);
}

static enum err list_errors(struct buf *out, struct note *note)
{
    struct span text, how;
    CLEANUP(json_free) cJSON *texts = NULL;
    CLEANUP(json_free) cJSON *rows = NULL;
    enum err e = data_load("fixtures/api/errors.json", &text, note);
    if (e == OK)
        e = data_load("fixtures/vectors/error-texts.json", &how, note);
    if (e == OK)
        e = json_parse(text, JSON_COMPACT, &texts, note);
    if (e == OK)
        e = json_parse(how, JSON_COMPACT, &rows, note);
    const cJSON *t;
    cJSON_ArrayForEach(t, json_member(texts, "errors"))
    {
        CLEANUP(buf_release) struct buf line = BUF_INIT(BUF_ANY);
        print_how(with_id(json_member(rows, "rows"), json_str(t, "id")), &line);
        buf_addf(out, "%-32s %-11s %-36s ", json_str(t, "id"), json_str(t, "confidence"), buf_text(&line));
        json_quote(span_of(json_str(t, "text")), out); /* some have several lines */
        buf_addc(out, '\n');
    }
    return e;
}

static void list_diagnoses(struct buf *out)
{
    const char *sentence, *id;
    for (size_t i = 0; (id = sigv4_diagnosis_row(i, &sentence)) != NULL; i++)
        buf_addf(out, "%-32s %s\n", id, sentence);
}

static int add_profile(void *ctx, const char *path, struct span bytes)
{
    CLEANUP(json_free) cJSON *root = NULL;
    if (json_parse(bytes, JSON_COMPACT, &root, NULL) == OK && json_str(root, "name") != NULL)
        buf_addf(ctx, "%-24s %-10s %s\n", json_str(root, "name"),
                 json_str(root, "version") == NULL ? "" : json_str(root, "version"), json_str(root, "title"));
    (void)path;
    return 0;
}

static int list(const void *settings, const struct option_list *operands)
{
    (void)operands;
    const struct list_options *o = settings;
    struct note note = {""};
    CLEANUP(shown_release) struct shown s = {.cases = {.count = 0}};
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    if (shown_load(&s, &note) != OK) {
        (void)fprintf(stderr, "mohs list: %s\n", note.text);
        return EXIT_USAGE;
    }
    if (o->cases || !(o->requirements || o->coverage || o->faults || o->rules || o->errors || o->profiles ||
                    o->diagnoses))
        list_cases(&s, &out);
    if (o->requirements)
        list_requirements(&s, &out);
    if (o->coverage)
        list_coverage(&s, &out);
    if (o->faults)
        (o->markdown ? print_faults : list_faults)(&out);
    if (o->rules)
        list_rules(&out);
    if (o->errors && list_errors(&out, &note) != OK) {
        (void)fprintf(stderr, "mohs list: %s\n", note.text);
        return EXIT_USAGE;
    }
    if (o->profiles)
        (void)data_each("suites/profiles/", add_profile, &out);
    if (o->diagnoses)
        list_diagnoses(&out);
    (void)fputs(buf_text(&out), stdout);
    return EXIT_HELD;
}

/* ---- show ---- */

static void show_requirement(const struct shown *s, const struct requirement *r, struct buf *out)
{
    buf_addf(out, "%s (%s), %s, %s\n  %s.\n  %s\n", r->id, r->alias, level_name(r->level), state_of(r), r->title,
             r->why);
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(r->row, "divergences")) buf_addf(out, "  permitted: %s\n", one->valuestring);
    cJSON_ArrayForEach(one, json_member(r->row, "sources"))
    {
        CLEANUP(free_ptr) char *source = json_text(one, JSON_COMPACT);
        buf_addf(out, "  source: %s\n", source == NULL ? "" : source);
    }
    for (size_t i = 0; i < s->cases.count; i++)
        cJSON_ArrayForEach(
            one, json_member(s->cases.items[i].root, "requirements")) if (strcmp(one->valuestring, r->id) == 0)
            buf_addf(out, "  case: %s\n", s->cases.items[i].id);
}

static void show_case(const struct shown *s, const struct case_file *c, struct buf *out)
{
    buf_addf(out, "%s\n", c->id);
    const cJSON *id;
    cJSON_ArrayForEach(id, json_member(c->root, "requirements"))
    {
        const struct requirement *r = requirement_find(&s->requirements, id->valuestring);
        if (r != NULL)
            buf_addf(out, "  %s %s (%s): %s\n", level_name(r->level), r->id, r->alias, r->title);
    }
    json_print(c->root, JSON_PRETTY, out);
    buf_addc(out, '\n');
}

static int show(const void *settings, const struct option_list *operands)
{
    (void)settings;
    struct note note = {""};
    CLEANUP(shown_release) struct shown s = {.cases = {.count = 0}};
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    enum err e = operands->count == 0 ? note_set(&note, ERR_INVALID, "give the id of a case or of a requirement")
                                      : shown_load(&s, &note);
    for (size_t i = 0; i < operands->count && e == OK; i++) {
        const char *id = operands->items[i];
        const struct case_file *c = case_find(&s.cases, id);
        const struct requirement *r = requirement_find(&s.requirements, id);
        const char *near =
            case_near(&s.cases, id) != NULL ? case_near(&s.cases, id) : requirement_near(&s.requirements, id);
        if (c != NULL)
            show_case(&s, c, &out);
        else if (r != NULL)
            show_requirement(&s, r, &out);
        else
            e = note_set(&note, ERR_UNKNOWN, "there is no case and no requirement '%s'%s%s", id,
                         near != NULL ? "; the nearest is " : "", near != NULL ? near : "");
    }
    (void)fputs(buf_text(&out), stdout);
    if (e != OK)
        (void)fprintf(stderr, "mohs show: %s\n", note.text);
    return e == OK ? EXIT_HELD : EXIT_USAGE;
}

const struct verb verb_list = {
    .name = "list",
    .summary = "list cases, requirements, coverage, faults, rules, error texts, profiles",
    .examples = "mohs list\tThe cases.\n"
                "mohs list --coverage\tHow much of each area is tested.\n"
                "mohs list --faults\tHow the mock can misbehave, one line a way: its code and its id, either of which names it.\n",
    .options = list_rows,
    .option_count = COUNT_OF(list_rows),
    .size = sizeof(struct list_options),
    .run = list,
};

const struct verb verb_show = {
    .name = "show",
    .operands = "ID...",
    .summary = "show a case or a requirement in full",
    .examples = "mohs show params.stop-string\tA requirement: why, where it comes from, which cases test it.\n"
                "mohs show openai.chat/params/stop\tA case as it is run.\n",
    .run = show,
};
