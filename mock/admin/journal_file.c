/* journal_file.c: one thread, one descriptor.
 *
 * A line is in the file whole or not at all: what a full disk took half of is cut off again. After a failure the rest is
 * tried all the same, since disks become free; the first failure is told at once, the count of what is missing in the end.
 * A pipe is written only when it has room, as its reader may never read: whoever started us, and waits for our end with
 * what we print in a pipe, would wait for ever.
 */
#include "mock/admin/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS      100         /* between looks whether it is the end */
#define LAST_WAIT_NS 2000000000U /* that a reader has in the end */

struct journal_file {
    struct journal *journal;
    int fd;
    bool is_file; /* not a pipe, nor a terminal: it can be cut */
    pthread_t thread;
    _Atomic uint64_t give_up_ns; /* who reads no more by then is not waited for; 0: nobody ends */
    uint64_t missing;
    const char *path; /* borrowed */
    void (*say)(void *ctx, const char *line);
    void *ctx;
};

/* So much fits without waiting. 0, and errno: nothing will. */
static size_t room(const struct journal_file *f, size_t wanted)
{
    struct pollfd p = {.fd = f->fd, .events = POLLOUT};
    if (f->is_file)
        return wanted;
    for (;;) {
        int n = poll(&p, 1, LOOK_MS);
        if (n > 0)
            return wanted < PIPE_BUF ? wanted : PIPE_BUF;
        if (n < 0 && errno != EINTR)
            return 0;
        uint64_t end = atomic_load(&f->give_up_ns);
        if (end > 0 && now_ns() > end) {
            errno = ETIMEDOUT;
            return 0;
        }
    }
}

static enum err write_all(const struct journal_file *f, struct span text)
{
    off_t before = f->is_file ? lseek(f->fd, 0, SEEK_END) : -1;
    while (text.n > 0) {
        size_t most = room(f, text.n);
        ssize_t n = most > 0 ? write(f->fd, text.p, most) : -1;
        if (n < 0 && most > 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0) {
            int why = errno;
            if (before >= 0)
                (void)!ftruncate(f->fd, before);
            errno = why;
            return ERR_IO;
        }
        text = span_from(text, (size_t)n);
    }
    return OK;
}

static void *follow(void *ctx)
{
    struct journal_file *f = ctx;
    CLEANUP(buf_release) struct buf lines = BUF_INIT(BUF_ANY);
    uint64_t count;
    while (journal_follow(f->journal, &lines, &count)) {
        bool whole = buf_error(&lines) == OK;
        if (whole && write_all(f, buf_span(&lines)) == OK) {
            buf_reset(&lines);
            continue;
        }
        if (f->missing == 0) {
            char line[512];
            (void)snprintf(line, sizeof line, "--journal-file %.300s: %s", f->path, whole ? strerror(errno) : "out of memory");
            f->say(f->ctx, line);
        }
        f->missing += count;
        buf_release(&lines);
        buf_init(&lines, BUF_ANY);
    }
    return NULL;
}

enum err journal_file_open(const char *path, struct journal *j, void (*say)(void *ctx, const char *line), void *ctx,
                           struct journal_file **out, struct note *note)
{
    struct stat about;
    struct journal_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    *f = (struct journal_file){.journal = j, .path = path, .give_up_ns = 0, .say = say, .ctx = ctx};
    f->fd = strcmp(path, "-") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                                   : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    f->is_file = f->fd >= 0 && fstat(f->fd, &about) == 0 && S_ISREG(about.st_mode);
    int failed = f->fd < 0 ? errno : pthread_create(&f->thread, NULL, follow, f);
    if (failed == 0) {
        journal_follow_start(j);
        *out = f;
        return OK;
    }
    if (f->fd >= 0)
        (void)close(f->fd);
    free(f);
    return note_set(note, ERR_IO, "--journal-file %.300s: %s", path, strerror(failed));
}

bool journal_file_close(struct journal_file *f)
{
    if (f == NULL)
        return true;
    struct journal_stats stats;
    atomic_store(&f->give_up_ns, now_ns() + LAST_WAIT_NS);
    journal_follow_stop(f->journal);
    (void)pthread_join(f->thread, NULL);
    journal_stats(f->journal, &stats);
    uint64_t missing = f->missing + stats.unfollowed;
    if (missing > 0) {
        char line[512];
        (void)snprintf(line, sizeof line, "--journal-file %.300s: %llu request%s not in it", f->path,
                       (unsigned long long)missing, missing == 1 ? " is" : "s are");
        f->say(f->ctx, line);
    }
    (void)close(f->fd);
    free(f);
    return missing == 0;
}
