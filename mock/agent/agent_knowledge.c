/* agent_knowledge.c: loading knowledge bases, and the filters of Retrieve.
 *
 * Locations and contents are checked against the API model when they are read, so that whatever a user writes is what
 * an SDK can parse. A comparison of things that cannot be compared (a word with a number, an absent attribute) fails,
 * for notEquals and notIn as well: the document says nothing about it.
 */
#include "mock/agent/agent_knowledge.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/data.h"

#define BASE      "fixtures/knowledge.json"
#define PAGE_MOST 1000

struct knowledge {
    cJSON *tree;
};

static const char *const file_keys[] = {"note", "rerank_page", "knowledge_bases"};
static const char *const base_keys[] = {"id", "name", "documents"};
static const char *const document_keys[] = {"id", "text", "content", "location", "metadata"};

/* ---- loading ---- */

static enum err check_part(const struct api *api, const cJSON *document, const char *key, const char *shape,
                           const char *where, struct note *note)
{
    const cJSON *part = json_member(document, key);
    if (part == NULL)
        return OK;
    struct api_fault fault = API_FAULT_INIT;
    enum err e = cJSON_IsObject(part) ? api_check_shape(api, api_shape(api, shape), part, &fault) : ERR_INVALID;
    if (e != OK)
        e = note_set(note, e, "%s/%s: not a %s: %.300s", where, key, shape,
                     fault.text.len > 0 ? buf_text(&fault.text) : "expected an object");
    api_fault_release(&fault);
    return e;
}

static enum err check_document(const struct api *api, const cJSON *d, const char *where, struct note *note)
{
    if (!cJSON_IsObject(d))
        return note_set(note, ERR_INVALID, "%s: expected an object, found %s", where, json_type_name(d));
    const char *text = NULL, *id = NULL;
    cJSON *metadata = NULL;
    enum err e = json_only_keys(d, document_keys, COUNT_OF(document_keys), where, note);
    if (e == OK)
        e = json_opt_string(d, "text", where, &text, note);
    if (e == OK)
        e = json_opt_string(d, "id", where, &id, note);
    if (e == OK)
        e = json_opt_object(d, "metadata", where, &metadata, note);
    if (e == OK && (text == NULL) == (json_member(d, "content") == NULL))
        e = note_set(note, ERR_INVALID, "%s: expected either text or content", where);
    if (e == OK)
        e = check_part(api, d, "location", "RetrievalResultLocation", where, note);
    return e != OK ? e : check_part(api, d, "content", "RetrievalResultContent", where, note);
}

static bool is_base_id(const char *id)
{
    size_t n = strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    return n == 10 && id[n] == '\0';
}

static enum err check_base(const struct api *api, const cJSON *base, const char *where, struct note *note)
{
    const char *id = NULL;
    cJSON *documents = NULL;
    if (!cJSON_IsObject(base))
        return note_set(note, ERR_INVALID, "%s: expected an object, found %s", where, json_type_name(base));
    enum err e = json_only_keys(base, base_keys, COUNT_OF(base_keys), where, note);
    if (e == OK)
        e = json_get_string(base, "id", where, &id, note);
    if (e == OK && !is_base_id(id))
        e = note_set(note, ERR_INVALID, "%s/id: expected ten letters and digits, found %.40s", where, id);
    if (e == OK)
        e = json_get_array(base, "documents", where, &documents, note);
    if (e == OK && cJSON_GetArraySize(documents) > KNOWLEDGE_DOCUMENTS_MAX)
        e = note_set(note, ERR_LIMIT, "%s/documents: at most %d", where, KNOWLEDGE_DOCUMENTS_MAX);
    size_t i = 0;
    const cJSON *d;
    cJSON_ArrayForEach(d, documents)
    {
        char at[160];
        (void)snprintf(at, sizeof at, "%s/documents/%zu", where, i++);
        if (e == OK)
            e = check_document(api, d, at, note);
    }
    return e;
}

static enum err check_file(const struct api *api, const cJSON *tree, struct note *note)
{
    if (!cJSON_IsObject(tree))
        return note_set(note, ERR_INVALID, "expected an object, found %s", json_type_name(tree));
    cJSON *bases = NULL;
    int64_t page = PAGE_MOST;
    size_t i = 0;
    enum err e = json_only_keys(tree, file_keys, COUNT_OF(file_keys), "", note);
    if (e == OK)
        e = json_opt_int(tree, "rerank_page", "", &page, note);
    if (e == OK && (page < 1 || page > PAGE_MOST))
        e = note_set(note, ERR_INVALID, "/rerank_page: expected 1 to %d", PAGE_MOST);
    if (e == OK)
        e = json_opt_array(tree, "knowledge_bases", "", &bases, note);
    if (e == OK && cJSON_GetArraySize(bases) > KNOWLEDGE_BASES_MAX)
        e = note_set(note, ERR_LIMIT, "/knowledge_bases: at most %d", KNOWLEDGE_BASES_MAX);
    const cJSON *base;
    cJSON_ArrayForEach(base, bases)
    {
        char where[64];
        (void)snprintf(where, sizeof where, "/knowledge_bases/%zu", i++);
        if (e == OK)
            e = check_base(api, base, where, note);
    }
    return e;
}

static cJSON *base_of(const cJSON *tree, const char *id)
{
    cJSON *base, *bases = json_member(tree, "knowledge_bases");
    cJSON_ArrayForEach(base, bases)
    {
        if (strcmp(json_str(base, "id"), id) == 0)
            return base;
    }
    return NULL;
}

/* A base of the overlay takes the place of the one with its id. */
static enum err lay_over(cJSON *tree, const cJSON *over, struct note *note)
{
    const cJSON *base, *page = json_member(over, "rerank_page");
    cJSON *bases = json_member(tree, "knowledge_bases");
    bool ok = page == NULL || json_set(tree, "rerank_page", cJSON_Duplicate(page, true)) != NULL;
    cJSON_ArrayForEach(base, json_member(over, "knowledge_bases"))
    {
        cJSON *old = base_of(tree, json_str(base, "id"));
        if (old != NULL)
            cJSON_Delete(cJSON_DetachItemViaPointer(bases, old));
        ok = ok && cJSON_AddItemToArray(bases, cJSON_Duplicate(base, true));
    }
    return ok ? OK : note_set(note, ERR_NOMEM, "out of memory");
}

enum err knowledge_load(struct knowledge **out, const struct api *api, struct span overlay, const char *name,
                        struct note *note)
{
    struct span text;
    CLEANUP(json_free) cJSON *tree = NULL, *over = NULL;
    *out = NULL;
    enum err e = data_load(BASE, &text, note);
    if (e == OK)
        e = json_parse(text, JSON_UNIQUE, &tree, note);
    if (e == OK)
        e = check_file(api, tree, note);
    if (e != OK)
        note_prefix(note, BASE);
    if (e == OK && overlay.n > 0) {
        e = json_parse(overlay, JSON_UNIQUE, &over, note);
        if (e == OK)
            e = check_file(api, over, note);
        if (e == OK)
            e = lay_over(tree, over, note);
        if (e != OK && name != NULL)
            note_prefix(note, "%s", name);
    }
    if (e != OK)
        return e;
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    (*out)->tree = tree;
    tree = NULL;
    return OK;
}

void knowledge_free(struct knowledge *k)
{
    if (k == NULL)
        return;
    json_free(&k->tree);
    free(k);
}

const cJSON *knowledge_documents(const struct knowledge *k, const char *id)
{
    const char *slash = strrchr(id, '/');
    return json_member(base_of(k->tree, slash != NULL ? slash + 1 : id), "documents");
}

size_t knowledge_rerank_page(const struct knowledge *k)
{
    int64_t page = PAGE_MOST;
    const cJSON *item = json_member(k->tree, "rerank_page");
    return item != NULL && json_int64(item, &page) && page > 0 ? (size_t)page : PAGE_MOST;
}

/* ---- filters ---- */

static bool has_item(const cJSON *list, const cJSON *value)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (json_equal(item, value))
            return true;
    }
    return false;
}

static const char *text_of(const cJSON *item)
{
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

static bool equals(const cJSON *its, const cJSON *value)
{
    return json_equal(its, value);
}

static bool not_equals(const cJSON *its, const cJSON *value)
{
    return !json_equal(its, value);
}

static bool is_in(const cJSON *its, const cJSON *value)
{
    return has_item(value, its);
}

static bool not_in(const cJSON *its, const cJSON *value)
{
    return cJSON_IsArray(value) && !has_item(value, its);
}

static bool numbers(const cJSON *a, const cJSON *b)
{
    return cJSON_IsNumber(a) && cJSON_IsNumber(b);
}

static bool greater(const cJSON *its, const cJSON *value)
{
    return numbers(its, value) && json_number_compare(its, value) > 0;
}

static bool greater_or_equal(const cJSON *its, const cJSON *value)
{
    return numbers(its, value) && json_number_compare(its, value) >= 0;
}

static bool less(const cJSON *its, const cJSON *value)
{
    return numbers(its, value) && json_number_compare(its, value) < 0;
}

static bool less_or_equal(const cJSON *its, const cJSON *value)
{
    return numbers(its, value) && json_number_compare(its, value) <= 0;
}

static bool starts_with(const cJSON *its, const cJSON *value)
{
    const char *a = text_of(its), *b = text_of(value);
    return a != NULL && b != NULL && strncmp(a, b, strlen(b)) == 0;
}

/* In a text, or in a text of a list. */
static bool string_contains(const cJSON *its, const cJSON *value)
{
    const char *b = text_of(value);
    const cJSON *item;
    if (b == NULL || text_of(its) != NULL)
        return b != NULL && strstr(text_of(its), b) != NULL;
    cJSON_ArrayForEach(item, its)
    {
        if (text_of(item) != NULL && strstr(text_of(item), b) != NULL)
            return true;
    }
    return false;
}

static bool list_contains(const cJSON *its, const cJSON *value)
{
    return cJSON_IsArray(its) && has_item(its, value);
}

static const struct {
    const char *name;
    bool (*holds)(const cJSON *its, const cJSON *value);
} operators[] = {{"equals", equals},
                 {"notEquals", not_equals},
                 {"in", is_in},
                 {"notIn", not_in},
                 {"greaterThan", greater},
                 {"greaterThanOrEquals", greater_or_equal},
                 {"lessThan", less},
                 {"lessThanOrEquals", less_or_equal},
                 {"startsWith", starts_with},
                 {"stringContains", string_contains},
                 {"listContains", list_contains}};

/* The depth is that of the body, which the parser limits. */
bool knowledge_passes(const cJSON *filter, const cJSON *metadata)
{
    const cJSON *all = json_member(filter, "andAll"), *any = json_member(filter, "orAll"), *part;
    cJSON_ArrayForEach(part, all)
    {
        if (!knowledge_passes(part, metadata))
            return false;
    }
    cJSON_ArrayForEach(part, any)
    {
        if (knowledge_passes(part, metadata))
            return true;
    }
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        const cJSON *asked = json_member(filter, operators[i].name);
        const char *key = json_str(asked, "key");
        const cJSON *its = key != NULL ? json_member(metadata, key) : NULL;
        if (asked != NULL)
            return its != NULL && operators[i].holds(its, json_member(asked, "value"));
    }
    return any == NULL;
}
