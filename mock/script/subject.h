/* subject.h: what scripts and fixtures look at when they choose an answer, and the language they say it in.
 *
 * The subject of a request is a JSON object:
 *
 *   operation, method, target   as in the journal ("Converse", "POST", the path as on the wire)
 *   model                       the model id, decoded
 *   headers                     names in lower case; the first of each name
 *   body                        the body as it came: Converse's, or the provider's own
 *   principal                   the access key id; principal_arn beside it, where the mock knows one
 *   session                     the session's name; absent in the default one
 *   user                        the text of the last user message that has any (of an embedding: its input)
 *   system                      the system texts, a line feed between them
 *   turn                        how many user messages say something of their own (1: the first question)
 *   round                       how many user messages since then bring tool results (0: none yet)
 *   replies                     how many messages of the assistant are in the conversation
 *   tools                       names of the tools that are offered
 *   tool_results                those in the last message: [{"id", "status", "text"}]
 *   stream                      whether the answer is to be streamed
 *
 * The conversation's members are made from the Converse form, so they serve InvokeModel of every family alike.
 *
 * A "match" asks for some of them, each by a matcher (protocol/match.h). Beside these: `model` as a plain string may be a glob
 * (* and ?), `principal` holds when the access key id or the ARN does, and `at` is an object of JSON pointers into the
 * body, each with its matcher. A match of one key that begins with $ is a matcher over the whole subject.
 */
#ifndef MOHS_MOCK_SUBJECT_H
#define MOHS_MOCK_SUBJECT_H

#include "protocol/json.h"
#include "protocol/match.h"

struct visit;

/* The subject; free with json_free before the visit's body. NULL: out of memory. */
cJSON *subject_new(const struct visit *v);

/* Whether a match is one. `more` names members that the caller looks at itself ("nth"); NULL-ended, or NULL. */
enum err subject_check(const cJSON *match, const char *const *more, const char *where, struct note *note) MUST_USE;
/* Whether a checked match holds; NULL asks nothing. Members named in `more` are passed over. */
bool subject_matches(const cJSON *match, const char *const *more, const cJSON *subject);

/* Why it does not hold. */
struct subject_miss {
    unsigned held, failed;       /* members of the match */
    char member[64];             /* the first that failed: "model", "at" */
    struct match_failure why;    /* the pointer is into the subject: "/body/messages/0" */
};
/* False when all held. What a secret header holds, and what is expected of it, is never told. */
bool subject_explain(const cJSON *match, const char *const *more, const cJSON *subject, struct subject_miss *out);

#endif
