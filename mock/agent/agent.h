/* agent.h: bedrock-agent-runtime: reranking, and answers from knowledge bases (docs/knowledge.md).
 */
#ifndef MOHS_MOCK_AGENT_H
#define MOHS_MOCK_AGENT_H

#include "mock/agent/agent_knowledge.h"
#include "mock/agent/agent_rank.h"
#include "mock/control/control.h"

extern const struct operation_row mock_agent_rows[];
extern const size_t mock_agent_count;

/* ---- between the files of the agent runtime ---- */

struct agent_found {
    struct ranked *ranked; /* owned; the best first; index into the documents */
    size_t count, page;    /* how many there are, and how many are shown at once */
};
void agent_found_release(struct agent_found *f);
/* The documents that pass the filter of a KnowledgeBaseRetrievalConfiguration (NULL: all), ranked. False: no memory. */
bool agent_search(const cJSON *documents, const char *query, const cJSON *configuration, struct agent_found *out);
cJSON *agent_reference(const cJSON *document); /* content, location and metadata, as RetrievedReference */

struct plan *agent_refuse(struct visit *v, const char *type, const char *text);
struct plan *agent_no_base(struct visit *v, const char *id);
struct plan *agent_no_model(struct visit *v);
bool agent_has_model(const struct visit *v, const char *id);

struct plan *agent_generate(struct visit *v, const cJSON *reply); /* RetrieveAndGenerate and its stream */

#endif
