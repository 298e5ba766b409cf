/* spawn.c: children that cannot outlive us.
 *
 * fork and exec rather than posix_spawn, because the child asks the kernel for a signal at our death before it becomes
 * the other program. Each child leads a process group, so that a shell of --start and what it started end together.
 */
#include "harness/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STOP_MS = 2000, STEP_MS = 10 };

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Removing moves the later names down, so the same place is looked at again. */
static void forget_own_options(void)
{
    for (char **at = environ; *at != NULL;) {
        char *equals = strchr(*at, '=');
        CLEANUP(free_ptr)
        char *name = equals == NULL ? NULL : span_dup(span_cut(span_of(*at), 0, (size_t)(equals - *at)));
        if (name == NULL || strncmp(name, "MOHS_", 5) != 0 || unsetenv(name) != 0)
            at++;
    }
}

/* In the child: never returns. `failed` is closed by exec, so a byte in it means that exec failed. */
static void become(const struct spawn_config *config, int input, int log, int ready, int failed, pid_t parent)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127);
    (void)signal(SIGPIPE, SIG_DFL);
    if (config->own)
        forget_own_options();
    for (size_t i = 0; config->env != NULL && config->env[i] != NULL; i++) {
        char *pair = span_dup(span_of(config->env[i]));
        if (pair == NULL || putenv(pair) != 0)
            _exit(127);
    }
    (void)dup2(input, STDIN_FILENO);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    if (ready >= 0 && ready != SPAWN_READY_FD)
        (void)dup2(ready, SPAWN_READY_FD);
    else if (ready == SPAWN_READY_FD)
        (void)fcntl(ready, F_SETFD, 0);
    /* libcurl's sockets, say: a connection that a child holds open is not closed when we leave it, and a gateway would
     * be blamed for not noticing. */
    (void)close_range(ready >= 0 ? SPAWN_READY_FD + 1 : SPAWN_READY_FD, ~0U, CLOSE_RANGE_CLOEXEC);
    union {
        const char *const *from;
        char *const *to;
    } argv = {config->argv};
    (void)execvp(argv.to[0], argv.to);
    int why = errno;
    ssize_t n = write(failed, &why, sizeof why);
    (void)n;
    _exit(127);
}

/* All ends above fd 9, so that dup2 onto 0 to 3 in the child cannot hit one of them. */
static bool make_pipe(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 10);
        (void)close(low[i]);
    }
    return ends[0] >= 0 && ends[1] >= 0;
}

static int make_log(void)
{
    int fd = memfd_create("mohs-child", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    (void)close(fd);
    if (high >= 0)
        (void)fcntl(high, F_SETFL, O_APPEND);
    return high;
}

enum err spawn_start(struct spawn *s, const struct spawn_config *config, struct note *note)
{
    *s = SPAWN_INIT;
    int input[2] = {-1, -1}, failed[2] = {-1, -1}, ready[2] = {-1, -1};
    s->log = make_log();
    bool made = s->log >= 0 && make_pipe(input) && make_pipe(failed) && (!config->ready || make_pipe(ready));
    pid_t parent = getpid();
    pid_t pid = made ? fork() : -1;
    if (pid == 0)
        become(config, input[0], s->log, ready[1], failed[1], parent);
    int why = pid < 0 ? errno : 0;
    close_fd(&input[0]);
    close_fd(&ready[1]);
    close_fd(&failed[1]);
    s->input = input[1];
    s->ready = ready[0];
    if (pid > 0) {
        s->pid = pid;
        if (read(failed[0], &why, sizeof why) != (ssize_t)sizeof why)
            why = 0;
    }
    close_fd(&failed[0]);
    if (why == 0)
        return OK;
    spawn_stop(s);
    return note_set(note, ERR_IO, "%s cannot be started: %s", config->argv[0], strerror(why));
}

static enum err ready_failed(struct spawn *s, enum err e, const char *what, struct note *note)
{
    CLEANUP(buf_release) struct buf log = BUF_INIT(BUF_ANY);
    spawn_log(s, 400, &log);
    return note_set(note, e, "a child program %s; the end of what it wrote: %s", what,
                    log.len > 0 ? buf_text(&log) : "(nothing)");
}

enum err spawn_wait_ready(struct spawn *s, unsigned timeout_ms, unsigned *port, unsigned *second, struct note *note)
{
    char line[32];
    size_t n = 0;
    uint64_t deadline = now_ns() + (uint64_t)timeout_ms * 1000000u;
    while (n + 1 < sizeof line) {
        uint64_t now = now_ns();
        int left = now >= deadline ? 0 : (int)((deadline - now) / 1000000u) + 1;
        struct pollfd p = {.fd = s->ready, .events = POLLIN};
        int got = poll(&p, 1, left);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ready_failed(s, ERR_TIMEOUT, "did not get ready in time", note);
        ssize_t r = read(s->ready, line + n, 1);
        if (r <= 0)
            return ready_failed(s, ERR_CLOSED, "ended before it was ready", note);
        if (line[n++] == '\n')
            break;
    }
    line[n] = '\0';
    if (sscanf(line, "%u %u", port, second) != 2)
        return ready_failed(s, ERR_SYNTAX, "said something else than its ports", note);
    return OK;
}

bool spawn_alive(struct spawn *s)
{
    if (s->pid == 0)
        return false;
    int status;
    if (waitpid(s->pid, &status, WNOHANG) == 0)
        return true;
    s->pid = 0;
    return false;
}

void spawn_log(const struct spawn *s, size_t most, struct buf *out)
{
    off_t end = s->log < 0 ? -1 : lseek(s->log, 0, SEEK_END);
    if (end <= 0)
        return;
    off_t from = (size_t)end > most ? end - (off_t)most : 0;
    char part[1024];
    while (from < end) {
        ssize_t n = pread(s->log, part, sizeof part, from);
        if (n <= 0)
            return;
        buf_add(out, (struct span){(const unsigned char *)part, (size_t)n});
        from += n;
    }
}

void spawn_stop(struct spawn *s)
{
    if (s == NULL)
        return;
    close_fd(&s->input);
    close_fd(&s->ready);
    if (s->pid > 0) {
        pid_t group = s->pid;
        (void)kill(-group, SIGTERM);
        (void)kill(s->pid, SIGTERM);
        for (int waited = 0; spawn_alive(s) && waited < STOP_MS; waited += STEP_MS)
            (void)poll(NULL, 0, STEP_MS);
        (void)kill(-group, SIGKILL);
        if (s->pid > 0) {
            int status;
            (void)kill(s->pid, SIGKILL);
            (void)waitpid(s->pid, &status, 0);
        }
    }
    s->pid = 0;
    close_fd(&s->log);
}
