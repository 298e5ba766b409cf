/* fail.h: what a client is told when its request cannot be answered: one struct, the classes of Bedrock's errors, and
 * the error object of the OpenAI API.
 *
 * Two rules hold for every upstream text: it is kept, because it says what is wrong; and what it must not tell is
 * taken out (fail_scrub): names of roles and users, access keys, the canonical request of a refused signature.
 */
#ifndef MOHS_GATEWAY_FAIL_H
#define MOHS_GATEWAY_FAIL_H

#include "protocol/json.h"

struct fail {
    int status;       /* for the client; 0: nothing has failed */
    const char *type; /* "invalid_request_error", ...; static text */
    char code[64];    /* the exception's own name, or ours ("invalid_api_key"); "": null */
    char param[128];  /* "messages[2].content"; "": null */
    struct note note;
};

/* 400 invalid_request_error about `param`. Returns ERR_INVALID, for `return fail_bad(...)`. */
enum err fail_bad(struct fail *f, const char *param, const char *format, ...) PRINTF_LIKE(3, 4);
/* Any other; the type is that of the status. `code` may be NULL. Returns ERR_INVALID. */
enum err fail_set(struct fail *f, int status, const char *code, const char *format, ...) PRINTF_LIKE(4, 5);

/* An HTTP error of Bedrock. `error_type` is the x-amzn-errortype header or NULL; a name beats the status, as SDKs do
 * it: in the header, else `code`, else `__type` of the body, cut at ':' and behind '#'. */
void fail_from_upstream(struct fail *f, int status, const char *error_type, struct span body);
/* An exception or error frame of a stream: its name and payload. */
void fail_from_exception(struct fail *f, struct span name, struct span payload);
/* The connection to upstream: ERR_TIMEOUT is 504, all else 502. */
void fail_from_transport(struct fail *f, enum err e, const char *words);

/* {"error":{"message","type","param","code"}}; NULL when out of memory. */
cJSON *fail_object(const struct fail *f);
/* The name Bedrock has for the status, for answers on its own routes: "ValidationException". */
const char *fail_exception_name(const struct fail *f);
/* Take secrets out of a text, in place. */
void fail_scrub(char *text);

#endif
