/* fixture_write.h: making a document of fixtures: for whoever imports or records.
 *
 *     cJSON *document = fixture_document_new();
 *     cJSON *f = fixture_document_add(document, "weather");
 *     fixture_want(f, "user", matcher);  fixture_answer(f, reply);
 *     if (fixture_document_print(document, &out, &note) == OK) ...
 *
 * Every function that takes a tree owns it from then on, and lets NULL pass (out of memory shows when it is printed). What
 * the loader would refuse is not printed, so no file is written that cannot be read.
 */
#ifndef MOHS_MOCK_FIXTURE_WRITE_H
#define MOHS_MOCK_FIXTURE_WRITE_H

#include "protocol/json.h"

cJSON *fixture_document_new(void); /* json_free() */
/* A new fixture at the end; it belongs to the document. `name` NULL: none. NULL: out of memory. */
cJSON *fixture_document_add(cJSON *document, const char *name);
size_t fixture_document_count(const cJSON *document);
/* A member of its match. */
void fixture_want(cJSON *fixture, const char *member, cJSON *take);
/* Its reply; the second and every further one make a sequence. */
void fixture_answer(cJSON *fixture, cJSON *take);
/* Take the last one away again. */
void fixture_document_drop_last(cJSON *document);
/* Pretty JSON with a line feed at its end. ERR_INVALID, ERR_UNKNOWN: the loader would refuse it. */
enum err fixture_document_print(const cJSON *document, struct buf *out, struct note *note) MUST_USE;

#endif
