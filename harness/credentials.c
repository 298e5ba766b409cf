/* credentials.c: where a command takes its credentials from. A secret may hold ':' nowhere, '/' and '+' often. */
#include "harness/credentials.h"

#include <stdlib.h>

enum err credentials_read(const char *option, struct credentials *out, struct note *note)
{
    struct span rest;
    if (option == NULL) {
        *out = (struct credentials){span_of(getenv("AWS_ACCESS_KEY_ID")), span_of(getenv("AWS_SECRET_ACCESS_KEY")),
                                    span_of(getenv("AWS_SESSION_TOKEN"))};
        if (out->access_key.n > 0 && out->secret.n > 0)
            return OK;
        return note_set(note, ERR_INVALID,
                        "give --key ACCESS_KEY:SECRET[:TOKEN], or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    }
    if (!span_split(span_of(option), ':', &out->access_key, &rest))
        return note_set(note, ERR_INVALID, "--key wants ACCESS_KEY:SECRET[:TOKEN]; there is no ':' in what was given");
    (void)span_split(rest, ':', &out->secret, &out->session_token);
    if (out->access_key.n == 0 || out->secret.n == 0)
        return note_set(note, ERR_INVALID, "--key wants ACCESS_KEY:SECRET[:TOKEN]; a part is empty");
    return OK;
}
