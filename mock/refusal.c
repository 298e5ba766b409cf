/* refusal.c: how Bedrock says no.
 *
 * The shapes matter more than the words: SDKs look for the name first in x-amzn-ErrorType (and cut it at the colon),
 * then in the body's `code`, then in `__type`; they read `message` and `Message`. So the table below holds what the
 * header says, and the three styles exist to see whether a gateway finds the name wherever it stands. Statuses are
 * those of the service's API model (botocore data, bedrock-runtime 2023-09-30); those of the auth layer and the texts
 * are from public reports.
 */
#include "mock/refusal.h"

#include <stdarg.h>
#include <stdio.h>

#include "protocol/json.h"

#define SUFFIX_SERVICE "http://internal.amazon.com/coral/com.amazon.bedrock/"
#define SUFFIX_AUTH    "http://internal.amazon.com/coral/com.amazon.coral.service/"

static const struct error_type table[] = {
    {"ValidationException", 400, SUFFIX_SERVICE, "Malformed input request, please reformat your input and try again.",
     "validationException"},
    {"ServiceQuotaExceededException", 400, SUFFIX_SERVICE, "Your request exceeds the service quota for your account.",
     NULL},
    {"ConflictException", 400, SUFFIX_SERVICE, "Error occurred because of a conflict while performing an operation.",
     NULL},
    {"SerializationException", 400, SUFFIX_AUTH, "Unable to parse the request body as JSON.", NULL},
    {"AccessDeniedException", 403, SUFFIX_SERVICE, "You don't have access to the model with the specified model ID.",
     NULL},
    {"ResourceNotFoundException", 404, SUFFIX_SERVICE,
     "Could not resolve the foundation model from the provided model identifier.", NULL},
    {"ModelTimeoutException", 408, SUFFIX_SERVICE,
     "Model has timed out in processing the request. Try your request again.", "modelTimeoutException"},
    {"ModelErrorException", 424, SUFFIX_SERVICE, "The model returned an error while processing the request.", NULL},
    {"ModelStreamErrorException", 424, SUFFIX_SERVICE, "An error occurred while streaming the response.",
     "modelStreamErrorException"},
    {"ThrottlingException", 429, SUFFIX_SERVICE, "Too many requests, please wait before trying again.",
     "throttlingException"},
    {"ModelNotReadyException", 429, SUFFIX_SERVICE,
     "Model is not ready for inference. Wait and try your request again.", NULL},
    {"InternalServerException", 500, SUFFIX_SERVICE,
     "The system encountered an unexpected error during processing. Try your request again.",
     "internalServerException"},
    {"ServiceUnavailableException", 503, SUFFIX_SERVICE, "Bedrock is unable to process your request.",
     "serviceUnavailableException"},
    {"TooManyTagsException", 400, SUFFIX_SERVICE, "The request has more tags than a resource can have.", NULL},
    /* of the agent runtime, whose streams are not those of models: the fault `exception` sends them by name */
    {"DependencyFailedException", 424, SUFFIX_SERVICE, "A dependency of the request failed.", NULL},
    {"BadGatewayException", 502, SUFFIX_SERVICE, "There was an issue with a dependency. Try your request again.",
     NULL},
    {"UnrecognizedClientException", 403, SUFFIX_AUTH, "The security token included in the request is invalid.", NULL},
    {"InvalidSignatureException", 403, SUFFIX_AUTH,
     "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
     "and signing method. Consult the service documentation for details.",
     NULL},
    {"ExpiredTokenException", 403, SUFFIX_AUTH, "The security token included in the request is expired", NULL},
    {"IncompleteSignatureException", 403, SUFFIX_AUTH,
     "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
     "Authorization header requires 'SignedHeaders' parameter.",
     NULL},
    {"MissingAuthenticationTokenException", 403, SUFFIX_AUTH, "Missing Authentication Token", NULL},
};

size_t error_types(const struct error_type **rows)
{
    *rows = table;
    return COUNT_OF(table);
}

const struct error_type *error_type_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

void refusal_init(struct refusal *r)
{
    *r = (struct refusal){.text = BUF_INIT(REFUSAL_TEXT_MAX)};
}

void refusal_release(struct refusal *r)
{
    if (r != NULL)
        buf_release(&r->text);
}

void refusal_set(struct refusal *r, enum refusal_layer layer, const char *type, const char *format, ...)
{
    if (r->layer != REFUSAL_NONE)
        return;
    char text[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->layer = layer;
    r->type = type;
    buf_reset(&r->text);
    buf_adds(&r->text, text);
}

bool error_style_find(const char *name, enum error_style *out)
{
    static const char *const names[] = {"header", "type", "code"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum error_style)i;
            return true;
        }
    }
    return false;
}

void error_reply_original(struct error_reply *e, const char *resource)
{
    bool stream = strcmp(e->type, "ModelStreamErrorException") == 0;
    if (!stream && strcmp(e->type, "ModelErrorException") != 0)
        return;
    e->original_status = e->original_status != 0 ? e->original_status : 500;
    if (stream && e->original_message == NULL)
        e->original_message = "Internal server error";
    if (!stream && e->resource == NULL)
        e->resource = resource;
}

void error_write_original(const struct error_reply *e, struct buf *body)
{
    if (e->original_message != NULL) {
        buf_adds(body, ",\"originalMessage\":");
        json_quote(span_of(e->original_message), body);
    }
    if (e->original_status != 0)
        buf_addf(body, ",\"originalStatusCode\":%d", e->original_status);
    if (e->resource != NULL) {
        buf_adds(body, ",\"resourceName\":");
        json_quote(span_of(e->resource), body);
    }
}

/* Keys sorted, as everywhere: capital M and underscore come before the small letters. */
static void write_error_body(const struct error_reply *e, struct buf *body)
{
    const char *key = e->capital_message ? "\"Message\":" : "\"message\":";
    buf_addc(body, '{');
    if (e->style != ERROR_STYLE_HEADER) {
        buf_adds(body, e->style == ERROR_STYLE_TYPE ? "\"__type\":" : "\"code\":");
        json_quote(span_of(e->type), body);
        buf_addc(body, ',');
    }
    buf_adds(body, key);
    json_quote(span_of(e->message), body);
    error_write_original(e, body);
    buf_addc(body, '}');
}

struct plan *error_plan(const struct error_reply *e, const char *request_id)
{
    const struct error_type *row = error_type_find(e->type);
    int status = e->status != 0 ? e->status : row != NULL ? row->status : 400;
    struct plan *plan = plan_new(status);
    if (plan == NULL)
        return NULL;
    struct error_reply full = *e;
    if (full.message == NULL)
        full.message = row != NULL ? row->text : "";
    CLEANUP(buf_release) struct buf body = BUF_INIT(REFUSAL_TEXT_MAX * 8);
    write_error_body(&full, &body);
    plan_body(plan, "application/json", buf_span(&body));
    plan_header(plan, "x-amzn-RequestId", request_id);
    if (e->style == ERROR_STYLE_HEADER) {
        CLEANUP(buf_release) struct buf type = BUF_INIT(1024);
        buf_addf(&type, "%s:%s", e->type, row != NULL ? row->suffix : SUFFIX_SERVICE);
        plan_header(plan, "x-amzn-ErrorType", buf_text(&type));
    }
    for (size_t i = 0; e->headers != NULL && i < e->headers->count; i++)
        plan_header(plan, e->headers->items[i].name, e->headers->items[i].value);
    if (buf_error(&body) != OK)
        plan->failed = true;
    return plan;
}

struct plan *unknown_path_plan(const char *request_id)
{
    struct plan *plan = plan_new(404);
    if (plan == NULL)
        return NULL;
    plan_body(plan, "application/xml", SPAN_LIT("<UnknownOperationException/>"));
    plan_header(plan, "x-amzn-RequestId", request_id);
    return plan;
}

struct plan *coral_unknown_operation_plan(const char *request_id)
{
    struct plan *plan = plan_new(200);
    if (plan == NULL)
        return NULL;
    plan_body(plan, "application/json",
              SPAN_LIT("{\"Output\":{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"},"
                       "\"Version\":\"1.0\"}"));
    plan_header(plan, "x-amzn-RequestId", request_id);
    return plan;
}
