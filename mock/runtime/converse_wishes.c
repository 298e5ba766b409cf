/* converse_wishes.c: what a caller of Converse wants to be told beside the answer.
 *
 * additionalModelResponseFieldPaths point into the model's own answer, which Converse hides: it is written here as
 * InvokeModel would write it (mock/native/), and what the pointers find is copied out. The result is an object that is
 * nested as the pointers are; a place in a list is a name there like any other, which is our choice, since nobody has
 * told how the service does it. A pointer that finds nothing is passed over, and when none finds anything there is no
 * object.
 */
#include "mock/runtime/converse.h"

#include "mock/visit.h"

#define TOKEN_MAX 512 /* bytes of a step; a pointer has 256 characters */

/* One step of a pointer with its ~0 and ~1 taken back; false: too long. */
static bool unescape(struct span step, char out[TOKEN_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < step.n; i++) {
        if (n == TOKEN_MAX - 1)
            return false;
        bool escape = step.p[i] == '~' && i + 1 < step.n;
        out[n++] = !escape ? (char)step.p[i] : step.p[++i] == '1' ? '/' : '~';
    }
    out[n] = '\0';
    return true;
}

/* A copy of what was found, below names that are the steps of the pointer. */
static bool put(cJSON *into, const char *pointer, const cJSON *found)
{
    struct span rest = span_of(pointer + 1), step;
    char name[TOKEN_MAX];
    for (bool more = true; more && cJSON_IsObject(into);) {
        more = span_split(rest, '/', &step, &rest);
        if (!unescape(step, name))
            return true;
        if (!more)
            return json_set(into, name, cJSON_Duplicate(found, true)) != NULL;
        cJSON *next = json_item(into, name);
        into = next != NULL ? next : cJSON_AddObjectToObject(into, name);
        if (into == NULL)
            return false;
    }
    return true; /* a pointer before it has brought all of it */
}

/* The stop sequence that a script says was met is the first that was asked for. */
static void name_stop(const struct visit *v, struct answer *a)
{
    const cJSON *first = json_at(v->body, "/inferenceConfig/stopSequences/0");
    if (a->stop_sequence == NULL && strcmp(a->stop_reason, "stop_sequence") == 0 && cJSON_IsString(first))
        a->stop_sequence = first->valuestring;
}

static cJSON *native_answer(const struct visit *v, struct answer *a)
{
    bool known = v->model.row != NULL && v->model.row->id[0] != '\0';
    const char *id = known ? v->model.row->id : v->model_id != NULL ? v->model_id : "";
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    cJSON *tree = NULL;
    native_answer_text(id, v->body, a, &text);
    return buf_error(&text) == OK && json_parse(buf_span(&text), JSON_COMPACT, &tree, NULL) == OK ? tree : NULL;
}

void converse_fields(const struct visit *v, const cJSON *paths, struct answer *a)
{
    if (cJSON_GetArraySize(paths) == 0)
        return;
    name_stop(v, a);
    CLEANUP(json_free) cJSON *native = native_answer(v, a);
    CLEANUP(json_free) cJSON *fields = cJSON_CreateObject();
    const cJSON *path;
    bool ok = native != NULL && fields != NULL;
    cJSON_ArrayForEach(path, paths)
    {
        const char *pointer = cJSON_IsString(path) ? path->valuestring : "";
        const cJSON *found = pointer[0] == '/' ? json_at(native, pointer) : NULL;
        ok = ok && (found == NULL || put(fields, pointer, found));
    }
    a->failed = a->failed || !ok;
    if (ok && fields->child != NULL) {
        a->fields = fields;
        fields = NULL;
    }
}

const cJSON *converse_wishes(const struct visit *v, struct answer *a)
{
    const cJSON *item, *paths = NULL, *body = cJSON_IsObject(v->body) ? v->body : NULL;
    cJSON_ArrayForEach(item, body) /* once through the members, which are few */
    {
        if (strcmp(item->string, "performanceConfig") == 0)
            a->latency = json_str(item, "latency");
        else if (strcmp(item->string, "serviceTier") == 0)
            a->tier = json_str(item, "type");
        else if (strcmp(item->string, "additionalModelResponseFieldPaths") == 0 && cJSON_IsArray(item))
            paths = item;
    }
    return paths;
}
