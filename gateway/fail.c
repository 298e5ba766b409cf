/* fail.c: Bedrock's errors in the words of the OpenAI API.
 *
 * Bedrock names its errors (header x-amzn-errortype, else a member of the body), and the name says more than the
 * status: a ThrottlingException that travels as 400 is still "come back later". So the table below goes by name, and
 * only an unknown name falls back to the class of the status. Bedrock's own faults (ModelErrorException 424,
 * ModelTimeout 408) become what a client of a gateway expects of a broken upstream: 502 and 504.
 */
#include "gateway/fail.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    int status;
    const char *type;
} types[] = {
    {400, "invalid_request_error"}, {401, "authentication_error"},  {403, "permission_error"},
    {404, "not_found_error"},       {405, "invalid_request_error"}, {408, "timeout_error"},
    {413, "invalid_request_error"}, {429, "rate_limit_error"},      {504, "timeout_error"},
};

/* Bedrock Runtime API Reference, errors of Converse and ConverseStream; the last rows are those of the AWS front end.
 */
static const struct {
    const char *name;
    int status;
} exceptions[] = {
    {"ValidationException", 400},
    {"ThrottlingException", 429},
    {"AccessDeniedException", 403},
    {"ResourceNotFoundException", 404},
    {"ModelNotReadyException", 503},
    {"ModelTimeoutException", 504},
    {"ModelErrorException", 502},
    {"ModelStreamErrorException", 502},
    {"ServiceUnavailableException", 503},
    {"InternalServerException", 500},
    {"ServiceQuotaExceededException", 429},
    {"ConflictException", 400},
    {"ExpiredTokenException", 403},
    {"UnrecognizedClientException", 403},
    {"InvalidSignatureException", 403},
    {"IncompleteSignatureException", 403},
    {"MissingAuthenticationTokenException", 403},
    {"UnknownOperationException", 404},
};

static const char *type_of(int status)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].status == status)
            return types[i].type;
    return status >= 500 ? "server_error" : "invalid_request_error";
}

static void begin(struct fail *f, int status, const char *code)
{
    *f = (struct fail){.status = status, .type = type_of(status)};
    if (code != NULL)
        (void)snprintf(f->code, sizeof f->code, "%s", code);
}

static void PRINTF_LIKE(2, 0) say(struct fail *f, const char *format, va_list args)
{
    (void)vsnprintf(f->note.text, sizeof f->note.text, format, args);
}

enum err fail_bad(struct fail *f, const char *param, const char *format, ...)
{
    begin(f, 400, NULL);
    (void)snprintf(f->param, sizeof f->param, "%s", param);
    va_list args;
    va_start(args, format);
    say(f, format, args);
    va_end(args);
    return ERR_INVALID;
}

enum err fail_set(struct fail *f, int status, const char *code, const char *format, ...)
{
    begin(f, status, code);
    va_list args;
    va_start(args, format);
    say(f, format, args);
    va_end(args);
    return ERR_INVALID;
}

static bool is_class(int status)
{
    return status >= 400 && status <= 599;
}

/* "ns#ThrottlingException:http://..." to "ThrottlingException". */
static struct span clean_name(struct span name)
{
    struct span head, rest;
    (void)span_split(name, ':', &head, &rest);
    if (span_split(head, '#', &name, &rest))
        head = rest;
    return span_trim(head);
}

static void classify(struct fail *f, struct span name, int status)
{
    char code[64];
    name = clean_name(name);
    (void)snprintf(code, sizeof code, "%.*s", (int)(name.n < 63 ? name.n : 63), (const char *)name.p);
    for (size_t i = 0; i < COUNT_OF(exceptions); i++)
        if (span_is_nocase(name, exceptions[i].name)) {
            begin(f, exceptions[i].status, exceptions[i].name);
            return;
        }
    begin(f, is_class(status) ? status : 502, code);
}

/* The message of a body that is JSON; false when it is not. *name is set when the body names the error. */
static bool read_body(struct span body, char *text, size_t size, char *name, size_t name_size)
{
    CLEANUP(json_free) cJSON *tree = NULL;
    if (json_parse(body, JSON_COMPACT, &tree, NULL) != OK || !cJSON_IsObject(tree))
        return false;
    static const char *const texts[] = {"message", "Message", "originalMessage"};
    for (size_t i = 0; i < COUNT_OF(texts) && text[0] == '\0'; i++)
        if (json_str(tree, texts[i]) != NULL)
            (void)snprintf(text, size, "%s", json_str(tree, texts[i]));
    static const char *const names[] = {"code", "__type"};
    for (size_t i = 0; i < COUNT_OF(names) && name[0] == '\0'; i++)
        if (json_str(tree, names[i]) != NULL)
            (void)snprintf(name, name_size, "%s", json_str(tree, names[i]));
    return true;
}

void fail_from_upstream(struct fail *f, int status, const char *error_type, struct span body)
{
    char text[sizeof f->note.text] = "", name[256] = "";
    bool json = read_body(body, text, sizeof text, name, sizeof name);
    classify(f, span_of(error_type != NULL ? error_type : name), status);
    if (text[0] != '\0')
        (void)note_set(&f->note, OK, "%s", text);
    else
        (void)note_set(&f->note, OK, "upstream answered %d with a body that %s", status,
                       json ? "has no message" : "is not JSON");
    fail_scrub(f->note.text);
}

void fail_from_exception(struct fail *f, struct span name, struct span payload)
{
    char text[sizeof f->note.text] = "", ignored[8] = "-";
    (void)read_body(payload, text, sizeof text, ignored, sizeof ignored);
    classify(f, name, 502);
    (void)note_set(&f->note, OK, "%s", text[0] != '\0' ? text : "upstream ended the stream with an exception");
    fail_scrub(f->note.text);
}

void fail_from_transport(struct fail *f, enum err e, const char *words)
{
    bool late = e == ERR_TIMEOUT;
    begin(f, late ? 504 : 502, late ? "upstream_timeout" : "upstream_unreachable");
    (void)note_set(&f->note, OK, "upstream %s: %s", late ? "did not answer in time" : "could not be read", words);
    fail_scrub(f->note.text);
}

static bool put_or_null(cJSON *object, const char *key, const char *text)
{
    return json_set(object, key, text[0] != '\0' ? cJSON_CreateString(text) : cJSON_CreateNull()) != NULL;
}

cJSON *fail_object(const struct fail *f)
{
    CLEANUP(json_free) cJSON *root = cJSON_CreateObject();
    cJSON *error = json_set(root, "error", cJSON_CreateObject());
    bool whole = error != NULL && json_set_string(error, "message", f->note.text) != NULL &&
                 json_set_string(error, "type", f->type) != NULL && put_or_null(error, "param", f->param) &&
                 put_or_null(error, "code", f->code);
    if (!whole)
        return NULL;
    cJSON *done = root;
    root = NULL;
    return done;
}

const char *fail_exception_name(const struct fail *f)
{
    for (size_t i = 0; i < COUNT_OF(exceptions); i++)
        if (strcmp(f->code, exceptions[i].name) == 0)
            return exceptions[i].name;
    for (size_t i = 0; i < COUNT_OF(exceptions); i++)
        if (exceptions[i].status == f->status)
            return exceptions[i].name;
    return f->status >= 500 ? "InternalServerException" : "ValidationException";
}

/* A word is secret when it is the ARN of an identity, or has the form of an access key id. */
static bool secret_word(struct span word)
{
    if (span_has_prefix(word, "arn:"))
        return span_find(word, ":iam:") != NULL || span_find(word, ":sts:") != NULL;
    if (word.n < 16 || !(span_has_prefix(word, "AKIA") || span_has_prefix(word, "ASIA")))
        return false;
    for (size_t i = 0; i < word.n; i++)
        if (!isupper(word.p[i]) && !isdigit(word.p[i]))
            return false;
    return true;
}

static bool in_word(char c)
{
    return c != '\0' && strchr(" \t\r\n\"'<>(),;=", c) == NULL;
}

void fail_scrub(char *text)
{
    static const char hidden[] = "***";
    char *spelled_out = strstr(text, "\n\nThe Canonical String");
    if (spelled_out != NULL)
        *spelled_out = '\0';
    char *to = text;
    for (char *from = text; *from != '\0';) {
        size_t n = 0;
        while (in_word(from[n]))
            n++;
        if (n >= sizeof hidden && secret_word((struct span){(unsigned char *)from, n})) {
            memcpy(to, hidden, sizeof hidden - 1);
            to += sizeof hidden - 1;
        } else if (n > 0) {
            memmove(to, from, n);
            to += n;
        }
        from += n;
        if (*from != '\0')
            *to++ = *from++;
    }
    *to = '\0';
}
