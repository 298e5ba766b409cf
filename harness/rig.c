/* rig.c: bringing the parties up, in the order in which they need one another: mock, then target.
 *
 * The mock takes everybody and refuses nothing (auth none, validation record): what it thinks of a request is in its
 * journal, where the checks read it, and a case sees the whole conversation instead of its first mistake.
 */
#include "harness/rig.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/expand.h"
#include "harness/interrupt.h"

enum { HEALTH_STEP_MS = 50, LOOK_MS = 500, END_MS = 5000, END_STEP_MS = 10 };

static enum err start_mock(struct rig *rig, const struct rig_config *config, struct note *note)
{
    if (config->mock_url != NULL) {
        rig->mock_url = span_dup(span_of(config->mock_url));
        rig->admin_url = span_dup(span_of(config->admin_url));
        return OK;
    }
    char port[16];
    (void)snprintf(port, sizeof port, "%d", (int)config->mock_port);
    const char *const more[] = {"--port", port, "--key", OWN_KEY, "--key", OWN_TEMPORARY_KEY, NULL};
    enum err e = own_start(&rig->mock, OWN_MOCK, NULL, more, note);
    rig->own_failed = e != OK;
    if (e != OK)
        return config->mock_port != 0 ? ERR_INVALID : e;
    rig->mock_url = span_dup(span_of(rig->mock.url));
    rig->admin_url = span_dup(span_of(rig->mock.admin));
    return OK;
}

/* Names of its own, so that its models list has something to tell, and the profile an alias of a Nova. */
#define OWN_MODEL "mohs-claude=anthropic.claude-3-haiku-20240307-v1:0"
#define OWN_ALIAS "mohs-nova=us.amazon.nova-lite-v1:0"
/* One model in a region where it costs more, and in one that nobody has heard of. */
#define OWN_ELSEWHERE "mohs-llama-mumbai=meta.llama3-70b-instruct-v1:0@ap-south-1"
#define OWN_NOWHERE   "mohs-llama-moon=meta.llama3-70b-instruct-v1:0@xx-moon-1"

static enum err start_gateway(struct rig *rig, const struct rig_config *config, struct note *note)
{
    const char *key = config->profile->client_key;
    const char *const more[] = {"--region",
                                config->region,
                                "--key",
                                OWN_TEMPORARY_KEY,
                                "--model",
                                OWN_MODEL,
                                "--model",
                                OWN_ALIAS,
                                "--model",
                                OWN_ELSEWHERE,
                                "--model",
                                OWN_NOWHERE,
                                "--unverified-prices",
                                key == NULL ? NULL : "--client-key",
                                key,
                                NULL};
    enum err e = own_start(&rig->target, OWN_GATEWAY, rig->mock_url, more, note);
    rig->own_failed = e != OK;
    if (e != OK)
        return e;
    rig->target_url = span_dup(span_of(rig->target.url));
    rig->control_url = span_dup(span_of(rig->target.admin));
    return OK;
}

/* ---- a target of somebody else ---- */

static cJSON *start_names(const struct rig *rig, const struct rig_config *config, unsigned port)
{
    cJSON *names = cJSON_CreateObject();
    (void)json_set_string(names, "mock_url", rig->mock_url);
    (void)json_set_int(names, "port", port);
    (void)json_set_string(names, "region", config->region);
    (void)json_set_string(names, "access_key", OWN_ACCESS_KEY);
    (void)json_set_string(names, "secret", OWN_SECRET);
    (void)json_set_string(names, "client_key", config->profile->client_key != NULL ? config->profile->client_key : "");
    (void)json_set_string(names, "target_url", rig->target_url);
    return names;
}

static enum err wait_healthy(struct rig *rig, const char *path, unsigned ready_ms, struct note *note)
{
    CLEANUP(buf_release) struct buf url = BUF_INIT(4096);
    buf_addf(&url, "%s%s", rig->target_url, path);
    uint64_t deadline = now_ns() + (uint64_t)ready_ms * 1000000u;
    for (;;) {
        CLEANUP(client_response_release) struct client_response r = {0};
        struct client_request request = {.url = buf_text(&url), .timeout_ms = 2000, .ca_file = rig->ca_file};
        if (client_fetch(&request, &r, note) == OK && r.status < 500)
            return OK;
        CLEANUP(buf_release) struct buf log = BUF_INIT(BUF_ANY);
        if (!spawn_alive(&rig->target.child)) {
            spawn_log(&rig->target.child, 400, &log);
            return note_set(note, ERR_CLOSED, "the started target ended; the end of what it wrote: %s", buf_text(&log));
        }
        if (now_ns() > deadline || interrupt_seen()) {
            spawn_log(&rig->target.child, 400, &log);
            return note_set(note, ERR_TIMEOUT, "%s did not answer within %u ms; the end of what the target wrote: %s",
                            buf_text(&url), ready_ms, buf_text(&log));
        }
        (void)poll(NULL, 0, HEALTH_STEP_MS);
    }
}

/* "NAME=value" for each member; *count of them, NULL-ended. */
static enum err expand_env(const struct expansion *x, const cJSON *given, char **env, size_t room, struct note *note)
{
    size_t n = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, given)
    {
        struct buf pair = BUF_INIT(65536);
        buf_addf(&pair, "%s=", one->string);
        enum err e = expand_text(x, one->valuestring, &pair, note);
        if (e != OK || n + 1 >= room) {
            buf_release(&pair);
            return e != OK ? e : note_set(note, ERR_LIMIT, "/start/env: at most %zu names", room - 1);
        }
        env[n++] = buf_take(&pair);
    }
    return OK;
}

static enum err start_command(struct rig *rig, const struct rig_config *config, struct note *note)
{
    enum { MOST_ENV = 64 };
    const cJSON *start = json_member(config->profile->root, "start");
    bool own = strcmp(config->start, "profile") == 0;
    const char *command = own ? json_str(start, "command") : config->start;
    if (command == NULL)
        return note_set(note, ERR_INVALID, "--start profile: %s has no /start/command", config->profile->path);
    const char *port = strrchr(rig->target_url, ':');
    CLEANUP(json_free) cJSON *names = start_names(rig, config, port != NULL ? (unsigned)atoi(port + 1) : 0);
    struct expansion x = {names, NULL};
    CLEANUP(buf_release) struct buf line = BUF_INIT(65536);
    char *env[MOST_ENV] = {NULL};
    enum err e = expand_text(&x, command, &line, note);
    if (e == OK)
        e = expand_env(&x, json_member(start, "env"), env, MOST_ENV, note);
    const char *const argv[] = {"/bin/sh", "-c", buf_text(&line), NULL};
    const char *borrowed[MOST_ENV] = {NULL};
    for (size_t i = 0; i < MOST_ENV; i++)
        borrowed[i] = env[i];
    if (e == OK)
        e = spawn_start(&rig->target.child, &(struct spawn_config){.argv = argv, .env = borrowed}, note);
    for (size_t i = 0; i < MOST_ENV; i++)
        free(env[i]);
    int64_t ready_ms = 30000;
    const cJSON *given = json_member(start, "ready_ms");
    if (given != NULL)
        (void)json_int64(given, &ready_ms);
    const char *health = json_str(start, "health");
    return e == OK ? wait_healthy(rig, health != NULL ? health : "/", (unsigned)ready_ms, note) : e;
}

static enum err find_target(struct rig *rig, const struct rig_config *config, struct note *note)
{
    const char *url = config->target != NULL ? config->target : json_str(config->profile->root, "target");
    if (config->target == NULL && config->profile->self == SELF_GATEWAY)
        return start_gateway(rig, config, note);
    if (config->target == NULL && config->profile->self == SELF_MOCK)
        url = rig->mock_url;
    if (url == NULL)
        return note_set(note, ERR_INVALID, "where is the target? Give --target URL; profile %s names none",
                        config->profile->name);
    rig->target_url = span_dup(span_of(url));
    size_t n = rig->target_url == NULL ? 0 : strlen(rig->target_url);
    if (n > 0 && rig->target_url[n - 1] == '/')
        rig->target_url[n - 1] = '\0';
    return config->start != NULL ? start_command(rig, config, note) : OK;
}

enum err rig_start(struct rig *rig, const struct rig_config *config, struct note *note)
{
    *rig = (struct rig){.profile = config->profile,
                        .region = config->region,
                        .ca_file = config->ca_file,
                        .mock = OWN_INIT,
                        .target = OWN_INIT};
    enum err e = start_mock(rig, config, note);
    if (e == OK)
        e = find_target(rig, config, note);
    if (e != OK)
        return e;
    rig->loop = loop_new(note);
    rig->client = rig->loop == NULL ? NULL : client_new(rig->loop, note);
    if (rig->client != NULL)
        client_trust(rig->client, config->ca_file);
    rig->signer = sigv4_new();
    return rig->client != NULL && rig->signer != NULL ? OK : ERR_IO;
}

void rig_stop(struct rig *rig)
{
    if (rig == NULL)
        return;
    client_free(rig->client);
    loop_free(rig->loop);
    sigv4_free(rig->signer);
    own_stop(&rig->target);
    own_stop(&rig->mock);
    free(rig->mock_url);
    free(rig->admin_url);
    free(rig->target_url);
    free(rig->control_url);
    *rig = (struct rig){.mock = OWN_INIT, .target = OWN_INIT};
}

/* ---- when a case went wrong ---- */

/* A server answers something, be it 404; what is slow is there as well, and not waited for long. */
static bool answers(const struct rig *rig, const char *url, const char *path)
{
    CLEANUP(buf_release) struct buf full = BUF_INIT(4096);
    CLEANUP(client_response_release) struct client_response r = {0};
    struct note note = {""};
    buf_addf(&full, "%s%s", url, path);
    struct client_request request = {.url = buf_text(&full), .timeout_ms = LOOK_MS, .ca_file = rig->ca_file};
    enum err e = client_fetch(&request, &r, &note);
    return e != ERR_IO && e != ERR_CLOSED;
}

/* The sockets of a program are closed before it is seen to end, and a wrapper (a shell, timeout, a container's runner)
 * ends after its child: what does not listen any more is given the time to be gone. */
static bool wait_end(struct spawn *s)
{
    uint64_t deadline = now_ns() + (uint64_t)END_MS * 1000000u;
    while (spawn_alive(s)) {
        if (now_ns() > deadline || interrupt_seen())
            return false;
        (void)poll(NULL, 0, END_STEP_MS);
    }
    return true;
}

void rig_trouble(struct rig *rig, struct buf *out)
{
    bool own_target = rig->profile->self == SELF_GATEWAY;
    const char *health = json_str(json_member(rig->profile->root, "start"), "health");
    struct {
        const char *name;
        struct spawn *s;
        bool own;
        const char *url, *path;
    } rows[] = {{"the mock", &rig->mock.child, true, rig->admin_url, "/"},
                {"the target", &rig->target.child, own_target, own_target ? rig->control_url : rig->target_url,
                 own_target || health == NULL ? "/" : health}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool started = rows[i].s->log >= 0;
        if (!started || (spawn_alive(rows[i].s) && answers(rig, rows[i].url, rows[i].path)))
            continue;
        rig->own_failed |= rows[i].own;
        buf_addf(out, "%s%s has %s; the end of what it wrote: ", out->len > 0 ? "; " : "", rows[i].name,
                 wait_end(rows[i].s) ? "ended" : "stopped to listen, though what was started still runs");
        spawn_log(rows[i].s, 2000, out);
    }
}
