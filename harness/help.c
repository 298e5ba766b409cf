/* help.c: --help and the manual pages, printed from the same rows that the parser reads, so neither can go stale. */
#include "reports/exit.h"
#include "harness/option.h"

enum { WIDTH = 80, COLUMN = 26 };

/* Words of `text` from column `at`, broken at WIDTH, continued at `indent`. An empty line starts a paragraph. */
static void wrap(FILE *out, const char *text, int at, int indent)
{
    int column = at;
    const char *p = text;
    while (*p != '\0') {
        if (p[0] == '\n' && p[1] == '\n') {
            (void)fprintf(out, "\n\n%*s", indent, "");
            column = indent;
            p += 2;
            continue;
        }
        if (*p == ' ' || *p == '\n') {
            p++;
            continue;
        }
        int n = (int)strcspn(p, " \n");
        if (column > indent && column + 1 + n > WIDTH) {
            (void)fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            (void)fputc(' ', out);
            column++;
        }
        (void)fprintf(out, "%.*s", n, p);
        column += n;
        p += n;
    }
    (void)fputc('\n', out);
}

static void row_left(const struct option_row *row, char *out, size_t size)
{
    char letter[8] = "    ";
    if (row->letter != 0)
        (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
    (void)snprintf(out, size, "  %s--%s%s%s", letter, row->name, row->argument != NULL ? " " : "",
                   row->argument != NULL ? row->argument : "");
}

static void print_option(FILE *out, const struct option_row *row)
{
    char left[80];
    row_left(row, left, sizeof left);
    int n = (int)strlen(left);
    if (n + 2 > COLUMN)
        (void)fprintf(out, "%s\n%*s", left, COLUMN, "");
    else
        (void)fprintf(out, "%-*s", COLUMN, left);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_adds(&text, row->help);
    if (row->choices != NULL)
        buf_addf(&text, " One of %s.", row->choices);
    if (row->fallback != NULL && row->fallback[0] != '\0')
        buf_addf(&text, strchr(row->fallback, ' ') != NULL ? " Default \"%s\"." : " Default %s.", row->fallback);
    wrap(out, buf_text(&text), COLUMN, COLUMN);
}

#define COMMON_TITLE "Every verb"
static const struct option_row common[] = {
    {"config", 0, "FILE", OPTION_STRING, 0, NULL, 0, 0, NULL,
     "Read options from a JSON file; a flag or MOHS_... wins over it."},
    {"help", 'h', NULL, OPTION_FLAG, 0, NULL, 0, 0, NULL, "Print this text."},
};

void help_program(FILE *out)
{
    (void)fprintf(out, "mohs %s: scratch-tests gateways in front of Amazon Bedrock\n\nUsage: mohs VERB [options]\n\n",
                  MOHS_VERSION);
    for (size_t i = 0; verbs[i] != NULL; i++)
        (void)fprintf(out, "  %-11s %s\n", verbs[i]->name, verbs[i]->summary);
    (void)fputs("\nmohs VERB --help tells more. Every option is also MOHS_NAME in the environment and a key of "
                "--config FILE.\n",
                out);
}

static void print_examples(FILE *out, const char *examples)
{
    (void)fputs("\nExamples:\n", out);
    for (const char *p = examples; *p != '\0';) {
        int command = (int)strcspn(p, "\t\n");
        (void)fprintf(out, "  %.*s\n", command, p);
        p += command;
        int sentence = *p == '\t' ? (int)strcspn(p + 1, "\n") : 0;
        if (sentence > 0)
            (void)fprintf(out, "      %.*s\n", sentence, p + 1);
        p += strcspn(p, "\n");
        p += *p == '\n';
    }
}

void help_verb(FILE *out, const struct verb *verb)
{
    (void)fprintf(out, "mohs %s: %s\n\nUsage: mohs %s [options]%s%s\n\n", verb->name, verb->summary, verb->name,
                  verb->operands != NULL ? " " : "", verb->operands != NULL ? verb->operands : "");
    if (verb->about != NULL) {
        wrap(out, verb->about, 0, 0);
        (void)fputc('\n', out);
    }
    bool grouped = verb->option_count > 0 && verb->options[0].type == OPTION_HEADING;
    if (!grouped)
        (void)fputs("Options:\n", out);
    for (size_t i = 0; i < verb->option_count; i++)
        if (verb->options[i].type == OPTION_HEADING)
            (void)fprintf(out, "%s%s:\n", i > 0 ? "\n" : "", verb->options[i].help);
        else
            print_option(out, &verb->options[i]);
    if (grouped)
        (void)fprintf(out, "\n%s:\n", COMMON_TITLE);
    for (size_t i = 0; i < COUNT_OF(common); i++)
        print_option(out, &common[i]);
    if (verb->examples != NULL)
        print_examples(out, verb->examples);
}

/* ---- man(7) ---- */

/* roff: backslashes and hyphens are spelled, and no line may begin with a dot or a quote by chance. */
static void roff(FILE *out, const char *text, size_t n)
{
    if (n > 0 && (text[0] == '.' || text[0] == '\''))
        (void)fputs("\\&", out);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\')
            (void)fputs("\\e", out);
        else if (text[i] == '-')
            (void)fputs("\\-", out);
        else if (text[i] == '\n' && i + 1 < n && text[i + 1] == '\n') {
            (void)fputs("\n.PP\n", out);
            i++;
        } else
            (void)fputc(text[i], out);
    }
}

static void roff_text(FILE *out, const char *text)
{
    roff(out, text, strlen(text));
}

static void man_option(FILE *out, const struct option_row *row)
{
    (void)fputs(".TP\n", out);
    if (row->letter != 0)
        (void)fprintf(out, "\\fB\\-%c\\fR, ", row->letter);
    (void)fputs("\\fB\\-\\-", out);
    roff_text(out, row->name);
    (void)fputs("\\fR", out);
    if (row->argument != NULL) {
        (void)fputs(" \\fI", out);
        roff_text(out, row->argument);
        (void)fputs("\\fR", out);
    }
    (void)fputc('\n', out);
    roff_text(out, row->help);
    if (row->choices != NULL)
        (void)fprintf(out, " One of %s.", row->choices);
    if (row->fallback != NULL && row->fallback[0] != '\0') {
        const char *quote = strchr(row->fallback, ' ') != NULL ? "\"" : ""; /* where it ends, when it is a sentence */
        (void)fprintf(out, " Default %s", quote);
        roff_text(out, row->fallback);
        (void)fprintf(out, "%s.", quote);
    }
    (void)fputc('\n', out);
}

static void man_heading(FILE *out, const char *title)
{
    (void)fputs(".SS ", out);
    roff_text(out, title);
    (void)fputc('\n', out);
}

static void man_exits(FILE *out)
{
    (void)fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < exit_table_count; i++)
        (void)fprintf(out, ".TP\n%d\n%s\n", exit_table[i].code, exit_table[i].meaning);
}

static void man_program(FILE *out)
{
    (void)fprintf(
        out, ".TH MOHS 1 \"\" \"mohs %s\"\n.SH NAME\nmohs \\- scratch\\-test gateways in front of Amazon Bedrock\n",
        MOHS_VERSION);
    (void)fputs(".SH SYNOPSIS\n.B mohs\n.I VERB\n[options]\n.SH VERBS\n", out);
    for (size_t i = 0; verbs[i] != NULL; i++) {
        (void)fprintf(out, ".TP\n\\fB%s\\fR\n", verbs[i]->name);
        roff_text(out, verbs[i]->summary);
        (void)fputc('\n', out);
    }
    man_exits(out);
}

static void man_examples(FILE *out, const char *examples)
{
    (void)fputs(".SH EXAMPLES\n", out);
    for (const char *p = examples; *p != '\0';) {
        size_t command = strcspn(p, "\t\n");
        (void)fputs(".TP\n\\fB", out);
        roff(out, p, command);
        (void)fputs("\\fR\n", out);
        p += command;
        size_t sentence = *p == '\t' ? strcspn(p + 1, "\n") : 0;
        if (sentence > 0) {
            roff(out, p + 1, sentence);
            (void)fputc('\n', out);
        }
        p += strcspn(p, "\n");
        p += *p == '\n';
    }
}

void help_man(FILE *out, const struct verb *verb)
{
    if (verb == NULL) {
        man_program(out);
        return;
    }
    char page[64]; /* git's way: the page of "mock import" is mohs-mock-import */
    (void)snprintf(page, sizeof page, "%s", verb->name);
    for (char *p = page; *p != '\0'; p++)
        *p = *p == ' ' ? '-' : *p;
    (void)fputs(".TH MOHS\\-", out);
    roff_text(out, page);
    (void)fprintf(out, " 1 \"\" \"mohs %s\"\n.SH NAME\nmohs\\-", MOHS_VERSION);
    roff_text(out, page);
    (void)fputs(" \\- ", out);
    roff_text(out, verb->summary);
    (void)fprintf(out, "\n.SH SYNOPSIS\n.B mohs %s\n[options]%s", verb->name, verb->operands != NULL ? " " : "");
    roff_text(out, verb->operands != NULL ? verb->operands : "");
    (void)fputs("\n.SH DESCRIPTION\n", out);
    roff_text(out, verb->about != NULL ? verb->about : verb->summary);
    (void)fputs("\n.SH OPTIONS\n", out);
    bool grouped = verb->option_count > 0 && verb->options[0].type == OPTION_HEADING;
    for (size_t i = 0; i < verb->option_count; i++)
        if (verb->options[i].type == OPTION_HEADING)
            man_heading(out, verb->options[i].help);
        else
            man_option(out, &verb->options[i]);
    if (grouped)
        man_heading(out, COMMON_TITLE);
    for (size_t i = 0; i < COUNT_OF(common); i++)
        man_option(out, &common[i]);
    if (verb->examples != NULL)
        man_examples(out, verb->examples);
    (void)fputs(
        ".SH ENVIRONMENT\nEvery option can be given as MOHS_NAME, in capitals, with _ for each hyphen. A flag on the "
        "command line wins.\n",
        out);
    man_exits(out);
}
