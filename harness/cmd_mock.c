/* cmd_mock.c: `mohs mock`, the Bedrock of your laptop, as a program.
 *
 * Everything it can do lives in mock/; here are its flags, the line that says where it listens, and the wait for the end.
 * A mistake, a busy port included, is one sentence and exit 2. The end by Ctrl-C is how a server is meant to end: exit 0.
 */
#include <stddef.h>
#include <stdlib.h>

#include "reports/result.h"
#include "harness/interrupt.h"
#include "harness/option.h"
#include "harness/serve.h"
#include "harness/verbs.h"
#include "mock/mock.h"

struct mock_options {
    int64_t port;
    const char *host;
    const char *admin_port;
    int64_t workers;
    const char *auth;
    const char *validation;
    const char *models;
    int64_t seed;
    int64_t journal;
    struct option_list keys;
    struct option_list bearer_keys;
    const char *region;
    int64_t latency_ms, ttft_ms, itl_ms;
    int64_t probe_deltas;
    struct option_list rules_on, rules_off;
    int64_t ready_fd;
    bool parent_watch;
    bool quiet;
};

#define AT(member) offsetof(struct mock_options, member)

static const struct option_row rows[] = {
    {"port", 'p', "PORT", OPTION_INT, AT(port), "9555", 0, 65535, NULL, "Port of the Bedrock API; 0 takes any free one."},
    {"host", 0, "ADDRESS", OPTION_STRING, AT(host), "127.0.0.1", 0, 0, NULL, "Address to listen on."},
    {"admin-port", 0, "PORT", OPTION_STRING, AT(admin_port), "next", 0, 0, NULL,
     "Port of the admin API: a number, 'next' (the Bedrock port + 1; any free one when that was 0), or 'off'."},
    {"workers", 'w', "N", OPTION_INT, AT(workers), "1", 1, 256, NULL, "Threads that serve."},
    {"auth", 0, "MODE", OPTION_STRING, AT(auth), "lenient", 0, 0, "lenient|strict|none|bearer",
     "Who may ask. lenient: signatures of known keys must hold, unknown keys are let in and noted. The journal holds the "
     "verdict in every mode."},
    {"validation", 0, "MODE", OPTION_STRING, AT(validation), "strict", 0, 0, "strict|lenient|record",
     "strict: refuse what Bedrock refuses. lenient: only what breaks the API model. record: refuse nothing, note it."},
    {"models", 0, "WHICH", OPTION_STRING, AT(models), "any", 0, 0, "any|known", "Which model ids exist."},
    {"key", 0, "AK:SECRET", OPTION_LIST, AT(keys), NULL, 0, 0, NULL,
     "A key that signatures are judged by, with :TOKEN behind for a session; may be repeated. Without one: the example "
     "key of the AWS documentation, " MOCK_DEFAULT_ACCESS_KEY "."},
    {"bearer-key", 0, "KEY", OPTION_LIST, AT(bearer_keys), NULL, 0, 0, NULL, "A Bedrock API key that is known; may be repeated."},
    {"region", 0, "REGION", OPTION_STRING, AT(region), NULL, 0, 0, NULL, "The only region whose signatures hold; without it, any."},
    {"seed", 0, "N", OPTION_INT, AT(seed), "1", 0, INT64_MAX, NULL, "Seed of ids, paddings and the default answers."},
    {"journal", 0, "BYTES", OPTION_BYTES, AT(journal), "64M", 0, 0, NULL, "Memory for the journal; 0 keeps none."},
    {"latency", 'l', "MS", OPTION_MS, AT(latency_ms), "0", 0, 0, NULL, "Wait before every answer."},
    {"ttft", 0, "MS", OPTION_MS, AT(ttft_ms), "0", 0, 0, NULL, "Wait before the first delta of a stream."},
    {"itl", 0, "MS", OPTION_MS, AT(itl_ms), "0", 0, 0, NULL, "Wait between the deltas of a stream."},
    {"probe-deltas", 0, "N", OPTION_INT, AT(probe_deltas), "0", 0, 1000000, NULL,
     "Deltas in the streams that answer a load test's requests; 0: as many as maxTokens says, else 16."},
    {"rule-on", 0, "ID", OPTION_LIST, AT(rules_on), NULL, 0, 0, NULL, "Switch a validation rule on (mohs list --rules)."},
    {"rule-off", 0, "ID", OPTION_LIST, AT(rules_off), NULL, 0, 0, NULL, "Switch a validation rule off."},
    {"ready-fd", 0, "FD", OPTION_INT, AT(ready_fd), "-1", -1, 1 << 20, NULL, "Write 'PORT ADMINPORT' to this file descriptor once listening."},
    {"parent-watch", 0, NULL, OPTION_FLAG, AT(parent_watch), NULL, 0, 0, NULL, "End when standard input closes."},
    {"quiet", 'q', NULL, OPTION_FLAG, AT(quiet), NULL, 0, 0, NULL, "Say nothing about refused requests."},
};

static int position(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return (int)i;
    return 0;
}

static enum err admin_port(const struct mock_options *o, int *out, struct note *note)
{
    if (strcmp(o->admin_port, "next") == 0) {
        *out = o->port == 0 ? 0 : MOCK_ADMIN_NEXT;
        return OK;
    }
    if (strcmp(o->admin_port, "off") == 0) {
        *out = MOCK_ADMIN_OFF;
        return OK;
    }
    char *end;
    long port = strtol(o->admin_port, &end, 10);
    if (*o->admin_port == '\0' || *end != '\0' || port < 0 || port > 65535)
        return note_set(note, ERR_INVALID, "--admin-port is '%s', but must be a port, 'next' or 'off'", o->admin_port);
    *out = (int)port;
    return OK;
}

/* Cuts "AK:SECRET[:TOKEN]" where the text lies; `text` is ours. */
static enum err split_key(char *text, struct mock_key *out, struct note *note)
{
    char *secret = strchr(text, ':');
    if (secret == NULL || secret == text || secret[1] == '\0')
        return note_set(note, ERR_INVALID, "--key must be ACCESSKEY:SECRET or ACCESSKEY:SECRET:TOKEN");
    *secret++ = '\0';
    char *token = strchr(secret, ':');
    if (token != NULL)
        *token++ = '\0';
    *out = (struct mock_key){.access_key = text, .secret = secret, .session_token = token};
    return OK;
}

/* What mock_start borrows. */
struct lists {
    struct mock_key *keys;
    char **texts;
    size_t count;
    const char **on, **off;
};

static void lists_release(struct lists *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->texts[i]);
    free(l->texts);
    free(l->keys);
    free(l->on);
    free(l->off);
}

static const char **null_ended(const struct option_list *list)
{
    const char **out = calloc(list->count + 1, sizeof *out);
    if (out != NULL && list->count > 0)
        memcpy(out, list->items, list->count * sizeof *out);
    return out;
}

static enum err lists_fill(const struct mock_options *o, struct lists *l, struct note *note)
{
    l->keys = calloc(o->keys.count + 1, sizeof *l->keys);
    l->texts = calloc(o->keys.count + 1, sizeof *l->texts);
    l->on = null_ended(&o->rules_on);
    l->off = null_ended(&o->rules_off);
    if (l->keys == NULL || l->texts == NULL || l->on == NULL || l->off == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < o->keys.count; i++) {
        l->texts[l->count] = span_dup(span_of(o->keys.items[i]));
        if (l->texts[l->count] == NULL)
            return note_set(note, ERR_NOMEM, "out of memory");
        enum err e = split_key(l->texts[l->count++], &l->keys[i], note);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err start(const struct mock_options *o, const struct lists *l, struct mock **out, struct note *note)
{
    static const char *const auths[] = {"lenient", "strict", "none", "bearer"};
    static const char *const validations[] = {"strict", "lenient", "record"};
    static const char *const models[] = {"any", "known"};
    static char prefix[] = "mohs mock";
    struct mock_config config = {
        .host = o->host,
        .port = (uint16_t)o->port,
        .workers = (unsigned)o->workers,
        .auth = (enum mock_auth)position(o->auth, auths, COUNT_OF(auths)),
        .validation = (enum mock_validation)position(o->validation, validations, COUNT_OF(validations)),
        .models = (enum mock_models)position(o->models, models, COUNT_OF(models)),
        .keys = o->keys.count > 0 ? l->keys : NULL,
        .key_count = o->keys.count,
        .bearer_keys = o->bearer_keys.items,
        .bearer_key_count = o->bearer_keys.count,
        .region = o->region,
        .journal_bytes = o->journal == 0 ? MOCK_JOURNAL_OFF : (size_t)o->journal,
        .seed = (uint64_t)o->seed,
        .latency_ms = (unsigned)o->latency_ms,
        .ttft_ms = (unsigned)o->ttft_ms,
        .itl_ms = (unsigned)o->itl_ms,
        .probe_deltas = (unsigned)o->probe_deltas,
        .rules_on = l->on,
        .rules_off = l->off,
        .log = o->quiet ? NULL : serve_log,
        .log_ctx = prefix,
    };
    enum err e = admin_port(o, &config.admin_port, note);
    return e == OK ? mock_start(&config, out, note) : e;
}

static int run(const void *settings, const struct option_list *operands)
{
    (void)operands;
    const struct mock_options *o = settings;
    CLEANUP(lists_release) struct lists lists = {0};
    struct mock *mock = NULL;
    struct note note = {""};
    enum err e = interrupt_install(&note);
    if (e == OK)
        e = lists_fill(o, &lists, &note);
    if (e == OK)
        e = start(o, &lists, &mock, &note);
    if (e != OK) {
        (void)fprintf(stderr, "mohs mock: %s\n", note.text);
        return EXIT_USAGE;
    }
    unsigned port = mock_port(mock), admin = mock_admin_port(mock);
    if (admin != 0)
        (void)fprintf(stderr, "mohs mock: listening on http://%s:%u, admin on http://127.0.0.1:%u\n", o->host, port, admin);
    else
        (void)fprintf(stderr, "mohs mock: listening on http://%s:%u, no admin API\n", o->host, port);
    e = serve_ready(o->ready_fd, port, admin, &note);
    if (e == OK)
        serve_until_told(o->parent_watch);
    else
        (void)fprintf(stderr, "mohs mock: %s\n", note.text);
    mock_stop(mock);
    return e == OK ? EXIT_HELD : EXIT_USAGE;
}

const struct verb verb_mock = {
    .name = "mock",
    .summary = "serve a Bedrock that every AWS SDK believes",
    .about = "Answers the Bedrock runtime API on one port: it judges each signature, validates each request against the "
             "API model, and answers as the service does, streams included. On a second port, the admin API scripts "
             "replies and faults, opens gates, and reads the journal of what came in and went out.",
    .examples = "mohs mock\tthen set AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:9555\n"
                "mohs mock -p 0 --latency 40 --itl 15 --auth none\tany free port, with the pace of a real model\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct mock_options),
    .run = run,
};
