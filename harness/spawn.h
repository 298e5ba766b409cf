/* spawn.h: child programs: a mock and a gateway beside us, or the target of --start.
 *
 * A child dies with us (PR_SET_PDEATHSIG, and its standard input is a pipe that only we hold), reads nothing, and
 * writes both outputs to one nameless file in memory, of which spawn_log() shows the end when something went wrong.
 */
#ifndef MOHS_SPAWN_H
#define MOHS_SPAWN_H

#include <sys/types.h>

#include "protocol/base.h"
#include "protocol/buf.h"

struct spawn {
    pid_t pid; /* 0: nothing runs */
    int input; /* our end of its standard input */
    int log;
    int ready; /* our end of its ready pipe; -1: none */
};
#define SPAWN_INIT     ((struct spawn){0, -1, -1, -1})
#define SPAWN_READY_FD 3 /* the child's end of the ready pipe, for --ready-fd 3 */

struct spawn_config {
    const char *const *argv; /* NULL-ended; argv[0] is looked up in PATH when it has no slash */
    const char *const *env;  /* "NAME=value" added to ours, NULL-ended; may be NULL */
    bool ready;              /* give it a ready pipe as fd 3 */
    /* It is mohs again: without the MOHS_... of our environment, which are options of the verb that the user called. */
    bool own;
};
enum err spawn_start(struct spawn *s, const struct spawn_config *config, struct note *note) MUST_USE;
/* Read "PORT SECOND\n" from the ready pipe. ERR_TIMEOUT, ERR_CLOSED when it ended first; the note holds the end of its
 * log. */
enum err spawn_wait_ready(struct spawn *s, unsigned timeout_ms, unsigned *port, unsigned *second,
                          struct note *note) MUST_USE;
bool spawn_alive(struct spawn *s);
/* Append the last `most` bytes of what it wrote. */
void spawn_log(const struct spawn *s, size_t most, struct buf *out);
/* SIGTERM, two seconds, SIGKILL; the children of a --start command go with their process group. NULL is fine. */
void spawn_stop(struct spawn *s);

#endif
