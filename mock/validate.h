/* validate.h: the rules that Bedrock adds to its API model: turn order, tool pairing, document names, model limits.
 *
 * Each is a row: an id to switch it by, the id of its text in fixtures/api/errors.json, whether it is on, and a function
 * that finds the first place where it is broken. A rule is on when public reports or recordings show it; those that rest
 * on one weak source are off until somebody asks (mock_config.rules_on).
 */
#ifndef MOHS_MOCK_VALIDATE_H
#define MOHS_MOCK_VALIDATE_H

#include "mock/visit.h"

/* A malloc'ed table of switches, one a row. ERR_UNKNOWN: no such rule, or a text is missing from errors.json. */
enum err rules_init(const struct mock_config *config, const struct api *api, bool **out, struct note *note) MUST_USE;

#endif
