/* native_table.c: the families of native bodies, a row each.
 *
 * A model is found by its id, which may stand behind a geography (us.) or an ARN; ids that say nothing, such as those
 * of imported models, are judged by the members of the body. The order of rows matters where a model speaks two forms:
 * old Claude (prompt or messages), Mistral (the same).
 */
#include "mock/native/native.h"
#include "mock/native/native_body.h"

#include <stdio.h>

#include "protocol/glob.h"

#define OPENAI_STOPS                                                                                                   \
    {                                                                                                                  \
        "stop", "length", "stop", "tool_calls", "content_filter"                                                       \
    }

static const struct native_family rows[] = {
    {.id = "anthropic-text-legacy",
     .globs = "*anthropic.claude-v2* *anthropic.claude-instant*",
     .body = &body_claude_text,
     .mark = "prompt",
     .detect = "max_tokens_to_sample",
     .read = read_prompt,
     .write = write_anthropic_text,
     .stream = stream_anthropic_text,
     .prompt = "/prompt",
     .most = "/max_tokens_to_sample",
     .sequences = "/stop_sequences",
     .stops = {"stop_sequence"},
     .required = "prompt max_tokens_to_sample"},
    {.id = "anthropic-messages",
     .globs = "*anthropic.*",
     .body = &body_claude,
     .detect = "anthropic_version",
     .read = read_anthropic,
     .write = write_anthropic,
     .stream = stream_anthropic,
     .stops = {[4] = "refusal"},
     .required = "anthropic_version max_tokens messages",
     .closed = true,
     .claude = true},
    {.id = "nova-multimodal-embeddings",
     .globs = "*amazon.nova-*embeddings*",
     .body = &body_nova_embed,
     .detect = "singleEmbeddingParams",
     .read = read_embedding,
     .write = write_nova_embed,
     .required = "taskType",
     .embeds = true},
    {.id = "nova-canvas-titan-image",
     .globs = "*amazon.nova-canvas* *amazon.titan-image*",
     .detect = "imageGenerationConfig",
     .read = read_image,
     .write = write_amazon_image,
     .required = "taskType",
     .embeds = true,
     .draws = true},
    {.id = "stability-sdxl-v1-legacy",
     .globs = "*stability.stable-diffusion-xl*",
     .detect = "text_prompts",
     .read = read_image,
     .write = write_sdxl,
     .required = "text_prompts",
     .embeds = true,
     .draws = true},
    {.id = "stability-image",
     .globs = "*stability.*",
     .read = read_image,
     .write = write_stability,
     .embeds = true,
     .draws = true},
    {.id = "amazon-nova",
     .globs = "*amazon.nova-*",
     .body = &body_nova,
     .detect = "schemaVersion",
     .read = read_nova,
     .write = write_nova,
     .stream = stream_nova,
     .required = "messages"},
    {.id = "titan-embed-v1",
     .globs = "*amazon.titan-embed-text-v1* *amazon.titan-embed-g1*",
     .body = &body_titan_embed_v1,
     .read = read_embedding,
     .write = write_titan_embed_v1,
     .required = "inputText",
     .closed = true,
     .embeds = true},
    {.id = "titan-embed-v2",
     .globs = "*amazon.titan-embed-text*",
     .body = &body_titan_embed_v2,
     .read = read_embedding,
     .write = write_titan_embed_v2,
     .required = "inputText",
     .closed = true,
     .embeds = true},
    {.id = "titan-embed-image",
     .globs = "*amazon.titan-embed-image*",
     .body = &body_titan_embed_image,
     .detect = "embeddingConfig",
     .read = read_embedding,
     .write = write_titan_embed_image,
     .embeds = true},
    {.id = "amazon-titan-text",
     .globs = "*amazon.titan-text* *amazon.titan-tg1*",
     .body = &body_titan,
     .detect = "inputText",
     .read = read_prompt,
     .write = write_titan,
     .stream = stream_titan,
     .prompt = "/inputText",
     .most = "/textGenerationConfig/maxTokenCount",
     .sequences = "/textGenerationConfig/stopSequences",
     .stops = {"FINISH", "LENGTH", "STOP_CRITERIA_MET", NULL, "CONTENT_FILTERED"},
     .required = "inputText",
     .closed = true},
    {.id = "meta-llama",
     .globs = "*meta.llama*",
     .body = &body_llama,
     .detect = "max_gen_len",
     .read = read_prompt,
     .write = write_llama,
     .stream = stream_llama,
     .prompt = "/prompt",
     .most = "/max_gen_len",
     .stops = {"stop", "length", "stop", "stop"},
     .required = "prompt",
     .closed = true},
    {.id = "mistral-chat",
     .globs = "*mistral.*",
     .body = &body_mistral_chat,
     .mark = "messages",
     .read = read_chat,
     .write = write_mistral_chat,
     .stream = stream_mistral_chat,
     .stops = OPENAI_STOPS},
    {.id = "mistral-text",
     .globs = "*mistral.*",
     .body = &body_mistral,
     .read = read_prompt,
     .write = write_mistral,
     .stream = stream_mistral,
     .prompt = "/prompt",
     .most = "/max_tokens",
     .sequences = "/stop",
     .stops = {"stop", "length", "stop"},
     .required = "prompt"},
    {.id = "rerank-native",
     .globs = "*amazon.rerank* *cohere.rerank*",
     .body = &body_rerank,
     .read = read_rerank,
     .write = write_rerank,
     .required = "query documents",
     .closed = true,
     .embeds = true},
    {.id = "cohere-embed-v4",
     .globs = "*cohere.embed-v4*",
     .body = &body_cohere_embed_v4,
     .read = read_embedding,
     .write = write_cohere_embed_v4,
     .required = "input_type",
     .embeds = true},
    {.id = "cohere-embed-v3",
     .globs = "*cohere.embed*",
     .body = &body_cohere_embed,
     .detect = "texts",
     .read = read_embedding,
     .write = write_cohere_embed_v3,
     .required = "input_type",
     .closed = true,
     .embeds = true},
    {.id = "cohere-command-r",
     .globs = "*cohere.command-r*",
     .body = &body_command_r,
     .detect = "chat_history",
     .read = read_command_r,
     .write = write_command_r,
     .stream = stream_command_r,
     .stops = {"COMPLETE", "MAX_TOKENS", "STOP_SEQUENCE", "COMPLETE", "ERROR_TOXIC"},
     .required = "message"},
    {.id = "cohere-command-legacy",
     .globs = "*cohere.*",
     .body = &body_command,
     .read = read_prompt,
     .write = write_command,
     .stream = stream_command,
     .prompt = "/prompt",
     .most = "/max_tokens",
     .sequences = "/stop_sequences",
     .stops = {"COMPLETE", "MAX_TOKENS", "COMPLETE"},
     .required = "prompt"},
    {.id = "ai21-j2-legacy",
     .globs = "*ai21.j2*",
     .body = &body_j2,
     .read = read_prompt,
     .write = write_j2,
     .prompt = "/prompt",
     .most = "/maxTokens",
     .sequences = "/stopSequences",
     .stops = {"endoftext", "length", "stop"},
     .required = "prompt"},
    {.id = "ai21-jamba",
     .globs = "*ai21.*",
     .body = &body_jamba,
     .read = read_chat,
     .write = write_jamba,
     .stream = stream_jamba,
     .stops = OPENAI_STOPS,
     .required = "messages"},
    {.id = "deepseek-r1",
     .globs = "*deepseek.*",
     .body = &body_deepseek,
     .mark = "prompt",
     .read = read_prompt,
     .write = write_deepseek,
     .stream = stream_deepseek,
     .prompt = "/prompt",
     .most = "/max_tokens",
     .sequences = "/stop",
     .stops = {"stop", "length", "stop"},
     .think_open = "",
     .think_close = "\n</think>\n\n"},
    /* What speaks none of these: OpenAI's chat form, or its completions, as imported models and SageMaker do. */
    {.id = "openai-gpt-oss",
     .globs = "*openai.gpt*",
     .body = &body_gpt,
     .detect = "messages",
     .read = read_chat,
     .write = write_gpt,
     .stream = stream_gpt,
     .stops = OPENAI_STOPS,
     .required = "messages",
     .think_open = "<reasoning>",
     .think_close = "</reasoning>"},
    {.id = "imported-or-sagemaker",
     .globs = "*twelvelabs.*", /* whose bodies nobody wrote down: not judged, and not taken for another's */
     .read = read_prompt,
     .write = write_imported,
     .stream = stream_imported,
     .prompt = "/prompt",
     .most = "/max_tokens",
     .sequences = "/stop",
     .stops = OPENAI_STOPS},
};

const struct native_family *native_family_at(size_t i)
{
    return i < COUNT_OF(rows) ? &rows[i] : NULL;
}

const struct native_family *native_find(const char *model_id, const cJSON *body)
{
    const char *slash = model_id == NULL ? NULL : strrchr(model_id, '/');
    const char *id = model_id == NULL ? "" : slash != NULL ? slash + 1 : model_id;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (glob_fits_any(span_of(rows[i].globs), span_of(id)) && (rows[i].mark == NULL || json_member(body, rows[i].mark) != NULL))
            return &rows[i];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].detect != NULL && json_member(body, rows[i].detect) != NULL)
            return &rows[i];
    return &rows[COUNT_OF(rows) - 1];
}

void native_read(struct native_request *r, const char *model_id)
{
    r->family = native_find(model_id, r->body);
    r->made = cJSON_CreateObject();
    r->asked = r->made;
    if (r->made != NULL && cJSON_IsObject(r->body))
        r->family->read(r->family, r->body, r->made);
}

void native_request_release(struct native_request *r)
{
    json_free(&r->decoded);
    json_free(&r->made);
    json_free(&r->thread);
}
