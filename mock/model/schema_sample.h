/* schema_sample.h: a value that a JSON schema accepts, made from the schema and a seed.
 *
 * Serves the default answers: arguments of a tool that must be called, and structured output. Understands what tool
 * schemas are written with: type (also a list), enum, const, default, examples, properties with required, items with
 * minItems and uniqueItems, prefixItems, minimum, maximum and their exclusive forms, multipleOf, minLength, maxLength,
 * format, pattern (pattern_sample.h; what that does not understand becomes a plain word), anyOf, oneOf, allOf, local
 * $ref. Bounds and patterns that an SDK moved into the description, because Claude's schemas have none, are read there.
 *
 * What a request costs is bounded, whatever its schema: values, levels, bytes and steps through patterns. Lists have 64
 * items at most.
 */
#ifndef MOHS_MOCK_SCHEMA_SAMPLE_H
#define MOHS_MOCK_SCHEMA_SAMPLE_H

#include "mock/rng.h"
#include "protocol/json.h"

#define SCHEMA_SAMPLE_DEPTH 24   /* deeper objects come out empty */
#define SCHEMA_SAMPLE_NODES 4096 /* values in all; a schema that refers to itself ends here */
#define SCHEMA_SAMPLE_BYTES ((size_t)1 << 20) /* of texts and of values that the schema gives; beyond they come out empty */
#define SCHEMA_SAMPLE_STEPS ((size_t)1 << 19) /* through patterns; beyond those are not followed */

/* NULL only when out of memory. `hint` may be NULL: a text to use for free strings, such as what the user asked. */
cJSON *schema_sample(const cJSON *schema, const char *hint, struct rng *rng);

#endif
