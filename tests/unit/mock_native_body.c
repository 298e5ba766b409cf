/* What stands deeper in a native body than its first members is judged too: every family, in the words of who says it, by
 * InvokeModel and CountTokens; each rule has its switch, and a lenient mock takes everything. */
#include "mock_rig.h"

#define MALFORMED(x) "Malformed input request" x ", please reformat your input and try again."

struct row {
    const char *model, *body, *text;
};

static const struct row wrong[] = {
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":\"x\"}",
     "messages: Input should be a valid list"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[]}",
     "messages: at least one message is required"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"assistant\",\"content\":\"hi\"}]}",
     "A conversation must start with a user message. Try again with a conversation that starts"
     " with a user message."},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"system\",\"content\":\"hi\"}]}",
     "messages.0.role: Input should be 'user' or 'assistant'"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"},\"x\"]}",
     "messages.1: Input should be a valid dictionary"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\"}]}",
     "messages.0.content: Field required"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":5}]}",
     "messages.0.content: Input should be a valid string or list"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":[{\"text\":\"hi\"}]}]}",
     "messages.0.content.0.type: Field required"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"\"}"
     "}]}]}",
     "messages.0.content.0.image.source.base64.media_type: Field required"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":[{\"type\":\"tool_result\"}]}]}",
     "messages.0.content.0.tool_result.tool_use_id: Field required"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":\"10\",\"messages\":[{\"rol"
     "e\":\"user\",\"content\":\"hi\"}]}",
     "max_tokens: Input should be a valid integer"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":0,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}]}",
     "max_tokens: Input should be greater than or equal to 1"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":4097,\"messages\":[{\"role"
     "\":\"user\",\"content\":\"hi\"}]}",
     "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maxim"
     "um tokens value that is lower than 4096."},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"temperature\":3}",
     "temperature: Input should be less than or equal to 1"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"top_p\":-0.5}",
     "top_p: Input should be greater than or equal to 0"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"top_k\":1.5}",
     "top_k: Input should be a valid integer"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"2023-06-01\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\""
     ",\"content\":\"hi\"}]}",
     "anthropic_version: Input should be 'bedrock-2023-05-31' or '2026-10-21'"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"stop_sequences\":\"x\"}",
     "stop_sequences: Input should be a valid list"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"system\":[{\"type\":\"image\"}]}",
     "system.0: Input tag 'image' found using 'type' does not match any of the expected tags: "
     "'text'"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"tools\":[{\"name\":\"a b\",\"input_schema\":{}}]}",
     "tools.0.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"tools\":[{\"name\":\"a\"}]}",
     "tools.0.input_schema: Field required"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"tool_choice\":{\"type\":\"tool\"}}",
     "tool_choice.tool.name: Field required"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"thinking\":{\"type\":\"enabled\"}}",
     "thinking.enabled.budget_tokens: Field required"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":100}}",
     "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":1024,\"messages\":[{\"role"
     "\":\"user\",\"content\":\"hi\"}],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":10"
     "24}}",
     "max_tokens: `max_tokens` must be greater than `thinking.budget_tokens`."},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
     MALFORMED(": #/messages/0/content: expected type: JSONArray, found: String")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}]}",
     MALFORMED(": #/messages/0/content/0: extraneous key [type] is not permitted")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\",\"image\":{}}]}]}",
     MALFORMED(": #/messages/0/content/0: 2 subschemas matched instead of one")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[]}",
     MALFORMED(": #/messages: expected minimum item count: 1, found: 0")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"foo\":1}",
     MALFORMED(": #: extraneous key [foo] is not permitted")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"max_tokens\":1}",
     MALFORMED(": #: extraneous key [max_tokens] is not permitted")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"text\":\"hi\"}]}]}",
     "A conversation must start with a user message. Try again with a conversation that starts"
     " with a user message."},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"inferenceConfig\":"
     "{\"maxTokens\":0}}",
     MALFORMED(": #/inferenceConfig/maxTokens: 0 is not greater or equal to 1")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"inferenceConfig\":"
     "{\"max_new_tokens\":\"9\"}}",
     MALFORMED(": #/inferenceConfig/max_new_tokens: expected type: Integer, found: String")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"inferenceConfig\":"
     "{\"temperature\":1.5}}",
     MALFORMED(": #/inferenceConfig/temperature: 1.5 is not less or equal to 1")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"inferenceConfig\":"
     "{\"top_p\":1}}",
     MALFORMED(": #/inferenceConfig: extraneous key [top_p] is not permitted")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"inferenceConfig\":"
     "{\"temperature\":2,\"topP\":2}}",
     MALFORMED(": 2 schema violations found")},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"inferenceConfig\":"
     "{\"maxTokens\":10001}}",
     "The maximum tokens you requested exceeds the model limit of 10000. Try again with a maxi"
     "mum tokens value that is lower than 10000."},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"toolConfig\":{\"to"
     "ols\":[]}}",
     MALFORMED(": #/toolConfig/tools: expected minimum item count: 1, found: 0")},
    {"amazon.titan-text-lite-v1",
     "{\"inputText\":\"a\",\"textGenerationConfig\":{\"maxTokenCount\":-1}}",
     MALFORMED(": #/textGenerationConfig/maxTokenCount: -1 is not greater or equal to 0")},
    {"amazon.titan-text-lite-v1",
     "{\"inputText\":\"a\",\"textGenerationConfig\":{\"temperature\":7}}",
     MALFORMED(": #/textGenerationConfig/temperature: 7 is not less or equal to 1")},
    {"amazon.titan-text-lite-v1",
     "{\"inputText\":[\"a\"]}",
     MALFORMED(": #/inputText: expected type: String, found: JSONArray")},
    {"openai.gpt-oss-20b-1%3A0",
     "{\"messages\":[]}",
     MALFORMED(": #/messages: expected minimum item count: 1, found: 0")},
    {"openai.gpt-oss-20b-1%3A0",
     "{\"messages\":[{\"role\":\"x\",\"content\":\"hi\"}]}",
     MALFORMED(": #/messages/0/role: x is not a valid enum value")},
    {"openai.gpt-oss-20b-1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_completion_tokens\":1.5}",
     MALFORMED(": #/max_completion_tokens: expected type: Integer, found: Double")},
    {"ai21.jamba-1-5-mini-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":4097}",
     MALFORMED(": #/max_tokens: 4097 is not less or equal to 4096")},
    {"ai21.jamba-1-5-mini-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"temperature\":2.5}",
     MALFORMED(": #/temperature: 2.5 is not less or equal to 2")},
    {"ai21.jamba-1-5-mini-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stop\":1}",
     MALFORMED(": #/stop: no subschema matched out of the total 2 subschemas")},
    {"us.deepseek.r1-v1%3A0",
     "{\"prompt\":\"a\",\"max_tokens\":32769}",
     MALFORMED(": #/max_tokens: 32769 is not less or equal to 32768")},
    {"us.deepseek.r1-v1%3A0",
     "{\"prompt\":\"a\",\"max_tokens\":0}",
     MALFORMED(": #/max_tokens: 0 is not greater or equal to 1")},
    {"us.deepseek.r1-v1%3A0",
     "{\"prompt\":\"a\",\"stop\":[\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\","
     "\"x\"]}",
     MALFORMED(": #/stop: expected maximum item count: 10, found: 11")},
    {"meta.llama3-8b-instruct-v1%3A0",
     "{\"prompt\":\"a\",\"temperature\":1.1}",
     MALFORMED(": #/temperature: 1.1 is not less or equal to 1")},
    {"meta.llama3-8b-instruct-v1%3A0",
     "{\"prompt\":\"a\",\"max_gen_len\":2049}",
     "The maximum tokens you requested exceeds the model limit of 2048. Try again with a maxim"
     "um tokens value that is lower than 2048."},
    {"mistral.mistral-7b-instruct-v0%3A2",
     "{\"prompt\":\"a\",\"stop\":\"x\"}",
     MALFORMED(": #/stop: expected type: JSONArray, found: String")},
    {"cohere.command-r-v1%3A0",
     "{\"message\":\"a\",\"chat_history\":[{\"role\":\"user\",\"message\":\"b\"}]}",
     MALFORMED(": #/chat_history/0/role: user is not a valid enum value")},
    {"cohere.command-text-v14",
     "{\"prompt\":\"a\",\"temperature\":6}",
     MALFORMED(": #/temperature: 6 is not less or equal to 5")},
    {"amazon.titan-embed-text-v1",
     "{\"inputText\":\"\"}",
     MALFORMED(": #/inputText: expected minLength: 1, actual: 0")},
    {"amazon.titan-embed-text-v1",
     "{\"inputText\":5}",
     MALFORMED(": #/inputText: expected type: String, found: Integer")},
    {"amazon.titan-embed-text-v2%3A0",
     "{\"inputText\":\"a\",\"dimensions\":300}",
     MALFORMED(": #/dimensions: 300 is not a valid enum value")},
    {"amazon.titan-embed-text-v2%3A0",
     "{\"inputText\":\"a\",\"embeddingTypes\":[\"int8\"]}",
     MALFORMED(": #/embeddingTypes/0: int8 is not a valid enum value")},
    {"amazon.titan-embed-image-v1",
     "{\"inputText\":\"a\",\"embeddingConfig\":{\"outputEmbeddingLength\":512}}",
     MALFORMED(": #/embeddingConfig/outputEmbeddingLength: 512 is not a valid enum value")},
    {"amazon.titan-embed-image-v1",
     "{}",
     MALFORMED(": #: required key [inputText] not found")},
    {"cohere.embed-english-v3",
     "{\"texts\":[\"a\"],\"input_type\":\"query\"}",
     MALFORMED(": #/input_type: query is not a valid enum value")},
    {"cohere.embed-english-v3",
     "{\"texts\":[\"a\"],\"input_type\":\"search_query\",\"truncate\":\"LEFT\"}",
     MALFORMED(": #/truncate: LEFT is not a valid enum value")},
    {"cohere.embed-english-v3",
     "{\"texts\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a"
     "\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
     "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a"
     "\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
     "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a"
     "\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
     "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"],\"input_type\":"
     "\"search_query\"}",
     MALFORMED(": #/texts: expected maximum item count: 96, found: 97")},
    {"cohere.embed-english-v3",
     "{\"texts\":[],\"input_type\":\"search_query\"}",
     MALFORMED(": #/texts: expected minimum item count: 1, found: 0")},
    {"us.cohere.embed-v4%3A0",
     "{\"texts\":[\"a\"],\"input_type\":\"search_query\",\"output_dimension\":100}",
     MALFORMED(": #/output_dimension: 100 is not a valid enum value")},
    {"amazon.nova-2-multimodal-embeddings-v1%3A0",
     "{\"taskType\":\"SINGLE_EMBEDDING\",\"singleEmbeddingParams\":{\"embeddingPurpose\":\"GEN"
     "ERIC_INDEX\",\"embeddingDimension\":5,\"text\":{\"value\":\"a\"}}}",
     MALFORMED(": #/singleEmbeddingParams/embeddingDimension: 5 is not a valid enum value")},
    {"cohere.rerank-v3-5%3A0",
     "{\"query\":\"a\",\"documents\":[],\"api_version\":2}",
     MALFORMED(": #/documents: expected minimum item count: 1, found: 0")},
};
static const struct row right[] = {
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"2026-10-21\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\""
     ",\"content\":\"hi\"}]}", NULL},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ep"
     "hemeral\"}}]}],\"system\":\"x\",\"metadata\":{\"user_id\":\"u\"},\"temperature\":0,\"top"
     "_p\":1,\"top_k\":0,\"stop_sequences\":[]}", NULL},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}]}", NULL},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\","
     "\"id\":\"t\",\"name\":\"n\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\""
     "tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}]}]"
     ",\"tools\":[{\"name\":\"n\",\"input_schema\":{\"type\":\"object\"}},{\"type\":\"bash_202"
     "50124\",\"name\":\"bash\"}],\"tool_choice\":{\"type\":\"any\"}}", NULL},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":1024,\"messages\":[{\"role"
     "\":\"user\",\"content\":\"hi\"}],\"anthropic_beta\":[\"interleaved-thinking-2025-05-14\""
     "],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}}", NULL},
    {"us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"assistant\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}]}", NULL},
    {"anthropic.claude-3-haiku-20240307-v1%3A0",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":"
     "\"user\",\"content\":\"hi\"}],\"temperature\":null,\"stop_sequences\":null}", NULL},
    {"amazon.nova-lite-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"schemaVersion\":\""
     "messages-v1\",\"system\":[{\"text\":\"x\"},{\"cachePoint\":{\"type\":\"default\"}}],\"in"
     "ferenceConfig\":{\"max_new_tokens\":5,\"topK\":20,\"stopSequences\":[\"|\"]},\"toolConfi"
     "g\":{\"tools\":[{\"toolSpec\":{\"name\":\"n\",\"inputSchema\":{\"json\":{}}}}],\"toolCho"
     "ice\":{\"auto\":{}}}}", NULL},
    {"ai21.jamba-1-5-mini-v1%3A0",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":0,\"temperature\":"
     "2,\"stop\":\"x\"}", NULL},
    {"us.deepseek.r1-v1%3A0",
     "{\"prompt\":\"a\",\"max_tokens\":32768,\"stop\":[\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x"
     "\",\"x\",\"x\",\"x\"]}", NULL},
    {"openai.gpt-oss-20b-1%3A0",
     "{\"messages\":[{\"role\":\"developer\",\"content\":\"x\"},{\"role\":\"user\",\"content\""
     ":[{\"type\":\"text\",\"text\":\"a\"}]}],\"stop\":[\"x\"],\"anything\":1}", NULL},
    {"amazon.titan-embed-text-v2%3A0",
     "{\"inputText\":\"a\",\"dimensions\":512,\"embeddingTypes\":[\"float\",\"binary\"]}", NULL},
    {"cohere.embed-english-v3",
     "{\"texts\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a"
     "\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
     "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a"
     "\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
     "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a"
     "\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
     "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"],\"input_type\":\"sear"
     "ch_query\"}", NULL},
};

static struct reply invoke(struct mock *m, const char *model, const char *body)
{
    char path[256];
    (void)snprintf(path, sizeof path, "/model/%s/invoke", model);
    return ask(m, path, body);
}

static void each_family_says_what_is_wrong_inside(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CLEANUP(reply_release) struct reply r = invoke(m, wrong[i].model, wrong[i].body);
        CLAIM(r.status == 400 && strcmp(text_at(r.json, "/message"), wrong[i].text) == 0, "%s %s: %d %s",
              wrong[i].model, wrong[i].body, r.status, buf_text(&r.body));
    }
}

static void what_is_documented_goes_through(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(right); i++) {
        CLEANUP(reply_release) struct reply r = invoke(m, right[i].model, right[i].body);
        CLAIM(r.status == 200, "%s %s: %d %s", right[i].model, right[i].body, r.status, buf_text(&r.body));
    }
}

static void takes_all_that_is_wrong(const struct mock_config *config)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(config);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CLEANUP(reply_release) struct reply r = invoke(m, wrong[i].model, wrong[i].body);
        CLAIM(r.status == 200, "%s %s: %d %s", wrong[i].model, wrong[i].body, r.status, buf_text(&r.body));
    }
}

static void lenient_mocks_take_what_strict_ones_refuse(void)
{
    struct mock_config config = {.seed = 1, .validation = MOCK_VALIDATION_LENIENT};
    takes_all_that_is_wrong(&config);
}

static void each_rule_has_its_switch(void)
{
    static const char *const ids[] = {"native-members",    "native-texts",      "native-claude-members",
                                      "native-thinking",   "native-start-user", "native-max-tokens",
                                      "native-schema",     NULL};
    struct mock_config config = {.seed = 1, .rules_off = ids};
    takes_all_that_is_wrong(&config);
}

static void bodies_to_be_counted_are_judged_alike(void)
{
    static const char inner[] = "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":\"x\",\"messages\":[]}";
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    buf_adds(&body, "{\"input\":{\"invokeModel\":{\"body\":\"");
    buf_add_base64(&body, span_of(inner));
    buf_adds(&body, "\"}}}");
    CLEANUP(reply_release) struct reply r = ask(m, "/model/" HAIKU "/count-tokens", buf_text(&body));
    CLAIM(r.status == 400 && strcmp(text_at(r.json, "/message"), "max_tokens: Input should be a valid integer") == 0,
          "%d %s", r.status, buf_text(&r.body));
}

static void titan_embeds_no_more_than_its_context(void)
{
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t words = 4000; words <= 40000; words *= 10) {
        CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
        buf_adds(&body, "{\"inputText\":\"");
        for (size_t i = 0; i < words; i++)
            buf_adds(&body, "word ");
        buf_adds(&body, "\"}");
        CLEANUP(reply_release) struct reply r = invoke(m, "amazon.titan-embed-text-v1", buf_text(&body));
        const char *wanted = words > 8192 ? "Input is too long for requested model." : "";
        CLAIM(r.status == (words > 8192 ? 400 : 200) && strcmp(text_at(r.json, "/message"), wanted) == 0, "%zu: %d %.200s",
              words, r.status, buf_text(&r.body));
    }
}

static void models_are_asked_what_they_are_for(void)
{
#define NOT_THIS "This action doesn't support the model that you provided. Try again with a supported text or chat model."
#define NO_COUNT "The provided model doesn't support counting tokens."
    static const struct {
        const char *path, *body, *text; /* text NULL: it answers */
    } rows[] = {
        {"/model/luma.ray-v2%3A0/invoke", "{\"prompt\":\"a cat\"}", NOT_THIS},
        {"/model/amazon.nova-reel-v1%3A1/invoke", "{\"taskType\":\"TEXT_VIDEO\"}", NOT_THIS},
        {"/model/amazon.nova-sonic-v1%3A0/invoke", "{\"messages\":[]}", NOT_THIS},
        {"/model/amazon.nova-2-sonic-v1%3A0/invoke-with-response-stream", "{}", NOT_THIS},
        {"/model/twelvelabs.marengo-embed-2-7-v1%3A0/invoke", "{\"inputType\":\"text\",\"inputText\":\"a\"}", NULL},
        {"/model/twelvelabs.pegasus-1-2-v1%3A0/invoke", "{\"inputPrompt\":\"a\",\"mediaSource\":{}}", NULL},
        {"/model/amazon.titan-embed-text-v2%3A0/count-tokens",
         "{\"input\":{\"invokeModel\":{\"body\":\"eyJpbnB1dFRleHQiOiJhIn0=\"}}}", NO_COUNT},
        {"/model/cohere.embed-english-v3/count-tokens",
         "{\"input\":{\"converse\":{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}}}", NO_COUNT},
        {"/model/cohere.rerank-v3-5%3A0/count-tokens", "{\"input\":{\"converse\":{\"messages\":[]}}}", NO_COUNT},
        {"/model/" HAIKU "/count-tokens",
         "{\"input\":{\"converse\":{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}}}", NULL},
    };
    for (int lenient = 0; lenient < 2; lenient++) {
        struct mock_config config = {.seed = 1,
                                     .validation = lenient ? MOCK_VALIDATION_LENIENT : MOCK_VALIDATION_STRICT};
        CLEANUP(rig_stop) struct mock *m = rig_start(&config);
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            CLEANUP(reply_release) struct reply r = ask(m, rows[i].path, rows[i].body);
            const char *text = lenient || rows[i].text == NULL ? "" : rows[i].text;
            CLAIM(r.status == (text[0] != '\0' ? 400 : 200) && strcmp(text_at(r.json, "/message"), text) == 0,
                  "%s %s: %d %s", rows[i].path, rows[i].body, r.status, buf_text(&r.body));
        }
    }
}

/* BlobStream of the API model: a chunk is of at most 1,000,000 bytes. */
static void no_chunk_is_larger_than_a_megabyte(void)
{
    static const struct {
        const char *path, *body;
    } rows[] = {
        {"/model/" HAIKU "/invoke-with-response-stream",
         "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":"
         "\"hi\"}]}"},
        {"/model/meta.llama3-8b-instruct-v1%3A0/invoke-with-response-stream", "{\"prompt\":\"hi\"}"},
        {"/model/amazon.nova-lite-v1%3A0/invoke-with-response-stream",
         "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}"},
    };
    struct mock_config config = {.seed = 1};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf reply = BUF_INIT(BUF_ANY);
        buf_adds(&reply, "{\"replies\":[{\"reply\":{\"content\":[{\"text\":\"x\",\"$deltas\":[\"");
        for (size_t k = 0; k < 400000; k++)
            buf_adds(&reply, "\\u0001\xc3\xbc");
        buf_adds(&reply, "\"]}]}}]}");
        script(m, buf_text(&reply));
        CLEANUP(reply_release) struct reply r = ask(m, rows[i].path, rows[i].body);
        enum es_error end;
        CLEANUP(json_free) cJSON *events = events_of(&r.body, &end);
        const cJSON *e;
        size_t said = 0, most = 0;
        cJSON_ArrayForEach(e, events)
        {
            CLEANUP(buf_release) struct buf object = BUF_INIT(BUF_ANY);
            CLAIM(buf_add_unbase64(&object, span_of(text_at(e, "/payload/bytes"))) == OK, "no base64");
            most = object.len > most ? object.len : most;
            for (size_t k = 1; k < object.len; k++) /* not strstr: sanitizers measure all of it each time */
                said += (unsigned char)object.data[k - 1] == 0xc3 && (unsigned char)object.data[k] == 0xbc;
        }
        CLAIM(r.status == 200 && end == ES_OK && most <= 1000000 && said == 400000, "%s: %d, end %d, %zu bytes, %zu said",
              rows[i].path, r.status, (int)end, most, said);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"each family says what is wrong inside", each_family_says_what_is_wrong_inside},
        {"what is documented goes through", what_is_documented_goes_through},
        {"lenient mocks take what strict ones refuse", lenient_mocks_take_what_strict_ones_refuse},
        {"each rule has its switch", each_rule_has_its_switch},
        {"bodies to be counted are judged alike", bodies_to_be_counted_are_judged_alike},
        {"Titan embeds no more than its context", titan_embeds_no_more_than_its_context},
        {"models are asked what they are for", models_are_asked_what_they_are_for},
        {"no chunk is larger than a megabyte", no_chunk_is_larger_than_a_megabyte},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_native_body", tests);
}
