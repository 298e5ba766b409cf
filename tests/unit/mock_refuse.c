/* What the mock refuses, in whose words: routing, signatures and keys, constraints, models, the rules beside the API
 * model. */
#include "mock_rig.h"

#define SONNET45  "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
#define LLAMA31   "/model/meta.llama3-1-8b-instruct-v1%3A0/converse"
#define USER(c)   "{\"role\":\"user\",\"content\":[" c "]}"
#define BOT(c)    "{\"role\":\"assistant\",\"content\":[" c "]}"
#define T(t)      "{\"text\":\"" t "\"}"
#define USE(id)   "{\"toolUse\":{\"toolUseId\":\"" id "\",\"name\":\"t\",\"input\":{}}}"
#define RES(id)   "{\"toolResult\":{\"toolUseId\":\"" id "\",\"content\":[" T("ok") "]}}"
#define DOC(name) "{\"document\":{\"name\":\"" name "\",\"format\":\"txt\",\"source\":{\"bytes\":\"aGk=\"}}}"
#define IMG       "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"aGk=\"}}}"
#define POINT     "{\"cachePoint\":{\"type\":\"default\"}}"
#define HOUR      "{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}"
#define TOOLS                                                                                                          \
    "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"t\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]}"
#define M(m)     "{\"messages\":[" m "]}"
#define MX(m, x) "{\"messages\":[" m "]," x "}"
#define I4       IMG "," IMG "," IMG "," IMG
#define I20      I4 "," I4 "," I4 "," I4 "," I4

#define POINTED  "{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\"}}"
#define S3       "{\"image\":{\"format\":\"png\",\"source\":{\"s3Location\":{\"uri\":\"s3://bucket/a.png\"}}}}"
#define GAVE(j)  "{\"toolResult\":{\"toolUseId\":\"x\",\"content\":[{\"json\":" j "}]}}"
#define FIELDS(f) MX(USER(T("a")), "\"additionalModelRequestFields\":{" f "}")
#define NOVA     "/model/amazon.nova-lite-v1%3A0/converse"
#define LLAMA4   "/model/us.meta.llama4-scout-17b-instruct-v1%3A0/converse"
#define OSS      "/model/openai.gpt-oss-20b-1%3A0/invoke"
#define ARN      "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3A"
#define PROMPT   ARN "prompt%2FABCDEFGHIJ%3A1/converse"
#define PROFILE  ARN "application-inference-profile%2Fabc123/converse"

#define NO_STREAM         "The model is unsupported for streaming."
#define NO_FIELD(f)       "This model doesn't support the " f " field. Remove " f " and try again."
#define NOT_OF_PROMPT(f)  "The " f " field can't be given when the model is a prompt. Remove " f " and try again."
#define NO_CONVERSE                                                                                                    \
    "This action doesn't support the model that you provided. Try again with a supported text or chat model."
#define MODEL_INVALID "The provided model identifier is invalid."
#define START_USER                                                                                                     \
    "A conversation must start with a user message. Try again with a conversation that starts with a user message."
#define ALTERNATE                                                                                                      \
    "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between "   \
    "user and assistant roles and try again."
#define BLANK(at)                                                                                                      \
    "The text field in the ContentBlock object at " at " is blank. Add text to the text field, and try again."
#define EMPTY(at)                                                                                                      \
    "The content field in the Message object at " at " is empty. Add a ContentBlock object to the content field and "  \
    "try again."
#define TOO_MANY(at) "The number of toolResult blocks at " at " exceeds the number of toolUse blocks of previous turn."
#define TOOL_CONFIG  "The toolConfig field must be defined when using toolUse and toolResult content blocks."
#define DOC_NAME                                                                                                       \
    "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, "   \
    "and square brackets. The name can't contain more than one consecutive whitespace character. Check that the file " \
    "name conforms to these restrictions and retry your request."
#define DOC_TWICE "Messages can't contain duplicate document names. Rename the document and retry your request."
#define RETURNED  "The model returned the following errors: "
#define ONE       "1 validation error detected: "
#define FAILED    " failed to satisfy constraint: "

struct row {
    const char *path, *body;
    const char *text; /* NULL: answered */
    int status;       /* 0: 400 */
    const char *type; /* NULL: ValidationException */
};

static const struct row rows[] = {
    /* the model */
    {"/model/claude/converse", HELLO, MODEL_INVALID, 0, NULL},
    {"/model/nobody.knows-v1%3A0/converse", HELLO, MODEL_INVALID, 0, NULL},
    {"/model/us.nobody.knows-v1%3A0/converse", HELLO, MODEL_INVALID, 0, NULL},
    {"/model/anthropic.claude-of-tomorrow-v9%3A0/converse", HELLO, NULL, 0, NULL},
    {"/model/mars.anthropic.claude-3-haiku-20240307-v1%3A0/converse", HELLO, NULL, 0, NULL},
    {"/model/anthropic.claude-3-haiku-20240307-v1:0/converse", HELLO, NULL, 0, NULL},
    {"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc123/converse", HELLO,
     NULL, 0, NULL},
    {"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fanthropic.claude-3-haiku-20240307-v1%3A0/converse",
     HELLO, NULL, 0, NULL},
    {"/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse", HELLO,
     "Invocation of model ID anthropic.claude-sonnet-4-5-20250929-v1:0 with on-demand throughput isn\xe2\x80\x99t "
     "supported. Retry your request with the ID or ARN of an inference profile that contains this model.",
     0, NULL},
    {SONNET45, HELLO, NULL, 0, NULL},
    {"/model/ai21.j2-mid-v1/converse-stream", HELLO, "The model is unsupported for streaming.", 0, NULL},
    {"/model/ai21.j2-mid-v1/converse", HELLO, NULL, 0, NULL},
    {"/model/meta.llama3-1-8b-instruct-v1%3A0/converse-stream", MX(USER(T("hi")), TOOLS),
     "This model doesn't support tool use in streaming mode.", 0, NULL},
    {LLAMA31, MX(USER(T("hi")), TOOLS), NULL, 0, NULL},
    {CONVERSE, MX(USER(T("hi")), "\"inferenceConfig\":{\"maxTokens\":4097}"),
     "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is "
     "lower than 4096.",
     0, NULL},
    {CONVERSE, MX(USER(T("hi")), "\"inferenceConfig\":{\"maxTokens\":4096}"), NULL, 0, NULL},
    {SONNET45, MX(USER(T("hi")), "\"inferenceConfig\":{\"temperature\":0.5,\"topP\":0.5}"),
     RETURNED "`temperature` and `top_p` cannot both be specified for this model. Please use only one.", 0, NULL},
    {CONVERSE, MX(USER(T("hi")), "\"inferenceConfig\":{\"temperature\":0.5,\"topP\":0.5}"), NULL, 0, NULL},
    {LLAMA31, M(USER(T("see") "," IMG)),
     "This model doesn't support the image content block that you provided. Update the content block and try again.", 0,
     NULL},
    /* turns */
    {CONVERSE, "{}", START_USER, 0, NULL},
    {CONVERSE, M(""), START_USER, 0, NULL},
    {CONVERSE, M(BOT(T("hi"))), START_USER, 0, NULL},
    {SONNET45, M(BOT(T("hi")) "," USER(T("hi"))), NULL, 0, NULL},
    {CONVERSE, M(USER(T("a")) "," USER(T("b"))), ALTERNATE, 0, NULL},
    {SONNET45, M(USER(T("a")) "," USER(T("b"))), NULL, 0, NULL},
    {CONVERSE, M(USER(T("a")) "," BOT(T("b")) "," BOT(T("c"))), ALTERNATE, 0, NULL},
    {CONVERSE, M(USER("")), EMPTY("messages.0"), 0, NULL},
    {CONVERSE, M(USER(T("a")) "," BOT("") "," USER(T("c"))), EMPTY("messages.1"), 0, NULL},
    {CONVERSE, M(USER(T("a") "," T(" \\n"))), BLANK("messages.0.content.1"), 0, NULL},
    {CONVERSE, M(USER(T(""))), BLANK("messages.0.content.0"), 0, NULL},
    /* tools */
    {CONVERSE, M(USER(T("a")) "," BOT(USE("x")) "," USER(RES("x"))), TOOL_CONFIG, 0, NULL},
    {CONVERSE, MX(USER(T("a")) "," BOT(USE("x")) "," USER(RES("x")), TOOLS), NULL, 0, NULL},
    {CONVERSE, MX(USER(T("a")) "," BOT(T("b")) "," USER(RES("x")), TOOLS), TOO_MANY("messages.2.content"), 0, NULL},
    {CONVERSE, MX(USER(RES("x")), TOOLS), TOO_MANY("messages.0.content"), 0, NULL},
    {CONVERSE, MX(USER(T("a")) "," BOT(USE("x")) "," USER(RES("x") "," RES("y")), TOOLS),
     TOO_MANY("messages.2.content"), 0, NULL},
    {CONVERSE, MX(USER(T("a")) "," BOT(USE("x") "," USE("y")) "," USER(RES("y")), TOOLS),
     "Expected toolResult blocks at messages.2.content for the following Ids: x", 0, NULL},
    {CONVERSE, MX(USER(T("a")) "," BOT(USE("x") "," USE("y")) "," USER(T("no")), TOOLS),
     "Expected toolResult blocks at messages.2.content for the following Ids: x, y", 0, NULL},
    {LLAMA31, MX(USER(T("a")) "," BOT(USE("x")) "," USER(RES("x") "," T("and")), TOOLS),
     "messages.2.content: Conversation blocks and tool result blocks cannot be provided in the same turn.", 0, NULL},
    {CONVERSE, MX(USER(T("a")) "," BOT(USE("x")) "," USER(RES("x") "," T("and")), TOOLS), NULL, 0, NULL},
    {CONVERSE,
     MX(USER(T("a")) "," BOT(USE("x")) "," USER(
            "{\"toolResult\":{\"toolUseId\":\"x\",\"content\":[" T("k") ",{\"json\":[1]}]}}"),
        TOOLS),
     "The format of the value at messages.2.content.0.toolResult.content.1.json is invalid. Provide a json object for "
     "the "
     "field and try again.",
     0, NULL},
    {CONVERSE, MX(USER(T("a")) "," BOT(USE("x")) "," USER(GAVE("{\"a\":[{\"__type\":\"b\"}]}")), TOOLS),
     "The format of the value at messages.2.content.0.toolResult.content.0.json is invalid. Provide a json object for "
     "the field and try again.",
     0, NULL},
    {CONVERSE, MX(USER(T("a")) "," BOT(USE("x")) "," USER(GAVE("{\"a\":[{\"_type\":\"__type\"}]}")), TOOLS), NULL, 0, NULL},
    {CONVERSE,
     MX(USER(T("a")) "," BOT(USE("x")) "," USER(
            "{\"toolResult\":{\"toolUseId\":\"x\",\"content\":[],\"status\":\"error\"}}"),
        TOOLS),
     "The content field at messages.2.content.0.toolResult cannot be empty when status value is error.", 0, NULL},
    /* documents, images, cache points */
    {CONVERSE, M(USER(T("a") "," DOC("a.txt"))), DOC_NAME, 0, NULL},
    {CONVERSE, M(USER(T("a") "," DOC("a  b"))), DOC_NAME, 0, NULL},
    {CONVERSE, M(USER(T("a") "," DOC("a\\tb"))), DOC_NAME, 0, NULL},
    {CONVERSE,
     M(USER(T("a") "," DOC("a\xe3\x80\x80"
                           "b"))),
     DOC_NAME, 0, NULL},
    {CONVERSE, M(USER(T("a") "," DOC("Q3_report [final] (2)-b"))), NULL, 0, NULL},
    {CONVERSE, M(USER(T("a") "," DOC("x") "," DOC("x"))), DOC_TWICE, 0, NULL},
    {CONVERSE, M(USER(DOC("x"))), "A text block must be included when using documents.", 0, NULL},
    {CONVERSE, M(USER(I20 "," T("see"))), NULL, 0, NULL},
    {CONVERSE, M(USER(I20 "," IMG "," T("see"))), RETURNED "messages: too many images: image_count > 20", 0, NULL},
    {CONVERSE, M(USER(T("a") "," POINT "," POINT "," POINT "," POINT "," POINT)),
     RETURNED "A maximum of 4 blocks with cache_control may be provided. Found 5.", 0, NULL},
    {"/model/" HAIKU "/invoke",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[" POINTED
     "," POINTED "," POINTED "," POINTED "," POINTED "]}]}",
     "A maximum of 4 blocks with cache_control may be provided. Found 5.", 0, NULL},
    {CONVERSE, MX(USER(T("a") "," HOUR), "\"system\":[" T("s") "," POINT "]"),
     RETURNED
     "messages.0.content.1.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
     "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, `messages`.",
     0, NULL},
    {CONVERSE, M(USER(T("a") "," HOUR "," T("b") "," POINT)), NULL, 0, NULL},
    {CONVERSE, M(USER(T("a") "," S3)), NO_FIELD("s3Uri"), 0, NULL},
    {LLAMA4, M(USER(T("a") "," S3)), NULL, 0, NULL}, /* by --rule s3-others only */
    {NOVA, M(USER(T("a") "," S3)), NULL, 0, NULL},
    /* additionalModelRequestFields */
    {CONVERSE, FIELDS("\"nope\":1"), RETURNED "nope: Extra inputs are not permitted", 0, NULL},
    {STREAM, FIELDS("\"top_k\":5,\"nope\":1"), RETURNED "nope: Extra inputs are not permitted", 0, NULL},
    {SONNET45, FIELDS("\"inferenceConfig\":{\"topK\":5}"), RETURNED "inferenceConfig: Extra inputs are not permitted", 0,
     NULL},
    {SONNET45,
     FIELDS("\"top_k\":5,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048},\"anthropic_beta\":[\"b\"],"
            "\"metadata\":{\"user_id\":\"u\"},\"output_config\":{\"effort\":\"low\"}"),
     NULL, 0, NULL},
    {CONVERSE, FIELDS("\"reasoning_config\":{\"type\":\"enabled\",\"budget_tokens\":2048}"), NULL, 0, NULL},
    {LLAMA31, FIELDS("\"nope\":1"),
     RETURNED "Malformed input request: #: extraneous key [nope] is not permitted, please reformat your input and try "
              "again.",
     0, NULL},
    {LLAMA31, FIELDS("\"nope\":1,\"neither\":2"),
     RETURNED "Malformed input request: 2 schema violations found, please reformat your input and try again.", 0, NULL},
    {LLAMA31, FIELDS("\"max_gen_len\":9"), NULL, 0, NULL},
    {NOVA, FIELDS("\"inferenceConfig\":{\"topK\":5}"), NULL, 0, NULL},
    {NOVA, FIELDS("\"nope\":1"), NULL, 0, NULL}, /* what it takes is not known */
    {PROFILE, FIELDS("\"nope\":1"), NULL, 0, NULL},
    /* prompts: what they hold is not given anew */
    {PROMPT, HELLO, NULL, 0, NULL},
    {PROMPT, "{\"promptVariables\":{\"a\":{\"text\":\"b\"}}}", NULL, 0, NULL},
    {PROMPT, MX(USER(T("a")), "\"inferenceConfig\":{\"maxTokens\":9}"), NOT_OF_PROMPT("inferenceConfig"), 0, NULL},
    {PROMPT, MX(USER(T("a")), "\"system\":[" T("s") "]"), NOT_OF_PROMPT("system"), 0, NULL},
    {PROMPT, MX(USER(T("a")), TOOLS), NOT_OF_PROMPT("toolConfig"), 0, NULL},
    {PROMPT, FIELDS("\"top_k\":5"), NOT_OF_PROMPT("additionalModelRequestFields"), 0, NULL},
    /* models that do not converse, or do not stream */
    {"/model/amazon.titan-embed-text-v2%3A0/converse", HELLO, NO_CONVERSE, 0, NULL},
    {"/model/cohere.embed-english-v3/converse-stream", HELLO, NO_CONVERSE, 0, NULL},
    {"/model/amazon.nova-canvas-v1%3A0/converse", HELLO, NO_CONVERSE, 0, NULL},
    {"/model/stability.sd3-5-large-v1%3A0/converse", HELLO, NO_CONVERSE, 0, NULL},
    {"/model/cohere.rerank-v3-5%3A0/converse", HELLO, NO_CONVERSE, 0, NULL},
    {"/model/amazon.nova-sonic-v1%3A0/converse", HELLO, NO_CONVERSE, 0, NULL},
    {"/model/amazon.titan-embed-text-v2%3A0/invoke-with-response-stream", "{\"inputText\":\"a\"}", NO_STREAM, 0, NULL},
    {"/model/amazon.titan-embed-text-v2%3A0/invoke", "{\"inputText\":\"a\"}", NULL, 0, NULL},
    {"/model/amazon.nova-canvas-v1%3A0/invoke-with-response-stream",
     "{\"taskType\":\"TEXT_IMAGE\",\"textToImageParams\":{\"text\":\"a\"}}", NO_STREAM, 0, NULL},
    {"/model/ai21.j2-mid-v1/invoke-with-response-stream", "{\"prompt\":\"a\"}", NO_STREAM, 0, NULL},
    /* the model of a native body */
    {OSS, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"model\":\"openai.gpt-oss-20b-1:0\"}", NULL, 0, NULL},
    {OSS, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"model\":\"openai.gpt-oss-120b-1:0\"}",
     "The model openai.gpt-oss-120b-1:0 of the request body is not the model of the request.", 0, NULL},
    /* constraints of the API model */
    {CONVERSE, MX(USER(T("a")), "\"inferenceConfig\":{\"temperature\":1.5}"),
     ONE "Value '1.5' at 'inferenceConfig.temperature'" FAILED "Member must have value less than or equal to 1", 0,
     NULL},
    {CONVERSE, MX(USER(T("a")), "\"inferenceConfig\":{\"maxTokens\":0}"),
     ONE "Value '0' at 'inferenceConfig.maxTokens'" FAILED "Member must have value greater than or equal to 1", 0,
     NULL},
    {CONVERSE,
     MX(USER(T("a")), "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"a b\",\"inputSchema\":{\"json\":{}}}}]}"),
     ONE "Value 'a b' at 'toolConfig.tools.1.member.toolSpec.name'" FAILED
         "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+",
     0, NULL},
    {CONVERSE, M("{\"role\":\"robot\",\"content\":[" T("a") "]}"),
     ONE "Value 'robot' at 'messages.1.member.role'" FAILED
         "Member must satisfy enum value set: [user, assistant, system]",
     0, NULL},
    {CONVERSE, M("{\"role\":\"user\"}"),
     ONE "Value null at 'messages.1.member.content'" FAILED "Member must not be null", 0, NULL},
    {CONVERSE, MX(USER(T("a")), "\"system\":[{\"text\":\"\"}]"),
     ONE "Value '' at 'system.1.member.text'" FAILED "Member must have length greater than or equal to 1", 0, NULL},
};

static void refuses_in_the_words_of_bedrock(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        CLEANUP(reply_release) struct reply r = ask(m, row->path, row->body);
        if (row->text == NULL) {
            CLAIM(r.status == 200, "row %zu is refused: %s", i, buf_text(&r.body));
            continue;
        }
        CLAIM(r.status == (row->status == 0 ? 400 : row->status), "row %zu: status %d", i, r.status);
        CLAIM(strcmp(text_at(r.json, "/message"), row->text) == 0, "row %zu: %s", i, buf_text(&r.body));
        CLEANUP(buf_release) struct buf type = BUF_INIT(256);
        buf_addf(&type, "%s:http://internal.amazon.com/coral/com.amazon.bedrock/",
                 row->type == NULL ? "ValidationException" : row->type);
        CLAIM(strcmp(header(&r, "x-amzn-ErrorType"), buf_text(&type)) == 0, "row %zu: type %s", i,
              header(&r, "x-amzn-ErrorType"));
        CLAIM(strcmp(header(&r, "Content-Type"), "application/json") == 0, "row %zu: content type", i);
        CLAIM(strlen(header(&r, "x-amzn-RequestId")) == 36, "row %zu: request id", i);
    }
}

static void only_amazon_reads_s3_when_told(void)
{
    static const char *const on[] = {"s3-others", NULL};
    struct mock_config config = {.rules_on = on};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply llama = ask(m, LLAMA4, M(USER(T("a") "," S3)));
    CLEANUP(reply_release) struct reply nova = ask(m, NOVA, M(USER(T("a") "," S3)));
    CLAIM(strcmp(text_at(llama.json, "/message"), NO_FIELD("s3Uri")) == 0, "%s", buf_text(&llama.body));
    CLAIM(nova.status == 200, "%s", buf_text(&nova.body));
}

static void tells_all_broken_constraints_at_once(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release)
    struct reply r =
        ask(m, CONVERSE, MX(USER(T("a")), "\"inferenceConfig\":{\"temperature\":2,\"topP\":-1,\"maxTokens\":0}"));
    const char *text = text_at(r.json, "/message");
    CLAIM(strncmp(text, "3 validation errors detected: Value ", 36) == 0, "%s", text);
    CLAIM(strstr(text, "; Value '") != NULL, "%s", text);
}

static void knows_no_other_path(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        const char *method, *path;
        int status;
        const char *body;
    } paths[] = {
        {"POST", "/v2/chat/completions", 404, "<UnknownOperationException/>"},
        {"POST", "/model/" HAIKU "/nonsense", 404, "<UnknownOperationException/>"},
        {"GET", CONVERSE, 404, "<UnknownOperationException/>"},
        {"POST", "/model//converse", 404, "<UnknownOperationException/>"},
        {"POST", "/model/arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x.y/converse", 200,
         "{\"Output\":{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"},\"Version\":\"1.0\"}"},
    };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        bool get = strcmp(paths[i].method, "GET") == 0;
        CLEANUP(reply_release)
        struct reply r = fetch(mock_port(m), paths[i].method, paths[i].path, get ? "" : HELLO, NULL, &usual_key);
        CLAIM(r.status == paths[i].status, "%s: %d", paths[i].path, r.status);
        CLAIM(strcmp(buf_text(&r.body), paths[i].body) == 0, "%s: %s", paths[i].path, buf_text(&r.body));
    }
}

static void takes_json_only(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const char *const bodies[] = {"{", "hello", "[1,", "{\"messages\":[}", "{\"a\":1}x"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, bodies[i]);
        CLAIM(r.status == 400 && strncmp(header(&r, "x-amzn-ErrorType"), "SerializationException:", 23) == 0,
              "%s: %d %s", bodies[i], r.status, header(&r, "x-amzn-ErrorType"));
    }
}

/* ---- who may ask ---- */

static const struct key unsigned_key = {NULL, NULL, NULL, NULL, NULL, false, 0};
static const struct key stranger = {"AKIASTRANGEREXAMPLE1", "s", NULL, "bedrock", "us-east-1", false, 0};
static const struct key wrong_secret = {MOCK_DEFAULT_ACCESS_KEY, "wrong", NULL, "bedrock", "us-east-1", false, 0};
static const struct key wrong_service = {
    MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, "s3", "us-east-1", false, 0};
static const struct key late = {
    MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, "bedrock", "us-east-1", false, -900};
static const struct key with_token = {
    MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, "tok", "bedrock", "us-east-1", false, 0};
static const struct key good_bearer = {"ABSKgood", NULL, NULL, NULL, NULL, true, 0};
static const struct key bad_bearer = {"ABSKbad", NULL, NULL, NULL, NULL, true, 0};

#define AUTH_TYPE(name) name ":http://internal.amazon.com/coral/com.amazon.coral.service/"

struct auth_row {
    const struct key *key;
    int status[4]; /* lenient, strict, none, bearer */
    const char *type;
    const char *verdict;
};

static const struct auth_row auths[] = {
    {&usual_key, {200, 200, 200, 403}, NULL, "valid"},
    {&stranger, {200, 403, 200, 403}, "UnrecognizedClientException", "unknown-key"},
    {&wrong_secret, {403, 403, 200, 403}, "InvalidSignatureException", "signature"},
    {&wrong_service, {403, 403, 200, 403}, "InvalidSignatureException", "service"},
    {&late, {403, 403, 200, 403}, "InvalidSignatureException", "expired"},
    {&with_token, {403, 403, 200, 403}, "UnrecognizedClientException", "token"},
    {&unsigned_key, {403, 403, 200, 403}, NULL, "missing-auth"},
    {&good_bearer, {200, 200, 200, 200}, NULL, "valid"},
    {&bad_bearer, {200, 403, 200, 403}, "AccessDeniedException", "bearer"},
};

static void check_auth(struct mock *m, const struct auth_row *row, size_t mode)
{
    CLEANUP(reply_release)
    struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, row->key == &unsigned_key ? NULL : row->key);
    CLAIM(r.status == row->status[mode], "mode %zu, %s: status %d, %s", mode, row->verdict, r.status,
          buf_text(&r.body));
    if (r.status == 403 && row->type != NULL)
        CLAIM(strncmp(header(&r, "x-amzn-ErrorType"), row->type, strlen(row->type)) == 0, "mode %zu, %s: %s", mode,
              row->verdict, header(&r, "x-amzn-ErrorType"));
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    int last = cJSON_GetArraySize(json_at(j.json, "/entries")) - 1;
    char pointer[64];
    (void)snprintf(pointer, sizeof pointer, "/entries/%d/signature/verdict", last);
    CLAIM(strcmp(text_at(j.json, pointer), row->verdict) == 0, "mode %zu: verdict %s, not %s", mode,
          text_at(j.json, pointer), row->verdict);
}

static void judges_every_request_and_refuses_by_mode(void)
{
    static const enum mock_auth modes[] = {MOCK_AUTH_LENIENT, MOCK_AUTH_STRICT, MOCK_AUTH_NONE, MOCK_AUTH_BEARER};
    static const char *const bearers[] = {"ABSKgood"};
    for (size_t mode = 0; mode < COUNT_OF(modes); mode++) {
        struct mock_config config = {.auth = modes[mode], .bearer_keys = bearers, .bearer_key_count = 1};
        CLEANUP(rig_stop) struct mock *m = rig_start(&config);
        for (size_t i = 0; i < COUNT_OF(auths); i++)
            check_auth(m, &auths[i], mode);
    }
}

static void keeps_the_diagnosis_from_the_client(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct http_headers more;
    http_headers_init(&more);
    CLEANUP(reply_release) struct reply good = ask(m, CONVERSE, HELLO);
    CU_ASSERT_EQUAL(good.status, 200);
    struct key k = usual_key;
    sign(&more, mock_port(m), "POST", CONVERSE, span_of("{\"messages\": []}"), &k); /* another body than the one sent */
    CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, &more, NULL);
    http_headers_release(&more);
    CU_ASSERT_EQUAL(r.status, 403);
    CLAIM(strcmp(text_at(r.json, "/message"),
                 "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                 "Access Key and signing method. Consult the service documentation for details.") == 0,
          "%s", buf_text(&r.body));
    CLAIM(strcmp(header(&r, "x-amzn-ErrorType"), AUTH_TYPE("InvalidSignatureException")) == 0, "%s",
          header(&r, "x-amzn-ErrorType"));
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    const char *sentence = text_at(j.json, "/entries/1/signature/diagnosis/sentence");
    CLAIM(sentence[0] != '\0', "no diagnosis: %s", buf_text(&j.body));
    CLAIM(cJSON_IsNull(json_at(j.json, "/entries/1/valid")), "validity is not known when nobody looked");
}

static void spells_message_with_a_capital_for_bearer_keys(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &bad_bearer);
    CLAIM(strcmp(text_at(r.json, "/Message"), "Authentication failed: Please make sure your API Key is valid.") == 0,
          "%s", buf_text(&r.body));
}

static void knows_the_keys_it_is_given(void)
{
    static const struct mock_key keys[] = {{"AKIAOTHEREXAMPLE0001", "secret-1", NULL, NULL},
                                           {"ASIASESSIONEXAMPLE01", "secret-2", "session-token-2", NULL}};
    struct mock_config config = {.auth = MOCK_AUTH_STRICT, .keys = keys, .key_count = 2, .region = "eu-west-1"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct key good = {"AKIAOTHEREXAMPLE0001", "secret-1", NULL, "bedrock", "eu-west-1", false, 0};
    static const struct key session = {
        "ASIASESSIONEXAMPLE01", "secret-2", "session-token-2", "bedrock", "eu-west-1", false, 0};
    static const struct key no_token = {"ASIASESSIONEXAMPLE01", "secret-2", NULL, "bedrock", "eu-west-1", false, 0};
    static const struct key elsewhere = {"AKIAOTHEREXAMPLE0001", "secret-1", NULL, "bedrock", "us-east-1", false, 0};
    const struct {
        const struct key *key;
        int status;
    } tries[] = {{&good, 200}, {&session, 200}, {&no_token, 403}, {&elsewhere, 403}, {&usual_key, 403}};
    for (size_t i = 0; i < COUNT_OF(tries); i++) {
        CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, tries[i].key);
        CLAIM(r.status == tries[i].status, "try %zu: %d %s", i, r.status, buf_text(&r.body));
    }
}

/* ---- how much is refused ---- */

static void records_instead_of_refusing_when_told(void)
{
    struct mock_config config = {.validation = MOCK_VALIDATION_RECORD};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const char *const bodies[] = {
        "{",  "{}", M(USER("")),        M(BOT(T("x"))),
        "[]", "17", "{\"messages\":5}", "{\"messages\":[5,{\"role\":7,\"content\":{\"a\":[]}}],\"toolConfig\":[1]}"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        script(m, "{\"replies\":[{\"reply\":{\"text\":\"scripted\"}}]}");
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, bodies[i]);
        CLAIM(r.status == 200 && strstr(buf_text(&r.body), "scripted") != NULL, "%s: %s", bodies[i], buf_text(&r.body));
        CLEANUP(reply_release) struct reply d = ask(m, STREAM, bodies[i]);
        CLAIM(d.status == 200, "%s: the default answer: %s", bodies[i], buf_text(&d.body));
    }
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        char pointer[64];
        (void)snprintf(pointer, sizeof pointer, "/entries/%zu/valid", i);
        CLAIM(cJSON_IsFalse(json_at(j.json, pointer)), "%s counts as valid", bodies[i]);
    }
    CLAIM(strcmp(text_at(j.json, "/entries/2/refusal/message"), START_USER) == 0, "%s",
          text_at(j.json, "/entries/2/refusal/message"));
    CLAIM(strcmp(text_at(j.json, "/entries/2/refusal/rule"), "start-user") == 0, "%s",
          text_at(j.json, "/entries/2/refusal/rule"));
}

static void a_refused_request_takes_no_reply(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"scripted\"}}]}");
    CLEANUP(reply_release) struct reply semantic = ask(m, CONVERSE, M(BOT(T("x"))));
    CLEANUP(reply_release) struct reply signature = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &wrong_secret);
    CLEANUP(reply_release) struct reply good = ask(m, CONVERSE, HELLO);
    CU_ASSERT_EQUAL(semantic.status, 400);
    CU_ASSERT_EQUAL(signature.status, 403);
    CLAIM(strcmp(text_at(good.json, "/output/message/content/0/text"), "scripted") == 0, "%s", buf_text(&good.body));
}

static void records_models_nobody_knows_too(void)
{
    struct mock_config config = {.validation = MOCK_VALIDATION_RECORD};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const char *const paths[] = {"/model/nobody/converse", "/model/nobody/converse-stream",
                                        "/model/%25/converse", "/model/a%20b/converse"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        CLEANUP(reply_release) struct reply r = ask(m, paths[i], HELLO);
        CLAIM(r.status == 200, "%s: %d %s", paths[i], r.status, buf_text(&r.body));
        CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
        char pointer[64];
        (void)snprintf(pointer, sizeof pointer, "/entries/%zu/refusal/type", i);
        CLAIM(strcmp(text_at(j.json, pointer), "ValidationException") == 0, "%s is no reason to refuse", paths[i]);
    }
}

static void lenient_refuses_what_breaks_the_model_only(void)
{
    struct mock_config config = {.validation = MOCK_VALIDATION_LENIENT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply semantic = ask(m, CONVERSE, M(BOT(T("x"))));
    CLEANUP(reply_release) struct reply constraint = ask(m, CONVERSE, M("{\"role\":\"user\"}"));
    CU_ASSERT_EQUAL(semantic.status, 200);
    CU_ASSERT_EQUAL(constraint.status, 400);
}

static void rules_have_switches(void)
{
    static const char *const on[] = {"stop-sequences", NULL}, *const off[] = {"start-user", NULL};
    static const char *const nobody[] = {"start-users", NULL};
    struct mock_config config = {.rules_on = on, .rules_off = off};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply a = ask(m, CONVERSE, M(BOT(T("x"))));
    CU_ASSERT_EQUAL(a.status, 200);
    CLEANUP(reply_release)
    struct reply b = ask(m, LLAMA31, MX(USER(T("hi")), "\"inferenceConfig\":{\"stopSequences\":[\"x\"]}"));
    CLAIM(b.status == 400 && strstr(text_at(b.json, "/message"), "stopSequences") != NULL, "%s", buf_text(&b.body));
    struct mock_config wrong = {.rules_on = nobody};
    struct mock *none = NULL;
    struct note note = {""};
    CU_ASSERT_EQUAL(mock_start(&wrong, &none, &note), ERR_UNKNOWN);
    CLAIM(strstr(note.text, "did you mean start-user") != NULL, "%s", note.text);
    CU_ASSERT_PTR_NULL(none);
}

static void known_models_only_when_told(void)
{
    struct mock_config config = {.models = MOCK_MODELS_KNOWN};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply r = ask(m, "/model/anthropic.claude-of-tomorrow-v9%3A0/converse", HELLO);
    CLAIM(r.status == 400 && strcmp(text_at(r.json, "/message"), MODEL_INVALID) == 0, "%s", buf_text(&r.body));
    CLEANUP(reply_release) struct reply known = ask(m, CONVERSE, HELLO);
    CU_ASSERT_EQUAL(known.status, 200);
}

struct lines {
    char text[4096];
};

static void keep_line(void *ctx, const char *line)
{
    struct lines *l = ctx;
    size_t n = strlen(l->text);
    (void)snprintf(l->text + n, sizeof l->text - n, "%s\n", line);
}

static void logs_one_line_a_refusal_and_no_secret(void)
{
    struct lines lines = {""};
    static const struct key elsewhere = {
        MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, "bedrock", "eu-west-1", false, 0};
    static const struct key runtime = {
        MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, "bedrock-runtime", "us-east-1", false, 0};
    static const struct key of_dynamodb = {
        MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, "dynamodb", "us-east-1", false, 0};
    static const struct key nobody_knows = {"AKIAOFASTRANGER", "x", NULL, "bedrock", "us-east-1", false, 0};
    struct mock_config config = {.auth = MOCK_AUTH_STRICT, .region = "us-east-1", .log = keep_line, .log_ctx = &lines};
    struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply d = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &elsewhere);
    CLEANUP(reply_release) struct reply e = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &runtime);
    CLEANUP(reply_release) struct reply f = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &nobody_knows);
    CLEANUP(reply_release) struct reply g = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, NULL);
    CLEANUP(reply_release) struct reply a = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &wrong_secret);
    CLEANUP(reply_release) struct reply b = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &bad_bearer);
    CLEANUP(reply_release) struct reply c = ask(m, CONVERSE, M(BOT(T("x"))));
    CLEANUP(reply_release) struct reply h = fetch(mock_port(m), "GET", "/nowhere", "", NULL, NULL); /* unsigned, too */
    CLEANUP(reply_release) struct reply i = fetch(mock_port(m), "POST", "/", "{}", NULL, &of_dynamodb);
    mock_stop(m);
    CLAIM(strstr(lines.text, "GET /nowhere refused: no operation ") != NULL, "%s", lines.text);
    CLAIM(strstr(lines.text, "POST / refused: no operation ") != NULL, "%s", lines.text);
    CLAIM(strstr(lines.text, "POST / refused: service: signed for service 'dynamodb', which here is 'bedrock'") != NULL, "%s", lines.text);
    CLAIM(strstr(lines.text, "refused: signature: ") != NULL, "%s", lines.text);
    CLAIM(strstr(lines.text, "refused: bearer: nobody told this API key") != NULL, "%s", lines.text);
    CLAIM(strstr(lines.text, "refused: region: signed for region 'eu-west-1', where this mock is 'us-east-1'") != NULL, "%s", lines.text);
    CLAIM(strstr(lines.text, "refused: service: signed for service 'bedrock-runtime', which here is 'bedrock'") != NULL, "%s", lines.text);
    CLAIM(strstr(lines.text, "refused: unknown-key: nobody told the secret of access key AKIAOFASTRANGER;") != NULL, "%s", lines.text);
    CLAIM(strstr(lines.text, "refused: missing-auth: the request is not signed") != NULL, "%s", lines.text);
    CLAIM(strstr(lines.text, "must start with a user message") != NULL, "%s", lines.text);
    CLAIM(strstr(lines.text, "ABSKbad") == NULL, "the log holds a key: %s", lines.text);
    size_t n = 0;
    for (const char *p = lines.text; *p != '\0'; p++)
        n += *p == '\n';
    CLAIM(n == 10, "%zu lines:\n%s", n, lines.text);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"refuses in the words of Bedrock", refuses_in_the_words_of_bedrock},
        {"only Amazon reads S3, when told", only_amazon_reads_s3_when_told},
        {"tells all broken constraints at once", tells_all_broken_constraints_at_once},
        {"knows no other path", knows_no_other_path},
        {"takes JSON only", takes_json_only},
        {"judges every request and refuses by mode", judges_every_request_and_refuses_by_mode},
        {"keeps the diagnosis from the client", keeps_the_diagnosis_from_the_client},
        {"spells Message with a capital for bearer keys", spells_message_with_a_capital_for_bearer_keys},
        {"knows the keys it is given", knows_the_keys_it_is_given},
        {"records instead of refusing when told", records_instead_of_refusing_when_told},
        {"a refused request takes no reply", a_refused_request_takes_no_reply},
        {"records models nobody knows too", records_models_nobody_knows_too},
        {"lenient refuses what breaks the model only", lenient_refuses_what_breaks_the_model_only},
        {"rules have switches", rules_have_switches},
        {"known models only when told", known_models_only_when_told},
        {"logs one line a refusal and no secret", logs_one_line_a_refusal_and_no_secret},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_refuse", tests);
}
