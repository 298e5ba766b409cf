/* fuzz.h: what fuzz targets have beside LLVMFuzzerTestOneInput: seeds of their own, and changes that keep JSON whole.
 *
 * A target that defines fuzz_seed() can write its seeds as files (`fuzz_operation -make=DIR`), and replay_NAME, the same
 * target without libFuzzer (replay.c), starts from them.
 */
#ifndef MOHS_TESTS_FUZZ_FUZZ_H
#define MOHS_TESTS_FUZZ_FUZZ_H

#include "protocol/json.h"
#include "protocol/shape.h"

/* Append the i-th seed; false: there are no more. */
bool fuzz_seed(size_t i, struct buf *out);

/* The engine's: changes bytes in place; the new length, at most `max`. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* For LLVMFuzzerCustomMutator. The input is records, with `separator` between them ("": one record), each of some bytes
 * and, from its first '{' or '[' on, JSON. Mostly one place of one JSON is changed: dropped, doubled, renamed, put
 * elsewhere, given another type or an edge value, words of our own data; sometimes any byte. */
size_t fuzz_mutate(uint8_t *data, size_t size, size_t max, unsigned seed, const char *separator);

/* A value that this member may have: `variant` chooses among the members of unions and the values of enums, 0 has the
 * required members only. NULL: too deep. */
cJSON *fuzz_sample(const struct shape_member *m, unsigned variant, unsigned depth);
/* The body of a request that the API model takes, all but certainly; NULL: the operation has none. */
cJSON *fuzz_sample_body(const struct api_operation *o, unsigned variant);
/* The n-th fence of that language ("json") in a text of Markdown is not looked for: the manual is no part of the
 * program. Bodies come from embedded data: the n-th {"model", "request"} of fixtures/native/families.json; NULL: no more.
 */
const cJSON *fuzz_native(size_t n);

#endif
