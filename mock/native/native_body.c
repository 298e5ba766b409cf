/* native_body.c: the shapes, a family each; inner ones before what they are in.
 *
 * Where a provider's page gives no bound there is none here: a mock that invents a limit fails good programs. `top_k`
 * and the like are whole numbers from 0.
 */
#include "mock/native/native_body.h"

#define SHAPE(table)                                                                                                   \
    {                                                                                                                  \
        BODY_OPEN, NULL, NULL, BODY_ROWS(table)                                                                        \
    }
#define CLOSED(table)                                                                                                  \
    {                                                                                                                  \
        BODY_CLOSED, NULL, NULL, BODY_ROWS(table)                                                                      \
    }
#define UNION(table)                                                                                                   \
    {                                                                                                                  \
        BODY_UNION, NULL, NULL, BODY_ROWS(table)                                                                       \
    }
#define TAGGED(table)                                                                                                  \
    {                                                                                                                  \
        BODY_TAGGED, "type", NULL, BODY_ROWS(table)                                                                    \
    }
#define NEEDS_ONE(table, names)                                                                                        \
    {                                                                                                                  \
        BODY_OPEN, NULL, names, BODY_ROWS(table)                                                                       \
    }

/* A row that only says of which kinds a member is. */
#define OF(name, kinds)                                                                                                \
    {                                                                                                                  \
        name, kinds, false, 0, 0, NULL, NULL                                                                           \
    }
#define NEEDED(name, kinds)                                                                                            \
    {                                                                                                                  \
        name, kinds, true, 0, 0, NULL, NULL                                                                            \
    }
#define RANGE(name, kinds, least, most)                                                                                \
    {                                                                                                                  \
        name, kinds, false, least, most, NULL, NULL                                                                    \
    }
#define WORDS(name, kinds, words)                                                                                      \
    {                                                                                                                  \
        name, kinds, false, 0, 0, words, NULL                                                                          \
    }
#define INSIDE(name, kinds, shape)                                                                                     \
    {                                                                                                                  \
        name, kinds, false, 0, 0, NULL, shape                                                                          \
    }
#define UNIT(name)   RANGE(name, BODY_NUMBER, 0, 1)
#define COUNT(name)  RANGE(name, BODY_WHOLE, 0, BODY_MANY)
#define TOKENS(name) RANGE(name, BODY_WHOLE, 1, BODY_MANY)
#define GUARDRAIL    OF("amazon-bedrock-guardrailConfig", BODY_ANY) /* judged by itself */

/* ---- Claude: Messages ---- */

static const struct body_row image_base64[] = {NEEDED("media_type", BODY_TEXT), NEEDED("data", BODY_TEXT)};
static const struct body_row source_url[] = {NEEDED("url", BODY_TEXT)};
static const struct body_row source_file[] = {NEEDED("file_id", BODY_TEXT)};
static const struct body_row source_text[] = {NEEDED("data", BODY_TEXT)};
static const struct body_row source_content[] = {NEEDED("content", BODY_TEXT | BODY_LIST)};
static const struct body_shape as_base64 = SHAPE(image_base64), as_url = SHAPE(source_url),
                               as_file = SHAPE(source_file), as_text = SHAPE(source_text),
                               as_content = SHAPE(source_content);
static const struct body_row image_sources[] = {INSIDE("base64", BODY_OBJECT, &as_base64),
                                                INSIDE("url", BODY_OBJECT, &as_url),
                                                INSIDE("file", BODY_OBJECT, &as_file)};
static const struct body_row document_sources[] = {
    INSIDE("base64", BODY_OBJECT, &as_base64), INSIDE("text", BODY_OBJECT, &as_text),
    INSIDE("content", BODY_OBJECT, &as_content), INSIDE("url", BODY_OBJECT, &as_url),
    INSIDE("file", BODY_OBJECT, &as_file)};
static const struct body_shape image_source = TAGGED(image_sources), document_source = TAGGED(document_sources);

static const struct body_row block_text[] = {NEEDED("text", BODY_TEXT)};
static const struct body_row block_image[] = {{"source", BODY_OBJECT, true, 0, 0, NULL, &image_source}};
static const struct body_row block_document[] = {{"source", BODY_OBJECT, true, 0, 0, NULL, &document_source}};
static const struct body_row block_search[] = {NEEDED("source", BODY_TEXT), NEEDED("title", BODY_TEXT),
                                               NEEDED("content", BODY_LIST)};
static const struct body_row block_thinking[] = {NEEDED("thinking", BODY_TEXT), NEEDED("signature", BODY_TEXT)};
static const struct body_row block_redacted[] = {NEEDED("data", BODY_TEXT)};
static const struct body_row block_use[] = {NEEDED("id", BODY_TEXT), NEEDED("name", BODY_TEXT),
                                            NEEDED("input", BODY_OBJECT)};
static const struct body_shape is_text = SHAPE(block_text), is_image = SHAPE(block_image),
                               is_document = SHAPE(block_document), is_search = SHAPE(block_search),
                               is_thinking = SHAPE(block_thinking), is_redacted = SHAPE(block_redacted),
                               is_use = SHAPE(block_use);

/* A result may hold these. */
static const struct body_row inner_blocks[] = {
    INSIDE("text", BODY_OBJECT, &is_text),
    INSIDE("image", BODY_OBJECT, &is_image),
    INSIDE("document", BODY_OBJECT, &is_document),
    INSIDE("search_result", BODY_OBJECT, &is_search),
    OF("tool_reference", BODY_OBJECT),
};
static const struct body_shape inner_block = TAGGED(inner_blocks);
static const struct body_row block_result[] = {NEEDED("tool_use_id", BODY_TEXT),
                                               INSIDE("content", BODY_TEXT | BODY_LIST, &inner_block),
                                               OF("is_error", BODY_BOOL)};
static const struct body_shape is_result = SHAPE(block_result);

static const struct body_row blocks[] = {
    INSIDE("text", BODY_OBJECT, &is_text),
    INSIDE("image", BODY_OBJECT, &is_image),
    INSIDE("document", BODY_OBJECT, &is_document),
    INSIDE("search_result", BODY_OBJECT, &is_search),
    INSIDE("thinking", BODY_OBJECT, &is_thinking),
    INSIDE("redacted_thinking", BODY_OBJECT, &is_redacted),
    INSIDE("tool_use", BODY_OBJECT, &is_use),
    INSIDE("tool_result", BODY_OBJECT, &is_result),
    OF("server_tool_use", BODY_OBJECT),
    OF("web_search_tool_result", BODY_OBJECT),
    OF("web_fetch_tool_result", BODY_OBJECT),
    OF("code_execution_tool_result", BODY_OBJECT),
    OF("bash_code_execution_tool_result", BODY_OBJECT),
    OF("text_editor_code_execution_tool_result", BODY_OBJECT),
    OF("tool_search_tool_result", BODY_OBJECT),
    OF("mcp_tool_use", BODY_OBJECT),
    OF("mcp_tool_result", BODY_OBJECT),
    OF("container_upload", BODY_OBJECT),
};
static const struct body_shape block = TAGGED(blocks);
static const struct body_row system_blocks[] = {INSIDE("text", BODY_OBJECT, &is_text)};
static const struct body_shape system_block = TAGGED(system_blocks);

static const struct body_row claude_message_rows[] = {{"role", BODY_TEXT, true, 0, 0, "user|assistant", NULL},
                                                      {"content", BODY_TEXT | BODY_LIST, true, 0, 0, NULL, &block}};
static const struct body_shape claude_message = SHAPE(claude_message_rows);

static const struct body_row thinking_enabled[] = {{"budget_tokens", BODY_WHOLE, true, 1024, BODY_MANY, NULL, NULL}};
static const struct body_shape is_enabled = SHAPE(thinking_enabled);
static const struct body_row thinking_kinds[] = {INSIDE("enabled", BODY_OBJECT, &is_enabled),
                                                 OF("disabled", BODY_OBJECT), OF("adaptive", BODY_OBJECT)};
static const struct body_shape thinking = TAGGED(thinking_kinds);

static const struct body_row choice_tool_rows[] = {NEEDED("name", BODY_TEXT)};
static const struct body_shape choice_tool = SHAPE(choice_tool_rows);
static const struct body_row choice_rows[] = {OF("auto", BODY_OBJECT), OF("any", BODY_OBJECT), OF("none", BODY_OBJECT),
                                              INSIDE("tool", BODY_OBJECT, &choice_tool)};
static const struct body_shape choice = TAGGED(choice_rows);

/* Tools that have a type are Anthropic's own, and bring their schema along. */
static const struct body_row tool_rows[] = {NEEDED("name", BODY_NAME), OF("description", BODY_TEXT),
                                            OF("input_schema", BODY_OBJECT)};
static const struct body_shape tool = NEEDS_ONE(tool_rows, "input_schema|type");

#define MESSAGES                                                                                                       \
    {                                                                                                                  \
        "messages", BODY_LIST, true, 1, BODY_MANY, "at least one message is required", &claude_message                 \
    }
#define MESSAGES_REST                                                                                                  \
    INSIDE("system", BODY_TEXT | BODY_LIST, &system_block), UNIT("temperature"), UNIT("top_p"), COUNT("top_k"),        \
        OF("stop_sequences", BODY_TEXTS), INSIDE("tools", BODY_LIST, &tool),                                           \
        INSIDE("tool_choice", BODY_OBJECT, &choice), INSIDE("thinking", BODY_OBJECT, &thinking),                       \
        OF("metadata", BODY_OBJECT), OF("output_config", BODY_ANY), OF("output_format", BODY_ANY),                     \
        OF("context_management", BODY_ANY), OF("container", BODY_ANY), OF("mcp_servers", BODY_ANY),                    \
        OF("service_tier", BODY_ANY), OF("speed", BODY_ANY), OF("inference_geo", BODY_ANY),                            \
        OF("cache_control", BODY_ANY), GUARDRAIL
/* What the compatible endpoints have beside that, and take from a body that was a native one. */
#define MESSAGES_COMPAT                                                                                                \
    OF("stream", BODY_BOOL), MESSAGES_REST, OF("user_profile_id", BODY_ANY), OF("betas", BODY_ANY),                    \
        OF("anthropic_version", BODY_ANY), OF("anthropic_beta", BODY_ANY)
#define MESSAGES_MOST                                                                                                  \
    {                                                                                                                  \
        "max_tokens", BODY_WHOLE, true, 1, BODY_MANY, NULL, NULL                                                       \
    }

static const struct body_row claude_rows[] = {
    WORDS("anthropic_version", BODY_TEXT, "bedrock-2023-05-31|2026-10-21"), /* the second: Anthropic's AnthropicBedrock 2.12.0 */
    TOKENS("max_tokens"),
    {"messages", BODY_LIST, false, 1, BODY_MANY, "at least one message is required", &claude_message},
    OF("anthropic_beta", BODY_TEXTS),
    MESSAGES_REST};
static const struct body_row compat_rows[] = {NEEDED("model", BODY_TEXT), MESSAGES, MESSAGES_MOST,
                                              MESSAGES_COMPAT};
static const struct body_row compat_count_rows[] = {NEEDED("model", BODY_TEXT), MESSAGES, TOKENS("max_tokens"),
                                                    MESSAGES_COMPAT};
const struct body_shape body_claude = SHAPE(claude_rows), body_claude_compat = SHAPE(compat_rows),
                        body_claude_compat_count = SHAPE(compat_count_rows);

bool body_claude_overthinks(const cJSON *body)
{
    const cJSON *one, *given = json_member(body, "anthropic_beta"), *betas = cJSON_IsArray(given) ? given : NULL;
    const cJSON *most = json_member(body, "max_tokens");
    const cJSON *think = json_member(body, "thinking"), *budget = json_member(think, "budget_tokens");
    const char *type = json_str(think, "type");
    cJSON_ArrayForEach(one, betas)
    {
        if (cJSON_IsString(one) && strncmp(one->valuestring, "interleaved-thinking", 20) == 0)
            return false;
    }
    return type != NULL && strcmp(type, "enabled") == 0 && cJSON_IsNumber(budget) && cJSON_IsNumber(most) &&
           budget->valuedouble >= most->valuedouble;
}

/* ---- Claude: prompts ---- */

static const struct body_row claude_text_rows[] = {OF("prompt", BODY_TEXT), TOKENS("max_tokens_to_sample"),
                                                   UNIT("temperature"),     UNIT("top_p"),
                                                   COUNT("top_k"),          OF("stop_sequences", BODY_TEXTS)};
const struct body_shape body_claude_text = SHAPE(claude_text_rows);

/* ---- Amazon ---- */

static const struct body_row nova_block_rows[] = {OF("text", BODY_TEXT),
                                                  OF("image", BODY_OBJECT),
                                                  OF("video", BODY_OBJECT),
                                                  OF("audio", BODY_OBJECT),
                                                  OF("document", BODY_OBJECT),
                                                  OF("toolUse", BODY_OBJECT),
                                                  OF("toolResult", BODY_OBJECT),
                                                  OF("cachePoint", BODY_OBJECT),
                                                  OF("reasoningContent", BODY_OBJECT),
                                                  OF("guardContent", BODY_OBJECT),
                                                  OF("citationsContent", BODY_OBJECT),
                                                  OF("searchResult", BODY_OBJECT)};
static const struct body_shape nova_block = UNION(nova_block_rows);
static const struct body_row nova_system_rows[] = {OF("text", BODY_TEXT), OF("cachePoint", BODY_OBJECT),
                                                   OF("guardContent", BODY_OBJECT)};
static const struct body_shape nova_system = UNION(nova_system_rows);
static const struct body_row nova_message_rows[] = {{"role", BODY_TEXT, true, 0, 0, "user|assistant", NULL},
                                                    {"content", BODY_LIST, true, 1, BODY_MANY, NULL, &nova_block}};
static const struct body_shape nova_message = CLOSED(nova_message_rows);
static const struct body_row nova_config_rows[] = {TOKENS("maxTokens"), TOKENS("max_new_tokens"),
                                                   UNIT("temperature"), UNIT("topP"),
                                                   COUNT("topK"),       OF("stopSequences", BODY_TEXTS)};
static const struct body_shape nova_config = CLOSED(nova_config_rows);
static const struct body_row nova_spec_rows[] = {NEEDED("name", BODY_NAME), OF("description", BODY_TEXT),
                                                 NEEDED("inputSchema", BODY_OBJECT)};
static const struct body_shape nova_spec = SHAPE(nova_spec_rows);
static const struct body_row nova_tool_rows[] = {INSIDE("toolSpec", BODY_OBJECT, &nova_spec),
                                                 OF("systemTool", BODY_OBJECT), OF("cachePoint", BODY_OBJECT)};
static const struct body_shape nova_tool = UNION(nova_tool_rows);
static const struct body_row nova_choice_rows[] = {OF("auto", BODY_OBJECT), OF("any", BODY_OBJECT),
                                                   OF("tool", BODY_OBJECT)};
static const struct body_shape nova_choice = UNION(nova_choice_rows);
static const struct body_row nova_tools_rows[] = {{"tools", BODY_LIST, true, 1, BODY_MANY, NULL, &nova_tool},
                                                  INSIDE("toolChoice", BODY_OBJECT, &nova_choice)};
static const struct body_shape nova_tools = SHAPE(nova_tools_rows);
static const struct body_row nova_rows[] = {
    WORDS("schemaVersion", BODY_TEXT, "messages-v1"), {"messages", BODY_LIST, false, 1, BODY_MANY, NULL, &nova_message},
    INSIDE("system", BODY_LIST, &nova_system),        INSIDE("inferenceConfig", BODY_OBJECT, &nova_config),
    INSIDE("toolConfig", BODY_OBJECT, &nova_tools),   OF("reasoningConfig", BODY_OBJECT),
    OF("additionalModelRequestFields", BODY_OBJECT)};
const struct body_shape body_nova = CLOSED(nova_rows);

static const struct body_row titan_config_rows[] = {COUNT("maxTokenCount"), UNIT("temperature"), UNIT("topP"),
                                                    OF("stopSequences", BODY_TEXTS)};
static const struct body_shape titan_config = CLOSED(titan_config_rows);
static const struct body_row titan_rows[] = {OF("inputText", BODY_TEXT),
                                             INSIDE("textGenerationConfig", BODY_OBJECT, &titan_config), GUARDRAIL};
const struct body_shape body_titan = SHAPE(titan_rows);

/* ---- prompts ---- */

static const struct body_row llama_rows[] = {OF("prompt", BODY_TEXT), TOKENS("max_gen_len"), UNIT("temperature"),
                                             UNIT("top_p"), OF("images", BODY_TEXTS), GUARDRAIL};
static const struct body_row mistral_rows[] = {OF("prompt", BODY_TEXT), TOKENS("max_tokens"), UNIT("temperature"),
                                               UNIT("top_p"),           COUNT("top_k"),       OF("stop", BODY_TEXTS)};
static const struct body_row command_rows[] = {OF("prompt", BODY_TEXT),
                                               TOKENS("max_tokens"),
                                               RANGE("temperature", BODY_NUMBER, 0, 5),
                                               UNIT("p"),
                                               RANGE("k", BODY_NUMBER, 0, 500),
                                               OF("stop_sequences", BODY_TEXTS)};
static const struct body_row j2_rows[] = {OF("prompt", BODY_TEXT), COUNT("maxTokens"), UNIT("temperature"),
                                          UNIT("topP"), OF("stopSequences", BODY_TEXTS)};
static const struct body_row deepseek_rows[] = {OF("prompt", BODY_TEXT), RANGE("max_tokens", BODY_WHOLE, 1, 32768),
                                                UNIT("temperature"), UNIT("top_p"), RANGE("stop", BODY_TEXTS, 0, 10)};
const struct body_shape body_llama = SHAPE(llama_rows), body_mistral = SHAPE(mistral_rows),
                        body_command = SHAPE(command_rows), body_j2 = SHAPE(j2_rows),
                        body_deepseek = SHAPE(deepseek_rows);

/* ---- conversations ---- */

static const struct body_row command_r_turn_rows[] = {{"role", BODY_TEXT, true, 0, 0, "USER|CHATBOT|SYSTEM|TOOL", NULL},
                                                      OF("message", BODY_TEXT)};
static const struct body_shape command_r_turn = SHAPE(command_r_turn_rows);
static const struct body_row command_r_rows[] = {OF("message", BODY_TEXT),
                                                 INSIDE("chat_history", BODY_LIST, &command_r_turn),
                                                 OF("preamble", BODY_TEXT),
                                                 TOKENS("max_tokens"),
                                                 UNIT("temperature"),
                                                 UNIT("p"),
                                                 RANGE("k", BODY_NUMBER, 0, 500),
                                                 OF("stop_sequences", BODY_TEXTS),
                                                 OF("tools", BODY_LIST),
                                                 OF("documents", BODY_LIST)};
const struct body_shape body_command_r = SHAPE(command_r_rows);

static const struct body_row chat_message_rows[] = {
    {"role", BODY_TEXT, true, 0, 0, "system|developer|user|assistant|tool|function", NULL},
    OF("content", BODY_TEXT | BODY_LIST),
    OF("tool_calls", BODY_LIST)};
static const struct body_shape chat_message = SHAPE(chat_message_rows);
static const struct body_row chat_tool_rows[] = {NEEDED("type", BODY_TEXT), OF("function", BODY_OBJECT)};
static const struct body_shape chat_tool = SHAPE(chat_tool_rows);
#define CHAT_MESSAGES                                                                                                  \
    {                                                                                                                  \
        "messages", BODY_LIST, false, 1, BODY_MANY, NULL, &chat_message                                                \
    }
#define CHAT_REST                                                                                                      \
    UNIT("top_p"), OF("stop", BODY_TEXT | BODY_TEXTS), INSIDE("tools", BODY_LIST, &chat_tool),                         \
        OF("tool_choice", BODY_TEXT | BODY_OBJECT)
static const struct body_row mistral_chat_rows[] = {CHAT_MESSAGES, TOKENS("max_tokens"),
                                                    RANGE("temperature", BODY_NUMBER, 0, BODY_MANY), CHAT_REST};
static const struct body_row jamba_rows[] = {CHAT_MESSAGES, RANGE("max_tokens", BODY_WHOLE, 0, 4096),
                                             RANGE("temperature", BODY_NUMBER, 0, 2), TOKENS("n"), CHAT_REST};
static const struct body_row gpt_rows[] = {CHAT_MESSAGES,
                                           TOKENS("max_tokens"),
                                           TOKENS("max_completion_tokens"),
                                           RANGE("temperature", BODY_NUMBER, 0, 2),
                                           OF("model", BODY_TEXT),
                                           OF("stream", BODY_BOOL),
                                           OF("reasoning_effort", BODY_TEXT),
                                           CHAT_REST};
const struct body_shape body_mistral_chat = SHAPE(mistral_chat_rows), body_jamba = SHAPE(jamba_rows),
                        body_gpt = SHAPE(gpt_rows);

/* ---- vectors and orders ---- */

static const struct body_row titan_v1_rows[] = {RANGE("inputText", BODY_TEXT, 1, BODY_MANY)};
static const struct body_row titan_v2_rows[] = {
    RANGE("inputText", BODY_TEXT, 1, BODY_MANY), WORDS("dimensions", BODY_WHOLE, "256|512|1024"),
    OF("normalize", BODY_BOOL), WORDS("embeddingTypes", BODY_TEXTS, "float|binary")};
static const struct body_row titan_length_rows[] = {WORDS("outputEmbeddingLength", BODY_WHOLE, "256|384|1024")};
static const struct body_shape titan_length = SHAPE(titan_length_rows);
static const struct body_row titan_image_rows[] = {RANGE("inputText", BODY_TEXT, 1, BODY_MANY),
                                                   OF("inputImage", BODY_TEXT),
                                                   INSIDE("embeddingConfig", BODY_OBJECT, &titan_length)};
const struct body_shape body_titan_embed_v1 = SHAPE(titan_v1_rows), body_titan_embed_v2 = SHAPE(titan_v2_rows),
                        body_titan_embed_image = NEEDS_ONE(titan_image_rows, "inputText|inputImage");

#define COHERE_INPUT                                                                                                   \
    OF("texts", BODY_TEXTS), OF("images", BODY_TEXTS),                                                                 \
        WORDS("input_type", BODY_TEXT, "search_document|search_query|classification|clustering|image"),                \
        WORDS("embedding_types", BODY_TEXTS, "float|int8|uint8|binary|ubinary")
static const struct body_row cohere_v3_rows[] = {COHERE_INPUT, WORDS("truncate", BODY_TEXT, "NONE|START|END")};
static const struct body_row cohere_v4_rows[] = {
    COHERE_INPUT, OF("inputs", BODY_LIST), WORDS("truncate", BODY_TEXT, "NONE|START|END|LEFT|RIGHT"),
    WORDS("output_dimension", BODY_WHOLE, "256|512|1024|1536"), TOKENS("max_tokens")};
const struct body_shape body_cohere_embed = NEEDS_ONE(cohere_v3_rows, "texts|images"),
                        body_cohere_embed_v4 = NEEDS_ONE(cohere_v4_rows, "texts|images|inputs");

static const struct body_row nova_text_rows[] = {OF("value", BODY_TEXT),
                                                 WORDS("truncationMode", BODY_TEXT, "NONE|START|END")};
static const struct body_shape nova_text = SHAPE(nova_text_rows);
static const struct body_row nova_single_rows[] = {NEEDED("embeddingPurpose", BODY_TEXT),
                                                   WORDS("embeddingDimension", BODY_WHOLE, "256|384|1024|3072"),
                                                   INSIDE("text", BODY_OBJECT, &nova_text),
                                                   OF("image", BODY_OBJECT),
                                                   OF("audio", BODY_OBJECT),
                                                   OF("video", BODY_OBJECT)};
static const struct body_shape nova_single = NEEDS_ONE(nova_single_rows, "text|image|audio|video");
static const struct body_row nova_embed_rows[] = {
    WORDS("taskType", BODY_TEXT, "SINGLE_EMBEDDING"),
    {"singleEmbeddingParams", BODY_OBJECT, true, 0, 0, NULL, &nova_single}};
const struct body_shape body_nova_embed = SHAPE(nova_embed_rows);

static const struct body_row rerank_rows[] = {OF("query", BODY_TEXT), RANGE("documents", BODY_LIST, 1, BODY_MANY),
                                              TOKENS("top_n"), OF("api_version", BODY_ANY),
                                              OF("max_tokens_per_doc", BODY_ANY)};
const struct body_shape body_rerank = SHAPE(rerank_rows);
