/* bedrock-agent-runtime over the wire: reranking, retrieving, and answers whose citations index into their text; and
 * the native bodies of rerank models. */
#include "mock_rig.h"

#include "mock/agent/agent.h"

#define RERANKER "arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0"
#define DOC(t)                                                                                                         \
    "{\"type\":\"INLINE\",\"inlineDocumentSource\":{\"type\":\"TEXT\",\"textDocument\":{\"text\":\"" t "\"}}}"
#define JSON_DOC(j) "{\"type\":\"INLINE\",\"inlineDocumentSource\":{\"type\":\"JSON\",\"jsonDocument\":" j "}}"
#define RERANK(more, model, number)                                                                                             \
    "{\"queries\":[{\"type\":\"TEXT\",\"textQuery\":{\"text\":\"When is a refund paid?\"}}],\"sources\":[" DOC("Apple"          \
                                                                                                               "s "             \
                                                                                                               "are "           \
                                                                                                               "red.") "," DOC( \
        "A refund is paid in two weeks.") "," JSON_DOC("{\"text\":\"Refunds: who pays?\"}") "],"                                \
                                                                                            "\"rerankingConfiguration"          \
                                                                                            "\":{\"type\":\"BEDROCK_"           \
                                                                                            "RERANKING_MODEL\","                \
                                                                                            "\"bedrockRerankingConfig"          \
                                                                                            "uration\":{" number                \
                                                                                            "\"modelConfiguration\":{"          \
                                                                                            "\"modelArn\":\"" model             \
                                                                                            "\"}}}" more "}"
#define RETRIEVE(text, search)                                                                                         \
    "{\"retrievalQuery\":{\"text\":\"" text "\"},\"retrievalConfiguration\":{\"vectorSearchConfiguration\":{" search   \
    "}}}"
#define GENERATE(base, model, text, more)                                                                              \
    "{\"input\":{\"text\":\"" text "\"},\"retrieveAndGenerateConfiguration\":{\"type\":\"KNOWLEDGE_BASE\","            \
    "\"knowledgeBaseConfiguration\":{\"knowledgeBaseId\":\"" base "\",\"modelArn\":\"" model "\"" more "}}}"
#define FILTER(f)            RETRIEVE("anything", "\"numberOfResults\":50,\"filter\":" f)
#define ATTR(op, key, value) "{\"" op "\":{\"key\":\"" key "\",\"value\":" value "}}"
#define SUPPORT              "/knowledgebases/KBSUPPORT1/retrieve"

static void claim_fits(const char *operation, const cJSON *answer)
{
    struct note note = {""};
    struct api *api = api_load(&note);
    struct api_fault fault = API_FAULT_INIT;
    CLAIM(api_check_response(api, api_operation(api, operation), answer, &fault) == OK, "%s: %s", operation,
          buf_text(&fault.text));
    api_fault_release(&fault);
    api_free(api);
}

static void every_operation_is_served(void)
{
    struct note note = {""};
    struct api *api = api_load(&note);
    const struct api_operation *o;
    size_t n = 0;
    for (size_t i = 0; (o = api_operation_at(api, i)) != NULL; i++) {
        if (strcmp(o->service, "bedrock-agent-runtime") != 0)
            continue;
        CLAIM(operation_find(o->name) != NULL, "%s is not served", o->name);
        n++;
    }
    CU_ASSERT_EQUAL(n, 4); /* a fifth wants a test below */
    api_free(api);
}

static void rerank_puts_the_best_first(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT});
    CLEANUP(reply_release) struct reply r = ask(m, "/rerank", RERANK("", RERANKER, ""));
    CLAIM(r.status == 200, "%s", buf_text(&r.body));
    claim_fits("Rerank", r.json);
    CU_ASSERT(number_at(r.json, "/results/0/index") == 1 && number_at(r.json, "/results/1/index") == 2);
    CU_ASSERT(number_at(r.json, "/results/2/index") == 0);
    CU_ASSERT(number_at(r.json, "/results/0/relevanceScore") > number_at(r.json, "/results/1/relevanceScore"));
    CU_ASSERT(number_at(r.json, "/results/0/relevanceScore") <= 1 &&
              number_at(r.json, "/results/2/relevanceScore") >= 0);
    CLEANUP(reply_release) struct reply one = ask(m, "/rerank", RERANK("", RERANKER, "\"numberOfResults\":1,"));
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(one.json, "/results")), 1);
    CU_ASSERT(json_at(one.json, "/nextToken") == NULL);
    CLEANUP(reply_release) struct reply none = ask(m, "/rerank", RERANK("", "what", ""));
    CLAIM(none.status == 400, "%s", buf_text(&none.body));
    CLEANUP(reply_release) struct reply token = ask(m, "/rerank", RERANK(",\"nextToken\":\"x\"", RERANKER, ""));
    CU_ASSERT_EQUAL(token.status, 400);
}

static void rerank_pages_as_the_file_says(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.knowledge_overlay = "{\"rerank_page\":2}"});
    CLEANUP(reply_release) struct reply first = ask(m, "/rerank", RERANK("", RERANKER, ""));
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(first.json, "/results")), 2);
    char body[2048];
    (void)snprintf(body, sizeof body, RERANK(",\"nextToken\":\"%s\"", RERANKER, ""), text_at(first.json, "/nextToken"));
    CLEANUP(reply_release) struct reply rest = ask(m, "/rerank", body);
    CLAIM(cJSON_GetArraySize(json_at(rest.json, "/results")) == 1 && number_at(rest.json, "/results/0/index") == 0 &&
              json_at(rest.json, "/nextToken") == NULL,
          "%s", buf_text(&rest.body));
}

static void native_rerank_bodies_rank_too(void)
{
    static const char *const models[] = {"cohere.rerank-v3-5%3A0", "amazon.rerank-v1%3A0"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    for (size_t i = 0; i < COUNT_OF(models); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "/model/%s/invoke", models[i]);
        CLEANUP(reply_release)
        struct reply r =
            ask(m, path,
                "{\"api_version\":2,\"query\":\"tomato plants\",\"documents\":[\"The tax office is closed.\","
                "\"Water your tomato plant.\"],\"top_n\":2}");
        CLAIM(r.status == 200 && number_at(r.json, "/results/0/index") == 1 &&
                  number_at(r.json, "/results/0/relevance_score") > number_at(r.json, "/results/1/relevance_score"),
              "%s", buf_text(&r.body));
        CU_ASSERT(strtol(header(&r, "X-Amzn-Bedrock-Input-Token-Count"), NULL, 10) > 8);
        CLEANUP(reply_release) struct reply bad = ask(m, path, "{\"query\":\"x\"}");
        CLAIM(bad.status == 400 && strstr(buf_text(&bad.body), "required key [documents] not found") != NULL, "%s",
              buf_text(&bad.body));
    }
}

static void retrieve_finds_what_was_meant(void)
{
    static const struct {
        const char *query, *id;
    } rows[] = {{"When do I get my money back, is a refund paid to my card?", "refunds"},
                {"forgotten password", "password"},
                {"How long does express shipping take?", "shipping"},
                {"Does the warranty cover a dropped item?", "warranty"},
                {"pay an invoice by bank transfer", "invoice"}};
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char body[512];
        (void)snprintf(body, sizeof body, "{\"retrievalQuery\":{\"text\":\"%s\"}}", rows[i].query);
        CLEANUP(reply_release) struct reply r = ask(m, SUPPORT, body);
        claim_fits("Retrieve", r.json);
        CLAIM(strcmp(text_at(r.json, "/retrievalResults/0/documentId"), rows[i].id) == 0, "%s: %s", rows[i].query,
              text_at(r.json, "/retrievalResults/0/documentId"));
        CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(r.json, "/retrievalResults")), 5);
    }
    CLEANUP(reply_release)
    struct reply row = ask(m, "/knowledgebases/KBGARDEN01/retrieve", RETRIEVE("kilograms of potato", ""));
    claim_fits("Retrieve", row.json);
    CU_ASSERT_STRING_EQUAL(text_at(row.json, "/retrievalResults/0/content/type"), "ROW");
    CLEANUP(reply_release) struct reply none = ask(m, "/knowledgebases/KBNOBODY00/retrieve", RETRIEVE("x", ""));
    CLAIM(none.status == 404 &&
              strcmp(text_at(none.json, "/message"), "Knowledge base with id KBNOBODY00 does not exist") == 0,
          "%s", buf_text(&none.body));
}

static void retrieve_pages_to_the_end(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    char body[1024] = RETRIEVE("card", "\"numberOfResults\":3");
    int n = 0, pages = 0;
    double last = 2;
    for (bool more = true; more && pages < 10; pages++) {
        CLEANUP(reply_release) struct reply r = ask(m, SUPPORT, body);
        const cJSON *item;
        cJSON_ArrayForEach(item, json_at(r.json, "/retrievalResults"))
        {
            CU_ASSERT(number_at(item, "/score") <= last);
            last = number_at(item, "/score");
            n++;
        }
        more = *text_at(r.json, "/nextToken") != '\0';
        (void)snprintf(body, sizeof body,
                       "{\"retrievalQuery\":{\"text\":\"card\"},\"nextToken\":\"%s\",\"retrievalConfiguration\":{"
                       "\"vectorSearchConfiguration\":{\"numberOfResults\":3}}}",
                       text_at(r.json, "/nextToken"));
    }
    CLAIM(n == 8 && pages == 3, "%d results on %d pages", n, pages);
}

static void filters_hold(void)
{
    static const struct {
        const char *filter;
        int results;
    } rows[] = {
        {FILTER(ATTR("equals", "department", "\"billing\"")), 2},
        {FILTER(ATTR("notEquals", "department", "\"billing\"")), 6},
        {FILTER(ATTR("notEquals", "absent", "\"x\"")), 0},
        {FILTER(ATTR("equals", "public", "false")), 1},
        {FILTER(ATTR("in", "year", "[2022,2023]")), 2},
        {FILTER(ATTR("notIn", "year", "[2022,2023]")), 6},
        {FILTER(ATTR("greaterThan", "year", "2024")), 4},
        {FILTER(ATTR("greaterThanOrEquals", "year", "2024")), 6},
        {FILTER(ATTR("lessThan", "year", "2024")), 2},
        {FILTER(ATTR("lessThanOrEquals", "year", "2024.0")), 4},
        {FILTER(ATTR("lessThan", "department", "2024")), 0},
        {FILTER(ATTR("startsWith", "department", "\"log\"")), 2},
        {FILTER(ATTR("stringContains", "department", "\"port\"")), 2},
        {FILTER(ATTR("stringContains", "tags", "\"oney\"")), 2},
        {FILTER(ATTR("listContains", "tags", "\"money\"")), 2},
        {FILTER("{\"andAll\":[" ATTR("equals", "department", "\"billing\"") "," ATTR("equals", "year", "2024") "]}"),
         1},
        {FILTER("{\"orAll\":[" ATTR("equals", "department", "\"billing\"") "," ATTR("equals", "year", "2022") "]}"), 3},
        {FILTER("{\"orAll\":[{\"andAll\":[" ATTR("equals", "year", "2025") "," ATTR(
             "equals", "public", "false") "]}," ATTR("equals", "year", "2022") "]}"),
         2},
    };
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, SUPPORT, rows[i].filter);
        int n = cJSON_GetArraySize(json_at(r.json, "/retrievalResults"));
        CLAIM(r.status == 200 && n == rows[i].results, "%s: %d, %s", rows[i].filter, n,
              r.status != 200 ? buf_text(&r.body) : "");
    }
}

/* Every span cuts its own text out of the whole, by characters; ends are the last character. */
static void claim_spans(const char *whole, const cJSON *citations)
{
    const cJSON *c;
    size_t n = 0;
    cJSON_ArrayForEach(c, citations)
    {
        const char *text = text_at(c, "/generatedResponsePart/textResponsePart/text"), *at = whole;
        double start = number_at(c, "/generatedResponsePart/textResponsePart/span/start");
        double end = number_at(c, "/generatedResponsePart/textResponsePart/span/end");
        for (double i = 0; i < start && *at != '\0'; at++)
            i += ((unsigned char)at[1] & 0xc0) != 0x80;
        size_t characters = 0;
        for (const char *p = text; *p != '\0'; p++)
            characters += ((unsigned char)*p & 0xc0) != 0x80;
        CLAIM(strncmp(at, text, strlen(text)) == 0 && end - start + 1 == (double)characters, "%g to %g of %s is not %s",
              start, end, whole, text);
        n++;
    }
    CU_ASSERT(n > 0);
}

static void answers_cite_what_they_say(void)
{
    static const char overlay[] =
        "{\"knowledge_bases\":[{\"id\":\"KBUMLAUT01\",\"documents\":[{\"text\":\"Über Äpfel: süß. Mehr.\"},"
        "{\"text\":\"Äpfel sind grün!\",\"metadata\":{\"a\":1}}]}]}";
    CLEANUP(rig_stop)
    struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT, .knowledge_overlay = overlay});
    CLEANUP(reply_release)
    struct reply r =
        ask(m, "/retrieveAndGenerate", GENERATE("KBSUPPORT1", "amazon.nova-lite-v1:0", "When are refunds paid?", ""));
    CLAIM(r.status == 200, "%s", buf_text(&r.body));
    claim_fits("RetrieveAndGenerate", r.json);
    claim_spans(text_at(r.json, "/output/text"), json_at(r.json, "/citations"));
    CU_ASSERT(strstr(text_at(r.json, "/output/text"), "Refunds are paid within 14 days of the return.") != NULL);
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/citations/0/retrievedReferences/0/location/s3Location/uri"),
                           "s3://example-handbook/refunds.md");
    CLEANUP(reply_release)
    struct reply u = ask(m, "/retrieveAndGenerate", GENERATE("KBUMLAUT01", "amazon.nova-lite-v1:0", "Äpfel", ""));
    claim_spans(text_at(u.json, "/output/text"), json_at(u.json, "/citations"));
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_at(u.json, "/citations")), 2);
    CLEANUP(reply_release)
    struct reply empty = ask(m, "/retrieveAndGenerate", GENERATE("KBEMPTY001", "amazon.nova-lite-v1:0", "x", ""));
    CU_ASSERT_STRING_EQUAL(text_at(empty.json, "/output/text"), "Sorry, I am unable to assist you with this request.");
    CLEANUP(reply_release)
    struct reply guarded =
        ask(m, "/retrieveAndGenerate",
            GENERATE("KBEMPTY001", "amazon.nova-lite-v1:0", "x",
                     ",\"generationConfiguration\":{\"guardrailConfiguration\":{\"guardrailId\":\"abc\","
                     "\"guardrailVersion\":\"1\"}}"));
    CU_ASSERT_STRING_EQUAL(text_at(guarded.json, "/guardrailAction"), "NONE");
}

static void external_sources_are_read(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
#define EXTERNAL(source)                                                                                               \
    "{\"input\":{\"text\":\"x\"},\"sessionId\":\"mine\",\"retrieveAndGenerateConfiguration\":{\"type\":"               \
    "\"EXTERNAL_SOURCES\",\"externalSourcesConfiguration\":{\"modelArn\":\"amazon.nova-lite-v1:0\",\"sources\":"       \
    "[" source "]}}}"
    CLEANUP(reply_release)
    struct reply r = ask(m, "/retrieveAndGenerate",
                         EXTERNAL("{\"sourceType\":\"BYTE_CONTENT\",\"byteContent\":{\"contentType\":\"text/plain\","
                                  "\"identifier\":\"a.txt\",\"data\":\"VGhlIG1vb24gaXMgZmFyLiBWZXJ5Lg==\"}}"));
    CLAIM(strcmp(text_at(r.json, "/output/text"), "The moon is far.") == 0, "%s", buf_text(&r.body));
    CU_ASSERT_STRING_EQUAL(text_at(r.json, "/sessionId"), "mine");
    CLEANUP(reply_release)
    struct reply s3 = ask(m, "/retrieveAndGenerate",
                          EXTERNAL("{\"sourceType\":\"S3\",\"s3Location\":{\"uri\":\"s3://bucket/a.pdf\"}}"));
    claim_fits("RetrieveAndGenerate", s3.json);
    CU_ASSERT_STRING_EQUAL(text_at(s3.json, "/citations/0/retrievedReferences/0/location/s3Location/uri"),
                           "s3://bucket/a.pdf");
}

static void the_stream_says_the_same(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
#define ASKED GENERATE("KBSUPPORT1", "amazon.nova-lite-v1:0", "When are refunds paid?", "")
    CLEANUP(reply_release) struct reply whole = ask(m, "/retrieveAndGenerate", ASKED);
    CLEANUP(reply_release) struct reply r = ask(m, "/retrieveAndGenerateStream", ASKED);
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    join(events, "/payload/text", &text);
    CU_ASSERT(r.status == 200 && end == ES_OK);
    CU_ASSERT_STRING_EQUAL(buf_text(&text), text_at(whole.json, "/output/text"));
    CU_ASSERT_STRING_EQUAL(header(&r, "x-amzn-bedrock-knowledge-base-session-id"), text_at(whole.json, "/sessionId"));
    int cited = 0;
    const cJSON *e;
    cJSON_ArrayForEach(e, events)
    {
        if (strcmp(text_at(e, "/name"), "citation") == 0)
            CU_ASSERT(json_equal(json_at(e, "/payload/citation"),
                                 cJSON_GetArrayItem(json_at(whole.json, "/citations"), cited++)));
    }
    CU_ASSERT_EQUAL(cited, cJSON_GetArraySize(json_at(whole.json, "/citations")));
}

static void scripts_and_errors_work_here_too(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){0});
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"As told.\"}},"
              "{\"reply\":{\"error\":{\"type\":\"DependencyFailedException\",\"message\":\"no\"}}},"
              "{\"reply\":{\"error\":{\"type\":\"BadGatewayException\"}}}]}");
    CLEANUP(reply_release) struct reply told = ask(m, "/retrieveAndGenerate", ASKED);
    CLAIM(strcmp(text_at(told.json, "/output/text"), "As told.") == 0, "%s", buf_text(&told.body));
    CLEANUP(reply_release) struct reply failed = ask(m, "/rerank", RERANK("", RERANKER, ""));
    CU_ASSERT(failed.status == 424 &&
              strncmp(header(&failed, "x-amzn-ErrorType"), "DependencyFailedException", 25) == 0);
    CLEANUP(reply_release) struct reply bad = ask(m, "/rerank", RERANK("", RERANKER, ""));
    CU_ASSERT_EQUAL(bad.status, 502);
    CLEANUP(reply_release)
    struct reply base = ask(m, "/retrieveAndGenerate", GENERATE("KBNOBODY00", "amazon.nova-lite-v1:0", "x", ""));
    CU_ASSERT_EQUAL(base.status, 404);
    CLEANUP(reply_release)
    struct reply model = ask(m, "/retrieveAndGenerate", GENERATE("KBSUPPORT1", "nobody", "x", ""));
    CU_ASSERT_EQUAL(model.status, 400);
    CLEANUP(reply_release)
    struct reply half =
        ask(m, "/retrieveAndGenerate",
            "{\"input\":{\"text\":\"x\"},\"retrieveAndGenerateConfiguration\":{\"type\":\"EXTERNAL_SOURCES\"}}");
    CU_ASSERT_EQUAL(half.status, 400);
}

static void bad_files_are_refused_with_a_sentence(void)
{
    static const struct {
        const char *file, *says;
    } rows[] = {
        {"{\"knowledge_base\":[]}", "knowledge_bases"},
        {"{\"rerank_page\":0}", "/rerank_page: expected 1 to 1000"},
        {"{\"knowledge_bases\":[{\"id\":\"short\",\"documents\":[]}]}", "/knowledge_bases/0/id: expected ten letters"},
        {"{\"knowledge_bases\":[{\"id\":\"KBAAAAAAAA\",\"documents\":[{}]}]}",
         "documents/0: expected either text or content"},
        {"{\"knowledge_bases\":[{\"id\":\"KBAAAAAAAA\",\"documents\":[{\"txt\":\"a\"}]}]}", "text"},
        {"{\"knowledge_bases\":[{\"id\":\"KBAAAAAAAA\",\"documents\":[{\"text\":\"a\",\"location\":{\"type\":\"DISK\"}}"
         "]}]}",
         "documents/0/location: not a RetrievalResultLocation"},
        {"[]", "expected an object, found array"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mock *m = NULL;
        struct note note = {""};
        struct mock_config c = {.knowledge_overlay = rows[i].file, .knowledge_name = "my.json"};
        CU_ASSERT(mock_start(&c, &m, &note) != OK);
        CLAIM(strstr(note.text, rows[i].says) != NULL && strncmp(note.text, "my.json", 7) == 0, "%s: %s", rows[i].file,
              note.text);
        mock_stop(m);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every operation is served", every_operation_is_served},
        {"rerank puts the best first", rerank_puts_the_best_first},
        {"rerank pages as the file says", rerank_pages_as_the_file_says},
        {"native rerank bodies rank too", native_rerank_bodies_rank_too},
        {"retrieve finds what was meant", retrieve_finds_what_was_meant},
        {"retrieve pages to the end", retrieve_pages_to_the_end},
        {"filters hold", filters_hold},
        {"answers cite what they say", answers_cite_what_they_say},
        {"external sources are read", external_sources_are_read},
        {"the stream says the same", the_stream_says_the_same},
        {"scripts and errors work here too", scripts_and_errors_work_here_too},
        {"bad files are refused with a sentence", bad_files_are_refused_with_a_sentence},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_agent", tests);
}
