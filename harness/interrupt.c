/* interrupt.c: the handler does the two things that are safe in one: it sets a flag and writes to an eventfd. */
#include "harness/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "reports/result.h"

static atomic_bool seen; /* set in the handler, read by every thread: sig_atomic_t would be a race */
static int fd = -1;

static void on_signal(int number)
{
    (void)number;
    int kept = errno;
    if (atomic_exchange(&seen, true))
        _exit(EXIT_INTERRUPTED);
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n;
    errno = kept;
}

enum err interrupt_install(struct note *note)
{
    if (fd < 0)
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return note_set(note, ERR_IO, "no eventfd for signals: %s", strerror(errno));
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0)
        return note_set(note, ERR_IO, "signals cannot be caught: %s", strerror(errno));
    return OK;
}

bool interrupt_seen(void)
{
    return atomic_load(&seen);
}

int interrupt_fd(void)
{
    return fd;
}
