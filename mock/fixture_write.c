/* fixture_write.c: see fixture_write.h. */
#include "mock/fixture_write.h"

#include "mock/fixture.h"

static cJSON *list_of(const cJSON *document)
{
    return json_item(document, "fixtures");
}

cJSON *fixture_document_new(void)
{
    cJSON *document = cJSON_CreateObject();
    if (document != NULL && cJSON_AddArrayToObject(document, "fixtures") == NULL)
        json_free(&document);
    return document;
}

cJSON *fixture_document_add(cJSON *document, const char *name)
{
    cJSON *f = cJSON_CreateObject();
    if (f == NULL || !cJSON_AddItemToArray(list_of(document), f)) {
        cJSON_Delete(f);
        return NULL;
    }
    if (name != NULL)
        (void)json_set_string(f, "name", name);
    return f;
}

size_t fixture_document_count(const cJSON *document)
{
    return (size_t)cJSON_GetArraySize(list_of(document));
}

void fixture_want(cJSON *fixture, const char *member, cJSON *take)
{
    cJSON *match = json_item(fixture, "match");
    if (match == NULL)
        match = cJSON_AddObjectToObject(fixture, "match");
    if (match == NULL)
        cJSON_Delete(take);
    else if (take != NULL)
        (void)json_set(match, member, take);
}

void fixture_answer(cJSON *fixture, cJSON *take)
{
    cJSON *sequence = json_item(fixture, "sequence"), *first = NULL;
    if (take == NULL || fixture == NULL) {
        cJSON_Delete(take);
        return;
    }
    if (sequence == NULL && json_item(fixture, "reply") == NULL) {
        (void)json_set(fixture, "reply", take);
        return;
    }
    if (sequence == NULL) {
        first = cJSON_DetachItemFromObjectCaseSensitive(fixture, "reply");
        sequence = cJSON_AddArrayToObject(fixture, "sequence");
    }
    if (first != NULL && !cJSON_AddItemToArray(sequence, first))
        cJSON_Delete(first);
    if (!cJSON_AddItemToArray(sequence, take))
        cJSON_Delete(take);
}

void fixture_document_drop_last(cJSON *document)
{
    cJSON *list = list_of(document);
    cJSON_DeleteItemFromArray(list, cJSON_GetArraySize(list) - 1);
}

enum err fixture_document_print(const cJSON *document, struct buf *out, struct note *note)
{
    enum err e = fixture_check_document(document, note);
    if (e != OK)
        return e;
    json_print(document, JSON_PRETTY, out);
    buf_addc(out, '\n');
    return buf_error(out);
}
