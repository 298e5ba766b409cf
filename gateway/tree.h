/* tree.h: building cJSON trees in long runs, checked once at the end.
 *
 * Each function hands the new member to the tree, or frees it and sets *starved: memory has run out, and the tree is
 * not whole. A NULL object, array or item counts as starved too, so calls may be nested without a look in between.
 */
#ifndef MOHS_GATEWAY_TREE_H
#define MOHS_GATEWAY_TREE_H

#include "protocol/json.h"

cJSON *tree_put(bool *starved, cJSON *object, const char *key, cJSON *take);
cJSON *tree_push(bool *starved, cJSON *array, cJSON *take);
cJSON *tree_text(bool *starved, cJSON *object, const char *key, const char *text);
cJSON *tree_int(bool *starved, cJSON *object, const char *key, int64_t v);
cJSON *tree_object(bool *starved, cJSON *object,
                   const char *key); /* the member of that name, made if it is not there */
cJSON *tree_array(bool *starved, cJSON *object, const char *key);
cJSON *tree_copy(bool *starved, cJSON *object, const char *key, const cJSON *item); /* digits kept */
/* A new object with one member that takes `item`: {"key": item}. NULL, and item freed, when out of memory. */
cJSON *tree_wrap(const char *key, cJSON *take);
/* {"key": "text"} */
cJSON *tree_wrap_text(const char *key, const char *text);

#endif
