/* shape_unknown.c: the members of a request that the API model does not know.
 *
 * The service passes over them, and so does shape_check.c; whoever wrote them mostly meant a member that it knows. The walk is
 * that of the checks without the checks. A pointer is spelled only when something was found, so a request without such members
 * costs comparisons of names.
 */
#include "protocol/shape.h"

struct step {
    const struct step *up;
    const char *name; /* NULL: an element of a list */
    size_t index;
};

struct search {
    struct buf *out;
    size_t found, most;
};

static void add_steps(const struct step *at, struct buf *pointer)
{
    if (at == NULL)
        return;
    add_steps(at->up, pointer);
    if (at->name != NULL)
        json_pointer_add(pointer, at->name);
    else
        json_pointer_add_index(pointer, at->index);
}

static void report(struct search *s, const struct step *at)
{
    if (s->found == s->most)
        return;
    CLEANUP(buf_release) struct buf pointer = BUF_INIT(BUF_ANY);
    add_steps(at, &pointer);
    buf_adds(s->out, s->found++ > 0 ? "," : "");
    json_quote(buf_span(&pointer), s->out);
}

static void search_members(struct search *s, const struct shape *type, const cJSON *object, const struct step *up);

/* No deeper than the parser lets a body be (JSON_MAX_DEPTH). */
static void search_value(struct search *s, const struct shape_member *m, const cJSON *value, const struct step *at)
{
    struct step inside = {at, NULL, 0};
    const cJSON *item;
    if ((m->kind == SHAPE_STRUCT || m->kind == SHAPE_UNION) && cJSON_IsObject(value)) {
        search_members(s, m->type, value, at);
        return;
    }
    bool is_list = m->kind == SHAPE_LIST && cJSON_IsArray(value), is_map = m->kind == SHAPE_MAP && cJSON_IsObject(value);
    if (!is_list && !is_map)
        return;
    cJSON_ArrayForEach(item, value)
    {
        inside.name = is_map ? item->string : NULL;
        search_value(s, m->element, item, &inside);
        inside.index++;
    }
}

static void search_members(struct search *s, const struct shape *type, const cJSON *object, const struct step *up)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        const struct shape_member *m = shape_member(type, item->string);
        struct step at = {up, item->string, 0};
        if (m == NULL)
            report(s, &at);
        else
            search_value(s, m, item, &at);
    }
}

size_t api_unknown_members(const struct api_operation *operation, const cJSON *body, size_t most, struct buf *out)
{
    struct search s = {out, 0, most};
    if (operation->request.payload == NULL && cJSON_IsObject(body))
        search_members(&s, &operation->request.body, body, NULL);
    return s.found;
}
