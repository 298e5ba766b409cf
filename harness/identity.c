/* identity.c: which certificate a server command serves with, and where clients find the CA to trust. */
#include "harness/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum err judge(const struct identity_options *o, struct note *note)
{
    if ((o->certificate == NULL) != (o->key == NULL))
        return note_set(note, ERR_INVALID, "%s needs %s beside it (one file may hold both)",
                        o->certificate ? "--tls-cert" : "--tls-key", o->certificate ? "--tls-key" : "--tls-cert");
    if (o->certificate && o->self_signed)
        return note_set(note, ERR_INVALID, "--tls-cert and --tls-self-signed: choose one");
    if (o->ca_out && !o->self_signed)
        return note_set(note, ERR_INVALID, "--tls-ca-out without --tls-self-signed: there is no CA to write");
    return OK;
}

/* A file that was not there before; its name goes to ca_file. */
static int open_own(struct identity *out)
{
    static const char ending[] = ".pem";
    const char *folders[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        if (!folders[i] || folders[i][0] != '/')
            continue;
        int n = snprintf(out->ca_file, sizeof out->ca_file, "%s/mohs-ca-XXXXXX%s", folders[i], ending);
        int fd = n > 0 && (size_t)n < sizeof out->ca_file ? mkostemps(out->ca_file, sizeof ending - 1, O_CLOEXEC) : -1;
        out->ca_is_ours = fd >= 0;
        if (fd >= 0)
            return fd;
    }
    return -1;
}

/* A file that is there keeps what it holds, and one that is not there stays so. */
static int try_to_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd >= 0)
        (void)unlink(path);
    return fd >= 0 || errno != EEXIST ? fd : open(path, O_WRONLY | O_CLOEXEC);
}

static enum err write_ca(const struct identity_options *o, struct identity *out, struct span pem, struct note *note)
{
    int fd = -1;
    if (o->ca_out && o->dry_run) {
        (void)snprintf(out->ca_file, sizeof out->ca_file, "%s", o->ca_out);
        fd = try_to_open(o->ca_out);
        pem = SPAN_EMPTY;
    } else if (o->ca_out) {
        (void)snprintf(out->ca_file, sizeof out->ca_file, "%s", o->ca_out);
        fd = open(o->ca_out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    } else {
        fd = open_own(out);
    }
    if (fd < 0)
        return note_set(note, ERR_IO, "the CA cannot be written to %s: %s", out->ca_file, strerror(errno));
    bool whole = write(fd, pem.p, pem.n) == (ssize_t)pem.n;
    int why = errno;
    if (close(fd) == 0 && whole)
        return OK;
    return note_set(note, ERR_IO, "the CA cannot be written to %s: %s", out->ca_file, strerror(why));
}

enum err identity_open(const struct identity_options *o, const char *host, struct identity *out, struct note *note)
{
    *out = (struct identity){.tls = NULL};
    enum err e = judge(o, note);
    if (e == OK && o->certificate)
        return tls_new(o->certificate, o->key, &out->tls, note);
    if (e != OK || !o->self_signed)
        return e;
    CLEANUP(buf_release) struct buf pem = BUF_INIT(BUF_ANY);
    e = tls_new_self_signed(host, &out->tls, &pem, note);
    return e == OK ? write_ca(o, out, buf_span(&pem), note) : e;
}

void identity_release(struct identity *identity)
{
    if (!identity)
        return;
    tls_free(identity->tls);
    identity->tls = NULL;
    if (identity->ca_is_ours)
        (void)unlink(identity->ca_file);
    identity->ca_is_ours = false;
}

const char *identity_scheme(const struct identity *identity)
{
    return identity->tls ? "https" : "http";
}
