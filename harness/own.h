/* own.h: a mock or a reference gateway of our own, as a child of this program. It dies with us. */
#ifndef MOHS_OWN_H
#define MOHS_OWN_H

#include "harness/spawn.h"

/* The key that our own mock knows and our own gateway signs with: the example of AWS's documentation, never a secret.
 */
#define OWN_ACCESS_KEY "AKIAIOSFODNN7EXAMPLE"
#define OWN_SECRET     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define OWN_KEY        OWN_ACCESS_KEY ":" OWN_SECRET
/* Temporary credentials, as made up as the others: what signs with them has to send and sign the session token. */
#define OWN_TEMPORARY_KEY "ASIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLETEMP:IQoJb3JpZ2luX2VjEXAMPLETOKEN"

enum own_kind { OWN_MOCK, OWN_GATEWAY };

struct own {
    struct spawn child;
    char url[64];   /* http://127.0.0.1:PORT */
    char admin[64]; /* of the mock's admin API, or the gateway's control API */
};
#define OWN_INIT ((struct own){SPAWN_INIT, "", ""})

/* The mock refuses nobody and nothing and judges all for its journal (--auth none --validation record). The gateway
 * needs `upstream`. `more`: further arguments, NULL-ended, or NULL; those of a later repetition win. */
enum err own_start(struct own *own, enum own_kind kind, const char *upstream, const char *const *more,
                   struct note *note) MUST_USE;
void own_stop(struct own *own); /* NULL and never started are fine */

/* --key in NUL-ended parts. */
struct own_credentials {
    char *access_key, *secret, *session_token; /* session_token: NULL when there is none */
};
enum err own_credentials_read(const char *option, struct own_credentials *out, struct note *note) MUST_USE;
void own_credentials_release(struct own_credentials *c);

#endif
