/* dialect_health.c: asking a gateway whether it is well.
 *
 * Gateways agree that there is such a place and on nothing else, so the profile's base is the whole path ("/health",
 * "/health/liveliness", "/"), and no body is read. What makes it a dialect is that it has a way of its own to be
 * reached, without the key that the others need.
 */
#include "harness/dialect.h"

static enum err prepare(const cJSON *send, const char *model, struct dialect_request *out, struct note *note)
{
    (void)send, (void)model;
    out->method = span_dup(span_of("GET"));
    return out->method != NULL ? OK : note_set(note, ERR_NOMEM, "out of memory");
}

static bool error_shape(int status, const struct http_headers *headers, const cJSON *body, struct note *why)
{
    (void)headers, (void)body;
    return status >= 400 || note_set(why, ERR_INVALID, "status %d is not an error", status) == OK;
}

const struct dialect dialect_health = {.name = "health", .prepare = prepare, .error_shape = error_shape};
