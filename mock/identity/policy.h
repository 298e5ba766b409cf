/* policy.h: who may do what: IAM-like statements, and the models an account was never granted, of a file
 * (docs/identity.md).
 *
 *     {"statements": [{"effect": "Allow", "principals": ["*"], "actions": ["bedrock:*"], "resources": ["*"]}],
 *      "ungranted": ["anthropic.claude-opus*", {"models": ["cohere.*"], "because": "use-case-form"}]}
 *
 * As in IAM an explicit deny wins, and what nobody allows is denied; a file without "statements" denies nothing. Action
 * names are compared without case, everything else with it; "*" and "?" are the only wildcards. Read-only after
 * policy_new, so any thread may ask.
 */
#ifndef MOHS_MOCK_POLICY_H
#define MOHS_MOCK_POLICY_H

#include "protocol/json.h"

#define POLICY_FILE_MAX ((size_t)4 << 20)

struct policy;
/* ERR_INVALID: the note names the file, the JSON pointer and what was expected there. */
enum err policy_new(const char *file, struct policy **out, struct note *note) MUST_USE;
/* The same from memory; `name` stands in the note. */
enum err policy_parse(struct span text, const char *name, struct policy **out, struct note *note) MUST_USE;
void policy_free(struct policy *p);

enum policy_says { POLICY_ALLOWS, POLICY_DENIES, POLICY_IS_SILENT };
/* `*scp` becomes the ARN of the service control policy that denies, or NULL when an identity's own policy does. */
enum policy_says policy_ask(const struct policy *p, const char *principal, const char *action, const char *resource,
                            const char **scp);
/* The id in errors.json of what a model that was not granted is answered with; NULL: it is granted. */
const char *policy_ungranted(const struct policy *p, const char *model_id);

struct visit;
/* Sets the refusal of a request that the policy forbids. Call it when the mock has a policy and the caller is known. */
void visit_authorize(struct visit *v);

#endif
