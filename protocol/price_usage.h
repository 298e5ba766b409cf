/* price_usage.h: what a call used, from every place where Bedrock or a gateway says so, as one struct price_usage.
 *
 * Read are (docs/cost.md has an example of each):
 *   converse       usage of Converse, of the metadata event of ConverseStream, of native Nova answers
 *   metrics        amazon-bedrock-invocationMetrics in the last chunk of InvokeModelWithResponseStream
 *   headers        X-Amzn-Bedrock-*-Token-Count of InvokeModel, as a member "headers"
 *   anthropic      usage of Anthropic Messages: whole answers, message_start, message_delta
 *   openai.chat    usage of chat completions and of embeddings (prompt_tokens)
 *   openai.responses  usage of the Responses API (input_tokens with details, or with total_tokens)
 *   titan, llama, cohere  counts in native bodies
 *   guardrail      usage of ApplyGuardrail and of a guardrail trace's invocationMetrics
 *   images         answers with images[] or artifacts[]: their number
 *
 * The one difference that money hangs on: Bedrock and Anthropic count cached tokens beside the input, the OpenAI forms
 * inside the prompt. Here they always stand beside it, so a token is charged once. A write to the cache whose time to
 * live is not told is one for five minutes, the default of the service. Reasoning tokens are part of the output.
 */
#ifndef MOHS_PRICE_USAGE_H
#define MOHS_PRICE_USAGE_H

#include "protocol/price.h"

/* `place` is a usage object, an answer or event that holds one, or an array of the events of a stream: what an event
 * says replaces what an earlier one said, as their counts are running totals. *out is only added to where something is
 * said; zero it first. `form` (may be NULL) gets the last name of the list above.
 * ERR_UNKNOWN: no usage there. ERR_INVALID: a count that is no whole number from 0, or more cached tokens than tokens.
 */
enum err price_usage_read(const cJSON *place, struct price_usage *out, const char **form, struct note *note) MUST_USE;

/* One HTTP header of InvokeModel; false when it says nothing of usage. The value must be a whole number. */
bool price_usage_header(const char *name, const char *value, struct price_usage *out);

#endif
