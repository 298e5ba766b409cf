/* fixture_watch.c: see that files changed.
 *
 * What counts is the mark of the files (names, inodes, sizes, times), looked at now and then. inotify only makes "now and
 * then" soon: it wakes the thread, so nothing hangs on which events an editor or a file system of a container gives, and
 * where there is none the watch is slower and still right. An editor that writes in pieces is let finish first.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mock/fixtures.h"

#define LOOK_MS   250  /* without inotify */
#define RELOOK_MS 2000 /* with it */
#define SETTLE_MS 30   /* of quiet before the files are read */

struct fixture_watch {
    pthread_t thread;
    int stop, events; /* events < 0: no inotify */
    char **paths;
    size_t count;
    uint64_t mark;
    void (*changed)(void *ctx);
    void *ctx;
};

/* A file is watched through its directory: editors put a new one in its place. */
static void add_directory(int events, const char *path)
{
    const uint32_t mask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY;
    (void)inotify_add_watch(events, path, mask);
}

static void add_parent(int events, const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(buf_release) struct buf parent = BUF_INIT(65536);
    buf_add(&parent, slash == NULL ? SPAN_LIT(".") : span_cut(span_of(path), 0, (size_t)(slash - path)));
    add_directory(events, parent.len == 0 ? "/" : buf_text(&parent));
}

/* Watches of what is watched already are the same watch, so this may be called again and again. */
static void add_watches(const struct fixture_watch *w)
{
    struct fixture_file_list list;
    if (w->events < 0)
        return;
    for (size_t i = 0; i < w->count; i++) {
        struct stat st;
        if (stat(w->paths[i], &st) == 0 && S_ISDIR(st.st_mode))
            add_directory(w->events, w->paths[i]);
        else
            add_parent(w->events, w->paths[i]);
    }
    if (fixture_files_find((const char *const *)w->paths, w->count, &list, NULL) != OK)
        return;
    for (size_t i = 0; i < list.count; i++)
        add_parent(w->events, list.names[i]);
    fixture_files_release(&list);
}

/* False: the end. */
static bool wait_for_something(const struct fixture_watch *w, int timeout_ms, bool *heard)
{
    struct pollfd fds[] = {{.fd = w->stop, .events = POLLIN}, {.fd = w->events, .events = POLLIN}};
    int n = poll(fds, COUNT_OF(fds), timeout_ms);
    *heard = n > 0 && (fds[1].revents & POLLIN) != 0;
    char events[16384];
    if (*heard && read(w->events, events, sizeof events) < 0 && errno != EAGAIN)
        *heard = false;
    return !(n > 0 && (fds[0].revents & POLLIN) != 0);
}

static void *watch(void *ctx)
{
    struct fixture_watch *w = ctx;
    bool heard;
    for (;;) {
        if (!wait_for_something(w, w->events < 0 ? LOOK_MS : RELOOK_MS, &heard))
            return NULL;
        while (heard)
            if (!wait_for_something(w, SETTLE_MS, &heard))
                return NULL;
        uint64_t mark = fixture_files_mark((const char *const *)w->paths, w->count);
        if (mark == w->mark)
            continue;
        w->mark = mark;
        add_watches(w);
        w->changed(w->ctx);
    }
}

enum err fixture_watch_start(const char *const *paths, size_t count, void (*changed)(void *ctx), void *ctx,
                             struct fixture_watch **out, struct note *note)
{
    struct fixture_watch *w = calloc(1, sizeof *w);
    *out = NULL;
    if (w == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    w->changed = changed;
    w->ctx = ctx;
    w->stop = eventfd(0, EFD_CLOEXEC);
    w->events = getenv("MOHS_NO_INOTIFY") != NULL ? -1 : inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    w->paths = calloc(count + 1, sizeof *w->paths);
    bool ok = w->stop >= 0 && w->paths != NULL;
    for (; ok && w->count < count; w->count += ok) {
        w->paths[w->count] = strdup(paths[w->count]);
        ok = w->paths[w->count] != NULL;
    }
    w->mark = ok ? fixture_files_mark(paths, count) : 0;
    if (ok)
        add_watches(w);
    if (ok && pthread_create(&w->thread, NULL, watch, w) == 0) {
        *out = w;
        return OK;
    }
    if (w->stop >= 0)
        (void)close(w->stop);
    w->stop = -1;
    fixture_watch_stop(w);
    return note_set(note, ERR_IO, "the files of fixtures cannot be watched: %s", strerror(errno));
}

void fixture_watch_stop(struct fixture_watch *w)
{
    if (w == NULL)
        return;
    if (w->stop >= 0) {
        const uint64_t one = 1;
        if (write(w->stop, &one, sizeof one) == (ssize_t)sizeof one)
            (void)pthread_join(w->thread, NULL);
        (void)close(w->stop);
    }
    if (w->events >= 0)
        (void)close(w->events);
    for (size_t i = 0; i < w->count; i++)
        free(w->paths[i]);
    free(w->paths);
    free(w);
}
