/* glob.h: the one kind of glob that users write, everywhere: policies, fixtures, quotas, the catalogue's `remove`, filters
 * of the journal, names of cases.
 *
 * `*` is any run of bytes, none too, `?` any one byte; all else is itself. So as IAM has them: `[`, `\` and `/` mean
 * nothing, and an ARN or a model id needs no escapes.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
 *
 * Pure; the time is at most the product of both lengths.
 */
#ifndef MOHS_PROTOCOL_GLOB_H
#define MOHS_PROTOCOL_GLOB_H

#include "protocol/base.h"

bool glob_fits(struct span pattern, struct span text);
/* The case of ASCII letters aside, as names of actions are compared. */
bool glob_fits_nocase(struct span pattern, struct span text);
/* One of several, which stand apart by spaces. */
bool glob_fits_any(struct span patterns, struct span text);
/* It holds a `*` or a `?`. */
bool glob_is(const char *text);

#endif
