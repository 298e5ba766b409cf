/* agent_rank.c: words and vectors against each other; and the native bodies of rerank models, which are little more.
 */
#include "mock/agent/agent_rank.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "mock/native/embed.h"
#include "mock/native/native.h"

#define SALT        0x72616e6b /* the same for all: scores of models agree */
#define SHORT_WORD  3          /* the, a, of: these say little */
#define SHORT_COUNT 0.1f
#define STEEPNESS   6.0 /* of the curve that spreads the middle, as rerank models do */

static bool is_letter(unsigned char c)
{
    return isalnum(c) || c >= 0x80;
}

static struct span next_word(struct span text, size_t *at)
{
    while (*at < text.n && !is_letter(text.p[*at]))
        ++*at;
    size_t from = *at;
    while (*at < text.n && is_letter(text.p[*at]))
        ++*at;
    return span_cut(text, from, *at - from);
}

static float weight_of(struct span word)
{
    return word.n <= SHORT_WORD ? SHORT_COUNT : 1.0f;
}

void rank_init(struct rank *r, struct span query, bool semantic)
{
    size_t at = 0;
    *r = (struct rank){.semantic = semantic};
    embed_text(query, SALT, r->vector, RANK_DIMENSION);
    while (r->count < RANK_WORDS_MAX) {
        struct span word = next_word(query, &at);
        if (word.n == 0)
            break;
        r->words[r->count++] = word;
        r->weight += weight_of(word);
    }
}

/* The same word, or the same but for an ending: "refund" is in "refunds". */
static bool is_like(struct span a, struct span b)
{
    struct span shorter = a.n < b.n ? a : b, longer = a.n < b.n ? b : a;
    if (longer.n - shorter.n > 2 || (shorter.n != longer.n && shorter.n <= SHORT_WORD))
        return false;
    return strncasecmp((const char *)shorter.p, (const char *)longer.p, shorter.n) == 0;
}

static float overlap(const struct rank *r, struct span text)
{
    bool found[RANK_WORDS_MAX] = {false};
    float sum = 0;
    for (size_t at = 0; at < text.n;) {
        struct span word = next_word(text, &at);
        for (size_t i = 0; word.n > 0 && i < r->count; i++)
            found[i] = found[i] || is_like(word, r->words[i]);
    }
    for (size_t i = 0; i < r->count; i++)
        sum += found[i] ? weight_of(r->words[i]) : 0;
    return r->weight > 0 ? sum / r->weight : 0;
}

double rank_score(const struct rank *r, struct span text)
{
    float vector[RANK_DIMENSION];
    double cosine = 0;
    embed_text(text, SALT, vector, RANK_DIMENSION);
    for (size_t i = 0; i < RANK_DIMENSION; i++)
        cosine += (double)vector[i] * (double)r->vector[i];
    cosine = cosine < 0 ? 0 : cosine;
    double mixed = r->semantic ? cosine : (cosine + (double)overlap(r, text)) / 2;
    return 1 / (1 + exp(-STEEPNESS * (mixed - 0.4))); /* never quite 0 nor 1 */
}

static int best_first(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

void rank_sort(struct ranked *all, size_t n)
{
    if (n > 1)
        qsort(all, n, sizeof *all, best_first);
}

void rank_text(const cJSON *document, struct buf *out)
{
    const char *text = cJSON_IsString(document) ? document->valuestring : json_str(document, "text");
    if (text != NULL)
        buf_adds(out, text);
    else
        json_print(document, JSON_COMPACT, out);
}

/* ---- InvokeModel of amazon.rerank and cohere.rerank ---- */

void read_rerank(const struct native_family *f, const cJSON *body, cJSON *asked)
{
    (void)f;
    (void)body;
    (void)asked; /* nothing is said to anybody */
}

void write_rerank(struct native *n, struct buf *out)
{
    const cJSON *documents = json_member(n->body, "documents"), *d;
    size_t count = (size_t)cJSON_GetArraySize(documents), i = 0;
    int64_t top = (int64_t)count;
    CLEANUP(free_ptr) struct ranked *all = calloc(count + 1, sizeof *all);
    struct rank r;
    if (all == NULL) {
        n->a->failed = true;
        return;
    }
    rank_init(&r, span_of(json_str(n->body, "query")), false);
    cJSON_ArrayForEach(d, documents)
    {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        rank_text(d, &text);
        all[i] = (struct ranked){i, rank_score(&r, buf_span(&text))};
        i++;
    }
    rank_sort(all, count);
    const cJSON *asked = json_member(n->body, "top_n");
    if (asked != NULL && (!json_int64(asked, &top) || top < 0 || (size_t)top > count))
        top = (int64_t)count;
    native_print(out, "{'results':[");
    for (i = 0; i < (size_t)top; i++)
        buf_addf(out, "%s{\"index\":%zu,\"relevance_score\":%.9g}", i > 0 ? "," : "", all[i].index, all[i].score);
    native_print(out, "]}");
}
