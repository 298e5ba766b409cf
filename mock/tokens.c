/* tokens.c: a deterministic stand-in for a tokenizer.
 *
 * A token is a space and up to six letters, one to three digits, or one other character. English comes out near four
 * bytes a token, which is what people expect to see; nothing here may be compared with a real model's count.
 */
#include "mock/tokens.h"

#include <ctype.h>

#include "protocol/utf8.h"

#define WORD_PIECE 6
#define DIGITS     3

static bool is_letter(unsigned char c)
{
    return isalpha(c) || c >= 0x80;
}

size_t tokens_next(struct span text)
{
    size_t n = 0, kept;
    if (text.n == 0)
        return 0;
    if (text.p[0] == ' ' && text.n > 1 && (is_letter(text.p[1]) || isdigit(text.p[1])))
        n = 1;
    if (isdigit(text.p[n])) {
        for (kept = 0; n < text.n && kept < DIGITS && isdigit(text.p[n]); kept++)
            n++;
        return n;
    }
    if (!is_letter(text.p[n]))
        return utf8_next(text);
    for (kept = 0; n < text.n && kept < WORD_PIECE && is_letter(text.p[n]); kept++)
        n += utf8_next(span_from(text, n));
    return n < text.n ? n : text.n;
}

size_t tokens_cut(struct span text, uint64_t most, uint64_t *counted)
{
    size_t at = 0;
    uint64_t n = 0;
    while (at < text.n && n < most) {
        at += tokens_next(span_from(text, at));
        n++;
    }
    *counted = n;
    return at;
}

uint64_t tokens_count(struct span text)
{
    uint64_t n;
    (void)tokens_cut(text, UINT64_MAX, &n);
    return n;
}

uint64_t tokens_of_tree(const cJSON *tree)
{
    uint64_t n = 0;
    const cJSON *child;
    if (tree == NULL)
        return 0;
    if (cJSON_IsString(tree))
        return tokens_count(span_of(tree->valuestring));
    if (cJSON_IsNumber(tree))
        return 1;
    cJSON_ArrayForEach(child, tree)
    {
        if (cJSON_IsObject(tree) && strcmp(child->string, "role") == 0)
            n += 3;
        else
            n += tokens_of_tree(child);
    }
    return n;
}
