/* body_schema.h: what a body may hold, as a table, and what is said when it holds something else.
 *
 * For the bodies of models that draw or work for a while (native_image_rules.c, async_rules.c), which are settings more
 * than texts. Violations are told in the words of the JSON schema validator that Bedrock was seen to quote for other
 * models ("#/a/b: expected maxLength: 2048, actual: 3000"); more than one are only counted, as there.
 */
#ifndef MOHS_MOCK_BODY_SCHEMA_H
#define MOHS_MOCK_BODY_SCHEMA_H

#include "protocol/buf.h"
#include "protocol/glob.h"
#include "protocol/json.h"

enum schema_kind {
    SCHEMA_WHOLE,
    SCHEMA_NUMBER,
    SCHEMA_TEXT,
    SCHEMA_CHOICE,
    SCHEMA_IMAGE,
    SCHEMA_IMAGES,
    SCHEMA_COLOURS,
    SCHEMA_THING
};

struct schema_member {
    const char *at;
    enum schema_kind kind;
    bool needed;
    double min, max;   /* of a number, of a text's characters, of a list's items */
    const char *words; /* of a choice, apart by '|' */
};

#define SCHEMA_MEMBERS_MAX 11
struct schema {
    const char *models, *name, *params;               /* name NULL: whatever the model is asked */
    struct schema_member members[SCHEMA_MEMBERS_MAX]; /* below params */
};

/* Zeroed but for `first`, which is BUF_INIT(...). */
struct schema_check {
    struct buf first; /* "#/a/b: expected ..." of the first violation */
    size_t count;
};

/* One violation more, at #/params/at; `params` may be NULL and `at` "". */
void schema_broken(struct schema_check *c, const char *params, const char *at, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* Of an object, the one that t->params names. `closed`: it has no other members. */
void schema_check_members(struct schema_check *c, const struct schema *t, const cJSON *object, bool closed);
/* One of the globs, which stand apart by spaces, fits. */
static inline bool schema_fits(const char *globs, const char *model)
{
    return glob_fits_any(span_of(globs), span_of(model));
}
/* The sentence, when there are violations; false: there are none. */
bool schema_say(const struct schema_check *c, struct buf *out);

#endif
