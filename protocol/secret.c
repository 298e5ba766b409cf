/* secret.c: names of header fields that carry credentials, in any case. */
#include "protocol/secret.h"

#include <strings.h>

static const char *const names[] = {
    "authorization", "proxy-authorization", "x-amz-security-token", "x-amz-sso_bearer_token", "x-api-key", "api-key", "x-goog-api-key", "cookie", "set-cookie",
};

/* The word is of small letters. Most places fail at the first one already, and every header field of a request is asked. */
static bool holds_nocase(struct span text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.n; i++)
        if ((text.p[i] | 0x20) == word[0] && strncasecmp((const char *)text.p + i, word, n) == 0)
            return true;
    return false;
}

bool secret_header(struct span name)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (span_is_nocase(name, names[i]))
            return true;
    return holds_nocase(name, "secret");
}
