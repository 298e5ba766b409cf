/* select.h: which cases a run is about. */
#ifndef MOHS_SELECT_H
#define MOHS_SELECT_H

#include "harness/case.h"
#include "harness/option.h"

struct selection {
    const struct option_list *words;        /* ids, folders, globs, or paths of .json files; none: all */
    const struct option_list *skip;         /* globs */
    const struct option_list *requirements; /* ids, aliases or globs of requirements */
    enum level level;                       /* at least this strict */
};

/* Indices into cases->items, in order. Files among the words are loaded into `cases` first. ERR_UNKNOWN: a word that
 * matches nothing, with the nearest id. The list is the caller's to free. */
enum err select_cases(const struct selection *s, struct cases *cases, struct requirements *requirements, size_t **out,
                      size_t *count, struct note *note) MUST_USE;

#endif
