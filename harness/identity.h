/* identity.h: the certificate of a server command: from files, or made for this run.
 *
 * A CA made for this run is written where a client can find it: to ca_out when that is given (and left there), else to
 * a new file of $XDG_RUNTIME_DIR, $TMPDIR or /tmp, which goes when the run ends. Only the certificate; no key is
 * ever written.
 */
#ifndef MOHS_IDENTITY_H
#define MOHS_IDENTITY_H

#include <limits.h>

#include "net/tls.h"

struct identity_options {
    const char *certificate, *key; /* --tls-cert, --tls-key: both or none */
    bool self_signed;              /* --tls-self-signed */
    const char *ca_out;            /* --tls-ca-out; NULL: a file of our choice */
    bool dry_run;                  /* only see whether the CA could be written to ca_out */
};

struct identity {
    struct tls *tls;        /* NULL: cleartext */
    char ca_file[PATH_MAX]; /* "": no CA was made */
    bool ca_is_ours;        /* to be removed */
};

/* ERR_INVALID: options that contradict one another. `out` is to be released in every case. */
enum err identity_open(const struct identity_options *o, const char *host, struct identity *out,
                       struct note *note) MUST_USE;
void identity_release(struct identity *identity);
const char *identity_scheme(const struct identity *identity); /* "https" or "http" */

#endif
