/* fixtures.h: the fixtures that a mock serves now: loading, loading again, watching the files.
 *
 * All or nothing: a file with a mistake leaves the set that is there, and the sentence about it is kept and logged.
 * A mock without fixtures costs a request one atomic load.
 */
#ifndef MOHS_MOCK_FIXTURES_H
#define MOHS_MOCK_FIXTURES_H

#include "mock/fixture.h"

struct fixtures;

struct fixtures_config {
    const char *const *paths; /* files, and directories in which *.json is looked for at every depth, in sorted order */
    size_t count;
    bool watch; /* load again when a file changes (inotify, and a look at the files now and then) */
    void (*log)(void *ctx, const char *line); /* any thread; NULL: nowhere */
    void *log_ctx;
};
/* Strings are copied. What cannot be loaded is an error here; later it is only told. No paths: an empty set. */
enum err fixtures_new(const struct fixtures_config *c, struct fixtures **out, struct note *note) MUST_USE;
void fixtures_free(struct fixtures *f); /* ends the watch */

/* The set, held; NULL: there are no fixtures. Drop it. */
struct fixture_set *fixtures_now(struct fixtures *f);
/* Read everything again. */
enum err fixtures_reload(struct fixtures *f, struct note *note) MUST_USE;
/* {"files":[...],"fixtures":[...],...} of what is loaded, appended. */
void fixtures_print(struct fixtures *f, struct buf *out);

/* fixture_files.c: the files behind the paths, by name: malloc'ed, as is each name. ERR_IO: a path cannot be read. */
struct fixture_file_list {
    char **names;
    size_t count, room;
};
enum err fixture_files_find(const char *const *paths, size_t count, struct fixture_file_list *out,
                            struct note *note) MUST_USE;
void fixture_files_release(struct fixture_file_list *list);
/* Changes whenever a file appears, vanishes or is written. 0: it cannot be told. */
uint64_t fixture_files_mark(const char *const *paths, size_t count);

/* fixture_watch.c: call `changed` on a thread of its own when the mark has changed. */
struct fixture_watch;
enum err fixture_watch_start(const char *const *paths, size_t count, void (*changed)(void *ctx), void *ctx,
                             struct fixture_watch **out, struct note *note) MUST_USE;
void fixture_watch_stop(struct fixture_watch *w);

#endif
