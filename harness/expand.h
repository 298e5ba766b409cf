/* expand.h: ${name} inside the strings of a case or profile. */
#ifndef MOHS_EXPAND_H
#define MOHS_EXPAND_H

#include "protocol/json.h"
#include "protocol/match.h"

/* A flat object of strings, and the values that steps saved (for ${save.NAME}; a saved text goes in as it is, anything
 * else as its JSON). */
struct expansion {
    const cJSON *names;
    const struct match_vars *saved; /* may be NULL */
};

/* Append `text` with every ${name} replaced. ERR_UNKNOWN: nobody knows the name. "$${" stands for "${". */
enum err expand_text(const struct expansion *x, const char *text, struct buf *out, struct note *note) MUST_USE;
/* In place, in every string value of the tree (not in the member names). */
enum err expand_tree(const struct expansion *x, cJSON *tree, struct note *note) MUST_USE;

#endif
