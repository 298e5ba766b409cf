/* native_body.h: what the bodies of each family may hold, as shapes for body_walk.h.
 *
 * Bounds and words are those of the providers' pages in the user guide (Jamba, DeepSeek, Titan, Nova, the embeddings)
 * and of Anthropic's reference; where they name none, only kinds are looked at. Which members there must be at the top,
 * and whether others than those of the shape may come there, is the family's row in native_table.c.
 *
 * Claude's Messages are spoken on two doors: InvokeModel (without `model`, with anthropic_version) and the compatible
 * endpoints, which have a shape each here.
 */
#ifndef MOHS_MOCK_NATIVE_BODY_H
#define MOHS_MOCK_NATIVE_BODY_H

#include "mock/rules/body_walk.h"

extern const struct body_shape body_claude, body_claude_compat, body_claude_compat_count;
extern const struct body_shape body_claude_text, body_nova, body_titan, body_llama, body_mistral, body_mistral_chat,
    body_command_r, body_command, body_j2, body_jamba, body_deepseek, body_gpt, body_titan_embed_v1,
    body_titan_embed_v2, body_titan_embed_image, body_cohere_embed, body_cohere_embed_v4, body_nova_embed, body_rerank;

/* Claude's thinking: a budget has to leave room for an answer, but for the beta in which it is one of many. `body` is a
 * native body. */
bool body_claude_overthinks(const cJSON *body);

#endif
