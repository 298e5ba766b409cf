/* Options: types and their limits, the rank of flag, environment, file and fallback, and the words for a mistake. */
#include "harness/option.h"

#include <stddef.h>

#include "unit.h"

struct settings {
    int64_t port, wait_ms, span_ns, bytes;
    bool loud;
    double share;
    const char *mode;
    struct option_list words;
};

#define AT(member) offsetof(struct settings, member)

static const struct option_row rows[] = {
    OPTION_GROUP("Numbers"),
    {"port", 'p', "PORT", OPTION_INT, AT(port), .fallback = "7", .max = 100, .help = "A port."},
    {"wait", 'l', "MS", OPTION_MS, AT(wait_ms), .help = "A wait."},
    {"span", 0, "TIME", OPTION_DURATION, AT(span_ns), .help = "A duration."},
    {"bytes", 0, "BYTES", OPTION_BYTES, AT(bytes), .help = "A size."},
    {"loud", 0, NULL, OPTION_FLAG, AT(loud), .help = "Loud."},
    {"share", 0, "N", OPTION_REAL, AT(share), .max = 1, .help = "A share."},
    {"mode", 'm', "MODE", OPTION_STRING, AT(mode), .fallback = "auto", .choices = "auto|plain", .help = "A mode."},
    {"word", 'w', "WORD", OPTION_LIST, AT(words), .help = "A word."},
};
static const struct verb verb = {.name = "try",
                                 .operands = "[WORD]...",
                                 .options = rows,
                                 .option_count = COUNT_OF(rows),
                                 .size = sizeof(struct settings)};
static const struct verb bare = {.name = "bare"}, below = {.name = "bare bones"};
const struct verb *const verbs[] = {&verb, &bare, &below, NULL};

enum { MOST = 8 };

/* The line split at spaces; the strings live in `text`. */
static int split(char *text, char **argv)
{
    int argc = 0;
    for (char *word = strtok(text, " "); word != NULL && argc < MOST; word = strtok(NULL, " "))
        argv[argc++] = word;
    return argc;
}

/* All values as one line of text; or "!" and the note. */
static void parse(const struct verb *v, const char *line, struct buf *out)
{
    char text[256], *argv[MOST];
    (void)snprintf(text, sizeof text, "%s", line);
    int argc = split(text, argv);
    CLEANUP(options_release) struct options o = {0};
    struct note note = {""};
    if (options_parse(v, argc, argv, &o, &note) != OK) {
        buf_addf(out, "!%s", note.text);
        return;
    }
    const struct settings *s = o.settings;
    if (o.help || v != &verb) {
        buf_adds(out, o.help ? "help" : "ok");
        return;
    }
    buf_addf(out, "%lld %lld %lld %lld %d %g %s", (long long)s->port, (long long)s->wait_ms, (long long)s->span_ns,
             (long long)s->bytes, (int)s->loud, s->share, s->mode);
    for (size_t i = 0; i < s->words.count; i++)
        buf_addf(out, " w:%s", s->words.items[i]);
    for (size_t i = 0; i < o.operands.count; i++)
        buf_addf(out, " o:%s", o.operands.items[i]);
}

static void claim_line(const char *line, const char *wanted)
{
    CLEANUP(buf_release) struct buf got = BUF_INIT(4096);
    parse(&verb, line, &got);
    bool error = wanted[0] == '!';
    bool same = error ? buf_text(&got)[0] == '!' && strstr(buf_text(&got), wanted + 1) != NULL
                      : strcmp(buf_text(&got), wanted) == 0;
    CLAIM(same, "%s: '%s' instead of '%s'", line, buf_text(&got), wanted);
}

static void reads_every_form_of_a_flag(void)
{
    static const char *const table[][2] = {
        {"", "7 0 0 0 0 0 auto"},
        {"-p 8", "8 0 0 0 0 0 auto"},
        {"-p8", "8 0 0 0 0 0 auto"},
        {"--port=8 --port 9", "9 0 0 0 0 0 auto"},
        {"-l 250 --span 1.5s --bytes 64K", "7 250 1500000000 65536 0 0 auto"},
        {"-l 1.5s --span 2m --bytes 1GiB", "7 1500 120000000000 1073741824 0 0 auto"},
        {"--loud --share 0.5", "7 0 0 0 1 0.5 auto"},
        {"--loud --no-loud", "7 0 0 0 0 0 auto"},
        {"--loud=false", "7 0 0 0 0 0 auto"},
        {"-w a x -w b -- -w --port", "7 0 0 0 0 0 auto w:a w:b o:x o:-w o:--port"},
        {"-", "7 0 0 0 0 0 auto o:-"},
        {"--port x --help", "help"},
        {"--prot 1", "!did you mean '--port'"},
        {"--port", "!wants a value (PORT)"},
        {"--port 101", "!between 0 and 100"},
        {"--port -1", "!between 0 and 100"},
        {"--port 1x", "!a whole number"},
        {"--span 10", "!with its unit"},
        {"--span 10y", "!with its unit"},
        {"--wait -5", "!milliseconds"},
        {"--bytes 0x10", "!bytes"},
        {"--share 2", "!between 0 and 1"},
        {"--share nan", "!a number"},
        {"--mode autos", "!one of auto|plain"},
        {"--loud=maybe", "!true or false"},
        {"--no-port", "!not an option"},
        {"-z", "!not an option"},
        {"--config /nonexistent/x.json", "!--config: /nonexistent/x.json: No such file"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        claim_line(table[i][0], table[i][1]);
}

static void flag_beats_environment_beats_file_beats_fallback(void)
{
    char name[] = "/tmp/mohs-option-XXXXXX";
    int fd = mkstemp(name);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    (void)fputs("{\"port\":20,\"word\":[\"f1\",\"f2\"],\"loud\":true,\"try\":{\"mode\":\"plain\"}}", f);
    (void)fclose(f);
    char line[128];
    (void)snprintf(line, sizeof line, "--config %s", name);
    claim_line(line, "20 0 0 0 1 0 plain w:f1 w:f2");
    (void)setenv("MOHS_PORT", "30", 1);
    (void)setenv("MOHS_WORD", "e", 1);
    claim_line(line, "30 0 0 0 1 0 plain w:e");
    (void)snprintf(line, sizeof line, "--config %s -p 40 -w a -w b", name);
    claim_line(line, "40 0 0 0 1 0 plain w:a w:b");
    (void)setenv("MOHS_PORT", "many", 1);
    claim_line("", "!MOHS_PORT is 'many'");
    (void)unsetenv("MOHS_PORT");
    (void)unsetenv("MOHS_WORD");
    (void)remove(name);
}

static void a_verb_without_words_takes_none(void)
{
    CLEANUP(buf_release) struct buf got = BUF_INIT(4096);
    parse(&bare, "x", &got);
    CLAIM(strstr(buf_text(&got), "takes no word like 'x'") != NULL, "%s", buf_text(&got));
}

static void help_and_manual_name_every_option(void)
{
    void (*const printers[])(FILE *, const struct verb *) = {help_verb, help_man};
    for (size_t k = 0; k < COUNT_OF(printers); k++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        CU_ASSERT_PTR_NOT_NULL_FATAL(out);
        printers[k](out,
                    &(struct verb){.name = "try", .summary = "s", .options = rows, .option_count = COUNT_OF(rows)});
        (void)fclose(out);
        for (size_t i = 0; i < COUNT_OF(rows); i++)
            CLAIM(strstr(text, rows[i].name) != NULL && strstr(text, rows[i].help) != NULL, "printer %zu leaves out %s",
                  k, rows[i].name);
        free(text);
    }
}

static void a_heading_is_no_option(void)
{
    CLEANUP(options_release) struct options o = {0};
    struct note note = {""};
    char word[] = "--=1", *argv[] = {word};
    CU_ASSERT_EQUAL(setenv("MOHS_", "7", 1), 0);
    CU_ASSERT_EQUAL(options_parse(&verb, 1, argv, &o, &note), ERR_UNKNOWN);
    CLEANUP(options_release) struct options good = {0};
    CLAIM(options_parse(&verb, 0, NULL, &good, &note) == OK, "%s", note.text);
    (void)unsetenv("MOHS_");
}

static void some_verbs_are_two_words(void)
{
    static const struct {
        const char *words[3];
        size_t count;
        const struct verb *verb;
        size_t used;
    } rows_of_words[] = {{{"bare"}, 1, &bare, 1},
                         {{"bare", "bones"}, 2, &below, 2},
                         {{"bare", "bones", "x"}, 3, &below, 2},
                         {{"bare", "x"}, 2, &bare, 1},
                         {{"bones"}, 1, NULL, 1},
                         {{NULL}, 0, NULL, 1}};
    for (size_t i = 0; i < COUNT_OF(rows_of_words); i++) {
        size_t used = 0;
        CLAIM(verb_of_words(rows_of_words[i].words, rows_of_words[i].count, &used) == rows_of_words[i].verb, "row %zu", i);
        CU_ASSERT_EQUAL(used, rows_of_words[i].used);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"reads every form of a flag", reads_every_form_of_a_flag},
        {"flag beats environment beats file beats fallback", flag_beats_environment_beats_file_beats_fallback},
        {"a verb without words takes none", a_verb_without_words_takes_none},
        {"help and manual name every option", help_and_manual_name_every_option},
        {"a heading is no option", a_heading_is_no_option},
        {"some verbs are two words", some_verbs_are_two_words},
        CU_TEST_INFO_NULL,
    };
    return unit_main("option", tests);
}
