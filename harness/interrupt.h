/* interrupt.h: SIGINT and SIGTERM as a flag to look at and an fd to wait on. A second one ends the process at once. */
#ifndef MOHS_INTERRUPT_H
#define MOHS_INTERRUPT_H

#include "protocol/base.h"

/* Once, before threads are made. */
enum err interrupt_install(struct note *note) MUST_USE;
bool interrupt_seen(void);
int interrupt_fd(void); /* readable, and staying so, once a signal has come; -1 before interrupt_install() */

#endif
