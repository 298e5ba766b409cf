/* guardrail_scan.c: looking for things in texts, by plain comparison and POSIX expressions.
 *
 * Everything a peer or a user can make long has a ceiling: the bytes that are looked at, the window that one expression
 * sees at a time, the places that are kept.
 */
#include "mock/guardrail/guardrail_scan.h"

#include <ctype.h>
#include <stdlib.h>

#include "protocol/regex.h"

#define PHRASE_MAX 512 /* bytes; longer ones are never found */
#define WORD_MIN   4
#define WORDS_MAX  ((size_t)100000)

/* ---- texts ---- */

uint64_t count_characters(struct span text)
{
    uint64_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += (text.p[i] & 0xc0) != 0x80;
    return n;
}

static struct span cut_between_characters(struct span text, size_t most)
{
    size_t n = text.n < most ? text.n : most;
    while (n > 0 && n < text.n && (text.p[n] & 0xc0) == 0x80)
        n--;
    return span_cut(text, 0, n);
}

static char *lowered(struct span text)
{
    char *out = span_dup(text);
    for (size_t i = 0; out != NULL && i < text.n; i++)
        out[i] = (char)(out[i] >= 'A' && out[i] <= 'Z' ? out[i] + 32 : out[i]);
    return out;
}

void scan_init(struct scan *s, struct guardrail_part *parts, size_t count)
{
    *s = (struct scan){.parts = parts, .count = count};
    size_t left = GUARDRAIL_SCAN_MAX;
    for (size_t i = 0; i < count; i++) {
        struct guardrail_part *p = &parts[i];
        s->total += count_characters(p->text);
        if (!p->guarded)
            continue;
        p->seen = cut_between_characters(p->text, left);
        p->lower = lowered(p->seen);
        s->failed = s->failed || p->lower == NULL;
        left -= p->seen.n;
        s->guarded += count_characters(p->seen);
    }
}

void scan_release(struct scan *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->parts[i].lower);
        s->parts[i].lower = NULL;
    }
}

/* ---- phrases ---- */

static bool is_word_byte(unsigned char c)
{
    return isalnum(c) || c >= 0x80 || c == '_';
}

static bool stands_alone(struct span text, size_t at, size_t n)
{
    bool glued_before = at > 0 && is_word_byte(text.p[at]) && is_word_byte(text.p[at - 1]);
    bool glued_behind = at + n < text.n && is_word_byte(text.p[at + n - 1]) && is_word_byte(text.p[at + n]);
    return !glued_before && !glued_behind;
}

static bool find_phrase(struct span lower, const char *phrase, size_t from, size_t *at, size_t *n)
{
    char want[PHRASE_MAX];
    size_t size = strlen(phrase);
    while (size > 0 && strchr(".!?,;: ", phrase[size - 1]) != NULL)
        size--;
    if (size == 0 || size > sizeof want)
        return false;
    for (size_t i = 0; i < size; i++)
        want[i] = (char)(phrase[i] >= 'A' && phrase[i] <= 'Z' ? phrase[i] + 32 : phrase[i]);
    while (from + size <= lower.n) {
        const unsigned char *p = memmem(lower.p + from, lower.n - from, want, size);
        if (p == NULL)
            return false;
        *at = (size_t)(p - lower.p);
        *n = size;
        if (stands_alone(lower, *at, size))
            return true;
        from = *at + 1;
    }
    return false;
}

static struct span lower_of(const struct guardrail_part *p)
{
    return p->lower == NULL ? SPAN_EMPTY : (struct span){(const unsigned char *)p->lower, p->seen.n};
}

bool find_any(const struct scan *s, const cJSON *phrases, size_t *part, size_t *end)
{
    const cJSON *phrase;
    bool found = false;
    for (size_t i = 0; i < s->count && !found; i++) {
        struct span lower = lower_of(&s->parts[i]);
        cJSON_ArrayForEach(phrase, phrases)
        {
            size_t at, n;
            if (!find_phrase(lower, phrase->valuestring, 0, &at, &n) || (found && at + n >= *end))
                continue;
            *part = i;
            *end = at + n;
            found = true;
        }
    }
    return found;
}

/* ---- entities ---- */

static void add_place(struct scan *s, struct places *out, struct place p)
{
    if (out->count == GUARDRAIL_PLACES_MAX)
        return;
    if (out->list == NULL)
        out->list = calloc(GUARDRAIL_PLACES_MAX, sizeof *out->list);
    if (out->list == NULL)
        s->failed = true;
    else
        out->list[out->count++] = p;
}

/* The digit sum of payment cards: every second digit from the right doubled (ISO/IEC 7812-1, annex B). */
static bool passes_luhn(struct span text)
{
    unsigned sum = 0, digits = 0;
    for (size_t i = text.n; i > 0; i--) {
        unsigned c = text.p[i - 1];
        if (!isdigit((int)c))
            continue;
        unsigned d = (c - '0') * (digits++ % 2 == 0 ? 1 : 2);
        sum += d > 9 ? d - 9 : d;
    }
    return digits > 0 && sum % 10 == 0;
}

static unsigned mod_97(unsigned rest, unsigned char c)
{
    if (isdigit(c))
        return (rest * 10 + (unsigned)(c - '0')) % 97;
    return isupper(c) ? (rest * 100 + (unsigned)(c - 'A' + 10)) % 97 : rest;
}

/* The first four characters behind the others, letters as two digits, the whole modulo 97 is 1 (ISO 13616). */
static bool passes_iban(struct span text)
{
    unsigned rest = 0;
    for (size_t i = 4; i < text.n; i++)
        rest = mod_97(rest, text.p[i]);
    for (size_t i = 0; i < 4 && i < text.n; i++)
        rest = mod_97(rest, text.p[i]);
    return rest == 1;
}

static bool passes(const cJSON *entity, struct span text)
{
    const char *check = json_str(entity, "check");
    if (check == NULL)
        return true;
    return strcmp(check, "luhn") == 0 ? passes_luhn(text) : passes_iban(text);
}

static struct span without_tail(struct span text)
{
    while (text.n > 0 && !is_word_byte(text.p[text.n - 1]))
        text.n--;
    return text;
}

/* "PIN: 1234", "my pin is 1234": one of the words is right before, with nothing but "is" and punctuation between. */
static bool has_near(const cJSON *entity, struct span before)
{
    const cJSON *list = json_member(entity, "near"), *word;
    if (list == NULL)
        return true;
    before = without_tail(before);
    if (before.n > 2 && memcmp(before.p + before.n - 2, "is", 2) == 0 && !is_word_byte(before.p[before.n - 3]))
        before = without_tail(span_cut(before, 0, before.n - 2));
    cJSON_ArrayForEach(word, list)
    {
        size_t n = strlen(word->valuestring), at, found;
        if (before.n >= n && find_phrase(before, word->valuestring, before.n - n, &at, &found))
            return true;
    }
    return false;
}

/* Where the window that begins at `from` ends: behind white space, when there is any. */
static size_t window_end(struct span text, size_t from)
{
    size_t end = from + GUARDRAIL_WINDOW;
    if (end >= text.n)
        return text.n;
    for (size_t i = end; i > from; i--)
        if (isspace(text.p[i - 1]))
            return i;
    return from + cut_between_characters(span_from(text, from), GUARDRAIL_WINDOW).n;
}

static void find_in_part(struct scan *s, const struct regex *regex, const cJSON *entity, struct place as,
                         struct places *out)
{
    struct guardrail_part *p = &s->parts[as.part];
    struct span lower = lower_of(p);
    for (size_t from = 0; from < p->seen.n && out->count < GUARDRAIL_PLACES_MAX;) {
        size_t end = window_end(p->seen, from), at, n;
        while (from < end && regex_find(regex, span_cut(p->seen, 0, end), from, &at, &n)) {
            from = at + (n > 0 ? n : 1);
            as.at = at;
            as.n = n;
            if (n > 0 && passes(entity, span_cut(p->seen, at, n)) && has_near(entity, span_cut(lower, 0, at)))
                add_place(s, out, as);
        }
        from = end;
    }
}

static void find_matches(struct scan *s, const char *pattern, const cJSON *entity, struct place as, struct places *out)
{
    const struct regex *regex = regex_get(pattern, REGEX_PLACES, NULL);
    for (as.part = 0; regex != NULL && as.part < s->count; as.part++)
        find_in_part(s, regex, entity, as, out);
}

static void find_words(struct scan *s, const char *word, struct place as, struct places *out)
{
    for (as.part = 0; as.part < s->count; as.part++) {
        size_t from = 0;
        while (out->count < GUARDRAIL_PLACES_MAX &&
               find_phrase(lower_of(&s->parts[as.part]), word, from, &as.at, &as.n)) {
            add_place(s, out, as);
            from = as.at + as.n;
        }
    }
}

void find_entity(struct scan *s, const cJSON *entity, const char *type, const cJSON *row, struct places *out)
{
    const cJSON *item;
    struct place as = {.told = json_member(entity, "near") != NULL, .type = type, .row = row};
    cJSON_ArrayForEach(item, json_member(entity, "patterns")) find_matches(s, item->valuestring, entity, as, out);
    cJSON_ArrayForEach(item, json_member(entity, "words")) find_words(s, item->valuestring, as, out);
}

void find_pattern(struct scan *s, const char *pattern, const cJSON *row, struct places *out)
{
    find_matches(s, pattern, NULL, (struct place){.row = row}, out);
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    return (int)y->told - (int)x->told;
}

void places_settle(struct places *p)
{
    size_t kept = 0;
    if (p->count > 1)
        qsort(p->list, p->count, sizeof *p->list, by_place);
    for (size_t i = 0; i < p->count; i++) {
        const struct place *last = kept > 0 ? &p->list[kept - 1] : NULL;
        if (last == NULL || last->part != p->list[i].part || p->list[i].at >= last->at + last->n)
            p->list[kept++] = p->list[i];
    }
    p->count = kept;
}

/* ---- words in common ---- */

static bool next_word(struct span text, size_t *from, uint64_t *hash)
{
    while (*from < text.n) {
        uint64_t h = 14695981039346656037u; /* FNV-1a */
        size_t start = *from;
        bool digit = false;
        while (*from < text.n && is_word_byte(text.p[*from])) {
            digit = digit || isdigit(text.p[*from]);
            h = (h ^ (uint64_t)tolower(text.p[(*from)++])) * 1099511628211u;
        }
        size_t n = *from - start;
        *from += n == 0;
        *hash = h;
        if (n >= WORD_MIN || (n > 0 && digit))
            return true;
    }
    return false;
}

static int by_hash(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x == *y ? 0 : *x < *y ? -1 : 1;
}

static size_t words_of(struct span text, uint64_t *out)
{
    size_t n = 0, kept = 0;
    for (size_t from = 0; n < WORDS_MAX && next_word(text, &from, &out[n]);)
        n++;
    qsort(out, n, sizeof *out, by_hash);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || out[kept - 1] != out[i])
            out[kept++] = out[i];
    return kept;
}

unsigned words_shared(struct span asked, struct span text)
{
    CLEANUP(free_ptr) uint64_t *a = calloc(2 * WORDS_MAX, sizeof *a);
    if (a == NULL)
        return 0;
    uint64_t *b = a + WORDS_MAX;
    size_t n = words_of(asked, a), m = words_of(text, b), both = 0;
    for (size_t i = 0; i < n; i++)
        both += bsearch(&a[i], b, m, sizeof *b, by_hash) != NULL;
    return n == 0 ? 100 : (unsigned)((both * 100 + n / 2) / n);
}
