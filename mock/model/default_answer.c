/* default_answer.c: what the model says when nobody scripted it.
 *
 * An application developer points an SDK at the mock and wants something to work with: an answer that shows it was
 * asked, a tool call when one is demanded or named, reasoning when thinking is on, JSON when a schema is given, and the
 * two ways an answer is cut short (maxTokens, stopSequences). A load test wants stamps (protocol/probe.h). All of it
 * follows from the request's bytes and the seed alone: the same request, the same answer, so that a test may expect it.
 */
#include "mock/visit.h"

#include <stdlib.h>

#include "mock/model/schema_sample.h"
#include "mock/model/schema_wanted.h"
#include "mock/model/tool_wanted.h"
#include "protocol/probe.h"
#include "protocol/token.h"

#define QUOTE_MAX       160 /* bytes of the question that are repeated */
#define STAMPS_DEFAULT  16
#define STAMPS_MAX      100000
#define SIGNATURE_CHARS 120
#define HINT_MAX        60
#define TEXT_GUESS      640

static const cJSON *member(const cJSON *object, const char *key)
{
    return json_item(object, key);
}

static const cJSON *last_user_message(const cJSON *body)
{
    const cJSON *m, *found = NULL;
    cJSON_ArrayForEach(m, member(body, "messages"))
    {
        const cJSON *role = member(m, "role");
        if (cJSON_IsString(role) && strcmp(role->valuestring, "user") == 0)
            found = m;
    }
    return found;
}

/* The last text block of a message: what was asked, mostly. */
static const char *last_text(const cJSON *message)
{
    const cJSON *b;
    const char *text = NULL;
    cJSON_ArrayForEach(b, member(message, "content"))
    {
        const cJSON *t = member(b, "text");
        if (cJSON_IsString(t))
            text = t->valuestring;
    }
    return text;
}

/* One line of at most `most` bytes, cut between characters, with an ellipsis where something is missing. */
static void add_excerpt(struct buf *out, const char *text, size_t most)
{
    struct span whole = span_trim(span_of(text));
    size_t n = whole.n < most ? whole.n : most;
    while (n > 0 && n < whole.n && (whole.p[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        buf_addc(out, whole.p[i] == '\n' || whole.p[i] == '\r' || whole.p[i] == '\t' ? ' ' : (char)whole.p[i]);
    if (n < whole.n)
        buf_adds(out, "…");
}

/* ---- text ---- */

static const char *const openings[] = {
    "Here is a calm answer from a pretend model.",
    "I have read that with care, as far as a mock can.",
    "Good question, and a good one to test with.",
    "Let us pretend, for a moment, that I thought about it for a long time.",
};
static const char *const middles[] = {
    "A real model would now go into detail; I keep to a few plain sentences, so that your code has something to show.",
    "The short version is that it depends, and the long version would be billed by the token.",
    "Nothing here left your machine, and nothing was charged to anybody.",
    "Your request was signed, checked against the API and taken down in the journal before I said a word.",
};
static const char *const closings[] = {
    "Ask again and you will get the very same words.",
    "Script a reply over the admin API when you need me to say something else.",
    "If this reached your screen word by word, then streaming works.",
    "Change the seed if you would rather hear it put differently.",
};

static void say_result(const cJSON *message, struct buf *out)
{
    const cJSON *b, *part;
    cJSON_ArrayForEach(b, member(message, "content"))
    {
        cJSON_ArrayForEach(part, member(member(b, "toolResult"), "content"))
        {
            const cJSON *text = member(part, "text");
            CLEANUP(free_ptr)
            char *json = member(part, "json") == NULL ? NULL : json_text(member(part, "json"), JSON_COMPACT);
            const char *said = cJSON_IsString(text) ? text->valuestring : json;
            if (said == NULL)
                continue;
            buf_adds(out, out->len == 0 ? "The tool answered: " : " And: ");
            add_excerpt(out, said, QUOTE_MAX);
            if (out->len > 0 && strchr(".!?", out->data[out->len - 1]) == NULL)
                buf_adds(out, ".");
        }
    }
}

static void compose(const struct visit *v, const cJSON *message, struct rng *rng, struct buf *out)
{
    const char *asked = last_text(message);
    say_result(message, out);
    if (out->len == 0 && asked != NULL) {
        buf_adds(out, "You said: “");
        add_excerpt(out, asked, QUOTE_MAX);
        buf_adds(out, "”.");
    }
    const char *const parts[] = {out->len > 0 ? " " : "",
                                 openings[rng_below(rng, COUNT_OF(openings))],
                                 " ",
                                 middles[rng_below(rng, COUNT_OF(middles))],
                                 " ",
                                 closings[rng_below(rng, COUNT_OF(closings))]};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        buf_adds(out, parts[i]);
    if (v->model.row != NULL && v->model.row->id[0] != '\0') {
        buf_adds(out, " Yours, Mohs, standing in for ");
        buf_adds(out, v->model.row->name);
        buf_addc(out, '.');
    }
}

/* ---- where it ends ---- */

/* Bytes of the first `most` tokens; *counted becomes how many there were. */
static size_t cut_tokens(struct span text, uint64_t most, uint64_t *counted)
{
    size_t at = 0;
    uint64_t n = 0;
    while (at < text.n && n < most) {
        at += token_next(text, at);
        n++;
    }
    *counted = n;
    return at;
}

static const char *first_stop(const struct visit *v, struct answer *a, const char *text, size_t *at)
{
    const cJSON *stop;
    const char *found = NULL;
    cJSON_ArrayForEach(stop, json_at(v->body, "/inferenceConfig/stopSequences"))
    {
        const char *p = cJSON_IsString(stop) && stop->valuestring[0] != '\0' ? strstr(text, stop->valuestring) : NULL;
        if (p != NULL && (found == NULL || p < found)) {
            found = p;
            a->stop_sequence = stop->valuestring;
        }
    }
    *at = found == NULL ? 0 : (size_t)(found - text);
    return found;
}

/* The same, remembered: a load test gets one text again and again, and cutting it costs more than making it. */
static size_t cut_remembered(struct worker *w, struct span text, uint64_t most, uint64_t *counted)
{
    struct cut_memory *m = &w->cut;
    if (buf_error(&m->text) != OK || m->most != most || !span_equal(buf_span(&m->text), text)) {
        buf_reset(&m->text);
        buf_add(&m->text, text);
        m->most = most;
        m->at = cut_tokens(text, most, &m->counted);
    }
    *counted = m->counted;
    return m->at;
}

static uint64_t tokens_left(const struct visit *v, const struct answer *a)
{
    const cJSON *most = json_at(v->body, "/inferenceConfig/maxTokens");
    if (!cJSON_IsNumber(most) || most->valuedouble < 1)
        return UINT64_MAX;
    uint64_t n = (uint64_t)most->valuedouble;
    return n > a->output_tokens ? n - a->output_tokens : 0;
}

/* Cut `text` where a stop sequence or the token limit ends it, and say which. */
static size_t ends_at(const struct visit *v, struct answer *a, const char *text)
{
    size_t n, size = strlen(text);
    uint64_t counted;
    if (first_stop(v, a, text, &n) != NULL) {
        size = n;
        answer_stop(a, "stop_sequence");
    }
    struct span whole = {(const unsigned char *)text, size};
    n = cut_remembered(v->worker, whole, tokens_left(v, a), &counted);
    a->output_tokens += counted;
    if (n < size)
        answer_stop(a, "max_tokens");
    return n;
}

static void add_text(const struct visit *v, struct answer *a, const char *text)
{
    size_t n = ends_at(v, a, text);
    (void)answer_text(a, (struct span){(const unsigned char *)text, n});
}

/* ---- reasoning ---- */

static bool wants_reasoning(const cJSON *body)
{
    static const char *const places[] = {"/additionalModelRequestFields/thinking/type",
                                         "/additionalModelRequestFields/reasoning_config/type",
                                         "/additionalModelRequestFields/reasoningConfig/type"};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const cJSON *type = json_at(body, places[i]);
        if (cJSON_IsString(type) && strcmp(type->valuestring, "disabled") != 0)
            return true;
    }
    const cJSON *effort = json_at(body, "/additionalModelRequestFields/reasoning_effort"); /* gpt-oss */
    return cJSON_IsString(effort) && strcmp(effort->valuestring, "none") != 0;
}

static void add_reasoning(const struct visit *v, struct answer *a, const cJSON *message)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    char signature[SIGNATURE_CHARS + 1];
    buf_adds(&text, "The user wants to know about “");
    add_excerpt(&text, last_text(message) == NULL ? "nothing in particular" : last_text(message), HINT_MAX);
    buf_adds(&text, "”. A few friendly sentences will do.");
    rng_base64(&a->rng, signature, SIGNATURE_CHARS);
    signature[SIGNATURE_CHARS] = '\0';
    uint64_t counted;
    size_t n = cut_tokens(buf_span(&text), tokens_left(v, a), &counted);
    a->output_tokens += counted;
    if (n < text.len)
        answer_stop(a, "max_tokens");
    (void)answer_reasoning(a, span_cut(buf_span(&text), 0, n), signature);
}

/* ---- tools ---- */

static bool add_tool(const struct visit *v, struct answer *a, const cJSON *message)
{
    const cJSON *spec = tool_wanted(v->body);
    if (spec == NULL)
        return false;
    CLEANUP(buf_release) struct buf hint = BUF_INIT(BUF_ANY);
    add_excerpt(&hint, last_text(message), HINT_MAX);
    CLEANUP(json_free) cJSON *input = schema_sample(json_at(spec, "/inputSchema/json"), buf_text(&hint), &a->rng);
    uint64_t before = a->output_tokens, left = tokens_left(v, a);
    struct block *b = answer_tool(a, NULL, member(spec, "name")->valuestring, cJSON_IsObject(input) ? input : NULL);
    uint64_t cost =
        b == NULL ? 0 : TOKENS_PER_TOOL_BLOCK + token_count(span_of(b->name)) + token_count(span_of(b->input));
    a->output_tokens = before + (cost < left ? cost : left);
    answer_stop(a, cost <= left ? "tool_use" : "max_tokens");
    return true;
}

/* ---- structured output ---- */

static bool add_structured(const struct visit *v, struct answer *a, const cJSON *message)
{
    CLEANUP(json_free) cJSON *tree = NULL;
    if (!schema_wanted(v->body, &tree))
        return false;
    CLEANUP(buf_release) struct buf hint = BUF_INIT(BUF_ANY);
    add_excerpt(&hint, last_text(message), HINT_MAX);
    CLEANUP(json_free) cJSON *value = schema_sample(tree, buf_text(&hint), &a->rng);
    CLEANUP(free_ptr) char *text = json_text(value, JSON_COMPACT);
    if (text != NULL)
        add_text(v, a, text);
    else
        a->failed = true;
    return true;
}

/* ---- load tests ---- */

static bool add_stamps(const struct visit *v, struct answer *a)
{
    if (!probe_tag_find(v->request->body, &a->probe_id))
        return false;
    uint64_t most = tokens_left(v, a), set = v->mock->config.probe_deltas;
    uint64_t n = set > 0 ? set : most < UINT64_MAX ? most : STAMPS_DEFAULT;
    a->stamps = (uint32_t)(n < 1 ? 1 : n > STAMPS_MAX ? STAMPS_MAX : n);
    a->received_ns = v->request->received_at_ns;
    a->output_tokens = a->stamps;
    (void)answer_add(a, BLOCK_STAMPS);
    return true;
}

void default_answer(const struct visit *v, struct answer *a)
{
    const cJSON *message = last_user_message(v->body);
    if (add_stamps(v, a))
        return;
    if (wants_reasoning(v->body))
        add_reasoning(v, a, message);
    if (strcmp(a->stop_reason, "max_tokens") == 0)
        return;
    if (add_tool(v, a, message) || add_structured(v, a, message))
        return;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    (void)buf_reserve(&text, TEXT_GUESS);
    compose(v, message, &a->rng, &text);
    add_text(v, a, buf_text(&text));
}
