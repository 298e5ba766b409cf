/* credentials.h: AWS credentials of a command: --key AK:SECRET[:TOKEN], else AWS_ACCESS_KEY_ID and its kin. */
#ifndef MOHS_CREDENTIALS_H
#define MOHS_CREDENTIALS_H

#include "protocol/base.h"

struct credentials { /* spans into the option or the environment */
    struct span access_key, secret, session_token;
};
/* `option` may be NULL: the environment is asked. The note never holds a secret. */
enum err credentials_read(const char *option, struct credentials *out, struct note *note) MUST_USE;

/* What signs requests that go on to AWS, in the order in which SDKs look: a profile that is named outright; AWS_BEARER_TOKEN_BEDROCK;
 * AWS_ACCESS_KEY_ID and its kin; the profile AWS_PROFILE or "default" of AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials.
 * Owned; wiped by found_credentials_release. ERR_INVALID: there are none; ERR_IO: a file that was named cannot be read. */
struct found_credentials {
    char *access_key, *secret, *session_token, *bearer, *region; /* NULL: none */
};
enum err credentials_find(const char *profile, struct found_credentials *out, struct note *note) MUST_USE;
void found_credentials_release(struct found_credentials *c);

#endif
