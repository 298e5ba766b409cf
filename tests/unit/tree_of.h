/* tree_of.h: JSON that a test writes, as a tree. */
#ifndef MOHS_TREE_OF_H
#define MOHS_TREE_OF_H

#include "protocol/json.h"
#include "unit.h"

static cJSON *tree_of(const char *text)
{
    cJSON *t = NULL;
    struct note note;
    enum err e = json_parse(span_of(text), 0, &t, &note);
    CLAIM(e == OK, "%s is refused: %s", text, note.text);
    return t;
}

#endif
