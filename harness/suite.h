/* suite.h: reading a JSON file of the suites together with its schema; a mistake names file, pointer and nearest key.
 */
#ifndef MOHS_SUITE_H
#define MOHS_SUITE_H

#include "protocol/json.h"

/* An embedded file (protocol/data.h), *out is the caller's. suite_load_file() reads any path of the disk. */
enum err suite_load(const char *path, const char *schema, cJSON **out, struct note *note) MUST_USE;
enum err suite_load_file(const char *path, const char *schema, cJSON **out, struct note *note) MUST_USE;
/* The same for bytes that are there; `path` is for the note only. */
enum err suite_parse(struct span bytes, const char *path, const char *schema, cJSON **out, struct note *note) MUST_USE;

/* The names of suites/capabilities.json; the tree is the caller's. */
enum err capabilities_load(cJSON **out, struct note *note) MUST_USE;

#endif
