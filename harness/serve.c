/* serve.c: the standing part of a server command. The servers' own threads do the work; this one only waits. */
#include "harness/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "harness/interrupt.h"
#include "harness/repeats.h"

enum { FLUSH_MS = 1000 };
static struct repeats told = REPEATS_INIT; /* standard error is one per process, so is this */

enum err serve_ready(int64_t fd, unsigned port, unsigned second, struct note *note)
{
    if (fd < 0)
        return OK;
    char line[32];
    int n = snprintf(line, sizeof line, "%u %u\n", port, second);
    if (write((int)fd, line, (size_t)n) != n)
        return note_set(note, ERR_IO, "--ready-fd %d cannot be written: %s", (int)fd, strerror(errno));
    if (fd > STDERR_FILENO)
        (void)close((int)fd);
    return OK;
}

void serve_until_told(bool parent_watch)
{
    struct pollfd fds[] = {{.fd = interrupt_fd(), .events = POLLIN},
                           {.fd = parent_watch ? STDIN_FILENO : -1, .events = POLLIN}};
    while (!interrupt_seen()) {
        if (poll(fds, COUNT_OF(fds), FLUSH_MS) < 0 && errno != EINTR)
            return;
        repeats_flush(&told, stderr, now_ns(), false);
        if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) != 0) {
            char part[256];
            if ((fds[1].revents & POLLIN) == 0 || read(STDIN_FILENO, part, sizeof part) <= 0)
                return;
        }
        fds[1].revents = 0;
    }
}

void serve_log(void *prefix, const char *line)
{
    char text[REPEATS_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s: %s", (const char *)prefix, line);
    repeats_tell(&told, stderr, text, now_ns());
}

void serve_log_end(void)
{
    repeats_flush(&told, stderr, now_ns(), true);
}
