/* file.h: whole files in and out of memory, with the sentence to print when that fails. */
#ifndef MOHS_FILE_H
#define MOHS_FILE_H

#include "protocol/json.h"

/* Append all of the file, or of standard input for "-". ERR_IO with the system's words; ERR_LIMIT at the buffer's
 * ceiling. */
enum err file_read(const char *name, struct buf *out, struct note *note) MUST_USE;
/* The same, parsed; the note begins with the file's name. */
enum err file_read_json(const char *name, int json_flags, cJSON **out, struct note *note) MUST_USE;
/* Create or replace. The old content stays when writing fails (a temporary file beside it is renamed). */
enum err file_write(const char *name, struct span bytes, struct note *note) MUST_USE;

#endif
