/* data.c: the embedded files, and the folder that may stand before them.
 *
 * The build writes the table embedded_files (cmake/embed.cmake), sorted by path. A file read from the folder is kept
 * until the process ends, because callers hold spans into it; the folder is a developer's switch, not a service.
 */
#include "protocol/data.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/buf.h"

enum { LARGEST_FILE = 64 << 20 };

struct embedded_file {
    const char *path;
    const unsigned char *begin;
    const unsigned char *end;
};

extern const struct embedded_file embedded_files[];
extern const size_t embedded_files_count;

/* A file read from the override folder. */
struct kept_file {
    struct kept_file *next;
    char *path;
    struct buf bytes;
};

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept_file *kept;
static const char *override_dir;

void data_set_dir(const char *dir)
{
    override_dir = dir;
}

static enum err read_whole(const char *name, struct buf *out)
{
    FILE *f = fopen(name, "rb");
    if (f == NULL)
        return ERR_UNKNOWN;
    char part[65536];
    size_t n;
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_add(out, (struct span){(const unsigned char *)part, n});
    enum err e = ferror(f) ? ERR_IO : buf_error(out);
    (void)fclose(f);
    return e;
}

static enum err load_from_dir(const char *dir, const char *path, struct span *out)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(BUF_ANY);
    buf_addf(&name, "%s/%s", dir, path);
    for (struct kept_file *k = kept; k != NULL; k = k->next)
        if (strcmp(k->path, buf_text(&name)) == 0) {
            *out = buf_span(&k->bytes);
            return OK;
        }
    struct kept_file *k = calloc(1, sizeof *k);
    if (k == NULL)
        return ERR_NOMEM;
    buf_init(&k->bytes, LARGEST_FILE);
    k->path = span_dup(buf_span(&name)); /* with its folder: another one may be set later */
    enum err e = k->path == NULL ? ERR_NOMEM : read_whole(buf_text(&name), &k->bytes);
    if (e != OK) {
        free(k->path);
        buf_release(&k->bytes);
        free(k);
        return e;
    }
    k->next = kept;
    kept = k;
    *out = buf_span(&k->bytes);
    return OK;
}

static int compare_path(const void *key, const void *row)
{
    return strcmp(key, ((const struct embedded_file *)row)->path);
}

enum err data_load(const char *path, struct span *out, struct note *note)
{
    const char *dir = override_dir != NULL ? override_dir : getenv("MOHS_DATA");
    if (dir != NULL) {
        (void)pthread_mutex_lock(&kept_lock);
        enum err e = load_from_dir(dir, path, out);
        (void)pthread_mutex_unlock(&kept_lock);
        if (e == OK)
            return OK;
        if (e != ERR_UNKNOWN)
            return note_set(note, e, "%s/%s cannot be read: %s", dir, path, err_name(e));
    }
    const struct embedded_file *f =
        bsearch(path, embedded_files, embedded_files_count, sizeof embedded_files[0], compare_path);
    if (f == NULL)
        return note_set(note, ERR_UNKNOWN, "there is no data file %s in this program%s%s", path,
                        dir != NULL ? " nor in " : "", dir != NULL ? dir : "");
    *out = (struct span){f->begin, (size_t)(f->end - f->begin)};
    return OK;
}

int data_each(const char *prefix, int (*fn)(void *ctx, const char *path, struct span bytes), void *ctx)
{
    for (size_t i = 0; i < embedded_files_count; i++) {
        struct span bytes;
        if (!span_has_prefix(span_of(embedded_files[i].path), prefix))
            continue;
        if (data_load(embedded_files[i].path, &bytes, NULL) != OK)
            continue;
        int stop = fn(ctx, embedded_files[i].path, bytes);
        if (stop != 0)
            return stop;
    }
    return 0;
}
