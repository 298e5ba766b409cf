/* model.c: families of models by a word in their name, and Claude's generation by its numbers.
 *
 * Sources: Bedrock User Guide (inference parameters of each provider; prompt caching; extended and adaptive thinking;
 * tool use). A row is looked for inside the whole id, so "us.", "global." and ARNs need no rule of their own. Claude's
 * names carry their generation in two orders, claude-3-7-sonnet and claude-sonnet-4-5; dates and "v1:0" are no part of
 * it.
 */
#include "gateway/model.h"

#include <ctype.h>
#include <stdlib.h>

static const struct {
    const char *word;
    struct model_traits traits;
} families[] = {
    {"anthropic.claude", {.top_k = TOP_K_FIELD, .tool_choice = true, .trim_prefill = true}},
    {"amazon.nova", {.top_k = TOP_K_NOVA, .cache = true, .tool_choice = true}},
    {"openai.gpt-oss", {.reasoning = REASONING_EFFORT, .tool_choice = true}},
    {"deepseek.v3", {.reasoning = REASONING_CONFIG}},
    {"mistral.", {.top_k = TOP_K_FIELD, .tool_choice = true}},
    {"cohere.", {.top_k = TOP_K_COHERE}},
    {"meta.llama", {.top_k = TOP_K_NONE}},
    {"amazon.titan", {.top_k = TOP_K_NONE}},
    {"ai21.", {.top_k = TOP_K_NONE}},
    {"deepseek.", {.top_k = TOP_K_NONE}},
};

/* Generation times 100: 3.7 is 307. 0 when the name has no small number. */
static int claude_generation(const char *after)
{
    int parts[2] = {0, 0};
    size_t n = 0;
    for (const char *p = after; *p != '\0' && n < COUNT_OF(parts);) {
        size_t length = strcspn(p, "-");
        size_t digits = strspn(p, "0123456789");
        bool number = digits == length && digits > 0 && digits <= 2;
        if (number)
            parts[n++] = atoi(p);
        else if (n > 0)
            break;
        p += length + (p[length] == '-');
    }
    return parts[0] * 100 + parts[1];
}

static void claude_traits(struct model_traits *t, const char *after)
{
    int g = claude_generation(after);
    t->reasoning = g >= 406 ? REASONING_ADAPTIVE : g >= 307 ? REASONING_BUDGET : REASONING_NONE;
    t->cache = t->cache_tools = g >= 305 || g == 0;
    t->cache_ttl = g >= 405 || g == 0;
    t->one_sampler = g >= 405;
    t->strict_tools = g >= 405;
}

struct model_traits model_traits(const char *id)
{
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        const char *at = strstr(id, families[i].word);
        if (at == NULL)
            continue;
        struct model_traits t = families[i].traits;
        if (i == 0)
            claude_traits(&t, at + strlen(families[i].word));
        return t;
    }
    return (struct model_traits){
        .top_k = TOP_K_FIELD, .cache = true, .cache_tools = true, .cache_ttl = true, .tool_choice = true};
}

static struct span without_prefix(struct span name, const char *prefix)
{
    return span_has_prefix(name, prefix) ? span_from(name, strlen(prefix)) : name;
}

enum err model_clean(struct span name, struct buf *out)
{
    name = without_prefix(name, "bedrock/");
    name = without_prefix(name, "converse/");
    if (name.n == 0)
        return ERR_SYNTAX;
    if (name.n > (size_t)MODEL_ID_MAX * 3)
        return ERR_LIMIT;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] != '%') {
            buf_addc(out, (char)name.p[i]);
        } else {
            if (buf_add_unhex(out, span_cut(name, i + 1, 2)) != OK || name.n - i < 3)
                return ERR_SYNTAX;
            i += 2;
        }
    }
    if (buf_error(out) != OK)
        return buf_error(out);
    if (strlen(buf_text(out)) != out->len)
        return ERR_SYNTAX; /* %00 */
    return out->len > MODEL_ID_MAX ? ERR_LIMIT : OK;
}

void model_encode(struct span id, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < id.n; i++) {
        unsigned char c = id.p[i];
        if (isalnum(c) || (c != '\0' && strchr("-_.~", c) != NULL)) {
            buf_addc(out, (char)c);
        } else {
            buf_addc(out, '%');
            buf_addc(out, digits[c >> 4]);
            buf_addc(out, digits[c & 15]);
        }
    }
}
