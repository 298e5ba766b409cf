/* file.c: reading and replacing whole files, for whoever takes one from the user. */
#include "protocol/file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { LARGEST_JSON = 256 << 20 };

static const char *shown(const char *name)
{
    return strcmp(name, "-") == 0 ? "standard input" : name;
}

enum err file_read(const char *name, struct buf *out, struct note *note)
{
    bool is_stdin = strcmp(name, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(name, "rb");
    if (f == NULL)
        return note_set(note, ERR_IO, "%s: %s", name, strerror(errno));
    char part[65536];
    size_t n;
    while (buf_error(out) == OK && (n = fread(part, 1, sizeof part, f)) > 0)
        buf_add(out, (struct span){(const unsigned char *)part, n});
    enum err e = buf_error(out);
    if (e != OK)
        (void)note_set(note, e, "%s: larger than the %zu bytes that are read", shown(name), out->max);
    else if (ferror(f))
        e = note_set(note, ERR_IO, "%s: %s", shown(name), strerror(errno));
    if (!is_stdin)
        (void)fclose(f);
    return e;
}

enum err file_read_json(const char *name, int json_flags, cJSON **out, struct note *note)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(LARGEST_JSON);
    *out = NULL;
    enum err e = file_read(name, &text, note);
    if (e != OK)
        return e;
    e = json_parse(buf_span(&text), json_flags, out, note);
    if (e != OK)
        note_prefix(note, "%s", shown(name));
    return e;
}

enum err file_write(const char *name, struct span bytes, struct note *note)
{
    CLEANUP(buf_release) struct buf beside = BUF_INIT(BUF_ANY);
    buf_addf(&beside, "%s.%ld.tmp", name, (long)getpid());
    FILE *f = fopen(buf_text(&beside), "wb");
    if (f == NULL)
        return note_set(note, ERR_IO, "%s: %s", name, strerror(errno));
    bool whole = bytes.n == 0 || fwrite(bytes.p, 1, bytes.n, f) == bytes.n;
    whole = fclose(f) == 0 && whole;
    if (whole && rename(buf_text(&beside), name) == 0)
        return OK;
    enum err e = note_set(note, ERR_IO, "%s: %s", name, strerror(errno));
    (void)remove(buf_text(&beside));
    return e;
}
