/* agent_generate.c: RetrieveAndGenerate and RetrieveAndGenerateStream.
 *
 * The answer is made of first sentences of the documents that were found, each cited: a citation's span counts
 * characters of the whole text from 0, and its end is the last character of the part (a recorded answer of 223
 * characters has the end 222). The stream says the same: the text of a part in pieces, then its citation. A scripted
 * reply with blocks replaces the text; it comes without citations.
 */
#include "mock/agent/agent.h"

#include <stdio.h>
#include <stdlib.h>

#include "mock/runtime/converse.h"
#include "mock/script/scripted.h"
#include "mock/time/pace.h"
#include "protocol/eventstream.h"
#include "protocol/token.h"
#include "protocol/utf8.h"

#define PARTS_MAX    3   /* documents an answer is made of */
#define SENTENCE_MAX 400 /* bytes of one that are said */
#define NOTHING      "Sorry, I am unable to assist you with this request."
#define SESSION_NAME "x-amzn-bedrock-knowledge-base-session-id"

struct part {
    char *text;
    cJSON *references; /* a list */
};

struct said {
    struct part parts[PARTS_MAX];
    size_t count;
    char session[128];
    bool guarded, failed;
};

static void said_release(struct said *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->parts[i].text);
        json_free(&s->parts[i].references);
    }
}

static void say(struct said *s, struct span text, cJSON *take_reference)
{
    struct part *p = &s->parts[s->count++];
    *p = (struct part){span_dup(text), cJSON_CreateArray()};
    if (take_reference != NULL)
        (void)cJSON_AddItemToArray(p->references, take_reference);
    s->failed = s->failed || p->text == NULL || p->references == NULL;
}

/* The first sentence, or what fits, cut between characters. */
static struct span first_sentence(struct span text)
{
    size_t n = text.n < SENTENCE_MAX ? text.n : SENTENCE_MAX;
    for (size_t i = 0; i < n; i++)
        if ((text.p[i] == '.' || text.p[i] == '!' || text.p[i] == '?') &&
            (i + 1 == text.n || text.p[i + 1] == ' ' || text.p[i + 1] == '\n'))
            return span_cut(text, 0, i + 1);
    while (n > 0 && n < text.n && (text.p[n] & 0xc0) == 0x80)
        n--;
    return span_cut(text, 0, n);
}

static void say_document(struct said *s, const cJSON *d)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const cJSON *content = json_member(d, "content");
    rank_text(content != NULL ? content : d, &text);
    struct span sentence = first_sentence(span_trim(buf_span(&text)));
    if (sentence.n > 0)
        say(s, sentence, agent_reference(d));
}

/* ---- where the text is from ---- */

static struct plan *from_base(struct visit *v, const cJSON *configuration, struct said *s)
{
    const char *id = json_str(configuration, "knowledgeBaseId"),
               *query = json_str(json_member(v->body, "input"), "text");
    const cJSON *documents = knowledge_documents(v->mock->knowledge, id);
    CLEANUP(agent_found_release) struct agent_found found = {0};
    if (documents == NULL)
        return agent_no_base(v, id);
    if (!agent_search(documents, query, json_member(configuration, "retrievalConfiguration"), &found)) {
        s->failed = true;
        return NULL;
    }
    for (size_t i = 0; i < found.count && i < found.page && s->count < PARTS_MAX; i++)
        say_document(s, cJSON_GetArrayItem(documents, (int)found.ranked[i].index));
    return NULL;
}

/* A source becomes a document as a knowledge base would have it. */
static struct plan *from_source(struct visit *v, const cJSON *configuration, struct said *s)
{
    const cJSON *source = json_at(configuration, "/sources/0"), *bytes = json_member(source, "byteContent");
    const char *uri = json_str(json_member(source, "s3Location"), "uri");
    CLEANUP(json_free) cJSON *d = cJSON_CreateObject();
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    if (bytes == NULL && uri == NULL)
        return agent_refuse(v, "ValidationException", "A source must have s3Location or byteContent.");
    if (bytes != NULL && (buf_add_unbase64(&text, span_of(json_str(bytes, "data"))) != OK ||
                          memchr(buf_text(&text), 0, text.len) != NULL))
        buf_reset(&text);
    if (text.len == 0)
        buf_addf(&text, "The document %s says nothing that a mock can read.",
                 uri != NULL ? uri : json_str(bytes, "identifier"));
    (void)json_set_string(d, "text", buf_text(&text));
    if (uri != NULL) {
        cJSON *location = cJSON_CreateObject(), *s3 = cJSON_CreateObject();
        (void)json_set_string(s3, "uri", uri);
        (void)json_set_string(location, "type", "S3");
        (void)json_set(location, "s3Location", s3);
        (void)json_set(d, "location", location);
    }
    say_document(s, d);
    return NULL;
}

static bool from_script(struct visit *v, const cJSON *reply, struct said *s)
{
    struct answer a;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    operations_begin_answer(v, &a);
    bool has = reply != NULL && scripted_answer(reply, &a);
    for (size_t i = 0; has && i < a.count; i++)
        if (a.blocks[i].kind == BLOCK_TEXT)
            buf_adds(&text, a.blocks[i].text);
    if (has)
        say(s, buf_span(&text), NULL);
    answer_release(&a);
    return has;
}

/* NULL: said; else the refusal. */
static struct plan *find_words(struct visit *v, const cJSON *reply, struct said *s)
{
    const cJSON *how = json_member(v->body, "retrieveAndGenerateConfiguration");
    const cJSON *base = json_member(how, "knowledgeBaseConfiguration");
    const cJSON *sources = json_member(how, "externalSourcesConfiguration");
    const char *type = json_str(how, "type");
    bool external = type != NULL && strcmp(type, "EXTERNAL_SOURCES") == 0;
    const cJSON *used = external ? sources : base;
    if (used == NULL)
        return agent_refuse(v, "ValidationException",
                            external ? "externalSourcesConfiguration is required for the type EXTERNAL_SOURCES."
                                     : "knowledgeBaseConfiguration is required for the type KNOWLEDGE_BASE.");
    if (!agent_has_model(v, json_str(used, "modelArn")))
        return agent_no_model(v);
    s->guarded = json_at(used, "/generationConfiguration/guardrailConfiguration") != NULL;
    if (from_script(v, reply, s))
        return NULL;
    struct plan *refusal = external ? from_source(v, used, s) : from_base(v, used, s);
    if (refusal == NULL && s->count == 0)
        say(s, SPAN_LIT(NOTHING), NULL);
    return refusal;
}

/* ---- how it is told ---- */

/* generatedResponsePart and retrievedReferences of the i-th part. */
static cJSON *citation(const struct said *s, size_t i)
{
    size_t start = 0, n = utf8_count(span_of(s->parts[i].text));
    for (size_t k = 0; k < i; k++)
        start += utf8_count(span_of(s->parts[k].text)) + 1;
    cJSON *out = cJSON_CreateObject(), *part = cJSON_CreateObject(), *text = cJSON_CreateObject();
    cJSON *span = cJSON_CreateObject();
    (void)json_set_int(span, "end", (int64_t)(start + (n > 0 ? n - 1 : 0)));
    (void)json_set_int(span, "start", (int64_t)start);
    (void)json_set(text, "span", span);
    (void)json_set_string(text, "text", s->parts[i].text);
    (void)json_set(part, "textResponsePart", text);
    (void)json_set(out, "generatedResponsePart", part);
    (void)json_set(out, "retrievedReferences", cJSON_Duplicate(s->parts[i].references, true));
    return out;
}

static struct plan *tell_at_once(struct visit *v, const struct said *s)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    cJSON *out = cJSON_CreateObject(), *output = cJSON_CreateObject();
    cJSON *citations = json_set(out, "citations", cJSON_CreateArray());
    for (size_t i = 0; i < s->count; i++) {
        buf_addf(&text, "%s%s", i > 0 ? " " : "", s->parts[i].text);
        (void)cJSON_AddItemToArray(citations, citation(s, i));
    }
    (void)json_set_string(output, "text", buf_text(&text));
    (void)json_set(out, "output", output);
    if (s->guarded)
        (void)json_set_string(out, "guardrailAction", "NONE");
    (void)json_set_string(out, "sessionId", s->session);
    return control_reply(v, out);
}

static void emit(struct plan *plan, const char *event, cJSON *take, uint64_t after_ns, size_t *events)
{
    CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
    size_t from = plan->bytes.len;
    json_print(take, JSON_COMPACT, &payload);
    if (take == NULL || buf_error(&payload) != OK || es_encode_event(&plan->bytes, event, buf_span(&payload)) != ES_OK)
        plan->failed = true;
    else
        (void)plan_add_from(plan, from, after_ns, (*events)++);
    json_free(&take);
}

/* `pace`: an answer without blocks, for its waits. */
static void stream_part(struct answer *pace, const struct said *s, size_t i, struct plan *plan, size_t *events)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "%s%s", i > 0 ? " " : "", s->parts[i].text);
    struct span all = buf_span(&text);
    for (size_t at = 0, n; at < all.n && !plan->failed; at += n) {
        n = token_next(all, at);
        CLEANUP(free_ptr) char *piece = span_dup(span_cut(all, at, n));
        cJSON *output = cJSON_CreateObject();
        (void)json_set_string(output, "text", piece);
        emit(plan, "output", output, *events == 0 ? pace->ttft_ns : answer_itl(pace), events);
    }
    cJSON *cited = citation(s, i), *event = cJSON_Duplicate(cited, true);
    (void)json_set(event, "citation", cited);
    emit(plan, "citation", event, 0, events);
}

static struct plan *tell_as_stream(struct visit *v, const struct said *s)
{
    struct plan *plan = plan_new(200);
    size_t events = 0;
    if (plan == NULL)
        return NULL;
    plan_header(plan, "Content-Type", EVENTSTREAM_TYPE);
    plan_header(plan, "x-amzn-RequestId", v->request_id);
    plan_header(plan, SESSION_NAME, s->session);
    struct answer pace;
    answer_init(&pace, 0);
    visit_times(v, &pace);
    plan->head_after_ns = pace.latency_ns;
    for (size_t i = 0; i < s->count; i++)
        stream_part(&pace, s, i, plan, &events);
    answer_release(&pace);
    if (s->guarded) {
        cJSON *guardrail = cJSON_CreateObject();
        (void)json_set_string(guardrail, "action", "NONE");
        emit(plan, "guardrail", guardrail, 0, &events);
    }
    plan_fit(plan);
    return plan;
}

struct plan *agent_generate(struct visit *v, const cJSON *reply)
{
    CLEANUP(said_release) struct said s = {.count = 0};
    const char *session = json_str(v->body, "sessionId");
    struct rng rng = {rng_hash(v->mock->config.seed, v->request->body)};
    char made[UUID_SIZE];
    rng_uuid(&rng, made);
    (void)snprintf(s.session, sizeof s.session, "%s", session != NULL ? session : made);
    struct plan *refusal = find_words(v, reply, &s);
    if (refusal != NULL || s.failed)
        return refusal;
    bool streamed = v->route.operation->streaming != API_NOT_STREAMING;
    return streamed ? tell_as_stream(v, &s) : tell_at_once(v, &s);
}
