/* json.h: RFC 8259 to cJSON trees and back, without losing anything.
 *
 * The tree is cJSON's, so any cJSON_* reader works on it. The parser and the printer are ours, because cJSON's turn
 * every number into a double (9007199254740993 becomes ...992), end strings at U+0000, and accept text that is not JSON:
 *   - a number keeps its literal in `valuestring` beside `valuedouble`; cJSON_Delete and cJSON_Duplicate know what to do;
 *   - U+0000 inside a string is held as the two bytes C0 80 (never legal UTF-8 in the input) and printed as \u0000;
 *   - trailing bytes, control characters in strings, bad UTF-8, lone surrogates, leading zeros are refused with position.
 * Change a parsed number with json_set or json_patch: cJSON_SetNumberValue would leave the old literal to be printed.
 * Items come from cJSON's allocator, so cJSON_InitHooks reaches the parser too. Do not name cJSON_InsertItemInArray: Debian's
 * 1.7.15 refuses every place but the first.
 * Members keep their order. Of two members with one name the last wins, unless JSON_UNIQUE is asked for.
 */
#ifndef MOHS_JSON_H
#define MOHS_JSON_H

#include <cjson/cJSON.h>

#include "protocol/base.h"
#include "protocol/buf.h"

#define JSON_MAX_DEPTH 128

enum json_flags {
    JSON_COMPACT = 0,
    JSON_UNIQUE = 1, /* parse: a repeated member name is an error */
    JSON_SORTED = 2, /* print: members by name, bytewise, at every depth (as Converse answers are) */
    JSON_PRETTY = 4, /* print: two spaces of indent */
    JSON_ASCII = 8   /* print: every non-ASCII character as \uXXXX, as boto3 does */
};

/* *out is the caller's (json_free). On error it is NULL and the note says "line 3, column 14: expected ..." */
enum err json_parse(struct span text, int flags, cJSON **out, struct note *note) MUST_USE;
void json_free(cJSON **tree); /* for CLEANUP(json_free) cJSON *t = NULL; */
/* Append the text of `item`. NULL prints null. Fails only by the buffer. */
void json_print(const cJSON *item, int flags, struct buf *out);
char *json_text(const cJSON *item, int flags); /* malloc'ed; NULL when out of memory */
/* Append text as a JSON string with its quotes. `text` may hold C0 80 for U+0000. */
void json_quote(struct span text, struct buf *out);

/* RFC 6901. "" is the root. NULL when nothing is there. */
cJSON *json_at(const cJSON *root, const char *pointer);
/* Append "/" and the escaped reference token to a pointer being built. */
void json_pointer_add(struct buf *pointer, const char *token);
void json_pointer_add_index(struct buf *pointer, size_t index);
/* The step to a child: its name, or of an array `index`. */
void json_pointer_add_child(struct buf *pointer, const cJSON *child, size_t index);

/* Every string of the tree, in its order, with its pointer; `where` is that of the tree. The first that is not OK ends
 * it and is returned. */
typedef enum err json_string_look(void *ctx, const char *text, const char *where);
enum err json_each_string(const cJSON *tree, const char *where, json_string_look *look, void *ctx);

/* Typed getters of a member. `json_get_x` wants it there; `json_opt_x` leaves *out alone when it is absent or null.
 * A wrong type is ERR_INVALID and the note names `where` (a JSON pointer of the object), the key, what was expected and
 * what was found. Strings stay the tree's. */
enum err json_get_string(const cJSON *object, const char *key, const char *where, const char **out, struct note *note) MUST_USE;
enum err json_opt_string(const cJSON *object, const char *key, const char *where, const char **out, struct note *note) MUST_USE;
enum err json_get_int(const cJSON *object, const char *key, const char *where, int64_t *out, struct note *note) MUST_USE;
enum err json_opt_int(const cJSON *object, const char *key, const char *where, int64_t *out, struct note *note) MUST_USE;
enum err json_opt_bool(const cJSON *object, const char *key, const char *where, bool *out, struct note *note) MUST_USE;
enum err json_opt_object(const cJSON *object, const char *key, const char *where, cJSON **out, struct note *note) MUST_USE;
enum err json_get_array(const cJSON *object, const char *key, const char *where, cJSON **out, struct note *note) MUST_USE;
enum err json_opt_array(const cJSON *object, const char *key, const char *where, cJSON **out, struct note *note) MUST_USE;
/* Every member of `object` must be in `known`; the note names the stranger, its pointer and the nearest known key. */
enum err json_only_keys(const cJSON *object, const char *const *known, size_t count, const char *where, struct note *note) MUST_USE;
const char *json_type_name(const cJSON *item); /* "object", "string", ... "absent" for NULL */

/* Shorthands that read: the string of a member or NULL; the member or NULL (case-sensitive, null counts as absent). */
const char *json_str(const cJSON *object, const char *key);
cJSON *json_member(const cJSON *object, const char *key);
/* The same, but a null is handed out too. */
cJSON *json_item(const cJSON *object, const char *key);

/* Numbers by their digits: exact decimal comparison of the literals (1, 1.0 and 1e0 are equal; ...993 and ...992 are not). */
int json_number_compare(const cJSON *a, const cJSON *b);
/* A whole number within int64, from the literal. False for fractions and overflow. */
bool json_int64(const cJSON *item, int64_t *out);
/* Builders that keep digits. They return the new item, owned by the tree, or NULL when out of memory. */
cJSON *json_new_int(int64_t v);
cJSON *json_new_literal(const char *number_literal); /* asserts that it is a JSON number */
cJSON *json_new_string(struct span text);
cJSON *json_set_int(cJSON *object, const char *key, int64_t v);
cJSON *json_set_string(cJSON *object, const char *key, const char *text);
cJSON *json_set(cJSON *object, const char *key, cJSON *take); /* replaces a member of that name */

/* Deep equality: member order ignored, numbers by digits. */
bool json_equal(const cJSON *a, const cJSON *b);

/* One RFC 6902 operation (add, replace, remove) on *root; `value` is copied. The note says which pointer was not there. */
enum err json_patch(cJSON **root, const char *op, const char *pointer, const cJSON *value, struct note *note) MUST_USE;

#endif
