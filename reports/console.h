/* console.h: the parts of the console report that are not about cases. console.c puts them together. */
#ifndef MOHS_CONSOLE_H
#define MOHS_CONSOLE_H

#include "protocol/json.h"

/* The figures of a load run or of a comparison; nothing when the document holds none. */
void console_add_load(const cJSON *doc, struct buf *out);
/* Counts and survivors of a selftest. `selftest` is that section of the document, or NULL. */
void console_add_selftest(const cJSON *selftest, struct buf *out);

#endif
