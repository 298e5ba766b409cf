/* fixture_files.c: from paths to the files of fixtures, always in the same order.
 *
 * A directory gives its *.json at every depth, sorted by path, so that what a team checks in is served alike everywhere. Names
 * that begin with a dot are passed over: editors keep their backups there. Symbolic links to directories are not followed,
 * as they may turn in circles.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "mock/fixtures.h"
#include "mock/rng.h"

#define DEEPEST 32

static enum err add_name(struct fixture_file_list *l, const char *name, struct note *note)
{
    if (l->count == FIXTURE_FILES_MAX)
        return note_set(note, ERR_LIMIT, "%s: more than %d files of fixtures", name, FIXTURE_FILES_MAX);
    if (l->count == l->room) {
        size_t room = l->room == 0 ? 16 : l->room * 2;
        char **more = realloc(l->names, room * sizeof *more);
        if (more == NULL)
            return note_set(note, ERR_NOMEM, "out of memory");
        l->names = more;
        l->room = room;
    }
    l->names[l->count] = strdup(name);
    if (l->names[l->count] == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    l->count++;
    return OK;
}

void fixture_files_release(struct fixture_file_list *l)
{
    for (size_t i = 0; l != NULL && i < l->count; i++)
        free(l->names[i]);
    if (l != NULL)
        free(l->names);
    if (l != NULL)
        *l = (struct fixture_file_list){NULL, 0, 0};
}

static bool is_fixture_name(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

static enum err walk_directory(const char *path, unsigned depth, struct fixture_file_list *out, struct note *note)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, alphasort);
    enum err e = n < 0 ? note_set(note, ERR_IO, "%s: %s", path, strerror(errno)) : OK;
    if (depth == DEEPEST && e == OK)
        e = note_set(note, ERR_LIMIT, "%s: directories within directories, %d deep", path, DEEPEST);
    for (int i = 0; i < n; i++) {
        CLEANUP(buf_release) struct buf inside = BUF_INIT(65536);
        struct stat st;
        bool hidden = entries[i]->d_name[0] == '.';
        buf_addf(&inside, "%s/%s", path, entries[i]->d_name);
        free(entries[i]);
        if (e != OK || hidden || lstat(buf_text(&inside), &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            e = walk_directory(buf_text(&inside), depth + 1, out, note);
        else if (is_fixture_name(buf_text(&inside)))
            e = add_name(out, buf_text(&inside), note);
    }
    free(entries);
    return e;
}

enum err fixture_files_find(const char *const *paths, size_t count, struct fixture_file_list *out, struct note *note)
{
    *out = (struct fixture_file_list){NULL, 0, 0};
    enum err e = OK;
    for (size_t i = 0; i < count && e == OK; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0)
            e = note_set(note, ERR_IO, "%s: %s", paths[i], strerror(errno));
        else if (S_ISDIR(st.st_mode))
            e = walk_directory(paths[i], 0, out, note);
        else
            e = add_name(out, paths[i], note);
    }
    if (e != OK)
        fixture_files_release(out);
    return e;
}

uint64_t fixture_files_mark(const char *const *paths, size_t count)
{
    struct fixture_file_list list;
    uint64_t mark = 1;
    if (fixture_files_find(paths, count, &list, NULL) != OK)
        return 0;
    for (size_t i = 0; i < list.count; i++) {
        struct stat st;
        if (stat(list.names[i], &st) != 0)
            memset(&st, 0, sizeof st);
        const uint64_t facts[] = {(uint64_t)st.st_ino, (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec,
                                  (uint64_t)st.st_mtim.tv_nsec};
        mark = rng_hash(mark, span_of(list.names[i]));
        mark = rng_hash(mark, (struct span){(const unsigned char *)facts, sizeof facts});
    }
    fixture_files_release(&list);
    return mark == 0 ? 1 : mark;
}
