/* match.h: what a case expects of a JSON value, and the sentence when it does not hold.
 *
 * A matcher is JSON. Plain values must be equal (numbers by digits: 1 and 1.0 are, 9007199254740993 and ...992 are
 * not). An object matches as a superset: its members must be there, others may be, unless it holds "$exact": true. A
 * list matches element by element. A member that must match null may also be absent, because absent and null mean the
 * same to every API here. An object of one key that begins with $ is an operator:
 *
 *   {"$absent": true}       no such member, or null;  false: there, and not null;  "strict": not even null
 *   {"$any": true}          anything that is there
 *   {"$type": "string"}     or number, integer, boolean, null, object, array; or a list of such names
 *   {"$equal": V}           deep equality with V: no superset, and no operators inside V
 *   {"$regex": "^a+$"}      a string in which the ECMA expression is found (regex.h)
 *   {"$prefix": "a"}  {"$suffix": "z"}
 *   {"$in": [m, m]}         one of these; the same as $or
 *   {"$all": [m, m]}        all of these hold;  {"$or": [m, m]} one holds;  {"$not": m} it does not hold
 *   {"$num": {"min": 1, "max": 2, "above": 0, "below": 3, "whole": true}}   a number within bounds (any of them)
 *   {"$approx": 0.5}        within a millionth of it; {"$approx": {"value": 0.5, "within": 0.01}}
 *   {"$now": {"within_s": 300}}  the present time as a whole number of seconds since 1970, give or take
 *   {"$json": m}            a string that holds JSON, which matches m
 *   {"$text": m}            the text of a string, of a content block, of a message, or of a list of those put together
 *   {"$len": m}             characters of a string, elements of a list, members of an object
 *   {"$unordered": [m, m]}  a list of exactly these elements in any order
 *   {"$contains": m}        a string holding this string; a list one of whose elements matches m
 *   {"$base64": m}          a base64 string; m matches the decoded bytes as text, or {"hex": "00ff"} names them
 *   {"$save": "name"}       anything there, kept under the name;  {"$save": {"name": "id", "is": m}} when it matches m
 *   {"$same": "name"}       equal to the value kept under the name
 *
 * JSON Schema's own $-words ($ref, $schema, $defs, $id, $comment, $anchor) are ordinary members.
 */
#ifndef MOHS_MATCH_H
#define MOHS_MATCH_H

#include "protocol/json.h"

#define MATCH_POINTER_MAX 512
#define MATCH_TEXT_MAX    512
#define MATCH_LIST_MAX    1024 /* elements of a list under $unordered, and values kept by $save */

struct match_vars {
    cJSON *kept; /* array of named values, the newest last; NULL while empty */
};
#define MATCH_VARS_INIT ((struct match_vars){NULL})
void match_vars_release(struct match_vars *vars);
const cJSON *match_vars_get(const struct match_vars *vars, const char *name); /* NULL: never kept */
/* Keep a copy of `value`. ERR_LIMIT beyond MATCH_LIST_MAX values. */
enum err match_vars_set(struct match_vars *vars, const char *name, const cJSON *value) MUST_USE;

struct match_failure {
    char pointer[MATCH_POINTER_MAX]; /* RFC 6901, from the value given to match() */
    char expected[MATCH_TEXT_MAX];   /* "a string matching \"^a\"" */
    char observed[MATCH_TEXT_MAX];   /* the JSON that was there, abbreviated; "nothing" */
};

/* Refuse what match() could not serve: unknown operators (naming the nearest), wrong arguments, bad patterns. `where`
 * is the JSON pointer of the matcher in its file. Patterns are compiled here, so that matching only looks them up. */
enum err match_validate(const cJSON *matcher, const char *where, struct note *note) MUST_USE;
/* Whether `actual` (NULL: absent) satisfies a validated matcher. A NULL matcher asks nothing. `vars` may be NULL when
 * nothing is saved; values saved inside an alternative that fails are forgotten. `out` may be NULL; it is written only
 * on false. When memory runs out the answer is false, and `expected` says so. */
bool match(const cJSON *matcher, const cJSON *actual, struct match_vars *vars, struct match_failure *out);
/* The text that $text sees, appended. */
void match_text_of(const cJSON *content, struct buf *out);
/* JSON of a value, cut to fit: long strings keep their beginning and tell their length. */
void match_abbreviate(const cJSON *value, char *out, size_t room);

#endif
