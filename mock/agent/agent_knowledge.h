/* agent_knowledge.h: the knowledge bases of this mock: a few documents each, as data (fixtures/knowledge.json), with a
 * user's own file laid over them (--knowledge FILE, docs/knowledge.md).
 *
 * Nothing is embedded ahead: a request ranks the documents that pass its filter (agent_rank.h). Read once, then
 * read-only: any thread.
 */
#ifndef MOHS_MOCK_AGENT_KNOWLEDGE_H
#define MOHS_MOCK_AGENT_KNOWLEDGE_H

#include "protocol/json.h"
#include "protocol/shape.h"

#define KNOWLEDGE_BASES_MAX     1000
#define KNOWLEDGE_DOCUMENTS_MAX 10000 /* of one base */

struct knowledge;
/* As models_load: `overlay` is a file's text, `name` what to call it. */
enum err knowledge_load(struct knowledge **out, const struct api *api, struct span overlay, const char *name,
                        struct note *note) MUST_USE;
void knowledge_free(struct knowledge *k);
/* The documents of a base, by its id or its ARN; NULL: no such base. Each has text or content, and may have id,
 * location and metadata. */
const cJSON *knowledge_documents(const struct knowledge *k, const char *id);
/* Results of Rerank in one answer; more come with a token. */
size_t knowledge_rerank_page(const struct knowledge *k);

/* A RetrievalFilter of the API model against the metadata of a document. NULL passes. */
bool knowledge_passes(const cJSON *filter, const cJSON *metadata);

#endif
