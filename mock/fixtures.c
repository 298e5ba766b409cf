/* fixtures.c: the set that is served, behind one pointer.
 *
 * A reload builds the whole new set beside the old one and then changes the pointer under the lock; requests take a
 * reference under it. One reload at a time: the watch and the admin API may want one at the same moment.
 */
#include "mock/fixtures.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mock/clock.h"
#include "protocol/file.h"

struct fixtures {
    pthread_mutex_t lock, loading;
    atomic_bool any;
    struct fixture_set *set;
    char **paths;
    size_t count;
    struct fixture_watch *watch;
    uint64_t loads; /* that worked */
    int64_t loaded_at_ms;
    char last_error[sizeof((struct note *)NULL)->text]; /* "": the last one worked */
    void (*log)(void *ctx, const char *line);
    void *log_ctx;
};

static void PRINTF_LIKE(2, 3) say(const struct fixtures *f, const char *format, ...)
{
    char line[1024];
    if (f->log == NULL)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    f->log(f->log_ctx, line);
}

static enum err load(const struct fixtures *f, struct fixture_set **out, struct note *note)
{
    struct fixture_file_list list = {NULL, 0, 0};
    struct fixture_set *set = fixture_set_new();
    enum err e = set == NULL ? note_set(note, ERR_NOMEM, "out of memory")
                             : fixture_files_find((const char *const *)f->paths, f->count, &list, note);
    for (size_t i = 0; e == OK && i < list.count; i++) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(FIXTURE_FILE_MAX);
        e = file_read(list.names[i], &text, note);
        if (e == OK)
            e = fixture_set_add(set, list.names[i], buf_span(&text), note);
    }
    if (e == OK)
        e = fixture_set_close(set, note);
    fixture_files_release(&list);
    if (e != OK)
        fixture_set_drop(&set);
    *out = set;
    return e;
}

enum err fixtures_reload(struct fixtures *f, struct note *note)
{
    struct note own = {""};
    struct fixture_set *set = NULL;
    (void)pthread_mutex_lock(&f->loading);
    enum err e = load(f, &set, &own);
    (void)pthread_mutex_lock(&f->lock);
    struct fixture_set *old = NULL;
    (void)snprintf(f->last_error, sizeof f->last_error, "%s", e == OK ? "" : own.text);
    if (e == OK) {
        old = f->set;
        f->set = set;
        f->loads++;
        f->loaded_at_ms = wall_ns() / 1000000;
        atomic_store(&f->any, fixture_set_count(set) > 0);
    }
    (void)pthread_mutex_unlock(&f->lock);
    (void)pthread_mutex_unlock(&f->loading);
    fixture_set_drop(&old);
    return e == OK ? OK : note_set(note, e, "%s", own.text);
}

static void changed(void *ctx)
{
    struct fixtures *f = ctx;
    struct note note = {""};
    if (fixtures_reload(f, &note) != OK) {
        say(f, "fixtures not loaded, the old ones stay: %s", note.text);
        return;
    }
    CLEANUP(fixture_set_drop) struct fixture_set *set = fixtures_now(f);
    say(f, "fixtures loaded again: %zu from %zu files", fixture_set_count(set), fixture_set_files(set));
}

enum err fixtures_new(const struct fixtures_config *c, struct fixtures **out, struct note *note)
{
    struct fixtures *f = calloc(1, sizeof *f);
    *out = NULL;
    if (f == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_mutex_init(&f->loading, NULL);
    f->log = c->log;
    f->log_ctx = c->log_ctx;
    f->paths = calloc(c->count + 1, sizeof *f->paths);
    enum err e = f->paths == NULL ? note_set(note, ERR_NOMEM, "out of memory") : OK;
    for (; e == OK && f->count < c->count; f->count += e == OK) {
        f->paths[f->count] = strdup(c->paths[f->count]);
        if (f->paths[f->count] == NULL)
            e = note_set(note, ERR_NOMEM, "out of memory");
    }
    /* The watch begins before the files are read: a change in between is then seen, if only by reading twice. */
    if (e == OK && c->watch && f->count > 0)
        e = fixture_watch_start((const char *const *)f->paths, f->count, changed, f, &f->watch, note);
    if (e == OK && f->count > 0)
        e = fixtures_reload(f, note);
    if (e != OK)
        fixtures_free(f);
    else
        *out = f;
    return e;
}

void fixtures_free(struct fixtures *f)
{
    if (f == NULL)
        return;
    fixture_watch_stop(f->watch);
    fixture_set_drop(&f->set);
    for (size_t i = 0; i < f->count; i++)
        free(f->paths[i]);
    free(f->paths);
    (void)pthread_mutex_destroy(&f->lock);
    (void)pthread_mutex_destroy(&f->loading);
    free(f);
}

struct fixture_set *fixtures_now(struct fixtures *f)
{
    if (!atomic_load_explicit(&f->any, memory_order_acquire))
        return NULL;
    (void)pthread_mutex_lock(&f->lock);
    struct fixture_set *set = fixture_set_hold(f->set);
    (void)pthread_mutex_unlock(&f->lock);
    return set;
}

/* ---- GET /fixtures ---- */

static void print_files(const struct fixture_set *set, struct buf *out)
{
    for (size_t i = 0; i < fixture_set_files(set); i++) {
        const char *name = fixture_set_file(set, i);
        size_t n = 0;
        for (size_t k = 0; k < fixture_set_count(set); k++)
            n += fixture_set_at(set, k)->file == name;
        buf_adds(out, i > 0 ? ",{\"file\":" : "{\"file\":");
        json_quote(span_of(name), out);
        buf_addf(out, ",\"fixtures\":%zu}", n);
    }
}

static void print_fixture(const struct fixture *f, struct buf *out)
{
    buf_adds(out, "{\"name\":");
    if (f->name != NULL)
        json_quote(span_of(f->name), out);
    else
        buf_adds(out, "null");
    buf_adds(out, ",\"file\":");
    json_quote(span_of(f->file), out);
    buf_addf(out, ",\"pointer\":\"/fixtures/%zu\",\"priority\":%lld,\"replies\":%zu,\"hits\":%llu}", f->index,
             (long long)f->priority, f->count, (unsigned long long)fixture_hits(f));
}

void fixtures_print(struct fixtures *f, struct buf *out)
{
    char iso[CLOCK_TEXT], error[sizeof f->last_error];
    (void)pthread_mutex_lock(&f->lock);
    CLEANUP(fixture_set_drop) struct fixture_set *set = fixture_set_hold(f->set);
    unsigned long long loads = f->loads;
    clock_iso(f->loaded_at_ms, iso);
    memcpy(error, f->last_error, sizeof error);
    (void)pthread_mutex_unlock(&f->lock);
    buf_adds(out, "{\"files\":[");
    print_files(set, out);
    buf_adds(out, "],\"fixtures\":[");
    for (size_t i = 0; i < fixture_set_count(set); i++) {
        buf_adds(out, i > 0 ? "," : "");
        print_fixture(fixture_set_at(set, i), out);
    }
    buf_addf(out, "],\"loads\":%llu,\"watched\":%s,\"loaded_at\":", loads, f->watch != NULL ? "true" : "false");
    buf_addf(out, "%s%s%s", loads > 0 ? "\"" : "", loads > 0 ? iso : "null", loads > 0 ? "\"" : "");
    buf_adds(out, ",\"last_error\":");
    if (error[0] != '\0')
        json_quote(span_of(error), out);
    else
        buf_adds(out, "null");
    buf_addc(out, '}');
}
