/* schema.h: JSON Schema for our own documents: cases, profiles, results.
 *
 * The part of draft 2020-12 that those schemas use, and no more: type (a name or a list), properties, required,
 * additionalProperties (false or a schema), items, minItems, uniqueItems, enum, const, pattern, minLength, maxLength (bytes),
 * minimum, maximum, anyOf, oneOf, not (its description is the complaint), if/then/else, $ref to "#/$defs/...". Any other keyword that constrains is refused by schema_check_schema(), so a schema
 * cannot promise what is not checked. A stranger among the members is named with the nearest known one.
 */
#ifndef MOHS_SCHEMA_H
#define MOHS_SCHEMA_H

#include "protocol/json.h"

/* ERR_INVALID: the note says the JSON pointer in the document, what was expected, what was found. */
enum err schema_validate(const cJSON *schema, const cJSON *document, struct note *note) MUST_USE;
/* ERR_UNSUPPORTED: a keyword that schema_validate would not honour, with its pointer in the schema. */
enum err schema_check_schema(const cJSON *schema, struct note *note) MUST_USE;

#endif
