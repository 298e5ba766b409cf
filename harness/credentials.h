/* credentials.h: AWS credentials of a command: --key AK:SECRET[:TOKEN], else AWS_ACCESS_KEY_ID and its kin. */
#ifndef MOHS_CREDENTIALS_H
#define MOHS_CREDENTIALS_H

#include "protocol/base.h"

struct credentials { /* spans into the option or the environment */
    struct span access_key, secret, session_token;
};
/* `option` may be NULL: the environment is asked. The note never holds a secret. */
enum err credentials_read(const char *option, struct credentials *out, struct note *note) MUST_USE;

#endif
