/* fixture_import.h: fixtures of aimock (CopilotKit's mock of model APIs, once llmock) become ours.
 *
 * Its format as of the version of August 2026: a file {"fixtures":[{"match","response",...}]}; the facts of it are in the table of
 * docs/fixtures.md. Theirs match an OpenAI-like request, ours Bedrock's; what has no like is told, one line each, and
 * counts as lost when the test would behave otherwise.
 */
#ifndef MOHS_MOCK_FIXTURE_IMPORT_H
#define MOHS_MOCK_FIXTURE_IMPORT_H

#include "protocol/json.h"

struct fixture_import {
    cJSON *document; /* of fixture_write.h: everything is appended here */
    size_t read, written, lost;
    /* A line for a person: "/fixtures/2/match/responseFormat: ..." */
    void (*tell)(void *ctx, bool lost, const char *line);
    void *ctx;
};
/* ERR_INVALID: this is no file of aimock's fixtures. */
enum err fixture_import_aimock(struct fixture_import *to, const cJSON *theirs, const char *file, struct note *note) MUST_USE;

#endif
