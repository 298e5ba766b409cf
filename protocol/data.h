/* data.h: the files of fixtures/ and suites/, carried inside the program so that one binary is enough.
 *
 * Names are paths from the top of the source tree: "fixtures/api/bedrock-runtime.json". A folder given to
 * data_set_dir() (or MOHS_DATA in the environment) is looked into first, so that data can be edited without a build.
 */
#ifndef MOHS_DATA_H
#define MOHS_DATA_H

#include "protocol/base.h"

/* The bytes live until the process ends. ERR_UNKNOWN when there is no such file. */
enum err data_load(const char *path, struct span *out, struct note *note) MUST_USE;
/* Call fn for every embedded file below the prefix, in path order. A non-zero return of fn ends the walk and is returned. */
int data_each(const char *prefix, int (*fn)(void *ctx, const char *path, struct span bytes), void *ctx);
void data_set_dir(const char *dir); /* NULL: embedded only; the string must outlive all calls */

#endif
