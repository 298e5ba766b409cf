/* chat_answer.c: a whole answer of Converse as a chat completion.
 *
 * Nothing the model said may be lost: all text blocks are joined, text and tool calls stand side by side, reasoning
 * keeps the signature it needs to be sent back. A stopReason is always one of the four words of the chat API, because
 * typed clients break on others. Tokens read from and written to a cache belong to the prompt, so the sums agree.
 */
#include "gateway/chat.h"
#include "gateway/tree.h"

/* Bedrock Runtime API Reference: StopReason. */
static const struct {
    const char *stop, *finish;
} reasons[] = {
    {"end_turn", "stop"},
    {"stop_sequence", "stop"},
    {"max_tokens", "length"},
    {"model_context_window_exceeded", "length"},
    {"tool_use", "tool_calls"},
    {"content_filtered", "content_filter"},
    {"guardrail_intervened", "content_filter"},
};

const char *chat_finish_reason(const char *stop_reason)
{
    for (size_t i = 0; stop_reason != NULL && i < COUNT_OF(reasons); i++)
        if (strcmp(reasons[i].stop, stop_reason) == 0)
            return reasons[i].finish;
    return "stop";
}

static int64_t count(const cJSON *usage, const char *key)
{
    int64_t n = 0;
    return json_int64(json_member(usage, key), &n) && n > 0 && n < INT32_MAX ? n : 0;
}

cJSON *chat_usage(const cJSON *usage)
{
    if (!cJSON_IsObject(usage))
        return NULL;
    bool starved = false;
    int64_t read = count(usage, "cacheReadInputTokens"), written = count(usage, "cacheWriteInputTokens");
    int64_t prompt = count(usage, "inputTokens") + read + written, completion = count(usage, "outputTokens");
    cJSON *out = cJSON_CreateObject();
    (void)tree_int(&starved, out, "prompt_tokens", prompt);
    (void)tree_int(&starved, out, "completion_tokens", completion);
    (void)tree_int(&starved, out, "total_tokens", prompt + completion);
    cJSON *details = tree_object(&starved, out, "prompt_tokens_details");
    (void)tree_int(&starved, details, "cached_tokens", read);
    if (written > 0)
        (void)tree_int(&starved, details, "cache_creation_tokens", written);
    if (!starved)
        return out;
    cJSON_Delete(out);
    return NULL;
}

/* What is gathered from the blocks of one answer. */
struct gathered {
    const struct chat_request *request;
    struct buf text;
    bool spoke;
    cJSON *calls;                      /* tool_calls */
    cJSON *thinking;                   /* thinking_blocks */
    const char *reasoning, *signature; /* of the only reasoning block, while there is one only */
    struct buf all_reasoning;
    bool starved;
};

static void gather_text(struct gathered *g, const cJSON *text)
{
    if (!cJSON_IsString(text))
        return;
    buf_adds(&g->text, text->valuestring);
    g->spoke = true;
}

static void gather_citations(struct gathered *g, const cJSON *cited)
{
    const cJSON *content = json_member(cited, "content");
    for (const cJSON *c = content != NULL ? content->child : NULL; c != NULL; c = c->next)
        gather_text(g, json_member(c, "text"));
}

static void gather_call(struct gathered *g, const cJSON *use)
{
    const cJSON *input = json_member(use, "input");
    const char *id = json_str(use, "toolUseId"), *name = json_str(use, "name");
    CLEANUP(free_ptr) char *arguments = input != NULL ? json_text(input, JSON_COMPACT) : span_dup(SPAN_LIT("{}"));
    cJSON *function = tree_wrap_text("name", tool_names_client(&g->request->tools, name != NULL ? name : ""));
    (void)tree_put(&g->starved, function, "arguments", arguments != NULL ? cJSON_CreateString(arguments) : NULL);
    cJSON *call = tree_wrap_text("id", id != NULL ? id : "");
    (void)tree_text(&g->starved, call, "type", "function");
    (void)tree_put(&g->starved, call, "function", function);
    (void)tree_push(&g->starved, g->calls, call);
}

static void gather_reasoning(struct gathered *g, const cJSON *block)
{
    const cJSON *said = json_member(block, "reasoningText");
    const char *redacted = json_str(block, "redactedContent");
    cJSON *thought;
    if (said != NULL) {
        const char *text = json_str(said, "text"), *signature = json_str(said, "signature");
        thought = tree_wrap_text("type", "thinking");
        (void)tree_text(&g->starved, thought, "thinking", text != NULL ? text : "");
        if (signature != NULL)
            (void)tree_text(&g->starved, thought, "signature", signature);
        g->reasoning = text != NULL ? text : "";
        buf_adds(&g->all_reasoning, g->reasoning);
        g->signature = signature;
    } else if (redacted != NULL) {
        thought = tree_wrap_text("type", "redacted_thinking");
        (void)tree_text(&g->starved, thought, "data", redacted);
    } else {
        return;
    }
    (void)tree_push(&g->starved, g->thinking, thought);
}

static const struct {
    const char *kind;
    void (*gather)(struct gathered *g, const cJSON *block);
} kinds[] = {
    {"text", gather_text},
    {"citationsContent", gather_citations},
    {"toolUse", gather_call},
    {"reasoningContent", gather_reasoning},
};

static void gather(struct gathered *g, const cJSON *content)
{
    for (const cJSON *block = content != NULL ? content->child : NULL; block != NULL; block = block->next)
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
            const cJSON *inner = json_member(block, kinds[i].kind);
            if (inner != NULL)
                kinds[i].gather(g, inner);
        }
}

static cJSON *message_of(struct gathered *g)
{
    cJSON *message = tree_wrap_text("role", "assistant");
    bool mute = !g->spoke && g->calls->child != NULL;
    (void)tree_put(&g->starved, message, "content", mute ? cJSON_CreateNull() : cJSON_CreateString(buf_text(&g->text)));
    if (g->reasoning != NULL)
        (void)tree_text(&g->starved, message, "reasoning_content", buf_text(&g->all_reasoning));
    int thoughts = cJSON_GetArraySize(g->thinking);
    if (thoughts == 1 && g->signature != NULL)
        (void)tree_text(&g->starved, message, "reasoning_signature", g->signature);
    if (thoughts > 1 || (thoughts == 1 && g->reasoning == NULL))
        (void)tree_copy(&g->starved, message, "thinking_blocks", g->thinking);
    if (g->calls->child != NULL)
        (void)tree_copy(&g->starved, message, "tool_calls", g->calls);
    return message;
}

/* Members that Bedrock has beside the answer, under their own names. */
static void copy_extras(struct gathered *g, const cJSON *converse, cJSON *answer)
{
    static const char *const extras[] = {"trace", "performanceConfig", "additionalModelResponseFields"};
    for (size_t i = 0; i < COUNT_OF(extras); i++)
        if (json_member(converse, extras[i]) != NULL)
            (void)tree_copy(&g->starved, answer, extras[i], json_member(converse, extras[i]));
    const char *tier = json_str(json_member(converse, "serviceTier"), "type");
    if (tier != NULL)
        (void)tree_text(&g->starved, answer, "service_tier", tier);
}

static cJSON *answer_of(struct gathered *g, const struct chat_identity *who, const cJSON *converse)
{
    cJSON *answer = tree_wrap_text("id", who->id);
    (void)tree_text(&g->starved, answer, "object", "chat.completion");
    (void)tree_int(&g->starved, answer, "created", who->created);
    (void)tree_text(&g->starved, answer, "model", g->request->model);
    cJSON *choice = tree_push(&g->starved, tree_array(&g->starved, answer, "choices"), cJSON_CreateObject());
    (void)tree_int(&g->starved, choice, "index", 0);
    (void)tree_put(&g->starved, choice, "message", message_of(g));
    (void)tree_put(&g->starved, choice, "logprobs", cJSON_CreateNull());
    (void)tree_text(&g->starved, choice, "finish_reason", chat_finish_reason(json_str(converse, "stopReason")));
    const cJSON *usage = json_member(converse, "usage");
    if (usage != NULL)
        (void)tree_put(&g->starved, answer, "usage", chat_usage(usage));
    copy_extras(g, converse, answer);
    return answer;
}

cJSON *chat_answer(const struct chat_request *r, const struct chat_identity *who, const cJSON *converse,
                   struct fail *fail)
{
    const cJSON *message = json_member(json_member(converse, "output"), "message");
    if (!cJSON_IsObject(message)) {
        (void)fail_set(fail, 502, NULL, "upstream answered 200 without output.message");
        return NULL;
    }
    struct gathered g = {.request = r,
                         .text = BUF_INIT(BUF_ANY),
                         .calls = cJSON_CreateArray(),
                         .thinking = cJSON_CreateArray(),
                         .all_reasoning = BUF_INIT(BUF_ANY)};
    cJSON *answer = NULL;
    if (g.calls != NULL && g.thinking != NULL) {
        gather(&g, json_member(message, "content"));
        answer = answer_of(&g, who, converse);
    }
    if (answer == NULL || g.starved || buf_error(&g.text) != OK || buf_error(&g.all_reasoning) != OK) {
        cJSON_Delete(answer);
        answer = NULL;
        (void)fail_set(fail, 500, NULL, "out of memory");
    }
    cJSON_Delete(g.calls);
    cJSON_Delete(g.thinking);
    buf_release(&g.text);
    buf_release(&g.all_reasoning);
    return answer;
}
