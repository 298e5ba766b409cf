/* journal_file.h: all that the journal ever held, in a file: what its bytes limit drops and a reset forgets is there, too.
 *
 * A thread of its own follows the journal and appends each request that has ended, as GET /journal shows it, secrets
 * taken out, a JSON object on a line. Requests never wait for the disk: what comes faster than it can be written for
 * long is lost, counted, and told in the end.
 */
#ifndef MOHS_MOCK_JOURNAL_FILE_H
#define MOHS_MOCK_JOURNAL_FILE_H

#include "mock/admin/journal.h"

struct journal_file;

/* path: appended to, made with mode 0600 as it holds prompts; "-": standard output. say: where trouble is told, from the
 * thread. ERR_IO with the reason. */
enum err journal_file_open(const char *path, struct journal *j, void (*say)(void *ctx, const char *line), void *ctx,
                           struct journal_file **out, struct note *note) MUST_USE;
/* When nobody adds to the journal any more: all that waits is written; a pipe that has no room two seconds later, or
 * after that, is given up. False: entries are missing in the file, as say() was told. NULL is fine. */
bool journal_file_close(struct journal_file *f);

#endif
