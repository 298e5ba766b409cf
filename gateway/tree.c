/* tree.c: cJSON members with one place that notices when memory runs out.
 *
 * A translation sets some fifty members. Checked one by one, the checks would bury the translation; unchecked, a member
 * would be missing from a request that is sent all the same. So every addition goes through here, and who builds
 * asks once, at the end, whether all of it is there.
 */
#include "gateway/tree.h"

cJSON *tree_put(bool *starved, cJSON *object, const char *key, cJSON *take)
{
    cJSON *put = json_set(object, key, take);
    if (put == NULL)
        *starved = true;
    return put;
}

cJSON *tree_push(bool *starved, cJSON *array, cJSON *take)
{
    if (array != NULL && take != NULL && cJSON_AddItemToArray(array, take))
        return take;
    cJSON_Delete(take);
    *starved = true;
    return NULL;
}

cJSON *tree_text(bool *starved, cJSON *object, const char *key, const char *text)
{
    return tree_put(starved, object, key, cJSON_CreateString(text));
}

cJSON *tree_int(bool *starved, cJSON *object, const char *key, int64_t v)
{
    return tree_put(starved, object, key, json_new_int(v));
}

cJSON *tree_object(bool *starved, cJSON *object, const char *key)
{
    cJSON *there = json_member(object, key);
    return there != NULL ? there : tree_put(starved, object, key, cJSON_CreateObject());
}

cJSON *tree_array(bool *starved, cJSON *object, const char *key)
{
    cJSON *there = json_member(object, key);
    return there != NULL ? there : tree_put(starved, object, key, cJSON_CreateArray());
}

cJSON *tree_copy(bool *starved, cJSON *object, const char *key, const cJSON *item)
{
    return tree_put(starved, object, key, cJSON_Duplicate(item, true));
}

cJSON *tree_wrap(const char *key, cJSON *take)
{
    cJSON *object = cJSON_CreateObject();
    if (json_set(object, key, take) != NULL)
        return object;
    cJSON_Delete(object);
    return NULL;
}

cJSON *tree_wrap_text(const char *key, const char *text)
{
    return tree_wrap(key, cJSON_CreateString(text));
}
