/* request.c: requests out of bytes, and bytes of requests that are right.
 */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fuzz.h"

#define VARIANTS   12
#define MODELS_MAX 1024
#define LAST_MAX   2048

struct row {
    const char *method, *path;
};
/* Beside the operations of the API model. The compatible endpoints' own table is mock/compat/compat.c. */
static const struct row more_rows[] = {
    {"POST", "/openai/v1/chat/completions"}, {"POST", "/openai/v1/responses"}, {"POST", "/anthropic/v1/messages"},
    {"POST", "/v1/chat/completions"}, {"POST", "/v1/responses"}, {"POST", "/anthropic/v1/messages/count_tokens"},
    {"GET", "/v1/models"}, {"GET", "/v1/models/{modelId}"}, {"GET", "/openai/v1/models"},
    {"GET", "/openai/v1/models/{modelId}"}, {"POST", "/"}, {"GET", "/"}, {"POST", "/model/arn:aws:bedrock:x/y/converse"},
    {"GET", "/nothing"}, {"HEAD", "/foundation-models"}, {"OPTIONS", "*"}};

static const char *models[MODELS_MAX];
static size_t model_count;
static char last[LAST_MAX];

static size_t operation_count(const struct mock *m)
{
    static size_t count;
    while (api_operation_at(m->api, count) != NULL)
        count++;
    return count;
}

size_t request_row_count(const struct mock *m)
{
    return operation_count(m) + COUNT_OF(more_rows);
}

/* The families' own first: a seed names them by number. */
static void find_models(const struct mock *m)
{
    static const char *const odd[] = {"unknown.model-v1", "amazon.nova-2-sonic-v1:0", "us.amazon.nova-lite-v1:0",
                                      "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0",
                                      "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl",
                                      "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl",
                                      "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1", "*", "", "\xff"};
    const cJSON *row;
    for (size_t i = 0; model_count < MODELS_MAX && (row = fuzz_native(i)) != NULL; i++)
        models[model_count++] = json_str(row, "model") != NULL ? json_str(row, "model") : "";
    for (size_t i = 0; i < COUNT_OF(odd); i++)
        models[model_count++] = odd[i];
    for (size_t i = 0; model_count < MODELS_MAX && i < models_count(m->models); i++)
        models[model_count++] = models_at(m->models, i)->id;
}

static void add_escaped(struct buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                     strchr("-._~", *p) != NULL;
        if (plain)
            buf_addc(out, *p);
        else
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

/* A line as it is, but for `$`, and for bytes that no server lets through in a request line. */
static void add_line(struct buf *out, struct span line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '$')
            add_escaped(out, last);
        else
            buf_addc(out, line.p[i] <= ' ' || line.p[i] == 0x7f ? '_' : (char)line.p[i]);
    }
}

static struct span next_line(struct span *rest)
{
    struct span line;
    (void)span_split(*rest, '\n', &line, rest);
    return line;
}

static void make_path(struct request *r, const char *path, const char *model, struct span model_line, struct span label)
{
    for (const char *p = path; *p != '\0'; p++) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;
        if (end == NULL)
            buf_addc(&r->target, *p);
        else if (strncmp(p, "{modelId", 8) == 0 && model_line.n > 0)
            add_line(&r->target, model_line);
        else if (strncmp(p, "{modelId", 8) == 0)
            add_escaped(&r->target, model);
        else if (label.n > 0)
            add_line(&r->target, label);
        else
            add_escaped(&r->target, last[0] != '\0' ? last : "abcdefghij");
        p = end != NULL ? end : p;
    }
}

static void add_field(struct request *r, const char *name, struct span value)
{
    if (r->ask.field_count < RIG_FIELDS_MAX)
        r->ask.fields[r->ask.field_count++] = (struct http_field){span_of(name), value};
}

/* A token, as every server has it. */
static bool is_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", name.p[i]) != NULL)
            return false;
    return name.n > 0;
}

static bool is_value(struct span value)
{
    for (size_t i = 0; i < value.n; i++)
        if ((value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
            return false;
    return true;
}

static struct span add_fields(struct request *r, struct span rest)
{
    for (struct span line; (line = next_line(&rest)).n > 0;) {
        struct span name, value = SPAN_EMPTY;
        (void)span_split(line, ':', &name, &value);
        if (!is_name(name) || !is_value(value) || r->ask.field_count >= RIG_FIELDS_MAX)
            continue;
        r->ask.fields[r->ask.field_count++] = (struct http_field){name, span_trim(value)};
        r->faulted = r->faulted || span_is_nocase(name, "x-mohs-fault");
    }
    return rest;
}

static void add_signature(struct request *r, unsigned how)
{
    static struct sigv4 *sigv4;
    if (sigv4 == NULL)
        sigv4 = sigv4_new();
    const struct sigv4_header host = {r->ask.fields[0].name, r->ask.fields[0].value};
    struct sigv4_request q = {.method = span_of(r->ask.method), .headers = &host, .header_count = 1, .body = r->ask.body};
    (void)span_split(r->ask.target, '?', &q.path, &q.query);
    const char *service = (how & REQUEST_MANTLE) ? "bedrock-mantle" : "bedrock";
    struct sigv4_signing with = {.access_key = span_of(MOCK_DEFAULT_ACCESS_KEY), .secret = span_of(MOCK_DEFAULT_SECRET),
                                 .region = span_of("us-east-1"), .service = span_of(service), .at_s = (int64_t)time(NULL)};
    struct sigv4_signed s;
    sigv4_signed_init(&s);
    must(sigv4 != NULL);
    if (sigv4_sign(sigv4, &q, &with, &s, NULL) == OK) {
        buf_add(&r->signature, buf_span(&s.authorization));
        buf_adds(&r->date, s.date);
        if (how & REQUEST_BEARER)
            r->signature.data[r->signature.len - 1] ^= 1;
        add_field(r, "authorization", buf_span(&r->signature));
        add_field(r, "x-amz-date", buf_span(&r->date));
    }
    sigv4_signed_release(&s);
}

void request_release(struct request *r)
{
    buf_release(&r->target);
    buf_release(&r->signature);
    buf_release(&r->date);
    free(r->text);
}

bool request_make(struct request *r, const struct mock *m, struct span bytes)
{
    *r = (struct request){.target = BUF_INIT(BUF_ANY), .signature = BUF_INIT(BUF_ANY), .date = BUF_INIT(BUF_ANY)};
    if (bytes.n < REQUEST_HEAD)
        return false;
    if (model_count == 0)
        find_models(m);
    unsigned how = bytes.p[0], lines = bytes.p[5];
    size_t row = ((size_t)bytes.p[1] << 8 | bytes.p[2]) % request_row_count(m), operations = operation_count(m);
    const char *model = models[((size_t)bytes.p[3] << 8 | bytes.p[4]) % model_count];
    struct span rest = span_from(bytes, REQUEST_HEAD);
    r->operation = row < operations ? api_operation_at(m->api, row) : NULL;
    r->ask.method = r->operation != NULL ? r->operation->method : more_rows[row - operations].method;
    struct span label = (lines & REQUEST_LABEL) ? next_line(&rest) : SPAN_EMPTY;
    struct span named = (lines & REQUEST_MODEL) ? next_line(&rest) : SPAN_EMPTY;
    make_path(r, r->operation != NULL ? r->operation->uri : more_rows[row - operations].path, model, named, label);
    if (lines & REQUEST_QUERY) {
        buf_addc(&r->target, '?');
        add_line(&r->target, next_line(&rest));
    }
    const char *host = (how & REQUEST_MANTLE) ? "bedrock-mantle.us-east-1.api.aws" : "127.0.0.1:4566";
    add_field(r, (how & REQUEST_HTTP2) ? ":authority" : "host", span_of(host));
    if (how & REQUEST_SESSION)
        add_field(r, SESSION_HEADER, SPAN_LIT("a"));
    if (lines & REQUEST_FIELDS)
        rest = add_fields(r, rest);
    r->ask.version = (how & REQUEST_HTTP2) ? 20 : 11;
    r->ask.target = buf_span(&r->target);
    r->ask.body = rest;
    if (how & REQUEST_SIGNED)
        add_signature(r, how);
    else if (how & REQUEST_BEARER)
        add_field(r, "authorization", SPAN_LIT("Bearer bedrock-api-key-of-nobody"));
    return buf_error(&r->target) == OK;
}

/* ---- what answers give ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void learn(const cJSON *item, unsigned depth)
{
    for (; item != NULL && depth < 4; item = item->next) {
        bool useful = item->string != NULL && cJSON_IsString(item) && strlen(item->valuestring) < LAST_MAX &&
                      (ends_with(item->string, "Arn") || ends_with(item->string, "Id") || ends_with(item->string, "Token"));
        if (useful)
            (void)snprintf(last, sizeof last, "%s", item->valuestring);
        learn(item->child, depth + 1);
    }
}

void request_learn(struct exchange *x)
{
    CLEANUP(json_free) cJSON *tree = NULL;
    if (x == NULL)
        last[0] = '\0';
    else if (rig_status(x) == 200 && json_parse(rig_drain(x), JSON_UNIQUE, &tree, NULL) == OK)
        learn(tree, 0);
}

/* ---- seeds ---- */

static void add_head(struct buf *out, unsigned how, size_t row, size_t model, unsigned lines)
{
    const unsigned char head[REQUEST_HEAD] = {(unsigned char)how, (unsigned char)(row >> 8), (unsigned char)row,
                                              (unsigned char)(model >> 8), (unsigned char)model, (unsigned char)lines};
    buf_add(out, (struct span){head, sizeof head});
}

static const struct api *seed_api(void)
{
    static struct api *api;
    if (api == NULL)
        api = api_load(NULL);
    must(api != NULL);
    return api;
}

static size_t row_of(const char *operation)
{
    size_t i = 0;
    while (strcmp(api_operation_at(seed_api(), i)->name, operation) != 0)
        i++;
    return i;
}

/* Bodies of every family, whole and streamed. */
static bool native_seed(size_t n, struct buf *out)
{
    const cJSON *row = fuzz_native(n / 2);
    if (row == NULL)
        return false;
    add_head(out, REQUEST_SIGNED, row_of(n % 2 == 0 ? "InvokeModel" : "InvokeModelWithResponseStream"), n / 2, 0);
    json_print(json_item(row, "request"), JSON_COMPACT, out);
    return true;
}

static bool model_seed(size_t n, size_t operations, struct buf *out)
{
    static const struct {
        size_t row; /* of more_rows */
        unsigned how, lines;
        const char *text;
    } rows[] = {
        {0, 0, 0, "{\"model\":\"openai.gpt-oss-20b\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true}"},
        {0, REQUEST_MANTLE, 0, "{\"model\":\"openai.gpt-oss-20b\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
            "\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":"
            "{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"x\"}],\"tools\":[{\"type\":\"function\","
            "\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}],\"stream_options\":{\"include_usage\":true},\"max_tokens\":9}"},
        {1, REQUEST_SIGNED, 0, "{\"model\":\"openai.gpt-oss-120b\",\"input\":\"hi\",\"instructions\":\"s\",\"stream\":true}"},
        {4, REQUEST_SIGNED | REQUEST_MANTLE, 0, "{\"model\":\"openai.gpt-oss-120b\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\","
            "\"text\":\"a\"}]},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"o\"}],\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]}"},
        {2, REQUEST_SIGNED, 0, "{\"model\":\"anthropic.claude-haiku-4-5\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true}"},
        {5, REQUEST_MANTLE, 0, "{\"model\":\"anthropic.claude-haiku-4-5\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"},
        {6, REQUEST_MANTLE, 0, ""}, {7, REQUEST_MANTLE, 0, ""}, {8, 0, 0, ""}, {9, 0, 0, ""},
        {10, REQUEST_SIGNED, 0, "Version=2011-06-15&Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fx&RoleSessionName=ab"},
        {10, 0, 0, "Version=2011-06-15&Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fx&RoleSessionName=ab"
            "&WebIdentityToken=eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwiZXhwIjo5OTk5OTk5OTk5fQ.c2ln"},
        {10, REQUEST_SIGNED, 0, "Version=2011-06-15&Action=GetSessionToken&DurationSeconds=900"},
        {11, REQUEST_SIGNED, REQUEST_QUERY, "Version=2011-06-15&Action=GetCallerIdentity\n"},
        {12, 0, 0, "{}"}, {13, 0, 0, ""},
        {0, REQUEST_MOCK, REQUEST_FIELDS, "x-mohs-fault: cut-fin:at_event=1\nx-mohs-id: 7\n\n{\"model\":\"openai.gpt-oss-20b\",\"stream\":true,"
            "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"},
    };
    if (n >= COUNT_OF(rows))
        return false;
    add_head(out, rows[n].how, operations + rows[n].row, 0, rows[n].lines);
    buf_adds(out, rows[n].text);
    return true;
}

bool request_seed(size_t n, struct buf *out)
{
    const struct api *api = seed_api();
    size_t operations = 0;
    while (api_operation_at(api, operations) != NULL)
        operations++;
    if (n < operations * VARIANTS) {
        const struct api_operation *o = api_operation_at(api, n / VARIANTS);
        CLEANUP(json_free) cJSON *body = fuzz_sample_body(o, (unsigned)(n % VARIANTS));
        bool query = o->request.query_count > 0 && n % 2 == 1;
        add_head(out, n % 3 == 0 ? REQUEST_SIGNED : 0, n / VARIANTS, n % 7 == 0 ? n : 0, query ? REQUEST_QUERY : 0);
        for (size_t i = 0; query && i < o->request.query_count; i++)
            buf_addf(out, "%s%s=1", i > 0 ? "&" : "", o->request.query[i].wire != NULL ? o->request.query[i].wire : o->request.query[i].name);
        if (query)
            buf_addc(out, '\n');
        if (body != NULL)
            json_print(body, JSON_COMPACT, out);
        return true;
    }
    n -= operations * VARIANTS;
    size_t natives = 0;
    while (fuzz_native(natives) != NULL)
        natives++;
    return n < natives * 2 ? native_seed(n, out) : model_seed(n - natives * 2, operations, out);
}
