/* mutate.c: changes of JSON that leave it JSON.
 *
 * A flipped byte ends nearly every body at the parser. So the tree is read, one of its places is changed, and it is
 * printed again. The words come from our own data: every member name and short string of the API model, the schemas and
 * the native bodies, so that a name that means something is tried often.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "protocol/data.h"

#define PLACES_MAX 2048
#define WORDS_MAX  8192
#define WORD_MAX   48

static uint64_t state;

static size_t any(size_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below == 0 ? 0 : (size_t)(state % below);
}

/* ---- words ---- */

static const char *words[WORDS_MAX];
static size_t word_count;
static cJSON *sources[64];
static size_t source_count;

static void learn(const char *word)
{
    size_t n = word != NULL ? strlen(word) : 0;
    if (n > 0 && n <= WORD_MAX && word_count < WORDS_MAX)
        words[word_count++] = word;
}

static void learn_tree(const cJSON *item)
{
    for (; item != NULL; item = item->next) {
        learn(item->string);
        if (cJSON_IsString(item))
            learn(item->valuestring);
        learn_tree(item->child);
    }
}

static int learn_file(void *ctx, const char *path, struct span bytes)
{
    (void)ctx;
    if (strstr(path, "/vectors/") != NULL || strstr(path, "errors") != NULL || source_count == COUNT_OF(sources))
        return 0;
    if (json_parse(bytes, 0, &sources[source_count], NULL) == OK)
        learn_tree(sources[source_count++]);
    return 0;
}

static const char *a_word(void)
{
    if (word_count == 0) {
        learn("$text"), learn("x-mohs-session");
        (void)data_each("fixtures/", learn_file, NULL);
    }
    return words[any(word_count)];
}

static cJSON *a_value(void)
{
    static const char *const numbers[] = {"0", "-1", "1", "2147483648", "9223372036854775807", "1e308", "0.5", "-0",
                                          "1e-400", "18446744073709551616", "4096", "100000"};
    static const char *const strings[] = {"", "a", "\xc3\xa9", "\xf0\x9f\x98\x80", "data:image/png;base64,AAAA", "AAAA",
                                          "2026-01-02T03:04:05Z", "arn:aws:bedrock:us-east-1:123456789012:guardrail/x",
                                          "$", "{{", "{{now}}", "*", "1", "https://a.b/c", "%00", "\xc0\x80"};
    switch (any(8)) {
    case 0:
        return cJSON_CreateNull();
    case 1:
        return cJSON_CreateBool(any(2) == 0);
    case 2:
    case 3:
        return json_new_literal(numbers[any(COUNT_OF(numbers))]);
    case 4:
        return cJSON_CreateObject();
    case 5:
        return cJSON_CreateArray();
    case 6:
        return cJSON_CreateString(strings[any(COUNT_OF(strings))]);
    default:
        return cJSON_CreateString(a_word());
    }
}

/* ---- places ---- */

struct place {
    cJSON *parent, *item;
};
static struct place places[PLACES_MAX];
static size_t place_count;

static void find_places(cJSON *parent, size_t depth)
{
    cJSON *item;
    cJSON_ArrayForEach(item, parent)
    {
        if (place_count == PLACES_MAX || depth > 60)
            return;
        places[place_count++] = (struct place){parent, item};
        find_places(item, depth + 1);
    }
}

static void add(cJSON *parent, const char *name, cJSON *take)
{
    bool added = cJSON_IsObject(parent) ? json_item(parent, name) == NULL && cJSON_AddItemToObject(parent, name, take)
                                        : cJSON_IsArray(parent) && cJSON_AddItemToArray(parent, take);
    if (!added)
        cJSON_Delete(take);
}

static void put(struct place *p, cJSON *take)
{
    if (take != NULL) {
        free(take->string); /* of a copy */
        take->string = p->item->string != NULL ? strdup(p->item->string) : NULL;
    }
    if (take != NULL && !cJSON_ReplaceItemViaPointer(p->parent, p->item, take))
        cJSON_Delete(take);
}

static cJSON *changed_string(const cJSON *item)
{
    uint8_t bytes[4096 + 1];
    size_t n = cJSON_IsString(item) ? strlen(item->valuestring) : 0;
    n = n > sizeof bytes / 2 ? sizeof bytes / 2 : n;
    if (n > 0)
        memcpy(bytes, item->valuestring, n);
    n = LLVMFuzzerMutate(bytes, n, sizeof bytes - 1);
    for (size_t i = 0; i < n; i++) /* the printer takes valid UTF-8: a tree that was parsed holds nothing else */
        bytes[i] = bytes[i] == 0 || bytes[i] >= 0x80 ? '?' : bytes[i];
    bytes[n] = 0;
    return cJSON_CreateString((const char *)bytes);
}

static cJSON *wrapped(const cJSON *item)
{
    cJSON *outer = any(2) == 0 ? cJSON_CreateArray() : cJSON_CreateObject();
    add(outer, a_word(), cJSON_Duplicate(item, true));
    return outer;
}

static void change(cJSON *root)
{
    place_count = 0;
    find_places(root, 0);
    if (place_count == 0) {
        add(root, a_word(), a_value());
        return;
    }
    struct place *p = &places[any(place_count)], *other = &places[any(place_count)];
    switch (any(10)) {
    case 0:
        cJSON_Delete(cJSON_DetachItemViaPointer(p->parent, p->item));
        return;
    case 1: /* again, some times */
        for (size_t i = 0, n = any(4) == 0 ? any(300) : 1; i < n; i++)
            add(p->parent, a_word(), cJSON_Duplicate(p->item, true));
        return;
    case 2:
        put(p, cJSON_Duplicate(other->item, true));
        return;
    case 3:
        put(p, wrapped(p->item));
        return;
    case 4: { /* another name */
        cJSON *copy = cJSON_Duplicate(p->item, true);
        cJSON *parent = p->parent;
        cJSON_Delete(cJSON_DetachItemViaPointer(parent, p->item));
        add(parent, a_word(), copy);
        return;
    }
    case 5:
    case 6:
        put(p, changed_string(p->item));
        return;
    case 7:
        add(cJSON_IsObject(p->item) || cJSON_IsArray(p->item) ? p->item : p->parent, a_word(), a_value());
        return;
    case 8:
        put(p, cJSON_CreateString(a_word()));
        return;
    default:
        put(p, a_value());
    }
}

/* ---- records ---- */

static struct span a_record(struct span all, const char *separator)
{
    struct span rest = all, found = all;
    size_t n = strlen(separator), count = 0;
    if (n == 0)
        return all;
    for (;;) {
        const unsigned char *end = rest.n >= n ? memmem(rest.p, rest.n, separator, n) : NULL;
        struct span one = end != NULL ? span_cut(rest, 0, (size_t)(end - rest.p)) : rest;
        if (any(++count) == 0)
            found = one;
        if (end == NULL)
            return found;
        rest = span_from(rest, one.n + n);
    }
}

static struct span json_of(struct span record)
{
    for (size_t i = 0; i < record.n; i++)
        if (record.p[i] == '{' || record.p[i] == '[')
            return span_from(record, i);
    return SPAN_EMPTY;
}

static size_t rearrange(uint8_t *data, size_t size, size_t max, const char *separator)
{
    struct span all = {data, size}, one = a_record(all, separator);
    size_t n = strlen(separator), at = (size_t)(one.p - data);
    if (n == 0 || one.n == 0 || one.n + n > size)
        return LLVMFuzzerMutate(data, size, max);
    if (any(2) == 0) { /* without it */
        size_t gone = one.n + (at + one.n < size ? n : 0);
        memmove(data + at, data + at + gone, size - at - gone);
        return size - gone > 0 ? size - gone : LLVMFuzzerMutate(data, size, max);
    }
    if (size + n + one.n > max)
        return LLVMFuzzerMutate(data, size, max);
    CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
    buf_add(&copy, one); /* again, at the end */
    memcpy(data + size, separator, n);
    memcpy(data + size + n, copy.data != NULL ? copy.data : "", copy.len);
    return size + n + copy.len;
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max, unsigned seed, const char *separator)
{
    state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    size_t dice = any(16);
    if (dice < 3 || size == 0)
        return LLVMFuzzerMutate(data, size, max);
    if (dice < 5)
        return rearrange(data, size, max, separator);
    struct span record = a_record((struct span){data, size}, separator), json = json_of(record);
    CLEANUP(json_free) cJSON *tree = NULL;
    if (json.n == 0 || json_parse(json, 0, &tree, NULL) != OK)
        return LLVMFuzzerMutate(data, size, max);
    for (size_t i = 0, n = 1 + any(3); i < n; i++)
        change(tree);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    json_print(tree, JSON_COMPACT, &text);
    size_t from = (size_t)(json.p - data), behind = size - from - json.n;
    if (buf_error(&text) != OK || from + text.len + behind > max)
        return LLVMFuzzerMutate(data, size, max);
    memmove(data + from + text.len, data + from + json.n, behind);
    memcpy(data + from, text.data, text.len);
    return from + text.len + behind;
}
