/* template.h: values of the request in the strings of a reply.
 *
 * A reply with "template": true may hold {{placeholders}} in any string (never in the name of a member); without it,
 * braces are bytes like others. {{name}}, {{name:argument}}; a | in front of the end gives what stands there when the
 * request does not have it: {{header:x-user|nobody}}. docs/fixtures.md lists them. What is inserted is text in a JSON
 * tree, so it cannot break out of its string; {{value:/pointer}} alone in a string becomes the value itself.
 *
 * Unknown names, wrong arguments and secret headers are refused when the reply comes in. Environment and files cannot
 * be read.
 */
#ifndef MOHS_MOCK_TEMPLATE_H
#define MOHS_MOCK_TEMPLATE_H

#include "mock/rng.h"
#include "protocol/json.h"

#define TEMPLATE_STRING_MAX ((size_t)32 << 20) /* of one string, expanded */

struct template_scene {
    const cJSON *subject; /* mock/script/subject.h */
    const char *request_id, *region;
    int64_t now_ms;
    uint64_t call, nth; /* of the session; of the fixture. 0: unknown */
    struct rng *rng;
};

/* Every placeholder of a reply; `where` is its JSON pointer. */
enum err template_check(const cJSON *reply, const char *where, struct note *note) MUST_USE;
/* A copy of a checked reply with everything inserted; the caller's. ERR_LIMIT: a string grew too long. */
enum err template_expand(const cJSON *reply, const struct template_scene *scene, cJSON **out, struct note *note) MUST_USE;

/* Some {{…}} of the text would be one, were the reply a template. */
bool template_has_placeholder(const char *text);

#endif
