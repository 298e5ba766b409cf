/* shape.h: the API model as data: operations, shapes, constraints, error texts; and checking values against it.
 *
 * The files are fixtures/api/{bedrock-runtime,bedrock,bedrock-agent-runtime}.json and errors.json (protocol/data.h).
 * api_load reads them once; all that it gives is read-only, lives until api_free and may be used from any thread.
 * Checking a body that is right allocates nothing, but for the keys of maps.
 *
 * Two layers of faults, as the service has them:
 *   - a value of the wrong JSON type never reaches the constraints: SerializationException, 400, the first one met. The
 *     texts are those of other AWS services (errors.json marks them inferred or unverified), so no rule of the suite may
 *     hang on them;
 *   - every broken constraint of the request in one ValidationException, 400: "2 validation errors detected: Value 'a b'
 *     at 'toolConfig.tools.1.member.toolSpec.name' failed to satisfy constraint: Member must ...; Value null at ...".
 *     List positions count from one. The value is left out for blobs, for structures and below sensitive shapes. A list
 *     or map of plain values that holds bad ones is named once, with the rules of its members in brackets.
 *
 * Unknown members are ignored; null is absent. Lengths of strings are code points, of blobs decoded bytes. A union that
 * sets none or several of its members is told alone, when nothing else is wrong.
 */
#ifndef MOHS_SHAPE_H
#define MOHS_SHAPE_H

#include "protocol/buf.h"
#include "protocol/json.h"

#define API_SEGMENTS_MAX 8
#define API_LABELS_MAX   4
#define API_FAULT_MAX    (256u << 10) /* bytes of one error text; longer ones are cut there */

enum shape_kind {
    SHAPE_STRING,
    SHAPE_ENUM,
    SHAPE_INTEGER,
    SHAPE_LONG,
    SHAPE_FLOAT,
    SHAPE_DOUBLE,
    SHAPE_BOOLEAN,
    SHAPE_BLOB,
    SHAPE_TIMESTAMP,
    SHAPE_DOCUMENT,
    SHAPE_LIST,
    SHAPE_MAP,
    SHAPE_STRUCT,
    SHAPE_UNION,
    SHAPE_EVENTSTREAM
};

struct shape_member;
struct regex;

/* A named type: struct, union, enum or event stream. An event stream's members are its events. */
struct shape {
    const char *name;
    enum shape_kind kind;
    bool sensitive;
    const struct shape_member *members;
    size_t member_count;
    const char *const *values; /* of an enum */
    size_t value_count;
};

/* A place where a value stands: a member, an element, a key. */
struct shape_member {
    const char *name; /* NULL for elements and keys */
    const char *wire; /* the name in path, query or header; else as name */
    enum shape_kind kind;
    const struct shape *type;           /* of a struct, union, enum, event stream */
    const struct shape_member *element; /* of a list; the value of a map */
    const struct shape_member *key;     /* of a map */
    bool required, sensitive;
    const char *min, *max; /* literals; NULL: no bound. Length of strings, blobs, lists and maps; value of numbers */
    double min_value, max_value;
    const char *pattern;
    const struct regex *regex;
    const char *format; /* of a timestamp: iso8601, or NULL for seconds */
};

struct api_side {
    const char *type; /* "ConverseRequest" */
    const struct shape_member *path, *query, *headers;
    size_t path_count, query_count, header_count;
    const struct shape_member *payload; /* the one member that is the whole body, or NULL */
    struct shape body;                  /* else the members of the JSON body */
};

enum api_streaming { API_NOT_STREAMING, API_STREAMING_RESPONSE, API_STREAMING_BOTH };

struct api_operation {
    const char *name;    /* "ConverseStream" */
    const char *service; /* "bedrock-runtime": the endpoint prefix */
    const char *method;
    const char *uri;
    int status;
    enum api_streaming streaming;
    struct api_side request, response;
    struct span segments[API_SEGMENTS_MAX]; /* of the uri; a label keeps its braces */
    size_t segment_count;
};

struct api_error {
    const char *name; /* "ThrottlingException" */
    int status;
    bool client;
    struct shape shape;
};

/* A row of errors.json. */
struct api_text {
    const char *id; /* "throttle-requests" */
    const char *layer;
    int status;           /* 0: not known */
    const char *type;     /* for x-amzn-ErrorType and the like */
    const char *text;     /* with {placeholders} */
    const char *body_key; /* "message", "Message", or NULL when the body is not JSON */
    const char *confidence;
    const char *errortype_suffix; /* NULL: none known */
};

struct api;

/* NULL and a note when a file is missing or does not say what it must. */
struct api *api_load(struct note *note);
void api_free(struct api *api);

/* -- Finding ------------------------------------------------ */

/* The operation for a request, and the raw (still encoded) text of its path labels. A label is one segment of the path
 * as it came: %2F stays inside it, ':' and %3A are both fine. `path` has no query. ERR_UNKNOWN: no such path.
 * ERR_UNSUPPORTED: another method. */
struct api_route {
    const struct api_operation *operation;
    struct {
        struct span name, raw;
    } labels[API_LABELS_MAX];
    size_t label_count;
};
enum err api_route(const struct api *api, struct span method, struct span path, struct api_route *out) MUST_USE;
/* The decoded label, appended. ERR_UNKNOWN: no such label. ERR_SYNTAX: bad percent encoding, or a NUL. */
enum err api_route_label(const struct api_route *route, const char *name, struct buf *out) MUST_USE;

const struct api_operation *api_operation(const struct api *api, const char *name);
const struct api_operation *api_operation_at(const struct api *api, size_t index); /* NULL behind the last */
const struct shape *api_shape(const struct api *api, const char *name);            /* "Message"; of the runtime first */
const struct api_error *api_error(const struct api *api, const char *name);
const struct api_text *api_text(const struct api *api, const char *id);
const struct api_text *api_text_at(const struct api *api, size_t index);
const struct shape_member *shape_member(const struct shape *shape, const char *name);

/* Append the text with its placeholders filled: api_text_format(t, &out, "n", "5", NULL). Those not named stay as they
 * are. */
void api_text_format(const struct api_text *text, struct buf *out, ...) __attribute__((sentinel));
/* The same for an id: also gives the row. ERR_UNKNOWN when there is none. */
enum err api_error_text(const struct api *api, const char *id, const struct api_text **row, struct buf *out, ...)
    __attribute__((sentinel)) MUST_USE;

/* RFC 3986 section 2.1, appended. '+' stays. ERR_SYNTAX on a bad escape or %00. */
enum err uri_decode(struct span raw, struct buf *out) MUST_USE;

/* -- Checking ------------------------------------------------ */

struct api_fault {
    const char *type; /* "ValidationException", "SerializationException" */
    int status;
    struct buf text;
};
#define API_FAULT_INIT ((struct api_fault){NULL, 0, BUF_INIT(API_FAULT_MAX)})
void api_fault_release(struct api_fault *fault);

enum api_place { API_PATH, API_QUERY, API_HEADER };

struct api_input {
    const cJSON *body;  /* NULL: none */
    size_t payload_len; /* bytes of a payload that is not JSON */
    /* The decoded value of a label, query parameter or header by its wire name, or NULL. Without it only the body is
     * checked. */
    const char *(*get)(void *ctx, enum api_place place, const char *wire);
    void *ctx;
};

/* OK, ERR_INVALID with *out filled, or ERR_NOMEM. */
enum err api_check_request(const struct api *api, const struct api_operation *operation, const struct api_input *in,
                           struct api_fault *out) MUST_USE;
enum err api_check_response(const struct api *api, const struct api_operation *operation, const cJSON *body,
                            struct api_fault *out) MUST_USE;
enum err api_check_shape(const struct api *api, const struct shape *shape, const cJSON *value,
                         struct api_fault *out) MUST_USE;
/* Members of a request's body that the model does not know, at any depth: their JSON pointers as JSON strings, joined by commas,
 * appended; at most `most`. How many were appended. A body that is no JSON of the model's (a payload) has none. */
size_t api_unknown_members(const struct api_operation *operation, const cJSON *body, size_t most, struct buf *out);
/* The fault of a body that is not JSON at all. */
void api_fault_not_json(const struct api *api, struct api_fault *out);

#endif
