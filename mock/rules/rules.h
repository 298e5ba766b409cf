/* rules.h: the rules that Bedrock adds to its API model: turn order, tool pairing, document names, model limits.
 *
 * Each is a row of rules.c: an id to switch it by, the id of its text in fixtures/api/errors.json, whether it is on,
 * and a function of rules_broken.c that finds the first place where it is broken. A rule is on when public reports or
 * recordings show it; those that rest on one weak source are off until somebody asks (mock_config.rules_on).
 */
#ifndef MOHS_MOCK_RULES_H
#define MOHS_MOCK_RULES_H

#include "mock/visit.h"

/* A malloc'ed table of switches, one a row. ERR_UNKNOWN: no such rule, or a text is missing from errors.json. */
enum err rules_init(const struct mock_config *config, const struct api *api, bool **out, struct note *note) MUST_USE;
/* Set the refusal to the first rule that is on and broken. The body is a tree of right types, or nearly (record mode).
 */
void rules_check(struct visit *v);

/* What Converse puts before the words of a model. */
#define RULE_RETURNED "The model returned the following errors: "

/* Where a rule is broken, and with what: the placeholders of its text. Positions count from 0. */
struct finding {
    size_t i, j, k;
    uint64_t n, max;
    const char *word; /* {kind}, {field}, {format}, {model_id} */
    struct buf whole; /* the whole text, when no template fits */
};

/* True: broken, and *f says where. */
typedef bool rule_broken(const struct visit *v, struct finding *f);
rule_broken rule_needs_profile;
rule_broken rule_cannot_stream;
rule_broken rule_cannot_converse;
rule_broken rule_cannot_invoke;
rule_broken rule_cannot_count;
rule_broken rule_prompt_has_field;
rule_broken rule_starts_otherwise;
rule_broken rule_does_not_alternate;
rule_broken rule_has_empty_content;
rule_broken rule_has_blank_text;
rule_broken rule_tool_config_missing;
rule_broken rule_too_many_results;
rule_broken rule_results_missing;
rule_broken rule_mixed_result_turn;
rule_broken rule_mixed_use_turn;
rule_broken rule_has_result_not_object;
rule_broken rule_has_empty_error;
rule_broken rule_has_document_misnamed;
rule_broken rule_has_document_twice;
rule_broken rule_has_document_alone;
rule_broken rule_has_block_not_supported;
rule_broken rule_too_many_tokens_asked;
rule_broken rule_no_stop_sequences;
rule_broken rule_no_system;
rule_broken rule_no_tools;
rule_broken rule_cannot_stream_tools;
rule_broken rule_two_samplers;
rule_broken rule_hot_thinking;
rule_broken rule_too_many_images;
rule_broken rule_too_many_points;
rule_broken rule_hour_after_minutes;
rule_broken rule_points_on_other_model;
rule_broken rule_context_full_claude;
rule_broken rule_context_full_other;
rule_broken rule_native_not_json;
rule_broken rule_native_schema;
rule_broken rule_native_text_too_long;
rule_broken rule_native_image; /* native_image_rules.c */
rule_broken rule_native_model;
rule_broken rule_fields_claude;
rule_broken rule_fields_schema;
/* rules_tools.c: what a request hardly means */
rule_broken rule_chooses_no_tool;
rule_broken rule_has_tool_twice;
rule_broken rule_has_use_twice;
rule_broken rule_has_unknown_members;
/* native_body_rules.c: deeper than the first members */
rule_broken rule_native_members;
rule_broken rule_native_texts;
rule_broken rule_native_embeds_too_much;
rule_broken rule_native_starts_otherwise;
rule_broken rule_native_too_many_tokens;
rule_broken rule_claude_members;
rule_broken rule_claude_overthinks;
rule_broken rule_claude_lacks;
rule_broken rule_claude_extra;
rule_broken rule_claude_empty_text;
rule_broken rule_claude_tool_results;
rule_broken rule_count_profile;
/* mock/runtime/async_rules.c */
rule_broken rule_not_asynchronous;
rule_broken rule_async_input;
/* rules_media.c: pictures, documents, and what tools are given */
rule_broken rule_has_input_not_object;
rule_broken rule_has_schema_not_object;
rule_broken rule_has_schema_of_other_type;
rule_broken rule_has_document_too_large;
rule_broken rule_too_many_documents;
rule_broken rule_has_image_too_large;
rule_broken rule_has_image_too_wide;
rule_broken rule_has_image_of_other_format;
rule_broken rule_has_media_of_assistant;
rule_broken rule_many_images_too_wide;
rule_broken rule_too_many_images_and_documents;
rule_broken rule_claude_reads_s3;
rule_broken rule_other_reads_s3;
rule_broken rule_titan_image_too_large;
rule_broken rule_context_with_answer;
rule_broken rule_mistral_stops;
size_t rule_cache_points(const struct visit *v); /* how many, in tools, system and messages */

#endif
