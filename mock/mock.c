/* mock.c: birth and death of a mock.
 *
 * Everything a worker reads without a lock (the API model, the catalogue, keys, rule switches) is made before the
 * servers start and freed after they have stopped. The Bedrock server stops first: its last exchanges still write to
 * the journal, and the journal may still call the admin server's loop.
 */
#include "mock/mock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mock/admin/journal_file.h"
#include "mock/admin/metrics.h"
#include "mock/agent/agent.h"
#include "mock/bidi/bidi.h"
#include "mock/compat/compat_store.h"
#include "mock/fixture/fixtures.h"
#include "mock/guardrail/guardrail.h"
#include "mock/identity/policy.h"
#include "mock/metering/cache.h"
#include "mock/record/record.h"
#include "mock/rules/rules.h"
#include "mock/runtime/async.h"
#include "mock/time/pace.h"

#define NEIGHBOURS_TRIED 64

void mock_log(const struct mock *mock, const char *format, ...)
{
    if (mock->config.log == NULL)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *p = line; *p != '\0'; p++) /* a peer's bytes must not make two lines of one, nor colour a terminal */
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    mock->config.log(mock->config.log_ctx, line);
}

static void server_log(void *ctx, const char *line)
{
    mock_log(ctx, "%s", line);
}

static enum err load_data(struct mock *m, const struct mock_config *c, struct note *note)
{
    m->api = api_load(note);
    if (m->api == NULL)
        return ERR_INVALID;
    enum err e = models_load(&m->models, m->api, span_of(c->models_overlay), c->models_name, note);
    if (e == OK)
        e = knowledge_load(&m->knowledge, m->api, span_of(c->knowledge_overlay), c->knowledge_name, note);
    if (e == OK)
        e = guardrails_new(c->guardrails_file, &m->guardrails, note);
    return e == OK ? rules_init(c, m->api, &m->rules, note) : e;
}

static enum err make_state(struct mock *m, const struct mock_config *c, struct note *note)
{
    m->region = c->region == NULL ? NULL : strdup(c->region);
    m->sessions = sessions_new();
    m->journal = journal_new(c->journal_bytes == 0 ? MOCK_JOURNAL_BYTES : c->journal_bytes);
    m->gates = gates_new();
    m->metrics = metrics_new();
    m->admin_token = c->admin_token == NULL ? NULL : strdup(c->admin_token);
    if (m->metrics == NULL || (c->admin_token != NULL && m->admin_token == NULL))
        return note_set(note, ERR_NOMEM, "out of memory");
    m->quotas = quotas_new();
    m->cache = c->no_cache ? NULL : cache_new(CACHE_BYTES);
    if (m->quotas == NULL || (m->cache == NULL && !c->no_cache))
        return note_set(note, ERR_NOMEM, "out of memory");
    m->control = control_new(m->models);
    m->asyncs = asyncs_new();
    m->responses = responses_new();
    if ((c->region != NULL && m->region == NULL) || m->sessions == NULL || m->journal == NULL || m->gates == NULL ||
        m->control == NULL || m->asyncs == NULL || m->responses == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    return OK;
}

static enum err read_quotas(struct mock *m, const struct mock_config *c, struct note *note)
{
    CLEANUP(json_free) cJSON *tree = NULL;
    enum err e = c->quotas == NULL ? OK : json_parse(span_of(c->quotas), JSON_UNIQUE, &tree, note);
    if (e == OK && tree != NULL)
        e = quotas_set(m->quotas, tree, true, note);
    if (e != OK)
        note_prefix(note, "quotas");
    return e;
}

/* What the endpoint is to judge, the mock does not refuse. */
static enum err start_recorder(struct mock *m, const struct mock_config *c, struct note *note)
{
    enum err e = replay_speed_read(c->replay_speed, &m->replay_speed, note);
    if (e == OK)
        e = recorder_new(c, &m->recorder, note);
    if (e != OK || m->recorder == NULL)
        return e;
    CLEANUP(buf_release) struct buf words = BUF_INIT(BUF_ANY);
    recorder_describe(m->recorder, &words);
    if (!c->dry_run)
        mock_log(m, "%s", buf_text(&words));
    m->config.validation = MOCK_VALIDATION_RECORD;
    return OK;
}

static enum err load_fixtures(struct mock *m, const struct mock_config *c, struct note *note)
{
    CLEANUP(free_ptr) const char **paths = calloc(c->fixture_count + 1, sizeof *paths);
    if (paths == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    size_t count = 0;
    for (; count < c->fixture_count; count++)
        paths[count] = c->fixtures[count];
    if (m->recorder != NULL && c->record.misses) /* the hand-written ones first */
        paths[count++] = c->record.directory;
    const struct fixtures_config f = {
        .paths = paths, .count = count, .watch = c->watch, .log = server_log, .log_ctx = m};
    enum err e = fixtures_new(&f, &m->fixtures, note);
    if (e == OK && count > 0 && !c->dry_run) {
        struct mock_fixtures read = mock_fixtures(m);
        mock_log(m, "fixtures loaded: %zu from %zu file%s", read.fixtures, read.files, read.files == 1 ? "" : "s");
    }
    return e;
}

static enum err start_bedrock(struct mock *m, const struct mock_config *c, struct note *note)
{
    struct server_config s = {.host = c->host,
                              .port = c->port,
                              .workers = c->workers,
                              .max_body = c->max_body,
                              .idle_timeout_ms = c->idle_timeout_ms,
                              .tls = c->tls,
                              .gates = m->gates,
                              .handle = operations_handle,
                              .refuse = operations_refuse,
                              .wants_stream = bidi_wants,
                              .worker_start = operations_worker_start,
                              .worker_stop = operations_worker_stop,
                              .log = server_log,
                              .ctx = m};
    return server_start(&s, &m->server, note);
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

static enum err start_admin(struct mock *m, const struct mock_config *c, struct note *note)
{
    if (c->admin_port == MOCK_ADMIN_OFF)
        return OK;
    if (c->admin_token != NULL && c->admin_token[0] == '\0')
        return note_set(note, ERR_INVALID, "the token of the admin API is empty");
    int port = c->admin_port == MOCK_ADMIN_NEXT ? mock_port(m) + 1 : c->admin_port;
    if (port < 0 || port > UINT16_MAX)
        return note_set(note, ERR_INVALID, "the admin port %d is none", port);
    struct server_config s = {
        .host = c->admin_host, .port = (uint16_t)port, .workers = 1, .handle = admin_handle, .log = server_log, .ctx = m};
    enum err e = server_start(&s, &m->admin, note);
    if (e != OK)
        return e;
    atomic_store(&m->admin_at, server_port(m->admin));
    if (c->admin_host != NULL && !is_loopback(c->admin_host) && c->admin_token == NULL)
        mock_log(m, "the admin API listens on %s without a token: whoever reaches it reads the journal, which holds prompts; "
                    "--admin-token asks for one", c->admin_host);
    return OK;
}

/* Where any port will do for Bedrock, one is looked for whose neighbour is free, too. */
static enum err start_servers(struct mock *m, const struct mock_config *c, struct note *note)
{
    int tries = c->port == 0 && c->admin_port == MOCK_ADMIN_NEXT ? NEIGHBOURS_TRIED : 1;
    enum err e = OK;
    do {
        server_stop(m->server);
        m->server = NULL;
        e = start_bedrock(m, c, note);
        if (e == OK)
            e = start_admin(m, c, note);
    } while (e == ERR_IO && --tries > 0);
    return e;
}

enum err mock_start(const struct mock_config *config, struct mock **out, struct note *note)
{
    *out = NULL;
    struct mock *m = calloc(1, sizeof *m);
    if (m == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    m->config = *config;
    m->started_at_ns = now_ns();
    clock_start(&m->clock, config->clock_offset_ms);
    enum err e = keys_new(config, &m->keys, note);
    if (e == OK && config->policy_file != NULL)
        e = policy_new(config->policy_file, &m->policy, note);
    if (e == OK)
        e = load_data(m, config, note);
    if (e == OK)
        e = make_state(m, config, note);
    if (e == OK)
        e = read_quotas(m, config, note);
    if (e == OK)
        e = times_new(&m->config, &m->times, note);
    if (e == OK)
        e = faults_read_options(config->faults, &m->standing_faults, note);
    if (e == OK)
        e = start_recorder(m, config, note);
    if (e == OK)
        e = load_fixtures(m, config, note);
    if (e == OK && !config->dry_run && config->journal_file != NULL)
        e = journal_file_open(config->journal_file, m->journal, server_log, m, &m->journal_file, note);
    if (e == OK && !config->dry_run)
        e = start_servers(m, config, note);
    if (e != OK) {
        mock_stop(m);
        return e;
    }
    *out = m;
    return OK;
}

bool mock_stop(struct mock *m)
{
    if (m == NULL)
        return true;
    server_stop(m->server);
    server_stop(m->admin);
    admin_release(m);
    gates_free(m->gates);
    bool whole = journal_file_close(m->journal_file);
    journal_free(m->journal);
    cache_free(m->cache);
    control_free(m->control);
    asyncs_free(m->asyncs);
    responses_free(m->responses);
    quotas_free(m->quotas);
    shared_drop(&m->standing_faults);
    fixtures_free(m->fixtures);
    recorder_free(m->recorder);
    sessions_free(m->sessions);
    knowledge_free(m->knowledge);
    times_free(m->times);
    free(m->rules);
    guardrails_free(m->guardrails);
    policy_free(m->policy);
    models_free(m->models);
    api_free(m->api);
    keys_free(m->keys);
    metrics_free(m->metrics);
    if (m->admin_token != NULL)
        explicit_bzero(m->admin_token, strlen(m->admin_token));
    free(m->admin_token);
    free(m->region);
    free(m);
    return whole;
}

struct mock_fixtures mock_fixtures(const struct mock *mock)
{
    CLEANUP(fixture_set_drop) struct fixture_set *set = fixtures_now(mock->fixtures);
    return (struct mock_fixtures){fixture_set_count(set), fixture_set_files(set), fixtures_doubts(mock->fixtures)};
}

uint16_t mock_port(const struct mock *mock)
{
    return server_port(mock->server);
}

uint16_t mock_admin_port(const struct mock *mock)
{
    return mock->admin == NULL ? 0 : server_port(mock->admin);
}
