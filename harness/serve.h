/* serve.h: what `mohs mock` and `mohs gateway` do alike: say that they are ready, then stand until they are told to go.
 */
#ifndef MOHS_SERVE_H
#define MOHS_SERVE_H

#include "protocol/base.h"

/* Write "PORT SECOND\n" to the fd and close it; fd < 0: nothing. ERR_IO when nobody can read it. */
enum err serve_ready(int64_t fd, unsigned port, unsigned second, struct note *note) MUST_USE;
/* Wait for SIGINT or SIGTERM; with `parent_watch` also for the end of standard input, which is how a program that
 * started us takes us with it however it dies. interrupt_install() must have been called. */
void serve_until_told(bool parent_watch);
/* A line of a server to standard error; fits the log members of mock and gateway. Any thread. Equal lines within a
 * second are told once and counted (repeats.h); serve_until_told() tells the counts each second. */
void serve_log(void *prefix, const char *line);
/* Tell the counts that are left, once the server has stopped. */
void serve_log_end(void);

#endif
