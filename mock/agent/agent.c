/* agent.c: Rerank and Retrieve of bedrock-agent-runtime.
 *
 * Both rank texts against a query (agent_rank.h). Retrieve gives pages of numberOfResults; a page's token is the place
 * after it. The operations' errors are the API model's, which are not always those of the runtime.
 */
#include "mock/agent/agent.h"

#include <stdio.h>
#include <stdlib.h>

#include "mock/surface.h"

#define RESULTS_USUALLY 5 /* of Retrieve, when the request does not say */

struct plan *agent_refuse(struct visit *v, const char *type, const char *text)
{
    refusal_set(&v->refusal, REFUSAL_SEMANTIC, type, "%s", text);
    mock_log(v->mock, "%s refused: %s: %.300s", v->operation, type, text);
    return surface_refuse(v, type, text);
}

struct plan *agent_no_model(struct visit *v)
{
    return agent_refuse(v, "ValidationException", "The provided model identifier is invalid.");
}

bool agent_has_model(const struct visit *v, const char *id)
{
    bool known_only = v->mock->config.models == MOCK_MODELS_KNOWN || models_refuse_unknown(v->mock->models);
    return models_resolve(v->mock->models, id, known_only).row != NULL;
}

static size_t number_of(const cJSON *object, const char *key, size_t otherwise)
{
    int64_t n;
    const cJSON *item = json_member(object, key);
    return item != NULL && json_int64(item, &n) && n > 0 ? (size_t)n : otherwise;
}

/* ---- Rerank ---- */

static void add_document_text(const cJSON *document, struct buf *out)
{
    const cJSON *json = json_member(document, "jsonDocument");
    const char *text = json_str(json_member(document, "textDocument"), "text");
    if (text != NULL)
        buf_adds(out, text);
    else if (json != NULL)
        rank_text(json, out);
}

static struct ranked *rank_sources(const struct visit *v, const cJSON *sources, size_t n)
{
    struct ranked *all = calloc(n + 1, sizeof *all);
    struct rank r;
    const cJSON *s;
    size_t i = 0;
    if (all == NULL)
        return NULL;
    rank_init(&r, span_of(json_str(json_at(v->body, "/queries/0/textQuery"), "text")), false);
    cJSON_ArrayForEach(s, sources)
    {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        add_document_text(json_member(s, "inlineDocumentSource"), &text);
        all[i] = (struct ranked){i, rank_score(&r, buf_span(&text))};
        i++;
    }
    rank_sort(all, n);
    return all;
}

static cJSON *rerank_result(const struct ranked *r)
{
    cJSON *out = cJSON_CreateObject();
    (void)json_set_int(out, "index", (int64_t)r->index);
    (void)json_set(out, "relevanceScore", cJSON_CreateNumber(r->score));
    return out;
}

static struct plan *answer_rerank(struct visit *v, const cJSON *reply)
{
    (void)reply;
    const cJSON *how = json_at(v->body, "/rerankingConfiguration/bedrockRerankingConfiguration");
    const cJSON *sources = json_member(v->body, "sources");
    size_t n = (size_t)cJSON_GetArraySize(sources), page = knowledge_rerank_page(v->mock->knowledge), at;
    if (!agent_has_model(v, json_str(json_member(how, "modelConfiguration"), "modelArn")))
        return agent_no_model(v);
    if (!control_token_read(json_str(v->body, "nextToken"), &at))
        return agent_refuse(v, "ValidationException", "The provided nextToken is invalid.");
    CLEANUP(free_ptr) struct ranked *all = rank_sources(v, sources, n);
    if (all == NULL)
        return NULL;
    size_t most = number_of(how, "numberOfResults", n);
    most = most > n ? n : most;
    size_t end = at > most ? most : most - at < page ? most : at + page;
    cJSON *out = cJSON_CreateObject(), *list = json_set(out, "results", cJSON_CreateArray());
    for (size_t i = at; i < end; i++)
        (void)cJSON_AddItemToArray(list, rerank_result(&all[i]));
    if (end < most)
        control_token_add(out, end);
    return control_reply(v, out);
}

/* ---- Retrieve ---- */

/* Text documents have their text, the others what is written of them. */
static void add_content_text(const cJSON *document, struct buf *out)
{
    const cJSON *content = json_member(document, "content");
    rank_text(content != NULL ? content : document, out);
}

static const cJSON *search_of(const cJSON *configuration)
{
    const cJSON *vector = json_member(configuration, "vectorSearchConfiguration");
    return vector != NULL ? vector : json_member(configuration, "managedSearchConfiguration");
}

static void copy_member(cJSON *to, const char *key, const cJSON *from, const char *its)
{
    const cJSON *item = json_member(from, its);
    if (item != NULL)
        (void)json_set(to, key, cJSON_Duplicate(item, true));
}

cJSON *agent_reference(const cJSON *document)
{
    cJSON *out = cJSON_CreateObject();
    const char *text = json_str(document, "text");
    copy_member(out, "content", document, "content");
    if (text != NULL) {
        cJSON *content = cJSON_CreateObject();
        (void)json_set_string(content, "text", text);
        (void)json_set_string(content, "type", "TEXT");
        (void)json_set(out, "content", content);
    }
    copy_member(out, "location", document, "location");
    copy_member(out, "metadata", document, "metadata");
    return out;
}

bool agent_search(const cJSON *documents, const char *query, const cJSON *configuration, struct agent_found *out)
{
    const cJSON *search = search_of(configuration), *filter = json_member(search, "filter"), *d;
    const char *type = json_str(search, "overrideSearchType");
    struct rank r;
    size_t i = 0;
    *out = (struct agent_found){.page = number_of(search, "numberOfResults", RESULTS_USUALLY)};
    const cJSON *reranked = json_at(search, "/rerankingConfiguration/bedrockRerankingConfiguration");
    out->page = number_of(reranked, "numberOfRerankedResults", out->page);
    out->ranked = calloc((size_t)cJSON_GetArraySize(documents) + 1, sizeof *out->ranked);
    if (out->ranked == NULL)
        return false;
    rank_init(&r, span_of(query), type != NULL && strcmp(type, "SEMANTIC") == 0);
    cJSON_ArrayForEach(d, documents)
    {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        add_content_text(d, &text);
        if (filter == NULL || knowledge_passes(filter, json_member(d, "metadata")))
            out->ranked[out->count++] = (struct ranked){i, rank_score(&r, buf_span(&text))};
        i++;
    }
    rank_sort(out->ranked, out->count);
    return true;
}

void agent_found_release(struct agent_found *f)
{
    free(f->ranked);
}

struct plan *agent_no_base(struct visit *v, const char *id)
{
    char text[MODEL_ID_MAX + 64];
    (void)snprintf(text, sizeof text, "Knowledge base with id %s does not exist", id);
    mock_log(v->mock, "%s: KBSUPPORT1 is built in, and --knowledge FILE brings others", v->operation);
    return agent_refuse(v, "ResourceNotFoundException", text);
}

static struct plan *answer_retrieve(struct visit *v, const cJSON *reply)
{
    (void)reply;
    CLEANUP(buf_release) struct buf id = BUF_INIT(BUF_ANY);
    const cJSON *documents = knowledge_documents(v->mock->knowledge, control_label(v, "knowledgeBaseId", &id));
    const char *query = json_str(json_member(v->body, "retrievalQuery"), "text");
    CLEANUP(agent_found_release) struct agent_found found = {0};
    size_t at;
    if (documents == NULL)
        return agent_no_base(v, buf_text(&id));
    if (!control_token_read(json_str(v->body, "nextToken"), &at))
        return agent_refuse(v, "ValidationException", "The provided nextToken is invalid.");
    if (!agent_search(documents, query, json_member(v->body, "retrievalConfiguration"), &found))
        return NULL;
    cJSON *out = cJSON_CreateObject(), *list = json_set(out, "retrievalResults", cJSON_CreateArray());
    size_t end = at > found.count ? found.count : found.count - at < found.page ? found.count : at + found.page;
    for (size_t i = at; i < end; i++) {
        const cJSON *d = cJSON_GetArrayItem(documents, (int)found.ranked[i].index);
        cJSON *one = agent_reference(d);
        copy_member(one, "documentId", d, "id");
        (void)json_set(one, "score", cJSON_CreateNumber(found.ranked[i].score));
        (void)cJSON_AddItemToArray(list, one);
    }
    if (end < found.count)
        control_token_add(out, end);
    if (json_member(v->body, "guardrailConfiguration") != NULL)
        (void)json_set_string(out, "guardrailAction", "NONE");
    return control_reply(v, out);
}

const struct operation_row mock_agent_rows[] = {
    {"Rerank", answer_rerank, NULL},
    {"Retrieve", answer_retrieve, NULL},
    {"RetrieveAndGenerate", agent_generate, NULL},
    {"RetrieveAndGenerateStream", agent_generate, NULL},
};
const size_t mock_agent_count = COUNT_OF(mock_agent_rows);
