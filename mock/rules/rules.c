/* rules.c: the table of rules, their switches, and what is said when one is broken.
 *
 * The first broken rule speaks. The order on the real service was never measured, so no test may depend on which of two
 * faults is told.
 */
#include "mock/operations.h"
#include "mock/rules/rules.h"

#include <stdio.h>
#include <stdlib.h>

/* What a request holds. Most hold little, so most rules need not look. */
enum holds {
    HOLDS_TOOL_BLOCKS = 1,
    HOLDS_MEDIA = 2,
    HOLDS_POINTS = 4,
    HOLDS_INFERENCE = 8,
    HOLDS_TOOL_CONFIG = 16,
    HOLDS_SYSTEM = 32,
    HOLDS_FIELDS = 64,
    HOLDS_CONVERSE = 128,                             /* the body is Converse's */
    HOLDS_NATIVE = 256,                               /* InvokeModel: a body of the provider's own */
    HOLDS_COUNTED = 512,                              /* CountTokens, of either form */
    HOLDS_STARTED = 1024,                             /* StartAsyncInvoke */
    HOLDS_ANY_MEDIA = HOLDS_MEDIA | HOLDS_TOOL_BLOCKS /* results of tools hold media too */
};

static const struct mock_rule_row rows[] = {
    {"on-demand", "some models are reached through an inference profile only", true, "on-demand-unsupported",
     rule_needs_profile, HOLDS_CONVERSE | HOLDS_NATIVE | HOLDS_STARTED},
    {"converse", "the model answers in text: embeddings, pictures, films and speech have their own operations", true,
     "model-no-converse", rule_cannot_converse, HOLDS_CONVERSE},
    {"invoke", "the model answers at once: films and speech have their own operations", true, "model-no-converse",
     rule_cannot_invoke, HOLDS_NATIVE},
    {"stream", "the model streams", true, "model-no-stream", rule_cannot_stream, HOLDS_CONVERSE | HOLDS_NATIVE},
    {"prompt-fields", "what a prompt's ARN stands for is not given anew: inferenceConfig, system, toolConfig, "
                      "additionalModelRequestFields",
     true, "prompt-arn-field", rule_prompt_has_field,
     HOLDS_INFERENCE | HOLDS_SYSTEM | HOLDS_TOOL_CONFIG | HOLDS_FIELDS},
    {"start-user", "a conversation starts with a user message", true, "converse-start-user", rule_starts_otherwise,
     HOLDS_CONVERSE},
    {"alternate", "roles alternate, but for models where that was relaxed", true, "converse-alternate",
     rule_does_not_alternate, HOLDS_CONVERSE},
    {"empty-content", "a message has content", true, "converse-empty-content", rule_has_empty_content, HOLDS_CONVERSE},
    {"blank-text", "a text block is not blank", true, "converse-blank-text", rule_has_blank_text, HOLDS_CONVERSE},
    {"tool-config", "tool blocks want a toolConfig", true, "converse-tool-config-missing", rule_tool_config_missing,
     HOLDS_TOOL_BLOCKS},
    {"too-many-results", "no more toolResults than the turn before has toolUses", true, "converse-too-many-results",
     rule_too_many_results, HOLDS_TOOL_BLOCKS},
    {"results-missing", "every toolUse is answered in the next message", true, "converse-missing-results",
     rule_results_missing, HOLDS_TOOL_BLOCKS},
    {"mixed-result-turn", "toolResults stand alone in their turn (not for Claude)", true, "converse-mixed-result-turn",
     rule_mixed_result_turn, HOLDS_TOOL_BLOCKS},
    {"mixed-use-turn", "toolUses stand alone in their turn (not for Claude)", false, "converse-mixed-use-turn",
     rule_mixed_use_turn, HOLDS_TOOL_BLOCKS},
    {"result-json", "toolResult.content.json is an object, without a member __type in it", true, "converse-result-json-not-object",
     rule_has_result_not_object, HOLDS_TOOL_BLOCKS},
    {"tool-input", "toolUse.input is an object", true, "converse-tool-input-not-object", rule_has_input_not_object,
     HOLDS_TOOL_BLOCKS},
    {"tool-schema", "the inputSchema of a tool is an object", true, "converse-tool-schema-not-object",
     rule_has_schema_not_object, HOLDS_TOOL_CONFIG},
    {"tool-schema-type", "the inputSchema of a tool says no other type than object", true, "converse-tool-schema-type",
     rule_has_schema_of_other_type, HOLDS_TOOL_CONFIG},
    {"tool-choice", "toolChoice names a tool that is offered", false, "model-generic-model", rule_chooses_no_tool,
     HOLDS_TOOL_CONFIG},
    {"tool-names", "tools have different names", false, "model-generic-model", rule_has_tool_twice, HOLDS_TOOL_CONFIG},
    {"tool-use-ids", "toolUses have different ids", false, "model-generic-model", rule_has_use_twice, HOLDS_TOOL_BLOCKS},
    {"unknown-members", "a request has no members that the API model does not know; the journal names them in any case", false,
     "model-schema-extraneous", rule_has_unknown_members, HOLDS_CONVERSE},
    {"error-result", "a toolResult with status error says something", true, "converse-empty-error-result",
     rule_has_empty_error, HOLDS_TOOL_BLOCKS},
    {"document-name", "document names are plain", true, "converse-doc-name", rule_has_document_misnamed, HOLDS_MEDIA},
    {"document-twice", "document names differ", true, "converse-doc-duplicate", rule_has_document_twice, HOLDS_MEDIA},
    {"document-text", "a document comes with a text block", true, "converse-doc-needs-text", rule_has_document_alone,
     HOLDS_MEDIA},
    {"document-count", "at most 5 documents", true, "converse-doc-count", rule_too_many_documents, HOLDS_ANY_MEDIA},
    {"document-size", "a document has at most 4.5 MB, but for a PDF to Claude", true, "converse-doc-size",
     rule_has_document_too_large, HOLDS_ANY_MEDIA},
    {"content-block", "the model takes images, documents, video, audio", true, "no-content-block",
     rule_has_block_not_supported, HOLDS_MEDIA},
    {"max-tokens", "maxTokens is within the model's limit", true, "max-tokens-over-limit", rule_too_many_tokens_asked,
     HOLDS_INFERENCE},
    {"stop-sequences", "the model takes stopSequences", false, "no-stop-sequences", rule_no_stop_sequences,
     HOLDS_INFERENCE},
    {"system", "the model takes a system prompt", false, "no-system", rule_no_system, HOLDS_SYSTEM},
    {"tools", "the model takes tools", false, "no-tools", rule_no_tools, HOLDS_TOOL_CONFIG},
    {"tools-stream", "the model takes tools while streaming", true, "no-stream-tools", rule_cannot_stream_tools,
     HOLDS_TOOL_CONFIG},
    {"one-sampler", "Claude 4.5 and later take temperature or topP, not both", true, "model-temp-topp",
     rule_two_samplers, HOLDS_INFERENCE},
    {"thinking-temperature", "with thinking, temperature is 1 or absent", false, "model-thinking-temp",
     rule_hot_thinking, HOLDS_FIELDS},
    {"images", "at most 20 images (Converse, any model that is known)", true, "model-too-many-images", rule_too_many_images, HOLDS_MEDIA},
    {"images-documents", "at most 20 images and documents together (Claude)", false, "model-too-many-img-doc",
     rule_too_many_images_and_documents, HOLDS_ANY_MEDIA},
    {"image-size", "an image has at most 5 MiB as base64, which is 3.75 MB (Converse, any model that is known)", true, "model-image-bytes",
     rule_has_image_too_large, HOLDS_ANY_MEDIA},
    {"image-pixels", "an image is at most 8000 pixels wide and high (Converse, any model that is known)", true, "model-image-8000",
     rule_has_image_too_wide, HOLDS_ANY_MEDIA},
    {"many-images-pixels", "of more than 20 images none is more than 2000 pixels wide or high (Claude)", false,
     "model-image-px", rule_many_images_too_wide, HOLDS_ANY_MEDIA},
    {"image-format", "the bytes of an image are of the format that it names", false, "model-image-format",
     rule_has_image_of_other_format, HOLDS_ANY_MEDIA},
    {"media-turn", "images, documents, video and audio stand in user messages", true, "model-assistant-media",
     rule_has_media_of_assistant, HOLDS_MEDIA},
    {"s3-location", "media are not read from S3 by Claude", true, "no-field", rule_claude_reads_s3, HOLDS_ANY_MEDIA},
    {"s3-others", "media are read from S3 by models of Amazon only", false, "no-field", rule_other_reads_s3,
     HOLDS_ANY_MEDIA},
    {"titan-image", "an image to embed (Titan) has at most 2048 * 2048 pixels", false, "model-titan-image-px",
     rule_titan_image_too_large, HOLDS_NATIVE},
    {"mistral-stop", "models of Mistral take no stopSequences", false, "model-generic-model", rule_mistral_stops,
     HOLDS_INFERENCE},
    {"cache-points", "at most 4 cache points (Claude)", true, "model-cache-max-4", rule_too_many_points, HOLDS_POINTS},
    {"cache-ttl", "a cache point of an hour does not follow one of five minutes", true, "model-cache-ttl-order",
     rule_hour_after_minutes, HOLDS_POINTS},
    {"cache-model", "the model caches prompts", false, "caching-not-allowed", rule_points_on_other_model, HOLDS_POINTS},
    {"count-model", "the model answers in text, so its tokens are counted", true, "count-unsupported", rule_cannot_count,
     HOLDS_COUNTED},
    {"native-json", "a native body is JSON", true, "model-schema-plain", rule_native_not_json,
     HOLDS_NATIVE | HOLDS_COUNTED},
    {"native-schema", "a native body has the members its model asks for, and no others", true, "model-schema-plain",
     rule_native_schema, HOLDS_NATIVE | HOLDS_COUNTED},
    {"native-length", "a text to embed is not too long (Cohere)", true, "model-schema-maxlength",
     rule_native_text_too_long, HOLDS_NATIVE},
    {"native-image", "an image model's task, sizes and numbers are those it has", true, "model-schema-plain",
     rule_native_image, HOLDS_NATIVE},
    {"native-claude", "a native body for Claude has the members it asks for", true, "model-claude-field-required",
     rule_claude_lacks, HOLDS_NATIVE | HOLDS_COUNTED},
    {"native-extra", "a native body for Claude has no other members", true, "model-claude-extra", rule_claude_extra,
     HOLDS_NATIVE | HOLDS_COUNTED},
    {"native-empty-text", "a text block for Claude is not empty", true, "model-claude-empty-text",
     rule_claude_empty_text, HOLDS_NATIVE | HOLDS_COUNTED},
    {"native-results", "tool_result blocks follow tool_use blocks (Claude)", true, "model-claude-tool-results",
     rule_claude_tool_results, HOLDS_NATIVE | HOLDS_COUNTED},
    {"native-model", "a model in the body is that of the path (gpt-oss)", true, "native-model-other", rule_native_model,
     HOLDS_NATIVE},
    {"fields-claude", "additionalModelRequestFields are members that Claude has", true, "model-claude-extra",
     rule_fields_claude, HOLDS_FIELDS},
    {"fields-schema", "additionalModelRequestFields are members that the model has, where they are known", true,
     "model-schema-extraneous", rule_fields_schema, HOLDS_FIELDS},
    {"native-members", "what is in a native body is of the kind, range and words that its provider documents", true,
     "model-schema-plain", rule_native_members, HOLDS_NATIVE | HOLDS_COUNTED},
    {"native-texts", "1 to 96 texts to embed (Cohere)", true, "model-schema-plain", rule_native_texts, HOLDS_NATIVE},
    {"native-embed-context", "a text to embed fits into the context (Titan)", true, "model-ctx-generic",
     rule_native_embeds_too_much, HOLDS_NATIVE},
    {"native-claude-members", "what is in a native body for Claude is of the kind, range and words it documents", true,
     "model-claude-field-required", rule_claude_members, HOLDS_NATIVE | HOLDS_COUNTED},
    {"native-thinking", "a budget to think is below max_tokens, but while thinking is interleaved (Claude)", true,
     "model-claude-field-required", rule_claude_overthinks, HOLDS_NATIVE | HOLDS_COUNTED},
    {"native-start-user", "a native conversation starts with a user message (Claude, Nova)", true, "converse-start-user",
     rule_native_starts_otherwise, HOLDS_NATIVE | HOLDS_COUNTED},
    {"native-max-tokens", "what a native body asks for is within the model's limit", true, "max-tokens-over-limit",
     rule_native_too_many_tokens, HOLDS_NATIVE},
    {"count-profile", "tokens are counted for base models, not for profiles", true, "count-unsupported",
     rule_count_profile, HOLDS_COUNTED},
    {"async-model", "the model takes asynchronous calls", true, "model-schema-plain", rule_not_asynchronous,
     HOLDS_STARTED},
    {"async-input", "the modelInput of an asynchronous call is what its model wants to be told", true,
     "model-schema-plain", rule_async_input, HOLDS_STARTED},
    {"context-claude", "the prompt fits into the context (Claude)", true, "model-ctx-claude", rule_context_full_claude,
     HOLDS_CONVERSE | HOLDS_NATIVE},
    {"context-answer", "prompt and maxTokens fit into the context together (Claude)", false, "model-ctx-max-tokens",
     rule_context_with_answer, HOLDS_INFERENCE | HOLDS_NATIVE},
    {"context", "the prompt fits into the context", true, "model-ctx-generic", rule_context_full_other,
     HOLDS_CONVERSE | HOLDS_NATIVE},
};

size_t mock_rules_list(const struct mock_rule_row **out)
{
    *out = rows;
    return COUNT_OF(rows);
}

static enum err switch_rules(const char *const *ids, bool on, bool *rules, struct note *note)
{
    for (; ids != NULL && *ids != NULL; ids++) {
        size_t i = 0;
        while (i < COUNT_OF(rows) && strcmp(rows[i].id, *ids) != 0)
            i++;
        if (i == COUNT_OF(rows)) {
            const char *known[COUNT_OF(rows)];
            for (size_t k = 0; k < COUNT_OF(rows); k++)
                known[k] = rows[k].id;
            const char *near = nearest_word(*ids, known, COUNT_OF(rows));
            return note_set(note, ERR_UNKNOWN, "no rule is called \"%s\"%s%s", *ids,
                            near != NULL ? "; did you mean " : "", near != NULL ? near : "");
        }
        rules[i] = on;
    }
    return OK;
}

enum err rules_init(const struct mock_config *config, const struct api *api, bool **out, struct note *note)
{
    bool *rules = calloc(COUNT_OF(rows), sizeof *rules);
    if (rules == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    enum err e = OK;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rules[i] = rows[i].on;
        if (api_text(api, rows[i].text) == NULL)
            e = note_set(note, ERR_UNKNOWN, "fixtures/api/errors.json holds no text \"%s\"", rows[i].text);
    }
    if (e == OK)
        e = switch_rules(config->rules_on, true, rules, note);
    if (e == OK)
        e = switch_rules(config->rules_off, false, rules, note);
    if (e != OK) {
        free(rules);
        return e;
    }
    *out = rules;
    return OK;
}

/* ---- asking ---- */

static void say(struct visit *v, size_t row, struct finding *f)
{
    const struct api_text *text = api_text(v->mock->api, rows[row].text);
    if (f->whole.len == 0) {
        char i[24], j[24], k[24], n[24], max[24];
        (void)snprintf(i, sizeof i, "%zu", f->i);
        (void)snprintf(j, sizeof j, "%zu", f->j);
        (void)snprintf(k, sizeof k, "%zu", f->k);
        (void)snprintf(n, sizeof n, "%llu", (unsigned long long)f->n);
        (void)snprintf(max, sizeof max, "%llu", (unsigned long long)f->max);
        const char *word = f->word != NULL ? f->word : "";
        api_text_format(text, &f->whole, "i", i, "j", j, "k", k, "n", n, "max", max, "kind", word, "field", word,
                        "format", word, "model_id", word, NULL);
    }
    refusal_set(&v->refusal, REFUSAL_SEMANTIC, text->type, "%s", buf_text(&f->whole));
    (void)snprintf(v->refusal.rule, sizeof v->refusal.rule, "%s", rows[row].id);
}

struct word_bit {
    const char *word;
    unsigned bit;
};

static unsigned bits_of(const cJSON *object, const struct word_bit *words, size_t n)
{
    unsigned bits = 0;
    const cJSON *child, *members = cJSON_IsObject(object) ? object : NULL;
    cJSON_ArrayForEach(child, members)
    {
        for (size_t i = 0; i < n; i++)
            if (strcmp(words[i].word, child->string) == 0)
                bits |= words[i].bit;
    }
    return bits;
}

static unsigned what_it_holds(const struct visit *v)
{
    static const struct word_bit members[] = {{"inferenceConfig", HOLDS_INFERENCE},
                                              {"toolConfig", HOLDS_TOOL_CONFIG},
                                              {"system", HOLDS_SYSTEM},
                                              {"additionalModelRequestFields", HOLDS_FIELDS}};
    static const struct word_bit blocks[] = {{"toolUse", HOLDS_TOOL_BLOCKS}, {"toolResult", HOLDS_TOOL_BLOCKS},
                                             {"image", HOLDS_MEDIA},         {"document", HOLDS_MEDIA},
                                             {"video", HOLDS_MEDIA},         {"cachePoint", HOLDS_POINTS},
                                             {"audio", HOLDS_MEDIA}};
    if (v->row->read != NULL && strcmp(v->operation, "StartAsyncInvoke") == 0)
        return HOLDS_STARTED;
    if (v->row->read != NULL)
        return (v->route.operation->request.payload != NULL ? HOLDS_NATIVE : HOLDS_COUNTED) |
               (rule_cache_points(v) > 0 ? HOLDS_POINTS : 0);
    unsigned bits = HOLDS_CONVERSE | bits_of(v->body, members, COUNT_OF(members));
    const cJSON *m, *b;
    cJSON_ArrayForEach(m, json_item(v->body, "messages"))
    {
        cJSON_ArrayForEach(b, json_item(m, "content")) bits |= bits_of(b, blocks, COUNT_OF(blocks));
    }
    if ((bits & (HOLDS_TOOL_CONFIG | HOLDS_SYSTEM)) != 0 && rule_cache_points(v) > 0)
        bits |= HOLDS_POINTS;
    return bits;
}

void rules_check(struct visit *v)
{
    unsigned holds = what_it_holds(v);
    for (size_t row = 0; row < COUNT_OF(rows) && v->refusal.layer == REFUSAL_NONE; row++) {
        bool applies = rows[row].needs == 0 || (rows[row].needs & holds) != 0;
        if (!applies || !v->mock->rules[row])
            continue;
        struct finding f = {.whole = BUF_INIT(REFUSAL_TEXT_MAX)};
        if (rows[row].broken(v, &f))
            say(v, row, &f);
        buf_release(&f.whole);
    }
}
