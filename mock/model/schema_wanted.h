/* schema_wanted.h: the JSON schema that an answer shall fit. */
#ifndef MOHS_MOCK_SCHEMA_WANTED_H
#define MOHS_MOCK_SCHEMA_WANTED_H

#include "protocol/json.h"

#define SCHEMA_WANTED_TEXT  (256 << 10) /* bytes of a prompt in which a schema is looked for */
#define SCHEMA_WANTED_TRIES 64          /* braces at which one may begin */

/* The schema of a Converse request: of outputConfig; of Claude's own output_config (or output_format) in
 * additionalModelRequestFields; else the last one that stands written out in the last message of the user, or in the
 * system prompt, as libraries write it there for models without structured output. *tree is the caller's (json_free).
 * False: there is none.
 */
bool schema_wanted(const cJSON *body, cJSON **tree);

#endif
