/* own.c: starting this very program again as a server, and waiting until it listens. */
#include "harness/own.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness/credentials.h"

enum { ARGUMENTS_MAX = 48, READY_MS = 20000 };

static const char *const mock_arguments[] = {"mock",         "--port", "0", "--admin-port", "0", "--auth", "none",
                                             "--validation", "record", NULL};
static const char *const gateway_arguments[] = {"gateway", "--port", "0",     "--control-port",
                                                "0",       "--key",  OWN_KEY, NULL};

static size_t append(const char **argv, size_t n, const char *const *more)
{
    for (; more != NULL && *more != NULL && n < ARGUMENTS_MAX; more++)
        argv[n++] = *more;
    return n;
}

enum err own_start(struct own *own, enum own_kind kind, const char *upstream, const char *const *more,
                   struct note *note)
{
    const char *argv[ARGUMENTS_MAX + 1] = {"/proc/self/exe"};
    const char *const common[] = {"--ready-fd", "3", "--parent-watch", NULL};
    const char *const to[] = {"--upstream", upstream, NULL};
    size_t n = append(argv, 1, kind == OWN_MOCK ? mock_arguments : gateway_arguments);
    n = append(argv, n, common);
    if (kind == OWN_GATEWAY)
        n = append(argv, n, to);
    n = append(argv, n, more);
    argv[n] = NULL;
    const struct spawn_config config = {.argv = argv, .ready = true, .own = true};
    unsigned port = 0, second = 0;
    enum err e = spawn_start(&own->child, &config, note);
    if (e == OK)
        e = spawn_wait_ready(&own->child, READY_MS, &port, &second, note);
    if (e != OK) {
        note_prefix(note, "the %s of our own did not start", kind == OWN_MOCK ? "mock" : "gateway");
        return e;
    }
    (void)snprintf(own->url, sizeof own->url, "http://127.0.0.1:%u", port);
    (void)snprintf(own->admin, sizeof own->admin, "http://127.0.0.1:%u", second);
    return OK;
}

void own_stop(struct own *own)
{
    if (own != NULL)
        spawn_stop(&own->child);
}

enum err own_credentials_read(const char *option, struct own_credentials *out, struct note *note)
{
    struct credentials c;
    enum err e = credentials_read(option, &c, note);
    if (e != OK)
        return e;
    out->access_key = span_dup(c.access_key);
    out->secret = span_dup(c.secret);
    out->session_token = c.session_token.n > 0 ? span_dup(c.session_token) : NULL;
    return out->access_key != NULL && out->secret != NULL ? OK : note_set(note, ERR_NOMEM, "out of memory");
}

void own_credentials_release(struct own_credentials *c)
{
    free(c->access_key);
    free(c->secret);
    free(c->session_token);
    *c = (struct own_credentials){NULL, NULL, NULL};
}
