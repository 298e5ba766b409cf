/* admin.h: the few calls of the mock's admin API (docs/mock-admin.md) and of the reference gateway's control API.
 *
 * All of them wait for the answer. `base` is "http://127.0.0.1:9556". An answer that is not 200 is ERR_INVALID with the
 * message of the server in the note; no answer is what client_fetch says.
 */
#ifndef MOHS_ADMIN_H
#define MOHS_ADMIN_H

#include "protocol/json.h"

/* From now on, send this bearer token with every call to that `base`, and to no other; NULL: none. Both are borrowed. Not to be
 * called while other threads ask. */
void admin_use_token(const char *base, const char *token);
/* For those who ask by themselves: add it, if it is for that base. */
struct http_headers;
void admin_add_token(const char *base, struct http_headers *headers);
/* `body` NULL: GET. *answer (may be NULL) is the caller's. */
enum err admin_call(const char *base, const char *path, const cJSON *body, cJSON **answer, struct note *note) MUST_USE;
enum err admin_reset(const char *base, struct note *note) MUST_USE;
enum err admin_open(const char *base, const char *gate, struct note *note) MUST_USE;
/* The journal behind `since`, when `count` entries of it have ended or timeout_ms has passed. */
enum err admin_journal(const char *base, int64_t since, size_t count, unsigned timeout_ms, cJSON **answer,
                       struct note *note) MUST_USE;

#endif
