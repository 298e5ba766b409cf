/* query.h: the AWS query protocol: form parameters in, XML out (Smithy 2.0, "AWS query protocol").
 *
 * Parameters become the JSON tree that the API model describes, so that protocol/shape.h checks them as it checks every
 * other request: Tags.member.1.Key=x is {"Tags":[{"Key":"x"}]}. Parameters that the model does not know are ignored, as
 * the service ignores them.
 */
#ifndef MOHS_MOCK_QUERY_H
#define MOHS_MOCK_QUERY_H

#include "protocol/shape.h"

#define QUERY_LIST_MAX   256  /* members of a list */
#define QUERY_PARAMS_MAX 1024 /* parameters of a request */

/* The decoded value of a parameter ('+' is a space), appended. ERR_UNKNOWN: it is not there, or cannot be decoded. */
enum err query_get(struct span form, const char *name, struct buf *out) MUST_USE;
/* Where the value of a parameter stands, still encoded; the span {NULL, 0}: not there. */
struct span query_find(struct span form, const char *name);
/* The tree of an operation's input. ERR_INVALID, with the note saying which parameter is wrong: a number that is none,
 * text that is no UTF-8, a list with a hole. */
enum err query_tree(const struct api_operation *operation, struct span form, cJSON **out, struct note *note) MUST_USE;

/* Text of an XML 1.0 document, escaped; what no such document can hold becomes U+FFFD. */
void xml_text(struct span text, struct buf *out);
/* <name>text</name>; nothing for NULL. */
void xml_element(const char *name, const char *text, struct buf *out);

#endif
