/* refusal.h: the answers of a Bedrock that says no: error types, their statuses, and the shapes they travel in.
 *
 * Three shapes are real: JSON with x-amzn-ErrorType (all modelled errors; the auth layer has another suffix, and IAM
 * denials spell `Message`), an XML element for a path nobody serves, and Coral's 200 with UnknownOperationException for
 * a path in which an ARN was not escaped. Texts are those the service was seen to send.
 */
#ifndef MOHS_MOCK_REFUSAL_H
#define MOHS_MOCK_REFUSAL_H

#include "net/plan.h"

struct error_type {
    const char *name; /* ThrottlingException */
    int status;
    const char *suffix;    /* behind the ':' of x-amzn-ErrorType */
    const char *text;      /* what it says when nobody gave a sentence */
    const char *exception; /* its name as a member of an event stream; NULL when streams cannot carry it */
};

/* The whole table, for the fault list. */
size_t error_types(const struct error_type **rows);
/* NULL for a name nobody knows. */
const struct error_type *error_type_find(const char *name);

enum refusal_layer {
    REFUSAL_NONE,
    REFUSAL_ROUTING,    /* no such operation */
    REFUSAL_AUTH,       /* the signature or key */
    REFUSAL_POLICY,     /* who may do what, and which models were granted (policy.h) */
    REFUSAL_CONSTRAINT, /* the API model */
    REFUSAL_MODEL,      /* no such model, or not that way */
    REFUSAL_SEMANTIC,   /* rules beside the model */
    REFUSAL_THROTTLE,   /* a quota */
    REFUSAL_HTTP        /* the server below, before anybody looked at it */
};

/* What a Bedrock says to a request it will not serve. */
struct refusal {
    enum refusal_layer layer;
    const char *type;     /* a name of the table */
    bool capital_message; /* {"Message": ...}, as IAM denials and bearer keys */
    char rule[48];        /* id of the semantic rule, or "" */
    struct buf text;
};

#define REFUSAL_TEXT_MAX ((size_t)1 << 20) /* many failing constraints make a long sentence, and no longer one */

void refusal_init(struct refusal *r);
void refusal_release(struct refusal *r);
/* Keep the first one: later layers do not speak over earlier ones. */
void refusal_set(struct refusal *r, enum refusal_layer layer, const char *type, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* How the name of an error travels. */
enum error_style { ERROR_STYLE_HEADER, ERROR_STYLE_TYPE, ERROR_STYLE_CODE };
bool error_style_find(const char *name, enum error_style *out); /* "header", "type", "code" */

struct error_reply {
    const char *type;
    const char *message;
    int status; /* 0: the type's own, 400 for a type nobody knows */
    enum error_style style;
    bool capital_message;
    const struct http_headers *headers; /* more of them; NULL: none */
    /* What ModelErrorException and ModelStreamErrorException say of the model behind; 0, NULL: nothing. */
    int original_status;
    const char *original_message, *resource;
};
/* Fill these, where the type has them and nothing is said yet, with what a model that broke would give; `resource`: of
 * the model, NULL: not known. */
void error_reply_original(struct error_reply *e, const char *resource);
/* ,"originalMessage":...,"originalStatusCode":...,"resourceName":...: those of them that there are. */
void error_write_original(const struct error_reply *e, struct buf *body);
struct plan *error_plan(const struct error_reply *e, const char *request_id);
struct plan *unknown_path_plan(const char *request_id);
struct plan *coral_unknown_operation_plan(const char *request_id);

#endif
