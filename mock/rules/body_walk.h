/* body_walk.h: a provider's own body against a table of what may stand in it, however deep.
 *
 * A shape says which members an object has, a row what one of them may be: its kinds, its bounds, its words, and the
 * shape of what is inside. What is wrong is said in one of two voices. Bedrock looks at most bodies with a JSON schema
 * before the model sees them ("#/textGenerationConfig/topP: 2 is not less or equal to 1"; several violations are only
 * counted, body_schema.h has the frame); Claude speaks for itself, of one thing ("messages.0.role: Input should be
 * 'user' or 'assistant'"). Of Bedrock's own voice extraneous keys, required keys, maxLength, "expected type: ...,
 * found: ..." and the count are in public reports; of Claude's, required fields, extra inputs, valid integers and lower
 * bounds. The rest is how the validators they are made with say it, and inferred.
 *
 * A null counts as absent. Shapes are constants and end: no walk is deeper than its table.
 */
#ifndef MOHS_MOCK_BODY_WALK_H
#define MOHS_MOCK_BODY_WALK_H

#include "mock/rules/body_schema.h"

enum body_kind {
    BODY_TEXT = 1,
    BODY_NAME = 2, /* a text of letters, digits, _ and - */
    BODY_NUMBER = 4,
    BODY_WHOLE = 8,
    BODY_BOOL = 16,
    BODY_LIST = 32,  /* of objects when there is a shape, else of anything */
    BODY_TEXTS = 64, /* a list of texts */
    BODY_OBJECT = 128,
    BODY_ANY = BODY_TEXT | BODY_NUMBER | BODY_BOOL | BODY_LIST | BODY_OBJECT /* and what is in it */
};

#define BODY_MANY 1e15

struct body_shape;
struct body_row {
    const char *name;
    unsigned kinds; /* BODY_..., any of them */
    bool needed;
    /* Of numbers; of lists, how many; of what can only be a text, its characters. Both 0: any. */
    double least, most;
    /* Of texts (those of a list, too) and numbers: these only, apart by '|'. Of a list of objects: Claude's sentence
     * when there are too few. NULL: any. */
    const char *words;
    const struct body_shape *of;
};

enum body_form {
    BODY_OPEN,   /* other members may come */
    BODY_CLOSED, /* no others */
    BODY_UNION,  /* exactly one of the rows, no others */
    BODY_TAGGED  /* `tag` names the row whose shape holds for the object itself */
};

struct body_shape {
    enum body_form form;
    const char *tag;
    const char *any; /* at least one of these members, apart by '|'; NULL: none need be */
    const struct body_row *rows;
    size_t count;
};
/* Of a member; NULL: the shape has none of that name. */
const struct body_row *body_row(const struct body_shape *s, const char *name);
#define BODY_ROWS(table) .rows = (table), .count = COUNT_OF(table)

enum body_voice { BODY_BEDROCK, BODY_CLAUDE };

#define BODY_PATH_MAX 160
struct body_check {
    enum body_voice voice;
    struct schema_check said;  /* the first violation, "#/a/b: ..." or "a.b: ..."; and how many */
    char where[BODY_PATH_MAX]; /* the path of the first, as the voice writes it; "": the whole body */
    char path[BODY_PATH_MAX];  /* while walking: where we are */
    size_t path_len;
};
#define BODY_CHECK_INIT(which)                                                                                         \
    {                                                                                                                  \
        .voice = (which), .said = {.first = BUF_INIT(REFUSAL_TEXT_MAX) }                                               \
    }

/* `body` must be an object. */
void body_walk(struct body_check *c, const struct body_shape *shape, const cJSON *body);
/* The whole sentence; false: nothing is wrong. */
bool body_say(const struct body_check *c, struct buf *out);
void body_check_release(struct body_check *c);

#endif
