/* cache_prompt.c: a request as the row of places that the prompt cache works on.
 *
 * The walk goes as far as the last cache point and no further: what lies behind it is never hashed. Each place's hash
 * takes in the one before it, so that equal hashes mean equal prefixes. Tokens are added up by protocol/token.h in such
 * a way that the last place of a request has all of its tokens but TOKENS_PER_REQUEST, which always remain as input.
 */
#include "mock/metering/cache.h"

#include <stdlib.h>

#include "protocol/token.h"

struct walk {
    struct cache_prompt *prompt;
    struct sigv4 *s;
    struct buf text; /* what is hashed next */
    char hash[SIGV4_HEX];
    uint64_t tokens;
    size_t points, points_in_all;
    enum err error;
};

static const cJSON *tools_of(const cJSON *converse)
{
    return json_member(json_member(converse, "toolConfig"), "tools");
}

static const cJSON *first(const cJSON *list)
{
    return cJSON_IsArray(list) ? list->child : NULL;
}

/* A point, or a block that holds one: Claude's tool results may carry them on their parts. */
static const cJSON *point_of(const cJSON *block)
{
    const cJSON *point = json_member(block, "cachePoint");
    const cJSON *b = point != NULL ? NULL : first(json_member(json_member(block, "toolResult"), "content"));
    for (; b != NULL && point == NULL; b = b->next)
        point = json_member(b, "cachePoint");
    return point;
}

static size_t count_points(const cJSON *list)
{
    size_t n = 0;
    for (const cJSON *b = first(list); b != NULL; b = b->next)
        n += point_of(b) != NULL;
    return n;
}

static size_t points_of(const cJSON *converse)
{
    size_t n = count_points(tools_of(converse)) + count_points(json_member(converse, "system"));
    for (const cJSON *m = first(json_member(converse, "messages")); m != NULL; m = m->next)
        n += count_points(json_member(m, "content"));
    return n;
}

bool cache_asked(const cJSON *converse)
{
    return points_of(converse) > 0;
}

static struct cache_place *add_place(struct walk *w)
{
    struct cache_prompt *p = w->prompt;
    if (p->count == p->cap) {
        size_t cap = p->cap == 0 ? 32 : p->cap * 2;
        struct cache_place *grown = cap <= CACHE_PLACES_MAX ? realloc(p->places, cap * sizeof *grown) : NULL;
        if (grown == NULL) {
            w->error = cap <= CACHE_PLACES_MAX ? ERR_NOMEM : ERR_LIMIT;
            return NULL;
        }
        p->places = grown;
        p->cap = cap;
    }
    return &p->places[p->count++];
}

/* What stands in w->text is what the place adds. */
static void end_place(struct walk *w, bool tool)
{
    sigv4_sha256_hex(w->s, buf_span(&w->text), w->hash);
    if (buf_error(&w->text) != OK)
        w->error = buf_error(&w->text);
    struct cache_place *place = w->error == OK ? add_place(w) : NULL;
    if (place == NULL)
        return;
    *place = (struct cache_place){.tokens = w->tokens, .tool = tool};
    memcpy(place->hash, w->hash, CACHE_HASH - 1);
    place->hash[CACHE_HASH - 1] = '\0';
}

static void begin_place(struct walk *w, const char *section, const char *role)
{
    buf_reset(&w->text);
    buf_adds(&w->text, w->hash);
    buf_addf(&w->text, "\n%s\n%s\n", section, role == NULL ? "" : role);
}

/* A tool result without the points among its parts. */
static void print_result(const cJSON *result, struct buf *out)
{
    const cJSON *member, *part;
    cJSON_ArrayForEach(member, result)
    {
        json_quote(span_of(member->string), out);
        if (strcmp(member->string, "content") != 0) {
            json_print(member, JSON_COMPACT, out);
            continue;
        }
        for (part = first(member); part != NULL; part = part->next)
            if (json_member(part, "cachePoint") == NULL)
                json_print(part, JSON_COMPACT, out);
    }
}

static void print_block(const cJSON *block, struct buf *out)
{
    const cJSON *result = json_member(block, "toolResult");
    if (result != NULL)
        print_result(result, out);
    else
        json_print(block, JSON_COMPACT, out);
}

/* The point belongs to the place before it; in front of all there is nothing to keep. */
static void mark_point(struct walk *w, const cJSON *point)
{
    const char *ttl = json_str(point, "ttl");
    if (point == NULL)
        return;
    w->points_in_all--;
    if (w->prompt->count > 0 && w->points++ < CACHE_POINTS)
        w->prompt->places[w->prompt->count - 1].point =
            ttl != NULL && strcmp(ttl, "1h") == 0 ? CACHE_POINT_HOUR : CACHE_POINT_MINUTES;
}

static bool goes_on(const struct walk *w)
{
    return w->error == OK && w->points_in_all > 0 && w->points < CACHE_POINTS;
}

struct section {
    const char *name, *role;
    size_t (*count)(const cJSON *block);
    uint64_t once; /* tokens that come with the first block that has any */
    bool tool;
};

static void walk_list(struct walk *w, const cJSON *list, const struct section *s)
{
    uint64_t once = s->once;
    for (const cJSON *b = first(list); b != NULL && goes_on(w); b = b->next) {
        const cJSON *point = point_of(b);
        if (json_member(b, "cachePoint") == NULL) {
            uint64_t tokens = s->count(b);
            bool starts = once > 0 && (tokens > 0 || s->role != NULL);
            w->tokens += tokens + (starts ? once : 0);
            begin_place(w, starts || s->role == NULL ? s->name : "more", s->role);
            once = starts ? 0 : once;
            print_block(b, &w->text);
            end_place(w, s->tool);
        }
        mark_point(w, point);
    }
}

/* A message without blocks has its tokens all the same. */
static void walk_message(struct walk *w, const cJSON *message)
{
    const cJSON *content = json_member(message, "content");
    struct section s = {"message", json_str(message, "role"), token_count_block, TOKENS_PER_MESSAGE, false};
    s.role = s.role == NULL ? "" : s.role;
    size_t before = w->prompt->count;
    walk_list(w, content, &s);
    if (w->prompt->count == before && goes_on(w))
        w->tokens += TOKENS_PER_MESSAGE;
}

enum err cache_prompt_read(struct cache_prompt *p, struct sigv4 *s, const cJSON *converse,
                           const struct cache_owner *owner)
{
    static const struct section tools = {"tool", NULL, token_count_tool, 0, true};
    static const struct section system = {"system", NULL, token_count_block, TOKENS_OF_SYSTEM, false};
    *p = (struct cache_prompt){NULL, 0, 0};
    struct walk w = {.prompt = p, .s = s, .text = BUF_INIT(BUF_ANY), .points_in_all = points_of(converse)};
    buf_addf(&w.text, "%s\n%s\n%s\n%s", owner->session == NULL ? "" : owner->session, owner->account, owner->region,
             owner->model);
    sigv4_sha256_hex(s, buf_span(&w.text), w.hash);
    walk_list(&w, tools_of(converse), &tools);
    walk_list(&w, json_member(converse, "system"), &system);
    for (const cJSON *m = first(json_member(converse, "messages")); m != NULL && goes_on(&w); m = m->next)
        walk_message(&w, m);
    buf_release(&w.text);
    return w.error == ERR_LIMIT ? OK : w.error;
}

void cache_prompt_release(struct cache_prompt *p)
{
    if (p == NULL)
        return;
    free(p->places);
    *p = (struct cache_prompt){NULL, 0, 0};
}
